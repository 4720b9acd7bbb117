/* SPDX-License-Identifier: MIT
 * test_tenants.c - users, organizations, customers, tags, budgets and members of teams against a
 * real database, directory and board. */
#include "keys_fixture.h"

#include "common/budget.h"
#include "master/teams.h"
#include "master/tenants.h"

enum {
	USER_NEW, USER_UPDATE, USER_INFO, USER_LIST, USER_DELETE, ORG_NEW, ORG_UPDATE, ORG_INFO,
	ORG_LIST, ORG_DELETE, CUSTOMER_NEW, CUSTOMER_UPDATE, CUSTOMER_INFO, CUSTOMER_BLOCK,
	CUSTOMER_UNBLOCK, CUSTOMER_DELETE, TAG_NEW, TAG_UPDATE, TAG_INFO, TAG_DELETE, BUDGET_NEW,
	BUDGET_UPDATE, BUDGET_INFO, BUDGET_DELETE, TEAM, TEAM_DELETE, MEMBER_ADD, MEMBER_UPDATE,
	MEMBER_DELETE, TEAM_INFO, KEY, KEY_INFO, ORG_MEMBER_ADD, ORG_MEMBER_UPDATE,
	ORG_MEMBER_DELETE
};
#define ROW(path, run) { path, "POST", path, ROLE_ADMIN, 0, run, NULL, NULL, NULL, "", "" }
const struct command commands[] = {
	[USER_NEW] = ROW("/user/new", tenants_new),
	[USER_UPDATE] = ROW("/user/update", tenants_update),
	[USER_INFO] = ROW("/user/info", tenants_info),
	[USER_LIST] = ROW("/user/list", tenants_list),
	[USER_DELETE] = ROW("/user/delete", tenants_delete),
	[ORG_NEW] = ROW("/organization/new", tenants_new),
	[ORG_UPDATE] = ROW("/organization/update", tenants_update),
	[ORG_INFO] = ROW("/organization/info", tenants_info),
	[ORG_LIST] = ROW("/organization/list", tenants_list),
	[ORG_DELETE] = ROW("/organization/delete", tenants_delete),
	[CUSTOMER_NEW] = ROW("/customer/new", tenants_new),
	[CUSTOMER_UPDATE] = ROW("/end_user/update", tenants_update),
	[CUSTOMER_INFO] = ROW("/customer/info", tenants_info),
	[CUSTOMER_BLOCK] = ROW("/customer/block", tenants_block),
	[CUSTOMER_UNBLOCK] = ROW("/end_user/unblock", tenants_unblock),
	[CUSTOMER_DELETE] = ROW("/customer/delete", tenants_delete),
	[TAG_NEW] = ROW("/tag/new", tenants_new),
	[TAG_UPDATE] = ROW("/tag/update", tenants_update),
	[TAG_INFO] = ROW("/tag/info", tenants_info),
	[TAG_DELETE] = ROW("/tag/delete", tenants_delete),
	[BUDGET_NEW] = ROW("/budget/new", tenants_new),
	[BUDGET_UPDATE] = ROW("/budget/update", tenants_update),
	[BUDGET_INFO] = ROW("/budget/info", tenants_info),
	[BUDGET_DELETE] = ROW("/budget/delete", tenants_delete),
	[TEAM] = ROW("/team/new", teams_new),
	[TEAM_DELETE] = ROW("/team/delete", teams_delete),
	[MEMBER_ADD] = ROW("/team/member_add", teams_member_add),
	[MEMBER_UPDATE] = ROW("/team/member_update", teams_member_update),
	[MEMBER_DELETE] = ROW("/team/member_delete", teams_member_delete),
	[TEAM_INFO] = ROW("/team/info", teams_info),
	[KEY] = ROW("/key/generate", keys_generate),
	[KEY_INFO] = ROW("/key/info", keys_info),
	[ORG_MEMBER_ADD] = ROW("/organization/member_add", orgs_member_add),
	[ORG_MEMBER_UPDATE] = ROW("/organization/member_update", orgs_member_update),
	[ORG_MEMBER_DELETE] = ROW("/organization/member_delete", orgs_member_delete),
};
const size_t commands_count = COUNT(commands);

static bool find(enum dir_kind kind, const char *name, struct dir_key *ret)
{
	return dir_find_named(w.m.dir, kind, str_z(name), ret);
}

static int64_t settled(enum dir_kind kind, const char *name)
{
	int64_t s, reserved;
	uint32_t parallel;
	struct dir_key k;
	assert_true(find(kind, name, &k));
	budget_read(&w.m.board, k.entity, &s, &reserved, &parallel);
	return s;
}

