/* SPDX-License-Identifier: MIT
 * spend.c - sums over spend_daily: by day, key, model; never over single requests. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "common/clock.h"
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

bool spend_take_range(struct command_call *c, struct spend_range *ret)
{
	ret->first_day = 0;
	ret->last_day = 200000;		/* in the year 2517 */
	if (!take_day(c, "start_date", &ret->first_day) || !take_day(c, "end_date", &ret->last_day))
		return false;
	ret->from_ns = (uint64_t)ret->first_day * DAY_S * NS_PER_S;
	ret->to_ns = (uint64_t)(ret->last_day + 1) * DAY_S * NS_PER_S;
	if (ret->to_ns > INT64_MAX)
		ret->to_ns = INT64_MAX;
	return true;
}

void spend_day_text(char out[SPEND_TEXT_ROOM], int64_t day)
{
	clock_rfc3339(out, (uint64_t)day * DAY_S * NS_PER_S);
	out[10] = '\0';
}

/* ---- the frame ---- */

static void on_done(void *data, int err)
{
	struct command_call *c = *(struct command_call **)data;
	if (err)
		command_fail_store(c, err);
	else
		command_finish(c);
}

void spend_start(struct command_call *c, store_job_fn *job, void *data)
{
	int err = store_read(c->master->store, job, on_done, data);
	if (err)
		command_fail_store(c, err);
}

static struct spend_call *call_new(struct command_call *c)
{
	struct spend_call *sc = arena_alloc(c->mem, sizeof *sc);
	if (!sc) {
		command_fail_store(c, -ENOMEM);
		return NULL;
	}
	sc->c = c;
	return spend_take_range(c, &sc->range) ? sc : NULL;
}

/* ---- sums ---- */

/* Money in two halves: no sum of what a row may hold overflows. */
#define COST " sum(s.cost >> 30), sum(s.cost & 1073741823)"
#define SUMS                                                                                      \
	" sum(s.requests), sum(s.failed), sum(s.input), sum(s.output), sum(s.cache_read),"        \
	" sum(s.cache_write), sum(s.reasoning)," COST

struct sums {
	int64_t requests, failed, input, output, cache_read, cache_write, reasoning, cost;
};

static int64_t read_cost(struct sql *q, int at)
{
	int64_t high = sql_get_int(q, at), low = sql_get_int(q, at + 1), cost;
	if (__builtin_mul_overflow(high, INT64_C(1) << 30, &cost) ||
	    __builtin_add_overflow(cost, low, &cost))
		return INT64_MAX;
	return cost;
}

static void read_sums(struct sql *q, int at, struct sums *s)
{
	s->requests = sql_get_int(q, at);
	s->failed = sql_get_int(q, at + 1);
	s->input = sql_get_int(q, at + 2);
	s->output = sql_get_int(q, at + 3);
	s->cache_read = sql_get_int(q, at + 4);
	s->cache_write = sql_get_int(q, at + 5);
	s->reasoning = sql_get_int(q, at + 6);
	s->cost = read_cost(q, at + 7);
}

static void add(int64_t *to, int64_t v)
{
	if (__builtin_add_overflow(*to, v, to))
		*to = INT64_MAX;
}

static void add_sums(struct sums *to, const struct sums *s)
{
	add(&to->requests, s->requests);
	add(&to->failed, s->failed);
	add(&to->input, s->input);
	add(&to->output, s->output);
	add(&to->cache_read, s->cache_read);
	add(&to->cache_write, s->cache_write);
	add(&to->reasoning, s->reasoning);
	add(&to->cost, s->cost);
}

static void put_sums(struct json_out *o, const struct sums *s)
{
	json_put_i64(o, "requests", s->requests);
	json_put_i64(o, "failed_requests", s->failed);
	json_put_i64(o, "prompt_tokens", s->input);
	json_put_i64(o, "completion_tokens", s->output);
	json_put_i64(o, "cache_read_input_tokens", s->cache_read);
	json_put_i64(o, "cache_creation_input_tokens", s->cache_write);
	json_put_i64(o, "reasoning_tokens", s->reasoning);
	json_put_money(o, "spend", s->cost);
}

/* ---- spend report ---- */

struct report_call {
	struct command_call *c;
	struct spend_range range;
	const struct grouping *by;
};

#define OF_KEY                                                                                    \
	" LEFT JOIN keys k ON k.id = s.key_id LEFT JOIN keys_deleted x ON x.id = s.key_id "
#define IN_RANGE " WHERE s.day BETWEEN ?1 AND ?2 "
#define MOST_FIRST " ORDER BY total(s.cost) DESC, 1 LIMIT 1000"

