/* SPDX-License-Identifier: MIT
 * test_limiter.c - the learned limit, against providers of known capacity: that it finds what they
 * take, lets a healthy one alone, and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/limiter.h"
#include "common/route.h"

static uint64_t seed = 1;

static double draw(void)	/* [0, 1) */
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(seed >> 11) / 9007199254740992.0;
}

static uint32_t at_a_time(const struct limiter *l, uint32_t wanted)
{
	uint32_t most = l->limit && l->limit < 1000 ? 1 : l->limit / 1000;
	return most && most < wanted ? most : wanted;
}

/* A server that works at `capacity` requests and lets the others wait: latency grows with what is
 * in flight. `noise` is a share of it, either way. */
static uint32_t latency(uint32_t inflight, uint32_t capacity, double noise)
{
	double l = 100000.0 * (inflight > capacity ? (double)inflight / capacity : 1);
	return (uint32_t)(l * (1 + noise * (2 * draw() - 1)));
}

static void test_finds_what_a_queueing_server_takes(void **state)
{
	(void)state;
	for (uint32_t capacity = 4; capacity <= 128; capacity *= 2) {
		struct limiter l = { 0 };
		uint32_t wanted = 10 * capacity;
		for (int i = 0; i < 32; i++)		/* it was idle once */
			limiter_answer(&l, latency(1, capacity, 0.2), 1);
		uint32_t high = 0;
		double worked = 0;
		for (int i = 0; i < 20000; i++) {
			uint32_t n = at_a_time(&l, wanted);
			limiter_answer(&l, latency(n, capacity, 0.2), n);
			if (i < 5000)
				continue;
			worked += n < capacity ? n : capacity;
			high = n > high ? n : high;
		}
		if (worked / 15000 < 0.9 * capacity)
			fail_msg("capacity %u: only %.1f at a time", capacity, worked / 15000);
		if (high > 3 * capacity + 8)
			fail_msg("capacity %u: as many as %u at a time", capacity, high);
	}
}

static void test_leaves_a_healthy_server_alone(void **state)
{
	(void)state;
	struct limiter l = { 0 };
	for (int i = 0; i < 100000; i++) {
		uint32_t n = 1 + (uint32_t)(draw() * 500);
		limiter_answer(&l, latency(n, 1000, 0.3), n);
		uint32_t most = at_a_time(&l, 1000);
		assert_true(most >= 8);			/* LIMITER_BEGIN, at worst for a moment */
	}
	/* Above what anybody asks for, or none at all. */
	assert_true(l.limit == 0 || l.limit >= 500000);
}

/* Slower by three for good, at whatever is in flight: no reason to ask less. */
static void test_a_slower_model_is_learned(void **state)
{
	(void)state;
	struct limiter l = { 0 };
	for (int i = 0; i < 1000; i++)
		limiter_answer(&l, latency(100, 1000, 0.2), 100);
	assert_int_equal(l.limit, 0);
	for (int i = 0; i < 6000; i++)
		limiter_answer(&l, 3 * latency(100, 1000, 0.2), at_a_time(&l, 100));
	assert_int_equal(at_a_time(&l, 100), 100);
}

static void test_a_limit_that_limits_nobody_stays(void **state)
{
	(void)state;
	struct limiter l = { .limit = 40000, .long_us = 1000, .short_us = 1000, .samples = 100 };
	limiter_answer(&l, 1000, 3);
	assert_int_equal(l.limit, 40000);
	limiter_answer(&l, 1000, 30);
	assert_true(l.limit > 40000);
}

static void test_refusals_find_a_hard_limit(void **state)
{
	(void)state;
	for (uint32_t capacity = 2; capacity <= 64; capacity *= 2) {
		struct limiter l = { 0 };
		unsigned refused = 0, asked = 0;
		double served = 0;
		for (int i = 0; i < 20000; i++) {
			uint32_t n = at_a_time(&l, 10 * capacity);
			bool too_many = n > capacity;
			if (too_many)
				limiter_refuse(&l, n);
			else
				limiter_answer(&l, 0, n);
			if (i < 1000)
				continue;
			asked++;
			refused += too_many;
			served += n < capacity ? n : capacity;
		}
		if (served / asked < 0.8 * capacity && capacity > 2)
			fail_msg("capacity %u: %.1f at a time", capacity, served / asked);
		if (refused * 10 > asked)
			fail_msg("capacity %u: %u of %u refused", capacity, refused, asked);
	}
}

