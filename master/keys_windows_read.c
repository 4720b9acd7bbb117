/* SPDX-License-Identifier: MIT
 * keys_windows_read.c - limits in windows as they stand with what is kept and shown of a key or a
 * team (extra.limit_windows and its kin): read, and what is wrong with them.
 *
 * A window is known on the board by its owner, its length, what it counts and its name: where one
 * of these is another, it counts from nothing; where its limit is, it goes on. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/price.h"
#include "master/keys_windows.h"

enum { LIST_MAX = 8 };			/* windows of limit_windows; the others are single limits */
#define SPAN_MAX_MS (UINT64_C(400) * 24 * 3600 * 1000)
#define COUNT_MAX (UINT32_MAX * UINT64_C(1000))
#define MINUTE_NS (60 * NS_PER_S)

static const char list_name[] = "limit_windows";
/* A minute's limits beside rpm_limit and tpm_limit. */
static const struct {
	const char *name;
	enum snap_gate_kind kind;
} minutes[] = { { "tpm_input_limit", GATE_INPUT }, { "tpm_output_limit", GATE_OUTPUT } };
static const char burst_name[] = "rpm_burst";
_Static_assert(LIST_MAX + COUNT(minutes) <= (size_t)WINDOWS_MAX, "an owner has room for all");

/* Members have none, and a budget lends none. */
static bool may_have(enum dir_kind kind)
{
	return kind <= DIR_ORGANIZATION || kind == DIR_CUSTOMER || kind == DIR_TAG;
}

bool key_windows_has(enum dir_kind kind, const struct key_row *row)
{
	return may_have(kind) && (str_find(row->extra, STR("\"limit_windows\"")) != SIZE_MAX ||
				  str_find(row->extra, STR("\"tpm_input_limit\"")) != SIZE_MAX ||
				  str_find(row->extra, STR("\"tpm_output_limit\"")) != SIZE_MAX);
}

/* ---- one window, from its object. NULL, or what is wrong with it ---- */

static struct str text_of(struct arena *a, const struct json *j)
{
	if (json_is(j, JSON_STRING))
		return json_str(a, j);
	return json_is(j, JSON_NUMBER) ? j->raw : STR_NONE;
}

static const char *read_factor(struct arena *a, const struct json *j, uint64_t *ret_milli)
{
	double factor;
	if (!json_is_given(j))
		return NULL;
	if (str_read_double(text_of(a, j), &factor) < 0 || !(factor >= 0 && factor <= 1e6))
		return "a multiplier wants a number of 0 to 1000000";
	*ret_milli = (uint64_t)(factor * 1000 + 0.5);
	return NULL;
}

static const char *read_days(struct arena *a, const struct json *j, uint32_t *ret)
{
	if (!json_is(j, JSON_ARRAY)) {
		*ret = zone_read_days(text_of(a, j));
		return *ret ? NULL : "days want mon, mon-fri, or a list of them";
	}
	for (const struct json *e = j->child; e; e = e->next) {
		uint32_t days = zone_read_days(text_of(a, e));
		if (!days)
			return "days want mon, mon-fri, or a list of them";
		*ret |= days;
	}
	return NULL;
}

static const char *read_hours(struct arena *a, const struct json *e, struct key_window_rule *rule)
{
	const struct json *days = json_get(e, "days"), *from = json_get(e, "from"),
			  *to = json_get(e, "to"), *zone = json_get(e, "time_zone");
	struct zone_window w = { .to = ZONE_DAY_MINUTES };
	const char *why = json_is_given(days) ? read_days(a, days, &w.days) : NULL;
	if (why)
		return why;
	w.days = w.days ? w.days : ZONE_ALL_DAYS;
	if ((json_is_given(from) && zone_read_time(text_of(a, from), &w.from) < 0) ||
	    (json_is_given(to) && zone_read_time(text_of(a, to), &w.to) < 0))
		return "from and to want times of the day (\"08:00\")";
	if (json_is_given(zone)) {
		w.zone = text_of(a, zone);
		if (!zone_is_known(w.zone))
			return "time_zone is none that this system knows (want Europe/Zurich)";
	}
	rule->hours = w;
	rule->has_hours = json_is_given(days) || json_is_given(from) || json_is_given(to);
	return NULL;
}

static const char *check_members(const struct json *e, const char *const *known, size_t n)
{
	for (const struct json *j = e->child; j; j = j->next) {
		bool is_known = false;
		for (size_t i = 0; i < n; i++)
			is_known |= str_eq_z(j->key, known[i]);
		if (!is_known)
			return "has a member that nobody knows";
	}
	return NULL;
}

