/* SPDX-License-Identifier: MIT
 * audit.c - who a command is run for, and the commands that read the audit log. */
#include "master/audit.h"

#include <arpa/inet.h>
#include <errno.h>

#include "common/clock.h"
#include "common/json_write.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/command_job.h"
#include "master/keys_private.h"
#include "master/master.h"
#include "master/store_sql.h"

enum { PAGE_SIZE = 10, PAGE_SIZE_MAX = 1000, NOTE_MAX = 1 << 20 };

/* ---- origins ---- */

static struct str address_text(const uint8_t b[16], char out[INET6_ADDRSTRLEN])
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff }, none[16];
	bool is_v4 = memcmp(b, v4, sizeof v4) == 0;
	if (memcmp(b, none, sizeof none) == 0 ||
	    !inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? b + 12 : b, out, INET6_ADDRSTRLEN))
		return STR("");
	return str_z(out);
}

static struct str role_of(const struct command_call *c)
{
	return c->is_admin ? STR("proxy_admin") : c->is_viewer ? STR("proxy_admin_viewer") :
								 STR("internal_user");
}

static struct str keep_text(char **at, struct str s)
{
	struct str kept = str_of(*at, s.n);
	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

static struct audit_origin *origin_new(struct command_call *c)
{
	char address[INET6_ADDRSTRLEN];
	struct str by = key_caller_name(c), hash = STR(""), words = str_z(c->command->words);
	struct str from = address_text(c->address, address), role = role_of(c);
	if (c->caller_key && c->caller_hash)	/* the master key's is nobody's business */
		hash = key_hash_hex(c->mem, c->caller_hash);
	struct audit_origin *o = by.p && hash.p ?
		mem_alloc(sizeof *o + by.n + hash.n + role.n + from.n + words.n) : NULL;
	if (!o)
		return NULL;
	char *at = o->text;
	o->refs = 1;
	o->changed_by = keep_text(&at, by);
	o->key_hash = keep_text(&at, hash);
	o->role = keep_text(&at, role);
	o->address = keep_text(&at, from);
	o->command = keep_text(&at, words);
	return o;
}

/* ---- running ---- */

static void run(struct command_call *c)
{
	struct store *s = c->master->store;
	struct audit_origin *o = audit_origin_keep(c->origin);
	struct audit_origin *before = store_set_origin(s, o);
	c->command->run(c);		/* may have ended the call */
	store_set_origin(s, before);
	audit_origin_drop(o);
}

struct note {				/* lives in the call's arena */
	struct command_call *c;
	struct audit_row row;
	void (*then)(struct command_call *c);
};

static int note_job(struct store_db *db, void *data)
{
	struct note *n = data;
	return audit_row_append(db, &n->row);
}

/* What acts may be what mends: it is done, even where nothing can be written. */
static void on_noted(void *data, int err)
{
	struct note *n = data;
	if (err)
		LOG(LOG_WARN, "audit.unwritten", F_Z("command", n->c->command->words),
		    F_Z("error", strerror(-err)));
	n->then(n->c);
}

static struct str masked_args(struct command_call *c)
{
	struct buf text;
	buf_init(&text, NOTE_MAX);
	audit_mask_json(c->mem, c->args->raw, &text);
	struct str s = text.failed ? STR("null") : arena_dup(c->mem, buf_str(&text));
	buf_done(&text);
	return s;
}

static int note(struct command_call *c, struct str action, struct str after,
		void (*then)(struct command_call *c))
{
	const struct audit_origin *o = c->origin;
	struct note *n = arena_alloc(c->mem, sizeof *n);
	if (!n)
		return -ENOMEM;
	n->c = c;
	n->then = then;
	n->row = (struct audit_row){
		.changed_by = o->changed_by, .key_hash = o->key_hash, .role = o->role,
		.address = o->address, .command = o->command, .action = action,
		.table_name = STR(""), .object_id = o->command, .after = after,
	};
	return store_write(c->master->store, note_job, on_noted, n);
}

/* What the caller is told, without what the answer has beside it. */
static struct str failure_of(struct command_call *c)
{
	struct json_error e;
	struct buf text;
	const struct json *answer = json_parse(c->mem, buf_str(&c->out), 0, &e);
	buf_init(&text, NOTE_MAX);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	json_put_i64(&o, "status", c->status);
	json_put_str(&o, "error", json_get_str(c->mem, json_get(answer, "error"), "message"));
	json_close(&o);
	struct str s = text.failed ? STR("null") : arena_dup(c->mem, buf_str(&text));
	buf_done(&text);
	return s;
}

bool audit_end(struct command_call *c, void (*then)(struct command_call *c))
{
	bool has_failed = c->is_noted && c->status >= 400;
	c->is_noted = false;
	return has_failed && note(c, STR("failed"), failure_of(c), then) == 0;
}

void audit_run(struct command_call *c)
{
	if (!c->master || !c->master->store) {
		c->command->run(c);
		return;
	}
	if (!c->origin)			/* a derived call has its parent's */
		c->origin = origin_new(c);
	if (!c->origin) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	if (!(c->command->flags & CMD_ACTS)) {
		run(c);
		return;
	}
	int err = note(c, STR("ran"), masked_args(c), run);
	c->is_noted = !err;
	if (err == -ECANCELED)
		run(c);
	else if (err)
		command_fail_store(c, err);
}

/* ---- reading ---- */

struct list_call {			/* lives in the call's arena */
	struct command_call *c;
	struct str id;			/* of the only one that is wanted */
	struct str values[6];		/* of the filters; .p NULL: not given */
	uint64_t page, size, total;
	bool is_oldest_first;
	struct audit_row *rows;
	size_t n;
};
static const char *const filters[] = { "changed_by", "action", "table_name", "object_id",
				       "start_date", "end_date" };

/* A filter that is not given is NULL and lets all through. */
#define WHERE                                                                                     \
	" FROM audit WHERE (?1 IS NULL OR changed_by = ?1) AND (?2 IS NULL OR action = ?2)"       \
	" AND (?3 IS NULL OR table_name = ?3) AND (?4 IS NULL OR object_id = ?4)"                 \
	" AND (?5 IS NULL OR at >= strftime('%s', ?5) * 1000000000)"                              \
	" AND (?6 IS NULL OR at < (strftime('%s', ?6) +"                                          \
	" CASE length(?6) WHEN 10 THEN 86400 ELSE 1 END) * 1000000000)"

static void bind_filters(struct list_call *l, struct sql *q)
{
	for (size_t i = 0; i < COUNT(filters); i++)
		sql_text(q, (int)i + 1, l->values[i]);
}

static int read_rows(struct list_call *l, struct sql *q)
{
	int r;
	while ((r = sql_row(q)) > 0 && l->n < l->size) {
		int err = audit_row_read(q, l->c->mem, &l->rows[l->n]);
		if (err)
			return err;
		l->n++;
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

static int list_job(struct store_db *db, void *data)
{
	struct list_call *l = data;
	struct sql *q = sql_query(db, "SELECT count(*)" WHERE);
	bind_filters(l, q);
	int r = sql_row(q);
	l->total = r > 0 ? (uint64_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	l->rows = arena_array(l->c->mem, l->size, sizeof *l->rows);
	if (r < 0 || !l->rows)
		return r < 0 ? r : -ENOMEM;
	q = l->is_oldest_first ?
		sql_query(db, "SELECT " AUDIT_COLUMNS WHERE " ORDER BY number LIMIT ?7 OFFSET ?8") :
		sql_query(db, "SELECT " AUDIT_COLUMNS WHERE
			      " ORDER BY number DESC LIMIT ?7 OFFSET ?8");
	bind_filters(l, q);
	sql_int(q, 7, (int64_t)l->size);
	sql_int(q, 8, (int64_t)((l->page - 1) * l->size));
	return read_rows(l, q);
}

static void put_value(struct json_out *o, const char *key, struct str json)
{
	if (json.p)
		json_put_raw(o, key, json);
	else
		json_put_null(o, key);
}

static void put_row(struct json_out *o, const struct audit_row *row)
{
	char hex[2 * sizeof row->hash.b + 1];
	hash_hex(hex, row->hash.b, sizeof row->hash.b);
	json_put_str(o, "id", row->id);
	json_put_time(o, "updated_at", (uint64_t)row->at);
	json_put_str(o, "changed_by", row->changed_by);
	json_put_str(o, "changed_by_api_key", row->key_hash);
	json_put_str(o, "action", row->action);
	json_put_str(o, "table_name", row->table_name);
	json_put_str(o, "object_id", row->object_id);
	put_value(o, "before_value", row->before);
	put_value(o, "updated_values", row->after);
	json_put_str(o, "command", row->command);
	json_put_str(o, "role", row->role);
	json_put_str(o, "address", row->address);
	json_put_i64(o, "number", row->number);
	json_put_z(o, "hash", hex);
}

static void on_listed(void *data, int err)
{
	struct list_call *l = data;
	struct command_call *c = l->c;
	struct json_out o = json_out(&c->out);
	if (err) {
		command_fail_store(c, err);
		return;
	}
	json_open(&o, NULL);
	json_open_array(&o, "audit_logs");
	for (size_t i = 0; i < l->n; i++) {
		json_open(&o, NULL);
		put_row(&o, &l->rows[i]);
		json_close(&o);
	}
	json_close_array(&o);
	json_put_u64(&o, "total", l->total);
	json_put_u64(&o, "page", l->page);
	json_put_u64(&o, "page_size", l->size);
	json_put_u64(&o, "total_pages", (l->total + l->size - 1) / l->size);
	json_close(&o);
	command_finish(c);
}

static struct list_call *list_new(struct command_call *c)
{
	struct list_call *l = command_state(c, sizeof *l);
	if (!l)
		return NULL;
	l->page = 1;
	l->size = c->kind == CALLER_SOCKET ? 50 : PAGE_SIZE;
	return l;
}

/* False: answered. */
static bool take_order(struct list_call *l)
{
	struct command_call *c = l->c;
	struct str by = STR("updated_at"), order = STR("desc");
	if (command_str(c, "sort_by", &by) == -EINVAL ||
	    command_str(c, "sort_order", &order) == -EINVAL)
		return false;
	l->is_oldest_first = str_eq_nocase(order, STR("asc"));
	if (str_eq_z(by, "updated_at") && (l->is_oldest_first || str_eq_nocase(order, STR("desc"))))
		return true;
	command_fail(c, 400, "invalid_request_error", "sort_by",
		     "the audit log is sorted by updated_at, asc or desc");
	return false;
}

static bool take_filters(struct list_call *l)
{
	struct command_call *c = l->c;
	for (size_t i = 0; i < COUNT(filters); i++)
		if (command_str(c, filters[i], &l->values[i]) == -EINVAL)
			return false;
	return command_page(c, "page_size", PAGE_SIZE_MAX, &l->page, &l->size);
}

void audit_list(struct command_call *c)
{
	struct list_call *l = list_new(c);
	if (l && take_filters(l) && take_order(l))
		command_read(l, list_job, on_listed);
}

static int show_job(struct store_db *db, void *data)
{
	struct list_call *l = data;
	struct sql *q = sql_query(db, "SELECT " AUDIT_COLUMNS " FROM audit WHERE id = ?");
	l->size = 1;
	l->rows = arena_alloc(l->c->mem, sizeof *l->rows);
	sql_text(q, 1, l->id);
	return l->rows ? read_rows(l, q) : -ENOMEM;
}

static void on_shown(void *data, int err)
{
	struct list_call *l = data;
	struct command_call *c = l->c;
	struct json_out o = json_out(&c->out);
	if (err) {
		command_fail_store(c, err);
		return;
	}
	if (!l->n) {
		command_fail(c, 404, "not_found_error", "id", "there is no such row");
		return;
	}
	json_open(&o, NULL);
	put_row(&o, &l->rows[0]);
	json_close(&o);
	command_finish(c);
}

void audit_show(struct command_call *c)
{
	struct list_call *l = list_new(c);
	if (l && command_named(c, "id", &l->id) == 0)
		command_read(l, show_job, on_shown);
}
