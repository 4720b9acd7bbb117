# SPDX-License-Identifier: MIT
"""Who is told of finished requests: traces, webhook, Langfuse, Datadog; with receivers that are
down, slow or refuse, and with processes that are killed."""
import hashlib
import hmac
import json
import os
import pathlib
import re
import signal
import ssl
import time

import pytest

from gateway import MASTER_KEY, until
from sink import Sink, metrics_of, official, spans_of
from test_security import Authority

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "canary-of-a-header"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def env_of(sink, **more):
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.base, "OTEL_EXPORTER_OTLP_HEADERS": f"x-auth={SECRET}%20two",
            "OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_SERVICE_NAME": "gateway-of-the-test",
            "OTEL_RESOURCE_ATTRIBUTES": "region=north,service.name=not-this",
            "GENERIC_LOGGER_ENDPOINT": sink.base + "/hook", "GENERIC_LOGGER_HEADERS": f"x-auth={SECRET}",
            "LANGFUSE_HOST": sink.base, "LANGFUSE_PUBLIC_KEY": "pk-1", "LANGFUSE_SECRET_KEY": SECRET,
            "DD_API_KEY": SECRET, "DD_BASE_URL": sink.base, "DD_SERVICE": "svc",
            "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1", **more}


def told(*names, which="callbacks", more=""):
    return f"litellm_settings:\n  {which}: {json.dumps(names)}\n{more}"


def test_a_request_is_a_trace_with_a_span_for_each_attempt(start, mock, sink):
    to = {"api_base": mock.base + "/v1", "api_key": "sk-x"}
    gw = start([("m", {"model": "openai/mock?status=500", "order": 1, **to}),
                ("m", {"model": "openai/plain", "order": 2, "input_cost_per_token": 1e-6,
                       "output_cost_per_token": 2e-6, **to})],
               told("otel", more="  forward_traceparent_to_llm_provider: true\n"), env=env_of(sink))
    a = gw.ask("m", user="anna", headers={"traceparent": PARENT, "user-agent": "tester/1", "x-litellm-session-id": "s-1"},
               temperature=0.25, max_tokens=9, seed=-7, presence_penalty=-0.5, response_format={"type": "json_object"})
    assert a.status == 200
    spans = sink.spans(3)
    root = next(s for s in spans if s["kind"] == 2)
    tries = sorted((s for s in spans if s["kind"] == 3), key=lambda s: s["at"]["llmgw.attempt"])
    assert {s["traceId"] for s in spans} == {PARENT.split("-")[1]} and len(spans) == 3
    assert root["parentSpanId"] == PARENT.split("-")[2]
    assert all(s["parentSpanId"] == root["spanId"] for s in tries)
    assert root["name"] == "chat m" and root["status"]["code"] == 1
    at = root["at"]
    assert at["gen_ai.operation.name"] == "chat" and at["gen_ai.provider.name"] == "openai"
    assert at["gen_ai.usage.input_tokens"] == a.json["usage"]["prompt_tokens"]
    assert at["gen_ai.usage.output_tokens"] == a.json["usage"]["completion_tokens"]
    assert abs(at["llmgw.cost.usd"] - float(a.headers["x-litellm-response-cost"])) < 1e-9
    assert at["llmgw.end_user"] == "anna" and at["user_agent.original"] == "tester/1"
    assert at["gen_ai.request.temperature"] == 0.25 and at["gen_ai.request.max_tokens"] == 9
    assert at["gen_ai.request.seed"] == -7 and at["gen_ai.request.presence_penalty"] == -0.5
    assert at["gen_ai.output.type"] == "json" and at["gen_ai.conversation.id"] == "s-1"
    assert not {"gen_ai.request.frequency_penalty", "gen_ai.request.top_k", "gen_ai.request.choice.count"} & set(at)
    assert at["gen_ai.response.finish_reasons"] == ["stop"]
    assert at["llmgw.attempts"] == 2 and at["http.response.status_code"] == 200
    assert [s["status"]["code"] for s in tries] == [2, 1]
    assert tries[0]["at"]["http.response.status_code"] == 500 and "error.type" not in tries[1]["at"]
    assert [s["at"]["server.port"] for s in tries] == [mock.port] * 2
    assert root["resource"]["service.name"] == "gateway-of-the-test" and root["resource"]["region"] == "north"
    assert sink.headers("/v1/traces")["x-auth"] == SECRET + " two"
    upstream = [e["traceparent"] for e in mock.log()]
    assert sorted(upstream) == sorted(f"00-{s['traceId']}-{s['spanId']}-01" for s in tries)
    decoded = official(sink.sent("/v1/traces")[0])
    if decoded is not None:
        inner = decoded.resource_spans[0].scope_spans[0].spans
        assert {s.span_id.hex() for s in inner} == {s["spanId"] for s in spans}
        assert SECRET not in gw.logs()


