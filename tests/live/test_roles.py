# SPDX-License-Identifier: MIT
"""What a key may do that is no administrator's: its user's role says."""
import pytest

from test_teams import team


def user(gw, name, role="internal_user", **fields):
    a = gw.post("/user/new", {"user_id": name, "user_role": role, **fields})
    assert a.status == 200, a
    return a.json["key"]


def test_an_internal_user_manages_its_own_keys(gw):
    ada, bob = user(gw, "ada"), user(gw, "bob")
    a = gw.post("/key/generate", {"key_alias": "mine", "user_id": "bob", "spend": 3}, key=ada)
    assert a.status == 200 and a.json["user_id"] == "ada" and a.json["spend"] == 0
    mine = a.json["key"]
    assert gw.ask("m", key=mine).status == 200
    assert len(gw.get("/key/list", key=ada).json["keys"]) == 2
    assert gw.get("/key/list?user_id=bob", key=ada).json["keys"] == []
    assert gw.get(f"/key/info?key={mine}", key=ada).json["info"]["key_alias"] == "mine"
    assert gw.get(f"/key/info?key={bob}", key=ada).status == 404        # a stranger's is unknown
    assert gw.post("/key/update", {"key": mine, "key_alias": "m2"}, key=ada).json["key_alias"] == "m2"
    for field in ({"max_budget": 9}, {"blocked": False}, {"organization_id": None}, {"spend": 0}, {"models": []}):
        a = gw.post("/key/update", {"key": mine, **field}, key=ada)
        assert a.status == 403 and "Only a proxy admin may set" in a.json["error"]["message"], a
    for path, body in (("/key/update", {"key": bob, "key_alias": "x"}), ("/key/regenerate", {"key": bob}),
                       ("/key/delete", {"keys": [bob]})):
        assert gw.post(path, body, key=ada).status == 404
    new = gw.post("/key/regenerate", {"key": mine}, key=ada).json["key"]
    assert gw.ask("m", key=mine).status == 401 and gw.ask("m", key=new).status == 200
    assert gw.post("/key/delete", {"keys": [new]}, key=ada).status == 200
    assert gw.ask("m", key=bob).status == 200
    assert gw.get("/user/info", key=ada).json["user_id"] == "ada"
    assert gw.get("/user/info?user_id=bob", key=ada).status == 404
    for path in ("/key/block", "/key/unblock", "/user/new", "/user/update", "/user/delete", "/team/new", "/budget/new"):
        a = gw.post(path, {"key": ada, "user_id": "x"}, key=ada)
        assert a.status == 401 and "Only proxy admin" in a.json["error"]["message"], (path, a)
    assert gw.get("/user/list", key=ada).status == gw.get("/customer/list", key=ada).status == 401


def test_no_key_makes_one_that_may_more(gw):
    user(gw, "ada", auto_create_key=False)
    org = gw.post("/organization/new", {"organization_alias": "o"}).json["organization_id"]
    k = gw.key(user_id="ada", max_budget=2, rpm_limit=5, models=["m"], duration="1h", organization_id=org)
    for asked in ({}, {"max_budget": 100, "budget_duration": "1s", "rpm_limit": 100, "models": [], "duration": "9d"},
                  {"models": ["m", "n"]}, {"models": ["*"]}):
        row = gw.post("/key/generate", asked, key=k).json
        assert (row["max_budget"], row["rpm_limit"], row["models"], row["organization_id"]) == (2, 5, ["m"], org), asked
        assert row["budget_duration"] is None and row["expires"] <= gw.get(f"/key/info?key={k}").json["info"]["expires"]
    row = gw.post("/key/generate", {"max_budget": 1, "rpm_limit": 2, "models": ["m"]}, key=k).json
    assert (row["max_budget"], row["rpm_limit"]) == (1, 2)
    gw.post("/budget/new", {"budget_id": "b", "max_budget": 3})
    k = gw.key(user_id="ada", budget_id="b")
    row = gw.post("/key/generate", {"max_budget": 100, "rpm_limit": 7}, key=k).json
    assert row["budget_id"] == "b" and row["max_budget"] is None


