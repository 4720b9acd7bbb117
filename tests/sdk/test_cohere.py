# SPDX-License-Identifier: MIT
"""The cohere package: its chat and embeddings before any provider, reranking by whoever ranks, and its own other
paths by /cohere."""
import base64
import json
import struct

import cohere
import pytest

ALL = ["oai", "ant", "gem", "oll", "coh"]
ASK = [{"role": "user", "content": "Hello"}]
DOCUMENTS = ["Carson City is in Nevada.", "Paris is in France.", "A pig is no bird."]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "weather", "parameters": SCHEMA}}]
ONCE = {"max_retries": 0}


@pytest.fixture
def client(base, key):
    return cohere.ClientV2(api_key=key, base_url=base)


@pytest.fixture
def own(base, key):
    return cohere.ClientV2(api_key=key, base_url=base + "/cohere")


@pytest.mark.parametrize("provider", ALL)
def test_plain(client, provider):
    a = client.chat(model=f"{provider}-plain", messages=ASK, p=0.5, stop_sequences=["END"])
    assert [b.text for b in a.message.content] == ["t0 t1 t2"] and a.finish_reason == "COMPLETE" and a.id
    assert a.usage.tokens.output_tokens == 3 and a.usage.billed_units.input_tokens > 0


@pytest.mark.parametrize("provider", ALL)
def test_stream(client, provider):
    events = list(client.chat_stream(model=f"{provider}-plain", messages=ASK, documents=DOCUMENTS))
    assert [e.type for e in events if e.type != "content-delta"] == [
        "message-start", "content-start", "content-end", "message-end"]
    assert "".join(e.delta.message.content.text for e in events if e.type == "content-delta") == "t0 t1 t2"
    assert events[-1].delta.finish_reason == "COMPLETE" and events[-1].delta.usage.tokens.output_tokens == 3


@pytest.mark.parametrize("provider", ALL)
def test_tools(client, provider):
    a = client.chat(model=f"{provider}-tool", messages=ASK, tools=TOOLS, tool_choice="REQUIRED")
    call = a.message.tool_calls[0]
    assert call.function.name == "get_weather" and isinstance(json.loads(call.function.arguments), dict)
    assert a.finish_reason == "TOOL_CALL"
    result = {"type": "document", "document": {"id": "1", "data": {"sky": "clear"}}}
    more = [*ASK, a.message, {"role": "tool", "tool_call_id": call.id, "content": [result]}]
    assert client.chat(model=f"{provider}-plain", messages=more, tools=TOOLS).message.content[0].text == "t0 t1 t2"


@pytest.mark.parametrize("provider", ALL)
def test_streamed_tools(client, provider):
    events = list(client.chat_stream(model=f"{provider}-tool", messages=ASK, tools=TOOLS))
    starts = [e.delta.message.tool_calls for e in events if e.type == "tool-call-start"]
    pieces = [e.delta.message.tool_calls.function.arguments for e in events if e.type == "tool-call-delta"]
    assert [c.function.name for c in starts] == ["get_weather"] and starts[0].id
    assert isinstance(json.loads("".join(pieces)), dict) and events[-1].delta.finish_reason == "TOOL_CALL"


@pytest.mark.parametrize("provider", ALL)
def test_thinking(client, provider):
    thinking = cohere.Thinking(type="enabled", token_budget=2048)
    a = client.chat(model=f"{provider}-think", messages=ASK, thinking=thinking, max_tokens=4000)
    assert [b.type for b in a.message.content] == ["thinking", "text"] and a.message.content[0].thinking


@pytest.mark.parametrize("provider", ALL)
def test_json_by_schema(client, provider):
    a = client.chat(model=f"{provider}-json", messages=ASK, response_format={"type": "json_object", "json_schema": SCHEMA})
    assert isinstance(json.loads(a.message.content[0].text), dict)


