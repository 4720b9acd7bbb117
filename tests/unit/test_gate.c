/* SPDX-License-Identifier: MIT
 * test_gate.c - budgets, windows of plans against an exact count, hours. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/gate.h"
#include "common/hash.h"

#define NOW (UINT64_C(1700000000) * NS_PER_S)

static struct board board;

static int make_board(void **state)
{
	int fd;
	(void)state;
	assert_int_equal(board_create(&board, &fd), 0);
	close(fd);
	return 0;
}

static int drop_board(void **state)
{
	(void)state;
	board_unmap(&board);
	return 0;
}

static uint64_t no_wait;

static enum gate_verdict judge(const struct snap_gate *g, uint64_t wall_ns)
{
	return gate_judge(&board, g, wall_ns, &no_wait);
}

static void test_rows_are_found_again(void **state)
{
	uint32_t a, b, again;
	(void)state;
	assert_int_equal(board_place_gate(&board, 7, &a), 0);
	assert_int_equal(board_place_gate(&board, 7 + BOARD_GATES, &b), 0);
	assert_int_not_equal(a, b);
	assert_int_equal(board_place_gate(&board, 7 + BOARD_GATES, &again), 0);
	assert_int_equal(again, b);
	for (uint64_t i = 0; i < BOARD_GATES - 2; i++)
		assert_int_equal(board_place_gate(&board, 100000 + i, &a), 0);
	assert_int_equal(board_place_gate(&board, 5, &a), -ENOSPC);
}

static void test_a_budget_is_what_is_booked_and_what_is_not(void **state)
{
	struct snap_gate g = { .kind = GATE_BUDGET, .row = 3, .limit = 100 };
	struct board_gate *row = &board.gates[3];
	uint64_t wait = 0;
	(void)state;
	assert_int_equal(judge(&g, NOW), GATE_OPEN);
	atomic_store(&row->booked, 60);
	atomic_store(&row->words[2], 30);
	atomic_store(&row->words[63], 9);
	atomic_store(&row->until_ns, NOW + 5);
	assert_int_equal(judge(&g, NOW), GATE_OPEN);
	atomic_fetch_add(&row->words[0], 1);
	assert_int_equal(gate_judge(&board, &g, NOW, &wait), GATE_SPENT);
	assert_int_equal(wait, 5);
	/* Booked before its worker counted it: no more than what is there. */
	atomic_fetch_add(&row->booked, 40);
	atomic_fetch_sub(&row->words[5], 40);
	assert_int_equal(gate_used(&board, &g, NOW), 100);
	atomic_store(&row->booked, -500);
	assert_int_equal(gate_used(&board, &g, NOW), 0);
}

/* Against every single use: never open where the window is full, and closed only where it is, or
 * was a sixtieth of it ago. */
static void test_a_window_rolls(void **state)
{
	enum { USES = 4000, LIMIT = 50 };
	static uint64_t at[USES];
	struct snap_gate g = { .kind = GATE_REQUESTS, .row = 9, .limit = LIMIT,
			       .span_ns = 600 * NS_PER_S, .factor_milli = 1000 };
	uint64_t now = NOW;
	unsigned n = 0, refused = 0;
	(void)state;
	while (n < USES) {
		unsigned strict = 0, loose = 0;
		uint64_t wait = 0;
		now += hash_random_below(20 * NS_PER_S);
		for (unsigned i = 0; i < n; i++) {
			strict += at[i] > now - g.span_ns;
			loose += at[i] > now - g.span_ns - g.span_ns / 60;
		}
		if (gate_judge(&board, &g, now, &wait) == GATE_OPEN) {
			assert_true(strict < LIMIT);
			gate_plan_add(&board.gates[9], &g, now, 1);
			at[n++] = now;
		} else {
			assert_true(loose >= LIMIT && wait > 0 && wait <= g.span_ns + g.span_ns / 60);
			assert_int_equal(judge(&g, now + wait), GATE_OPEN);
			refused++;
		}
	}
	assert_true(refused > USES / 10);
}

