# SPDX-License-Identifier: MIT
"""What an operator sees: each way in which a request can end, each counter, the log's events."""
import contextlib
import http.client
import http.server
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest

from gateway import until

MANUAL = os.path.join(os.path.dirname(__file__), "../../man/llmgw-api.7")


def metrics(gw):
    """name -> sum over its labels; of a histogram the count."""
    found = {}
    for line in gw.get("/metrics", key=False).body.decode().splitlines():
        if m := re.fullmatch(r"(llmgw_\w+)(?:\{(?!le=).*\})? (\S+)", line):
            name = m.group(1).removesuffix("_count")
            found[name] = found.get(name, 0) + float(m.group(2))
    return found


def ended(gw, answer):
    """The outcome that the access log has for an answer."""
    call = answer.headers["x-litellm-call-id"]
    return gw.wait_log("request.done", call_id=call)["outcome"]


def raw(gw, data):
    with socket.create_connection(("127.0.0.1", gw.port), timeout=10) as s:
        s.sendall(data)
        return s.recv(65536)


# ---- outcomes

OURS = [                # outcome, status, how it comes about
    ("BAD_JSON", 400, lambda g: g.post("/v1/chat/completions", "{")),
    ("BAD_JSON", 400, lambda g: g.post("/v1/chat/completions", '{"model":"m","model":"m","messages":[]}')),
    ("BAD_REQUEST", 400, lambda g: g.post("/v1/chat/completions", {"model": "m", "messages": "Hello"})),
    ("UNKNOWN_MODEL", 400, lambda g: g.ask("nobody")),
    ("NO_KEY", 401, lambda g: g.request("POST", "/v1/chat/completions", {}, key=False)),
    ("KEY_MALFORMED", 401, lambda g: g.ask("m", key="hello")),
    ("KEY_UNKNOWN", 401, lambda g: g.ask("m", key="sk-nobody-0123456789")),
    ("KEY_BLOCKED", 401, lambda g: g.ask("m", key=g.key(blocked=True))),
    ("MODEL_DENIED", 403, lambda g: g.ask("m", key=g.key(models=["other"]))),
    ("ADMIN_ONLY", 401, lambda g: g.get("/key/list", key=g.key())),
    ("BUDGET_SPENT", 429, lambda g: g.ask("m", key=g.key(max_budget=0.0000001))),
    ("RATE_LIMITED", 429, lambda g: [g.ask("m", key=k) for k in [g.key(rpm_limit=1)] * 2][1]),
    ("NOT_FOUND", 404, lambda g: g.get("/v1/models/nobody")),
    ("MEDIA_TYPE", 415, lambda g: g.ask("m", headers={"Content-Type": "text/xml"})),
    ("TOO_LARGE", 413, lambda g: g.ask("m", "x" * 70000)),
    ("UNSUPPORTED_PARAM", 400, lambda g: g.ask("native", logit_bias={"1": 2})),
    ("CONTEXT_LENGTH", 400, lambda g: g.ask("mock?status=400&code=context_length_exceeded")),
    ("CONTENT_POLICY", 400, lambda g: g.ask("mock?status=400&code=content_policy_violation")),
]
PROVIDERS = [
    ("UP_BAD_REQUEST", 400, "mock?status=400"), ("UP_AUTH", 401, "mock?status=401"),
    ("UP_PERMISSION", 403, "mock?status=403"), ("UP_NOT_FOUND", 404, "mock?status=404"),
    ("UP_UNPROCESSABLE", 422, "mock?status=422"), ("UP_RATE_LIMITED", 429, "mock?status=429"),
    ("UP_ERROR", 500, "mock?status=500"), ("UP_UNAVAILABLE", 503, "mock?status=503"),
    ("UP_MALFORMED", 502, "mock?gzip"), ("UP_BROKEN", 502, "mock?die=0"), ("UP_TIMEOUT", 408, "mock?stall=0"),
]
SETTINGS = "router_settings:\n  num_retries: 0\n  timeout: 4\n  disable_cooldowns: true\nserver:\n  limits: {body: 64k}\n"


@pytest.fixture
def all_kinds(start, mock):
    return start([("m", "plain"), ("mock*", "mock*"),
                  ("native", {"model": "ollama_chat/llama3", "api_base": mock.base}),
                  ("dead", {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "sk-x"})], SETTINGS)


