# SPDX-License-Identifier: MIT
"""More than the providers take: who waits, who is told to come later, and that what can be done is done.

The mock's `cap=4&ttft=100` does four requests at a time, each in 100 ms; with `shed` it refuses the
fifth, without it lets it wait its turn, as an inference server does."""
import asyncio
import contextlib
import http.client
import json
import os
import pathlib
import signal
import threading
import time

import pytest

from gateway import until

CAPACITY = 40                       # requests a second of cap=4&ttft=100


class Crowd:
    """Clients that ask at a rate, whatever becomes of what they asked; one of these is one key."""

    def __init__(self, gw, model="m", key=None, **extra):
        self.port, self.key = gw.port, key or gw.master_key
        self.body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], **extra})
        self.answers = []           # (status, when it was asked, seconds, retry-after or None)
        self.free, self.tasks = [], set()

    async def one(self):
        asked = time.monotonic()
        r, w = self.free.pop() if self.free else await asyncio.open_connection("127.0.0.1", self.port)
        w.write((f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n"
                 f"content-type: application/json\r\ncontent-length: {len(self.body)}\r\n\r\n{self.body}").encode())
        head = (await r.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        await r.readexactly(length)
        later = head.split("\r\nretry-after: ")
        self.answers.append((int(head.split()[1]), asked, time.monotonic() - asked,
                             int(later[1].split("\r\n")[0]) if len(later) > 1 else None))
        self.free.append((r, w))

    async def at_rate(self, rate, seconds):
        began, n = time.monotonic(), 0
        while (now := time.monotonic()) < began + seconds:
            while n < (now - began) * rate:
                self.tasks.add(asyncio.create_task(self.one()))
                n += 1
            await asyncio.sleep(0.005)
        await asyncio.gather(*self.tasks)

    async def closed(self, clients, seconds):
        """Each asks again when it has its answer."""
        async def client():
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                await self.one()
        await asyncio.gather(*(client() for _ in range(clients)))

    def times(self, status=200):
        return sorted(t for s, _, t, _ in self.answers if s == status)

    def good(self, before=float("inf")):
        return sum(s == 200 and at + t < before for s, at, t, _ in self.answers)


def run(*work):
    async def all_of():
        await asyncio.gather(*work)
    asyncio.run(all_of())


def starved(gw, mock):
    """Seconds in which we, the mock or a worker would have run and got no processor: in these nothing is done."""
    pids = [os.getpid(), mock.process.pid, *gw.children()]
    return sum(int(pathlib.Path(f"/proc/{p}/schedstat").read_text().split()[1]) for p in pids) / 1e9


def to(mock, script, **params):
    return {"model": f"openai/{script}", "api_base": mock.base + "/v1", "api_key": "sk-x", **params}


WAIT = "llmgw_queue_wait_seconds"


def together(*calls):
    """Runs each in a thread of its own, begun a moment after the other; gives what they gave."""
    got = [None] * len(calls)

    def call(i):
        got[i] = calls[i]()
    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(calls))]
    for t in threads:
        t.start()
        time.sleep(0.05)
    for t in threads:
        t.join()
    return got


ONE_AT_A_TIME = "router_settings: {default_max_parallel_requests: 1, num_retries: 0}\n"


def busy(gw, model="m", **kw):
    """A stream that holds the only place."""
    s = gw.stream(model, **kw)
    until(lambda: gw.metric("llmgw_deployment_in_flight") == 1)
    return s


def waiting(gw, n):
    return until(lambda: gw.metric("llmgw_requests_waiting") == n)


def test_who_finds_no_room_waits(start, mock):
    gw = start([("m", to(mock, "mock?ttft=200"))], ONE_AT_A_TIME, workers=1)
    a, b, c = together(*[lambda: gw.ask("m")] * 3)
    assert [x.status for x in (a, b, c)] == [200] * 3
    assert gw.metric("llmgw_queued_total") == 2 and gw.metric(WAIT + "_count") == 2
    log = mock.log()
    assert all(x["started_ms"] >= y["ended_ms"] for y, x in zip(log, log[1:]))
    assert float(c.headers["x-litellm-overhead-duration-ms"]) < 150       # waiting is none


def test_nobody_waits_where_none_may(start, mock):
    for settings, status in (("", 503), (", old-statuses: true", 429)):
        gw = start([("m", to(mock, "mock?tokens=2&stall=1"))],
                   ONE_AT_A_TIME + "server: {router: {queue-wait: 0}%s}\n" % settings)
        s = busy(gw)
        a = gw.ask("m")
        assert a.status == status and a.headers["retry-after"] == "1"
        assert a.json["error"]["code"] == "queue_full"
        b = gw.post("/v1/messages", {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]})
        assert b.status == status and b.json["error"]["type"] == "overloaded_error"
        s.leave()
        gw.wait_log("request.done", outcome="QUEUE_FULL")


