/* SPDX-License-Identifier: MIT
 * config_gates.c - what deployments may use, and when: budgets of providers, windows of plans, and
 * hours. Each is a list or a map of small maps. */
#include <stdio.h>

#include "common/journal.h"
#include "master/config_read.h"
#include "master/keys_private.h"
#include "master/zone.h"

enum {
	GATES_MAX = 8,			/* plans' windows of one deployment */
	BUDGET_NAME_MAX = 224
};
#define SPAN_MAX_MS (UINT64_C(400) * 24 * 3600 * 1000)
_Static_assert((int)BUDGET_NAME_MAX <= (int)JOURNAL_TAGS_ROOM, "a tag with a budget is booked");

static bool wants(struct reader *r, const struct yaml *y, enum yaml_kind kind, const char *what,
		  const char *form)
{
	if (y->kind == kind)
		return true;
	complain(r, COMPLAINT_ERROR, &y->place, "%s wants %s, not %s", what, form,
		 yaml_kind_name(y));
	return false;
}

/* The first of the members that is given; NULL: none. */
static const struct yaml *either(const struct yaml *map, const char *a, const char *b)
{
	const struct yaml *y = yaml_get(map, a);
	return y && y->kind != YAML_NULL ? y : yaml_get(map, b);
}

static bool wrong(struct reader *r, const struct yaml *y, const char *text)
{
	complain(r, COMPLAINT_ERROR, &y->place, "'" STR_FMT "' %s", STR_ARG(shown(y->text)), text);
	return false;
}

static void check_keys(struct reader *r, const struct yaml *map, const char *const *known, size_t n)
{
	for (const struct yaml *y = map->child; y; y = y->next) {
		bool is_known = false;
		for (size_t i = 0; i < n; i++)
			is_known |= same_name(y->key, known[i]);
		if (!is_known)
			complain(r, W_UNKNOWN_KEY, &y->key_place, "'" STR_FMT "' is not known here",
				 STR_ARG(shown(y->key)));
	}
}

/* ---- budgets of providers ---- */

static bool is_period(struct str s)
{
	struct period p;
	return period_read(s, &p) == 0;
}

static bool read_dollars(struct reader *r, const struct yaml *y, uint64_t *ret)
{
	int64_t nano;
	if (y->kind != YAML_SCALAR || price_read_nano(y->text, &nano) < 0 || nano < 0)
		return wrong(r, y, "is not an amount in dollars (want 100, 2.50)");
	*ret = (uint64_t)nano;
	return true;
}

static bool read_budget(struct reader *r, struct config_gate *g, const struct yaml *e)
{
	static const char *const known[] = { "budget_limit", "max_budget", "time_period",
					     "budget_duration" };
	const struct yaml *limit, *period;
	if (!wants(r, e, YAML_MAP, "a budget", "{budget_limit, time_period}"))
		return false;
	check_keys(r, e, known, COUNT(known));
	if (e->key.n >= BUDGET_NAME_MAX) {	/* a longer tag has no place in a journal */
		complain(r, COMPLAINT_ERROR, &e->place,
			 "a budget's name is longer than %d bytes", BUDGET_NAME_MAX - 1);
		return false;
	}
	limit = either(e, "budget_limit", "max_budget");
	period = either(e, "time_period", "budget_duration");
	if (!limit || !period) {
		complain(r, COMPLAINT_ERROR, &e->place,
			 "a budget wants budget_limit and time_period");
		return false;
	}
	if (period->kind != YAML_SCALAR || !is_period(period->text))
		return wrong(r, period, "is not a period (want 1h, 1d, 30d)");
	*g = (struct config_gate){ .name = keep(r, e->key), .kind = GATE_BUDGET,
				   .period = keep(r, period->text) };
	return read_dollars(r, limit, &g->limit);
}

bool gates_set_budgets(struct reader *r, struct config_gates *at, const struct directive *d,
		       const struct yaml *y)
{
	struct config_gates list = { 0 };
	if (!wants(r, y, YAML_MAP, d->name, "a map of budgets"))
		return false;
	list.v = keep_array(r, y->count, sizeof *list.v);
	for (const struct yaml *e = y->child; list.v && e; e = e->next)
		list.n += read_budget(r, &list.v[list.n], e);
	*at = list;
	return list.v != NULL;
}

