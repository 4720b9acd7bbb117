# SPDX-License-Identifier: MIT
"""machine.py - what the kernel says of processes, and starting, asking and ending them.
Standard library only."""
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request

TICK = os.sysconf("SC_CLK_TCK")
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever $http_proxy says


class Void(Exception):
    """A request failed, or a process died: the run says nothing."""


def children_of(pid):
    """pid and everything below it."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as f:
                parent = int(f.read().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return sorted(found)


def cpu_us(pids):
    """User and system time of processes with all their threads, in µs."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            ticks += sum(map(int, f.read().rpartition(")")[2].split()[11:13]))
    return ticks * 1_000_000 // TICK


def machine_busy_us():
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * 1_000_000 // TICK


class Noise:
    """What other programs use of the machine, from now on. Ours are this one and all that it started."""

    def __init__(self):
        self.began, self.ours, self.busy = time.monotonic(), self.own_us(), machine_busy_us()

    @staticmethod
    def own_us():
        """With those that have ended and were waited for."""
        ticks = 0
        for pid in children_of(os.getpid()):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
                ticks += sum(map(int, f.read().rpartition(")")[2].split()[11:15]))
        return ticks * 1_000_000 // TICK

    def seconds(self):
        return time.monotonic() - self.began

    def share(self):
        others = machine_busy_us() - self.busy - (self.own_us() - self.ours)
        return max(0, others) / (max(self.seconds(), 1e-3) * 1e6 * os.cpu_count())


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total


def rss_kib(pids):
    """Resident memory; what processes share counts in each."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
    return total


def peak_kib(pid):
    """The most that was resident since reset_peak()."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as f:
        f.write("5")


def free_port():
    """Below those that the kernel gives to connections: between this and the start of a server one of
    thousands might take it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low = int(f.read().split()[0])
    for _ in range(100):
        port = random.randrange(max(1024, low // 2), max(1025, low))
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", port))
            return port
    raise Void("there is no free port")


def wait_for_port(port, process, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Void(f"{process.args[0]} ended with status {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise Void(f"nobody listens on port {port}")


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(url, data=None, headers=None):
    request = urllib.request.Request(url, data and json.dumps(data).encode(), headers or {})
    request.add_header("Content-Type", "application/json")
    with OPENER.open(request, timeout=20) as answer:
        return json.load(answer)
