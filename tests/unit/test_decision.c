/* SPDX-License-Identifier: MIT
 * test_decision.c - explanations on the board: found by call id, bounded, gone when overwritten. */
#include "common/decision.h"
#include "tests/unit/route_plan.h"

static struct board_decision found;

static struct str call(unsigned n)
{
	static char text[32];
	return str_of(text, (size_t)snprintf(text, sizeof text, "call-%u", n));
}

static void decide(struct decision *d, uint32_t worker, struct str id)
{
	struct route_query q = query();
	struct route_choice c;
	route_pick(&q, &c);
	decision_choice(d, &board, worker, id, &q, &c);
}

static void test_what_is_kept(void **state)
{
	struct decision d = { 0 };
	(void)state;
	plan(20);
	cool(1);
	seal();
	decide(&d, 3, call(1));
	decision_attempt(&d, 7, "UP_TIMEOUT", 504, 1500000000);
	decision_attempt(&d, 8, "AN_OUTCOME_WITH_A_LONG_NAME", 0, UINT64_MAX);
	assert_false(decision_find(&board, call(2), &found));
	assert_true(decision_find(&board, call(1), &found));
	assert_string_equal(found.call_id, "call-1");
	assert_string_equal(found.group, "g");
	assert_int_equal(found.n_candidates, 20);
	assert_int_equal(found.candidates[1].row, 1);
	assert_int_equal(found.candidates[1].reason, ROUTE_COOLING);
	assert_int_equal(found.candidates[0].reason, ROUTE_WELL);
	assert_int_equal(atomic_load(&found.n_attempts), 2);
	assert_int_equal(found.attempts[0].ms, 1500);
	assert_int_equal(found.attempts[0].status, 504);
	assert_string_equal(found.attempts[0].outcome, "UP_TIMEOUT");
	assert_memory_equal(found.attempts[1].outcome, "AN_OUTCOME_WITH_A_LO", 20);
	assert_int_equal(found.attempts[1].ms, UINT32_MAX);
	/* The first choice in a group stays; more attempts than there is room for do not. */
	cool(0);
	decide(&d, 3, call(1));
	for (unsigned i = 0; i < 20; i++)
		decision_attempt(&d, i, "OK", 200, 1);
	assert_true(decision_find(&board, call(1), &found));
	assert_int_equal(found.candidates[0].reason, ROUTE_WELL);
	assert_int_equal(atomic_load(&found.n_attempts), DECISION_ATTEMPTS);
}

static void test_the_ring_goes_round(void **state)
{
	struct decision old = { 0 };
	(void)state;
	plan(3);
	seal();
	decide(&old, 0, call(0));
	for (unsigned i = 1; i < BOARD_DECISIONS + 3; i++) {
		struct decision d = { 0 };
		decide(&d, 0, call(i));
	}
	/* What is overwritten is gone, and its request writes no more. */
	decision_attempt(&old, 1, "OK", 200, 1);
	decide(&old, 0, call(0));
	for (unsigned i = 0; i < BOARD_DECISIONS + 3; i++)
		assert_int_equal(decision_find(&board, call(i), &found), i > 2);
	assert_int_equal(atomic_load(&found.n_attempts), 0);
	/* The newer of two that call themselves the same. */
	struct decision d = { 0 };
	decision_begin(&d, &board, 9, STR("same"), 5);
	d = (struct decision){ 0 };
	decision_begin(&d, &board, 2, STR("same"), 6);
	assert_true(decision_find(&board, STR("same"), &found));
	assert_int_equal(found.started_wall_ns, 6);
}

static void test_long_ids(void **state)
{
	char text[200];
	struct decision d = { 0 };
	(void)state;
	plan(2);
	seal();
	memset(text, 'x', sizeof text);
	decide(&d, 0, str_of(text, sizeof text));
	assert_true(decision_find(&board, str_of(text, sizeof text), &found));
	assert_false(decision_find(&board, str_of(text, sizeof text - 1), &found));
	assert_memory_equal(found.call_id, text, sizeof found.call_id);
}

/* Printed and not judged. */
static void test_what_it_costs(void **state)
{
	enum { TIMES = 200000 };
	struct route_choice c;
	(void)state;
	plan(4);
	seal();
	struct route_query q = query();
	route_pick(&q, &c);
	uint64_t from = clock_ns();
	for (unsigned i = 0; i < TIMES; i++) {
		struct decision d = { 0 };
		decision_choice(&d, &board, 0, STR("0f8fad5b-d9cb-469f-a165-70867728950e"), &q, &c);
		decision_attempt(&d, 1, "OK", 200, 5);
	}
	print_message("a decision among four: %llu ns\n",
		      (unsigned long long)((clock_ns() - from) / TIMES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_kept),
		cmocka_unit_test(test_the_ring_goes_round),
		cmocka_unit_test(test_long_ids),
		cmocka_unit_test(test_what_it_costs),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
