# SPDX-License-Identifier: MIT
"""Prices by llmgwctl and API: imported ones go before those that are shipped and behind those of the
configuration, hold over restarts, reach workers without a failed request, and can be taken back; what has
no price is told."""
import json
import threading
import urllib.parse
from decimal import Decimal

import pytest

def price(inp, out, **more):
    return {"input_cost_per_token": inp, "output_cost_per_token": out, "litellm_provider": "openai", "mode": "chat",
            **more}


@pytest.fixture
def begin(start, mock):
    def go(models=(("known", "openai/gpt-4o"), ("own", "openai/house-model")), extra=(), settings="", **kw):
        rows = [(n, {"model": m, "api_base": mock.base + "/v1", "api_key": "sk-up"}) for n, m in models]
        return start([*rows, *extra], settings, **kw)
    return go


def imported(gw, prices, *args, check=True):
    path = gw.tmp / "map.json"
    path.write_text(json.dumps(prices))
    return gw.ctl("--json", "prices", "import", str(path), *args, check=check)


def spent(gw, model):
    """What a request of that model is booked with, and its tokens."""
    before = len(gw.spend_rows())
    assert gw.ask(model).status == 200
    row = gw.spend_rows(wait_for=before + 1)[0]
    return Decimal(str(row["spend"])), row["prompt_tokens"], row["completion_tokens"], row


def costs(gw, model, inp, out):
    spend, n_in, n_out, _ = spent(gw, model)
    return n_in and n_out and spend == Decimal(inp) * n_in + Decimal(out) * n_out


def test_an_import_changes_what_a_request_costs(begin):
    gw = begin()
    assert costs(gw, "known", "2.5e-6", "1e-5")
    assert spent(gw, "own")[3]["metadata"]["unpriced"] is True
    got = json.loads(imported(gw, {"gpt-4o": price(3e-6, "7e-6"), "house-model": price(1e-6, 2e-6)}).stdout)
    assert (got["new"], got["changed"], got["unchanged"], got["refused"]) == (1, 1, 0, 0)
    rows = {r["model"]: r for r in got["rows"]}
    assert rows["gpt-4o"]["result"] == "changed" and rows["gpt-4o"]["input"] == "2.5e-06 -> 3e-06"
    assert rows["gpt-4o"]["before"]["output_cost_per_token"] == 1e-5
    assert rows["gpt-4o"]["after"]["output_cost_per_token"] == 7e-6
    assert rows["house-model"]["result"] == "new" and "before" not in rows["house-model"]
    assert costs(gw, "known", "3e-6", "7e-6") and costs(gw, "own", "1e-6", "2e-6")
    gw.stop()
    gw.start()                                                    # from the database
    assert costs(gw, "known", "3e-6", "7e-6") and costs(gw, "own", "1e-6", "2e-6")
    again = json.loads(imported(gw, {"gpt-4o": price(3e-6, "7e-6")}).stdout)
    assert again["unchanged"] == 1 and again["rows"] == []


def test_a_dry_run_changes_nothing(begin):
    gw = begin()
    generation = gw.ctl_json("status")["generation"]
    got = json.loads(imported(gw, {"gpt-4o": price(3e-6, 7e-6)}, "--dry-run").stdout)
    assert got["dry_run"] is True and got["changed"] == 1 and got["rows"][0]["result"] == "changed"
    assert costs(gw, "known", "2.5e-6", "1e-5")
    assert gw.ctl_json("status")["generation"] == generation
    assert gw.ctl_json("prices", "list", "--imported")["rows"] == []
    assert gw.ctl_json("prices", "status")["last_run"] is None


def test_what_is_refused_says_why_and_the_rest_is_taken(begin):
    gw = begin()
    got = json.loads(imported(gw, {
        "sample_spec": price(1, 1), "good": price(1e-6, 1e-6), "negative": price(-1e-6, 0), "dear": price(5, 5),
        "text": price("cheap", 0), "list": [], "bare": {"mode": "chat"}, "x" * 201: price(1e-6, 1e-6)}).stdout)
    assert (got["new"], got["refused"], got["without_price"]) == (1, 5, 2)
    why = {r["model"]: r["why"] for r in got["rows"] if r["result"] == "refused"}
    assert "not a price" in why["negative"] and "not a price" in why["text"]
    assert "thousand dollars" in why["dear"] and "not an object" in why["list"] and "too long" in why["x" * 201]
    assert [r["model"] for r in gw.ctl_json("prices", "list", "--imported")["rows"]] == ["good"]
    p = imported(gw, [1, 2], check=False)
    assert p.returncode == 1 and "object of models" in p.stderr
    (gw.tmp / "map.json").write_text('{"a": {}, "a": {}}')
    p = gw.ctl("prices", "import", str(gw.tmp / "map.json"), check=False)
    assert p.returncode == 1 and "map.json" in p.stderr and "byte" in p.stderr
    p = gw.ctl("prices", "import", str(gw.tmp / "none.json"), check=False)
    assert p.returncode == 1 and "No such file" in p.stderr


