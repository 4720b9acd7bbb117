# SPDX-License-Identifier: MIT
"""Answers that no library of a provider writes, byte by byte: odd heads, words behind the end, clients that read slowly."""
import http.client
import json
import socket
import threading
import time

import pytest

from gateway import MASTER_KEY

KEY = "sk-upstream-canary"
PLAIN = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "z",
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}).encode()


def chunk(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts)


def event(text=None, finish=None, **more):
    delta = {} if text is None else {"content": text}
    return b"data: %s\n\n" % json.dumps({"id": "x", "created": 1, "model": "z", **more,
                                         "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode()


def error(**words):
    return b"data: %s\n\n" % json.dumps({"error": words}).encode()


def head(*lines, type="application/json"):
    return "\r\n".join(["HTTP/1.1 200 OK", f"content-type: {type}", *lines, "", ""]).encode()


CHUNKED = "transfer-encoding: chunked"
STREAM = head(CHUNKED, type="text/event-stream")
TOLD = event("Hi") + event(finish="stop") + b"data: [DONE]\n\n"
LAST = b"0\r\n\r\n"
MANY = 300


class Odd:
    """A provider that answers a request for a model, or a path that ends so, with these bytes, or calls what it finds among them."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.base = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.answers = {}
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        with c, c.makefile("rb") as f:
            try:
                while line := f.readline():
                    fields = http.client.parse_headers(f)
                    body = f.read(int(fields.get("content-length", 0)))
                    name = json.loads(body)["model"] if body else line.split()[1].decode().rsplit("/", 1)[1]
                    for piece in self.answers[name]:
                        piece() if callable(piece) else c.sendall(piece)
            except OSError:
                pass


@pytest.fixture
def odd():
    o = Odd()
    yield o
    o.socket.close()


@pytest.fixture
def gw_of(start, odd):
    """Gives a gateway whose models m and n, and whatever is below /p, are answered by that provider."""
    def begin(server=""):
        return start([(m, {"model": f"openai/{m}", "api_base": odd.base + "/v1", "api_key": KEY}) for m in "mn"],
                     "router_settings: {num_retries: 0}\ngeneral_settings:\n  pass_through_endpoints: [{path: /p, "
                     f"target: '{odd.base}', include_subpath: true, headers: {{authorization: 'Bearer {KEY}'}}}}]\n{server}", workers=1)
    return begin


def text_of(stream):
    return "".join(json.loads(e[6:])["choices"][0]["delta"].get("content", "") for e in stream.decode().split("\n\n")
                   if e.startswith("data: {"))


def test_trailers_are_no_head(gw_of, odd):
    gw = gw_of()
    odd.answers["m"] = [head(CHUNKED) + chunk(PLAIN) + b"0\r\ncontent-encoding: gzip\r\ncontent-type: text/html\r\n"
                        b"x-request-id: late\r\n\r\n"]
    odd.answers["empty"] = [head(CHUNKED) + b"0\r\ncontent-encoding: gzip\r\nx-request-id: late\r\n\r\n"]
    a = gw.ask("m")
    assert (a.status, a.text) == (200, "Hi")
    assert gw.get("/p/m").body == PLAIN
    a = gw.get("/p/empty")
    assert (a.status, a.body) == (200, b"") and "llm_provider-x-request-id" not in a.headers


def test_nobody_changes_the_protocol_unasked(gw_of, odd):
    """libcurl takes 101 for one more word before the answer, and would wait for that."""
    gw = gw_of()
    odd.answers["m"] = [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n\0\1\2"]
    for a in (gw.ask("m", timeout=5), gw.ask("m", stream=True, timeout=5), gw.get("/p/m", timeout=5)):
        assert a.status == 502 and "another protocol" in a.json["error"]["message"]
    odd.answers["n"] = [b"HTTP/1.1 103 Early Hints\r\ncontent-encoding: gzip\r\nlink: x\r\n\r\n" + head(CHUNKED) + chunk(PLAIN) + LAST]
    assert gw.ask("n").status == 200                        # which others may say


def test_a_length_beside_chunks_says_nothing(gw_of, odd):
    gw = gw_of()
    odd.answers["before"] = [head("content-length: 5", CHUNKED) + chunk(PLAIN) + LAST]
    odd.answers["behind"] = [head(CHUNKED, "content-length: 5") + chunk(PLAIN) + LAST]
    for name in odd.answers:
        a = gw.get("/p/" + name)
        assert a.body == PLAIN and "content-length" not in a.headers


@pytest.mark.parametrize("lines,status,what", [
    (["content-encoding:"], 200, ""), (["content-encoding: identity"], 200, ""),
    (["content-encoding: gzip", "content-encoding: identity"], 502, "compressed"),
    (["x: " + "a" * 70000], 502, "longer than the gateway takes")])
def test_heads_that_are_taken_and_not(gw_of, odd, lines, status, what):
    gw = gw_of()
    odd.answers["m"] = [head(f"content-length: {len(PLAIN)}", *lines) + PLAIN]
    a = gw.ask("m")
    assert a.status == status and (status == 200 or what in a.json["error"]["message"])


@pytest.mark.parametrize("behind", [error(message="no " + KEY, type=KEY), b'data: {"no json\n\n', b'data: {"no json',
                                    event("more"), event("x" * (1 << 20))], ids=["error", "junk", "torn", "content", "large"])
def test_behind_the_end_comes_nothing(gw_of, odd, behind):
    """It is over for the client, and booked: what a provider says then is nobody's."""
    gw = gw_of()
    odd.answers["m"] = [STREAM + chunk(TOLD), chunk(behind) + LAST]
    a = gw.ask("m", stream=True)
    assert a.body.endswith(b"data: [DONE]\n\n") and text_of(a.body) == "Hi"
    gw.spend_rows(wait_for=1)
    assert gw.wait_log("request.done")["outcome"] == "OK" and not gw.records("attempt.failed")


@pytest.mark.parametrize("cut", [0, 1, 9, len(KEY) - 1])
def test_a_relayed_answer_does_not_quote_our_key(gw_of, odd, cut):
    """Byte by byte as it came but for that, and as long as it said."""
    gw = gw_of()
    def pause():
        time.sleep(0.05)                                    # so that the two are read one by one
    before, key = b'{"you": "Bearer ', KEY.encode()
    odd.answers["quote"] = [head(CHUNKED) + chunk(before + key[:cut]), pause, chunk(key[cut:] + b'", "s": "sk-') + LAST]
    odd.answers["sized"] = [head("content-length: 40") + b"a" * 20 + key[:cut], pause, key[cut:] + b"sk"]
    assert gw.get("/p/quote").body == before + b"*" * len(KEY) + b'", "s": "sk-'
    assert gw.get("/p/sized").body == b"a" * 20 + b"*" * len(KEY) + b"sk"
    odd.answers["no"] = [head("content-length: 18").replace(b"200 OK", b"400 No") + key]
    a = gw.get("/p/no")
    assert (a.status, a.body) == (400, b"***")


def test_no_word_of_an_error_shows_the_key(gw_of, odd):
    gw = gw_of()
    odd.answers["m"] = [STREAM + chunk(event("Hi")) + chunk(error(message="no " + KEY, type="x" + KEY, code="y" + KEY,
                                                                  param="z" + KEY)) + LAST]
    a = gw.ask("m", stream=True)
    assert b'"param":"z***"' in a.body and KEY.encode() not in a.body
    assert KEY not in gw.logs().split("llmgw.yaml")[-1]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/p/m"])
def test_a_slow_client_is_not_the_providers_silence(gw_of, odd, path):
    """A stream that is not read on, because its client does not take it, has not fallen silent."""
    gw = gw_of("server: {upstream: {chunk_timeout: 0.4}, stream_heartbeat: 0.1}\n")
    odd.answers["m"] = [STREAM, *[chunk(event("x" * 65000))] * MANY, chunk(event(finish="stop") + b"data: [DONE]\n\n") + LAST]
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}) if "chat" in path else ""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", gw.port))
        s.sendall(f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {MASTER_KEY}\r\n"
                  f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        time.sleep(1.5)                                     # that is what is tested: so long nothing is read
        answer = http.client.HTTPResponse(s)
        answer.begin()
        got = answer.read()
    assert text_of(got) == "x" * 65000 * MANY and got.endswith(b"data: [DONE]\n\n")
    assert not gw.records("attempt.failed")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/p/m"])
def test_silence_is_noticed_from_the_first_word_on(gw_of, odd, path):
    """Until then another limit holds, and nothing else need come that makes somebody look."""
    gw = gw_of("server: {upstream: {chunk_timeout: 0.4}, stream_heartbeat: 0}\n")
    odd.answers["m"] = [STREAM + chunk(event("Hi")), threading.Event().wait]
    began = time.monotonic()
    if path == "/p/m":
        with pytest.raises(http.client.IncompleteRead):
            gw.get(path, timeout=20)
    else:
        assert b"the stream fell silent" in gw.ask("m", stream=True, timeout=20).body
    assert time.monotonic() - began < 10
    gw.wait_log("attempt.failed", outcome="UP_TIMEOUT")


SPEECH = "/v1/audio/speech"


@pytest.mark.parametrize("path,more", [("/v1/chat/completions", {}), ("/v1/chat/completions", {"stream": True}),
                                       (SPEECH, {"input": "x", "voice": "y"})])
def test_who_is_in_a_hurry_has_nobody_left_alone(start, mock, path, more):
    """A limit in time that a client asks for says nothing of a deployment; the configured one does."""
    def ask(gw, model, **limit):
        return gw.post(path, {"model": model, "messages": [{"role": "user", "content": "x"}], **more}, **limit)
    gw = start([("slow", "slow?ttft=400"), ("dead", {"model": "openai/dead?ttft=5000", "api_base": mock.base + "/v1", "timeout": 0.1})],
               "router_settings: {num_retries: 0, allowed_fails: 1, cooldown_time: 60}\n", workers=1)
    for _ in range(5):
        assert ask(gw, "slow", headers={"x-litellm-timeout": "0.05"}).status == 408
    a = ask(gw, "slow")
    assert a.status == 200, a
    assert 503 in [ask(gw, "dead", headers={"x-litellm-timeout": "0.2"}).status for _ in range(5)]


def test_a_limit_that_is_learned_is_none_for_what_is_relayed(start, mock):
    gw = start([("m", {"model": "openai/late?ttft=100", "api_base": mock.base + "/v1", "api_key": "x", "timeout": "auto"})],
               "router_settings: {num_retries: 0}\n", workers=1)
    assert gw.post(SPEECH, {"model": "m", "input": "x", "voice": "y"}).status == 200
