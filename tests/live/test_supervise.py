# SPDX-License-Identifier: MIT
"""Workers and masters that die, hang, start badly, drain; what systemd is told."""
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from gateway import BUILD, PATIENCE, Gateway, alive
from load import Load, Streams, cpu_seconds, descriptors, wait_for, workers

LONG = "mock?tokens=50&gap=100"         # a stream of five seconds
ANY = [("m", "plain"), ("mock*", "mock*")]


def rows_of(gw, *prefixes):
    """The ledger's rows by end user; stopped or running, the database is the truth."""
    with contextlib.closing(sqlite3.connect(f"file:{gw.tmp}/state/llmgw.db?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        rows = [dict(r) for r in db.execute("SELECT * FROM spend_logs")]
    return [r for r in rows if not prefixes or r["end_user"].startswith(prefixes)]


CUT = 4                                  # JF_CUT


def assert_one_row_each(gw, streams):
    tags = {s.tag for s in streams.all}
    wait_for(lambda: tags <= {r["end_user"] for r in rows_of(gw)}, why="rows are missing")
    rows = rows_of(gw)
    for s in streams.all:
        mine = [r for r in rows if r["end_user"] == s.tag]
        assert len(mine) == 1, (s.tag, mine)
        assert bool(mine[0]["flags"] & CUT) == (not s.is_whole), (s.tag, mine)


def in_flight(gw):
    return sum(m["in_flight"] for m in gw.ctl_json("models")["models"])


# ---- a worker dies

def test_sigkill_of_a_worker(start):
    gw = start(ANY)
    key = gw.key(max_budget=100.0)
    streams = Streams(gw, 100, LONG, key=key).wait_begun()
    victim = max(workers(gw), key=lambda w: w["streams"])
    lost = victim["streams"]
    assert lost >= 20, workers(gw)
    os.kill(victim["pid"], signal.SIGKILL)
    for _ in range(20):                  # the other one has the shared listening socket
        began = time.monotonic()
        assert gw.ask("m", key=key).status == 200
        assert time.monotonic() - began < 5
    new = wait_for(lambda: [w for w in workers(gw) if w["slot"] == victim["slot"] and w["pid"] != victim["pid"]])
    assert new[0]["restarts"] == 1 and "signal 9" in new[0]["last_end"]
    assert gw.wait_log("worker.exit", pid=victim["pid"])["level"] == "error"
    streams.wait_over()
    assert len(streams.broken) == lost and len(streams.whole) == 100 - lost
    assert_one_row_each(gw, streams)
    assert gw.wait_log("ledger.booked_cut")["rows"] == lost
    assert in_flight(gw) == 0
    assert gw.ctl_json("status")["traffic"]["streams"] == 0
    # What was cut costs what had been made, never more than was set aside, and is the key's.
    rows = rows_of(gw)
    assert all(0 < r["cost"] <= r["reserve"] for r in rows if r["flags"] & CUT)
    spent = sum(r["cost"] for r in rows)
    shown = wait_for(lambda: round(gw.ctl_json("keys", "list")["keys"][0]["spend"] * 1e9) == spent, why="spend differs")
    assert shown


def test_a_worker_that_dies_at_start(tmp_path, start):
    bad = tmp_path / "worker"
    bad.write_text("#!/bin/sh\necho tried >>%s/tries\nexit 1\n" % tmp_path)
    bad.chmod(0o755)
    good = tmp_path / "good"
    good.symlink_to(BUILD / "llmgw-worker")
    path = tmp_path / "path"
    path.symlink_to(good)
    gw = start(ANY, args=["--worker-path", str(path)])
    assert gw.ask("m").status == 200
    # From now on new workers fail; one old worker is taken away.
    path.unlink()
    path.symlink_to(bad)
    victim = workers(gw)[0]
    os.kill(victim["pid"], signal.SIGKILL)
    began = time.monotonic()
    parked = gw.wait_log("worker.parked", slot=victim["slot"])
    took = time.monotonic() - began
    # At once, then after 50, 100, 200 ms; the fifth end parks it. No fork storm.
    assert 0.3 < took < 25 * PATIENCE
    tries = len((tmp_path / "tries").read_text().splitlines())
    assert tries == 4, tries
    assert "exit status 1" in parked["last_end"]
    row = next(w for w in gw.ctl_json("workers")["workers"] if w["slot"] == victim["slot"])
    assert row["state"] == "waiting" and row["last_end"] == "exit status 1" and row["restarts"] == 5
    assert "exit status 1" in gw.ctl("workers").stdout
    assert gw.ctl("status", check=False).returncode == 9
    for _ in range(10):
        assert gw.ask("m").status == 200
    assert gw.get("/readyz", key=False).status == 200
    before = cpu_seconds(gw.process.pid)
    time.sleep(1)                        # measured, not awaited
    assert cpu_seconds(gw.process.pid) - before < 0.1
    assert len((tmp_path / "tries").read_text().splitlines()) == tries
    journals = list((gw.tmp / "state" / "journal").iterdir())
    assert len(journals) == 1, journals  # failed starts leave nothing


def test_a_worker_that_dies_slowly_at_start(tmp_path, start):
    """Five ends that take longer than the ten seconds in which ends of workers that served are counted."""
    path = tmp_path / "worker"
    path.symlink_to(BUILD / "llmgw-worker")
    gw = start(ANY, args=["--worker-path", str(path)], workers=1)
    path.unlink()
    path.write_text("#!/bin/sh\nsleep 2.7\nexit 1\n")
    path.chmod(0o755)
    os.kill(workers(gw)[0]["pid"], signal.SIGKILL)
    assert gw.wait_log("worker.parked", timeout=60)["seconds"] == 30


def test_no_worker_at_all(tmp_path, start):
    """Exec itself fails: the master stays, says why, and recovers when the program is there."""
    path = tmp_path / "worker"
    gw = Gateway(tmp_path, [("m", {"model": "openai/x", "mock_response": "hi"})], args=["--worker-path", str(path)])
    with pytest.raises((TimeoutError, socket.timeout)):
        gw.start(timeout=0.5 / PATIENCE)
    try:
        wait_for(lambda: len(gw.records("worker.parked")) == 2, timeout=20 * PATIENCE)
        rows = gw.ctl_json("workers")["workers"]
        assert {r["state"] for r in rows} == {"waiting"}
        assert all("No such file" in r["last_end"] for r in rows)
        assert gw.records("worker.start_failed")[0]["program"] == str(path)
        assert gw.ctl("status", check=False).returncode == 9
        assert not list((gw.tmp / "state" / "journal").iterdir())
    finally:
        gw.stop()


def test_a_hung_worker_is_replaced(start):
    gw = start(ANY)
    streams = Streams(gw, 20, "mock?tokens=20&gap=50", tag="hung").wait_begun()
    victim = max(workers(gw), key=lambda w: w["streams"])
    lost = victim["streams"]
    os.kill(victim["pid"], signal.SIGSTOP)
    began = time.monotonic()
    # A reload meanwhile: told to all, and late, or done without the one that was ended.
    assert gw.ctl("reload", check=False).returncode in (0, 7)
    assert time.monotonic() - began > 8
    stalled = gw.wait_log("worker.stalled", timeout=20, pid=victim["pid"])
    took = time.monotonic() - began
    assert 8 < took < 25 * PATIENCE, took
    assert stalled["late_ms"] >= 10000
    # Aborted (SIGABRT wakes nobody who is stopped: SIGCONT goes with it), then replaced.
    end = gw.wait_log("worker.exit", pid=victim["pid"])
    assert "heartbeat was late" in end["how"]
    wait_for(lambda: [w["generation"] for w in workers(gw)] == [2, 2])
    assert len(gw.records("worker.stalled")) == 1
    streams.wait_over()
    assert len(streams.broken) == lost
    assert_one_row_each(gw, streams)
    for _ in range(10):
        assert gw.ask("m").status == 200


# ---- the master dies

def test_sigkill_of_the_master(start):
    gw = start(ANY)
    key = gw.key(max_budget=100.0)
    streams = Streams(gw, 40, LONG, key=key).wait_begun()
    old = gw.children()
    gw.kill()
    with pytest.raises(OSError):         # nobody listens, as soon as workers have seen it
        wait_for(lambda: gw.get("/livez", key=False) and False)
    assert all(alive(p) for p in old)
    # The next one: the address is free, the orphans are known, and finish.
    gw.start()
    assert {r["pid"] for r in gw.records("worker.orphan")} == set(old)
    shown = gw.ctl_json("workers")["workers"]
    assert {w["pid"] for w in shown if w["state"] == "draining"} == set(old)
    assert gw.ask("m", key=key).status == 200
    # Orphans still reserve: the same board.
    assert gw.ctl_json("status")["traffic"]["streams"] > 0
    streams.wait_over()
    assert len(streams.whole) == 40, streams.broken[0].data[-300:]
    wait_for(lambda: not any(alive(p) for p in old), why="orphans stay")
    assert_one_row_each(gw, streams)
    wait_for(lambda: len(gw.ctl_json("workers")["workers"]) == 2)
    spent = sum(r["cost"] for r in rows_of(gw))
    assert round(gw.ctl_json("keys", "list")["keys"][0]["spend"] * 1e9) == spent
    assert in_flight(gw) == 0
    journals = list((gw.tmp / "state" / "journal").iterdir())
    assert len(journals) == 2, journals


def keep_alive(gw, key, n=8):
    """Connections that have each had an answer."""
    out = []
    for _ in range(n):
        c = gw.connect()
        c.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
        r = c.getresponse()
        assert r.status == 200 and r.read() and c.sock
        out.append(c)
    return out


def test_an_orphan_lets_nobody_in(start):
    """It would not hear of a key that is revoked: neither idle connections nor new requests live on."""
    gw = start(ANY)
    key = gw.key(key_alias="gone")
    idle, late = keep_alive(gw, key), keep_alive(gw, key)
    streams = Streams(gw, 6, "mock?tokens=40&gap=150", key=key, tag="on").wait_begun()
    for c in late:                       # a head that is not whole yet
        c.sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n")
    gw.kill()
    began = time.monotonic()
    for c in idle:
        c.sock.settimeout(30)
        with contextlib.suppress(ConnectionResetError):
            assert c.sock.recv(100) == b""
    assert time.monotonic() - began < 4 and not streams.whole       # not only once the streams have ended
    for c in late:
        c.sock.sendall(b"Authorization: Bearer %s\r\n\r\n" % key.encode())
        r = http.client.HTTPResponse(c.sock)
        r.begin()
        assert r.status == 503 and r.getheader("connection") == "close" and r.getheader("retry-after") == "1"
        assert json.loads(r.read())["error"]["code"] == "master_away"
    streams.wait_over()
    assert len(streams.whole) == 6       # what runs comes to its end
    gw.start()


def test_a_revoked_key_and_an_orphan_that_has_not_noticed(start):
    """Stopped while its master is killed, it finds requests, then the end of file, in one moment."""
    gw = start(ANY)
    key = gw.key(key_alias="gone")
    kept = keep_alive(gw, key, 12)
    streams = Streams(gw, 4, "mock?tokens=100&gap=50", key=key, tag="on").wait_begun()
    old = gw.children()
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    for c in kept:
        c.sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % key.encode())
    gw.kill()
    gw.port = None                       # the orphans have the old one still
    gw.start()
    assert {r["pid"] for r in gw.records("worker.orphan")} == set(old)
    gw.ctl("keys", "delete", "gone", "--yes")
    for pid in old:
        os.kill(pid, signal.SIGCONT)
    for c in kept:
        r = http.client.HTTPResponse(c.sock)
        with contextlib.suppress(ConnectionError, http.client.BadStatusLine):
            r.begin()
            assert r.status == 503 and r.getheader("connection") == "close", r.status
    streams.wait_over()
    assert len(streams.whole) == 4
    assert gw.get("/v1/models", key=key).status == 401


def test_sigkill_of_everybody(start):
    gw = start(ANY)
    streams = Streams(gw, 10, "mock?tokens=100&gap=100", tag="all").wait_begun()
    for _ in range(20):
        assert gw.ask("m", user="before").status == 200
    gw.kill_all()
    streams.wait_over()
    gw.start()
    assert gw.records("ledger.recovered")
    assert_one_row_each(gw, streams)
    assert len(rows_of(gw, "before")) == 20
    assert not gw.records("worker.orphan")
    assert gw.ask("m").status == 200


def test_orphans_end_before_the_restart(start):
    """Nobody needs a master to finish: streams end, workers end, the next start books all."""
    gw = start(ANY)
    streams = Streams(gw, 10, "mock?tokens=20&gap=40", tag="alone").wait_begun()
    old = gw.children()
    gw.kill()
    streams.wait_over()
    assert len(streams.whole) == 10
    wait_for(lambda: not any(alive(p) for p in old), why="workers stay without a master")
    assert len(list((gw.tmp / "state" / "journal").iterdir())) == 2
    gw.start()
    assert_one_row_each(gw, streams)
    assert not gw.records("worker.orphan") and gw.records("ledger.recovered")


def test_a_hung_orphan(start):
    """A worker that hangs still has the listening socket when its master is killed."""
    gw = start(ANY)
    streams = Streams(gw, 20, "mock?tokens=60&gap=50", tag="hung").wait_begun()
    victim = max(workers(gw), key=lambda w: w["streams"])
    os.kill(victim["pid"], signal.SIGSTOP)
    gw.kill()
    gw.start()
    assert 1000 < gw.ready_ms < 4000 * PATIENCE
    assert gw.ask("m").status == 200
    assert gw.wait_log("worker.stalled")["pid"] == victim["pid"]
    streams.wait_over()
    assert len(streams.broken) == victim["streams"]
    assert_one_row_each(gw, streams)


def test_a_stopped_master(start):
    """Traffic goes on without it; afterwards no worker is judged for what was not its fault."""
    gw = start(ANY)
    pids = {w["pid"] for w in workers(gw)}
    with Load(gw, rate=100, clients=2, stream_every=4) as load:
        os.kill(gw.process.pid, signal.SIGSTOP)
        streams = Streams(gw, 5, "mock?tokens=20&gap=50", tag="calm").wait_over()
        assert len(streams.whole) == 5
        os.kill(gw.process.pid, signal.SIGCONT)
        assert_one_row_each(gw, streams)
    assert not load.failures, load.failures[:5]
    wait_for(lambda: len(rows_of(gw, "load-")) == load.done)
    assert {w["pid"] for w in workers(gw)} == pids


def test_restart_while_orphans_drain_twice(start):
    """Three generations of workers on one board."""
    gw = start(ANY)
    streams, old = [], []
    for i in range(3):
        streams.append(Streams(gw, 6, "mock?tokens=80&gap=40", tag=f"gen{i}-").wait_begun())
        old += gw.children()
        if i < 2:
            gw.kill()
            gw.start()
    for s in streams:
        s.wait_over()
        assert len(s.whole) == 6, s.broken
        assert_one_row_each(gw, s)
    wait_for(lambda: sum(alive(p) for p in old) == 2)
    assert in_flight(gw) == 0


def test_second_master_on_the_same_state(start, tmp_path):
    gw = start(ANY)
    other = Gateway(tmp_path, [("m", {"model": "openai/x", "mock_response": "hi"})])
    command = other.command()
    command[command.index("--state-dir") + 1] = str(gw.tmp / "state")
    p = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert p.returncode == 1
    assert f"held by process {gw.process.pid}" in p.stderr and "--state-dir" in p.stderr + "--state-dir"
    assert gw.ask("m").status == 200
    # The same port, another state: the address is named.
    command = other.command()
    command[command.index("--port") + 1] = str(gw.port)
    p = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert p.returncode == 1 and f"cannot listen on 127.0.0.1:{gw.port}" in p.stderr


def test_a_lock_that_outlives_its_master(start):
    """A child forked by a killed master has the state's lock until it is a worker."""
    gw = start(ANY)
    with open(gw.tmp / "state" / "llmgw.lock") as f:
        gw.kill()
        fcntl.flock(f, fcntl.LOCK_EX)
        threading.Timer(0.5, fcntl.flock, [f, fcntl.LOCK_UN]).start()
        gw.start()
    assert gw.ready_ms > 450 and gw.ask("m").status == 200


# ---- ends

def test_sigterm_lets_streams_finish(start):
    gw = start(ANY)
    streams = Streams(gw, 10, "mock?tokens=30&gap=100", tag="drain").wait_begun()
    idle = gw.connect()
    idle.request("GET", "/livez")
    assert idle.getresponse().read() and idle.sock
    idle.sock.settimeout(10)
    gw.process.send_signal(signal.SIGTERM)
    gw.wait_log("master.stop")
    gw.wait_log("drain.begin")
    wait_for(lambda: len(gw.records("drain.begin")) == 2)

    def refused():
        try:
            socket.create_connection(("127.0.0.1", gw.port), timeout=1).close()
        except OSError:
            return True
    wait_for(refused, why="new connections are still taken")
    assert len(streams.running) == 10
    assert idle.sock.recv(1) == b""      # an idle connection is closed politely
    streams.wait_over()
    assert len(streams.whole) == 10
    gw.stop()                            # asserts status 0 and no child left
    assert len(rows_of(gw, "drain")) == 10 and not any(r["flags"] & CUT for r in rows_of(gw))
    assert not list((gw.tmp / "state" / "journal").iterdir())


def test_drain_limit(start):
    gw = start(ANY, "server:\n  drain: 1s\n")
    streams = Streams(gw, 10, "mock?tokens=300&gap=100", tag="late").wait_begun()
    waiting = Streams(gw, 2, "mock?ttft=30000", tag="none")
    wait_for(lambda: gw.ctl_json("status")["traffic"]["in_flight"] == 12)
    began = time.monotonic()
    gw.stop()
    assert time.monotonic() - began < 15 * PATIENCE
    streams.wait_over()
    waiting.wait_over()
    for s in streams.all:
        assert s.has(b'"error"') and not s.has(b"[DONE]"), s.data[-400:]
        assert s.data.count(b'"content":"') >= 5
    for s in waiting.all:
        assert b"503" in s.data.split(b"\r\n")[0] and b"shutting down" in s.data, s.data
    rows = rows_of(gw, "late")
    assert len(rows) == 10 and all(r["flags"] & CUT and r["cost"] > 0 for r in rows)
    assert len(rows_of(gw, "none")) == 2 and not any(r["cost"] for r in rows_of(gw, "none"))


def test_second_sigterm_ends_at_once(start):
    gw = start(ANY)
    streams = Streams(gw, 4, "mock?tokens=300&gap=100", tag="now").wait_begun()
    gw.process.send_signal(signal.SIGTERM)
    gw.wait_log("master.stop")
    gw.process.send_signal(signal.SIGTERM)
    gw.stop()
    streams.wait_over(5)
    assert len(rows_of(gw, "now")) == 4 and all(r["flags"] & CUT for r in rows_of(gw))


# ---- systemd

class Listener:
    """All datagrams of a gateway's life, in order; and the sockets that it puts in store."""

    def __init__(self, gw):
        self.gw, self.texts, self.stored = gw, [], []

    def read(self, until, timeout=30):
        self.gw.notify.settimeout(timeout * PATIENCE)
        while not any(until in t for t in self.texts):
            data, fds, _, _ = socket.recv_fds(self.gw.notify, 4096, 4)
            self.texts.append(data.decode())
            self.stored += [socket.socket(fileno=f) for f in fds]
        return next(t for t in self.texts if until in t)


def test_notify(start):
    gw = start(ANY, env={"WATCHDOG_USEC": "400000"})
    heard = Listener(gw)
    for _ in range(3):
        heard.read("WATCHDOG=1")
        heard.texts.clear()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    gw.process.send_signal(signal.SIGHUP)
    text = heard.read("RELOADING=1")
    usec = int(re.search(r"MONOTONIC_USEC=(\d+)", text).group(1))
    assert before <= usec <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert "STATUS=Serving: generation 2, 2 workers" in heard.read("READY=1")
    # The next image says it again, feeds the same watchdog, and puts its sockets in store.
    heard.texts.clear()
    gw.process.send_signal(signal.SIGUSR2)
    heard.read("READY=1")
    assert any("FDSTORE=1\nFDNAME=http" in t for t in heard.texts)
    assert [s.getsockname() for s in heard.stored] == [("127.0.0.1", gw.port)]
    for s in heard.stored:
        s.close()
    for _ in range(3):
        heard.texts.clear()
        heard.read("WATCHDOG=1")
    gw.process.send_signal(signal.SIGTERM)
    assert "STATUS=Draining" in heard.read("STOPPING=1")


def test_watchdog_of_another_process(start):
    gw = start(ANY, env={"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    gw.notify.settimeout(1)
    with pytest.raises(socket.timeout):
        while "WATCHDOG" not in gw.notify.recv(4096).decode():
            pass


def test_nobody_reads_the_notify_socket(start):
    """A full queue must not hold the master's loop."""
    gw = start(ANY, env={"WATCHDOG_USEC": "40000"})
    gw.process.send_signal(signal.SIGHUP)
    gw.wait_log("config.reload")
    time.sleep(1)                        # 50 datagrams; the queue takes about ten
    began = time.monotonic()
    gw.ctl("status")
    assert time.monotonic() - began < 15
    heard = Listener(gw)
    heard.read("STATUS=Serving: generation 2")   # kept until it was taken


def test_socket_activation(start, tmp_path):
    class Activated(Gateway):
        def command(self):
            # As systemd does it: the socket is descriptor 3, LISTEN_PID is ours.
            inner = super().command()
            code = ("import os, socket, sys\n"
                    "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
                    "s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(16)\n"
                    "s.detach() == 3 or os._exit(9)\n"
                    "os.set_inheritable(3, True)\n"
                    "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='http')\n"
                    "os.execv(sys.argv[2], sys.argv[2:])\n")
            return [sys.executable, "-c", code, str(self.port), *inner]
    gw = Activated(tmp_path, [("m", {"model": "openai/x", "mock_response": "hi"})])
    gw.start()
    try:
        assert gw.ask("m").text == "hi"
        # One listening socket, not two: it was taken, not bound again; children have no LISTEN_FDS.
        inode = {os.readlink(f"/proc/{gw.process.pid}/fd/{f}") for f in os.listdir(f"/proc/{gw.process.pid}/fd")}
        port = f"0100007F:{gw.port:04X}"
        lines = [l.split() for l in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = [l[9] for l in lines if l[1] == port and l[3] == "0A"]
        assert len(listening) == 1 and f"socket:[{listening[0]}]" in inode
        for w in workers(gw):
            assert b"LISTEN_FDS" not in pathlib.Path(f"/proc/{w['pid']}/environ").read_bytes()
    finally:
        gw.stop()


# ---- how many, and rolls

def test_roll_under_load(start):
    gw = start(ANY)
    with Load(gw, rate=200, clients=3, stream_every=5) as load, Load(gw, rate=60, clients=2, keep=False) as short:
        for i in range(5):
            old = {w["pid"] for w in workers(gw)}
            streams = Streams(gw, 5, "mock?tokens=10&gap=20", tag=f"roll{i}-").wait_begun()
            gw.ctl("workers", "restart")
            wait_for(lambda: len(workers(gw)) == 2 and not old & {w["pid"] for w in workers(gw)})
            streams.wait_over()
            assert len(streams.whole) == 5
        one = workers(gw)[0]
        gw.ctl("workers", "restart", str(one["slot"]))
        wait_for(lambda: one["pid"] not in {w["pid"] for w in workers(gw)})
    assert not load.failures and not short.failures, (load.failures + short.failures)[:5]
    assert load.done > 100
    assert gw.ctl("workers", "restart", "60", check=False).returncode == 5
    fds = descriptors(gw.process.pid)
    gw.ctl("workers", "restart")
    wait_for(lambda: len(gw.ctl_json("workers")["workers"]) == 2)
    wait_for(lambda: descriptors(gw.process.pid) == fds or len(descriptors(gw.process.pid)) <= len(fds),
             why="descriptors grew")


def test_roll_whose_successor_fails(tmp_path, start):
    path = tmp_path / "worker"
    path.symlink_to(BUILD / "llmgw-worker")
    gw = start(ANY, args=["--worker-path", str(path)])
    old = {w["pid"] for w in workers(gw)}
    for program in ("/bin/false", "/nonexistent"):
        path.unlink()
        path.symlink_to(program)
        assert gw.ctl("workers", "restart", check=False).returncode == 1
        assert {w["pid"] for w in workers(gw)} == old
        assert gw.ask("m").status == 200
    path.unlink()
    path.symlink_to(BUILD / "llmgw-worker")
    gw.ctl("workers", "restart")
    wait_for(lambda: len(workers(gw)) == 2 and not old & {w["pid"] for w in workers(gw)})
    wait_for(lambda: len(gw.ctl_json("workers")["workers"]) == 2)


def test_number_of_workers_by_reload(start):
    class Counted(Gateway):
        def command(self):
            c = super().command()
            at = c.index("--num-workers")
            return c[:at] + c[at + 2:]
    raw = "model_list:\n  - model_name: m\n    litellm_params: {model: openai/x, mock_response: hi}\n" \
          "general_settings:\n  master_key: sk-live-master-0123456789\nserver:\n  workers: %d\n"
    import tempfile
    with tempfile.TemporaryDirectory() as tmp:
        gw = Counted(tmp, [], raw=raw % 2)
        gw.start()
        try:
            with Load(gw, rate=200, clients=3) as load:
                for n in (4, 1, 3, 2):
                    gw.write([], raw=raw % n)
                    gw.ctl("reload")
                    wait_for(lambda: len(gw.ctl_json("workers")["workers"]) == n and len(workers(gw)) == n)
                    assert gw.ctl_json("status")["workers"]["wanted"] == n
            assert not load.failures, load.failures[:5]
        finally:
            gw.stop()


def test_no_zombie_and_nothing_inherited(start):
    gw = start(ANY)
    for _ in range(3):
        victim = workers(gw)[0]["pid"]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(workers(gw)) == 2 and victim not in {w["pid"] for w in workers(gw)})
    assert len(gw.children()) == 2 and all(alive(p) for p in gw.children())
    # A worker has its own descriptors, and none of its siblings' lines or the master's database.
    for w in workers(gw):
        names = [os.readlink(f"/proc/{w['pid']}/fd/{f}") for f in os.listdir(f"/proc/{w['pid']}/fd")]
        assert not any("llmgw.db" in n or "llmgw.lock" in n or "control.sock" in n for n in names), names
        assert sum(n.endswith(".j") for n in names) == 1, names
        assert sum("llmgw-board" in n for n in names) == 1, names
        env = pathlib.Path(f"/proc/{w['pid']}/environ").read_bytes()
        assert b"NOTIFY_SOCKET" not in env and gw.master_key.encode() not in env
    assert json.loads(gw.ctl("--json", "status").stdout)["workers"]["restarts"] == 3


# ---- nobody serves

def test_an_answer_while_nobody_serves(tmp_path, start):
    """R3: the master answers 503 itself, whatever is asked, until a worker is READY again."""
    bad = tmp_path / "bad"
    bad.write_text("#!/bin/sh\nexit 1\n")
    bad.chmod(0o755)
    path = tmp_path / "worker"
    path.symlink_to(BUILD / "llmgw-worker")
    gw = start(ANY, args=["--worker-path", str(path)])
    assert gw.get("/readyz", key=False).status == 200
    path.unlink()
    path.symlink_to(bad)
    for w in workers(gw):
        os.kill(w["pid"], signal.SIGKILL)
    gw.wait_log("service.unserved")
    for ask in (lambda: gw.get("/readyz", key=False), lambda: gw.ask("m"),
                lambda: gw.ask("m", content="x" * 100_000), lambda: gw.get("/any/thing", key="sk-unknown")):
        began = time.monotonic()
        answer = ask()
        assert answer.status == 503 and time.monotonic() - began < 15
        assert answer.json["error"]["type"] == "service_unavailable_error" and answer.json["error"]["code"] == "no_worker"
        assert answer.headers["retry-after"] == "5" and answer.headers["connection"] == "close"
    # Many at a time, who say nothing, or not what HTTP is: all are let go in time.
    silent = [socket.create_connection(("127.0.0.1", gw.port), timeout=20) for _ in range(400)]
    for s in silent[:50]:
        s.sendall(b"\0\r\n\r\nHELLO" * 20)
    assert gw.get("/readyz", key=False, timeout=20).status == 503
    for i, s in enumerate(silent):
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := s.recv(4096):
                data += piece
        assert data.startswith(b"HTTP/1.1 503 ") if i < 50 else not data, (i, data)
        s.close()
    with socket.create_connection(("127.0.0.1", gw.port), timeout=20) as s:     # nor is there an end to read
        with pytest.raises(OSError):
            for _ in range(4000):
                s.sendall(b"x" * 65536)
    before, fds = cpu_seconds(gw.process.pid), descriptors(gw.process.pid)
    time.sleep(1)                        # measured, not awaited
    assert cpu_seconds(gw.process.pid) - before < 0.1
    assert gw.ctl("status", check=False).returncode == 9
    # It ends with the first READY. A reload gives parked workers another chance at once.
    path.unlink()
    path.symlink_to(BUILD / "llmgw-worker")
    gw.ctl("reload")
    wait_for(lambda: len(workers(gw)) == 2)
    assert gw.wait_log("service.served")["turned_away"] > 400
    for _ in range(20):
        assert gw.get("/readyz", key=False).status == 200
        assert gw.ask("m").status == 200
    wait_for(lambda: len(descriptors(gw.process.pid)) <= len(fds) + 8, why="descriptors grew")


def test_nobody_serves_and_new_listeners(tmp_path, start):
    """A reload that changes addresses meanwhile; and the end of the service."""
    path = tmp_path / "worker"
    path.symlink_to(BUILD / "llmgw-worker")
    gw = start(ANY, args=["--worker-path", str(path)])
    path.unlink()
    for w in workers(gw):
        os.kill(w["pid"], signal.SIGKILL)
    gw.wait_log("service.unserved")
    for _ in range(5):
        gw.ctl("reload")
        assert gw.get("/livez", key=False).status == 503
    gw.stop()
