# SPDX-License-Identifier: MIT
"""HTTPS towards clients: server.tls."""
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import warnings

import pytest

from gateway import BUILD, Gateway, free_port
from test_security import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


class Files:
    """The certificate and key that the configuration names; what stands in them changes."""

    def __init__(self, where, authority):
        self.cert, self.key, self.authority = where / "server.pem", where / "server.key", authority
        self.renew()

    def renew(self, name="localhost"):
        cert, key = self.authority.leaf(name)
        self.put(cert.read_text() + self.authority.file.read_text(), key.read_text())

    def put(self, cert, key):
        self.cert.write_text(cert)
        self.key.write_text(key)
        self.key.chmod(0o600)

    def settings(self, more=""):
        return f"server:\n  tls: {{certificate: {self.cert}, key: {self.key}}}\n{more}"


@pytest.fixture
def files(tmp_path, authority):
    return Files(tmp_path, authority)


@pytest.fixture
def gw(start, files):
    return start([("m", "plain"), ("mock*", "mock*")], files.settings())


def context(authority, low=None, high=None, alpn=("http/1.1",)):
    c = ssl.create_default_context(cafile=str(authority.file))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if low:
            c.minimum_version = low
        if high:
            c.maximum_version = high
    if high and high < ssl.TLSVersion.TLSv1_2:
        c.set_ciphers("ALL:@SECLEVEL=0")
    if alpn:
        c.set_alpn_protocols(list(alpn))
    return c


def connect(gw, authority, **kw):
    return http.client.HTTPSConnection("localhost", gw.port, timeout=20, context=context(authority, **kw))


def ask(c, gw, model="m", stream=False, **extra):
    c.request("POST", "/v1/chat/completions",
              json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "x"}], **extra}),
              {"Authorization": f"Bearer {gw.master_key}"})
    r = c.getresponse()
    return r.status, r.read()


def serial(gw, authority):
    with socket.create_connection(("127.0.0.1", gw.port), 10) as s:
        with context(authority).wrap_socket(s, server_hostname="localhost") as t:
            return t.getpeercert()["serialNumber"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_chat_over_tls(gw, authority, version):
    c = connect(gw, authority, low=version, high=version)
    for _ in range(3):                                         # kept alive
        status, body = ask(c, gw)
        assert status == 200 and json.loads(body)["choices"][0]["message"]["content"].startswith("t0")
    assert c.sock.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
    assert c.sock.selected_alpn_protocol() == "http/1.1"
    status, body = ask(c, gw, "mock?tokens=5&gap=10", stream=True)
    assert status == 200 and body.endswith(b"data: [DONE]\n\n") and body.count(b"data: ") >= 6
    assert ask(c, gw)[0] == 200
    c.close()


def test_events_come_one_by_one(gw, authority):
    c = connect(gw, authority)
    c.request("POST", "/v1/chat/completions",
              json.dumps({"model": "mock?tokens=4&gap=150", "stream": True, "messages": [{"role": "user", "content": "x"}]}),
              {"Authorization": f"Bearer {gw.master_key}"})
    times = [time.monotonic() for line in c.getresponse() if line.startswith(b"data:")]
    assert times[-1] - times[0] > 0.3
    c.close()


def test_large_bodies_and_answers(gw, authority):
    c = connect(gw, authority)
    status, body = ask(c, gw, "mock?tokens=3&bigevent=2000000", stream=True, user="u" * 1000000)
    assert status == 200 and len(body) > 2000000
    status, body = ask(c, gw, "mock?size=3000000")
    assert status == 200 and len(body) > 3000000
    c.close()


def test_management_and_errors_over_tls(gw, authority):
    c = connect(gw, authority)
    head = {"Authorization": f"Bearer {gw.master_key}"}
    c.request("POST", "/key/generate", "{}", head)
    k = json.loads(c.getresponse().read())["key"]
    c.request("GET", "/v1/models", headers={"Authorization": f"Bearer {k}"})
    assert c.getresponse().read()
    c.request("GET", "/v1/models", headers={"Authorization": "Bearer sk-nobody-1234"})
    r = c.getresponse()
    assert r.status == 401 and json.loads(r.read())["error"]["code"] == "401"
    c.close()


def test_llmgwctl_over_https(gw, authority):
    import os
    import subprocess
    from gateway import BUILD
    args = [BUILD / "llmgwctl", "--url", f"https://localhost:{gw.port}", "keys", "list"]
    env = {**os.environ, "LLMGW_KEY": gw.master_key}
    p = subprocess.run(args, env=env, capture_output=True, text=True, timeout=30)
    assert p.returncode == 3 and "CA that is not known here" in p.stderr and "SSL_CERT_FILE" in p.stderr, p
    plain = [*args[:2], args[2].replace("https://", "http://"), *args[3:]]
    assert "use https://" in subprocess.run(plain, env=env, capture_output=True, text=True, timeout=30).stderr
    p = subprocess.run(args, env={**env, "SSL_CERT_FILE": str(authority.file)}, capture_output=True, text=True, timeout=30)
    assert p.returncode == 0, p


def test_what_is_refused(start, files, authority):
    """TLS 1.1 and older, other protocols only, noise, silence: closed, and others are served."""
    gw = start([("m", "plain")], files.settings("  limits: {header_timeout: 2}\n"))
    for high in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, OSError)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                ask(connect(gw, authority, low=ssl.TLSVersion.TLSv1, high=high), gw)
    with pytest.raises((ssl.SSLError, OSError)):
        ask(connect(gw, authority, alpn=("h2",)), gw)
    with pytest.raises((ssl.SSLError, OSError)):
        ask(connect(gw, authority, alpn=("spdy/3",)), gw)
    c = connect(gw, authority, alpn=("h2", "http/1.1"))          # offers both: ours is taken
    assert ask(c, gw)[0] == 200 and c.sock.selected_alpn_protocol() == "http/1.1"
    c.close()
    c = connect(gw, authority, alpn=None)
    assert ask(c, gw)[0] == 200
    c.close()
    for noise in (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 600, b"\x16\x03\x01\xff\xff" + b"\xff" * 400, b"\x80\x2e\x01"):
        with socket.create_connection(("127.0.0.1", gw.port), 10) as s:
            s.sendall(noise)
            s.settimeout(30)
            with contextlib.suppress(ConnectionResetError):
                while data := s.recv(4096):
                    assert b"HTTP/1.1 200" not in data
    with socket.create_connection(("127.0.0.1", gw.port), 30) as s:      # a handshake that never comes
        assert s.recv(100) == b""
    c = connect(gw, authority)
    assert ask(c, gw)[0] == 200
    c.close()
    gw.check_logs()


