/* SPDX-License-Identifier: MIT
 * test_spend.c - reports and rows, under LiteLLM's names. */
#include "money_fixture.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "master/commands.h"
#include "master/keys.h"
#include "master/ledger_fold.h"
#include "master/master.h"
#include "master/spend.h"
#include "master/spend_private.h"

#define MASTER "sk-master-of-all"
#define DAY_0 (UINT64_C(1767225600) * NS_PER_S)	/* 2026-01-01T00:00Z */
#define ALL_DAYS "\"start_date\":\"2026-01-01\",\"end_date\":\"2026-01-03\""

enum {
	LOGS, REPORT, KEYS, PAGES, OF_USERS, OF_USERS_AT_ONCE, OF_TEAMS, OF_ORGANIZATIONS,
	OF_CUSTOMERS, OF_TAGS, USERS, TAGS, GLOBAL, DAYS, BY_KEY, BY_MODEL, BY_TEAM, BY_TAG,
	TAG_NAMES, BY_PROVIDER, BY_END_USER, DETAILS, ACTIVITY, BY_MODEL_AND_DAY
};
#define C(path, run) { path, "GET", path, ROLE_VIEW, 0, run, NULL, NULL, NULL, "", "" }
const struct command commands[] = {
	[LOGS] = C("/spend/logs", spend_logs),
	[REPORT] = C("/r", spend_report),
	[KEYS] = C("/spend/keys", spend_keys),
	[PAGES] = C("/spend/logs/v2", spend_logs_pages),
	[OF_USERS] = { "ua", "GET", "/user/daily/activity", ROLE_ANY_KEY, 0, spend_activity_user,
		       NULL, NULL, NULL, "", "" },
	[OF_USERS_AT_ONCE] = C("/user/daily/activity/aggregated", spend_activity_user),
	[OF_TEAMS] = C("/team/daily/activity", spend_activity_team),
	[OF_ORGANIZATIONS] = C("/organization/daily/activity", spend_activity_organization),
	[OF_CUSTOMERS] = C("/customer/daily/activity", spend_activity_customer),
	[OF_TAGS] = C("/tag/daily/activity", spend_activity_tag),
	[USERS] = C("/spend/users", spend_users),
	[TAGS] = C("/spend/tags", spend_tags),
	[GLOBAL] = C("/global/spend", spend_global),
	[DAYS] = C("/global/spend/logs", spend_global_logs),
	[BY_KEY] = C("/global/spend/keys", spend_global_keys),
	[BY_MODEL] = C("/global/spend/models", spend_global_models),
	[BY_TEAM] = C("/global/spend/teams", spend_global_teams),
	[BY_TAG] = C("/global/spend/tags", spend_global_tags),
	[TAG_NAMES] = C("/global/spend/all_tag_names", spend_global_tag_names),
	[BY_PROVIDER] = C("/global/spend/provider", spend_global_provider),
	[BY_END_USER] = C("/global/spend/end_users", spend_global_end_users),
	[DETAILS] = C("/global/spend/report", spend_global_report),
	[ACTIVITY] = C("/global/activity", spend_global_activity),
	[BY_MODEL_AND_DAY] = C("/global/activity/model", spend_global_activity_models),
};
const size_t commands_count = COUNT(commands);

struct world {
	struct place p;
	struct master m;
	struct arena *mem;
	struct str text;
	const struct json *answer;
	int status;
	uint64_t own_key;		/* the caller is a plain key */
};
static struct world w;

