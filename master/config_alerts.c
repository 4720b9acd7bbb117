/* SPDX-License-Identifier: MIT
 * config_alerts.c - LiteLLM's settings of alerting: which kinds of alert go to whom.
 *
 * Addresses of webhooks are secrets: who has one can write there. They come from the environment
 * or from alert_to_webhook_url, and no complaint shows one. */
#include <stdlib.h>

#include "common/json.h"
#include "master/config_read.h"

enum { TARGETS_MAX = 32, URL_MAX = 1000 };

static const struct place *place_of(const struct reader *r, const char *name)
{
	return given_place(r, "general_settings", name);
}

static bool is_url(struct str s)
{
	size_t at = str_find(s, STR("://"));
	bool has_scheme = str_starts_nocase(s, STR("https://")) ||
			  str_starts_nocase(s, STR("http://"));
	return has_scheme && s.n <= URL_MAX && s.n > at + 3 && !value_has_control(s) &&
	       str_find_char(s, ' ') == SIZE_MAX;
}

/* The number of a receiver, which is taken up once; -1: there are too many. */
static int target_of(struct config_alerts *a, enum alert_format format, struct str url,
		     bool is_strangers)
{
	for (size_t i = 0; i < a->n_targets; i++)
		if (a->targets[i].format == format && str_eq(a->targets[i].url, url) &&
		    a->targets[i].is_strangers == is_strangers)
			return (int)i;
	if (a->n_targets == TARGETS_MAX)
		return -1;
	a->targets[a->n_targets] = (struct config_alert_target){ format, url, is_strangers };
	return (int)a->n_targets++;
}

/* ---- which kinds ---- */

static uint32_t wanted_kinds(struct reader *r)
{
	const struct config_alerts *a = &r->c->alerts;
	uint32_t kinds = 0;
	for (unsigned i = 0; i < ALERT_KINDS && !a->types.n; i++)
		kinds |= alert_kinds[i].preset ? 1u << i : 0;
	for (size_t i = 0; i < a->types.n; i++) {
		int kind = alert_kind_find(a->types.v[i]);
		if (kind >= 0)
			kinds |= 1u << kind;
		else
			complain(r, W_NOT_ACTED_ON, place_of(r, "alert_types"),
				 "there is no alert type '" STR_FMT "'",
				 STR_ARG(shown(a->types.v[i])));
	}
	return kinds;
}

static void read_quiet(struct reader *r)
{
	struct config_alerts *a = &r->c->alerts;
	struct json_error why;
	const struct json *map =
		a->type_config.n ? json_parse(r->scratch, a->type_config, 0, &why) : NULL;
	r->out_of_memory |= a->type_config.n && !map;
	for (unsigned i = 0; i < ALERT_KINDS; i++)
		a->quiet_ms[i] = alert_kinds[i].quiet_s * UINT64_C(1000);
	a->quiet_ms[ALERT_budget_alerts] = a->budget_quiet_ms;
	a->quiet_ms[ALERT_outage_alerts] = a->outage_ms;
	a->quiet_ms[ALERT_region_outage_alerts] = a->region_outage_ms;
	for (const struct json *j = json_is(map, JSON_OBJECT) ? map->child : NULL; j; j = j->next) {
		const struct json *seconds = json_get(j, "digest_interval");
		int kind = alert_kind_find(j->key);
		double v = 0;
		if (kind < 0 || j->type != JSON_OBJECT ||
		    (seconds && (json_read_double(seconds, &v) < 0 || v < 0 || v > 1e8)))
			complain(r, COMPLAINT_ERROR, place_of(r, "alert_type_config"),
				 "alert_type_config: '" STR_FMT "' is no alert type, or has not "
				 "{digest_interval: seconds}", STR_ARG(shown(j->key)));
		else if (seconds)
			a->quiet_ms[kind] = (uint64_t)(v * 1000);
	}
}

/* ---- to whom ---- */

static const char *env_or(const char *name, const char *otherwise)
{
	const char *v = getenv(name);
	return v && *v ? v : otherwise;
}

/* What is missing of the mail's settings; NULL: nothing. */
static const char *read_mail(struct reader *r, struct config_mail *m)
{
	const char *from = env_or("SMTP_SENDER_EMAIL", NULL), *tls = env_or("SMTP_TLS", "True");
	uint64_t port = 0;
	m->host = keep(r, str_z(env_or("SMTP_HOST", "")));
	m->user = keep(r, str_z(env_or("SMTP_USERNAME", "")));
	m->password = keep(r, str_z(env_or("SMTP_PASSWORD", "")));
	m->from = keep(r, str_z(from ? from : ""));
	m->has_tls = !value_is_false(str_z(tls));
	if (!value_is_host(m->host, ".-:"))
		return "SMTP_HOST";
	if (str_read_u64(str_z(env_or("SMTP_PORT", "587")), &port) < 0 || !port || port > 65535)
		return "SMTP_PORT (it is no port)";
	m->port = (uint32_t)port;
	if (!alert_is_address(m->from))
		return "SMTP_SENDER_EMAIL";
	bool is_bad = value_has_control(m->user) || value_has_control(m->password);
	return is_bad ? "SMTP_USERNAME" : NULL;
}

