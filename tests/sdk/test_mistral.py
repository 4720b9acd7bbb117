# SPDX-License-Identifier: MIT
"""The mistralai package, whose API is nearly OpenAI's."""
import json

import pytest

try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral

ALL = ["oai", "ant", "gem", "oll"]
ASK = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


@pytest.fixture
def client(base, key):
    return Mistral(api_key=key, server_url=base)


@pytest.mark.parametrize("provider", ALL)
def test_plain_and_stream(client, provider):
    assert client.chat.complete(model=f"{provider}-plain", messages=ASK).choices[0].message.content == "t0 t1 t2"
    parts = client.chat.stream(model=f"{provider}-plain", messages=ASK)
    assert "".join(p.data.choices[0].delta.content or "" for p in parts if p.data.choices) == "t0 t1 t2"


@pytest.mark.parametrize("provider", ALL)
def test_tools(client, provider):
    call = client.chat.complete(model=f"{provider}-tool", messages=ASK, tools=TOOLS).choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert isinstance(call.function.arguments, dict) or isinstance(json.loads(call.function.arguments), dict)


@pytest.mark.parametrize("provider", ALL)
def test_json_by_schema(client, provider):
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    a = client.chat.complete(model=f"{provider}-json", messages=ASK, response_format={
        "type": "json_schema", "json_schema": {"name": "x", "schema_definition": schema}})
    assert isinstance(json.loads(a.choices[0].message.content), dict)


@pytest.mark.parametrize("provider", ["gem", "oll", "coh"])     # OpenAI's own has no id, and this SDK wants one
def test_embeddings(client, provider):
    e = client.embeddings.create(model=f"{provider}-plain", inputs=["a", "b"])
    assert len(e.data) == 2 and len(e.data[0].embedding) > 1 and e.id.startswith("embd-")


@pytest.mark.parametrize("provider", ALL)
def test_errors(client, provider):
    with pytest.raises(Exception) as e:
        client.chat.complete(model=f"{provider}-limit", messages=ASK)
    assert getattr(e.value, "status_code", None) == 429
