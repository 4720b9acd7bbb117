# SPDX-License-Identifier: MIT
"""Requests, tokens and dollars a key may have: exact over all workers, whatever comes at once.

Prices are those of conftest.py: 1e-6 dollars a prompt token, 2e-6 an answer's. The mock says
what was used (prompt=, out=), so every sum here is known before it is measured."""
import collections
import concurrent.futures
import contextlib
import json
import os
import random
import re
import signal
import socket
import threading
import time
from decimal import Decimal

import pytest

from conftest import PRICED

Seen = collections.namedtuple("Seen", "status headers body")


def request_bytes(gw, key, model, keep=False, **extra):
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], **extra})
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n{body}").encode()


def read_whole(s):
    """One answer from a socket, by its length or to the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = s.recv(65536)
        assert piece, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v.strip() for k, v in (x.split(":", 1) for x in lines[1:])}
    while len(body) < int(headers.get("content-length", 1 << 40)):
        piece = s.recv(65536)
        if not piece:
            break
        body += piece
    return Seen(int(lines[0].split()[1]), headers, body)


def flood(gw, n, key, model, kept=(), **extra):
    """n requests that are all there before the first is answered, new connections and kept ones mixed."""
    socks = []
    for i in range(n):
        s = kept[i] if i < len(kept) else socket.create_connection(("127.0.0.1", gw.port), 30)
        s.sendall(request_bytes(gw, key, model, keep=i < len(kept), **extra))
        socks.append(s)
    seen = [read_whole(s) for s in socks]
    for s in socks[len(kept):]:
        s.close()
    return seen


def good(seen):
    return [a for a in seen if a.status == 200]


def refused(seen, *statuses):
    bad = [a for a in seen if a.status != 200]
    assert all(a.status in statuses for a in bad), collections.Counter(a.status for a in seen)
    return [json.loads(a.body)["error"] for a in bad]


def info(gw, key):
    return gw.get(f"/key/info?key={key}").json["info"]


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def nothing_reserved(gw, key):
    """U8. No slot is held, and the key's own words are back to 0: a refusal tells what they say."""
    until(lambda: gw.metric("llmgw_reservations_open") == 0)
    assert gw.metric("llmgw_reserved_dollars") == 0
    before = info(gw, key)["max_budget"]
    gw.post("/key/update", {"key": key, "max_budget": 0})
    a = gw.ask("m", key=key)
    assert a.status == 429 and ", 0 is set aside" in a.json["error"]["message"], a
    gw.post("/key/update", {"key": key, "max_budget": before})


# ---- requests a minute ---------------------------------------------------------------------------

def test_rpm_is_exact_over_all_workers(start, mock):
    gw = start([("m", "mock?ttft=30")], workers=3)
    k = gw.key(rpm_limit=5, key_alias="five")
    seen = flood(gw, 60, k, "m")
    assert len(good(seen)) == 5
    assert len(mock.log()) == len(good(seen))           # the others cost the provider nothing
    for a in seen:
        if a.status == 429:
            assert 1 <= int(a.headers["retry-after"]) <= 60
            e = json.loads(a.body)["error"]
            assert e["type"] == "throttling_error" and e["code"] == "429"
            assert e["message"].startswith("Rate limit exceeded for api_key: ")
            assert "Limit type: requests. Current limit: 5, Remaining: 0. Limit resets at: 2" in e["message"]
            assert k not in e["message"]
    h = good(seen)[0].headers
    assert h["x-litellm-key-rpm-limit"] == h["x-ratelimit-api_key-limit-requests"] == "5"
    assert sorted(int(a.headers["x-ratelimit-api_key-remaining-requests"]) for a in good(seen))[0] == 0


def test_rpm_holds_over_the_first_minute(start):
    """A minute begins with the first request: 120 in it, and not one more."""
    gw = start([("m", "plain")], workers=3)
    k = gw.key(rpm_limit=120)
    n = len(good(flood(gw, 130, k, "m")))
    threading.Event().wait(1.2)
    n += len(good(flood(gw, 20, k, "m")))
    assert n == 120


