# SPDX-License-Identifier: MIT
"""What no other file shows of what a gateway must survive: logs that nobody takes, bodies made to be
slow, journals that were damaged anywhere, clients that come and go."""
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

import pytest

from gateway import BUILD, Gateway, until
from test_sandbox import SANITIZED

PRICE = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}


def model(mock, script="plain", name="m"):
    return name, {"model": f"openai/{script}", "api_base": mock.base + "/v1", "api_key": "sk-x", **PRICE}


# ---- the log goes nowhere

class Logless(Gateway):
    """Its log goes to a file that a test gives, and cannot be read here."""
    def logs(self):
        return ""


@pytest.fixture
def logless(tmp_path, mock):
    running = []

    def begin(log_path):
        gw = Logless(tmp_path, [model(mock)])
        gw.log_path = log_path
        running.append(gw)
        return gw.start()
    yield begin
    for gw in running:
        gw.stop()


def test_a_log_on_a_full_disk(logless):
    gw = logless(pathlib.Path("/dev/full"))
    for _ in range(50):
        assert gw.ask("m").status == 200
    assert until(lambda: gw.metric("llmgw_log_dropped_total"))
    gw.ctl("reload")
    assert gw.ask("m").status == 200


def test_a_log_whose_reader_has_gone(logless):
    r, w = os.pipe()
    gw = logless(pathlib.Path(f"/proc/self/fd/{w}"))
    os.close(w)
    os.close(r)
    pids = gw.children()
    for _ in range(50):
        assert gw.ask("m").status == 200
    gw.ctl("reload")
    assert gw.ask("m").status == 200 and gw.children() == pids


def test_a_log_whose_reader_stands_still(logless):
    """Whoever waits for a reader serves nobody. What it misses is counted, and it gets the rest later."""
    r, w = os.pipe()
    gw = logless(pathlib.Path(f"/proc/self/fd/{w}"))
    os.close(w)
    try:
        n, slowest = 0, 0
        while not gw.metric("llmgw_log_dropped_total"):
            began = time.monotonic()
            assert gw.ask("m").status == 200
            slowest = max(slowest, time.monotonic() - began)
            n += 1
            assert n < 3000
        assert slowest < 5
        os.set_blocking(r, False)
        with contextlib.suppress(BlockingIOError):
            while os.read(r, 65536):
                pass
        call = gw.ask("m").headers["x-litellm-call-id"].encode()

        def said():
            with contextlib.suppress(BlockingIOError):
                return call in os.read(r, 65536)
        assert until(said)
    finally:
        gw.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 30
        while gw.process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(BlockingIOError):
                os.read(r, 65536)
            time.sleep(0.01)
        os.close(r)


# ---- J5: bodies made to be slow

