# SPDX-License-Identifier: MIT
"""Every example of every --help and of the manual does what it says: each is run, word by word, against a gateway that has
the objects they speak of."""
import base64
import json
import os
import re
import shlex
import subprocess

import pytest

import gateway
from gateway import BUILD, Gateway
from test_ctl import CTL, ROOT, ctables, rows, run, until, until_serving

CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, mock_response: hello}
  - model_name: claude-opus
    litellm_params: {model: openai/claude-opus, mock_response: hello}
general_settings:
  master_key: sk-live-master-0123456789
  store_model_in_db: true
  alerting: [slack]
litellm_settings: {cache: true}
"""
BEFORE = [  # what the examples speak of, made anew before each
    ["keys", "create", "--key-alias", "research"], ["keys", "create", "--key-alias", "teaching"],
    ["users", "create", "ada"], ["users", "create", "bob"], ["teams", "create", "physics"],
    ["teams", "add", "physics", '{"user_id": "ada"}'], ["orgs", "create", "Science", "--organization-id", "science"],
    ["orgs", "add", "science", '{"user_id": "ada", "role": "internal_user"}'], ["customers", "create", "shop-17"],
    ["budgets", "create", "free", "--max-budget", "1"], ["tags", "create", "batch"],
    ["models", "add", "extra", '{"model": "openai/extra", "mock_response": "x"}', "--model-info", '{"id": "6f1c"}'],
    ["access-groups", "add", "beta", "gpt-4o"], ["fallbacks", "set", "gpt-4o", "claude-opus"],
    ["credentials", "add", "openai", '{"api_key": "x"}'],
    ["config", "set", "num_retries", "2", "--config-type", "router_settings"],
]
MADE = {  # what an example makes itself, and must not be there before
    "keys create": ["keys", "delete", "research"], "teams create": ["teams", "delete", "physics"],
    "users create": ["users", "delete", "ada"], "orgs create": ["orgs", "delete", "science"],
    "customers create": ["customers", "delete", "shop-17"], "budgets create": ["budgets", "delete", "free"],
    "tags create": ["tags", "delete", "batch"], "access-groups add": ["access-groups", "delete", "beta"],
    "credentials add": ["credentials", "delete", "openai"], "teams add": ["teams", "remove", "physics", "ada"],
    "teams bulk": ["teams", "remove", "physics", "ada"], "orgs add": ["orgs", "remove", "science", "ada"], "import rows": ["budgets", "delete", "free"],
}
PLACES = {"/etc/llmgw/llmgw.yaml": "llmgw.yaml", "/var/lib/llmgw/copy.db": "copy.db", "llmgw.yaml": "made.yaml"}


@pytest.fixture(scope="module")
def gw(tmp_path_factory, mock_process):
    g = Gateway(tmp_path_factory.mktemp("examples"), [], raw=CONFIG, env={"SLACK_WEBHOOK_URL": mock_process.base + "/none"})
    g.start()
    (g.tmp / "model_prices_and_context_window.json").write_text(json.dumps({"gpt-4o": {"input_cost_per_token": 1e-6}}))
    (g.tmp / "o200k_base.tiktoken").write_bytes(b"".join(base64.b64encode(bytes([i])) + b" %d\n" % i for i in range(256)))
    (g.tmp / "litellm.sql").write_text("COPY public.\"LiteLLM_BudgetTable\" (budget_id) FROM stdin;\nfree\n\\.\n")
    (g.tmp / "config.json").write_text('{"providers": {"openai": {"keys": [{"value": "env.KEY", "models": ["m"]}]}}}')
    yield g
    g.stop()


def prepare(gw, words):
    for m in gw.ctl_json("models", "list")["models"] if words.startswith("credentials ") else []:
        if m["model_name"] == "gpt-4o":
            gw.ctl("models", "delete", m["id"], "--yes", check=False)     # of another example, with this credential
    for line in BEFORE:
        gw.ctl(*line, check=False)
    if words in MADE:
        gw.ctl(*MADE[words], "--yes", check=False)
    if words in ("config version", "config rollback"):
        return str(gw.ctl_json("config", "history")["versions"][1]["version"])
    if words == "spend show":
        assert gw.ask("gpt-4o").status == 200
        return gateway.until(lambda: gw.ctl_json("spend", "logs", "--limit", "1"))[0]["request_id"]
    if words == "workers drain":
        return str(next(w["slot"] for w in gw.ctl_json("workers")["workers"] if w["state"] == "ready"))
    if words in ("access show", "access update", "access delete"):
        gw.ctl("access", "create", "seen", check=False)
        return gw.ctl_json("access", "list")[0]["access_group_id"]
    if words.startswith("tokens "):
        for row in gw.ctl_json("tokens", "list")["mappings"]:
            gw.ctl("tokens", "unmap", row["id"], "--yes")
    if words in ("tokens show", "tokens update", "tokens unmap"):
        gw.ctl("tokens", "map", "email", "bob@example.org", "research", check=False)
        return gw.ctl_json("tokens", "list")["mappings"][0]["id"]
    if words == "audit show":
        return gw.ctl_json("audit", "list")["audit_logs"][0]["id"]
    if words == "tokenizer remove":
        gw.ctl("tokenizer", "import", str(gw.tmp / "o200k_base.tiktoken"), "--encoding", "o200k_base")
    if words == "restore":
        gw.ctl("backup", str(gw.tmp / "copy.db"), check=False)
    if words == "backup":
        (gw.tmp / "copy.db").unlink(missing_ok=True)
    return None


CONTROL = [(r["words"], r["example"]) for r in rows()]


@pytest.mark.parametrize("words,line", CONTROL, ids=[w for w, _ in CONTROL])
def test_an_example_works(gw, words, line):
    argv = shlex.split(line)
    assert argv[0] == "llmgwctl" and line in run(*words.split(), "--help").stdout
    row = prepare(gw, words)
    argv = [str(gw.tmp / PLACES[a]) if a in PLACES else a for a in argv[1:]]
    if row:                                    # nobody knows an id before
        argv[2] = row
    if words == "doctor":
        argv = [a for a in argv if a != "--online"] + ["--config", str(gw.config), "--state-dir", str(gw.tmp / "state")]
    if words == "restore":
        argv += ["--state-dir", str(gw.tmp / "state")]
    if words in ("logs tail", "top"):          # they go on until they are interrupted
        p = subprocess.Popen([CTL, *argv], cwd=gw.tmp, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             stdin=subprocess.DEVNULL, env={**os.environ, "LLMGW_SOCKET": str(gw.tmp / "run/control.sock")})
        try:
            p.wait(2)
        except subprocess.TimeoutExpired:
            p.terminate()
        out, err = p.communicate(timeout=10)
        assert err == "" and p.returncode == 0, (line, out, err)
        return
    ready = len(gw.records("master.ready"))
    p = None
    for _ in range(100):
        p = subprocess.run([CTL, *argv], cwd=gw.tmp, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                           env={**os.environ, "LLMGW_SOCKET": str(gw.tmp / "run/control.sock")})
        if p.returncode != 9 and "being replaced already" not in p.stderr and "being upgraded" not in p.stderr:
            break
        until_serving(gw)
    codes = {"doctor": (0, 1, 9), "restore": (6,), "alerts test": (0, 1)}.get(words, (0,))
    assert p.returncode in codes, (line, p)    # a restore is for a gateway that is stopped; nobody is behind that webhook
    if words == "upgrade":
        until(lambda: len(gw.records("master.ready")) > ready)
        until_serving(gw)


def test_examples_by_http_name_their_path():
    for row in ctables.command_rows():
        if "NO_CTL" in row["flags"]:
            line, path = row["example"], row["path"]
            assert line.startswith("curl ") and "localhost:4000" + path.split("{")[0] in line, row
            shlex.split(line)


def test_examples_of_the_manual_are_understood(gw):
    """Those with a dummy of a name in them, too, get through the option parser: nothing but wrong usage is an error."""
    text = (ROOT / "man/llmgwctl.1").read_text()
    lines = [re.sub(r"\\(?:\(aq|&|-)", lambda m: {"\\(aq": "'", "\\&": "", "\\-": "-"}[m.group()], line)
             for line in re.findall(r"^\.Dl (llmgwctl .*)$", text, re.M)]
    assert len(lines) > 100
    for line in lines:
        argv = shlex.split(re.split(r" (?:[|>]|&&) ", line)[0])[1:]
        p = run("--socket", gw.tmp / "nothing.sock", *argv) if argv[0] not in ("doctor", "restore", "import", "completion", "wait") \
            and argv[:2] != ["config", "convert"] and argv[0] != "help" and "--url" not in argv else None
        assert p is None or p.returncode in (3, 1, 5) or "nobody can be asked" in p.stderr, (line, p)


def test_the_first_help_has_examples_that_work(gw):
    text = run("--help").stdout
    lines = re.findall(r"^  (llmgwctl .*)$", text.split("Examples:")[1].split("\n\n")[0], re.M)
    assert len(lines) >= 3
    gw.ctl("keys", "delete", "research", "--yes", check=False)
    for line in lines:
        assert gw.ctl(*shlex.split(line)[1:], check=False).returncode == 0, line
    assert BUILD.exists()
