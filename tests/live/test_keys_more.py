# SPDX-License-Identifier: MIT
"""LiteLLM's other calls about keys: many at once, by path, service accounts, names."""
import pytest

from gateway import Gateway, Mock


@pytest.fixture(scope="module")
def gw(tmp_path_factory):
    mock = Mock()
    g = Gateway(tmp_path_factory.mktemp("keys-more"),
                [("m", {"model": "openai/mock", "api_base": mock.base, "api_key": "x"})], workers=2).start()
    yield g
    g.stop()
    mock.close()


def test_a_key_in_the_path_is_regenerated(gw):
    old = gw.key(key_alias="path")
    a = gw.post("/key/path/regenerate", {})
    assert a.status == 200 and a.json["key"] != old
    assert gw.ask("m", key=old).status == 401 and gw.ask("m", key=a.json["key"]).status == 200
    b = gw.post(f"/key/{a.json['key']}/regenerate", {"key": "somebody-else", "new_key": "sk-of-the-path-itself"})
    assert b.status == 200 and b.json["key"] == "sk-of-the-path-itself" and b.json["key_alias"] == "path"
    assert gw.post("/key/nobody/regenerate", {}).status == 404


def test_spending_is_set_back(gw):
    token = gw.post("/key/generate", {"spend": 3, "max_budget": 5}).json["token"]
    a = gw.post(f"/key/{token}/reset_spend", {"reset_to": 1.5})
    assert a.status == 200, a
    assert a.json["key_hash"] == token and a.json["spend"] == 1.5 and a.json["max_budget"] == 5
    assert a.json["previous_spend"] == 3
    assert gw.get(f"/key/info?key={token}").json["info"]["spend"] == 1.5
    assert gw.post(f"/key/{token}/reset_spend", {}).status == 400
    assert gw.post(f"/key/{token}/reset_spend", {"reset_to": -1}).status == 400
    assert gw.post("/key/nobody/reset_spend", {"reset_to": 0}).status == 404


def test_a_service_account_is_a_teams_and_nobodys(gw):
    gw.post("/team/new", {"team_id": "crew"})
    a = gw.post("/key/service-account/generate", {"team_id": "crew", "key_alias": "robot", "user_id": "ada",
                                                  "metadata": {"room": 7}})
    assert a.status == 200 and a.json["user_id"] is None and a.json["team_id"] == "crew"
    assert a.json["metadata"] == {"room": 7, "service_account_id": "robot"}
    assert gw.ask("m", key=a.json["key"]).status == 200
    assert gw.post("/key/service-account/generate", {}).status == 400
    assert gw.post("/key/service-account/generate", {"team_id": "crew", "metadata": 5}).status == 400


def test_many_keys_are_changed_each_for_itself(gw):
    one, two = gw.key(key_alias="bulk1"), gw.key(key_alias="bulk2")
    a = gw.post("/key/bulk_update", {"keys": [{"key": one, "max_budget": 4}, {"key": "nobody", "max_budget": 4},
                                              {"key": "bulk2", "rpm_limit": 9}, {"key": two, "rpm_limit": "many"}, {}]})
    assert a.status == 200, a
    assert a.json["total_requested"] == 5
    assert [row["key"] for row in a.json["successful_updates"]] == [one, "bulk2"]
    assert a.json["successful_updates"][0]["key_info"]["max_budget"] == 4
    assert [row["key"] for row in a.json["failed_updates"]] == ["nobody", two, None]
    assert all(row["failed_reason"] for row in a.json["failed_updates"])
    assert gw.get("/key/info?key=bulk2").json["info"]["rpm_limit"] == 9
    for keys in ([], "x", ["x"], [{}] * 501):
        assert gw.post("/key/bulk_update", {"keys": keys}).status == 400
    rows = gw.get("/audit?page_size=2&action=updated").json["audit_logs"]
    assert [r["updated_values"].get("rpm_limit") for r in rows] == [9, None]


def test_several_keys_are_shown(gw):
    one = gw.post("/key/generate", {"key_alias": "several"}).json
    a = gw.post("/v2/key/info", {"keys": [one["key"], "nobody"]})
    assert a.status == 200 and a.json["key"] == [one["token"]]
    assert [row["key_alias"] for row in a.json["info"]] == ["several"]
    assert gw.post("/v2/key/info", {"keys": "x"}).status == 400
    assert gw.post("/v2/key/info", {"keys": [one["key"]]}, key=one["key"]).status == 401


def test_aliases_are_listed_and_searched(gw):
    for n in range(3):
        gw.key(key_alias=f"Name_{n}")
    a = gw.get("/key/aliases?search=name_&size=2").json
    assert a["aliases"] == ["Name_0", "Name_1"]
    assert (a["total_count"], a["total_pages"], a["current_page"], a["size"]) == (3, 2, 1, 2)
    assert gw.get("/key/aliases?search=name_&size=2&page=2").json["aliases"] == ["Name_2"]
    assert gw.get("/key/aliases?search=%25").json["aliases"] == []
    assert gw.get("/key/aliases?size=0").status == 400


def test_a_key_learns_that_it_works(gw):
    assert gw.post("/key/health", {}, key=gw.key()).json == {"key": "healthy", "logging_callbacks": None}
    assert gw.post("/key/health", {}, key="sk-nobody").status == 401


@pytest.mark.parametrize("new, show, name", [("/key/generate", "/key/info?key=", "key"),
                                             ("/customer/new", "/customer/info?end_user_id=", "user_id")])
def test_a_budget_takes_its_period_with_it(gw, new, show, name):
    """What a budget lends goes with it: under the next one spend begins anew as that says."""
    for budget, period in (("month", "1mo"), ("day", "1d"), ("for-ever", None)):
        gw.post("/budget/new", {"budget_id": budget, "max_budget": 5, **({"budget_duration": period} if period else {})})
    update = new.rsplit("/", 1)[0] + "/update"
    own = {"user_id": "someone"} if name == "user_id" else {}
    made = gw.post(new, {"budget_id": "month", **own})
    assert made.status == 200, made
    who = made.json[name]

    def change(**fields):
        a = gw.post(update, {name: who, **fields})
        assert a.status == 200, a
        row = gw.get(show + who).json
        row = row.get("info") or row
        return row["budget_duration"], row["budget_reset_at"]

    assert change(budget_id="day")[0] == "1d"
    assert change(budget_id="for-ever") == (None, None)
    assert change(budget_id="month")[0] == "1mo"
    assert change(budget_id="month")[0] == "1mo"
    assert change(budget_id="day", budget_duration="2h")[0] == "2h"     # its own
    assert change(budget_id="month")[0] == "2h"
