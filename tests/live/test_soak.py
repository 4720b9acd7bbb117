# SPDX-License-Identifier: MIT
"""O8: for a long time all kinds of requests, a worker killed each 5 s and a reload each 60 s; then
nothing may have grown that does not shrink again, and the accounts must agree.

The short form takes 30 s and goes faster. LLMGW_SOAK=900 is so many seconds, at 70 % of what the
machine can do, or at LLMGW_SOAK_RATE requests a second. One worker is never killed, so that what
it holds can be seen to grow."""
import contextlib
import json
import os
import pathlib
import signal
import sqlite3
import statistics
import subprocess
import threading
import time

import pytest

from gateway import BUILD, PATIENCE
from load import Load, wait_for, workers

pytestmark = pytest.mark.timing
SECONDS = float(os.environ.get("LLMGW_SOAK", "30"))
RATE = float(os.environ.get("LLMGW_SOAK_RATE", "0"))
IS_LONG = SECONDS > 60
KILL_S, RELOAD_S, SAMPLE_S = (5, 60, 5) if IS_LONG else (5, 7, 0.5)

MODELS = [("m", "plain"), ("tools", "mock?tools=2&tokens=4"), ("slow", "mock?tokens=20&gap=20"),
          ("ill", "mock?status=500"), ("shy", "mock?status=429"), ("mock*", "mock*")]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


class Kinds(threading.Thread):
    """What `Load` does not send: tools, long streams that are left, errors, other dialects."""

    def __init__(self, gw, key):
        super().__init__(daemon=True)
        self.gw, self.key, self.over, self.counts = gw, key, threading.Event(), {}
        self.kinds = [self.tools, self.leave, self.ill, self.shy, self.unknown, self.bad, self.messages, self.large]

    def tools(self):
        return self.gw.ask("tools", key=self.key, tools=[TOOL]).status == 200

    def leave(self):
        s = self.gw.stream("slow", key=self.key)
        next(s.events(), None)
        s.leave()
        return s.status == 200

    def ill(self):
        return self.gw.ask("ill", key=self.key).status in (500, 503)

    def shy(self):
        return self.gw.ask("shy", key=self.key).status in (429, 503)

    def unknown(self):
        return self.gw.ask("m", key="sk-nobody-has-this-one").status in (401, 429)

    def bad(self):
        return self.gw.post("/v1/chat/completions", b"{\"model\": ", key=self.key).status == 400

    def messages(self):
        return self.gw.post("/v1/messages", {"model": "m", "max_tokens": 9, "messages": [
            {"role": "user", "content": "Hello"}]}, key=self.key).status == 200

    def large(self):
        return self.gw.ask("m", "a" * 300000, key=self.key).status == 200

    def run(self):
        n = 0
        while not self.over.wait(0.1):
            kind = self.kinds[n % len(self.kinds)]
            n += 1
            try:
                good = kind()
            except Exception:           # noqa: BLE001: a worker was killed under it
                good = None
            which = self.counts.setdefault(kind.__name__, {})
            which[good] = which.get(good, 0) + 1


def status_of(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def look(gw, pid):
    """What one process has: KiB of its own, descriptors, threads, mappings."""
    return {"anon": status_of(pid, "RssAnon"), "files": len(os.listdir(f"/proc/{pid}/fd")),
            "threads": status_of(pid, "Threads"),
            "maps": pathlib.Path(f"/proc/{pid}/maps").read_text().count("\n")}


class Sampler(threading.Thread):
    def __init__(self, gw, steady):
        super().__init__(daemon=True)
        self.gw, self.steady, self.over, self.rows, self.error = gw, steady, threading.Event(), [], None

    def sample(self):
        state = self.gw.tmp / "state"
        row = {f"master.{k}": v for k, v in look(self.gw, self.gw.process.pid).items()}
        row.update({f"worker.{k}": v for k, v in look(self.gw, self.steady).items()})
        row["journals"] = len(os.listdir(state / "journal"))
        row["state files"] = sum(len(f) for _, _, f in os.walk(state))
        with contextlib.suppress(OSError):
            row["wal KiB"] = (state / "llmgw.db-wal").stat().st_size >> 10
        row["processes"] = len(self.gw.children())
        return row

    def run(self):
        while not self.over.wait(SAMPLE_S):
            try:
                self.rows.append(self.sample())
            except Exception as e:      # noqa: BLE001: judged at the end
                self.error = e
                return


# How much the median of the last third may lie above that of the second: a part, and so many more.
BOUNDS = {"master.anon": (0.05, 1024), "worker.anon": (0.05, 1024), "master.files": (0, 4), "worker.files": (0, 24),
          "master.threads": (0, 0), "worker.threads": (0, 0), "master.maps": (0.05, 8), "worker.maps": (0.05, 8),
          "journals": (0, 1), "state files": (0, 2), "processes": (0, 1), "wal KiB": (0.2, 8192)}


def judge(rows):
    assert len(rows) >= 12, len(rows)
    third = len(rows) // 3
    grown = []
    for name, (part, more) in BOUNDS.items():
        a, b = (statistics.median(r.get(name, 0) for r in rows[i * third:(i + 1) * third]) for i in (1, 2))
        print(f"{name:16} {rows[0].get(name, 0):>9} {a:>11.1f} {b:>11.1f}   most {max(r.get(name, 0) for r in rows)}")
        if b > a * (1 + part) + more:
            grown.append((name, a, b))
    assert not grown, grown


def capacity(gw, key):
    """Requests a second, from as many clients as make it busy."""
    body = gw.tmp / "body.json"
    body.write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}]}))
    p = subprocess.run([BUILD / "llmgw-load", "--url", f"http://127.0.0.1:{gw.port}/v1/chat/completions", "--header",
                        f"Authorization: Bearer {key}", "--body", body, "--concurrency", "16", "--duration", "3",
                        "--warmup", "1", "--json"], capture_output=True, text=True, timeout=60)
    return json.loads(p.stdout.splitlines()[-1])["requests_per_s"]


