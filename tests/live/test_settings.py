# SPDX-License-Identifier: MIT
"""What else is given by API beside models: access groups, fallbacks, settings; in force when the call answers, and
after a restart. And what a key's list leaves out."""
import json

import pytest

ON = "general_settings:\n  store_model_in_db: true\n"


@pytest.fixture
def gw(start):
    return start([("a", "mock?out=3"), ("b", "mock?out=3"), ("bad", "mock?status=500"), ("b-turbo", "mock?out=3")],
                 ON + "router_settings:\n  num_retries: 0\n  disable_cooldowns: true\n"
                 "litellm_settings:\n  success_callback: [prometheus]\n")


def refused(a, status, *words):
    assert a.status == status, a
    for w in words:
        assert w in a.json["error"]["message"], a


def again(gw):
    gw.stop()
    gw.start()


# ---- access groups -------------------------------------------------------------------------------

def test_access_groups(gw):
    a = gw.post("/access_group/new", {"access_group": "beta", "model_names": ["a", "b"]})
    assert a.json == {"access_group": "beta", "model_names": ["a", "b"], "models_updated": 2}, a
    key = gw.key(models=["beta"])
    assert gw.ask("a", key=key).status == gw.ask("b", key=key).status == 200 and gw.ask("bad", key=key).status == 403
    one = {"access_group": "beta", "model_names": ["a", "b"], "deployment_count": 2}
    assert gw.get("/access_group/beta/info").json == one
    assert gw.get("/access_group/list").json == {"access_groups": [one]}
    a = gw.request("PUT", "/access_group/beta/update", {"model_names": ["b", "b-turbo"]})
    assert a.json == {"access_group": "beta", "model_names": ["b", "b-turbo"], "models_updated": 2}
    assert gw.ask("a", key=key).status == 403 and gw.ask("b-turbo", key=key).status == 200
    again(gw)
    assert gw.ask("a", key=key).status == 403 and gw.ask("b-turbo", key=key).status == 200
    refused(gw.post("/access_group/new", {"access_group": "beta", "model_names": ["a"]}), 409, "beta")
    refused(gw.post("/access_group/new", {"access_group": "x", "model_names": ["nobody"]}), 400, "nobody")
    refused(gw.post("/access_group/new", {"access_group": "x", "model_names": []}), 400, "model_names")
    refused(gw.post("/access_group/new", {"model_names": ["a"]}), 400, "access_group")
    refused(gw.request("PUT", "/access_group/none/update", {"model_names": ["a"]}), 404, "none")
    a = gw.request("DELETE", "/access_group/beta/delete")
    assert a.json["models_updated"] == 2 and "deleted" in a.json["message"]
    assert gw.ask("b", key=key).status == 403
    refused(gw.get("/access_group/beta/info"), 404, "beta")
    refused(gw.request("DELETE", "/access_group/beta/delete"), 404, "beta")


def test_access_groups_of_the_file_stay_its_own(start):
    gw = start([("a", "mock?out=3"), ("b", {"model": "openai/x", "mock_response": "hi",
                                            "model_info": {"access_groups": ["theirs"]}})], ON)
    assert gw.get("/access_group/theirs/info").json["model_names"] == ["b"]
    refused(gw.request("DELETE", "/access_group/theirs/delete"), 400, "model_info")
    refused(gw.post("/access_group/new", {"access_group": "theirs", "model_names": ["a"]}), 409, "theirs")


# ---- what a list leaves out ----------------------------------------------------------------------

@pytest.mark.parametrize("models,may,may_not", [
    (["!b-turbo"], ["a", "b"], ["b-turbo"]),
    (["b*", "!b-turbo"], ["b"], ["a", "b-turbo"]),
    (["*", "!b*"], ["a"], ["b", "b-turbo"]),
    (["all-proxy-models", "!a"], ["b"], ["a"]),
    (["a", "!beta"], ["a"], ["b"]),
])
def test_exclusions(gw, models, may, may_not):
    gw.post("/access_group/new", {"access_group": "beta", "model_names": ["b"]})
    key = gw.key(models=models)
    assert {gw.ask(m, key=key).status for m in may} == {200}
    assert {gw.ask(m, key=key).status for m in may_not} == {403}
    listed = {m["id"] for m in gw.get("/v1/models", key=key).json["data"]}
    assert set(may) <= listed and not listed & set(may_not)


