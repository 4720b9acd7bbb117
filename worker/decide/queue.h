/* SPDX-License-Identifier: MIT
 * queue.h - requests that wait for room, because every deployment of their group that could
 * answer has as many at a time as it takes.
 *
 * One queue for each group in each worker; which of all workers' requests goes first is told by
 * the board (common/fair.h). It is bounded in length and in time, and whoever would wait too long
 * is told so at once, by 503 and the time after which to try again. As long as nobody waits, all
 * of this is a test of one number. */
#ifndef QUEUE_H
#define QUEUE_H

#include "worker/request.h"

/* The stage: where others of its group wait already, a request waits behind them, before money is
 * set aside for it. */
enum step queue_stage(struct request *r);

/* From the exchange, which found everybody full: waits, and fn(data) goes on. False: it cannot
 * wait, and *reterr says why. */
typedef void queue_fn(void *data);
bool queue_join(struct request *r, queue_fn *fn, void *data, struct llm_error *reterr) MUST_USE;

void queue_forget(struct request *r);	/* it has ended, for whatever reason */
void queue_wake(struct worker *w);
/* An attempt has ended: there may be room. */
static inline void queue_room(struct worker *w)
{
	if (w->n_queued)
		queue_wake(w);
}

#endif
