# SPDX-License-Identifier: MIT
"""The upgrade in place: another program, the same process, and nobody notices."""
import contextlib
import os
import shutil
import signal
import sqlite3
import threading
import time

import pytest

from gateway import BUILD, Gateway
from load import Load, Streams, descriptors, wait_for, workers

ANY = [("m", "plain"), ("mock*", "mock*")]


class Installed(Gateway):
    """Runs copies of the programs, which a test may replace as a package does."""

    def command(self):
        home = self.tmp / "bin"
        if not home.exists():
            home.mkdir()
            for name in ("llmgw", "llmgw-worker"):
                shutil.copy2(BUILD / name, home / name)
        return [str(home / "llmgw"), *super().command()[1:]]

    def replace(self, name, text=None):
        new = self.tmp / "bin" / (name + ".new")
        if text is None:
            shutil.copy2(BUILD / name, new)
        else:
            new.write_text(text)
            new.chmod(0o755)
        new.rename(self.tmp / "bin" / name)

    def upgrade(self, by_signal=False):
        """Starts one and waits until the new image serves."""
        n, old = len(self.records("master.ready")), {w["pid"] for w in workers(self)}
        if by_signal:
            self.process.send_signal(signal.SIGUSR2)
        else:
            self.ctl("upgrade")
        wait_for(lambda: len(self.records("master.ready")) == n + 1, timeout=20)
        wait_for(lambda: len(workers(self)) == self.workers and not old & {w["pid"] for w in workers(self)})

    def rows(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.tmp}/state/llmgw.db?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            return [dict(r) for r in db.execute("SELECT * FROM spend_logs")]


def spend_of(gw, alias):
    return gw.ctl_json("keys", "list", "--key-alias", alias)["keys"][0]["spend"]


@pytest.fixture
def installed(tmp_path, mock):
    price = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
    gw = Installed(tmp_path, [(n, {"model": f"openai/{s}", "api_base": mock.base + "/v1", "api_key": "sk-x", **price})
                              for n, s in ANY])
    gw.start()
    yield gw
    gw.stop()


class Manager:
    """Makes keys over HTTP all the time: these calls go through the master."""

    def __init__(self, gw):
        self.gw, self.over, self.made, self.failures = gw, threading.Event(), 0, []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(40)

    def _run(self):
        while not self.over.wait(0.01):
            try:
                a = self.gw.post("/key/generate", {})
                # A key counts in all workers when it is told.
                b = self.gw.ask("m", key=a.json["key"]) if a.status == 200 else a
                assert b.status == 200, (a, b)
                self.made += 1
            except Exception as e:      # noqa: BLE001
                self.failures.append(repr(e))


def test_upgrades_under_load(installed):
    gw = installed
    pid, key = gw.process.pid, gw.key(max_budget=1000.0, key_alias="main")
    started = gw.ctl_json("status")["started"]
    streams = [Streams(gw, 10, "mock?tokens=120&gap=50", key=key, tag="whole-").wait_begun()]
    gw.upgrade()                         # what one upgrade leaves open is the measure
    wait_for(lambda: len(gw.ctl_json("workers")["workers"]) >= 2)
    with Load(gw, rate=150, clients=3, stream_every=5, key=key) as load, \
            Load(gw, rate=50, clients=2, keep=False, key=key) as short, Manager(gw) as manager:
        last = 0
        for i in range(4):
            streams.append(Streams(gw, 5, "mock?tokens=30&gap=30", key=key, tag=f"up{i}-").wait_begun())
            if i % 2:
                gw.replace("llmgw")
                gw.replace("llmgw-worker")
            gw.upgrade(by_signal=i % 2 == 0)
            assert gw.process.poll() is None
            spend = spend_of(gw, "main")
            assert spend >= last > -1
            last = spend
    for s in streams:
        s.wait_over()
        assert len(s.whole) == len(s.all), s.broken[0].data[-300:]
    assert not load.failures and not short.failures, (load.failures + short.failures)[:5]
    assert not manager.failures and manager.made > 5, manager.failures[:3]
    assert len(gw.records("upgrade.exec")) == 5
    assert gw.ctl_json("status")["pid"] == pid
    assert gw.ctl_json("status")["started"] == started       # of the service, not of the image
    # Old workers have gone, their journals too; the ledger is complete and the budget agrees.
    wait_for(lambda: len(gw.ctl_json("workers")["workers"]) == 2, timeout=20)
    assert len(gw.children()) == 2
    assert len(list((gw.tmp / "state" / "journal").iterdir())) == 2
    sent = load.done + short.done + manager.made + sum(len(s.all) for s in streams)
    wait_for(lambda: len(gw.rows()) == sent, why=f"rows: {len(gw.rows())} of {sent}")
    rows = gw.rows()
    assert not any(r["flags"] & 4 for r in rows)
    mine = sum(r["cost"] for r in rows if r["key_id"] == 1)
    spend = spend_of(gw, "main")
    assert round(spend * 1e9) == mine
    assert sum(m["in_flight"] for m in gw.ctl_json("models")["models"]) == 0
    fds = descriptors(pid)
    gw.upgrade()
    wait_for(lambda: len(gw.ctl_json("workers")["workers"]) == 2)
    wait_for(lambda: len(descriptors(pid)) <= len(fds), why=f"{fds} -> {descriptors(pid)}")


