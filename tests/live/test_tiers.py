# SPDX-License-Identifier: MIT
"""What costs by more than tokens: service tiers, which the answer decides, and searches on the web that a
model makes by itself; in each format, as streams and not, and in calls that are passed through."""
from decimal import Decimal

import pytest

TOKENS = "prompt=1000&out=500&cached=200"
GPT = {"input_cost_per_token": 1.25e-6, "output_cost_per_token": 1e-5, "cache_read_input_token_cost": 1.25e-7,
       "input_cost_per_token_flex": 6.25e-7, "output_cost_per_token_flex": 5e-6,
       "cache_read_input_token_cost_flex": 6.25e-8, "input_cost_per_token_priority": 2.5e-6,
       "output_cost_per_token_priority": 2e-5, "cache_read_input_token_cost_priority": 2.5e-7}
# 800 x 1.25 + 200 x 0.125 + 500 x 10 millionths of a dollar, and the same by the other prices
STANDARD, FLEX, PRIORITY = Decimal("0.006025"), Decimal("0.0030125"), Decimal("0.01205")
SEARCH = {"search_context_cost_per_query": {"search_context_size_low": 0.03, "search_context_size_medium": 0.035,
                                            "search_context_size_high": 0.05}}


WORK = f"{TOKENS}&filed=3&containers=2"
TOOLS = {"file_search_cost_per_1k_calls": 2.5, "code_interpreter_cost_per_session": 0.03}


@pytest.fixture
def gw(start, mock):
    openai = {"model": "openai/*", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary", **GPT}
    claude = {"model": "anthropic/*", "api_base": mock.base, "api_key": "sk-ant-canary",
              "input_cost_per_token": 3e-6, "output_cost_per_token": 15e-6, **SEARCH}
    one = [(f"one-{t}", {**openai, "model": f"openai/gpt?{TOKENS}&tier={t}"}) for t in ("flex", "priority", "default")]
    two = [("two", {**openai, **SEARCH, "model": f"openai/find?{TOKENS}&tier=default&searches=2"}),
           ("three", {**claude, "model": "anthropic/claude?prompt=1000&out=500&searches=2"})]
    gemini = {"model": "gemini/*", "api_base": mock.base + "/v1beta", "api_key": "canary", "input_cost_per_token": 1e-6,
              "output_cost_per_token": 1e-6, **SEARCH}
    two += [("work", {**openai, **TOOLS, "model": f"openai/responses/worker?{WORK}"}), *[(f"{unit}-{n}", {**gemini, "model": f"gemini/gem?prompt=1000&out=500&searches={n}",
                                "web_search_billing_unit": f"per_{unit}"}) for unit in ("prompt", "query") for n in (0, 3)]]
    return start([("gpt*", openai), ("find*", {**openai, **SEARCH}), ("claude*", claude), *one, *two])


def newest(gw):
    gw.asked = getattr(gw, "asked", 0) + 1
    return gw.spend_rows(wait_for=gw.asked)[0]


def booked(gw, a):
    """What the answer was booked with."""
    assert a.status == 200, a
    row = newest(gw)
    return Decimal(str(row["spend"])), row


def test_the_answers_tier_decides(gw):
    for told, asked, want in (
            ("flex", "flex", FLEX), ("priority", "priority", PRIORITY), ("default", None, STANDARD),
            (None, None, STANDARD), ("unheard-of", None, STANDARD),
            ("default", "priority", STANDARD),            # asked for more than was given
            ("priority", "auto", PRIORITY),               # as the account's settings have it
            (None, "priority", PRIORITY), (None, "flex", STANDARD)):      # not told: the dearer one
        model = f"gpt?{TOKENS}" + (f"&tier={told}" if told else "")
        extra = {"service_tier": asked} if asked else {}
        spend, row = booked(gw, gw.ask(model, **extra))
        assert spend == want, row
        s = gw.stream(model, stream_options={"include_usage": True}, **extra)
        assert s.status == 200 and list(s.events())[-1] == "[DONE]"
        row = newest(gw)
        assert Decimal(str(row["spend"])) == want, row
        assert Decimal(str(row["metadata"]["cost_breakdown"]["original_cost"])) == want, row


def test_in_other_formats_and_passed_through(gw):
    for tier, want in (("flex", FLEX), ("priority", PRIORITY), ("default", STANDARD)):
        model = f"gpt?{TOKENS}&tier={tier}"
        for path in ("/v1/responses", "/openai/v1/responses"):
            spend, row = booked(gw, gw.post(path, {"model": model, "input": "hi"}))
            assert spend == want, (path, row)
        messages = {"model": model, "max_tokens": 500, "messages": [{"role": "user", "content": "hi"}]}
        for path in ("/v1/messages", "/openai/v1/chat/completions"):
            spend, row = booked(gw, gw.post(path, messages))
            assert spend == want, (path, row)


def test_a_reservation_takes_the_dearest_tier_that_may_answer(gw):
    """The answer is 500 tokens at most: 0.005 dollars, or 0.01 at priority; the prompt is little."""
    ask = dict(model=f"gpt?{TOKENS}&tier=default", max_tokens=500)
    tight = gw.key(max_budget=0.0085)
    assert gw.ask(key=tight, **ask).status == 429                 # the account may have priority
    assert gw.ask(key=tight, service_tier="priority", **ask).status == 429
    assert gw.ask(key=tight, service_tier="auto", **ask).status == 429
    assert gw.ask(key=tight, service_tier="default", **ask).status == 200
    assert gw.ask(key=gw.key(max_budget=0.0085), service_tier="flex", **ask).status == 200
    assert gw.ask(key=gw.key(max_budget=0.03), **ask).status == 200


def test_searches_on_the_web(gw):
    hi = [{"role": "user", "content": "hi"}]
    tool = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]
    body = {"model": "claude?prompt=1000&out=500&searches=2", "max_tokens": 500, "messages": hi}
    plain = Decimal("0.0105")                     # 1000 x 3 + 500 x 15
    for path in ("/v1/messages", "/anthropic/v1/messages"):
        spend, row = booked(gw, gw.post(path, {**body, "tools": tool}))
        assert spend == plain + 2 * Decimal("0.035"), (path, row)
    parts = row["metadata"]["cost_breakdown"]
    assert Decimal(str(parts["tool_usage_cost"])) == Decimal("0.07"), parts
    assert Decimal(str(parts["output_cost"])) == Decimal("0.0075"), parts
    assert booked(gw, gw.post("/v1/messages", {**body, "model": "claude?prompt=1000&out=500"}))[0] == plain
    # 3 x 0.05 are set aside, for it may search as often, and of any size
    assert gw.post("/v1/messages", {**body, "tools": tool}, key=gw.key(max_budget=0.15)).status == 429
    spend, row = booked(gw, gw.post("/v1/messages", {**body, "tools": tool}, key=gw.key(max_budget=0.3)))
    assert spend == plain + 2 * Decimal("0.035")


