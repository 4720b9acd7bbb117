# SPDX-License-Identifier: MIT
"""A config.yaml of LiteLLM's is served unchanged, and what is wrong with a file is said so that it
can be mended: file, line, column, the line itself, a caret, and what was perhaps meant."""
import json
import os
import pathlib
import re
import shutil
import subprocess
from decimal import Decimal

import pytest

from gateway import BUILD, Gateway

ROOT = pathlib.Path(__file__).resolve().parents[2]
MASTER = "sk-from-the-environment-1234"
CANARIES = ("sk-env-canary-000111222", "azure-canary-key", "sk-vault-canary-333", "database-canary-444")

# What people have: settings of every section, some of which nobody acts on here, some of the future.
CONFIG = """\
include: [models/extra.yaml]

environment_variables:
  OPENAI_API_KEY: sk-env-canary-000111222
  VENDOR_REGION: eu

model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      api_base: os.environ/MOCK_BASE
      rpm: 600
      tpm: 100000
      timeout: 30
      stream_timeout: 10.5
      temperature: 0.25
      max_tokens: 77
      region_name: os.environ/VENDOR_REGION
    model_info:
      id: gpt-4o-primary
      mode: chat
      base_model: gpt-4o
      supports_vision: true
      custom_thing: 5
  - model_name: bad
    litellm_params: {model: "openai/mock?status=500", api_key: x, api_base: os.environ/MOCK_BASE, max_retries: 0}
  - model_name: azure-gpt
    litellm_params:
      model: azure/my-deployment
      api_base: os.environ/MOCK_BASE
      api_version: "2024-02-15-preview"
      api_key: azure-canary-key
  - model_name: claude
    litellm_params: {model: anthropic/claude-3-5-sonnet-20241022, api_key: os.environ/ANTHROPIC_API_KEY}
  - model_name: bison
    litellm_params: {model: palm/chat-bison, api_key: x}
  - model_name: shared
    litellm_params: {model: openai/shared, litellm_credential_name: vault}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*", api_key: x, api_base: os.environ/MOCK_BASE}
  - model_name: "*"
    litellm_params: {model: "openai/*", api_key: x, api_base: os.environ/MOCK_BASE}

credential_list:
  - credential_name: vault
    credential_values: {api_key: sk-vault-canary-333, api_base: os.environ/MOCK_BASE}
    credential_info: {description: the vault}

litellm_settings:
  drop_params: true
  num_retries: 1
  request_timeout: 60
  callbacks: ["prometheus"]
  success_callback: ["lunary"]
  cache: true
  cache_params: {type: redis, host: os.environ/REDIS_HOST}
  fallbacks: [{bad: [gpt-4o]}]
  set_verbose: False
  json_logs: true
  some_future_setting: [1, 2]
  max_budget: 100

router_settings:
  routing_strategy: simple-shuffle
  model_group_alias: {gpt-4: gpt-4o, hidden-name: {model: gpt-4o, hidden: true}}
  num_retries: 0
  retry_after: 0
  allowed_fails: 3
  cooldown_time: 1
  redis_host: os.environ/REDIS_HOST
  enable_pre_call_checks: true
  num_retrys: 3

general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  database_url: "postgresql://user:database-canary-444@host/db"
  alerting: ["slack"]
  store_model_in_db: true
  proxy_batch_write_at: 60
  background_health_checks: false
  health_check_interval: 300

guardrails:
  - guardrail_name: pii
    litellm_params: {guardrail: presidio, mode: pre_call}
"""
EXTRA = """\
model_list:
  - model_name: embed
    litellm_params: {model: openai/text-embedding-3-small, api_key: x, api_base: os.environ/MOCK_BASE}
    model_info: {mode: embedding}
"""


def lay_out(where, text=CONFIG):
    (where / "models").mkdir()
    (where / "models" / "extra.yaml").write_text(EXTRA)
    f = where / "config.yaml"
    f.write_text(text)
    f.chmod(0o600)
    (where / "models" / "extra.yaml").chmod(0o600)
    return f


def check(file, *args, env=None):
    return subprocess.run([BUILD / "llmgw", "--check", "--config", file, *args], capture_output=True, text=True, timeout=30,
                          env={"PATH": os.environ["PATH"], "MOCK_BASE": "http://127.0.0.1:1/v1",
                               "LITELLM_MASTER_KEY": MASTER, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""),
                               **(env or {})})


def write(tmp_path, text, name="x.yaml"):
    f = tmp_path / name
    f.write_text(text)
    f.chmod(0o600)
    return f


