# SPDX-License-Identifier: MIT
"""The story of the profile, from inside: the package is installed on a running system, all that a
service lives through happens under its profile, and then somebody who runs in it wants out.

Each step is told with its outcome, and at the end what the kernel's log has refused."""
import contextlib
import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import time
import traceback

from inside import CONFIG, ENV, GIVEN, PORT, Service, say, sh, show
from load import Load, Streams, wait_for

PROFILE = "llmgw (enforce)"
WORKER = "/usr/libexec/llmgw/llmgw-worker"
MODELS = """model_list:
  - model_name: m
    litellm_params: {model: openai/plain, api_base: "http://127.0.0.1:8000/v1", api_key: sk-x}
  - model_name: mock*
    litellm_params: {model: "openai/mock*", api_base: "http://localhost:8000/v1", api_key: sk-x}
general_settings: {master_key: os.environ/LLMGW_MASTER_KEY}
server: {workers: 2}
"""
gw = Service()


def ask(key=None):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    with contextlib.closing(c):
        c.request("POST", "/v1/chat/completions", json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}),
                  {"Authorization": f"Bearer {key or gw.master_key}", "Content-Type": "application/json"})
        return c.getresponse().status


def pids():
    """The master's and its workers'."""
    return [p.parent for p in pathlib.Path("/proc").glob("[0-9]*/comm")
            if re.fullmatch(r"llmgw(-worker)?\n", p.read_text())]


def confined():
    found = {(p / "attr/current").read_text().strip() for p in pids()}
    assert len(pids()) == 3 and found == {PROFILE}, (found, [(p / "comm").read_text() for p in pids()])


def refused():
    """What the kernel has refused to who has this profile."""
    lines = sh("dmesg").stdout.splitlines()
    return [line for line in lines if 'apparmor="DENIED"' in line and 'profile="llmgw' in line]


def workers():
    return {w["pid"] for w in gw.ctl_json("workers")["workers"] if w["state"] == "ready"}


def replaced(how):
    old = workers()
    how()
    wait_for(lambda: len(new := workers()) == 2 and not old & new, timeout=90)


# ---- a service's life

def installs_and_starts():
    sh("dpkg -i /given/llmgw-mock.deb && systemd-run --unit mock llmgw-mock --port 8000")
    sh("dpkg -i /given/llmgw.deb")
    assert PROFILE in pathlib.Path("/sys/kernel/security/apparmor/profiles").read_text().splitlines()
    CONFIG.write_text(MODELS)
    sh("systemctl restart llmgw")
    assert show("ActiveState") == "active" and show("NRestarts") == "0"
    wait_for(lambda: len(workers()) == 2, timeout=60)
    confined()


def answers():
    assert ask() == 200 and ask("sk-nobody") == 401
    with Load(gw, rate=30, clients=2, stream_every=3) as a, Load(gw, rate=10, clients=1, keep=False) as b:
        Streams(gw, 3, "mock?tokens=10&gap=20").wait_begun().wait_over()
        wait_for(lambda: a.done > 20 and b.done > 5, timeout=60)
    assert not a.failures and not b.failures, (a.failures + b.failures)[:3]


def is_operated():
    key = gw.ctl_json("keys", "create", "--key-alias", "from-ctl")["key"]
    assert ask(key) == 200
    for command in (("status",), ("keys", "list"), ("models",), ("spend", "logs", "--limit", "5"), ("workers",), ("audit",)):
        gw.ctl_json(*command)


def keeps_copies():
    """A copy of the database, made by the service in its folder."""
    copy = "/var/lib/llmgw/copy.db"
    p = gw.ctl("backup", copy)
    assert p.returncode == 0 and os.path.getsize(copy) > 0, p.stdout


def reloads():
    sh("systemctl reload llmgw")
    assert ask() == 200
    CONFIG.write_text(MODELS + "server: {drain: soon}\n")
    assert sh("systemctl reload llmgw", check=False).returncode and ask() == 200
    CONFIG.write_text(MODELS)
    sh("systemctl reload llmgw")


def replaces_workers():
    replaced(lambda: gw.ctl("workers", "restart"))
    old = workers()
    os.kill(min(old), 9)
    wait_for(lambda: len(new := workers()) == 2 and new != old, timeout=60)
    confined()


