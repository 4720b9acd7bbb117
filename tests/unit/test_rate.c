/* SPDX-License-Identifier: MIT
 * test_rate.c - so many in a minute that begins with the first, and not one more; corrected; exact
 * over threads; and with a burst an even pace. */
#include "common/rate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/hash.h"

#define MINUTE (60 * NS_PER_S)
static const uint64_t start = 1000 * MINUTE + 7 * NS_PER_S;

static void test_a_minute_begins_with_the_first(void **state)
{
	static const uint64_t limits[] = { 1, 2, 7, 60, 999, 100000 };
	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++) {
		struct gcra_limit limit = { limits[i], 0 };
		_Atomic uint64_t word = 0;
		uint64_t wait = 0, last = start + MINUTE - 20000000;
		assert_true(rate_is_over(&word, start));
		for (uint64_t k = 0; k < limits[i]; k++) {
			assert_int_equal(rate_left(&word, limit, start), limits[i] - k);
			assert_true(rate_take(&word, limit, start, 1, &wait));
		}
		assert_false(rate_take(&word, limit, start + 1, 1, &wait));
		assert_int_equal(wait, MINUTE - 1);
		assert_false(rate_take(&word, limit, last, 1, &wait));
		assert_int_equal(wait, start + MINUTE - last);
		assert_false(rate_is_over(&word, last));
		assert_true(rate_is_over(&word, last + wait));
		assert_int_equal(rate_left(&word, limit, last + wait), limits[i]);
		assert_true(rate_take(&word, limit, last + wait, limits[i], &wait));
		assert_false(rate_take(&word, limit, last + MINUTE - 1, 1, &wait));
	}
}

/* Random costs at random times against a plain count. */
static void test_each_minute_is_exact(void **state)
{
	struct gcra_limit limit = { 100, 0 };
	_Atomic uint64_t word = 0;
	uint64_t now = start, begin = 0, used = 0, wait = 0;
	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t cost = 1 + hash_random_below(hash_random_below(8) ? 9 : 150);
		now += hash_random_below(4) ? 0 : hash_random_below(MINUTE / 5) / 10000000 * 10000000;
		if (!used || now - begin >= MINUTE) {
			begin = now / 10000000 * 10000000;
			used = 0;
		}
		assert_int_equal(rate_left(&word, limit, now), used < 100 ? 100 - used : 0);
		bool fits = !used || used + cost <= 100;
		assert_int_equal(rate_take(&word, limit, now, cost, &wait), fits);
		if (fits)
			used += cost;
		else
			assert_int_equal(now + wait, begin + MINUTE);
	}
}

static void test_charge_and_refund(void **state)
{
	struct gcra_limit limit = { 60, 0 };
	_Atomic uint64_t word = 0;
	uint64_t wait = 0;
	(void)state;
	assert_true(rate_take(&word, limit, start, 20, &wait));
	rate_refund(&word, limit, start, start + NS_PER_S, 5);
	assert_int_equal(rate_left(&word, limit, start), 45);
	rate_charge(&word, limit, start, 50);
	assert_int_equal(rate_left(&word, limit, start), 0);
	assert_false(rate_take(&word, limit, start, 1, &wait));
	rate_refund(&word, limit, start, start, 1000);
	assert_int_equal(rate_left(&word, limit, start), 60);
	/* Taken in a minute that is over: nothing of this one's is given back. */
	assert_true(rate_take(&word, limit, start, 30, &wait));
	assert_true(rate_take(&word, limit, start + MINUTE, 30, &wait));
	rate_refund(&word, limit, start, start + MINUTE + 5, 30);
	assert_int_equal(rate_left(&word, limit, start + MINUTE + 5), 30);
	rate_refund(&word, limit, start, start + 3 * MINUTE, 30);
	assert_int_equal(rate_left(&word, limit, start + 3 * MINUTE), 60);
	rate_charge(&word, limit, start + 3 * MINUTE, UINT64_MAX);	/* stays in its bounds */
	assert_false(rate_take(&word, limit, start + 4 * MINUTE - 20000000, 1, &wait));
	assert_true(rate_take(&word, limit, start + 4 * MINUTE, 1, &wait));
}

static void test_no_limit_and_a_pace(void **state)
{
	static const struct gcra_limit none[] = { { 0, 0 }, { RATE_UNLIMITED, 0 } };
	struct gcra_limit pace = { 60, 2 };
	_Atomic uint64_t word = 77;
	uint64_t wait = 0;
	(void)state;
	for (size_t i = 0; i < COUNT(none); i++) {
		assert_true(rate_take(&word, none[i], 5, UINT64_MAX, &wait));
		rate_charge(&word, none[i], 5, UINT64_MAX);
		rate_refund(&word, none[i], 5, 5, UINT64_MAX);
		assert_true(rate_left(&word, none[i], 5) == UINT64_MAX);
		assert_int_equal(word, 77);
	}
	word = 0;
	assert_true(rate_take(&word, pace, start, 2, &wait));
	assert_false(rate_take(&word, pace, start, 1, &wait));
	assert_in_range(wait, NS_PER_S - 10, NS_PER_S);
	rate_refund(&word, pace, start, start, 1);
	assert_int_equal(rate_left(&word, pace, start), 1);
	rate_charge(&word, pace, start, 1);
	assert_true(rate_take(&word, pace, start + NS_PER_S, 1, &wait));
}

