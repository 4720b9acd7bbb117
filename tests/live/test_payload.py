# SPDX-License-Identifier: MIT
"""What callbacks are told of prompts and answers: each in its own form, of plain answers, streams and tool calls; by
nobody who did not ask for it; hidden by each switch; cut at the limit; and never in the way of a request."""
import contextlib
import http.client
import json
import os
import secrets
import signal
import sqlite3
import threading
import time

import pytest

from gateway import until
from sink import Sink
from test_raw import form

PROVIDER_KEY = "sk-prov-Zq7Lw2Xv9Kt4Bn6Mc1Rd8"
HIDDEN = "redacted-by-litellm"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def env_of(sink, **more):
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.base, "OTEL_BSP_SCHEDULE_DELAY": "100",
            "GENERIC_LOGGER_ENDPOINT": sink.base + "/hook", "LANGFUSE_HOST": sink.base, "LANGFUSE_PUBLIC_KEY": "pk-1",
            "LANGFUSE_SECRET_KEY": "sk-lf", "DD_API_KEY": "dd", "DD_BASE_URL": sink.base,
            "LANGSMITH_API_KEY": "ls", "LANGSMITH_BASE_URL": sink.base,
            "HELICONE_API_KEY": "he", "HELICONE_API_BASE": sink.base,
            "SLACK_WEBHOOK_URL": sink.base + "/slack",
            "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-1",
            "S3_BUCKET_NAME": "b", "AWS_ENDPOINT_URL_S3": sink.base,
            "GCS_BUCKET_NAME": "g", "GCS_HMAC_ACCESS_ID": "i", "GCS_HMAC_SECRET": "s", "STORAGE_EMULATOR_HOST": sink.base,
            "SQS_QUEUE_URL": sink.base + "/1/q", "AWS_ENDPOINT_URL_SQS": sink.base,
            "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1", **more}


@pytest.fixture
def begin(start, mock, sink):
    def go(*names, more="", env=None, **kw):
        kw.setdefault("workers", 1)
        to = {"api_base": mock.base + "/v1", "api_key": PROVIDER_KEY}
        models = [("m", {"model": "openai/plain", **to}), ("echo", {"model": "openai/mock?echo&tokens=5", **to}),
                  ("tool", {"model": "openai/mock?tool", **to}), ("bad", {"model": "openai/mock?status=400", **to}),
                  ("slow", {"model": "openai/mock?tokens=200&gap=10&ttft=700", **to}),
                  ("ant", {"model": "anthropic/plain", **to}), ("ant-tool", {"model": "anthropic/mock?tool", **to})]
        settings = f"litellm_settings:\n  callbacks: {json.dumps(names)}\n{more}" if names else more
        return start(models, settings, env=env_of(sink, **(env or {})), **kw)
    return go


def asked(text):
    return [{"role": "user", "content": text}]


def said(row):
    return row["response"]["choices"][0]["message"]


# ---- the standard logging payload ----------------------------------------------------------------

def test_the_payload_has_the_prompt_and_the_answer(begin, sink):
    gw = begin("generic_api")
    plain = gw.ask("m", 'Grüße "quoted" \\ \u0001')
    row = sink.payloads(1)[0]
    assert row["messages"] == asked('Grüße "quoted" \\ \u0001') and row["response"] == plain.json
    assert row["litellm_call_id"] == plain.headers["x-litellm-call-id"] and row["id"] == plain.json["id"]
    assert "texts_cut" not in row and "texts_missing" not in row
    assert gw.stream("echo", "Say this again, word by word").text() == "Say this again, word by word"
    row = sink.payloads(2)[1]
    assert row["stream"] and row["messages"] == asked("Say this again, word by word")
    assert said(row)["content"] == "Say this again, word by word"
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    called = gw.ask("tool", "Call it", tools=tools)
    assert list(gw.stream("tool", "Call it", tools=tools).chunks())
    rows = sink.payloads(4)[2:]
    want = called.json["choices"][0]["message"]["tool_calls"][0]["function"]
    assert [said(r)["tool_calls"][0]["function"] for r in rows] == [want, want]
    assert gw.ask("bad", "It will fail").status == 400
    row = sink.payloads(5)[4]
    assert row["status"] == "failure" and row["messages"] == asked("It will fail") and row["response"] == {}
    assert gw.ask("m", "Of a stranger", key="sk-nobody").status == 401
    row = sink.payloads(6)[5]
    assert row["messages"] is None and row["response"] is None
    assert "Say this again" not in gw.logs() and gw.metric("llmgw_export_texts_lost_total") == 0


