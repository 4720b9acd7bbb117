#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""manual - the pages are clean mdoc, what they refer to is there, and each is referred to."""
import re
import shutil
import subprocess

from source import ROOT, Complaints, files, line_of, name, text

ELSEWHERE = {"curl 1", "systemctl 1", "memfd_create 2", "sd_notify 3"}     # pages of other projects
TO_COME = set()                                                           # written by and by

complaints = Complaints()
pages = {f"{p.stem} {p.suffix[1:]}": p for p in files("man", ends=(".1", ".5", ".7", ".8"))}
referred = set()
for page, path in pages.items():
    whole = text(path)
    for m in re.finditer(r"^\.Xr (\S+ \d)", whole, re.M):
        referred.add(m.group(1))
        if m.group(1) not in {*pages, *ELSEWHERE, *TO_COME}:
            complaints.add(path, line_of(whole, m.start()), f"there is no page {m.group(1)}")
    if not re.search(rf'^\.Dt {page.upper()}$', whole, re.M):
        complaints.add(path, 1, f"does not say .Dt {page.upper()}")
    for m in re.finditer(r"^\.(?:It )?Pa ((?:common|worker|master|sql|etc|tests|packaging)/[\w./*-]*)", whole, re.M):
        if not list(ROOT.glob(m.group(1).rstrip("/"))):
            complaints.add(path, line_of(whole, m.start()), f"there is no {m.group(1)}")
for page in sorted(set(pages) - referred):
    complaints.add(pages[page], 1, "no other page refers to this one")
for page in sorted(TO_COME & set(pages)):
    complaints.add("tests/lint/manual.py", 1, f"{page} is there: take it out of TO_COME")
if shutil.which("mandoc"):
    for path in pages.values():
        got = subprocess.run(["mandoc", "-Tlint", "-Wwarning", name(path)], cwd=ROOT, capture_output=True, text=True)
        for line in filter(None, (got.stdout + got.stderr).splitlines()):
            complaints.add(path, 1, line.removeprefix("mandoc: "))
complaints.done()
