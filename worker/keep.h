/* SPDX-License-Identifier: MIT
 * keep.h - conversations of /v1/responses, and answers to requests with an Idempotency-Key: the
 * master keeps them, a worker asks over the link.
 *
 * A request has one call at a time. Calls are bounded in number, bytes and time; one that cannot
 * be made or is not answered in time has failed, and the answer that comes later finds nobody. */
#ifndef KEEP_H
#define KEEP_H

#include "common/frame.h"
#include "common/link_proto.h"

struct request;
struct worker;

struct kept {
	struct str response, items;	/* JSON; good until the callback returns */
};
/* err: 0, or as in master/responses.h and answers.h; -EPIPE: the master is away, -ETIMEDOUT: it
 * is slow. */
typedef void keep_done_fn(struct request *r, int err, const struct kept *kept);

/* put: what is to be kept, else NULL. 0: done() will be called, once, after this has returned,
 * unless the request ends before. Else -errno, and it will not. */
int keep_call(struct request *r, enum link_keep what, struct str id, const struct kept *put,
	      keep_done_fn *done) MUST_USE;
/* The same on nobody's behalf: no answer is waited for. 0 or -errno. */
int keep_post(struct worker *w, enum link_keep what, uint64_t owner, struct str id,
	      const struct kept *put) MUST_USE;
/* The request ends: nobody waits any more. What is under way is done all the same. */
void keep_forget(struct request *r);

/* The link's: LINK_KEPT has come (takes fd, -1: none); the master is gone; the loop ends. */
void keep_answer(struct worker *w, struct frame_in *f, int fd);
void keep_fail_all(struct worker *w);

#endif
