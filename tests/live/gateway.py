# SPDX-License-Identifier: MIT
"""A gateway under test: real processes, real sockets, a mock that misbehaves by script.

`Gateway` writes a configuration, starts the built master, waits for READY on a notify socket of
its own (no sleeps), offers ask(), stream(), ctl(), admin(), log_has(). Tear-down fails the test
on a bad exit status, a MUST line, a sanitizer report, a child left over."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

BUILD = pathlib.Path(os.environ.get("LLMGW_BUILD", "build")).resolve()
MASTER_KEY = "sk-live-master-0123456789"
PATIENCE = float(os.environ.get("LLMGW_PATIENCE", "1"))   # sanitizers: 3


def until(what, timeout=30):
    """What a condition gives, once it gives something."""
    end = time.monotonic() + timeout * PATIENCE
    while not (got := what()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)
    return got


def hold_port():
    """A port for somebody else to listen on, and the socket that keeps it ours until then and over a
    restart: nobody else gets it from the kernel, for nothing that is bound there has it alone."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]


HELD = []


def free_port():
    """One that stays so until this process ends."""
    s, port = hold_port()
    HELD.append(s)
    return port


def alive(pid):
    """Neither gone nor a zombie."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class Mock:
    """llmgw-mock, the scripted provider; its log is the other side of every claim."""

    def __init__(self, *args):
        self.process = subprocess.Popen([BUILD / "llmgw-mock", "--port", "0", "--log-bodies", *args],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(line.rsplit(":", 1)[1])

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path, method="GET"):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * PATIENCE)
        c.request(method, path)
        body = c.getresponse().read()
        c.close()
        return json.loads(body) if body else None

    def log(self, n=1000):
        return self.get(f"/mock/log?n={n}")

    def clear(self):
        self.get("/mock/log", "DELETE")

    def stats(self):
        return self.get("/mock/stats")

    def close(self):
        self.process.terminate()
        self.process.wait(30)


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.json["choices"][0]["message"]["content"]

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


class Stream:
    """An SSE answer read event by event, as a client sees it."""

    def __init__(self, connection, response):
        self.connection, self.response = connection, response
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.comments = 0

    def events(self):
        for line in self.response:
            line = line.decode().rstrip("\r\n")
            if line.startswith(":"):
                self.comments += 1
            elif line.startswith("data:"):
                yield line[5:].strip()

    def chunks(self):
        return [json.loads(e) for e in self.events() if e != "[DONE]"]

    def text(self):
        return "".join(c["choices"][0]["delta"].get("content") or "" for c in self.chunks()
                       if c.get("choices"))

    def leave(self):
        """RST-free abrupt end, as a client that closes its window."""
        self.response.close()
        self.connection.sock and self.connection.sock.close()
        self.connection.close()


class Gateway:
    def __init__(self, tmp, models, settings="", workers=2, env=None, args=(), master_key=MASTER_KEY,
                 raw=None, wrap=()):
        self.tmp = pathlib.Path(tmp)
        self.config = self.tmp / "llmgw.yaml"
        self.workers, self.args, self.master_key = workers, list(args), master_key
        self.env, self.wrap = env or {}, list(wrap)      # wrap: a command that becomes the given one
        self.log_path = self.tmp / "log"
        self.process = None
        self.starts = 0
        self.may_mend = False           # that the board's sums were wrong, and have been set right
        self.port = self.held = None
        self.write(models, settings, raw)

    # ---- configuration and processes

    def write(self, models, settings="", raw=None):
        if raw is None:
            lines = ["model_list:"]
            for name, params in models:
                info = params.get("model_info", {})
                params = {k: v for k, v in params.items() if k != "model_info"}
                lines += [f"  - model_name: {json.dumps(name)}", f"    litellm_params: {json.dumps(params)}",
                          f"    model_info: {json.dumps(info)}"]
            raw = "\n".join(lines) + "\n" + settings
            if self.master_key:
                raw = raw.replace("general_settings:\n", "general_settings:\n  master_key: %s\n" % self.master_key) \
                    if "general_settings:\n" in raw else raw + f"general_settings:\n  master_key: {self.master_key}\n"
        self.config.write_text(raw)

    def command(self):
        if self.port is None:
            self.held, self.port = hold_port()
        return [*self.wrap, str(BUILD / "llmgw"), "--config", str(self.config), "--host", "127.0.0.1", "--port",
                str(self.port), "--num-workers", str(self.workers), "--state-dir", str(self.tmp / "state"),
                "--runtime-dir", str(self.tmp / "run"), "--log-format", "json", *self.args]

    def start(self, timeout=60):
        self.starts += 1                # a name of its own: the last one's end is not this one's
        path = self.tmp / f"notify{self.starts}"
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(path))
        notify.settimeout(timeout * PATIENCE)
        env = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
        env.update(NOTIFY_SOCKET=str(path), **self.env)
        self.log_file = open(self.log_path, "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(self.command(), stderr=self.log_file, stdout=self.log_file,
                                        stdin=subprocess.DEVNULL, env=env, start_new_session=True)
        self.notify = notify
        watcher = threading.Thread(target=self._wake_when_dead, args=(path,), daemon=True)
        watcher.start()
        self.wait_notify("READY=1")
        self.ready_ms = (time.monotonic() - began) * 1000
        return self

    def _wake_when_dead(self, path):
        self.process.wait()
        with contextlib.suppress(OSError):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.sendto(b"DEAD=1", str(path))

    def wait_notify(self, word):
        while True:
            text = self.notify.recv(4096).decode()
            if word in text:
                return text
            if "DEAD=1" in text:
                raise AssertionError("the gateway ended:\n" + self.logs()[-4000:])

    def stop(self, expect=0, timeout=40):
        if self.process is None:
            return
        pids = self.children()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise AssertionError("the gateway did not stop:\n" + self.logs()[-4000:])
        self.process = None
        self.log_file.close()
        self.notify.close()
        if expect is not None:
            assert status == expect, f"exit status {status}\n" + self.logs()[-4000:]
        left = [p for p in pids if pathlib.Path(f"/proc/{p}").exists()]
        deadline = time.monotonic() + 20 * PATIENCE
        while left and time.monotonic() < deadline:
            time.sleep(0.05)
            left = [p for p in left if pathlib.Path(f"/proc/{p}").exists()]
        assert not left, f"children left over: {left}"
        self.check_logs()

    def check_logs(self):
        text = self.logs()
        for bad in ("MUST failed", "sandbox.refused", "AddressSanitizer", "runtime error:", "LeakSanitizer",
                    f"signal {signal.SIGSYS.value}"):
            assert bad not in text, text[-6000:]
        assert self.may_mend or "budget.mended" not in text, self.records("budget.mended")[:5]

    def kill(self):
        """SIGKILL to the master alone."""
        self.process.kill()
        self.process.wait(30)
        self.process = None
        self.log_file.close()
        self.notify.close()

    def kill_workers(self):
        for pid in self.children():
            assert pid > 1
            os.kill(pid, signal.SIGKILL)

    def kill_all(self):
        """SIGKILL to all of it at once; what is in journals stays there."""
        pids = self.children()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.kill()
        until(lambda: not any(alive(p) for p in pids))

    def children(self):
        with contextlib.suppress(OSError):
            return [int(p) for p in pathlib.Path(
                f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]
        return []

    def logs(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def records(self, event=None):
        out = []
        for line in self.logs().splitlines():
            with contextlib.suppress(ValueError):
                r = json.loads(line)
                if event is None or r.get("event") == event:
                    out.append(r)
        return out

    def wait_log(self, event, timeout=30, **fields):
        deadline = time.monotonic() + timeout * PATIENCE
        while time.monotonic() < deadline:
            for r in self.records(event):
                if all(r.get(k) == v for k, v in fields.items()):
                    return r
            time.sleep(0.02)
        raise AssertionError(f"no {event} {fields} in\n" + self.logs()[-4000:])

    # ---- asking

    def connect(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)

    def request(self, method, path, body=None, key=None, headers=None, timeout=30):
        c = self.connect(timeout)
        head = {"Authorization": f"Bearer {key or self.master_key}"} if key is not False else {}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            head["Content-Type"] = "application/json"
        head.update(headers or {})
        c.request(method, path, body, head)
        r = c.getresponse()
        answer = Answer(r, r.read())
        c.close()
        return answer

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body, **kw):
        return self.request("POST", path, body, **kw)

    def ask(self, model, content="Hello", key=None, headers=None, path="/v1/chat/completions", timeout=30,
            **extra):
        body = {"model": model, "messages": [{"role": "user", "content": content}], **extra}
        return self.post(path, body, key=key, headers=headers, timeout=timeout)

    def stream(self, model, content="Hello", key=None, headers=None, path="/v1/chat/completions",
               timeout=30, **extra):
        c = self.connect(timeout)
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": content}], **extra}
        c.request("POST", path, json.dumps(body),
                  {"Authorization": f"Bearer {key or self.master_key}", "Content-Type": "application/json",
                   **(headers or {})})
        return Stream(c, c.getresponse())

    def metric(self, name):
        """The sum over its labels."""
        page = self.get("/metrics", key=False).body.decode()
        found = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", page, re.M)
        assert found, name
        return sum(map(float, found))

    def key(self, **fields):
        a = self.post("/key/generate", fields)
        assert a.status == 200, a
        return a.json["key"]

    def ctl(self, *args, check=True, input=None):
        p = subprocess.run([BUILD / "llmgwctl", "--socket", self.tmp / "run" / "control.sock", *args],
                           capture_output=True, text=True, timeout=60 * PATIENCE, input=input,
                           env={**os.environ, "NO_COLOR": "1"})
        if check:
            assert p.returncode == 0, (p.returncode, p.stdout, p.stderr)
        return p

    def ctl_json(self, *args):
        return json.loads(self.ctl("--json", *args).stdout)

    def spend_rows(self, wait_for=None, timeout=30):
        """Rows of the ledger, newest first; waits until there are at least so many."""
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            rows = self.ctl_json("spend", "logs", "--limit", "1000")
            if wait_for is None or len(rows) >= wait_for or time.monotonic() > deadline:
                return rows
            time.sleep(0.05)
