/* SPDX-License-Identifier: MIT
 * str.c - slices: comparing, searching, and reading the numbers that people write. */
#include "common/str.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum {
	NUMBER_MAX = 1024,	/* a longer decimal number is refused */
	DISTANCE_MAX = 128	/* a longer text is no misspelt name */
};

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool str_eq_z(struct str a, const char *z)
{
	return str_eq(a, str_z(z));
}

bool str_eq_nocase(struct str a, struct str b)
{
	return a.n == b.n && str_starts_nocase(a, b);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
	if (s.n < prefix.n)
		return false;
	for (size_t i = 0; i < prefix.n; i++)
		if (lower(s.p[i]) != lower(prefix.p[i]))
			return false;
	return true;
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_skip(s, s.n - suffix.n), suffix);
}

struct str str_trim(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

size_t str_find(struct str s, struct str needle)
{
	if (needle.n == 0)
		return 0;
	if (s.n < needle.n)
		return SIZE_MAX;
	const char *at = memmem(s.p, s.n, needle.p, needle.n);
	return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t str_find_char(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	return at ? (size_t)(at - s.p) : SIZE_MAX;
}

struct str str_cut(struct str *s, char by)
{
	struct str all = *s;
	size_t at = str_find_char(all, by);
	if (at == SIZE_MAX) {
		*s = STR_NONE;
		return all;
	}
	*s = str_skip(all, at + 1);
	return (struct str){ all.p, at };
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;
	return r ? r : (a.n > b.n) - (a.n < b.n);
}

int str_read_u64(struct str s, uint64_t *ret)
{
	uint64_t v = 0;
	bool too_large = false;
	if (s.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_digit(s.p[i]))
			return -EINVAL;
		too_large |= __builtin_mul_overflow(v, 10u, &v);
		too_large |= __builtin_add_overflow(v, (unsigned)(s.p[i] - '0'), &v);
	}
	if (too_large)
		return -ERANGE;
	*ret = v;
	return 0;
}

int str_read_i64(struct str s, int64_t *ret)
{
	bool negative = s.n && s.p[0] == '-';
	uint64_t v;
	int r = str_read_u64(str_skip(s, negative), &v);
	if (r)
		return r;
	if (v > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

static size_t skip_digits(struct str s, size_t at)
{
	while (at < s.n && is_digit(s.p[at]))
		at++;
	return at;
}

/* number = [ "-" ] int [ "." 1*DIGIT ] [ ("e" / "E") [ "+" / "-" ] 1*DIGIT ], as in RFC 8259. */
static bool is_number(struct str s)
{
	size_t i = s.n && s.p[0] == '-', from = i;
	i = skip_digits(s, i);
	if (i == from || (i > from + 1 && s.p[from] == '0'))
		return false;
	if (i < s.n && s.p[i] == '.') {
		from = i + 1;
		i = skip_digits(s, from);
		if (i == from)
			return false;
	}
	if (i < s.n && lower(s.p[i]) == 'e') {
		from = i + 1;
		if (from < s.n && (s.p[from] == '+' || s.p[from] == '-'))
			from++;
		i = skip_digits(s, from);
		if (i == from)
			return false;
	}
	return i == s.n;
}

int str_read_double(struct str s, double *ret)
{
	char z[NUMBER_MAX + 1];
	if (!is_number(s))
		return -EINVAL;
	if (s.n > NUMBER_MAX)
		return -ERANGE;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	double v = strtod(z, NULL);
	if (!isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

static int read_unit_ms(struct str unit, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {
		{ "", 1000 },	  { "s", 1000 },     { "ms", 1 },
		{ "m", 60000 },	  { "h", 3600000 },  { "d", 86400000 },
	};
	for (size_t i = 0; i < COUNT(units); i++) {
		if (str_eq_z(unit, units[i].name)) {
			*ret = units[i].ms;
			return 0;
		}
	}
	return -EINVAL;
}

/* What ".25" of a unit is; at most nine digits count. 0, or -EINVAL without a digit. */
static int read_fraction(struct str *s, uint64_t unit, uint64_t *ret)
{
	uint64_t part = 0, scale = 1;
	size_t end = skip_digits(*s, 0);
	if (end == 0)
		return -EINVAL;
	for (size_t i = 0; i < end && i < 9; i++) {
		part = part * 10 + (unsigned)(s->p[i] - '0');
		scale *= 10;
	}
	*s = str_skip(*s, end);
	*ret = part * unit / scale;
	return 0;
}

int str_read_duration_ms(struct str s, uint64_t *ret_ms)
{
	uint64_t whole, unit, fraction = 0, ms;
	size_t end = skip_digits(s, 0), unit_at = end;
	if (end < s.n && s.p[end] == '.')
		unit_at = skip_digits(s, end + 1);
	int r = str_read_u64((struct str){ s.p, end }, &whole);
	if (r)
		return r;
	if (read_unit_ms(str_skip(s, unit_at), &unit))
		return -EINVAL;
	struct str digits = { s.p + end + 1, unit_at > end ? unit_at - end - 1 : 0 };
	if (unit_at > end && read_fraction(&digits, unit, &fraction))
		return -EINVAL;
	if (__builtin_mul_overflow(whole, unit, &ms) || __builtin_add_overflow(ms, fraction, &ms))
		return -ERANGE;
	*ret_ms = ms;
	return 0;
}

int str_read_size(struct str s, uint64_t *ret_bytes)
{
	static const char letters[] = "kmgt";
	size_t end = skip_digits(s, 0);
	struct str unit = str_skip(s, end);
	unsigned shift = 0;
	uint64_t v;
	int r = str_read_u64((struct str){ s.p, end }, &v);
	if (r)
		return r;
	for (unsigned i = 0; unit.n && letters[i]; i++)
		if (lower(unit.p[0]) == (unsigned char)letters[i])
			shift = 10 * (i + 1);
	if (shift)
		unit = str_skip(unit, 1);
	if (unit.n && !str_eq_nocase(unit, STR("b")) && !(shift && str_eq_nocase(unit, STR("ib"))))
		return -EINVAL;
	if (v > UINT64_MAX >> shift)
		return -ERANGE;
	*ret_bytes = v << shift;
	return 0;
}

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The second byte alone tells overlong forms, surrogates and what is above U+10FFFF. */
size_t str_utf8_len(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	if (s.n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || s.n < 2 || !is_tail(p[1]))
		return 0;
	if (p[0] < 0xe0)
		return 2;
	if (s.n < 3 || !is_tail(p[2]))
		return 0;
	if (p[0] < 0xf0) {
		bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f);
		return bad ? 0 : 3;
	}
	if (s.n < 4 || !is_tail(p[3]) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return 4;
}

/* How many bytes at the front are ASCII, eight at a time. */
static size_t ascii_run(const char *p, size_t n)
{
	size_t i = 0;
	uint64_t word;
	for (; i + sizeof word <= n; i += sizeof word) {
		memcpy(&word, p + i, sizeof word);
		if (word & 0x8080808080808080ull)
			break;
	}
	while (i < n && !((unsigned char)p[i] & 0x80))
		i++;
	return i;
}

bool str_is_utf8(struct str s)
{
	for (size_t i = 0; i < s.n;) {
		i += ascii_run(s.p + i, s.n - i);
		if (i == s.n)
			break;
		size_t len = str_utf8_len(str_skip(s, i));
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

bool str_is_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], low = (char)(c | 0x20);
		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-')
			return false;
	}
	return s.n > 0;
}

/* Each piece between two stars is taken where it is found first: a later place could never make
 * more of the rest match, so that nothing is ever looked at again. */
bool str_matches(struct str pattern, struct str s)
{
	struct str piece = str_cut(&pattern, '*');
	if (!pattern.p)
		return str_eq(piece, s);
	if (!str_starts(s, piece))
		return false;
	s = str_skip(s, piece.n);
	for (;;) {
		piece = str_cut(&pattern, '*');
		if (!pattern.p)
			return str_ends(s, piece);
		size_t at = str_find(s, piece);
		if (at == SIZE_MAX)
			return false;
		s = str_skip(s, at + piece.n);
	}
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

/* Optimal string alignment: three rows of the usual table, the third for swapped neighbours. */
unsigned str_distance(struct str a, struct str b, unsigned cap)
{
	unsigned rows[3][DISTANCE_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];
	size_t apart = a.n > b.n ? a.n - b.n : b.n - a.n;
	if (str_eq(a, b))
		return 0;
	if (a.n > DISTANCE_MAX || b.n > DISTANCE_MAX || apart > cap)
		return cap + 1;
	for (unsigned j = 0; j <= b.n; j++)
		before[j] = last[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned differs = a.p[i - 1] != b.p[j - 1];
			bool swapped = i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
				       a.p[i - 2] == b.p[j - 1];
			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + differs);
			if (swapped && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		unsigned *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b.n] <= cap ? last[b.n] : cap + 1;
}
