# SPDX-License-Identifier: MIT
"""/metrics: both text formats are what their readers want, caps hold, LiteLLM's names say what
the requests did, a scrape of many deployments is cheap, and rules and dashboard name what is there."""
import collections
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

from gateway import BUILD, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPEN = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
SAMPLE = re.compile(r'([a-z_]\w*)(?:\{((?:[a-z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[\d.]+)')
LABEL = re.compile(r'([a-z_]\w*)="((?:[^"\\]|\\.)*)"')
LITELLM = "litellm_settings:\n  callbacks: [prometheus]\n"


@pytest.fixture(scope="session")
def promtool(tmp_path_factory):
    """From the path, or out of Debian's package without installing that; kept in the build's folder."""
    kept = BUILD / "promtool"
    if found := shutil.which("promtool") or (kept.exists() and kept):
        return found
    where = tmp_path_factory.mktemp("promtool")
    how = "apt-get download -q prometheus && dpkg -x prometheus_*.deb ."
    try:
        subprocess.run(how, shell=True, cwd=where, capture_output=True, check=True, timeout=120)
    except subprocess.SubprocessError:
        pytest.skip("promtool is not there, and the package prometheus is not to be had")
    shutil.copy2(where / "usr/bin/promtool", where / "copy")
    return shutil.move(where / "copy", kept)


def scrape(gw, **headers):
    a = gw.get("/metrics", key=False, headers=headers or None)
    assert a.status == 200, a
    return a.body.decode()


def read(text):
    """{name: {labels: value}}, read strictly: families whole, named before, no sample twice."""
    found, family, seen = collections.defaultdict(dict), None, set()
    for line in text.splitlines():
        if m := re.fullmatch(r"# HELP (\w+) \S.*", line):
            family = m[1]
            assert family not in seen, f"{family} is begun twice"
            seen.add(family)
        elif m := re.fullmatch(r"# TYPE (\w+) (counter|gauge|histogram)", line):
            assert m[1] == family
        elif line != "# EOF":
            m = SAMPLE.fullmatch(line)
            assert m and m[1].startswith(family), line
            labels = frozenset(LABEL.findall(m[2] or ""))
            assert labels not in found[m[1]], line
            found[m[1]][labels] = float(m[3])
    return found


def complaints(promtool, text):
    """What promtool has against it, but for the name of LiteLLM's which it cannot like."""
    p = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True)
    assert p.returncode in (0, 3), p
    return "".join(line for line in (p.stdout + p.stderr).splitlines(True)
                   if not line.startswith('litellm_teams_count non-histogram and non-summary metrics should not have "_count"'))


def one(found, name, **labels):
    """The sum over the samples that have these labels."""
    return sum(v for have, v in found[name].items() if set(labels.items()) <= have)


# ---- formats

def test_promtool_has_nothing_to_say(start, promtool):
    g = start([("m", "plain"), ('quo"te\\back', "plain")], LITELLM)
    assert g.ask("m").status == g.ask('quo"te\\back').status == 200
    text = scrape(g)
    assert complaints(promtool, text) == ""
    assert 'model="quo\\"te\\\\back"' in text
    read(text)


def test_open_metrics(start):
    g = start([("m", "plain")], LITELLM)
    g.ask("m")
    until(lambda: "litellm_requests_metric_total" in read(scrape(g)))    # booked, too
    a = g.get("/metrics", key=False, headers=OPEN)
    assert a.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    text = a.body.decode()
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1
    counters = re.findall(r"^# TYPE (\w+) counter$", text, re.M)
    assert counters and not [c for c in counters if c.endswith("_total")]
    found = read(text)
    assert not [c for c in counters if not [n for n in found if n == c + "_total"] and c in found]
    assert found["llmgw_requests_total"]
    bounds = [dict(labels)["le"] for labels in found["llmgw_overhead_seconds_bucket"]]
    assert all(re.search(r"[.e]|Inf", le) for le in bounds), bounds
    plain = g.get("/metrics", key=False)
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert set(read(plain.body.decode())) == set(found)


def test_histograms_are_whole(start):
    g = start([("m", "plain")])
    for _ in range(3):
        g.ask("m")
    found = until(lambda: (f := read(scrape(g)))["llmgw_request_duration_seconds_count"][frozenset()] == 3 and f)
    for name in ("llmgw_request_duration_seconds", "llmgw_overhead_seconds"):
        counts = list(found[name + "_bucket"].values())
        assert counts == sorted(counts) and counts[-1] == found[name + "_count"][frozenset()] == 3
        assert 0 < found[name + "_sum"][frozenset()] < 30


