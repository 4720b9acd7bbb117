/* SPDX-License-Identifier: MIT
 * test_audit.c - what commands change stands in the audit log, in the same transaction, without
 * their help; and the chain tells of what was altered later. */
#include "keys_fixture.h"

#include "master/audit.h"
#include "master/teams.h"

static void act(struct command_call *c);
static void change_and_fail(struct command_call *c);
static void change_many(struct command_call *c);
static void change_gadget(struct command_call *c);

static const struct command_arg needs_key[] = { { "key", ARG_STRING, ARG_REQUIRED, "" }, { 0 } };
static const struct command_arg needs_id[] = {
	{ "id", ARG_STRING, ARG_REQUIRED | ARG_POSITIONAL, "" }, { 0 },
};
enum { CREATE, UPDATE, DELETE, BLOCK, UNBLOCK, ROTATE, INFO, TEAM, LIST, SHOW, VERIFY, ACT, FAIL,
       MANY, GADGET };
#define ROW(words, method, role, flags, run, args)                                                \
	{ words, method, "/" words, role, flags, run, args, NULL, NULL, "", "" }
const struct command commands[] = {
	[CREATE] = ROW("keys create", "POST", ROLE_ADMIN, 0, keys_generate, NULL),
	[UPDATE] = ROW("keys update", "POST", ROLE_ADMIN, 0, keys_update, needs_key),
	[DELETE] = ROW("keys delete", "POST", ROLE_ADMIN, 0, keys_delete, NULL),
	[BLOCK] = ROW("keys block", "POST", ROLE_ADMIN, 0, keys_block, needs_key),
	[UNBLOCK] = ROW("keys unblock", "POST", ROLE_ADMIN, 0, keys_unblock, needs_key),
	[ROTATE] = ROW("keys rotate", "POST", ROLE_ADMIN, 0, keys_rotate, needs_key),
	[INFO] = ROW("keys show", "GET", ROLE_ANY_KEY, 0, keys_info, NULL),
	[TEAM] = ROW("teams create", "POST", ROLE_ADMIN, 0, teams_new, NULL),
	[LIST] = ROW("audit list", "GET", ROLE_VIEW, 0, audit_list, NULL),
	[SHOW] = ROW("audit show", "GET", ROLE_VIEW, 0, audit_show, needs_id),
	[VERIFY] = ROW("audit verify", "GET", ROLE_VIEW, 0, audit_verify, NULL),
	[ACT] = ROW("act", "POST", ROLE_ADMIN, CMD_ACTS, act, NULL),
	[FAIL] = ROW("fail", "POST", ROLE_ADMIN, 0, change_and_fail, NULL),
	[MANY] = ROW("many", "POST", ROLE_ADMIN, 0, change_many, NULL),
	[GADGET] = ROW("gadget", "POST", ROLE_ADMIN, 0, change_gadget, NULL),
};
const size_t commands_count = COUNT(commands);

static int64_t rows(void)
{
	return place_number(&w.p, "SELECT count(*) FROM audit");
}

/* The newest row of the list. */
static const char *newest(const char *member)
{
	static char path[100];
	need(LIST, "{}");
	snprintf(path, sizeof path, "%s", member);
	const struct json *row = json_at(json_get(w.answer, "audit_logs"), 0);
	const struct json *j = json_get_path(row, path);
	if (!j)
		fail_msg("no %s in " STR_FMT, member, STR_ARG(w.text));
	snprintf(kept, sizeof kept, STR_FMT, STR_ARG(j->raw));
	return kept;
}

static void assert_newest(const char *member, const char *raw)
{
	assert_string_equal(newest(member), raw);
}

static void assert_sound(int64_t n)
{
	char text[24];
	need(VERIFY, "{}");
	snprintf(text, sizeof text, "%lld", (long long)n);
	expect("ok", "true");
	expect("rows", text);
}

/* ---- what is noted ---- */