/* Taken, and not judged first and counted later: exactly what fits, and there is room when it was
 * said that there would be. */
static void test_taking_is_exact(void **state)
{
	enum { USES = 3000, LIMIT = 50 };
	static struct { uint64_t at, n; } took[USES];
	struct snap_gate g = { .kind = GATE_TOKENS, .limit = LIMIT, .span_ns = 600 * NS_PER_S,
			       .factor_milli = 1000 };
	struct board_gate *row = &board.windows[5];
	uint64_t now = NOW, bucket = g.span_ns / 60;
	unsigned n = 0, refused = 0;
	(void)state;
	while (n < USES) {
		struct gate_hold hold;
		uint64_t cost = 1 + hash_random_below(9), sum = 0, wait = 0;
		now += hash_random_below(40 * NS_PER_S);
		for (unsigned i = 0; i < n; i++)	/* of this bucket and the sixty before */
			sum += took[i].at / bucket + 60 >= now / bucket ? took[i].n : 0;
		assert_int_equal(gate_plan_used(row, &g, now), sum);
		if (gate_take(row, &g, now, cost, &hold, &wait)) {
			assert_true(sum + cost <= LIMIT);
			took[n].at = now;
			took[n++].n = cost;
			continue;
		}
		refused++;
		assert_true(sum + cost > LIMIT && wait > 0 && wait <= g.span_ns + bucket);
		struct board_gate then = *row;		/* where time has gone on, and nothing else */
		assert_false(gate_take(&then, &g, now + wait - 1, cost, &hold, &(uint64_t){ 0 }));
		assert_true(gate_take(&then, &g, now + wait, cost, &hold, &(uint64_t){ 0 }));
	}
	assert_true(refused > USES / 10);
}

static void test_a_fixed_window_begins_anew(void **state)
{
	/* 2023-11-14 was a Tuesday; weeks begin on Monday, days at midnight. */
	const uint64_t day = 24 * 3600 * NS_PER_S, midnight = NOW / day * day;
	struct snap_gate g = { .kind = GATE_REQUESTS, .limit = 2, .span_ns = day,
			       .factor_milli = 1000, .is_fixed = 1 };
	struct board_gate *row = &board.windows[6];
	struct gate_hold hold;
	uint64_t wait = 0;
	(void)state;
	assert_true(gate_take(row, &g, midnight - 1, 1, &hold, &wait));
	assert_true(gate_take(row, &g, midnight - 1, 1, &hold, &wait));
	assert_false(gate_take(row, &g, midnight - 7, 1, &hold, &wait));
	assert_int_equal(wait, 7);
	assert_int_equal(gate_plan_used(row, &g, midnight - 1), 2);
	assert_int_equal(gate_plan_used(row, &g, midnight), 0);
	assert_true(gate_take(row, &g, midnight, 1, &hold, &wait));
	assert_true(gate_take(row, &g, midnight + day - 1, 1, &hold, &wait));
	assert_false(gate_take(row, &g, midnight + day - 1, 1, &hold, &wait));
	assert_int_equal(gate_plan_begin(&g, midnight + 5), midnight);
	g.span_ns = 7 * day;
	assert_int_equal(gate_plan_begin(&g, NOW), midnight - day);
	g.is_fixed = 0;
	assert_true(gate_plan_begin(&g, NOW) <= NOW - 7 * day);
}

