/* SPDX-License-Identifier: MIT
 * spend_global.c - LiteLLM's sums over everything: /global/spend..., /global/activity...,
 * /spend/users, /spend/tags. A list each, out of spend_totals.
 *
 * Where LiteLLM looks at the last 30 days and takes no dates, ours does so without dates. */
#include <errno.h>

#include "master/command_job.h"
#include "master/master.h"
#include "master/spend_private.h"

enum { LIST_MAX = 1000, TOP_END_USERS = 100 };

struct global_call {
	struct command_call *c;
	struct spend_range range;
	uint64_t limit;
	enum rollup_kind kind;
	struct str user, tags;
	struct sha256 hash;
	bool has_key, is_master;
};

/* NULL: answered. */
static struct global_call *global_new(struct command_call *c, enum rollup_kind kind, bool is_month)
{
	struct global_call *gc = command_state(c, sizeof *gc);
	if (!gc)
		return NULL;
	gc->kind = kind;
	gc->limit = LIST_MAX;
	gc->range = (struct spend_range){ .last_day = 200000 };
	if (is_month)
		spend_last_days(&gc->range);
	if (!spend_take_days(c, "start_date", "end_date", &gc->range) ||
	    command_u64(c, "limit", &gc->limit) == -EINVAL)
		return NULL;
	if (gc->limit < 1 || gc->limit > LIST_MAX)
		gc->limit = LIST_MAX;
	return gc;
}

static void start(struct command_call *c, enum rollup_kind kind, bool is_month, store_job_fn *job)
{
	struct global_call *gc = global_new(c, kind, is_month);
	if (gc)
		command_read(gc, job, command_done);
}

static void bind_range(struct sql *q, const struct global_call *gc)
{
	sql_int(q, 1, gc->range.first_day);
	sql_int(q, 2, gc->range.last_day);
	sql_int(q, 3, gc->kind);
}

static struct str name_or(struct sql *q, int column, struct str otherwise)
{
	struct str s = sql_get_text(q, column);
	return s.n ? s : otherwise;
}

/* ---- lists of one thing each, the dearest first ---- */

#define DEAREST " ORDER BY s.high * 1073741824.0 + s.low DESC, s.id LIMIT ?4"
#define NAMED                                                                                     \
	"SELECT n.name, s.requests, s.high, s.low, s.id FROM" SPEND_TOTALS                        \
	" LEFT JOIN spend_names n ON n.id = s.id" DEAREST
static const char named_sql[] = NAMED;

/* How one row of NAMED is called in an answer. */
struct list_form {
	const char *name, *count, *spend;	/* count NULL: not told */
	struct str none;			/* name of what has none; .p NULL: left out */
};

static int put_list(struct store_db *db, const struct global_call *gc, struct json_out *o,
		    const struct list_form *f)
{
	struct sql *q = sql_query(db, named_sql);
	int r;
	bind_range(q, gc);
	sql_int(q, 4, (int64_t)gc->limit);
	while ((r = sql_row(q)) > 0) {
		struct str name = name_or(q, 0, f->none);
		if (!name.p)
			continue;
		json_open(o, NULL);
		json_put_str(o, f->name, name);
		if (f->count)
			json_put_i64(o, f->count, sql_get_int(q, 1));
		json_put_money(o, f->spend, spend_read_cost(q, 2));
		json_close(o);
	}
	return r;
}

static int put_array(struct store_db *db, void *data, const struct list_form *f)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	json_open_array(&o, NULL);
	int err = put_list(db, gc, &o, f);
	json_close_array(&o);
	return err;
}

static int users_job(struct store_db *db, void *data)
{
	return put_array(db, data, &(struct list_form){ "user_id", NULL, "spend", STR_NONE });
}

/* Whom LiteLLM knows by a row of its own: here, who has spent. */
void spend_users(struct command_call *c)
{
	start(c, ROLLUP_USER, false, users_job);
}

static int tags_job(struct store_db *db, void *data)
{
	return put_array(db, data, &(struct list_form){ "individual_request_tag", "log_count",
							"total_spend", STR_NONE });
}

void spend_tags(struct command_call *c)
{
	start(c, ROLLUP_TAG, false, tags_job);
}

static int models_job(struct store_db *db, void *data)
{
	return put_array(db, data, &(struct list_form){ "model", NULL, "total_spend", STR("") });
}

void spend_global_models(struct command_call *c)
{
	start(c, ROLLUP_MODEL, true, models_job);
}

static bool is_asked_for(struct str list, struct str tag)
{
	while (list.n)
		if (str_eq(str_trim(str_cut(&list, ',')), tag))
			return true;
	return false;
}

