/* SPDX-License-Identifier: MIT
 * price_map.h - LiteLLM's JSON price map, an entry at a time, as lines of our price table, and
 * back. Pure. */
#ifndef PRICE_MAP_H
#define PRICE_MAP_H

#include "common/json.h"
#include "common/json_write.h"
#include "master/prices.h"

enum { PRICE_LINE_MAX = 1024, PRICE_MODEL_MAX = 200 };

enum price_verdict {
	PRICE_TAKEN,
	PRICE_LACKING,		/* nothing in it is a price that we go by */
	PRICE_REFUSED,		/* reterr says why */
	PRICE_NO_MEMORY
};
/* Writes the line of one member of the map, without its newline, into `out`, which is emptied
 * first. Only PRICE_TAKEN leaves a line. */
enum price_verdict price_map_line(struct arena *a, const struct json *entry, struct buf *out,
				  char reterr[160]) MUST_USE;
/* The members of LiteLLM's entry that a row has; within an object. */
void price_map_put(struct json_out *o, const struct price_row *row);

#endif
