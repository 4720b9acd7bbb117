/* SPDX-License-Identifier: MIT
 * trace.h - the trace of a request that is told of afterwards: its ids and its attempts.
 *
 * It is there only where a callback is configured and the request has come to an attempt; all
 * others have a NULL in its place, which is all that they pay. */
#ifndef TRACE_H
#define TRACE_H

#include "common/record.h"
#include "common/snapshot.h"
#include "worker/llm.h"

struct request;

struct trace {
	uint8_t id[16], span[8], parent[8];
	bool is_sampled, has_parent;
	struct str skip;		/* x-litellm-disable-callbacks */
	unsigned n_attempts;
	struct record_attempt attempts[RECORD_ATTEMPTS];
};

/* Ids of their own, or as a traceparent header says; whether it is sampled. */
void trace_init(struct trace *t, const struct request *r);
/* Gives the request its trace, in its arena; without memory it goes on without one. */
void trace_begin(struct request *r);
/* An attempt begins at that deployment. */
void trace_attempt(struct request *r, const struct snap_deployment *d);
/* The newest one there that runs is over. e NULL: it answered. */
void trace_attempt_end(struct request *r, const struct snap_deployment *d,
		       const struct llm_error *e, unsigned flags);
/* "traceparent: ..." for the newest attempt at that deployment, where that is wanted. */
void trace_put_header(const struct request *r, const struct snap_deployment *d, struct buf *out);

/* W3C's header, strictly. False: it is none, and nothing is changed. */
bool trace_read_parent(struct str s, uint8_t id[16], uint8_t span[8], bool *ret_sampled);

#endif
