# SPDX-License-Identifier: MIT
"""The response cache: answers given again, for whom and how long, and one call for all who ask at
the same time, over workers and kills."""
import concurrent.futures
import http.client
import json
import os
import random
import signal
import threading
import time

import pytest

from gateway import until

CHAT = "/v1/chat/completions"
FLIGHT = "mock?ttft=1000&tokens=5&gap=10"


def cached(**params):
    """Settings with the cache on; YAML takes JSON."""
    return "litellm_settings: " + json.dumps({"cache": True, "cache_params": params}) + "\n"


def asked(mock):
    return mock.log()


def chat(model="m", text="Hello", **more):
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def word(a):
    return a.headers.get("x-llmgw-cache")


def same(a, b):
    return a.status == b.status and a.body == b.body and a.headers["content-type"] == b.headers["content-type"]


def many(g, n, path, body, key=None):
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda _: g.post(path, body, key=key), range(n)))


def running(g):
    """Requests under way, by worker."""
    return {w["pid"]: w["requests"] for w in g.ctl_json("workers")["workers"] if w["requests"]}


def begin(g, body):
    """A request whose answer nobody reads yet."""
    c = g.connect()
    c.request("POST", CHAT, json.dumps(body), {"Authorization": f"Bearer {g.master_key}"})
    return c


# ---- given again

@pytest.mark.parametrize("stream", [False, True])
def test_asked_once(start, mock, stream):
    g = start([("m", "plain")], cached())
    first = g.post(CHAT, chat(stream=stream))
    assert first.status == 200 and word(first) == "miss", first
    name = first.headers["x-litellm-cache-key"]
    for n in range(6):          # whichever worker it comes to; who asks, and how, does not matter
        again = g.post(CHAT, chat(stream=stream, user=f"u{n}", metadata={"n": n}, timeout=9 + n))
        assert same(again, first) and word(again) == "hit", (again, again.headers)
        assert again.headers["x-litellm-cache-hit"] == "true"
        assert again.headers["x-litellm-cache-key"] == name and len(name) == 64
        assert again.headers["x-litellm-model-id"] == first.headers["x-litellm-model-id"]
        assert again.headers["x-litellm-call-id"] != first.headers["x-litellm-call-id"]
        assert float(again.headers["x-litellm-response-cost"]) == 0
    assert len(asked(mock)) == 1 and "cache" not in asked(mock)[0]["body"]
    if stream:
        assert first.body.endswith(b"data: [DONE]\n\n")
    reordered = dict(reversed(chat(stream=stream).items()))
    assert word(g.post(CHAT, reordered)) == "hit"
    for other in (chat(text="Bye", stream=stream), chat(stream=stream, temperature=0.5), chat(stream=not stream)):
        assert word(g.post(CHAT, other)) == "miss"
    g.wait_log("request.done", cache="hit", cost=0)


PATHS = [("/v1/embeddings", {"model": "m", "input": "x"}),
         ("/v1/completions", {"model": "m", "prompt": "x"}),
         ("/v1/responses", {"model": "m", "input": "x"}),
         ("/v1/responses", {"model": "m", "input": "x", "stream": True, "store": False}),
         ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}),
         ("/v1/messages", {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "x"}]}),
         ("/v1beta/models/m:generateContent", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}),
         ("/v1beta/models/m:streamGenerateContent?alt=sse", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]})]


@pytest.mark.parametrize("path, body", PATHS)
def test_every_kind(start, mock, path, body):
    g = start([("m", "plain")], cached())
    first = g.post(path, body)
    assert first.status == 200 and word(first) == "miss", first
    for _ in range(3):
        again = g.post(path, body)
        assert same(again, first) and word(again) == "hit", again
    assert len(asked(mock)) == 1


