/* SPDX-License-Identifier: MIT
 * test_failure_log.c - which failures are told of, and when again. What is told of a deployment:
 * tests/live/test_observe.py. */
#include "worker/exchange/failure_log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/clock.h"

static void test_once_a_minute(void **state)
{
	struct failure_told told[2] = { 0 };
	uint64_t now = 5 * NS_PER_S;
	(void)state;
	assert_true(failure_is_new(told, 2, 7, now));
	assert_false(failure_is_new(told, 2, 7, now));
	assert_false(failure_is_new(told, 2, 7, now + 60 * NS_PER_S - 1));
	assert_true(failure_is_new(told, 2, 8, now + NS_PER_S));
	assert_false(failure_is_new(told, 2, 8, now + 60 * NS_PER_S));
	assert_true(failure_is_new(told, 2, 7, now + 60 * NS_PER_S));
	assert_false(failure_is_new(told, 2, 7, now + 61 * NS_PER_S));
}

/* Many that fail cannot make the log longer than that. */
static void test_no_place_is_left(void **state)
{
	struct failure_told told[2] = { 0 };
	uint64_t now = 5 * NS_PER_S;
	(void)state;
	assert_true(failure_is_new(told, 2, 1, now));
	assert_true(failure_is_new(told, 2, 2, now + 1));
	assert_false(failure_is_new(told, 2, 3, now + 2));
	assert_false(failure_is_new(told, 2, 1, now + 2));
	assert_true(failure_is_new(told, 2, 3, now + 60 * NS_PER_S));
	assert_false(failure_is_new(told, 2, 2, now + 60 * NS_PER_S));
	assert_true(failure_is_new(told, 2, 1, now + 60 * NS_PER_S + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once_a_minute),
		cmocka_unit_test(test_no_place_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
