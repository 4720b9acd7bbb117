# SPDX-License-Identifier: MIT
"""Reports: what they say is what the ledger's single rows sum up to, whatever is asked and however."""
import collections
import contextlib
import csv
import io
import json
import os
import signal
import sqlite3
import time
from decimal import Decimal

import pytest

from gateway import until


def today():
    return time.strftime("%Y-%m-%d", time.gmtime())


def days():
    return f"start_date={today()}&end_date={today()}"


PATHS = ["/spend/logs/v2", "/spend/logs/ui", "/spend/users", "/spend/tags", "/spend/keys", "/team/daily/activity",
         "/organization/daily/activity", "/customer/daily/activity", "/end_user/daily/activity", "/tag/daily/activity",
         "/global/spend", "/global/spend/logs", "/global/spend/keys", "/global/spend/models", "/global/spend/teams",
         "/global/spend/tags", "/global/spend/all_tag_names", "/global/spend/provider", "/global/spend/report",
         "/global/activity", "/global/activity/model", "/spend/export"]


def raw(gw):
    """The ledger's single rows, with their keys' names."""
    with contextlib.closing(sqlite3.connect(f"file:{gw.tmp}/state/llmgw.db?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return [dict(r) for r in db.execute(
            "SELECT l.*, k.alias, k.user_id FROM spend_logs l LEFT JOIN keys k ON k.id = l.key_id")]


def money(nano):
    return Decimal(int(nano)) / 10**9


def dollars(v):
    return Decimal(str(v))


@pytest.fixture
def spent(start):
    """40 requests of three keys: two users, a team of an organization, tags, end users, failures."""
    gw = start([("m", "mock?prompt=50&out=10"), ("n", "mock?prompt=7&out=3"), ("bad", "mock?status=500")],
               settings="router_settings: {num_retries: 0}\n", workers=2)
    gw.post("/team/new", {"team_id": "physics", "team_alias": "Physics", "organization_id": "uni"})
    keys = [gw.key(key_alias="a", user_id="ann", team_id="physics"), gw.key(key_alias="b", user_id="bob"),
            gw.key(key_alias="c")]
    for i in range(40):
        extra = {"user": f"eu{i % 5}"} if i % 2 else {}
        if i % 4 == 0:
            extra["metadata"] = {"tags": ["prod", f"job:{i % 3}"]}
        headers = {"x-litellm-tags": "from-header, prod"} if i % 8 == 1 else None
        a = gw.ask("bad" if i % 10 == 9 else "mn"[i % 2], key=keys[i % 3], headers=headers, **extra)
        assert a.status == (500 if i % 10 == 9 else 200), a
    assert len(gw.spend_rows(40)) == 40
    gw.keys = keys
    return gw


def sums(rows, key):
    out = collections.defaultdict(lambda: [0, 0])
    for r in rows:
        out[key(r)][0] += 1
        out[key(r)][1] += r["cost"]
    return {k: (n, money(c)) for k, (n, c) in out.items()}


