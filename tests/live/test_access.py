# SPDX-License-Identifier: MIT
"""Access groups of keys and teams, LiteLLM's /v1/access_group: models that who names a group may use beside its
own list, seen by all workers before the call that changes it answers, and kept over restarts."""
import hashlib

import pytest

NAMES = ["a", "b", "c", "w/x"]


@pytest.fixture
def gw(start, mock):
    wild = {"model": "openai/*", "api_base": mock.base + "/v1", "api_key": "sk-x"}
    return start([("a", "plain"), ("b", "plain"), ("c", "plain"), ("w/*", wild)],
                 "router_settings: {num_retries: 0}\n", workers=2)


def create(gw, name="g", status=201, **fields):
    a = gw.post("/v1/access_group", {"access_group_name": name, **fields})
    assert a.status == status, a
    return a.json


def update(gw, group, **fields):
    a = gw.request("PUT", "/v1/access_group/" + group["access_group_id"], fields)
    assert a.status == 200, a
    return a.json


def may(gw, key):
    shown = {m["id"] for m in gw.get("/v1/models", key=key).json["data"]}
    got = [n for n in NAMES if gw.ask(n, key=key).status == 200]
    assert {n for n in got if n != "w/x"} == shown - {"w/*"}
    return got


def test_a_key_has_the_models_of_its_group_too(gw):
    g = create(gw, access_model_names=["b"], description="few")
    key = gw.key(models=["a"], access_group_ids=[g["access_group_id"], "nobody"])
    assert may(gw, key) == ["a", "b"]
    assert gw.get("/key/info?key=" + key).json["info"]["access_group_ids"] == [g["access_group_id"], "nobody"]
    a = gw.ask("c", key=key)
    assert a.status == 403 and "models=['a']" in a.json["error"]["message"] and a.json["error"]["type"] == "key_model_access_denied"
    update(gw, g, access_model_names=["c", "w/*"])
    assert may(gw, key) == ["a", "c", "w/x"]
    update(gw, g, access_model_names=None)             # a group without models gives none
    assert may(gw, key) == ["a"]
    update(gw, g, access_model_names=["all-proxy-models"])
    assert may(gw, key) == NAMES
    gw.stop()
    gw.start()
    assert may(gw, key) == NAMES
    assert may(gw, gw.key(access_group_ids=[g["access_group_id"]])) == NAMES        # without a list all are its own
    none = gw.key(models=["!b", "a", "c"], access_group_ids=[g["access_group_id"]])
    assert may(gw, none) == ["a", "c", "w/x"]          # what a key must not use, no group gives it
    assert gw.post("/key/update", {"key": key, "access_group_ids": []}).status == 200
    assert may(gw, key) == ["a"]
    assert gw.post("/key/update", {"key": none, "access_group_ids": "x"}).status == 400
    a = gw.request("DELETE", "/v1/access_group/" + g["access_group_id"])
    assert a.status == 204 and a.body == b""
    assert may(gw, none) == ["a", "c"]


def test_assigned_keys_and_teams(gw):
    assert gw.post("/team/new", {"team_id": "t", "models": ["a"]}).status == 200
    of_team, own, other = gw.key(team_id="t"), gw.key(models=["a"]), gw.key(models=["a"])
    token = hashlib.sha256(other.encode()).hexdigest()
    g = create(gw, access_model_names=["b"], assigned_team_ids=["t", "nobody"], assigned_key_ids=[own, token])
    assert g["assigned_team_ids"] == ["t", "nobody"] and own not in str(g) and token in g["assigned_key_ids"]
    for key in (of_team, own, other):
        assert may(gw, key) == ["a", "b"]
    team = gw.get("/team/info?team_id=t").json["team_info"]
    assert team["access_group_ids"] == [g["access_group_id"]] and team["models"] == ["a"]
    again = update(gw, g, assigned_team_ids=[], assigned_key_ids=[token], access_group_name="h")
    assert again["access_group_name"] == "h" and again["access_model_names"] == ["b"] and again["created_at"] == g["created_at"]
    assert may(gw, of_team) == ["a"] and may(gw, own) == ["a"] and may(gw, other) == ["a", "b"]
    assert gw.get("/team/info?team_id=t").json["team_info"]["access_group_ids"] == []
    gw.stop()
    gw.start()
    assert may(gw, own) == ["a"] and may(gw, other) == ["a", "b"]
    rows = gw.ctl_json("audit", "list")["audit_logs"]
    assert {r["table_name"] for r in rows} >= {"LiteLLM_AccessGroupTable", "LiteLLM_TeamTable", "LiteLLM_VerificationToken"}
    assert own not in str(rows)


