/* SPDX-License-Identifier: MIT
 * pass.h - one try at one deployment whose bytes go both ways as they are. What attempt.h is for
 * calls that are understood; see worker/raw.h for what such a call is. */
#ifndef PASS_H
#define PASS_H

#include "worker/exchange/exchange.h"

struct pass;
/* 0 and a pass under way, or a negative errno with *reterr filled (the arena's memory). */
int pass_start(struct exchange *x, struct request *r, uint32_t deployment, struct pass **ret,
	       struct llm_error *reterr) MUST_USE;
/* Ends it without telling anybody; frees. */
void pass_cancel(struct pass *p);
bool pass_is_asked(const struct pass *p);	/* as attempt_is_asked() */
void pass_drained(struct pass *p);

/* What goes out, from pass_call.c. All of it is heap or the request's arena. */
struct pass_call {
	struct buf url;			/* base, path and query */
	struct buf body;		/* the body as it is changed; else empty */
	struct buf headers;		/* "name: value\r\n" lines of the client that go along */
	bool is_changed;		/* body counts, and not the client's own */
	struct str content_type;
};
/* 0; -EINVAL with *reterr: this deployment has no such thing; -ENOMEM. */
int pass_call_write(struct request *r, const struct snap_deployment *d, struct pass_call *ret,
		    struct llm_error *reterr) MUST_USE;
/* What says to that provider who we are: its key, or what stands in its place; .n 0: nothing that
 * could be quoted. Borrowed from the snapshot or the call. */
struct str pass_secret(const struct request *r, const struct snap_deployment *d,
		       const struct pass_call *c);
void pass_call_done(struct pass_call *c);

/* From pass_bulk.c. d has answered well, all of it with `body`: if that made a batch, or tells of
 * one, or of some, that are over, it is in the journal now. Before account_settle(). */
void pass_note_bulk(struct request *r, const struct snap_deployment *d, struct str body);

#endif