def test_sums_are_those_of_the_rows(spent):
    gw, rows = spent, raw(spent)
    total = sum(r["cost"] for r in rows)
    assert total > 0
    assert dollars(gw.get("/global/spend").json["spend"]) == money(total)
    assert [dollars(d["spend"]) for d in gw.get("/global/spend/logs").json] == [money(total)]
    by = {"model": lambda r: r["model"], "key": lambda r: r["alias"], "user": lambda r: r["user_id"] or "(none)",
          "team": lambda r: "Physics" if r["team"] else "(none)",
          "organization": lambda r: "uni" if r["team"] else "(none)", "day": lambda r: today()}
    for name, key in by.items():
        report = gw.ctl_json("spend", "report", "--group-by", name)
        assert {r["name"]: (r["requests"], dollars(r["spend"])) for r in report["rows"]} == sums(rows, key), name
        assert dollars(report["total"]["spend"]) == money(total)
        assert report["total"]["failed_requests"] == 4
    customers = gw.ctl_json("spend", "report", "--group-by", "customer")["rows"]
    assert {r["name"]: (r["requests"], dollars(r["spend"])) for r in customers} == \
        sums([r for r in rows if r["end_user"]], lambda r: r["end_user"])
    hours = gw.ctl_json("spend", "report", "--group-by", "hour")
    assert sum(r["requests"] for r in hours["rows"]) == 40
    assert {m["model"]: dollars(m["total_spend"]) for m in gw.get("/global/spend/models").json} == \
        {k: v[1] for k, v in sums(rows, lambda r: r["model"]).items()}
    assert {k["key_alias"]: dollars(k["total_spend"]) for k in gw.get("/global/spend/keys").json} == \
        {k: v[1] for k, v in sums(rows, lambda r: r["alias"]).items()}
    assert {u["user_id"]: dollars(u["spend"]) for u in gw.get("/spend/users").json} == \
        {k: v[1] for k, v in sums(rows, lambda r: r["user_id"]).items() if k}
    ends = gw.post("/global/spend/end_users", {"startTime": today(), "endTime": today()}).json
    assert {e["end_user"]: (e["total_count"], dollars(e["total_spend"])) for e in ends} == \
        sums([r for r in rows if r["end_user"]], lambda r: r["end_user"])
    assert sum(dollars(p["spend"]) for p in gw.get("/global/spend/provider").json) == money(total)


def test_tags_reach_rows_and_sums(spent):
    gw = spent
    tags = collections.Counter()
    for row in gw.spend_rows(40):
        tags.update(set(row["request_tags"]))
    assert tags["prod"] == 15 and tags["from-header"] == 5 and tags["job:0"] > 0
    assert {t["individual_request_tag"]: t["log_count"] for t in gw.get("/spend/tags").json} == tags
    per_tag = gw.get("/global/spend/tags?tags=prod,from-header").json["spend_per_tag"]
    assert {t["name"]: t["log_count"] for t in per_tag} == {"prod": 15, "from-header": 5}
    assert gw.get("/global/spend/all_tag_names").json["tag_names"] == sorted(tags)
    page = gw.get(f"/tag/daily/activity?{days()}&tags=prod").json
    assert page["metadata"]["total_api_requests"] == 15
    assert page["results"][0]["breakdown"]["entities"]["prod"]["metrics"]["api_requests"] == 15
    assert len(gw.get("/spend/logs/v2?tag=from-header").json["data"]) == 5


def test_daily_activity(spent):
    gw, rows = spent, raw(spent)
    page = gw.get(f"/user/daily/activity?{days()}&page_size=1000").json
    assert set(page) == {"results", "metadata"} and len(page["results"]) == 1
    day = page["results"][0]
    assert set(day) == {"date", "metrics", "breakdown"} and day["date"] == today()
    assert set(day["breakdown"]) == {"mcp_servers", "models", "model_groups", "providers", "endpoints", "api_keys",
                                     "entities"}
    m = day["metrics"]
    assert dollars(m["spend"]) == money(sum(r["cost"] for r in rows))
    assert m["prompt_tokens"] == sum(r["input"] for r in rows)
    assert m["completion_tokens"] == sum(r["output"] for r in rows)
    assert (m["api_requests"], m["failed_requests"], m["successful_requests"]) == (40, 4, 36)
    for part in ("model_groups", "entities", "endpoints", "providers"):
        for entry in day["breakdown"][part].values():
            inner = entry["api_key_breakdown"].values()
            assert sum(k["metrics"]["api_requests"] for k in inner) == entry["metrics"]["api_requests"], part
    assert {k["metadata"]["key_alias"]: k["metrics"]["api_requests"] for k in day["breakdown"]["api_keys"].values()} \
        == {k: v[0] for k, v in sums(rows, lambda r: r["alias"]).items()}
    team = gw.get(f"/team/daily/activity?{days()}&team_ids=physics").json
    assert team["results"][0]["breakdown"]["entities"]["physics"]["metadata"] == {"team_alias": "Physics"}
    assert team["metadata"]["total_api_requests"] == 14
    for path in ("/organization/daily/activity", "/customer/daily/activity", "/end_user/daily/activity"):
        assert gw.get(f"{path}?{days()}").json["metadata"]["total_api_requests"] == (14 if "org" in path else 20)
    own = gw.get(f"/user/daily/activity?{days()}&user_id=bob", key=gw.keys[0]).json
    assert own["metadata"]["total_api_requests"] == 14     # its own user's, whatever it asks for
    assert gw.get(f"/user/daily/activity/aggregated?{days()}").json["metadata"]["total_api_requests"] == 40
    assert gw.get("/user/daily/activity").status == 400


