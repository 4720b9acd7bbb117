/* SPDX-License-Identifier: MIT
 * test_metrics.c - buckets take what their bounds say, and sums are complete. */
#include "common/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/check.h"

static void test_bounds_ascend(void **state)
{
	(void)state;
	for (unsigned h = 0; h < METRIC_H_COUNT; h++) {
		assert_true(metric_bounds_ns[h][0] > 0);
		for (unsigned i = 1; i < METRIC_BUCKETS - 1; i++)
			assert_true(metric_bounds_ns[h][i] > metric_bounds_ns[h][i - 1]);
	}
}

static void test_a_bound_belongs_to_its_bucket(void **state)
{
	(void)state;
	for (unsigned i = 0; i < METRIC_BUCKETS; i++) {
		struct metric_row row = { 0 };
		uint64_t ns = i < METRIC_BUCKETS - 1 ? metric_bounds_ns[METRIC_H_overhead][i] :
						       UINT64_MAX / 2;

		METRIC_TIME(&row, overhead, ns);
		assert_int_equal(row.overhead.bucket[i], 1);
		assert_int_equal(row.overhead.sum_ns, ns);
		if (i < METRIC_BUCKETS - 1) {
			METRIC_TIME(&row, overhead, ns + 1);
			assert_int_equal(row.overhead.bucket[i + 1], 1);
		}
	}
}

static void test_sum_takes_every_word(void **state)
{
	struct metric_row a, b;
	uint64_t *wa = (void *)&a, *wb = (void *)&b;
	const size_t n = sizeof a / sizeof *wa;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		wa[i] = i;
		wb[i] = 1000 * i;
	}
	metric_sum(&a, &b);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(wa[i], 1001 * i);
		assert_int_equal(wb[i], 1000 * i);
	}
}

static void test_counters(void **state)
{
	struct metric_row row = { 0 };

	(void)state;
	METRIC_ADD(&row, tokens_in, 40);
	METRIC_ADD(&row, tokens_in, 2);
	assert_int_equal(row.tokens_in, 42);
	assert_int_equal(row.tokens_out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds_ascend),
		cmocka_unit_test(test_a_bound_belongs_to_its_bucket),
		cmocka_unit_test(test_sum_takes_every_word),
		cmocka_unit_test(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
