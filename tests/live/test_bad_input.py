# SPDX-License-Identifier: MIT
"""What no well-meaning client sends: refused early, in the error envelope, and forgotten.

One gateway takes it all; its workers must be the same processes at the end, no larger than at
the beginning. Whatever is refused has its reason in OpenAI's shape, `code` a string."""
import json
import os
import pathlib
import random
import re
import socket
import time

import pytest

from gateway import PATIENCE, Gateway
from matrix import DIALECTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests/vectors"
MEMORY = 1 if PATIENCE == 1 else 60          # sanitizers keep what was freed
LIMITS = ("server:\n  limits: {body: 200K, header_timeout: 1.2, body_timeout: 1.2}\n"
          "router_settings: {num_retries: 0}\n")


def worker_pids(g):
    return {w["pid"] for w in g.ctl_json("workers")["workers"]}


def rss_kib(pids):
    return sum(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{p}/status").read_text()).group(1))
               for p in pids)


@pytest.fixture(scope="module")
def gw(tmp_path_factory, mock_process):
    """Two workers; whoever dies of a test is found at the end."""
    p = {"api_base": mock_process.base + "/v1", "api_key": "sk-x"}
    g = Gateway(tmp_path_factory.mktemp("bad"), [("m", {"model": "openai/plain", **p}),
                                                 ("slow", {"model": "openai/mock?ttft=300", **p})], LIMITS)
    g.start()
    before = worker_pids(g)
    yield g
    assert worker_pids(g) == before and not g.records("worker.exit") and not g.records("worker.restart")
    g.stop()


@pytest.fixture(autouse=True)
def same_workers(gw):
    before = worker_pids(gw)
    yield
    assert worker_pids(gw) == before


def good_body(**extra):
    return {"model": "m", "messages": [{"role": "user", "content": "x"}], **extra}


def post(gw, body, length=None, path="/v1/chat/completions", headers="", key=None):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {key or gw.master_key}\r\n{headers}"
            f"Content-Length: {len(body) if length is None else length}\r\n\r\n").encode() + body


def talk(gw, data, timeout=30, quiet=None):
    """Sends it all, reads to the end; what was answered, and how long that took. quiet: after so
    many seconds without an answer nothing more will be sent."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", gw.port), timeout) as s:
        try:
            s.sendall(data)
        except OSError:
            pass
        return read_all(s, quiet), time.monotonic() - began


def read_all(s, quiet=None):
    data, patience = b"", s.gettimeout()
    if quiet is not None:
        s.settimeout(quiet)
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            break
        except TimeoutError:
            if quiet is None or s.gettimeout() == patience:
                raise
            try:
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            s.settimeout(patience)
            continue
        if not piece:
            break
        data += piece
    return answers(data)


def answers(data):
    """(status, headers, body) of each answer in a row."""
    got = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        assert lines[0].startswith("HTTP/1.1 "), data
        headers = dict(x.lower().split(": ", 1) for x in lines[1:] if ": " in x)
        status = int(lines[0].split()[1])
        if "chunked" in headers.get("transfer-encoding", ""):
            body, data = data, b""
        else:
            n = 0 if data.startswith(b"HTTP/1.1 ") else int(headers.get("content-length", 0))   # of a HEAD
            body, data = data[:n], data[n:]
        if status != 100:
            got.append((status, headers, body))
    return got


def envelope_of(path):
    """Who asks at a dialect's path gets errors in that dialect, even without a key."""
    theirs = ("/api/", "ollama"), ("/v1/messages", "anthropic"), ("/anthropic", "anthropic"), \
        ("/gemini", "gemini"), (":", "gemini"), ("/v2/chat", "cohere"), ("/v2/embed", "cohere"), ("/cohere", "cohere")
    for part, dialect in theirs:
        if part in path:
            return lambda body, status: DIALECTS[dialect][3](json.loads(body))
    return envelope


def envelope(body, status):
    e = json.loads(body)["error"]
    assert set(e) >= {"message", "type", "param", "code"}, e
    assert isinstance(e["message"], str) and e["message"] and isinstance(e["type"], str) and e["type"], e
    assert e["code"] == str(status) or (isinstance(e["code"], str) and not e["code"].isdigit()), e
    assert e["param"] is None or isinstance(e["param"], str), e
    return e


def refuse(gw, data, *statuses):
    """Refused with one of those statuses, and with nothing else."""
    got, _ = talk(gw, data.replace(b"\r\nHost: gw\r\n", b"\r\nHost: gw\r\nConnection: close\r\n", 1))
    assert len(got) == 1 and got[0][0] in statuses, (got, data[:200])
    return envelope(got[0][2], got[0][0])


