# SPDX-License-Identifier: MIT
"""Models given by API: checked as those of the file, durable and served when the call answers, there
after a restart and beside what a reload reads; what is refused changes nothing."""
import json
import threading

import pytest

from gateway import until

ON = "general_settings:\n  store_model_in_db: true\n"


@pytest.fixture
def gw(start, mock):
    g = start([("file", "mock?out=3")], ON)
    g.mock = mock
    return g


def params(gw, model="mock?out=3", **more):
    return {"model": "openai/" + model, "api_base": gw.mock.base + "/v1", "api_key": "sk-of-the-model", **more}


def add(gw, name, model="mock?out=3", info=None, **more):
    a = gw.post("/model/new", {"model_name": name, "litellm_params": params(gw, model, **more),
                               "model_info": info or {}})
    assert a.status == 200, a
    return a.json


def refused(a, status, *words):
    assert a.status == status, a
    for w in words:
        assert w in a.json["error"]["message"], a
    return a.json["error"]


def served(gw):
    return sorted(m["id"] for m in gw.get("/v1/models").json["data"])


def info(gw, id):
    a = gw.get(f"/model/info?litellm_model_id={id}")
    assert a.status == 200 and len(a.json["data"]) == 1, a
    return a.json["data"][0]


def test_a_new_model_is_served_at_once_and_after_a_restart(gw):
    row = add(gw, "new", info={"id": "m-1", "mode": "chat", "team": "blue"}, rpm=100)
    assert row["model_id"] == "m-1" and row["model_name"] == "new"
    assert row["model_info"] == {"mode": "chat", "team": "blue", "id": "m-1", "db_model": True}
    assert row["litellm_params"] == {"model": "openai/mock?out=3", "api_base": gw.mock.base + "/v1", "rpm": 100}
    assert row["created_by"] == row["updated_by"] == "default_user_id" and row["created_at"]
    for _ in range(4):                  # by either worker
        assert gw.ask("new").status == 200
    gw.stop()
    gw.start()
    assert served(gw) == ["file", "new"] and gw.ask("new").status == 200
    one = info(gw, "m-1")
    assert one["model_info"]["db_model"] is True and one["model_info"]["team"] == "blue"
    assert one["litellm_params"]["rpm"] == 100 and "api_key" not in one["litellm_params"]
    assert one["model_info"]["created_by"] == "default_user_id"


def test_what_it_is_refused_for_is_said_and_nothing_is_kept(gw):
    def new(body):
        return gw.post("/model/new", body)

    refused(new({"model_name": "x", "litellm_params": params(gw, rpm="many")}), 400, "rpm", "whole number")
    refused(new({"model_name": "x", "litellm_params": params(gw, timeout="soon")}), 400, "timeout", "duration")
    refused(new({"model_name": "x", "litellm_params": {"model": "nobody-knows-whose"}}), 400, "left out")
    refused(new({"model_name": "x", "litellm_params": {}}), 400, "litellm_params.model")
    refused(new({"model_name": "x", "litellm_params": {"model": "openai/x", "api_base": "no address"}}), 400, "api_base")
    refused(new({"model_name": "x", "litellm_params": "text"}), 400, "litellm_params")
    refused(new({"litellm_params": params(gw)}), 400, "model_name")
    refused(new({"model_name": "x" * 600, "litellm_params": params(gw)}), 400, "512")
    refused(new({"model_name": "x", "litellm_params": params(gw, litellm_credential_name="none")}), 400, "'none'")
    refused(new({"model_name": "x", "litellm_params": params(gw), "model_info": {"id": 7}}), 400, "model_info.id")
    refused(new({"model_name": "x", "litellm_params": params(gw, api_key="os.environ/LLMGW_MASTER_KEY")}), 400,
            "LLMGW_MASTER_KEY")
    assert served(gw) == ["file"]
    gw.stop()
    gw.start()
    assert served(gw) == ["file"]


