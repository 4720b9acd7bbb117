/* SPDX-License-Identifier: MIT
 * token_keys_load.c - keys by claims of tokens, in the directory: at start, and when a key's text
 * is replaced by another. */
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/token_keys.h"

enum { ROWS_MEMORY = 4 << 20, FOLLOW_MAX = 1000 };

enum column {
	NUMBER, ID, CLAIM, VALUE, KEY, DESCRIPTION, IS_ACTIVE, CREATED_AT, CREATED_BY, UPDATED_AT,
	UPDATED_BY, HASH
};

int token_key_read(struct sql *q, struct arena *a, struct token_key_row *ret)
{
	bool failed = false;
	*ret = (struct token_key_row){
		.number = (uint64_t)sql_get_int(q, NUMBER),
		.id = key_row_text(q, ID, a, &failed),
		.claim = key_row_text(q, CLAIM, a, &failed),
		.value = key_row_text(q, VALUE, a, &failed),
		.key = (uint64_t)sql_get_int(q, KEY),
		.description = key_row_text(q, DESCRIPTION, a, &failed),
		.is_active = sql_get_int(q, IS_ACTIVE) != 0,
		.created_at = (uint64_t)sql_get_int(q, CREATED_AT),
		.created_by = key_row_text(q, CREATED_BY, a, &failed),
		.updated_at = (uint64_t)sql_get_int(q, UPDATED_AT),
		.updated_by = key_row_text(q, UPDATED_BY, a, &failed),
	};
	if (!sql_get_sha256(q, HASH, &ret->hash))
		memset(&ret->hash, 0, sizeof ret->hash);
	return failed ? -ENOMEM : 0;
}

/* ---- the directory ---- */

static struct str name_of(struct arena *a, const struct token_key_row *row)
{
	return arena_printf(a, STR_FMT "\n" STR_FMT, STR_ARG(row->claim), STR_ARG(row->value));
}

static void count_change(struct keys *k)
{
	atomic_fetch_add(&k->board->head->directory_revision, 1);
}

int token_key_publish(struct keys *k, const struct token_key_row *row)
{
	struct arena *a = row->is_active ? arena_new(8192) : NULL;
	if (!row->is_active) {
		token_key_withdraw(k, row);
		return 0;
	}
	struct str name = a ? name_of(a, row) : STR_NONE;
	struct dir_key d = {
		.kind = DIR_TOKEN_KEY, .id = row->number, .max_budget_nano = DIR_NO_LIMIT,
		.alias = str_of((const char *)row->hash.b, sizeof row->hash.b),
	};
	int err = name.p ? dir_put_named(k->dir, name, &d, clock_ns()) : -ENOMEM;
	arena_free(a);
	if (!err)
		count_change(k);
	return err;
}

void token_key_withdraw(struct keys *k, const struct token_key_row *row)
{
	struct arena *a = arena_new(8192);
	struct str name = a ? name_of(a, row) : STR_NONE;
	struct dir_key d;
	if (!name.p)
		LOG(LOG_ERROR, "key.not_in_directory", F_INT("id", row->number));
	else if (dir_find_named(k->dir, DIR_TOKEN_KEY, name, &d) &&
		 dir_remove_named(k->dir, DIR_TOKEN_KEY, name, clock_ns()) == 0)
		count_change(k);
	arena_free(a);
}

int token_keys_load(struct keys *k, struct store_db *db)
{
	struct arena *a = arena_new(ROWS_MEMORY);
	struct sql *q = sql_query(db, TOKEN_KEY_ROW " WHERE m.is_active");
	int r = a ? 0 : -ENOMEM, err = r;
	while (!err && (r = sql_row(q)) > 0) {
		struct token_key_row row;
		err = token_key_read(q, a, &row);
		if (!err)
			err = token_key_publish(k, &row);
		arena_reset(a);
	}
	sql_end(q);
	arena_free(a);
	return err ? err : r;
}

/* ---- a key's new text ---- */

struct following {
	struct keys *k;
	uint64_t key;
	struct arena *mem;
	size_t n;
	struct token_key_row rows[FOLLOW_MAX];
};

static int follow_job(struct store_db *db, void *data)
{
	struct following *f = data;
	struct sql *q = sql_query(db, TOKEN_KEY_ROW " WHERE m.key = ? AND m.is_active");
	int r, err = 0;
	sql_int(q, 1, (int64_t)f->key);
	while (!err && f->n < FOLLOW_MAX && (r = sql_row(q)) > 0)
		err = token_key_read(q, f->mem, &f->rows[f->n++]);
	sql_end(q);
	return err;
}

static void on_followed(void *data, int err)
{
	struct following *f = data;
	for (size_t i = 0; i < f->n && !err; i++)
		err = token_key_publish(f->k, &f->rows[i]);
	if (err)
		LOG(LOG_ERROR, "key.unpublished", F_INT("id", f->key), F_Z("what", "token key"),
		    F_Z("why", strerror(-err)));
	arena_free(f->mem);
	mem_free(f);
}

void token_keys_follow(struct keys *k, uint64_t key)
{
	if (!dir_has(k->dir, DIR_TOKEN_KEY))
		return;
	struct following *f = mem_alloc(sizeof *f);
	if (!f)
		return;
	f->k = k;
	f->key = key;
	f->mem = arena_new(ROWS_MEMORY);
	int err = f->mem ? store_read(k->store, follow_job, on_followed, f) : -ENOMEM;
	if (err)
		on_followed(f, err);
}
