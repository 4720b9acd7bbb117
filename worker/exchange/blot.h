/* SPDX-License-Identifier: MIT
 * blot.h - a secret in bytes that go by, made unreadable: each of its own becomes a '*', so that a
 * length that was told stays true.
 *
 * What may be the beginning of it waits for the next bytes, or for the end. Nothing is copied but
 * where something of it is found. */
#ifndef BLOT_H
#define BLOT_H

#include "common/buf.h"

enum { BLOT_MIN = 16 };			/* bytes: a shorter secret may be a word of any text */

struct blot {
	struct str secret;		/* not owned; .n 0: nothing is looked for */
	size_t held;			/* bytes of its beginning, with which the last ones ended */
	struct buf room;
};

void blot_init(struct blot *b, struct str secret);
void blot_done(struct blot *b);
/* What may go out now: bytes of `in`, or of its own, good until the next call. False: no memory. */
bool blot_feed(struct blot *b, struct str in, struct str *ret) MUST_USE;
/* There are no more bytes: what was held back. */
struct str blot_end(struct blot *b);

#endif
