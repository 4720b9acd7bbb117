# SPDX-License-Identifier: MIT
"""What LiteLLM's dashboard, clients and provider for Terraform ask about the service: teams in pages, one user, the last
probes, callbacks, routes. Each tells what is so here, and to those who may know."""

from test_roles import user
from test_teams import team

from gateway import until

ON = "general_settings:\n  store_model_in_db: true\n"
ADMINS = ["/health/history", "/health/latest", "/health/backlog", "/health/license", "/health/shared-status",
          "/active/callbacks", "/settings", "/callbacks/list", "/callbacks/configs", "/model/settings"]


def test_who_may_ask(gw):
    plain, internal = gw.key(), user(gw, "ada")
    viewer = user(gw, "eve", "proxy_admin_viewer")
    for path in ADMINS:
        assert gw.get(path).status == gw.get(path, key=viewer).status == 200, path
        assert gw.get(path, key=plain).status == gw.get(path, key=internal).status == 401, path
        assert gw.get(path, key=False).status == 401, path
    for path, body in (("/global/spend/refresh", {}), ("/model_group/make_public", {"model_groups": ["m"]})):
        assert gw.post(path, body, key=viewer).status == gw.post(path, body, key=internal).status == 401, path
    assert gw.post("/global/spend/refresh", {}).json["status"] == "success"
    assert gw.get("/test", key=False).json == {"route": "/test"}


def test_teams_in_pages(gw):
    for i in range(7):
        team(gw, team_id=f"t{i}", team_alias=f"Physics {6 - i}", organization_id="o" if i < 3 else None)
    gw.post("/team/member_add", {"team_id": "t1", "member": [{"user_id": "ada", "role": "user"}, {"user_id": "bob", "role": "user"}]})
    a = gw.get("/v2/team/list?page_size=3&page=2&sort_by=team_id").json
    assert [t["team_id"] for t in a["teams"]] == ["t3", "t4", "t5"]
    assert (a["total"], a["page"], a["page_size"], a["total_pages"]) == (7, 2, 3, 3)
    ids = lambda query: [t["team_id"] for t in gw.get("/v2/team/list?" + query).json["teams"]]
    assert ids("sort_by=team_alias") == ids("sort_by=team_id&sort_order=desc") == [f"t{i}" for i in range(6, -1, -1)]
    assert ids("") == ids("sort_by=nonsense") == [f"t{i}" for i in range(6, -1, -1)], "the newest first"
    assert ids("team_alias=cs+3") == ids("team_alias=CS%203") == ["t3"]
    assert ids("team_id=t4") == ["t4"] and ids("team_id=none") == [] and set(ids("organization_id=o")) == {"t0", "t1", "t2"}
    assert gw.get("/v2/team/list?user_id=ada").json["teams"][0]["members_count"] == 2
    assert gw.get("/v2/team/list?status=deleted").json == {"teams": [], "total": 0, "page": 1, "page_size": 10, "total_pages": 0}
    for wrong in ("status=open", "page=0", "page_size=0"):
        assert gw.get("/v2/team/list?" + wrong).status == 400, wrong
    ada = user(gw, "ada")
    mine = gw.get("/v2/team/list?user_id=zoe", key=ada).json
    assert [t["team_id"] for t in mine["teams"]] == ["t1"] and mine["total"] == 1
    assert gw.get("/v2/team/list", key=gw.key()).status == 401


def test_one_user_without_its_keys(gw):
    ada, bob = user(gw, "ada", user_email="ada@x", max_budget=3), user(gw, "bob")
    team(gw, team_id="t", members_with_roles=[{"user_id": "ada", "role": "user"}, {"user_id": "bob", "role": "admin"}])
    a = gw.get("/v2/user/info?user_id=ada").json
    assert (a["user_id"], a["user_email"], a["user_role"], a["max_budget"], a["teams"], a["sso_user_id"]) == \
        ("ada", "ada@x", "internal_user", 3, ["t"], None)
    assert "keys" not in a and a["spend"] == 0 and a["models"] == [] and a["created_at"]
    assert gw.get("/v2/user/info", key=ada).json["user_id"] == "ada"
    assert gw.get("/v2/user/info?user_id=ada", key=bob).json["user_id"] == "ada", "an admin of its team"
    assert gw.get("/v2/user/info?user_id=bob", key=ada).status == 404, "not the other way round"
    # Who takes somebody into its team sees no more of it for that.
    user(gw, "zoe", "proxy_admin", metadata={"a": "private"}, max_budget=9, user_email="zoe@x")
    team(gw, team_id="far", members_with_roles=[{"user_id": "zoe", "role": "user"}])
    assert gw.post("/team/member_add", {"team_id": "t", "member": {"user_id": "zoe", "role": "user"}}, key=bob).status == 200
    a = gw.get("/v2/user/info?user_id=zoe", key=bob).json
    assert (a["user_email"], a["metadata"], a["max_budget"], a["spend"], a["teams"]) == ("zoe@x", {}, None, 0, ["t"])
    assert gw.get("/v2/user/info?user_id=zoe").json["metadata"] == {"a": "private"}
    assert gw.get("/v2/user/info?user_id=none").status == gw.get("/v2/user/info").status == 404
    admin = user(gw, "root", "proxy_admin")
    assert gw.get("/v2/user/info", key=admin).json["user_id"] == "root"