def upgrades_in_place():
    pid = show("MainPID")
    replaced(lambda: gw.ctl("upgrade"))
    replaced(lambda: sh("dpkg -i /given/next.deb"))
    assert show("MainPID") == pid and os.readlink(f"/proc/{pid}/exe") == "/usr/sbin/llmgw" and ask() == 200
    confined()


def survives_its_masters_end():
    os.kill(int(show("MainPID")), 9)
    wait_for(lambda: show("NRestarts") == "1" and show("ActiveState") == "active", timeout=60)
    wait_for(lambda: len(workers()) == 2, timeout=60)
    confined()


def takes_credentials():
    """The master key by LoadCredential."""
    drop_in, key = pathlib.Path("/etc/systemd/system/llmgw.service.d/key.conf"), "sk-" + "c" * 48
    drop_in.parent.mkdir()
    secret = pathlib.Path("/etc/llmgw/a-key")
    secret.touch(0o600)
    secret.write_text(key)
    drop_in.write_text(f"[Service]\nEnvironmentFile=\nLoadCredential=master-key:{secret}\n")
    CONFIG.write_text(MODELS.replace("general_settings: {master_key: os.environ/LLMGW_MASTER_KEY}\n", ""))
    sh("systemctl daemon-reload && systemctl restart llmgw")
    assert ask(key) == 200
    shutil.rmtree(drop_in.parent)
    CONFIG.write_text(MODELS)
    sh("systemctl daemon-reload && systemctl restart llmgw")
    assert ask() == 200
    confined()


def leaves_others_alone():
    """Who runs the same program by hand is in no profile: a check of a file anywhere, the doctor."""
    other = pathlib.Path("/srv/mine.yaml")
    other.write_text(MODELS)
    sh(f"LLMGW_MASTER_KEY=sk-0123456789abcdef llmgw --check --config {other}")
    doctor = sh(f"LLMGW_MASTER_KEY={gw.master_key} llmgw --doctor --config {CONFIG} --state-dir /var/lib/llmgw", check=False).stdout
    assert '"check":"database","result":"ok"' in doctor, doctor


def nothing_was_refused():
    """Until here; and the log would have it: its own limit is off."""
    assert not (lines := refused()), lines[:20]


# ---- a way out

def configuration_reaches_nothing_else():
    """A file that the service's user may read, but the profile does not name: the message says who refuses, the doctor
    finds it, and what they say to do about it helps."""
    other = pathlib.Path("/srv/other.yaml")
    other.write_text("model_list: []\n")
    other.chmod(0o644)
    sh(f"setpriv --reuid llmgw --regid llmgw --clear-groups cat {other}")
    CONFIG.write_text(f"include: [{other}]\n" + MODELS)
    def finding():
        said = gw.ctl("--json", "doctor").stdout
        return next(c for c in json.loads(said[said.index("{"):])["checks"] if c["check"] == "config.readable")

    p = sh("systemctl reload llmgw", check=False)
    assert p.returncode and any('name="/srv/other.yaml"' in line for line in refused()), (p.stdout, refused())
    said, found = sh("journalctl -u llmgw -n 30 --no-pager -o cat").stdout, finding()
    rule = f"add {other} r, as a line to /etc/apparmor.d/local/usr.sbin.llmgw and run apparmor_parser -r /etc/apparmor.d/usr.sbin.llmgw"
    assert f"cannot read {other}: Permission denied: AppArmor's profile llmgw refuses it: {rule}" in said, said
    assert found["result"] == "fail" and found["hint"] == rule and str(other) in found["text"], found
    local = pathlib.Path("/etc/apparmor.d/local/usr.sbin.llmgw")
    local.parent.mkdir(exist_ok=True)
    local.write_text(f"{other} r,\n")
    sh("apparmor_parser -r /etc/apparmor.d/usr.sbin.llmgw")
    sh("systemctl reload llmgw")
    assert finding()["result"] == "ok", finding()
    hidden = pathlib.Path("/home/other.yaml")
    shutil.copy(other, hidden)
    CONFIG.write_text(f"include: [{hidden}]\n" + MODELS)
    p, found = sh("systemctl reload llmgw", check=False), finding()
    said = sh("journalctl -u llmgw -n 30 --no-pager -o cat").stdout
    CONFIG.write_text(MODELS)
    assert p.returncode and "Permission denied: the unit of the service hides /home from it" in said, said
    assert found["result"] == "fail" and "/home" in found["text"], found


