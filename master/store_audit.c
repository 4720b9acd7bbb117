/* SPDX-License-Identifier: MIT
 * store_audit.c - what a job changes, in whatever table, goes into the audit log with it.
 *
 * The writing connection has temporary triggers on all tables but those that only count or keep:
 * they are made anew from the tables that there are, so that one which is added is watched, too.
 * While a job runs for somebody they hand over each row that changes, before and after; when it
 * is done the rows are appended in its own savepoint. At other times they cost one call; and the
 * ledger, which books on what people and keys have spent all day, passes them by. */
#include <errno.h>
#include <stdio.h>

#include "common/json_write.h"
#include "common/mem.h"
#include "master/audit.h"
#include "master/store_db.h"
#include "master/store_sql.h"

enum {
	TABLES_MAX = 64,
	COLUMNS_MAX = 60,		/* a function takes 127 arguments: two rows, and two more */
	NAME_MAX_BYTES = 64,
	JOB_MEMORY_MAX = 64 << 20,
	ROW_JSON_MAX = 8 << 20,
	TRIGGER_MAX = 64 << 10
};

/* What only grows, counts or keeps: each has its own records. A name ending in '*' is a prefix. */
static const char *const unwatched[] = { "sqlite_*",	  "audit",	 "spend_*",
					 "journals",	  "open_intents", "deployments",
					 "response*",	  "keys_deleted", "answer*",
					 "config_history", "seal",	  "price_lines" };

/* Columns that the ledger alone writes by themselves: an update of others is looked at. */
static const char *const counting[] = { "spend", "last_used" };

/* Rows as LiteLLM's audit log calls their table, and the column that names one; where a table has
 * rows of several kinds, the column `kind` says which. */
static const struct {
	const char *table, *kind, *shown, *object;
} known[] = {
	{ "keys", NULL, "LiteLLM_VerificationToken", "token_hash" },
	{ "teams", NULL, "LiteLLM_TeamTable", "team_id" },
	{ "team_members", NULL, "LiteLLM_TeamMembership", "user_id" },
	{ "tenants", "3", "LiteLLM_UserTable", "name" },
	{ "tenants", "4", "LiteLLM_OrganizationTable", "name" },
	{ "tenants", "5", "LiteLLM_TeamMembership", "name" },
	{ "tenants", "6", "LiteLLM_EndUserTable", "name" },
	{ "tenants", "7", "LiteLLM_TagTable", "name" },
	{ "tenants", "8", "LiteLLM_BudgetTable", "name" },
	{ "tenants", "9", "LiteLLM_OrganizationMembership", "name" },
	{ "access_groups", NULL, "LiteLLM_AccessGroupTable", "id" },
	{ "token_keys", NULL, "LiteLLM_JWTKeyMapping", "id" },
	{ "objects", "model", "LiteLLM_ProxyModelTable", "name" },
	{ "objects", "credential", "LiteLLM_CredentialsTable", "name" },
	{ "objects", "setting", "LiteLLM_Config", "name" },
	{ "objects", "access_group", "LiteLLM_AccessGroupTable", "name" },
};
enum { NO_COLUMN = COLUMNS_MAX };

struct column {
	char name[NAME_MAX_BYTES];
	enum { PLAIN, MONEY, TIME, HASH, SECRET } kind;
};
struct watched {
	char name[NAME_MAX_BYTES];
	unsigned n;
	unsigned object, kind;		/* columns: what names a row, what says its kind, or none */
	struct column columns[COLUMNS_MAX];
};
enum operation { INSERTED, UPDATED, DELETED };
struct change {
	struct change *next;
	const char *table, *action;
	struct str object, before, after;
};
struct audit_capture {
	bool is_on;
	int err;
	const struct audit_origin *origin;
	struct arena *mem;
	struct buf text;
	struct change *first, **last;
	size_t n, more;
	unsigned n_tables;
	struct watched tables[TABLES_MAX];
};

/* ---- one value ---- */

static struct str text_of(sqlite3_value *v)
{
	const char *p = (const char *)sqlite3_value_text(v);
	return str_of(p, p ? (size_t)sqlite3_value_bytes(v) : 0);
}

static void put_hex(struct json_out *o, sqlite3_value *v)
{
	char hex[2 * sizeof(struct sha256) + 1] = "";
	const void *p = sqlite3_value_blob(v);
	if (p && sqlite3_value_bytes(v) == sizeof(struct sha256))
		hash_hex(hex, p, sizeof(struct sha256));
	json_put_z(o, NULL, hex);
}