def test_report_of_teams_and_keys(spent):
    gw = spent
    report = gw.get(f"/global/spend/report?{days()}").json
    teams = {t["team_name"]: t for t in report[0]["teams"]}
    assert set(teams) == {"Physics", "Unassigned Team"}
    assert sum(dollars(d["spend"]) for d in teams["Physics"]["metadata"]) == dollars(teams["Physics"]["total_spend"])
    by_key = gw.get(f"/global/spend/report?{days()}&group_by=api_key").json
    assert len(by_key) == 3
    for k in by_key:
        assert sum(dollars(d["total_cost"]) for d in k["model_details"]) == dollars(k["total_cost"])
    customers = gw.get(f"/global/spend/report?{days()}&group_by=customer").json[0]["customers"]
    assert {c["customer"] for c in customers} == {f"eu{i}" for i in range(5)}
    activity = gw.get("/global/activity").json
    assert activity["sum_api_requests"] == 40
    assert sum(m["sum_total_tokens"] for m in gw.get("/global/activity/model").json) == activity["sum_total_tokens"]


def test_rows_in_pages(spent):
    gw = spent
    seen = []
    for page in (1, 2, 3):
        a = gw.get(f"/spend/logs/v2?page_size=15&page={page}").json
        assert (a["total"], a["total_pages"], a["page"]) == (40, 3, page)
        seen += [r["request_id"] for r in a["data"]]
    assert len(set(seen)) == 40
    assert gw.get("/spend/logs/ui?team_id=physics").json["total"] == 14
    assert gw.get("/spend/logs/v2?status_filter=failure").json["total"] == 4
    assert gw.get("/spend/logs/v2?user_id=ann&model=m").json["total"] == \
        len([r for r in raw(gw) if r["user_id"] == "ann" and r["model"] == "m"])


def exported(gw, *args):
    return gw.ctl("spend", "export", "--start", today(), "--end", today(), *args).stdout


def test_export_of_single_requests(spent, tmp_path):
    gw, rows = spent, raw(spent)
    lines = list(csv.DictReader(io.StringIO(exported(gw, "--format", "csv"))))
    assert len(lines) == 40 and [r["startTime"] for r in lines] == sorted(r["startTime"] for r in lines)
    assert sum(Decimal(r["spend"]) for r in lines) == money(sum(r["cost"] for r in rows))
    objects = [json.loads(line) for line in exported(gw, "--format", "jsonl").splitlines()]
    same = {o["request_id"]: o for o in gw.spend_rows(40)}
    assert {o["request_id"]: o for o in objects} == same
    for r in lines:
        o = same[r["request_id"]]
        assert (json.loads(r["request_tags"] or "[]"), r["end_user"], r["key_alias"], r["status"], r["model"]) == \
            (o["request_tags"], o["end_user"], o["key_alias"], o["status"], o["model"])
    out = tmp_path / "rows.csv"
    assert "40 rows" in exported(gw, "--out", str(out)) and out.read_text() == exported(gw)
    assert not list(tmp_path.glob("*.part"))
    assert gw.ctl("spend", "export", "--start", "2001-01-01", "--end", "2001-01-02", "--format", "jsonl").stdout == ""
    assert gw.ctl("spend", "export", "--format", "pdf", check=False).returncode == 1
    assert gw.ctl("spend", "export", "--out", "/nonexistent/x", check=False).returncode == 1
    a = gw.get(f"/spend/export?start={today()}&format=jsonl").json
    assert a["rows"] == 40 and a["next"] is None and len(a["text"].splitlines()) == 40
    assert gw.get("/spend/export?cursor=x").status == 400


