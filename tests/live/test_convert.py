# SPDX-License-Identifier: MIT
"""llmgwctl config convert: other gateways' configurations as ours. What comes out passes llmgw -t, answers as it
should, says what could not be carried over, and holds no secret that was not asked for."""
import json
import os
import re
import subprocess

import pytest

from gateway import BUILD, Gateway
from test_ctl import ROOT, run

SECRET = "sk-literal-0123456789abcdef"


def convert(tmp, source, *args, name="config.json", code=0):
    path = tmp / name
    path.write_text(source if isinstance(source, str) else json.dumps(source))
    p = run("config", "convert", path, *args)
    assert p.returncode == code, p
    return p


def check(tmp, text, env=None):
    """What llmgw -t says of it; warnings may stand there."""
    path = tmp / "made.yaml"
    path.write_text(text)
    path.chmod(0o600)
    p = subprocess.run([BUILD / "llmgw", "-t", "--config", path], capture_output=True, text=True, timeout=30,
                       env={**os.environ, "LLMGW_MASTER_KEY": "sk-master-0123456789", **(env or {})})
    assert p.returncode == 0, p.stdout + p.stderr + text
    assert " is valid (" in p.stdout + p.stderr
    assert "not-acted-on" not in p.stderr and "unknown-key" not in p.stderr, p.stderr
    return p.stderr


def models(text):
    """(model_name, {param: value as it is written}) of each entry."""
    found = []
    for entry in re.split(r"^  - model_name: ", text.split("\nmodel_list:\n")[1], flags=re.M)[1:]:
        entry = entry.split("\n\n")[0]
        name, *rest = entry.splitlines()
        found.append((name.strip('"'), dict(line.strip().split(": ", 1) for line in rest if ": " in line)))
    return found


BIFROST = {
    "$schema": "https://www.getbifrost.ai/schema",
    "client": {"max_request_body_size_mb": 100, "log_retention_days": 30, "allowed_origins": ["https://a.example"],
               "mcp_agent_depth": 3},
    "providers": {
        "openai": {"keys": [
            {"name": "a", "value": "env.OPENAI_ONE", "models": ["gpt-4o", "gpt-4o-mini"], "weight": 0.7},
            {"name": "b", "value": SECRET, "models": ["gpt-4o"], "weight": 0.3},
            {"name": "off", "value": "env.X", "models": ["*"], "enabled": False},
            {"name": "none", "value": "env.X", "models": []}],
            "network_config": {"base_url": "https://proxy.example", "default_request_timeout_in_seconds": 30, "max_retries": 3,
                               "extra_headers": {"X-Org": "o1", "X-Api-Token": "t-literal-value"}},
            "concurrency_and_buffer_size": {"concurrency": 10}},
        "azure": {"keys": [{"value": {"env_var": "env.AZURE_ONE", "from_env": True, "value": ""}, "models": ["*"], "weight": 1,
                            "azure_key_config": {"endpoint": "https://r.openai.azure.com/", "api_version": "2025-03-01-preview",
                                                 "deployments": {"gpt-4o": "my-4o"}, "scopes": ["s"]}}]},
        "vertex": {"keys": [{"models": ["google/gemini-2.5-pro"], "weight": 1,
                             "vertex_key_config": {"project_id": "p", "region": "us-east1", "auth_credentials": "env.VERTEX"}}]},
        "bedrock": {"keys": [{"models": ["*"], "bedrock_key_config": {
            "access_key": "env.AWS_ID", "secret_key": "aws-secret-literal", "region": "eu-central-1", "arn": "arn:x"}}]},
        "ollama": {"keys": [{"models": ["*"], "ollama_key_config": {"url": "http://box:11434"}}]},
        "vllm": {"keys": [{"models": ["*"], "vllm_key_config": {"url": "http://gpu:8000", "model_name": "qwen"}}]},
        "mine": {"keys": [], "network_config": {"base_url": "http://mine.example"},
                 "custom_provider_config": {"base_provider_type": "openai", "is_key_less": True}},
        "elevenlabs": {"keys": [{"value": "env.E", "models": ["*"]}]},
        "nobody": {"keys": [{"value": "vault.path/x", "models": ["m"]}], "network_config": {"base_url": "http://nobody.example/v1"}},
    },
    "governance": {"virtual_keys": [{"id": "vk1", "name": "team one", "value": "sk-bf-literal", "provider_configs": [
        {"provider": "openai", "allowed_models": ["*"]}, {"provider": "azure", "allowed_models": ["gpt-4o"]}]}],
        "budgets": [{"id": "b", "max_limit": 12.5, "reset_duration": "1M", "virtual_key_id": "vk1"}],
        "routing_rules": [{"x": 1}]},
    "mcp": {"client_configs": []},
    "plugins": [{"name": "semantic_cache"}],
}


