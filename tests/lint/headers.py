#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""headers - each header compiles alone and has a guard; each file says what it is for, and its
folder's README.md names it, and nothing that is not there.

A C file begins with an SPDX line and, right behind it, its name and its purpose. Other sources
have the SPDX line among their first three."""
import concurrent.futures
import fnmatch
import re
import subprocess

from source import PRODUCT, ROOT, Complaints, files, line_of, name, text

ALONE = ["gcc", "-fsyntax-only", "-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-I.",
         "-I/usr/share/include/llhttp", "-include", "/dev/null", "-x", "c"]
OTHERS = (".py", ".sql", ".S", ".sh")
_PURPOSE = re.compile(r"/\* SPDX-License-Identifier: MIT\n \* (?P<name>[\w.]+) - [^\n]{10,}")


def flags():
    command = ["pkg-config", "--cflags", "libuv", "libcurl", "yajl", "openssl", "smartcols", "libfyaml"]
    got = subprocess.run(command, capture_output=True, text=True)
    return got.stdout.split()


def compile_alone(path, extra):
    got = subprocess.run([*ALONE, *extra, name(path)], cwd=ROOT, capture_output=True, text=True)
    return path, got.stderr if got.returncode or got.stderr else ""


def check_guard(path, whole, out):
    m = re.search(r"^#ifndef (\w+)\n#define (\w+)\n", whole, re.M)
    if not m or m.group(1) != m.group(2) or not whole.rstrip().endswith("#endif"):
        out.add(path, 1, "no include guard around the whole header")
        return
    if not m.group(1).endswith(path.stem.upper().replace("-", "_") + "_H"):
        out.add(path, line_of(whole, m.start()), f"the guard {m.group(1)} is not named after the file")


def check_purpose(path, whole, out):
    m = _PURPOSE.match(whole)
    if not m:
        out.add(path, 1, "does not begin with SPDX and 'name - what it is for'")
    elif m.group("name") != path.name:
        out.add(path, 2, f"calls itself {m.group('name')}")


def check_readme(folder, out):
    """Names in backticks in the first cell of a table's row, which may end with *."""
    readme = ROOT / folder / "README.md"
    cells = re.findall(r"^\| ((?:`[^`]+` ?)+)\|", text(readme), re.M)
    patterns = {p for cell in cells for p in re.findall(r"`([^`]+)`", cell)}
    there = {path.name for path in files(folder, ends=(".c", ".h", ".S", ".inc"))}
    for missing in sorted(n for n in there if not any(fnmatch.fnmatch(n, p) for p in patterns)):
        out.add(readme, 1, f"does not name {missing}")
    for extra in sorted(p for p in patterns if not fnmatch.filter(there, p)):
        out.add(readme, 1, f"names {extra}, which is not there")


complaints = Complaints()
headers = list(files(*PRODUCT, "tests", ends=(".h",)))
for source in files(*PRODUCT, "tests", ends=(".c", ".h", ".inc")):
    check_purpose(source, text(source), complaints)
for source in files(*PRODUCT, "tests/lint", "tests/live", "tests/ledger", "tests/packages", "sql", ends=OTHERS):
    if "SPDX-License-Identifier: MIT" not in "".join(text(source).splitlines(True)[:3]):
        complaints.add(source, 1, "no SPDX line")
for source in headers:
    check_guard(source, text(source), complaints)
for place in PRODUCT:
    check_readme(place, complaints)
product = [h for h in headers if name(h).split("/")[0] in PRODUCT]
with concurrent.futures.ThreadPoolExecutor() as pool:
    known = flags()
    for source, error in pool.map(lambda h: compile_alone(h, known), product):
        if error:
            why = next((line for line in error.splitlines() if "error" in line), error.splitlines()[0])
            complaints.add(source, 1, f"does not compile alone: {why}")
complaints.done()
