/* SPDX-License-Identifier: MIT
 * test_logging.c - callbacks of keys and teams: their secrets in the database, in answers and under
 * another key; what of it the directory has, and what it is taken to mean. */
#include "keys_fixture.h"

#include "master/export_own.h"
#include "master/teams.h"

enum { CREATE, UPDATE, INFO, TEAM, TEAM_UPDATE, TEAM_INFO, CALLBACK, CALLBACKS, MUTE };
const struct command commands[] = {
	[CREATE] = CALL("keys create", "POST", "/key/generate", ROLE_ADMIN, keys_generate, NULL),
	[UPDATE] = CALL("keys update", "POST", "/key/update", ROLE_ADMIN, keys_update, NULL),
	[INFO] = CALL("keys show", "POST", "/key/info", ROLE_ADMIN, keys_info, NULL),
	[TEAM] = CALL("teams create", "POST", "/team/new", ROLE_ADMIN, teams_new, NULL),
	[TEAM_UPDATE] = CALL("teams update", "POST", "/team/update", ROLE_ADMIN, teams_update,
			     NEEDS("team_id")),
	[TEAM_INFO] = CALL("teams show", "POST", "/team/info", ROLE_ADMIN, teams_info,
			   NEEDS("team_id")),
	[CALLBACK] = CALL("teams callback", "POST", "/team/{id}/callback", ROLE_ADMIN,
			  teams_callback_add, NEEDS("team_id")),
	[CALLBACKS] = CALL("teams callbacks", "POST", "/team/{id}/callbacks", ROLE_ADMIN,
			   teams_callbacks, NEEDS("team_id")),
	[MUTE] = CALL("teams mute", "POST", "/team/{id}/disable_logging", ROLE_ADMIN,
		      teams_disable_logging, NEEDS("team_id")),
};
const size_t commands_count = COUNT(commands);

#define LANGFUSE(vars) \
	"[{\"callback_name\":\"langfuse\",\"callback_type\":\"success\",\"callback_vars\":{" vars "}}]"

static int read_metadata(struct store_db *db, void *sql)
{
	struct sql *q = sql_dynamic(db, sql);
	int r = sql_row(q);
	snprintf(kept, sizeof kept, STR_FMT, STR_ARG(sql_get_text(q, 0)));
	sql_end(q);
	return r > 0 ? 0 : -ENOENT;
}

/* What the database has of the only key, or team, nobody having masked it. */
static struct str stored_metadata(const char *table)
{
	char sql[64];
	snprintf(sql, sizeof sql, "SELECT metadata FROM %s", table);
	assert_int_equal(store_write_wait(w.p.store, read_metadata, sql), 0);
	return str_z(kept);
}

static bool holds(struct str s, const char *part)
{
	return str_find(s, str_z(part)) != SIZE_MAX;
}

/* The rule that the directory has of it, parsed. */
static const struct json *rule_of(const struct dir_key *k)
{
	struct json_error e;
	struct str rest = k->rules, rule = STR_NONE;
	assert_true(k->flags & KEY_LOGGED);
	while (rest.n && !(rule.n && rule.p[0] == RULE_LOGGING))
		rule = str_cut(&rest, '\0');
	assert_true(rule.n && rule.p[0] == RULE_LOGGING && !rest.n);
	const struct json *j = json_parse(w.mem, str_skip(rule, 1), 0, &e);
	assert_non_null(j);
	return j;
}

/* A variable of the first callback, opened. */
static void opens(const struct dir_key *k, const char *name, const char *plain)
{
	struct buf out;
	const struct json *list = json_get(rule_of(k), "logging");
	const struct json *vars = json_get(json_at(list, 0), "callback_vars");
	buf_init(&out, 8192);
	assert_int_equal(key_logging_open(w.m.stored, w.mem, str_z(name),
					  json_get_str(w.mem, vars, name), &out), 0);
	assert_true(str_eq_z(buf_str(&out), plain));
	/* sealed for that variable alone */
	buf_reset(&out);
	assert_int_equal(key_logging_open(w.m.stored, w.mem, STR("langfuse_host"),
					  json_get_str(w.mem, vars, name), &out), -EBADMSG);
	buf_done(&out);
}

static struct dir_key key_of(const char *text)
{
	struct dir_key k;
	assert_true(published(text, &k));
	return k;
}