def test_rpm_of_one_key_is_nothing_to_another(gw):
    a, b, free = gw.key(rpm_limit=2), gw.key(rpm_limit=2), gw.key()
    assert [gw.ask("m", key=a).status for _ in range(3)] == [200, 200, 429]
    assert [gw.ask("m", key=b).status for _ in range(3)] == [200, 200, 429]
    assert {gw.ask("m", key=free).status for _ in range(20)} == {200}
    assert {gw.ask("m").status for _ in range(20)} == {200}
    assert gw.get("/v1/models", key=a).status == 200       # asks no model: not counted


def test_waiting_as_long_as_told_is_enough(gw):
    k = gw.key(rpm_limit=60, rpm_burst=60)                 # one a second
    while (a := gw.ask("m", key=k)).status == 200:
        pass
    assert a.headers["retry-after"] == "1"
    threading.Event().wait(1.0)
    assert gw.ask("m", key=k).status == 200


def test_a_limit_that_changes_counts_at_once(gw):
    k = gw.key(rpm_limit=2)
    assert [gw.ask("m", key=k).status for _ in range(3)] == [200, 200, 429]
    gw.post("/key/update", {"key": k, "rpm_limit": 1000})
    assert {gw.ask("m", key=k).status for _ in range(10)} == {200}
    gw.post("/key/update", {"key": k, "rpm_limit": None})
    assert gw.ask("m", key=k).status == 200 and "x-litellm-key-rpm-limit" not in gw.ask("m", key=k).headers


# ---- tokens a minute -----------------------------------------------------------------------------

def test_tpm_is_corrected_by_what_was_used(gw):
    k = gw.key(tpm_limit=1000)
    seen = [gw.ask("mock?prompt=400&out=200", key=k) for _ in range(4)]
    assert [a.status for a in seen] == [200, 200, 429, 429]
    e = seen[2].json["error"]
    assert e["type"] == "throttling_error" and "Limit type: tokens. Current limit: 1000" in e["message"]
    assert int(seen[2].headers["retry-after"]) >= 1
    assert seen[0].headers["x-litellm-key-tpm-limit"] == "1000"


def test_tpm_gives_back_what_was_estimated_too_high(gw):
    k = gw.key(tpm_limit=1000)
    text = "a few words that weigh a lot " * 80               # about 600 tokens
    for _ in range(8):
        assert gw.ask("mock?prompt=10&out=5", text, key=k).status == 200
    for _ in range(8):                                        # a failure costs none
        assert gw.ask("mock?status=500", text, key=k, num_retries=0).status == 500
    assert gw.ask("mock?prompt=10&out=5", text, key=k).status == 200


def test_tpm_is_taken_before_the_provider_is_asked(start, mock):
    gw = start([("m", "mock?ttft=400&prompt=250&out=1")], workers=3)
    k = gw.key(tpm_limit=1000)
    text = [{"role": "user", "content": "word " * 250}]       # about 260 tokens each
    seen = flood(gw, 30, k, "m", messages=text)
    refused(seen, 429)
    assert 2 <= len(good(seen)) <= 4
    assert len(mock.log()) == len(good(seen))


def test_streams_count_tokens_too(gw):
    k = gw.key(tpm_limit=1000)
    s = gw.stream("mock?tokens=4&prompt=500&out=520", key=k)
    assert s.text().split() == ["t0", "t1", "t2", "t3"]
    until(lambda: gw.ask("m", key=k).status == 429)           # settled a moment after its last byte


# ---- at the same time ----------------------------------------------------------------------------

