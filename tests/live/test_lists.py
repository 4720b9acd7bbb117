# SPDX-License-Identifier: MIT
"""Lists of keys, users, teams and organizations: how they are filtered and sorted, and that nothing which is asked for shows
a caller more than it may see."""
import contextlib
import json
import sqlite3
import time

import pytest

from gateway import until
from test_org_admins import member
from test_orgs import org
from test_roles import user
from test_teams import team


def aliases(gw, query="", key=None):
    a = gw.get(f"/key/list?return_full_object=true&size=100&{query}", key=key)
    assert a.status == 200, a
    assert a.json["total_count"] == len(a.json["keys"])
    return [k["key_alias"] for k in a.json["keys"]]


# ---- keys ----------------------------------------------------------------------------------------

def test_keys_are_sorted(gw):
    for alias, budget, spend in (("b", 3, 2), ("c", None, 3), ("a", 7, 1)):
        gw.key(key_alias=alias, max_budget=budget, spend=spend)
    assert aliases(gw) == aliases(gw, "sort_order=asc") == ["a", "c", "b"], "the newest first"
    assert aliases(gw, "reverse=true") == ["b", "c", "a"]
    assert aliases(gw, "sort_by=spend") == ["c", "b", "a"] == aliases(gw, "sort_by=spend&sort_order=asc&reverse=true")
    assert aliases(gw, "sort_by=spend&sort_order=ASC") == ["a", "b", "c"] == aliases(gw, "sort_by=key_alias&sort_order=asc")
    assert aliases(gw, "sort_by=max_budget") == ["a", "b", "c"], "what has none is last"
    assert aliases(gw, "sort_by=max_budget&sort_order=asc") == ["b", "a", "c"]
    assert aliases(gw, "sort_by=created_at") == ["a", "c", "b"]
    assert gw.post("/key/update", {"key": "b", "rpm_limit": 9}).status == 200
    assert aliases(gw, "sort_by=updated_at")[0] == "b"
    hashes = gw.get("/key/list?sort_by=token&sort_order=asc").json["keys"]
    assert len(hashes) == 3 and hashes == sorted(hashes)
    pages = [gw.get(f"/key/list?sort_by=spend&size=1&page={i}&return_full_object=true").json for i in (1, 2, 3)]
    assert [p["keys"][0]["key_alias"] for p in pages] == ["c", "b", "a"] and pages[0]["total_pages"] == 3
    for wrong in ("sort_by=nonsense", "sort_by=spend%3B", "sort_by=spend&sort_order=up", "reverse=maybe", "status=new"):
        assert gw.get("/key/list?" + wrong).status == 400, wrong
    first = [line.split()[0] for line in gw.ctl("keys", "--no-headers", "--sort", "spend", "--reverse").stdout.splitlines()]
    assert first == ["a", "b", "c"]


def test_keys_by_status(gw):
    for alias, more in (("on", {"duration": "1h"}), ("off", {"blocked": True}), ("old", {"duration": "1s"}), ("gone", {"user_id": "u", "spend": 2})):
        gw.key(key_alias=alias, **more)
    assert gw.post("/key/delete", {"key_aliases": ["gone"]}).status == 200
    until(lambda: aliases(gw, "status=expired") == ["old"])
    assert aliases(gw, "status=active") == ["on"]
    assert aliases(gw, "status=revoked") == aliases(gw, "status=blocked") == ["off"]
    assert aliases(gw, "status=deleted") == ["gone"] == aliases(gw, "status=deleted&user_id=u&sort_by=spend")
    row = gw.get("/key/list?status=deleted&return_full_object=true").json["keys"][0]
    assert row["spend"] == 2 and row["user_id"] == "u" and row["deleted_at"] >= row["created_at"] and row["deleted_by"] == "default_user_id"
    assert aliases(gw, "status=deleted&user_id=other") == []
    assert len(gw.get("/key/list?status=deleted").json["keys"][0]) == 64
    assert "gone" in gw.ctl("keys", "list", "--status", "deleted").stdout


