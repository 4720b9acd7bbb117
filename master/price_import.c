/* SPDX-License-Identifier: MIT
 * price_import.c - see price_import.h. A job reads the map and writes what is new of it, all or
 * nothing; then its lines are in force, and the next snapshot is made with them. */
#include "master/price_import.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/command_job.h"
#include "master/keys_private.h"
#include "master/master.h"
#include "master/price_map.h"
#include "master/publish.h"
#include "master/store_sql.h"

enum {
	LINES_BYTES_MAX = PRICE_LINES_MAX * PRICE_LINE_MAX,
	NOTED_MAX = 500			/* models that the audit log has by name */
};

struct entry {
	struct str model, line, before;	/* before: .n 0 where it is new */
	bool is_stored;			/* the database has exactly this line */
	bool was_imported;		/* before is the database's */
	const char *why;		/* of one that is refused */
};
struct change {
	struct command_call *c;
	const struct json *map;		/* of an import; NULL: a reset */
	struct str pattern;		/* of a reset; .n 0: all */
	bool is_dry;
	struct entry *v;
	size_t n, lacking;
	size_t added, changed, unchanged, refused, removed;
	struct buf lines;		/* all that the database has, then */
};

/* ---- reading the database ---- */

static int read_lines(struct store_db *db, struct buf *to)
{
	struct sql *q = sql_query(db, "SELECT line FROM price_lines ORDER BY model");
	int r;
	while ((r = sql_row(q)) > 0) {
		buf_put(to, sql_get_text(q, 0));
		buf_put_char(to, '\n');
	}
	sql_end(q);
	return r < 0 ? r : to->failed ? -ENOMEM : 0;
}

static int open_job(struct store_db *db, void *data)
{
	return read_lines(db, data);
}

int price_import_open(struct store *store, bool *ret_any)
{
	struct buf lines;
	buf_init(&lines, LINES_BYTES_MAX);
	int err = store_write_wait(store, open_job, &lines);
	if (!err)
		err = prices_import(buf_str(&lines));
	*ret_any = !err && lines.n;
	buf_done(&lines);
	return err;
}

/* The line in force of exactly that name. */
static int find_before(struct change *ch, struct store_db *db, struct entry *e)
{
	struct price_row row;
	struct sql *q = sql_query(db, "SELECT line FROM price_lines WHERE model = ?");
	sql_text(q, 1, e->model);
	int r = sql_row(q);
	if (r > 0) {
		e->before = arena_dup(ch->c->mem, sql_get_text(q, 0));
		e->was_imported = true;
	}
	sql_end(q);
	if (r < 0 || (r > 0 && !e->before.p))
		return r < 0 ? r : -ENOMEM;
	e->is_stored = r > 0 && str_eq(e->before, e->line);
	if (r == 0 && prices_shipped(e->model, &row))
		e->before = row.line;
	return 0;
}

/* ---- an import ---- */

static int take_entry(struct change *ch, struct store_db *db, const struct json *j,
		      struct buf *line)
{
	struct arena *mem = ch->c->mem;
	struct entry *e = &ch->v[ch->n];
	char why[160];
	enum price_verdict v = price_map_line(mem, j, line, why);
	if (v == PRICE_NO_MEMORY)
		return -ENOMEM;
	ch->lacking += v == PRICE_LACKING;
	if (v == PRICE_LACKING)
		return 0;
	*e = (struct entry){ .model = arena_dup(mem, j->key) };
	ch->n++;
	if (v == PRICE_REFUSED) {
		ch->refused++;
		e->why = arena_dup_z(mem, str_z(why));
		return e->why && e->model.p ? 0 : -ENOMEM;
	}
	e->line = arena_dup(mem, buf_str(line));
	if (!e->line.p || !e->model.p)
		return -ENOMEM;
	int err = find_before(ch, db, e);
	if (!e->before.n)
		ch->added++;
	else if (str_eq(e->before, e->line))
		ch->unchanged++;
	else
		ch->changed++;
	return err;
}

static int take_map(struct change *ch, struct store_db *db)
{
	struct buf line;
	int err = 0;
	buf_init(&line, PRICE_LINE_MAX);
	for (const struct json *j = ch->map->child; j && !err; j = j->next)
		err = take_entry(ch, db, j, &line);
	buf_done(&line);
	return err;
}

