/* SPDX-License-Identifier: MIT
 * test_teams.c - the team commands against a real database, directory and board. */
#include "keys_fixture.h"

#include "common/budget.h"
#include "master/teams.h"

enum { NEW, UPDATE, BLOCK, UNBLOCK, DELETE, ADD, REMOVE, INFO, LIST, KEY, KEY_UPDATE, KEY_INFO };
const struct command commands[] = {
	[NEW] = CALL("teams create", "POST", "/teams create", ROLE_ADMIN, teams_new, NULL),
	[UPDATE] = CALL("teams update", "POST", "/teams update", ROLE_ADMIN, teams_update,
			NEEDS("team_id")),
	[BLOCK] = CALL("teams block", "POST", "/teams block", ROLE_ADMIN, teams_block,
		       NEEDS("team_id")),
	[UNBLOCK] = CALL("teams unblock", "POST", "/teams unblock", ROLE_ADMIN, teams_unblock,
			 NEEDS("team_id")),
	[DELETE] = CALL("teams delete", "POST", "/teams delete", ROLE_ADMIN, teams_delete, NULL),
	[ADD] = CALL("teams add", "POST", "/teams add", ROLE_ADMIN, teams_member_add,
		     NEEDS("team_id")),
	[REMOVE] = CALL("teams remove", "POST", "/teams remove", ROLE_ADMIN, teams_member_delete,
			NEEDS("team_id")),
	[INFO] = CALL("teams show", "POST", "/teams show", ROLE_VIEW, teams_info, NEEDS("team_id")),
	[LIST] = CALL("teams list", "POST", "/teams list", ROLE_VIEW, teams_list, NULL),
	[KEY] = CALL("keys create", "POST", "/keys create", ROLE_ADMIN, keys_generate, NULL),
	[KEY_UPDATE] = CALL("keys update", "POST", "/keys update", ROLE_ADMIN, keys_update, NULL),
	[KEY_INFO] = CALL("keys show", "POST", "/keys show", ROLE_ANY_KEY, keys_info, NULL),
};
const size_t commands_count = COUNT(commands);

static bool team(const char *id, struct dir_key *ret)
{
	return dir_find_named(w.m.dir, DIR_TEAM, str_z(id), ret);
}

static uint32_t root(uint32_t entity)
{
	return atomic_load(&w.m.board.entities[entity].root);
}

/* Both lie in one shard of the budgets. */
static void belongs(const char *key, const char *id)
{
	struct dir_key k, t;
	assert_true(published(key, &k) && team(id, &t));
	assert_true(str_eq_z(k.team_id, id));
	assert_int_equal(root(k.entity), root(t.entity));
	assert_int_not_equal(root(k.entity), 0);
}

/* A request of key and team is under way. */
static struct budget_pool *hold(const struct dir_key *k, const struct dir_key *t,
				struct budget_claim *ret)
{
	static const uint8_t id[16] = "request";
	const struct budget_level levels[] = { { k->entity, 0, -1 }, { t->entity, 0, -1 } };
	struct budget_pool *p = budget_pool_new(&w.m.board, 1);
	enum budget_verdict verdict;
	uint32_t level;
	int64_t left;
	assert_non_null(p);
	assert_int_equal(budget_admit(p, levels, 2, 10, id, ret, &verdict, &level, &left), 0);
	return p;
}

static int64_t settled(const char *id)
{
	int64_t s, reserved;
	uint32_t parallel;
	struct dir_key t;
	assert_true(team(id, &t));
	budget_read(&w.m.board, t.entity, &s, &reserved, &parallel);
	return s;
}

static void spend(const char *id, int64_t nano)
{
	struct dir_key t;
	assert_true(team(id, &t));
	assert_int_equal(budget_add_settled(&w.m.board, t.entity, nano), 0);
}

