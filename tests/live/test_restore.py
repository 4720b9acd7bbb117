# SPDX-License-Identifier: MIT
"""`llmgwctl restore`: a backup takes the database's place. What was there stays beside it, what is no
whole database of ours is refused, and a kill at any moment leaves the old one or the new one."""
import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess

import pytest

from test_ctl import CTL, make, run


@pytest.fixture
def gw(tmp_path, mock_process):
    g = make(tmp_path, mock_process)
    g.start()
    yield g
    g.stop()


def restore(gw, file, *args, **kw):
    return run("--json", "restore", file, "--state-dir", gw.tmp / "state", *args, **kw)


def answer(p):
    assert p.returncode == 0, p
    return json.loads(p.stdout)


def replaced(gw):
    return sorted((gw.tmp / "state").glob("replaced-*"))


def test_the_backups_moment_comes_back(gw):
    before = gw.key(key_alias="before")
    assert gw.ask("m", key=before).status == 200
    gw.spend_rows(wait_for=1)
    gw.ctl("backup", str(gw.tmp / "copy.db"))
    after = gw.key(key_alias="after")
    assert gw.ask("m", key=after).status == 200
    gw.ctl("keys", "block", "before")
    gw.spend_rows(wait_for=2)

    p = restore(gw, gw.tmp / "copy.db", "--yes")
    assert p.returncode == 6 and "a worker of the gateway" in p.stderr and "systemctl stop" in p.stderr, p
    assert restore(gw, gw.tmp / "copy.db", "--dry-run").returncode == 6
    gw.stop()
    p = restore(gw, gw.tmp / "copy.db")
    assert p.returncode == 2 and "Restore '" in p.stderr and "--yes" in p.stderr, p
    told = answer(restore(gw, gw.tmp / "copy.db", "--dry-run"))
    assert told["restored"] is False and told["keys"] == 1 and told["schema"] == told["newest_schema"]
    assert not replaced(gw)

    p = restore(gw, gw.tmp / "copy.db", "--yes")
    told = answer(p)
    assert told["restored"] is True and "work again" in p.stderr
    assert [str(d) for d in replaced(gw)] == [told["replaced"]]
    with contextlib.closing(sqlite3.connect(replaced(gw)[0] / "llmgw.db")) as db:
        assert db.execute("SELECT count(*) FROM keys").fetchone() == (2,)
    assert (gw.tmp / "state" / "llmgw.db").stat().st_mode & 0o777 == 0o600

    gw.start()
    assert gw.ask("m", key=after).status == 401
    assert len(gw.spend_rows()) == 1
    assert gw.ask("m", key=before).status == 200
    assert len(gw.spend_rows(wait_for=2)) == 2
    audit = gw.ctl_json("audit", "verify")
    assert audit["ok"] and audit["rows"] > told["audit_rows"]
    rows = gw.ctl_json("audit", "list", "--action", "ran")["audit_logs"]
    assert "restore" in [r["command"] for r in rows] and not gw.records("store.restored")


def test_journals_stay_with_the_database_that_they_belong_to(gw):
    gw.ctl("backup", str(gw.tmp / "copy.db"))
    for _ in range(20):
        assert gw.ask("m").status == 200
    gw.kill_all()
    assert list((gw.tmp / "state" / "journal").glob("*.j"))
    answer(restore(gw, gw.tmp / "copy.db", "--yes"))
    kept = replaced(gw)[0]
    assert list((kept / "journal").glob("*.j"))
    gw.start()
    assert gw.spend_rows() == []
    gw.stop()
    # and they are all that it needs to go on where it was
    shutil.move(kept, gw.tmp / "kept")
    shutil.rmtree(gw.tmp / "state")
    shutil.move(gw.tmp / "kept", gw.tmp / "state")
    gw.start()
    assert len(gw.spend_rows(wait_for=20)) == 20


def test_a_copy_with_its_log_beside_it(gw):
    gw.key(key_alias="in-the-log")
    gw.kill_all()
    for name in ("llmgw.db", "llmgw.db-wal"):
        shutil.copy(gw.tmp / "state" / name, gw.tmp / name)
    assert os.path.getsize(gw.tmp / "llmgw.db-wal") > 0
    assert answer(restore(gw, gw.tmp / "llmgw.db", "--yes"))["keys"] == 1
    gw.start()
    assert "in-the-log" in gw.ctl("keys", "list").stdout


def spoil(path, statement):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(statement)


