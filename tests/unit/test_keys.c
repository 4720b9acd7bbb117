/* SPDX-License-Identifier: MIT
 * test_keys.c - the key commands against a real database, directory and board. */
#include "keys_fixture.h"

#include "common/budget.h"

enum { CREATE, INFO, UPDATE, DELETE, LIST, BLOCK, UNBLOCK, ROTATE, SPENDERS };
const struct command commands[] = {
	[CREATE] = CALL("keys create", "POST", "/key/generate", ROLE_ADMIN, keys_generate, NULL),
	[INFO] = CALL("keys show", "GET", "/key/info", ROLE_ANY_KEY, keys_info, NULL),
	[UPDATE] = CALL("keys update", "POST", "/key/update", ROLE_ADMIN, keys_update, NEEDS("key")),
	[DELETE] = CALL("keys delete", "POST", "/key/delete", ROLE_ADMIN, keys_delete, NULL),
	[LIST] = CALL("keys list", "GET", "/key/list", ROLE_VIEW, keys_list, NULL),
	[BLOCK] = CALL("keys block", "POST", "/key/block", ROLE_ADMIN, keys_block, NEEDS("key")),
	[UNBLOCK] = CALL("keys unblock", "POST", "/key/unblock", ROLE_ADMIN, keys_unblock,
			 NEEDS("key")),
	[ROTATE] = CALL("keys rotate", "POST", "/key/regenerate", ROLE_ADMIN, keys_rotate,
			NEEDS("key")),
	[SPENDERS] = CALL("spend keys", "GET", "/spend/keys", ROLE_VIEW, keys_by_spend, NULL),
};
const size_t commands_count = COUNT(commands);

/* ---- create ---- */

static void test_a_plain_key(void **st)
{
	struct dir_key k;
	(void)st;
	need(CREATE, "{}");
	const char *text = keep("key");
	char hex[65];
	struct sha256 h = hash_sha256(str_z(text));
	assert_int_equal(strlen(text), 3 + 22);
	assert_memory_equal(text, "sk-", 3);
	hash_hex(hex, h.b, sizeof h.b);
	assert_true(str_eq_z(json_get_str(w.mem, w.answer, "token"), hex));
	assert_true(str_eq_z(json_get_str(w.mem, w.answer, "token_id"), hex));
	assert_true(str_starts(json_get_str(w.mem, w.answer, "key_name"), STR("sk-...")));
	assert_true(str_ends(str_z(text), str_skip(json_get_str(w.mem, w.answer, "key_name"), 6)));
	expect("models", "[]");
	expect("spend", "0.0");
	expect("max_budget", "null");
	expect("expires", "null");
	expect("created_by", "\"default_user_id\"");
	assert_null(json_get(w.answer, "llmgw_warnings"));
	assert_true(published(text, &k));
	assert_true(k.flags == KEY_ALL_MODELS && k.max_budget_nano == DIR_NO_LIMIT && k.id > 0);
	assert_int_equal(keys_count(w.m.keys), 1);
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys"), 1);
}

static void test_all_that_acts(void **st)
{
	struct dir_key k;
	(void)st;
	clock_set(1, UINT64_C(1767225600) * NS_PER_S);	/* 2026-01-01, a Thursday */
	need(CREATE,
	     "{\"key\":\"sk-custom-1\",\"key_alias\":\"research\",\"models\":[\"gpt-4o\",\"claude*\"],"
		     "\"max_budget\":\"12.5\",\"budget_duration\":\"7d\",\"rpm_limit\":60,\"tpm_limit\":\"1000\","
		     "\"max_parallel_requests\":3,\"duration\":\"30d\",\"user_id\":\"u1\",\"team_id\":\"t1\","
		     "\"organization_id\":\"o1\",\"metadata\":{\"a\":[1,2.50]},\"blocked\":true}");
	expect("key", "\"sk-custom-1\"");
	expect("key_name", "\"sk-...om-1\"");
	expect("key_alias", "\"research\"");
	expect("max_budget", "12.5");
	expect("budget_duration", "\"7d\"");
	expect("budget_reset_at", "\"2026-01-05T00:00:00.000Z\"");
	expect("expires", "\"2026-01-31T00:00:00.000Z\"");
	expect("metadata", "{\"a\":[1,2.50]}");
	assert_true(published("sk-custom-1", &k));
	assert_int_equal(k.flags, KEY_BLOCKED);
	assert_true(str_eq(k.models, STR("gpt-4o\0claude*\0")));
	assert_true(str_eq_z(k.alias, "research") && str_eq_z(k.user_id, "u1") &&
		    str_eq_z(k.team_id, "t1"));
	assert_true(str_eq_z(k.last4, "sk-...om-1"));
	assert_int_equal(k.max_budget_nano, 12500000000);
	assert_int_equal(k.rpm, 60);
	assert_int_equal(k.tpm, 1000);
	assert_int_equal(k.max_parallel, 3);
	assert_true(k.expires_wall_ns == UINT64_C(1769817600) * NS_PER_S);
	assert_true(dir_key_may_use(&k, STR("claude-3")) && !dir_key_may_use(&k, STR("gpt-4")));
}