static void test_a_plain_team(void **st)
{
	struct dir_key t;
	(void)st;
	need(NEW, "{}");
	const char *id = keep("team_id");
	assert_int_equal(strlen(id), 36);
	assert_true(team(id, &t) && t.flags == KEY_ALL_MODELS && t.id == 1);
	assert_true(t.max_budget_nano == DIR_NO_LIMIT && !t.rpm && !t.tpm && !t.max_parallel);
	expect("spend", "0.0");
	expect("members_with_roles", "[]");
	assert_null(json_get(w.answer, "llmgw_warnings"));
	assert_int_equal(keys_count(w.m.keys), 0);
}

static void test_all_that_acts(void **st)
{
	struct dir_key t;
	(void)st;
	need(NEW, "{\"team_id\":\"t1\",\"team_alias\":\"physics\",\"models\":[\"a\",\"b-*\"],"
		  "\"max_budget\":12.5,\"budget_duration\":\"7d\",\"rpm_limit\":60,"
		  "\"tpm_limit\":1000,\"max_parallel_requests\":3,\"metadata\":{\"x\":1},"
		  "\"organization_id\":\"o\",\"blocked\":true,"
		  "\"members_with_roles\":[{\"role\":\"admin\",\"user_id\":\"ada\"},"
		  "{\"role\":\"user\",\"user_email\":\"bob@example.org\"}]}");
	expect("team_alias", "\"physics\"");
	expect("members_with_roles.0.user_id", "\"ada\"");
	expect("members_with_roles.1.user_email", "\"bob@example.org\"");
	expect("metadata", "{\"x\":1}");
	assert_true(team("t1", &t) && t.flags == KEY_BLOCKED);
	assert_true(t.max_budget_nano == 12500000000 && t.rpm == 60 && t.tpm == 1000 &&
		    t.max_parallel == 3 && str_eq_z(t.alias, "physics"));
	assert_true(dir_key_may_use(&t, STR("b-1")) && !dir_key_may_use(&t, STR("c")));
	need(UPDATE, "{\"team_id\":\"t1\",\"max_budget\":null,\"models\":[],\"blocked\":false}");
	expect("team_id", "\"t1\"");
	expect("data.max_budget", "null");
	expect("data.team_alias", "\"physics\"");
	expect("data.members_with_roles.0.role", "\"admin\"");
	assert_true(team("t1", &t) && t.flags == KEY_ALL_MODELS &&
		    t.max_budget_nano == DIR_NO_LIMIT && t.rpm == 60);
	need(BLOCK, "{\"team_id\":\"t1\"}");
	expect("blocked", "true");
	assert_true(team("t1", &t) && t.flags == (KEY_ALL_MODELS | KEY_BLOCKED));
	need(UNBLOCK, "{\"team_id\":\"t1\"}");
	assert_true(team("t1", &t) && t.flags == KEY_ALL_MODELS);
}

static void test_what_is_refused(void **st)
{
	(void)st;
	need(NEW, "{\"team_id\":\"t1\"}");
	refused(NEW, "{\"team_id\":\"t1\"}", 400, "Team id = t1 already exists");
	refused(UPDATE, "{\"team_id\":\"no\"}", 404, "Team not found, passed team_id=no");
	refused(BLOCK, "{\"team_id\":\"no\"}", 404, "Team not found");
	refused(INFO, "{\"team_id\":\"no\"}", 404, "Team not found");
	refused(NEW, "{\"max_budget\":-1}", 400, "max_budget");
	refused(NEW, "{\"rpm_limit\":0}", 400, "at least 1");
	refused(NEW, "{\"members_with_roles\":[{\"role\":\"king\",\"user_id\":\"x\"}]}", 400, "role");
	refused(NEW, "{\"members_with_roles\":[{\"role\":\"user\"}]}", 400, "needs user_id");
	refused(NEW, "{\"team_id\":\"t2\",\"members_with_roles\":[{\"user_id\":\"x\"},{\"user_id\":\"x\"}]}",
		400, "User=x is already in team=t2");
	refused(DELETE, "{}", 400, "team_ids");
	refused(DELETE, "{\"team_ids\":[\"t1\",\"no\"]}", 404, "nothing was deleted");
	refused(LIST, "{\"page\":0}", 400, "page");
	struct dir_key t;
	assert_true(team("t1", &t) && !team("t2", &t));
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM teams"), 1);
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM team_members"), 0);
	need(NEW, "{\"team_id\":\"t3\",\"soft_budget\":1,\"tags\":[\"a\"],\"team_aliaz\":\"x\","
		  "\"model_aliases\":{\"a\":\"b\"}}");
	expect("llmgw_warnings.0", "\"tags is stored but not acted on yet\"");
	expect("llmgw_warnings.1", "\"'team_aliaz' is unknown and was ignored: did you mean 'team_alias'?\"");
	expect("metadata", "{\"tags\":[\"a\"]}");
}

