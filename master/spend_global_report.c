/* SPDX-License-Identifier: MIT
 * spend_global_report.c - LiteLLM's /global/spend/report: by day what each team or customer spent
 * with which model and key; or by key what was spent with which model. */
#include <errno.h>
#include <stdio.h>

#include "master/command_job.h"
#include "master/master.h"
#include "master/spend_private.h"

struct gr_call {
	struct command_call *c;
	struct spend_range range;
	const struct form *form;
	struct spend_where where;
};

/* Every query: day, name of the group, hash of the key, keys.id, model, input, output, cost. */
static const struct form {
	const char *group_by;
	const char *list, *name;	/* members of the answer; NULL: by key, without days */
	const char *sql, *tail;
} forms[] = {
	{ "team", "teams", "team_name",
	  "SELECT s.day, coalesce(t.alias, t.team_id, 'Unassigned Team'), coalesce(k.token_hash,"
	  " x.token_hash), s.key_id, m.name, sum(s.input), sum(s.output)," SPEND_COST
	  " FROM spend_daily s LEFT JOIN teams t ON t.id = s.team LEFT JOIN spend_names m"
	  " ON m.id = s.model" SPEND_OF_KEY("s.key_id") " WHERE 1",
	  " GROUP BY s.day, 2, s.key_id, s.model ORDER BY s.day, 2, s.key_id, s.model" },
	{ "customer", "customers", "customer",
	  "SELECT s.day, e.name, coalesce(k.token_hash, x.token_hash), s.key_id, m.name,"
	  " sum(s.input), sum(s.output)," SPEND_COST
	  " FROM spend_labels s LEFT JOIN spend_names e ON e.id = s.label LEFT JOIN spend_names m"
	  " ON m.id = s.model" SPEND_OF_KEY("s.key_id") " WHERE s.kind = 5",
	  " GROUP BY s.day, 2, s.key_id, s.model ORDER BY s.day, 2, s.key_id, s.model" },
	{ "api_key", NULL, "api_key",
	  "SELECT 0, NULL, coalesce(k.token_hash, x.token_hash), s.key_id, m.name, sum(s.input),"
	  " sum(s.output)," SPEND_COST " FROM spend_daily s LEFT JOIN spend_names m"
	  " ON m.id = s.model" SPEND_OF_KEY("s.key_id") " WHERE 1",
	  " GROUP BY s.key_id, s.model ORDER BY s.key_id, s.model" },
};
enum column { DAY, NAME, KEY_HASH, KEY_ID, MODEL, INPUT, OUTPUT, COST };

static void add(int64_t *to, int64_t v)
{
	if (__builtin_add_overflow(*to, v, to))
		*to = INT64_MAX;
}

/* ---- by day ---- */

static void put_detail(struct json_out *o, struct sql *q)
{
	char hex[SPEND_KEY_ROOM];
	spend_key_name(hex, q, KEY_HASH, sql_get_int(q, KEY_ID));
	json_open(o, NULL);
	json_put_str(o, "model", sql_get_text(q, MODEL));
	json_put_money(o, "spend", spend_read_cost(q, COST));
	json_put_i64(o, "total_tokens", sql_get_int(q, INPUT) + sql_get_int(q, OUTPUT));
	json_put_z(o, "api_key", hex);
	json_close(o);
}

/* One group of one day; q is left at the row behind its last. */
static int put_group(struct json_out *o, const struct form *f, struct sql *q, struct arena *a)
{
	struct str name = sql_get_text(q, NAME).n ? arena_dup(a, sql_get_text(q, NAME)) : STR("");
	int64_t day = sql_get_int(q, DAY), cost = 0;
	int r;
	if (!name.p)
		return -ENOMEM;
	json_open(o, NULL);
	json_put_str(o, f->name, name);
	json_open_array(o, "metadata");
	do {
		add(&cost, spend_read_cost(q, COST));
		put_detail(o, q);
		r = sql_row(q);
	} while (r > 0 && sql_get_int(q, DAY) == day && str_eq(sql_get_text(q, NAME), name));
	json_close_array(o);
	json_put_money(o, "total_spend", cost);
	json_close(o);
	return r;
}

static int put_days(struct json_out *o, const struct gr_call *gc, struct sql *q)
{
	char text[SPEND_TEXT_ROOM], start[SPEND_TEXT_ROOM + 16];
	int r = sql_row(q);
	while (r > 0) {
		int64_t day = sql_get_int(q, DAY);
		spend_day_text(text, day);
		snprintf(start, sizeof start, "%sT00:00:00+00:00", text);
		json_open(o, NULL);
		json_put_z(o, "group_by_day", start);
		json_open_array(o, gc->form->list);
		while (r > 0 && sql_get_int(q, DAY) == day)
			r = put_group(o, gc->form, q, gc->c->mem);
		json_close_array(o);
		json_close(o);
	}
	return r;
}