def test_keys_with_their_users(gw):
    user(gw, "ada", user_email="ada@x.org", auto_create_key=False)
    for alias, who in (("one", "ada"), ("two", "ada"), ("three", None), ("four", "unknown")):
        gw.key(key_alias=alias, user_id=who)
    rows = {k["key_alias"]: k["user"] for k in gw.get("/key/list?expand=user").json["keys"]}
    assert rows["one"] == rows["two"] and rows["one"]["user_email"] == "ada@x.org" and rows["one"]["user_role"] == "internal_user"
    assert rows["three"] is None and rows["four"] is None
    assert "user" not in gw.get("/key/list?return_full_object=true").json["keys"][0]
    assert isinstance(gw.get("/key/list?expand=budget").json["keys"][0], str)


def test_keys_that_a_user_has_made(gw):
    ada = user(gw, "ada", user_role="proxy_admin", key_alias="ada's")
    for alias, more in (("by-ada", {}), ("for-bob", {"user_id": "bob"})):
        assert gw.post("/key/generate", {"key_alias": alias, **more}, key=ada).status == 200
    gw.key(key_alias="by-root", user_id="bob")
    assert aliases(gw, "user_id=ada") == ["ada's"] == aliases(gw, "user_id=ada&include_team_keys=true")
    assert aliases(gw, "user_id=ada&include_created_by_keys=true") == ["for-bob", "by-ada", "ada's"]
    assert aliases(gw, "user_id=ada&include_created_by_keys=true&key_alias=for-bob") == ["for-bob"]
    assert aliases(gw, "include_created_by_keys=true") == aliases(gw)


class World:
    """ada is an admin of team `mine` and a member of `theirs`; bob is in both, and all that is left is others'."""

    def __init__(self, gw):
        self.gw = gw
        self.ada = user(gw, "ada", key_alias="ada's")
        user(gw, "bob", user_email="bob@x.org", user_alias="Bob", metadata={"secret": "canary"}, max_budget=77.25, key_alias="bob's")
        user(gw, "zoe", user_email="zoe@x.org", key_alias="zoe's")
        for name, role in (("mine", "admin"), ("theirs", "user")):
            team(gw, team_id=name, members_with_roles=[{"user_id": "ada", "role": role}, {"user_id": "bob", "role": "admin"}])
        for alias, more in (("mine-bob", {"team_id": "mine", "user_id": "bob"}), ("mine-service", {"team_id": "mine"}),
                            ("mine-zoe", {"team_id": "mine", "user_id": "zoe"}),
                            ("theirs-bob", {"team_id": "theirs", "user_id": "bob"}), ("theirs-service", {"team_id": "theirs"}),
                            ("loose", {}), ("dead", {"user_id": "bob"}), ("mine-dead", {"team_id": "mine", "user_id": "bob"}),
                            ("ada-dead", {"user_id": "ada"})):
            gw.key(key_alias=alias, **more)
        # what ada made and an administrator gave to another is the other's
        given = gw.post("/key/generate", {"key_alias": "given"}, key=self.ada).json["key"]
        assert gw.post("/key/update", {"key": given, "user_id": "bob"}).status == 200
        assert gw.post("/key/delete", {"key_aliases": ["dead", "mine-dead", "ada-dead"]}).status == 200


@pytest.fixture
def world(gw):
    return World(gw)


MINE = {"mine-bob", "mine-service", "mine-zoe"}
ARGUMENTS = ["", "include_created_by_keys=true", "expand=user", "sort_by=spend", "sort_by=key_alias&sort_order=asc", "reverse=true",
             "user_id=ada", "user_id=ada&include_created_by_keys=true", "user_id=ada&include_created_by_keys=true&expand=user",
             "user_id=bob", "user_id=bob&include_created_by_keys=true", "user_id=default_user_id&include_created_by_keys=true",
             "team_id=mine", "team_id=theirs", "organization_id=o", "key_alias=loose", "key_alias=given", "status=active",
             "status=revoked", "status=expired", "status=deleted", "status=deleted&user_id=bob", "status=deleted&team_id=mine",
             "status=deleted&expand=user", "sort_by=created_at&status=deleted"]


