/* SPDX-License-Identifier: MIT
 * spend.c - what reports have in common: days, sums, the frame; and `spend report`. Sums are
 * those that the ledger keeps (ledger_rollup.h): no report reads single requests. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/spend_private.h"

enum { DAY_S = 86400 };

/* ---- days ---- */

static bool read_part(struct str s, size_t at, size_t n, int low, int high, int *ret)
{
	uint64_t v = 0;
	if (at + n > s.n || str_read_u64(str_of(s.p + at, n), &v) != 0 || v < (uint64_t)low ||
	    v > (uint64_t)high)
		return false;
	*ret = (int)v;
	return true;
}

/* "2026-02-03", also with a time behind it, which does not count. */
static bool read_day(struct str s, int64_t *ret)
{
	struct tm t = { 0 }, back;
	if (s.n < 10 || s.p[4] != '-' || s.p[7] != '-' ||
	    (s.n > 10 && s.p[10] != ' ' && s.p[10] != 'T') ||
	    !read_part(s, 0, 4, 1970, 2500, &t.tm_year) || !read_part(s, 5, 2, 1, 12, &t.tm_mon) ||
	    !read_part(s, 8, 2, 1, 31, &t.tm_mday))
		return false;
	int day = t.tm_mday;
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	time_t at = timegm(&t);
	gmtime_r(&at, &back);
	*ret = at / DAY_S;
	return back.tm_mday == day;	/* there is no 30th of February */
}

static bool take_day(struct command_call *c, const char *name, int64_t *ret)
{
	struct str s;
	int err = command_str(c, name, &s);
	if (err)
		return err == -ENOENT;
	if (read_day(s, ret))
		return true;
	command_fail(c, 400, "invalid_request_error", name, "%s must be a day such as 2026-02-03",
		     name);
	return false;
}

bool spend_take_days(struct command_call *c, const char *start, const char *end,
		     struct spend_range *ret)
{
	if (!take_day(c, start, &ret->first_day) || !take_day(c, end, &ret->last_day))
		return false;
	ret->from_ns = (uint64_t)ret->first_day * DAY_S * NS_PER_S;
	ret->to_ns = (uint64_t)(ret->last_day + 1) * DAY_S * NS_PER_S;
	if (ret->to_ns > INT64_MAX)
		ret->to_ns = INT64_MAX;
	return true;
}

bool spend_take_range(struct command_call *c, struct spend_range *ret)
{
	ret->first_day = 0;
	ret->last_day = 200000;		/* in the year 2517 */
	return spend_take_days(c, "start_date", "end_date", ret);
}

void spend_last_days(struct spend_range *ret)
{
	ret->last_day = (int64_t)(clock_wall_ns() / NS_PER_S / DAY_S);
	ret->first_day = ret->last_day - 29;
}

void spend_day_text(char out[SPEND_TEXT_ROOM], int64_t day)
{
	clock_rfc3339(out, (uint64_t)day * DAY_S * NS_PER_S);
	out[10] = '\0';
}

void spend_write_month_day(char out[SPEND_DAY_ROOM], int64_t day)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
					      "Aug", "Sep", "Oct", "Nov", "Dec" };
	char text[SPEND_TEXT_ROOM];
	spend_day_text(text, day);
	unsigned month = (unsigned)(text[5] - '0') * 10 + (unsigned)(text[6] - '0') - 1;
	snprintf(out, SPEND_DAY_ROOM, "%s %c%c", months[month % 12], text[8], text[9]);
}

/* ---- the frame ---- */

static void on_rows(void *data, int err)
{
	struct spend_rows *rows = data;
	rows->book = cost_book_unref(rows->book);
	texts_reader_done(rows->texts);
	if (err == -ENOENT)
		command_fail(rows->c, 404, "not_found_error", NULL, "no such request");
	else
		command_done(data, err);
}

void spend_start_rows(struct command_call *c, store_job_fn *job, struct spend_rows *data)
{
	data->book = cost_book_ref(c->master);
	int err = store_read(c->master->store, job, on_rows, data);
	if (err) {
		data->book = cost_book_unref(data->book);
		texts_reader_done(data->texts);
		command_fail_store(c, err);
	}
}

/* ---- sums ---- */

int64_t spend_read_cost(struct sql *q, int at)
{
	int64_t high = sql_get_int(q, at), low = sql_get_int(q, at + 1), cost;
	if (__builtin_mul_overflow(high, INT64_C(1) << 30, &cost) ||
	    __builtin_add_overflow(cost, low, &cost))
		return INT64_MAX;
	return cost;
}