def test_max_parallel_requests(start, mock):
    gw = start([("m", "mock?ttft=1500"), ("s", "mock?tokens=200&gap=20"), ("quick", "plain")], workers=3)
    k = gw.key(max_parallel_requests=3)
    seen = flood(gw, 24, k, "m")
    errors = refused(seen, 429)
    assert len(good(seen)) == 3 and len(mock.log()) == 3
    assert all("Limit type: max_parallel_requests. Current limit: 3" in e["message"] for e in errors)
    assert all(e["type"] == "throttling_error" for e in errors)
    assert all(int(a.headers["retry-after"]) >= 1 for a in seen if a.status == 429)
    assert gw.ask("quick", key=k).status == 200               # the places are free again
    streams = [gw.stream("s", key=k) for _ in range(3)]
    heads = [next(s.events()) for s in streams]
    assert len(heads) == 3
    assert gw.ask("quick", key=k).status == 429
    streams[0].leave()                                        # its place is free soon
    until(lambda: gw.ask("quick", key=k).status == 200)
    for s in streams[1:]:
        s.leave()
    until(lambda: gw.metric("llmgw_reservations_open") == 0)


# ---- dollars -------------------------------------------------------------------------------------

ONE = Decimal("0.000070")       # prompt=50&out=10
RESERVE = Decimal("0.00012")    # not less than what is set aside for it


def test_budget_is_never_overspent(start, mock):
    """U1, U2: 300 at once over three workers, kept connections and new ones; ten are paid for."""
    gw = start([("m", "mock?ttft=250&prompt=50&out=10")], workers=3)
    budget = ONE * 10 + RESERVE
    k = gw.key(max_budget=float(budget), key_alias="ten")
    kept = []
    for _ in range(60):
        s = socket.create_connection(("127.0.0.1", gw.port), 30)
        s.sendall(request_bytes(gw, "nobody", "m", keep=True))
        assert read_whole(s).status == 401
        kept.append(s)
    seen = flood(gw, 300, k, "m", kept=kept, max_tokens=10)
    for s in kept:
        s.close()
    errors = refused(seen, 429)
    n = len(good(seen))
    assert 6 <= n <= 11 and n == len(mock.log())
    for e in errors:
        assert e["type"] == "budget_exceeded" and e["param"] is None and e["code"] == "429"
        assert re.match(r"Budget has been exceeded! Key=ten \(sk-\.\.\..{4}\) Current cost: [\d.e-]+, Max budget: ",
                        e["message"]), e
    spend = Decimal(str(info(gw, k)["spend"]))
    assert spend == ONE * n <= budget
    rows = [r for r in gw.spend_rows(wait_for=n) if r["key_alias"] == "ten"]
    assert len(rows) == n and sum(Decimal(str(r["spend"])) for r in rows) == spend
    # U9: what is left is given out to the last reserve
    while (a := gw.ask("m", key=k, max_tokens=10)).status == 200:
        pass
    assert a.status == 429 and a.json["error"]["type"] == "budget_exceeded"
    assert a.headers["x-should-retry"] == "false" and "retry-after" not in a.headers
    spend = Decimal(str(info(gw, k)["spend"]))
    assert budget - RESERVE < spend <= budget
    nothing_reserved(gw, k)


def ask_through_kills(gw, key, model, **extra):
    """One request, whatever becomes of the worker that has it: its status, or 0."""
    try:
        with socket.create_connection(("127.0.0.1", gw.port), 30) as s:
            s.sendall(request_bytes(gw, key, model, **extra))
            return read_whole(s).status
    except (OSError, AssertionError):
        return 0


