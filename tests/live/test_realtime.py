# SPDX-License-Identifier: MIT
"""WebSockets to realtime models: checked, routed, keys swapped, frames untouched both ways, spend
from what the provider says at the end of each response. The provider is one of this file's own."""
import base64
import contextlib
import hashlib
import http.client
import json
import os
import socket
import struct
import threading
import time
from decimal import Decimal

import pytest

from conftest import PRICED
from test_stream import wait

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
REALTIME = {**PRICED, "input_cost_per_audio_token": 0.00001, "output_cost_per_audio_token": 0.00002}


class Peer:
    """One end of a WebSocket; a client masks."""

    def __init__(self, sock, masks, early=b""):
        self.sock, self.masks, self.buffer = sock, masks, early

    def exactly(self, n):
        while len(self.buffer) < n:
            chunk = self.sock.recv(65536)
            if not chunk:
                raise EOFError
            self.buffer += chunk
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def send(self, payload, op=1, fin=True):
        head = bytes([op | (0x80 if fin else 0)])
        n, mask = len(payload), 0x80 if self.masks else 0
        head += bytes([mask | n]) if n < 126 else bytes([mask | 126]) + struct.pack(">H", n) if n < 65536 else \
            bytes([mask | 127]) + struct.pack(">Q", n)
        if self.masks:
            key = os.urandom(4)
            head += key
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes((key * (n // 4 + 1))[:n], "big")
                       ).to_bytes(n, "big")
        self.sock.sendall(head + payload)

    def recv(self):
        """(opcode, payload) of a frame."""
        first, second = self.exactly(2)
        n = second & 127
        if n == 126:
            n, = struct.unpack(">H", self.exactly(2))
        elif n == 127:
            n, = struct.unpack(">Q", self.exactly(8))
        key = self.exactly(4) if second & 128 else None
        payload = self.exactly(n)
        if key:
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes((key * (n // 4 + 1))[:n], "big")
                       ).to_bytes(n, "big")
        return first & 15, payload

    def tell(self, **event):
        self.send(json.dumps(event).encode())

    def hear(self):
        return json.loads(self.recv()[1])


class Provider:
    """Speaks some realtime events; what the model's name says it does."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heads, self.gone = [], 0
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, EOFError), sock:
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            head, _, rest = data.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            headers = dict(x.lower().split(": ", 1) for x in lines[1:])
            key = next(x.split(": ")[1] for x in lines if x.lower().startswith("sec-websocket-key"))
            self.heads.append((lines[0], headers))
            model = lines[0].split("model=")[1].split()[0].split("&")[0]
            if model == "refuse":
                body = b'{"error":{"message":"bad key sk-upstream-canary","type":"invalid_request_error"}}'
                sock.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                return
            if model == "refuse-chunked":
                sock.sendall(b'HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n25\r\n{"error":{"message":"no model of mine"}}')
                sock.recv(1)
                return
            if model == "nonsense":
                sock.sendall(b"HTTP/1.1 101 Fine\r\nX\r\n\r\n")
                return
            if model == "silent":
                sock.recv(1)
                return
            accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
            extra = "Sec-WebSocket-Protocol: realtime\r\n" if "realtime" in headers.get("sec-websocket-protocol", "") else ""
            peer = Peer(sock, False, rest)
            hello = json.dumps({"type": "session.created", "session": {"model": model}}).encode()
            sock.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         f"Sec-WebSocket-Accept: {accept}\r\n{extra}\r\n".encode() + bytes([0x81, len(hello)]) + hello)
            try:
                while self.event(peer):
                    pass
            except (OSError, EOFError):
                self.gone += 1

    def event(self, peer):
        op, payload = peer.recv()
        if op == 8:
            peer.send(payload, 8)
            return False
        if op != 1:
            peer.send(payload, op)
            return True
        event = json.loads(payload)
        if event["type"] == "response.create":
            usage = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10,
                     "input_token_details": {"text_tokens": 12, "audio_tokens": 8, "cached_tokens": 0},
                     "output_token_details": {"text_tokens": 4, "audio_tokens": 6}}
            done = json.dumps({"type": "response.done", "response": {"usage": usage}}).encode()
            peer.tell(type="response.output_text.delta", delta="hi")
            peer.send(done[:20], 1, fin=False)          # in fragments, with a ping in the midst
            peer.send(b"!", 9)
            peer.send(done[20:], 0)
        elif event["type"] == "flood":
            for _ in range(event["n"]):
                peer.send(bytes(60000), 2)
        elif event["type"] == "bye":
            return False
        else:
            peer.send(payload)
        return True

    def close(self):
        self.listener.close()


@pytest.fixture
def provider():
    p = Provider()
    yield p
    p.close()


@pytest.fixture
def gw(start, provider):
    def model(name, **more):
        return {"model": f"openai/{name}", "api_base": provider.base, "api_key": "sk-upstream-canary" + "-refused" * (name == "refuse"), **more}
    return start([("rt", model("gpt-realtime", **REALTIME)), ("rt*", model("*")), ("no-ws", {"model": "anthropic/x", "api_key": "k"}),
                  ("refused", model("refuse")), ("chunked", model("refuse-chunked")), ("nonsense", model("nonsense")), ("silent", model("silent")),
                  ("nobody", {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "k"})],
                 "router_settings: {num_retries: 0}\nserver: {upstream: {first_token_timeout: 1, chunk_timeout: 2}}\n")


def handshake(gw, path="/v1/realtime?model=rt", key=None, headers=None, drop=()):
    nonce = base64.b64encode(os.urandom(16)).decode()
    head = {"Host": "x", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": nonce, "Authorization": f"Bearer {key or gw.master_key}", **(headers or {})}
    sock = socket.create_connection(("127.0.0.1", gw.port), timeout=20)
    lines = "".join(f"{k}: {v}\r\n" for k, v in head.items() if k not in drop)
    sock.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        assert chunk, data
        data += chunk
    first, _, early = data.partition(b"\r\n\r\n")
    lines = first.decode().split("\r\n")
    status, answer = int(lines[0].split()[1]), dict(x.lower().split(": ", 1) for x in lines[1:])
    if status == 101:
        want = base64.b64encode(hashlib.sha1(nonce.encode() + GUID).digest()).decode()
        assert want.lower() == answer["sec-websocket-accept"]
    return status, answer, Peer(sock, True, early)


def refused(gw, **kw):
    status, headers, peer = handshake(gw, **kw)
    body = json.loads(peer.exactly(int(headers["content-length"])))
    peer.sock.close()
    return status, body["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/realtime?model=rt", "/realtime?model=rt", "/openai/realtime?deployment=rt",
                                  "/openai/v1/realtime?model=rt&intent=transcription"])
def test_a_session(gw, provider, path):
    status, headers, ws = handshake(gw, path, headers={"OpenAI-Beta": "realtime=v1", "Cookie": "a=b",
                                                       "Sec-WebSocket-Extensions": "permessage-deflate"})
    assert status == 101 and headers["x-litellm-call-id"] and "sec-websocket-extensions" not in headers
    assert ws.hear() == {"type": "session.created", "session": {"model": "gpt-realtime"}}
    line, seen = provider.heads[-1]
    want = "intent=transcription&model" if "intent" in path else "model"
    assert line == f"GET /v1/realtime?{want}=gpt-realtime HTTP/1.1"
    assert seen["authorization"] == "bearer sk-upstream-canary" and seen["openai-beta"] == "realtime=v1"
    assert seen["host"] == f"127.0.0.1:{provider.port}" and gw.master_key not in str(provider.heads)
    assert not {"cookie", "sec-websocket-extensions", "content-type"} & set(seen)
    for n in (0, 1, 125, 126, 65535, 65536, 400_000):
        blob = os.urandom(n)
        ws.send(blob, 2)
        assert ws.recv() == (2, blob)
    for _ in range(3):
        ws.tell(type="response.create")
        assert ws.hear()["delta"] == "hi"
        assert [ws.recv()[0] for _ in range(3)] == [1, 9, 0]
    ws.send(b"\x03\xe8", 8)
    assert ws.recv() == (8, b"\x03\xe8")
    with pytest.raises(EOFError):
        ws.exactly(1)
    row = gw.spend_rows(wait_for=1)[0]
    assert (row["prompt_tokens"], row["completion_tokens"]) == (60, 30) and row["status"] == "success"
    one = 12 * Decimal("0.000001") + 8 * Decimal("0.00001") + 4 * Decimal("0.000002") + 6 * Decimal("0.00002")
    assert Decimal(str(row["spend"])) == 3 * one and row["call_type"] == "_arealtime"


def test_who_may(gw, provider):
    assert refused(gw, drop=("Authorization",))[0] == 401
    assert refused(gw, key="sk-nobody-knows-this")[0] == 401
    k = gw.key(models=["other"])
    assert refused(gw, key=k)[0] == 403
    k = gw.key(models=["rt"])
    assert refused(gw, path="/v1/realtime?model=rt-2", key=k)[0] == 403
    assert not provider.heads
    status, headers, ws = handshake(gw, drop=("Authorization",), headers={
        "Sec-WebSocket-Protocol": f"realtime, openai-insecure-api-key.{k}, openai-beta.realtime-v1"})
    assert status == 101 and headers["sec-websocket-protocol"] == "realtime"
    assert provider.heads[-1][1]["sec-websocket-protocol"] == "realtime, openai-beta.realtime-v1"
    ws.sock.close()


def test_one_model_and_no_other(gw, provider):
    """By no spelling of a name, and by no character of the model's own."""
    k = gw.key(models=["rt", "rt*"])
    for query in ("model=rt&mod%65l=dear", "Model=dear&model=rt", "%6d%6Fdel=dear&model=rt", "deployment=dear&model=rt&deplo%79ment=dear"):
        status, _, ws = handshake(gw, "/v1/realtime?" + query, key=k)
        assert status == 101, query
        assert provider.heads[-1][0] == "GET /v1/realtime?model=gpt-realtime HTTP/1.1", query
    status, _, ws = handshake(gw, "/v1/realtime?model=rtx?y=z;model=dear", key=k)
    assert provider.heads[-1][0].count("model") == 2 and "?model=x%3Fy%3Dz%3Bmodel%3Ddear HTTP" in provider.heads[-1][0]


def test_what_is_no_handshake(gw, provider):
    for drop in ("Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key"):
        assert refused(gw, drop=(drop,))[0] == 400
    for name, value in (("Upgrade", "h2c"), ("Sec-WebSocket-Version", "8"), ("Sec-WebSocket-Key", "short=="),
                        ("Sec-WebSocket-Key", "A" * 24), ("Connection", "close")):
        assert refused(gw, headers={name: value})[0] == 400
    for path in ("/v1/realtime", "/v1/realtime?model=", "/v1/realtime?model=a%2fb", "/v1/realtime?model=unheard-of"):
        assert refused(gw, path=path)[0] == 400
    assert gw.get("/v1/realtime?model=rt").status == 400 and gw.post("/v1/realtime?model=rt", {}).status == 405
    assert refused(gw, path="/v1/realtime?model=no-ws")[0] == 400
    assert not provider.heads


def test_a_provider_that_refuses_or_fails(gw, provider):
    status, message = refused(gw, path="/v1/realtime?model=refused")
    assert status == 401 and "canary" not in message
    status, message = refused(gw, path="/v1/realtime?model=chunked")     # and does not end
    assert status == 404 and "no model of mine" in message
    assert refused(gw, path="/v1/realtime?model=nonsense")[0] == 502
    assert refused(gw, path="/v1/realtime?model=silent")[0] == 408
    assert refused(gw, path="/v1/realtime?model=nobody")[0] == 500
    assert all(float(r["spend"]) == 0 and r["status"] == "failure" for r in gw.spend_rows(wait_for=5))


def test_both_ends_are_cut_together(gw, provider):
    _, _, ws = handshake(gw)
    ws.hear()
    ws.tell(type="response.create")
    ws.hear()
    ws.sock.close()
    wait(lambda: provider.gone == 1)
    _, _, ws = handshake(gw)
    ws.hear()
    ws.tell(type="bye")
    with pytest.raises(EOFError):
        ws.exactly(1)
    assert len(gw.spend_rows(wait_for=2)) == 2
    wait(lambda: all(x["requests"] == 0 for x in gw.ctl_json("workers")["workers"]))


def test_silence_on_both_sides_ends_it(gw):
    _, _, ws = handshake(gw)
    ws.hear()
    for _ in range(3):
        time.sleep(1)
        ws.send(b"", 9)
        assert ws.recv() == (9, b"")
    began = time.monotonic()
    with pytest.raises((EOFError, ConnectionError)):
        ws.exactly(1)
    assert 1.5 < time.monotonic() - began < 15


def test_slow_ends_bound_memory(gw, provider):
    _, _, ws = handshake(gw)
    ws.hear()
    ws.tell(type="flood", n=1000)           # 60 MB that nobody reads
    time.sleep(0.7)
    rss = max(int(line.split()[1]) for p in gw.children() for line in open(f"/proc/{p}/status")
              if line.startswith("VmRSS"))
    assert rss < 60_000, rss
    for _ in range(1000):
        assert ws.recv() == (2, bytes(60000))
    ws.sock.close()


def test_an_unpriced_session_says_so(gw):
    _, _, ws = handshake(gw, "/v1/realtime?model=rt-else")
    ws.hear()
    ws.send(b"", 8)
    assert ws.recv() == (8, b"")
    assert gw.spend_rows(wait_for=1)[0]["metadata"]["unpriced"] is True


def test_a_spent_budget_ends_a_session(gw):
    k = gw.key(max_budget=0.15)
    status, _, ws = handshake(gw, key=k)
    assert status == 101
    ws.hear()
    with pytest.raises((EOFError, ConnectionError)):
        for _ in range(900):
            ws.tell(type="response.create")
            for _ in range(4):
                ws.recv()
    row = gw.spend_rows(wait_for=1)[0]
    assert 0.149 < float(row["spend"]) < 0.151


def test_many_sessions_and_other_calls_at_once(gw, provider):
    sessions = [handshake(gw) for _ in range(30)]
    for _, _, ws in sessions:
        assert ws.hear()["type"] == "session.created"
    for i, (_, _, ws) in enumerate(sessions):
        ws.tell(type="echo", i=i)
    for i, (_, _, ws) in enumerate(sessions):
        assert ws.hear() == {"type": "echo", "i": i}
    for _, _, ws in sessions:
        ws.sock.close()
    wait(lambda: provider.gone == 30)


def test_http_client_sees_a_plain_refusal(gw):
    c = http.client.HTTPConnection("127.0.0.1", gw.port, timeout=10)
    c.request("GET", "/v1/realtime?model=rt", headers={"Authorization": f"Bearer {gw.master_key}"})
    r = c.getresponse()
    assert r.status == 400 and b"WebSocket" in r.read()
    c.close()