# ---- HTTP ----------------------------------------------------------------------------------------

def unescape(line):
    line = re.sub(rb"\\R\{(\d+),(.)\}", lambda m: m[2] * int(m[1]), line)
    return re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", lambda m: {b"r": b"\r", b"n": b"\n", b"t": b"\t"}.get(m[1]) or
                  (bytes([int(m[1][1:], 16)]) if m[1][:1] == b"x" and len(m[1]) == 3 else m[1]), line)


def http_vectors():
    for f in sorted((VECTORS / "http").glob("*.txt")):
        lines = f.read_bytes().split(b"\n")
        yield f.stem, lines[0][2:].decode(), b"".join(unescape(x) for x in lines[2:])


def test_vectors_of_the_parser(gw):
    """Each request line told in a vector is answered (404: there is no /a), and no other."""
    wrong = []
    for name, story, data in http_vectors():
        steps = story.split(", ")
        asked = [s for s in steps if re.match(r"[A-Z]+ ", s)]
        refused = steps[-1].startswith("refused")
        if refused and asked and " " not in asked[-1][5:]:      # answered before its body went wrong
            expected = [404]
        else:
            expected = [404] * len(asked) + ([int(steps[-1].split()[1])] if refused else [])
        got, _ = talk(gw, data, quiet=0.15)
        statuses = [200 if (s, a) == (200, "GET / 0") else s for (s, _, _), a in
                    zip(got, asked + [""] * len(got))]
        expected = [200 if a == "GET / 0" else s for s, a in zip(expected, asked + [""] * len(expected))]
        ok = statuses == expected or (steps[-1] == "more" and statuses in ([], expected, expected[:-1]))
        if "OPTIONS *" in story or "8192" in story:
            ok = len(got) >= 1
        if not ok:
            wrong.append((name, story, statuses))
        for status, _, body in got:
            if status != 200 and body:
                envelope(body, status)
    assert not wrong, wrong


def test_broken_bodies_behind_a_good_head(gw):
    """The same broken chunks where a body is wanted: 400, the connection closed, nothing asked."""
    n = 0
    for name, story, data in http_vectors():
        if not re.fullmatch(r"POST /a, refused \d+", story) or b" /a " not in data:
            continue
        head = f"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {gw.master_key}\r\n".encode()
        got, _ = talk(gw, re.sub(rb"^POST /a HTTP/1.1\r\n", head, data), quiet=0.5)
        assert len(got) == 1 and got[0][0] in (400, 431), (name, got)
        e = envelope(got[0][2], got[0][0])
        assert "time" not in e["message"], (name, e)
        n += 1
    assert n > 10


def test_smuggling_never_asks_twice(gw, mock):
    inner = post(gw, good_body())
    chat = f"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {gw.master_key}\r\n"
    tries = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\tchunked\r\nContent-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        "Content-Length: 0, 0\r\n\r\n", "Content-Length: +0\r\n\r\n", "Content-Length: -1\r\n\r\n",
        "Content-Length: 0x10\r\n\r\n", "Content-Length: 1e1\r\n\r\n", "Content-Length:\r\n\r\n",
        "Content-Length: 18446744073709551616\r\n\r\n", "Content-Length: 9223372036854775808\r\n\r\n",
        "Content-Length: 0 0\r\n\r\n", "Content-Length: \u0660\r\n\r\n",
        "Content-Length\x00: 0\r\n\r\n", "Content-Length: 0\x0b\r\n\r\n",
        "X: y\nContent-Length: 0\r\n\r\n", "X: y\rContent-Length: 0\r\n\r\n", " X: y\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3;\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", "Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
    ]
    for t in tries:
        got, _ = talk(gw, (chat + t).encode("utf-8") + inner)
        assert len(got) == 1 and 400 <= got[0][0] < 600, (t, got)
        envelope(got[0][2], got[0][0])
    assert not mock.log()


@pytest.mark.parametrize("n", ["", "-1", "+1", "0x10", "1e3", "9223372036854775808", "18446744073709551615",
                               "18446744073709551616", "99999999999999999999", "1,1", "1 1", "1;", ".5", "\t", "1_000",
                               "00000000000000000000000000000001"])
def test_lengths_that_are_none(gw, n):
    refuse(gw, f"POST /v1/models HTTP/1.1\r\nHost: gw\r\nContent-Length: {n}\r\n\r\n".encode(), 400)