/* Request n: starts n hours after DAY_0, of key n % 3, every fourth with tags. */
static struct journal_record record(uint32_t n)
{
	struct journal_record r;
	char id[32];
	memset((void *)&r, 0, sizeof r);
	snprintf(id, sizeof id, "%016u", n);
	memcpy(r.request_id, id, sizeof r.request_id);
	r.kind = JOURNAL_SETTLE;
	r.endpoint = 1;
	r.key_id = n % 3;
	r.team = n % 3 == 1 ? 9 : 0;
	r.deployment = n % 2 ? 0 : 77;
	r.start_ns = DAY_0 + n * 3600 * NS_PER_S;
	r.end_ns = r.start_ns + 1500 * NS_PER_MS;
	r.cost_nano = 250000000;
	r.reserve_nano = 9;
	r.input = 10;
	r.output = 20;
	r.cache_read = 3;
	r.cache_write = 4;
	r.reasoning = 5;
	r.status = n == 5 ? 500 : 200;
	r.flags = n == 5 ? JF_FAILED : n == 6 ? 39 : n == 7 ? JF_UNPRICED : 0;
	r.attempts = 2;
	r.fallbacks = 1;
	memcpy(r.client_ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
	memcpy(r.model, "gpt", 3);
	memcpy(r.end_user, "eu", 2);
	return r;
}

static void add_record(struct batch *b, const struct journal_record *r)
{
	memcpy((void *)&b->r[b->n++], r, sizeof *r);
}

static int book_job(struct store_db *db, void *data)
{
	static const struct str tags[] = { { "prod", 4 }, { "job: \"7\"", 8 }, { "prod", 4 } };
	struct batch *b = data;
	struct journal_record pieces[JOURNAL_TAG_RECORDS];
	for (uint32_t n = 0; n < 60; n++) {
		struct journal_record r = record(n);
		unsigned n_pieces = n % 4 ? 0 :
			journal_put_tags(pieces, r.request_id, tags, n % 8 ? 1 : 3);
		for (unsigned i = 0; i < n_pieces; i++)
			add_record(b, &pieces[i]);
		add_record(b, &r);
	}
	return batch_book(b, db, 1);
}

static void insert_all(void)
{
	/* Two keys, one of them deleted. */
	place_exec(&w.p, "INSERT INTO keys (id, token_hash, key_name, alias, user_id, team_id, "
			 "created_at, updated_at)"
			 " VALUES (1, zeroblob(32), 'sk-...aaaa', 'alpha', 'ann', 't', 1, 1)");
	place_exec(&w.p, "INSERT INTO teams (id, team_id, alias, organization_id, created_at,"
			 " updated_at) VALUES (9, 't', 'Physics', 'uni', 1, 1)");
	place_exec(&w.p, "INSERT INTO keys_deleted (id, token_hash, key_name, alias, user_id, "
			 "spend, created_at, deleted_at)"
			 " VALUES (2, "
			 "x'" "11111111111111111111111111111111" "11111111111111111111111111111111"
			 "', 'sk-...bbbb', 'beta', 'bob', 0, 1, 1)");
	place_exec(&w.p, "INSERT INTO deployments VALUES (77, 'id-77', 'gpt', 'openai', "
			 "'gpt-4o-2024', 'https://api')");
	struct batch *b = mem_alloc(sizeof *b);
	assert_non_null(b);
	assert_int_equal(store_write_wait(w.p.store, book_job, b), 0);
	buf_done(&b->tags);
	mem_free(b);
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
	c->is_viewer = w.own_key == 0;
	c->caller_key = w.own_key;
	command_run(c);
	store_drain(w.p.store);
	assert_int_equal(answers, 1);
	return w.status;
}

static const struct json *list_of(void)
{
	static const char *const names[] = { "rows", "results", "data", "spend_per_tag", "tag_names",
					     "daily_data", "daily_spend" };
	const struct json *list = w.answer->type == JSON_ARRAY ? w.answer : NULL;
	for (size_t i = 0; i < COUNT(names) && !list; i++)
		list = json_get(w.answer, names[i]);
	assert_non_null(list);
	return list;
}

static void need(int command, const char *args, uint32_t rows)
{
	if (call(command, args) != 200)
		fail_msg("%s: " STR_FMT, args, STR_ARG(w.text));
	const struct json *list = list_of();
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
	const struct json *list = list_of();
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
		   "INSERT INTO spend_totals SELECT 0, 7, 20000 + i, 1, 1, 0, 0, 1, 1, 0, 0, 0,"
		   " 1000000000000000000 FROM n");
	need(REPORT, "{\"group_by\":\"model\"}", 1);
	expect(w.answer, "total.spend", "9223372036.854775807");
	need(LOGS, "{\"summarize\":true}", 3);
}

