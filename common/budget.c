/* SPDX-License-Identifier: MIT
 * budget.c - steps over several budgets that are whole whoever is killed when; see budget.h.
 *
 * A step under the lock: (1) new values are written to the shard's moves, (2) `pending` is set,
 * (3) they are applied, (4) `pending` is cleared. Killed before (2) nothing has happened;
 * from (2) on the next one who gets the lock does (3) and (4) again. Values are absolute, so
 * once more does no harm. The kernel hands the lock of the dead on, which orders memory too;
 * against the compiler stand the fences. */
#include "common/budget.h"

#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "common/fault.h"
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

/* -- the lock and the redo record -- */

static void apply_move(struct board *b, const struct board_move *m)
{
	struct board_entity *e = &b->entities[m->entity];

	atomic_store_explicit(&e->settled, m->settled, memory_order_relaxed);
	atomic_store_explicit(&e->reserved, m->reserved, memory_order_relaxed);
	atomic_store_explicit(&e->parallel, m->parallel, memory_order_relaxed);
}

/* Checks places: the record may be a stranger's. */
static void apply(struct board *b, const struct board_shard *s, uint32_t n)
{
	for (uint32_t i = 0; i < n && i < BOARD_LEVELS; i++)
		if (s->moves[i].entity < BOARD_ENTITIES)
			apply_move(b, &s->moves[i]);
	(void)FAULT("budget.half");
	if (s->slot < (uint64_t)BOARD_WORKERS * BOARD_SLOTS) {
		struct board_slot *slot = &b->slots[s->slot];

		atomic_store_explicit(&slot->reserve_nano, s->slot_reserve, memory_order_relaxed);
		atomic_store_explicit(&slot->state, s->slot_state, memory_order_release);
	}
	if (s->reset && s->reset <= BOARD_RESETS)
		atomic_store_explicit(&b->head->resets[s->reset - 1].period_ns, 0,
				      memory_order_release);
}

