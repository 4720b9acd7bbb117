# SPDX-License-Identifier: MIT
"""Power cuts under load, and what must be in the database when the power is back."""
import collections
import random
import time

from vm import Machine

INPUT_NANO, OUTPUT_NANO, PROMPT = 1000, 2000, 2       # inside_cut.py asks with two tokens of prompt
ESTIMATED, CUT, FAILED = 2, 4, 8                      # JF_*
ANSWERS = 25                                          # before a cut, at least
WHERE = ("before", "now", "behind")                   # a flush
CONFIG = """model_list:
  - model_name: "mock*"
    litellm_params:
      model: "openai/mock*"
      api_base: http://127.0.0.1:8000/v1
      api_key: sk-x
      input_cost_per_token: %g
      output_cost_per_token: %g
general_settings: {master_key: os.environ/LLMGW_MASTER_KEY}
server: {workers: 2, ledger: {durability: %%s}}
""" % (INPUT_NANO / 1e9, OUTPUT_NANO / 1e9)


class Told:
    """What was acknowledged before a cut, and when, by the guest's clock."""

    def __init__(self, lines):
        by_word = collections.defaultdict(list)
        for word, value in lines:
            by_word[word].append(value)
        self.answers = {tag: (out, at) for tag, out, at in by_word["A"]}
        self.begun = {tag: at for tag, at in by_word["B"]}
        self.keys, self.bad = set(by_word["KEY"]), by_word["BAD"]
        flushes = by_word["F"]
        self.last = max([at for _, at in self.answers.values()] + [end for _, end in flushes], default=0)
        # Whoever has just missed a flush waits for its end, and then for a whole one, as they took
        # shortly before the end; the one that did not come to its end may have been a slow one, too.
        recent = [end - began for began, end in flushes if end > self.last - 2]
        self.bound = 2 * max([*recent, self.last - flushes[-1][1]]) if flushes else 0


class Judge:
    def __init__(self, durability):
        self.durability, self.told, self.wrong, self.lost_ages = durability, [], [], []
        self.last_rows = None

    def say(self, text):
        self.wrong.append(text)

    def state(self, boot, state, rows):
        """The database as it is after a boot, against all that was told before."""
        if state["integrity"] != ["ok"] or state["broken"]:
            self.say(f"boot {boot}: {state['integrity']} {state['broken']}")
        if len({*state["sums"], state["shown"]}) != 1 or len(set(state["counts"])) != 1 or state["open"] or state["restarts"]:
            self.say(f"boot {boot}: sums of rows, days, keys, what is shown: {state}")
        by_tag = collections.defaultdict(list)
        for tag, *row in rows:
            by_tag[tag].append(row)
        for tag, mine in by_tag.items():
            if len(mine) > 1:
                self.say(f"boot {boot}: {tag} has {len(mine)} rows")
        for told in self.told:
            self.one(boot, told, by_tag, state["keys"])
        if gone := (self.last_rows or set()) - set(by_tag):
            self.say(f"boot {boot}: rows of an earlier boot are gone: {sorted(gone)[:5]}")
        self.last_rows = set(by_tag)

    def one(self, boot, told, by_tag, keys):
        if gone := told.keys - set(keys):
            self.say(f"boot {boot}: keys that were acknowledged are gone: {sorted(gone)}")
        for tag, (out, at) in told.answers.items():
            if tag not in by_tag:
                self.missing(boot, told, tag, at, self.durability == "strict")
                continue
            status, flags, cost, input_, output = by_tag[tag][0]
            want = PROMPT * INPUT_NANO + out * OUTPUT_NANO
            whole = (status, flags & (CUT | FAILED), cost, input_, output) == (200, 0, want, PROMPT, out)
            if not whole and (self.durability == "strict" or not flags & ESTIMATED or cost < want):
                self.say(f"boot {boot}: {tag} was acknowledged, booked as {by_tag[tag][0]}")
        for tag, at in told.begun.items():
            if tag not in by_tag and told.bound:
                self.missing(boot, told, tag, at, False)

    def missing(self, boot, told, tag, at, never):
        age = told.last - at
        self.lost_ages.append(age)
        if never or age > told.bound:
            self.say(f"boot {boot}: {tag} is missing; told {1000 * age:.1f} ms before the last word, bound {1000 * told.bound:.1f} ms")


def run(tmp, parts, disk, durability, cuts, seed, accel, say, where_of=WHERE):
    """`cuts` times: boot, look, load, cut; and one more boot to look. What is wrong, line by line."""
    judge, dice, lost = Judge(durability), random.Random(seed), collections.Counter()
    for boot in range(cuts + 1):
        machine = Machine(tmp, parts, disk, f"cut-{durability}-{boot}", 600, accel)
        try:
            assert machine.wait("DURABILITY") == durability
            state = machine.wait("STATE")
            rows = [row for word, value in machine.lines if word == "ROWS" for row in value]
            judge.state(boot, state, rows)
            if boot == cuts:
                break
            machine.wait("LOAD")
            for _ in range(ANSWERS):
                machine.wait("A")
            time.sleep(dice.uniform(0.5, 4))
            where = where_of[boot % len(where_of)]
            fates = machine.cut(where)
        finally:
            machine.end()
            disk.power_on()
        told = Told(machine.lines)
        lost.update(fates)
        judge.told.append(told)
        if told.bad:
            judge.say(f"boot {boot}: {told.bad[:3]}")
        say(f"  cut {boot + 1}, {'at an instant' if where == 'now' else where + ' a flush'}: {len(told.answers)} answers, "
            f"{len(told.begun)} streams, {len(told.keys)} keys told; in the disk's cache: {fates}"
            + (f"; a record waits at most {1000 * told.bound:.0f} ms here" if told.bound else ""))
    answers = sum(len(t.answers) for t in judge.told)
    oldest = f", the oldest {1000 * max(judge.lost_ages):.1f} ms before the last word" if judge.lost_ages else ""
    say(f"  {answers} acknowledged, {len(judge.lost_ages)} missing{oldest}; {lost['lost'] + lost['torn']} writes lost or torn")
    assert sum(lost.values()) or where_of != WHERE, "no cut found anything in the disk's cache"
    return judge.wrong