static void test_it_comes_back(void **state)
{
	(void)state;
	struct limiter l = { .limit = 2000, .ceiling = 2500 };
	unsigned answers = 0;
	while (l.limit && l.limit < 200000 && answers < 2000) {
		limiter_answer(&l, 0, at_a_time(&l, 1000));
		answers++;
	}
	assert_true(answers < 2000);
	/* And once there is none, nothing is left of it. */
	l.limit = LIMITER_MAX * 1000 - 1;
	for (int i = 0; i < 100 && l.limit; i++)
		limiter_answer(&l, 0, LIMITER_MAX);
	assert_int_equal(l.limit, 0);
	assert_int_equal(l.ceiling, 0);
}

static void test_one_alone_is_not_too_many(void **state)
{
	(void)state;
	struct limiter l = { 0 };
	assert_false(limiter_refuse(&l, 1));
	assert_int_equal(l.limit, 0);
	assert_true(limiter_refuse(&l, 2));
	assert_int_equal(l.limit, 1600);
	for (int i = 0; i < 50; i++)
		limiter_refuse(&l, 2);
	assert_int_equal(l.limit, 1000);		/* never below one */
}

/* Whatever stands in the words, the limit is none or within bounds, and nothing fails. */
static void test_wrong_words_are_harmless(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct limiter l = {
			.limit = (uint32_t)(draw() * UINT32_MAX),
			.ceiling = (uint32_t)(draw() * UINT32_MAX),
			.long_us = (uint32_t)(draw() * UINT32_MAX) >> (i % 32),
			.short_us = (uint32_t)(draw() * UINT32_MAX) >> (i % 31),
			.samples = (uint32_t)(draw() * UINT32_MAX) >> (i % 29) };
		uint32_t n = (uint32_t)(draw() * UINT32_MAX) >> (i % 30);
		uint32_t was = l.limit;
		if (i % 2)
			limiter_answer(&l, (uint32_t)(draw() * 1e9), n);
		else
			limiter_refuse(&l, n);
		assert_true(l.limit == was || l.limit == 0 ||
			    (l.limit >= 1000 && l.limit <= LIMITER_MAX * 1000u));
	}
}

/* ---- on the board ---- */

static struct board board;

static void fresh(uint16_t inflight)
{
	int fd;
	if (board.head)
		board_unmap(&board);
	assert_int_equal(board_create(&board, &fd), 0);
	close(fd);
	atomic_store(&board.workers[0].state, WORKER_READY);
	atomic_store(board_inflight_own(&board, 0, 7), inflight);
}

static void test_a_burst_of_refusals_cuts_once(void **state)
{
	(void)state;
	struct board_deployment *d;
	fresh(79);
	d = &board.deployments[7];
	assert_true(limiter_refused(&board, 7, 10, 20));
	assert_int_equal(limiter_most(d), 64);
	for (uint64_t i = 0; i < 50; i++)
		assert_true(limiter_refused(&board, 7, 10 + i % 10, 21 + i));
	assert_int_equal(limiter_most(d), 64);
	/* Asked later, but nobody has been answered since: in the end this is an outage. */
	assert_true(limiter_refused(&board, 7, 30, 40));
	assert_false(limiter_refused(&board, 7, 30, 40 + NS_PER_S));
	assert_int_equal(limiter_most(d), 64);
	atomic_store(&d->successes, 6);
	assert_true(limiter_refused(&board, 7, 41, 50));
	assert_int_equal(limiter_most(d), 51);
}

static void test_streams_and_answers_are_learned_apart(void **state)
{
	(void)state;
	struct board_deployment *d;
	fresh(0);
	d = &board.deployments[7];
	for (int i = 0; i < 100; i++) {
		limiter_answered(&board, 7, LIMITER_WHOLE, 900000);
		limiter_answered(&board, 7, LIMITER_STREAM, 30000);
	}
	assert_int_equal(limiter_most(d), 0);
	assert_int_equal(atomic_load(&d->long_us[LIMITER_WHOLE]), 900000);
	assert_int_equal(atomic_load(&d->long_us[LIMITER_STREAM]), 30000);
	atomic_store(board_inflight_own(&board, 0, 7), 99);
	for (int i = 0; i < 200; i++)
		limiter_answered(&board, 7, LIMITER_STREAM, 90000);
	assert_in_range(limiter_most(d), 2, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_what_a_queueing_server_takes),
		cmocka_unit_test(test_leaves_a_healthy_server_alone),
		cmocka_unit_test(test_a_slower_model_is_learned),
		cmocka_unit_test(test_a_limit_that_limits_nobody_stays),
		cmocka_unit_test(test_refusals_find_a_hard_limit),
		cmocka_unit_test(test_it_comes_back),
		cmocka_unit_test(test_one_alone_is_not_too_many),
		cmocka_unit_test(test_wrong_words_are_harmless),
		cmocka_unit_test(test_a_burst_of_refusals_cuts_once),
		cmocka_unit_test(test_streams_and_answers_are_learned_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
