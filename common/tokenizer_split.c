/* SPDX-License-Identifier: MIT
 * tokenizer_split.c - where the pieces end that are merged one by one: the alternatives of each
 * encoding's pattern, in their order, as a scanner.
 *
 * cl100k: 's and its kin | a sign and letters | up to three digits | a space and signs and line
 * ends | blanks to the end | blanks up to a line end | blanks but the last | a blank.
 * o200k: letters are split where upper follows lower, and 's and its kin stay with their word. */
#include "common/check.h"
#include "common/tokenizer.h"
#include "common/unicode_class.h"

enum { LONG_S = 0x17f };		/* which is an s where case does not matter */

/* Kinds of characters, as sets of bits. */
enum {
	K_UPPER = 1 << UNICODE_UPPER,
	K_LOWER = 1 << UNICODE_LOWER,
	K_LETTER = 1 << UNICODE_LETTER,
	K_MARK = 1 << UNICODE_MARK,
	K_NUMBER = 1 << UNICODE_NUMBER,
	K_SPACE = 1 << UNICODE_SPACE,
	K_OTHER = 1 << UNICODE_OTHER,
	K_LINE = 1 << 7,		/* \r and \n, beside K_SPACE */
	K_ANY_LETTER = K_UPPER | K_LOWER | K_LETTER,
	K_SIGN = K_OTHER | K_MARK,	/* neither blank, letter nor number */
	K_BEGIN = K_UPPER | K_LETTER | K_MARK,	/* a word of o200k: some of these, */
	K_END = K_LOWER | K_LETTER | K_MARK	/* then some of these */
};

/* 0: K_OTHER. */
static const uint8_t ascii[128] = {
	['\t'] = K_SPACE,	  ['\n'] = K_SPACE | K_LINE, ['\v'] = K_SPACE,
	['\f'] = K_SPACE,	  ['\r'] = K_SPACE | K_LINE, [' '] = K_SPACE,
	['0' ... '9'] = K_NUMBER, ['A' ... 'Z'] = K_UPPER,   ['a' ... 'z'] = K_LOWER,
};

struct at {				/* a character */
	unsigned kind;			/* 0: the text's end */
	size_t n;			/* its bytes */
	uint32_t code;
};

/* What is no UTF-8 is a sign of one byte. */
static struct at wide_at(struct str rest)
{
	static const unsigned char first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	size_t n = str_utf8_len(rest);
	uint32_t c = n ? (unsigned char)rest.p[0] & first[n] : 0;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)rest.p[i] & 0x3f);
	return n ? (struct at){ 1u << unicode_class(c), n, c } : (struct at){ K_OTHER, 1, 0xfffd };
}

static struct at look(struct str s, size_t at)
{
	if (at >= s.n)
		return (struct at){ 0 };
	unsigned char c = (unsigned char)s.p[at];
	if (c < 0x80)
		return (struct at){ ascii[c] ? ascii[c] : K_OTHER, 1, c };
	return wide_at(str_skip(s, at));
}

/* Behind all characters of these kinds from `at` on, at most `most` of them. */
static size_t run(struct str s, size_t at, unsigned kinds, size_t most)
{
	struct at c;
	while (most-- && (c = look(s, at)).kind & kinds)
		at += c.n;
	return at;
}

/* 's 't 'm 'd 're 've 'll at `at`: behind it; else `at`. */
static size_t contraction(struct str s, size_t at)
{
	static const char *const two[] = { "re", "ve", "ll" };
	struct at c = look(s, at + 1);
	if (at >= s.n || s.p[at] != '\'' || !c.kind)
		return at;
	uint32_t low = c.code | 0x20;
	bool is_one = low == 's' || low == 't' || low == 'm' || low == 'd';
	if (c.code == LONG_S || (c.n == 1 && is_one))
		return at + 1 + c.n;
	for (size_t i = 0; i < COUNT(two); i++)
		if (at + 2 < s.n && low == (uint32_t)two[i][0] &&
		    ((unsigned char)s.p[at + 2] | 0x20) == two[i][1])
			return at + 3;
	return at;
}

/* ---- blanks ---- */

static size_t blanks(struct str s, bool takes_end)
{
	size_t end = 0, line = 0, last = 0;
	struct at c;
	while ((c = look(s, end)).kind & K_SPACE) {
		last = end;
		end += c.n;
		if (c.kind & K_LINE)
			line = end;
	}
	if (takes_end && end == s.n)
		return end;
	if (line)
		return line;
	/* A blank before a word is the word's. */
	return end == s.n || last == 0 ? end : last;
}

static size_t signs(struct str s, unsigned behind, bool with_slash)
{
	size_t at = s.p[0] == ' ' ? 1 : 0, end = run(s, at, K_SIGN, SIZE_MAX);
	if (end == at)
		return 0;
	while (end < s.n && (look(s, end).kind & behind || (with_slash && s.p[end] == '/')))
		end++;
	return end;
}

/* ---- words ---- */

/* Letters, with one character before them that is neither letter, number nor line end. */
static size_t word_cl100k(struct str s)
{
	struct at c = look(s, 0);
	size_t at = c.kind & (K_ANY_LETTER | K_NUMBER | K_LINE) ? 0 : c.n;
	size_t end = run(s, at, K_ANY_LETTER, SIZE_MAX);
	return end > at ? end : 0;
}

/* Some of K_BEGIN, then at least one of K_END: those that are both go where a match needs them. */
static size_t mixed(struct str s, size_t at)
{
	size_t end = at, both = 0;
	struct at c;
	while ((c = look(s, end)).kind & K_BEGIN) {
		end += c.n;
		if (c.kind & K_END)
			both = end;
	}
	size_t more = run(s, end, K_END, SIZE_MAX);
	return more > end ? more : both;
}

static size_t upper(struct str s, size_t at)
{
	size_t end = run(s, at, K_BEGIN, SIZE_MAX);
	return end > at ? end : 0;
}

static size_t word_o200k(struct str s)
{
	struct at c = look(s, 0);
	bool may_lead = !(c.kind & (K_ANY_LETTER | K_NUMBER | K_LINE));
	size_t end = may_lead ? mixed(s, c.n) : 0;
	if (!end)
		end = mixed(s, 0);
	if (!end && may_lead)
		end = upper(s, c.n);
	if (!end)
		end = upper(s, 0);
	return end ? contraction(s, end) : 0;
}

/* ---- pieces ---- */

static size_t split_cl100k(struct str s)
{
	size_t n = contraction(s, 0);
	if (!n)
		n = word_cl100k(s);
	if (!n)
		n = run(s, 0, K_NUMBER, 3);
	if (!n)
		n = signs(s, K_LINE, false);
	return n ? n : blanks(s, true);
}

static size_t split_o200k(struct str s)
{
	size_t n = word_o200k(s);
	if (!n)
		n = run(s, 0, K_NUMBER, 3);
	if (!n)
		n = signs(s, K_LINE, true);
	return n ? n : blanks(s, false);
}

size_t tokenizer_split(enum encoding e, struct str text)
{
	size_t n = e == ENCODING_CL100K ? split_cl100k(text) : split_o200k(text);
	MUST(n > 0 && n <= text.n);
	return n;
}