def test_the_webhook_gets_standard_payloads(start, sink):
    gw = start([("m", "plain"), ("bad", "mock?status=400")], told("generic_api"), env=env_of(sink))
    key = gw.key(key_alias="the-alias", user_id="u1")
    assert gw.ask("m", key=key, content="canary-of-a-prompt", metadata={"tags": ["red", "blue"]}).status == 200
    assert gw.ask("bad", key=key).status == 400
    assert gw.ask("m", key="sk-nobody").status == 401
    chunks = gw.stream("m", key=key).chunks()
    assert chunks
    rows = {(r["status"], r["model_group"], r["stream"]): r for r in sink.payloads(4)}
    good, bad = rows["success", "m", False], rows["failure", "bad", False]
    assert good["call_type"] == "acompletion" and good["custom_llm_provider"] == "openai"
    assert good["total_tokens"] == good["prompt_tokens"] + good["completion_tokens"] > 0
    assert good["response_cost"] > 0 and good["startTime"] < good["endTime"]
    assert good["metadata"]["user_api_key_hash"] == hashlib.sha256(key.encode()).hexdigest()
    assert good["metadata"]["user_api_key_alias"] == "the-alias"
    assert good["metadata"]["user_api_key_user_id"] == "u1" and good["requester_ip_address"] == "127.0.0.1"
    parts = good["cost_breakdown"]
    assert parts["total_cost"] == good["response_cost"] and parts["input_cost"] > 0 < parts["output_cost"]
    assert abs(parts["input_cost"] + parts["output_cost"] - parts["total_cost"]) < 1e-9
    assert bad["cost_breakdown"]["total_cost"] == 0
    assert good["request_tags"] == ["red", "blue"] and good["error_str"] is None
    assert bad["error_information"]["error_code"] == "400" and bad["response_cost"] == 0
    assert [t["status"] for t in bad["attempts"]] == ["failure"]
    stream = rows["success", "m", True]
    assert stream["startTime"] < stream["completionStartTime"] <= stream["endTime"]
    stranger = next(r for s, r in rows.items() if r["metadata"]["user_api_key_hash"] is None)
    assert stranger["status"] == "failure" and stranger["attempts"] == []
    assert good["messages"][0]["content"] == "canary-of-a-prompt" and stranger["messages"] is None
    everything = json.dumps(sink.sent("/hook")) + gw.logs()
    assert "canary-of-a-prompt" not in gw.logs() and key not in everything and MASTER_KEY not in everything
    assert "Content-Type" in sink.headers("/hook") and sink.headers("/hook")["x-auth"] == SECRET


def test_langfuse_and_datadog_get_their_own_forms(start, sink):
    gw = start([("m", "plain")], told("langfuse", "datadog"), env=env_of(sink))
    a = gw.ask("m", user="anna")
    line = sink.payloads(1, "/api/v2/logs")[0]
    assert line["service"] == "svc" and line["status"] == "info" and "env:" in line["ddtags"]
    assert json.loads(line["message"])["litellm_call_id"] == a.headers["x-litellm-call-id"]
    assert sink.headers("/api/v2/logs")["Dd-Api-Key".upper()] == SECRET
    batch = until(lambda: sink.sent("/api/public/ingestion"))[0]["batch"]
    trace, generation = batch
    assert (trace["type"], generation["type"]) == ("trace-create", "generation-create")
    assert generation["body"]["traceId"] == trace["body"]["id"] and trace["body"]["userId"] == "anna"
    assert generation["body"]["usageDetails"]["input"] == a.json["usage"]["prompt_tokens"]
    assert generation["body"]["level"] == "DEFAULT" and trace["id"] != generation["id"]
    assert sink.headers("/api/public/ingestion")["Authorization"].startswith("Basic ")
    assert SECRET not in gw.logs()


