#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""generate - writes the parts of the manual that come from C tables and from etc/providers.tsv.

An item of a part is its .It line and one line of facts, both from the table, and then whatever
somebody has written about it: that is kept. A new row gets no words of its own; tables.py
complains until it has some. Without arguments all pages are rewritten; tables.py only compares."""
import re

import ctables
from source import ROOT

TYPES = {"STR": "", "Z": "", "INT": " (number)", "MONEY": " (dollars)"}
LEVELS = ("ERROR", "WARN", "INFO", "DEBUG")


def first_up(s):
    return s[:1].upper() + s[1:]


def endpoint_items():
    for method, path, flags, dialect, doc in ctables.endpoints():
        who = "the administrator's key" if "ADMIN" in flags else "any key" if "KEY" in flags else "no key"
        more = [f"dialect {dialect.replace('_', '.')}"] if dialect else []
        more += ["streams"] if "STREAM" in flags else []
        yield f".It Ic {method} {path}", first_up("; ".join([doc, who, *more])) + "."


def outcome_items():
    for found, status, old, kind, code, retry in ctables.outcomes():
        words = [f"{status}" + (f" (formerly {old})" if old != status else "")]
        words += [kind] * (kind != "") + [f"code {code}"] * (code != "") + ["another is tried"] * retry
        yield f".It Dv {found}", "; ".join(words) + "."


def metric_items(prefix="llmgw_"):
    for found, kind, doc in ctables.metrics():
        if found.startswith(prefix):
            yield f".It Va {found}", f"{first_up(doc)}; a {kind}."


def litellm_metric_items():
    return metric_items("litellm_")


def event_items():
    for found, row in ctables.events().items():
        levels = " or ".join(level.lower() for level in LEVELS if level in row["levels"])
        fields = ", ".join(field + TYPES[kind] for field, kind in row["fields"].items())
        yield f".It Ic {found}", f"{first_up(levels)}, {' and '.join(sorted(row['who']))}: {fields}."


KINDS = {  # a kind of etc/providers.tsv -> the path that clients ask for it by
    "chat": "/v1/chat/completions", "completions": "/v1/completions", "embeddings": "/v1/embeddings",
    "rerank": "/v1/rerank", "moderations": "/v1/moderations", "images": "/v1/images/generations",
    "image_edits": "/v1/images/edits", "image_variations": "/v1/images/variations",
    "audio_speech": "/v1/audio/speech", "audio_transcriptions": "/v1/audio/transcriptions",
    "audio_translations": "/v1/audio/translations", "files": "/v1/files", "batches": "/v1/batches",
    "fine_tuning": "/v1/fine_tuning/jobs", "vector_stores": "/v1/vector_stores", "realtime": "/v1/realtime",
}
NATIVE = {"anthropic": {"chat"}, "ollama_generate": {"chat", "completions", "embeddings"}}


def provider_items():
    """Each row, served or not: what it is for, where it is, where its key comes from; or why not."""
    paths = {path for _, path, *_ in ctables.endpoints()}
    for row in ctables.providers():
        family = row["family"].partition("@")[0]
        yield f".It Cm {row['prefix']}", provider_facts(row, [
            kind.replace("_", " ") for kind in row["endpoints"].split(",")
            if KINDS.get(kind) in paths and kind in NATIVE.get(family, {kind})])


def provider_facts(row, kinds):
    first, _, why = row["notes"].partition(";")[0].partition("native adapter not written yet: ")
    name = row["display_name"]
    if row["family"] == "-":
        return f"{name}: not served: {why or first}."
    base = row["default_api_base"].removesuffix("/") or "no base of its own"
    places = {"{location}": " (by vertex_location)", "{region}": " (api_base or region_name must be given)"}
    if "{" in base:
        base += next((how for place, how in places.items() if place in base), " (api_base must be given)")
    key = "key " + row["api_key_env"].replace(",", " or ") if row["api_key_env"] else "no key"
    return f"{name}: {', '.join(kinds) or 'chat'}; {base}; {key}."


PARTS = {  # (page, part) -> items, and whether each must have words of its own
    ("man/llmgw-api.7", "endpoints"): (endpoint_items, False),
    ("man/llmgw-api.7", "outcomes"): (outcome_items, True),
    ("man/llmgw-api.7", "metrics"): (metric_items, False),
    ("man/llmgw-api.7", "metrics of LiteLLM"): (litellm_metric_items, False),
    ("man/llmgw-events.7", "events"): (event_items, True),
    ("man/llmgw-providers.7", "providers"): (provider_items, False),
}


def split(whole, part):
    """The page up to the part's first mark, what stands between the marks, and the rest."""
    m = re.search(rf'\A(.*^\.\\" BEGIN generated {part}\n)(.*)(^\.\\" END generated {part}\n.*)\Z', whole, re.M | re.S)
    if not m:
        raise SystemExit(f"no marks of the generated part '{part}'")
    return m.groups()


def kept_words(inside):
    """.It line -> the lines behind its line of facts."""
    items = re.split(r"^(?=\.It )", re.sub(r"^\.El\n\Z", "", inside, flags=re.M), flags=re.M)[1:]
    return {i.split("\n", 1)[0]: i.split("\n", 2)[2] if i.count("\n") > 1 else "" for i in items}


def render(inside, items):
    kept = kept_words(inside)
    lines = [f"{it}\n{facts}\n{kept.get(it, '')}" for it, facts in items()]
    return ".Bl -tag -width Ds\n" + "".join(lines) + ".El\n"


if __name__ == "__main__":
    for (page, part), (items, _) in PARTS.items():
        before, inside, behind = split((ROOT / page).read_text(), part)
        (ROOT / page).write_text(before + render(inside, items) + behind)