void gates_check(struct reader *r, const struct config_model *m, const struct place *at)
{
	if (m->budget_duration.n && !is_period(m->budget_duration))
		complain(r, COMPLAINT_ERROR, at,
			 "budget_duration: '" STR_FMT "' is not a period (want 1h, 1d, 30d)",
			 STR_ARG(shown(m->budget_duration)));
	else if ((m->max_budget != PRICE_NONE) != (m->budget_duration.n > 0))
		complain(r, W_NOT_ACTED_ON, at,
			 "a deployment's budget wants both max_budget and budget_duration");
}

/* ---- windows of plans ---- */

static bool read_limit(struct reader *r, struct config_gate *g, const struct yaml *e)
{
	static const struct {
		const char *name;
		enum snap_gate_kind kind;
	} units[] = { { "requests", GATE_REQUESTS }, { "tokens", GATE_TOKENS },
		      { "cost", GATE_COST } };
	unsigned n = 0;
	for (size_t i = 0; i < COUNT(units); i++) {
		const struct yaml *y = yaml_get(e, units[i].name);
		if (!y || y->kind == YAML_NULL)
			continue;
		n++;
		g->kind = units[i].kind;
		if (g->kind == GATE_COST && !read_dollars(r, y, &g->limit))
			return false;
		if (g->kind != GATE_COST &&
		    (y->kind != YAML_SCALAR || str_read_u64(y->text, &g->limit) < 0 ||
		     g->limit > UINT32_MAX * UINT64_C(1000)))
			return wrong(r, y, "is not a whole number");
	}
	if (n != 1)
		complain(r, COMPLAINT_ERROR, &e->place,
			 "a plan's window wants one of requests, tokens and cost");
	return n == 1;
}

static bool read_plan(struct reader *r, struct config_gate *g, const struct yaml *e)
{
	static const char *const known[] = { "duration", "kind", "requests", "tokens", "cost",
					     "multiplier", "plan" };
	const struct yaml *y;
	double factor = 1;
	if (!wants(r, e, YAML_MAP, "a plan's window", "{duration, requests}"))
		return false;
	check_keys(r, e, known, COUNT(known));
	*g = (struct config_gate){ .factor_milli = 1000 };
	y = yaml_get(e, "duration");
	if (!y || y->kind != YAML_SCALAR || str_read_duration_ms(y->text, &g->span_ms) < 0 ||
	    g->span_ms < 1000 || g->span_ms > SPAN_MAX_MS)
		return wrong(r, y ? y : e, "is not a duration (want 5h, 7d: a second or more)");
	y = yaml_get(e, "kind");
	if (y && y->kind != YAML_NULL) {
		g->is_fixed = y->kind == YAML_SCALAR && str_eq(y->text, STR("fixed"));
		if (!g->is_fixed && !(y->kind == YAML_SCALAR && str_eq(y->text, STR("rolling"))))
			return wrong(r, y, "is no kind of window (want rolling, fixed)");
	}
	y = yaml_get(e, "multiplier");
	if (y && y->kind != YAML_NULL) {
		if (y->kind != YAML_SCALAR || str_read_double(y->text, &factor) < 0 ||
		    !(factor >= 0.001 && factor <= 1e6))
			return wrong(r, y, "is not a multiplier (want 0.001 to 1000000)");
		g->factor_milli = (uint64_t)(factor * 1000 + 0.5);
	}
	y = yaml_get(e, "plan");
	if (y && y->kind == YAML_SCALAR)
		g->name = keep(r, y->text);
	return read_limit(r, g, e);
}

bool gates_set_plans(struct reader *r, struct config_gates *at, const struct directive *d,
		     const struct yaml *y)
{
	struct config_gates list = { 0 };
	if (!wants(r, y, YAML_LIST, d->name, "a list of windows"))
		return false;
	if (y->count > GATES_MAX) {
		complain(r, COMPLAINT_ERROR, &y->place, "more than %d windows", GATES_MAX);
		return false;
	}
	list.v = keep_array(r, y->count, sizeof *list.v);
	for (const struct yaml *e = y->child; list.v && e; e = e->next)
		list.n += read_plan(r, &list.v[list.n], e);
	*at = list;
	return list.v != NULL;
}

/* ---- hours ---- */

static bool set_days(struct reader *r, struct zone_window *w, const struct yaml *y)
{
	w->days = y && y->kind != YAML_NULL ? 0 : ZONE_ALL_DAYS;
	if (w->days)
		return true;
	bool alone = y->kind == YAML_SCALAR;
	for (const struct yaml *e = alone ? y : y->child; e; e = alone ? NULL : e->next) {
		uint32_t days = e->kind == YAML_SCALAR ? zone_read_days(e->text) : 0;
		if (!days)
			return wrong(r, e, "names no day (want mon, mon-fri)");
		w->days |= days;
	}
	return w->days || wrong(r, y, "names no day (want mon, mon-fri)");
}

