/* SPDX-License-Identifier: MIT
 * spend_tags.c - who used which tags: /tag/dau, /tag/wau, /tag/mau, /tag/summary, /tag/distinct.
 * A user is whose key it was, or who came with a token; what is nobody's counts for no user. */
#include <errno.h>
#include <stdio.h>

#include "master/command_job.h"
#include "master/master.h"
#include "master/spend_private.h"

enum { PERIODS = 7, WEEK = 7, MONTH = 30, TAGS_MAX = 250 };

struct tags_call {
	struct command_call *c;
	struct spend_range range;
	int64_t days;			/* of a period */
	struct spend_where where;
};

#define USER "coalesce(k.user_id, x.user_id, u.name)"
#define LABELS                                                                                    \
	" FROM spend_labels s JOIN spend_names n ON n.id = s.label" SPEND_OF_KEY("s.key_id")      \
	" LEFT JOIN tenants u ON u.kind = 3 AND u.id = CASE WHEN s.key_id > " SPEND_TOKEN_USER    \
	" THEN s.key_id - " SPEND_TOKEN_USER " END WHERE s.kind = 6"
_Static_assert(ROLLUP_TAG == 6, "as in the text above");

/* NULL: answered. Several tags go before a part of one. */
static struct tags_call *tags_new(struct command_call *c, const char *select)
{
	struct tags_call *tc = command_state(c, sizeof *tc);
	struct str list = STR(""), part = STR("");
	if (!tc)
		return NULL;
	spend_where_init(&tc->where, select);
	if (command_str(c, "tag_filters", &list) == -EINVAL ||
	    command_str(c, "tag_filter", &part) == -EINVAL)
		return NULL;
	if (str_trim(list).n) {
		spend_where_list(&tc->where, "n.name", list);
	} else if (part.n) {
		spend_where_str(&tc->where, "instr(lower(n.name), lower(", part);
		spend_where_z(&tc->where, "))");
	}
	return tc;
}

static void start(struct tags_call *tc, store_job_fn *job)
{
	spend_where_int(&tc->where, "s.day >=", tc->range.first_day);
	spend_where_int(&tc->where, "s.day <=", tc->range.last_day);
	if (spend_where_is_whole(&tc->where, tc->c))
		command_read(tc, job, command_done);
}

/* ---- how many users, by period ---- */

static void put_period(struct json_out *o, const struct tags_call *tc, int64_t ago)
{
	char first[SPEND_TEXT_ROOM], last[SPEND_TEXT_ROOM], name[SPEND_DAY_ROOM], label[48];
	int64_t end = tc->range.last_day - ago * tc->days, begin = end - tc->days + 1;
	spend_day_text(first, begin);
	spend_day_text(last, end);
	spend_write_month_day(name, begin);
	if (tc->days == 1) {
		json_put_z(o, "date", first);
		json_put_null(o, "period_start");
		json_put_null(o, "period_end");
		return;
	}
	if (tc->days == WEEK)
		snprintf(label, sizeof label, "Week %d (%s)", (int)(PERIODS - ago), name);
	else
		snprintf(label, sizeof label, "Month %d (%.3s)", (int)(PERIODS - ago), name);
	json_put_z(o, "date", label);
	json_put_z(o, "period_start", first);
	json_put_z(o, "period_end", last);
}

static int users_job(struct store_db *db, void *data)
{
	struct tags_call *tc = data;
	struct json_out o = json_out(&tc->c->out);
	struct sql *q = spend_where_query(&tc->where, db, tc->days == 1 ?
		" GROUP BY s.label, 2 ORDER BY 2, 3 DESC, 1 LIMIT 10000" :
		" GROUP BY s.label, 2 ORDER BY 2 DESC, 3 DESC, 1 LIMIT 10000");
	int r;
	json_open(&o, NULL);
	json_open_array(&o, "results");
	while ((r = sql_row(q)) > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "tag", sql_get_text(q, 0));
		json_put_i64(&o, "active_users", sql_get_int(q, 2));
		put_period(&o, tc, sql_get_int(q, 1));
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	return r;
}

/* How many periods ago a day was. */
#define USERS_OF(days)                                                                            \
	"SELECT n.name, (unixepoch() / 86400 - s.day) / " days                              \
	", count(DISTINCT " USER ")" LABELS " AND " USER " <> ''"

static void users(struct command_call *c, const char *select, int64_t days)
{
	struct spend_range range;
	struct tags_call *tc = tags_new(c, select);
	spend_last_days(&range);
	if (!tc)
		return;
	tc->days = days;
	tc->range.last_day = range.last_day;
	tc->range.first_day = range.last_day - PERIODS * days + 1;
	start(tc, users_job);
}

void spend_tags_daily(struct command_call *c)
{
	users(c, USERS_OF("1"), 1);
}

void spend_tags_weekly(struct command_call *c)
{
	users(c, USERS_OF("7"), WEEK);
}

void spend_tags_monthly(struct command_call *c)
{
	users(c, USERS_OF("30"), MONTH);
}

/* ---- sums, and names ---- */

static int summary_job(struct store_db *db, void *data)
{
	struct tags_call *tc = data;
	struct json_out o = json_out(&tc->c->out);
	struct sql *q = spend_where_query(&tc->where, db,
		" GROUP BY s.label ORDER BY 3 DESC, 1 LIMIT 10000");
	struct spend_sums s;
	int r;
	json_open(&o, NULL);
	json_open_array(&o, "results");
	while ((r = sql_row(q)) > 0) {
		spend_read_sums(q, 2, &s);
		json_open(&o, NULL);
		json_put_str(&o, "tag", sql_get_text(q, 0));
		json_put_i64(&o, "unique_users", sql_get_int(q, 1));
		json_put_i64(&o, "total_requests", s.requests);
		json_put_i64(&o, "successful_requests", s.requests - s.failed);
		json_put_i64(&o, "failed_requests", s.failed);
		json_put_i64(&o, "total_tokens", s.input + s.output);
		json_put_money(&o, "total_spend", s.cost);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	return r;
}

void spend_tags_summary(struct command_call *c)
{
	struct tags_call *tc = tags_new(c, "SELECT n.name, count(DISTINCT " USER ")," SPEND_SUMS
					   LABELS);
	if (!tc)
		return;
	spend_last_days(&tc->range);
	if (spend_take_days(c, "start_date", "end_date", &tc->range))
		start(tc, summary_job);
}

/* The most used ones; "Job:7" is somebody's own key of something and no name, as there. */
static int distinct_job(struct store_db *db, void *data)
{
	struct tags_call *tc = data;
	struct json_out o = json_out(&tc->c->out);
	struct sql *q = sql_query(db,
		"SELECT n.name FROM spend_totals s JOIN spend_names n ON n.id = s.id WHERE s.span = 0"
		" AND s.kind = 6 AND (n.name LIKE 'User-Agent:%' OR n.name NOT LIKE '%:%')"
		" GROUP BY s.id ORDER BY sum(s.requests) DESC, 1 LIMIT ?1");
	int r;
	sql_int(q, 1, TAGS_MAX);
	json_open(&o, NULL);
	json_open_array(&o, "results");
	while ((r = sql_row(q)) > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "tag", sql_get_text(q, 0));
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	return r;
}

void spend_tags_distinct(struct command_call *c)
{
	struct tags_call *tc = command_state(c, sizeof *tc);
	if (!tc)
		return;
	command_read(tc, distinct_job, command_done);
}
