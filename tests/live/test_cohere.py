# SPDX-License-Identifier: MIT
"""Cohere's second API behind every client: plain, streamed, with tools, embedded, and broken."""
import json

import pytest

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def co(start, mock):
    def row(model):
        return {"model": f"cohere/{model}", "api_base": mock.base + "/v2/chat", "api_key": "sk-upstream-canary",
                "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
    return start([("co", row("plain")), ("mock*", row("mock*"))])


def sent(mock):
    entry = mock.get("/mock/log?n=1&h=authorization")[-1]
    return entry["path"], json.loads(entry["body"]), entry["headers"]


def test_plain(co, mock):
    a = co.ask("co", temperature=0, stop="x", top_p=0.5)
    assert a.status == 200 and a.text == "t0 t1 t2" and a.json["model"] == "co"
    path, body, headers = sent(mock)
    assert path == "/v2/chat" and headers == {"authorization": "Bearer sk-upstream-canary"}
    assert body == {"model": "plain", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "p": 0.5,
                    "stop_sequences": ["x"], "stream": False}
    usage = a.json["usage"]
    assert usage["completion_tokens"] == 3 and usage["total_tokens"] == usage["prompt_tokens"] + 3
    cost = float(a.headers["x-litellm-response-cost"])
    assert cost == pytest.approx(usage["prompt_tokens"] * 1e-6 + 3 * 2e-6)


def test_stream(co):
    s = co.stream("mock?tokens=4&think=2", stream_options={"include_usage": True})
    chunks = s.chunks()
    said = [c["choices"][0]["delta"] for c in chunks if c["choices"]]
    assert s.status == 200 and "".join(d.get("content") or "" for d in said) == "t0 t1 t2 t3"
    assert "".join(d.get("reasoning_content") or "" for d in said) == "r0 r1"
    assert chunks[-1]["usage"]["completion_tokens"] == 6


@pytest.mark.parametrize("streams", [False, True])
def test_tools(co, mock, streams):
    extra = {"tools": [WEATHER], "tool_choice": "required"}
    if streams:
        deltas = [c["choices"][0]["delta"] for c in co.stream("mock?tools=2", **extra).chunks() if c["choices"]]
        calls = [t for d in deltas for t in d.get("tool_calls", [])]
        first = [t for t in calls if t["index"] == 0]
        assert {t["index"] for t in calls} == {0, 1} and first[0]["function"]["name"] == "weather"
        arguments = "".join(t["function"]["arguments"] for t in first)
    else:
        a = co.ask("mock?tools=2", **extra)
        message = a.json["choices"][0]["message"]
        assert message["reasoning_content"] == "I will look it up." and len(message["tool_calls"]) == 2
        assert a.json["choices"][0]["finish_reason"] == "tool_calls"
        arguments = message["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"city": "Paris"}
    assert sent(mock)[1]["tool_choice"] == "REQUIRED"


def test_other_dialects(co):
    ask = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    a = co.post("/v1/messages", {"model": "co", **ask})
    assert a.status == 200 and a.json["content"] == [{"type": "text", "text": "t0 t1 t2"}]
    a = co.post("/v1/completions", {"model": "co", "prompt": "Once"})
    assert a.status == 200 and a.json["choices"][0]["text"] == "t0 t1 t2"


def test_embeddings(co, mock):
    a = co.post("/v1/embeddings", {"model": "co", "input": ["a", "b"], "dimensions": 4, "input_type": "search_query"})
    assert a.status == 200 and [len(d["embedding"]) for d in a.json["data"]] == [4, 4]
    path, body, _ = sent(mock)
    assert path == "/v2/embed" and body == {"model": "plain", "texts": ["a", "b"], "output_dimension": 4,
                                            "input_type": "search_query", "embedding_types": ["float"]}
    a = co.post("/v1/embeddings", {"model": "co", "input": "a", "encoding_format": "base64"})
    assert isinstance(a.json["data"][0]["embedding"], str) and a.json["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize("status, kind", [(400, "invalid_request_error"), (401, "authentication_error"),
                                          (429, "throttling_error"), (503, "service_unavailable_error")])
def test_errors(co, status, kind):
    a = co.ask(f"mock?status={status}", num_retries=0)
    assert a.status == status and a.json["error"]["type"] == kind and "CohereException" in a.json["error"]["message"]


def test_what_cohere_cannot_do(co, mock):
    a = co.ask("co", n=2)
    assert a.status == 400 and a.json["error"]["param"] == "n" and not mock.log()
    assert co.ask("co", n=2, drop_params=True).status == 200


@pytest.mark.parametrize("how", ["die=2", "fin=2", "garbage=2"])
def test_a_broken_stream_has_no_good_end(co, how):
    events = list(co.stream(f"mock?tokens=6&gap=5&{how}").events())
    assert "[DONE]" not in events and json.loads(events[-1])["error"]["code"]


def test_a_stream_without_its_end_is_no_answer(co):
    events = list(co.stream("mock?tokens=2&nodone").events())
    assert "[DONE]" not in events and "error" in json.loads(events[-1])


# ---- its clients

ASK = {"messages": [{"role": "user", "content": "Hello"}]}
NUMBERS = {"embedding_types": ["int8"], "input_type": "image"}


@pytest.fixture
def both(start, mock):
    key = {"api_key": "sk-upstream-canary"}
    return start([("co", {"model": "cohere/plain", "api_base": mock.base, **key, "safety_mode": "OFF", "top_p": 0.1}),
                  ("oa", {"model": "openai/plain", "api_base": mock.base + "/v1", **key,
                          "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002})])


def test_the_short_way_changes_the_model_alone(both, mock):
    body = '{ "model":"co",\n "messages":[{"role":"user","content":"\\u0048i"}], "k":3 , "documents":["d"], "metadata":{}}'
    a = both.post("/v2/chat", body)
    assert a.status == 200 and a.json["message"]["content"] == [{"type": "text", "text": "t0 t1 t2"}]
    assert mock.log()[-1]["body"] == ('{ "model":"plain",\n "messages":[{"role":"user","content":"\\u0048i"}], "k":3 , '
                                      '"documents":["d"],"safety_mode":"OFF"}')
    row = both.spend_rows(wait_for=1)[0]
    assert row["completion_tokens"] == a.json["usage"]["tokens"]["output_tokens"] == 3


def test_images_are_for_cohere_alone(both, mock):
    images = {"images": ["data:image/png;base64,AAAA"], **NUMBERS}
    assert both.post("/v2/embed", {"model": "co", **images}).status == 200
    assert json.loads(mock.log()[-1]["body"]) == {"model": "plain", **images}
    mock.clear()
    a = both.post("/v2/embed", {"model": "oa", **images})
    assert a.status == 400 and set(a.json) == {"message"} and "images" in a.json["message"] and not mock.log()


def test_embeddings_cost_what_they_cost(both, mock):
    a = both.post("/v2/embed", {"model": "oa", "texts": ["a", "b"], **NUMBERS, "output_dimension": 8})
    assert a.status == 200 and [len(v) for v in a.json["embeddings"]["int8"]] == [8, 8] and a.json["texts"] == ["a", "b"]
    assert json.loads(mock.log()[-1]["body"]) == {"model": "plain", "input": ["a", "b"], "dimensions": 8}
    tokens = a.json["meta"]["billed_units"]["input_tokens"]
    assert tokens > 0 and float(a.headers["x-litellm-response-cost"]) == pytest.approx(tokens * 1e-6)


def test_what_looks_like_texts_is_refused(both, mock):
    a = both.post("/v2/embed", {"model": "co", "texts": ["a"], "Texts": ["a"] * 50})
    assert a.status == 400 and "lower case" in a.json["message"] and not mock.log()


@pytest.mark.parametrize("model", ["co", "oa"])
def test_streams_end_with_the_usage(both, mock, model):
    s = both.post("/v2/chat", {"model": model, "stream": True, **ASK})
    events = [json.loads(line[6:]) for line in s.body.decode().splitlines() if line.startswith("data: ")]
    assert events[0]["type"] == "message-start" and events[-1]["type"] == "message-end"
    assert events[-1]["delta"]["usage"]["tokens"]["output_tokens"] == 3


def test_errors_without_a_key_or_a_path(both):
    a = both.post("/v2/chat", {"model": "co", **ASK}, key="sk-nobody-1234567")
    assert a.status == 401 and set(a.json) == {"message"}
    assert set(both.get("/v2/chat").json) == {"message"}
    a = both.post("/cohere/v2/chat", {"model": "plain", **ASK}, key="sk-nobody-1234567")
    assert a.status == 401 and set(a.json) == {"message"}
