#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tables - what is in a table of the program is in the manual and in the tests, and the manual's
generated parts name nothing else."""
import re

import ctables
import generate
from source import ROOT, Complaints, files, line_of, name, text

NOT_IN_TESTS = {  # kind -> {name: why no test can name it}
    "outcome": {"ROUTE_DENIED": "kept for keys with a list of paths: nothing gives it yet",
                "INTERNAL": "a fault of our own, which no test can order"},
    "metric": {},
    "event": {
        "config.master_key_failed": "only when memory is out", "key.budget_stale": "only when memory is out",
        "key.unpublished": "only when memory is out", "ledger.names_ignored": "only when memory is out",
        "key.not_in_directory": "only after a fault of our own", "link.damaged": "only after a fault of our own",
        "snapshot.refused": "only after a fault of our own", "link.unknown_frame": "only between two releases",
        "link.send_failed": "only while a process is ending", "upgrade.exec_failed": "only when exec fails",
        "ledger.names_unwritten": "only when a commit fails", "budget.reset_failed": "only when a commit fails",
        "ledger.file_stays": "only when a file cannot be deleted",
    },
}
complaints = Complaints()
tests = "\n".join(text(f) for f in files("tests", ends=None) if not name(f).startswith("tests/lint/"))


def page(path):
    return (ROOT / path).read_text(encoding="utf-8")


def words(pattern):
    return re.compile(rf"(?<![\w/.-]){pattern}(?![\w/-])")


def check(kind, found, in_manual, in_tests, manual):
    if not re.search(in_manual, page(manual), re.M):
        complaints.add(manual, 1, f"{kind} '{found}' is not in the manual")
    if found not in NOT_IN_TESTS.get(kind, {}) and not re.search(in_tests, tests):
        complaints.add("tests", 1, f"no test names the {kind} '{found}'")


for (path, part), (items, has_words) in generate.PARTS.items():
    whole = page(path)
    _, inside, _ = generate.split(whole, part)
    if inside != generate.render(inside, items):
        complaints.add(path, line_of(whole, whole.index(inside)), f"'{part}' is old: run tests/lint/generate.py")
    for it, more in generate.kept_words(inside).items() if has_words else ():
        if not more.strip():
            complaints.add(path, line_of(whole, whole.index(it + "\n")), f"say what this is: {it[4:]}")

for method, path, *_ in ctables.endpoints():
    pattern = re.escape(path).replace(r"\{model\}", r"[^\s\"'{]+")
    check("endpoint", path, rf"^\.It Ic {method} {re.escape(path)}$", words(pattern), "man/llmgw-api.7")
for found, *_ in ctables.outcomes():
    check("outcome", found, rf"^\.It Dv {found}$", rf"(?<![A-Z_])(?:OUTCOME_)?{found}(?![A-Z_])", "man/llmgw-api.7")
for found, *_ in ctables.metrics():
    check("metric", found, rf"^\.It Va {found}$", rf"\b{found}\b", "man/llmgw-api.7")
for found in ctables.events():
    check("event", found, rf"^\.It Ic {re.escape(found)}$", rf"\b{re.escape(found)}\b", "man/llmgw-events.7")

commands = [w for w, _, flags in ctables.commands() if "CMD_NO_CTL" not in flags]
for found in commands:
    check("command", found, rf"^\.It Ic {found}(?: |$)", rf"\b{'[^a-z]+'.join(found.split())}\b", "man/llmgwctl.1")
listed = page("man/llmgwctl.1").partition('.\\" BEGIN generated')[2].partition('.\\" END generated')[0]
for found in re.findall(r"^\.It Ic ([a-z ]+?)(?: (?:Op|Ar|Fl) .*)?$", listed, re.M):
    if found not in commands:
        complaints.add("man/llmgwctl.1", 1, f"there is no command '{found}'")

directives = set(ctables.directives())
for section, found in sorted(directives):
    check("directive", found, rf"^\.It Ic {found} : ", words(re.sub("[-_]", "[-_]", found)), "man/llmgw.yaml.5")
listed = page("man/llmgw.yaml.5").partition('.\\" BEGIN directives')[2].partition('.\\" END directives')[0]
for part in re.split(r"^\.Ss ", listed, flags=re.M)[1:]:
    for found in re.findall(r"^\.It Ic (\S+) : ", part, re.M):
        if (part.split("\n")[0], found) not in directives:
            complaints.add("man/llmgw.yaml.5", 1, f"there is no directive '{part.split(chr(10))[0]}.{found}'")

shown = set(re.findall(r"\b(x-litellm-[\w-]+|litellm-changed-by)\b", "".join(text(f) for f in files("worker"))))
for header in sorted(h for h in shown if not re.search(rf"\b{h}\b", page("man/llmgw-api.7"))):
    complaints.add("man/llmgw-api.7", 1, f"header '{header}' is not in the manual")
complaints.done()
