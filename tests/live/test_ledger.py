# SPDX-License-Identifier: MIT
"""Money over crashes: the ledger test (tests/ledger), a full disk, journals replayed again."""
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time

import pytest

from gateway import PATIENCE, Gateway
from load import Load, Streams, wait_for, workers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "ledger"))
import ledger_test      # noqa: E402

CUT = 4


def test_ledger(tmp_path):
    seed = int(os.environ.get("LLMGW_LEDGER_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
    ledger_test.Test(float(os.environ.get("LLMGW_LEDGER_SECONDS", "20")), seed, tmp_path).run()


def dump(state, but=()):
    """Everything in the database that a replay could change, in a fixed order."""
    out = {}
    with contextlib.closing(sqlite3.connect(f"file:{state}/llmgw.db?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        for table in ("spend_logs", "spend_daily", "keys", "keys_deleted", "open_intents", "journals", "deployments"):
            rows = [{k: v for k, v in dict(r).items() if k not in but} for r in db.execute(f"SELECT * FROM {table}")]
            out[table] = sorted(rows, key=repr)
    return out


def test_replay_changes_nothing(start):
    gw = start([("m", "plain"), ("mock*", "mock*")])
    key = gw.key(max_budget=10.0)
    streams = Streams(gw, 8, "mock?tokens=100&gap=100", key=key, tag="open").wait_begun()
    with Load(gw, rate=200, clients=3, key=key):
        wait_for(lambda: len(dump(gw.tmp / "state")["spend_logs"]) > 50)
        # Everybody at once, while the ledger is at work.
        gw.kill_all()
    streams.wait_over()
    state, saved = gw.tmp / "state", gw.tmp / "saved"
    shutil.copytree(state, saved)
    journals = list((saved / "journal").iterdir())
    assert len(journals) == 2
    dumps = []
    for _ in range(3):                   # three times from the same copy
        shutil.rmtree(state)
        shutil.copytree(saved, state)
        gw.start()
        gw.stop()
        dumps.append(dump(state, but=("end_ns", "last_used")))    # of a cut row: when it was booked
    assert dumps[0] == dumps[1] == dumps[2]
    rows = dumps[0]["spend_logs"]
    assert len([r for r in rows if r["end_user"].startswith("open")]) == 8
    assert all(r["flags"] & CUT for r in rows if r["end_user"].startswith("open"))
    # The same journals once more on top of what has them already: not a byte changes.
    before = dump(state)
    for _ in range(3):
        for j in journals:
            shutil.copy2(j, state / "journal" / j.name)
        gw.start()
        gw.stop()
        assert dump(state) == before
    assert not list((state / "journal").iterdir())
    spent = sum(r["cost"] for r in rows if r["key_id"] == 1)
    assert before["keys"][0]["spend"] == spent
    gw.start()
    assert round(gw.ctl_json("keys", "list")["keys"][0]["spend"] * 1e9) == spent


def test_killed_while_it_recovers(start):
    """D8: whenever a recovery is cut off, the next one ends with the same books."""
    gw = start([("m", "plain"), ("mock*", "mock*")])
    key = gw.key(max_budget=10.0)
    streams = Streams(gw, 8, "mock?tokens=100&gap=100", key=key, tag="open").wait_begun()
    os.kill(gw.process.pid, signal.SIGSTOP)              # so that there is something to recover
    load = [Load(gw, rate=2000, clients=4, key=key, keep=True).start() for _ in range(2)]
    wait_for(lambda: sum(x.done for x in load) > 1500, timeout=30)
    gw.kill_all()
    for x in load:
        x.stop()
    streams.wait_over()
    state, saved, but = gw.tmp / "state", gw.tmp / "saved", ("end_ns", "last_used", "id")
    shutil.copytree(state, saved)
    gw.start()
    took = gw.ready_ms / 1000
    gw.stop()
    whole = dump(state, but)
    assert len(whole["spend_logs"]) > 1500
    shutil.rmtree(state)
    shutil.copytree(saved, state)
    for i in range(12):
        p = subprocess.Popen(gw.command(), stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(took * (i + 1) / 10)  # the place to cut, not a wait for something
        with contextlib.suppress(ProcessLookupError):
            os.killpg(p.pid, signal.SIGKILL)
        p.wait(10)
    gw.start()
    gw.stop()
    assert dump(state, but) == whole


def test_a_torn_journal(start):
    """A damaged record is counted and skipped, never guessed; a damaged file is put aside."""
    gw = start([("m", "plain")])
    for i in range(30):
        assert gw.ask("m", user=f"torn{i}").status == 200
    gw.kill_all()
    journals = sorted((gw.tmp / "state" / "journal").iterdir(), key=lambda p: p.stat().st_mtime)
    text = bytearray(journals[0].read_bytes())
    text[:8] = b"nonsense"
    journals[0].write_bytes(text)
    gw.start()
    assert gw.records("ledger.damaged_journal")[0]["file"] == journals[0].name
    assert journals[0].with_name(journals[0].name + ".bad").exists()
    # Half made by a master that was killed meanwhile: nobody's record is in there.
    gw.kill_all()
    for n, size in enumerate((0, 100, 4096 + 16384 * 256)):
        (journals[0].parent / f"{40 + n}-00000000000000{n:02x}.j").write_bytes(bytes(size))
    gw.start()
    assert len(gw.records("ledger.damaged_journal")) == 1
    assert len([j for j in journals[0].parent.iterdir() if j.suffix == ".j"]) == 2
    assert gw.ask("m").status == 200


# ---- either side breaks off at any byte

LINGER = struct.pack("ii", 1, 0)        # close() resets


def test_clients_that_leave_at_any_byte(start, mock):
    """S2: the provider is let go, one row, priced by what was made."""
    gw = start([("mock*", "mock*")])
    model, key = "mock?tokens=8&gap=15&prompt=5&out=8", gw.key(max_budget=1.0)

    def leave(tag, after, how):
        body = json.dumps({"model": model, "stream": True, "user": tag, "max_tokens": 8,
                           "messages": [{"role": "user", "content": tag}]}).encode()
        with socket.create_connection(("127.0.0.1", gw.port), timeout=30) as sock:
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                         b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                         % (key.encode(), len(body), body))
            got = b""
            while len(got) < after and not got.endswith(b"0\r\n\r\n"):
                piece = sock.recv(min(after - len(got), 65536))
                assert piece, got
                got += piece
            if how == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        return got
    size = len(leave("left-all", 1 << 20, "close"))
    assert size > 1000
    jobs = [(f"left-{n}-{how}", n, how) for n in range(0, size, 13) for how in ("close", "reset")]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda j: leave(*j), jobs))
    # All are let go: nothing runs, nothing stays set aside.
    wait_for(lambda: not sum(w["requests"] for w in workers(gw)))
    assert sum(m["in_flight"] for m in gw.ctl_json("models")["models"]) == 0
    asked = {json.loads(e["body"])["user"]: e for e in mock.log(10000)}
    # One that left before its question was read has no row, and the mock was not asked.
    wait_for(lambda: set(asked) <= {r["end_user"] for r in dump(gw.tmp / "state")["spend_logs"]})
    rows = dump(gw.tmp / "state")["spend_logs"]
    by_tag = collections.Counter(r["end_user"] for r in rows)
    assert set(by_tag.values()) == {1} and len(rows) > len(jobs) // 2
    assert set(by_tag) <= {"left-all", *(j[0] for j in jobs)}
    for r in rows:
        whole = (r["input"], r["output"]) == (5, 8)
        assert whole or r["flags"] & CUT, r
        assert r["cost"] == r["input"] * 1000 + r["output"] * 2000 <= r["reserve"], r
    assert any(r["flags"] & CUT and 0 < r["output"] < 8 for r in rows)
    spent = sum(r["cost"] for r in rows)
    assert round(gw.ctl_json("keys", "list")["keys"][0]["spend"] * 1e9) == spent


class Breaker:
    """A provider whose answer ends at the byte that its model's name says: "fin.100", "rst.100"."""

    CHUNK = ('data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"b","choices":[{"index":0,'
             '"delta":{"content":"t%d "},"finish_reason":null}]}\n\n')
    END = ('data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"b","choices":[{"index":0,"delta":{},'
           '"finish_reason":"stop"}]}\n\ndata: {"id":"x","object":"chat.completion.chunk","created":1,"model":"b",'
           '"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":4,"total_tokens":9}}\n\ndata: [DONE]\n\n')

    def __init__(self):
        body = "".join(self.CHUNK % i for i in range(4)) + self.END
        pieces = [body[i:i + 200] for i in range(0, len(body), 200)]
        self.answer = (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                       + b"".join(b"%x\r\n%s\r\n" % (len(p), p.encode()) for p in pieces) + b"0\r\n\r\n")
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],), daemon=True).start()

    def _serve(self, sock):
        with sock, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            size = int(next(h.split(b":")[1] for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")))
            while len(body) < size:
                body += sock.recv(65536)
            how, _, at = json.loads(body)["model"].partition(".")
            sock.sendall(self.answer[:int(at)])
            if how == "rst":
                time.sleep(0.03)         # so that what was sent is not thrown away with the reset
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)


def test_providers_that_break_at_any_byte(start):
    """S3: an error event or an error, never a clean end; one row; nothing stays reserved."""
    provider = Breaker()
    price = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
    gw = start([("*", {"model": "openai/*", "api_base": f"http://127.0.0.1:{provider.port}/v1", "api_key": "x", **price})],
               "router_settings:\n  num_retries: 0\n  disable_cooldowns: true\n")
    key, size = gw.key(max_budget=1.0), len(provider.answer)
    places = [(how, at) for at in range(0, size, 23) for how in ("fin", "rst")]

    def ask(place):
        how, at = place
        s = gw.stream(f"{how}.{at}", key=key, user=f"{how}.{at}", max_tokens=16)
        return place, s.status, s.response.read()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, places))
    complete = provider.answer.index(b"[DONE]") + len(b"[DONE]\n\n")
    for (how, at), status, text in answers:
        if b"[DONE]" in text:
            assert status == 200 and b'"error"' not in text and at >= complete, (how, at, text)
        else:
            assert b'"error"' in text, (how, at, status, text)
            assert status >= 500 or (status == 200 and b'"content":"t0' in text), (how, at, status, text)
    assert sum(b"[DONE]" not in t for _, _, t in answers) > len(places) // 2
    wait_for(lambda: len(dump(gw.tmp / "state")["spend_logs"]) == len(places))
    rows = {r["end_user"]: r for r in dump(gw.tmp / "state")["spend_logs"]}
    assert len(rows) == len(places)
    for (how, at), status, text in answers:
        r = rows[f"{how}.{at}"]
        if b"[DONE]" in text:
            assert (r["input"], r["output"], r["cost"]) == (5, 4, 13000) and not r["flags"] & CUT, r
        elif status == 200:
            assert r["flags"] & CUT and 0 < r["cost"] <= r["reserve"], (r, text)
        else:
            assert r["cost"] == 0, (r, status)
    assert sum(m["in_flight"] for m in gw.ctl_json("models")["models"]) == 0
    spent = sum(r["cost"] for r in rows.values())
    assert round(gw.ctl_json("keys", "list")["keys"][0]["spend"] * 1e9) == spent