/* Whatever comes first, key or team: they are one hierarchy. */
static void test_keys_and_their_team(void **st)
{
	struct dir_key k, t;
	(void)st;
	need(KEY, "{\"key\":\"sk-early\",\"team_id\":\"t1\"}");
	assert_true(!team("t1", &t));
	need(NEW, "{\"team_id\":\"t1\"}");
	need(KEY, "{\"key\":\"sk-late\",\"team_id\":\"t1\"}");
	need(KEY, "{\"key\":\"sk-alone\"}");
	belongs("sk-early", "t1");
	belongs("sk-late", "t1");
	assert_true(published("sk-alone", &k) && root(k.entity) == 0);
	need(INFO, "{\"team_id\":\"t1\"}");
	assert_int_equal(at("keys")->count, 2);
	expect("keys.0.key_name", "\"sk-...late\"");
	/* a team is nobody's key, and no key a team */
	assert_false(keys_find(w.m.keys, STR("t1"), &k));
	assert_false(team("sk-late", &t));
	need(DELETE, "{\"team_ids\":[\"t1\"]}");
	expect("deleted_teams.0", "\"t1\"");
	assert_false(team("t1", &t));
	assert_false(published("sk-early", &k) || published("sk-late", &k));
	assert_true(published("sk-alone", &k));
	assert_int_equal(keys_count(w.m.keys), 1);
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys"), 1);
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys_deleted WHERE team_id = 't1'"), 2);
	need(NEW, "{\"team_id\":\"t1\"}");
	assert_true(team("t1", &t) && t.id == 2);
}

static void test_a_key_moves(void **st)
{
	struct budget_claim claim;
	struct dir_key k, t;
	(void)st;
	need(NEW, "{\"team_id\":\"t1\"}");
	need(NEW, "{\"team_id\":\"t2\"}");
	need(KEY, "{\"key\":\"sk-k\",\"spend\":3}");
	need(KEY_UPDATE, "{\"key\":\"sk-k\",\"team_id\":\"t1\"}");
	belongs("sk-k", "t1");
	assert_true(published("sk-k", &k) && team("t1", &t));
	struct budget_pool *p = hold(&k, &t, &claim);
	/* while a request of it is under way, which its old team pays */
	need(KEY_UPDATE, "{\"key\":\"sk-k\",\"team_id\":\"t2\"}");
	belongs("sk-k", "t2");
	budget_settle(p, &claim, 5);
	assert_int_equal(settled("t1"), 5);
	assert_int_equal(settled("t2"), 0);
	need(KEY_UPDATE, "{\"key\":\"sk-k\",\"team_id\":\"t2\"}");
	expect("spend", "3.000000005");
	need(KEY_UPDATE, "{\"key\":\"sk-k\",\"team_id\":null}");
	assert_true(published("sk-k", &k) && root(k.entity) == 0);
	budget_pool_free(p);
}

