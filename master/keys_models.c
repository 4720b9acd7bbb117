/* SPDX-License-Identifier: MIT
 * keys_models.c - limits of keys, teams, users and their kin for single models: read from their
 * rows, checked when they are given, and what has been spent of their budgets.
 *
 * They stand where LiteLLM keeps them, as members of metadata or extra. Only budgets have rows of
 * their own in the database (model_limits), which follow their owner's row in its transaction. */
#include <errno.h>

#include "common/clock.h"
#include "common/model_limit.h"
#include "common/price.h"
#include "master/keys_private.h"

enum { PARSE_MEMORY = 2 << 20 };

static const char *const names[] = { "model_rpm_limit", "model_tpm_limit", "model_max_budget" };
enum { RPM, TPM, BUDGET };

bool key_model_has(enum dir_kind kind, const struct key_row *row)
{
	if (dir_model_kind(kind) == DIR_KINDS)
		return false;
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_find(row->metadata, str_z(names[i])) != SIZE_MAX ||
		    str_find(row->extra, str_z(names[i])) != SIZE_MAX)
			return true;
	return false;
}

/* ---- one value; -EINVAL: it is none ---- */

static int read_count(const struct json *j, uint64_t *ret)
{
	uint64_t n;
	*ret = 0;
	if (!json_is_given(j))
		return 0;
	if (!json_is(j, JSON_NUMBER) || str_read_u64(j->raw, &n) < 0 || !n)
		return -EINVAL;
	*ret = n;
	return 0;
}

/* Dollars, also as a text: LiteLLM's documentation has them so. */
static int read_dollars(struct arena *a, const struct json *j, int64_t *ret)
{
	struct str text = json_is(j, JSON_STRING) ? json_str(a, j) : j->raw;
	if ((!json_is(j, JSON_STRING) && !json_is(j, JSON_NUMBER)) ||
	    price_read_nano(text, ret) < 0 || *ret < 0)
		return -EINVAL;
	return 0;
}

