/* SPDX-License-Identifier: MIT
 * test_keys_models.c - limits of keys and teams for single models: in the database, the directory
 * and on the board, as they come, change, go, and survive. */
#include "keys_table.h"

#include "common/budget.h"
#include "common/model_limit.h"

static bool limit_of(const char *key, const char *model, struct model_limit *ret)
{
	struct dir_key k;
	assert_true(published(key, &k));
	assert_int_equal(!k.model_limits.n, !(k.flags & KEY_MODEL_LIMITS));
	return model_limit_find(k.model_limits, str_z(model), ret);
}

static struct board_entity *entity_of(const struct model_limit *l)
{
	return &w.m.board.entities[l->entity];
}

static int64_t rows(const char *more)
{
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM model_limits %s", more);
	return place_number(&w.p, sql);
}

static void test_all_three_kinds(void **st)
{
	struct model_limit l;
	(void)st;
	clock_set(1, UINT64_C(1767225600) * NS_PER_S);	/* 2026-01-01 */
	need(CREATE, "{\"key\":\"sk-with-all-three-kinds\",\"model_rpm_limit\":{\"a\":5,\"b\":null},"
		     "\"model_tpm_limit\":{\"a\":100,\"c\":7},\"model_max_budget\":{\"c\":"
		     "{\"budget_limit\":\"1.5\",\"time_period\":\"30d\",\"tpm_limit\":6},\"d\":2}}");
	assert_null(json_get(w.answer, "llmgw_warnings"));
	assert_true(limit_of("sk-with-all-three-kinds", "a", &l));
	assert_true(l.rpm == 5 && l.tpm == 100 && l.max_budget_nano < 0);
	assert_int_equal(atomic_load(&entity_of(&l)->id) >> 56, DIR_KEY_MODEL + 1);
	assert_int_equal(atomic_load(&entity_of(&l)->id) & ~(UINT64_C(0xff) << 56), l.id);
	assert_true(limit_of("sk-with-all-three-kinds", "c", &l));
	assert_true(l.rpm == 0 && l.tpm == 6 && l.max_budget_nano == 1500000000);
	assert_true(limit_of("sk-with-all-three-kinds", "d", &l));
	assert_true(l.max_budget_nano == 2000000000);
	assert_false(limit_of("sk-with-all-three-kinds", "b", &l));
	assert_int_equal(rows(""), 2);
	assert_int_equal(rows("WHERE kind = 10 AND owner = 1 AND model = 'c' AND"
			      " budget_reset_at = 1769904000000000000"), 1);	/* February */
	assert_int_equal(rows("WHERE model = 'd' AND budget_reset_at IS NULL"), 1);
	need(INFO, "{\"key\":\"sk-with-all-three-kinds\"}");
	expect("info.model_spend", "{\"c\":0.0,\"d\":0.0}");
	expect("info.metadata.model_rpm_limit", "{\"a\":5,\"b\":null}");
}

static void test_a_change_keeps_what_stays(void **st)
{
	struct model_limit a, b, now;
	(void)st;
	need(CREATE, "{\"key\":\"sk-c\",\"model_rpm_limit\":{\"a\":5},\"model_max_budget\":"
		     "{\"a\":{\"max_budget\":1,\"budget_duration\":\"1d\"},\"b\":1}}");
	assert_true(limit_of("sk-c", "a", &a) && limit_of("sk-c", "b", &b));
	place_exec(&w.p, "UPDATE model_limits SET spend = 7");
	assert_int_equal(budget_set_settled(&w.m.board, a.entity, 7), 0);
	atomic_store(&entity_of(&a)->rpm_tat, 123);
	need(UPDATE, "{\"key\":\"sk-c\",\"max_budget\":5}");
	assert_true(limit_of("sk-c", "a", &now));
	assert_int_equal(now.entity, a.entity);
	assert_int_equal(atomic_load(&entity_of(&a)->rpm_tat), 123);
	need(UPDATE, "{\"key\":\"sk-c\",\"model_rpm_limit\":{\"a\":6},\"model_max_budget\":"
		     "{\"a\":{\"max_budget\":2,\"budget_duration\":\"1d\"}}}");
	assert_true(limit_of("sk-c", "a", &now) && !limit_of("sk-c", "b", &b));
	assert_int_equal(now.entity, a.entity);
	assert_int_equal(now.rpm, 6);
	assert_int_equal(now.max_budget_nano, 2000000000);
	assert_int_equal(atomic_load(&entity_of(&a)->rpm_tat), 0);	/* it counts anew */
	assert_int_equal(atomic_load(&entity_of(&a)->settled), 7);
	assert_int_equal(atomic_load(&entity_of(&b)->id), 0);		/* given back */
	assert_int_equal(rows("WHERE spend = 7 AND model = 'a'"), 1);
	assert_int_equal(rows(""), 1);
	need(ROTATE, "{\"key\":\"sk-c\",\"new_key\":\"sk-d\"}");
	assert_true(limit_of("sk-d", "a", &now));
	assert_int_equal(now.entity, a.entity);
	need(UPDATE, "{\"key\":\"sk-d\",\"model_rpm_limit\":null,\"model_max_budget\":null}");
	assert_false(limit_of("sk-d", "a", &now));
	assert_int_equal(atomic_load(&entity_of(&a)->id), 0);
	assert_int_equal(rows(""), 0);
}

