/* SPDX-License-Identifier: MIT
 * rates.c - see rates.h. A row is taken by one compare-and-swap of its number; whoever loses looks
 * again. Should two at once judge an idle row differently, the number has two rows for so long as
 * the second of them is under way: from then on all find the first. */
#include "common/rates.h"

#include "common/check.h"
#include "common/rate.h"

enum { PLACES = 32 };			/* a number is in one of so many rows */

static struct board_entity *place(const struct board *b, uint64_t id, unsigned i)
{
	return &b->rates[(id + i) % BOARD_RATES];
}

static bool is_idle(struct board_entity *e, uint64_t now_ns, uint64_t wall_ns)
{
	uint64_t used = atomic_load_explicit(&e->last_used_ns, memory_order_relaxed);
	return wall_ns > used && wall_ns - used > RATES_IDLE_NS &&
	       rate_is_over(&e->rpm_tat, now_ns) && rate_is_over(&e->tpm_tat, now_ns);
}

static struct board_entity *find(const struct board *b, uint64_t id)
{
	for (unsigned i = 0; i < PLACES; i++)
		if (atomic_load_explicit(&place(b, id, i)->id, memory_order_acquire) == id)
			return place(b, id, i);
	return NULL;
}

/* The first that is free or idle. All who want this number look at the same rows in the same
 * order; one whose swap fails has to look for the number again. */
static bool take(const struct board *b, uint64_t id, uint64_t now_ns, uint64_t wall_ns)
{
	for (unsigned i = 0; i < PLACES; i++) {
		struct board_entity *e = place(b, id, i);
		uint64_t old = atomic_load_explicit(&e->id, memory_order_acquire);
		if (old == id)
			return true;
		if (old && !is_idle(e, now_ns, wall_ns))
			continue;
		atomic_store_explicit(&e->last_used_ns, wall_ns, memory_order_relaxed);
		atomic_compare_exchange_strong_explicit(&e->id, &old, id, memory_order_acq_rel,
							memory_order_acquire);
		return true;
	}
	return false;
}

struct board_entity *rates_find(const struct board *b, uint64_t id, uint64_t now_ns,
				uint64_t wall_ns)
{
	struct board_entity *e = NULL;
	MUST(id);
	for (unsigned n = 0; n < PLACES && !e; n++) {
		e = find(b, id);
		if (!e && !take(b, id, now_ns, wall_ns))
			break;
	}
	if (!e)
		e = place(b, id, 0);
	if (atomic_load_explicit(&e->last_used_ns, memory_order_relaxed) != wall_ns)
		atomic_store_explicit(&e->last_used_ns, wall_ns, memory_order_relaxed);
	return e;
}