@pytest.mark.parametrize("query", ARGUMENTS)
def test_no_argument_shows_more(world, query):
    """An internal user sees its own; as an admin of a team and with include_team_keys the team's, too."""
    gw = world.gw
    own = {"ada-dead"} if "deleted" in query else {"ada's"}
    teams = {"mine-dead"} if "deleted" in query else MINE
    assert set(aliases(gw, query, world.ada)) <= own
    assert set(aliases(gw, query + "&include_team_keys=true", world.ada)) <= own | teams
    assert gw.get("/key/list?" + query, key=gw.key()).status == 401
    assert gw.get("/key/list?" + query, key=gw.key(user_id="nobody", team_id="mine")).status == 401


def test_what_an_admin_of_a_team_sees(world):
    gw, ada = world.gw, world.ada
    assert set(aliases(gw, "", ada)) == {"ada's"} == set(aliases(gw, "include_created_by_keys=true", ada))
    assert set(aliases(gw, "include_team_keys=true", ada)) == {"ada's"} | MINE
    # as LiteLLM's dashboard asks
    assert set(aliases(gw, "user_id=ada&include_team_keys=true&include_created_by_keys=true", ada)) == {"ada's"} | MINE
    assert set(aliases(gw, "user_id=bob&include_team_keys=true", ada)) == {"mine-bob"}
    assert set(aliases(gw, "include_team_keys=true&team_id=theirs", ada)) == set()
    assert set(aliases(gw, "status=deleted&include_team_keys=true", ada)) == {"ada-dead", "mine-dead"}
    a = gw.get("/key/list?include_team_keys=true&expand=user", key=ada)
    rows = {k["key_alias"]: k["user"] for k in a.json["keys"]}
    assert rows["ada's"]["user_id"] == "ada" and "max_budget" in rows["ada's"]
    assert rows["mine-bob"] == {"user_id": "bob", "user_alias": "Bob", "user_email": "bob@x.org", "user_role": "internal_user"}
    assert rows["mine-zoe"] is None and rows["mine-service"] is None, "zoe is in no team of ada's"
    told = json.dumps(a.json)
    assert "canary" not in told and "zoe@" not in told and "77.25" not in told
    assert gw.post("/team/member_update", {"team_id": "mine", "user_id": "ada", "role": "user"}).status == 200
    assert set(aliases(gw, "include_team_keys=true", ada)) == {"ada's"}


# ---- users ---------------------------------------------------------------------------------------

def ids(gw, query="", key=None):
    a = gw.get("/user/list?" + query, key=key)
    assert a.status == 200, a
    assert a.json["total"] == len(a.json["users"])
    return [u["user_id"] for u in a.json["users"]]


