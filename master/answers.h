/* SPDX-License-Identifier: MIT
 * answers.h - answers to requests with an Idempotency-Key, and who is making one now.
 *
 * A worker claims a name before it asks anybody: it gets the answer that is kept, or the right to
 * make it, or hears that it is being made and later, by LINK_RELEASED, that this is over and it
 * may claim again. Claims stand in this process's memory and end with the worker that has them;
 * answers stand in the database. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "common/board.h"
#include "common/hash.h"
#include "master/responses.h"

struct answers;

typedef void answers_released_fn(void *data, const struct sha256 *name);

struct answers_line {			/* one worker; zeros, but for the first four */
	/* err: 0 (with texts, or without: an answer too long to be kept), -ENOENT (the claim is
	 * yours), -EINPROGRESS (somebody else's), -EEXIST (of another request), -EAGAIN (too many
	 * calls or claims), -ECANCELED (let go in the meantime), or what the store says. */
	responses_answer_fn *answer;
	answers_released_fn *released;
	void *data;
	unsigned slot;			/* below BOARD_WORKERS */
	uint64_t serial;		/* answers.c: tells it from the next one in that slot */
	unsigned n, n_claims;
	uint64_t bytes;			/* that are to be put */
};

/* Starts pruning, too. 0 or -ENOMEM. */
int answers_new(struct store *s, uv_loop_t *loop, struct answers **ret) MUST_USE;
/* How long one is kept, and how many bytes all together may have; 0 in either: nothing is kept. */
void answers_configure(struct answers *a, uint64_t keep_ms, uint64_t max_bytes);
/* No more calls; those under way are forgotten when the store closes, which comes next. */
void answers_stop(struct answers *a);

/* The fields of a LINK_KEEP that is about answers. Takes fd (-1: none came). 0, or -EPROTO:
 * damaged, nothing done. */
int answers_take(struct answers *a, struct answers_line *line, struct frame_in *f,
		 int fd) MUST_USE;
/* The worker is gone, and with it its claims. What it had put is kept. */
void answers_cut(struct answers *a, struct answers_line *line);

#endif