def test_nor_by_its_metadata(gw):
    user(gw, "ada", auto_create_key=False)
    gw.key(user_id="ada")
    k = gw.key(user_id="ada", max_budget=2, metadata={"priority": 7, "mine": 1})
    more = {"temp_budget_increase": 1000, "temp_budget_expiry": "2100-01-01"}
    for asked in (more, {"metadata": {**more, "note": "x"}}, {"metadata": {"priority": 0, "note": "x"}},
                  {"metadata": {"priority": "prod"}}, {}, '{"metadata": {"prior\\u0069ty": 0, "temp_budget\\u005fincrease": 9}}'):
        made = gw.post("/key/generate", asked, key=k)
        row = gw.get("/key/info?key=" + made.json["key"]).json["info"]
        note = {"note": "x"} if "note" in str(asked) else {}
        assert row["max_budget"] == 2 and row["metadata"] == {"priority": 7, **note}, (asked, row)
    plain = gw.key(user_id="ada")
    assert gw.post("/key/generate", {"metadata": {"priority": "prod", "note": "x"}}, key=plain).json["metadata"] == {"note": "x"}


def test_nor_by_a_burst(gw):
    user(gw, "ada", auto_create_key=False)
    k = gw.key(user_id="ada", rpm_limit=3)
    for asked in ({"rpm_burst": 1000}, {"rpm_limit": 3, "rpm_burst": 1000}):
        made = gw.post("/key/generate", asked, key=k).json
        assert made["rpm_limit"] == 3 and not made.get("rpm_burst")
        assert [gw.ask("m", key=made["key"]).status for _ in range(5)] == [200, 200, 200, 429, 429]
    free = gw.post("/key/generate", {"rpm_limit": 3, "rpm_burst": 5}, key=gw.key(user_id="ada")).json
    assert free["rpm_burst"] == 5


def test_nobody_else_says_for_whom_a_change_is(gw):
    ada = user(gw, "ada")
    for key, by in ((None, "root"), (ada, gw.get("/key/info", key=ada).json["key"])):
        assert gw.post("/key/generate", {}, key=key, headers={"litellm-changed-by": "root"}).json["created_by"] == by
        assert gw.get("/audit?page_size=1").json["audit_logs"][0]["changed_by"] == by


def test_teams(gw):
    ada, bob = user(gw, "ada"), user(gw, "bob")
    for name in ("phys", "math"):
        team(gw, team_id=name, members_with_roles=[{"role": "admin", "user_id": "ada" if name == "phys" else "eve"}])
    assert [t["team_id"] for t in gw.get("/team/list", key=ada).json] == ["phys"]
    assert gw.get("/team/info?team_id=math", key=ada).status == 404
    a = gw.post("/team/member_add", {"team_id": "phys", "member": {"user_id": "bob", "role": "user"}}, key=ada)
    assert a.status == 200, a
    assert gw.post("/team/member_update", {"team_id": "phys", "user_id": "bob", "rpm_limit": 9}, key=ada).status == 200
    for caller, where in ((ada, "math"), (bob, "phys"), (bob, "no")):
        for path, more in (("/team/member_add", {"member": {"user_id": "x", "role": "user"}}),
                           ("/team/member_update", {"user_id": "bob", "role": "admin"}),
                           ("/team/member_delete", {"user_id": "ada"})):
            assert gw.post(path, {"team_id": where, **more}, key=caller).status == 403, (path, where)
    k = gw.post("/key/generate", {"team_id": "phys"}, key=bob).json["key"]
    assert gw.post("/key/generate", {"team_id": "math"}, key=bob).status == 403
    # a key of a team makes keys of a team
    assert gw.post("/key/generate", {}, key=k).json["team_id"] == "phys"
    gw.key(team_id="phys", user_id="carl")
    assert len(gw.get("/team/info?team_id=phys", key=ada).json["keys"]) == 3
    assert {x["user_id"] for x in gw.get("/team/info?team_id=phys", key=bob).json["keys"]} == {"bob"}
    assert gw.post("/team/member_delete", {"team_id": "phys", "user_id": "bob"}, key=ada).status == 200
    assert gw.ask("m", key=k).status == 401