static void test_what_was_taken_is_corrected(void **state)
{
	struct snap_gate g = { .kind = GATE_TOKENS, .limit = 100, .span_ns = 60 * NS_PER_S,
			       .factor_milli = 2000 };
	struct board_gate *row = &board.windows[7];
	struct gate_hold hold, large;
	uint64_t wait = 0;
	(void)state;
	assert_true(gate_take(row, &g, NOW, 30, &hold, &wait));		/* each counts twice */
	assert_int_equal(gate_plan_used(row, &g, NOW), 60);
	gate_correct(row, &g, &hold, NOW + 5 * NS_PER_S, 10);
	assert_int_equal(gate_plan_used(row, &g, NOW + 5 * NS_PER_S), 20);
	gate_correct(row, &g, &(struct gate_hold){ .number = hold.number, .amount = 20 },
		     NOW + 5 * NS_PER_S, 70);				/* more than there is room */
	assert_int_equal(gate_plan_used(row, &g, NOW + 5 * NS_PER_S), 140);
	assert_false(gate_take(row, &g, NOW + 5 * NS_PER_S, 1, &hold, &wait));
	assert_int_equal(wait, 61 * NS_PER_S);		/* what was too much came with this bucket */
	/* What is larger than the limit fits into an empty window, and nothing beside it. */
	assert_true(gate_take(row, &g, NOW + 100 * NS_PER_S, 500, &large, &wait));
	assert_false(gate_take(row, &g, NOW + 101 * NS_PER_S, 1, &hold, &wait));
	/* Gone from the window long since: nothing is given back where others count now. */
	assert_true(gate_take(row, &g, NOW + 164 * NS_PER_S, 5, &hold, &wait));
	gate_correct(row, &g, &large, NOW + 164 * NS_PER_S, 0);
	assert_int_equal(gate_plan_used(row, &g, NOW + 164 * NS_PER_S), 10);
}

/* Somebody's clock is a bucket ahead: what was taken there counts here. */
static void test_clocks_that_differ(void **state)
{
	struct snap_gate g = { .kind = GATE_REQUESTS, .limit = 3, .span_ns = 60 * NS_PER_S,
			       .factor_milli = 1000 };
	struct board_gate *row = &board.windows[8];
	struct gate_hold hold;
	uint64_t wait = 0;
	(void)state;
	assert_true(gate_take(row, &g, NOW + NS_PER_S, 2, &hold, &wait));
	assert_true(gate_take(row, &g, NOW, 1, &hold, &wait));
	assert_false(gate_take(row, &g, NOW, 1, &hold, &wait));
	assert_false(gate_take(row, &g, NOW + NS_PER_S, 1, &hold, &wait));
}

static void test_windows_are_given_back(void **state)
{
	uint32_t a, b, c, d;
	bool is_new;
	(void)state;
	assert_int_equal(board_place_window(&board, 7, NOW, &a, &is_new), 0);
	assert_true(is_new);
	assert_int_equal(board_place_window(&board, 7 + BOARD_WINDOWS, NOW, &b, &is_new), 0);
	assert_true(is_new && a != b);
	atomic_store(&board.windows[a].words[3], 9);
	atomic_store(&board.windows[b].words[3], 9);
	assert_int_equal(board_place_window(&board, 7, NOW, &c, &is_new), 0);
	assert_true(!is_new && c == a && atomic_load(&board.windows[a].words[3]) == 9);
	board_free_window(&board, a, NOW);
	/* Found again behind the one that is gone, whose place is nobody's for a while. */
	assert_int_equal(board_place_window(&board, 7 + BOARD_WINDOWS, NOW, &c, &is_new), 0);
	assert_true(!is_new && c == b);
	assert_int_equal(board_place_window(&board, 7, NOW + BOARD_GONE_NS - 1, &d, &is_new), 0);
	assert_true(is_new && d != a && d != b);
	assert_int_equal(board_place_window(&board, 7 + 2 * (uint64_t)BOARD_WINDOWS,
					    NOW + BOARD_GONE_NS, &d, &is_new), 0);
	assert_true(is_new && d == a && atomic_load(&board.windows[a].words[3]) == 0);
}

