# SPDX-License-Identifier: MIT
"""Aliases of models that a key (aliases) or a team (model_aliases) has: what is asked for, who may, what is answered and
booked, and that they are no way around somebody's list of models."""
import pytest

from gateway import until


@pytest.fixture
def gw(start):
    return start([("cheap", "plain"), ("dear", "plain"), ("other", "plain")], "router_settings: {num_retries: 0}\n", workers=2)


def asked(gw, model, key, stream=False):
    a = gw.ask(model, key=key, stream=stream)
    return a.headers["x-litellm-model-group"] if a.status == 200 else a.status


def test_a_keys_aliases(gw):
    key = gw.key(aliases={"mine": "dear", "dear": "cheap", "gone": "nothing", "odd": 7}, models=["mine", "dear"])
    assert asked(gw, "mine", key) == "dear" and asked(gw, "dear", key) == "cheap"      # one step, and no further
    assert asked(gw, "mine", key, stream=True) == "dear"
    assert gw.ask("mine", key=key).json["model"] == "mine"                             # the client hears its own name
    assert asked(gw, "gone", key) == 400 and asked(gw, "odd", key) == 400 and asked(gw, "other", key) == 403
    assert asked(gw, "mine", gw.key()) == 400                                          # it is this key's alone
    assert until(lambda: {r["model_group"] for r in gw.ctl_json("spend", "logs") if r["api_key"]} >= {"dear", "cheap"})
    assert gw.post("/key/update", {"key": key, "aliases": {"mine": "other"}}).status == 200
    assert asked(gw, "mine", key) == "other" and asked(gw, "dear", key) == "dear"
    gw.stop()
    gw.start()
    assert asked(gw, "mine", key) == "other"
    assert gw.post("/key/update", {"key": key, "aliases": {}}).status == 200
    assert asked(gw, "mine", key) == 400


def test_a_teams_aliases_come_after_the_keys(gw):
    assert gw.post("/team/new", {"team_id": "t", "model_aliases": {"ours": "dear"}, "models": ["ours", "cheap"]}).status == 200
    key = gw.key(team_id="t")
    assert asked(gw, "ours", key) == "dear" and asked(gw, "cheap", key) == "cheap" and asked(gw, "dear", key) == 403
    both = gw.key(team_id="t", aliases={"mine": "ours"})
    assert asked(gw, "mine", both) == "dear" and gw.ask("mine", key=both).json["model"] == "mine"


def test_aliases_are_no_way_around_a_list(gw):
    for path, body in (("/team/new", {"team_id": "t", "models": ["cheap"]}), ("/user/new", {"user_id": "u", "models": ["cheap"]})):
        assert gw.post(path, body).status == 200
    assert asked(gw, "cheap", gw.key(team_id="t", aliases={"cheap": "dear"})) == 403    # the team's list is about what is meant
    assert asked(gw, "cheap", gw.key(user_id="u", aliases={"cheap": "dear"})) == 403
    assert asked(gw, "x", gw.key(models=["x", "!dear"], aliases={"x": "dear"})) == 403
    assert gw.post("/user/new", {"user_id": "v", "user_role": "internal_user", "auto_create_key": False}).status == 200
    own = gw.key(user_id="v", models=["cheap"])
    made = gw.post("/key/generate", {"aliases": {"cheap": "dear"}, "models": ["cheap"]}, key=own)
    assert made.status == 200 and asked(gw, "cheap", made.json["key"]) == "cheap"       # a user's own key has none
    assert gw.post("/key/update", {"key": own, "aliases": {"cheap": "dear"}}, key=own).status == 403


def listed(gw, key, query=""):
    return [m["id"] for m in gw.get("/v1/models" + query, key=key).json["data"]]


