# SPDX-License-Identifier: MIT
"""The ledger test: money is neither lost nor doubled nor overspent, whoever is killed when.

Clients ask and stream through three workers to a mock that logs what it was asked. Every 200 ms
something happens to the gateway: a worker or the master is killed or stopped, the configuration
is reloaded, workers are rolled, the program is upgraded in place. At the end three accounts must
agree to the last nano-dollar: what clients saw, what the mock was asked, and what the database
says. The seed is printed; `run SECONDS SEED` does the same again (as far as clocks allow)."""
import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "live"))

from gateway import BUILD, PATIENCE, Gateway, Mock      # noqa: E402
from load import descriptors, wait_for         # noqa: E402

INPUT_NANO, OUTPUT_NANO = 1000, 2000    # of a token: $1 and $2 a million
CUT, FAILED = 4, 8                      # JF_CUT, JF_FAILED
WORKERS, CLIENTS, STEP_S = 3, 24, 0.2
BUDGET_NANO = 4_000_000                 # of the key that shall run out
ORGANIZATION_NANO = 9_000_000           # of two teams together, which shall run out, too


def is_tagged(tag):
    """Of a client's second, fourth ... request the tag "even" pays, too."""
    return int(tag.rpartition("-")[2]) % 2 == 0


class Key:
    def __init__(self, name, text, id_, budget_nano=None):
        self.name, self.text, self.id, self.budget_nano = name, text, id_, budget_nano


class Client(threading.Thread):
    """Asks one question after the other, and remembers how each ended."""

    def __init__(self, test, number):
        super().__init__(daemon=True)
        self.test, self.number = test, number
        self.random = random.Random(f"{test.seed}-{number}")
        self.whole = {}                  # token -> (input, output): seen to its end
        self.sent = set()                # whatever became of it
        self.refused = collections.Counter()
        self.odd = []

    def run(self):
        n = 0
        while not self.test.over.is_set():
            n += 1
            tag = f"c{self.number}-{n}"
            try:
                self.ask(tag)
            except (OSError, http.client.HTTPException):
                self.refused["broken"] += 1
                self.test.over.wait(0.02)

    def ask(self, tag):
        r = self.random
        key = r.choice(self.test.keys)
        stream, leave = r.random() < 0.7, r.random() < 0.08
        out, prompt, gap = r.randint(1, 12), r.randint(1, 9), r.choice((0, 0, 5, 20, 60))
        body = {"model": f"mock?tokens={out}&gap={gap}&ttft={r.choice((0, 5, 40))}&prompt={prompt}&out={out}",
                "messages": [{"role": "user", "content": f"{tag}: what is the meaning of it all?"}],
                "user": tag, "max_tokens": out, "stream": stream}
        if is_tagged(tag):
            body["metadata"] = {"tags": ["even"]}
        connection = http.client.HTTPConnection("127.0.0.1", self.test.gw.port, timeout=60)
        try:
            connection.connect()
            self.sent.add(tag)
            connection.request("POST", "/v1/chat/completions", json.dumps(body),
                               {"Authorization": f"Bearer {key.text}", "Content-Type": "application/json"})
            answer = connection.getresponse()
            if leave:
                connection.sock and connection.sock.close()
                return
            text = answer.read()
            if answer.status != 200:
                self.refused[answer.status] += 1
                if answer.status >= 500 and answer.status not in (502, 503) or answer.status in (401, 404):
                    self.odd.append((tag, answer.status, text[:300]))
                self.test.over.wait(0.02)
            elif not stream:
                usage = json.loads(text)["usage"]
                self.whole[tag] = (usage["prompt_tokens"], usage["completion_tokens"])
            elif b"data: [DONE]" in text:
                self.whole[tag] = (prompt, out)
            else:
                assert b'"error"' in text, text[-300:]     # never a clean end without [DONE]
                self.refused["error event"] += 1
        finally:
            connection.close()