static int global_tags_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = sql_query(db, named_sql);
	int r;
	bind_range(q, gc);
	sql_int(q, 4, gc->tags.n ? INT64_MAX : (int64_t)gc->limit);
	json_open(&o, NULL);
	json_open_array(&o, "spend_per_tag");
	while ((r = sql_row(q)) > 0) {
		struct str name = sql_get_text(q, 0);
		if (gc->tags.n && !is_asked_for(gc->tags, name))
			continue;
		json_open(&o, NULL);
		json_put_str(&o, "name", name);
		json_put_money(&o, "spend", spend_read_cost(q, 2));
		json_put_i64(&o, "log_count", sql_get_int(q, 1));
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	return r;
}

void spend_global_tags(struct command_call *c)
{
	struct global_call *gc = global_new(c, ROLLUP_TAG, true);
	if (!gc || command_str(c, "tags", &gc->tags) == -EINVAL)
		return;
	if (is_asked_for(gc->tags, STR("all-tags")))
		gc->tags = STR("");
	command_read(gc, global_tags_job, command_done);
}

static int tag_names_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = sql_query(db,
		"SELECT n.name FROM (SELECT DISTINCT id FROM spend_totals WHERE span = 0 AND"
		" kind = ?3 AND at BETWEEN ?1 AND ?2) s JOIN spend_names n ON n.id = s.id"
		" ORDER BY 1 LIMIT ?4");
	int r;
	bind_range(q, gc);
	sql_int(q, 4, (int64_t)gc->limit);
	json_open(&o, NULL);
	json_open_array(&o, "tag_names");
	while ((r = sql_row(q)) > 0)
		json_put_str(&o, NULL, sql_get_text(q, 0));
	json_close_array(&o);
	json_close(&o);
	return r;
}

void spend_global_tag_names(struct command_call *c)
{
	start(c, ROLLUP_TAG, false, tag_names_job);
}

static int provider_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = sql_query(db,
		"SELECT d.provider, sum(s.high), sum(s.low) FROM" SPEND_TOTALS
		" LEFT JOIN deployments d ON d.id_hash = s.id GROUP BY d.provider"
		" ORDER BY total(s.high) DESC, total(s.low) DESC, 1");
	int r;
	bind_range(q, gc);
	json_open_array(&o, NULL);
	while ((r = sql_row(q)) > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "provider", name_or(q, 0, STR("unknown")));
		json_put_money(&o, "spend", spend_read_cost(q, 1));
		json_close(&o);
	}
	json_close_array(&o);
	return r;
}

void spend_global_provider(struct command_call *c)
{
	start(c, ROLLUP_DEPLOYMENT, true, provider_job);
}

static int keys_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = sql_query(db,
		"SELECT s.id, coalesce(k.token_hash, x.token_hash), coalesce(k.alias, x.alias),"
		" coalesce(k.key_name, x.key_name), s.high, s.low FROM" SPEND_TOTALS
		SPEND_OF_KEY("s.id") DEAREST);
	char hex[SPEND_KEY_ROOM];
	int r;
	bind_range(q, gc);
	sql_int(q, 4, (int64_t)gc->limit);
	json_open_array(&o, NULL);
	while ((r = sql_row(q)) > 0) {
		spend_key_name(hex, q, 1, sql_get_int(q, 0));
		json_open(&o, NULL);
		json_put_z(&o, "api_key", hex);
		json_put_str(&o, "key_alias", sql_get_text(q, 2));
		json_put_str(&o, "key_name", sql_get_text(q, 3));
		json_put_money(&o, "total_spend", spend_read_cost(q, 4));
		json_close(&o);
	}
	json_close_array(&o);
	return r;
}

void spend_global_keys(struct command_call *c)
{
	start(c, ROLLUP_KEY, true, keys_job);
}

/* ---- /global/spend, /global/spend/logs ---- */

static int spend_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = sql_query(db, "SELECT sum(s.high), sum(s.low) FROM" SPEND_TOTALS);
	bind_range(q, gc);
	int r = sql_row(q);
	json_open(&o, NULL);
	json_put_money(&o, "spend", r > 0 ? spend_read_cost(q, 0) : 0);
	json_put_i64(&o, "max_budget", 0);	/* LiteLLM's word for: there is none */
	json_close(&o);
	sql_end(q);
	return r < 0 ? r : 0;
}

void spend_global(struct command_call *c)
{
	start(c, ROLLUP_ALL, true, spend_job);
}

