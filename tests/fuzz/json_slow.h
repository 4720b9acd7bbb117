/* SPDX-License-Identifier: MIT
 * json_slow.h - RFC 8259 once more, as plainly as it can be said, for fuzz_json.c to compare.
 *
 * Recursive descent, one function for each rule of the grammar, nothing shared with common/. Each
 * takes the place where it begins and returns the place behind it, or NULL. Depth is limited as
 * json.h says, and UTF-8 and surrogates are strict. */
#ifndef JSON_SLOW_H
#define JSON_SLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { SLOW_DEPTH_MAX = 64 };

struct slow {
	const unsigned char *end;
	int depth;
};

static const unsigned char *slow_value(struct slow *s, const unsigned char *p);

static bool slow_is(const struct slow *s, const unsigned char *p, int low, int high)
{
	return p && p < s->end && *p >= low && *p <= high;
}

static const unsigned char *slow_space(const struct slow *s, const unsigned char *p)
{
	while (p && p < s->end && (*p == 0x20 || *p == 0x09 || *p == 0x0a || *p == 0x0d))
		p++;
	return p;
}

static const unsigned char *slow_char(const struct slow *s, const unsigned char *p, int c)
{
	return slow_is(s, p, c, c) ? p + 1 : NULL;
}

static const unsigned char *slow_digits(const struct slow *s, const unsigned char *p)
{
	if (!slow_is(s, p, '0', '9'))
		return NULL;
	while (slow_is(s, p, '0', '9'))
		p++;
	return p;
}

static const unsigned char *slow_number(const struct slow *s, const unsigned char *p)
{
	if (slow_is(s, p, '-', '-'))
		p++;
	p = slow_is(s, p, '0', '0') ? p + 1 : slow_digits(s, p);
	if (slow_is(s, p, '.', '.'))
		p = slow_digits(s, p + 1);
	if (slow_is(s, p, 'e', 'e') || slow_is(s, p, 'E', 'E')) {
		p++;
		if (slow_is(s, p, '+', '+') || slow_is(s, p, '-', '-'))
			p++;
		p = slow_digits(s, p);
	}
	return p;
}

static long slow_hex(const struct slow *s, const unsigned char *p)
{
	long v = 0;
	for (int i = 0; i < 4; i++, p++) {
		if (slow_is(s, p, '0', '9'))
			v = v * 16 + *p - '0';
		else if (slow_is(s, p, 'a', 'f'))
			v = v * 16 + *p - 'a' + 10;
		else if (slow_is(s, p, 'A', 'F'))
			v = v * 16 + *p - 'A' + 10;
		else
			return -1;
	}
	return v;
}

static const unsigned char *slow_escape(const struct slow *s, const unsigned char *p)
{
	if (p >= s->end)
		return NULL;
	if (*p != 'u')
		return *p && strchr("\"\\/bfnrt", *p) ? p + 1 : NULL;
	long v = slow_hex(s, p + 1), low;
	if (v < 0 || (v >= 0xdc00 && v <= 0xdfff))
		return NULL;
	p += 5;
	if (v < 0xd800 || v > 0xdbff)
		return p;
	if (s->end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return NULL;
	low = slow_hex(s, p + 2);
	return low >= 0xdc00 && low <= 0xdfff ? p + 6 : NULL;
}

/* The table of RFC 3629, section 4, row by row. */
static const unsigned char *slow_utf8(const struct slow *s, const unsigned char *p)
{
	static const unsigned char rows[][9] = {
		{ 2, 0xc2, 0xdf, 0x80, 0xbf },
		{ 3, 0xe0, 0xe0, 0xa0, 0xbf, 0x80, 0xbf },
		{ 3, 0xe1, 0xec, 0x80, 0xbf, 0x80, 0xbf },
		{ 3, 0xed, 0xed, 0x80, 0x9f, 0x80, 0xbf },
		{ 3, 0xee, 0xef, 0x80, 0xbf, 0x80, 0xbf },
		{ 4, 0xf0, 0xf0, 0x90, 0xbf, 0x80, 0xbf, 0x80, 0xbf },
		{ 4, 0xf1, 0xf3, 0x80, 0xbf, 0x80, 0xbf, 0x80, 0xbf },
		{ 4, 0xf4, 0xf4, 0x80, 0x8f, 0x80, 0xbf, 0x80, 0xbf },
	};
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		const unsigned char *q = p;
		for (int i = 0; q && i < rows[r][0]; i++)
			q = slow_is(s, q, rows[r][1 + 2 * i], rows[r][2 + 2 * i]) ? q + 1 : NULL;
		if (q)
			return q;
	}
	return NULL;
}

static const unsigned char *slow_string(const struct slow *s, const unsigned char *p)
{
	p = slow_char(s, p, '"');
	while (p && p < s->end && *p != '"') {
		if (*p == '\\')
			p = slow_escape(s, p + 1);
		else if (*p >= 0x80)
			p = slow_utf8(s, p);
		else
			p = *p >= 0x20 ? p + 1 : NULL;
	}
	return slow_char(s, p, '"');
}

static const unsigned char *slow_word(const struct slow *s, const unsigned char *p,
				      const char *word)
{
	while (p && *word)
		p = slow_char(s, p, *word++);
	return p;
}

static const unsigned char *slow_member(struct slow *s, const unsigned char *p)
{
	p = slow_space(s, slow_string(s, slow_space(s, p)));
	return slow_value(s, slow_char(s, p, ':'));
}

static const unsigned char *slow_list(struct slow *s, const unsigned char *p, int close,
				      const unsigned char *(*item)(struct slow *s,
								   const unsigned char *p))
{
	if (++s->depth > SLOW_DEPTH_MAX)
		return NULL;
	const unsigned char *first = slow_space(s, p + 1);
	if (slow_is(s, first, close, close)) {
		s->depth--;
		return first + 1;
	}
	p = item(s, p + 1);
	while (slow_is(s, p, ',', ','))
		p = item(s, p + 1);
	s->depth--;
	return slow_char(s, p, close);
}

/* A value with the white space around it. */
static const unsigned char *slow_value(struct slow *s, const unsigned char *p)
{
	p = slow_space(s, p);
	if (!p || p >= s->end)
		return NULL;
	switch (*p) {
	case '{':
		return slow_space(s, slow_list(s, p, '}', slow_member));
	case '[':
		return slow_space(s, slow_list(s, p, ']', slow_value));
	case '"':
		return slow_space(s, slow_string(s, p));
	case 't':
		return slow_space(s, slow_word(s, p, "true"));
	case 'f':
		return slow_space(s, slow_word(s, p, "false"));
	case 'n':
		return slow_space(s, slow_word(s, p, "null"));
	default:
		return slow_space(s, slow_number(s, p));
	}
}

static bool slow_is_json(const unsigned char *p, size_t n)
{
	struct slow s = { p + n, 0 };
	return slow_value(&s, p) == s.end && n > 0;
}

#endif
