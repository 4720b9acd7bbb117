# SPDX-License-Identifier: MIT
"""AWS Bedrock before a mock that checks every signature and frames its streams as AWS does."""
import json

import pytest

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CLAUDE, NOVA = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0"
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {
    "city": {"type": "string"}}}}}]
PRICES = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}


@pytest.fixture
def bedrock(start, mock):
    """bedrock(name=(model, more params)...): models of bedrock with keys that are good."""
    def begin(models, settings="", env=None, **common):
        keys = {"aws_bedrock_runtime_endpoint": mock.base, "aws_region_name": "eu-west-1", **PRICES,
                **({"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": SECRET} if not common else common)}
        return start([(n, {"model": m, **keys}) for n, m in models.items()], settings, env=env)
    return begin


def last(mock, *headers):
    return mock.get(f"/mock/log?n=1&h={','.join(headers)}")[-1]


def test_chat_is_signed_and_charged(bedrock, mock):
    gw = bedrock({"claude": f"bedrock/{CLAUDE}?prompt=100&out=20&cached=40"})
    a = gw.ask("claude", "Hello", temperature=0.5, max_tokens=50, stop=["X"])
    assert a.status == 200 and a.text == "t0 t1 t2" and a.json["choices"][0]["finish_reason"] == "stop"
    assert a.json["usage"]["prompt_tokens"] == 100 and a.json["usage"]["completion_tokens"] == 20
    assert a.json["usage"]["prompt_tokens_details"]["cached_tokens"] == 40 and a.json["model"] == "claude"
    assert a.json["usage"]["cache_read_input_tokens"] == 40 and a.json["usage"]["cache_creation_input_tokens"] == 0
    entry = last(mock, "authorization", "x-amz-date", "accept", "content-type")
    assert entry["path"].startswith("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0%3Fprompt%3D100")
    assert entry["path"].endswith("/converse")
    said = entry["headers"]["authorization"]
    assert said.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") and "/eu-west-1/bedrock/aws4_request" in said
    assert json.loads(entry["body"]) == {
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "inferenceConfig": {"temperature": 0.5, "stopSequences": ["X"], "maxTokens": 50}}
    row = gw.spend_rows(wait_for=1)[0]
    assert (row["prompt_tokens"], row["completion_tokens"]) == (100, 20)
    assert SECRET not in gw.logs() and SECRET not in gw.ctl("config", "show").stdout


CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}


def test_passed_through_signed_and_charged(bedrock, mock):
    """The mock refuses whatever is not signed as it goes out, query and escapes and all."""
    gw = bedrock({"claude": f"bedrock/{CLAUDE}", "m": f"bedrock/{NOVA}"})
    path = "/bedrock/model/" + CLAUDE.replace(":", "%3A")
    a = gw.post(path + "/converse", CONVERSE)
    assert a.status == 200 and a.json["output"]["message"]["content"], a
    row = gw.spend_rows(wait_for=1)[0]
    assert row["model"] == CLAUDE and row["completion_tokens"] == a.json["usage"]["outputTokens"] and float(row["spend"]) > 0
    s = gw.post(path + "/converse-stream", CONVERSE)
    assert s.status == 200 and s.headers["content-type"] == "application/vnd.amazon.eventstream"
    row = gw.spend_rows(wait_for=2)[0]
    assert row["completion_tokens"] > 0 and float(row["spend"]) > 0
    s = gw.post(path + "/invoke-with-response-stream", {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9,
                                                        "messages": [{"role": "user", "content": "Hi"}]})
    assert s.status == 200 and gw.spend_rows(wait_for=3)[0]["completion_tokens"] > 0
    said = last(mock, "authorization")["headers"]["authorization"]
    assert said.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") and gw.master_key not in said
    key = gw.key(models=[NOVA])
    assert gw.post(path + "/converse", CONVERSE, key=key).status in (401, 403)
    assert gw.post("/bedrock/model/" + NOVA.replace(":", "%3A") + "/converse", CONVERSE, key=key).status == 200


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_stream(bedrock, mock, model):
    gw = bedrock({"m": f"bedrock/{model}?tokens=5&think=2&prompt=10&out=7"})
    s = gw.stream("m", stream_options={"include_usage": True})
    chunks = s.chunks()
    assert s.status == 200 and last(mock)["path"].endswith("/converse-stream")
    deltas = [c["choices"][0]["delta"] for c in chunks if c["choices"]]
    assert "".join(d.get("content") or "" for d in deltas) == "t0 t1 t2 t3 t4"
    assert "".join(d.get("reasoning_content") or "" for d in deltas) == "r0 r1"
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    assert chunks[-1]["usage"]["prompt_tokens"] == 10 and chunks[-1]["usage"]["completion_tokens"] == 7


