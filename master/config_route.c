/* SPDX-License-Identifier: MIT
 * config_route.c - what the configuration says of routing, where it is more than a single value:
 * strategies, policies of groups, checks. */
#include "common/route.h"
#include "master/config_read.h"

bool route_read_strategy(struct str s, uint32_t *ret)
{
	return route_find_strategy(s, ret);
}

static bool set_policy(struct reader *r, struct config_policy *p, const struct yaml *map)
{
	const struct directive *d;

	memset(p->retries, 0xff, sizeof p->retries);
	if (map->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &map->place,
			 "a retry policy wants a map, not %s", yaml_kind_name(map));
		return false;
	}
	for (const struct yaml *y = map->child; y; y = y->next) {
		d = directive_find("router_settings.retry_policy", y->key);
		if (!d) {
			complain(r, W_UNKNOWN_KEY, &y->key_place, "'" STR_FMT
				 "' is not known in a retry policy", STR_ARG(shown(y->key)));
			continue;
		}
		struct directive own = *d;
		own.at -= offsetof(struct config, retry_policy);
		value_set(r, p->retries, &own, y);
	}
	return true;
}

bool route_set_policies(struct reader *r, struct config *c, const struct directive *d,
			const struct yaml *y)
{
	struct config_policy *v;
	size_t n = 0;

	if (y->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a map, not %s", d->name,
			 yaml_kind_name(y));
		return false;
	}
	v = keep_array(r, y->count, sizeof *v);
	for (const struct yaml *e = y->child; v && e; e = e->next) {
		v[n].group = keep(r, e->key);
		n += set_policy(r, &v[n], e);
	}
	c->group_policies = v;
	c->n_group_policies = v ? n : 0;
	return v != NULL;
}

/* "user", or "header x-name". */
static bool read_sticky(struct reader *r, struct config_routing *g, const struct yaml *y)
{
	struct str rest = y->kind == YAML_SCALAR ? y->text : STR("?"), word = str_cut(&rest, ' ');

	for (uint32_t i = STICKY_NOT + 1; i < STICKY_KINDS; i++)
		if (str_eq_z(word, route_sticky_name((enum snap_sticky)i)))
			g->sticky = i;
	rest = str_trim(rest);
	if (g->sticky && (g->sticky == STICKY_HEADER) == (rest.n > 0) && !value_has_control(rest)) {
		g->sticky_header = keep(r, rest);
		return true;
	}
	complain(r, COMPLAINT_ERROR, &y->place,
		 "'" STR_FMT "' keeps nobody (want user, key, session, or \"header x-name\")",
		 STR_ARG(shown(y->text)));
	return false;
}

static bool set_group(struct reader *r, struct config_routing *g, const struct yaml *map)
{
	const struct directive models = { .name = "models", .type = CT_NAMES,
					  .at = offsetof(struct config_routing, models) };
	const struct yaml *list = yaml_get(map, "models");
	const struct yaml *how = yaml_get(map, "routing_strategy");
	const struct yaml *by = yaml_get(map, "sticky_by");

	if (!list || list->kind == YAML_NULL || (!how && !by) ||
	    (how && how->kind != YAML_SCALAR)) {
		complain(r, COMPLAINT_ERROR, &map->place,
			 "a routing group wants models, and a routing_strategy or sticky_by");
		return false;
	}
	*g = (struct config_routing){ .strategy = SNAP_NONE };
	if (by && !read_sticky(r, g, by))
		return false;
	if (how && !route_read_strategy(how->text, &g->strategy)) {
		complain(r, COMPLAINT_ERROR, &how->place, "'" STR_FMT "' %s",
			 STR_ARG(shown(how->text)), value_type_wrong(CT_STRATEGY));
		return false;
	}
	if (yaml_get(map, "routing_strategy_args") || yaml_get(map, "model_priorities"))
		complain(r, W_NOT_ACTED_ON, &map->place,
			 "of a routing group only models, routing_strategy and sticky_by count");
	return value_set(r, g, &models, list);
}

