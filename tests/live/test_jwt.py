# SPDX-License-Identifier: MIT
"""Tokens of an identity provider in place of keys: who is let in, whose limits hold, who pays, and
what becomes of it when keys change or the provider is away."""
import concurrent.futures
import os
import pathlib
import re
import signal
import time
from decimal import Decimal

import pytest

from gateway import until
from issuer import Key, b64, issuer

SETTINGS = """general_settings:
  enable_jwt_auth: true
  litellm_jwtauth:
    team_id_jwt_field: team
    team_ids_jwt_field: groups
    user_id_jwt_field: sub
    org_id_jwt_field: org
    end_user_id_jwt_field: customer
%s
server:
  jwt: {keys-url: "%s", audience: llmgw, issuer: "https://issuer.test", refresh-wait: 100ms}
"""


@pytest.fixture
def idp(tmp_path):
    with issuer() as one:
        one.key = Key(tmp_path, "one")
        one.keys = [one.key]
        yield one


def settings(idp, more="", ttl=600):
    return SETTINGS % (f"    public_key_ttl: {ttl}\n{more}", idp.url)


def begin(start, idp, more="", models=(("m", "mock?prompt=50&out=10"), ("n", "plain")), workers=1, **kw):
    gw = start(list(models), settings(idp, more), workers=workers, **kw)
    for user in ("ann", "bob"):
        assert gw.post("/user/new", {"user_id": user, "auto_create_key": False}).status == 200
    return gw


def team(gw, name, **fields):
    a = gw.post("/team/new", {"team_id": name, **fields})
    assert a.status == 200, a
    return name


def refused(answer, status, what):
    assert answer.status == status, answer
    message = answer.json["error"]["message"]
    assert what in message, message
    assert "eyJ" not in message and "ann" not in message, message


# ---- who is let in -------------------------------------------------------------------------------

def test_a_token_is_as_good_as_a_key_and_is_checked_once(start, idp):
    gw = begin(start, idp)
    token = idp.key.sign(idp.claims())
    for _ in range(3):
        assert gw.ask("m", key=token).status == 200
    assert gw.ask("m", key=False, headers={"x-api-key": token}).status == 200
    assert gw.metric("llmgw_jwt_verified_total") == 1
    assert gw.metric("llmgw_jwt_cached_total") == 3
    assert idp.calls == 1 and gw.metric("llmgw_jwks_fetches_total") == 1
    gw.wait_log("jwks.fetched", url=idp.url)
    gw.wait_log("jwks.taken", version=1, keys=1)
    assert {m["id"] for m in gw.get("/v1/models", key=token).json["data"]} == {"m", "n"}
    assert token not in gw.logs() and token.split(".")[1] not in gw.logs()


def test_curves(start, idp, tmp_path):
    idp.keys = [idp.key] + [Key(tmp_path, kind, kind) for kind in ("P-256", "P-384", "Ed25519")]
    gw = begin(start, idp)
    for key in idp.keys:
        assert gw.ask("m", key=key.sign(idp.claims())).status == 200
        assert gw.ask("m", key=key.sign(idp.claims(), kid=None)).status == 200
    assert gw.ask("m", key=idp.key.sign(idp.claims(), alg="PS256")).status == 200
    a, b, c = idp.keys[3].sign(idp.claims()).split(".")
    refused(gw.ask("m", key=f"{a}.{b64('{}')}.{c}"), 401, "signature")


def test_what_is_refused(start, idp, tmp_path):
    gw = begin(start, idp)
    good, other = idp.claims(), Key(tmp_path, "other")
    head, claims, signature = idp.key.sign(good).split(".")
    rows = [
        (idp.key.sign(idp.claims(life=-60)), "it has expired"),
        (idp.key.sign(idp.claims(nbf=int(time.time()) + 100)), "not valid yet"),
        (idp.key.sign({**good, "aud": "another"}), "another audience"),
        (idp.key.sign({**good, "aud": ["x", "y"]}), "another audience"),
        (idp.key.sign({**good, "iss": "https://other.test"}), "issuer"),
        (idp.key.sign({k: v for k, v in good.items() if k != "exp"}), "no exp claim"),
        (idp.key.sign(good, alg="none"), "algorithm"),
        (idp.key.sign(good, alg="HS256"), "algorithm"),
        (idp.key.sign(good, alg="ES256"), "does not fit its key"),
        (other.sign(good, kid="one"), "signature"),
        (f"{head}.{b64('{}')}.{signature}", "signature"),
        (f"{head}.{claims}.", "signature"),
        (f"{b64('{}')}.{claims}.{signature}", "algorithm"),
    ]
    for token, what in rows:
        refused(gw.ask("m", key=token), 401, what)
    assert gw.metric("llmgw_jwt_refused_total") == len(rows)
    refused(gw.ask("m", key="no-token"), 401, "sk-")
    assert gw.ask("m", key=idp.key.sign({**good, "aud": ["x", "llmgw"]})).status == 200


def test_off_by_default(start, idp):
    gw = start([("m", "plain")], workers=1)
    refused(gw.ask("m", key=idp.key.sign(idp.claims())), 401, "start with 'sk-'")
    assert idp.calls == 0


def test_nobody_who_is_not_here(start, idp):
    gw = begin(start, idp)
    refused(gw.ask("m", key=idp.key.sign(idp.claims(sub="eve"))), 401, "User doesn't exist")
    refused(gw.ask("m", key=idp.key.sign(idp.claims(team="none"))), 401, "Team doesn't exist")
    nobody = {k: v for k, v in idp.claims().items() if k != "sub"}
    refused(gw.ask("m", key=idp.key.sign(nobody)), 403, "neither a team nor a user")


# ---- keys that change ----------------------------------------------------------------------------

def test_a_new_key_is_fetched_when_it_is_met(start, idp, tmp_path):
    gw = begin(start, idp, workers=2)
    old, new = idp.key, Key(tmp_path, "two")
    assert gw.ask("m", key=old.sign(idp.claims())).status == 200
    idp.keys = [new]
    until(lambda: gw.ask("m", key=new.sign(idp.claims())).status == 200)
    assert idp.calls == 2
    # Who is not in the list any more is not let in any more, also where the token was known.
    until(lambda: gw.ask("m", key=old.sign(idp.claims())).status == 401)
    refused(gw.ask("m", key=old.sign(idp.claims())), 401, "key id is not known")