/* ---- by key ---- */

static void put_cost(struct json_out *o, int64_t cost, int64_t input, int64_t output)
{
	json_put_money(o, "total_cost", cost);
	json_put_i64(o, "total_input_tokens", input);
	json_put_i64(o, "total_output_tokens", output);
}

static int put_key(struct json_out *o, struct sql *q)
{
	int64_t key_id = sql_get_int(q, KEY_ID), cost = 0, input = 0, output = 0;
	char hex[SPEND_KEY_ROOM];
	int r;
	spend_key_name(hex, q, KEY_HASH, key_id);
	json_open(o, NULL);
	json_put_z(o, "api_key", hex);
	json_open_array(o, "model_details");
	do {
		add(&cost, spend_read_cost(q, COST));
		add(&input, sql_get_int(q, INPUT));
		add(&output, sql_get_int(q, OUTPUT));
		json_open(o, NULL);
		json_put_str(o, "model", sql_get_text(q, MODEL));
		put_cost(o, spend_read_cost(q, COST), sql_get_int(q, INPUT),
			 sql_get_int(q, OUTPUT));
		json_close(o);
		r = sql_row(q);
	} while (r > 0 && sql_get_int(q, KEY_ID) == key_id);
	json_close_array(o);
	put_cost(o, cost, input, output);
	json_close(o);
	return r;
}

static int put_keys(struct json_out *o, struct sql *q)
{
	int r = sql_row(q);
	while (r > 0)
		r = put_key(o, q);
	return r;
}

static int report_job(struct store_db *db, void *data)
{
	struct gr_call *gc = data;
	struct json_out o = json_out(&gc->c->out);
	struct sql *q = spend_where_query(&gc->where, db, gc->form->tail);
	json_open_array(&o, NULL);
	int r = gc->form->list ? put_days(&o, gc, q) : put_keys(&o, q);
	json_close_array(&o);
	return r;
}

/* ---- arguments; false: answered ---- */

static bool take_form(struct gr_call *gc)
{
	struct command_call *c = gc->c;
	struct str by = STR("team");
	int err = command_str(c, "group_by", &by);
	if (err == -EINVAL)
		return false;
	/* What is asked of a key or a user is told by key, whatever else was said. */
	if (json_is_given(json_get(c->args, "api_key")) ||
	    json_is_given(json_get(c->args, "internal_user_id")))
		by = STR("api_key");
	else if (err && json_is_given(json_get(c->args, "customer_id")))
		by = STR("customer");
	for (size_t i = 0; i < COUNT(forms); i++)
		if (str_eq_z(by, forms[i].group_by))
			gc->form = &forms[i];
	if (gc->form)
		return true;
	command_fail(c, 400, "invalid_request_error", "group_by",
		     "group_by must be team, customer or api_key");
	return false;
}

static bool take_filters(struct gr_call *gc)
{
	static const struct {
		const char *arg, *condition, *behind;
		bool is_of_label;
	} filters[] = {
		{ "internal_user_id", "s.user <> 0 AND s.user = (SELECT id FROM spend_names WHERE name =",
		  ")", false },
		{ "team_id", "s.team <> 0 AND s.team = (SELECT id FROM teams WHERE team_id =", ")", false },
		{ "customer_id", "s.label = (SELECT id FROM spend_names WHERE name =", ")", true },
	};
	struct str s;
	int err = command_str(gc->c, "api_key", &s);
	if (!err)
		spend_where_key(&gc->where, gc->c, "s.key_id", s);
	for (size_t i = 0; i < COUNT(filters) && err != -EINVAL; i++) {
		bool is_label = strcmp(gc->form->group_by, "customer") == 0;
		err = command_str(gc->c, filters[i].arg, &s);
		if (err || filters[i].is_of_label != is_label)
			continue;
		spend_where_str(&gc->where, filters[i].condition, s);
		spend_where_z(&gc->where, filters[i].behind);
	}
	return err != -EINVAL && spend_where_is_whole(&gc->where, gc->c);
}

void spend_global_report(struct command_call *c)
{
	struct gr_call *gc = command_state(c, sizeof *gc);
	if (!gc)
		return;
	spend_last_days(&gc->range);
	if (!take_form(gc) || !spend_take_days(c, "start_date", "end_date", &gc->range))
		return;
	spend_where_init(&gc->where, gc->form->sql);
	spend_where_int(&gc->where, "s.day >=", gc->range.first_day);
	spend_where_int(&gc->where, "s.day <=", gc->range.last_day);
	if (take_filters(gc))
		command_read(gc, report_job, command_done);
}