# ---- served unchanged ----------------------------------------------------------------------------

@pytest.fixture
def gw(tmp_path, mock):
    g = Gateway(tmp_path, [], raw=CONFIG, master_key=MASTER,
                env={"MOCK_BASE": mock.base + "/v1", "LITELLM_MASTER_KEY": MASTER})
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "extra.yaml").write_text(EXTRA)
    g.start()
    yield g
    g.stop()


def test_served_unchanged(gw, mock):
    a = gw.ask("gpt-4o")
    assert a.status == 200 and a.headers["x-litellm-model-id"] == "gpt-4o-primary"
    assert a.headers["x-litellm-model-region"] == "eu"
    sent = mock.log()[-1]
    body = json.loads(sent["body"])
    assert sent["authorization"] == "Bearer sk-env-canary-000111222"
    assert body["model"] == "gpt-4o" and body["temperature"] == 0.25 and body["max_tokens"] == 77
    assert not {"rpm", "tpm", "timeout", "region_name", "api_base", "api_key"} & set(body)
    u = a.json["usage"]                                    # priced by base_model
    assert Decimal(a.headers["x-litellm-response-cost"]) == \
        u["prompt_tokens"] * Decimal("2.5e-6") + u["completion_tokens"] * Decimal("1e-5")
    gw.ask("gpt-4o", temperature=1, max_tokens=5)          # the client's own values win
    body = json.loads(mock.log()[-1]["body"])
    assert body["temperature"] == 1 and body["max_tokens"] == 5


def test_names(gw, mock):
    def upstream(name):
        a = gw.ask(name)
        assert a.status == 200, a
        return mock.log()[-1]["model"]

    assert upstream("gpt-4") == "gpt-4o" and upstream("hidden-name") == "gpt-4o"
    assert upstream("openai/gpt-9") == "gpt-9" and upstream("anything-else") == "anything-else"
    assert upstream("shared") == "shared"
    assert mock.log()[-1]["authorization"] == "Bearer sk-vault-canary-333"
    a = gw.ask("bad")                                      # litellm_settings.fallbacks
    assert a.status == 200 and a.headers["x-litellm-attempted-fallbacks"] == "1"
    e = gw.post("/v1/embeddings", {"model": "embed", "input": "x"})
    assert e.status == 200 and mock.log()[-1]["model"] == "text-embedding-3-small"
    ids = {m["id"] for m in gw.get("/v1/models").json["data"]}
    assert {"gpt-4o", "gpt-4", "bad", "shared", "embed"} <= ids and not {"hidden-name", "*", "openai/*"} & ids
    info = gw.get("/model/info").json["data"]
    assert {"gpt-4o", "embed", "*"} <= {m["model_name"] for m in info}
    assert not any(c in json.dumps(info) for c in CANARIES)


def test_limits_of_retries_come_from_the_later_section(gw, mock):
    gw.ask("bad", disable_fallbacks=True)
    assert len(mock.log()) == 1                            # router_settings' 0 and not litellm_settings' 1


def test_what_is_not_acted_on_is_told_at_the_start(gw):
    logs = gw.logs()
    for word in ("guardrails", "lunary", "database_url", "some_future_setting", "num_retrys"):
        assert f"'{word}'" in logs, word
    assert not any(c in logs for c in CANARIES)
    shown = gw.ctl("config", "show").stdout + gw.ctl("--json", "config", "show", "--origin").stdout
    assert not any(c in shown for c in CANARIES) and "gpt-4o-primary" in shown


def test_reload_follows_the_files(gw, mock):
    extra = gw.tmp / "models" / "extra.yaml"
    extra.write_text(EXTRA.replace("model_name: embed", "model_name: embed2"))
    gw.ctl("reload")
    ids = {m["id"] for m in gw.get("/v1/models").json["data"]}
    assert "embed2" in ids and "embed" not in ids
    extra.unlink()
    p = gw.ctl("reload", check=False)
    assert p.returncode == 8 and "extra.yaml" in p.stderr
    assert gw.post("/v1/embeddings", {"model": "embed2", "input": "x"}).status == 200


def test_litellms_own_words_on_the_command_line(tmp_path, mock):
    """--num_workers, CONFIG_FILE_PATH, LITELLM_MASTER_KEY."""
    g = Gateway(tmp_path, [], raw=CONFIG.replace("  master_key: os.environ/LITELLM_MASTER_KEY\n", ""), master_key=MASTER,
                workers=3, env={"MOCK_BASE": mock.base + "/v1", "LITELLM_MASTER_KEY": MASTER,
                                "CONFIG_FILE_PATH": str(tmp_path / "llmgw.yaml")})
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "extra.yaml").write_text(EXTRA)
    whole = g.command()
    at = whole.index("--config")
    del whole[at:at + 2]
    whole[whole.index("--num-workers")] = "--num_workers"
    g.command = lambda: whole
    g.start()
    assert g.ask("gpt-4o").status == 200 and len(g.ctl_json("workers")["workers"]) == 3
    g.stop()


