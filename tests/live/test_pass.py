# SPDX-License-Identifier: MIT
"""Calls that are passed through: to the provider that a path or a client names, and where the
configuration says; keys swapped, nobody led astray, spend booked where usage is visible."""
import hashlib
import http.client
import json
import os
import socket
import threading
import time
from decimal import Decimal

import pytest

from conftest import PRICED
from test_raw import form, post_form
from test_stream import wait

SECRETS = ("sk-upstream-canary", "sk-ant-canary", "gemini-canary", "sk-mistral-canary")


def models(mock):
    openai = {"model": "openai/gpt-x", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary", **PRICED}
    return [
        ("mine", openai),
        ("cheap", {**openai, "model": "openai/mini", "input_cost_per_token": 0.0000001,
                   "output_cost_per_token": 0.0000002}),
        ("claude", {"model": "anthropic/claude-x", "api_base": mock.base, "api_key": "sk-ant-canary",
                    "input_cost_per_token": 0.000003, "output_cost_per_token": 0.000015}),
        ("flash", {"model": "gemini/gemini-x", "api_base": mock.base, "api_key": "gemini-canary",
                   "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}),
        ("other", {"model": "mistral/mistral-x", "api_base": mock.base + "/v1", "api_key": "sk-mistral-canary"}),
        ("wild*", {**openai, "model": "openai/*"}),
    ]


@pytest.fixture
def gw(start, mock):
    return start(models(mock))


def last(mock):
    return mock.get("/mock/log?n=1&h=*")[-1]


def ask_openai(gw, path="/openai/v1/chat/completions", model="gpt-x", **kw):
    extra = kw.pop("extra", {})
    return gw.post(path, {"model": model, "messages": [{"role": "user", "content": "hi"}], **extra}, **kw)


def raw_target(gw, target, method="GET", headers="", key=None):
    """What http.client would not send."""
    with socket.create_connection(("127.0.0.1", gw.port), timeout=20) as s:
        s.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key or gw.master_key}\r\n"
                  f"{headers}Connection: close\r\n\r\n".encode("latin-1"))
        data = b""
        while chunk := s.recv(65536):
            data += chunk
    return int(data.split(b" ", 2)[1]), data


# ---- to a provider's own paths

PREFIXES = {"/openai/echo": ("/v1/echo", "authorization", "Bearer sk-upstream-canary"),
            "/openai/v1/echo": ("/v1/echo", "authorization", "Bearer sk-upstream-canary"),
            "/openai/v2/echo": ("/v2/echo", "authorization", "Bearer sk-upstream-canary"),
            "/openai_passthrough/echo": ("/v1/echo", "authorization", "Bearer sk-upstream-canary"),
            "/anthropic/v1/echo": ("/v1/echo", "x-api-key", "sk-ant-canary"),
            "/gemini/v1beta/echo": ("/v1beta/echo", "x-goog-api-key", "gemini-canary"),
            "/mistral/v1/echo": ("/v1/echo", "authorization", "Bearer sk-mistral-canary"),
            "/mistral/echo/": ("/v1/echo/", "authorization", "Bearer sk-mistral-canary")}


@pytest.mark.parametrize("path", PREFIXES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_any_method_to_each_provider(gw, mock, path, method):
    upstream, header, value = PREFIXES[path]
    assert gw.request(method, path, key=False).status == 401
    body = os.urandom(5000) if method in ("POST", "PUT", "PATCH") else None
    a = gw.request(method, path + "?a=1&key=sk-mine&b=%20", body, headers={"Content-Type": "application/x-thing"})
    assert a.status == 200, a
    seen = a.json
    assert (seen["method"], seen["path"]) == (method, upstream + "?a=1&b=%20")
    assert last(mock)["headers"][header] == value and seen["body_bytes"] == len(body or b"")
    assert gw.master_key not in a.body.decode()
    assert (value in a.body.decode()) == (len(value) < 16)     # which the answer quotes: too short to be known for a key
    if body:
        assert seen["headers"]["content-type"] == "application/x-thing"


@pytest.mark.parametrize("path", ["/vertex_ai/v1/x", "/vertex-ai/v1/x", "/bedrock/model/m/invoke", "/cohere/v2/chat",
                                  "/azure/openai/x", "/azure_ai/x", "/vllm/x", "/assemblyai/v2/x"])
def test_a_provider_that_is_not_configured(gw, mock, path):
    a = gw.post(path, {"model": "m"})
    assert a.status == 400 and "is configured" in a.json.get("error", a.json)["message"] and mock.log() == []


def test_a_key_in_the_environment_is_enough(start, mock):
    gw = start(models(mock), env={"COHERE_API_KEY": "co-canary", "COHERE_API_BASE": mock.base,
                                  "AZURE_API_KEY": "az-canary", "AZURE_API_BASE": mock.base,
                                  "HOSTED_VLLM_API_KEY": "vllm-canary", "HOSTED_VLLM_API_BASE": mock.base + "/v1"})
    seen = gw.post("/azure/echo?api-version=7", {}).json["headers"]
    assert seen.get("api-key") == "az-canary", seen
    assert gw.post("/vllm/echo", {}).json["headers"]["authorization"] == "Bearer vllm-canary"
    assert gw.get("/v1/models").json["data"] and "azure" not in {m["id"] for m in gw.get("/v1/models").json["data"]}


def test_only_some_headers_go_along(gw):
    sent = {"Cookie": "c=1", "X-Api-Key": "sk-client", "api-key": "sk-client", "X-Goog-Api-Key": "sk-client",
            "Accept": "application/x-y", "OpenAI-Beta": "assistants=v2", "X-Random": "1", "X-Forwarded-For": "1.2.3.4",
            "x-pass-x-mine": "yes", "x-pass-authorization": "Bearer sk-client", "x-pass-host": "evil",
            "x-pass-content-length": "1", "x-litellm-call-id": "abc", "TE": "trailers"}
    seen = gw.get("/openai/v1/echo", headers=sent).json["headers"]
    assert seen["accept"] == "application/x-y" and seen["openai-beta"] == "assistants=v2" and seen["x-mine"] == "yes"
    assert "sk-client" not in json.dumps(seen) and "evil" not in json.dumps(seen)
    odd = ["x-http-method-override", "X-HTTP-Method", "x-method-override", "x-original-url", "x-rewrite-url", "x-auth-token", "x-key"]
    assert not set(map(str.lower, odd)) & set(gw.get("/openai/v1/echo", headers={"x-pass-" + n: "POST" for n in odd}).json["headers"])
    assert not {"cookie", "x-random", "x-forwarded-for", "te", "x-litellm-call-id", "api-key"} & set(seen)
    seen = gw.get("/anthropic/v1/echo", headers={"anthropic-version": "1999-01-01", "anthropic-beta": "b"}).json["headers"]
    assert seen["anthropic-version"] == "2023-06-01" and seen["anthropic-beta"] == "b"


ESCAPES = ["/openai/../secret", "/openai/./x", "/openai/a/../../x", "/openai/%2e%2e/x", "/openai/%2E%2e/x",
           "/openai/a%2f..%2fx", "/openai/a%5cx", "/openai//evil.example/x", "/openai/a//b", "/openai/%00",
           "/openai/a%0d%0aX:1", "/openai/%252e%252e/x", "/openai/%zz", "/openai/a;b=c", "/openai/\\x",
           "/openai/v1/..", "/openai/v1/%2e", "/v1/files/..", "/v1/files/../../x", "/v1/files/%2e%2e/x",
           "/anthropic/v1/x?a=<b>", "/openai/x{y}"]


@pytest.mark.parametrize("target", ESCAPES)
def test_no_path_leads_out_of_the_base(gw, mock, target):
    status, data = raw_target(gw, target)
    assert status in (400, 404), data
    assert mock.log() == []


def test_an_at_sign_is_no_host(gw):
    status, data = raw_target(gw, "/openai/@127.0.0.1:1/echo")
    assert status == 200 and b'"/v1/%40127.0.0.1:1/echo"' in data


def test_bytes_are_the_same_both_ways(gw, mock):
    blob = os.urandom(8_000_000)
    a = post_form(gw, "/openai/v1/files", ("purpose", "batch"), ("file", blob, "b.bin"))
    assert a.status == 200 and a.json["bytes"] == len(blob), a
    back = gw.get(f"/openai/v1/files/{a.json['id']}/content")
    assert hashlib.sha256(back.body).digest() == hashlib.sha256(blob).digest()
    assert back.headers["content-type"] == "application/octet-stream"
    assert back.headers["content-length"] == str(len(blob))


# ---- money

def test_spend_of_what_shows_its_usage(gw):
    a = ask_openai(gw, extra={"model": "gpt-x"})
    assert a.status == 200 and a.json["choices"], a
    row = gw.spend_rows(wait_for=1)[0]
    assert row["call_type"] == "pass_through_endpoint" and row["prompt_tokens"] == a.json["usage"]["prompt_tokens"]
    want = row["prompt_tokens"] * Decimal("0.000001") + row["completion_tokens"] * Decimal("0.000002")
    assert Decimal(str(row["spend"])) == want and not row["metadata"]["unpriced"]


def test_the_models_own_deployment_has_the_price(gw):
    ask_openai(gw, model="mini")
    row = gw.spend_rows(wait_for=1)[0]
    want = row["prompt_tokens"] * Decimal("0.0000001") + row["completion_tokens"] * Decimal("0.0000002")
    assert Decimal(str(row["spend"])) == want > 0


def test_streams_and_other_formats(gw):
    a = ask_openai(gw, extra={"stream": True, "stream_options": {"include_usage": True}})
    assert a.headers["content-type"].startswith("text/event-stream") and a.body.endswith(b"data: [DONE]\n\n")
    g = gw.post("/gemini/v1beta/models/gemini-x:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]})
    assert g.status == 200 and g.json["candidates"]
    c = gw.post("/anthropic/v1/messages/count_tokens", {"model": "claude-x", "messages": []})
    assert c.status in (200, 400)           # this path has a row of its own
    rows = gw.spend_rows(wait_for=2)
    for r in rows:
        assert float(r["spend"]) > 0 and not r["metadata"]["unpriced"], r
        assert r["prompt_tokens"] > 0 and r["completion_tokens"] == 3
    used = g.json["usageMetadata"]
    want = used["promptTokenCount"] * Decimal("0.000001") + 3 * Decimal("0.000002")
    assert want in [Decimal(str(r["spend"])) for r in rows]


def test_counting_tokens_is_free(gw):
    """Providers do not bill it; its answer tells no usage, and nothing is guessed in its place."""
    a = gw.post("/gemini/v1beta/models/gemini-x:countTokens", {"contents": [{"parts": [{"text": "hi " * 99}]}]})
    assert a.status == 200, a
    row = gw.spend_rows(wait_for=1)[0]
    assert float(row["spend"]) == 0 and not row["metadata"]["unpriced"], row


def test_what_is_unknown_says_so_and_reading_is_free(gw):
    assert ask_openai(gw, model="unheard-of").status == 200
    row = gw.spend_rows(wait_for=1)[0]
    assert row["metadata"]["unpriced"] is True and float(row["spend"]) == 0
    assert gw.get("/openai/v1/echo").status == 200
    row = gw.spend_rows(wait_for=2)[0]
    assert row["metadata"]["unpriced"] is False and float(row["spend"]) == 0


def test_a_model_that_nobody_has_configured_costs_what_the_table_says(start, mock):
    gw = start([("mine", {"model": "openai/gpt-x", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary", **PRICED})])
    for name in ("gpt-4o", "GPT-4o"):
        assert ask_openai(gw, key=gw.key(max_budget=0.00001), model=name, extra={"max_tokens": 1000}).status == 429
    assert ask_openai(gw, key=gw.key(max_budget=1), model="gpt-4o", extra={"max_tokens": 1000}).status == 200
    row = gw.spend_rows(wait_for=1)[0]
    want = row["prompt_tokens"] * Decimal("0.0000025") + row["completion_tokens"] * Decimal("0.00001")
    assert Decimal(str(row["spend"])) == want > 0 and not row["metadata"]["unpriced"]


def test_another_model_in_the_body_makes_nothing_free(start, mock):
    """Azure takes the deployment of the path and does not look at the body's model."""
    gw = start([("m", {"model": "azure/gpt-x", "api_base": mock.base, "api_key": "az-canary", "api_version": "2024-10-21", **PRICED})])
    where = "/azure/openai/deployments/gpt-x/chat/completions?api-version=2024-10-21"
    assert ask_openai(gw, path=where.replace("gpt-x", "GPT-X"), key=gw.key(max_budget=0.00001), extra={"max_tokens": 1000}).status == 429
    assert ask_openai(gw, path=where.replace("gpt-x", "GPT-X"), key=gw.key(models=["!m"])).status == 403
    assert ask_openai(gw, path=where, model="unheard-of", key=gw.key(max_budget=0.00001), extra={"max_tokens": 1000}).status == 429
    a = ask_openai(gw, path=where, model="unheard-of", key=gw.key(max_budget=1))
    row = gw.spend_rows(wait_for=1)[0]
    assert a.status == 200 and float(row["spend"]) > 0 and row["metadata"]["unpriced"] is False, (a, row)


def test_a_budget_holds(gw):
    k = gw.key(max_budget=0.00001)
    assert ask_openai(gw, key=k, extra={"max_tokens": 1000}).status == 429
    k = gw.key(max_budget=1)
    assert ask_openai(gw, key=k, extra={"max_tokens": 1000}).status == 200


# ---- who may

def test_a_list_of_models_holds_here_too(gw, mock):
    k = gw.key(models=["gpt-x"])
    assert ask_openai(gw, key=k).status == 200
    n = len(mock.log())
    assert ask_openai(gw, key=k, model="mini").status == 403
    assert gw.get("/openai/v1/echo", key=k).status == 403                   # no model is seen
    assert ask_openai(gw, key=k, path="/openai/v1/models/gpt-x/echo", model="mini").status == 403
    assert post_form(gw, "/openai/v1/files", ("model", "gpt-x"), ("model", "mini"), key=k).status in (400, 403)
    assert gw.get("/v1/files", key=k).status == 403
    assert len(mock.log()) == n
    k = gw.key(models=["openai"])
    assert gw.get("/openai/v1/echo", key=k).status == 200
    assert gw.get("/v1/files", key=k).status == 200
    assert gw.get("/anthropic/v1/echo", key=k).status == 403


def test_a_name_that_the_provider_does_not_read_is_no_model(gw, mock):
    """Who names a model of its list where nobody looks for one gets none of the account's files."""
    k = gw.key(models=["gpt-x", "mine"])
    for method, path, body in (("GET", "/openai/v1/files", {"model": "gpt-x"}), ("DELETE", "/openai/v1/files/f-1", {"model": "gpt-x"}),
                               ("GET", "/v1/files", {"model": "gpt-x"}), ("GET", "/v1/files/f-1", {"target_model_names": "mine"}),
                               ("DELETE", "/v1/files/f-1", {"target_model_names": "mine"}),
                               ("POST", "/v1/batches", {"target_model_names": "mine", "input_file_id": "file-of-others"})):
        a = gw.request(method, path, body, key=k)
        assert a.status == 403 and "not allowed to access model" in a.json["error"]["message"], (method, path, a)
    assert mock.log() == []
    k = gw.key(models=["mine", "openai"])
    assert gw.post("/v1/batches", {"target_model_names": "mine"}, key=k).status == 200
    assert gw.request("GET", "/openai/v1/files", {"model": "x"}, key=k).status == 200


DOUBTFUL = [b'{"model":"gpt-x","model":"mini"}', b'{"model":"gpt-x","Model":"mini"}', b'\xff{"model":"gpt-x"}', b'{"model":"mini"}\0',
            b'\xef\xbb\xbf{"model":"mini"}', b'{"model":"mini","n":NaN}', '{"model":"mini"}'.encode("utf-16"), b'{"model":"mini"',
            b'{"a":{"b":1,"b":2},"model":"mini"}']


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/vnd.x+json", "text/plain"])
def test_what_two_readers_could_understand_differently_is_refused(gw, mock, kind):
    """Nobody gets a model by it that is not in the list, or not paid for."""
    for body in DOUBTFUL:
        for path in ("/openai/v1/chat/completions", "/v1/fine_tuning/jobs"):
            for k in (gw.key(models=["gpt-x"]), gw.key(max_budget=1)):
                a = gw.post(path, body, key=k, headers={"Content-Type": kind})
                if kind != "text/plain" or body.count(b'"model"') + body.count(b'"b"') + body.count(b'"Model"') > 1:
                    assert a.status == 400 and "differently" in a.json["error"]["message"], (body, path, a)
    assert all("chat" not in r["path"] for r in mock.log()) or kind == "text/plain"
    assert gw.post("/openai/v1/echo", b'{"a":1}\n{"a":2}\n', headers={"Content-Type": "application/jsonl"}).status == 200
    assert gw.post("/openai/v1/echo", b'[1,2]', headers={"Content-Type": kind}).status == 200
    assert gw.post("/openai/v1/echo", b'{"Input":1,"model":"gpt-x"}', key=gw.key(models=["gpt-x"]), headers={"Content-Type": kind}).status == 200


def test_an_exclusion_holds_here_too(gw, mock):
    k = gw.key(models=["!mini", "!mine"])
    assert ask_openai(gw, key=k, model="other-x").status == 200
    n = len(mock.log())
    for model in ("mini", "mine", "gpt-x"):         # the last is what `mine` is at the provider
        assert ask_openai(gw, key=k, model=model).status == 403, model
    assert gw.post("/openai/v1/chat/completions", b'{"m\\u006fdel":"mini"}', key=k).status == 403
    assert gw.post("/openai/v1/chat/completions", b"model=mini", key=k, headers={"Content-Type": "application/x-www-form-urlencoded"}).status == 403
    assert gw.post("/v1/batches", {"input_file_id": "f"}, key=k).status == 403
    assert gw.post("/v1/batches", {"target_model_names": "other"}, key=k).status == 403
    assert len(mock.log()) == n
    assert ask_openai(gw, key=gw.key(models=["!wild*"]), model="anything").status == 403


# ---- what goes wrong

def test_refusals_come_as_they_are_but_scrubbed(gw, mock):
    a = ask_openai(gw, model="wild?keyecho")
    assert a.status == 401 and b"***" in a.body and b"canary" not in a.body
    a = ask_openai(gw, model="wild?errbody=%7B%22mine%22:1%7D&status=418")
    assert a.status == 418 and a.json == {"mine": 1}
    assert len(mock.log()) == 2             # nothing is tried again
    a = gw.get("/openai/v1/no-such-thing")
    assert a.status == 404
    assert gw.get("/openai/v1/echo").status == 200      # and nothing cooled down
    a = ask_openai(gw, model="wild?redirect=http://127.0.0.1:9/x")
    assert a.status == 307 and "location" not in a.headers
    assert ask_openai(gw, model="wild?gzip").status == 502
    rows = gw.spend_rows(wait_for=6)
    assert sum(r["status"] == "failure" for r in rows) >= 4 and sum(float(r["spend"]) for r in rows) == 0


def test_broken_and_slow_providers(start, mock):
    gw = start(models(mock), "server: {upstream: {first_token_timeout: 2, chunk_timeout: 2}}\n")
    a = ask_openai(gw, model="wild?ttft=20000")
    assert a.status == 408 and a.json["error"]["type"] == "timeout_error"
    for how in ("die=2", "stall=2"):
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            ask_openai(gw, model=f"wild?tokens=9&gap=5&{how}", extra={"stream": True})


def test_client_gone_cancels_upstream(gw, mock):
    took = []
    while not took or (took[-1] >= 100 and len(took) < 10):     # one of ten is not held up by others of this machine
        before = mock.stats()["aborted"]
        s = gw.stream("wild?tokens=1000&gap=20", path="/openai/v1/chat/completions")
        next(s.events())
        left = time.time() * 1000
        s.leave()
        wait(lambda: mock.stats()["aborted"] > before)
        took.append(mock.stats()["last_abort_ms"] - left)
    assert took[-1] < 100, took
    assert gw.spend_rows(wait_for=1)[0]["metadata"]["cut"] is True


def test_many_at_once(gw):
    failed = []

    def one(i):
        a = gw.post("/openai/v1/echo", os.urandom(1000 * i), headers={"Content-Type": "application/octet-stream"})
        if a.status != 200 or a.json["body_bytes"] != 1000 * i:
            failed.append(a)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed


# ---- files, batches and the like

RESOURCES = ["/v1/uploads", "/uploads", "/v1/batches", "/batches", "/v1/fine_tuning/jobs", "/fine_tuning/jobs",
             "/v1/vector_stores", "/vector_stores", "/v1/assistants", "/assistants", "/v1/threads", "/threads",
             "/v1/containers", "/containers"]


@pytest.mark.parametrize("path", RESOURCES)
def test_resources_go_to_openai_unless_told_otherwise(gw, mock, path):
    assert gw.get(path, key=False).status == 401
    tail = "/v1" + path.removeprefix("/v1")
    a = gw.get(path + "/abc/cancel?limit=3")
    assert a.json["path"] == tail + "/abc/cancel?limit=3"
    assert last(mock)["headers"]["authorization"] == "Bearer sk-upstream-canary"
    for asked in ({"headers": {"custom-llm-provider": "mistral"}}, {"query": "?custom_llm_provider=mistral"},
                  {"body": {"custom_llm_provider": "mistral", "metadata": {"a": "b"}}}):
        a = gw.post(path + asked.get("query", ""), asked.get("body", {"metadata": {"a": "b"}}),
                    headers=asked.get("headers"))
        assert last(mock)["headers"]["authorization"] == "Bearer sk-mistral-canary" and a.json["path"] == tail
    a = gw.post(path, {}, headers={"custom-llm-provider": "groq"})
    assert a.status == 400 and "groq" in a.json["error"]["message"]
    assert gw.request("DELETE", path + "/x").json["method"] == "DELETE"


def test_bodies_of_resources_keep_all_but_what_is_ours(gw, mock):
    gw.post("/v1/batches", '{"custom_llm_provider":"mistral", "metadata":{"a":1.50},"tags":["x"]}')
    assert last(mock)["body"] == '{ "metadata":{"a":1.50},"tags":["x"]}'
    gw.post("/v1/batches", '{"metadata":{}, "custom_llm_provider":"mistral","n":1e2}')
    assert last(mock)["body"] == '{"metadata":{},"n":1e2}'
    gw.post("/v1/fine_tuning/jobs", {"model": "mine", "training_file": "file-1"})
    assert json.loads(last(mock)["body"]) == {"model": "gpt-x", "training_file": "file-1"}
    gw.post("/v1/fine_tuning/jobs", {"model": "base-7b", "training_file": "file-1"})
    assert json.loads(last(mock)["body"])["model"] == "base-7b"
    post_form(gw, "/v1/files", ("custom_llm_provider", "mistral"), ("purpose", "batch"), ("file", "abc", "a.txt"))
    assert last(mock)["body"] == form(("purpose", "batch"), ("file", "abc", "a.txt"))[0].decode()
    assert last(mock)["headers"]["authorization"] == "Bearer sk-mistral-canary"
    post_form(gw, "/v1/files", ("purpose", "batch"), ("target_model_names", "other"), ("file", "abc", "a.txt"))
    assert last(mock)["headers"]["authorization"] == "Bearer sk-mistral-canary"
    assert "target_model_names" not in last(mock)["body"]


def test_files_from_upload_to_delete(gw):
    blob = os.urandom(300_000)
    f = post_form(gw, "/v1/files", ("purpose", "user_data"), ("file", blob, "blob.bin")).json
    assert f["filename"] == "blob.bin" and f["bytes"] == len(blob)
    assert f["id"] in {x["id"] for x in gw.get("/files").json["data"]}
    got = gw.get(f"/v1/files/{f['id']}")
    assert got.json.get("bytes") == len(blob), (got, f)
    assert gw.get(f"/v1/files/{f['id']}/content").body == blob
    assert gw.request("DELETE", f"/v1/files/{f['id']}").json["deleted"] is True
    rows = gw.spend_rows(wait_for=5)
    assert sum(r["metadata"]["unpriced"] for r in rows) == 1        # only the upload may have cost something


def test_what_was_made_before_is_not_counted_again(gw):
    """A finished batch tells its usage as often as it is looked at."""
    k = gw.key(tpm_limit=1000)
    for _ in range(3):
        a = gw.get("/v1/batches/batch_1", key=k)
        assert a.status == 200 and a.json["usage"]["input_tokens"] == 7000, a
    for row in gw.spend_rows(wait_for=3):
        assert (row["prompt_tokens"], row["completion_tokens"], float(row["spend"])) == (0, 0, 0), row
        assert row["metadata"]["unpriced"] is False, row
    assert gw.post("/v1/batches", {"input_file_id": "f"}).status == 200
    assert gw.spend_rows(wait_for=4)[0]["metadata"]["unpriced"] is True


# ---- paths of the configuration

TARGETS = """
general_settings:
  pass_through_endpoints:
    - path: /v1/mine
      target: MOCK/echo/deep/
      headers: {Authorization: "bearer os.environ/MINE", x-fixed: os.environ/FIXED, content-type: application/json}
      cost_per_request: 0.25
    - path: /tree
      target: MOCK/echo
      include_subpath: true
      methods: [GET]
    - path: /tree/branch
      target: MOCK/v1
      include_subpath: true
    - path: /open
      target: MOCK/echo
      auth: false
      cost_per_request: 0
"""


@pytest.fixture
def targets(start, mock):
    return start(models(mock), TARGETS.replace("MOCK", mock.base), env={"MINE": "mine-canary", "FIXED": "f"})


def test_configured_paths(targets, mock):
    gw = targets
    assert gw.post("/v1/mine", {}, key=False).status == 401 and gw.get("/tree/x", key=False).status == 401
    a = gw.post("/v1/mine?q=1", {"a": 1}, headers={"x-fixed": "mine"})
    assert a.json["path"] == "/echo/deep?q=1" and a.json["headers"]["authorization"] == "bearer mine-canary"
    assert a.json["headers"]["x-fixed"] == "f" and a.json["headers"]["content-type"] == "application/json"
    assert gw.post("/v1/mine/more", {}).status == 404
    assert gw.get("/tree/a/b?c=d").json["path"] == "/echo/a/b?c=d"
    assert "authorization" not in gw.get("/tree").json["headers"]
    assert gw.post("/tree/a", {}).status == 405 and gw.get("/trees").status == 404
    assert gw.get("/tree/branch/echo").json["path"] == "/v1/echo"
    for bad in ("/tree/../x", "/tree/%2e%2e/x", "/tree//x"):
        assert raw_target(gw, bad)[0] == 400, bad
    k = gw.key(models=["nothing"])
    assert gw.post("/v1/mine", {}, key=k).status == 200
    rows = [r for r in gw.spend_rows(wait_for=6) if float(r["spend"])]
    assert {Decimal(str(r["spend"])) for r in rows} == {Decimal("0.25")} and len(rows) == 2
    assert rows[0]["model_group"] == "/v1/mine" and rows[0]["call_type"] == "pass_through_endpoint"


def test_a_cost_per_request_is_held_against_the_budget(targets):
    k = targets.key(max_budget=0.6)
    assert [targets.post("/v1/mine", {}, key=k).status for _ in range(3)] == [200, 200, 429]


def test_an_open_path_wants_no_key(targets):
    a = targets.post("/open", {}, key=False, headers={"Authorization": "Basic YTpi"})
    assert a.status == 200 and "authorization" not in a.json["headers"]
    assert targets.spend_rows(wait_for=1)[0]["metadata"]["unpriced"] is False


def test_reload_changes_configured_paths(targets, mock):
    gw = targets
    gw.config.write_text(gw.config.read_text().replace("path: /tree\n", "path: /forest\n"))
    gw.ctl("reload")
    assert gw.get("/forest/x").status == 200 and gw.get("/tree/x").status == 404


def test_no_secret_is_told(targets, mock):
    targets.post("/v1/mine", {})
    shown = targets.ctl("config", "show").stdout + targets.logs()
    assert not [s for s in (*SECRETS, "mine-canary") if s in shown]


# ---- the same by API

ADDED = "/config/pass_through_endpoint"


def test_paths_by_api(start, mock):
    gw = start(models(mock), TARGETS.replace("MOCK", mock.base) + "  store_model_in_db: true\n", env={"MINE": "m", "FIXED": "f"})
    file = gw.get(ADDED).json["endpoints"]
    assert [e["path"] for e in file] == ["/v1/mine", "/tree", "/tree/branch", "/open"]
    assert all(e["is_from_config"] and e["id"] is None for e in file) and file[0]["headers"]["Authorization"] == "********"
    assert gw.get("/bria/x").status == 404
    a = gw.post(ADDED, {"path": "/bria", "target": mock.base + "/echo", "headers": {"x-secret": "canary-77", "x-two": "2"},
                        "include_subpath": True, "cost_per_request": 0.5, "guardrails": None})
    assert a.status == 200, a
    (made,) = a.json["endpoints"]
    assert (made["path"], made["auth"], made["cost_per_request"], made["is_from_config"]) == ("/bria", True, 0.5, False)
    assert "canary-77" not in a.body.decode() + gw.get(ADDED).body.decode() + gw.ctl("config", "show").stdout
    echo = gw.get("/bria/x?y=1").json
    assert echo["path"] == "/echo/x?y=1" and echo["headers"]["x-secret"] == "canary-77"
    assert gw.spend_rows(1)[0]["spend"] == 0.5 and gw.get("/bria/x", key=False).status == 401
    assert [e["path"] for e in gw.get(ADDED).json["endpoints"]] == ["/bria", "/v1/mine", "/tree", "/tree/branch", "/open"]
    assert gw.get(f"{ADDED}?endpoint_id={made['id']}").json["endpoints"] == [made]
    assert gw.get(f"{ADDED}?endpoint_id=none").json["endpoints"] == []

    a = gw.post(f"{ADDED}/{made['id']}", {"auth": False, "headers": {"x-secret": "********", "x-three": "3"}})
    assert a.status == 200 and a.json["endpoints"][0]["auth"] is False and a.json["endpoints"][0]["cost_per_request"] == 0.5
    echo = gw.get("/bria/x", key=False).json["headers"]
    assert echo["x-secret"] == "canary-77" and echo["x-three"] == "3" and "x-two" not in echo
    gw.stop()
    gw.start()
    assert gw.get("/bria/x", key=False).json["headers"]["x-secret"] == "canary-77"

    over = gw.post(ADDED, {"path": "/open", "target": mock.base + "/echo/other", "id": "mine"}).json["endpoints"][0]
    assert over["id"] == "mine" and gw.get("/open", key=False).status == 401, "the database's row goes before the file's"
    assert gw.request("DELETE", f"{ADDED}?endpoint_id=mine").json["endpoints"][0]["path"] == "/open"
    assert gw.get("/open", key=False).status == 200
    assert gw.request("DELETE", f"{ADDED}?endpoint_id={made['id']}").status == 200
    assert gw.get("/bria/x").status == 404 and gw.get(ADDED).json["endpoints"] == file

    for wrong in ({"path": "/x"}, {"target": "http://h"}, {"path": "x", "target": "http://h"}, {"path": "/x", "target": "ftp://h"},
                  {"path": "/x", "target": "http://h", "methods": ["FETCH"]}):
        assert gw.post(ADDED, wrong).status == 400, wrong
    assert gw.post("/config/pass_through_endpoint/none", {"auth": True}).status == 404
    assert gw.request("DELETE", f"{ADDED}?endpoint_id=none").status == 400
    for method, path in (("GET", ADDED), ("POST", ADDED), ("DELETE", ADDED), ("POST", ADDED + "/x")):
        assert gw.request(method, path, {} if method == "POST" else None, key=gw.key()).status == 401, (method, path)
    rows = gw.get("/audit?page_size=50").json["audit_logs"]
    assert {"pass add", "pass update", "pass delete"} <= {r["command"] for r in rows} and "canary-77" not in str(rows)