/* An address from the environment. NULL, or what is missing. */
static const char *read_url(struct reader *r, enum alert_format f, struct str *ret)
{
	struct str name, url = env_first_set(str_z(alert_formats[f].env), &name);
	if (!url.n || !is_url(url))
		return alert_formats[f].env;
	*ret = keep(r, url);
	return NULL;
}

static void add_channel(struct reader *r, enum alert_format f, uint32_t kinds)
{
	struct config_alerts *a = &r->c->alerts;
	struct str url = STR("");
	const char *missing = f == ALERT_EMAIL ? read_mail(r, &a->mail) : read_url(r, f, &url);
	if (missing && f == ALERT_SLACK && a->urls.n)
		return;				/* alert_to_webhook_url alone says where */
	if (missing) {
		complain(r, W_ENV_MISSING, place_of(r, "alerting"),
			 "%s is not told: the environment lacks %s, or it is no address",
			 alert_formats[f].name, missing);
		return;
	}
	if (f == ALERT_EMAIL && !a->emails.n)
		complain(r, W_ENV_MISSING, place_of(r, "alerting"),
			 "email: without alert_emails only owners of budgets get mail");
	int t = target_of(a, f == ALERT_SLACK ? alert_format_of_url(url) : f, url, false);
	for (unsigned i = 0; i < ALERT_KINDS && t >= 0; i++)
		a->to[i] |= kinds >> i & 1 ? 1u << t : 0;
}

static void add_own(struct reader *r, int kind, const struct json *url)
{
	struct config_alerts *a = &r->c->alerts;
	struct str s = json_is(url, JSON_STRING) ? json_str(r->c->mem, url) : STR_NONE;
	bool is_strangers = stored_by_stranger(r, place_of(r, "alert_to_webhook_url"));
	int t = s.n && is_url(s) ? target_of(a, alert_format_of_url(s), s, is_strangers) : -2;
	if (t >= 0)
		a->to[kind] |= 1u << t;
	else
		complain(r, t == -1 ? COMPLAINT_ERROR : W_ENV_MISSING,
			 place_of(r, "alert_to_webhook_url"), "alert_to_webhook_url: %s: %s",
			 alert_kinds[kind].name,
			 t == -1 ? "there are too many receivers" : "what stands there is no address");
}

/* Those that have addresses of their own. */
static uint32_t add_own_urls(struct reader *r, uint32_t kinds)
{
	struct config_alerts *a = &r->c->alerts;
	struct json_error why;
	const struct json *map = a->urls.n ? json_parse(r->c->mem, a->urls, 0, &why) : NULL;
	uint32_t own = 0;
	r->out_of_memory |= a->urls.n && !map;
	for (const struct json *j = json_is(map, JSON_OBJECT) ? map->child : NULL; j; j = j->next) {
		int kind = alert_kind_find(j->key);
		if (kind < 0) {
			complain(r, W_NOT_ACTED_ON, place_of(r, "alert_to_webhook_url"),
				 "alert_to_webhook_url: there is no alert type '" STR_FMT "'",
				 STR_ARG(shown(j->key)));
			continue;
		}
		if (!(kinds >> kind & 1))
			continue;
		own |= 1u << kind;
		if (j->type == JSON_ARRAY)
			for (const struct json *e = j->child; e; e = e->next)
				add_own(r, kind, e);
		else
			add_own(r, kind, j);
	}
	return own;
}

static void check_emails(struct reader *r)
{
	const struct config_names *n = &r->c->alerts.emails;
	for (size_t i = 0; i < n->n; i++)
		if (!alert_is_address(n->v[i]))
			complain(r, COMPLAINT_ERROR, place_of(r, "alert_emails"),
				 "'" STR_FMT "' is no mail address", STR_ARG(shown(n->v[i])));
}

void alerts_finish(struct reader *r)
{
	struct config_alerts *a = &r->c->alerts;
	uint32_t kinds = wanted_kinds(r), own = 0;
	read_quiet(r);
	check_emails(r);
	a->allow_private = &r->c->allow_private;
	if (!a->channels.n)
		return;
	a->targets = keep_array(r, TARGETS_MAX, sizeof *a->targets);
	if (!a->targets)
		return;
	for (size_t i = 0; i < a->channels.n; i++)
		if (alert_format_find(a->channels.v[i]) == ALERT_SLACK)
			own = add_own_urls(r, kinds);
	for (size_t i = 0; i < a->channels.n; i++) {
		int f = alert_format_find(a->channels.v[i]);
		if (f >= 0)
			add_channel(r, (enum alert_format)f,
				    f == ALERT_SLACK ? kinds & ~own : kinds);
		else
			complain(r, W_NOT_ACTED_ON, place_of(r, "alerting"),
				 "alerting knows slack, discord, teams, webhook and email, not "
				 "'" STR_FMT "'", STR_ARG(shown(a->channels.v[i])));
	}
	for (unsigned i = 0; i < ALERT_KINDS; i++)
		a->kinds |= a->to[i] ? 1u << i : 0;
	if (a->kinds & (1u << ALERT_llm_exceptions | 1u << ALERT_llm_too_slow |
			1u << ALERT_outage_alerts | 1u << ALERT_region_outage_alerts |
			1u << ALERT_budget_alerts | 1u << ALERT_fallback_reports))
		r->c->set.flags |= SET_RECORDS;
}
