# SPDX-License-Identifier: MIT
"""What keys and configuration hold a caller to: paths, addresses, members of the body, the most
that a key may be given, and a budget that is larger for a while."""
import json

import pytest

from gateway import Gateway, Mock, until

SETTINGS = """general_settings:
  enforced_params: [%s]
  allowed_ips: [%s]
litellm_settings:
  default_key_generate_params: {max_budget: 7, models: [m], metadata: {room: 1}}
  upperbound_key_generate_params: {max_budget: 100, duration: 30d, rpm_limit: 60, tpm_limit: null, nonsense: 5}
"""


@pytest.fixture(scope="module")
def mock():
    m = Mock()
    yield m
    m.close()


def make(tmp, mock, settings="", **kw):
    return Gateway(tmp, [("m", {"model": "openai/mock?tokens=2", "api_base": mock.base, "api_key": "x",
                                "input_cost_per_token": 0.001, "output_cost_per_token": 0.001})],
                   settings, **kw)


@pytest.fixture(scope="module")
def gw(tmp_path_factory, mock):
    g = make(tmp_path_factory.mktemp("rules"), mock).start()
    yield g
    g.stop()


# ---- what the configuration wants of all ----

def switched(start, settings):
    return start([("m", "plain"), ("claude", "plain")], "general_settings:\n" + settings)


def test_each_request_names_its_customer(start):
    gw = switched(start, "  enforce_user_param: true\n")
    assert "W001" not in gw.logs()
    for how in ({"user": "anna"}, {"metadata": {"user_id": "anna"}}, {"headers": {"x-litellm-customer-id": "anna"}}):
        assert gw.ask("m", **how).status == 200, how
    for how in ({}, {"user": None}, {"user": ""}, {"metadata": {"tags": ["x"]}}):
        a = gw.ask("m", **how)
        assert a.status == 400 and "please pass param=user" in a.json["error"]["message"], (how, a)
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    assert gw.post("/v1/messages", body).status == 400
    assert gw.post("/v1/messages", {**body, "metadata": {"user_id": "anna"}}).status == 200
    assert gw.get("/v1/models").status == 200


def test_clients_give_no_tags(start):
    gw = switched(start, "  reject_clientside_metadata_tags: true\n")
    key = gw.key(tags=["of-the-key"])
    for how in ({"metadata": {"tags": ["x"]}}, {"tags": ["x"]}, {"headers": {"x-litellm-tags": "x"}}):
        a = gw.ask("m", key=key, **how)
        assert a.status == 400 and "Client-side 'metadata.tags' not allowed" in a.json["error"]["message"], (how, a)
    assert gw.ask("m", key=key).status == gw.ask("m", key=key, metadata={"room": "1"}).status == 200


def test_service_accounts_have_rules_of_their_own(start):
    gw = switched(start, "  service_account_settings: {enforced_params: [user]}\n")
    assert "W001" not in gw.logs() and "W002" not in gw.logs()
    assert gw.post("/team/new", {"team_id": "t"}).status == 200
    service = gw.post("/key/service-account/generate", {"team_id": "t", "key_alias": "robot"}).json["key"]
    a = gw.ask("m", key=service)
    assert a.status == 400 and "please pass param=user" in a.json["error"]["message"], a
    assert gw.ask("m", key=service, user="anna").status == 200
    assert gw.ask("m", key=gw.key(team_id="t")).status == gw.ask("m").status == 200
    gw.stop()
    gw.start()
    assert gw.ask("m", key=service).status == 400


# ---- paths ----

@pytest.mark.parametrize("routes, good, bad", [
    (["/v1/chat/completions"], ["/v1/chat/completions"], ["/chat/completions", "/v1/models", "/key/info"]),
    (["llm_api_routes"], ["/v1/chat/completions", "/v1/models"], ["/key/info", "/model/info"]),
    (["info_routes"], ["/v1/models", "/key/info", "/model/info"], ["/v1/chat/completions"]),
    (["management_routes"], ["/key/info", "/model/info"], ["/v1/chat/completions", "/v1/models"]),
    (["/v1/*", "/key"], ["/v1/models", "/v1/chat/completions", "/key/info"], ["/models", "/chat/completions"]),
    (["anthropic_routes"], ["/v1/messages"], ["/v1/chat/completions", "/v1/models"]),
    (["/v1/chat/completions/"], [], ["/v1/chat/completions", "/v1/models"]),
])
def test_a_key_goes_where_its_routes_lead(gw, routes, good, bad):
    key = gw.key(allowed_routes=routes)
    for path in good + bad:
        if path in ("/v1/chat/completions", "/chat/completions", "/v1/messages"):
            a = gw.post(path, {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}, key=key)
        else:
            a = gw.get(path, key=key)
        assert a.status == (200 if path in good else 403), (routes, path, a)
        if path in bad and path != "/v1/messages":
            assert a.json["error"]["message"].startswith("Virtual key is not allowed to call this route."), a
            assert a.json["error"]["type"] == "auth_error"