static void test_spend_periods_and_restart(void **st)
{
	uint64_t start = UINT64_C(1767225600) * NS_PER_S;	/* 2026-01-01T00:00Z */
	(void)st;
	clock_set(1, start);
	need(NEW, "{\"team_id\":\"t1\",\"max_budget\":1,\"budget_duration\":\"1d\"}");
	need(NEW, "{\"team_id\":\"t2\",\"spend\":4}");
	expect("spend", "4.0");
	need(KEY, "{\"key\":\"sk-k\",\"budget_duration\":\"1d\",\"spend\":2,\"team_id\":\"t1\"}");
	spend("t1", 700000000);
	need(INFO, "{\"team_id\":\"t1\"}");
	expect("team_info.spend", "0.7");
	need(UPDATE, "{\"team_id\":\"t2\",\"spend\":5}");
	assert_int_equal(settled("t2"), 5000000000);
	clock_set(1, start + 86401 * NS_PER_S);
	keys_tick(w.m.keys, clock_wall_ns());
	store_drain(w.p.store);
	assert_int_equal(settled("t1"), 0);
	assert_int_equal(settled("t2"), 5000000000);
	assert_true((uint64_t)place_number(&w.p, "SELECT spend_since FROM teams WHERE id = 1") ==
		    start + 86401 * NS_PER_S);
	need(KEY_INFO, "{\"key\":\"sk-k\"}");
	expect("info.spend", "0.0");
	place_exec(&w.p, "UPDATE teams SET spend = 600000000 WHERE id = 1");
	/* on the same board what stands there is kept, on a fresh one the database's word counts */
	spend("t1", 650000000);
	close_world();
	open_world();
	assert_int_equal(settled("t1"), 650000000);
	belongs("sk-k", "t1");
	close_world();
	drop_board();
	open_world();
	assert_int_equal(settled("t1"), 600000000);
	assert_int_equal(settled("t2"), 5000000000);
	belongs("sk-k", "t1");
	need(LIST, "{}");
	assert_int_equal(w.answer->count, 2);
	assert_int_equal(keys_count(w.m.keys), 1);
}

/* A master killed between database and board, with requests of the old team under way. */
static void test_a_move_whose_master_was_killed(void **st)
{
	struct budget_claim claim;
	struct dir_key k, t, after;
	(void)st;
	need(NEW, "{\"team_id\":\"t1\"}");
	need(NEW, "{\"team_id\":\"t2\"}");
	need(KEY, "{\"key\":\"sk-k\",\"team_id\":\"t1\"}");
	assert_true(published("sk-k", &k) && team("t1", &t));
	struct budget_pool *p = hold(&k, &t, &claim);
	place_exec(&w.p, "UPDATE keys SET team_id = 't2'");
	close_world();
	open_world();
	belongs("sk-k", "t2");
	assert_true(published("sk-k", &after) && after.entity == k.entity);
	budget_settle(p, &claim, 5);
	assert_int_equal(settled("t1"), 5);
	assert_int_equal(settled("t2"), 0);
	budget_pool_free(p);
}