/* ---- LiteLLM's reports ---- */

static void expect_raw(const char *path, const char *sql)
{
	char text[32];
	snprintf(text, sizeof text, "%lld", (long long)place_number(&w.p, sql));
	expect(w.answer, path, text);
}

static void test_days_with_breakdowns(void **st)
{
	(void)st;
	need(OF_USERS, "{" ALL_DAYS "}", 3);
	expect(row(0), "date", "\"2026-01-03\"");
	expect(row(0), "metrics", "{\"spend\":3.0,\"prompt_tokens\":120,\"completion_tokens\":240,"
	       "\"cache_read_input_tokens\":36,\"cache_creation_input_tokens\":48,"
	       "\"total_tokens\":360,\"successful_requests\":12,\"failed_requests\":0,"
	       "\"api_requests\":12}");
	const struct json *first = row(2);
	expect(first, "metrics.failed_requests", "1");
	expect(first, "breakdown.mcp_servers", "{}");
	expect(first, "breakdown.models.gpt-4o-2024.metrics.api_requests", "12");
	expect(first, "breakdown.models.gpt.metrics.api_requests", "12");
	expect(first, "breakdown.model_groups.gpt.metrics.api_requests", "24");
	expect(first, "breakdown.providers.openai.metrics.spend", "3.0");
	expect(first, "breakdown.providers.unknown.metrics.spend", "3.0");
	expect(first, "breakdown.endpoints./chat/completions.metrics.api_requests", "24");
	expect(first, "breakdown.entities.ann.metrics.api_requests", "8");
	expect(first, "breakdown.entities.bob.api_key_breakdown."
	       "1111111111111111111111111111111111111111111111111111111111111111.metadata",
	       "{\"key_alias\":\"beta\",\"team_id\":null}");
	expect(first, "breakdown.api_keys."
	       "0000000000000000000000000000000000000000000000000000000000000000.metadata",
	       "{\"key_alias\":\"alpha\",\"team_id\":\"t\"}");
	expect(first, "breakdown.api_keys.litellm_proxy_master_key.metrics.api_requests", "8");
	expect(w.answer, "metadata", "{\"total_spend\":15.0,\"total_prompt_tokens\":600,"
	       "\"total_completion_tokens\":1200,\"total_tokens\":1800,"
	       "\"total_api_requests\":60,\"total_successful_requests\":59,"
	       "\"total_failed_requests\":1,\"total_cache_read_input_tokens\":180,"
	       "\"total_cache_creation_input_tokens\":240,\"page\":1,\"total_pages\":1,"
	       "\"has_more\":false}");
	expect_raw("metadata.total_api_requests", "SELECT count(*) FROM spend_logs");
	expect_raw("metadata.total_prompt_tokens", "SELECT sum(input) FROM spend_logs");
	need(OF_USERS_AT_ONCE, "{" ALL_DAYS ",\"page_size\":1}", 3);
}

/* All pages together are the whole. */
static void test_pages_of_days(void **st)
{
	char args[128];
	uint64_t sum = 0, v;
	(void)st;
	for (unsigned page = 1; page <= 9; page++) {
		snprintf(args, sizeof args, "{" ALL_DAYS ",\"page_size\":2,\"page\":%u}", page);
		assert_int_equal(call(OF_USERS, args), 200);
		expect(w.answer, "metadata.total_pages", "9");
		expect(w.answer, "metadata.has_more", page < 9 ? "true" : "false");
		assert_int_equal(str_read_u64(json_get_path(w.answer,
			"metadata.total_api_requests")->raw, &v), 0);
		sum += v;
	}
	assert_int_equal(sum, 60);
	need(OF_USERS, "{" ALL_DAYS ",\"page\":50}", 0);
	refused(OF_USERS, "{" ALL_DAYS ",\"page\":0}", "\"param\":\"page\"");
	refused(OF_USERS, "{" ALL_DAYS ",\"page_size\":1001}", "\"param\":\"page_size\"");
	refused(OF_USERS, "{}", "Please provide start_date and end_date");
	refused(OF_USERS, "{\"start_date\":\"x\",\"end_date\":\"y\"}", "start_date");
}

