# SPDX-License-Identifier: MIT
"""Attempts beside and behind one another: hedging, streams that go on elsewhere, learned time limits."""
import collections
import concurrent.futures
import json
import shutil
import socket
import subprocess
import time

import pytest

from gateway import BUILD, Gateway
from test_router import to

HEDGE = "router_settings: {hedge_after: 0.9, num_retries: 0}\n"
CONTINUE = "router_settings: {stream_recovery: continue, num_retries: 1, disable_cooldowns: true}\n"
WARM = 24                                   # times that are enough to tell a quantile of


def raw(answer):
    return answer.body.decode()


def served(mock):
    return collections.Counter(e["model"] for e in mock.log())


def rows_of(gw, call_id, attempts):
    """Of one request: the ledger's row of the attempt that gave its end, and those of the others."""
    every = gw.spend_rows(wait_for=attempts)
    rows = gw.ctl_json("spend", "logs", "--request-id", call_id)
    own = [r for r in rows if r["request_id"] == call_id]
    others = [r for r in rows if r["request_id"] != call_id]
    assert len(own) == 1 and len(others) == attempts - 1, every
    assert {r["request_id"] for r in others} == {f"{call_id}/{i + 1}" for i in range(len(others))}
    assert all(r["metadata"]["is_further_attempt"] == (r not in own) for r in rows)
    for r in others:                                    # by its own name, too
        assert gw.ctl_json("spend", "logs", "--request-id", r["request_id"]) == [r]
    return own[0], others


def warm(gw, **how):
    for _ in range(WARM):
        assert gw.ask("g", **how).status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_second_attempt_when_the_first_is_slow(start, mock, stream):
    slow = f"slow?slowafter={WARM}&ttft=20000"
    gw = start([("g", to(mock, slow, order=1)), ("g", to(mock, "quick", order=2))], HEDGE, workers=1)
    warm(gw, stream=stream)
    assert served(mock) == {slow: WARM}
    before, began = mock.stats()["aborted"], time.monotonic()
    a = gw.ask("g", stream=stream)
    assert a.status == 200 and time.monotonic() - began < 15
    assert a.headers["x-llmgw-hedged"] == "1" and b"t2" in a.body
    assert served(mock) == {slow: WARM + 1, "quick": 1}
    end = time.monotonic() + 30
    while mock.stats()["aborted"] == before:            # who lost is cancelled
        assert time.monotonic() < end
        time.sleep(0.01)
    gw.spend_rows(wait_for=WARM + 2)
    row, (lost,) = rows_of(gw, a.headers["x-litellm-call-id"], 2)
    assert row["model"].endswith("quick") and lost["model"].endswith(slow)
    assert lost["prompt_tokens"] > 0 and float(lost["spend"]) > 0 and lost["metadata"]["cut"]
    assert row["prompt_tokens"] > 0 and row["completion_tokens"] > lost["completion_tokens"] and not row["metadata"]["cut"]
    total = float(row["spend"]) + float(lost["spend"])
    if not stream:                                      # the client is told what both of them cost
        assert float(a.headers["x-litellm-response-cost"]) == pytest.approx(total)
    days = gw.ctl_json("spend", "report", "--group-by", "model")["rows"]
    assert sum(d["requests"] for d in days) == WARM + 1, days
    page = raw(gw.get("/metrics"))
    assert "llmgw_hedges_total 1" in page and "llmgw_hedges_won_total 1" in page