static int write_entries(struct change *ch, struct store_db *db, bool *ret_any)
{
	int err = 0;
	for (size_t i = 0; i < ch->n && !err; i++) {
		const struct entry *e = &ch->v[i];
		if (e->is_stored || e->why)
			continue;
		struct sql *q = sql_query(db, "INSERT OR REPLACE INTO price_lines (model, line)"
					      " VALUES (?, ?)");
		sql_text(q, 1, e->model);
		sql_text(q, 2, e->line);
		err = sql_run(q);
		*ret_any = true;
	}
	return err;
}

/* ---- a reset ---- */

static bool is_chosen(const struct change *ch, struct str model)
{
	return !ch->pattern.n || str_matches(ch->pattern, model);
}

static int choose(struct change *ch, struct store_db *db)
{
	struct sql *q = sql_query(db, "SELECT model, line FROM price_lines ORDER BY model");
	int r, err = 0;
	while ((r = sql_row(q)) > 0 && !err && ch->n < PRICE_LINES_MAX) {
		if (!is_chosen(ch, sql_get_text(q, 0)))
			continue;
		struct entry *e = &ch->v[ch->n++];
		e->model = arena_dup(ch->c->mem, sql_get_text(q, 0));
		e->before = arena_dup(ch->c->mem, sql_get_text(q, 1));
		e->was_imported = true;
		err = e->model.p && e->before.p ? 0 : -ENOMEM;
	}
	sql_end(q);
	ch->removed = ch->n;
	return r < 0 ? r : err;
}

static int delete_entries(struct change *ch, struct store_db *db, bool *ret_any)
{
	struct price_row row;
	int err = 0;
	for (size_t i = 0; i < ch->n && !err; i++) {
		struct sql *q = sql_query(db, "DELETE FROM price_lines WHERE model = ?");
		sql_text(q, 1, ch->v[i].model);
		err = sql_run(q);
		if (prices_shipped(ch->v[i].model, &row))
			ch->v[i].line = row.line;	/* what counts again */
		*ret_any = true;
	}
	return err;
}

/* ---- the job ---- */

static void put_noted(struct change *ch, struct buf *to)
{
	struct json_out o = json_out(to);
	size_t n = 0;
	json_open(&o, NULL);
	for (size_t i = 0; i < ch->n && n < NOTED_MAX; i++) {
		const struct entry *e = &ch->v[i];
		if (e->why || !e->before.n || str_eq(e->before, e->line))
			continue;
		n++;
		json_key(&o, e->model);
		json_open_array(&o, NULL);
		json_put_str(&o, NULL, e->before);
		json_put_str(&o, NULL, e->line);
		json_close_array(&o);
	}
	json_close(&o);
}

/* What the audit log gets: price_lines is too long for it. */
static int note(struct change *ch, struct store_db *db)
{
	struct buf models;
	buf_init(&models, 4 * NOTED_MAX * PRICE_LINE_MAX);
	put_noted(ch, &models);
	struct sql *q = sql_query(db, "INSERT OR REPLACE INTO price_changes (number, changed_at,"
				      " changed_by, added, changed, removed, models)"
				      " VALUES (1, ?, ?, ?, ?, ?, ?)");
	sql_int(q, 1, (int64_t)clock_wall_ns());
	sql_text(q, 2, key_caller_name(ch->c));
	sql_int(q, 3, (int64_t)ch->added);
	sql_int(q, 4, (int64_t)ch->changed);
	sql_int(q, 5, (int64_t)ch->removed);
	sql_text(q, 6, buf_str(&models));
	int err = models.failed ? -ENOMEM : sql_run(q);
	buf_done(&models);
	return err;
}

static int count_lines(struct store_db *db)
{
	struct sql *q = sql_query(db, "SELECT count(*) FROM price_lines");
	int r = sql_row(q);
	int64_t n = r > 0 ? sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : n > PRICE_LINES_MAX ? -E2BIG : 0;
}

