/* SPDX-License-Identifier: MIT
 * test_spend.c - reports and rows, under LiteLLM's names. */
#include "money_fixture.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "master/commands.h"
#include "master/keys.h"
#include "master/master.h"
#include "master/spend.h"

#define MASTER "sk-master-of-all"
#define DAY_0 "1767225600000000000"		/* 2026-01-01T00:00Z */

enum { LOGS, REPORT, KEYS };
const struct command commands[] = {
	[LOGS] = { "spend logs", "GET", "/spend/logs", ROLE_VIEW, 0, spend_logs, NULL, NULL, NULL,
		   "", "" },
	[REPORT] = { "spend report", "GET", "/r", ROLE_VIEW, 0, spend_report, NULL, NULL, NULL, "",
		     "" },
	[KEYS] = { "spend keys", "GET", "/spend/keys", ROLE_VIEW, 0, spend_keys, NULL, NULL, NULL,
		   "", "" },
};
const size_t commands_count = COUNT(commands);

struct world {
	struct place p;
	struct master m;
	struct arena *mem;
	struct str text;
	const struct json *answer;
	int status;
};
static struct world w;

static void insert_all(void)
{
	/* Two keys, one of them deleted; request n starts n hours after DAY_0. */
	place_exec(&w.p, "INSERT INTO keys (id, token_hash, key_name, alias, user_id, team_id, "
			 "created_at, updated_at)"
			 " VALUES (1, zeroblob(32), 'sk-...aaaa', 'alpha', 'ann', 't', 1, 1)");
	place_exec(&w.p, "INSERT INTO keys_deleted (id, token_hash, key_name, alias, user_id, "
			 "spend, created_at, deleted_at)"
			 " VALUES (2, "
			 "x'" "11111111111111111111111111111111" "11111111111111111111111111111111"
			 "', 'sk-...bbbb', 'beta', 'bob', 0, 1, 1)");
	place_exec(&w.p, "INSERT INTO deployments VALUES (77, 'id-77', 'gpt', 'openai', "
			 "'gpt-4o-2024', 'https://api')");
	place_exec(&w.p,
		"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59) "
		"INSERT INTO spend_logs (request_id, key_id, deployment, model, end_user, "
		"start_ns, first_token_ns,"
		" end_ns, cost, reserve, input, output, cache_read, cache_write, reasoning, "
		"endpoint, status, outcome,"
		" flags, attempts, fallbacks, client_ip) "
		"SELECT CAST(printf('%016d', i) AS BLOB), i % 3, CASE i % 2 WHEN 0 THEN 77 ELSE 0 "
		"END, 'gpt', 'eu',"
		" " DAY_0 " + i * 3600000000000, 0, " DAY_0 " + i * 3600000000000 + 1500000000, "
							    "250000000, 9, 10, 20,"
		" 3, 4, 5, 1, CASE i WHEN 5 THEN 500 ELSE 200 END, 0, CASE i WHEN 5 THEN 8 WHEN 6 "
		"THEN 39 ELSE 0 END,"
		" 2, 1, x'00000000000000000000ffff0a000001' FROM n");
	place_exec(&w.p,
		"INSERT INTO spend_daily SELECT start_ns / 86400000000000, key_id, model, "
		"deployment, count(*),"
		" sum((flags & 8) / 8), sum(input), sum(output), sum(cache_read), "
		"sum(cache_write), sum(reasoning),"
		" sum(cost) FROM spend_logs GROUP BY 1, 2, 3, 4");
}

static int setup(void **st)
{
	(void)st;
	assert_int_equal(hash_init(), 0);
	log_start(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_ERROR, "test", false);
	memset(&w, 0, sizeof w);
	w.mem = arena_new(64 << 20);
	place_make(&w.p);
	place_open(&w.p);
	insert_all();
	w.m.store = w.p.store;
	assert_int_equal(board_create(&w.m.board, &w.m.board_fd), 0);
	assert_int_equal(dir_create(100, &w.m.dir, &w.m.dir_fd), 0);
	assert_int_equal(keys_start(w.m.store, w.m.dir, &w.m.board, STR(MASTER), &w.m.keys), 0);
	return 0;
}

static int teardown(void **st)
{
	(void)st;
	keys_stop(w.m.keys);
	place_remove(&w.p);
	dir_free(w.m.dir);
	close(w.m.dir_fd);
	board_unmap(&w.m.board);
	close(w.m.board_fd);
	arena_free(w.mem);
	return 0;
}

static void on_answer(struct command_call *c)
{
	struct json_error e;
	arena_reset(w.mem);
	w.status = c->status;
	w.text = arena_dup(w.mem, buf_str(&c->out));
	w.answer = json_parse(w.mem, w.text, JSON_ONE_KEY, &e);
	if (!w.answer)
		fail_msg("%s at %zu: " STR_FMT, e.what, e.at, STR_ARG(w.text));
	*(int *)c->answer_data += 1;
}

