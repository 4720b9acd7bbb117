# SPDX-License-Identifier: MIT
"""Virtual keys as LiteLLM's API tells them: made, shown, changed, refused; at once and everywhere.

A change counts on every worker before the call that made it answers, so the tests ask over
connections that were open before it, one to each worker at least."""
import contextlib
import datetime
import hashlib
import json
import re
import secrets
import sqlite3
import threading
import time

import pytest

# What an unknown key is answered; the second after many of them within a second.
REFUSED = (401, 429)
HEX = re.compile(r"[0-9a-f]{64}")


def sha(key):
    return hashlib.sha256(key.encode()).hexdigest()


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def error(answer, status, **fields):
    """The answer is an error of that status in the envelope; returns its message."""
    assert answer.status == status, answer
    e = answer.json["error"]
    assert set(e) >= {"message", "type", "param", "code"}, e
    assert e["code"] == str(status), e
    for name, value in fields.items():
        assert e[name] == value, e
    return e["message"]


class Open:
    """One connection that stays open, as an SDK's pool keeps it."""

    def __init__(self, gw):
        self.gw, self.c = gw, gw.connect()

    def ask(self, key, model="m"):
        self.c.request("POST", "/v1/chat/completions",
                       json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}]}),
                       {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        r = self.c.getresponse()
        body = r.read()
        return r.status, json.loads(body)


@contextlib.contextmanager
def pool(gw, n=24):
    """Connections to every worker: as many as it takes until each one has some."""
    made = []
    for _ in range(20):
        made += [Open(gw) for _ in range(n)]
        for o in made[-n:]:
            o.ask(gw.master_key)
        if all(w["connections"] for w in gw.ctl_json("workers")["workers"]):
            break
    else:
        pytest.fail("some worker never got a connection")
    try:
        yield made
    finally:
        for o in made:
            o.c.close()


# ---- making ------------------------------------------------------------------------------------

def test_generate_answers_as_litellm_does(gw):
    fields = {"key_alias": "research", "models": ["m", "mock*"], "max_budget": 12.5, "tpm_limit": 1000, "rpm_limit": 60,
              "max_parallel_requests": 7, "metadata": {"cost_centre": [1, 2.50]}, "user_id": "u-1", "team_id": "t-1",
              "duration": "1h", "budget_duration": "30d", "soft_budget": 10, "permissions": {"x": 1}}
    a = gw.post("/key/generate", fields, headers={"litellm-changed-by": "alice"})
    assert a.status == 200 and a.headers["content-type"].startswith("application/json")
    k = a.json
    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{22}", k["key"])
    assert k["token"] == k["token_id"] == sha(k["key"])      # LiteLLM's own hashing
    assert k["key_name"] == "sk-..." + k["key"][-4:]
    for name in ("key_alias", "models", "max_budget", "tpm_limit", "rpm_limit", "max_parallel_requests", "metadata",
                 "user_id", "team_id", "budget_duration", "soft_budget"):
        assert k[name] == fields[name], name
    assert k["spend"] == 0 and k["blocked"] is False and k["created_by"] == "alice"
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs((when(k["expires"]) - now).total_seconds() - 3600) < 60
    reset = when(k["budget_reset_at"])             # LiteLLM: 30d is the first of the next month
    assert (reset.day, reset.hour, reset.minute) == (1, 0, 0) and 0 < (reset - now).days + 1 <= 31
    for name in ("created_at", "updated_at", "litellm_budget_table", "organization_id"):
        assert name in k, name
    assert any("permissions" in w for w in k["llmgw_warnings"])   # what does not act says so
    assert not any("soft_budget" in w for w in k["llmgw_warnings"])
    b = gw.post("/key/generate", "").json                       # no body at all: every default
    assert b["key"] != k["key"] and b["models"] == [] and b["max_budget"] is None and b["expires"] is None
    assert b["created_by"] == "default_user_id"


def test_own_text_of_a_key(gw):
    text = "sk-" + secrets.token_hex(9)
    k = gw.post("/key/generate", {"key": text}).json
    assert k["key"] == text and k["token"] == sha(text)
    assert gw.ask("m", key=text).status == 200
    error(gw.post("/key/generate", {"key": text}), 400, type="invalid_request_error", param="key")
    for bad in ("pk-1234567890", "sk", "sk-", "sk-a b", "sk-\u00e4\u00f6", "sk-" + "x" * 1100):
        error(gw.post("/key/generate", {"key": bad}), 400, param="key")
    error(gw.post("/key/generate", {"key": gw.master_key}), 400, param="key")
    error(gw.post("/key/generate", {"key": 5}), 400, param="key")


def test_alias_is_unique(gw):
    gw.key(key_alias="one")
    error(gw.post("/key/generate", {"key_alias": "one"}), 400, param="key_alias", type="invalid_request_error")
    two = gw.key(key_alias="two")
    error(gw.post("/key/update", {"key": two, "key_alias": "one"}), 400, param="key_alias")
    assert gw.get(f"/key/info?key={two}").json["info"]["key_alias"] == "two"
    gw.post("/key/delete", {"key_aliases": ["one"]})
    assert gw.post("/key/generate", {"key_alias": "one"}).status == 200      # free again


@pytest.mark.parametrize("fields,param", [
    ({"max_budget": -1}, "max_budget"), ({"max_budget": "much"}, "max_budget"), ({"rpm_limit": -5}, "rpm_limit"),
    ({"rpm_limit": 1.5}, "rpm_limit"), ({"tpm_limit": "x"}, "tpm_limit"), ({"models": "m"}, "models"),
    ({"models": [1]}, "models"), ({"models": {}}, "models"), ({"metadata": []}, "metadata"),
    ({"duration": "soon"}, "duration"), ({"duration": 5}, "duration"), ({"budget_duration": "1y"}, "budget_duration"),
    ({"key_alias": 7}, "key_alias"), ({"max_parallel_requests": []}, "max_parallel_requests"),
    ({"soft_budget": -0.5}, "soft_budget"), ({"blocked": "maybe"}, "blocked")])
def test_wrong_values_are_named(one, fields, param):
    message = error(one.post("/key/generate", fields), 400, param=param, type="invalid_request_error")
    assert param in message
    assert one.get("/key/list").json["total_count"] == 0


@pytest.fixture(scope="module")
def one(tmp_path_factory, mock_process):
    """A gateway for tests that leave nothing behind."""
    from gateway import Gateway
    g = Gateway(tmp_path_factory.mktemp("keys"), [("m", {"model": "openai/plain", "api_key": "sk-x",
                                                         "api_base": mock_process.base + "/v1"})])
    g.start()
    yield g
    g.stop()


def test_management_bodies_that_are_no_objects(one):
    for bad in ("[]", "5", "null", '"x"', "{", '{"a":1,"a":2}', '{"a":1}x', "\xff", "{'a':1}", '{"max_budget":NaN}'):
        m = error(one.request("POST", "/key/generate", bad.encode("latin-1")), 400, type="invalid_request_error")
        assert m
    assert one.get("/key/list").json["total_count"] == 0


def test_large_and_many_management_calls(gw):
    """What does not fit into the socket to the master at once follows; nothing is half there."""
    for n in (100000, 230000, 250000):
        k = gw.post("/key/generate", {"metadata": {"x": "y" * n}}).json["key"]
        assert len(gw.get("/key/info?key=" + k).json["info"]["metadata"]["x"]) == n
    error(gw.post("/key/generate", {"metadata": {"x": "y" * 300000}}), 400, param="metadata")
    assert gw.post("/key/generate", "{" + " " * 1040000 + "}").status == 200
    assert "1 MiB" in error_of(gw.post("/key/generate", "{" + " " * 1100000 + "}"), 413)
    failures = []

    def call():
        a = gw.post("/key/generate", {"metadata": {"x": "y" * 200000}}, timeout=60)
        if a.status != 200:
            failures.append(a)

    threads = [threading.Thread(target=call) for _ in range(40)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures, failures[:3]
    k = gw.key(models=[f"model-number-{i}" for i in range(300)])
    m = error(gw.ask("m", key=k), 403)
    assert "..." in m and m.endswith("]. Tried to access m")


def error_of(answer, status):
    assert answer.status == status, answer
    return answer.json["error"]["message"]


def test_unknown_members_are_told(gw):
    k = gw.post("/key/generate", {"max_budgit": 5, "what_is_this": 1, "tags": ["a"], "guardrails": []}).json
    w = " ".join(k["llmgw_warnings"])
    assert "did you mean 'max_budget'" in w and "what_is_this" in w and "tags" in w
    assert "guardrails" not in w                    # nothing was asked for
    assert k["metadata"]["tags"] == ["a"]


# ---- showing -----------------------------------------------------------------------------------

def test_info_by_text_hash_and_alias(gw):
    k = gw.key(key_alias="shown", max_budget=3, models=["m"])
    for ref in (k, sha(k), "shown"):
        a = gw.get(f"/key/info?key={ref}")
        assert a.status == 200 and a.json["key"] == ref
        i = a.json["info"]
        assert i["key_alias"] == "shown" and i["max_budget"] == 3 and i["models"] == ["m"] and i["spend"] == 0
        assert "token" not in i                       # as LiteLLM: the hash is not repeated
    for nobody in ("sk-nobody-1234", sha("x"), "nobody", "%27%20OR%201=1--", "%00", "%ff%fe"):
        a = gw.get("/key/info?key=" + nobody)
        assert a.status in (400, 404), a
        if a.status == 404:
            error(a, 404, type="not_found_error")


def test_own_info_and_nobody_elses(gw):
    mine, other = gw.key(key_alias="mine"), gw.key(key_alias="other")
    a = gw.get("/key/info", key=mine)
    assert a.status == 200 and a.json["info"]["key_alias"] == "mine" and a.json["key"] == sha(mine)
    assert gw.get(f"/key/info?key={mine}", key=mine).json["info"]["key_alias"] == "mine"
    assert gw.get(f"/key/info?key={sha(mine)}", key=mine).status == 200
    answers = [gw.get("/key/info?key=" + ref, key=mine) for ref in (other, sha(other), "other", "sk-nobody", sha("no"))]
    assert {a.status for a in answers} == {403}
    assert len({a.body for a in answers}) == 1       # a stranger's key and none at all look alike
    assert "other" not in answers[0].body.decode()


def test_list(gw):
    keys = [gw.key(key_alias=f"k{i:02}", user_id="u" + str(i % 2), team_id="t") for i in range(13)]
    page = gw.get("/key/list").json
    assert (page["total_count"], page["current_page"], page["total_pages"], len(page["keys"])) == (13, 1, 2, 10)
    assert all(HEX.fullmatch(h) for h in page["keys"])
    second = gw.get("/key/list?page=2").json["keys"]
    assert set(page["keys"]) | set(second) == {sha(k) for k in keys} and not set(page["keys"]) & set(second)
    full = gw.get("/key/list?return_full_object=true&size=100&user_id=u1").json["keys"]
    assert sorted(r["key_alias"] for r in full) == [f"k{i:02}" for i in range(1, 13, 2)]
    assert all(r["token"] in {sha(k) for k in keys} and "key" not in r for r in full)
    assert gw.get("/key/list?key_alias=k03").json["keys"] == [sha(keys[3])]
    assert gw.get("/key/list?key_hash=" + sha(keys[4])).json["keys"] == [sha(keys[4])]
    assert gw.get("/key/list?team_id=nobody").json["total_count"] == 0
    for bad in ("page=0", "size=0", "size=101", "page=x", "size=-1"):
        error(gw.get("/key/list?" + bad), 400)
    assert not any(k in gw.get("/key/list?return_full_object=true&size=100").body.decode() for k in keys)


# ---- what a key may do -------------------------------------------------------------------------

def test_model_access(start, mock):
    p = {"model": "openai/*", "api_base": mock.base + "/v1", "api_key": "sk-x"}
    gw = start([("m", "plain"), ("n", "plain"), ("team/*", p)],
               "router_settings: {model_group_alias: {nick: m}, num_retries: 0}\n")
    names = ["m", "n", "nick", "team/a", "team/b"]

    def allowed(*models):
        k = gw.key(models=list(models))
        got = []
        for n in names:
            a = gw.ask(n, key=k)
            if a.status == 200:
                got.append(n)
            else:
                m = error(a, 403, type="key_model_access_denied", param="model")
                assert "key not allowed to access model. This key can only access models=[" in m
                assert m.endswith(f"Tried to access {n}") and all(f"'{x}'" in m for x in models)
        return got

    assert allowed() == names                               # empty: everything
    assert allowed("*") == names and allowed("all-proxy-models") == names
    assert allowed("m") == ["m", "nick"]                    # an alias leads to what is allowed
    assert allowed("nick") == ["nick"]                      # and alone allows only itself
    assert allowed("team/*") == ["team/a", "team/b"]
    assert allowed("team/a", "n") == ["n", "team/a"]
    assert allowed("M", "mm") == []
    k = gw.key(models=["m"])
    assert [x["id"] for x in gw.get("/v1/models", key=k).json["data"]] == ["m", "nick"]
    assert gw.get("/v1/models/n", key=k).status == 404
    assert gw.ask("nobody", key=k).status in (400, 403)
    for path in ("/engines/n/chat/completions", "/openai/deployments/n/chat/completions"):
        body = {"messages": [{"role": "user", "content": "x"}]}
        error(gw.post(path, body, key=k), 403, param="model")
        error(gw.post(path, {"model": "m", **body}, key=k), 403)     # the path's name counts
    error(gw.post("/v1/embeddings", {"model": "n", "input": "x"}, key=k), 403)
    error(gw.post("/v1/completions", {"model": "n", "prompt": "x"}, key=k), 403)
    assert len([r for r in mock.log() if r["model"] == "plain"]) >= 1


def test_access_groups(tmp_path, mock):
    from gateway import Gateway
    raw = ("model_list:\n  - model_name: m\n    litellm_params: {model: openai/plain, api_key: x, api_base: '%s/v1'}\n"
           "    model_info: {access_groups: [beta]}\ngeneral_settings: {master_key: sk-live-master-0123456789}\n" % mock.base)
    g = Gateway(tmp_path, [], raw=raw)
    g.start()
    try:
        k = g.key(models=["beta"])
        assert g.ask("m", key=k).status == 200 and [m["id"] for m in g.get("/v1/models", key=k).json["data"]] == ["m"]
        for other in (["gamma"], ["bet*"], ["beta2"]):
            assert g.ask("m", key=g.key(models=other)).status in (401, 403), other
        assert g.ctl("route", "explain", "--model", "m", "--key", k).returncode == 0
    finally:
        g.stop()


def test_fallbacks_of_the_client_keep_to_the_keys_models(start, mock):
    gw = start([("bad", "mock?status=500"), ("secret", "plain"), ("open", "mock?tokens=2")],
               "router_settings: {num_retries: 0}\n")
    k = gw.key(models=["bad", "open"])
    a = gw.ask("bad", key=k, fallbacks=["secret"])
    assert a.status in (403, 500)
    assert not [r for r in mock.log() if r["model"] == "plain"]
    assert gw.ask("bad", key=k, fallbacks=["open"]).json["model"] == "open"


def test_expiry(gw):
    k = gw.post("/key/generate", {"duration": "1s", "key_alias": "brief"}).json
    used = gw.ask("m", key=k["key"])
    if used.status != 200:
        assert datetime.datetime.now(datetime.timezone.utc) >= when(k["expires"])
    left = (when(k["expires"]) - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    threading.Event().wait(max(left, 0) + 0.05)
    a = gw.ask("m", key=k["key"])
    m = error(a, 401, type="expired_key")
    assert m.startswith("Authentication Error - Expired Key. Key Expiry time ")
    assert "current time" in m
    error(gw.get("/v1/models", key=k["key"]), 401, type="expired_key")
    gw.post("/key/update", {"key": k["key"], "duration": "-1"})      # never
    assert gw.get(f"/key/info?key={k['key']}").json["info"]["expires"] is None
    assert gw.ask("m", key=k["key"]).status == 200


# ---- changes: at once, everywhere --------------------------------------------------------------

def test_changes_count_on_every_worker_before_the_call_answers(start):
    gw = start([("m", "plain"), ("n", "plain")], workers=3)
    k = gw.key(key_alias="k", models=["m"])
    with pool(gw) as connections:
        def every(status, key=k, model="m"):
            got = {o.ask(key, model)[0] for o in connections}
            assert got == {status} or (status == 401 and got <= set(REFUSED)), (got, status)

        every(200)
        assert gw.post("/key/block", {"key": k}).json["blocked"] is True
        every(401)
        assert "blocked" in connections[0].ask(k)[1]["error"]["message"]
        assert gw.post("/key/unblock", {"key": sha(k)}).json["blocked"] is False
        every(200)
        gw.post("/key/update", {"key": "k", "models": ["n"]})
        every(403)
        every(200, model="n")
        gw.post("/key/update", {"key": "k", "models": ["m"], "duration": "1s"})
        gw.post("/key/update", {"key": "k", "duration": "-1"})
        new = gw.post("/key/regenerate", {"key": k}).json
        assert new["key"] != k and new["token"] == sha(new["key"]) and new["key_alias"] == "k"
        every(401)
        every(200, new["key"])
        assert gw.post("/key/delete", {"keys": [new["key"]]}).json == {"deleted_keys": [new["key"]]}
        every(401, new["key"])
        time.sleep(1.1)                              # not as one of a flood of unknown keys
        for o in connections[:5]:
            assert o.ask(new["key"])[1]["error"]["type"] == "token_not_found_in_db"
        for i in range(10):                          # made and used at once, on each worker
            fresh = gw.key()
            assert connections[i].ask(fresh)[0] == 200
            gw.post("/key/delete", {"keys": [fresh]})
            assert connections[-i].ask(fresh)[0] in REFUSED


def test_changes_by_many_at_once(start):
    gw = start([("m", "plain")], workers=3)
    failures = []

    def live(i):
        try:
            for _ in range(5):
                k = gw.key(key_alias=f"a{i}")
                assert gw.ask("m", key=k).status == 200
                new = gw.post("/key/regenerate", {"key": f"a{i}"}).json["key"]
                assert gw.ask("m", key=k).status in REFUSED
                assert gw.ask("m", key=new).status == 200
                assert gw.post("/key/delete", {"key_aliases": [f"a{i}"]}).status == 200
                assert gw.ask("m", key=new).status in REFUSED
        except Exception as e:          # noqa: BLE001 - shown below
            failures.append(repr(e))

    threads = [threading.Thread(target=live, args=(i,)) for i in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures
    assert gw.get("/key/list").json["total_count"] == 0


def test_delete_is_all_or_nothing(gw):
    a, b = gw.key(key_alias="a"), gw.key(key_alias="b")
    m = error(gw.post("/key/delete", {"keys": [a, "sk-not-a-key-at-all"]}), 404)
    assert "sk-not-a-key-at-all" not in m
    assert gw.ask("m", key=a).status == 200
    assert gw.post("/key/delete", {"keys": [sha(a)], "key_aliases": ["b"]}).status == 200
    assert gw.ask("m", key=a).status == gw.ask("m", key=b).status == 401
    error(gw.post("/key/delete", {}), 400, param="keys")
    error(gw.post("/key/delete", {"keys": [1]}), 400, param="keys")


def test_update_keeps_what_is_not_said(gw):
    k = gw.key(key_alias="k", models=["m"], max_budget=5, metadata={"a": 1}, rpm_limit=100)
    u = gw.post("/key/update", {"key": k, "max_budget": 9, "metadata": {"b": [2]}}).json
    assert u["key"] == k and u["max_budget"] == 9
    i = gw.get(f"/key/info?key={k}").json["info"]
    assert (i["models"], i["max_budget"], i["metadata"], i["rpm_limit"], i["key_alias"]) == \
        (["m"], 9, {"b": [2]}, 100, "k")
    gw.post("/key/update", {"key": k, "rpm_limit": None, "max_budget": None, "models": None})
    i = gw.get(f"/key/info?key={k}").json["info"]
    assert (i["models"], i["max_budget"], i["rpm_limit"]) == ([], None, None)
    for path in ("/key/update", "/key/block", "/key/unblock", "/key/regenerate"):
        error(gw.post(path, {"key": "sk-nobody-0000"}), 404, type="not_found_error")
        error(gw.post(path, {}), 400, param="key")


# ---- who is refused, and how -------------------------------------------------------------------

def test_refusals_by_form_of_the_key(gw, mock):
    def ask(**headers):
        return gw.request("POST", "/v1/chat/completions", {"model": "m", "messages": []}, key=False,
                          headers={k.replace("_", "-"): v for k, v in headers.items()})

    a = ask()
    assert error(a, 401, type="auth_error", param=None) == "Authentication Error, No api key passed in."
    assert a.headers["www-authenticate"] == "Bearer"
    for value in ("sk-1234", "Token sk-1234", "Basic c2stMTIzNA==", "bearer", "Bearer", ""):
        m = error(ask(Authorization=value), 401, type="auth_error")
        assert m.startswith(("Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.",
                             "Authentication Error, No api key passed in.")), (value, m)
    m = error(ask(Authorization="Bearer pk-1234567890"), 401, type="auth_error")
    assert "LiteLLM Virtual Key expected" in m and "start with 'sk-'" in m and "pk-1234567890" not in m
    a = ask(Authorization="Bearer sk-this-is-nobody-wxyz")
    m = error(a, 401, type="token_not_found_in_db", param="key")
    assert "Invalid proxy server token passed. Received API Key = sk-...wxyz" in m
    assert sha("sk-this-is-nobody-wxyz") not in m and "nobody" not in m
    k = gw.key()
    error(ask(Authorization="Bearer " + sha(k)), 401)         # a hash is no key
    error(ask(Authorization="Bearer sk-" + sha(k)), 401)
    for near in (k[:-1], k + "x", k.swapcase(), k + " " + k, "sk-" + k):
        error(ask(Authorization="Bearer " + near), 401)
    for odd in ("sk-' OR 1=1--", "sk-" + "\u00e9" * 9, "sk-" + "a" * 7000, "sk-\t\t", "sk-%00", "sk-{}[]"):
        error(gw.request("POST", "/v1/chat/completions", {"model": "m"}, key=False,
                         headers={"Authorization": ("Bearer " + odd).encode("utf-8")}), 401)
    assert not mock.log()


def test_refusals_come_before_the_body_is_read(gw):
    for key in (False, "sk-nobody-1234567890"):
        a = gw.request("POST", "/v1/chat/completions", b"{" + b"x" * 300000, key=key)
        error(a, 401)


def test_old_statuses(start):
    gw = start([("m", "plain"), ("n", "plain")], "server: {old_statuses: true}\n")
    k = gw.key(models=["m"], max_budget=0)
    error(gw.ask("n", key=k), 401, type="key_model_access_denied")
    error(gw.ask("m", key=k), 400, type="budget_exceeded")
    brief = gw.post("/key/generate", {"duration": "1s"}).json
    threading.Event().wait(1.05)
    error(gw.ask("m", key=brief["key"]), 400, type="expired_key")
    error(gw.ask("m", key="sk-nobody-12345"), 401)


def test_administration_is_for_administrators(gw):
    k = gw.key(key_alias="plain")
    routes = [("POST", p) for p in ("/key/generate", "/key/update", "/key/regenerate", "/key/block", "/key/unblock",
                                    "/key/delete", "/config/reload")] + \
             [("GET", p) for p in ("/key/list", "/spend/logs", "/spend/keys", "/global/spend/report", "/health")]
    for method, path in routes:
        m = error(gw.request(method, path, {"key": k} if method == "POST" else None, key=k), 401, type="auth_error")
        assert m == ("Authentication Error, Only proxy admin can be used to generate, delete, update info for new "
                     f"keys/users/teams. Route={path}")
        error(gw.request(method, path, key=False), 401, type="auth_error")
        error(gw.request(method, path, key="sk-nobody-12345"), 401, type="token_not_found_in_db")
    assert gw.get("/key/list").json["total_count"] == 1
    for path in ("/model/info", "/v1/models", "/key/info"):
        assert gw.get(path, key=k).status == 200
        error(gw.get(path, key=False), 401)
    assert "sk-upstream-canary" not in gw.get("/model/info", key=k).body.decode()


def test_a_short_key_is_taken_with_a_warning(gw):
    for text, is_warned in (("sk-1", True), ("sk-123456789012", True), ("sk-1234567890123", False)):
        a = gw.post("/key/generate", {"key": text})
        assert a.status == 200 and a.json["key"] == text and any("guessed" in w for w in a.json.get("llmgw_warnings", [])) == is_warned, a
        assert gw.get("/v1/models", key=text).status == 200
    a = gw.post("/key/sk-1234567890123/regenerate", {"new_key": "sk-22"})
    assert a.status == 200 and any("new_key has 5 characters" in w for w in a.json["llmgw_warnings"]), a
    assert "llmgw_warnings" not in gw.post("/key/generate", {}).json


@pytest.mark.parametrize("form", ["x-litellm-api-key", "x-litellm-api-key: Bearer", "authorization: Bearer",
                                  "authorization: bearer", "api-key", "x-api-key", "x-goog-api-key",
                                  "ocp-apim-subscription-key"])
def test_where_a_key_may_stand(one, form):
    name, _, prefix = form.partition(": ")
    k = one.key(models=["m"])
    head = {name: (prefix + " " if prefix else "") + k}
    a = one.request("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]},
                    key=False, headers=head)
    assert a.status == 200, a
    one.post("/key/delete", {"keys": [k]})
    error(one.request("GET", "/v1/models", key=False, headers=head), 401)


def test_the_first_place_wins(one):
    k = one.key()
    order = ["x-litellm-api-key", "authorization", "api-key", "x-api-key", "x-goog-api-key"]
    for i, first in enumerate(order):
        head = {n: "Bearer sk-nobody-at-all" if n == "authorization" else "sk-nobody-at-all" for n in order[i + 1:]}
        good = {first: "Bearer " + k if first == "authorization" else k}
        assert one.request("GET", "/v1/models", key=False, headers={**head, **good}).status == 200, first
        bad = {first: "Bearer sk-nobody-at-all" if first == "authorization" else "sk-nobody-at-all"}
        rest = {n: "Bearer " + k if n == "authorization" else k for n in order[i + 1:]}
        error(one.request("GET", "/v1/models", key=False, headers={**rest, **bad}), 401)
    one.post("/key/delete", {"keys": [k]})


def test_own_header_name(start):
    gw = start([("m", "plain")], "general_settings:\n  litellm_key_header_name: X-Gate-Key\n")
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    for value in (gw.master_key, "Bearer " + gw.master_key):
        assert gw.request("POST", "/v1/chat/completions", body, key=False,
                          headers={"X-Gate-Key": value}).status == 200
        error(gw.request("POST", "/v1/chat/completions", body, key=False,
                         headers={"X-Gate-Key": "sk-nobody-123", "Authorization": "Bearer " + gw.master_key}), 401)
    # what the client keeps in Authorization is for somebody else
    assert gw.request("POST", "/v1/chat/completions", body, key=False,
                      headers={"X-Gate-Key": gw.master_key, "Authorization": "Bearer eyJ.x.y"}).status == 200


def test_many_random_tokens(one):
    """A5: nothing that is not a key gets in, whatever its bytes."""
    rng = secrets.SystemRandom()
    c = one.connect()
    for i in range(300):
        token = bytes(rng.choice([0x21, 0x22, 0x27, 0x3b, 0x2d, 0x80, 0xff, 0x41, 0x20, 0x09]) for _ in
                      range(rng.randrange(1, 60)))
        c.request("GET", "/v1/models", headers={"Authorization": b"Bearer sk-" + token})
        r = c.getresponse()
        body = json.loads(r.read())
        assert (r.status, body["error"]["code"]) in ((401, "401"), (429, "too_many_unknown_keys")), (token, body)
    c.close()


# ---- what is kept ------------------------------------------------------------------------------

def test_keys_survive_a_restart_and_only_the_hash_is_kept(gw):
    k = gw.key(key_alias="kept", models=["m"], max_budget=5)
    blocked = gw.key(key_alias="blocked")
    gw.post("/key/block", {"key": blocked})
    gone = gw.key(key_alias="gone")
    gw.post("/key/delete", {"keys": [gone]})
    custom = gw.key(key="sk-Canary-Custom-0123456789")
    old = gw.key(key_alias="turned")
    new = gw.post("/key/regenerate", {"key": old}).json["key"]
    assert gw.ask("m", key=k).status == 200
    gw.spend_rows(wait_for=1)
    for restart in range(2):
        gw.stop()
        for f in (gw.tmp / "state").rglob("*"):
            if f.is_file():
                data = f.read_bytes()
                for text in (k, blocked, gone, custom, old, new, gw.master_key):
                    assert text.encode() not in data and text[3:].encode() not in data, (f, text)
        with contextlib.closing(sqlite3.connect(next((gw.tmp / "state").glob("*.db")))) as db:
            stored = {row[0] for row in db.execute("SELECT token_hash FROM keys")}
            assert bytes.fromhex(sha(k)) in stored and bytes.fromhex(sha(gone)) not in stored
            assert bytes.fromhex(sha(gw.master_key)) not in stored
        gw.start()
        assert gw.ask("m", key=k).status == 200
        assert gw.ask("m", key=custom).status == gw.ask("m", key=new).status == 200
        for refused in (blocked, gone, old):
            error(gw.ask("m", key=refused), 401)
    logs = gw.logs()
    for text in (k, blocked, gone, custom, old, new):
        assert text not in logs and text[3:] not in logs


def test_master_key_changes_by_reload(gw):
    text = gw.config.read_text()
    gw.config.write_text(text.replace(gw.master_key, "sk-another-master-987654"))
    assert gw.post("/config/reload", {}).status == 200
    error(gw.get("/key/list"), 401)
    assert gw.get("/key/list", key="sk-another-master-987654").status == 200


# ---- the same by llmgwctl ----------------------------------------------------------------------

def test_life_of_a_key_by_llmgwctl(gw):
    k = gw.ctl_json("keys", "create", "--key-alias", "cli", "--models", "m,mock*", "--max-budget", "2.5",
                    "--rpm-limit", "50", "--metadata", '{"a":1}', "--duration", "30d")
    assert k["key"].startswith("sk-") and k["token"] == sha(k["key"]) and k["models"] == ["m", "mock*"]
    assert k["max_budget"] == 2.5 and k["rpm_limit"] == 50 and k["metadata"] == {"a": 1}
    assert gw.ask("m", key=k["key"]).status == 200
    assert k["key"] not in gw.ctl("keys", "list").stdout and "cli" in gw.ctl("keys", "list").stdout
    assert "cli" in gw.ctl("keys", "show", "cli").stdout
    info = gw.ctl_json("keys", "show", k["key"])["info"]
    assert info["key_alias"] == "cli" and info["token"] == sha(k["key"])
    gw.ctl("keys", "update", "cli", "--models", "n", "--max-budget", "7")
    assert gw.ctl_json("keys", "show", "cli")["info"]["max_budget"] == 7
    assert gw.ask("m", key=k["key"]).status == 403
    gw.ctl("keys", "update", "cli", "--models", "m")
    gw.ctl("keys", "block", "cli")
    assert gw.ask("m", key=k["key"]).status == 401
    gw.ctl("keys", "unblock", "cli")
    new = gw.ctl_json("keys", "rotate", "cli", "--yes")["key"]
    assert gw.ask("m", key=k["key"]).status == 401 and gw.ask("m", key=new).status == 200
    assert gw.ctl("keys", "delete", "cli", check=False).returncode == 2       # nobody to ask: --yes
    gw.ctl("keys", "delete", "cli", "--yes")
    assert gw.ask("m", key=new).status == 401
    assert gw.ctl("keys", "show", "cli", check=False).returncode == 5