static void test_units_and_factors(void **state)
{
	struct snap_gate g = { .kind = GATE_REQUESTS, .row = 1, .limit = 3, .span_ns = NS_PER_S,
			       .factor_milli = 500 };
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		gate_plan_add(&board.gates[1], &g, NOW, 1);
	assert_int_equal(judge(&g, NOW), GATE_OPEN);	/* two and a half */
	gate_plan_add(&board.gates[1], &g, NOW, 1);
	assert_int_equal(judge(&g, NOW), GATE_USED_UP);
	assert_int_equal(gate_used(&board, &g, NOW), 3);
	g = (struct snap_gate){ .kind = GATE_COST, .row = 2, .limit = 5000000000, .span_ns = NS_PER_S,
				.factor_milli = 2000 };
	gate_plan_add(&board.gates[2], &g, NOW, 2000000000);
	assert_int_equal(gate_used(&board, &g, NOW), 4000000000);
	assert_int_equal(judge(&g, NOW), GATE_OPEN);
	gate_plan_add(&board.gates[2], &g, NOW, INT64_MAX);	/* stays in its bounds */
	assert_int_equal(judge(&g, NOW), GATE_USED_UP);
	assert_int_equal(judge(&g, NOW + 2 * NS_PER_S), GATE_OPEN);
}

static void test_hours_turn_by_themselves(void **state)
{
	struct snap_gate g = { .kind = GATE_HOURS, .row = 4 };
	_Atomic uint64_t *hours = &board.gates[4].hours;
	uint64_t change = (NOW + 10 * NS_PER_S) & ~UINT64_C(1), wait = 0;
	(void)state;
	assert_int_equal(judge(&g, NOW), GATE_CLOSED);		/* not worked out yet, or never */
	atomic_store(hours, 1);
	assert_int_equal(judge(&g, NOW), GATE_OPEN);		/* always */
	atomic_store(hours, change | 1);
	assert_int_equal(judge(&g, change - 1), GATE_OPEN);
	assert_int_equal(judge(&g, change), GATE_CLOSED);
	atomic_store(hours, change);
	assert_int_equal(gate_judge(&board, &g, change - 7, &wait), GATE_CLOSED);
	assert_int_equal(wait, 7);
	assert_int_equal(judge(&g, change), GATE_OPEN);
}

static void test_all_gates_of_a_deployment(void **state)
{
	struct snap_build *b = snap_build_new();
	struct snap_gate gates[3] = {
		{ .kind = GATE_BUDGET, .row = 1, .limit = 10 },
		{ .kind = GATE_TOKENS, .row = 2, .limit = 10, .span_ns = NS_PER_S,
		  .factor_milli = 1000 },
		{ .kind = GATE_REQUESTS, .row = 3, .limit = 2, .span_ns = NS_PER_S,
		  .factor_milli = 1000 },
	};
	struct snap_deployment row = { .flags = DEPLOY_GATED };
	struct snap *s;
	uint64_t wait;
	int fd;
	(void)state;
	row.gates = snap_build_gates(b, gates, 3);
	snap_build_deployment(b, &row);
	assert_int_equal(snap_build_seal(b, 1, &fd), 0);
	snap_build_free(b);
	assert_int_equal(snap_map(fd, &s), 0);
	const struct snap_deployment *d = snap_deployment(s, 0);
#define CHECK() gate_check(&(struct gate_look){ .snap = s, .board = &board, .wall_ns = NOW }, d, &wait)
	assert_int_equal(CHECK(), GATE_OPEN);
	gate_asked(&board, s, d, NOW);
	gate_answered(&board, s, d, 4, 3, NOW);
	gate_spent(&board, s, d, 5, 3);
	assert_int_equal(atomic_load(&board.gates[1].words[5]), 3);
	assert_int_equal(CHECK(), GATE_OPEN);
	gate_asked(&board, s, d, NOW);
	assert_int_equal(CHECK(), GATE_USED_UP);
	gate_spent(&board, s, d, 6, 7);
	assert_int_equal(CHECK(), GATE_SPENT);		/* the first one tells */
	snap_unref(s);
}