static void spend(enum dir_kind kind, const char *name, int64_t nano)
{
	struct dir_key k;
	assert_true(find(kind, name, &k));
	assert_int_equal(budget_add_settled(&w.m.board, k.entity, nano), 0);
}

static void test_a_user(void **st)
{
	struct dir_key u, k;
	(void)st;
	need(USER_NEW, "{\"user_id\":\"ada\",\"user_role\":\"proxy_admin_viewer\",\"max_budget\":2,"
		       "\"rpm_limit\":6,\"models\":[\"m\"],\"user_email\":\"a@x.org\"}");
	expect("user_role", "\"proxy_admin_viewer\"");
	const char *text = keep("key");
	assert_true(published(text, &k) && str_eq(k.user_id, STR("ada")) && k.max_budget_nano < 0);
	assert_true(find(DIR_USER, "ada", &u) && u.kind == DIR_USER && u.rpm == 6 && u.id == 1);
	assert_int_equal(u.max_budget_nano, 2000000000);
	assert_int_equal(u.flags, KEY_VIEWER);
	assert_true(str_eq(u.models, str_of("m", 2)) && str_eq(u.last4, STR("ada")));
	need(USER_UPDATE, "{\"user_email\":\"a@x.org\",\"user_role\":\"internal_user\",\"models\":[],"
			  "\"blocked\":true,\"spend\":1.5}");
	assert_true(find(DIR_USER, "ada", &u));
	assert_int_equal(u.flags, KEY_INTERNAL | KEY_ALL_MODELS | KEY_BLOCKED);
	assert_int_equal(settled(DIR_USER, "ada"), 1500000000);
	refused(USER_NEW, "{\"user_id\":\"ada\"}", 400, "already");
	refused(USER_NEW, "{\"user_role\":\"org_admin\"}", 400, "user_role must be");
	refused(USER_NEW, "{\"teams\":[\"no\"],\"user_id\":\"bob\"}", 404, "Team not found");
	refused(USER_NEW, "{\"teams\":[1]}", 400, "teams");
	refused(USER_UPDATE, "{\"user_id\":\"no\"}", 404, "There is no user with user_id=no");
	refused(USER_UPDATE, "{}", 400, "user_id is missing");
	refused(USER_INFO, "{}", 400, "user_id must be");
	refused(USER_LIST, "{\"page\":0}", 400, "page");
	assert_false(find(DIR_USER, "bob", &u));
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys"), 1);
	need(USER_INFO, "{\"user_id\":\"ada\"}");
	expect("user_info.spend", "1.5");
	assert_int_equal(at("keys")->count, 1);
	need(USER_DELETE, "{\"user_ids\":[\"ada\"]}");
	assert_false(find(DIR_USER, "ada", &u) || dir_has(w.m.dir, DIR_USER));
	assert_int_equal(dir_count(w.m.dir), 1);	/* the master key */
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys"), 0);
}

