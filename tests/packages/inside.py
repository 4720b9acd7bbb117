# SPDX-License-Identifier: MIT
"""The life of a package on a booted system, from installing to purging: test_packages.py runs this
inside of it and reads a line of each step. Load and streams are those of the live tests."""
import contextlib
import ctypes
import grp
import http.client
import json
import os
import pathlib
import pwd
import re
import stat
import subprocess
import sys
import traceback

sys.path.insert(0, "/tree/tests/live")

PORT = 4000
ETC, STATE = pathlib.Path("/etc/llmgw"), pathlib.Path("/var/lib/llmgw")
CONFIG, ENV = ETC / "llmgw.yaml", ETC / "llmgw.env"
MODELS = """model_list:
  - model_name: m
    litellm_params: {model: openai/plain, api_base: "http://127.0.0.1:8000/v1", api_key: sk-x}
  - model_name: mock*
    litellm_params: {model: "openai/mock*", api_base: "http://127.0.0.1:8000/v1", api_key: sk-x}
general_settings: {master_key: os.environ/LLMGW_MASTER_KEY}
"""


def sh(command, check=True):
    p = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       stdin=subprocess.DEVNULL, timeout=120)
    print(f"$ {command}  -> {p.returncode}\n{p.stdout}", end="", flush=True)
    assert not check or p.returncode == 0, f"{command}: {p.returncode}"
    return p


def show(what):
    return sh(f"systemctl show -p {what} --value llmgw").stdout.strip()


def processes():
    """The gateway's, by the name of their program."""
    found = [p.read_text().strip() for p in pathlib.Path("/proc").glob("[0-9]*/comm")]
    return [name for name in found if name.startswith("llmgw") and name != "llmgw-mock"]


def program():
    return os.readlink(f"/proc/{show('MainPID')}/exe")


def mode(path):
    st = os.stat(path)
    return f"{stat.S_IMODE(st.st_mode):o} {pwd.getpwuid(st.st_uid).pw_name}:{grp.getgrgid(st.st_gid).gr_name}"


class Service:
    """What Load and Streams ask of a gateway."""
    port = PORT

    @property
    def master_key(self):
        return next(line[len("LLMGW_MASTER_KEY="):] for line in ENV.read_text().splitlines()
                    if line.startswith("LLMGW_MASTER_KEY="))

    def ctl_json(self, *args):
        return json.loads(subprocess.run(["llmgwctl", "--json", *args], capture_output=True, check=True).stdout)

    def ask(self, key=None):
        c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
        c.request("POST", "/v1/chat/completions", json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}),
                  {"Authorization": f"Bearer {key or self.master_key}", "Content-Type": "application/json"})
        return c.getresponse().status


gw = Service()


@contextlib.contextmanager
def traffic(streams, keep=True):
    """Steady requests, new connections among them, and long streams: all must be answered whole."""
    from load import Load, Streams
    with Load(gw, rate=60, clients=3, stream_every=5, keep=keep) as a, Load(gw, rate=30, clients=2, keep=False) as b:
        long = Streams(gw, streams, "mock?tokens=80&gap=50").wait_begun()
        yield
        long.wait_over()
    print(f"{a.done} + {b.done} requests, {len(long.whole)} of {streams} streams whole", flush=True)
    assert not a.failures and not b.failures, (a.failures + b.failures)[:5]
    assert len(long.whole) == streams, long.broken[0].data[-300:]
    assert a.done > 30 and b.done > 15


class Deb:
    def install(self, name="llmgw"):
        return sh(f"dpkg -i /given/{name}.deb")

    def upgrade(self):
        self.install("next")

    def remove(self):
        sh("dpkg -r llmgw")


class Rpm:
    # Debian's rpm knows nothing of Debian's packages; the same package anew is an upgrade to its scripts.
    def install(self, name="llmgw"):
        return sh(f"rpm -i --force-debian --nodeps /given/{name}.rpm")

    def upgrade(self):
        sh("rpm -U --force --force-debian --nodeps /given/llmgw.rpm")

    def remove(self):
        sh("rpm -e --force-debian --nodeps llmgw")


