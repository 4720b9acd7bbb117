/* SPDX-License-Identifier: MIT
 * config_names.c - names of groups that settings beside model_list use: whom a request would go to
 * and find nobody, and what is written down for a group that nobody can ask for. */
#include "master/config_read.h"

static const struct place *place_of(struct reader *r, const char *setting)
{
	const struct place *at = given_place(r, "router_settings", setting);
	return at == &r->whole ? given_place(r, "litellm_settings", setting) : at;
}

static void check_target(struct reader *r, struct str name, const char *setting)
{
	if (!config_serves(r->c, name))
		complain(r, W_UNKNOWN_MODEL, place_of(r, setting),
			 "%s names '" STR_FMT "', which no entry of model_list serves", setting,
			 STR_ARG(shown(name)));
}

static void check_targets(struct reader *r, const struct config_names *names, const char *setting)
{
	for (size_t i = 0; i < names->n; i++)
		check_target(r, names->v[i], setting);
}

/* Settings of a group are looked for by its name; fallbacks by what is behind its '/', too, and by
 * any name that is served. */
static bool is_group(const struct config *c, struct str name, bool may_be_bare)
{
	for (size_t i = 0; i < c->n_models; i++) {
		struct str group = c->models[i].model_name;
		size_t slash = str_find_char(group, '/');
		if (str_eq(group, name) || (may_be_bare && slash != SIZE_MAX &&
					    str_eq(str_skip(group, slash + 1), name)))
			return true;
	}
	return false;
}

static void check_key(struct reader *r, struct str name, const char *setting, bool may_be_bare)
{
	if (is_group(r->c, name, may_be_bare))
		return;
	if (config_serves(r->c, name))
		complain(r, W_UNKNOWN_MODEL, place_of(r, setting),
			 "%s has '" STR_FMT
			 "', which is an alias or fits a pattern: it is looked for by the "
			 "model_name that serves it, and this is never used",
			 setting, STR_ARG(shown(name)));
	else
		complain(r, W_UNKNOWN_MODEL, place_of(r, setting),
			 "%s has '" STR_FMT
			 "', which no entry of model_list serves: this is never used",
			 setting, STR_ARG(shown(name)));
}

static void check_fallbacks(struct reader *r, const struct config_fallbacks *f, const char *setting)
{
	for (size_t i = 0; i < f->n; i++) {
		struct str name = f->v[i].group;
		bool is_served = config_serves(r->c, name) &&
				 str_find_char(name, '*') == SIZE_MAX;
		if (!str_eq(name, STR("*")) && !is_served)
			check_key(r, name, setting, true);
		check_targets(r, &f->v[i].to, setting);
	}
}

static void check_silent(struct reader *r)
{
	for (size_t i = 0; i < r->c->n_models; i++) {
		struct str name = r->c->models[i].silent_model;
		if (name.n && !config_serves(r->c, name))
			complain(r, W_UNKNOWN_MODEL, &r->model_places[i],
				 "silent_model names '" STR_FMT
				 "', which no entry of model_list serves",
				 STR_ARG(shown(name)));
	}
}

void names_check(struct reader *r)
{
	const struct config *c = r->c;

	check_silent(r);
	for (size_t i = 0; i < c->n_aliases; i++)
		check_target(r, c->aliases[i].group, "model_group_alias");
	check_fallbacks(r, &c->fallbacks, "fallbacks");
	check_fallbacks(r, &c->context_fallbacks, "context_window_fallbacks");
	check_fallbacks(r, &c->policy_fallbacks, "content_policy_fallbacks");
	check_targets(r, &c->default_fallbacks, "default_fallbacks");
	for (size_t i = 0; i < c->n_group_policies; i++)
		check_key(r, c->group_policies[i].group, "model_group_retry_policy", false);
	for (size_t i = 0; i < c->n_routing_groups; i++)
		for (size_t k = 0; k < c->routing_groups[i].models.n; k++)
			check_key(r, c->routing_groups[i].models.v[k], "routing_groups", false);
}
