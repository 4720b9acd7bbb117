/* SPDX-License-Identifier: MIT
 * spend_metrics.c - how fast and how well models answered: /model/metrics and its kin,
 * /global/activity/exceptions, /global/activity/cache_hits.
 *
 * The ledger keeps no sums of this: single requests are read, those of the days asked for alone (30
 * when nobody says), within the time that a report may take. */
#include <errno.h>
#include <stdio.h>

#include "master/command_job.h"
#include "master/master.h"
#include "master/spend_private.h"

enum { ROWS_MAX = 1000, EXCEPTIONS_MAX = 200, DEPLOYMENTS_TOP = 10, TAIL_ROOM = 512 };

struct metrics_call {
	struct command_call *c;
	struct spend_range range;
	struct spend_where where;
};

/* Where it was answered: the address where that tells something, else the model. */
#define HOST(base)                                                                                \
	"CASE WHEN instr(" base ", '/openai/') THEN substr(" base ", 1, instr(" base              \
	", '/openai/') - 1) ELSE " base " END"
#define PLACE                                                                                     \
	"CASE WHEN d.api_base LIKE 'https://%' THEN " HOST("d.api_base")                          \
	" ELSE coalesce(d.model, l.model) END"
#define DAY "date(l.start_ns / 1000000000, 'unixepoch')"
#define ROWS " FROM spend_logs l LEFT JOIN deployments d ON d.id_hash = l.deployment WHERE 1"
#define NOT_CACHED " AND NOT l.flags & 32"
#define FAILED " AND " SPEND_FAILED
_Static_assert(JF_CACHE_HIT == 32 && JF_FAILED == 8, "as in the texts above and of SPEND_FAILED");

/* ---- arguments; NULL: answered ---- */

static bool take_text(struct metrics_call *mc, const char *name, const char *condition)
{
	struct str s = STR("");
	if (command_str(mc->c, name, &s) == -EINVAL)
		return false;
	if (s.n)
		spend_where_str(&mc->where, condition, s);
	return true;
}

static bool take_key(struct metrics_call *mc)
{
	struct str key = STR("");
	if (command_str(mc->c, "api_key", &key) == -EINVAL)
		return false;
	if (key.n)
		spend_where_key(&mc->where, mc->c, "l.key_id", key);
	return true;
}

static struct metrics_call *metrics_new(struct command_call *c, const char *select,
					const char *start, const char *end)
{
	struct metrics_call *mc = command_state(c, sizeof *mc);
	if (!mc)
		return NULL;
	spend_last_days(&mc->range);
	if (!spend_take_days(c, start, end, &mc->range))
		return NULL;
	spend_where_init(&mc->where, select);
	spend_where_int(&mc->where, "l.start_ns >=", (int64_t)mc->range.from_ns);
	spend_where_int(&mc->where, "l.start_ns <", (int64_t)mc->range.to_ns);
	return mc;
}

static struct metrics_call *metrics_of_models(struct command_call *c, const char *select)
{
	struct metrics_call *mc = metrics_new(c, select, "startTime", "endTime");
	if (mc && take_text(mc, "_selected_model_group", "l.model =") &&
	    take_text(mc, "customer", "l.end_user =") && take_key(mc))
		return mc;
	return NULL;
}

static void start(struct metrics_call *mc, store_job_fn *job)
{
	if (spend_where_is_whole(&mc->where, mc->c))
		command_read(mc, job, command_done);
}

/* ---- seconds by day and place ---- */

/* The members of an object, behind those that are there. */
static void put_members(struct json_out *o, struct str object)
{
	if (object.n <= 2)
		return;
	BUF_PUT_LIT(o->to, ",");
	buf_put(o->to, str_of(object.p + 1, object.n - 2));
}

static int put_entries(struct metrics_call *mc, struct store_db *db, struct json_out *o,
		       const char *tail)
{
	struct sql *q = spend_where_query(&mc->where, db, tail);
	int r;
	json_open_array(o, "data");
	while ((r = sql_row(q)) > 0) {
		json_open(o, NULL);
		json_put_str(o, "date", sql_get_text(q, 0));
		put_members(o, sql_get_text(q, 1));
		json_close(o);
	}
	json_close_array(o);
	return r;
}

