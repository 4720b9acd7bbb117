# SPDX-License-Identifier: MIT
"""Parameters: what a provider does not take is refused by name, dropped, renamed or let through,
as table, configuration and request say; shown by what reached the provider."""
import json

import pytest

MESSAGES = [{"role": "user", "content": "x"}]


def model(mock, name, **more):
    return {"model": name, "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary", **more}


def sent(mock):
    return json.loads(mock.log()[-1]["body"])


@pytest.fixture
def gw(start, mock):
    return start([
        ("groq", model(mock, "groq/plain")),
        ("mistral", model(mock, "mistral/plain")),
        ("gpt-5", model(mock, "openai/gpt-5-mini")),
        ("gpt-5-default", model(mock, "openai/gpt-5-mini", drop_params=True, temperature=0.5, max_tokens=77)),
        ("any/*", model(mock, "openai/*")),
        ("dropping", model(mock, "groq/plain", drop_params=True)),
        ("less", model(mock, "openai/plain", additional_drop_params=["user", "tools[*].function.strict"])),
        ("more", model(mock, "groq/plain", allowed_openai_params=["logit_bias"])),
        ("quiet", model(mock, "openai/plain", additional_drop_params=["stream_options"])),
    ])


def ask(gw, name, **fields):
    return gw.post("/v1/chat/completions", {"model": name, "messages": MESSAGES, **fields})


def test_unsupported_is_a_400_that_names_it_and_reaches_nobody(gw, mock):
    a = ask(gw, "groq", logit_bias={"5": 1}, n=2)
    assert a.status == 400
    error = a.json["error"]
    assert error["code"] in ("400", "unsupported_parameter") and error["param"] in ("logit_bias", "n")
    assert error["message"].startswith("litellm.UnsupportedParamsError: groq does not support parameters: [")
    assert "'logit_bias'" in error["message"] and "'n'" in error["message"]
    assert not mock.log()
    assert ask(gw, "groq", n=1).status == 200 and sent(mock)["n"] == 1
    assert ask(gw, "groq", logit_bias=None).status == 200


def test_unsupported_is_dropped_where_so_configured(gw, mock):
    assert ask(gw, "dropping", logit_bias={"5": 1}, n=2, seed=3).status == 200
    got = sent(mock)
    assert "logit_bias" not in got and "n" not in got and got["seed"] == 3


def test_the_request_itself_can_drop_and_allow(gw, mock):
    assert ask(gw, "groq", logit_bias={"5": 1}, drop_params=True).status == 200
    assert "logit_bias" not in sent(mock) and "drop_params" not in sent(mock)
    assert ask(gw, "groq", logit_bias={"5": 1}, allowed_openai_params=["logit_bias"]).status == 200
    assert sent(mock)["logit_bias"] == {"5": 1} and "allowed_openai_params" not in sent(mock)
    assert ask(gw, "groq", seed=3, user="u", additional_drop_params=["seed"]).status == 200
    assert "seed" not in sent(mock) and sent(mock)["user"] == "u"
    for bad in ("seed", [1], ["x"] * 65):
        a = ask(gw, "groq", additional_drop_params=bad)
        assert a.status == 400 and "additional_drop_params" in a.json["error"]["param"]


def test_deployments_drop_and_allow(gw, mock):
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}
    assert ask(gw, "less", user="u", tools=[tool, tool]).status == 200
    got = sent(mock)
    assert "user" not in got and len(got["tools"]) == 2
    assert all(t["function"] == {"name": "f", "parameters": {"type": "object"}} for t in got["tools"])
    assert ask(gw, "more", logit_bias={"5": 1}).status == 200 and sent(mock)["logit_bias"] == {"5": 1}
    assert ask(gw, "more", logprobs=True).status == 400


def test_names_and_values_become_the_providers(gw, mock):
    assert ask(gw, "mistral", seed=5, max_completion_tokens=9, tool_choice="required", user="u",
               safe_prompt=True).status == 200
    got = sent(mock)
    assert got["random_seed"] == 5 and got["max_tokens"] == 9 and got["tool_choice"] == "any"
    assert got["safe_prompt"] is True and not {"seed", "max_completion_tokens", "user"} & set(got)
    s = gw.stream("mistral")
    assert "t0" in s.text() and "stream_options" not in sent(mock)


