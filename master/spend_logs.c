/* SPDX-License-Identifier: MIT
 * spend_logs.c - single requests, newest first, filtered, in pages. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/master.h"
#include "master/spend_private.h"

enum {
	LIMIT = 100, LIMIT_MAX = 10000,
	PAGE = 50, PAGE_MAX = 100,	/* rows of a page */
	TOTAL_MAX = 100000		/* counted at most: more is told as one more */
};
static const int64_t DAY_NS = INT64_C(86400) * 1000000000;

struct logs_call {
	struct spend_rows of;		/* first: spend_start_rows() */
	struct spend_range range;
	bool has_before;
	struct row_id {
		uint8_t b[SPEND_ID_MAX];
		size_t n;
	} request_id, before;
	uint64_t limit, page;
	const char *sort;		/* of pages: what stands behind ORDER BY */
	struct str of_end_user, of_tag, of_model;	/* .p NULL: any */
	struct spend_where where;
};

/* ---- the query ---- */

/* Older than that row: its start bounds the range, its id decides between equals. */
static int only_before(struct store_db *db, struct logs_call *lc)
{
	struct sql *q = sql_query(db, "SELECT start_ns, id FROM spend_logs WHERE request_id = ?");
	char older[96];
	sql_blob(q, 1, lc->before.b, lc->before.n);
	int r = sql_row(q);
	int64_t start_ns = r > 0 ? sql_get_int(q, 0) : -1, id = r > 0 ? sql_get_int(q, 1) : 0;
	sql_end(q);
	spend_where_int(&lc->where, "l.start_ns <=", start_ns);
	snprintf(older, sizeof older, " AND (l.start_ns < ?%d OR l.id < %lld)", lc->where.n,
		 (long long)id);
	spend_where_z(&lc->where, older);
	return r < 0 ? r : 0;
}

static int put_rows(const struct logs_call *lc, struct store_db *db, struct json_out *o,
		    struct sql *q, const char *name)
{
	int r;
	json_open_array(o, name);
	while ((r = sql_row(q)) > 0)
		spend_row_put(o, q, db, &lc->of);
	json_close_array(o);
	return r;
}

/* Single requests have no index of what they were asked for or by whom: it would cost each of them.
 * The sums of days know between which days there were any. A day more at both ends is for attempts
 * that began on another day than their request; the newest days are never left out, as sums may
 * come after their rows. `query` has the name, and from when to when. */
static int only_days(struct store_db *db, struct logs_call *lc, const char *query, struct str name)
{
	if (!name.n)
		return 0;
	struct sql *q = sql_query(db, query);
	sql_text(q, 1, name);
	int r = sql_row(q);
	int64_t today = (int64_t)(clock_wall_ns() / (uint64_t)DAY_NS);
	bool is_any = r > 0 && !sql_get_is_null(q, 0);
	int64_t first = is_any ? sql_get_int(q, 0) : today;
	int64_t behind = is_any ? sql_get_int(q, 1) + 2 : today + 2;
	sql_end(q);
	if (first - 1 > lc->range.first_day)
		spend_where_int(&lc->where, "l.start_ns >=", (first - 1) * DAY_NS);
	if (behind < today)
		spend_where_int(&lc->where, "l.start_ns <", behind * DAY_NS);
	return r < 0 ? r : 0;
}

#define LABEL_DAYS(kind)                                                                          \
	"SELECT min(day), max(day) FROM spend_labels WHERE kind = " kind                          \
	" AND label = (SELECT id FROM spend_names WHERE name = ?1)"
_Static_assert(ROLLUP_END_USER == 5 && ROLLUP_TAG == 6 && ROLLUP_MODEL == 7, "as below");

static int bound(struct store_db *db, struct logs_call *lc)
{
	int err = only_days(db, lc, LABEL_DAYS("5"), lc->of_end_user);
	if (!err)
		err = only_days(db, lc, LABEL_DAYS("6"), lc->of_tag);
	if (!err)
		err = only_days(db, lc, "SELECT min(at), max(at) FROM spend_totals WHERE span = 0"
					" AND kind = 7 AND id = (SELECT id FROM spend_names"
					" WHERE name = ?1)", lc->of_model);
	return err;
}