enum { THREADS = 4, EACH = 200000, LIMIT = 777 };
static _Atomic uint64_t shared, turns;

static void *take_often(void *data)
{
	uint64_t *got = data, wait;
	uint64_t turn;
	while ((turn = atomic_fetch_add(&turns, 1)) < (uint64_t)THREADS * EACH)
		*got += rate_take(&shared, (struct gcra_limit){ LIMIT, 0 },
				  start + turn * (4 * MINUTE / (THREADS * EACH)), 1, &wait);
	return NULL;
}

/* All of them over the same four minutes, some a moment late: four times the limit. */
static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	uint64_t got[THREADS] = { 0 }, sum = 0;
	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_often, &got[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += got[i];
	}
	assert_int_equal(sum, 4 * LIMIT);
}

static void test_at_the_edges(void **state)
{
	struct gcra_limit limit = { 60, 0 }, pace = { 60, 2 }, most = { RATE_UNLIMITED - 1, 0 };
	_Atomic uint64_t word = 0;
	uint64_t wait = 0;
	(void)state;
	/* Full is full, but not over. */
	assert_true(rate_take(&word, limit, start, 60, &wait));
	assert_true(rate_take(&word, limit, start, 0, &wait));
	/* As much as there is room for, and not a bit of the time. */
	for (int i = 0; i < 2; i++) {
		rate_charge(&word, limit, start, i ? 5 : UINT64_MAX);
		assert_int_equal(rate_left(&word, limit, start), 0);
		assert_int_equal(rate_left(&word, most, start), 0);
		assert_false(rate_take(&word, limit, start + MINUTE - 1, 1, &wait));
	}
	/* A minute in which nothing is left has not begun. */
	word = 0;
	assert_true(rate_take(&word, limit, start, 5, &wait));
	rate_refund(&word, limit, start, start, 5);
	assert_true(rate_take(&word, limit, start + MINUTE / 2, 1, &wait));
	assert_int_equal(rate_left(&word, limit, start + MINUTE + NS_PER_S), 59);
	/* Who is late by less than an hour is in the minute that runs. */
	for (uint64_t late = 0; late < 2; late++) {
		word = 0;
		assert_true(rate_take(&word, limit, start + 60 * MINUTE, 60, &wait));
		assert_int_equal(rate_take(&word, limit, start + late * NS_PER_S, 1, &wait), !late);
	}
	word = 0;
	rate_charge(&word, pace, start, 2);
	assert_int_equal(rate_left(&word, pace, start), 0);
}

enum { ROUNDS = 300000 };
static _Atomic bool gives_back;

static void *take_and_give(void *data)
{
	_Atomic uint64_t *word = data;
	const struct gcra_limit limit = { RATE_UNLIMITED - 1, 0 };
	uint64_t wait;
	for (unsigned i = 0; i < ROUNDS; i++)
		if (gives_back)
			rate_refund(word, limit, start, start, 1);
		else if (i % 2)
			rate_charge(word, limit, start, 1);
		else if (!rate_take(word, limit, start, 1, &wait))
			return data;
	return NULL;
}

/* Nothing is counted twice or lost when two do it at the same time. */
static void test_two_at_once(void **state)
{
	_Atomic uint64_t word = 0;
	const struct gcra_limit limit = { RATE_UNLIMITED - 1, 0 };
	(void)state;
	rate_charge(&word, limit, start, 1);
	for (int i = 0; i < 2; i++) {
		pthread_t a, b;
		void *failed_a, *failed_b;
		gives_back = i;
		assert_int_equal(pthread_create(&a, NULL, take_and_give, &word), 0);
		assert_int_equal(pthread_create(&b, NULL, take_and_give, &word), 0);
		pthread_join(a, &failed_a);
		pthread_join(b, &failed_b);
		assert_true(!failed_a && !failed_b);
		assert_int_equal(limit.per_minute - rate_left(&word, limit, start), i ? 1 : 1 + 2 * ROUNDS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_minute_begins_with_the_first),
		cmocka_unit_test(test_each_minute_is_exact),
		cmocka_unit_test(test_charge_and_refund),
		cmocka_unit_test(test_no_limit_and_a_pace),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_at_the_edges),
		cmocka_unit_test(test_two_at_once),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
