/* SPDX-License-Identifier: MIT
 * fair.h - who is next of those that wait: by priority, and in one priority by fair shares.
 *
 * Start-time fair queueing: each key that waits has a turn number, one above that of its last
 * one served, and never below the turn served last by anybody; the smallest goes first. So a key
 * that asks a thousand times at once has no more of what comes free than one that asks twice.
 * Turns stand on the board, so that the queues of all workers are one order. A smaller priority
 * goes before a larger one, but every sixteenth place is for who has waited longest, whoever it
 * is: nobody starves. Words on the board may be wrong: shares are then uneven for a while. */
#ifndef FAIR_H
#define FAIR_H

#include <stdbool.h>

#include "common/board.h"

enum { FAIR_PRIORITY_MAX = 32767, FAIR_OLDEST_EVERY = 16, FAIR_AHEAD_MAX = 64 };

struct fair_flow;
struct fair_entry {			/* a member of what waits */
	struct fair_entry *next, *prev;	/* of one key and priority, the oldest first */
	struct fair_flow *flow;		/* NULL: does not wait */
	uint64_t since_ns;
	unsigned round;			/* passed over in that one */
};
struct fair {				/* zeroed, but for shared */
	struct board_queue *shared;
	struct fair_flow *flows;
	unsigned n;			/* entries */
	unsigned round, served;
};

/* 0 or -ENOMEM. At the front: it has waited before. */
int fair_put(struct fair *f, struct fair_entry *e, uint64_t key, uint32_t priority,
	     bool at_front) MUST_USE;
/* Who is next; NULL: nobody, or all have been passed over in this round. */
struct fair_entry *fair_next(struct fair *f);
/* What stands for its turn among all workers: smaller goes first. Never 0. */
uint64_t fair_turn(const struct fair *f, const struct fair_entry *e);
uint64_t fair_head(const struct fair *f);	/* the smallest; 0: nobody waits */
/* Whether the next place is for who has waited longest, whatever his turn. */
static inline bool fair_is_by_age(const struct fair *f)
{
	return f->served % FAIR_OLDEST_EVERY == FAIR_OLDEST_EVERY - 1;
}
/* Is served: its key's next turn comes later. */
void fair_serve(struct fair *f, struct fair_entry *e);
void fair_drop(struct fair *f, struct fair_entry *e);	/* leaves without that */
/* Its key is passed over until fair_round(). */
void fair_pass(struct fair *f, struct fair_entry *e);
void fair_round(struct fair *f);

/* How many of those that wait would go before one that came now. */
unsigned fair_rank(const struct fair *f, uint64_t key, uint32_t priority);
/* Who has to go when there is no room for one that comes now: the newest of those that are many,
 * in the last of the priorities. NULL: the one that comes. */
struct fair_entry *fair_worst(const struct fair *f, uint64_t key, uint32_t priority);

#endif