def test_routes_outlive_a_restart_and_change_at_once(gw):
    key = gw.key(key_type="read_only")
    assert gw.get("/key/info", key=key).json["info"]["allowed_routes"] == ["info_routes"]
    assert gw.ask("m", key=key).status == 403
    gw.wait_log("request.done", outcome="ROUTE_DENIED")
    gw.stop()
    gw.start()
    assert gw.ask("m", key=key).status == 403
    assert gw.post("/key/update", {"key": key, "allowed_routes": []}).status == 200
    assert gw.ask("m", key=key).status == 200


@pytest.mark.parametrize("fields", [
    {"allowed_routes": "x"}, {"allowed_routes": [1]}, {"allowed_routes": [""]}, {"allowed_routes": {"a": 1}},
    {"enforced_params": "user"}, {"enforced_params": [None]}, {"key_type": "any"}, {"temp_budget_increase": 5},
    {"temp_budget_expiry": "2100-01-01"}, {"temp_budget_increase": 5, "temp_budget_expiry": "soon"},
    {"temp_budget_increase": -5, "temp_budget_expiry": "1d"}, {"temp_budget_increase": "x", "temp_budget_expiry": "1d"}])
def test_what_is_no_rule_is_refused(gw, fields):
    a = gw.post("/key/generate", fields)
    assert a.status == 400 and a.json["error"]["param"] in fields or "missing" in a.json["error"]["message"], a


# ---- members of the body ----

def test_a_keys_requests_have_what_they_must(gw):
    key = gw.key(enforced_params=["user", "metadata.project"])
    a = gw.ask("m", key=key)
    assert a.status == 400 and a.json["error"]["param"] == "user" and "required param" in a.json["error"]["message"]
    assert gw.ask("m", key=key, user="ada").json["error"]["param"] == "metadata.project"
    assert gw.ask("m", key=key, user="ada", metadata={"project": None}).status == 400
    assert gw.ask("m", key=key, user="ada", metadata={"project": "x"}).status == 200
    assert gw.get("/v1/models", key=key).status == 200


# ---- budgets that are larger for a while ----

def test_a_budget_is_larger_for_a_while(gw):
    key = gw.key(max_budget=0.000001)
    assert gw.ask("m", key=key, max_tokens=5).status == 429
    a = gw.post("/key/update", {"key": key, "temp_budget_increase": 500, "temp_budget_expiry": "2s"})
    assert a.status == 200 and a.json["max_budget"] == 0.000001, a
    assert a.json["metadata"]["temp_budget_expiry"].endswith("Z")
    assert "llmgw_warnings" not in a.json
    assert gw.ask("m", key=key, max_tokens=5).status == 200
    a = until(lambda: (a := gw.ask("m", key=key, max_tokens=5)).status == 429 and a)
    assert "Max budget: 1e-06" in a.json["error"]["message"], a
    gw.post("/key/update", {"key": key, "temp_budget_increase": 5000, "temp_budget_expiry": "2100-01-01"})
    assert gw.ask("m", key=key, max_tokens=5).status == 200
    gw.stop()
    gw.start()
    assert gw.ask("m", key=key, max_tokens=5).status == 200


# ---- configuration ----

