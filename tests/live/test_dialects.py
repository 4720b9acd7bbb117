# SPDX-License-Identifier: MIT
"""Anthropic's and Gemini's paths: each finds its dialect, its model and its errors."""
import json

import pytest

ASK = {"max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


@pytest.fixture
def three(start, mock):
    base, key = mock.base, "sk-upstream-canary"
    return start([("m", "plain"), ("claude", {"model": "anthropic/plain", "api_base": base, "api_key": key}),
                  ("gem", {"model": "gemini/plain", "api_base": base, "api_key": key})])


@pytest.mark.parametrize("model", ["m", "claude", "gem"])
@pytest.mark.parametrize("path", ["/v1/messages", "/anthropic/v1/messages"])
def test_messages(three, model, path):
    a = three.post(path, {"model": model, **ASK})
    assert a.status == 200 and a.json["type"] == "message" and a.json["model"] == model
    assert a.json["content"] == [{"type": "text", "text": "t0 t1 t2"}] and a.json["stop_reason"] == "end_turn"


@pytest.mark.parametrize("model", ["m", "claude", "gem"])
@pytest.mark.parametrize("path", ["/v1beta/models/MODEL:generateContent", "/v1/models/MODEL:generateContent",
                                  "/models/MODEL:generateContent"])
def test_gemini_content(three, model, path):
    a = three.post(path.replace("MODEL", model), CONTENTS)
    assert a.status == 200 and a.json["candidates"][0]["content"]["parts"] == [{"text": "t0 t1 t2"}]


@pytest.mark.parametrize("path", ["/v1beta/models/MODEL:streamGenerateContent", "/v1/models/MODEL:streamGenerateContent",
                                  "/models/MODEL:streamGenerateContent"])
def test_gemini_streams_as_events_or_as_an_array(three, path):
    path = path.replace("MODEL", "claude")
    events = three.post(path + "?alt=sse", CONTENTS)
    assert events.headers["content-type"].startswith("text/event-stream") and events.body.startswith(b"data: ")
    array = three.post(path, CONTENTS)
    text = "".join(p["text"] for c in array.json for p in c["candidates"][0]["content"]["parts"])
    assert array.headers["content-type"].startswith("application/json") and text == "t0 t1 t2"


def test_gemini_embeddings(three):
    one = {"model": "models/gem", "content": {"parts": [{"text": "x"}]}}
    for path in ("/v1beta/models/MODEL:embedContent", "/v1/models/MODEL:embedContent"):
        a = three.post(path.replace("MODEL", "m"), {"content": {"parts": [{"text": "x"}]}})
        assert a.status == 200 and len(a.json["embedding"]["values"]) > 1
    for path in ("/v1beta/models/MODEL:batchEmbedContents", "/v1/models/MODEL:batchEmbedContents"):
        b = three.post(path.replace("MODEL", "gem"), {"requests": [one, one]})
        assert b.status == 200 and len(b.json["embeddings"]) == 2


def test_a_wrong_method_is_told_in_the_dialect(three):
    assert three.get("/v1/messages").json["error"]["type"] == "invalid_request_error"
    assert three.request("PUT", "/v1beta/models/m:generateContent").json["error"]["status"] == "UNIMPLEMENTED"
    assert three.get("/api/chat").json == {"error": "Method Not Allowed: GET /api/chat"}
    for path in ("/v1/messages", "/v1beta/models/m:countTokens", "/api/generate", "/v1/chat/completions"):
        assert three.request("DELETE", path).status == 405


def test_counts(three):
    for path in ("/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens"):
        a = three.post(path, {"model": "m", "messages": [{"role": "user", "content": "hello there"}]})
        assert a.status == 200 and 5 <= a.json["input_tokens"] <= 20
    for path in ("/v1beta/models/MODEL:countTokens", "/v1/models/MODEL:countTokens", "/models/MODEL:countTokens"):
        a = three.post(path.replace("MODEL", "gem"), CONTENTS)
        assert a.status == 200 and a.json["totalTokens"] > 0


def test_each_dialect_has_its_own_errors(three):
    a = three.post("/v1/messages", {"model": "nobody", **ASK})
    assert a.status == 400 and a.json["type"] == "error" and a.json["error"]["type"] == "invalid_request_error"
    a = three.post("/v1/messages/count_tokens", {"model": "nobody", **ASK})
    assert a.status == 400 and a.json["type"] == "error"
    a = three.post("/v1beta/models/nobody:generateContent", CONTENTS)
    assert a.status == 400 and a.json["error"]["status"] == "INVALID_ARGUMENT"
    key = three.key(models=["claude"])
    a = three.post("/v1/messages/count_tokens", {"model": "m", **ASK}, key=key)
    assert a.status == 403 and a.json["error"]["type"] == "permission_error"


def test_the_key_goes_where_the_family_wants_it(three, mock):
    three.post("/v1/messages", {"model": "claude", **ASK}, headers={"anthropic-beta": "context-1m-2025-08-07"})
    entry = mock.get("/mock/log?n=1&h=x-api-key,anthropic-version,anthropic-beta,authorization")[-1]
    assert json.loads(entry["body"])["model"] == "plain" and entry["headers"] == {
        "x-api-key": "sk-upstream-canary", "anthropic-version": "2023-06-01",
        "anthropic-beta": "context-1m-2025-08-07"}
    three.post("/v1beta/models/gem:generateContent", CONTENTS)
    entry = mock.get("/mock/log?n=1&h=x-goog-api-key,authorization")[-1]
    assert entry["headers"] == {"x-goog-api-key": "sk-upstream-canary"}
