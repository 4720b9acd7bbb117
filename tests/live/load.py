# SPDX-License-Identifier: MIT
"""Traffic for tests that break things meanwhile: steady requests, and many streams at once.

Every answer is judged: a `Load` counts each request that was not answered as asked, `Streams`
knows of each stream whether it came to its end. Nothing is retried."""
import http.client
import json
import os
import selectors
import socket
import threading
import time

PATIENCE = float(os.environ.get("LLMGW_PATIENCE", "1"))   # gateway.py's, which is not in tests/vm's machine


class Load:
    """`rate` requests a second over `clients` connections, until stop(). With keep=False each
    has a connection of its own."""

    def __init__(self, gw, model="m", rate=300, clients=4, keep=True, key=None, stream_every=0, tag="load-"):
        self.gw, self.model, self.keep, self.key, self.tag = gw, model, keep, key or gw.master_key, tag
        self.pause, self.stream_every = clients / rate, stream_every
        self.done, self.failures, self.slowest = 0, [], 0.0
        self.answered = set()            # their `user` fields
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(clients)]

    def start(self):
        for t in self.threads:
            t.start()
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.over.set()
        for t in self.threads:
            t.join(60)
        return self

    def _ask(self, connection, who, stream):
        body = {"model": self.model, "messages": [{"role": "user", "content": "Hello"}], "user": who}
        if stream:
            body["stream"] = True
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"})
        r = connection.getresponse()
        text = r.read()
        if r.status != 200:
            raise RuntimeError(f"{r.status} {text[:300]!r}")
        if stream and not text.rstrip().endswith(b"data: [DONE]"):
            raise RuntimeError(f"a stream without its end: {text[-300:]!r}")

    def _run(self, number):
        connection, n, due = None, 0, time.monotonic()
        while not self.over.is_set():
            n += 1
            began = time.monotonic()
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.gw.port, timeout=30)
                self._ask(connection, f"{self.tag}{number}-{n}", self.stream_every and n % self.stream_every == 0)
                with self.lock:
                    self.done += 1
                    self.answered.add(f"{self.tag}{number}-{n}")
                    self.slowest = max(self.slowest, time.monotonic() - began)
            except Exception as e:      # noqa: BLE001: whatever it is, it is a failed request
                with self.lock:
                    self.failures.append(f"client {number} request {n} at {time.time():.3f}: {e!r}")
                connection and connection.close()
                connection = None
            if connection is not None and (not self.keep or connection.sock is None):
                connection.close()
                connection = None
            due += self.pause
            self.over.wait(max(0, due - time.monotonic()))
        connection and connection.close()


class One:
    def __init__(self, tag, sock):
        self.tag, self.sock, self.data, self.error = tag, sock, b"", None
        self.is_over = False

    @property
    def is_whole(self):
        return self.data.rstrip(b"\r\n").endswith(b"0") and b"data: [DONE]" in self.data

    def has(self, text):
        return text in self.data


class Streams:
    """n streamed answers, read by one thread. Each one's tag is in its `user` field and prompt."""

    def __init__(self, gw, n, model, key=None, tag="s", **extra):
        self.all = []
        self.select = selectors.DefaultSelector()
        for i in range(n):
            body = json.dumps({"model": model, "stream": True, "user": f"{tag}{i}", **extra,
                               "messages": [{"role": "user", "content": f"{tag}{i}"}]}).encode()
            sock = socket.create_connection(("127.0.0.1", gw.port), timeout=30)
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                         b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n%s" % ((key or gw.master_key).encode(), len(body), body))
            sock.setblocking(False)
            one = One(f"{tag}{i}", sock)
            self.all.append(one)
            self.select.register(sock, selectors.EVENT_READ, one)
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while self.select.get_map():
            for event, _ in self.select.select(1):
                one = event.data
                try:
                    data = one.sock.recv(65536)
                except BlockingIOError:
                    continue
                except OSError as e:
                    data, one.error = b"", e
                with self.changed:
                    one.data += data
                    if not data:
                        one.is_over = True
                        self.select.unregister(one.sock)
                        one.sock.close()
                    self.changed.notify_all()

    def wait(self, what, timeout=30):
        with self.changed:
            assert self.changed.wait_for(what, timeout), f"{len(self.running)} streams still run"
        return self

    def wait_begun(self, timeout=30):
        return self.wait(lambda: all(b"data:" in s.data or s.is_over for s in self.all), timeout)

    def wait_over(self, timeout=60):
        return self.wait(lambda: all(s.is_over for s in self.all), timeout)

    @property
    def running(self):
        return [s for s in self.all if not s.is_over]

    @property
    def whole(self):
        return [s for s in self.all if s.is_over and s.is_whole]

    @property
    def broken(self):
        return [s for s in self.all if s.is_over and not s.is_whole]


def wait_for(what, timeout=30, why=None):
    """Polls a condition of another process; its value once it is true."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < deadline, why or "it did not happen in time"
        time.sleep(0.02)


def workers(gw, state="ready"):
    return [w for w in gw.ctl_json("workers")["workers"] if w["state"] == state]


def descriptors(pid):
    """What each descriptor of a process is, without numbers that change."""
    import pathlib
    out = []
    for f in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = str(f.readlink())
        except OSError:
            continue
        out.append(name.partition(":[")[0] if ":[" in name else name)
    return sorted(out)


def cpu_seconds(pid):
    import os
    import pathlib
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
