# SPDX-License-Identifier: MIT
"""The router's knobs: each one changes where a request really goes."""
import collections
import json
import threading
import time

import pytest

from gateway import until

PRICED = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
CHEAP = {"input_cost_per_token": 1e-7, "output_cost_per_token": 1e-7}


def to(mock, script, **more):
    return {"model": f"openai/{script}", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary", **PRICED, **more}


def served(mock):
    return collections.Counter(e["model"] for e in mock.log())


def test_least_busy(start, mock):
    gw = start([("g", to(mock, "a?ttft=3000")), ("g", to(mock, "b?ttft=3000"))],
               "router_settings: {routing_strategy: least-busy, num_retries: 0}\n", workers=2)
    threads = [threading.Thread(target=gw.ask, args=("g",)) for _ in range(6)]
    for n, t in enumerate(threads):            # one after the other, all in flight together
        t.start()
        until(lambda: gw.metric("llmgw_deployment_in_flight") == n + 1)
    for t in threads:
        t.join()
    assert served(mock) == {"a?ttft=3000": 3, "b?ttft=3000": 3}


def test_latency(start, mock):
    gw = start([("g", to(mock, "slow?ttft=1000")), ("g", to(mock, "fast"))],
               "router_settings: {routing_strategy: latency-based-routing, num_retries: 0}\n", workers=2)
    for _ in range(12):
        assert gw.ask("g").status == 200
    assert served(mock)["slow?ttft=1000"] <= 2 and served(mock)["fast"] >= 10


def test_latency_buffer(start, mock):
    gw = start([("g", to(mock, "slow?ttft=300")), ("g", to(mock, "fast?ttft=250"))],
               "router_settings: {routing_strategy: latency-based-routing, num_retries: 0,"
               " routing_strategy_args: {lowest_latency_buffer: 50, ttl: 60}}\n")
    for _ in range(24):
        assert gw.ask("g").status == 200
    assert served(mock)["slow?ttft=300"] >= 4


def test_usage(start, mock):
    gw = start([("g", to(mock, "big?prompt=1000&out=1000")), ("g", to(mock, "small?prompt=1&out=1"))],
               "router_settings: {routing_strategy: usage-based-routing-v2, num_retries: 0}\n", workers=2)
    for _ in range(12):
        assert gw.ask("g").status == 200
    assert served(mock)["big?prompt=1000&out=1000"] <= 2


def test_cost(start, mock):
    gw = start([("g", to(mock, "dear")), ("g", to(mock, "cheap", **CHEAP))],
               "router_settings: {routing_strategy: cost-based-routing}\n")
    for _ in range(5):
        assert gw.ask("g").status == 200
    assert served(mock) == {"cheap": 5}


def test_strategy_of_a_routing_group(start, mock):
    gw = start([("g", to(mock, "dear")), ("g", to(mock, "cheap", **CHEAP))],
               "router_settings: {routing_groups: [{group_name: x, models: [g], routing_strategy: cost-based-routing}]}\n")
    for _ in range(5):
        assert gw.ask("g").status == 200
    assert served(mock) == {"cheap": 5}


def test_arms_of_a_test(start, mock):
    """By weights, and then the same arm for the same user; another while that is ill."""
    arms = [("g", to(mock, "a", weight=3)), ("g", to(mock, "b", weight=1))]
    gw = start(arms + [("h", to(mock, f"h{i}")) for i in range(6)] + [("s", to(mock, f"s{i}")) for i in range(6)],
               "router_settings: {num_retries: 0, routing_groups: [{models: [g], sticky_by: user},"
               " {models: [h], sticky_by: header x-tenant, routing_strategy: least-busy}, {models: [s], sticky_by: session}]}\n")
    of = {}
    for n in range(60):
        assert gw.ask("g", user=f"u{n}").status == 200
        of[n] = mock.log()[-1]["model"]
    assert 30 <= sum(v == "a" for v in of.values()) <= 57
    for n in range(0, 60, 3):
        assert gw.ask("g", user=f"u{n}").status == 200 and mock.log()[-1]["model"] == of[n]
        e = gw.ctl_json("route", "explain", "--model", "g", "--body", json.dumps({"user": f"u{n}"}))
        chosen = {c["id"]: c["upstream_model"] for c in e["candidates"]}[e["chosen"]]
        assert chosen == of[n] and e["sticky_by"] == "user"
    for model, headers in (("h", "x-tenant"), ("s", "x-litellm-session-id")):
        for n in range(5):
            mock.clear()
            for _ in range(5):
                assert gw.ask(model, headers={headers: f"t{n}"}).status == 200
            assert len(served(mock)) == 1
        mock.clear()
        for _ in range(30):
            gw.ask(model)
        assert len(served(mock)) > 1           # who does not say is nobody's


def test_router_settings_of_keys_and_teams(start, mock):
    """Request over key over team over configuration."""
    gw = start([("g", to(mock, "dear")), ("g", to(mock, "cheap", **CHEAP)), ("bad", to(mock, "x?status=500")),
                ("limit", to(mock, "y?status=429")), ("a", to(mock, "plain-a")), ("b", to(mock, "plain-b")),
                ("slow", to(mock, "z?ttft=20000"))],
               "router_settings: {num_retries: 0, disable_cooldowns: true, fallbacks: [{bad: [a]}]}\n", workers=2)
    team = gw.post("/team/new", {"team_alias": "t", "router_settings": {
        "num_retries": 1, "routing_strategy": "cost-based-routing", "fallbacks": [{"bad": ["b"]}]}}).json["team_id"]
    of_team = gw.key(team_id=team)
    own = gw.key(team_id=team, router_settings={
        "num_retries": 2, "timeout": 3, "fallbacks": [{"limit": ["a"]}, {"*": ["b"]}],
        "model_group_retry_policy": {"limit": {"RateLimitErrorRetries": 0}}})
    plain = gw.key()

    def asked(model, key, **more):
        mock.clear()
        a = gw.ask(model, key=key, timeout=30, **more)
        return a.status, [e["model"] for e in mock.log()]

    x, y = "x?status=500", "y?status=429"
    assert asked("bad", plain) == (200, [x, "plain-a"])
    assert asked("bad", of_team) == (200, [x, x, "plain-b"])
    assert asked("bad", own) == (200, [x, x, x, "plain-b"])
    assert asked("bad", own, num_retries=0) == (200, [x, "plain-b"])        # the request itself goes first
    assert asked("bad", own, num_retries=0, fallbacks=["a"]) == (200, [x, "plain-a"])
    assert asked("limit", own) == (200, [y, "plain-a"])
    assert asked("limit", of_team)[1] == [y, y]
    for key in (of_team, own):
        assert {asked("g", key)[1][0] for _ in range(6)} == {"cheap"}
        e = gw.ctl_json("route", "explain", "g", "--key", key)
        assert e["routing_strategy"] == "cost-based-routing" and e["team_router_settings"]["num_retries"] == 1
    assert gw.ctl_json("route", "explain", "g", "--key", plain)["routing_strategy"] == "simple-shuffle"
    began = time.monotonic()
    assert gw.ask("slow", key=own, num_retries=0, disable_fallbacks=True).status in (408, 504)
    assert time.monotonic() - began < 15
    # A key's list leads nowhere that the key may not go, and what has no sense is passed over.
    shut = gw.key(models=["bad"], router_settings={"fallbacks": [{"bad": ["b"]}], "num_retries": "x", "timeout": -1})
    assert asked("bad", shut) == (500, [x])
    assert gw.post("/key/update", {"key": shut, "router_settings": {}}).status == 200
    assert asked("bad", shut) == (200, [x, "plain-a"])
    gw.stop()
    gw.start()
    assert asked("bad", own) == (200, [x, x, x, "plain-b"]), "what is a key's own is there after a start, too"


def test_why_by_call_id(start, mock):
    """What a request met is told afterwards: candidates, attempts; not of those without a choice."""
    gw = start([("g", to(mock, "bad?status=500", weight=1000000)), ("g", to(mock, "good", weight=0.001)), ("one", to(mock, "one")),
                ("dead", to(mock, "x?status=500&tokens=2"))],
               "router_settings: {num_retries: 1, fallbacks: [{dead: [g]}]}\n", workers=2)
    a = gw.ask("g")
    assert a.status == 200
    e = gw.ctl_json("route", "explain", "--call-id", a.headers["x-litellm-call-id"])
    assert e["model_group"] == "g" and e["routing_strategy"] == "simple-shuffle" and e["candidates_in_all"] == 2
    assert [(t["upstream_model"], t["outcome"], t["status"]) for t in e["attempts"]] \
        == [("bad?status=500", "UP_ERROR", 500), ("good", "OK", 0)]
    assert {c["upstream_model"]: (c["verdict"], c["chosen"]) for c in e["candidates"]} \
        == {"bad?status=500": ("well", False), "good": ("well", True)}
    a = gw.ask("dead", headers={"x-litellm-call-id": "my-own-id"})
    by_http = gw.post("/route/explain", {"call_id": "my-own-id"}).json
    assert a.status == 200 and len(by_http["attempts"]) >= 2 and by_http["attempts"][-1]["outcome"] == "OK"
    plain = gw.ask("one").headers["x-litellm-call-id"]
    assert gw.post("/route/explain", {"call_id": plain}).status == 404
    gw.write([("g", to(mock, "a")), ("g", to(mock, "b"))], "router_settings: {keep_explanations: false}\n")
    assert gw.ctl("reload").returncode == 0
    a = gw.ask("g")
    assert gw.post("/route/explain", {"call_id": a.headers["x-litellm-call-id"]}).status == 404


def test_regions(start, mock):
    gw = start([("g", to(mock, "a", region_name="us-east-1")), ("g", to(mock, "b", region_name="eu-west-1")),
                ("g", to(mock, "c")), ("us", to(mock, "d", region_name="eastus2"))],
               "router_settings: {num_retries: 0}\n", workers=2)
    made = gw.post("/customer/new", {"user_id": "berlin", "allowed_model_region": "eu"})
    assert made.status == 200 and made.json["allowed_model_region"] == "eu"
    here = gw.key(metadata={"allowed_model_region": "us"})
    for _ in range(12):
        assert gw.ask("g", user="berlin").headers["x-litellm-model-region"] == "eu-west-1"
        assert gw.ask("g", key=here).headers["x-litellm-model-region"] == "us-east-1"
    seen = {gw.ask("g").headers.get("x-litellm-model-region") for _ in range(60)}
    assert seen == {"us-east-1", "eu-west-1", None}             # who is not held to a region
    a = gw.ask("us", user="berlin")
    assert a.status == 403 and "region" in a.json["error"]["message"], a
    assert gw.ask("g", key=here, user="berlin").status == 403   # both: there is none that is in both
    why = {c["upstream_model"]: c["verdict"] for c in gw.ctl_json("route", "explain", "g", "--region", "us")["candidates"]}
    assert why == {"a": "well", "b": "region", "c": "region"}
    assert gw.post("/customer/update", {"user_id": "berlin", "allowed_model_region": "us"}).status == 200
    assert gw.ask("us", user="berlin").status == 200
    team = gw.post("/team/new", {"metadata": {"allowed_model_region": "eu-west"}}).json["team_id"]
    key = gw.key(team_id=team)
    assert {gw.ask("g", key=key).headers["x-litellm-model-region"] for _ in range(12)} == {"eu-west-1"}
    gw.stop()
    gw.start()
    for k, region in ((key, "eu-west-1"), (here, "us-east-1")):
        assert {gw.ask("g", key=k).headers["x-litellm-model-region"] for _ in range(12)} == {region}


def test_tags(start, mock):
    gw = start([("g", to(mock, "free", tags=["free"])), ("g", to(mock, "paid", tags=["paid"])),
                ("g", to(mock, "rest", tags=["default"])), ("h", to(mock, "other", tags=["x"]))],
               "router_settings: {enable_tag_filtering: true}\n")
    assert gw.ask("g", tags=["paid"]).status == 200
    assert gw.ask("g", metadata={"tags": ["free"]}).status == 200
    assert gw.ask("g", headers={"x-litellm-tags": "paid, y"}).status == 200
    assert gw.ask("g").status == 200
    assert gw.ask("g", tags=["nobody"]).status == 200
    assert [e["model"] for e in mock.log()] == ["paid", "free", "paid", "rest", "rest"]
    a = gw.ask("h", tags=["y"])                 # TAGS_DENIED
    assert a.status == 401 and "tags configuration" in a.json["error"]["message"]


def test_all_tags_where_one_is_not_enough(start, mock):
    gw = start([("g", to(mock, "one", tags=["a"])), ("g", to(mock, "both", tags=["a", "b"]))],
               "router_settings: {enable_tag_filtering: true, tag_filtering_match_any: false}\n")
    for _ in range(6):
        assert gw.ask("g", tags=["a", "b"]).status == 200
    assert served(mock) == {"both": 6}


def test_prompts_that_are_too_long_go_elsewhere(start, mock):
    short = to(mock, "short", model_info={"max_input_tokens": 50})
    gw = start([("g", short), ("g", to(mock, "long")), ("s", short)],
               "router_settings: {enable_pre_call_checks: true, num_retries: 0,"
               " context_window_fallbacks: [{s: [g]}]}\n")
    for name in "ggggs":
        assert gw.ask(name, "word " * 200).status == 200
    assert served(mock) == {"long": 5}
    a = gw.ask("s", "word " * 200, disable_fallbacks=True)
    assert a.status == 400 and a.json["error"]["code"] == "context_length_exceeded"


def test_limits_of_deployments(start, mock):
    gw = start([("g", to(mock, "a", rpm=2)), ("g", to(mock, "b", rpm=1))],
               "router_settings: {enable_pre_call_checks: true, num_retries: 0}\n", workers=2)
    answers = [gw.ask("g").status for _ in range(5)]
    if answers.count(200) != 3:                 # the minute may have turned in between
        time.sleep(1)
        mock.clear()
        answers = [gw.ask("g").status for _ in range(5)]
    assert answers.count(200) == 3 and answers[-1] == 503
    last = gw.ask("g")                          # NO_DEPLOYMENT
    assert "No deployments available" in last.json["error"]["message"] and int(last.headers["retry-after"]) <= 60


def test_max_parallel_by_default(start, mock):
    gw = start([("g", to(mock, "a?ttft=3000"))],
               "router_settings: {default_max_parallel_requests: 1, num_retries: 0}\n"
               "server: {router: {queue-wait: 0}}\n")
    t = threading.Thread(target=gw.ask, args=("g",))
    t.start()
    until(lambda: gw.metric("llmgw_deployment_in_flight") == 1)
    assert gw.ask("g").status == 503
    t.join()


def test_max_cost(start, mock):
    gw = start([("g", to(mock, "dear")), ("g", to(mock, "cheap", **CHEAP))])
    for _ in range(5):
        assert gw.ask("g", max_tokens=1000, max_cost=0.001).status == 200
    assert served(mock) == {"cheap": 5} and "max_cost" not in mock.log()[-1]["body"]
    a = gw.ask("g", max_tokens=1000, headers={"x-llmgw-max-cost": "0.00001"})    # COST_LIMIT
    assert a.status == 400 and a.json["error"]["code"] == "max_cost_exceeded"
    assert gw.ask("g", max_cost="much").status == 400


def test_affinity(start, mock):
    gw = start([("g", to(mock, f"d{i}")) for i in range(5)],
               "router_settings: {optional_pre_call_checks: [session_affinity, prompt_caching]}\n", workers=2)
    for n in range(4):
        mock.clear()
        for _ in range(6):
            assert gw.ask("g", headers={"x-litellm-session-id": f"s{n}"}).status == 200
        assert len(served(mock)) == 1
    mock.clear()
    prefix = "the same long beginning " * 400
    for k in range(6):
        assert gw.ask("g", prefix + str(k)).status == 200
    assert len(served(mock)) == 1
    mock.clear()
    for _ in range(20):
        gw.ask("g")
    assert len(served(mock)) > 1


def test_retry_policy(start, mock):
    gw = start([("g", to(mock, "mock?status=429")), ("h", to(mock, "mock?status=429&tokens=2"))],
               "router_settings: {num_retries: 3, disable_cooldowns: true, retry_policy: {RateLimitErrorRetries: 0},"
               " model_group_retry_policy: {h: {RateLimitErrorRetries: 1}}}\n")
    assert gw.ask("g").status == 429 and len(mock.log()) == 1
    mock.clear()
    assert gw.ask("h", timeout=30).status == 429 and len(mock.log()) == 2


def test_allowed_fails_policy(start, mock):
    gw = start([("g", to(mock, "mock?status=500")), ("g", to(mock, "mock?status=500&tokens=2"))],
               "router_settings: {num_retries: 0, cooldown_time: 60, allowed_fails_policy: {InternalServerErrorAllowedFails: 6}}\n")
    statuses = [gw.ask("g").status for _ in range(20)]
    assert statuses.index(503) == 14            # twice 6, and the one more that cools


def test_a_dead_deployment_costs_few_first_attempts(start, mock):
    gw = start([("g", to(mock, "mock?status=500")), ("g", to(mock, "good"))],
               "router_settings: {cooldown_time: 60}\n", workers=3)
    for _ in range(60):
        assert gw.ask("g").status == 200
    assert served(mock)["mock?status=500"] == 3     # allowed_fails, over all workers


def test_one_request_tries_what_comes_back(start, mock):
    gw = start([("g", to(mock, "back?failn=3")), ("g", to(mock, "good"))],
               "router_settings: {cooldown_time: 1}\n", workers=2)
    while served(mock)["back?failn=3"] < 3:
        assert gw.ask("g").status == 200
    time.sleep(1.1)
    mock_log = len(mock.log())
    for _ in range(30):
        assert gw.ask("g").status == 200
    assert served(mock)["back?failn=3"] > 3 and len(mock.log()) == mock_log + 30
    state = {m["upstream_model"]: m for m in gw.ctl_json("models")["models"]}
    assert state["back?failn=3"]["cooldowns"] == 1


def test_all_cooling_recovers_before_its_time(start, mock):
    gw = start([("g", to(mock, "mock?failn=3")), ("g", to(mock, "mock?status=500"))],
               "router_settings: {num_retries: 0, cooldown_time: 600}\n", workers=2)
    seen = set()
    end = time.monotonic() + 60
    while time.monotonic() < end and 200 not in seen:
        seen.add(gw.ask("g").status)
        time.sleep(0.05)
    assert 200 in seen and 503 in seen          # left alone, then tried, and well again
    assert all(gw.ask("g").status == 200 for _ in range(5))


def test_the_retry_budget_ends_retries(start, mock):
    gw = start([("g", to(mock, f"mock?status=500&tokens={k}")) for k in range(12)],
               "router_settings: {num_retries: 11, disable_cooldowns: true}\nserver: {router: {retry-budget: 0}}\n",
               workers=1)
    began = time.monotonic()
    for _ in range(40):
        assert gw.ask("g", timeout=60).status == 500
    free = 10 * (time.monotonic() - began + 10) + 1     # ten a second, saved up for ten
    attempts = len(mock.log())
    assert 40 < attempts <= 40 + free < 40 * 12, (attempts, free)


def test_route_explain(start, mock):
    gw = start([("g", to(mock, "a", order=1)), ("g", to(mock, "b", order=2)), ("g", to(mock, "mock?status=401", api_key="sk-refused")),
                ("z", to(mock, "z"))],
               "router_settings: {num_retries: 1, cooldown_time: 600, fallbacks: [{g: [z]}]}\n")
    while not any(e["model"] == "mock?status=401" for e in mock.log()):
        gw.ask("g")
    told = gw.ctl_json("route", "explain", "g", "--tokens", "100", "--max-tokens", "50")
    verdicts = {c["upstream_model"]: c for c in told["candidates"]}
    assert verdicts["a"]["chosen"] and verdicts["a"]["verdict"] == "well" and verdicts["b"]["verdict"] == "order"
    assert verdicts["mock?status=401"]["verdict"] in ("cooling", "trial") and verdicts["mock?status=401"]["cooldown_s"] > 0
    assert abs(verdicts["a"]["cost_at_most"] - (100 * 1e-6 + 50 * 2e-6)) < 1e-9
    assert told["attempts"][:2] == [verdicts["a"]["id"], verdicts["b"]["id"]] and told["fallbacks"] == ["z"]
    assert told["routing_strategy"] == "simple-shuffle" and told["chosen"] == verdicts["a"]["id"]
    body = {"model": "z", "messages": [{"role": "user", "content": "x" * 400}], "stream": True}
    by_http = gw.post("/route/explain", {"body": body}).json
    assert by_http["model"] == "z" and by_http["prompt_tokens"] == 101 and len(by_http["candidates"]) == 1
    key = gw.key(models=["z"])
    assert gw.post("/route/explain", {"model": "g", "key": key}).status == 403
    assert gw.post("/route/explain", {"model": "z", "key": key}).status == 200
    assert gw.post("/route/explain", {"model": "nobody"}).status == 404
    assert gw.post("/route/explain", {}).status == 400
    assert gw.ask("z", key=key).status == 200 and gw.post("/route/explain", {"model": "z"}, key=key).status == 401
    table = gw.ctl("route", "explain", "g").stdout
    assert "VERDICT" in table and "others have a smaller order" in table


def test_probes_spare_whom_traffic_shows_well(start, mock):
    gw = start([("busy", to(mock, "busy")), ("ant", {"model": "anthropic/idle", "api_base": mock.base, "api_key": "sk-x"})],
               "general_settings:\n  background_health_checks: true\n  health_check_interval: 1\n")
    began = time.monotonic()
    while time.monotonic() < began + 3.5:
        assert gw.ask("busy").status == 200
        time.sleep(0.1)
    took = time.monotonic() - began
    probes = [e["path"] for e in mock.get("/mock/log?n=1000") if e["method"] == "GET"]
    states = {m["model_name"]: m for m in gw.ctl_json("health")["endpoints"]}
    assert len(probes) <= took + 4 and states["busy"]["state"] == "well"     # the idle one each second, the busy one at first
    entry = [e for e in mock.get("/mock/log?n=1000&h=x-api-key,anthropic-version") if e["method"] == "GET"][-1]
    assert entry["headers"] == {"x-api-key": "sk-x", "anthropic-version": "2023-06-01"}


@pytest.mark.parametrize("path, body", [("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
                                        ("/v1/images/generations", {"prompt": "x"})])
def test_pauses_before_a_provider_refuses(start, mock, path, body):
    used_up = "a?hdr=x-ratelimit-remaining-requests:0&hdr=x-ratelimit-reset-requests:30s"
    gw = start([("g", to(mock, used_up)), ("g", to(mock, "b")), ("h", to(mock, used_up + "&tokens=2"))],
               "router_settings: {num_retries: 0}\n", workers=2)
    for _ in range(20):
        assert gw.post(path, {"model": "g", **body}).status == 200
    assert served(mock)[used_up] == 1
    assert gw.post(path, {"model": "h", **body}).status == 200
    a = gw.post(path, {"model": "h", **body})
    assert a.status == 503 and 25 <= int(a.headers["retry-after"]) <= 30 and "nothing remains" in a.json["error"]["message"]
