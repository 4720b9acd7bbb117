/* SPDX-License-Identifier: MIT
 * hist.h - how often which latency: log-linear buckets, 128 to each power of two, so that a
 * value read back is less than 0.8 % off. Adding is a few instructions. */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

enum { HIST_SUB_BITS = 7, HIST_BUCKETS = (64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS };

struct hist {
	uint64_t count, sum, max;
	uint64_t buckets[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t value);
/* The value that `part` (0 to 1) of all are not above; 0 when there are none. */
uint64_t hist_quantile(const struct hist *h, double part);
double hist_mean(const struct hist *h);

#endif