static void test_secrets_are_sealed_and_masked(void **st)
{
	(void)st;
	need(CREATE, "{\"key\":\"sk-one\",\"metadata\":{\"note\":1,\"logging\":"
		     LANGFUSE("\"langfuse_secret_key\":\"canary\",\"turn_off_message_logging\":true")
		     "}}");
	assert_false(holds(w.text, "canary") || holds(w.text, "sealed:"));
	expect("metadata.note", "1");
	struct str row = stored_metadata("keys");
	assert_true(holds(row, "\"langfuse_secret_key\":\"sealed:01"));
	assert_true(holds(row, "\"turn_off_message_logging\":true") && !holds(row, "canary"));
	need(INFO, "{\"key\":\"sk-one\"}");
	assert_true(holds(w.text, "\"langfuse_secret_key\":\"********\""));
	assert_false(holds(w.text, "sealed:"));
	struct dir_key k = key_of("sk-one");
	assert_int_equal(k.flags & (KEY_NO_TEXTS | KEY_REDACTED | KEY_RULES), KEY_REDACTED);
	opens(&k, "langfuse_secret_key", "canary");
}

/* A form's metadata is a string with an object in it, and names may have escapes. */
static void test_secrets_are_found_however_they_are_written(void **st)
{
	static const char *const ways[] = {
		"\"metadata\":\"{\\\"logging\\\":[{\\\"callback_name\\\":\\\"langfuse\\\","
		"\\\"callback_vars\\\":{\\\"langfuse_secret_key\\\":\\\"canary\\\"}}]}\"",
		"\"metadata\":{\"logging\":[{\"callback_name\":\"langfuse\","
		"\"callback\\u005fvars\":{\"langfuse_secret_key\":\"canary\"}}]}",
		"\"l\\u006fgging\":" LANGFUSE("\"langfuse_secret_key\":\"c\\u0061nary\""),
	};
	(void)st;
	for (size_t i = 0; i < COUNT(ways); i++) {
		char text[400], name[16];
		snprintf(name, sizeof name, "sk-way%zu", i);
		snprintf(text, sizeof text, "{\"key\":\"%s\",%s}", name, ways[i]);
		need(CREATE, text);
		assert_false(holds(w.text, "canary") || holds(w.text, "u0061"));
		struct dir_key k = key_of(name);
		opens(&k, "langfuse_secret_key", "canary");
		assert_false(holds(stored_metadata("keys"), "u00"));
	}
}

/* Who changes something else and gives back what it was shown takes no secret away. */
static void test_a_mask_stands_for_what_was_there(void **st)
{
	(void)st;
	need(CREATE, "{\"key\":\"sk-one\",\"logging\":"
		     LANGFUSE("\"langfuse_secret_key\":\"canary\"") "}");
	need(UPDATE, "{\"key\":\"sk-one\",\"metadata\":{\"note\":2,\"logging\":"
		     LANGFUSE("\"langfuse_secret_key\":\"********\",\"langfuse_public_key\":"
			      "\"********\"") "}}");
	struct dir_key k = key_of("sk-one");
	opens(&k, "langfuse_secret_key", "canary");
	assert_false(holds(stored_metadata("keys"), "langfuse_public_key"));
	need(UPDATE, "{\"key\":\"sk-one\",\"logging\":"
		     LANGFUSE("\"langfuse_secret_key\":\"another\"") "}");
	k = key_of("sk-one");
	opens(&k, "langfuse_secret_key", "another");
	need(UPDATE, "{\"key\":\"sk-one\",\"logging\":[]}");
	assert_false(key_of("sk-one").flags & KEY_LOGGED);
}

static void test_what_may_not_be_said(void **st)
{
	char text[9000];
	(void)st;
	refused(CREATE, "{\"logging\":" LANGFUSE("\"langfuse_secret_key\":\"os.environ/HOME\"") "}",
		400, "environment");
	snprintf(text, sizeof text, "{\"logging\":" LANGFUSE("\"langfuse_host\":\"%05000d\"") "}", 7);
	refused(CREATE, text, 400, "4096 bytes");
	refused(CREATE, "{\"logging\":" LANGFUSE("\"langfuse_host\":\"a\\u0000b\"") "}", 400, "NUL");
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys"), 0);
	need(CREATE, "{\"logging\":[{\"callback_name\":\"arize\"}]}");
	assert_true(holds(w.text, "'arize' is not called yet"));
}

static void test_without_a_secret_nothing_is_sealed(void **st)
{
	(void)st;
	close_world();
	w.salt = "";
	open_world();
	refused(CREATE, "{\"logging\":" LANGFUSE("\"langfuse_secret_key\":\"canary\"") "}", 400,
		"LLMGW_SALT_KEY");
	need(CREATE, "{\"logging\":[{\"callback_name\":\"langfuse\"}]}");
}

