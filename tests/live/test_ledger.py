# SPDX-License-Identifier: MIT
"""Money over crashes: the ledger test (tests/ledger), a full disk, journals replayed again."""
import contextlib
import os
import pathlib
import shutil
import signal
import sqlite3
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
        pids = gw.children()
        os.killpg(gw.process.pid, signal.SIGKILL)
        gw.kill()
    streams.wait_over()
    wait_for(lambda: not any(ledger_test.is_alive(p) for p in pids))
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
    pids = gw.children()
    os.killpg(gw.process.pid, signal.SIGKILL)
    gw.kill()
    for x in load:
        x.stop()
    streams.wait_over()
    wait_for(lambda: not any(ledger_test.is_alive(p) for p in pids))
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
    pids = gw.children()
    os.killpg(gw.process.pid, signal.SIGKILL)
    gw.kill()
    wait_for(lambda: not any(ledger_test.is_alive(p) for p in pids))
    journals = sorted((gw.tmp / "state" / "journal").iterdir(), key=lambda p: p.stat().st_mtime)
    text = bytearray(journals[0].read_bytes())
    text[:8] = b"nonsense"
    journals[0].write_bytes(text)
    gw.start()
    assert gw.records("ledger.damaged_journal")[0]["file"] == journals[0].name
    assert journals[0].with_name(journals[0].name + ".bad").exists()
    assert gw.ask("m").status == 200


# ---- the disk is full

@pytest.fixture
def small_disk(tmp_path):
    where = tmp_path / "disk"
    where.mkdir()
    p = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "llmgw-test", where], capture_output=True, text=True)
    if p.returncode:
        pytest.skip("mounting a small disk needs root: " + p.stderr.strip())
    yield where
    for _ in range(50):
        if subprocess.run(["umount", where], capture_output=True).returncode == 0:
            break
        time.sleep(0.1)


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
            return __import__("json").loads(gw.ctl("--json", "status", check=False).stdout)["ledger"]["state"]
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
        streams.wait_over()
        assert len(streams.whole) == 20 - lost and lost > 0
        assert gw.ask("m").status == 503
        over.set()
        t.join(20)
        filler.unlink()
        began = time.monotonic()
        wait_for(lambda: gw.ask("m", user="first").status == 200)
        assert time.monotonic() - began < 2.5 * PATIENCE
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
        assert time.monotonic() - began < 15 * PATIENCE
        filler.unlink()
        gw.start()
        gw.stop()
    finally:
        filler.unlink(missing_ok=True)
        gw.stop()
    rows = dump(small_disk)["spend_logs"]
    assert len([r for r in rows if r["status"] == 200]) == answered