def test_what_is_not_cached(start, mock):
    """Calls that are relayed, those that are not listed, refusals, and answers that broke off."""
    g = start([("m", "plain"), ("bad", "mock?status=400"), ("cut", "mock?tokens=5&gap=50&die=2"), ("mock*", "mock*")],
              cached(supported_call_types=["acompletion"]) + "router_settings: {num_retries: 0}\n")
    cases = [("/v1/embeddings", {"model": "m", "input": "x"}, 200),
             ("/v1/moderations", {"model": "m", "input": "x"}, 200),
             (CHAT, chat("bad"), 400), (CHAT, chat("cut", stream=True), 200)]
    for path, body, status in cases:
        mock.clear()
        for _ in range(2):
            try:
                a = g.post(path, body)
                assert a.status == status and word(a) in (None, "miss"), a
            except http.client.IncompleteRead:
                assert body["model"] == "cut"
        assert len(asked(mock)) == 2, path
    assert word(g.post(CHAT, chat())) == "miss" and word(g.post(CHAT, chat())) == "hit"


def test_without_the_cache_nothing_is_kept(gw, mock):
    for _ in range(2):
        a = gw.post(CHAT, chat(cache={"use-cache": True}))
        assert a.status == 200 and word(a) is None and "x-litellm-cache-key" not in a.headers
    assert len(asked(mock)) == 2
    for path in ("/cache/flushall", "/cache/delete"):
        assert gw.post(path, {"keys": []}).status == 503
    assert gw.get("/cache/ping").status == 503


# ---- money

def test_a_hit_costs_nothing_and_reserves_nothing(start, mock):
    g = start([("m", "plain")], cached())
    key = g.key(max_budget=0.0002, rpm_limit=1000, tpm_limit=100000)
    first = g.post(CHAT, chat(max_tokens=20), key=key)
    assert first.status == 200 and word(first) == "miss", first
    spent = until(lambda: g.get(f"/key/info?key={key}").json["info"]["spend"])
    left = first.headers["x-ratelimit-api_key-remaining-tokens"] if "x-ratelimit-api_key-remaining-tokens" in first.headers else None
    g.post("/key/update", {"key": key, "max_budget": spent})       # not a cent is left
    assert g.post(CHAT, chat(text="new", max_tokens=20), key=key).status == 429
    for _ in range(3):
        a = g.post(CHAT, chat(max_tokens=20), key=key)
        assert word(a) == "hit" and same(a, first), a
    rows = [r for r in g.spend_rows(wait_for=4) if r["cache_hit"] == "True"]
    assert len(rows) == 3 and all(r["spend"] == 0 and r["model_group"] == "m" for r in rows), rows
    assert g.get(f"/key/info?key={key}").json["info"]["spend"] == spent
    stats = g.ctl_json("cache", "stats")
    assert stats["hits"] == 3 and stats["saved"] == pytest.approx(3 * spent), (stats, left)


def test_a_hit_is_a_request_to_the_limits(start):
    g = start([("m", "plain")], cached())
    key = g.key(rpm_limit=3)
    assert [g.post(CHAT, chat(), key=key).status for _ in range(4)] == [200, 200, 200, 429]


# ---- for whom

def test_tenants_do_not_share(start, mock):
    g = start([("m", "plain")], cached())
    a, b = g.key(), g.key()
    team, other = (g.post("/team/new", {"team_alias": n}).json["team_id"] for n in ("one", "two"))
    t1, t2, o1 = g.key(team_id=team), g.key(team_id=team), g.key(team_id=other)
    assert [word(g.post(CHAT, chat(), key=k)) for k in (a, b, None, t1, o1)] == ["miss"] * 5
    assert [word(g.post(CHAT, chat(), key=k)) for k in (a, b, None, t1, o1)] == ["hit"] * 5
    assert word(g.post(CHAT, chat(), key=t2)) == "hit"              # of the same team
    claims = chat(cache={"namespace": "x"})                          # naming one opens nothing
    assert [word(g.post(CHAT, claims, key=k)) for k in (a, b)] == ["miss"] * 2
    assert len(asked(mock)) == 7