def test_made_up_key_ids_do_not_make_it_fetch_all_the_time(start, idp):
    gw = begin(start, idp)
    gw.config.write_text(gw.config.read_text().replace("100ms", "1h"))
    gw.ctl("reload")
    for i in range(8):
        refused(gw.ask("m", key=idp.key.sign(idp.claims(), kid=f"made-up-{i}")), 401, "key id")
    assert idp.calls == 1


def test_keys_are_fetched_again_when_they_are_old(start, idp, tmp_path):
    gw = start([("m", "plain")], settings(idp, ttl=1).replace("100ms", "1h"), workers=1)
    assert gw.post("/user/new", {"user_id": "ann"}).status == 200
    new = Key(tmp_path, "two")
    idp.keys = [new]
    until(lambda: gw.ask("m", key=new.sign(idp.claims())).status == 200)
    assert idp.calls >= 2


def test_old_keys_stay_while_the_provider_is_away(start, idp):
    gw = start([("m", "plain")], settings(idp, ttl=1), workers=1)
    assert gw.post("/user/new", {"user_id": "ann"}).status == 200
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 200
    idp.status = 500
    gw.wait_log("jwks.fetch_failed")
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 200
    assert gw.metric("llmgw_jwks_failures_total") >= 1
    # What is no list of keys is no answer either; one without a key that could be used is one.
    idp.status, idp.body = 200, b"<html>"
    gw.wait_log("jwks.fetch_failed", why="the answer is no list of keys")
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 200
    idp.body = b'{"keys": [{"kty": "oct", "k": "AA"}]}'
    gw.wait_log("jwks.refused")
    until(lambda: gw.ask("m", key=idp.key.sign(idp.claims())).status == 503, 20)


def test_keys_are_not_used_for_ever_without_a_word_of_their_issuer(start, idp):
    gw = start([("m", "plain")], settings(idp, ttl=1).replace("jwt: {", "jwt: {max-stale: 2s, "), workers=1)
    assert gw.post("/user/new", {"user_id": "ann"}).status == 200
    token = idp.key.sign(idp.claims())
    assert gw.ask("m", key=token).status == 200
    idp.status = 500
    gw.wait_log("jwks.dropped", url=idp.url)
    until(lambda: gw.ask("m", key=token).status == 503)
    idp.status = 200
    until(lambda: gw.ask("m", key=token).status == 200, 20)


def test_no_keys_at_all_is_not_the_clients_fault(start, idp):
    idp.status = 503
    gw = begin(start, idp)
    a = gw.ask("m", key=idp.key.sign(idp.claims()))
    assert a.status == 503 and "could not be fetched" in a.json["error"]["message"], a
    idp.status = 200
    until(lambda: gw.ask("m", key=idp.key.sign(idp.claims())).status == 200, 20)


def test_other_addresses_make_old_keys_void(start, idp, tmp_path):
    gw = begin(start, idp)
    token = idp.key.sign(idp.claims())
    assert gw.ask("m", key=token).status == 200
    with issuer() as other:
        other.keys = [Key(tmp_path, "two")]
        gw.config.write_text(gw.config.read_text().replace(idp.url, other.url))
        gw.ctl("reload")
        until(lambda: gw.ask("m", key=other.keys[0].sign(idp.claims())).status == 200)
        refused(gw.ask("m", key=token), 401, "key id is not known")


def test_keys_survive_an_upgrade_and_a_killed_worker(start, idp):
    gw = begin(start, idp, workers=2)
    token = idp.key.sign(idp.claims())
    assert gw.ask("m", key=token).status == 200
    gw.ctl("workers", "restart")
    for _ in range(6):
        assert gw.ask("m", key=token).status == 200
    gw.ctl("upgrade")
    for _ in range(6):
        assert gw.ask("m", key=token).status == 200


def test_threads_that_fetch_leave_signals_to_the_loop(start, idp):
    """One that got a SIGTERM while the process replaces itself would lose it."""
    gw = begin(start, idp)
    until(lambda: idp.calls)
    threads = list(pathlib.Path(f"/proc/{gw.process.pid}/task").glob("*/status"))
    blocked = {p.parent.name: int(re.search(r"SigBlk:\s*(\w+)", p.read_text()).group(1), 16) for p in threads}
    main = blocked.pop(str(gw.process.pid))
    assert not main >> (signal.SIGTERM - 1) & 1
    assert len(blocked) >= 4 and all(b >> (signal.SIGTERM - 1) & 1 for b in blocked.values()), blocked


# ---- issuers that say where their keys are -------------------------------------------------------

def discovered(idp, jwt, more="", **kw):
    """Settings with these rows of server.jwt."""
    text = settings(idp, more, **kw)
    return text[:text.index("server:")] + f"server:\n  jwt: {{refresh-wait: 100ms, {jwt}}}\n"


def test_an_issuer_says_where_its_keys_are(start, idp, tmp_path):
    idp.name = idp.base
    gw = start([("m", "plain")], discovered(idp, f'issuer: "{idp.base}", audience: llmgw'), workers=2)
    assert gw.post("/user/new", {"user_id": "ann"}).status == 200
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 200
    assert idp.asked == 1 and idp.calls == 1
    gw.wait_log("jwks.fetched", url=idp.url, issuer=idp.base)
    refused(gw.ask("m", key=idp.key.sign(idp.claims(iss="https://issuer.test"))), 401, "issuer")
    new = Key(tmp_path, "two")      # and when it changes them, it is asked again
    idp.keys = [new]
    until(lambda: gw.ask("m", key=new.sign(idp.claims())).status == 200)
    assert idp.asked == 2 and idp.calls == 2


def test_the_address_of_the_document_itself(start, idp):
    idp.name = idp.base + "/"       # a slash is the issuer's own business
    gw = start([("m", "plain")], "general_settings:\n  enable_jwt_auth: true\n  litellm_jwtauth: "
                                 "{user_id_jwt_field: sub}\n", workers=1,
               env={"JWT_PUBLIC_KEY_URL": f"{idp.base}/.well-known/openid-configuration", "JWT_AUDIENCE": "llmgw"})
    assert gw.post("/user/new", {"user_id": "ann"}).status == 200
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 200
    refused(gw.ask("m", key=idp.key.sign(idp.claims(iss=idp.base))), 401, "issuer")


