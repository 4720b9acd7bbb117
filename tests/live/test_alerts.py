# SPDX-License-Identifier: MIT
"""Alerts: what is told, to whom, in which form, and how often; with receivers that are down, and
with a mail server."""
import contextlib
import json
import socket
import sqlite3
import time

from gateway import until
from mail_sink import MailSink, make_certificate

CANARY = "T0PSECRETPATH"


def alerting(*channels, kinds=None, more=""):
    types = f"  alert_types: {json.dumps(kinds)}\n" if kinds else ""
    return f"router_settings:\n  num_retries: 0\ngeneral_settings:\n  alerting: {json.dumps(channels)}\n{types}{more}"


def env_of(sink):
    return {"SLACK_WEBHOOK_URL": f"{sink.base}/slack/{CANARY}", "WEBHOOK_URL": f"{sink.base}/hook",
            "DISCORD_WEBHOOK_URL": f"{sink.base}/discord", "TEAMS_WEBHOOK_URL": f"{sink.base}/teams",
            "PROXY_BASE_URL": "https://gateway.example"}


def events(sink, n=1, path="/hook", timeout=30):
    return until(lambda: len(got := sink.sent(path)) >= n and got, timeout)


def failing(mock, script="mock?status=500"):
    return {"model": f"openai/{script}", "api_base": mock.base + "/v1", "api_key": "sk-x"}


