# SPDX-License-Identifier: MIT
"""Twenty deployments that die and come back at random, and clients that hardly notice.

The providers are twenty processes: killed, stopped or told to refuse in turn, at least one stays
well. CHAOS_SECONDS and CHAOS_RATE make it long and hard (60 and 2000 are the bar); a test run does
less. The seed is printed."""
import contextlib
import json
import os
import random
import signal
import subprocess
import threading

import pytest
from gateway import BUILD, Mock, free_port

SECONDS = float(os.environ.get("CHAOS_SECONDS", "12"))
RATE = int(os.environ.get("CHAOS_RATE", "500"))
DEPLOYMENTS = 20


class Provider(Mock):
    """A mock at a port of its own, that can be killed and started again there."""

    def __init__(self):
        self.port_wanted = free_port()
        self.begin()

    def begin(self):
        super().__init__("--port", str(self.port_wanted))
        assert self.port == self.port_wanted
        self.state = "well"

    def harm(self, how):
        self.process.send_signal({"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}[how])
        self.state = how

    def mend(self):
        if self.state == "stopped":
            self.process.send_signal(signal.SIGCONT)
            self.state = "well"
        elif self.state == "killed":
            self.process.wait()
            self.process.stdout.close()
            self.begin()


def harass(providers, rng, over, log):
    """Harms and mends, one at a time; half of them are ill on average, one is always well."""
    while not over.wait(0.1):
        p = rng.choice(providers)
        if p.state != "well":
            p.mend()
        elif sum(q.state == "well" for q in providers) > 1 and rng.random() < 0.8:
            p.harm("stopped" if rng.random() < 0.1 else "killed")
            log.append(p.port)
    for p in providers:
        p.mend()


@pytest.mark.timing
@pytest.mark.timeout(300)
def test_twenty_deployments_that_fail_at_random(start, tmp_path):
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(1 << 32)))
    print("seed", seed)
    rng, over, log = random.Random(seed), threading.Event(), []
    with contextlib.ExitStack() as stack:
        providers = [Provider() for _ in range(DEPLOYMENTS)]
        for p in providers:
            stack.callback(p.close)
        gw = start([("g", {"model": "openai/plain", "api_base": p.base + "/v1", "api_key": "x", "timeout": 0.5})
                    for p in providers], "router_settings: {num_retries: 4, cooldown_time: 1, timeout: 0.5}\n")
        body = tmp_path / "body.json"
        body.write_text(json.dumps({"model": "g", "messages": [{"role": "user", "content": "Hello"}]}))
        trouble = threading.Thread(target=harass, args=(providers, rng, over, log))
        trouble.start()
        try:
            out = subprocess.run(
                [BUILD / "llmgw-load", "--json", "--url", f"http://127.0.0.1:{gw.port}/v1/chat/completions",
                 "--rate", str(RATE), "--duration", str(SECONDS), "--warmup", "0", "--body", body, "--header",
                 f"Authorization: Bearer {gw.master_key}"], capture_output=True, text=True, timeout=SECONDS + 60)
        finally:
            over.set()
            trouble.join()
        r = json.loads(out.stdout.splitlines()[-1])
        asked = r["ok"] + r["failed"]
        print(r["failed"], "of", asked, "failed;", len(log), "deployments harmed; p99", r["latency_us"]["p99"], "us")
        assert asked > RATE * SECONDS * 0.9 and len(log) > SECONDS
        assert r["failed"] <= asked / 10000 + 1, out.stdout + out.stderr