BAD = {
    "another program's": (lambda p: (p.unlink(), spoil(p, "CREATE TABLE x (y)")), "is not a database of llmgw"),
    "newer": (lambda p: spoil(p, "PRAGMA user_version=4000"), "has schema 4000"),
    "text": (lambda p: p.write_text("no database " * 1000), "damaged or no database"),
    "empty": (lambda p: p.write_bytes(b""), "is not a database of llmgw"),
    "cut off": (lambda p: os.truncate(p, p.stat().st_size // 2), "damaged"),
    "damaged": (lambda p: p.write_bytes(p.read_bytes()[:8192] + b"\xaa" * 8192 + p.read_bytes()[16384:]), "damaged"),
    "altered": (lambda p: spoil(p, "DROP TRIGGER audit_unchanged; UPDATE audit SET changed_by='x' WHERE number=1"),
                "audit log was altered at row 1"),
    "half written": (lambda p: p.with_name(p.name + "-journal").write_text("x"), "was not finished"),
    "gone": (lambda p: p.unlink(), "No such file"),
}


def test_what_is_no_whole_database_of_ours_is_refused(gw):
    gw.key(key_alias="stays")
    gw.ctl("backup", str(gw.tmp / "good.db"))
    gw.stop()
    was = hashlib.sha256((gw.tmp / "state" / "llmgw.db").read_bytes()).hexdigest()
    for name, (make_bad, says) in BAD.items():
        bad = gw.tmp / f"{name}.db"
        shutil.copy(gw.tmp / "good.db", bad)
        make_bad(bad)
        for args in (["--dry-run"], ["--yes"]):
            p = restore(gw, bad, *args)
            assert p.returncode == (5 if name == "gone" else 1) and says in p.stderr, (name, args, p)
    p = restore(gw, gw.tmp / "state" / "llmgw.db", "--yes")
    assert p.returncode == 2 and "is the database that is in use" in p.stderr, p
    p = run("restore", gw.tmp / "good.db", "--state-dir", gw.tmp / "nowhere", "--yes")
    assert p.returncode == 1 and "--state-dir says where" in p.stderr, p
    assert hashlib.sha256((gw.tmp / "state" / "llmgw.db").read_bytes()).hexdigest() == was
    assert not replaced(gw) and not (gw.tmp / "state" / "restore.part").exists()


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>
static void count(void)
{
	static int n;
	const char *at = getenv("DIE_AT");
	if (at && ++n == atoi(at))
		kill(getpid(), SIGKILL);
}
#define WRAP(type, name, params, ...)                                                              \
	type name params                                                                           \
	{                                                                                          \
		type (*next) params = (type (*) params)dlsym(RTLD_NEXT, #name);                    \
		count();                                                                           \
		return next(__VA_ARGS__);                                                          \
	}
WRAP(int, renameat, (int a, const char *b, int c, const char *d), a, b, c, d)
WRAP(int, unlinkat, (int a, const char *b, int c), a, b, c)
WRAP(int, mkdirat, (int a, const char *b, mode_t c), a, b, c)
WRAP(int, fsync, (int a), a)
WRAP(int, fdatasync, (int a), a)
WRAP(ssize_t, write, (int a, const void *b, size_t c), a, b, c)
"""


def test_killed_at_every_step_it_is_the_old_one_or_the_new_one(gw):
    """Before each call that changes the disk; the next start makes it whole, or the next restore does."""
    (gw.tmp / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", gw.tmp / "shim.so", gw.tmp / "shim.c", "-ldl"], check=True)
    if b"libasan" in subprocess.run(["ldd", CTL], capture_output=True, check=True).stdout:
        pytest.skip("the sanitizer wants to be loaded first")
    gw.key(key_alias="old")
    gw.ctl("backup", str(gw.tmp / "copy.db"))
    gw.ctl("keys", "create", "--key-alias", "newer")
    for _ in range(5):
        assert gw.ask("m").status == 200
    gw.spend_rows(wait_for=5)
    gw.kill_all()                              # with a log and journals
    shutil.copytree(gw.tmp / "state", gw.tmp / "template")
    seen, step, finished = set(), 0, 0
    while True:
        step += 1
        shutil.rmtree(gw.tmp / "state")
        shutil.copytree(gw.tmp / "template", gw.tmp / "state")
        p = restore(gw, gw.tmp / "copy.db", "--yes",
                    env={"LD_PRELOAD": str(gw.tmp / "shim.so"), "DIE_AT": str(step)})
        if p.returncode == 0:
            break
        assert p.returncode == -signal.SIGKILL, p
        gw.start()
        aliases = {k["key_alias"] for k in gw.ctl_json("keys", "list")["keys"]}
        rows = len(gw.spend_rows())
        assert (aliases, rows) in (({"old", "newer"}, 5), ({"old"}, 0)), (step, aliases, rows)
        seen.add(rows)
        gw.stop()
        assert not list((gw.tmp / "state").glob("restore.ready"))
        assert (len(replaced(gw)) == 1) == (rows == 0)
        finished += len(gw.records("store.restored"))
        assert answer(restore(gw, gw.tmp / "copy.db", "--yes"))["keys"] == 1
        assert not list((gw.tmp / "state").glob("restore.*"))
    assert seen == {0, 5} and step > 15 and finished, (seen, step)
    gw.start()
    assert {k["key_alias"] for k in gw.ctl_json("keys", "list")["keys"]} == {"old"}


def test_restore_needs_no_gateway_and_makes_nothing_up(tmp_path):
    assert "restore" in run("--help").stdout
    p = run("restore", tmp_path / "x.db", "--state-dir", tmp_path, "--dry-run")
    assert p.returncode == 5 and os.listdir(tmp_path) == [], p