static void test_what_is_refused(void **st)
{
	(void)st;
	need(CREATE, "{\"key\":\"sk-first\",\"key_alias\":\"a\"}");
	refused(CREATE, "{\"key_alias\":\"a\"}", 400, "\"param\":\"key_alias\"");
	refused(CREATE, "{\"key\":\"sk-first\"}", 400, "\"param\":\"key\"");
	refused(CREATE, "{\"key\":\"first\"}", 400, "must begin with sk-");
	refused(CREATE, "{\"key\":\"sk- x\"}", 400, "visible");
	refused(CREATE, "{\"key\":\"" MASTER "\"}", 400, "master key");
	refused(CREATE, "{\"max_budget\":-1}", 400, "negative");
	refused(CREATE, "{\"soft_budget\":-0.1}", 400, "negative");
	refused(CREATE, "{\"rpm_limit\":0}", 400, "at least 1");
	refused(CREATE, "{\"rpm_limit\":-5}", 400, "rpm_limit");
	refused(CREATE, "{\"models\":\"gpt-4\"}", 400, "list");
	refused(CREATE, "{\"models\":[1]}", 400, "list of names");
	refused(CREATE, "{\"models\":[\"\"]}", 400, "list of names");
	refused(CREATE, "{\"models\":[\"a\\u0000b\"]}", 400, "list of names");
	refused(CREATE, "{\"metadata\":[]}", 400, "object");
	refused(CREATE, "{\"duration\":\"30x\"}", 400, "30d");
	refused(CREATE, "{\"budget_duration\":\"0d\"}", 400, "30d");
	refused(CREATE, "{\"blocked\":\"perhaps\"}", 400, "true or false");
	refused(CREATE, "{\"key_alias\":5}", 400, "string");
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys"), 1);
	assert_int_equal(dir_count(w.m.dir), 2);
}

static void test_what_does_not_act_is_said(void **st)
{
	(void)st;
	need(CREATE,
	     "{\"key\":\"sk-tell\",\"guardrails\":[\"g\"],\"tags\":[\"x\"],\"model_max_budget\":{\"m\":1},"
		     "\"permissions\":{\"p\":true},\"aliases\":{},\"max_bugdet\":3,\"zzzzzz\":1,"
		     "\"key_type\":\"default\",\"allowed_routes\":[],\"send_invite_email\":false}");
	assert_int_equal(at("llmgw_warnings")->count, 6);	/* with that of a short key */
	assert_true(str_find(w.text, STR("key has 7 characters and may be guessed")) != SIZE_MAX);
	assert_true(str_find(w.text, STR("guardrails is stored but not acted on yet")) != SIZE_MAX);
	assert_true(str_find(w.text, STR("did you mean 'max_budget'?")) != SIZE_MAX);
	assert_true(str_find(w.text, STR("'zzzzzz' is unknown and was ignored\"")) != SIZE_MAX);
	expect("metadata.tags", "[\"x\"]");
	expect("metadata.guardrails", "[\"g\"]");
	expect("model_max_budget", "{\"m\":1}");
	expect("permissions", "{\"p\":true}");
	need(UPDATE,
	     "{\"key\":\"sk-tell\",\"tags\":[\"y\"],\"model_max_budget\":null,\"project_id\":\"p\"}");
	expect("metadata.tags", "[\"y\"]");
	expect("metadata.guardrails", "[\"g\"]");
	expect("project_id", "\"p\"");
	assert_null(json_get(w.answer, "model_max_budget"));
}

