/* SPDX-License-Identifier: MIT
 * buf.c - see buf.h. */
#include "tests/mock/buf.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void buf_reserve(struct buf *b, size_t more)
{
	if (b->room - b->n >= more)
		return;
	size_t room = b->room ? b->room : 1024;
	while (room - b->n < more)
		room *= 2;
	char *p = realloc(b->p, room);
	if (!p) {
		fprintf(stderr, "llmgw-mock: out of memory (%zu bytes)\n", room);
		abort();
	}
	b->p = p;
	b->room = room;
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof digits;
	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_put(b, digits + i, sizeof digits - i);
}

void buf_fill(struct buf *b, char c, size_t n)
{
	buf_reserve(b, n);
	memset(b->p + b->n, c, n);
	b->n += n;
}

/* How many bytes the UTF-8 character at p has; 0: it is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len == 0 || len > n || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if (p[0] == 0xe0)
		return p[1] >= 0xa0 ? len : 0;
	if (p[0] == 0xed)
		return p[1] < 0xa0 ? len : 0;
	if (p[0] == 0xf0)
		return p[1] >= 0x90 ? len : 0;
	if (p[0] == 0xf4)
		return p[1] < 0x90 ? len : 0;
	return len;
}

static void put_escaped(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	switch (c) {
	case '"':
		BUF_PUT_LIT(b, "\\\"");
		break;
	case '\\':
		BUF_PUT_LIT(b, "\\\\");
		break;
	case '\n':
		BUF_PUT_LIT(b, "\\n");
		break;
	case '\r':
		BUF_PUT_LIT(b, "\\r");
		break;
	case '\t':
		BUF_PUT_LIT(b, "\\t");
		break;
	default:
		buf_put(b, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
		break;
	}
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void buf_put_json(struct buf *b, struct span s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	BUF_PUT_LIT(b, "\"");
	for (size_t i = 0; i < s.n;) {
		size_t run = i;
		while (run < s.n && is_plain(p[run]))
			run++;
		buf_put(b, s.p + i, run - i);
		i = run;
		if (i == s.n)
			break;
		size_t len = utf8_len(p + i, s.n - i);
		if (len == 0)
			BUF_PUT_LIT(b, "\\ufffd");
		else if (len == 1)
			put_escaped(b, p[i]);
		else
			buf_put(b, s.p + i, len);
		i += len ? len : 1;
	}
	BUF_PUT_LIT(b, "\"");
}

/* Three bytes make four digits. */
void buf_put_base64(struct buf *b, struct span s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	BUF_PUT_LIT(b, "\"");
	for (size_t i = 0; i < s.n; i += 3) {
		unsigned byte[3] = { 0 };
		for (size_t k = 0; k < 3 && i + k < s.n; k++)
			byte[k] = (unsigned char)s.p[i + k];
		unsigned v = byte[0] << 16 | byte[1] << 8 | byte[2];
		buf_put(b, (char[]){ digits[v >> 18], digits[v >> 12 & 63],
				       i + 1 < s.n ? digits[v >> 6 & 63] : '=',
				       i + 2 < s.n ? digits[v & 63] : '=' }, 4);
	}
	BUF_PUT_LIT(b, "\"");
}
