/* SPDX-License-Identifier: MIT
 * keys_windows.c - limits of keys, teams and tenants in windows: refused when they are none, given
 * a place on the board, counted again at start, and shown. */
#include "master/keys_windows.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/gate.h"
#include "common/journal.h"
#include "common/mem.h"
#include "master/gates_private.h"
#include "master/spend_private.h"

int key_windows_check(struct command_call *c, const struct json *arg)
{
	const char *why = key_windows_fault(c->mem, arg);
	if (!why)
		return 0;
	command_fail(c, 400, "invalid_request_error", arena_dup_z(c->mem, arg->key), STR_FMT " %s",
		     STR_ARG(arg->key), why);
	return -EINVAL;
}

/* ---- on the board ---- */

static void turn(struct keys *k, struct key_hours *h, uint64_t wall_ns)
{
	bool is_open = zone_is_open(&h->window, 1, wall_ns, &h->change_ns);
	atomic_store(&k->board->gates[h->row].hours, (h->change_ns & ~UINT64_C(1)) | is_open);
}

/* Hours that any window has named stay in the table: there are few of them. */
static int place_hours(struct keys *k, const struct zone_window *w, uint32_t *ret)
{
	struct zone_window copy = *w;
	uint64_t hash = gates_hash_hours(&(struct config_hours){ &copy, 1 });
	for (size_t i = 0; i < k->n_hours; i++)
		if (k->hours[i].hash == hash) {
			*ret = k->hours[i].row;
			return 0;
		}
	struct key_hours *v = mem_grow(k->hours, (k->n_hours + 1) * sizeof *v);
	if (!v)
		return -ENOMEM;
	k->hours = v;
	struct key_hours *h = &v[k->n_hours];
	*h = (struct key_hours){ .hash = hash, .window = *w };
	if (w->zone.n >= sizeof h->zone)
		return -EINVAL;
	for (size_t i = 0; i <= k->n_hours; i++) {	/* they may have moved */
		if (i == k->n_hours && w->zone.n)
			memcpy(v[i].zone, w->zone.p, w->zone.n);
		v[i].window.zone.p = v[i].zone;
	}
	int err = board_place_gate(k->board, hash, &h->row);
	if (err)
		return err;
	turn(k, h, clock_wall_ns());
	*ret = h->row;
	k->n_hours++;
	return 0;
}

void key_windows_tick(struct keys *k, uint64_t wall_ns)
{
	for (size_t i = 0; i < k->n_hours; i++)
		if (k->hours[i].change_ns && wall_ns >= k->hours[i].change_ns)
			turn(k, &k->hours[i], wall_ns);
}

static int put_rules(struct keys *k, const struct key_window *w, struct buf *to)
{
	int err = 0;
	for (uint32_t i = 0; i < w->n_rules && !err; i++) {
		struct window_rule rule = { .factor_milli = w->rules[i].factor_milli,
					    .hours = WINDOW_ANY_HOUR, .model = w->rules[i].model };
		if (w->rules[i].has_hours)
			err = place_hours(k, &w->rules[i].hours, &rule.hours);
		window_put_rule(to, &rule);
	}
	return err;
}

static int place_one(struct keys *k, struct key_window *w, struct buf *text)
{
	struct window entry = { .gate = w->gate, .name = w->name, .n_rules = w->n_rules };
	struct buf rules;
	int err = board_place_window(k->board, w->id_hash, clock_wall_ns(), &w->gate.row,
				     &w->is_new);
	if (err)
		return err;
	buf_init(&rules, 65536);
	entry.gate.row = w->gate.row;
	err = put_rules(k, w, &rules);
	entry.rules = buf_str(&rules);
	window_put(text, &entry);
	text->failed |= rules.failed;
	buf_done(&rules);
	return err;
}

int key_windows_place(struct keys *k, struct key_window *v, size_t n, struct buf *text)
{
	int err = 0;
	for (size_t i = 0; i < n && !err; i++)
		err = place_one(k, &v[i], text);
	return err ? err : text->failed ? -E2BIG : 0;
}

void key_windows_take_back(struct keys *k, const struct key_window *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].is_new)
			board_free_window(k->board, v[i].gate.row, clock_wall_ns());
}

static bool has_row(struct str windows, uint32_t row)
{
	struct window w;
	while (window_next(&windows, &w))
		if (w.gate.row == row)
			return true;
	return false;
}

void key_windows_leave(struct keys *k, struct str before, struct str now)
{
	struct window w;
	while (window_next(&before, &w))
		if (!has_row(now, w.gate.row))
			board_free_window(k->board, w.gate.row, clock_wall_ns());
}

/* ---- at start: the board is new, the windows are not ---- */

static uint64_t factor_then(const struct key_window *w, struct str model, uint64_t wall_ns)
{
	uint64_t change;
	for (uint32_t i = 0; i < w->n_rules; i++) {
		const struct key_window_rule *r = &w->rules[i];
		struct window_rule rule = { .model = r->model };
		if (window_rule_fits(&rule, model) &&
		    (!r->has_hours || zone_is_open(&r->hours, 1, wall_ns, &change)))
			return r->factor_milli;
	}
	return w->gate.factor_milli;
}