/* ---- info ---- */

static void test_info_finds_by_all_names(void **st)
{
	(void)st;
	need(CREATE, "{\"key\":\"sk-info\",\"key_alias\":\"known\"}");
	const char *hex = keep("token");
	need(INFO, "{\"key\":\"sk-info\"}");
	expect("key", "\"sk-info\"");
	expect("info.key_alias", "\"known\"");
	assert_null(json_get_path(w.answer, "info.token"));
	need(INFO, args_of("{\"key\":\"%s\"}", hex));
	need(INFO, "{\"key\":\"known\"}");
	refused(INFO, "{\"key\":\"sk-nobody\"}", 404, "not_found_error");
	refused(INFO, "{\"key\":\"nobody\"}", 404, "No key found");
	refused(INFO, "{}", 404, "not_found_error");	/* the master key has no row */
}

static void test_a_key_sees_itself_alone(void **st)
{
	struct dir_key own, other;
	(void)st;
	need(CREATE, "{\"key\":\"sk-own\"}");
	need(CREATE, "{\"key\":\"sk-other\",\"key_alias\":\"other\"}");
	assert_true(published("sk-own", &own) && published("sk-other", &other));
	assert_int_equal(call_by_key(INFO, "{}", own.id, own.hash), 200);
	expect("info.key_name", "\"sk-...-own\"");
	assert_int_equal(call_by_key(INFO, "{\"key\":\"sk-own\"}", own.id, own.hash), 200);
	assert_int_equal(call_by_key(INFO, "{\"key\":\"sk-other\"}", own.id, own.hash), 403);
	uint64_t answer = hash_stable(w.text);
	assert_int_equal(call_by_key(INFO, "{\"key\":\"sk-not-there\"}", own.id, own.hash), 403);
	assert_true(hash_stable(w.text) == answer);
	assert_int_equal(call_by_key(INFO, "{\"key\":\"other\"}", own.id, own.hash), 403);
	for (int c = CREATE; c < (int)commands_count; c++)
		if (c != INFO)
			assert_int_equal(call_by_key(c, "{\"key\":\"sk-own\"}", own.id, own.hash),
					 401);
}

/* ---- change ---- */

static void test_update_and_clear(void **st)
{
	struct dir_key k;
	(void)st;
	need(CREATE,
	     "{\"key\":\"sk-up\",\"key_alias\":\"one\",\"max_budget\":1,\"duration\":\"1d\",\"rpm_limit\":5,"
		     "\"models\":[\"m\"],\"metadata\":{\"a\":1}}");
	need(UPDATE, "{\"key\":\"one\",\"max_budget\":2,\"models\":[]}");
	expect("key", "\"one\"");
	expect("max_budget", "2.0");
	expect("rpm_limit", "5");
	expect("metadata", "{\"a\":1}");
	assert_true(published("sk-up", &k));
	assert_true(k.max_budget_nano == 2000000000 && k.rpm == 5 && (k.flags & KEY_ALL_MODELS));
	need(UPDATE,
	     "{\"key\":\"sk-up\",\"max_budget\":null,\"rpm_limit\":null,\"duration\":\"-1\","
		     "\"key_alias\":\"two\",\"metadata\":{}}");
	assert_true(published("sk-up", &k));
	assert_true(k.max_budget_nano == DIR_NO_LIMIT && k.rpm == 0 && k.expires_wall_ns == 0);
	assert_true(str_eq_z(k.alias, "two"));
	expect("metadata", "{}");
	refused(UPDATE, "{\"key\":\"one\",\"max_budget\":1}", 404, "not_found_error");
	refused(UPDATE, "{\"max_budget\":1}", 400, "key is missing");
	need(CREATE, "{\"key_alias\":\"three\"}");
	refused(UPDATE, "{\"key\":\"two\",\"key_alias\":\"three\"}", 400,
		"\"param\":\"key_alias\"");
	need(UPDATE, "{\"key\":\"two\",\"key_alias\":\"two\"}");
}

