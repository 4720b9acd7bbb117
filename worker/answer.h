/* SPDX-License-Identifier: MIT
 * answer.h - an answer as it is kept for a retry, and how a retry is known. Pure. */
#ifndef ANSWER_H
#define ANSWER_H

#include "common/buf.h"
#include "common/cache.h"
#include "common/hash.h"

enum { ANSWER_KEY_MAX = 255, ANSWER_HEAD_MAX = 65536 };	/* bytes */

/* The value of an Idempotency-Key without its quotes (draft-ietf-httpapi-idempotency-key-header
 * has a quoted string; most clients send it bare). .p NULL: it is none, or too long. */
struct str answer_key(struct str header);

/* What makes two requests the same: parts, one behind the other, none taken for another. */
struct sha256 answer_digest(const struct str *parts, unsigned n);

struct answer_head {
	int status;
	struct str lines;		/* of the header */
	bool has_made;			/* tokens, cost and deployment of `made` are known */
	struct cache_info made;
};

/* The head that is kept: the status, what is known of its making, and of the header lines those
 * that another answer to the same question would have, too. */
void answer_write_head(struct buf *out, const struct answer_head *h);
/* Back; ret->lines stand in `head`. 0, or -EBADMSG. */
int answer_read_head(struct str head, struct answer_head *ret) MUST_USE;

#endif
