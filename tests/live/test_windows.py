# SPDX-License-Identifier: MIT
"""Limits of keys, teams and others in windows of any length: requests, tokens and money, rolling or fixed,
exact over all workers, corrected by what was used, and still there after a restart."""
import json
import os
import re
import signal
import threading
import time

import pytest

from test_limits import flood, good, refused

HOUR = {"duration": "1h"}


def used(gw, key):
    return [{k: v for k, v in w.items() if k not in ("duration", "kind")}
            for w in gw.get(f"/key/info?key={key}").json["info"].get("limit_windows_used", [])]


def error(answer):
    return json.loads(answer.body)["error"]


def test_requests_are_exact_over_all_workers(start, mock):
    gw = start([("m", "mock?ttft=30")], workers=3)
    k = gw.key(limit_windows=[{**HOUR, "requests": 7, "name": "plan"}])
    seen = flood(gw, 60, k, "m")
    assert len(good(seen)) == 7 and len(mock.log()) == 7
    for e in refused(seen, 429):
        assert e["type"] == "throttling_error" and e["code"] == "429"
        assert re.match(r"Rate limit exceeded for api_key: sk-\.\.\..{4}\. Window: 1h rolling \(plan\)\. "
                        r"Limit type: requests\. Current limit: 7, Remaining: 0\. Limit resets at: 2", e["message"])
    for a in seen:
        if a.status == 429:
            assert 3500 < int(a.headers["retry-after"]) <= 3661
    left = sorted(int(a.headers["x-ratelimit-api_key-remaining-requests-plan"]) for a in good(seen))
    assert left[0] == 0 and good(seen)[0].headers["x-ratelimit-api_key-limit-requests-plan"] == "7"
    assert used(gw, k) == [{"name": "plan", "requests": 7}]
    assert gw.ask("m", key=gw.key()).status == 200              # nothing to another


def test_a_refusal_costs_nobody_anything(start):
    gw = start([("m", "plain")], workers=2)
    k = gw.key(limit_windows=[{**HOUR, "requests": 3}, {"duration": "2h", "requests": 5}], rpm_limit=1000)
    assert [gw.ask("m", key=k).status for _ in range(6)] == [200] * 3 + [429] * 3
    assert [w["requests"] for w in used(gw, k)] == [3, 3]
    gw.post("/key/update", {"key": k, "limit_windows": [{**HOUR, "requests": 4}, {"duration": "2h", "requests": 5}]})
    assert [gw.ask("m", key=k).status for _ in range(3)] == [200, 429, 429]     # it goes on from three
    gw.post("/key/update", {"key": k, "limit_windows": [{"duration": "2h", "requests": 5}]})
    assert [gw.ask("m", key=k).status for _ in range(2)] == [200, 429]
    gw.post("/key/update", {"key": k, "limit_windows": None})
    assert gw.ask("m", key=k).status == 200 and used(gw, k) == []


@pytest.mark.timing
def test_waiting_as_long_as_told_is_enough(start):
    gw = start([("m", "plain")], workers=2)
    for kind in "rolling", "fixed":
        k = gw.key(limit_windows=[{"duration": "6s", "kind": kind, "requests": 4}])
        if kind == "fixed":                                     # not across its edge
            threading.Event().wait(6.05 - (time.time() - 4 * 86400) % 6)
        assert len(good(flood(gw, 12, k, "m"))) == 4
        a = gw.ask("m", key=k)
        assert a.status == 429 and 1 <= int(a.headers["retry-after"]) <= 7
        threading.Event().wait(int(a.headers["retry-after"]))
        assert len(good(flood(gw, 12, k, "m"))) == 4


def test_tokens_are_corrected_by_what_was_used(gw):
    k = gw.key(limit_windows=[{**HOUR, "tokens": 1000}])
    text = "a few words that weigh a lot " * 80                 # about 600 tokens, by estimate
    for _ in range(8):
        assert gw.ask("mock?prompt=10&out=5", text, key=k).status == 200
    assert used(gw, k) == [{"tokens": 120}]
    for _ in range(4):                                          # a failure costs none
        assert gw.ask("mock?status=500", text, key=k, num_retries=0).status == 500
    assert used(gw, k) == [{"tokens": 120}]
    assert gw.ask("mock?prompt=500&out=500", key=k).status == 200
    a = gw.ask("mock?prompt=10&out=5", key=k)
    assert a.status == 429 and "Window: 1h rolling. Limit type: tokens. Current limit: 1000, " in \
        a.json["error"]["message"]
    assert used(gw, k) == [{"tokens": 1120}]


