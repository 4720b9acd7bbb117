/* SPDX-License-Identifier: MIT
 * budget.c - which steps are taken over budgets, and when they are refused; see budget.h. How a
 * step is made whole is told in budget_step.c. */
#include "common/budget.h"

#include <errno.h>

#include "common/budget_private.h"
#include "common/mem.h"

struct budget_pool {
	struct board *board;
	uint32_t worker, n_free;
	uint32_t free[BOARD_SLOTS];	/* a stack: what was used last is used next */
};

static int64_t add_clamped(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? INT64_MAX : 0;
	return sum > 0 ? sum : 0;
}

static struct board_slot *slot_at(struct board *b, uint32_t worker, uint32_t number)
{
	MUST(worker < BOARD_WORKERS && number < BOARD_SLOTS);
	return &b->slots[(size_t)worker * BOARD_SLOTS + number];
}

/* -- admission -- */

struct asked {
	int64_t reserve;
	uint32_t parallel;		/* 1 for a new request, 0 for more of the same */
};

/* Money that `l` has left once this much is settled and reserved. */
static int64_t money_left(const struct budget_level *l, int64_t settled, int64_t reserved)
{
	int64_t used = add_clamped(settled, reserved);

	return used < l->max_nano ? l->max_nano - used : 0;
}

/* Writes what the entity becomes to *m, or says why it may not. */
static enum budget_verdict check_level(const struct budget_level *l, const struct board_entity *e,
				       struct asked q, struct board_move *m, int64_t *ret_left)
{
	int64_t settled = atomic_load_explicit(&e->settled, memory_order_relaxed);
	int64_t reserved = atomic_load_explicit(&e->reserved, memory_order_relaxed);
	uint32_t parallel = atomic_load_explicit(&e->parallel, memory_order_relaxed);

	if (l->max_nano >= 0) {
		*ret_left = money_left(l, settled, reserved);
		if (q.reserve > *ret_left || settled >= l->max_nano)
			return BUDGET_SPENT;
	}
	if (q.parallel && l->max_parallel && parallel >= l->max_parallel) {
		*ret_left = 0;
		return BUDGET_PARALLEL;
	}
	*m = (struct board_move){ .entity = l->entity, .settled = settled,
				  .reserved = add_clamped(reserved, q.reserve),
				  .parallel = parallel + q.parallel };
	return BUDGET_OK;
}

/* Fills the moves; *ret_level is the level that refused. */
static enum budget_verdict check_levels(struct board *b, const struct budget_level *levels,
					uint32_t n, struct asked q, struct board_move *moves,
					uint32_t *ret_level, int64_t *ret_left)
{
	for (uint32_t i = 0; i < n; i++) {
		int64_t left = 0;
		enum budget_verdict v = check_level(&levels[i], &b->entities[levels[i].entity], q,
						    &moves[i], &left);

		if (v != BUDGET_OK) {
			*ret_level = i;
			*ret_left = left;
			return v;
		}
	}
	return BUDGET_OK;
}

/* The slot is still free, so nobody reads this yet. */
static void fill_slot(struct board_slot *slot, const struct budget_level *levels, uint32_t n,
		      const uint8_t request_id[16])
{
	slot->n_levels = n;
	for (uint32_t i = 0; i < n; i++)
		slot->level[i] = levels[i].entity;
	memcpy(slot->request_id, request_id, sizeof slot->request_id);
	atomic_store_explicit(&slot->running_nano, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->dispatched, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->tokens_in, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->tokens_out, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->deployment, 0, memory_order_relaxed);
	slot->endpoint = 0;
	slot->key_id = slot->start_wall_ns = 0;
	slot->team = 0;
}

static void raise_high(struct board_worker *w, uint32_t number)
{
	if (atomic_load_explicit(&w->slots_high, memory_order_relaxed) <= number)
		atomic_store_explicit(&w->slots_high, number + 1, memory_order_release);
}

static void must_be_levels(const struct budget_level *levels, uint32_t n,
			   uint32_t entities[BOARD_LEVELS])
{
	MUST(n >= 1 && n <= BOARD_LEVELS);
	for (uint32_t i = 0; i < n; i++) {
		MUST(levels[i].entity < BOARD_ENTITIES);
		entities[i] = levels[i].entity;
	}
}

