# SPDX-License-Identifier: MIT
"""Shares of a model's limits: once it is saturated, keys of a class go as far as priority_reservation
says and no further; until then whoever comes may use what nobody else does."""
import collections

import pytest

from test_gates import to
from test_limits import flood, good, refused

SHARES = """
litellm_settings:
  priority_reservation: {prod: 0.8, dev: 0.2, small: {type: rpm, value: 3}}
  priority_reservation_settings: {default_priority: 0.25, saturation_threshold: %s}
"""


@pytest.fixture
def begin(start, mock):
    def run(settings, **limits):
        gw = start([("m", to(mock, "openai/plain", **limits)), ("free", "plain")], settings, workers=3)
        return gw, lambda name, **kw: gw.key(metadata={"priority": name} if name else {}, **kw)
    return run


def test_without_it_the_first_takes_all(begin):
    gw, key = begin("")
    assert len(good(flood(gw, 40, key("dev"), "m"))) == 40


def test_shares_are_exact_over_all_workers(begin, mock):
    gw, key = begin(SHARES % 0, rpm=20)             # saturated from the start
    seen = flood(gw, 40, key("dev"), "m")
    # 0.8 and 0.2 and three of twenty are more than all: each is 1 / 1.15 of what it says
    assert len(good(seen)) == 3
    for e in refused(seen, 429):
        assert e["message"].startswith("Rate limit exceeded for priority: dev. Model: m. Limit type: requests. "
                                       "Current limit: 3, Remaining: 0."), e
    assert all(1 <= int(a.headers["retry-after"]) <= 62 for a in seen if a.status == 429)
    assert len(good(flood(gw, 40, key("dev"), "m"))) == 0       # another key, the same class
    assert len(good(flood(gw, 40, key("small"), "m"))) == 2
    assert len(good(flood(gw, 40, key(None), "m"))) == 5        # a quarter, for all who have no class
    assert len(good(flood(gw, 40, key("unheard-of"), "m"))) == 0
    seen = flood(gw, 40, key("prod"), "m")
    assert len(good(seen)) == 10                                # the whole is 20
    assert {e["message"].split(".")[0] for e in refused(seen, 429)} == {"Rate limit exceeded for model: m"}
    assert len(mock.log()) == 20
    assert gw.ask("m").status == 429                            # an administrator has no class
    assert len(good(flood(gw, 40, key("dev"), "free"))) == 40   # a model without limits has no shares


def test_what_nobody_uses_is_there_for_all(begin):
    gw, key = begin("""
litellm_settings:
  priority_reservation: {prod: 0.8, dev: 0.2}
""", rpm=40)
    dev, prod = key("dev"), key("prod")
    assert [gw.ask("m", key=dev).status for _ in range(25)] == [200] * 20 + [429] * 5    # half of it, and not a fifth
    seen = flood(gw, 40, prod, "m")
    assert len(good(seen)) == 20 and gw.ask("m", key=dev).status == 429


def test_a_class_that_is_within_its_share_still_gets_it(begin):
    gw, key = begin(SHARES % 0.5, rpm=40)
    prod, dev = key("prod"), key("dev")
    assert {gw.ask("m", key=prod).status for _ in range(25)} == {200}       # saturated
    got = collections.Counter(gw.ask("m", key=dev).status for _ in range(12))
    assert got == {200: 7, 429: 5}                              # 0.2 / 1.075 of 40
    assert {gw.ask("m", key=prod).status for _ in range(4)} == {200}


def test_a_team_has_a_class_and_a_key_another(begin):
    gw, key = begin(SHARES % 0, rpm=20)
    team = gw.post("/team/new", {"metadata": {"priority": "dev"}}).json["team_id"]
    of_team, own = key(None, team_id=team), key("prod", team_id=team)
    assert len(good(flood(gw, 10, of_team, "m"))) == 3
    assert "priority: dev" in gw.ask("m", key=of_team).json["error"]["message"]
    assert len(good(flood(gw, 10, own, "m"))) == 10
    gw.post("/key/update", {"key": of_team, "metadata": {"priority": "prod"}})
    assert gw.ask("m", key=of_team).status == 200


def test_tokens(start, mock):
    gw = start([("m", to(mock, "openai/a?prompt=60&out=10", tpm=1000))], """
litellm_settings:
  priority_reservation: {dev: 0.1}
  priority_reservation_settings: {saturation_threshold: 0}
""", workers=3)
    dev = gw.key(metadata={"priority": "dev"})
    seen = [gw.ask("m", key=dev) for _ in range(4)]
    assert [a.status for a in seen] == [200, 200, 429, 429]     # 70, and then 140: estimated at less
    assert "priority: dev. Model: m. Limit type: tokens. Current limit: 100, Remaining: 0" in \
        seen[2].json["error"]["message"]
    assert gw.ask("m", key=gw.key()).status == 200
    h = seen[1].headers                             # 70, and what this one is likely to take
    assert h["x-ratelimit-priority-limit-tokens-1m"] == "100"
    assert 10 <= int(h["x-ratelimit-priority-remaining-tokens-1m"]) < 30
    assert 910 <= int(h["x-ratelimit-model-remaining-tokens-1m"]) < 930
