/* SPDX-License-Identifier: MIT
 * provider_budgets.c - see provider_budgets.h. Limits and periods are the configuration's, what is
 * spent stands on the board. */
#include "master/provider_budgets.h"

#include "common/json_write.h"
#include "master/gates.h"
#include "master/master.h"

static void put_budgets(struct json_out *o, const struct gates *g, const char *key,
			const struct config_gates *list, bool are_tags)
{
	json_open(o, key);
	for (size_t i = 0; i < list->n; i++) {
		const struct config_gate *k = &list->v[i];
		struct gates_state s = gates_budget_state(g, are_tags, k->name);
		json_key(o, k->name);
		json_open(o, NULL);
		json_put_money(o, "budget_limit", (int64_t)k->limit);
		json_put_str(o, "time_period", k->period);
		json_put_money(o, "spend", s.spent);
		json_put_time(o, "budget_reset_at", s.until_ns);
		json_close(o);
	}
	json_close(o);
}

void provider_budgets(struct command_call *c)
{
	const struct master *m = c->master;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	put_budgets(&o, m->gates, "providers", &m->config->provider_budgets, false);
	put_budgets(&o, m->gates, "tags", &m->config->tag_budgets, true);
	json_close(&o);
	command_finish(c);
}