/* ---- another key ---- */

static void create_sealed(void)
{
	need(CREATE, "{\"key\":\"sk-one\",\"logging\":"
		     LANGFUSE("\"langfuse_secret_key\":\"canary\"") "}");
	need(TEAM, "{\"team_id\":\"t\",\"metadata\":{\"callback_settings\":{\"success_callback\":"
		   "[\"langfuse\"],\"callback_vars\":{\"langfuse_secret_key\":\"of-team\"}}}}");
}

static void reopen(const char *salt, const char *before)
{
	close_world();
	drop_board();
	w.salt = salt;
	w.salt_before = before;
	open_world();
}

/* What keys say of their texts holds after a restart, too. */
static void test_texts_after_a_restart(void **st)
{
	(void)st;
	need(CREATE, "{\"key\":\"sk-one\",\"metadata\":{\"turn_off_message_logging\":true}}");
	need(CREATE, "{\"key\":\"sk-two\",\"metadata\":{\"no-log\":true}}");
	need(CREATE, "{\"key\":\"sk-three\",\"metadata\":{\"callback_settings\":{\"callback_vars\":"
		     "{\"turn_off_message_logging\":true}}}}");
	for (unsigned i = 0; i < 2; i++) {
		const uint32_t of_texts = KEY_NO_TEXTS | KEY_REDACTED;
		assert_int_equal(key_of("sk-one").flags & of_texts, KEY_REDACTED);
		assert_int_equal(key_of("sk-two").flags & of_texts, KEY_NO_TEXTS);
		assert_int_equal(key_of("sk-three").flags & of_texts, KEY_REDACTED);
		reopen(NULL, NULL);
	}
}

static void test_another_key_while_it_runs(void **st)
{
	(void)st;
	create_sealed();
	struct dir_key k = key_of("sk-one");
	assert_int_equal(stored_rekey(w.m.stored, STR("pepper")), 0);
	opens(&k, "langfuse_secret_key", "canary");	/* the row in use has the old one's */
	store_drain(w.p.store);
	reopen("pepper", NULL);
	k = key_of("sk-one");
	opens(&k, "langfuse_secret_key", "canary");
}

static void test_another_key_at_the_start(void **st)
{
	struct buf out;
	(void)st;
	create_sealed();
	reopen("pepper", "salt");
	reopen("pepper", NULL);
	struct dir_key k = key_of("sk-one"), t;
	opens(&k, "langfuse_secret_key", "canary");
	assert_true(dir_find_named(w.m.dir, DIR_TEAM, STR("t"), &t));
	const struct json *vars = json_get_path(rule_of(&t), "callback_settings.callback_vars");
	buf_init(&out, 4096);
	assert_int_equal(key_logging_open(w.m.stored, w.mem, STR("langfuse_secret_key"),
					  json_get_str(w.mem, vars, "langfuse_secret_key"), &out), 0);
	assert_true(str_eq_z(buf_str(&out), "of-team"));
	buf_done(&out);
	reopen("something else", NULL);
	k = key_of("sk-one");
	vars = json_get(json_at(json_get(rule_of(&k), "logging"), 0), "callback_vars");
	buf_init(&out, 4096);
	assert_int_equal(key_logging_open(w.m.stored, w.mem, STR("langfuse_secret_key"),
					  json_get_str(w.mem, vars, "langfuse_secret_key"), &out),
			 -ENOKEY);
	assert_int_equal(key_logging_open(w.m.stored, w.mem, STR("x"), STR("plain"), &out), -EBADMSG);
	assert_int_equal(key_logging_open(w.m.stored, w.mem, STR("x"), STR("sealed:0g"), &out),
			 -EBADMSG);
	buf_done(&out);
}

/* ---- what it means ---- */

static struct own_rule meaning(const char *json)
{
	struct own_rule r;
	struct json_error e;
	const struct json *j = json_parse(w.mem, str_z(json), 0, &e);
	assert_non_null(j);
	export_own_read(w.mem, NULL, j, &r);
	return r;
}

static void is(const struct own_callback *c, enum export_kind kind, bool success, bool failure,
	       bool has_vars)
{
	assert_int_equal(c->who, kind);
	assert_int_equal(c->success, success);
	assert_int_equal(c->failure, failure);
	assert_int_equal(c->vars != NULL, has_vars);
}