def deb_installs_and_starts(kind):
    kind.install()
    assert show("ActiveState") == "active" and show("UnitFileState") == "enabled" and show("NRestarts") == "0"
    assert gw.ctl_json("status")["pid"] == int(show("MainPID"))


def rpm_installs(kind):
    sh("rpm --initdb")
    kind.install()
    assert show("ActiveState") == "inactive" and show("UnitFileState") == "enabled"
    changed = sh("rpm -V --nodeps llmgw", check=False).stdout
    assert changed == "", changed
    sh("systemctl start llmgw")


def landlock():
    """What the kernel lets a process have that is in no service's sandbox."""
    return max(ctypes.CDLL(None).syscall(444, None, 0, 1), 0)


def workers_confine_themselves(kind):
    """The unit's filter of system calls lets them."""
    from load import wait_for
    said = r'"event":"worker.ready".*"landlock":(\d+),"seccomp":(\d)'
    ready = wait_for(lambda: re.findall(said, sh("journalctl -u llmgw --no-pager -o cat").stdout))
    assert set(ready) == {(str(landlock()), "1")}, (ready, landlock())


def files_belong(kind):
    assert mode(ETC) == "750 root:llmgw" and mode(CONFIG) == "640 root:llmgw" and mode(ENV) == "640 root:llmgw"
    assert mode(STATE) == "700 llmgw:llmgw" and mode(STATE / "llmgw.db") == "600 llmgw:llmgw"
    assert mode("/run/llmgw") == "2755 llmgw:llmgw-admin"
    assert mode("/run/llmgw/control.sock") == "660 llmgw:llmgw-admin"
    assert "llmgw" not in grp.getgrnam("llmgw-admin").gr_mem     # it comes by the folder, not by a chown
    assert len(gw.master_key) == 3 + 48 and gw.master_key not in sh("journalctl -u llmgw --no-pager").stdout
    verified = sh("systemd-analyze verify --man=no llmgw.service").stdout
    assert "llmgw" not in verified, verified


def reloads(kind):
    kind.install("llmgw-mock")
    sh("systemd-run --unit mock llmgw-mock --port 8000")
    CONFIG.write_text(MODELS)
    sh("systemctl reload llmgw")
    assert gw.ask() == 200 and mode(CONFIG) == "640 root:llmgw"


def refuses_a_bad_configuration(kind):
    CONFIG.write_text(MODELS + "server: {drain: soon}\n")
    assert sh("systemctl reload llmgw", check=False).returncode != 0
    assert show("ActiveState") == "active" and gw.ask() == 200
    CONFIG.write_text(MODELS)
    sh("systemctl reload llmgw")


def group_may_operate(kind):
    sh("useradd chief --groups llmgw-admin && useradd stranger")
    sh("setpriv --reuid chief --regid chief --init-groups llmgwctl workers list")
    assert sh("setpriv --reuid stranger --regid stranger --init-groups llmgwctl workers list", check=False).returncode
    assert sh(f"setpriv --reuid stranger --regid stranger --init-groups cat {CONFIG} {ENV}", check=False).returncode


def takes_its_key_as_a_credential(kind):
    """In no environment and no configuration; the file is root's alone."""
    drop_in, secret, key = pathlib.Path("/etc/systemd/system/llmgw.service.d/key.conf"), ETC / "a-key", "sk-" + "c" * 48
    secret.touch(0o600)
    secret.write_text(key + "\n")
    drop_in.parent.mkdir()
    drop_in.write_text(f"[Service]\nEnvironmentFile=\nLoadCredential=master-key:{secret}\n")
    CONFIG.write_text(MODELS.replace("general_settings: {master_key: os.environ/LLMGW_MASTER_KEY}\n", ""))
    sh("systemctl daemon-reload && systemctl restart llmgw")
    assert mode(secret) == "600 root:root" and gw.ask(key) == 200 and gw.ask() == 401
    assert key.encode() not in pathlib.Path(f"/proc/{show('MainPID')}/environ").read_bytes()
    drop_in.unlink()
    drop_in.parent.rmdir()
    secret.unlink()
    CONFIG.write_text(MODELS)
    sh("systemctl daemon-reload && systemctl restart llmgw")
    assert gw.ask() == 200