static const char *read_rule(struct arena *a, const struct json *e, struct key_window_rule *rule)
{
	static const char *const known[] = { "model", "days", "from", "to", "time_zone",
					     "multiplier" };
	const struct json *model = json_get(e, "model");
	if (!json_is(e, JSON_OBJECT) || !json_is_given(json_get(e, "multiplier")))
		return "multipliers want {model, days, from, to, time_zone, multiplier}";
	const char *why = check_members(e, known, COUNT(known));
	if (!why && json_is_given(model)) {
		rule->model = text_of(a, model);
		if (!rule->model.n || rule->model.n > WINDOW_MODEL_MAX)
			return "a multiplier's model wants a name, or a pattern with '*'";
	}
	if (!why)
		why = read_hours(a, e, rule);
	return why ? why : read_factor(a, json_get(e, "multiplier"), &rule->factor_milli);
}

static const char *read_rules(struct arena *a, const struct json *list, struct key_window *w)
{
	const char *why = NULL;
	if (!json_is_given(list))
		return NULL;
	if (!json_is(list, JSON_ARRAY) || list->count > WINDOW_RULES_MAX)
		return "multipliers want a list of at most 16";
	w->rules = arena_array(a, list->count + 1, sizeof *w->rules);
	for (const struct json *e = list->child; e && w->rules && !why; e = e->next)
		why = read_rule(a, e, &w->rules[w->n_rules++]);
	return w->rules ? why : "is too large";
}

static const char *read_limit(struct arena *a, const struct json *e, struct snap_gate *g)
{
	static const enum snap_gate_kind kinds[] = { GATE_REQUESTS, GATE_TOKENS, GATE_INPUT,
						     GATE_OUTPUT, GATE_COST };
	unsigned n = 0;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct json *j = json_get(e, window_unit(kinds[i]));
		int64_t nano = 0;
		if (!json_is_given(j))
			continue;
		n++;
		g->kind = kinds[i];
		if (kinds[i] == GATE_COST) {
			if (price_read_nano(text_of(a, j), &nano) < 0 || nano < 1000)
				return "cost wants dollars, at least 0.000001";
			g->limit = (uint64_t)nano;
		} else if (str_read_u64(text_of(a, j), &g->limit) < 0 || !g->limit ||
			   g->limit > COUNT_MAX) {
			return "wants a whole number of at least 1 as its limit";
		}
	}
	return n == 1 ? NULL : "wants one of requests, tokens, input_tokens, output_tokens, cost";
}

/* It stands in headers. */
static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !strchr("-_.", s.p[i]))
			return false;
	return s.n && s.n <= WINDOW_NAME_MAX;
}

static const char *read_window(struct arena *a, const struct json *e, struct key_window *w)
{
	static const char *const known[] = { "duration", "kind", "requests", "tokens",
					     "input_tokens", "output_tokens", "cost", "multiplier",
					     "multipliers", "name" };
	uint64_t ms;
	if (!json_is(e, JSON_OBJECT))
		return "wants a list of windows: {duration, requests}";
	*w = (struct key_window){ .gate = { .factor_milli = 1000 } };
	if (str_read_duration_ms(text_of(a, json_get(e, "duration")), &ms) < 0 || ms < 1000 ||
	    ms % 1000 || ms > SPAN_MAX_MS)
		return "wants a duration of 1s to 400d (5h, 7d)";
	w->gate.span_ns = ms * NS_PER_MS;
	if (json_is_given(json_get(e, "kind"))) {
		struct str kind = text_of(a, json_get(e, "kind"));
		w->gate.is_fixed = str_eq(kind, STR("fixed"));
		if (!w->gate.is_fixed && !str_eq(kind, STR("rolling")))
			return "wants rolling or fixed as its kind";
	}
	if (json_is_given(json_get(e, "name"))) {
		w->name = text_of(a, json_get(e, "name"));
		if (!is_name(w->name))
			return "wants a name of at most 64 letters, digits, '-', '_' and '.'";
	}
	const char *why = check_members(e, known, COUNT(known));
	if (!why)
		why = read_limit(a, e, &w->gate);
	if (!why)
		why = read_factor(a, json_get(e, "multiplier"), &w->gate.factor_milli);
	return why ? why : read_rules(a, json_get(e, "multipliers"), w);
}

