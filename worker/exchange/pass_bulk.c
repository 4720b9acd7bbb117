/* SPDX-License-Identifier: MIT
 * pass_bulk.c - batches that a relayed answer tells of, into the journal. What is not there, or not
 * as it should be, is as if nothing had been told: the next answer tells the same. */
#include "worker/bulk.h"
#include "worker/decide/decide.h"
#include "worker/exchange/pass.h"
#include "worker/settle/account.h"

enum { LISTED_MAX = 100 };		/* batches in one list, as providers have it */

static bool makes_one(const struct raw_call *c)
{
	return str_eq_z(STR("POST"), c->method) && str_ends(c->path, STR("/batches"));
}

static void note_over(struct request *r, const struct snap_deployment *d,
		      const struct bulk_told *b, const uint8_t id[16])
{
	const struct price *p = raw_price_of(r, b->model, &d);
	struct usage u = b->usage;
	struct account_bulk what = { .id = id, .deployment = d, .usage = &u,
				     .model = b->model.n ? b->model : r->requested_model,
				     .cost_nano = bulk_cost(p, b) };
	what.is_unpriced = !(p->flags & PRICE_FREE) && what.cost_nano == 0;
	account_bulk(r, &what);
}

static void note_one(struct request *r, const struct snap_deployment *d, const struct json *j)
{
	struct bulk_told b;
	uint8_t id[16];
	if (!bulk_read(j, &b))
		return;
	bulk_id(snap_text(r->snap, d->provider), b.id, id);
	if (makes_one(r->raw)) {
		account_bulk(r, &(struct account_bulk){ .id = id });
		raw_is_free(r);
	}
	if (b.is_over)
		note_over(r, d, &b, id);
}

void pass_note_bulk(struct request *r, const struct snap_deployment *d, struct str body)
{
	const struct raw_call *c = r->raw;
	struct json_error e;
	if (c->raw->source == RAW_MODEL || c->raw->source == RAW_TARGET ||
	    d->family != FAMILY_OPENAI || str_find(c->path, STR("/batches")) == SIZE_MAX)
		return;
	const struct json *root = json_parse(r->mem, body, 0, &e);
	const struct json *list = json_get(root, "data");
	note_one(r, d, root);
	if (!json_is(list, JSON_ARRAY))
		return;
	unsigned n = 0;
	for (const struct json *j = list->child; j && n < LISTED_MAX; j = j->next, n++)
		note_one(r, d, j);
}