def test_other_dialects_are_told_in_openais_words(begin, sink):
    gw = begin("generic_api")
    tools = [{"name": "get_weather", "input_schema": {"type": "object"}}]
    a = gw.post("/v1/messages", {"model": "ant", "max_tokens": 9, "system": "Be kind", "messages": asked("One")})
    b = gw.post("/v1/messages", {"model": "ant-tool", "max_tokens": 9, "messages": asked("Two"), "tools": tools})
    list(gw.stream("ant", "Three", path="/v1/messages", max_tokens=9).events())
    gw.post("/v1beta/models/m:generateContent", {"systemInstruction": {"parts": [{"text": "Short"}]}, "contents": [
        {"role": "user", "parts": [{"text": "Four"}]}, {"role": "model", "parts": [{"text": "4"}]},
        {"role": "user", "parts": [{"text": "and"}, {"text": " more"}]}]})
    gw.post("/api/chat", {"model": "m", "stream": False, "messages": asked("Five")})
    gw.post("/v1/responses", {"model": "m", "input": "Six"})
    gw.post("/v1/completions", {"model": "m", "prompt": "Seven"})
    rows = sink.payloads(7)
    assert rows[0]["messages"] == [{"role": "system", "content": "Be kind"}, *asked("One")]
    assert said(rows[0]) == {"role": "assistant", "content": a.json["content"][0]["text"]}
    assert rows[0]["response"]["usage"]["completion_tokens"] == a.json["usage"]["output_tokens"]
    assert rows[0]["response"]["choices"][0]["finish_reason"] == "stop"
    use = next(c for c in b.json["content"] if c["type"] == "tool_use")
    call = said(rows[1])["tool_calls"][0]
    assert call["id"] == use["id"] and call["function"]["name"] == use["name"]
    assert json.loads(call["function"]["arguments"]) == use["input"]
    assert rows[2]["messages"] == asked("Three") and said(rows[2])["content"]
    assert rows[3]["messages"] == [{"role": "system", "content": "Short"}, *asked("Four"),
                                   {"role": "assistant", "content": "4"}, *asked("and more")]
    assert said(rows[3])["content"] and said(rows[4])["content"] and rows[4]["messages"] == asked("Five")
    assert rows[5]["messages"] == "Six" and rows[5]["response"]["object"] == "response"
    assert rows[6]["messages"] == "Seven" and rows[6]["response"]["choices"][0]["text"]


def test_each_receiver_has_it_in_its_own_form(begin, sink):
    gw = begin("generic_api", "langfuse", "datadog", "langsmith", "helicone", "s3", "gcs", "sqs", "otel", "slack",
               "datadog_llm_observability", env={CAPTURE: "true"})
    a = gw.ask("m", "Everybody hears this", tools=[{"type": "function", "function": {"name": "f"}}])
    answer = a.json["choices"][0]["message"]
    row = sink.payloads(1)[0]
    assert row["messages"] == asked("Everybody hears this") and row["response"] == a.json
    trace, generation = until(lambda: sink.sent("/api/public/ingestion"))[0]["batch"]
    for body in (trace["body"], generation["body"]):
        assert body["input"]["messages"] == asked("Everybody hears this")
        assert body["input"]["tools"][0]["function"]["name"] == "f" and body["output"] == answer
    line = json.loads(sink.payloads(1, "/api/v2/logs")[0]["message"])
    assert line["messages"] == row["messages"] and line["response"] == a.json
    spans = until(lambda: sink.sent("/api/intake/llm-obs/v1/trace/spans"))[0]["data"]
    span = spans["attributes"]["spans"][0]
    assert spans["type"] == "span" and spans["attributes"]["ml_app"] == "llmgw" and span["status"] == "ok"
    assert span["meta"]["input"]["messages"] == row["messages"]
    assert span["meta"]["output"]["messages"] == [{"role": "assistant", "content": answer["content"]}]
    assert span["metrics"]["input_tokens"] == a.json["usage"]["prompt_tokens"] and span["duration"] > 0
    run = until(lambda: sink.sent("/runs/batch"))[0]["post"][0]
    assert run["inputs"]["messages"] == row["messages"] and run["outputs"]["choices"] == a.json["choices"]
    assert run["outputs"]["usage_metadata"]["input_tokens"] == a.json["usage"]["prompt_tokens"]
    call = until(lambda: sink.sent("/custom/v1/log"))[0]
    assert call["providerRequest"]["json"]["messages"] == row["messages"]
    assert call["providerResponse"]["json"] == a.json
    until(lambda: {p.split("/")[1] for p in sink.raw} >= {"b", "g"})
    for path, (_, _, body) in list(sink.raw.items()):
        if path.split("/")[1] in ("b", "g"):
            assert json.loads(body)["messages"] == row["messages"] and json.loads(body)["response"] == a.json
    message = json.loads(until(lambda: sink.sent("/"))[0]["Entries"][0]["MessageBody"])
    assert message["messages"] == row["messages"] and message["response"] == a.json
    root = next(s for s in sink.spans(2) if s["kind"] == 2)["at"]
    assert json.loads(root["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Everybody hears this"}]}]
    assert json.loads(root["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": answer["content"]}], "finish_reason": "stop"}]
    assert gw.ask("bad", "Slack is told of this one").status == 400
    assert "Slack is told" not in json.dumps(until(lambda: sink.sent("/slack")))


