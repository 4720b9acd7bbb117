#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""readme.py - writes the results into both READMEs out of raw results, so that nobody copies figures.

    readme.py results/A.json results/B.json     # takes these from now on
    readme.py                                   # writes it anew from those it names
    readme.py --check                           # exit status 1 when one says anything else

Each file is one run: a usual one, one with --events, one beside other gateways. Of two of a kind the
later counts. The README at the top has a choice of what stands in the one here. Standard library only.
"""
import json
import os
import re
import sys

sys.dont_write_bytecode = True
from figures import (BARS, EVENT_ROWS, ROWS, added, cells, cpu_per, event_records, events_failed, failing, full, growth, is_missed,
                     latency, memory, noise_of, of_books, peer_rows, worst)

HERE = os.path.dirname(os.path.abspath(__file__))
README, TOP = os.path.join(HERE, "README.md"), os.path.join(HERE, "../../README.md")
PART = re.compile(r"(<!-- made by \S*readme\.py(?: of)?(?P<files>[^>]*?) -->\n).*?(<!-- until here -->)", re.DOTALL)
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


def shown_of(names):
    """Runs, and how each is written."""
    runs = []
    for name in names:
        with open(os.path.join(HERE, name)) as f:
            runs.append(json.load(f))
        if runs[-1]["void"]:
            sys.exit(f"readme.py: {name} is VOID: {runs[-1]['void']}")
    shown = [([run for run in runs if has(run)], write) for has, write in PARTS]
    return [(found[-1], write) for found, write in shown if found]


def raw_of(shown):
    """Of each run once, though it may be written in several parts."""
    runs = {id(run): run for run, _ in shown}
    return [r for run in runs.values() for r in run["raw"]]


def results_of(names):
    """The part of the README here. The bars are of all runs together."""
    shown = shown_of(names)
    return bars_of(raw_of(shown)) + "".join(write(run) for run, write in shown) + "\n"


def us(get, *args):
    return "us", get, args


SHORT = [  # what the README at the top says: unit and figure, one or several; whether times nginx's, too
    ("CPU per request, 16 connections, master and ledger included", [us(cpu_per, "c16", "ok")], True),
    ("CPU per event of a stream, 32 streams", [us(cpu_per, "events", "events")], True),
    ("added latency, one connection, p50; p99", [us(added, "c1", "p50"), us(added, "c1", "p99")], False),
    ("added latency at 1,000 requests/s, p50", [us(added, "open", "p50")], False),
    ("added to the first event of a stream, p50", [us(added, "first", "p50", "first_event_us")], False),
    ("added to the gaps between events, p99: one stream; 32 at once",
     [us(added, "one", "p99", "jitter_us"), us(added, "events", "p99", "jitter_us")], False),
    ("a client leaves: the provider is told after, p50; p99",
     [us(latency, "leave", "p50", "gone_us"), us(latency, "leave", "p99", "gone_us")], False),
    ("failover to another deployment, p50: refused connection; answer 500",
     [us(failing, "fail-refused", "p50"), us(failing, "fail-broken", "p50")], False),
    ("CPU per refused request (wrong key)", [us(cpu_per, "flood", "ok")], False),
    ("memory per open stream, 5,000 of them", [("KiB", memory, ("stream_kib",))], False),
    ("memory per idle connection", [("KiB", memory, ("connection_kib",))], False),
    ("more memory for an answer of 100,000 tokens than of 1,000", [("KiB", growth, ())], False),
    ("idle, all processes (PSS); with 100 models and 1,000 keys",
     [("MiB", memory, ("idle_kib", 1024)), ("MiB", full, (1_000, "idle_kib", 1024))], False),
    ("start to READY with 100 models and 1,000 keys; 100,000 keys",
     [("ms", full, (1_000, "ready_ms")), ("ms", full, (100_000, "ready_ms"))], False),
]
PARTS_SHORT = [  # the same of llmgw alone
    ("50 reloads, 50 rolls of the workers, 50 upgrades under 1,000 requests/s: failed or cut", "", events_failed),
    ("translating a prompt of 100 KB, the dearest pair of formats, CPU", "us", worst("translate", "pairs", "request_us")),
    ("translating an event of a stream, the dearest pair, CPU", "us", worst("translate", "pairs", "event_us")),
    ("choosing among 1,000 deployments of a group, CPU, p99 of the slowest strategy", "us", worst("route", "choices", "p99_us")),
    ("one of a million keys: check, limits, reservation, settlement, CPU, p99", "us", worst("keys", "keys", "p99_us")),
    ("one of a million keys, memory", "bytes", worst("keys", "keys", "bytes")),
    ("booking a request in the ledger, CPU", "us", of_books("record_cpu_us")),
]


def with_unit(value, unit):
    return number(value, 0 if value is None or abs(value) >= 40 or value == int(value) else 1) + (unit and " " + unit)


def short_of(raw):
    out = head("", "nginx `proxy_pass`", "llmgw")
    for text, figures, has_ratio in SHORT:
        found = {peer: [get(raw, peer, *args) for _, get, args in figures] for peer in ("nginx", "llmgw")}
        if None in found["llmgw"]:
            continue
        columns = ["; ".join(with_unit(v, unit) for v, (unit, *_) in zip(values, figures) if v is not None)
                   for values in found.values()]
        if has_ratio and found["nginx"][0]:
            columns[1] += f" ({found['llmgw'][0] / found['nginx'][0]:.1f} x)"
        out += row(text, *columns)
    for text, unit, get in PARTS_SHORT:
        value = get(raw)
        if value is not None:
            out += row(text, "", with_unit(value, unit))
    return out


def top_of(names):
    runs = shown_of(names)
    usual = next(run for run, write in runs if write is usual_of)
    return (f"\nMeasured by `tests/bench/run`, medians of {usual['about']['options']['reps']} repetitions, {when(usual)}"
            + short_of(raw_of(runs)) + "\n")


def rewritten(path, mark, made):
    """What a README is to say, and whether it does."""
    with open(path) as f:
        text = f.read()
    part = PART.search(text)
    new = text[:part.start()] + f"<!-- made by {mark} -->\n" + made + part[3] + text[part.end():]
    return new, new == text


def main():
    with open(README) as f:
        now = PART.search(f.read())["files"].split()
    names = [os.path.relpath(os.path.abspath(a), HERE) for a in sys.argv[1:] if a != "--check"] or now
    for path, mark, made in ((README, f"readme.py of {' '.join(names)}", results_of(names)),
                             (TOP, "tests/bench/readme.py", top_of(names))):
        new, is_so = rewritten(path, mark, made)
        if "--check" not in sys.argv:
            with open(path, "w") as f:
                f.write(new)
        elif not is_so:
            sys.exit(f"readme.py: {os.path.relpath(path)} says something else than the raw results")


if __name__ == "__main__":
    main()