static void test_block_and_unblock(void **st)
{
	struct dir_key k;
	(void)st;
	need(CREATE, "{\"key\":\"sk-block\"}");
	need(BLOCK, "{\"key\":\"sk-block\"}");
	expect("blocked", "true");
	assert_true(published("sk-block", &k) && (k.flags & KEY_BLOCKED));
	need(UNBLOCK, "{\"key\":\"sk-block\"}");
	assert_true(published("sk-block", &k) && !(k.flags & KEY_BLOCKED));
	refused(BLOCK, "{\"key\":\"sk-nobody\"}", 404, "not_found_error");
}

static void test_rotate_keeps_all_but_the_text(void **st)
{
	struct dir_key before, after;
	(void)st;
	need(CREATE, "{\"key\":\"sk-old\",\"key_alias\":\"r\",\"max_budget\":3}");
	assert_true(published("sk-old", &before));
	need(ROTATE, "{\"key\":\"r\",\"max_budget\":4}");
	keep("key");
	assert_false(published("sk-old", &after));
	assert_true(published(kept, &after));
	assert_true(after.id == before.id && after.entity == before.entity);
	assert_int_equal(after.max_budget_nano, 4000000000);
	need(ROTATE, "{\"key\":\"r\",\"new_key\":\"sk-chosen\"}");
	assert_true(published("sk-chosen", &after));
	refused(ROTATE, "{\"key\":\"r\",\"new_key\":\"chosen\"}", 400, "sk-");
	refused(ROTATE, "{\"key\":\"r\",\"new_key\":\"" MASTER "\"}", 400, "master");
	need(CREATE, "{\"key\":\"sk-taken\"}");
	refused(ROTATE, "{\"key\":\"r\",\"new_key\":\"sk-taken\"}", 400, "\"param\":\"key\"");
	assert_int_equal(keys_count(w.m.keys), 2);
}

static void test_delete(void **st)
{
	struct dir_key k;
	(void)st;
	need(CREATE, "{\"key\":\"sk-d1\",\"key_alias\":\"d1\"}");
	need(CREATE, "{\"key\":\"sk-d2\",\"key_alias\":\"d2\"}");
	need(CREATE, "{\"key\":\"sk-d3\"}");
	refused(DELETE, "{\"keys\":[\"sk-d1\",\"sk-secret-nobody\"]}", 404,
		"sk-...body; nothing was deleted");
	assert_true(published("sk-d1", &k));
	refused(DELETE, "{}", 400, "say which");
	refused(DELETE, "{\"keys\":[5]}", 400, "strings");
	need(DELETE, "{\"keys\":[\"sk-d1\",\"sk-d3\"],\"key_aliases\":[\"d2\"]}");
	expect("deleted_keys", "[\"sk-d1\",\"sk-d3\",\"d2\"]");
	assert_false(published("sk-d1", &k) || published("sk-d2", &k) || published("sk-d3", &k));
	assert_int_equal(keys_count(w.m.keys), 0);
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys_deleted"), 3);
	need(CREATE, "{\"key\":\"sk-d1\",\"key_alias\":\"d1\"}");	/* both are free again */
	assert_true(published("sk-d1", &k));
	assert_int_equal(k.id, 4);
}

static void test_list(void **st)
{
	char args[128];
	(void)st;
	for (int i = 0; i < 25; i++) {
		snprintf(args, sizeof args, "{\"key_alias\":\"k%02d\",\"user_id\":\"u%d\"}", i,
			 i % 2);
		need(CREATE, args);
	}
	need(LIST, "{}");
	expect("total_count", "25");
	expect("total_pages", "3");
	assert_int_equal(at("keys")->count, 10);
	assert_int_equal(at("keys")->child->raw.n, 66);
	need(LIST, "{\"page\":\"3\",\"size\":\"10\",\"return_full_object\":\"true\"}");
	assert_int_equal(at("keys")->count, 5);
	assert_true(str_eq_z(json_get_str(w.mem, at("keys")->child, "key_alias"), "k04"));
	need(LIST, "{\"user_id\":\"u1\",\"size\":100}");
	expect("total_count", "12");
	need(LIST, "{\"key_alias\":\"k07\",\"return_full_object\":true}");
	assert_int_equal(at("keys")->count, 1);
	keep("keys");
	need(LIST, args_of("{\"key_hash\":\"%s\"}", "00"));
	expect("total_count", "0");
	refused(LIST, "{\"size\":101}", 400, "\"param\":\"size\"");
	refused(LIST, "{\"page\":0}", 400, "\"param\":\"page\"");
}