static void put_text(struct audit_capture *a, struct json_out *o, struct str s)
{
	struct json_error e;
	if (audit_looks_secret(s))
		json_put_z(o, NULL, "********");
	else if (s.n && (s.p[0] == '{' || s.p[0] == '[') && json_parse(a->mem, s, 0, &e)) {
		struct buf masked;
		buf_init(&masked, ROW_JSON_MAX);
		audit_mask_json(a->mem, s, &masked);
		o->to->failed |= masked.failed;
		json_put_raw(o, NULL, masked.n ? buf_str(&masked) : STR("null"));
		buf_done(&masked);
	} else {
		json_put_str(o, NULL, s);
	}
}

static void put_number(struct json_out *o, const struct column *c, int64_t v)
{
	if (c->kind == MONEY)
		json_put_money(o, NULL, v);
	else if (c->kind == TIME && v >= 0)
		json_put_time(o, NULL, (uint64_t)v);
	else
		json_put_i64(o, NULL, v);
}

static void put_value(struct audit_capture *a, struct json_out *o, const struct column *c,
		      sqlite3_value *v)
{
	int type = sqlite3_value_type(v);
	json_key(o, c->kind == HASH ? STR("token") : str_z(c->name));
	if (type == SQLITE_NULL)
		json_put_null(o, NULL);
	else if (c->kind == HASH)
		put_hex(o, v);
	else if (c->kind == SECRET || type == SQLITE_BLOB)
		json_put_z(o, NULL, "********");
	else if (type == SQLITE_INTEGER)
		put_number(o, c, sqlite3_value_int64(v));
	else if (type == SQLITE_FLOAT)
		json_put_double(o, NULL, sqlite3_value_double(v));
	else
		put_text(a, o, text_of(v));
}

static bool is_same(sqlite3_value *x, sqlite3_value *y)
{
	int type = sqlite3_value_type(x);
	if (type != sqlite3_value_type(y))
		return false;
	if (type == SQLITE_INTEGER)
		return sqlite3_value_int64(x) == sqlite3_value_int64(y);
	if (type == SQLITE_NULL)
		return true;
	return str_eq(text_of(x), text_of(y));
}

/* ---- one row ---- */

/* The row; with `than` only what differs from it. */
static struct str row_json(struct audit_capture *a, const struct watched *t, sqlite3_value **row,
			   sqlite3_value **than)
{
	struct json_out o = json_out(&a->text);
	buf_reset(&a->text);
	json_open(&o, NULL);
	for (unsigned i = 0; i < t->n; i++)
		if (!than || !is_same(row[i], than[i]))
			put_value(a, &o, &t->columns[i], row[i]);
	json_close(&o);
	return a->text.failed ? STR_NONE : arena_dup(a->mem, buf_str(&a->text));
}

static struct str object_of(struct audit_capture *a, const struct watched *t, sqlite3_value **row)
{
	char hex[2 * sizeof(struct sha256) + 1] = "";
	sqlite3_value *v = row[t->object];
	if (t->columns[t->object].kind != HASH)
		return arena_dup(a->mem, text_of(v).p ? text_of(v) : STR(""));
	if (sqlite3_value_bytes(v) == sizeof(struct sha256))
		hash_hex(hex, sqlite3_value_blob(v), sizeof(struct sha256));
	return arena_dup(a->mem, str_z(hex));
}

static const char *shown_table(const struct watched *t, sqlite3_value **row)
{
	struct str kind = t->kind == NO_COLUMN ? STR_NONE : text_of(row[t->kind]);
	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq_z(str_z(known[i].table), t->name) &&
		    (!known[i].kind || str_eq_z(kind, known[i].kind)))
			return known[i].shown;
	return t->name;
}

/* LiteLLM's words. NULL: nothing has changed. */
static const char *action_of(const struct watched *t, sqlite3_value **old, sqlite3_value **new)
{
	const char *action = NULL;
	for (unsigned i = 0; i < t->n; i++) {
		if (is_same(old[i], new[i]))
			continue;
		if (t->columns[i].kind == HASH)
			return "rotated";
		if (str_eq_z(STR("blocked"), t->columns[i].name))
			return sqlite3_value_int(new[i]) ? "blocked" : "unblocked";
		action = "updated";
	}
	return action;
}

static void add_change(struct audit_capture *a, const struct watched *t, const char *action,
		       sqlite3_value **old, sqlite3_value **new)
{
	struct change *c = arena_alloc(a->mem, sizeof *c);
	if (!c) {
		a->err = -ENOMEM;
		return;
	}
	*c = (struct change){ .table = shown_table(t, old ? old : new), .action = action,
			      .object = object_of(a, t, old ? old : new) };
	if (old)
		c->before = row_json(a, t, old, NULL);
	if (new)
		c->after = row_json(a, t, new, old);
	if (!c->object.p || (old && !c->before.p) || (new && !c->after.p))
		a->err = -ENOMEM;
	*a->last = c;
	a->last = &c->next;
}