def test_langfuse_is_told_by_headers_too(start, sink):
    gw = start([("m", "plain")], told("langfuse", "langfuse_otel", more="  langfuse_default_tags: [cache_hit, user_api_key_alias, proxy_base_url]\n"),
               env=env_of(sink, PROXY_BASE_URL="https://gw.example"))
    assert "W001" not in gw.logs()
    key = gw.key(key_alias="prod")
    said = {"langfuse_trace_id": "t-1", "langfuse_session_id": "s-1", "langfuse_trace_user_id": "anna", "langfuse_trace_name": "night shift",
            "langfuse_generation_name": "g", "langfuse_long": "x" * 600, "Langfuse_Version": "7"}
    assert gw.ask("m", key=key, headers=said, metadata={"trace_name": "of-the-body", "tags": ["red"]}).status == 200
    trace, generation = [e["body"] for e in until(lambda: sink.sent("/api/public/ingestion"))[0]["batch"]]
    assert (trace["id"], trace["sessionId"], trace["userId"], trace["name"]) == ("t-1", "s-1", "anna", "night shift")
    assert (generation["traceId"], generation["name"], generation["version"]) == ("t-1", "g", "7")
    tags = {"red", "cache_hit:False", "user_api_key_alias:prod", "proxy_base_url:https://gw.example"}
    assert tags <= set(trace["tags"])
    path = "/api/public/otel/v1/traces"
    at = next(x for b in until(lambda: sink.sent(path)) for x in spans_of(b) if x["kind"] == 2)["at"]
    assert (at["langfuse.session.id"], at["langfuse.trace.name"], at["langfuse.user.id"]) == ("s-1", "night shift", "anna")
    assert tags <= set(at["langfuse.trace.tags"])
    # a trace that is there already, of which no body says what to change
    assert gw.ask("m", key=key, headers={"langfuse_existing_trace_id": "t-1"}).status == 200
    trace = until(lambda: [e["body"] for b in sink.sent("/api/public/ingestion")[1:] for e in b["batch"]])[0]
    assert trace == {"id": "t-1"}


def test_headers_of_the_webhook_by_the_configuration(start, sink):
    gw = start([("m", "plain")], told("generic_api", more=f"  generic_logger_headers: {{X-Team: {SECRET}-2}}\n"), env=env_of(sink))
    assert "W001" not in gw.logs() and gw.ask("m").status == 200
    sink.payloads(1)
    headers = sink.headers("/hook")
    assert headers["X-Team"] == SECRET + "-2" and headers["x-auth"] == SECRET and SECRET not in gw.logs()


def test_langfuse_by_opentelemetry(start, sink):
    gw = start([("m", "plain"), ("bad", "mock?status=400")], told("langfuse_otel"), env=env_of(sink))
    a = gw.ask("m", "canary-of-a-prompt", metadata={"session_id": "s-1", "trace_name": "night", "tags": ["red"]})
    gw.ask("bad", "canary-of-another", metadata={"mask_input": True})
    path = "/api/public/otel/v1/traces"
    spans = until(lambda: (s := [x for b in sink.sent(path) for x in spans_of(b)]) and len(s) >= 4 and s)
    good, bad = sorted((s for s in spans if s["kind"] == 2), key=lambda s: s["status"]["code"])
    at = good["at"]
    assert at["langfuse.trace.name"] == "night" and at["langfuse.session.id"] == "s-1"
    assert at["langfuse.trace.tags"][0] == "red" and at["langfuse.observation.type"] == "generation"
    assert json.loads(at["langfuse.observation.input"])["messages"][0]["content"] == "canary-of-a-prompt"
    assert json.loads(at["langfuse.observation.output"]) == a.json["choices"][0]["message"]
    assert json.loads(at["langfuse.observation.usage_details"])["input"] == a.json["usage"]["prompt_tokens"]
    assert bad["at"]["langfuse.observation.level"] == "ERROR"
    assert "canary-of-another" not in json.dumps(sink.sent(path))
    assert sink.headers(path)["Authorization"].startswith("Basic ") and not sink.sent("/v1/traces")
    decoded = official(sink.sent(path)[0])
    assert decoded is None or decoded.resource_spans[0].scope_spans[0].spans
    assert SECRET not in gw.logs()


def test_success_and_failure_have_lists_of_their_own(start, sink):
    models = [("m", "plain"), ("bad", "mock?status=400")]
    ok = start(models, told("generic_api", which="success_callback"), env=env_of(sink))
    assert ok.ask("bad").status == 400 and ok.ask("m").status == 200
    assert [r["status"] for r in sink.payloads(1)] == ["success"]
    ok.write([], raw=ok.config.read_text().replace("success_callback", "failure_callback"))
    ok.ctl("reload")
    assert ok.ask("m").status == 200 and ok.ask("bad").status == 400
    rows = sink.payloads(2)
    time.sleep(0.5)
    assert [r["status"] for r in sink.payloads(2)] == ["success", "failure"], rows


def test_sampling_goes_by_the_parent_and_by_the_ratio(start, sink):
    gw = start([("m", "plain")], told("otel", "generic_api"),
               env=env_of(sink, OTEL_TRACES_SAMPLER="parentbased_always_off"))
    no = PARENT[:-2] + "00"
    for head in ({}, {"traceparent": no}, {"traceparent": PARENT}, {"traceparent": PARENT.upper()}):
        assert gw.ask("m", headers=head).status == 200
    rows = sink.payloads(4)                  # the webhook hears of all
    spans = sink.spans(2)
    assert {s["traceId"] for s in spans} == {PARENT.split("-")[1]} and len(spans) == 2
    assert len({r["trace_id"] for r in rows}) == 3


