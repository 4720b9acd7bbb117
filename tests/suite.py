# SPDX-License-Identifier: MIT
"""The steps of tests/run, one after the other; each adds to one sum. A step that cannot be
counted (a build, a manual page) is one test of its own."""
import argparse
import ctypes
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

TOP = pathlib.Path(__file__).resolve().parent.parent
PYTEST = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "180"]
SANITIZE = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "LLMGW_PATIENCE": "4"}
# Most of them wait most of the time, for a provider, a disk or a period: two processors run four.
LIVE = ["-n", "4", "-m", "not timing", "tests/live", "--ignore", "tests/live/test_faults.py"]
PROGRAMS = ["llmgw", "llmgw-worker", "llmgwctl", "llmgw-mock"]
total = {"passed": 0, "failed": 0, "skipped": 0}


def add(name, passed, failed, skipped, began):
    for key, n in zip(total, (passed, failed, skipped)):
        total[key] += n
    print(f"== {name}: {passed} passed, {failed} failed, {skipped} skipped ({time.monotonic() - began:.0f} s)",
          flush=True)


def run(command, env=None, quiet=True, timeout=1800):
    p = subprocess.run([str(c) for c in command], cwd=TOP, env={**os.environ, **(env or {})}, text=True,
                       stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT if quiet else None,
                       timeout=timeout)
    return p.returncode, p.stdout or ""


def step(name, command, env=None):
    """One command is one test."""
    began = time.monotonic()
    code, out = run(command, env)
    if code:
        print(out[-8000:])
    add(name, int(code == 0), int(code != 0), 0, began)
    return code == 0


def build(name, folder, *options, targets=(), env=None):
    if not (TOP / folder / "build.ninja").exists():
        if not step(f"{name}: configure", ["meson", "setup", folder, "-Dwerror=true", *options], env):
            return False
    else:
        run(["meson", "setup", "--reconfigure", folder])
    return step(f"{name}: build", ["ninja", "-C", folder, *targets])


def meson_tests(name, folder, suites, env=None):
    began = time.monotonic()
    args = [a for s in suites for a in ("--suite", s)]
    code, out = run(["meson", "test", "-C", folder, "--print-errorlogs", "--timeout-multiplier", "4", *args], env)
    results = []
    log = TOP / folder / "meson-logs/testlog.json"
    if log.exists():
        results = [json.loads(line)["result"] for line in log.read_text().splitlines()]
    failed = sum(r not in ("OK", "SKIP", "EXPECTEDFAIL") for r in results)
    if code and not failed:
        failed = 1
    if failed:
        print(out[-8000:])
    add(name, results.count("OK"), failed, results.count("SKIP"), began)


def pytest(name, build_dir, *args, env=None):
    began = time.monotonic()
    report = TOP / build_dir / "pytest.xml"
    report.unlink(missing_ok=True)
    code, out = run([*PYTEST, "-n", "2", f"--junitxml={report}", *args],
                    {"LLMGW_BUILD": str(TOP / build_dir), **(env or {})})
    if code not in (0, 5):
        print(out[-12000:])
    if not report.exists():
        add(name, 0, 1, 0, began)
        return
    s = next(xml.parse(report).getroot().iter("testsuite"))
    n, bad, skipped = int(s.get("tests")), int(s.get("failures")) + int(s.get("errors")), int(s.get("skipped"))
    add(name, n - bad - skipped, bad, skipped, began)


