/* SPDX-License-Identifier: MIT
 * prices.h - the price table: our own etc/prices.tsv, and before it what was imported.
 *
 * A row is read from its line when it is asked for: its slices point into the line. That of the
 * shipped table lives as long as the program, an imported one until the next prices_import(). */
#ifndef PRICES_H
#define PRICES_H

#include "common/price.h"
#include "common/snapshot.h"
#include "master/abilities.h"

struct price_row {
	struct str model;		/* as LiteLLM's map names it: "gpt-4o", "groq/llama-3..." */
	struct str provider, mode_name;
	struct str line;		/* all of it */
	enum snap_mode mode;
	uint32_t max_input_tokens, max_output_tokens;	/* 0: unknown */
	uint32_t abilities;		/* abilities.h */
	struct price price;		/* always PRICE_KNOWN; FREE where both sides say 0 */
	bool has_input, has_output;	/* it says what a token of text costs */
	bool is_imported;
};

/* Looks whether the embedded table is there and whole. 0, or -EINVAL: a packaging fault. */
int prices_load(void) MUST_USE;
/* What was imported from now on: a copy of these lines, sorted by the bytes of the model's name,
 * each with its newline. "": nothing. 0 or -ENOMEM. On the loop's thread, as all below but
 * prices_shipped() and prices_read_line(). */
int prices_import(struct str lines) MUST_USE;
/* LiteLLM's order: "provider/model" (where a provider is given), the model as it is, the model
 * without what stands before its first '/'; of each what was imported, then what is shipped.
 * False when unknown; *ret is untouched then. */
bool prices_find(struct str provider, struct str model, struct price_row *ret);
/* The imported lines, until the next prices_import(); and the same look-up, with lines that the
 * caller keeps. Any thread. */
struct str prices_imported(void);
bool prices_find_with(struct str imported, struct str provider, struct str model,
		      struct price_row *ret);
/* The row of exactly that name in the shipped table. Any thread. */
bool prices_shipped(struct str model, struct price_row *ret);
/* A line, without its newline. Any thread. */
struct price_row prices_read_line(struct str line);
/* All rows in force, sorted by model: begin with zeroes; false at the end. */
struct prices_walk {
	size_t shipped, imported;
};
bool prices_next(struct prices_walk *at, struct price_row *ret);

#endif