@pytest.mark.parametrize("scope, words", [("key", ["miss", "miss", "miss"]), ("shared", ["miss", "hit", "hit"])])
def test_scopes(start, scope, words):
    g = start([("m", "plain")], cached(scope=scope))
    team = g.post("/team/new", {"team_alias": "one"}).json["team_id"]
    keys = [g.key(team_id=team), g.key(team_id=team), g.key()]
    assert [word(g.post(CHAT, chat(), key=k)) for k in keys] == words


def test_who_may_not_use_the_model_gets_no_answer(start):
    g = start([("m", "plain"), ("n", "plain")], cached(scope="shared"))
    assert word(g.post(CHAT, chat())) == "miss"
    a = g.post(CHAT, chat(), key=g.key(models=["n"]))
    assert a.status == 403 and word(a) is None, a


@pytest.mark.parametrize("how", ["cache", "single_flight"])
def test_headers_that_go_on_tell_answers_apart(start, mock, how):
    """An application's key serves many users, and tells its provider by a header of whom it asks."""
    more = {"cache": cached(), "single_flight": "router_settings: {single_flight: true}\n"}[how]
    g = start([("m", FLIGHT)], more + "general_settings:\n  forward_client_headers_to_llm_api: true\n", workers=1)
    users = ["ann", "bob", "ann"]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda u: g.post(CHAT, chat(), headers={"x-user": u}), users))
    assert [a.status for a in answers] == [200] * 3
    seen = [a["headers"]["x-user"] for a in mock.get("/mock/log?n=9&h=x-user")]
    assert sorted(seen) == ["ann", "bob"]


# ---- what a request says

def test_controls(start, mock):
    g = start([("m", "plain")], cached(namespace="site"))

    def ask(**controls):
        a = g.post(CHAT, chat(cache=controls))
        assert a.status == 200, a
        return word(a)

    assert ask(**{"no-store": True}) == "miss" and ask() == "miss" and ask() == "hit"
    assert ask(**{"no-store": True}) == "hit"
    assert ask(**{"no-cache": True}) == "bypass" and ask() == "hit"
    assert ask(**{"no-cache": True, "no-store": True}) is None
    assert ask(namespace="a") == "miss" and ask(namespace="a") == "hit" and ask(namespace="b") == "miss"
    time.sleep(0.3)
    assert ask(**{"s-maxage": 0.2}) == "miss" and ask(**{"s-maxage": 60}) == "hit" and ask(**{"s-maxage": 0}) == "bypass"
    assert word(g.post(CHAT, chat(caching=False))) is None
    assert ask(namespace="c", ttl=2) == "miss" and ask(namespace="c") == "hit"
    time.sleep(2.1)
    assert ask(namespace="c", ttl=0) == "miss" and ask(namespace="c") == "miss"
    head = {"Cache-Control": "no-transform, s-maxage=2"}
    assert word(g.post(CHAT, chat(text="head"), headers=head)) == "miss" and word(g.post(CHAT, chat(text="head"))) == "hit"
    time.sleep(2.1)
    assert word(g.post(CHAT, chat(text="head"))) == "miss"
    for wrong in ({"ttl": "x"}, {"ttl": -1}, {"s-maxage": []}, {"namespace": 5}, {"namespace": "n" * 65}):
        a = g.post(CHAT, chat(cache=wrong))
        assert a.status == 400 and a.json["error"]["param"] == "cache", (wrong, a)
    assert all("cache" not in e["body"] for e in asked(mock))


def test_mode_default_off(start, mock):
    g = start([("m", "plain")], cached(mode="default_off"))
    assert [word(g.post(CHAT, chat())) for _ in range(2)] == [None, None]
    use = chat(cache={"use-cache": True})
    assert [word(g.post(CHAT, use)) for _ in range(2)] == ["miss", "hit"]
    assert len(asked(mock)) == 3


