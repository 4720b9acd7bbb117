/* SPDX-License-Identifier: MIT
 * suspect.h - a request's part in common/suspect.h: is it one of those that crash workers, and
 * who is at work in this turn of the loop?
 *
 * In a turn each who begins to work takes the place of the one before; at the turn's end nobody is
 * at work. Where no worker has crashed lately no request has a print: then it is made of who is
 * at work when this worker crashes, in the signal's handler. Where one has, prints are made when
 * bodies come and are left on the board, for a crash may have spoilt the request itself. */
#ifndef WORKER_SUSPECT_H
#define WORKER_SUSPECT_H

#include "worker/request.h"

/* From here on a crash of this process leaves a print. Once, before its sandbox. */
void suspect_begin(struct worker *w);

/* Its body is here, and nobody has read it: gives it its print. False: it is refused, and the
 * answer has been given. */
bool suspect_may_pass(struct request *r);

/* It works from here on. */
static inline void suspect_works(const struct request *r)
{
	r->w->at_work = r;
	if (!r->print)
		return;
	atomic_store_explicit(&r->w->row->print_key, r->key.id, memory_order_relaxed);
	atomic_store_explicit(&r->w->row->print, r->print, memory_order_relaxed);
	r->w->has_print = true;
}

/* It is over, and its memory another's. */
static inline void suspect_forget(const struct request *r)
{
	if (r->w->at_work == r)
		r->w->at_work = NULL;
}

/* The turn is over. */
static inline void suspect_rest(struct worker *w)
{
	w->at_work = NULL;
	if (!w->has_print)
		return;
	w->has_print = false;
	atomic_store_explicit(&w->row->print, 0, memory_order_relaxed);
}

#endif