static int logs_job(struct store_db *db, void *data)
{
	struct logs_call *lc = data;
	struct json_out o = json_out(&lc->of.c->out);
	char tail[96];
	int err = bound(db, lc);
	if (!err && lc->has_before)
		err = only_before(db, lc);
	if (err)
		return err;
	snprintf(tail, sizeof tail, " ORDER BY l.start_ns DESC, l.id DESC LIMIT %llu",
		 (unsigned long long)lc->limit);
	return put_rows(lc, db, &o, spend_where_query(&lc->where, db, tail), NULL);
}

/* ---- arguments; false: answered ---- */

static bool take_request(struct logs_call *lc, const char *name, struct row_id *ret,
			 bool *ret_given)
{
	struct str s;
	int err = command_str(lc->of.c, name, &s);
	*ret_given = !err;
	if (err)
		return err == -ENOENT;
	/* 0: another gateway's id, perhaps; no row has it */
	ret->n = spend_read_id(s, ret->b);
	return true;
}

/* Filters by a text each. */
static const struct text_filter {
	const char *arg, *condition, *behind;
	size_t days;			/* a str of logs_call: only_days() knows of it */
} text_filters[] = {
	{ "user_id", "l.key_id IN (SELECT id FROM (SELECT id, user_id FROM keys UNION ALL"
	  " SELECT id, user_id FROM keys_deleted UNION ALL"
	  " SELECT id + " SPEND_TOKEN_USER ", name FROM tenants WHERE kind = 3) WHERE user_id =",
	  NULL, 0 },
	{ "team_id", "l.team = (SELECT id FROM teams WHERE team_id =", NULL, 0 },
	{ "key_alias", "l.key_id = (SELECT id FROM keys WHERE alias =", NULL, 0 },
	{ "end_user", "(l.end_user =", NULL, offsetof(struct logs_call, of_end_user) },
	{ "model", "(l.model =", "OR d.model =", 0 },
	{ "model_id", "(d.model_id =", NULL, 0 },
	{ "model_group", "(l.model =", NULL, offsetof(struct logs_call, of_model) },
	{ "custom_llm_provider", "(d.provider =", NULL, 0 },
	{ "tag", "l.tags IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(l.tags) j WHERE j.value =",
	  NULL, offsetof(struct logs_call, of_tag) },
};

/* One who is no administrator sees its own requests alone. */
static bool take_texts(struct logs_call *lc)
{
	if (lc->of.c->own_user.n) {
		spend_where_str(&lc->where, text_filters[0].condition, lc->of.c->own_user);
		spend_where_z(&lc->where, ")");
	}
	for (size_t i = 0; i < COUNT(text_filters); i++) {
		const struct text_filter *f = &text_filters[i];
		struct str s;
		int err = command_str(lc->of.c, f->arg, &s);
		if (err == -EINVAL)
			return false;
		if (err || !s.n)
			continue;
		spend_where_str(&lc->where, f->condition, s);
		if (f->days)
			*(struct str *)((char *)lc + f->days) = s;
		if (f->behind)
			spend_where_again(&lc->where, f->behind);
		spend_where_z(&lc->where, ")");
	}
	return true;
}

/* success or failure, as rollup_is_failure() says. */
static bool take_status(struct logs_call *lc)
{
	struct str s;
	int err = command_str(lc->of.c, "status_filter", &s);
	if (err || !s.n)
		return err != -EINVAL;
	bool is_failure = str_eq(s, STR("failure"));
	if (!is_failure && !str_eq(s, STR("success"))) {
		command_fail(lc->of.c, 400, "invalid_request_error", "status_filter",
			     "status_filter is success or failure");
		return false;
	}
	spend_where_int(&lc->where, SPEND_FAILED " =", is_failure);
	return true;
}