def test_what_clients_choose_is_no_formula_in_an_export(start):
    gw = start([("m", "mock"), ("bad", "mock?status=500")], "router_settings: {num_retries: 0}\n")
    key = gw.key(key_alias="=HYPERLINK(\"http://x\")", user_id="+1+1")
    for model in ("m", "bad"):
        gw.ask(model, key=key, user="@SUM(A1)", metadata={"tags": ["-2+3"]})
    gw.spend_rows(2)
    for row in csv.DictReader(io.StringIO(gw.ctl("spend", "export").stdout)):
        assert (row["key_alias"], row["user"], row["end_user"]) == ("'=HYPERLINK(\"http://x\")", "'+1+1", "'@SUM(A1)"), row
        assert row["outcome"] == ("OK" if row["status"] == "success" else "UP_ERROR") and float(row["spend"]) >= 0
    for row in csv.DictReader(io.StringIO(gw.ctl("spend", "export", "--format", "focus").stdout)):
        assert row["x_UserId"] == "'+1+1" and not [v for v in row.values() if v[:1] in ("=", "+", "-", "@")], row
    failed = [r for r in gw.spend_rows(2) if r["status"] == "failure"][0]
    assert failed["metadata"]["outcome_name"] == "UP_ERROR" and isinstance(failed["metadata"]["outcome"], int)
    assert "UP_ERROR" in gw.ctl("spend", "show", failed["request_id"]).stdout


MANDATORY = """BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodStart BillingPeriodEnd
    ChargeCategory ChargeClass ChargeDescription ChargePeriodStart ChargePeriodEnd ContractedCost EffectiveCost
    InvoiceIssuerName ListCost PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory ServiceName
    ServiceProviderName HostProviderName Tags SubAccountId ConsumedQuantity ConsumedUnit""".split()


def test_export_of_focus(spent):
    gw, rows = spent, raw(spent)
    text = exported(gw, "--format", "focus")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert set(MANDATORY) <= set(lines[0])
    assert all(c[0].isupper() or c.startswith("x_") for c in lines[0])
    assert sum(Decimal(r["BilledCost"]) for r in lines) == money(sum(r["cost"] for r in rows))
    assert sum(int(r["x_RequestCount"]) for r in lines) == 40        # no request twice, whatever tags it has
    assert sum(int(r["ConsumedQuantity"]) for r in lines) == sum(r["input"] + r["output"] for r in rows)
    tagged = [r for r in lines if r["Tags"]]
    assert sum(int(r["x_RequestCount"]) for r in tagged) == 15
    assert sum(int(r["x_RequestCount"]) for r in tagged if json.loads(r["Tags"]).get("job") == "0") > 0
    assert all(json.loads(r["Tags"])["prod"] is True for r in tagged)
    for r in lines:
        assert r["ChargePeriodStart"] == f"{today()}T00:00:00Z" and r["ChargeCategory"] == "Usage"
        assert r["BillingPeriodStart"] == f"{today()[:7]}-01T00:00:00Z" and r["BillingCurrency"] == "USD"
        assert (r["SubAccountId"], r["SubAccountName"], r["SubAccountType"]) in \
            (("physics", "Physics", "Team"), ("", "", ""))
        assert r["ProviderName"] == r["ServiceProviderName"] != ""