static void test_days_of_others(void **st)
{
	(void)st;
	need(OF_USERS, "{" ALL_DAYS ",\"user_id\":\"ann\"}", 3);
	expect(w.answer, "metadata.total_api_requests", "20");
	need(OF_USERS, "{" ALL_DAYS ",\"user_ids\":\"ann, bob\"}", 3);
	expect(w.answer, "metadata.total_api_requests", "40");
	need(OF_USERS, "{" ALL_DAYS ",\"user_id\":\"x') OR (1=1\"}", 0);
	need(OF_USERS, "{" ALL_DAYS ",\"model\":\"gpt-4o-2024\"}", 3);
	expect(w.answer, "metadata.total_api_requests", "30");
	need(OF_USERS, "{" ALL_DAYS ",\"model\":\"gpt\"}", 3);
	expect(w.answer, "metadata.total_api_requests", "60");
	need(OF_USERS, "{" ALL_DAYS ",\"api_key\":\"" MASTER "\"}", 3);
	expect(w.answer, "metadata.total_api_requests", "20");
	need(OF_TEAMS, "{" ALL_DAYS "}", 3);
	expect(w.answer, "metadata.total_api_requests", "20");
	expect(row(0), "breakdown.entities.t.metadata", "{\"team_alias\":\"Physics\"}");
	need(OF_TEAMS, "{" ALL_DAYS ",\"team_ids\":\"t,u\"}", 3);
	need(OF_TEAMS, "{" ALL_DAYS ",\"team_ids\":\"u\"}", 0);
	need(OF_ORGANIZATIONS, "{" ALL_DAYS ",\"organization_ids\":\"uni\"}", 3);
	expect(w.answer, "metadata.total_api_requests", "20");	/* by way of the key's team */
	need(OF_CUSTOMERS, "{" ALL_DAYS "}", 3);
	expect(row(2), "breakdown.entities.eu.metrics.api_requests", "24");
	need(OF_TAGS, "{" ALL_DAYS ",\"tags\":\"prod\"}", 3);
	expect(w.answer, "metadata.total_api_requests", "15");
	need(OF_TAGS, "{" ALL_DAYS ",\"tag\":\"job: \\\"7\\\"\"}", 3);
	expect(w.answer, "metadata.total_api_requests", "8");
}

/* A key that may not see all sees its user's days, or its own where it has no user. */
static void test_a_key_sees_its_own(void **st)
{
	(void)st;
	w.own_key = 1;
	need(OF_USERS, "{" ALL_DAYS "}", 3);
	expect(w.answer, "metadata.total_api_requests", "20");
	need(OF_USERS, "{" ALL_DAYS ",\"user_id\":\"bob\"}", 3);
	expect(w.answer, "metadata.total_api_requests", "20");
	expect(row(0), "breakdown.entities.ann.metrics.api_requests", "4");
	w.own_key = 4711;
	need(OF_USERS, "{" ALL_DAYS "}", 0);
	assert_int_equal(call(GLOBAL, "{}"), 401);
	assert_int_equal(call(OF_TEAMS, "{" ALL_DAYS "}"), 401);
	w.own_key = 0;
}

