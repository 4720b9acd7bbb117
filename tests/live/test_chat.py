# SPDX-License-Identifier: MIT
"""The main job: chat, completions, embeddings, models; plain and streamed."""
import json


def test_plain_answer_and_headers(gw, mock):
    a = gw.ask("m")
    assert a.status == 200 and a.text.startswith("t0")
    assert a.json["model"] == "m" and a.json["object"] == "chat.completion"
    h = a.headers
    for name in ("x-litellm-call-id", "x-litellm-model-id", "x-litellm-version", "x-litellm-response-cost",
                 "x-litellm-overhead-duration-ms", "x-litellm-model-api-base", "x-litellm-model-group"):
        assert h.get(name), name
    assert mock.base in h["x-litellm-model-api-base"]
    sent = mock.log()[-1]
    assert sent["authorization"] == "Bearer sk-upstream-canary"
    assert json.loads(sent["body"])["model"] == "plain"


def test_stream_is_complete_and_hides_usage_nobody_asked_for(gw, mock):
    s = gw.stream("mock?tokens=5")
    assert s.status == 200 and s.headers["content-type"].startswith("text/event-stream")
    events = list(s.events())
    assert events[-1] == "[DONE]"
    chunks = [json.loads(e) for e in events[:-1]]
    assert not any(c.get("usage") for c in chunks)
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert text.split() == ["t0", "t1", "t2", "t3", "t4"]
    assert {c["model"] for c in chunks} == {"mock?tokens=5"}
    assert json.loads(mock.log()[-1]["body"])["stream_options"]["include_usage"] is True


def test_stream_usage_when_asked(gw):
    chunks = gw.stream("mock?tokens=5&prompt=11&out=5", stream_options={"include_usage": True}).chunks()
    assert chunks[-1]["usage"]["prompt_tokens"] == 11 and chunks[-1]["usage"]["completion_tokens"] == 5


def test_unknown_parameters_travel_untouched(gw, mock):
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "seed": 9007199254740993,
            "some_vendor_thing": {"a": [1, 2.50, 1e5]}}
    raw = json.dumps(body).replace("2.5,", "2.50,").replace("100000.0", "1e5")
    assert gw.post("/v1/chat/completions", raw).status == 200
    got = mock.log()[-1]["body"]
    assert '"seed": 9007199254740993' in got and "2.50" in got and "1e5" in got


def test_paths(gw):
    body = {"messages": [{"role": "user", "content": "x"}]}
    for path in ("/engines/m/chat/completions", "/openai/deployments/m/chat/completions?api-version=1"):
        assert gw.post(path, body).status == 200, path
    assert gw.post("/chat/completions", {"model": "m", **body}).status == 200


def test_completions_and_embeddings(gw):
    a = gw.post("/v1/completions", {"model": "m", "prompt": "x"})
    assert a.status == 200 and a.json["object"] == "text_completion"
    e = gw.post("/v1/embeddings", {"model": "m", "input": ["a", "b"]})
    assert e.status == 200 and len(e.json["data"]) == 2 and e.json["usage"]["prompt_tokens"] > 0


def test_models(gw):
    ids = [m["id"] for m in gw.get("/v1/models").json["data"]]
    assert ids == ["m", "ollama"]
    assert gw.get("/models/m").json["id"] == "m"
    assert gw.get("/v1/models/nope").status == 404
    k = gw.key(models=["m"])
    assert [m["id"] for m in gw.get("/v1/models", key=k).json["data"]] == ["m"]


def test_ollama_native(start, mock):
    gw = start([("o", {"model": "ollama_chat/plain?tokens=4", "api_base": mock.base}),
                ("g", {"model": "ollama/plain?tokens=4", "api_base": mock.base}),
                ("t", {"model": "ollama_chat/plain?tool", "api_base": mock.base})])
    a = gw.ask("o", temperature=0.5, max_tokens=7)
    assert a.status == 200 and a.text.split()[:2] == ["t0", "t1"]
    sent = json.loads(mock.log()[-1]["body"])
    assert sent["options"]["num_predict"] == 7 and sent["options"]["temperature"] == 0.5
    assert gw.stream("o").text().split() == ["t0", "t1", "t2", "t3"]
    assert gw.ask("g").text.split()[:2] == ["t0", "t1"]
    assert gw.stream("g").text().split() == ["t0", "t1", "t2", "t3"]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    a = gw.ask("t", tools=tools)
    assert a.json["choices"][0]["finish_reason"] == "tool_calls"
    assert json.loads(a.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]) is not None
    e = gw.post("/v1/embeddings", {"model": "o", "input": ["a", "b"]})
    assert e.status == 200 and len(e.json["data"]) == 2


def test_mock_response(start):
    gw = start([("demo", {"model": "openai/demo", "mock_response": "canned"}),
                ("bad", {"model": "openai/demo", "mock_response": "litellm.RateLimitError"})])
    assert gw.ask("demo").text == "canned"
    assert gw.stream("demo").text() == "canned"
    assert gw.ask("bad", num_retries=0).status == 429


def test_health_endpoints(gw):
    assert gw.get("/health/liveliness", key=False).json == "I'm alive!"
    assert gw.get("/health/liveness", key=False).status == 200
    assert gw.get("/livez", key=False).status == 200
    assert gw.get("/readyz", key=False).status == 200
    assert gw.get("/health/readiness", key=False).json["status"] == "connected"
    assert gw.get("/health", key=False).status == 401
    h = gw.get("/health").json
    assert h["healthy_count"] + h["unhealthy_count"] == 3
    assert b"llmgw_requests_total" in gw.get("/metrics", key=False).body


def test_cors(gw):
    a = gw.request("OPTIONS", "/v1/chat/completions", key=False,
                   headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"})
    assert a.status == 200 and a.headers["access-control-allow-origin"] == "*"
    assert gw.ask("m", headers={"Origin": "https://app.example"}).headers["access-control-allow-origin"] == "*"
