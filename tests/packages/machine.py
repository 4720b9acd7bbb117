# SPDX-License-Identifier: MIT
"""A Debian system in a folder, and booting copies of it with systemd-nspawn.

It is made once with debootstrap, from where this system has its packages, and kept for later runs
in ~/.cache/llmgw-tests. What a test needs inside it finds under /tree (read-only) and /given."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

TREE = pathlib.Path(__file__).resolve().parents[2]
INSIDE = ("systemd", "systemd-sysv", "dbus", "procps", "python3", "rpm", "ca-certificates", "libuv1", "libcurl4",
          "libseccomp2", "libsqlite3-0", "libsodium23", "libyajl2", "libfyaml0", "libsmartcols1", "libssl3", "libcjose0")
SERVICE = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'exec /usr/bin/python3 /tree/tests/packages/inside.py %s >/given/said 2>&1'
ExecStopPost=systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
"""


class Impossible(Exception):
    """This system cannot do it; the text says why."""


def run(*command, timeout=600, **kw):
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL, **kw)


def release():
    text = pathlib.Path("/etc/os-release").read_text()
    return dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.M))


def where_packages_are():
    got = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    code = release().get("VERSION_CODENAME", "?")
    for line in got.stdout.splitlines():
        uri, *rest = line.split()
        if rest == [code, "main"]:
            return code, uri
    raise Impossible(f"apt knows no source of {code}/main")


@contextlib.contextmanager
def one_at_a_time(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def base():
    """The folder of the system that others are copied from."""
    if release().get("ID") != "debian" or os.geteuid() != 0:
        raise Impossible("a root to install into is made on Debian, and by root")
    code, uri = where_packages_are()
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "llmgw-tests"
    root = cache / f"{code}-{hashlib.sha256(' '.join(INSIDE).encode()).hexdigest()[:12]}"
    with one_at_a_time(cache):
        if root.exists():
            return root
        new = cache / "new"
        shutil.rmtree(new, ignore_errors=True)
        got = run("debootstrap", "--variant=minbase", f"--include={','.join(INSIDE)}", code, new, uri)
        if got.returncode:
            raise Impossible("debootstrap failed: " + got.stdout[-1500:])
        new.rename(root)
    return root


class Machine:
    """A copy of the base that runs inside.py with `words` and ends with it."""

    def __init__(self, tmp):
        self.root, self.given = tmp / "root", tmp / "given"

    def lay(self):
        self.given.mkdir()
        got = run("cp", "-a", "--reflink=auto", base(), self.root)
        if got.returncode:
            raise Impossible(got.stdout)

    def boot(self, words, timeout=240):
        units = self.root / "etc/systemd/system"
        (units / "story.service").write_text(SERVICE % words)
        (units / "multi-user.target.wants").mkdir(exist_ok=True)
        (units / "multi-user.target.wants/story.service").symlink_to("../story.service")
        got = run("systemd-nspawn", "-q", "-D", self.root, f"--machine=llmgw-{os.getpid()}", "--private-network",
                  "--register=no", "--keep-unit", "--boot", f"--bind-ro={TREE}:/tree", f"--bind={self.given}:/given",
                  timeout=timeout)
        said = self.given / "said"
        if not said.exists():
            raise Impossible("systemd-nspawn boots no system here: " + got.stdout[-1500:])
        return said.read_text(errors="replace")

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)
