#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""size - the ten longest files and functions, and the ten most entangled ones where pmccabe is
there. A mirror, not a gate: it never fails."""
import re
import shutil
import subprocess

from source import PRODUCT, ROOT, bare, closing, files, line_of, name, text

SHOWN = 10


def functions(path):
    """(lines, where, name) of each function: a name, (...), and a brace at the line's start."""
    code = bare(text(path))
    for m in re.finditer(r"^(?![\s#}])[^;{}=]*?\b(\w+)\([^;{}]*\)\s*\n\{", code, re.M):
        at = m.end() - 1
        first = line_of(code, code.rindex(m.group(1), m.start(), at))
        yield line_of(code, closing(code, at, "{}")) - first + 1, f"{name(path)}:{first}", m.group(1)


def show(title, rows):
    print(title)
    for row in rows:
        print("  " + "  ".join(str(cell).rjust(5) if i == 0 else str(cell) for i, cell in enumerate(row)))


sources = [path for path in files(*PRODUCT) if path.suffix == ".c"]
longest = sorted(((text(p).count("\n"), name(p)) for p in sources), reverse=True)
every = sorted((f for p in sources for f in functions(p)), reverse=True)
show("longest files (about 200 lines, rarely 600):", longest[:SHOWN])
show("longest functions (about 15 lines, rarely 80):", every[:SHOWN])
if every:
    lengths = sorted(n for n, _, _ in every)
    print(f"  {len(sources)} files, median {sorted(n for n, _ in longest)[len(longest) // 2]} lines; "
          f"{len(every)} functions, median {lengths[len(lengths) // 2]}, "
          f"90th percentile {lengths[len(lengths) * 9 // 10]}")
if shutil.which("pmccabe"):
    out = subprocess.run(["pmccabe", *map(name, sources)], cwd=ROOT, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    worst = sorted(((int(r[0]), r[5].replace("(", ":").split(")")[0]) for r in rows if len(r) > 5), reverse=True)
    show("most ways through (McCabe):", worst[:SHOWN])
