# SPDX-License-Identifier: MIT
"""events.py - what is done to the gateway under load: reload, roll of the workers, upgrade in place.

Three generators at once, over connections that stay, over one connection a request, and with streams
of two seconds; meanwhile one of these events after the other. Whatever fails or is cut is counted, and
in the end the ledger must have a row for each request that the mock had. Standard library only."""
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time

from gateways import Llmgw
from machine import Noise, Void

TIMES = 50
PAUSE_S = 0.2
PATIENCE_S = 30
GENERATORS = {  # what came of it -> model, options of llmgw-load; {rate} is that of --rate
    "kept": ("bench", ["--rate", "{rate}", "--connections", "64"]),
    "short": ("bench", ["--rate", "100", "--connections", "32", "--header", "Connection: close"]),
    "streams": ("bench-turns", ["--concurrency", "32", "--stamped"]),
}


class Eventful(Llmgw):
    """The gateway, with its command line."""

    def ctl(self, *words):
        done = subprocess.run([self.bench.ctl, "--json", "--socket", os.path.join(self.run, "control.sock"), *words],
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        if done.returncode:
            raise Void(f"llmgwctl {' '.join(words)}: {done.stdout[-300:]} {done.stderr[-300:]}")
        return json.loads(done.stdout)

    def serving(self):
        return {w["pid"] for w in self.ctl("workers")["workers"] if w["state"] == "ready"}

    def wait_for_others(self, old):
        """All workers are new ones."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(Void):         # while the master is another program
                now = self.serving()
                if len(now) == self.workers() and not now & old:
                    return
            time.sleep(0.05)
        raise Void("the workers are not replaced")

    def reload(self, n):
        """Each generation differs: a model comes or goes."""
        self.more = [(f"extra-{n}", "openai", f"http://127.0.0.1:{self.bench.mock_port}/v1", "bench", 1)] * (n % 2)
        with open(self.config_file, "w") as f:
            f.write(self.config())
        self.ctl("reload")

    def roll(self, _):
        old = self.serving()
        self.ctl("workers", "restart")
        self.wait_for_others(old)

    def upgrade(self, _):
        old = self.serving()
        self.ctl("upgrade")
        self.wait_for_others(old)

    more = []

    def models(self):
        return super().models() + self.more

    def rows(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.database()}?mode=ro", uri=True)) as db:
            return db.execute("SELECT count(*) FROM spend_logs").fetchone()[0]

    def wait_for_rows(self, wanted):
        """How many requests the ledger lacks, or has too many, when it has had time."""
        deadline = time.monotonic() + PATIENCE_S
        while (rows := self.rows()) != wanted and time.monotonic() < deadline:
            time.sleep(0.2)
        return rows - wanted


class Load:
    """The generators, until they are told to end."""

    def __init__(self, bench, peer):
        self.running = {}
        for name, (model, options) in GENERATORS.items():
            body = bench.body(peer.model(model), "--stamped" in options)
            options = [o.format(rate=bench.args.rate) for o in options]
            self.running[name] = subprocess.Popen(
                bench.command(peer, peer.url(), body, [*options, "--warmup", "0", "--duration", "3600"]),
                stdout=subprocess.PIPE, text=True)

    def end(self):
        for load in self.running.values():
            load.send_signal(signal.SIGINT)
        reports = {name: load.communicate()[0].splitlines() for name, load in self.running.items()}
        return {name: json.loads(lines[-1]) for name, lines in reports.items()}


def measure_event(bench, peer, what):
    """One kind of event, so many times; failures, and what it did to the latencies of others."""
    load, took, noise = Load(bench, peer), [], Noise()
    try:
        time.sleep(1)
        for n in range(TIMES if not bench.args.quick else 3):
            began = time.monotonic()
            getattr(peer, what)(n)
            took.append((time.monotonic() - began) * 1000)
            time.sleep(PAUSE_S)
        others = noise.share()
    finally:
        reports = load.end()
    return {"times": len(took), "others_cpu": others, "took_ms": took, "failed": sum(r["failed"] for r in reports.values()),
            "ok": sum(r["ok"] for r in reports.values()), "streams": reports["streams"]["ok"], "load": reports}


def measure_events(bench):
    peer = Eventful(bench)
    peer.start()
    try:
        before, rows = bench.mock_requests(), peer.rows()
        for what in ("reload", "roll", "upgrade"):
            bench.note(0, peer, f"event-{what}", measure_event(bench, peer, what))
        wanted = bench.mock_requests() - before + rows
        bench.note(0, peer, "event-rows", {"requests": wanted, "off": peer.wait_for_rows(wanted)})
    finally:
        peer.stop()
