#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tables - what is in a table of the program is in the manual and in the tests, and the manual's
generated parts name nothing else."""
import re
import runpy

import ctables
import generate
from source import ROOT, Complaints, files, line_of, name, text

NO_MEMORY, NO_COMMIT = "only when memory is out", "only when a commit fails"
OUR_FAULT = "only after a fault of our own"
NOT_IN_TESTS = {  # kind and name -> why no test can name it
    "outcome OVERLOADED": "only with thousands of requests at a time", "outcome INTERNAL": OUR_FAULT,
    "event config.undo_failed": NO_COMMIT, "event config.history_failed": NO_COMMIT,
    "event config.master_key_failed": NO_MEMORY, "event key.budget_stale": NO_MEMORY,
    "event key.unpublished": NO_MEMORY, "event ledger.names_ignored": NO_MEMORY, "event probe.ignored": NO_MEMORY,
    "event key.not_in_directory": OUR_FAULT, "event link.damaged": OUR_FAULT, "event tls.refused": OUR_FAULT,
    "event directory.refused": OUR_FAULT, "event worker.orphan_killed": "only when two boards are in use",
    "event link.unknown_frame": "only between two releases", "event upgrade.exec_failed": "only when exec fails",
    "event link.send_failed": "only while a process ends", "event worker.orphan_unknown": "only in containers",
    "event alert.dropped": "only when a hundred messages wait",
    "event control.dropped": "test_control.c does it, without log", "event control.refused": "its mode keeps others out",
    "event audit.unwritten": NO_COMMIT,
    "event ledger.names_unwritten": NO_COMMIT, "event budget.reset_failed": NO_COMMIT,
    "event ledger.file_stays": "only when a file cannot be deleted", "event responses.prune_failed": NO_COMMIT,
    "event answers.prune_failed": NO_COMMIT, "event answer.claim_stays": NO_MEMORY,
    "event spend.prune_failed": NO_COMMIT, "event texts.lost": NO_COMMIT, "event texts.prune_failed": NO_COMMIT,
    "event gates.count_failed": NO_COMMIT,
}
WORD = r"(?<![\w/.-]){}(?![\w/-])"
complaints = Complaints()
tests = "\n".join(text(f) for f in files("tests", ends=None) if not name(f).startswith("tests/lint/"))
pages = {p: text(ROOT / "man" / p) for p in ("llmgw-api.7", "llmgw-events.7", "llmgwctl.1", "llmgw.yaml.5",
                                                 "llmgw-internals.7")}


def check(kind, found, item, page, in_tests):
    if not re.search(rf"^\.It {item}", pages[page], re.M):
        complaints.add(f"man/{page}", 1, f"{kind} '{found}' is not in the manual")
    if f"{kind} {found}" not in NOT_IN_TESTS and not re.search(in_tests, tests):
        complaints.add("tests", 1, f"no test names the {kind} '{found}'")


def between(page, part):
    return pages[page].partition(f'.\\" BEGIN {part}')[2].partition(f'.\\" END {part}')[0]


for (path, part), (items, has_words) in generate.PARTS.items():
    whole = text(ROOT / path)
    _, inside, _ = generate.split(whole, part)
    if inside != generate.render(inside, items):
        complaints.add(path, line_of(whole, whole.index(inside)), f"'{part}' is old: run tests/lint/generate.py")
    for it in (i for i, more in generate.kept_words(inside).items() if has_words and not more.strip()):
        complaints.add(path, line_of(whole, whole.index(it + "\n")), f"say what this is: {it[4:]}")

for method, path, *_ in ctables.endpoints():
    pattern = re.sub(r"\\\{(?:model|id|name)\\\}", r"""[^\\s"'{]+""", re.escape(path))
    pattern = pattern.replace(r"\{path\}", r"""(?:/[^\s"'{]*)?""")
    check("endpoint", path, rf"Ic {re.escape(method)} {re.escape(path)}$", "llmgw-api.7", WORD.format(pattern))
for found, *_ in ctables.outcomes():
    check("outcome", found, rf"Dv {found}$", "llmgw-api.7", rf"(?<![A-Z_])(?:OUTCOME_)?{found}(?![A-Z_])")
for found, *_ in ctables.metrics():
    check("metric", found, rf"Va {found}$", "llmgw-api.7", rf"\b{found}\b")
for found in ctables.events():
    check("event", found, rf"Ic {re.escape(found)}$", "llmgw-events.7", rf"\b{re.escape(found)}\b")

used = dict(ctables.faults_used())
for found, where in ctables.faults().items():
    check("fault point", found, rf"Ic {re.escape(found)}$", "llmgw-internals.7", rf'"{re.escape(found)}"')
    if found not in used or used[found].split("/")[0] not in (where.split(":")[0], "common"):
        complaints.add("common/fault.h", 1, f"no {where.split(':')[0]} comes to the fault point '{found}'")
for found in sorted(set(used) - set(ctables.faults())):
    complaints.add(used[found], 1, f"the fault point '{found}' is not in the table")

commands = [w for w, _, flags in ctables.commands() if "NO_CTL" not in flags]
for found in commands:
    check("command", found, rf"Ic {found}(?: |$)", "llmgwctl.1", rf"\b{'[^a-z]+'.join(found.split())}\b")
listed = re.findall(r"^\.It Ic ([a-z ]+?)(?: (?:Op|Ar|Fl) .*)?$", between("llmgwctl.1", "generated"), re.M)
for found in sorted(set(listed) - set(commands)):
    complaints.add("man/llmgwctl.1", 1, f"there is no command '{found}'")

directives = set(ctables.directives())
for _, found in sorted(directives):
    check("directive", found, f"Ic {found} : ", "llmgw.yaml.5", WORD.format(re.sub("[-_]", "[-_]", found)))
for part in between("llmgw.yaml.5", "directives").split(".Ss ")[1:]:
    for found in re.findall(r"^\.It Ic (\S+) : ", part, re.M):
        if (part.split("\n")[0], found) not in directives:
            complaints.add("man/llmgw.yaml.5", 1, f"there is no directive {part.split(chr(10))[0]}.{found}")

metrics = {n for found, kind, _ in ctables.metrics()
           for n in ([found + end for end in ("_bucket", "_sum", "_count")] if kind == "histogram" else [found])}
metrics.add("litellm_model_name")        # a label
for path in [*files("etc", "tests/prometheus", ends=(".json", ".rules.yaml", ".test.yaml"))]:
    for found in sorted(set(re.findall(r"\b(?:llmgw|litellm)_[a-z]\w*", text(path))) - metrics):
        complaints.add(name(path), line_of(text(path), text(path).index(found)), f"there is no metric '{found}'")

dashboards = runpy.run_path(str(ROOT / "etc/make-dashboards"))["dashboards"]()
for found, made in dashboards.items():
    if text(ROOT / "etc/grafana" / found) != made:
        complaints.add(f"etc/grafana/{found}", 1, "this is old: run etc/make-dashboards")
for found, kind, _ in ctables.metrics():
    if not re.search(rf"\b{found}(?:_bucket|_sum|_count)?\b", "".join(dashboards.values())):
        complaints.add("etc/make-dashboards", 1, f"no dashboard shows the metric '{found}'")

for header in sorted({h for f in files("worker") for h in re.findall(r'"((?:x-)?litellm-[\w-]+|x-rate\w+-\w[\w-]+)', text(f))
                      if not re.search(rf"\b{h}\b", pages["llmgw-api.7"])}):
    complaints.add("man/llmgw-api.7", 1, f"header '{header}' is not in the manual")
complaints.done()
