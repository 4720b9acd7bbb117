/* SPDX-License-Identifier: MIT
 * test_gcra.c - never more than the limit in a minute beyond the burst, nor less than promised. */
#include "common/gcra.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/hash.h"

#define MINUTE 60000000000ull
static const uint64_t start = 1000 * MINUTE;

static void test_a_burst_at_once(void **state)
{
	static const uint64_t limits[] = { 1, 2, 3, 7, 10, 60, 61, 999, 1000, 12345, 100000 };
	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++) {
		struct gcra_limit limit = { limits[i], 0 };
		_Atomic uint64_t tat = 0;
		uint64_t wait = 0;
		for (uint64_t k = 0; k < limits[i]; k++) {
			assert_int_equal(gcra_left(&tat, limit, start), limits[i] - k);
			assert_true(gcra_take(&tat, limit, start, 1, &wait));
		}
		assert_int_equal(gcra_left(&tat, limit, start), 0);
		assert_false(gcra_take(&tat, limit, start, 1, &wait));
		assert_in_range(wait, 1, MINUTE / limits[i] + 1);
		assert_false(gcra_take(&tat, limit, start + wait - 1, 1, &wait));
		assert_int_equal(wait, 1);
		assert_true(gcra_take(&tat, limit, tat, limits[i], &wait));
	}
}

struct taken {
	uint64_t at, units;
};

/* Random costs at random times: in no window of a minute more than limit + burst. */
static void check_windows(struct gcra_limit limit)
{
	static struct taken log[4000];
	uint64_t now = start, sum = 0, wait = 0;
	uint64_t burst = limit.burst ? limit.burst : limit.per_minute;
	_Atomic uint64_t tat = 0;
	size_t n = 0, from = 0;
	while (n < COUNT(log)) {
		uint64_t cost = 1 + hash_random_below(hash_random_below(4) ? burst / 8 + 1 : burst);
		if (!gcra_take(&tat, limit, now, cost, &wait)) {
			now += hash_random_below(3) ? wait : hash_random_below(2 * wait);
			continue;
		}
		log[n++] = (struct taken){ now, cost };
		sum += cost;
		while (log[from].at + MINUTE < now)
			sum -= log[from++].units;
		assert_true(sum <= limit.per_minute + burst);
		now += hash_random_below(4) ? 0 : hash_random_below(MINUTE);
	}
}

static void test_no_window_sees_more(void **state)
{
	static const struct gcra_limit limits[] = {
		{ 1, 0 },	 { 3, 1 },	   { 7, 0 },		{ 60, 5 },
		{ 1000, 10 },	 { 999, 2000 },	   { 100000, 0 },	{ 7654321, 0 },
		{ MINUTE, 0 },	 { MINUTE - 1, 9 }, { 40000000001, 0 }, { 250000, 123456 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++)
		check_windows(limits[i]);
}

/* One nanosecond and a half a unit: what rounding gives away would be a third. */
static void test_rounding_never_gives_more(void **state)
{
	struct gcra_limit limit = { 40000000001, 9 };
	_Atomic uint64_t tat = 0;
	uint64_t now = start, wait = 0, got = 0;
	(void)state;
	while (now < start + 100000) {
		if (gcra_take(&tat, limit, now, 1, &wait))
			got++;
		else
			now += wait;
	}
	assert_in_range(got, 49000, 66667 + 9);
}

/* Someone who asks all the time gets at least the limit, over hours. */
static void test_the_limit_is_reached(void **state)
{
	static const uint64_t limits[] = { 1, 7, 60, 999 };
	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++) {
		struct gcra_limit limit = { limits[i], 1 };
		_Atomic uint64_t tat = 0;
		uint64_t now = start, wait = 0, got = 0;
		while (now < start + 100 * MINUTE) {
			if (gcra_take(&tat, limit, now, 1, &wait))
				got++;
			else
				now += wait;
		}
		assert_in_range(got, limits[i] * 100 - 1, limits[i] * 100 + 1);
	}
}

static void test_left_is_what_is_admitted(void **state)
{
	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct gcra_limit limit = { 1 + hash_random_below(MINUTE), 0 };
		if (i % 2)
			limit.per_minute = 1 + limit.per_minute % 1000;
		limit.burst = 1 + hash_random_below(limit.per_minute);
		_Atomic uint64_t tat = start + hash_random_below(2 * MINUTE);
		uint64_t wait = 0, left = gcra_left(&tat, limit, start);
		assert_true(left <= limit.burst);
		if (left == 0)
			continue;
		assert_true(gcra_take(&tat, limit, start, left, &wait));
	}
}

static void test_more_than_the_burst(void **state)
{
	struct gcra_limit limit = { 60, 10 };
	_Atomic uint64_t tat = 0;
	uint64_t wait = 0;
	(void)state;
	assert_true(gcra_take(&tat, limit, start, 30, &wait));	/* the bucket was full */
	assert_int_equal(tat, start + MINUTE / 2);
	assert_false(gcra_take(&tat, limit, start, 30, &wait));
	assert_int_equal(wait, MINUTE / 2);
	assert_false(gcra_take(&tat, limit, start + wait - 1, 30, &wait));
	assert_true(gcra_take(&tat, limit, start + MINUTE / 2, 30, &wait));
}

