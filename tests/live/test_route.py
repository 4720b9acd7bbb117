# SPDX-License-Identifier: MIT
"""Where a request goes, and what happens when that fails."""
import collections
import json
import time


def served(mock):
    return collections.Counter(r["model"] for r in mock.log())


def test_weights(start, mock):
    def with_weight(script, w):
        return {"model": f"openai/{script}", "api_base": mock.base + "/v1", "api_key": "sk-x", "weight": w}
    gw = start([("g", with_weight("heavy", 9)), ("g", with_weight("light", 1))])
    for _ in range(200):
        assert gw.ask("g").status == 200
    n = served(mock)
    assert 150 <= n["heavy"] <= 197 and n["light"] >= 3


def test_retry_lands_on_another_deployment(start, mock):
    gw = start([("g", "mock?status=500&tokens=1"), ("g", "good")])
    for _ in range(10):
        a = gw.ask("g")
        assert a.status == 200, a
    assert served(mock)["good"] == 10


def test_refused_connection_fails_over_at_once(start):
    dead = {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "sk-x"}
    gw = start([("g", dead), ("g", "good")])
    for _ in range(10):
        began = time.monotonic()
        a = gw.ask("g")
        assert a.status == 200 and time.monotonic() - began < 4


def test_single_deployment_retries_with_backoff(start, mock):
    gw = start([("g", "mock?failn=2")], "router_settings: {num_retries: 3, retry_after: 0}\n")
    a = gw.ask("g", timeout=60)
    assert a.status == 200 and a.headers["x-litellm-attempted-retries"] == "2"


def test_num_retries_from_body_and_header(start, mock):
    gw = start([("g", "mock?status=503")])
    assert gw.ask("g", num_retries=0).status == 503
    assert gw.ask("g", headers={"x-litellm-num-retries": "0"}).status == 503
    assert len(mock.log()) == 2


def test_a_callers_mistake_is_not_retried(start, mock):
    gw = start([("g", "mock?status=400"), ("g", "mock?status=400&tokens=2")])
    a = gw.ask("g")
    assert a.status == 400 and "BadRequestError" in a.json["error"]["message"]
    assert len(mock.log()) == 1


def test_fallbacks(start, mock):
    gw = start([("a", "mock?status=500"), ("b", "mock?status=500&tokens=2"), ("c", "fine")],
               "router_settings: {num_retries: 0, fallbacks: [{a: [b, c]}]}\n")
    r = gw.ask("a")
    assert r.status == 200 and r.headers["x-litellm-attempted-fallbacks"] == "2"
    assert r.json["model"] == "c"              # a fallback shows the real name
    assert gw.stream("a").text().split()[0] == "t0"
    assert gw.ask("a", disable_fallbacks=True).status == 500
    assert gw.ask("b", fallbacks=["c"]).status == 200


def test_fallbacks_of_a_request_by_group(start, mock):
    """The configuration's form in a body, as LiteLLM's clients send it, too."""
    gw = start([("a", "mock?status=500"), ("b", "mock?status=500&tokens=2"), ("c", "fine")],
               "router_settings: {num_retries: 0, fallbacks: [{a: [c]}], model_group_alias: {nick: b}}\n")
    a = gw.ask("b", fallbacks=[{"a": ["b"]}, {"b": ["c"]}])
    assert a.status == 200 and a.json["model"] == "c", a
    assert gw.ask("nick", fallbacks=[{"nick": ["c"]}]).json["model"] == "c"
    assert gw.ask("nick", fallbacks=[{"b": [{"model": "c"}]}]).json["model"] == "c"
    assert gw.ask("b", fallbacks=[{"*": ["c"]}]).status == 200
    assert gw.stream("b", fallbacks=[{"b": ["c"]}]).text() == "t0 t1 t2"
    for others in ([{"b": ["c"]}], [{"a": "c"}], [{"a": ["b"]}], [{}]):     # in place of the configured ones
        assert gw.ask("a", fallbacks=others).status == 500, others
    key = gw.key(models=["a", "b"])
    assert gw.ask("b", key=key, fallbacks=[{"b": ["c"]}]).status == 500