static void test_all_kinds_have_their_places(void **st)
{
	struct dir_key a, b, c;
	(void)st;
	need(USER_NEW, "{\"user_id\":\"x\",\"auto_create_key\":false}");
	need(ORG_NEW, "{\"organization_alias\":\"X\",\"organization_id\":\"x\",\"models\":[\"m\"]}");
	need(CUSTOMER_NEW, "{\"user_id\":\"x\",\"max_budget\":1}");
	need(TAG_NEW, "{\"name\":\"x\",\"models\":[\"m\"]}");
	expect("message", "\"Tag x created successfully\"");
	assert_true(find(DIR_ORGANIZATION, "x", &a) && find(DIR_CUSTOMER, "x", &b));
	assert_true(find(DIR_TAG, "x", &c));
	assert_true(!(a.flags & KEY_ALL_MODELS) && c.flags & KEY_ALL_MODELS);
	assert_true(a.entity != b.entity && b.entity != c.entity);
	assert_true(w.m.board.entities[b.entity].id == dir_entity_id(&b));
	refused(CUSTOMER_NEW, "{}", 400, "user_id is missing");
	need(CUSTOMER_UPDATE, "{\"user_id\":\"x\",\"alias\":\"Shop\"}");
	expect("litellm_budget_table.max_budget", "1.0");
	need(CUSTOMER_BLOCK, "{\"user_ids\":[\"x\",\"y\"]}");
	assert_true(find(DIR_CUSTOMER, "y", &b) && b.flags & KEY_BLOCKED);
	need(CUSTOMER_UNBLOCK, "{\"user_ids\":[\"y\"]}");
	assert_true(find(DIR_CUSTOMER, "y", &b) && !(b.flags & KEY_BLOCKED));
	refused(CUSTOMER_UNBLOCK, "{\"user_ids\":[\"x\",\"z\"]}", 404, "nothing was changed");
	refused(CUSTOMER_DELETE, "{\"user_ids\":[]}", 400, "user_ids");
	refused(CUSTOMER_DELETE, "{\"user_ids\":[\"x\",\"z\"]}", 404, "nothing was changed");
	assert_true(find(DIR_CUSTOMER, "x", &b) && b.flags & KEY_BLOCKED);
	need(CUSTOMER_DELETE, "{\"user_ids\":[\"x\",\"y\"]}");
	assert_false(dir_has(w.m.dir, DIR_CUSTOMER));
	need(TEAM, "{\"team_id\":\"t\",\"organization_id\":\"x\"}");
	refused(ORG_DELETE, "{\"organization_ids\":[\"x\"]}", 400, "still has teams");
	need(TEAM_DELETE, "{\"team_ids\":[\"t\"]}");
	need(ORG_INFO, "{\"organization_id\":\"x\"}");
	assert_int_equal(at("members")->count, 0);
	need(ORG_DELETE, "{\"organization_ids\":[\"x\"]}");
	assert_false(find(DIR_ORGANIZATION, "x", &a));
	need(TAG_INFO, "{\"names\":[\"x\",\"no\"]}");
	expect("x.spend", "0.0");
	need(TAG_DELETE, "{\"name\":\"x\"}");
	assert_false(find(DIR_TAG, "x", &c));
}

static void test_budgets(void **st)
{
	struct dir_key k, b;
	(void)st;
	need(BUDGET_NEW, "{\"budget_id\":\"b\",\"max_budget\":3,\"budget_duration\":\"1d\"}");
	assert_true(find(DIR_BUDGET, "b", &b) && b.max_budget_nano == 3000000000);
	need(KEY, "{\"key\":\"sk-k\",\"budget_id\":\"b\"}");
	expect("budget_duration", "\"1d\"");
	assert_true(published("sk-k", &k) && str_eq(k.budget_id, STR("b")) && k.max_budget_nano < 0);
	need(TEAM, "{\"team_id\":\"t\",\"budget_id\":\"b\",\"budget_duration\":\"7d\"}");
	expect("budget_duration", "\"7d\"");
	refused(KEY, "{\"budget_id\":\"no\"}", 400, "There is no budget with budget_id=no");
	refused(CUSTOMER_NEW, "{\"user_id\":\"c\",\"budget_id\":\"no\"}", 400, "There is no budget");
	need(CUSTOMER_NEW, "{\"user_id\":\"c\",\"budget_id\":\"b\"}");
	uint32_t places = w.m.keys->entities.next;
	need(BUDGET_UPDATE, "{\"budget_id\":\"b\",\"rpm_limit\":9}");
	assert_true(find(DIR_BUDGET, "b", &b) && b.rpm == 9);
	assert_int_equal(w.m.keys->entities.next, places);	/* it has no row on the board */
	need(BUDGET_UPDATE, "{\"budget_id\":\"b\",\"budget_duration\":\"1mo\"}");
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM tenants WHERE budget_duration = '1mo'"), 2);
	need(KEY_INFO, "{\"key\":\"sk-k\"}");
	expect("info.budget_duration", "\"1mo\"");
	need(BUDGET_INFO, "{\"budgets\":[\"no\",\"b\"]}");
	assert_int_equal(w.answer->count, 1);
	need(BUDGET_DELETE, "{\"id\":\"b\"}");
	assert_false(find(DIR_BUDGET, "b", &b));
}

