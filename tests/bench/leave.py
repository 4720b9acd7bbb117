# SPDX-License-Identifier: MIT
"""leave.py - clients that leave in the middle, and when the provider's connection ends for it.

Streams and plain requests are under way; at random moments one client closes its connection (FIN) or
resets it (RST), and another comes in its place. The mock notes by the same clock when its side of
that request was gone. Standard library only."""
import json
import random
import selectors
import socket
import struct
import time

from machine import OPENER, Void

STREAMS = {"bench-leave": True, "bench-wait": False}    # models -> is it a stream?
UNDER_WAY = 32              # of each
LEAVE_RATE = 120            # a second
SETTLED_S = 0.1             # so old is a plain request before its client leaves
LATE_S = 5                  # by then the mock must have heard
ABORTIVE = struct.pack("ii", 1, 0)      # SO_LINGER: close() sends RST


class Client:
    """One connection with a request under way."""

    def __init__(self, peer, way, model, tag):
        self.tag, self.is_stream, self.began = tag, STREAMS[model], time.monotonic()
        self.got = b""
        body = json.dumps({"model": peer.model(model), "stream": self.is_stream, "user": tag, "max_tokens": 100,
                           "messages": [{"role": "user", "content": "Lorem ipsum."}]}).encode()
        host, _, path = peer.url(way).removeprefix("http://").partition("/")
        head = {**peer.headers, "Host": host, "Content-Type": "application/json", "Content-Length": len(body)}
        lines = [f"POST /{path} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items()), "", ""]
        name, _, port = host.partition(":")
        self.sock = socket.create_connection((name, int(port)), 20)
        self.sock.sendall("\r\n".join(lines).encode() + body)
        self.sock.setblocking(False)

    def read(self):
        """What lies unread would make a FIN a RST. False: the other side has left."""
        try:
            while data := self.sock.recv(65536):
                self.got = (self.got + data)[:4000]
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def is_settled(self):
        return b"data:" in self.got if self.is_stream else time.monotonic() > self.began + SETTLED_S

    def leave(self, by_reset):
        """The moment before the connection is closed, in monotonic microseconds."""
        if by_reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTIVE)
        now = time.monotonic_ns()
        self.sock.close()
        return now / 1000


class Crowd:
    """Clients under way at one peer, who leave one by one."""

    def __init__(self, peer, way, seed):
        self.peer, self.way, self.random = peer, way, random.Random(seed)
        self.select, self.all, self.left, self.count = selectors.DefaultSelector(), [], {}, 0

    def come(self, model):
        self.count += 1
        client = Client(self.peer, self.way, model, f"leave-{self.count}")
        self.all.append(client)
        self.select.register(client.sock, selectors.EVENT_READ, client)

    def read(self, seconds):
        for event, _ in self.select.select(max(0, seconds)):
            if not event.data.read():
                raise Void(f"{self.peer.name} left its client: {event.data.got[:300]}")

    def one_leaves(self):
        settled = [c for c in self.all if c.is_settled()]
        if not settled:
            return
        client = self.random.choice(settled)
        self.all.remove(client)
        self.select.unregister(client.sock)
        if not client.read():
            raise Void(f"{self.peer.name} left its client: {client.got[:300]}")
        by_reset = self.random.random() < 0.5
        self.left[client.tag] = client.leave(by_reset), client.is_stream, by_reset
        self.come("bench-leave" if client.is_stream else "bench-wait")

    def go_on(self, seconds):
        for _ in range(UNDER_WAY):
            for model in STREAMS:
                self.come(model)
        due = time.monotonic() + 2 * SETTLED_S
        end = due + seconds
        while due < end:
            self.read(due - time.monotonic())
            if time.monotonic() >= due:
                self.one_leaves()
                due += self.random.expovariate(LEAVE_RATE)

    def close(self):
        for client in self.all:
            client.sock.close()
        self.select.close()


def ends_at(mock_url):
    """When the mock's side of each request ended, of those whose client left: tag -> microseconds."""
    with OPENER.open(f"{mock_url}/mock/log", timeout=20) as answer:
        log = json.load(answer)
    return {json.loads(e["body"])["user"]: e["ended_monotonic_us"] for e in log if e["end"] == "client_gone"}


def spread(values):
    """The same figures as llmgw-load's of its histograms."""
    values = sorted(values)
    if not values:
        return {"count": 0}
    at = {f"p{p:g}": round(values[min(len(values) - 1, int(len(values) * p / 100))], 1) for p in (50, 90, 99, 99.9)}
    return {"count": len(values), **at, "max": round(values[-1], 1), "mean": round(sum(values) / len(values), 1)}


def measure_leaving(peer, way, mock_url, seconds, seed):
    """Figures of all that left: over all, and by how they left and what was under way."""
    crowd = Crowd(peer, way, seed)
    try:
        crowd.go_on(seconds)
        deadline = time.monotonic() + LATE_S
        while set(crowd.left) - set(ended := ends_at(mock_url)):
            if time.monotonic() > deadline:
                raise Void(f"{peer.name} never told the mock of {len(set(crowd.left) - set(ended))} who left")
            time.sleep(0.1)
    finally:
        crowd.close()
    took = [(ended[tag] - at, stream, reset) for tag, (at, stream, reset) in crowd.left.items()]
    kinds = {f"{'stream' if s else 'plain'}_{'rst' if r else 'fin'}_us":
             spread(us for us, stream, reset in took if (stream, reset) == (s, r)) for s in (True, False) for r in (True, False)}
    return {"ok": len(took), "gone_us": spread(us for us, _, _ in took), **kinds}
