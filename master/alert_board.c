/* SPDX-License-Identifier: MIT
 * alert_board.c - what the board says: deployments that were put aside, requests that run for too
 * long, and spend or a database that cannot be written. */
#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "master/alerts_private.h"
#include "master/store.h"

enum { HANGS = 64 /* deployments told apart in one look */ };

/* ---- deployments ---- */

static int compare(const void *a, const void *b)
{
	const struct alert_deployment *x = a, *y = b;
	return (x->id_hash > y->id_hash) - (x->id_hash < y->id_hash);
}

static void begin_with(const struct alerts *a, struct alert_deployment *d)
{
	uint32_t row = board_find_deployment(&a->m->board, d->id_hash);
	if (row >= BOARD_DEPLOYMENTS)
		return;
	const struct board_deployment *b = &a->m->board.deployments[row];
	d->cooldowns = atomic_load(&b->cooldowns);
	d->successes = atomic_load(&b->successes);
	d->failures = atomic_load(&b->failures);
}

/* Without memory none is looked at. What is known of one goes over to the next configuration. */
void alert_learn_deployments(struct alerts *a)
{
	const struct config *c = a->m->config;
	struct alert_deployment *old = a->deployments;
	size_t n_old = a->n_deployments;
	if (n_old)
		qsort(old, n_old, sizeof *old, compare);
	a->n_deployments = 0;
	a->config = c;
	a->deployments = a->is_on ? mem_array(c->n_models + 1, sizeof *a->deployments) : NULL;
	for (size_t i = 0; i < c->n_models && a->deployments; i++) {
		struct alert_deployment *d = &a->deployments[a->n_deployments++];
		d->id_hash = board_deployment_hash(c->models[i].id);
		const struct alert_deployment *known =
			n_old ? bsearch(d, old, n_old, sizeof *old, compare) : NULL;
		if (known)
			*d = *known;
		else
			begin_with(a, d);
	}
	mem_free(old);
}

static void look_at_cooldown(struct alerts *a, size_t i, uint64_t now_ns)
{
	struct alert_deployment *d = &a->deployments[i];
	const struct config_model *model = &a->config->models[i];
	uint32_t row = board_find_deployment(&a->m->board, d->id_hash);
	struct alert_message m;
	char group[ALERT_NAME], id[ALERT_NAME], provider[ALERT_NAME];
	if (row >= BOARD_DEPLOYMENTS)
		return;
	const struct board_deployment *b = &a->m->board.deployments[row];
	uint64_t cooldowns = atomic_load_explicit(&b->cooldowns, memory_order_relaxed);
	bool is_new = cooldowns > d->cooldowns;
	d->cooldowns = cooldowns;
	if (!is_new)
		return;
	uint64_t until = atomic_load(&b->cooldown_until_ns);
	alert_begin(&m, ALERT_cooldown_deployment);
	alert_name(group, sizeof group, model->model_name);
	alert_name(id, sizeof id, model->id);
	alert_name(provider, sizeof provider, model->provider);
	alert_say(&m, "A deployment cools down, for another %.1f s (its last failure: %u)\n"
		      "Model group: %s\nProvider: %s\nDeployment: %s",
		  until > now_ns ? (double)(until - now_ns) / 1e9 : 0.0,
		  atomic_load(&b->last_status), group, provider, id);
	alert_tell(a, &m, d->id_hash);
}

/* ---- requests that hang ---- */

struct hang {
	uint64_t deployment, oldest_ns;
	unsigned n;
};

static void note_hang(struct hang v[HANGS], size_t *n, uint64_t deployment, uint64_t start_ns)
{
	size_t i = 0;
	while (i < *n && v[i].deployment != deployment)
		i++;
	if (i == HANGS)
		return;
	if (i == *n)
		v[(*n)++] = (struct hang){ deployment, start_ns, 0 };
	v[i].n++;
	if (start_ns < v[i].oldest_ns)
		v[i].oldest_ns = start_ns;
}

static void find_hangs(const struct alerts *a, uint64_t before_ns, struct hang v[HANGS], size_t *n)
{
	const struct board *b = &a->m->board;
	for (size_t w = 0; w < BOARD_WORKERS; w++) {
		uint32_t high = atomic_load(&b->workers[w].slots_high);
		if (!board_worker_lives(&b->workers[w]))
			continue;
		for (size_t s = 0; s < high && s < BOARD_SLOTS; s++) {
			const struct board_slot *slot = &b->slots[w * BOARD_SLOTS + s];
			uint64_t began = slot->start_wall_ns;
			if (atomic_load_explicit(&slot->state, memory_order_relaxed) == SLOT_HELD &&
			    began && began < before_ns)
				note_hang(v, n, atomic_load(&slot->deployment), began);
		}
	}
}

const struct config_model *alert_find_model(const struct alerts *a, uint64_t id_hash)
{
	for (size_t i = 0; i < a->n_deployments; i++)
		if (a->deployments[i].id_hash == id_hash)
			return &a->config->models[i];
	return NULL;
}

static void look_for_hangs(struct alerts *a)
{
	struct hang v[HANGS];
	size_t n = 0;
	uint64_t wall = clock_wall_ns(), threshold = a->c->threshold_ms * NS_PER_MS;
	struct alert_message m;
	char group[ALERT_NAME] = "-", id[ALERT_NAME] = "-";
	find_hangs(a, wall > threshold ? wall - threshold : 0, v, &n);
	for (size_t i = 0; i < n; i++) {
		const struct config_model *model = alert_find_model(a, v[i].deployment);
		if (model) {
			alert_name(group, sizeof group, model->model_name);
			alert_name(id, sizeof id, model->id);
		}
		alert_begin(&m, ALERT_llm_requests_hanging);
		alert_say(&m, "%u requests have been running for more than %.2f s, the oldest for "
			      "%.2f s\nModel group: %s\nDeployment: %s", v[i].n,
			  (double)threshold / 1e9, (double)(wall - v[i].oldest_ns) / 1e9, group,
			  id);
		alert_tell(a, &m, v[i].deployment);
	}
}

/* ---- money and database ---- */

static void tell_money(struct alerts *a, enum alert_kind kind, uint32_t reason, const char *what)
{
	struct alert_message m;
	alert_begin(&m, kind);
	alert_say(&m, "%s: %s", what, money_reason_text((enum money_reason)reason));
	alert_tell(a, &m, reason);
}

static void look_at_money(struct alerts *a)
{
	const struct board_head *h = a->m->board.head;
	uint32_t down = atomic_load(&h->money_down);
	uint64_t errors = atomic_load(&h->ledger_errors);
	if (down && down != MONEY_STARTING && down != a->money_down) {
		tell_money(a, ALERT_failed_tracking_spend, down,
			   "Spend cannot be recorded, priced requests are refused");
		if (down != MONEY_JOURNAL)
			tell_money(a, ALERT_db_exceptions, down, "The database cannot be written");
	} else if (errors > a->ledger_errors) {
		tell_money(a, ALERT_db_exceptions, down, "A transaction with spend has failed");
	}
	a->money_down = down;
	a->ledger_errors = errors;
}

void alert_look_at_board(struct alerts *a, uint64_t now_ns)
{
	if (a->config != a->m->config)
		alert_learn_deployments(a);
	for (size_t i = 0; i < a->n_deployments && alert_wanted(a, ALERT_cooldown_deployment); i++)
		look_at_cooldown(a, i, now_ns);
	if (alert_wanted(a, ALERT_llm_requests_hanging))
		look_for_hangs(a);
	look_at_money(a);
}
