/* SPDX-License-Identifier: MIT
 * gate.h - what a deployment may use in a while: budgets of providers, deployments and tags,
 * windows of plans; and the hours at which it may be used.
 *
 * Which gates a deployment has stands in the snapshot, how things are at them on the board. A
 * budget's spend is what the master has booked of the running period and what workers have
 * settled since: exact but for the blink between a worker's record and its word, and after a kill
 * until the dead one's journal is booked. A plan's window rolls over 60 buckets and is never
 * shorter than it says; or it is fixed, and begins anew at each multiple of its length since a
 * Monday's midnight, UTC. Hours are worked out by the master, as the next change.
 *
 * Of plans it is enough that a deployment is not asked long after it is used up: they are judged
 * first and counted later. Windows of keys and teams (window.h) are the same words, and exact:
 * there is gate_take(). */
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

/* Whether the hours of a row are open then. */
bool gate_is_open_hour(const struct board_gate *row, uint64_t wall_ns);

/* Uses of a plan on the board: so many, at that time. */
void gate_plan_add(struct board_gate *row, const struct snap_gate *g, uint64_t wall_ns,
		   uint64_t n);
/* What was used in the window of a row, in its limit's unit, rounded up. */
uint64_t gate_plan_used(const struct board_gate *row, const struct snap_gate *g,
			uint64_t wall_ns);
/* When the window that counts then began, at the earliest. */
uint64_t gate_plan_begin(const struct snap_gate *g, uint64_t wall_ns);

struct gate_hold {			/* what was taken, to be corrected when it is known */
	uint64_t number, amount;	/* of the bucket; in its unit */
};
/* n uses if there is room for all of them, or if there are none yet: never more than the limit,
 * whoever asks at the same time. false: nothing is taken, and there may be room *ret_wait_ns
 * later. Anybody may be killed at any instruction: what was taken stays taken, until it goes. */
bool gate_take(struct board_gate *row, const struct snap_gate *g, uint64_t wall_ns, uint64_t n,
	       struct gate_hold *ret, uint64_t *ret_wait_ns);
/* It was n that were used: the rest goes back where it was taken, if that still counts; what is
 * more is counted now, whatever the limit. */
void gate_correct(struct board_gate *row, const struct snap_gate *g, const struct gate_hold *h,
		  uint64_t wall_ns, uint64_t n);

#endif
