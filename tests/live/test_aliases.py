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
