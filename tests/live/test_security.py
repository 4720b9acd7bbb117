# SPDX-License-Identifier: MIT
"""Secrets stay where they belong, and requests go only where the operator said.

Canaries are unique texts planted where a secret or a prompt stands; a scanner then looks for
any twelve bytes of them, plain or encoded, wherever they must not be."""
import base64
import contextlib
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse

import pytest

from conftest import PRICED
from gateway import until

PROVIDER_KEY = "sk-prov-Zq7Lw2Xv9Kt4Bn6Mc1Rd8"
HEADER_SECRET = "hdr-Uy3Ge5Hj8Pf2Ws7Ak9Td4Vb"
PROMPT = "Prompt-Om6Ni1Qx5Ec8Lr3Yz7Gu2Sf about a private matter"
MASTER = "sk-mast-Jd8Vc3Nw6Ht1Kx9Bp5Qf2"


def forms(secret):
    """The secret's twelve-byte windows as bytes, and what encodings make of it."""
    raw = secret.encode()
    for i in range(len(raw) - 11):
        yield raw[i:i + 12]
        yield raw[i:i + 12].hex().encode()
        yield raw[i:i + 12].hex().upper().encode()
    for pad in range(3):
        yield base64.b64encode(b"\0" * pad + raw)[4:24]
    quoted = urllib.parse.quote(secret, safe="").encode()
    if quoted != raw:
        yield quoted


def found(data, **canaries):
    """The names of the canaries of which some part stands in the data."""
    return [name for name, text in canaries.items() if any(f in data for f in forms(text))]


