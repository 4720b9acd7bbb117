/* SPDX-License-Identifier: MIT
 * answer.h - an answer as it is kept for a retry, and how a retry is known. Pure. */
#ifndef ANSWER_H
#define ANSWER_H

#include "common/buf.h"
#include "common/hash.h"

enum { ANSWER_KEY_MAX = 255, ANSWER_HEAD_MAX = 65536 };	/* bytes */

/* The value of an Idempotency-Key without its quotes (draft-ietf-httpapi-idempotency-key-header
 * has a quoted string; most clients send it bare). .p NULL: it is none, or too long. */
struct str answer_key(struct str header);

/* What makes two requests the same: parts, one behind the other, none taken for another. */
struct sha256 answer_digest(const struct str *parts, unsigned n);

/* The head that is kept: the status, and of the header lines those that another answer to the
 * same question would have, too. */
void answer_write_head(struct buf *out, int status, struct str lines);
/* Back. 0, or -EBADMSG. */
int answer_read_head(struct str head, int *ret_status, struct str *ret_lines) MUST_USE;

#endif