def test_the_configuration_wins(begin, mock):
    own = ("set", {"model": "openai/gpt-4o", "api_base": mock.base + "/v1", "api_key": "sk-up",
                   "input_cost_per_token": 1e-5, "output_cost_per_token": 2e-5})
    gw = begin(extra=[own])
    imported(gw, {"gpt-4o": price(3e-6, 7e-6)})
    assert costs(gw, "set", "1e-5", "2e-5") and costs(gw, "known", "3e-6", "7e-6")


def test_reset_brings_the_shipped_price_back(begin):
    gw = begin()
    imported(gw, {"gpt-4o": price(3e-6, 7e-6), "house-model": price(1e-6, 2e-6)})
    got = gw.ctl_json("prices", "reset", "gpt-*", "--yes")
    assert got["removed"] == 1 and got["rows"][0]["after"]["input_cost_per_token"] == 2.5e-6
    assert costs(gw, "known", "2.5e-6", "1e-5") and costs(gw, "own", "1e-6", "2e-6")
    assert gw.request("DELETE", "/prices").json["removed"] == 1
    assert spent(gw, "own")[3]["metadata"]["unpriced"] is True
    assert gw.ctl_json("prices", "status")["imported_models"] == 0


def test_the_audit_log_has_both(begin):
    gw = begin()
    imported(gw, {"gpt-4o": price(3e-6, 7e-6)})
    gw.ctl("prices", "reset", "--yes")
    rows = [r for r in gw.ctl_json("audit", "list")["audit_logs"] if r["table_name"] == "price_changes"]
    assert [r["command"] for r in rows] == ["prices reset", "prices import"]
    values = rows[1]["updated_values"]
    assert values["changed"] == 1 and "gpt-4o" in json.dumps(values["models"])
    assert gw.wait_log("prices.changed", changed=1)


def test_by_http(begin):
    gw = begin()
    a = gw.post("/reload/model_cost_map", {"prices": {"gpt-4o": price(3e-6, 7e-6)}, "dry_run": True})
    assert a.status == 200 and a.json["changed"] == 1
    a = gw.post("/reload/model_cost_map", {})
    assert a.status == 400 and "prices" in a.json["error"]["message"]
    assert gw.post("/reload/model_cost_map", {"prices": {"gpt-4o": price(3e-6, 7e-6)}}).json["models_count"] == 1
    key = gw.key()
    everything = gw.get("/public/litellm_model_cost_map", key=key).json
    assert len(everything) > 2000 and everything["gpt-4o"]["input_cost_per_token"] == 3e-6
    assert everything["gpt-4o"]["litellm_provider"] == "openai" and "max_input_tokens" not in everything["gpt-4o"]
    assert everything["gpt-4o-mini"]["max_input_tokens"] == 128000
    for method, path in (("GET", "/prices"), ("DELETE", "/prices"), ("POST", "/reload/model_cost_map")):
        assert gw.request(method, path, {} if method == "POST" else None, key=key).status in (401, 403)
    rows = gw.get("/prices?model=" + urllib.parse.quote("gpt-4o")).json["rows"]
    assert len(rows) == 1 and rows[0]["source"] == "imported" and rows[0]["input_per_million"] == 3
    status = gw.get("/schedule/model_cost_map_reload/status").json
    assert status["scheduled"] is False and status["last_run"] and status["imported_models"] == 1


def test_the_whole_map_there_and_back(begin):
    """All that is shipped, as a map of many hundred kilobytes: longer than a frame and than other calls may be."""
    gw = begin()
    whole = gw.ctl_json("prices", "export")
    whole["padding"] = {"comment": "x" * (2 << 20)}
    got = json.loads(imported(gw, whole).stdout)
    assert got["models_count"] > 2000 and got["refused"] == 0 and got["without_price"] == 1
    assert got["new"] == 0
    a = gw.post("/reload/model_cost_map", {"prices": whole})
    assert a.status == 200 and a.json["unchanged"] == got["models_count"] and a.json["changed"] == 0
    whole["padding"]["comment"] = "x" * (17 << 20)
    p = imported(gw, whole, check=False)
    assert p.returncode == 1 and "16 MiB" in p.stderr
    assert costs(gw, "known", "2.5e-6", "1e-5")