static int put_places(struct metrics_call *mc, struct store_db *db, struct json_out *o)
{
	char tail[TAIL_ROOM];
	struct spend_where *w = arena_alloc(mc->c->mem, sizeof *w);
	if (!w)
		return -ENOMEM;
	*w = mc->where;
	spend_where_count(w, "SELECT DISTINCT " PLACE);
	snprintf(tail, sizeof tail, " ORDER BY 1 LIMIT %d", ROWS_MAX);
	struct sql *q = spend_where_query(w, db, tail);
	int r;
	json_open_array(o, "all_api_bases");
	while ((r = sql_row(q)) > 0)
		json_put_str(o, NULL, sql_get_text(q, 0));
	json_close_array(o);
	return r;
}

#define BY_DAY(value)                                                                             \
	"SELECT day, json_group_object(place, v) FROM (SELECT " DAY " AS day, " PLACE             \
	" AS place, avg(" value ") AS v" ROWS

static int seconds_job(struct store_db *db, void *data)
{
	struct metrics_call *mc = data;
	struct json_out o = json_out(&mc->c->out);
	char tail[TAIL_ROOM];
	snprintf(tail, sizeof tail, " GROUP BY 1, 2 ORDER BY 1, 2 LIMIT %d) GROUP BY day", ROWS_MAX);
	json_open(&o, NULL);
	int err = put_entries(mc, db, &o, tail);
	if (!err)
		err = put_places(mc, db, &o);
	json_close(&o);
	return err;
}

void spend_model_metrics(struct command_call *c)
{
	struct metrics_call *mc = metrics_of_models(c,
		BY_DAY("(l.end_ns - l.start_ns) / 1e9 / l.output") NOT_CACHED " AND l.output > 0");
	if (mc)
		start(mc, seconds_job);
}

/* Within one day single requests, the slowest first. */
static int single_job(struct store_db *db, void *data)
{
	struct metrics_call *mc = data;
	struct json_out o = json_out(&mc->c->out);
	char tail[TAIL_ROOM], id[SPEND_UUID_ROOM];
	int r, err = 0;
	snprintf(tail, sizeof tail, " ORDER BY 3 DESC, l.id LIMIT %d", ROWS_MAX);
	struct sql *q = spend_where_query(&mc->where, db, tail);
	json_open(&o, NULL);
	json_open_array(&o, "data");
	while ((r = sql_row(q)) > 0) {
		spend_write_id(id, sql_get_blob(q, 0));
		json_open(&o, NULL);
		json_put_z(&o, "date", id);
		json_key(&o, sql_get_text(q, 1));
		json_put_double(&o, NULL, (double)sql_get_int(q, 2) / 1e9);
		json_close(&o);
	}
	json_close_array(&o);
	if (r == 0)
		err = put_places(mc, db, &o);
	json_close(&o);
	return r < 0 ? r : err;
}

void spend_model_streaming(struct command_call *c)
{
	static const char condition[] = NOT_CACHED " AND l.first_token_ns BETWEEN l.start_ns + 1"
						   " AND l.end_ns - 1";
	struct metrics_call *mc = metrics_of_models(c,
		BY_DAY("(l.first_token_ns - l.start_ns) / 1e9"));
	if (!mc)
		return;
	bool is_one_day = mc->range.first_day == mc->range.last_day;
	if (is_one_day)
		spend_where_count(&mc->where, "SELECT l.request_id, " PLACE
					      ", l.first_token_ns - l.start_ns");
	spend_where_z(&mc->where, condition);
	start(mc, is_one_day ? single_job : seconds_job);
}

/* ---- requests that took long ---- */

static int slow_job(struct store_db *db, void *data)
{
	struct metrics_call *mc = data;
	struct json_out o = json_out(&mc->c->out);
	struct sql *q = spend_where_query(&mc->where, db,
		" GROUP BY 1 ORDER BY 3 DESC, 2 DESC, 1 LIMIT 1000");
	int r;
	json_open_array(&o, NULL);
	while ((r = sql_row(q)) > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "api_base", sql_get_text(q, 0));
		json_put_i64(&o, "total_count", sql_get_int(q, 1));
		json_put_i64(&o, "slow_count", sql_get_int(q, 2));
		json_close(&o);
	}
	json_close_array(&o);
	return r;
}

