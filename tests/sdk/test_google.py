# SPDX-License-Identifier: MIT
"""The google-genai package."""
import json

import pytest
from google import genai
from google.genai import errors, types

ALL = ["oai", "ant", "gem", "oll"]
TOOL = types.Tool(function_declarations=[types.FunctionDeclaration(
    name="get_weather", description="weather of a city",
    parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]))])


@pytest.fixture
def client(base, key):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base))


@pytest.mark.parametrize("provider", ALL)
def test_plain(client, provider):
    a = client.models.generate_content(model=f"{provider}-plain", contents="Hello")
    assert a.text == "t0 t1 t2" and a.usage_metadata.candidates_token_count == 3
    assert a.candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.parametrize("provider", ALL)
def test_stream(client, provider):
    parts = list(client.models.generate_content_stream(model=f"{provider}-plain", contents="Hello"))
    assert "".join(p.text or "" for p in parts) == "t0 t1 t2"


@pytest.mark.parametrize("provider", ALL)
def test_tools(client, provider):
    config = types.GenerateContentConfig(tools=[TOOL],
                                         automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))
    a = client.models.generate_content(model=f"{provider}-tool", contents="Hello", config=config)
    assert a.function_calls[0].name == "get_weather" and isinstance(a.function_calls[0].args, dict)
    turn = types.Part.from_function_response(name="get_weather", response={"result": "sunny"})
    b = client.models.generate_content(model=f"{provider}-plain", config=config, contents=[
        types.Content(role="user", parts=[types.Part(text="Hello")]), a.candidates[0].content,
        types.Content(role="user", parts=[turn])])
    assert b.text == "t0 t1 t2"


@pytest.mark.parametrize("provider", ALL)
def test_json_by_schema(client, provider):
    a = client.models.generate_content(model=f"{provider}-json", contents="Hello", config=types.GenerateContentConfig(
        response_mime_type="application/json",
        response_schema=types.Schema(type="OBJECT", properties={"answer": types.Schema(type="STRING")})))
    assert isinstance(json.loads(a.text), dict)


@pytest.mark.parametrize("provider", ["oai", "gem", "oll"])
def test_embeddings(client, provider):
    e = client.models.embed_content(model=f"{provider}-plain", contents=["a", "b"])
    assert len(e.embeddings) == 2 and len(e.embeddings[0].values) > 1


def test_count(client):
    assert client.models.count_tokens(model="oai-plain", contents="Hello there").total_tokens > 0


@pytest.mark.parametrize("provider", ALL)
def test_errors(client, provider):
    with pytest.raises(errors.ClientError) as e:
        client.models.generate_content(model=f"{provider}-limit", contents="x")
    assert e.value.code == 429


def test_errors_of_the_gateway(client):
    with pytest.raises(errors.ClientError) as e:
        client.models.generate_content(model="nobody", contents="x")
    assert e.value.code == 400
