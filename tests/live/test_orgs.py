# SPDX-License-Identifier: MIT
"""Organizations: above teams and keys; and budgets that many share by their id."""
from decimal import Decimal

from test_limits import ONE, RESERVE, good, refused
from test_teams import flood, none_reserved, team


def org(gw, **fields):
    a = gw.post("/organization/new", {"organization_alias": "Science", **fields})
    assert a.status == 200, a
    return a.json["organization_id"]


def spend(gw, o):
    return Decimal(str(gw.get(f"/organization/info?organization_id={o}").json["spend"]))


def test_an_organizations_budget_over_two_teams(start, mock):
    """200 at once by keys of two teams, of users and of none, over three workers."""
    gw = start([("m", "mock?ttft=250&prompt=50&out=10")], workers=3)
    budget = ONE * 10 + RESERVE
    o = org(gw, max_budget=float(budget))
    gw.post("/user/new", {"user_id": "ada", "auto_create_key": False})
    teams = [team(gw, organization_id=o) for _ in range(2)]
    keys = [gw.key(team_id=teams[0]), gw.key(team_id=teams[1], user_id="ada"), gw.key(organization_id=o)]
    seen = flood(gw, 200, keys, "m", max_tokens=10)
    n = len(good(seen))
    assert len(seen) == 200 and 6 <= n <= 11 and n == len(mock.log())
    for e in refused(seen, 429):
        assert e["message"].startswith(f"Budget has been exceeded! Organization=Science ({o}) "), e
    while gw.ask("m", key=keys[0], max_tokens=10).status == 200:
        n += 1
    assert budget - RESERVE < spend(gw, o) == ONE * n <= budget
    assert gw.ask("m", key=gw.key(), max_tokens=10).status == 200
    none_reserved(gw)
    gw.spend_rows(wait_for=n + 1)
    gw.stop()
    gw.start()
    assert spend(gw, o) == ONE * n


def test_models_rates_and_block(start):
    gw = start([("m", "plain"), ("n", "plain")], workers=2)
    o = org(gw, organization_id="o", models=["m"], rpm_limit=50)
    k = gw.key(team_id=team(gw, organization_id=o))
    a = gw.ask("m", key=k)
    assert a.status == 200 and a.headers["x-ratelimit-organization-limit-requests"] == "50"
    assert gw.ask("n", key=k).json["error"]["type"] == "org_model_access_denied"
    change = {"organization_id": o, "blocked": True}
    assert gw.request("PATCH", "/organization/update", change).json["blocked"] is True
    assert gw.ask("m", key=k).status == 401
    assert gw.request("PATCH", "/organization/update", {**change, "blocked": False, "models": []}).status == 200
    assert gw.ask("n", key=k).status == 200


def test_the_answers_are_litellms(gw):
    o = org(gw, organization_id="o", max_budget=7)
    row = gw.get("/organization/info?organization_id=o").json
    assert row["litellm_budget_table"]["max_budget"] == 7 and row["organization_alias"] == "Science"
    assert row["teams"] == [] and row["members"] == []
    t = team(gw, organization_id=o)
    assert gw.get("/organization/list").json[0]["teams"][0]["team_id"] == t
    assert gw.post("/organization/new", {}).status == 400
    a = gw.request("DELETE", "/organization/delete", {"organization_ids": [o]})
    assert a.status == 400 and "still has teams" in a.json["error"]["message"]
    assert gw.post("/team/delete", {"team_ids": [t]}).status == 200
    a = gw.request("DELETE", "/organization/delete", {"organization_ids": [o]})
    assert a.status == 200 and a.json[0]["organization_id"] == o
    assert gw.get("/organization/info?organization_id=o").status == 404
    gw.ctl("orgs", "create", "Art", "--organization-id", "a")
    assert "Art" in gw.ctl("orgs", "list").stdout
    gw.ctl("orgs", "update", "a", "--max-budget", "3")
    assert gw.ctl_json("orgs", "show", "a")["max_budget"] == 3
    gw.ctl("--yes", "orgs", "delete", "a")


# ---- budgets -------------------------------------------------------------------------------------

def test_a_budget_changes_for_all_at_once(start):
    gw = start([("m", "mock?prompt=50&out=10")], workers=3)
    b = gw.post("/budget/new", {"budget_id": "free", "max_budget": 0, "rpm_limit": 1000, "budget_duration": "1d"}).json
    assert b["budget_id"] == "free" and b["budget_reset_at"]
    t = team(gw, budget_id="free")
    keys = [gw.key(budget_id="free"), gw.key(team_id=t), gw.key(budget_id="free", max_budget=1)]
    info = gw.get(f"/key/info?key={keys[0]}").json["info"]
    assert info["budget_id"] == "free" and info["budget_duration"] == "1d" and info["max_budget"] is None
    def asked():
        return [gw.ask("m", key=k, max_tokens=10).status for k in keys]
    assert asked() == [429, 429, 200]                   # its own is above the shared one
    assert gw.post("/budget/update", {"budget_id": "free", "max_budget": 1}).json["max_budget"] == 1
    assert asked() == [200, 200, 200]
    assert gw.ask("m", key=keys[0]).headers["x-litellm-key-rpm-limit"] == "1000"
    assert gw.post("/budget/update", {"budget_id": "free", "budget_duration": "7d"}).status == 200
    assert gw.get(f"/key/info?key={keys[0]}").json["info"]["budget_duration"] == "7d"
    gw.stop()
    gw.start()
    assert gw.post("/budget/update", {"budget_id": "free", "max_budget": 0}).status == 200
    assert asked() == [429, 429, 200]
    assert [x["budget_id"] for x in gw.post("/budget/info", {"budgets": ["free", "no"]}).json] == ["free"]
    assert [x["budget_id"] for x in gw.get("/budget/list").json] == ["free"]
    a = gw.post("/key/generate", {"budget_id": "no"})
    assert a.status == 400 and "There is no budget" in a.json["error"]["message"]
    assert gw.post("/team/new", {"budget_id": "no"}).status == 400
    assert gw.post("/budget/delete", {"id": "free"}).status == 200
    assert asked() == [200, 200, 200]
    gw.ctl("budgets", "create", "b", "--max-budget", "3")
    assert gw.ctl_json("budgets", "show", "b")[0]["max_budget"] == 3
    gw.ctl("budgets", "update", "b", "--max-budget", "4")
    assert "b" in gw.ctl("budgets", "list").stdout
    gw.ctl("--yes", "budgets", "delete", "b")