static void test_members_with_limits(void **st)
{
	struct dir_key m;
	(void)st;
	need(TEAM, "{\"team_id\":\"t\"}");
	need(TEAM, "{\"team_id\":\"u\"}");
	need(MEMBER_ADD, "{\"team_id\":\"u\",\"member\":[{\"user_id\":\"ada\"},{\"user_id\":\"bob\"}]}");
	assert_false(dir_has(w.m.dir, DIR_MEMBER));
	need(MEMBER_ADD, "{\"team_id\":\"t\",\"member\":[{\"user_id\":\"ada\"},{\"user_id\":\"bob\"}],"
			 "\"max_budget_in_team\":2}");
	assert_true(find(DIR_MEMBER, "1/ada", &m) && m.max_budget_nano == 2000000000);
	assert_true(find(DIR_MEMBER, "1/bob", &m) && !find(DIR_MEMBER, "2/bob", &m));
	spend(DIR_MEMBER, "1/ada", 7);
	need(MEMBER_UPDATE, "{\"team_id\":\"t\",\"user_id\":\"ada\",\"max_budget_in_team\":null,\"rpm_limit\":3}");
	expect("max_budget_in_team", "null");
	assert_true(find(DIR_MEMBER, "1/ada", &m) && m.max_budget_nano < 0 && m.rpm == 3);
	assert_int_equal(settled(DIR_MEMBER, "1/ada"), 7);
	need(MEMBER_UPDATE, "{\"team_id\":\"u\",\"user_id\":\"bob\",\"role\":\"admin\"}");
	assert_false(find(DIR_MEMBER, "2/bob", &m));
	refused(MEMBER_UPDATE, "{\"team_id\":\"u\",\"user_id\":\"eve\"}", 400, "User=eve is not in team=u");
	refused(MEMBER_UPDATE, "{\"team_id\":\"no\",\"user_id\":\"ada\"}", 404, "Team not found");
	refused(MEMBER_UPDATE, "{\"team_id\":\"t\"}", 400, "say who");
	refused(MEMBER_UPDATE, "{\"team_id\":\"t\",\"user_id\":\"ada\",\"role\":\"king\"}", 400, "role");
	need(TEAM_INFO, "{\"team_id\":\"t\"}");
	expect("team_memberships.0.litellm_budget_table.rpm_limit", "3");
	need(MEMBER_DELETE, "{\"team_id\":\"t\",\"user_id\":\"ada\"}");
	assert_false(find(DIR_MEMBER, "1/ada", &m));
	need(TEAM_DELETE, "{\"team_ids\":[\"t\"]}");
	assert_false(dir_has(w.m.dir, DIR_MEMBER));
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM tenants"), 0);
}

static void test_members_of_organizations(void **st)
{
	struct dir_key m;
	(void)st;
	for (int i = 0; i < 2; i++)
		need(ORG_NEW, i ? "{\"organization_alias\":\"P\",\"organization_id\":\"p\"}" :
				  "{\"organization_alias\":\"O\",\"organization_id\":\"o\"}");
	need(ORG_MEMBER_ADD, "{\"organization_id\":\"o\",\"member\":{\"user_id\":\"ada\"}}");
	need(ORG_MEMBER_UPDATE, "{\"organization_id\":\"o\",\"user_id\":\"ada\",\"role\":\"org_admin\"}");
	assert_false(dir_has(w.m.dir, DIR_ORGANIZATION_MEMBER));	/* no limit: nobody pays */
	need(ORG_MEMBER_ADD, "{\"organization_id\":\"p\",\"max_budget_in_organization\":2,\"member\":"
			     "[{\"user_id\":\"ada\"},{\"user_id\":\"bob\"},{\"user_id\":\"eve\"}]}");
	assert_true(find(DIR_ORGANIZATION_MEMBER, "2/ada", &m) && m.max_budget_nano == 2000000000);
	assert_true(m.flags & KEY_ALL_MODELS && str_eq(m.last4, STR("ada")));
	assert_false(find(DIR_ORGANIZATION_MEMBER, "1/ada", &m));
	spend(DIR_ORGANIZATION_MEMBER, "2/ada", 7000000);
	need(ORG_MEMBER_UPDATE, "{\"organization_id\":\"p\",\"user_id\":\"ada\","
				"\"max_budget_in_organization\":null}");
	expect("spend", "0.007");
	assert_true(find(DIR_ORGANIZATION_MEMBER, "2/ada", &m) && m.max_budget_nano < 0);
	refused(ORG_MEMBER_UPDATE, "{\"organization_id\":\"p\",\"user_id\":\"ada\","
				   "\"max_budget_in_organization\":-1}", 400, "max_budget_in_organization");
	need(ORG_MEMBER_DELETE, "{\"organization_id\":\"p\",\"user_id\":\"ada\"}");
	assert_false(find(DIR_ORGANIZATION_MEMBER, "2/ada", &m));
	need(USER_DELETE, "{\"user_ids\":[\"bob\"]}");
	assert_false(find(DIR_ORGANIZATION_MEMBER, "2/bob", &m));
	assert_true(find(DIR_ORGANIZATION_MEMBER, "2/eve", &m));
	need(ORG_DELETE, "{\"organization_ids\":[\"p\"]}");
	assert_false(dir_has(w.m.dir, DIR_ORGANIZATION_MEMBER));
	need(ORG_MEMBER_DELETE, "{\"organization_id\":\"o\",\"user_id\":\"ada\"}");
}