def test_users_are_found_and_sorted(gw):
    for name, more in (("u-b", {"user_email": "Bea@x.org", "sso_user_id": "s1", "spend": 2, "user_alias": "Z"}),
                       ("u-a", {"user_email": "ada@x.org", "sso_user_id": "s2", "spend": 3}),
                       ("other", {"user_role": "proxy_admin_viewer", "spend": 1, "user_alias": "Y"})):
        user(gw, name, more.pop("user_role", "internal_user"), **more)
    gw.key(user_id="u-a")
    assert ids(gw) == ["other", "u-a", "u-b"], "the newest first"
    assert ids(gw, "user_ids=u-a,other,none") == ["other", "u-a"]
    assert ids(gw, "user_ids=U-") == ["u-a", "u-b"] and ids(gw, "user_ids=u-,other") == ["other"]
    assert ids(gw, "user_ids=u-a,") == ["u-a"] and len(ids(gw, "user_ids=")) == 3
    assert ids(gw, "sso_user_ids=s1,s9") == ["u-b"] and ids(gw, "sso_user_ids=s") == []
    assert ids(gw, "user_email=BEA") == ["u-b"] == ids(gw, "user_email=ea%40")
    assert ids(gw, "role=internal_user&sort_by=user_id") == ["u-a", "u-b"]
    assert ids(gw, "sort_by=spend") == ["other", "u-b", "u-a"] == ids(gw, "sort_by=spend&sort_order=desc&reverse=1")
    assert ids(gw, "sort_by=user_email") == ["u-b", "u-a", "other"] and ids(gw, "sort_by=user_alias") == ["other", "u-b", "u-a"]
    assert ids(gw, "sort_by=user_role&sort_order=desc")[0] == "other" and ids(gw, "sort_by=created_at") == ["u-b", "u-a", "other"]
    counts = {u["user_id"]: u["key_count"] for u in gw.get("/user/list").json["users"]}
    assert counts == {"other": 1, "u-a": 2, "u-b": 1}
    for wrong in ("sort_by=name", "sort_by=spend&sort_order=x"):
        assert gw.get("/user/list?" + wrong).status == 400, wrong
    page = gw.get("/user/list?sort_by=user_id&page=2&page_size=2").json
    assert [u["user_id"] for u in page["users"]] == ["u-b"] and (page["total"], page["total_pages"]) == (3, 2)
    rows = gw.ctl("users", "--no-headers", "--sort", "spend", "--reverse").stdout.splitlines()
    assert [r.split()[0] for r in rows] == ["u-a", "u-b", "other"]


def test_an_organizations_admin_finds_its_users(gw):
    for o in ("a", "b"):
        org(gw, organization_id=o, organization_alias=f"Org {o.upper()}")
    ada = user(gw, "ada")
    for name, sso in (("in-a", "s1"), ("in-b", "s2"), ("both", "s3")):
        user(gw, name, sso_user_id=sso)
    for o, name in (("a", "ada"), ("a", "in-a"), ("a", "both"), ("b", "in-b"), ("b", "both")):
        assert member(gw, o, name, "org_admin" if name == "ada" else "internal_user").status == 200
    team(gw, team_id="ta", organization_id="a", members_with_roles=[{"user_id": "both", "role": "user"}])
    team(gw, team_id="tb", organization_id="b", members_with_roles=[{"user_id": "both", "role": "user"}, {"user_id": "in-b", "role": "user"}])
    gw.key(user_id="both", organization_id="b")
    seen = {"ada", "in-a", "both"}
    for query in ("", "sort_by=spend", "reverse=true", "user_ids=in-a,in-b,both,ada", "user_ids=in-", "sso_user_ids=s1,s2,s3",
                  "organization_ids=a,b", "organization_ids=b", "team=tb", "team=ta", "role=internal_user", "user_email=x"):
        assert set(ids(gw, query, ada)) <= seen, query
    assert set(ids(gw, "", ada)) == seen and set(ids(gw, "organization_ids=a", ada)) == seen
    assert ids(gw, "team=ta", ada) == ["both"]
    # who is in another's team or organization besides is not to be found out
    assert ids(gw, "team=tb", ada) == [] == ids(gw, "organization_ids=b", ada)
    assert set(ids(gw, "team=tb")) == {"both", "in-b"} == set(ids(gw, "organization_ids=b"))
    counts = {u["user_id"]: u["key_count"] for u in gw.get("/user/list", key=ada).json["users"]}
    assert counts["both"] == 0 and counts["ada"] == 1, "not the keys that are the other organization's"
    assert [o["organization_id"] for o in gw.get("/organization/list?org_alias=org").json] == ["b", "a"]
    assert [o["organization_id"] for o in gw.get("/organization/list?org_alias=ORG%20b").json] == ["b"]
    assert [o["organization_id"] for o in gw.get("/organization/list?org_id=a").json] == ["a"]
    assert gw.get("/organization/list?org_id=b", key=ada).json == [] == gw.get("/organization/list?org_alias=B", key=ada).json
    for query in ("user_ids=ada", "sort_by=spend", "organization_ids=a"):
        assert gw.get("/user/list?" + query, key=gw.key()).status == 401
        assert gw.get("/user/list?" + query, key=gw.key(user_id="in-a")).status == 401


