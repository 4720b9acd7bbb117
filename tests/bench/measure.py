# SPDX-License-Identifier: MIT
"""measure.py - what is measured, and how: load on a peer, its CPU and memory, and what voids a run.
Standard library only."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import NamedTuple

from gateways import BIG, LENGTHS, SETTLE_S, Direct, Failing, Full, Lengths, Llmgw, Nginx, Other
from leave import measure_leaving
from machine import (OPENER, Noise, Void, ask, cpu_us, machine_busy_us, peak_kib, pss_kib, reset_peak,
                     rss_kib, stop)

HERE = os.path.dirname(os.path.abspath(__file__))
WAYS = [  # provider, the client's path, what its stream ends with: the short way, then long ones
    ("openai", "/v1/chat/completions", b"data: [DONE]"),
    ("anthropic", "/v1/chat/completions", b"data: [DONE]"),
    ("openai", "/v1/messages", b"message_stop"),
    ("openai", "/v2/chat", b"\"usage\""),
    ("anthropic", "/api/chat", b"\"eval_count\""),
]
SENTENCES = 38              # of 23 bytes: a chat of 1 KB
BIG_SENTENCES = 45_000      # and one of 1 MB
BIG_RATE = 10
BESIDE_RATE = 300           # of those who stay, while others leave
LOUD = 0.1                  # of the machine, used by others: a measurement that is worth little


class Cell(NamedTuple):
    """One measurement: which model, how it is asked, and how much of the usual time it gets."""
    model: str
    options: list           # of llmgw-load
    share: float = 1
    sentences: int = SENTENCES
    way: str = ""

    def streams(self):
        return "--stream" in self.options or "--stamped" in self.options

    def refuses(self):
        return "--refused" in self.options


CLOSED_1 = ["--concurrency", "1"]
CLOSED_16 = ["--concurrency", "16"]

CELLS = {  # of the usual peers, in each repetition
    "c16": Cell("bench", CLOSED_16),
    "open": Cell("bench", ["--rate", "{rate}", "--connections", "64"]),
    "c1": Cell("bench", CLOSED_1),
    "first": Cell("bench", [*CLOSED_1, "--stream"], 0.5, way="stream"),
    "one": Cell("bench-one", [*CLOSED_1, "--stamped"], 2, way="stream"),
    "events": Cell("bench-events", ["--concurrency", "32", "--stamped"], 0.75, way="stream"),
    "burst": Cell("bench-burst", ["--concurrency", "32", "--stamped"], 0.5, way="stream"),
    "tools": Cell("bench-tools", CLOSED_16, 0.5),
    "prompt-1k": Cell("bench", CLOSED_1, 0.35, 160),
    "prompt-10k": Cell("bench", CLOSED_1, 0.35, 1_600),
    "prompt-100k": Cell("bench", CLOSED_1, 0.35, 16_000),
}
BEHIND = "behind"           # and this one while others send prompts of a megabyte
SPECIAL = {
    BEHIND: Cell("bench", ["--rate", "300", "--connections", "32"], 0.7),
    "flood": Cell("bench", [*CLOSED_16, "--refused"], 0.5, way="locked"),
}
FAILING = {  # of nginx and llmgw: when a deployment fails, and is asked again each time
    "fail-none": Cell("bench", CLOSED_1, 0.4),
    "fail-refused": Cell("bench-refused", CLOSED_1, 0.4, way="refused"),
    "fail-broken": Cell("bench-broken", CLOSED_1, 0.4, way="broken"),
}
PEER_CELLS = {  # with --peers, of each gateway alone and freshly started
    "peer-low": Cell("bench", ["--rate", "{low_rate}", "--connections", "16"]),
    "peer-c16": Cell("bench", CLOSED_16),
}
PEER_STREAMS = {  # of those whose streams are whole
    "peer-first": Cell("bench", [*CLOSED_1, "--stream"], way="stream"),
    "peer-events": Cell("bench-slow", ["--concurrency", "8", "--stamped"], way="stream"),
}
ALL_CELLS = {**CELLS, **SPECIAL, **FAILING, **PEER_CELLS, **PEER_STREAMS}

TOOLS = [{"type": "function", "function": {
    "name": name, "description": f"{what} Call it only when the user has asked for it.", "parameters": {
        "type": "object", "required": ["city"], "additionalProperties": False, "properties": {
            "city": {"type": "string", "description": "Name of the city, without the country."},
            "unit": {"type": "string", "enum": ["metric", "imperial"]},
            "days": {"type": "integer", "minimum": 1, "maximum": 14}}}}}
    for name, what in (("get_weather", "The weather of the next days."), ("get_time", "The local time."),
                       ("find_hotel", "Hotels with free rooms."), ("find_train", "Trains to a city."))]


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def chunks_of(text):
    """What the events of a stream say, without what differs from answer to answer."""
    events = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    said = [json.loads(e) for e in events if e != "[DONE]"]
    return [[c.get("choices"), c.get("usage")] for c in said] + [events[-1:]]


def said_of(text):
    """The text of a stream, chunk by chunk, and how it ends: what all that write it anew must keep."""
    events = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    choices = [c for e in events if e != "[DONE]" for c in json.loads(e).get("choices") or []]
    said = [(c["delta"].get("content") or "", c.get("finish_reason")) for c in choices]
    return [s for s in said if any(s)] + events[-1:]


def message_of(text):
    """What a whole answer says; the mock numbers its calls."""
    choice = json.loads(text)["choices"][0]
    calls = [c["function"] for c in choice["message"].get("tool_calls") or []]
    return [choice["message"].get("content"), choice["finish_reason"], calls]


class Bench:
    """One run: its mocks, its folders, and everything that was measured, in `raw`."""

    def __init__(self, args):
        self.args = args
        self.workers = args.workers
        self.tmp = tempfile.mkdtemp(prefix="bench-")
        self.disk = tempfile.mkdtemp(prefix="bench-", dir=args.build)
        self.mock_bin, self.load_bin = self.find("llmgw-mock"), self.find("llmgw-load")
        self.llmgw, self.ctl, self.nginx = self.find("llmgw"), self.find("llmgwctl"), self.find_nginx()
        self.raw, self.bodies, self.mocks = [], {}, []
        self.repeated = []                  # why a measurement was made again: something failed
        self.loud = 0                       # how many were, as others kept the machine busy
        self.patience = args.patience       # seconds that may still be spent on it
        self.dead = socket.socket()         # bound and not listening: who connects is refused
        self.dead.bind(("127.0.0.1", 0))
        self.dead_port = self.dead.getsockname()[1]

    def find(self, name):
        for path, _, _ in os.walk(self.args.build):
            file = os.path.join(path, name)
            if os.path.isfile(file) and os.access(file, os.X_OK):
                return file
        return None

    @staticmethod
    def find_nginx():
        return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

    def start_mock(self):
        """The provider; another one for the big prompts, so that it is not the mock that stalls; and one that
        remembers what it was asked, for clients that leave."""
        for options in (["16"], ["16"], ["65536", "--log-bodies"]):
            self.mocks.append(subprocess.Popen([self.mock_bin, "--log-size", *options], stdout=subprocess.PIPE,
                                               text=True))
        self.mock_port, self.big_port, self.leave_port = (int(m.stdout.readline().rpartition(":")[2]) for m in self.mocks)

    def mock_requests(self):
        return ask(f"http://127.0.0.1:{self.mock_port}/mock/stats")["requests"]

    def body(self, model, streams, sentences=SENTENCES, tools=False):
        """A chat of 1 KB or of so many sentences, as a file."""
        name = (model, streams, sentences, tools)
        if name not in self.bodies:
            data = {"model": model, "max_tokens": 100,
                    "messages": [{"role": "system", "content": "You are a benchmark."},
                                 {"role": "user", "content": "Lorem ipsum dolor sit. " * sentences}]}
            if streams:
                data |= {"stream": True, "stream_options": {"include_usage": True}}
            if tools:
                data |= {"tools": TOOLS, "tool_choice": "auto"}
            path = os.path.join(self.tmp, f"body-{len(self.bodies)}.json")
            with open(path, "w") as f:
                json.dump(data, f)
            self.bodies[name] = path
        return self.bodies[name]

    def body_of(self, peer, cell):
        return self.body(peer.model(cell.model), cell.streams(), cell.sentences, cell.model == "bench-tools")

    def command(self, peer, url, body, options):
        command = [self.load_bin, "--json", "--url", url, "--body", body, *options]
        for name, value in peer.headers.items():
            command += ["--header", f"{name}: {value}"]
        return command

    def load(self, peer, cell, options, on_line=lambda word, pid: None):
        """Run llmgw-load; on_line(word, pid) sees "measuring", "measured" and "holding"."""
        load = subprocess.Popen(self.command(peer, peer.url(cell.way), self.body_of(peer, cell), options),
                                stdout=subprocess.PIPE, text=True)
        last = ""
        try:
            for line in load.stdout:
                last = line
                if not line.startswith("{"):
                    on_line(line.strip(), load.pid)
        finally:
            status = load.wait()
        result = json.loads(last) if last.startswith("{") else {}
        if status or result.get("failed") or not (result.get("ok") or result.get("held")):
            raise Void(f"{peer.name} {' '.join(options)}: {result.get('failures', last)} "
                       f"status {result.get('bad_status')}")
        return result

    def answer(self, peer, cell):
        """One answer as a text."""
        with open(self.body_of(peer, cell), "rb") as f:
            request = urllib.request.Request(peer.url(cell.way), f.read(),
                                             {**peer.headers, "Content-Type": "application/json"})
        with OPENER.open(request, timeout=20) as answer:
            return answer.read().decode()

    def check_parity(self, peer, names):
        """The peer says what the mock says, event by event, and asks it each time."""
        floor = Direct(self)
        floor.start()
        for name in names:
            cell = ALL_CELLS[name]
            read = message_of if not cell.streams() else said_of if isinstance(peer, Other) else chunks_of
            wanted, before = self.answer(floor, cell), self.mock_requests()
            text = self.answer(peer, cell)
            if read(text) != read(wanted) or self.mock_requests() != before + 1:
                raise Void(f"{peer.name} does not answer as the mock does: {text[:300]}")

    def again(self, measure, *args):
        """A measurement, and once more where others were loud meanwhile, or where it failed and that was
        allowed. Whether it counts is not for its result to say, and what failed is told."""
        retries = self.args.retries
        while True:
            noise = Noise()
            try:
                result = measure(*args)
            except Void as e:
                if noise.share() <= LOUD or self.patience <= 0:
                    retries -= 1
                if retries < 0:
                    raise
                self.repeated.append(str(e))
                time.sleep(2)
            else:
                if noise.share() <= LOUD or self.patience <= 0:
                    return result
            self.patience -= noise.seconds()
            self.loud += 1
            self.wait_for_quiet()

    def wait_for_quiet(self):
        while self.patience > 0:
            noise = Noise()
            time.sleep(0.5)
            self.patience -= noise.seconds()
            if noise.share() <= LOUD:
                return

    def measure(self, peer, name):
        return self.again(self.measure_once, peer, name)

    def measure_once(self, peer, name):
        cell = ALL_CELLS[name]
        seconds = self.args.low_seconds if name == "peer-low" else self.args.seconds * cell.share
        options = [o.format(rate=self.args.rate, low_rate=self.args.low_rate) for o in cell.options] + [
            "--duration", str(seconds), "--warmup", str(self.args.warmup)]
        pids, marks = peer.pids(), {}

        def on_line(word, load_pid):
            ours = [*pids, load_pid, os.getpid(), *(m.pid for m in self.mocks)]
            marks[word] = cpu_us(pids), cpu_us(ours), machine_busy_us()

        before = self.mock_requests()
        result = self.load(peer, cell, options, on_line)
        if peer.pids() != pids:
            raise Void(f"a process of {peer.name} came or went")
        if cell.refuses():
            if self.mock_requests() != before:
                raise Void(f"{peer.name} asked the mock for what it refused")
        elif self.mock_requests() - before < result["ok"]:
            raise Void(f"{peer.name} answered without asking the mock")
        if result.get("stamped"):
            self.check_events(peer, name, result)
        cpu, ours, machine = (b - a for a, b in zip(marks["measuring"], marks["measured"]))
        result["cpu_us"] = cpu
        result["others_cpu"] = max(0, machine - ours) / (seconds * 1e6 * os.cpu_count())
        return result

    def check_events(self, peer, name, result):
        """Each stream has as many events as the mock's own, neither more nor fewer. Another gateway may
        have others at the end of it: the reason and the usage in one, or in two."""
        wanted, (least, most) = self.events_of(ALL_CELLS[name]), result["events_a_stream"]
        spare = 2 if isinstance(peer, Other) else 0
        if least < wanted - spare or most > wanted + spare:
            raise Void(f"{peer.name}: streams of {result['events_a_stream']} events; the mock sends {wanted}")

    def events_of(self, cell):
        floor = Direct(self)
        floor.start()
        return len(chunks_of(self.answer(floor, cell)))

    def measure_behind(self, peer):
        """Small requests, while others send prompts of a megabyte through the same gateway."""
        seconds = self.args.seconds * SPECIAL[BEHIND].share + self.args.warmup + 0.3
        big = subprocess.Popen(
            self.command(peer, peer.url("big"), self.body(peer.model(BIG), False, BIG_SENTENCES),
                         ["--rate", str(BIG_RATE), "--connections", "16", "--warmup", "0", "--duration", str(seconds)]),
            stdout=subprocess.PIPE, text=True)
        try:
            result = self.measure_once(peer, BEHIND)
        finally:
            out, _ = big.communicate()
        report = json.loads(out.splitlines()[-1])
        if big.returncode or not report["ok"]:
            raise Void(f"{peer.name}: big prompts failed: {report['failures']} status {report['bad_status']}")
        return result | {"big": report}

    def measure_leave(self, peer, seed):
        """Clients leave in the middle, while others have their answers at a steady rate."""
        seconds, mock = self.args.seconds * 0.75, f"http://127.0.0.1:{self.leave_port}"
        OPENER.open(urllib.request.Request(f"{mock}/mock/log", method="DELETE"), timeout=20).close()
        beside = subprocess.Popen(
            self.command(peer, peer.url(), self.body(peer.model("bench"), False),
                         ["--rate", str(BESIDE_RATE), "--warmup", "0", "--duration", str(seconds + 0.3)]),
            stdout=subprocess.PIPE, text=True)
        try:
            result = measure_leaving(peer, "leave", mock, seconds, seed)
        finally:
            out, _ = beside.communicate()
        report = json.loads(out.splitlines()[-1])
        if beside.returncode or not report["ok"]:
            raise Void(f"{peer.name}: requests beside those that left failed: {report['failures']}")
        return result | {"beside": report["latency_us"]}

    def measure_memory(self, peer):
        """Idle memory of a fresh start; what idle connections add, and open streams; what stays."""
        peer.start()
        try:
            time.sleep(1)
            idle = pss_kib(peer.pids())
            self.load(peer, CELLS["c16"], [*CLOSED_16, "--duration", "0.5", "--warmup", "0"])
            time.sleep(0.5)
            seen = {"idle_kib": idle, "ready_ms": peer.ready_ms, "warm_kib": pss_kib(peer.pids())}
            seen |= self.measure_connections(peer)
            time.sleep(1)
            return seen | self.measure_streams(peer)
        finally:
            peer.stop()

    def measure_connections(self, peer):
        """Each had a request, and nearly all of them wait for the next."""
        before, after, count = pss_kib(peer.pids()), [], self.args.streams

        def on_line(word, load_pid):
            if word == "measuring":
                time.sleep(0.3)
                after.append(pss_kib(peer.pids()))

        self.load(peer, CELLS["c16"], ["--rate", "2500", "--connections", str(count), "--duration", "1",
                                       "--warmup", str(count / 2500 + 0.2)], on_line)
        return {"connection_kib": (after[0] - before) / count}

    def measure_streams(self, peer):
        before, full = pss_kib(peer.pids()), []

        def on_line(word, load_pid):
            if word == "holding":
                time.sleep(0.5)
                full.append(pss_kib(peer.pids()))

        held = self.load(peer, Cell("bench-hold", ["--stream"], way="stream"),
                         ["--hold", str(self.args.streams), "--duration", "1.5"], on_line)["held"]
        time.sleep(3)
        return {"held": held, "peak_kib": full[0], "stream_kib": (full[0] - before) / held,
                "left_kib": pss_kib(peer.pids()) - before}

    def measure_full(self, models, keys):
        """Idle memory of a site of some size, and how long it takes to be READY with it."""
        peer, seen = Full(self, models, keys), {"ready_ms": []}
        peer.fill()
        for _ in range(3):
            peer.launch()
            try:
                time.sleep(1)
                seen["ready_ms"].append(peer.ready_ms)
                seen["idle_kib"] = pss_kib(peer.pids())
            finally:
                peer.stop()
        return seen | {"models": models, "keys": keys}

    def check_key(self, peer):
        """What `doing` says about the key is so: a wrong one is refused, or it is not."""
        if peer.refuses_wrong_keys is None:
            return None
        with open(self.body(peer.model("bench"), False), "rb") as f:
            request = urllib.request.Request(peer.url(), f.read(), {
                **peer.headers, "Authorization": "Bearer sk-wrong", "Content-Type": "application/json"})
        try:
            with OPENER.open(request, timeout=20) as answer:
                status = answer.status
        except urllib.error.HTTPError as e:
            status = e.code
        # LiteLLM without a database says 400 to a key that is not its master key.
        if (status in (400, 401, 403)) != peer.refuses_wrong_keys:
            raise Void(f"{peer.name} answers a wrong key with {status}")
        return status

    @staticmethod
    def settle(peer):
        """Wait until the peer's start is really over: a second with little CPU and the same processes."""
        deadline, pids = time.monotonic() + SETTLE_S, None
        while time.monotonic() < deadline:
            if pids is not None and peer.pids() == pids and cpu_us(pids) - used < 50_000:
                return
            pids = peer.pids()
            used = cpu_us(pids)
            time.sleep(1)
        raise Void(f"{peer.name} does not come to rest")

    def compare(self, peer, rep, silent):
        """One gateway alone on the machine: memory at rest, both loads, memory when they are over."""
        progress(f"peers {rep + 1}/{self.args.peer_reps} {peer.name}")
        peer.start()
        try:
            self.check_parity(peer, ["peer-c16"])
            seen = {"wrong_key_status": self.check_key(peer), "ready_ms": peer.ready_ms}
            self.settle(peer)
            seen |= {"idle_rss_kib": rss_kib(peer.pids()), "idle_pss_kib": pss_kib(peer.pids())}
            for cell in PEER_CELLS:
                self.note(rep, peer, cell, self.measure(peer, cell))
            self.settle(peer)
            seen |= {"after_rss_kib": rss_kib(peer.pids()), "after_pss_kib": pss_kib(peer.pids())}
            self.note(rep, peer, "peer-memory", seen)
            if peer.name not in silent:
                self.compare_streams(peer, rep, silent)
        finally:
            peer.stop()

    def compare_streams(self, peer, rep, silent):
        """Streams of another gateway that are not the mock's are told, and are not measured."""
        try:
            self.check_parity(peer, ["peer-first"])
            for cell in PEER_STREAMS:
                self.note(rep, peer, cell, self.measure(peer, cell))
        except (Void, OSError, ValueError, KeyError) as e:
            if not isinstance(peer, Other):
                raise
            silent[peer.name] = str(e)

    def compare_all(self, peers):
        """In turns. Another gateway that fails is void by itself, ours voids the run. name -> why,
        of those that are void, and of those whose streams are."""
        void, silent = {}, {}
        for rep in range(self.args.peer_reps):
            for peer in peers:
                try:
                    if peer.name not in void:
                        self.compare(peer, rep, silent)
                except (Void, OSError, ValueError, KeyError) as e:
                    if not isinstance(peer, Other):
                        raise
                    void[peer.name] = str(e)
        self.raw = [r for r in self.raw if r["peer"] not in void
                    and not (r["peer"] in silent and r["cell"] in PEER_STREAMS)]
        return void, silent

    def measure_failing(self, rep, nginx):
        """What it takes to go to the next deployment, each time anew."""
        ours = Failing(self)
        ours.start()
        try:
            for cell in FAILING:
                for peer in filter(None, (nginx, ours)):
                    progress(f"{rep + 1}/{self.args.reps} {cell} {peer.name}")
                    self.note(rep, peer, cell, self.measure(peer, cell))
        finally:
            ours.stop()

    def measure_flood(self, rep, nginx):
        """One wrong key, again and again."""
        ours = Llmgw(self)
        ours.start()
        ours.headers = {"Authorization": "Bearer sk-wrong"}
        try:
            for peer in filter(None, (nginx, ours)):
                progress(f"{rep + 1}/{self.args.reps} flood {peer.name}")
                self.note(rep, peer, "flood", self.measure(peer, "flood"))
        finally:
            ours.stop()

    def read_stream(self, peer, path, model, end):
        """Reads one answer as fast as it comes. Its bytes."""
        body = json.dumps({"model": model, "stream": True, "max_tokens": 100,
                           "messages": [{"role": "user", "content": "Lorem ipsum."}]}).encode()
        head = {**peer.headers, "Host": "bench", "Connection": "close", "Content-Type": "application/json",
                "Content-Length": len(body)}
        lines = [f"POST {path} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items()), "", ""]
        total, tail, room = 0, b"", bytearray(1 << 20)
        with socket.create_connection(("127.0.0.1", peer.port), 20) as s:
            s.sendall("\r\n".join(lines).encode() + body)
            while n := s.recv_into(room):
                total, tail = total + n, (tail + room[max(0, n - 500):n])[-500:]
        if end not in tail:
            raise Void(f"a stream of {model} by {path} was not whole")
        return total

    def measure_lengths(self):
        """The most memory that the worker has while one answer goes through it, by its length."""
        peer, peaks = Lengths(self), []
        peer.start()
        try:
            pid = peer.worker()
            for provider, path, end in WAYS:
                # What is kept for the next request is there from now on.
                self.read_stream(peer, path, f"{provider}-{LENGTHS[1]}", end)
                peaks.append({"provider": provider, "path": path, "peak_kib": []})
                for n in LENGTHS:
                    reset_peak(pid)
                    size = self.read_stream(peer, path, f"{provider}-{n}", end)
                    if size < 50 * n:
                        raise Void(f"{size} bytes are no answer of {n} tokens")
                    peaks[-1]["peak_kib"].append(peak_kib(pid))
            return {"ways": peaks, "growth_kib": max(max(w["peak_kib"]) - w["peak_kib"][0] for w in peaks)}
        finally:
            peer.stop()

    def note(self, rep, peer, cell, result):
        self.raw.append({"rep": rep, "peer": getattr(peer, "name", peer), "cell": cell, **result})

    def alone(self, cell, program, name):
        """CPU of a part by itself, without a network; not built: not measured."""
        program = os.path.join(self.args.build, program)
        if os.path.exists(program):
            progress(program)
            out = subprocess.run([program, "--json"], capture_output=True, text=True, check=True).stdout
            self.raw.append({"rep": 0, "peer": "llmgw", "cell": cell, name: json.loads(out)})

    def parts(self):
        self.alone("translate", "translate_bench", "pairs")
        self.alone("route", "route_bench", "choices")
        self.alone("keys", "keys_bench", "keys")
        self.alone("ledger", "ledger_bench", "books")
        self.alone("spend", "spend_bench", "books")
        os.environ["LLMGW_BUILD"] = self.args.build
        self.alone("create", os.path.join(HERE, "keys_create.py"), "books")

    def run(self, peers):
        for peer in peers:
            peer.start()
            self.check_parity(peer, ["c16", "first", "tools"])
        nginx = next((p for p in peers if type(p) is Nginx), None)
        has_ours = any(p.name == "llmgw" for p in peers)
        for rep in range(self.args.reps):
            for cell in CELLS:
                for peer in peers:
                    progress(f"{rep + 1}/{self.args.reps} {cell} {peer.name}")
                    self.note(rep, peer, cell, self.measure(peer, cell))
            for peer in peers:
                progress(f"{rep + 1}/{self.args.reps} {BEHIND} {peer.name}")
                self.note(rep, peer, BEHIND, self.again(self.measure_behind, peer))
            for peer in peers:
                progress(f"{rep + 1}/{self.args.reps} leave {peer.name}")
                self.note(rep, peer, "leave", self.again(self.measure_leave, peer, rep))
            if has_ours:
                self.measure_failing(rep, nginx)
                self.measure_flood(rep, nginx)
        for peer in peers:
            peer.stop()
        for rep in range(self.args.memory_reps):
            for peer in peers:
                if peer.name != "direct":
                    progress(f"memory {rep + 1}/{self.args.memory_reps} {peer.name}")
                    self.note(rep, peer, "memory", self.again(self.measure_memory, peer))
        for rep in range(self.args.memory_reps if has_ours else 0):
            progress(f"lengths {rep + 1}/{self.args.memory_reps}")
            self.note(rep, "llmgw", "lengths", self.again(self.measure_lengths))
        if has_ours:
            for keys in (1_000, 100_000):
                progress(f"100 models, {keys} keys")
                self.note(0, "llmgw", f"full-{keys}", self.measure_full(100, keys))

    def done(self, peers):
        for peer in peers:
            with contextlib.suppress(Exception):
                peer.stop()
        for mock in self.mocks:
            stop(mock)
        self.dead.close()
        shutil.rmtree(self.tmp, ignore_errors=True)
        shutil.rmtree(self.disk, ignore_errors=True)