@pytest.mark.parametrize("name", ["gpt-5", "any/gpt-5-mini"])
def test_reasoning_models(gw, mock, name):
    assert ask(gw, name, max_tokens=9, temperature=1).status == 200
    got = sent(mock)
    assert got["max_completion_tokens"] == 9 and "max_tokens" not in got and got["temperature"] == 1
    a = ask(gw, name, temperature=0.2, stop="x")
    assert a.status == 400 and "['temperature', 'stop']" in a.json["error"]["message"]


def test_a_wildcard_checks_only_the_models_that_rules_are_for(gw, mock):
    assert ask(gw, "any/plain", temperature=0.2, max_tokens=9).status == 200
    assert sent(mock)["max_tokens"] == 9


def test_defaults_follow_the_same_rules(gw, mock):
    assert ask(gw, "gpt-5-default").status == 200
    got = sent(mock)
    assert got["max_completion_tokens"] == 77 and "temperature" not in got and "max_tokens" not in got
    assert ask(gw, "gpt-5-default", max_tokens=5).status == 200
    got = sent(mock)
    assert got["max_completion_tokens"] == 5 and "max_tokens" not in got


def test_stream_options_can_be_kept_from_a_provider(gw, mock):
    assert "t0" in gw.stream("quiet").text()
    assert "stream_options" not in sent(mock) and sent(mock)["stream"] is True


def test_other_dialects_follow_the_rules_too(gw, mock):
    a = gw.post("/v1/messages", {"model": "mistral", "max_tokens": 9, "messages": MESSAGES,
                                 "tools": [{"name": "f", "input_schema": {"type": "object"}}],
                                 "tool_choice": {"type": "any"}, "metadata": {"user_id": "u"}})
    assert a.status == 200, a
    got = sent(mock)
    assert got["tool_choice"] == "any" and "user" not in got and got["max_tokens"] == 9
    a = gw.post("/v1/messages", {"model": "gpt-5", "max_tokens": 9, "messages": MESSAGES, "temperature": 0.5})
    assert a.status == 400 and a.json["type"] == "error" and "temperature" in a.json["error"]["message"]


def test_drop_params_for_all(start, mock):
    gw = start([("groq", model(mock, "groq/plain"))], settings="litellm_settings: {drop_params: true}\n")
    assert ask(gw, "groq", logit_bias={"5": 1}).status == 200 and "logit_bias" not in sent(mock)


def test_modify_params_lowers_a_limit(start, mock):
    known = {"model_info": {"max_output_tokens": 500}}
    gw = start([("groq", model(mock, "groq/plain", **known)), ("unknown", model(mock, "groq/plain")),
                ("ollama", {"model": "ollama_chat/plain", "api_base": mock.base, **known})],
               settings="litellm_settings: {modify_params: true}\n")
    assert ask(gw, "groq", max_tokens=10**6).status == 200 and sent(mock)["max_tokens"] == 500
    assert ask(gw, "groq", max_tokens=7).status == 200 and sent(mock)["max_tokens"] == 7
    assert ask(gw, "ollama", max_tokens=10**6).status == 200 and sent(mock)["options"]["num_predict"] == 500
    assert ask(gw, "unknown", max_tokens=10**6).status == 200 and sent(mock)["max_tokens"] == 10**6


def test_headers_of_clients_reach_a_provider_only_where_allowed(start, mock):
    one = [("groq", model(mock, "groq/plain", extra_headers={"x-mine": "configured"}))]
    headers = {"x-tenant": "t1", "x-our-key": "sk-of-the-gateway", "x-litellm-tags": "a"}

    def got(gw, **fields):
        a = gw.post("/v1/chat/completions", {"model": "groq", "messages": MESSAGES, **fields}, headers=headers)
        names = "x-trace,x-tenant,x-mine,authorization,x-api-key,x-litellm-tags,x-our-key"
        return a, mock.get(f"/mock/log?n=1&h={names}")[0]["headers"] if a.status == 200 else None

    closed = start(one)
    a, seen = got(closed, extra_headers={"x-trace": "1"})
    assert a.status == 200 and not {"x-trace", "x-tenant"} & set(seen)
    gw = start(one, settings="general_settings:\n  forward_client_headers_to_llm_api: true\n  "
                             "litellm_key_header_name: x-our-key\n")
    headers["x-our-key"] = gw.master_key
    a, seen = got(gw, extra_headers={"x-trace": "1", "X-Mine": "client"})
    assert a.status == 200 and seen["x-trace"] == "1" and seen["x-tenant"] == "t1"
    assert seen["x-mine"] == "configured" and seen["authorization"] == "Bearer sk-upstream-canary"
    assert not {"x-our-key", "x-litellm-tags"} & set(seen)
    for name, value in (("Authorization", "Bearer x"), ("x-api-key", "k"), ("host", "h"), ("content-length", "1"),
                        ("x-bad\r\nhost", "h"), ("x-a", "b\r\nhost: h"), ("x-n", 5), ("x-amz-date", "1"), ("", "x"), ("X-Our-Key", "x")):
        a, _ = got(gw, extra_headers={name: value})
        assert a.status == 400 and a.json["error"]["param"] == "extra_headers", name
    a, _ = got(gw, extra_headers=["x"])
    assert a.status == 400 and a.json["error"]["param"] == "extra_headers"