def test_long_exports_come_in_pages(start):
    gw = start([("m", "mock")])
    gw.ask("m")
    gw.spend_rows(1)
    gw.stop()
    with contextlib.closing(sqlite3.connect(f"{gw.tmp}/state/llmgw.db")) as db:
        columns = [r[1] for r in db.execute("PRAGMA table_info(spend_logs)") if r[1] not in ("id", "request_id")]
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4499) INSERT INTO"
                   f" spend_logs (request_id, {','.join(columns)}) SELECT randomblob(16), {','.join(columns)}"
                   " FROM n, spend_logs")
        day = db.execute("SELECT day FROM spend_daily").fetchone()[0]
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) INSERT INTO"
                   " spend_daily SELECT ?, i + 100, 0, 0, 0, 0, 0, 1, 1, 0, 0, 5, 5, 0, 0, 0, 1000 FROM n", (day,))
        db.commit()
    gw.start()
    lines = list(csv.DictReader(io.StringIO(gw.ctl("spend", "export").stdout)))
    assert len(lines) == len({r["request_id"] for r in lines}) == 4500
    focus = list(csv.DictReader(io.StringIO(gw.ctl("spend", "export", "--format", "focus").stdout)))
    assert len(focus) == 2501 and sum(int(r["x_RequestCount"]) for r in focus) == 2501


def test_reports_are_for_administrators(spent):
    for path in PATHS:
        assert spent.get(path, key=spent.keys[0]).status == 401, path
        assert spent.get(path, key=False).status == 401, path
        assert spent.get(f"{path}?{days()}").status == 200, path


def test_sums_survive_kills(start):
    """Workers and then everybody killed: sums and rows still say the same."""
    gw = start([("m", "mock?prompt=50&out=10&ttft=20")], workers=2)
    key = gw.key(key_alias="k", user_id="ann")
    for round_ in range(3):
        for i in range(10):
            gw.ask("m", key=key, user=f"eu{i}", metadata={"tags": ["t", f"r{round_}"]})
        os.kill(next(p for p in gw.children()), signal.SIGKILL)
        until(lambda: gw.ask("m", key=key).status == 200)
    until(lambda: len(raw(gw)) >= 30)
    def agreed():
        """The last of the killed may be booked amid the readings, and behind them."""
        rows, total = raw(gw), gw.ctl_json("spend", "report")["total"]
        tags = {t["individual_request_tag"]: t["log_count"] for t in gw.get("/spend/tags").json}
        return ((total["requests"], dollars(total["spend"])) == (len(rows), money(sum(r["cost"] for r in rows)))
                and tags["t"] == len([r for r in rows if r["tags"]]))
    until(agreed)


def test_retention(start):
    """Old single requests go, in small jobs, while the ledger goes on; sums and new rows stay."""
    gw = start([("m", "mock?prompt=50&out=10")], settings="general_settings:\n"
               "  maximum_spend_logs_retention_period: 1d\n  maximum_spend_logs_retention_interval: 1m\n")
    key = gw.key(key_alias="k")
    gw.ask("m", key=key)
    gw.spend_rows(1)
    gw.stop()
    with contextlib.closing(sqlite3.connect(f"{gw.tmp}/state/llmgw.db")) as db:
        columns = [r[1] for r in db.execute("PRAGMA table_info(spend_logs)")
                   if r[1] not in ("id", "request_id", "start_ns")]
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO"
                   f" spend_logs (request_id, start_ns, {','.join(columns)}) SELECT randomblob(16),"
                   f" start_ns - 172800000000000, {','.join(columns)} FROM n, spend_logs")
        db.commit()
    gw.start()
    total = gw.ctl_json("spend", "report")["total"]
    for _ in range(5):
        assert gw.ask("m", key=key).status == 200
    assert gw.wait_log("spend.pruned")["rows"] == 2000
    rows = until(lambda: len(raw(gw)) == 6 and raw(gw))
    assert all(r["start_ns"] > (time.time() - 3600) * 1e9 for r in rows)
    after = until(lambda: (r := gw.ctl_json("spend", "report")["total"])["requests"] == 6 and r)
    assert dollars(after["spend"]) == 6 * dollars(total["spend"])


