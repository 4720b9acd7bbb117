# SPDX-License-Identifier: MIT
"""Prompts and answers that are kept: only where the configuration has it so, sealed, without secrets, as long and as
much as it says; shown to administrators alone. Whatever happens to them, the ledger has every request."""
import contextlib
import json
import secrets
import signal
import sqlite3
import threading
import time

import pytest

from gateway import until

ON = "general_settings:\n  store_prompts_in_spend_logs: true\n"
PROVIDER_KEY = "sk-prov-Zq7Lw2Xv9Kt4Bn6Mc1Rd8"


def provider(mock, script="plain", family="openai", **more):
    return {"model": f"{family}/{script}", "api_base": mock.base + "/v1", "api_key": PROVIDER_KEY,
            "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, **more}


@pytest.fixture
def begin(start, mock):
    def go(settings=ON, models=(), **kw):
        kw.setdefault("workers", 1)
        return start([("m", provider(mock)), ("echo", provider(mock, "mock?echo&tokens=5")),
                      ("tool", provider(mock, "mock?tool")), ("slow", provider(mock, "mock?tokens=200&gap=20")),
                      ("ant", provider(mock, family="anthropic")), ("ant-tool", provider(mock, "mock?tool", "anthropic")),
                      *models], settings, **kw)
    return go


def database(gw):
    return contextlib.closing(sqlite3.connect(f"file:{gw.tmp}/state/llmgw.db?mode=ro", uri=True))


def kept(gw):
    with database(gw) as db:
        return db.execute("SELECT count(*) FROM spend_texts").fetchone()[0]


def rows(gw, n, texts=None):
    """So many rows, newest first, with what was said; waits until so many texts are there."""
    assert len(gw.spend_rows(wait_for=n)) == n
    until(lambda: kept(gw) >= (n if texts is None else texts))
    return gw.ctl_json("spend", "logs", "--texts")


def said(row):
    """Of an OpenAI answer."""
    return row["response"]["choices"][0]["message"]


def none(row):
    return row["messages"] == {} and row["response"] == {} and "proxy_server_request" not in row


# ---- on and off ----------------------------------------------------------------------------------

def test_off_unless_configured(begin):
    gw = begin(settings="")
    assert gw.ask("m", "Nobody keeps this").status == 200
    assert gw.stream("m", "Nor this").text()
    gw.spend_rows(wait_for=2)
    time.sleep(0.3)
    assert kept(gw) == 0 and all(none(r) for r in gw.ctl_json("spend", "logs", "--texts"))
    assert gw.metric("llmgw_texts_kept_total") == 0 and gw.metric("llmgw_texts_lost_total") == 0
    gw.config.write_text(gw.config.read_text().replace("general_settings:\n", ON))
    gw.ctl("reload")
    assert gw.ask("m", "From now on").status == 200
    assert [r["messages"] for r in rows(gw, 3, 1)] == [[{"role": "user", "content": "From now on"}], {}, {}]
    gw.config.write_text(gw.config.read_text().replace(ON, "general_settings:\n"))
    gw.ctl("reload")
    assert gw.ask("m", "And no more").status == 200
    gw.spend_rows(wait_for=4)
    time.sleep(0.3)
    assert kept(gw) == 1 and gw.metric("llmgw_texts_kept_total") == 1


def test_plain_answers_are_as_they_came(begin):
    gw = begin()
    body = {"model": "m", "temperature": 0.5, "messages": [{"role": "user", "content": "Grüße \"quoted\" \\ \u0001"}]}
    answer = gw.post("/v1/chat/completions", body)
    row = rows(gw, 1)[0]
    assert row["proxy_server_request"] == body and row["messages"] == body["messages"]
    assert row["response"] == answer.json and "texts_cut" not in row
    assert answer.headers["x-litellm-call-id"] == row["request_id"]
    # by its id it comes without being asked for, on every way
    for path in (f"/spend/logs?request_id={row['request_id']}", f"/spend/logs/v2?request_id={row['request_id']}",
                 f"/spend/logs/ui?request_id={row['request_id']}"):
        got = gw.get(path).json
        assert (got if isinstance(got, list) else got["data"]) == [row], path
    assert gw.get(f"/spend/logs/ui/{row['request_id']}").json == row
    assert gw.get(f"/spend/logs/ui/{row['request_id']}?texts=false").json["messages"] == {}
    assert gw.ctl_json("spend", "show", row["request_id"]) == row
    assert none(gw.get("/spend/logs").json[0])
    assert gw.get("/spend/logs/ui/0198c1d2-7a3e-7c11-8a55-0242ac120002").status == 404


def test_streams_are_put_together(begin):
    """By the short way and by the long one, in the words of whoever asked."""
    gw = begin()
    assert gw.stream("echo", "Say this again, word by word").text() == "Say this again, word by word"
    for model in ("m", "ant"):
        list(gw.stream(model, path="/v1/messages", max_tokens=9).events())
    list(gw.stream("ant").events())
    gw.post("/v1/responses", {"model": "m", "stream": True, "input": "In other words"})
    gw.post("/v1/completions", {"model": "m", "stream": True, "prompt": "Once"})
    gw.post("/v1beta/models/m:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "Once more"}]}]})
    gw.post("/api/chat", {"model": "m", "messages": [{"role": "user", "content": "By lines"}]})
    got = rows(gw, 8)[::-1]
    assert said(got[0]) == {"role": "assistant", "content": "Say this again, word by word"}
    assert got[0]["response"]["object"] == "chat.completion"
    assert got[0]["response"]["usage"]["completion_tokens"] == got[0]["completion_tokens"]
    for row in got[1:3]:
        assert row["response"]["type"] == "message" and row["response"]["stop_reason"] == "end_turn"
        assert row["response"]["content"] == [{"type": "text", "text": "t0 t1 t2"}]
        assert row["response"]["usage"]["output_tokens"] == row["completion_tokens"]
    assert said(got[3])["content"] == "t0 t1 t2"
    assert got[4]["messages"] == "In other words" and got[4]["response"]["status"] == "completed"
    assert got[4]["response"]["output"][0]["content"][0]["text"] == "t0 t1 t2"
    assert got[5]["messages"] == "Once" and got[5]["response"]["choices"][0]["text"] == "t0 t1 t2"
    assert got[6]["messages"] == [{"parts": [{"text": "Once more"}]}]
    assert got[6]["response"]["candidates"][0]["content"]["parts"][0]["text"] == "t0 t1 t2"
    assert got[7]["response"]["message"]["content"] == "t0 t1 t2" and got[7]["response"]["done"]


def test_tools(begin):
    gw = begin()
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    assert gw.ask("tool", tools=tools).status == 200
    list(gw.stream("tool", tools=tools).events())
    list(gw.stream("ant-tool", tools=tools).events())
    list(gw.stream("ant-tool", path="/v1/messages", max_tokens=9,
                   tools=[{"name": "get_weather", "input_schema": {"type": "object"}}]).events())
    got = rows(gw, 4)[::-1]
    for row in got[:3]:
        call, = said(row)["tool_calls"]
        assert call["function"]["name"] == "get_weather" and call["id"]
        assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
        assert row["response"]["choices"][0]["finish_reason"] == "tool_calls"
        assert row["proxy_server_request"]["tools"] == tools
    call = next(p for p in got[3]["response"]["content"] if p["type"] == "tool_use")
    assert call["name"] == "get_weather" and call["input"] == {"city": "Paris"}


def test_a_stream_that_its_client_left(begin):
    gw = begin()
    s = gw.stream("slow", "Tell me a long story")
    for _, event in zip(range(6), s.events()):
        pass
    s.leave()
    row = rows(gw, 1)[0]
    assert row["messages"][0]["content"] == "Tell me a long story" and row["metadata"]["cut"]
    assert said(row)["content"].startswith("t0 t1 ") and len(said(row)["content"]) < 200


def test_failures_have_their_prompt(begin):
    gw = begin(ON + "router_settings: {num_retries: 0}\n", [("bad", provider_of_status(500))])
    assert gw.ask("bad", "In vain").status >= 500
    row = rows(gw, 1)[0]
    assert row["status"] == "failure" and row["messages"][0]["content"] == "In vain" and row["response"] == {}


def provider_of_status(status):
    return f"mock?status={status}"


def test_answers_of_the_cache_stand_with_who_made_them(begin):
    gw = begin(ON + "litellm_settings: {cache: true}\n")
    assert gw.ask("m", "Twice").body == gw.ask("m", "Twice").body
    hit, made = rows(gw, 2)
    assert (hit["cache_hit"], made["cache_hit"]) == ("True", "False")
    assert hit["messages"] == made["messages"] != {} and hit["response"] == {} and said(made)["content"] == "t0 t1 t2"


def test_whatever_way_an_answer_took(start, mock):
    """A stream that goes on with another attempt is one text; of two attempts the winner's is kept."""
    gw = start([("g", provider(mock, "mock?tokens=9&gap=5&die=4", order=1)),
                ("g", provider(mock, "other?tokens=3", order=2)),
                ("h", provider(mock, "late?slowafter=24&ttft=400", order=1)), ("h", provider(mock, "quick?tokens=2", order=2))],
               "router_settings: {stream_recovery: continue, num_retries: 1, hedge_after: 0.9, disable_cooldowns: true}\n" + ON,
               workers=1)
    told = gw.stream("g", "go on").text()
    assert told.startswith("t0 t1 t2 t3") and told.endswith("t0 t1 t2")
    rows(gw, 2, 1)
    one = next(r for r in gw.ctl_json("spend", "logs", "--texts") if r["messages"])
    assert said(one)["content"] == told and not one["metadata"]["is_further_attempt"]
    told = [gw.stream("h").text() for _ in range(25)]
    assert told[24] == "t0 t1"

    def given():
        every = gw.ctl_json("spend", "logs", "--texts", "--model-group", "h", "--limit", "1000")
        return [said(r)["content"] for r in every if r["messages"]][::-1]
    until(lambda: len(given()) == 25)
    assert given() == told


def test_calls_that_are_relayed(begin, mock):
    """What is JSON is kept, and streams as they were; sound and forms are not, nor what only looks."""
    gw = begin()
    body = {"model": "plain", "messages": [{"role": "user", "content": "Pass this on"}]}
    plain = gw.post("/openai/v1/chat/completions", body)
    stream = gw.post("/openai/v1/chat/completions", {**body, "stream": True})
    assert gw.post("/openai/v1/chat/completions", body, headers={"x-litellm-enable-message-redaction": "true"}).status == 200
    image = gw.post("/v1/images/generations", {"model": "m", "prompt": "A lighthouse"})
    speech = gw.post("/v1/audio/speech", {"model": "m", "input": "Read this", "voice": "alloy"})
    assert {plain.status, stream.status, image.status, speech.status} == {200}
    got = rows(gw, 5)[::-1]
    assert got[0]["proxy_server_request"] == body and got[0]["response"] == plain.json
    assert got[1]["messages"] == body["messages"] and got[1]["response"] == stream.body.decode()
    assert redacted(got[2])
    assert got[3]["messages"] == "A lighthouse" and got[3]["response"] == image.json
    assert got[4]["messages"] == "Read this" and got[4]["response"] == {}
    from test_raw import post_form
    assert post_form(gw, "/v1/audio/transcriptions", ("model", "m"), ("file", b"RIFF", "a.wav")).status == 200
    assert gw.get("/openai/v1/files").status == 200
    time.sleep(0.5)
    assert kept(gw) == 5


def test_a_relayed_answer_is_cut(begin):
    gw = begin("server: {texts: {max-text: 1024}}\n" + ON)
    a = gw.post("/openai/v1/chat/completions", {"model": "mock?tokens=400", "messages": [{"role": "user", "content": "long"}]})
    row = rows(gw, 1)[0]
    cut = row["texts_cut"]["response_bytes"]
    assert cut == len(a.body) - 1024 > 0 and row["response"] == a.body[:1024].decode() + f" ... [{cut} bytes cut]"


# ---- how much ------------------------------------------------------------------------------------

def test_long_texts_are_cut(begin):
    gw = begin("server: {texts: {max-text: 2000}}\n" + ON)
    long = "é" * 3000
    assert gw.ask("echo", long).text == long
    assert gw.stream("echo", long).text() == long
    assert gw.ask("m", "short").status == 200
    short, stream, plain = rows(gw, 3)
    assert "texts_cut" not in short and short["messages"][0]["content"] == "short"
    for row in (plain, stream):
        cut = row["texts_cut"]["prompt_bytes"]
        assert row["messages"] == {} and row["proxy_server_request"].endswith(f" ... [{cut} bytes cut]")
        text = row["proxy_server_request"].removesuffix(f" ... [{cut} bytes cut]")
        body = json.dumps({"model": "echo", **({"stream": True} if row is stream else {}),
                           "messages": [{"role": "user", "content": long}]}).encode()
        assert len(text.encode()) in (1999, 2000) and body.startswith(text.encode()) and len(text) + cut == len(body)
    assert plain["texts_cut"]["response_bytes"] > 3900 and "bytes cut]" in plain["response"]
    assert stream["texts_cut"]["response_bytes"] > 4000


def test_what_comes_faster_than_it_can_be_stored_is_lost_and_counted(begin):
    """The master stands still: rings fill, requests go on, and each is booked."""
    gw = begin("server: {texts: {max-text: 1M}}\n" + ON)
    assert gw.ask("m").status == 200
    rows(gw, 1)
    gw.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(20):
            assert gw.ask("m", secrets.token_hex(250000)).status == 200
        lost = gw.metric("llmgw_texts_lost_total")
    finally:
        gw.process.send_signal(signal.SIGCONT)
    assert 10 <= lost <= 14
    assert len(gw.spend_rows(wait_for=21)) == 21
    until(lambda: kept(gw) == 21 - lost)
    until(lambda: gw.metric("llmgw_texts_kept_total") + lost == 21)


def test_bytes_on_disk_are_bounded(begin):
    gw = begin("server: {texts: {max-text: 1M, max-bytes: 1M}}\n" + ON)
    for i in range(12):
        assert gw.ask("m", f"{i} " + secrets.token_hex(150000)).status == 200
    assert len(gw.spend_rows(wait_for=12)) == 12
    until(lambda: gw.metric("llmgw_texts_kept_total") + gw.metric("llmgw_texts_lost_total") == 12)
    with database(gw) as db:
        total, = db.execute("SELECT bytes FROM spend_texts_total").fetchone()
        assert total == db.execute("SELECT sum(size) FROM spend_texts").fetchone()[0] <= 1 << 20
    newest = gw.ctl_json("spend", "logs", "--texts", "--limit", "1")[0]
    assert newest["messages"][0]["content"].startswith("11 ")


# ---- who does not want it ------------------------------------------------------------------------

REDACTED = [{"role": "user", "content": "redacted-by-litellm"}]


def redacted(row):
    return row["messages"] == REDACTED and row["response"] == {"text": "redacted-by-litellm"}


def test_a_request_may_keep_itself_out(begin, mock):
    gw = begin()
    assert gw.ask("m", "no log", **{"no-log": True}).status == 200
    assert "no-log" not in json.dumps(mock.get("/mock/log?n=1"))
    for header in ("x-litellm-enable-message-redaction", "litellm-enable-message-redaction"):
        assert gw.ask("m", "redacted", headers={header: "true"}).status == 200
        assert gw.stream("m", "redacted", headers={header: "true"}).text()
    assert gw.ask("m", "kept", headers={"x-litellm-enable-message-redaction": "false"}, **{"no-log": False}).status == 200
    got = rows(gw, 6, 5)[::-1]
    assert none(got[0]) and all(redacted(r) for r in got[1:5]) and got[5]["messages"][0]["content"] == "kept"


@pytest.mark.parametrize("metadata, what", [
    ({"turn_off_message_logging": True}, redacted), ({"no-log": True}, none), ({"no-log": "true"}, none),
    ({"logging": [{"callback_name": "langfuse", "callback_type": "success",
                   "callback_vars": {"turn_off_message_logging": True}}]}, redacted)])
def test_so_may_a_key_and_a_team(begin, metadata, what):
    """And nothing in a request undoes that."""
    gw = begin(ON + "litellm_settings: {global_disable_no_log_param: true}\n")
    gw.post("/team/new", {"team_id": "quiet", "metadata": metadata})
    gw.post("/team/new", {"team_id": "loud"})
    keys = [gw.key(metadata=metadata), gw.key(team_id="quiet"), gw.key(team_id="loud"), gw.key(team_id="loud", metadata=metadata)]
    for k in keys:
        assert gw.ask("m", "hush", key=k, headers={"litellm-disable-message-redaction": "true"},
                      **{"no-log": False}).status == 200
    n = 4 if what is redacted else 1
    got = rows(gw, 4, n)[::-1]
    assert [what(r) for r in got] == [True, True, False, True] and got[2]["messages"][0]["content"] == "hush"
    assert gw.post("/key/update", {"key": keys[0], "metadata": {}}).status == 200
    assert gw.ask("m", "hello", key=keys[0]).status == 200
    assert rows(gw, 5, n + 1)[0]["messages"][0]["content"] == "hello"


def test_redaction_for_all(begin):
    gw = begin(ON + "litellm_settings: {turn_off_message_logging: true, global_disable_no_log_param: true}\n")
    assert gw.ask("m", "secret").status == 200
    assert gw.ask("m", "open", headers={"litellm-disable-message-redaction": "true"}).status == 200
    assert gw.ask("m", "no log", headers={"litellm-disable-message-redaction": "true"}, **{"no-log": True}).status == 200
    got = rows(gw, 3)[::-1]
    assert redacted(got[0]) and got[1]["messages"][0]["content"] == "open" and got[2]["messages"][0]["content"] == "no log"


# ---- who may see it, and where it lies -----------------------------------------------------------

def test_administrators_alone_see_it(begin):
    gw = begin()
    assert gw.ask("m", "for the boss").status == 200
    row = rows(gw, 1)[0]
    keys = {}
    for role in ("proxy_admin", "proxy_admin_viewer", "internal_user"):
        assert gw.post("/user/new", {"user_id": role, "user_role": role}).status == 200
        keys[role] = gw.key(user_id=role)
    one = f"/spend/logs/ui/{row['request_id']}"
    assert gw.get(one, key=keys["proxy_admin"]).json == row
    viewer = keys["proxy_admin_viewer"]
    assert none(gw.get(one, key=viewer).json) and none(gw.get(f"/spend/logs?request_id={row['request_id']}", key=viewer).json[0])
    for path in (one + "?texts=true", "/spend/logs?texts=true", "/spend/logs/v2?texts=true", "/spend/export?format=jsonl&texts=true"):
        assert gw.get(path, key=viewer).status == 403, path
        assert gw.get(path, key=keys["internal_user"]).status in (401, 403), path
        assert gw.get(path).status == 200, path
    assert gw.post("/spend/texts/purge", {"before": "2100-01-01"}, key=viewer).status == 401
    assert kept(gw) == 1


def test_no_secret_and_no_text_lies_open(begin, mock):
    gw = begin()
    key = gw.key()
    words = f"A prompt that nobody reads {secrets.token_hex(12)}"
    assert gw.ask("echo", f"{words} {PROVIDER_KEY} {key} {gw.master_key}", key=key).text
    assert gw.stream("echo", f"{words} {PROVIDER_KEY} {key} {gw.master_key}", key=key).text()
    got = rows(gw, 2)
    for row in got:
        hidden = f"{words} {'*' * len(PROVIDER_KEY)} {'*' * len(key)} {'*' * len(gw.master_key)}"
        assert row["messages"][0]["content"] == hidden and said(row)["content"] == hidden
    gw.ctl("backup", str(gw.tmp / "copy.db"))
    gw.stop()
    for f in [*(gw.tmp / "state").rglob("*"), gw.tmp / "copy.db", gw.log_path]:
        data = f.read_bytes() if f.is_file() else b""
        assert words.encode() not in data and PROVIDER_KEY.encode() not in data and key.encode() not in data, f


def test_another_salt_key(begin):
    """The keys of the texts are sealed anew; without the old one what it sealed is not readable, and is said so."""
    gw = begin(env={"LLMGW_SALT_KEY": "the first salt of all"})
    assert gw.ask("m", "one").status == 200
    rows(gw, 1)
    gw.stop()
    gw.env = {"LLMGW_SALT_KEY": "the second salt", "LLMGW_SALT_KEY_PREVIOUS": "the first salt of all"}
    gw.start()
    assert gw.ask("m", "two").status == 200
    assert [r["messages"][0]["content"] for r in rows(gw, 2)] == ["two", "one"]
    gw.stop()
    gw.env = {"LLMGW_SALT_KEY": "the third salt"}
    gw.start()
    assert gw.ask("m", "three").status == 200
    got = rows(gw, 3)
    assert got[0]["messages"][0]["content"] == "three"
    assert [r["texts_missing"] for r in got[1:]] == ["sealed with another key, or damaged"] * 2
    with database(gw) as db:
        assert db.execute("SELECT count(*) FROM spend_text_keys").fetchone() == (2,)


def test_nothing_is_kept_without_a_key_to_seal_it(begin):
    gw = begin("server: {insecure-dev: true}\n" + ON, master_key=None)
    assert gw.ask("m").status == 200
    assert gw.wait_log("texts.no_key")
    gw.spend_rows(wait_for=1)
    assert kept(gw) == 0


# ---- how long ------------------------------------------------------------------------------------

def test_retention(begin):
    """Theirs is their own, and never longer than that of their requests."""
    gw = begin()
    assert gw.ask("m", "one").status == 200
    rows(gw, 1)
    for settings in ("server: {texts: {keep: 1}}\n" + ON, ON + "  maximum_spend_logs_retention_period: 2\n"):
        gw.stop()
        text = gw.config.read_text()
        gw.config.write_text(text[:text.index("general_settings:")].replace("server: {texts: {keep: 1}}\n", "")
                             + settings + f"  master_key: {gw.master_key}\n")
        time.sleep(2.2)
        gw.start()
        until(lambda: kept(gw) == 0)
        with database(gw) as db:
            assert db.execute("SELECT bytes FROM spend_texts_total").fetchone() == (0,)
        n = len(gw.spend_rows())
        assert n == (1 if "texts" in settings else 0)
        assert gw.ask("m", "two").status == 200
        until(lambda: kept(gw) == 1)


def test_purge(begin):
    gw = begin()
    for i in range(70):
        assert gw.ask("m", f"number {i}").status == 200
    before = rows(gw, 70)
    spend = gw.get("/global/spend").json["spend"]
    assert gw.post("/spend/texts/purge", {}).status == 400
    assert gw.post("/spend/texts/purge", {"before": "yesterday"}).status == 400
    assert gw.ctl_json("--yes", "spend", "purge", "--before", "2001-01-01")["requests"] == 0
    dry = gw.ctl_json("--yes", "spend", "purge", "--before", "2100-01-01", "--dry-run")
    assert dry["requests"] == 70 and dry["dry_run"] and kept(gw) == 70
    done = gw.post("/spend/texts/purge", {"before": "2100-01-01"}).json
    assert done == {**dry, "dry_run": False} and kept(gw) == 0
    assert gw.wait_log("texts.purged", requests=70)
    assert gw.get("/global/spend").json["spend"] == spend
    after = gw.ctl_json("spend", "logs", "--texts")
    assert all(none(r) for r in after)
    assert [r["request_id"] for r in after] == [r["request_id"] for r in before]
    assert "spend purge" in json.dumps(gw.get("/audit").json)


def test_export(begin):
    gw = begin()
    for i in range(3):
        assert gw.ask("m", f"number {i}").status == 200
    shown = rows(gw, 3)
    lines = [json.loads(x) for x in gw.ctl("spend", "export", "--format", "jsonl", "--texts").stdout.splitlines()]
    assert lines == shown[::-1]
    lines = [json.loads(x) for x in gw.ctl("spend", "export", "--format", "jsonl").stdout.splitlines()]
    assert len(lines) == 3 and all(none(x) for x in lines)
    assert gw.ctl("spend", "export", "--format", "csv", "--texts", check=False).returncode != 0


def test_long_ones_leave_room_for_others(begin):
    """A list never grows beyond what an answer may have; an export takes pages."""
    gw = begin("server: {texts: {max-text: 1M}}\n" + ON)
    for i in range(20):
        assert gw.ask("m", secrets.token_hex(450000)).status == 200
        until(lambda: kept(gw) == i + 1)
    shown = rows(gw, 20)
    missing = [r for r in shown if "texts_missing" in r]
    assert 4 < len(missing) < 20 and all("too long" in r["texts_missing"] for r in missing)
    lines = [json.loads(x) for x in gw.ctl("spend", "export", "--format", "jsonl", "--texts").stdout.splitlines()]
    assert len(lines) == 20 and all(x["messages"] for x in lines)


# ---- kills ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("who", ["master", "workers"])
def test_kills_lose_texts_and_no_cent(begin, who):
    gw = begin(workers=2)
    answered, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            with contextlib.suppress(OSError, Exception):
                a = gw.ask("m", secrets.token_hex(500))
                if a.status == 200:
                    answered.append(a.headers["x-litellm-call-id"])
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(3):
        time.sleep(0.7)
        if who == "master":
            gw.kill()
            gw.start()
        else:
            gw.kill_workers()
    time.sleep(0.3)
    until(lambda: len(answered) > 50, 60)
    stop.set()
    for t in threads:
        t.join()
    until(lambda: {i.replace("-", "") for i in answered} <= ids(gw, "spend_logs"))
    assert ids(gw, "spend_texts") and ids(gw, "spend_texts") <= ids(gw, "spend_logs")
    assert gw.ask("m", "after all").status == 200
    until(lambda: any(r["messages"] and r["messages"][0]["content"] == "after all"
                      for r in gw.ctl_json("spend", "logs", "--texts", "--limit", "1")))


def ids(gw, table):
    with database(gw) as db:
        return {r[0].hex() for r in db.execute(f"SELECT request_id FROM {table} WHERE length(request_id) = 16")}


def test_an_orderly_end_loses_none(begin):
    gw = begin(workers=2)
    for i in range(30):
        assert gw.ask("m", f"number {i}").status == 200
    gw.stop()
    assert kept(gw) == 30
    gw.start()
    assert {r["messages"][0]["content"] for r in gw.ctl_json("spend", "logs", "--texts")} == {f"number {i}" for i in range(30)}


def test_a_restored_backup_has_them(begin):
    gw = begin()
    assert gw.ask("m", "in the backup").status == 200
    rows(gw, 1)
    gw.ctl("backup", str(gw.tmp / "copy.db"))
    assert gw.ctl_json("--yes", "spend", "purge", "--before", "2100-01-01")["requests"] == 1
    gw.stop()
    from test_ctl import run
    p = run("--json", "restore", gw.tmp / "copy.db", "--state-dir", gw.tmp / "state", "--yes")
    assert p.returncode == 0, p
    gw.start()
    assert gw.ctl_json("spend", "logs", "--texts")[0]["messages"][0]["content"] == "in the backup"


def test_an_upgrade_in_place_keeps_on(tmp_path, mock):
    from test_upgrade import Installed
    gw = Installed(tmp_path, [("m", provider(mock))], ON, workers=1)
    gw.start()
    try:
        for i in range(3):
            assert gw.ask("m", f"number {i}").status == 200
            if i < 2:
                gw.upgrade()
        assert [r["messages"][0]["content"] for r in rows(gw, 3)] == ["number 2", "number 1", "number 0"]
    finally:
        gw.stop()