@pytest.mark.parametrize("head,status", [
    ("".join(f"X-{i}: y\r\n" for i in range(120)), 431), ("X: " + "y" * 17000 + "\r\n", 431),
    ("".join(f"X-{i}: {'y' * 8000}\r\n" for i in range(9)), 431), ("x" * 10000 + ": y\r\n", 431),
    (": y\r\n", 400), ("X y\r\n", 400), ("X : y\r\n", 400), ("X: y\x00\r\n", 400), ("X: y\x7f\r\n", 400),
    ("Host: two\r\n", 400), ("Expect: wonders\r\n", 417)],
    ids=["many", "line", "sum", "name", "noname", "nocolon", "space", "nul", "del", "host", "expect"])
def test_heads(gw, head, status):
    e = refuse(gw, f"GET /v1/models HTTP/1.1\r\nHost: gw\r\n{head}\r\n".encode("latin-1"), status)
    assert e["type"] == "invalid_request_error"


def test_request_lines(gw):
    for line, statuses in (("GET  /v1/models HTTP/1.1", {400}), ("GET /v1/models HTTP/2.0", {400, 505}),
                           ("GET /v1/models", {400, 505}), ("get /v1/models HTTP/1.1", {400}),
                           ("CONNECT gw:80 HTTP/1.1", {400, 405}), ("GET v1/models HTTP/1.1", {400}),
                           ("GET http://other/v1/models HTTP/1.1", {400}), ("GET /" + "a" * 9000 + " HTTP/1.1", {414}),
                           ("GET /v1/\x00models HTTP/1.1", {400}), ("BREW /v1/models HTTP/1.1", {400}),
                           ("PRI * HTTP/2.0", {400, 505}), ("TRACE / HTTP/1.1", {400, 405, 404}),
                           ("GET /v1/models#x HTTP/1.1", {400})):
        refuse(gw, f"{line}\r\nHost: gw\r\n\r\n".encode("latin-1"), *statuses)
    refuse(gw, b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n", 400)                    # no Host
    refuse(gw, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), 400)   # TLS to a plain port