static void test_periods_and_restart(void **st)
{
	uint64_t start = UINT64_C(1767225600) * NS_PER_S;	/* 2026-01-01T00:00Z */
	struct dir_key k;
	(void)st;
	clock_set(1, start);
	need(USER_NEW, "{\"user_id\":\"u\",\"budget_duration\":\"1d\",\"auto_create_key\":false}");
	need(TAG_NEW, "{\"name\":\"g\"}");
	need(BUDGET_NEW, "{\"budget_id\":\"b\",\"max_budget\":3}");
	need(TEAM, "{\"team_id\":\"t\"}");
	need(MEMBER_ADD, "{\"team_id\":\"t\",\"member\":{\"user_id\":\"u\"},\"max_budget_in_team\":2}");
	spend(DIR_USER, "u", 70);
	spend(DIR_TAG, "g", 80);
	clock_set(1, start + 86401 * NS_PER_S);
	keys_tick(w.m.keys, clock_wall_ns());
	store_drain(w.p.store);
	assert_int_equal(settled(DIR_USER, "u"), 0);
	assert_int_equal(settled(DIR_TAG, "g"), 80);
	assert_true((uint64_t)place_number(&w.p, "SELECT spend_since FROM tenants WHERE name = 'u'") ==
		    start + 86401 * NS_PER_S);
	place_exec(&w.p, "UPDATE tenants SET spend = 60 WHERE name = 'u'");
	spend(DIR_USER, "u", 65);
	close_world();
	open_world();			/* on the same board what stands there is kept */
	assert_int_equal(settled(DIR_USER, "u"), 65);
	assert_int_equal(settled(DIR_TAG, "g"), 80);
	close_world();
	drop_board();
	open_world();			/* on a fresh one the database's word counts */
	assert_int_equal(settled(DIR_USER, "u"), 60);
	assert_int_equal(settled(DIR_MEMBER, "1/u"), 60);
	assert_int_equal(settled(DIR_TAG, "g"), 0);
	assert_true(find(DIR_BUDGET, "b", &k) && k.max_budget_nano == 3000000000);
	assert_int_equal(keys_count(w.m.keys), 0);
}

static void test_no_memory_anywhere(void **st)
{
	static const struct call_row calls[] = {
		{ USER_NEW, "{\"user_id\":\"u\",\"models\":[\"m\"],\"teams\":[\"kept\"],\"auto_create_key\":false}" },
		{ USER_NEW, "{\"user_id\":\"v\",\"key_alias\":\"of v\"}" },
		{ USER_UPDATE, "{\"user_id\":\"u\",\"sso_user_id\":\"s\",\"max_budget\":3}" },
		{ MEMBER_UPDATE, "{\"team_id\":\"kept\",\"user_id\":\"u\",\"max_budget_in_team\":3}" },
		{ USER_INFO, "{\"user_id\":\"u\"}" },
		{ USER_LIST, "{\"team\":\"kept\"}" },
		{ ORG_NEW, "{\"organization_alias\":\"o\",\"organization_id\":\"o\"}" },
		{ ORG_LIST, "{}" },
		{ TAG_UPDATE, "{\"name\":\"g\",\"budget_id\":\"b\"}" },
		{ TAG_INFO, "{\"names\":[\"g\"]}" },
		{ CUSTOMER_UNBLOCK, "{\"user_ids\":[\"c\"]}" },
		{ CUSTOMER_DELETE, "{\"user_ids\":[\"c\"]}" },
		{ USER_DELETE, "{\"user_ids\":[\"u\",\"v\"]}" },
		{ ORG_DELETE, "{\"organization_ids\":[\"o\"]}" },
	};
	(void)st;
	need(TEAM, "{\"team_id\":\"kept\"}");
	need(TAG_NEW, "{\"name\":\"g\"}");
	need(BUDGET_NEW, "{\"budget_id\":\"b\"}");
	need(CUSTOMER_BLOCK, "{\"user_ids\":[\"c\"]}");
	fail_everywhere(calls, COUNT(calls),
			"SELECT 2 + (SELECT count(*) FROM tenants) + (SELECT count(*) FROM keys)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_user),
		T(test_all_kinds_have_their_places),
		T(test_budgets),
		T(test_members_with_limits),
		T(test_members_of_organizations),
		T(test_periods_and_restart),
		T(test_no_memory_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