def bodies(n):
    """Shapes of a chat completion of about n bytes."""
    head = '{"model": "m", "messages": [{"role": "user", "content": "x"}], '
    text = '{"model": "m", "messages": [{"role": "user", "content": "%s"}]}'
    return {
        "one string": text % ("x" * n), "quotes": text % ('\\"' * (n // 2)), "escapes": text % ("\\u0041" * (n // 6)),
        "surrogates": text % ("\\ud83d\\ude00" * (n // 12)), "newlines": text % ("\\n" * (n // 2)),
        "spaces": text % (" " * n), "of no word": text % ("aA1!" * (n // 4)), "wide": text % ("\u6f22" * (n // 3)),
        "messages": '{"model": "m", "messages": [%s]}' % ",".join(['{"role":"user","content":"x"}'] * (n // 31)),
        "parts": text.replace('"%s"', '[%s]') % ",".join(['{"type":"text","text":"x"}'] * (n // 27)),
        "members": head + ",".join(f'"k{i:07}":1' for i in range(n // 13)) + "}",
        "metadata": head + '"metadata": {' + ",".join(f'"k{i:07}":1' for i in range(n // 13)) + "}}",
        "numbers": head + '"x": [' + ",".join(["1e5"] * (n // 4)) + "]}",
        "long number": head + '"x": ' + "1" * n + "}",
        "blanks": head + " " * n + '"x": 1}',
        "stop": head + '"stop": [' + ",".join(['"a"'] * (n // 4)) + "]}",
        "tools": head + '"tools": [' + ",".join(['{"type":"function","function":{"name":"f"}}'] * (n // 44)) + "]}",
        "user": head + '"user": "' + "u" * n + '"}',
    }


def cpu(pid):
    """Nanoseconds that it has run."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])


@pytest.mark.timing
@pytest.mark.skipif(SANITIZED, reason="memory of a sanitizer costs otherwise")
def test_no_shape_of_a_body_costs_more_a_byte_than_its_length(start, mock):
    """A body sixteen times as long may cost a few times sixteen times as much, never its square."""
    gw = start([model(mock)], workers=1)
    [pid] = gw.children()
    small, large, bad = bodies(16 << 10), bodies(256 << 10), {}
    for shape in small:
        cost = []
        for body, rounds in ((small[shape], 8), (large[shape], 2)):
            assert gw.post("/v1/chat/completions", body.encode()).status == (400 if shape == "stop" else 200)
            before = cpu(pid)
            for _ in range(rounds):
                gw.post("/v1/chat/completions", body.encode())
            cost.append((cpu(pid) - before) / rounds)
        if cost[1] > 64 * cost[0] or cost[1] > 100e6:
            bad[shape] = [round(c / 1e3) for c in cost]
    assert not bad, f"microseconds for 16 KiB and for 256 KiB: {bad}"


# ---- D11: journals damaged anywhere

def damage(path, seed):
    """Some bits of its head and records, or its end, or a piece twice."""
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    used = 4096 + 128 * 80                      # the head, and records of this test
    kind = seed % 4
    if kind == 0:
        for _ in range(rng.randrange(1, 200)):
            data[rng.randrange(used)] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[rng.randrange(used):]
    elif kind == 2:
        at, to = (4096 + 128 * rng.randrange(40) for _ in range(2))
        data[to:to + 128] = data[at:at + 128]
    else:
        at = 4096 + rng.randrange(128 * 40)
        data[at:at + rng.randrange(1, 2000)] = rng.randbytes(rng.randrange(1, 2000))
    path.write_bytes(data)


def test_damaged_anywhere(start, mock, tmp_path):
    """The next start books what is good, tells of the rest, makes no money up, and serves."""
    gw = start([model(mock), model(mock, "mock*", "mock*")])
    os.kill(gw.process.pid, signal.SIGSTOP)             # nothing is booked from here on
    workers = gw.children()
    for i in range(30):
        assert gw.ask("m", user=f"u{i}", max_tokens=10).status == 200
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    gw.kill()
    kept = tmp_path / "kept"
    shutil.copytree(gw.tmp / "state", kept)
    gw.start()
    whole = {r["end_user"]: float(r["spend"]) for r in gw.spend_rows(wait_for=30)}
    assert len(whole) == 30
    gw.stop()
    first = random.randrange(1 << 20) * 4
    for seed in range(first, first + 16):
        shutil.rmtree(gw.tmp / "state")
        shutil.copytree(kept, gw.tmp / "state")
        for path in sorted((gw.tmp / "state/journal").glob("*.j")):
            damage(path, seed)
        gw.start()
        assert gw.ask("m").status == 200, seed
        rows = [r for r in gw.spend_rows() if r["end_user"] in whole]
        ids = [r["request_id"] for r in rows]
        assert len(ids) == len(set(ids)) and len(rows) <= 30, seed
        for r in rows:          # one whose end is lost is charged its reserve, which max_tokens bounds
            assert 0 <= float(r["spend"]) <= whole[r["end_user"]] + 0.001, (seed, r)
        gw.stop()


# ---- O9: clients that come and go

def test_clients_that_come_and_go(start, mock):
    """No descriptor, no memory and no connection to the provider stays of them."""
    gw = start([model(mock)], workers=1)
    [pid] = gw.children()
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    ask = (f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gw.master_key}\r\n"
           f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}").encode()

    def come_and_go(n):
        for i in range(n):
            with socket.create_connection(("127.0.0.1", gw.port)) as s:
                s.sendall(ask[:(len(ask), 40, len(ask) - 5, 0)[i % 4]])
                if i % 4 == 0:
                    assert s.recv(12) == b"HTTP/1.1 200"
                if i % 2:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def descriptors():
        return len(os.listdir(f"/proc/{pid}/fd"))

    def memory():
        return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
    come_and_go(400)
    until(lambda: gw.metric("llmgw_worker_connections_open") == 1)     # the one that asks
    fds, kib = descriptors(), memory()
    opened = gw.metric("llmgw_upstream_connections_total")
    come_and_go(4000)
    until(lambda: gw.metric("llmgw_worker_connections_open") == 1)
    assert until(lambda: descriptors() <= fds + 2)
    assert SANITIZED or memory() < kib + 2048         # a sanitizer keeps what was freed
    assert gw.metric("llmgw_upstream_connections_total") - opened <= 40   # of a thousand requests and more


# ---- H5: the programs themselves

@pytest.mark.skipif(SANITIZED or not shutil.which("readelf"), reason="a sanitizer builds otherwise")
@pytest.mark.parametrize("program", ["llmgw", "llmgw-worker", "llmgwctl"])
def test_programs_are_built_to_be_attacked(program):
    said = subprocess.run(["readelf", "-hldsW", BUILD / program], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Type:\s+DYN \(Position-Independent Executable", said)
    assert re.search(r"GNU_RELRO", said) and re.search(r"FLAGS.*NOW", said)
    assert re.search(r"GNU_STACK\s.* RW ", said) and not re.search(r"LOAD\s.* RWE ", said)
    assert "__stack_chk_fail" in said and not re.search(r"RPATH|RUNPATH", said)
    assert re.search(r"__\w+_chk@", said)           # FORTIFY