def test_bifrost(tmp_path):
    p = convert(tmp_path, BIFROST)
    got = models(p.stdout)
    names = [name for name, _ in got]
    assert names == ["openai/gpt-4o", "openai/gpt-4o-mini", "openai/gpt-4o", "azure/gpt-4o", "vertex/google/gemini-2.5-pro",
                     "bedrock/*", "ollama/*", "vllm/qwen", "mine/*", "nobody/m"]
    by = [params for _, params in got]
    assert by[0]["model"] == "openai/gpt-4o" and by[0]["api_key"] == "os.environ/OPENAI_ONE" and by[0]["weight"] == "0.7"
    assert by[0]["api_base"] == '"https://proxy.example/v1"' and by[0]["timeout"] == "30" and by[0]["num_retries"] == "3"
    assert json.loads(by[0]["extra_headers"]) == {"X-Org": "o1", "X-Api-Token": "os.environ/OPENAI_X_API_TOKEN"}
    assert by[2]["api_key"] == "os.environ/OPENAI_API_KEY" and by[2]["weight"] == "0.3"
    assert by[3]["model"] == "azure/my-4o" and by[3]["api_key"] == "os.environ/AZURE_ONE"
    assert by[3]["api_base"] == '"https://r.openai.azure.com/"' and by[3]["api_version"] == '"2025-03-01-preview"'
    assert by[4] == {"model": "vertex_ai/gemini-2.5-pro", "vertex_project": "p", "vertex_location": "us-east1",
                     "vertex_credentials": "os.environ/VERTEX", "weight": "1"}
    assert by[5]["aws_secret_access_key"] == "os.environ/BEDROCK_SECRET_ACCESS_KEY" and by[5]["aws_region_name"] == "eu-central-1"
    assert by[6] == {"model": '"ollama_chat/*"', "api_base": '"http://box:11434"'}
    assert by[7] == {"model": "hosted_vllm/qwen", "api_base": '"http://gpu:8000/v1"'}
    assert by[8]["model"] == '"openai/*"' and by[8]["api_base"] == '"http://mine.example/v1"' and by[8]["api_key"] == "none"
    assert by[9]["model"] == "openai_like/m" and by[9]["api_key"] == "os.environ/NOBODY_API_KEY"
    for note in ("providers.elevenlabs", "keys[2]: is switched off", "keys[3].models", "concurrency_and_buffer_size", "scopes",
                 "bedrock_key_config.arn", "governance.routing_rules", "mcp: has no equal", "plugins: has no equal",
                 "client.mcp_agent_depth", "comes from a vault"):
        assert note in p.stderr, (note, p.stderr)
    assert "llmgwctl keys create --key-alias 'team one' --models 'openai/*,azure/gpt-4o' --max-budget 12.5 " \
           "--budget-duration 1mo" in p.stderr
    assert "body: 100M" in p.stdout and "retention_period: 30d" in p.stdout and "https://a.example" in p.stdout
    for secret in (SECRET, "aws-secret-literal", "sk-bf-literal", "t-literal-value"):
        assert secret not in p.stdout + p.stderr
    assert "OPENAI_API_KEY: what stood in providers.openai.keys[1].value" in p.stdout
    check(tmp_path, p.stdout)
    with_them = convert(tmp_path, BIFROST, "--with-secrets").stdout
    assert SECRET in with_them and "aws-secret-literal" in with_them
    check(tmp_path, with_them)
    old = convert(tmp_path, {"version": 1, "providers": {"groq": {"keys": [{"value": "env.G", "models": []}]}}})
    assert models(old.stdout) == [("groq/*", {"model": '"groq/*"', "api_key": "os.environ/G"})]


