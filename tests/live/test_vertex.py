# SPDX-License-Identifier: MIT
"""Vertex AI: whose model it is decides the path, the body and the format; credentials come as a file, as
text, as a map, or from the environment."""
import json

import pytest

from credentials import QUIET, Account, token_calls

PLACE = "/v1/projects/project-one/locations/us-central1"


@pytest.fixture
def account(tmp_path):
    return Account(tmp_path)


def vertex(mock, account, model, **more):
    return {"model": f"vertex_ai/{model}", "api_base": mock.base, "vertex_project": "project-one",
            "vertex_location": "us-central1", "vertex_credentials": json.dumps(account.json(mock)), **more}


def last(mock):
    return mock.get("/mock/log?n=1&h=authorization,x-goog-api-key,anthropic-version")[-1]


def test_gemini(start, mock, account, tmp_path):
    gw = start([("g", vertex(mock, account, "gemini-2.5-pro"))], workers=1)
    a = gw.ask("g")
    assert a.status == 200 and a.text == "t0 t1 t2", a
    entry = last(mock)
    assert entry["path"] == f"{PLACE}/publishers/google/models/gemini-2.5-pro:generateContent"
    assert entry["headers"]["authorization"].startswith("Bearer mock-token-")
    s = gw.stream("g")
    assert s.status == 200 and s.text() == "t0 t1 t2"
    assert last(mock)["path"] == f"{PLACE}/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    a = gw.post("/v1beta/models/g:generateContent", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]})
    assert a.status == 200 and a.json["candidates"][0]["content"]["parts"] == [{"text": "t0 t1 t2"}]
    assert last(mock)["path"].endswith("/gemini-2.5-pro:generateContent")
    calls = token_calls(mock)
    assert len(calls) == 1
    account.check_jwt(tmp_path, calls[0]["body"], mock.base + "/token")


def test_passed_through_with_a_token(start, mock, account):
    gw = start([("g", vertex(mock, account, "gemini-2.5-pro"))], workers=1)
    body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    a = gw.post(f"/vertex_ai{PLACE}/publishers/google/models/gemini-2.5-pro:generateContent", body)
    assert a.status == 200 and a.json["candidates"][0]["content"]["parts"] == [{"text": "t0 t1 t2"}], a
    assert last(mock)["headers"]["authorization"].startswith("Bearer mock-token-")
    assert gw.spend_rows(wait_for=1)[0]["completion_tokens"] > 0
    for _ in range(3):
        assert gw.post(f"/vertex_ai{PLACE}/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse", body).status == 200
    assert len(token_calls(mock)) == 1


def test_embeddings(start, mock, account):
    gw = start([("e", vertex(mock, account, "text-embedding-005")),
                ("new", vertex(mock, account, "gemini-embedding-2"))])
    a = gw.post("/v1/embeddings", {"model": "e", "input": ["a", "b"], "dimensions": 3, "task_type": "CLUSTERING"})
    assert a.status == 200 and [len(d["embedding"]) for d in a.json["data"]] == [3, 3], a
    assert a.json["usage"]["prompt_tokens"] == 6
    entry = last(mock)
    assert entry["path"] == f"{PLACE}/publishers/google/models/text-embedding-005:predict"
    assert json.loads(entry["body"]) == {"instances": [{"content": "a", "task_type": "CLUSTERING"},
                                                       {"content": "b", "task_type": "CLUSTERING"}],
                                         "parameters": {"outputDimensionality": 3}}
    one = {"content": {"parts": [{"text": "x"}]}}
    a = gw.post("/v1beta/models/e:embedContent", one)      # in Gemini's own words: no short way
    assert a.status == 200 and len(a.json["embedding"]["values"]) == 8
    assert last(mock)["path"].endswith(":predict")
    a = gw.post("/v1/embeddings", {"model": "new", "input": "a"})
    assert a.status == 200 and last(mock)["path"].endswith("/gemini-embedding-2:embedContent")
    a = gw.post("/v1/embeddings", {"model": "new", "input": ["a", "b"]})
    assert a.status == 400 and "takes no list" in a.json["error"]["message"]


def test_anthropic(start, mock, account):
    gw = start([("c", vertex(mock, account, "claude-sonnet-4-5@20250929"))])
    for path, verb in (("/v1/chat/completions", "rawPredict"), ("/v1/messages", "rawPredict")):
        a = gw.post(path, {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]})
        assert a.status == 200 and b"t0 t1 t2" in a.body
        entry = last(mock)
        assert entry["path"] == f"{PLACE}/publishers/anthropic/models/claude-sonnet-4-5@20250929:{verb}"
        body = json.loads(entry["body"])
        assert "model" not in body and body["anthropic_version"] == "vertex-2023-10-16"
        assert list(entry["headers"]) == ["authorization"]
    s = gw.stream("c")
    assert s.text() == "t0 t1 t2"
    entry = last(mock)
    assert entry["path"].endswith(":streamRawPredict") and json.loads(entry["body"])["stream"] is True


