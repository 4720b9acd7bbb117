/* SPDX-License-Identifier: MIT
 * spend_bench.c - how long each report takes on a large database.
 *
 * spend_bench [--json] [days [keys]]: `keys` keys with five models each, every day; sums as the
 * ledger keeps them. As many requests as one likes may stand behind them: reports do not read
 * those; 20 stand behind each sum here. --json: for `run`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hash.h"
#include "master/commands.h"
#include "master/keys.h"
#include "master/master.h"
#include "master/spend.h"
#include "master/store_sql.h"

#define C(path, run, args) { args, "GET", path, ROLE_VIEW, 0, run, NULL, NULL, NULL, "", "" }
#define MONTH "\"start_date\":\"2026-01-01\",\"end_date\":\"2026-01-31\""
const struct command commands[] = {
	C("spend report, day", spend_report, "{}"),
	C("spend report, model", spend_report, "{\"group_by\":\"model\"}"),
	C("spend report, key", spend_report, "{\"group_by\":\"key\"}"),
	C("spend report, team", spend_report, "{\"group_by\":\"team\"}"),
	C("spend report, provider", spend_report, "{\"group_by\":\"provider\"}"),
	C("/user/daily/activity", spend_activity_user, "{" MONTH "}"),
	C("/user/daily/activity of one", spend_activity_user, "{" MONTH ",\"user_id\":\"user-7\"}"),
	C("/team/daily/activity of one", spend_activity_team, "{" MONTH ",\"team_ids\":\"team-7\"}"),
	C("/global/spend", spend_global, "{" MONTH "}"),
	C("/global/spend/logs", spend_global_logs, "{" MONTH "}"),
	C("/global/spend/keys", spend_global_keys, "{" MONTH "}"),
	C("/global/spend/models", spend_global_models, "{" MONTH "}"),
	C("/global/spend/teams", spend_global_teams, "{" MONTH "}"),
	C("/global/spend/provider", spend_global_provider, "{" MONTH "}"),
	C("/global/spend/report of a team", spend_global_report, "{" MONTH ",\"team_id\":\"team-7\"}"),
	C("/global/activity", spend_global_activity, "{" MONTH "}"),
	C("/global/activity/model", spend_global_activity_models, "{" MONTH "}"),
	C("/spend/logs by day", spend_logs, "{\"summarize\":true," MONTH "}"),
};
const size_t commands_count = COUNT(commands);

static struct master m;
static uv_loop_t loop;
static unsigned long long days, keys;

static void need(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	exit(1);
}

/* ?1 days, ?2 keys; number n of five is a model and its deployment. */
static const char *const fills[] = {
	"INSERT INTO spend_names VALUES (1, 'gpt-1'), (2, 'gpt-2'), (3, 'gpt-3'), (4, 'gpt-4'), (5, 'gpt-5')",
	"INSERT INTO deployments SELECT id, 'id-' || id, name, 'provider-' || id % 2, name, '' FROM spend_names",
	"INSERT INTO teams (id, team_id, created_at, updated_at) SELECT value, 'team-' || value, 1, 1"
	" FROM json_each((SELECT json_group_array(n) FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL"
	" SELECT n + 1 FROM c WHERE n < 50) SELECT n FROM c)))",
	"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < ?2) INSERT INTO spend_names"
	" SELECT 100 + n, 'user-' || n FROM k",
	"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < ?2) INSERT INTO keys"
	" (id, token_hash, key_name, alias, user_id, created_at, updated_at) SELECT n, randomblob(32), 'sk-...',"
	" 'key-' || n, 'user-' || n, 1, 1 FROM k",
	"WITH RECURSIVE d(n) AS (SELECT 20454 UNION ALL SELECT n + 1 FROM d WHERE n < 20453 + ?1)"
	" INSERT INTO spend_daily SELECT d.n, k.id, k.id % 50 + 1, 100 + k.id, 0, s.id, s.id, 1, 20, 1, 0, 2000,"
	" 1000, 100, 50, 10, 123456 FROM d, keys k, spend_names s WHERE s.id <= 5",
	"INSERT INTO spend_totals SELECT 0, 0, day, 0, sum(requests), 0, 0, sum(input), sum(output), 0, 0, 0,"
	" sum(cost) FROM spend_daily GROUP BY day",
	"INSERT INTO spend_totals SELECT 0, 1, day, key_id, sum(requests), 0, 0, sum(input), sum(output), 0, 0, 0,"
	" sum(cost) FROM spend_daily GROUP BY day, key_id",
	"INSERT INTO spend_totals SELECT 0, 2, day, team, sum(requests), 0, 0, sum(input), sum(output), 0, 0, 0,"
	" sum(cost) FROM spend_daily GROUP BY day, team",
	"INSERT INTO spend_totals SELECT 0, 3, day, user, sum(requests), 0, 0, sum(input), sum(output), 0, 0, 0,"
	" sum(cost) FROM spend_daily GROUP BY day, user",
	"INSERT INTO spend_totals SELECT 0, k.column1, day, model, sum(requests), 0, 0, sum(input), sum(output), 0,"
	" 0, 0, sum(cost) FROM spend_daily, (VALUES (7), (8)) k GROUP BY k.column1, day, model",
};