@pytest.mark.parametrize("variable", ({"OTEL_PROPAGATORS": "none"}, {"OTEL_IGNORE_CONTEXT_PROPAGATION": "true"}))
def test_a_trace_of_its_own_where_no_parent_is_wanted(start, sink, variable):
    gw = start([("m", "plain")], told("otel"), env=env_of(sink, **variable))
    assert gw.ask("m", headers={"traceparent": PARENT}).status == 200
    assert all(s["traceId"] != PARENT.split("-")[1] for s in sink.spans(2))


def test_a_receiver_that_is_down_gets_it_later(start, sink, tmp_path):
    port = sink.port
    sink.close()
    gw = start([("m", "plain")], told("generic_api"), env=env_of(sink))
    ids = {gw.ask("m").headers["x-litellm-call-id"] for _ in range(5)}
    gw.wait_log("export.failing", callback="generic_api")
    folder = gw.tmp / "state" / "export"
    until(lambda: list(folder.glob("generic_api.*")))
    assert all(f.stat().st_mode & 0o77 == 0 for f in folder.iterdir())
    gw.stop()                                # what was in memory is kept, too
    assert list(folder.glob("generic_api.*"))
    back = Sink(port)
    try:
        gw.start()
        rows = back.payloads(5, timeout=30)
        assert {r["litellm_call_id"] for r in rows} == ids and len(rows) == 5
        until(lambda: not list(folder.glob("generic_api.*")))
        until(lambda: gw.metric("llmgw_export_sent_total") >= 5)   # counted after its file is gone
    finally:
        back.close()


def test_a_receiver_that_comes_back_gets_it_without_a_restart(start, sink):
    gw = start([("m", "plain")], told("generic_api"), env=env_of(sink))
    sink.status = 503
    assert gw.ask("m").status == 200
    gw.wait_log("export.failing")
    sink.status = 200
    assert len(sink.payloads(1)) == 1
    gw.wait_log("export.recovered")
    assert gw.metric("llmgw_export_failures_total") >= 1


def test_what_is_refused_is_not_sent_again(start, sink):
    gw = start([("m", "plain")], told("generic_api"), env=env_of(sink))
    sink.status = 400
    assert gw.ask("m").status == 200
    gw.wait_log("export.refused", callback="generic_api")
    sink.status = 200
    assert gw.ask("m").status == 200
    assert len(sink.payloads(1)) == 1 and sink.tries == 2
    assert gw.metric("llmgw_export_dropped_total") == 1


def test_a_slow_receiver_slows_nobody(start, sink):
    gw = start([("m", "plain")], told("otel", "generic_api"), env=env_of(sink))
    sink.delay = 8
    took = []
    for _ in range(40):
        began = time.monotonic()
        assert gw.ask("m").status == 200
        took.append(time.monotonic() - began)
    assert sorted(took)[-2] < 6, took
    began = time.monotonic()
    assert gw.ctl("status").returncode == 0 and time.monotonic() - began < 6
    sink.delay = 0
    assert len(sink.payloads(40, timeout=60)) == 40


def test_killed_processes_lose_little(start, sink):
    gw = start([("m", "plain")], told("generic_api"), env=env_of(sink), workers=1)
    assert gw.ask("m").status == 200
    sink.payloads(1)
    victim = gw.children()[0]
    os.kill(victim, signal.SIGKILL)
    gw.wait_log("worker.exit") if gw.records("worker.exit") else until(
        lambda: gw.children() and gw.children()[0] != victim)
    until(lambda: _answers(gw))
    n = len(sink.payloads(2))
    gw.kill()
    gw.start()
    assert gw.ask("m").status == 200
    sink.payloads(n + 1)


def _answers(gw):
    try:
        return gw.ask("m").status == 200
    except OSError:
        return False


def test_nobody_hears_of_a_ring_or_a_disk_that_is_whole(start, sink):
    gw = start([("m", "plain")], told("generic_api"), env=env_of(sink))
    assert gw.ask("m").status == 200 and sink.payloads(1)
    assert gw.metric("llmgw_records_dropped_total") == 0
    assert not gw.records("export.ignored") and not gw.records("export.no_disk")


def test_a_callback_without_its_environment_is_complained_of(start):
    gw = start([("m", "plain")], told("langfuse"), env={})
    assert "LANGFUSE_PUBLIC_KEY" in gw.logs()
    assert gw.ask("m").status == 200
    assert not pathlib.Path(gw.tmp / "state" / "export").exists()


