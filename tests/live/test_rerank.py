# SPDX-License-Identifier: MIT
"""Reranking: every path, providers of several forms, what it costs, and how it fails."""
import json

import pytest

ASK = {"query": "best?", "documents": ["a", "b", {"text": "c", "id": 7}, "d"]}
FORMS = {  # provider -> what stands behind the mock's base, the path that it is asked at
    "cohere": ("", "/v2/rerank"), "jina_ai": ("/v1", "/v1/rerank"), "voyage": ("/v1", "/v1/rerank"),
    "together_ai": ("/v1", "/v1/rerank"), "hosted_vllm": ("", "/rerank"), "infinity": ("", "/rerank"),
    "huggingface": ("", "/rerank"), "tgi": ("", "/rerank"),
    "nvidia_nim": ("/v1", "/v1/retrieval/plain/reranking"), "dashscope": ("/v1", "/v1/reranks"),
    "openai": ("/v1", "/v1/rerank"),
}


def row(mock, provider, model="plain", **more):
    return {"model": f"{provider}/{model}", "api_base": mock.base + FORMS[provider][0], "api_key": "sk-upstream-canary",
            **more}


@pytest.fixture
def gw(start, mock):
    models = [(p, row(mock, p)) for p in FORMS]
    models += [("mock*", row(mock, "cohere", "mock*")), ("ant", {"model": "anthropic/plain", "api_base": mock.base, "api_key": "k"}),
               ("said", {"model": "openai/x", "mock_response": "yes"}),
               ("tokens", row(mock, "jina_ai", input_cost_per_token=0.000001)),
               ("queries", row(mock, "cohere", input_cost_per_query=0.002)),
               ("unsaid", row(mock, "hosted_vllm", "mock?nousage", input_cost_per_query=0.002))]
    return start(models)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_paths(gw, path):
    a = gw.post(path, {"model": "cohere", **ASK})
    assert a.status == 200 and a.json["id"].startswith("rerank-mock-")
    assert a.json["results"][0] == {"index": 2, "relevance_score": 0.875}
    assert a.json["meta"]["billed_units"]["search_units"] == 2


@pytest.mark.parametrize("provider", list(FORMS))
def test_providers(gw, mock, provider):
    a = gw.post("/rerank", {"model": provider, "top_n": 2, "return_documents": True, **ASK})
    assert a.status == 200, a
    assert [(r["index"], r["relevance_score"]) for r in a.json["results"]] == [(2, 0.875), (3, 0.5)]
    assert a.json["results"][0]["document"] == {"text": "c", "id": 7}
    assert a.json["results"][1]["document"] == {"text": "d"}
    entry = mock.log()[-1]
    assert entry["path"] == FORMS[provider][1]
    body = json.loads(entry["body"])
    texts = body.get("documents") or body.get("texts") or [p["text"] for p in body["passages"]]
    assert texts[:2] == ["a", "b"] and texts[2] in ("c", {"text": "c", "id": 7})


def test_costs(gw, mock):
    a = gw.post("/rerank", {"model": "queries", **ASK})
    assert float(a.headers["x-litellm-response-cost"]) == pytest.approx(0.004)      # the mock says two units
    a = gw.post("/rerank", {"model": "unsaid", **ASK})
    assert a.status == 200 and float(a.headers["x-litellm-response-cost"]) == pytest.approx(0.002)
    a = gw.post("/rerank", {"model": "tokens", **ASK})
    assert float(a.headers["x-litellm-response-cost"]) == pytest.approx(a.json["meta"]["tokens"]["input_tokens"] * 1e-6)
    rows = gw.spend_rows(wait_for=3)
    assert {r["call_type"] for r in rows} == {"arerank"} and rows[2]["spend"] in (0.004, "0.004")


def test_a_budget_covers_what_it_may_cost(gw):
    key = gw.key(max_budget=0.003)
    assert gw.post("/rerank", {"model": "queries", **ASK}, key=key).status == 200      # one unit is what it looks like
    assert gw.post("/rerank", {"model": "queries", **ASK}, key=key).status == 429
    many = {"query": "q", "documents": ["x"] * 201}
    assert gw.post("/rerank", {"model": "queries", **many}, key=gw.key(max_budget=0.0059)).status == 429
    assert gw.post("/rerank", {"model": "queries", **many}, key=gw.key(max_budget=0.0061)).status == 200


def test_refusals(gw, mock):
    for more, param in (({"documents": []}, "documents"), ({"query": ""}, "query"), ({"top_n": 0}, "top_n"),
                        ({"Documents": ["x"]}, "documents")):
        a = gw.post("/rerank", {"model": "cohere", **ASK, **more})
        assert a.status == 400 and a.json["error"]["param"] == param
    a = gw.post("/rerank", {"model": "ant", **ASK})
    assert a.status == 400 and "reranking" in a.json["error"]["message"]
    a = gw.post("/rerank", {"model": "nobody", **ASK})
    assert a.status == 400 and not mock.log()


def test_a_key_ranks_with_its_models_only(gw):
    key = gw.key(models=["cohere"])
    assert gw.post("/rerank", {"model": "cohere", **ASK}, key=key).status == 200
    assert gw.post("/rerank", {"model": "voyage", **ASK}, key=key).status == 403


def test_a_mock_response_ranks(gw, mock):
    a = gw.post("/rerank", {"model": "said", "query": "blue", "documents": ["red", "blue", "green"]})
    assert a.status == 200 and a.json["results"][0]["index"] == 1 and not mock.log()


@pytest.mark.parametrize("script, status", [("status=429", 429), ("status=500", 500), ("garbage=0", 502), ("drop", 502)])
def test_failures(gw, script, status):
    a = gw.post("/rerank", {"model": f"mock?{script}", **ASK, "num_retries": 0})
    assert a.status == status and a.json["error"]["message"]


def test_another_is_asked(start, mock):
    gw = start([("g", row(mock, "cohere", "mock?status=500")), ("g", row(mock, "jina_ai", "plain"))],
               "router_settings: {num_retries: 3}\n")
    for _ in range(6):
        a = gw.post("/rerank", {"model": "g", **ASK})
        assert a.status == 200 and a.json["results"][0]["index"] == 2
