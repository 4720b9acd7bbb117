#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""text - what no file of the tree may hold: words of somebody's workplace, trailing blanks,
lines of C above 100 columns, conflict marks, files without a last line end.

A row of a table and a long message may be wide: broken up, they are harder to read and to find."""
import re

from source import PRODUCT, ROOT, Complaints, files, name, text

COLUMNS = 100
TOP = ("meson.build", "README.md", ".clang-format", ".gitignore", ".gitattributes")    # and nothing else but dot files
FOLDERS = ("common", "worker", "master", "etc", "sql", "packaging", "man", "tests", ".ci")
WORDS = {  # pieces are joined here so that this file does not complain about itself
    r"(?<![\w.])/wo" r"rk/": "a path of one machine",
    r"/tm" r"p/h\d|\bh\d+bu" r"ild\b": "a path of one machine",
    r"/ro" r"ot/|/ho" r"me/(?!me/)[a-z]\w*/": "a path of one machine",
    r"\bhelp" r"er session|\bsub-?ag" r"ent|\bthe bri" r"ef\b|\b(?:my|this|another) sess" r"ion\b": "how it was made",
    r"\b(?:clau" r"de co" r"de|co-author" r"ed-by)\b": "how it was made",
    r"\b(?:pypi|npm\w*|registry|mirror|proxy)\.[\w.-]+\.(?:inter" r"nal|corp|lan)\b": "a private host",
    r"\bdock" r"er\.io|\bghc" r"r\.io|\bquay\.i" r"o|\bartifact" r"ory|\bnex" r"us\.": "a registry's host",
    r"\b(?:lite" r"llm|provid" r"ers|operat" r"ions|reliab" r"ility|AR" r"CHITECTURE|ST" r"YLE)\.md\b": "a text that is not here",
    r"^(?:<{7}|>{7}|={7})(?: |$)": "a conflict mark",
}
RAW = ("tests/vectors/", "tests/fuzz/corpus/")     # inputs on purpose: bytes of any kind
DATA = ("etc/providers.tsv", "etc/prices.tsv")     # an empty last column is a trailing tab
_WORDS = re.compile("|".join(f"(?P<w{i}>{word})" for i, word in enumerate(WORDS)), re.I)
_ROW = re.compile(r"\s*(?:\{ |[A-Z]+\(|\[\w+\] = )|.*\"[^\"]{30,}")


def check_columns(path, lines, out):
    wide = [(len(line.expandtabs(8)), number) for number, line in enumerate(lines, 1)
            if len(line.expandtabs(8)) > COLUMNS and not _ROW.match(line)]
    for width, number in wide:
        out.add(path, number, f"{width} columns")


def check(path, out):
    where = name(path)
    if where.startswith(RAW):
        return
    whole = text(path)
    if "\0" in whole:
        out.add(path, 1, "not a text")
        return
    lines = whole.splitlines()
    for number, line in enumerate(lines, 1):
        m = _WORDS.search(line)
        if m:
            out.add(path, number, f"{list(WORDS.values())[int(m.lastgroup[1:])]}: {m.group()}")
        if where not in DATA and line != line.rstrip():
            out.add(path, number, "trailing blank")
    if path.suffix in (".c", ".h") and where.split("/")[0] in PRODUCT:
        check_columns(path, lines, out)
    if whole and not whole.endswith("\n"):
        out.add(path, len(lines), "no line end at the end")


complaints = Complaints()
for entry in sorted(ROOT.iterdir()):
    if entry.name[0] != "." and entry.name not in (*TOP, *FOLDERS) and not entry.name.startswith("build"):
        complaints.add(entry.name, 1, "has no place at the top of the tree")
for source in [*files(*(f for f in FOLDERS if (ROOT / f).is_dir()), ends=None),
               *(ROOT / t for t in TOP if (ROOT / t).is_file())]:
    check(source, complaints)
complaints.done()
