/* SPDX-License-Identifier: MIT
 * blot.c - see blot.h. What is held back need not be kept: it is the beginning of the secret. */
#include "worker/exchange/blot.h"

void blot_init(struct blot *b, struct str secret)
{
	*b = (struct blot){ .secret = secret.n >= BLOT_MIN ? secret : STR_NONE };
}

void blot_done(struct blot *b)
{
	buf_done(&b->room);
	b->held = 0;
}

/* The longest end of `text` that is a beginning of the secret, and not all of it. */
static size_t open_end(struct str text, struct str secret)
{
	size_t n = text.n < secret.n ? text.n : secret.n - 1;
	while (n > 0 && memcmp(text.p + text.n - n, secret.p, n) != 0)
		n--;
	return n;
}

/* Puts the two together, and covers each secret in it. */
static bool cover(struct blot *b, struct str in)
{
	buf_done(&b->room);
	buf_init(&b->room, b->held + in.n);
	if (buf_reserve(&b->room, b->held + in.n) < 0)
		return false;
	buf_put(&b->room, str_of(b->secret.p, b->held));
	buf_put(&b->room, in);
	for (size_t from = 0, at;; from += at + b->secret.n) {
		at = str_find(str_skip(buf_str(&b->room), from), b->secret);
		if (at == SIZE_MAX)
			return true;
		memset(b->room.p + from + at, '*', b->secret.n);
	}
}

bool blot_feed(struct blot *b, struct str in, struct str *ret)
{
	*ret = in;
	if (!b->secret.n || !in.n)
		return true;
	if (b->held || str_find(in, b->secret) != SIZE_MAX) {
		if (!cover(b, in))
			return false;
		*ret = buf_str(&b->room);
	}
	b->held = open_end(*ret, b->secret);
	ret->n -= b->held;
	return true;
}

struct str blot_end(struct blot *b)
{
	struct str rest = str_of(b->secret.p, b->held);
	b->held = 0;
	return rest;
}