# ---- --check -------------------------------------------------------------------------------------

COMPLAINT = re.compile(r"^(\S+):(\d+):(\d+): (warning|error): (.+)$", re.M)


def complaints(p):
    """(file, line, column, severity, message, line shown, caret line)"""
    lines = p.stderr.splitlines()
    got = []
    for i, line in enumerate(lines):
        if m := COMPLAINT.match(line):
            more = lines[i + 1:i + 3] + ["", ""]
            got.append((m[1], int(m[2]), int(m[3]), m[4], m[5], more[0], more[1]))
    return got


def test_a_file_that_is_not_there(tmp_path):
    p = check(tmp_path / "none.yaml")
    assert p.returncode == 1 and "No such file" in p.stderr and "name one with --config" in p.stderr


def test_check_of_a_good_file(tmp_path):
    f = lay_out(tmp_path)
    p = check(f)
    assert p.returncode == 0, p.stderr
    last = p.stderr.splitlines()[-1]
    assert re.fullmatch(rf"llmgw: configuration {re.escape(str(f))} is valid \(8 deployments; 0 errors, \d+ warnings?\)", last), last
    assert not any(c in p.stderr + p.stdout for c in CANARIES)
    told = {m: (line, column) for _, line, column, _, m, _, _ in complaints(p)}
    for word in ("guardrails", "database_url", "max_retries"):
        assert any(f"does not act on '{word}'" in m for m in told), word
    assert any("slack is not told: the environment lacks SLACK_WEBHOOK_URL" in m for m in told)
    assert any("the callback 'lunary' of success_callback is not called" in m for m in told)
    assert not any("prometheus" in m for m in told)
    assert any("'num_retrys' is not known here; did you mean 'num_retries'?" in m for m in told)
    assert any("'some_future_setting' is not known here" in m for m in told)
    assert any("model 'bison' is left out" in m for m in told) and any("ANTHROPIC_API_KEY is not set" in m for m in told)
    assert all(re.search(r"\[W\d{3} [a-z-]+\]$", m) for m in told)           # warnings have a code
    source = f.read_text().splitlines()
    for file, line, column, severity, message, shown, caret in complaints(p):
        assert file == str(f) and severity == "warning"
        assert shown.split("********")[0].rstrip() in source[line - 1]
        assert caret.index("^") == column - 1 and set(caret.strip()) <= {"^", "~"}, (message, caret)
        named = re.search(r"'([\w]+)' (?:is not known|yet)", message)
        if named:
            assert source[line - 1][column - 1:].startswith(named[1]), message
    assert check(f, "--strict").returncode == 1
    quiet = check(f, "--quiet")
    assert quiet.returncode == 0 and "is valid" not in quiet.stderr


BAD = """\
server:
  limits: {body: lots, bodi: 5}
  workers: many
  stream_hartbeat: 5
router_settings:
  num_retries: -1
  fallbacks: {a: b}
litellm_settings:
  request_timeout: soon
general_settings:
  master_key: not-a-key
model_list:
  - model_name: m
    litellm_params: {model: openai/x, api_key: k, weight: heavy}
  - litellm_params: {model: openai/x, api_key: k}
"""


def test_all_mistakes_in_one_run(tmp_path):
    f = write(tmp_path, BAD)
    p = check(f)
    assert p.returncode == 1 and "is not valid" in p.stderr.splitlines()[-1]
    errors = [(line, m) for _, line, _, s, m, _, _ in complaints(p) if s == "error"]
    lines = {line for line, _ in errors}
    assert {2, 3, 4, 6, 7, 9, 11} <= lines, errors
    text = "\n".join(m for _, m in errors)
    assert "did you mean 'body'?" in text and "did you mean 'stream-heartbeat'?" in text or "stream_heartbeat" in text
    assert "lots" in text and "many" in text
    assert "not-a-key" not in p.stderr                     # a secret, if a bad one


