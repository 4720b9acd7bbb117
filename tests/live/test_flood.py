# SPDX-License-Identifier: MIT
"""A flood of unknown keys: answered cheaply, without the database, without harm to others."""
import http.client
import pathlib
import socket
import time

import pytest

from gateway import Gateway, Mock, until


@pytest.fixture(scope="module")
def gw(tmp_path_factory):
    mock = Mock()
    g = Gateway(tmp_path_factory.mktemp("flood"),
                [("m", {"model": "openai/mock", "api_base": mock.base, "api_key": "x"})], workers=1).start()
    yield g
    g.stop()
    mock.close()


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def guess(gw, n):
    """Statuses of so many requests, each with another key."""
    found = []
    for i in range(n):
        c = http.client.HTTPConnection("127.0.0.1", gw.port, timeout=10)
        c.request("POST", "/v1/chat/completions", b"{}", {"Authorization": f"Bearer sk-guess-number-{i:08}"})
        r = c.getresponse()
        found.append((r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read()))
        c.close()
    return found


def test_guessing_is_slowed_down_and_others_are_served(gw):
    key = gw.key()
    found = guess(gw, 300)
    assert [s for s, _, _ in found[:20]] == [401] * 20
    flood = [(h, b) for s, h, b in found if s == 429]
    assert len(flood) > 100 and {s for s, _, _ in found} == {401, 429}
    headers, body = flood[0]
    assert headers["retry-after"] == "1"
    assert b"too_many_unknown_keys" in body and b"guess" not in body
    assert gw.ask("m", key=key).status == 200, "a key that there is, from the same address"
    assert gw.wait_log("auth.flood")["address"].endswith("127.0.0.1")
    assert not [r for r in gw.records("request.done") if r["outcome"] == "KEY_FLOOD"]
    time.sleep(1.1)
    assert guess(gw, 1)[0][0] == 401


def test_a_guess_costs_no_connection(gw):
    """A new connection costs more than refusing: whoever guesses may keep the one that there is."""
    with socket.create_connection(("127.0.0.1", gw.port), timeout=10) as s, s.makefile("rb") as answers:
        for i in range(200):
            s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                      b"Authorization: Bearer sk-kept-number-%08d\r\n\r\n{}" % i)
            assert answers.readline().split()[1] in (b"401", b"429")
            head = http.client.parse_headers(answers)
            assert "connection" not in head and b"error" in answers.read(int(head["content-length"]))


def test_the_master_and_its_database_have_no_part_in_it(gw):
    until(lambda: gw.ctl_json("config", "history")["versions"])     # what a start writes last
    before, size = cpu(gw.process.pid), (gw.tmp / "state" / "llmgw.db-wal").stat().st_size
    guess(gw, 1000)
    assert cpu(gw.process.pid) - before <= 5, "50 ms, which are the master's own ticks"
    assert (gw.tmp / "state" / "llmgw.db-wal").stat().st_size == size
