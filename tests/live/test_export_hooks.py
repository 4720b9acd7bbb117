# SPDX-License-Identifier: MIT
"""Webhooks that callback_settings describes: each told in its own form, of its own events, with its
own headers; by keys, after a reload, and never with another's secret."""
import json

from gateway import until

CANARY = "canary-of-a-header"
HOOKS = """litellm_settings:
  callbacks: [everything, lines, Single]
  failure_callback: [failures]
callback_settings:
  everything: {{callback_type: generic_api, endpoint: "{base}/array", headers: {{Authorization: os.environ/HOOK_KEY}}}}
  lines:
    callback_type: generic_api
    endpoint: {base}/lines
    headers: {{Content-Type: application/x-ndjson}}
    event_types: [llm_api_success]
    log_format: ndjson
  single: {{callback_type: generic_api, endpoint: "{base}/single", log_format: single}}
  failures: {{callback_type: generic_api, endpoint: "{base}/failures"}}
  by-key: {{callback_type: generic_api, endpoint: "{base}/by-key"}}
  otel: {{message_logging: false}}
"""
MODELS = [("m", "plain"), ("bad", "mock?status=400")]
ENV = {"HOOK_KEY": f"Bearer {CANARY}", "DEFAULT_FLUSH_INTERVAL_SECONDS": "0.1",
       "GENERIC_LOGGER_HEADERS": "x-auth=of-generic-api"}


def ids(sink, path, n):
    """Ids of the rows sent there, whatever form they have."""
    def found():
        rows = [r for b in sink.sent(path) for r in (b if isinstance(b, list) else [b])]
        return len(rows) >= n and [r["litellm_call_id"] for r in rows]
    return until(found)


def test_each_webhook_has_form_events_and_headers_of_its_own(start, sink):
    gw = start(MODELS, HOOKS.format(base=sink.base), env=ENV)
    good = gw.ask("m", content="canary-of-a-prompt").headers["x-litellm-call-id"]
    bad = gw.ask("bad").headers["x-litellm-call-id"]
    assert sorted(ids(sink, "/array", 2)) == sorted([good, bad])
    assert sorted(ids(sink, "/single", 2)) == sorted([good, bad])
    assert all(isinstance(b, dict) for b in sink.sent("/single")) and len(sink.sent("/single")) == 2
    assert ids(sink, "/lines", 1) == [good] and ids(sink, "/failures", 1) == [bad]
    assert sink.headers("/array")["Authorization"] == f"Bearer {CANARY}"
    assert sink.headers("/array")["Content-Type"] == "application/json"
    assert sink.headers("/lines")["Content-Type"] == "application/x-ndjson"
    others = ["/lines", "/single", "/failures"]
    assert not any("authorization" in map(str.lower, sink.headers(p)) for p in others)
    assert not any("x-auth" in map(str.lower, sink.headers(p)) for p in others + ["/array"])
    assert "canary-of-a-prompt" in json.dumps(sink.sent("/single"))
    assert CANARY not in gw.logs() + gw.ctl("config", "show").stdout
    names = gw.get("/callbacks/list").json
    assert names == {"success": [], "failure": ["failures"],
                     "success_and_failure": ["everything", "lines", "Single"]}


def test_clients_keys_and_reloads_name_them(start, sink):
    gw = start(MODELS, HOOKS.format(base=sink.base), env=ENV)
    left = gw.ask("m", headers={"x-litellm-disable-callbacks": "Lines,single"}).headers["x-litellm-call-id"]
    key = gw.key(metadata={"logging": [{"callback_name": "by-key", "callback_type": "success"}],
                           "litellm_disabled_callbacks": ["lines"]})
    own = gw.ask("m", key=key, content="canary-of-a-prompt").headers["x-litellm-call-id"]
    assert ids(sink, "/by-key", 1) == [own] and sorted(ids(sink, "/array", 2)) == sorted([left, own])
    assert "canary-of-a-prompt" in json.dumps(sink.sent("/by-key"))
    assert ids(sink, "/single", 1) == [own] and not sink.sent("/lines")
    # Another one stands before them, and one is gone: each keeps what is its own.
    text = gw.config.read_text().replace("callback_settings:\n", "callback_settings:\n  aaa: {callback_type: "
                                         f'generic_api, endpoint: "{sink.base}/aaa"}}\n')
    gw.write([], raw=text.replace("[everything, lines, Single]", "[aaa, Single]"))
    gw.ctl("reload")
    after = gw.ask("m", key=key).headers["x-litellm-call-id"]
    assert ids(sink, "/aaa", 1) == [after] and ids(sink, "/by-key", 2) == [own, after]
    assert ids(sink, "/single", 2) == [own, after] and len(ids(sink, "/array", 2)) == 2


def test_one_that_is_down_waits_on_the_disk_and_holds_nobody_up(start, sink):
    gw = start(MODELS, HOOKS.format(base=sink.base), env=ENV)
    sink.status = lambda read: 503 if isinstance(read, dict) else 200     # that of single payloads
    first = gw.ask("m").headers["x-litellm-call-id"]
    assert ids(sink, "/array", 1) == [first]
    until(lambda: list((gw.tmp / "state" / "export").glob("hook.single.*")))
    sink.status = 200
    assert ids(sink, "/single", 1) == [first]