static void test_it_goes_with_its_owner(void **st)
{
	struct model_limit l;
	struct dir_key team;
	(void)st;
	need(CREATE, "{\"key\":\"sk-x\",\"model_max_budget\":{\"a\":1}}");
	assert_true(limit_of("sk-x", "a", &l));
	need(DELETE, "{\"keys\":[\"sk-x\"]}");
	assert_int_equal(atomic_load(&entity_of(&l)->id), 0);
	assert_int_equal(rows(""), 0);
	need(TEAM_NEW, "{\"team_id\":\"t\",\"model_max_budget\":{\"a\":1},\"model_rpm_limit\":{\"b\":1}}");
	need(CREATE, "{\"key\":\"sk-y\",\"team_id\":\"t\",\"model_max_budget\":{\"a\":3}}");
	assert_true(dir_find_named(w.m.dir, DIR_TEAM, STR("t"), &team));
	assert_true(model_limit_find(team.model_limits, STR("a"), &l));
	assert_int_equal(atomic_load(&entity_of(&l)->id) >> 56, DIR_TEAM_MODEL + 1);
	uint32_t root = atomic_load(&entity_of(&l)->root);
	assert_int_equal(root, atomic_load(&w.m.board.entities[team.entity].root));
	assert_true(limit_of("sk-y", "a", &l));
	assert_int_equal(root, atomic_load(&entity_of(&l)->root));	/* one lock for all of them */
	need(UPDATE, "{\"key\":\"sk-y\",\"team_id\":null}");
	assert_int_equal(atomic_load(&entity_of(&l)->root), 0);
	assert_int_equal(rows(""), 2);
	need(TEAM_DELETE, "{\"team_ids\":[\"t\"]}");
	assert_int_equal(rows(""), 1);
}

static void test_a_new_start_knows_what_was_spent(void **st)
{
	struct model_limit l;
	(void)st;
	need(CREATE, "{\"key\":\"sk-s\",\"metadata\":{\"model_tpm_limit\":{\"b\":9}},"
		     "\"model_max_budget\":{\"a\":{\"budget_limit\":1,\"time_period\":\"1h\"}}}");
	place_exec(&w.p, "UPDATE model_limits SET spend = 40");
	close_world();
	drop_board();
	open_world();
	assert_true(limit_of("sk-s", "a", &l));
	assert_int_equal(atomic_load(&entity_of(&l)->settled), 40);
	assert_true(limit_of("sk-s", "b", &l));
	assert_int_equal(l.tpm, 9);
	assert_true(w.m.keys->next_reset_ns != 0);
	/* A board that lived on knows more than the database. */
	assert_true(limit_of("sk-s", "a", &l));
	assert_int_equal(budget_set_settled(&w.m.board, l.entity, 50), 0);
	close_world();
	open_world();
	struct model_limit again;
	assert_true(limit_of("sk-s", "a", &again));
	assert_int_equal(again.entity, l.entity);
	assert_int_equal(atomic_load(&entity_of(&again)->settled), 50);
}

