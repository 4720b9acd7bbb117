# SPDX-License-Identifier: MIT
"""test_bench.py - the benchmark's own judgement: what its generator counts in a stream, when two
answers are the same, and what the figures make of raw results."""
import json
import pathlib
import re
import signal
import subprocess
import sys
import time
import types

import pytest

from gateway import BUILD

BENCH = pathlib.Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))
import figures  # noqa: E402
import leave  # noqa: E402
import measure  # noqa: E402
import readme  # noqa: E402


def load(base, model, tmp_path, *options):
    """Exit status and report of llmgw-load on the mock itself."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}))
    p = subprocess.run([BUILD / "llmgw-load", "--json", "--url", f"{base}/v1/chat/completions", "--duration", "0.5",
                        "--warmup", "0", "--body", body, *options],
                       capture_output=True, text=True, timeout=60, check=False)
    return p.returncode, json.loads(p.stdout.splitlines()[-1])


def test_stamps_tell_the_way_of_each_event(mock, tmp_path):
    status, r = load(mock.base, "m?tokens=6&gap=4&stamp", tmp_path, "--concurrency", "2", "--stamped")
    assert status == 0 and r["events_a_stream"] == [8, 8]      # and the finish, and [DONE]
    assert r["stamped"] > 0 and r["stamped"] == r["delay_us"]["count"]
    assert 0 < r["delay_us"]["p50"] < 4000      # not the gap between two, and not the clock


def test_events_sent_at_once_are_told_as_merged(mock, tmp_path):
    _, apart = load(mock.base, "m?tokens=6&gap=20&stamp", tmp_path, "--concurrency", "1", "--stamped")
    _, at_once = load(mock.base, "m?tokens=400&stamp", tmp_path, "--concurrency", "8", "--stamped")
    assert apart["merged"] <= apart["stamped"] // 4 and at_once["merged"] > at_once["stamped"] // 4


def test_events_without_stamps_have_no_way(mock, tmp_path):
    status, r = load(mock.base, "m?tokens=3", tmp_path, "--concurrency", "1", "--stamped")
    assert status == 0 and r["ok"] > 0 and r["stamped"] == 0 and r["delay_us"]["count"] == 0


@pytest.mark.timing
def test_jitter_spreads_the_gaps_and_keeps_them(mock, tmp_path):
    _, even = load(mock.base, "m?tokens=30&gap=15&jitter=0&stamp", tmp_path, "--concurrency", "1", "--stamped")
    _, odd = load(mock.base, "m?tokens=30&gap=15&jitter=100&stamp", tmp_path, "--concurrency", "1", "--stamped")
    spread = [r["gap_us"]["p90"] / r["gap_us"]["p50"] for r in (even, odd)]
    assert spread[0] + 0.2 < spread[1]                  # of 0 to 30 ms the ninth tenth is 1.8 times the middle
    assert 14_000 < even["gap_us"]["p50"] < 16_900      # a millisecond timer's would be 15 to 16, and more


@pytest.mark.timing
def test_gaps_are_compared_with_those_of_the_stamps(mock, tmp_path):
    """However the mock spreads them, they come as they were sent."""
    _, r = load(mock.base, "m?tokens=30&gap=10&jitter=90&stamp", tmp_path, "--concurrency", "1", "--stamped")
    assert 0 < r["jitter_us"]["count"] <= r["stamped"]          # the first of a stream has none before it
    assert r["jitter_us"]["p50"] < 1000 < r["gap_us"]["p50"]


def test_a_signal_ends_the_measured_time_and_waits_for_answers(mock, tmp_path):
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"model": "m?ttft=100", "messages": [{"role": "user", "content": "Hello"}]}))
    with subprocess.Popen([BUILD / "llmgw-load", "--json", "--url", f"{mock.base}/v1/chat/completions", "--rate", "50",
                           "--duration", "3600", "--warmup", "0", "--body", body], stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout.readline() == "measuring\n"
        time.sleep(0.6)
        p.send_signal(signal.SIGINT)
        said, _ = p.communicate(timeout=20)
    r = json.loads(said.splitlines()[-1])
    asked = mock.stats()["requests"]
    assert p.returncode == 0 and r["failed"] == 0 and 0.5 < r["seconds"] < 20
    assert r["ok"] >= 10 and abs(r["ok"] / r["seconds"] - 50) < 10 and asked >= r["ok"]


@pytest.fixture
def straight(mock):
    """A peer that is the mock itself, as leave.py asks one."""
    scripts = {"bench-leave": "m?tokens=10000&gap=5", "bench-wait": "m?ttft=30000"}
    return types.SimpleNamespace(name="straight", headers={}, model=scripts.get,
                                 url=lambda way: f"{mock.base}/v1/chat/completions")


@pytest.mark.timing
def test_who_leaves_is_timed_however_it_leaves(mock, straight):
    r = leave.measure_leaving(straight, "", mock.base, 0.7, 1)
    kinds = [r[f"{what}_{how}_us"]["count"] for what in ("stream", "plain") for how in ("fin", "rst")]
    assert min(kinds) > 0 and sum(kinds) == r["ok"] == r["gone_us"]["count"]
    assert 0 < r["gone_us"]["p50"] < 20_000


def test_a_provider_that_is_never_told_is_void(mock, straight, monkeypatch):
    monkeypatch.setattr(leave, "LATE_S", 0.3)
    monkeypatch.setattr(leave, "ends_at", lambda _: {})
    with pytest.raises(leave.Void, match="never told the mock of"):
        leave.measure_leaving(straight, "", mock.base, 0.3, 1)


def test_a_gateway_that_leaves_first_is_void(mock, straight):
    straight.model = {"bench-leave": "m?tokens=100&gap=20&fin=2", "bench-wait": "m?ttft=30000"}.get
    with pytest.raises(leave.Void, match="left its client"):
        leave.measure_leaving(straight, "", mock.base, 1, 1)


def test_spread_has_the_generators_names():
    assert leave.spread(range(1, 1001)) == {"count": 1000, "p50": 501, "p90": 901, "p99": 991, "p99.9": 1000, "max": 1000,
                                           "mean": 500.5}
    assert leave.spread([]) == {"count": 0}


EVENT = 'data: {"id":"%s","model":"%s","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'


def test_streams_are_the_same_whatever_their_ids():
    one = EVENT % ("1", "a", "x") + EVENT % ("1", "a", "y") + "data: [DONE]\n\n"
    other = EVENT % ("2", "b", "x") + EVENT % ("2", "b", "y") + "data: [DONE]\n\n"
    assert measure.chunks_of(one) == measure.chunks_of(other)


@pytest.mark.parametrize("change", [
    lambda x, y, end: x + end, lambda x, y, end: x + y, lambda x, y, end: y + x + end, lambda x, y, end: x + y + y + end,
    lambda x, y, end: EVENT % ("1", "a", "xy") + end], ids=["lost", "no end", "order", "twice", "merged"])
def test_streams_differ_in_any_event(change):
    x, y, end = EVENT % ("1", "a", "x"), EVENT % ("1", "a", "y"), "data: [DONE]\n\n"
    assert measure.chunks_of(change(x, y, end)) != measure.chunks_of(x + y + end)


def test_answers_are_the_same_but_for_the_number_of_a_call():
    def answer(call, city):
        return json.dumps({"choices": [{"finish_reason": "tool_calls", "message": {"content": None, "tool_calls": [
            {"id": call, "type": "function", "function": {"name": "w", "arguments": city}}]}}]})
    assert measure.message_of(answer("c1", "Rome")) == measure.message_of(answer("c2", "Rome"))
    assert measure.message_of(answer("c1", "Rome")) != measure.message_of(answer("c1", "Oslo"))


class Noisy:
    """Others use this much of the machine, one after the other; then nothing."""
    shares = []

    def share(self):
        return self.shares.pop(0) if self.shares else 0

    def seconds(self):
        return 1


def patient(monkeypatch, retries, patience, *shares):
    monkeypatch.setattr(measure.time, "sleep", lambda _: None)
    monkeypatch.setattr(measure, "Noise", Noisy)
    monkeypatch.setattr(Noisy, "shares", list(shares))
    bench = measure.Bench.__new__(measure.Bench)
    bench.args, bench.repeated, bench.loud, bench.patience = types.SimpleNamespace(retries=retries), [], 0, patience
    return bench


def test_what_others_disturbed_is_measured_again_while_patience_lasts(monkeypatch):
    bench, results = patient(monkeypatch, 0, 10, 0.5, 0.4, 0.01, 0.02), iter("abc")
    assert bench.again(lambda: next(results)) == "b"           # loud, loud while it waited, quiet; quiet
    assert (bench.loud, bench.patience, bench.repeated) == (1, 7, [])
    bench, results = patient(monkeypatch, 0, 0, 0.5), iter("abc")
    assert bench.again(lambda: next(results)) == "a"


def test_a_failure_in_the_noise_is_told_and_one_in_quiet_voids(monkeypatch):
    def fails_once(left=[1]):
        if left.pop() if left else 0:
            raise measure.Void("503")
        return "figure"
    bench = patient(monkeypatch, 0, 10, 0.5)
    assert bench.again(fails_once) == "figure" and bench.repeated == ["503"]
    with pytest.raises(measure.Void):
        patient(monkeypatch, 0, 10, 0.05).again(fails_once, [1])


@pytest.mark.parametrize("failures,retries,made", [(0, 0, True), (1, 0, False), (1, 1, True), (3, 2, False), (2, 2, True)])
def test_a_failed_measurement_is_made_again_as_often_as_allowed_and_told(monkeypatch, failures, retries, made):
    bench = patient(monkeypatch, retries, 0)
    left = [failures]

    def once(what):
        left[0] -= 1
        if left[0] >= 0:
            raise measure.Void("503")
        return what
    if made:
        assert bench.again(once, "figure") == "figure"
    else:
        with pytest.raises(measure.Void):
            bench.again(once, "figure")
    assert bench.repeated == ["503"] * min(failures, retries)


def result(peer, cell, rep, p50, **more):
    return {"peer": peer, "cell": cell, "rep": rep, "latency_us": {"p50": p50}, **more}


def test_added_is_the_median_of_differences_within_a_repetition():
    raw = [result("direct", "c1", 0, 10), result("direct", "c1", 1, 100), result("direct", "c1", 2, 20),
           result("llmgw", "c1", 0, 40), result("llmgw", "c1", 1, 150), result("llmgw", "c1", 2, 90)]
    assert figures.added(raw, "llmgw", "c1", "p50") == 50       # of 30, 50, 70; not 90 - 20
    assert figures.added(raw, "direct", "c1", "p50") is None
    assert figures.added(raw, "nginx", "c1", "p50") is None


def test_failover_is_what_the_same_peer_takes_more():
    raw = [result("direct", "fail-none", 0, 1), result("llmgw", "fail-none", 0, 50), result("llmgw", "fail-refused", 0, 120)]
    assert figures.failing(raw, "llmgw", "fail-refused", "p50") == 70


def test_cpu_is_per_answer_and_in_times_of_nginx():
    raw = [result("nginx", "c16", 0, 1, cpu_us=1000, ok=100), result("llmgw", "c16", 0, 1, cpu_us=3000, ok=120)]
    assert figures.cpu_per(raw, "llmgw", "c16", "ok") == 25
    assert figures.ratio("c16")(raw) == 2.5 and figures.per_core(raw) == 40_000
    assert figures.ratio("flood")(raw) is None


def test_bars_say_what_is_missed(capsys):
    raw = [result("nginx", "c16", 0, 1, cpu_us=1000, ok=100), result("llmgw", "c16", 0, 1, cpu_us=6000, ok=120)]
    assert figures.print_bars(raw) == 2         # five times nginx's, and 20,000 a core
    said = capsys.readouterr().out
    assert said.count("MISSED") == 2 and ">= 30000" in said and "not measured" in said


def event(what, failed):
    return {"peer": "llmgw", "cell": f"event-{what}", "times": 50, "failed": failed}


def test_one_failure_under_load_is_one_too_many(capsys):
    raw = [event("reload", 0), event("roll", 0), event("upgrade", 0), {"peer": "llmgw", "cell": "event-rows", "off": 0}]
    assert figures.events_failed(raw) == 0 and figures.events_failed(raw[:3]) is None
    assert figures.events_failed([*raw[:1], event("roll", 1), *raw[2:]]) == 1
    assert figures.events_failed([*raw[:3], {"peer": "llmgw", "cell": "event-rows", "off": -2}]) == 2
    assert figures.print_bars([*raw[:1], event("roll", 1), *raw[2:]], all_of_them=False) == 1
    assert capsys.readouterr().out.count("<=") == 1


def test_readmes_say_what_the_raw_results_say(tmp_path, monkeypatch):
    p = subprocess.run([BENCH / "readme.py", "--check"], capture_output=True, text=True, check=False)
    assert p.returncode == 0, p.stderr
    text = (BENCH.parent.parent / "README.md").read_text()
    row = re.search(r"CPU per request, 16 connections.*\| ([0-9.]+) us", text)
    (tmp_path / "README.md").write_text(text[:row.start(1)] + "9" + text[row.start(1):])    # a figure that nobody measured
    monkeypatch.setattr(readme, "TOP", str(tmp_path / "README.md"))
    monkeypatch.setattr(sys, "argv", ["readme.py", "--check"])
    with pytest.raises(SystemExit, match="says something else"):
        readme.main()


def test_a_table_is_made_of_what_was_measured(tmp_path, monkeypatch):
    about = {"when": "2026-11-30T13:38:10Z", "until": "2026-11-30T13:49:15Z", "cpus": 2, "cpu": "X",
             "options": {"workers": 2, "reps": 1, "rate": 1000}}
    raw = [result("nginx", "c16", 0, 1, cpu_us=1000, ok=100, requests_per_s=7, others_cpu=0.25),
           result("llmgw", "c16", 0, 1, cpu_us=6000, ok=120, requests_per_s=1234)]
    (tmp_path / "a.json").write_text(json.dumps({"about": about, "void": None, "repeated": ["503"], "raw": raw}))
    monkeypatch.setattr(readme, "HERE", str(tmp_path))
    made = readme.results_of(["a.json"])
    assert "| CPU per request, times nginx's | 5.00 | at most 2 | **missed** |" in made
    assert "| requests/s, concurrency 16 |  | 7 | 1,234 |" in made and "failover" not in made
    assert "13:38 to 13:49 UTC" in made and "up to 25%; measured again after a failure: 1." in made


@pytest.mark.parametrize("void", ["a process died"])
def test_void_results_make_no_table(tmp_path, monkeypatch, void):
    (tmp_path / "a.json").write_text(json.dumps({"about": {}, "void": void, "raw": []}))
    monkeypatch.setattr(readme, "HERE", str(tmp_path))
    with pytest.raises(SystemExit, match="a process died"):
        readme.results_of(["a.json"])


@pytest.mark.timing
def test_events_under_load_fail_nothing_and_are_kept(tmp_path):
    """Three reloads, rolls and upgrades; the long form is `tests/bench/run --events`."""
    p = subprocess.run([BENCH / "run", "--events", "--quick", "--rate", "200", "--build", BUILD, "--results", tmp_path],
                       capture_output=True, text=True, timeout=120, check=False)
    assert p.returncode == 0, (p.stdout, p.stderr)
    kept = json.loads(next(tmp_path.glob("try-*.json")).read_text())
    assert figures.events_failed(kept["raw"]) == 0 and kept["void"] is None and kept["about"]["until"]
    found = figures.event_records(kept["raw"])
    assert [r["times"] for r in found.values()] == [3, 3, 3] and min(r["ok"] for r in found.values()) > 100
    assert "failed or cut, reloads, rolls, upgrades under load        0.0  <= 0       met" in p.stdout


@pytest.mark.parametrize("value,limit,missed", [(2, 2, False), (2.1, 2, True), (-5, 10, False), (30, -30, False),
                                                (29.9, -30, True), (31, -30, False)])
def test_a_limit_below_zero_is_the_least(value, limit, missed):
    assert figures.is_missed(value, limit) is missed