def test_a_failure_is_told_to_each_receiver_in_its_own_form(start, mock, sink):
    gw = start([("m", failing(mock))],
               alerting("slack", "discord", "teams", "webhook", kinds=["llm_exceptions"]), env=env_of(sink))
    key = gw.key(key_alias="alice <!channel>")
    assert gw.ask("m", key=key).status == 500
    slack = events(sink, path=f"/slack/{CANARY}")[0]
    assert set(slack) == {"text"}
    text = slack["text"]
    assert "Level: `High`" in text and "UP_ERROR" in text and "Model group: m" in text
    assert "alice &lt;!channel&gt;" in text and "`https://gateway.example`" in text
    discord = events(sink, path="/discord")[0]
    assert "UP_ERROR" in discord["content"] and discord["allowed_mentions"] == {"parse": []}
    card = events(sink, path="/teams")[0]["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert "UP_ERROR" in card["content"]["body"][0]["text"]
    hook = events(sink)[0]
    assert hook["event"] == "llm_exceptions" and hook["event_group"] == "proxy" and hook["level"] == "High"
    assert hook["key_alias"] == "alice <!channel>" and len(hook["token"]) == 64
    everything = json.dumps([b for _, _, b in sink.bodies]) + gw.logs()
    assert key not in everything and CANARY not in json.dumps([b for _, _, b in sink.bodies])
    assert CANARY not in gw.logs() and CANARY not in gw.ctl("config", "show").stdout
    until(lambda: gw.metric("llmgw_alerts_sent_total") == 4)


def test_the_same_failure_is_told_once_in_its_quiet_time(start, mock, sink):
    gw = start([("m", failing(mock)), ("other", failing(mock, "mock?status=503"))],
               alerting("webhook", kinds=["llm_exceptions"],
                        more="  alert_type_config: {llm_exceptions: {digest_interval: 5}}\n"), env=env_of(sink))
    for _ in range(5):
        gw.ask("m")
    gw.ask("other")
    assert len(events(sink, 2)) == 2
    time.sleep(5.2)
    gw.ask("m")
    last = events(sink, 3)[2]["event_message"]
    assert "and 4 more" in last and len(sink.sent("/hook")) == 3


def test_slow_and_hanging_requests(start, sink):
    gw = start([("slow", "mock?ttft=1500")],
               alerting("webhook", kinds=["llm_too_slow", "llm_requests_hanging"],
                        more="  alerting_threshold: 0.3\n"), env=env_of(sink))
    assert gw.ask("slow").status == 200
    got = {e["event"]: e for e in events(sink, 2)}
    assert "1 requests have been running" in got["llm_requests_hanging"]["event_message"]
    assert "the threshold is 0.30 s" in got["llm_too_slow"]["event_message"]


def test_outages_of_a_deployment_and_of_a_region(start, mock, sink):
    region = {"region_name": "north"}
    gw = start([("a", {**failing(mock), **region}), ("b", {**failing(mock, "mock?status=503"), **region})],
               alerting("webhook", kinds=["outage_alerts", "region_outage_alerts"],
                        more="  alerting_args: {minor_outage_alert_threshold: 2, major_outage_alert_threshold: 4}\n"), env=env_of(sink))
    for _ in range(4):
        gw.ask("a")
        gw.ask("b")
    said = lambda: [e["event_message"] for e in sink.sent("/hook")]
    until(lambda: any(m.startswith("Minor service outage: 2 failures") for m in said()))
    until(lambda: any("region outage" in m and "Region: north" in m for m in said()))


def test_a_deployment_that_cools_down(start, mock, sink):
    gw = start([("a", failing(mock)), ("a", failing(mock, "mock?status=503"))],
               alerting("webhook", kinds=["cooldown_deployment"]), env=env_of(sink))
    for _ in range(20):
        gw.ask("a")
    e = events(sink)[0]
    assert e["event"] == "cooldown_deployment" and "Model group: a" in e["event_message"]


def test_budgets_that_are_crossed_nearly_crossed_or_soft(start, sink):
    gw = start([("m", "plain")], alerting("webhook", kinds=["budget_alerts"]), env=env_of(sink))
    soft = gw.key(key_alias="soft", soft_budget=0.000001, user_id="u1")
    near = gw.key(key_alias="near", max_budget=1)
    assert gw.ask("m", key=soft).status == 200
    assert gw.post("/key/update", {"key": near, "spend": 0.96}).status == 200
    spent = gw.key(key_alias="spent", max_budget=0.000001)
    assert gw.ask("m", key=spent).status == 429
    gw.spend_rows(wait_for=1)
    got = {e["key_alias"]: e for e in events(sink, 3, timeout=30)}
    assert got["soft"]["event"] == "soft_budget_crossed" and got["soft"]["soft_budget"] == 0.000001
    assert got["soft"]["event_group"] == "key" and got["soft"]["user_id"] == "u1" and got["soft"]["spend"] > 0
    assert got["near"]["event"] == "threshold_crossed" and got["near"]["max_budget"] == 1
    assert "5 % or less" in got["near"]["event_message"]
    assert got["spent"]["event"] == "budget_crossed" and got["spent"]["max_budget"] == 0.000001
    assert soft not in json.dumps(list(got.values()))


def test_a_budget_that_will_be_spent_too_early(start, sink):
    gw = start([("m", "plain")], alerting("webhook", kinds=["budget_alerts"]), env=env_of(sink))
    key = gw.key(key_alias="k", max_budget=1, budget_duration="60s")
    assert gw.post("/key/update", {"key": key, "spend": 0.8}).status == 200
    time.sleep(7)                       # a tenth of the period has to be over
    assert gw.ask("m", key=key).status == 200
    e = events(sink, timeout=30)[0]
    assert e["event"] == "projected_limit_exceeded" and e["key_alias"] == "k", e
    assert e["projected_spend"] > e["max_budget"] > e["spend"] and e["projected_exceeded_date"][:2] == "20"


def test_changes_of_keys_teams_users_and_models_are_told_where_asked_for(start, sink):
    kinds = ["new_virtual_key_created", "virtual_key_updated", "virtual_key_deleted", "new_team_created",
             "team_updated", "team_deleted", "new_internal_user_created", "internal_user_updated",
             "internal_user_deleted"]
    gw = start([("m", "plain")], alerting("webhook", kinds=kinds), env=env_of(sink))
    key = gw.key(key_alias="k1")
    steps = [("/key/update", {"key": key, "rpm_limit": 5}), ("/key/delete", {"keys": [key]}),
             ("/team/new", {"team_id": "t1"}), ("/team/update", {"team_id": "t1", "rpm_limit": 5}),
             ("/team/delete", {"team_ids": ["t1"]}), ("/user/new", {"user_id": "u1", "auto_create_key": False}),
             ("/user/update", {"user_id": "u1", "rpm_limit": 5}), ("/user/delete", {"user_ids": ["u1"]})]
    for path, body in steps:
        assert gw.post(path, body).status == 200, path
    assert gw.post("/key/update", {"key": "sk-none-of-ours", "rpm_limit": 5}).status >= 400
    got = events(sink, 9)
    assert [e["alert_type"] for e in got] == kinds
    assert got[0]["event"] == "key_created" and got[0]["key_alias"] == "k1" and len(got[0]["token"]) == 64
    assert key not in json.dumps(got)


def test_a_mail_by_starttls_with_a_login(start, mock, tmp_path):
    cert, key = make_certificate(tmp_path)
    mail = MailSink((cert, key), ("robot", "canary-of-mail"))
    env = {"SMTP_HOST": "localhost", "SMTP_PORT": str(mail.port), "SMTP_USERNAME": "robot",
           "SMTP_PASSWORD": "canary-of-mail", "SMTP_SENDER_EMAIL": "gw@example.org", "SSL_CERT_FILE": str(cert)}
    gw = start([("m", failing(mock))],
               alerting("email", kinds=["llm_exceptions"], more="  alert_emails: [ops@example.org, two@example.org]\n"),
               env=env)
    try:
        gw.ask("m")
        to, m = mail.wait(1)[0]
        assert to == ["ops@example.org", "two@example.org"] and mail.tls_mails == 1
        assert mail.logins == [("robot", "canary-of-mail", True)]
        assert m["From"] == "gw@example.org" and m["Subject"] == "[llmgw] High: llm_exceptions"
        text = m.get_payload(decode=True).decode()
        assert "UP_ERROR" in text and "Level: High" in text
        assert "canary-of-mail" not in gw.logs()
    finally:
        mail.close()


def test_no_mail_goes_where_encryption_is_wanted_and_not_had(start, mock):
    mail = MailSink()
    env = {"SMTP_HOST": "localhost", "SMTP_PORT": str(mail.port), "SMTP_SENDER_EMAIL": "gw@example.org"}
    settings = alerting("email", kinds=["llm_exceptions"], more="  alert_emails: [ops@example.org]\n")
    gw = start([("m", failing(mock))], settings, env=env)
    clear = start([("m", failing(mock))], settings, env={**env, "SMTP_TLS": "False"})
    try:
        gw.ask("m")
        gw.wait_log("alert.failing", to="email")
        clear.ask("m")
        assert mail.wait(1)[0][0] == ["ops@example.org"] and mail.tls_mails == 0
    finally:
        mail.close()


def test_a_receiver_that_is_down_gets_it_later(start, mock, sink):
    sink.status = 503
    gw = start([("m", failing(mock))], alerting("webhook", kinds=["llm_exceptions"]), env=env_of(sink))
    gw.ask("m")
    gw.wait_log("alert.failing", to="webhook")
    sink.status = 200
    assert events(sink)[0]["event"] == "llm_exceptions"
    gw.wait_log("alert.recovered", to="webhook")
    assert gw.metric("llmgw_alerts_sent_total") == 1


def test_what_a_receiver_refuses_is_counted_and_can_be_logged(start, mock, sink):
    sink.status = 404
    gw = start([("m", failing(mock))], alerting("webhook", kinds=["llm_exceptions"],
                                                more="  alerting_args: {log_to_console: true}\n"), env=env_of(sink))
    gw.ask("m")
    until(lambda: gw.metric("llmgw_alerts_dropped_total") == 1)
    assert sink.tries == 1
    assert "UP_ERROR" in gw.wait_log("alert.told", type="llm_exceptions")["message"]


def test_a_kind_with_an_address_of_its_own(start, mock, sink):
    more = (f"  alert_to_webhook_url: {{llm_exceptions: [os.environ/OWN_URL, {sink.base}/two/{CANARY}]}}\n")
    gw = start([("m", failing(mock))], alerting("slack", more=more),
               env={**env_of(sink), "OWN_URL": f"{sink.base}/one/{CANARY}"})
    gw.ask("m")
    assert len(events(sink, path=f"/one/{CANARY}")) == 1 and len(events(sink, path=f"/two/{CANARY}")) == 1
    assert not [b for b in sink.sent(f"/slack/{CANARY}") if "llm_exceptions" in b["text"]]
    assert CANARY not in gw.ctl("config", "show").stdout and CANARY not in gw.logs()


def test_what_was_spent_is_reported(start, sink):
    more = "  spend_report_frequency: 2\n  alerting_args: {report_check_interval: 1}\n"
    gw = start([("m", "plain")], alerting("webhook", kinds=["spend_reports"], more=more), env=env_of(sink))
    assert gw.post("/team/new", {"team_id": "t1", "team_alias": "physics"}).status == 200
    key = gw.key(team_id="t1")
    for _ in range(3):
        assert gw.ask("m", key=key, headers={"x-litellm-tags": "red"}).status == 200
    total = sum(float(r["spend"]) for r in gw.spend_rows(wait_for=3))
    said = lambda: [e for e in sink.sent("/hook") if "physics" in e["event_message"]]
    e = until(lambda: said() and said()[-1], 20)
    until(lambda: abs(said()[-1]["spend"] - total) < 2e-6, 20)
    assert "Tags:\nred: $" in said()[-1]["event_message"] and e["event"] == "spend_reports"


def test_a_database_that_takes_nothing(start, sink):
    gw = start([("m", "plain")], alerting("webhook", kinds=["db_exceptions", "failed_tracking_spend"]),
               env=env_of(sink))
    with contextlib.closing(sqlite3.connect(gw.tmp / "state" / "llmgw.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        gw.ask("m")
        gw.wait_log("ledger.down", timeout=30)
        got = {e["event"]: e for e in events(sink, 2, timeout=20)}
        assert "The database cannot be written" in got["db_exceptions"]["event_message"]
        assert "priced requests are refused" in got["failed_tracking_spend"]["event_message"]
        db.execute("ROLLBACK")
    gw.wait_log("ledger.up", timeout=30)


def test_a_model_that_is_added_is_told(start, sink):
    gw = start([("m", "plain")], alerting("webhook", more="  store_model_in_db: true\n"), env=env_of(sink))
    a = gw.post("/model/new", {"model_name": "fresh", "litellm_params": {"model": "openai/x", "mock_response": "y",
                                                                         "api_key": "sk-canary-of-model"}})
    assert a.status == 200, a
    e = events(sink)[0]
    assert e["event"] == "new_model_added" and "Model: fresh" in e["event_message"]
    assert "canary-of-model" not in json.dumps(e)


def test_whose_budget_it_is_gets_mail(start):
    mail = MailSink()
    env = {"SMTP_HOST": "localhost", "SMTP_PORT": str(mail.port), "SMTP_SENDER_EMAIL": "gw@example.org",
           "SMTP_TLS": "False"}
    gw = start([("m", "plain")], alerting("email", kinds=["budget_alerts", "virtual_key_updated"],
                                          more="  alert_emails: [ops@example.org]\n"), env=env)
    try:
        assert gw.post("/user/new", {"user_id": "u1", "user_email": "anna@example.org",
                                     "auto_create_key": False}).status == 200
        key = gw.key(key_alias="hers", user_id="u1", soft_budget=0.000001)
        assert gw.post("/key/update", {"key": key, "rpm_limit": 100}).status == 200
        assert gw.ask("m", key=key).status == 200
        mails = {m["Subject"].split()[-1]: to for to, m in mail.wait(2, timeout=30)}
        assert mails == {"virtual_key_updated": ["ops@example.org"],
                         "budget_alerts": ["ops@example.org", "anna@example.org"]}
    finally:
        mail.close()


def test_reports_come_by_the_clock(start, sink):
    gw = start([("m", "plain"), ("bad", "mock?status=500")],
               alerting("webhook", kinds=["daily_reports"],
                        more="  alerting_args: {daily_report_frequency: 2, report_check_interval: 1}\n"),
               env=env_of(sink))
    gw.ask("m")
    gw.ask("bad")
    said = lambda: "\n".join(e["event_message"] for e in sink.sent("/hook"))
    until(lambda: "bad (openai" in said() and "m (openai" in said(), 20)


def test_a_test_message_says_what_came_back(start, sink):
    gw = start([("m", "plain")], alerting("slack", "webhook"), env=env_of(sink))
    rows = gw.ctl_json("alerts", "test")["receivers"]
    assert [(r["type"], r["result"], r["status"]) for r in rows] == [("slack", "taken", 200), ("webhook", "taken", 200)]
    assert rows[0]["host"] == f"127.0.0.1:{sink.port}" and CANARY not in json.dumps(rows)
    assert "test of alerting" in sink.sent("/hook")[0]["event_message"]
    sink.status = 403
    rows = gw.ctl_json("alerts", "test", "slack")["receivers"]
    assert rows == [{"type": "slack", "host": f"127.0.0.1:{sink.port}", "result": "HTTP 403", "status": 403}]
    assert gw.get("/health/services?service=slack").status == 500
    sink.status = 200
    told = gw.get("/get/config/callbacks").json["alerts"]
    assert [t["name"] for t in told] == ["slack", "webhook"] and "outage_alerts" in told[0]["active_alerts"]
    assert CANARY not in json.dumps(told)
    a = gw.get("/health/services?service=webhook")
    assert a.status == 200 and a.json["status"] == "success"
    assert gw.get("/health/services?service=email").status == 422
    assert gw.get("/health/services?service=pigeon").status == 400
    assert gw.get("/health/services?service=slack", key=gw.key()).status in (401, 403)


def silent_listener():
    """Takes connections, and never says a word."""
    return socket.create_server(("127.0.0.1", 0))


def full_listener():
    """Answers no more SYNs: its queue of connections is full."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(0)
    return s, [connect(s) for _ in range(3)]


def connect(listener):
    c = socket.socket()
    c.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        c.connect(listener.getsockname())
    return c


def test_a_test_message_has_an_end(start, sink, tmp_path):
    """Each of them in its own time: nobody answers, nobody listens, no connection comes about; and none waits for another."""
    with silent_listener() as silent, contextlib.ExitStack() as stack:
        hole, held = full_listener()
        for s in (hole, *held):
            stack.enter_context(s)
        port = lambda s: s.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as gone:
            refused = port(gone)
        gw = start([("m", "plain")], alerting("slack", "discord", "teams", "webhook"),
                   env={**env_of(sink), "SLACK_WEBHOOK_URL": f"http://127.0.0.1:{port(silent)}/x",
                        "DISCORD_WEBHOOK_URL": f"http://127.0.0.1:{refused}/x", "TEAMS_WEBHOOK_URL": f"http://127.0.0.1:{port(hole)}/x"})
        began = time.monotonic()
        rows = {r["type"]: r["result"] for r in gw.ctl_json("alerts", "test")["receivers"]}
        assert time.monotonic() - began < 20
        assert rows == {"slack": "no answer in time", "discord": "connection refused: nothing listens at this address and port",
                        "teams": "no connection in time: is the address right, and no firewall between?", "webhook": "taken"}


def test_a_test_message_does_not_stand_in_line(start, mock, sink):
    """A receiver was down, and messages wait to be tried again; another one takes its time: the test goes at once."""
    sink.status = 503
    gw = start([("m", failing(mock))], alerting("slack", "webhook", kinds=["llm_exceptions"]), env=env_of(sink))
    gw.ask("m")
    until(lambda: sink.tries >= 6)             # three tries of each: the next one is 16 s away
    sink.status = 200
    rows = gw.ctl_json("alerts", "test")["receivers"]
    assert [r["result"] for r in rows] == ["taken", "taken"]
    assert not any("UP_ERROR" in b["event_message"] for b in sink.sent("/hook"))


def test_receivers_that_are_told_nothing_can_be_tested(start, sink):
    """No type is wanted, and each receiver gets its test all the same, though they are more than are told at once."""
    gw = start([("m", "plain")], alerting("slack", "discord", "teams", "webhook", kinds=["none_of_them"]), env=env_of(sink))
    rows = gw.ctl_json("alerts", "test")["receivers"]
    assert [r["result"] for r in rows] == ["taken"] * 4


def test_a_test_message_that_gets_no_thread(start, mock, sink):
    """Probes of providers that do not answer have them all: that is said, after a few seconds."""
    with silent_listener() as silent:
        base = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        gw = start([("m", {"model": f"openai/{i}", "api_base": base, "api_key": "sk-x"}) for i in range(4)],
                   alerting("slack", more="  background_health_checks: true\n"), env={**env_of(sink), "UV_THREADPOOL_SIZE": "1"})
        until(lambda: silent.accept())
        began = time.monotonic()
        row = gw.ctl_json("alerts", "test")["receivers"][0]
        assert row["result"] == "not sent: other work of the gateway had all threads for 5 s" and time.monotonic() - began < 15
        assert gw.get("/health/services?service=slack").status == 500


def test_a_reload_changes_who_is_told(start, mock, sink):
    gw = start([("m", failing(mock))], "", env=env_of(sink))
    gw.ask("m")
    text = gw.config.read_text()
    gw.config.write_text(text.replace("general_settings:\n",
                                      "general_settings:\n  alerting: [webhook]\n  alert_types: [llm_exceptions]\n"))
    gw.ctl("reload")
    gw.ask("m")
    assert len(events(sink)) == 1
    gw.config.write_text(text)
    gw.ctl("reload")
    gw.ask("m")
    time.sleep(0.5)
    assert len(sink.sent("/hook")) == 1


def test_models_that_others_answer_for_are_reported(start, sink):
    gw = start([("m", "plain"), ("bad", "mock?status=500")],
               "litellm_settings:\n  fallbacks: [{bad: [m]}]\n" +
               alerting("webhook", kinds=["fallback_reports"],
                        more="  alerting_args: {daily_report_frequency: 2, report_check_interval: 1}\n"),
               env=env_of(sink))
    assert gw.ask("m").status == 200
    for _ in range(2):
        assert gw.ask("bad").status == 200
    said = events(sink, timeout=20)[0]
    assert said["event"] == "fallback_reports" and "bad to m: " in said["event_message"]
    assert "m to" not in said["event_message"].replace("bad to m", "")