static void add_row(struct keys *k, const struct key_window *w, struct sql *q)
{
	static const int columns[GATE_KINDS] = { [GATE_REQUESTS] = 2, [GATE_TOKENS] = 3,
						 [GATE_INPUT] = 4, [GATE_OUTPUT] = 5,
						 [GATE_COST] = 6 };
	struct snap_gate g = w->gate;
	uint64_t start = (uint64_t)sql_get_int(q, 0);
	int64_t n = sql_get_int(q, columns[g.kind]);
	g.factor_milli = factor_then(w, sql_get_text(q, 1), start);
	if (n > 0)
		gate_plan_add(&k->board->windows[g.row], &g, start, (uint64_t)n);
}

/* Whose rows are counted: ?1 is the number of its row, ?6 its name. */
#define COUNTED                                                                                   \
	"SELECT max(start_ns), model, sum(flags & ?4 = 0), sum(input + output), sum(input),"      \
	" sum(output), sum(cost) FROM spend_logs WHERE flags & ?5 = 0 AND start_ns >= ?2 AND "
#define GROUPED " GROUP BY start_ns / ?3, model"
#define OF_ORGANIZATION(keys)                                                                     \
	"SELECT k.id FROM " keys " k LEFT JOIN teams t ON t.team_id = k.team_id"                  \
	" WHERE coalesce(nullif(k.organization_id, ''), t.organization_id) = ?6"
static const char *const counted[DIR_KINDS] = {
	[DIR_KEY] = COUNTED "key_id = ?1" GROUPED,
	[DIR_TEAM] = COUNTED "team > 0 AND team = ?1" GROUPED,
	[DIR_USER] = COUNTED "key_id IN (SELECT id FROM keys WHERE user_id = ?6 UNION ALL"
			     " SELECT id FROM keys_deleted WHERE user_id = ?6 UNION ALL"
			     " SELECT " SPEND_TOKEN_USER " + ?1)" GROUPED,
	/* A token's rows have the number of its user or team in the place of a key's. */
	[DIR_ORGANIZATION] = COUNTED "(key_id IN (" OF_ORGANIZATION("keys") " UNION ALL "
				     OF_ORGANIZATION("keys_deleted") ") OR (key_id >= "
				     SPEND_TOKEN_TEAM " AND team IN (SELECT id FROM teams"
				     " WHERE organization_id = ?6)))" GROUPED,
	[DIR_CUSTOMER] = COUNTED "end_user = ?6" GROUPED,
	[DIR_TAG] = COUNTED "tags IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(tags)"
			    " WHERE value = ?6)" GROUPED,
};

static int count_one(struct keys *k, struct store_db *db, enum dir_kind kind,
		     const struct key_row *row, const struct key_window *w, uint64_t now_ns)
{
	struct sql *q = sql_query(db, counted[kind]);
	int r;
	sql_int(q, 1, (int64_t)row->id);
	sql_int(q, 2, (int64_t)gate_plan_begin(&w->gate, now_ns));
	sql_int(q, 3, (int64_t)(w->gate.span_ns / 60));
	sql_int(q, 4, JF_ATTEMPT);
	sql_int(q, 5, JF_SILENT | JF_IMPORTED);
	if (kind > DIR_TEAM)
		sql_text(q, 6, row->key_name);
	while ((r = sql_row(q)) > 0)
		add_row(k, w, q);
	sql_end(q);
	return r;
}

int key_windows_load(struct keys *k, struct store_db *db, enum dir_kind kind,
		     const struct key_row *row, struct arena *a)
{
	struct key_window *v;
	struct buf text;
	size_t n;
	int err = key_windows_of(a, kind, row, &v, &n);
	if (err || !n)
		return err;
	buf_init(&text, KEY_WINDOWS_TEXT_MAX);
	err = key_windows_place(k, v, n, &text);
	buf_done(&text);
	for (size_t i = 0; i < n && !err; i++)
		if (v[i].is_new)
			err = count_one(k, db, kind, row, &v[i], clock_wall_ns());
	return err;
}

/* ---- what is shown ---- */

static void put_used(struct json_out *o, const char *unit, const struct snap_gate *g, uint64_t n)
{
	if (g->kind == GATE_COST)
		json_put_money(o, unit, (int64_t)n);
	else
		json_put_u64(o, unit, n);
}

void key_windows_put_used(struct json_out *o, struct keys *k, enum dir_kind kind,
			  const struct key_row *row)
{
	struct dir_key d;
	struct window w;
	uint64_t now = clock_wall_ns();
	char length[24];
	if (!key_windows_has(kind, row) ||
	    !(kind == DIR_KEY ? dir_find(k->dir, &row->hash, &d) :
				dir_find_named(k->dir, kind, kind == DIR_TEAM ? row->team_id :
										row->key_name,
					       &d)))
		return;
	json_open_array(o, "limit_windows_used");
	while (window_next(&d.windows, &w)) {
		json_open(o, NULL);
		json_put_z(o, "duration", window_length(w.gate.span_ns, length));
		json_put_z(o, "kind", w.gate.is_fixed ? "fixed" : "rolling");
		if (w.name.n)
			json_put_str(o, "name", w.name);
		put_used(o, window_unit(w.gate.kind), &w.gate,
			 gate_plan_used(&k->board->windows[w.gate.row], &w.gate, now));
		json_close(o);
	}
	json_close_array(o);
}
