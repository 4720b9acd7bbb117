# SPDX-License-Identifier: MIT
"""Reload: all of a good file, nothing of a bad one, and nobody notices."""
import contextlib
import os
import signal
import socket
import threading
import time

import pytest

from gateway import Gateway, free_port
from load import Load, Streams, descriptors, wait_for, workers

ANY = [("m", "plain"), ("mock*", "mock*")]


def full(mock, models):
    return [(n, {"model": f"openai/{s}", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary",
                 "input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}) for n, s in models]


def generation(gw):
    return gw.ctl_json("status")["generation"]


def test_a_new_model_appears_and_an_old_one_goes(start, mock):
    gw = start(ANY)
    assert gw.ask("late").status == 404 or gw.ask("late").status == 400
    gw.write(full(mock, [("late", "plain"), ("mock*", "mock*")]))
    answer = gw.ctl_json("reload")
    assert answer["result"] == "reloaded" and answer["generation"] == 2
    for _ in range(10):                  # every worker has it, before the command answers
        assert gw.ask("late").status == 200
        assert gw.ask("m").status in (400, 404)
    assert {w["generation"] for w in workers(gw)} == {2}


def test_sighup(start, mock):
    gw = start(ANY)
    gw.write(full(mock, [("hup", "plain")]))
    gw.process.send_signal(signal.SIGHUP)
    gw.wait_log("config.reload", result="done", generation=2)
    assert gw.ask("hup").status == 200
    gw.config.write_text(gw.config.read_text() + "router_settings:\n  num_retries: many\n")
    gw.process.send_signal(signal.SIGHUP)
    refused = gw.wait_log("config.reload", result="refused")
    line = gw.config.read_text().count("\n")
    # Whoever sent a signal has only the log to read.
    assert f"{gw.config}:{line}:" in refused["complaints"] and "num_retries" in refused["complaints"]
    assert generation(gw) == 2 and gw.ask("hup").status == 200


def test_a_sighup_while_another_one_is_under_way(start, mock):
    """The file was read before it was written again: what stands in it at last is what counts."""
    gw = start(ANY, workers=1)
    (pid,) = gw.children()
    assert pid > 1
    os.kill(pid, signal.SIGSTOP)         # so that the first one takes a while
    gw.write(full(mock, [("one", "plain")]))
    gw.process.send_signal(signal.SIGHUP)
    wait_for(lambda: generation(gw) == 2)
    gw.write(full(mock, [("two", "plain")]))
    gw.process.send_signal(signal.SIGHUP)
    time.sleep(0.1)                      # for the signal, which nobody tells of
    os.kill(pid, signal.SIGCONT)
    gw.wait_log("config.reload", result="done", generation=3)
    assert gw.ask("two").status == 200


BROKEN = {
    "not yaml": ("model_list: [", None),
    "tab": ("model_list:\n\t- model_name: m\n", 2),
    "a list": ("- a\n- b\n", None),
    "no model": ("model_list:\n  - model_name: m\n", 2),
    "no name": ("model_list:\n  - litellm_params: {model: openai/x}\n", 2),
    "unknown provider's api_base": ("model_list:\n  - model_name: m\n    litellm_params: {model: openai/x, api_base: 'ftp://x'}\n", 3),
    "not a number": ("model_list: []\nrouter_settings:\n  num_retries: many\n", 3),
    "weak master key": ("model_list: []\ngeneral_settings:\n  master_key: hunter2\n", 3),
    "duplicate key": ("model_list: []\nmodel_list: []\n", 2),
    "alias bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nmodel_list: *c\n", None),
    "port": ("model_list: []\nserver:\n  listen: ['127.0.0.1:99999']\n", 3),
    "duration": ("model_list: []\nserver:\n  drain: soon\n", 3),
    "nul": ("model_list: []\n\0\n", None),
    "latin1": (b"model_list: []\n# caf\xe9\nx: \xff\n", None),
    "empty file": ("", None),
    "include": ("include:\n  - /nowhere/at/all.yaml\nmodel_list: []\n", None),
}


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """One gateway for all refused files: that it serves the last of them too is the point."""
    gw = Gateway(tmp_path_factory.mktemp("steady"), [("m", {"model": "openai/x", "mock_response": "hi"})])
    gw.start()
    yield gw
    gw.stop()


@pytest.mark.parametrize("what", BROKEN)
def test_broken_files(steady, what):
    gw, (text, line) = steady, BROKEN[what]
    good, before = gw.config.read_bytes(), generation(gw)
    try:
        gw.config.write_bytes(text if isinstance(text, bytes) else text.encode())
        p = gw.ctl("reload", check=False)
        shown = p.stdout + p.stderr
        if what == "empty file" and p.returncode == 0:
            pytest.skip("an empty file is a configuration without models")
        assert p.returncode == 8, (p.returncode, shown)
        assert str(gw.config) in shown, shown
        if line:
            assert f"{gw.config}:{line}:" in shown, shown
    finally:
        gw.config.write_bytes(good)
    assert generation(gw) == before
    assert gw.ask("m").text == "hi"
    assert gw.records("config.reload")[-1]["result"] == "refused"


def test_a_missing_or_unreadable_file(steady):
    gw, before = steady, generation(steady)
    good = gw.config.read_bytes()
    gw.config.unlink()
    try:
        p = gw.ctl("reload", check=False)
        assert p.returncode == 8 and str(gw.config) in p.stdout + p.stderr and "No such file" in p.stdout + p.stderr
        gw.config.mkdir()
        assert gw.ctl("reload", check=False).returncode == 8
        gw.config.rmdir()
    finally:
        gw.config.write_bytes(good)
    assert generation(gw) == before and gw.ask("m").text == "hi"
    assert gw.ctl("reload").returncode == 0


def test_one_byte_less_each_time(steady):
    """Cut at any place, a file is taken whole or refused whole; the gateway stays."""
    gw, good = steady, steady.config.read_bytes()
    refused = taken = 0
    try:
        for n in range(len(good) - 1, -1, -3):
            gw.config.write_bytes(good[:n])
            p = gw.ctl("reload", check=False)
            assert p.returncode in (0, 8), (n, p)
            refused, taken = refused + (p.returncode == 8), taken + (p.returncode == 0)
    finally:
        gw.config.write_bytes(good)
    assert refused > 5
    gw.ctl("reload")
    assert gw.ask("m").text == "hi"
    assert len(gw.children()) == 2


def test_thirty_reloads_under_load(start, mock):
    gw = start(ANY)
    streams = Streams(gw, 20, "mock?tokens=60&gap=60", tag="thirty").wait_begun()
    pids = {w["pid"] for w in workers(gw)}
    gw.ctl("reload")
    fds = descriptors(gw.process.pid)
    with Load(gw, rate=240, clients=4, stream_every=7) as load, Load(gw, rate=60, clients=2, keep=False) as short:
        for i in range(30):
            # Each generation differs: a model comes or goes.
            gw.write(full(mock, [*ANY, *([(f"extra{i}", "plain")] if i % 2 else [])]))
            assert gw.ctl_json("reload")["generation"] == i + 3
            seen = load.done + short.done
            wait_for(lambda: load.done + short.done >= seen + 10, why=repr(load.failures + short.failures))
            if i % 2:
                assert gw.ask(f"extra{i}").status == 200
    streams.wait_over()
    assert not load.failures and not short.failures, (load.failures + short.failures)[:5]
    assert len(streams.whole) == 20
    assert load.done + short.done >= 300
    assert {w["pid"] for w in workers(gw)} == pids, "a reload needs no new workers"
    wait_for(lambda: len(descriptors(gw.process.pid)) <= len(fds), why="descriptors grew")
    # Old generations are let go.
    for w in workers(gw):
        maps = open(f"/proc/{w['pid']}/maps").read()
        assert maps.count("llmgw-snapshot") <= 2, maps


class Addressed(Gateway):
    """Listens where its file says."""

    def command(self):
        c = super().command()
        for name in ("--host", "--port"):
            at = c.index(name)
            c = c[:at] + c[at + 2:]
        return c

    def listen(self, *ports, host="127.0.0.1"):
        self.write([("m", {"model": "openai/x", "mock_response": "hi"})],
                   "server:\n  listen: [%s]\n" % ", ".join(f"'{host}:{p}'" for p in ports))


def forget_stored(gw):
    """Sockets that were sent to the store are open until somebody has read that."""
    gw.notify.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            gw.notify.recv(4096)


def is_closed(gw, port):
    forget_stored(gw)
    return not connects(port)


def connects(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=2).close()
        return True
    except OSError:
        return False


@pytest.mark.parametrize("keep", [True, False])
def test_all_addresses_to_one_and_back(tmp_path, keep):
    """The port stays, while its old socket is still in the way of the new one, and with clients in its
    queue when it closes."""
    gw = Addressed(tmp_path, [])
    gw.port = free_port()
    gw.listen(gw.port, host="0.0.0.0")
    gw.start()
    try:
        with Load(gw, rate=150, clients=3, keep=keep) as load:
            for host, reaches in (("127.0.0.1", False), ("0.0.0.0", True), ("[::]", True), ("127.0.0.1", False)):
                gw.listen(gw.port, host=host)
                gw.ctl("reload")
                wait_for(lambda: connects(gw.port, "127.0.0.2") == reaches or forget_stored(gw), why=host)
                status = gw.ctl_json("status")
                assert status["listen"] == [f"{host}:{gw.port}"] and status["urls"] == [f"http://127.0.0.1:{gw.port}"]
        assert not load.failures, load.failures[:5]
        with socket.socket() as thief, pytest.raises(OSError):
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind(("127.0.0.1", gw.port))
            thief.listen()
    finally:
        gw.stop()


def test_listen_address(tmp_path):
    a, b, c = free_port(), free_port(), free_port()
    gw = Addressed(tmp_path, [])
    gw.port = a
    gw.listen(a)
    gw.start()
    try:
        assert gw.ask("m").text == "hi"
        old = {w["pid"] for w in workers(gw)}
        with Load(gw, rate=150, clients=3) as load:      # on an address that stays
            gw.listen(a, b)
            gw.ctl("reload")
            gw.listen(a, b, c)                           # at once again: a roll may be under way
            gw.ctl("reload")

            def served(port):
                other = Addressed.__new__(Addressed)
                other.__dict__ = {**gw.__dict__, "port": port}
                return other.ask("m", timeout=5).status == 200
            for port in (b, c):
                wait_for(lambda: connects(port))
            wait_for(lambda: len(workers(gw)) == 2 and not old & {w["pid"] for w in workers(gw)})
            wait_for(lambda: len(gw.ctl_json("workers")["workers"]) == 2)
            for _ in range(8):
                for port in (b, c):
                    assert served(port)
            assert {int(x.rsplit(":")[1]) for x in gw.ctl_json("status")["listen"]} == {a, b, c}
            gw.listen(a)
            gw.ctl("reload")
            wait_for(lambda: is_closed(gw, b) and is_closed(gw, c), why="an old address is still open")
        assert not load.failures, load.failures[:5]
        # An address that cannot be had: nothing changes.
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen(1)
            taken = s.getsockname()[1]
            gw.listen(a, taken)
            p = gw.ctl("reload", check=False)
            assert p.returncode == 8 and f"127.0.0.1:{taken}" in p.stdout + p.stderr
        assert gw.ask("m").text == "hi"
        gw.listen(b)
        gw.ctl("reload")
        wait_for(lambda: is_closed(gw, a))
        gw.port = b
        assert gw.ask("m").text == "hi"
    finally:
        gw.stop()


def test_master_key(start, mock):
    gw = start(ANY)
    key = gw.key()
    old, new = gw.master_key, "sk-live-master-other-9876543210"
    gw.master_key = new
    gw.write(full(mock, ANY))
    gw.ctl("reload")
    for _ in range(10):
        assert gw.ask("m", key=old).status == 401
        assert gw.ask("m", key=new).status == 200
        assert gw.ask("m", key=key).status == 200
    assert gw.post("/key/generate", {}, key=old).status == 401
    assert gw.post("/key/generate", {}, key=new).status == 200


def test_concurrent_reloads(start):
    """One at a time; the others are told so, and none hangs."""
    gw = start(ANY)
    stopped = workers(gw)[0]["pid"]
    os.kill(stopped, signal.SIGSTOP)     # so that the first one has to wait
    first = []
    t = threading.Thread(target=lambda: first.append(gw.ctl("reload", check=False)))
    t.start()
    wait_for(lambda: generation(gw) == 2)
    p = gw.ctl("reload", check=False)
    assert p.returncode == 6 and "under way" in p.stdout + p.stderr
    assert gw.request("POST", "/admin/v1/reload").status in (409, 404)
    assert not first                     # nobody waited for it
    os.kill(stopped, signal.SIGCONT)
    t.join(20)
    assert first[0].returncode == 0
    assert {w["generation"] for w in workers(gw)} == {2}
    gw.ctl("reload")


def test_reload_keeps_cooldowns_keys_and_spend(start, mock):
    gw = start([("c", "plain?status=500"), ("m", "plain"), ("mock*", "mock*")],
               "router_settings:\n  cooldown_time: 60\n  num_retries: 0\n  allowed_fails: 0\n")
    key = gw.key(max_budget=1.0, rpm_limit=1000)
    for _ in range(10):
        gw.ask("c", key=key)
        gw.ask("m", key=key)

    def cooling():
        return next(m for m in gw.ctl_json("models")["models"] if m["model_name"] == "c")["cooldown_s"]
    wait_for(lambda: cooling() > 0 or gw.ask("c").status is None)
    spent = gw.ctl_json("keys", "list")["keys"][0]["spend"]
    assert spent > 0
    before, failures = cooling(), next(m for m in gw.ctl_json("models")["models"] if m["model_name"] == "c")["failures"]
    gw.ctl("reload")
    assert 0 < before - cooling() + 1 <= 15 and cooling() > 0
    assert next(m for m in gw.ctl_json("models")["models"] if m["model_name"] == "c")["failures"] == failures
    assert gw.ctl_json("keys", "list")["keys"][0]["spend"] == spent
    assert gw.ask("m", key=key).status == 200
    assert gw.ctl_json("status")["keys"] == 1
