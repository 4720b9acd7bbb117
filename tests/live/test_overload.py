# SPDX-License-Identifier: MIT
"""More than the providers take: who waits, who is told to come later, and that what can be done is done.

The mock's `cap=4&ttft=100` does four requests at a time, each in 100 ms; with `shed` it refuses the
fifth, without it lets it wait its turn, as an inference server does."""
import asyncio
import json
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

    def good(self, since=0):
        return sum(s == 200 and at + t >= since for s, at, t, _ in self.answers)


def run(*work):
    async def all_of():
        await asyncio.gather(*work)
    asyncio.run(all_of())


def to(mock, script, **params):
    return {"model": f"openai/{script}", "api_base": mock.base + "/v1", "api_key": "sk-x", **params}


def metric(gw, name):
    page = gw.get("/metrics").body.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
               if line.startswith(name + " ") or line.startswith(name + "{"))


def overload(start, mock, models, settings, seconds=5):
    gw = start(models, settings)
    crowd = Crowd(gw)
    began = time.monotonic()
    run(crowd.at_rate(10 * CAPACITY, seconds))
    took = time.monotonic() - began
    assert {s for s, *_ in crowd.answers} <= {200, 503}
    assert all(wait and 1 <= wait <= 60 for s, _, _, wait in crowd.answers if s == 503)
    return gw, crowd, crowd.good() / took


@pytest.mark.timing
def test_goodput_behind_a_fixed_limit(start, mock):
    gw, crowd, goodput = overload(start, mock, [("m", to(mock, "mock?cap=4&ttft=100", max_parallel_requests=4))],
                                  "server: {router: {queue-wait: 1s}}\n")
    assert goodput >= 0.8 * CAPACITY
    assert crowd.times()[int(len(crowd.times()) * 0.99)] < 2
    assert max(crowd.times(503)) < 1.5                        # QUEUE_FULL, mostly at once
    assert metric(gw, "llmgw_queue_refused_total") == len(crowd.times(503))
    assert metric(gw, "llmgw_requests_waiting") == 0
    assert metric(gw, "llmgw_queue_wait_seconds_count") > 0 and metric(gw, "llmgw_queued_total") > 0
    assert gw.records("queue.refuses")