class Test:
    def __init__(self, seconds, seed, where, say=print):
        self.seconds, self.seed, self.say = seconds, seed, say
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.mock = Mock("--log-size", "400000")
        price = {"input_cost_per_token": INPUT_NANO / 1e9, "output_cost_per_token": OUTPUT_NANO / 1e9}
        self.gw = Gateway(where, [("mock*", {"model": "openai/mock*", "api_base": self.mock.base + "/v1",
                                             "api_key": "sk-x", **price})],
                          "server:\n  drain: 10s\nrouter_settings:\n  disable_cooldowns: true\n", workers=WORKERS)
        self.deeds = collections.Counter()
        self.pids, self.kills, self.children = set(), collections.deque(maxlen=200), []

    # ---- before

    def make_key(self, name, **fields):
        a = self.gw.post("/key/generate", {"key_alias": name, **fields})
        assert a.status == 200, a
        budget = fields.get("max_budget")
        return Key(name, a.json["key"], None, budget and round(budget * 1e9))

    def make_tenants(self):
        """An organization of two teams, a user with a key in each, who has a budget in one of them."""
        def post(path, **body):
            a = self.gw.post(path, body)
            assert a.status == 200, a

        post("/organization/new", organization_alias="Org", organization_id="org", max_budget=ORGANIZATION_NANO / 1e9)
        post("/user/new", user_id="user", auto_create_key=False, max_parallel_requests=100)
        post("/tag/new", name="even", max_budget=1000.0)
        for team in ("left", "right"):
            post("/team/new", team_id=team, organization_id="org", max_budget=1000.0)
        post("/team/member_add", team_id="left", member={"user_id": "user", "role": "user"}, max_budget_in_team=1000.0)
        self.keys += [self.make_key(team, team_id=team, user_id="user") for team in ("left", "right")]

    def begin(self):
        self.gw.start()
        self.keys = [self.make_key("wide", max_budget=1000.0), self.make_key("short", max_budget=BUDGET_NANO / 1e9),
                     self.make_key("narrow", max_parallel_requests=4)]
        self.make_tenants()
        self.settle()
        self.fds = descriptors(self.gw.process.pid)
        self.clients = [Client(self, i) for i in range(CLIENTS)]
        for c in self.clients:
            c.start()

    # ---- what happens

    def living(self):
        found = self.gw.children()
        self.pids.update(found)
        return found

    def kill_worker(self):
        """Five ends of a slot in ten seconds would park it: true, but not what is tested here."""
        recent = collections.Counter(slot for when, slot in self.kills if when > time.monotonic() - 10)
        for w in self.random.sample(rows := self.shown(), len(rows)):
            if w["state"] == "ready" and recent[w["slot"]] < 3:
                with contextlib.suppress(ProcessLookupError):       # it may have ended by itself since
                    os.kill(w["pid"], signal.SIGKILL)
                    self.kills.append((time.monotonic(), w["slot"]))
                    return True

    def kill_master(self):
        self.living()
        self.gw.kill()
        self.gw.start()
        return True

    def kill_all(self):
        pids = self.living()
        os.killpg(self.gw.process.pid, signal.SIGKILL)
        self.gw.kill()
        wait_for(lambda: not any(is_alive(p) for p in pids))
        self.gw.start()
        return True

    def stop_worker(self):
        pids = self.living()
        if not pids:
            return None
        pid = self.random.choice(pids)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            threading.Timer(0.3, self.go_on, [pid]).start()
        return True

    def stop_master(self):
        pid = self.gw.process.pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.3)
        self.go_on(pid)
        return True

    @staticmethod
    def go_on(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def reload(self):
        self.gw.process.send_signal(signal.SIGHUP)
        return True

    def upgrade(self):
        self.gw.process.send_signal(signal.SIGUSR2)
        return True

    def roll(self):
        self.children.append(subprocess.Popen(
            [BUILD / "llmgwctl", "--socket", self.gw.tmp / "run" / "control.sock", "workers", "restart"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return True

    def shown(self):
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            return self.gw.ctl_json("workers")["workers"]
        return []

    def trouble(self):
        deeds = [(self.kill_worker, 9), (self.stop_worker, 4), (self.reload, 4), (self.roll, 4),
                 (self.upgrade, 4), (self.kill_master, 3), (self.stop_master, 1), (self.kill_all, 1)]
        until = time.monotonic() + self.seconds
        while (now := time.monotonic()) < until:
            deed = self.random.choices([d for d, _ in deeds], [w for _, w in deeds])[0]
            assert self.mock.process.poll() is None, f"the mock ended: {self.mock.process.returncode}"
            assert self.gw.process.poll() is None, "the master ended by itself:\n" + self.gw.logs()[-4000:]
            if deed():
                self.deeds[deed.__name__] += 1
            self.living()
            time.sleep(max(0.0, now + STEP_S - time.monotonic()))

    # ---- after

    def settle(self):
        """Until nothing is under way any more: no drain, no booking, no successor."""
        wait_for(lambda: [w["state"] for w in self.shown()] == ["ready"] * WORKERS, timeout=60 * PATIENCE,
                 why="the workers do not settle")

    def end(self):
        self.over.set()
        for c in self.clients:
            c.join(60)
            assert not c.is_alive(), "a client hangs"
        for p in self.children:
            p.wait(60)
        self.settle()
        wait_for(lambda: not sum(w["requests"] for w in self.shown()), timeout=30)

    def look(self):
        """What the running gateway says, and that nothing stays set aside."""
        by_alias = {k["key_alias"]: k for k in self.gw.ctl_json("keys", "list")["keys"]}
        for key in self.keys:
            key.shown_nano = round(by_alias[key.name]["spend"] * 1e9)
        short = self.keys[1]
        a = self.gw.ask("mock?tokens=1", key=short.text, max_tokens=1_000_000, user="after")
        assert a.status in (400, 402, 429) and b" 0 is set aside" in a.body, a
        narrow = self.keys[2]
        from load import Streams
        four = Streams(self.gw, 4, "mock?tokens=2&gap=200&prompt=1&out=2", key=narrow.text, tag="after-",
                       max_tokens=2).wait_over()
        assert len(four.whole) == 4, "parallel requests stay counted: " + repr(four.broken[0].data[:500])
        for s in four.all:
            self.clients[0].whole[s.tag] = (1, 2)
            self.clients[0].sent.add(s.tag)
        narrow.shown_nano = round(next(k["spend"] for k in self.gw.ctl_json("keys", "list")["keys"]
                                       if k["key_alias"] == "narrow") * 1e9)
        # A client has its last event before the provider's connection has told of its end.
        try:
            wait_for(lambda: not sum(m["in_flight"] for m in self.gw.ctl_json("models")["models"]), timeout=10)
        except AssertionError:
            raise AssertionError("attempts stay counted", self.gw.ctl_json("models"), self.gw.ctl_json("workers"))
        wait_for(lambda: len(descriptors(self.gw.process.pid)) <= len(self.fds), timeout=10,
                 why=f"descriptors grew: {self.fds} -> {descriptors(self.gw.process.pid)}")

    def read(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.gw.tmp}/state/llmgw.db?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            rows = [dict(r) for r in db.execute("SELECT * FROM spend_logs")]
            keys = {r["alias"]: dict(r) for r in db.execute("SELECT * FROM keys")}
            daily = {r[0]: dict(zip(("requests", "input", "output", "cost"), r[1:])) for r in db.execute(
                "SELECT key_id, sum(requests), sum(input), sum(output), sum(cost) FROM spend_daily GROUP BY key_id")}
            open_intents = db.execute("SELECT count(*) FROM open_intents").fetchone()[0]
            self.tenants = {r["name"] + ("/member" if r["kind"] == 5 else ""): r["spend"]
                            for r in db.execute("SELECT * FROM tenants")}
            watermarks = db.execute("SELECT count(*) FROM journals").fetchone()[0]
            check = db.execute("PRAGMA integrity_check").fetchone()[0]
        assert check == "ok" and open_intents == 0 and watermarks == 0, (check, open_intents, watermarks)
        return rows, keys, daily

    def judge(self):
        rows, keys, daily = self.read()
        asked = collections.Counter(e["user"] for e in self.asked)
        wrong = []
        by_tag = collections.defaultdict(list)
        for r in rows:
            by_tag[r["end_user"]].append(r)
        sent = set().union(*(c.sent for c in self.clients))
        whole = {t: u for c in self.clients for t, u in c.whole.items()}
        # 1. A row for each answer seen to its end, with its tokens and its price.
        for tag, (prompt, out) in whole.items():
            mine = by_tag.get(tag, [])
            if len(mine) != 1:
                wrong.append(f"{tag}: seen to its end, {len(mine)} rows")
                continue
            r, cost = mine[0], prompt * INPUT_NANO + out * OUTPUT_NANO
            if (r["input"], r["output"], r["cost"], r["status"], r["flags"] & (CUT | FAILED)) != (prompt, out, cost, 200, 0):
                wrong.append(f"{tag}: seen to its end as {prompt}+{out}, booked as {r}")
        # 2. One row for each request that the mock was asked, finished or cut; and no others but
        #    those that were killed, or refused to, between their record and the mock.
        for tag in asked:
            if len(by_tag.get(tag, [])) != 1:
                wrong.append(f"{tag}: the mock was asked, {len(by_tag.get(tag, []))} rows")
        unasked = [r for r in rows if r["end_user"] not in asked]
        for r in unasked:
            if not r["flags"] & (CUT | FAILED):
                wrong.append(f"{r['end_user']}: a finished row, but the mock was not asked: {r}")
        for tag, mine in by_tag.items():
            if len(mine) != 1 or tag not in sent:
                wrong.append(f"{tag}: {len(mine)} rows, sent: {tag in sent}")
        # 3. Nothing costs more than was set aside for it, or another sum than it used.
        for r in rows:
            if not 0 <= r["cost"] <= r["reserve"]:
                wrong.append(f"{r['end_user']}: cost beyond its reserve: {r}")
            price = r["input"] * INPUT_NANO + r["output"] * OUTPUT_NANO
            # Of one whose board went with its worker nothing is known but what was set aside.
            if r["cost"] != price and not (r["flags"] & CUT and r["cost"] == r["reserve"]):
                wrong.append(f"{r['end_user']}: cost is not its tokens' price: {r}")
        # 4. Sums: rows, days, keys, and what the running gateway said.
        for key in self.keys:
            id_ = keys[key.name]["id"]
            mine = [r for r in rows if r["key_id"] == id_]
            spent = sum(r["cost"] for r in mine)
            day = daily.get(id_, {"requests": 0, "input": 0, "output": 0, "cost": 0})
            sums = {"requests": len(mine), "input": sum(r["input"] for r in mine),
                    "output": sum(r["output"] for r in mine), "cost": spent}
            if sums != day:
                wrong.append(f"key {key.name}: rows say {sums}, days say {day}")
            if keys[key.name]["spend"] != spent or key.shown_nano != spent:
                wrong.append(f"key {key.name}: rows say {spent}, its row {keys[key.name]['spend']}, "
                             f"the gateway {key.shown_nano}")
            if key.budget_nano is not None and spent > key.budget_nano:
                wrong.append(f"key {key.name}: {spent} of {key.budget_nano} spent")
            self.say(f"  key {key.name:7} {len(mine):6} rows {spent / 1e9:.9f} $"
                     + (f" of {key.budget_nano / 1e9:.9f}" if key.budget_nano else ""))
        ids = {name: keys[name]["id"] for name in ("left", "right")}
        both = sum(r["cost"] for r in rows if r["key_id"] in ids.values())
        want = {"org": both, "user": both, "user/member": sum(r["cost"] for r in rows if r["key_id"] == ids["left"]),
                "even": sum(r["cost"] for r in rows if not r["end_user"].startswith("after") and is_tagged(r["end_user"]))}
        if self.tenants != want:
            wrong.append(f"tenants: rows say {want}, the database {self.tenants}")
        if both > ORGANIZATION_NANO:
            wrong.append(f"organization: {both} of {ORGANIZATION_NANO} spent")
        self.say(f"  organization {both / 1e9:.9f} $ of {ORGANIZATION_NANO / 1e9:.9f}")
        # 5. Nobody and nothing is left.
        left = [p for p in self.pids if is_alive(p)]
        if left:
            wrong.append(f"processes left over: {left}")
        files = list((self.gw.tmp / "state" / "journal").iterdir())
        if files:
            wrong.append(f"journals left over: {files}")
        odd = [o for c in self.clients for o in c.odd]
        if odd:
            wrong.append(f"odd answers: {odd[:5]}")
        refused = sum((c.refused for c in self.clients), collections.Counter())
        cut = sum(1 for r in rows if r["flags"] & CUT)
        self.say(f"  {len(sent)} sent, {len(whole)} seen to their end, {dict(refused)}")
        self.say(f"  {len(asked)} reached the mock, {len(rows)} rows, {cut} cut, {len(unasked)} before the mock")
        assert not wrong, f"seed {self.seed}: {len(wrong)} wrong\n  " + "\n  ".join(wrong[:20])
        assert len(whole) > 20 * self.seconds ** 0.5, "too little happened"
        return {"rows": len(rows), "cut": cut, "whole": len(whole), "deeds": dict(self.deeds)}

    def run(self):
        self.say(f"ledger test: seed {self.seed}, {self.seconds:g} s, {CLIENTS} clients, {WORKERS} workers")
        try:
            self.begin()
            try:
                self.trouble()
            finally:
                self.over.set()
            self.say("  " + ", ".join(f"{n} {d}" for d, n in sorted(self.deeds.items())))
            self.end()
            self.look()
            self.living()
            self.asked = [{"user": json.loads(e["body"])["user"]} for e in self.mock.log(400000)
                          if e["path"] == "/v1/chat/completions"]
            self.gw.stop()
            return self.judge()
        finally:
            self.over.set()
            if self.gw.process and self.gw.process.poll() is None:
                os.killpg(self.gw.process.pid, signal.SIGKILL)
                self.gw.process.wait(10)
            self.mock.close()


def is_alive(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "big")
    keep = os.environ.get("LLMGW_LEDGER_DIR")
    with contextlib.ExitStack() as stack:
        where = keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="llmgw-ledger."))
        pathlib.Path(where).mkdir(exist_ok=True)
        try:
            Test(seconds, seed, where, lambda *a: print(*a, flush=True)).run()
        except AssertionError as e:
            print(f"ledger test: FAILED\n{e}\n  again: tests/ledger/run {seconds:g} {seed}")
            sys.exit(1)
    print("ledger test: every account agrees")


if __name__ == "__main__":
    main()