def test_a_document_of_another_issuer(start, idp):
    idp.name = idp.base
    idp.says = {"issuer": "https://evil.test"}
    gw = start([("m", "plain")], discovered(idp, f'issuer: "{idp.base}", audience: llmgw'), workers=1)
    gw.wait_log("jwks.fetch_failed", why="it is of another issuer")
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 503
    assert idp.calls == 0
    idp.says = {"jwks_uri": "file:///etc/passwd"}
    gw.wait_log("jwks.fetch_failed", why="its jwks_uri is no address of http or https")
    assert idp.calls == 0


def test_providers_with_audiences_of_their_own(start, idp, tmp_path):
    with issuer() as other:
        other.name, other.keys = "https://other.test", [Key(tmp_path, "two", "P-256")]
        idp.name = idp.base
        gw = start([("m", "plain")], discovered(
            idp, f'providers: [{{issuer: "{idp.base}", audience: [a, llmgw]}}, '
                 f'{{issuer: "{other.name}", audience: b, keys-url: "{other.url}"}}]'), workers=1)
        assert gw.post("/user/new", {"user_id": "ann"}).status == 200
        own, theirs = idp.key.sign, other.keys[0].sign
        assert gw.ask("m", key=own(idp.claims())).status == 200
        assert gw.ask("m", key=theirs(other.claims(aud="b"))).status == 200
        refused(gw.ask("m", key=own(idp.claims(aud="b"))), 401, "another audience")
        refused(gw.ask("m", key=theirs(other.claims())), 401, "another audience")
        # Whoever signs for one of them does not sign for the other, whatever its key is called.
        refused(gw.ask("m", key=theirs(idp.claims())), 401, "issuer")
        refused(gw.ask("m", key=own(other.claims(aud="b"))), 401, "issuer")
        refused(gw.ask("m", key=theirs(idp.claims(), kid="one")), 401, "does not fit its key")


def test_an_issuer_that_does_not_answer_holds_up_no_other(start, idp, tmp_path):
    with issuer() as slow:
        slow.name, slow.pause = "https://slow.test", 25
        gw = start([("m", "plain")], discovered(
            idp, f'audience: llmgw, providers: [{{issuer: "{slow.name}", keys-url: "{slow.url}"}}, '
                 f'{{issuer: "{idp.name}", keys-url: "{idp.url}"}}]'), workers=1)
        assert gw.post("/user/new", {"user_id": "ann"}).status == 200
        begun = time.monotonic()
        until(lambda: gw.ask("m", key=idp.key.sign(idp.claims())).status == 200)
        assert not gw.records("jwks.fetch_failed")
        new = Key(tmp_path, "two")
        idp.keys = [new]
        time.sleep(0.3)                 # refresh-wait: who was asked just now is not asked again
        until(lambda: gw.ask("m", key=new.sign(idp.claims())).status == 200)
        assert time.monotonic() - begun < 9


# ---- bad ones in numbers -------------------------------------------------------------------------

def test_a_bad_token_is_checked_once(start, idp):
    """A flood of one costs a digest and a look-up each: its signature is not computed again."""
    gw = begin(start, idp)
    head, claims, signature = idp.key.sign(idp.claims()).split(".")
    bad = f"{head}.{claims}.{signature[:-8]}AAAAAAAA"
    late = idp.key.sign(idp.claims(life=-60))
    refused(gw.ask("m", key=bad), 401, "signature")
    refused(gw.ask("m", key=late), 401, "expired")
    assert gw.metric("llmgw_jwt_refused_cached_total") == 0
    for _ in range(5):
        refused(gw.ask("m", key=bad), 401, "signature")
        refused(gw.ask("m", key=late), 401, "expired")
    assert gw.metric("llmgw_jwt_refused_cached_total") == 10
    assert gw.metric("llmgw_jwt_refused_total") == 12
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 200


# ---- whose request it is -------------------------------------------------------------------------

def test_team_models_limits_and_spend(start, idp):
    gw = begin(start, idp)
    team(gw, "red", models=["m"], rpm_limit=3)
    token = idp.key.sign(idp.claims(team="red", customer="cu-1"))
    assert gw.ask("m", key=token).status == 200
    a = gw.ask("n", key=token)
    assert a.status == 403 and a.json["error"]["type"] == "team_model_access_denied", a
    answers = [200]
    while (status := gw.ask("m", key=token).status) == 200:
        answers.append(status)
    assert status == 429 and len(answers) >= 3
    rows = gw.spend_rows(wait_for=len(answers))
    assert len(rows) == len(answers)
    row = rows[-1]
    assert row["team_id"] == "red" and row["user"] == "ann" and row["end_user"] == "cu-1"
    assert row["api_key"] == "" and row["model_group"] == "m"
    spent = Decimal(str(row["spend"]))
    assert spent > 0
    until(lambda: Decimal(str(gw.get("/team/info?team_id=red").json["team_info"]["spend"])) == spent * len(rows))
    until(lambda: Decimal(str(gw.get("/user/info?user_id=ann").json["user_info"]["spend"])) == spent * len(rows))
    assert len(gw.get("/spend/logs?user_id=ann").json) == len(rows)
    assert gw.get("/spend/logs?user_id=bob").json == []


def test_who_pays_in_reports_and_after_a_kill(start, idp):
    gw = begin(start, idp, models=[("m", "mock?prompt=50&out=10"), ("slow", "mock?tokens=200&gap=100")])
    team(gw, "red")
    token = idp.key.sign(idp.claims(team="red"))
    assert gw.ask("m", key=token).status == 200
    s = gw.stream("slow", key=token)
    next(s.events())
    pids = [w["pid"] for w in gw.ctl_json("workers", "list")["workers"]]
    os.kill(pids[0], signal.SIGKILL)
    rows = gw.spend_rows(wait_for=2)
    assert {(r["user"], r["team_id"], r["api_key"]) for r in rows} == {("ann", "red", "")}
    spent = sum(Decimal(str(r["spend"])) for r in rows)
    assert all(Decimal(str(r["spend"])) > 0 for r in rows)
    until(lambda: Decimal(str(gw.get("/user/info?user_id=ann").json["user_info"]["spend"])) == spent)
    until(lambda: Decimal(str(gw.get("/team/info?team_id=red").json["team_info"]["spend"])) == spent)
    for by, name in (("user", "ann"), ("team", "red")):
        [row] = gw.ctl_json("spend", "report", "--group-by", by)["rows"]
        assert row["name"] == name and row["requests"] == 2 and Decimal(str(row["spend"])) == spent, row


