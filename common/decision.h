/* SPDX-License-Identifier: MIT
 * decision.h - why the last requests went where they went, kept on the board to be told later.
 *
 * A ring for each worker, which alone writes it and takes the oldest row for the next request. A
 * row changes while others read: who copies one looks at its id before and after, and treats all
 * in it as a stranger's words. */
#ifndef DECISION_H
#define DECISION_H

#include "common/route.h"

struct decision {			/* a worker's hold on its row; all 0: none yet */
	struct board_decision *row;
	uint64_t id;
};
/* A choice was made for a request. The first one in each group is kept with its candidates. */
void decision_choice(struct decision *d, struct board *b, uint32_t worker, struct str call_id,
		     const struct route_query *q, const struct route_choice *c);
/* Begins a row without one. */
void decision_begin(struct decision *d, struct board *b, uint32_t worker, struct str call_id,
		    uint64_t wall_ns);
/* An attempt ended. */
void decision_attempt(struct decision *d, uint32_t board_row, const char *outcome, int status,
		      uint64_t ns);

/* Copies the newest row of that call. False: none is there any more. */
bool decision_find(const struct board *b, struct str call_id, struct board_decision *ret);

#endif