static const struct json *either(const struct json *j, const char *a, const char *b)
{
	const struct json *v = json_get(j, a);
	return json_is_given(v) ? v : json_get(j, b);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* A number of dollars, or LiteLLM's object. */
static int read_budget(struct arena *a, const struct json *j, struct key_model *to)
{
	struct period p;
	uint64_t rpm, tpm;
	int64_t nano = MONEY_NONE;
	struct str duration = STR_NONE;
	if (!json_is(j, JSON_OBJECT)) {
		if (read_dollars(a, j, &nano) < 0)
			return -EINVAL;
		to->max_budget = nano;
		return 0;
	}
	const struct json *limit = either(j, "budget_limit", "max_budget");
	const struct json *period = either(j, "time_period", "budget_duration");
	if (json_is_given(limit) && read_dollars(a, limit, &nano) < 0)
		return -EINVAL;
	if (json_is_given(period)) {
		duration = json_str(a, period);
		if (period_read(duration, &p) < 0)
			return -EINVAL;
	}
	if (read_count(json_get(j, "rpm_limit"), &rpm) < 0 ||
	    read_count(json_get(j, "tpm_limit"), &tpm) < 0)
		return -EINVAL;
	to->max_budget = nano;
	to->duration = duration;
	to->rpm = smaller(to->rpm, rpm);
	to->tpm = smaller(to->tpm, tpm);
	return 0;
}

static int read_one(struct arena *a, unsigned what, const struct json *j, struct key_model *to)
{
	uint64_t n = 0;
	if (what == BUDGET)
		return read_budget(a, j, to);
	int err = read_count(j, &n);
	if (!err && what == RPM)
		to->rpm = smaller(to->rpm, n);
	else if (!err)
		to->tpm = smaller(to->tpm, n);
	return err;
}

static bool is_name(struct str name)
{
	return name.n && name.n <= MODEL_LIMIT_NAME_MAX && !memchr(name.p, 0, name.n);
}

/* ---- when they are given ---- */

static int refuse(struct command_call *c, const char *arg, const char *what)
{
	command_fail(c, 400, "invalid_request_error", arg, "%s %s", arg, what);
	return -EINVAL;
}

static int check_list(struct command_call *c, unsigned what, const struct json *list)
{
	struct key_model scratch = { .max_budget = MONEY_NONE };
	if (!json_is_given(list))
		return 0;
	if (!json_is(list, JSON_OBJECT))
		return refuse(c, names[what], "must be an object of models");
	if (list->count > MODEL_LIMITS_MAX)
		return refuse(c, names[what], "has more than 256 models");
	for (const struct json *j = list->child; j; j = j->next) {
		if (!is_name(j->key))
			return refuse(c, names[what], "has a name that is empty or too long");
		if (json_is_given(j) && read_one(c->mem, what, j, &scratch) < 0)
			return refuse(c, names[what],
				      what == BUDGET ? "must have for each model {budget_limit, "
						       "time_period, rpm_limit, tpm_limit}" :
						       "must have numbers of at least 1");
	}
	return 0;
}

int key_model_check(struct command_call *c, const struct json *arg)
{
	bool is_metadata = str_eq(arg->key, STR("metadata")) && json_is(arg, JSON_OBJECT);
	int err = 0;
	for (unsigned i = 0; i < COUNT(names) && !err; i++) {
		if (is_metadata)
			err = check_list(c, i, json_get(arg, names[i]));
		else if (str_eq_z(arg->key, names[i]))
			err = check_list(c, i, arg);
	}
	return err;
}

/* ---- from a row ---- */

struct reading {
	struct arena *a;
	struct key_model *v;
	size_t n;
};

static struct key_model *model_of(struct reading *r, struct str model)
{
	for (size_t i = 0; i < r->n; i++)
		if (str_eq(r->v[i].model, model))
			return &r->v[i];
	if (r->n == MODEL_LIMITS_MAX)
		return NULL;
	r->v[r->n] = (struct key_model){ .model = model, .max_budget = MONEY_NONE };
	return &r->v[r->n++];
}

static void read_list(struct reading *r, unsigned what, const struct json *list)
{
	if (!json_is(list, JSON_OBJECT))
		return;
	for (const struct json *j = list->child; j; j = j->next) {
		struct key_model *m =
			is_name(j->key) && json_is_given(j) ? model_of(r, j->key) : NULL;
		if (m)		/* what was kept before it was checked may be anything */
			(void)read_one(r->a, what, j, m);
	}
}

static int read_text(struct reading *r, struct str text)
{
	struct json_error e;
	if (!text.n || str_find(text, STR("\"model_")) == SIZE_MAX)
		return 0;
	const struct json *j = json_parse(r->a, text, 0, &e);
	if (!j)
		return -ENOMEM;		/* it is our own writing */
	for (unsigned i = 0; i < COUNT(names) && json_is(j, JSON_OBJECT); i++)
		read_list(r, i, json_get(j, names[i]));
	return 0;
}

/* What the row's budget lends, where it has no limit of its own. */
static void fill(struct key_model *to, const struct key_model *lent)
{
	if (to->max_budget < 0) {
		to->max_budget = lent->max_budget;
		to->duration = lent->duration;
	}
	to->rpm = to->rpm ? to->rpm : lent->rpm;
	to->tpm = to->tpm ? to->tpm : lent->tpm;
}

static int read_lent(struct reading *r, const struct key_row *row)
{
	struct json_error e;
	if (!row->budget_id.n || str_find(row->extra, STR(KEY_MODELS_LENT)) == SIZE_MAX)
		return 0;
	const struct json *all = json_parse(r->a, row->extra, 0, &e);
	const struct json *list = json_get(all, KEY_MODELS_LENT);
	const struct json *j = json_is(list, JSON_OBJECT) ? list->child : NULL;
	for (; j; j = j->next) {
		struct key_model lent = { .max_budget = MONEY_NONE };
		struct key_model *m = is_name(j->key) ? model_of(r, j->key) : NULL;
		if (m && json_is_given(j) && read_one(r->a, BUDGET, j, &lent) == 0)
			fill(m, &lent);
	}
	return all ? 0 : -ENOMEM;	/* it is our own writing */
}

int key_models_of(struct arena *a, enum dir_kind kind, const struct key_row *row,
		  struct key_model **ret, size_t *ret_n)
{
	struct reading r = { .a = a };
	size_t kept = 0;
	*ret_n = 0;
	if (!key_model_has(kind, row))
		return 0;
	r.v = arena_array(a, MODEL_LIMITS_MAX, sizeof *r.v);
	int err = r.v ? read_text(&r, row->metadata) : -ENOMEM;
	if (!err)
		err = read_text(&r, row->extra);
	if (!err)
		err = read_lent(&r, row);
	for (size_t i = 0; i < r.n && !err; i++) {
		if (!r.v[i].rpm && !r.v[i].tpm && r.v[i].max_budget < 0)
			continue;
		r.v[kept] = r.v[i];
		r.v[kept].id = (uint64_t)(dir_model_kind(kind) + 1) << 56 |
			       model_limit_id(dir_model_kind(kind), row->id, r.v[i].model);
		kept++;
	}
	*ret = r.v;
	*ret_n = err ? 0 : kept;
	return err;
}

/* ---- what has been spent ---- */

static int64_t number_of(const struct key_model *m)
{
	return (int64_t)(m->id & ~ENTITY_KIND_MASK);
}

/* One that was there before goes on, unless its period is another. */
static int store_one(struct store_db *db, int64_t kind, uint64_t owner, const struct key_model *m,
		     uint64_t now_ns)
{
	struct period p;
	uint64_t reset = m->duration.n && period_read(m->duration, &p) == 0 ?
				 period_reset(p, now_ns) : 0;
	struct sql *q = sql_query(db,
		"INSERT INTO model_limits (id, kind, owner, model, spend_since, budget_duration,"
		" budget_reset_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET"
		" budget_reset_at = CASE WHEN budget_duration IS excluded.budget_duration"
		" THEN budget_reset_at ELSE excluded.budget_reset_at END,"
		" budget_duration = excluded.budget_duration");
	sql_int(q, 1, number_of(m));
	sql_int(q, 2, kind);
	sql_int(q, 3, (int64_t)owner);
	sql_text(q, 4, m->model);
	sql_int(q, 5, (int64_t)now_ns);
	sql_text(q, 6, m->duration);
	sql_int_or_null(q, 7, (int64_t)reset, reset);
	return sql_run(q);
}

static void put_numbers(struct json_out *o, const struct key_model *v, size_t n)
{
	json_open_array(o, NULL);
	for (size_t i = 0; i < n; i++)
		if (v[i].max_budget >= 0)
			json_put_i64(o, NULL, number_of(&v[i]));
	json_close_array(o);
}

static int drop_others(struct store_db *db, int64_t kind, uint64_t owner,
		       const struct key_model *v, size_t n)
{
	struct buf kept;
	buf_init(&kept, 32 * MODEL_LIMITS_MAX);
	struct json_out o = json_out(&kept);
	put_numbers(&o, v, n);
	struct sql *q = sql_query(db,
		"DELETE FROM model_limits WHERE kind = ?1 AND owner = ?2"
		" AND id NOT IN (SELECT value FROM json_each(?3))");
	sql_int(q, 1, kind);
	sql_int(q, 2, (int64_t)owner);
	sql_text(q, 3, buf_str(&kept));
	int err = sql_run(q);
	buf_done(&kept);
	return err;
}

int key_models_store(struct store_db *db, enum dir_kind kind, const struct key_row *row)
{
	struct arena *a = arena_new(PARSE_MEMORY);
	struct key_model *v = NULL;
	int64_t number = (int64_t)dir_model_kind(kind) + 1;
	uint64_t now_ns = clock_wall_ns();
	size_t n = 0;
	int err = a ? key_models_of(a, kind, row, &v, &n) : -ENOMEM;
	for (size_t i = 0; i < n && !err; i++)
		if (v[i].max_budget >= 0)
			err = store_one(db, number, row->id, &v[i], now_ns);
	if (!err)
		err = drop_others(db, number, row->id, v, n);
	arena_free(a);
	return err;
}

int key_models_spend(struct store_db *db, struct key_model *v, size_t n)
{
	int r = 0;
	for (size_t i = 0; i < n && r >= 0; i++) {
		struct sql *q = sql_query(db,
			"SELECT spend, budget_reset_at FROM model_limits WHERE id = ?");
		sql_int(q, 1, number_of(&v[i]));
		r = sql_row(q);
		if (r > 0) {
			v[i].spend = sql_get_int(q, 0);
			v[i].reset_at = (uint64_t)sql_get_int(q, 1);
		}
		sql_end(q);
	}
	return r < 0 ? r : 0;
}

/* ---- what is shown ---- */

void key_models_put_spend(struct json_out *o, struct keys *k, enum dir_kind kind,
			  const struct key_row *row)
{
	struct arena *a = key_model_has(kind, row) ? arena_new(PARSE_MEMORY) : NULL;
	struct key_model *v;
	size_t n;
	if (a && key_models_of(a, kind, row, &v, &n) == 0 && n) {
		json_open(o, "model_spend");
		for (size_t i = 0; i < n; i++) {
			if (v[i].max_budget < 0)
				continue;
			json_key(o, v[i].model);
			json_put_money(o, NULL, keys_settled_of(k, v[i].id, 0));
		}
		json_close(o);
	}
	arena_free(a);
}