# ---- teams ---------------------------------------------------------------------------------------

def test_teams_are_sorted(gw):
    for name, alias, budget in (("t1", "Beta", 5), ("t2", "Alpha", None), ("t3", "Gamma", 9)):
        team(gw, team_id=name, team_alias=alias, max_budget=budget)
    rows = lambda query: [t["team_id"] for t in gw.get("/team/list?" + query).json]
    assert rows("") == ["t1", "t2", "t3"] and rows("reverse=true") == ["t3", "t2", "t1"]
    assert rows("sort_by=team_alias") == ["t2", "t1", "t3"] and rows("team_alias=MMA") == ["t3"]
    assert rows("sort_by=max_budget&sort_order=desc") == ["t3", "t1", "t2"] and rows("sort_by=team_id&page=2&page_size=2") == ["t3"]
    assert gw.get("/team/list?sort_by=nonsense").status == 400
    ada = user(gw, "ada")
    for query in ("sort_by=spend", "team_alias=a", "team_id=t1", "user_id=x", "reverse=true"):
        assert gw.get("/team/list?" + query, key=ada).json == [] == gw.get("/v2/team/list?" + query, key=ada).json["teams"], query
        assert gw.get("/team/list?" + query, key=gw.key()).status == 401
    lines = gw.ctl("teams", "--no-headers", "--sort", "team_alias").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["t2", "t1", "t3"]


def test_llmgwctl_takes_a_teams_alias(gw):
    team(gw, team_id="t1", team_alias="Physics")
    for name in ("t2", "t3"):
        team(gw, team_id=name, team_alias="Twice")
    team(gw, team_id="Physics-2", team_alias="t1")           # an id wins over another's alias
    key = gw.key(team_id="t1", key_alias="of t1")
    shown = gw.ctl_json("teams", "show", "Physics")
    assert shown["team_id"] == "t1" and [k["key_alias"] for k in shown["keys"]] == ["of t1"]
    assert gw.ctl_json("teams", "show", "t1")["team_info"]["team_alias"] == "Physics"
    for wrong in ("Twice", "physics", "no"):
        assert "Team not found" in gw.ctl("teams", "show", wrong, check=False).stderr
    assert gw.ctl_json("teams", "update", "Physics", "--max-budget", "5")["team_id"] == "t1"
    for args in (("block", "Physics"), ("unblock", "Physics"), ("allow", "Physics", "m"), ("disallow", "Physics", "all-proxy-models"),
                 ("add", "Physics", '{"user_id": "ada", "role": "user"}'), ("member", "Physics", "ada", "--role", "admin"),
                 ("bulk", "Physics", '[{"user_id": "bob"}]'), ("permit", "Physics", "/key/info"), ("permissions", "Physics"),
                 ("remove", "Physics", "bob", "--yes")):
        gw.ctl("teams", *args)
    info = gw.get("/team/info?team_id=t1").json["team_info"]
    assert info["max_budget"] == 5 and info["models"] == ["m"] and [(m["user_id"], m["role"]) for m in info["members_with_roles"]] == [("ada", "admin")]
    assert gw.get("/team/info?team_id=Physics").status == 404, "by HTTP it is the id"
    assert gw.post("/team/delete", {"team_ids": ["Physics"]}).status == 404
    assert "of t1" in gw.ctl("teams", "delete", "Physics", "--dry-run").stdout
    assert "t1" in gw.ctl("teams", "delete", "Physics", "--yes").stdout
    assert gw.get("/team/info?team_id=t1").status == 404 and gw.ask("m", key=key).status == 401
    assert {t["team_id"] for t in gw.get("/team/list").json} == {"t2", "t3", "Physics-2"}


# ---- requests ------------------------------------------------------------------------------------

