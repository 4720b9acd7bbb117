/* SPDX-License-Identifier: MIT
 * alert_test.c - a message to each receiver of alerts, to see whether it comes through: for
 * llmgwctl alerts test, and for LiteLLM's /health/services. */
#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/json_write.h"
#include "common/mem.h"
#include "master/alerts_private.h"
#include "master/commands.h"

enum { RESULTS = 32 };

struct test_call {
	struct command_call *c;
	bool is_service;		/* of /health/services */
	struct str service;
	unsigned waiting;
	size_t n;
	struct {
		size_t target;
		const char *type;
		char host[ALERT_NAME], why[120];
		long status;
	} results[RESULTS];
};

/* Of an address only its host is shown: what stands behind it is the secret. */
static void put_host(char out[ALERT_NAME], const struct config_alerts *c, size_t target)
{
	struct str url = c->targets[target].url;
	size_t at = str_find(url, STR("://")), user;
	struct str host = at == SIZE_MAX ? c->mail.host : str_skip(url, at + 3);
	host = str_cut(&host, '/');
	user = str_find_char(host, '@');
	alert_name(out, ALERT_NAME, user == SIZE_MAX ? host : str_skip(host, user + 1));
}

static void answer_test(struct test_call *t)
{
	struct json_out o = json_out(&t->c->out);
	json_open(&o, NULL);
	json_open_array(&o, "receivers");
	for (size_t i = 0; i < t->n; i++) {
		json_open(&o, NULL);
		json_put_z(&o, "type", t->results[i].type);
		json_put_z(&o, "host", t->results[i].host);
		json_put_z(&o, "result", t->results[i].why[0] ? t->results[i].why : "taken");
		json_put_i64(&o, "status", t->results[i].status);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(t->c);
}

static void answer_service(struct test_call *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->results[i].why[0]) {
			command_fail(t->c, 500, "internal_server_error", NULL,
				     "the %s at %s did not take it: %s", t->results[i].type,
				     t->results[i].host, t->results[i].why);
			return;
		}
	struct json_out o = json_out(&t->c->out);
	json_open(&o, NULL);
	json_put_z(&o, "status", "success");
	json_put_z(&o, "message", "a test message was taken by each receiver");
	json_close(&o);
	command_finish(t->c);
}

static void finish(struct test_call *t)
{
	if (t->is_service)
		answer_service(t);
	else
		answer_test(t);
	mem_free(t);
}

static void on_sent(void *data, size_t target, const struct post_result *r)
{
	struct test_call *t = data;
	for (size_t i = 0; i < t->n; i++)
		if (t->results[i].target == target) {
			snprintf(t->results[i].why, sizeof t->results[i].why, "%s", r->why);
			t->results[i].status = r->status;
		}
	if (--t->waiting == 0)
		finish(t);
}

/* A receiver that took Slack's place by its address answers to that name, too. */
static bool is_asked(const struct test_call *t, enum alert_format f)
{
	bool is_slack = str_eq(t->service, STR("slack")) ||
			str_eq(t->service, STR("slack_budget_alerts"));
	return !t->service.n || str_eq_z(t->service, alert_formats[f].name) ||
	       (is_slack && (f == ALERT_SLACK || f == ALERT_DISCORD || f == ALERT_TEAMS));
}

static void ask(struct alerts *a, struct test_call *t, size_t target, const struct alert_message *m)
{
	size_t i = t->n++;
	t->results[i].target = target;
	t->results[i].type = alert_formats[a->c->targets[target].format].name;
	put_host(t->results[i].host, a->c, target);
	if (alert_send_put(a->send, a->c, target, m, on_sent, t))
		t->waiting++;
	else
		snprintf(t->results[i].why, sizeof t->results[i].why,
			 "not sent: too many messages wait, or alert_emails is empty");
}

static void start(struct command_call *c, struct str service, bool is_service)
{
	struct alerts *a = c->master->alerts;
	struct test_call *t = mem_alloc(sizeof *t);
	struct alert_message m;
	if (!t) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	t->c = c;
	t->service = service;
	t->is_service = is_service;
	alert_begin(&m, ALERT_llm_exceptions);
	m.level = ALERT_LOW;
	snprintf(m.owner.event, sizeof m.owner.event, "test");
	alert_say(&m, "This is a test of alerting: nothing is wrong.");
	for (size_t i = 0; i < a->c->n_targets && i < RESULTS; i++)
		if (is_asked(t, a->c->targets[i].format))
			ask(a, t, i, &m);
	if (!t->n) {
		mem_free(t);
		command_fail(c, is_service ? 422 : 400, "invalid_request_error", "receiver",
			     "nobody is told: general_settings.alerting names no such receiver, or "
			     "the environment has no address for it, as SLACK_WEBHOOK_URL");
		return;
	}
	if (!t->waiting)
		finish(t);
	else
		alert_send_tick(a->send, clock_ns());
}

void alerts_test(struct command_call *c)
{
	struct str service = STR_NONE;
	if (command_str(c, "receiver", &service) != -EINVAL)
		start(c, service, false);
}

void alerts_services(struct command_call *c)
{
	struct str service = STR_NONE;
	if (command_str(c, "service", &service) == -EINVAL)
		return;
	if (alert_format_find(service) < 0 && !str_eq(service, STR("slack_budget_alerts")))
		command_fail(c, 400, "invalid_request_error", "service",
			     "Service must be in list: slack, slack_budget_alerts, discord, teams, "
			     "webhook, email");
	else
		start(c, service, true);
}