def base_load(gw, key):
    """Most of the requests come from a program that can send so many."""
    rate = RATE or (0.7 * capacity(gw, key) if IS_LONG else 150)
    body = gw.tmp / "body.json"
    body.write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}], "user": "base"}))
    print(f"{rate:.0f} requests a second for {SECONDS:.0f} s")
    return subprocess.Popen([BUILD / "llmgw-load", "--url", f"http://127.0.0.1:{gw.port}/v1/chat/completions",
                             "--header", f"Authorization: Bearer {key}", "--body", body, "--rate", str(int(rate)),
                             "--connections", "16", "--duration", str(int(SECONDS)), "--warmup", "0", "--json"],
                            stdout=subprocess.PIPE, text=True)


def spent(gw):
    return next(round(k["spend"] * 1e9) for k in gw.ctl_json("keys", "list")["keys"] if k["key_alias"] == "soak")


def sums(gw):
    with contextlib.closing(sqlite3.connect(f"file:{gw.tmp}/state/llmgw.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*), count(DISTINCT request_id), coalesce(sum(cost), 0), "
                          "sum(cost > reserve) FROM spend_logs").fetchone()


def least_asked(gw):
    """Once the base load is connected: so that those are killed who have most of it."""
    wait_for(lambda: sum(w["connections"] for w in workers(gw)) >= 16, timeout=20 * PATIENCE)
    return min(workers(gw), key=lambda w: w["connections"])["pid"]


def disturb(gw, steady, end):
    """Kills and reloads until then; how many of each."""
    kills = reloads = 0
    next_kill, next_reload = time.monotonic() + KILL_S, time.monotonic() + RELOAD_S
    while time.monotonic() < end:
        time.sleep(0.05)
        if time.monotonic() >= next_kill:
            victim = wait_for(lambda: [w for w in workers(gw) if w["pid"] != steady], timeout=20 * PATIENCE)[0]
            os.kill(victim["pid"], signal.SIGKILL)
            kills, next_kill = kills + 1, next_kill + KILL_S
        if time.monotonic() >= next_reload:
            p = gw.ctl("reload", check=False)
            # A worker may be killed while it takes the new configuration.
            assert p.returncode in (0, 9), p
            reloads, next_reload = reloads + 1, next_reload + RELOAD_S
    return kills, reloads


def test_a_long_time(start):
    gw = start(MODELS, "router_settings: {num_retries: 0}\nserver: {log: {access: false}}\n", workers=3)
    key = gw.key(key_alias="soak", max_budget=1000.0, rpm_limit=10 ** 8, max_parallel_requests=2000)
    base = base_load(gw, key)
    steady = least_asked(gw)
    loads = [Load(gw, rate=20, clients=2, key=key, stream_every=2, tag="kept-"),
             Load(gw, rate=20, clients=2, key=key, stream_every=3, keep=False, tag="new-"),
             Load(gw, "slow", rate=8, clients=4, key=key, stream_every=1, tag="slow-")]
    kinds, sampler = Kinds(gw, key), Sampler(gw, steady)
    for x in (*loads, kinds, sampler):
        x.start()
    kills, reloads = disturb(gw, steady, time.monotonic() + SECONDS)
    report = json.loads(base.communicate(timeout=60)[0].splitlines()[-1])
    for x in (kinds, sampler):
        x.over.set()
        x.join(30)
    for x in loads:
        x.stop()
    print(f"{kills} kills, {reloads} reloads;", report)
    print(kinds.counts)
    assert sampler.error is None, sampler.error
    judge(sampler.rows)
    # Nothing failed but what ran in a worker that was killed.
    assert kills >= SECONDS / KILL_S - 2 and reloads >= SECONDS / RELOAD_S - 2
    assert report["failed"] <= 16 * kills, report
    failed, done = sum(len(x.failures) for x in loads), sum(x.done for x in loads)
    assert failed <= 8 * kills and done > 20 * SECONDS, [x.failures[:5] for x in loads]
    for name, which in kinds.counts.items():
        assert which.get(False, 0) == 0 and which.get(True, 0) > which.get(None, 0), (name, which)
    assert len(gw.records("worker.exit")) == kills
    assert not gw.records("worker.stalled") and not gw.records("worker.parked")
    # Each request once, none above its reserve, and nothing is held any more.
    wait_for(lambda: not sum(w["requests"] for w in workers(gw)), timeout=20 * PATIENCE)
    wait_for(lambda: sums(gw)[2] == spent(gw), timeout=30 * PATIENCE, why=f"{sums(gw)} {spent(gw)}")
    n, ids, _, above = sums(gw)
    assert n == ids and not above
    assert sum(m["in_flight"] for m in gw.ctl_json("models")["models"]) == 0
    refused = gw.ask("m", key=key, max_tokens=10 ** 9)
    assert refused.status in (400, 429) and b" 0 is set aside" in refused.body, refused
    wait_for(lambda: len(workers(gw)) == 3 and len(os.listdir(gw.tmp / "state" / "journal")) == 3, timeout=20 * PATIENCE)