/* Each query: name, hash of the key or NULL, the sums. */
static const struct grouping {
	const char *name, *also;	/* LiteLLM's word */
	const char *sql;
} groupings[] = {
	{ "day", "date",
	  "SELECT date(s.day * 86400, 'unixepoch'), NULL," SUMS " FROM spend_daily s" IN_RANGE
	  "GROUP BY s.day ORDER BY s.day DESC LIMIT 1000" },
	{ "model", NULL,
	  "SELECT s.model, NULL," SUMS " FROM spend_daily s" IN_RANGE
	  "GROUP BY s.model" MOST_FIRST },
	{ "key", "api_key",
	  "SELECT coalesce(k.alias, x.alias, k.key_name, x.key_name), coalesce(k.token_hash,"
	  " x.token_hash)," SUMS " FROM spend_daily s" OF_KEY IN_RANGE
	  "GROUP BY s.key_id" MOST_FIRST },
	{ "user", "customer",
	  "SELECT coalesce(k.user_id, x.user_id), NULL," SUMS " FROM spend_daily s" OF_KEY IN_RANGE
	  "GROUP BY 1" MOST_FIRST },
	{ "team", NULL,
	  "SELECT coalesce(k.team_id, x.team_id), NULL," SUMS " FROM spend_daily s" OF_KEY IN_RANGE
	  "GROUP BY 1" MOST_FIRST },
	{ "provider", NULL,
	  "SELECT d.provider, NULL," SUMS " FROM spend_daily s LEFT JOIN deployments d"
	  " ON d.id_hash = s.deployment" IN_RANGE "GROUP BY 1" MOST_FIRST },
};

static void put_group(struct json_out *o, const struct report_call *rc, struct sql *q,
		      struct sums *total)
{
	struct str name = sql_get_text(q, 0);
	struct sha256 hash;
	struct sums s;
	char hex[sizeof hash.b * 2 + 1];
	read_sums(q, 2, &s);
	add_sums(total, &s);
	json_open(o, NULL);
	bool is_key = str_eq(str_z(rc->by->name), STR("key"));
	json_put_str(o, "name", name.p ? name : is_key ? STR("master key") : STR("(none)"));
	if (sql_get_sha256(q, 1, &hash)) {
		hash_hex(hex, hash.b, sizeof hash.b);
		json_put_z(o, "api_key", hex);
	}
	put_sums(o, &s);
	json_close(o);
}

static int report_job(struct store_db *db, void *data)
{
	struct report_call *rc = data;
	struct json_out o = json_out(&rc->c->out);
	struct sql *q = sql_query(db, rc->by->sql);
	struct sums total = { 0 };
	int r;
	sql_int(q, 1, rc->range.first_day);
	sql_int(q, 2, rc->range.last_day);
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
	struct report_call *rc = arena_alloc(c->mem, sizeof *rc);
	struct str by = STR("day");
	if (!rc) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	rc->c = c;
	if (command_str(c, "group_by", &by) == -EINVAL || !spend_take_range(c, &rc->range))
		return;
	rc->by = find_grouping(by);
	if (!rc->by)
		command_fail(c, 400, "invalid_request_error", "group_by",
			     "group_by must be day, model, key, user, team or provider");
	else
		spend_start(c, report_job, rc);
}

void spend_keys(struct command_call *c)
{
	keys_by_spend(c);
}

/* ---- /spend/logs?summarize=true: LiteLLM's list of days ---- */

/* {"name": dollars, ...} of one day. */
static int put_map(struct json_out *o, const char *name, struct sql *q, int64_t day)
{
	int r;
	sql_int(q, 1, day);
	json_open(o, name);
	while ((r = sql_row(q)) > 0) {
		json_key(o, sql_get_text(q, 0));
		json_put_money(o, NULL, read_cost(q, 1));
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
	int err = put_map(o, "users", sql_query(db,
		"SELECT coalesce(k.user_id, x.user_id, '')," COST " FROM spend_daily s" OF_KEY
		"WHERE s.day = ? GROUP BY 1"), day);
	if (!err)
		err = put_map(o, "models", sql_query(db,
			"SELECT s.model," COST " FROM spend_daily s "
			"WHERE s.day = ? GROUP BY s.model"), day);
	json_close(o);
	return err;
}

static int summary_job(struct store_db *db, void *data)
{
	struct spend_call *sc = data;
	struct json_out o = json_out(&sc->c->out);
	struct sql *q = sql_query(db, "SELECT s.day," COST " FROM spend_daily s" IN_RANGE
				      "GROUP BY s.day ORDER BY s.day LIMIT 1000");
	int r, err = 0;
	sql_int(q, 1, sc->range.first_day);
	sql_int(q, 2, sc->range.last_day);
	json_open_array(&o, NULL);
	while (!err && (r = sql_row(q)) != 0)
		err = r < 0 ? r : put_day(&o, db, sql_get_int(q, 0), read_cost(q, 1));
	sql_end(q);
	json_close_array(&o);
	return err;
}

void spend_summary(struct command_call *c)
{
	struct spend_call *sc = call_new(c);
	if (sc)
		spend_start(c, summary_job, sc);
}
