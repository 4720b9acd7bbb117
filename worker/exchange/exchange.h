/* SPDX-License-Identifier: MIT
 * exchange.h - asking: which attempt comes next, until an answer or the last error.
 *
 * An exchange belongs to a request and runs attempts one after the other; a second one may race
 * with one that takes long (hedge.c). Before the first content has gone to the client a failed
 * attempt is followed by a retry in the same group, then by the group's fallbacks; after it there
 * is an error event, unless the stream may go on with another attempt (recover.c). */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "worker/exchange/provider.h"
#include "worker/request.h"

enum step exchange_start(struct request *r);
/* The client left, or drain time is over. Nobody is called any more. */
void exchange_cancel(struct request *r);
/* The client's queue has room again. */
void exchange_drained(struct request *r);

/* Bytes of a client that has switched protocols: how many are taken. */
size_t exchange_tunnel(struct request *r, struct str bytes);

/* An attempt at d begins (1) or is over (-1): others count it against its limit. */
void exchange_count_inflight(struct request *r, const struct snap_deployment *d, int by);

/* From attempt.c; from within attempt_start() exchange_claim() alone. */
struct attempt;
/* Before the first of its answer goes to the client: of two that race it is the one. */
void exchange_claim(struct exchange *x, struct attempt *at);
/* One of two that race has failed; who calls frees it. */
void exchange_fell_out(struct exchange *x, struct attempt *at, const struct llm_error *e);
/* What attempt_lose() has said of can be dropped now. */
void exchange_lost(struct exchange *x);
/* Where what a stream says is kept, for who may have to go on with it. NULL: it is not. */
struct buf *exchange_text_room(const struct request *r);
/* What goes on with the client's stream; *ret_question is left alone, and
 * *ret_shown NULL, where none has begun. */
void exchange_continues(const struct exchange *x, const struct llm_request **ret_question,
			const struct dialect_answer **ret_shown);
/* Exactly one of these per attempt but those that lost or fell out. */
void exchange_answered(struct exchange *x); /* the client has its whole answer */
/* The same where the provider refused, and the client has been told in its words. */
void exchange_refused(struct exchange *x, enum outcome o);
void exchange_failed(struct exchange *x, const struct llm_error *e);	/* nothing of use came */
void exchange_broke(struct exchange *x, const struct llm_error *e);	/* after content went out */

#endif