def test_exclusions_of_a_team_and_by_an_alias(gw):
    assert gw.post("/team/new", {"team_id": "t", "models": ["!b-turbo"]}).status == 200
    key = gw.key(team_id="t")
    assert gw.ask("b", key=key).status == 200 and gw.ask("b-turbo", key=key).status == 403
    gw.post("/config/update", {"router_settings": {"model_group_alias": {"fast": "b-turbo"}}})
    assert gw.ask("fast").status == 200 and gw.ask("fast", key=key).status == 403
    again(gw)
    assert gw.ask("b", key=key).status == 200 and gw.ask("b-turbo", key=key).status == 403


# ---- fallbacks -----------------------------------------------------------------------------------

def test_fallbacks(gw):
    assert gw.ask("bad").status == 500
    a = gw.post("/fallback", {"model": "bad", "fallback_models": ["a", "b"]})
    assert a.json == {"model": "bad", "fallback_models": ["a", "b"], "fallback_type": "general",
                      "message": "Fallback configuration created successfully"}, a
    assert gw.ask("bad").status == 200
    assert gw.get("/fallback/bad").json == {"model": "bad", "fallback_models": ["a", "b"], "fallback_type": "general"}
    again(gw)
    assert gw.ask("bad").status == 200
    gw.post("/fallback", {"model": "a", "fallback_models": ["b"], "fallback_type": "context_window"})
    assert gw.get("/fallback/a?fallback_type=context_window").json["fallback_models"] == ["b"]
    refused(gw.get("/fallback/a"), 404, "'a'")
    refused(gw.post("/fallback", {"model": "nobody", "fallback_models": ["a"]}), 404, "nobody")
    refused(gw.post("/fallback", {"model": "a", "fallback_models": ["nobody"]}), 400, "nobody")
    refused(gw.post("/fallback", {"model": "a", "fallback_models": ["a"]}), 400, "Invalid")
    refused(gw.post("/fallback", {"model": "a", "fallback_models": ["b"], "fallback_type": "x"}), 400, "fallback_type")
    a = gw.request("DELETE", "/fallback/bad")
    assert a.json["message"] == "Fallback configuration deleted successfully" and gw.ask("bad").status == 500
    refused(gw.request("DELETE", "/fallback/bad"), 404, "'bad'")


# ---- settings ------------------------------------------------------------------------------------

def field(gw, name, section="general_settings"):
    return gw.get(f"/config/field/info?field_name={name}&config_type={section}")


def test_fields(gw):
    rows = {r["field_name"]: r for r in gw.get("/config/list?config_type=general_settings").json}
    assert rows["master_key"]["field_value"] == "********"
    assert rows["store_model_in_db"]["field_value"] is True and not rows["store_model_in_db"]["stored_in_db"]
    assert rows["background_health_checks"]["field_type"] == "Boolean"
    a = gw.post("/config/field/update", {"field_name": "max_request_size_mb", "field_value": 1,
                                         "config_type": "general_settings"})
    assert a.status == 200 and a.json["message"] == "Config updated successfully", a
    assert gw.post("/v1/chat/completions", {"model": "a", "messages": [{"role": "user", "content": "x" * 2000000}]}).status == 413
    again(gw)
    rows = {r["field_name"]: r for r in gw.get("/config/list").json}
    assert rows["max_request_size_mb"]["stored_in_db"]
    origin = gw.ctl_json("config", "show", "--origin")["general_settings"]["max_request_size_mb"]["origin"]
    assert origin == "the database, setting 'general_settings.max_request_size_mb'"
    assert gw.post("/config/field/delete", {"field_name": "max_request_size_mb"}).status == 200
    assert gw.post("/v1/chat/completions", {"model": "a", "messages": [{"role": "user", "content": "x" * 2000000}]}).status == 200
    refused(gw.post("/config/field/delete", {"field_name": "max_request_size_mb"}), 400, "not in config")
    refused(gw.post("/config/field/update", {"field_name": "max_request_size_mb", "field_value": "big"}), 400,
            "general_settings.max_request_size_mb")
    for name in ("master_key", "store_model_in_db"):
        refused(gw.post("/config/field/update", {"field_name": name, "field_value": "sk-1"}), 400, "file alone")
    refused(gw.post("/config/field/update", {"field_name": "nonsense", "field_value": 1}), 400, "nonsense")
    refused(field(gw, "nonsense"), 400, "nonsense")
    refused(gw.get("/config/list?config_type=x"), 400, "config_type")


