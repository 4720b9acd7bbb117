# SPDX-License-Identifier: MIT
"""What new users and teams get by the configuration, and teams that users join by themselves."""
from test_roles import user
from test_teams import info, team

SETTINGS = """litellm_settings:
  default_internal_user_params:
    user_role: internal_user_viewer
    max_budget: 7
    budget_duration: 30d
    models: [m]
    teams: [all, {team_id: rich, max_budget_in_team: 2, user_role: admin}]
    available_teams: [open, blocked, none]
  max_internal_user_budget: 3
  default_team_params: {max_budget: 50, models: [m], rpm_limit: 9, team_member_permissions: [/key/info]}
"""


def gateway(start, settings=SETTINGS):
    return start([("m", "plain"), ("n", "plain")], settings)


def shown(gw, name):
    return gw.get(f"/user/info?user_id={name}").json["user_info"]


def test_new_users_get_what_is_not_said(start):
    gw = gateway(start)
    assert gw.post("/user/new", {"user_id": "x"}).status == 404       # the team of the setting is not there
    team(gw, team_id="all"), team(gw, team_id="rich")
    a = gw.post("/user/new", {"user_id": "ada"})
    assert a.status == 200 and "llmgw_warnings" not in a.json, a
    assert a.json["teams"] == ["all", "rich"] and a.json["models"] == ["m"]
    row = shown(gw, "ada")
    assert (row["user_role"], row["max_budget"], row["budget_duration"]) == ("internal_user_viewer", 7, "30d")
    assert row["budget_reset_at"] and "available_teams" not in row
    assert gw.ask("n", key=a.json["key"]).status == 403 and gw.ask("m", key=a.json["key"]).status == 200
    assert [m["role"] for m in info(gw, "rich")["members_with_roles"]] == ["admin"]
    place = gw.get("/team/info?team_id=rich").json["team_memberships"][0]
    assert place["user_id"] == "ada" and place["litellm_budget_table"]["max_budget"] == 2
    gw.post("/user/new", {"user_id": "bob", "max_budget": 1, "models": ["n"], "teams": ["all"], "budget_duration": "1d"})
    row = shown(gw, "bob")
    assert (row["max_budget"], row["models"], row["budget_duration"]) == (1, ["n"], "1d")
    assert [t["team_id"] for t in row["teams"]] == ["all"]
    # an administrator is none of those
    gw.post("/user/new", {"user_id": "root", "user_role": "proxy_admin"})
    row = shown(gw, "root")
    assert row["max_budget"] is None and row["models"] == [] and row["teams"] == []
    for bad in ([{"team_id": "all", "user_role": "king"}], [{"user_role": "user"}], [{"team_id": "all", "max_budget_in_team": -1}]):
        assert gw.post("/user/new", {"user_id": "bad", "teams": bad}).status == 400, bad
    # one who is made by being taken into an organization gets the limits, too
    gw.post("/organization/new", {"organization_id": "o", "organization_alias": "o"})
    gw.post("/organization/member_add", {"organization_id": "o", "member": {"user_id": "eve"}})
    row = shown(gw, "eve")
    assert (row["user_role"], row["max_budget"], row["models"], row["teams"]) == ("internal_user", 7, ["m"], [])


def test_a_budget_of_all_internal_users(start):
    gw = gateway(start, "litellm_settings: {max_internal_user_budget: 3, internal_user_budget_duration: 7d}\n")
    for name, body, budget in (("ada", {}, 3), ("bob", {"max_budget": 5}, 5), ("root", {"user_role": "proxy_admin"}, None)):
        gw.post("/user/new", {"user_id": name, **body})
        row = shown(gw, name)
        assert row["max_budget"] == budget and row["budget_duration"] == (budget and "7d"), row


def test_new_teams_get_what_is_not_said(start):
    gw = gateway(start)
    team(gw, team_id="t")
    row = info(gw, "t")
    assert (row["max_budget"], row["models"], row["rpm_limit"]) == (50, ["m"], 9)
    assert row["team_member_permissions"] == ["/key/info"]
    team(gw, team_id="u", max_budget=1, models=["n"])
    row = info(gw, "u")
    assert (row["max_budget"], row["models"], row["rpm_limit"]) == (1, ["n"], 9)
    assert gw.post("/team/update", {"team_id": "u", "rpm_limit": None}).json["data"]["rpm_limit"] is None


def test_teams_to_be_joined(start):
    gw = gateway(start, "litellm_settings:\n  default_internal_user_params: {available_teams: [open, second, none]}\n")
    for t in ("open", "second", "closed"):
        team(gw, team_id=t, models=["m"], max_budget=9, team_member_budget=0.5,
             members_with_roles=[{"user_id": "boss", "role": "admin"}])
    ada, viewer = user(gw, "ada"), user(gw, "vic", "internal_user_viewer")
    a = gw.get("/team/available", key=ada)
    assert a.status == 200 and [t["team_id"] for t in a.json] == ["open", "second"], a
    assert a.json[0]["models"] == ["m"] and a.json[0]["members_with_roles"] == [{"role": "admin"}]
    assert "boss" not in a.body.decode() and "spend" not in a.json[0]      # who is in it stays its own

    def join(t, key=ada, who="ada", **more):
        return gw.post("/team/member_add", {"team_id": t, "member": {"user_id": who, "role": "user"}, **more}, key=key)
    assert join("closed").status == 403 and join("none").status == 404
    assert join("open", who="vic").status == 403                            # by itself, and nobody else
    assert join("open", max_budget_in_team=100).status == 403
    assert gw.post("/team/member_add", {"team_id": "open", "member": {"user_id": "ada", "role": "admin"}}, key=ada).status == 403
    assert join("open", key=viewer, who="vic").status == 401
    assert join("open").status == 200 and join("open").status == 400
    assert [t["team_id"] for t in gw.get("/team/available", key=ada).json] == ["second"]
    assert [t["team_id"] for t in gw.get("/team/list", key=ada).json] == ["open"]
    place = next(m for m in gw.get("/team/info?team_id=open").json["team_memberships"] if m["user_id"] == "ada")
    assert place["litellm_budget_table"]["max_budget"] == 0.5                # as every member of the team
    mine = gw.post("/key/generate", {"team_id": "open"}, key=ada)
    assert mine.status == 200 and gw.ask("m", key=mine.json["key"]).status == 200
    assert [t["team_id"] for t in gw.get("/team/available", key=viewer).json] == ["open", "second"]
    assert [t["team_id"] for t in gw.get("/team/available").json] == ["open", "second"]     # an administrator's
    assert [t["team_id"] for t in gw.get("/team/available?user_id=ada").json] == ["second"]
    assert gw.get("/team/available", key=gw.key()).status == 401


def test_none_are_available_unless_it_is_said(gw):
    assert gw.get("/team/available", key=user(gw, "ada")).json == []
