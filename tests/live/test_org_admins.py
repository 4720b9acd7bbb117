# SPDX-License-Identifier: MIT
"""Members of organizations, and what an admin of one may do: all in it, and nothing of another."""
from decimal import Decimal

import pytest

from test_limits import ONE, RESERVE, good, refused
from test_orgs import org
from test_roles import user
from test_teams import flood, none_reserved, team


def member(gw, o, name, role="org_admin", key=None):
    return gw.post("/organization/member_add", {"organization_id": o, "member": {"user_id": name, "role": role}}, key=key)


def members(gw, o):
    return {m["user_id"]: m["user_role"] for m in gw.get(f"/organization/info?organization_id={o}").json["members"]}


def change(gw, what, method, key=None, **body):
    return gw.request(method, what, body, key=key)


class World:
    """Two organizations: ada administers `a`; `b` is another's, with all that there can be in it."""

    def __init__(self, gw):
        self.gw = gw
        for o in ("a", "b"):
            org(gw, organization_id=o)
            team(gw, team_id=f"team-{o}", organization_id=o, members_with_roles=[{"user_id": f"worker-{o}", "role": "user"}])
        self.ada, self.bea = user(gw, "ada"), user(gw, "bea")
        assert member(gw, "a", "ada").status == member(gw, "b", "bea").status == 200
        user(gw, "root", "proxy_admin")
        self.keys = {o: [gw.key(team_id=f"team-{o}"), gw.key(organization_id=o), gw.key(team_id=f"team-{o}", user_id=f"worker-{o}")]
                     for o in ("a", "b")}
        self.stray = gw.key(team_id="team-a", organization_id="b")      # paid by b, and so b's
        self.alone = gw.key()


@pytest.fixture
def world(gw):
    return World(gw)


# ---- members -------------------------------------------------------------------------------------

def test_members(gw):
    o = org(gw, organization_id="o")
    user(gw, "ada", user_email="ada@example.org", auto_create_key=True)
    a = gw.post("/organization/member_add", {"organization_id": o, "max_budget_in_organization": 5, "member": [
        {"user_email": "ada@example.org", "role": "org_admin"}, {"user_id": "new"}, {"user_email": "x@example.org"}]})
    assert a.status == 200 and a.json["organization_id"] == o, a
    assert "llmgw_warnings" not in a.json
    rows = a.json["updated_organization_memberships"]
    assert [(r["user_id"], r["user_role"]) for r in rows[:2]] == [("ada", "org_admin"), ("new", "internal_user")]
    assert rows[0]["max_budget_in_organization"] == 5 and rows[0]["user_email"] == "ada@example.org"
    assert gw.get("/user/info?user_id=new").json["user_info"]["user_role"] == "internal_user"    # it was made
    assert gw.get(f"/user/info?user_id={rows[2]['user_id']}").json["user_info"]["user_email"] == "x@example.org"
    assert list(members(gw, o)) == ["ada", "new", rows[2]["user_id"]]
    a = member(gw, o, "new")
    assert a.status == 400 and "already in organization=o" in a.json["error"]["message"]
    a = change(gw, "/organization/member_update", "PATCH", organization_id=o, user_id="new", role="internal_user_viewer",
               max_budget_in_organization=None)
    assert a.status == 200 and a.json["user_role"] == "internal_user_viewer", a
    assert a.json["max_budget_in_organization"] is None
    a = change(gw, "/organization/member_delete", "DELETE", organization_id=o, user_email="x@example.org")
    assert a.status == 200 and a.json["user_id"] == rows[2]["user_id"]
    for what, method in (("/organization/member_update", "PATCH"), ("/organization/member_delete", "DELETE")):
        assert change(gw, what, method, organization_id=o, user_id="nobody").status == 404
        assert change(gw, what, method, organization_id="no", user_id="ada").status == 404
        assert change(gw, what, method, organization_id=o).status == 400
    for bad in (None, {}, [], "x", {"user_id": "y", "role": "king"}, [{"user_id": "y"}, 3]):
        assert gw.post("/organization/member_add", {"organization_id": o, "member": bad}).status == 400, bad
    assert member(gw, "no", "ada").status == 404
    # all or nothing
    assert gw.post("/organization/member_add", {"organization_id": o, "member": [{"user_id": "y"}, {"user_id": "ada"}]}).status == 400
    assert gw.get("/user/info?user_id=y").status == 404
    assert gw.post("/user/delete", {"user_ids": ["new"]}).status == 200
    assert list(members(gw, o)) == ["ada"]
    noted = {(r["table_name"], r["action"]) for r in gw.get("/audit?page_size=100").json["audit_logs"]}
    assert {("LiteLLM_OrganizationMembership", x) for x in ("created", "updated", "deleted")} <= noted