def test_extra_body_of_a_request(gw, mock):
    assert ask(gw, "groq", extra_body={"vendor": {"a": 1.50}}).status == 200
    assert sent(mock)["vendor"] == {"a": 1.5} and "extra_body" not in sent(mock)
    for name, value in (("max_tokens", 100000), ("model", "other"), ("messages", []), ("n", 9), ("stream", True),
                        ("api_key", "x"), ("metadata", {})):
        a = ask(gw, "groq", max_tokens=5, extra_body={name: value})
        assert a.status == 400 and "extra_body" in a.json["error"]["param"], name


def test_what_a_model_takes_is_told(gw):
    def params(name):
        a = gw.get("/utils/supported_openai_params?model=" + name)
        assert a.status == 200, a
        return set(a.json["supported_openai_params"])

    assert {"temperature", "tools", "n"} <= params("groq") and "logit_bias" not in params("groq")
    assert "logprobs" not in params("openai/o3-mini") and "logprobs" in params("openai/gpt-4o")
    assert params("text-embedding-3-small") >= {"dimensions", "encoding_format"}
    a = gw.get("/utils/supported_openai_params?model=nobodys-model")
    assert a.status == 400 and a.json["error"]["param"] == "model"
    assert gw.get("/utils/supported_openai_params?model=groq", key="sk-wrong").status == 401
    assert "logit_bias" not in gw.ctl_json("models", "params", "groq")["supported_openai_params"]


def test_groups_are_told(gw):
    data = {row["model_group"]: row for row in gw.get("/model_group/info").json["data"]}
    assert data["groq"]["providers"] == ["groq"] and data["groq"]["mode"] == "chat"
    assert data["gpt-5"]["max_input_tokens"] > 100000 and data["gpt-5"]["input_cost_per_token"] > 0
    assert "logit_bias" not in data["groq"]["supported_openai_params"]
    one = gw.get("/model_group/info?model_group=mistral").json["data"]
    assert [row["model_group"] for row in one] == ["mistral"]
    assert gw.get("/model_group/info?model_group=none").status == 404
    assert "groq" in gw.ctl("models", "groups").stdout


SUPPORTS = """computer_use embedding_image_input image_input native_streaming pdf_input service_tier video_input audio_input
    prompt_caching function_calling system_messages audio_output parallel_function_calling reasoning response_schema
    tool_choice url_context vision web_search assistant_prefill""".split()


