/* SPDX-License-Identifier: MIT
 * test_str.c - slices: comparing, cutting, reading numbers, UTF-8, globs, distances. */
#include "common/str.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_comparing(void **state)
{
	(void)state;
	assert_true(str_eq(STR_NONE, STR("")));
	assert_true(str_eq_z(STR("abc"), "abc"));
	assert_false(str_eq_z(STR("abc"), "ab"));
	assert_true(str_eq_z(STR_NONE, NULL));
	assert_true(str_eq_nocase(STR("Content-Type"), STR("content-TYPE")));
	assert_false(str_eq_nocase(STR("a[b"), STR("a{b")));
	assert_false(str_eq_nocase(STR("abc"), STR("ab")));
	assert_true(str_starts(STR("abc"), STR("ab")));
	assert_true(str_starts(STR("abc"), STR_NONE));
	assert_false(str_starts(STR("a"), STR("ab")));
	assert_true(str_starts_nocase(STR("Bearer x"), STR("bearer ")));
	assert_true(str_ends(STR("abc"), STR("bc")));
	assert_true(str_ends(STR_NONE, STR("")));
	assert_false(str_ends(STR("bc"), STR("abc")));
	assert_true(str_cmp(STR("a"), STR("b")) < 0);
	assert_true(str_cmp(STR("ab"), STR("a")) > 0);
	assert_true(str_cmp(STR("a"), STR("\xff")) < 0);
	assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
}

static void test_cutting(void **state)
{
	(void)state;
	struct str s = STR("a,,b");
	assert_true(str_eq_z(str_cut(&s, ','), "a"));
	assert_true(str_eq_z(str_cut(&s, ','), ""));
	assert_true(str_eq_z(str_cut(&s, ','), "b"));
	assert_null(s.p);
	s = STR("a,");
	(void)str_cut(&s, ',');
	assert_non_null(s.p);
	assert_int_equal(s.n, 0);
	assert_int_equal(str_skip(STR("abc"), 9).n, 0);
	assert_null(str_skip(STR_NONE, 1).p);
	assert_true(str_eq_z(str_trim(STR(" \t a b\t ")), "a b"));
	assert_int_equal(str_trim(STR(" \t ")).n, 0);
	assert_true(str_eq_z(str_trim(STR("\na")), "\na"));
	assert_int_equal(str_find(STR("hello"), STR("lo")), 3);
	assert_true(str_find(STR("hello"), STR("x")) == SIZE_MAX);
	assert_true(str_find(STR_NONE, STR("x")) == SIZE_MAX);
	assert_int_equal(str_find(STR_NONE, STR_NONE), 0);
	assert_int_equal(str_find_char(STR("abc"), 'c'), 2);
	assert_true(str_find_char(STR_NONE, 'c') == SIZE_MAX);
}

