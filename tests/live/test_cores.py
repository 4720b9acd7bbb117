# SPDX-License-Identifier: MIT
"""Nobody but root looks into a worker, and no core holds what it knows: not while it has a master,
nor when the master is killed and the next one takes the board from it."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from gateway import BUILD, Gateway, until
from load import Streams, workers
from test_sandbox import SANITIZED

KEY = "sk-canary-of-a-provider-0123456789"
NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
SECRET = ("mem", "environ", "maps", "fd/4")

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or SANITIZED, reason="only root becomes another user; a sanitizer "
                                                                      "needs what the sandbox takes")


class Nobodys(Gateway):
    """Runs as a user of its own, as the unit lets it."""
    def command(self):
        return ["env", "-C", str(self.tmp), *AS_NOBODY, *[str(self.tmp / "bin/llmgw"), *super().command()[1:]]]


@pytest.fixture
def gw(mock):
    tmp = pathlib.Path(tempfile.mkdtemp(prefix="llmgw-nobody-"))
    model = {"api_base": mock.base + "/v1", "api_key": KEY}
    g = Nobodys(tmp, [("m", {"model": "openai/plain", **model}), ("mock*", {"model": "openai/mock*", **model})])
    for d in ("bin", "state", "run"):
        (tmp / d).mkdir(mode=0o755)
        shutil.chown(tmp / d, "nobody")
    for program in ("llmgw", "llmgw-worker"):
        shutil.copy(BUILD / program, tmp / "bin")
    shutil.chown(g.config, "nobody")
    g.config.chmod(0o600)
    tmp.chmod(0o755)
    shutil.chown(tmp, "nobody")
    before = os.umask(0)                # it writes to the notify socket
    try:
        yield g
        g.stop()
    finally:
        os.umask(before)
        shutil.rmtree(tmp, ignore_errors=True)


def start(gw):
    gw.start()
    return until(lambda: len(gw.children()) == 2 and gw.children())


def busy(gw):
    """The workers that have streams: an idle one ends when its master does."""
    return {w["pid"] for w in workers(gw) if w["streams"]}


def reads(pid, what):
    """Whether another process of that user gets at it."""
    p = subprocess.run([*AS_NOBODY, "head", "-c1", f"/proc/{pid}/{what}"], capture_output=True, text=True)
    return "Permission denied" not in p.stderr


def test_nobody_looks_into_workers(gw):
    pids = start(gw)
    assert gw.ask("m").status == 200
    own = subprocess.Popen([*AS_NOBODY, "sleep", "60"])          # the test's own test
    try:
        until(lambda: reads(own.pid, "environ"))
    finally:
        own.kill()
        own.wait()
    for pid in [gw.process.pid, *pids]:
        assert not [what for what in SECRET if reads(pid, what)], pid


def test_the_next_master_takes_the_board(gw):
    start(gw)
    streams = Streams(gw, 20, "mock?tokens=60&gap=40").wait_begun()
    serving = busy(gw)
    gw.kill()
    start(gw)
    assert serving <= {r["pid"] for r in gw.records("worker.orphan")}
    assert not gw.records("worker.orphan_killed")
    streams.wait_over()
    assert len(streams.whole) == 20


def test_an_orphan_that_never_notices(gw):
    """It cannot be looked into: it is ended, what it held is booked, and the gateway starts."""
    pids = start(gw)
    os.kill(pids[0], signal.SIGSTOP)
    gw.kill()
    start(gw)
    # the other one ends by itself, unless the machine does not let it in time
    assert pids[0] in [r["pid"] for r in gw.records("worker.orphan_killed")]
    assert gw.ask("m").status == 200


def leaves_no_core(gw, pid):
    """It ends as by a failed MUST. Programs that take cores from the kernel heed the filter, not the limit."""
    assert re.search(r"Max core file size +0 +0", pathlib.Path(f"/proc/{pid}/limits").read_text())
    assert int(pathlib.Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0
    os.kill(pid, signal.SIGABRT)
    until(lambda: not pathlib.Path(f"/proc/{pid}").exists())
    return not [p for p in gw.tmp.iterdir() if p.name.startswith("core")]


def test_no_core(gw):
    """L4: of a worker, and of an orphan, which can be looked into."""
    first, _ = start(gw)
    assert leaves_no_core(gw, first)
    streams = Streams(gw, 20, "mock?tokens=100&gap=40").wait_begun()
    serving = busy(gw)
    gw.kill()
    for pid in serving:
        until(lambda: reads(pid, "environ"))
        assert leaves_no_core(gw, pid)
    streams.wait_over()