void spend_model_slow(struct command_call *c)
{
	char select[TAIL_ROOM];
	snprintf(select, sizeof select,
		 "SELECT coalesce(" HOST("d.api_base") ", ''), count(*),"
		 " sum(l.end_ns - l.start_ns >= %llu000000)" ROWS NOT_CACHED,
		 (unsigned long long)c->master->config->alerts.threshold_ms);
	struct metrics_call *mc = metrics_of_models(c, select);
	if (mc)
		start(mc, slow_job);
}

/* ---- requests that failed ---- */

/* How LiteLLM calls what ended with such a status. */
#define EXCEPTION                                                                                 \
	"CASE l.status WHEN 400 THEN 'BadRequestError' WHEN 401 THEN 'AuthenticationError'"       \
	" WHEN 403 THEN 'PermissionDeniedError' WHEN 404 THEN 'NotFoundError'"                    \
	" WHEN 408 THEN 'Timeout' WHEN 422 THEN 'UnprocessableEntityError'"                       \
	" WHEN 429 THEN 'RateLimitError' WHEN 500 THEN 'InternalServerError'"                     \
	" WHEN 502 THEN 'BadGatewayError' WHEN 503 THEN 'ServiceUnavailableError'"                \
	" ELSE 'APIError' END"
#define MODEL_AND_BASE                                                                            \
	"coalesce(d.model, l.model) || CASE WHEN coalesce(d.api_base, '') = '' THEN ''"           \
	" ELSE '-' || d.api_base END"

static int put_types(struct metrics_call *mc, struct store_db *db, struct json_out *o)
{
	struct spend_where *w = arena_alloc(mc->c->mem, sizeof *w);
	if (!w)
		return -ENOMEM;
	*w = mc->where;
	spend_where_count(w, "SELECT DISTINCT " EXCEPTION);
	struct sql *q = spend_where_query(w, db, " ORDER BY 1");
	int r;
	json_open_array(o, "exception_types");
	while ((r = sql_row(q)) > 0)
		json_put_str(o, NULL, sql_get_text(q, 0));
	json_close_array(o);
	return r;
}

static int exceptions_job(struct store_db *db, void *data)
{
	struct metrics_call *mc = data;
	struct json_out o = json_out(&mc->c->out);
	char tail[TAIL_ROOM];
	int r, err = 0;
	snprintf(tail, sizeof tail, " GROUP BY 1, 2) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %d",
		 EXCEPTIONS_MAX);
	struct sql *q = spend_where_query(&mc->where, db, tail);
	json_open(&o, NULL);
	json_open_array(&o, "data");
	while ((r = sql_row(q)) > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "model", sql_get_text(q, 0));
		json_put_i64(&o, "total_exceptions", sql_get_int(q, 1));
		put_members(&o, sql_get_text(q, 2));
		json_close(&o);
	}
	json_close_array(&o);
	if (r == 0)
		err = put_types(mc, db, &o);
	json_close(&o);
	return r < 0 ? r : err;
}

void spend_model_exceptions(struct command_call *c)
{
	struct metrics_call *mc = metrics_of_models(c,
		"SELECT place, sum(n), json_group_object(type, n) FROM (SELECT " MODEL_AND_BASE
		" AS place, " EXCEPTION " AS type, count(*) AS n" ROWS FAILED);
	if (mc)
		start(mc, exceptions_job);
}

/* ---- /global/activity/exceptions: those that ended with 429, by day ---- */

#define LIMITED " AND l.status = 429"

/* The days of one place: q stands at its first row of (place, day, how many) and is left at the
 * row behind its last. Returns what sql_row() said there. */
static int put_limited_days(struct json_out *o, struct sql *q, struct arena *a)
{
	struct str place = arena_dup(a, sql_get_text(q, 0));
	int64_t sum = 0;
	char day[SPEND_DAY_ROOM];
	int r;
	json_open_array(o, "daily_data");
	do {
		int64_t n = sql_get_int(q, 2);
		spend_write_month_day(day, sql_get_int(q, 1));
		json_open(o, NULL);
		json_put_z(o, "date", day);
		json_put_i64(o, "num_rate_limit_exceptions", n);
		json_close(o);
		sum += n;
		r = sql_row(q);
	} while (r > 0 && str_eq(sql_get_text(q, 0), place));
	json_close_array(o);
	json_put_i64(o, "sum_num_rate_limit_exceptions", sum);
	return r;
}