def test_new_keys_are_what_the_configuration_says(tmp_path, mock):
    g = make(tmp_path, mock, SETTINGS % ("", "127.0.0.0/8"), workers=1).start()
    try:
        made = g.post("/key/generate", {}).json
        assert made["max_budget"] == 7 and made["models"] == ["m"] and made["metadata"] == {"room": 1}
        assert made["rpm_limit"] == 60 and made["tpm_limit"] is None and made["expires"]
        made = g.post("/key/generate", {"max_budget": 50, "models": [], "duration": "2d", "rpm_limit": None}).json
        assert made["max_budget"] == 50 and made["models"] == ["m"] and made["rpm_limit"] == 60
        for fields in ({"max_budget": 101}, {"duration": "31d"}, {"duration": "-1"}, {"rpm_limit": 61}):
            a = g.post("/key/generate", fields)
            assert a.status == 400 and "over max limit" in a.json["error"]["message"], (fields, a)
            a = g.post("/key/update", {"key": made["key"], **fields})
            assert a.status == 400 and "over max limit" in a.json["error"]["message"], (fields, a)
        assert g.post("/key/update", {"key": made["key"], "max_budget": None}).status == 400
        assert g.post("/key/regenerate", {"key": made["key"], "max_budget": 101}).status == 400
        a = g.post("/key/bulk_update", {"keys": [{"key": made["key"], "max_budget": 101}]}).json
        assert len(a["failed_updates"]) == 1
        assert g.post("/key/update", {"key": made["key"], "max_budget": 100}).status == 200
        g.post("/team/new", {"team_id": "t"})
        assert g.post("/key/service-account/generate", {"team_id": "t", "max_budget": 101}).status == 400
    finally:
        g.stop()


def test_addresses_are_let_in_or_not(tmp_path, mock):
    g = make(tmp_path, mock, SETTINGS % ("", "10.0.0.0/8, 2001:db8::1"), workers=1).start()
    try:
        a = g.ask("m")
        assert a.status == 403 and a.json["error"]["message"].startswith("Access forbidden")
        assert g.get("/key/list").status == 403
        assert g.get("/health/liveliness", key=False).status == 200
        assert g.ctl("keys", "list").returncode == 0
        g.write([("m", {"model": "openai/mock", "api_base": mock.base, "api_key": "x"})],
                SETTINGS % ("", "10.0.0.0/8, 127.0.0.1"))
        g.ctl("reload")
        until(lambda: g.ask("m").status == 200)
        g.write([], SETTINGS % ("", "10.0.0.1/8"))
        p = g.ctl("reload", check=False)
        assert p.returncode == 8 and "no address and no network" in p.stderr + p.stdout, p
        assert g.ask("m").status == 200
    finally:
        g.stop()


def test_addresses_behind_a_proxy(tmp_path, mock):
    rules = SETTINGS % ("", "203.0.113.0/24, 2001:db8::1") + "server: {trusted-proxies: [%s]}\n"
    rules = rules.replace("general_settings:", "general_settings:\n  use_x_forwarded_for: %s")

    def asked(*lines):
        return gw.ask("m", headers=dict(zip(("x-forwarded-for", "X-Forwarded-For"), lines))).status

    gw = make(tmp_path, mock, rules % ("true", "127.0.0.1, 10.0.0.0/8"), workers=1).start()
    try:
        for lines in (["203.0.113.5"], ["203.0.113.5, 10.1.1.1"], ["6.6.6.6,203.0.113.5 , 10.0.0.9"], ["[2001:db8::1]:99"],
                      ["203.0.113.5:4711,10.0.0.1:80"], ["2001:db8::1"], ["203.0.113.5", "10.0.0.3"]):
            assert asked(*lines) == 200, lines
        # what stands before the first that is no proxy anybody may have written
        for lines in ([], ["6.6.6.6"], ["203.0.113.5, 6.6.6.6"], ["203.0.113.5, 6.6.6.6, 10.0.0.1"], ["203.0.113.5, x"],
                      ["203.0.113.5/24"], ["203.0.113.5", "6.6.6.6"], ["203.0.113.5,"], ["[203.0.113.5"],
                      ["10.0.0.1, 10.0.0.2"], ["203.0.113.5" + ",10.0.0.1" * 100]):
            assert asked(*lines) == 403, lines
        # the audit log and penalties go by it, too
        assert gw.post("/user/new", {"user_id": "x"}, headers={"x-forwarded-for": "203.0.113.77"}).status == 200
        rows = json.loads(gw.ctl("--json", "audit", "list").stdout)["audit_logs"]
        assert any(r["address"] == "203.0.113.77" for r in rows)
        for switch, proxies in (("false", "127.0.0.1"), ("true", "10.0.0.0/8"), ("true", "")):
            gw.write([("m", {"model": "openai/mock", "api_base": mock.base, "api_key": "x"})], rules % (switch, proxies))
            gw.ctl("reload")
            until(lambda: asked("203.0.113.5") == 403)
    finally:
        gw.stop()


