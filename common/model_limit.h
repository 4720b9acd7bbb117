/* SPDX-License-Identifier: MIT
 * model_limit.h - limits that a key, a team, a user or another of their kin has for single models,
 * as they stand in its row of the directory: a text of entries, each with the model's name.
 *
 * Each has a row among the board's entities, as its owner has, so that they count over all workers
 * and are reserved and settled in one step with it. */
#ifndef MODEL_LIMIT_H
#define MODEL_LIMIT_H

#include "common/buf.h"
#include "common/str.h"

enum { MODEL_LIMITS_MAX = 256, MODEL_LIMIT_NAME_MAX = 256 };	/* of one owner; bytes */

struct model_limit {
	uint64_t id;			/* its entity's number: model_limit_id() */
	int64_t max_budget_nano;	/* below 0: none */
	uint64_t rpm, tpm;		/* 0: none */
	uint32_t entity;
	struct str model;		/* as clients ask for it */
};

/* What an owner's limit of that model is called: never 0, and less than 2^56. `kind` is the
 * limit's. */
uint64_t model_limit_id(unsigned kind, uint64_t owner, struct str model);
/* One entry more. The buffer's cap is the caller's. */
void model_limit_put(struct buf *to, const struct model_limit *l);
/* The first entry of *rest, which is cut off; its name points into the text. False: there is none
 * left, or what is left is none. */
bool model_limit_next(struct str *rest, struct model_limit *ret);
bool model_limit_find(struct str limits, struct str model, struct model_limit *ret);
/* The same with LiteLLM's second chance: without what stands before the first '/'. */
bool model_limit_find_bare(struct str limits, struct str model, struct model_limit *ret);

#endif