static int limited_job(struct store_db *db, void *data)
{
	struct metrics_call *mc = data;
	struct json_out o = json_out(&mc->c->out);
	struct sql *q = spend_where_query(&mc->where, db, " GROUP BY 2 ORDER BY 2");
	int r = sql_row(q);
	json_open(&o, NULL);
	if (r > 0) {
		r = put_limited_days(&o, q, mc->c->mem);
	} else {
		json_put_raw(&o, "daily_data", STR("[]"));
		json_put_i64(&o, "sum_num_rate_limit_exceptions", 0);
	}
	json_close(&o);
	return r;
}

static int limited_places_job(struct store_db *db, void *data)
{
	struct metrics_call *mc = data;
	struct json_out o = json_out(&mc->c->out);
	char tail[TAIL_ROOM];
	snprintf(tail, sizeof tail,
		 " GROUP BY 1, 2), ranked AS (SELECT place, sum(n) AS s FROM days GROUP BY 1"
		 " ORDER BY 2 DESC, 1 LIMIT %d) SELECT d.place, d.day, d.n FROM ranked"
		 " JOIN days d ON d.place = ranked.place ORDER BY s DESC, 1, 2", DEPLOYMENTS_TOP);
	struct sql *q = spend_where_query(&mc->where, db, tail);
	int r = sql_row(q);
	json_open_array(&o, NULL);
	while (r > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "api_base", sql_get_text(q, 0));
		r = put_limited_days(&o, q, mc->c->mem);
		json_close(&o);
	}
	json_close_array(&o);
	return r;
}

/* Both need their days, as there. */
static void limited(struct command_call *c, const char *select, store_job_fn *job)
{
	if (!json_is_given(json_get(c->args, "start_date")) ||
	    !json_is_given(json_get(c->args, "end_date"))) {
		command_fail(c, 400, "invalid_request_error", "start_date",
			     "Please provide start_date and end_date");
		return;
	}
	struct metrics_call *mc = metrics_new(c, select, "start_date", "end_date");
	if (mc && take_text(mc, "model_group", "l.model ="))
		start(mc, job);
}

void spend_activity_exceptions(struct command_call *c)
{
	limited(c, "SELECT '', l.start_ns / 86400000000000, count(*)" ROWS LIMITED, limited_job);
}

void spend_activity_exceptions_of(struct command_call *c)
{
	limited(c, "WITH days AS (SELECT coalesce(d.api_base, '') AS place,"
		   " l.start_ns / 86400000000000 AS day, count(*) AS n" ROWS LIMITED,
		limited_places_job);
}

/* ---- /global/activity/cache_hits ---- */

static int hits_job(struct store_db *db, void *data)
{
	struct metrics_call *mc = data;
	struct json_out o = json_out(&mc->c->out);
	struct sql *q = spend_where_query(&mc->where, db,
		" GROUP BY l.key_id, l.endpoint, l.model ORDER BY 4 DESC, 1, 3 LIMIT 1000");
	int r;
	json_open_array(&o, NULL);
	while ((r = sql_row(q)) > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "api_key", sql_get_text(q, 0));
		json_put_z(&o, "call_type", spend_call_type(sql_get_int(q, 1)));
		json_put_str(&o, "model", sql_get_text(q, 2));
		json_put_i64(&o, "total_rows", sql_get_int(q, 3));
		json_put_i64(&o, "cache_hit_true_rows", sql_get_int(q, 4));
		json_put_i64(&o, "cached_completion_tokens", sql_get_int(q, 5));
		json_put_i64(&o, "generated_completion_tokens", sql_get_int(q, 6));
		json_close(&o);
	}
	json_close_array(&o);
	return r;
}

void spend_activity_cache_hits(struct command_call *c)
{
	limited(c, "SELECT coalesce(k.alias, x.alias, 'Unnamed Key'), l.endpoint, l.model, count(*),"
		   " sum(l.flags & 32 <> 0), sum(CASE WHEN l.flags & 32 THEN l.output ELSE 0 END),"
		   " sum(CASE WHEN l.flags & 32 THEN 0 ELSE l.output END) FROM spend_logs l"
		   SPEND_OF_KEY("l.key_id") " WHERE 1", hits_job);
}