static void test_each_change_is_a_row(void **st)
{
	char hash[80];
	(void)st;
	assert_sound(0);
	need(CREATE, "{\"key\":\"sk-first-key-of-all\",\"key_alias\":\"one\",\"max_budget\":2.5}");
	snprintf(hash, sizeof hash, "\"%.64s\"", keep("token"));
	assert_newest("action", "\"created\"");
	assert_newest("table_name", "\"LiteLLM_VerificationToken\"");
	assert_newest("object_id", hash);
	assert_newest("changed_by", "\"default_user_id\"");
	assert_newest("command", "\"keys create\"");
	assert_newest("role", "\"proxy_admin\"");
	assert_newest("before_value", "null");
	assert_newest("updated_values.max_budget", "2.5");
	assert_newest("updated_values.token", hash);
	need(UPDATE, "{\"key\":\"one\",\"rpm_limit\":7}");
	assert_newest("action", "\"updated\"");
	assert_newest("before_value.rpm_limit", "null");
	assert_newest("before_value.max_budget", "2.5");
	assert_newest("updated_values.rpm_limit", "7");
	assert_true(str_find(str_z(newest("updated_values")), STR("max_budget")) == SIZE_MAX);
	need(BLOCK, "{\"key\":\"one\"}");
	assert_newest("action", "\"blocked\"");
	need(UNBLOCK, "{\"key\":\"one\"}");
	assert_newest("action", "\"unblocked\"");
	need(ROTATE, "{\"key\":\"one\"}");
	assert_newest("action", "\"rotated\"");
	assert_newest("object_id", hash);
	need(DELETE, "{\"key_aliases\":[\"one\"]}");
	assert_newest("action", "\"deleted\"");
	assert_newest("updated_values", "null");
	need(TEAM, "{\"team_id\":\"physics\"}");
	assert_newest("table_name", "\"LiteLLM_TeamTable\"");
	assert_newest("object_id", "\"physics\"");
	assert_int_equal(rows(), 7);
	assert_sound(7);
}

static void test_who_and_from_where(void **st)
{
	int answers;
	static const uint8_t address[16] = { [10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0,
					     [14] = 2, [15] = 7 };
	char hex[65], quoted[67];
	struct sha256 hash = hash_sha256(STR("sk-someone"));
	(void)st;
	struct command_call *c = begin(CREATE, "{}", &answers);
	c->is_admin = true;
	c->caller_key = 3;
	c->caller_hash = &hash;
	c->changed_by = STR("ada");
	memcpy(c->address, address, sizeof address);
	finish(c, &answers);
	hash_hex(hex, hash.b, sizeof hash.b);
	snprintf(quoted, sizeof quoted, "\"%s\"", hex);
	assert_newest("changed_by", "\"ada\"");
	assert_newest("changed_by_api_key", quoted);
	assert_newest("address", "\"192.0.2.7\"");
	c = begin(CREATE, "{}", &answers);
	c->is_admin = true;
	c->kind = CALLER_SOCKET;
	c->caller_uid = 12;
	finish(c, &answers);
	assert_newest("changed_by", "\"uid 12\"");
	assert_newest("address", "\"\"");
}

static void test_no_secret_gets_in(void **st)
{
	(void)st;
	need(CREATE, "{\"key\":\"sk-canary-of-the-key\",\"metadata\":{\"logging\":[{\"callback_vars\":"
		     "{\"langfuse_secret_key\":\"canary-one\",\"langfuse_host\":\"h\"}}],\"note\":"
		     "\"sk-canary-two\",\"max_tokens\":5}}");
	assert_newest("updated_values.metadata.max_tokens", "5");
	assert_newest("updated_values.metadata.note", "\"********\"");
	need(LIST, "{}");
	assert_true(str_find(w.text, STR("canary")) == SIZE_MAX);
	assert_true(str_find(w.text, STR("langfuse_host")) != SIZE_MAX);
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM audit WHERE "
					    "coalesce(updated_values, '') LIKE '%canary%'"), 0);
}

static void test_what_reads_or_fails_is_not_noted(void **st)
{
	(void)st;
	need(CREATE, "{\"key_alias\":\"one\"}");
	need(INFO, "{\"key\":\"one\"}");
	refused(CREATE, "{\"key_alias\":\"one\"}", 400, "one");
	refused(UPDATE, "{\"key\":\"nobody\"}", 404, "");
	refused(FAIL, "{}", 500, "");
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys WHERE alias = 'half'"), 0);
	assert_int_equal(rows(), 1);
	assert_sound(1);
}

static int sneak_job(struct store_db *db, void *data)
{
	(void)data;
	return sql_run(sql_query(db, "UPDATE keys SET spend = 5, last_used = 6"));
}

static void test_what_nobody_asked_for_is_not_noted(void **st)
{
	(void)st;
	need(CREATE, "{}");
	assert_int_equal(store_write_wait(w.m.store, sneak_job, NULL), 0);
	assert_int_equal(store_write(w.m.store, sneak_job, NULL, NULL), 0);
	store_drain(w.m.store);
	assert_int_equal(rows(), 1);
}

/* ---- commands of a test ---- */

static unsigned acts;

static void act(struct command_call *c)
{
	acts++;
	BUF_PUT_LIT(&c->out, "{}");
	command_finish(c);
}

static void test_what_acts_is_noted_before_it_does(void **st)
{
	(void)st;
	need(ACT, "{\"slot\":1,\"api_key\":\"sk-canary\"}");
	assert_int_equal(acts, 1);
	assert_newest("action", "\"ran\"");
	assert_newest("object_id", "\"act\"");
	assert_newest("updated_values", "{\"slot\":1,\"api_key\":\"********\"}");
	assert_sound(1);
}

