/* SPDX-License-Identifier: MIT
 * scan.c - see scan.h. */
#include "tests/mock/scan.h"

static void scan_space(struct scan *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

bool scan_char(struct scan *c, char want)
{
	scan_space(c);
	if (c->p == c->end || *c->p != want)
		return false;
	c->p++;
	return true;
}

char scan_peek(struct scan *c)
{
	scan_space(c);
	return c->p < c->end ? *c->p : '\0';
}

/* Between the quotes, still escaped. */
bool scan_string(struct scan *c, struct span *ret)
{
	if (!scan_char(c, '"'))
		return false;
	const char *from = c->p;
	for (;;) {
		const char *quote = memchr(c->p, '"', (size_t)(c->end - c->p));
		if (!quote)
			return false;
		const char *slash = quote;
		while (slash > from && slash[-1] == '\\')
			slash--;
		c->p = quote + 1;
		if ((quote - slash) % 2 == 0) {
			*ret = (struct span){ from, (size_t)(quote - from) };
			return true;
		}
	}
}

/* A number, true, false or null. */
bool scan_bare(struct scan *c, struct span *ret)
{
	scan_space(c);
	const char *from = c->p;
	while (c->p < c->end && !memchr(",]} \t\r\n\"[{:", *c->p, 12))
		c->p++;
	*ret = (struct span){ from, (size_t)(c->p - from) };
	return ret->n > 0;
}

bool scan_value(struct scan *c)
{
	size_t depth = 0;
	struct span s;
	do {
		char first = scan_peek(c);
		if (first == '"') {
			if (!scan_string(c, &s))
				return false;
		} else if (first == '{' || first == '[') {
			depth++;
			c->p++;
		} else if ((first == '}' || first == ']') && depth > 0) {
			depth--;
			c->p++;
		} else if ((first == ',' || first == ':') && depth > 0) {
			c->p++;
		} else if (!scan_bare(c, &s)) {
			return false;
		}
	} while (depth > 0);
	return true;
}

static unsigned hex4(const char *p)
{
	unsigned v = 0;
	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)p[i];
		v = v * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return v & 0xffff;
}

static void put_utf8(struct buf *b, unsigned v)
{
	if (v < 0x80) {
		buf_put(b, (char[]){ (char)v }, 1);
	} else if (v < 0x800) {
		buf_put(b, (char[]){ (char)(0xc0 | v >> 6), (char)(0x80 | (v & 63)) }, 2);
	} else if (v < 0x10000) {
		buf_put(b, (char[]){ (char)(0xe0 | v >> 12), (char)(0x80 | (v >> 6 & 63)),
				     (char)(0x80 | (v & 63)) }, 3);
	} else {
		buf_put(b, (char[]){ (char)(0xf0 | v >> 18), (char)(0x80 | (v >> 12 & 63)),
				     (char)(0x80 | (v >> 6 & 63)), (char)(0x80 | (v & 63)) }, 4);
	}
}

/* One escape, beginning with its backslash; returns how many bytes it has. */
static size_t put_unescaped(struct buf *b, struct span s)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	if (s.n < 2)
		return s.n;
	if (s.p[1] == 'u' && s.n >= 6) {
		unsigned v = hex4(s.p + 2);
		bool pair = (v & 0xfc00) == 0xd800 && s.n >= 12 && memcmp(s.p + 6, "\\u", 2) == 0;
		if (pair)
			v = 0x10000 + ((v - 0xd800) << 10) + ((hex4(s.p + 8) - 0xdc00) & 0x3ff);
		put_utf8(b, v);
		return pair ? 12 : 6;
	}
	const char *known = memchr(from, s.p[1], sizeof from - 1);
	buf_put(b, known ? to + (known - from) : s.p + 1, 1);
	return 2;
}

void scan_unescape(struct buf *b, struct span s)
{
	while (s.n) {
		const char *slash = memchr(s.p, '\\', s.n);
		size_t plain = slash ? (size_t)(slash - s.p) : s.n;
		buf_put(b, s.p, plain);
		s = (struct span){ s.p + plain, s.n - plain };
		if (!s.n)
			break;
		size_t used = put_unescaped(b, s);
		s = (struct span){ s.p + used, s.n - used };
	}
}

size_t scan_unit_end(struct span s, size_t at)
{
	if (at >= s.n)
		return s.n;
	size_t len = 1;
	if (s.p[at] == '\\' && at + 1 < s.n) {
		len = s.p[at + 1] == 'u' ? 6 : 2;
		if (len == 6 && s.n - at >= 12 && (hex4(s.p + at + 2) & 0xfc00) == 0xd800)
			len = 12;
	}
	while (at + len < s.n && ((unsigned char)s.p[at + len] & 0xc0) == 0x80)
		len++;
	return at + len < s.n ? at + len : s.n;
}

bool scan_key_is(struct span key, const char *name)
{
	if (!memchr(key.p, '\\', key.n))
		return span_is(key, name);
	struct buf plain = { 0 };
	scan_unescape(&plain, key);
	bool ret = span_is((struct span){ plain.p, plain.n }, name);
	buf_done(&plain);
	return ret;
}

static bool read_member(struct scan *c, const struct scan_member *known, size_t n)
{
	struct span key;
	if (!scan_string(c, &key) || !scan_char(c, ':'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (scan_key_is(key, known[i].name))
			return known[i].read(c);
	}
	return scan_value(c);
}

/* An object; anything else is skipped. */
bool scan_object(struct scan *c, const struct scan_member *known, size_t n)
{
	if (scan_peek(c) != '{')
		return scan_value(c);
	c->p++;
	if (scan_peek(c) == '}')
		return scan_char(c, '}');
	do {
		if (!read_member(c, known, n))
			return false;
	} while (scan_char(c, ','));
	return scan_char(c, '}');
}

/* Each element of an array with the same reader; anything else is skipped. */
bool scan_array(struct scan *c, scan_fn *read, size_t *ret_count)
{
	*ret_count = 0;
	if (scan_peek(c) != '[')
		return scan_value(c);
	c->p++;
	if (scan_peek(c) == ']')
		return scan_char(c, ']');
	do {
		if (!read(c))
			return false;
		++*ret_count;
	} while (scan_char(c, ','));
	return scan_char(c, ']');
}
