# SPDX-License-Identifier: MIT
"""Packages, built once for all tests here, and booted systems that have lived with them."""
import functools
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from machine import TREE, Impossible, Machine, run


@pytest.fixture(scope="session")
def tools():
    for what in ("--deb", "--rpm", "--try-packages"):
        got = run(TREE / "packaging/deps", what)
        if got.returncode:
            pytest.skip(f"packaging/deps {what}: {got.stdout[-500:]}")


def build(program, out, **env):
    got = run(TREE / "packaging" / program, out, env={**os.environ, **env})
    assert got.returncode == 0, got.stdout[-6000:]
    return {p.name: p for p in out.iterdir()}


@pytest.fixture(scope="session")
def debs(tools, tmp_path_factory):
    if given := os.environ.get("LLMGW_DEBS"):
        return {p.name: p for p in pathlib.Path(given).iterdir()}
    return build("mkdeb", tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="session")
def rpms(tools, tmp_path_factory):
    return build("mkrpm", tmp_path_factory.mktemp("rpm"))


def the(packages, start, end=""):
    """The one of these packages whose name begins and ends so."""
    found = [p for n, p in packages.items() if n.startswith(start) and n.endswith(end)]
    assert len(found) == 1, (start, end, sorted(packages))
    return found[0]


def repack(deb, out, version, change=lambda tree: None):
    """The same package under another version, with what `change` makes of its files."""
    tree = out.with_suffix(".tree")
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    lines = [f"Version: {version}" if line.startswith("Version:") else line for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    change(tree)
    subprocess.run(["dpkg-deb", "-b", "--root-owner-group", tree, out], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)


def refuse_upgrades(tree):
    """A program of another generation: the configuration is good, but it takes nobody's place."""
    real = tree / "usr/libexec/llmgw/llmgw-real"
    (tree / "usr/sbin/llmgw").rename(real)
    stub = tree / "usr/sbin/llmgw"
    stub.write_text('#!/bin/sh\n[ -z "$LLMGW_UPGRADE_CHECK" ] || exit 1\n'
                    'exec /usr/libexec/llmgw/llmgw-real "$@"\n')
    stub.chmod(0o755)


class Lived:
    """What became of each step of a story in inside.py."""

    def __init__(self, said):
        self.said, self.steps = said, {}
        for line in said.splitlines():
            if line.startswith("STEP "):
                name, outcome = json.loads(line[5:])
                self.steps[name] = outcome

    def check(self, step):
        assert self.steps.get(step) == "ok", f"{step}: {self.steps.get(step, 'not reached')}\n{self.said[-6000:]}"


def live(tmp, kind, give):
    machine = Machine(tmp)
    try:
        machine.lay()
        give(machine.given)
        return Lived(machine.boot(kind))
    except Impossible as e:
        pytest.skip(str(e))
    finally:
        machine.remove()


def give_debs(debs, given):
    deb = the(debs, "llmgw_")
    shutil.copy(deb, given / "llmgw.deb")
    shutil.copy(the(debs, "llmgw-mock_"), given / "llmgw-mock.deb")
    repack(deb, given / "next.deb", "99.1")
    repack(deb, given / "refused.deb", "99.2")
    repack(deb, given / "other.deb", "99.3", refuse_upgrades)


def give_rpms(rpms, given):
    shutil.copy(the(rpms, "llmgw-0", ".x86_64.rpm") if pathlib.Path("/lib64").exists() else the(rpms, "llmgw-0"),
                given / "llmgw.rpm")
    shutil.copy(next(p for n, p in rpms.items() if n.startswith("llmgw-mock-")), given / "llmgw-mock.rpm")


@pytest.fixture(scope="session")
def lived_deb(debs, tmp_path_factory):
    return live(tmp_path_factory.mktemp("boot"), "deb", functools.partial(give_debs, debs))


@pytest.fixture(scope="session")
def lived_rpm(rpms, tmp_path_factory):
    return live(tmp_path_factory.mktemp("boot"), "rpm", functools.partial(give_rpms, rpms))
