#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""readme.py - writes the results in the README out of raw results, so that nobody copies figures.

    readme.py results/A.json results/B.json     # takes these from now on
    readme.py                                   # writes it anew from those it names
    readme.py --check                           # exit status 1 when it says anything else

Each file is one run: a usual one, one with --events, one beside other gateways. Of two of a kind the
later counts. Standard library only.
"""
import json
import os
import re
import sys

sys.dont_write_bytecode = True
from figures import BARS, EVENT_ROWS, ROWS, cells, event_records, is_missed, noise_of, peer_rows

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(HERE, "README.md")
PART = re.compile(r"(<!-- made by readme\.py of(?P<files>[^>]*?) -->\n).*?(<!-- until here -->)", re.DOTALL)
COLUMNS = ("direct", "nginx", "llmgw")


def number(value, digits):
    if value is None:
        return ""
    text = f"{value:,.{digits}f}"
    return text[1:] if text.strip("-0.,") == "" and text.startswith("-") else text


def row(*columns):
    return "| " + " | ".join(columns) + " |\n"


def head(*columns):
    return "\n" + row(*columns) + "|" + "---|" * len(columns) + "\n"


def when(run):
    about, noise = run["about"], noise_of(run["raw"])
    until = about.get("until", "")[11:16]
    used = f", other programs using {noise[0]:.0%} of the machine in the median, and up to {noise[1]:.0%}" if noise else ""
    again = f"; measured again after a failure: {len(run['repeated'])}" if run.get("repeated") else ""
    return (f"{about['when'][:10]}, {about['when'][11:16]}{until and ' to ' + until} UTC, "
            f"{about['cpus']} CPUs of an {about['cpu']}, {about['options']['workers']} workers{used}{again}.\n")


def bars_of(raw):
    out = head("bar for llmgw", "measured", "bar", "")
    for text, limit, get in BARS:
        value, side = get(raw), "at least" if limit < 0 else "at most"
        if value is not None:
            out += row(text, number(value, 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2), f"{side} {abs(limit):,g}",
                       "**missed**" if is_missed(value, limit) else "met")
    return out


def table_of(raw, names, rows, rate):
    out = head("", *names)
    for text, digits, get in rows:
        values = [number(get(raw, n), digits) for n in names]
        if any(values):
            out += row(text.format(rate=rate).replace("  ", "&nbsp;&nbsp;"), *values)
    return out


def usual_of(run):
    return ("\n### Beside nginx and nothing\n\nMedians of " + str(run["about"]["options"]["reps"]) + " repetitions, " + when(run)
            + table_of(run["raw"], COLUMNS, ROWS, run["about"]["options"]["rate"]))


def events_of(run):
    records = event_records(run["raw"])
    out = "\n### Under load\n\n" + when(run) + head("", *records)
    for text, digits, get in EVENT_ROWS:
        out += row(text.replace("  ", "&nbsp;&nbsp;"), *(number(get(r), digits) for r in records.values()))
    off = cells(run["raw"], "llmgw", "event-rows")
    return out + (f"\nOf {off[-1]['requests']:,} requests that the mock had, the ledger's rows are off by "
                  f"{abs(off[-1]['off'])}.\n" if off else "")


def peers_of(run):
    peers = run["peers"]
    names = [n for n in peers["doing"] if n not in peers["void"]]
    out = ("\n### Beside other gateways\n\nMedians of " + str(run["about"]["options"]["peer_reps"]) + " repetitions, " + when(run)
           + table_of(run["raw"], names, list(peer_rows()), run["about"]["options"]["low_rate"]) + "\n")
    said = {"": peers["doing"], "void: ": peers["void"], "streams not compared: ": peers["silent"], "skipped: ": peers["skipped"]}
    for kind, reasons in said.items():
        out += "".join(f"* {name}: {kind}{text}\n" for name, text in reasons.items())
    return out


PARTS = [  # which runs have it, how it is written
    (lambda run: cells(run["raw"], "llmgw", "c16"), usual_of),
    (lambda run: event_records(run["raw"]), events_of),
    (lambda run: run.get("peers"), peers_of),
]


def results_of(names):
    """The README's part. The bars are of all runs together."""
    runs = []
    for name in names:
        with open(os.path.join(HERE, name)) as f:
            runs.append(json.load(f))
        if runs[-1]["void"]:
            sys.exit(f"readme.py: {name} is VOID: {runs[-1]['void']}")
    shown = [([run for run in runs if has(run)], write) for has, write in PARTS]
    shown = [(found[-1], write) for found, write in shown if found]
    raw = [r for run in runs if any(run is one for one, _ in shown) for r in run["raw"]]
    return bars_of(raw) + "".join(write(run) for run, write in shown) + "\n"


def main():
    with open(README) as f:
        text = f.read()
    part = PART.search(text)
    names = [os.path.relpath(os.path.abspath(a), HERE) for a in sys.argv[1:] if a != "--check"] or part["files"].split()
    new = (text[:part.start()] + f"<!-- made by readme.py of {' '.join(names)} -->\n" + results_of(names) + part[3] + text[part.end():])
    if "--check" in sys.argv:
        sys.exit("readme.py: the README says something else than its raw results" if new != text else 0)
    with open(README, "w") as f:
        f.write(new)


if __name__ == "__main__":
    main()
