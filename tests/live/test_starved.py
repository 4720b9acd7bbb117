# SPDX-License-Identifier: MIT
"""R4, R5: a worker that does not run for ten seconds hangs, and is ended; but not when the whole
machine stood still, or would not let it run. LLMGW_LONG=1 is busy for a minute and not for five
seconds."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from gateway import PATIENCE
from load import Load, Streams, wait_for, workers

pytestmark = pytest.mark.timing
ANY = [("m", "plain"), ("mock*", "mock*")]
FREEZER = pathlib.Path("/sys/fs/cgroup/freezer")
STILL_S = 12.5                      # longer than a worker may be late


def group_of(gw):
    pids = [gw.process.pid, *gw.children()]
    assert len(pids) == 3 and min(pids) > 1, pids
    return pids


def stands_still(pids, seconds):
    for p in pids:
        os.kill(p, signal.SIGSTOP)
    time.sleep(seconds)
    for p in pids:
        os.kill(p, signal.SIGCONT)


@pytest.fixture
def freezer():
    """A group whose processes do not run, of either version; None where none can be made."""
    made = None
    for base, file, words in ((FREEZER, "freezer.state", ("FROZEN", "THAWED")),
                              (FREEZER.parent, "cgroup.freeze", ("1", "0"))):
        made = base / f"llmgw-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            made.mkdir()
            if (made / file).exists():
                break
            made.rmdir()
        made = None
    home = pathlib.Path("/proc/self/cgroup").read_text()
    yield made and (made, made / file, words)
    if made:
        wait_for(lambda: not (made / "cgroup.procs").read_text().split(), timeout=20)
        made.rmdir()
    assert home == pathlib.Path("/proc/self/cgroup").read_text()


def test_the_whole_gateway_stood_still(start):
    """As when a machine is suspended, or a virtual one moved: everybody is late, nobody hangs."""
    gw = start(ANY)
    pids, streams = group_of(gw), Streams(gw, 6, "mock?tokens=40&gap=50").wait_begun()
    stands_still(pids, STILL_S)
    streams.wait_over()
    assert len(streams.whole) == 6
    time.sleep(1)                    # ticks in which somebody could be judged
    assert group_of(gw) == pids and not gw.records("worker.stalled") and not gw.records("worker.starved")
    assert gw.ask("m").status == 200


def test_a_worker_that_is_not_let_run(freezer, start):
    """Nothing is wrong with it: it goes on when it may, and the other one serves meanwhile."""
    if freezer is None:
        pytest.skip("no control group that freezes can be made here")
    group, file, (freeze, thaw) = freezer
    gw = start(ANY)
    a, b = sorted(gw.children())
    (group / "cgroup.procs").write_text(str(a))
    file.write_text(freeze)
    try:
        starved = gw.wait_log("worker.starved", timeout=15, pid=a)
        time.sleep(1.5)              # more than it has behind SIGABRT, had that been sent
    finally:
        file.write_text(thaw)
    assert starved["late_ms"] >= 10000
    assert sorted(gw.children()) == [a, b] and not gw.records("worker.stalled")
    assert len(gw.records("worker.starved")) == 1
    wait_for(lambda: len(workers(gw)) == 2)
    assert [gw.ask("m").status for _ in range(40)] == [200] * 40


def test_a_machine_that_is_too_busy(start):
    """Eight processes that do nothing but run, beside it."""
    seconds = 60 if os.environ.get("LLMGW_LONG") else 5
    gw = start(ANY)
    pids = group_of(gw)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8)]
    try:
        with Load(gw, rate=50, clients=4, stream_every=3) as load:
            time.sleep(seconds)
    finally:
        for p in busy:
            p.kill()
            p.wait()
    assert not load.failures, load.failures[:3]
    assert load.done > 2 * seconds / PATIENCE
    assert group_of(gw) == pids and not gw.records("worker.stalled") and not gw.records("worker.exit")
