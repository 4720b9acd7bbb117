# SPDX-License-Identifier: MIT
"""O3: many large bodies at once, in less memory than they need. What does not fit is told to come
again; nobody is killed, and least of all the master."""
import collections
import contextlib
import json
import os
import pathlib
import resource
import selectors
import socket
import time

import pytest

from gateway import PATIENCE, until

MIB = 1 << 20
GROUPS = pathlib.Path("/sys/fs/cgroup")
SETTINGS = "server: {limits: {body: 2M, request-memory: 8M%s}}\n"


@pytest.fixture
def group():
    """A control group of 128 MiB, of either version; None where this user may not make one."""
    made = None
    for base, limit in ((GROUPS / "memory", "memory.limit_in_bytes"), (GROUPS, "memory.max")):
        with contextlib.suppress(OSError):
            made = base / f"llmgw-test-{os.getpid()}"
            made.mkdir()
            (made / limit).write_text(str(128 * MIB))
            break
        with contextlib.suppress(OSError):
            made.rmdir()
        made = None
    yield made
    if made:
        until(lambda: not (made / "cgroup.procs").read_text().split(), timeout=20)
        made.rmdir()


class Upload:
    """One request, written and read without waiting; the answer may come before all is sent."""

    def __init__(self, port, head, body):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.sock.setblocking(False)
        self.left = [memoryview(head), memoryview(body)]
        self.got, self.status, self.is_over = b"", None, False

    def write(self):
        with contextlib.suppress(BlockingIOError, OSError):
            while self.left:
                n = self.sock.send(self.left[0][:65536])
                self.left[0] = self.left[0][n:]
                if not self.left[0]:
                    self.left.pop(0)

    def read(self):
        data = b""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            pass
        self.got += data
        end = self.got.find(b"\r\n\r\n")
        if end >= 0:
            head = self.got[:end].decode().lower()
            self.status = int(head.split()[1])
            self.headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
            size = int(self.headers.get("content-length", 0))
            self.is_over = len(self.got) >= end + 4 + size
        if not data or self.is_over:
            self.is_over = True
            self.sock.close()


def upload(gw, n, at_once, size, watch):
    """n requests of `size` bytes, so many of them at a time; `watch` is called now and then."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "a" * size}]}).encode()
    head = (f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gw.master_key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n").encode()
    select, done, begun, seen = selectors.DefaultSelector(), [], 0, 0.0
    while len(done) < n:
        while begun < n and begun - len(done) < at_once:
            u = Upload(gw.port, head, body)
            begun += 1
            select.register(u.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, u)
        events = select.select(30 * PATIENCE)
        assert events, f"{begun - len(done)} requests have no answer"
        for key, mask in events:
            u = key.data
            if mask & selectors.EVENT_READ:
                u.read()
            if u.is_over:
                select.unregister(key.fileobj)
                done.append(u)
                continue
            if mask & selectors.EVENT_WRITE:
                u.write()
                if not u.left:
                    select.modify(u.sock, selectors.EVENT_READ, u)
        if time.monotonic() - seen > 0.1:
            seen = time.monotonic()
            watch()
    return done


def private(pid):
    """What it has of its own: resident, without what it shares with others or files."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    return 0


def judge(gw, done, pids):
    counts = collections.Counter(u.status for u in done)
    assert set(counts) <= {200, 503, None}, counts
    assert counts[200] > 0 and counts[503] > 0, counts
    # The rest of a body that nobody takes may cut the answer short; most hear what it is about.
    assert counts[None] <= 0.05 * len(done), counts
    assert all(u.headers["retry-after"] == "1" for u in done if u.status == 503)
    assert sum(u.status == 503 and b'"overloaded"' not in u.got for u in done) <= 0.05 * len(done)
    # Nobody was killed, and it is over: large bodies are taken again.
    assert [w["pid"] for w in gw.ctl_json("workers")["workers"]] == pids
    assert not gw.records("worker.exit")
    assert gw.records("memory.short")
    until(lambda: len(gw.records("memory.well")) == len(gw.records("memory.short")), timeout=20 * PATIENCE)
    assert gw.ask("m", "a" * MIB).status == 200
    refused = sum(int(line.split()[1]) for line in gw.get("/metrics").body.decode().splitlines()
                  if line.startswith("llmgw_memory_refused_total"))
    assert refused >= counts[503]


@pytest.fixture(autouse=True)
def files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timing                # a sanitizer takes more memory than it is about
def test_a_ceiling_of_our_own(start):
    """Two workers of 24 MiB each: 400 bodies of 1 MiB at once are ten times what fits."""
    gw = start([("m", "mock?ttft=150&tokens=2")], SETTINGS % ", memory: 24M")
    pids = [w["pid"] for w in gw.ctl_json("workers")["workers"]]
    before, most = {p: private(p) for p in pids}, collections.Counter()

    def watch():
        for p in pids:
            most[p] = max(most[p], private(p) - before[p])
        held = [w["memory_held"] for w in gw.ctl_json("workers")["workers"]]
        assert max(held) <= 24 * MIB, held
    done = upload(gw, 800, 400, MIB, watch)
    judge(gw, done, pids)
    # What libcurl, libuv and the kernel's rounding add to it has a bound as well.
    assert max(most.values()) < 72 * MIB, most


def test_small_requests_go_on_when_it_is_over(start):
    gw = start([("m", "mock?ttft=500&tokens=2"), ("quick", "plain")], SETTINGS % ", memory: 24M", workers=1)
    served = []
    done = upload(gw, 60, 60, MIB, lambda: served.append(gw.ask("quick").status))
    assert {u.status for u in done} >= {200, 503}, collections.Counter(u.got[-300:] for u in done)
    assert set(served) <= {200, 503}
    until(lambda: gw.records("memory.well"), timeout=20 * PATIENCE)
    assert [gw.ask("quick").status for _ in range(20)] == [200] * 20


def test_it_is_to_hold_one_request(start):
    gw = start([("m", "plain")])
    gw.write([("m", {"model": "mock"})], SETTINGS % ", memory: 4M")
    p = gw.ctl("reload", check=False)
    assert p.returncode == 8 and "server.limits.memory must not be less than" in p.stdout + p.stderr, p


@pytest.mark.timing                # a sanitizer takes more memory than it is about
def test_in_a_control_group(group, start):
    """128 MiB for all of it, and nothing said in the configuration."""
    if group is None:
        pytest.skip("no control group can be made here")
    n, at_once = (2000, 2000) if os.environ.get("LLMGW_LONG") else (600, 600)
    gw = start([("m", "mock?ttft=150&tokens=2")], SETTINGS % "",
               wrap=["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"])
    pids, master = [w["pid"] for w in gw.ctl_json("workers")["workers"]], gw.process.pid
    done = upload(gw, n, at_once, MIB, lambda: None)
    judge(gw, done, pids)
    assert gw.process.pid == master and gw.process.poll() is None
    for name in ("memory.failcnt", "memory.max_usage_in_bytes", "memory.oom_control"):
        with contextlib.suppress(OSError):
            print(name, (group / name).read_text().split())