def test_a_teams_budget_holds(start, idp):
    gw = begin(start, idp)
    team(gw, "poor", max_budget=0.000001)
    token = idp.key.sign(idp.claims(team="poor"))
    a = gw.ask("m", key=token, max_tokens=10)
    assert a.status == 429 and a.json["error"]["type"] == "budget_exceeded", a
    assert "Team=" in a.json["error"]["message"]
    assert gw.ask("m", key=idp.key.sign(idp.claims()), max_tokens=10).status == 200


def test_a_users_own_budget_and_a_blocked_team(start, idp):
    gw = begin(start, idp)
    assert gw.post("/user/update", {"user_id": "bob", "max_budget": 0.000001}).status == 200
    a = gw.ask("m", key=idp.key.sign(idp.claims(sub="bob")), max_tokens=10)
    assert a.status == 429 and "User=" in a.json["error"]["message"], a
    team(gw, "red")
    token = idp.key.sign(idp.claims(team="red"))
    assert gw.ask("m", key=token).status == 200
    assert gw.post("/team/block", {"team_id": "red"}).status == 200
    refused(gw.ask("m", key=token), 401, "is blocked")


def test_an_organizations_budget_holds(start, idp):
    gw = begin(start, idp)
    a = gw.post("/organization/new", {"organization_id": "acme", "organization_alias": "acme", "max_budget": 0.000001})
    assert a.status == 200, a
    a = gw.ask("m", key=idp.key.sign(idp.claims(org="acme")), max_tokens=10)
    assert a.status == 429 and "Organization=" in a.json["error"]["message"], a


def test_of_several_teams_the_first_that_may(start, idp):
    gw = begin(start, idp)
    team(gw, "red", models=["m"])
    team(gw, "blue", models=["n"])
    token = idp.key.sign(idp.claims(groups=["unknown", "red", "blue"]))
    for model in ("m", "n", "m"):
        assert gw.ask(model, key=token).status == 200
    teams = [(r["model_group"], r["team_id"]) for r in gw.spend_rows(wait_for=3)]
    assert sorted(teams) == [("m", "red"), ("m", "red"), ("n", "blue")]
    assert gw.ask("x", key=token).status in (400, 404)


def test_a_teams_aliases_are_of_the_team_that_is_chosen(start, idp):
    gw = begin(start, idp, models=(("m", "plain"), ("n", "plain"), ("o", "plain")))
    team(gw, "red", models=["m", "both"], model_aliases={"both": "m"})
    team(gw, "blue", models=["ours", "n", "both"], model_aliases={"ours": "n", "m": "o", "both": "o"})
    team(gw, "shut", models=["o"])
    assert gw.post("/team/block", {"team_id": "shut"}).status == 200
    token = idp.key.sign(idp.claims(groups=["red", "blue", "shut"]))
    for asked, group in (("ours", "n"), ("m", "m"), ("both", "m"), ("n", "n")):
        a = gw.ask(asked, key=token)
        assert a.status == 200 and a.json["model"] == asked and a.headers["x-litellm-model-group"] == group, (asked, a)
    refused(gw.ask("o", key=token), 403, "team not allowed")
    assert gw.ask("nowhere", key=token).status == 400
    a = gw.post("/v1/moderations", {"model": "ours", "input": "x"}, key=token)
    assert a.status == 200 and a.headers["x-litellm-model-group"] == "n", a
    a = gw.post("/v1/fine_tuning/jobs", {"model": "ours", "training_file": "f"}, key=token)
    assert a.status == 200 and a.headers["x-litellm-model-group"] == "n", a
    teams = {(r["model_group"], r["team_id"]) for r in gw.spend_rows(wait_for=6)}
    assert teams == {("m", "red"), ("n", "blue")}
    # Both teams' models are its own; each alias shows once.
    assert sorted(m["id"] for m in gw.get("/v1/models", key=token).json["data"]) == ["both", "m", "n", "ours"]
    assert [gw.get("/v1/models/" + name, key=token).status for name in ("ours", "n", "o")] == [200, 200, 404]
    assert sorted(r["model_group"] for r in gw.get("/model_group/info", key=token).json["data"]) == ["m", "n"]


def test_routes_of_teams_and_default_team(start, idp):
    gw = begin(start, idp, "    team_allowed_routes: [/v1/chat/completions]\n    team_id_default: all\n")
    team(gw, "all")
    token = idp.key.sign(idp.claims())
    assert gw.ask("m", key=token).status == 200
    assert gw.spend_rows(wait_for=1)[0]["team_id"] == "all"
    refused(gw.get("/v1/models", key=token), 403, "not allowed to access this route")


def test_scopes_bound_models(start, idp):
    gw = begin(start, idp, "    enforce_scope_based_access: true\n"
                           "    scope_mappings: [{scope: chat, models: [m]}]\n")
    token = idp.key.sign(idp.claims(scope="openid chat"))
    assert gw.ask("m", key=token).status == 200
    assert gw.ask("n", key=token).status == 403
    assert [m["id"] for m in gw.get("/v1/models", key=token).json["data"]] == ["m"]
    refused(gw.ask("m", key=idp.key.sign(idp.claims(scope="openid"))), 403, "scopes")


def test_roles(start, idp):
    gw = begin(start, idp, "    enforce_rbac: true\n    roles_jwt_field: realm.roles\n"
                           "    object_id_jwt_field: oid\n"
                           "    role_mappings: [{role: svc, internal_role: team}]\n")
    team(gw, "red")
    claims = {k: v for k, v in idp.claims(oid="red").items() if k != "sub"}
    assert gw.ask("m", key=idp.key.sign({**claims, "realm": {"roles": ["svc"]}})).status == 200
    refused(gw.ask("m", key=idp.key.sign({**claims, "realm": {"roles": ["x"]}})), 403, "roles")
    assert gw.spend_rows(wait_for=1)[0]["team_id"] == "red"


