/* SPDX-License-Identifier: MIT
 * series.h - what each virtual key had of each deployment, counted on the board.
 *
 * For the metrics that have both as labels. A row is taken when a pair of key and deployment is
 * first seen and is never given back while the board lives; when `cap` rows are taken, or none is
 * free near where the pair belongs, it is counted in the last row, which is everybody else's. All
 * words are atomic and only grow, any process may be killed between two of them, and whoever
 * counts a pair writes the same names into its row. */
#ifndef SERIES_H
#define SERIES_H

#include "common/board.h"
#include "common/hash.h"

/* Rows that may be taken at most: the table stays loose enough to find a place. */
enum { SERIES_MAX = BOARD_SERIES / 4 * 3 };

struct series_step {
	bool is_failure;
	uint64_t tokens_in, tokens_out, cost_nano;
};

/* Counts one request; key.b all 0 and deployment 0: there was none. False: in the last row. */
bool series_count(struct board *b, const struct sha256 *key, uint64_t deployment, uint32_t cap,
		  const struct series_step *s);
/* Whether the row's names are written: not yet, when who took it was killed just then. */
bool series_is_named(const struct board_series *row);
/* The key that a row is of; all 0: none. */
struct sha256 series_key(const struct board_series *row);

#endif