def test_idle_memory_of_half_heads(gw):
    pids = worker_pids(gw)
    before = rss_kib(pids)
    socks = []
    for _ in range(150):
        s = socket.create_connection(("127.0.0.1", gw.port), 5)
        s.sendall(b"GET / HTTP/1.1\r\nHost: gw\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 3900) for i in range(14)))
        socks.append(s)
    grown = rss_kib(pids) - before
    for s in socks:
        s.close()
    assert grown < 150 * 100 * MEMORY, grown


def test_pipelined_requests_are_answered_in_order(gw):
    one = b"GET /v1/models/%s HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer " + gw.master_key.encode() + b"\r\n\r\n"
    got, _ = talk(gw, one % b"m" + one % b"nope" + post(gw, good_body()) + one % b"slow", quiet=1)
    assert [g[0] for g in got] == [200, 404, 200, 200]
    assert json.loads(got[3][2])["id"] == "slow"


def test_early_reply_closes_and_what_follows_is_not_executed(gw, mock):
    """P7: 401 and 413 while the body still comes; a request in or behind it is never read."""
    inside = post(gw, good_body())
    for head in (post(gw, b"", length=5000, key="sk-nobody-123456"), post(gw, b"", length=300000)):
        with socket.create_connection(("127.0.0.1", gw.port), 8) as s:
            s.sendall(head + b"x" * 100)
            first = s.recv(65536)
            assert first.startswith((b"HTTP/1.1 401", b"HTTP/1.1 413")) and b"connection: close" in first.lower()
            try:
                s.sendall(inside * 3)
            except OSError:
                pass
            rest = first + b"".join(iter(lambda: recv_or_end(s), b""))
        assert len(answers(rest)) == 1
    assert not mock.log()


def recv_or_end(s):
    try:
        return s.recv(65536)
    except OSError:
        return b""


def test_large_bodies(gw):
    began = time.monotonic()
    e = refuse(gw, post(gw, b"{", length=200 * 1024 + 1), 413)                 # said, not sent
    assert time.monotonic() - began < 15 and e["type"] == "invalid_request_error" and "too large" in e["message"]
    refuse(gw, post(gw, b"", length=1 << 40, headers="Expect: 100-continue\r\n"), 413)
    ok, _ = talk(gw, post(gw, good_body(user="x" * 150000), headers="Connection: close\r\n"))
    assert ok[0][0] == 200
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {gw.master_key}\r\n" \
           "Transfer-Encoding: chunked\r\n\r\n"
    pids = worker_pids(gw)
    before = rss_kib(pids)
    with socket.create_connection(("127.0.0.1", gw.port), 8) as s:              # without end
        s.sendall(head.encode())
        sent, got = 0, b""
        s.setblocking(False)
        chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        end = time.monotonic() + 30
        while not got and sent < 64 << 20 and time.monotonic() < end:
            try:
                sent += s.send(chunk)
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:
                break
            try:
                got += s.recv(65536)
            except BlockingIOError:
                pass
            except OSError:
                break
    assert got.startswith(b"HTTP/1.1 413"), (sent, got[:100])
    assert sent < 8 << 20 and rss_kib(pids) - before < 4096 * MEMORY
    with socket.create_connection(("127.0.0.1", gw.port), 8) as s:              # many small ones
        s.sendall(head.encode() + b"1\r\nx\r\n" * 220000 + b"0\r\n\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 413")


def test_nobodys_body_is_not_kept(gw):
    """J4: before the key is known to be good hardly anything is buffered."""
    pids = worker_pids(gw)
    before = rss_kib(pids)
    for _ in range(20):
        got, _ = talk(gw, post(gw, b"x" * 150000, key="sk-nobody-1234567"))
        assert got[0][0] in (401, 429)
    assert rss_kib(pids) - before < 2048 * MEMORY


def test_slow_heads_and_bodies(gw):
    for piece in (b"GET / HT", b"GET / HTTP/1.1\r\nHost: gw\r\nX: "):
        got, spent = talk(gw, piece)
        assert [g[0] for g in got] == [408] and 1 < spent < 9
        envelope(got[0][2], 408)
    got, spent = talk(gw, post(gw, b'{"model"', length=100))
    assert [g[0] for g in got] == [408] and 1 < spent < 9
    assert "in time" in envelope(got[0][2], 408)["message"]
    with socket.create_connection(("127.0.0.1", gw.port), 8) as s:          # never silent, yet too slow
        s.sendall(post(gw, b"{", length=100))
        s.settimeout(0.05)
        got, end = b"", time.monotonic() + 30
        while not got and time.monotonic() < end:
            s.sendall(b" ")
            try:
                got = s.recv(1000)
            except TimeoutError:
                pass
        assert got.startswith(b"HTTP/1.1 408"), got
    with socket.create_connection(("127.0.0.1", gw.port), 8) as s:          # a body that is slow but fair
        body = json.dumps(good_body(user="u" * 3000)).encode()
        s.sendall(post(gw, b"", length=len(body)))
        for i in range(0, len(body), 300):
            s.sendall(body[i:i + 300])
            time.sleep(0.05)
        assert s.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_client_that_ends_within_its_request_is_forgotten(gw, mock):
    good = post(gw, good_body())
    for cut in range(1, len(good), 17):
        with socket.create_connection(("127.0.0.1", gw.port), 5) as s:
            s.sendall(good[:cut])
            s.shutdown(socket.SHUT_WR)
            assert not any(a[0] == 200 for a in read_all(s)), cut
    assert not mock.log()


# ---- JSON ----------------------------------------------------------------------------------------

def test_duplicate_names(gw, mock):
    for text in ('{"model":"m","model":"m","messages":[{"role":"user","content":"x"}]}',
                 '{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1,"max_tokens":9}',
                 '{"model":"m","messages":[{"role":"user","content":"x"}],"stream":false,"stream":true}',
                 '{"model":"m","mod\\u0065l":"n","messages":[{"role":"user","content":"x"}]}',
                 '{"model":"m","messages":[{"role":"user","role":"system","content":"x"}]}',
                 '{"model":"m","messages":[{"role":"user","content":"x"}],"stream_options":{"a":1,"a":2}}',
                 '{"model":"m","messages":[{"role":"user","content":"x"}],"user":"a","x":1,"user":"b"}'):
        e = refuse(gw, post(gw, text.encode()), 400)
        assert e["param"] == "request_body" and "Invalid JSON payload" in e["message"], e
    assert not mock.log()


def test_names_in_another_case_do_not_reach_a_provider(gw, mock):
    """J3: many providers' decoders take "Model" for "model", and the last one wins."""
    for name in ("Model", "MODEL", "Messages", "Stream", "Max_Tokens", "N", "\u017ftream", "max_to\u212aens",
                 "me\u017f\u017fages", "Stream_Options"):
        for ascii in (True, False):
            text = json.dumps(good_body(**{name: "gpt-expensive"}), ensure_ascii=ascii).encode()
            e = refuse(gw, post(gw, text), 400)
            assert e["param"] in ("model", "messages", "stream", "max_tokens", "n", "stream_options"), e
    assert not mock.log()
    fine = good_body(Vendor_Thing=1, modelx="a", Modell="b")
    assert talk(gw, post(gw, fine, headers="Connection: close\r\n"))[0][0][0] == 200
    assert json.loads(mock.log()[-1]["body"])["Vendor_Thing"] == 1


def test_depth_bombs(gw):
    for bomb in (b"[" * 100000, b'{"a":' * 30000, b'{"model":"m","messages":' + b"[" * 100000,
                 b'{"model":"m","messages":[],"x":' + b'[{"a":' * 20000):
        began = time.monotonic()
        e = refuse(gw, post(gw, bomb), 400)
        assert time.monotonic() - began < 1 and "Invalid JSON payload" in e["message"]


def test_invalid_utf8(gw, mock):
    for bad in (b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xc3",
                b"\xf0\x80\x80\xaf", b"\xfe", b"\xc3\x28", b"\xe2\x82"):
        for where in (b'{"model":"m%s","messages":[]}', b'{"model":"m","messages":[{"role":"user","content":"%s"}]}',
                      b'{"model":"m","%s":1,"messages":[]}', b'{"model":"m","messages":[],"x":["%s"]}',
                      b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a%s"}]}]}'):
            e = refuse(gw, post(gw, where % bad), 400)
            assert "Invalid JSON payload" in e["message"], e
    assert not mock.log()
    for fine in ("\u00e4", "\u20ac", "\U0001f600", "\u2028", "\ufffd", "e\u0301"):
        text = json.dumps(good_body(user=fine), ensure_ascii=False).encode()
        assert talk(gw, post(gw, text, headers="Connection: close\r\n"))[0][0][0] == 200
        assert json.loads(mock.log()[-1]["body"])["user"] == fine


def test_json_vectors_as_bodies(gw, mock):
    """n_ is refused as no JSON; y_ is JSON, though no request."""
    c = gw.connect()
    head = {"Authorization": f"Bearer {gw.master_key}", "Content-Type": "application/json"}

    def send(body):
        c.request("POST", "/v1/chat/completions", body, head)
        r = c.getresponse()
        data = r.read()
        if r.will_close:
            c.close()
        return r.status, data

    wrong = []
    for f in sorted((VECTORS / "json").glob("*.json")):
        text = f.read_bytes()
        if len(text) > 200000 or f.name == "y_object_twice.json":       # refused here, on purpose
            continue
        status, body = send(text)
        if f.name[0] == "y" and b'"messages"' in text:
            if status >= 500:
                wrong.append((f.name, status, body))
            continue
        e = envelope(body, status)
        bad = "Invalid JSON payload" in e["message"] and "not an object" not in e["message"]
        if status != 400 or (f.name[0] == "n" and not bad and text.strip()) or (f.name[0] == "y" and bad):
            wrong.append((f.name, status, e["message"]))
        if f.name[0] != "y" or "depth" in f.name:
            continue
        whole = b'{"model":"m","messages":[{"role":"user","content":"x"}],"vendor":' + text + b"}"
        mock.clear()
        status, body = send(whole)
        if status != 200 or text.strip() not in mock.log()[-1]["body"].encode("utf-8", "surrogateescape"):
            wrong.append((f.name, "as a member", status, body[:200]))
    c.close()
    assert not wrong, wrong


@pytest.mark.parametrize("text", [b"", b" ", b"null", b"5", b'"x"', b"[]", b"true", b"{}", b"{", b"nope",
                                  b"\xef\xbb\xbf{}", b"{}{}", b"{} x", b"a=1&b=2", b"<x/>", b"\x00", b"{'a':1}"])
def test_bodies_that_are_no_request(gw, text):
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
        refuse(gw, post(gw, text, path=path, headers="Connection: close\r\n"), 400)


MESSAGE = {"role": "user", "content": "x"}
TOOL = {"type": "function", "function": {"name": "f"}}
WRONG = [
    ({"model": 5}, "model"), ({"model": []}, "model"), ({"model": ""}, "model"), ({"model": None}, "model"),
    ({"messages": "x"}, "messages"), ({"messages": {}}, "messages"), ({"messages": None}, "messages"),
    ({"messages": ["x"]}, "messages[0]"), ({"messages": [MESSAGE, 5]}, "messages[1]"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"), ({"messages": [{"role": 5}]}, "messages[0].role"),
    ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": {}}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 5}}]}]},
     "messages[0].content[0].image_url.url"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": 5}]}]},
     "messages[0].content[0].input_audio"),
    ({"messages": [{"role": "assistant", "tool_calls": 5}]}, "messages[0].tool_calls"),
    ({"messages": [{"role": "assistant", "tool_calls": [5]}]}, "messages[0].tool_calls[0]"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": 5}]}, "messages[0].tool_call_id"),
    ({"messages": [{"role": "user", "content": "x", "name": 5}]}, "messages[0].name"),
    ({"stream": "yes"}, "stream"), ({"stream": 1}, "stream"), ({"stream_options": []}, "stream_options"),
    ({"stream_options": {"include_usage": "x"}}, "stream_options.include_usage"),
    ({"max_tokens": "9"}, "max_tokens"), ({"max_tokens": -1}, "max_tokens"), ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": 1e99}, "max_tokens"), ({"max_tokens": 9999999999}, "max_tokens"),
    ({"max_completion_tokens": "9"}, "max_completion_tokens"), ({"max_completion_tokens": []}, "max_completion_tokens"),
    ({"temperature": "hot"}, "temperature"), ({"temperature": []}, "temperature"), ({"top_p": {}}, "top_p"),
    ({"top_k": "x"}, "top_k"), ({"seed": "x"}, "seed"), ({"seed": 1.5}, "seed"),
    ({"presence_penalty": "x"}, "presence_penalty"), ({"frequency_penalty": True}, "frequency_penalty"),
    ({"stop": 5}, "stop"), ({"stop": [5]}, "stop[0]"), ({"stop": {}}, "stop"),
    ({"n": 0}, "n"), ({"n": "2"}, "n"), ({"n": 1000000}, "n"), ({"n": -3}, "n"),
    ({"user": 5}, "user"), ({"user": {}}, "user"), ({"logit_bias": []}, "logit_bias"), ({"logprobs": "x"}, "logprobs"),
    ({"top_logprobs": "x"}, "top_logprobs"), ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
    ({"reasoning_effort": 5}, "reasoning_effort"), ({"service_tier": 5}, "service_tier"), ({"store": "x"}, "store"),
    ({"modalities": "x"}, "modalities"), ({"audio": "x"}, "audio"), ({"prediction": []}, "prediction"),
    ({"tools": {}}, "tools"), ({"tools": [5]}, "tools[0]"), ({"tools": [{}]}, "tools[0].type"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tools": [{"type": "function", "function": {"name": 5}}]}, "tools[0].function.name"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]}, "tools[0].function.parameters"),
    ({"tools": [TOOL], "tool_choice": 5}, "tool_choice"), ({"tools": [TOOL], "tool_choice": "x"}, "tool_choice"),
    ({"response_format": "json"}, "response_format"), ({"response_format": {"type": 5}}, "response_format"),
    ({"metadata": "x"}, "metadata"), ({"fallbacks": "m"}, "fallbacks"), ({"num_retries": "x"}, "num_retries"),
    ({"timeout": "x"}, "timeout"), ({"timeout": -1}, "timeout"), ({"disable_fallbacks": "x"}, "disable_fallbacks"),
]


def test_wrong_types_are_named(gw, mock):
    wrong = []
    c = gw.connect()
    for change, param in WRONG:
        body = {**good_body(), **change}
        c.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {gw.master_key}"})
        r = c.getresponse()
        data = r.read()
        if r.status != 400:
            wrong.append((change, param, r.status, data[:200]))
            continue
        e = envelope(data, r.status)
        if r.status != 400 or not (e["param"] or "").startswith(param) or e["type"] != "invalid_request_error":
            wrong.append((change, param, r.status, e))
    c.close()
    assert not wrong, "\n".join(map(str, wrong))
    assert not mock.log()


@pytest.mark.parametrize("path,change,param", [
    ("completions", {"prompt": 5}, "prompt"), ("completions", {"prompt": {}}, "prompt"), ("completions", {}, "prompt"),
    ("completions", {"prompt": [1, "x"]}, "prompt"), ("completions", {"prompt": ["x", 1]}, "prompt"),
    ("completions", {"prompt": []}, "prompt"), ("completions", {"prompt": "x", "best_of": "y"}, "best_of"),
    ("completions", {"prompt": "x", "echo": "y"}, "echo"), ("completions", {"prompt": "x", "suffix": 5}, "suffix"),
    ("completions", {"prompt": [[1], ["x"]]}, "prompt"), ("completions", {"prompt": [[-1]]}, "prompt"),
    ("embeddings", {}, "input"), ("embeddings", {"input": 5}, "input"), ("embeddings", {"input": []}, "input"),
    ("embeddings", {"input": [None]}, "input"), ("embeddings", {"input": "x", "dimensions": "y"}, "dimensions"),
    ("embeddings", {"input": "x", "encoding_format": "hex"}, "encoding_format"),
    ("embeddings", {"input": "x", "encoding_format": 5}, "encoding_format")])
def test_wrong_types_elsewhere(gw, path, change, param):
    e = refuse(gw, post(gw, {"model": "m", **change}, path="/v1/" + path), 400)
    assert e["param"].startswith(param), e


# ---- types, paths, methods -----------------------------------------------------------------------

def test_content_types(gw):
    def status(headers):
        got, _ = talk(gw, post(gw, good_body(), headers=headers + "Connection: close\r\n"))
        if got[0][0] != 200:
            envelope(got[0][2], got[0][0])
        return got[0][0]

    for fine in ("", "Content-Type: application/json\r\n", "Content-Type: application/json; charset=utf-8\r\n",
                 "Content-Type: APPLICATION/JSON\r\n", "Content-Encoding: identity\r\n"):
        assert status(fine) == 200, fine
    for bad in ("text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png", "x"):
        assert status(f"Content-Type: {bad}\r\n") == 415, bad
    for coding in ("gzip", "br", "deflate", "zstd", "gzip, identity", "x"):
        assert status(f"Content-Encoding: {coding}\r\n") == 415, coding


def endpoints():
    """(method or *, path, what it matches) of each row of the table."""
    text = (ROOT / "worker/client/endpoint.c").read_text()
    for method, path in re.findall(r'^\t\{ "([A-Z*]+)", "(/[^"]*)",', text, re.M):
        pattern = re.escape(path).replace(r"\{path\}", "(/.*)?")
        pattern = re.sub(r"\\\{(model|name)\\\}", ".+", pattern)
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", pattern)
        path = path.replace("{model}", "m").replace("{path}", "/x")
        yield method, re.sub(r"\{\w+\}", "resp_x", path), pattern


OPEN = {"/", "/livez", "/readyz", "/health/liveliness", "/health/liveness", "/health/readiness", "/metrics",
        "/metrics/", "/docs", "/openapi.json", "/routes", "/test"}


def test_without_a_good_key_nothing_opens(gw, mock):
    """A1: every path with every method, without a key, with a wrong one and with the hash of a good one."""
    rows = list(endpoints())
    assert len(rows) > 30
    paths = sorted({p for _, p, _ in rows})
    good = {(m, p) for m, p, _ in rows}
    c = gw.connect()
    for headers in ({}, {"Authorization": "Bearer sk-nobody-1234567"}, {"Authorization": "Basic eDp5"},
                    {"Authorization": "Bearer"}, {"Cookie": "token=" + gw.master_key}):
        # so many unknown keys in a second are refused as a flood
        refused = {401, 429} if "sk-nobody" in str(headers) else {401}
        for path in paths:
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
                c.request(method, path, "{}" if method in ("POST", "PUT", "PATCH") else None, headers)
                r = c.getresponse()
                body = r.read()
                get = "GET" if method == "HEAD" else method
                known = any(m in (get, "*") and re.fullmatch(pattern, path) for m, _, pattern in rows)
                if path in OPEN and known:
                    assert r.status == 200, (method, path, r.status)
                else:
                    assert r.status in (refused if known else {405}), (method, path, r.status)
                    if method != "HEAD":
                        own = (method, path) in good or any(m == "*" and re.fullmatch(p, path) for m, _, p in rows)
                        (envelope_of(path) if own or not known else envelope)(body, r.status)
                if r.will_close:
                    c.close()
    c.close()
    assert not mock.log()
    for query in ("?key=" + gw.master_key, "?api_key=" + gw.master_key, "?token=" + gw.master_key):
        assert gw.get("/v1/models" + query, key=False).status == 401


def test_unknown_paths_and_methods(gw):
    for path in ("/v1", "/v2/models", "/nope", "/v1/chat", "/v1/chat/completions/x", "/key", "/admin", "/.env", "/ui",
                 "/engines/m/chat", "/v1/models/"):
        a = gw.get(path)
        e = envelope(a.body, a.status)
        assert a.status == 404 and e["type"] == "not_found_error" and "Not Found" in e["message"], (path, e)
    for method, path in (("GET", "/v1/chat/completions"), ("DELETE", "/key/generate"), ("PUT", "/v1/models")):
        a = gw.request(method, path)
        assert a.status == 405 and "Method Not Allowed" in envelope(a.body, 405)["message"]


def test_path_tricks_reach_no_handler(gw):
    """P11: routes are matched byte by byte: what is authorised is what is executed."""
    c = socket.create_connection(("127.0.0.1", gw.port), 8)
    key = gw.key()
    c.close()
    for path in ("//key/list", "/key//list", "/./key/list", "/key/./list", "/v1/../key/list", "/key/list/", "/key/list/.",
                 "/key%2flist", "/key/%6cist", "/%6bey/list", "/key/list%00", "/key/list%20", "/KEY/LIST", "/Key/List",
                 "/key\\list", "/key/list;a=b", "/key/list%3f", "/v1/models/..%2f..%2fkey/list",
                 "/v1/models/../../key/list", "/v1/models/..", "/v1/models/%2e%2e/key/list", "/key/\xc0\xaflist",
                 "/engines/../key/list/chat/completions", "/v1/models//key/list", "/v1/models/..\\key",
                 "/v1/models/m%00", "/v1/models/m%2f..", "/public/../key/list", "/key/list%23"):
        for who in (key, gw.master_key):
            got, _ = talk(gw, f"GET {path} HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {who}\r\n"
                              "Connection: close\r\n\r\n".encode("latin-1"))
            assert len(got) == 1 and got[0][0] in (400, 404), (path, got)
            envelope(got[0][2], got[0][0])
    for header in ("X-Original-URL: /key/list", "X-Rewrite-URL: /key/list", "X-Forwarded-Prefix: /key",
                   "X-HTTP-Method-Override: DELETE", "X-Forwarded-For: 127.0.0.1"):
        got, _ = talk(gw, f"GET /v1/models HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {key}\r\n{header}\r\n"
                          "Connection: close\r\n\r\n".encode())
        assert got[0][0] == 200 and b'"object":"list"' in got[0][2].replace(b" ", b"")
    gw.post("/key/delete", {"keys": [key]})


# ---- chance --------------------------------------------------------------------------------------

def mutate(rng, data):
    b = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(b))
        what = rng.randrange(7)
        if what == 0:
            b[at] = rng.randrange(256)
        elif what == 1:
            b[at] ^= 1 << rng.randrange(8)
        elif what == 2:
            del b[at:at + rng.randrange(1, 9)]
        elif what == 3:
            b[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        elif what == 4:
            end = at + rng.randrange(1, 40)
            b[at:at] = b[at:end]
        elif what == 5:
            b[at:at] = rng.choice((b"\r\n", b"\n", b"\0", b"\r\n\r\n", b"{", b'"', b"[" * 70, b"\\u0000", b": ", b"\xff"))
        else:
            del b[at:]
        if not b:
            b = bytearray(b"x")
    return bytes(b)


def test_random_mutations(gw):
    seed = int(os.environ.get("LLMGW_SEED") or random.randrange(1 << 32))
    print(f"LLMGW_SEED={seed}")
    rng = random.Random(seed)
    goods = [post(gw, good_body(stream=True, temperature=0.5, stop=["a"], tools=[TOOL], user="u")),
             post(gw, good_body()), post(gw, {"key_alias": "x", "models": ["m"]}, path="/key/generate"),
             post(gw, {"model": "m", "input": ["a", "b"]}, path="/v1/embeddings"),
             b"GET /key/list?page=1 HTTP/1.1\r\nHost: gw\r\nx-api-key: " + gw.master_key.encode() + b"\r\n\r\n",
             post(gw, b"", headers="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"") +
             b"2e\r\n" + b'{"model":"m","messages":[{"role":"user","content' .ljust(46)[:46] + b"\r\n4\r\n\":1}\r\n0\r\n\r\n"]
    pids = worker_pids(gw)
    before = rss_kib(pids)
    for i in range(200):
        data = mutate(rng, rng.choice(goods))
        try:
            got, _ = talk(gw, data, timeout=10, quiet=0.05)
        except TimeoutError:
            pytest.fail(f"seed {seed}, number {i}: no end\n{data!r}")
        for status, headers, body in got:
            if status >= 400 and "chunked" not in headers.get("transfer-encoding", ""):
                envelope(body, status)
            assert status < 500 or status in (501, 505), (seed, i, status, body, data)
    assert worker_pids(gw) == pids, seed
    assert rss_kib(pids) - before < 8192 * MEMORY, seed
    gw.check_logs()
