# SPDX-License-Identifier: MIT
"""llmgwctl: what is shown instead of done, and completion of live names in the shells that are installed."""
import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest

from gateway import until
from test_ctl import CTL, MODEL, ROOT, make, rows, run


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
    g.ctl("models", "add", "slow", json.dumps({"model": "openai/plain?ttft=100", "api_key": "x", "api_base": mock_process.base + "/v1"}))
    g.ctl("access-groups", "add", "group", "m")
    g.ctl("fallbacks", "set", "m", "spare")
    g.ctl("credentials", "add", "cred", '{"api_key": "x"}')
    g.ctl("access", "create", "first group")
    g.ctl("tokens", "map", "email", "ann@example.org", "first")
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
    "access delete": (("first group",), "first group"),
    "tokens unmap": (("first token",), "ann@example.org"),
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
    return [r["words"] for r in rows() if "DESTROYS" in r["flags"]]


def test_whatever_destroys_can_be_tried():
    for words in destroying():
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

    if words == "access delete":               # they have ids that nobody knows before
        args = [gw.ctl_json("access", "list")[0]["access_group_id"]]
    if words == "tokens unmap":
        args = [gw.ctl_json("tokens", "list")["mappings"][0]["id"]]
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


# ---- completion of live names -----------------------------------------------------------------------

def names(gw, *words, env=None):
    p = subprocess.run([CTL, "__complete", "--", *words], capture_output=True, text=True, timeout=10,
                       env={**os.environ, "LLMGW_SOCKET": str(gw.tmp / "run" / "control.sock"), **(env or {})})
    assert p.returncode == 0 and p.stderr == "", p
    return p.stdout.splitlines()


LIVE = [  # what is being typed, and a name that has to be offered
    (["keys", "show", ""], "first"), (["keys", "show", "sec"], "second one"), (["keys", "delete", "first", "s"], "second one"),
    (["keys", "delete", "--key-aliases", "first,sec"], "first,second one"), (["keys", "list", "--team-id", "cr"], "crew"),
    (["keys", "create", "--team-id=cr"], "--team-id=crew"), (["keys", "create", "--team-id", "=", "cr"], "crew"),
    (["keys", "update", "first", "--models", "m,spa"], "m,spare"), (["keys", "service", ""], "crew"),
    (["--timeout", "5s", "keys", "rotate", "fi"], "first"), (["keys", "--json", "block", "fi"], "first"),
    (["teams", "show", ""], "crew"), (["teams", "add", "crew"], "crew"), (["teams", "remove", "crew", ""], "ann"),
    (["users", "show", ""], "ann"), (["orgs", "delete", "a"], "acme"), (["orgs", "member", "acme", ""], "ann"),
    (["customers", "show", ""], "shop"), (["customers", "block", "s"], "shop"), (["budgets", "show", ""], "small"),
    (["budgets", "delete", ""], "small"), (["customers", "update", "shop", "--budget-id", ""], "small"),
    (["tags", "show", ""], "red"), (["tags", "delete", ""], "red"), (["spend", "logs", "--tag", ""], "red"),
    (["models", "delete", ""], "spare-id"), (["models", "show", ""], "m"), (["models", "groups", "sp"], "spare"),
    (["health", "probe", "s"], "spare"), (["health", "list", "--model-id", "sp"], "spare-id"), (["route", "explain", ""], "m"),
    (["access-groups", "show", ""], "group"), (["access-groups", "add", "new", "s"], "spare"),
    (["fallbacks", "set", "m", "s"], "spare"), (["credentials", "show", ""], "cred"), (["workers", "drain", ""], "1"),
    (["config", "get", "master"], "master_key"), (["config", "version", ""], "1"), (["config", "rollback", ""], "1"),
    (["config", "explain", "router_settings.cool"], "router_settings.cooldown_time"),
    (["tokenizer", "remove", "cl"], "cl100k_base"), (["spend", "report", "--group-by", "mo"], "model"),
    (["top", "--by", ""], "provider"), (["config", "list", "--config-type", "r"], "router_settings"),
    (["logs", "tail", "--level", ""], "warn"),
    (["config", "convert", "--from", "b"], "bifrost"), (["spend", "logs", "--custom-llm-provider", ""], "openai"),
    (["spend", "show", ""], "{request}"), (["check", ""], ":files"), (["backup", "x"], ":files"), (["prices", "import", ""], ":files"),
    (["import", "litellm", "--dump", ""], ":files"),
]


