# SPDX-License-Identifier: MIT
"""The ollama package."""
import json

import ollama
import pytest

ALL = ["oai", "ant", "gem", "oll"]
ASK = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


@pytest.fixture
def client(base, key):
    return ollama.Client(host=base, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize("provider", ALL)
def test_plain_and_stream(client, provider):
    a = client.chat(model=f"{provider}-plain", messages=ASK)
    assert a.message.content == "t0 t1 t2" and a.done and a.done_reason == "stop" and a.eval_count == 3
    assert "".join(p.message.content or "" for p in client.chat(model=f"{provider}-plain", messages=ASK, stream=True)) \
        == "t0 t1 t2"


@pytest.mark.parametrize("provider", ALL)
def test_tools(client, provider):
    call = client.chat(model=f"{provider}-tool", messages=ASK, tools=TOOLS).message.tool_calls[0]
    assert call.function.name == "get_weather" and isinstance(dict(call.function.arguments), dict)


@pytest.mark.parametrize("provider", ALL)
def test_json_by_schema(client, provider):
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    a = client.chat(model=f"{provider}-json", messages=ASK, format=schema)
    assert isinstance(json.loads(a.message.content), dict)


def test_the_rest(client):
    assert client.generate(model="oll-plain", prompt="Hello").response == "t0 t1 t2"
    assert "ant-plain" in [m.model for m in client.list().models]
    assert client.show("oai-plain") is not None


@pytest.mark.parametrize("provider", ["oai", "gem", "oll"])
def test_embeddings(client, provider):
    assert len(client.embed(model=f"{provider}-plain", input=["a", "b"]).embeddings) == 2


@pytest.mark.parametrize("provider", ALL)
def test_errors(client, provider):
    with pytest.raises(ollama.ResponseError) as e:
        client.chat(model=f"{provider}-limit", messages=ASK)
    assert e.value.status_code == 429