static void test_members(void **st)
{
	struct dir_key k;
	(void)st;
	need(NEW, "{\"team_id\":\"t1\"}");
	need(ADD, "{\"team_id\":\"t1\",\"member\":{\"user_id\":\"ada\",\"role\":\"admin\"}}");
	expect("members_with_roles.0.role", "\"admin\"");
	expect("updated_users.0.user_id", "\"ada\"");
	refused(ADD, "{\"team_id\":\"t1\",\"member\":[{\"user_id\":\"bob\"},{\"user_id\":\"ada\"}]}", 400,
		"team_member_already_in_team");
	refused(ADD, "{\"team_id\":\"t1\"}", 400, "member");
	refused(ADD, "{\"team_id\":\"no\",\"member\":{\"user_id\":\"ada\"}}", 404, "Team not found");
	need(ADD, "{\"team_id\":\"t1\",\"member\":[{\"user_email\":\"bob@x.org\"},{\"user_id\":\"eve\"}],"
		  "\"max_budget_in_team\":2.5}");
	assert_null(json_get(w.answer, "llmgw_warnings"));
	expect("updated_team_memberships.2.litellm_budget_table.max_budget", "2.5");
	assert_int_equal(at("members_with_roles")->count, 3);
	need(LIST, "{\"user_id\":\"ada\"}");
	assert_int_equal(w.answer->count, 1);
	need(LIST, "{\"user_id\":\"nobody\"}");
	assert_int_equal(w.answer->count, 0);
	need(KEY, "{\"key\":\"sk-ada\",\"team_id\":\"t1\",\"user_id\":\"ada\"}");
	need(KEY, "{\"key\":\"sk-eve\",\"team_id\":\"t1\",\"user_id\":\"eve\"}");
	need(KEY, "{\"key\":\"sk-own\",\"user_id\":\"eve\"}");
	need(REMOVE, "{\"team_id\":\"t1\",\"user_id\":\"eve\"}");
	assert_int_equal(at("members_with_roles")->count, 2);
	assert_false(published("sk-eve", &k));
	assert_true(published("sk-ada", &k) && published("sk-own", &k));
	refused(REMOVE, "{\"team_id\":\"t1\",\"user_id\":\"eve\"}", 400, "User=eve is not in team=t1");
	refused(REMOVE, "{\"team_id\":\"t1\"}", 400, "say who");
	need(REMOVE, "{\"team_id\":\"t1\",\"user_email\":\"bob@x.org\"}");
	assert_int_equal(at("members_with_roles")->count, 1);
	need(DELETE, "{\"team_ids\":[\"t1\"]}");
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM team_members"), 0);
}

static void test_no_memory_anywhere(void **st)
{
	static const struct call_row calls[] = {
		{ NEW, "{\"models\":[\"m\"],\"tags\":[1],\"members_with_roles\":[{\"user_id\":\"u\"}]}" },
		{ UPDATE, "{\"team_id\":\"kept\",\"tags\":[2]}" },
		{ ADD, "{\"team_id\":\"kept\",\"member\":{\"user_email\":\"e\"}}" },
		{ INFO, "{\"team_id\":\"kept\"}" },
		{ LIST, "{}" },
		{ REMOVE, "{\"team_id\":\"kept\",\"user_email\":\"e\"}" },
		{ DELETE, "{\"team_ids\":[\"kept\"]}" },
	};
	(void)st;
	need(NEW, "{\"team_id\":\"kept\"}");
	fail_everywhere(calls, COUNT(calls), "SELECT 1 + count(*) FROM teams");
}

static void test_what_cannot_be_published_is_undone(void **st)
{
	struct dir_key t;
	int answers;
	(void)st;
	need(NEW, "{\"team_id\":\"t1\"}");
	for (uint64_t nth = 1; nth < 60; nth++) {
		struct command_call *c = begin(UPDATE, "{\"team_id\":\"t1\",\"max_budget\":5}", &answers);
		c->is_admin = true;
		answers = 0;
		mem_fail_at(nth);
		command_run(c);
		store_drain(w.p.store);
		mem_fail_at(0);
		assert_int_equal(answers, 1);
		assert_true(team("t1", &t));
		int64_t budget = place_number(&w.p, "SELECT max_budget FROM teams");
		if (w.status == 200) {
			assert_int_equal(t.max_budget_nano, 5000000000);
			assert_int_equal(budget, 5000000000);
			return;
		}
		assert_int_equal(t.max_budget_nano, DIR_NO_LIMIT);
		assert_int_equal(budget, 0);	/* NULL */
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_plain_team),
		T(test_all_that_acts),
		T(test_what_is_refused),
		T(test_keys_and_their_team),
		T(test_a_key_moves),
		T(test_spend_periods_and_restart),
		T(test_a_move_whose_master_was_killed),
		T(test_members),
		T(test_no_memory_anywhere),
		T(test_what_cannot_be_published_is_undone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
