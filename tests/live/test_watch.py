# SPDX-License-Identifier: MIT
"""Commands that go on: `llmgwctl top` on a terminal and off it, and `logs tail --follow`."""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from gateway import BUILD, PATIENCE


def command(gw, *args):
    return [BUILD / "llmgwctl", "--socket", gw.tmp / "run" / "control.sock", *args]


class Terminal:
    """llmgwctl on a terminal of 12 lines and 100 columns."""

    def __init__(self, gw, *args):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 100, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(command(gw, *args), stdin=slave, stdout=slave, stderr=slave,
                                        env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"})
        self.seen = ""

    def until(self, text, seconds=30):
        end = time.monotonic() + seconds * PATIENCE
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode()
        seen, self.seen = self.seen, ""
        return seen

    def press(self, key):
        os.write(self.master, key.encode())

    def end(self):
        status = self.process.wait(30 * PATIENCE)
        assert termios.tcgetattr(self.slave) == self.before     # the terminal is as it was
        os.close(self.slave)
        os.close(self.master)
        return status


def test_top_on_a_terminal(start):
    gw = start([("m", "plain"), ("slow", "mock?ttft=1500"), ("bad", "mock?status=500")],
               "router_settings: {num_retries: 0}\n", workers=2)
    t = Terminal(gw, "top", "--interval", "200ms")
    first = t.until("REQ/S")
    assert "\x1b[?1049h" in first and "workers" in first        # on the other screen
    for _ in range(5):
        assert gw.ask("m").status == 200
    assert gw.ask("bad").status == 500
    seen = t.until("well")
    end = time.monotonic() + 60 * PATIENCE
    while " 0.0 " not in seen or "100" not in seen:             # what failed is shown, then it is quiet again
        gw.ask("bad")
        assert time.monotonic() < end, seen
        seen += t.until("\x1b[J")
    t.press("s")
    t.until("\x1b[J")
    t.press("q")
    t.until("\x1b[?1049l")
    assert t.end() == 0
    # and an interrupt gives the terminal back, too
    t = Terminal(gw, "top", "--by", "provider")
    t.until("openai")
    t.process.send_signal(signal.SIGINT)
    t.until("\x1b[?1049l")
    assert t.end() == 0


def test_top_once(start):
    gw = start([("m", "plain"), ("slow", "mock?tokens=60&gap=250")], workers=1)
    waits = subprocess.Popen(command(gw, "--json", "top", "--interval", "3s", "--sort", "requests"),
                             stdout=subprocess.PIPE)
    time.sleep(0.2)
    s = gw.stream("slow")
    for _ in range(6):
        gw.ask("m")
    told = json.loads(waits.communicate()[0])
    rows = {r["name"]: r for r in told["rows"]}
    assert [r["name"] for r in told["rows"]] == ["m", "slow"]
    assert 0 < float(rows["m"]["requests_s"]) <= 10 and rows["slow"]["in_flight"] == 1
    assert rows["m"]["failed_percent"] == "0.0" and float(told["all"]["tokens_s"]) > 0
    assert told["all"]["in_flight"] == 1 and told["all"]["workers"] == 1
    s.leave()
    text = gw.ctl("top", "--interval", "100ms").stdout          # no terminal: one table, and no control bytes
    assert "REQ/S" in text and "\x1b" not in text
    assert {r["name"] for r in gw.ctl_json("top", "--by", "deployment", "--interval", "100ms")["rows"]} == \
        {m["id"] for m in gw.ctl_json("models")["models"]}
    for wrong in (["--by", "colour"], ["--sort", "beauty"], ["--interval", "1ms"]):
        p = gw.ctl("top", *wrong, check=False)
        assert p.returncode != 0 and p.stderr, wrong
    gw.stop()
    assert gw.ctl("top", check=False).returncode == 3           # not running


def test_logs_are_filtered_and_followed(start):
    gw = start([("m", "plain")], workers=1)
    every = gw.ctl_json("logs", "tail", "--lines", "500")["lines"]
    assert {"master.ready"} <= {r["event"] for r in every}
    assert [r["number"] for r in every] == sorted(r["number"] for r in every)
    only = gw.ctl_json("logs", "tail", "--event", "master.*")["lines"]
    assert only and all(r["event"].startswith("master.") for r in only)
    assert gw.ctl_json("logs", "tail", "--level", "error")["lines"] == []
    assert gw.ctl_json("logs", "tail", "--grep", "no such text")["lines"] == []
    assert gw.ctl("logs", "tail", "--level", "loud", check=False).returncode != 0
    follows = subprocess.Popen(command(gw, "logs", "tail", "--follow", "--event", "config.*", "--lines", "1"),
                               stdout=subprocess.PIPE, text=True)
    newest = [r for r in every if r["event"].startswith("config.")][-1:]
    for r in newest:
        assert follows.stdout.readline().rstrip("\n") == r["line"]
    gw.ctl("reload")
    line = follows.stdout.readline()                            # what is new, once
    assert "config." in line and line.rstrip("\n") not in [r["line"] for r in newest]
    answer = gw.ctl_json("logs", "tail", "--lines", "2")
    assert len(answer["lines"]) == 2 and answer["oldest"] == 1 and answer["newest"] > len(every)
    follows.send_signal(signal.SIGTERM)
    assert follows.wait(10 * PATIENCE) == 0


def test_more_logs_than_a_look_has_lines(start):
    """All that came since the last look are shown, whatever --lines says of the first one; and where the gateway keeps them
    no more, that is said."""
    dead = {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "sk-x"}
    gw = start([(f"m{i}", dead) for i in range(600)], workers=1)
    follows = subprocess.Popen(command(gw, "logs", "tail", "--follow", "--lines", "1"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    first = follows.stdout.readline()
    follows.send_signal(signal.SIGSTOP)                         # it looks away
    for _ in range(3):
        gw.ctl("reload")
    told = [r["line"] for r in gw.ctl_json("logs", "tail", "--lines", "500")["lines"]]
    told = told[told.index(first.rstrip("\n")) + 1:]
    assert len(told) >= 3
    follows.send_signal(signal.SIGCONT)
    assert [follows.stdout.readline().rstrip("\n") for _ in told] == told
    follows.send_signal(signal.SIGSTOP)
    gw.ctl("health", "probe", check=False)                      # a record of each
    assert gw.ctl_json("logs", "tail")["oldest"] > 50
    follows.send_signal(signal.SIGCONT)
    assert "records came too fast to be shown" in follows.stderr.readline()
    follows.send_signal(signal.SIGTERM)
    follows.communicate(timeout=30 * PATIENCE)


def test_directives_are_explained(start):
    gw = start([("m", "plain")], "router_settings: {cooldown_time: 7}\n", workers=1)
    rows = {r["directive"]: r for r in gw.ctl_json("config", "explain", "cooldown-time")["directives"]}
    assert rows["router_settings.cooldown_time"]["value"] == 7 or rows["router_settings.cooldown_time"]["value"] == "7s"
    assert rows["router_settings.cooldown_time"]["default"] == "5" and "alone" in rows["router_settings.cooldown_time"]["doc"]
    assert "value" not in rows["litellm_params.cooldown_time"]      # it has one for each model
    every = gw.ctl_json("config", "explain", "*")["directives"]
    assert len(every) > 200 and all(r["doc"] for r in every)
    shown = json.dumps(every)
    assert gw.master_key not in shown                               # a secret's value is never shown
    assert all(r["directive"].startswith("server.tls.") for r in gw.ctl_json("config", "explain", "server.tls")["directives"])
    p = gw.ctl("config", "explain", "cooldwn_time", check=False)
    assert p.returncode != 0 and "is it 'cooldown_time'?" in p.stderr
    assert "llmgw.yaml(5) says under DIAGNOSTICS" in gw.ctl("config", "explain", "W003", check=False).stderr
    p = gw.ctl("config", "explain", "cooldn", check=False)
    assert p.returncode != 0 and "is looked for with '*cooldn*'" in p.stderr
    assert gw.ctl("config", "explain", "*down_ti*").returncode == 0


def test_a_difference_of_a_deployment_is_shown_in_brief(start):
    gw = start([("m", "plain")], workers=1)
    gw.config.write_text(gw.config.read_text().replace('model_name: "m"', 'model_name: "other"'))
    p = gw.ctl("config", "diff", check=False)
    assert p.returncode == 1 and max(map(len, p.stdout.splitlines())) < 220 and "model_list.other" in p.stdout, p.stdout
    long = [c["after"] for c in json.loads(gw.ctl("--json", "config", "diff", check=False).stdout)["changes"] if c["after"]]
    assert len(json.dumps(long[0])) > 500                           # all of it is there
