# SPDX-License-Identifier: MIT
"""static - cppcheck over the product: nothing but what is known here, with its reason.

Without cppcheck, or with another one than Debian's, of which nobody has looked at what it says,
nothing is judged. clang-tidy and gcc -fanalyzer take minutes, and are run by hand: `deep`."""
import re
import shutil
import subprocess
import sys

from source import PRODUCT, ROOT, Complaints, name

VERSION = "Cppcheck 2.10"
KNOWN = {  # (file, id): why it is none
    ("common/json.c", "ctuuninitvar"): "yajl is given it, and does not read it",
    ("common/fdpass.c", "ctunullpointer"): "without descriptors it is not called",
    ("master/embed.c", "comparePointers"): "symbols of one section",
    ("worker/admin/docs.c", "comparePointers"): "symbols of one section",
    ("master/store_audit.c", "ctunullpointer"): "a trigger gives a row before, or one after",
    ("master/store_audit.c", "nullPointerRedundantCheck"): "likewise",
    ("master/ledger_fold.c", "uninitvar"): "the comparison reads the id alone",
    ("worker/client/http_out.c", "ctuPointerArith"): "it writes from the end of the room backwards",
    ("worker/client/dialect_openai.c", "nullPointerRedundantCheck"): "is_own is false without e",
    ("worker/client/dialect_responses.c", "nullPointerRedundantCheck"): "is_own is false without e",
    ("worker/cached.c", "uninitvar"): "its caller has filled as many as it says",
    ("worker/exchange/provider_bedrock_messages.c", "uninitvar"): "n says how much of it is there",
}
OPTIONS = ["--std=c11", "--language=c", f"-I{ROOT}", "-D_GNU_SOURCE", '-DLLMGW_VERSION="x"', '-DLLMGW_LIBEXECDIR="x"',
           "--enable=warning,portability,performance", "--suppress=missingIncludeSystem", "--quiet",
           "--template={file}:{line}:{id}:{message}"]


def run():
    """In halves, side by side: with -j cppcheck leaves out what it sees of the whole program."""
    halves = (("common", "master"), ("common", "worker"))
    runs = [subprocess.Popen(["cppcheck", *OPTIONS, *half], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            for half in halves]
    return {line for p in runs for line in p.communicate()[1].splitlines()}


def main():
    assert set(PRODUCT) == {"common", "master", "worker"}
    if not shutil.which("cppcheck") or VERSION not in subprocess.run(["cppcheck", "--version"], capture_output=True, text=True).stdout:
        print(f"{name(ROOT / 'tests/lint/static.py')}: not judged without {VERSION}")
        sys.exit(0)
    complaints, seen = Complaints(), set()
    for line in sorted(run()):
        m = re.fullmatch(r"([^:]+):(\d+):(\w+):(.*)", line)
        if not m:
            continue
        seen.add((m.group(1), m.group(3)))
        if (m.group(1), m.group(3)) not in KNOWN:
            complaints.add(m.group(1), int(m.group(2)), f"{m.group(4)} ({m.group(3)})")
    for where, what in sorted(set(KNOWN) - seen):
        complaints.add(where, 1, f"{what} is no longer complained of: take it out of KNOWN")
    complaints.done()


main()