@pytest.mark.parametrize("words,wanted", LIVE)
def test_live_names(gw, words, wanted):
    if wanted == "{request}":
        assert gw.ask("m").status == 200
        wanted = until(lambda: gw.ctl_json("spend", "logs", "--limit", "1"))[0]["request_id"]
    assert wanted in names(gw, *words)


def test_nothing_to_offer_is_no_error(gw, tmp_path):
    for words in ([], [""], ["keys"], ["nonsense", ""], ["keys", "create", "--key-alias", ""], ["teams", "create", ""],
                  ["keys", "show", "no-such-name"], ["keys", "create", "--max-budget", ""], ["status", ""], ["keys", "show", "-"],
                  ["--", "keys", "x"], ["--socket"], ["--socket", ""]):
        assert not set(names(gw, *words)) & {"first", "crew"}, words
    for env in ({"LLMGW_SOCKET": str(tmp_path / "none.sock")}, {"LLMGW_SOCKET": "", "LLMGW_URL": "http://127.0.0.1:9"}):
        assert names(gw, "keys", "show", "", env=env) == []
    gw.key(key_alias="evil\n\x1b[31mname")
    assert names(gw, "keys", "show", "evil") == []
    url = {"LLMGW_SOCKET": "", "LLMGW_URL": f"http://127.0.0.1:{gw.port}", "LLMGW_KEY": gw.master_key}
    assert "first" in names(gw, "keys", "show", "", env=url)


def test_every_argument_that_takes_a_name_has_names():
    """Whatever is called as an object is called, in some command, has a row in ctl_names.c."""
    text = (ROOT / "master/ctl_names.c").read_text()
    known = set(re.findall(r'^\t\{ (?:NULL|"[a-z -]+"), "([a-z_]+)",', text, re.M))
    table = "".join(path.read_text() for path in (ROOT / "master").glob("commands*/*.inc"))
    named = set(re.findall(r'\{ "([a-z_]+)", ARG_(?:STRING|LIST|INT), [^}]*\}', table))
    objects = {a for a in named if re.fullmatch(
        r"(key|team|user|organization|customer|budget|tag|model|credential|access_group|end_user)(_?ids?|_?names?|_alias|_aliases|s)?", a)}
    free = {"team_alias", "user_alias", "organization_alias", "customer_id", "access_group_name"}   # new names, filters
    assert objects - known - free == set()


def bash(gw, *words):
    line = " ".join(f"'{w}'" for w in words)
    script = f"""source <({CTL} completion bash); COMP_WORDS=({CTL} {line}); COMP_CWORD={len(words)}; _llmgwctl;
                 printf '%s\\n' "${{COMPREPLY[@]}}" """
    p = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20, cwd=gw.tmp,
                       env={**os.environ, "LLMGW_SOCKET": str(gw.tmp / "run" / "control.sock")})
    assert p.stderr == "", p
    return p.stdout.splitlines()


