# SPDX-License-Identifier: MIT
"""Batches, which a provider works off on its own: what one costs is booked when an answer tells that it is over,
once, to the key that made it, whoever looks and whoever is killed meanwhile."""
from decimal import Decimal

import pytest
from gateway import until

PRICES = {"input_cost_per_token": 2e-6, "output_cost_per_token": 8e-6, "input_cost_per_token_batches": 1e-6,
          "output_cost_per_token_batches": 4e-6, "input_cost_per_token_above_200k_tokens": 1e-3}
WHOLE = {"tokens_in": 300000, "tokens_out": 5000, "says": "gpt-b-2026-01-31"}
COST = Decimal("0.32")             # 300000 x 1 + 5000 x 4 millionths: no request of it was above 200,000


@pytest.fixture
def gw(start, mock):
    return start([("ours", {"model": "openai/gpt-b", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary",
                            **PRICES})])


def make(gw, key, path="/v1/batches", **metadata):
    """Made, and written down: as a real one is long before it is over."""
    before = len(gw.spend_rows())
    a = gw.post(path, {"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "24h",
                       "metadata": {**WHOLE, **metadata}}, key=key)
    assert a.status == 200 and a.json["object"] == "batch", a
    gw.spend_rows(wait_for=before + 1)
    return a.json["id"]


def spend(gw, key):
    return Decimal(str(gw.get(f"/key/info?key={key}").json["info"]["spend"]))


def paid(gw):
    """Rows of the ledger that cost something."""
    return [r for r in gw.get("/spend/logs?summarize=false").json if r["spend"]]


def test_who_made_it_pays_once_whoever_looks(gw):
    maker, other = gw.key(), gw.key()
    i = make(gw, maker, looks=2)
    assert [r["spend"] for r in gw.spend_rows(wait_for=1)] == [0] and spend(gw, maker) == 0
    for n in range(6):
        status = gw.get(f"/v1/batches/{i}", key=other).json["status"]
        assert status == ("in_progress" if n < 2 else "completed")
    until(lambda: spend(gw, maker) == COST)
    gw.spend_rows(wait_for=8)       # each of the seven calls, and the batch: nothing is left to book
    assert spend(gw, maker) == COST and spend(gw, other) == 0
    row, = paid(gw)
    assert row["model"].endswith(WHOLE["says"]) or row["model_group"] == WHOLE["says"], row
    assert (row["prompt_tokens"], row["completion_tokens"]) == (300000, 5000), row
    assert row["metadata"]["unpriced"] is False
    assert not any(r["metadata"]["unpriced"] for r in gw.spend_rows(wait_for=8))


def test_it_counts_against_its_makers_budget(gw):
    maker = gw.key(max_budget=0.3)
    i = make(gw, maker, "/openai/v1/batches")
    assert gw.get("/v1/models", key=maker).status == 200
    assert gw.get(f"/openai/v1/batches/{i}").json["status"] == "completed"
    refused = until(lambda: [a for a in [gw.post("/v1/batches", {"input_file_id": "f"}, key=maker)]
                             if a.status == 429])
    assert "Budget has been exceeded" in refused[0].body.decode(), refused
    assert "budget.mended" not in gw.logs()


def test_what_nobody_here_made_costs_nothing(gw, start, mock):
    other = start([("ours", {"model": "openai/gpt-b", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary",
                             **PRICES})])
    k = gw.key()
    i = make(other, other.key())
    assert gw.get(f"/v1/batches/{i}", key=k).json["status"] == "completed"
    gw.spend_rows(wait_for=1)
    assert spend(gw, k) == 0 and not paid(gw)


def test_a_model_without_a_price_is_told(gw):
    k = gw.key()
    i = make(gw, k, says="nobody-knows-it")
    assert gw.get(f"/v1/batches/{i}", key=k).json["status"] == "completed"
    rows = gw.spend_rows(wait_for=3)
    assert [r["prompt_tokens"] for r in rows if r["metadata"]["unpriced"]] == [300000], rows


def test_killed_workers_and_masters_neither_lose_nor_double_it(gw):
    maker = gw.key()
    i = make(gw, maker)
    for _ in range(3):
        assert gw.get(f"/v1/batches/{i}").json["status"] == "completed"
        gw.kill_workers()
    until(lambda: spend(gw, maker) == COST)
    gw.kill_all()
    gw.start()
    assert gw.get(f"/v1/batches/{i}").json["status"] == "completed"
    gw.spend_rows(wait_for=6)
    assert spend(gw, maker) == COST and len(paid(gw)) == 1