class Listener:
    """Somebody whom nobody should call: counts connections, keeps what they say."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port, self.heard = self.sock.getsockname()[1], []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.sock.accept()
                c.settimeout(1)
                self.heard.append(b"")
                with contextlib.suppress(OSError):
                    self.heard[-1] = c.recv(65536)
                    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                c.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def canary():
    c = Listener()
    yield c
    c.sock.close()
    assert not c.heard, c.heard


def provider(mock, script, **more):
    return {"model": "openai/" + script, "api_base": mock.base + "/v1", "api_key": PROVIDER_KEY, **PRICED, **more}


def files_of(gw):
    return b"".join(f.read_bytes() for f in (gw.tmp / "state").rglob("*") if f.is_file())


# ---- leakage -------------------------------------------------------------------------------------

@pytest.mark.parametrize("kept", ["", "general_settings:\n  store_prompts_in_spend_logs: true\n"])
def test_canaries_are_nowhere(start, mock, kept):
    """L1, L2: at level debug, after all that can be done with keys and prompts, well and wrongly; where prompts are
    kept they are sealed, and keys in them hidden."""
    echoes = {f"echo{s}": provider(mock, f"mock?keyecho&status={s}") for s in (400, 401, 403, 404, 422, 429, 500, 503)}
    gw = start([("m", provider(mock, "plain", extra_headers={"X-Vendor-Secret": HEADER_SECRET})),
                ("echo", provider(mock, "mock?echo&tokens=1")), ("dead", {**provider(mock, "x"), "api_base": "http://127.0.0.1:9"}),
                ("badstream", provider(mock, "mock?tokens=3&garbage=1"))] + list(echoes.items()),
               "server: {log: {level: debug}}\nrouter_settings: {num_retries: 0, disable_cooldowns: true}\n" + kept,
               master_key=MASTER)
    down = []               # what clients of the data plane got

    def ask(*a, **kw):
        r = gw.ask(*a, **kw)
        down.append(r.body + repr(r.headers).encode())
        return r

    made = gw.post("/key/generate", {"key_alias": "canary", "metadata": {"a": 1}}).json["key"]
    own = gw.post("/key/generate", {"key": "sk-own-Rx4Tb7Yn2Lq9Wd5Kg8Vm1"}).json["key"]
    turned = gw.post("/key/regenerate", {"key": own}).json["key"]
    assert ask("m", PROMPT, key=made, user="somebody").status == 200
    assert HEADER_SECRET in gw_header(mock, "x-vendor-secret")
    assert ask("echo", PROMPT, key=made).text == PROMPT
    assert gw.stream("echo", PROMPT, key=made).text() == PROMPT
    assert ask("m", PROMPT, key=made, tools=[{"type": "function", "function": {"name": "f", "description": PROMPT}}],
               metadata={"note": PROMPT}, stop=[PROMPT]).status == 200
    assert gw.post("/v1/embeddings", {"model": "m", "input": [PROMPT]}, key=made).status == 200
    for name in echoes:
        r = ask(name, PROMPT, key=made)
        assert r.status >= 400 and "REDACTED" in r.body.decode().upper() or PROVIDER_KEY not in r.body.decode(), r
        down.append(json.dumps(list(gw.stream(name, PROMPT, key=made).events())).encode())
    for name in ("dead", "badstream", "nobody"):
        ask(name, PROMPT, key=made)
        down.append("".join(gw.stream(name, PROMPT, key=made).events()).encode())
    for bad in ('{"model":"m","messages":[{"role":"user","content":"%s"' % PROMPT, '{"model":5,"user":"%s"}' % PROMPT,
                '{"model":"m","messages":"%s"}' % PROMPT):
        gw.request("POST", "/v1/chat/completions", bad, key=made)
    gw.get("/v1/models?key=" + made, key=False)
    gw.get("/nope/" + made)
    gw.get("/key/info?key=" + made)
    gw.get("/key/list", key=made)
    gw.request("GET", "/v1/models", key=False, headers={"Authorization": "Basic " + made})
    gw.request("GET", "/v1/models", key=False, headers={"Authorization": "Bearer " + made + "x"})
    with socket.create_connection(("127.0.0.1", gw.port)) as s:
        s.sendall(f"GET / HTTP/1.1\r\nAuthorization: Bearer {made}\nX\r\n\r\n".encode())
        s.recv(1000)
    gw.post("/config/reload", {})
    gw.post("/key/block", {"key": turned})
    assert gw.post("/key/delete", {"keys": [turned]}).status == 200
    gw.spend_rows(wait_for=10)
    if kept:
        ask("echo", f"{PROVIDER_KEY} {HEADER_SECRET} {MASTER} {made}", key=made)
        until(lambda: any("****" in json.dumps(r["messages"]) for r in gw.ctl_json("spend", "logs", "--texts")))
        down.pop()          # it was told what it had said
        texts = gw.ctl("--json", "spend", "logs", "--texts").stdout
        assert PROMPT in texts and not found(texts.encode(), made=made, own=own, turned=turned, master=MASTER,
                                             provider=PROVIDER_KEY, header=HEADER_SECRET)
    shown = "".join(gw.ctl(*c.split(), check=False).stdout + gw.ctl(*c.split(), check=False).stderr for c in (
        "status", "config show --origin", "config diff", "logs tail --lines 1000", "models", "models show m", "health",
        "keys list", "keys show canary", "spend logs", "spend report", "workers", f"keys show {made}x"))
    keys = dict(made=made, own=own, turned=turned, master=MASTER, provider=PROVIDER_KEY, header=HEADER_SECRET)
    everything = dict(keys, prompt=PROMPT)
    metrics = gw.get("/metrics", key=False).body
    assert not found(metrics, **everything)
    assert not found(gw.logs().encode(), **everything)
    assert not found(shown.encode(), **everything)
    assert not found(files_of(gw), **everything)
    assert not found(b"".join(down), master=MASTER, provider=PROVIDER_KEY, header=HEADER_SECRET)
    for pid in [gw.process.pid, *gw.children()]:
        proc = pathlib.Path(f"/proc/{pid}")
        assert not found((proc / "cmdline").read_bytes() + (proc / "environ").read_bytes(), **everything)
    gw.stop()
    assert not found(files_of(gw) + gw.logs().encode(), **everything)


def gw_header(mock, name):
    return mock.get(f"/mock/log?n=1&h={name}")[0]["headers"][name]


def test_environment_of_workers(start, mock):
    """Keys given by environment reach the master, and no worker's environment."""
    gw = start([("m", {**provider(mock, "plain"), "api_key": "os.environ/SOME_KEY"})],
               env={"SOME_KEY": PROVIDER_KEY, "LLMGW_MASTER_KEY": MASTER, "OPENAI_API_KEY": PROVIDER_KEY,
                    "AWS_SECRET_ACCESS_KEY": HEADER_SECRET}, master_key=None)
    assert gw.ask("m", key=MASTER).status == 200
    assert mock.log()[-1]["authorization"] == "Bearer " + PROVIDER_KEY
    for pid in gw.children():
        env = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        assert not found(env, a=PROVIDER_KEY, b=MASTER, c=HEADER_SECRET), env