static void test_integers(void **state)
{
	(void)state;
	uint64_t u = 7;
	int64_t i = 7;
	assert_int_equal(str_read_u64(STR("18446744073709551615"), &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(str_read_u64(STR("18446744073709551616"), &u), -ERANGE);
	assert_int_equal(str_read_u64(STR("99999999999999999999999999"), &u), -ERANGE);
	assert_int_equal(str_read_u64(STR("9999999999999999999999999x"), &u), -EINVAL);
	assert_int_equal(str_read_u64(STR("007"), &u), 0);
	assert_int_equal(u, 7);
	const char *bad[] = { "", "-1", "+1", " 1", "1 ", "0x1", "1.0" };
	for (size_t k = 0; k < COUNT(bad); k++)
		assert_int_equal(str_read_u64(str_z(bad[k]), &u), -EINVAL);
	assert_int_equal(u, 7);
	assert_int_equal(str_read_i64(STR("-9223372036854775808"), &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(str_read_i64(STR("9223372036854775807"), &i), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(str_read_i64(STR("9223372036854775808"), &i), -ERANGE);
	assert_int_equal(str_read_i64(STR("-9223372036854775809"), &i), -ERANGE);
	assert_int_equal(str_read_i64(STR("-"), &i), -EINVAL);
	assert_int_equal(str_read_i64(STR("--1"), &i), -EINVAL);
}

static void test_doubles(void **state)
{
	(void)state;
	static const char *const good[] = { "0", "-0", "1.5", "-2.25e3", "1E+2", "1e-2", "0.1",
					    "1e-999", "179769313486231570000e288" };
	static const char *const bad[] = { "",	 "-",	"+1",  ".5",  "5.",   "1e",  "1e+", "01",
					   "nan", "inf", "0x1", "1.e2", "1 ", " 1", "1,5", "--1" };
	double v = 3;
	for (size_t k = 0; k < COUNT(good); k++) {
		assert_int_equal(str_read_double(str_z(good[k]), &v), 0);
		assert_true(fabs(v - strtod(good[k], NULL)) <= 0);
	}
	v = 3;
	for (size_t k = 0; k < COUNT(bad); k++)
		assert_int_equal(str_read_double(str_z(bad[k]), &v), -EINVAL);
	assert_int_equal(str_read_double(STR("1e309"), &v), -ERANGE);
	assert_int_equal(str_read_double(STR("-1e309"), &v), -ERANGE);
	char digits[2000];
	memset(digits, '1', sizeof digits);
	assert_int_equal(str_read_double(str_of(digits, sizeof digits), &v), -ERANGE);
	assert_true(fabs(v - 3) <= 0);
}

static void check_duration(const char *z, int r, uint64_t ms)
{
	uint64_t v = 77;
	assert_int_equal(str_read_duration_ms(str_z(z), &v), r);
	assert_true(v == (r ? 77 : ms));
}

static void test_durations(void **state)
{
	(void)state;
	check_duration("30s", 0, 30000);
	check_duration("5m", 0, 300000);
	check_duration("2h", 0, 7200000);
	check_duration("7d", 0, 604800000);
	check_duration("500ms", 0, 500);
	check_duration("10", 0, 10000);
	check_duration("0.25", 0, 250);
	check_duration("1.5s", 0, 1500);
	check_duration("0", 0, 0);
	check_duration("1.0009999999999999", 0, 1000);
	check_duration("", -EINVAL, 0);
	check_duration("s", -EINVAL, 0);
	check_duration("5 s", -EINVAL, 0);
	check_duration("5x", -EINVAL, 0);
	check_duration("1.", -EINVAL, 0);
	check_duration(".5", -EINVAL, 0);
	check_duration("-1s", -EINVAL, 0);
	check_duration("1.5.5", -EINVAL, 0);
	check_duration("18446744073709551615d", -ERANGE, 0);
	check_duration("99999999999999999999s", -ERANGE, 0);
}

static void check_size(const char *z, int r, uint64_t bytes)
{
	uint64_t v = 77;
	assert_int_equal(str_read_size(str_z(z), &v), r);
	assert_true(v == (r ? 77 : bytes));
}

static void test_sizes(void **state)
{
	(void)state;
	check_size("512", 0, 512);
	check_size("512B", 0, 512);
	check_size("64k", 0, 65536);
	check_size("64KiB", 0, 65536);
	check_size("32M", 0, 32u << 20);
	check_size("32MB", 0, 32u << 20);
	check_size("1G", 0, 1ull << 30);
	check_size("2T", 0, 2ull << 40);
	check_size("", -EINVAL, 0);
	check_size("k", -EINVAL, 0);
	check_size("1x", -EINVAL, 0);
	check_size("1iB", -EINVAL, 0);
	check_size("1kk", -EINVAL, 0);
	check_size("1 k", -EINVAL, 0);
	check_size("-1", -EINVAL, 0);
	check_size("1.5G", -EINVAL, 0);
	check_size("18446744073709551615", 0, UINT64_MAX);
	check_size("18014398509481984k", -ERANGE, 0);
}

/* The definition of RFC 3629, by value instead of by byte. */
static bool is_scalar_encoded(const unsigned char *b, size_t n)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned c = n == 1 ? b[0] : b[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (b[i] >> 6 != 2)
			return false;
		c = c << 6 | (b[i] & 0x3f);
	}
	return c >= least[n] && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
}

static size_t slow_utf8_len(const unsigned char *b, size_t n)
{
	size_t want = b[0] < 0x80 ? 1 : b[0] >> 5 == 6 ? 2 : b[0] >> 4 == 14 ? 3 :
		      b[0] >> 3 == 30 ? 4 : 0;
	return want && want <= n && is_scalar_encoded(b, want) ? want : 0;
}

static void test_utf8_agrees_with_its_definition(void **state)
{
	static const unsigned char third[] = { 0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff };
	(void)state;
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			for (size_t k = 0; k < sizeof third * sizeof third; k++) {
				unsigned char t[4] = { (unsigned char)a, (unsigned char)b,
						       third[k / sizeof third],
						       third[k % sizeof third] };
				for (size_t n = 1; n <= 4; n++)
					assert_int_equal(str_utf8_len(str_of((char *)t, n)),
							 slow_utf8_len(t, n));
			}
		}
	}
	assert_int_equal(str_utf8_len(STR_NONE), 0);
}

static void test_utf8_at_every_place(void **state)
{
	char text[40];
	(void)state;
	assert_true(str_is_utf8(STR_NONE));
	for (size_t n = 1; n <= sizeof text; n++) {
		for (size_t at = 0; at < n; at++) {
			memset(text, 'a', sizeof text);
			assert_true(str_is_utf8(str_of(text, n)));
			text[at] = '\x80';
			assert_false(str_is_utf8(str_of(text, n)));
			if (at + 1 < n) {
				text[at] = '\xc3';
				text[at + 1] = '\xa9';
				assert_true(str_is_utf8(str_of(text, n)));
			}
		}
	}
}

/* As many ways as there are: the textbook's recursion, for short texts only. */
static bool slow_match(const char *p, const char *s)
{
	if (*p == '\0')
		return *s == '\0';
	if (*p == '*')
		return slow_match(p + 1, s) || (*s && slow_match(p, s + 1));
	return *p == *s && slow_match(p + 1, s + 1);
}

static void digits_of(char *out, unsigned v, const char *letters, unsigned n)
{
	unsigned base = (unsigned)strlen(letters);
	for (unsigned i = 0; i < n; i++, v /= base)
		out[i] = letters[v % base];
	out[n] = '\0';
}

static void test_globs(void **state)
{
	char p[8], s[8];
	(void)state;
	for (unsigned pn = 0; pn <= 5; pn++) {
		for (unsigned pv = 0; pv < 243; pv++) {
			digits_of(p, pv, "ab*", pn);
			for (unsigned sv = 0; sv < 64; sv++) {
				digits_of(s, sv, "ab", sv % 7);
				assert_int_equal(str_matches(str_z(p), str_z(s)), slow_match(p, s));
			}
		}
	}
	assert_true(str_matches(STR("gpt-*"), STR("gpt-4o")));
	assert_false(str_matches(STR("gpt-*-mini"), STR("gpt-4o")));
}

static void test_globs_take_linear_time(void **state)
{
	static char pattern[20000], text[200000];
	(void)state;
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = i % 2 ? 'a' : '*';
	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = 'b';
	assert_false(str_matches(str_of(pattern, sizeof pattern), str_of(text, sizeof text)));
}

static void test_distances(void **state)
{
	(void)state;
	assert_int_equal(str_distance(STR("timeout"), STR("timeout"), 3), 0);
	assert_int_equal(str_distance(STR("timeout"), STR("timeuot"), 3), 1);
	assert_int_equal(str_distance(STR("timeout"), STR("timeot"), 3), 1);
	assert_int_equal(str_distance(STR("timeout"), STR("timeouts"), 3), 1);
	assert_int_equal(str_distance(STR("kitten"), STR("sitting"), 3), 3);
	assert_int_equal(str_distance(STR("kitten"), STR("sitting"), 2), 3);
	assert_int_equal(str_distance(STR("abc"), STR("xyzuvw"), 2), 3);
	assert_int_equal(str_distance(STR_NONE, STR("ab"), 5), 2);
	assert_int_equal(str_distance(STR_NONE, STR_NONE, 5), 0);
	char longer[200];
	memset(longer, 'x', sizeof longer);
	assert_int_equal(str_distance(str_of(longer, 200), str_of(longer, 199), 4), 5);
}

static void test_is_id(void **state)
{
	(void)state;
	assert_true(str_is_id(STR("resp_aZ09-_")));
	static const char *const odd[] = { "", " ", "a b", "a.b", "a/b", "a\x7f", "\xc3\xa4", "@", "[", "`", "{", "a\n" };
	for (size_t i = 0; i < COUNT(odd); i++)
		assert_false(str_is_id(str_z(odd[i])));
	assert_false(str_is_id(STR_NONE));
	assert_false(str_is_id(str_of("a\0b", 3)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_id),
		cmocka_unit_test(test_comparing),
		cmocka_unit_test(test_cutting),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_utf8_agrees_with_its_definition),
		cmocka_unit_test(test_utf8_at_every_place),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_globs_take_linear_time),
		cmocka_unit_test(test_distances),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