static int change_job(struct store_db *db, void *data)
{
	struct change *ch = data;
	bool any = false;
	size_t most = ch->map ? ch->map->count : PRICE_LINES_MAX;
	ch->v = arena_array(ch->c->mem, most + 1, sizeof *ch->v);
	int err = !ch->v ? -ENOMEM : ch->map ? take_map(ch, db) : choose(ch, db);
	if (err || ch->is_dry)
		return err;
	err = ch->map ? write_entries(ch, db, &any) : delete_entries(ch, db, &any);
	if (!err)
		err = count_lines(db);
	if (!err && any)
		err = note(ch, db);
	return err ? err : read_lines(db, &ch->lines);
}

/* ---- the answer ---- */

static const char *result_of(const struct change *ch, const struct entry *e)
{
	if (e->why)
		return "refused";
	if (!ch->map)
		return "removed";
	if (!e->before.n)
		return "new";
	return str_eq(e->before, e->line) ? "unchanged" : "changed";
}

static void put_side(struct json_out *o, const char *name, struct str line)
{
	if (!line.n)
		return;
	struct price_row row = prices_read_line(line);
	json_open(o, name);
	price_map_put(o, &row);
	json_close(o);
}

/* "2.5e-06 -> 3e-06", or one of them. */
static void put_step(struct json_out *o, const char *name, struct str before, struct str after,
		     bool is_input)
{
	char text[80];
	double v[2] = { 0, 0 };
	bool has[2] = { false, false };
	const struct str lines[2] = { before, after };
	for (unsigned i = 0; i < 2; i++) {
		struct price_row row = prices_read_line(lines[i]);
		has[i] = is_input ? row.has_input : row.has_output;
		v[i] = (double)(is_input ? row.price.input : row.price.output) / 1e12;
	}
	if (has[0] && has[1] && v[0] != v[1])
		snprintf(text, sizeof text, "%.6g -> %.6g", v[0], v[1]);
	else if (has[0] || has[1])
		snprintf(text, sizeof text, "%.6g", has[1] ? v[1] : v[0]);
	else
		snprintf(text, sizeof text, "-");
	json_put_z(o, name, text);
}

static void put_entry(const struct change *ch, struct json_out *o, const struct entry *e)
{
	json_open(o, NULL);
	json_put_str(o, "model", e->model);
	json_put_z(o, "result", result_of(ch, e));
	if (e->why) {
		json_put_z(o, "why", e->why);
	} else {
		put_step(o, "input", e->before, e->line, true);
		put_step(o, "output", e->before, e->line, false);
		put_side(o, "before", e->before);
		put_side(o, "after", e->line);
	}
	json_close(o);
}

/* The first words of an import are LiteLLM's. */
static const char *opening(const struct change *ch)
{
	if (ch->is_dry)
		return "Nothing is changed, this was a dry run:";
	return ch->map ? "Price data reloaded successfully!" : "The shipped prices count again:";
}

