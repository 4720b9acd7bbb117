/* SPDX-License-Identifier: MIT
 * budget.h - reserve, then settle: money and parallel requests, over all levels in one step.
 *
 * Invariant: settled + reserved <= limit at every level at every moment, whoever is killed when,
 * as long as a request settles at most what it reserved. Each step writes its new values as a
 * redo record, applies them, clears the record, under robust mutexes; who finds the mutex of a
 * dead owner applies the record again, which is idempotent.
 *
 * Levels may lie in several shards: a key and its team in one (board_entity.root says so), a user,
 * an organization, a tag or a customer wherever each has its place. Their mutexes are taken in
 * the order of the shards. Each shard has the record of its own entities; they count from one
 * single store on, that of their ticket into the slot. So a shard of the dead is repaired by
 * whoever comes first, alone, and all come to the same end.
 *
 * Who has waited for a lock looks again whether it is still the right one: the master may move an
 * entity to another shard at any time. Workers wait for a lock as long as it takes; the master at
 * most BUDGET_LOCK_NS, for its holder may have been stopped. */
#ifndef BUDGET_H
#define BUDGET_H

#include "common/board.h"

#define BUDGET_LOCK_NS UINT64_C(1000000000)

struct budget_level {
	uint32_t entity;
	uint32_t max_parallel;		/* 0 = no limit */
	int64_t max_nano;		/* negative = no limit */
};

enum budget_verdict { BUDGET_OK, BUDGET_SPENT, BUDGET_PARALLEL };

/* A slot that this worker holds. What it holds there stands here as well, in memory of its own:
 * the board is for whoever comes after it, and may be damaged. */
struct budget_claim {
	struct board_slot *slot;
	uint32_t worker, number;
	int64_t reserve_nano;
	uint32_t n_levels, level[BOARD_LEVELS];
};

/* Per worker, in its own memory: which of its slots are free. Slots that a predecessor left held
 * are not used until the worker starts again. NULL: no memory. */
struct budget_pool;
struct budget_pool *budget_pool_new(struct board *b, uint32_t worker) MUST_USE;
void budget_pool_free(struct budget_pool *p);
uint32_t budget_pool_left(const struct budget_pool *p);

/* Sets `reserve_nano` aside at all levels (1..BOARD_LEVELS, each entity once) or at none.
 * BUDGET_SPENT also when settled has reached the limit and reserve_nano is 0.
 * On refusal *ret_level says which level refused, *ret_left what it had left.
 * 0 and a claim; -EDQUOT refused (*ret_verdict); -ENOBUFS: no slot free. */
int budget_admit(struct budget_pool *p, const struct budget_level *levels, uint32_t n,
		 int64_t reserve_nano, const uint8_t request_id[16], struct budget_claim *ret,
		 enum budget_verdict *ret_verdict, uint32_t *ret_level, int64_t *ret_left) MUST_USE;
/* Adds to the reservation of a running request. 0 or -EDQUOT. */
int budget_extend(struct budget_pool *p, struct budget_claim *c,
		  const struct budget_level *levels, uint32_t n, int64_t more_nano) MUST_USE;
/* Replaces the reservation by the real cost and frees the slot. */
void budget_settle(struct budget_pool *p, struct budget_claim *c, int64_t cost_nano);

/* Master: redoes what dead owners left half done. To be called when a worker is gone, before
 * its slots are looked at: a step that was redone may have made one of them SLOT_HELD.
 * 0, or -EBUSY (as all below): some lock was not to be had; try again later. */
int budget_repair(struct board *b);
/* Master: settles a slot of a worker that is gone; no pool. A slot that is not held is left
 * alone. 0 or -EBUSY: nothing was done. */
int budget_settle_slot(struct board *b, uint32_t worker, uint32_t number, int64_t cost_nano);
/* Master: a new period, or totals read from the database at start. 0 or -EBUSY. */
int budget_set_settled(struct board *b, uint32_t entity, int64_t settled_nano);
/* Master: adds spend known only to it (an estimate, a correction; never below 0 in sum).
 * 0 or -EBUSY. */
int budget_add_settled(struct board *b, uint32_t entity, int64_t nano);
/* Master: a period begins: takes off what board_head.resets[number] says and frees that row, both
 * in one step. Once it is free this does nothing. 0 or -EBUSY. */
int budget_reset(struct board *b, uint32_t number) MUST_USE;
/* Master: the entity lies in the shard that `root` picks from now on (0: its own place does), also
 * while requests hold it. 0 or -EBUSY. */
int budget_set_root(struct board *b, uint32_t entity, uint32_t root) MUST_USE;
/* Master: what is set aside and how many requests run, counted from the slots that hold it. True:
 * it was otherwise, and has been set right; *ret_nano has been added. */
bool budget_count_held(struct board *b, uint32_t entity, int64_t *ret_nano) MUST_USE;
/* Reading of one entity, consistent unless the lock was not to be had in time. */
void budget_read(struct board *b, uint32_t entity, int64_t *ret_settled, int64_t *ret_reserved,
		 uint32_t *ret_parallel);

#endif