static void test_lists(void **st)
{
	(void)st;
	need(USERS, "{}", 2);
	expect(row(0), "spend", "5.0");
	need(TAGS, "{}", 2);
	expect(row(0), "individual_request_tag", "\"prod\"");
	expect(row(0), "log_count", "15");
	expect(row(1), "total_spend", "2.0");
	expect(row(1), "individual_request_tag", "\"job: \\\"7\\\"\"");
	assert_int_equal(place_number(&w.p, "SELECT count(*) FROM spend_logs, json_each(tags) j"
					    " WHERE j.value = 'prod'"), 15 + 8);
	need(BY_TAG, "{" ALL_DAYS ",\"tags\":\"prod\"}", 1);
	expect(row(0), "spend", "3.75");
	need(BY_TAG, "{" ALL_DAYS ",\"tags\":\"all-tags\"}", 2);
	need(TAG_NAMES, "{}", 2);
	assert_int_equal(call(GLOBAL, "{" ALL_DAYS "}"), 200);
	expect(w.answer, "spend", "15.0");
	assert_int_equal(call(GLOBAL, "{}"), 200);	/* the last 30 days, that is */
	expect(w.answer, "spend", "0.0");
	need(DAYS, "{" ALL_DAYS "}", 3);
	expect(row(0), "date", "\"2026-01-01\"");
	expect(row(0), "spend", "6.0");
	need(DAYS, "{" ALL_DAYS ",\"api_key\":\"" MASTER "\"}", 3);
	expect(row(0), "spend", "2.0");
	need(DAYS, "{" ALL_DAYS ",\"api_key\":"
	     "\"1111111111111111111111111111111111111111111111111111111111111111\"}", 3);
	need(DAYS, "{" ALL_DAYS ",\"api_key\":\"sk-nobody\"}", 0);
	need(BY_KEY, "{" ALL_DAYS ",\"limit\":2}", 2);
	expect(row(0), "api_key", "\"litellm_proxy_master_key\"");
	expect(row(1), "key_alias", "\"alpha\"");
	expect(row(1), "total_spend", "5.0");
	need(BY_MODEL, "{" ALL_DAYS "}", 1);
	expect(row(0), "total_spend", "15.0");
	need(BY_PROVIDER, "{" ALL_DAYS "}", 2);
	expect(row(1), "provider", "\"openai\"");
	expect(row(1), "spend", "7.5");
	need(BY_END_USER, "{\"startTime\":\"2026-01-01\",\"endTime\":\"2026-01-02\"}", 1);
	expect(row(0), "total_count", "48");
	need(BY_END_USER, "{\"startTime\":\"2026-01-01\",\"endTime\":\"2026-01-02\","
	     "\"api_key\":\"" MASTER "\"}", 1);
	expect(row(0), "total_count", "16");
	need(BY_TEAM, "{" ALL_DAYS "}", 3);
	expect(row(0), "Physics", "2.0");
	expect(row(0), "Unassigned", "4.0");
	expect(w.answer, "total_spend_per_team",
	       "[{\"team_id\":\"Unassigned\",\"total_spend\":10.0},"
	       "{\"team_id\":\"Physics\",\"total_spend\":5.0}]");
}

static void test_activity(void **st)
{
	(void)st;
	need(ACTIVITY, "{" ALL_DAYS "}", 3);
	expect(row(0), "date", "\"Jan 01\"");
	expect(row(0), "api_requests", "24");
	expect(w.answer, "sum_api_requests", "60");
	expect_raw("sum_total_tokens", "SELECT sum(input + output) FROM spend_logs");
	need(ACTIVITY, "{\"start_date\":\"2027-01-01\"}", 0);
	need(BY_MODEL_AND_DAY, "{" ALL_DAYS "}", 1);
	expect(row(0), "model", "\"gpt\"");
	expect(row(0), "daily_data.2.api_requests", "12");
}