/* audit_change(table, operation, columns before or after, or both). */
static void on_change(sqlite3_context *context, int n, sqlite3_value **v)
{
	struct audit_capture *a = sqlite3_user_data(context);
	unsigned at = (unsigned)sqlite3_value_int(v[0]);
	enum operation op = (enum operation)sqlite3_value_int(v[1]);
	if (at >= a->n_tables || (unsigned)n < 2 + a->tables[at].n)
		return;
	const struct watched *t = &a->tables[at];
	const char *action = op == INSERTED ? "created" : op == DELETED ? "deleted" :
			     action_of(t, v + 2, v + 2 + t->n);
	if (!action)
		return;
	if (++a->n > AUDIT_ROWS_MAX)
		a->more++;
	else if (op == UPDATED)
		add_change(a, t, action, v + 2, v + 2 + t->n);
	else
		add_change(a, t, action, op == DELETED ? v + 2 : NULL,
			   op == INSERTED ? v + 2 : NULL);
}

static void on_is_on(sqlite3_context *context, int n, sqlite3_value **v)
{
	const struct audit_capture *a = sqlite3_user_data(context);
	(void)n, (void)v;
	sqlite3_result_int(context, a->is_on);
}

/* ---- a job ---- */

void store_audit_begin(struct store_db *d, const struct audit_origin *origin)
{
	struct audit_capture *a = d->audit;
	if (!a || !origin)
		return;
	arena_reset(a->mem);
	a->first = NULL;
	a->last = &a->first;
	a->n = a->more = 0;
	a->err = 0;
	a->origin = origin;
	a->is_on = true;
}

static struct audit_row row_of(const struct audit_origin *o)
{
	return (struct audit_row){ .changed_by = o->changed_by, .key_hash = o->key_hash,
				   .role = o->role, .address = o->address,
				   .command = o->command };
}

static int append_count(struct store_db *d, const struct audit_capture *a)
{
	char text[64];
	struct audit_row row = row_of(a->origin);
	int n = snprintf(text, sizeof text, "{\"rows\":%zu}", a->more);
	row.action = STR("more");
	row.table_name = row.object_id = STR("");
	row.after = str_of(text, (size_t)n);
	return audit_row_append(d, &row);
}

int store_audit_end(struct store_db *d, int err)
{
	struct audit_capture *a = d->audit;
	if (!a || !a->is_on)
		return err;
	a->is_on = false;
	if (!err)
		err = a->err;
	for (struct change *c = a->first; c && !err; c = c->next) {
		struct audit_row row = row_of(a->origin);
		row.action = str_z(c->action);
		row.table_name = str_z(c->table);
		row.object_id = c->object;
		row.before = c->before;
		row.after = c->after;
		err = audit_row_append(d, &row);
	}
	return err || !a->more ? err : append_count(d, a);
}

/* ---- triggers ---- */

static bool is_watched(struct str name)
{
	for (size_t i = 0; i < COUNT(unwatched); i++)
		if (str_matches(str_z(unwatched[i]), name))
			return false;
	return name.n < NAME_MAX_BYTES;
}

static void copy_name(char to[NAME_MAX_BYTES], struct str s)
{
	size_t n = s.n < NAME_MAX_BYTES ? s.n : NAME_MAX_BYTES - 1;
	memcpy(to, s.p, n);
	to[n] = '\0';
}

static void name_column(struct column *c, struct str name, bool is_number)
{
	copy_name(c->name, name);
	bool is_money = str_ends(name, STR("budget")) || str_ends(name, STR("spend"));
	bool is_time = str_ends(name, STR("_at")) || str_eq_z(name, "expires") ||
		       str_eq_z(name, "last_used") || str_eq_z(name, "spend_since");
	c->kind = str_eq_z(name, "token_hash") ? HASH : is_number && is_money ? MONEY :
		  is_number && is_time ? TIME : !is_number && audit_is_secret(name) ? SECRET :
		  PLAIN;
}

static int read_columns(struct store_db *d, struct watched *t)
{
	struct sql *q = sql_query(d, "SELECT name, type FROM pragma_table_info(?)");
	int r;
	sql_text(q, 1, str_z(t->name));
	while ((r = sql_row(q)) > 0 && t->n < COLUMNS_MAX)
		name_column(&t->columns[t->n++], sql_get_text(q, 0),
			    str_eq(sql_get_text(q, 1), STR("INTEGER")));
	sql_end(q);
	return r < 0 ? r : 0;
}