def memory_of(pid):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in open(f"/proc/{pid}/maps"):
            span, mode = line.split()[:2]
            low, high = (int(x, 16) for x in span.split("-"))
            if "r" not in mode or "[vsyscall]" in line or "[vvar" in line or high - low > 1 << 32:
                continue                       # the last: a sanitizer's shadow
            if "memfd:" in line:
                yield from memfd_of(f"/proc/{pid}/map_files/{low:x}-{high:x}")
                continue
            mem.seek(low)
            while low < high:
                try:
                    piece = mem.read(min(high - low, 1 << 22))
                except OSError:
                    break
                if not piece:
                    break
                yield piece
                low += len(piece)


def memfd_of(path):
    """Shared segments are large and sparse: only what was ever written."""
    fd, at = os.open(path, os.O_RDONLY), 0
    try:
        while True:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(fd, at, os.SEEK_HOLE)
            yield os.pread(fd, end - at, at)
            at = end
    finally:
        os.close(fd)


def test_master_key_is_not_in_workers(start, mock):
    """L5: from the start, before an administrator has called, and after a restart of one."""
    if os.geteuid() != 0:
        pytest.skip("only root may look into other processes")
    gw = start([("m", provider(mock, "plain"))], master_key=MASTER)
    k = gw.ctl_json("keys", "create")["key"]
    assert gw.ask("m", key=k).status == 200
    try:
        for pid in gw.children():
            has_provider_key = False                # the scanner's own test: this one must be there
            for piece in memory_of(pid):
                has_provider_key |= PROVIDER_KEY.encode() in piece
                assert MASTER.encode() not in piece
            assert has_provider_key
    except PermissionError:
        pytest.skip("/proc/pid/mem is closed here")


def test_no_core_and_no_way_in(start, mock):
    """The master, which holds all keys, is not dumpable."""
    gw = start([("m", provider(mock, "plain"))])
    status = pathlib.Path(f"/proc/{gw.process.pid}/status").read_text()
    assert "CoreDumping:\t0" in status
    st = os.stat(f"/proc/{gw.process.pid}/mem")
    assert st.st_uid == 0
    for f in (gw.tmp / "state").rglob("*"):
        assert f.stat().st_mode & 0o077 == 0, f
    assert (gw.tmp / "run" / "control.sock").stat().st_mode & 0o007 == 0


ALLOWED = re.compile(r"x-litellm-.*|llm_provider-.*|x-ratelimit-.*|content-type|content-length|date|connection|"
                     r"access-control-allow-origin|keep-alive|transfer-encoding|cache-control|x-accel-buffering|"
                     r"retry-after|x-should-retry|server|vary|www-authenticate")
PASSED = re.compile(r"llm_provider-(x-ratelimit-.*|ratelimit-.*|anthropic-ratelimit-.*|openai-.*|x-request-id|"
                    r"request-id|retry-after.*)")


@pytest.mark.parametrize("how", ["", "&status=500", "&stream"])
def test_headers_of_answers(start, mock, how):
    """L3: of what a provider sends only a few kinds come through, and none that holds the key."""
    odd = ["set-cookie:a=b", "server:nginx", "x-powered-by:php", "via:1.1 x", "location:http://127.0.0.1:9/",
           "www-authenticate:Basic", "authorization:Bearer x", "x-litellm-response-cost:99", "x-litellm-key-spend:0",
           "access-control-allow-origin:http://evil", "strict-transport-security:max-age=1", "alt-svc:h3",
           "content-security-policy:x", "refresh:0", "link:<x>", "x-accel-redirect:/etc/passwd", "trailer:x", "te:x",
           "x-ratelimit-remaining-requests:7", "openai-version:2020", "x-request-id:abc", "openai-organization:org",
           f"x-request-id-2:{PROVIDER_KEY}", f"openai-echo:Bearer {PROVIDER_KEY}", "x-ratelimit-odd:" + "y" * 300]
    parts = [odd[i:i + 8] for i in range(0, len(odd), 8)]        # the mock takes eight at a time
    gw = start([(f"m{i}", provider(mock, "mock?" + "&".join("hdr=" + o for o in p) + how.replace("&stream", "")))
                for i, p in enumerate(parts)], "router_settings: {num_retries: 0}\n")
    h = {}
    for i in range(len(parts)):
        r = gw.stream(f"m{i}") if how == "&stream" else gw.ask(f"m{i}")
        assert r.status == (500 if how == "&status=500" else 200)
        h.update(r.headers)
    assert all(ALLOWED.fullmatch(n) for n in h), [n for n in h if not ALLOWED.fullmatch(n)]
    assert all(PASSED.fullmatch(n) for n in h if n.startswith("llm_provider-")), h
    assert PROVIDER_KEY not in repr(h) and h.get("x-litellm-response-cost") != "99"
    assert h["access-control-allow-origin"] == "*"
    if how != "&status=500":
        assert h["x-ratelimit-remaining-requests"] == "7" and h["llm_provider-openai-version"] == "2020"