# ---- the disk is full

def clear_disks():
    """Those of runs that were killed, which keep pytest from removing its old folders."""
    for source, where in (line.split()[:2] for line in open("/proc/mounts")):
        if (m := re.fullmatch(r"llmgw-test-(\d+)", source)) and not pathlib.Path(f"/proc/{m[1]}").exists():
            subprocess.run(["umount", "--lazy", where], check=False)


@pytest.fixture
def small_disk(tmp_path):
    clear_disks()
    where = tmp_path / "disk"
    where.mkdir()
    p = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", f"llmgw-test-{os.getpid()}", where],
                       capture_output=True, text=True)
    if p.returncode:
        pytest.skip("mounting a small disk needs root: " + p.stderr.strip())
    try:
        yield where
    finally:                # lazily: a process of a test that failed may have files there still
        subprocess.run(["umount", "--lazy", where], check=True)


def fill(path):
    n = 0
    with open(path, "wb", buffering=0) as f:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    n += f.write(b"x" * size)
    return n


def test_disk_full(small_disk, tmp_path, mock):
    price = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
    gw = Gateway(tmp_path, [("m", {"model": "openai/plain", "api_base": mock.base + "/v1", "api_key": "x", **price}),
                            ("mock*", {"model": "openai/mock*", "api_base": mock.base + "/v1", "api_key": "x", **price}),
                            ("free", {"model": "openai/x", "mock_response": "hi", "input_cost_per_token": 0,
                                      "output_cost_per_token": 0})])      # what costs nothing goes on
    (tmp_path / "state").symlink_to(small_disk)
    gw.start()
    filler = small_disk / "filler"
    try:
        streams = Streams(gw, 20, "mock?tokens=60&gap=50", tag="full").wait_begun()
        answered = [0]
        over = threading.Event()

        def trickle():                   # something to write down, all the time
            while not over.wait(0.01):
                answered[0] += gw.ask("m", user="trickle").status == 200
        t = threading.Thread(target=trickle, daemon=True)
        t.start()
        assert fill(filler) > 1 << 20

        def ledger_state():
            return json.loads(gw.ctl("--json", "status", check=False).stdout)["ledger"]["state"]
        wait_for(lambda: ledger_state() == "disk full", timeout=20)
        refused = gw.ask("m")
        assert refused.status == 503 and b"disk full" in refused.body, refused
        assert gw.ask("free", user="free").status == 200
        ready = gw.get("/readyz", key=False)
        assert ready.status == 503 and b"disk full" in ready.body
        assert gw.get("/livez", key=False).status == 200
        assert gw.ctl("keys", "list").returncode == 0               # reading goes on
        assert gw.post("/key/generate", {}).status >= 500           # writing says so
        assert gw.ctl("status", check=False).returncode == 9
        # A worker dies meanwhile: what it held is booked later, it is replaced later.
        victim = max(workers(gw), key=lambda w: w["streams"])
        lost = victim["streams"]
        os.kill(victim["pid"], signal.SIGKILL)
        gw.wait_log("worker.exit", pid=victim["pid"])
        failed = gw.wait_log("worker.start_failed")                 # and where the disk is full
        assert failed["journal_in"].endswith("/state") and "No space left" in failed["why"], failed
        streams.wait_over()
        assert len(streams.whole) == 20 - lost and lost > 0
        assert gw.ask("m").status == 503
        over.set()
        t.join(20)
        filler.unlink()
        began = time.monotonic()
        wait_for(lambda: gw.ask("m", user="first").status == 200)
        assert time.monotonic() - began < 10 * PATIENCE
        gw.wait_log("ledger.up")
        wait_for(lambda: len(workers(gw)) == 2, timeout=20)
        assert gw.get("/readyz", key=False).status == 200
    finally:
        filler.unlink(missing_ok=True)
        gw.stop()
    rows = dump(small_disk)["spend_logs"]
    by_user = lambda u: [r for r in rows if r["end_user"].startswith(u)]      # noqa: E731
    assert len(by_user("full")) == 20
    assert sum(bool(r["flags"] & CUT) for r in by_user("full")) == lost
    assert len([r for r in by_user("trickle") if r["status"] == 200]) == answered[0]
    assert len(by_user("first")) == 1 and len(by_user("free")) == 1
    assert not list((small_disk / "journal").iterdir())


def test_stop_while_the_disk_is_full(small_disk, tmp_path, mock):
    """The service ends in time; what is not booked is booked by the next start."""
    gw = Gateway(tmp_path, [("m", {"model": "openai/plain", "api_base": mock.base + "/v1", "api_key": "x",
                                   "input_cost_per_token": 0.000001})])
    (tmp_path / "state").symlink_to(small_disk)
    gw.start()
    filler = small_disk / "filler"
    try:
        fill(filler)
        answered = 0
        while (a := gw.ask("m", user="late")).status == 200:
            answered += 1
            assert answered < 5000
        assert a.status == 503
        began = time.monotonic()
        gw.stop()
        assert time.monotonic() - began < 30 * PATIENCE
        filler.unlink()
        gw.start()
        gw.stop()
    finally:
        filler.unlink(missing_ok=True)
        gw.stop()
    rows = dump(small_disk)["spend_logs"]
    assert len([r for r in rows if r["status"] == 200]) == answered