def test_ids_are_one_each(gw):
    add(gw, "a", info={"id": "same"})
    refused(gw.post("/model/new", {"model_name": "b", "litellm_params": params(gw), "model_info": {"id": "same"}}), 409,
            "same")
    of_file = gw.get("/model/info").json["data"][0]["model_info"]["id"]
    refused(gw.post("/model/new", {"model_name": "b", "litellm_params": params(gw), "model_info": {"id": of_file}}), 400,
            of_file[:20])
    assert len({add(gw, "a")["model_id"] for _ in range(3)}) == 3     # same name and params: one group
    assert len(gw.get("/model/info").json["data"]) == 5 and served(gw) == ["a", "file"]


def test_a_model_joins_the_group_of_the_file(gw):
    add(gw, "file", "mock?out=5", rpm=7, tpm=70)
    group = gw.get("/model_group/info?model_group=file").json["data"][0]
    assert group["rpm"] == 7 and group["tpm"] == 70 and group["providers"] == ["openai"]
    for _ in range(30):
        assert gw.ask("file").status == 200
    assert {json.loads(e["body"])["model"] for e in gw.mock.log()} == {"mock?out=3", "mock?out=5"}


def test_update_and_patch(gw):
    add(gw, "m", info={"id": "up", "note": "old"}, rpm=5)
    a = gw.post("/model/update", {"model_info": {"id": "up", "note": "new"}, "litellm_params": {"rpm": 9, "tpm": None}})
    assert a.status == 200 and a.json["litellm_params"]["rpm"] == 9, a
    assert a.json["model_info"]["note"] == "new" and a.json["model_name"] == "m"
    a = gw.request("PATCH", "/model/up/update", {"model_name": "renamed", "litellm_params": {"model": "openai/mock?out=4"}})
    assert a.status == 200 and a.json["model_name"] == "renamed", a
    assert a.json["litellm_params"]["rpm"] == 9        # what is not named stays, the key too:
    assert served(gw) == ["file", "renamed"] and gw.ask("renamed").status == 200
    refused(gw.post("/model/update", {"model_info": {"id": "up"}, "litellm_params": {"rpm": -1}}), 400, "rpm")
    refused(gw.request("PATCH", "/model/nobody/update", {"model_name": "x"}), 400, "nobody")
    of_file = gw.get("/model/info").json["data"][0]["model_info"]["id"]
    refused(gw.post("/model/update", {"model_info": {"id": of_file}, "model_name": "x"}), 400, "configuration file")
    refused(gw.post("/model/update", {"model_name": "x"}), 400, "model_info.id")
    log = gw.mock.get("/mock/log?n=1&h=authorization")
    assert log[-1]["headers"]["authorization"] == "Bearer sk-of-the-model"


def test_delete(gw):
    add(gw, "m", info={"id": "gone"})
    a = gw.post("/model/delete", {"id": "gone"})
    assert a.json == {"message": "Model: gone deleted successfully"}
    assert served(gw) == ["file"] and gw.ask("m").status == 400
    refused(gw.post("/model/delete", {"id": "gone"}), 400, "gone")
    refused(gw.post("/model/delete", {}), 400, "id")
    gw.stop()
    gw.start()
    assert served(gw) == ["file"]


def test_a_reload_keeps_both_and_a_change_takes_nothing_from_the_disk(gw):
    add(gw, "kept")
    text = gw.config.read_text()
    gw.config.write_text(text.replace('"file"', '"renamed"'))
    add(gw, "later")                    # the file's change waits for a reload
    assert served(gw) == ["file", "kept", "later"]
    gw.config.write_text("model_list: [")
    add(gw, "again")                    # a file that is broken meanwhile is nobody's business here
    gw.config.write_text(text.replace('"file"', '"renamed"'))
    gw.ctl("reload")
    assert served(gw) == ["again", "kept", "later", "renamed"]
    assert gw.ask("kept").status == gw.ask("renamed").status == 200


def test_off_nothing_is_stored_nor_counts(start, mock):
    g = start([("file", "mock?out=3")])
    g.mock = mock
    refused(g.post("/model/new", {"model_name": "x", "litellm_params": params(g)}), 400, "store_model_in_db")
    refused(g.post("/model/delete", {"id": "x"}), 400, "store_model_in_db")
    g.config.write_text(g.config.read_text().replace("general_settings:\n", ON))
    g.ctl("reload")
    add(g, "x")
    g.config.write_text(g.config.read_text().replace("store_model_in_db: true", "store_model_in_db: false"))
    g.ctl("reload")
    assert served(g) == ["file"]
    g.stop()
    g.env["STORE_MODEL_IN_DB"] = "True"
    g.config.write_text(g.config.read_text().replace("  store_model_in_db: false\n", ""))
    g.start()
    assert served(g) == ["file", "x"]


