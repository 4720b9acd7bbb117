# SPDX-License-Identifier: MIT
"""Budgets of providers and deployments, windows of plans, access windows: who spent it is not chosen."""
import collections
import os
import signal
import threading
import time

from gateway import until

PRICED = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002}
FREE = {"input_cost_per_token": 1e-9, "output_cost_per_token": 1e-9}


def to(mock, model, **more):
    return {"model": model, "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary", **PRICED, **more}


def served(mock):
    return collections.Counter(e["model"] for e in mock.log())


def candidates(gw, model="g"):
    return {c["upstream_model"]: c for c in gw.ctl_json("route", "explain", "--model", model)["candidates"]}


def gate(gw, name, model="g"):
    return candidates(gw, model)[name]["gates"][0]


def test_a_provider_that_spent_its_budget_is_not_chosen(start, mock):
    gw = start([("g", to(mock, "openai/a", order=1)), ("g", to(mock, "groq/b", order=2, **FREE)), ("o", to(mock, "openai/c"))],
               "router_settings: {num_retries: 0, provider_budget_config: {openai: {budget_limit: 0.02, time_period: 1d}}}\n"
               "litellm_settings: {callbacks: [prometheus]}\n")
    assert gate(gw, "a") == {"name": "provider openai", "kind": "budget", "open": True, "limit": 0.02, "used": 0, "wait_s": 0}
    first = gw.ask("g")
    assert first.status == 200
    cost = float(first.headers["x-litellm-response-cost"])
    n = 1
    while gate(gw, "a")["open"]:
        assert gw.ask("g").status == 200
        n += 1
        assert n < 50
    assert served(mock) == {"a": n} and (n - 1) * cost < 0.02 <= n * cost
    for _ in range(5):
        assert gw.ask("g").status == 200
    assert served(mock)["b"] == 5 and served(mock)["a"] == n
    assert candidates(gw)["a"]["verdict"] == "budget"
    a = gw.ask("o")                             # the other group of the same provider
    assert a.status == 503 and int(a.headers["retry-after"]) <= 86400
    assert "crossed budget: Exceeded budget for provider openai" in a.json["error"]["message"]
    assert 'litellm_provider_remaining_budget_metric{api_provider="openai"} 0' in gw.get("/metrics").body.decode()


def test_spend_is_exact_over_workers_and_kills(start, mock):
    gw = start([("g", to(mock, "openai/a?ttft=5"))],
               "router_settings: {num_retries: 0, provider_budget_config: {openai: {max_budget: 1000, budget_duration: 30d}}}\n",
               workers=3)

    def some():
        for _ in range(15):
            gw.ask("g")

    def storm():
        threads = [threading.Thread(target=some) for _ in range(6)]
        for t in threads:
            t.start()
        time.sleep(0.1)
        os.kill(gw.ctl_json("workers")["workers"][0]["pid"], signal.SIGKILL)
        for t in threads:
            t.join()

    def booked():
        return sum(r["spend"] for r in gw.spend_rows())

    def agree():
        return abs(gate(gw, "a?ttft=5")["used"] - booked()) < 1e-9

    try:
        storm()
    except OSError:
        pass
    until(agree)
    before = booked()
    assert before > 0
    gw.kill()                                   # SIGKILL to the master; the next one reads the ledger
    gw.start()
    until(agree)
    assert abs(booked() - before) < before
    gw.ask("g")
    until(lambda: agree() and booked() > before)


def test_budget_of_a_deployment(start, mock):
    gw = start([("g", to(mock, "openai/a", order=1, max_budget=0.000001, budget_duration="1h")),
                ("g", to(mock, "openai/b", order=2))], "router_settings: {num_retries: 0}\n")
    for _ in range(4):
        assert gw.ask("g").status == 200
    assert served(mock) == {"a": 1, "b": 3}


