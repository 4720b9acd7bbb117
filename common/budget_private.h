/* SPDX-License-Identifier: MIT
 * budget_private.h - what budget*.c share: shards locked together, and a step over them. */
#ifndef BUDGET_PRIVATE_H
#define BUDGET_PRIVATE_H

#include "common/budget.h"

/* Shards that are locked, in ascending order: where the levels of one request lie. */
struct budget_shards {
	uint32_t n;
	struct board_shard *v[BOARD_LEVELS];
};

/* Locks whatever the entities lie in. n >= 1; those beyond BOARD_ENTITIES are left out, and of
 * none any shard will do. */
void budget_lock(struct board *b, const uint32_t *entities, uint32_t n, struct budget_shards *ret);
/* The same for the master, which may neither wait for ever nor fail a MUST on what is on the
 * board. false: not to be had in time, and nothing is locked. */
bool budget_lock_in_time(struct board *b, const uint32_t *entities, uint32_t n,
			 struct budget_shards *ret) MUST_USE;
void budget_unlock(const struct budget_shards *s);
/* One shard, whatever lies in it: what a dead owner left is redone. */
void budget_lock_shard(struct board *b, struct board_shard *s);
bool budget_lock_shard_in_time(struct board *b, struct board_shard *s) MUST_USE;
void budget_unlock_shard(struct board_shard *s);

/* Where the moves of a step are best written: in the record itself, if there is just one. */
static inline struct board_move *budget_moves(const struct budget_shards *s,
					      struct board_move spare[BOARD_LEVELS])
{
	return s->n == 1 ? s->v[0]->moves : spare;
}

/* What a step does besides its moves. */
struct budget_end {
	struct board_slot *slot;	/* NULL: none */
	enum slot_state state;		/* what it becomes */
	int64_t reserve;
	uint32_t reset;			/* 1 + the board_reset that is done; 0 = none */
};
/* Does the step: all of it or, killed early, nothing. Moves of entities that are out of range are
 * skipped. With a reset, or without a slot, all moves must lie in one shard. */
void budget_commit(struct board *b, const struct budget_shards *s, const struct board_move *moves,
		   uint32_t n, const struct budget_end *end);

#endif
