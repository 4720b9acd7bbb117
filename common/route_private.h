/* SPDX-License-Identifier: MIT
 * route_private.h - between route.c, which judges, and route_strategy.c, which chooses. */
#ifndef ROUTE_PRIVATE_H
#define ROUTE_PRIVATE_H

#include "common/gate.h"
#include "common/route.h"

enum tag_rule { TAG_ALL, TAG_MATCH, TAG_DEFAULT, TAG_NOBODY };

struct look {				/* what is the same for all candidates of a query */
	const struct route_query *q;
	enum route_strategy strategy;
	enum tag_rule tags;
	bool counts_limits;		/* rpm and tpm of deployments are hard */
	uint8_t live[BOARD_WORKERS];	/* workers whose counts of requests in flight are true */
	unsigned n_live;
	struct gate_look gates;
	bool is_tag_spent;		/* a tag of the request has spent its budget */
	uint64_t tag_wait_ns;
	uint32_t best, order;		/* candidates with this reason and order may be chosen */
};
/* Requests in flight at a row of the board, over all workers. */
uint32_t look_inflight(const struct look *l, uint32_t row);
/* Which of the n candidates in room: one of those `kept` whose reason is l->best. kept > 0. */
uint32_t strategy_choose(const struct look *l, uint32_t n, uint32_t kept);

#endif
