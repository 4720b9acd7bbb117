/* SPDX-License-Identifier: MIT
 * hist.c - see hist.h. */
#include "tests/bench/hist.h"

enum { SUB = 1 << HIST_SUB_BITS };

/* Values below 2 * SUB have a bucket each; above, each power of two is cut in SUB parts. */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift = 0;
	if (value >= SUB)
		shift = 63 - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;
	return shift * SUB + (unsigned)(value >> shift);
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
	unsigned shift = bucket < 2 * SUB ? 0 : bucket / SUB - 1;
	uint64_t low = (uint64_t)(bucket - shift * SUB) << shift;
	return low + ((1ULL << shift) >> 1);
}

void hist_add(struct hist *h, uint64_t value)
{
	h->buckets[bucket_of(value)]++;
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
}

uint64_t hist_quantile(const struct hist *h, double part)
{
	uint64_t want = (uint64_t)(part * (double)h->count + 0.999999), seen = 0;
	if (want > h->count)
		want = h->count;
	for (unsigned i = 0; want && i < HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= want)
			return value_of(i) < h->max ? value_of(i) : h->max;
	}
	return 0;
}

double hist_mean(const struct hist *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}
