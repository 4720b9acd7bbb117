/* SPDX-License-Identifier: MIT
 * test_buf.c - a buffer grows, keeps to its cap, and never hides a failure. */
#include "common/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"

static void test_appending(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	buf_put(&b, STR("a"));
	buf_put(&b, STR_NONE);
	buf_put_z(&b, "bc");
	buf_put_char(&b, ' ');
	buf_put_u64(&b, UINT64_MAX);
	buf_put_char(&b, ' ');
	buf_put_u64(&b, 0);
	buf_put_i64(&b, INT64_MIN);
	buf_put_i64(&b, 42);
	buf_printf(&b, "<%d %s>", 7, "x");
	BUF_PUT_LIT(&b, "!");
	assert_string_equal(buf_z(&b),
			    "abc 18446744073709551615 0-922337203685477580842<7 x>!");
	assert_false(b.failed);
	buf_done(&b);
	assert_int_equal(b.n, 0);
	buf_put_z(&b, "again");
	assert_string_equal(buf_z(&b), "again");
	buf_done(&b);
}

static void test_the_cap_is_kept_exactly(void **state)
{
	(void)state;
	for (size_t cap = 1; cap < 300; cap++) {
		struct buf b;
		buf_init(&b, cap);
		for (size_t i = 0; i < cap; i++)
			buf_put_char(&b, (char)('a' + i % 26));
		assert_false(b.failed);
		assert_int_equal(b.n, cap);
		assert_true(b.room <= cap + 1);
		assert_non_null(buf_z(&b));
		assert_int_equal(buf_reserve(&b, 1), -ENOBUFS);
		assert_false(b.failed);
		buf_put_char(&b, 'x');
		assert_true(b.failed);
		assert_int_equal(b.n, cap);
		buf_done(&b);
	}
}

static void test_a_failure_stays(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 4);
	buf_put_z(&b, "abc");
	buf_put_z(&b, "de");
	assert_true(b.failed);
	buf_put_z(&b, "f");	/* would fit, but there is a hole before it */
	assert_int_equal(b.n, 3);
	assert_null(buf_z(&b));
	buf_printf(&b, "%d", 1);
	assert_int_equal(b.n, 3);
	buf_reset(&b);
	assert_false(b.failed);
	buf_put_i64(&b, -12345);
	assert_int_equal(b.n, 0);
	assert_true(b.failed);
	buf_done(&b);
}

static void test_dropping(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 100);
	buf_drop(&b, 0);
	buf_put_z(&b, "abcdef");
	buf_drop(&b, 2);
	assert_string_equal(buf_z(&b), "cdef");
	buf_drop(&b, 4);
	assert_int_equal(b.n, 0);
	assert_string_equal(buf_z(&b), "");
	buf_done(&b);
}

static void test_encoding(void **state)
{
	static const struct {
		const char *path, *encoded;
	} rows[] = {
		{ "", "" }, { "gpt-4.o_~", "gpt-4.o_~" }, { "a/b c", "a/b%20c" }, { "..", "" },
		{ "../x/./y/..", "x/y" }, { "...", "..." }, { "a?b#c%\xff", "a%3Fb%23c%25%FF" },
		{ "/a/", "/a/" }, { "\xc3\xa4", "%C3%A4" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_reset(&b);
		buf_put_path(&b, str_z(rows[i].path));
		assert_string_equal(buf_z(&b), rows[i].encoded);
	}
	buf_reset(&b);
	buf_put_escaped(&b, STR("a/../b"));
	assert_string_equal(buf_z(&b), "a%2F..%2Fb");
	buf_done(&b);
}

static void test_no_memory(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 10000);
	mem_fail_at(1);
	assert_null(buf_z(&b));
	assert_true(b.failed);
	buf_reset(&b);
	buf_put_z(&b, "kept");
	mem_fail_at(1);
	assert_int_equal(buf_reserve(&b, 5000), -ENOMEM);
	assert_false(b.failed);
	assert_string_equal(buf_z(&b), "kept");
	mem_fail_at(1);
	buf_printf(&b, "%5000d", 1);
	assert_true(b.failed);
	assert_true(str_eq_z(buf_str(&b), "kept"));
	mem_fail_at(0);
	buf_done(&b);
	assert_int_equal(mem_live(), 0);
}

static void test_escaped(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 64);
	buf_put_escaped(&b, STR("aZ09-._~/:%?\xc3\xa4 "));
	assert_string_equal(buf_z(&b), "aZ09-._~%2F%3A%25%3F%C3%A4%20");
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appending),
		cmocka_unit_test(test_the_cap_is_kept_exactly),
		cmocka_unit_test(test_a_failure_stays),
		cmocka_unit_test(test_dropping),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_escaped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