static bool is_same(const struct key_window *x, const struct key_window *y)
{
	return x->gate.kind == y->gate.kind && x->gate.span_ns == y->gate.span_ns &&
	       x->gate.is_fixed == y->gate.is_fixed && str_eq(x->name, y->name);
}

static const char *read_list(struct arena *a, const struct json *list, struct key_window *v,
			     size_t *ret_n)
{
	const char *why = NULL;
	*ret_n = 0;
	if (!json_is(list, JSON_ARRAY))
		return "wants a list of windows: [{duration, requests}]";
	if (list->count > LIST_MAX)
		return "has more than 8 windows";
	for (const struct json *e = list->child; e && !why; e = e->next) {
		why = read_window(a, e, &v[*ret_n]);
		for (size_t i = 0; i < *ret_n && !why; i++)
			if (is_same(&v[i], &v[*ret_n]))
				why = "has two windows of one length and unit: give them names";
		*ret_n += !why;
	}
	return why;
}

static const char *read_count(const struct json *j, uint64_t *ret)
{
	*ret = 0;
	if (!json_is_given(j))
		return NULL;
	if (!json_is(j, JSON_NUMBER) || str_read_u64(j->raw, ret) < 0 || !*ret ||
	    *ret > UINT32_MAX)
		return "must be a whole number of at least 1";
	return NULL;
}

const char *key_windows_fault(struct arena *a, const struct json *arg)
{
	struct key_window v[LIST_MAX];
	const char *why = NULL;
	uint64_t n;
	size_t count;
	if (str_eq_z(arg->key, list_name) && json_is_given(arg))
		why = read_list(a, arg, v, &count);
	else if (str_eq_z(arg->key, burst_name))
		why = read_count(arg, &n);
	for (size_t i = 0; i < COUNT(minutes) && !why; i++)
		if (str_eq_z(arg->key, minutes[i].name))
			why = read_count(arg, &n);
	return why;
}

/* ---- from a row ---- */

static uint64_t more_u64(uint64_t h, uint64_t v)
{
	return hash_stable_more(h, str_of((const char *)&v, sizeof v));
}

static uint64_t board_name(uint64_t owner, const struct key_window *w)
{
	uint64_t h = more_u64(hash_stable(STR("window")), owner);
	h = more_u64(more_u64(h, w->gate.kind | (uint64_t)w->gate.is_fixed << 32), w->gate.span_ns);
	h = hash_stable_more(h, w->name);
	return h > BOARD_GONE ? h : BOARD_GONE + 1;
}

static const struct json *extra_of(struct arena *a, const struct key_row *row, int *err)
{
	struct json_error e;
	const struct json *j = json_parse(a, row->extra, 0, &e);
	*err = j ? 0 : -ENOMEM;		/* it is our own writing */
	return json_is(j, JSON_OBJECT) ? j : NULL;
}

int key_windows_of(struct arena *a, enum dir_kind kind, const struct key_row *row,
		   struct key_window **ret, size_t *ret_n)
{
	int err;
	uint64_t limit;
	*ret_n = 0;
	*ret = NULL;
	if (!key_windows_has(kind, row))
		return 0;
	const struct json *j = extra_of(a, row, &err);
	struct key_window *v = arena_array(a, WINDOWS_MAX, sizeof *v);
	if (err || !v)
		return -ENOMEM;
	/* What was kept before it was checked may be anything: the part that is good counts. */
	if (json_is_given(json_get(j, list_name)))
		(void)read_list(a, json_get(j, list_name), v, ret_n);
	for (size_t i = 0; i < COUNT(minutes); i++) {
		if (read_count(json_get(j, minutes[i].name), &limit) || !limit)
			continue;
		v[(*ret_n)++] = (struct key_window){
			.name = str_z(minutes[i].name),
			.gate = { .kind = minutes[i].kind, .limit = limit, .span_ns = MINUTE_NS,
				  .factor_milli = 1000 } };
	}
	for (size_t i = 0; i < *ret_n; i++)
		v[i].id_hash = board_name(ENTITY_OF(kind) | row->id, &v[i]);
	*ret = v;
	return 0;
}

uint32_t key_burst_of(struct arena *a, const struct key_row *row)
{
	uint64_t n = 0;
	int err;
	if (str_find(row->extra, STR("\"rpm_burst\"")) == SIZE_MAX)
		return 0;
	const struct json *j = extra_of(a, row, &err);
	return !j || read_count(json_get(j, burst_name), &n) ? 0 : (uint32_t)n;
}
