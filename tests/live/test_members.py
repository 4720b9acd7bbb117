# SPDX-License-Identifier: MIT
"""Members: taken into teams in one call, held to what their team permits; a team's models by single names."""
import pytest

from test_roles import user
from test_teams import info, team


def add(gw, t, name, role="user", key=None):
    a = gw.post("/team/member_add", {"team_id": t, "member": {"user_id": name, "role": role}}, key=key)
    assert a.status == 200, a


# ---- many members --------------------------------------------------------------------------------

def test_many_members_at_once(gw):
    t = team(gw, team_id="t")
    add(gw, t, "ada")
    a = gw.post("/team/bulk_member_add", {"team_id": t, "max_budget_in_team": 2, "members": [
        {"user_id": "ada", "role": "admin"}, {"user_id": "bob", "role": "admin"}, {"user_email": "c@example.org"}]})
    assert a.status == 200, a
    assert (a.json["total_requested"], a.json["successful_additions"], a.json["failed_additions"]) == (3, 2, 1)
    assert [r["success"] for r in a.json["results"]] == [False, True, True]
    assert a.json["results"][0]["error"] == "User=ada is already in team=t" and a.json["results"][1]["error"] is None
    assert [(m["user_id"], m["role"]) for m in a.json["updated_team"]["members_with_roles"][:2]] == \
        [("ada", "user"), ("bob", "admin")]
    tables = [m["litellm_budget_table"] for m in gw.get("/team/info?team_id=t").json["team_memberships"]]
    assert [x and x["max_budget"] for x in tables] == [None, 2, 2]      # who was in it keeps what it had
    for body in ({}, {"members": []}, {"members": [{}]}, {"members": [{"user_id": "x"}], "all_users": True},
                 {"members": 3}, {"members": [{"user_id": "x", "role": "king"}]}):
        assert gw.post("/team/bulk_member_add", {"team_id": t, **body}).status == 400, body
    assert len(info(gw, t)["members_with_roles"]) == 3                   # and nothing was begun
    assert gw.post("/team/bulk_member_add", {"team_id": "no", "all_users": True}).status == 404
    keys = {n: user(gw, n) for n in ("ada", "dan", "eve")}
    a = gw.post("/team/bulk_member_add", {"team_id": t, "all_users": True}).json
    assert (a["total_requested"], a["successful_additions"]) == (3, 2)
    # an admin of the team adds whom it knows, and does not learn who else there is
    assert gw.post("/team/bulk_member_add", {"team_id": t, "members": [{"user_id": "f"}]}, key=keys["ada"]).status == 403
    gw.post("/team/member_update", {"team_id": t, "user_id": "ada", "role": "admin"})
    assert gw.post("/team/bulk_member_add", {"team_id": t, "members": [{"user_id": "f"}]}, key=keys["ada"]).status == 200
    assert gw.post("/team/bulk_member_add", {"team_id": t, "all_users": True}, key=keys["ada"]).status == 401
    # the limit acts
    gw.post("/team/member_update", {"team_id": t, "user_id": "bob", "max_budget_in_team": 0})
    a = gw.ask("m", key=gw.key(team_id=t, user_id="bob"))
    assert a.status == 429 and "TeamMember=" in a.json["error"]["message"], a


# ---- models by name ------------------------------------------------------------------------------

def test_single_models(start):
    gw = start([("m", "plain"), ("n", "plain")], workers=2)
    t = team(gw, team_id="t", models=["m"])
    k = gw.key(team_id=t)

    def change(what, *models):
        return gw.post(f"/team/model/{what}", {"team_id": t, "models": list(models)})
    assert gw.ask("n", key=k).status == 403
    a = change("add", "n", "m", "n2")
    assert a.status == 200 and a.json["models"] == ["m", "n", "n2"] and a.json["team_id"] == t
    assert gw.ask("n", key=k).status == 200
    assert change("delete", "m", "unknown").json["models"] == ["n", "n2"]
    assert gw.ask("m", key=k).status == 403
    # an empty list would mean everything
    a = change("delete", "n", "n2")
    assert a.status == 400 and a.json["error"]["param"] == "models", a
    assert info(gw, t)["models"] == ["n", "n2"] and gw.ask("m", key=k).status == 403
    gw.post("/team/update", {"team_id": t, "models": ["!n", "m"]})
    assert change("delete", "m").status == 400          # what is only left out leaves all the rest
    assert change("delete", "!n").json["models"] == ["m"]
    # and adding takes nothing away
    gw.post("/team/update", {"team_id": t, "models": []})
    assert change("add", "m").json["models"] == ["all-proxy-models", "m"]
    assert gw.ask("n", key=k).status == 200
    assert change("delete", "all-proxy-models").json["models"] == ["m"]
    assert gw.ask("n", key=k).status == 403
    for bad in ([], "m", [""], [1], None):
        assert gw.post("/team/model/add", {"team_id": t, "models": bad}).status == 400, bad
    assert gw.post("/team/model/add", {"team_id": "no", "models": ["m"]}).status == 404
    user(gw, "ada", auto_create_key=True)
    boss = gw.key(user_id="ada")
    add(gw, t, "ada", "admin")                           # an admin of a team does not widen it
    assert gw.post("/team/model/add", {"team_id": t, "models": ["n"]}, key=boss).status == 401
    assert gw.post("/team/model/delete", {"team_id": t, "models": ["n"]}, key=boss).status == 401