static void test_what_a_rule_says(void **st)
{
	(void)st;
	struct own_rule r = meaning("{\"logging\":[{\"callback_name\":\"Langfuse\","
		"\"callback_type\":\"success\",\"callback_vars\":{\"langfuse_host\":\"x\"}},"
		"{\"callback_name\":\"datadog\",\"callback_type\":\"failure\",\"callback_vars\":{}},"
		"{\"callback_name\":\"otel\",\"callback_vars\":{\"turn_off_message_logging\":true}},"
		"{\"callback_name\":\"slack\",\"callback_type\":\"success\"},"
		"{\"callback_name\":\"nobody\"},{\"callback_type\":\"success\"},7,null,"
		"{\"callback_name\":\"s3\",\"callback_type\":\"sometimes\"}],"
		"\"litellm_disabled_callbacks\":[\"otel\",\"LANGSMITH\",\"nobody\",4]}");
	assert_int_equal(r.n, 3);
	assert_false(r.v[0].is_plain);
	is(&r.v[0], EXPORT_LANGFUSE, true, false, true);
	is(&r.v[1], EXPORT_DATADOG, false, true, false);
	is(&r.v[2], EXPORT_OTEL, true, true, false);
	assert_int_equal(r.disabled, 1u << EXPORT_OTEL | 1u << EXPORT_LANGSMITH);
	r = meaning("{\"callback_settings\":{\"success_callback\":[\"langfuse\",\"x\"],"
		    "\"failure_callback\":[\"langfuse\"],\"callback_vars\":{\"langfuse_host\":\"h\"}}}");
	assert_int_equal(r.n, 2);
	is(&r.v[0], EXPORT_LANGFUSE, true, false, true);
	is(&r.v[1], EXPORT_LANGFUSE, false, true, true);
	assert_false(r.v[0].is_plain);
	r = meaning("{\"plain_settings\":{\"success_callback\":[\"langfuse\"],\"callback_vars\":"
		    "{\"langfuse_host\":\"h\"}}}");
	assert_int_equal(r.n, 1);
	is(&r.v[0], EXPORT_LANGFUSE, true, false, true);
	assert_true(r.v[0].is_plain);
	/* the newer list hides the older members */
	r = meaning("{\"logging\":[{\"callback_name\":\"otel\"}],\"callback_settings\":"
		    "{\"success_callback\":[\"langfuse\"]}}");
	assert_int_equal(r.n, 1);
	is(&r.v[0], EXPORT_OTEL, true, true, false);
	assert_int_equal(meaning("{\"logging\":{},\"callback_settings\":[]}").n, 0);
}