@pytest.mark.parametrize("outcome,status,how", OURS, ids=[f"{o[0]}-{i}" for i, o in enumerate(OURS)])
def test_our_own_ends(all_kinds, outcome, status, how):
    a = how(all_kinds)
    assert a.status == status, a
    assert a.json["error"]["message"]
    assert ended(all_kinds, a) == outcome


def test_the_ends_of_providers(all_kinds):
    for outcome, status, script in PROVIDERS:
        a = all_kinds.ask(script)
        assert (a.status, ended(all_kinds, a)) == (status, outcome), (script, a)
    a = all_kinds.ask("dead")
    assert (a.status, ended(all_kinds, a)) == (500, "UP_CONNECT")
    all_kinds.ask("dead")
    for outcome, status, _ in PROVIDERS:                                    # the operator is told, once
        told = [r for r in all_kinds.records("attempt.failed") if r["outcome"] == outcome]
        if outcome in ("UP_BAD_REQUEST", "UP_UNPROCESSABLE"):               # the client's own mistakes are not
            assert not told
        else:
            assert told and told[0]["status"] in (0, 200, status) and told[0]["provider"] == "openai", told
            assert "key" in told[0]["why"] if status in (401, 403) else len(told[0]["why"]) > 10, told
    told = all_kinds.wait_log("attempt.failed", outcome="UP_CONNECT")
    assert told["model"] == "dead" and told["base"] == "http://127.0.0.1:9/v1" and "connect" in told["why"] and told["status"] == 0
    workers = {r["who"] for r in all_kinds.records("attempt.failed")}
    assert len([r for r in all_kinds.records("attempt.failed") if r["model"] == "dead"]) <= len(workers)


class Site(http.server.BaseHTTPRequestHandler):
    """What stands where api_base points by mistake: pages, and a redirect to where the API is."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(301 if self.path.startswith("/moved") else 200)
        self.send_header("location", "https://elsewhere.example/v1")
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"" if self.path.startswith("/moved") else b"<!doctype html><title>Welcome</title>")

    def log_message(self, *args):
        pass


def test_a_wrong_api_base_is_told_by_what_it_answers(start):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{site.server_address[1]}"
        gw = start([(n, {"model": "openai/x", "api_key": "sk-x", "api_base": f"{base}/{n}"}) for n in ("page", "moved")], SETTINGS)
        for name, status, word in (("page", 502, "is a web page: is api_base right"), ("moved", 500, "redirects elsewhere")):
            a = gw.ask(name)
            assert a.status == status and word in a.json["error"]["message"], a
            assert gw.stream(name).status == status
        assert "api_base" in gw.wait_log("attempt.failed", model="page")["why"]
        site.shutdown()


def test_tokens_that_the_provider_does_not_count(gw):
    """Estimated, they are the log's as well as the ledger's and the client's."""
    s = gw.stream("mock?tokens=5&nousage", stream_options={"include_usage": True})
    shown = [json.loads(e)["usage"] for e in s.events() if '"prompt_tokens"' in e][-1]
    told = gw.wait_log("request.done", call_id=s.headers["x-litellm-call-id"])
    assert told["tokens_out"] == shown["completion_tokens"] > 0 and told["tokens_in"] == shown["prompt_tokens"] > 0


def test_paths_and_methods(all_kinds):
    assert all_kinds.get("/nowhere").json["error"]["type"] == "not_found_error"                 # NOT_FOUND
    assert all_kinds.get("/v1/chat/completions").status == 405                                  # METHOD
    for path in ("/engines/m/embeddings", "/openai/deployments/m/embeddings"):
        assert all_kinds.post(path, {"input": "Hello"}).json["data"][0]["embedding"]
    assert all_kinds.get("/v1/model/info").json == all_kinds.get("/model/info").json


def test_an_expired_key(gw):
    key = gw.key(duration="1s")
    a = until(lambda: (a := gw.ask("m", key=key)).status != 200 and a)
    assert (a.status, ended(gw, a)) == (401, "KEY_EXPIRED")


def test_a_client_that_leaves(gw):
    s = gw.stream("mock?tokens=2&stall=1")
    next(s.events())
    s.leave()
    assert gw.wait_log("request.done", outcome="CLIENT_GONE")["status"] == 200


def test_all_deployments_cooling(start):
    g = start([("m", "mock?status=429")] * 2, "router_settings:\n  num_retries: 0\n  cooldown_time: 60\n")
    a = until(lambda: (a := g.ask("m")).json["error"]["type"] == "all_deployments_in_cooldown" and a)
    assert (a.status, ended(g, a)) == (503, "ALL_COOLING")


