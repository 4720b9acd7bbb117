/* SPDX-License-Identifier: MIT
 * test_keys_sums.c - sums on the board that are not the database's, and when they are set right. */
#include "keys_fixture.h"

#include "common/budget.h"

enum { CREATE };
const struct command commands[] = {
	[CREATE] = CALL("keys create", "POST", "/key/generate", ROLE_ADMIN, keys_generate, NULL),
};
const size_t commands_count = COUNT(commands);

static struct board_entity *entity(uint64_t id)
{
	uint32_t at;
	assert_true(entities_find(&w.m.keys->entities, id, &at));
	return &w.m.board.entities[at];
}

static void tick(void)
{
	keys_sums_tick(w.m.keys);
	store_drain(w.p.store);
}

/* Two keys that have spent, and a first look at them. */
static void begin_sums(void)
{
	need(CREATE, "{\"key\":\"sk-a\",\"spend\":2}");
	need(CREATE, "{\"key\":\"sk-b\",\"spend\":3}");
	assert_int_equal(entity(ENTITY_KEY | 1)->settled, 2000000000);
	tick();
}

static void test_what_is_right_stays(void **st)
{
	(void)st;
	begin_sums();
	for (int i = 0; i < 6; i++)
		tick();
	assert_int_equal(entity(ENTITY_KEY | 1)->settled, 2000000000);
	assert_int_equal(entity(ENTITY_KEY | 2)->settled, 3000000000);
}

/* Too much, too little, and what no sum can be: right again behind the second look. */
static void test_a_flipped_bit(void **st)
{
	static const int64_t flips[] = { INT64_C(1) << 40, INT64_C(1) << 30, 1, INT64_MIN,
					 INT64_C(1) << 62, 2000000000 };
	(void)st;
	begin_sums();
	struct board_entity *e = entity(ENTITY_KEY | 1);
	for (size_t i = 0; i < COUNT(flips); i++) {
		atomic_store(&e->settled, atomic_load(&e->settled) ^ flips[i]);
		for (int n = 0; n < 4 && e->settled != 2000000000; n++)
			tick();
		assert_int_equal(e->settled, 2000000000);
		tick();
	}
	assert_int_equal(entity(ENTITY_KEY | 2)->settled, 3000000000);
}

/* Between journal and board, or by a command: nothing is wrong with it a second later. */
static void test_what_moves_is_left_alone(void **st)
{
	(void)st;
	begin_sums();
	struct board_entity *e = entity(ENTITY_KEY | 1);
	place_exec(&w.p, "UPDATE keys SET spend = 2500000000 WHERE id = 1");
	tick();
	assert_int_equal(e->settled, 2000000000);
	atomic_store(&e->settled, 2500000000);
	tick();
	tick();
	assert_int_equal(e->settled, 2500000000);
	w.m.keys->is_resetting = true;
	place_exec(&w.p, "UPDATE keys SET spend = 0 WHERE id = 1");
	for (int i = 0; i < 4; i++)
		tick();
	assert_int_equal(e->settled, 2500000000);
	w.m.keys->is_resetting = false;
	for (int i = 0; i < 4; i++)
		tick();
	assert_int_equal(e->settled, 0);
}

/* The board is ahead of the database for as long as a journal is not booked. */
static void test_journals_are_waited_for(void **st)
{
	(void)st;
	begin_sums();
	struct board_entity *e = entity(ENTITY_KEY | 1);
	struct board_worker *worker = &w.m.board.workers[1];
	atomic_store(&worker->state, WORKER_READY);
	atomic_store(&worker->journal_last, 7);
	atomic_store(&e->settled, 2000000009);
	for (int i = 0; i < 12; i++)
		tick();
	assert_int_equal(e->settled, 2000000009);
	atomic_store(&worker->journal_committed, 7);
	atomic_store(&worker->state, WORKER_GONE);	/* not all that it left is booked */
	for (int i = 0; i < 12; i++)
		tick();
	assert_int_equal(e->settled, 2000000009);
	place_exec(&w.p, "UPDATE keys SET spend = 2000000009 WHERE id = 1");
	atomic_store(&worker->state, WORKER_READY);
	for (int i = 0; i < 4; i++)
		tick();
	assert_int_equal(e->settled, 2000000009);
	atomic_store(&e->settled, 5);
	for (int i = 0; i < 4; i++)
		tick();
	assert_int_equal(e->settled, 2000000009);
}

/* Whoever spends all the time is off by what was spent in between, at most. */
static void test_a_key_in_use(void **st)
{
	enum { STEP = 1000 };
	int64_t booked = 2000000000;
	(void)st;
	begin_sums();
	struct board_entity *e = entity(ENTITY_KEY | 1);
	for (int i = 0; i < 20; i++) {
		char text[96];
		if (i == 6)
			atomic_store(&e->settled, atomic_load(&e->settled) ^ INT64_C(1) << 45);
		if (i == 12)
			atomic_store(&e->settled, atomic_load(&e->settled) ^ INT64_C(1) << 30);
		snprintf(text, sizeof text, "UPDATE keys SET spend = %lld WHERE id = 1",
			 (long long)(booked += STEP));
		atomic_store(&e->settled, atomic_load(&e->settled) + STEP);
		place_exec(&w.p, text);
		tick();
		if ((i >= 6 && i < 9) || (i >= 12 && i < 15))
			continue;
		assert_true(e->settled >= booked && e->settled <= booked + 2 * STEP);
	}
}

static void test_what_is_set_aside(void **st)
{
	static const uint8_t id[16] = "held";
	struct budget_claim c;
	enum budget_verdict v;
	uint32_t level, at;
	int64_t left;
	(void)st;
	begin_sums();
	assert_true(entities_find(&w.m.keys->entities, ENTITY_KEY | 2, &at));
	struct board_entity *e = &w.m.board.entities[at];
	struct budget_level l = { .entity = at, .max_nano = INT64_C(9000000000) };
	struct budget_pool *p = budget_pool_new(&w.m.board, 0);
	assert_int_equal(budget_admit(p, &l, 1, 500, id, &c, &v, &level, &left), 0);
	tick();
	assert_true(e->reserved == 500 && e->parallel == 1);
	atomic_store(&e->reserved, 500 | INT64_C(1) << 50);
	tick();
	assert_true(e->reserved == 500 && e->parallel == 1);
	atomic_store(&e->parallel, 1025);
	tick();
	assert_true(e->reserved == 500 && e->parallel == 1);
	budget_settle(p, &c, 0);
	atomic_store(&e->reserved, INT64_MIN);
	tick();
	assert_true(e->reserved == 0 && e->parallel == 0);
	budget_pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_what_is_right_stays),
		T(test_a_flipped_bit),
		T(test_what_moves_is_left_alone),
		T(test_journals_are_waited_for),
		T(test_a_key_in_use),
		T(test_what_is_set_aside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