def test_budget_is_never_overspent_while_workers_are_killed(start, mock):
    """500 at once for ten that can be paid, and all of it again and again while workers die: neither the
    books nor the provider's answers come to more than the budget."""
    gw = start([("m", "mock?ttft=700&prompt=50&out=10")], workers=3)
    budget = ONE * 10 + RESERVE
    k = gw.key(max_budget=float(budget), key_alias="ten")
    seen, stop = collections.Counter(), threading.Event()

    def kill_all_the_time():
        while not stop.wait(0.1):
            pids = [w["pid"] for w in gw.ctl_json("workers", "list")["workers"] if w["state"] == "ready"]
            if pids:
                assert pids[0] > 1
                os.kill(random.choice(pids), signal.SIGKILL)

    killer = threading.Thread(target=kill_all_the_time)
    killer.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(500) as pool:
            for _ in range(2):
                seen.update(pool.map(lambda _: ask_through_kills(gw, k, "m", max_tokens=10), range(500)))
    finally:
        stop.set()
        killer.join()
    assert set(seen) <= {0, 200, 429, 503} and seen[0] and seen[429], seen
    until(lambda: json.loads(gw.ctl("--json", "status", check=False).stdout)["workers"]["ready"] == 3, 30)
    nothing_reserved(gw, k)
    spend = Decimal(str(info(gw, k)["spend"]))
    assert seen[200] * ONE <= spend <= budget, (seen, spend)
    until(lambda: sum(Decimal(str(r["spend"])) for r in gw.spend_rows() if r["key_alias"] == "ten") == spend)
    answered = [x for x in mock.log() if x["end"] != "client_gone"]   # the others it gave up with the worker
    assert len(answered) * ONE <= budget and len(answered) < len(mock.log()), (seen, len(answered))
    while gw.ask("m", key=k, max_tokens=10).status == 200:      # and what is left can be spent
        pass
    assert budget - RESERVE < Decimal(str(info(gw, k)["spend"])) <= budget


def test_no_false_denial(start):
    """U9: one call after the other, none is refused before the limit less one reserve."""
    gw = start([("m", "mock?prompt=50&out=10")], workers=3)
    k = gw.key(max_budget=float(ONE * 200 + RESERVE))
    c, n = gw.connect(), 0
    while True:
        c.request("POST", "/v1/chat/completions",
                  json.dumps({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]}),
                  {"Authorization": f"Bearer {k}", "Content-Type": "application/json"})
        r = c.getresponse()
        body = r.read()
        if r.status != 200:
            break
        n += 1
        assert Decimal(r.headers["x-litellm-key-spend"]) == ONE * n
        assert Decimal(r.headers["x-litellm-response-cost"]) == ONE
        assert Decimal(r.headers["x-litellm-key-max-budget"]) == ONE * 200 + RESERVE
    assert r.status == 429, body
    assert n >= 200 and r.headers["x-litellm-response-cost"] is None or r.headers["x-litellm-response-cost"] == "0"
    assert Decimal(str(info(gw, k)["spend"])) == ONE * n
    nothing_reserved(gw, k)


def test_what_fails_costs_nothing_and_gives_back(start):
    gw = start([("m", "plain"), ("mock*", "mock*")], "router_settings: {disable_cooldowns: true}\n")
    k = gw.key(max_budget=1)
    ends = ["mock?status=500", "mock?status=429", "mock?drop", "mock?badlen", "mock?status=400", "mock?keyecho",
            "mock?gzip", "mock?redirect=http://127.0.0.1:9/"]
    for how in ends:
        a = gw.ask(how, key=k, num_retries=0)
        assert a.status >= 400 and a.headers.get("x-litellm-response-cost", "0") in ("0", "0.0"), (how, a.headers)
    assert info(gw, k)["spend"] == 0
    rows = gw.spend_rows(wait_for=len(ends))
    assert len(rows) == len(ends) and all(float(r["spend"]) == 0 and r["status"] == "failure" for r in rows)
    for how in ("mock?tokens=40&gap=5&die=3", "mock?tokens=40&gap=5&garbage=3", "mock?tokens=40&gap=5&fin=3"):
        list(gw.stream(how, key=k).events())
    s = gw.stream("mock?tokens=400&gap=10", key=k)
    next(s.events())
    s.leave()
    rows = gw.spend_rows(wait_for=len(ends) + 4)
    assert sum(Decimal(str(r["spend"])) for r in rows) == Decimal(str(info(gw, k)["spend"])) > 0
    nothing_reserved(gw, k)