def test_open_models_and_endpoints(start, mock, account):
    gw = start([("llama", vertex(mock, account, "meta/llama-4-maverick-17b-128e-instruct-maas")),
                ("own", vertex(mock, account, "openai/1234567890")),
                ("tuned", vertex(mock, account, "gemini/987654321"))])
    assert gw.ask("llama").text == "t0 t1 t2"
    entry = last(mock)
    assert entry["path"] == f"{PLACE}/endpoints/openapi/chat/completions"
    assert json.loads(entry["body"])["model"] == "meta/llama-4-maverick-17b-128e-instruct-maas"
    assert gw.stream("own").text() == "t0 t1 t2"
    assert last(mock)["path"] == f"{PLACE}/endpoints/1234567890/chat/completions"
    assert gw.ask("tuned").status == 200
    assert last(mock)["path"] == f"{PLACE}/endpoints/987654321:generateContent"
    a = gw.post("/v1/embeddings", {"model": "llama", "input": "a"})
    assert a.status == 400 and "chats alone" in a.json["error"]["message"]


@pytest.mark.parametrize("how", ["text", "map", "file", "variable", "default", "user"])
def test_credentials_come_in_many_ways(start, mock, account, tmp_path, how):
    whole = account.json(mock)
    if how == "user":
        whole = {"type": "authorized_user", "client_id": "app", "client_secret": "user-canary-secret",
                 "refresh_token": "refresh-canary", "token_uri": mock.base + "/token", "quota_project_id": "project-one"}
    file = tmp_path / "account.json"
    file.write_text(json.dumps(whole))
    params = {"model": "vertex_ai/gemini-2.5-flash", "api_base": mock.base}
    settings, env = "", dict(QUIET)
    if how in ("text", "user"):
        params["vertex_credentials"] = json.dumps(whole)
    elif how == "map":
        params["vertex_credentials"] = whole
    elif how == "file":
        params["vertex_credentials"] = str(file)
    elif how == "variable":
        env["GOOGLE_APPLICATION_CREDENTIALS"] = str(file)
    else:
        settings = f"default_vertex_config: {{vertex_credentials: {file}, vertex_project: other, vertex_location: eu}}\n"
    gw = start([("g", params)], settings=settings, env=env)
    assert gw.ask("g").status == 200, gw.logs()
    project = "other/locations/eu" if how == "default" else "project-one/locations/us-central1"
    assert last(mock)["path"].startswith(f"/v1/projects/{project}/publishers/")
    shown = gw.logs() + gw.ctl("--json", "config", "show").stdout + gw.ctl("--json", "models", "list").stdout
    for secret in (account.secret(), "user-canary-secret", "refresh-canary"):
        assert secret not in shown


def test_a_wildcard_has_all_of_them(start, mock, account):
    gw = start([("vertex/*", vertex(mock, account, "*"))])
    for name, path in (("gemini-2.5-pro", "/publishers/google/models/gemini-2.5-pro:generateContent"),
                       ("claude-x@1", "/publishers/anthropic/models/claude-x@1:rawPredict"),
                       ("meta/llama-4", "/endpoints/openapi/chat/completions")):
        assert gw.ask("vertex/" + name).text == "t0 t1 t2" and last(mock)["path"] == PLACE + path


def test_a_key_goes_as_it_is(start, mock):
    gw = start([("g", {"model": "vertex_ai/gemini-2.5-flash", "api_base": mock.base, "api_key": "vertex-canary-key",
                       "vertex_project": "p", "vertex_location": "global"})], env=QUIET)
    assert gw.ask("g").status == 200
    entry = last(mock)
    assert entry["headers"] == {"x-goog-api-key": "vertex-canary-key"}
    assert entry["path"].startswith("/v1/projects/p/locations/global/")


def test_what_is_wrong_is_told_at_the_start(start, mock, tmp_path):
    nothing = {"model": "vertex_ai/gemini-2.5-flash", "api_base": mock.base}
    strange = {"type": "external_account", "audience": "x"}
    gw = start([("m", "plain"), ("a", {**nothing, "vertex_credentials": str(tmp_path / "missing.json")}),
                ("b", {**nothing, "vertex_credentials": "{no json"}),
                ("c", {**nothing, "vertex_credentials": json.dumps(strange)}),
                ("d", nothing),
                ("e", {**nothing, "vertex_location": "us/../x"})], env=QUIET)
    logs = gw.logs()
    for words in ("'a' is left out: its vertex_credentials cannot be read: No such file or directory (/",
                  "'b' is left out: its vertex_credentials are no JSON object",
                  "'c' is left out: llmgw does not act on vertex_credentials of type 'external_account' yet",
                  "'d' is left out: it needs a vertex_project", "'e' is left out: its vertex_location is none"):
        assert words in logs, logs
    assert gw.ask("m").status == 200