# ---- what members may do -------------------------------------------------------------------------

KEY_PATHS = ["/key/generate", "/key/update", "/key/delete", "/key/regenerate"]


def tries(gw, t, who, own):
    """Which of the commands the team lets this user call, of its own key in it."""
    able = set()
    bodies = {"/key/generate": {"team_id": t}, "/key/update": {"key": own, "key_alias": None},
              "/key/regenerate": {"key": own, "new_key": own + "x"}, "/key/delete": {"keys": [own, own + "x"]}}
    for path, body in bodies.items():
        if path == "/key/delete":
            body = {"keys": [own + "x" if "/key/regenerate" in able else own]}
        a = gw.post(path, body, key=who)
        if a.status == 200:
            able.add(path)
        else:
            assert a.status == 401 and a.json["error"]["type"] == "team_member_permission_error", (path, a)
            assert path in a.json["error"]["message"] and a.json["error"]["param"] == path
    return able


@pytest.mark.parametrize("allowed", [None, [], *[[p] for p in KEY_PATHS], KEY_PATHS, ["/spend/logs"],
                                     ["/key/{key_id}/regenerate"]])
def test_permissions_of_members(gw, allowed):
    t = team(gw, team_id="t")
    ada = user(gw, "ada")
    add(gw, t, "ada")
    if allowed is not None:
        a = gw.post("/team/permissions_update", {"team_id": t, "team_member_permissions": allowed})
        assert a.status == 200 and a.json["team_member_permissions"] == allowed, a
        assert ("llmgw_warnings" in a.json) == (allowed == ["/spend/logs"])
    own = gw.key(team_id=t, user_id="ada")
    alone = gw.key(user_id="ada")
    expected = set(KEY_PATHS) if allowed is None else \
        {p.replace("/{key_id}", "") for p in allowed} & set(KEY_PATHS)
    assert tries(gw, t, ada, own) == expected
    # what is not the team's, it does not rule; and looking always goes
    assert tries(gw, None, ada, alone) == set(KEY_PATHS)
    assert gw.get(f"/key/info?key={ada}", key=ada).status == gw.get("/key/list", key=ada).status == 200
    # an admin of the team is not held to it
    gw.post("/team/member_update", {"team_id": t, "user_id": "ada", "role": "admin"})
    assert tries(gw, t, ada, gw.key(team_id=t, user_id="ada")) == set(KEY_PATHS)


def test_permissions_are_shown_and_set(gw):
    t = team(gw, team_id="t")
    ada, eve = user(gw, "ada"), user(gw, "eve")
    add(gw, t, "ada")
    listed = gw.get("/team/permissions_list?team_id=t", key=ada).json
    assert listed["team_id"] == t and listed["team_member_permissions"] == listed["all_available_permissions"]
    assert set(KEY_PATHS) < set(listed["all_available_permissions"])
    assert gw.get("/team/permissions_list?team_id=t", key=eve).status == 404
    assert gw.get("/team/permissions_list?team_id=no").status == 404
    body = {"team_id": t, "team_member_permissions": ["/key/update"], "max_budget": 0, "models": ["x"]}
    assert gw.post("/team/permissions_update", body, key=ada).status == 403
    gw.post("/team/member_update", {"team_id": t, "user_id": "ada", "role": "admin"})
    a = gw.post("/team/permissions_update", body, key=ada)
    assert a.status == 200 and len(a.json["llmgw_warnings"]) == 2, a
    assert a.json["max_budget"] is None and a.json["models"] == []       # this, and nothing else of the team
    assert gw.get("/team/permissions_list?team_id=t").json["team_member_permissions"] == ["/key/update"]
    for bad in ("/key/update", [1], ["key"], [""], {"a": 1}, None):
        for path in ("/team/permissions_update", "/team/update"):
            a = gw.post(path, {"team_id": t, "team_member_permissions": bad})
            assert a.status == (200 if bad is None and path == "/team/update" else 400), (path, bad, a)
    assert gw.post("/team/new", {"team_id": "u", "team_member_permissions": ["x"]}).status == 400
    assert len(gw.get("/team/permissions_list?team_id=t").json["team_member_permissions"]) > 1   # null: unset


