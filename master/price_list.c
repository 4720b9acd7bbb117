/* SPDX-License-Identifier: MIT
 * price_list.c - see price_list.h. Without a price are deployments for which neither the
 * configuration nor the table has one, and what was asked for in the last days and cost nothing
 * because of that. */
#include "master/price_list.h"

#include <errno.h>

#include "common/clock.h"
#include "master/command_job.h"
#include "master/cost_split.h"
#include "master/master.h"
#include "master/price_map.h"
#include "master/store.h"
#include "master/store_sql.h"

enum { SEEN_DAYS = 31, SEEN_MAX = 1000 };

/* ---- those that are known ---- */

/* Dollars for a million tokens, which people think in. */
static void put_per_million(struct json_out *o, const char *name, bool has, int64_t pico)
{
	if (has)
		json_put_double(o, name, (double)pico / 1e6);
	else
		json_put_null(o, name);
}

static void put_row(struct json_out *o, const struct price_row *row)
{
	json_open(o, NULL);
	json_put_str(o, "model", row->model);
	json_put_z(o, "source", row->is_imported ? "imported" : "shipped");
	put_per_million(o, "input_per_million", row->has_input, row->price.input);
	put_per_million(o, "output_per_million", row->has_output, row->price.output);
	price_map_put(o, row);
	json_close(o);
}

static void list_known(struct command_call *c, struct str pattern, bool only_imported)
{
	struct json_out o = json_out(&c->out);
	struct prices_walk at = { 0 };
	struct price_row row;
	json_open(&o, NULL);
	json_open_array(&o, "rows");
	while (prices_next(&at, &row))
		if ((!pattern.n || str_matches(pattern, row.model)) &&
		    (!only_imported || row.is_imported))
			put_row(&o, &row);
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

/* LiteLLM's map: what GET /public/litellm_model_cost_map answers, and what can be imported. */
void price_export(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	struct prices_walk at = { 0 };
	struct price_row row;
	json_open(&o, NULL);
	while (prices_next(&at, &row)) {
		json_key(&o, row.model);
		json_open(&o, NULL);
		price_map_put(&o, &row);
		json_close(&o);
	}
	json_close(&o);
	command_finish(c);
}

/* ---- those that are not ---- */

struct seen {
	struct str model, id, provider, upstream;
	int64_t requests, day;
};
struct unknown_call {
	struct command_call *c;
	struct str pattern;
	struct seen *v;
	size_t n;
};

static int seen_job(struct store_db *db, void *data)
{
	struct unknown_call *u = data;
	struct arena *mem = u->c->mem;
	struct sql *q = sql_query(db,
		"SELECT n.name, d.model_id, d.provider, d.model, sum(s.unpriced), max(s.day)"
		" FROM spend_daily s JOIN spend_names n ON n.id = s.model"
		" JOIN deployments d ON d.id_hash = s.deployment"
		" WHERE s.day >= ? AND s.unpriced > 0"
		" GROUP BY s.model, s.deployment ORDER BY 5 DESC, 1 LIMIT ?");
	int64_t today = (int64_t)(clock_wall_ns() / (86400 * NS_PER_S));
	int r, err = 0;
	sql_int(q, 1, today - SEEN_DAYS);
	sql_int(q, 2, SEEN_MAX);
	u->v = arena_array(mem, SEEN_MAX, sizeof *u->v);
	if (!u->v)
		return -ENOMEM;
	while ((r = sql_row(q)) > 0 && !err && u->n < SEEN_MAX) {
		struct seen *s = &u->v[u->n++];
		*s = (struct seen){ .model = arena_dup(mem, sql_get_text(q, 0)),
				    .id = arena_dup(mem, sql_get_text(q, 1)),
				    .provider = arena_dup(mem, sql_get_text(q, 2)),
				    .upstream = arena_dup(mem, sql_get_text(q, 3)),
				    .requests = sql_get_int(q, 4), .day = sql_get_int(q, 5) };
		err = s->model.p && s->id.p && s->provider.p && s->upstream.p ? 0 : -ENOMEM;
	}
	sql_end(q);
	return r < 0 ? r : err;
}

/* Now, for who asks by that name; .n 0: for all, which a wildcard cannot say. */
static bool has_price(const struct config_model *cm, struct str asked)
{
	struct price_row row;
	char room[256];
	if (cm->price.flags & PRICE_KNOWN ||
	    prices_find(cm->provider, cm->base_model.n ? cm->base_model : cm->model, &row))
		return true;
	if (!price_goes_by_name(cm) || !asked.n)
		return price_goes_by_name(cm);
	struct str model = snap_fill_model(cm->model_name, cm->model, asked, room, sizeof room);
	return model.n && prices_find(cm->provider, model, &row);
}

static bool is_wanted(const struct unknown_call *u, struct str model, struct str upstream)
{
	return !u->pattern.n || str_matches(u->pattern, model) ||
	       str_matches(u->pattern, upstream);
}

static void put_unknown(struct json_out *o, const struct seen *s)
{
	json_open(o, NULL);
	json_put_str(o, "model", s->model);
	json_put_str(o, "litellm_provider", s->provider);
	json_put_str(o, "key", s->upstream);
	json_put_str(o, "model_id", s->id);
	json_put_i64(o, "unpriced_requests", s->requests);
	if (s->requests)
		json_put_time(o, "last_day", (uint64_t)s->day * 86400 * NS_PER_S);
	else
		json_put_null(o, "last_day");
	json_close(o);
}

static bool was_seen(const struct unknown_call *u, const struct config_model *cm)
{
	for (size_t i = 0; i < u->n; i++)
		if (str_eq(u->v[i].id, cm->id) && str_eq(u->v[i].model, cm->model_name))
			return true;
	return false;
}

static void answer_unknown(struct unknown_call *u)
{
	const struct config *c = u->c->master->config;
	struct json_out o = json_out(&u->c->out);
	json_open(&o, NULL);
	json_open_array(&o, "rows");
	for (size_t i = 0; i < u->n; i++) {
		const struct config_model *cm = config_find_model(c, u->v[i].id);
		if (is_wanted(u, u->v[i].model, u->v[i].upstream) &&
		    (!cm || !has_price(cm, u->v[i].model)))
			put_unknown(&o, &u->v[i]);
	}
	for (size_t i = 0; i < c->n_models; i++) {
		const struct config_model *cm = &c->models[i];
		struct seen s = { .model = cm->model_name, .id = cm->id, .provider = cm->provider,
				  .upstream = cm->model };
		if (is_wanted(u, s.model, s.upstream) && !has_price(cm, STR("")) &&
		    !was_seen(u, cm))
			put_unknown(&o, &s);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(u->c);
}

static void on_seen(void *data, int err)
{
	struct unknown_call *u = data;
	if (err)
		command_fail_store(u->c, err);
	else
		answer_unknown(u);
}

static void list_unknown(struct command_call *c, struct str pattern)
{
	struct unknown_call *u = command_state(c, sizeof *u);
	if (!u)
		return;
	u->pattern = pattern;
	command_read(u, seen_job, on_seen);
}

void price_list(struct command_call *c)
{
	struct str pattern = STR("");
	bool unknown = false, imported = false;
	if (command_str(c, "model", &pattern) == -EINVAL ||
	    command_bool(c, "unknown", &unknown) == -EINVAL ||
	    command_bool(c, "imported", &imported) == -EINVAL)
		return;
	if (unknown)
		list_unknown(c, pattern);
	else
		list_known(c, pattern, imported);
}
