/* SPDX-License-Identifier: MIT
 * buf.h - bytes that grow on the heap, never beyond a cap.
 *
 * Used only where data outlives a callback: bodies, output queues, rendered answers. A failed
 * append (cap or memory) leaves the buffer as it was and sets `failed`, which stays: a caller
 * may append many times and ask once. */
#ifndef BUF_H
#define BUF_H

#include "common/str.h"

struct buf {
	char *p;
	size_t n;		/* bytes in use */
	size_t room;		/* bytes allocated */
	size_t cap;		/* bytes it may ever hold */
	bool failed;
};

void buf_init(struct buf *b, size_t cap);
void buf_done(struct buf *b);			/* frees; the buffer is empty and usable again */
void buf_reset(struct buf *b);			/* empties, keeps the memory, clears `failed` */
int buf_reserve(struct buf *b, size_t more);	/* 0, -ENOMEM or -ENOBUFS (cap) */
void buf_put_slow(struct buf *b, struct str s);	/* when it has to grow, or may not */
void buf_put_z(struct buf *b, const char *z);
void buf_put_char(struct buf *b, char c);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Percent-encoded (RFC 3986): all but letters, digits and "-._~". */
void buf_put_escaped(struct buf *b, struct str s);
/* The same for a path: slashes stay, segments "." and ".." are left out. */
void buf_put_path(struct buf *b, struct str s);
void buf_drop(struct buf *b, size_t n);		/* forget the first n bytes */
const char *buf_z(struct buf *b);		/* NUL-terminated; NULL when failed */

static inline struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

/* Most appends find room: room <= cap + 1, so what is below it is below the cap. */
static inline void buf_put(struct buf *b, struct str s)
{
	if (s.n == 0 || b->failed || s.n >= b->room - b->n) {
		buf_put_slow(b, s);
		return;
	}
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

#define BUF_PUT_LIT(b, lit) buf_put((b), STR(lit))

#endif
