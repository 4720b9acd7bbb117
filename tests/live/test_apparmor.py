# SPDX-License-Identifier: MIT
"""The profile of AppArmor, without a kernel that has it (tests/vm has one): its own parser takes it, and whatever file
master and workers reach for, as strace sees it, is in a rule of it.

The folders of a test stand for those of the package; the rest of the system is as it is."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from gateway import BUILD, PATIENCE, Gateway, until
from test_sandbox import SANITIZED

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = {"sbindir": "/usr/sbin", "bindir": "/usr/bin", "libexecdir": "/usr/libexec/llmgw", "datadir": "/usr/share"}


@pytest.fixture(scope="session")
def apparmor(tmp_path_factory):
    """The parser and its folder of abstractions, out of Debian's package without installing that."""
    where = BUILD / "apparmor"
    if not (where / "sbin/apparmor_parser").exists():
        new = tmp_path_factory.mktemp("apparmor")
        how = "apt-get download -q apparmor && dpkg -x apparmor_*.deb ."
        if subprocess.run(how, shell=True, cwd=new, capture_output=True, timeout=120, check=False).returncode:
            pytest.skip("the package apparmor is not to be had")
        shutil.rmtree(where, ignore_errors=True)
        shutil.move(new, where)
    return where


@pytest.fixture
def profile(tmp_path):
    text = (ROOT / "packaging/llmgw.apparmor.in").read_text()
    path = tmp_path / "usr.sbin.llmgw"
    path.write_text(re.sub(r"@(sbindir|bindir|libexecdir|datadir)@", lambda m: FOLDERS[m[1]], text))
    return path


def parse(apparmor, *args):
    return subprocess.run([apparmor / "sbin/apparmor_parser", "--base", apparmor / "etc/apparmor.d",
                           "-I", apparmor / "etc/apparmor.d", *args], capture_output=True, text=True)


def test_the_parser_takes_it(apparmor, profile):
    p = parse(apparmor, "--skip-kernel-load", "--skip-cache", "--warn=all", profile)
    assert p.returncode == 0 and "error" not in p.stderr.lower(), p.stderr
    broken = profile.with_name("broken")
    broken.write_text(profile.read_text().replace("owner /run/llmgw/ rw,", "owner /run/llmgw/ rw"))
    assert parse(apparmor, "--skip-kernel-load", "--skip-cache", broken).returncode


# ---- what it says, as its parser spells it out

RULE = re.compile(r'\s*(?:audit\s+)?(deny\s+)?(?:owner\s+)?"?([/@]\S*?)"?\s+([a-zA-Z]+)\s*(?:->\s*\S+\s*)?,')
GLOB = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}


def regex(glob):
    out = ""
    for part in re.findall(r"\*\*|\[[^\]]*\]|\\.|.", glob):
        out += GLOB.get(part) or (part if part[0] in "[\\" else re.escape(part))
    return re.compile(out)


def rules(text):
    """[(regex, permissions)] with variables filled in, and what is denied left out."""
    values = {}
    for name, how, words in re.findall(r"^\s*@\{(\w+)\}\s*(\+?=)\s*(.*)$", text, re.M):
        values.setdefault(name, [])
        values[name] += [w.strip('"') for w in words.split()]

    def fill(path):
        while m := re.search(r"@\{(\w+)\}(/?)", path):
            given = [v.rstrip("/") if m[2] else v for v in values[m[1]]]
            path = path.replace(m[0], "{" + ",".join(given) + "}" + m[2], 1)
        return path
    found = [m.groups() for m in map(RULE.fullmatch, (line.split(" #")[0].rstrip() for line in text.splitlines())) if m]
    return [(regex(fill(path)), perms) for denied, path, perms in found if not denied and fill(path)]


def allows(all_rules, path, want):
    have = set("".join(perms for pattern, perms in all_rules if pattern.fullmatch(path)))
    return want <= have


# ---- what is done

CALL = re.compile(r"\d+ +(\w+)\((.*)\) += (-1 E\w+|\S+)")      # short lines are padded
CHANGE = {"unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "chmod", "fchmodat",
          "link", "linkat", "symlink", "symlinkat", "truncate"}


class Traced(Gateway):
    def command(self):
        return ["strace", "-f", "-y", "-s", "500", "-o", str(self.tmp / "trace"), "-e",
                "trace=%file,connect,bind,mmap", "-E", "LLMGW_SANDBOX=off", *super().command()]

    def end(self):
        os.kill(self.ctl_json("status")["pid"], signal.SIGTERM)
        self.process.wait(60 * PATIENCE)