def test_a_worker_that_is_killed_gives_back_what_it_held(start):
    """U3 in small: the reservations of a dead worker are settled by the master."""
    import signal
    gw = start([("m", "plain"), ("slow", "mock?tokens=1000&gap=20")], workers=2)
    k = gw.key(max_budget=1)
    streams = [gw.stream("slow", key=k, max_tokens=1000) for _ in range(8)]
    for s in streams:
        next(s.events())
    assert gw.metric("llmgw_reservations_open") == 8
    for w in gw.ctl_json("workers")["workers"]:
        os.kill(w["pid"], signal.SIGKILL)
    for s in streams:
        with contextlib.suppress(Exception):
            list(s.events())
    until(lambda: json.loads(gw.ctl("--json", "status", check=False).stdout)["workers"]["ready"] == 2)
    rows = gw.spend_rows(wait_for=8)
    assert len(rows) == 8 and all(r["metadata"]["cut"] for r in rows)
    assert sum(Decimal(str(r["spend"])) for r in rows) == Decimal(str(info(gw, k)["spend"])) > 0
    nothing_reserved(gw, k)
    gw.check_logs()


def test_budget_and_spend_survive_a_restart(gw):
    k = gw.key(max_budget=float(ONE * 2 + RESERVE))
    for _ in range(3):
        assert gw.ask("mock?prompt=50&out=10", key=k, max_tokens=10).status == 200
    spend = info(gw, k)["spend"]
    assert Decimal(str(spend)) == ONE * 3
    gw.stop()
    gw.start()
    assert info(gw, k)["spend"] == spend
    assert gw.ask("mock?prompt=50&out=10", key=k, max_tokens=10).status == 429
    gw.post("/key/update", {"key": k, "max_budget": 1})
    assert gw.ask("mock?prompt=50&out=10", key=k, max_tokens=10).status == 200
    gw.post("/key/update", {"key": k, "spend": 0.5})
    assert info(gw, k)["spend"] == 0.5


def test_budget_period_begins_anew(gw):
    k = gw.key(max_budget=float(RESERVE), budget_duration="2s")
    model = "mock?prompt=50&out=10"
    until(lambda: gw.ask(model, key=k, max_tokens=10).status == 429)
    until(lambda: gw.ask(model, key=k, max_tokens=10).status == 200)
    gw.wait_log("budget.reset")
    until(lambda: len([r for r in gw.spend_rows()]) >= 2)        # what was is not forgotten


def test_a_free_model_answers_though_the_budget_is_spent(start, mock):
    p = {"api_base": mock.base + "/v1", "api_key": "sk-x"}
    gw = start([("m", "plain"), ("free", {"model": "openai/plain", "input_cost_per_token": 0,
                                          "output_cost_per_token": 0, **p}),
                ("free-then-not", {"model": "openai/mock?status=500", "input_cost_per_token": 0,
                                   "output_cost_per_token": 0, **p})],
               "router_settings: {num_retries: 0, fallbacks: [{free-then-not: [m]}]}\n")
    k = gw.key(max_budget=0)
    assert gw.ask("m", key=k).status == 429
    assert gw.ask("free", key=k).status == 200
    assert gw.ask("free-then-not", key=k).status == 429          # the fallback is not free
    assert not [r for r in mock.log() if r["model"] == "plain" and r["model"] == "m"]
    assert info(gw, k)["spend"] == 0


# ---- what a request costs ------------------------------------------------------------------------