def test_requests_by_their_errors(gw):
    ada, bob = user(gw, "ada"), user(gw, "bob")
    assert gw.ask("m", key=ada).status == 200
    assert gw.ask("unknown", key=ada).status == 400
    assert gw.ask("mock?status=429", key=bob).status == 429
    rows = gw.spend_rows(wait_for=3)
    failed = {r["metadata"]["outcome_name"]: r["metadata"]["error_information"] for r in rows if r["status"] == "failure"}
    assert failed["UP_RATE_LIMITED"] == {"error_code": "429", "error_class": "throttling_error", "error_message": "UP_RATE_LIMITED"}
    assert all("error_information" not in r["metadata"] for r in rows if r["status"] == "success")

    def found(query, key=None, path="v2"):
        a = gw.get(f"/spend/logs/{path}?start_date=2020-01-01&end_date=2100-01-01&{query}", key=key)
        assert a.status == 200 and a.json["total"] == len(a.json["data"]), a
        return [r["metadata"]["outcome_name"] for r in a.json["data"]]

    for path in ("v2", "ui"):
        assert found("error_code=429", path=path) == found("error_code=up_rate_limited", path=path) == ["UP_RATE_LIMITED"]
        assert found("error_message=Rate_Lim", path=path) == found("error_message=throttl", path=path) == ["UP_RATE_LIMITED"]
        assert found("error_code=rate", path=path) == [] == found("error_code=200", path=path) == found("error_code=999999999999", path=path)
        assert found("error_message=rate&error_code=400", path=path) == [] == found("error_message=%25", path=path)
        assert found("error_code=429&status_filter=success", path=path) == []
        assert found("error_code=429&min_spend=1", path=path) == [] and found("error_code=429&max_spend=1", path=path) != []
    assert len(found("error_message=_")) == len(failed), "a success is no error, whatever it is called"
    # a user finds its own alone
    assert found("error_code=429", ada) == [] == found("error_message=rate", ada) and found("error_code=429", bob) == ["UP_RATE_LIMITED"]
    assert gw.get("/spend/logs/v2?error_code=429", key=gw.key()).status == 401


# ---- many ----------------------------------------------------------------------------------------

MANY = 100_000


@pytest.mark.timing
def test_a_page_of_very_many_keys(start, capsys):
    """No sort needs an index: a page of any order costs one reading of the table, as one by spend always has."""
    gw = start([("m", "plain")])
    gw.stop()
    with contextlib.closing(sqlite3.connect(gw.tmp / "state" / "llmgw.db")) as db, db:
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                   " INSERT INTO keys (token_hash, key_name, alias, user_id, team_id, spend, max_budget, metadata, created_at,"
                   " created_by, updated_at) SELECT randomblob(32), 'sk-...' || i, 'k' || (i * 7919 % 1000003), 'u' || (i % 1000),"
                   " 't' || (i % 100), i * 7919 % 100003, i, '{\"note\": \"' || hex(zeroblob(60)) || '\"}', i, 'u' || (i % 1000), i"
                   " FROM n", (MANY,))
    gw.start()
    took = {}

    def ask(query):
        began = time.monotonic()
        a = gw.get("/key/list?size=100&return_full_object=true&" + query)
        took[query] = time.monotonic() - began
        assert a.status == 200 and len(a.json["keys"]) == 100, (query, a)
        return a.json["keys"]

    ask("warm=1")
    assert ask("")[0]["key_name"] == f"sk-...{MANY}"
    ask("page=1000")
    for by in ("spend", "max_budget", "created_at", "updated_at", "token", "key_alias"):
        assert ask(f"sort_by={by}") != ask(f"sort_by={by}&page=1000")
    ask("status=active")
    ask("sort_by=spend&expand=user")
    ask("user_id=u7&include_created_by_keys=true&sort_by=spend")
    with capsys.disabled():
        print("", *(f"{q or 'plain'}: {t * 1000:.0f} ms" for q, t in took.items()), sep="\n  ")
    assert max(took.values()) < 2, took
