/* SPDX-License-Identifier: MIT
 * hold.c - see hold.h. */
#include "worker/settle/hold.h"

#include "common/fault.h"
#include "worker/known.h"
#include "worker/settle/flusher.h"
#include "worker/settle/remember.h"

static bool is_strict(const struct request *r)
{
	return snap_settings(r->snap)->ledger_strict;
}

bool hold_wants_end(const struct request *r)
{
	return is_strict(r) || remember_wants(r) || known_wants(r);
}

static void give(struct request *r)
{
	if (!r->conn)
		return;
	if (!r->is_streaming) {
		conn_reply(r->conn, r->status, buf_str(&r->final_head), buf_str(&r->final_body));
		return;
	}
	if (r->final_body.n)
		conn_reply_piece(r->conn, buf_str(&r->final_body));
	conn_reply_end(r->conn);
}

static bool is_on_disk(const struct request *r)
{
	return atomic_load_explicit(&r->w->row->journal_flushed, memory_order_acquire) >=
	       r->settled_seq;
}

static void finish(struct request *r)
{
	struct worker *w = r->w;
	if (!is_strict(r)) {
		give(r);
		(void)FAULT("spend.given");
		request_end(r);
		return;
	}
	MUST(r->settled_seq);		/* the exchange did it, before its answer was to end */
	r->is_held = true;
	r->next_held = w->held;
	w->held = r;
	flusher_tell(w->flusher);
}

static void keep(struct request *r)
{
	if (!known_keep(r, finish))
		finish(r);
}

void hold_finish(struct request *r)
{
	if (!remember_start(r, keep))
		keep(r);
}

void hold_forget(struct request *r)
{
	for (struct request **p = &r->w->held; r->is_held && *p; p = &(*p)->next_held)
		if (*p == r) {
			*p = r->next_held;
			break;
		}
}

void hold_release(struct worker *w)
{
	bool is_well = flusher_is_well(w->flusher);
	struct request **p = &w->held;
	while (*p) {
		struct request *r = *p;
		if (is_well && !is_on_disk(r)) {
			p = &r->next_held;
			continue;
		}
		*p = r->next_held;
		r->is_held = false;
		if (is_well)
			give(r);
		else			/* what would be acknowledged is not: it is broken off */
			r->outcome = OUTCOME_MONEY_DOWN;
		request_end(r);
		p = &w->held;		/* the list may have changed: begin again */
	}
	if (w->held)
		flusher_tell(w->flusher);
}
