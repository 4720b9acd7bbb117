# SPDX-License-Identifier: MIT
"""What the README asks a newcomer to run first: packaging/quickstart, with the programs of this build."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

from gateway import BUILD, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="it asks with curl")


@pytest.fixture
def folder():
    """One with a short name: sockets' paths are short, and pytest's folders are not."""
    with tempfile.TemporaryDirectory(prefix="q") as name:
        yield pathlib.Path(name)


def quickstart(folder, port, *args):
    env = {**os.environ, "LLMGW_PORT": str(port), "LLMGW_BUILD": str(BUILD), "TMPDIR": str(folder)}
    return subprocess.run([ROOT / "packaging/quickstart", *args], env=env, capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)


def test_it_asks_and_shows_what_it_got(folder):
    port = free_port()
    p = quickstart(folder, port, "--once")
    assert p.returncode == 0 and "It works." in p.stdout, p
    answer = json.loads(next(line for line in p.stdout.splitlines() if line.startswith("{")))
    assert answer["choices"][0]["message"]["content"] and answer["usage"]["completion_tokens"] > 0
    assert re.search(r"^cost: \$0\.0000\d*[1-9]", p.stdout, re.M) and "data: [DONE]" in p.stdout
    assert len(re.findall(r"quickstart +\d+ +\d+ +\$0\.0000\d+ success", p.stdout)) == 2     # llmgwctl spend logs
    assert not list(folder.iterdir())                             # nothing is left, and nobody listens
    with socket.socket() as s, pytest.raises(ConnectionRefusedError):
        s.connect(("127.0.0.1", port))


def test_a_port_that_is_taken_is_told(folder):
    with socket.create_server(("127.0.0.1", 0)) as s:
        p = quickstart(folder, s.getsockname()[1], "--once")
    assert p.returncode == 1 and "Address already in use" in p.stderr and "LLMGW_PORT=4001" in p.stderr, p
    assert not list(folder.iterdir())
