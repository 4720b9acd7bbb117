# SPDX-License-Identifier: MIT
"""Azure: deployments in the path, versions in the query, the v1 form, Foundry, keys and tokens."""
import json

import pytest

KEY = "azure-canary-key-31"


def azure(mock, model="azure/mock", **more):
    return {"model": model, "api_base": mock.base, "api_key": KEY, "api_version": "2024-10-21", **more}


def last(mock):
    return mock.get("/mock/log?n=1&h=api-key,authorization,x-api-key")[-1]


def test_a_deployment_stands_in_the_path(start, mock):
    gw = start([("gpt", azure(mock))])
    a = gw.ask("gpt")
    assert a.status == 200 and a.text == "t0 t1 t2" and a.json["model"] == "gpt"
    entry = last(mock)
    assert entry["path"] == "/openai/deployments/mock/chat/completions?api-version=2024-10-21"
    assert entry["headers"] == {"api-key": KEY}
    s = gw.stream("gpt")
    assert s.status == 200 and s.text() == "t0 t1 t2"
    a = gw.post("/v1/completions", {"model": "gpt", "prompt": "x"})
    assert a.status == 200 and last(mock)["path"].startswith("/openai/deployments/mock/completions?")
    a = gw.post("/v1/messages", {"model": "gpt", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]})
    assert a.status == 200 and a.json["content"][0]["text"] == "t0 t1 t2"
    assert last(mock)["path"].startswith("/openai/deployments/mock/chat/completions?")


def test_embeddings(start, mock):
    gw = start([("e", azure(mock, "azure/text-embedding-3-small"))])
    a = gw.post("/v1/embeddings", {"model": "e", "input": ["a", "b"]})
    assert a.status == 200 and len(a.json["data"]) == 2
    assert last(mock)["path"] == "/openai/deployments/text-embedding-3-small/embeddings?api-version=2024-10-21"


@pytest.mark.parametrize("base, version, query", [
    ("/openai/v1/", None, ""), ("", "v1", ""), ("", "latest", ""), ("/openai", "preview", "?api-version=preview")])
def test_v1_has_the_deployment_in_the_body(start, mock, base, version, query):
    params = azure(mock, api_base=mock.base + base)
    params.update(api_version=version) if version else params.pop("api_version")
    gw = start([("gpt", params)])
    assert gw.ask("gpt").text == "t0 t1 t2"
    entry = last(mock)
    assert entry["path"] == "/openai/v1/chat/completions" + query
    assert json.loads(entry["body"])["model"] == "mock" and entry["headers"] == {"api-key": KEY}


def test_the_address_of_a_call_will_do_as_base(start, mock):
    params = azure(mock, "azure/ignored",
                   api_base=mock.base + "/openai/deployments/real/chat/completions?api-version=2025-01-01-preview")
    params.pop("api_version")
    gw = start([("gpt", params)])
    assert gw.ask("gpt").status == 200
    assert last(mock)["path"] == "/openai/deployments/real/chat/completions?api-version=2025-01-01-preview"


def test_the_version_has_a_default_and_a_variable(start, mock):
    params = azure(mock)
    params.pop("api_version")
    gw = start([("gpt", params)])
    gw.ask("gpt")
    assert last(mock)["path"].endswith("?api-version=2025-02-01-preview")
    gw = start([("gpt", params)], env={"AZURE_API_VERSION": "2024-06-01"})
    gw.ask("gpt")
    assert last(mock)["path"].endswith("?api-version=2024-06-01")


@pytest.mark.parametrize("model, renamed", [("azure/o3-mini", True), ("azure/my-o1", True), ("azure/gpt-5-mini", True),
                                            ("azure/o_series/anything", True), ("azure/gpt-4o", False)])
def test_reasoning_models_know_another_limit(start, mock, model, renamed):
    gw = start([("gpt", azure(mock, model))])
    assert gw.ask("gpt", max_tokens=7).status == 200
    entry = last(mock)
    body = json.loads(entry["body"])
    assert body.get("max_completion_tokens") == (7 if renamed else None)
    assert body.get("max_tokens") == (None if renamed else 7)
    assert entry["path"].startswith(f"/openai/deployments/{model.rpartition('/')[2]}/chat/completions?")


