/* SPDX-License-Identifier: MIT
 * budget_step.c - steps that are whole whoever is killed when; see budget.h.
 *
 * In one shard: (1) new values are written to its moves, (2) `pending` is set, (3) they are
 * applied, (4) `pending` is cleared. Killed before (2) nothing has happened; from (2) on the next
 * one who gets the lock does (3) and (4) again. Values are absolute, so once more does no harm.
 *
 * In several shards (2) is done in each, with a ticket that the slot has not had, and is nothing
 * but a proposal: who finds it drops it, unless the slot's `step` is that ticket. Storing it there
 * is what makes the step happen, everywhere at once. The slot's next step can only be taken by
 * somebody who has had all these locks: its worker, the master after budget_repair(), a successor
 * after budget_pool_new(). So the ticket stands as long as somebody may have to look.
 *
 * The kernel hands the lock of the dead on, which orders memory too; against the compiler stand
 * the fences. */
#include <errno.h>
#include <time.h>

#include "common/budget_private.h"
#include "common/clock.h"
#include "common/fault.h"

/* -- applying a record -- */

static void apply_move(struct board *b, const struct board_move *m)
{
	struct board_entity *e = &b->entities[m->entity];

	atomic_store_explicit(&e->settled, m->settled, memory_order_relaxed);
	atomic_store_explicit(&e->reserved, m->reserved, memory_order_relaxed);
	atomic_store_explicit(&e->parallel, m->parallel, memory_order_relaxed);
}

/* The record may be a stranger's: NULL for a place out of range. */
static struct board_slot *slot_of(struct board *b, const struct board_shard *s)
{
	return s->slot < (uint64_t)BOARD_WORKERS * BOARD_SLOTS ? &b->slots[s->slot] : NULL;
}

static void apply(struct board *b, const struct board_shard *s, uint32_t n)
{
	struct board_slot *slot = slot_of(b, s);

	for (uint32_t i = 0; i < n && i < BOARD_LEVELS; i++)
		if (s->moves[i].entity < BOARD_ENTITIES)
			apply_move(b, &s->moves[i]);
	(void)FAULT("budget.half");
	if (slot) {
		atomic_store_explicit(&slot->reserve_nano, s->slot_reserve, memory_order_relaxed);
		atomic_store_explicit(&slot->state, s->slot_state, memory_order_release);
	}
	if (s->reset && s->reset <= BOARD_RESETS)
		atomic_store_explicit(&b->head->resets[s->reset - 1].period_ns, 0,
				      memory_order_release);
}

static bool has_happened(struct board *b, const struct board_shard *s)
{
	const struct board_slot *slot = slot_of(b, s);

	if (!s->ticket)
		return true;
	return slot && atomic_load_explicit(&slot->step, memory_order_acquire) == s->ticket;
}

static void repair(struct board *b, struct board_shard *s)
{
	uint32_t n = atomic_load_explicit(&s->pending, memory_order_acquire);

	if (n && has_happened(b, s))
		apply(b, s, n);
	atomic_store_explicit(&s->pending, 0, memory_order_release);
	atomic_fetch_add_explicit(&s->repairs, 1, memory_order_relaxed);
	pthread_mutex_consistent(&s->mutex);
}

/* -- one lock -- */

void budget_lock_shard(struct board *b, struct board_shard *s)
{
	int err = pthread_mutex_lock(&s->mutex);

	if (err == EOWNERDEAD)
		repair(b, s);
	else
		MUST(!err);
}

bool budget_lock_shard_in_time(struct board *b, struct board_shard *s)
{
	int err = pthread_mutex_trylock(&s->mutex);

	if (err == EBUSY) {
		uint64_t until = clock_ns() + BUDGET_LOCK_NS;
		struct timespec ts = { .tv_sec = (time_t)(until / NS_PER_S),
				       .tv_nsec = (long)(until % NS_PER_S) };

		err = pthread_mutex_clocklock(&s->mutex, CLOCK_MONOTONIC, &ts);
	}
	if (err == EOWNERDEAD)
		repair(b, s);
	return !err || err == EOWNERDEAD;
}

void budget_unlock_shard(struct board_shard *s)
{
	pthread_mutex_unlock(&s->mutex);
}

/* -- the locks of several entities -- */

static struct board_shard *shard_of(struct board *b, uint32_t entity)
{
	uint32_t root = atomic_load_explicit(&b->entities[entity].root, memory_order_acquire);

	return &b->shards[(root ? root - 1 : entity) % BOARD_SHARDS];
}

/* Keeps the order, in which everybody locks. */
static void add_shard(struct budget_shards *set, struct board_shard *s)
{
	uint32_t at = set->n;

	while (at && set->v[at - 1] > s)
		at--;
	if (at && set->v[at - 1] == s)
		return;
	for (uint32_t i = set->n++; i > at; i--)
		set->v[i] = set->v[i - 1];
	set->v[at] = s;
}

static void find_shards(struct board *b, const uint32_t *entities, uint32_t n,
			struct budget_shards *ret)
{
	ret->n = 0;
	for (uint32_t i = 0; i < n; i++)
		if (entities[i] < BOARD_ENTITIES)
			add_shard(ret, shard_of(b, entities[i]));
	if (!ret->n)
		ret->v[ret->n++] = &b->shards[0];
}