def test_whoever_waits_holds_no_money_and_may_leave(start, mock):
    gw = start([("m", to(mock, "mock?tokens=2&stall=1", input_cost_per_token=0.001))], ONE_AT_A_TIME, workers=1)
    s = busy(gw)
    others = []
    for n in range(1, 5):
        t = threading.Thread(target=lambda: others.append(gw.connect()) or
                             others[-1].request("POST", "/v1/chat/completions", json.dumps(
                                 {"model": "m", "messages": [{"role": "user", "content": "x"}]}),
                                 {"Authorization": f"Bearer {gw.master_key}", "Content-Type": "application/json"}))
        t.start()
        t.join()
        waiting(gw, n)
    assert gw.metric("llmgw_reservations_open") == 2      # the stream, and who found it there
    for c in others:
        c.close()
    waiting(gw, 0)
    s.leave()
    until(lambda: gw.metric("llmgw_reservations_open") == 0)
    assert len(mock.log()) == 1


def test_patience_is_that_of_the_request(start, mock):
    gw = start([("m", to(mock, "mock?tokens=2&stall=1"))], ONE_AT_A_TIME)
    s = busy(gw)
    body = {"model": "m", "timeout": 0.3, "messages": [{"role": "user", "content": "x"}]}
    began = time.monotonic()
    a = gw.post("/v1/chat/completions", body)
    assert a.status == 503 and 0.25 < time.monotonic() - began < 5
    assert "busy" in a.json["error"]["message"] and int(a.headers["retry-after"]) >= 1
    s.leave()


def test_the_queue_has_an_end(start, mock):
    gw = start([("m", to(mock, "mock?tokens=2&stall=1"))],
               ONE_AT_A_TIME + "server: {drain: 1s, router: {queue-length: 2}}\n", workers=1)
    s = busy(gw)
    got = []

    def one(kw):
        with contextlib.suppress(http.client.HTTPException, OSError):      # cut off in the end
            got.append((kw, gw.ask("m", **kw).status))

    def ask(**kw):
        t = threading.Thread(target=one, args=(kw,))
        t.start()
        return t
    ask(priority=1)
    waiting(gw, 1)
    ask(priority=7)
    waiting(gw, 2)
    assert gw.ask("m", priority=9).status == 503               # it would be the last in line
    last = ask(priority=3)                                     # goes before one of them, who has to go
    assert until(lambda: got) == [({"priority": 7}, 503)]
    mock.clear()
    s.leave()
    assert "priority" not in json.loads(until(mock.log)[0]["body"])
    gw.process.send_signal(signal.SIGTERM)                     # for these never end
    last.join()


def test_who_has_a_fallback_goes_there(start, mock):
    gw = start([("m", to(mock, "mock?tokens=2&stall=1", max_parallel_requests=1)), ("n", to(mock, "other"))],
               "router_settings: {num_retries: 0, fallbacks: [{m: [n]}]}\n", workers=1)
    s = busy(gw)
    assert gw.ask("m").status == 200 and gw.metric("llmgw_queued_total") == 0
    s.leave()


def test_a_reload_keeps_those_who_wait(start, mock):
    gw = start([("m", to(mock, "mock?ttft=300"))], ONE_AT_A_TIME, workers=2)
    a, b, _, c = together(lambda: gw.ask("m"), lambda: gw.ask("m"), lambda: gw.ctl("reload"), lambda: gw.ask("m"))
    assert [x.status for x in (a, b, c)] == [200] * 3


def overload(start, mock, models, settings, seconds=5):
    gw = start(models, settings)
    crowd = Crowd(gw)
    began, before = time.monotonic(), starved(gw, mock)
    run(crowd.at_rate(10 * CAPACITY, seconds))
    short = starved(gw, mock) - before
    took = max(time.monotonic() - began - short, 0.1)
    assert {s for s, *_ in crowd.answers} <= {200, 429, 503}
    assert all(wait and 1 <= wait <= 60 for s, _, _, wait in crowd.answers if s == 503)
    return gw, crowd, crowd.good() / took, short