def test_searches_in_openais_formats(gw):
    chat = f"find?{TOKENS}&tier=default"
    for options, price in (({}, 0), ({"web_search_options": {"search_context_size": "low"}}, "0.03"),
                           ({"web_search_options": {"user_location": None}}, "0.035")):
        spend, row = booked(gw, gw.ask(chat, **options))
        assert spend == STANDARD + Decimal(price), row
    assert booked(gw, gw.ask(chat + "&searches=4"))[0] == STANDARD + 4 * Decimal("0.035")
    ask = {"model": chat + "&searches=2", "input": "hi",
           "tools": [{"type": "web_search", "search_context_size": "high"}]}
    for path in ("/v1/responses", "/openai/v1/responses"):
        spend, row = booked(gw, gw.post(path, ask))
        assert spend == STANDARD + 2 * Decimal("0.035"), (path, row)      # the mock does not tell the size


def test_files_searched_and_code_run(gw):
    ask = {"model": "work", "input": "hi", "max_output_tokens": 500,
           "tools": [{"type": "file_search", "vector_store_ids": ["v"]},
                     {"type": "code_interpreter", "container": {"type": "auto"}}]}
    plain = Decimal("0.006025")
    want = plain + 3 * Decimal("0.0025") + 2 * Decimal("0.03")
    for extra in ({}, {"stream": True}):
        spend, row = booked(gw, gw.post("/v1/responses", {**ask, **extra}))
        assert spend == want, (extra, row)
        parts = row["metadata"]["cost_breakdown"]
        assert Decimal(str(parts["tool_usage_cost"])) == want - plain, parts
    spend, row = booked(gw, gw.post("/openai/v1/responses", ask))
    assert spend == want, row
    # ten searches and a container are set aside, and with max_tool_calls no more than that
    assert gw.post("/v1/responses", ask, key=gw.key(max_budget=0.045)).status == 429
    assert gw.post("/v1/responses", {**ask, "max_tool_calls": 1, "tools": ask["tools"][:1]},
                   key=gw.key(max_budget=0.1)).status == 200


def test_what_gemini_grounds_its_answers_on(gw):
    plain, one = Decimal("0.0015"), Decimal("0.035")
    chat = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "tools": [{"googleSearch": {}}],
            "generationConfig": {"maxOutputTokens": 500}}
    for name, found, want in (("prompt", 3, one), ("query", 3, 3 * one), ("prompt", 0, 0), ("query", 0, 0)):
        model = f"{name}-{found}"
        said = "/v1beta/models/" + model
        for path in (said + ":generateContent", said + ":streamGenerateContent?alt=sse"):
            spend, row = booked(gw, gw.post(path, chat))
            assert spend == plain + want, (path, row)
        spend, row = booked(gw, gw.ask(model, web_search_options={}))
        assert spend == plain + want, row
    # however many searches a prompt takes, it is one that is paid, and set aside
    key = gw.key(max_budget=0.06)
    assert gw.ask("prompt-3", key=key, web_search_options={}, max_tokens=500).status == 200
