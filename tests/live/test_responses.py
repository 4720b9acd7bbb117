# SPDX-License-Identifier: MIT
"""/v1/responses: answers of all families of providers, and conversations that outlive requests."""
import contextlib
import errno
import http.client
import json
import os
import random
import signal
import sqlite3
import threading
import time

import pytest

from load import wait_for

KEY = "sk-upstream-canary"


@pytest.fixture
def five(start, mock):
    base = mock.base
    return start([("m", "plain"),
                  ("claude", {"model": "anthropic/plain", "api_base": base, "api_key": KEY}),
                  ("gem", {"model": "gemini/plain", "api_base": base, "api_key": KEY}),
                  ("llama", {"model": "ollama_chat/plain", "api_base": base}),
                  ("mock*", "mock*")])


def respond(g, model, text="Hello", path="/v1/responses", key=None, **more):
    return g.post(path, {"model": model, "input": text, **more}, key=key)


def stream(g, model, text="Hello", key=None, **more):
    """All events of a stream, checked for their numbers."""
    a = respond(g, model, text, key=key, stream=True, **more)
    assert a.status == 200 and a.headers["content-type"].startswith("text/event-stream"), a
    events = [json.loads(line[6:]) for line in a.body.decode().splitlines() if line.startswith("data: ")]
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    return events


def text_of(response):
    return "".join(p["text"] for i in response["output"] if i["type"] == "message" for p in i["content"])


@pytest.mark.parametrize("model", ["m", "claude", "gem", "llama"])
def test_every_family_answers(five, model):
    a = respond(five, model)
    assert a.status == 200 and a.json["object"] == "response" and a.json["status"] == "completed", a
    assert a.json["id"].startswith("resp_") and a.json["model"] == model and text_of(a.json) == "t0 t1 t2"
    events = stream(five, model)
    assert events[0]["type"] == "response.created" and events[-1]["type"] == "response.completed"
    assert "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta") == "t0 t1 t2"
    kept = five.get("/v1/responses/" + events[-1]["response"]["id"])
    assert kept.status == 200 and kept.json == events[-1]["response"]
    b = respond(five, model, "And then?", previous_response_id=events[-1]["response"]["id"])
    assert b.status == 200 and b.json["previous_response_id"] == events[-1]["response"]["id"]


# ---- providers that serve Responses themselves, and models that only exist there

@pytest.fixture
def native(start, mock):
    params = {"model": "openai/responses/plain", "api_base": mock.base + "/v1", "api_key": KEY}
    return start([("n", params), ("think", {**params, "model": "openai/responses/mock?think=2"}),
                  ("tools", {**params, "model": "openai/responses/mock?tools=2"}),
                  ("info", {**params, "model": "openai/plain", "max_tokens": 77}),
                  ("chat", {**params, "model": "openai/plain"})],
                 workers=2)


def asked(mock, n=1):
    entry = mock.log(n)[-1]
    return entry["path"], json.loads(entry["body"])


def test_the_short_way(native, mock):
    a = respond(native, "n", metadata={"a": "b"}, tools=[{"type": "web_search"}], store=False)
    assert a.status == 200 and a.json["id"].startswith("resp_mock_") and a.json["model"] == "n", a
    path, body = asked(mock)
    assert path == "/v1/responses" and body == {"model": "plain", "input": "Hello", "metadata": {"a": "b"},
                                                "tools": [{"type": "web_search"}], "store": False}
    events = stream(native, "think")
    assert events[-1]["type"] == "response.completed" and events[-1]["response"]["model"] == "think"


def test_ours_goes_on_over_the_short_way(native, mock):
    first = stream(native, "think", "one")[-1]["response"]
    kept = native.get("/v1/responses/" + first["id"])
    assert kept.status == 200 and kept.json == first
    second = respond(native, "n", "two", previous_response_id=first["id"])
    assert second.status == 200 and second.json["previous_response_id"] == first["id"], second
    path, body = asked(mock)
    assert body["previous_response_id"] is None and [i["type"] for i in body["input"]] == [
        "message", "reasoning", "message", "message"]
    assert native.get("/v1/responses/" + second.json["id"]).json == second.json


