/* SPDX-License-Identifier: MIT
 * audit_row.c - one row of the audit log: its hash, its place in the chain, what is masked in it.
 *
 * A hash is SHA-256 over the hash of the row before and then each column in the order of
 * AUDIT_COLUMNS, but the last: its length in bytes as a decimal number and a colon, then its text;
 * "-" for NULL. Numbers are written in decimal. */
#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/json_write.h"
#include "common/mem.h"
#include "master/audit.h"
#include "master/store_sql.h"

enum { ROW_MAX = 16 << 20, DEPTH_MAX = 16 };

/* ---- origins ---- */

struct audit_origin *audit_origin_keep(struct audit_origin *o)
{
	if (o)
		o->refs++;
	return o;
}

void audit_origin_drop(struct audit_origin *o)
{
	if (o && --o->refs == 0)
		mem_free(o);
}

/* ---- the chain ---- */

static void put_column(struct buf *b, struct str s)
{
	if (!s.p) {
		BUF_PUT_LIT(b, "-");
		return;
	}
	buf_put_u64(b, s.n);
	BUF_PUT_LIT(b, ":");
	buf_put(b, s);
}

static void put_number(struct buf *b, int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%lld", (long long)v);
	put_column(b, str_of(text, (size_t)n));
}

int audit_row_hash(const struct audit_row *row, const struct sha256 *before, struct sha256 *ret)
{
	const struct str texts[] = { row->id, row->changed_by, row->key_hash, row->role,
				     row->address, row->command, row->action, row->table_name,
				     row->object_id, row->before, row->after };
	struct buf b;
	buf_init(&b, ROW_MAX);
	buf_put(&b, str_of((const char *)before->b, sizeof before->b));
	put_number(&b, row->number);
	put_number(&b, row->at);
	for (size_t i = 0; i < COUNT(texts); i++)
		put_column(&b, texts[i]);
	bool is_well = !b.failed;
	if (is_well)
		*ret = hash_sha256(buf_str(&b));
	buf_done(&b);
	return is_well ? 0 : -ENOMEM;
}

static int read_head(struct store_db *db, int64_t *ret_number, struct sha256 *ret)
{
	struct sql *q = sql_query(db, "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1");
	*ret_number = 0;
	*ret = (struct sha256){ 0 };
	int r = sql_row(q);
	if (r > 0) {
		*ret_number = sql_get_int(q, 0);
		r = sql_get_sha256(q, 1, ret) ? 0 : -EIO;
		sql_end(q);
	}
	return r;
}

static int insert(struct store_db *db, const struct audit_row *row)
{
	const struct str texts[] = { row->id, row->changed_by, row->key_hash, row->role,
				     row->address, row->command, row->action, row->table_name,
				     row->object_id, row->before, row->after };
	struct sql *q = sql_query(db, "INSERT INTO audit (" AUDIT_COLUMNS
				      ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
	sql_int(q, 1, row->number);
	sql_int(q, 2, row->at);
	for (size_t i = 0; i < COUNT(texts); i++)
		sql_text(q, (int)i + 3, texts[i]);
	sql_blob(q, 14, row->hash.b, sizeof row->hash.b);
	return sql_run(q);
}

int audit_row_append(struct store_db *db, struct audit_row *row)
{
	struct sha256 before;
	char id[37];
	hash_uuid(id);
	row->id = str_z(id);
	row->at = (int64_t)clock_wall_ns();
	int err = read_head(db, &row->number, &before);
	row->number++;
	if (!err)
		err = audit_row_hash(row, &before, &row->hash);
	if (!err)
		err = insert(db, row);
	row->id = STR_NONE;		/* it stood on our stack */
	return err;
}

int audit_row_read(struct sql *q, struct arena *a, struct audit_row *ret)
{
	struct str *const texts[] = { &ret->id, &ret->changed_by, &ret->key_hash, &ret->role,
				      &ret->address, &ret->command, &ret->action, &ret->table_name,
				      &ret->object_id, &ret->before, &ret->after };
	ret->number = sql_get_int(q, 0);
	ret->at = sql_get_int(q, 1);
	for (size_t i = 0; i < COUNT(texts); i++) {
		*texts[i] = STR_NONE;
		if (sql_get_is_null(q, (int)i + 2))
			continue;
		*texts[i] = arena_dup(a, sql_get_text(q, (int)i + 2));
		if (!texts[i]->p)
			return -ENOMEM;
	}
	if (!sql_get_sha256(q, 13, &ret->hash))
		ret->hash = (struct sha256){ 0 };	/* which no row can have */
	return 0;
}

/* ---- secrets ---- */

static bool has_word(struct str name, const char *word)
{
	struct str w = str_z(word);
	for (size_t i = 0; i + w.n <= name.n; i++)
		if (str_eq_nocase(str_of(name.p + i, w.n), w))
			return true;
	return false;
}

static bool ends_in(struct str name, const char *word)
{
	struct str w = str_z(word);
	return name.n >= w.n && str_eq_nocase(str_skip(name, name.n - w.n), w);
}

bool audit_is_secret(struct str name)
{
	static const char *const within[] = { "secret", "password", "passwd", "credential_value",
					      "private", "authorization", "sealed", "apikey" };
	static const char *const behind[] = { "_key", "token", "credentials" };
	if (str_eq_nocase(name, STR("key")) || str_eq_nocase(name, STR("new_key")))
		return true;
	for (size_t i = 0; i < COUNT(within); i++)
		if (has_word(name, within[i]))
			return true;
	for (size_t i = 0; i < COUNT(behind); i++)
		if (ends_in(name, behind[i]))
			return true;
	return false;
}

/* "sk-...abcd" is how a key is shown. */
bool audit_looks_secret(struct str text)
{
	return (str_starts(text, STR("sk-")) && !str_starts(text, STR("sk-..."))) ||
	       str_starts(text, STR("sealed:"));
}

static bool swap_secret(void *data, const struct json *j, struct json_out *o)
{
	struct arena *a = data;
	bool is_text = j->type == JSON_STRING;
	bool is_value = is_text || j->type == JSON_OBJECT || j->type == JSON_ARRAY;
	bool is_hidden = o->level == DEPTH_MAX || (is_value && audit_is_secret(j->key)) ||
			 (is_text && audit_looks_secret(json_str(a, j)));
	if (is_hidden)
		json_put_z(o, NULL, "********");
	return is_hidden;
}

void audit_mask_json(struct arena *a, struct str json, struct buf *out)
{
	struct json_error e;
	struct json_out o = json_out(out);
	const struct json *j = json_parse(a, json, 0, &e);
	if (j)
		json_copy(&o, j, swap_secret, a);
	else
		BUF_PUT_LIT(out, "null");
}