def test_a_budget_begins_anew(start, mock):
    gw = start([("g", to(mock, "openai/a", max_budget=0.000001, budget_duration="3s"))], "router_settings: {num_retries: 0}\n")
    assert gw.ask("g").status == 200
    assert until(lambda: gw.ask("g").status == 503)
    until(lambda: gw.ask("g").status == 200)


def test_a_plans_window_rolls(start, mock):
    plan = [{"duration": "4s", "requests": 3}]
    gw = start([("g", to(mock, "openai/a", plan_windows=plan, order=1)), ("g", to(mock, "openai/b", order=2)),
                ("t", to(mock, "openai/t?prompt=90&out=20", api_key="sk-other", plan_windows=[{"duration": "1h", "tokens": 200}])),
                ("d", to(mock, "openai/d", plan_windows=[{"duration": "1h", "cost": 0.000001, "plan": "mine", "multiplier": 2}])),
                ("m", to(mock, "openai/m", plan_windows=[{"duration": "1h", "requests": 4, "multiplier": 2.5, "plan": "x"}]))],
               "router_settings: {num_retries: 0}\n", workers=2)
    began = time.monotonic()
    for _ in range(5):
        assert gw.ask("g").status == 200
    assert served(mock) == {"a": 3, "b": 2}
    assert candidates(gw)["a"]["verdict"] == "plan"
    until(lambda: gw.ask("g").status == 200 and served(mock)["a"] > 3)
    assert time.monotonic() - began > 3.5       # the oldest has left the window
    assert [gw.ask("t").status for _ in range(3)] == [200, 200, 503]
    assert [gw.ask("d").status for _ in range(2)] == [200, 503]
    assert [gw.ask("m").status for _ in range(3)] == [200, 200, 503]
    gw.kill()                                   # a new board, and the plan is where it was
    gw.start()
    assert gw.ask("t").status == 503


def test_access_windows(start, mock):
    def hours(of, to_):
        day = 24 * 60
        now = int(time.time()) // 60 % day
        text = ["%02d:%02d" % divmod((now + h * 60) % day, 60) for h in (of, to_)]
        return {"access_windows": [{"from": text[0], "to": text[1]}]}

    gw = start([("g", to(mock, "openai/closed", order=1, model_info=hours(2, 4))),
                ("g", to(mock, "openai/open", order=2, model_info=hours(-2, 2))),
                ("n", to(mock, "openai/later", model_info=hours(1, 2)))], "router_settings: {num_retries: 0}\n")
    for _ in range(4):
        assert gw.ask("g").status == 200
    assert served(mock) == {"open": 4}
    a = gw.ask("n")
    assert a.status == 503 and 0 < int(a.headers["retry-after"]) <= 7200 and "other hours" in a.json["error"]["message"]
    assert candidates(gw)["closed"]["verdict"] == "hours" and gate(gw, "closed")["wait_s"] > 3000




def tagged(gw, *tags, model="g", **more):
    return gw.ask(model, metadata={"tags": list(tags)}, **more)


def budgets(gw):
    return gw.get("/provider/budgets").json


def test_a_tag_that_spent_its_budget_gets_no_deployment(start, mock):
    gw = start([("g", to(mock, "openai/a")), ("g", to(mock, "groq/b")), ("f", to(mock, "openai/c"))],
               'router_settings: {num_retries: 0, fallbacks: [{g: [f]}],\n'
               '  tag_budget_config: {"product:chat": {max_budget: 0.02, budget_duration: 1d}}}\n', workers=2)
    n = 0
    while (a := tagged(gw, "x", "product:chat", "product:chat")).status == 200:
        n += 1
        cost = float(a.headers["x-litellm-response-cost"])
        assert n < 50
    assert (n - 1) * cost < 0.02 <= n * cost and sum(served(mock).values()) == n
    assert a.status == 429 and a.json["error"]["type"] == "budget_exceeded" and 0 < int(a.headers["retry-after"]) <= 86400
    assert "crossed budget: Exceeded budget for tag product:chat" in a.json["error"]["message"]
    assert gw.ask("g").status == 200 and tagged(gw, "x").status == 200      # others pay for themselves
    assert gw.ask("g", headers={"x-litellm-tags": "product:chat"}).status == 429
    why = gw.post("/route/explain", {"model": "g", "tags": ["product:chat"]}).json["candidates"]
    assert {c["verdict"] for c in why} == {"tag-budget"}
    told = budgets(gw)["tags"]["product:chat"]
    assert told["budget_limit"] == 0.02 and told["time_period"] == "1d"
    assert abs(told["spend"] - n * cost) < 1e-9 and told["budget_reset_at"] > time.strftime("%Y-%m-%dT%H", time.gmtime())
    gw.kill()                                   # a new board: what the database says of the tag
    gw.start()
    until(lambda: abs(budgets(gw)["tags"]["product:chat"]["spend"] - n * cost) < 1e-9)
    assert tagged(gw, "product:chat").status == 429


