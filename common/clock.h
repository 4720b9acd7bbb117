/* SPDX-License-Identifier: MIT
 * clock.h - one place that knows the time, so that tests can set it. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

uint64_t clock_ns(void);	/* CLOCK_MONOTONIC: the same in all processes since boot */
/* The same as of the kernel's last tick, up to 10 ms ago, for a fifth of the price: for deadlines
 * and counts of seconds. It may lie before what clock_ns() has said already. */
uint64_t clock_coarse_ns(void);
uint64_t clock_wall_ns(void);	/* CLOCK_REALTIME: for periods, logs and records only */

/* Tests: both clocks stand still at these values; 0, 0 lets them run again. */
void clock_set(uint64_t mono_ns, uint64_t wall_ns);

/* "2026-02-03T04:05:06.789Z" into at least 25 bytes. Returns text. */
char *clock_rfc3339(char text[25], uint64_t wall_ns);

#endif
