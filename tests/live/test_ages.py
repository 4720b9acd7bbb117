# SPDX-License-Identifier: MIT
"""D14: databases of before. One of each age, with rows in every table (tests/ages), is brought up
to date: nothing of it is lost, and sums are what they were. Some are opened by the program."""
import contextlib
import hashlib
import json
import pathlib
import shutil
import sqlite3
import subprocess

import pytest

from test_reliability import model

TESTS = pathlib.Path(__file__).resolve().parents[1]
STEPS = [p.read_text() for p in sorted((TESTS.parent / "sql").glob("[0-9]*.sql"))]
ROWS = [p.read_text() for p in sorted((TESTS / "ages").glob("[0-9]*.sql"))]
NEWEST = len(STEPS)
BUDGETED, BLOCKED, FREE, DELETED, LENT = (f"sk-age-{n}" for n in ("1-budgeted", "1-blocked", "1-free", "1-deleted", "4-lent"))
GRACED = (7, "sk-age-16-lent")                          # from that age on, for a while
RESERVED = 400                                          # of the request that was not over
LIMITS = {"m": {"budget_limit": 7, "time_period": "30d"}}       # of budget b-1


def migrate(db, since):
    for step in STEPS[since:]:
        db.executescript("BEGIN;" + step + ";COMMIT")


@pytest.fixture(scope="module")
def ages():
    """Age n: what programs of the ages 1 to n have left, one after the other."""
    assert len(ROWS) == NEWEST, "each step of sql/ has rows in tests/ages, as a program of its time writes them"
    out, db = {}, sqlite3.connect(":memory:")
    for n, (step, rows) in enumerate(zip(STEPS, ROWS), 1):
        db.executescript(step + rows)
        out[n] = db.serialize()
    db.close()
    return out


@contextlib.contextmanager
def opened(image):
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        db.deserialize(image)
        yield db


def tables(db):
    return [r[0] for r in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]


def content(db):
    """Rows of all tables by their primary keys."""
    out = {}
    for table in tables(db):
        key = [c["name"] for c in db.execute(f"PRAGMA table_info({table})") if c["pk"]]
        out[table] = {tuple(r[k] for k in key): dict(r) for r in db.execute(f"SELECT * FROM {table}")}
    return out


def one(db, sql):
    return db.execute(sql).fetchone()[0]


def expected(old, n):
    """Its rows as the newest program has them: as they were, but for what a migration says."""
    want = json.loads(json.dumps({t: [r for r in rows.values()] for t, rows in old.items()}, default=lambda b: b.hex()))
    if n < 5:
        del want["spend_daily"]                         # it is made anew of single requests
    if n < 4:
        for row in want["keys"] + want.get("teams", []):
            extra = json.loads(row["extra"])
            row["budget_id"] = extra.pop("budget_id", None)
            row["extra"] = json.dumps(extra, separators=(",", ":"))
    if 4 <= n < 16:
        for row in want["keys"] + want["teams"] + [t for t in want["tenants"] if t["kind"] in (4, 6, 7)]:
            if row["budget_id"] == "b-1":
                row["extra"] = json.dumps({**json.loads(row["extra"]), "model_max_budget_of_budget": LIMITS}, separators=(",", ":"))
    return want


@pytest.mark.parametrize("n", range(1, NEWEST + 1))
def test_nothing_of_an_age_is_lost(ages, n):
    with opened(ages[n]) as db:
        old = content(db)
        assert all(old.values()), [t for t, rows in old.items() if not rows]    # a table without rows shows nothing
        migrate(db, n)
        new = content(db)
        for table, rows in expected(old, n).items():
            had = [{k: v.hex() if isinstance(v, bytes) else v for k, v in r.items()} for r in new[table].values()]
            for row in rows:
                assert [r for r in had if r.items() >= row.items()], (table, row, had)
            assert len(had) == len(old[table]) or table == "spend_names", (table, had)
        cost = one(db, "SELECT sum(cost) FROM spend_logs")
        assert cost == sum(r["cost"] for r in old["spend_logs"].values()) >= 1500000579
        daily = "SELECT sum(%s) FROM spend_daily"
        assert one(db, daily % "cost") == cost and one(db, daily % "requests") == len(old["spend_logs"])
        for span in (0, 1):
            for kind in (0, 1, 7, 8, 9):
                assert one(db, f"SELECT sum(cost) FROM spend_totals WHERE span = {span} AND kind = {kind}") == cost, (span, kind)
        per_key = dict(db.execute("SELECT id, sum(cost) FROM spend_totals WHERE span = 0 AND kind = 1 GROUP BY id").fetchall())
        assert per_key == dict(db.execute("SELECT key_id, sum(cost) FROM spend_logs GROUP BY 1").fetchall())
        assert dict(db.execute("SELECT id, spend FROM keys WHERE id IN (1, 3, 5) AND spend > 0").fetchall()).items() <= per_key.items()
        users = {r["name"]: r["cost"] for r in db.execute(
            "SELECT name, sum(cost) AS cost FROM spend_totals t JOIN spend_names s ON s.id = t.id WHERE span = 0 AND kind = 3 GROUP BY 1")}
        assert users == {"u-1": per_key[1], "u-2": 500}
        assert one(db, "SELECT bytes FROM responses_total") == (9 if n >= 2 else 0)
        if n == 3:                                      # a member's own budget is a row of its own since then
            member = db.execute("SELECT name, alias, max_budget, spend FROM tenants WHERE kind = 5 AND owner = 1").fetchall()
            assert [tuple(r) for r in member] == [("u-1", "u-1@example.com", 700000000, 0)]
        for trigger in ("DELETE FROM tenants WHERE id = 104", "DELETE FROM keys WHERE id = 3"):
            db.execute(trigger)
        assert one(db, "SELECT count(*) FROM model_limits WHERE kind = 18 OR kind = 10") == 0
        assert one(db, "PRAGMA integrity_check") == "ok"


