# SPDX-License-Identifier: MIT
"""Callbacks of keys and teams of their own, and who may keep a request from being told."""

import pytest

from gateway import until
from sink import Sink
from test_export import SECRET, env_of, told

FAST = {"DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1"}
PRIVATE = "server: {allow-private: [127.0.0.1]}\n"    # where the sinks are


@pytest.fixture
def sinks():
    made = [Sink() for _ in range(3)]
    yield made
    for s in made:
        s.close()


def logging(name, kind="success_and_failure", **variables):
    return [{"callback_name": name, "callback_type": kind, "callback_vars": variables}]


def hook(sink, kind="success_and_failure"):
    return logging("generic_api", kind, generic_logger_endpoint=sink.base + "/hook",
                   generic_logger_headers=f"x-auth={SECRET}")


def calls(sink, path="/hook"):
    """Ids of the requests that a webhook was told of."""
    return {p["litellm_call_id"] for b in sink.sent(path) for p in b}


def test_keys_and_teams_have_their_own(start, sinks):
    common, of_key, of_team = sinks
    gw = start([("m", "plain")], told("generic_api") + PRIVATE, env=env_of(common))
    gw.post("/team/new", {"team_id": "t", "metadata": {"logging": hook(of_team)}})
    keys = {"plain": gw.key(), "own": gw.key(metadata={"logging": hook(of_key)}), "team": gw.key(team_id="t"),
            "both": gw.key(team_id="t", logging=hook(of_key))}
    ids = {name: gw.ask("m", key=k).headers["x-litellm-call-id"] for name, k in keys.items()}
    until(lambda: len(calls(common) | calls(of_key) | calls(of_team)) == 4)
    assert calls(common) == {ids["plain"]}
    assert calls(of_key) == {ids["own"], ids["both"]} and calls(of_team) == {ids["team"]}
    assert of_key.headers("/hook")["x-auth"] == SECRET
    # changed, and told elsewhere from the next request on; taken away, and told by the gateway's
    gw.post("/key/update", {"key": keys["own"], "logging": hook(of_team)})
    moved = gw.ask("m", key=keys["own"]).headers["x-litellm-call-id"]
    until(lambda: moved in calls(of_team))
    a = gw.post("/team/t/disable_logging", {})
    assert a.status == 200 and a.json["data"]["success_callbacks"] == [], a
    a = gw.post("/key/update", {"key": keys["own"], "logging": []})
    assert a.status == 200 and a.json["metadata"]["logging"] == [], a
    last = {gw.ask("m", key=keys[k]).headers["x-litellm-call-id"] for k in ("own", "team")}
    until(lambda: last <= calls(common))
    assert not (last | {moved}) & calls(of_key) and not last & calls(of_team)
    shown = str(gw.get(f"/key/info?key={keys['both']}").json) + str(gw.get("/team/info?team_id=t").json)
    assert "********" in shown and SECRET not in shown and "sealed:" not in shown
    assert SECRET not in gw.logs()


def test_by_success_and_by_failure(start, sinks):
    common, own, _ = sinks
    gw = start([("m", "plain"), ("bad", "mock?status=400")], told("generic_api", which="failure_callback") + PRIVATE, env=env_of(common))
    good = gw.key(logging=hook(own, "success"))
    bad = gw.key(logging=hook(own, "failure"))
    ids = {(k, m): gw.ask(m, key=key).headers["x-litellm-call-id"]
           for k, key in (("good", good), ("bad", bad)) for m in ("m", "bad")}
    until(lambda: calls(own) == {ids["good", "m"], ids["bad", "bad"]})
    until(lambda: calls(common) == {ids["good", "bad"]})


def test_nobody_else_is_told_where_the_configuration_names_nobody(start, sinks):
    own = sinks[0]
    gw = start([("m", "plain")], PRIVATE, env=FAST)
    assert gw.ask("m", key=gw.key()).status == 200
    k = gw.key(logging=logging("langfuse", langfuse_public_key="pk", langfuse_secret_key=SECRET, langfuse_host=own.base))
    gw.ask("m", key=gw.key())
    told_of = gw.ask("m", key=k).headers["x-litellm-call-id"]
    batch = until(lambda: own.sent("/api/public/ingestion"))[0]["batch"]
    assert [e["body"]["id"] for e in batch if e["type"] == "generation-create"] == [told_of]
    assert until(lambda: gw.metric("llmgw_export_sent_total")) == 1
    # over a restart, with the sealed variables of the database
    gw.stop()
    gw.start()
    again = gw.ask("m", key=k).headers["x-litellm-call-id"]
    until(lambda: any(e["body"].get("id") == again for b in own.sent("/api/public/ingestion") for e in b["batch"]))