/* ---- spend and periods ---- */

static void spend(const char *key, int64_t nano)
{
	struct dir_key k;
	assert_true(published(key, &k));
	assert_int_equal(budget_add_settled(&w.m.board, k.entity, nano), 0);
}

static int64_t settled(const char *key)
{
	struct dir_key k;
	int64_t s, reserved;
	uint32_t parallel;
	assert_true(published(key, &k));
	budget_read(&w.m.board, k.entity, &s, &reserved, &parallel);
	return s;
}

static void test_spend_is_the_boards(void **st)
{
	(void)st;
	need(CREATE, "{\"key\":\"sk-s\",\"spend\":2}");
	expect("spend", "2.0");
	spend("sk-s", 500000000);
	need(INFO, "{\"key\":\"sk-s\"}");
	expect("info.spend", "2.5");
	need(UPDATE, "{\"key\":\"sk-s\",\"spend\":0}");
	expect("spend", "0.0");
	assert_int_equal(settled("sk-s"), 0);
	need(UPDATE, "{\"key\":\"sk-s\",\"spend\":7,\"max_budget\":9}");
	assert_int_equal(settled("sk-s"), 7000000000);
	need(CREATE, "{\"key\":\"sk-t\",\"spend\":8}");
	need(SPENDERS, "{}");
	assert_int_equal(w.answer->count, 2);
	assert_true(str_eq_z(json_get_str(w.mem, w.answer->child, "key_name"), "sk-...sk-t"));
}

static void tick(void)
{
	keys_tick(w.m.keys, clock_wall_ns());
	store_drain(w.p.store);
}

static void test_a_period_ends(void **st)
{
	uint64_t start = UINT64_C(1767225600) * NS_PER_S;	/* 2026-01-01T00:00Z */
	(void)st;
	clock_set(1, start);
	need(CREATE,
	     "{\"key\":\"sk-p\",\"max_budget\":1,\"budget_duration\":\"1d\",\"spend\":0.9}");
	need(CREATE, "{\"key\":\"sk-q\",\"max_budget\":1,\"spend\":0.5}");
	tick();
	assert_int_equal(settled("sk-p"), 900000000);
	clock_set(1, start + 86399 * NS_PER_S);
	tick();
	assert_int_equal(settled("sk-p"), 900000000);
	clock_set(1, start + 86401 * NS_PER_S);
	tick();
	assert_int_equal(settled("sk-p"), 0);
	assert_int_equal(settled("sk-q"), 500000000);
	assert_int_equal(place_number(&w.p, "SELECT spend FROM keys WHERE id = 1"), 0);
	assert_true((uint64_t)place_number(&w.p, "SELECT spend_since FROM keys WHERE id = 1") ==
		    start + 86401 * NS_PER_S);
	need(INFO, "{\"key\":\"sk-p\"}");
	expect("info.budget_reset_at", "\"2026-01-03T00:00:00.000Z\"");
	need(UPDATE, "{\"key\":\"sk-p\",\"budget_duration\":null}");
	expect("budget_reset_at", "null");
}

/* Its master was killed behind the database's part, or before it, and its board lives on. */
static void test_a_period_whose_master_was_killed(void **st)
{
	uint64_t start = UINT64_C(1767225600) * NS_PER_S;
	struct board_reset *notes = w.m.board.head->resets;
	struct dir_key p, q;
	(void)st;
	clock_set(1, start);
	need(CREATE, "{\"key\":\"sk-p\",\"budget_duration\":\"1d\",\"spend\":0.9}");
	need(CREATE, "{\"key\":\"sk-q\",\"budget_duration\":\"1d\",\"spend\":0.5}");
	assert_true(published("sk-p", &p) && published("sk-q", &q));
	place_exec(&w.p, "UPDATE keys SET spend = 0, spend_since = 1234 WHERE id = 1");
	notes[0] = (struct board_reset){ .period_ns = 1234, .taken = 700000000, .entity = p.entity };
	notes[5] = (struct board_reset){ .period_ns = 1234, .taken = 300000000, .entity = q.entity };
	notes[6] = (struct board_reset){ .period_ns = 1234, .taken = 1, .entity = BOARD_ENTITIES };
	for (int i = 0; i < 2; i++) {		/* once more changes nothing */
		close_world();
		open_world();
		assert_int_equal(settled("sk-p"), 200000000);	/* what was spent meanwhile */
		assert_int_equal(settled("sk-q"), 500000000);
		assert_true(!notes[0].period_ns && !notes[5].period_ns && !notes[6].period_ns);
	}
}