def test_users_and_teams_that_are_made(start, idp):
    gw = begin(start, idp, "    user_id_upsert: true\n    team_id_upsert: true\n"
                           "    user_email_jwt_field: email\n", workers=2)
    token = idp.key.sign(idp.claims(sub="eve", team="new", email="eve@a.example"))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        seen = [a.status for a in pool.map(lambda _: gw.ask("m", key=token), range(8))]
    assert seen == [200] * 8
    user = gw.get("/user/info?user_id=eve").json
    assert user["user_info"]["user_email"] == "eve@a.example" and user["keys"] == []
    assert gw.get("/team/info?team_id=new").json["team_info"]["team_id"] == "new"
    rows = gw.spend_rows(wait_for=8)
    assert {(r["user"], r["team_id"]) for r in rows} == {("eve", "new")}
    by = [r for r in gw.ctl_json("audit", "list")["audit_logs"] if r["object_id"] == "eve"]
    assert by and by[0]["changed_by"] == "enable_jwt_auth", by


def test_users_that_are_made_get_what_new_users_get(start, idp):
    gw = begin(start, idp, "    user_id_upsert: true\n"
                           "litellm_settings:\n  default_internal_user_params: {max_budget: 7, budget_duration: 30d, "
                           "user_role: internal_user_viewer, models: [m]}\n"
                           "  default_team_params: {max_budget: 9}\n")
    team(gw, "red")
    token = idp.key.sign(idp.claims(sub="eve"))
    assert gw.ask("m", key=token).status == 200
    user = gw.get("/user/info?user_id=eve").json
    assert [user["user_info"][k] for k in ("max_budget", "budget_duration", "user_role", "models")] == \
        [7, "30d", "internal_user_viewer", ["m"]]
    refused(gw.ask("n", key=token), 403, "m")
    assert gw.get("/team/info?team_id=red").json["team_info"]["max_budget"] == 9


def test_only_users_of_a_domain_are_made(start, idp):
    gw = begin(start, idp, "    user_id_upsert: true\n    user_email_jwt_field: email\n"
                           "    user_allowed_email_domain: a.example\n")
    for email in ("eve@b.example", "eve@x.a.example", "a.example", ""):
        refused(gw.ask("m", key=idp.key.sign(idp.claims(sub="eve", email=email))), 401, "User doesn't exist")
    assert gw.ask("m", key=idp.key.sign(idp.claims(sub="eve", email="eve@A.example"))).status == 200
    assert gw.ask("m", key=idp.key.sign(idp.claims(sub="eve"))).status == 200


# ---- what an identity provider knows better -----------------------------------------------------

SYNC = """    sync_user_role_and_teams: true
    roles_jwt_field: roles
    jwt_litellm_role_map:
      - {jwt_role: "adm*", litellm_role: proxy_admin}
      - {jwt_role: "*", litellm_role: internal_user}
"""


def role_of(gw, user="ann"):
    return gw.get(f"/user/info?user_id={user}").json["user_info"]["user_role"]


def teams_of(gw, user="ann"):
    return {t["team_id"] for t in gw.get("/team/list").json
            if user in {m["user_id"] for m in t["members_with_roles"]}}


def test_a_users_role_and_teams_are_those_of_the_token(start, idp):
    gw = begin(start, idp, SYNC, workers=2)
    for name in ("red", "blue", "green"):
        team(gw, name)
    assert gw.post("/team/member_add", {"team_id": "green", "member": {"user_id": "ann", "role": "user"}}).status == 200
    key = gw.key(user_id="ann", team_id="green")
    assert gw.ask("m", key=key).status == 200
    token = idp.key.sign(idp.claims(roles=["dev"], groups=["red", "blue", "nowhere"]))
    for _ in range(6):
        assert gw.ask("m", key=token).status == 200
    assert role_of(gw) == "internal_user" and teams_of(gw) == {"red", "blue"}
    assert gw.ask("m", key=key).status == 401        # with the team its keys of it are gone
    # One that is administrator by its provider is so here, from its first call on.
    admin = idp.key.sign(idp.claims(roles=["admins", "dev"], groups=[]))
    assert gw.get("/team/list", key=admin).status == 200
    assert role_of(gw) == "proxy_admin" and teams_of(gw) == set()
    # And no more when it says otherwise; without groups it leaves no team.
    assert gw.post("/team/member_add", {"team_id": "red", "member": {"user_id": "ann", "role": "user"}}).status == 200
    assert gw.ask("m", key=idp.key.sign(idp.claims(roles=["dev"]))).status == 200
    assert role_of(gw) == "internal_user" and teams_of(gw) == {"red"}
    by = [r["changed_by"] for r in gw.ctl_json("audit", "list")["audit_logs"] if r["object_id"] == "ann"]
    assert "enable_jwt_auth" in by, by


def test_a_token_is_told_once(start, idp):
    gw = begin(start, idp, SYNC)
    team(gw, "red")
    token = idp.key.sign(idp.claims(groups=["red"]))
    assert gw.ask("m", key=token).status == 200 and teams_of(gw) == {"red"}
    assert gw.post("/team/member_delete", {"team_id": "red", "user_id": "ann"}).status == 200
    assert gw.ask("m", key=token).status == 200 and teams_of(gw) == set()
    assert gw.ask("m", key=idp.key.sign(idp.claims(groups=["red"], jti=2))).status == 200
    assert teams_of(gw) == {"red"}


def test_users_join_teams_and_leave_none(start, idp):
    gw = begin(start, idp, "    upsert_sso_user_to_team: true\n    user_id_upsert: true\n"
                           "    user_email_jwt_field: email\n")
    team(gw, "red", team_member_rpm_limit=2)
    team(gw, "blue")
    assert gw.ask("m", key=idp.key.sign(idp.claims(sub="eve", groups=["red"], email="eve@a.example"))).status == 200
    assert gw.ask("m", key=idp.key.sign(idp.claims(sub="eve", groups=["blue"]))).status == 200
    assert teams_of(gw, "eve") == {"red", "blue"}
    [red] = [t for t in gw.get("/team/list").json if t["team_id"] == "red"]
    assert [m["user_email"] for m in red["members_with_roles"] if m["user_id"] == "eve"] == ["eve@a.example"]
    token = idp.key.sign(idp.claims(sub="eve", groups=["red"]))
    until(lambda: gw.ask("m", key=token).status == 429)      # what holds for members holds for it