# ---- opened by the program

# What only the program can make: sealed with its key, or chained. Taken from a database of today.
MADE = {6: ("seal", "objects", "config_history"), 7: ("audit",), 13: ("spend_text_keys", "spend_texts")}


@pytest.fixture
def today(start, mock):
    """A gateway that has stopped, with a model and a setting of its own, and its database."""
    gw = start([model(mock)], "general_settings:\n  store_model_in_db: true\n", workers=1)
    added = gw.post("/model/new", {"model_name": "own", "litellm_params": {
        "model": "openai/plain", "api_base": mock.base + "/v1", "api_key": "sk-own"}, "model_info": {"id": "id-own"}})
    assert added.status == 200, added
    gw.stop()
    shutil.move(gw.tmp / "state", gw.tmp / "today")
    return gw


def lay(gw, image, n):
    """The state directory of a program of that age, which has ended. The database's id is today's."""
    state = gw.tmp / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(mode=0o700)
    (state / "llmgw.db").write_bytes(image)
    (state / "llmgw.db").chmod(0o600)
    with contextlib.closing(sqlite3.connect(state / "llmgw.db")) as db:
        db.execute("ATTACH ? AS today", (str(gw.tmp / "today/llmgw.db"),))
        db.execute("DROP TRIGGER IF EXISTS audit_kept")
        for table in [t for since, made in MADE.items() if since <= n for t in made]:
            db.execute(f"DELETE FROM main.{table}")
            db.execute(f"INSERT INTO main.{table} SELECT * FROM today.{table}")
        if n >= 7:
            db.execute("CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN "
                       "SELECT RAISE(ABORT, 'the audit log is append-only'); END")
        db.execute(f"PRAGMA application_id={db.execute('PRAGMA today.application_id').fetchone()[0]}")
        db.execute(f"PRAGMA user_version={n}")
        db.commit()
    return state / "llmgw.db"


def test_ages_that_the_program_opens(today, ages):
    gw = today
    for n in (1, 4, 8, 13, 15, NEWEST - 1):
        path = lay(gw, ages[n], n)
        with opened(ages[n]) as db:
            spent = one(db, "SELECT sum(cost) FROM spend_logs") + RESERVED
        gw.start()
        assert [gw.ask("m", key=k).status for k in (BLOCKED, DELETED, "sk-age-1-nobody")] == [401] * 3, n
        keys = {k["key_alias"]: k for k in gw.ctl_json("keys", "list")["keys"]}
        assert round(keys["budgeted"]["spend"] * 1e9) == 1500000000 + (200 if n >= 3 else 0)
        assert keys["budgeted"]["max_budget"] == 3 and keys["budgeted"]["models"] == ["m"]
        assert round(keys["free"]["spend"] * 1e9) == 70 + RESERVED      # booked, as nobody knows what it came to
        assert keys["blocked"]["blocked"] and keys["blocked"]["spend"] == 0
        total = gw.ctl_json("spend", "report", "--start-date", "2026-01-01")["total"]["spend"]
        assert round(total * 1e9) == spent, n
        assert gw.ask("m", key=BUDGETED).status == gw.ask("m", key=FREE).status == 200, n
        if n >= 4:
            assert gw.ask("m", key=LENT).status == 200
            lent = gw.get(f"/key/info?key={LENT}").json["info"]
            assert lent["budget_id"] == "b-1" and lent["model_max_budget_of_budget"] == LIMITS and lent["model_spend"]["m"] > 0
            team = gw.get("/team/info?team_id=t-1").json["team_info"]
            assert (team["spend"], team["max_budget"], team["budget_id"]) == (2e-7 + 23e-6, 9, "b-1"), team      # and the request
            assert {m["user_id"]: m["role"] for m in team["members_with_roles"]} == {"u-1": "admin", "u-2": "user"}
            assert gw.get("/customer/info?end_user_id=c-1").json["spend"] == 1.0000002
            assert gw.get("/user/info?user_id=u-1").json["user_info"]["max_budget"] == 5
            assert "u-1" in gw.get("/organization/info?organization_id=o-1").body.decode()
        if n >= GRACED[0]:
            assert gw.ask("m", key=GRACED[1]).status == 200, n
            assert gw.ask("own").status == 200, n               # unsealed
            assert gw.ctl_json("audit", "verify")["ok"] is True
        gw.spend_rows(wait_for=1)
        gw.stop()
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert one(db, "PRAGMA user_version") == NEWEST
            assert one(db, "PRAGMA integrity_check") == "ok"
            assert one(db, "SELECT count(*) FROM open_intents") == 0


def test_a_database_of_a_newer_program(today, ages):
    """It is left alone, and what to do is said."""
    gw = today
    path = lay(gw, ages[NEWEST], NEWEST + 1)
    before = hashlib.sha256(path.read_bytes()).digest()
    said = subprocess.run(gw.command(), capture_output=True, text=True, timeout=20)
    assert said.returncode == 1, said
    assert f"the database has schema {NEWEST + 1}, this llmgw knows up to {NEWEST}: install the newer llmgw again, " \
           "or restore a backup of its time" in said.stderr, said.stderr
    assert hashlib.sha256(path.read_bytes()).digest() == before