def test_pages_and_cli(gw):
    for i in range(5):
        add(gw, f"page-{i}")
    a = gw.get("/v2/model/info?page=2&size=4").json
    assert [m["model_name"] for m in a["data"]] == ["page-3", "page-4"]
    assert (a["total_count"], a["current_page"], a["total_pages"], a["size"]) == (6, 2, 2, 4)
    assert gw.get("/v2/model/info?search=page-4").json["total_count"] == 1
    refused(gw.get("/v2/model/info?page=0"), 400, "page")
    gw.ctl("models", "add", "by-cli", json.dumps(params(gw)), "--model-info", '{"id": "cli-1"}')
    gw.ctl("models", "update", "cli-1", "--litellm-params", '{"rpm": 3}')
    assert info(gw, "cli-1")["litellm_params"]["rpm"] == 3 and gw.ask("by-cli").status == 200
    gw.ctl("models", "delete", "cli-1", "--yes")
    assert "by-cli" not in served(gw)
    p = gw.ctl("models", "delete", "cli-1", "--yes", check=False)
    assert p.returncode == 1 and "cli-1" in p.stderr


def test_many_at_once_each_durable(gw):
    """Changes stand in line: what was answered is served by both workers, a reload between them loses nothing."""
    failed = []

    def one(i):
        a = gw.post("/model/new", {"model_name": f"at-once-{i}", "litellm_params": params(gw)})
        if a.status != 200 or gw.ask(f"at-once-{i}").status != 200:
            failed.append(a)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
    for t in threads:
        t.start()
    gw.ctl("reload", check=False)
    for t in threads:
        t.join()
    assert not failed
    gw.kill()
    gw.start()
    assert len(served(gw)) == 21


def test_a_key_asks_only_for_its_models(gw):
    add(gw, "secret-model")
    key = gw.key(models=["file"])
    assert gw.ask("secret-model", key=key).status == 403 and gw.ask("file", key=key).status == 200
    for path, body in (("/model/new", {}), ("/model/delete", {"id": "x"}), ("/model/update", {})):
        assert gw.post(path, body, key=key).status in (401, 403)


def test_history_and_rollback(gw):
    add(gw, "one", info={"id": "one"})
    add(gw, "two", info={"id": "two"})
    gw.config.write_text(gw.config.read_text().replace('"file"', '"renamed"'))
    gw.ctl("reload")
    rows = until(lambda: (r := gw.ctl_json("config", "history")["versions"]) and len(r) == 4 and r)
    assert [r["what"] for r in rows] == ["reload", "model.new two", "model.new one", "start"]
    assert rows[1]["who"] == "default_user_id" and all(r["can_roll_back"] for r in rows)
    with_one = rows[2]["version"]
    shown = gw.ctl_json("config", "version", str(with_one))
    assert any("one" in c["key"] for c in shown["changes"]) and "sk-of-the-model" not in json.dumps(shown)
    gw.ctl("config", "rollback", str(with_one), "--yes")
    assert served(gw) == ["file", "one"] and gw.ask("one").status == 200
    rows = until(lambda: (r := gw.ctl_json("config", "history")["versions"]) and len(r) == 5 and r)
    assert rows[0]["what"] == f"rollback to version {with_one}" and rows[0]["who"].startswith("uid ")
    gw.ctl("config", "rollback", str(rows[1]["version"]), "--yes")     # and forth: the secrets are there
    assert served(gw) == ["one", "renamed", "two"] and gw.ask("two").status == 200
    p = gw.ctl("config", "rollback", "4711", "--yes", check=False)
    assert p.returncode == 5 and "4711" not in served(gw)
    gw.stop()
    gw.start()                          # the file and what the database has: as they were last
    assert served(gw) == ["one", "renamed", "two"]
