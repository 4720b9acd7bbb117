# SPDX-License-Identifier: MIT
"""llmgwctl: what is shown instead of done."""
import json
import re

import pytest

from test_ctl import CALLS, MODEL, ROOT, changing, make, rows, run


@pytest.fixture(scope="module")
def gw(tmp_path_factory, mock_process):
    g = make(tmp_path_factory.mktemp("more"), mock_process)
    g.start()
    g.ctl("teams", "create", "crew", "--team-alias", "the crew")
    g.ctl("users", "create", "ann")
    g.ctl("keys", "create", "--key-alias", "first", "--team-id", "crew")
    g.ctl("keys", "create", "--key-alias", "second one", "--max-budget", "7")
    g.ctl("orgs", "create", "acme", "--organization-id", "acme")
    g.ctl("customers", "create", "shop")
    g.ctl("budgets", "create", "small", "--max-budget", "3")
    g.ctl("tags", "create", "red", "--max-budget", "3")
    g.ctl("models", "add", "spare", MODEL, "--model-info", '{"id": "spare-id"}')
    g.ctl("access-groups", "add", "group", "m")
    g.ctl("fallbacks", "set", "m", "spare")
    g.ctl("credentials", "add", "cred", '{"api_key": "x"}')
    yield g
    g.stop()


# ---- --dry-run ------------------------------------------------------------------------------------

# What each command that destroys is given, and what it shows.
DRY = {
    "reload": ((), ""),
    "workers restart": (("0",), "SLOT"),
    "workers drain": (("1",), "SLOT"),
    "keys rotate": (("first",), "first"),
    "keys reset": (("first", "--reset-to", "0"), "first"),
    "keys delete": (("first", "second one"), "second one"),
    "teams delete": (("crew",), "first"),
    "teams remove": (("crew", "ann"), "crew"),
    "users delete": (("ann",), "ann"),
    "orgs delete": (("acme",), "acme"),
    "orgs remove": (("acme", "ann"), "acme"),
    "customers delete": (("shop",), "shop"),
    "budgets delete": (("small",), "small"),
    "tags delete": (("red",), "red"),
    "models delete": (("spare-id",), "spare-id"),
    "access-groups delete": (("group",), "m"),
    "fallbacks delete": (("m",), "spare"),
    "credentials delete": (("cred",), "cred"),
    "health clear": (("m",), "m"),
    "cache flush": ((), "entries"),
    "spend reset": ((), "first"),
    "config unset": (("num_retries", "--config-type", "router_settings"), "num_retries"),
    "config rollback": (("1",), "start"),
    "prices reset": (("gpt-4o",), ""),
    "tokenizer remove": (("cl100k_base",), "cl100k_base"),
}


def destroying():
    return [words for words, rest in rows() if "CMD_DESTROYS" in rest]


def test_whatever_destroys_can_be_tried():
    for words in destroying():
        assert words in DRY or words == "restore", words     # test_restore.py has that one
        assert "--dry-run" in run(*words.split(), "--help").stdout, words
    text = (ROOT / "master/ctl_dry.c").read_text()
    assert set(re.findall(r'^\t\{ "([a-z -]+)",', text, re.M)) <= set(DRY)


@pytest.mark.parametrize("words", DRY)
def test_a_dry_run_shows_and_does_nothing(gw, words):
    args, shown = DRY[words]

    def state():
        noted = gw.ctl_json("audit", "list", "--page-size", "1")["audit_logs"]
        status = gw.ctl_json("status")
        pids = sorted(w["pid"] for w in gw.ctl_json("workers")["workers"])
        return noted[0]["id"], status["generation"], pids

    before = state()
    p = gw.ctl(*words.split(), *args, "--dry-run", check=False)
    assert p.returncode == 0, p
    assert shown in p.stdout, p
    p = gw.ctl("--json", "-n", *words.split(), *args, check=False)
    answer = json.loads(p.stdout)
    assert p.returncode == 0 and answer["dry_run"] is True, p
    assert "sk-" not in p.stdout.replace("sk-...", "")
    assert state() == before, "nothing was to be done"


def test_a_dry_run_of_nothing(gw):
    for args in (["keys", "delete", "first", "nobody"], ["models", "delete", "nothing"], ["teams", "delete", "nobody"],
                 ["workers", "drain", "63"], ["config", "rollback", "99999"]):
        assert gw.ctl(*args, "--dry-run", check=False).returncode == 5, args
    p = gw.ctl("upgrade", "--dry-run", check=False)
    assert p.returncode == 2 and "cannot be tried" in p.stderr
