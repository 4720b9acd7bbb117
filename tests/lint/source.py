# SPDX-License-Identifier: MIT
"""source - what the checks here share: the files of the tree, C text without comments and
strings, and a list of complaints that becomes the exit status. Standard library only."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRODUCT = ("common", "master", "worker")
SKIPPED = {".git", ".pytest_cache", "__pycache__", "results"}
_PIECES = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def files(*folders, ends=(".c", ".h")):
    """Paths below ROOT in these folders, sorted; `ends` None: every file."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not SKIPPED & set(path.parts) and (ends is None or path.suffix in ends):
                yield path


def name(path):
    return path.relative_to(ROOT).as_posix()


def text(path):
    return path.read_text(encoding="utf-8", errors="replace")


def line_of(whole, at):
    return whole.count("\n", 0, at) + 1


def bare(whole, keep_strings=False):
    """C text with comments (and strings) blanked out, every byte and line in its place."""
    def blank(m):
        piece = m.group()
        if keep_strings and piece[0] in "\"'":
            return piece
        return re.sub(r"[^\n]", " ", piece)
    return _PIECES.sub(blank, whole)


def closing(whole, at, pair="()"):
    """Where the bracket opened at `at` ends, behind it; strings must have been blanked."""
    depth = 0
    for i in range(at, len(whole)):
        depth += (whole[i] == pair[0]) - (whole[i] == pair[1])
        if depth == 0:
            return i + 1
    return len(whole)


class Complaints:
    def __init__(self):
        self.n = 0

    def add(self, path, line, message):
        self.n += 1
        print(f"{path if isinstance(path, str) else name(path)}:{line}: {message}")

    def done(self):
        sys.exit(1 if self.n else 0)
