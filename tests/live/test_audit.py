# SPDX-License-Identifier: MIT
"""The audit log, as the management API shows it: who changed what, from where, and that it cannot
be altered unseen."""
import hashlib
import sqlite3

import pytest

from gateway import Gateway, Mock


@pytest.fixture(scope="module")
def gw(tmp_path_factory):
    mock = Mock()
    g = Gateway(tmp_path_factory.mktemp("audit"),
                [("m", {"model": "openai/mock", "api_base": mock.base, "api_key": "x"})],
                "general_settings:\n  store_model_in_db: true\n", workers=2).start()
    yield g
    g.stop()
    mock.close()


def rows(gw, **query):
    a = gw.get("/audit?page_size=100&" + "&".join(f"{k}={v}" for k, v in query.items()))
    assert a.status == 200, a
    return a.json["audit_logs"]


def test_rows_are_in_litellms_shape(gw):
    made = gw.post("/key/generate", {"key_alias": "shape", "max_budget": 3}).json
    row = rows(gw, object_id=made["token"])[0]
    assert {"id", "updated_at", "changed_by", "changed_by_api_key", "action", "table_name", "object_id",
            "before_value", "updated_values"} <= set(row)
    assert (row["action"], row["table_name"]) == ("created", "LiteLLM_VerificationToken")
    assert row["before_value"] is None and row["updated_values"]["max_budget"] == 3
    assert row["address"] == "127.0.0.1" and row["role"] == "proxy_admin"
    assert gw.get("/audit/" + row["id"]).json == row
    assert gw.get("/audit/none").status == 404
    listed = gw.get("/audit?page=1&page_size=1").json
    assert listed["page"] == 1 and listed["total_pages"] == listed["total"] >= 1


def test_a_change_is_told_with_what_was_before(gw):
    token = gw.post("/key/generate", {"key_alias": "told"}).json["token"]
    assert gw.post("/key/update", {"key": token, "rpm_limit": 5}, headers={"litellm-changed-by": "ada"}).status == 200
    row = rows(gw, object_id=token, action="updated")[0]
    assert row["changed_by"] == "ada" and row["before_value"]["rpm_limit"] is None
    assert row["updated_values"]["rpm_limit"] == 5
    gw.post("/key/block", {"key": token})
    gw.post("/key/delete", {"keys": [token]})
    assert [r["action"] for r in rows(gw, object_id=token)] == ["deleted", "blocked", "updated", "created"]


def test_no_key_and_no_secret_is_in_it(gw):
    key = gw.post("/key/generate", {"metadata": {"logging": {"langfuse_secret": "canary-7"}}}).json["key"]
    gw.post("/key/regenerate", {"key": key, "new_key": "sk-canary-new-one"})
    gw.ctl("reload")
    text = gw.get("/audit?page_size=100").body.decode()
    assert key not in text and "canary" not in text and gw.master_key not in text
    assert hashlib.sha256(gw.master_key.encode()).hexdigest() not in text


def test_only_administrators_see_it(gw):
    key = gw.key()
    assert gw.get("/audit", key=key).status == 401
    assert gw.get("/audit", key=False).status == 401


def test_bad_questions_are_refused(gw):
    for query in ("page=0", "page_size=0", "page_size=100000", "page=x", "sort_by=colour", "sort_order=up"):
        assert gw.get("/audit?" + query).status == 400, query


def test_what_is_altered_in_the_file_is_found(gw):
    for n in range(3):
        gw.key(key_alias=f"altered{n}")
    head = gw.ctl_json("audit", "verify")
    assert head["ok"] and head["rows"] == gw.get("/audit").json["total"]
    gw.key()
    assert gw.ctl_json("audit", "verify", head["head"])["ok"]
    number = rows(gw)[-1]["number"]
    gw.stop()
    with sqlite3.connect(gw.tmp / "state" / "llmgw.db") as db:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("UPDATE audit SET changed_by = 'nobody'")
        db.execute("DROP TRIGGER audit_unchanged")
        db.execute("UPDATE audit SET changed_by = 'nobody' WHERE number = ?", (number,))
    db.close()
    gw.start()
    p = gw.ctl("--json", "audit", "verify", check=False)
    assert p.returncode == 6 and "broken" in p.stdout + p.stderr, p


def test_what_stands_in_line_is_its_commands(gw):
    """Changes of the configuration are written when their turn comes, and are who asked for them's."""
    a = gw.post("/model/new", {"model_name": "lined", "litellm_params": {"model": "openai/x", "api_key": "canary-8"}},
                headers={"litellm-changed-by": "ada"})
    assert a.status == 200, a
    row = rows(gw, table_name="LiteLLM_ProxyModelTable")[0]
    assert (row["changed_by"], row["command"], row["action"]) == ("ada", "models add", "created")
    assert gw.post("/model/delete", {"id": a.json["model_id"]}).status == 200
    row = rows(gw, table_name="LiteLLM_ProxyModelTable")[0]
    assert (row["command"], row["action"]) == ("models delete", "deleted")
    assert "canary" not in gw.get("/audit?page_size=100").body.decode()


def test_what_ran_and_failed_is_told(gw, tmp_path):
    """What acts is noted before it begins; one that fails has a second row, which says how."""
    before = len(rows(gw))
    assert gw.post("/config/reload", {}).status == 200
    assert gw.ctl("backup", str(tmp_path / "no" / "such" / "folder"), check=False).returncode != 0
    good = gw.config.read_text()
    gw.config.write_text("model_list: 7\n")
    assert gw.post("/config/reload", {}, headers={"litellm-changed-by": "ada"}).status >= 400
    gw.config.write_text(good)
    new = [r for r in rows(gw)][:-before or None][::-1]
    assert [(r["command"], r["action"]) for r in new] == [
        ("reload", "ran"), ("backup", "ran"), ("backup", "failed"), ("reload", "ran"), ("reload", "failed")]
    how = new[-1]["updated_values"]
    assert how["status"] >= 400 and "model_list" in how["error"] and new[-1]["changed_by"] == "ada"
    assert "folder" in new[2]["updated_values"]["error"]
    assert rows(gw, action="failed")[:2] == [new[4], new[2]]
