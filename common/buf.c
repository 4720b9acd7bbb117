/* SPDX-License-Identifier: MIT
 * buf.c - growing bytes. One byte more than asked for is always allocated, so that buf_z()
 * never has to grow a buffer that holds something. */
#include "common/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/mem.h"

enum { ROOM_FIRST = 512 };

void buf_init(struct buf *b, size_t cap)
{
	MUST(cap > 0 && cap < SIZE_MAX / 2);
	*b = (struct buf){ .cap = cap };
}

void buf_done(struct buf *b)
{
	mem_free(b->p);
	*b = (struct buf){ .cap = b->cap };
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}

int buf_reserve(struct buf *b, size_t more)
{
	MUST(b->n <= b->cap);
	if (more > b->cap - b->n)
		return -ENOBUFS;
	size_t need = b->n + more + 1;
	if (need <= b->room)
		return 0;
	size_t room = b->room ? b->room * 2 : ROOM_FIRST;
	if (room > b->cap + 1)
		room = b->cap + 1;
	if (room < need)
		room = need;
	char *p = mem_grow(b->p, room);
	if (!p)
		return -ENOMEM;
	b->p = p;
	b->room = room;
	return 0;
}

/* Makes room for an append, or marks the buffer failed. Once failed nothing more is appended:
 * a text with a hole in it must never look whole. */
static bool make_room(struct buf *b, size_t more)
{
	if (!b->failed && buf_reserve(b, more) != 0)
		b->failed = true;
	return !b->failed;
}

void buf_put_slow(struct buf *b, struct str s)
{
	if (s.n == 0 || !make_room(b, s.n))
		return;
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

void buf_put_z(struct buf *b, const char *z)
{
	buf_put(b, str_z(z));
}

void buf_put_char(struct buf *b, char c)
{
	if (make_room(b, 1))
		b->p[b->n++] = c;
}

static void put_digits(struct buf *b, uint64_t v, bool negative)
{
	char digits[21];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	if (negative)
		digits[--at] = '-';
	buf_put(b, str_of(digits + at, sizeof digits - at));
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	put_digits(b, v, false);
}

void buf_put_i64(struct buf *b, int64_t v)
{
	put_digits(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	MUST(n >= 0);
	if (!make_room(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void buf_drop(struct buf *b, size_t n)
{
	MUST(n <= b->n);
	b->n -= n;
	if (n && b->n)
		memmove(b->p, b->p + n, b->n);
}

const char *buf_z(struct buf *b)
{
	if (!make_room(b, 0))
		return NULL;
	b->p[b->n] = '\0';
	return b->p;
}

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void buf_put_escaped(struct buf *b, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (is_unreserved(s.p[i])) {
			buf_put_char(b, s.p[i]);
			continue;
		}
		buf_put_char(b, '%');
		buf_put_char(b, digits[c >> 4]);
		buf_put_char(b, digits[c & 15]);
	}
}

void buf_put_path(struct buf *b, struct str s)
{
	bool is_first = true;
	while (s.p) {
		struct str segment = str_cut(&s, '/');
		if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
			continue;
		if (!is_first)
			buf_put_char(b, '/');
		is_first = false;
		buf_put_escaped(b, segment);
	}
}