def test_probes_are_kept(start):
    gw = start([("well", "mock?out=3"), ("ill", {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "x",
                                                 "model_info": {"id": "ill-1"}})], ON)
    assert gw.get("/health/history").json == {"health_checks": [], "total_records": 0, "limit": 100, "offset": 0}
    for _ in range(2):
        assert gw.get("/health").json["unhealthy_count"] == 1
    until(lambda: gw.get("/health/history").json["total_records"] == 4)
    rows = gw.get("/health/history?model=ill").json["health_checks"]
    assert [r["status"] for r in rows] == ["unhealthy"] * 2 and rows[0]["error_message"] and rows[0]["checked_at"] >= rows[1]["checked_at"]
    assert rows[0]["model_id"] == "ill-1" and rows[0]["unhealthy_count"] == 1 and rows[0]["checked_by"] == "default_user_id"
    assert [r["model_name"] for r in gw.get("/health/history?status_filter=healthy&limit=1").json["health_checks"]] == ["well"]
    assert gw.get("/health/history?offset=3").json["total_records"] == 1
    for wrong in ("limit=0", "limit=1001", "status_filter=so-so", "offset=1000000"):
        assert gw.get("/health/history?" + wrong).status == 400, wrong
    latest = gw.get("/health/latest").json
    assert latest["total_models"] == 2 and latest["latest_health_checks"]["ill-1"] == rows[0]
    gw.stop()
    gw.start()
    assert gw.get("/health/latest").json == latest
    table = gw.ctl("health", "history", "ill").stdout
    assert "unhealthy" in table and "ill-1" in table


def test_what_is_told_of_the_service(start):
    gw = start([("m", "mock?out=3")], "litellm_settings:\n  callbacks: [prometheus]\n  success_callback: [generic_api]\n"
               "  failure_callback: [generic_api, slack]\n  request_timeout: 30\n",
               env={"GENERIC_LOGGER_ENDPOINT": "http://127.0.0.1:9/", "SLACK_WEBHOOK_URL": "http://127.0.0.1:9/"})
    a = gw.get("/active/callbacks").json
    assert a == gw.get("/settings").json
    assert a["litellm.callbacks"] == ["prometheus"] and a["litellm.failure_callback"] == ["generic_api", "slack"]
    assert a["num_callbacks"] == 4 == len(a["all_litellm_callbacks"]) and a["num_alerting"] == 0
    assert a["litellm.request_timeout"] == 30
    assert gw.get("/callbacks/list").json == {"success": [], "failure": ["slack"],
                                              "success_and_failure": ["prometheus", "generic_api"]}
    kinds = gw.get("/callbacks/configs").json
    assert {"langfuse", "s3", "slack"} <= {k["id"] for k in kinds} and all(k["description"] for k in kinds)
    assert gw.get("/health/license").json["has_license"] is False
    assert gw.get("/health/shared-status").json["shared_health_check_enabled"] is False
    assert gw.get("/health/backlog").json["in_flight_requests"] >= 0
    providers = {p["name"]: [f["field_name"] for f in p["fields"]] for p in gw.get("/model/settings").json}
    assert "api_key" in providers["openai"] and "api_base" not in providers["openai"] and len(providers) > 50


def test_routes_are_those_of_the_table(gw):
    routes = gw.get("/routes", key=False).json["routes"]
    documented = gw.get("/openapi.json", key=False).json["paths"]
    assert {r["path"].replace("{path}", "") for r in routes} == {p.replace("/{path}", "") for p in documented}
    assert all(r["methods"] and r["name"] for r in routes)
    assert {"path": "/v2/team/list", "methods": ["GET"]}.items() <= next(r for r in routes if r["path"] == "/v2/team/list").items()


def test_public_models(start):
    gw = start([("a", "mock?out=3"), ("b", "mock?out=3")], ON)
    key = gw.key()
    assert gw.get("/public/model_hub", key=key).json == []
    a = gw.post("/model_group/make_public", {"model_groups": ["b"]})
    assert a.status == 200 and a.json["public_model_groups"] == ["b"]
    assert [m["model_group"] for m in gw.get("/public/model_hub", key=key).json] == ["b"]
    gw.stop()
    gw.start()
    assert [m["model_group"] for m in gw.get("/public/model_hub", key=key).json] == ["b"]
    assert gw.post("/model_group/make_public", {"model_groups": []}).status == 200
    assert gw.get("/public/model_hub", key=key).json == []
    for wrong in ({"model_groups": "b"}, {"model_groups": [1]}, {}):
        assert gw.post("/model_group/make_public", wrong).status == 400, wrong


def test_a_session_is_a_request_and_its_attempts(start):
    gw = start([("bad", "mock?status=500")], "router_settings: {num_retries: 2, disable_cooldowns: true}\n")
    gw.ask("bad")
    gw.ask("bad")
    request = gw.spend_rows(2)[0]["request_id"].partition("/")[0]
    a = gw.get(f"/spend/logs/session/ui?session_id={request}").json
    assert a["total"] == len(a["data"]) >= 1 and all(r["request_id"].startswith(request) for r in a["data"])
    assert gw.get("/spend/logs/session/ui?session_id=nobody").json["data"] == []
    assert gw.get("/spend/logs/session/ui").status == 400