static void test_many_periods_end_at_once(void **st)
{
	uint64_t start = UINT64_C(1767225600) * NS_PER_S;
	(void)st;
	clock_set(1, start);
	place_exec(&w.p,
		   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1700) "
			 "INSERT INTO keys (token_hash, key_name, spend, budget_duration, "
			 "budget_reset_at,"
			 " created_at, updated_at) SELECT randomblob(32), 'sk-...', 5, '30s', "
			 "1767225601000000000,"
			 " 1, 1 FROM n");
	close_world();
	w.max_keys = 5000;
	drop_board();
	open_world();
	assert_int_equal(keys_count(w.m.keys), 1700);
	clock_set(1, start + 2 * NS_PER_S);
	tick();
	assert_int_equal(place_number(&w.p, "SELECT sum(spend) FROM keys"), 0);
	assert_int_equal(place_number(&w.p, "SELECT count(DISTINCT budget_reset_at) FROM keys"), 1);
}

static void test_periods(void **st)
{
	static const struct {
		const char *period, *reset, *after;	/* from 2026-02-04T05:06:07Z, a Wednesday */
	} rows[] = {
		{ "30s", "2026-02-04T05:06:37.000Z", "2026-02-04T05:06:37.000Z" },
		{ "30m", "2026-02-04T05:36:07.000Z", "2026-02-04T05:36:07.000Z" },
		{ "24h", "2026-02-05T05:06:07.000Z", "2026-02-05T05:06:07.000Z" },
		{ "1d", "2026-02-05T00:00:00.000Z", "2026-02-05T05:06:07.000Z" },
		{ "2d", "2026-02-06T05:06:07.000Z", "2026-02-06T05:06:07.000Z" },
		{ "7d", "2026-02-09T00:00:00.000Z", "2026-02-11T05:06:07.000Z" },
		{ "1w", "2026-02-09T00:00:00.000Z", "2026-02-11T05:06:07.000Z" },
		{ "2w", "2026-02-18T05:06:07.000Z", "2026-02-18T05:06:07.000Z" },
		{ "30d", "2026-03-01T00:00:00.000Z", "2026-03-06T05:06:07.000Z" },
		{ "1mo", "2026-03-01T00:00:00.000Z", "2026-03-04T05:06:07.000Z" },
		{ "12mo", "2027-02-01T00:00:00.000Z", "2027-02-04T05:06:07.000Z" },
	};
	static const char *const bad[] = { "", "s", "1", "0s", "-1d", "1.5h", "1y", " 1d", "1 d",
					   "999999999999d",
					   "101000000s", "mo", "9999999999999999999999s" };
	uint64_t now = UINT64_C(1770181567) * NS_PER_S;
	struct period p;
	char text[25];
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(period_read(str_z(rows[i].period), &p), 0);
		assert_string_equal(clock_rfc3339(text, period_reset(p, now)), rows[i].reset);
		assert_string_equal(clock_rfc3339(text, period_after(p, now)), rows[i].after);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(period_read(str_z(bad[i]), &p), i == 10 ? 0 : -EINVAL);
	/* a period that all share begins at its own time */
	static const struct {
		const char *period, *begin;
	} begins[] = {
		{ "5h", "2026-02-04T03:00:00.000Z" }, { "1d", "2026-02-04T00:00:00.000Z" },
		{ "7d", "2026-02-02T00:00:00.000Z" }, { "30d", "2026-02-01T00:00:00.000Z" },
		{ "1mo", "2026-02-01T00:00:00.000Z" }, { "3mo", "2026-01-01T00:00:00.000Z" },
	};
	for (size_t i = 0; i < COUNT(begins); i++) {
		assert_int_equal(period_read(str_z(begins[i].period), &p), 0);
		assert_string_equal(clock_rfc3339(text, period_begin(p, now)), begins[i].begin);
		assert_string_equal(clock_rfc3339(text, period_begin(p, period_begin(p, now))),
				    begins[i].begin);
	}
	/* the 31st has no like in February */
	assert_int_equal(period_read(STR("1mo"), &p), 0);
	assert_string_equal(clock_rfc3339(text, period_after(p, UINT64_C(1769817600) * NS_PER_S)),
			    "2026-02-28T00:00:00.000Z");
	assert_int_equal(period_read(STR("7d"), &p), 0);	/* on a Monday: the next one */
	assert_string_equal(clock_rfc3339(text, period_reset(p, UINT64_C(1770595200) * NS_PER_S)),
			    "2026-02-16T00:00:00.000Z");
}

