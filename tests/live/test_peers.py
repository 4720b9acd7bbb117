# SPDX-License-Identifier: MIT
"""test_peers.py - the benchmark's other gateways: what is never installed, what is skipped and why;
and what its generator takes for an answer when it asks to be refused."""
import json
import pathlib
import subprocess
import sys

import pytest

from gateway import BUILD

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))
import peers  # noqa: E402


@pytest.mark.parametrize("version", ["1.82.7", "1.82.8", "1.107.0"])
def test_malicious_release_is_never_installed(tmp_path, monkeypatch, version):
    monkeypatch.setattr(peers.LiteLLM, "version", version)
    kind = peers.LiteLLM(tmp_path)
    assert kind.install() == f"litellm {version} was reported as malicious"
    assert list(tmp_path.iterdir()) == []


def test_pinned_release_is_not_refused():
    assert peers.LiteLLM.version == "1.82.6"
    assert peers.refused("litellm", peers.LiteLLM.version) is None


def test_another_release_in_the_folder_is_not_started(tmp_path):
    kind = peers.LiteLLM(tmp_path)
    kind.python.parent.mkdir(parents=True)
    kind.python.write_text("#!/bin/sh\necho 1.82.7\n")
    kind.python.chmod(0o755)
    (kind.where / "stamp").touch()
    assert kind.install() == f"{kind.where} has litellm 1.82.7, not 1.82.6"


def test_no_registry_is_a_reason_to_skip(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMGW_PEERS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    there, skipped = peers.install(list(peers.KINDS))
    assert there == [] and list(skipped) == ["litellm", "portkey", "ferro", "ferro-memory", "bifrost"]
    assert skipped["litellm"].startswith(("PyPI: ", "no virtual environment"))
    assert skipped["portkey"].startswith(("npm: code ECONNREFUSED", "there is no Node.js"))
    assert skipped["ferro"].startswith(("Go modules: ", "there is no Go"))
    assert "outside the registries" in skipped["bifrost"]
    assert not list(tmp_path.glob("*/stamp"))       # the next run tries again


def test_unknown_peer_is_named():
    p = subprocess.run([BENCH / "run", "--peers", "litellm,nobody"], capture_output=True, text=True, check=False)
    assert p.returncode == 1 and "no peer is called 'nobody'" in p.stderr and "portkey" in p.stderr


def load(gw, tmp_path, key, *options):
    """Exit status and report of llmgw-load with this key."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}]}))
    p = subprocess.run([BUILD / "llmgw-load", "--json", "--url", f"http://127.0.0.1:{gw.port}/v1/chat/completions",
                        "--concurrency", "2", "--duration", "0.3", "--warmup", "0", "--body", body,
                        "--header", f"Authorization: Bearer {key}", *options],
                       capture_output=True, text=True, timeout=60, check=False)
    return p.returncode, json.loads(p.stdout.splitlines()[-1])


def test_generator_wants_what_it_is_told_to(gw, tmp_path):
    status, report = load(gw, tmp_path, "sk-wrong", "--refused")
    assert status == 0 and report["ok"] > 0 and report["failed"] == 0
    status, report = load(gw, tmp_path, "sk-wrong")
    assert status == 1 and report["ok"] == 0 and report["bad_status"] in (401, 429)
    status, report = load(gw, tmp_path, gw.master_key, "--refused")
    assert status == 1 and report["ok"] == 0 and report["failures"]["status"] > 0
