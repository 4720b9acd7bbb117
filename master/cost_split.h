/* SPDX-License-Identifier: MIT
 * cost_split.h - what a request's cost is made of: LiteLLM's cost_breakdown.
 *
 * A settled request has its tokens and its cost and not the prices that it was settled by. Those of
 * now tell how the cost divides, where they give exactly that cost; else nothing is said of it. */
#ifndef COST_SPLIT_H
#define COST_SPLIT_H

#include "common/json_write.h"
#include "common/price.h"
#include "master/config.h"

struct price_quote {
	struct price list, discounted, price;	/* price: what workers charge */
	struct price_rates rates;
};
/* False: no price is known. On the loop's thread. */
bool price_quote_find(const struct config *c, const struct config_model *cm,
		      struct price_quote *ret);
/* Whether its price, where it has none of its own, is that of the model that is asked for. */
bool price_goes_by_name(const struct config_model *cm);
/* The same of a price that is known by itself. */
struct price_quote price_quote_of(const struct config *c, struct str provider,
				  const struct price *list);
/* For a cost whose tokens alone are known: at which service tier, with how many searches on the
 * web, and how many images, characters ... were sold with that call (enum journal_call), so that it
 * is exactly that cost; nothing changes where no number does. */
void cost_split_measure(const struct price_quote *q, uint8_t call, int64_t cost_nano,
			struct usage *u);
/* An object of that name. q NULL: only the total is known. Pure. */
void cost_split_put(struct json_out *o, const char *key, const struct price_quote *q,
		    const struct usage *u, int64_t cost_nano);

/* The quotes of all deployments of one configuration, for any thread; never changes. */
struct cost_book;
struct master;
/* That of now, made where there is none yet; NULL: no memory, or no configuration. Loop's thread,
 * as unref. */
struct cost_book *cost_book_ref(struct master *m);
struct cost_book *cost_book_unref(struct cost_book *b);	/* NULL is fine; returns NULL */
/* By board_deployment_hash(), for the model that was asked for: a wildcard's costs what that does,
 * and its quote lies in *room. NULL: none is known, or no book. */
const struct price_quote *cost_book_find(const struct cost_book *b, uint64_t deployment,
					 struct str asked, struct price_quote *room);

#endif
