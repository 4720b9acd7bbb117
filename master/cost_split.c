/* SPDX-License-Identifier: MIT
 * cost_split.c - see cost_split.h. Input and output are by list price, as LiteLLM has them; then
 * the discount is taken off, then the margin put on. Images that were made are output; what was
 * read aloud, listened to, ranked or searched is input, and so is the price of a request. */
#include "master/cost_split.h"

#include <stdlib.h>

#include "common/arena.h"
#include "common/journal.h"
#include "common/mem.h"
#include "master/master.h"
#include "master/prices.h"

enum { MILLION = 1000000, SESSIONS_TRIED = 4 };
#define REST_MAX INT64_C(1000000000000)	/* $1000: products fit */

/* ---- quotes ---- */

static struct price_quote quote_by(const struct price_rates *rates, const struct price *list)
{
	const struct price_rates discount = { .discount = rates->discount };
	struct price_quote q = { .list = *list, .discounted = *list, .price = *list,
				 .rates = *rates };
	price_apply(&discount, &q.discounted);
	price_apply(rates, &q.price);
	return q;
}

struct price_quote price_quote_of(const struct config *c, struct str provider,
				  const struct price *list)
{
	const struct price_rates rates = config_rates_of(c, provider);
	return quote_by(&rates, list);
}

bool price_goes_by_name(const struct config_model *cm)
{
	return !cm->base_model.n && str_find_char(cm->model, '*') != SIZE_MAX;
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
	struct usage input = *u, tokens = *u;
	input.output = input.reasoning = input.media_output = input.images = 0;
	input.web_searches = tokens.web_searches = 0;
	input.file_searches = input.sessions = tokens.file_searches = tokens.sessions = 0;
	int64_t original = price_cost(&q->list, u), in = price_cost(&q->list, &input);
	int64_t of_tokens = price_cost(&q->list, &tokens);
	int64_t discounted = price_cost(&q->discounted, u);
	json_put_money(o, "input_cost", in);
	json_put_money(o, "output_cost", of_tokens > in ? of_tokens - in : 0);
	json_put_money(o, "tool_usage_cost", original - of_tokens);
	json_put_money(o, "original_cost", original);
	if (q->rates.discount) {
		put_share(o, "discount_percent", q->rates.discount);
		json_put_money(o, "discount_amount", original - discounted);
	}
	if (q->rates.margin || q->rates.fixed) {
		put_share(o, "margin_percent", q->rates.margin);
		json_put_money(o, "margin_fixed_amount", (q->rates.fixed + 500) / 1000);
		json_put_money(o, "margin_total_amount", cost - discounted);
	}
}

/* What is sold by another measure than tokens with that call, how much of it has the price, and
 * that price; NULL: nothing is. */
static uint64_t *measure_of(const struct price *p, uint8_t call, struct usage *u, int64_t *ret_rate,
			    int64_t *ret_units)
{
	*ret_units = 1;
	switch (call) {
	case JOURNAL_CALL_IMAGE:
	case JOURNAL_CALL_IMAGE_EDIT:
		*ret_rate = p->per_image;
		return &u->images;
	case JOURNAL_CALL_SPEECH:
		*ret_rate = p->per_character;
		return &u->characters;
	case JOURNAL_CALL_TRANSCRIPTION:
		*ret_rate = p->per_second;
		*ret_units = 1000;
		return &u->milliseconds;
	case JOURNAL_CALL_RERANK:
	case JOURNAL_CALL_PASS:
		*ret_rate = p->per_query;
		return &u->searches;
	default:
		return NULL;
	}
}

/* So many searches of that size are the rest of the cost. */
static bool fit_searches(const struct price_quote *q, int64_t cost_nano, enum search_size size,
			 struct usage *u)
{
	int64_t rate = q->price.per_search[size - SEARCH_LOW];
	int64_t rest = cost_nano - price_cost(&q->price, u);
	if (rate <= 0 || rest <= 0 || rest > REST_MAX)
		return false;
	u->search_size = (uint8_t)size;
	int64_t about = rest * 1000 / rate;
	for (int64_t n = about > 1 ? about - 1 : 1; n <= about + 1 && n <= WEB_SEARCHES_MAX; n++) {
		u->web_searches = (uint32_t)n;
		if (price_cost(&q->price, u) == cost_nano)
			return true;
	}
	return false;
}

/* So many searches in files are the rest. */
static bool fit_files(const struct price_quote *q, int64_t cost_nano, struct usage *u)
{
	int64_t rate = q->price.per_file_search, rest = cost_nano - price_cost(&q->price, u);
	if (rate <= 0 || rest <= 0 || rest > REST_MAX)
		return false;
	int64_t about = rest * 1000 / rate;
	for (int64_t n = about > 1 ? about - 1 : 1; n <= about + 1 && n <= WEB_SEARCHES_MAX; n++) {
		u->file_searches = (uint32_t)n;
		if (price_cost(&q->price, u) == cost_nano)
			return true;
	}
	u->file_searches = 0;
	return false;
}

