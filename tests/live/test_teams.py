# SPDX-License-Identifier: MIT
"""Teams: what their keys may do together, exact over all workers, and said before the answer."""
import contextlib
import json
import os
import signal
import socket
import threading
from decimal import Decimal

from test_limits import ONE, RESERVE, good, read_whole, refused, request_bytes, until


def team(gw, **fields):
    a = gw.post("/team/new", fields)
    assert a.status == 200, a
    return a.json["team_id"]


def info(gw, t):
    return gw.get(f"/team/info?team_id={t}").json["team_info"]


def spend(gw, t):
    return Decimal(str(info(gw, t)["spend"]))


def flood(gw, n, keys, model, **extra):
    """n requests, the keys by turns, that are all there before the first is answered."""
    socks = []
    for i in range(n):
        s = socket.create_connection(("127.0.0.1", gw.port), 60)
        s.sendall(request_bytes(gw, keys[i % len(keys)], model, **extra))
        socks.append(s)
    seen = []
    for s in socks:
        with contextlib.suppress(ConnectionError, AssertionError):    # of a worker that was killed
            seen.append(read_whole(s))
        s.close()
    return seen


def none_reserved(gw):
    until(lambda: gw.metric("llmgw_reservations_open") == 0)
    assert gw.metric("llmgw_reserved_dollars") == 0


def flood_and_kill(gw, keys):
    """Three times a hundred requests, while a worker of three dies."""
    killed = []

    def kill_one():
        with contextlib.suppress(ProcessLookupError):
            pid = gw.children()[0]
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    for _ in range(3):
        timer = threading.Timer(0.1, kill_one)
        timer.start()
        refused(flood(gw, 100, keys, "m", max_tokens=10), 429, 503)
        timer.join()
        until(lambda: gw.metric("llmgw_reservations_open") == 0, 30)
        until(lambda: json.loads(gw.ctl("--json", "status", check=False).stdout)["workers"]["ready"] == 3, 30)
    assert killed
    none_reserved(gw)


# ---- dollars -------------------------------------------------------------------------------------

def test_a_teams_budget_is_never_overspent(start, mock):
    """U1, U2 one level up: 100 at once by five keys over three workers, a budget for ten."""
    gw = start([("m", "mock?ttft=250&prompt=50&out=10")], workers=3)
    budget = ONE * 10 + RESERVE
    t = team(gw, team_id="five", team_alias="Five", max_budget=float(budget))
    keys = [gw.key(team_id=t, max_budget=1) for _ in range(5)]
    seen = flood(gw, 100, keys, "m", max_tokens=10)
    assert len(seen) == 100
    errors = refused(seen, 429)
    n = len(good(seen))
    assert 6 <= n <= 11 and n == len(mock.log())
    for e in errors:
        assert e["type"] == "budget_exceeded" and e["code"] == "429"
        assert e["message"].startswith("Budget has been exceeded! Team=Five (five) Current cost: "), e
    assert spend(gw, t) == ONE * n <= budget
    while (a := gw.ask("m", key=keys[0], max_tokens=10)).status == 200:
        n += 1
    assert a.json["error"]["type"] == "budget_exceeded"
    assert budget - RESERVE < spend(gw, t) == ONE * n <= budget
    rows = gw.spend_rows(wait_for=n)
    assert len(rows) == n and {r["team_id"] for r in rows} == {t}
    assert sum(Decimal(str(gw.get(f"/key/info?key={k}").json["info"]["spend"])) for k in keys) == ONE * n
    assert gw.ask("m", key=gw.key(), max_tokens=10).status == 200     # nobody else's budget
    none_reserved(gw)


def test_a_keys_own_budget_counts_too(start):
    gw = start([("m", "mock?prompt=50&out=10")], workers=2)
    t = team(gw, max_budget=1)
    poor, rich = gw.key(team_id=t, max_budget=float(ONE + RESERVE), key_alias="poor"), gw.key(team_id=t)
    n = 0
    while (a := gw.ask("m", key=poor, max_tokens=10)).status == 200:
        n += 1
    assert n >= 1 and a.json["error"]["message"].startswith("Budget has been exceeded! Key=poor (")
    assert gw.ask("m", key=rich, max_tokens=10).status == 200
    assert spend(gw, t) == ONE * (n + 1)
    none_reserved(gw)


def test_never_overspent_while_workers_are_killed(start, mock):
    """U3 one level up, and nothing stays set aside."""
    gw = start([("m", "mock?ttft=150&prompt=50&out=10")], workers=3)
    budget = ONE * 10 + RESERVE
    t = team(gw, max_budget=float(budget))
    keys = [gw.key(team_id=t) for _ in range(5)]
    flood_and_kill(gw, keys)
    assert 0 < spend(gw, t) <= budget
    total = spend(gw, t)
    until(lambda: sum(Decimal(str(r["spend"])) for r in gw.spend_rows()) == total)
    assert {r["team_id"] for r in gw.spend_rows()} == {t}
    gw.check_logs()
    gw.stop()
    gw.start()                                          # from the database, what was cut included
    assert spend(gw, t) == total