/* ---- start, master key, room ---- */

static void test_keys_come_back(void **st)
{
	struct dir_key k;
	(void)st;
	need(CREATE, "{\"key\":\"sk-back\",\"models\":[\"m\"],\"spend\":3,\"blocked\":true}");
	close_world();
	drop_board();
	open_world();
	assert_true(published("sk-back", &k));
	assert_int_equal(k.flags, KEY_BLOCKED);
	assert_int_equal(settled("sk-back"), 3000000000);
	assert_true(published(MASTER, &k));
	assert_int_equal(k.flags, KEY_ADMIN | KEY_ALL_MODELS);
	assert_int_equal(k.id, 0);
}

/* After an upgrade in place workers go on with the board: each key stays in its row. */
static void test_rows_of_the_board_outlive_an_upgrade(void **st)
{
	struct dir_key a, b, c;
	(void)st;
	need(CREATE, "{\"key\":\"sk-a\"}");
	need(CREATE, "{\"key\":\"sk-b\"}");
	need(CREATE, "{\"key\":\"sk-c\"}");
	need(DELETE, "{\"keys\":[\"sk-b\"]}");
	spend("sk-c", 77);
	assert_true(published("sk-a", &a) && published("sk-c", &c));
	close_world();
	open_world();
	assert_true(published("sk-a", &b));
	assert_int_equal(b.entity, a.entity);
	assert_true(published("sk-c", &b));
	assert_int_equal(b.entity, c.entity);
	/* not what the database says: it is behind */
	assert_int_equal(settled("sk-c"), 77);
	assert_int_equal(keys_count(w.m.keys), 2);
	need(CREATE, "{\"key\":\"sk-d\"}");
	assert_true(published("sk-d", &b));
	assert_true(b.entity > c.entity);	/* b's row is in quarantine */
}

static void test_a_row_of_the_board_is_used_again_when_it_is_safe(void **st)
{
	struct dir_key a, b, c;
	(void)st;
	clock_set(UINT64_C(1000) * NS_PER_S, UINT64_C(1767225600) * NS_PER_S);
	need(CREATE, "{\"key\":\"sk-a\",\"spend\":1}");
	assert_true(published("sk-a", &a));
	need(DELETE, "{\"keys\":[\"sk-a\"]}");
	need(CREATE, "{\"key\":\"sk-b\"}");
	assert_true(published("sk-b", &b));
	assert_true(b.entity != a.entity);
	clock_set(UINT64_C(1061) * NS_PER_S, UINT64_C(1767225661) * NS_PER_S);
	need(CREATE, "{\"key\":\"sk-c\"}");
	assert_true(published("sk-c", &c));
	assert_int_equal(c.entity, a.entity);
	assert_int_equal(settled("sk-c"), 0);
}

static void test_the_master_key_changes(void **st)
{
	struct dir_key k;
	(void)st;
	assert_int_equal(keys_set_master(w.m.keys, STR("sk-new-master")), 0);
	assert_false(published(MASTER, &k));
	assert_true(published("sk-new-master", &k) && (k.flags & KEY_ADMIN));
	assert_int_equal(keys_set_master(w.m.keys, STR("sk-new-master")), 0);
	assert_true(published("sk-new-master", &k));
	assert_int_equal(keys_set_master(w.m.keys, STR_NONE), 0);
	assert_false(published("sk-new-master", &k));
	assert_int_equal(keys_count(w.m.keys), 0);
}

