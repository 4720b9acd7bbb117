/* SPDX-License-Identifier: MIT
 * route_private.h - between route.c, which judges, and route_strategy.c, which chooses. */
#ifndef ROUTE_PRIVATE_H
#define ROUTE_PRIVATE_H

#include "common/gate.h"
#include "common/route.h"

enum tag_rule { TAG_ALL, TAG_MATCH, TAG_DEFAULT, TAG_NOBODY };

/* The field that weighs is the first one that the first candidate has; missing counts 0. */
enum weighing { BY_NOTHING, BY_WEIGHT, BY_RPM, BY_TPM };

struct look {				/* what is the same for all candidates of a query */
	const struct route_query *q;
	enum route_strategy strategy;
	enum tag_rule tags;
	bool counts_limits;		/* rpm and tpm of deployments are hard */
	bool is_picky;			/* something may rule a candidate out for good */
	uint32_t default_parallel;	/* of the settings */
	enum adaptive adaptive;
	uint64_t latency_ttl_ns;
	uint8_t live[BOARD_WORKERS];	/* workers whose counts of requests in flight are true */
	unsigned n_live;
	struct gate_look gates;
	bool is_tag_spent;		/* a tag of the request has spent its budget */
	uint64_t tag_wait_ns;
	/* The rows that a choice goes through: members of the group, and all deployments. */
	const uint32_t *members;
	const struct snap_deployment *deployments;
	uint32_t n_deployments;
	/* Candidates with this reason and order may be chosen; so far there are `kept` of them. */
	uint32_t best, order, kept;
	bool is_mixed;			/* the same reason came with several orders */
	enum weighing by;		/* what the first of them is weighed by */
	uint32_t first;			/* place in room of the first with the smallest score */
	uint64_t total, least;		/* sum of their scores, and the smallest */
};
static inline const struct snap_deployment *look_deployment(const struct look *l, uint32_t index)
{
	MUST(index < l->n_deployments);
	return &l->deployments[index];
}

/* Requests in flight at a row of the board, over all workers. */
static inline uint32_t look_inflight(const struct look *l, uint32_t row)
{
	uint32_t sum = 0;
	for (unsigned i = 0; i < l->n_live; i++)
		sum += atomic_load_explicit(board_inflight_own(l->q->board, l->live[i], row),
					    memory_order_relaxed);
	return sum;
}

/* A candidate, at place i of room, may be chosen as matters stand: gives it its score. */
void strategy_weigh(struct look *l, uint32_t i, const struct snap_deployment *d,
		    const struct board_deployment *b);
/* Which of the n candidates in room: one of those l->kept whose reason is l->best. There is one. */
uint32_t strategy_choose(const struct look *l, uint32_t n);

#endif