def test_cost_from_config_from_the_table_and_unknown(start, mock):
    p = {"api_base": mock.base + "/v1", "api_key": "sk-x"}
    gw = start([("config", {"model": "openai/mock?prompt=1000&out=100", "input_cost_per_token": 3e-6,
                            "output_cost_per_token": 0.000015, **p}),
                ("cached", {"model": "openai/mock?prompt=1000&out=100&cached=600", "input_cost_per_token": 3e-6,
                            "output_cost_per_token": 15e-6, "cache_read_input_token_cost": 3e-7, **p}),
                ("gpt-4o", {"model": "openai/gpt-4o", **p}),
                ("unknown", {"model": "openai/no-such-model-at-all", **p})])
    k = gw.key(max_budget=5)

    def cost(model):
        a = gw.ask(model, key=k)
        assert a.status == 200, a
        return Decimal(a.headers["x-litellm-response-cost"]), a.json["usage"]

    assert cost("config")[0] == Decimal("0.0045")
    assert cost("cached")[0] == 400 * Decimal("3e-6") + 600 * Decimal("3e-7") + 100 * Decimal("15e-6")
    c, u = cost("gpt-4o")
    assert c == u["prompt_tokens"] * Decimal("2.5e-6") + u["completion_tokens"] * Decimal("1e-5") > 0
    before = gw.metric("llmgw_unpriced_requests_total")
    assert cost("unknown")[0] == 0
    assert gw.metric("llmgw_unpriced_requests_total") == before + 1
    rows = {r["model_group"]: r for r in gw.spend_rows(wait_for=4)}
    assert rows["unknown"]["metadata"]["unpriced"] is True and rows["gpt-4o"]["metadata"]["unpriced"] is False
    assert Decimal(str(rows["config"]["spend"])) == Decimal("0.0045")
    assert rows["cached"]["metadata"]["usage_object"]["cache_read_input_tokens"] == 600
    assert sum(Decimal(str(r["spend"])) for r in rows.values()) == Decimal(str(info(gw, k)["spend"]))
    report = gw.ctl_json("spend", "report", "--group-by", "key")
    assert Decimal(str(report["total"]["spend"])) == Decimal(str(info(gw, k)["spend"]))


@pytest.mark.parametrize("family", ["openai", "anthropic", "ollama_chat"])      # the short way, and the long one
def test_cost_of_a_stream_is_in_its_usage_when_asked_for(start, mock, family):
    base = mock.base + ("/v1" if family == "openai" else "")
    gw = start([("m", {"model": f"{family}/mock?prompt=50&out=10&tokens=3", "api_base": base, "api_key": "k", **PRICED})],
               "litellm_settings: {include_cost_in_streaming_usage: true}\n")
    chunks = gw.stream("m", stream_options={"include_usage": True}).chunks()
    assert Decimal(str(chunks[-1]["usage"]["cost"])) == ONE
    assert "cost" not in gw.ask("m").json["usage"]
    assert not any(c.get("usage") for c in gw.stream("m").chunks())


# ---- streams that outgrow ------------------------------------------------------------------------

def test_streams_are_cut_when_they_outgrow_the_budget(start, mock):
    gw = start([("m", "mock?tokens=2000&gap=5"), ("plain", "plain")],
               "server: {reserve: {estimation: typical, default_max_tokens: 5}}\n")
    budget = Decimal("0.0003")                       # about 140 tokens
    k = gw.key(max_budget=float(budget))
    before = mock.stats()["aborted"]
    events = list(gw.stream("m", key=k).events())
    assert 20 < len(events) < 300 and events[-1] != "[DONE]"
    e = json.loads(events[-1])["error"]
    assert e["type"] == "budget_exceeded" and e["code"] == "429" and "cut" in e["message"]
    until(lambda: mock.stats()["aborted"] > before)
    row = gw.spend_rows(wait_for=1)[0]
    assert row["metadata"]["cut"] is True and row["metadata"]["estimated"] is True
    spend = Decimal(str(row["spend"]))
    assert budget * Decimal("0.8") < spend < budget * Decimal("1.1")      # one read's worth beyond it
    assert gw.ask("plain", key=k).status == 429
    nothing_reserved(gw, k)