enum { INDEXES = 8, INDEX_MAX = 256 };
static char indexes[INDEXES][INDEX_MAX];	/* of spend_daily, as the schema makes them */
static unsigned n_indexes;

static void read_indexes(struct store_db *db)
{
	struct sql *q = sql_query(db, "SELECT sql FROM sqlite_master WHERE type = 'index'"
				      " AND tbl_name = 'spend_daily' AND sql IS NOT NULL");
	while (sql_row(q) > 0 && n_indexes < INDEXES) {
		struct str s = sql_get_text(q, 0);
		need(s.n < INDEX_MAX ? 0 : -E2BIG, "index");
		memcpy(indexes[n_indexes++], s.p, s.n);
	}
	sql_end(q);
}

/* Made after the rows are there: one by one they would take ten times as long. */
static void drop_indexes(struct store_db *db)
{
	char text[INDEX_MAX];
	read_indexes(db);
	for (unsigned i = 0; i < n_indexes; i++) {
		const char *name = strstr(indexes[i], "spend_daily_");
		need(name ? 0 : -EINVAL, "index");
		snprintf(text, sizeof text, "DROP INDEX %.*s", (int)strcspn(name, " "), name);
		need(sql_exec(db, text), text);
	}
}

static int fill_job(struct store_db *db, void *data)
{
	(void)data;
	drop_indexes(db);
	for (size_t i = 0; i < COUNT(fills); i++) {
		struct sql *q = sql_dynamic(db, fills[i]);
		if (strstr(fills[i], "?1") || strstr(fills[i], "?2"))
			sql_int(q, strstr(fills[i], "?2") ? 2 : 1,
				(int64_t)(strstr(fills[i], "?2") ? keys : days));
		int err = sql_run(q);
		if (err)
			return err;
	}
	for (unsigned i = 0; i < n_indexes; i++)
		need(sql_exec(db, indexes[i]), indexes[i]);
	return 0;
}

static void on_answer(struct command_call *c)
{
	*(int *)c->answer_data = c->status;
	if (c->status != 200)
		fprintf(stderr, "%.*s\n", (int)c->out.n, c->out.p);
}

static double ask(const struct command *cmd)
{
	int status = 0;
	uint64_t begin = clock_ns();
	struct command_call *c = command_new(&m, cmd, str_z(cmd->words), on_answer, &status);
	need(c ? 0 : -ENOMEM, "call");
	c->is_viewer = true;
	command_run(c);
	store_drain(m.store);
	need(status == 200 ? 0 : -EIO, cmd->path);
	return (double)(clock_ns() - begin) / 1e6;
}

int main(int argc, char **argv)
{
	char dir[] = "/var/tmp/llmgw-bench-XXXXXX", why[256] = "", path[128];
	double worst = 0;
	bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;
	int fd;
	argc -= is_json;
	argv += is_json;
	days = argc > 1 ? strtoull(argv[1], NULL, 10) : 365;
	keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
	need(mkdtemp(dir) ? 0 : -EIO, dir);
	need(hash_init(), "hash");
	uv_loop_init(&loop);
	m.loop = &loop;
	need(store_open(dir, &loop, &m.store, why), why);
	need(board_create(&m.board, &fd), "board");
	need(dir_create(1000, &m.dir, &fd), "directory");
	need(keys_start(m.store, m.dir, &m.board, STR("sk-master"), &m.keys), "keys");
	need(store_write_wait(m.store, fill_job, NULL), "filling");
	if (!is_json)
		printf("%llu days, %llu keys: %llu rows of spend_daily\n", days, keys,
		       days * keys * 5);
	for (size_t i = 0; i < COUNT(commands); i++) {
		double cold = ask(&commands[i]), warm = ask(&commands[i]);
		if (!is_json)
			printf("%-32s %8.1f ms, again %8.1f ms\n", commands[i].path, cold, warm);
		worst = warm > worst ? warm : worst;
	}
	printf(is_json ? "[{\"worst_ms\":%.1f}]\n" : "worst: %.1f ms\n", worst);
	store_close(m.store);
	uv_run(&loop, UV_RUN_DEFAULT);
	keys_stop(m.keys);
	snprintf(path, sizeof path, "%s/llmgw.db", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/llmgw.lock", dir);
	unlink(path);
	rmdir(dir);
	return !is_json && worst > 300;
}
