/* SPDX-License-Identifier: MIT
 * series.h - what each virtual key had of each deployment and how it ended, counted on the board.
 *
 * For the metrics that have these as labels. A row is taken when its name is first seen and is
 * never given back while the board lives; when `cap` rows are taken, or none is free near where
 * the name belongs, it is counted in the last row, which is everybody else's. Names with labels,
 * which may be what clients choose, take half of the rows at most: behind those they are counted
 * without them, so that nobody pushes out others' keys. All words are atomic and only grow, any
 * process may be killed between two of them, and whoever counts a name writes the same words into
 * its row. */
#ifndef SERIES_H
#define SERIES_H

#include "common/board.h"
#include "common/hash.h"

/* Rows that may be taken at most: the table stays loose enough to find a place. */
enum { SERIES_MAX = BOARD_SERIES / 4 * 3 };

struct series_kind {
	uint8_t outcome, fell;		/* how it ended; why it was that another group was asked */
	uint16_t status;		/* below 4096 */
	bool is_attempt;		/* at a deployment, and no whole request */
	uint32_t route;			/* of its path: series_route(); 0: not told */
};
struct series_name {			/* all that tells rows apart */
	struct sha256 key;		/* .b all 0: none is known */
	uint64_t deployment;		/* id_hash; 0: none was asked */
	struct series_kind kind;
	uint64_t asked; /* hash_stable() of the group asked for, where another answered; else 0 */
	struct str labels;		/* as between braces; no NUL; at most SERIES_LABELS bytes */
};
struct series_step {
	bool is_failure;
	uint64_t tokens_in, tokens_out, cost_nano;
	uint64_t cache_hits, cache_misses, cached_tokens;
};

/* How one was counted: in its own row, in that without its labels, or in the last row, which is of
 * requests: an attempt is not counted then. */
enum series_place { SERIES_OWN, SERIES_BARE, SERIES_OTHER };
enum series_place series_count(struct board *b, const struct series_name *name, uint32_t cap,
			       const struct series_step *s);
/* What a row is called; labels are copied into `room`. False: its words are not all written, for
 * who took it was killed just then, or it is free. */
bool series_read(const struct board_series *row, char room[SERIES_LABELS],
		 struct series_name *ret);
/* The same number in every version of the program; never 0. */
uint32_t series_route(struct str path);

#endif