@pytest.mark.timing
def test_goodput_behind_a_fixed_limit(start, mock):
    gw, crowd, goodput, short = overload(start, mock, [("m", to(mock, "mock?cap=4&ttft=100", max_parallel_requests=4))],
                                         "server: {router: {queue-wait: 1s}}\n")
    assert goodput >= 0.8 * CAPACITY
    assert crowd.times()[int(len(crowd.times()) * 0.99)] < 2 + short
    assert max(crowd.times(503)) < 1.5 + short                        # QUEUE_FULL, mostly at once
    assert gw.metric("llmgw_queue_refused_total") == len(crowd.times(503))
    assert gw.metric("llmgw_requests_waiting") == 0
    assert gw.metric(WAIT + "_count") > 0 and gw.metric("llmgw_queued_total") > 0
    assert gw.records("queue.refuses")


@pytest.mark.timing
def test_goodput_with_a_limit_learned_from_refusals(start, mock):
    gw, crowd, goodput, _ = overload(start, mock, [("m", to(mock, "mock?cap=4&ttft=100&shed"))],
                                     "server: {router: {queue-wait: 1s}}\nrouter_settings: {num_retries: 1}\n")
    assert goodput >= 0.8 * CAPACITY


@pytest.mark.timing
def test_goodput_with_a_limit_learned_from_latency(start, mock):
    gw = start([("m", to(mock, "mock?cap=8&ttft=50"))],      # an inference server: all wait their turn
               "server: {router: {queue-wait: 1s}}\nrouter_settings: {adaptive_concurrency: true}\n")
    idle, crowd = Crowd(gw), Crowd(gw)
    run(idle.closed(2, 1))
    began, before = time.monotonic(), starved(gw, mock)
    run(crowd.at_rate(800, 6))
    short = starved(gw, mock) - before
    goodput = crowd.good() / max(time.monotonic() - began - short, 0.1)
    assert goodput >= 0.8 * 160
    assert 6 <= gw.metric("llmgw_deployment_concurrency_limit") <= 40
    one = gw.ctl_json("route", "explain", "--model", "m")["candidates"][0]
    assert 6 <= one["at_a_time"] <= 40 and one["in_flight"] == 0
    assert crowd.times()[int(len(crowd.times()) * 0.99)] < 2 + short


@pytest.mark.timing
def test_two_deployments_that_refuse(start, mock):
    gw, crowd, goodput, _ = overload(
        start, mock, [("m", to(mock, f"mock?cap=2&ttft=100&shed&tokens={n}")) for n in (2, 3)],
        "server: {router: {queue-wait: 1s}}\nrouter_settings: {num_retries: 1, adaptive_concurrency: true}\n")
    assert goodput >= 0.8 * CAPACITY


@pytest.mark.timing
def test_a_polite_key_beside_a_flood(start, mock):
    gw = start([("m", to(mock, "mock?cap=4&ttft=100", max_parallel_requests=4))],
               "server: {router: {queue-wait: 2s}}\n")
    for _ in range(8):                  # a machine without a free CPU is unfair by itself
        flood, polite = Crowd(gw, key=gw.key()), Crowd(gw, key=gw.key())
        end = time.monotonic() + 5
        run(flood.at_rate(10 * CAPACITY, 5), polite.closed(8, 5))
        refused = [a for a in polite.answers if a[0] != 200]
        both = flood.good(end) + polite.good(end)
        # The oldest have a sixteenth, and these are the flood's.
        if not refused and min(polite.good(end), flood.good(end)) >= 0.35 * both:
            return
    pytest.fail(f"{refused} of {len(polite.answers)}, {polite.good(end)} and {flood.good(end)} of {both}")


@pytest.mark.timing
def test_priority_goes_first(start, mock):
    gw = start([("m", to(mock, "mock?cap=4&ttft=100", max_parallel_requests=4))],
               "server: {router: {queue-wait: 2s}}\n")
    slow = gw.key(metadata={"priority": 10})
    batch, keen, bold = Crowd(gw), Crowd(gw, key=slow), Crowd(gw, priority=5)
    batch.body = batch.body.replace("{", '{"priority": 20, ', 1)
    keen.body = keen.body.replace("{", '{"priority": 0, ', 1)       # its key may not
    before = starved(gw, mock)
    run(batch.at_rate(200, 5), keen.at_rate(60, 5), bold.at_rate(20, 5))
    short = starved(gw, mock) - before
    assert bold.good() >= 0.95 * len(bold.answers)
    assert bold.times()[len(bold.times()) // 2] < 0.3 + short
    assert keen.good() < len(keen.answers)
    assert 0 < batch.good() < 0.25 * CAPACITY * 7            # never starved: a sixteenth, at least
