# SPDX-License-Identifier: MIT
"""Tokens that are fetched for credentials: once for all who wait, ahead of their end, never in a log, and
a token server that fails costs its deployments, not the gateway."""
import json
import socket
import threading
import time

import pytest

from credentials import QUIET, Account, TokenServer, token_calls
from gateway import until

SECRET = "entra-canary-secret-77"


def entra(client="app", **more):
    return {"model": "azure/mock", "tenant_id": "tenant-1", "client_id": client, "client_secret": SECRET, **more}


@pytest.fixture
def begin(start, mock):
    """begin(params...) gives a gateway with one worker and models a, b, ... whose tokens the mock gives."""
    def go(*params, settings="", workers=1, env=None, authority=None, **kw):
        models = [(name, {"api_base": mock.base, **p}) for name, p in zip("abcdef", params)]
        return start(models, settings, workers=workers,
                     env={**QUIET, "AZURE_AUTHORITY_HOST": authority or mock.base, **(env or {})}, **kw)
    return go


@pytest.fixture
def tokens():
    server = TokenServer()
    yield server
    server.close()


def tokens_used(mock):
    log = mock.get("/mock/log?n=1000&h=authorization")
    return [e["headers"].get("authorization") for e in log if "/chat/completions" in e["path"]]


def together(n, what):
    answers = [None] * n
    def one(i):
        answers[i] = what()
    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def test_one_token_for_twenty_requests(begin, mock):
    gw = begin(entra(), entra(azure_scope="https://other/.default"))
    for _ in range(20):
        assert gw.ask("a").status == 200
    calls = token_calls(mock)
    assert len(calls) == 1 and calls[0]["path"] == "/tenant-1/oauth2/v2.0/token"
    assert calls[0]["body"] == (f"grant_type=client_credentials&client_id=app&client_secret={SECRET}"
                                "&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default")
    assert len(set(tokens_used(mock))) == 1 and tokens_used(mock)[0].startswith("Bearer mock-token-")
    assert gw.ask("b").status == 200
    assert len(token_calls(mock)) == 2 and "scope=https%3A%2F%2Fother%2F.default" in token_calls(mock)[1]["body"]


def test_all_wait_for_one_fetch(begin, mock):
    gw = begin(entra("slow?ttft=3000"))
    answers = together(12, lambda: gw.ask("a"))
    assert [a.status for a in answers] == [200] * 12 and len(token_calls(mock)) == 1
    began = time.monotonic()
    assert gw.stream("a").text() == "t0 t1 t2" and time.monotonic() - began < 2.5


def test_a_failed_fetch_fails_all_who_wait_and_is_not_repeated_at_once(begin, mock):
    gw = begin(entra("slow?ttft=300&status=401&code=invalid_client"),
               settings="router_settings: {num_retries: 0, disable_cooldowns: true}\n")
    answers = together(8, lambda: gw.ask("a"))
    assert [a.status for a in answers] == [401] * 8
    message = answers[0].json["error"]["message"]
    assert message == ("litellm.AuthenticationError: AzureException - no access token could be got: the credentials "
                       "were refused (invalid_client)")
    assert gw.ask("a").status == 401 and len(token_calls(mock)) == 1
    record = gw.wait_log("credential.failed")
    assert record["status"] == 401 and "invalid_client" in record["why"]
    rows = gw.spend_rows(wait_for=9)
    assert tokens_used(mock) == [] and len(rows) == 9 and not any(float(r["spend"]) for r in rows)
    assert SECRET not in gw.logs() + "".join(str(a.body) for a in answers)


def test_the_next_token_comes_ahead_of_the_end(begin, mock):
    gw = begin(entra("short?expires=2"))
    began = time.monotonic()
    while time.monotonic() - began < 5:
        asked = time.monotonic()
        assert gw.ask("a").status == 200
        assert time.monotonic() - asked < 1.9       # not as long as a token lives
        time.sleep(0.05)
    calls, used = token_calls(mock), tokens_used(mock)
    assert 3 <= len(calls) <= 5 and len(calls) - 1 <= len(set(used)) <= len(calls)      # the last may be unused
    assert used == sorted(used, key=used.index)             # none came back after its successor
    order = [u for i, u in enumerate(used) if i == 0 or used[i - 1] != u]
    assert len(order) == len(set(order))