# ---- where requests go ---------------------------------------------------------------------------

def test_redirects_are_not_followed(start, mock, canary):
    """X2"""
    targets = (canary.url + "/v1", "http://169.254.169.254/latest", "file:///etc/passwd", "//" + canary.url[7:], "/v1/elsewhere")
    names = [(f"m{s}{i}", provider(mock, f"mock?redirect={t}&status={s}"))
             for s in (301, 302, 303, 307, 308) for i, t in enumerate(targets)]
    gw = start(names, "router_settings: {num_retries: 0, disable_cooldowns: true}\n")
    for name, _ in names:
        a = gw.ask(name)
        assert a.status >= 300 and "location" not in a.headers and b"root:" not in a.body, a
        assert gw.stream(name).status >= 300
    gw.ctl("health", "probe")
    assert {r["method"] + r["path"] for r in mock.log()} <= {"POST/v1/chat/completions", "GET/v1/models"}


NAMES = ["api_base", "base_url", "api_key", "user_config", "api_version", "custom_llm_provider", "litellm_params",
         "extra_body", "extra_headers", "headers", "organization", "azure_endpoint", "endpoint", "host", "url", "proxy",
         "http_proxy", "provider", "deployment_id", "model_list", "litellm_credential_name", "aws_bedrock_runtime_endpoint",
         "vertex_location", "region_name", "client", "configurable_clientside_auth_params", "callback_url", "webhook",
         "target", "target_model_names", "mock_testing_fallbacks", "litellm_metadata", "metadata", "proxy_server_request"]


def test_no_client_says_where_a_request_goes(start, mock, canary):
    """X1, X7: whatever a body, a header or a query names, the provider's key goes to the provider."""
    gw = start([("m", provider(mock, "plain"))])
    k = gw.key()
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    c = gw.connect()

    def post(path, body, headers=()):
        c.request("POST", path, json.dumps(body), {"Authorization": "Bearer " + k, **dict(headers)})
        r = c.getresponse()
        data = r.read()
        assert r.status < 500, (path, body, headers, r.status, data)
        assert PROVIDER_KEY.encode() not in data

    for name in NAMES:
        for value in (canary.url, canary.url + "/v1", {"api_base": canary.url, "api_key": "x"}, [canary.url]):
            post("/v1/chat/completions", {**body, name: value})
    for path, b in (("/v1/embeddings", {"model": "m", "input": "x"}), ("/v1/completions", {"model": "m", "prompt": "x"}),
                    ("/engines/m/chat/completions", body)):
        for name in ("api_base", "base_url", "api_key"):
            post(path, {**b, name: canary.url})
    for header in ("x-portkey-custom-host", "x-api-base", "x-litellm-api-base", "x-target-url", "x-forwarded-host", "forwarded",
                   "x-original-url", "x-litellm-model", "x-pass-authorization", "openai-organization", "x-openai-base-url",
                   "helicone-target-url", "cf-aig-endpoint", "x-upstream", "x-real-ip", "x-host", "proxy", "referer", "origin"):
        post("/v1/chat/completions", body, [(header, canary.url)])
    for name in ("api_base", "base_url", "url", "target", "host"):
        post(f"/v1/chat/completions?{name}={urllib.parse.quote(canary.url)}", body)
    for model in (canary.url, f"openai/{canary.url}", "m@" + canary.url, "../m", "m?x", f"m#{canary.url}", "//" + canary.url):
        post("/v1/chat/completions", {**body, "model": model})
    picture = [{"type": "image_url", "image_url": {"url": canary.url + "/x.png"}},
               {"type": "file", "file": {"file_data": canary.url, "filename": "x"}}]
    post("/v1/chat/completions", {**body, "messages": [{"role": "user", "content": picture}]})
    c.close()
    assert all(r["authorization"] == "Bearer " + PROVIDER_KEY for r in mock.log())


