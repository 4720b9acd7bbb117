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