def test_strict_estimation_refuses_before_and_never_cuts(start):
    gw = start([("m", "mock?tokens=100&gap=1&prompt=50&out=100")])
    k = gw.key(max_budget=0.0005)
    a = gw.ask("m", key=k)                           # 4096 tokens might come
    assert a.status == 429 and "This request may cost up to 0.00" in a.json["error"]["message"]
    s = gw.stream("m", key=k, max_tokens=100)
    assert len(s.text().split()) == 100
    assert Decimal(str(info(gw, k)["spend"])) == Decimal("0.00025")


def test_a_provider_that_ignores_max_tokens_is_cut(start, mock):
    """U5: ten times as many tokens as were asked for, and no usage."""
    gw = start([("m", "mock?tokens=1000&gap=2&nousage")])
    budget = Decimal("0.0004")
    k = gw.key(max_budget=float(budget))
    before = mock.stats()["aborted"]
    events = list(gw.stream("m", key=k, max_tokens=100).events())
    assert 100 < len(events) < 400 and json.loads(events[-1])["error"]["type"] == "budget_exceeded"
    until(lambda: mock.stats()["aborted"] > before)
    spend = Decimal(str(info(gw, k)["spend"]))
    assert budget / 2 < spend < 3 * budget, spend    # one that made 1000 would cost 0.002
    nothing_reserved(gw, k)


def test_without_usage_no_more_is_charged_than_could_be(start):
    gw = start([("m", "mock?tokens=20&nousage")])
    k = gw.key(max_budget=1)
    s = gw.stream("m", "\n1\n2\n3" * 20, key=k, max_tokens=20)     # looks like more than it can be
    assert len(s.text().split()) == 20
    row = gw.spend_rows(wait_for=1)[0]
    assert row["metadata"]["estimated"] is True and row["completion_tokens"] <= 20
    assert 0 < row["prompt_tokens"] <= 64 + 16 + 160


def test_many_keys_at_once(start):
    """U4: the first requests of many new keys, all at once; each has its own budget."""
    gw = start([("m", "mock?ttft=50&prompt=50&out=10")], workers=3)
    keys = [gw.key(max_budget=float(ONE + RESERVE)) for _ in range(12)]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        counts = list(pool.map(lambda k: len(good(flood(gw, 8, k, "m", max_tokens=10))), keys))
    assert all(1 <= n <= 2 for n in counts), counts
    for k, n in zip(keys, counts):
        assert Decimal(str(info(gw, k)["spend"])) == ONE * n


def test_answers_that_are_asked_for_several_times_are_reserved_for_each(gw):
    k = gw.key(max_budget=0.0011)                  # 2e-6 * 100 * 5 and a prompt do not fit
    assert gw.ask("m", key=k, max_tokens=100).status == 200
    assert gw.ask("m", key=k, max_tokens=100, n=5).status == 429
    for prompt, status in ((["a"], 200), (["a"] * 5, 429)):
        a = gw.post("/v1/completions", {"model": "m", "prompt": prompt, "max_tokens": 100}, key=k)
        assert a.status == status, a


def test_answers_that_a_provider_makes_and_keeps_are_reserved_too(gw):
    """best_of: all of them are billed, and one is given."""
    k = gw.key(max_budget=0.0011)
    body = {"model": "m", "prompt": "a", "max_tokens": 100}
    assert gw.post("/v1/completions", {**body, "best_of": 6}, key=k).status == 429
    assert gw.post("/v1/completions", {**body, "best_of": 2}, key=k).status == 200
    assert gw.post("/v1/completions", {**body, "best_of": 129}, key=k).status == 400