static void on_job(void *data, int err)
{
	struct command_call *c = data;
	if (err) {
		command_fail_store(c, err);
		return;
	}
	BUF_PUT_LIT(&c->out, "{}");
	command_finish(c);
}

static int fail_job(struct store_db *db, void *data)
{
	(void)data;
	int err = sql_run(sql_query(db, "UPDATE keys SET alias = 'half'"));
	return err ? err : -EPIPE;
}

static void change_and_fail(struct command_call *c)
{
	assert_int_equal(store_write(c->master->store, fail_job, on_job, c), 0);
}

static int many_job(struct store_db *db, void *data)
{
	(void)data;
	return sql_run(sql_query(db,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) "
		"INSERT INTO teams (team_id, created_at, updated_at) SELECT 't' || i, 1, 1 FROM n"));
}

static int empty_job(struct store_db *db, void *data)
{
	(void)db, (void)data;
	return 0;
}

/* The change comes from the end of another job, as in commands of two steps. */
static void on_first(void *data, int err)
{
	struct command_call *c = data;
	assert_int_equal(err, 0);
	assert_int_equal(store_write(c->master->store, many_job, on_job, c), 0);
}

static void change_many(struct command_call *c)
{
	assert_int_equal(store_read(c->master->store, empty_job, on_first, c), 0);
}

static void test_many_rows_are_noted_up_to_a_number(void **st)
{
	(void)st;
	need(MANY, "{}");
	assert_int_equal(rows(), AUDIT_ROWS_MAX + 1);
	assert_newest("action", "\"more\"");
	assert_newest("updated_values", "{\"rows\":500}");
	assert_newest("command", "\"many\"");
	assert_sound(AUDIT_ROWS_MAX + 1);
}

/* Of a table that nothing here knows: as a later release may bring one. */
static int gadget_job(struct store_db *db, void *data)
{
	(void)data;
	return sql_exec(db, "INSERT INTO gadgets VALUES (1, 'g-1', 2500000000, 'sk-canary', 'x', "
			    "x'63616e617279', '{\"api_key\": \"canary\", \"n\": [1, {\"k\": null}]}');"
			    "UPDATE gadgets SET max_budget = 1, sealed = x'00'");
}

static void change_gadget(struct command_call *c)
{
	assert_int_equal(store_write(c->master->store, gadget_job, on_job, c), 0);
}

static void test_a_new_table_is_watched_by_itself(void **st)
{
	(void)st;
	place_exec(&w.p, "CREATE TABLE gadgets (number INTEGER PRIMARY KEY, gadget_id TEXT, "
			 "max_budget INTEGER, note TEXT, password TEXT, sealed BLOB, info TEXT)");
	close_world();
	drop_board();
	open_world();
	need(GADGET, "{}");
	assert_newest("table_name", "\"gadgets\"");
	assert_newest("object_id", "\"g-1\"");
	assert_newest("before_value",
		      "{\"number\":1,\"gadget_id\":\"g-1\",\"max_budget\":2.5,\"note\":\"********\","
		      "\"password\":\"********\",\"sealed\":\"********\","
		      "\"info\":{\"api_key\":\"********\",\"n\":[1,{\"k\":null}]}}");
	assert_newest("updated_values", "{\"max_budget\":0.000000001,\"sealed\":\"********\"}");
	assert_sound(2);
}

/* ---- reading ---- */

static void test_lists_are_filtered_and_paged(void **st)
{
	char id[40];
	(void)st;
	need(CREATE, "{\"key_alias\":\"one\"}");
	need(CREATE, "{\"key_alias\":\"two\"}");
	need(DELETE, "{\"key_aliases\":[\"two\"]}");
	need(LIST, "{\"action\":\"created\",\"page_size\":1,\"page\":2}");
	expect("total", "2");
	expect("total_pages", "2");
	expect("page", "2");
	assert_int_equal(json_get(w.answer, "audit_logs")->count, 1);
	const struct json *row = json_at(json_get(w.answer, "audit_logs"), 0);
	assert_true(str_eq_z(json_get_path(row, "updated_values.alias")->raw, "\"one\""));
	snprintf(id, sizeof id, STR_FMT, STR_ARG(json_get_str(w.mem, row, "id")));
	need(SHOW, args_of("{\"id\":\"%s\"}", id));
	expect("updated_values.alias", "\"one\"");
	expect("number", "1");
	refused(SHOW, "{\"id\":\"nothing\"}", 404, "no such row");
	need(LIST, "{\"sort_order\":\"asc\"}");
	assert_true(str_eq_z(json_get(json_at(json_get(w.answer, "audit_logs"), 0), "number")->raw,
			     "1"));
	need(LIST, "{\"start_date\":\"2100-01-01\"}");
	expect("total", "0");
	need(LIST, "{\"start_date\":\"2020-01-01\",\"end_date\":\"2100-01-01\"}");
	expect("total", "3");
	refused(LIST, "{\"page_size\":5000}", 400, "page_size");
	refused(LIST, "{\"sort_by\":\"colour\"}", 400, "sorted");
}