def test_what_a_member_may_spend_there(start):
    """By all keys of the user that the organization pays for, and by no others."""
    gw = start([("m", "mock?prompt=50&out=10")], workers=2)
    o = org(gw, organization_id="o")
    for name in ("ada", "bob"):
        user(gw, name, auto_create_key=True)
        assert member(gw, o, name, "internal_user").status == 200
    t = team(gw, team_id="t", organization_id=o, members_with_roles=[{"user_id": "ada", "role": "user"}])
    keys = [gw.key(user_id="ada", organization_id=o), gw.key(user_id="ada", team_id=t)]
    assert change(gw, "/organization/member_update", "PATCH", organization_id=o, user_id="ada",
                  max_budget_in_organization=float(ONE * 6 + RESERVE)).json["max_budget_in_organization"] == float(ONE * 6 + RESERVE)
    seen = flood(gw, 40, keys, "m", max_tokens=10)
    n = len(good(seen))
    assert 2 <= n <= 7
    while gw.ask("m", key=keys[n % 2], max_tokens=10).status == 200:
        n += 1
    assert n == 7 and all("OrganizationMember=" in e["message"] for e in refused(seen, 429))
    for other in (gw.key(user_id="ada"), gw.key(user_id="bob", organization_id=o), gw.key(organization_id=o)):
        assert gw.ask("m", key=other, max_tokens=10).status == 200

    def row():
        return next(m for m in gw.get("/organization/info?organization_id=o").json["members"] if m["user_id"] == "ada")
    gw.spend_rows(wait_for=n + 3)
    assert Decimal(str(row()["spend"])) == ONE * 7 and row()["litellm_budget_table"]["max_budget"] == float(ONE * 6 + RESERVE)
    gw.stop()
    gw.start()
    assert gw.ask("m", key=keys[0], max_tokens=10).status == 429     # it is kept
    a = change(gw, "/organization/member_update", "PATCH", organization_id=o, user_id="ada", max_budget_in_organization=None)
    assert a.json["max_budget_in_organization"] is None and Decimal(str(a.json["spend"])) == ONE * 7
    assert gw.ask("m", key=keys[0], max_tokens=10).status == 200 and row()["litellm_budget_table"] is None
    none_reserved(gw)
    # it goes with the member, and with a new place there begins anew
    change(gw, "/organization/member_update", "PATCH", organization_id=o, user_id="ada", max_budget_in_organization=0)
    assert gw.ask("m", key=keys[1], max_tokens=10).status == 429
    assert change(gw, "/organization/member_delete", "DELETE", organization_id=o, user_id="ada").status == 200
    assert gw.ask("m", key=keys[1], max_tokens=10).status == 200
    a = gw.post("/organization/member_add", {"organization_id": o, "max_budget_in_organization": 1, "member": {"user_id": "ada"}})
    assert a.json["updated_organization_memberships"][0]["spend"] == 0


# ---- an admin in its own -------------------------------------------------------------------------

