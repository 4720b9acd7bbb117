# SPDX-License-Identifier: MIT
"""Packages: the same twice, clean, complete; and what they do to a system, from install to purge."""
import re
import subprocess

import inside
import pytest
from conftest import build, the
from machine import TREE

ONCE = {"etc/llmgw/llmgw.yaml": "-rw-r-----", "usr/sbin/llmgw": "-rwxr-xr-x", "usr/bin/llmgwctl": "-rwxr-xr-x",
        "usr/libexec/llmgw/llmgw-worker": "-rwxr-xr-x", "usr/libexec/llmgw/postinstall": "-rwxr-xr-x",
        "usr/lib/sysusers.d/llmgw.conf": "-rw-r--r--", "usr/lib/tmpfiles.d/llmgw.conf": "-rw-r--r--",
        "usr/share/llmgw/llmgw.demo.yaml": "-rw-r--r--", "usr/share/llmgw/providers.tsv": "-rw-r--r--",
        "usr/share/llmgw/prices.tsv": "-rw-r--r--", "usr/share/bash-completion/completions/llmgwctl": "-rw-r--r--",
        "usr/share/llmgw/grafana/llmgw.json": "-rw-r--r--", "usr/share/llmgw/grafana/llmgw-litellm.json": "-rw-r--r--",
        "usr/share/llmgw/prometheus/llmgw.rules.yaml": "-rw-r--r--",
        "usr/share/fish/vendor_completions.d/llmgwctl.fish": "-rw-r--r--"}
PAGES = {f"usr/share/man/man{p.suffix[1:]}/{p.name}" for p in (TREE / "man").iterdir()}
MOCKS = {"usr/bin/llmgw-mock", "usr/share/man/man1/llmgw-mock.1"}


def say(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


def check_files(have, owner):
    """`have`: path -> (mode, owner), of files only."""
    have = {re.sub(r"\.gz$", "", path): row for path, row in have.items()}
    assert {path: have.get(path, ("missing",))[0] for path in ONCE} == ONCE
    assert PAGES - MOCKS <= set(have) and not MOCKS & set(have)
    assert {path: row[1] for path, row in have.items() if row[1] != "root/root"} == owner
    assert not [path for path, row in have.items() if re.match(r"-.{4}w|-.{7}w|.*s", row[0])], "writable or set-id"
    assert sum(path.endswith("systemd/system/llmgw.service") for path in have) == 1


def test_versions_agree():
    def first(pattern, path):
        return re.search(pattern, (TREE / path).read_text(), re.M).group(1)
    version = first(r"^project\('llmgw', 'c', version: '([^']+)'", "meson.build")
    assert first(r"^llmgw \((\S+)\)", "packaging/debian/changelog") == version
    assert first(r"^Version: *(\S+)", "packaging/llmgw.spec") == version
    assert first(r"^\* .* - (\S+)-\d+$", "packaging/llmgw.spec") == version


def test_the_rpm_makes_the_users_of_sysusers():
    spec = (TREE / "packaging/llmgw.spec").read_text()
    assert re.search(r"<<'EOF'.*\n((?:.*\n)*?)EOF\n", spec).group(1) == (TREE / "packaging/llmgw.sysusers").read_text()


def test_the_rpm_asks_for_libraries_as_new_as_the_build_does():
    build, spec = ((TREE / f).read_text() for f in ("meson.build", "packaging/llmgw.spec"))
    wanted = set(re.findall(r"dependency\('(?:lib)?(\w+?)3?', version: '>=([\d.]+)'", build))
    wanted.add(("meson", re.search(r"meson_version: '>=([\d.]+)'", build)[1]))
    asked = set(re.findall(r"^BuildRequires: (?:lib)?(\w+)(?:-devel)? >= ([\d.]+)$", spec, re.M))
    assert asked == wanted and len(asked) >= 6


def test_deb_is_the_same_twice(debs, tmp_path):
    again = build("mkdeb", tmp_path / "again", TMPDIR=str(tmp_path), TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
    assert {n: p.read_bytes() for n, p in again.items()} == {n: p.read_bytes() for n, p in debs.items()}


def test_rpm_is_the_same_twice(rpms, tmp_path):
    again = build("mkrpm", tmp_path / "again", TMPDIR=str(tmp_path), TZ="Asia/Tokyo")
    for name, path in rpms.items():
        assert again[name].read_bytes() == path.read_bytes(), name


def test_lintian_is_content(debs):
    p = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", *debs.values()],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert p.returncode == 0 and p.stdout == "", p.stdout


def test_rpmlint_is_content(rpms):
    p = subprocess.run(["rpmlint", "-r", TREE / "packaging/llmgw.rpmlintrc", TREE / "packaging/llmgw.spec",
                        *rpms.values()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert re.search(r" 0 errors, 0 warnings", p.stdout), p.stdout


def test_what_is_in_the_deb(debs):
    deb = the(debs, "llmgw_")
    rows = [line.split(None, 5) for line in say("dpkg-deb", "-c", deb).splitlines()]
    check_files({r[5].removeprefix("./"): (r[0], r[1]) for r in rows if r[0][0] == "-"}, {})
    assert any(r[5] == "./usr/share/zsh/vendor-completions/_llmgwctl" for r in rows)
    assert say("dpkg-deb", "-I", deb, "conffiles") == "/etc/apparmor.d/usr.sbin.llmgw\n/etc/llmgw/llmgw.yaml\n"
    needs = say("dpkg-deb", "-f", deb, "Depends")
    for library in ("libc6", "libcjose0", "libcurl4", "libfyaml0", "libseccomp2", "libsmartcols1", "libsodium23",
                    "libsqlite3-0", "libssl3", "libuv1", "libyajl2", "systemd-sysusers", "systemd-tmpfiles"):
        assert re.search(rf"\b{library}\b", needs), (library, needs)
    assert {r.split()[5] for r in say("dpkg-deb", "-c", the(debs, "llmgw-mock_")).splitlines()} >= \
        {"./usr/bin/llmgw-mock", "./usr/share/man/man1/llmgw-mock.1.gz"}


def test_what_is_in_the_rpm(rpms):
    rpm = next(p for n, p in rpms.items() if re.match(r"llmgw-\d.*(?<!src)\.rpm$", n))
    rows = [line.split("|") for line in say("rpm", "-qp", "--qf", "[%{FILENAMES}|%{FILEMODES:perms}|"
                                            "%{FILEUSERNAME}/%{FILEGROUPNAME}\n]", rpm).splitlines()]
    have = {path.lstrip("/"): (mode, owner) for path, mode, owner in rows if mode[0] == "-"}
    check_files(have, {"etc/llmgw/llmgw.yaml": "root/llmgw"})
    assert "usr/lib/systemd/system/llmgw.service" in have and "usr/share/zsh/site-functions/_llmgwctl" in have
    assert say("rpm", "-qpc", rpm) == "/etc/llmgw/llmgw.yaml\n"
    scripts = say("rpm", "-qp", "--scripts", rpm)
    assert "%" not in scripts and "postinstall upgrade" in scripts and "disable --now" in scripts


@pytest.mark.parametrize("step", [s.__name__ for s in inside.STORIES["deb"][1]])
def test_life_of_the_deb(lived_deb, step):
    lived_deb.check(step)


@pytest.mark.parametrize("step", [s.__name__ for s in inside.STORIES["rpm"][1]])
def test_life_of_the_rpm(lived_rpm, step):
    lived_rpm.check(step)
