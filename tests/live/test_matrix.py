# SPDX-License-Identifier: MIT
"""Every client dialect x every provider x plain and stream x every feature, through the real
gateway. Both ends are judged in one neutral form (matrix.py): what the client got, and what the
provider heard."""
import json
import re

import pytest

from matrix import (ANSWERS, CANNOT, CHOOSES, CITIES, CLOCK, DEPLOYMENTS, DIALECTS, ERRORS, FAMILIES, FEATURES,
                    FORMLESS, IN_STREAM, KEY, MODELS, PLANS, PNG, PROVIDERS, REFUSES, SCHEMA, TAKES_THOUGHTS, TURNS,
                    UNSAID, WEATHER, cannot, data_uri)

SETTINGS = "router_settings: {num_retries: 0, disable_cooldowns: true}\n"
OTHERS = {"formless": "?tools=1&prompt=100&out=20"}
FAILING = {"garbage": "?garbage=1&tokens=4", "fin": "?fin=2&tokens=4", "die": "?die=2&tokens=4&gap=30",
           "nothing": "?fin=0", "event": "?errat=2&tokens=4", "first": "?errat=0",
           **{str(s): f"?status={s}" for s in ERRORS}}


def model_name(provider, what):
    return f"{provider}-{what}"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, mock_process):
    from gateway import Gateway
    models = []
    for provider, (prefix, base, _) in PROVIDERS.items():
        scripts = {f: s for f, (s, _) in FEATURES.items()} | FAILING | OTHERS
        for what, script in scripts.items():
            upstream = prefix + (MODELS.get((provider, what)) or MODELS.get((provider, "*"), "mock")) + script
            more = DEPLOYMENTS.get(provider, lambda mock, base=base: {"api_base": mock + base, "api_key": KEY})
            models.append((model_name(provider, what), {"model": upstream, **more(mock_process.base)}))
    g = Gateway(tmp_path_factory.mktemp("matrix"), models, SETTINGS, workers=1).start()
    yield g
    g.stop()


def received(mock_process):
    entry = mock_process.log(1)[-1]
    return entry, json.loads(entry["body"])


def cells(*more):
    return [pytest.param(d, p, m, *rest, id="-".join((d, p, m, *map(str, rest))))
            for d in DIALECTS for p in PROVIDERS for m in ("plain", "stream") for rest in more
            if not cannot(d, p, rest[0])]


def without(schema, words):
    if isinstance(schema, dict):
        return {k: without(v, words) for k, v in schema.items() if k not in words}
    return [without(v, words) for v in schema] if isinstance(schema, list) else schema


def ask(gateway, dialect, provider, mode, what, question):
    write, read, read_stream, read_error, _ = DIALECTS[dialect]
    path, body = write(question, model_name(provider, what), mode == "stream")
    a = gateway.post(path, body)
    if a.status != 200:
        return a, {"error": read_error(a.json)}
    return a, (read_stream(a.body) if mode == "stream" else read(a.json))


