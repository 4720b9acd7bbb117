# SPDX-License-Identifier: MIT
"""How fast and how well models answered, and who used which tags: as the single rows of the ledger say."""
import statistics
import time

import pytest


def today(form="%Y-%m-%d"):
    return time.strftime(form, time.gmtime())


PATHS = ["/model/metrics", "/model/streaming_metrics", "/model/metrics/slow_responses", "/model/metrics/exceptions",
         "/global/activity/exceptions", "/global/activity/exceptions/deployment", "/global/activity/cache_hits",
         "/tag/dau", "/tag/wau", "/tag/mau", "/tag/summary", "/tag/distinct"]


@pytest.fixture
def asked(start):
    gw = start([("m", "mock?out=10&ttft=40"), ("slow", "mock?out=4&ttft=60"), ("limited", "mock?status=429"), ("bad", "mock?status=500")],
               "general_settings:\n  alerting_threshold: 0.05\n"
               "router_settings: {num_retries: 0, disable_cooldowns: true}\n"
               "litellm_settings: {cache: true, cache_params: {type: local}}\n")
    keys = [gw.key(user_id="ann", key_alias="a"), gw.key(user_id="bob")]
    for i in range(6):
        assert gw.ask("m", key=keys[i % 2], content=f"ask {i}", user="cust" if i == 0 else "other",
                      metadata={"tags": ["red"] if i % 2 else ["red", "blue", "Job:7"]}).status == 200
    assert gw.ask("m", key=keys[0], content="ask 0").headers["x-litellm-cache-key"]
    gw.ask("slow", key=keys[0], stream=True)
    for model in ("limited", "limited", "bad"):
        assert gw.ask(model, key=keys[1], content=model).status >= 400
    gw.rows = gw.spend_rows(11)
    gw.keys = keys
    return gw


def test_who_may_ask(gw):
    viewer = gw.post("/user/new", {"user_id": "eve", "user_role": "proxy_admin_viewer"}).json["key"]
    days = f"?start_date={today()}&end_date={today()}"
    for path in PATHS:
        assert gw.get(path + days).status == gw.get(path + days, key=viewer).status == 200, path
        assert gw.get(path + days, key=gw.key()).status == gw.get(path, key=False).status == 401, path
    for path in PATHS[4:7]:
        assert gw.get(path).status == 400, path
    for wrong in ("/model/metrics?startTime=yesterday", "/tag/summary?start_date=1"):
        assert gw.get(wrong).status == 400, wrong


def seconds(r, end="endTime"):
    at = lambda s: float(s[17:-1]) + 60 * (int(s[14:16]) + 60 * int(s[11:13]))
    return at(r[end]) - at(r["startTime"])


def test_seconds_a_token(asked):
    gw = asked
    a = gw.get("/model/metrics?_selected_model_group=m").json
    (place,) = a["all_api_bases"]
    wanted = [seconds(r) / r["completion_tokens"] for r in gw.rows if r["model_group"] == "m" and r["cache_hit"] != "True"]
    assert len(wanted) == 6 and min(wanted) > 0.003 and a["data"] == [{"date": today(), place: pytest.approx(statistics.mean(wanted), abs=2e-4)}]
    assert len(gw.get("/model/metrics").json["all_api_bases"]) == 2
    assert gw.get("/model/metrics?_selected_model_group=none").json == {"data": [], "all_api_bases": []}
    one = gw.get("/model/metrics?_selected_model_group=m&customer=cust").json["data"][0]
    first = [r for r in gw.rows if r["end_user"] == "cust"]
    assert len(first) == 1 and one[place] == pytest.approx(seconds(first[0]) / 10, abs=2e-4)
    assert gw.get(f"/model/metrics?api_key={gw.key()}").json["data"] == []
    assert gw.get("/model/metrics?startTime=2020-01-01&endTime=2020-01-31").json["data"] == []