/* ---- the chain ---- */

static const char *tampering;

static int tamper_job(struct store_db *db, void *data)
{
	(void)data;
	int err = sql_exec(db, "DROP TRIGGER audit_unchanged; DROP TRIGGER audit_kept");
	return err ? err : sql_exec(db, tampering);
}

static int plain_job(struct store_db *db, void *data)
{
	(void)data;
	return sql_exec(db, tampering);
}

static void test_rows_cannot_be_changed(void **st)
{
	(void)st;
	need(CREATE, "{}");
	tampering = "UPDATE audit SET changed_by = 'nobody'";
	assert_true(store_write_wait(w.m.store, plain_job, NULL) < 0);
	tampering = "DELETE FROM audit";
	assert_true(store_write_wait(w.m.store, plain_job, NULL) < 0);
	assert_sound(1);
}

static void broken_by(const char *sql, const char *where)
{
	for (int i = 0; i < 4; i++)
		need(CREATE, "{}");
	assert_sound(4);
	tampering = sql;
	assert_int_equal(store_write_wait(w.m.store, tamper_job, NULL), 0);
	need(VERIFY, "{}");
	expect("ok", "false");
	expect("broken_at", where);
}

static void test_an_altered_row_is_found(void **st)
{
	(void)st;
	broken_by("UPDATE audit SET changed_by = 'nobody' WHERE number = 3", "3");
}

static void test_an_altered_time_is_found(void **st)
{
	(void)st;
	broken_by("UPDATE audit SET at = at + 1 WHERE number = 1", "1");
}

static void test_a_missing_row_is_found(void **st)
{
	(void)st;
	broken_by("DELETE FROM audit WHERE number = 2", "2");
}

static void test_a_renumbered_log_is_found(void **st)
{
	(void)st;
	broken_by("DELETE FROM audit WHERE number = 2; UPDATE audit SET number = number - 1 "
		  "WHERE number > 2", "2");
}

static void test_a_cut_end_is_found_by_a_noted_head(void **st)
{
	char head[80];
	(void)st;
	need(CREATE, "{}");
	need(CREATE, "{}");
	need(VERIFY, "{}");
	snprintf(head, sizeof head, "%.64s", keep("head"));
	need(CREATE, "{}");
	need(VERIFY, args_of("{\"head\":\"%s\"}", head));
	expect("ok", "true");
	tampering = "DELETE FROM audit WHERE number > 1";
	assert_int_equal(store_write_wait(w.m.store, tamper_job, NULL), 0);
	need(VERIFY, "{}");
	expect("ok", "true");
	need(VERIFY, args_of("{\"head\":\"%s\"}", head));
	expect("ok", "false");
	refused(VERIFY, "{\"head\":\"12\"}", 400, "64");
}

static void test_the_chain_goes_on_after_a_restart(void **st)
{
	(void)st;
	need(CREATE, "{}");
	close_world();
	drop_board();
	open_world();
	need(CREATE, "{}");
	assert_sound(2);
}

static void test_without_memory_nothing_is_changed_unnoted(void **st)
{
	static const struct call_row calls[] = {
		{ CREATE, "{\"key\":\"sk-a-text-of-a-key\",\"key_alias\":\"one\"}" },
		{ UPDATE, "{\"key\":\"one\",\"rpm_limit\":7}" },
	};
	(void)st;
	fail_everywhere(calls, COUNT(calls), "SELECT 1 + count(*) FROM keys");
	assert_true(rows() >= 2);
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM audit WHERE action = 'created'") -
			 place_number(&w.p, "SELECT count(*) FROM audit WHERE action = 'deleted'"),
			 1);
	assert_sound(rows());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_change_is_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_and_from_where, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_secret_gets_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_reads_or_fails_is_not_noted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_nobody_asked_for_is_not_noted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_acts_is_noted_before_it_does, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_rows_are_noted_up_to_a_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_new_table_is_watched_by_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_are_filtered_and_paged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rows_cannot_be_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_altered_row_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_altered_time_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_missing_row_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_renumbered_log_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_cut_end_is_found_by_a_noted_head, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_chain_goes_on_after_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_memory_nothing_is_changed_unnoted, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
