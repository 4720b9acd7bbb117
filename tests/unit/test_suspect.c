/* SPDX-License-Identifier: MIT
 * test_suspect.c - who crashes workers is refused from the second time on, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/suspect.h"

static struct board board;
static int board_fd = -1;

static int setup(void **st)
{
	(void)st;
	return hash_init() < 0 ? -1 : board_create(&board, &board_fd);
}

static int teardown(void **st)
{
	(void)st;
	board_unmap(&board);
	return close(board_fd);
}

static int clear(void **st)
{
	(void)st;
	suspect_clear(&board);
	return 0;
}

static bool crash(uint64_t print, uint64_t now, struct board_suspect *ret)
{
	struct board_worker *w = &board.workers[0];
	atomic_store(&w->print, print);
	atomic_store(&w->print_key, 7);
	return suspect_crashed(&board, w, now, 42, ret);
}

static void test_prints(void **st)
{
	(void)st;
	uint64_t a = suspect_print(&board, 1, STR("/v1/x"), STR("{}"));
	assert_true(a != 0);
	assert_true(a == suspect_print(&board, 1, STR("/v1/x"), STR("{}")));
	assert_true(a != suspect_print(&board, 2, STR("/v1/x"), STR("{}")));
	assert_true(a != suspect_print(&board, 1, STR("/v1/y"), STR("{}")));
	assert_true(a != suspect_print(&board, 1, STR("/v1/x"), STR("{ }")));
	assert_true(suspect_print(&board, 1, STR("ab"), STR("c")) !=
		    suspect_print(&board, 1, STR("a"), STR("bc")));
}

static void test_a_watch_is_opened_by_the_first_crash(void **st)
{
	struct board_suspect who = { 0 };
	const uint64_t t = 5 * NS_PER_S;
	(void)st;
	assert_false(suspect_watch(&board, t));
	assert_false(crash(0, t, &who));
	assert_true(suspect_watch(&board, t));
	assert_true(suspect_watch(&board, t + SUSPECT_WATCH_NS - 1));
	assert_false(suspect_watch(&board, t + SUSPECT_WATCH_NS));
	assert_true(suspect_refuses(&board, 9, t) == 0);
}

/* Two workers have crashed before the master has heard of either. */
static void test_two_at_once(void **st)
{
	struct board_suspect who = { 0 };
	(void)st;
	assert_false(crash(9, NS_PER_S, &who));
	assert_true(suspect_refuses(&board, 9, NS_PER_S) == 0);
	assert_true(crash(9, NS_PER_S, &who));
	assert_int_equal(who.crashes, 2);
	assert_int_equal(suspect_refuses(&board, 9, NS_PER_S), 61);
}

/* What is noted outlives the watch, but is no reason yet to refuse another. */
static void test_noted_and_nothing_more(void **st)
{
	struct board_suspect who = { 0 };
	uint64_t t = NS_PER_S;
	(void)st;
	assert_false(crash(9, t, &who));
	t += SUSPECT_WATCH_NS;
	assert_false(crash(8, t, &who));
	assert_true(suspect_refuses(&board, 8, t) == 0 && suspect_refuses(&board, 9, t) == 0);
	assert_true(crash(9, t + SUSPECT_WATCH_NS, &who));
}

static void test_longer_each_time(void **st)
{
	static const uint64_t seconds[] = { 60, 60, 240, 960, 3600, 3600, 3600 };
	struct board_suspect who = { 0 };
	uint64_t t = NS_PER_S;
	(void)st;
	assert_false(crash(0, t, &who));
	for (unsigned i = 0; i < COUNT(seconds); i++) {
		assert_true(crash(9, t, &who));
		assert_int_equal(who.crashes, i + 1);
		assert_int_equal(who.key_id, 7);
		assert_true(who.until_ns == t + seconds[i] * NS_PER_S);
		assert_int_equal(suspect_refuses(&board, 9, t + 1), seconds[i]);
		assert_true(suspect_refuses(&board, 8, t + 1) == 0);
		t = who.until_ns;
		assert_true(suspect_refuses(&board, 9, t) == 0);
		/* It comes again, and would be known. */
		assert_true(suspect_watch(&board, t + SUSPECT_WATCH_NS - 1));
	}
	assert_int_equal(atomic_load(&board.suspects[0].refused), COUNT(seconds));
	assert_true(atomic_load(&board.workers[0].print) == 0);
}

static void test_a_full_table_forgets_the_oldest(void **st)
{
	struct board_suspect who;
	(void)st;
	assert_false(crash(0, NS_PER_S, &who));
	for (uint64_t i = 1; i <= BOARD_SUSPECTS + 1; i++)
		assert_true(crash(i, i * NS_PER_S, &who));
	assert_true(suspect_refuses(&board, 1, 50 * NS_PER_S) == 0);
	for (uint64_t i = 2; i <= BOARD_SUSPECTS + 1; i++)
		assert_true(suspect_refuses(&board, i, 50 * NS_PER_S) > 0);
}

/* The board is everybody's: a word that nobody of ours wrote refuses nobody for ever. */
static void test_a_damaged_row(void **st)
{
	(void)st;
	atomic_store(&board.suspects[3].print, 5);
	atomic_store(&board.suspects[3].until_ns, UINT64_MAX);
	assert_true(suspect_refuses(&board, 5, NS_PER_S) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_prints, clear),
		cmocka_unit_test_setup(test_a_watch_is_opened_by_the_first_crash, clear),
		cmocka_unit_test_setup(test_two_at_once, clear),
		cmocka_unit_test_setup(test_noted_and_nothing_more, clear),
		cmocka_unit_test_setup(test_longer_each_time, clear),
		cmocka_unit_test_setup(test_a_full_table_forgets_the_oldest, clear),
		cmocka_unit_test_setup(test_a_damaged_row, clear),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
