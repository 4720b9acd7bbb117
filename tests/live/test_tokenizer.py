# SPDX-License-Identifier: MIT
"""Encodings of OpenAI's models: installed by llmgwctl, kept over restarts, counted with by every worker, for
what it estimates and for what it reserves; without one, or for other models, tokens are estimated."""
import base64
import json
import time

import pytest

from gateway import until

WORDS = [b" a", b" b", b" c", b"user", b"hel", b"lo", b"hello"]


def ranks(words=WORDS):
    tokens = [bytes([i]) for i in range(256)] + words
    return b"".join(base64.b64encode(t) + b" %d\n" % i for i, t in enumerate(tokens))


@pytest.fixture
def gw(start, mock):
    up = {"api_base": mock.base + "/v1", "api_key": "sk-up"}
    return start([("new", {"model": "openai/gpt-4o", **up}), ("old", {"model": "openai/gpt-4", **up}),
                  ("named", {"model": "azure/my-deployment", **up, "api_version": "2024-06-01"}),
                  ("embed", {"model": "openai/text-embedding-3-small", **up}), ("*", {"model": "openai/*", **up}),
                  ("other", {"model": "openai/house-model", **up})], workers=2)


def install(gw, encoding="o200k_base", words=WORDS, check=True):
    path = gw.tmp / "ranks.tiktoken"
    path.write_bytes(ranks(words))
    return gw.ctl("--json", "tokenizer", "import", str(path), "--encoding", encoding, check=check)


def count(gw, model, text="hello a b c", **body):
    a = gw.post("/utils/token_counter", {"model": model, "messages": [{"role": "user", "content": text}], **body})
    assert a.status == 200, a
    return a.json["total_tokens"], a.json["tokenizer_type"]


EXACT = 3 + 1 + 4 + 3               # around the message, its role, hello a b c, and what begins the answer


def everywhere(gw, what, n=12):
    """So many calls in a row, on connections of their own: both workers have the same."""
    return all(what() for _ in range(n))


def test_an_encoding_counts_exactly(gw):
    assert count(gw, "new")[1] == "estimate"
    got = json.loads(install(gw).stdout)
    assert got == {"encoding": "o200k_base", "installed": True, "tokens": 256 + len(WORDS), "bytes": got["bytes"]}
    until(lambda: everywhere(gw, lambda: count(gw, "new") == (EXACT, "openai_tokenizer")))
    assert count(gw, "old")[1] == "estimate" and count(gw, "other")[1] == "estimate"
    assert count(gw, "gpt-4.1-mini") == (EXACT, "openai_tokenizer")       # of the wildcard, by its name
    assert count(gw, "new", "xyz")[0] == EXACT - 4 + 3
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert count(gw, "new", tools=tools)[1] == "estimate"                # how those are told is not known
    assert gw.wait_log("tokenizer.changed", encoding="o200k_base")
    gw.stop()
    gw.start()
    until(lambda: everywhere(gw, lambda: count(gw, "new") == (EXACT, "openai_tokenizer")))
    rows = {r["encoding"]: r["installed"] for r in gw.ctl_json("tokenizer", "list")}
    assert rows == {"cl100k_base": False, "o200k_base": True}


def test_it_is_replaced_and_removed(gw):
    install(gw)
    install(gw, words=WORDS[:3])                                         # hello is five bytes now, and user four
    until(lambda: everywhere(gw, lambda: count(gw, "new")[0] == EXACT + 4))
    install(gw, "cl100k_base")
    until(lambda: everywhere(gw, lambda: count(gw, "old") == (EXACT, "openai_tokenizer")))
    gw.ctl("tokenizer", "remove", "o200k_base", "--yes")
    until(lambda: everywhere(gw, lambda: count(gw, "new")[1] == "estimate"))
    assert count(gw, "old")[1] == "openai_tokenizer"
    p = gw.ctl("tokenizer", "remove", "o200k_base", "--yes", check=False)
    assert p.returncode == 5
    assert [p.name for p in (gw.tmp / "state").glob("tokenizer.*")] == ["tokenizer.cl100k_base"]


def test_a_worker_that_is_new_has_it(gw):
    install(gw)
    gw.ctl("workers", "restart")
    until(lambda: everywhere(gw, lambda: count(gw, "new") == (EXACT, "openai_tokenizer")))


def test_what_is_wrong_with_a_file_is_told(gw):
    path = gw.tmp / "bad"
    path.write_bytes(ranks() + b"not base64 at all\n")
    p = gw.ctl("tokenizer", "import", str(path), "--encoding", "o200k_base", check=False)
    assert p.returncode == 1 and f"line {257 + len(WORDS)}" in p.stderr
    path.write_bytes(ranks())
    p = gw.ctl("tokenizer", "import", str(path), "--encoding", "p50k_base", check=False)
    assert p.returncode == 1 and "cl100k_base or o200k_base" in p.stderr
    path.write_bytes(b"\xff\xfe")
    assert gw.ctl("tokenizer", "import", str(path), "--encoding", "o200k_base", check=False).returncode == 1
    assert not any(r["installed"] for r in gw.ctl_json("tokenizer", "list"))
    assert list((gw.tmp / "state").glob("tokenizer.*")) == []


def test_a_damaged_file_is_left_out(gw):
    install(gw)
    gw.stop()
    path = gw.tmp / "state" / "tokenizer.o200k_base"
    path.write_bytes(path.read_bytes()[:-1])
    gw.start()
    assert gw.wait_log("tokenizer.refused", encoding="o200k_base")
    assert count(gw, "new")[1] == "estimate"


def test_a_long_prompt_is_counted_as_far_as_it_goes(gw):
    install(gw)
    until(lambda: everywhere(gw, lambda: count(gw, "new")[1] == "openai_tokenizer"))
    n, how = count(gw, "new", " a" * 500_000)
    assert how == "openai_tokenizer" and n == 500_000 + EXACT - 4
    began = time.monotonic()
    assert count(gw, "new", "q" * 1_500_000)[1] == "estimate"             # more than is counted in one call
    assert count(gw, "new", "q" * 1_000_000) == (1_000_000 + EXACT - 4, "openai_tokenizer")
    assert time.monotonic() - began < 20


def test_requests_go_by_it(start, mock):
    """Whether a prompt fits, and with it what is reserved, is a matter of the count and not of the estimate."""
    gw = start([("new", {"model": "openai/gpt-4o", "api_base": mock.base + "/v1", "api_key": "sk-up",
                         "model_info": {"max_input_tokens": 100}})],
               "router_settings: {enable_pre_call_checks: true, num_retries: 0}\n", workers=1)
    a = gw.ask("new", content="q" * 4000)
    assert a.status == 400 and "longer than any" in a.json["error"]["message"]
    install(gw, words=[b"q" * n for n in (2, 4, 8, 16, 32, 64)])
    until(lambda: count(gw, "new")[1] == "openai_tokenizer")
    assert gw.ask("new", content="q" * 4000).status == 200                # 63 and what stands around them
    a = gw.ask("new", content="q" * 64 * 99)
    assert a.status == 400 and f"about {99 + 7} tokens" in a.json["error"]["message"], a