def test_list_show_and_what_is_refused(gw):
    g, h = create(gw, "g", access_mcp_server_ids=["s"], access_agent_ids=["x"]), create(gw, "h")
    assert set(g) == {"access_group_id", "access_group_name", "description", "access_model_names", "access_mcp_server_ids",
                      "access_agent_ids", "assigned_team_ids", "assigned_key_ids", "created_at", "created_by", "updated_at",
                      "updated_by"}
    assert g["access_mcp_server_ids"] == ["s"] and g["description"] is None and h["access_model_names"] == []
    assert gw.get("/v1/access_group").json == gw.get("/v1/unified_access_group").json == [h, g]
    for nobody in ("/v1/access_group/nobody", "/v1/unified_access_group/nobody"):
        assert gw.get(nobody.replace("nobody", g["access_group_id"])).json == g
        assert gw.get(nobody).status == gw.request("DELETE", nobody).status == 404
        assert gw.request("PUT", nobody, {"description": "x"}).status == 404
    create(gw, "g", status=409)
    assert gw.request("PUT", "/v1/access_group/" + h["access_group_id"], {"access_group_name": "g"}).status == 409
    for wrong in ({}, {"access_group_name": ""}, {"access_group_name": 5}, {"access_group_name": "n" * 1025},
                  {"access_group_name": "x", "access_model_names": "a"}, {"access_group_name": "x", "access_model_names": [1]},
                  {"access_group_name": "x", "access_model_names": ["!a"]}, {"access_group_name": "x", "access_model_names": [""]},
                  {"access_group_name": "x", "assigned_key_ids": ["k"] * 1001},
                  {"access_group_name": "x", "access_model_names": ["m" * 1000] * 60}):
        a = gw.post("/v1/access_group", wrong)
        assert a.status == 400 and "access_group_name" in str(a.json) or "ids" in str(a.json) or "names" in str(a.json), (wrong, a)
    key = gw.key()
    for method, path in (("POST", ""), ("GET", ""), ("GET", "/x"), ("PUT", "/x"), ("DELETE", "/x")):
        for name in ("access_group", "unified_access_group"):
            assert gw.request(method, f"/v1/{name}{path}", {} if method in ("POST", "PUT") else None, key=key).status in (401, 403)
    a = gw.request("DELETE", "/v1/unified_access_group/" + g["access_group_id"])
    assert a.status == 204
    b = gw.post("/v1/unified_access_group", {"access_group_name": "g"})
    assert b.status == 201 and b.json["access_group_id"] != g["access_group_id"]
    c = gw.request("PUT", "/v1/unified_access_group/" + b.json["access_group_id"], {"description": "y"})
    assert c.status == 200 and c.json["description"] == "y"
    assert {x["access_group_name"] for x in gw.ctl_json("access", "list")} == {"g", "h"}


def test_a_user_does_not_get_more_by_naming_a_group(gw):
    g = create(gw, access_model_names=["b"])
    gw.post("/user/new", {"user_id": "u", "user_role": "internal_user", "auto_create_key": False})
    own = gw.key(user_id="u", models=["a"])
    a = gw.post("/key/generate", {"access_group_ids": [g["access_group_id"]]}, key=own)
    assert a.status == 403 and "access_group_ids" in a.json["error"]["message"]
    made = gw.post("/key/generate", {}, key=own)
    assert made.status == 200 and may(gw, made.json["key"]) == ["a"]
    grouped = gw.key(user_id="u", models=["a"], access_group_ids=[g["access_group_id"]])
    made = gw.post("/key/generate", {}, key=grouped)
    assert made.status == 200 and made.json["models"] == ["a"] and may(gw, made.json["key"]) == ["a"]
    assert gw.post("/key/update", {"key": own, "access_group_ids": [g["access_group_id"]]}, key=own).status in (401, 403)
