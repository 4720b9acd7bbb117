/* SPDX-License-Identifier: MIT
 * keys_show.c - showing keys: one, or a page of them. */
#include <errno.h>

#include "common/log.h"
#include "master/command_job.h"
#include "master/keys_private.h"
#include "master/keys_windows.h"
#include "master/master.h"
#include "master/roles.h"

enum { PAGE_SIZE = 10, PAGE_SIZE_MAX = 100, SQL_ROOM = 2048 };

/* ---- one ---- */

struct info_call {
	struct command_call *c;
	struct keys *keys;
	struct str given;
	struct key_ref ref;
	struct key_row row;
};

static int info_job(struct store_db *db, void *data)
{
	struct info_call *ic = data;
	int err = key_row_find(db, &ic->ref, ic->c->mem, &ic->row);
	bool is_organizations;
	return err ? err : role_check_key(ic->c, db, &ic->row, &is_organizations);
}

static void on_info(void *data, int err)
{
	struct info_call *ic = data;
	struct command_call *c = ic->c;
	if (err == -ENOENT) {
		command_fail(c, 404, "not_found_error", "key", "No key found");
		return;
	}
	if (err) {
		command_fail_store(c, err);
		return;
	}
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_str(&o, "key", ic->given.p ? ic->given : key_hash_hex(c->mem, &ic->row.hash));
	json_open(&o, "info");
	/* llmgwctl has no other place to learn the hash from */
	key_put(&o, &ic->row, keys_spend_of(ic->keys, &ic->row), c->kind == CALLER_SOCKET);
	key_models_put_spend(&o, ic->keys, DIR_KEY, &ic->row);
	key_windows_put_used(&o, ic->keys, DIR_KEY, &ic->row);
	json_close(&o);
	json_close(&o);
	command_finish(c);
}

static bool may_see_all(const struct command_call *c)
{
	return c->is_admin || c->is_viewer || c->own_user.n;	/* the job looks whose it is */
}

/* Which key is meant, and whether the caller may see it. A stranger's key and one that is not
 * there are answered alike. false: answered. */
static bool take_ref(struct info_call *ic)
{
	struct command_call *c = ic->c;
	int err = command_str(c, "key", &ic->given);
	if (err == -EINVAL)
		return false;
	if (err == -ENOENT || !ic->given.n) {
		ic->given = STR_NONE;
		ic->ref = (struct key_ref){ .kind = REF_ID, .id = c->caller_key };
		if (c->kind == CALLER_HTTP)
			return true;
		command_fail(c, 400, "invalid_request_error", "key", "key is missing");
		return false;
	}
	ic->ref = key_ref_of(ic->given);
	if (may_see_all(c))
		return true;
	if (ic->ref.kind == REF_HASH && c->caller_hash &&
	    hash_sha256_eq(&ic->ref.hash, c->caller_hash))
		return true;
	command_fail(c, 403, "auth_error", "key", "this key may only ask about itself");
	return false;
}

void keys_info(struct command_call *c)
{
	struct info_call *ic = command_state(c, sizeof *ic);
	if (!ic)
		return;
	ic->keys = c->master->keys;
	if (!take_ref(ic))
		return;
	command_read(ic, info_job, on_info);
}

/* ---- many ---- */

struct filter {				/* one condition of the WHERE */
	const char *arg, *column;
	struct str value;
};
struct list_call {
	struct command_call *c;
	struct keys *keys;
	struct filter filters[6];
	size_t n_filters;
	struct sha256 hash;
	bool has_hash, is_full, is_by_spend;
	uint64_t page, size, total;
	struct key_row *rows;
	size_t n_rows;
};

static const struct filter filterable[] = {
	{ .arg = "key_alias", .column = "alias" },
	{ .arg = "user_id", .column = "user_id" },
	{ .arg = "team_id", .column = "team_id" },
	{ .arg = "organization_id", .column = "organization_id" },
};

/* The caller's own keys, and those of organizations that it administers. */
#define REACHED                                                                                   \
	" AND id IN (SELECT id FROM keys WHERE user_id = ?1 UNION ALL"                            \
	" SELECT k.id FROM keys k WHERE k.organization_id IN (" ROLE_ADMINISTERED("?1") ")"       \
	" UNION ALL SELECT k.id FROM teams t JOIN keys k ON k.team_id = t.team_id"                \
	" WHERE k.organization_id IS NULL"                                                        \
	" AND t.organization_id IN (" ROLE_ADMINISTERED("?1") "))"

/* "SELECT <what> FROM keys WHERE ... <tail>": the columns are our own words, values are bound. */
static struct sql *prepare(struct list_call *lc, struct store_db *db, const char *what,
			   const char *tail)
{
	struct buf text;
	int at = 0;
	buf_init(&text, SQL_ROOM);
	buf_printf(&text, "SELECT %s FROM keys WHERE 1", what);
	if (lc->c->own_user.n)
		buf_put_z(&text, REACHED);
	for (size_t i = 0; i < lc->n_filters; i++)
		buf_printf(&text, " AND %s = ?", lc->filters[i].column);
	if (lc->has_hash)
		buf_put_z(&text, " AND token_hash = ?");
	buf_put_z(&text, tail);
	const char *z = buf_z(&text);
	struct sql *q = sql_dynamic(db, z ? z : "");
	buf_done(&text);
	if (lc->c->own_user.n)
		sql_text(q, ++at, lc->c->own_user);
	for (size_t i = 0; i < lc->n_filters; i++)
		sql_text(q, ++at, lc->filters[i].value);
	if (lc->has_hash)
		sql_blob(q, ++at, lc->hash.b, sizeof lc->hash.b);
	return q;
}