def test_teams_and_organizations_by_their_aliases(start, idp):
    gw = begin(start, idp, "    team_alias_jwt_field: t.name\n    org_alias_jwt_field: company\n", workers=2)
    red = gw.post("/team/new", {"team_alias": "Red team", "models": ["m"]}).json["team_id"]
    for name in ("x", "y"):
        assert gw.post("/team/new", {"team_id": name, "team_alias": "Twins"}).status == 200
    token = idp.key.sign(idp.claims(t={"name": "Red team"}))
    for _ in range(4):
        assert gw.ask("m", key=token).status == 200
    assert {r["team_id"] for r in gw.spend_rows(wait_for=4)} == {red}
    assert gw.ask("n", key=token).status == 403
    for name in ("Blue team", "Twins"):
        for _ in range(2):
            refused(gw.ask("m", key=idp.key.sign(idp.claims(t={"name": name}))), 401, "is called as the token says")
    a = gw.post("/organization/new", {"organization_id": "acme", "organization_alias": "Acme Inc", "max_budget": 0.000001})
    assert a.status == 200, a
    a = gw.ask("m", key=idp.key.sign(idp.claims(company="Acme Inc")), max_tokens=10)
    assert a.status == 429 and "Organization=" in a.json["error"]["message"], a
    refused(gw.ask("m", key=idp.key.sign(idp.claims(company="Nobody Inc"))), 401, "is called as the token says")


def test_what_a_role_is_permitted(start, idp):
    text = settings(idp, "    enforce_rbac: true\n    roles_jwt_field: roles\n    role_mappings: "
                         "[{role: dev, internal_role: internal_user}, {role: svc, internal_role: team}]\n")
    text = text.replace("  enable_jwt_auth: true\n", "  enable_jwt_auth: true\n  role_permissions: "
                        "[{role: internal_user, models: [m], routes: [/v1/chat/completions]}]\n")
    gw = start([("m", "plain"), ("n", "plain")], text, workers=1)
    assert gw.post("/user/new", {"user_id": "ann"}).status == 200
    team(gw, "red")
    dev, svc = (idp.key.sign(idp.claims(roles=[role], team="red")) for role in ("dev", "svc"))
    assert gw.ask("m", key=dev).status == 200
    assert gw.ask("n", key=dev).status == 403
    refused(gw.get("/v1/models", key=dev), 403, "Role not allowed to access this route")
    assert gw.ask("n", key=svc).status == 200 and gw.get("/v1/models", key=svc).status == 200


def test_what_may_be_told_of_a_user(start, idp):
    gw = begin(start, idp)
    team(gw, "red")
    a = gw.post("/user/sync", {"user_id": "ann", "user_role": "internal_user", "teams": ["red", "none", "red"]})
    assert a.status == 200 and a.json == {"user_id": "ann", "user_role": "internal_user", "joined": ["red"],
                                          "left": [], "team_id": None, "organization_id": None}, a
    a = gw.post("/user/sync", {"user_id": "ann", "teams": [], "only_join": True})
    assert a.json["left"] == [] and teams_of(gw) == {"red"}
    assert gw.post("/user/sync", {"user_id": "ann", "teams": []}).json["left"] == ["red"]
    assert gw.post("/user/sync", {"user_id": "nobody", "teams": []}).status == 404
    for bad in ({"user_role": "king"}, {"teams": "red"}, {"teams": [7]}, {"only_join": "perhaps"}):
        assert gw.post("/user/sync", {"user_id": "ann", **bad}).status == 400, bad
    assert gw.post("/user/sync", {"user_id": "ann"}, key=gw.key(user_id="ann")).status == 401


# ---- administrators ------------------------------------------------------------------------------

def test_an_administrators_scope(start, idp):
    gw = begin(start, idp)
    admin = idp.key.sign(idp.claims(sub="root", scope="litellm_proxy_admin"))
    a = gw.post("/key/generate", {"models": ["m"]}, key=admin)
    assert a.status == 200 and a.json["key"].startswith("sk-"), a
    assert gw.get("/team/list", key=admin).status == 200
    refused(gw.ask("m", key=admin), 403, "Admin not allowed")
    user = idp.key.sign(idp.claims())
    assert gw.post("/key/generate", {"models": ["m"]}, key=user).status == 401
    assert gw.post("/team/new", {"team_id": "x"}, key=user).status == 401


def test_an_administrator_who_may_call_models(start, idp):
    gw = begin(start, idp, "    admin_allowed_routes: [openai_routes]\n    admin_jwt_scope: boss\n")
    assert gw.ask("m", key=idp.key.sign(idp.claims(scope="boss"))).status == 200
    refused(gw.get("/team/list", key=idp.key.sign(idp.claims(scope="boss"))), 403, "Admin not allowed")


# ---- the configuration ---------------------------------------------------------------------------

def test_the_environment_says_it_as_litellm_wants(start, idp):
    gw = start([("m", "plain")], "general_settings:\n  enable_jwt_auth: true\n  litellm_jwtauth: "
                                 "{user_id_jwt_field: sub}\n", workers=1,
               env={"JWT_PUBLIC_KEY_URL": f"{idp.url}, {idp.url}?2", "JWT_AUDIENCE": "other, llmgw",
                    "JWT_ISSUER": "https://issuer.test"})
    assert gw.post("/user/new", {"user_id": "ann"}).status == 200
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 200
    refused(gw.ask("m", key=idp.key.sign(idp.claims(aud="x"))), 401, "another audience")
    assert idp.calls == 2


# ---- keys by claims ------------------------------------------------------------------------------

def mapping(gw, value, key, status=200, **more):
    a = gw.post("/jwt/key/mapping/new", {"jwt_claim_name": "who.mail", "jwt_claim_value": value, "key": key, **more})
    assert a.status == status, a
    return a.json