/* error_code is a status, or what errors are called; error_message a part of that. */
static bool take_errors(struct logs_call *lc)
{
	struct str code = STR_NONE, message = STR_NONE;
	uint64_t status;
	if (command_str(lc->of.c, "error_code", &code) == -EINVAL ||
	    command_str(lc->of.c, "error_message", &message) == -EINVAL)
		return false;
	if (code.n && str_read_u64(code, &status) == 0 && status <= INT32_MAX)
		spend_where_int(&lc->where, SPEND_FAILED " AND l.status =",
				(int64_t)status);
	else if (code.n)
		spend_where_outcomes(&lc->where, code, false);
	if (message.n)
		spend_where_outcomes(&lc->where, message, true);
	return true;
}

static bool take_money(struct logs_call *lc, const char *name, const char *condition)
{
	int64_t nano;
	int err = command_money(lc->of.c, name, &nano);
	if (!err)
		spend_where_int(&lc->where, condition, nano);
	return err != -EINVAL;
}

/* A request's id is of all its attempts. */
static void only_request(struct logs_call *lc)
{
	struct row_id *id = &lc->request_id;
	spend_where_blob(&lc->where, "l.request_id >=", str_of((const char *)id->b, id->n));
	if (id->n == SPEND_ID_MAX - 1)
		id->b[id->n] = 0xff;
	spend_where_blob(&lc->where, "l.request_id <=",
			 str_of((const char *)id->b, id->n ? (size_t)SPEND_ID_MAX : 0));
}

static bool take_filters(struct logs_call *lc)
{
	struct command_call *c = lc->of.c;
	struct str key;
	bool has_request = false;
	int err = command_str(c, "api_key", &key);
	if (err == -EINVAL || !spend_take_range(c, &lc->range) ||
	    !take_request(lc, "request_id", &lc->request_id, &has_request) ||
	    (!has_request &&
	     !take_request(lc, "session_id", &lc->request_id, &has_request)))
		return false;
	spend_where_init(&lc->where, "SELECT " SPEND_LOG_ROW " WHERE 1");
	spend_where_int(&lc->where, "l.start_ns >=", (int64_t)lc->range.from_ns);
	spend_where_int(&lc->where, "l.start_ns <", (int64_t)lc->range.to_ns);
	if (!err && key.n)
		spend_where_key(&lc->where, c, "l.key_id", key);
	if (has_request)
		only_request(lc);
	return take_texts(lc) && take_status(lc) && take_errors(lc) &&
	       take_money(lc, "min_spend", "l.cost >=") &&
	       take_money(lc, "max_spend", "l.cost <=") && spend_where_is_whole(&lc->where, c);
}

static bool take_number(struct logs_call *lc, const char *name, uint64_t most, uint64_t *ret)
{
	if (command_u64(lc->of.c, name, ret) == -EINVAL)
		return false;
	if (*ret >= 1 && *ret <= most)
		return true;
	command_fail(lc->of.c, 400, "invalid_request_error", name, "%s is 1 to %llu", name,
		     (unsigned long long)most);
	return false;
}

static struct logs_call *logs_new(struct command_call *c)
{
	struct logs_call *lc = command_state(c, sizeof *lc);
	if (!lc)
		return NULL;
	return take_filters(lc) ? lc : NULL;
}

void spend_logs(struct command_call *c)
{
	bool is_summary = false;
	if (command_bool(c, "summarize", &is_summary) == -EINVAL)
		return;
	if (is_summary) {
		spend_summary(c);
		return;
	}
	struct logs_call *lc = logs_new(c);
	if (!lc)
		return;
	lc->limit = LIMIT;
	if (take_number(lc, "limit", LIMIT_MAX, &lc->limit) &&
	    take_request(lc, "before", &lc->before, &lc->has_before) &&
	    texts_wanted(c, lc->request_id.n > 0, &lc->of.texts))
		spend_start_rows(c, logs_job, &lc->of);
}

/* ---- one request, with what was said ---- */

static int show_job(struct store_db *db, void *data)
{
	struct logs_call *lc = data;
	struct json_out o = json_out(&lc->of.c->out);
	struct sql *q = sql_query(db, "SELECT " SPEND_LOG_ROW " WHERE l.request_id = ?");
	sql_blob(q, 1, lc->request_id.b, lc->request_id.n);
	int r = sql_row(q);
	if (r > 0)
		spend_row_put(&o, q, db, &lc->of);
	sql_end(q);
	return r < 0 ? r : r ? 0 : -ENOENT;
}

