# SPDX-License-Identifier: MIT
"""Fixtures own real processes: a mock provider and gateways that are stopped and judged."""
import contextlib

import pytest

from gateway import Gateway, Mock
from sink import Sink

PRICED = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}


@pytest.fixture(scope="session")
def mock_process():
    m = Mock()
    yield m
    m.close()


@pytest.fixture
def mock(mock_process):
    mock_process.clear()
    return mock_process


@pytest.fixture
def sink():
    s = Sink()
    yield s
    s.close()


@pytest.fixture
def start(tmp_path, mock):
    """start(models, settings=...) gives a running gateway; all are stopped and judged at the end.
    A model is (name, upstream script) or (name, litellm_params); kind: of a class derived from Gateway."""
    running = []

    def begin(models, settings="", kind=Gateway, **kw):
        full = []
        for name, what in models:
            if isinstance(what, str):
                what = {"model": f"openai/{what}", "api_base": mock.base + "/v1", "api_key": "sk-upstream-canary" + "-refused" * ("status=401" in what),
                        **PRICED}
            full.append((name, what))
        where = tmp_path / f"gw{len(running)}"
        where.mkdir()
        g = kind(where, full, settings, **kw)
        running.append(g)
        return g.start()

    yield begin
    with contextlib.ExitStack() as stack:       # one that is found guilty keeps no other one running
        for g in reversed(running):
            stack.callback(g.stop)


@pytest.fixture
def gw(start):
    """The plain case: one model `m` that answers at once, one wildcard that takes any script."""
    return start([("m", "plain"), ("mock*", "mock*"), ("ollama", "plain")])