def test_no_request_fails_meanwhile(begin):
    gw = begin(workers=2)
    done, bad, n = threading.Event(), [], [0]

    def ask():
        while not done.is_set():
            a = gw.ask("known")
            n[0] += 1
            if a.status != 200:
                bad.append(a)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    for i in range(10):
        imported(gw, {"gpt-4o": price(3e-6 + i * 1e-6, 7e-6)})
    gw.ctl("prices", "reset", "--yes")
    done.set()
    for t in threads:
        t.join()
    assert not bad and n[0] > 20
    assert costs(gw, "known", "2.5e-6", "1e-5")


def test_what_has_no_price_is_told(begin, mock):
    wild = ("house/*", {"model": "openai/*", "api_base": mock.base + "/v1", "api_key": "sk-up"})
    gw = begin(extra=[wild], workers=1)
    assert gw.metric("llmgw_deployments_unpriced") == 1           # "own"; the wildcard's go by their names
    for model in ("known", "own", "own", "house/one", "house/two", "house/one"):
        assert gw.ask(model).status == 200
    gw.spend_rows(wait_for=6)
    assert sorted(r["model"] for r in gw.records("price.unknown")) == ["house/one", "house/two", "own"]
    told = gw.wait_log("price.unknown", model="own")
    assert told["provider"] == "openai" and told["upstream_model"] == "house-model"

    def unknown(*pattern):
        return {r["model"]: r["unpriced_requests"] for r in gw.ctl_json("prices", "list", "--unknown", *pattern)["rows"]}
    assert unknown() == {"own": 2, "house/one": 2, "house/two": 1}
    assert unknown("house/t*") == {"house/two": 1}
    rows = gw.get("/prices?unknown=true&model=own").json["rows"]
    assert rows[0]["key"] == "house-model" and rows[0]["last_day"] and rows[0]["litellm_provider"] == "openai"
    assert "UNPRICED" in gw.ctl("prices", "list", "--unknown").stdout
    imported(gw, {"openai/house-model": price(1e-6, 2e-6)})
    assert "own" not in unknown() and gw.metric("llmgw_deployments_unpriced") == 0
    assert unknown() == {"house/one": 2, "house/two": 1}
    imported(gw, {"house-model": price(1e-6, 2e-6), "two": price(1e-6, 2e-6)})
    assert unknown() == {"house/one": 2}


def test_a_wildcard_costs_what_is_asked_for(begin, mock):
    """By the name that it has at the provider, with the provider's rates; what is unknown is told."""
    def to(model, **more):
        return {"model": model, "api_base": mock.base + "/v1", "api_key": "sk-up", **more}
    gw = begin(models=(("openai/*", "openai/*"), ("my-*-here", "openai/gpt-*"), ("groq/*", "groq/*")),
               extra=[("fixed/*", to("openai/*", input_cost_per_token=1e-3, output_cost_per_token=1e-3)),
                      ("base/*", {**to("openai/*"), "model_info": {"base_model": "gpt-4o-mini"}})],
               settings="litellm_settings: {cost_discount_config: {groq: 0.5}}\nrouter_settings: {num_retries: 0}\n")
    assert costs(gw, "openai/gpt-4o", "2.5e-6", "1e-5")
    assert costs(gw, "openai/gpt-4o-mini", "1.5e-7", "6e-7")
    assert costs(gw, "my-4o-mini-here", "1.5e-7", "6e-7")
    assert costs(gw, "groq/llama-3.1-8b-instant", "2.5e-8", "4e-8")            # half of it
    assert costs(gw, "fixed/gpt-4o", "1e-3", "1e-3") and costs(gw, "base/gpt-4o", "1.5e-7", "6e-7")
    parts, row = parts_of(gw, "my-4o-here")
    assert row["model"] == "gpt-4o" and row["model_group"] == "my-4o-here" and not row["metadata"]["unpriced"]
    assert parts["input_cost"] == row["prompt_tokens"] * Decimal("2.5e-6") and parts["total_cost"] == Decimal(str(row["spend"]))
    spend, _, _, row = spent(gw, "openai/nobody-knows")
    assert spend == 0 and row["metadata"]["unpriced"] is True
    assert gw.wait_log("price.unknown", model="openai/nobody-knows")["upstream_model"] == "nobody-knows"
    # an import is in force at once, and a budget knows
    got = json.loads(imported(gw, {"nobody-knows": price(9e-4, 9e-4)}).stdout)
    assert got["new"] == 1, got
    k = gw.key(max_budget=0.01)
    a = gw.ask("openai/nobody-knows", key=k, max_tokens=5)
    assert a.status == 429 and "Budget has been exceeded" in a.json["error"]["message"], a
    assert gw.ask("openai/gpt-4o", key=k, max_tokens=5).status == 200
    header = gw.ask("openai/gpt-4o-mini").headers["x-litellm-response-cost"]
    assert Decimal(header) > 0
    # and so does who looks for the cheapest
    a = gw.request("POST", "/v1/chat/completions", {"model": "openai/nobody-knows", "messages": [{"role": "user", "content": "x"}],
                                                    "max_cost": 0.005, "max_tokens": 5})
    assert a.status >= 400, a


