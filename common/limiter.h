/* SPDX-License-Identifier: MIT
 * limiter.h - how many requests at a time a deployment takes well, learned from what it does.
 *
 * A gradient on latency: while the latency of now is near the one of long, the limit grows by
 * the root of itself, which is the queue that it may have; when latency rises, the limit goes
 * down in proportion. A refusal, or no answer in time, cuts it by a fifth, at once. The words
 * stand on the board, so that all workers learn one limit. They are written without a lock: of
 * two updates at once one may be lost, and a wrong word is learned away. */
#ifndef LIMITER_H
#define LIMITER_H

#include "common/board.h"

enum {
	LIMITER_MAX = 4096,		/* above it there is no limit */
	LIMITER_BEGIN = 8		/* with fewer in flight latency makes no limit */
};

struct limiter {			/* requests in thousandths */
	uint32_t limit;			/* 0 = none yet */
	uint32_t ceiling;		/* in flight when it was refused last; 0 = forgotten */
	uint32_t long_us, short_us;	/* latency, as it mostly is and as it is now; 0 = unknown */
	uint32_t samples;
};
/* Pure. inflight counts the one that ended. us 0: its latency says nothing. */
void limiter_answer(struct limiter *l, uint32_t us, uint32_t inflight);
/* False: there is nothing to cut, for it was alone. */
bool limiter_refuse(struct limiter *l, uint32_t inflight);

/* The same on the board. Streams and whole answers have a latency each. */
enum limiter_kind { LIMITER_WHOLE, LIMITER_STREAM, LIMITER_KINDS };
void limiter_answered(const struct board *b, uint32_t row, enum limiter_kind kind, uint32_t us);
/* A refusal cuts only where the deployment has answered since the last cut (else it serves
 * nobody, and fewer at a time would not help), and where it was asked after that cut; the first
 * one of all always does. True: it has been taken into account, by this cut or by one that has
 * yet to show. */
bool limiter_refused(const struct board *b, uint32_t row, uint64_t began_ns, uint64_t now_ns);

/* How many at a time; 0: no limit is known. */
static inline uint32_t limiter_most(const struct board_deployment *d)
{
	uint32_t milli = atomic_load_explicit(&d->limit_milli, memory_order_relaxed);
	return milli && milli < 1000 ? 1 : milli / 1000;
}

#endif
