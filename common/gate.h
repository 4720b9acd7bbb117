/* SPDX-License-Identifier: MIT
 * gate.h - what a deployment may use in a while: budgets of providers, deployments and tags,
 * windows of plans; and the hours at which it may be used.
 *
 * Which gates a deployment has stands in the snapshot, how things are at them on the board. A
 * budget's spend is what the master has booked of the running period and what workers have
 * settled since: exact but for the blink between a worker's record and its word, and after a kill
 * until the dead one's journal is booked. A plan's window rolls over 60 buckets and is never
 * shorter than it says. Hours are worked out by the master, as the next change. */
#ifndef GATE_H
#define GATE_H

#include "common/board.h"
#include "common/snapshot.h"

enum gate_verdict { GATE_OPEN, GATE_SPENT, GATE_USED_UP, GATE_CLOSED };

struct gate_look {			/* of one choice: neighbours often have the same gates */
	const struct snap *snap;
	const struct board *board;
	uint64_t wall_ns;
	uint32_t row;			/* the one looked at last, in `verdict` and `wait_ns` */
	bool is_known;
	enum gate_verdict verdict;
	uint64_t wait_ns;
};
/* The first gate of d that is not open decides; *ret_wait_ns: until it may be, at the earliest. */
enum gate_verdict gate_check(struct gate_look *l, const struct snap_deployment *d,
			     uint64_t *ret_wait_ns);
/* What was used at a gate, in its limit's unit; of GATE_HOURS: 0. */
uint64_t gate_used(const struct board *b, const struct snap_gate *g, uint64_t wall_ns);
/* One gate by itself. */
enum gate_verdict gate_judge(const struct board *b, const struct snap_gate *g, uint64_t wall_ns,
			     uint64_t *ret_wait_ns);

/* Of a deployment with DEPLOY_GATED: for plans, a worker is about to ask it, and what an attempt
 * has used; for budgets, what a request has cost that the ledger has under it. */
void gate_asked(struct board *b, const struct snap *s, const struct snap_deployment *d,
		uint64_t wall_ns);
void gate_answered(struct board *b, const struct snap *s, const struct snap_deployment *d,
		   uint64_t tokens, int64_t cost_nano, uint64_t wall_ns);
void gate_spent(struct board *b, const struct snap *s, const struct snap_deployment *d,
		uint32_t worker, int64_t cost_nano);

/* Budgets of tags, which no deployment has but a request: the first of those with one of these
 * tags that is spent, or NULL; *ret_wait_ns as above. */
const struct snap_gate *gate_spent_tag(const struct board *b, const struct snap *s,
				       const struct str *tags, unsigned n_tags, uint64_t wall_ns,
				       uint64_t *ret_wait_ns);
/* What a request with these tags has cost. */
void gate_tags_spent(struct board *b, const struct snap *s, const struct str *tags,
		     unsigned n_tags, uint32_t worker, int64_t cost_nano);

/* Uses of a plan on the board: so many, at that time. */
void gate_plan_add(struct board_gate *row, const struct snap_gate *g, uint64_t wall_ns,
		   uint64_t n);

#endif