# ---- what they say

def test_workers_deployments_and_reloads(start):
    g = start([("m", "plain"), ("pair", "mock?status=401"), ("pair", "plain")], "router_settings:\n  num_retries: 1\n",
              workers=2)
    first = read(scrape(g))
    for name in ("llmgw_worker_requests_in_flight", "llmgw_worker_streams_open", "llmgw_worker_connections_open",
                 "llmgw_worker_loop_lag_seconds", "llmgw_worker_beat_age_seconds", "llmgw_worker_age_seconds",
                 "llmgw_worker_config_generation", "llmgw_worker_draining", "llmgw_worker_journal_room_records",
                 "llmgw_worker_journal_unflushed_records"):
        assert len(first[name]) == 2, name
    assert first["llmgw_worker_beat_age_seconds"].popitem()[1] < 10
    g.key()
    assert g.ask("m").status == 200
    while not one(read(scrape(g)), "llmgw_deployment_cooling", model="pair"):
        g.ask("pair")
    found = read(scrape(g))
    for name, value in (("attempts_total", 1), ("successes_total", 1), ("failures_total", 0), ("cooldowns_total", 0),
                        ("in_flight", 0), ("cooling", 0), ("paused", 0), ("ill", 0), ("failures_in_a_row", 0)):
        assert one(found, "llmgw_deployment_" + name, model="m", provider="openai") == value, name
    for name in ("prompt_tokens_total", "completion_tokens_total", "cost_dollars_total"):
        whole = found["llmgw_" + name][frozenset()]
        assert 0 < one(found, "llmgw_deployment_" + name, model="m") <= whole
        assert one(found, "llmgw_deployment_" + name) == pytest.approx(whole)
    assert one(found, "llmgw_deployment_failures_in_a_row", model="pair") == 1
    assert one(found, "llmgw_deployment_token_latency_seconds", model="m") > 0
    assert found["llmgw_keys"][frozenset()] == first["llmgw_keys"][frozenset()] + 1
    assert found["llmgw_deployments"][frozenset()] == 3
    assert until(lambda: read(scrape(g))["llmgw_ledger_queue_records"][frozenset()] == 0)

    g.ctl("reload")
    good = g.config.read_text()
    g.config.write_text(good + "server: {nonsense: 1}\n")
    assert g.ctl("reload", check=False).returncode
    g.config.write_text(good)
    later = read(scrape(g))
    assert one(later, "llmgw_config_reloads_total") == one(first, "llmgw_config_reloads_total") + 1
    assert one(later, "llmgw_config_reload_failures_total") == 1
    assert time.time() - 60 < one(later, "llmgw_config_last_reload_timestamp_seconds") < time.time() + 1
    assert time.time() - 600 < one(later, "llmgw_start_time_seconds") < time.time() + 1