def whole_lines(trace):
    """Calls that another process interrupted, put together."""
    begun = {}
    for line in trace.splitlines():
        pid = line.split(None, 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>").rstrip()
        elif m := re.match(r"\d+ +<\.\.\. \w+ resumed>,? ?(.*)", line):
            yield begun.pop(pid, "") + m[1]
        else:
            yield line


def uses(trace):
    """{(path, permissions)} of a trace; relative names by their folder, links where they lead."""
    for line in whole_lines(trace):
        m = CALL.fullmatch(line.rstrip())
        if not m:
            continue
        call, args, result = m.groups()
        paths = re.findall(r'(?:\w+<([^>]*)>, )?"([^"]*)"', args)
        names = [p if p.startswith("/") else f"{folder}/{p}" for folder, p in paths]
        led = re.fullmatch(r"\d+<(/[^>]*)>", result)
        if call in ("open", "openat") and "O_PATH" not in args:
            want = "w" if "O_WRONLY" in args else "rw" if "O_RDWR" in args else "r"
            yield led[1] if led else names[-1], frozenset(want + "w" * ("O_CREAT" in args))
        elif call in CHANGE:
            for name in names:
                yield name, frozenset("w")
        elif call == "execve" and not result.startswith("-1"):
            yield names[0], frozenset("x")
        elif call == "mmap" and "PROT_EXEC" in args and (f := re.search(r"\d+<(/[^>]*)>", args)):
            yield f[1], frozenset("m")
        elif call in ("connect", "bind") and (f := re.search(r'sun_path="(/[^"]*)"', args)):
            yield f[1], frozenset("w")


def in_its_place(gw, path):
    """A path of the test as the package has it; None: not the gateway's own doing."""
    path = os.path.normpath(path)
    for here, there in ((gw.tmp / "state", "/var/lib/llmgw"), (gw.tmp / "run", "/run/llmgw"),
                        (gw.tmp / "llmgw.yaml", "/etc/llmgw/llmgw.yaml"), (BUILD / "llmgw-worker", "/usr/libexec/llmgw/llmgw-worker"),
                        (BUILD / "llmgw", "/usr/sbin/llmgw")):
        if path == str(here) or path.startswith(f"{here}/"):
            rest = path[len(str(here)):]
            return there + (rest or "/" * (there in ("/var/lib/llmgw", "/run/llmgw")))
    return None if path.startswith((str(gw.tmp), str(BUILD), "/memfd:")) or str(gw.tmp).startswith(path) else path


@pytest.mark.skipif(SANITIZED or not shutil.which("strace"), reason="a sanitizer reads more, or strace is not here")
def test_all_that_is_reached_for_is_in_it(apparmor, profile, tmp_path, mock):
    stated = rules(parse(apparmor, "-p", profile).stdout)
    assert len(stated) > 100 and allows(stated, "/etc/llmgw/llmgw.yaml", {"r"})
    assert allows(stated, "/proc/123/attr/apparmor/current", {"r"}) and allows(stated, "/proc/123/attr/current", {"r"})
    assert not allows(stated, "/etc/shadow", {"r"}) and not allows(stated, "/etc/llmgw/llmgw.yaml", {"w"})
    models = [("m", {"model": "openai/plain", "api_base": f"http://localhost:{mock.port}/v1", "api_key": "x"}),
              ("tls", {"model": "openai/plain", "api_base": f"https://localhost:{mock.port}/v1", "api_key": "x"})]
    gw = Traced(tmp_path, models, "router_settings: {num_retries: 0}\n")
    try:
        gw.start(60)
    except TimeoutError:
        pytest.skip("strace may not trace here: " + gw.logs()[-300:])
    try:
        assert gw.ask("m", key=gw.key()).status == 200 and gw.ask("tls").status >= 400
        gw.ctl("reload")
        gw.ctl("spend", "report")
        gw.ctl("doctor", check=False)
        old = set(w["pid"] for w in gw.ctl_json("workers")["workers"])
        gw.ctl("upgrade")
        until(lambda: not old & {w["pid"] for w in gw.ctl_json("workers")["workers"]}, 60 * PATIENCE)
        assert gw.ask("m").status == 200
    finally:
        gw.end()
    used = {(in_its_place(gw, path), want) for path, want in uses((tmp_path / "trace").read_text(errors="replace"))}
    used = {(path, want) for path, want in used if path}
    for path, want in (("/var/lib/llmgw/llmgw.db", "rw"), ("/usr/libexec/llmgw/llmgw-worker", "x"), ("/run/llmgw/control.sock", "w")):
        assert (path, frozenset(want)) in used, (path, want)
    assert not (missing := sorted((path, "".join(sorted(want))) for path, want in used if not allows(stated, path, want))), missing