def test_all_requests_have_what_they_must(tmp_path, mock):
    g = make(tmp_path, mock, SETTINGS % ("user", "127.0.0.1"), workers=1).start()
    try:
        assert g.ask("m").json["error"]["param"] == "user"
        assert g.ask("m", user="ada").status == 200
        assert g.post("/v1/messages", {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
                      ).status == 400
    finally:
        g.stop()


# ---- paths of the configuration ----

def ask_at(gw, path, **kw):
    if path in ("/v1/chat/completions", "/chat/completions"):
        return gw.post(path, {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}, **kw)
    return gw.get(path, **kw)


@pytest.mark.parametrize("given, good, bad", [
    ("[/v1/chat/completions, '/key/*']", ["/v1/chat/completions", "/key/list", "/key/aliases"], ["/chat/completions", "/v1/models"]),
    ("[LiteLLMRoutes.info_routes, /v1]", ["/v1/models", "/model/info"], ["/v1/chat/completions", "/spend/logs"]),
])
def test_no_other_paths_are_answered(tmp_path, mock, given, good, bad):
    gw = make(tmp_path, mock, f"general_settings:\n  allowed_routes: {given}\n").start()
    try:
        for path in good:
            assert ask_at(gw, path).status == 200, path
        for path in bad:
            for key in (None, False, "sk-nobody-knows-this-key"):
                a = ask_at(gw, path, key=key)
                assert a.status == 403 and a.json["error"]["message"] == f"Access forbidden: Route {path} not allowed", a
        assert gw.get("/health/liveliness", key=False).status == 200
    finally:
        gw.stop()


def test_paths_that_want_no_key(tmp_path, mock):
    gw = make(tmp_path, mock, "general_settings:\n  public_routes: [LiteLLMRoutes.public_routes, /v1/models, /chat/completions, "
                              "'/key/*', /nowhere, nonsense]\n").start()
    try:
        key = gw.key(models=["none"])
        for who in (False, "sk-nobody-knows-this-key", "something"):
            for path in ("/v1/models", "/chat/completions", "/key/list"):
                assert ask_at(gw, path, key=who).status == 200, (who, path)
            for path in ("/models", "/v1/chat/completions", "/spend/logs"):
                assert ask_at(gw, path, key=who).status == 401, (who, path)
            for path in ("/key/generate", "/key/delete", "/key/block"):
                assert gw.post(path, {"keys": [key], "key": key}, key=who).status == 401, (who, path)
        # Who has a key is who it is.
        assert ask_at(gw, "/chat/completions", key=key).status == 403
        assert gw.get("/v1/models", key=key).json["data"] == [] and ask_at(gw, "/key/list", key=key).status == 401
        assert gw.get("/key/list").json["total_count"] == 1
        assert until(lambda: len([r for r in gw.ctl_json("spend", "logs") if r["model_group"] == "m" and r["spend"] > 0]) == 3)
    finally:
        gw.stop()


def test_paths_of_administrators(tmp_path, mock):
    gw = make(tmp_path, mock, "general_settings:\n  admin_only_routes: [/v1/chat/completions, LiteLLMRoutes.info_routes]\n").start()
    try:
        for user, role in (("root", "proxy_admin"), ("own", "internal_user")):
            assert gw.post("/user/new", {"user_id": user, "user_role": role, "auto_create_key": False}).status == 200
        for key in (gw.key(), gw.key(user_id="own")):
            for path in ("/v1/chat/completions", "/v1/models", "/key/info"):
                a = ask_at(gw, path, key=key)
                assert a.status == 403 and f"Route={path} is an admin only route" in a.json["error"]["message"], a
            assert ask_at(gw, "/chat/completions", key=key).status == 200
        for key in (None, gw.key(user_id="root")):
            for path in ("/v1/chat/completions", "/v1/models", "/model/info"):
                assert ask_at(gw, path, key=key).status == 200
    finally:
        gw.stop()