def test_traces_have_tool_calls_and_nothing_unless_asked(begin, sink):
    gw = begin("otel", env={CAPTURE: "span_only"})
    history = [*asked("What is it?"),
               {"role": "assistant", "content": None, "tool_calls": [
                   {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"at": 1}'}}]},
               {"role": "tool", "tool_call_id": "c1", "content": "rain"}]
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    list(gw.stream("tool", messages=history, tools=tools).chunks())
    at = next(s for s in sink.spans(2) if s["kind"] == 2)["at"]
    _, call, result = json.loads(at["gen_ai.input.messages"])
    assert call == {"role": "assistant", "parts": [
        {"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": '{"at": 1}'}]}
    assert result == {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "rain"}]}
    out = json.loads(at["gen_ai.output.messages"])[0]
    assert out["finish_reason"] == "tool_calls" and out["parts"][-1]["type"] == "tool_call"


@pytest.mark.parametrize("value", (None, "false", "event_only"))
def test_traces_have_no_texts_by_default(begin, sink, value):
    gw = begin("otel", env={CAPTURE: value} if value else {})
    assert gw.ask("m", "canary-of-a-prompt").status == 200
    assert not any("messages" in k for s in sink.spans(2) for k in s["at"])
    assert "canary-of-a-prompt" not in json.dumps(sink.sent("/v1/traces"))


def test_who_asked_and_how(begin, sink):
    """What of LiteLLM's payload is only known of a live request: plain, streamed, embedded, failed, fallen back."""
    gw = begin("generic_api", "langfuse", "datadog", more="router_settings:\n  fallbacks: [{bad: [m]}]\n  num_retries: 0\n")
    team = gw.post("/team/new", {"team_alias": "The team"}).json["team_id"]
    key = gw.key(team_id=team, max_budget=5, key_alias="the-key")
    more = {"metadata": {"tags": ["red"], "session_id": "s-1", "trace_name": "A name", "spend_logs_metadata": {"a": 1}},
            "temperature": 0.5, "seed": 7, "max_completion_tokens": 9}
    assert gw.ask("m", key=key, **more).status == 200
    assert gw.stream("m", key=key).text()
    assert gw.post("/v1/embeddings", {"model": "m", "input": "x"}, key=key).status == 200
    assert gw.ask("bad", key=key).status == 200
    assert gw.ask("none", key=key).status == 400
    rows = sink.payloads(5)
    assert all(set(r) == set(rows[0]) and set(r["metadata"]) == set(rows[0]["metadata"]) for r in rows)
    plain, stream, embedded, fallen, failed = rows
    who = plain["metadata"]
    assert (who["user_api_key_team_alias"], who["team_id"], who["user_api_key_max_budget"]) == ("The team", team, 5)
    assert who["user_api_key_spend"] >= 0 and who["requester_metadata"] == more["metadata"]
    assert who["spend_logs_metadata"] == {"a": 1} and who["usage_object"]["total_tokens"] == plain["total_tokens"] > 0
    assert plain["model_parameters"] == {"temperature": 0.5, "seed": 7, "max_completion_tokens": 9}
    assert stream["model_parameters"] == {"stream": True}
    assert stream["response_time"] == pytest.approx(stream["completionStartTime"] - stream["startTime"], abs=1e-5)
    assert plain["response_time"] == pytest.approx(plain["endTime"] - plain["startTime"], abs=1e-5)
    assert (embedded["call_type"], embedded["completion_tokens"]) == ("aembedding", 0)
    assert fallen["status"] == "success" and [t["status"] for t in fallen["attempts"]] == ["failure", "success"]
    assert plain["error_information"]["error_code"] == "" and plain["error_str"] is None
    assert failed["error_information"]["error_code"] == "400" and failed["error_information"]["error_message"]
    assert (failed["model_id"], failed["api_base"], failed["end_user"]) == ("", "", "")
    assert plain["model_map_information"]["model_map_key"] == plain["model"] == "plain"
    trace, generation = until(lambda: sink.sent("/api/public/ingestion"))[0]["batch"][:2]
    assert (trace["body"]["name"], trace["body"]["sessionId"]) == ("A name", "s-1")
    assert generation["body"]["name"] == "litellm:the-key"
    line = sink.payloads(1, "/api/v2/logs")[0]
    assert "request_tag:red" in line["ddtags"].split(",") and "team:The team" in line["ddtags"].split(",")