static void test_no_secret_of_the_gateways_for_others(void **st)
{
	struct export_vars vars = { 1, { { "langfuse_host", "https://team" } } };
	struct export_target t = { .vars = &vars };
	(void)st;
	setenv("LANGFUSE_PUBLIC_KEY", "pk-own", 1);
	setenv("LANGFUSE_SECRET_KEY", "sk-own", 1);
	setenv("LANGFUSE_HOST", "https://own", 1);
	assert_string_equal(export_rows[EXPORT_LANGFUSE].read(NULL, &t), "LANGFUSE_PUBLIC_KEY");
	assert_string_equal(t.url, "");
	/* its own keys go to its own place, or where the gateway's go */
	vars = (struct export_vars){ 2, { { "LANGFUSE_public_key", "pk" },
					  { "langfuse_secret", "s" } } };
	unsetenv("LANGFUSE_SECRET_KEY");
	assert_null(export_rows[EXPORT_LANGFUSE].read(NULL, &t));
	assert_string_equal(t.url, "https://own/api/public/ingestion");
	setenv("AWS_ACCESS_KEY_ID", "AKIA", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	const struct config c = { .s3_params = STR("{\"s3_bucket_name\":\"b\",\"s3_region_name\":"
		"\"r\",\"s3_aws_access_key_id\":\"A\",\"s3_aws_secret_access_key\":\"S\"}") };
	t = (struct export_target){ .vars = &vars };
	vars = (struct export_vars){ 2, { { "s3_bucket_name", "theirs" },
					  { "s3_region_name", "eu" } } };
	assert_non_null(export_rows[EXPORT_S3].read(&c, &t));
	vars.v[2].name = "s3_aws_access_key_id";
	vars.v[2].value = "K";
	vars.v[3].name = "s3_aws_secret_access_key";
	vars.v[3].value = "T";
	vars.n = 4;
	assert_null(export_rows[EXPORT_S3].read(&c, &t));
	assert_string_equal(t.aws_key, "K");
	assert_string_equal(t.url, "https://theirs.s3.eu.amazonaws.com/");
}

/* ---- a team's, one at a time ---- */

static void test_callbacks_of_a_team(void **st)
{
	struct dir_key t;
	(void)st;
	need(TEAM, "{\"team_id\":\"t\",\"metadata\":{\"note\":1,\"callback_settings\":"
		   "{\"failure_callback\":[\"datadog\"],\"callback_vars\":{\"dd_api_key\":\"canary\"}}}}");
	need(CALLBACKS, "{\"team_id\":\"t\"}");
	expect("data.failure_callbacks", "[\"datadog\"]");
	need(CALLBACK, "{\"team_id\":\"t\",\"callback_name\":\"langfuse\",\"callback_type\":\"success\","
		       "\"callback_vars\":{\"langfuse_secret_key\":\"canary\"}}");
	assert_false(holds(w.text, "canary") || holds(w.text, "sealed:"));
	expect("status", "\"success\"");
	expect("data.team_id", "\"t\"");
	expect("data.success_callbacks", "[\"langfuse\"]");
	expect("data.failure_callbacks", "[\"datadog\"]");
	expect("data.callback_vars", "{\"dd_api_key\":\"********\",\"langfuse_secret_key\":\"********\"}");
	assert_false(holds(stored_metadata("teams"), "canary"));
	assert_true(holds(stored_metadata("teams"), "\"note\":1"));
	/* again, in its place: the mask stands for what was there */
	need(CALLBACK, "{\"team_id\":\"t\",\"callback_name\":\"langfuse\",\"callback_type\":\"success\","
		       "\"callback_vars\":{\"langfuse_secret_key\":\"********\",\"langfuse_host\":\"h\"}}");
	expect("data.success_callbacks", "[\"langfuse\"]");
	need(CALLBACK, "{\"team_id\":\"t\",\"callback_name\":\"generic_api\"}");
	expect("data.success_callbacks", "[\"langfuse\",\"generic_api\"]");
	expect("data.failure_callbacks", "[\"datadog\",\"generic_api\"]");
	assert_true(dir_find_named(w.m.dir, DIR_TEAM, STR("t"), &t) && t.flags & KEY_LOGGED);
	refused(CALLBACK, "{\"team_id\":\"t\",\"callback_name\":\"arize\"}", 400, "callback_name");
	refused(CALLBACK, "{\"team_id\":\"t\",\"callback_name\":\"otel\",\"callback_type\":\"x\"}", 400,
		"callback_type");
	refused(CALLBACK, "{\"team_id\":\"u\",\"callback_name\":\"otel\"}", 404, "");
	refused(CALLBACKS, "{\"team_id\":\"u\"}", 404, "");
	need(MUTE, "{\"team_id\":\"t\"}");
	expect("message", "\"Logging disabled for team t\"");
	expect("data.success_callbacks", "[]");
	expect("data.failure_callbacks", "[]");
	assert_true(dir_find_named(w.m.dir, DIR_TEAM, STR("t"), &t) && !(t.flags & KEY_LOGGED));
	assert_false(holds(stored_metadata("teams"), "sealed:"));
}

/* JSON may be read that is deeper than what is written. */
static void test_too_deep_is_refused(void **st)
{
	char args[512];
	size_t n = (size_t)snprintf(args, sizeof args, "{\"metadata\":{\"callback_vars\":"
				    "{\"a\":\"b\"},\"x\":");
	(void)st;
	memset(args + n, '[', 62);
	memset(args + n + 62, ']', 62);
	memcpy(args + n + 124, "}}", 3);
	refused(CREATE, args, 413, "too deeply");
}

static void test_too_much_is_refused(void **st)
{
	static char text[60000];
	int n = snprintf(text, sizeof text, "{\"key\":\"sk-one\",\"logging\":[");
	(void)st;
	for (int i = 0; i < 400; i++)
		n += snprintf(text + n, sizeof text - (size_t)n,
			      "%s{\"callback_name\":\"langfuse\",\"callback_vars\":{}}", i ? "," : "");
	snprintf(text + n, sizeof text - (size_t)n, "]}");
	refused(CREATE, text, 400, "");
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM keys"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_secrets_are_sealed_and_masked),
		TEST(test_secrets_are_found_however_they_are_written),
		TEST(test_a_mask_stands_for_what_was_there),
		TEST(test_what_may_not_be_said),
		TEST(test_without_a_secret_nothing_is_sealed),
		TEST(test_texts_after_a_restart),
		TEST(test_another_key_while_it_runs),
		TEST(test_another_key_at_the_start),
		TEST(test_what_a_rule_says),
		TEST(test_no_secret_of_the_gateways_for_others),
		TEST(test_callbacks_of_a_team),
		TEST(test_too_deep_is_refused),
		TEST(test_too_much_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