static void commit(struct board *b, struct board_shard *s, uint32_t n)
{
	(void)FAULT("budget.unrecorded");
	atomic_store_explicit(&s->pending, n, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
	(void)FAULT("budget.recorded");
	apply(b, s, n);
	(void)FAULT("budget.applied");
	atomic_store_explicit(&s->pending, 0, memory_order_release);
}

static void repair(struct board *b, struct board_shard *s)
{
	uint32_t n = atomic_load_explicit(&s->pending, memory_order_acquire);

	if (n)
		apply(b, s, n);
	atomic_store_explicit(&s->pending, 0, memory_order_release);
	atomic_fetch_add_explicit(&s->repairs, 1, memory_order_relaxed);
	pthread_mutex_consistent(&s->mutex);
}

static void lock(struct board *b, struct board_shard *s)
{
	int err = pthread_mutex_lock(&s->mutex);

	if (err == EOWNERDEAD)
		repair(b, s);
	else
		MUST(!err);
}

/* For the master, which may neither wait for ever nor fail a MUST on what is on the board. */
static bool lock_in_time(struct board *b, struct board_shard *s)
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

static void unlock(struct board_shard *s)
{
	pthread_mutex_unlock(&s->mutex);
}

static struct board_shard *shard_of(struct board *b, uint32_t entity)
{
	uint32_t root = atomic_load_explicit(&b->entities[entity].root, memory_order_relaxed);

	return &b->shards[(root ? root - 1 : entity) % BOARD_SHARDS];
}

/* The entity may have got another root while this waited: its shard is what it is under lock. */
static struct board_shard *lock_of(struct board *b, uint32_t entity)
{
	for (;;) {
		struct board_shard *s = shard_of(b, entity);

		lock(b, s);
		if (shard_of(b, entity) == s)
			return s;
		unlock(s);
	}
}

/* The same for the master, which alone gives roots. NULL: not to be had. */
static struct board_shard *lock_of_in_time(struct board *b, uint32_t entity)
{
	struct board_shard *s = shard_of(b, entity);

	return lock_in_time(b, s) ? s : NULL;
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

static bool are_of(struct board *b, const struct board_shard *s, const struct budget_level *levels,
		   uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (shard_of(b, levels[i].entity) != s)
			return false;
	return true;
}

/* Fills the shard's moves; *ret_level is the level that refused. */
static enum budget_verdict check_levels(struct board *b, struct board_shard *s,
					const struct budget_level *levels, uint32_t n,
					struct asked q, uint32_t *ret_level, int64_t *ret_left)
{
	for (uint32_t i = 0; i < n; i++) {
		int64_t left = 0;
		enum budget_verdict v = check_level(&levels[i], &b->entities[levels[i].entity], q,
						    &s->moves[i], &left);
		if (v != BUDGET_OK) {
			*ret_level = i;
			*ret_left = left;
			return v;
		}
	}
	return BUDGET_OK;
}

static void record_slot(struct board *b, struct board_shard *s, const struct board_slot *slot,
			enum slot_state state, int64_t reserve)
{
	s->slot = (uint64_t)(slot - b->slots);
	s->slot_state = state;
	s->slot_reserve = reserve;
	s->reset = 0;
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

static void must_be_levels(const struct budget_level *levels, uint32_t n)
{
	MUST(n >= 1 && n <= BOARD_LEVELS);
	for (uint32_t i = 0; i < n; i++)
		MUST(levels[i].entity < BOARD_ENTITIES);
}

int budget_admit(struct budget_pool *p, const struct budget_level *levels, uint32_t n,
		 int64_t reserve_nano, const uint8_t request_id[16], struct budget_claim *ret,
		 enum budget_verdict *ret_verdict, uint32_t *ret_level, int64_t *ret_left)
{
	struct asked q = { .reserve = reserve_nano, .parallel = 1 };
	struct board *b = p->board;
	enum budget_verdict v;

	must_be_levels(levels, n);
	MUST(reserve_nano >= 0);
	if (!p->n_free)
		return -ENOBUFS;
	uint32_t number = p->free[p->n_free - 1];
	struct board_slot *slot = slot_at(b, p->worker, number);
	struct board_shard *s = lock_of(b, levels[n - 1].entity);

	if (!are_of(b, s, levels, n)) {
		unlock(s);
		return -ESTALE;
	}
	v = check_levels(b, s, levels, n, q, ret_level, ret_left);
	if (v == BUDGET_OK) {
		fill_slot(slot, levels, n, request_id);
		raise_high(&b->workers[p->worker], number);
		record_slot(b, s, slot, SLOT_HELD, reserve_nano);
		commit(b, s, n);
	}
	unlock(s);
	*ret_verdict = v;
	if (v != BUDGET_OK)
		return -EDQUOT;
	p->n_free--;
	*ret = (struct budget_claim){ .slot = slot, .worker = p->worker, .number = number };
	return 0;
}

int budget_extend(struct budget_pool *p, struct budget_claim *c,
		  const struct budget_level *levels, uint32_t n, int64_t more_nano)
{
	struct asked q = { .reserve = more_nano };
	struct board *b = p->board;
	struct board_shard *s;
	enum budget_verdict v;
	uint32_t level;
	int64_t left;

	must_be_levels(levels, n);
	MUST(more_nano >= 0 && c->slot && n == c->slot->n_levels);
	for (uint32_t i = 0; i < n; i++)
		MUST(levels[i].entity == c->slot->level[i]);
	s = lock_of(b, levels[n - 1].entity);
	v = check_levels(b, s, levels, n, q, &level, &left);
	if (v == BUDGET_OK) {
		int64_t had = atomic_load_explicit(&c->slot->reserve_nano, memory_order_relaxed);

		record_slot(b, s, c->slot, SLOT_HELD, add_clamped(had, more_nano));
		commit(b, s, n);
	}
	unlock(s);
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
	if (h.n < 1 || h.n > BOARD_LEVELS || h.level[h.n - 1] >= BOARD_ENTITIES)
		h.n = 0;
	return h;
}

/* A slot that is damaged has no entity; any shard will do. */
static uint32_t root_of_held(const struct held *h)
{
	return h->n ? h->level[h->n - 1] : 0;
}

/* What the entity becomes; a place out of range is left for apply() to skip. */
static void settle_level(struct board *b, struct board_move *m, uint32_t entity, int64_t reserve,
			 int64_t cost)
{
	const struct board_entity *e;

	m->entity = entity;
	if (entity >= BOARD_ENTITIES)
		return;
	e = &b->entities[entity];
	int64_t reserved = atomic_load_explicit(&e->reserved, memory_order_relaxed);
	uint32_t parallel = atomic_load_explicit(&e->parallel, memory_order_relaxed);

	m->settled = add_clamped(atomic_load_explicit(&e->settled, memory_order_relaxed), cost);
	m->reserved = reserved > reserve ? reserved - reserve : 0;
	m->parallel = parallel ? parallel - 1 : 0;
}

/* Under the lock. false: the slot is not held. */
static bool settle_locked(struct board *b, struct board_shard *s, struct board_slot *slot,
			  const struct held *h, int64_t cost)
{
	int64_t reserve = atomic_load_explicit(&slot->reserve_nano, memory_order_relaxed);

	if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_HELD)
		return false;
	for (uint32_t i = 0; i < h->n; i++)
		settle_level(b, &s->moves[i], h->level[i], reserve > 0 ? reserve : 0,
			     cost > 0 ? cost : 0);
	record_slot(b, s, slot, SLOT_FREE, 0);
	if (h->n)
		commit(b, s, h->n);
	else			/* damaged: it is not known whose money it was */
		apply(b, s, 0);
	return true;
}

void budget_settle(struct budget_pool *p, struct budget_claim *c, int64_t cost_nano)
{
	struct board *b = p->board;

	MUST(c->slot && c->worker == p->worker && p->n_free < BOARD_SLOTS);
	struct held h = held_by(c->slot);

	MUST(h.n);
	struct board_shard *s = lock_of(b, root_of_held(&h));
	bool was_held = settle_locked(b, s, c->slot, &h, cost_nano);
	unlock(s);
	MUST(was_held);
	p->free[p->n_free++] = c->number;
	*c = (struct budget_claim){ 0 };
}

int budget_settle_slot(struct board *b, uint32_t worker, uint32_t number, int64_t cost_nano)
{
	struct board_slot *slot = slot_at(b, worker, number);
	struct held h = held_by(slot);
	struct board_shard *s = lock_of_in_time(b, root_of_held(&h));

	if (!s)
		return -EBUSY;
	settle_locked(b, s, slot, &h, cost_nano);
	unlock(s);
	return 0;
}

/* -- the rest of the master's -- */

int budget_repair(struct board *b)
{
	int err = 0;

	for (unsigned i = 0; i < BOARD_SHARDS; i++) {
		if (lock_in_time(b, &b->shards[i]))
			unlock(&b->shards[i]);
		else
			err = -EBUSY;
	}
	return err;
}

int budget_set_settled(struct board *b, uint32_t entity, int64_t settled_nano)
{
	MUST(entity < BOARD_ENTITIES);
	struct board_shard *s = lock_of_in_time(b, entity);

	if (!s)
		return -EBUSY;
	atomic_store_explicit(&b->entities[entity].settled, add_clamped(settled_nano, 0),
			      memory_order_relaxed);
	unlock(s);
	return 0;
}

int budget_add_settled(struct board *b, uint32_t entity, int64_t nano)
{
	MUST(entity < BOARD_ENTITIES);
	struct board_entity *e = &b->entities[entity];
	struct board_shard *s = lock_of_in_time(b, entity);

	if (!s)
		return -EBUSY;
	int64_t settled = atomic_load_explicit(&e->settled, memory_order_relaxed);

	atomic_store_explicit(&e->settled, add_clamped(settled, nano), memory_order_relaxed);
	unlock(s);
	return 0;
}

static void reset_locked(struct board *b, struct board_shard *s, uint32_t number)
{
	const struct board_reset *r = &b->head->resets[number];
	const struct board_entity *e = &b->entities[r->entity];
	int64_t settled = atomic_load_explicit(&e->settled, memory_order_relaxed);

	s->moves[0] = (struct board_move){
		.entity = r->entity,
		.settled = add_clamped(settled, r->taken > 0 ? -r->taken : 0),
		.reserved = atomic_load_explicit(&e->reserved, memory_order_relaxed),
		.parallel = atomic_load_explicit(&e->parallel, memory_order_relaxed),
	};
	s->slot = UINT64_MAX;		/* none */
	s->reset = number + 1;
	commit(b, s, 1);
}

int budget_reset(struct board *b, uint32_t number)
{
	MUST(number < BOARD_RESETS);
	struct board_reset *r = &b->head->resets[number];

	if (r->entity >= BOARD_ENTITIES) {	/* a stranger's word */
		atomic_store(&r->period_ns, 0);
		return 0;
	}
	struct board_shard *s = lock_of_in_time(b, r->entity);

	if (!s)
		return -EBUSY;
	if (atomic_load_explicit(&r->period_ns, memory_order_relaxed))
		reset_locked(b, s, number);	/* else whoever had the lock has just done it */
	unlock(s);
	return 0;
}

void budget_read(struct board *b, uint32_t entity, int64_t *ret_settled, int64_t *ret_reserved,
		 uint32_t *ret_parallel)
{
	MUST(entity < BOARD_ENTITIES);
	const struct board_entity *e = &b->entities[entity];
	struct board_shard *s = lock_of_in_time(b, entity);

	*ret_settled = atomic_load_explicit(&e->settled, memory_order_relaxed);
	*ret_reserved = atomic_load_explicit(&e->reserved, memory_order_relaxed);
	*ret_parallel = atomic_load_explicit(&e->parallel, memory_order_relaxed);
	if (s)
		unlock(s);
}

static bool may_get_root(const struct board_entity *e, uint32_t root)
{
	uint32_t had = atomic_load_explicit(&e->root, memory_order_relaxed);

	/* Without a root it was alone in each slot that holds it: those settle in any shard. */
	if (!had || had == root)
		return true;
	return !atomic_load_explicit(&e->parallel, memory_order_relaxed) &&
	       !atomic_load_explicit(&e->reserved, memory_order_relaxed);
}

int budget_set_root(struct board *b, uint32_t entity, uint32_t root)
{
	MUST(entity < BOARD_ENTITIES);
	struct board_entity *e = &b->entities[entity];
	struct board_shard *s = lock_of_in_time(b, entity);

	if (!s)
		return -EBUSY;
	bool may = may_get_root(e, root);

	if (may)
		atomic_store_explicit(&e->root, root, memory_order_relaxed);
	unlock(s);
	return may ? 0 : -EAGAIN;
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
		lock(b, &b->shards[i]);
		unlock(&b->shards[i]);
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
