/* SPDX-License-Identifier: MIT
 * times.h - how long a deployment takes, as it has been seen to: quantiles that all workers learn
 * together.
 *
 * A histogram on the board for each of three times. Its buckets are a quarter of an octave wide,
 * so a quantile is told at most 19 % too high. When it has seen TIMES_FADE times all counts are
 * halved: what is told is of the last few hundred. Every count is one atomic word; one that is
 * lost or wrong does no harm. */
#ifndef TIMES_H
#define TIMES_H

#include <stdatomic.h>
#include <stdint.h>

enum times_kind {
	TIMES_FIRST,			/* until a stream's first token */
	TIMES_GAP,			/* the longest silence in a stream, once it has begun */
	TIMES_WHOLE,			/* of a plain answer */
	TIMES_KINDS
};
enum {
	TIMES_BUCKETS = 96,
	TIMES_FADE = 512,
	TIMES_MIN = 20			/* fewer say nothing */
};
struct times {
	_Atomic uint16_t seen[TIMES_KINDS][TIMES_BUCKETS];
	_Atomic uint32_t added[TIMES_KINDS];	/* since the last halving, and half of before */
	uint32_t pad[13];
};
_Static_assert(sizeof(struct times) == 640, "times");

void times_add(struct times *t, enum times_kind kind, uint64_t ns);
/* What milli of a thousand times were below, in nanoseconds; 0: too few have been seen. */
uint64_t times_quantile(const struct times *t, enum times_kind kind, uint64_t milli);

#endif