def test_metrics_go_to_opentelemetry(start, sink):
    env = {k: v for k, v in env_of(sink).items() if k.startswith("OTEL")}
    gw = start([("m", "plain"), ("bad", "mock?status=500")],
               "router_settings:\n  num_retries: 0\nserver: {metrics: {otlp: true}}\n",
               env={**env, "OTEL_METRIC_EXPORT_INTERVAL": "200"})
    answers = [gw.ask("m").json["usage"] for _ in range(3)]
    assert gw.ask("bad").status == 500

    def counted():
        got = metrics_of(sink.sent("/v1/metrics")[-1]) if sink.sent("/v1/metrics") else {}
        points = got.get("gen_ai.client.operation.duration", {"points": []})["points"]
        return sum(int(p["count"]) for _, p in points) >= 4 and got

    got = until(counted)
    assert got["llmgw.requests"]["points"][0][1]["asInt"] == "4" and got["llmgw.requests"]["kind"] == "sum"
    assert got["llmgw.cost"]["points"][0][1]["asDouble"] > 0
    usage = {(a["gen_ai.request.model"], a["gen_ai.token.type"]): p for a, p in got["gen_ai.client.token.usage"]["points"]}
    assert usage["m", "input"]["sum"] == sum(u["prompt_tokens"] for u in answers)
    assert usage["m", "output"]["sum"] == sum(u["completion_tokens"] for u in answers)
    spans = {a["gen_ai.request.model"]: a for a, _ in got["gen_ai.client.operation.duration"]["points"]}
    assert spans["bad"]["error.type"] == "internal_server_error" and "error.type" not in spans["m"]
    assert sink.headers("/v1/metrics")["x-auth"] == SECRET + " two"
    decoded = official(sink.sent("/v1/metrics")[-1])
    if decoded is not None:
        assert len(decoded.resource_metrics[0].scope_metrics[0].metrics) == len(got)
    sink.status = 503
    gw.wait_log("otlp.failing")
    sink.status = 200
    gw.wait_log("otlp.recovered")
    before = len(sink.sent("/v1/metrics"))
    gw.ask("m")
    gw.stop()                                 # the last ones are sent at the end
    last = metrics_of(sink.sent("/v1/metrics")[-1])
    assert len(sink.sent("/v1/metrics")) > before and last["llmgw.requests"]["points"][0][1]["asInt"] == "5"


def test_no_metrics_without_being_asked(start, sink):
    gw = start([("m", "plain")], told("otel"), env={**env_of(sink), "OTEL_METRIC_EXPORT_INTERVAL": "100"})
    gw.ask("m")
    sink.spans(2)
    time.sleep(0.5)
    assert not sink.sent("/v1/metrics")