@pytest.mark.parametrize("dialect,provider,mode,feature", cells(*[(f,) for f in FEATURES]))
def test_cell(gateway, mock_process, dialect, provider, mode, feature):
    question = FEATURES[feature][1]
    mock_process.clear()
    a, got = ask(gateway, dialect, provider, mode, feature, question)
    if (provider, feature) in REFUSES:
        assert a.status == 400 and REFUSES[provider, feature] in got["error"]["message"] and not mock_process.log()
        return
    assert a.status == 200, a
    text, reasoning, calls, finish = ANSWERS[feature]
    assert got["error"] is None and got["ended"]
    if calls and provider in PLANS and dialect != "generate":
        reasoning = PLANS[provider]
    assert got["text"] == text and got["reasoning"] == reasoning
    assert got["calls"] == [("get_weather", {"city": CITIES[i]}) for i in range(calls)]
    if not cannot(dialect, provider, "ids"):
        assert len(set(got["ids"])) == calls and all(got["ids"])
    assert got["finish"] == finish and got["usage"] == (100, 20)
    prefix = DIALECTS[dialect][4]
    if prefix is not None:
        assert got["id"].startswith(prefix) and len(got["id"]) > len(prefix)
    if dialect in ("openai", "responses"):
        assert got["created"] > 1_600_000_000

    entry, body = received(mock_process)
    assert entry["stream"] == (mode == "stream")
    heard = PROVIDERS[provider][2](body)
    assert heard["text"] == question["text"]
    assert heard["system"] == question.get("system", "")
    assert heard["images"] == ([question["image"]] if "image" in question else [])
    assert heard["pdfs"] == ([question["pdf"]] if "pdf" in question else [])
    assert heard["sampling"] == {k: v for k, v in question.get("sampling", {}).items()
                                 if not cannot(dialect, provider, k)}
    offered = question.get("tools", [])
    if "choice" in question and not CHOOSES.get(provider, True):
        offered = [t for t in offered if t["name"] == question["choice"]]
    else:
        assert heard["choice"] == question.get("choice")
    assert heard["tools"] == {t["name"]: t["schema"] for t in offered}
    takes_thoughts = provider in TAKES_THOUGHTS or dialect == FAMILIES.get(provider, provider)
    assert heard["thoughts"] == ([question["thought"]] if "thought" in question and takes_thoughts else [])
    assert heard["schema"] in (question.get("schema"), without(question.get("schema"), UNSAID.get(provider, ())))
    assert heard["effort"] == question.get("effort")
    assert heard["stop"] == (["END"] if not cannot(dialect, provider, "stop") else None)
    assert heard["limit"] in (300, None, 8000)
    turns = question.get("turns", [])
    assert heard["calls"] == [(n, args) for _, calls, _ in turns for _, n, args in calls]
    assert heard["results"] == [(c[1], r) for _, calls, results in turns for c, r in zip(calls, results)]


OPENAI_TYPES = {400: "invalid_request_error", 401: "authentication_error", 429: "throttling_error",
                500: "internal_server_error", 502: "bad_gateway_error"}
ERROR_TYPES = {
    "responses": OPENAI_TYPES,
    "openai": OPENAI_TYPES,
    "anthropic": {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error",
                  500: "api_error", 502: "api_error"},
    "gemini": {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL",
               502: "INTERNAL"},
    "ollama": dict.fromkeys((400, 401, 429, 500, 502)), "generate": dict.fromkeys((400, 401, 429, 500, 502)),
    "cohere": dict.fromkeys((400, 401, 429, 500, 502)),
}


def judge_error(error, dialect, status):
    assert error["type"] == ERROR_TYPES[dialect][status]
    assert error["message"] and "canary" not in error["message"]


@pytest.mark.parametrize("dialect,provider,mode,status", cells(*[(s,) for s in ERRORS]))
def test_error(gateway, dialect, provider, mode, status):
    a, got = ask(gateway, dialect, provider, mode, str(status), {"text": "Hello"})
    assert a.status == ERRORS[status] and a.headers["content-type"].startswith("application/json")
    judge_error(got["error"], dialect, a.status)
    assert f"mock: status {status}" in got["error"]["message"]


@pytest.mark.parametrize("dialect,provider,mode,how", cells(("garbage",), ("fin",), ("die",), ("nothing",)))
def test_broken_answer(gateway, dialect, provider, mode, how):
    a, got = ask(gateway, dialect, provider, mode, how, {"text": "Hello"})
    if mode == "plain" or how == "nothing":     # nothing has been shown yet
        assert a.status == 502, a
    elif a.status == 200:
        assert not got["ended"] and got["finish"] is None
        assert got["text"] == ("t0" if how == "garbage" else "t0 t1") or how == "die" and got["text"] == "t0"
    else:       # a reset takes with it what is still on its way
        assert a.status == 502 and how == "die"
    judge_error(got["error"], dialect, 502)
    name = re.split("[_/]", PROVIDERS[provider][0])[0]
    assert name in got["error"]["message"].lower()


@pytest.mark.parametrize("dialect,provider,mode,how", [c for c in cells(("event",), ("first",)) if "stream" in c.id])
def test_error_in_a_stream(gateway, dialect, provider, mode, how):
    a, got = ask(gateway, dialect, provider, mode, how, {"text": "Hello"})
    status = IN_STREAM.get(provider, 429)
    if how == "first":          # nothing has been shown yet: it is an answer like any other
        assert a.status == status and a.headers["content-type"].startswith("application/json")
    else:
        assert a.status == 200 and got["text"] == "t0 t1" and not got["ended"] and got["finish"] is None
    judge_error(got["error"], dialect, status)
    assert "mock: it broke" in got["error"]["message"]