bool route_set_groups(struct reader *r, struct config *c, const struct directive *d,
		      const struct yaml *y)
{
	struct config_routing *v;
	size_t n = 0;

	if (y->kind != YAML_LIST) {
		complain(r, COMPLAINT_ERROR, &y->place, "%s wants a list, not %s", d->name,
			 yaml_kind_name(y));
		return false;
	}
	v = keep_array(r, y->count, sizeof *v);
	for (const struct yaml *e = y->child; v && e; e = e->next)
		n += set_group(r, &v[n], e);
	c->routing_groups = v;
	c->n_routing_groups = v ? n : 0;
	return v != NULL;
}

/* The names of the classes are those of the table's rows. */
static void put_policy(struct json_out *o, const struct config_policy *p)
{
	size_t n;
	const struct directive *all = directives_all(&n);

	json_key(o, p->group);
	json_open(o, NULL);
	for (size_t i = 0; i < n; i++) {
		if (!str_eq_z(STR("router_settings.retry_policy"), all[i].section))
			continue;
		size_t class = (all[i].at - offsetof(struct config, retry_policy)) /
			       sizeof *p->retries;
		if (p->retries[class] != SNAP_NONE)
			json_put_u64(o, all[i].name, p->retries[class]);
	}
	json_close(o);
}

void route_put_policies(struct json_out *o, const char *key, const struct config *c)
{
	json_open(o, key);
	for (size_t i = 0; i < c->n_group_policies; i++)
		put_policy(o, &c->group_policies[i]);
	json_close(o);
}

void route_put_groups(struct json_out *o, const char *key, const struct config *c)
{
	json_open_array(o, key);
	for (size_t i = 0; i < c->n_routing_groups; i++) {
		const struct config_routing *g = &c->routing_groups[i];
		json_open(o, NULL);
		json_open_array(o, "models");
		for (size_t k = 0; k < g->models.n; k++)
			json_put_str(o, NULL, g->models.v[k]);
		json_close_array(o);
		if (g->strategy != SNAP_NONE)
			json_put_z(o, "routing_strategy",
				   route_strategy_name((enum route_strategy)g->strategy));
		if (g->sticky)
			json_put_z(o, "sticky_by",
				   route_sticky_name((enum snap_sticky)g->sticky));
		if (g->sticky_header.n)
			json_put_str(o, "header", g->sticky_header);
		json_close(o);
	}
	json_close_array(o);
}

static void take_check(struct reader *r, struct str name)
{
	static const struct {
		const char *name;
		uint32_t affinity, flag;
	} known[] = {
		{ "prompt_caching", AFFINITY_PREFIX, 0 },
		{ "deployment_affinity", AFFINITY_KEY, 0 },
		{ "session_affinity", AFFINITY_SESSION, 0 },
		{ "enforce_model_rate_limits", 0, SET_RATE_LIMITS },
		/* Budgets count wherever they are configured. */
		{ "router_budget_limiting", 0, 0 },
		/* A conversation is kept by the gateway: any deployment can go on with it. */
		{ "responses_api_deployment_check", 0, 0 },
	};

	for (size_t i = 0; i < COUNT(known); i++) {
		if (!str_eq_z(name, known[i].name))
			continue;
		r->c->set.affinity |= known[i].affinity;
		r->c->set.flags |= known[i].flag;
		return;
	}
	complain(r, W_NOT_ACTED_ON,
		 given_place(r, "router_settings", "optional_pre_call_checks"),
		 "llmgw does not act on the check '" STR_FMT "' yet", STR_ARG(shown(name)));
}

void route_finish(struct reader *r)
{
	struct config *c = r->c;

	if (c->set.allowed_fails != 3)
		c->set.flags |= SET_ALLOWED_FAILS;
	for (size_t i = 0; i < POLICY_CLASSES; i++) {
		/* SNAP_NONE + 1 is 0: not given. */
		c->set.retry_policy[i] = c->retry_policy[i] + 1;
		c->set.allowed_fails_policy[i] = c->allowed_fails_policy[i] + 1;
		if (c->set.allowed_fails_policy[i])
			c->set.flags |= SET_ALLOWED_FAILS;
	}
	if (!c->tags_match_any)
		c->set.flags |= SET_TAGS_ALL;
	if (c->set.latency_samples > BOARD_SAMPLES)
		c->set.latency_samples = BOARD_SAMPLES;
	MUST(route_read_strategy(c->routing_strategy, &c->set.strategy));
	for (size_t i = 0; i < c->pre_call_checks.n; i++)
		take_check(r, c->pre_call_checks.v[i]);
}
