/* SPDX-License-Identifier: MIT
 * buf.h - bytes that grow, and the few ways in which the mock writes to them.
 *
 * The mock is a test tool: when memory runs out it says so and ends, so nothing here fails.
 * A buffer keeps its memory when it is emptied; in the steady state nothing is allocated. */
#ifndef MOCK_BUF_H
#define MOCK_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {				/* bytes of somebody else's; .p NULL: not there */
	const char *p;
	size_t n;
};

struct buf {
	char *p;
	size_t n, room;
};

void buf_reserve(struct buf *b, size_t more);	/* b->p[b->n .. b->n + more) may be written */
void buf_done(struct buf *b);
void buf_put_u64(struct buf *b, uint64_t v);
/* Double quotes around, escapes inside; what is not UTF-8 becomes U+FFFD, a byte each. */
void buf_put_json(struct buf *b, struct span s);
void buf_put_base64(struct buf *b, struct span s);	/* with double quotes around */
void buf_fill(struct buf *b, char c, size_t n);

static inline void buf_put(struct buf *b, const char *p, size_t n)
{
	if (b->room - b->n < n)
		buf_reserve(b, n);
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void buf_put_z(struct buf *b, const char *z)
{
	buf_put(b, z, strlen(z));
}

static inline void buf_put_span(struct buf *b, struct span s)
{
	buf_put(b, s.p, s.n);
}

#define BUF_PUT_LIT(b, lit) buf_put((b), "" lit, sizeof(lit) - 1)
#define SPAN(lit) ((struct span){ "" lit, sizeof(lit) - 1 })

static inline struct span span_of(const struct buf *b)
{
	return (struct span){ b->p, b->n };
}

static inline int span_is(struct span s, const char *z)
{
	size_t n = strlen(z);
	return s.n == n && memcmp(s.p, z, n) == 0;
}

#endif