def test_controls_that_a_key_may_not_set(start, mock):
    g = start([("m", "plain")], cached())
    key = g.key(allowed_cache_controls=["ttl", "no-store"])
    assert word(g.post(CHAT, chat(cache={"ttl": 60}), key=key)) == "miss"
    for name in ("no-cache", "namespace", "s-maxage"):
        a = g.post(CHAT, chat(cache={name: True}), key=key)
        assert a.status == 403 and f"Not allowed to set {name} as a cache control" in a.json["error"]["message"], a
    assert len(asked(mock)) == 1
    g.stop()
    g.start()
    a = g.post("/v1/messages", {"model": "m", "max_tokens": 9, "messages": chat()["messages"], "cache": {"no-cache": True}}, key=key)
    assert a.status == 403 and a.json["error"]["type"] == "permission_error", a
    g.post("/key/update", {"key": key, "allowed_cache_controls": []})
    assert word(g.post(CHAT, chat(cache={"no-cache": True}), key=key)) == "bypass"


# ---- how long, and how much

def test_ttl(start, mock):
    g = start([("m", "plain")], cached(ttl=2))
    assert [word(g.post(CHAT, chat())) for _ in range(2)] == ["miss", "hit"]
    time.sleep(2.1)
    assert word(g.post(CHAT, chat())) == "miss" and len(asked(mock)) == 2


def test_its_memory_is_bounded(start, mock):
    g = start([("mock*", "mock*")], cached(max_bytes="1M"))
    for n in range(120):
        g.post(CHAT, chat("mock?tokens=1000", str(n)))
    stats = g.ctl_json("cache", "stats")
    assert stats["stored"] == 120 and stats["evicted"] > 0, stats
    assert stats["bytes"] <= stats["max_bytes"] == 1 << 20 and 0 < stats["entries"] < 120
    text = g.get("/metrics").body.decode()
    values = dict(l.rsplit(" ", 1) for l in text.splitlines() if l.startswith("llmgw_cache_"))
    assert int(values["llmgw_cache_entries"]) == stats["entries"]
    assert int(values["llmgw_cache_bytes"]) == stats["bytes"]
    assert int(values["llmgw_cache_evictions_total"]) == stats["evicted"]
    assert int(values["llmgw_cache_misses_total"]) == 120 and int(values["llmgw_cache_hits_total"]) == 0
    assert {"llmgw_cache_joined_total", "llmgw_cache_saved_dollars_total"} <= values.keys()
    assert word(g.post(CHAT, chat("mock?tokens=1000", "119"))) == "hit"
    assert word(g.post(CHAT, chat("mock?tokens=1000", "0"))) == "miss"
    mock.clear()
    for _ in range(2):                                              # too long for it
        assert word(g.post(CHAT, chat("mock?tokens=8000"))) == "miss"
    assert len(asked(mock)) == 2


def test_flush_delete_and_ping(start, mock):
    g = start([("m", "plain")], cached())
    names = [g.post(CHAT, chat(text=t)).headers["x-litellm-cache-key"] for t in ("a", "b", "c")]
    key = g.key()
    assert g.get("/cache/ping", key=key).json == {"status": "healthy", "cache_type": "local", "ping_response": True,
                                                  "set_cache_response": "success"}
    assert g.post("/cache/flushall", {}, key=key).status in (401, 403)
    assert g.post("/cache/delete", {"keys": [names[0], "nonsense", 5]}).json["deleted"] == 1
    assert g.post("/cache/delete", {"keys": "a"}).status == 400
    assert [word(g.post(CHAT, chat(text=t))) for t in ("a", "b", "c")] == ["miss", "hit", "hit"]
    assert g.ctl_json("cache", "flush", "--yes")["flushed"] == 3
    assert [word(g.post(CHAT, chat(text=t))) for t in ("a", "b")] == ["miss", "miss"]
    assert g.ctl_json("cache", "delete", names[0])["deleted"] == 1
    assert g.get("/cache/stats").json["entries"] == 1


