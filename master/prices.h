/* SPDX-License-Identifier: MIT
 * prices.h - the price table: our own etc/prices.tsv, later also what was imported.
 *
 * A row is read from the table's text when it is asked for: its slices point into the embedded
 * table and live as long as the program. */
#ifndef PRICES_H
#define PRICES_H

#include "common/price.h"
#include "common/snapshot.h"

struct price_row {
	struct str model;		/* as LiteLLM's map names it: "gpt-4o", "groq/llama-3..." */
	struct str provider;
	enum snap_mode mode;
	uint32_t max_input_tokens, max_output_tokens;	/* 0: unknown */
	struct price price;		/* always PRICE_KNOWN; FREE where both sides say 0 */
};

/* Looks whether the embedded table is there and whole. 0, or -EINVAL: a packaging fault. */
int prices_load(void) MUST_USE;
/* LiteLLM's order: "provider/model" (where a provider is given), the model as it is, the model
 * without what stands before its first '/'. False when unknown; *ret is untouched then. */
bool prices_find(struct str provider, struct str model, struct price_row *ret);
/* All rows, sorted by model: begin with *at == 0; false at the end. */
bool prices_next(size_t *at, struct price_row *ret);

#endif