/* Kept by a version that did not act on it: it acts from the start on. */
static void test_what_was_only_kept(void **st)
{
	struct model_limit l;
	(void)st;
	need(CREATE, "{\"key\":\"sk-old\"}");
	place_exec(&w.p, "UPDATE keys SET extra = '{\"model_max_budget\":{\"a\":{\"budget_limit\":1,"
			 "\"time_period\":\"30d\"},\"bad\":[],\"worse\":-1}}',"
			 " metadata = '{\"model_rpm_limit\":\"none\",\"model_tpm_limit\":{\"a\":\"x\"}}'");
	close_world();
	drop_board();
	open_world();
	assert_true(limit_of("sk-old", "a", &l));
	assert_int_equal(l.max_budget_nano, 1000000000);
	assert_false(limit_of("sk-old", "bad", &l));
	assert_int_equal(rows("WHERE budget_reset_at IS NOT NULL"), 1);
}

static void test_a_period_begins(void **st)
{
	struct model_limit l;
	uint64_t begin = UINT64_C(1767225600) * NS_PER_S;
	(void)st;
	clock_set(1, begin);
	need(CREATE, "{\"key\":\"sk-p\",\"model_max_budget\":{\"a\":{\"budget_limit\":1,"
		     "\"time_period\":\"10s\"}}}");
	assert_true(limit_of("sk-p", "a", &l));
	place_exec(&w.p, "UPDATE model_limits SET spend = 8");
	assert_int_equal(budget_set_settled(&w.m.board, l.entity, 9), 0);
	clock_set(1, begin + 11 * NS_PER_S);
	keys_tick(w.m.keys, clock_wall_ns());
	for (int i = 0; i < 1000 && atomic_load(&entity_of(&l)->settled); i++)
		uv_run(&w.p.loop, UV_RUN_ONCE);
	assert_int_equal(atomic_load(&entity_of(&l)->settled), 0);
	assert_int_equal(rows("WHERE spend = 0 AND budget_reset_at = 1767225621000000000"), 1);
}

static void test_what_is_refused(void **st)
{
	static const char *const bad[] = {
		"{\"model_rpm_limit\":5}", "{\"model_rpm_limit\":{\"a\":0}}",
		"{\"model_rpm_limit\":{\"a\":-1}}", "{\"model_tpm_limit\":{\"a\":1.5}}",
		"{\"model_tpm_limit\":{\"\":1}}", "{\"model_tpm_limit\":{\"a\\u0000\":1}}",
		"{\"model_max_budget\":{\"a\":-1}}", "{\"model_max_budget\":{\"a\":\"much\"}}",
		"{\"model_max_budget\":{\"a\":[]}}",
		"{\"model_max_budget\":{\"a\":{\"time_period\":\"1y\"}}}",
		"{\"model_max_budget\":{\"a\":{\"rpm_limit\":0}}}",
		"{\"metadata\":{\"model_rpm_limit\":{\"a\":\"x\"}}}",
	};
	(void)st;
	for (size_t i = 0; i < COUNT(bad); i++) {
		refused(CREATE, bad[i], 400, "model_");
		refused(TEAM_NEW, bad[i], 400, "model_");
	}
	need(CREATE, "{\"model_rpm_limit\":{},\"model_tpm_limit\":null,\"model_max_budget\":{}}");
	assert_int_equal(rows(""), 0);
}

static void test_no_room_on_the_board_changes_nothing(void **st)
{
	struct model_limit l;
	(void)st;
	need(CREATE, "{\"key\":\"sk-full\",\"model_max_budget\":{\"a\":1}}");
	w.m.keys->entities.next = BOARD_ENTITIES - 2;	/* one place is left, then none */
	assert_int_equal(call(UPDATE, "{\"key\":\"sk-full\",\"model_max_budget\":{\"a\":1,\"b\":1,\"c\":1}}"),
			 500);
	assert_true(limit_of("sk-full", "a", &l) && !limit_of("sk-full", "b", &l));
	assert_int_equal(rows(""), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_all_three_kinds),
		T(test_a_change_keeps_what_stays),
		T(test_it_goes_with_its_owner),
		T(test_a_new_start_knows_what_was_spent),
		T(test_what_was_only_kept),
		T(test_a_period_begins),
		T(test_what_is_refused),
		T(test_no_room_on_the_board_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