PORTKEY = {
    "strategy": {"mode": "fallback", "on_status_codes": [429]}, "retry": {"attempts": 4, "on_status_codes": [500]},
    "cache": {"mode": "semantic", "max_age": 600},
    "targets": [
        {"strategy": {"mode": "loadbalance"}, "targets": [
            {"provider": "openai", "api_key": SECRET, "weight": 0.75, "override_params": {"model": "gpt-4o", "temperature": 0.5}},
            {"provider": "azure-openai", "api_key": "az-literal-key", "weight": 0.25, "resource_name": "res",
             "deployment_id": "dep", "api_version": "2025-03-01-preview"}]},
        {"provider": "anthropic", "virtual_key": "claude-prod", "override_params": {"model": "claude-sonnet-4-5"},
         "request_timeout": 20000},
        {"provider": "stability-ai", "api_key": "x"},
        {"provider": "my-own", "custom_host": "https://own.example/v1", "api_key": "y", "forward_headers": ["a"]}],
    "input_guardrails": ["g"],
}


def test_portkey(tmp_path):
    p = convert(tmp_path, PORTKEY, "--model", "chat")
    got = models(p.stdout)
    assert [n for n, _ in got] == ["chat", "chat", "chat", "*"]
    by = [params for _, params in got]
    assert by[0] == {"model": "openai/gpt-4o", "api_key": "os.environ/OPENAI_API_KEY", "weight": "0.75", "order": "1",
                     "temperature": "0.5"}
    assert by[1] == {"model": "azure/dep", "api_key": "os.environ/AZURE_OPENAI_API_KEY", "weight": "0.25", "order": "1",
                     "api_base": '"https://res.openai.azure.com"', "api_version": '"2025-03-01-preview"'}
    assert by[2] == {"model": "anthropic/claude-sonnet-4-5", "api_key": "os.environ/CLAUDE_PROD_API_KEY", "order": "2",
                     "timeout": "20"}
    assert by[3]["model"] == '"openai_like/*"' and by[3]["order"] == "4"
    assert "num_retries: 4" in p.stdout and "ttl: 600" in p.stdout and "cache: true" in p.stdout
    for note in ("NOT checked", "targets[2].provider: this provider is not served", "kept by Portkey", "on_status_codes",
                 "not to one alike", "forward_headers"):
        assert note in p.stderr, (note, p.stderr)
    assert SECRET not in p.stdout + p.stderr and "az-literal-key" not in p.stdout + p.stderr
    check(tmp_path, p.stdout)
    one = convert(tmp_path, {"provider": "groq", "api_key": "k"}).stdout
    assert models(one) == [("*", {"model": '"groq/*"', "api_key": "os.environ/GROQ_API_KEY"})]
    check(tmp_path, one, {"GROQ_API_KEY": "k"})


LITELLM = f"""# a gateway; once it had {SECRET} here
model_list:
  - model_name: gpt   # the large one
    rpm: 60
    tpm: 90000
    litellm_params:
      model: openai/gpt-4o
      api_key: {SECRET}
  - model_name: other
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_key: "os.environ/ANTHROPIC_API_KEY", extra_headers: {{X-Tag: hidden-tag}}}}
litellm_settings:
  model_alias_map: {{chat: gpt}}
  drop_params: true
  mcp_aliases: {{a: b}}
general_settings:
  master_key: '{SECRET}-master'
  database_url: "postgresql://u:secret-of-db@host/db"
"""