@pytest.mark.parametrize("model", ["n", "think", "tools"])
def test_chat_reaches_what_only_responses_serve(native, mock, model):
    a = native.ask(model)
    path, body = asked(mock)
    assert a.status == 200 and path == "/v1/responses" and body["store"] is False and body["input"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]
    message = a.json["choices"][0]["message"]
    if model == "tools":
        assert [c["function"] for c in message["tool_calls"]] == [
            {"name": "get_weather", "arguments": '{"city":"%s"}' % city} for city in ("Paris", "Rome")]
    else:
        assert message["content"] == "t0 t1 t2"
    if model == "think":
        assert message["reasoning_content"] == "r0 r1"
    chunks = native.stream(model).chunks()
    assert chunks[-1]["choices"][0]["finish_reason"] == ("tool_calls" if model == "tools" else "stop")
    if model != "tools":
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == "t0 t1 t2"


def test_other_dialects_reach_it_too(native):
    a = native.post("/v1/messages", {"model": "n", "max_tokens": 50, "messages": [{"role": "user", "content": "x"}]})
    assert a.status == 200 and a.json["content"] == [{"type": "text", "text": "t0 t1 t2"}], a
    a = native.post("/v1beta/models/n:generateContent", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]})
    assert a.status == 200 and a.json["candidates"][0]["content"]["parts"] == [{"text": "t0 t1 t2"}], a


# ---- paths, and what is shown of what is kept

@pytest.mark.parametrize("create, one, items, cancel, count", [
    ("/v1/responses", "/v1/responses/ID", "/v1/responses/ID/input_items", "/v1/responses/ID/cancel",
     "/v1/responses/input_tokens"),
    ("/responses", "/responses/ID", "/responses/ID/input_items", "/responses/ID/cancel", "/responses/input_tokens"),
    ("/openai/v1/responses", "/openai/v1/responses/ID", "/openai/v1/responses/ID/input_items",
     "/openai/v1/responses/ID/cancel", "/openai/v1/responses/input_tokens"),
    ("/openai/responses", "/openai/responses/ID", "/openai/responses/ID/input_items",
     "/openai/responses/ID/cancel", "/openai/responses/input_tokens")])
def test_every_path(five, create, one, items, cancel, count):
    a = respond(five, "m", path=create)
    found = a.json["id"]
    assert five.get(one.replace("ID", found)).json == a.json
    page = five.get(items.replace("ID", found)).json
    assert page["object"] == "list" and page["has_more"] is False and len(page["data"]) == 1
    assert page["first_id"] == page["last_id"] == page["data"][0]["id"]
    assert page["data"][0]["content"] == [{"type": "input_text", "text": "Hello"}]
    b = five.post(cancel.replace("ID", found), "")
    assert b.status == 400 and "synchronous" in b.json["error"]["message"]
    c = five.post(count, {"model": "m", "input": "hello there", "previous_response_id": found})
    assert c.status == 200 and c.json["object"] == "response.input_tokens"
    assert c.json["input_tokens"] > five.post(count, {"model": "m", "input": "hello there"}).json["input_tokens"] > 2
    d = five.request("DELETE", one.replace("ID", found))
    assert d.status == 200 and d.json == {"id": found, "object": "response", "deleted": True}
    for method, path in (("GET", one), ("DELETE", one), ("GET", items), ("POST", cancel)):
        e = five.request(method, path.replace("ID", found))
        assert e.status == 404 and found in e.json["error"]["message"], e
    assert five.post(count, {"model": "nobody", "input": "x"}).status == 400


@pytest.mark.parametrize("id", ["%72esp_x", "resp_x/", "resp.x", "a" * 200, "..", "resp_x%00", "resp_x;y"])
def test_no_odd_id_finds_anything(five, id):
    a = five.get("/v1/responses/" + id)
    assert a.status in (400, 404), a


@pytest.mark.parametrize("id", ["a b", "a'b", "a/../b", "\u00e4", "x" * 129, "\"", "\n", " "])
def test_no_odd_previous_id_does_harm(five, id):
    pids = five.children()
    a = respond(five, "m", previous_response_id=id)
    assert a.status == 400 and a.json["error"]["code"] == "previous_response_not_found", a
    assert respond(five, "m").status == 200 and five.children() == pids