def in_its_place(*words, as_root=True):
    """Who has taken over a worker: busybox stands in the worker's place, in its profile."""
    user = pwd.getpwnam("llmgw")

    def enter():
        pathlib.Path("/proc/self/attr/exec").write_text("exec llmgw")
        if not as_root:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
    return subprocess.Popen(["busybox", *words], executable=WORKER, preexec_fn=enter, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


@contextlib.contextmanager
def taken_over():
    sh(f"systemctl stop llmgw && mount --bind {GIVEN}/busybox {WORKER}")
    try:
        sleeper = in_its_place("sleep", "1000")
        current = pathlib.Path(f"/proc/{sleeper.pid}/attr/current").read_text().strip()
        sleeper.kill()
        sleeper.wait()
        assert current == PROFILE
        yield
    finally:
        sh(f"umount {WORKER} && systemctl start llmgw")


ESCAPES = {
    "another's secrets": ("cat", "/etc/shadow"),
    "what is installed": ("cat", "/var/lib/dpkg/status"),
    "its own configuration": ("sh", "-c", f"echo >>{CONFIG}"),
    "its master key": ("sh", "-c", f"echo >>{ENV}"),
    "its own program": ("cp", "/usr/libexec/llmgw/postinstall", "/usr/sbin/llmgw"),
    "jobs of root": ("touch", "/etc/cron.d/x"),
    "a file to run": ("touch", "/tmp/x"),
    "another program": ("sh", "-c", "exec /usr/bin/python3 -c ''"),
    "a shell": ("sh", "-c", "exec /bin/sh -c true"),
    "file systems": ("mount", "-t", "tmpfs", "none", "/mnt"),
    "another root": ("chroot", "/", "/bin/busybox", "true"),
    "the disk": ("dd", "if=/dev/vda", "of=/dev/null", "count=1"),
    "processes of others": ("kill", "-9", "1"),
    "memory of others": ("cat", "/proc/1/environ"),
    "packets": ("ping", "-c", "1", "127.0.0.1"),
    "the kernel's settings": ("sh", "-c", "echo 1 >/proc/sys/vm/drop_caches"),
    "files of others": ("chown", "nobody", str(CONFIG)),
    "the host's name": ("hostname", "mine"),
}


COPY = f"cd /var/lib/llmgw && cp {WORKER} x && echo written && exec ./x true"


def nobody_gets_out():
    with taken_over():
        p = in_its_place("cat", str(CONFIG))
        assert p.communicate(timeout=60)[0] == MODELS and p.returncode == 0
        out, log = [], []
        for name, words in ESCAPES.items():
            before = len(refused())
            p = in_its_place(*words)
            said = p.communicate(timeout=60)[0]
            log.append((name, p.returncode, said.strip()[-100:], len(refused()) - before))
            if p.returncode == 0 or len(refused()) == before:
                out.append(log[-1])
        before = len(refused())
        p = in_its_place("sh", "-c", COPY, as_root=False)
        assert "written" in p.communicate(timeout=60)[0] and p.returncode, "what it has written itself"
        assert "/var/lib/llmgw/x" in refused()[before], refused()[before:]
    assert not out, out
    assert ask() == 200


def leaves():
    sh("dpkg -P llmgw")
    assert not pids() and not pathlib.Path("/etc/apparmor.d/usr.sbin.llmgw").exists()


STEPS = (installs_and_starts, answers, is_operated, keeps_copies, reloads, replaces_workers, upgrades_in_place,
         survives_its_masters_end, takes_credentials, leaves_others_alone, nothing_was_refused, configuration_reaches_nothing_else,
         nobody_gets_out, leaves)


def tell(how):
    sh("sysctl -q kernel.printk_ratelimit=0")   # the kernel's log shall leave nothing out
    assert how == "all"
    for step in STEPS:
        began = time.monotonic()
        try:
            step()
            say("STEP", [step.__name__, "ok", time.monotonic() - began])
        except Exception:       # noqa: BLE001: whatever it is, it is told, and the others are tried
            said = sh("journalctl -u llmgw -n 30 --no-pager -o cat", check=False).stdout
            say("STEP", [step.__name__, traceback.format_exc()[-3000:] + said[-1200:], 0])
    say("REFUSED", refused())
    say("OVER")
