# SPDX-License-Identifier: MIT
"""Customers, whom requests name as their user, and tags, which they carry."""
from decimal import Decimal

from test_limits import ONE, RESERVE, good, refused, until
from test_teams import flood, none_reserved


CUSTOMER = {"new": "/customer/new", "list": "/customer/list", "info": "/customer/info", "update": "/customer/update",
            "block": "/customer/block", "unblock": "/customer/unblock", "delete": "/customer/delete"}
END_USER = {"new": "/end_user/new", "list": "/end_user/list", "info": "/end_user/info", "update": "/end_user/update",
            "block": "/end_user/block", "unblock": "/end_user/unblock", "delete": "/end_user/delete"}


def customer(gw, name, **fields):
    a = gw.post("/customer/new", {"user_id": name, **fields})
    assert a.status == 200, a
    return a.json


def spend(gw, name):
    return Decimal(str(gw.get(f"/customer/info?end_user_id={name}").json["spend"]))


def test_a_customers_budget_over_many_keys(start, mock):
    gw = start([("m", "mock?ttft=250&prompt=50&out=10")], workers=3)
    budget = ONE * 10 + RESERVE
    customer(gw, "shop", alias="Shop", max_budget=float(budget))
    keys = [gw.key() for _ in range(4)]
    seen = flood(gw, 200, keys, "m", max_tokens=10, user="shop")
    n = len(good(seen))
    assert len(seen) == 200 and 6 <= n <= 11 and n == len(mock.log())
    for e in refused(seen, 429):
        assert e["message"].startswith("Budget has been exceeded! EndUser=Shop (shop) "), e
    while gw.ask("m", key=keys[0], max_tokens=10, user="shop").status == 200:
        n += 1
    assert budget - RESERVE < spend(gw, "shop") == ONE * n <= budget
    # by header, and of the master key
    for name in ("x-litellm-customer-id", "x-litellm-end-user-id"):
        assert gw.ask("m", key=keys[0], headers={name: "shop"}, max_tokens=10, user="other").status == 429
    assert gw.ask("m", max_tokens=10, user="shop").status == 429
    assert gw.ask("m", key=keys[0], max_tokens=10, user="other").status == 200
    assert gw.ask("m", max_tokens=10).status == 200
    none_reserved(gw)
    gw.spend_rows(wait_for=n + 2)
    gw.stop()
    gw.start()
    assert spend(gw, "shop") == ONE * n


def test_the_master_key_pays_for_customers(start):
    gw = start([("m", "mock?prompt=50&out=10")], workers=2)
    customer(gw, "shop", rpm_limit=2)
    seen = [gw.ask("m", max_tokens=10, user="shop") for _ in range(4)]
    assert [a.status for a in seen[:2]] == [200, 200] and seen[3].status == 429
    assert "Rate limit exceeded for end_user: shop. " in seen[3].json["error"]["message"]
    assert seen[0].headers["x-ratelimit-end_user-limit-requests"] == "2"
    assert spend(gw, "shop") == ONE * 2
    rows = gw.spend_rows(wait_for=2)
    assert {r["end_user"] for r in rows} == {"shop"}
    a = gw.ask("m", max_tokens=10, headers={"x-litellm-customer-id": "else"})
    assert a.status == 200 and gw.spend_rows(wait_for=3)[0]["end_user"] == "else"


def test_block_and_the_twins(start):
    gw = start([("m", "plain")], workers=3)
    k = gw.key()
    for of in (CUSTOMER, END_USER):
        assert gw.post(of["block"], {"user_ids": ["a", "b"]}).json["blocked_users"][1]["user_id"] == "b"
        for who in ("a", "b"):
            a = gw.ask("m", key=k, user=who)
            assert a.status == 401 and f"EndUser={who} is blocked. Update via `/customer/unblock`" in \
                a.json["error"]["message"]
        assert gw.ask("m", key=k, user="c").status == 200
        assert gw.post(of["unblock"], {"user_ids": ["a", "b"]}).status == 200
        assert gw.ask("m", key=k, user="a").status == 200
        assert gw.post(of["new"], {"user_id": "n", "max_budget": 2}).json["litellm_budget_table"]["max_budget"] == 2
        assert gw.post(of["update"], {"user_id": "n", "alias": "N"}).json["alias"] == "N"
        assert gw.get(of["info"] + "?end_user_id=n").json["user_id"] == "n"
        assert len(gw.get(of["list"]).json) == 3
        assert gw.post(of["delete"], {"user_ids": ["n", "a", "b"]}).json["deleted_customers"] == 3
        assert gw.post(of["unblock"], {"user_ids": ["a"]}).status == 404
        assert gw.post(of["new"], {"max_budget": 1}).status == 400
    gw.ctl("customers", "create", "x", "--max-budget", "1")
    gw.ctl("customers", "block", "x")
    assert "x" in gw.ctl("customers", "list").stdout
    gw.ctl("customers", "unblock", "x")
    gw.ctl("customers", "update", "x", "--rpm-limit", "4")
    assert gw.ctl_json("customers", "show", "x")["rpm_limit"] == 4
    gw.ctl("--yes", "customers", "delete", "x")


