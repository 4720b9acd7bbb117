/* SPDX-License-Identifier: MIT
 * test_series.c - pairs are told apart up to the cap, nothing counted is lost, also when several
 * count at the same time. */
#include "common/series.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static struct board board;

static int begin(void **state)
{
	int fd, err = board_create(&board, &fd);
	(void)state;
	if (!err)
		close(fd);
	return err;
}

static int end(void **state)
{
	(void)state;
	board_unmap(&board);
	return 0;
}

static struct sha256 key_of(uint64_t n)
{
	return hash_sha256(str_of((const char *)&n, sizeof n));
}

static bool count(uint64_t key, uint64_t deployment, uint32_t cap)
{
	struct sha256 k = key_of(key);
	return series_count(&board, &k, deployment, cap,
			    &(struct series_step){ .tokens_in = 3, .tokens_out = 2, .cost_nano = 7 });
}

static const struct board_series *row_of(uint64_t key, uint64_t deployment)
{
	struct sha256 want = key_of(key);
	for (unsigned i = 0; i < BOARD_SERIES; i++) {
		struct sha256 have = series_key(&board.series[i]);
		if (board.series[i].pair && board.series[i].deployment == deployment &&
		    hash_sha256_eq(&have, &want))
			return &board.series[i];
	}
	return NULL;
}

static void test_a_pair_has_its_row(void **state)
{
	(void)state;
	assert_true(count(1, 10, 100));
	assert_true(count(1, 10, 100));
	assert_true(count(1, 11, 100));
	assert_true(count(2, 10, 100));
	assert_int_equal(board.head->series_used, 3);
	const struct board_series *row = row_of(1, 10);
	assert_non_null(row);
	assert_int_equal(row->successes, 2);
	assert_int_equal(row->failures, 0);
	assert_int_equal(row->tokens_in, 6);
	assert_int_equal(row->tokens_out, 4);
	assert_int_equal(row->cost_nano, 14);
	assert_int_equal(row_of(2, 10)->successes, 1);
}

static void test_nobody_is_a_pair_too(void **state)
{
	struct sha256 none = { 0 };
	(void)state;
	assert_true(series_count(&board, &none, 0, 100, &(struct series_step){ .is_failure = true }));
	assert_int_equal(board.head->series_used, 1);
	for (unsigned i = 0; i < BOARD_SERIES; i++)
		assert_int_equal(board.series[i].failures, series_is_named(&board.series[i]));
}

static void test_the_cap(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(count(i, 1, 20), i < 20);
	assert_true(count(7, 1, 20));		/* who has a row keeps it, whatever the cap */
	assert_true(count(7, 1, 5));
	assert_int_equal(board.head->series_used, 20);
	assert_int_equal(board.series[BOARD_SERIES].successes, 30);
	assert_int_equal(board.series[BOARD_SERIES].cost_nano, 210);
}

static void test_as_many_as_the_table_takes(void **state)
{
	unsigned own = 0, rows = 0;
	(void)state;
	for (uint64_t i = 0; i < 2 * BOARD_SERIES; i++)
		own += count(i, i % 3, UINT32_MAX);
	for (unsigned i = 0; i < BOARD_SERIES; i++)
		rows += board.series[i].pair != 0;
	assert_int_equal(rows, own);
	assert_int_equal(board.head->series_used, own);
	assert_in_range(own, SERIES_MAX - SERIES_MAX / 20, SERIES_MAX);
	assert_int_equal(board.series[BOARD_SERIES].successes, 2 * BOARD_SERIES - own);
}

/* Killed between taking a row and writing the names: the next one writes them. */
static void test_a_row_without_names(void **state)
{
	(void)state;
	assert_true(count(1, 10, 100));
	struct board_series *row = (struct board_series *)row_of(1, 10);
	for (unsigned i = 0; i < COUNT(row->key); i++)
		row->key[i] = 0;
	row->deployment = 0;
	assert_false(series_is_named(row));
	assert_true(count(1, 10, 100));
	assert_ptr_equal(row_of(1, 10), row);
	assert_true(series_is_named(row));
	assert_int_equal(row->successes, 2);
}

enum { THREADS = 4, EACH = 20000, KEYS = 300, CAP = 200 };

static void *hammer(void *seed)
{
	for (unsigned i = 0; i < EACH; i++)
		count((i * 7 + *(unsigned *)seed) % KEYS, 1, CAP);
	return NULL;
}

static void test_several_at_the_same_time(void **state)
{
	pthread_t threads[THREADS];
	unsigned seeds[THREADS];
	uint64_t sum = 0, rows = 0;
	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		seeds[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &seeds[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i <= BOARD_SERIES; i++) {
		sum += board.series[i].successes;
		rows += board.series[i].pair != 0;
		for (unsigned k = 0; k < i && i < BOARD_SERIES && board.series[i].pair; k++)
			assert_true(board.series[k].pair != board.series[i].pair);
	}
	assert_int_equal(sum, THREADS * EACH);
	assert_int_equal(rows, board.head->series_used);
	assert_in_range(rows, CAP - THREADS, CAP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_pair_has_its_row, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_is_a_pair_too, begin, end),
		cmocka_unit_test_setup_teardown(test_the_cap, begin, end),
		cmocka_unit_test_setup_teardown(test_as_many_as_the_table_takes, begin, end),
		cmocka_unit_test_setup_teardown(test_a_row_without_names, begin, end),
		cmocka_unit_test_setup_teardown(test_several_at_the_same_time, begin, end),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
