/* SPDX-License-Identifier: MIT
 * metrics_budgets.c - budgets with LiteLLM's names: of the keys that have asked, each once, and of
 * their teams, users and organizations; what is left of their limits for models; how many users and
 * teams there are. */
#include <stdlib.h>

#include "common/clock.h"
#include "common/model_limit.h"
#include "common/rate.h"
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

/* A budget without a period never begins anew. */
static uint64_t budget_hours(const struct scrape *s, const struct dir_key *k)
{
	uint64_t until = LOAD(s->board->periods[k->entity]), now = clock_wall_ns();
	return !until ? SAMPLE_NONE : until > now ? (until - now) / 3600 : 0;
}

static const struct budget_family budget_families[] = {
	{ "litellm_remaining_api_key_budget_metric", "gauge", "Dollars left of a key's budget", DIR_KEY, budget_left },
	{ "litellm_api_key_max_budget_metric", "gauge", "A key's budget in dollars", DIR_KEY, budget_max },
	{ "litellm_api_key_budget_remaining_hours_metric", "gauge", "Hours until a key's budget begins anew", DIR_KEY, budget_hours },
	{ "litellm_remaining_team_budget_metric", "gauge", "Dollars left of a team's budget", DIR_TEAM, budget_left },
	{ "litellm_team_max_budget_metric", "gauge", "A team's budget in dollars", DIR_TEAM, budget_max },
	{ "litellm_team_budget_remaining_hours_metric", "gauge", "Hours until a team's budget begins anew", DIR_TEAM, budget_hours },
	{ "litellm_remaining_user_budget_metric", "gauge", "Dollars left of a user's budget", DIR_USER, budget_left },
	{ "litellm_user_max_budget_metric", "gauge", "A user's budget in dollars", DIR_USER, budget_max },
	{ "litellm_user_budget_remaining_hours_metric", "gauge", "Hours until a user's budget begins anew", DIR_USER, budget_hours },
	{ "litellm_remaining_org_budget_metric", "gauge", "Dollars left of an organization's budget", DIR_ORGANIZATION, budget_left },
	{ "litellm_org_max_budget_metric", "gauge", "An organization's budget in dollars", DIR_ORGANIZATION, budget_max },
	{ "litellm_org_budget_remaining_hours_metric", "gauge", "Hours until an organization's budget begins anew", DIR_ORGANIZATION, budget_hours },
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

static const struct holder_labels {
	const char *id, *alias;
} holder_labels[DIR_KINDS] = {
	[DIR_TEAM] = { "team", "team_alias" },
	[DIR_USER] = { "user", NULL },
	[DIR_ORGANIZATION] = { "org_id", "org_alias" },
};

static void label_holder(struct scrape *s, const struct pair *p, struct holder *h)
{
	size_t at = s->labels.n;
	if (h->row.kind == DIR_KEY) {
		h->labels = p->of_key;
		return;
	}
	const struct holder_labels *l = &holder_labels[h->row.kind];
	label_put(&s->labels, at, l->id, h->row.last4);
	if (l->alias)
		label_put(&s->labels, at, l->alias, h->row.alias);
	h->labels = (struct label_set){ at, s->labels.n - at };
}

/* Of the key's team, user or organization; which may be its team's. */
static struct str name_of_holder(const struct dir *dir, const struct dir_key *key,
				 enum dir_kind kind)
{
	struct dir_key team;
	if (kind == DIR_USER)
		return key->user_id;
	if (kind == DIR_TEAM)
		return key->team_id;
	if (!key->organization_id.n && key->team_id.n &&
	    dir_find_named(dir, DIR_TEAM, key->team_id, &team))
		return team.organization_id;
	return key->organization_id;
}

/* Who of the pairs' keys and their owners has a budget, each once. False: no memory. */
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
		struct str name = name_of_holder(dir, &h->row, kind);
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

static void put_budgets(struct scrape *s, const struct pairs *pairs)
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

/* ---- limits of keys for single models --------------------------------------------------------
 */

static uint64_t requests_left(const struct scrape *s, const struct model_limit *l)
{
	struct gcra_limit limit = { .per_minute = l->rpm };
	return l->rpm ? rate_left(&s->board->entities[l->entity].rpm_tat, limit, s->now_ns)
		      : SAMPLE_NONE;
}

static uint64_t tokens_left(const struct scrape *s, const struct model_limit *l)
{
	struct gcra_limit limit = { .per_minute = l->tpm };
	return l->tpm ? rate_left(&s->board->entities[l->entity].tpm_tat, limit, s->now_ns)
		      : SAMPLE_NONE;
}

static const struct left_family {
	const char *name, *type, *help;
	uint64_t (*value)(const struct scrape *s, const struct model_limit *l);
} left_families[] = {
	{ "litellm_remaining_api_key_requests_for_model", "gauge", "Requests that are left in this minute of a key's limit for a model", requests_left },
	{ "litellm_remaining_api_key_tokens_for_model", "gauge", "Tokens that are left in this minute of a key's limit for a model", tokens_left },
};

static void put_key_left(struct scrape *s, const struct pair *p, const struct left_family *f)
{
	struct dir_key key;
	struct model_limit l;
	if (!dir_find(s->r->w->dir, &p->name.key, &key) || !(key.flags & KEY_MODEL_LIMITS))
		return;
	while (model_limit_next(&key.model_limits, &l)) {
		size_t at = s->labels.n;
		if (l.entity >= BOARD_ENTITIES)
			continue;
		label_put(&s->labels, at, "model", l.model);
		page_sample_more(&s->page, f->name, label_text(&s->labels, p->of_key),
				 str_of(s->labels.p + at, s->labels.n - at), UNIT_ONE,
				 f->value(s, &l));
		s->labels.n = at;
	}
}

static void put_left(struct scrape *s, const struct pairs *pairs)
{
	for (size_t f = 0; f < COUNT(left_families); f++) {
		page_family(&s->page, left_families[f].name, left_families[f].type,
			    left_families[f].help);
		for (size_t i = 0; i < pairs->n; i++)
			if (!i || !pair_same_key(&pairs->v[i], &pairs->v[i - 1]))
				put_key_left(s, &pairs->v[i], &left_families[f]);
	}
}

void metrics_put_budgets(struct scrape *s, const struct pairs *pairs)
{
	const struct dir *dir = s->r->w->dir;
	put_budgets(s, pairs);
	put_left(s, pairs);
	page_single(&s->page, "litellm_total_users", "gauge", "Users that there are", UNIT_ONE,
		    dir_count_kind(dir, DIR_USER));
	page_single(&s->page, "litellm_teams_count", "gauge", "Teams that there are", UNIT_ONE,
		    dir_count_kind(dir, DIR_TEAM));
}
