/* SPDX-License-Identifier: MIT
 * times.c - see times.h. */
#include "common/times.h"

enum {
	LOW_BITS = 8,			/* the first bucket has all below 2^8 us */
	PARTS_BITS = 2			/* an octave has four buckets */
};

static unsigned bucket_of(uint64_t us)
{
	unsigned high, i;
	if (us < UINT64_C(1) << LOW_BITS)
		return 0;
	high = 63 - (unsigned)__builtin_clzll(us);
	i = ((high - LOW_BITS) << PARTS_BITS) +
	    (unsigned)(us >> (high - PARTS_BITS) & ((1 << PARTS_BITS) - 1)) + 1;
	return i < TIMES_BUCKETS ? i : TIMES_BUCKETS - 1;
}

/* What is above all that the bucket has. */
static uint64_t bound_us(unsigned bucket)
{
	unsigned octave = (bucket - 1) >> PARTS_BITS, part = (bucket - 1) & ((1 << PARTS_BITS) - 1);
	if (bucket == 0)
		return UINT64_C(1) << LOW_BITS;
	return (uint64_t)((1 << PARTS_BITS) + part + 1) << (octave + LOW_BITS - PARTS_BITS);
}

static void halve(struct times *t, enum times_kind kind)
{
	for (unsigned i = 0; i < TIMES_BUCKETS; i++) {
		unsigned n = atomic_load_explicit(&t->seen[kind][i], memory_order_relaxed);
		if (n)
			atomic_store_explicit(&t->seen[kind][i], (uint16_t)(n / 2),
					      memory_order_relaxed);
	}
}

void times_add(struct times *t, enum times_kind kind, uint64_t ns)
{
	_Atomic uint16_t *word = &t->seen[kind][bucket_of(ns / 1000)];
	uint32_t n = atomic_fetch_add_explicit(&t->added[kind], 1, memory_order_relaxed) + 1;
	if (atomic_load_explicit(word, memory_order_relaxed) < UINT16_MAX)
		atomic_fetch_add_explicit(word, 1, memory_order_relaxed);
	/* One of those who come at the same time does it. */
	if (n >= TIMES_FADE && atomic_compare_exchange_strong_explicit(
				       &t->added[kind], &n, TIMES_FADE / 2, memory_order_relaxed,
				       memory_order_relaxed))
		halve(t, kind);
}

uint64_t times_quantile(const struct times *t, enum times_kind kind, uint64_t milli)
{
	uint16_t seen[TIMES_BUCKETS];
	uint64_t all = 0, below = 0;
	for (unsigned i = 0; i < TIMES_BUCKETS; i++) {
		seen[i] = atomic_load_explicit(&t->seen[kind][i], memory_order_relaxed);
		all += seen[i];
	}
	if (all < TIMES_MIN)
		return 0;
	for (unsigned i = 0; i < TIMES_BUCKETS; i++) {
		below += seen[i];
		if (below * 1000 >= all * milli)
			return bound_us(i) * 1000;
	}
	return bound_us(TIMES_BUCKETS - 1) * 1000;
}