# ---- what all members have -----------------------------------------------------------------------

def membership(gw, t, name):
    row = next(m for m in gw.get(f"/team/info?team_id={t}").json["team_memberships"] if m["user_id"] == name)
    return row["litellm_budget_table"]


def test_limits_for_all_members(start):
    gw = start([("m", "mock?prompt=50&out=10")], workers=2)
    t = team(gw, team_id="t", team_member_budget=0, team_member_rpm_limit=1000, team_member_budget_duration="1d",
             members_with_roles=[{"role": "user", "user_id": "first"}])
    gw.post("/user/new", {"user_id": "joined", "teams": [t], "auto_create_key": False})
    add(gw, t, "added")
    gw.post("/team/bulk_member_add", {"team_id": t, "members": [{"user_id": "bulk"}]})
    gw.post("/team/member_add", {"team_id": t, "member": {"user_id": "rich"}, "max_budget_in_team": 1})
    names = ("first", "joined", "added", "bulk")
    keys = {n: gw.key(team_id=t, user_id=n) for n in (*names, "rich", "stranger")}

    def asked(*who):
        return {gw.ask("m", key=keys[n], max_tokens=10).status for n in who}
    assert asked(*names) == {429} and asked("rich", "stranger") == {200}
    a = gw.ask("m", key=keys["first"], max_tokens=10)
    assert "TeamMember=" in a.json["error"]["message"], a
    for n in names:
        assert membership(gw, t, n) == {"max_budget": 0, "rpm_limit": 1000, "tpm_limit": None, "budget_duration": "1d"}, n
    assert membership(gw, t, "rich")["max_budget"] == 1
    a = gw.post("/team/update", {"team_id": t, "team_member_budget": 1, "metadata": {"else": 1}})     # for all at once
    assert a.status == 200 and asked(*names) == {200}
    assert gw.ask("m", key=keys["bulk"]).headers["x-ratelimit-team_member-limit-requests"] == "1000"
    gw.post("/team/update", {"team_id": t, "team_member_rpm_limit": 1, "team_member_budget": None})
    assert gw.ask("m", key=keys["bulk"]).headers["x-ratelimit-team_member-limit-requests"] == "1"
    assert membership(gw, t, "bulk")["max_budget"] is None
    gw.post("/team/update", {"team_id": t, "team_member_rpm_limit": None, "team_member_budget": 0})
    gw.stop()
    gw.start()
    assert asked(*names) == {429} and asked("rich", "stranger") == {200}
    # a team that has members before it limits them
    u = team(gw, team_id="u", members_with_roles=[{"role": "user", "user_id": "first"}])
    k = gw.key(team_id=u, user_id="first")
    assert gw.ask("m", key=k).status == 200
    assert gw.post("/team/update", {"team_id": u, "team_member_budget": 0}).status == 200
    assert gw.ask("m", key=k).status == 429
    n = len(gw.get("/budget/list").json)
    assert gw.post("/team/member_delete", {"team_id": u, "user_id": "first"}).status == 200
    assert gw.post("/team/delete", {"team_ids": [u]}).status == 200
    assert len(gw.get("/budget/list").json) == n - 1
    for bad in ({"team_member_budget": -1}, {"team_member_rpm_limit": 0}, {"team_member_tpm_limit": "x"},
                {"team_member_budget_duration": "soon"}, {"team_member_budget": {}}):
        for path in ("/team/new", "/team/update"):
            assert gw.post(path, {"team_id": t, **bad}).status == 400, (path, bad)
    assert asked(*names) == {429}
