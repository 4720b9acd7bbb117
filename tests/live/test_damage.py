# SPDX-License-Identifier: MIT
"""R10: bits flip in the shared memory of a gateway that serves. Whatever stands there is input:
nobody crashes, and where it is money, the database has the truth. LLMGW_LONG=1 takes longer at
each part."""
import contextlib
import os
import signal
import sqlite3
import subprocess

import pytest

from gateway import BUILD, PATIENCE
from load import Load, Streams, wait_for, workers

SECONDS = 60 if os.environ.get("LLMGW_LONG") else 2
SEED = os.environ.get("LLMGW_SEED", "1")
SETTINGS = """\
router_settings: {num_retries: 0, routing_strategy: latency-based-routing, default_max_parallel_requests: 6}
general_settings:
  store_prompts_in_spend_logs: true
"""
CACHE = "litellm_settings: {cache: true, cache_params: {type: local, ttl: 60}}\n"


def models(mock):
    """One that two deployments serve, budgets of deployments, default limits of keys for one model:
    so that there is something in most parts."""
    def to(model, **more):
        return {"model": f"openai/{model}", "api_base": mock.base + "/v1", "api_key": "x", "input_cost_per_token": 1e-6,
                "output_cost_per_token": 2e-6, **more}
    return [("m", to("plain", max_budget=100, budget_duration="1d", default_api_key_rpm_limit=1000000)),
            ("mock*", "mock*"), ("pair", to("plain")), ("pair", to("mock?tokens=3"))]


def team(gw):
    a = gw.post("/team/new", {"team_alias": "all", "max_budget": 100.0, "budget_limits": [
        {"budget_duration": "1d", "max_budget": 90.0}]})
    assert a.status == 200, a
    return a.json["team_id"]


def damage(gw, parts, flips=400):
    p = subprocess.run([BUILD / "llmgw-damage", str(gw.process.pid), parts, str(int(SECONDS * 1000)),
                        str(int(flips * SECONDS)), SEED], capture_output=True, text=True, timeout=120 + SECONDS)
    assert p.returncode == 0, p
    flipped = {name: int(n) for name, n in (line.split() for line in p.stdout.splitlines())}
    assert sum(flipped.values()) > 0, flipped
    return flipped


def sums(gw):
    with contextlib.closing(sqlite3.connect(f"file:{gw.tmp}/state/llmgw.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*), coalesce(sum(cost), 0), coalesce(sum(cost > reserve), 0) FROM spend_logs").fetchone()


def rows(gw):
    with contextlib.closing(sqlite3.connect(f"file:{gw.tmp}/state/llmgw.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT end_user, cost FROM spend_logs").fetchall()


def spent(gw, alias="traffic"):
    return next(round(k["spend"] * 1e9) for k in gw.ctl_json("keys", "list")["keys"] if k["key_alias"] == alias)


def nobody_has_died(gw, pids):
    assert gw.process.poll() is None
    assert sorted(gw.children()) == pids, gw.logs()[-3000:]
    assert not gw.records("worker.exit")


@pytest.mark.parametrize("parts", ["deployments,inflight,times", "series,metrics,decisions", "queues,gates,windows,rates",
                                   "records,texts,suspects", "slots", "shards,entities", "cache"])
def test_bits_that_flip(start, mock, parts):
    gw = start(models(mock), SETTINGS + CACHE * ("cache" in parts), workers=2)
    gw.may_mend = True
    key = gw.key(key_alias="traffic", max_budget=50.0, rpm_limit=1000000, tpm_limit=10 ** 9, max_parallel_requests=500,
                 team_id=team(gw))
    pids = sorted(gw.children())
    loads = [Load(gw, rate=80, clients=3, key=key, stream_every=3, tag="kept-"),
             Load(gw, "pair", rate=40, clients=2, key=key, keep=False, tag="new-")]
    for x in loads:
        x.start()
    wait_for(lambda: sum(x.done for x in loads) > 30, timeout=20 * PATIENCE)
    streams = Streams(gw, 8, "mock?tokens=30&gap=20", key=key).wait_begun()
    print(damage(gw, parts))
    streams.wait_over()
    for x in loads:
        x.stop()
    nobody_has_died(gw, pids)
    print(sum(x.done for x in loads), "answered,", sum(len(x.failures) for x in loads), "refused", [x.failures[:2] for x in loads])
    # What it answers is what it says, also now: JSON, metrics, the state of workers.
    assert gw.get("/metrics").status == 200
    for words in (("workers",), ("models",), ("status",), ("keys", "list"), ("top",)):
        assert gw.ctl(*words, check=False).returncode in (0, 9), words
    nobody_has_died(gw, pids)
    if "entities" in parts:             # another limit forgets what was counted against the one before
        gw.ctl("keys", "update", "traffic", "--rpm-limit", "999999", "--tpm-limit", "999999999")
    accounts_agree(gw, key, can_ask="rates" not in parts)
    if "entities" in parts:
        assert {r["what"] for r in gw.records("budget.mended")} == {"settled", "reserved"}


def accounts_agree(gw, key, can_ask=True):
    """The board and the database say the same, and nothing is held any more."""
    wait_for(lambda: spent(gw) == sums(gw)[1], timeout=20 * PATIENCE, why=f"{spent(gw)} {sums(gw)}")
    assert sums(gw)[2] == 0
    if can_ask:
        refused = gw.ask("mock?tokens=3", key=key, max_tokens=10 ** 9)
        assert refused.status in (400, 429) and b" 0 is set aside" in refused.body, refused


def test_a_worker_that_dies_among_damaged_slots(start, mock):
    """The master books each request once, by what the journal has. A slot that cannot be matched with
    it any more may cost as much again as stood in it, and no more."""
    gw = start(models(mock), SETTINGS.replace(", default_max_parallel_requests: 6", ""), workers=2)
    gw.may_mend = True
    key, other = (gw.key(key_alias=name, max_budget=50.0, max_parallel_requests=500) for name in ("traffic", "other"))
    streams = Streams(gw, 24, "mock?tokens=300&gap=20", key=key).wait_begun()
    master = gw.process.pid
    print(damage(gw, "slots"))
    for victim in sorted(gw.children()):
        os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(gw.records("worker.exit")) == 2 and len(workers(gw)) == 2, timeout=20 * PATIENCE)
    streams.wait_over()
    assert gw.process.pid == master and gw.process.poll() is None
    wait_for(lambda: sums(gw)[0] >= 24, timeout=20 * PATIENCE)
    booked = rows(gw)
    assert sorted(r[0] for r in booked if r[0]) == sorted(s.tag for s in streams.all)
    strays, most = [cost for user, cost in booked if not user], max(cost for user, cost in booked if user)
    assert len(strays) <= 24 and max(strays, default=0) <= most and sums(gw)[2] == 0, booked
    # Whose slots were not hit knows nothing of it.
    assert [gw.ask("m", key=other).status for _ in range(10)] == [200] * 10
    wait_for(lambda: sums(gw)[0] == len(booked) + 10, timeout=20 * PATIENCE)
    assert spent(gw, "other") > 0
    print(len(strays), "strays", spent(gw), sums(gw))
