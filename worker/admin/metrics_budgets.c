/* SPDX-License-Identifier: MIT
 * metrics_budgets.c - budgets with LiteLLM's names: of the keys that have asked, each once, and of
 * their teams and users. */
#include <stdlib.h>

#include "worker/admin/metrics_pairs.h"

struct budget_family {
	const char *name, *type, *help;
	enum dir_kind kind;
	uint64_t (*value)(const struct scrape *s, const struct dir_key *k);
};

static uint64_t budget_max(const struct scrape *s, const struct dir_key *k)
{
	(void)s;
	return (uint64_t)k->max_budget_nano;
}

static uint64_t budget_left(const struct scrape *s, const struct dir_key *k)
{
	int64_t settled = LOAD(s->board->entities[k->entity].settled);
	return settled < k->max_budget_nano ? (uint64_t)(k->max_budget_nano - settled) : 0;
}

static const struct budget_family budget_families[] = {
	{ "litellm_remaining_api_key_budget_metric", "gauge", "Dollars left of a key's budget", DIR_KEY, budget_left },
	{ "litellm_api_key_max_budget_metric", "gauge", "A key's budget in dollars", DIR_KEY, budget_max },
	{ "litellm_remaining_team_budget_metric", "gauge", "Dollars left of a team's budget", DIR_TEAM, budget_left },
	{ "litellm_team_max_budget_metric", "gauge", "A team's budget in dollars", DIR_TEAM, budget_max },
	{ "litellm_remaining_user_budget_metric", "gauge", "Dollars left of a user's budget", DIR_USER, budget_left },
	{ "litellm_user_max_budget_metric", "gauge", "A user's budget in dollars", DIR_USER, budget_max },
};

struct holder {				/* of a budget */
	struct dir_key row;
	struct label_set labels;
};
struct holders {
	struct holder *v;
	size_t n;
};

static int by_entity(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;
	return (x->row.entity > y->row.entity) - (x->row.entity < y->row.entity);
}

static void label_holder(struct scrape *s, const struct pair *p, struct holder *h)
{
	size_t at = s->labels.n;
	if (h->row.kind == DIR_KEY) {
		h->labels = p->of_key;
		return;
	}
	label_put(&s->labels, at, h->row.kind == DIR_TEAM ? "team" : "user", h->row.last4);
	if (h->row.kind == DIR_TEAM)
		label_put(&s->labels, at, "team_alias", h->row.alias);
	h->labels = (struct label_set){ at, s->labels.n - at };
}

/* Who of the pairs' keys, teams or users has a budget, each once. False: no memory. */
static bool find_holders(struct scrape *s, const struct pairs *pairs, enum dir_kind kind,
			 struct holders *ret)
{
	size_t n = 0;
	*ret = (struct holders){ .v = arena_alloc(s->r->mem, (pairs->n + 1) * sizeof *ret->v) };
	for (size_t i = 0; ret->v && i < pairs->n; i++) {
		struct holder *h = &ret->v[ret->n];
		const struct dir *dir = s->r->w->dir;
		if ((i && pair_same_key(&pairs->v[i], &pairs->v[i - 1])) ||
		    !dir_find(dir, &pairs->v[i].name.key, &h->row))
			continue;
		struct str name = kind == DIR_TEAM ? h->row.team_id : h->row.user_id;
		if (kind != DIR_KEY && (!name.n || !dir_find_named(dir, kind, name, &h->row)))
			continue;
		if (h->row.max_budget_nano < 0 || h->row.entity >= BOARD_ENTITIES)
			continue;
		h->row.kind = kind;
		h->row.last4 = kind == DIR_KEY ? h->row.last4 : name;
		label_holder(s, &pairs->v[i], h);
		ret->n++;
	}
	if (ret->v)
		qsort(ret->v, ret->n, sizeof *ret->v, by_entity);
	for (size_t i = 0; i < ret->n; i++)
		if (!n || by_entity(&ret->v[i], &ret->v[n - 1]) != 0)
			ret->v[n++] = ret->v[i];
	ret->n = n;
	return ret->v != NULL;
}

void metrics_put_budgets(struct scrape *s, const struct pairs *pairs)
{
	struct holders holders = { 0 };
	for (size_t f = 0; f < COUNT(budget_families); f++) {
		const struct budget_family *b = &budget_families[f];
		bool is_next = !f || b->kind != budget_families[f - 1].kind;
		if (is_next && !find_holders(s, pairs, b->kind, &holders)) {
			s->page.out.failed = true;
			return;
		}
		page_family(&s->page, b->name, b->type, b->help);
		for (size_t i = 0; i < holders.n; i++)
			page_sample(&s->page, b->name,
				    label_text(&s->labels, holders.v[i].labels), UNIT_NANO,
				    b->value(s, &holders.v[i].row));
	}
}