def test_discounts_and_margins_are_shown(start):
    gw = start([("m", "mock")], settings="litellm_settings: {cost_discount_config: {openai: 0.2}, "
                                         "cost_margin_config: {global: {percentage: 0.1, fixed_amount: 0.001}}}\n")
    assert gw.get("/config/cost_discount_config").json == {"values": {"openai": 0.2}}
    assert gw.get("/config/cost_margin_config").json == {"values": {"global": {"percentage": 0.1, "fixed_amount": 0.001}}}
    assert gw.get("/config/cost_margin_config", key=gw.key()).status == 401


def test_discounts_and_margins(start):
    """What workers reserve and book is the price with both; tokens and sums do not change."""
    def cost(settings):
        gw = start([("m", "mock?prompt=1000&out=1000")], settings=settings)
        assert gw.ask("m").status == 200
        return dollars(gw.spend_rows(1)[0]["spend"])
    plain = cost("")
    assert plain > 0
    assert cost("litellm_settings: {cost_discount_config: {openai: 0.2}}\n") == plain * Decimal("0.8")
    assert cost("litellm_settings: {cost_margin_config: {global: {percentage: 0.5, fixed_amount: 0.25}}}\n") == \
        plain * Decimal("1.5") + Decimal("0.25")


def test_estimates(start):
    gw = start([("m", {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "k",
                       "input_cost_per_token": 2e-6, "output_cost_per_token": 4e-6})],
               settings="litellm_settings: {cost_discount_config: {openai: 0.5}, cost_margin_config: {global: 1.0}}\n")
    key = gw.key()
    a = gw.post("/cost/estimate", {"model": "m", "input_tokens": 1000, "output_tokens": 500,
                                   "num_requests_per_day": 10}, key=key).json
    assert {k: a[k] for k in a if k.endswith("_per_request")} == {
        "cost_per_request": 0.004, "input_cost_per_request": 0.001, "output_cost_per_request": 0.001,
        "margin_cost_per_request": 0.002}
    assert (a["daily_cost"], a["daily_margin_cost"], a["monthly_cost"], a["num_requests_per_month"]) == \
        (0.04, 0.02, None, None)
    assert (a["input_cost_per_token"], a["output_cost_per_token"], a["provider"]) == (2e-6, 4e-6, "openai")
    usage = {"prompt_tokens": 1000, "completion_tokens": 500}
    assert gw.post("/spend/calculate", {"completion_response": {"model": "m", "usage": usage}}, key=key).json == \
        {"cost": 0.004}
    assert gw.post("/spend/calculate", {"model": "gpt-4o", "completion_response": {"usage": usage}}).json["cost"] > 0
    assert gw.post("/spend/calculate", {"model": "m", "usage": usage}).json == {"cost": 0.004}
    asked = [{"role": "system", "content": "x" * 400}, {"role": "user", "content": [{"type": "text", "text": "y" * 400}]}]
    assert gw.post("/spend/calculate", {"model": "m", "messages": asked}).json == {"cost": 0.0004}, "200 tokens, of 4 bytes"
    assert gw.post("/spend/calculate", {"model": "m", "messages": []}).json == {"cost": 0}
    for wrong in ({"model": "m"}, {"usage": usage}, {"messages": asked}, {"completion_response": {"model": "m"}, "messages": asked}):
        assert gw.post("/spend/calculate", wrong).status == 400, wrong
    assert gw.post("/cost/estimate", {"model": "nobody/knows"}).status == 404
    assert gw.post("/cost/estimate", {"model": "m", "input_tokens": 10**12}).status == 400