def test_a_claim_names_the_key_that_governs(start, idp):
    gw = begin(start, idp, "    virtual_key_claim_field: who.mail\n", workers=2)
    key = gw.key(models=["m"], rpm_limit=3, key_alias="adas")
    ada = idp.key.sign({**idp.claims(sub="nobody-here"), "who": {"mail": "ada@x"}})
    refused(gw.ask("m", key=ada), 401, "User doesn't exist")               # nobody has given it a key yet
    row = mapping(gw, "ada@x", "adas", description="hers")
    assert row["is_active"] and row["jwt_claim_value"] == "ada@x" and key not in str(row) and row["description"] == "hers"
    assert [gw.ask("m", key=ada).status for _ in range(2)] == [200, 200]
    assert gw.ask("n", key=ada).json["error"]["type"] == "key_model_access_denied"
    assert [m["id"] for m in gw.get("/v1/models", key=ada).json["data"]] == ["m"]
    rows = gw.spend_rows(wait_for=2)
    assert {r["api_key"] for r in rows if r["status"] == "success"} == {gw.get("/key/info?key=" + key).json["key"]} \
        or {r["metadata"]["user_api_key_alias"] for r in rows if r["status"] == "success"} == {"adas"}
    assert gw.ask("m", key=key).status == 200 and gw.ask("m", key=ada).status == 429      # one limit for both
    a = gw.get("/key/info", key=ada)
    assert a.status == 200 and a.json["info"]["key_alias"] == "adas"
    # Others come as before; a number is a value, too.
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 200
    mapping(gw, "17", gw.key(key_alias="seventeen"))
    assert gw.ask("n", key=idp.key.sign({**idp.claims(sub="x"), "who": {"mail": 17}})).status == 200


def test_a_key_by_a_claim_is_followed_and_can_be_taken_back(start, idp):
    gw = begin(start, idp, "    virtual_key_claim_field: who.mail\n    enforce_rbac: true\n    roles_jwt_field: roles\n"
               "    role_mappings: [{role: boss, internal_role: proxy_admin}]\n", workers=2)
    key = gw.key()
    ada = idp.key.sign({**idp.claims(), "who": {"mail": "ada@x"}})
    refused(gw.ask("m", key=ada), 403, "role")
    row = mapping(gw, "ada@x", key)
    assert gw.ask("m", key=ada).status == 200                               # its roles do not matter then

    def update(**fields):
        a = gw.post("/jwt/key/mapping/update", {"id": row["id"], **fields})
        assert a.status == 200, a
        return a.json

    assert update(is_active=False)["is_active"] is False
    refused(gw.ask("m", key=ada), 403, "role")
    assert update(is_active=True, description="x")["description"] == "x" and gw.ask("m", key=ada).status == 200
    new = gw.post("/key/regenerate", {"key": key}).json["key"]
    until(lambda: gw.ask("m", key=ada).status == 200)                       # it follows its key
    assert gw.ask("m", key=key).status == 401
    gw.stop()
    gw.start()
    assert gw.ask("m", key=ada).status == 200
    assert gw.post("/key/block", {"key": new}).status == 200
    refused(gw.ask("m", key=ada), 401, "blocked")
    other = gw.key(models=["n"])
    update(key=other)
    assert gw.ask("n", key=ada).status == 200 and gw.ask("m", key=ada).status == 403
    assert gw.post("/key/delete", {"keys": [other]}).status == 200
    refused(gw.ask("n", key=ada), 401, "was deleted")                       # and nobody else's rules hold
    gw.stop()
    gw.start()
    refused(gw.ask("n", key=ada), 401, "was deleted")
    assert gw.post("/jwt/key/mapping/delete", {"id": row["id"]}).json == {"status": "success"}
    refused(gw.ask("n", key=ada), 403, "role")
    assert {r["table_name"] for r in gw.ctl_json("audit", "list")["audit_logs"]} >= {"LiteLLM_JWTKeyMapping"}


def test_keys_by_claims_are_listed_and_checked(start, idp):
    gw = begin(start, idp)
    key = gw.key(key_alias="one")
    rows = [mapping(gw, v, key) for v in ("a", "b", "c")]
    assert gw.get(f"/jwt/key/mapping/info?id={rows[0]['id']}").json == rows[0]
    page = gw.get("/jwt/key/mapping/list?page=2&size=2").json
    assert page == {"mappings": [rows[0]], "total_count": 3, "current_page": 2, "total_pages": 2}
    assert "already exists" in str(mapping(gw, "a", key, status=409))
    assert "does not match" in str(mapping(gw, "d", "sk-nobody", status=400))
    for value in ("", "x" * 257, "a\nb", None, 5.5, ["a"]):
        mapping(gw, value, key, status=400)
    assert gw.get("/jwt/key/mapping/info?id=x").status == gw.post("/jwt/key/mapping/delete", {"id": "x"}).status == 404
    assert gw.post("/jwt/key/mapping/update", {"id": "x"}).status == 404 and gw.post("/jwt/key/mapping/update", {}).status == 400
    assert gw.post("/jwt/key/mapping/update", {"id": rows[0]["id"], "key": "sk-nobody"}).status == 400
    assert gw.get("/jwt/key/mapping/list?size=101").status == 400
    for method, what in (("POST", "new"), ("POST", "update"), ("POST", "delete"), ("GET", "list"), ("GET", "info")):
        a = gw.request(method, "/jwt/key/mapping/" + what, {} if method == "POST" else None, key=key)
        assert a.status in (401, 403), (what, a)
    # Without virtual_key_claim_field none of them counts.
    refused(gw.ask("m", key=idp.key.sign({**idp.claims(sub="x"), "who": {"mail": "a"}})), 401, "User doesn't exist")


def test_who_is_nobody_here_may_look_where_that_is_allowed(start, idp):
    stranger = idp.key.sign({k: v for k, v in idp.claims().items() if k != "sub"})
    gw = begin(start, idp)
    for path in ("/v1/models", "/model_group/info"):
        refused(gw.get(path, key=stranger), 403, "neither a team nor a user")
    gw = begin(start, idp, "    public_allowed_routes: [info_routes, /v1/chat, /key, /utils]\n")
    assert {m["id"] for m in gw.get("/v1/models", key=stranger).json["data"]} == {"m", "n"}
    assert gw.get("/model_group/info", key=stranger).status == 200
    for a in (gw.ask("m", key=stranger), gw.get("/key/list", key=stranger), gw.post("/key/generate", {}, key=stranger),
              gw.get("/v1/model/info/x", key=stranger), gw.get("/spend/logs", key=stranger)):
        assert a.status in (401, 403, 404), a
    refused(gw.ask("m", key=stranger), 403, "neither a team nor a user")
    assert gw.get("/v1/models", key=idp.key.sign(idp.claims(aud="other"))).status == 401


