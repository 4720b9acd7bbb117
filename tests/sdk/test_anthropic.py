# SPDX-License-Identifier: MIT
"""The anthropic package."""
import json

import anthropic
import pytest

ALL = ["oai", "ant", "gem", "oll"]
ASK = [{"role": "user", "content": "Hello"}]
TOOLS = [{"name": "get_weather", "description": "weather of a city", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]


@pytest.fixture
def client(base, key):
    return anthropic.Anthropic(base_url=base, api_key=key, max_retries=0)


@pytest.mark.parametrize("provider", ALL)
def test_plain(client, provider):
    a = client.messages.create(model=f"{provider}-plain", max_tokens=100, messages=ASK, system="Be short.")
    assert a.content[0].text == "t0 t1 t2" and a.stop_reason == "end_turn" and a.usage.output_tokens == 3


@pytest.mark.parametrize("provider", ALL)
def test_stream(client, provider):
    with client.messages.stream(model=f"{provider}-plain", max_tokens=100, messages=ASK) as s:
        assert "".join(s.text_stream) == "t0 t1 t2"
        final = s.get_final_message()
    assert final.stop_reason == "end_turn" and final.usage.output_tokens == 3


@pytest.mark.parametrize("provider", ALL)
def test_tools(client, provider):
    a = client.messages.create(model=f"{provider}-tool", max_tokens=100, messages=ASK, tools=TOOLS)
    call = next(b for b in a.content if b.type == "tool_use")
    assert call.name == "get_weather" and isinstance(call.input, dict) and a.stop_reason == "tool_use"
    more = [*ASK, {"role": "assistant", "content": a.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}]
    b = client.messages.create(model=f"{provider}-plain", max_tokens=100, messages=more, tools=TOOLS)
    assert b.content[0].text == "t0 t1 t2"


@pytest.mark.parametrize("provider", ALL)
def test_streamed_tools(client, provider):
    with client.messages.stream(model=f"{provider}-tool", max_tokens=100, messages=ASK, tools=TOOLS) as s:
        final = s.get_final_message()
    assert any(b.type == "tool_use" and isinstance(b.input, dict) for b in final.content)


@pytest.mark.parametrize("provider", ALL)
def test_thinking(client, provider):
    a = client.messages.create(model=f"{provider}-think", max_tokens=2000, messages=ASK,
                               thinking={"type": "enabled", "budget_tokens": 1024})
    assert any(b.type == "thinking" and b.thinking for b in a.content) and a.content[-1].type == "text"


@pytest.mark.parametrize("provider", ALL)
def test_json_by_schema(client, provider):
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"],
              "additionalProperties": False}
    a = client.messages.create(model=f"{provider}-json", max_tokens=100, messages=ASK,
                               output_config={"format": {"type": "json_schema", "schema": schema}})
    assert isinstance(json.loads(a.content[0].text), dict)


def test_count(client):
    assert client.messages.count_tokens(model="oai-plain", messages=ASK).input_tokens > 0


@pytest.mark.parametrize("provider", ALL)
def test_errors(client, provider):
    with pytest.raises(anthropic.RateLimitError):
        client.messages.create(model=f"{provider}-limit", max_tokens=10, messages=ASK)
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(model=f"{provider}-bad", max_tokens=10, messages=ASK)


def test_errors_of_the_gateway(client):
    with pytest.raises(anthropic.AuthenticationError):
        client.with_options(api_key="sk-wrong").messages.create(model="ant-plain", max_tokens=10, messages=ASK)