@pytest.mark.parametrize("role, reads, writes", [
    ("proxy_admin", True, True), ("proxy_admin_viewer", True, False), ("internal_user_viewer", False, False)])
def test_other_roles(gw, role, reads, writes):
    k = user(gw, "u", role)
    assert (gw.get("/user/list", key=k).status == 200) is reads
    assert (gw.post("/team/new", {"team_id": "t"}, key=k).status == 200) is writes
    assert (gw.post("/key/generate", {}, key=k).status == 200) is writes
    assert gw.get("/user/info?user_id=u", key=k).status == 200
    assert gw.get(f"/key/info?key={k}", key=k).status == 200
    if role == "proxy_admin":           # the role is for management: its own limits hold
        assert gw.post("/user/update", {"user_id": "u", "max_budget": 0}, key=k).status == 200
    assert gw.post("/user/update", {"user_id": "u", "user_role": "internal_user"}).status == 200
    assert gw.get("/user/list", key=k).status == 401


def test_a_key_with_rules_looks_and_makes_none_without(gw):
    user(gw, "eve")
    key = gw.key(user_id="eve", allowed_routes=["/key", "/v1/models"])
    other = gw.key(user_id="eve")
    assert gw.get("/key/list", key=key).status == 200
    for path, body in (("/key/generate", {}), ("/key/regenerate", {"key": other}), ("/key/update", {"key": key}),
                       (f"/key/{other}/regenerate", {}), ("/key/delete", {"keys": [other]})):
        assert gw.post(path, body, key=key).status == 401, path
    assert gw.post(f"/key/{other}/regenerate", {"grace_period": "1h"}, key=other).status == 200


def test_a_user_sees_its_own_requests(gw):
    ada, bob, viewer = user(gw, "ada"), user(gw, "bob"), user(gw, "vic", "internal_user_viewer")
    team(gw, team_id="t", members_with_roles=[{"user_id": "ada", "role": "user"}])
    for k in (ada, gw.key(user_id="ada", team_id="t"), bob, viewer, gw.key()):
        assert gw.ask("m", key=k).status == 200
    rows = gw.spend_rows(wait_for=5)
    cost = sum(r["spend"] for r in rows if r["user"] == "ada")
    for key, who, n in ((ada, "ada", 2), (bob, "bob", 1), (viewer, "vic", 1)):
        got = gw.get("/spend/logs", key=key).json
        assert len(got) == n and {r["user"] for r in got} == {who}
        for path in ("v2", "ui"):
            page = gw.get(f"/spend/logs/{path}?start_date=2020-01-01&end_date=2100-01-01", key=key).json
            assert page["total"] == n and {r["user"] for r in page["data"]} == {who}
    others = next(r["request_id"] for r in rows if r["user"] == "bob")
    for query in (f"request_id={others}", "user_id=bob", "user_id=bob&summarize=true"):
        assert gw.get(f"/spend/logs?{query}", key=ada).json == [], query
    days = gw.get("/spend/logs?summarize=true", key=ada).json
    assert len(days) == 1 and abs(days[0]["spend"] - cost) < 1e-9 and list(days[0]["users"]) == ["ada"]
    assert list(days[0]["models"]) == ["m"] and days == gw.get("/spend/logs?summarize=true&user_id=ada").json
    assert len(gw.get("/spend/logs?summarize=true").json[0]["users"]) == 4       # "" is who has no user
    assert gw.get("/spend/logs?texts=true", key=ada).status == 403
    for path in ("/spend/keys", "/spend/users", "/global/spend", "/spend/export"):
        assert gw.get(path, key=ada).status == 401, path
    assert gw.get("/spend/logs", key=gw.key()).status == 401
