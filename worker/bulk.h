/* SPDX-License-Identifier: MIT
 * bulk.h - what answers tell of batches, which a provider works off on its own. Pure. Who pays, and
 * that it is once, the master knows (master/ledger_bulk.c). */
#ifndef BULK_H
#define BULK_H

#include "common/json.h"
#include "common/price.h"

struct bulk_told {			/* what OpenAI's object of a batch says; slices of it */
	struct str id;
	struct str model;		/* .n 0: it does not say */
	bool is_over;			/* nothing more is made, and there is usage */
	uint64_t answered;		/* so many of its requests */
	struct usage usage;		/* of all of them, at TIER_BATCH */
};
/* False: it is none. */
bool bulk_read(const struct json *batch, struct bulk_told *ret) MUST_USE;
/* The id that its records have: the same in every process and release. */
void bulk_id(struct str provider, struct str id, uint8_t ret[16]);
/* What such a batch costs by p: a threshold of the prompt is one of each request, and none of
 * all of them. */
int64_t bulk_cost(const struct price *p, const struct bulk_told *b);
#endif
