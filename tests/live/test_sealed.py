# SPDX-License-Identifier: MIT
"""Secrets given by API: they lie sealed in the database, are masked in every answer, and stand in no log, no process
list and no environment of a worker. A wrong key costs what it sealed, and is said; another one seals anew."""
import pathlib
import re
import sqlite3

import pytest

from gateway import MASTER_KEY

ON = "general_settings:\n  store_model_in_db: true\n"
SALT = {"LLMGW_SALT_KEY": "salt-canary-0001-of-the-first"}
OTHER = {"LLMGW_SALT_KEY": "salt-canary-0002-of-the-other"}


@pytest.fixture
def begin(start, mock):
    def go(env=SALT, settings=ON):
        g = start([("file", "mock?out=3")], settings, env=env)
        g.mock = mock
        return g
    return go


def credential(gw, name="c", **values):
    a = gw.post("/credentials", {"credential_name": name, "credential_info": {"for": "tests"},
                                 "credential_values": {"api_key": "cred-canary-1", "api_base": gw.mock.base + "/v1",
                                                       **values}})
    assert a.status == 200 and a.json == {"success": True, "message": "Credential created successfully"}, a


def model(gw, name="m", **params):
    a = gw.post("/model/new", {"model_name": name, "model_info": {"id": name},
                               "litellm_params": {"model": "openai/mock?out=3", **params}})
    assert a.status == 200, a


def sent(mock):
    return mock.get("/mock/log?n=1&h=authorization")[-1]["headers"]["authorization"]


# ---- credentials ---------------------------------------------------------------------------------

def test_a_models_credential(begin, mock):
    gw = begin()
    credential(gw, "my cred/1")
    model(gw, litellm_credential_name="my cred/1")
    assert gw.ask("m").status == 200 and sent(mock) == "Bearer cred-canary-1"
    a = gw.request("PATCH", "/credentials/my%20cred%2F1", {"credential_values": {"api_key": "cred-canary-2"}})
    assert a.json == {"success": True, "message": "Credential updated successfully"}
    assert gw.ask("m").status == 200 and sent(mock) == "Bearer cred-canary-2"      # api_base is still there
    one = gw.get("/credentials/by_name/my%20cred%2F1").json
    assert one == {"credential_name": "my cred/1", "credential_info": {"for": "tests"}, "stored_in_db": True,
                   "credential_values": {"api_key": "********", "api_base": mock.base + "/v1"}}
    assert gw.get("/credentials").json == {"success": True, "credentials": [one]}
    a = gw.request("DELETE", "/credentials/my%20cred%2F1")
    assert a.status == 400 and "model 'm' is left out" in a.json["error"]["message"], a
    assert gw.post("/model/delete", {"id": "m"}).status == 200
    assert gw.request("DELETE", "/credentials/my%20cred%2F1").json["success"] is True
    assert gw.get("/credentials").json["credentials"] == []
    for a in (gw.request("DELETE", "/credentials/none"), gw.get("/credentials/by_name/none"),
              gw.request("PATCH", "/credentials/none", {}), gw.get("/credentials/by_model/none")):
        assert a.status == 404, a


def test_of_a_model_and_of_the_file(begin, mock):
    gw = begin(settings=ON + "credential_list:\n- credential_name: of-file\n  credential_values:\n"
               "    api_key: file-canary-1\n    region: here\n")
    model(gw, api_key="model-canary-1", api_base=mock.base + "/v1")
    assert gw.get("/credentials/by_model/m").json == {
        "credential_name": "m-credential", "credential_info": {},
        "credential_values": {"api_key": "********", "api_base": mock.base + "/v1"}}
    assert gw.post("/credentials", {"credential_name": "copy", "model_id": "m"}).status == 200
    model(gw, "again", litellm_credential_name="copy")
    assert gw.ask("again").status == 200 and sent(mock) == "Bearer model-canary-1"
    of_file = gw.get("/credentials/by_name/of-file").json
    assert of_file["credential_values"] == {"api_key": "********", "region": "here"} and not of_file["stored_in_db"]
    for a in (gw.request("PATCH", "/credentials/of-file", {"credential_values": {}}),
              gw.request("DELETE", "/credentials/of-file")):
        assert a.status == 400 and "configuration file" in a.json["error"]["message"]
    a = gw.post("/credentials", {"credential_name": "of-file", "credential_values": {}})
    assert a.status == 409
    assert gw.post("/credentials", {"credential_name": "x"}).status == 400
    assert gw.post("/credentials", {"credential_name": "x", "credential_values": ["no"]}).status == 400
    assert gw.post("/credentials", {"credential_name": "x", "model_id": "none"}).status == 404


# ---- keys that seal ------------------------------------------------------------------------------

def secrets(gw):
    return gw.ctl_json("secrets")


def test_a_wrong_key_is_said_and_the_file_is_served(begin, mock):
    gw = begin()
    credential(gw)
    model(gw, litellm_credential_name="c")
    model(gw, "plain", api_key="plain-canary-1", api_base=mock.base + "/v1")
    assert secrets(gw)["sealed_with"] == "LLMGW_SALT_KEY" and secrets(gw)["unreadable"] == 0
    gw.stop()
    gw.env = OTHER
    gw.start()
    assert gw.records("secrets.unreadable")[-1]["objects"] == 3
    assert "3 objects of the database are sealed with another key" in gw.logs()
    assert [m["id"] for m in gw.get("/v1/models").json["data"]] == ["file"] and gw.ask("file").status == 200
    assert secrets(gw)["unreadable"] == 3
    model(gw, "new", api_key="new-canary-1", api_base=mock.base + "/v1")           # with the key of today
    a = gw.post("/model/update", {"model_info": {"id": "m"}, "model_name": "x"})
    assert a.status == 400 and "another key" in a.json["error"]["message"]
    gw.stop()
    gw.env = {**OTHER, "LLMGW_SALT_KEY_PREVIOUS": SALT["LLMGW_SALT_KEY"]}
    gw.start()                          # sealed anew
    assert gw.records("secrets.resealed")[-1]["objects"] == 4 and secrets(gw)["unreadable"] == 0
    assert gw.ask("m").status == gw.ask("plain").status == gw.ask("new").status == 200
    gw.stop()
    gw.env = OTHER
    gw.start()
    assert secrets(gw)["unreadable"] == 0 and gw.ask("m").status == 200
    old = [r for r in gw.ctl_json("config", "history")["versions"] if r["what"] == "model.new plain"][0]
    gw.ctl("config", "rollback", str(old["version"]), "--yes")     # the history was sealed anew, too
    assert gw.ask("plain").status == 200 and gw.ask("new").status == 400


