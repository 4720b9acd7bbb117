/* SPDX-License-Identifier: MIT
 * str.h - a slice: bytes with a length, not NUL-terminated, not owned.
 *
 * Slices are used everywhere inside; NUL-terminated strings only at the border to libraries. */
#ifndef STR_H
#define STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/check.h"

struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_NONE ((struct str){ NULL, 0 })
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline struct str str_of(const char *p, size_t n)
{
	return (struct str){ p, n };
}

/* Without its first n bytes, or all of them. */
static inline struct str str_skip(struct str s, size_t n)
{
	if (n > s.n)
		n = s.n;
	return (struct str){ n ? s.p + n : s.p, s.n - n };
}

/* NULL gives STR_NONE. */
static inline struct str str_z(const char *z)
{
	return z ? (struct str){ z, strlen(z) } : STR_NONE;
}

bool str_eq_z(struct str a, const char *z);
bool str_eq_nocase(struct str a, struct str b);			/* ASCII only */
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s);				/* spaces and tabs at both ends */
/* Where needle begins in s, or SIZE_MAX. */
size_t str_find(struct str s, struct str needle);
size_t str_find_char(struct str s, char c);
/* Cuts *s at the first `by`: returns what stands before, leaves what stands behind in *s.
 * Without `by` all of *s is returned and *s becomes empty with .p == NULL. */
struct str str_cut(struct str *s, char by);
int str_cmp(struct str a, struct str b);			/* as memcmp, the shorter first */

/* Digits only, no sign, no space. 0, -EINVAL or -ERANGE; *ret untouched on failure. */
int str_read_u64(struct str s, uint64_t *ret) MUST_USE;
int str_read_i64(struct str s, int64_t *ret) MUST_USE;		/* an optional '-' */
/* A JSON-like decimal number: sign, fraction, exponent. 0 or -EINVAL, -ERANGE. */
int str_read_double(struct str s, double *ret) MUST_USE;
/* "30s" "5m" "2h" "7d" "500ms", or bare seconds with a fraction; to milliseconds. */
int str_read_duration_ms(struct str s, uint64_t *ret_ms) MUST_USE;
/* "512", "64k", "32M", "1G", also with a trailing "B" or "iB"; powers of 1024. */
int str_read_size(struct str s, uint64_t *ret_bytes) MUST_USE;
/* Bytes of the UTF-8 character that s begins with; 0 when s is empty or that is no valid one. */
size_t str_utf8_len(struct str s);
/* Whether all of s is valid UTF-8 (RFC 3629: no overlong form, no surrogate, <= U+10FFFF). */
bool str_is_utf8(struct str s);
/* Letters, digits, '_' and '-' of ASCII, at least one. */
bool str_is_id(struct str s);
/* Whether `pattern`, in which each '*' stands for any bytes, matches all of s. Linear time. */
bool str_matches(struct str pattern, struct str s);
/* Damerau-Levenshtein distance, at most `cap` + 1 is told. For "did you mean". */
unsigned str_distance(struct str a, struct str b, unsigned cap);

#endif
