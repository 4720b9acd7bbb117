# SPDX-License-Identifier: MIT
"""ctables - the project's tables, read from their source text: endpoints, outcomes, metrics, log
events, commands, directives. For generate.py and tables.py."""
import re

from source import PRODUCT, ROOT, bare, closing, files, name, text

_TEXT = r'"((?:[^"\\]|\\.)*)"'


def _read(path):
    return bare(text(ROOT / path), keep_strings=True)


def endpoints():
    """(method, path, flags, dialect, doc), in the table's order."""
    macros = dict(re.findall(r"^#define (\w+)(?:\([^)]*\))? (\(.*)$", code := _read("worker/client/endpoint.c"), re.M))
    row = r'\{\s*"([A-Z*]+)",\s*"(/[^"]*)",\s*(.*?),\s*"([^"]*)"\s*\}'
    for method, path, how, doc in re.findall(row, code, re.S):
        how = macros.get(how.strip().partition("(")[0], "") + " " + how
        dialect = re.search(r"&dialect_(\w+)", how)
        yield method, path, set(re.findall(r"EP_(\w+)", how)), dialect and dialect.group(1), doc


def outcomes():
    """(name, status, old status, type, code, may retry)."""
    row = rf'X\((\w+),\s*(\d+),\s*(\d+),\s*{_TEXT},\s*{_TEXT},\s*(NONE|USE|DOWN)\)'
    for found, status, old, kind, word, blame in re.findall(row, _read("worker/outcome.h")):
        yield found, int(status), int(old), kind, word, blame != "NONE"


def metrics():
    """(name, type, help), in the order in which /metrics shows them; LiteLLM's names last."""
    code = _read("common/metrics.h")
    counters, _, histograms = code.partition("METRIC_HISTOGRAMS(X)")
    for part, kind in ((counters, "counter"), (histograms, "histogram")):
        for found, doc in re.findall(rf'X\(\w+,\s*"(llmgw_\w+)",\s*{_TEXT}\)', part):
            yield found, kind, doc
    for page in ("gateway", "deployments", "litellm", "pairs", "budgets"):
        code = _read(f"worker/admin/metrics_{page}.c")
        for found, kind, doc in re.findall(
                rf'\b(?:page_single|page_family)\([&\w>-]+,\s*"(\w+)",\s*"(\w+)",\s*{_TEXT}', code):
            yield found, kind, doc
        for found, kind, doc in re.findall(rf'\{{\s*"(\w+)",\s*"(counter|gauge|histogram)",\s*{_TEXT}', code):
            yield found, kind, doc


def events():
    """name -> {"levels", "who", "fields": {name: kind}}, sorted by name."""
    found = {}
    for path in files(*PRODUCT, ends=(".c",)):
        whole = text(path)
        code = bare(whole)
        for m in re.finditer(r"\bLOG\(", code):
            call = whole[m.start():closing(code, m.end() - 1)]
            if not (event := re.search(_TEXT, call)):
                continue
            row = found.setdefault(event.group(1), {"levels": set(), "who": set(), "fields": {}})
            row["levels"] |= set(re.findall(r"\bLOG_(ERROR|WARN|INFO|DEBUG)\b", call[:event.start()]))
            row["who"].add("worker" if name(path).startswith("worker/") else "master")
            for kind, field in re.findall(r'\bF_(STR|Z|INT|MONEY)\("(\w+)"', call):
                row["fields"].setdefault(field, kind)
    return dict(sorted(found.items()))


def example_of(row):
    """The last text of a row, which may stand on several lines."""
    last = re.findall(r'(?:"(?:[^"\\]|\\.)*"\s*)+', row)[-1]
    return "".join(re.findall(_TEXT, last)).replace('\\"', '"')


def command_rows():
    """The table of commands, in its order, without rows of builds for tests: {"words", "method", "path", "role", "flags",
    "example", "row": its text}."""
    start = re.compile(rf'^\t\{{ {_TEXT},\s*(NULL|"\w+"),\s*(NULL|"/[^"]*"),\s*ROLE_(\w+),\s*([^,]+),', re.M)
    for part in re.findall(r'#include "(master/commands/\w+\.inc)"', _read("master/commands.c")):
        code = re.sub(r"^#ifdef LLMGW_FAULTS\n.*?^#endif\n", "", _read(part), flags=re.M | re.S)
        for m in start.finditer(code):
            row = code[m.start():closing(bare(code), m.start() + 1, "{}")]
            words, method, path, role, flags = m.groups()
            yield {"words": words, "method": method.strip('"'), "path": None if path == "NULL" else path.strip('"'),
                   "role": role, "flags": set(re.findall(r"CMD_(\w+)", flags)), "row": row,
                   "example": example_of(row)}


def commands():
    """(words, "POST /path" or None, flags); without those of builds for tests."""
    for row in command_rows():
        yield row["words"], row["path"] and f'{row["method"]} {row["path"]}', row["flags"]


def directives():
    """(section, name)."""
    code = re.sub(r"\\\n", "\n", _read("master/config_table.c"))
    for macro, argument, body in re.findall(r"#define (\w+)\((\w+)\)\s*\n(.*?)\n\n", code, re.S):
        for section in re.findall(rf'\b{macro}\("(\w+)"\)', code):
            for below, found in re.findall(
                    rf'\b(?:D|CHOICE|FLAG|FLAG_NOT_YET)\({argument}(?: "([^"]+)")?, "([^"]+)"', body):
                yield section + below, found
            for below, what in re.findall(rf'\bPOLICY_KEYS\({argument} "([^"]+)", "(\w+)"', body):
                for found in re.findall(r'\bPOLICY\(s, "(\w+)" what', code):
                    yield section + below, found + what
    yield from re.findall(r'\b(?:D|CHOICE|FLAG|FLAG_NOT_YET)\("([^"]+)",\s*"([^"]+)"', code)


def providers():
    """Rows of etc/providers.tsv as dictionaries."""
    head, *rows = (ROOT / "etc/providers.tsv").read_text().splitlines()
    for row in rows:
        yield dict(zip(head.split("\t"), row.split("\t")))


def faults():
    """Name -> who and where, as in the table."""
    return dict(re.findall(rf'X\("([\w.]+)",\s*{_TEXT}\)', _read("common/fault.h")))


def faults_used():
    """Names that stand in the program, with the files."""
    for path in files(*PRODUCT, ends=(".c",)):
        for found in re.findall(r'\bFAULT(?:_IN)?\("([\w.]+)"[,)]', bare(text(path), keep_strings=True)):
            yield found, name(path)