def replaced(upgrade):
    """Calls upgrade() and waits until all workers are other ones."""
    from load import wait_for
    old = {w["pid"] for w in gw.ctl_json("workers")["workers"]}
    upgrade()
    wait_for(lambda: not old & {w["pid"] for w in gw.ctl_json("workers")["workers"]}, timeout=40)


def upgrades_under_traffic(kind):
    pid, began = show("MainPID"), show("ActiveEnterTimestampMonotonic")
    with traffic(streams=10):
        replaced(kind.upgrade)
    assert (show("MainPID"), show("ActiveEnterTimestampMonotonic")) == (pid, began)
    assert program() == "/usr/sbin/llmgw" and show("NRestarts") == "0"


def runs_on_when_the_upgrade_is_refused(kind):
    pid = show("MainPID")
    CONFIG.write_text(MODELS + "server: {drain: soon}\n")
    assert "runs on" in kind.install("refused").stdout
    assert show("MainPID") == pid and program().endswith("(deleted)") and gw.ask() == 200
    CONFIG.write_text(MODELS)
    replaced(lambda: sh("llmgwctl upgrade"))


def restarts_where_it_must(kind):
    """Another generation of the program: connections wait in the sockets that systemd keeps."""
    pid = show("MainPID")
    with traffic(streams=3, keep=False):
        kind.install("other")
    assert show("MainPID") != pid and program() == "/usr/libexec/llmgw/llmgw-real" and gw.ask() == 200


def removal_stops_it(kind):
    assert len(processes()) >= 2
    kind.remove()
    assert not processes()
    assert not pathlib.Path("/usr/sbin/llmgw").exists()
    assert ENV.exists() and (STATE / "llmgw.db").exists()


def comes_back_as_it_was(kind):
    key = gw.master_key
    kind.install()
    assert gw.master_key == key and CONFIG.read_text() == MODELS and gw.ask() == 200
    assert gw.ctl_json("spend", "logs", "--limit", "10")


def purge_takes_all(kind):
    sh("dpkg -P llmgw")
    sh("systemctl stop mock; dpkg -P llmgw-mock")
    assert not processes()
    left = sh("find /etc /usr /var /run -xdev -name '*llmgw*' -not -path '/run/systemd/*'").stdout
    assert left == "", left
    assert pwd.getpwnam("llmgw").pw_dir == "/var/lib/llmgw"


STORIES = {
    "deb": (Deb, (deb_installs_and_starts, workers_confine_themselves, files_belong, reloads, refuses_a_bad_configuration,
                  group_may_operate, takes_its_key_as_a_credential,
                  upgrades_under_traffic, runs_on_when_the_upgrade_is_refused, restarts_where_it_must,
                  removal_stops_it, comes_back_as_it_was, purge_takes_all)),
    "rpm": (Rpm, (rpm_installs, workers_confine_themselves, files_belong, reloads, group_may_operate, upgrades_under_traffic,
                  removal_stops_it)),
}


def main():
    kind, steps = STORIES[sys.argv[1]]
    for step in steps:
        try:
            step(kind())
            print("STEP", json.dumps([step.__name__, "ok"]), flush=True)
        except Exception:       # noqa: BLE001: whatever it is, the story ends here
            sh("systemctl status llmgw --no-pager; journalctl -u llmgw -n 40 --no-pager -o cat", check=False)
            print("STEP", json.dumps([step.__name__, traceback.format_exc()]), flush=True)
            return


if __name__ == "__main__":
    main()
