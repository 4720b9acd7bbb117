# SPDX-License-Identifier: MIT
"""The story of a power cut, from inside: what the boots before have left in the database, then
load, until there is no power any more.

Each answer is told the moment it is whole, each long stream when it begins, each key when the
gateway has said that there is one. `how` is the durability and the number of the boot."""
import contextlib
import http.client
import itertools
import json
import os
import sqlite3
import threading
import time

from inside import DATABASE, PORT, Service, say, sh, show
from load import wait_for

KEY = "sk-power-cut-0123456789"
PLAIN, STREAMS, LONG = 3, 2, 1          # clients
PROBE_PAUSE_S = 0.005                   # the flusher's
FLUSH_FILE = "/var/lib/probe"


def post(path, body, key, timeout=30):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    with contextlib.closing(c):
        c.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        r = c.getresponse()
        return r.status, r.read()


# ---- what is left

def look():
    with contextlib.closing(sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT end_user, status, flags, cost, input, output FROM spend_logs WHERE end_user <> ''").fetchall()
        return {"rows": rows,
                "sums": [db.execute(f"SELECT coalesce(sum({what}), 0) FROM {table}").fetchone()[0] for what, table in (
                    ("cost", "spend_logs"), ("cost", "spend_daily"), ("spend", "keys"))],
                "counts": [db.execute(f"SELECT coalesce({what}, 0) FROM {table}").fetchone()[0] for what, table in (
                    ("count(*)", "spend_logs"), ("sum(requests)", "spend_daily"))],
                "keys": [r[0] for r in db.execute("SELECT alias FROM keys")],
                "open": db.execute("SELECT count(*) FROM open_intents").fetchone()[0],
                "integrity": [r[0] for r in db.execute("PRAGMA integrity_check")],
                "broken": db.execute("PRAGMA foreign_key_check").fetchall()}


def settled():
    """Once what the journals held has been booked: those of dead workers are gone then."""
    journals = DATABASE.parent / "journal"
    wait_for(lambda: len(list(journals.iterdir())) <= 2, timeout=60, why=f"journals stay: {os.listdir(journals)}")
    wait_for(lambda: (seen := look())["open"] == 0 and len(set(seen["sums"])) == 1, timeout=20,
             why="sums do not agree, or intents stay open: " + repr({k: v for k, v in look().items() if k != "rows"}))


def shown():
    """What all keys have spent, as the gateway says, which shows a page of them at a time."""
    gw, spent = Service(), 0
    for page in itertools.count(1):
        keys = gw.ctl_json("keys", "list", "--page", str(page), "--size", "100")["keys"]
        spent += sum(round(k["spend"] * 1e9) for k in keys)
        if len(keys) < 100:
            return spent


def tell_state():
    wait_for(lambda: show("ActiveState") == "active", timeout=60)
    with contextlib.suppress(AssertionError):
        settled()                       # what has not come to pass is in what is told
    state = look()
    for start in range(0, len(state["rows"]), 200):
        say("ROWS", state["rows"][start:start + 200])
    del state["rows"]
    state["shown"] = shown()
    state["log"] = sh("journalctl -b -u llmgw -o cat --no-pager -p warning | tail -n 20", check=False).stdout
    state["restarts"] = int(show("NRestarts"))
    say("STATE", state)


# ---- load

def answer(connection, tag, out, gap, stream, on_begin=None):
    body = {"model": f"mock?tokens={out}&gap={gap}&prompt=2&out={out}", "user": tag, "max_tokens": out, "stream": stream,
            "messages": [{"role": "user", "content": f"{tag}: what is the meaning of it all?"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body),
                       {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
    r = connection.getresponse()
    if on_begin:
        r.readline()
        on_begin()
    text = r.read()
    assert r.status == 200 and (not stream or b"data: [DONE]" in text), (r.status, text[-300:])


def client(boot, number, out, gap, stream, is_long):
    """An answer is told as A tag, tokens, clock; a long stream's beginning as B."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    for n in itertools.count(1):
        tag = f"{boot}-{number}-{n}"
        try:
            answer(connection, tag, out, gap, stream, is_long and (lambda: say("B", [tag, time.monotonic()])))
            say("A", [tag, out, time.monotonic()])
        except Exception as e:          # noqa: BLE001: whatever it is, it is told, and judged outside
            say("BAD", [tag, repr(e)])
            connection.close()


def key_maker(boot, master_key):
    for n in itertools.count(1):
        status, text = post("/key/generate", {"key_alias": f"key-{boot}-{n}"}, master_key)
        say("KEY" if status == 200 else "BAD", f"key-{boot}-{n}" if status == 200 else text.decode())
        time.sleep(0.1)


def probe():
    """What the flusher does, beside it: how long a record may wait here that has just missed a
    flush. A process of its own, so that no lock of this interpreter is in it."""
    if os.fork():
        return
    fd = os.open(FLUSH_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(fd, 0, 4096)
    os.fsync(fd)
    for n in itertools.count():
        began = time.monotonic()
        time.sleep(PROBE_PAUSE_S)
        os.pwrite(fd, b"%016d" % n * 16, 0)
        os.fdatasync(fd)
        say("F", [began, time.monotonic()])


def tell(how):
    durability, _, boot = how.partition("-")
    say("DURABILITY", durability)
    tell_state()
    gw = Service()
    master_key = gw.master_key
    if post("/v1/chat/completions", {"model": "mock?tokens=1", "messages": [{"role": "user", "content": "x"}]}, KEY)[0] != 200:
        status, text = post("/key/generate", {"key": KEY, "key_alias": "load"}, master_key)
        say("KEY" if status == 200 else "BAD", "load" if status == 200 else text.decode())
    if durability == "default":
        probe()                         # its flushes shall carry nothing that was promised to be flushed
    kinds = [(4, 0, False, False)] * PLAIN + [(5, 3, True, False)] * STREAMS + [(60, 20, True, True)] * LONG
    threads = [threading.Thread(target=client, args=(boot, i, *kind)) for i, kind in enumerate(kinds)]
    threads.append(threading.Thread(target=key_maker, args=(boot, master_key)))
    say("LOAD")
    for t in threads:
        t.start()
    threads[0].join()