@pytest.mark.parametrize("provider", ["oai", "gem", "oll", "coh"])
def test_embeddings(client, provider):
    a = client.embed(model=f"{provider}-plain", texts=["a", "b"], input_type="search_query")
    assert len(a.embeddings.float_) == 2 and a.embeddings.float_[0] and a.meta.billed_units.input_tokens > 0


@pytest.mark.parametrize("provider", ["oai", "gem", "oll"])
def test_embeddings_of_all_types(client, provider):
    a = client.embed(model=f"{provider}-plain", input_type="classification", output_dimension=8,
                     inputs=[{"content": [{"type": "text", "text": "a"}]}, {"content": [{"type": "text", "text": "b"}]}],
                     embedding_types=["float", "int8", "uint8", "binary", "ubinary", "base64"]).embeddings
    for i, numbers in enumerate(a.float_):
        assert struct.unpack(f"<{len(numbers)}f", base64.b64decode(a.base64[i])) == pytest.approx(numbers)
        scale = max(map(abs, numbers))
        assert all(abs(x / scale * 127 - y) <= 0.51 for x, y in zip(numbers, a.int8[i]))
        assert [x + 128 for x in a.int8[i]] == a.uint8[i] and [x - 128 for x in a.ubinary[i]] == a.binary[i]
        bits = "".join(str(int(x > 0)) for x in numbers)
        assert f"{a.ubinary[i][0]:08b}" == bits[:8]


@pytest.mark.parametrize("ranker", ["cohere", "jina_ai", "voyage", "hosted_vllm"])
def test_rerank(client, ranker):
    a = client.rerank(model=f"rank-{ranker}", query="Where is Paris?", documents=DOCUMENTS, top_n=2)
    assert len(a.results) == 2 and a.results[0].relevance_score >= a.results[1].relevance_score
    assert {r.index for r in a.results} <= {0, 1, 2}


@pytest.mark.parametrize("provider", ALL)
def test_errors(client, provider):
    with pytest.raises(cohere.TooManyRequestsError) as e:
        client.chat(model=f"{provider}-limit", messages=ASK, request_options=ONCE)
    assert e.value.status_code == 429 and "mock: status 429" in e.value.body["message"]
    with pytest.raises(cohere.TooManyRequestsError):
        list(client.chat_stream(model=f"{provider}-limit", messages=ASK, request_options=ONCE))
    with pytest.raises(cohere.BadRequestError):
        client.chat(model=f"{provider}-bad", messages=ASK, request_options=ONCE)


def test_errors_of_the_gateway(client, base):
    with pytest.raises(cohere.BadRequestError) as e:
        client.chat(model="nobody", messages=ASK, request_options=ONCE)
    assert "nobody" in e.value.body["message"]
    with pytest.raises(cohere.UnauthorizedError):
        cohere.ClientV2(api_key="sk-wrong", base_url=base).chat(model="oai-plain", messages=ASK, request_options=ONCE)
    with pytest.raises(cohere.BadRequestError) as e:
        client.embed(model="gem-plain", images=["data:image/png;base64,AAAA"], input_type="image", request_options=ONCE)
    assert "images" in e.value.body["message"]
    with pytest.raises(cohere.core.ApiError) as e:
        client.rerank(model="nobody", query="x", documents=DOCUMENTS)
    assert e.value.status_code in (400, 403, 404)


def test_passed_through(own):
    a = own.chat(model="plain", messages=ASK)
    assert a.message.content[0].text == "t0 t1 t2" and a.usage.billed_units.output_tokens > 0
    parts = [e.delta.message.content.text for e in own.chat_stream(model="plain", messages=ASK) if e.type == "content-delta"]
    assert "".join(parts) == "t0 t1 t2"
    a = own.embed(model="embed", texts=["a", "b"], input_type="search_query", embedding_types=["float"])
    assert len(a.embeddings.float_) == 2 and a.embeddings.float_[0]
    with pytest.raises(cohere.core.ApiError) as e:
        own.chat(model="x?status=429", messages=ASK, request_options=ONCE)
    assert e.value.status_code == 429