def test_bash_completes(gw):
    assert "keys" in bash(gw, "ke") and "create" in bash(gw, "keys", "cr") and "--max-budget" in bash(gw, "keys", "create", "--max")
    assert bash(gw, "keys", "show", "fi") == ["first"] and bash(gw, "keys", "show", "second") == ["second\\ one"]
    assert bash(gw, "keys", "create", "--team-id", "") == ["crew"] and "provider" in bash(gw, "top", "--by", "p")
    assert "llmgw.yaml" in bash(gw, "check", "llm") and bash(gw, "help", "exit") == ["exit-codes"]
    assert bash(gw, "--color", "al") == ["always"] and bash(gw, "keys", "show", "nobody") == [""]


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completes(gw):
    script = f"""autoload -Uz compinit; compinit -u -d {gw.tmp}/zcompdump; path=({CTL.parent} $path); source <(llmgwctl completion zsh)
                 compadd() {{ shift; print -l -- "$@"; }}; _describe() {{ print -l -- "${{list[@]}}"; }}; _files() {{ print files; }}
                 words=(llmgwctl keys show fi); CURRENT=4; _llmgwctl; words=(llmgwctl keys ''); CURRENT=3; _llmgwctl
                 words=(llmgwctl teams show ''); CURRENT=4; _llmgwctl; words=(llmgwctl check ''); CURRENT=3; _llmgwctl"""
    p = subprocess.run(["zsh", "-fc", script], capture_output=True, text=True, timeout=20,
                       env={**os.environ, "LLMGW_SOCKET": str(gw.tmp / "run" / "control.sock")})
    out = p.stdout.splitlines()
    assert "first" in out and "crew" in out and "files" in out and any(line.startswith("create:") for line in out), p


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes(gw):
    def fish(line):
        p = subprocess.run(["fish", "-N", "-c", f"set -x PATH {CTL.parent} $PATH; llmgwctl completion fish | source; complete -C '{line}'"],
                           capture_output=True, text=True, timeout=20,
                           env={**os.environ, "HOME": str(gw.tmp), "LLMGW_SOCKET": str(gw.tmp / "run" / "control.sock")})
        assert p.stderr == "", p
        return [row.split("\t")[0] for row in p.stdout.splitlines()]
    assert "first" in fish("llmgwctl keys show fi") and "create" in fish("llmgwctl keys cr")
    assert "crew" in fish("llmgwctl keys create --team-id ")


# ---- bench ------------------------------------------------------------------------------------------

def bench(gw, *args, code=0):
    p = gw.ctl("--json", "bench", *args, check=False)
    assert p.returncode == code, p
    return json.loads(p.stdout) if p.stdout else p


def test_bench_of_a_mock_asks_nobody(gw):
    """What is counted here is what the gateway has counted, and the key that was made for it is gone."""
    gw.ctl("models", "add", "free", '{"model": "openai/plain", "mock_response": "hello", "input_cost_per_token": 0.000001}')
    noted = {k["key_alias"] for k in gw.ctl_json("keys", "list")["keys"]}
    got = bench(gw, "free", "--requests", "60", "--concurrency", "4", "--duration", "20s")
    assert got["requests"] == got["succeeded"] == 60 and got["failed"] == 0 and got["failures"] == {}
    t = got["latency_ms"]
    assert 0 < t["p50"] <= t["p90"] <= t["p99"] <= t["p99.9"] <= t["max"] and t["mean"] > 0
    assert float(got["cost"]) > 0 and got["load"] == "4 at a time" and got["succeeded_per_second"] > 1
    rows = [r for r in gw.ctl_json("spend", "logs", "--limit", "500", "--model-group", "free")]
    assert len(rows) == 60
    assert {k["key_alias"] for k in gw.ctl_json("keys", "list")["keys"]} == noted, "its key is deleted"
    text = gw.ctl("bench", "free", "--requests", "3").stdout
    assert "p99.9:" in text and "succeeded:" in text


def test_bench_by_a_rate(gw):
    got = bench(gw, "free", "--rate", "50", "--duration", "1s", "--stream")
    assert 40 <= got["requests"] <= 51 and got["first_token_ms"]["p50"] <= got["latency_ms"]["p50"]
    assert got["seconds"] < 5 and got["late"] == 0 and got["stream"] is True


def test_a_rate_counts_from_when_a_request_was_due(gw):
    """One at a time, 100 ms each, ten due each second more than that: they wait, and that is told as latency."""
    got = bench(gw, "slow", "--rate", "20", "--concurrency", "1", "--duration", "1s", "--yes")
    assert got["latency_ms"]["max"] > 500 and got["late"] > 5 and got["succeeded"] == got["requests"]


def test_bench_asks_before_it_costs(gw):
    p = bench(gw, "m", "--requests", "1", code=2)
    assert "up to $1" in p.stderr and "--yes" in p.stderr
    assert bench(gw, "m", "--requests", "3", "--yes")["succeeded"] == 3
    got = bench(gw, "m", "--requests", "300", "--yes", "--max-budget", "0.001", "--concurrency", "1", "--max-tokens", "10")
    assert got["succeeded"] > 0 and got["failed"] > 0 and float(got["cost"]) <= 0.001 and set(got["failures"]) <= {"400", "429"}, "the budget holds"