static unsigned column_named(const struct watched *t, const char *name)
{
	for (unsigned i = 0; i < t->n; i++)
		if (str_eq_z(str_z(name), t->columns[i].name))
			return i;
	return NO_COLUMN;
}

/* What names a row: "gadget_id" of gadgets, else "name", else the first column. */
static void find_columns(struct watched *t)
{
	char word[NAME_MAX_BYTES + 8];
	size_t n = strlen(t->name);
	snprintf(word, sizeof word, "%.*s_id", (int)(n ? n - 1 : 0), t->name);
	t->kind = column_named(t, "kind");
	t->object = column_named(t, word);
	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq_z(str_z(known[i].table), t->name))
			t->object = column_named(t, known[i].object);
	if (t->object == NO_COLUMN)
		t->object = column_named(t, "name");
	if (t->object == NO_COLUMN)
		t->object = 0;
}

static int read_tables(struct store_db *d, struct audit_capture *a)
{
	struct sql *q = sql_query(d, "SELECT name FROM main.sqlite_schema WHERE type = 'table'");
	int r, err = 0;
	while ((r = sql_row(q)) > 0)
		if (is_watched(sql_get_text(q, 0)) && a->n_tables < TABLES_MAX)
			copy_name(a->tables[a->n_tables++].name, sql_get_text(q, 0));
	sql_end(q);
	for (unsigned i = 0; i < a->n_tables && !err && r >= 0; i++) {
		err = read_columns(d, &a->tables[i]);
		find_columns(&a->tables[i]);
	}
	return r < 0 ? r : err;
}

static void put_columns(struct buf *b, const struct watched *t, const char *row)
{
	for (unsigned i = 0; i < t->n; i++)
		buf_printf(b, ", %s.\"%s\"", row, t->columns[i].name);
}

static bool is_counting(const struct column *c)
{
	for (size_t i = 0; i < COUNT(counting); i++)
		if (str_eq_z(str_z(counting[i]), c->name))
			return true;
	return false;
}

static void put_watched_columns(struct buf *b, const struct watched *t)
{
	const char *before = " OF ";
	for (unsigned i = 0; i < t->n; i++) {
		if (is_counting(&t->columns[i]))
			continue;
		buf_printf(b, "%s\"%s\"", before, t->columns[i].name);
		before = ", ";
	}
}

static int make_trigger(struct store_db *d, const struct audit_capture *a, unsigned at,
			enum operation op)
{
	static const char *const words[] = { "INSERT", "UPDATE", "DELETE" };
	const struct watched *t = &a->tables[at];
	struct buf b;
	buf_init(&b, TRIGGER_MAX);
	buf_printf(&b, "CREATE TEMP TRIGGER audit_%u_%d AFTER %s", at, (int)op, words[op]);
	if (op == UPDATED)
		put_watched_columns(&b, t);
	buf_printf(&b, " ON main.\"%s\" WHEN audit_is_on() BEGIN SELECT audit_change(%u, %d",
		   t->name, at, (int)op);
	if (op != INSERTED)
		put_columns(&b, t, "OLD");
	if (op != DELETED)
		put_columns(&b, t, "NEW");
	BUF_PUT_LIT(&b, "); END");
	const char *z = buf_z(&b);
	int err = z ? sql_exec(d, z) : -ENOMEM;
	buf_done(&b);
	return err;
}

static int make_triggers(struct store_db *d, struct audit_capture *a)
{
	int flags = SQLITE_UTF8, err = 0;
	if (sqlite3_create_function_v2(d->db, "audit_is_on", 0, flags, a, on_is_on, NULL, NULL,
				       NULL) != SQLITE_OK ||
	    sqlite3_create_function_v2(d->db, "audit_change", -1, flags, a, on_change, NULL, NULL,
				       NULL) != SQLITE_OK)
		return -ENOMEM;
	for (unsigned i = 0; i < a->n_tables && !err; i++)
		for (enum operation op = INSERTED; op <= DELETED && !err; op++)
			err = make_trigger(d, a, i, op);
	return err;
}

int store_audit_start(struct store_db *d)
{
	struct audit_capture *a = mem_alloc(sizeof *a);
	if (!a)
		return -ENOMEM;
	d->audit = a;
	buf_init(&a->text, ROW_JSON_MAX);
	a->mem = arena_new(JOB_MEMORY_MAX);
	int err = a->mem ? read_tables(d, a) : -ENOMEM;
	return err ? err : make_triggers(d, a);
}

void store_audit_stop(struct store_db *d)
{
	struct audit_capture *a = d->audit;
	if (!a)
		return;
	d->audit = NULL;
	buf_done(&a->text);
	arena_free(a->mem);
	mem_free(a);
}
