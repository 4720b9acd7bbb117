# SPDX-License-Identifier: MIT
"""peers.py - other gateways that `run --peers` measures: where they come from, how they are started.

Each is installed from its registry into a folder of its own, at a pinned version, and is asked for
as much of what llmgw does as it can do without a database. `doing` says what that was.
Standard library only.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.request
import venv

INSTALL_S = 420
KEY = "sk-bench-master-0000"
# Its server ends workers that do not answer it within 5 s, which on a busy machine they do not while they
# start. Nothing else of it is changed.
PATIENT_LITELLM = """import functools, sys, uvicorn
uvicorn.run = functools.partial(uvicorn.run, timeout_worker_healthcheck=90)
sys.argv[0] = "litellm"
from litellm import run_server
run_server()"""
REFUSED = {     # releases that were reported as malicious: never installed, never started
    "litellm": ("1.82.7", "1.82.8", "1.107.0"),
}


def folder():
    """Where the peers are kept from run to run: outside the tree."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(os.environ.get("LLMGW_PEERS") or os.path.join(cache, "llmgw-peers"))


def refused(name, version):
    """Why this release may not be used, or None."""
    if version in REFUSED.get(name, ()):
        return f"{name} {version} was reported as malicious"
    return None


def last_line(text, otherwise):
    return (text.strip().splitlines() or [otherwise])[-1][:200]


def npm_error(text):
    """What npm says went wrong; its last line only says where the log is."""
    lines = [x for x in text.splitlines() if x.startswith("npm error") and "complete log" not in x]
    return "; ".join(x.removeprefix("npm error ") for x in lines)[:200] or last_line(text, "no word")


def go_error(text):
    """What the go command says went wrong, without the address that it asked."""
    return "Go modules: " + (text.strip().splitlines() or ["no word"])[-1].strip()[:200]


def ran(command, cwd, reason=lambda text: last_line(text, "no word")):
    """Runs a command of an installation. What its words say was wrong, or None."""
    try:
        p = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_S,
                           stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end in {INSTALL_S} s"
    return reason(p.stderr or p.stdout) if p.returncode else None


class LiteLLM:
    """The LiteLLM proxy. Virtual keys and the spend log need its database, and the client of that an
    engine that is in no registry: so it compares the master key, and only counts the cost."""

    name, package, version = "litellm", "litellm", "1.82.6"
    refuses_wrong_keys = True
    doing = ("key check yes, the master key only: virtual keys need PostgreSQL; cost is counted; "
             "spend log no: needs PostgreSQL; {workers} workers")

    def __init__(self, where):
        self.where = where / f"litellm-{self.version}"
        self.python = self.where / "bin/python"

    def found(self):
        """The release that is really there, or None."""
        code = "import importlib.metadata as m; print(m.version('litellm'))"
        p = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=False)
        return p.stdout.strip() or None

    def install(self):
        """Why it cannot be measured, or None."""
        why = refused(self.package, self.version)
        if why:
            return why
        stamp = self.where / "stamp"
        if not stamp.exists():
            try:
                venv.create(self.where, with_pip=True)
            except (OSError, subprocess.CalledProcessError) as e:
                return f"no virtual environment: {e}"
            never = self.where / "constraints"
            never.write_text("".join(f"litellm!={v}\n" for v in REFUSED["litellm"]))
            why = ran([self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check",
                       "-c", never, f"litellm[proxy]=={self.version}"], self.where)
            if why:
                return f"PyPI: {why}"
            stamp.touch()
        if self.found() != self.version:
            return f"{self.where} has litellm {self.found()}, not {self.version}"
        return None

    def command(self, port, mock_port, workers, models, tmp):
        """models: name -> the mock's script."""
        config = os.path.join(tmp, "litellm.yaml")
        entry = ('  - model_name: {name}\n'
                 '    litellm_params: {{model: "openai/{script}", api_base: "http://127.0.0.1:{port}/v1", '
                 'api_key: sk-mock, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}}\n')
        with open(config, "w") as f:
            f.write("model_list:\n")
            f.writelines(entry.format(name=n, script=s, port=mock_port) for n, s in models.items())
            f.write(f"general_settings: {{master_key: {KEY}}}\n"
                    "litellm_settings: {num_retries: 0, telemetry: false}\n")
        return [self.python, "-c", PATIENT_LITELLM, "--config", config, "--host", "127.0.0.1", "--port", str(port),
                "--num_workers", str(workers), "--telemetry", "False"]

    def environment(self, *_):
        return {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION",
                "LITELLM_LOG": "ERROR", "NO_PROXY": "127.0.0.1"}

    def headers(self, *_):
        return {"Authorization": f"Bearer {KEY}"}

    def model(self, name, _):
        return name

    ready_path = "/health/readiness"


