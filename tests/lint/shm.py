#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""shm - what stands in shared memory or in a file holds no pointer, and nothing whose size is
the compiler's choice: another process reads it, perhaps of another release."""
import re

from source import ROOT, Complaints, bare, closing, line_of, text

# file -> structs that are NOT in shared memory, with the reason
SHARED = {
    "common/board.h": {"board": "a mapping: pointers of this process"},
    "common/metrics.h": {},
    "common/snapshot.h": {},
    "common/price.h": {"usage": "a value of one process"},
    "common/journal.h": {},
    "common/journal.c": {"journal": "an open file: this process's own"},
    "common/directory.c": {"freed": "the master's own", "queue": "the master's own", "writer": "the master's own",
                           "dir": "a mapping", "table": "where a table is in this process"},
    "master/upgrade.h": {},
    "master/supervise.h": {},
}
MEMBER_OF_ANY_SIZE = r"\b(long|size_t|ssize_t|off_t|time_t|uintptr_t|intptr_t|va_list|struct str|struct buf)\b"
# The mutex is the C library's; both sides are always of one image and one machine.
ALLOWED = {("board_shard", "pthread_mutex_t mutex")}


def check(path, outside, out):
    code = re.sub(r"^[ \t]*(#.*|[A-Z_]+\(X\))$", lambda m: " " * len(m.group()), bare(text(path)), flags=re.M)
    found = set()
    for m in re.finditer(r"\bstruct (\w+) \{", code):
        found.add(m.group(1))
        if m.group(1) in outside:
            continue
        body = code[m.end():closing(code, m.end() - 1, "{}") - 1]
        at = m.end()
        for member in re.split(r"(?<=;)", body):
            start = at + len(member) - len(member.lstrip())
            at += len(member)
            plain = " ".join(member.strip().rstrip(";").split())
            if any(struct == m.group(1) and plain.endswith(end) for struct, end in ALLOWED):
                continue
            if "*" in plain or re.search(MEMBER_OF_ANY_SIZE, plain) or "(" in plain.replace("_Alignas(", ""):
                out.add(path, line_of(code, start), f"struct {m.group(1)}: '{plain}' may not stand in shared memory")
    for struct in sorted(set(outside) - found):
        out.add("tests/lint/shm.py", 1, f"{path.name} has no struct {struct} any more")


complaints = Complaints()
for file, outside in SHARED.items():
    check(ROOT / file, outside, complaints)
complaints.done()
