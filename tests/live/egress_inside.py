# SPDX-License-Identifier: MIT
"""What test_egress.py runs in namespaces of its own: there every address is this machine's, and
names are what a small DNS server here says, which may say something else the second time."""
import http.server
import json
import socket
import struct
import threading

import pytest

from gateway import until

PUBLIC, PRIVATE, OTHER_PUBLIC = "93.184.215.14", "10.9.8.7", "93.184.215.15"
METADATA, METADATA_6 = "169.254.169.254", "fd00:ec2::254"
QUICK = "router_settings: {num_retries: 0, disable_cooldowns: true}\n"
STORE = "general_settings:\n  store_model_in_db: true\n"


class Provider:
    """Answers on every address of the machine, and remembers at which one it was asked."""

    def __init__(self):
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                provider.reached.append(self.connection.getsockname()[0].removeprefix("::ffff:"))

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                body = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *a):
                pass

        class Server(http.server.ThreadingHTTPServer):
            address_family, daemon_threads = socket.AF_INET6, True

        self.reached = []
        self.server = Server(("::", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Names:
    """A DNS server: names[host] is a list of answers, each a list of addresses; the last one stays."""

    def __init__(self):
        self.names, self.asked = {}, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.53", 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while len((got := self.socket.recvfrom(512))[0]) > 12:
            query, who = got
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            kind, end = struct.unpack(">H", query[at + 1:at + 3])[0], at + 5
            self.socket.sendto(self.answer(query, ".".join(labels), kind, end), who)

    def answer(self, query, name, kind, end):
        answers = self.names.get(name, [])
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        now = answers[0] if answers else []
        if family == socket.AF_INET6 and len(answers) > 1:     # A and AAAA are asked for together
            answers.pop(0)
        if family == socket.AF_INET:
            self.asked.append(name)
        rows = [socket.inet_pton(family, a) for a in now if family and (":" in a) == (family == socket.AF_INET6)]
        head = query[:2] + struct.pack(">HHHHH", 0x8180 if answers else 0x8183, 1, len(rows), 0, 0)
        return head + query[12:end] + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(r)) + r for r in rows)

    def close(self):
        self.socket.sendto(b"end", ("127.0.0.53", 53))
        self.thread.join(10)
        self.socket.close()


@pytest.fixture
def provider():
    p = Provider()
    yield p
    p.close()


@pytest.fixture
def names():
    n = Names()
    yield n
    n.close()


def to(provider, host, model="openai/m", **more):
    return {"model": model, "api_base": f"http://{host}:{provider.port}/v1", "api_key": "sk-x", **more}


def refused(gw, model, why):
    a = gw.ask(model)
    assert a.status == 502 and a.json["error"]["code"] == "address_refused", a
    assert why in a.json["error"]["message"] and "server.allow-private" in a.json["error"]["message"], a
    return a


def test_the_operator_names_private_hosts(start, provider, names):
    """Compose networks, split horizons, literal addresses: as LiteLLM's users have them."""
    names.names = {"vllm": [[PRIVATE]], "gpu.corp.example.com": [["127.0.0.1"]], "six.example.com": [["fd12::7"]],
                   "public.example.com": [[PUBLIC]]}
    hosts = ("vllm", "gpu.corp.example.com", "six.example.com", "public.example.com", "localhost", "127.0.0.1",
             PRIVATE, "[::1]", "[fd12::7]", METADATA, f"[{METADATA_6}]")
    gw = start([(f"m{i}", to(provider, h)) for i, h in enumerate(hosts)], QUICK)
    for i, h in enumerate(hosts):
        assert gw.ask(f"m{i}").status == 200, h
    assert provider.reached == [PRIVATE, "127.0.0.1", "fd12::7", PUBLIC, "127.0.0.1", "127.0.0.1", PRIVATE, "::1", "fd12::7",
                                METADATA, METADATA_6] or provider.reached[4] == "::1", provider.reached


