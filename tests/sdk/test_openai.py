# SPDX-License-Identifier: MIT
"""The openai package."""
import json

import openai
import pytest

ALL = ["oai", "ant", "gem", "oll"]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
ASK = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def client(base, key):
    return openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0)


@pytest.mark.parametrize("provider", ALL)
def test_plain(client, provider):
    a = client.chat.completions.create(model=f"{provider}-plain", messages=ASK)
    assert a.choices[0].message.content == "t0 t1 t2" and a.choices[0].finish_reason == "stop"
    assert a.usage.completion_tokens == 3 and a.id.startswith("chatcmpl-") and a.created > 0


@pytest.mark.parametrize("provider", ALL)
def test_stream(client, provider):
    chunks = list(client.chat.completions.create(model=f"{provider}-plain", messages=ASK, stream=True,
                                                 stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "t0 t1 t2"
    assert chunks[-1].usage.total_tokens > 3


@pytest.mark.parametrize("provider", ALL)
def test_tools(client, provider):
    a = client.chat.completions.create(model=f"{provider}-tool", messages=ASK, tools=TOOLS)
    call = a.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather" and isinstance(json.loads(call.function.arguments), dict)
    assert a.choices[0].finish_reason == "tool_calls"
    more = [*ASK, a.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    b = client.chat.completions.create(model=f"{provider}-plain", messages=more, tools=TOOLS)
    assert b.choices[0].message.content == "t0 t1 t2"


@pytest.mark.parametrize("provider", ALL)
def test_streamed_tools(client, provider):
    with client.chat.completions.stream(model=f"{provider}-tool", messages=ASK, tools=TOOLS) as s:
        final = s.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.name == "get_weather"


@pytest.mark.parametrize("provider", ALL)
def test_json_by_schema(client, provider):
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"],
              "additionalProperties": False}
    a = client.chat.completions.create(model=f"{provider}-json", messages=ASK, response_format={
        "type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}})
    assert isinstance(json.loads(a.choices[0].message.content), dict)


@pytest.mark.parametrize("provider", ALL)
def test_responses(client, provider):
    first = client.responses.create(model=f"{provider}-plain", input="Hello")
    assert first.output_text == "t0 t1 t2" and first.usage.output_tokens == 3
    with client.responses.stream(model=f"{provider}-plain", input="And?", previous_response_id=first.id) as s:
        kinds = [e.type for e in s]
        second = s.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed" and second.output_text == "t0 t1 t2"
    assert client.responses.retrieve(second.id).previous_response_id == first.id
    assert len(list(client.responses.input_items.list(second.id, limit=1))) == 3
    assert client.responses.input_tokens.count(model=f"{provider}-plain", input="Hello").input_tokens > 0
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)
    with pytest.raises(openai.BadRequestError) as e:
        client.responses.create(model=f"{provider}-plain", input="x", previous_response_id=second.id)
    assert e.value.code == "previous_response_not_found"
    call = client.responses.create(model=f"{provider}-tool", input="x", tools=[
        {"type": "function", "strict": False, **TOOLS[0]["function"]}])
    result = {"type": "function_call_output", "call_id": call.output[0].call_id, "output": "sunny"}
    assert client.responses.create(model=f"{provider}-plain", input=[result],
                                   previous_response_id=call.id).output_text == "t0 t1 t2"


@pytest.mark.parametrize("provider", ALL)
def test_errors(client, provider):
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model=f"{provider}-limit", messages=ASK)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=f"{provider}-bad", messages=ASK)


def test_errors_of_the_gateway(client):
    with pytest.raises(openai.BadRequestError) as e:
        client.chat.completions.create(model="nobody", messages=ASK)
    assert e.value.param == "model"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-wrong").chat.completions.create(model="oai-plain", messages=ASK)


@pytest.mark.parametrize("provider", ["oai", "gem", "oll"])
def test_embeddings(client, provider):
    e = client.embeddings.create(model=f"{provider}-plain", input=["a", "b"])
    assert len(e.data) == 2 and len(e.data[0].embedding) > 1 and isinstance(e.data[0].embedding[0], float)


def test_models_and_completions(client):
    assert "ant-plain" in [m.id for m in client.models.list()]
    assert client.completions.create(model="oai-plain", prompt="x").choices[0].text == "t0 t1 t2"


def test_azure(base, key):
    c = openai.AzureOpenAI(azure_endpoint=base, api_key=key, api_version="2024-10-21", max_retries=0)
    assert c.chat.completions.create(model="gem-plain", messages=ASK).choices[0].message.content == "t0 t1 t2"