def test_the_names_of_litellm(start, mock):
    g = start([("m", "mock?prompt=10&out=5"), ("bad", {"model": "openai/mock?status=500", "rpm": 70, "tpm": 9000,
                                                       "api_base": mock.base + "/v1", "api_key": "x"})],
              LITELLM + "router_settings:\n  num_retries: 0\n")
    assert g.post("/team/new", {"team_id": "t", "max_budget": 3, "team_alias": "Team T"}).status == 200
    assert g.post("/user/new", {"user_id": "u", "max_budget": 7, "auto_create_key": False}).status == 200
    rich, poor = g.key(key_alias="rich", max_budget=5, user_id="u"), g.key(key_alias="poor", team_id="t")
    for key, n in ((rich, 3), (poor, 1)):
        for _ in range(n):
            assert g.ask("m", key=key).status == 200
    assert g.ask("bad", key=poor).status == 500
    assert g.ask("nobody", key=poor).status == 400          # refused before a deployment was asked
    assert g.ask("m", key="sk-nobody-0123456789").status == 401
    f = until(lambda: (f := read(scrape(g))) and one(f, "litellm_proxy_total_requests_metric_total") == 7 and f)
    assert one(f, "litellm_requests_metric_total", api_key_alias="rich", requested_model="m") == 3
    assert one(f, "litellm_requests_metric_total", api_key_alias="poor") == 1
    assert one(f, "litellm_proxy_failed_requests_metric_total") == 3
    assert one(f, "litellm_proxy_failed_requests_metric_total", api_key_alias="poor", requested_model="bad") == 1
    assert one(f, "litellm_proxy_failed_requests_metric_total", team="t") == 2
    assert one(f, "litellm_input_tokens_metric_total", user="u") == 30
    assert one(f, "litellm_output_tokens_metric_total", user="u") == 15
    assert one(f, "litellm_total_tokens_metric_total", user="u", model="mock?prompt=10&out=5") == 45
    cost = 3 * (10 * 0.000001 + 5 * 0.000002)
    assert one(f, "litellm_spend_metric_total", user="u") == pytest.approx(cost, abs=1e-9)
    assert one(f, "litellm_spend_metric_total") == one(f, "llmgw_cost_dollars_total") > cost
    assert one(f, "litellm_api_key_max_budget_metric", api_key_alias="rich") == 5
    assert one(f, "litellm_remaining_api_key_budget_metric", api_key_alias="rich") == pytest.approx(5 - cost, abs=1e-9)
    assert len(f["litellm_api_key_max_budget_metric"]) == 1
    assert f["litellm_team_max_budget_metric"] == {frozenset({("team", "t"), ("team_alias", "Team T")}): 3}
    assert 2.9 < one(f, "litellm_remaining_team_budget_metric", team="t") < 3
    assert f["litellm_user_max_budget_metric"] == {frozenset({("user", "u")}): 7}
    assert one(f, "litellm_remaining_user_budget_metric") == pytest.approx(7 - cost, abs=1e-9)
    assert one(f, "litellm_proxy_failed_requests_metric_total", team_alias="Team T") == 2
    for name in ("litellm_cache_hits_metric_total", "litellm_cache_misses_metric_total",
                 "litellm_callback_logging_failures_metric_total", "litellm_request_queue_time_seconds" + "_count"):
        assert one(f, name) == 0, name
    hashed = {dict(labels).get("hashed_api_key") for labels in f["litellm_requests_metric_total"]}
    assert hashed == {None, *(hashlib.sha256(key.encode()).hexdigest() for key in (rich, poor))}
    for key in (rich, poor, g.master_key):
        assert key not in scrape(g)
    bad = {"litellm_model_name": "mock?status=500", "api_provider": "openai", "api_base": mock.base + "/v1"}
    assert one(f, "litellm_deployment_state", **bad) == 1 and one(f, "litellm_deployment_state") == 1
    assert one(f, "litellm_deployment_total_requests_total", requested_model="m") == 4
    assert one(f, "litellm_deployment_success_responses_total", requested_model="m") == 4
    assert one(f, "litellm_deployment_failure_responses_total", **bad) == 1
    assert one(f, "litellm_deployment_cooled_down_total", **bad) == 0
    assert f["litellm_deployment_rpm_limit"].popitem()[1] == 70 and f["litellm_deployment_tpm_limit"].popitem()[1] == 9000
    assert one(f, "litellm_in_flight_requests") == 1
    assert f["litellm_overhead_latency_metric" + "_count"]
    assert one(f, "litellm_request_total_latency_metric_count") == 4    # of those that were answered


def test_without_the_callback_they_are_not_there(gw):
    gw.ask("m")
    assert "litellm_" not in scrape(gw)


def test_a_key_where_one_is_wanted(start):
    g = start([("m", "plain")], "litellm_settings:\n  require_auth_for_metrics_endpoint: true\n")
    for path in ("/metrics", "/metrics/"):
        assert g.get(path, key=False).status == 401
        assert b"llmgw_requests_total" in g.get(path, key=g.key()).body


# ---- caps

def test_a_cap_on_deployments(start):
    g = start([(f"m{i}", "plain") for i in range(14)], LITELLM + "server:\n  metrics: {series: 10}\n")
    for i in (0, 11, 12, 12):
        assert g.ask(f"m{i}").status == 200
    f = read(scrape(g))
    assert one(f, "llmgw_metrics_deployments_folded") == 4
    assert len(f["llmgw_deployment_attempts_total"]) == len(f["litellm_deployment_total_requests_total"]) == 11
    assert one(f, "llmgw_deployment_attempts_total", model="m0") == 1
    assert one(f, "llmgw_deployment_attempts_total", model="other", provider="other", model_id="other") == 3
    assert one(f, "litellm_deployment_total_requests_total", model_id="other") == 3
    assert len(f["litellm_deployment_state"]) == 10