def test_pages_of_input_items(five):
    given = [{"role": "user", "content": f"word {i}"} for i in range(25)]
    given[3]["id"] = "msg_mine"
    a = five.post("/v1/responses", {"model": "m", "input": given})
    base = f"/v1/responses/{a.json['id']}/input_items"
    first = five.get(base + "?order=asc&limit=10").json
    assert first["has_more"] and [i["content"] for i in first["data"]] == [f"word {i}" for i in range(10)]
    assert first["data"][3]["id"] == "msg_mine" and first["data"][0]["type"] == "message"
    second = five.get(base + f"?order=asc&limit=100&after={first['last_id']}").json
    assert not second["has_more"] and [i["content"] for i in second["data"]] == [f"word {i}" for i in range(10, 25)]
    last = five.get(base).json
    assert last["has_more"] and [i["content"] for i in last["data"]] == [f"word {i}" for i in range(24, 4, -1)]
    for query in ("limit=0", "limit=101", "limit=x", "order=up", "after=", "after=msg_nobody"):
        assert five.get(f"{base}?{query}").status == 400, query
    assert five.get(f"/v1/responses/{a.json['id']}?stream=true").status == 400


# ---- whose it is, and how long

def test_another_key_sees_nothing(five):
    mine, other = five.key(), five.key()
    found = respond(five, "m", key=mine).json["id"]
    for key in (other, None):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
            assert five.request(method, f"/v1/responses/{found}{path}", key=key).status == 404
        a = respond(five, "m", key=key, previous_response_id=found)
        assert a.status == 400 and a.json["error"]["param"] == "previous_response_id"
        unknown = respond(five, "m", key=key, previous_response_id="resp_" + "0" * 32)
        assert unknown.json["error"]["message"].replace("resp_" + "0" * 32, found) == a.json["error"]["message"]
    assert five.get("/v1/responses/" + found, key=mine).status == 200
    assert five.post("/key/delete", {"keys": [mine]}).status == 200
    with database(five) as db:
        assert db.execute("SELECT count(*) FROM responses WHERE expires = 0").fetchone()[0] == 1 or \
            db.execute("SELECT count(*) FROM responses").fetchone()[0] == 0


def test_store_false_keeps_nothing(five):
    for found in (respond(five, "m", store=False).json["id"],
                  stream(five, "m", store=False)[-1]["response"]["id"]):
        assert five.get("/v1/responses/" + found).status == 404
        assert respond(five, "m", previous_response_id=found).status == 400


def database(g):
    return contextlib.closing(sqlite3.connect(f"file:{g.tmp}/state/llmgw.db?mode=ro", uri=True, timeout=10))


def sums(g):
    """Rows, and whether the tables agree about them."""
    with database(g) as db:
        rows, size = db.execute("SELECT count(*), coalesce(sum(size), 0) FROM responses").fetchone()
        texts, bytes_ = db.execute("SELECT count(*), coalesce(sum(length(response) + length(items)), 0) "
                                   "FROM response_texts").fetchone()
        total = db.execute("SELECT bytes FROM responses_total").fetchone()[0]
    assert rows == texts and size == bytes_ == total
    return rows, size


@pytest.mark.parametrize("how", ["keep: 1s", "keep: 0", "max-bytes: 0"])
def test_what_is_not_kept_any_more(start, how):
    g = start([("m", "plain")], settings=f"server:\n  responses:\n    {how}\n")
    a = respond(g, "m")
    assert a.status == 200
    time.sleep(1.2 if how == "keep: 1s" else 0)
    assert g.get("/v1/responses/" + a.json["id"]).status == 404
    assert respond(g, "m", previous_response_id=a.json["id"]).status == 400
    if how == "keep: 1s":
        wait_for(lambda: sums(g)[0] == 0, timeout=40, why="expired ones are not deleted")


def test_the_oldest_go_first(start):
    g = start([("m", "plain")], settings="server:\n  responses:\n    max-bytes: 64k\n")
    ids = [respond(g, "m", "x" * 10000).json["id"] for _ in range(8)]
    found = [g.get("/v1/responses/" + i).status == 200 for i in ids]
    assert found[-1] and not found[0] and found == sorted(found), found
    assert sums(g)[1] <= 65536
    assert respond(g, "m", "x" * 70000).status == 200
    assert g.wait_log("response.not_kept", errno=errno.EFBIG)


