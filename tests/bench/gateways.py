# SPDX-License-Identifier: MIT
"""gateways.py - what stands between the load generator and the mock: nothing, nginx, llmgw, others.

Each has start(), stop(), pids() and, for what is asked, url(way) and model(name). A way is where a
peer that chooses by path sends a request: "" is the usual one. Standard library only.
"""
import contextlib
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

from machine import OPENER, Void, ask, children_of, free_port, stop, wait_for_port

MASTER_KEY = "sk-bench-master-0000"
SETTLE_S = 180      # for a gateway to start, and again for it to come to rest
MODELS = {  # name at the gateway -> what the mock is to do (its model name is its script)
    "bench": "bench",
    "bench-tools": "bench?tools=2",
    "bench-one": "bench?tokens=250&gap=2&jitter=50&stamp",
    "bench-events": "bench?tokens=50&gap=5&jitter=50&stamp",
    "bench-burst": "bench?tokens=50&gap=5&stamp",
    "bench-turns": "bench?tokens=40&gap=50&jitter=50&stamp",
    "bench-slow": "bench?tokens=50&gap=20&stamp",
    "bench-hold": "bench?stall=1",
}
BIG = "bench-big"                       # goes to a mock of its own
LEAVING = {     # go to another, which keeps bodies
    "bench-leave": "bench?tokens=100000&gap=50&jitter=50",
    "bench-wait": "bench?ttft=60000",
}
LENGTHS = (1_000, 10_000, 100_000)      # tokens of an answer, an event each
SIDES = {"openai": "/v1", "anthropic": ""}    # providers -> the mock's path


class Direct:
    """Nothing at all: the floor of the floor."""

    name, ready_ms = "direct", None
    doing, refuses_wrong_keys = "nothing: no gateway", None

    def __init__(self, bench):
        self.bench, self.process = bench, None
        self.headers = {"Authorization": "Bearer sk-mock"}

    def start(self):
        self.port = self.bench.mock_port

    def stop(self):
        pass

    def pids(self):
        return []

    def model(self, name):
        return {**MODELS, **LEAVING}.get(name, name)

    def url(self, way=""):
        port = {"big": self.bench.big_port, "leave": self.bench.leave_port}.get(way, self.port)
        return f"http://127.0.0.1:{port}/v1/chat/completions"


class Nginx(Direct):
    """proxy_pass with upstream keep-alive: what a proxy costs that looks at nothing."""

    name = "nginx"
    doing = "key check no, spend log no: passes bytes on; as many workers as llmgw"
    conf = """
{user}daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {dir}/nginx.pid;
error_log {dir}/nginx.log {log_level};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 120s;
    client_max_body_size 16m;
    client_body_buffer_size 2m;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    upstream mock {{
        server 127.0.0.1:{mock};
        keepalive 512;
        keepalive_requests 1000000000;
    }}
    upstream big {{ server 127.0.0.1:{big}; keepalive 16; }}
    upstream leave {{ server 127.0.0.1:{leave}; keepalive 64; }}
    upstream refused {{
        server 127.0.0.1:{dead} max_fails=0;
        server 127.0.0.1:{mock} backup;
        keepalive 64;
    }}
    upstream broken {{
        server 127.0.0.1:{broken} max_fails=0;
        server 127.0.0.1:{mock} backup;
        keepalive 64;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://mock; }}
        location /stream/ {{ proxy_pass http://mock/; proxy_buffering off; }}
        location /big/ {{ proxy_pass http://big/; }}
        location /leave/ {{ proxy_pass http://leave/; proxy_buffering off; }}
        location /refused/ {{ proxy_pass http://refused/; }}
        location /broken/ {{
            proxy_pass http://broken/;
            proxy_next_upstream error http_500 non_idempotent;
        }}
        location /locked/ {{
            if ($http_authorization != "Bearer sk-right") {{ return 401; }}
            proxy_pass http://mock/;
        }}
    }}
    server {{
        listen 127.0.0.1:{broken};
        location / {{ return 500; }}
    }}
}}
"""

    def start(self):
        self.port = free_port()
        self.dir = tempfile.mkdtemp(prefix="nginx-", dir=self.bench.tmp)
        path = os.path.join(self.dir, "nginx.conf")
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with open(path, "w") as f:
            f.write(self.conf.format(
                user="user root;\n" if os.getuid() == 0 else "", workers=self.bench.workers,
                files=files, connections=2 * self.bench.args.streams + 1000, dir=self.dir,
                # It would write a line for each connection that is refused, as it is meant to be.
                log_level="crit", mock=self.bench.mock_port, big=self.bench.big_port,
                leave=self.bench.leave_port, dead=self.bench.dead_port, broken=free_port(), port=self.port))
        self.process = subprocess.Popen(
            [self.bench.nginx, "-p", self.dir, "-c", path], stderr=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)

    def stop(self):
        stop(self.process)

    def pids(self):
        return children_of(self.process.pid)

    def url(self, way=""):
        return f"http://127.0.0.1:{self.port}{way and '/' + way}/v1/chat/completions"