static int days_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = sql_query(db,
		"SELECT date(s.at * 86400, 'unixepoch'), s.cost >> 30, s.cost & 1073741823 FROM"
		" spend_totals s WHERE s.span = 0 AND s.kind = ?3 AND s.at BETWEEN ?1 AND ?2 AND"
		" (?4 = 0 OR s.id = (SELECT id FROM keys WHERE token_hash = ?5 UNION ALL"
		" SELECT id FROM keys_deleted WHERE token_hash = ?5) OR (?4 = 2 AND s.id = 0))"
		" ORDER BY s.at");
	char hex[SPEND_KEY_ROOM];
	int r;
	bind_range(q, gc);
	sql_int(q, 4, gc->has_key ? 1 + gc->is_master : 0);
	sql_blob(q, 5, gc->hash.b, sizeof gc->hash.b);
	hash_hex(hex, gc->hash.b, sizeof gc->hash.b);
	json_open_array(&o, NULL);
	while ((r = sql_row(q)) > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "date", sql_get_text(q, 0));
		json_put_money(&o, "spend", spend_read_cost(q, 1));
		if (gc->has_key)
			json_put_z(&o, "api_key", gc->is_master ? "litellm_proxy_master_key" : hex);
		json_close(&o);
	}
	json_close_array(&o);
	return r;
}

void spend_global_logs(struct command_call *c)
{
	struct global_call *gc = global_new(c, ROLLUP_ALL, true);
	struct str key;
	int err = gc ? command_str(c, "api_key", &key) : -EINVAL;
	if (err == -EINVAL)
		return;
	if (!err && key.n) {
		gc->has_key = true;
		gc->kind = ROLLUP_KEY;
		if (hash_unhex(gc->hash.b, sizeof gc->hash.b, key) != 0)
			gc->hash = hash_sha256(key);
		gc->is_master = keys_is_master(c->master->keys, &gc->hash) ||
				str_eq(key, STR("litellm_proxy_master_key"));
	}
	command_read(gc, days_job, command_done);
}

/* ---- /global/spend/teams ---- */

#define TEAM_NAME "coalesce(t.alias, t.team_id, 'Unassigned')"

static int put_team_days(struct store_db *db, const struct global_call *gc, struct json_out *o)
{
	struct sql *q = sql_query(db,
		"SELECT s.at, " TEAM_NAME "," SPEND_COST " FROM spend_totals s"
		" LEFT JOIN teams t ON t.id = s.id WHERE s.span = 0 AND s.kind = ?3 AND"
		" s.at BETWEEN ?1 AND ?2 GROUP BY s.at, 2 ORDER BY s.at, 2");
	char text[SPEND_TEXT_ROOM];
	int64_t day = -1;
	int r;
	bind_range(q, gc);
	json_open_array(o, "daily_spend");
	while ((r = sql_row(q)) > 0) {
		if (sql_get_int(q, 0) != day) {
			if (day >= 0)
				json_close(o);
			day = sql_get_int(q, 0);
			spend_day_text(text, day);
			json_open(o, NULL);
			json_put_z(o, "date", text);
		}
		json_key(o, sql_get_text(q, 1));
		json_put_money(o, NULL, spend_read_cost(q, 2));
	}
	if (day >= 0)
		json_close(o);
	json_close_array(o);
	return r;
}

static int put_team_sums(struct store_db *db, const struct global_call *gc, struct json_out *o,
			 bool is_names)
{
	struct sql *q = sql_query(db,
		"SELECT " TEAM_NAME ", sum(s.high), sum(s.low) FROM" SPEND_TOTALS
		" LEFT JOIN teams t ON t.id = s.id GROUP BY 1"
		" ORDER BY total(s.high) DESC, total(s.low) DESC, 1 LIMIT ?4");
	int r;
	bind_range(q, gc);
	sql_int(q, 4, (int64_t)gc->limit);
	json_open_array(o, is_names ? "teams" : "total_spend_per_team");
	while ((r = sql_row(q)) > 0) {
		if (is_names) {
			json_put_str(o, NULL, sql_get_text(q, 0));
			continue;
		}
		json_open(o, NULL);
		json_put_str(o, "team_id", sql_get_text(q, 0));
		json_put_money(o, "total_spend", spend_read_cost(q, 1));
		json_close(o);
	}
	json_close_array(o);
	return r;
}

static int teams_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	json_open(&o, NULL);
	int err = put_team_days(db, gc, &o);
	if (!err)
		err = put_team_sums(db, gc, &o, true);
	if (!err)
		err = put_team_sums(db, gc, &o, false);
	json_close(&o);
	return err;
}

void spend_global_teams(struct command_call *c)
{
	start(c, ROLLUP_TEAM, true, teams_job);
}

/* ---- /global/spend/end_users: a POST, with names of its own ---- */