def test_an_admin_has_its_organization(world):
    gw, ada = world.gw, world.ada
    assert [x["organization_id"] for x in gw.get("/organization/list", key=ada).json] == ["a"]
    assert gw.get("/organization/info?organization_id=a", key=ada).json["members"][0]["user_id"] == "ada"
    assert member(gw, "a", "carl", "internal_user", key=ada).status == 200
    assert change(gw, "/organization/member_update", "PATCH", ada, organization_id="a", user_id="carl", role="org_admin").status == 200
    assert change(gw, "/organization/member_delete", "DELETE", ada, organization_id="a", user_id="carl").status == 200
    # teams
    assert gw.post("/team/new", {"team_id": "new", "organization_id": "a", "max_budget": 3}, key=ada).status == 200
    assert {t["team_id"] for t in gw.get("/team/list", key=ada).json} == {"team-a", "new"}
    a = gw.post("/team/update", {"team_id": "new", "rpm_limit": 9}, key=ada)
    assert a.status == 200 and a.json["data"]["rpm_limit"] == 9 and a.json["data"]["organization_id"] == "a"
    for path, more in (("/team/block", {}), ("/team/unblock", {}), ("/team/model/add", {"models": ["m"]}),
                       ("/team/member_add", {"member": {"user_id": "w", "role": "user"}}),
                       ("/team/member_update", {"user_id": "w", "rpm_limit": 3}),
                       ("/team/bulk_member_add", {"members": [{"user_id": "v"}]}),
                       ("/team/permissions_update", {"team_member_permissions": []}),
                       ("/team/member_delete", {"user_id": "w"})):
        assert gw.post(path, {"team_id": "team-a", **more}, key=ada).status == 200, path
    assert gw.get("/team/permissions_list?team_id=team-a", key=ada).status == 200
    assert len(gw.get("/team/info?team_id=team-a", key=ada).json["keys"]) == 3
    # keys
    assert gw.get("/key/list", key=ada).json["total_count"] == 1 + 3    # its own, and those of the organization
    for k in world.keys["a"]:
        assert gw.get(f"/key/info?key={k}", key=ada).status == 200
        assert gw.post("/key/update", {"key": k, "max_budget": 4, "models": ["m"]}, key=ada).json["max_budget"] == 4
        assert gw.post("/key/block", {"key": k}, key=ada).json["blocked"] is True and gw.ask("m", key=k).status == 401
        assert gw.post("/key/unblock", {"key": k}, key=ada).status == 200
    for where in ({"team_id": "team-a"}, {"organization_id": "a"}):
        a = gw.post("/key/generate", {**where, "max_budget": 7}, key=ada)
        assert a.status == 200 and a.json["user_id"] is None and a.json["max_budget"] == 7, a
        assert gw.post("/key/delete", {"keys": [a.json["key"]]}, key=ada).status == 200
    assert gw.post("/key/regenerate", {"key": world.keys["a"][0]}, key=ada).status == 200
    assert gw.post("/team/delete", {"team_ids": ["new"]}, key=ada).status == 200


