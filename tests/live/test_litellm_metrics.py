# SPDX-License-Identifier: MIT
"""LiteLLM's metrics: for each family real requests, and what their labels and values must then be."""
import hashlib

import pytest

from gateway import until
from test_metrics import LITELLM, complaints, one, promtool, read, scrape

ROUTE = "/v1/chat/completions"


def ended(g, n, name="litellm_proxy_total_requests_metric_total"):
    """The page, once that many requests have ended: they are counted behind their answers."""
    return until(lambda: (f := read(scrape(g))) and one(f, name) == n and f)


def labels(found, name):
    return [dict(have) for have in found[name]]


def hashed(key):
    return hashlib.sha256(key.encode()).hexdigest()


def test_how_requests_end(start):
    g = start([("m", "plain"), ("limited", "mock?status=429"), ("bad", "mock?status=400")],
              LITELLM + "router_settings: {num_retries: 0, disable_cooldowns: true}\n")
    k = g.key(key_alias="k", rpm_limit=5)
    assert [g.ask(m, key=k).status for m in ("m", "m", "limited", "limited", "bad", "nobody")] == [200, 200, 429, 429, 400, 400]
    assert g.ask("m", key=k).status == 429
    assert g.post("/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]}).status == 200
    assert g.ask("m", key="sk-strange-1").status == 401
    assert g.ask("m", key="sk-strange-2", path="/v1/completions").status == 401
    f = ended(g, 10)
    total, failed = "litellm_proxy_total_requests_metric_total", "litellm_proxy_failed_requests_metric_total"
    assert one(f, total, status_code="200", route=ROUTE, api_key_alias="k", requested_model="m", model="plain") == 2
    assert one(f, total, status_code="200", route="/chat/completions", model="plain") == 1
    assert one(f, total, status_code="429", route=ROUTE, requested_model="limited") == 2
    assert one(f, total, status_code="429") == 3 and one(f, total, status_code="400") == 2
    for how, n in ((("429", "Openai.RateLimitError"), 2), (("429", "HTTPException"), 1), (("400", "Openai.BadRequestError"), 1),
                   (("400", "ProxyModelNotFoundError"), 1)):
        assert one(f, failed, exception_status=how[0], exception_class=how[1], route=ROUTE, api_key_alias="k") == n, how
    assert one(f, failed) == 7
    # Strangers have one row for each way to be refused, whatever they ask for.
    strange = [have for have in labels(f, failed) if have.get("exception_status") == "401"]
    assert strange == [{"exception_status": "401", "exception_class": "ProxyException"}]
    assert one(f, failed, exception_status="401") == one(f, total, status_code="401") == 2
    # Those of providers alone.
    assert one(f, "litellm_llm_api_failed_requests_metric_total", requested_model="limited") == 2
    assert one(f, "litellm_llm_api_failed_requests_metric_total") == 3
    name = "litellm_deployment_failure_responses_total"
    assert one(f, name, requested_model="limited", exception_status="429", exception_class="Openai.RateLimitError") == 2
    assert one(f, name, requested_model="bad", exception_status="400", exception_class="Openai.BadRequestError") == 1
    assert one(f, name) == 3


def test_a_stream_that_breaks(start):
    g = start([("m", "mock?tokens=4&die=2")], LITELLM + "router_settings: {num_retries: 0}\n")
    for _ in g.stream("m").events():
        pass
    f = ended(g, 1)
    assert one(f, "litellm_proxy_total_requests_metric_total", status_code="502") == 1
    assert one(f, "litellm_proxy_failed_requests_metric_total", exception_status="502",
               exception_class="Openai.APIConnectionError") == 1


def test_fallbacks(start):
    g = start([("first", "mock?status=500"), ("second", "plain"), ("third", "mock?status=503"), ("hopeless", "mock?status=429")],
              LITELLM + "  fallbacks: [{first: [second]}, {hopeless: [third]}]\nrouter_settings: {num_retries: 0, disable_cooldowns: true}\n")
    k = g.key(key_alias="k")
    for _ in range(2):
        assert g.ask("first", key=k).status == 200
    assert g.ask("second", key=k).status == 200
    assert g.ask("hopeless", key=k).status == 503
    f = ended(g, 4)
    good, bad = "litellm_deployment_successful_fallbacks_total", "litellm_deployment_failed_fallbacks_total"
    assert f[good] == {frozenset({"requested_model": "first", "fallback_model": "second", "exception_status": "500",
                                  "exception_class": "InternalServerError", "hashed_api_key": hashed(k),
                                  "api_key_alias": "k"}.items()): 2}
    assert one(f, bad, requested_model="hopeless", fallback_model="third", exception_class="RateLimitError",
               exception_status="429") == one(f, bad) == 1
    # What is asked for and who answers are two labels elsewhere, too.
    name = "litellm_requests_metric_total"
    assert one(f, name, requested_model="first", model="plain") == 2
    assert one(f, name, requested_model="second", model="plain") == 1
    assert one(f, "litellm_deployment_failure_responses_total", requested_model="first",
               exception_class="Openai.InternalServerError") == 2


def test_latencies(start):
    g = start([("quick", "mock?out=10"), ("slow", "mock?ttft=300&out=6"), ("bad", "mock?status=500"), ("idle", "plain")],
              LITELLM + "router_settings: {num_retries: 0}\n")
    for _ in range(3):
        assert g.ask("quick").status == 200
    assert g.ask("bad").status == 500
    for _ in g.stream("slow").events():
        pass
    f = ended(g, 5)
    for name, n in (("litellm_request_total_latency_metric", 3), ("litellm_llm_api_latency_metric", 3),
                    ("litellm_llm_api_time_to_first_token_metric", 0), ("litellm_deployment_latency_per_output_token", 3)):
        assert one(f, name + "_count", requested_model="quick") == n, name
        assert one(f, name + "_bucket", requested_model="quick", le="+Inf") == n
        assert one(f, name + "_count", requested_model="slow") == 1, name
        assert one(f, name + "_count") == n + 1, name
    for name in ("litellm_request_total_latency_metric", "litellm_llm_api_latency_metric",
                 "litellm_llm_api_time_to_first_token_metric"):
        assert 0.3 <= one(f, name + "_sum", requested_model="slow") < 10, name
        assert one(f, name + "_bucket", requested_model="slow", le="0.1") == 0
    assert one(f, "litellm_request_total_latency_metric_sum") > one(f, "litellm_llm_api_latency_metric_sum")
    per = one(f, "litellm_deployment_latency_per_output_token_sum", requested_model="slow")
    assert per == pytest.approx(one(f, "litellm_llm_api_latency_metric_sum", requested_model="slow") / 6, rel=0.01)
    [have] = [h for h in labels(f, "litellm_llm_api_latency_metric_count") if h["requested_model"] == "slow"]
    assert set(have) == {"model", "litellm_model_name", "model_id", "requested_model", "api_base", "api_provider"}


def test_a_cap_on_latencies(start):
    """A histogram is as much as 22 counters: of 44 label sets two deployments have one."""
    g = start([(f"m{i}", "plain") for i in range(4)], LITELLM + "server:\n  metrics: {series: 44}\n")
    for i in (0, 2, 3, 3):
        assert g.ask(f"m{i}").status == 200
    f = ended(g, 4)
    name = "litellm_request_total_latency_metric_count"
    assert [one(f, name, requested_model=f"m{i}") for i in range(4)] == [1, 0, 1, 0]
    assert one(f, name, model="other", model_id="other") == 2 and len(f[name]) == 3


def test_what_remains_of_a_providers_limits(start, mock):
    left = "a?hdr=X-RateLimit-Remaining-Requests:{}&hdr=x-ratelimit-remaining-tokens:{}"
    claude = "b?hdr=anthropic-ratelimit-input-tokens-remaining:900&hdr=anthropic-ratelimit-output-tokens-remaining:70"
    g = start([("m", left.format(41, 123456789012)), ("c", claude), ("none", "plain"), ("odd", left.format("many", -1)),
               ("spent", left.format(0, 5))], LITELLM)
    for m in ("m", "c", "none", "odd", "spent"):
        assert g.ask(m).status == 200
    f = ended(g, 5)
    requests, tokens = "litellm_remaining_requests_metric", "litellm_remaining_tokens_metric"
    assert {have["requested_model"]: f[requests][frozenset(have.items())] for have in labels(f, requests)} == {"m": 41, "spent": 0}
    assert {have["requested_model"]: f[tokens][frozenset(have.items())] for have in labels(f, tokens)} == \
        {"m": 2**32 - 2, "c": 70, "spent": 5}
    assert one(f, requests, api_provider="openai", api_base=mock.base + "/v1") == 41


def test_the_response_cache(start):
    g = start([("m", "mock?prompt=10&out=5"), ("other", "mock?prompt=3&out=2")],
              LITELLM + "  cache: true\n  cache_params: {type: local}\n")
    a, b = g.key(key_alias="a"), g.key(key_alias="b")
    for key, model in ((a, "m"), (a, "m"), (b, "m"), (b, "other"), (b, "m")):    # each key has its own answers
        assert g.ask(model, key=key).status == 200
    f = ended(g, 5)
    hits, misses = "litellm_cache_hits_metric_total", "litellm_cache_misses_metric_total"
    assert [one(f, hits, api_key_alias=who) for who in "ab"] == [1, 1]
    assert [one(f, misses, api_key_alias=who) for who in "ab"] == [1, 2]
    assert one(f, misses, model="mock?prompt=3&out=2") == 1
    assert one(f, "litellm_cached_tokens_metric_total", api_key_alias="b") == 15
    assert one(f, "litellm_cached_tokens_metric_total", model="mock?prompt=10&out=5", requested_model="m") == 30


def test_budget_periods(start):
    g = start([("m", "plain")], LITELLM)
    first = read(scrape(g))
    assert g.post("/team/new", {"team_id": "t", "max_budget": 3, "budget_duration": "5h"}).status == 200
    assert g.post("/user/new", {"user_id": "u", "max_budget": 7, "budget_duration": "48h", "auto_create_key": False}).status == 200
    keys = {"own": {"max_budget": 5, "budget_duration": "2h"}, "soon": {"max_budget": 5, "budget_duration": "1s"},
            "endless": {"max_budget": 5}, "theirs": {"team_id": "t", "user_id": "u"}, "of the org": {"team_id": "t2"}}
    assert g.post("/organization/new", {"organization_id": "o", "organization_alias": "Org", "max_budget": 9,
                                        "budget_duration": "3h"}).status == 200
    assert g.post("/team/new", {"team_id": "t2", "organization_id": "o"}).status == 200
    for alias, fields in keys.items():
        assert g.ask("m", key=g.key(key_alias=alias, **fields)).status == 200
    f = ended(g, 5)
    name = "litellm_api_key_budget_remaining_hours_metric"
    assert 1.9 < one(f, name, api_key_alias="own") <= 2
    assert sorted(have["api_key_alias"] for have in labels(f, name)) == ["own", "soon"]
    assert 4.9 < one(f, "litellm_team_budget_remaining_hours_metric", team="t") <= 5
    assert 47.9 < one(f, "litellm_user_budget_remaining_hours_metric", user="u") <= 48
    assert 2.9 < one(f, "litellm_org_budget_remaining_hours_metric", org_id="o") <= 3
    assert f["litellm_org_max_budget_metric"] == {frozenset({("org_id", "o"), ("org_alias", "Org")}): 9}
    assert 8.9 < one(f, "litellm_remaining_org_budget_metric", org_id="o") < 9
    for name, n in (("litellm_total_users", 1), ("litellm_teams_count", 2), ("llmgw_keys", 5), ("llmgw_directory_rows", 9)):
        assert one(f, name) == one(first, name) + n, name
    assert one(f, "llmgw_directory_rows_max") == 1000000
    # A period that begins anew is told, too: the short one has ended again and again.
    assert 0 <= one(f, "litellm_api_key_budget_remaining_hours_metric", api_key_alias="soon") <= 1 / 3600
    name = "litellm_remaining_api_key_budget_metric"
    assert until(lambda: one(read(scrape(g)), name, api_key_alias="soon") == 5, 15)
    again = "litellm_api_key_budget_remaining_hours_metric"
    assert until(lambda: 0 < one(read(scrape(g)), again, api_key_alias="soon") <= 1 / 3600, 15)
    own = hashed(g.key())
    assert own not in scrape(g)
    assert g.post("/key/update", {"key": next(h for h in labels(f, again) if h["api_key_alias"] == "own")["hashed_api_key"],
                                  "budget_duration": "9h"}).status == 200
    assert 8.9 < one(read(scrape(g)), again, api_key_alias="own") <= 9


def test_what_remains_of_a_keys_limits_for_models(start):
    g = start([("m", "mock?prompt=10&out=5"), ("n", "plain")], LITELLM)
    k = g.key(key_alias="k", model_rpm_limit={"m": 5, "n": 7}, model_tpm_limit={"m": 1000})
    other = g.key(key_alias="free")
    for model, key in (("m", k), ("m", k), ("n", k), ("m", other)):
        assert g.ask(model, key=key).status == 200
    f = ended(g, 4)
    requests, tokens = "litellm_remaining_api_key_requests_for_model", "litellm_remaining_api_key_tokens_for_model"
    mine = {"hashed_api_key": hashed(k), "api_key_alias": "k"}
    assert f[requests] == {frozenset({**mine, "model": "m"}.items()): 3, frozenset({**mine, "model": "n"}.items()): 6}
    assert f[tokens] == {frozenset({**mine, "model": "m"}.items()): 970}


def test_labels_of_requests(start, promtool):
    g = start([("m", "plain")], LITELLM + "  enable_end_user_cost_tracking_prometheus_only: true\n"
              "  prometheus_emit_stream_label: true\n  custom_prometheus_metadata_labels: [metadata.dept.name, metadata.n]\n"
              "  custom_prometheus_tags: [prod, \"batch-*\"]\n")
    k = g.key(key_alias="k")
    odd = 'a"b\\c\nd\u00e4' + "x" * 100
    assert g.ask("m", key=k, user="ann", metadata={"dept": {"name": "R&D"}, "n": 7, "tags": ["batch-1"]}).status == 200
    assert g.ask("m", key=k, user=odd, metadata={"dept": {"name": ["no"]}, "tags": ["prod"]}).status == 200
    for _ in g.stream("m", key=k).events():
        pass
    assert g.ask("m", key="sk-strange", user="stranger-7").status == 401
    f = ended(g, 4)
    name, tags = "litellm_requests_metric_total", {"tag_prod": "false", "tag_batch__": "true", "stream": "False"}
    assert one(f, name, end_user="ann", metadata_dept_name="R&D", metadata_n="7", **tags) == 1
    [have] = [h for h in labels(f, name) if h.get("tag_prod") == "true"]
    assert have["end_user"] == 'a\\"b\\\\c?d\u00e4' + "x" * 55 and not [h for h in have if h.startswith("metadata")]
    assert one(f, name, stream="True") == 1 and one(f, name) == 3
    assert one(f, "litellm_input_tokens_metric_total", end_user="ann") > 0
    assert "stranger-7" not in scrape(g)
    assert complaints(promtool, scrape(g)) == ""


def test_what_clients_choose_pushes_nobody_out(start):
    g = start([("m", "plain")], LITELLM + "  enable_end_user_cost_tracking_prometheus_only: true\nserver:\n  metrics: {series: 20}\n")
    k = g.key(key_alias="k")
    for i in range(14):
        assert g.ask("m", key=k, user=f"u{i}").status == 200
    other = g.key(key_alias="late")
    assert g.ask("m", key=other).status == 200
    name, over = "litellm_requests_metric_total", "llmgw_metrics_series_overflow_total"
    f = until(lambda: (f := read(scrape(g))) and one(f, name) == 15 and one(f, over) == 4 and f)
    assert len([h for h in labels(f, name) if "end_user" in h]) == 10
    [bare] = [h for h in labels(f, name) if h["api_key_alias"] == "k" and "end_user" not in h]
    assert f[name][frozenset(bare.items())] == 4
    assert one(f, name, api_key_alias="late") == 1


def test_metrics_that_are_chosen(start, promtool):
    g = start([("m", "mock?prompt=10&out=5"), ("n", "mock?prompt=1&out=1&status=500")], LITELLM + "  prometheus_metrics_config:\n"
              "  - {group: spend, metrics: [litellm_input_tokens_metric, litellm_output_tokens_metric_total], include_labels: [team, user_agent]}\n"
              "  - {group: slow, metrics: [litellm_request_total_latency_metric, litellm_deployment_state], include_labels: [api_provider]}\n"
              "  - {group: all, metrics: [litellm_proxy_total_requests_metric]}\nrouter_settings: {num_retries: 0}\n")
    assert g.post("/team/new", {"team_id": "t"}).status == 200
    a, b = g.key(team_id="t"), g.key(team_id="t")
    for key, agent in ((a, "x/1"), (b, "x/1"), (b, 'y"2')):
        assert g.ask("m", key=key, headers={"User-Agent": agent}).status == 200
    assert g.ask("n", key=a).status == 500
    f = ended(g, 4)
    shown = {n for n in f if n.startswith("litellm_") and f[n]}
    assert shown == {"litellm_input_tokens_metric_total", "litellm_output_tokens_metric_total", "litellm_deployment_state",
                     "litellm_proxy_total_requests_metric_total",
                     *("litellm_request_total_latency_metric" + end for end in ("_bucket", "_sum", "_count"))}
    name = "litellm_input_tokens_metric_total"
    assert f[name][frozenset({"team": "t", "user_agent": "x/1"}.items())] == 20
    assert f[name][frozenset({"team": "t", "user_agent": 'y\\"2'}.items())] == 10
    assert f["litellm_deployment_state"] == {frozenset({("api_provider", "openai")}): 1}     # of gauges the largest
    assert f["litellm_request_total_latency_metric_count"] == {frozenset({("api_provider", "openai")}): 3}
    assert one(f, "litellm_proxy_total_requests_metric_total", status_code="200", requested_model="m") == 3
    assert complaints(promtool, scrape(g)) == ""