int budget_admit(struct budget_pool *p, const struct budget_level *levels, uint32_t n,
		 int64_t reserve_nano, const uint8_t request_id[16], struct budget_claim *ret,
		 enum budget_verdict *ret_verdict, uint32_t *ret_level, int64_t *ret_left)
{
	struct asked q = { .reserve = reserve_nano, .parallel = 1 };
	struct board_move spare[BOARD_LEVELS], *moves;
	uint32_t entities[BOARD_LEVELS];
	struct board *b = p->board;
	struct budget_shards set;
	enum budget_verdict v;

	must_be_levels(levels, n, entities);
	MUST(reserve_nano >= 0);
	if (!p->n_free)
		return -ENOBUFS;
	uint32_t number = p->free[p->n_free - 1];
	struct board_slot *slot = slot_at(b, p->worker, number);

	budget_lock(b, entities, n, &set);
	moves = budget_moves(&set, spare);
	v = check_levels(b, levels, n, q, moves, ret_level, ret_left);
	if (v == BUDGET_OK) {
		struct budget_end end = { .slot = slot, .state = SLOT_HELD,
					  .reserve = reserve_nano };

		fill_slot(slot, levels, n, request_id);
		raise_high(&b->workers[p->worker], number);
		budget_commit(b, &set, moves, n, &end);
	}
	budget_unlock(&set);
	*ret_verdict = v;
	if (v != BUDGET_OK)
		return -EDQUOT;
	p->n_free--;
	*ret = (struct budget_claim){ .slot = slot, .worker = p->worker, .number = number,
				      .reserve_nano = reserve_nano, .n_levels = n };
	memcpy(ret->level, entities, n * sizeof entities[0]);
	return 0;
}

int budget_extend(struct budget_pool *p, struct budget_claim *c,
		  const struct budget_level *levels, uint32_t n, int64_t more_nano)
{
	struct asked q = { .reserve = more_nano };
	struct board_move spare[BOARD_LEVELS], *moves;
	uint32_t entities[BOARD_LEVELS], level;
	struct board *b = p->board;
	struct budget_shards set;
	enum budget_verdict v;
	int64_t left;

	must_be_levels(levels, n, entities);
	MUST(more_nano >= 0 && c->slot && n == c->n_levels);
	for (uint32_t i = 0; i < n; i++)
		MUST(levels[i].entity == c->level[i]);
	budget_lock(b, entities, n, &set);
	moves = budget_moves(&set, spare);
	v = check_levels(b, levels, n, q, moves, &level, &left);
	if (v == BUDGET_OK) {
		c->reserve_nano = add_clamped(c->reserve_nano, more_nano);
		struct budget_end end = { .slot = c->slot, .state = SLOT_HELD,
					  .reserve = c->reserve_nano };

		budget_commit(b, &set, moves, n, &end);
	}
	budget_unlock(&set);
	return v == BUDGET_OK ? 0 : -EDQUOT;
}

/* -- settling -- */

/* A copy of whose money a slot holds: what is on the board may change under a reader. */
struct held {
	uint32_t n, level[BOARD_LEVELS];
};

static struct held held_by(const struct board_slot *slot)
{
	struct held h;

	memcpy(h.level, slot->level, sizeof h.level);
	h.n = slot->n_levels;
	if (h.n > BOARD_LEVELS)
		h.n = 0;
	for (uint32_t i = 0; i < h.n; i++)
		if (h.level[i] >= BOARD_ENTITIES)
			h.n = 0;
	return h;
}

static void settle_level(struct board *b, struct board_move *m, uint32_t entity, int64_t reserve,
			 int64_t cost)
{
	const struct board_entity *e = &b->entities[entity];
	int64_t reserved = atomic_load_explicit(&e->reserved, memory_order_relaxed);
	uint32_t parallel = atomic_load_explicit(&e->parallel, memory_order_relaxed);

	m->entity = entity;
	m->settled = add_clamped(atomic_load_explicit(&e->settled, memory_order_relaxed), cost);
	m->reserved = reserved > reserve ? reserved - reserve : 0;
	m->parallel = parallel ? parallel - 1 : 0;
}

/* Under the locks. */
static void settle_locked(struct board *b, const struct budget_shards *set,
			  struct board_slot *slot, const struct held *h, int64_t reserve,
			  int64_t cost)
{
	struct budget_end end = { .slot = slot, .state = SLOT_FREE };
	struct board_move spare[BOARD_LEVELS], *moves = budget_moves(set, spare);

	for (uint32_t i = 0; i < h->n; i++)
		settle_level(b, &moves[i], h->level[i], reserve > 0 ? reserve : 0,
			     cost > 0 ? cost : 0);
	budget_commit(b, set, moves, h->n, &end);
}