@pytest.mark.parametrize("name,text,line,words", [
    ("tab", "model_list:\n\t- x: y\n", 2, ""), ("bracket", "a: [1, 2\nb: 3\n", None, ""), ("colon", "a: b: c\n", 1, ""),
    ("twice", "router_settings: {num_retries: 1}\nrouter_settings: {num_retries: 2}\n", 2, "duplicate"),
    ("list", "- a\n- b\n", 1, "map"), ("scalar", "hello\n", 1, ""), ("quote", 'a: "b\n', None, ""),
    ("unknown-server", "server: {lisen: 4000}\n", 1, "did you mean 'listen'?"),
    ("typo-section", "modle_list: []\n", 1, "did you mean 'model_list'?"),
    ("alias-bomb", "a: &a [x]\nb: [*a]\n", None, ""), ("deep", "a: " + "[" * 200 + "]" * 200, None, ""),
    ("control", "a: \x01\n", None, ""), ("utf8", "a: \udcff\n", None, "")])
def test_files_that_are_wrong(tmp_path, name, text, line, words):
    f = tmp_path / "bad.yaml"
    f.write_bytes(text.encode("utf-8", "surrogateescape"))
    f.chmod(0o600)
    p = check(f, "--strict")
    assert p.returncode == 1 and "bad.yaml" in p.stderr, p
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", p.stderr)
    if line:
        assert f"bad.yaml:{line}:" in p.stderr, p.stderr
    assert words in p.stderr


def test_exit_codes(tmp_path):
    good = lay_out(tmp_path)

    def llmgw(*args, env=None):
        return subprocess.run([BUILD / "llmgw", *map(str, args)], capture_output=True, text=True, timeout=30,
                              env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MOCK_BASE": "http://127.0.0.1:1/v1",
                                   **(env or {})}, stdin=subprocess.DEVNULL)

    assert llmgw("--version").returncode == 0 and llmgw("--help").returncode == 0
    for args in (["--nonsense"], ["extra"], ["--port", "x"], ["--port", "70000"], ["--num-workers", "-1"], ["--config"]):
        p = llmgw(*args)
        assert p.returncode == 2 and p.stderr, args
    assert llmgw("--check", "--config", tmp_path / "missing.yaml").returncode == 1
    assert llmgw("-t", "-c", good, env={"LITELLM_MASTER_KEY": MASTER}).returncode == 0
    dirs = ["--state-dir", tmp_path / "s", "--runtime-dir", tmp_path / "r", "--port", "0", "--host", "127.0.0.1"]
    bad = write(tmp_path, BAD, "bad.yaml")
    assert llmgw("--config", bad, *dirs).returncode == 8          # do not flap: systemd knows 8
    p = llmgw("--config", tmp_path / "missing.yaml", *dirs)
    assert p.returncode == 8 and "missing.yaml" in p.stderr
    p = llmgw("--config", good, *dirs)                             # no master key
    assert p.returncode == 8 and "master" in p.stderr.lower() and "key" in p.stderr
    assert not (tmp_path / "s").exists()                           # refused before anything was touched
    long = ["--state-dir", tmp_path / "s", "--runtime-dir", tmp_path / ("r" * 120), *dirs[4:]]
    p = llmgw("--config", good, *long, env={"LITELLM_MASTER_KEY": MASTER})
    assert p.returncode == 1 and "control socket: File name too long; a socket's path is short: choose another --runtime-dir" in p.stderr, p


def test_a_missing_include_and_a_circle(tmp_path):
    f = write(tmp_path, "include: [nowhere.yaml]\nmodel_list: []\n")
    p = check(f)
    assert p.returncode == 1 and "nowhere.yaml" in p.stderr and "x.yaml:1:" in p.stderr
    f = write(tmp_path, "include: [x.yaml]\n")
    p = check(f)
    assert p.returncode == 1 and "includes itself" in p.stderr


def test_the_files_we_ship_are_good(tmp_path):
    for name in ("llmgw.yaml", "llmgw.demo.yaml"):
        f = tmp_path / name
        shutil.copy(ROOT / "etc" / name, f)
        f.chmod(0o600)
        p = check(f, env={"LLMGW_MASTER_KEY": MASTER, "OPENAI_API_KEY": "sk-x"})
        assert p.returncode == 0 and "0 errors" in p.stderr, p.stderr


@pytest.mark.parametrize("f", sorted((ROOT / "tests/vectors/config").glob("*.yaml")), ids=lambda f: f.stem)
def test_vectors_never_crash_the_program(f):
    """What unit tests read in pieces, through the whole program: an exit status, never a signal."""
    p = check(f, "--quiet")
    assert p.returncode in (0, 1), p
    if f.stem.startswith("bad-"):
        assert p.returncode == 1 or "warning" in p.stderr, p.stderr
