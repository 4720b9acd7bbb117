# SPDX-License-Identifier: MIT
"""Idempotency-Key: one request, however often it is sent, over workers, kills and restarts; and
single flight."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import signal
import threading

import pytest

from gateway import until

CHAT = "/v1/chat/completions"


def head(value="one"):
    return {"Idempotency-Key": value}


def asked(mock):
    return mock.log()


def chat(model, text="Hello", **more):
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def is_replay(a):
    return a.headers.get("idempotency-replayed") == "true"


def same(a, b):
    return a.status == b.status and a.body == b.body and a.headers["content-type"] == b.headers["content-type"]


def many(g, n, path, body, headers, key=None):
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda _: g.post(path, body, headers=headers, key=key), range(n)))


def begin(g, body, headers):
    """A request whose answer nobody reads yet."""
    c = g.connect()
    c.request("POST", CHAT, json.dumps(body), {"Authorization": f"Bearer {g.master_key}", **headers})
    return c


def running(g):
    """Requests under way, by worker."""
    return {w["pid"]: w["requests"] for w in g.ctl_json("workers")["workers"] if w["requests"]}


# ---- once answered

@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_gets_its_answer_again(gw, mock, stream):
    body = chat("m", stream=stream)
    first = gw.post(CHAT, body, headers=head())
    assert first.status == 200 and not is_replay(first), first
    for _ in range(6):          # whichever worker it comes to
        again = gw.post(CHAT, body, headers=head())
        assert same(again, first) and is_replay(again), again
        assert again.headers["x-litellm-model-id"] == first.headers["x-litellm-model-id"]
        assert again.headers["x-litellm-call-id"] != first.headers["x-litellm-call-id"]
        assert float(again.headers["x-litellm-response-cost"]) == 0
    assert len(asked(mock)) == 1
    if stream:
        assert first.body.endswith(b"data: [DONE]\n\n") and again.headers["content-type"].startswith("text/event-stream")
    other = gw.post(CHAT, body, headers=head("two"))
    assert not is_replay(other) and len(asked(mock)) == 2


PATHS = [("/v1/embeddings", {"model": "m", "input": "x"}),
         ("/v1/completions", {"model": "m", "prompt": "x"}),
         ("/v1/responses", {"model": "m", "input": "x"}),
         ("/v1/responses", {"model": "m", "input": "x", "stream": True}),
         ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}),
         ("/v1/messages", {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "x"}]}),
         ("/v1beta/models/m:generateContent", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}),
         ("/v1beta/models/m:streamGenerateContent?alt=sse", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}),
         ("/v1/moderations", {"model": "m", "input": "x"}),
         ("/v1/images/generations", {"model": "m", "prompt": "x"}),
         ("/v1/audio/speech", {"model": "m", "input": "x", "voice": "alloy"})]


@pytest.mark.parametrize("path, body", PATHS)
def test_every_paid_path(gw, mock, path, body):
    first = gw.post(path, body, headers=head())
    assert first.status == 200 and not is_replay(first), first
    again = gw.post(path, body, headers=head())
    assert same(again, first) and is_replay(again), again
    assert len(asked(mock)) == 1


def test_another_body_or_path_is_refused(gw, mock):
    gw.post(CHAT, chat("m"), headers=head())
    for path, body in [(CHAT, chat("m", "Bye")), ("/chat/completions", chat("m")), (CHAT + "?x=1", chat("m"))]:
        a = gw.post(path, body, headers=head())
        assert a.status == 422 and a.json["error"]["code"] == "idempotency_key_reused", a     # KEY_REUSED
        assert a.json["error"]["param"] == "Idempotency-Key"
    a = gw.post("/v1/messages", {"model": "m", "max_tokens": 9, "messages": []}, headers=head())
    assert a.status in (400, 422) and a.json["type"] == "error", a
    assert len(asked(mock)) == 1


def test_what_is_no_key(gw):
    for bad in ["x" * 256, '""', 'a"b', "\xe9"]:
        a = gw.post(CHAT, chat("m"), headers=head(bad))
        assert a.status == 400 and a.json["error"]["param"] == "Idempotency-Key", (bad, a)
    assert gw.post(CHAT, chat("m"), headers=head('"quoted"')).status == 200
    assert is_replay(gw.post(CHAT, chat("m"), headers=head("quoted")))
    assert gw.get("/v1/models", headers=head("")).status == 200


def test_another_key_has_its_own(gw, mock):
    a, b = gw.key(), gw.key()
    first = gw.post(CHAT, chat("m"), headers=head(), key=a)
    for key in (b, None):
        other = gw.post(CHAT, chat("m", "Bye"), headers=head(), key=key)
        assert other.status == 200 and not is_replay(other), other
    assert is_replay(gw.post(CHAT, chat("m"), headers=head(), key=a)) and first.status == 200
    assert len(asked(mock)) == 3


def test_it_costs_once(gw):
    key = gw.key(max_budget=1, tpm_limit=100000, rpm_limit=1000)
    first = gw.post(CHAT, chat("m"), headers=head(), key=key)
    before = gw.get("/key/info", key=key).json["info"]["spend"]
    replays = [gw.post(CHAT, chat("m"), headers=head(), key=key) for _ in range(3)]
    assert all(map(is_replay, replays)) and first.status == 200
    rows = gw.spend_rows(wait_for=4)
    paid = [r for r in rows if r["spend"] > 0]
    free = [r for r in rows if r["cache_hit"] == "True"]
    assert len(paid) == 1 and len(free) == 3 and paid[0]["cache_hit"] == "False", rows
    assert all(r["spend"] == 0 and r["total_tokens"] == 0 for r in free)
    assert gw.get("/key/info", key=key).json["info"]["spend"] == pytest.approx(paid[0]["spend"])
    assert before <= paid[0]["spend"] + 1e-12
    assert gw.wait_log("answer.replayed", why="idempotency_key")
    assert "llmgw_replays_total 3" in gw.get("/metrics").body.decode()


def test_replays_take_requests_and_no_tokens(gw):
    key = gw.key(tpm_limit=60, rpm_limit=5)
    first = gw.post(CHAT, chat("mock?prompt=50&out=10"), headers=head(), key=key)
    other = gw.post(CHAT, chat("mock?prompt=50&out=10", "x" * 400), headers=head("two"), key=key)
    assert first.status == 200 and other.status == 429, (first, other)
    for _ in range(3):
        assert is_replay(gw.post(CHAT, chat("mock?prompt=50&out=10"), headers=head(), key=key))
    last = gw.post(CHAT, chat("mock?prompt=50&out=10"), headers=head(), key=key)
    assert last.status == 429 and "Limit type: requests" in last.json["error"]["message"], last


# ---- while it is being answered

@pytest.mark.parametrize("stream", [False, True])
def test_many_at_once_are_one_call(start, mock, stream):
    g = start([("slow", "mock?ttft=600&tokens=20&gap=20")], workers=2)
    key = g.key()
    answers = many(g, 24, CHAT, chat("slow", stream=stream), head(), key)
    assert all(same(a, answers[0]) and a.status == 200 for a in answers), answers
    assert sum(map(is_replay, answers)) == 23 and len(asked(mock)) == 1
    rows = g.spend_rows(wait_for=24)
    assert len(rows) == 24 and sum(r["spend"] > 0 for r in rows) == 1


def test_a_failure_is_not_kept(start, mock):
    g = start([("bad", "mock?failn=1&status=500"), ("limited", "mock?failn=1&status=429"),
               ("cut", "mock?failn=1&die=1")], "router_settings: {num_retries: 0, disable_cooldowns: true}\n")
    for model, stream in [("bad", False), ("limited", False), ("cut", True)]:
        body = chat(model, stream=stream, num_retries=0)
        first = begin(g, body, head(model)).getresponse()
        with contextlib.suppress(http.client.IncompleteRead):
            first.read()
        again = g.post(CHAT, body, headers=head(model))
        assert again.status == 200 and not is_replay(again), again
        assert is_replay(g.post(CHAT, body, headers=head(model)))


def test_a_refusal_that_would_come_again_is_kept(start, mock):
    g = start([("bad", "mock?status=400")])
    first = g.post(CHAT, chat("bad"), headers=head())
    again = g.post(CHAT, chat("bad"), headers=head())
    assert first.status == 400 and same(first, again) and is_replay(again) and len(asked(mock)) == 1


def test_when_the_first_fails_the_next_one_asks(start, mock):
    g = start([("bad", "mock?failn=1&status=500&ttft=500")], workers=2)
    answers = many(g, 6, CHAT, chat("bad", num_retries=0), head())
    assert sorted(a.status for a in answers) == [200] * 5 + [500], answers
    assert len(asked(mock)) == 2 and sum(map(is_replay, answers)) == 4


def test_it_goes_on_for_others_when_the_first_leaves(start, mock):
    g = start([("slow", "mock?ttft=1000")], workers=2)
    first = begin(g, chat("slow"), head())
    until(lambda: asked(mock))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        others = [pool.submit(g.post, CHAT, chat("slow"), headers=head()) for _ in range(4)]
        until(lambda: sum(running(g).values()) == 5)
        first.close()
        answers = [f.result() for f in others]
    assert all(a.status == 200 and same(a, answers[0]) and is_replay(a) for a in answers), answers
    assert len(asked(mock)) == 1


@pytest.mark.parametrize("stream, heard", [(False, 0), (True, 0), (True, 100)])
def test_it_goes_on_for_a_retry_when_the_client_leaves(start, mock, stream, heard):
    g = start([("slow", "mock?ttft=200&tokens=30&gap=20")], workers=2)
    key, body = g.key(), chat("slow", stream=stream)
    first = begin(g, body, {**head(), "Authorization": f"Bearer {key}"})
    until(lambda: asked(mock))
    if heard:
        assert len(first.getresponse().read(heard)) == heard
    first.sock and first.sock.close()
    first.close()
    again = g.post(CHAT, body, headers=head(), key=key)
    assert again.status == 200 and is_replay(again), again
    assert b"t29" in again.body and (not stream or again.body.endswith(b"data: [DONE]\n\n"))
    assert [e["end"] for e in asked(mock)] == ["done"]
    rows = g.spend_rows(wait_for=2)
    assert sum(r["spend"] > 0 for r in rows) == 1 and sum(r["cache_hit"] == "True" for r in rows) == 1
    assert mock.stats()["open"] >= 0 and not running(g)


def test_nobody_waits_for_a_flight_whose_first_left(start, mock):
    """Without a key it is as ever: it goes on for those who wait, and for nobody else."""
    g = start([("slow", "mock?ttft=1000")], "router_settings: {single_flight: true}\n", workers=1)
    first = begin(g, chat("slow"), {})
    until(lambda: asked(mock))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(g.post, CHAT, chat("slow"))
        until(lambda: sum(running(g).values()) == 2)
        first.close()
        assert other.result().status == 200 and [e["end"] for e in asked(mock)] == ["done"]
    mock.clear()
    alone = begin(g, chat("slow"), {})
    until(lambda: asked(mock))
    alone.close()
    until(lambda: [e["end"] for e in asked(mock)] == ["client_gone"])


# ---- kills and restarts

def test_a_killed_worker_lets_go(start, mock):
    g = start([("slow", "mock?ttft=1500")], workers=2)
    first = begin(g, chat("slow"), head())
    victim, = until(lambda: asked(mock) and running(g))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        others = [pool.submit(g.post, CHAT, chat("slow"), headers=head()) for _ in range(4)]
        until(lambda: sum(running(g).values()) == 5)
        os.kill(victim, signal.SIGSTOP)         # these come to the other one
        others += [pool.submit(g.post, CHAT, chat("slow"), headers=head()) for _ in range(4)]
        until(lambda: sum(running(g).values()) == 9)
        os.kill(victim, signal.SIGKILL)
        live = [f.result() for f in others if not f.exception()]
    assert len(live) >= 4 and all(a.status == 200 and same(a, live[0]) for a in live), live
    assert sum(map(is_replay, live)) == len(live) - 1 and len(asked(mock)) == 2
    a = live[0]
    first.close()
    again = g.post(CHAT, chat("slow"), headers=head())
    assert is_replay(again) and same(a, again)


def test_retries_while_workers_are_killed(start, mock):
    """Clients that try again until they have an answer: whatever is killed, all that used one key
    have one answer, and no provider was asked more often than somebody was killed."""
    g = start([("slow", "mock?ttft=150&tokens=5&gap=10")], workers=3)
    over = threading.Event()
    got = {}

    def client(n):
        rounds = 0
        while not over.is_set() or rounds % 3:
            name, stream = f"{n % 4}-{rounds // 3}", bool(n & 1)
            body = chat("slow", f"{n % 4 // 2} {name} {stream}", stream=stream)
            try:
                a = g.post(CHAT, body, headers=head(f"{name}-{stream}"))
            except (OSError, http.client.HTTPException):
                continue
            if a.status == 200 and (not stream or a.body.endswith(b"data: [DONE]\n\n")):
                got.setdefault((name, stream), set()).add(a.body)
                rounds += 1
            else:
                assert a.status in (200, 500, 503), a

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(client, n) for n in range(8)]
        kills = 0
        for _ in range(6):
            until(lambda: running(g))
            os.kill(random.choice(list(running(g)) or g.children()), signal.SIGKILL)
            kills += 1
            until(lambda: len(g.ctl_json("workers")["workers"]) == 3, 20)
            seen = len(got)
            until(lambda: len(got) > seen + 1, 20)
        over.set()
        for c in clients:
            c.result(60)
    calls = len(asked(mock))
    assert len(got) > 10 and len(got) <= calls, (len(got), calls)
    # What a kill cuts is at most what each client had under way.
    assert calls <= len(got) + kills * 8, (len(got), calls)
    assert all(len(bodies) <= 1 + kills for bodies in got.values())
    assert sum(len(bodies) > 1 for bodies in got.values()) == 0, got


def test_it_outlives_the_gateway(start, mock):
    g = start([("m", "plain")])
    plain = g.post(CHAT, chat("m"), headers=head("p"))
    stream = g.post(CHAT, chat("m", stream=True), headers=head("s"))
    g.kill_all()
    g.start()
    again = g.post(CHAT, chat("m"), headers=head("p"))
    assert same(again, plain) and is_replay(again)
    again = g.post(CHAT, chat("m", stream=True), headers=head("s"))
    assert same(again, stream) and is_replay(again) and len(asked(mock)) == 2
    g.ctl("upgrade")
    again = g.post(CHAT, chat("m"), headers=head("p"))
    assert same(again, plain) and is_replay(again) and len(asked(mock)) == 2


def test_who_is_told_of_a_replay_hears_what_it_took_to_make(start, mock, sink):
    """As of an answer of the cache: tokens, deployment and what is saved, at no cost; also of one
    that another process made."""
    g = start([("m", "plain")], 'litellm_settings: {callbacks: ["generic_api"]}\n',
              env={"GENERIC_LOGGER_ENDPOINT": f"{sink.base}/hook", "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.2"})
    bodies = [chat("m"), chat("m", stream=True)]
    for i, body in enumerate(bodies):
        g.post(CHAT, body, headers=head(f"k{i}"))
    sink.payloads(2)
    g.kill_all()
    g.start()
    for i, body in enumerate(bodies):
        assert is_replay(g.post(CHAT, body, headers=head(f"k{i}")))
    made = {p["stream"]: p for p in sink.payloads(4) if not p["cache_hit"]}
    again = {p["stream"]: p for p in sink.payloads(4) if p["cache_hit"]}
    assert made.keys() == again.keys() == {False, True} and len(asked(mock)) == 2
    for stream, p in again.items():
        first = made[stream]
        assert first["total_tokens"] > 0 and first["response_cost"] > 0
        assert p["response_cost"] == 0 and p["saved_cache_cost"] == pytest.approx(first["response_cost"])
        for name in ("prompt_tokens", "completion_tokens", "total_tokens", "model_id"):
            assert p[name] == first[name], (name, p[name], first[name])


def test_an_upgrade_knows_who_is_asked(start, mock):
    g = start([("slow", "mock?ttft=3000"), ("m", "plain")], workers=2)
    first = begin(g, chat("slow"), head())
    until(lambda: asked(mock))
    g.ctl("upgrade")
    g.wait_log("master.ready", generation=2)
    answers = many(g, 4, CHAT, chat("slow"), head())
    one = first.getresponse().read()
    assert all(a.status == 200 and is_replay(a) and a.body == one for a in answers), answers
    assert len(asked(mock)) == 1


# ---- limits

def test_too_long_to_be_kept(start, mock):
    g = start([("long", "mock?size=3000"), ("stream", "mock?bigevent=3000")],
              "server: {idempotency: {max-answer: 2K}}\n")
    first = g.post(CHAT, chat("long"), headers=head())
    assert first.status == 200 and first.headers["idempotency-kept"] == "false"
    first = g.post(CHAT, chat("stream", stream=True), headers=head("s"))
    assert first.status == 200 and first.body.endswith(b"data: [DONE]\n\n")
    g.wait_log("answer.not_kept")
    for a in (g.post(CHAT, chat("long"), headers=head()), g.post(CHAT, chat("stream", stream=True), headers=head("s"))):
        assert a.status == 409 and a.json["error"]["code"] == "idempotency_key_in_use", a     # KEY_IN_USE
        assert a.headers["x-should-retry"] == "false"
    assert len(asked(mock)) == 2


def test_it_expires(start, mock):
    g = start([("m", "plain")], "server: {idempotency: {keep: 1s}}\n")
    first = g.post(CHAT, chat("m"), headers=head())
    until(lambda: not is_replay(g.post(CHAT, chat("m"), headers=head())), 20)
    assert first.status == 200 and len(asked(mock)) == 2


def test_the_oldest_make_room(start, mock):
    g = start([("m", "plain")], "server: {idempotency: {max-bytes: 8K}}\n")
    for i in range(20):
        g.post(CHAT, chat("m"), headers=head(f"k{i}"))
    assert is_replay(g.post(CHAT, chat("m"), headers=head("k19")))
    assert not is_replay(g.post(CHAT, chat("m"), headers=head("k0")))


def test_switched_off(start, mock):
    g = start([("m", "plain")], "server: {idempotency: {keep: 0}}\n")
    assert [is_replay(g.post(CHAT, chat("m"), headers=head())) for _ in range(2)] == [False, False]
    assert len(asked(mock)) == 2


# ---- single flight

def test_single_flight(start, mock):
    g = start([("slow", "mock?ttft=700&tokens=20&gap=10")], "router_settings: {single_flight: true}\n", workers=1)
    key, other = g.key(), g.key()
    for stream in (False, True):
        mock.clear()
        answers = many(g, 12, CHAT, chat("slow", stream=stream), {}, key)
        assert all(same(a, answers[0]) and a.status == 200 for a in answers), answers
        assert len(asked(mock)) == 1
        hits = [a for a in answers if a.headers.get("x-litellm-cache-hit") == "true"]
        assert len(hits) == 11 and not any(map(is_replay, answers))
    rows = g.spend_rows(wait_for=24)
    assert sum(r["cache_hit"] == "True" and r["spend"] == 0 for r in rows) == 22 and sum(r["spend"] > 0 for r in rows) == 2
    g.wait_log("answer.replayed", why="single_flight")
    mock.clear()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        all_differ = list(pool.map(lambda a: g.post(CHAT, a[0], key=a[1], headers=a[2]), [
            (chat("slow"), key, {}), (chat("slow"), other, {}), (chat("slow", "Bye"), key, {}),
            (chat("slow"), key, {"x-litellm-timeout": "20"})]))
    assert all(a.status == 200 for a in all_differ) and len(asked(mock)) == 4
    mock.clear()                # nothing is kept for later
    assert g.post(CHAT, chat("slow"), key=key).status == 200 and len(asked(mock)) == 1


def test_without_single_flight_each_is_asked(start, mock):
    g = start([("slow", "mock?ttft=300")], workers=1)
    assert all(a.status == 200 for a in many(g, 4, CHAT, chat("slow"), {}))
    assert len(asked(mock)) == 4


# ---- what the gateway says of retries

def test_should_retry(start, mock):
    """Who has tried again himself says so, to both kinds of SDKs."""
    g = start([("bad", "mock?status=500"), ("good", "mock?failn=1&status=500")],
              "router_settings: {num_retries: 1, disable_cooldowns: true}\n")
    messages = {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    for path in (CHAT, "/v1/messages"):
        a = g.post(path, {"model": "bad", **messages})
        assert a.status == 500 and a.headers["x-should-retry"] == "false", a
        a = g.post(path, {"model": "bad", **messages, "num_retries": 0})
        assert a.status == 500 and "x-should-retry" not in a.headers, a
    assert g.post(CHAT, {"model": "good", **messages}).status == 200
