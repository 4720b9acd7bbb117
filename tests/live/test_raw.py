# SPDX-License-Identifier: MIT
"""OpenAI's endpoints beside text: routed by the model's name, bytes untouched, costs by image,
second and character."""
import hashlib
import http.client
import json
import os
import time
import uuid
from decimal import Decimal

import pytest

from conftest import PRICED
from test_stream import wait

BOUNDARY = "----llmgw-test-boundary"


def form(*parts):
    """A form's bytes and type; a part is (name, value) or (name, value, filename)."""
    out = b""
    for name, value, *file in parts:
        out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if file:
            out += f'; filename="{file[0]}"\r\nContent-Type: application/octet-stream'.encode()
        out += b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def post_form(gw, path, *parts, **kw):
    body, headers = form(*parts)
    return gw.post(path, body, headers={**headers, **kw.pop("headers", {})}, **kw)


def sounds(n):
    """The bytes that the mock speaks."""
    return bytes((i * 2654435761 >> 13) & 255 for i in range(n))


def sha(b):
    return hashlib.sha256(b).hexdigest()


def params(mock, model, **more):
    return {"model": f"openai/{model}", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary", **more}


@pytest.fixture
def raw(start, mock):
    return start([
        ("mod", params(mock, "omni", input_cost_per_token=0, output_cost_per_token=0)),
        ("pics", params(mock, "mock?size=4000&nousage", output_cost_per_image=0.04)),
        ("tokenpics", params(mock, "mock?prompt=50&out=1000", input_cost_per_token=0.000005,
                             output_cost_per_image_token=0.00004, output_cost_per_token=0)),
        ("say", params(mock, "mock?size=100000", input_cost_per_character=0.000015)),
        ("hear", params(mock, "mock?out=7", input_cost_per_second=0.0001)),
        ("hear-silent", params(mock, "mock?nousage", input_cost_per_second=0.0001)),
        ("nobody-knows", params(mock, "mock?size=10&nousage")),
        ("m", params(mock, "plain", **PRICED)),
        ("mock*", params(mock, "mock*", **PRICED)),
        ("claude", {"model": "anthropic/claude-x", "api_base": mock.base, "api_key": "sk-ant-canary"}),
    ])


PATHS = ["/v1/moderations", "/v1/images/generations", "/v1/images/edits", "/v1/images/variations",
         "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations",
         "/moderations", "/images/generations", "/images/edits", "/images/variations",
         "/audio/speech", "/audio/transcriptions", "/audio/translations",
         "/openai/deployments/m/images/generations", "/openai/deployments/m/images/edits",
         "/openai/deployments/m/audio/speech", "/openai/deployments/m/audio/transcriptions",
         "/openai/deployments/m/audio/translations"]


@pytest.mark.parametrize("path", PATHS)
def test_each_path_wants_a_key_and_swaps_it(raw, mock, path):
    assert raw.post(path, {"model": "m", "input": "x"}, key=False).status == 401
    assert raw.post(path, {"model": "m", "input": "x"}, key="sk-nobody-knows-this-key").status == 401
    assert mock.log() == []
    a = raw.post(path, {"model": "m", "input": "x", "prompt": "x"})
    assert a.status == 200, a
    seen = mock.log()[-1]
    assert seen["authorization"] == "Bearer sk-upstream-canary" and seen["model"] == "plain"
    tail = path.split("/deployments/m")[-1].removeprefix("/v1")
    assert seen["path"] == "/v1" + tail


def test_moderation_needs_no_model(raw, mock):
    a = raw.post("/v1/moderations", {"input": "hello"})
    assert a.status == 200 and a.json["results"][0]["flagged"] is False
    assert json.loads(mock.log()[-1]["body"]) == {"input": "hello"}
    a = raw.post("/v1/moderations", {"input": "hello", "model": "mod"})
    assert json.loads(mock.log()[-1]["body"]) == {"input": "hello", "model": "omni"}
    rows = raw.spend_rows(wait_for=2)
    assert {r["call_type"] for r in rows} == {"amoderation"}
    assert {r["model_group"] for r in rows} >= {"mod"}


def test_images_cost_by_the_image_and_bytes_stay(raw, mock):
    k = raw.key(models=["pics"], max_budget=1)
    a = raw.post("/v1/images/generations", {"model": "pics", "prompt": "a cat", "n": 3}, key=k)
    assert a.status == 200 and len(a.json["data"]) == 3 and len(a.json["data"][0]["b64_json"]) == 4000
    assert a.headers["content-type"] == "application/json" and int(a.headers["content-length"]) == len(a.body)
    row = raw.spend_rows(wait_for=1)[0]
    assert Decimal(str(row["spend"])) == Decimal("0.12") and row["call_type"] == "aimage_generation"
    assert not row["metadata"]["unpriced"]
    # 0.12 of 1 dollar is gone: 23 more would cost 0.92
    assert raw.post("/v1/images/generations", {"model": "pics", "prompt": "x", "n": 23}, key=k).status == 429
    assert raw.post("/v1/images/generations", {"model": "pics", "prompt": "x", "n": 21}, key=k).status == 200
    assert raw.post("/v1/images/generations", {"model": "m", "prompt": "x"}, key=k).status == 403


def test_images_by_tokens(raw):
    assert raw.post("/v1/images/generations", {"model": "tokenpics", "prompt": "x"}).status == 200
    row = raw.spend_rows(wait_for=1)[0]
    assert Decimal(str(row["spend"])) == 50 * Decimal("0.000005") + 1000 * Decimal("0.00004")
    assert (row["prompt_tokens"], row["completion_tokens"]) == (50, 1000)


def test_size_and_quality_make_a_price_an_estimate(raw):
    raw.post("/v1/images/generations", {"model": "pics", "prompt": "x", "size": "1792x1024"})
    assert raw.spend_rows(wait_for=1)[0]["metadata"]["estimated"] is True


def test_what_has_no_price_says_so(raw):
    raw.post("/v1/images/generations", {"model": "nobody-knows", "prompt": "x"})
    row = raw.spend_rows(wait_for=1)[0]
    assert row["metadata"]["unpriced"] is True and float(row["spend"]) == 0


def test_speech_is_bytes_and_costs_by_the_character(raw):
    text = "Grüß Gott, 世界"
    a = raw.post("/v1/audio/speech", {"model": "say", "input": text, "voice": "alloy"})
    assert a.status == 200 and a.headers["content-type"] == "audio/mpeg"
    assert sha(a.body) == sha(sounds(100000)) and a.headers["content-length"] == "100000"
    row = raw.spend_rows(wait_for=1)[0]
    assert Decimal(str(row["spend"])) == len(text) * Decimal("0.000015") and row["call_type"] == "aspeech"


def test_transcription_reaches_the_provider_untouched_but_for_the_model(raw, mock):
    sound = os.urandom(3_000_000)
    parts = [("prompt", "names: Ælfgifu"), ("file", sound, "a.mp3"), ("model", "hear"), ("language", "en")]
    a = post_form(raw, "/v1/audio/transcriptions", *parts)
    assert a.status == 200 and a.json["text"] == "3000000 bytes"
    sent = form(*parts)[0]
    assert mock.log()[-1]["body_bytes"] == len(sent) - len("hear") + len("mock?out=7")
    assert mock.log()[-1]["model"] == "mock?out=7"
    row = raw.spend_rows(wait_for=1)[0]
    assert Decimal(str(row["spend"])) == Decimal("0.0007") and row["call_type"] == "atranscription"
    assert not row["metadata"]["estimated"]


def test_small_form_is_byte_for_byte(raw, mock):
    parts = [("model", "m"), ("file", "plain text, to be seen in the log", "a.txt"), ("n", "1")]
    assert post_form(raw, "/v1/images/variations", *parts).status == 200
    want = form(("model", "plain"), *parts[1:])[0].decode()
    assert mock.log()[-1]["body"] == want


def test_sound_of_unknown_length_is_an_estimate(raw):
    wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0" + (8000).to_bytes(4, "little") + \
        (16000).to_bytes(4, "little") + b"\2\0\x10\0data" + bytes(4) + bytes(16000 * 10 - 44)
    assert post_form(raw, "/v1/audio/transcriptions", ("model", "hear-silent"), ("file", wav, "a.wav")).status == 200
    row = raw.spend_rows(wait_for=1)[0]
    assert abs(Decimal(str(row["spend"])) - Decimal("0.001")) < Decimal("0.000001")
    assert row["metadata"]["estimated"] is True


@pytest.mark.parametrize("body", [
    b"", b"--x", f"--{BOUNDARY}\r\n".encode(), f"--{BOUNDARY}--\r\n".encode(),
    form(("model", "m"), ("model", "m2"))[0], form(("Model", "m"))[0], form(("model", ""))[0],
    form(("model", "m"))[0][:-6], form(("model", "m"))[0] + b"more",
    form(("model", "m\r\n\0"))[0],
    form(("model", "m"))[0].replace(b'name="model"', b'name="mo\\del"'),
    form(("model", "m"))[0].replace(b'name="model"', b'name="x"; name="model"'),
    form(("model", "m"))[0].replace(b'name="model"', b'name="x"; name*=utf-8\'\'model'),
    form(("model", "m"))[0].replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
])
def test_doubtful_forms_are_refused(raw, mock, body):
    a = raw.post("/v1/audio/transcriptions", body, headers=form()[1])
    assert a.status == 400 and a.json["error"]["type"] == "invalid_request_error", a
    assert mock.log() == []


@pytest.mark.parametrize("sent", ["application/json", "text/plain", "application/octet-stream", None])
def test_json_is_called_json(raw, mock, sent):
    c = raw.connect()
    c.request("POST", "/v1/moderations", '{"model":"m","input":"x"}',
              {"Authorization": f"Bearer {raw.master_key}", **({"Content-Type": sent} if sent else {})})
    assert c.getresponse().status == 200
    c.close()
    assert mock.get("/mock/log?n=1&h=*")[-1]["headers"]["content-type"] == "application/json"


def test_wrong_bodies_and_models(raw, mock):
    assert raw.post("/v1/audio/speech", {"input": "x"}).json["error"]["param"] == "model"
    assert raw.post("/v1/audio/speech", b"{", headers={}).status == 400
    assert raw.post("/v1/audio/speech", {"model": 5}).status == 400
    assert raw.post("/v1/audio/speech", {"Model": "m", "model": "m"}).status == 400
    assert raw.post("/v1/audio/speech", {"model": "unheard-of"}).status == 400
    assert raw.post("/v1/audio/speech", "model=m", headers={"Content-Type": "application/x-www-form-urlencoded"}
                    ).status == 415
    assert raw.get("/v1/audio/speech").status == 405
    a = raw.post("/v1/audio/speech", {"model": "claude", "input": "x"})
    assert a.status == 400 and "anthropic" in a.json["error"]["message"]
    assert mock.log() == []


def test_errors_are_the_clients_and_scrubbed(raw):
    once = {"x-litellm-num-retries": "0"}
    a = raw.post("/v1/images/generations", {"model": "mock?status=429&retry=3", "prompt": "x"}, headers=once)
    assert a.status == 429 and a.headers["retry-after"] == "3"
    a = raw.post("/v1/audio/speech", {"model": "mock?keyecho", "input": "x"}, headers=once)
    assert a.status == 401 and b"canary" not in a.body and "openai" in a.json["error"]["message"].lower()
    rows = raw.spend_rows(wait_for=2)
    assert all(float(r["spend"]) == 0 and r["status"] == "failure" for r in rows)


def test_retries_and_fallbacks_before_the_first_byte(start, mock):
    gw = start([("bad", params(mock, "mock?status=503", **PRICED)), ("good", params(mock, "mock?size=50", **PRICED))],
               "litellm_settings: {num_retries: 1, fallbacks: [{bad: [good]}]}\n")
    a = gw.post("/v1/audio/speech", {"model": "bad", "input": "x"})
    assert a.status == 200 and a.body == sounds(50)
    assert [e["model"] for e in mock.log()] == ["mock?status=503"] * 2 + ["mock?size=50"]
    assert a.headers["x-litellm-attempted-fallbacks"] == "1"


def test_broken_answers_are_never_whole(raw):
    for how in ("mock?size=1000&badlen", "mock?size=900000&fin=2"):
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            a = raw.post("/v1/audio/speech", {"model": how, "input": "x"}, headers={"x-litellm-num-retries": "0"})
            pytest.fail(f"{how} gave {a} of {len(a.body)} bytes")


def test_client_gone_cancels_upstream(raw, mock):
    before = mock.stats()["aborted"]
    c = raw.connect()
    c.request("POST", "/v1/audio/speech", json.dumps({"model": "mock?size=9000&trickle=5", "input": "x"}),
              {"Authorization": f"Bearer {raw.master_key}", "Content-Type": "application/json"})
    assert c.getresponse().read(20) == sounds(20)
    c.sock and c.sock.close()
    c.close()
    wait(lambda: mock.stats()["aborted"] > before)
    row = raw.spend_rows(wait_for=1)[0]
    assert row["metadata"]["cut"] is True


def test_slow_reader_bounds_memory(raw, mock):
    size = 60_000_000
    c = raw.connect()
    c.request("POST", "/v1/audio/speech", json.dumps({"model": f"mock?size={size}", "input": "x"}),
              {"Authorization": f"Bearer {raw.master_key}", "Content-Type": "application/json"})
    r = c.getresponse()
    time.sleep(0.7)
    rss = max(int(line.split()[1]) for p in raw.children() for line in open(f"/proc/{p}/status")
              if line.startswith("VmRSS"))
    assert rss < 100_000, rss
    got = hashlib.sha256()
    n = 0
    while chunk := r.read(1 << 20):
        got.update(chunk)
        n += len(chunk)
    assert n == size
    c.close()


def test_strict_durability_gives_whole_bodies(start, mock):
    gw = start([("mock*", params(mock, "mock*", **PRICED))], "server: {ledger: {durability: strict}}\n")
    for n in (0, 1, 1000, 300_000):
        a = gw.post("/v1/audio/speech", {"model": f"mock?size={n}", "input": str(uuid.uuid4())})
        assert a.status == 200 and a.body == sounds(n)
    assert len(gw.spend_rows(wait_for=4)) == 4
