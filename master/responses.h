/* SPDX-License-Identifier: MIT
 * responses.h - conversations of /v1/responses, kept in the database for the workers that ask.
 *
 * A worker's calls stand in line, bounded in number. What is long comes and goes as a parcel
 * (common/parcel.h) and is read and made on the store's threads: the loop sees descriptors only.
 * A put is answered when it is durable, so that a get that begins then finds it, whoever asks. */
#ifndef RESPONSES_H
#define RESPONSES_H

#include "common/frame.h"
#include "common/link_proto.h"
#include "master/store.h"

struct responses;
struct responses_call;

struct responses_answer {
	uint64_t call;
	/* 0; -ENOENT (no such id, expired, or another owner's: the asker cannot tell), -EEXIST
	 * (put: the id is another owner's), -EFBIG, -ENOBUFS (put: no room), -EAGAIN (too many
	 * calls), or what the store says. */
	int err;
	uint32_t response_bytes, items_bytes;
	int fd;				/* a parcel of both; -1: none. Borrowed */
};
typedef void responses_answer_fn(void *data, const struct responses_answer *a);

/* The fields of a LINK_KEEP. */
struct keep_fields {
	uint64_t call, owner;
	enum link_keep what;
	struct str id;			/* of plain characters; good while the frame is */
	uint32_t response_bytes, items_bytes;
};
/* fd: what came along, -1: none; it must be a parcel of both texts where `what` is `put`, and
 * nothing else. 0 or -EPROTO. */
int keep_read(struct frame_in *f, int fd, enum link_keep put, struct keep_fields *ret) MUST_USE;

struct responses_line {			/* the calls of one worker; zeros, but for answer */
	responses_answer_fn *answer;	/* NULL: the worker is gone */
	void *data;
	struct responses_call *calls;
	unsigned n;
	uint64_t bytes;			/* that are to be put */
};

/* Starts pruning, too. 0 or -ENOMEM. */
int responses_new(struct store *s, uv_loop_t *loop, struct responses **ret) MUST_USE;
/* How long one is kept, and how many bytes all together may have; 0 in either: nothing is kept. */
void responses_configure(struct responses *r, uint64_t keep_ms, uint64_t max_bytes);
/* No more calls; those under way are forgotten when the store closes, which comes next. */
void responses_stop(struct responses *r);

/* The fields of a LINK_KEEP. Takes fd (-1: none came). 0, or -EPROTO: damaged, nothing done. */
int responses_take(struct responses *r, struct responses_line *line, struct frame_in *f,
		   int fd) MUST_USE;
/* The worker is gone: what it asked for is done, and nobody told. */
void responses_cut(struct responses_line *line);

#endif