def test_a_list_of_models(start, mock):
    """The first is asked, the next ones when it fails; a key's own models are all that count."""
    gw = start([("a", "x?status=500"), ("b", "x?status=500"), ("c", "plain")],
               "router_settings: {num_retries: 0, fallbacks: [{a: [b]}]}\n")
    a = gw.ask(["a", "b", "c"])
    assert a.status == 200 and a.headers["x-litellm-attempted-fallbacks"] == "2" and a.json["model"] == "c"
    assert gw.stream(["a", "c"]).text() == "t0 t1 t2"
    assert gw.ask(["a", "c"], fallbacks=["b"]).status == 500       # said outright
    assert gw.ask(["a"]).status == 500
    key = gw.key(models=["a", "b"])
    assert gw.ask(["a", "c"], key=key).status == 500 and gw.ask(["c", "a"], key=key).status in (401, 403)
    for bad in ([], [1], ["a", None], [["a"]], [""]):
        r = gw.ask(bad)
        assert r.status == 400 and r.json["error"]["param"] == "model", (bad, r)


def test_default_and_context_fallbacks(start):
    gw = start([("a", "mock?status=500"), ("z", "mock?status=400&errbody=maximum context length"), ("d", "fine"),
                ("long", "fine?tokens=4")],
               "router_settings: {num_retries: 0, default_fallbacks: [d], context_window_fallbacks: [{z: [long]}]}\n")
    assert gw.ask("a").json["model"] == "d"
    r = gw.ask("z")
    assert r.status == 200 and r.json["model"] == "long", r


def test_cooldown_is_seen_by_all_workers_and_ends(start, mock):
    gw = start([("g", "mock?status=429"), ("g", "good")],
               "router_settings: {num_retries: 2, cooldown_time: 1}\n", workers=3)
    for _ in range(30):
        assert gw.ask("g").status == 200
    bad = served(mock)["mock?status=429"]
    assert bad <= 3                            # at most one per cooldown second
    state = {m["upstream_model"]: m for m in gw.ctl_json("models")["models"]}
    assert state["mock?status=429"]["cooldowns"] >= 1
    assert gw.ctl("health", "clear").returncode == 0


def test_all_cooling_is_503_with_retry_after(start):
    gw = start([("g", "mock?status=429"), ("g", "mock?status=429&tokens=2")],
               "router_settings: {num_retries: 0, cooldown_time: 30}\n")
    gw.ask("g")
    gw.ask("g")
    a = gw.ask("g")
    assert a.status == 503 and int(a.headers["retry-after"]) >= 1
    assert "No deployments available" in a.json["error"]["message"]


def test_auth_failure_cools_even_a_single_deployment(start, mock):
    gw = start([("g", "mock?status=401")], "router_settings: {num_retries: 0, cooldown_time: 30}\n")
    assert gw.ask("g").status == 401
    assert gw.ask("g").status == 503
    assert len(mock.log()) == 1


def test_aliases_and_wildcards(start, mock):
    p = {"model": "openai/*", "api_base": mock.base + "/v1", "api_key": "sk-x"}
    gw = start([("openai/*", p), ("m", "plain")],
               "router_settings: {model_group_alias: {nick: m, secret: {model: m, hidden: true}}}\n")
    assert gw.ask("nick").status == 200
    assert gw.ask("openai/gpt-9").status == 200
    assert mock.log()[-1]["model"] == "gpt-9"
    ids = [m["id"] for m in gw.get("/v1/models").json["data"]]
    assert "nick" in ids and "secret" not in ids and "openai/*" not in ids
    a = gw.ask("nobody")
    assert a.status == 400 and a.json["error"]["param"] == "model"
    assert "Invalid model name passed in model=nobody" in a.json["error"]["message"]


def test_credentials_stay_with_their_host(gw, mock):
    for name in ("api_base", "base_url", "api_key"):
        a = gw.ask("m", **{name: "http://127.0.0.1:9/"})
        assert a.status == 400 and name in a.json["error"]["message"], a
    a = gw.ask("mock?status=500&keyecho", num_retries=0)
    assert "sk-upstream-canary" not in a.body.decode() and a.status == 500
    assert "sk-upstream-canary" not in gw.logs()


def test_probes(start, mock):
    dead = {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "sk-x"}
    gw = start([("dead", dead), ("m", "plain")],
               "general_settings:\n  background_health_checks: true\n  health_check_interval: 1\n")
    gw.wait_log("probe.changed", state="ill")
    h = gw.get("/health").json
    assert h["unhealthy_count"] == 1 and h["healthy_count"] == 1
    assert h["unhealthy_endpoints"][0]["error"]
    assert json.loads(gw.ctl("--json", "health", "probe", "m").stdout)["healthy_count"] == 1


def test_probes_of_many_leave_none_out(start):
    dead = {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "sk-x"}
    gw = start([(f"dead-{i}", dead) for i in range(150)], "general_settings:\n  background_health_checks: true\n")
    assert json.loads(gw.ctl("--json", "health", "probe").stdout)["unhealthy_count"] == 150
