/* SPDX-License-Identifier: MIT
 * gcra.c - the arithmetic of a rate limit.
 *
 * Time for units is rounded up, so that no minute ever sees more than its limit beyond the burst.
 * The burst gets the time back that rounding takes from units that come one by one, as long as
 * that is less than one unit's worth: a limit of 7 a minute admits 7 at once. */
#include "common/gcra.h"

#define MINUTE_NS 60000000000ull

typedef unsigned __int128 wide;

static bool is_unlimited(struct gcra_limit limit)
{
	return limit.per_minute == 0 || limit.per_minute > MINUTE_NS;
}

static uint64_t saturate(wide v)
{
	return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t units_ns_down(struct gcra_limit limit, uint64_t units)
{
	return saturate((wide)units * MINUTE_NS / limit.per_minute);
}

static uint64_t units_ns_up(struct gcra_limit limit, uint64_t units)
{
	return saturate(((wide)units * MINUTE_NS + limit.per_minute - 1) / limit.per_minute);
}

static uint64_t burst_of(struct gcra_limit limit)
{
	return limit.burst ? limit.burst : limit.per_minute;
}

/* How far the word may run ahead of the time. */
static uint64_t burst_ns(struct gcra_limit limit)
{
	uint64_t burst = burst_of(limit);
	uint64_t below_one_unit = (MINUTE_NS - 1) / limit.per_minute;
	return add(units_ns_down(limit, burst), burst < below_one_unit ? burst : below_one_unit);
}

static uint64_t load(_Atomic uint64_t *tat)
{
	return atomic_load_explicit(tat, memory_order_relaxed);
}

static bool swap(_Atomic uint64_t *tat, uint64_t *old, uint64_t next)
{
	return atomic_compare_exchange_weak_explicit(tat, old, next, memory_order_relaxed,
						     memory_order_relaxed);
}

bool gcra_take(_Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns, uint64_t cost,
	       uint64_t *ret_wait_ns)
{
	if (is_unlimited(limit))
		return true;
	uint64_t need = units_ns_up(limit, cost), most = burst_ns(limit), old = load(tat);
	for (;;) {
		uint64_t ahead = old > now_ns ? old - now_ns : 0;
		if (ahead && add(ahead, need) > most) {
			*ret_wait_ns = need > most ? ahead : add(ahead, need) - most;
			return false;
		}
		if (swap(tat, &old, add(now_ns + ahead, need)))
			return true;
	}
}

void gcra_charge(_Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns, uint64_t cost)
{
	if (is_unlimited(limit))
		return;
	uint64_t need = units_ns_up(limit, cost), old = load(tat), next;
	do {
		next = add(old > now_ns ? old : now_ns, need);
	} while (!swap(tat, &old, next));
}

void gcra_refund(_Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns, uint64_t cost)
{
	if (is_unlimited(limit))
		return;
	uint64_t back = units_ns_down(limit, cost), old = load(tat), next;
	do {
		if (old <= now_ns)
			return;
		next = old - now_ns > back ? old - back : now_ns;
	} while (!swap(tat, &old, next));
}

uint64_t gcra_left(_Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns)
{
	uint64_t old = load(tat);
	if (is_unlimited(limit))
		return UINT64_MAX;
	uint64_t burst = burst_of(limit), most = burst_ns(limit);
	uint64_t ahead = old > now_ns ? old - now_ns : 0;
	if (ahead == 0)
		return burst;
	if (ahead >= most)
		return 0;
	uint64_t units = saturate((wide)(most - ahead) * limit.per_minute / MINUTE_NS);
	return units < burst ? units : burst;
}
