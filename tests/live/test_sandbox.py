# SPDX-License-Identifier: MIT
"""The sandbox of workers: what is in force, what still works in it, and who replaces workers that
cannot have back what they gave up. What is refused is tried one by one in tests/unit/test_sandbox.c;
that nothing of ours is refused, all live tests see: gateway.py looks for sandbox.refused."""
import ctypes
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading

import pytest

from gateway import Gateway, until

ANY = [("m", "plain"), ("mock*", "mock*")]
LANDLOCK = 444                                 # its first call, landlock_create_ruleset, everywhere
SANITIZED = "libasan" in pathlib.Path("/proc/self/maps").read_text() or "LLMGW_PATIENCE" in os.environ


def abi():
    got = ctypes.CDLL(None, use_errno=True).syscall(LANDLOCK, None, 0, 1)
    return max(got, 0)


def status(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())


DEFAULT = os.environ.get("LLMGW_SANDBOX", "auto")


def sandbox(mode):
    return f"server:\n  sandbox: {mode}\n"


def in_force(gw):
    """What each worker says of itself: the master may be READY a moment before."""
    until(lambda: len(gw.records("worker.ready")) == gw.workers)
    return [(r["landlock"], r["seccomp"]) for r in gw.records("worker.ready")]


def settled(gw, before):
    """The workers, once none of `before` is among them and all serve."""
    def new():
        rows = [w for w in gw.ctl_json("workers")["workers"] if w["state"] == "ready"]
        return rows if len(rows) == gw.workers and not before & {w["pid"] for w in rows} else None
    return {w["pid"] for w in until(new, 20)}


def pids(gw):
    return {w["pid"] for w in gw.ctl_json("workers")["workers"]}


@pytest.mark.skipif(SANITIZED, reason="a sanitizer needs what the sandbox takes")
def test_by_default(start):
    gw = start(ANY)
    assert in_force(gw) == [(abi(), 1)] * 2
    for pid in gw.children():
        s = status(pid)
        assert s["Seccomp"] == "2" and s["NoNewPrivs"] == "1"
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        assert int(pathlib.Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0
    assert status(gw.process.pid)["Seccomp"] == "0"       # the master opens files and starts programs


@pytest.mark.skipif(abi() == 0, reason="no Landlock here")
def test_enforced(start, mock):
    """A worker that would be ended by any call off the list answers, streams, resolves and drains."""
    named = {"model": "openai/plain", "api_base": f"http://localhost:{mock.port}/v1", "api_key": "sk-x"}
    gw = start([*ANY, ("named", named)], sandbox("enforce"))
    k = gw.key()
    assert gw.ask("named", key=k).status == 200
    assert gw.stream("mock?tokens=3", key=k).text()
    before = pids(gw)
    gw.ctl("workers", "restart")
    settled(gw, before)
    assert gw.ask("m", key=k).status == 200
    assert not [r for r in gw.records("worker.exit") if "signal" in r.get("how", "")]


@pytest.mark.parametrize("mode, filtered", [("log", "2"), ("off", "0")])
def test_less(start, mode, filtered):
    gw = start(ANY, sandbox(mode))
    assert gw.ask("m").status == 200
    assert in_force(gw) == [(0, mode == "log")] * 2
    assert {status(p)["Seccomp"] for p in gw.children()} == {filtered}
    assert {status(p)["NoNewPrivs"] for p in gw.children()} == {"1"}


def test_another_mode_by_reload(start):
    gw = start(ANY, sandbox("log"))
    before = pids(gw)
    gw.config.write_text(gw.config.read_text().replace("sandbox: log", "sandbox: off"))
    gw.ctl("reload")
    gw.wait_log("sandbox.renew", mode="off")
    assert {status(p)["Seccomp"] for p in settled(gw, before)} == {"0"}


@pytest.mark.skipif(SANITIZED or abi() == 0, reason="nothing to renew")
def test_a_replaced_file(start, tmp_path):
    """The file of authorities is replaced by another one, as a package does it: workers that cannot
    read that one go, one by one, and no request fails."""
    file = tmp_path / "authorities.pem"
    file.write_text("# none\n")
    gw = start(ANY, env={"SSL_CERT_FILE": str(file)})
    before, failed, over = pids(gw), [], threading.Event()

    def ask():
        while not over.is_set():
            a = gw.ask("m")
            if a.status != 200:
                failed.append(a)
    asking = threading.Thread(target=ask)
    asking.start()
    file.write_text("# none yet\n")              # the same file: nothing to do
    (tmp_path / "new").write_text("# others\n")
    (tmp_path / "new").rename(file)
    gw.wait_log("sandbox.renew", mode=DEFAULT)
    settled(gw, before)
    over.set()
    asking.join()
    assert not failed
    assert len(gw.records("sandbox.renew")) == 1


# Runs a program on a kernel that answers one system call with EPERM.
WITHOUT = """
import ctypes, os, sys
s = ctypes.CDLL("libseccomp.so.2")
s.seccomp_init.restype = ctypes.c_void_p
f = ctypes.c_void_p(s.seccomp_init(ctypes.c_uint32(0x7fff0000)))
assert s.seccomp_rule_add(f, ctypes.c_uint32(0x00050001), int(sys.argv[1]), 0) == 0 and s.seccomp_load(f) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""


class Without(Gateway):
    """On a machine where Landlock is there and cannot be used, as in some containers."""
    def command(self):
        return [sys.executable, "-c", WITHOUT, str(LANDLOCK + 2), *super().command()]


@pytest.mark.skipif(SANITIZED or abi() == 0, reason="no Landlock here")
def test_where_landlock_cannot_be_had(tmp_path, mock):
    model = {"model": "openai/plain", "api_base": mock.base + "/v1", "api_key": "sk-x"}
    gw = Without(tmp_path, [("m", model)], sandbox("auto")).start()
    assert gw.ask("m").status == 200
    assert in_force(gw) == [(0, 1)] * 2
    gw.stop()
    gw.config.write_text(gw.config.read_text().replace("sandbox: auto", "sandbox: enforce"))
    with open(gw.log_path, "ab") as log:
        p = subprocess.Popen(gw.command(), stdout=log, stderr=log)
    assert gw.wait_log("sandbox.missing")["landlock"] == 0
    assert len(gw.records("worker.ready")) == 2          # those of before
    p.terminate()
    assert p.wait(20) != -signal.SIGKILL
