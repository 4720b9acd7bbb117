/* SPDX-License-Identifier: MIT
 * test_ctl_bench.c - `llmgwctl bench`: what its percentiles are of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/ctl_bench.h"

static void test_quantiles_are_values_that_were_seen(void **state)
{
	struct bench_result r = { 0 };
	(void)state;
	assert_int_equal(bench_quantile(&r.latency, 5000), 0);
	for (uint64_t i = 1000; i > 0; i--)
		assert_int_equal(bench_times_add(&r.latency, i * 1000), 0);
	assert_int_equal(bench_quantile(&r.latency, 5000), 500);
	assert_int_equal(bench_quantile(&r.latency, 9000), 900);
	assert_int_equal(bench_quantile(&r.latency, 9990), 999);
	assert_int_equal(bench_quantile(&r.latency, 10000), 1000);
	assert_int_equal(bench_quantile(&r.latency, 0), 1);
	assert_int_equal(bench_times_add(&r.latency, UINT64_MAX), 0);
	assert_int_equal(bench_quantile(&r.latency, 10000), UINT32_MAX);
	bench_result_free(&r);
	assert_int_equal(r.latency.n, 0);
}

static void test_of_one_all_are_that(void **state)
{
	static const unsigned points[] = { 1, 5000, 9990, 10000 };
	struct bench_result r = { 0 };
	(void)state;
	assert_int_equal(bench_times_add(&r.first, 7999), 0);
	for (size_t i = 0; i < COUNT(points); i++)
		assert_int_equal(bench_quantile(&r.first, points[i]), 7);
	bench_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantiles_are_values_that_were_seen),
		cmocka_unit_test(test_of_one_all_are_that),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