def test_what_models_can_do_is_told(start, mock):
    """Of a group, what any deployment can do, by the price table or by its own model_info, which wins."""
    def dep(name, of, **info):
        return name, model(mock, of, model_info=info)

    gw = start([
        dep("one", "openai/gpt-4o"), dep("none", "openai/nobody-knows-it"),
        dep("two", "openai/gpt-4o", supports_vision=False, supports_reasoning=True, max_input_tokens=7),
        dep("both", "openai/gpt-3.5-turbo"), dep("both", "groq/nobody-knows-it", supports_vision=True, max_output_tokens=9),
        dep("azure", "openai/my-own-name", base_model="azure/gpt-4o"), dep("drawn", "openai/dall-e-3"),
        dep("own", "openai/x", mode="ocr", supports_video_input=True, supports_pdf_input=None, supports_web_search="yes",
            cache_read_input_token_cost=5),
    ], "litellm_settings: {public_model_groups: [one]}\n")
    groups = {row["model_group"]: row for row in gw.get("/model_group/info").json["data"]}
    for row in groups.values():
        assert {n for n in row if n.startswith("supports_")} == {"supports_" + n for n in SUPPORTS}
        assert {type(row["supports_" + n]) for n in SUPPORTS} == {bool}

    def can(name):
        return {n for n in SUPPORTS if groups[name]["supports_" + n]}

    of_gpt_4o = {"pdf_input", "service_tier", "prompt_caching", "function_calling", "system_messages",
                 "parallel_function_calling", "response_schema", "tool_choice", "vision"}
    assert can("one") == of_gpt_4o and can("none") == set()
    assert can("two") == of_gpt_4o - {"vision"} | {"reasoning"} and groups["two"]["max_input_tokens"] == 7
    assert can("both") == {"function_calling", "system_messages", "prompt_caching", "tool_choice", "vision"}
    assert groups["both"]["providers"] == ["openai", "groq"] and groups["both"]["max_output_tokens"] == 4096
    assert groups["none"]["max_input_tokens"] is None and groups["none"]["max_output_tokens"] is None
    assert can("azure") >= {"vision", "function_calling"} and can("own") == {"video_input"}
    assert groups["drawn"]["mode"] == "image_generation" and groups["own"]["mode"] == "ocr"
    assert [g for g, row in groups.items() if row["is_public_model_group"]] == ["one"]
    info = {row["model_name"]: row["model_info"] for row in gw.get("/model/info").json["data"]}
    assert info["one"]["supports_vision"] is True and info["one"]["supports_audio_input"] is None
    assert info["two"]["supports_vision"] is False and info["two"]["supports_reasoning"] is True
    assert info["none"]["supports_vision"] is None and info["none"]["max_tokens"] is None
    assert info["one"]["cache_read_input_token_cost"] == 1.25e-06 and info["one"]["cache_creation_input_token_cost"] is None
    assert info["own"]["cache_read_input_token_cost"] == 5 and info["none"]["output_cost_per_image"] is None
    assert info["none"]["cache_read_input_token_cost"] is None and info["drawn"]["output_cost_per_image"] > 0
    assert info["one"]["max_tokens"] == info["one"]["max_output_tokens"] == 16384 and info["drawn"]["mode"] == "image_generation"
    assert gw.get("/public/litellm_model_cost_map").json["gpt-4o"]["supports_vision"] is True
    assert "supports_audio_input" not in gw.get("/public/litellm_model_cost_map").json["gpt-4o"]


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def structured(schema=SCHEMA):
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


@pytest.fixture
def checked(start, mock):
    """Models that answer with what they are asked, in OpenAI's format and in another."""
    return start([("echo", model(mock, "openai/mock?echo")),
                  ("ollama", {"model": "ollama_chat/mock?echo", "api_base": mock.base})],
                 settings="litellm_settings: {enable_json_schema_validation: true, num_retries: 0}\n")


@pytest.mark.parametrize("name", ["echo", "ollama"])
def test_answers_are_held_to_their_schema(checked, name):
    def say(text, **more):
        return checked.ask(name, text, response_format=structured(), **more)

    good = say('{"n": 5}')
    assert good.status == 200 and json.loads(good.text) == {"n": 5}
    for text, what in (('{"n": "5"}', "n must be a whole number"), ("{}", "n is missing"), ('{"n": 5', "is no JSON"),
                       ('{"n": 5, "m": 1}', "m is not among the properties allowed")):
        a = say(text)
        assert a.status == 502, text
        message = a.json["error"]["message"]
        assert message.startswith("litellm.JSONSchemaValidationError: model=" + name) and what in message
    assert checked.ask(name, "{}").status == 200            # nothing was promised
    assert checked.ask(name, "{}", response_format={"type": "json_object"}).status == 200


def test_streams_and_other_gateways_are_not_held_to_it(checked, start, mock):
    assert "{}" in checked.stream("echo", "{}", response_format=structured()).text()
    gw = start([("echo", model(mock, "openai/mock?echo"))])
    assert gw.ask("echo", "{}", response_format=structured()).status == 200


def test_a_misfit_goes_to_the_next_deployment(start, mock):
    gw = start([("first", model(mock, "openai/mock?echo")), ("other", model(mock, "openai/mock?json"))],
               settings="litellm_settings: {enable_json_schema_validation: true, num_retries: 0, "
                        "fallbacks: [{first: [other]}]}\n")
    schema = {"type": "object", "required": ["answer"]}
    a = gw.ask("first", '{"n": 1}', response_format=structured(schema))
    assert a.status == 200 and json.loads(a.text)["answer"] == "t0 t1 t2"