/* The same of a slot that somebody else held, if it is held. */
static void settle_left(struct board *b, const struct budget_shards *set, struct board_slot *slot,
			const struct held *h, int64_t cost)
{
	int64_t reserve = atomic_load_explicit(&slot->reserve_nano, memory_order_relaxed);

	if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_HELD)
		return;
	if (h->n)
		settle_locked(b, set, slot, h, reserve, cost);
	else			/* damaged: it is not known whose money it was */
		atomic_store_explicit(&slot->state, SLOT_FREE, memory_order_release);
}

void budget_settle(struct budget_pool *p, struct budget_claim *c, int64_t cost_nano)
{
	struct board *b = p->board;
	struct budget_shards set;

	MUST(c->slot && c->worker == p->worker && p->n_free < BOARD_SLOTS);
	struct held h = { .n = c->n_levels };

	memcpy(h.level, c->level, sizeof h.level);
	budget_lock(b, h.level, h.n, &set);
	settle_locked(b, &set, c->slot, &h, c->reserve_nano, cost_nano);
	budget_unlock(&set);
	p->free[p->n_free++] = c->number;
	*c = (struct budget_claim){ 0 };
}

int budget_settle_slot(struct board *b, uint32_t worker, uint32_t number, int64_t cost_nano)
{
	struct board_slot *slot = slot_at(b, worker, number);
	struct held h = held_by(slot);
	struct budget_shards set;

	if (!budget_lock_in_time(b, h.level, h.n, &set))
		return -EBUSY;
	settle_left(b, &set, slot, &h, cost_nano);
	budget_unlock(&set);
	return 0;
}

/* -- the rest of the master's -- */

int budget_repair(struct board *b)
{
	int err = 0;

	for (unsigned i = 0; i < BOARD_SHARDS; i++) {
		if (budget_lock_shard_in_time(b, &b->shards[i]))
			budget_unlock_shard(&b->shards[i]);
		else
			err = -EBUSY;
	}
	return err;
}

int budget_set_settled(struct board *b, uint32_t entity, int64_t settled_nano)
{
	struct budget_shards set;

	MUST(entity < BOARD_ENTITIES);
	if (!budget_lock_in_time(b, &entity, 1, &set))
		return -EBUSY;
	atomic_store_explicit(&b->entities[entity].settled, add_clamped(settled_nano, 0),
			      memory_order_relaxed);
	budget_unlock(&set);
	return 0;
}

int budget_add_settled(struct board *b, uint32_t entity, int64_t nano)
{
	struct budget_shards set;

	MUST(entity < BOARD_ENTITIES);
	struct board_entity *e = &b->entities[entity];

	if (!budget_lock_in_time(b, &entity, 1, &set))
		return -EBUSY;
	int64_t settled = atomic_load_explicit(&e->settled, memory_order_relaxed);

	atomic_store_explicit(&e->settled, add_clamped(settled, nano), memory_order_relaxed);
	budget_unlock(&set);
	return 0;
}

static void reset_locked(struct board *b, const struct budget_shards *set, uint32_t number,
			 uint32_t entity)
{
	const struct board_reset *r = &b->head->resets[number];
	const struct board_entity *e = &b->entities[entity];
	int64_t settled = atomic_load_explicit(&e->settled, memory_order_relaxed);
	struct board_move move = {
		.entity = entity,
		.settled = add_clamped(settled, r->taken > 0 ? -r->taken : 0),
		.reserved = atomic_load_explicit(&e->reserved, memory_order_relaxed),
		.parallel = atomic_load_explicit(&e->parallel, memory_order_relaxed),
	};

	budget_commit(b, set, &move, 1, &(struct budget_end){ .reset = number + 1 });
}

int budget_reset(struct board *b, uint32_t number)
{
	MUST(number < BOARD_RESETS);
	struct board_reset *r = &b->head->resets[number];
	uint32_t entity = r->entity;
	struct budget_shards set;

	if (entity >= BOARD_ENTITIES) {	/* a stranger's word */
		atomic_store(&r->period_ns, 0);
		return 0;
	}
	if (!budget_lock_in_time(b, &entity, 1, &set))
		return -EBUSY;
	if (atomic_load_explicit(&r->period_ns, memory_order_relaxed))
		reset_locked(b, &set, number, entity);
	/* else whoever had the lock has just done it */
	budget_unlock(&set);
	return 0;
}

