/* SPDX-License-Identifier: MIT
 * test_keys_load.c - start with more keys than two threads have in hand at once: all of them are
 * there, in whatever order those come that need the database, and what fails is told. */
#include "keys_fixture.h"

#include "master/teams.h"

enum { CREATE, TEAM, MANY = 700 };
const struct command commands[] = {
	[CREATE] = CALL("keys create", "POST", "/key/generate", ROLE_ADMIN, keys_generate, NULL),
	[TEAM] = CALL("teams create", "POST", "/team/new", ROLE_ADMIN, teams_new, NULL),
};
const size_t commands_count = COUNT(commands);

/* Each tenth has limits for single models, and each 35th windows: these go alone. */
static bool has_models(int i)
{
	return i % 10 == 3;
}

static bool has_windows(int i)
{
	return i % 35 == 0;
}

static void make_many(void)
{
	char args[512];
	need(TEAM, "{\"team_id\":\"crew\",\"max_budget\":5}");
	for (int i = 0; i < MANY; i++) {
		snprintf(args, sizeof args, "{\"key\":\"sk-of-many-%d\",\"rpm_limit\":%d%s%s%s}", i,
			 i + 1, i % 2 ? ",\"team_id\":\"crew\"" : "",
			 has_models(i) ? ",\"model_rpm_limit\":{\"m\":7}" : "",
			 has_windows(i) ? ",\"limit_windows\":[{\"duration\":\"5h\",\"requests\":9}]" : "");
		need(CREATE, args);
	}
}

static void check_many(void)
{
	char text[64];
	struct dir_key k;
	uint64_t seen = 0;
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "sk-of-many-%d", i);
		assert_true(published(text, &k));
		assert_int_equal(k.rpm, i + 1);
		assert_int_equal(str_eq(k.team_id, STR("crew")), i % 2);
		assert_int_equal((k.flags & KEY_MODEL_LIMITS) != 0, has_models(i));
		assert_int_equal((k.flags & KEY_WINDOWS) != 0, has_windows(i));
		seen += k.entity;
	}
	assert_true(seen > 0);
	assert_int_equal(keys_count(w.m.keys), MANY);
}

static void test_all_are_there_after_a_restart(void **st)
{
	(void)st;
	make_many();
	check_many();
	for (int i = 0; i < 2; i++) {
		close_world();
		if (i == 0)
			drop_board();		/* then one that knows them all */
		open_world();
		check_many();
	}
}

/* Whichever allocation of the start fails: it says so, or it has all of them; it never waits for a
 * thread that waits for it. */
static void test_what_fails_is_told(void **st)
{
	(void)st;
	int err = -1;
	make_many();
	for (uint64_t nth = 1; err && nth < 200000; nth += nth < 300 ? 1 : 997) {
		keys_stop(w.m.keys);
		w.m.keys = NULL;
		w.m.dir = dir_free(w.m.dir);
		close(w.m.dir_fd);
		assert_int_equal(dir_create(w.max_keys, &w.m.dir, &w.m.dir_fd), 0);
		uint64_t last = mem_calls() + nth;
		mem_fail_at(nth);
		err = keys_start(w.m.store, w.m.dir, &w.m.board, STR(MASTER), &w.m.keys);
		mem_fail_at(0);
		assert_true(!err || mem_calls() >= last);
	}
	assert_int_equal(err, 0);
	check_many();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_are_there_after_a_restart),
		TEST(test_what_fails_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