def test_of_teams_by_the_configuration(start, sinks):
    """The file names callbacks of single teams; a team's own, and a key's, go before them."""
    common, filed, own = sinks
    settings = f"""litellm_settings:
  default_team_settings:
  - {{team_id: t, success_callback: [langfuse], langfuse_public_key: pk, langfuse_secret_key: os.environ/TEAM_SECRET, langfuse_host: "{filed.base}"}}
  - {{team_id: u, success_callback: [generic_api]}}
"""
    gw = start([("m", "plain"), ("bad", "mock?status=400")], settings, env={**env_of(common), "TEAM_SECRET": SECRET})
    for name in ("t", "u", "v"):
        assert gw.post("/team/new", {"team_id": name}).status == 200
    keys = {name: gw.key(team_id=name) for name in ("t", "u", "v")}
    told_of = gw.ask("m", key=keys["t"]).headers["x-litellm-call-id"]
    assert gw.ask("bad", key=keys["t"]).status == 400
    by_name = gw.ask("m", key=keys["u"]).headers["x-litellm-call-id"]
    assert gw.ask("m", key=keys["v"]).status == gw.ask("m").status == 200
    batch = until(lambda: filed.sent("/api/public/ingestion"))[0]["batch"]
    made = [e["body"] for e in batch if e["type"] == "generation-create"]
    assert [b["id"] for b in made] == [told_of] and made[0]["input"] and made[0]["output"]
    until(lambda: calls(common))
    assert calls(common) == {by_name} and SECRET not in gw.logs()
    # what the team says itself counts in its place
    a = gw.post("/team/update", {"team_id": "t", "metadata": {"logging": [{"callback_name": "generic_api"}]}})
    assert a.status == 200, a
    again = gw.ask("m", key=keys["t"]).headers["x-litellm-call-id"]
    until(lambda: again in calls(common))
    assert all(e["body"].get("id") != again for b in filed.sent("/api/public/ingestion") for e in b["batch"])


def test_the_gateways_own_by_name(start, sinks):
    """A callback without variables is the gateway's of that name, be it in no list of the configuration."""
    common = sinks[0]
    gw = start([("m", "plain")], env=env_of(common))
    k = gw.key(logging=[{"callback_name": "generic_api"}])
    gw.ask("m", key=gw.key())
    told_of = gw.ask("m", key=k).headers["x-litellm-call-id"]
    until(lambda: calls(common))
    assert calls(common) == {told_of}


def test_a_key_without_its_secret_is_not_told_with_the_gateways(start, sinks):
    own = sinks[0]
    gw = start([("m", "plain")], env=env_of(sinks[1]))
    k = gw.key(logging=logging("langfuse", langfuse_host=own.base))
    gw.ask("m", key=k)
    gw.wait_log("export.own_ignored", callback="langfuse", missing="LANGFUSE_PUBLIC_KEY")
    assert gw.metric("llmgw_export_dropped_total") == 1 and not own.bodies and not sinks[1].bodies


@pytest.mark.parametrize("forbidden", (False, True))
def test_who_keeps_a_request_from_being_told(start, sinks, forbidden):
    common = sinks[0]
    gw = start([("m", "plain"), ("slow", "mock?chunks=50&gap_ms=100")],
               told("generic_api", "langfuse",
                    more="  global_disable_no_log_param: true\n  allow_dynamic_callback_disabling: false\n" * forbidden),
               env=env_of(common))
    quiet = gw.key(metadata={"litellm_disabled_callbacks": ["langfuse", "nobody"]})
    silent = gw.ask("m", **{"no-log": True}).headers["x-litellm-call-id"]
    half = gw.ask("m", key=quiet).headers["x-litellm-call-id"]
    s = gw.stream("slow", headers={"x-litellm-disable-callbacks": "generic_api"})
    gone = s.headers["x-litellm-call-id"]
    s.leave()
    gw.wait_log("request.done", call_id=gone)
    last = gw.ask("m").headers["x-litellm-call-id"]

    def generations():
        return {e["body"]["id"] for b in common.sent("/api/public/ingestion") for e in b["batch"]
                if e["type"] == "generation-create"}

    until(lambda: last in generations() and last in calls(common))
    until(lambda: gone in generations())
    assert (silent in generations()) == (silent in calls(common)) == forbidden
    assert half in calls(common) and (half in generations()) == forbidden
    assert (gone in calls(common)) == forbidden


def test_only_administrators_say_where(start, sinks):
    gw = start([("m", "plain")], PRIVATE, env=FAST)
    user = gw.post("/user/new", {"user_id": "ada", "user_role": "internal_user"}).json["key"]
    a = gw.post("/key/generate", {"logging": hook(sinks[0])}, key=user)
    assert a.status == 403 and "administrators" in a.json["error"]["message"]
    assert gw.post("/team/new", {"team_id": "t"}).status == 200
    for path in ("/team/t/callback", "/team/t/disable_logging"):
        assert gw.post(path, {"callback_name": "otel"}, key=user).status == 401
    assert gw.get("/team/t/callback", key=user).status == 401


def test_one_that_is_down_gets_it_later(start, sinks):
    common, own, _ = sinks
    port = own.port
    own.close()
    gw = start([("m", "plain")], told("generic_api") + PRIVATE, env=env_of(common))
    k = gw.key(logging=hook(own))
    lost = gw.ask("m", key=k).headers["x-litellm-call-id"]
    kept = gw.ask("m").headers["x-litellm-call-id"]
    until(lambda: calls(common) == {kept})
    until(lambda: any("generic_api-" in r["callback"] for r in gw.records("export.failing")))
    sinks[1] = back = Sink(port)
    until(lambda: calls(back) == {lost}, timeout=30)