def test_a_cap_on_keys(start):
    g = start([("m", "mock?prompt=10&out=5"), ("gone", "mock?prompt=10&out=5")],
              LITELLM + "server:\n  metrics: {series: 10}\n")
    keys = [g.key(key_alias=f"k{i}") for i in range(13)]
    assert g.ask("gone", key=keys[0]).status == 200
    for key in keys:
        assert g.ask("m", key=key).status == 200
    name = "litellm_requests_metric_total"
    overflow = "llmgw_metrics_series_overflow_total"    # counted last
    f = until(lambda: (f := read(scrape(g))) and one(f, name) == 14 and one(f, overflow) == 4 and f)
    assert one(f, "llmgw_metrics_pairs") == 10 and len(f[name]) == 11
    assert one(f, name, hashed_api_key="other", model="other") == 4
    assert one(f, "litellm_input_tokens_metric_total", hashed_api_key="other") == 40
    # Of a deployment that has left nothing is shown: elsewhere it would look like new spend.
    before = g.config.read_text()
    g.write([("m", g_params(g))], LITELLM + "server:\n  metrics: {series: 10}\n")
    g.ctl("reload")
    f = until(lambda: (f := read(scrape(g))) and len(f[name]) == 10 and f)
    assert one(f, name) == 13 and one(f, name, hashed_api_key="other") == 4
    g.config.write_text(before)
    g.ctl("reload")
    assert until(lambda: one(read(scrape(g)), name, requested_model="gone") == 1)
    g.post("/key/delete", {"keys": [keys[1]]})
    f = read(scrape(g))
    assert one(f, name) == 14 and not one(f, name, api_key_alias="k1")


def g_params(g):
    """The first model's parameters, as the configuration has them."""
    text = g.config.read_text()
    return json.loads(re.search(r"^    litellm_params: (.*)$", text, re.M)[1])


# ---- what it costs

@pytest.mark.timing
def test_a_scrape_of_a_thousand_deployments(start, capsys, promtool):
    g = start([(f"m{i}", "plain") for i in range(1000)], LITELLM, workers=1)
    assert g.ask("m0").status == 200
    [pid] = g.children()
    tick = 1 / os.sysconf("SC_CLK_TCK")

    def cpu():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * tick
    text, rounds = scrape(g), 50
    assert complaints(promtool, text) == ""
    assert len(read(text)["litellm_deployment_state"]) == 1000
    before = cpu()
    for _ in range(rounds):
        scrape(g)
    each = (cpu() - before) / rounds * 1000
    with capsys.disabled():
        print(f"\n/metrics of 1000 deployments, LiteLLM's names too: {len(text) >> 10} KiB, {each:.1f} ms of CPU")
    assert each <= 20


# ---- rules and dashboards

def test_rules(promtool):
    for args in (["check", "rules", "etc/prometheus/llmgw.rules.yaml"], ["test", "rules", "tests/prometheus/llmgw.test.yaml"]):
        p = subprocess.run([promtool, *args], cwd=ROOT, text=True, capture_output=True)
        assert p.returncode == 0, p.stdout + p.stderr


@pytest.mark.parametrize("name", ["llmgw", "llmgw-litellm"])
def test_dashboards_ask_what_prometheus_understands(promtool, tmp_path, name):
    """Every query as a rule, with Grafana's variables filled in; every variable is there."""
    whole = json.loads((ROOT / f"etc/grafana/{name}.json").read_text())
    panels = whole["panels"]
    asked = [t["expr"] for p in panels for t in p.get("targets", [])]
    assert len(asked) > 60 and len({p["id"] for p in panels}) == len(panels)
    variables = {v["name"] for v in whole["templating"]["list"]}
    assert {v for e in asked for v in re.findall(r'"\$(\w+)"', e)} | {"datasource"} == variables
    cells = collections.Counter((x, y) for g in (p["gridPos"] for p in panels)
                                for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"]))
    assert set(cells.values()) == {1} and max(x for x, _ in cells) == 23
    rules = [{"record": f"q{i}", "expr": e.replace("$__rate_interval", "5m")} for i, e in enumerate(asked)]
    path = tmp_path / "asked.yaml"
    path.write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))
    p = subprocess.run([promtool, "check", "rules", path], text=True, capture_output=True)
    assert p.returncode == 0, p.stdout + p.stderr
