# SPDX-License-Identifier: MIT
"""Ollama's own API, as tools made for Ollama use it: lists of models, embeddings, generate."""
import datetime
import json

import pytest

from matrix import PNG, ollama_read_stream


@pytest.fixture
def gw(start, mock):
    base = mock.base
    models = [("m", "plain?prompt=7&out=3"), ("claude", {"model": "anthropic/plain", "api_base": base, "api_key": "k"}),
              ("local", {"model": "ollama_chat/plain", "api_base": base}),
              ("old", {"model": "ollama/plain", "api_base": base})]
    return start(models, "router_settings: {num_retries: 0}\n")


def test_lists_have_what_clients_read(gw):
    tags = gw.get("/api/tags").json["models"]
    assert [t["name"] for t in tags] == sorted(t["model"] for t in tags) == ["claude", "local", "m", "old"]
    for t in tags:
        datetime.datetime.fromisoformat(t["modified_at"].replace("Z", "+00:00"))
        assert len(t["digest"]) == 64 and t["size"] == 0 and set(t["details"]) >= {"format", "family", "families"}
    loaded = gw.get("/api/ps").json["models"]
    assert [t["name"] for t in loaded] == ["claude", "local", "m", "old"]
    assert all(t["size_vram"] == 0 and t["expires_at"] > "2099" for t in loaded)
    version = gw.get("/api/version").json["version"]
    assert [int(x) for x in version.split(".")] >= [0, 6, 4]     # what clients ask for
    for name in ("model", "name"):
        shown = gw.post("/api/show", {name: "claude"}).json
        assert "completion" in shown["capabilities"] and shown["model_info"]["general.architecture"]


def test_a_key_sees_its_models(gw):
    key = gw.key(models=["claude"])
    assert [t["name"] for t in gw.get("/api/tags", key=key).json["models"]] == ["claude"]
    assert [t["name"] for t in gw.get("/api/ps", key=key).json["models"]] == ["claude"]
    assert gw.post("/api/show", {"model": "m"}, key=key).status == 404
    a = gw.post("/api/show", {"model": "nobody"})
    assert a.status == 404 and a.json == {"error": "model 'nobody' not found"}
    a = gw.post("/api/show", {})
    assert a.status == 400 and "model" in a.json["error"]
    for method, path in (("GET", "/api/tags"), ("GET", "/api/ps"), ("GET", "/api/version"), ("POST", "/api/show"),
                         ("POST", "/api/chat"), ("POST", "/api/generate"), ("POST", "/api/embed")):
        a = gw.request(method, path, {"model": "m"} if method == "POST" else None, key=False)
        assert a.status == 401 and set(a.json) == {"error"}, path


@pytest.mark.parametrize("model", ["m", "claude", "local", "old"])
def test_generate(gw, mock, model):
    body = {"model": model, "prompt": "What?", "system": "Be brief.", "images": [PNG]}
    a = gw.post("/api/generate", {**body, "stream": False})
    assert a.status == 200 and a.json["response"] == "t0 t1 t2" and a.json["done"] is True
    assert a.json["model"] == model and a.json["done_reason"] == "stop" and a.json["eval_count"] == 3
    assert PNG in mock.log(1)[-1]["body"] and "Be brief." in mock.log(1)[-1]["body"]
    a = gw.post("/api/generate", body)
    assert a.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(x) for x in a.body.splitlines()]
    assert "".join(x["response"] for x in lines) == "t0 t1 t2" and [x["done"] for x in lines] == [False] * 3 + [True]


def test_a_prompt_that_goes_on_as_it_is(gw, mock):
    a = gw.post("/api/generate", {"model": "m", "prompt": "def f(", "suffix": "return 1", "stream": False})
    entry = mock.log(1)[-1]
    assert a.json["response"] == "t0 t1 t2" and entry["path"] == "/v1/completions"
    assert json.loads(entry["body"])["suffix"] == "return 1"
    gw.post("/api/generate", {"model": "old", "prompt": "def f(", "raw": True, "stream": False})
    entry = mock.log(1)[-1]
    assert entry["path"] == "/api/generate" and json.loads(entry["body"])["raw"] is True


@pytest.mark.parametrize("model", ["m", "local", "old"])
def test_embeddings(gw, model):
    a = gw.post("/api/embed", {"model": model, "input": ["a", "b"], "dimensions": 5})
    assert a.status == 200 and a.json["model"] == model and a.json["prompt_eval_count"] > 0
    assert [len(v) for v in a.json["embeddings"]] == [5, 5]
    a = gw.post("/api/embeddings", {"model": model, "prompt": "a"})
    assert list(a.json) == ["embedding"] and len(a.json["embedding"]) == 8


def test_options_of_ollama_reach_ollama_alone(gw, mock):
    body = {"model": "local", "messages": [{"role": "user", "content": "x"}], "stream": False, "keep_alive": "5m",
            "think": False, "options": {"num_ctx": 4096, "num_predict": 9, "top_k": 5}}
    gw.post("/api/chat", body)
    heard = json.loads(mock.log(1)[-1]["body"])
    assert heard["keep_alive"] == "5m" and heard["think"] is False
    assert heard["options"] == {"num_ctx": 4096, "num_predict": 9, "top_k": 5}
    for model in ("m", "claude"):
        assert gw.post("/api/chat", {**body, "model": model}).status == 200
        heard = mock.log(1)[-1]["body"]
        assert not any(w in heard for w in ("num_ctx", "keep_alive", "options", "think")), heard
        assert json.loads(heard)["max_tokens"] == 9


def test_streams_are_asked_for_unless_they_are_refused(gw):
    a = gw.post("/api/chat", {"model": "m", "messages": [{"role": "user", "content": "x"}]})
    got = ollama_read_stream(a.body)
    assert got["text"] == "t0 t1 t2" and got["usage"] == (7, 3) and a.body.count(b"\n") == 4
    assert gw.spend_rows(wait_for=1)[0]["completion_tokens"] == 3
