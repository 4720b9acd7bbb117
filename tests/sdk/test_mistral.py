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


def test_errors(client):      # its embeddings want an id, which OpenAI's format has not
    with pytest.raises(Exception) as e:
        client.chat.complete(model="oll-limit", messages=ASK)
    assert getattr(e.value, "status_code", None) == 429
