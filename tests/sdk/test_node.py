# SPDX-License-Identifier: MIT
"""Each node/*.mjs in Node.js; its tests are counted there and judged as one here."""
import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent / "node"
SCRIPTS = sorted(p.name for p in HERE.glob("*.mjs") if p.name != "harness.mjs")


@pytest.mark.parametrize("script", SCRIPTS)
def test_script(script, base, key):
    node = os.environ.get("LLMGW_SDK_NODE")
    if not node:
        pytest.skip(os.environ.get("LLMGW_SDK_NO_NODE", "no node_modules"))
    for p in HERE.glob("*.mjs"):           # next to node_modules, where imports find it
        shutil.copy(p, node)
    p = subprocess.run(["node", "--test", "--test-reporter=tap", script], cwd=node, capture_output=True, text=True,
                       timeout=180, env={**os.environ, "GATEWAY": base, "GATEWAY_KEY": key})
    failed = [line for line in p.stdout.splitlines() if line.strip().startswith("not ok")]
    assert p.returncode == 0 and not failed, p.stdout[-6000:] + p.stderr[-2000:]