static void answer(struct change *ch)
{
	struct json_out o = json_out(&ch->c->out);
	char text[256];
	size_t n = (size_t)snprintf(text, sizeof text, "%s ", opening(ch));
	if (ch->map)
		snprintf(text + n, sizeof text - n,
			 "%zu new, %zu changed, %zu unchanged, %zu refused, %zu without a price",
			 ch->added, ch->changed, ch->unchanged, ch->refused, ch->lacking);
	else
		snprintf(text + n, sizeof text - n, "%zu removed", ch->removed);
	json_open(&o, NULL);
	json_put_z(&o, "message", text);
	json_put_z(&o, "status", "success");
	json_put_bool(&o, "dry_run", ch->is_dry);
	json_put_u64(&o, "models_count", ch->added + ch->changed + ch->unchanged);
	json_put_u64(&o, "new", ch->added);
	json_put_u64(&o, "changed", ch->changed);
	json_put_u64(&o, "unchanged", ch->unchanged);
	json_put_u64(&o, "removed", ch->removed);
	json_put_u64(&o, "refused", ch->refused);
	json_put_u64(&o, "without_price", ch->lacking);
	json_put_time(&o, "timestamp", clock_wall_ns());
	json_open_array(&o, "rows");
	for (size_t i = 0; i < ch->n; i++) {
		const struct entry *e = &ch->v[i];
		if (e->why || !ch->map || !str_eq(e->before, e->line))
			put_entry(ch, &o, e);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(ch->c);
}

/* ---- into force ---- */

static int make_nothing(void *data, struct publish_change *ret)
{
	(void)data;
	*ret = (struct publish_change){ 0 };
	return 0;
}

static void on_published(void *data, int err, struct str complaints)
{
	struct change *ch = data;
	if (err < 0 && err != -ETIMEDOUT)
		command_fail(ch->c, 503, "service_unavailable_error", NULL,
			     "the prices are stored and count from the next reload; now the "
			     "configuration cannot be published: " STR_FMT "%s",
			     STR_ARG(complaints), complaints.n ? "" : strerror(-err));
	else
		answer(ch);
}

static void fail_change(struct change *ch, int err)
{
	if (err == -E2BIG)
		command_fail(ch->c, 400, "invalid_request_error", "prices",
			     "more than %d models would have prices", PRICE_LINES_MAX);
	else
		command_fail_store(ch->c, err);
}

static void on_stored(void *data, int err)
{
	struct change *ch = data;
	struct command_call *c = ch->c;
	bool differs = ch->added || ch->changed || ch->removed;
	if (!err && !ch->is_dry)
		err = prices_import(buf_str(&ch->lines));
	buf_done(&ch->lines);
	if (err) {
		fail_change(ch, err);
		return;
	}
	if (ch->is_dry || !differs) {
		answer(ch);
		return;
	}
	LOG(LOG_INFO, "prices.changed", F_INT("new", ch->added), F_INT("changed", ch->changed),
	    F_INT("removed", ch->removed), F_INT("refused", ch->refused));
	err = publish_change(c->master, key_caller_name(c),
			     ch->map ? STR("prices import") : STR("prices reset"), make_nothing,
			     on_published, ch);
	if (err)
		on_published(ch, err, STR_NONE);
}

static void start(struct change *ch)
{
	buf_init(&ch->lines, LINES_BYTES_MAX);
	if (ch->is_dry)
		command_read(ch, change_job, on_stored);
	else
		command_write(ch, change_job, on_stored);
}

/* ---- commands ---- */

static struct change *change_new(struct command_call *c)
{
	struct change *ch = command_state(c, sizeof *ch);
	if (!ch)
		return NULL;
	return command_bool(c, "dry_run", &ch->is_dry) == -EINVAL ? NULL : ch;
}

void price_import(struct command_call *c)
{
	const struct json *map = json_get(c->args, "prices");
	if (!json_is(map, JSON_OBJECT)) {
		command_fail(c, 400, "invalid_request_error", "prices",
			     "llmgw fetches no prices by itself: give LiteLLM's price map, an "
			     "object of models, as prices");
		return;
	}
	if (map->count > PRICE_LINES_MAX) {
		command_fail(c, 400, "invalid_request_error", "prices", "more than %d models",
			     PRICE_LINES_MAX);
		return;
	}
	struct change *ch = change_new(c);
	if (!ch)
		return;
	ch->map = map;
	start(ch);
}

void price_reset(struct command_call *c)
{
	struct str pattern = STR("");
	if (command_str(c, "model", &pattern) == -EINVAL)
		return;
	struct change *ch = change_new(c);
	if (!ch)
		return;
	ch->pattern = pattern;
	start(ch);
}

/* ---- /schedule/model_cost_map_reload/status ---- */

struct status_call {
	struct command_call *c;
	int64_t at, n;
};

static int status_job(struct store_db *db, void *data)
{
	struct status_call *sc = data;
	struct sql *q = sql_query(db, "SELECT (SELECT max(changed_at) FROM price_changes),"
				      " (SELECT count(*) FROM price_lines)");
	int r = sql_row(q);
	if (r > 0) {
		sc->at = sql_get_int(q, 0);
		sc->n = sql_get_int(q, 1);
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

static void on_status(void *data, int err)
{
	struct status_call *sc = data;
	if (err) {
		command_fail_store(sc->c, err);
		return;
	}
	struct json_out o = json_out(&sc->c->out);
	json_open(&o, NULL);
	json_put_bool(&o, "scheduled", false);
	json_put_null(&o, "interval_hours");
	json_put_time(&o, "last_run", (uint64_t)sc->at);
	json_put_null(&o, "next_run");
	json_put_i64(&o, "imported_models", sc->n);
	json_close(&o);
	command_finish(sc->c);
}

void price_status(struct command_call *c)
{
	struct status_call *sc = command_state(c, sizeof *sc);
	if (sc)
		command_read(sc, status_job, on_status);
}