KINDS = {                       # model: its price, the request, and the part that its cost is
    "pics": ({"output_cost_per_image": 0.04}, "/v1/images/generations", {"prompt": "a cat", "n": 3}, "output_cost", 0.12),
    "say": ({"input_cost_per_character": 15e-6}, "/v1/audio/speech", {"input": "x" * 200, "voice": "v"}, "input_cost", 0.003),
    "embed": ({"input_cost_per_token": 1e-6}, "/v1/embeddings", {"input": "Some words"}, "input_cost", None),
    "rank": ({"input_cost_per_query": 0.002}, "/rerank", {"query": "q", "documents": ["a", "b"]}, "input_cost", 0.004),
    "text": ({"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}, "/v1/completions", {"prompt": "x"}, None, None),
}


def test_the_parts_of_each_kinds_cost_are_all_of_it(start, mock, sink):
    to = {"api_base": mock.base + "/v1", "api_key": PROVIDER_KEY}
    models = [(m, {"model": {"rank": "cohere/rerank-x", "pics": "openai/mock?size=100&nousage"}.get(m, "openai/" + m), **to,
                   **price}) for m, (price, *_) in KINDS.items()]
    models[3][1]["api_base"] = mock.base
    models.append(("hear", {"model": "openai/mock?nousage", **to, "input_cost_per_second": 0.0001}))
    gw = start(models, """litellm_settings:
  callbacks: [generic_api]
  cost_discount_config: {openai: 0.1, cohere: 0.1}
  cost_margin_config: {global: {percentage: 0.2, fixed_amount: 0.001}}
""", env=env_of(sink), workers=1)
    for m, (_, path, body, *_) in KINDS.items():
        assert gw.post(path, {"model": m, **body}).status == 200, m
    wav, head = form(("model", "hear"), ("file", bytes(2000), "a.wav"))
    assert gw.post("/v1/audio/transcriptions", wav, headers=head).status == 200
    n = len(models)
    told = {r["model_group"]: (r["cost_breakdown"], r["response_cost"]) for r in sink.payloads(n)}
    rows = {r["model_group"]: (r["metadata"]["cost_breakdown"], r["spend"]) for r in gw.spend_rows(wait_for=n)}
    assert set(told) == set(rows) == {m for m, _ in models}
    for where in (told, rows):
        for m, (parts, cost) in where.items():
            cost = float(cost)
            assert cost > 0 and parts["total_cost"] == pytest.approx(cost, abs=1e-12), m
            original = parts["input_cost"] + parts["output_cost"] + parts["tool_usage_cost"]
            assert parts["original_cost"] == pytest.approx(original, abs=1e-12), m
            rest = parts["original_cost"] - parts["discount_amount"] + parts["margin_total_amount"]
            assert rest == pytest.approx(cost, abs=2e-9) and parts["discount_percent"] == 0.1, m
            *_, part, worth = KINDS.get(m, ("input_cost", None))
            if part:
                assert original == parts[part] > 0 and (worth is None or original == pytest.approx(worth)), m


# ---- answers that are given once more -------------------------------------------------------------

ASKS = {                        # path, body, and where the words stand in what the payload has
    "chat": ("/v1/chat/completions", {"messages": asked("Once")}),
    "usage": ("/v1/chat/completions", {"messages": asked("Once"), "stream_options": {"include_usage": True}}),
    "text": ("/v1/completions", {"prompt": "Once"}),
    "messages": ("/v1/messages", {"messages": asked("Once"), "max_tokens": 9}),
    "responses": ("/v1/responses", {"input": "Once"}),
    "gemini": ("/v1beta/models/m:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "Once"}]}]}),
    "ollama": ("/api/chat", {"messages": asked("Once")}),
    "cohere": ("/v2/chat", {"messages": asked("Once")}),
}


def spoken(response):
    """What the answer says, wherever its form has it."""
    if "choices" in response:
        c = response["choices"][0]
        return c["text"] if "text" in c else c["message"]["content"]
    return "".join(p.get("text", "") for o in response["output"] for p in o.get("content", []))


def test_a_cached_answer_is_told_as_when_it_was_made(begin, sink):
    gw = begin("generic_api", more="  cache: true\n")
    n = 0
    for form, (path, body) in ASKS.items():
        for stream in (True, False):
            if form == "gemini" and not stream:
                path = "/v1beta/models/m:generateContent"
            for _ in range(2):
                a = gw.post(path, {"model": "m", "stream": stream, **body})
                assert a.status == 200, (form, a.body)
            n += 2
            made, hit = sink.payloads(n)[n - 2:]
            assert (made["cache_hit"], hit["cache_hit"], hit["stream"]) == (False, True, stream), form
            assert hit["messages"] == made["messages"] and spoken(hit["response"]) == spoken(made["response"]) != "", form
            for k in ("prompt_tokens", "completion_tokens", "model", "model_id", "custom_llm_provider", "api_base"):
                assert hit[k] == made[k], (form, k)
            assert hit["response"]["usage"] == made["response"]["usage"], form
            assert hit["response_cost"] == 0 and hit["saved_cache_cost"] == made["response_cost"]
            assert hit["cache_key"] == a.headers["x-litellm-cache-key"] == made["cache_key"]


@pytest.mark.parametrize("stream", (True, False))
def test_who_joins_another_one_is_told_of_with_its_answer(begin, sink, stream):
    gw = begin("generic_api", more="router_settings: {single_flight: true}\n")
    ask = {"model": "slow", "stream": stream, "messages": asked("All of you")}
    threads = [threading.Thread(target=gw.post, args=("/v1/chat/completions", ask)) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    rows = sink.payloads(3)
    assert sorted(r["cache_hit"] for r in rows) == [False, True, True]
    assert len({spoken(r["response"]) for r in rows}) == 1 and len(said(rows[0])["content"]) > 100
    assert {r["completion_tokens"] for r in rows} == {rows[0]["completion_tokens"]} != {0}
    assert len({r["id"] for r in rows}) == 3 and [r["response_cost"] > 0 for r in rows].count(True) <= 1


@pytest.mark.parametrize("stream", (True, False))
def test_who_asks_again_with_the_same_key_is_told_of_with_its_answer(begin, sink, stream):
    gw = begin("generic_api", "otel")
    ask = {"model": "m", "stream": stream, "messages": asked("Twice")}
    for _ in range(2):
        assert gw.post("/v1/chat/completions", ask, headers={"Idempotency-Key": "the-same"}).status == 200
    made, again = sink.payloads(2)
    assert again["cache_hit"] and said(again)["content"] == said(made)["content"]
    hide = {"headers": {"Idempotency-Key": "the-same", "x-litellm-enable-message-redaction": "true"}}
    assert gw.post("/v1/chat/completions", ask, **hide).status == 200
    row = sink.payloads(3)[2]
    assert row["messages"] == asked(HIDDEN) and said(row)["content"] == HIDDEN


# ---- who is against it ---------------------------------------------------------------------------

def hidden(row):
    assert row["messages"] == asked(HIDDEN), row
    assert said(row) == {"role": "assistant", "content": HIDDEN}
    assert row["response"]["usage"]["total_tokens"] == row["total_tokens"] > 0
    return True


def test_requests_keys_and_teams_hide_theirs(begin, sink):
    gw = begin("generic_api", "langfuse", "otel", "datadog_llm_observability", env={CAPTURE: "true"})
    secret = "canary-" + secrets.token_hex(8)
    team = gw.post("/team/new", {"metadata": {"turn_off_message_logging": True}}).json["team_id"]
    ways = [{"headers": {"x-litellm-enable-message-redaction": "true"}}, {"turn_off_message_logging": True},
            {"headers": {"litellm-enable-message-redaction": "true"}},
            {"key": gw.key(metadata={"turn_off_message_logging": True})},
            {"key": gw.key(team_id=team)},
            {"key": gw.key(metadata={"logging": [{"callback_name": "generic_api", "callback_type": "success",
                                                  "callback_vars": {"turn_off_message_logging": "true"}}]})}]
    for n, way in enumerate(ways, 1):
        assert gw.ask("m", secret, **way).status == 200
        assert hidden(sink.payloads(n)[n - 1]), way
    gw.stream("m", secret, **ways[0]).text()
    n += 1
    assert hidden(sink.payloads(n)[n - 1])
    assert gw.ask("m", secret, key=gw.key(metadata={"no-log": True})).status == 200
    n += 1
    row = sink.payloads(n)[n - 1]
    assert row["messages"] is None and row["response"] is None
    assert gw.ask("m", secret, **{"no-log": True}).status == 200       # nobody is told of it at all
    assert gw.ask("m", "The last one").status == 200
    n += 1
    assert sink.payloads(n)[n - 1]["messages"] == asked("The last one")
    until(lambda: sum(len(b["batch"]) for b in sink.sent("/api/public/ingestion")) >= 2 * n)
    assert sink.sent("/api/public/ingestion")[0]["batch"][1]["body"]["output"] == {"role": "assistant", "content": HIDDEN}
    sink.spans(2 * n)
    told = until(lambda: (s := [x for b in sink.sent("/api/intake/llm-obs/v1/trace/spans")
                                for x in b["data"]["attributes"]["spans"]]) and len(s) >= n and s)
    assert told[0]["meta"]["input"]["messages"] == asked(HIDDEN)
    assert secret not in json.dumps(sink.bodies) and secret not in gw.logs()


def test_the_configuration_hides_all_but_those_that_object(begin, sink):
    gw = begin("generic_api", more="  turn_off_message_logging: true\n")
    assert gw.ask("m", "One").status == 200
    assert gw.ask("m", "Two", headers={"litellm-disable-message-redaction": "true"}).status == 200
    assert gw.ask("m", "Three", headers={"x-litellm-disable-message-redaction": "true"}).status == 200
    assert gw.ask("m", "Four", turn_off_message_logging=False).status == 200
    key = gw.key(metadata={"turn_off_message_logging": True})
    assert gw.ask("m", "Five", key=key, turn_off_message_logging=False).status == 200
    rows = sink.payloads(5)
    assert hidden(rows[0]) and hidden(rows[4])
    assert [r["messages"] for r in rows[1:4]] == [asked("Two"), asked("Three"), asked("Four")]


def _llm_spans(sink):
    return [s for b in sink.sent("/api/intake/llm-obs/v1/trace/spans") for s in b["data"]["attributes"]["spans"]]


def test_settings_of_one_callback_hide_nothing_from_another(begin, sink):
    more = ("  datadog_params: {turn_off_message_logging: true}\n"
            "  datadog_llm_observability_params: {turn_off_message_logging: true}\n"
            "callback_settings:\n  otel: {message_logging: true}\n")
    gw = begin("generic_api", "otel", "datadog", "datadog_llm_observability", more=more)
    assert gw.ask("m", "canary-of-a-prompt").status == 200
    assert sink.payloads(1)[0]["messages"] == asked("canary-of-a-prompt")
    at = next(s for s in sink.spans(2) if s["kind"] == 2)["at"]
    assert "canary-of-a-prompt" in at["gen_ai.input.messages"] and at["gen_ai.output.messages"]
    assert hidden(json.loads(sink.payloads(1, "/api/v2/logs")[0]["message"]))
    assert until(lambda: _llm_spans(sink))[0]["meta"]["input"]["messages"] == asked(HIDDEN)
    gw.write([], raw=gw.config.read_text().replace("message_logging: true}", "message_logging: false}"))
    gw.ctl("reload")                         # all of them the other way round
    assert gw.ask("m", "canary-of-another").status == 200
    assert not any("messages" in k for s in sink.spans(4)[2:] for k in s["at"])
    assert "canary-of-another" in sink.payloads(2, "/api/v2/logs")[1]["message"]
    assert "canary-of-another" in json.dumps(until(lambda: (s := _llm_spans(sink)) and len(s) > 1 and s[1]))


def test_a_payload_without_some_fields(begin, sink):
    fields = ["messages", "model_id", "requester_ip_address", "no_such_field"]
    gw = begin("generic_api", "langfuse", "langsmith", "datadog_llm_observability",
               more=f"  standard_logging_payload_excluded_fields: {json.dumps(fields)}\n")
    assert "no field 'no_such_field'" in gw.logs()
    assert gw.ask("m", "canary-of-a-prompt").status == 200
    row = sink.payloads(1)[0]
    assert not set(fields) & set(row) and row["model_group"] == "m" and said(row)["content"]
    body = until(lambda: sink.sent("/api/public/ingestion"))[0]["batch"][1]["body"]
    assert body["input"]["messages"] is None and body["output"]["content"] == said(row)["content"]
    run = until(lambda: sink.sent("/runs/batch"))[0]["post"][0]
    assert "model_id" not in run["extra"]["payload"] and run["extra"]["payload"]["model_group"] == "m"
    until(lambda: _llm_spans(sink))
    assert "canary-of-a-prompt" not in json.dumps(sink.bodies)


def test_providers_never_see_the_switch(begin, sink, mock):
    gw = begin("generic_api")
    assert gw.ask("m", "x", turn_off_message_logging=True).status == 200
    assert "turn_off_message_logging" not in json.dumps(mock.log())


# ---- of a key's own ------------------------------------------------------------------------------

def test_a_keys_own_callback_is_told_and_the_key_beside_it_is_not(begin, sink):
    # otel wants records, and no texts
    gw = begin("otel", more="server: {allow-private: [127.0.0.1]}\n")
    own = [{"callback_name": "generic_api", "callback_type": "success",
            "callback_vars": {"generic_logger_endpoint": sink.base + "/own"}}]
    team = gw.post("/team/new", {"metadata": {"logging": own}}).json["team_id"]
    assert gw.ask("m", "Not this", key=gw.key()).status == 200
    assert gw.ask("m", "But this", key=gw.key(metadata={"logging": own})).status == 200
    gw.stream("echo", "And that", key=gw.key(team_id=team)).text()
    rows = sink.payloads(2, "/own")
    assert [r["messages"] for r in rows] == [asked("But this"), asked("And that")]
    assert said(rows[1])["content"] == "And that"
    sink.spans(6)
    assert not any(t in json.dumps(sink.sent("/v1/traces")) for t in ("Not this", "But this", "And that"))


# ---- how much ------------------------------------------------------------------------------------

def test_long_texts_are_cut_and_the_payload_says_so(begin, sink):
    gw = begin("generic_api", "datadog", "langfuse", more="server:\n  texts: {max-text: 2k}\n")
    assert gw.ask("m", "ä" * 5000).status == 200
    assert gw.stream("echo", "word " * 2000).text()
    for rows in (sink.payloads(2), [json.loads(r["message"]) for r in sink.payloads(2, "/api/v2/logs")]):
        one, two = rows
        assert isinstance(one["messages"], str) and "bytes cut]" in one["messages"]
        assert one["texts_cut"]["prompt_bytes"] > 7000 and one["texts_cut"]["response_bytes"] == 0
        assert said(one)["content"] and len(one["messages"].encode()) < 2200
        assert two["texts_cut"]["response_bytes"] > 0 and len(json.dumps(two["response"])) < 6000
        assert said(two)["content"].startswith("word word") and said(two)["role"] == "assistant"


def test_a_queue_gets_what_a_message_holds(begin, sink):
    gw = begin("sqs", more="server:\n  texts: {max-text: 1M}\n")
    assert gw.ask("m", '"' * 300000).status == 200
    entry = until(lambda: sink.sent("/"))[0]["Entries"][0]
    body = json.loads(entry["MessageBody"])
    assert len(json.dumps(entry)) < 256 << 10 and body["texts_cut"]["prompt_bytes"] > 200000
    assert isinstance(body["messages"], str) and said(body)["content"]


def test_what_finds_no_room_is_lost_and_counted_and_no_request_is(begin, sink):
    """The master sleeps while more is said than the ring holds."""
    gw = begin("generic_api", more="server:\n  texts: {max-text: 1M}\n")
    master = gw.process.pid
    os.kill(master, signal.SIGSTOP)
    try:
        for _ in range(9):
            assert gw.ask("m", "x" * 600000).status == 200
    finally:
        os.kill(master, signal.SIGCONT)
    rows = sink.payloads(9, timeout=30)
    lost = [r for r in rows if "texts_missing" in r]
    assert 0 < len(lost) < 9 and len(rows) == 9 and all(r["messages"] is None for r in lost)
    assert all(r["messages"] for r in rows if r not in lost)
    assert gw.metric("llmgw_export_texts_lost_total") == len(lost)


# ---- secrets, the disk, and kills ----------------------------------------------------------------

def test_secrets_are_hidden_in_texts(begin, sink):
    gw = begin("generic_api")
    key = gw.key()
    assert gw.ask("m", f"Mine is {PROVIDER_KEY}, and {key}", key=key).status == 200
    text = sink.payloads(1)[0]["messages"][0]["content"]
    assert text.startswith("Mine is ***") and PROVIDER_KEY not in text and key not in text
    assert "Mine is" not in gw.logs()


def test_what_waits_on_the_disk_is_sealed(begin, sink):
    port, secret = sink.port, "canary-" + secrets.token_hex(8)
    sink.close()
    gw = begin("generic_api")
    for n in range(3):
        assert gw.ask("m", f"{secret} {n}").status == 200
    gw.wait_log("export.failing", callback="generic_api")
    folder = gw.tmp / "state" / "export"
    until(lambda: list(folder.glob("generic_api.*.sealed")))
    gw.stop()
    files = list(folder.iterdir())
    assert files and all(f.stat().st_mode & 0o77 == 0 and secret.encode() not in f.read_bytes() for f in files)
    assert not any(b'"messages"' in f.read_bytes() for f in files)
    back = Sink(port)
    try:
        gw.start()
        rows = back.payloads(3, timeout=30)
        assert sorted(r["messages"][0]["content"] for r in rows) == [f"{secret} {n}" for n in range(3)]
        until(lambda: not list(folder.glob("generic_api.*")))
    finally:
        back.close()


def test_kills_lose_texts_at_most_and_mix_none_up(begin, sink):
    """A record is told with its own texts or with none, whoever is killed between the two; the ledger has every answer
    that was given."""
    gw, answered, stop = begin("generic_api", workers=2), {}, threading.Event()

    def ask():
        while not stop.is_set():
            mark = secrets.token_hex(8)
            with contextlib.suppress(OSError, http.client.HTTPException):
                a = gw.ask("echo", mark)
                if a.status == 200:
                    answered[a.headers["x-litellm-call-id"]] = mark
            time.sleep(0.002)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    for who in ("workers", "master", "workers", "master"):
        time.sleep(0.4)
        if who == "master":
            gw.kill()
            gw.start()
        else:
            gw.kill_workers()
    time.sleep(0.4)
    until(lambda: len(answered) > 50, 60)
    stop.set()
    for t in threads:
        t.join()
    with contextlib.closing(sqlite3.connect(f"file:{gw.tmp}/state/llmgw.db?mode=ro", uri=True)) as db:
        until(lambda: {i.replace("-", "") for i in answered} <=
              {r[0].hex() for r in db.execute("SELECT request_id FROM spend_logs")})
    assert gw.ask("echo", "after all").status == 200
    rows = until(lambda: (r := sink.payloads(1)) and any(x["messages"] == asked("after all") for x in r) and r)
    told = {r["litellm_call_id"]: r for r in rows if r["litellm_call_id"] in answered}
    assert len(told) > len(answered) / 4
    for call, row in told.items():
        if row["messages"] is not None:
            assert row["messages"] == asked(answered[call]) and said(row)["content"] == answered[call]
    assert sum(r["messages"] is not None for r in told.values()) > len(told) / 2