def test_the_larger_of_two_limits_is_reserved(gw):
    """Both travel along, and a provider may know but one of them."""
    k = gw.key(max_budget=0.0011)
    both = {"max_tokens": 1000, "max_completion_tokens": 1}
    assert gw.ask("m", key=k, **both).status == 429
    assert gw.ask("m", key=k, **dict(reversed(both.items()))).status == 429
    a = gw.post("/v1/responses", {"model": "m", "input": "hi", "max_output_tokens": 1, "max_completion_tokens": 1000}, key=k)
    assert a.status == 429, a
    a = gw.post("/v1beta/models/m:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "max_tokens": 1,
                                                     "generationConfig": {"maxOutputTokens": 1000}}, key=k)
    assert a.status == 429, a
    assert gw.ask("m", key=k, max_tokens=100, max_completion_tokens=1).status == 200


def test_chaos_leaves_nothing_held(start, mock):
    """U8: whatever ends how, nothing stays reserved, no place taken, and every cent is in a row."""
    seed = int(os.environ.get("LLMGW_SEED") or random.randrange(1 << 32))
    print(f"LLMGW_SEED={seed}")
    gw = start([("m", "plain"), ("mock*", "mock*"), ("dead", {"model": "openai/x", "api_key": "x", "api_base": "http://127.0.0.1:9/v1",
                                                               "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6})],
               "router_settings: {num_retries: 0, disable_cooldowns: true, default_fallbacks: [m]}\n"
               "server: {upstream: {first_token_timeout: 0.3, chunk_timeout: 0.3, total_timeout: 1}, "
               "stream_heartbeat: 0.1}\n", workers=3)
    key = gw.key(max_budget=0.02, max_parallel_requests=20)
    scripts = ["m", "mock", "mock?status=500", "mock?status=429&retry=0", "mock?drop", "mock?tokens=30&gap=3", "mock?badlen",
               "mock?tokens=30&gap=3&die=4", "mock?tokens=9&gap=3&fin=2", "mock?tokens=9&garbage=3", "mock?tokens=9&stall=2",
               "mock?nousage&tokens=20", "mock?dupusage", "mock?ttft=100", "mock?gzip", "mock?slowhead=50", "dead",
               "mock?prompt=100&out=50", "mock?comment=20&ttft=150", "mock?nodone", "mock?h1close"]

    def client(n):
        rng = random.Random(seed + n)
        for _ in range(40):
            with contextlib.suppress(OSError):
                s = socket.create_connection(("127.0.0.1", gw.port), 30)
                s.sendall(request_bytes(gw, key, rng.choice(scripts), stream=rng.random() < 0.6, max_tokens=rng.choice([5, 50, 500]),
                                        **rng.choice([{}, {"disable_fallbacks": True}, {"n": 2}])))
                if rng.random() < 0.4:                # leaves at some moment
                    s.settimeout(rng.choice([0.001, 0.01, 0.05, 0.2]))
                    with contextlib.suppress(TimeoutError):
                        s.recv(rng.choice([1, 100, 5000]))
                else:
                    while s.recv(65536):
                        pass
                s.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))
    assert mock.process.poll() is None, f"the mock ended: {mock.process.returncode}"
    nothing_reserved(gw, key)
    spend = Decimal(str(info(gw, key)["spend"]))
    assert 0 < spend <= Decimal("0.02"), seed
    until(lambda: sum(Decimal(str(r["spend"])) for r in gw.spend_rows()) == spend)
    gw.post("/key/update", {"key": key, "max_budget": None})
    seen = flood(gw, 20, key, "mock?ttft=300")        # all twenty places are there
    assert len(good(seen)) == 20, seed
    assert not gw.records("worker.exit")
    gw.check_logs()


@pytest.mark.parametrize("body", [{"max_tokens": 2147483647}, {"max_tokens": 2147483647, "n": 128},
                                  {"max_tokens": 1, "n": 128}])
def test_reserves_do_not_overflow(gw, body):
    k = gw.key(max_budget=0.1)
    a = gw.ask("m", key=k, **body)
    assert a.status == (200 if body["max_tokens"] == 1 else 429), a
    assert gw.ask("m", key=k, max_tokens=10).status == 200