void spend_read_sums(struct sql *q, int at, struct spend_sums *s)
{
	s->requests = sql_get_int(q, at);
	s->failed = sql_get_int(q, at + 1);
	s->unpriced = sql_get_int(q, at + 2);
	s->input = sql_get_int(q, at + 3);
	s->output = sql_get_int(q, at + 4);
	s->cache_read = sql_get_int(q, at + 5);
	s->cache_write = sql_get_int(q, at + 6);
	s->reasoning = sql_get_int(q, at + 7);
	s->cost = spend_read_cost(q, at + 8);
}

static void add(int64_t *to, int64_t v)
{
	if (__builtin_add_overflow(*to, v, to))
		*to = INT64_MAX;
}

void spend_add_sums(struct spend_sums *to, const struct spend_sums *s)
{
	add(&to->requests, s->requests);
	add(&to->failed, s->failed);
	add(&to->unpriced, s->unpriced);
	add(&to->input, s->input);
	add(&to->output, s->output);
	add(&to->cache_read, s->cache_read);
	add(&to->cache_write, s->cache_write);
	add(&to->reasoning, s->reasoning);
	add(&to->cost, s->cost);
}

static void put_sums(struct json_out *o, const struct spend_sums *s)
{
	json_put_i64(o, "requests", s->requests);
	json_put_i64(o, "failed_requests", s->failed);
	json_put_i64(o, "unpriced_requests", s->unpriced);
	json_put_i64(o, "prompt_tokens", s->input);
	json_put_i64(o, "completion_tokens", s->output);
	json_put_i64(o, "cache_read_input_tokens", s->cache_read);
	json_put_i64(o, "cache_creation_input_tokens", s->cache_write);
	json_put_i64(o, "reasoning_tokens", s->reasoning);
	json_put_money(o, "spend", s->cost);
}

/* ---- names ---- */

void spend_key_name(char out[SPEND_KEY_ROOM], struct sql *q, int hash, int64_t key_id)
{
	struct sha256 h;
	out[0] = '\0';
	if (sql_get_sha256(q, hash, &h))
		hash_hex(out, h.b, sizeof h.b);
	else if (key_id == 0)
		snprintf(out, SPEND_KEY_ROOM, "litellm_proxy_master_key");
}

/* ---- spend report ---- */

struct report_call {
	struct command_call *c;
	struct spend_range range;
	const struct grouping *by;
};

#define MOST_FIRST " ORDER BY total(s.high) DESC, total(s.low) DESC, 1 LIMIT 1000"
#define BY_NAME                                                                                   \
	"SELECT n.name, NULL," SPEND_TOTALS_SUMS " FROM" SPEND_TOTALS                             \
	" LEFT JOIN spend_names n ON n.id = s.id GROUP BY s.id" MOST_FIRST

/* Each query: name, hash of the key or NULL, the sums. */
static const struct grouping {
	const char *name, *also;	/* LiteLLM's word */
	enum rollup_kind kind;
	const char *sql;
} groupings[] = {
	{ "day", "date", ROLLUP_ALL,
	  "SELECT date(s.at * 86400, 'unixepoch'), NULL," SPEND_ROW " FROM spend_totals s"
	  " WHERE s.span = 0 AND s.kind = ?3 AND s.at BETWEEN ?1 AND ?2"
	  " ORDER BY s.at DESC LIMIT 1000" },
	{ "hour", NULL, ROLLUP_ALL,
	  "SELECT strftime('%Y-%m-%dT%H:00Z', s.at * 3600, 'unixepoch'), NULL," SPEND_ROW
	  " FROM spend_totals s WHERE s.span = 1 AND s.kind = ?3"
	  " AND s.at BETWEEN ?1 * 24 AND ?2 * 24 + 23 ORDER BY s.at DESC LIMIT 1000" },
	{ "model", "model_group", ROLLUP_MODEL, BY_NAME },
	{ "key", "api_key", ROLLUP_KEY,
	  "SELECT coalesce(k.alias, x.alias, k.key_name, x.key_name), coalesce(k.token_hash,"
	  " x.token_hash)," SPEND_TOTALS_SUMS " FROM" SPEND_TOTALS SPEND_OF_KEY("s.id")
	  " GROUP BY s.id" MOST_FIRST },
	{ "user", "internal_user", ROLLUP_USER, BY_NAME },
	{ "team", NULL, ROLLUP_TEAM,
	  "SELECT coalesce(t.alias, t.team_id), NULL," SPEND_TOTALS_SUMS " FROM" SPEND_TOTALS
	  " LEFT JOIN teams t ON t.id = s.id GROUP BY s.id" MOST_FIRST },
	{ "organization", NULL, ROLLUP_ORGANIZATION, BY_NAME },
	{ "customer", "end_user", ROLLUP_END_USER, BY_NAME },
	{ "tag", NULL, ROLLUP_TAG, BY_NAME },
	{ "provider", NULL, ROLLUP_DEPLOYMENT,
	  "SELECT d.provider, NULL," SPEND_TOTALS_SUMS " FROM" SPEND_TOTALS
	  " LEFT JOIN deployments d ON d.id_hash = s.id GROUP BY d.provider" MOST_FIRST },
	{ "deployment", "model_id", ROLLUP_DEPLOYMENT,
	  "SELECT d.model_id, NULL," SPEND_TOTALS_SUMS " FROM" SPEND_TOTALS
	  " LEFT JOIN deployments d ON d.id_hash = s.id GROUP BY s.id" MOST_FIRST },
	{ "endpoint", NULL, ROLLUP_ENDPOINT,
	  "SELECT CAST(s.id AS TEXT), NULL," SPEND_TOTALS_SUMS " FROM" SPEND_TOTALS
	  " GROUP BY s.id" MOST_FIRST },
};

