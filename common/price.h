/* SPDX-License-Identifier: MIT
 * price.h - what a request costs, in integers.
 *
 * Prices are pico-dollars (1e-12 $) per unit, so that cached-token prices of 1.25e-9 $ stay
 * exact; amounts are nano-dollars (1e-9 $). Sums are made in 128 bits, rounded up once, and
 * saturate at PRICE_NANO_MAX: money never overflows and is never negative. */
#ifndef PRICE_H
#define PRICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

#define PRICE_NANO_MAX INT64_C(1000000000000000000)	/* a thousand million dollars */
#define PRICE_NONE INT64_C(-1)				/* this component has no price of its own */

enum {				/* flags */
	PRICE_KNOWN = 1,
	PRICE_FREE = 2,			/* both sides explicitly 0 */
	PRICE_TIERED = 4,		/* tiers[] counts */
	PRICE_SEARCHED = 8,		/* per_search[] counts */
	PRICE_TOOLED = 16,		/* per_file_search and per_session count */
	PRICE_PER_PROMPT = 32		/* however many searches an answer took, they are one */
};

/* How soon a provider answers, where that has prices of its own. */
enum price_tier {
	TIER_UNTOLD,			/* nobody has said */
	TIER_STANDARD,
	TIER_FLEX, TIER_PRIORITY, TIER_BATCH,
	TIER_COUNT
};
enum { TIERS_PRICED = TIER_COUNT - TIER_FLEX };
/* How much of what a search on the web finds is read. */
enum search_size { SEARCH_UNTOLD, SEARCH_LOW, SEARCH_MEDIUM, SEARCH_HIGH, SEARCH_SIZES };

struct tier_price {			/* per token; NONE: as in the standard tier */
	int64_t input, output, cache_read;
};

/* Stands in the snapshot: no pointers, fixed size. */
struct price {
	int64_t input, output;				/* per token */
	int64_t cache_read, cache_write;		/* per token; NONE: the input price */
	int64_t reasoning;				/* per token; NONE: the output price */
	int64_t per_request;				/* 0 where there is none */
	int64_t input_above, output_above; /* above tier_tokens of prompt; NONE: no tier */
	uint32_t tier_tokens;
	uint32_t flags;
	int64_t media_input, media_output; /* per token of image or sound; NONE: as of text */
	int64_t per_image, per_second, per_character;	/* 0 where there is none */
	int64_t per_query;				/* per search unit; 0 where there is none */
	int64_t cache_read_above, cache_write_above; /* as input_above; NONE: as below it */
	int64_t cache_write_hour; /* what is kept for an hour; NONE: as what is kept shorter */
	struct tier_price tiers[TIERS_PRICED];	/* from TIER_FLEX on */
	int64_t per_search[SEARCH_SIZES - SEARCH_LOW];	/* a search on the web; 0: none */
	int64_t per_file_search, per_session; /* a call; a code interpreter's container; 0: none */
};

/* What a provider takes off its list prices, and what is put on top of them. */
struct price_rates {
	int64_t discount, margin;	/* parts of a million */
	int64_t fixed;			/* pico-dollars a request */
};

/* What the provider said it used; see providers' usage objects. Invariants after
 * usage_clamp(): cache_read + cache_write + media_input <= input, cache_write_hour <= cache_write,
 * reasoning + media_output <= output, all < 2^31. */
struct usage {
	uint64_t input, output, cache_read, cache_write, reasoning;
	uint64_t media_input, media_output;	/* of those: tokens of images and sound */
	uint64_t images, milliseconds, characters;	/* what is sold by other measures */
	bool estimated;		/* counted by us, not told by the provider */
	uint8_t tier;		/* enum price_tier */
	uint8_t search_size;	/* enum search_size */
	uint32_t web_searches;	/* that the provider has made; at most WEB_SEARCHES_MAX */
	uint32_t file_searches, sessions;	/* that it has made, and used; likewise */
	uint64_t searches;	/* search units, of reranking */
	uint64_t cache_write_hour;	/* of cache_write: what is kept for an hour */
};

enum { WEB_SEARCHES_MAX = 1000 };	/* of one answer; and what else its tools do */

void usage_clamp(struct usage *u);
/* Clamped. What is estimated in part is estimated. */
void usage_add(struct usage *sum, const struct usage *more);
/* Nano-dollars, 0 for an unknown price. */
int64_t price_cost(const struct price *p, const struct usage *u);
/* Whether p says what u costs: false where nothing of it has a price, though it is not free. */
bool price_covers(const struct price *p, const struct usage *u);
/* A price of nothing: no member counts until it is set. */
struct price price_none(void);
/* Rounded to the nearest. False: nothing is changed, or the price is not known. */
bool price_apply(const struct price_rates *r, struct price *p);
/* The most a request can cost: all input at the dearest input rate, all output likewise. */
int64_t price_worst(const struct price *p, uint64_t input_tokens, uint64_t output_tokens);
/* The same of what is sold by other measures, too: most->input, output, images ...
 * cache_write_hour: some of the input may be kept for an hour. tier TIER_PRIORITY: any may
 * answer, else the standard one; search_size SEARCH_UNTOLD: of any. */
int64_t price_most(const struct price *p, const struct usage *most);
/* Any vendor's word for a tier ("flex", "ON_DEMAND_PRIORITY"), and for a size ("low"): what is not
 * known is UNTOLD. "auto" says nothing of where a request was answered. */
enum price_tier price_tier_of(struct str word);
enum search_size search_size_of(struct str word);
/* "3e-7", "0.000002", "2.5" dollars, as LiteLLM's price map writes them, to pico-dollars,
 * rounded to nearest. 0, -EINVAL (not a number, negative) or -ERANGE. */
int price_read_pico(struct str s, int64_t *ret) MUST_USE;
/* Dollars as written in config or API ("50", "0.5") to nano-dollars. 0, -EINVAL, -ERANGE. */
int price_read_nano(struct str s, int64_t *ret) MUST_USE;

#endif