def test_a_restart_keeps_what_a_team_has_spent(start):
    gw = start([("m", "mock?prompt=50&out=10")], workers=2)
    t = team(gw, max_budget=float(ONE * 3 + RESERVE))
    k = gw.key(team_id=t)
    for _ in range(2):
        assert gw.ask("m", key=k, max_tokens=10).status == 200
    gw.spend_rows(wait_for=2)
    gw.stop()
    gw.start()
    assert spend(gw, t) == ONE * 2
    gw.kill_all()
    gw.start()
    assert spend(gw, t) == ONE * 2
    while (a := gw.ask("m", key=k, max_tokens=10)).status == 200:
        pass
    assert a.status == 429 and spend(gw, t) <= ONE * 3 + RESERVE
    assert gw.post("/team/update", {"team_id": t, "max_budget": 1}).json["data"]["max_budget"] == 1
    assert gw.ask("m", key=k, max_tokens=10).status == 200


# ---- rates ---------------------------------------------------------------------------------------

def test_limits_are_exact_over_keys_and_workers(start, mock):
    gw = start([("m", "mock?ttft=30")], workers=3)
    t = team(gw, rpm_limit=5)                           # one comes back each 12 s
    keys = [gw.key(team_id=t, rpm_limit=100) for _ in range(4)]
    seen = flood(gw, 60, keys, "m")
    n = len(good(seen))
    assert 5 <= n <= 6 and len(mock.log()) == n
    for e in refused(seen, 429):
        assert e["type"] == "throttling_error"
        assert e["message"].startswith(f"Rate limit exceeded for team: {t}. Limit type: requests. Current limit: 5")
    h = good(seen)[0].headers
    assert h["x-ratelimit-team-limit-requests"] == "5" and h["x-ratelimit-api_key-limit-requests"] == "100"
    # what the team refuses costs the key nothing
    left = max(int(a.headers["x-ratelimit-api_key-remaining-requests"]) for a in seen if a.status == 429)
    assert left >= 97
    assert gw.post("/team/update", {"team_id": t, "rpm_limit": 1000}).status == 200
    assert {gw.ask("m", key=k).status for k in keys} == {200}


def test_tokens_a_minute_of_a_team(start):
    gw = start([("m", "mock?prompt=400&out=100")], workers=2)
    t = team(gw, tpm_limit=1000)
    a, b = gw.key(team_id=t), gw.key(team_id=t)
    assert gw.ask("m", key=a).status == gw.ask("m", key=b).status == 200      # 500 each, as counted
    refusal = gw.ask("m", "word " * 100, key=a)
    assert refusal.status == 429
    assert f"Rate limit exceeded for team: {t}. Limit type: tokens." in refusal.json["error"]["message"]
    assert refusal.headers["x-ratelimit-team-limit-tokens"] == "1000"


def test_parallel_requests_of_a_team(start, mock):
    gw = start([("m", "mock?ttft=800")], workers=3)
    t = team(gw, max_parallel_requests=3)
    keys = [gw.key(team_id=t) for _ in range(3)]
    seen = flood(gw, 12, keys, "m")
    assert len(good(seen)) == 3 == len(mock.log())
    assert all(f"exceeded for team: {t}. Limit type: max_parallel_requests. Current limit: 3" in e["message"]
               for e in refused(seen, 429))
    none_reserved(gw)


# ---- who may do what -----------------------------------------------------------------------------

def test_models_of_key_and_team(start):
    gw = start([("m", "plain"), ("n", "plain"), ("x/*", "plain")])
    t = team(gw, models=["m", "x/*"])
    k, narrow = gw.key(team_id=t), gw.key(team_id=t, models=["n", "m"])
    assert gw.ask("m", key=k).status == gw.ask("x/1", key=k).status == 200
    a = gw.ask("n", key=k)
    assert a.status == 403 and a.json["error"]["type"] == "team_model_access_denied", a
    assert a.json["error"]["param"] == "model"
    assert a.json["error"]["message"] == ("team not allowed to access model. This team can only access "
                                          "models=['m', 'x/*']. Tried to access n")
    assert gw.ask("n", key=narrow).json["error"]["type"] == "team_model_access_denied"
    assert gw.ask("x/1", key=narrow).json["error"]["type"] == "key_model_access_denied"
    shown = [m["id"] for m in gw.get("/v1/models", key=narrow).json["data"]]
    assert shown == ["m"]
    assert gw.post("/route/explain", {"model": "n", "key": k}).json["error"]["type"] == "team_model_access_denied"
    assert gw.post("/team/update", {"team_id": t, "models": []}).status == 200
    assert gw.ask("n", key=narrow).status == 200


