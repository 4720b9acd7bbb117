/* SPDX-License-Identifier: MIT
 * fair.c - see fair.h. Flows are few, and each choice looks at all of them. */
#include "common/fair.h"

#include <errno.h>

#include "common/mem.h"

enum { PRIORITY_SHIFT = 48 };
#define TURN_MAX ((UINT64_C(1) << PRIORITY_SHIFT) - 2)

struct fair_flow {			/* what waits of one key, in one priority */
	struct fair_flow *next, *prev;
	struct fair_entry *oldest, *newest;
	uint64_t key;
	uint32_t priority;
	unsigned n;
};

/* ---- turns ---- */

static _Atomic uint64_t *turn_of_key(const struct fair *f, uint64_t key)
{
	uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
	return &f->shared->next[h >> 56];
}

static uint64_t now_of(const struct fair *f)
{
	uint64_t now = atomic_load_explicit(&f->shared->now, memory_order_relaxed);
	return now > TURN_MAX - 2 * FAIR_AHEAD_MAX ? 0 : now;
}

static uint64_t turn(const struct fair *f, uint64_t key)
{
	uint64_t now = now_of(f);
	uint64_t next = atomic_load_explicit(turn_of_key(f, key), memory_order_relaxed);
	if (next <= now)
		return now;
	return next - now > FAIR_AHEAD_MAX ? now + FAIR_AHEAD_MAX : next;
}

uint64_t fair_turn(const struct fair *f, const struct fair_entry *e)
{
	return ((uint64_t)e->flow->priority << PRIORITY_SHIFT | turn(f, e->flow->key)) + 1;
}

/* ---- entries and flows ---- */

static struct fair_flow *find_flow(const struct fair *f, uint64_t key, uint32_t priority)
{
	struct fair_flow *flow = f->flows;
	while (flow && (flow->key != key || flow->priority != priority))
		flow = flow->next;
	return flow;
}

static struct fair_flow *make_flow(struct fair *f, uint64_t key, uint32_t priority)
{
	struct fair_flow *flow = mem_alloc(sizeof *flow);
	if (!flow)
		return NULL;
	flow->key = key;
	flow->priority = priority;
	flow->next = f->flows;
	if (flow->next)
		flow->next->prev = flow;
	f->flows = flow;
	return flow;
}

static void end_flow(struct fair *f, struct fair_flow *flow)
{
	if (flow->prev)
		flow->prev->next = flow->next;
	else
		f->flows = flow->next;
	if (flow->next)
		flow->next->prev = flow->prev;
	mem_free(flow);
}

int fair_put(struct fair *f, struct fair_entry *e, uint64_t key, uint32_t priority, bool at_front)
{
	struct fair_flow *flow;
	priority = priority > FAIR_PRIORITY_MAX ? FAIR_PRIORITY_MAX : priority;
	flow = find_flow(f, key, priority);
	if (!flow)
		flow = make_flow(f, key, priority);
	if (!flow)
		return -ENOMEM;
	e->flow = flow;
	e->round = f->round - 1;
	e->prev = at_front ? NULL : flow->newest;
	e->next = at_front ? flow->oldest : NULL;
	*(e->prev ? &e->prev->next : &flow->oldest) = e;
	*(e->next ? &e->next->prev : &flow->newest) = e;
	flow->n++;
	f->n++;
	return 0;
}

void fair_drop(struct fair *f, struct fair_entry *e)
{
	struct fair_flow *flow = e->flow;
	*(e->prev ? &e->prev->next : &flow->oldest) = e->next;
	*(e->next ? &e->next->prev : &flow->newest) = e->prev;
	e->flow = NULL;
	e->next = e->prev = NULL;
	f->n--;
	if (--flow->n == 0)
		end_flow(f, flow);
}

void fair_serve(struct fair *f, struct fair_entry *e)
{
	uint64_t at = turn(f, e->flow->key), now = now_of(f);
	atomic_store_explicit(turn_of_key(f, e->flow->key), at + 1, memory_order_relaxed);
	atomic_store_explicit(&f->shared->now, at > now ? at : now, memory_order_relaxed);
	f->served++;
	fair_drop(f, e);
}

void fair_pass(struct fair *f, struct fair_entry *e)
{
	e->round = f->round;
}

void fair_round(struct fair *f)
{
	f->round++;
}

/* ---- who is next ---- */

static bool goes_before(const struct fair *f, const struct fair_entry *a,
			const struct fair_entry *b, bool by_age)
{
	uint64_t ta = fair_turn(f, a), tb = fair_turn(f, b);
	if (!by_age && ta != tb)
		return ta < tb;
	return a->since_ns < b->since_ns;
}

struct fair_entry *fair_next(struct fair *f)
{
	bool by_age = fair_is_by_age(f);
	struct fair_entry *best = NULL;
	for (const struct fair_flow *flow = f->flows; flow; flow = flow->next) {
		struct fair_entry *e = flow->oldest;
		if (e->round != f->round && (!best || goes_before(f, e, best, by_age)))
			best = e;
	}
	return best;
}

uint64_t fair_head(const struct fair *f)
{
	uint64_t head = 0, t;
	for (const struct fair_flow *flow = f->flows; flow; flow = flow->next) {
		t = fair_turn(f, flow->oldest);
		head = head && head < t ? head : t;
	}
	return head;
}

unsigned fair_rank(const struct fair *f, uint64_t key, uint32_t priority)
{
	const struct fair_flow *own = find_flow(f, key, priority);
	unsigned mine = own ? own->n : 0, rank = mine;
	for (const struct fair_flow *flow = f->flows; flow; flow = flow->next) {
		if (flow == own || flow->priority > priority)
			continue;
		rank += flow->priority < priority || flow->n < mine + 1 ? flow->n : mine + 1;
	}
	return rank;
}

struct fair_entry *fair_worst(const struct fair *f, uint64_t key, uint32_t priority)
{
	const struct fair_flow *own = find_flow(f, key, priority), *worst = NULL;
	for (const struct fair_flow *flow = f->flows; flow; flow = flow->next)
		if (!worst || flow->priority > worst->priority ||
		    (flow->priority == worst->priority && flow->n > worst->n))
			worst = flow;
	if (!worst || worst->priority < priority)
		return NULL;
	if (worst->priority == priority && worst->n <= (own ? own->n : 0) + 1)
		return NULL;
	return worst->newest;
}