def test_another_master_key_seals_anew(begin, mock):
    gw = begin(env={})
    model(gw, api_key="master-canary-1", api_base=mock.base + "/v1")
    assert secrets(gw)["sealed_with"] == "master key"
    gw.config.write_text(gw.config.read_text().replace(MASTER_KEY, "sk-another-master-key"))
    gw.ctl("reload")
    gw.master_key = "sk-another-master-key"
    gw.wait_log("secrets.resealed", result="done")
    gw.stop()
    gw.start()
    assert secrets(gw)["unreadable"] == 0 and gw.ask("m").status == 200
    assert sent(mock) == "Bearer master-canary-1"


def test_a_row_is_nobody_elses(begin, mock):
    gw = begin()
    model(gw, "a", api_key="canary-of-a", api_base=mock.base + "/v1")
    model(gw, "b", api_key="canary-of-b", api_base=mock.base + "/v1")
    gw.stop()
    db = sqlite3.connect(gw.tmp / "state" / "llmgw.db")
    db.execute("UPDATE objects SET sealed = (SELECT sealed FROM objects WHERE name = 'a') WHERE name = 'b'")
    db.commit()
    db.close()
    gw.start()
    assert secrets(gw)["unreadable"] == 1 and gw.ask("a").status == 200 and gw.ask("b").status == 400


# ---- the canary ----------------------------------------------------------------------------------

def test_no_secret_is_anywhere(begin, mock):
    """Every way in, traffic, errors, a reload, a rollback, a backup; then everything is searched."""
    gw = begin(env={**SALT, "FROM_ENV": "canary-from-env"})
    answers = []

    def call(*a, **kw):
        answers.append(gw.request(*a, **kw))
        return answers[-1]
    credential(gw, api_key="canary-cred-key", aws_secret_access_key="canary-cred-aws")
    model(gw, litellm_credential_name="c")
    model(gw, "direct", api_key="canary-direct", api_base=mock.base + "/v1",
          extra_headers={"X-Auth": "canary-header"}, extra_body={"secret_thing": "canary-extra"})
    model(gw, "env", api_key="os.environ/FROM_ENV", api_base=mock.base + "/v1")
    gw.ctl("credentials", "update", "c", '{"client_secret": "canary-cred-client"}')
    call("PATCH", "/model/direct/update", {"litellm_params": {"api_key": "canary-patched"}})
    for bad in ({"api_key": "canary-refused", "rpm": "canary-x"}, {"model": "openai/x", "api_key": ["canary-list"]},
                {"model": "no-provider", "api_key": "canary-nobody"}):
        assert call("POST", "/model/new", {"model_name": "x", "litellm_params": bad}).status == 400
    call("POST", "/credentials", '{"credential_name": "x", "credential_values": {"api_key": "canary-broken"')
    for m in ("m", "direct", "env", "none"):
        answers.append(gw.ask(m))
    model(gw, "ill", api_key="canary-ill", api_base="http://127.0.0.1:9/v1")
    model(gw, "denied", api_key="canary-denied", api_base=mock.base + "/v1")
    call("PATCH", "/model/denied/update", {"litellm_params": {"model": "openai/mock?status=401"}})
    for m in ("ill", "denied"):
        answers.append(gw.ask(m))
    gw.ctl("reload")
    history = gw.ctl_json("config", "history")["versions"]
    gw.ctl("config", "rollback", str(history[0]["version"]), "--yes")
    for path in ("/model/info", "/v2/model/info", "/credentials", "/credentials/by_name/c", "/credentials/by_model/m",
                 "/credentials/by_model/direct", "/model_group/info", "/health", "/metrics", "/spend/logs"):
        assert call("GET", path).status == 200
    shown = "".join(gw.ctl("--json", *words.split()).stdout for words in (
        "config show --origin", "config diff", "config history", f"config version {history[0]['version']}", "secrets",
        "models", "credentials", "logs tail --lines 500", "health"))
    workers = gw.children()
    assert workers
    processes = "".join((pathlib.Path(f"/proc/{p}") / f).read_text(errors="replace")
                        for p in workers for f in ("environ", "cmdline"))
    gw.ctl("backup", str(gw.tmp / "copy.db"))
    gw.stop()
    places = {"log": gw.logs(), "llmgwctl": shown, "workers": processes,
              "answers": b"".join(a.body for a in answers).decode()}
    for f in [*(gw.tmp / "state").rglob("*"), gw.tmp / "copy.db"]:
        if f.is_file():
            places[f.name] = f.read_bytes().decode("latin-1")
    assert len(places["llmgw.db"]) > 4096
    for where, text in places.items():
        # Parameters that are the provider's business are answers to the administrator's own question.
        found = set(re.findall(r"(?:salt-)?canary-[a-z0-9-]+", text)) - {"canary-x"}
        assert not found, (where, found)