def test_a_misfit_is_paid_for_whatever_comes_after_it(start, mock):
    """Its provider has billed it: it has a row of its own, and counts in the budget."""
    price = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
    gw = start([("first", model(mock, "openai/mock?echo&prompt=100", **price)),
                ("other", model(mock, "openai/mock?json&prompt=10", **price))],
               settings="litellm_settings: {enable_json_schema_validation: true, num_retries: 1, "
                        "fallbacks: [{first: [other]}]}\n")
    k = gw.key(max_budget=1)
    schema = {"type": "object", "required": ["answer"]}
    a = gw.ask("first", '{"n": 1}', key=k, response_format=structured(schema))
    assert a.status == 200
    rows = gw.spend_rows(wait_for=3)
    misfits = [r for r in rows if r["prompt_tokens"] == 100]
    assert len(misfits) == 2 and [r["prompt_tokens"] for r in rows if r not in misfits] == [10], rows
    assert all(r["spend"] > 0.0001 for r in misfits)
    info = gw.get(f"/key/info?key={k}").json["info"]
    assert info["spend"] == pytest.approx(sum(r["spend"] for r in rows))
    a = gw.ask("first", '{"n": 1}', key=k, response_format=structured(schema), disable_fallbacks=True)
    assert a.status == 502
    rows = gw.spend_rows(wait_for=6)
    assert len([r for r in rows if r["prompt_tokens"] == 100]) == 4
    info = gw.get(f"/key/info?key={k}").json["info"]
    assert info["spend"] == pytest.approx(sum(r["spend"] for r in rows))


def test_a_dry_run_tells_what_would_be_sent_and_no_secret(gw, mock, start):
    def run(call_type, **body):
        return gw.post("/utils/transform_request", {"call_type": call_type, "request_body": body})

    a = run("completion", model="mistral", messages=MESSAGES, seed=5, user="u")
    assert a.status == 200, a
    got = a.json
    assert got["raw_request_api_base"] == mock.base + "/v1/chat/completions"
    assert got["raw_request_body"] == {"model": "plain", "messages": MESSAGES, "random_seed": 5}
    assert got["raw_request_headers"]["Content-Type"] == "application/json"
    assert got["raw_request_headers"]["Authorization"] == "********"
    assert b"sk-upstream-canary" not in a.body and not mock.log()
    a = run("aembedding", model="less", input="x")
    assert a.json["raw_request_api_base"].endswith("/v1/embeddings") and a.json["raw_request_body"]["input"] == "x"
    a = run("anthropic_messages", model="mistral", max_tokens=9, messages=MESSAGES)
    assert a.json["raw_request_body"]["max_tokens"] == 9
    assert run("completion", model="groq", messages=MESSAGES, logit_bias={"5": 1}).status == 400
    assert run("completion", model="none", messages=MESSAGES).status == 400
    assert run("completion", model="groq", messages=5).status == 400
    assert run("image_generation", model="groq").json["error"]["param"] == "call_type"
    assert gw.post("/utils/transform_request", {"call_type": "completion", "request_body": 5}).status == 400
    key = gw.key(models=["groq"])
    other = {"call_type": "completion", "request_body": {"model": "mistral", "messages": MESSAGES}}
    assert gw.post("/utils/transform_request", other, key=key).status == 403
    mocked = start([("quiet", {"model": "openai/x", "mock_response": "hi"})])
    a = mocked.post("/utils/transform_request", {"call_type": "completion",
                                                 "request_body": {"model": "quiet", "messages": MESSAGES}})
    assert a.status == 400 and "mock_response" in a.json["error"]["message"]


def test_tokens_are_counted_without_asking(gw, mock):
    def count(**body):
        a = gw.post("/utils/token_counter", body)
        assert a.status == 200, a
        assert a.json["request_model"] == "groq" and a.json["model_used"] == "plain" and a.json["error"] is False
        return a.json["total_tokens"]

    text = "The quick brown fox jumps over the lazy dog. " * 20
    one = count(model="groq", prompt=text)
    assert 150 < one < 300
    messages = [{"role": "user", "content": text}]
    assert 0 <= count(model="groq", messages=messages) - one < 20
    assert count(model="groq", messages=messages, system=text) > 1.8 * one
    assert abs(count(model="groq", contents=[{"role": "user", "parts": [{"text": text}]}]) - one) < 20
    tool = {"type": "function", "function": {"name": "f", "description": text, "parameters": {"type": "object"}}}
    assert count(model="groq", messages=messages, tools=[tool]) > 1.8 * one
    assert not mock.log()
    assert gw.post("/utils/token_counter", {"model": "groq", "messages": 5}).status == 400
    assert gw.post("/utils/token_counter", {"model": "none", "prompt": "x"}).status == 400
    assert gw.post("/utils/token_counter", {"prompt": "x"}).status == 400