def test_tags(start, mock):
    gw = start([("m", "mock?ttft=100&prompt=50&out=10")], workers=3)
    budget = ONE * 5 + RESERVE
    a = gw.post("/tag/new", {"name": "batch", "description": "nightly", "max_budget": float(budget)})
    assert a.json["message"] == "Tag batch created successfully" and a.json["tag"]["description"] == "nightly"
    gw.post("/tag/new", {"name": "free"})
    keys = [gw.key() for _ in range(3)]
    seen = flood(gw, 100, keys, "m", max_tokens=10, metadata={"tags": ["free", "batch", "batch", "none"]})
    n = len(good(seen))
    assert 1 <= n <= 6 and all("Tag=nightly (batch)" in e["message"] for e in refused(seen, 429))
    shown = gw.post("/tag/info", {"names": ["batch", "free", "no"]}).json
    assert Decimal(str(shown["batch"]["spend"])) == Decimal(str(shown["free"]["spend"])) == ONE * n <= budget
    assert gw.ask("m", key=keys[0], max_tokens=10).status == 200
    assert gw.post("/tag/update", {"name": "batch", "max_budget": 1}).json["tag"]["max_budget"] == 1
    assert gw.ask("m", key=keys[0], headers={"x-litellm-tags": "batch"}, max_tokens=10).status == 200
    assert len(gw.get("/tag/list").json) == 2
    for i in range(14):
        gw.post("/tag/new", {"name": f"t{i}"})
    assert gw.ask("m", key=keys[0], metadata={"tags": [f"t{i}" for i in range(12)]}, max_tokens=10).status == 200
    a = gw.ask("m", key=keys[0], metadata={"tags": [f"t{i}" for i in range(14)]})
    assert a.status == 400 and "more than 14 of those" in a.json["error"]["message"]
    assert gw.post("/tag/delete", {"name": "batch"}).json["message"] == "Tag batch deleted successfully"
    none_reserved(gw)
    gw.ctl("tags", "create", "c", "--rpm-limit", "4")
    assert gw.ctl_json("tags", "show", "c")["c"]["rpm_limit"] == 4
    gw.ctl("tags", "update", "c", "--blocked")
    assert gw.ask("m", key=keys[0], headers={"x-litellm-tags": "c"}).status == 401
    assert "c" in gw.ctl("tags", "list").stdout
    gw.ctl("--yes", "tags", "delete", "c")


# ---- a budget for all ----------------------------------------------------------------------------

def asked(gw, name):
    return gw.ask("m", user=name, key=gw.key(), max_tokens=10).status


def test_a_budget_for_all_customers(start):
    gw = start([("m", "mock?prompt=50&out=10")], settings="litellm_settings: {max_end_user_budget: 0}\n", workers=2)
    customer(gw, "rich", max_budget=1)
    customer(gw, "made")
    until(lambda: asked(gw, "made") == 429)
    assert asked(gw, "rich") == 200
    # whom nobody has made gets a row with the first spending
    assert asked(gw, "shop") == 200
    until(lambda: gw.get("/customer/info?end_user_id=shop").status == 200)
    assert spend(gw, "shop") > 0
    until(lambda: asked(gw, "shop") == 429)
    assert gw.get("/customer/info?end_user_id=free-rider").status == 404
    assert gw.get("/customer/info?end_user_id=made").json["budget_id"] == "max_end_user_budget"

    def reload(line):
        lines = gw.config.read_text().splitlines(keepends=True)
        gw.config.write_text("".join(f"litellm_settings: {{{line}}}\n" if x.startswith("litellm_settings") else x for x in lines))
        gw.ctl("reload")
    reload("max_end_user_budget: 5")                     # for all at once
    until(lambda: asked(gw, "shop") == 200 and asked(gw, "made") == 200)
    reload("max_end_user_budget: 0")
    until(lambda: asked(gw, "shop") == 429)
    gw.stop()
    gw.start()
    assert asked(gw, "shop") == asked(gw, "made") == 429
    reload("")                                           # and no more
    until(lambda: asked(gw, "shop") == 200)
    gw.post("/budget/new", {"budget_id": "tiny", "max_budget": 0, "budget_duration": "1d"})
    reload("max_end_user_budget_id: tiny")
    assert asked(gw, "other") == 200
    until(lambda: asked(gw, "other") == 429)
    row = gw.get("/customer/info?end_user_id=other").json
    assert row["budget_id"] == "tiny" and row["budget_duration"] == "1d" and row["budget_reset_at"]
    reload("max_end_user_budget_id: unknown")
    until(lambda: gw.records("customers.default_failed"))
    assert "no such budget" in gw.records("customers.default_failed")[0]["error"]
