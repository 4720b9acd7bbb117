/* SPDX-License-Identifier: MIT
 * attempt.h - one try at one deployment: send, read, translate, pass on. */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "worker/exchange/exchange.h"

struct attempt;
/* 0 and an attempt under way, or a negative errno with *reterr filled (the arena's memory), and
 * *ret NULL. *ret is set before it is sent: the beginning of its answer may come while it is, and
 * exchange_claim() is called from within. races: another runs beside it, and it is sent from the
 * loop. */
int attempt_start(struct exchange *x, struct request *r, uint32_t deployment, bool races,
		  struct attempt **ret, struct llm_error *reterr) MUST_USE;
/* What would be sent, and nothing is: slices in the request's arena. */
struct attempt_description {
	const struct snap_deployment *deployment;
	struct str url, headers, body;	/* headers: "name: value\r\n", only this call's own */
};
int attempt_describe(struct request *r, uint32_t deployment, struct attempt_description *ret,
		     struct llm_error *reterr) MUST_USE;
/* Ends it without telling anybody; frees. What it has made stands in r->tally. */
void attempt_cancel(struct attempt *at);
/* The same, and the request hears nothing of it. */
void attempt_drop(struct attempt *at);
/* Whether another one runs beside it: then it waits for exchange_claim(), and what it fails with
 * goes to exchange_fell_out(). */
void attempt_race(struct attempt *at, bool races);
/* Whether its provider may be at work, or was. */
bool attempt_is_asked(const struct attempt *at);
bool attempt_is_shown(const struct attempt *at);	/* the client has something of it */
/* It has lost: it takes nothing any more, is not sent if it was not yet, and exchange_lost() is
 * called from the loop. What it has used; good until then. */
const struct llm_tally *attempt_lose(struct attempt *at);
void attempt_drained(struct attempt *at);

#endif