def counted(name, command, env=None):
    """A command whose last line is `N passed, N failed[, N skipped]`."""
    began = time.monotonic()
    code, out = run(command, env)
    m = re.search(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", out)
    p, f, s = (int(x or 0) for x in m.groups()) if m else (0, 1, 0)
    if code or f:
        print(out[-8000:])
    add(name, p, f or int(code != 0), s, began)


def enforce():
    """All tests in a sandbox that ends a worker for any call off its list, where the kernel has all of it."""
    landlock = ctypes.CDLL(None).syscall(444, None, 0, 1)        # landlock_create_ruleset: its ABI
    return {"LLMGW_SANDBOX": "enforce"} if landlock > 0 else {}


def unit_score():
    text = (TOP / "packaging/llmgw.service.in").read_text().replace("@sbindir@", "/usr/sbin").replace("@bindir@", "/usr/bin")
    unit = TOP / "build/llmgw.service.check.service"
    unit.write_text(text)
    step("systemd unit scores <= 1.2", ["systemd-analyze", "security", "--offline=true", "--threshold=12", unit])


INSTALLED = ["sbin/llmgw", "bin/llmgwctl", "libexec/llmgw/llmgw-worker", "libexec/llmgw/postinstall", "etc/llmgw/llmgw.yaml",
             "etc/apparmor.d/usr.sbin.llmgw", "share/man/man8/llmgw.8", "share/man/man1/llmgwctl.1", "share/man/man5/llmgw.yaml.5",
             "share/man/man7/llmgw-internals.7", "share/bash-completion/completions/llmgwctl"]
INSTALLED_BESIDE = ["usr/lib/sysusers.d/llmgw.conf", "usr/lib/tmpfiles.d/llmgw.conf"]


def install():
    """meson install lays out a system, and what stands there runs from there. As it is where nobody
    says where; packages, which have their own tests, say /usr and /etc."""
    began = time.monotonic()
    root = TOP / "build-inst"
    local = root / "usr/local"
    shutil.rmtree(root, ignore_errors=True)
    code, out = run(["meson", "install", "--no-rebuild", "-C", "build"], {"DESTDIR": str(root)})
    missing = [f for f in INSTALLED if not (local / f).exists()] + [f for f in INSTALLED_BESIDE if not (root / f).exists()]
    units = list(root.rglob("llmgw.service"))
    check, said = run([local / "sbin/llmgw", "--check", "--config", local / "share/llmgw/llmgw.demo.yaml"],
                      {"LLMGW_MASTER_KEY": "sk-install-check"})
    good = code == 0 and not missing and len(units) == 1 and check == 0
    if not good:
        print(out[-3000:], missing, units, said)
    shutil.rmtree(root, ignore_errors=True)
    add("meson install", int(good), int(not good), 0, began)


def packages_once():
    """For who tries them; where they cannot be built, that is said there."""
    folder = TOP / "build-debs"
    shutil.rmtree(folder, ignore_errors=True)
    return {"LLMGW_DEBS": str(folder)} if run(["packaging/mkdeb", folder])[0] == 0 else {}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--quick", action="store_true")
    quick = p.parse_args().quick
    began = time.monotonic()
    if build("gcc", "build"):
        meson_tests("unit, corpora, crashes, torture", "build", ["unit", "fuzz", "shm", "torture"])
        pytest("live", "build", *LIVE, env=enforce())
        by_the_clock = [p for p in sorted((TOP / "tests/live").glob("test_*.py")) if "mark.timing" in p.read_text()]
        pytest("live, judged by the clock", "build", "-m", "timing", *by_the_clock, env=enforce())
    if build("faults", "build-faults", "-Dc_args=-DLLMGW_FAULTS", targets=PROGRAMS):
        pytest("killed at each place", "build-faults", "tests/live/test_faults.py", env=enforce())
    counted("official SDKs", [sys.executable, "tests/sdk/run"], {"LLMGW_BUILD": str(TOP / "build")})
    counted("lint", ["/usr/bin/python3", "tests/lint/run"])
    counted("mutation, a sample", ["/usr/bin/python3", "tests/mutate/run", "--sample", "40", "--bar", "80"])
    unit_score()
    install()
    if not quick:
        debs = packages_once()
        pytest("packages", "build", "-n", "0", "--timeout", "900", "tests/packages", env=debs)
        counted("a virtual machine: AppArmor, power cuts", ["/usr/bin/python3", "tests/vm/run", "--quick"], debs)
        if build("sanitizers", "build-asan", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                 "-Doptimization=1"):
            meson_tests("unit and corpora under sanitizers", "build-asan", ["unit", "fuzz", "torture"], SANITIZE)
            pytest("live under sanitizers", "build-asan", *LIVE, "--ignore", "tests/live/test_ctl_examples.py", env=SANITIZE)
        build("clang", "build-clang", env={"CC": "clang-14"})
    print(f"== {time.monotonic() - began:.0f} s")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    sys.exit(1 if total["failed"] or not total["passed"] else 0)


if __name__ == "__main__":
    main()
