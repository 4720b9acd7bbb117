# SPDX-License-Identifier: MIT
"""silent_model: another group gets a copy; the client never notices, and what came of it is told."""
import threading
import time

PRICED = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}


def to(mock, script, **more):
    return {"model": f"openai/{script}", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary", **PRICED, **more}


def test_a_copy_is_sent_and_compared(start, mock):
    gw = start([("g", to(mock, "first", silent_model="s")), ("s", to(mock, "second", input_cost_per_token=0.00001)),
                ("t", to(mock, "third", silent_model="u")), ("u", to(mock, "fourth?tokens=7"))], workers=1)
    key = gw.key(max_budget=1)
    a = gw.ask("g", "How are you?", key=key, user="me", fallbacks=["t"], headers={"x-mine": "secret"})
    assert a.status == 200 and a.json["model"] == "g"
    e = gw.wait_log("silent.compared", call_id=a.headers["x-litellm-call-id"])
    assert (e["silent_model"], e["outcome"], e["silent_outcome"], e["equal"]) == ("s", "OK", "OK", 1)
    assert e["bytes"] == e["silent_bytes"] > 0 and float(e["silent_cost"]) > float(e["cost"]) > 0
    sent = {x["model"]: x for x in mock.log()}
    assert set(sent) == {"first", "second"}
    assert '"How are you?"' in sent["second"]["body"] and "fallbacks" not in sent["second"]["body"]
    # A stream stays one for the client alone.
    s = gw.stream("t", key=key)
    said = s.text()
    e = gw.wait_log("silent.compared", silent_model="u")
    assert said == "t0 t1 t2" and e["bytes"] == len(said) and e["equal"] == 0 and e["silent_bytes"] > len(said)
    assert gw.metric("llmgw_silent_copies_total") == 2 and gw.metric("llmgw_silent_equal_total") == 1
    # The operator pays for copies, and the ledger says what they are.
    rows = gw.spend_rows(wait_for=4)
    silent = [r for r in rows if r["metadata"]["is_silent_experiment"]]
    assert sorted(r["model_group"] for r in silent) == ["s", "u"]
    mine = sum(r["spend"] for r in rows if not r["metadata"]["is_silent_experiment"])
    info = gw.get(f"/key/info?key={key}").json["info"]
    assert abs(info["spend"] - mine) < 1e-12


def test_a_copy_never_delays_and_never_fails(start, mock):
    gw = start([("g", to(mock, "first", silent_model="slow")), ("slow", to(mock, "x?ttft=6000")),
                ("f", to(mock, "second", silent_model="bad")), ("bad", to(mock, "x?status=500")),
                ("h", to(mock, "y?status=500", silent_model="s")), ("s", to(mock, "fine"))],
               "router_settings: {num_retries: 2}\n", workers=1)
    began = time.monotonic()
    assert gw.ask("g").status == 200 and time.monotonic() - began < 5
    assert gw.ask("f").status == 200
    e = gw.wait_log("silent.compared", silent_model="bad")
    assert e["silent_outcome"] == "UP_ERROR" and e["equal"] == 0
    assert sum(x["model"] == "x?status=500" for x in mock.log()) == 1       # a copy is not tried again
    assert gw.ask("h", num_retries=1, timeout=30).status == 500             # nor does it help
    assert gw.wait_log("silent.compared", silent_model="s")["outcome"] == "UP_ERROR"
    e = gw.wait_log("silent.compared", silent_model="slow")
    assert e["silent_ms"] >= 6000 > e["ms"]
    assert gw.metric("llmgw_silent_failed_total") == 1


def test_copies_are_bounded_and_hold_nobody(start, mock):
    gw = start([("g", to(mock, "first", silent_model="slow")), ("slow", to(mock, "x?ttft=30000"))], workers=1)

    def some():
        for _ in range(5):
            assert gw.ask("g").status == 200

    threads = [threading.Thread(target=some) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert gw.metric("llmgw_silent_copies_total") == 32 and gw.metric("llmgw_silent_skipped_total") == 8
    began = time.monotonic()
    gw.stop()                                   # a drain does not wait for them, and they are booked
    assert time.monotonic() - began < 20
    gw.start()
    assert sum(r["metadata"]["is_silent_experiment"] for r in gw.spend_rows(wait_for=72)) == 32


def test_a_copy_stays_in_the_region(start, mock):
    gw = start([("g", to(mock, "first", silent_model="s", region_name="eu-west-1")), ("s", to(mock, "far", region_name="us-east-1")),
                ("s", to(mock, "near", region_name="eu-central-1"))], workers=1)
    key = gw.key(metadata={"allowed_model_region": "eu"})
    for n in range(8):
        a = gw.ask("g", key=key)
        assert a.status == 200
        gw.wait_log("silent.compared", call_id=a.headers["x-litellm-call-id"])
    assert {x["model"] for x in mock.log()} == {"first", "near"}