@pytest.mark.parametrize("is_stream", [False, True])
def test_tools(bedrock, mock, is_stream):
    gw = bedrock({"m": f"bedrock/{CLAUDE}?tools=2"})
    if is_stream:
        calls, args = [], {}
        for c in gw.stream("m", tools=TOOLS, tool_choice="required").chunks():
            for t in c["choices"][0]["delta"].get("tool_calls") or []:
                if t.get("id"):
                    calls.append((t["id"], t["function"]["name"]))
                args[t["index"]] = args.get(t["index"], "") + t["function"].get("arguments", "")
        args = [json.loads(args[i]) for i in sorted(args)]
    else:
        a = gw.ask("m", tools=TOOLS, tool_choice="required")
        assert a.json["choices"][0]["finish_reason"] == "tool_calls"
        calls = [(t["id"], t["function"]["name"]) for t in a.json["choices"][0]["message"]["tool_calls"]]
        args = [json.loads(t["function"]["arguments"]) for t in a.json["choices"][0]["message"]["tool_calls"]]
    assert [n for _, n in calls] == ["get_weather"] * 2 and calls[0][0] != calls[1][0]
    assert args == [{"city": "Paris"}, {"city": "Rome"}]
    sent = json.loads(last(mock)["body"])["toolConfig"]
    assert sent["toolChoice"] == {"any": {}} and sent["tools"][0]["toolSpec"]["name"] == "get_weather"
    messages = [{"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": None, "tool_calls": [{"id": calls[0][0], "type": "function", "function": {
                    "name": "get_weather", "arguments": "{\"city\":\"Paris\"}"}}]},
                {"role": "tool", "tool_call_id": calls[0][0], "content": "sunny"}]
    assert gw.post("/v1/chat/completions", {"model": "m", "messages": messages, "tools": TOOLS}).status == 200
    sent = json.loads(last(mock)["body"])["messages"]
    assert sent[1]["content"] == [{"toolUse": {"toolUseId": calls[0][0], "name": "get_weather", "input": {"city": "Paris"}}}]
    assert sent[2] == {"role": "user", "content": [{"toolResult": {"toolUseId": calls[0][0], "content": [{"text": "sunny"}]}}]}


def test_a_format_without_a_word_for_it_is_a_tool(bedrock, mock):
    gw = bedrock({"m": f"bedrock/{NOVA}?tools=1"})
    a = gw.ask("m", response_format={"type": "json_schema", "json_schema": {
        "name": "place", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}}})
    assert json.loads(a.text) == {"city": "Paris"} and a.json["choices"][0]["finish_reason"] == "stop"
    assert json.loads(last(mock)["body"])["toolConfig"]["toolChoice"] == {"tool": {"name": "structured_answer"}}


def test_embeddings(bedrock, mock):
    gw = bedrock({"titan": "bedrock/amazon.titan-embed-text-v2:0?prompt=6", "cohere": "bedrock/cohere.embed-english-v3"})
    a = gw.post("/v1/embeddings", {"model": "titan", "input": "hi", "dimensions": 4})
    assert a.status == 200 and len(a.json["data"][0]["embedding"]) == 4 and a.json["usage"]["prompt_tokens"] == 6
    entry = last(mock)
    assert entry["path"].endswith("/invoke") and json.loads(entry["body"]) == {"inputText": "hi", "dimensions": 4}
    a = gw.post("/v1/embeddings", {"model": "cohere", "input": ["a", "b"], "input_type": "search_query"})
    assert a.status == 200 and [d["index"] for d in a.json["data"]] == [0, 1] and a.json["usage"]["prompt_tokens"] > 0
    assert json.loads(last(mock)["body"]) == {"texts": ["a", "b"], "input_type": "search_query"}
    a = gw.post("/v1/embeddings", {"model": "titan", "input": ["a", "b"]})
    assert a.status == 400 and a.json["error"]["param"] == "input"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("is_stream", [False, True])