def test_a_block_counts_before_it_is_answered(start):
    gw = start([("m", "plain")], workers=3)
    t = team(gw)
    keys = [gw.key(team_id=t) for _ in range(6)]
    for _ in range(5):
        assert gw.post("/team/block", {"team_id": t}).json["blocked"] is True
        for k in keys:
            a = gw.ask("m", key=k)
            assert a.status == 401 and a.json["error"]["type"] == "auth_error"
            assert f"Team={t} is blocked. Update via `/team/unblock`" in a.json["error"]["message"]
        assert gw.post("/team/unblock", {"team_id": t}).json["blocked"] is False
        assert {gw.ask("m", key=k).status for k in keys} == {200}
    assert gw.post("/team/delete", {"team_ids": [t]}).json == {"deleted_teams": [t]}
    for k in keys:
        assert gw.ask("m", key=k).json["error"]["type"] == "token_not_found_in_db"


def test_a_team_that_comes_after_its_keys(start):
    """LiteLLM takes a key of a team that nobody has made; with the team come its limits."""
    gw = start([("m", "plain")])
    k = gw.key(team_id="later")
    assert gw.ask("m", key=k).status == 200
    team(gw, team_id="later", blocked=True)
    assert gw.ask("m", key=k).status == 401
    assert gw.post("/key/update", {"key": k, "team_id": None}).status == 200
    assert gw.ask("m", key=k).status == 200


def test_a_key_changes_its_team(start):
    """At any time: what is under way is still the old team's."""
    gw = start([("m", "mock?prompt=50&out=10"), ("slow", "mock?tokens=500&gap=20")], workers=2)
    a, b = team(gw, team_id="a"), team(gw, team_id="b")
    k = gw.key(team_id=a)
    s = gw.stream("slow", key=k)
    next(s.events())
    assert gw.post("/key/update", {"key": k, "team_id": b}).status == 200
    assert gw.ask("m", key=k).status == 200
    assert spend(gw, b) == ONE and spend(gw, a) == 0
    s.leave()
    none_reserved(gw)
    until(lambda: spend(gw, a) > 0)
    assert spend(gw, b) == ONE
    rows = gw.spend_rows(wait_for=2)
    assert sorted(r["team_id"] for r in rows) == [a, b]


# ---- the commands --------------------------------------------------------------------------------

PATHS = [("POST", p) for p in ("/team/new", "/team/update", "/team/block", "/team/unblock", "/team/delete",
                               "/team/member_add", "/team/member_delete")] + \
        [("GET", "/team/info?team_id=t"), ("GET", "/team/list")]


def test_only_an_administrator(gw):
    team(gw, team_id="t")
    k = gw.key(team_id="t")
    for method, path in PATHS:
        a = gw.request(method, path, {"team_id": "t"} if method == "POST" else None, key=k)
        assert a.status == 401 and "Only proxy admin" in a.json["error"]["message"], (path, a)


def test_the_answers_are_litellms(gw):
    a = gw.post("/team/new", {"team_id": "t", "team_alias": "T", "models": ["m"], "max_budget": 5, "metadata": {"a": 1},
                              "members_with_roles": [{"role": "admin", "user_id": "ada"}], "team_member_budget": 3})
    row = a.json
    for field in ("team_id", "team_alias", "organization_id", "admins", "members", "members_with_roles", "metadata",
                  "tpm_limit", "rpm_limit", "max_budget", "budget_duration", "models", "blocked", "spend",
                  "max_parallel_requests", "budget_reset_at", "model_id", "created_at", "updated_at"):
        assert field in row, field
    assert row["members_with_roles"] == [{"user_id": "ada", "user_email": None, "role": "admin"}]
    assert "llmgw_warnings" not in row and row["team_member_budget_id"]
    assert row["metadata"] == {"a": 1, "team_member_budget": 3}
    assert gw.post("/team/new", {"team_id": "t"}).status == 400
    a = gw.post("/team/member_add", {"team_id": "t", "member": {"role": "user", "user_email": "bob@example.org"}})
    assert a.json["members_with_roles"][1]["user_email"] == "bob@example.org"
    assert len(a.json["updated_users"]) == 1 and len(a.json["updated_team_memberships"]) == 2
    k = gw.key(team_id="t", user_id="ada")
    whole = gw.get("/team/info?team_id=t").json
    assert list(whole) == ["team_id", "team_info", "keys", "team_memberships"]
    assert [x["user_id"] for x in whole["keys"]] == ["ada"] and whole["team_info"]["team_alias"] == "T"
    assert gw.post("/team/member_delete", {"team_id": "t", "user_id": "ada"}).json["members_with_roles"][0]["role"] == \
        "user"
    assert gw.ask("m", key=k).status == 401                # gone with its user
    assert [x["team_id"] for x in gw.get("/team/list").json] == ["t"]
    for path, body in (("/team/update", {"team_id": "no"}), ("/team/delete", {"team_ids": ["no"]})):
        a = gw.post(path, body)
        assert a.status == 404 and a.json["error"]["type"] == "not_found_error"
        assert "Team not found, passed team_id=no" in a.json["error"]["message"]