/* What is nobody's has a name, too. */
static struct str name_of(const struct report_call *rc, struct sql *q)
{
	struct str name = sql_get_text(q, 0);
	int64_t call = 0;
	if (rc->by->kind == ROLLUP_ENDPOINT && str_read_i64(name, &call) == 0)
		name = str_z(spend_call_path(call));
	if (name.p)
		return name;
	return rc->by->kind == ROLLUP_KEY ? STR("master key") : STR("(none)");
}

static void put_group(struct json_out *o, const struct report_call *rc, struct sql *q,
		      struct spend_sums *total)
{
	char hex[SPEND_KEY_ROOM];
	struct spend_sums s;
	spend_read_sums(q, 2, &s);
	spend_add_sums(total, &s);
	spend_key_name(hex, q, 1, -1);
	json_open(o, NULL);
	json_put_str(o, "name", name_of(rc, q));
	if (hex[0])
		json_put_z(o, "api_key", hex);
	put_sums(o, &s);
	json_close(o);
}

static int report_job(struct store_db *db, void *data)
{
	struct report_call *rc = data;
	struct json_out o = json_out(&rc->c->out);
	struct sql *q = sql_query(db, rc->by->sql);
	struct spend_sums total = { 0 };
	int r;
	sql_int(q, 1, rc->range.first_day);
	sql_int(q, 2, rc->range.last_day);
	sql_int(q, 3, rc->by->kind);
	json_open(&o, NULL);
	json_put_z(&o, "group_by", rc->by->name);
	json_open_array(&o, "rows");
	while ((r = sql_row(q)) > 0)
		put_group(&o, rc, q, &total);
	sql_end(q);
	json_close_array(&o);
	json_open(&o, "total");
	put_sums(&o, &total);
	json_close(&o);
	json_close(&o);
	return r;
}

static const struct grouping *find_grouping(struct str s)
{
	for (size_t i = 0; i < COUNT(groupings); i++)
		if (str_eq_z(s, groupings[i].name) ||
		    (groupings[i].also && str_eq_z(s, groupings[i].also)))
			return &groupings[i];
	return NULL;
}

void spend_report(struct command_call *c)
{
	struct report_call *rc = command_state(c, sizeof *rc);
	struct str by = STR("day");
	if (!rc)
		return;
	if (command_str(c, "group_by", &by) == -EINVAL || !spend_take_range(c, &rc->range))
		return;
	rc->by = find_grouping(by);
	if (!rc->by)
		command_fail(c, 400, "invalid_request_error", "group_by",
			     "group_by must be day, hour, model, key, user, team, organization, "
			     "customer, tag, provider, deployment or endpoint");
	else
		command_read(rc, report_job, command_done);
}

void spend_keys(struct command_call *c)
{
	keys_by_spend(c);
}

/* ---- /spend/logs?summarize=true: LiteLLM's list of days ---- */

/* {"name": dollars, ...} of one day. */
static int put_map(struct json_out *o, const char *name, struct store_db *db, int64_t day,
		   enum rollup_kind kind)
{
	struct sql *q = sql_query(db,
		"SELECT coalesce(n.name, ''), s.cost >> 30, s.cost & 1073741823 FROM spend_totals s"
		" LEFT JOIN spend_names n ON n.id = s.id WHERE s.span = 0 AND s.kind = ? AND"
		" s.at = ? ORDER BY 1");
	int r;
	sql_int(q, 1, kind);
	sql_int(q, 2, day);
	json_open(o, name);
	while ((r = sql_row(q)) > 0) {
		json_key(o, sql_get_text(q, 0));
		json_put_money(o, NULL, spend_read_cost(q, 1));
	}
	sql_end(q);
	json_close(o);
	return r;
}