def test_an_admin_makes_and_sees_users_of_its_organization(world):
    gw, ada = world.gw, world.ada
    made = gw.post("/user/new", {"user_id": "carl", "organizations": ["a"], "max_budget": 5, "models": ["m"]}, key=ada)
    assert made.status == 200 and "llmgw_warnings" not in made.json and members(gw, "a")["carl"] == "internal_user", made
    # its key is the organization's, and asks models alone
    info = gw.get(f"/key/info?key={made.json['key']}").json["info"]
    assert info["organization_id"] == "a" and info["user_id"] == "carl" and info["allowed_routes"] == ["llm_api_routes"]
    assert gw.ask("m", key=made.json["key"]).status == 200 and gw.get("/user/info", key=made.json["key"]).status == 403
    assert gw.post("/user/new", {"user_id": "vic", "organizations": ["a"], "user_role": "internal_user_viewer"}, key=ada).status == 200
    assert members(gw, "a")["vic"] == "internal_user_viewer"
    listed = gw.get("/user/list", key=ada).json
    assert {u["user_id"] for u in listed["users"]} == {"ada", "carl", "vic"} and listed["total"] == 3
    assert gw.get("/user/list?user_email=none", key=ada).json["total"] == 0
    # of a member what is the organization's
    gw.key(user_id="carl", key_alias="private")
    team(gw, team_id="far", organization_id="b", members_with_roles=[{"user_id": "carl", "role": "user"}])
    gw.post("/team/member_add", {"team_id": "team-a", "member": {"user_id": "carl", "role": "user"}})
    gw.key(user_id="carl", team_id="far")
    near = gw.key(user_id="carl", team_id="team-a", key_alias="near")
    seen = gw.get("/user/info?user_id=carl", key=ada).json
    assert [t["team_id"] for t in seen["teams"]] == ["team-a"] == [t["team_id"] for t in seen["user_info"]["teams"]]
    assert {k["key_alias"] for k in seen["keys"]} == {None, "near"} and len(seen["keys"]) == 2
    whole = gw.get("/user/info?user_id=carl").json
    assert len(whole["keys"]) == 4 and len(whole["teams"]) == 2 and near


def test_users_of_others_are_unknown(world):
    gw, ada = world.gw, world.ada
    for name in ("bea", "root", "nobody", "worker-b"):
        a = gw.get(f"/user/info?user_id={name}", key=ada)
        assert a.status == 404 and a.json["error"]["message"] == f"There is no user with user_id={name}", a
    for orgs in (["b"], ["a", "b"], ["no"], [], None):
        a = gw.post("/user/new", {"user_id": "x", "organizations": orgs}, key=ada)
        assert a.status == 404, (orgs, a)
    assert gw.post("/user/new", {"user_id": "x"}, key=ada).status == 404
    for more in ({"user_role": "proxy_admin"}, {"user_role": "proxy_admin_viewer"}, {"teams": ["team-b"]}, {"spend": 0},
                 {"sso_user_id": "root"}):
        a = gw.post("/user/new", {"user_id": "x", "organizations": ["a"], **more}, key=ada)
        assert a.status == 403 and "Only a proxy admin may set" in a.json["error"]["message"], (more, a)
    assert gw.post("/user/new", {"user_id": "bea", "organizations": ["a"]}, key=ada).status == 400       # it is there
    gw.key(user_id="named")
    assert gw.post("/user/new", {"user_id": "named", "organizations": ["a"], "models": ["m"]}, key=ada).status == 400
    team(gw, team_id="nobodys", members_with_roles=[{"user_id": "early", "role": "admin"}])
    assert gw.post("/user/new", {"user_id": "early", "organizations": ["a"]}, key=ada).status == 400
    for bad in ("a", [""], [1], {}):
        assert gw.post("/user/new", {"user_id": "x", "organizations": bad}).status == 400, bad
    assert gw.get("/user/info?user_id=x").status == 404 and "x" not in members(gw, "a")
    for path, body in (("/user/update", {"user_id": "worker-a"}), ("/user/delete", {"user_ids": ["worker-a"]})):
        assert gw.post(path, body, key=ada).status == 401
    plain = user(gw, "plain")
    assert gw.get("/user/list", key=plain).status == 401
    assert gw.post("/user/new", {"user_id": "x", "organizations": ["a"]}, key=plain).status == 401
    # an administrator says which, too
    a = gw.post("/user/new", {"user_id": "two", "organizations": ["a", "b"]})
    assert a.status == 200 and members(gw, "a")["two"] == members(gw, "b")["two"] == "internal_user"
    assert gw.post("/user/new", {"user_id": "y", "organizations": ["no"]}).status == 404


# ---- nothing of another --------------------------------------------------------------------------

TEAM_CALLS = [("/team/update", {"max_budget": 1}), ("/team/block", {}), ("/team/unblock", {}), ("/team/model/add", {"models": ["m"]}),
              ("/team/model/delete", {"models": ["m"]})]