static void test_charge_and_refund(void **state)
{
	struct gcra_limit limit = { 60, 0 };
	_Atomic uint64_t tat = 0;
	uint64_t wait = 0;
	(void)state;
	assert_true(gcra_take(&tat, limit, start, 20, &wait));
	assert_int_equal(gcra_left(&tat, limit, start), 40);
	gcra_refund(&tat, limit, start, 5);
	assert_int_equal(gcra_left(&tat, limit, start), 45);
	gcra_charge(&tat, limit, start, 50);
	assert_int_equal(gcra_left(&tat, limit, start), 0);
	assert_false(gcra_take(&tat, limit, start, 0, &wait));	/* in debt */
	assert_int_equal(tat, start + 65 * (MINUTE / 60));
	gcra_refund(&tat, limit, start, 1000);
	assert_int_equal(tat, start);
	gcra_refund(&tat, limit, start + 5, 1000);
	assert_int_equal(tat, start);	/* the past is left alone */
}

static void test_saturation(void **state)
{
	struct gcra_limit limit = { 1, 0 };
	_Atomic uint64_t tat = 0;
	uint64_t wait = 0;
	(void)state;
	gcra_charge(&tat, limit, start, UINT64_MAX);
	assert_true(tat == UINT64_MAX);
	gcra_charge(&tat, limit, start, 1);
	assert_true(tat == UINT64_MAX);
	assert_false(gcra_take(&tat, limit, start, UINT64_MAX, &wait));
	assert_true(wait == UINT64_MAX - start);
	gcra_refund(&tat, limit, start, UINT64_MAX);
	assert_int_equal(tat, start);
	limit.burst = UINT64_MAX;
	assert_true(gcra_take(&tat, limit, start, UINT64_MAX, &wait));
	assert_int_equal(gcra_left(&tat, limit, UINT64_MAX), UINT64_MAX);
}

static void test_no_limit(void **state)
{
	static const struct gcra_limit none[] = { { 0, 5 }, { MINUTE + 1, 0 } };
	(void)state;
	for (size_t i = 0; i < COUNT(none); i++) {
		_Atomic uint64_t tat = 77;
		uint64_t wait = 0;
		assert_true(gcra_take(&tat, none[i], 5, UINT64_MAX, &wait));
		gcra_charge(&tat, none[i], 5, UINT64_MAX);
		gcra_refund(&tat, none[i], 5, UINT64_MAX);
		assert_true(gcra_left(&tat, none[i], 5) == UINT64_MAX);
		assert_int_equal(tat, 77);
	}
}

/* A unit of three nanoseconds, and more of them than that: what rounding gives back is less than
 * one unit, and not one. */
static void test_the_burst_is_no_larger(void **state)
{
	struct gcra_limit limit = { MINUTE / 3, 0 };
	_Atomic uint64_t tat = 0;
	uint64_t wait = 0;
	(void)state;
	assert_true(gcra_take(&tat, limit, start, limit.per_minute, &wait));
	assert_false(gcra_take(&tat, limit, start, 1, &wait));
	assert_int_equal(wait, 1);
}

enum { ROUNDS = 300000 };
struct hand {
	_Atomic uint64_t *tat;
	struct gcra_limit limit;
	bool gives_back;
};

static void *take_and_give(void *data)
{
	struct hand *h = data;
	uint64_t wait;
	for (unsigned i = 0; i < ROUNDS; i++)
		if (h->gives_back)
			gcra_refund(h->tat, h->limit, start, 1);
		else if (!gcra_take(h->tat, h->limit, start, 1, &wait))
			return h;
	return NULL;
}

/* Nothing is taken or given back twice, nor lost, when two do it at the same time. */
static void test_two_at_once(void **state)
{
	_Atomic uint64_t tat = start;
	struct hand h = { &tat, { 60, UINT64_C(4) * ROUNDS }, false };
	(void)state;
	for (int i = 0; i < 2; i++) {
		pthread_t a, b;
		void *failed_a, *failed_b;
		h.gives_back = i;
		assert_int_equal(pthread_create(&a, NULL, take_and_give, &h), 0);
		assert_int_equal(pthread_create(&b, NULL, take_and_give, &h), 0);
		pthread_join(a, &failed_a);
		pthread_join(b, &failed_b);
		assert_true(!failed_a && !failed_b);
		assert_int_equal(tat, i ? start : start + UINT64_C(2) * ROUNDS * (MINUTE / 60));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_burst_at_once),
		cmocka_unit_test(test_no_window_sees_more),
		cmocka_unit_test(test_rounding_never_gives_more),
		cmocka_unit_test(test_the_limit_is_reached),
		cmocka_unit_test(test_left_is_what_is_admitted),
		cmocka_unit_test(test_more_than_the_burst),
		cmocka_unit_test(test_charge_and_refund),
		cmocka_unit_test(test_saturation),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_the_burst_is_no_larger),
		cmocka_unit_test(test_two_at_once),
	};
	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