def test_no_list_of_models_slips_past_that_of_a_key(start, mock):
    """OpenRouter asks these models, where the first one does not answer."""
    gw = start([("m", {**provider(mock, "plain"), "model": "openrouter/plain"})])
    for k, good in ((gw.key(models=["m"]), []), (gw.key(models=["m", "also"]), ["also"]), (gw.key(models=["!dear/*"]), ["also"]),
                    (gw.key(team_id=gw.post("/team/new", {"models": ["m"]}).json["team_id"]), [])):
        for more in ({"models": ["dear/x"]}, {"models": [*good, "dear/x"]}, {"extra_body": {"models": ["dear/x"]}}, {"models": "dear/x"}):
            a = gw.ask("m", key=k, **more)
            assert a.status == 403 and "Tried to access dear/x" in a.json["error"]["message"], (more, a)
        assert gw.ask("m", key=k, models=good).status == 200
    assert gw.ask("m", key=gw.key(), models=["dear/x"]).status == 200


def test_a_model_name_does_not_change_the_host(start, mock, canary):
    """X4 in small: a wildcard's rest goes into the body, never into the URL."""
    gw = start([("any/*", {**provider(mock, "*"), "model": "openai/*"}), ("az/*", {**provider(mock, "*"), "model": "openai/*"})])
    for rest in ("@127.0.0.1:%d" % canary.port, "../../x", "x?y=z", "x#y", "x%2f..", "//127.0.0.1:%d/" % canary.port, "a b",
                 "x\r\nHost: evil", "\u0000"):
        a = gw.ask("any/" + rest)
        assert a.status in (200, 400, 404), a
    for r in mock.log():
        assert r["path"] == "/v1/chat/completions", r


def test_no_model_leads_to_another_path_of_azure(start, mock):
    gw = start([("az/*", {"model": "azure/*", "api_base": mock.base, "api_key": "az-canary", "api_version": "2024-10-21", **PRICED})])
    for rest in ("..", ".", "x/../../../echo?y=", "x/../..", "x?y#z", "x/images/../../../.."):
        for path, body in (("/v1/images/generations", {"prompt": "x"}), ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]})):
            gw.post(path, {"model": "az/" + rest, **body})
    tails = ("/images/generations?api-version=2024-10-21", "/chat/completions?api-version=2024-10-21")
    for r in mock.log():
        assert r["path"].startswith("/openai/deployments/") and r["path"].endswith(tails) and ".." not in r["path"].split("/"), r