# ---- tokens that say nothing themselves ----------------------------------------------------------

def asking(idp, ttl=300):
    return f"    oidc_userinfo_enabled: true\n    oidc_userinfo_endpoint: {idp.base}/userinfo\n    oidc_userinfo_cache_ttl: {ttl}\n"


def test_of_an_opaque_token_the_provider_is_asked_once(start, idp):
    gw = begin(start, idp, asking(idp))
    team(gw, "red", models=["m"])
    idp.users = {"ya29.a0/opaque": {"sub": "ann", "team": "red"}, "of-nobody": {"sub": "eve"}, "no.claims": ["x"]}
    for _ in range(3):
        assert gw.ask("m", key="ya29.a0/opaque").status == 200
    refused(gw.ask("n", key="ya29.a0/opaque"), 403, "team not allowed")
    assert idp.told == ["ya29.a0/opaque"]
    rows = gw.spend_rows(wait_for=3)
    assert {(r["user"], r["team_id"]) for r in rows if r["status"] == "success"} == {("ann", "red")}
    for token, status, what in (("unknown", 401, "does not know it"), ("no.claims", 401, "not an object"), ("x" * 4001, 401, "sk-")):
        for _ in range(2):
            refused(gw.ask("m", key=token), status, what)
    refused(gw.ask("m", key="of-nobody"), 401, "User doesn't exist")
    assert sorted(idp.told[1:]) == ["no.claims", "of-nobody", "unknown"]       # what is refused is remembered, too
    assert gw.ask("m", key=idp.key.sign(idp.claims())).status == 200 and len(idp.told) == 4 and idp.calls == 1
    assert "ya29" not in gw.logs()
    a = gw.post("/jwt/userinfo", {"token": "of-nobody"})
    assert a.status == 200 and a.json["ttl"] == 300 and "eve" in a.json["claims"], a
    assert gw.post("/jwt/userinfo", {"token": "gone"}).json == {"refused": True}
    assert gw.post("/jwt/userinfo", {"token": "a b"}).status == 400
    assert gw.post("/jwt/userinfo", {"token": "x"}, key=gw.key()).status == 401


def test_the_issuer_says_where_it_is_asked(start, idp):
    known = f"    oidc_userinfo_enabled: true\n    oidc_userinfo_endpoint: {idp.base}/.well-known/openid-configuration\n"
    idp.says = {"issuer": idp.base}
    idp.users = {f"opaque-{n}": {"sub": "ann"} for n in range(4)}
    gw = begin(start, idp, known)
    refused(gw.ask("m", key="opaque-0"), 503, "could not be asked")     # the document says nothing of it
    gw.wait_log("userinfo.failed", why="its userinfo_endpoint is no address of http or https")
    assert idp.told == []
    idp.says["userinfo_endpoint"] = idp.base + "/userinfo"
    before = idp.asked
    for n in range(3):
        assert gw.ask("m", key=f"opaque-{n}").status == 200
    assert idp.asked == before + 1 and idp.told == ["opaque-0", "opaque-1", "opaque-2"]
    # another's document gets no token
    idp.says["issuer"] = "https://other.test"
    other = start([("m", "plain")], "general_settings:\n  enable_jwt_auth: true\n  litellm_jwtauth:\n    user_id_jwt_field: sub\n" + known)
    assert other.ask("m", key="opaque-3").status == 503 and "opaque-3" not in idp.told


def test_an_answer_of_the_provider_is_good_for_a_time(start, idp):
    gw = begin(start, idp, asking(idp, ttl=1))
    idp.users = {"opaque": {"sub": "ann"}}
    assert gw.ask("m", key="opaque").status == 200
    idp.users = {}
    until(lambda: gw.ask("m", key="opaque").status == 401)
    assert 2 <= len(idp.told) <= 4


def test_a_provider_that_does_not_answer_holds_nobody_up(start, idp):
    gw = begin(start, idp, asking(idp))
    idp.users, idp.pause = {"slow": {"sub": "ann"}}, 3
    key = gw.key()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(gw.ask, "m", key="slow") for _ in range(10)]
        until(lambda: idp.told)
        assert gw.ask("m", key=key).status == 200 and gw.get("/key/info", key=key).status == 200
        assert not any(f.done() for f in waiting)
        assert [f.result().status for f in waiting] == [200] * 10
    assert idp.told == ["slow"]                                                # once for all of them
    idp.users["slow-too"], idp.pause, idp.status = {"sub": "bob"}, 0, 500
    refused(gw.ask("m", key="slow-too"), 503, "could not be asked")
    gw.wait_log("userinfo.failed", url=f"{idp.base}/userinfo")
    idp.status = 200
    assert gw.ask("m", key="slow-too").status == 200 and gw.ask("m", key="slow").status == 200


def test_without_public_keys_the_provider_is_asked_about_all_tokens(start, idp):
    gw = start([("m", "plain")], "general_settings:\n  enable_jwt_auth: true\n  litellm_jwtauth:\n"
                                 "    user_id_jwt_field: sub\n" + asking(idp), workers=1)
    assert gw.post("/user/new", {"user_id": "ann", "auto_create_key": False}).status == 200
    good, forged = idp.key.sign(idp.claims(life=-60)), idp.key.sign(idp.claims(sub="ann"))
    idp.users = {good: {"sub": "ann"}}
    assert gw.ask("m", key=good).status == 200
    refused(gw.ask("m", key=forged), 401, "does not know it")
    assert idp.calls == 0 and idp.told == [good, forged]


def test_opaque_tokens_are_none_unless_asked_about(start, idp):
    gw = begin(start, idp)
    idp.users = {"opaque": {"sub": "ann"}}
    refused(gw.ask("m", key="opaque"), 401, "sk-")
    assert gw.post("/jwt/userinfo", {"token": "opaque"}).status == 400 and idp.told == []