def test_reloads_switch_it(start, mock):
    """On, larger, and off again, while requests go on."""
    g = start([("m", "plain")], "")
    assert word(g.post(CHAT, chat())) is None
    plain = g.config.read_text()
    for size, words in (("1M", ["miss", "hit"]), ("2M", ["miss", "hit"]), (None, [None, None])):
        g.config.write_text(plain + (cached(max_bytes=size) if size else ""))
        g.ctl("reload")
        assert [word(g.post(CHAT, chat())) for _ in range(2)] == words
    g.config.write_text(plain + cached(max_bytes="2M", ttl=30))
    g.ctl("reload")
    assert word(g.post(CHAT, chat())) == "miss"
    g.config.write_text(plain + cached(max_bytes="2M", ttl=40))     # what is kept stays
    g.ctl("reload")
    assert word(g.post(CHAT, chat())) == "hit"


def test_off_while_others_are_waited_for(start, mock):
    g = start([("slow", FLIGHT)], "", workers=3)
    plain = g.config.read_text()
    g.config.write_text(plain + cached())
    g.ctl("reload")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        asking = [pool.submit(g.post, CHAT, chat("slow")) for _ in range(12)]
        until(lambda: asked(mock))
        time.sleep(0.2)                                             # all of them have come
        g.config.write_text(plain)
        g.ctl("reload")
        assert [a.result().status for a in asking] == [200] * 12
    assert not g.records("worker.exit")


def test_workers_come_and_go(start, mock):
    g = start([("m", "plain")], cached())
    assert word(g.post(CHAT, chat())) == "miss"
    g.ctl("workers", "restart")
    assert word(g.post(CHAT, chat())) == "hit"
    for pid in [w["pid"] for w in g.ctl_json("workers")["workers"] if w["state"] == "ready"]:
        os.kill(pid, signal.SIGKILL)
    until(lambda: sum(w["state"] == "ready" for w in g.ctl_json("workers")["workers"]) == 2, 20)
    assert word(g.post(CHAT, chat())) == "hit" and len(asked(mock)) == 1


# ---- one call for all

@pytest.mark.parametrize("stream", [False, True])
def test_one_call_over_workers(start, mock, stream):
    g = start([("slow", FLIGHT)], cached(), workers=3)
    key = g.key()
    answers = many(g, 24, CHAT, chat("slow", stream=stream), key)
    assert all(a.status == 200 and same(a, answers[0]) for a in answers), answers
    assert len(asked(mock)) == 1
    words = [word(a) for a in answers]
    assert words.count("miss") == 1 and set(words) <= {"miss", "joined", "hit"}, words
    rows = g.spend_rows(wait_for=24)
    assert sum(r["cache_hit"] == "True" and r["spend"] == 0 for r in rows) == 23 and sum(r["spend"] > 0 for r in rows) == 1
    stats = g.ctl_json("cache", "stats")
    assert stats["joined"] + stats["hits"] == 23 and stats["misses"] == 1 and stats["in_the_making"] == 0, stats


def test_many_questions_at_once(start, mock):
    g = start([("slow", "mock?ttft=300")], cached(), workers=3)
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda n: (n % 5, g.post(CHAT, chat("slow", str(n % 5)))), range(60)))
    assert len(asked(mock)) == 5
    for n in range(5):
        assert len({a.body for k, a in answers if k == n}) == 1


def test_the_leader_fails(start, mock):
    """Who waits in its worker gets a refusal with it; after a failure the next one asks."""
    g = start([("slow", "mock?ttft=300&failn=1&status=500")], cached() + "router_settings: {num_retries: 0, disable_cooldowns: true}\n", workers=2)
    answers = many(g, 10, CHAT, chat("slow"))
    assert sorted(a.status for a in answers)[:9] == [200] * 9 and len(asked(mock)) == 2, answers
    assert sum(a.status != 200 for a in answers) == 1