def test_tokens_of_prompts_and_of_answers(gw):
    k = gw.key(tpm_input_limit=100, tpm_output_limit=50)
    assert gw.ask("mock?prompt=20&out=50", key=k).status == 200
    a = gw.ask("mock?prompt=20&out=1", key=k)
    assert a.status == 429 and "Limit type: output_tokens. Current limit: 50" in a.json["error"]["message"]
    assert 50 <= int(a.headers["retry-after"]) <= 62
    names = ["tpm_input_limit", "tpm_output_limit"]
    assert used(gw, k) == [{"name": names[0], "input_tokens": 20}, {"name": names[1], "output_tokens": 50}]
    other = gw.key(tpm_input_limit=100)
    assert gw.ask("mock?prompt=100&out=5000", key=other).status == 200
    a = gw.ask("mock?prompt=20&out=1", key=other)
    assert a.status == 429 and "Limit type: input_tokens. Current limit: 100" in a.json["error"]["message"]


def test_money(start, mock):
    """A request of 50 and 10 tokens costs 0.00007, and no more than 0.00012 is set aside for it."""
    gw = start([("m", "mock?ttft=150&prompt=50&out=10")], workers=3)
    k = gw.key(limit_windows=[{"duration": "1d", "kind": "fixed", "cost": 0.0004}])
    seen = flood(gw, 60, k, "m", max_tokens=10)
    first = len(good(seen))
    assert 3 <= first <= 5 and first == len(mock.log())
    for e in refused(seen, 429):
        assert "Window: 1d fixed. Limit type: cost. Current limit: 0.0004 dollars" in e["message"]
    while gw.ask("m", key=k, max_tokens=10).status == 200:      # what was set aside too much is back
        first += 1
    assert first in (4, 5)
    assert used(gw, k) == [{"cost": pytest.approx(first * 0.00007)}]


def test_models_and_hours_count_more(gw):
    k = gw.key(limit_windows=[{**HOUR, "requests": 10, "multipliers": [
        {"model": "mock?status=503", "multiplier": 0},
        {"model": "mock*out=7", "multiplier": 2.5},
        {"from": "00:00", "to": "24:00", "time_zone": "Europe/Zurich", "multiplier": 2},
        {"multiplier": 100}]}])
    assert gw.ask("mock?out=7", key=k).status == 200
    assert used(gw, k) == [{"requests": 3}]                     # two and a half
    assert gw.ask("mock?out=8", key=k).status == 200
    assert used(gw, k) == [{"requests": 5}]
    assert gw.ask("mock?status=503", key=k, num_retries=0).status == 503
    assert used(gw, k) == [{"requests": 5}]
    assert [gw.ask("mock?out=7", key=k).status for _ in range(3)] == [200, 200, 429]


def test_a_team_has_them_too(start):
    gw = start([("m", "plain")], workers=2)
    team = gw.post("/team/new", {"team_alias": "t", "limit_windows": [{"duration": "5h", "requests": 4}]}).json["team_id"]
    a, b = gw.key(team_id=team, limit_windows=[{**HOUR, "requests": 3}]), gw.key(team_id=team)
    assert [gw.ask("m", key=a).status for _ in range(4)] == [200, 200, 200, 429]
    refusal = [gw.ask("m", key=b) for _ in range(2)]
    assert [x.status for x in refusal] == [200, 429]
    assert "for team: " in refusal[1].json["error"]["message"] and "Window: 5h rolling" in refusal[1].json["error"]["message"]
    shown = gw.get(f"/team/info?team_id={team}").json["team_info"]
    assert shown["limit_windows_used"] == [{"duration": "5h", "kind": "rolling", "requests": 4}]
    assert shown["limit_windows"] == [{"duration": "5h", "requests": 4}]


def test_retries_and_fallbacks_count_once(start, mock):
    gw = start([("bad", "mock?status=500"), ("m", "mock?prompt=50&out=10")], settings="""
router_settings:
  num_retries: 2
  fallbacks: [{bad: [m]}]
""")
    k = gw.key(limit_windows=[{**HOUR, "requests": 2}, {**HOUR, "tokens": 1000}])
    assert [gw.ask("bad", key=k).status for _ in range(3)] == [200, 200, 429]
    assert len(mock.log()) > 4
    assert used(gw, k) == [{"requests": 2}, {"tokens": 120}]