def test_what_is_anothers_is_unknown(world):
    gw, ada = world.gw, world.ada
    for o in ("b", "no"):
        assert gw.get(f"/organization/info?organization_id={o}", key=ada).status == 404
        a = member(gw, o, "ada", key=ada)
        assert a.status == 404 and f"There is no organization with organization_id={o}" in a.json["error"]["message"]
        assert change(gw, "/organization/member_update", "PATCH", ada, organization_id=o, user_id="bea", role="internal_user").status == 404
        assert change(gw, "/organization/member_delete", "DELETE", ada, organization_id=o, user_id="bea").status == 404
        assert gw.post("/team/new", {"team_id": "mine", "organization_id": o}, key=ada).status == 404
        assert gw.post("/team/update", {"team_id": "team-a", "organization_id": o}, key=ada).status == 404
        assert gw.post("/key/generate", {"organization_id": o}, key=ada).status == 403
        assert gw.post("/key/generate", {"organization_id": o, "team_id": "team-a"}, key=ada).status == 403
    for nowhere in ({}, {"organization_id": None}, {"organization_id": ""}):
        assert gw.post("/team/new", {"team_id": "mine", **nowhere}, key=ada).status == 404
    assert gw.post("/team/update", {"team_id": "team-a", "organization_id": None}, key=ada).status == 404
    for t in ("team-b", "no"):
        for path, more in TEAM_CALLS:
            a = gw.post(path, {"team_id": t, **more}, key=ada)
            assert a.status == 404 and f"Team not found, passed team_id={t}" in a.json["error"]["message"], (path, t, a)
        assert gw.post("/team/delete", {"team_ids": [t]}, key=ada).status == 404
        assert gw.post("/team/delete", {"team_ids": ["team-a", t]}, key=ada).status == 404
        for path, more in (("/team/member_add", {"member": {"user_id": "ada"}}), ("/team/member_update", {"user_id": "worker-b"}),
                           ("/team/member_delete", {"user_id": "worker-b"}), ("/team/bulk_member_add", {"members": [{"user_id": "x"}]}),
                           ("/team/permissions_update", {"team_member_permissions": []})):
            assert gw.post(path, {"team_id": t, **more}, key=ada).status == 403, path
        for path in ("info", "permissions_list"):
            assert gw.get(f"/team/{path}?team_id={t}", key=ada).status == 404
        assert gw.post("/key/generate", {"team_id": t}, key=ada).status == 403
    assert gw.get("/team/info?team_id=team-a", key=ada).status == 200      # which is still there
    for k in (*world.keys["b"], world.stray, world.alone, world.bea, "sk-unknown-1"):
        assert gw.get(f"/key/info?key={k}", key=ada).status == 404
        for path, body in (("/key/update", {"key": k, "max_budget": 1}), ("/key/regenerate", {"key": k}), ("/key/block", {"key": k}),
                           ("/key/unblock", {"key": k}), ("/key/delete", {"keys": [k]})):
            a = gw.post(path, body, key=ada)
            assert a.status == 404 and "No key found" in a.json["error"]["message"], (path, a)
    # what is not for it at all
    for method, path in (("PATCH", "/organization/update"), ("DELETE", "/organization/delete"), ("POST", "/organization/new"),
                         ("POST", "/user/update"), ("POST", "/budget/new"), ("GET", "/customer/list")):
        body = None if method == "GET" else {"organization_id": "a", "user_id": "ada", "max_budget": 9}
        assert gw.request(method, path, body, key=ada).status == 401, path


