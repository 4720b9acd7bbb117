# SPDX-License-Identifier: MIT
"""Killed at each named place under traffic (common/fault.h), then the accounts must agree: one row
for each answered request, nothing set aside any more, and the service goes on. Needs a build with
-Dc_args=-DLLMGW_FAULTS; tests/suite.py makes one."""
import collections
import contextlib
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

from gateway import BUILD, PATIENCE
from load import Load, Streams, wait_for, workers

pytestmark = pytest.mark.skipif(b"fault set" not in (BUILD / "llmgwctl").read_bytes(), reason="a build without faults")

ANY = [("m", "plain"), ("mock*", "mock*")]
CUT = 4                                  # JF_CUT


def arm(gw, point, *how):
    gw.ctl("fault", "set", point, *how)             # it may be hit before this returns


def is_armed(gw, point):
    return next(f for f in gw.ctl_json("fault", "list")["faults"] if f["point"] == point)["armed"]


class Books:
    """Traffic of one key with a budget, and what must be true of it at the end."""

    def __init__(self, gw, mock):
        self.gw, self.mock = gw, mock
        self.key = gw.key(key_alias="traffic", max_budget=50.0, max_parallel_requests=200, rpm_limit=1000000)
        mock.clear()
        self.loads = [Load(gw, rate=120, clients=3, key=self.key, stream_every=3, tag="kept-"),
                      Load(gw, rate=60, clients=2, key=self.key, stream_every=4, keep=False, tag="new-")]
        self.streams = []
        for x in self.loads:
            x.start()

    @property
    def done(self):
        return sum(x.done for x in self.loads)

    def more(self, n=20):
        """Service goes on."""
        seen = self.done
        wait_for(lambda: self.done >= seen + n, timeout=20 * PATIENCE, why="no service: " + repr(
            [x.failures[-3:] for x in self.loads]) + self.gw.logs()[-2000:])

    def stream(self, n, model):
        s = Streams(self.gw, n, model, key=self.key, tag=f"stream{len(self.streams)}-").wait_begun()
        self.streams.append(s)
        return s

    def rows(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.gw.tmp}/state/llmgw.db?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            return [dict(r) for r in db.execute("SELECT * FROM spend_logs")]

    def close(self):
        gw = self.gw
        for x in self.loads:
            x.stop()
        for s in self.streams:
            s.wait_over()
        whole = set().union(*(x.answered for x in self.loads), *({o.tag for o in s.whole} for s in self.streams))
        asked = {json.loads(e["body"])["user"] for e in self.mock.log(100000) if "chat" in e["path"]}
        wait_for(lambda: whole | asked <= {r["end_user"] for r in self.rows()}, why="rows are missing")
        wait_for(lambda: not sum(w["requests"] for w in gw.ctl_json("workers")["workers"]))
        rows = self.rows()
        counts = collections.Counter(r["end_user"] for r in rows)
        assert not [t for t, n in counts.items() if n != 1]
        for r in rows:
            if r["end_user"] in whole:   # what a client saw to its end is booked so
                assert not r["flags"] & CUT and r["status"] == 200 and r["cost"] > 0, r
            assert 0 <= r["cost"] <= r["reserve"], r
        assert sum(m["in_flight"] for m in gw.ctl_json("models")["models"]) == 0
        spent = sum(r["cost"] for r in rows)

        def shown():
            return next(round(k["spend"] * 1e9) for k in gw.ctl_json("keys", "list")["keys"] if k["key_alias"] == "traffic")
        wait_for(lambda: shown() == spent, why=f"rows say {spent}, the board {shown()}")
        refused = gw.ask("m", key=self.key, max_tokens=10 ** 9)
        assert refused.status in (400, 429) and b" 0 is set aside" in refused.body, refused
        # All 200 parallel requests are there to be had again: none is counted that has ended.
        gw.ctl("keys", "update", "traffic", "--max-parallel-requests", "1")
        wait_for(lambda: gw.ask("m", key=self.key).status == 200)


@pytest.fixture
def books(start, mock):
    return Books(start(ANY, workers=3), mock)


# ---- a worker, at each place on the way of a request

ON_THE_WAY = ["accept.got", "auth.after", "limits.after_take", "budget.unrecorded", "budget.recorded", "budget.half",
              "budget.applied", "journal.unnumbered", "spend.before_push", "spend.after_push", "spend.given"]