def test_bench_says_what_failed(gw):
    got = bench(gw, "nobody", "--requests", "4", "--yes", code=1)
    assert got["succeeded"] == 0 and sum(got["failures"].values()) == 4 and got["latency_ms"] is None
    assert "Invalid model name" in got["first_failure"] and "nobody" in got["first_failure"]
    assert bench(gw, "free", "--rate", "0", code=2).stderr and bench(gw, "free", "--duration", "2d", code=2).stderr
    p = run("--url", f"http://127.0.0.1:{gw.port}", "bench", "free", "--requests", "2", "--yes", env={"LLMGW_KEY": gw.key()})
    assert p.returncode == 0 and "succeeded" in p.stdout, p
    assert run("--url", f"http://127.0.0.1:{gw.port}", "bench", "free", "--yes").returncode == 4
    p = run("--json", "--url", "http://127.0.0.1:9", "bench", "free", "--requests", "2", "--yes", env={"LLMGW_KEY": "sk-123456"})
    assert p.returncode == 1 and json.loads(p.stdout)["failures"] == {"connection refused: nothing listens at this address and port": 2}


# ---- progress ---------------------------------------------------------------------------------------

def on_terminal(gw, *args, seconds=30):
    """What llmgwctl writes to a terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(LLMGW_SOCKET=str(gw.tmp / "run" / "control.sock"), TERM="xterm")
        os.execv(CTL, [str(CTL), *args])
    out = b""
    with contextlib.suppress(OSError):
        while select.select([fd], [], [], seconds)[0] and (part := os.read(fd, 65536)):
            out += part
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), out.decode()


def test_long_work_shows_a_bar_on_a_terminal_alone(gw):
    code, text = on_terminal(gw, "bench", "free", "--rate", "20", "--duration", "2s")
    assert code == 0 and re.search(r"\[#+-+\] +\d+ % sending requests, 1s, 1s left", text), text
    assert "\x1b[K" in text and "p99" in text.split("\x1b[K")[-1]
    for quiet in ("--json", "--quiet"):
        code, text = on_terminal(gw, "bench", "free", "--rate", "20", "--duration", "1s", quiet)
        assert code == 0 and "[#" not in text and "[-" not in text, text
    dump = gw.tmp / "large.sql"
    rows = "".join(f"budget-{i}\n" for i in range(60000))
    dump.write_text(f"COPY public.\"LiteLLM_BudgetTable\" (budget_id) FROM stdin;\n{rows}\\.\n")
    code, text = on_terminal(gw, "import", "litellm", "--dump", str(dump), "--dry-run")
    assert code == 0 and "EXIST ALREADY" in text
    p = gw.ctl("import", "litellm", "--dump", str(dump), "--dry-run")
    assert "importing" not in p.stderr


# ---- wait -------------------------------------------------------------------------------------------

def test_wait(gw, tmp_path, mock):
    assert gw.ctl("wait").stdout == "" and json.loads(gw.ctl("--json", "wait", "idle").stdout)["state"] == "running"
    now = gw.ctl_json("status")["generation"]
    assert gw.ctl("wait", f"generation={now}", "--timeout", "5s").returncode == 0
    p = gw.ctl("wait", f"generation={now + 1}", "--timeout", "1s", check=False)
    assert p.returncode == 7 and "--timeout waits longer" in p.stderr, p
    assert gw.ctl("wait", "for", "rain", check=False).returncode == 2 and gw.ctl("wait", "rain", check=False).returncode == 2
    assert run("--socket", tmp_path / "none.sock", "wait", "--timeout", "500ms").returncode == 7
    waiting = subprocess.Popen([CTL, "--socket", gw.tmp / "run" / "control.sock", "wait", f"generation={now + 1}", "--timeout", "6s"])
    began = time.monotonic()
    time.sleep(3)
    gw.process.send_signal(signal.SIGSTOP)          # it does not answer the last look: that adds nothing to the time
    assert waiting.wait(60) == 7 and time.monotonic() - began < 8.5
    gw.process.send_signal(signal.SIGCONT)
    g = make(tmp_path, mock)                   # it is waited for before it is there
    waiting = subprocess.Popen([CTL, "--socket", tmp_path / "run" / "control.sock", "wait", "--timeout", "30s"])
    g.start()
    assert waiting.wait(30) == 0
    g.stop()
