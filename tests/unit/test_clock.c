/* SPDX-License-Identifier: MIT
 * test_clock.c - clocks run, stand still when a test says so, and print as RFC 3339 wants. */
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_running_and_held(void **state)
{
	(void)state;
	uint64_t before = clock_ns();
	assert_true(clock_ns() >= before);
	assert_true(clock_wall_ns() > 1600000000 * NS_PER_S);
	clock_set(5, 7);
	assert_int_equal(clock_ns(), 5);
	assert_int_equal(clock_wall_ns(), 7);
	clock_set(0, 9);
	assert_int_equal(clock_ns(), 0);
	assert_int_equal(clock_wall_ns(), 9);
	clock_set(0, 0);
	assert_true(clock_ns() >= before);
}

static void test_rfc3339(void **state)
{
	char text[25];
	(void)state;
	assert_string_equal(clock_rfc3339(text, 0), "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_rfc3339(text, 951782400 * NS_PER_S), "2000-02-29T00:00:00.000Z");
	assert_string_equal(clock_rfc3339(text, 1770091506 * NS_PER_S + 789999999),
			    "2026-02-03T04:05:06.789Z");
	assert_string_equal(clock_rfc3339(text, UINT64_MAX), "2554-07-21T23:34:33.709Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_running_and_held),
		cmocka_unit_test(test_rfc3339),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
