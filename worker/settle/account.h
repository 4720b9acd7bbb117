/* SPDX-License-Identifier: MIT
 * account.h - the money of one request: reserve, follow, settle. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "worker/request.h"

enum step account_reserve(struct request *r);
/* Of an attempt at d: the deployment's, that of the model asked for where d takes any, or that of
 * the path that is relayed. */
const struct price *account_price(struct request *r, const struct snap_deployment *d);
/* Before an attempt at d: the reservation covers its worst case. 0 or -EDQUOT. */
int account_cover(struct request *r, const struct snap_deployment *d) MUST_USE;
/* The same before an attempt beside the one under way: it covers both. 0 or -EDQUOT. */
int account_cover_both(struct request *r, const struct snap_deployment *d) MUST_USE;
/* An attempt that does not give the end of the answer, and is over. */
struct booked_attempt {
	struct booked_attempt *before;	/* of the same request, whose memory it is in */
	const struct snap_deployment *deployment;
	struct usage usage;
	int64_t cost_nano;
	uint64_t start_ns, end_ns;		/* wall clock */
	enum outcome outcome;			/* OK: another one was faster */
};
/* Such an attempt at d, begun at since_ns (monotonic), has cost what its tally says. */
void account_book(struct request *r, const struct snap_deployment *d, const struct llm_tally *t,
		  uint64_t since_ns, enum outcome o);
/* Bytes go to a provider. */
void account_dispatched(struct request *r, const struct snap_deployment *d);
/* What has been made so far; extends the reservation when the answer outgrows it.
 * 0, or -EDQUOT: the answer must be cut. Nothing once it is settled. */
int account_progress(struct request *r) MUST_USE;
/* The cost of what the tally says, estimating where the provider told nothing, and of what has
 * been booked. */
int64_t account_cost(struct request *r, struct usage *ret_usage);
/* It is answered with what another request has paid for: a row without a cost, no tokens. */
void account_replayed(struct request *r);
/* Of a batch that its provider works off: without usage, that this request made it; with it, what
 * it has cost. Left out where the journal has no room for it beside what it owes. */
struct account_bulk {
	const uint8_t *id;		/* 16 bytes: worker/bulk.h */
	const struct snap_deployment *deployment;
	const struct usage *usage;	/* or NULL */
	struct str model;
	int64_t cost_nano;
	bool is_unpriced;
};
void account_bulk(struct request *r, const struct account_bulk *b);
/* What was asked for: enum journal_call. */
uint8_t account_call(const struct request *r);
/* At the end of a request that passed account_reserve(), before the client can see that end; what
 * comes later changes nothing. */
void account_settle(struct request *r);

#endif
