/* SPDX-License-Identifier: MIT
 * keys_row.c - a key's row between the database and memory. */
#include <errno.h>

#include "master/keys_private.h"

struct key_ref key_ref_of(struct str named)
{
	struct key_ref ref = { .kind = REF_ALIAS, .alias = named };
	if (str_starts(named, STR("sk-"))) {
		ref.kind = REF_HASH;
		ref.hash = hash_sha256(named);
	} else if (hash_unhex(ref.hash.b, sizeof ref.hash.b, named) == 0) {
		ref.kind = REF_HASH;
	}
	return ref;
}

/* ---- reading ---- */

struct reader {
	struct sql *q;
	struct arena *a;
	bool failed;
};

struct str key_row_text(struct sql *q, int column, struct arena *a, bool *failed)
{
	struct str s = sql_get_text(q, column);
	if (!s.p)
		return STR_NONE;
	struct str copy = arena_dup(a, s);
	*failed |= !copy.p;
	return copy;
}

static struct str text_at(struct reader *r, int column)
{
	return key_row_text(r->q, column, r->a, &r->failed);
}

static int64_t int_at(struct reader *r, int column, int64_t if_null)
{
	return sql_get_is_null(r->q, column) ? if_null : sql_get_int(r->q, column);
}

static uint64_t time_at(struct reader *r, int column)
{
	return (uint64_t)int_at(r, column, 0);
}

static void read_texts(struct reader *r, struct key_row *to)
{
	to->key_name = text_at(r, 2);
	to->alias = text_at(r, 3);
	to->user_id = text_at(r, 4);
	to->team_id = text_at(r, 5);
	to->organization_id = text_at(r, 6);
	to->models = text_at(r, 7);
	to->aliases = text_at(r, 8);
	to->metadata = text_at(r, 9);
	to->permissions = text_at(r, 10);
	to->extra = text_at(r, 11);
	to->budget_duration = text_at(r, 16);
	to->created_by = text_at(r, 24);
	to->updated_by = text_at(r, 26);
	to->budget_id = text_at(r, 28);
}

int key_row_read(struct sql *q, struct arena *a, struct key_row *ret)
{
	struct reader r = { .q = q, .a = a };
	struct key_row row = {
		.id = (uint64_t)sql_get_int(q, 0),
		.max_budget = int_at(&r, 12, MONEY_NONE),
		.soft_budget = int_at(&r, 13, MONEY_NONE),
		.spend = sql_get_int(q, 14),
		.spend_since = time_at(&r, 15),
		.budget_reset_at = time_at(&r, 17),
		.rpm_limit = int_at(&r, 18, 0),
		.tpm_limit = int_at(&r, 19, 0),
		.max_parallel_requests = int_at(&r, 20, 0),
		.blocked = sql_get_int(q, 21) != 0,
		.expires = time_at(&r, 22),
		.created_at = time_at(&r, 23),
		.updated_at = time_at(&r, 25),
		.last_used = time_at(&r, 27),
	};
	if (!sql_get_sha256(q, 1, &row.hash))
		return -EIO;
	read_texts(&r, &row);
	if (r.failed)
		return -ENOMEM;
	*ret = row;
	return 0;
}

static int find_by(struct sql *q, struct arena *a, struct key_row *ret)
{
	int r = sql_row(q);
	if (r > 0)
		r = key_row_read(q, a, ret);
	else if (r == 0)
		r = -ENOENT;
	sql_end(q);
	return r;
}

static int find_by_alias(struct store_db *db, struct str alias, struct arena *a,
			 struct key_row *ret)
{
	struct sql *q = sql_query(db, "SELECT " KEY_COLUMNS " FROM keys WHERE alias = ?");
	sql_text(q, 1, alias);
	return find_by(q, a, ret);
}

static int find_by_hash(struct store_db *db, const struct sha256 *hash, struct arena *a,
			struct key_row *ret)
{
	struct sql *q = sql_query(db, "SELECT " KEY_COLUMNS " FROM keys WHERE token_hash = ?");
	sql_blob(q, 1, hash->b, sizeof hash->b);
	return find_by(q, a, ret);
}

static int find_by_id(struct store_db *db, uint64_t id, struct arena *a, struct key_row *ret)
{
	struct sql *q = sql_query(db, "SELECT " KEY_COLUMNS " FROM keys WHERE id = ?");
	sql_int(q, 1, (int64_t)id);
	return find_by(q, a, ret);
}

int key_row_find(struct store_db *db, const struct key_ref *ref, struct arena *a,
		 struct key_row *ret)
{
	int err;
	switch (ref->kind) {
	case REF_ID:
		return find_by_id(db, ref->id, a, ret);
	case REF_HASH:
		err = find_by_hash(db, &ref->hash, a, ret);
		if (err != -ENOENT)
			return err;
		break;
	case REF_ALIAS:
		break;
	}
	return ref->alias.n ? find_by_alias(db, ref->alias, a, ret) : -ENOENT;
}

