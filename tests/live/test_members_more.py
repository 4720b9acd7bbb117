# SPDX-License-Identifier: MIT
"""Many users at once, the roles that there are, a budget's settings, and all spending set to nothing."""
from decimal import Decimal

from test_limits import ONE, RESERVE
from test_roles import user
from test_teams import spend, team


def test_many_users_at_once(gw):
    user(gw, "ada", user_email="ada@example.org")
    user(gw, "bob")
    a = gw.post("/user/bulk_update", {"users": [
        {"user_id": "ada", "max_budget": 5}, {"user_email": "ada@example.org", "rpm_limit": 7}, {"user_id": "no", "max_budget": 5},
        {"user_id": "bob", "user_role": "king"}, {"user_id": "bob", "max_budget": 0}]})
    assert a.status == 200, a
    assert (a.json["total_requested"], a.json["successful_updates"], a.json["failed_updates"]) == (5, 3, 2)
    r = a.json["results"]
    assert [x["success"] for x in r] == [True, True, False, False, True]
    assert r[1]["user_id"] == "ada" and r[1]["updated_user"]["max_budget"] == 5 and r[1]["updated_user"]["rpm_limit"] == 7
    assert r[2]["user_id"] == "no" and "There is no user" in r[2]["error"] and r[2]["updated_user"] is None
    assert "user_role must be" in r[3]["error"] and r[0]["error"] is None
    assert gw.ask("m", key=gw.key(user_id="bob")).status == 429         # it acts
    a = gw.post("/user/bulk_update", {"all_users": True, "user_updates": {"max_budget": 9, "user_id": "x"}})
    assert a.json["total_requested"] == a.json["successful_updates"] == 2, a
    assert {u["max_budget"] for u in gw.get("/user/list").json["users"]} == {9}
    for bad in ({}, {"users": []}, {"users": [1]}, {"users": "x"}, {"all_users": True}, {"all_users": True, "user_updates": {}},
                {"all_users": True, "users": [{"user_id": "ada"}], "user_updates": {"max_budget": 1}}):
        assert gw.post("/user/bulk_update", bad).status == 400, bad
    assert gw.post("/user/bulk_update", {"users": [{"user_id": "ada"}]}, key=gw.key(user_id="ada")).status == 401


def test_roles_and_settings(gw):
    k = gw.key()
    roles = gw.get("/user/available_roles", key=k).json
    assert list(roles) == ["proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer"]
    assert all(r["description"] and r["ui_label"] for r in roles.values())
    for role in roles:                                   # each is one that a user may have
        assert gw.post("/user/new", {"user_role": role, "auto_create_key": False}).status == 200
    gw.post("/budget/new", {"budget_id": "b", "max_budget": 2.5, "rpm_limit": 7, "budget_duration": "1d"})
    rows = {r["field_name"]: r for r in gw.get("/budget/settings?budget_id=b").json}
    assert {n: r["field_value"] for n, r in rows.items()} == {
        "max_budget": 2.5, "soft_budget": None, "rpm_limit": 7, "tpm_limit": None, "max_parallel_requests": None,
        "budget_duration": "1d"}
    assert {r["field_type"] for r in rows.values()} == {"Float", "Integer", "String"}
    assert rows["rpm_limit"]["stored_in_db"] is True and rows["tpm_limit"]["stored_in_db"] is False
    assert gw.get("/budget/settings?budget_id=no").status == 404 and gw.get("/budget/settings").status == 400
    assert gw.get("/budget/settings?budget_id=b", key=k).status == 401


def test_all_spending_set_to_nothing(start):
    gw = start([("m", "mock?prompt=50&out=10")], workers=2)
    user(gw, "root", "proxy_admin")
    t = team(gw, team_id="t", max_budget=float(ONE * 2 + RESERVE))
    k, alone = gw.key(team_id=t, user_id="root"), gw.key(max_budget=float(ONE + RESERVE))

    def own(key):
        return Decimal(str(gw.get(f"/key/info?key={key}").json["info"]["spend"]))

    def fill(key):
        n = 0
        while gw.ask("m", key=key, max_tokens=10).status == 200:
            n += 1
        return n
    first = fill(k), fill(alone)
    assert spend(gw, t) == own(k) == ONE * first[0] > 0 and own(alone) == ONE * first[1] > 0
    a = gw.post("/global/spend/reset", {}, key=gw.key(user_id="root"))   # an administrator, but not the master key
    assert a.status == 401 and own(k) == ONE * first[0]
    a = gw.post("/global/spend/reset", {})
    assert a.status == 200 and a.json["status"] == "success", a
    assert spend(gw, t) == own(k) == own(alone) == 0
    assert gw.records("spend.reset")[0]["entities"] == 3
    assert (fill(k), fill(alone)) == first
    rows = gw.spend_rows(wait_for=2 * sum(first))
    assert len(rows) == 2 * sum(first)                                   # the books know all
    gw.stop()
    gw.start()
    assert spend(gw, t) == own(k) == ONE * first[0] and own(alone) == ONE * first[1]
    assert any(r["command"] == "spend reset" for r in gw.get("/audit").json["audit_logs"])