def test_a_tags_spend_is_exact_over_workers(start, mock):
    gw = start([("g", to(mock, "openai/a?ttft=3"))],
               "litellm_settings: {num_retries: 0, tag_budget_config: {t: {budget_limit: 1000, time_period: 30d}}}\n", workers=2)
    costs = []

    def some():
        for _ in range(12):
            costs.append(float(tagged(gw, "t").headers["x-litellm-response-cost"]))
            gw.ask("g")

    threads = [threading.Thread(target=some) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    until(lambda: abs(budgets(gw)["tags"]["t"]["spend"] - sum(costs)) < 1e-9)
    time.sleep(0.5)                             # and nothing is booked twice afterwards
    assert abs(budgets(gw)["tags"]["t"]["spend"] - sum(costs)) < 1e-9


def test_a_tags_period_and_limit_change_with_a_reload(start, mock):
    gw = start([("g", to(mock, "openai/a"))],
               "router_settings: {num_retries: 0, tag_budget_config: {t: {budget_limit: 0.000001, time_period: 3s}}}\n")
    assert tagged(gw, "t").status == 200
    assert until(lambda: tagged(gw, "t").status == 429)
    until(lambda: tagged(gw, "t").status == 200)            # it has begun anew
    text = gw.config.read_text()
    gw.config.write_text(text.replace("0.000001", "1000").replace("3s", "1h"))
    gw.ctl("reload")
    assert [tagged(gw, "t").status for _ in range(4)] == [200] * 4
    gw.config.write_text(text.replace("tag_budget_config: {t: {budget_limit: 0.000001, time_period: 3s}}", "timeout: 60"))
    gw.ctl("reload")
    assert tagged(gw, "t").status == 200 and budgets(gw)["tags"] == {}


def test_provider_budgets(start, mock):
    gw = start([("g", to(mock, "openai/a"))],
               "router_settings: {num_retries: 0, provider_budget_config: {openai: {budget_limit: 2.5, time_period: 1d},"
               " azure: {budget_limit: 1, time_period: 1h}}}\n")
    cost = float(gw.ask("g").headers["x-litellm-response-cost"])
    until(lambda: abs(budgets(gw)["providers"]["openai"]["spend"] - cost) < 1e-9)
    b = budgets(gw)
    assert set(b["providers"]) == {"openai", "azure"} and b["tags"] == {}
    assert set(b["providers"]["openai"]) == {"budget_limit", "time_period", "spend", "budget_reset_at"}
    assert b["providers"]["openai"]["budget_limit"] == 2.5 and b["providers"]["openai"]["time_period"] == "1d"
    assert b["providers"]["azure"] == {"budget_limit": 1.0, "time_period": "1h", "spend": 0.0, "budget_reset_at": None}
    rows = gw.ctl_json("provider", "budgets").pop("budgets")
    assert rows[0] == {"of": "provider", "name": "openai", **b["providers"]["openai"]} and len(rows) == 2
    assert gw.get("/provider/budgets", key=gw.key()).status == 401