/* ---- writing ---- */

void key_row_bind(struct sql *q, const struct key_row *row)
{
	sql_blob(q, 2, row->hash.b, sizeof row->hash.b);
	sql_text(q, 3, row->key_name);
	sql_text(q, 4, row->alias);
	sql_text(q, 5, row->user_id);
	sql_text(q, 6, row->team_id);
	sql_text(q, 7, row->organization_id);
	sql_text(q, 8, row->models);
	sql_text(q, 9, row->aliases);
	sql_text(q, 10, row->metadata);
	sql_text(q, 11, row->permissions);
	sql_text(q, 12, row->extra);
	sql_int_or_null(q, 13, row->max_budget, row->max_budget >= 0);
	sql_int_or_null(q, 14, row->soft_budget, row->soft_budget >= 0);
	sql_int(q, 15, row->spend);
	sql_int(q, 16, (int64_t)row->spend_since);
	sql_text(q, 17, row->budget_duration);
	sql_int_or_null(q, 18, (int64_t)row->budget_reset_at, row->budget_reset_at);
	sql_int_or_null(q, 19, row->rpm_limit, row->rpm_limit);
	sql_int_or_null(q, 20, row->tpm_limit, row->tpm_limit);
	sql_int_or_null(q, 21, row->max_parallel_requests, row->max_parallel_requests);
	sql_int(q, 22, row->blocked);
	sql_int_or_null(q, 23, (int64_t)row->expires, row->expires);
	sql_int(q, 24, (int64_t)row->created_at);
	sql_text(q, 25, row->created_by);
	sql_int(q, 26, (int64_t)row->updated_at);
	sql_text(q, 27, row->updated_by);
	sql_int_or_null(q, 28, (int64_t)row->last_used, row->last_used);
	sql_text(q, 29, row->budget_id);
}

/* Whether another key has that alias: asked first, so that the answer can say which is taken. */
static int check_alias(struct store_db *db, const struct key_row *row)
{
	if (!row->alias.p)
		return 0;
	struct sql *q = sql_query(db, "SELECT 1 FROM keys WHERE alias = ? AND id <> ?");
	sql_text(q, 1, row->alias);
	sql_int(q, 2, (int64_t)row->id);
	int r = sql_row(q);
	sql_end(q);
	return r > 0 ? -EEXIST : r;
}

static int taken_key(int err)
{
	return err == -EEXIST ? -EALREADY : err;
}

int key_row_insert(struct store_db *db, struct key_row *row)
{
	row->id = 0;
	int err = check_alias(db, row);
	if (err)
		return err;
	struct sql *q = sql_query(db,
		"INSERT INTO keys (" KEY_COLUMNS ") VALUES "
		"(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,"
		"?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28,?29)");
	sql_null(q, 1);
	key_row_bind(q, row);
	err = sql_run(q);
	if (err)
		return taken_key(err);
	row->id = (uint64_t)sql_last_id(db);
	return key_model_has(DIR_KEY, row) ? key_models_store(db, DIR_KEY, row) : 0;
}

int key_row_update(struct store_db *db, const struct key_row *row)
{
	int err = check_alias(db, row);
	if (err)
		return err;
	struct sql *q = sql_query(db,
		"UPDATE keys SET (token_hash, key_name, alias, user_id, team_id, organization_id,"
		" models, aliases, metadata, permissions, extra, max_budget, soft_budget, spend,"
		" spend_since, budget_duration, budget_reset_at, rpm_limit, tpm_limit,"
		" max_parallel_requests, blocked, expires, created_at, created_by, updated_at,"
		" updated_by, last_used, budget_id) = (?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"
		"?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28,?29) WHERE id = ?1");
	sql_int(q, 1, (int64_t)row->id);
	key_row_bind(q, row);
	err = sql_run(q);
	return err ? taken_key(err) : key_models_store(db, DIR_KEY, row);
}

int key_row_delete(struct store_db *db, const struct key_row *row, uint64_t now_ns, struct str by)
{
	struct sql *q = sql_query(db,
		"INSERT INTO keys_deleted (id, token_hash, key_name, alias, user_id, team_id,"
		" organization_id, spend, created_at, deleted_at, deleted_by) "
		"SELECT id, token_hash, key_name, alias, user_id, team_id, organization_id, spend,"
		" created_at, ?2, ?3 FROM keys WHERE id = ?1");
	sql_int(q, 1, (int64_t)row->id);
	sql_int(q, 2, (int64_t)now_ns);
	sql_text(q, 3, by);
	int err = sql_run(q);
	if (err)
		return err;
	q = sql_query(db, "DELETE FROM keys WHERE id = ?");
	sql_int(q, 1, (int64_t)row->id);
	return sql_run(q);
}