def test_update_and_router_settings(gw):
    a = gw.post("/config/update", {"router_settings": {"num_retries": 4, "timeout": 30},
                                   "litellm_settings": {"public_model_groups": ["a"]}})
    assert a.json == {"message": "Config updated successfully"}, a
    assert field(gw, "num_retries", "router_settings").json == {"field_name": "num_retries", "field_value": 4}
    r = gw.get("/router/settings").json
    assert r["current_values"]["num_retries"] == 4
    assert next(f for f in r["fields"] if f["field_name"] == "num_retries")["stored_in_db"]
    assert {f["field_name"] for f in gw.get("/router/fields").json["fields"]} >= {"num_retries", "fallbacks"}
    assert [g["model_group"] for g in gw.get("/public/model_hub").json] == ["a"]
    c = gw.get("/get/config/callbacks").json
    assert c["status"] == "success" and c["callbacks"] == [{"name": "prometheus", "variables": {}, "type": "success"}]
    assert c["router_settings"]["num_retries"] == 4
    assert gw.get("/config/yaml").json["router_settings"]["num_retries"] == 4
    refused(gw.post("/config/update", {"router_settings": {"num_retries": 5, "timeout": "soon"}}), 400,
            "router_settings.timeout")
    assert field(gw, "num_retries", "router_settings").json["field_value"] == 4      # all or nothing
    refused(gw.post("/config/update", {"environment_variables": {"A": "b"}}), 400, "environment_variables")
    refused(gw.post("/config/update", {}), 400, "nothing")
    gw.ctl("config", "set", "num_retries", "1", "--config-type", "router_settings")
    assert gw.ctl_json("config", "get", "num_retries", "--config-type", "router_settings")["field_value"] == 1
    gw.ctl("config", "unset", "num_retries", "--config-type", "router_settings")
    assert field(gw, "num_retries", "router_settings").json["field_value"] == 0


def test_what_does_not_fit_the_file_any_more_costs_no_start(gw):
    gw.post("/config/update", {"general_settings": {"max_request_size_mb": 20}})
    assert gw.wait_log("config.change")["what"] == "setting.update several"
    gw.stop()
    text = gw.config.read_text()
    gw.config.write_text(text.replace("store_model_in_db: true\n", "store_model_in_db: true\n  max_request_size_mb: 5\n") +
                         "server:\n  limits:\n    request-memory: 10M\n")
    gw.start()
    assert gw.records("config.stored_ignored")[-1]["objects"] == 1 and gw.ask("a").status == 200
    p = gw.ctl("reload", check=False)
    assert p.returncode == 8 and "request-memory" in p.stderr
    gw.config.write_text(text)
    gw.ctl("reload")
    assert field(gw, "max_request_size_mb").json["field_value"] == 20


def test_a_reload_with_what_is_stored(gw):
    """The file may change under a setting of the database: that one wins until it is deleted."""
    gw.post("/config/update", {"router_settings": {"num_retries": 4}})
    gw.config.write_text(gw.config.read_text().replace("num_retries: 0", "num_retries: 7"))
    gw.ctl("reload")
    assert field(gw, "num_retries", "router_settings").json["field_value"] == 4
    assert gw.post("/config/field/delete", {"field_name": "num_retries", "config_type": "router_settings"}).status == 200
    assert field(gw, "num_retries", "router_settings").json["field_value"] == 7


def test_cli_by_http(gw):
    """Names in paths, by llmgwctl over the management API."""
    url = f"http://127.0.0.1:{gw.port}"
    (gw.tmp / "key").write_text(gw.master_key)

    def ctl(*args):
        import subprocess
        from gateway import BUILD
        p = subprocess.run([BUILD / "llmgwctl", "--url", url, "--key-file", gw.tmp / "key", "--json", *args],
                           capture_output=True, text=True, timeout=60)
        assert p.returncode == 0, p
        return json.loads(p.stdout)
    ctl("access-groups", "add", "my group/1", "a", "b")
    assert ctl("access-groups", "show", "my group/1")["model_names"] == ["a", "b"]
    ctl("access-groups", "update", "my group/1", "a")
    assert ctl("access-groups", "show", "my group/1")["model_names"] == ["a"]
    ctl("access-groups", "delete", "my group/1", "--yes")
    assert ctl("access-groups")["access_groups"] == []