@pytest.mark.parametrize("point", ON_THE_WAY)
def test_a_worker_killed_under_traffic(books, point):
    gw = books.gw
    for n, after in enumerate((0, 5, 23)):
        books.more(5)
        arm(gw, point, "kill", f"after={after}")
        wait_for(lambda: len(gw.records("worker.exit")) == n + 1, timeout=20 * PATIENCE, why="nobody came there")
        assert "signal 9" in gw.records("worker.exit")[n]["how"]
        assert not is_armed(gw, point)
        wait_for(lambda: len(workers(gw)) == 3)
        books.more()
    books.close()


def test_a_worker_killed_behind_the_end_of_a_stream(books):
    """Who has seen [DONE] has it booked as whole, also when the worker dies before it closes."""
    for x in books.loads:
        x.stop()
    gw, seen = books.gw, 0
    for _ in range(4):
        arm(gw, "spend.given", "kill")
        s = books.stream(4, "mock?tokens=4&gap=3&prompt=7&out=4").wait_over()
        seen += sum(o.has(b"data: [DONE]") and not o.is_whole for o in s.all)
        wait_for(lambda: not is_armed(gw, "spend.given") and len(workers(gw)) == 3)
    tags = {o.tag for s in books.streams for o in s.all if o.has(b"data: [DONE]")}
    wait_for(lambda: tags <= {r["end_user"] for r in books.rows()})
    for r in books.rows():
        if r["end_user"] in tags:
            assert not r["flags"] & CUT and (r["input"], r["output"], r["cost"]) == (7, 4, 7000 + 8000), r
    assert seen, "none was killed where it matters"
    books.close()


def test_a_worker_killed_when_told_to_drain(books):
    gw = books.gw
    arm(gw, "drain.begin", "kill")
    gw.ctl("workers", "restart", check=False)
    wait_for(lambda: any("signal 9" in r["how"] for r in gw.records("worker.exit")))
    wait_for(lambda: len(workers(gw)) == 3)
    books.more()
    books.close()


def test_a_worker_killed_by_a_new_generation(books):
    gw = books.gw
    arm(gw, "snapshot.mapped", "kill")
    gw.ctl("reload", check=False)
    wait_for(lambda: any("signal 9" in r["how"] for r in gw.records("worker.exit")))
    wait_for(lambda: [w["generation"] for w in workers(gw)] == [2, 2, 2])
    books.more()
    books.close()


# ---- the master

def expect_death(gw):
    gw.process.wait(20 * PATIENCE)
    assert gw.process.returncode == -signal.SIGKILL
    gw.kill()
    gw.start()