def test_seconds_to_the_first_token(asked):
    gw = asked
    days = gw.get("/model/streaming_metrics?_selected_model_group=slow").json
    (place,) = days["all_api_bases"]
    assert days["data"][0]["date"] == today() and 0.05 < days["data"][0][place] < 5
    single = gw.get(f"/model/streaming_metrics?_selected_model_group=slow&startTime={today()}T00:00:00&endTime={today()}").json
    row = next(r for r in gw.rows if r["model_group"] == "slow")
    assert single["data"] == [{"date": row["request_id"], place: pytest.approx(seconds(row, "completionStartTime"), abs=0.002)}]


def test_slow_and_failed(asked):
    gw = asked
    slow = gw.get("/model/metrics/slow_responses?_selected_model_group=slow").json
    assert [(s["total_count"], s["slow_count"]) for s in slow] == [(1, 1)] and slow[0]["api_base"].startswith("http")
    failed = gw.get("/model/metrics/exceptions").json
    assert sorted(failed["exception_types"]) == ["InternalServerError", "RateLimitError"]
    assert [(f["total_exceptions"], f.get("RateLimitError"), f.get("InternalServerError")) for f in failed["data"]] == \
        [(2, 2, None), (1, None, 1)]
    assert failed["data"][0]["model"].startswith("mock?status=429-http")
    days = f"start_date={today()}&end_date={today()}"
    day = [{"date": today("%b %d"), "num_rate_limit_exceptions": 2}]
    assert gw.get(f"/global/activity/exceptions?{days}&model_group=limited").json == \
        {"daily_data": day, "sum_num_rate_limit_exceptions": 2}
    assert gw.get(f"/global/activity/exceptions?{days}&model_group=m").json["daily_data"] == []
    (place,) = gw.get(f"/global/activity/exceptions/deployment?{days}&model_group=limited").json
    assert place["daily_data"] == day and place["sum_num_rate_limit_exceptions"] == 2 and place["api_base"]


def test_cache_hits(asked):
    gw = asked
    rows = gw.get(f"/global/activity/cache_hits?start_date={today()}&end_date={today()}").json
    mine = next(r for r in rows if r["api_key"] == "a" and r["model"] == "m")
    assert mine == {"api_key": "a", "call_type": "acompletion", "model": "m", "total_rows": 4, "cache_hit_true_rows": 1,
                    "cached_completion_tokens": mine["cached_completion_tokens"], "generated_completion_tokens": 30}
    assert {r["api_key"] for r in rows} == {"a", "Unnamed Key"}


def test_users_of_tags(asked):
    gw = asked
    count = lambda path: [(r["tag"], r["active_users"]) for r in gw.get(path).json["results"]]
    for path in ("/tag/dau", "/tag/wau", "/tag/mau"):
        assert count(path) == [("red", 2), ("Job:7", 1), ("blue", 1)], path
        assert count(path + "?tag_filter=RE") == count(path + "?tag_filters=red,none") == [("red", 2)], path
    assert gw.get("/tag/dau").json["results"][0]["date"] == today()
    week = gw.get("/tag/wau").json["results"][0]
    assert week["date"].startswith("Week 7 (") and week["period_end"] == today()
    assert gw.get("/tag/mau").json["results"][0]["date"].startswith("Month 7 (")
    summary = gw.get(f"/tag/summary?start_date={today()}&end_date={today()}").json["results"]
    assert [(t["tag"], t["unique_users"], t["total_requests"], t["failed_requests"]) for t in summary] == \
        [("red", 2, 6, 0), ("Job:7", 1, 3, 0), ("blue", 1, 3, 0)]
    assert summary[0]["total_tokens"] == sum(r["total_tokens"] for r in gw.rows if "red" in r["request_tags"])
    assert gw.get("/tag/summary?start_date=2020-01-01&end_date=2020-01-02").json == {"results": []}
    assert gw.get("/tag/distinct").json == {"results": [{"tag": "red"}, {"tag": "blue"}]}