RATES = "litellm_settings: {cost_discount_config: {openai: 0.2}, cost_margin_config: {global: " \
        "{percentage: 0.5, fixed_amount: 0.001}}}\n"


def parts_of(gw, model):
    row = spent(gw, model)[3]
    return {k: Decimal(str(v)) for k, v in row["metadata"]["cost_breakdown"].items()}, row


def test_a_long_prompt_makes_the_cache_dearer_too(begin, mock):
    """Most of a long conversation is read from the cache: the tier counts there as well."""
    prices = {"input_cost_per_token": 3e-6, "output_cost_per_token": 15e-6, "cache_read_input_token_cost": 3e-7,
              "input_cost_per_token_above_200k_tokens": 6e-6, "cache_read_input_token_cost_above_200k_tokens": 6e-7}
    at = {"api_base": mock.base + "/v1", "api_key": "sk-up"}
    gw = begin(extra=[("tiered", {"model": "openai/mock?prompt=200001&out=0&cached=200000", **at, **prices}),
                      ("short", {"model": "openai/mock?prompt=200000&out=0&cached=199999", **at, **prices}),
                      ("long", {"model": "openai/mock?prompt=200001&out=0&cached=200000", **at})])
    assert spent(gw, "tiered")[0] == Decimal("6e-6") + 200000 * Decimal("6e-7")
    assert spent(gw, "short")[0] == Decimal("3e-6") + 199999 * Decimal("3e-7")
    imported(gw, {"mock?prompt=200001&out=0&cached=200000": {**price(3e-6, 15e-6), **prices}})
    assert spent(gw, "long")[0] == Decimal("6e-6") + 200000 * Decimal("6e-7")
    shown = gw.ctl("--json", "prices", "export").stdout
    row = json.loads(shown)["mock?prompt=200001&out=0&cached=200000"]
    assert row["cache_read_input_token_cost_above_200k_tokens"] == 6e-7


def test_a_cost_is_told_in_its_parts(begin, mock):
    cached = ("cached", {"model": "openai/mock?prompt=1000&out=100&cached=600", "api_base": mock.base + "/v1",
                         "api_key": "sk-up", "input_cost_per_token": 3e-6, "output_cost_per_token": 15e-6,
                         "cache_read_input_token_cost": 3e-7})
    gw = begin(extra=[cached])
    parts, row = parts_of(gw, "cached")
    assert parts == {"input_cost": Decimal("0.00138"), "output_cost": Decimal("0.0015"), "tool_usage_cost": 0,
                     "original_cost": Decimal("0.00288"), "total_cost": Decimal("0.00288")}
    assert parts_of(gw, "own")[0] == {"total_cost": 0}            # nobody knows a price
    page = gw.get("/spend/logs/v2?start_date=2020-01-01&end_date=2100-01-01").json["data"]
    assert page[1]["metadata"]["cost_breakdown"]["input_cost"] == 0.00138
    imported(gw, {"gpt-4o": price(3e-6, 7e-6)})
    parts, row = parts_of(gw, "known")
    assert parts["input_cost"] == 3 * row["prompt_tokens"] * Decimal("1e-6")
    imported(gw, {"gpt-4o": price(4e-6, 7e-6)})                   # what it was booked by is not known any more
    again = next(r for r in gw.spend_rows() if r["request_id"] == row["request_id"])
    assert again["metadata"]["cost_breakdown"] == {"total_cost": row["spend"]}


def test_discount_and_margin_are_parts(begin):
    gw = begin(settings=RATES)
    parts, row = parts_of(gw, "known")
    original = row["prompt_tokens"] * Decimal("2.5e-6") + row["completion_tokens"] * Decimal("1e-5")
    assert parts["original_cost"] == original == parts["input_cost"] + parts["output_cost"]
    assert parts["discount_percent"] == Decimal("0.2") and abs(parts["discount_amount"] - original / 5) <= Decimal("2e-9")
    assert parts["margin_percent"] == Decimal("0.5") and parts["margin_fixed_amount"] == Decimal("0.001")
    assert parts["total_cost"] == Decimal(str(row["spend"]))
    assert parts["original_cost"] - parts["discount_amount"] + parts["margin_total_amount"] == parts["total_cost"]
    assert parts["margin_total_amount"] > Decimal("0.001")