class Llmgw(Nginx):
    """The gateway with key check, limits, reservation and journal."""

    name = "llmgw"
    doing = "key check yes, a virtual key with budget and limits; spend log yes, a journal on disk"
    refuses_wrong_keys = True
    settings = ""           # more of the configuration file
    state = None

    def models(self):
        """Name, provider, base of the provider's address, the mock's script, order."""
        base = f"http://127.0.0.1:{self.bench.mock_port}/v1"
        big, leave = (f"http://127.0.0.1:{p}/v1" for p in (self.bench.big_port, self.bench.leave_port))
        return [(name, "openai", base, script, 1) for name, script in MODELS.items()] + [
            (BIG, "openai", big, "bench", 1)] + [
            (name, "openai", leave, script, 1) for name, script in LEAVING.items()]

    def config(self):
        entry = ('  - model_name: {}\n'
                 '    litellm_params: {{model: "{}/{}", api_base: "{}", api_key: sk-mock, order: {}, '
                 'input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}}\n')
        return ("model_list:\n"
                + "".join(entry.format(n, p, s, base, order) for n, p, base, s, order in self.models())
                + f"general_settings: {{master_key: {MASTER_KEY}}}\n"
                + (self.settings or "server: {log: {access: false}}\n"))   # as nginx: access_log off

    def start(self):
        """With nothing that was there before."""
        self.state = tempfile.mkdtemp(prefix="state-", dir=self.bench.disk)
        self.launch()
        self.make_key()

    def launch(self):
        """With the state of the start before."""
        self.port = free_port()
        self.run = run = tempfile.mkdtemp(prefix="llmgw-", dir=self.bench.tmp)
        self.config_file, notify = os.path.join(run, "config.yaml"), os.path.join(run, "notify")
        with open(self.config_file, "w") as f:
            f.write(self.config())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(notify)
            ready.settimeout(20)
            begin = time.monotonic()
            with open(os.path.join(run, "log"), "w") as log:
                self.process = subprocess.Popen(
                    [self.bench.llmgw, "--config", self.config_file, "--host", "127.0.0.1",
                     "--port", str(self.port), "--num-workers", str(self.workers()),
                     "--state-dir", self.state, "--runtime-dir", run],
                    env={**os.environ, "NOTIFY_SOCKET": notify}, stdout=log, stderr=log)
            try:
                while "READY=1" not in ready.recv(4096).decode().split("\n"):
                    pass
            except TimeoutError:
                with open(os.path.join(run, "log")) as log:
                    raise Void("llmgw is not READY after 20 s: " + log.read()[-500:]) from None
            self.ready_ms = (time.monotonic() - begin) * 1000

    def workers(self):
        return self.bench.workers

    def allowed(self):
        """Models that the key may use."""
        return sorted({m[0] for m in self.models()})

    def make_key(self):
        made = ask(f"http://127.0.0.1:{self.port}/key/generate",
                   {"models": self.allowed(), "max_budget": 1000000,
                    "rpm_limit": 100000000, "tpm_limit": 100000000000},
                   {"Authorization": f"Bearer {MASTER_KEY}"})
        self.headers = {"Authorization": f"Bearer {made['key']}"}

    def database(self):
        for name in os.listdir(self.state):
            if name.endswith(".db"):
                return os.path.join(self.state, name)
        raise Void(f"llmgw has no database in {self.state}")

    def model(self, name):
        return name

    def url(self, way=""):
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"


