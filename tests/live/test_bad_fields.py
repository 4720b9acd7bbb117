# SPDX-License-Identifier: MIT
"""A wrong type in any field of any dialect: 400 in that dialect, with the field's name, and no
provider has been asked. What a model gave or a vendor alone knows is nobody's to judge."""
import copy
import json
import re

import pytest

from matrix import CLOCK, DIALECTS, PNG, SCHEMA, TURNS, WEATHER, cannot

# Inside of these anything may stand: schemas' own words (test_prompt_check.c has them), arguments.
FREE = re.compile(r"\.(properties|required|enum|additionalProperties|content\.\d+\.input|arguments|args|response|num_ctx|"
                  r"metadata\.a)(\.|$)")
FULL = {"text": "Hello", "system": "Be brief.", "image": PNG, "tools": [WEATHER, CLOCK], "schema": SCHEMA,
        "effort": "medium", "turns": TURNS}
WRONG = {str: 7, int: "x", float: "x", bool: "x", dict: 7, list: 7}


def fields(value, at=()):
    """Every place in a body and what stands there."""
    yield at, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for k, v in items:
        yield from fields(v, (*at, k))


def replaced(body, at, value):
    whole = copy.deepcopy(body)
    inner = whole
    for k in at[:-1]:
        inner = inner[k]
    inner[at[-1]] = value
    return whole


def name_of(at):
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in at).lstrip(".")


@pytest.fixture
def gw(start, mock):
    return start([("m", "plain")])


MORE = {"responses": {"temperature": 0.5, "top_p": 1, "user": "u", "parallel_tool_calls": True, "truncation": "auto",
                      "metadata": {"a": "b"}, "tool_choice": "auto"},
        "openai": {"temperature": 0.5, "top_p": 1, "seed": 3, "n": 1, "user": "u", "presence_penalty": 0,
                   "frequency_penalty": 0, "parallel_tool_calls": True, "tool_choice": "auto", "logprobs": False,
                   "metadata": {"a": "b"}, "service_tier": "auto", "store": False},
        "anthropic": {"temperature": 0.5, "top_p": 1, "top_k": 3, "metadata": {"user_id": "u"},
                      "tool_choice": {"type": "auto"}, "service_tier": "auto"},
        "gemini": {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}},
        "cohere": {"temperature": 0.5, "p": 1, "k": 3, "seed": 3, "n": 1, "presence_penalty": 0, "frequency_penalty": 0,
                   "tool_choice": "REQUIRED", "strict_tools": True, "safety_mode": "OFF", "logprobs": False,
                   "citation_options": {"mode": "OFF"}, "documents": ["d"]},
        "ollama": {"truncate": True}, "generate": {"truncate": True, "raw": False, "template": "t", "suffix": ""}}


def all_of(dialect):
    return {k: v for k, v in FULL.items() if k not in ("tools", "turns") or not cannot(dialect, "*", "tools")}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_wrong_types(gw, mock, dialect):
    write, _, _, read_error, _ = DIALECTS[dialect]
    path, body = write(all_of(dialect), "m", False)
    body.update(MORE[dialect])
    assert gw.post(path, body).status == 200
    mock.clear()
    let_through, tried = [], 0
    for at, value in fields(body):
        if not at or value is None or FREE.search("." + ".".join(map(str, at)) + "."):
            continue
        if dialect == "openai" and at[-1] == "image_url":
            continue                    # a bare string is allowed, too, and a number is tried within
        tried += 1
        a = gw.post(path, replaced(body, at, WRONG[type(value)]))
        if a.status != 400:
            let_through.append((name_of(at), value if len(str(value)) < 40 else "...", a.status))
            continue
        error = read_error(a.json)
        plain = re.sub(r"\[\d+\]", "", error["message"])
        name = [k for k in at if isinstance(k, str)][-1]
        assert name in plain, (name_of(at), error)
        if error["param"] is not None:
            assert error["param"].startswith(str(at[0])), (name_of(at), error)
    assert not let_through and tried > (10 if cannot(dialect, "*", "tools") else 30)
    assert not mock.log()


REFUSED = {     # what is of the right type and wrong all the same: how, and the place that is named
    "no call": (lambda q: {**q, "turns": [("Where?", [("call_a1", "get_weather", {})], ["x"])]}, None),
    "not base64": (lambda q: {**q, "image": "no*base64"}, None),
    "no schema": (lambda q: {**q, "schema": {"type": "thing"}}, "type"),
    "no tool schema": (lambda q: {**q, "tools": [{**WEATHER, "schema": {"type": "object", "properties": 7}}]},
                       "properties"),
    "no tool name": (lambda q: {**q, "tools": [{**WEATHER, "name": "get weather"}]}, "name"),
}


def without_calls(body):
    """The model's turns are gone; what they asked for is still answered."""
    key = "contents" if "contents" in body else "messages"
    key = "input" if "input" in body else key
    body[key] = [m for m in body[key]
                 if m.get("role") not in ("assistant", "model") and m.get("type") != "function_call"]
    return body


@pytest.mark.parametrize("dialect,how", [(d, h) for d in DIALECTS for h in REFUSED
                                         if not (cannot(d, "*", "tools") and ("call" in h or "tool" in h))])
def test_what_no_provider_would_take(gw, mock, dialect, how):
    write, _, _, read_error, _ = DIALECTS[dialect]
    change, place = REFUSED[how]
    path, body = write(change({"text": "Hello"}), "m", False)
    if how == "no call":
        body = without_calls(body)
        place = {"responses": "call_id", "openai": "tool_call_id", "anthropic": "tool_use_id", "gemini": "parts[0]",
                 "ollama": "messages[1]", "cohere": "tool_call_id"}[dialect]
    if how == "not base64":
        place = {"responses": "image_url", "openai": "image_url.url", "anthropic": "source.data",
                 "gemini": "inlineData.data", "cohere": "image_url.url",
                 "ollama": "images[0]", "generate": "images[0]"}[dialect]
    a = gw.post(path, body)
    assert a.status == 400, a
    error = read_error(a.json)
    assert place in error["message"], error
    assert error["type"] in ("invalid_request_error", "INVALID_ARGUMENT", None)
    assert not mock.log()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_unknown_model(gw, mock, dialect, stream):
    write, _, _, read_error, _ = DIALECTS[dialect]
    path, body = write({"text": "Hello"}, "nobody", stream)
    a = gw.post(path, body)
    assert a.status == 400 and "nobody" in read_error(a.json)["message"]
    a = gw.post(path, json.dumps(body)[:-1])
    assert a.status == 400 and "JSON" in read_error(a.json)["message"]
    assert not mock.log()