def test_a_filtered_prompt_is_a_policy_violation(start, mock):
    body = json.dumps({"error": {"message": "The response was filtered", "type": None, "param": "prompt",
                                 "code": "content_filter", "status": 400,
                                 "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {
                                     "hate": {"filtered": True, "severity": "high"}}}}}, separators=(",", ":"))
    script = "mock?status=400%26errbody=" + "".join(f"%{ord(c):02x}" for c in body)
    script = script.replace("%26errbody", "&errbody")
    gw = start([("gpt", azure(mock, "azure/" + script)), ("other", azure(mock))],
               settings="litellm_settings: {content_policy_fallbacks: [{gpt: [other]}]}\n")
    a = gw.ask("gpt", disable_fallbacks=True)
    assert a.status == 400 and a.json["error"]["code"] in ("content_filter", "content_policy_violation"), a
    assert "ContentPolicyViolationError" in a.json["error"]["message"]
    assert gw.ask("gpt").status == 200
    gw = start([("gone", azure(mock, "azure/mock?status=404&code=DeploymentNotFound"))])
    a = gw.ask("gone")
    assert a.status == 404 and "NotFoundError" in a.json["error"]["message"]


def test_a_token_goes_instead_of_a_key(start, mock):
    params = azure(mock, azure_ad_token="entra-canary-token")
    params.pop("api_key")
    gw = start([("gpt", params)])
    assert gw.ask("gpt").status == 200
    assert last(mock)["headers"] == {"authorization": "Bearer entra-canary-token"}
    assert "entra-canary-token" not in gw.logs() + gw.ctl("--json", "config", "show").stdout


def test_foundry(start, mock):
    params = {"model": "azure_ai/mock", "api_key": KEY, "api_base": mock.base + "/models"}
    serverless = {**params, "api_base": mock.base + "/some"}
    claude = {**params, "model": "azure_ai/claude-sonnet-4-5", "api_base": mock.base}
    gw = start([("m", params), ("s", serverless), ("c", claude)])
    assert gw.ask("m").status == 200
    entry = last(mock)
    assert entry["path"] == "/models/chat/completions?api-version=2024-05-01-preview"
    assert entry["headers"] == {"api-key": KEY}
    assert gw.ask("s").status == 200
    entry = last(mock)
    assert entry["path"] == "/some/v1/chat/completions" and entry["headers"] == {"authorization": f"Bearer {KEY}"}
    assert gw.ask("c").status == 200
    entry = last(mock)
    assert entry["path"] == "/anthropic/v1/messages" and entry["headers"] == {"x-api-key": KEY}


def test_responses(start, mock):
    params = azure(mock, "azure/responses/codex")
    params.pop("api_version")
    gw = start([("new", params), ("dated", azure(mock, "azure/responses/codex", api_version="2025-04-01-preview")),
                ("chat", azure(mock))])
    for model, path in (("new", "/openai/v1/responses?api-version=preview"),
                        ("dated", "/openai/responses?api-version=2025-04-01-preview"),
                        ("chat", "/openai/deployments/mock/chat/completions?api-version=2024-10-21")):
        a = gw.post("/v1/responses", {"model": model, "input": "hello"})
        assert a.status == 200 and b"t0 t1 t2" in a.body and last(mock)["path"] == path
    assert gw.ask("new").text == "t0 t1 t2" and last(mock)["path"].startswith("/openai/v1/responses")
    assert json.loads(last(mock)["body"])["model"] == "codex"


def test_what_azure_has_not_is_refused_before_it_is_asked(start, mock):
    params = azure(mock, azure_ad_token="oidc/azure/x")
    params.pop("api_key")
    gw = start([("gpt", params)])
    assert "does not exchange azure_ad_token" in gw.logs() and gw.ask("gpt").status == 400