static bool set_time(struct reader *r, uint32_t *at, const struct yaml *y, uint32_t preset)
{
	*at = preset;
	if (!y || y->kind == YAML_NULL)
		return true;
	if (y->kind != YAML_SCALAR || zone_read_time(y->text, at) < 0)
		return wrong(r, y, "is not a time of the day (want \"08:00\")");
	return true;
}

static bool read_hours(struct reader *r, struct zone_window *w, const struct yaml *e)
{
	static const char *const known[] = { "days", "from", "to", "time_zone" };
	const struct yaml *zone;
	if (!wants(r, e, YAML_MAP, "an access window", "{days, from, to, time_zone}"))
		return false;
	check_keys(r, e, known, COUNT(known));
	if (!set_days(r, w, yaml_get(e, "days")) || !set_time(r, &w->from, yaml_get(e, "from"), 0) ||
	    !set_time(r, &w->to, yaml_get(e, "to"), ZONE_DAY_MINUTES))
		return false;
	zone = yaml_get(e, "time_zone");
	if (!zone || zone->kind == YAML_NULL)
		return true;
	if (zone->kind != YAML_SCALAR || !zone_is_known(zone->text))
		return wrong(r, zone, "is no time zone that this system knows (want Europe/Zurich)");
	w->zone = keep(r, zone->text);
	return true;
}

bool gates_set_hours(struct reader *r, struct config_hours *at, const struct directive *d,
		     const struct yaml *y)
{
	struct config_hours list = { 0 };
	if (!wants(r, y, YAML_LIST, d->name, "a list of windows"))
		return false;
	if (y->count > ZONE_WINDOWS_MAX) {
		complain(r, COMPLAINT_ERROR, &y->place, "more than %d windows", ZONE_WINDOWS_MAX);
		return false;
	}
	list.v = keep_array(r, y->count, sizeof *list.v);
	for (const struct yaml *e = y->child; list.v && e; e = e->next) {
		if (read_hours(r, &list.v[list.n], e))
			list.n++;
		else
			list.v[list.n] = (struct zone_window){ 0 };
	}
	*at = list;
	return list.v != NULL;
}

/* ---- written out ---- */

static void put_dollars(struct json_out *o, const char *key, uint64_t nano)
{
	json_put_double(o, key, (double)nano / 1e9);
}

void gates_put_budgets(struct json_out *o, const char *key, const struct config_gates *g)
{
	json_open(o, key);
	for (size_t i = 0; i < g->n; i++) {
		json_key(o, g->v[i].name);
		json_open(o, NULL);
		put_dollars(o, "budget_limit", g->v[i].limit);
		json_put_str(o, "time_period", g->v[i].period);
		json_close(o);
	}
	json_close(o);
}

void gates_put_plans(struct json_out *o, const char *key, const struct config_gates *g)
{
	json_open_array(o, key);
	for (size_t i = 0; i < g->n; i++) {
		const struct config_gate *p = &g->v[i];
		json_open(o, NULL);
		json_put_double(o, "duration", (double)p->span_ms / 1000);
		if (p->is_fixed)
			json_put_z(o, "kind", "fixed");
		if (p->kind == GATE_COST)
			put_dollars(o, "cost", p->limit);
		else
			json_put_u64(o, p->kind == GATE_TOKENS ? "tokens" : "requests", p->limit);
		json_put_double(o, "multiplier", (double)p->factor_milli / 1000);
		if (p->name.n)
			json_put_str(o, "plan", p->name);
		json_close(o);
	}
	json_close_array(o);
}

static void put_clock(struct json_out *o, const char *key, uint32_t minutes)
{
	char text[16];
	snprintf(text, sizeof text, "%02u:%02u", minutes / 60, minutes % 60);
	json_put_z(o, key, text);
}

void gates_put_hours(struct json_out *o, const char *key, const struct config_hours *h)
{
	json_open_array(o, key);
	for (size_t i = 0; i < h->n; i++) {
		const struct zone_window *w = &h->v[i];
		json_open(o, NULL);
		json_open_array(o, "days");
		for (size_t d = 0; d < COUNT(zone_day_names); d++)
			if (w->days >> d & 1)
				json_put_z(o, NULL, zone_day_names[d]);
		json_close_array(o);
		put_clock(o, "from", w->from);
		put_clock(o, "to", w->to);
		json_put_str(o, "time_zone", w->zone.n ? w->zone : STR("UTC"));
		json_close(o);
	}
	json_close_array(o);
}