# ---- what lives on

def goes_on(g, before, model="mock?echo&tokens=1", **more):
    a = respond(g, model, "again", previous_response_id=before, **more)
    assert a.status == 200, a
    return a.json["id"]


def length_of(g, found):
    return len(g.get(f"/v1/responses/{found}/input_items?limit=100").json["data"])


def test_conversations_over_workers_reload_and_restart(start):
    g = start([("m", "plain"), ("mock*", "mock*")], workers=2)
    found = respond(g, "m").json["id"]
    for n in range(10):
        found = goes_on(g, found) if n % 2 else stream(g, "m", "again", previous_response_id=found)[-1]["response"]["id"]
    g.ctl("reload")
    found = goes_on(g, found)
    g.stop()
    g.start()
    found = goes_on(g, found)
    assert length_of(g, found) == 2 * 12 + 1
    g.ctl("upgrade")
    g.wait_notify("READY=1")
    assert length_of(g, goes_on(g, found)) == 2 * 13 + 1
    assert sums(g)[0] == 14


def test_a_broken_stream_fails_and_is_not_kept(five):
    before = sums(five)[0]
    for model in ("mock?tokens=9&gap=20&die=3", "mock?tokens=9&gap=20&fin=3", "mock?tokens=9&garbage=3"):
        events = stream(five, model, num_retries=0)
        assert [e["type"] for e in events[-2:]] == ["error", "response.failed"], events
        failed = events[-1]["response"]
        assert failed["status"] == "failed" and failed["error"]["message"] and failed["id"] == events[0]["response"]["id"]
        assert text_of(failed).startswith("t0") and failed["output"][0]["status"] == "incomplete"
        assert five.get("/v1/responses/" + failed["id"]).status == 404
    a = respond(five, "mock?status=400", stream=True)
    assert a.status == 400 and a.json["error"]["type"] == "invalid_request_error"
    assert sums(five)[0] == before


def test_a_native_stream_that_breaks(start, mock):
    params = {"model": "openai/responses/mock?tokens=9&gap=20&die=3", "api_base": mock.base + "/v1", "api_key": KEY}
    g = start([("n", params)])
    events = stream(g, "n", num_retries=0)
    assert [e["type"] for e in events[-2:]] == ["error", "response.failed"]
    assert g.get("/v1/responses/" + events[0]["response"]["id"]).status == 404


def test_a_long_conversation(five):
    text = "long words " * 400000           # 4.4 MB
    a = respond(five, "m", text)
    assert a.status == 200, a
    found = goes_on(five, a.json["id"])
    assert five.get(f"/v1/responses/{found}/input_items").json["data"][-1]["content"][0]["text"] == text
    b = respond(five, "m", text * 3, previous_response_id=found)
    assert b.status == 200 and five.get("/v1/responses/" + b.json["id"]).status == 404
    assert five.wait_log("response.not_kept", errno=errno.EFBIG)


def test_without_the_master_answers_are_given(five):
    before = respond(five, "m").json["id"]
    os.kill(five.process.pid, signal.SIGSTOP)
    try:
        a = respond(five, "m")
        assert a.status == 200 and text_of(a.json) == "t0 t1 t2"
        assert five.wait_log("response.not_kept", errno=errno.ETIMEDOUT)
        b = respond(five, "m", previous_response_id=before)
        assert b.status == 503 and b.json["error"]["code"] == "master_away"
    finally:
        os.kill(five.process.pid, signal.SIGCONT)
    wait_for(lambda: respond(five, "m", previous_response_id=before).status == 200, why="it does not come back")


def test_strict_durability_holds_both(start):
    g = start([("m", "plain")], settings="server:\n  ledger:\n    durability: strict\n")
    for found in (respond(g, "m").json["id"], stream(g, "m")[-1]["response"]["id"]):
        assert g.get("/v1/responses/" + found).status == 200


