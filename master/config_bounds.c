/* SPDX-License-Identifier: MIT
 * config_bounds.c - litellm_settings.upperbound_key_generate_params and
 * default_key_generate_params: values that are none would bound nothing, and nobody would know. */
#include "common/json.h"
#include "master/config_read.h"
#include "master/keys_private.h"

static const struct bound {
	const char *name;
	enum { MONEY, NUMBER, DURATION } kind;
	const char *wanted;
} bounds[] = {
	{ "max_budget", MONEY, "an amount of dollars" },
	{ "budget_duration", DURATION, "a duration such as 30d" },
	{ "duration", DURATION, "a duration such as 30d" },
	{ "tpm_limit", NUMBER, "a whole number of at least 1" },
	{ "rpm_limit", NUMBER, "a whole number of at least 1" },
	{ "max_parallel_requests", NUMBER, "a whole number of at least 1" },
};

static const struct bound *find(struct str name)
{
	for (size_t i = 0; i < COUNT(bounds); i++)
		if (str_eq_z(name, bounds[i].name))
			return &bounds[i];
	return NULL;
}

static bool is_good(struct arena *a, const struct bound *b, const struct json *j)
{
	struct period p;
	int64_t nano, n;
	if (j->type == JSON_NULL)
		return true;
	if (b->kind == DURATION)
		return json_is(j, JSON_STRING) && period_read(json_str(a, j), &p) == 0;
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
		else if (!b && only_these)
			complain(r, W_UNKNOWN_KEY, at, "%s: '" STR_FMT "' bounds nothing", setting,
				 STR_ARG(shown(j->key)));
	}
}

void bounds_finish(struct reader *r)
{
	check(r, r->c->key_bounds, "upperbound_key_generate_params", true);
	check(r, r->c->key_defaults, "default_key_generate_params", false);
}
