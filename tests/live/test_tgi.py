# SPDX-License-Identifier: MIT
"""Text Generation Inference: prompts in its own format, chats in the copy of OpenAI's; and the
providers whose paths or headers are others than OpenAI's."""
import json

import pytest


@pytest.fixture
def gw(start, mock):
    key = {"api_key": "sk-upstream-canary", "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
    return start([("tgi", {"model": "tgi/plain", "api_base": mock.base + "/v1/chat/completions", **key}),
                  ("mock*", {"model": "predibase/mock*", "api_base": mock.base, **key}),
                  ("fim", {"model": "text-completion-codestral/plain", "api_base": mock.base + "/v1", **key}),
                  ("hf", {"model": "huggingface/plain", "api_base": mock.base, **key}),
                  ("robot", {"model": "datarobot/plain", "api_base": mock.base, **key}),
                  ("sarvam", {"model": "sarvam/plain", "api_base": mock.base + "/v1", **key}),
                  ("cloud", {"model": "cloudflare/@cf/plain", "api_base": mock.base + "/ai/run/", **key})])


def complete(gw, model, prompt="Once", **more):
    return gw.post("/v1/completions", {"model": model, "prompt": prompt, **more})


def test_a_prompt(gw, mock):
    a = complete(gw, "tgi", max_tokens=5, temperature=0, stop="x")
    assert a.status == 200 and a.json["choices"] == [
        {"index": 0, "text": "t0 t1 t2", "logprobs": None, "finish_reason": "stop"}]
    entry = mock.log()[-1]
    assert entry["path"] == "/generate" and json.loads(entry["body"]) == {
        "inputs": "Once", "parameters": {"max_new_tokens": 5, "do_sample": False, "stop": ["x"], "details": True}}
    assert a.json["usage"]["completion_tokens"] == 3 and float(a.headers["x-litellm-response-cost"]) > 6e-6


def test_a_stream(gw, mock):
    s = gw.stream("mock?tokens=4", path="/v1/completions", prompt="Once", messages=None,
                  stream_options={"include_usage": True})
    chunks = s.chunks()
    assert "".join(c["choices"][0]["text"] for c in chunks if c["choices"]) == "t0 t1 t2 t3"
    assert chunks[-1]["usage"]["completion_tokens"] == 4
    assert mock.log()[-1]["path"] == "/mock%3Ftokens%3D4/generate_stream"


def test_a_chat(gw, mock):
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    assert gw.ask("tgi", response_format=form).text == "t0 t1 t2"
    entry = mock.log()[-1]
    assert entry["path"] == "/v1/chat/completions"
    assert json.loads(entry["body"])["response_format"] == {"type": "json_object", "value": {"type": "object"}}
    assert gw.stream("tgi").text() == "t0 t1 t2"


@pytest.mark.parametrize("status, kind", [(422, "invalid_request_error"), (429, "throttling_error"),
                                          (424, "internal_server_error")])
def test_errors(gw, status, kind):
    a = complete(gw, f"mock?status={status}", num_retries=0)
    assert a.status == (500 if status == 424 else status) and a.json["error"]["type"] == kind


def test_what_tgi_cannot_do(gw, mock):
    for more, param in (({"suffix": "b"}, "suffix"), ({"n": 2}, "n"), ({"prompt": ["a", "b"]}, "prompt")):
        a = complete(gw, "tgi", **more)
        assert a.status == 400 and a.json["error"]["param"] == param
    assert not mock.log()


@pytest.mark.parametrize("how", ["die=2", "fin=2", "garbage=2", "nodone"])
def test_a_broken_stream_has_no_good_end(gw, how):
    s = gw.stream(f"mock?tokens=6&gap=5&{how}", path="/v1/completions", prompt="Once", messages=None)
    events = list(s.events())
    assert "[DONE]" not in events and "error" in json.loads(events[-1])


# ---- others: the same wire, another path or header

def test_fill_in_the_middle(gw, mock):
    a = complete(gw, "fim", "def f(", suffix="return x")
    entry = mock.log()[-1]
    assert entry["path"] == "/v1/fim/completions" and json.loads(entry["body"])["suffix"] == "return x"
    assert a.status == 200 and a.json["object"] == "text_completion" and a.json["choices"][0]["text"] == "t0 t1 t2"
    a = gw.ask("fim")
    assert a.status == 400 and a.json["error"]["param"] == "messages"


@pytest.mark.parametrize("model, path", [("hf", "/v1/chat/completions"), ("cloud", "/ai/v1/chat/completions"),
                                         ("sarvam", "/v1/chat/completions"),
                                         ("robot", "/api/v2/genai/llmgw/chat/completions/")])
def test_paths_of_chats(gw, mock, model, path):
    gw.ask(model, num_retries=0)
    assert mock.log()[-1]["path"] == path


def test_sarvam_has_its_own_header(gw, mock):
    assert gw.ask("sarvam").status == 200
    entry = mock.get("/mock/log?n=1&h=api-subscription-key,authorization")[-1]
    assert entry["headers"] == {"api-subscription-key": "sk-upstream-canary"}


# ---- Replicate

@pytest.fixture
def rep(start, mock):
    return start([("mock*", {"model": "replicate/owner/mock*", "api_base": mock.base + "/v1", "api_key": "sk-up",
                             "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002})])


def test_a_prediction(rep, mock):
    a = rep.ask("mock?tokens=2", max_tokens=7, stop=["a", "b"])
    assert a.status == 200 and a.text == "t0 t1" and a.json["usage"]["completion_tokens"] == 2
    entry = mock.get("/mock/log?n=1&h=prefer")[-1]
    assert entry["headers"] == {"prefer": "wait"} and entry["path"] == "/v1/models/owner/mock%3Ftokens%3D2/predictions"
    assert json.loads(entry["body"]) == {"input": {"prompt": "Hello", "max_new_tokens": 7, "stop_sequences": "a,b"}}


def test_a_prediction_as_a_stream(rep):
    s = rep.stream("mock?tokens=2", stream_options={"include_usage": True})
    events = list(s.events())
    assert s.status == 200 and events[-1] == "[DONE]"
    assert json.loads(events[-2])["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("how, status", [("nodone", 408), ("status=429", 429), ("status=500", 500), ("garbage=0", 502)])
def test_a_prediction_that_fails(rep, how, status):
    a = rep.ask(f"mock?{how}", num_retries=0)
    assert a.status == status and a.json["error"]["message"]