void spend_show(struct command_call *c)
{
	struct logs_call *lc = command_state(c, sizeof *lc);
	struct str id;
	if (!lc)
		return;
	if (command_named(c, "request_id", &id) || !texts_wanted(c, true, &lc->of.texts))
		return;
	lc->request_id.n = spend_read_id(id, lc->request_id.b);
	spend_start_rows(c, show_job, &lc->of);
}

/* ---- /spend/logs/v2: pages, and how many there are ---- */

static int count_rows(struct store_db *db, const struct logs_call *lc, uint64_t *ret)
{
	struct spend_where *w = arena_alloc(lc->of.c->mem, sizeof *w);
	char tail[64];
	if (!w)
		return -ENOMEM;
	*w = lc->where;
	snprintf(tail, sizeof tail, " LIMIT %d)", TOTAL_MAX + 1);
	spend_where_count(w, "SELECT count(*) FROM (SELECT 1");
	struct sql *q = spend_where_query(w, db, tail);
	int r = sql_row(q);
	if (r > 0)
		*ret = (uint64_t)sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? r : 0;
}

static int pages_job(struct store_db *db, void *data)
{
	struct logs_call *lc = data;
	struct json_out o = json_out(&lc->of.c->out);
	uint64_t total = 0;
	char tail[160];
	int err = bound(db, lc);
	if (!err)
		err = count_rows(db, lc, &total);
	snprintf(tail, sizeof tail, " ORDER BY %s LIMIT %llu OFFSET %llu", lc->sort,
		 (unsigned long long)lc->limit,
		 (unsigned long long)((lc->page - 1) * lc->limit));
	json_open(&o, NULL);
	if (!err)
		err = put_rows(lc, db, &o, spend_where_query(&lc->where, db, tail), "data");
	json_put_u64(&o, "total", total);
	json_put_u64(&o, "page", lc->page);
	json_put_u64(&o, "page_size", lc->limit);
	json_put_u64(&o, "total_pages", (total + lc->limit - 1) / lc->limit);
	json_close(&o);
	return err;
}

static bool take_sort(struct logs_call *lc)
{
	static const struct {
		const char *by, *down, *up;
	} sorts[] = {
		{ "startTime", "l.start_ns DESC, l.id DESC", "l.start_ns, l.id" },
		{ "endTime", "l.end_ns DESC, l.id DESC", "l.end_ns, l.id" },
		{ "spend", "l.cost DESC, l.id DESC", "l.cost, l.id" },
		{ "total_tokens", "l.input + l.output DESC, l.id DESC", "l.input + l.output, l.id" },
		{ "request_duration_ms", "l.end_ns - l.start_ns DESC, l.id DESC",
		  "l.end_ns - l.start_ns, l.id" },
		{ "model", "l.model DESC, l.id DESC", "l.model, l.id" },
	};
	struct str by = STR("startTime"), order = STR("desc");
	if (command_str(lc->of.c, "sort_by", &by) == -EINVAL ||
	    command_str(lc->of.c, "sort_order", &order) == -EINVAL)
		return false;
	for (size_t i = 0; i < COUNT(sorts); i++)
		if (str_eq_z(by, sorts[i].by))
			lc->sort = str_eq(order, STR("asc")) ? sorts[i].up : sorts[i].down;
	if (lc->sort)
		return true;
	command_fail(lc->of.c, 400, "invalid_request_error", "sort_by",
		     "sort_by is startTime, endTime, spend, total_tokens, request_duration_ms or "
		     "model");
	return false;
}

void spend_logs_pages(struct command_call *c)
{
	struct logs_call *lc = logs_new(c);
	if (!lc)
		return;
	lc->limit = PAGE;
	lc->page = 1;
	if (take_number(lc, "page_size", PAGE_MAX, &lc->limit) &&
	    take_number(lc, "page", 1000000, &lc->page) && take_sort(lc) &&
	    texts_wanted(c, lc->request_id.n > 0, &lc->of.texts))
		spend_start_rows(c, pages_job, &lc->of);
}