def test_reservations_go_on(installed):
    """What runs over an upgrade still counts against its key's budget and parallel limit."""
    gw = installed
    key = gw.key(max_parallel_requests=2)
    streams = Streams(gw, 2, "mock?tokens=40&gap=50", key=key).wait_begun()
    assert gw.ask("m", key=key).status == 429
    gw.upgrade()
    assert streams.running and gw.ask("m", key=key).status == 429
    streams.wait_over()
    assert len(streams.whole) == 2
    wait_for(lambda: gw.ask("m", key=key).status == 200)
    small = gw.key(max_budget=0.000001)  # less than any answer may cost
    gw.upgrade()
    assert gw.ask("m", key=small).status in (400, 402, 429)


@pytest.mark.parametrize("program", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nkill -9 $$\n", "not a program\n"])
def test_a_program_that_fails_its_check(installed, program):
    gw = installed
    streams = Streams(gw, 3, "mock?tokens=20&gap=30").wait_begun()
    old = {w["pid"] for w in workers(gw)}
    gw.replace("llmgw", program)
    p = gw.ctl("upgrade", check=False)
    assert p.returncode in (1, 8), p
    gw.process.send_signal(signal.SIGUSR2)
    gw.wait_log("upgrade.refused")
    streams.wait_over()
    assert len(streams.whole) == 3
    assert {w["pid"] for w in workers(gw)} == old and gw.ask("m").status == 200
    assert not gw.records("upgrade.exec")
    gw.replace("llmgw")
    gw.upgrade()
    assert gw.ask("m").status == 200


def test_a_broken_configuration_refuses_the_upgrade(installed):
    gw = installed
    good = gw.config.read_text()
    gw.config.write_text(good + "server:\n  drain: soon\n")
    assert gw.ctl("upgrade", check=False).returncode == 8
    assert not gw.records("upgrade.exec") and gw.ask("m").status == 200
    gw.config.write_text(good)


def test_workers_of_the_new_program_that_do_not_start(installed):
    """The old workers serve on until the new ones can, however long that takes."""
    gw = installed
    old = set(gw.children())
    gw.replace("llmgw-worker", "#!/bin/sh\nexit 1\n")
    gw.ctl("upgrade")
    gw.wait_log("upgrade.exec")
    gw.wait_log("worker.parked", timeout=60)     # when it failed often enough, however long that takes
    assert old <= set(gw.children())
    for _ in range(20):
        assert gw.ask("m").status == 200
    assert gw.ctl("status", check=False).returncode == 9
    gw.replace("llmgw-worker")
    # Another upgrade does not wait for the parked ones.
    gw.ctl("upgrade")
    wait_for(lambda: len(workers(gw)) == 2 and not old & set(gw.children()), timeout=60)
    assert gw.ask("m").status == 200


def test_signals_meanwhile_are_not_lost(installed):
    """SIGHUP and SIGTERM that come between two images are the next one's."""
    gw = installed
    gw.process.send_signal(signal.SIGUSR2)
    gw.wait_log("upgrade.exec")
    gw.process.send_signal(signal.SIGHUP)
    gw.wait_log("config.reload", result="done")
    before = len(gw.records("upgrade.exec"))
    gw.process.send_signal(signal.SIGUSR2)
    wait_for(lambda: len(gw.records("upgrade.exec")) == before + 1)
    began = time.monotonic()
    gw.stop()                            # SIGTERM at once: status 0, nobody left
    assert time.monotonic() - began < 20


def test_an_end_while_the_new_program_is_checked(installed):
    """Who is told to end ends, whatever it was about to become."""
    gw = installed
    streams = Streams(gw, 2, "mock?tokens=20&gap=50").wait_begun()      # so that it takes a while
    home = gw.tmp / "bin"
    shutil.copy2(home / "llmgw", home / "checked")
    gw.replace("llmgw", f'#!/bin/sh\n[ "$1" = --check ] && touch {home}/begun && sleep 3\nexec {home}/checked "$@"\n')
    gw.process.send_signal(signal.SIGUSR2)
    wait_for((home / "begun").exists)
    gw.stop()
    assert not gw.records("upgrade.exec")
    streams.wait_over()
    assert len(streams.whole) == 2


def test_a_worker_killed_during_the_upgrade(installed):
    gw = installed
    key = gw.key(max_parallel_requests=50)
    streams = Streams(gw, 20, "mock?tokens=100&gap=100", key=key, tag="gone").wait_begun()
    for w in workers(gw):
        os.kill(w["pid"], signal.SIGSTOP)
    victims = [w["pid"] for w in workers(gw)]
    gw.process.send_signal(signal.SIGUSR2)
    for p in victims:
        os.kill(p, signal.SIGKILL)
    streams.wait_over()
    wait_for(lambda: len(gw.records("master.ready")) == 2, timeout=20)
    wait_for(lambda: len(gw.rows()) == 20)
    wait_for(lambda: len(gw.ctl_json("workers")["workers"]) == 2, timeout=20)
    # Nothing stays reserved.
    full = Streams(gw, 50, "mock?tokens=3&gap=10", key=key).wait_over()
    assert len(full.whole) == 50, full.broken[0].data[:600]


def test_operators_are_heard_all_the_time(installed):
    """Calls of llmgwctl wait for the next image instead of falling between the two."""
    over, calls, failed = threading.Event(), [], []

    def operate(n):
        words = [["workers", "list"], ["keys", "create", "--key-alias", "of-{}-{}"]][n % 2]
        while not over.is_set():
            r = installed.ctl(*[w.format(n, len(calls)) for w in words], check=False)
            calls.append(words[1])
            if r.returncode:
                failed.append((words, r.returncode, r.stderr))
    threads = [threading.Thread(target=operate, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for _ in range(5):
        installed.upgrade(by_signal=True)
    over.set()
    for t in threads:
        t.join()
    assert not failed and calls.count("list") > 20
    assert len(installed.ctl_json("keys", "list", "--size", "100")["keys"]) == min(100, calls.count("create"))
