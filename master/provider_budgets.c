/* SPDX-License-Identifier: MIT
 * provider_budgets.c - see provider_budgets.h. Limits and periods are the configuration's, what is
 * spent stands on the board. */
#include "master/provider_budgets.h"

#include "common/json_write.h"
#include "master/gates.h"
#include "master/master.h"

static void put_budget(struct json_out *o, const struct gates *g, const struct config_gate *k,
		       bool is_tag)
{
	struct gates_state s = gates_budget_state(g, is_tag, k->name);
	json_put_money(o, "budget_limit", (int64_t)k->limit);
	json_put_str(o, "time_period", k->period);
	json_put_money(o, "spend", s.spent);
	json_put_time(o, "budget_reset_at", s.until_ns);
}

static void put_budgets(struct json_out *o, const struct gates *g, const char *key,
			const struct config_gates *list, bool are_tags)
{
	json_open(o, key);
	for (size_t i = 0; i < list->n; i++) {
		json_key(o, list->v[i].name);
		json_open(o, NULL);
		put_budget(o, g, &list->v[i], are_tags);
		json_close(o);
	}
	json_close(o);
}

/* The same as rows of a table, for a command line. */
static void put_rows(struct json_out *o, const struct gates *g, const struct config_gates *list,
		     bool are_tags)
{
	for (size_t i = 0; i < list->n; i++) {
		json_open(o, NULL);
		json_put_z(o, "of", are_tags ? "tag" : "provider");
		json_put_str(o, "name", list->v[i].name);
		put_budget(o, g, &list->v[i], are_tags);
		json_close(o);
	}
}

void provider_budgets(struct command_call *c)
{
	const struct master *m = c->master;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	put_budgets(&o, m->gates, "providers", &m->config->provider_budgets, false);
	put_budgets(&o, m->gates, "tags", &m->config->tag_budgets, true);
	if (c->kind == CALLER_SOCKET) {
		json_open_array(&o, "budgets");
		put_rows(&o, m->gates, &m->config->provider_budgets, false);
		put_rows(&o, m->gates, &m->config->tag_budgets, true);
		json_close_array(&o);
	}
	json_close(&o);
	command_finish(c);
}