def test_a_drain_that_takes_too_long(start):
    g = start([("mock*", "mock*")], "server:\n  drain: 1s\n")
    s = g.stream("mock?tokens=2&stall=1")
    next(s.events())
    g.process.send_signal(signal.SIGTERM)
    assert "draining" in "".join(s.events())
    g.wait_log("drain.cut", requests=1)
    g.wait_log("request.done", outcome="DRAINING")
    g.stop()


def test_the_master_is_away(gw):
    c = gw.connect()
    c.connect()
    c.sock.sendall(b"GET /key/list HTTP/1.1\r\nHost: x\r\n")      # idle, it would be closed
    gw.kill()
    gw.wait_log("master.gone")
    c.sock.sendall(b"Authorization: Bearer %s\r\n\r\n" % gw.master_key.encode())
    r = http.client.HTTPResponse(c.sock)
    r.begin()
    assert r.status == 503 and b"master_away" in r.read()
    gw.wait_log("request.done", outcome="MASTER_AWAY")
    gw.start()


def test_a_database_that_takes_nothing(gw):
    """Somebody else holds it: what has a price is refused, until it is free again."""
    with contextlib.closing(sqlite3.connect(gw.tmp / "state" / "llmgw.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        gw.ask("m")
        gw.wait_log("ledger.down", timeout=30)
        a = gw.ask("m")
        assert (a.status, ended(gw, a)) == (503, "MONEY_DOWN")
        assert metrics(gw)["llmgw_spend_unavailable"] == 1 and metrics(gw)["llmgw_money_down_total"] == 1
        db.execute("ROLLBACK")
    gw.wait_log("ledger.up", timeout=30)
    assert gw.ask("m").status == 200
    assert len(gw.spend_rows(2)) == 2


# ---- metrics

MOVED = """llmgw_requests_total llmgw_responses_2xx_total llmgw_responses_4xx_total llmgw_responses_5xx_total
    llmgw_prompt_tokens_total llmgw_completion_tokens_total llmgw_cost_dollars_total llmgw_upstream_attempts_total
    llmgw_upstream_failures_total llmgw_retries_total llmgw_fallbacks_total llmgw_cooldowns_total llmgw_streams_total
    llmgw_stream_events_total llmgw_streams_client_gone_total llmgw_streams_broken_total llmgw_stream_heartbeats_total
    llmgw_keys_unknown_total llmgw_rate_limited_total llmgw_budget_refused_total llmgw_unpriced_requests_total
    llmgw_connections_total llmgw_upstream_connections_total llmgw_http_errors_total llmgw_client_received_bytes_total
    llmgw_client_sent_bytes_total llmgw_ledger_rows_total llmgw_build_info llmgw_workers_ready
    llmgw_config_generation llmgw_requests_in_flight llmgw_connections_open llmgw_deployment_attempts_total
    llmgw_deployment_failures_total llmgw_deployment_cooling llmgw_request_duration_seconds
    llmgw_time_to_first_token_seconds llmgw_overhead_seconds llmgw_workers_wanted llmgw_start_time_seconds
    llmgw_keys llmgw_deployments llmgw_worker_connections_open llmgw_worker_age_seconds
    llmgw_worker_config_generation llmgw_worker_journal_room_records llmgw_deployment_successes_total
    llmgw_deployment_cooldowns_total llmgw_deployment_token_latency_seconds
    llmgw_deployment_first_token_latency_seconds llmgw_deployment_prompt_tokens_total
    llmgw_deployment_completion_tokens_total llmgw_deployment_cost_dollars_total""".split()
STILL = """llmgw_journal_full_total llmgw_money_down_total llmgw_connections_refused_total llmgw_log_dropped_total
    llmgw_worker_restarts_total llmgw_reservations_open llmgw_reserved_dollars llmgw_spend_unavailable
    llmgw_deployment_in_flight llmgw_streams_open llmgw_metrics_series_overflow_total
    llmgw_metrics_deployments_folded llmgw_metrics_pairs llmgw_ledger_errors_total llmgw_deployment_paused
    llmgw_deployment_ill llmgw_worker_draining llmgw_worker_streams_open
    llmgw_config_reload_failures_total""".split()


def test_every_counter(start, mock):
    g = start([("m", "plain"), ("mock*", "mock*"), ("pair", "mock?status=401"), ("pair", "plain"),
               ("broken", "mock?status=500"),
               ("free", {"model": "openai/plain", "api_base": mock.base + "/v1", "api_key": "sk-x"})],
              "router_settings:\n  num_retries: 1\n  fallbacks: [{broken: [m]}]\n"
              "server:\n  stream-heartbeat: 100ms\n")
    assert g.ask("m").status == g.ask("free").status == g.ask("broken").status == 200
    while not metrics(g)["llmgw_cooldowns_total"]:
        assert g.ask("pair").status == 200
    assert g.ask("mock?status=503").status == 503
    assert g.stream("mock?ttft=400").text()
    assert "error" in "".join(g.stream("mock?tokens=5&gap=30&fin=2").events())
    s = g.stream("mock?tokens=2&stall=1")
    next(s.events())
    s.leave()
    g.ask("m", key="sk-nobody-0123456789")
    g.ask("m", key=g.key(max_budget=0.0000001))
    for _ in range(2):
        g.ask("m", key=(limited := locals().get("limited") or g.key(rpm_limit=1)))
    assert b"400" in raw(g, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    got = until(lambda: not [n for n in MOVED if not metrics(g).get(n)] and metrics(g))
    assert not {n: got[n] for n in STILL if got[n]}


def test_the_manual_has_the_metrics(gw):
    named = set(re.findall(r"^\.It Va (llmgw_\w+)$", open(MANUAL).read(), re.M))
    shown = set(re.findall(r"^# TYPE (\w+) ", gw.get("/metrics", key=False).body.decode(), re.M))
    assert shown == named


# ---- events

def test_the_access_log(gw):
    a = gw.ask("m", key=gw.key(key_alias="reader"))
    r = gw.wait_log("request.done", call_id=a.headers["x-litellm-call-id"])
    assert (r["path"], r["model"], r["key"], r["status"]) == ("/v1/chat/completions", "m", "reader", 200)
    assert float(r["cost"]) == float(a.headers["x-litellm-response-cost"])
    assert "Hello" not in gw.logs() and gw.master_key not in gw.logs()


def test_a_life_in_the_log(gw):
    gw.ctl("workers", "restart", "0")
    gw.wait_log("ledger.reaped", slot=0)
    gw.stop()
    for event in ("listen.open", "worker.ready", "master.ready", "worker.drain", "drain.begin", "worker.end",
                  "worker.exit", "master.stop", "master.end"):
        assert gw.records(event), event


def test_asked_twice_to_stop(start):
    g = start([("mock*", "mock*")])
    s = g.stream("mock?tokens=2&stall=1")
    next(s.events())
    g.process.send_signal(signal.SIGTERM)
    g.wait_log("master.stop")
    g.process.send_signal(signal.SIGTERM)
    g.wait_log("master.stop_now")
    g.stop()


def test_descriptors_run_out(gw):
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in gw.children()}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")), hard))
    with contextlib.suppress(OSError):
        gw.get("/livez", timeout=2)
    gw.wait_log("listener.resting")
    for pid, both in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, both)
    assert until(lambda: gw.get("/livez").status == 200)


def test_a_certificate_that_is_none(start, tmp_path):
    where = {n: tmp_path / n for n in ("crt", "key")}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout",
                    where["key"], "-out", where["crt"]], check=True, capture_output=True)
    g = start([("m", "plain")], f"server:\n  tls: {{certificate: {where['crt']}, key: {where['key']}}}\n"
                                "  listen: {address: 127.0.0.1, port: 0, tls: false}\n")
    where["crt"].write_text("nonsense")
    assert g.ctl("reload", check=False).returncode == 8
    assert g.ask("m").status == 200


def test_damaged_journals(gw):
    """Nothing stops the start: a file without a head is put aside, a bad record left out."""
    os.kill(gw.process.pid, signal.SIGSTOP)
    workers = gw.children()
    for _ in range(4):
        assert gw.ask("m").status == 200
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    gw.kill()
    journals = sorted((gw.tmp / "state" / "journal").glob("*.j"))
    for path in journals:
        with open(path, "r+b") as f:
            f.seek(4096 + 100)
            f.write(b"nonsense")
    (gw.tmp / "state" / "journal" / "63-0123456789abcdef.j").write_bytes(b"nonsense")
    gw.start()
    assert gw.wait_log("ledger.damaged_journal")["file"] == "63-0123456789abcdef.j"
    gw.wait_log("ledger.bad_records")
