#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""keys_create - how many keys a second are made by the management API, each of them durable, noted in
the audit log and known to every worker before its call is answered.

keys_create.py [--keys N] [--concurrency N] [--json]: --json for `run`. LLMGW_BUILD says what is
measured (build)."""
import argparse
import json
import os
import pathlib
import select
import shutil
import socket
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
os.environ.setdefault("LLMGW_BUILD", str(HERE.parent.parent / "build"))
sys.path.insert(0, str(HERE.parent / "live"))
from gateway import MASTER_KEY, Gateway     # noqa: E402 - needs the two lines above

TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def request(n):
    body = json.dumps({"key_alias": f"bench-{n}", "models": ["m"], "max_budget": 5, "user_id": f"user-{n % 100}"})
    return (f"POST /key/generate HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {MASTER_KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


class Client:
    """One connection, which asks again when it has been answered."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def send(self, n):
        self.data, self.begun = b"", time.monotonic()
        self.socket.sendall(request(n))

    def take(self):
        """Whether its answer is whole."""
        got = self.socket.recv(65536)
        if not got:
            sys.exit("keys_create: the gateway hung up")
        self.data += got
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return False
        if b" 200 " not in head.partition(b"\r\n")[0]:
            sys.exit(f"keys_create: {self.data[:300]!r}")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                      if line.startswith(b"content-length:"))
        return len(body) >= length


def create(port, first, n, concurrency):
    """Makes them; how long each took, in seconds."""
    clients = {}
    for _ in range(concurrency):
        one = Client(port)
        clients[one.socket.fileno()] = one
    poll, sent, took = select.epoll(), first, []
    for number, one in clients.items():
        poll.register(number, select.EPOLLIN)
        one.send(sent)
        sent += 1
    while len(took) < n:
        for number, _ in poll.poll(30):
            one = clients[number]
            if one.take():
                took.append(time.monotonic() - one.begun)
                if sent < first + n:
                    one.send(sent)
                    sent += 1
    for one in clients.values():
        one.socket.close()
    return took


def measure(args, tmp):
    gw = Gateway(tmp, [("m", {"model": "openai/x", "api_base": "http://127.0.0.1:9", "api_key": "x"})],
                 workers=args.workers).start()
    try:
        create(gw.port, 0, 200, 8)
        workers = [w["pid"] for w in gw.ctl_json("workers", "list")["workers"]]
        before = [cpu_s(gw.process.pid), sum(map(cpu_s, workers))]
        begun = time.monotonic()
        took = sorted(create(gw.port, 1000, args.keys, args.concurrency))
        seconds = time.monotonic() - begun
        if gw.get("/key/list?size=1").json["total_count"] != args.keys + 200:
            sys.exit("keys_create: not all of them are there")
        return {"keys": args.keys, "keys_per_s": args.keys / seconds, "us_each": seconds * 1e6 / args.keys,
                "p50_ms": took[len(took) // 2] * 1e3, "p99_ms": took[len(took) * 99 // 100] * 1e3,
                "master_cpu_us": (cpu_s(gw.process.pid) - before[0]) * 1e6 / args.keys,
                "workers_cpu_us": (sum(map(cpu_s, workers)) - before[1]) * 1e6 / args.keys}
    finally:
        gw.stop()


def main():
    p = argparse.ArgumentParser(description="Measures how fast keys are made by the management API.")
    p.add_argument("--keys", type=int, default=10000, metavar="N", help="how many (10000)")
    p.add_argument("--concurrency", type=int, default=64, metavar="N", help="calls at the same time (64)")
    p.add_argument("--workers", type=int, default=2, metavar="N", help="worker processes (2)")
    p.add_argument("--json", action="store_true", help="one line of JSON")
    args = p.parse_args()
    tmp = tempfile.mkdtemp(prefix="llmgw-bench-", dir="/var/tmp")     # on a disk, not in memory
    try:
        found = measure(args, tmp)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    if args.json:
        print(json.dumps([found]))
        return
    print("{keys} keys: {keys_per_s:.0f}/s; a call takes p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms; CPU a key: "
          "{master_cpu_us:.0f} us of the master, {workers_cpu_us:.0f} us of workers".format(**found))


if __name__ == "__main__":
    main()