class Lengths(Llmgw):
    """One worker, which streams answers of several lengths, the short way and the long way."""

    def models(self):
        return [(f"{provider}-{n}", provider, f"http://127.0.0.1:{self.bench.mock_port}{path}",
                 f"bench?tokens={n}", 1) for provider, path in SIDES.items() for n in LENGTHS]

    def workers(self):
        return 1

    def worker(self):
        for pid in self.pids():
            with open(f"/proc/{pid}/comm") as f:
                if f.read().strip() == "llmgw-worker":
                    return pid
        raise Void("llmgw has no worker")


class Failing(Llmgw):
    """Groups whose first deployment fails each time, and is asked first each time all the same."""

    settings = ("router_settings: {disable_cooldowns: true, allowed_fails: 1000000}\n"
                "server: {log: {access: false}, router: {retry-budget: 1}}\n")

    def models(self):
        good = f"http://127.0.0.1:{self.bench.mock_port}/v1"
        dead = f"http://127.0.0.1:{self.bench.dead_port}/v1"
        return [("bench", "openai", good, "bench", 1),
                ("bench-refused", "openai", dead, "bench", 1), ("bench-refused", "openai", good, "bench", 2),
                ("bench-broken", "openai", good, "bench?status=500", 1),
                ("bench-broken", "openai", good, "bench", 2)]


class Full(Llmgw):
    """As many models and keys as a site has: what it takes to start, and idle."""

    def __init__(self, bench, models, keys):
        super().__init__(bench)
        self.model_count, self.key_count = models, keys

    def models(self):
        base = f"http://127.0.0.1:{self.bench.mock_port}/v1"
        return [(f"model-{i}", "openai", base, f"bench-{i}", 1) for i in range(self.model_count)]

    def allowed(self):
        return ["model-0", "model-1"]

    def fill(self):
        """Copies one key, made in earnest, as often as it takes. Their texts are nobody's."""
        self.start()
        self.stop()
        with contextlib.closing(sqlite3.connect(self.database())) as db, db:
            columns = [c[1] for c in db.execute("PRAGMA table_info(keys)") if c[1] not in ("id", "token_hash")]
            names = ", ".join(columns)
            db.execute(f"INSERT INTO keys (token_hash, {names}) "
                       "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                       f"SELECT randomblob(32), {names} FROM keys, n WHERE keys.id = (SELECT min(id) FROM keys)",
                       (self.key_count,))


class Other(Direct):
    """A gateway of someone else, as peers.py has it."""

    def __init__(self, bench, kind):
        super().__init__(bench)
        self.kind, self.name = kind, kind.name
        self.doing = f"{kind.version}: " + kind.doing.format(workers=bench.workers)
        self.refuses_wrong_keys = kind.refuses_wrong_keys

    def start(self):
        self.port = free_port()
        run = tempfile.mkdtemp(prefix=f"{self.name}-", dir=self.bench.tmp)
        command = self.kind.command(self.port, self.bench.mock_port, self.bench.workers, MODELS, run)
        begin = time.monotonic()
        with open(os.path.join(run, "log"), "w") as log:
            self.process = subprocess.Popen(
                command, cwd=run, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, **self.kind.environment(self.port, self.bench.mock_port, run)})
        try:
            wait_for_port(self.port, self.process, SETTLE_S)
            self.wait_for_answer(begin + SETTLE_S)
        except Void as e:
            with open(os.path.join(run, "log"), errors="replace") as log:
                raise Void(f"{self.name}: {e}: {log.read()[-500:]}") from None
        self.ready_ms = (time.monotonic() - begin) * 1000
        self.headers = self.kind.headers(self.port, self.bench.mock_port)

    def wait_for_answer(self, deadline):
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                OPENER.open(f"http://127.0.0.1:{self.port}{self.kind.ready_path}", timeout=5).close()
                return
            time.sleep(0.1)
        raise Void(f"does not answer {self.kind.ready_path}")

    def stop(self):
        """It has a group of its own, so that no worker stays behind when its parent is killed."""
        if self.process:
            stop(self.process)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def pids(self):
        return children_of(self.process.pid)

    def model(self, name):
        return self.kind.model(name, MODELS)