def test_they_survive_a_kill(start):
    gw = start([("m", "mock?prompt=50&out=10")], workers=2)
    windows = [{**HOUR, "requests": 20, "multipliers": [{"model": "m", "multiplier": 2}]}, {**HOUR, "tokens": 1000},
               {"duration": "1d", "kind": "fixed", "cost": 1}]
    team = gw.post("/team/new", {"limit_windows": [{**HOUR, "output_tokens": 500}]}).json["team_id"]
    k = gw.key(team_id=team, limit_windows=windows)
    for _ in range(3):
        assert gw.ask("m", key=k).status == 200
    os.kill(gw.ctl_json("workers")["workers"][0]["pid"], signal.SIGKILL)
    for _ in range(3):
        assert gw.ask("m", key=k).status == 200
    before = used(gw, k)
    assert before == [{"requests": 12}, {"tokens": 360}, {"cost": pytest.approx(0.00042)}]
    gw.spend_rows(wait_for=6)
    gw.kill()                                                   # a new board: the ledger says what was used
    gw.start()
    assert used(gw, k) == before
    assert gw.get(f"/team/info?team_id={team}").json["team_info"]["limit_windows_used"][0]["output_tokens"] == 60
    assert [gw.ask("m", key=k).status for _ in range(5)] == [200] * 4 + [429]


def test_burst(gw):
    """Two at once, and then one a second; without it, all sixty at once."""
    k = gw.key(rpm_limit=60, rpm_burst=2)
    seen = [gw.ask("m", key=k) for _ in range(4)]
    assert [a.status for a in seen][:2] == [200, 200] and 429 in [a.status for a in seen]
    assert seen[0].headers["x-ratelimit-api_key-limit-requests"] == "60"
    assert int(seen[0].headers["x-ratelimit-api_key-remaining-requests"]) <= 1
    assert gw.get(f"/key/info?key={k}").json["info"]["rpm_burst"] == 2
    assert {gw.ask("m", key=gw.key(rpm_limit=60)).status for _ in range(1)} == {200}
    gw.post("/key/update", {"key": k, "rpm_burst": None})
    assert {gw.ask("m", key=k).status for _ in range(20)} == {200}


@pytest.mark.parametrize("bad, what", [
    ([{"requests": 5}], "duration"), ([{**HOUR}], "one of requests"), ([{**HOUR, "requests": 0}], "at least 1"),
    ([{**HOUR, "requests": 1, "tokens": 1}], "one of requests"), ([{"duration": "500ms", "requests": 1}], "duration"),
    ([{**HOUR, "requests": 1}] * 2, "names"), ([{**HOUR, "requests": 1, "kind": "sliding"}], "rolling or fixed"),
    ([{**HOUR, "requests": 1, "per": 1}], "member"), ({"duration": "1h"}, "list"),
    ([{**HOUR, "requests": 1, "multipliers": [{"model": "m"}]}], "multipliers"),
    ([{**HOUR, "requests": 1, "multipliers": [{"multiplier": 2, "days": "moon"}]}], "days"),
    ([{**HOUR, "requests": 1, "multipliers": [{"multiplier": 2, "time_zone": "Mars/Base"}]}], "time_zone"),
    ([{**HOUR, "requests": 1, "name": "a b"}], "name"), ([{**HOUR, "cost": -1}], "cost"),
    ([{"duration": f"{n}h", "requests": 1} for n in range(1, 10)], "more than 8"),
])
def test_what_is_none_is_refused(gw, bad, what):
    a = gw.post("/key/generate", {"limit_windows": bad})
    assert a.status == 400 and what in a.json["error"]["message"], a
    assert a.json["error"]["param"] == "limit_windows"


def test_numbers_that_are_none(gw):
    for field in "rpm_burst", "tpm_input_limit", "tpm_output_limit":
        for bad in 0, -1, "many", 1.5:
            a = gw.post("/key/generate", {field: bad})
            assert a.status == 400 and field in a.json["error"]["message"]


def test_by_command(gw):
    made = gw.ctl_json("keys", "create", "--key-alias", "c", "--limit-windows", '[{"duration":"1h","requests":2}]',
                       "--rpm-burst", "5", "--tpm-input-limit", "1000")
    assert [gw.ask("m", key=made["key"]).status for _ in range(3)] == [200, 200, 429]
    shown = gw.ctl_json("keys", "show", "c")["info"]
    assert shown["limit_windows"] == [{"duration": "1h", "requests": 2}] and shown["rpm_burst"] == 5
    assert [w.get("requests") for w in shown["limit_windows_used"]] == [2, None]
    gw.ctl("keys", "update", "c", "--limit-windows", '[{"duration":"1h","requests":3}]')
    assert [gw.ask("m", key=made["key"]).status for _ in range(2)] == [200, 429]


# ---- of users, organizations, customers and tags -------------------------------------------------