static bool fit_with_sessions(const struct price_quote *q, int64_t cost_nano, struct usage *u)
{
	static const enum search_size sizes[] = { SEARCH_MEDIUM, SEARCH_LOW, SEARCH_HIGH };
	if (price_cost(&q->price, u) == cost_nano || fit_files(q, cost_nano, u))
		return true;
	const struct usage tokens = *u;
	for (size_t i = 0; q->price.flags & PRICE_SEARCHED && i < COUNT(sizes); i++) {
		*u = tokens;
		if (fit_searches(q, cost_nano, sizes[i], u))
			return true;
	}
	return false;
}

/* More than a few containers, or searches both on the web and in files, are not looked for. */
static bool fit_at_tier(const struct price_quote *q, int64_t cost_nano, struct usage *u)
{
	const struct usage tokens = *u;
	for (uint32_t n = 0; n <= (q->price.per_session > 0 ? SESSIONS_TRIED : 0); n++) {
		*u = tokens;
		u->sessions = n;
		if (fit_with_sessions(q, cost_nano, u))
			return true;
	}
	return false;
}

/* The tier, and what tools did, that make it exactly that cost. */
static bool fit_more(const struct price_quote *q, int64_t cost_nano, struct usage *u)
{
	for (unsigned t = TIER_STANDARD; t < TIER_COUNT; t++) {
		struct usage v = *u;
		v.tier = (uint8_t)t;
		if (fit_at_tier(q, cost_nano, &v)) {
			*u = v;
			return true;
		}
		if (!(q->price.flags & PRICE_TIERED))
			break;
	}
	return false;
}

void cost_split_measure(const struct price_quote *q, uint8_t call, int64_t cost_nano,
			struct usage *u)
{
	const bool has_more = q && q->price.flags & (PRICE_TIERED | PRICE_SEARCHED | PRICE_TOOLED);
	if (has_more && fit_more(q, cost_nano, u))
		return;
	int64_t rate = 0, units, rest = q ? cost_nano - price_cost(&q->price, u) : 0;
	uint64_t *at = q ? measure_of(&q->price, call, u, &rate, &units) : NULL;
	if (!at || *at || rate <= 0 || rest <= 0 || rest > REST_MAX)
		return;
	uint64_t about = (uint64_t)(rest * 1000 * units / rate);
	for (uint64_t n = about ? about - 1 : 0; n <= about + 1; n++) {
		*at = n;
		if (price_cost(&q->price, u) == cost_nano)
			return;
	}
	*at = 0;
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
	bool is_named;			/* by what was asked for: the rest says how */
	struct str pattern, model, provider;
};
struct cost_book {
	unsigned refs;
	uint64_t generation;
	struct arena *mem;		/* of the names, and of `imported` */
	struct str imported;		/* prices, where some entry goes by names */
	size_t n;
	struct entry v[];		/* by deployment */
};
enum { BOOK_MEMORY = 64 << 20, NAME_ROOM = 256 };

static struct cost_book *current;

static int by_deployment(const void *a, const void *b)
{
	uint64_t x = ((const struct entry *)a)->deployment;
	uint64_t y = ((const struct entry *)b)->deployment;
	return x < y ? -1 : x > y;
}

static void add(struct cost_book *b, const struct config *c, const struct config_model *cm)
{
	struct entry *e = &b->v[b->n];
	*e = (struct entry){ .deployment = board_deployment_hash(cm->id) };
	if (!price_quote_find(c, cm, &e->quote)) {
		if (!price_goes_by_name(cm))
			return;
		e->is_named = true;
		e->quote.rates = config_rates_of(c, cm->provider);
		e->pattern = arena_dup(b->mem, cm->model_name);
		e->model = arena_dup(b->mem, cm->model);
		e->provider = arena_dup(b->mem, cm->provider);
		if (!b->imported.p && prices_imported().n)
			b->imported = arena_dup(b->mem, prices_imported());
	}
	b->n++;
}

static struct cost_book *book_free(struct cost_book *b)
{
	arena_free(b->mem);
	mem_free(b);
	return NULL;
}

static struct cost_book *book_new(const struct master *m)
{
	const struct config *c = m->config;
	struct cost_book *b = mem_alloc(sizeof *b + c->n_models * sizeof *b->v);
	if (!b)
		return NULL;
	b->refs = 1;
	b->generation = m->generation;
	b->mem = arena_new(BOOK_MEMORY);
	if (!b->mem)
		return book_free(b);
	for (size_t i = 0; i < c->n_models; i++)
		add(b, c, &c->models[i]);
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
	return b && --b->refs == 0 ? book_free(b) : NULL;
}

static const struct price_quote *quote_by_name(const struct cost_book *b, const struct entry *e,
					       struct str asked, struct price_quote *room)
{
	char name[NAME_ROOM];
	struct price_row row;
	struct str model = snap_fill_model(e->pattern, e->model, asked, name, sizeof name);
	if (!model.n || !prices_find_with(b->imported, e->provider, model, &row))
		return NULL;
	*room = quote_by(&e->quote.rates, &row.price);
	return room;
}

const struct price_quote *cost_book_find(const struct cost_book *b, uint64_t deployment,
					 struct str asked, struct price_quote *room)
{
	struct entry wanted = { .deployment = deployment };
	const struct entry *e =
		b && b->n ? bsearch(&wanted, b->v, b->n, sizeof *b->v, by_deployment) : NULL;
	return e && e->is_named ? quote_by_name(b, e, asked, room) : e ? &e->quote : NULL;
}