class Talkers:
    """Clients that go on with conversations until they are told to stop."""

    def __init__(self, g, n):
        self.g, self.ended, self.refused = g, [], []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.talk, args=(i,)) for i in range(n)]
        for t in self.threads:
            t.start()

    def talk(self, i):
        found = None
        while not self.over.is_set():
            try:
                more = {"previous_response_id": found} if found else {}
                a = respond(self.g, "mock?tokens=3&gap=5", f"talker {i}", stream=True, **more)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
                continue
            if a.status != 200:
                self.refused.append(a)
                time.sleep(0.02)
                continue
            events = [json.loads(line[6:]) for line in a.body.decode().splitlines() if line.startswith("data: ")]
            if events and events[-1]["type"] == "response.completed":
                found = events[-1]["response"]["id"]
                self.ended.append(found)

    def stop(self):
        self.over.set()
        for t in self.threads:
            t.join(30)


def test_sigkill_loses_no_conversation_that_was_told(start):
    """Whoever has seen the end of an answer finds it, whoever was killed when."""
    g = start([("mock*", "mock*")], workers=2)
    talkers = Talkers(g, 6)
    for n in range(8):
        time.sleep(0.25)
        if n % 4 == 3:
            g.kill()
            g.start()
        else:
            os.kill(random.choice(g.children()), signal.SIGKILL)
    time.sleep(0.5)
    wait_for(lambda: len(talkers.ended) > 30, timeout=60)
    talkers.stop()
    lost_by_choice = {r["call_id"] for r in g.records("response.not_kept")}
    gone = [i for i in talkers.ended if g.get("/v1/responses/" + i).status != 200]
    assert len(gone) <= len(lost_by_choice), (len(talkers.ended), gone, lost_by_choice)
    for a in talkers.refused:
        assert a.status in (400, 503), a
    sums(g)


def test_thoughts_of_another_provider_stay_here(start, mock):
    native = {"model": "openai/responses/plain", "api_base": mock.base + "/v1", "api_key": KEY}
    g = start([("n", native), ("mock*", "mock*")])
    first = respond(g, "mock?think=2", reasoning={"summary": "auto"}).json
    assert [i["type"] for i in first["output"]] == ["reasoning", "message"]
    assert respond(g, "n", previous_response_id=first["id"]).status == 200
    assert [i["type"] for i in asked(mock)[1]["input"]] == ["message", "message", "message"]


@pytest.mark.parametrize("model, path", [("vllm", "/v1/responses"), ("codex", "/v1/responses"), ("chat", "/v1/chat/completions")])
def test_who_is_asked_by_responses(start, mock, model, path):
    base = {"api_base": mock.base + "/v1", "api_key": KEY}
    g = start([("vllm", {"model": "hosted_vllm/plain", **base}), ("codex", {"model": "hosted_vllm/gpt-9-codex", **base}),
               ("chat", {"model": "openai/plain", **base})])
    a = respond(g, model)
    assert a.status == 200 and text_of(a.json) == "t0 t1 t2" and asked(mock)[0] == path
    assert g.ask(model).text == "t0 t1 t2"
    assert asked(mock)[0] == ("/v1/responses" if model == "codex" else "/v1/chat/completions")


def test_defaults_of_a_deployment_in_its_words(start, mock):
    params = {"model": "openai/responses/plain", "api_base": mock.base + "/v1", "api_key": KEY, "max_tokens": 77,
              "reasoning_effort": "low", "seed": 1}
    g = start([("n", params), ("mode", {**params, "model": "openai/plain"})],
              settings="", raw=None)
    for ask in (lambda: respond(g, "n"), lambda: g.ask("n")):
        assert ask().status == 200
        path, body = asked(mock)
        assert path == "/v1/responses" and body["max_output_tokens"] == 77 and body["reasoning"] == {"effort": "low"}
        assert "max_tokens" not in body and "seed" not in body
    refused = g.ask("n", stop=["x"])
    assert refused.status == 400 and refused.json["error"]["param"] == "stop"
    assert g.ask("n", stop=["x"], drop_params=True).status == 200


def test_mode_responses(start, mock):
    raw = (f"model_list:\n- model_name: n\n  litellm_params: {{model: openai/plain, api_base: '{mock.base}/v1', api_key: k}}\n"
           "  model_info: {mode: responses}\ngeneral_settings: {master_key: sk-live-master-0123456789}\n")
    g = start([], raw=raw)
    assert g.ask("n").text == "t0 t1 t2" and asked(mock)[0] == "/v1/responses"