/* The shard of them all, as of a key and its team; NULL: there are several. */
static struct board_shard *only_shard(struct board *b, const uint32_t *entities, uint32_t n)
{
	struct board_shard *s = NULL;

	for (uint32_t i = 0; i < n; i++) {
		if (entities[i] >= BOARD_ENTITIES)
			return NULL;
		struct board_shard *one = shard_of(b, entities[i]);

		if (s && one != s)
			return NULL;
		s = one;
	}
	return s;
}

static bool is_among(const struct budget_shards *set, const struct board_shard *s)
{
	for (uint32_t i = 0; i < set->n; i++)
		if (set->v[i] == s)
			return true;
	return false;
}

/* An entity may have got another root while this waited. */
static bool are_right(struct board *b, const uint32_t *entities, uint32_t n,
		      const struct budget_shards *set)
{
	for (uint32_t i = 0; i < n; i++)
		if (entities[i] < BOARD_ENTITIES && !is_among(set, shard_of(b, entities[i])))
			return false;
	return true;
}

void budget_lock(struct board *b, const uint32_t *entities, uint32_t n, struct budget_shards *ret)
{
	struct board_shard *only = only_shard(b, entities, n);

	if (only) {
		budget_lock_shard(b, only);
		ret->n = 1;
		ret->v[0] = only;
		if (only_shard(b, entities, n) == only)
			return;
		budget_unlock_shard(only);
	}
	for (;;) {
		find_shards(b, entities, n, ret);
		for (uint32_t i = 0; i < ret->n; i++)
			budget_lock_shard(b, ret->v[i]);
		if (are_right(b, entities, n, ret))
			return;
		budget_unlock(ret);
	}
}

/* Roots are the master's to give: they stay while it is here. */
bool budget_lock_in_time(struct board *b, const uint32_t *entities, uint32_t n,
			 struct budget_shards *ret)
{
	find_shards(b, entities, n, ret);
	for (uint32_t i = 0; i < ret->n; i++) {
		if (budget_lock_shard_in_time(b, ret->v[i]))
			continue;
		ret->n = i;
		budget_unlock(ret);
		return false;
	}
	return true;
}

void budget_unlock(const struct budget_shards *s)
{
	for (uint32_t i = s->n; i-- > 0;)
		budget_unlock_shard(s->v[i]);
}

/* -- a step -- */

static void write_end(struct board *b, struct board_shard *s, const struct budget_end *end,
		      uint32_t ticket)
{
	s->slot = end->slot ? (uint64_t)(end->slot - b->slots) : UINT64_MAX;
	s->slot_state = end->state;
	s->slot_reserve = end->reserve;
	s->ticket = ticket;
	s->reset = end->reset;
}

static void set_pending(struct board_shard *s, uint32_t n)
{
	atomic_store_explicit(&s->pending, n, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
}

static void commit_in_one(struct board *b, struct board_shard *s, const struct board_move *moves,
			  uint32_t n, const struct budget_end *end)
{
	write_end(b, s, end, 0);
	if (moves != s->moves)
		memcpy(s->moves, moves, n * sizeof *moves);
	(void)FAULT("budget.unrecorded");
	set_pending(s, n);
	(void)FAULT("budget.recorded");
	apply(b, s, n);
	(void)FAULT("budget.applied");
	atomic_store_explicit(&s->pending, 0, memory_order_release);
}

/* Those of its own entities. Each shard has one at least: that is why it is locked. */
static void propose(struct board *b, struct board_shard *s, const struct board_move *moves,
		    uint32_t n, const struct budget_end *end, uint32_t ticket)
{
	uint32_t mine = 0;

	write_end(b, s, end, ticket);
	for (uint32_t i = 0; i < n; i++)
		if (moves[i].entity < BOARD_ENTITIES && shard_of(b, moves[i].entity) == s)
			s->moves[mine++] = moves[i];
	set_pending(s, mine);
}

static void commit_in_many(struct board *b, const struct budget_shards *s,
			   const struct board_move *moves, uint32_t n,
			   const struct budget_end *end)
{
	MUST(end->slot);		/* the one step without a slot moves one entity */
	uint32_t ticket = atomic_load_explicit(&end->slot->step, memory_order_relaxed) + 1;

	if (!ticket)
		ticket = 1;
	for (uint32_t i = 0; i < s->n; i++) {
		(void)FAULT("budget.unrecorded");
		propose(b, s->v[i], moves, n, end, ticket);
	}
	atomic_store_explicit(&end->slot->step, ticket, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
	(void)FAULT("budget.recorded");
	for (uint32_t i = 0; i < s->n; i++)
		apply(b, s->v[i], atomic_load_explicit(&s->v[i]->pending, memory_order_relaxed));
	(void)FAULT("budget.applied");
	for (uint32_t i = 0; i < s->n; i++)
		atomic_store_explicit(&s->v[i]->pending, 0, memory_order_release);
}

void budget_commit(struct board *b, const struct budget_shards *s, const struct board_move *moves,
		   uint32_t n, const struct budget_end *end)
{
	if (s->n == 1)
		commit_in_one(b, s->v[0], moves, n, end);
	else
		commit_in_many(b, s, moves, n, end);
}