static int count_rows(struct list_call *lc, struct store_db *db)
{
	struct sql *q = prepare(lc, db, "count(*)", "");
	int r = sql_row(q);
	if (r > 0)
		lc->total = (uint64_t)sql_get_int(q, 0);
	sql_end(q);
	return r < 0 ? r : 0;
}

static int list_job(struct store_db *db, void *data)
{
	struct list_call *lc = data;
	struct arena *a = lc->c->mem;
	int r = count_rows(lc, db);
	lc->rows = arena_array(a, lc->size, sizeof *lc->rows);
	if (r || !lc->rows)
		return r ? r : -ENOMEM;
	struct str tail = arena_printf(a, " ORDER BY %s LIMIT %llu OFFSET %llu",
				       lc->is_by_spend ? "spend DESC, id DESC" : "id DESC",
				       (unsigned long long)lc->size,
				       (unsigned long long)((lc->page - 1) * lc->size));
	char *z = tail.p ? arena_dup_z(a, tail) : NULL;
	if (!z)
		return -ENOMEM;
	struct sql *q = prepare(lc, db, KEY_COLUMNS, z);
	while ((r = sql_row(q)) > 0 && lc->n_rows < lc->size) {
		r = key_row_read(q, a, &lc->rows[lc->n_rows]);
		if (r)
			break;
		lc->n_rows++;
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

static void put_rows(struct list_call *lc, struct json_out *o, const char *name)
{
	json_open_array(o, name);
	for (size_t i = 0; i < lc->n_rows; i++) {
		struct key_row *row = &lc->rows[i];
		if (!lc->is_full) {
			json_put_str(o, NULL, key_hash_hex(lc->c->mem, &row->hash));
			continue;
		}
		json_open(o, NULL);
		key_put(o, row, keys_spend_of(lc->keys, row), true);
		json_close(o);
	}
	json_close_array(o);
}

static void on_list(void *data, int err)
{
	struct list_call *lc = data;
	struct command_call *c = lc->c;
	struct json_out o = json_out(&c->out);
	if (err) {
		command_fail_store(c, err);
		return;
	}
	if (lc->is_by_spend) {
		put_rows(lc, &o, NULL);
		command_finish(c);
		return;
	}
	json_open(&o, NULL);
	put_rows(lc, &o, "keys");
	json_put_u64(&o, "total_count", lc->total);
	json_put_u64(&o, "current_page", lc->page);
	json_put_u64(&o, "total_pages", (lc->total + lc->size - 1) / lc->size);
	json_close(&o);
	command_finish(c);
}

/* false: answered. */
static bool take_filters(struct list_call *lc)
{
	struct str hash;
	for (size_t i = 0; i < COUNT(filterable); i++) {
		struct filter f = filterable[i];
		int err = command_str(lc->c, f.arg, &f.value);
		if (err == -EINVAL)
			return false;
		if (!err)
			lc->filters[lc->n_filters++] = f;
	}
	int err = command_str(lc->c, "key_hash", &hash);
	if (!err) {
		struct key_ref ref = key_ref_of(hash);
		lc->has_hash = true;
		lc->hash = ref.hash;	/* zeroes match nothing, as they should */
	}
	return err != -EINVAL;
}

static bool take_page(struct list_call *lc)
{
	struct command_call *c = lc->c;
	lc->page = 1;
	/* a person at a terminal wants rows, and a screenful of them */
	lc->size = c->kind == CALLER_SOCKET ? PAGE_SIZE_MAX : PAGE_SIZE;
	lc->is_full = c->kind == CALLER_SOCKET;
	if (command_bool(c, "return_full_object", &lc->is_full) == -EINVAL)
		return false;
	return command_page(c, "size", PAGE_SIZE_MAX, &lc->page, &lc->size);
}

static struct list_call *list_new(struct command_call *c)
{
	struct list_call *lc = command_state(c, sizeof *lc);
	if (!lc)
		return NULL;
	lc->keys = c->master->keys;
	return lc;
}

void keys_list(struct command_call *c)
{
	struct list_call *lc = list_new(c);
	if (lc && take_page(lc) && take_filters(lc))
		command_read(lc, list_job, on_list);
}

void keys_by_spend(struct command_call *c)
{
	struct list_call *lc = list_new(c);
	if (!lc)
		return;
	lc->page = 1;
	lc->size = PAGE_SIZE_MAX;
	lc->is_full = lc->is_by_spend = true;
	if (command_u64(c, "limit", &lc->size) == -EINVAL)
		return;
	if (lc->size < 1 || lc->size > PAGE_SIZE_MAX)
		lc->size = PAGE_SIZE_MAX;
	command_read(lc, list_job, on_list);
}