def test_environment_of_curl_is_ignored(start, mock, canary, tmp_path, authority):
    """X5: proxies, netrc, curl's own files, key logs."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("machine 127.0.0.1 login evil password evil\ndefault login evil password evil\n")
    (home / ".netrc").chmod(0o600)
    (home / ".curlrc").write_text(f'proxy = "{canary.url}"\ninsecure\n')
    log = tmp_path / "keylog"
    server = TlsProvider(authority.leaf("localhost"))
    env = {n: canary.url for n in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")}
    gw = start([("m", provider(mock, "plain")), ("tls", {**provider(mock, "x"), "api_base": server.base})],
               "router_settings: {num_retries: 0}\n",
               env={**env, "HOME": str(home), "CURL_HOME": str(home), "SSLKEYLOGFILE": str(log), "NO_PROXY": "",
                    "SSL_CERT_FILE": str(authority.file)})
    assert gw.ask("m").status == 200 and gw.stream("m").status == 200
    assert mock.log()[-1]["authorization"] == "Bearer " + PROVIDER_KEY
    assert gw.ask("tls").status == 200
    gw.ctl("health", "probe", "m")
    assert json.loads(gw.ctl("--json", "health", "probe", "tls").stdout)["healthy_count"] == 1
    server.close()
    assert not log.exists()


# ---- TLS towards providers -----------------------------------------------------------------------

class Authority:
    """A certificate authority by the openssl program."""

    def __init__(self, where):
        self.where, self.file, self.n = where, where / "ca.pem", 0
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
                 "-out", "ca.pem", "-days", "30", "-subj", "/CN=llmgw test authority")
        (where / "index.txt").write_text("")
        (where / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nrand_serial=yes\nnew_certs_dir=.\ncertificate=ca.pem\n"
            "private_key=ca.key\ndefault_md=sha256\npolicy=p\nunique_subject=no\ncopy_extensions=copy\n[p]\n"
            "commonName=supplied\n")

    def run(self, *args):
        subprocess.run(["openssl", *args], cwd=self.where, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    def leaf(self, name, start="20200101000000Z", end="20400101000000Z", self_signed=False):
        """(certificate, key) files for a host."""
        self.n += 1
        cert, key, csr = f"{self.n}.pem", f"{self.n}.key", f"{self.n}.csr"
        common = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-subj", "/CN=" + name,
                  "-addext", "subjectAltName=DNS:" + name]
        if self_signed:
            self.run("req", "-x509", "-days", "30", "-out", cert, *common)
        else:
            self.run("req", "-out", csr, *common)
            self.run("ca", "-batch", "-config", "ca.cnf", "-in", csr, "-out", cert, "-startdate", start, "-enddate", end, "-notext")
        return self.where / cert, self.where / key


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


class TlsProvider:
    """A provider behind TLS that notes connections, requests and every byte it could decrypt."""

    def __init__(self, files, most=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, files))
        context.set_alpn_protocols(["http/1.1"])
        if most:
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = most
            context.set_ciphers("ALL:@SECLEVEL=0")
        self.connections, self.handshakes, self.bodies, self.keys = 0, 0, [], []
        me = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                me.bodies.append(self.rfile.read(int(self.headers.get("content-length") or 0)))
                me.keys.append(self.headers["authorization"])
                answer = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "x", "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "by tls"}}],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def finish_request(self, request, address):
                me.connections += 1
                try:
                    tls = context.wrap_socket(request, server_side=True)
                except (ssl.SSLError, OSError):
                    return
                me.handshakes += 1
                with contextlib.suppress(OSError, ssl.SSLError):
                    super().finish_request(tls, address)

            def handle_error(self, *args):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def base(self):
        return f"https://localhost:{self.server.server_address[1]}/v1"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


BAD = {"expired": dict(name="localhost", end="20200201000000Z"), "not-yet": dict(name="localhost", start="20390101000000Z"),
       "self-signed": dict(name="localhost", self_signed=True), "wrong-name": dict(name="other.example")}
TOLD = {"expired": "certificate has expired", "not-yet": "certificate is not valid yet", "self-signed": "self-signed: name a file",
        "wrong-name": "certificate is for another name", "tls1.1": "TLS 1.2 or later", "no-tls": "does this port speak HTTPS"}


def test_bad_certificates_are_refused_before_anything_is_sent(start, authority, mock):
    """X6"""
    servers = {n: TlsProvider(authority.leaf(**how)) for n, how in BAD.items()}
    with pytest.warns(DeprecationWarning):
        servers["tls1.1"] = TlsProvider(authority.leaf("localhost"), most=ssl.TLSVersion.TLSv1_1)
    bases = {"no-tls": mock.base.replace("http://", "https://"), **{n: s.base for n, s in servers.items()}}
    gw = start([(n, {**provider(mock, "x"), "api_base": base}) for n, base in bases.items()],
               "router_settings: {num_retries: 0, disable_cooldowns: true}\n", env={"SSL_CERT_FILE": str(authority.file)})
    assert gw.ask("no-tls").status == 502
    for name, s in servers.items():
        a = gw.ask(name, PROMPT)
        assert a.status == 502 and a.json["error"]["type"] == "bad_gateway_error", (name, a)
        assert TOLD[name] in a.json["error"]["message"], (name, a)
        assert s.connections >= 1 and not s.bodies and not s.keys, name
        st = gw.stream(name, PROMPT)
        assert st.status == 502
        s.close()
    assert not any(s.bodies for s in servers.values())
    told = {e["model"]: e["why"] for e in gw.records("attempt.failed")}
    assert set(told) == set(TOLD) and all(TOLD[n] in why for n, why in told.items()), told


def test_an_unknown_authority_is_refused(start, authority, mock):
    s = TlsProvider(authority.leaf("localhost"))
    gw = start([("m", {**provider(mock, "x"), "api_base": s.base})], "router_settings: {num_retries: 0}\n")
    a = gw.ask("m")
    assert a.status == 502 and not s.bodies and "SSL_CERT_FILE" in a.json["error"]["message"], a
    s.close()


def test_a_trusted_authority_and_connections_that_are_kept(start, authority, mock):
    s = TlsProvider(authority.leaf("localhost"))
    gw = start([("m", {**provider(mock, "x"), "api_base": s.base})], env={"SSL_CERT_FILE": str(authority.file)}, workers=2)
    for _ in range(12):
        a = gw.ask("m")
        assert a.status == 200 and a.text == "by tls", a
    assert len(s.bodies) == 12 and s.connections <= 2 and set(s.keys) == {"Bearer " + PROVIDER_KEY}
    s.close()