static int call(int command, const char *args)
{
	int answers = 0;
	struct command_call *c = command_new(&w.m, &commands[command], str_z(args), on_answer,
					     &answers);
	assert_non_null(c);
	c->kind = CALLER_HTTP;
	c->is_viewer = true;
	command_run(c);
	store_drain(w.p.store);
	assert_int_equal(answers, 1);
	return w.status;
}

static void need(int command, const char *args, uint32_t rows)
{
	if (call(command, args) != 200)
		fail_msg("%s: " STR_FMT, args, STR_ARG(w.text));
	const struct json *list = w.answer->type == JSON_ARRAY ? w.answer :
		json_get(w.answer, "rows");
	if (list->count != rows)
		fail_msg("%s: %u rows, not %u", args, list->count, rows);
}

static void refused(int command, const char *args, const char *words)
{
	if (call(command, args) != 400 || str_find(w.text, str_z(words)) == SIZE_MAX)
		fail_msg("%s: %d " STR_FMT, args, w.status, STR_ARG(w.text));
}

static const struct json *row(uint32_t i)
{
	const struct json *list = w.answer->type == JSON_ARRAY ? w.answer :
		json_get(w.answer, "rows");
	return json_at(list, i);
}

static void expect(const struct json *in, const char *path, const char *raw)
{
	const struct json *j = json_get_path(in, path);
	if (!j || !str_eq_z(j->raw, raw))
		fail_msg("%s is not %s in " STR_FMT, path, raw, STR_ARG(in->raw));
}

/* ---- logs ---- */

static void test_newest_first_with_litellms_names(void **st)
{
	(void)st;
	need(LOGS, "{\"limit\":60}", 60);
	expect(row(0), "startTime", "\"2026-01-03T11:00:00.000Z\"");
	expect(row(59), "startTime", "\"2026-01-01T00:00:00.000Z\"");
	const struct json *r = row(59 - 4);	/* i = 4: key 1, deployment 77 */
	expect(r, "request_id", "\"30303030-3030-3030-3030-303030303034\"");
	expect(r, "api_key",
	       "\"0000000000000000000000000000000000000000000000000000000000000000\"");
	expect(r, "key_alias", "\"alpha\"");
	expect(r, "model", "\"gpt-4o-2024\"");
	expect(r, "model_group", "\"gpt\"");
	expect(r, "model_id", "\"id-77\"");
	expect(r, "custom_llm_provider", "\"openai\"");
	expect(r, "api_base", "\"https://api\"");
	expect(r, "user", "\"ann\"");
	expect(r, "team_id", "\"t\"");
	expect(r, "end_user", "\"eu\"");
	expect(r, "requester_ip_address", "\"10.0.0.1\"");
	expect(r, "endTime", "\"2026-01-01T04:00:01.500Z\"");
	expect(r, "completionStartTime", "\"2026-01-01T04:00:01.500Z\"");
	expect(r, "request_duration_ms", "1500");
	expect(r, "spend", "0.25");
	expect(r, "prompt_tokens", "10");
	expect(r, "completion_tokens", "20");
	expect(r, "total_tokens", "30");
	expect(r, "status", "\"success\"");
	expect(r, "cache_hit", "\"False\"");
	expect(r, "metadata.attempted_retries", "1");
	expect(r, "metadata.usage_object.cache_read_input_tokens", "3");
	expect(row(59 - 5), "status", "\"failure\"");
	expect(row(59 - 5), "model", "\"gpt\"");
	expect(row(59 - 5), "api_key",
	       "\"1111111111111111111111111111111111111111111111111111111111111111\"");
	expect(row(59 - 6), "api_key", "\"litellm_proxy_master_key\"");
	expect(row(59 - 6), "cache_hit", "\"True\"");
	expect(row(59 - 6), "metadata.cut", "true");
}

static void test_filters(void **st)
{
	(void)st;
	need(LOGS, "{}", 60);
	need(LOGS, "{\"limit\":\"7\"}", 7);
	need(LOGS, "{\"api_key\":\"0000000000000000000000000000000000000000000000000000000000000000\"}", 20);
	need(LOGS, "{\"api_key\":\"1111111111111111111111111111111111111111111111111111111111111111\"}", 20);
	need(LOGS, "{\"api_key\":\"" MASTER "\"}", 20);
	need(LOGS, "{\"api_key\":\"litellm_proxy_master_key\"}", 20);
	need(LOGS, "{\"api_key\":\"sk-nobody\"}", 0);
	need(LOGS, "{\"user_id\":\"bob\"}", 20);
	need(LOGS, "{\"user_id\":\"x' OR 1=1 --\"}", 0);
	need(LOGS, "{\"start_date\":\"2026-01-02\",\"end_date\":\"2026-01-02\"}", 24);
	need(LOGS, "{\"start_date\":\"2026-01-02 00:00:00\"}", 36);
	need(LOGS, "{\"end_date\":\"2026-01-01\",\"user_id\":\"ann\"}", 8);
	need(LOGS, "{\"request_id\":\"30303030-3030-3030-3030-303030303034\"}", 1);
	need(LOGS, "{\"request_id\":\"30303030303030303030303030303034\"}", 1);
	need(LOGS, "{\"request_id\":\"chatcmpl-123\"}", 0);
	need(LOGS, "{\"before\":\"30303030-3030-3030-3030-303030303034\"}", 4);
	need(LOGS, "{\"before\":\"30303030-3030-3030-3030-303030303034\",\"limit\":2}", 2);
	expect(row(0), "startTime", "\"2026-01-01T03:00:00.000Z\"");
}

