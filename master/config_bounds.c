/* SPDX-License-Identifier: MIT
 * config_bounds.c - litellm_settings.upperbound_key_generate_params, and what new keys, users and
 * teams get where nothing is said: values that are none would bound or give nothing, and nobody
 * would know. */
#include "common/json.h"
#include "master/config_read.h"
#include "master/tenants.h"

static const struct bound {
	const char *name;
	enum { MONEY, NUMBER, DURATION, NAMES, PLACES, ROLE } kind;
	const char *wanted;
} bounds[] = {
	{ "max_budget", MONEY, "an amount of dollars" },
	{ "budget_duration", DURATION, "a duration such as 30d" },
	{ "duration", DURATION, "a duration such as 30d" },
	{ "tpm_limit", NUMBER, "a whole number of at least 1" },
	{ "rpm_limit", NUMBER, "a whole number of at least 1" },
	{ "max_parallel_requests", NUMBER, "a whole number of at least 1" },
	/* These bound nothing. */
	{ "models", NAMES, "a list of names" },
	{ "available_teams", NAMES, "a list of ids" },
	{ "teams", PLACES, "a list of ids, or of objects with team_id" },
	{ "user_role", ROLE, "proxy_admin, proxy_admin_viewer, internal_user or internal_user_viewer" },
};

static const struct bound *find(struct str name)
{
	for (size_t i = 0; i < COUNT(bounds); i++)
		if (str_eq_z(name, bounds[i].name))
			return &bounds[i];
	return NULL;
}

static bool is_list(struct arena *a, const struct json *list, bool may_be_objects)
{
	for (const struct json *j = list->child; j; j = j->next) {
		bool is_object = may_be_objects && json_is(j, JSON_OBJECT);
		struct str s = is_object ? json_get_str(a, j, "team_id") : json_str(a, j);
		if (!s.n)
			return false;
	}
	return json_is(list, JSON_ARRAY);
}

static bool is_good(struct arena *a, const struct bound *b, const struct json *j)
{
	struct period p;
	int64_t nano, n;
	if (j->type == JSON_NULL)
		return true;
	if (b->kind == DURATION)
		return json_is(j, JSON_STRING) && period_read(json_str(a, j), &p) == 0;
	if (b->kind == NAMES || b->kind == PLACES)
		return is_list(a, j, b->kind == PLACES);
	if (b->kind == ROLE)
		return tenant_is_role(json_str(a, j));
	if (j->type != JSON_NUMBER)
		return false;
	if (b->kind == MONEY)
		return price_read_nano(j->raw, &nano) == 0 && nano >= 0;
	return json_read_i64(j, &n) == 0 && n >= 1;
}

static void check(struct reader *r, struct str text, const char *setting, bool only_these)
{
	struct arena *a = r->c->mem;
	struct json_error e;
	const struct place *at = given_place(r, "litellm_settings", setting);
	const struct json *all = text.n ? json_parse(a, text, 0, &e) : NULL;
	for (const struct json *j = json_is(all, JSON_OBJECT) ? all->child : NULL; j; j = j->next) {
		const struct bound *b = find(j->key);
		if (b && !is_good(a, b, j))
			complain(r, COMPLAINT_ERROR, at, "%s: %s must be %s", setting, b->name,
				 b->wanted);
		else if (only_these && (!b || b->kind > DURATION))
			complain(r, W_UNKNOWN_KEY, at, "%s: '" STR_FMT "' bounds nothing", setting,
				 STR_ARG(shown(j->key)));
	}
}

void bounds_finish(struct reader *r)
{
	check(r, r->c->key_bounds, "upperbound_key_generate_params", true);
	check(r, r->c->key_defaults, "default_key_generate_params", false);
	check(r, r->c->user_defaults, "default_internal_user_params", false);
	check(r, r->c->team_defaults, "default_team_params", false);
	struct period p;
	if (r->c->user_duration.n && period_read(r->c->user_duration, &p) < 0)
		complain(r, COMPLAINT_ERROR,
			 given_place(r, "litellm_settings", "internal_user_budget_duration"),
			 "internal_user_budget_duration must be a duration such as 30d");
}