def deaf_port():
    """Where a connection is begun and never made: its queue is full. The sockets hold it so."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    held = [server]
    for _ in range(4):
        held.append(socket.socket())
        held[-1].setblocking(False)
        held[-1].connect_ex(server.getsockname())
    return server.getsockname()[1], held


@pytest.mark.parametrize("stream", [False, True])
def test_who_was_never_asked_is_not_paid_for(start, mock, stream):
    """The first deployment's machine is gone without a word: what the other one costs is all."""
    def models(first):
        return [("g", {**to(mock, "first", order=1, model_info={"id": "one"}), **first}),
                ("g", to(mock, "other", order=2, model_info={"id": "two"}))]
    gw = start(models({}), HEDGE, workers=1)
    warm(gw, stream=stream)
    port, held = deaf_port()
    gw.write(models({"api_base": f"http://127.0.0.1:{port}/v1"}), HEDGE)
    gw.ctl("reload")
    a = gw.ask("g", stream=stream)
    assert a.status == 200 and a.headers["x-llmgw-hedged"] == "1" and served(mock)["other"] == 1
    gw.spend_rows(wait_for=WARM + 1)
    row, others = rows_of(gw, a.headers["x-litellm-call-id"], 1)
    assert row["model"].endswith("other") and float(row["spend"]) > 0 and not others
    assert gw.spend_rows()[1]["prompt_tokens"] == row["prompt_tokens"]      # of those before: no more
    for s in held:
        s.close()