def try_ctl(gw, *args):
    """A command that ends its master has no answer."""
    return subprocess.Popen([BUILD / "llmgwctl", "--socket", gw.tmp / "run" / "control.sock", *args],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


COMMANDS = {"publish.half": ["reload"], "reload.parsed": ["reload"], "supervise.after_exec": ["workers", "restart"],
            "directory.unlinked": ["keys", "create", "--key-alias", "late"],
            "board.placing": ["keys", "create", "--key-alias", "late"]}


@pytest.mark.parametrize("point", COMMANDS)
def test_the_master_killed_by_a_command(books, point):
    gw = books.gw
    books.stream(6, "mock?tokens=30&gap=30")
    arm(gw, point, "kill")
    asked = try_ctl(gw, *COMMANDS[point])
    expect_death(gw)
    asked.wait(10)
    books.more()
    if "keys" in COMMANDS[point]:        # it was in the database before it was anywhere else
        assert "late" in {k["key_alias"] for k in gw.ctl_json("keys", "list")["keys"]}
        gw.ctl("keys", "delete", "late", "--yes")
    assert len(gw.ctl_json("keys", "list")["keys"]) == 1
    gw.ctl("reload")
    wait_for(lambda: [w["state"] for w in gw.ctl_json("workers")["workers"]] == ["ready"] * 3, timeout=20)
    books.close()


@pytest.mark.parametrize("point", ["spend.before_commit", "spend.after_commit"])
def test_the_master_killed_while_it_commits(books, point):
    gw = books.gw
    for after in (0, 3):
        books.stream(6, "mock?tokens=20&gap=30")
        arm(gw, point, "kill", f"after={after}")
        expect_death(gw)
        books.more()
    books.close()


def test_the_master_killed_while_it_reaps(books):
    gw = books.gw
    for after in (0, 2):
        books.stream(12, "mock?tokens=60&gap=30")
        arm(gw, "reap.settled", "kill", f"after={after}")
        os.kill(max(workers(gw), key=lambda w: w["streams"])["pid"], signal.SIGKILL)
        expect_death(gw)
        books.more()
    books.close()


# ---- not killed but failing

def test_a_database_that_fails_for_a_while(books):
    gw = books.gw
    books.more()
    arm(gw, "spend.before_commit", "errno=EIO", "times=4")
    gw.wait_log("ledger.down")
    gw.wait_log("ledger.up")
    books.more()
    books.close()


def test_a_journal_that_cannot_be_made_durable(books):
    """Nothing of it is trusted again: its worker refuses what costs something, and gets a successor
    with another file. All that was answered is booked."""
    gw = books.gw
    books.more()
    arm(gw, "journal.flush", "errno=EIO")
    failed = gw.wait_log("journal.failed")
    wait_for(lambda: failed["pid"] not in {w["pid"] for w in workers(gw)}, timeout=20)
    refused = [f for x in books.loads for f in x.failures]
    assert all("503" in f and "spend cannot be recorded" in f for f in refused), refused[:3]
    books.more()
    assert len(gw.records("journal.failed")) == 1
    books.close()


def test_commands_of_faults(start):
    gw = start(ANY)
    for words, status in ((("nowhere", "kill"), 5), (("accept.got", "die"), 1), (("accept.got", "errno=EPERM"), 1),
                          (("accept.got", "after=x"), 1)):
        assert gw.ctl("fault", "set", *words, check=False).returncode == status, words
    arm(gw, "accept.got", "kill", "after=1000", "times=3")
    assert is_armed(gw, "accept.got")
    gw.ctl("fault", "set", "accept.got", "off")
    assert not any(f["armed"] for f in gw.ctl_json("fault", "list")["faults"])
    arm(gw, "auth.after", "sleep=300")
    began = time.monotonic()
    assert gw.ask("m").status == 200
    assert 0.3 <= time.monotonic() - began < 15 * PATIENCE


# ---- a configuration that workers cannot live with

def full(mock, *models):
    return [(n, {"model": f"openai/{n}", "api_base": mock.base + "/v1", "api_key": "x"}) for n in models]


def rolled_back(gw):
    return json.loads(gw.ctl("--json", "status", check=False).stdout).get("rolled_back")


def test_a_configuration_that_crashes_workers(start, mock):
    """R7: three crashes under a new generation, and the last good one is back, as a newer one."""
    gw = start(ANY)
    gw.write(full(mock, "plain", "fatal"))
    text = gw.config.read_text()
    arm(gw, "snapshot.mapped", "abort", "times=3")
    began = time.monotonic()
    p = gw.ctl("reload", check=False)
    assert time.monotonic() - began < 20 * PATIENCE
    assert p.returncode == 8 and "generation 3" in p.stdout + p.stderr, p
    back = gw.wait_log("config.rolled_back", result="done")
    assert back["from"] == 2 and back["generation"] == 3 and "signal 6" in back["why"]
    assert gw.records("config.reload")[-1]["result"] == "rolled back"
    wait_for(lambda: [w["generation"] for w in workers(gw)] == [3, 3])
    assert gw.ask("m").status == 200 and gw.ask("fatal").status in (400, 404)
    assert gw.config.read_text() == text             # the file is left alone
    p = gw.ctl("status", check=False)
    assert p.returncode == 9 and "rolled_back" in p.stdout and "degraded" in p.stdout
    assert rolled_back(gw)["generation"] == 2 and "signal 6" in rolled_back(gw)["why"]
    # An upgrade in place would read that file.
    p = gw.ctl("upgrade", check=False)
    assert p.returncode == 8 and "taken back" in p.stdout + p.stderr, p
    # The same file again, which this time they can live with.
    gw.ctl("reload")
    assert gw.ctl("status").returncode == 0 and rolled_back(gw) is None
    assert gw.ask("fatal").status == 200


def test_crashes_that_are_no_reason_to_go_back(start, mock):
    """Fewer than three, and kills, which are somebody's else."""
    gw = start(ANY)
    gw.write(full(mock, "plain"))
    arm(gw, "snapshot.mapped", "abort", "times=2")
    assert gw.ctl("reload").returncode == 0          # their successors have taken it
    assert [w["generation"] for w in workers(gw)] == [2, 2]
    for w in workers(gw):
        os.kill(w["pid"], signal.SIGKILL)
    wait_for(lambda: len(workers(gw)) == 2)
    assert gw.ctl("status").returncode == 0 and not gw.records("config.rolled_back")


def test_a_generation_that_a_worker_refuses(start, mock):
    gw = start(ANY)
    gw.write(full(mock, "plain", "odd"))
    arm(gw, "snapshot.mapped", "errno=EBADMSG")
    p = gw.ctl("reload", check=False)
    assert p.returncode == 8 and "a worker cannot use it" in p.stdout + p.stderr, p
    assert gw.records("snapshot.refused") and gw.wait_log("config.rolled_back")["generation"] == 3
    wait_for(lambda: [w["generation"] for w in workers(gw)] == [3, 3])
    assert gw.ask("m").status == 200 and gw.ask("odd").status in (400, 404)


def test_a_master_key_that_is_rolled_back(start, mock):
    gw = start(ANY)
    old = gw.master_key
    gw.master_key = "sk-live-master-other-9876543210"
    gw.write(full(mock, "plain"))
    gw.master_key = old
    arm(gw, "snapshot.mapped", "abort", "times=3")
    assert gw.ctl("reload", check=False).returncode == 8
    wait_for(lambda: [w["generation"] for w in workers(gw)] == [3, 3])
    for _ in range(5):
        assert gw.ask("m").status == 200
        assert gw.ask("m", key="sk-live-master-other-9876543210").status == 401


# ---- a request that crashes whoever works on it

def fatal(gw, key, **how):
    """Sends it once. None: whoever took it is dead; else the answer."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return gw.ask(how.get("model", "m"), how.get("content", "parse.marked"), key=key)
    return None


def suspects(gw):
    return json.loads(gw.ctl("--json", "status", check=False).stdout)["suspects"]      # 9: degraded for a moment


def deaths(gw):
    return [r for r in gw.records("worker.exit") if "signal 6" in r["how"]]


@pytest.mark.parametrize("where", [{"content": "parse.marked"}, {"model": "answer.marked"}])
def test_a_query_of_death(start, where):
    """R2: sent in a loop, it ends two workers, and from then on it is refused, and nothing else is."""
    gw = start([*ANY, ("answer.marked", "mock?tokens=3")], workers=3)
    bad, good = gw.key(key_alias="bad"), gw.key(key_alias="good")
    arm(gw, "parse.marked", "abort", "times=1000")
    arm(gw, "answer.marked", "abort", "times=1000")
    loads = [Load(gw, rate=200, clients=3, key=good, tag="kept-"),
             Load(gw, rate=100, clients=2, key=good, keep=False, tag="new-", stream_every=4)]
    for x in loads:
        x.start()
    wait_for(lambda: sum(x.done for x in loads) > 50, timeout=20 * PATIENCE)

    def failed():       # but for connections that went with their worker between two requests
        return sorted(f for x in loads for f in x.failures if "BrokenPipeError" not in f)
    # The first one is noted, and may be nobody's doing.
    assert fatal(gw, bad, **where) is None
    wait_for(lambda: len(deaths(gw)) == 1)
    assert not gw.records("worker.suspect")
    assert fatal(gw, bad, **where) is None
    told = gw.wait_log("worker.suspect")
    assert told["crashes"] == 2 and told["refused_s"] == 60 and len(told["print"]) == 16
    for _ in range(40):
        a = fatal(gw, bad, **where)
        assert a is not None and a.status == 422 and a.json["error"]["code"] == "query_of_death", a
        assert a.headers["x-should-retry"] == "false" and 0 < int(a.headers["retry-after"]) <= 60
    assert len(deaths(gw)) == 2
    # Who sends something else is served, the same key's as well, and so is another key's own.
    assert gw.ask("m", "parse it", key=bad).status == 200
    shown = suspects(gw)
    assert [(s["print"], s["crashes"], s["refused"]) for s in shown] == [(told["print"], 2, 40)]
    assert shown[0]["key_id"] == told["key_id"] > 0
    assert "llmgw_suspects_refused_total 40" in gw.get("/metrics").body.decode()
    gw.wait_log("request.done", outcome="SUSPECT", key="bad")
    # Only what ran in those two workers has failed, one request of a client each; nothing does since.
    failures, done = failed(), sum(x.done for x in loads)
    assert len(failures) <= 2 * 5, failures
    wait_for(lambda: sum(x.done for x in loads) > done + 400, timeout=60 * PATIENCE)
    for x in loads:
        x.stop()
    assert failed() == failures
    # In a new program it may be mended.
    arm(gw, "parse.marked", "off")
    arm(gw, "answer.marked", "off")
    gw.ctl("upgrade")
    assert suspects(gw) == []
    assert fatal(gw, bad, **where).status == 200


@pytest.mark.parametrize("where", [{"content": "parse.marked"}, {"model": "answer.marked"}])
def test_two_crashes_before_the_master_hears_of_one(start, where):
    gw = start([*ANY, ("answer.marked", "mock?tokens=3")], workers=3)
    for point in ("parse.marked", "answer.marked"):
        arm(gw, point, "abort", "times=1000")
    gw.process.send_signal(signal.SIGSTOP)
    try:
        assert [fatal(gw, None, **where) for _ in range(2)] == [None, None]
    finally:
        gw.process.send_signal(signal.SIGCONT)
    told = gw.wait_log("worker.suspect")
    assert told["crashes"] == 2 and len(deaths(gw)) == 2
    wait_for(lambda: len(workers(gw)) == 3)
    for _ in range(6):
        assert fatal(gw, None, **where).status == 422
    assert gw.ask("m").status == 200 and len(deaths(gw)) == 2 and len(gw.records("worker.suspect")) == 1


def test_nobody_is_suspected_of_a_kill(start):
    gw = start(ANY, workers=2)
    for n in range(3):
        streams = Streams(gw, 4, "mock?tokens=60&gap=30").wait_begun()
        os.kill(max(workers(gw), key=lambda w: w["streams"])["pid"], signal.SIGKILL)
        wait_for(lambda: len(workers(gw)) == 2 and len(gw.records("worker.exit")) == n + 1)
        streams.wait_over()
    assert not gw.records("worker.suspect") and suspects(gw) == []
    assert Streams(gw, 4, "mock?tokens=3&gap=3").wait_over().whole


# ---- a budget period

def test_the_master_killed_while_a_period_begins(start):
    """New in the database, old on the board that an orphan keeps alive: the next master mends it."""
    gw = start(ANY)
    short = gw.key(key_alias="short", max_budget=1.0, spend=0.999999, budget_duration="3s")
    other = gw.key(key_alias="other")
    assert gw.ask("m", key=short).status == 429
    arm(gw, "spend.reset", "kill")
    streams = Streams(gw, 4, "mock?tokens=200&gap=50", key=other, tag="on").wait_begun()
    expect_death(gw)
    assert gw.records("worker.orphan")
    assert gw.wait_log("budget.reset_mended")["keys"] == 1
    spend = {k["key_alias"]: k["spend"] for k in gw.ctl_json("keys", "list")["keys"]}
    assert spend["short"] == 0
    assert gw.ask("m", key=short).status == 200
    streams.wait_over()
    assert len(streams.whole) == 4


# ---- the ledger is down

def test_a_worker_is_replaced_while_the_ledger_is_down(books):
    """Its journal is kept, and booked when that can be done."""
    gw = books.gw
    books.more()
    streams = books.stream(12, "mock?tokens=60&gap=50")
    arm(gw, "spend.before_commit", "errno=EIO", "times=4000")
    gw.wait_log("ledger.down")
    for n in range(2):
        victim = max(workers(gw), key=lambda w: w["streams"])
        os.kill(victim["pid"], signal.SIGKILL)
        gw.wait_log("worker.unbooked", slot=victim["slot"])
        new = wait_for(lambda: len(workers(gw)) == 3 and workers(gw))
        assert victim["slot"] not in {w["slot"] for w in new}
        shown = gw.ctl_json("workers")["workers"]
        assert [w["state"] for w in shown if w["slot"] == victim["slot"]] == ["ended"]
        assert len(list((gw.tmp / "state" / "journal").iterdir())) == 4 + n
        assert gw.get("/livez", key=False).status == 200
    gw.ctl("fault", "set", "spend.before_commit", "off")
    gw.wait_log("ledger.up")
    wait_for(lambda: [w["state"] for w in gw.ctl_json("workers")["workers"]] == ["ready"] * 3)
    assert len(list((gw.tmp / "state" / "journal").iterdir())) == 3
    streams.wait_over()
    assert len(streams.broken) >= 2
    books.more()
    books.close()