static void test_details(void **st)
{
	(void)st;
	need(DETAILS, "{" ALL_DAYS "}", 3);
	expect(row(0), "group_by_day", "\"2026-01-01T00:00:00+00:00\"");
	expect(row(0), "teams.0.team_name", "\"Physics\"");
	expect(row(0), "teams.0.total_spend", "2.0");
	expect(row(0), "teams.0.metadata.0.model", "\"gpt\"");
	expect(row(0), "teams.1.team_name", "\"Unassigned Team\"");
	expect(row(0), "teams.1.metadata.0.total_tokens", "240");
	need(DETAILS, "{" ALL_DAYS ",\"team_id\":\"t\"}", 3);
	assert_null(json_get_path(row(0), "teams.1"));
	need(DETAILS, "{" ALL_DAYS ",\"group_by\":\"customer\"}", 3);
	expect(row(2), "customers.0.customer", "\"eu\"");
	expect(row(2), "customers.0.total_spend", "3.0");
	need(DETAILS, "{" ALL_DAYS ",\"customer_id\":\"nobody\"}", 0);
	need(DETAILS, "{" ALL_DAYS ",\"group_by\":\"api_key\"}", 3);
	expect(row(1), "total_cost", "5.0");
	expect(row(1), "model_details.0.total_input_tokens", "200");
	need(DETAILS, "{" ALL_DAYS ",\"internal_user_id\":\"bob\"}", 1);
	expect(row(0), "total_cost", "5.0");
	refused(DETAILS, "{\"group_by\":\"colour\"}", "\"param\":\"group_by\"");
}

static void test_pages_of_rows(void **st)
{
	(void)st;
	need(PAGES, "{\"page_size\":25,\"page\":3}", 10);
	expect(w.answer, "total", "60");
	expect(w.answer, "total_pages", "3");
	need(PAGES, "{\"sort_by\":\"startTime\",\"sort_order\":\"asc\"}", 50);
	expect(row(0), "startTime", "\"2026-01-01T00:00:00.000Z\"");
	expect(row(0), "request_tags", "[\"prod\",\"job: \\\"7\\\"\",\"prod\"]");
	expect(row(1), "request_tags", "[]");
	need(PAGES, "{\"status_filter\":\"failure\"}", 1);
	need(PAGES, "{\"team_id\":\"t\",\"page_size\":100}", 20);
	need(PAGES, "{\"tag\":\"prod\"}", 15);
	need(PAGES, "{\"end_user\":\"eu\",\"model\":\"gpt-4o-2024\"}", 30);
	need(PAGES, "{\"model_id\":\"id-77\",\"key_alias\":\"alpha\"}", 10);
	need(PAGES, "{\"min_spend\":0.26}", 0);
	need(PAGES, "{\"max_spend\":\"0.25\",\"min_spend\":0.25,\"page_size\":100}", 60);
	refused(PAGES, "{\"page\":0}", "\"param\":\"page\"");
	refused(PAGES, "{\"page_size\":101}", "\"param\":\"page_size\"");
	refused(PAGES, "{\"sort_by\":\"colour\"}", "\"param\":\"sort_by\"");
	refused(PAGES, "{\"status_filter\":\"x\"}", "\"param\":\"status_filter\"");
}

/* Between which days somebody asked is what the sums say, and they may come after the rows. */
static void test_who_asked_is_looked_for_in_its_days(void **st)
{
	char late[512];
	(void)st;
	need(PAGES, "{\"end_user\":\"eu\",\"page_size\":100}", 60);
	need(LOGS, "{\"end_user\":\"eu\",\"tag\":\"prod\",\"model_group\":\"gpt\"}", 15);
	need(LOGS, "{\"end_user\":\"eu\",\"start_date\":\"2026-01-02\",\"end_date\":\"2026-01-02\"}", 24);
	need(PAGES, "{\"end_user\":\"late\"}", 0);
	need(PAGES, "{\"tag\":\"nobody's\"}", 0);
	need(PAGES, "{\"model_group\":\"none\"}", 0);
	snprintf(late, sizeof late,
		 "INSERT INTO spend_logs VALUES (900, x'00', 1, 0, 'new', 'late', %llu, 0, 1, 0, 0, 0,"
		 " 0, 0, 0, 0, 1, 200, 0, 0, 1, 0, zeroblob(16), 0, '[\"fresh\"]')",
		 (unsigned long long)clock_wall_ns());
	place_exec(&w.p, late);
	need(PAGES, "{\"end_user\":\"late\"}", 1);
	need(PAGES, "{\"tag\":\"fresh\"}", 1);
	need(LOGS, "{\"model_group\":\"new\"}", 1);
	place_exec(&w.p, "DELETE FROM spend_logs WHERE id = 900");
}