def test_invoke_speaks_anthropics_own(bedrock, mock, path, is_stream):
    gw = bedrock({"m": f"bedrock/invoke/{CLAUDE}?tokens=4&prompt=10&out=9"})
    body = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}], "stream": is_stream,
            **({"stream_options": {"include_usage": True}} if is_stream and "chat" in path else {})}
    a = gw.post(path, body, headers={"anthropic-beta": "context-1m-2025-08-07,other"})
    entry = last(mock, "anthropic-beta", "anthropic-version", "accept")
    sent = json.loads(entry["body"])
    assert a.status == 200 and entry["path"].endswith("/invoke-with-response-stream" if is_stream else "/invoke")
    assert sent["anthropic_version"] == "bedrock-2023-05-31" and not {"model", "stream"} & set(sent)
    assert not entry["headers"]
    if "messages" in path:
        assert sent["anthropic_beta"] == ["context-1m-2025-08-07", "other"]
    if not is_stream:
        assert (a.text if "chat" in path else a.json["content"][0]["text"]) == "t0 t1 t2 t3" and a.json["model"] == "m"
        return
    events = [json.loads(line[6:]) for line in a.body.decode().splitlines() if line.startswith("data: {")]
    if "chat" in path:
        text = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
        assert events[-1]["usage"]["completion_tokens"] == 9 and a.body.endswith(b"data: [DONE]\n\n")
    else:
        text = "".join(e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta")
        names = [line[7:] for line in a.body.decode().splitlines() if line.startswith("event: ")]
        assert names == [e["type"] for e in events] and names[0] == "message_start" and names[-1] == "message_stop"
        assert events[0]["message"]["model"] == "m"
    assert text == "t0 t1 t2 t3"


@pytest.mark.parametrize("keys, status, kind", [
    ({"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wrong"}, 401, "InvalidSignatureException"),
    ({"aws_access_key_id": "AKIDNOBODY", "aws_secret_access_key": SECRET}, 401, "UnrecognizedClientException"),
    ({"aws_profile_name": "nobody"}, 401, "MissingAuthenticationTokenException"),
])
def test_a_signature_that_is_no_good(bedrock, mock, keys, status, kind):
    gw = bedrock({"m": f"bedrock/{CLAUDE}"}, env={"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}, **keys)
    a = gw.ask("m")
    assert a.status == status and kind in a.json["error"]["message"], a
    assert SECRET not in a.body.decode() and "wrong" not in a.body.decode().replace("wrong key", "")


def test_other_ways_to_say_who_we_are(bedrock, mock):
    gw = bedrock({"m": f"bedrock/{CLAUDE}"}, api_key="bedrock-api-key")
    assert gw.ask("m").status == 200
    assert last(mock, "authorization", "x-amz-date")["headers"] == {"authorization": "Bearer bedrock-api-key"}
    gw = bedrock({"m": f"bedrock/{CLAUDE}"}, env={"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET,
                                                   "AWS_SESSION_TOKEN": "session"}, aws_session_name="x")
    assert gw.ask("m").status == 200
    entry = last(mock, "authorization", "x-amz-security-token")
    assert entry["headers"]["x-amz-security-token"] == "session"
    assert "x-amz-security-token" in entry["headers"]["authorization"]


@pytest.mark.parametrize("status, ours, code", [(400, 400, "BadRequestError"), (403, 403, "PermissionDenied"),
                                               (404, 404, "NotFound"), (429, 429, "RateLimit"), (503, 503, "Unavailable")])
def test_errors(bedrock, status, ours, code):
    gw = bedrock({"m": f"bedrock/{CLAUDE}?status={status}"})
    a = gw.ask("m", num_retries=0)
    assert a.status == ours and "BedrockException" in a.json["error"]["message"], a


def test_an_exception_amid_the_stream(bedrock, mock):
    gw = bedrock({"m": f"bedrock/{CLAUDE}?tokens=5&exception=2", "first": f"bedrock/{CLAUDE}?exception=0",
                  "invoke": f"bedrock/invoke/{CLAUDE}?exception=2&code=modelStreamErrorException"})
    events = list(gw.stream("m").events())
    assert "t0" in events[1] + events[0] and "[DONE]" not in events
    assert "RateLimitError" in json.loads(events[-1])["error"]["message"] and "amid the stream" in events[-1]
    a = gw.ask("first", stream=True, num_retries=0)     # nothing had gone out: a plain error
    assert a.status == 429, a
    a = gw.post("/v1/messages", {"model": "invoke", "max_tokens": 9, "stream": True,
                                 "messages": [{"role": "user", "content": "hi"}]})
    assert b"event: error" in a.body and b"message_stop" not in a.body and b"amid the stream" in a.body


@pytest.mark.parametrize("model", [f"bedrock/{CLAUDE}", f"bedrock/invoke/{CLAUDE}"])
def test_a_damaged_message_amid_the_stream(bedrock, mock, model):
    gw = bedrock({"m": f"{model}?tokens=5&garbage=2", "first": f"{model}?garbage=0", "cut": f"{model}?tokens=5&fin=2"})
    events = list(gw.stream("m").events())
    assert "damaged" not in "".join(events) and "[DONE]" not in events and "error" in json.loads(events[-1]), events
    a = gw.ask("first", stream=True, num_retries=0)
    assert a.status == 502, a
    events = list(gw.stream("cut").events())
    assert "[DONE]" not in events and "error" in json.loads(events[-1])


def test_anthropics_dialect_by_converse(bedrock, mock):
    gw = bedrock({"m": f"bedrock/{CLAUDE}?think=2"})
    a = gw.post("/v1/messages", {
        "model": "m", "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024},
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "image", "source": {
            "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}, {"type": "text", "text": "What?"}]}]})
    assert a.status == 200 and [b["type"] for b in a.json["content"]] == ["thinking", "text"], a
    assert a.json["content"][0]["signature"] == "c2lnbmF0dXJl" and a.json["stop_reason"] == "end_turn"
    assert json.loads(last(mock)["body"]) == {
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        "messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
                                                  {"text": "What?"}]}],
        "inferenceConfig": {"maxTokens": 2000},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}


def test_a_form_in_anthropics_words_is_converses(bedrock, mock):
    gw = bedrock({"m": "bedrock/us.anthropic.claude-opus-4-6-v1?json"})
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "additionalProperties": False}
    form = {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    a = gw.post("/v1/messages", {"model": "m", "max_tokens": 2000, "output_config": form, "thinking": {
        "type": "adaptive"}, "messages": [{"role": "user", "content": "hi"}]})
    assert a.status == 200 and json.loads(a.json["content"][-1]["text"])["n"] == 3, a
    sent = json.loads(last(mock)["body"])
    assert sent["additionalModelRequestFields"] == {"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}}
    assert json.loads(sent["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == schema


def test_a_region_in_the_name_and_a_model_taken_as_it_is_asked(bedrock, mock):
    gw = bedrock({"m": f"bedrock/us-east-2/{NOVA}", "any/*": "bedrock/*"}, aws_access_key_id="AKIDEXAMPLE",
                 aws_secret_access_key=SECRET, aws_region_name=None)
    assert gw.ask("m").status == 200
    assert "/us-east-2/bedrock/" in last(mock, "authorization")["headers"]["authorization"]
    assert gw.ask("any/amazon.nova-micro-v1:0").status == 200
    assert last(mock)["path"] == "/model/amazon.nova-micro-v1%3A0/converse"
    assert gw.ask("any/..").status == 400 and last(mock)["path"] == "/model/amazon.nova-micro-v1%3A0/converse"