static int put_day(struct json_out *o, struct store_db *db, int64_t day, int64_t cost)
{
	char text[SPEND_TEXT_ROOM];
	spend_day_text(text, day);
	json_open(o, NULL);
	json_put_z(o, "startTime", text);
	json_put_money(o, "spend", cost);
	int err = put_map(o, "users", db, day, ROLLUP_USER);
	if (!err)
		err = put_map(o, "models", db, day, ROLLUP_MODEL);
	json_close(o);
	return err;
}

struct summary_call {
	struct command_call *c;
	struct spend_range range;
	struct str user_id;		/* .n 0: of all */
};

static int summary_job(struct store_db *db, void *data)
{
	struct summary_call *sc = data;
	struct json_out o = json_out(&sc->c->out);
	struct sql *q = sql_query(db,
		"SELECT s.at, s.cost >> 30, s.cost & 1073741823 FROM spend_totals s WHERE s.span = 0"
		" AND s.kind = 0 AND s.at BETWEEN ?1 AND ?2 ORDER BY s.at LIMIT 1000");
	int r, err = 0;
	sql_int(q, 1, sc->range.first_day);
	sql_int(q, 2, sc->range.last_day);
	json_open_array(&o, NULL);
	while (!err && (r = sql_row(q)) != 0)
		err = r < 0 ? r : put_day(&o, db, sql_get_int(q, 0), spend_read_cost(q, 1));
	sql_end(q);
	json_close_array(&o);
	return err;
}

/* ---- the same of one user ---- */

static void end_day(struct json_out *o, struct str user_id, int64_t cost)
{
	json_close(o);
	json_put_money(o, "spend", cost);
	json_open(o, "users");
	json_key(o, user_id);
	json_put_money(o, NULL, cost);
	json_close(o);
	json_close(o);
}

static void begin_day(struct json_out *o, int64_t day)
{
	char text[SPEND_TEXT_ROOM];
	spend_day_text(text, day);
	json_open(o, NULL);
	json_put_z(o, "startTime", text);
	json_open(o, "models");
}

static int user_summary_job(struct store_db *db, void *data)
{
	struct summary_call *sc = data;
	struct json_out o = json_out(&sc->c->out);
	struct sql *q = sql_query(db,
		"SELECT s.day, coalesce(n.name, ''), sum(s.cost >> 30), sum(s.cost & 1073741823)"
		" FROM spend_daily s LEFT JOIN spend_names n ON n.id = s.model WHERE s.user <> 0"
		" AND s.user = (SELECT id FROM spend_names WHERE name = ?3)"
		" AND s.day BETWEEN ?1 AND ?2 GROUP BY s.day, s.model ORDER BY s.day, 2 LIMIT 100000");
	int64_t day = -1, cost = 0;
	int r;
	sql_int(q, 1, sc->range.first_day);
	sql_int(q, 2, sc->range.last_day);
	sql_text(q, 3, sc->user_id);
	json_open_array(&o, NULL);
	while ((r = sql_row(q)) > 0) {
		int64_t now = sql_get_int(q, 0), one = spend_read_cost(q, 2);
		if (now != day && day >= 0)
			end_day(&o, sc->user_id, cost);
		if (now != day)
			begin_day(&o, now);
		cost = now == day ? cost : 0;
		add(&cost, one);
		day = now;
		json_key(&o, sql_get_text(q, 1));
		json_put_money(&o, NULL, one);
	}
	sql_end(q);
	if (day >= 0)
		end_day(&o, sc->user_id, cost);
	json_close_array(&o);
	return r;
}

void spend_summary(struct command_call *c)
{
	struct summary_call *sc = command_state(c, sizeof *sc);
	if (!sc || !spend_take_range(c, &sc->range) ||
	    command_str(c, "user_id", &sc->user_id) == -EINVAL)
		return;
	if (c->own_user.n && sc->user_id.n && !str_eq(sc->user_id, c->own_user))
		sc->range.last_day = sc->range.first_day - 1;	/* others' is nothing */
	if (c->own_user.n)
		sc->user_id = c->own_user;
	command_read(sc, sc->user_id.n ? user_summary_job : summary_job, command_done);
}