def test_a_refresh_that_fails_leaves_the_old_token(begin, mock, tokens):
    tokens.answers = [(200, {"access_token": "the-first", "expires_in": 12}), (503, {"error": "unavailable"})]
    gw = begin(entra(), authority=tokens.base, settings="router_settings: {num_retries: 0}\n")
    while tokens.calls < 2:                                 # renewed from 9.6 s on, used until 10.8 s
        assert gw.ask("a").status == 200
        time.sleep(0.05)
    assert gw.ask("a").status == 200
    assert tokens.calls == 2 and set(tokens_used(mock)) == {"Bearer the-first"}
    assert "unavailable" in gw.wait_log("credential.failed")["why"]


def test_a_refused_token_is_got_anew(begin, mock):
    gw = begin(entra(), entra(model="azure/mock?status=401&failn=2"),
               settings="router_settings: {num_retries: 0, disable_cooldowns: true}\n")
    assert gw.ask("a").status == 200 and gw.ask("b").status == 401
    assert gw.ask("a").status == 200 and len(token_calls(mock)) == 1     # so young a one is not to blame
    time.sleep(5.1)
    assert gw.ask("b").status == 401
    assert gw.ask("a").status == 200 and len(token_calls(mock)) == 2


@pytest.mark.parametrize("token", ["two words", "line\r\nx-injected: 1", "", None, "x" * 8000, 7])
def test_what_fits_in_no_header_is_no_token(begin, mock, tokens, token):
    tokens.answers = [(200, {"access_token": token, "expires_in": 60})]
    gw = begin(entra(), authority=tokens.base, settings="router_settings: {num_retries: 0}\n")
    a = gw.ask("a")
    assert a.status == 502 and "holds none" in a.json["error"]["message"] and tokens_used(mock) == []


def test_an_endless_answer_is_cut(begin, mock, tokens):
    tokens.answers = [(200, {"access_token": "good", "rest": "x" * 200000})]
    gw = begin(entra(), authority=tokens.base, settings="router_settings: {num_retries: 0}\n")
    a = gw.ask("a")
    assert a.status == 502 and "too long" in a.json["error"]["message"]


def test_a_token_server_that_is_down(begin, mock):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{s.getsockname()[1]}"
        gw = begin(entra(), {"model": "openai/mock", "api_base": mock.base + "/v1", "api_key": "sk-other"},
                   authority=closed, settings="router_settings: {num_retries: 0, fallbacks: [{a: [b]}]}\n")
        a = gw.ask("a")
        assert a.status == 200 and a.headers["x-litellm-attempted-fallbacks"] == "1"
        a = gw.ask("a", disable_fallbacks=True)
        assert a.status in (429, 500), a                    # 429: it is cooling down by now
        assert SECRET not in gw.logs() and gw.wait_log("credential.failed")["status"] == 0


@pytest.mark.parametrize("path, body", [("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
                                        ("/v1/images/generations", {"prompt": "x"})])
def test_another_deployment_of_the_group_is_tried(start, mock, path, body):
    bad = entra("bad?status=401")
    gw = start([("a", {"api_base": mock.base, **bad}), ("a", {"api_base": mock.base, **entra()})],
               settings="router_settings: {num_retries: 2, disable_cooldowns: true}\n", workers=1,
               env={**QUIET, "AZURE_AUTHORITY_HOST": mock.base})
    for _ in range(10):
        a = gw.post(path, {"model": "a", **body})
        assert a.status == 200, a


def test_a_client_may_leave_while_it_waits(begin, mock):
    gw = begin(entra("slow?ttft=700"))
    s = gw.connect()
    body = json.dumps({"model": "a", "messages": [{"role": "user", "content": "x"}]})
    s.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {gw.master_key}",
                                                      "Content-Type": "application/json"})
    until(lambda: token_calls(mock))
    s.close()
    gw.wait_log("request.done", outcome="CLIENT_GONE")
    assert gw.ask("a").status == 200
    assert len(token_calls(mock)) == 1 and len(tokens_used(mock)) == 1