def test_no_way_to_anothers_rights(world):
    """By a key in somebody's name one has that somebody's rights."""
    gw, ada = world.gw, world.ada
    for name in ("root", "bea", "worker-b", "unknown"):
        assert gw.post("/key/generate", {"team_id": "team-a", "user_id": name}, key=ada).status == 403, name
    assert member(gw, "a", "root", "internal_user").status == member(gw, "a", "bea", "internal_user").status == 200
    assert gw.post("/key/generate", {"organization_id": "a", "user_id": "root"}, key=ada).status == 403
    for more in ({}, {"allowed_routes": ["management_routes"]}, {"key_type": "management"}):
        a = gw.post("/key/generate", {"organization_id": "a", "user_id": "bea", **more}, key=ada)
        assert a.status == 200 and a.json["allowed_routes"] == ["llm_api_routes"], a
        k = a.json["key"]
        assert gw.ask("m", key=k).status == 200
        for method, path in (("GET", "/organization/list"), ("GET", "/key/list"), ("POST", "/team/new"), ("POST", "/key/generate")):
            a = gw.request(method, path, None if method == "GET" else {"organization_id": "b"}, key=k)
            assert a.status == 403 and "not allowed to call this route" in a.json["error"]["message"], (path, a)
        for field in ({"allowed_routes": []}, {"key_type": "management"}, {"user_id": "ada"}, {"team_id": "team-b"},
                      {"organization_id": "b"}, {"permissions": {}}):
            a = gw.post("/key/update", {"key": k, **field}, key=ada)
            assert a.status == 403 and "Only a proxy admin may set" in a.json["error"]["message"], (field, a)
    # nor by a new text for a key that has a user
    for k in (gw.key(organization_id="a", user_id="root"), gw.key(team_id="team-a", user_id="bea"), world.keys["a"][2]):
        assert gw.post("/key/regenerate", {"key": k}, key=ada).status == 403
        assert gw.post(f"/key/{k}/regenerate", {}, key=ada).status == 403
        assert gw.ask("m", key=k).status == 200
    assert gw.post("/key/update", {"key": world.keys["a"][0], "user_id": "root"}, key=ada).status == 403
    # a team that is made behind its keys would bring them along
    early = gw.key(team_id="early")
    assert gw.post("/team/new", {"team_id": "early", "organization_id": "a"}, key=ada).status == 400
    assert gw.get(f"/key/info?key={early}", key=ada).status == 404
    # nobody has a request paid by an organization that it is not in
    dan = user(gw, "dan")
    assert gw.post("/key/generate", {"organization_id": "b"}, key=dan).status == 403
    assert member(gw, "b", "dan", "internal_user").status == 200
    assert gw.post("/key/generate", {"organization_id": "b"}, key=dan).json["organization_id"] == "b"


def test_who_is_none_any_more(world):
    gw, ada = world.gw, world.ada
    assert change(gw, "/organization/member_update", "PATCH", ada, organization_id="a", user_id="ada", role="internal_user").status == 200
    for method, path, body in (("GET", "/organization/list", None), ("GET", "/organization/info?organization_id=a", None),
                               ("POST", "/team/update", {"team_id": "team-a", "max_budget": 1}),
                               ("POST", "/team/new", {"organization_id": "a"}), ("POST", "/key/block", {"key": world.keys["a"][0]}),
                               ("POST", "/organization/member_add", {"organization_id": "a", "member": {"user_id": "x"}})):
        a = gw.request(method, path, body, key=ada)
        assert a.status == 401 and "Only proxy admin" in a.json["error"]["message"], (path, a)
    assert gw.get("/key/list", key=ada).json["total_count"] == 1
    assert gw.get("/team/list", key=ada).json == []
    assert gw.get(f"/key/info?key={world.keys['a'][0]}", key=ada).status == 404
    # with rules, or one that only looks, an admin looks
    assert member(gw, "b", "ada").status == 200
    k = gw.key(user_id="ada", allowed_routes=["/team", "/key", "/organization"])
    assert gw.post("/team/update", {"team_id": "team-b", "max_budget": 1}, key=k).status == 401
    assert gw.post("/key/generate", {"team_id": "team-b"}, key=k).status == 401