def test_plain_http_on_a_port_with_tls_is_told_so(gw):
    """An answer that can be read, also by who sends a large body; a line in the log, once a minute."""
    for body in (b"{}", b"x" * 3_000_000):
        c = http.client.HTTPConnection("127.0.0.1", gw.port, timeout=20)
        c.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {gw.master_key}"})
        r = c.getresponse()
        error = json.loads(r.read())["error"]
        assert r.status == 400 and r.getheader("connection") == "close" and "use https://" in error["message"], error
        c.close()
    line = gw.wait_log("client.mistaken")
    assert line["level"] == "warn" and line["spoke"] == "http" and line["address"].endswith("127.0.0.1"), line
    assert "https://" in line["why"]


def test_tls_on_a_plain_port_is_told_so(start, authority):
    gw = start([("m", "plain")])
    with socket.create_connection(("127.0.0.1", gw.port), 10) as s:
        with pytest.raises(ssl.SSLError):
            context(authority).wrap_socket(s, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", gw.port), 10) as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 500)
        answer = s.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ") and b"use http://" in answer
    assert gw.wait_log("client.mistaken")["spoke"] == "tls"


def test_a_client_that_ends_at_any_point_of_the_handshake(gw, authority):
    class Cut(Exception):
        pass

    for most in (1, 5, 60, 200, 517, 600, 700):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        t = context(authority).wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", gw.port), 10) as s:
            sent = 0
            with contextlib.suppress(Cut, ssl.SSLError):
                while True:
                    try:
                        t.do_handshake()
                        raise Cut
                    except ssl.SSLWantReadError:
                        data = outgoing.read()[:max(most - sent, 0)]
                        if not data:
                            raise Cut from None
                        s.sendall(data)
                        sent += len(data)
                        if sent >= most:
                            raise Cut from None
                        incoming.write(s.recv(65536))
    c = connect(gw, authority)
    assert ask(c, gw)[0] == 200
    c.close()


def test_metrics_say_when_the_certificate_ends(gw, authority):
    c = connect(gw, authority)
    c.connect()
    end = ssl.cert_time_to_seconds(c.sock.getpeercert()["notAfter"])
    c.request("GET", "/metrics")
    assert f"llmgw_tls_certificate_expiry_timestamp_seconds {end}.000000000" in c.getresponse().read().decode().splitlines()


def test_a_new_certificate_by_reload(gw, files, authority):
    """New connections get it, on all workers; old ones live on."""
    old = {serial(gw, authority) for _ in range(20)}
    assert len(old) == 1
    kept = connect(gw, authority)
    assert ask(kept, gw)[0] == 200
    stream = connect(gw, authority)
    stream.request("POST", "/v1/chat/completions",
                   json.dumps({"model": "mock?tokens=40&gap=20", "stream": True, "messages": [{"role": "user", "content": "x"}]}),
                   {"Authorization": f"Bearer {gw.master_key}"})
    answer = stream.getresponse()
    answer.readline()
    files.renew()
    assert gw.ctl_json("reload")["result"] == "reloaded"
    new = {serial(gw, authority) for _ in range(20)}
    assert len(new) == 1 and new != old
    assert ask(kept, gw)[0] == 200
    assert answer.read().endswith(b"data: [DONE]\n\n")
    cert, key = files.cert, files.key
    files.cert, files.key = cert.with_name("other.pem"), key.with_name("other.key")     # other files, too
    files.renew()
    gw.config.write_text(gw.config.read_text().replace(str(cert), str(files.cert)).replace(str(key), str(files.key)))
    gw.ctl("reload")
    third = {serial(gw, authority) for _ in range(20)}
    assert len(third) == 1 and third != new
    kept.close()
    stream.close()


@pytest.mark.parametrize("how", ["garbage", "empty", "key-of-another", "missing"])
def test_a_bad_certificate_never_takes_the_place_of_a_good_one(gw, files, authority, how):
    old = serial(gw, authority)
    other_cert, other_key = authority.leaf("localhost")
    spoil(files, how, other_cert)
    gw.ctl("reload", check=False)
    assert {serial(gw, authority) for _ in range(6)} == {old}
    files.put(other_cert.read_text(), other_key.read_text())
    gw.ctl("reload")
    assert {serial(gw, authority) for _ in range(6)} != {old}


def spoil(files, how, other_cert):
    if how == "garbage":
        files.put("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", "x")
    elif how == "empty":
        files.put("", "")
    elif how == "key-of-another":
        files.put(other_cert.read_text(), files.authority.leaf("localhost")[1].read_text())
    else:
        files.cert.unlink()


def place_of(gw, word):
    """FILE:LINE:COL of a value in the configuration."""
    text = gw.config.read_text()
    at = text.index(word)
    return f"{gw.config}:{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}: "


@pytest.mark.parametrize("how", ["garbage", "empty", "key-of-another", "missing"])
def test_a_reload_with_a_bad_certificate_says_so(gw, files, authority, how):
    spoil(files, how, authority.leaf("localhost")[0])
    place = place_of(gw, str(files.key if how == "key-of-another" else files.cert))
    p = gw.ctl("reload", check=False)
    assert p.returncode == 8 and place in p.stdout + p.stderr, (p.returncode, p.stdout, p.stderr)
    p = subprocess.run([BUILD / "llmgw", "--check", "--config", gw.config], capture_output=True, text=True, timeout=20)
    assert p.returncode == 1 and place in p.stderr, p
    assert "PRIVATE KEY" not in p.stderr
    assert gw.ctl_json("status")["generation"] == 1


def test_nobody_serves_over_tls(tmp_path, start, files, authority):
    """The master has no words for a TLS client: it closes, and is not held up."""
    path = tmp_path / "worker"
    path.symlink_to(BUILD / "llmgw-worker")
    gw = start([("m", "plain")], files.settings(), args=["--worker-path", str(path)])
    path.unlink()
    for w in gw.ctl_json("workers")["workers"]:
        os.kill(w["pid"], signal.SIGKILL)
    gw.wait_log("service.unserved")
    for _ in range(5):
        with pytest.raises((ssl.SSLError, OSError)):
            ask(connect(gw, authority), gw)


@pytest.mark.parametrize("how", ["garbage", "key-of-another"])
def test_a_bad_certificate_at_start_is_told(tmp_path, mock, files, authority, how):
    files.put("nonsense" if how == "garbage" else files.cert.read_text(), authority.leaf("localhost")[1].read_text())
    g = Gateway(tmp_path, [("m", {"model": "openai/plain", "api_key": "x", "api_base": mock.base + "/v1"})], files.settings())
    try:
        with pytest.raises(AssertionError, match="the gateway ended"):
            g.start()
        assert g.process.returncode == 8            # it has ended by itself
    finally:
        if g.process and g.process.poll() is None:
            g.stop(expect=None)
    logs = g.logs()
    assert "certificate" in logs or "private key" in logs, logs


class TwoListeners(Gateway):
    """Addresses from the file: --host and --port would replace them."""

    def command(self):
        c = super().command()
        for name in ("--host", "--port"):
            at = c.index(name)
            del c[at:at + 2]
        return c


def test_plain_and_tls_listeners_side_by_side(tmp_path, mock, files, authority):
    plain, tls = free_port(), free_port()
    g = TwoListeners(tmp_path, [("m", {"model": "openai/plain", "api_key": "x", "api_base": mock.base + "/v1"})],
                     files.settings(f"  listen: [{{address: 127.0.0.1, port: {plain}, tls: false}}, "
                                    f"{{address: 127.0.0.1, port: {tls}, tls: true}}]\n"))
    g.port = plain
    g.start()
    try:
        failures = []

        def both():
            try:
                g2 = connect(g, authority)
                g2.port = tls
                for _ in range(5):
                    assert ask(g2, g)[0] == 200
                    assert g.ask("m").status == 200
                g2.close()
            except Exception as e:          # noqa: BLE001 - shown below
                failures.append(repr(e))

        threads = [threading.Thread(target=both) for _ in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert not failures
        with socket.create_connection(("127.0.0.1", plain), 5) as s:
            with pytest.raises((ssl.SSLError, OSError)):
                context(authority).wrap_socket(s, server_hostname="localhost")
        g.ctl("reload")
        assert g.ask("m").status == 200
        status = g.ctl_json("status")
        assert len(status["listen"]) == 2 and sorted(u.split(":")[0] for u in status["urls"]) == ["http", "https"], status
        assert f"curl {status['urls'][0]}/v1/chat/completions" in g.ctl("keys", "create").stdout
    finally:
        g.stop()