static void test_bad_filters(void **st)
{
	(void)st;
	refused(LOGS, "{\"limit\":0}", "\"param\":\"limit\"");
	refused(LOGS, "{\"limit\":1000000}", "\"param\":\"limit\"");
	refused(LOGS, "{\"start_date\":\"yesterday\"}", "\"param\":\"start_date\"");
	refused(LOGS, "{\"end_date\":\"2026-02-30\"}", "\"param\":\"end_date\"");
	refused(LOGS, "{\"end_date\":\"2026-13-01\"}", "\"param\":\"end_date\"");
	refused(LOGS, "{\"end_date\":\"2026-01-01garbage\"}", "\"param\":\"end_date\"");
	refused(LOGS, "{\"api_key\":5}", "\"param\":\"api_key\"");
	refused(LOGS, "{\"request_id\":5}", "\"param\":\"request_id\"");
	refused(LOGS, "{\"summarize\":\"perhaps\"}", "\"param\":\"summarize\"");
	refused(REPORT, "{\"group_by\":\"colour\"}", "\"param\":\"group_by\"");
	refused(REPORT, "{\"start_date\":5}", "\"param\":\"start_date\"");
}

static void test_days_as_litellm_sums_them(void **st)
{
	(void)st;
	need(LOGS, "{\"summarize\":\"true\",\"start_date\":\"2026-01-01\",\"end_date\":\"2026-01-02\"}", 2);
	expect(row(0), "startTime", "\"2026-01-01\"");
	expect(row(0), "spend", "6.0");
	expect(row(0), "models", "{\"gpt\":6.0}");
	expect(row(0), "users", "{\"\":2.0,\"ann\":2.0,\"bob\":2.0}");
}

/* ---- reports ---- */

static void test_report_by_day(void **st)
{
	(void)st;
	need(REPORT, "{}", 3);
	expect(w.answer, "group_by", "\"day\"");
	expect(row(0), "name", "\"2026-01-03\"");
	expect(row(0), "requests", "12");
	expect(row(2), "spend", "6.0");
	expect(row(2), "failed_requests", "1");
	expect(row(2), "prompt_tokens", "240");
	expect(w.answer, "total.requests", "60");
	expect(w.answer, "total.spend", "15.0");
	need(REPORT, "{\"start_date\":\"2026-01-02\",\"end_date\":\"2026-01-02\"}", 1);
	need(REPORT, "{\"start_date\":\"2027-01-02\"}", 0);
	expect(w.answer, "total.spend", "0.0");
}

static void test_report_by_others(void **st)
{
	(void)st;
	need(REPORT, "{\"group_by\":\"model\"}", 1);
	expect(row(0), "name", "\"gpt\"");
	need(REPORT, "{\"group_by\":\"api_key\"}", 3);
	expect(row(0), "spend", "5.0");
	assert_true(str_find(w.text, STR("\"name\":\"master key\"")) != SIZE_MAX);
	assert_true(str_find(w.text, STR("\"name\":\"beta\",\"api_key\":\"1111")) != SIZE_MAX);
	need(REPORT, "{\"group_by\":\"user\"}", 3);
	need(REPORT, "{\"group_by\":\"team\"}", 2);
	need(REPORT, "{\"group_by\":\"provider\"}", 2);
	assert_true(str_find(w.text, STR("\"name\":\"openai\"")) != SIZE_MAX);
}

static void test_sums_do_not_overflow(void **st)
{
	(void)st;
	place_exec(&w.p,
		   "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
			 "INSERT INTO spend_daily SELECT 20454, i + 10, 'gpt', 0, 1, 0, 1, 1, 0, "
			 "0, 0,"
			 " 1000000000000000000 FROM n");
	need(REPORT, "{}", 3);
	expect(w.answer, "total.spend", "9223372036.854775807");
	need(REPORT, "{\"group_by\":\"model\"}", 1);
	need(LOGS, "{\"summarize\":true}", 3);
}

static void test_keys_that_spend(void **st)
{
	(void)st;
	need(KEYS, "{\"limit\":5}", 1);
	expect(row(0), "key_alias", "\"alpha\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_newest_first_with_litellms_names),
		T(test_filters),
		T(test_bad_filters),
		T(test_days_as_litellm_sums_them),
		T(test_report_by_day),
		T(test_report_by_others),
		T(test_sums_do_not_overflow),
		T(test_keys_that_spend),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