SLOW_SEND = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
/* Whoever asks a provider goes on when the answer has come: as if another process had been let run. */
ssize_t send(int fd, const void *p, size_t n, int flags)
{
	ssize_t (*real)(int, const void *, size_t, int) =
		(ssize_t (*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
	ssize_t r = real(fd, p, n, flags);
	struct timespec begin, now;
	if (n < 5 || memcmp(p, "POST ", 5) != 0)
		return r;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 20);
	return r;
}
"""


class SlowSender(Gateway):
    """Its worker is run with that."""

    def command(self):
        home = self.tmp / "bin"
        home.mkdir()
        (home / "send.c").write_text(SLOW_SEND)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", home / "send.so", home / "send.c", "-ldl"], check=True)
        shutil.copy2(BUILD / "llmgw", home / "llmgw")
        (home / "llmgw-worker").write_text(
            f'#!/bin/sh\nexport LD_PRELOAD={home}/send.so ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"\n'
            f'exec {BUILD.resolve()}/llmgw-worker "$@"\n')
        (home / "llmgw-worker").chmod(0o755)
        return [str(home / "llmgw"), *super().command()[1:]]


def test_an_answer_that_is_there_at_once(start, mock):
    """The second one's answer comes while it is being asked, before anybody knows that there are two."""
    slow = f"slow?slowafter={WARM}&ttft=3000"
    gw = start([("g", to(mock, slow, order=1)), ("g", to(mock, "quick", order=2)), ("q", to(mock, "quick?ttft=60"))],
               HEDGE, kind=SlowSender, workers=1)
    warm(gw, stream=True)
    for _ in range(6):
        with concurrent.futures.ThreadPoolExecutor(3) as pool:      # a connection for each stands
            assert {a.status for a in pool.map(lambda _: gw.ask("q"), range(3))} == {200}
        s = gw.stream("g")
        assert s.headers["x-llmgw-hedged"] == "1" and s.text().split() == ["t0", "t1", "t2"]
    time.sleep(3.2)                                     # until the first ones would have answered
    assert gw.ask("q").status == 200 and not gw.records("worker.exit")
    assert not sum(m["in_flight"] for m in gw.ctl_json("models")["models"])


def test_the_first_may_still_win(start, mock):
    late = f"late?slowafter={WARM}&ttft=1500"
    gw = start([("g", to(mock, late, order=1)), ("g", to(mock, "dead?ttft=20000", order=2))], HEDGE, workers=1)
    warm(gw)
    a = gw.ask("g")
    assert a.status == 200 and served(mock) == {late: WARM + 1, "dead?ttft=20000": 1}
    page = raw(gw.get("/metrics"))
    assert "llmgw_hedges_total 1" in page and "llmgw_hedges_won_total 0" in page
    assert gw.ask("g").status == 200                    # and nothing of the race is left over


@pytest.mark.parametrize("second", ["bad?status=500", "bad?drop"])
def test_a_second_that_fails_leaves_the_first(start, mock, second):
    late = f"late?slowafter={WARM}&ttft=2000"
    gw = start([("g", to(mock, late, order=1)), ("g", to(mock, second, order=2, model_info={"id": "two"}))],
               HEDGE, workers=1)
    warm(gw)
    assert gw.ask("g").status == 200
    assert served(mock)[late] == WARM + 1
    gw.wait_log("attempt.failed", deployment="two", outcome="UP_ERROR" if "status" in second else "UP_BROKEN")


def test_a_first_that_fails_leaves_the_second(start, mock):
    def models(first):
        return [("g", to(mock, first, order=1, model_info={"id": "one"})),
                ("g", to(mock, "other?ttft=3000", order=2, model_info={"id": "two"}))]
    gw = start(models("fine"), HEDGE, workers=1)
    warm(gw)
    gw.write(models("late?ttft=1500&status=500"), HEDGE)     # of the same name: what it took is known
    gw.ctl("reload")
    assert gw.ask("g").status == 200
    assert served(mock) == {"fine": WARM, "late?ttft=1500&status=500": 1, "other?ttft=3000": 1}
    gw.wait_log("attempt.failed", deployment="one", outcome="UP_ERROR")


def test_a_deployment_may_want_none(start, mock):
    late = f"late?slowafter={WARM}&ttft=150"
    gw = start([("g", to(mock, late, order=1, hedge_after=1)), ("g", to(mock, "other", order=2))], HEDGE, workers=1)
    warm(gw)
    assert gw.ask("g").status == 200 and served(mock) == {late: WARM + 1}


def test_never_without_the_setting_and_never_beyond_the_retry_budget(start, mock):
    slow = f"slow?slowafter={WARM}&ttft=200"
    gw = start([("g", to(mock, slow, order=1)), ("g", to(mock, "quick", order=2))],
               "router_settings: {num_retries: 0}\n", workers=1)
    warm(gw)
    assert gw.ask("g").status == 200 and served(mock) == {slow: WARM + 1}


# ---- streams that go on

def words(events):
    return "".join(json.loads(e)["choices"][0]["delta"].get("content") or ""
                   for e in events if e != "[DONE]" and json.loads(e)["choices"])


def going_on(start, mock, how, second=None, settings=CONTINUE, gap=5):
    second = second or to(mock, "rest?tokens=2", order=2)
    return start([("g", to(mock, f"first?tokens=9&gap={gap}&{how}", order=1)), ("g", second)], settings, workers=1)


@pytest.mark.parametrize("how", ["die=3", "fin=3", "garbage=3"])
def test_a_broken_stream_goes_on_elsewhere(start, mock, how):
    gw = going_on(start, mock, how)
    s = gw.stream("g", stream_options={"include_usage": True})
    events = list(s.events())
    assert events[-1] == "[DONE]" and words(events).endswith("t0 t1"), events
    said = words(events)[:-len("t0 t1")]                # a reset may take what was under way with it
    assert said == "t0 t1 t2" or (how == "die=3" and said and "t0 t1 t2".startswith(said))
    ids = {json.loads(e)["id"] for e in events if e != "[DONE]"}
    assert len(ids) == 1                                # one answer, to the client
    roles = [e for e in events if e != "[DONE]" and '"role"' in e]
    assert len(roles) <= 1
    sent = json.loads(mock.log()[-1]["body"])["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "user"]
    assert said in json.dumps(sent[1]["content"]) and "cut off" in json.dumps(sent[2]["content"])
    usage = [json.loads(e)["usage"] for e in events[:-1] if json.loads(e).get("usage")][-1]
    row, (broken,) = rows_of(gw, s.headers["x-litellm-call-id"], 2)
    assert row["status"] == "success" and row["model"].endswith("rest?tokens=2") and not row["metadata"]["cut"]
    assert "first" in broken["model"] and broken["metadata"]["cut"] and float(broken["spend"]) > 0
    both = {n: row[n] + broken[n] for n in ("prompt_tokens", "completion_tokens")}
    assert both == {n: usage[n] for n in both}          # the client is told what both of them used
    assert row["completion_tokens"] == 2 and broken["completion_tokens"] >= (1 if how == "die=3" else 3)
    assert "llmgw_streams_continued_total 1" in raw(gw.get("/metrics"))


def test_the_seam_is_marked(start, mock):
    gw = going_on(start, mock, "die=2")
    s = gw.stream("g")
    assert b": llmgw: continued by another attempt" in s.response.read()


def test_no_going_on_without_the_setting_amid_calls_or_after_a_refusal_of_the_caller(start, mock):
    gw = going_on(start, mock, "die=3", settings="router_settings: {num_retries: 1}\n", gap=60)
    events = list(gw.stream("g").events())
    assert events[-1] != "[DONE]" and "error" in json.loads(events[-1])
    gw.stop()
    gw = going_on(start, mock, "tools=2&die=2", gap=60)        # a reset takes with it what nobody has read yet
    events = list(gw.stream("g").events())
    assert events[-1] != "[DONE]" and "error" in json.loads(events[-1])


def test_a_second_break_ends_in_an_error_event(start, mock):
    gw = start([("g", to(mock, "first?tokens=9&gap=5&die=2", order=1)), ("g", to(mock, "next?status=500", order=2))],
               CONTINUE, workers=1)
    s = gw.stream("g")
    events = list(s.events())
    assert "t0 t1".startswith(words(events[:-1]))
    assert "error" in json.loads(events[-1])
    row, (broken,) = rows_of(gw, s.headers["x-litellm-call-id"], 2)
    assert row["status"] == "failure" and float(row["spend"]) == 0
    assert broken["completion_tokens"] >= 1 and float(broken["spend"]) > 0


FAMILIES = ["openai", "anthropic", "gemini", "cohere"]


def of(mock, family, script, order):
    base = mock.base + "/v1" if family == "openai" else mock.base
    return {"model": f"{family}/{script}", "api_base": base, "api_key": "sk-upstream-canary", "order": order}


@pytest.mark.parametrize("first", FAMILIES)
@pytest.mark.parametrize("second", FAMILIES)
def test_every_dialect_goes_on_with_every_family(start, mock, first, second):
    gw = start([("g", of(mock, first, "first?tokens=9&gap=5&fin=3", 1)), ("g", of(mock, second, "rest?tokens=2", 2))],
               CONTINUE, workers=1)
    ask = {"max_tokens": 50, "stream": True, "messages": [{"role": "user", "content": "hi"}]}

    chat = raw(gw.post("/v1/chat/completions", {"model": "g", **ask}))
    lines = [line[6:] for line in chat.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]" and words(lines) == "t0 t1 t2t0 t1", chat

    message = raw(gw.post("/v1/messages", {"model": "g", **ask}))
    events = [json.loads(line[6:]) for line in message.splitlines() if line.startswith("data: ")]
    kinds = [e["type"] for e in events]
    assert kinds.count("message_start") == kinds.count("message_stop") == kinds.count("message_delta") == 1
    text = "".join(e["delta"]["text"] for e in events if e["type"] == "content_block_delta")
    assert text == "t0 t1 t2t0 t1", message
    starts = [e["index"] for e in events if e["type"] == "content_block_start"]
    stops = [e["index"] for e in events if e["type"] == "content_block_stop"]
    assert starts == stops == list(range(len(starts)))

    answer = raw(gw.post("/v1beta/models/g:streamGenerateContent?alt=sse",
                         {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}))
    parts = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: ")]
    said = "".join(p.get("text", "") for e in parts for c in e.get("candidates", [])
                   for p in c["content"].get("parts", []))
    assert said == "t0 t1 t2t0 t1", answer

    plain = raw(gw.post("/v1/responses", {"model": "g", "input": "hi", "stream": True, "store": False}))
    events = [json.loads(line[6:]) for line in plain.splitlines() if line.startswith("data: ")]
    assert events[-1]["type"] == "response.completed", plain
    assert events[-1]["response"]["output"][-1]["content"][0]["text"] == "t0 t1 t2t0 t1"
    assert [e["sequence_number"] for e in events] == list(range(len(events)))

    chat = raw(gw.post("/v2/chat", {"model": "g", **ask}))
    events = [json.loads(line[6:]) for line in chat.splitlines() if line.startswith("data: ")]
    kinds = [e["type"] for e in events]
    assert [k for k in kinds if k != "content-delta"] in (
        ["message-start", *["content-start", "content-end"] * n, "message-end"] for n in (1, 2)), chat
    text = "".join(e["delta"]["message"]["content"]["text"] for e in events if e["type"] == "content-delta")
    assert text == "t0 t1 t2t0 t1" and events[0]["id"] == events[-1]["id"], chat

    lines = raw(gw.post("/api/chat", {"model": "g", "messages": [{"role": "user", "content": "hi"}]})).splitlines()
    objects = [json.loads(line) for line in lines]
    assert objects[-1]["done"] is True
    assert "".join(o["message"]["content"] for o in objects) == "t0 t1 t2t0 t1"


# ---- limits that are learned

@pytest.mark.parametrize("setting", ["router_settings: {timeout: auto, num_retries: 0}\n", None])
def test_a_learned_limit_ends_what_takes_far_too_long(start, mock, setting):
    script = f"m?slowafter={WARM}&ttft=20000"
    more = {} if setting else {"timeout": "auto"}
    gw = start([("g", to(mock, script, **more))], setting or "router_settings: {num_retries: 0}\n", workers=1)
    warm(gw)
    began = time.monotonic()
    a = gw.ask("g")
    assert a.status == 408 and time.monotonic() - began < 10, a
    shown = gw.ctl_json("config", "show")
    assert "auto" in json.dumps(shown)


def test_a_learned_limit_for_streams(start, mock):
    script = f"m?slowafter={WARM}&ttft=20000"
    gw = start([("g", to(mock, script, stream_timeout="auto"))], "router_settings: {num_retries: 0}\n", workers=1)
    warm(gw, stream=True)
    began = time.monotonic()
    a = gw.ask("g", stream=True)
    assert a.status == 408 and time.monotonic() - began < 10, a


# ---- connections that are open before they are needed

def test_connections_are_kept_warm_without_a_key(start, mock):
    gw = start([("g", to(mock, "first", order=1)),
                ("g", {**to(mock, "second", order=2), "api_base": mock.base + "/v1/spare"}),
                ("h", {**to(mock, "other"), "api_base": mock.base + "/v1/unused"}),
                ("b", {**to(mock, "back"), "api_base": mock.base + "/v1/back"})],
               "router_settings: {fallbacks: [{g: [b]}]}\nserver: {upstream: {keep-warm: 1s}}\n", workers=1)
    time.sleep(1.5)
    assert mock.log() == []                             # nobody has asked for anything
    assert gw.ask("g").status == 200
    end = time.monotonic() + 30
    while True:
        heads = {e["path"] for e in mock.log() if e["method"] == "HEAD"}
        if heads >= {"/v1/", "/v1/spare/", "/v1/back/"}:
            break
        assert time.monotonic() < end, heads
        time.sleep(0.05)
    assert "/v1/unused/" not in heads
    assert all("authorization" not in e["headers"] for e in mock.log() if e["method"] == "HEAD")
    assert sum(e["method"] == "POST" for e in mock.log()) == 1
    rows = gw.spend_rows(wait_for=1)
    assert len(rows) == 1                               # and nothing is paid for it