def make(gw, kind, **limits):
    """Something of that kind with these limits: what asks for it, its name, and how its windows stand."""
    if kind == "user":
        gw.post("/user/new", {"user_id": "ann", "auto_create_key": False, **limits})
        key = gw.key(user_id="ann")
        return key, {}, lambda: gw.get("/user/info?user_id=ann").json["user_info"], "user", "/user/update", {"user_id": "ann"}
    if kind == "organization":
        gw.post("/organization/new", {"organization_id": "acme", "organization_alias": "Acme", **limits})
        gw.post("/team/new", {"team_id": "crew", "organization_id": "acme"})
        key = gw.key(team_id="crew")
        return (key, {}, lambda: gw.get("/organization/info?organization_id=acme").json, "organization",
                "/organization/update", {"organization_id": "acme"})
    if kind == "customer":
        gw.post("/customer/new", {"user_id": "eve", **limits})
        return (gw.key(), {"user": "eve"}, lambda: gw.get("/customer/info?end_user_id=eve").json, "end_user",
                "/customer/update", {"user_id": "eve"})
    gw.post("/tag/new", {"name": "red", **limits})
    return (gw.key(), {"metadata": {"tags": ["red"]}},
            lambda: gw.post("/tag/info", {"names": ["red"]}).json["red"], "tag", "/tag/update", {"name": "red"})


KINDS = ("user", "organization", "customer", "tag")


def stands(shown):
    return [{k: v for k, v in w.items() if k not in ("duration", "kind")} for w in shown.get("limit_windows_used", [])]


@pytest.mark.parametrize("kind", KINDS)
def test_others_have_them_too(start, mock, kind):
    gw = start([("m", "mock?ttft=30&prompt=20&out=50")], workers=3)
    key, more, shown, word, update, name = make(gw, kind, limit_windows=[{**HOUR, "requests": 5, "name": "plan"}])
    seen = flood(gw, 40, key, "m", **more)
    assert len(good(seen)) == 5 and len(mock.log()) == 5         # exact over all workers
    for e in refused(seen, 429):
        assert e["message"].startswith(f"Rate limit exceeded for {word}: ") and "Window: 1h rolling (plan)" in e["message"]
    assert good(seen)[0].headers[f"x-ratelimit-{word}-limit-requests-plan"] == "5"
    assert stands(shown()) == [{"name": "plan", "requests": 5}]
    assert shown()["limit_windows"] == [{**HOUR, "requests": 5, "name": "plan"}]
    assert gw.ask("m", key=gw.key()).status == 200               # nothing to others
    method = "PATCH" if kind == "organization" else "POST"
    assert gw.request(method, update, {**name, "limit_windows": None, "tpm_output_limit": 60, "tpm_input_limit": 1000}).status == 200
    assert gw.ask("m", key=key, **more).status == 200 and gw.ask("m", key=key, **more).status == 200
    a = gw.ask("m", key=key, **more)
    assert a.status == 429 and "Limit type: output_tokens. Current limit: 60" in a.json["error"]["message"]
    assert stands(shown()) == [{"name": "tpm_input_limit", "input_tokens": 40}, {"name": "tpm_output_limit", "output_tokens": 100}]
    for wrong in ({"limit_windows": [{"duration": "1h"}]}, {"limit_windows": 5}, {"tpm_input_limit": "many"}):
        assert gw.request(method, update, {**name, **wrong}).status == 400, wrong


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_board_counts_theirs_again(start, kind):
    gw = start([("m", "mock?prompt=20&out=50")], workers=1)
    windows = [{**HOUR, "requests": 100}, {**HOUR, "tokens": 100000}]
    key, more, shown, *_ = make(gw, kind, limit_windows=windows)
    for _ in range(3):
        assert gw.ask("m", key=key, **more).status == 200
    assert gw.ask("m", key=gw.key()).status == 200
    assert len(gw.spend_rows(wait_for=4)) == 4
    gw.stop()
    gw.start()
    assert stands(shown()) == [{"requests": 3}, {"tokens": 210}]
    assert gw.ask("m", key=key, **more).status == 200
    assert stands(shown()) == [{"requests": 4}, {"tokens": 280}]


def test_a_users_money_is_not_its_teams(start):
    """As of budgets: rates of a user hold for all its keys, money for those without a team."""
    gw = start([("m", "mock?prompt=50&out=10")], workers=1)
    gw.post("/user/new", {"user_id": "ann", "auto_create_key": False,
                          "limit_windows": [{**HOUR, "cost": 0.00007}, {**HOUR, "requests": 4}]})
    gw.post("/team/new", {"team_id": "crew"})
    own, of_team = gw.key(user_id="ann"), gw.key(user_id="ann", team_id="crew")
    assert gw.ask("m", key=own, max_tokens=10).status == 200
    a = gw.ask("m", key=own, max_tokens=10)
    assert a.status == 429 and "Limit type: cost" in a.json["error"]["message"]
    assert [gw.ask("m", key=of_team, max_tokens=10).status for _ in range(4)] == [200, 200, 200, 429]