def test_aliases_are_among_the_models_that_are_listed(gw):
    assert gw.post("/team/new", {"team_id": "t", "model_aliases": {"ours": "dear", "lost": "nothing"}}).status == 200
    key = gw.key(team_id="t", aliases={"mine": "ours", "cheap": "dear", "x": "other"}, models=["mine", "dear", "cheap"])
    assert sorted(listed(gw, key)) == ["cheap", "dear", "mine", "ours"]  # what "lost" and "x" mean is not to be had
    assert gw.get("/v1/models/mine", key=key).status == 200 and gw.get("/v1/models/lost", key=key).status == 404
    assert gw.get("/v1/models/x", key=key).status == 404 and gw.get("/v1/models/mine", key=gw.key()).status == 404
    names = {m["name"] for m in gw.get("/api/tags", key=key).json["models"]}
    assert names == {"cheap", "dear", "mine", "ours"}
    assert gw.post("/api/show", {"model": "mine"}, key=key).status == 200
    assert sorted(listed(gw, gw.key())) == ["cheap", "dear", "other"] == sorted(listed(gw, None))


def test_aliases_hold_for_what_is_relayed(gw, mock):
    assert gw.post("/team/new", {"team_id": "t", "model_aliases": {"ours": "dear"}, "models": ["ours"]}).status == 200
    key = gw.key(team_id="t", aliases={"mine": "ours"}, models=["mine"])
    for path, body in (("/v1/images/generations", {"prompt": "x"}), ("/v1/moderations", {"input": "x"}),
                       ("/v1/audio/speech", {"input": "x", "voice": "alloy"}), ("/v1/fine_tuning/jobs", {"training_file": "f"})):
        mock.clear()
        for model in ("dear", "cheap", "ours"):
            assert gw.post(path, {"model": model, **body}, key=key).status == 403, (path, model)
        assert mock.log() == []
        a = gw.post(path, {"model": "mine", **body}, key=key)
        assert a.status == 200 and a.headers["x-litellm-model-group"] == "dear", (path, a)
        assert [r["model"] for r in mock.log()] == ["plain"], path
    assert gw.post("/v1/images/generations", {"model": "mine", "prompt": "x"}, key=gw.key()).status == 400
    assert gw.post("/engines/mine/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, key=key).status == 200


@pytest.mark.parametrize("path,name", [("/model_group/info", "model_group"), ("/model/info", "model_name"), ("/v1/model/info", "model_name")])
def test_infos_tell_of_the_models_that_the_caller_may_use(gw, path, name):
    def told(key, query=""):
        a = gw.get(path + query, key=key)
        return sorted(row[name] for row in a.json["data"]) if a.status == 200 else a.status

    assert gw.post("/team/new", {"team_id": "t", "models": ["cheap", "other"]}).status == 200
    assert told(None) == told(gw.key()) == ["cheap", "dear", "other"]
    assert told(gw.key(models=["cheap"])) == ["cheap"] and told(gw.key(team_id="t")) == ["cheap", "other"]
    assert told(gw.key(team_id="t", models=["dear", "other"])) == ["other"] and told(gw.key(models=["none"])) == []
    assert told(gw.key(models=["cheap"]), "?caller_models=dear&caller_models=%5B%22dear%22%5D") == ["cheap"]
    a = gw.request("GET", path, {"caller_models": ["dear"]}, key=gw.key(models=["cheap"]))
    assert [row[name] for row in a.json["data"]] == ["cheap"]
    for user, role in (("own", "internal_user"), ("eye", "proxy_admin_viewer")):
        assert gw.post("/user/new", {"user_id": user, "user_role": role, "auto_create_key": False}).status == 200
    assert told(gw.key(user_id="own", models=["dear"])) == ["dear"]
    assert told(gw.key(user_id="eye", models=["dear"])) == ["cheap", "dear", "other"]
    if path == "/model_group/info":
        assert told(gw.key(models=["cheap"]), "?model_group=dear") == 404
    else:
        of_dear = [r["model_info"]["id"] for r in gw.get(path).json["data"] if r["model_name"] == "dear"][0]
        assert told(gw.key(models=["cheap"]), "?litellm_model_id=" + of_dear) == 400


def test_patterns_are_listed_for_who_may_use_them(start):
    gw = start([("mock*", "mock*"), ("m", "plain")], workers=1)
    assert listed(gw, gw.key(models=["m"]), "?return_wildcard_routes=true") == ["m"]
    assert sorted(listed(gw, gw.key(), "?return_wildcard_routes=true")) == ["m", "mock*"] and listed(gw, gw.key()) == ["m"]


def chain(gw, mock, model, **more):
    """The names that providers were asked for, and the model that the answer tells."""
    mock.clear()
    a = gw.ask(model, **more)
    return [c["model"] for c in mock.log()], a.json.get("model"), a.status


def test_fallbacks_of_a_name(start, mock):
    """Written for an alias, or for a name that a pattern serves: as with LiteLLM it is the name that was asked for."""
    bad = "plain?status=500"
    gw = start([("bad", bad), ("w/*", "*"), ("good", "plain-g"), ("other", "plain-o")],
               "router_settings: {num_retries: 0, disable_cooldowns: true, model_group_alias: {mine: bad, yours: bad},"
               f" fallbacks: [{{bad: [other]}}, {{mine: [good]}}, {{w/{bad}: [w/plain-2]}}, {{w/*: [w/plain-3]}}],"
               f" context_window_fallbacks: [{{w/plain-4: [good]}}]}}\n", workers=1)
    assert chain(gw, mock, "bad") == chain(gw, mock, "yours") == ([bad, "plain-o"], "other", 200)
    assert chain(gw, mock, "mine") == ([bad, "plain-g"], "good", 200)
    assert chain(gw, mock, "w/" + bad) == ([bad, "plain-2"], "w/plain-2", 200)
    assert chain(gw, mock, f"w/{bad}&x=1") == ([bad + "&x=1", "plain-3"], "w/plain-3", 200)
    listed = {m["id"] for m in gw.get("/v1/models").json["data"]}
    assert listed == {"bad", "good", "other", "mine", "yours"} and "W011" not in gw.ctl("check", gw.config).stdout
    for model, to in (("mine", ["good"]), ("yours", ["other"]), ("w/" + bad, ["w/plain-2"])):
        assert gw.ctl_json("route", "explain", model)["fallbacks"] == to
    # And for a key's own.
    own = gw.key(router_settings={"fallbacks": [{"*": ["w/plain-5"]}, {"bad": ["other"]}, {"yours": ["good"]}]})
    assert chain(gw, mock, "yours", key=own)[0] == [bad, "plain-g"]
    assert chain(gw, mock, "mine", key=own)[0] == [bad, "plain-o"]
    assert chain(gw, mock, "w/" + bad, key=own)[0] == [bad, "plain-5"]


def test_a_fallback_that_a_pattern_serves_is_asked_for_by_its_own_name(start, mock):
    at = {"api_base": mock.base + "/v1", "api_key": "sk-x", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    gw = start([("dear", {"model": "openai/plain?status=500", **at}), ("openai/*", {"model": "openai/*", **at}),
                ("priced/*", {"model": "openai/*", "api_base": mock.base + "/v1", "api_key": "sk-x"})],
               "router_settings: {num_retries: 0, disable_cooldowns: true, fallbacks: [{dear: [openai/plain-x]}]}\n", workers=1)
    assert chain(gw, mock, "dear") == (["plain?status=500", "plain-x"], "openai/plain-x", 200)
    assert chain(gw, mock, "dear", fallbacks=["openai/plain-y"]) == (["plain?status=500", "plain-y"], "openai/plain-y", 200)
    # What it costs is what that name costs.
    names, model, status = chain(gw, mock, "dear", fallbacks=["priced/gpt-4o"])
    assert (names, status) == (["plain?status=500", "gpt-4o"], 200)
    by_itself = gw.ask("priced/gpt-4o")
    rows = gw.spend_rows(wait_for=4)
    assert rows[-1]["spend"] == rows[-2]["spend"] > 0, (rows[-2:], by_itself)