@pytest.mark.parametrize("address,why", [(METADATA, "link-local"), (METADATA_6, "metadata"), ("0.0.0.0", "no server's"),
                                         ("fd20:ce::254", "metadata"), ("100.100.100.200", "metadata"),
                                         ("::ffff:169.254.169.254", "link-local")])
def test_a_name_never_leads_to_metadata(start, provider, names, address, why):
    names.names = {"gpu.example.com": [[address]]}
    gw = start([("m", to(provider, "gpu.example.com"))], QUICK)
    refused(gw, "m", why)
    told = gw.wait_log("upstream.address_refused", host="gpu.example.com")
    assert told["address"] in (address, METADATA) and why in told["why"] and told["deployment"]
    assert provider.reached == []
    assert gw.wait_log("request.done", outcome="UP_BARRED")["status"] == 502
    until(lambda: b"\nllmgw_upstream_addresses_refused_total 1\n" in gw.get("/metrics", key=False).body)


def test_what_is_allowed_is_allowed(start, provider, names):
    names.names = {"gpu.example.com": [[METADATA]]}
    gw = start([("m", to(provider, "gpu.example.com"))], QUICK + "server: {allow-private: [169.254.169.0/24]}\n")
    assert gw.ask("m").status == 200 and provider.reached == [METADATA]


def test_another_address_of_the_same_name_is_tried(start, provider, names):
    names.names = {"gpu.example.com": [[METADATA, PUBLIC]]}
    gw = start([("m", to(provider, "gpu.example.com"))], QUICK)
    assert gw.ask("m").status == 200 and provider.reached == [PUBLIC]
    assert not gw.records("request.done") or gw.records("request.done")[-1]["outcome"] == "OK"


def test_a_vendors_name_is_public(start, provider, names):
    """No api_base, or the vendor's own: who makes its name private has not been told to."""
    names.names = {"api.openai.com": [[PRIVATE]], "api.groq.com": [["127.0.0.1"]]}
    gw = start([("m", {"model": "openai/gpt-4o", "api_key": "sk-x"}), ("g", {"model": "groq/x", "api_key": "sk-x"}),
                ("w", {"model": "openai/gpt-4o", "api_key": "sk-x", "api_base": "https://api.openai.com/v1"})], QUICK)
    for model, why in (("m", "private"), ("w", "private"), ("g", "loopback")):
        refused(gw, model, why)
    # The directive opens them; then nothing there speaks TLS.
    gw.config.write_text(gw.config.read_text() + "server: {allow-private: [10.0.0.0/8]}\n")
    gw.ctl("reload")
    a = gw.ask("m")
    assert a.status != 200 and "address_refused" not in str(a.json)
    refused(gw, "g", "loopback")


def stranger(gw):
    gw.post("/user/new", {"user_id": "root", "user_role": "proxy_admin", "auto_create_key": False})
    return gw.key(user_id="root")


def add(gw, key, name, params):
    a = gw.post("/model/new", {"model_name": name, "litellm_params": params}, key=key)
    assert a.status == 200, a
    return a.json["model_id"]


def test_the_second_answer_of_a_name_is_looked_at(start, provider, names):
    names.names = {"one.example.com": [[PUBLIC], [PRIVATE]], "both.example.com": [[OTHER_PUBLIC, "127.0.0.1"]],
                   "good.example.com": [[PUBLIC]]}
    gw = start([("m", "plain")], QUICK + STORE, workers=1)
    root = stranger(gw)
    for n in ("one", "good"):
        add(gw, root, n, to(provider, f"{n}.example.com"))
    add(gw, root, "both", {**to(provider, "both.example.com"), "api_base": "http://both.example.com:9/v1"})
    assert gw.ask("one").status == gw.ask("good").status == 200 and provider.reached == [PUBLIC, PUBLIC]
    assert gw.ask("one").status == 200 and len(provider.reached) == 2   # on the connection that stands
    gw.ctl("workers", "restart")                # whose resolver remembers nothing
    refused(gw, "one", "private")
    assert names.asked.count("one.example.com") == 2
    assert gw.ask("good").status == 200
    refused(gw, "both", "loopback")          # nobody listens at its first address
    assert set(provider.reached) == {PUBLIC}
