#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sample - etc/llmgw.yaml shows every directive of our `server:` section, commented out or not, and
names no key that there is not. `--bare` prints it with the comments taken off that hide keys."""
import re
import sys

import ctables
from source import ROOT, Complaints, text

SAMPLE = "etc/llmgw.yaml"
KEY = re.compile(r"(\s*)(- )?([\w*-]+):(?: +(.*))?$")
FREE = {"model_list", "callback_settings"}      # what stands below is named by whoever writes it


def bare(whole):
    """Text in which each line that is a key behind a '#' is one."""
    return "".join(m[1] + m[2] + "\n" if (m := re.fullmatch(r"(\s*)# (\s*(?:- )?[\w*-]+:(?: .*)?)", line)) else line + "\n"
                   for line in whole.splitlines())


def keys(whole):
    """(line, "section.of.it", name) of each key in block form, with the lines' indents as levels."""
    above = []
    for n, line in enumerate(whole.splitlines(), 1):
        m = KEY.fullmatch(re.sub(r"(^|\s)#.*", "", line).rstrip())
        if not m or not m[3]:
            continue
        depth = len(m[1]) + len(m[2] or "")
        above = [(d, k) for d, k in above if d < depth] + [(depth, m[3])]
        yield n, [k for _, k in above[:-1]], m[3]


def main():
    complaints = Complaints()
    directives, found = set(ctables.directives()), set()
    sections = {s for s, _ in directives} | {".".join(s.split(".")[:i]) for s, _ in directives for i in (1, 2)}
    for line, above, key in keys(bare(text(ROOT / SAMPLE))):
        if above[:1] == ["model_list"]:     # rows of their own tables, two levels deep
            named = {n for s, n in directives if s in ("litellm_params", "price", "model_info")}
            named |= {"model_name", "litellm_params", "model_info", "temperature"}     # a parameter: any may stand there
            if key not in named:
                complaints.add(SAMPLE, line, f"there is no key {key} of a model")
            continue
        section = ".".join(above)
        found.add((section, key))
        whole = f"{section}.{key}" if section else key
        if not ({(section, key)} & directives or whole in sections or whole in FREE or section in FREE):
            complaints.add(SAMPLE, line, f"there is no key {whole}")
    for section, key in sorted(d for d in directives if d[0].partition(".")[0] == "server"):
        if (section, key) not in found:
            complaints.add(SAMPLE, 1, f"does not show {section}.{key}")
    complaints.done()


if __name__ == "__main__":
    if sys.argv[1:] == ["--bare"]:
        print(bare(text(ROOT / SAMPLE)), end="")
    else:
        main()
