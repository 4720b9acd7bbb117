/* SPDX-License-Identifier: MIT
 * rate.c - see rate.h. A minute's word: when it began, in hundredths of a second of the monotonic
 * clock (34 bits are five years), and 30 bits of what came in it. */
#include "common/rate.h"

#include "common/clock.h"

enum { COUNT_BITS = 30 };
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define TICK_NS UINT64_C(10000000)
#define MINUTE_TICKS (60 * NS_PER_S / TICK_NS)
#define LATE_TICKS (60 * MINUTE_TICKS)	/* nobody is: what is further ahead is none of ours */
_Static_assert(RATE_UNLIMITED == COUNT_MASK + 1, "what is counted has room");

static bool is_unlimited(struct gcra_limit limit)
{
	return limit.per_minute == 0 || limit.per_minute >= RATE_UNLIMITED;
}

static uint64_t load(_Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static bool swap(_Atomic uint64_t *word, uint64_t *old, uint64_t next)
{
	return atomic_compare_exchange_weak_explicit(word, old, next, memory_order_relaxed,
						     memory_order_relaxed);
}

/* The minute that runs now as the word of it, with nothing in it where it is a new one. Who looked
 * at the clock before another began it, and is late, is in it, too. */
static uint64_t minute_now(uint64_t word, uint64_t now_ns)
{
	uint64_t now = now_ns / TICK_NS, begin = word >> COUNT_BITS;
	bool runs = now >= begin ? now - begin < MINUTE_TICKS : begin - now < LATE_TICKS;
	return runs && word & COUNT_MASK ? word : now << COUNT_BITS;
}

static uint64_t plus(uint64_t word, uint64_t cost)
{
	uint64_t room = COUNT_MASK - (word & COUNT_MASK);
	return word + (cost < room ? cost : room);
}

bool rate_take(_Atomic uint64_t *word, struct gcra_limit limit, uint64_t now_ns, uint64_t cost,
	       uint64_t *ret_wait_ns)
{
	if (limit.burst)
		return gcra_take(word, limit, now_ns, cost, ret_wait_ns);
	if (is_unlimited(limit))
		return true;
	uint64_t old = load(word), now, used;
	do {
		now = minute_now(old, now_ns);
		used = now & COUNT_MASK;
		if (used && (used > limit.per_minute || cost > limit.per_minute - used)) {
			uint64_t end_ns = ((now >> COUNT_BITS) + MINUTE_TICKS) * TICK_NS;
			*ret_wait_ns = end_ns - now_ns;
			return false;
		}
	} while (!swap(word, &old, plus(now, cost)));
	return true;
}

void rate_charge(_Atomic uint64_t *word, struct gcra_limit limit, uint64_t now_ns, uint64_t cost)
{
	if (limit.burst)
		gcra_charge(word, limit, now_ns, cost);
	if (limit.burst || is_unlimited(limit))
		return;
	uint64_t old = load(word);
	while (!swap(word, &old, plus(minute_now(old, now_ns), cost)))
		;
}

void rate_refund(_Atomic uint64_t *word, struct gcra_limit limit, uint64_t taken_ns,
		 uint64_t now_ns, uint64_t cost)
{
	if (limit.burst)
		gcra_refund(word, limit, now_ns, cost);
	if (limit.burst || is_unlimited(limit))
		return;
	uint64_t old = load(word), now, used;
	do {
		now = minute_now(old, now_ns);
		used = now & COUNT_MASK;
		if (!used || taken_ns / TICK_NS < now >> COUNT_BITS)
			return;
	} while (!swap(word, &old, now - (cost < used ? cost : used)));
}

uint64_t rate_left(_Atomic uint64_t *word, struct gcra_limit limit, uint64_t now_ns)
{
	if (limit.burst)
		return gcra_left(word, limit, now_ns);
	if (is_unlimited(limit))
		return UINT64_MAX;
	uint64_t used = minute_now(load(word), now_ns) & COUNT_MASK;
	return used < limit.per_minute ? limit.per_minute - used : 0;
}

bool rate_is_over(_Atomic uint64_t *word, uint64_t now_ns)
{
	return !(minute_now(load(word), now_ns) & COUNT_MASK);
}