static int end_users_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	if (!gc->has_key)
		return put_array(db, gc, &(struct list_form){ "end_user", "total_count",
							      "total_spend", STR_NONE });
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = sql_query(db,
		"SELECT n.name, sum(s.requests)," SPEND_COST " FROM spend_labels s"
		" JOIN spend_names n ON n.id = s.label WHERE s.kind = ?3 AND"
		" s.day BETWEEN ?1 AND ?2 AND s.key_id IN (SELECT id FROM keys WHERE"
		" token_hash = ?5 UNION ALL SELECT id FROM keys_deleted WHERE token_hash = ?5"
		" UNION ALL SELECT 0 WHERE ?6) GROUP BY s.label ORDER BY total(s.cost) DESC LIMIT ?4");
	int r;
	bind_range(q, gc);
	sql_int(q, 4, (int64_t)gc->limit);
	sql_blob(q, 5, gc->hash.b, sizeof gc->hash.b);
	sql_int(q, 6, gc->is_master);
	json_open_array(&o, NULL);
	while ((r = sql_row(q)) > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "end_user", sql_get_text(q, 0));
		json_put_i64(&o, "total_count", sql_get_int(q, 1));
		json_put_money(&o, "total_spend", spend_read_cost(q, 2));
		json_close(&o);
	}
	json_close_array(&o);
	return r;
}

void spend_global_end_users(struct command_call *c)
{
	struct global_call *gc = global_new(c, ROLLUP_END_USER, true);
	struct str key;
	if (!gc || !spend_take_days(c, "startTime", "endTime", &gc->range))
		return;
	int err = command_str(c, "api_key", &key);
	if (err == -EINVAL)
		return;
	if (!json_is_given(json_get(c->args, "limit")))
		gc->limit = TOP_END_USERS;
	if (!err && key.n) {
		gc->has_key = true;
		if (hash_unhex(gc->hash.b, sizeof gc->hash.b, key) != 0)
			gc->hash = hash_sha256(key);
		gc->is_master = keys_is_master(c->master->keys, &gc->hash) ||
				str_eq(key, STR("litellm_proxy_master_key"));
	}
	command_read(gc, end_users_job, command_done);
}

/* ---- /global/activity ---- */

struct day_count {
	int64_t day, requests, tokens;
};

/* "Jan 05", as LiteLLM shows days there. */
static void put_day_count(struct json_out *o, const struct day_count *d)
{
	char day[SPEND_DAY_ROOM];
	spend_write_month_day(day, d->day);
	json_open(o, NULL);
	json_put_z(o, "date", day);
	json_put_i64(o, "api_requests", d->requests);
	json_put_i64(o, "total_tokens", d->tokens);
	json_close(o);
}

/* The days of one thing: q stands at its first row of (id, name, day, requests, tokens) and is
 * left at the row behind its last. Returns what sql_row() said there. */
static int put_days(struct json_out *o, struct sql *q)
{
	int64_t id = sql_get_int(q, 0), requests = 0, tokens = 0;
	int r;
	json_open_array(o, "daily_data");
	do {
		struct day_count d = { sql_get_int(q, 2), sql_get_int(q, 3), sql_get_int(q, 4) };
		requests += d.requests;
		tokens += d.tokens;
		put_day_count(o, &d);
		r = sql_row(q);
	} while (r > 0 && sql_get_int(q, 0) == id);
	json_close_array(o);
	json_put_i64(o, "sum_api_requests", requests);
	json_put_i64(o, "sum_total_tokens", tokens);
	return r;
}

static struct sql *activity_query(struct store_db *db, const struct global_call *gc)
{
	struct sql *q = sql_query(db,
		"SELECT s.id, n.name, s.at, s.requests, s.input + s.output FROM spend_totals s"
		" LEFT JOIN spend_names n ON n.id = s.id WHERE s.span = 0 AND s.kind = ?3 AND"
		" s.at BETWEEN ?1 AND ?2 ORDER BY s.id, s.at");
	bind_range(q, gc);
	return q;
}

static int activity_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = activity_query(db, gc);
	int r = sql_row(q);
	json_open(&o, NULL);
	if (r > 0) {
		r = put_days(&o, q);
	} else {
		json_put_raw(&o, "daily_data", STR("[]"));
		json_put_i64(&o, "sum_api_requests", 0);
		json_put_i64(&o, "sum_total_tokens", 0);
	}
	json_close(&o);
	return r;
}

void spend_global_activity(struct command_call *c)
{
	start(c, ROLLUP_ALL, true, activity_job);
}

static int activity_models_job(struct store_db *db, void *data)
{
	struct global_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = activity_query(db, gc);
	int r = sql_row(q);
	json_open_array(&o, NULL);
	while (r > 0) {
		json_open(&o, NULL);
		json_put_str(&o, "model", name_or(q, 1, STR("")));
		r = put_days(&o, q);
		json_close(&o);
	}
	json_close_array(&o);
	return r;
}

void spend_global_activity_models(struct command_call *c)
{
	start(c, ROLLUP_MODEL, true, activity_models_job);
}