static void test_reports_by_all(void **st)
{
	static const char *const by[] = { "organization", "customer", "tag", "deployment", "endpoint",
					  "hour" };
	static const uint32_t rows[] = { 2, 1, 2, 2, 1, 60 };
	char args[64];
	(void)st;
	for (size_t i = 0; i < COUNT(by); i++) {
		snprintf(args, sizeof args, "{\"group_by\":\"%s\"}", by[i]);
		need(REPORT, args, rows[i]);
	}
	expect(row(0), "name", "\"2026-01-03T11:00Z\"");
	need(REPORT, "{\"group_by\":\"endpoint\"}", 1);
	expect(row(0), "name", "\"/chat/completions\"");
	expect(row(0), "unpriced_requests", "1");
}

/* Whatever is asked, single requests are not read: with them gone all answers stay. */
static void test_no_report_reads_single_requests(void **st)
{
	static const int all[] = { REPORT, OF_USERS, OF_USERS_AT_ONCE, OF_TEAMS, OF_ORGANIZATIONS,
				   OF_CUSTOMERS, OF_TAGS, USERS, TAGS, GLOBAL, DAYS, BY_KEY,
				   BY_MODEL, BY_TEAM, BY_TAG, TAG_NAMES, BY_PROVIDER, BY_END_USER,
				   DETAILS, ACTIVITY, BY_MODEL_AND_DAY };
	uint64_t before[COUNT(all)];
	(void)st;
	for (size_t i = 0; i < COUNT(all); i++) {
		assert_int_equal(call(all[i], "{" ALL_DAYS "}"), 200);
		before[i] = hash_stable(w.text);
	}
	place_exec(&w.p, "DELETE FROM spend_logs");
	for (size_t i = 0; i < COUNT(all); i++) {
		assert_int_equal(call(all[i], "{" ALL_DAYS "}"), 200);
		assert_true(hash_stable(w.text) == before[i]);
	}
}

static void test_keys_that_spend(void **st)
{
	(void)st;
	need(KEYS, "{\"limit\":5}", 1);
	expect(row(0), "key_alias", "\"alpha\"");
}

static void test_cells_are_no_formulas(void **state)
{
	static const struct {
		struct str given;
		const char *cell;
	} rows[] = {
		{ STR("=1+2"), "'=1+2" }, { STR("+1+2"), "'+1+2" }, { STR("-2+3|x"), "'-2+3|x" },
		{ STR("@SUM(a)"), "'@SUM(a)" }, { STR("\t=1"), "'\t=1" },
		{ STR("\r=1"), "\"'\r=1\"" }, { STR("=a,\"b\""), "\"'=a,\"\"b\"\"\"" },
		{ STR("-"), "'-" }, { STR("-."), "'-." }, { STR("-1"), "-1" },
		{ STR("+0.25"), "+0.25" }, { STR("a=1"), "a=1" }, { STR(""), "" },
		{ STR(" =1"), " =1" }, { STR("1-2"), "1-2" }
	};
	struct buf to;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_init(&to, 100);
		spend_put_csv(&to, rows[i].given, true);
		assert_true(str_eq_z(buf_str(&to), rows[i].cell));
		buf_done(&to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		cmocka_unit_test(test_cells_are_no_formulas),
		T(test_newest_first_with_litellms_names),
		T(test_filters),
		T(test_bad_filters),
		T(test_days_as_litellm_sums_them),
		T(test_report_by_day),
		T(test_report_by_others),
		T(test_sums_do_not_overflow),
		T(test_days_with_breakdowns),
		T(test_pages_of_days),
		T(test_days_of_others),
		T(test_a_key_sees_its_own),
		T(test_lists),
		T(test_activity),
		T(test_details),
		T(test_pages_of_rows),
		T(test_who_asked_is_looked_for_in_its_days),
		T(test_reports_by_all),
		T(test_no_report_reads_single_requests),
		T(test_keys_that_spend),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
