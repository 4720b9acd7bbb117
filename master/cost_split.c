/* SPDX-License-Identifier: MIT
 * cost_split.c - see cost_split.h. Input and output are by list price, as LiteLLM has them; then
 * the discount is taken off, then the margin put on. */
#include "master/cost_split.h"

#include <stdlib.h>

#include "common/mem.h"
#include "master/master.h"
#include "master/prices.h"

enum { MILLION = 1000000 };

/* ---- quotes ---- */

struct price_quote price_quote_of(const struct config *c, struct str provider,
				  const struct price *list)
{
	struct price_quote q = { .list = *list, .discounted = *list, .price = *list };
	const struct config_rate *own = NULL, *margin = NULL;
	config_apply_discount(c, provider, &q.discounted);
	config_apply_rates(c, provider, &q.price);
	for (size_t i = 0; i < c->n_rates; i++) {
		if (str_eq(c->rates[i].provider, provider))
			own = &c->rates[i];
		if (str_eq(c->rates[i].provider, STR("global")))
			margin = &c->rates[i];
	}
	if (own && own->has_margin)
		margin = own;
	q.discount = own ? own->discount : 0;
	q.margin = margin ? margin->margin : 0;
	q.fixed = margin ? margin->fixed : 0;
	return q;
}

bool price_quote_find(const struct config *c, const struct config_model *cm,
		      struct price_quote *ret)
{
	struct price_row row;
	if (cm->price.flags & PRICE_KNOWN)
		row.price = cm->price;
	else if (!prices_find(cm->provider, cm->base_model.n ? cm->base_model : cm->model, &row))
		return false;
	*ret = price_quote_of(c, cm->provider, &row.price);
	return true;
}

/* ---- the parts ---- */

static void put_share(struct json_out *o, const char *name, int64_t parts)
{
	json_put_double(o, name, (double)parts / MILLION);
}

static void put_parts(struct json_out *o, const struct price_quote *q, const struct usage *u,
		      int64_t cost)
{
	struct usage input = *u;
	input.output = input.reasoning = input.media_output = 0;
	int64_t original = price_cost(&q->list, u), in = price_cost(&q->list, &input);
	int64_t discounted = price_cost(&q->discounted, u);
	json_put_money(o, "input_cost", in);
	json_put_money(o, "output_cost", original > in ? original - in : 0);
	json_put_money(o, "tool_usage_cost", 0);
	json_put_money(o, "original_cost", original);
	if (q->discount) {
		put_share(o, "discount_percent", q->discount);
		json_put_money(o, "discount_amount", original - discounted);
	}
	if (q->margin || q->fixed) {
		put_share(o, "margin_percent", q->margin);
		json_put_money(o, "margin_fixed_amount", (q->fixed + 500) / 1000);
		json_put_money(o, "margin_total_amount", cost - discounted);
	}
}

void cost_split_put(struct json_out *o, const char *key, const struct price_quote *q,
		    const struct usage *u, int64_t cost_nano)
{
	json_open(o, key);
	if (q && price_cost(&q->price, u) == cost_nano)
		put_parts(o, q, u, cost_nano);
	json_put_money(o, "total_cost", cost_nano);
	json_close(o);
}

/* ---- the book ---- */

struct entry {
	uint64_t deployment;
	struct price_quote quote;
};
struct cost_book {
	unsigned refs;
	uint64_t generation;
	size_t n;
	struct entry v[];		/* by deployment */
};

static struct cost_book *current;

static int by_deployment(const void *a, const void *b)
{
	uint64_t x = ((const struct entry *)a)->deployment;
	uint64_t y = ((const struct entry *)b)->deployment;
	return x < y ? -1 : x > y;
}

static struct cost_book *book_new(const struct master *m)
{
	const struct config *c = m->config;
	struct cost_book *b = mem_alloc(sizeof *b + c->n_models * sizeof *b->v);
	if (!b)
		return NULL;
	b->refs = 1;
	b->generation = m->generation;
	for (size_t i = 0; i < c->n_models; i++)
		if (price_quote_find(c, &c->models[i], &b->v[b->n].quote))
			b->v[b->n++].deployment = board_deployment_hash(c->models[i].id);
	qsort(b->v, b->n, sizeof *b->v, by_deployment);
	return b;
}

struct cost_book *cost_book_ref(struct master *m)
{
	if (!m->config)
		return NULL;
	if (!current || current->generation != m->generation) {
		struct cost_book *b = book_new(m);
		if (!b)
			return NULL;
		cost_book_unref(current);
		current = b;
	}
	current->refs++;
	return current;
}

struct cost_book *cost_book_unref(struct cost_book *b)
{
	if (b && --b->refs == 0)
		mem_free(b);
	return NULL;
}

const struct price_quote *cost_book_find(const struct cost_book *b, uint64_t deployment)
{
	struct entry wanted = { .deployment = deployment };
	const struct entry *e =
		b && b->n ? bsearch(&wanted, b->v, b->n, sizeof *b->v, by_deployment) : NULL;
	return e ? &e->quote : NULL;
}