def test_the_leader_leaves(start, mock):
    g = start([("slow", FLIGHT)], cached(), workers=2)
    first = begin(g, chat("slow"))
    until(lambda: asked(mock))
    first.close()
    until(lambda: not running(g))
    a = g.post(CHAT, chat("slow"))
    assert a.status == 200 and word(a) == "miss"
    assert [e["end"] for e in asked(mock)].count("done") == 1


def test_a_killed_leader_is_replaced(start, mock):
    g = start([("slow", "mock?ttft=1500")], cached(), workers=3)
    first = begin(g, chat("slow"))
    victim, = until(lambda: asked(mock) and running(g))
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        others = [pool.submit(g.post, CHAT, chat("slow")) for _ in range(4)]
        until(lambda: sum(running(g).values()) == 5)
        os.kill(victim, signal.SIGSTOP)         # these come to the other two
        others += [pool.submit(g.post, CHAT, chat("slow")) for _ in range(8)]
        until(lambda: sum(running(g).values()) == 13)
        os.kill(victim, signal.SIGKILL)
        live = [f.result() for f in others if not f.exception()]
    first.close()
    assert len(live) >= 8 and all(a.status == 200 and same(a, live[0]) for a in live), live
    assert len(asked(mock)) == 2 and word(g.post(CHAT, chat("slow"))) == "hit"


def test_too_long_for_it_is_not_waited_for_in_line(start, mock):
    g = start([("slow", "mock?ttft=2000&tokens=1000")], cached(max_answer="1K"), workers=1)
    before = time.monotonic()
    answers = many(g, 8, CHAT, chat("slow"))
    assert all(a.status == 200 for a in answers) and time.monotonic() - before < 14      # not one behind the other
    assert len(asked(mock)) == 8 and all(word(a) == "miss" for a in answers)


def test_bypassing_requests_are_asked_each(start, mock):
    g = start([("slow", "mock?ttft=300")], cached(), workers=1)
    answers = many(g, 4, CHAT, chat("slow", cache={"no-cache": True}))
    assert all(a.status == 200 and word(a) == "bypass" for a in answers) and len(asked(mock)) == 4


def said(body, is_stream):
    """The text of an answer that is whole."""
    if not is_stream:
        return json.loads(body)["choices"][0]["message"]["content"]
    events = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]", events
    return "".join(c["delta"].get("content") or "" for e in events[:-1] for c in json.loads(e)["choices"])


def test_kills_under_load(start, mock):
    """Whoever is killed: an answer is whole and of its own question."""
    g = start([("m", "mock?ttft=20&tokens=4&echo")], cached(max_bytes="1M"), workers=3)
    over = threading.Event()
    words = {}

    def client(n):
        is_stream = bool(n & 1)
        while not over.is_set():
            text = f"question {random.randrange(40)}"
            try:
                a = g.post(CHAT, chat("m", text, stream=is_stream))
            except (OSError, http.client.HTTPException):
                continue
            if a.status != 200 or (is_stream and b"[DONE]" not in a.body):
                continue                                            # its worker was killed
            assert said(a.body, is_stream) == text, (text, a)
            words[word(a)] = words.get(word(a), 0) + 1

    def ready():
        return sum(w["state"] == "ready" for w in g.ctl_json("workers")["workers"]) == 3

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(client, n) for n in range(8)]
        try:
            for n in range(8):                  # in turns: one that is killed time and again is kept waiting
                time.sleep(0.3)
                until(ready, 20)
                g.ctl("cache", "flush", "--yes")
                os.kill(sorted(g.ctl_json("workers")["workers"], key=lambda w: w["slot"])[n % 3]["pid"], signal.SIGKILL)
            until(ready, 20)
            until(lambda: words.get("hit", 0) > 100 and words.get("miss", 0) > 80, 60)
        finally:
            over.set()
        for c in clients:
            c.result(60)
    stats = g.ctl_json("cache", "stats")
    assert stats["hits"] > 0 and stats["in_the_making"] == 0, stats
