# SPDX-License-Identifier: MIT
"""Who but administrators may make keys of teams, and personal ones."""
from test_roles import user
from test_teams import team

MODELS = [("m", "plain")]


def gateway(start, settings):
    return start(MODELS, "litellm_settings:\n  key_generation_settings: " + settings + "\n")


def make(gw, key, **fields):
    return gw.post("/key/generate", fields, key=key)


def members(gw):
    """An admin and a user of team t, by keys without a team."""
    team(gw, team_id="t")
    keys = [user(gw, "boss"), user(gw, "ada")]
    for name, role in (("boss", "admin"), ("ada", "user")):
        a = gw.post("/team/member_add", {"team_id": "t", "member": {"user_id": name, "role": role}})
        assert a.status == 200, a
    return keys


def test_without_settings_members_make_both(gw):
    for key in members(gw):
        assert make(gw, key).status == make(gw, key, team_id="t").status == 200


def test_roles_of_teams(start):
    gw = gateway(start, "{team_key_generation: {allowed_team_member_roles: [admin], required_params: [tags]}}")
    assert "W001" not in gw.logs() and "W002" not in gw.logs()
    boss, ada = members(gw)
    assert make(gw, boss, team_id="t", tags=["x"]).status == 200
    a = make(gw, boss, team_id="t")
    assert a.status == 400 and a.json["error"]["message"] == "Required param tags not in data", a
    a = make(gw, ada, team_id="t", tags=["x"])
    assert a.status == 400 and "restricted by admin" in a.json["error"]["message"], a
    assert make(gw, ada).status == make(gw, boss).status == 200         # personal ones are another matter
    assert gw.post("/key/generate", {"team_id": "t"}).status == 200     # the administrator's
    own = gw.key(team_id="t", user_id="ada")
    assert make(gw, own, tags=["x"]).status == 400                      # it would be of the team without saying so


def test_roles_of_persons(start):
    gw = gateway(start, "{personal_key_generation: {allowed_user_roles: [proxy_admin]}}")
    boss, ada = members(gw)
    a = make(gw, ada)
    assert a.status == 400 and "Personal key creation has been restricted by admin" in a.json["error"]["message"], a
    assert make(gw, ada, team_id=None).status == make(gw, ada, team_id="").status == 400
    assert make(gw, ada, team_id="t").status == make(gw, boss, team_id="t").status == 200
    assert gw.post("/key/generate", {"user_id": "ada"}).status == 200
    assert user(gw, "eve")                                              # made with its user, by the administrator


def test_admins_of_organizations(start):
    gw = gateway(start, "{personal_key_generation: {allowed_user_roles: [org_admin], required_params: [key_alias]}}")
    assert gw.post("/organization/new", {"organization_id": "o", "organization_alias": "o"}).status == 200
    ada, org = user(gw, "ada"), user(gw, "org")
    a = gw.post("/organization/member_add", {"organization_id": "o", "member": {"user_id": "org", "role": "org_admin"}})
    assert a.status == 200, a
    assert make(gw, ada, key_alias="a").status == 400
    assert make(gw, org, key_alias="b").status == 200 and make(gw, org).status == 400


def test_no_key_without_a_team(start):
    gw = start(MODELS, "general_settings:\n  default_team_disabled: true\n")
    boss, ada = members(gw)
    assert make(gw, ada).status == make(gw, boss).status == 400
    assert make(gw, ada, team_id="t").status == make(gw, boss, team_id="t").status == 200
    assert gw.post("/key/generate", {}).status == 200


def test_another_name_of_a_budget(start):
    gw = start(MODELS, "litellm_settings: {default_max_internal_user_budget: 4}\n")
    gw.post("/user/new", {"user_id": "ada"})
    assert gw.get("/user/info?user_id=ada").json["user_info"]["max_budget"] == 4

