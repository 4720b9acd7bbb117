/* SPDX-License-Identifier: MIT
 * config_bounds.c - litellm_settings.upperbound_key_generate_params, who may make keys, and what
 * new keys, users and teams get where nothing is said: values that are none would bound or give
 * nothing, and nobody would know. */
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

/* ---- who may make keys ---- */

static const struct maker {
	const char *part, *name, *roles[8];	/* none: any text */
} makers[] = {
	{ "team_key_generation", "allowed_team_member_roles", { "admin", "user" } },
	{ "team_key_generation", "required_params", { NULL } },
	{ "personal_key_generation", "allowed_user_roles",
	  { "proxy_admin", "proxy_admin_viewer", "org_admin", "internal_user",
	    "internal_user_viewer", "team", "customer" } },
	{ "personal_key_generation", "required_params", { NULL } },
};

static bool is_role_of(const struct maker *m, struct str name)
{
	for (size_t i = 0; i < COUNT(m->roles) && m->roles[i]; i++)
		if (str_eq_z(name, m->roles[i]))
			return true;
	return !m->roles[0] && name.n > 0;
}

static bool is_list_of(struct arena *a, const struct maker *m, const struct json *list)
{
	for (const struct json *j = list->child; j; j = j->next)
		if (!is_role_of(m, json_str(a, j)))
			return false;
	return list->type == JSON_ARRAY;
}

static void check_makers_of(struct reader *r, const struct json *part, const struct place *at)
{
	bool is_known = false, is_map = json_is(part, JSON_OBJECT);
	for (size_t i = 0; i < COUNT(makers); i++) {
		const struct json *j = NULL;
		if (!str_eq_z(part->key, makers[i].part))
			continue;
		is_known = true;
		j = is_map ? json_get(part, makers[i].name) : NULL;
		if (j && !is_list_of(r->c->mem, &makers[i], j))
			complain(r, COMPLAINT_ERROR, at, "key_generation_settings: %s must be a "
				 "list of %s", makers[i].name, makers[i].roles[0] ? "roles" : "names");
	}
	if (!is_known || !is_map)
		complain(r, COMPLAINT_ERROR, at, "key_generation_settings must be a map of "
			 "team_key_generation and personal_key_generation, which are maps");
	for (const struct json *j = is_map ? part->child : NULL; j; j = j->next) {
		bool has = false;
		for (size_t i = 0; i < COUNT(makers); i++)
			has |= str_eq_z(j->key, makers[i].name) &&
			       str_eq_z(part->key, makers[i].part);
		if (is_known && !has)
			complain(r, COMPLAINT_ERROR, at, "key_generation_settings: '" STR_FMT
				 "' restricts nothing", STR_ARG(shown(j->key)));
	}
}

/* What restricts nothing is an error: nobody would know that everybody may. */
static void check_makers(struct reader *r)
{
	struct json_error e;
	const struct place *at = given_place(r, "litellm_settings", "key_generation_settings");
	struct str text = r->c->key_generation;
	const struct json *all = text.n ? json_parse(r->c->mem, text, 0, &e) : NULL;
	for (const struct json *j = json_is(all, JSON_OBJECT) ? all->child : NULL; j; j = j->next)
		check_makers_of(r, j, at);
}

void bounds_finish(struct reader *r)
{
	check_makers(r);
	if (r->c->user_budget == PRICE_NONE)
		r->c->user_budget = r->c->user_budget_default;
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
