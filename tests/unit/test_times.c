/* SPDX-License-Identifier: MIT
 * test_times.c - common/times: quantiles stay within a bucket of the truth, and old times fade. */
#include "common/times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/check.h"

#define MS UINT64_C(1000000)

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void test_says_nothing_of_few(void **state)
{
	static struct times t;
	(void)state;
	for (unsigned i = 0; i + 1 < TIMES_MIN; i++)
		times_add(&t, TIMES_FIRST, 50 * MS);
	assert_int_equal(times_quantile(&t, TIMES_FIRST, 500), 0);
	times_add(&t, TIMES_FIRST, 50 * MS);
	assert_in_range(times_quantile(&t, TIMES_FIRST, 500), 50 * MS, 60 * MS);
	assert_int_equal(times_quantile(&t, TIMES_WHOLE, 500), 0);	/* another kind */
}

static void test_is_near_the_exact_quantile(void **state)
{
	static const uint64_t milli[] = { 500, 900, 950, 990 };
	uint64_t all[400];
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct times *t = calloc(1, sizeof *t);
		uint64_t seed = round * UINT64_C(0x9e3779b97f4a7c15) + 1;
		for (unsigned i = 0; i < COUNT(all); i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			all[i] = MS + (seed >> 33) % (UINT64_C(1) << (20 + round % 20));
			times_add(t, TIMES_WHOLE, all[i]);
		}
		qsort(all, COUNT(all), sizeof *all, by_size);
		for (unsigned i = 0; i < COUNT(milli); i++) {
			uint64_t exact = all[(COUNT(all) * milli[i] + 999) / 1000 - 1];
			uint64_t told = times_quantile(t, TIMES_WHOLE, milli[i]);
			assert_true(told > exact / 1000 * 1000);
			assert_true(told <= exact + exact / 4 + 1000);
		}
		free(t);
	}
}

static void test_old_times_fade(void **state)
{
	static struct times t;
	(void)state;
	for (unsigned i = 0; i < 400; i++)
		times_add(&t, TIMES_GAP, 1000 * MS);
	for (unsigned i = 0; i < 4 * TIMES_FADE; i++)
		times_add(&t, TIMES_GAP, 10 * MS);
	assert_in_range(times_quantile(&t, TIMES_GAP, 950), 10 * MS, 13 * MS);
}

static void test_takes_any_time(void **state)
{
	static struct times t;
	(void)state;
	for (unsigned i = 0; i < 2 * TIMES_FADE; i++)
		times_add(&t, (enum times_kind)(i % TIMES_KINDS), i & 1 ? UINT64_MAX : 0);
	assert_int_equal(times_quantile(&t, TIMES_FIRST, 1), 256000);
	assert_true(times_quantile(&t, TIMES_FIRST, 1000) > 3600000 * MS / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says_nothing_of_few),
		cmocka_unit_test(test_is_near_the_exact_quantile),
		cmocka_unit_test(test_old_times_fade),
		cmocka_unit_test(test_takes_any_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