def test_time_limits_hold_while_it_waits(begin, mock):
    gw = begin(entra("slow?ttft=20000"), settings="router_settings: {num_retries: 0, disable_cooldowns: true}\n")
    began = time.monotonic()
    a = gw.post("/v1/chat/completions", {"model": "a", "timeout": 0.4, "messages": [{"role": "user", "content": "x"}]})
    assert a.status == 408 and time.monotonic() - began < 15
    assert tokens_used(mock) == []


def test_reload_keeps_tokens(begin, mock):
    gw = begin(entra(), entra("late?ttft=600"))
    assert gw.ask("a").status == 200
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(gw.ask("b")))
    waiting.start()
    gw.config.write_text(gw.config.read_text() + "litellm_settings: {drop_params: true}\n")
    gw.ctl("reload")
    assert gw.ask("a").status == 200
    waiting.join()
    assert answers[0].status == 200 and gw.ask("b").status == 200
    assert len(token_calls(mock)) == 2
    assert SECRET not in gw.logs() + gw.ctl("--json", "config", "show").stdout + gw.ctl(
        "--json", "config", "diff", check=False).stdout


@pytest.mark.parametrize("script, words", [
    ("?garbage=0", "the answer holds none"), ("?drop", "no access token could be got"),
    ("?redirect=http://127.0.0.1:1/", "who gives them failed"), ("?status=500", "who gives them failed"),
    ("?ttft=1&status=400&code=invalid_grant", "(invalid_grant)")])
def test_answers_that_are_no_token(begin, mock, tmp_path, script, words):
    account = Account(tmp_path)
    gw = begin({"model": "vertex_ai/gemini-2.5-pro", "vertex_credentials": json.dumps(account.json(mock, script))},
               settings="router_settings: {num_retries: 0}\n")
    a = gw.ask("a")
    assert a.status >= 400 and words in a.json["error"]["message"], a
    assert tokens_used(mock) == [] and account.secret() not in gw.logs()


def test_gigachat(begin, mock, tokens):
    end = int((time.time() + 1800) * 1000)
    tokens.answers = [(200, {"access_token": "giga-token", "expires_at": end})]
    gw = begin({"model": "gigachat/mock", "api_base": mock.base + "/api/v1", "api_key": "Z2lnYTpjYW5hcnk="},
               env={"GIGACHAT_AUTH_URL": tokens.base + "/api/v2/oauth"})
    assert gw.ask("a").status == 200 and gw.ask("a").status == 200
    assert tokens.calls == 1 and tokens_used(mock) == ["Bearer giga-token"] * 2
    assert tokens.headers["authorization"] == "Basic Z2lnYTpjYW5hcnk=" and len(tokens.headers["rquid"]) == 36
    assert "Z2lnYTpjYW5hcnk=" not in gw.logs() + gw.ctl("--json", "config", "show").stdout


def test_the_metadata_server(begin, mock):
    where = {"type": "compute_metadata", "url": mock.base + "/computeMetadata/v1/instance/service-accounts/default/token"}
    gw = begin({"model": "vertex_ai/gemini-2.5-pro", "vertex_project": "p", "vertex_credentials": json.dumps(where)})
    assert gw.ask("a").status == 200
    entry = [e for e in mock.get("/mock/log?n=10&h=metadata-flavor") if e["path"].endswith("/token")]
    assert len(entry) == 1 and entry[0]["method"] == "GET" and entry[0]["headers"] == {"metadata-flavor": "Google"}
