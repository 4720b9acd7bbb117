# SPDX-License-Identifier: MIT
"""One gateway for all SDKs. A model's name says who answers it and how: `ant-tool` is the mock in
Anthropic's format, calling a tool."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "live"))
from gateway import Gateway, Mock  # noqa: E402

PROVIDERS = {"oai": ("openai", "/v1"), "ant": ("anthropic", ""), "gem": ("gemini", ""), "oll": ("ollama_chat", "")}
SCRIPTS = {"plain": "plain", "tool": "x?tool", "json": "x?json", "limit": "x?status=429&retry=1", "bad": "x?status=400",
           "think": "x?think=2", "long": "x?tokens=40&gap=5"}
RANKERS = {"cohere": "", "jina_ai": "/v1", "voyage": "/v1", "hosted_vllm": ""}
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"       # of AWS's own examples; the mock knows it
PRICE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}


@pytest.fixture(scope="session")
def mock():
    m = Mock()
    yield m
    m.close()


@pytest.fixture(scope="session")
def gw(mock, tmp_path_factory):
    models = [(f"{p}-{s}", {"model": f"{family}/{script}", "api_base": mock.base + suffix, "api_key": "sk-upstream", **PRICE})
              for p, (family, suffix) in PROVIDERS.items() for s, script in SCRIPTS.items()]
    models += [(f"bed-{s}", {"model": f"bedrock/{script}", "aws_bedrock_runtime_endpoint": mock.base,
                             "aws_region_name": "us-east-1", "aws_access_key_id": "AKIDEXAMPLE",
                             "aws_secret_access_key": SECRET, **PRICE}) for s, script in SCRIPTS.items()]
    models += [(f"coh-{s}", {"model": f"cohere_chat/{script}", "api_base": mock.base, "api_key": "co-upstream", **PRICE})
               for s, script in SCRIPTS.items()]
    models += [(f"rank-{family}", {"model": f"{family}/rerank", "api_base": mock.base + suffix, "api_key": "k"})
               for family, suffix in RANKERS.items()]
    g = Gateway(tmp_path_factory.mktemp("sdk"), models,
                "router_settings: {num_retries: 0, disable_cooldowns: true}\nlitellm_settings: {drop_params: true}\n")
    g.start()
    yield g
    g.stop()


@pytest.fixture(scope="session")
def base(gw):
    return f"http://127.0.0.1:{gw.port}"


@pytest.fixture(scope="session")
def key(gw):
    return gw.key(key_alias="sdk")