/* A request pays for each of its tags that has a budget, once, and the first that is spent tells. */
static void test_budgets_of_tags(void **state)
{
	static const struct str tags[] = { { "a", 1 }, { "free", 4 }, { "a", 1 }, { "b", 1 } };
	struct snap_build *b = snap_build_new();
	struct snap_gate gates[2] = { { .kind = GATE_BUDGET, .row = 11, .limit = 10 },
				      { .kind = GATE_BUDGET, .row = 12, .limit = 5 } };
	struct snap *s;
	uint64_t wait = 0;
	int fd;
	(void)state;
	gates[0].name = snap_build_text(b, STR("a"));
	gates[1].name = snap_build_text(b, STR("b"));
	snap_build_settings(b)->tag_budgets = snap_build_gates(b, gates, 2);
	assert_int_equal(snap_build_seal(b, 1, &fd), 0);
	snap_build_free(b);
	assert_int_equal(snap_map(fd, &s), 0);
	assert_null(gate_spent_tag(&board, s, tags, 4, NOW, &wait));
	gate_tags_spent(&board, s, tags, 3, 7, 9);
	assert_int_equal(atomic_load(&board.gates[11].words[7]), 9);
	assert_int_equal(atomic_load(&board.gates[12].words[7]), 0);
	assert_null(gate_spent_tag(&board, s, tags, 4, NOW, &wait));
	gate_tags_spent(&board, s, tags, 4, 8, 5);
	atomic_store(&board.gates[11].until_ns, NOW + 3);
	assert_ptr_equal(gate_spent_tag(&board, s, tags, 4, NOW, &wait), snap_tag_budgets(s));
	assert_int_equal(wait, 3);
	assert_ptr_equal(gate_spent_tag(&board, s, &tags[3], 1, NOW, &wait), snap_tag_budgets(s) + 1);
	assert_null(gate_spent_tag(&board, s, &tags[1], 1, NOW, &wait));
	assert_null(gate_spent_tag(&board, s, tags, 0, NOW, &wait));
	snap_unref(s);
}

/* What is no budget is none of a tag. */
static void test_bad_budgets_of_tags_are_not_mapped(void **state)
{
	static const struct snap_gate bad[] = { { .kind = GATE_HOURS },
						{ .kind = GATE_BUDGET, .row = BOARD_GATES } };
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct snap_build *b = snap_build_new();
		int fd = -1;
		snap_build_settings(b)->tag_budgets = snap_build_gates(b, &bad[i], 1);
		assert_int_equal(snap_build_seal(b, 1, &fd), -EBADMSG);
		snap_build_free(b);
	}
}

/* A gate without its flag, of no kind or nowhere on the board is no snapshot. */
static void test_bad_gates_are_not_mapped(void **state)
{
	static const struct {
		struct snap_gate g;
		uint32_t flags;
		bool is_good;
	} rows[] = {
		{ { .kind = GATE_BUDGET }, DEPLOY_GATED, true },
		{ { .kind = GATE_BUDGET }, 0, false },
		{ { .kind = GATE_KINDS }, DEPLOY_GATED, false },
		{ { .kind = GATE_BUDGET, .row = BOARD_GATES }, DEPLOY_GATED, false },
		{ { .kind = GATE_TOKENS, .span_ns = 59 }, DEPLOY_GATED, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct snap_build *b = snap_build_new();
		struct snap_deployment row = { .flags = rows[i].flags };
		int fd = -1;
		row.gates = snap_build_gates(b, &rows[i].g, 1);
		snap_build_deployment(b, &row);
		assert_int_equal(snap_build_seal(b, 1, &fd), rows[i].is_good ? 0 : -EBADMSG);
		if (fd >= 0)
			close(fd);
		snap_build_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, make_board, drop_board)
		T(test_rows_are_found_again),
		T(test_a_budget_is_what_is_booked_and_what_is_not),
		T(test_a_window_rolls),
		T(test_taking_is_exact),
		T(test_a_fixed_window_begins_anew),
		T(test_what_was_taken_is_corrected),
		T(test_clocks_that_differ),
		T(test_windows_are_given_back),
		T(test_units_and_factors),
		T(test_hours_turn_by_themselves),
		T(test_all_gates_of_a_deployment),
		T(test_bad_gates_are_not_mapped),
		T(test_budgets_of_tags),
		T(test_bad_budgets_of_tags_are_not_mapped),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
