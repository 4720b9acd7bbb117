# SPDX-License-Identifier: MIT
"""`llmgwctl doctor` on machines that are broken on purpose: it says what is wrong, and what to do,
and its exit status says how bad it is. It changes nothing."""
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time

import pytest

from gateway import BUILD, Gateway

NAMES = ("kernel.landlock kernel.seccomp kernel.memfd kernel.mutex limits.files limits.backlog memory.free "
         "memory.overcommit memory.swap memory.hugepages clock libraries service.user service.unit config.valid "
         "config.readable config.private state.owner state.space state.filesystem database database.backup journals "
         "listen tls.certificate tls.authorities providers.dns providers.tls").split()
EXIT = {"ok": 0, "fail": 1, "warn": 9}


class Doctor:
    """What it says of a gateway's configuration and state, by the name of the check."""

    def __init__(self, tmp, *args, **kw):
        kw.setdefault("env", {k: v for k, v in os.environ.items() if not k.startswith("LLMGW_")})
        self.process = subprocess.run(
            [BUILD / "llmgwctl", "--json", "doctor", "--config", tmp / "llmgw.yaml", "--state-dir", tmp / "state", *args],
            capture_output=True, text=True, timeout=60, **kw)
        self.json = json.loads(self.process.stdout)
        self.checks = {c["check"]: c for c in self.json["checks"]}
        assert list(self.checks) == NAMES
        worst = {c["result"] for c in self.checks.values()}
        assert self.json["result"] == ("fail" if "fail" in worst else "warn" if "warn" in worst else "ok")
        assert self.process.returncode == EXIT[self.json["result"]]

    def says(self, check, result, *words):
        c = self.checks[check]
        assert c["result"] == result, c
        assert all(w in c["text"] for w in words), c
        assert bool(c["hint"]) or result in ("ok", "skip"), c       # who is told of it is told what to do

    def failures(self):
        return {n for n, c in self.checks.items() if c["result"] == "fail"}