def signature_of(method, path, headers, body, secret, region, service="s3"):
    """AWS's signature, version 4, worked out here from what came in."""
    said = headers["Authorization"]
    scope = said.split("Credential=")[1].split(",")[0].split("/", 1)[1]
    signed = said.split("SignedHeaders=")[1].split(",")[0]
    low = {k.lower(): v for k, v in headers.items()}
    digest = hashlib.sha256(body).hexdigest()
    own = "x-amz-content-sha256" if service == "s3" else "x-amz-target"
    assert low.get("x-amz-content-sha256", digest) == digest
    assert {"host", own, "x-amz-date"} <= set(signed.split(";"))
    form = "\n".join([method, path, "", *(f"{h}:{low[h].strip()}" for h in signed.split(";")), "", signed, digest])
    text = "\n".join(["AWS4-HMAC-SHA256", low["x-amz-date"], scope, hashlib.sha256(form.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    assert scope.split("/")[1:] == [region, service, "aws4_request"]
    return hmac.new(key, text.encode(), "sha256").hexdigest(), said.split("Signature=")[1]


def _rows_of_objects(sink):
    with sink.lock:
        return [r for path, _, lines in sink.bodies for r in lines]


def test_an_object_for_each_request(start, sink):
    params = {"s3_bucket_name": "bucket", "s3_region_name": "eu-west-1", "s3_path": "logs", "s3_object_per_request": True,
              "s3_endpoint_url": sink.base, "s3_aws_access_key_id": "AKIDEXAMPLE", "s3_aws_secret_access_key": SECRET}
    gw = start([("m", "plain")], told("s3", more=f"  s3_callback_params: {json.dumps(params)}\n"),
               env={"DEFAULT_FLUSH_INTERVAL_SECONDS": "0.3"})
    ids = {gw.ask("m").json["id"] for _ in range(3)}
    until(lambda: len(sink.raw) >= 3)
    for path, (method, headers, body) in sink.raw.items():
        row = json.loads(body)
        began = time.strftime("%Y-%m-%d/time-%H-%M-%S", time.gmtime(row["startTime"]))
        assert re.fullmatch(rf"/bucket/logs/{began}-\d{{6}}_{row['id']}\.json", path) and row["id"] in ids
        assert method == "PUT" and headers["Content-Type"] == "application/json"
        ours, theirs = signature_of(method, path, headers, body, SECRET, "eu-west-1")
        assert ours == theirs
    assert len(sink.raw) == 3 and SECRET not in gw.logs()


def test_objects_in_s3(start, sink):
    params = {"s3_bucket_name": "bucket", "s3_region_name": "eu-west-1", "s3_path": "logs/llm",
              "s3_endpoint_url": sink.base, "s3_aws_access_key_id": "AKIDEXAMPLE",
              "s3_aws_secret_access_key": "os.environ/S3_SECRET"}
    sink.status = 503
    gw = start([("m", "plain")], told("s3_v2", more=f"  s3_callback_params: {json.dumps(params)}\n"),
               env={"S3_SECRET": SECRET, "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1"})
    ids = [gw.ask("m").headers["x-litellm-call-id"] for _ in range(3)]
    gw.wait_log("export.failing", callback="s3_v2")
    sink.status = 200
    until(lambda: len(_rows_of_objects(sink)) >= 3, 30)
    assert {r["litellm_call_id"] for r in _rows_of_objects(sink)} == set(ids)
    for path, (method, headers, body) in sink.raw.items():
        assert re.fullmatch(r"/bucket/logs/llm/\d{4}-\d\d-\d\d/[0-9a-f]{32}\.jsonl", path) and method == "PUT"
        ours, theirs = signature_of(method, path, headers, body, SECRET, "eu-west-1")
        assert ours == theirs
    assert SECRET not in gw.logs() and SECRET not in gw.ctl("config", "show").stdout
    waiting = list((gw.tmp / "state" / "export").glob("*"))
    assert not any(SECRET.encode() in f.read_bytes() for f in waiting)


@pytest.mark.parametrize("name,queue", (("sqs", "logs"), ("aws_sqs", "logs.fifo")))
def test_messages_for_sqs(start, sink, name, queue):
    url = f"{sink.base}/123456789012/{queue}"
    params = {"sqs_queue_url": url, "sqs_region_name": "eu-west-1", "sqs_aws_access_key_id": "AKIDEXAMPLE",
              "sqs_aws_secret_access_key": "os.environ/SQS_SECRET"}
    gw = start([("m", "plain")], told(name, more=f"  aws_sqs_callback_params: {json.dumps(params)}\n"),
               env={"SQS_SECRET": SECRET, "DEFAULT_FLUSH_INTERVAL_SECONDS": "1"})
    failed_once = []

    def answer(read):
        """The second message of the first call is not the sender's fault, the third is."""
        ids = [e["Id"] for e in read["Entries"]]
        if failed_once or len(ids) < 3:
            return {"Successful": [{"Id": i} for i in ids]}
        failed_once.extend(ids[1:3])
        return {"Successful": [{"Id": ids[0]}, *({"Id": i} for i in ids[3:])],
                "Failed": [{"Id": ids[1], "SenderFault": False, "Code": "InternalError"},
                           {"Id": ids[2], "SenderFault": True, "Code": "InvalidMessageContents"}]}

    sink.answer = answer
    asked = [gw.ask("m").headers["x-litellm-call-id"] for _ in range(25)]

    def entries():
        return [e for b in sink.sent("/") for e in b["Entries"]]

    until(lambda: len(entries()) >= 26, 20)         # 25, and one of them again
    gw.wait_log("export.recovered", callback=name)
    assert all(b["QueueUrl"] == url and 1 <= len(b["Entries"]) <= 10 for b in sink.sent("/"))
    seen = [e["Id"] for e in entries()]
    assert sorted(i for i in set(seen) if seen.count(i) > 1) == failed_once[:1] and len(seen) == 26
    assert {json.loads(e["MessageBody"])["litellm_call_id"] for e in entries()} == set(asked)
    assert all(("MessageGroupId" in e) == queue.endswith(".fifo") for e in entries())
    assert gw.metric("llmgw_export_dropped_total") == 1 and gw.metric("llmgw_export_sent_total") == 24
    method, headers, body = sink.raw["/"]
    low = {k.lower(): v for k, v in headers.items()}
    assert low["x-amz-target"] == "AmazonSQS.SendMessageBatch" and low["content-type"] == "application/x-amz-json-1.0"
    ours, theirs = signature_of(method, "/", headers, body, SECRET, "eu-west-1", "sqs")
    assert ours == theirs
    assert SECRET not in gw.logs() and SECRET not in gw.ctl("config", "show").stdout


def test_messages_wait_for_sqs(start, sink):
    params = {"sqs_queue_url": f"{sink.base}/1/q", "sqs_region_name": "eu", "sqs_aws_access_key_id": "A",
              "sqs_aws_secret_access_key": SECRET}
    gw = start([("m", "plain")], told("sqs", more=f"  aws_sqs_callback_params: {json.dumps(params)}\n"),
               env={"DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1"})
    sink.status = 503
    asked = {gw.ask("m").headers["x-litellm-call-id"] for _ in range(3)}
    gw.wait_log("export.failing", callback="sqs")
    gw.stop()
    waiting = list((gw.tmp / "state" / "export").glob("sqs.*"))
    assert waiting and not any(SECRET.encode() in f.read_bytes() for f in waiting)
    sink.status = 200
    gw.start()
    until(lambda: sum(len(b["Entries"]) for b in sink.sent("/")) >= 3, 30)
    assert {json.loads(e["MessageBody"])["litellm_call_id"] for b in sink.sent("/") for e in b["Entries"]} == asked


def test_a_call_of_helicone_for_each_request(start, sink):
    gw = start([("m", "plain"), ("bad", "mock?status=400")], told("helicone"),
               env={"HELICONE_API_KEY": SECRET, "HELICONE_API_BASE": sink.base, "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.5"})
    usage = gw.ask("m", user="anna").json["usage"]
    assert gw.ask("bad").status == 400
    for _ in range(10):
        gw.ask("m")
    calls = until(lambda: (s := sink.sent("/custom/v1/log")) and len(s) >= 12 and s)
    good = next(c for c in calls if c["providerRequest"]["meta"].get("Helicone-User-Id") == "anna")
    bad = next(c for c in calls if c["providerResponse"]["status"] == 400)
    assert good["providerResponse"]["status"] == 200
    assert good["providerResponse"]["json"]["usage"]["total_tokens"] == usage["total_tokens"]
    assert "error" in bad["providerResponse"]["json"]
    assert len({c["providerRequest"]["meta"]["Helicone-Request-Id"] for c in calls}) == len(calls) == 12
    assert sink.headers("/custom/v1/log")["Authorization"] == f"Bearer {SECRET}" and SECRET not in gw.logs()


@pytest.mark.parametrize("status,sent,dropped", ((503, 6, 0), (400, 5, 1)))
def test_one_call_of_many_that_is_not_taken(start, sink, status, sent, dropped):
    """What fails waits with all behind it; what is refused is left out, and the rest goes on."""
    gw = start([("m", "plain")], told("helicone"),
               env={"HELICONE_API_KEY": "k", "HELICONE_API_BASE": sink.base, "DEFAULT_FLUSH_INTERVAL_SECONDS": "1"})
    tried = []

    def status_of(read):
        tried.append(read["providerRequest"]["meta"]["Helicone-Request-Id"])
        return status if len(tried) == 2 else 200

    sink.status = status_of
    for _ in range(6):
        gw.ask("m")
    gw.wait_log("export.failing" if status == 503 else "export.refused", callback="helicone")
    until(lambda: gw.metric("llmgw_export_sent_total") == sent)
    assert gw.metric("llmgw_export_dropped_total") == dropped
    arrived = [c["providerRequest"]["meta"]["Helicone-Request-Id"] for c in sink.sent("/custom/v1/log")]
    assert len(arrived) == len(set(arrived)) == sent and len(set(tried)) == 6


def test_a_stop_in_the_middle_of_many_calls_loses_none(start, sink):
    gw = start([("m", "plain")], told("helicone"),
               env={"HELICONE_API_KEY": "k", "HELICONE_API_BASE": sink.base, "DEFAULT_FLUSH_INTERVAL_SECONDS": "1"})
    sink.delay = 1.5
    for _ in range(12):
        gw.ask("m")
    until(lambda: sink.sent("/custom/v1/log"))
    gw.stop()
    before = len(sink.sent("/custom/v1/log"))
    assert 0 < before < 12 and list((gw.tmp / "state" / "export").glob("helicone.*"))
    sink.delay = 0
    gw.start()

    def ids():
        return {c["providerRequest"]["meta"]["Helicone-Request-Id"] for c in sink.sent("/custom/v1/log")}

    until(lambda: len(ids()) == 12, 30)
    assert len(sink.sent("/custom/v1/log")) <= 13       # the one that was under way may be there twice


def test_failures_are_told_to_slack(start, sink):
    gw = start([("m", "plain"), ("bad", "mock?status=400")], told("slack"),
               env={"SLACK_WEBHOOK_URL": sink.base + "/services/" + SECRET, "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.5"})
    key = gw.key(key_alias="the-alias")
    assert gw.ask("m", key=key, content="canary-of-a-prompt").status == 200
    for _ in range(25):
        assert gw.ask("bad", key=key, content="canary-of-a-prompt").status == 400

    def lines():
        return [line for b in sink.sent("/services/" + SECRET) for line in b["text"].split("\n")[1:]]

    until(lambda: len(lines()) >= 25)
    assert len(lines()) == 25 and all(" (400): bad of openai, " in line and "key the-alias" in line for line in lines())
    assert all(b["text"].count("\n") <= 20 and set(b) == {"text"} for b in sink.sent("/services/" + SECRET))
    assert "canary-of-a-prompt" not in json.dumps(sink.sent("/services/" + SECRET)) and SECRET not in gw.logs()


def test_slack_is_not_told_of_what_went_well(start, sink):
    gw = start([("m", "plain")], told("slack", which="success_callback"), env={"SLACK_WEBHOOK_URL": sink.base})
    assert "the callback slack is told of failures only" in gw.logs()
    assert gw.ask("m").status == 200


@pytest.mark.parametrize("name", ("gcs", "gcs_bucket"))
def test_objects_in_googles_storage(start, sink, name):
    gw = start([("m", "plain")], told(name),
               env={"GCS_BUCKET_NAME": "bucket", "STORAGE_EMULATOR_HOST": sink.base, "GCS_HMAC_ACCESS_ID": "GOOG1E",
                    "GCS_HMAC_SECRET": SECRET, "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1"})
    ids = {gw.ask("m").headers["x-litellm-call-id"] for _ in range(3)}
    until(lambda: len(_rows_of_objects(sink)) >= 3)
    assert {r["litellm_call_id"] for r in _rows_of_objects(sink)} == ids
    for path, (method, headers, body) in sink.raw.items():
        assert re.fullmatch(r"/bucket/\d{4}-\d\d-\d\d/[0-9a-f]{32}\.jsonl", path) and method == "PUT"
        ours, theirs = signature_of(method, path, headers, body, SECRET, "auto")
        assert ours == theirs
    assert SECRET not in gw.logs()


def test_runs_for_langsmith(start, sink):
    gw = start([("m", "plain")], told("langsmith"),
               env={"LANGSMITH_API_KEY": SECRET, "LANGSMITH_BASE_URL": sink.base, "LANGSMITH_PROJECT": "p",
                    "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1"})
    usage = gw.ask("m").json["usage"]
    run = until(lambda: [r for b in sink.sent("/runs/batch") for r in b["post"]])[0]
    assert run["session_name"] == "p" and run["run_type"] == "llm" and run["error"] is None
    assert run["outputs"]["usage_metadata"]["total_tokens"] == usage["total_tokens"]
    assert run["dotted_order"].endswith("Z" + run["id"]) and run["trace_id"] == run["id"]
    assert sink.headers("/runs/batch")["x-api-key"] == SECRET and SECRET not in gw.logs()


@pytest.mark.parametrize("allowed", (True, False))
def test_a_client_may_leave_callbacks_out(start, sink, allowed):
    gw = start([("m", "plain")], told("generic_api", "langfuse",
                                      more="" if allowed else "  allow_dynamic_callback_disabling: false\n"),
               env=env_of(sink))
    kept = gw.ask("m").headers["x-litellm-call-id"]
    left = gw.ask("m", headers={"x-litellm-disable-callbacks": "otel, LANGFUSE , none"}).headers["x-litellm-call-id"]
    assert {p["litellm_call_id"] for p in sink.payloads(2)} == {kept, left}
    last = gw.ask("m").headers["x-litellm-call-id"]

    def generations():
        return [e["body"]["id"] for b in sink.sent("/api/public/ingestion") for e in b["batch"]
                if e["type"] == "generation-create"]

    until(lambda: last in generations())
    assert (left in generations()) == (not allowed) and kept in generations()


def test_otlp_goes_by_gzip(start, sink):
    gw = start([("m", "plain")], told("otel", more="server:\n  metrics: {otlp: true}\n"),
               env=env_of(sink, OTEL_EXPORTER_OTLP_COMPRESSION="gzip", OTEL_METRIC_EXPORT_INTERVAL="200"))
    assert gw.ask("m").status == 200
    assert len(sink.spans(2)) == 2
    until(lambda: sink.sent("/v1/metrics"))
    for path in ("/v1/traces", "/v1/metrics"):
        assert sink.headers(path)["Content-Encoding"] == "gzip" and sink.raw[path][2][:2] == b"\x1f\x8b"


def test_otlp_knows_its_receiver_and_is_known(start, authority):
    """By an authority of its own, and by a certificate that the receiver asks for; without either nothing is told."""
    cert, key = authority.leaf("localhost")
    client, client_key = authority.leaf("gateway")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    tls.load_verify_locations(authority.file)
    tls.verify_mode = ssl.CERT_REQUIRED
    sink = Sink(tls=tls)
    try:
        files = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.file),
                 "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(client), "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY": str(client_key)}
        for missing in (*files, None):
            gw = start([("m", "plain")], told("otel"), env=env_of(sink, **{k: v for k, v in files.items() if k != missing}))
            assert gw.ask("m").status == 200
            if missing:
                gw.wait_log("export.failing", callback="otel")
                gw.stop()
            else:
                assert len(sink.spans(2)) == 2
            assert "PRIVATE KEY" not in gw.logs()
    finally:
        sink.close()