void budget_read(struct board *b, uint32_t entity, int64_t *ret_settled, int64_t *ret_reserved,
		 uint32_t *ret_parallel)
{
	MUST(entity < BOARD_ENTITIES);
	const struct board_entity *e = &b->entities[entity];
	struct budget_shards set;
	bool is_locked = budget_lock_in_time(b, &entity, 1, &set);

	*ret_settled = atomic_load_explicit(&e->settled, memory_order_relaxed);
	*ret_reserved = atomic_load_explicit(&e->reserved, memory_order_relaxed);
	*ret_parallel = atomic_load_explicit(&e->parallel, memory_order_relaxed);
	if (is_locked)
		budget_unlock(&set);
}

struct count {
	int64_t reserved;
	uint32_t parallel;
};

static bool holds(const struct board_slot *slot, uint32_t entity)
{
	if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_HELD)
		return false;
	for (uint32_t i = 0; i < slot->n_levels && i < BOARD_LEVELS; i++)
		if (slot->level[i] == entity)
			return true;
	return false;
}

static struct count count_held(const struct board *b, uint32_t entity)
{
	struct count c = { 0 };

	for (uint32_t w = 0; w < BOARD_WORKERS; w++) {
		const struct board_slot *slots = &b->slots[(size_t)w * BOARD_SLOTS];
		uint32_t high = atomic_load(&b->workers[w].slots_high);

		for (uint32_t i = 0; i < high && i < BOARD_SLOTS; i++) {
			if (!holds(&slots[i], entity))
				continue;
			c.reserved = add_clamped(c.reserved, atomic_load_explicit(
						&slots[i].reserve_nano, memory_order_relaxed));
			c.parallel++;
		}
	}
	return c;
}

static bool is_counted(const struct board_entity *e, struct count c)
{
	return atomic_load_explicit(&e->reserved, memory_order_relaxed) == c.reserved &&
	       atomic_load_explicit(&e->parallel, memory_order_relaxed) == c.parallel;
}

/* First without the lock, which nobody shall wait for because of this while all is well. */
bool budget_count_held(struct board *b, uint32_t entity, int64_t *ret_nano)
{
	MUST(entity < BOARD_ENTITIES);
	struct board_entity *e = &b->entities[entity];
	struct budget_shards set;

	if (is_counted(e, count_held(b, entity)) || !budget_lock_in_time(b, &entity, 1, &set))
		return false;
	struct count c = count_held(b, entity);
	bool is_wrong = !is_counted(e, c);
	int64_t was = atomic_load_explicit(&e->reserved, memory_order_relaxed);

	if (is_wrong) {
		*ret_nano = (int64_t)((uint64_t)c.reserved - (uint64_t)was);
		atomic_store_explicit(&e->reserved, c.reserved, memory_order_relaxed);
		atomic_store_explicit(&e->parallel, c.parallel, memory_order_relaxed);
	}
	budget_unlock(&set);
	return is_wrong;
}

/* Whoever was here before has left its words under the lock that is had now; whoever finds the
 * new shard finds them with it. */
int budget_set_root(struct board *b, uint32_t entity, uint32_t root)
{
	struct budget_shards set;

	MUST(entity < BOARD_ENTITIES);
	if (!budget_lock_in_time(b, &entity, 1, &set))
		return -EBUSY;
	atomic_store_explicit(&b->entities[entity].root, root, memory_order_release);
	budget_unlock(&set);
	return 0;
}

/* -- the pool -- */

static bool is_held(const struct board_slot *slot)
{
	return atomic_load_explicit(&slot->state, memory_order_acquire) == SLOT_HELD;
}

struct budget_pool *budget_pool_new(struct board *b, uint32_t worker)
{
	struct budget_pool *p = mem_alloc(sizeof *p);

	MUST(worker < BOARD_WORKERS);
	if (!p)
		return NULL;
	p->board = b;
	p->worker = worker;
	for (unsigned i = 0; i < BOARD_SHARDS; i++) {	/* a predecessor's last step, if any */
		budget_lock_shard(b, &b->shards[i]);
		budget_unlock_shard(&b->shards[i]);
	}
	uint32_t high = atomic_load_explicit(&b->workers[worker].slots_high, memory_order_acquire);

	for (uint32_t i = BOARD_SLOTS; i-- > 0;)
		if (i >= high || !is_held(slot_at(b, worker, i)))
			p->free[p->n_free++] = i;
	return p;
}

void budget_pool_free(struct budget_pool *p)
{
	mem_free(p);
}

uint32_t budget_pool_left(const struct budget_pool *p)
{
	return p->n_free;
}