class Portkey:
    """Portkey's gateway. It has no keys and no log of its own: the client's headers say where to."""

    name, package, version = "portkey", "@portkey-ai/gateway", "1.15.2"
    refuses_wrong_keys = False
    doing = "key check no: has none; spend log no: has none; one process, which is all it can be told"
    ready_path = "/"

    def __init__(self, where):
        self.where = where / f"portkey-{self.version}"

    def install(self):
        if not shutil.which("node") or not shutil.which("npm"):
            return "there is no Node.js here"
        stamp = self.where / "stamp"
        if not stamp.exists():
            self.where.mkdir(parents=True, exist_ok=True)
            why = ran(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", self.where,
                       f"{self.package}@{self.version}"], self.where, npm_error)
            if why:
                return f"npm: {why}"
            stamp.touch()
        return None

    def command(self, port, *_):
        return ["node", self.where / "node_modules" / self.package / "build/start-server.js",
                f"--port={port}", "--headless"]

    def environment(self, *_):
        return {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}

    def headers(self, _, mock_port):
        return {"Authorization": "Bearer sk-mock", "x-portkey-provider": "openai",
                "x-portkey-custom-host": f"http://127.0.0.1:{mock_port}/v1"}

    def model(self, name, models):
        return models[name]


class Ferro:
    """Ferro Labs' AI Gateway, with keys of its own and a row in its log for each request, both in SQLite.
    A program that was built from its source by hand is taken too, where the module is not served."""

    name, package, version = "ferro", "github.com/ferro-labs/ai-gateway", "1.4.1"
    refuses_wrong_keys = True
    doing = ("key check yes, a key of its store (SQLite), no budget and no limits; spend log yes, its request "
             "log, each request and answer a row (SQLite); one process on all CPUs")
    ready_path = "/readyz"

    def __init__(self, where):
        self.where = where / f"ferro-{self.version}"
        self.program = self.where / "ferrogw"

    def install(self):
        if self.program.exists():
            return None
        if not shutil.which("go"):
            return f"there is no Go here, and no {self.program}"
        self.where.mkdir(parents=True, exist_ok=True)
        return ran(["env", f"GOBIN={self.where}", "go", "install", f"{self.package}/cmd/ferrogw@v{self.version}"],
                   self.where, go_error)

    def command(self, port, mock_port, workers, models, tmp):
        """Its names of models are exact, and a question mark is none of theirs: the mock takes a tilde too."""
        stages = [{"name": "request-logger", "type": "logging", "stage": stage, "enabled": True,
                   "config": {"level": "error", "persist": True}}
                  for stage in ("before_request", "after_request", "on_error")]
        config = {"apiVersion": "v1", "strategy": {"mode": "single"}, "plugins": stages if self.logs else [],
                  "targets": [{"virtual_key": "openai", "models": sorted(self.model(n, models) for n in models)}]}
        with open(os.path.join(tmp, "ferro.yaml"), "w") as f:
            json.dump(config, f)
        return [self.program, "serve"]

    def environment(self, port, mock_port, tmp):
        return {"GATEWAY_CONFIG": os.path.join(tmp, "ferro.yaml"), "PORT": str(port), "GATEWAY_ENV": "production",
                "RATE_LIMIT_RPS": "0", "MASTER_KEY": self.master, "OPENAI_API_KEY": "sk-mock", "LOG_LEVEL": "error",
                "OPENAI_BASE_URL": f"http://127.0.0.1:{mock_port}/v1", "API_KEY_STORE_BACKEND": "sqlite",
                "API_KEY_STORE_DSN": os.path.join(tmp, "keys.db"), "REQUEST_LOG_STORE_BACKEND": "sqlite",
                "REQUEST_LOG_STORE_DSN": os.path.join(tmp, "log.db")}

    logs, master = True, "fgw_" + "0" * 40

    def headers(self, port, _):
        """A key made for this start."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/admin/keys", json.dumps({"name": "bench", "scopes": ["read_only"]}).encode(),
            {"Authorization": f"Bearer {self.master}", "Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            return {"Authorization": f"Bearer {json.load(answer)['key']}"}

    def model(self, name, models):
        return models[name].replace("?", "~")


class FerroInMemory(Ferro):
    """The same as its makers start it: nothing is written to a disk."""

    name, logs = "ferro-memory", False
    doing = ("key check yes, a key kept in memory, no budget and no limits; spend log no, switched off; "
             "one process on all CPUs")

    def environment(self, *args):
        return super().environment(*args) | {"API_KEY_STORE_BACKEND": "memory", "REQUEST_LOG_STORE_BACKEND": ""}


class Bifrost:
    """Its package in npm is a starter, which fetches the gateway from a host that is no registry."""

    name, version = "bifrost", None

    def __init__(self, where):
        pass

    def install(self):
        return ("the package @maximhq/bifrost only fetches the program, from outside the registries; "
                "the Go modules are not served here")


KINDS = {kind.name: kind for kind in (LiteLLM, Portkey, Ferro, FerroInMemory, Bifrost)}


def install(names):
    """Kinds that can be started, and why the others cannot: name -> reason."""
    there, skipped = [], {}
    for name in names:
        kind = KINDS[name](folder())
        print(f"{name}: looking for {kind.version or 'it'} in {folder()}", file=sys.stderr)
        why = kind.install()
        if why:
            skipped[name] = why
        else:
            there.append(kind)
    return there, skipped