static void test_a_key_that_is_now_the_master_stays_the_master(void **st)
{
	struct dir_key k;
	(void)st;
	need(CREATE, "{\"key\":\"sk-both\",\"key_alias\":\"both\"}");
	assert_int_equal(keys_set_master(w.m.keys, STR("sk-both")), 0);
	need(BLOCK, "{\"key\":\"both\"}");
	assert_true(published("sk-both", &k) && k.flags == (KEY_ADMIN | KEY_ALL_MODELS));
	need(DELETE, "{\"key_aliases\":[\"both\"]}");
	assert_true(published("sk-both", &k) && (k.flags & KEY_ADMIN));
}

static void test_a_change_that_cannot_be_published_is_undone(void **st)
{
	struct dir_key k;
	int answers;
	(void)st;
	need(CREATE, "{\"key\":\"sk-big\",\"key_alias\":\"big\"}");
	for (uint64_t fail = 1; fail < 60; fail++) {
		struct command_call *c = begin(UPDATE, "{\"key\":\"big\",\"max_budget\":5}",
					       &answers);
		c->is_admin = true;
		answers = 0;
		mem_fail_at(fail);
		command_run(c);
		store_drain(w.p.store);
		mem_fail_at(0);
		assert_int_equal(answers, 1);
		assert_true(published("sk-big", &k));
		int64_t budget = place_number(&w.p, "SELECT max_budget FROM keys");
		if (w.status == 200) {
			assert_int_equal(k.max_budget_nano, 5000000000);
			assert_int_equal(budget, 5000000000);
			return;
		}
		assert_int_equal(k.max_budget_nano, DIR_NO_LIMIT);
		assert_int_equal(budget, 0);	/* NULL */
	}
	fail();
}

static void test_no_memory_anywhere(void **st)
{
	static const struct call_row calls[] = {
		{ CREATE, "{\"models\":[\"m\"],\"tags\":[1],\"odd\":2}" },
		{ LIST, "{\"return_full_object\":true}" },
		{ INFO, "{\"key\":\"kept\"}" },
		{ ROTATE, "{\"key\":\"kept\"}" },
		{ BLOCK, "{\"key\":\"kept\"}" },
		{ SPENDERS, "{}" },
		{ DELETE, "{\"keys\":[\"kept\"]}" },
	};
	(void)st;
	need(CREATE, "{\"key_alias\":\"kept\"}");
	fail_everywhere(calls, COUNT(calls), "SELECT 1 + count(*) FROM keys");
}

static void test_full_disk_is_told(void **st)
{
	(void)st;
	place_limit(&w.p, 1);
	int status = 200;
	for (int i = 0; i < 300 && status == 200; i++)
		status = call(CREATE,
			      "{\"metadata\":{\"x\":\"0123456789012345678901234567890123456789\"}}");
	assert_int_equal(status, 503);
	assert_true(str_find(w.text, STR("disk is full")) != SIZE_MAX);
	assert_int_equal(dir_count(w.m.dir), 1 + (uint64_t)place_number(&w.p,
		"SELECT count(*) FROM keys"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_plain_key),
		T(test_all_that_acts),
		T(test_what_is_refused),
		T(test_what_does_not_act_is_said),
		T(test_info_finds_by_all_names),
		T(test_a_key_sees_itself_alone),
		T(test_update_and_clear),
		T(test_block_and_unblock),
		T(test_rotate_keeps_all_but_the_text),
		T(test_delete),
		T(test_list),
		T(test_spend_is_the_boards),
		T(test_a_period_ends),
		T(test_a_period_whose_master_was_killed),
		T(test_many_periods_end_at_once),
		T(test_periods),
		T(test_keys_come_back),
		T(test_rows_of_the_board_outlive_an_upgrade),
		T(test_a_row_of_the_board_is_used_again_when_it_is_safe),
		T(test_the_master_key_changes),
		T(test_a_key_that_is_now_the_master_stays_the_master),
		T(test_a_change_that_cannot_be_published_is_undone),
		T(test_no_memory_anywhere),
		T(test_full_disk_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
