/* SPDX-License-Identifier: MIT
 * test_series.c - names are told apart up to the cap, nothing counted is lost, also when several
 * count at the same time; labels that clients choose take half of the room at most. */
#include "common/series.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
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
	struct series_name name = { .key = key_of(key), .deployment = deployment };
	return series_count(&board, &name, cap,
			    &(struct series_step){ .tokens_in = 3, .tokens_out = 2, .cost_nano = 7 }) ==
	       SERIES_OWN;
}

static bool read_row(unsigned i, struct series_name *ret)
{
	static char room[SERIES_LABELS];
	return series_read(&board.series[i], room, ret);
}

static const struct board_series *row_of(uint64_t key, uint64_t deployment)
{
	struct sha256 want = key_of(key);
	struct series_name have;
	for (unsigned i = 0; i < BOARD_SERIES; i++)
		if (read_row(i, &have) && have.deployment == deployment &&
		    hash_sha256_eq(&have.key, &want))
			return &board.series[i];
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
	struct series_name none = { 0 }, have;
	(void)state;
	assert_int_equal(series_count(&board, &none, 100, &(struct series_step){ .is_failure = true }),
			 SERIES_OWN);
	assert_int_equal(board.head->series_used, 1);
	for (unsigned i = 0; i < BOARD_SERIES; i++)
		assert_int_equal(board.series[i].failures, read_row(i, &have));
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
		rows += board.series[i].name != 0;
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
	struct series_name have;
	for (unsigned i = 0; i < COUNT(row->key); i++)
		row->key[i] = 0;
	row->deployment = 0;
	assert_false(read_row((unsigned)(row - board.series), &have));
	assert_true(count(1, 10, 100));
	assert_ptr_equal(row_of(1, 10), row);
	assert_true(read_row((unsigned)(row - board.series), &have));
	assert_int_equal(row->successes, 2);
}

static enum series_place count_named(struct series_name n, uint32_t cap)
{
	return series_count(&board, &n, cap, &(struct series_step){ .is_failure = n.kind.outcome });
}

static void test_all_of_a_name_tells_apart(void **state)
{
	static const struct series_name names[] = {
		{ .deployment = 1 },
		{ .deployment = 1, .kind = { .outcome = 255 } },
		{ .deployment = 1, .kind = { .fell = 255 } },
		{ .deployment = 1, .kind = { .status = 429 } },
		{ .deployment = 1, .kind = { .is_attempt = true } },
		{ .deployment = 1, .kind = { .route = UINT32_MAX } },
		{ .deployment = 1, .asked = UINT64_MAX },
		{ .deployment = 1, .labels = STR("a=\"1\"") },
		{ .deployment = 1, .labels = STR("a=\"12345\"") },
	};
	struct series_name have;
	unsigned found = 0;
	(void)state;
	for (unsigned i = 0; i < 2 * COUNT(names); i++)
		assert_int_equal(count_named(names[i % COUNT(names)], 100), SERIES_OWN);
	for (unsigned i = 0; i < BOARD_SERIES; i++) {
		if (!read_row(i, &have))
			continue;
		assert_int_equal(board.series[i].successes + board.series[i].failures, 2);
		for (unsigned k = 0; k < COUNT(names); k++)
			found += have.deployment == 1 && have.asked == names[k].asked &&
				 have.kind.outcome == names[k].kind.outcome &&
				 have.kind.fell == names[k].kind.fell &&
				 have.kind.status == names[k].kind.status &&
				 have.kind.is_attempt == names[k].kind.is_attempt &&
				 have.kind.route == names[k].kind.route &&
				 str_eq(have.labels, names[k].labels);
	}
	assert_int_equal(found, COUNT(names));
	assert_int_equal(board.head->series_used, COUNT(names));
	assert_int_equal(board.head->series_labelled, 2);
}

static void test_labels_take_half_of_the_room(void **state)
{
	char text[32];
	uint64_t bare = 0;
	struct series_name n = { .deployment = 1, .labels.p = text }, have;
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		n.labels.n = (size_t)snprintf(text, sizeof text, "end_user=\"%u\"", i);
		assert_int_equal(count_named(n, 20), i < 10 ? SERIES_OWN : SERIES_BARE);
	}
	assert_int_equal(board.head->series_labelled, 10);
	assert_int_equal(board.head->series_used, 11);
	for (unsigned i = 0; i < BOARD_SERIES; i++)
		if (read_row(i, &have) && !have.labels.n)
			bare += board.series[i].successes;
	assert_int_equal(bare, 30);
	for (uint64_t i = 0; i < 9; i++)
		assert_true(count(i, 1, 20));	/* others' keys still have theirs */
	n.labels.n = (size_t)snprintf(text, sizeof text, "end_user=\"3\"");
	assert_int_equal(count_named(n, 20), SERIES_OWN);
}

static void test_labels_of_all_lengths(void **state)
{
	static char text[SERIES_LABELS + 1];
	struct series_name have;
	unsigned found = 0;
	(void)state;
	memset(text, 'x', sizeof text);
	for (size_t n = 1; n <= SERIES_LABELS; n++)
		assert_int_equal(count_named((struct series_name){ .labels = str_of(text, n) }, 1000),
				 SERIES_OWN);
	for (unsigned i = 0; i < BOARD_SERIES; i++)
		found += read_row(i, &have) && have.labels.n && have.labels.n <= SERIES_LABELS;
	assert_int_equal(found, SERIES_LABELS);
	/* What is too long is as if it were not there. */
	count_named((struct series_name){ .labels = str_of(text, sizeof text) }, 1000);
	assert_int_equal(board.head->series_used, SERIES_LABELS + 1);
}

static void test_an_attempt_is_not_counted_as_a_request(void **state)
{
	struct series_name n = { .deployment = 1, .kind = { .is_attempt = true, .outcome = 9 } };
	(void)state;
	assert_true(count(1, 1, 1));
	assert_int_equal(count_named(n, 1), SERIES_OTHER);
	assert_int_equal(board.series[BOARD_SERIES].failures, 0);
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
		rows += board.series[i].name != 0;
		for (unsigned k = 0; k < i && i < BOARD_SERIES && board.series[i].name; k++)
			assert_true(board.series[k].name != board.series[i].name);
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
		cmocka_unit_test_setup_teardown(test_all_of_a_name_tells_apart, begin, end),
		cmocka_unit_test_setup_teardown(test_labels_take_half_of_the_room, begin, end),
		cmocka_unit_test_setup_teardown(test_labels_of_all_lengths, begin, end),
		cmocka_unit_test_setup_teardown(test_an_attempt_is_not_counted_as_a_request, begin,
						end),
		cmocka_unit_test_setup_teardown(test_several_at_the_same_time, begin, end),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