def test_litellm(tmp_path):
    p = convert(tmp_path, LITELLM, name="config.yaml")
    for secret in (SECRET, "secret-of-db", "hidden-tag"):
        assert secret not in p.stdout + p.stderr, p.stdout
    text = p.stdout
    assert "api_key: os.environ/OPENAI_API_KEY" in text and "master_key: os.environ/LLMGW_MASTER_KEY" in text
    assert "model_group_alias: {chat: gpt}" in text and "# the large one" in text and "# a gateway; once it had ********" in text
    assert re.search(r"    litellm_params:\n      (rpm: 60|tpm: 90000)\n      (rpm: 60|tpm: 90000)\n      model: openai/gpt-4o", text)
    assert "line 14" in p.stderr and "mcp_aliases" in p.stderr and "database_url" in p.stderr
    path = tmp_path / "made.yaml"
    path.write_text(text)
    path.chmod(0o600)
    p = subprocess.run([BUILD / "llmgw", "-t", "--config", path], capture_output=True, text=True, timeout=30,
                       env={**os.environ, "LLMGW_MASTER_KEY": "sk-master-0123456789", "OPENAI_API_KEY": "x",
                            "ANTHROPIC_API_KEY": "y", "ANTHROPIC_X_TAG": "z"})
    assert p.returncode == 0, p
    assert "model_alias_map" not in p.stderr and "'rpm' is not known" not in p.stderr
    assert SECRET in convert(tmp_path, LITELLM, "--with-secrets", name="config.yaml").stdout
    p = convert(tmp_path, "model_list:\n  - model_name: a\n    litellm_params:\n      model: openai/a\n      api_key: |\n"
                          "        sk-of-lines\n", name="config.yaml", code=8)
    assert "several lines" in p.stderr and "sk-of-lines" not in p.stderr + p.stdout


def test_what_came_out_answers_as_before(tmp_path, mock):
    """Traffic goes by the weights, and to the next target when the first fails."""
    source = {"strategy": {"mode": "fallback"}, "targets": [
        {"provider": "openai", "api_key": "a", "custom_host": mock.base + "/v1", "override_params": {"model": "x?status=500"}},
        {"provider": "openai", "api_key": "b", "custom_host": mock.base + "/v1", "override_params": {"model": "plain"}}]}
    text = convert(tmp_path, source, "--model", "m", "--with-secrets").stdout
    g = Gateway(tmp_path, [], raw=text.replace("master_key: os.environ/LLMGW_MASTER_KEY", "master_key: sk-live-master-0123456789"))
    g.start()
    try:
        answer = g.ask("m")
        assert answer.status == 200, answer
        assert g.ask("plain").status == 404 or g.ask("plain").status == 400, "only the group's name is served"
    finally:
        g.stop()


def test_what_is_written_and_refused(tmp_path):
    out = tmp_path / "new.yaml"
    p = convert(tmp_path, BIFROST, "--out", out)
    assert p.stdout == "" and str(out) in p.stderr and out.stat().st_mode & 0o777 == 0o600
    assert "model_list:" in out.read_text()
    p = convert(tmp_path, BIFROST, "--out", out, code=6)
    assert "name a file that is not there yet" in p.stderr
    p = run("--json", "config", "convert", tmp_path / "config.json")
    got = json.loads(p.stdout)
    assert p.returncode == 0 and got["from"] == "bifrost" and got["models"] == 10 and "OPENAI_API_KEY" in got["variables"]
    assert {"where", "what"} == set(got["notes"][0]) and "model_list:" in got["config"]
    assert "--from" in convert(tmp_path, {"what": 1}, code=2).stderr
    assert "byte" in convert(tmp_path, "{,", "--from", "bifrost", code=8).stderr
    assert run("config", "convert", tmp_path / "nothing").returncode == 5
    assert convert(tmp_path, {}, "--from", "envoy", code=2)


def test_nothing_gets_out_of_its_place(tmp_path):
    evil = 'a"\n  - b: c # \x1b[31m'
    p = convert(tmp_path, {"providers": {"openai": {"keys": [{"value": evil, "models": [evil], evil: 1}],
                                                    "network_config": {"base_url": evil}}, evil: {"keys": []}}, evil: {}})
    assert "\x1b" not in p.stdout + p.stderr
    assert len(models(p.stdout)) == 1
    assert run("--json", "config", "convert", tmp_path / "config.json").returncode == 0


@pytest.mark.parametrize("source", ["bifrost", "portkey"])
def test_prefixes_are_ours(source):
    text = (ROOT / f"master/convert_{source}.c").read_text()
    table = text[text.index("} providers[] = {"):text.index("};", text.index("} providers[] = {"))]
    served = {line.split("\t")[0]: line for line in (ROOT / "etc/providers.tsv").read_text().splitlines()}
    for prefix in re.findall(r'\{ "[^"]+", "([^"]+)" \}', table):
        assert prefix in served and "native adapter not written" not in served[prefix], prefix
