# SPDX-License-Identifier: MIT
"""What a deployment that fails costs its callers: time, first attempts, and nobody else's."""
import socket
import statistics

import pytest


def to(base, script, **params):
    return {"model": f"openai/{script}", "api_base": base + "/v1", "api_key": "sk-x", **params}


@pytest.fixture
def dead():
    """An address that refuses connections, as long as the test runs."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{s.getsockname()[1]}"


def overhead(gw, model, retries, n=60):
    """Milliseconds that a request to `model` spends beside its last attempt: of the quickest tenth, for the rest is
    the slower the busier the machine is."""
    answers = [gw.ask(model) for _ in range(n)]
    assert all(a.status == 200 and a.headers["x-litellm-attempted-retries"] == str(retries) for a in answers)
    return statistics.quantiles([float(a.headers["x-litellm-overhead-duration-ms"]) for a in answers], n=10)[0]


ALWAYS_FIRST = "router_settings: {disable_cooldowns: true, allowed_fails: 1000000}\n" \
               "server: {router: {retry-budget: 1}}\n"


@pytest.mark.timing
def test_a_refused_connection_costs_a_millisecond(start, mock, dead):
    gw = start([("m", to(dead, "a", order=1)), ("m", to(mock.base, "b", order=2)), ("n", to(mock.base, "b"))],
               ALWAYS_FIRST, workers=1)
    assert overhead(gw, "m", 1) - overhead(gw, "n", 0) <= 1


@pytest.mark.timing
def test_a_5xx_costs_five_milliseconds(start, mock):
    gw = start([("m", to(mock.base, "mock?status=500", order=1)), ("m", to(mock.base, "b", order=2)),
                ("n", to(mock.base, "b"))], ALWAYS_FIRST, workers=1)
    assert overhead(gw, "m", 1) - overhead(gw, "n", 0) <= 5


def test_a_dead_deployment_costs_few_a_first_attempt(start, mock, dead):
    for fails in (1, 3):
        gw = start([("m", to(dead, "a", order=1)), ("m", to(mock.base, "b", order=2))],
                   "router_settings: {cooldown_time: 60, allowed_fails: %d}\n" % fails, workers=4)
        answers = [gw.ask("m") for _ in range(60)]         # each by a connection, and a worker, of its own
        assert all(a.status == 200 for a in answers)
        hit = sum(a.headers["x-litellm-attempted-retries"] != "0" for a in answers)
        assert 1 <= hit <= fails + (fails != 3)            # allowed_fails given: the one more that cools


def test_a_cooldown_is_seen_by_all_workers_at_once(start, mock):
    gw = start([("m", to(mock.base, "mock?status=401", order=1, api_key="sk-refused")),
                ("m", to(mock.base, "b", order=2))],
               "router_settings: {cooldown_time: 60}\n", workers=4)
    assert all(gw.ask("m").status == 200 for _ in range(60))
    assert sum(e["model"] == "mock?status=401" for e in mock.log()) == 1


def test_a_refused_key_is_left_with_all_deployments_that_use_it(start, mock):
    gw = start([("m", to(mock.base, "mock?status=401", order=1)), ("m", to(mock.base, "twin", order=2)),
                ("m", to(mock.base, "b", order=3, api_key="sk-other")), ("n", to(mock.base, "twin"))],
               "router_settings: {cooldown_time: 60, num_retries: 1}\n", workers=2)
    assert all(gw.ask("m").status == 200 for _ in range(20))
    assert [e["model"] for e in mock.log()] == ["mock?status=401"] + ["b"] * 20
    for model, n in ("m", 3), ("n", 1):                     # n, too, though nobody asked for it
        why = {c["upstream_model"]: c for c in gw.ctl_json("route", "explain", model)["candidates"]}
        assert len(why) == n and why["twin"]["verdict"] in ("cooling", "trial") and why["twin"]["cooldown_s"] > 0
    assert why["twin"]["verdict"] == "cooling" or gw.ask("n").status == 200    # and an answer is better than none