def model(mock, **more):
    return [("m", {"model": "openai/plain", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary", **more})]


@pytest.fixture
def stopped(tmp_path, mock):
    """The state of a gateway that has run and was stopped well."""
    g = Gateway(tmp_path, model(mock), f"server:\n  listen: '127.0.0.1:0'\n").start()
    assert g.ask("m").status == 200
    g.stop()
    g.config.chmod(0o600)
    return g


def snapshot(folder):
    return {str(p): (s.st_mtime_ns, s.st_size, s.st_mode) for p in sorted(folder.rglob("*")) for s in [p.stat()]}


def test_a_good_machine(stopped):
    before = snapshot(stopped.tmp / "state")
    d = Doctor(stopped.tmp)
    assert not d.failures(), d.json
    d.says("config.valid", "ok", "1 deployments")
    d.says("config.private", "ok")
    d.says("database", "ok", "whole")
    d.says("journals", "ok", "0")
    d.says("providers.dns", "ok", "1")
    d.says("providers.tls", "skip", "--online")
    d.says("service.unit", "skip")
    d.says("tls.certificate", "skip")
    assert snapshot(stopped.tmp / "state") == before


def test_while_it_runs(start, mock):
    gw = start([("m", "plain")])
    gw.config.chmod(0o600)
    d = Doctor(gw.tmp, "--online")
    assert not d.failures(), d.json
    d.says("listen", "ok", str(gw.process.pid))
    d.says("providers.tls", "ok", "1")
    d.says("database.backup", "ok")
    gw.ctl("backup", gw.tmp / "copy.db")
    Doctor(gw.tmp).says("database.backup", "ok", "0 days ago")


def test_the_table(stopped):
    p = subprocess.run([BUILD / "llmgwctl", "doctor", "--config", stopped.config, "--state-dir", stopped.tmp / "state"],
                       capture_output=True, text=True, timeout=60)
    lines = p.stdout.splitlines()
    assert lines[0].split()[:2] == ["RESULT", "CHECK"]
    assert [line.split()[1] for line in lines[1:] if not line.startswith(" ")] == NAMES      # sentences go on below
    direct = subprocess.run([BUILD / "llmgw", "--doctor", "--config", stopped.config, "--state-dir", stopped.tmp / "state"],
                            capture_output=True, text=True, timeout=60)
    assert direct.returncode == p.returncode and [c["check"] for c in json.loads(direct.stdout)["checks"]] == NAMES


def test_everybody_can_read_the_keys(stopped):
    stopped.config.chmod(0o644)
    Doctor(stopped.tmp).says("config.private", "fail", "llmgw.yaml")
    text = stopped.config.read_text().replace(stopped.master_key, "os.environ/KEY").replace(
        "sk-upstream-canary", "os.environ/OTHER")
    stopped.config.write_text(text)                  # the same mode, and no secret in it
    env = {**os.environ, "KEY": stopped.master_key, "OTHER": "sk-upstream-canary"}
    Doctor(stopped.tmp, env=env).says("config.private", "ok")


@pytest.mark.parametrize("mode, word", [(0o755, "open to others"), (0o500, "cannot be written")])
def test_a_state_directory_with_a_wrong_mode(stopped, mode, word):
    state = stopped.tmp / "state"
    state.chmod(mode)
    Doctor(stopped.tmp).says("state.owner", "fail", word)
    state.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_elses_files():
    """As a user who owns neither the state directory nor may read the configuration."""
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        tmp.chmod(0o755)
        (tmp / "state").mkdir(0o700)
        (tmp / "llmgw.yaml").write_text("model_list: []\n")
        (tmp / "llmgw.yaml").chmod(0o600)
        try:
            d = Doctor(tmp, user=65534, group=65534, extra_groups=[])
        except PermissionError:
            pytest.skip("the build directory is not for everybody")
        d.says("state.owner", "fail", "belongs to uid 0")
        d.says("config.readable", "fail", "llmgw.yaml", "nobody")
        d.says("config.valid", "fail")


def test_a_port_that_is_taken(stopped):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        stopped.config.write_text(stopped.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        Doctor(stopped.tmp).says("listen", "fail", str(port), "in use")
    Doctor(stopped.tmp).says("listen", "ok", str(port))


def test_an_address_that_is_not_here(stopped):
    stopped.config.write_text(stopped.config.read_text().replace("127.0.0.1:0", "192.0.2.1:4000"))
    Doctor(stopped.tmp).says("listen", "fail", "192.0.2.1:4000")


def test_a_bad_configuration(stopped):
    stopped.config.write_text(stopped.config.read_text() + "router_settings: {num_retries: many}\n")
    line = str(stopped.config.read_text().count("\n"))
    d = Doctor(stopped.tmp)
    d.says("config.valid", "fail", "1 error,", f"line {line}", "many")
    assert d.failures() == {"config.valid"}
    stopped.config.unlink()
    d = Doctor(stopped.tmp)
    d.says("config.valid", "fail", "there is no", "llmgw.yaml")
    d.says("config.readable", "skip")


def test_a_damaged_database(stopped):
    file = stopped.tmp / "state/llmgw.db"
    with open(file, "r+b") as f:
        for page in range(2, file.stat().st_size // 4096):
            f.seek(page * 4096)
            f.write(b"\xff" * 512)
    d = Doctor(stopped.tmp)
    d.says("database", "fail", "damaged")
    file.write_bytes(b"no database at all, but as long as the head of one would be" * 4)
    Doctor(stopped.tmp).says("database", "fail")


def change(gw, *statements):
    with sqlite3.connect(gw.tmp / "state/llmgw.db") as db:
        for s in statements:
            db.execute(*s)
    db.close()


def test_a_database_of_a_newer_release(stopped):
    change(stopped, ("PRAGMA user_version = 999",))
    Doctor(stopped.tmp).says("database", "fail", "999")


def test_no_backup_for_long(stopped):
    month_ago = time.time_ns() - 30 * 86400 * 10**9
    row = ("INSERT INTO audit (number, id, at, changed_by, key_hash, role, address, command, action, table_name, "
           "object_id, hash) VALUES (?, ?, ?, 'x', '', 'x', '', ?, 'x', 'x', 'x', zeroblob(32))")
    change(stopped, (row, (1001, "a", month_ago, "keys create")))
    Doctor(stopped.tmp).says("database.backup", "warn", "never", "30 days")
    change(stopped, (row, (1002, "b", month_ago + 20 * 86400 * 10**9, "backup")))
    Doctor(stopped.tmp).says("database.backup", "warn", "10 days ago")


def test_journals_of_a_killed_gateway(tmp_path, mock):
    gw = Gateway(tmp_path, model(mock)).start()
    pids = gw.children()
    for pid in (gw.process.pid, *pids):
        os.kill(pid, 9)
    gw.kill()
    Doctor(gw.tmp).says("journals", "warn", "2")
    gw.start().stop()
    Doctor(gw.tmp).says("journals", "ok", "0")


def test_a_provider_that_is_nowhere(tmp_path, mock):
    gw = Gateway(tmp_path, [*model(mock), ("n", {"model": "openai/x", "api_base": "http://no-such-host.invalid/v1",
                                                 "api_key": "sk-x"})])
    Doctor(gw.tmp).says("providers.dns", "warn", "1 of 2", "no-such-host.invalid")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))                     # and does not listen
        gw.write([("n", {"model": "openai/x", "api_base": f"https://127.0.0.1:{s.getsockname()[1]}/v1",
                         "api_key": "sk-x"})])
        d = Doctor(gw.tmp, "--online")
    d.says("providers.dns", "ok", "1")
    d.says("providers.tls", "fail", "1 of 1", "127.0.0.1", "connection refused")
    gw.write([("n", {"model": "openai/x", "api_base": mock.base.replace("http://", "https://") + "/v1", "api_key": "sk-x"})])
    Doctor(gw.tmp, "--online").says("providers.tls", "fail", "1 of 1", "does this port speak HTTPS")


def test_no_authorities(stopped):
    d = Doctor(stopped.tmp, env={**os.environ, "SSL_CERT_FILE": "/nonexistent.pem", "SSL_CERT_DIR": "/nonexistent"})
    d.says("tls.authorities", "fail", "/nonexistent.pem")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_small_file_system_in_memory(tmp_path, mock):
    gw = Gateway(tmp_path, model(mock))
    state = tmp_path / "state"
    state.mkdir(0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", state], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        d = Doctor(gw.tmp)
        d.says("state.space", "fail", "MiB")
        d.says("state.filesystem", "warn", "tmpfs")
        assert subprocess.run(["mount", "-o", "remount,ro", state]).returncode == 0
        Doctor(gw.tmp).says("state.space", "fail", "only be read")
    finally:
        subprocess.run(["umount", "--lazy", state], check=True)


def test_without_the_program(tmp_path):
    """llmgwctl alone, on another machine, says so."""
    shutil.copy(BUILD / "llmgwctl", tmp_path)
    p = subprocess.run([tmp_path / "llmgwctl", "doctor"], capture_output=True, text=True, env={"PATH": "/nonexistent"})
    assert p.returncode == 2 and "cannot run llmgw --doctor" in p.stderr