@pytest.mark.parametrize("dialect,mode", [(d, m) for d in DIALECTS for m in ("plain", "stream")
                                          if not cannot(d, "*", "results")])
def test_a_conversation_with_tools_moves_from_provider_to_provider(gateway, mock_process, dialect, mode):
    """Whatever ids one provider's calls have been given, all others take them back."""
    question = {"text": "Weather?", "tools": [WEATHER]}
    for first in PROVIDERS:
        _, got = ask(gateway, dialect, first, mode, "parallel", question)
        calls = [(i, n, args) for i, (n, args) in zip(got["ids"], got["calls"])]
        turns = [("Weather?", calls, ["sunny", "wet", "cold"])]
        for second, (_, _, hear) in PROVIDERS.items():
            a, again = ask(gateway, dialect, second, mode, "text", {**question, "turns": turns, "text": "So?"})
            assert a.status == 200 and again["text"] == "t0 t1 t2", (first, second, a)
            heard = hear(received(mock_process)[1])
            assert heard["results"] == [("get_weather", r) for r in turns[0][2]], (first, second)
            assert [c for c in heard["calls"]] == got["calls"]


@pytest.mark.parametrize("dialect,provider,mode,has_schema", [
    (d, p, m, s) for d in DIALECTS for p in FORMLESS for m in ("plain", "stream") for s in (True, False)
    if d != "anthropic" or (p == "bedrock" and s)])     # what is in the vendor's own words goes as it is
def test_json_of_a_provider_without_it(gateway, mock_process, dialect, provider, mode, has_schema):
    """The answer's form is a tool that must be called; what it is called with is the answer."""
    write, read, read_stream, _, _ = DIALECTS[dialect]
    path, body = write({"text": "JSON."}, model_name(provider, "formless"), mode == "stream")
    if dialect == "anthropic":
        body["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
    elif dialect == "responses":
        form = {"type": "json_schema", "name": "reply", "schema": SCHEMA}
        body["text"] = {"format": form if has_schema else {"type": "json_object"}}
    elif dialect == "openai":
        form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}
        body["response_format"] = form if has_schema else {"type": "json_object"}
    elif dialect == "gemini":
        body["generationConfig"].update(responseMimeType="application/json",
                                        **({"responseJsonSchema": SCHEMA} if has_schema else {}))
    elif dialect == "cohere":
        body["response_format"] = {"type": "json_object", **({"json_schema": SCHEMA} if has_schema else {})}
    else:
        body["format"] = SCHEMA if has_schema else "json"
    a = gateway.post(path, body)
    got = read_stream(a.body) if mode == "stream" else read(a.json)
    assert json.loads(got["text"]) == {"city": "Paris"} and not got["calls"] and got["finish"] == "stop"
    heard = PROVIDERS[provider][2](received(mock_process)[1])
    assert heard["tools"] == {heard["choice"]: SCHEMA if has_schema else {"type": "object", "properties": {}}}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_image_in_a_result_of_a_response_arrives(gateway, mock_process, provider):
    """Two results, and all that is shown stands where it tears neither from its call."""
    write = DIALECTS["responses"][0]
    _, body = write({"text": "x", "tools": [WEATHER, CLOCK], "turns": TURNS}, model_name(provider, "text"), False)
    output = next(i for i in body["input"] if i.get("type") == "function_call_output")
    output["output"] = [{"type": "input_text", "text": "see"},
                        {"type": "input_image", "image_url": data_uri(PNG)}]
    assert gateway.post("/v1/responses", body).status == 200
    heard = PROVIDERS[provider][2](received(mock_process)[1])
    assert heard["images"] == [PNG] and heard["results"] == [("get_weather", "see"), ("get_time", "noon")]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_image_in_a_result_arrives(gateway, mock_process, provider):
    """As clients that read files for a model send it: not as text, and for that call."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]}
    _, body = DIALECTS["anthropic"][0]({"text": "x", "tools": [WEATHER]}, model_name(provider, "text"), False)
    body["messages"] += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    assert gateway.post("/v1/messages", body).status == 200
    heard = PROVIDERS[provider][2](received(mock_process)[1])
    assert heard["images"] == [PNG] and heard["results"] == [("get_weather", "see")]


def test_every_exception_has_a_reason():
    for (dialect, provider, what), why in CANNOT.items():
        assert dialect in (*DIALECTS, "responses", "*") and provider in (*PROVIDERS, "*") and len(why) > 10, what
