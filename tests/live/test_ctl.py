# SPDX-License-Identifier: MIT
"""llmgwctl against a live gateway: every command of the table, as a table and as JSON, and every
exit code that operations are promised."""
import base64
import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from gateway import BUILD, Gateway

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/lint"))
import ctables  # noqa: E402
CTL = BUILD / "llmgwctl"


def rows():
    """Of every command that llmgwctl has, from THE table."""
    return [r for r in ctables.command_rows() if "NO_CTL" not in r["flags"]]


def commands():
    return [r["words"] for r in rows()]


def changing():
    """Those that change something: by their role, if their row does not say that they read."""
    return {r["words"] for r in rows() if r["role"] == "ADMIN" and not r["flags"] & {"READS", "LOCAL"}}


def make(tmp, mock, env=None, **kw):
    return Gateway(tmp, [("m", {"model": "openai/plain", "api_key": "sk-upstream", "api_base": mock.base + "/v1",
                                "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6})],
                   "router_settings: {num_retries: 0, provider_budget_config: {openai: {budget_limit: 1000000, time_period: 1d}}}\n"
                   "general_settings:\n  store_model_in_db: true\n"
                   "  alerting: [webhook]\n  alert_types: [spend_reports]\n",
                   env={"WEBHOOK_URL": mock.base + "/none", **(env or {})}, **kw)


@pytest.fixture(scope="module")
def gw(tmp_path_factory, mock_process):
    g = make(tmp_path_factory.mktemp("ctl"), mock_process)
    g.start()
    assert g.ask("m", key=g.key(key_alias="first")).status == 200
    g.ctl("backup", str(g.tmp / "spare.db"))
    (g.tmp / "elsewhere").mkdir()
    (g.tmp / "import.sql").write_text("COPY public.\"LiteLLM_BudgetTable\" (budget_id) FROM stdin;\nfree\n\\.\n")
    (g.tmp / "ranks").write_bytes(b"".join(base64.b64encode(bytes([i])) + b" %d\n" % i for i in range(256)))
    (g.tmp / "bifrost.json").write_text('{"providers": {"openai": {"keys": [{"value": "env.KEY", "models": ["m"]}]}}}')
    for name in ("house", "0", "1"):
        path = g.tmp / f"prices{name.removeprefix('house')}.json"
        path.write_text(json.dumps({f"model-{name}": {"input_cost_per_token": 1e-6}}))
    yield g
    g.stop()


def run(*args, env=None, **kw):
    return subprocess.run([CTL, *map(str, args)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "NO_COLOR": "1", **(env or {})}, stdin=subprocess.DEVNULL, **kw)


@functools.cache
def help_of(words):
    return run(*words.split(), "--help")


def options_of(words):
    return set(re.findall(r"^  (--[\w-]+)", help_of(words).stdout, re.M))


# What each command is given, and a word that its table shows.
CALLS = {
    "status": ((), "running"),
    "reload": ((), "reloaded"),
    "check": ((), ""),
    "workers list": ((), "RESTARTS"),
    "workers restart": ((), "rolled"),
    "workers drain": (("{slot}", "--yes"), "rolled"),
    "upgrade": ((), "upgrading"),
    "doctor": (("--config", "{tmp}/llmgw.yaml", "--state-dir", "{tmp}/state"), "kernel.landlock"),
    "import litellm": (("--dump", "{tmp}/import.sql"), "EXIST ALREADY"),
    "import rows": (("budget", '[{"budget_id": "b-imported", "max_budget": 1}]'), "created"),
    "keys create": (("--key-alias", "{n}"), "sk-"),
    "keys list": ((), "ALIAS"),
    "keys show": (("first",), "first"),
    "keys update": (("first", "--max-budget", "5"), "first"),
    "keys rotate": (("first", "--yes"), "sk-"),
    "keys reset": (("first", "--reset-to", "0"), "key_hash"),
    "keys service": (("crew",), "sk-"),
    "keys bulk": (('[{"key": "first", "rpm_limit": 1000}]',), "total_requested"),
    "keys several": (("first",), "ALIAS"),
    "keys aliases": ((), "first"),
    "keys block": (("first",), "yes"),
    "keys unblock": (("first",), "first"),
    "keys delete": (("victim{n}", "--yes"), "victim"),
    "teams create": (("{n}",), "team_alias"),
    "teams list": ((), "BUDGET"),
    "teams available": ((), "nothing to show"),
    "teams show": (("crew",), "crew"),
    "teams update": (("crew", "--max-budget", "5"), "crew"),
    "teams block": (("crew",), "yes"),
    "teams unblock": (("crew",), "crew"),
    "teams delete": (("doomed{n}", "--yes"), "doomed"),
    "teams add": (("crew", '{"user_email": "u@example.org"}'), "crew"),
    "teams remove": (("crew", "gone{n}", "--yes"), "crew"),
    "teams bulk": (("crew", '[{"user_id": "gone0"}, {"user_id": "late"}]'), "total_requested"),
    "teams allow": (("crew", "m"), "all-proxy-models"),
    "teams disallow": (("crew", "unknown"), "crew"),
    "teams callback": (("crew", "generic_api", "--callback-type", "failure"), "generic_api"),
    "teams callbacks": (("crew",), "success_callbacks"),
    "teams mute": (("crew",), "crew"),
    "teams permissions": (("crew",), "/key/generate"),
    "teams permit": (("crew", "/key/generate"), "crew"),
    "teams member": (("crew", "gone{n}", "--max-budget-in-team", "5"), "gone{n}"),
    "users create": (("{n}",), "user_id"),
    "users list": ((), "USER"),
    "users show": (("ann",), "ann"),
    "users update": (("ann", "--max-budget", "5"), "ann"),
    "users bulk": (('[{"user_id": "ann", "rpm_limit": 9}]',), "total_requested"),
    "users sync": (("ann", "--user-role", "internal_user_viewer", "--teams", "crew"), "joined"),
    "users roles": ((), "internal_user_viewer"),
    "users delete": (("doomed{n}", "--yes"), ""),
    "orgs create": (("{n}",), "organization_id"),
    "orgs list": ((), "ORG"),
    "orgs show": (("acme",), "acme"),
    "orgs update": (("acme", "--max-budget", "5"), "acme"),
    "orgs add": (("acme", '{"user_id": "late", "role": "org_admin"}'), "late"),
    "orgs member": (("acme", "boss", "--role", "org_admin"), "org_admin"),
    "orgs remove": (("acme", "boss", "--yes"), "boss"),
    "orgs delete": (("doomed{n}", "--yes"), ""),
    "customers create": (("{n}",), "user_id"),
    "customers list": ((), "CUSTOMER"),
    "customers show": (("eu",), "eu"),
    "customers update": (("eu", "--max-budget", "5"), "eu"),
    "customers block": (("eu",), "eu"),
    "customers unblock": (("eu",), ""),
    "customers delete": (("doomed{n}", "--yes"), ""),
    "budgets create": (("{n}", "--max-budget", "5"), "budget_id"),
    "budgets list": ((), "BUDGET"),
    "budgets show": (("small",), "small"),
    "budgets update": (("small", "--max-budget", "6"), "small"),
    "budgets settings": (("small",), "budget_duration"),
    "budgets delete": (("doomed{n}", "--yes"), ""),
    "tags create": (("{n}",), "name"),
    "tags list": ((), "TAG"),
    "tags show": (("red",), "red"),
    "tags update": (("red", "--max-budget", "5"), ""),
    "tags delete": (("doomed{n}", "--yes"), ""),
    "models list": ((), "UPSTREAM"),
    "models show": (("m",), "plain"),
    "models groups": ((), "PROVIDERS"),
    "models params": (("m",), "temperature"),
    "models public": (("m",), "public_model_groups"),
    "models add": (("added{n}", '{"model": "openai/plain", "mock_response": "x"}'), "model_id"),
    "models update": (("spare", "--litellm-params", '{"rpm": 5}'), "spare"),
    "models delete": (("doomed", "--yes"), "deleted"),
    "access-groups add": (("group{n}", "m"), "models_updated"),
    "access-groups list": ((), "DEPLOYMENTS"),
    "access-groups show": (("group",), "m"),
    "access-groups update": (("group", "spare"), "spare"),
    "access-groups delete": (("group", "--yes"), "deleted"),
    "tokens map": (("email", "ada{n}", "mapped"), "jwt_claim_name"),
    "tokens list": ((), "CLAIM"),
    "tokens show": (("{mapping}",), "eve"),
    "tokens update": (("{mapping}", "--description", "hers"), "hers"),
    "tokens unmap": (("{mapping}", "--yes"), "success"),
    "access create": (("beta{n}", "--access-model-names", "m"), "access_group_id"),
    "access list": ((), "MODELS"),
    "access show": (("{group}",), "beta"),
    "access update": (("{group}", "--description", "few"), "few"),
    "access delete": (("{group}", "--yes"), "beta"),
    "fallbacks set": (("m", "spare"), "general"),
    "fallbacks show": (("m",), "spare"),
    "fallbacks delete": (("m", "--yes"), "deleted"),
    "credentials add": (("cred{n}", '{"api_key": "x"}'), "created"),
    "credentials list": ((), "IN DATABASE"),
    "credentials show": (("cred",), "********"),
    "credentials model": (("spare",), "spare-credential"),
    "credentials update": (("cred", '{"api_key": "y"}'), "updated"),
    "credentials delete": (("cred", "--yes"), "deleted"),
    "secrets list": ((), "READABLE"),
    "health list": ((), "MODEL"),
    "health history": (("m",), "nothing to show"),
    "health probe": (("m",), "MODEL"),
    "health clear": ((), "cleared"),
    "route explain": (("m",), "VERDICT"),
    "provider budgets": ((), "PERIOD"),
    "audit list": ((), "TABLE"),
    "audit show": (("{row}",), "changed_by"),
    "audit verify": ((), "head"),
    "cache stats": ((), "hit_percent"),
    "cache flush": (("--yes",), "flushed"),
    "cache delete": (("0" * 64,), "deleted"),
    "cache ping": ((), "healthy"),
    "spend report": (("--group-by", "model"), "COST"),
    "spend keys": ((), "SPEND"),
    "spend users": ((), ""),
    "spend tags": ((), ""),
    "spend estimate": (("gpt-4o", "--input-tokens", "1000"), "cost_per_request"),
    "spend calculate": (("{\"model\": \"gpt-4o\", \"usage\": {}}",), "cost"),
    "spend export": (("--format", "jsonl", "--out", "{tmp}/export{n}"), "rows"),
    "spend show": (("{request}",), "prompt_tokens"),
    "spend purge": (("--before", "2001-01-01", "--yes"), "requests"),
    "spend user-days": (("2026-01-01", "2100-01-01"), "DAY"),
    "spend team-days": (("2026-01-01", "2100-01-01"), ""),
    "spend org-days": (("2026-01-01", "2100-01-01"), ""),
    "spend customer-days": (("2026-01-01", "2100-01-01"), ""),
    "spend tag-days": (("2026-01-01", "2100-01-01"), ""),
    "spend total": ((), "spend"),
    "spend reset": (("--yes",), "nothing"),
    "spend by-day": ((), "COST"),
    "spend by-key": ((), "COST"),
    "spend by-model": ((), "MODEL"),
    "spend by-team": ((), "TEAM"),
    "spend by-tag": ((), ""),
    "spend by-provider": ((), "PROVIDER"),
    "spend by-customer": ((), ""),
    "spend activity": ((), "TOKENS"),
    "spend model-days": ((), "MODEL"),
    "spend logs": (("--limit", "5"), "REQUEST"),
    "logs tail": (("--lines", "5"), "RECORD"),
    "config explain": (("cooldown_time",), "router_settings.cooldown_time"),
    "wait": ((), ""),
    "bench": (("m", "--requests", "2", "--yes"), "p99"),
    "top": (("--interval", "100ms", "--once"), "REQ/S"),
    "config convert": (("{tmp}/bifrost.json",), "model_list"),
    "config show": ((), "model_list"),
    "config diff": ((), ""),
    "config discounts": ((), "values"),
    "config margins": ((), "values"),
    "config list": ((), "IN DATABASE"),
    "config get": (("max_request_size_mb",), "max_request_size_mb"),
    "config set": (("max_request_size_mb", "30"), "30"),
    "config unset": (("max_request_size_mb",), "updated"),
    "config history": ((), "VERSION"),
    "config version": (("1",), "start"),
    "config rollback": (("1", "--yes"), "rolled back"),
    "prices list": (("gpt-4o",), "SOURCE"),
    "prices import": (("{tmp}/prices{n}.json",), "new"),
    "prices reset": (("model-house", "--yes"), "removed"),
    "prices export": ((), "input_cost_per_token"),
    "prices status": ((), "imported"),
    "tokenizer import": (("{tmp}/ranks", "--encoding", "cl100k_base"), "cl100k_base"),
    "tokenizer list": ((), "INSTALLED"),
    "tokenizer remove": (("cl100k_base", "--yes"), "cl100k_base"),
    "backup": (("{tmp}/copy{n}.db",), "copied"),
    "alerts test": (("webhook",), "webhook"),
    "restore": (("{tmp}/spare.db", "--state-dir", "{tmp}/elsewhere", "--yes"), "restored"),
}


MODEL = '{"model": "openai/plain", "mock_response": "x"}'
SPARE = ["models", "add", "spare", MODEL, "--model-info", '{"id": "spare"}']
OBJECTS = {  # what has to be there before, each time
    "models": [SPARE, ["models", "add", "doomed", MODEL, "--model-info", '{"id": "doomed"}']],
    "access-groups": [SPARE, ["access-groups", "add", "group", "m"]],
    "access": [["access", "create", "beta"]],
    "tokens": [["keys", "create", "--key-alias", "mapped"], ["tokens", "map", "email", "eve", "mapped"]],
    "fallbacks": [SPARE, ["fallbacks", "set", "m", "spare"]],
    "credentials": [SPARE, ["credentials", "add", "cred", '{"api_key": "x"}']],
    "config": [["config", "set", "max_request_size_mb", "20"]],
    "cache": [["config", "set", "cache", "true", "--config-type", "litellm_settings"]],
    "users": [["users", "create", "ann"], ["users", "create", "doomed{n}"]],
    "orgs": [["orgs", "create", "acme", "--organization-id", "acme"],
             ["orgs", "create", "doomed{n}", "--organization-id", "doomed{n}"],
             ["orgs", "add", "acme", '{"user_id": "boss"}'], ["--yes", "orgs", "remove", "acme", "late"]],
    "customers": [["customers", "create", "eu"], ["customers", "create", "doomed{n}"]],
    "budgets": [["budgets", "create", "small", "--max-budget", "1"],
                ["budgets", "create", "doomed{n}", "--max-budget", "1"]],
    "tags": [["tags", "create", "red"], ["tags", "create", "doomed{n}"]],
    "prices": [["prices", "import", "{tmp}/prices.json"]],
    "tokenizer": [["tokenizer", "import", "{tmp}/ranks", "--encoding", "cl100k_base"]],
}


@pytest.mark.parametrize("words", commands())
def test_every_command(gw, words):
    assert words in CALLS, f"a new command: tell this test how to call {words}"
    args, shown = CALLS[words]
    for n, json_too in enumerate((False, True)):
        if words == "keys delete":
            gw.ctl("keys", "create", "--key-alias", f"victim{n}")
        if words.startswith("teams ") or words == "keys service":
            gw.ctl("teams", "create", "crew", check=False)
            gw.ctl("teams", "create", f"doomed{n}", check=False)
            gw.ctl("teams", "add", "crew", json.dumps({"user_id": f"gone{n}"}), check=False)
        for line in OBJECTS.get(words.split()[0], []):
            gw.ctl(*(a.replace("{n}", str(n)).replace("{tmp}", str(gw.tmp)) for a in line), check=False)
        slot = next(w["slot"] for w in gw.ctl_json("workers")["workers"] if w["state"] == "ready")
        ready = len(gw.records("master.ready"))
        filled = [a if '"' in a else
                  a.format(n=f"{words.replace(' ', '')}{n}" if a == "{n}" else n, tmp=gw.tmp, slot=slot,
                           row=gw.ctl_json("audit", "list")["audit_logs"][0]["id"],
                           mapping="{mapping}" in args and gw.ctl_json("tokens", "list")["mappings"][-1]["id"],
                           group="{group}" in args and gw.ctl_json("access", "list")[0]["access_group_id"],
                           request="{request}" in args and gw.spend_rows(1)[0]["request_id"]) for a in args]
        p = gw.ctl(*(["--json"] if json_too else []), *words.split(), *filled, check=False)
        for _ in range(100):               # workers may still be coming from the command before
            if words == "doctor" or p.returncode != 9 and "being replaced already" not in p.stderr and "being upgraded" not in p.stderr:
                break
            time.sleep(0.1)
            p = gw.ctl(*(["--json"] if json_too else []), *words.split(), *filled, check=False)
        found = (0, 1, 9) if words == "doctor" else (0,)     # the doctor's says what this machine is like
        assert p.returncode in found, (words, p.returncode, p.stdout, p.stderr)
        if json_too:
            assert isinstance(json.loads(p.stdout), (dict, list, int)), p.stdout    # LiteLLM tells how many users went
        else:
            assert shown.replace("{n}", str(n)) in p.stdout + p.stderr, p.stdout
            assert "\x1b" not in p.stdout
        if words == "upgrade":
            until(lambda: len(gw.records("master.ready")) > ready)
            until_serving(gw)
    noted = {row["command"] for row in gw.ctl_json("audit", "list")["audit_logs"]}
    assert (words in noted) == (words in changing()), "the audit log has what changes something, and nothing else"
    assert gw.ask("m").status == 200


def until(condition, seconds=20):
    end = time.monotonic() + seconds * 3
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def until_serving(gw):
    def serves():
        p = gw.ctl("--json", "status", check=False)
        return p.returncode == 0 and json.loads(p.stdout)["workers"]["ready"] >= gw.workers
    until(serves)


def test_help_and_completion_know_every_command():
    text = run("--help").stdout
    for words in commands():
        assert re.search(rf"^  {words} ", text, re.M), words
        p = help_of(words)
        assert p.returncode == 0 and f"llmgwctl {words}" in p.stdout, words
        assert run("help", *words.split()).stdout == p.stdout
    for shell, check in (("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])):
        p = run("completion", shell)
        assert p.returncode == 0 and "keys" in p.stdout
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(check, input=p.stdout, text=True, check=True, capture_output=True)
    codes = run("help", "exit-codes").stdout
    assert [int(n) for n in re.findall(r"^ *(\d+) ", codes, re.M)][:10] == list(range(10))
    assert "LLMGW_SOCKET" in run("help", "environment").stdout
    assert re.fullmatch(r"llmgwctl \S+\n", run("--version").stdout)


# Reads command lines, and says what is offered for the word behind each, which begins with $LAST.
SHELLS = {
    "bash": """while read -ra COMP_WORDS; do
                   COMP_CWORD=${#COMP_WORDS[@]}; COMP_WORDS+=("$LAST"); _llmgwctl; echo "${COMPREPLY[*]}"
               done""",
    "fish": """while read -l line
                   echo (complete -C "$line $LAST" | string split -f1 \\t)
               end""",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_offer_every_verb_and_option(shell, tmp_path):
    """What the shell itself makes of the script, for many commands at once; fish takes its time for each."""
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here")
    words = commands()[::1 if shell == "bash" else 16]
    nouns = sorted({w.split()[0] for w in words if " " in w})
    script = tmp_path / "script"
    script.write_text(run("completion", shell).stdout + "\n" + SHELLS[shell] + "\n")

    def offered(lines, last):
        p = subprocess.run([shell, script], input="".join(f"llmgwctl {line}\n" for line in lines), text=True,
                           capture_output=True, timeout=120, env={**os.environ, "LAST": last, "LLMGW_SOCKET": "/nonexistent"})
        answers = p.stdout.splitlines()
        assert len(answers) == len(lines), (answers, p.stderr[-2000:])
        return {line: set(answer.split()) for line, answer in zip(lines, answers)}

    verbs, options = offered(["", *nouns], ""), offered(words, "--")
    assert {w.split()[0] for w in words} <= verbs[""]
    for w in words:
        noun, _, verb = w.partition(" ")
        assert not verb or verb in verbs[noun], w
        wanted = options_of(w) | {"--json", "--timeout"}
        assert wanted <= options[w], (w, wanted - options[w])


def test_fish_is_told_of_every_verb_and_option():
    lines = set(re.findall(r"^complete -c llmgwctl -n '?(.*?)'? (-a|-l) ([\w-]+) ", run("completion", "fish").stdout, re.M))
    told = {(re.sub(r"; and not .*", "", when), word) for when, _, word in lines}
    for w in commands():
        noun, _, verb = w.partition(" ")
        seen = f"__fish_seen_subcommand_from {noun}"
        assert ("__fish_use_subcommand", noun) in told and (not verb or (seen, verb) in told), w
        for option in options_of(w):
            assert (seen + (f"; and __fish_seen_subcommand_from {verb}" if verb else ""), option[2:]) in told, (w, option)


def test_zsh_is_told_of_every_verb_and_option():
    lines = run("completion", "zsh").stdout.splitlines()
    nouns = next(line for line in lines if line.startswith("\t\tlist=("))
    rows = {m[1]: line for line in lines if (m := re.match(r"\t\t'([^']*)'\*?\) list=", line))}
    for w in commands():
        noun, _, verb = w.partition(" ")
        assert f" '{noun}:" in nouns and (not verb or f" '{verb}:" in rows[noun]), w
        for option in options_of(w):
            assert f" '{option}:" in rows[f"{noun} {verb}"], (w, option)


# ---- exit codes ----------------------------------------------------------------------------------

def test_code_1_failed(gw, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(gw.config.read_text().replace("num_retries: 0", "num_retries: 7"))
    other.chmod(0o600)
    p = gw.ctl("config", "diff", str(other), check=False)
    assert p.returncode == 1 and "num_retries" in p.stdout, p
    assert json.loads(gw.ctl("--json", "config", "diff", str(other), check=False).stdout)["changes"]
    assert gw.ctl("keys", "create", "--key", "not-sk", check=False).returncode == 1
    p = gw.ctl("backup", str(tmp_path / "no" / "such" / "folder.db"), check=False)
    assert p.returncode == 1 and p.stderr.endswith(f"{tmp_path}/no/such/folder.db: No such file or directory\n"), p


@pytest.mark.parametrize("args", [
    ["nonsense"], ["keys", "nonsense"], ["keys"], ["status", "--nonsense"], ["status", "extra"], ["keys", "block"],
    ["keys", "create", "--max-budget"], ["keys", "create", "--max-budget", "much"], ["keys", "create", "--rpm-limit", "x"],
    ["keys", "delete", "first"], ["keys", "rotate", "first"], ["workers", "drain"], ["--timeout", "soon", "status"],
    ["--color", "maybe", "status"], ["completion", "tcsh"], ["help", "nothing"], ["keys", "create", "--metadata", "{"], [],
    ["upgrade", "--dry-run"], ["keys", "show", "a", "--json=x"]])
def test_code_2_usage(gw, args):
    p = gw.ctl(*args, check=False)
    if args == ["keys"]:                       # what a noun alone means
        assert p.returncode == 0
        return
    assert p.returncode == 2 and not p.stdout and p.stderr.startswith("llmgwctl: "), (args, p)


def test_code_2_says_what_was_meant(gw):
    assert "did you mean keys list?" in gw.ctl("keys", "lits", check=False).stderr
    assert "did you mean status?" in gw.ctl("statsu", check=False).stderr
    assert "did you mean --max-budget?" in gw.ctl("keys", "create", "--max-budgit", "5", check=False).stderr


def test_code_3_not_running(tmp_path, gw, mock):
    p = run("--socket", tmp_path / "nothing.sock", "status")
    assert p.returncode == 3 and "cannot reach the gateway" in p.stderr and "is it running?" in p.stderr
    p = run("--json", "--socket", tmp_path / "nothing.sock", "status")
    assert p.returncode == 3 and json.loads(p.stderr)["error"]["exit"] == 3
    assert run("--url", "http://127.0.0.1:9", "keys", "list", env={"LLMGW_KEY": "sk-x123"}).returncode == 3
    p = run("--url", f"https://127.0.0.1:{gw.port}", "keys", "list", env={"LLMGW_KEY": "sk-x123"})
    assert p.returncode == 3 and "does this port speak HTTPS" in p.stderr and "http://" in p.stderr, p
    where = tmp_path / "g"
    where.mkdir()
    g = make(where, mock)
    g.start()
    g.kill()                                   # the socket's file stays
    p = run("--socket", where / "run" / "control.sock", "status")
    assert p.returncode == 3, p
    g.start()
    assert g.ctl("status", check=False).returncode in (0, 9)
    g.stop()


def test_code_4_not_allowed(gw, tmp_path):
    url = f"http://127.0.0.1:{gw.port}"
    k = gw.key()
    for key in (k, "sk-nobody-1234567"):
        p = run("--url", url, "keys", "list", env={"LLMGW_KEY": key})
        assert p.returncode == 4 and key not in p.stderr, p
    assert run("--url", url, "keys", "list").returncode == 4
    p = subprocess.run([CTL, "--version"], capture_output=True, user=65534) if os.geteuid() == 0 and \
        os.access(CTL, os.X_OK) else None
    with contextlib.suppress(PermissionError):
        if p and p.returncode == 0:
            p = run("--socket", gw.tmp / "run" / "control.sock", "status", user=65534)
            assert p.returncode == 4 and "llmgw-admin" in p.stderr, p


def test_code_5_no_such_object(gw):
    for args in (["keys", "show", "nobody"], ["keys", "update", "nobody", "--max-budget", "1"], ["keys", "block", "nobody"],
                 ["keys", "delete", "nobody", "--yes"], ["keys", "rotate", "nobody", "--yes"], ["models", "show", "nobody"],
                 ["workers", "restart", "63"]):
        p = gw.ctl(*args, check=False)
        assert p.returncode == 5, (args, p)


def test_code_6_conflict(gw, tmp_path):
    copy = tmp_path / "copy.db"
    gw.ctl("backup", str(copy))
    with contextlib.closing(sqlite3.connect(copy)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM keys").fetchone()[0] >= 1
    p = gw.ctl("backup", str(copy), check=False)
    assert p.returncode == 6 and f"{copy} exists already: name a new file\n" in p.stderr and "next" not in p.stderr, p
    p = gw.ctl("keys", "create", "--key-alias", "first", check=False)
    assert p.returncode == 6 and "first" in p.stderr, p


def test_code_7_timed_out(tmp_path, mock):
    g = make(tmp_path, mock)
    g.start()
    g.process.send_signal(signal.SIGSTOP)
    try:
        p = g.ctl("--timeout", "1s", "status", check=False)
        assert p.returncode == 7 and "no answer within 1 s" in p.stderr, p
        p = run("--timeout", "1s", "--url", f"http://127.0.0.1:{g.port}", "keys", "list", env={"LLMGW_KEY": g.master_key})
        assert p.returncode == 7, p
    finally:
        g.process.send_signal(signal.SIGCONT)
    assert g.ctl("status").returncode == 0
    g.stop()


def test_code_8_configuration_invalid(tmp_path, mock):
    g = make(tmp_path, mock)
    g.start()
    good = g.config.read_text()
    bad = tmp_path / "bad.yaml"
    bad.write_text(good + "server: {limits: {body: lots}}\n")
    bad.chmod(0o600)
    p = g.ctl("check", str(bad), check=False)
    assert p.returncode == 8 and "lots" in p.stdout + p.stderr, p
    assert json.loads(g.ctl("--json", "check", str(bad), check=False).stdout)["result"] == "invalid"
    g.config.write_text(bad.read_text())
    p = g.ctl("reload", check=False)
    assert p.returncode == 8 and re.search(r"llmgw\.yaml:\d+:\d+: ", p.stderr), p
    assert g.ctl_json("status")["generation"] == 1 and g.ask("m").status == 200
    assert g.ctl("config", "diff", check=False).returncode == 8
    g.config.write_text(good)
    assert g.ctl_json("reload")["generation"] == 2
    g.stop()


def test_code_9_degraded(tmp_path, mock):
    g = make(tmp_path, mock)
    g.start()
    assert g.ctl("status").returncode == 0
    for _ in range(50):
        for w in g.ctl_json("workers")["workers"]:
            if w["pid"]:
                os.kill(w["pid"], signal.SIGKILL)
        p = g.ctl("status", check=False)
        if p.returncode == 9:
            break
    assert p.returncode == 9 and "degraded" in p.stdout, p
    until_serving(g)
    g.stop()


# ---- manners -------------------------------------------------------------------------------------

def test_tables(gw):
    rows = gw.ctl("workers").stdout.splitlines()
    assert rows[0].split()[:3] == ["SLOT", "PID", "STATE"] and len(rows) == 1 + gw.workers
    bare = gw.ctl("workers", "--no-headers").stdout.splitlines()
    assert len(bare) == gw.workers and bare[0].split()[2] == "ready"
    assert gw.ctl("--quiet", "reload").stderr == ""
    out = gw.ctl("status").stdout
    for word in ("version", "generation", "workers", "ledger", "pid"):
        assert word in out


def test_json_is_what_http_answers(gw):
    by_http = gw.get("/key/info?key=first").json["info"]
    by_ctl = gw.ctl_json("keys", "show", "first")["info"]
    assert {k: v for k, v in by_ctl.items() if k in by_http} == by_http
    p = gw.ctl("--json", "keys", "show", "nobody", check=False)
    assert p.stdout == "" and json.loads(p.stderr)["error"]["code"] == "404"


def test_nothing_reaches_a_terminal_raw(gw):
    """L7: aliases and names with control bytes, direction marks and broken UTF-8."""
    evil = "a\x1b[31mred\x07\r\n\u202etxt\u0085b"
    gw.key(key_alias=evil, metadata={"note": evil})
    for args in (["keys", "list"], ["keys", "show", evil], ["spend", "keys"], ["logs", "tail"]):
        out = gw.ctl(*args).stdout
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", out), (args, out)
    gw.post("/key/delete", {"key_aliases": [evil]})
    for line in gw.logs().splitlines():
        json.loads(line) if line.startswith("{") else None
        assert "\x1b" not in line


def test_ways_to_say_where_and_who(gw, tmp_path):
    sock, url = gw.tmp / "run" / "control.sock", f"http://127.0.0.1:{gw.port}"
    assert run("status", env={"LLMGW_SOCKET": str(sock)}).returncode == 0
    key = tmp_path / "key"
    key.write_text(gw.master_key + "\n")
    assert "first" in run("--url", url, "--key-file", key, "keys", "list", "--key-alias", "first").stdout
    assert run("keys", "list", env={"LLMGW_URL": url + "/", "LLMGW_KEY": gw.master_key}).returncode == 0
    p = run("--url", url, "--key", gw.master_key, "keys", "list")
    assert p.returncode == 0 and "process list" in p.stderr
    p = subprocess.run([CTL, "--url", url, "--key-file", "-", "keys", "list"], input=gw.master_key, capture_output=True, text=True)
    assert p.returncode == 0
    made = json.loads(run("--json", "--url", url, "--key-file", key, "keys", "create", "--key-alias", "far").stdout)
    assert made["key"].startswith("sk-")
    assert run("--url", url, "--key-file", key, "keys", "delete", "far", "--yes").returncode == 0
    p = run("--url", url, "--key-file", key, "workers")            # not by HTTP
    assert p.returncode == 2, p


def test_files_are_relative_to_the_caller(gw, tmp_path):
    (tmp_path / "x.yaml").write_text(gw.config.read_text())
    (tmp_path / "x.yaml").chmod(0o600)
    p = run("--socket", gw.tmp / "run" / "control.sock", "check", "x.yaml", cwd=tmp_path)
    assert p.returncode == 0, p
    p = run("--socket", gw.tmp / "run" / "control.sock", "backup", "here.db", cwd=tmp_path)
    assert p.returncode == 0 and (tmp_path / "here.db").stat().st_mode & 0o077 == 0


def test_many_at_once(gw):
    """Sixty clients of the control socket: all are answered."""
    args = [CTL, "--socket", gw.tmp / "run" / "control.sock", "--json", "keys", "list"]
    ps = [subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(60)]
    for p in ps:
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0 and json.loads(out)["keys"], err
