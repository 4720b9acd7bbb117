/* SPDX-License-Identifier: MIT
 * keys_load.c - at start: all keys, teams and tenants of the database to directory and board.
 *
 * Half of it is the database's work and half ours, so two threads share it: the writer's reads
 * rows, some hundreds at a time, and another one puts them in their places. A row that needs the
 * database to be placed waits until that one has nothing left. keys_start() waits for both. */
#include <errno.h>
#include <uv.h>

#include "common/mem.h"
#include "master/keys_private.h"
#include "master/keys_windows.h"
#include "master/tenants.h"
#include "master/token_keys.h"
#include "master/unified_groups.h"

enum {
	ROWS = 256, BATCHES = 2,
	ROW_MEMORY = 2 << 20,
	BATCH_FULL = 1 << 20		/* bytes of rows that are enough for a batch */
};

struct batch {
	struct arena *mem;		/* what the rows point to */
	size_t n;
	struct {
		uint64_t kind;		/* ENTITY_OF() */
		struct key_row row;
	} v[ROWS];
};
struct loading {
	struct keys *k;
	struct store_db *db;
	struct arena *scratch;		/* the placer's, for one row at a time */
	uv_thread_t placer;
	uv_mutex_t mutex;		/* over what stands here: */
	uv_cond_t changed;
	unsigned filled, emptied;	/* batches, so far */
	bool is_over;
	int err;			/* the placer's first */
	struct batch *batches[BATCHES];	/* number n is in place n % BATCHES */
};

/* ---- the placer ---- */

static int place_all(struct loading *l, const struct batch *b)
{
	int err = 0;
	for (size_t i = 0; i < b->n && !err; i++) {
		arena_reset(l->scratch);
		err = keys_place_row(l->k, b->v[i].kind | b->v[i].row.id, &b->v[i].row,
				     l->scratch);
	}
	return err;
}

static void place_batches(void *data)
{
	struct loading *l = data;
	uv_mutex_lock(&l->mutex);
	for (;;) {
		while (l->emptied == l->filled && !l->is_over)
			uv_cond_wait(&l->changed, &l->mutex);
		if (l->emptied == l->filled)
			break;
		bool goes_on = !l->err;
		uv_mutex_unlock(&l->mutex);
		int err = goes_on ? place_all(l, l->batches[l->emptied % BATCHES]) : 0;
		uv_mutex_lock(&l->mutex);
		l->err = l->err ? l->err : err;
		l->emptied++;
		uv_cond_signal(&l->changed);
	}
	uv_mutex_unlock(&l->mutex);
}

/* ---- the reader ---- */

/* Waits until there are no more than so many batches to be placed. 0, or the placer's error. */
static int wait_for(struct loading *l, unsigned most)
{
	uv_mutex_lock(&l->mutex);
	while (l->filled - l->emptied > most)
		uv_cond_wait(&l->changed, &l->mutex);
	int err = l->err;
	uv_mutex_unlock(&l->mutex);
	return err;
}

static struct batch *current(struct loading *l)
{
	return l->batches[l->filled % BATCHES];
}

/* The current batch goes to the placer, and another one is empty when this returns. */
static int hand_over(struct loading *l)
{
	uv_mutex_lock(&l->mutex);
	l->filled++;
	uv_cond_signal(&l->changed);
	uv_mutex_unlock(&l->mutex);
	int err = wait_for(l, BATCHES - 1);
	current(l)->n = 0;
	arena_reset(current(l)->mem);
	return err;
}

/* Until all that was read is in its place. */
static int drain(struct loading *l)
{
	int err = current(l)->n ? hand_over(l) : 0;
	return err ? err : wait_for(l, 0);
}

static int place_now(struct loading *l, uint64_t kind, const struct key_row *row)
{
	struct arena *a = current(l)->mem;
	int err = keys_load_models(l->k, l->db, entity_kind(kind), row, a);
	if (!err)
		err = key_windows_load(l->k, l->db, entity_kind(kind), row, a);
	return err ? err : keys_place_row(l->k, kind | row->id, row, a);
}

/* kind 0: the row says it. */
static int read_row(struct loading *l, uint64_t kind, struct sql *q)
{
	struct batch *b = current(l);
	struct key_row *row = &b->v[b->n].row;
	int err = key_row_read(q, b->mem, row);
	if (err || (kind == ENTITY_KEY && keys_is_master(l->k, &row->hash)))
		return err;
	if (kind == 0) {
		kind = (uint64_t)sql_get_int(q, TENANT_KIND) << 56;
		err = tenant_row_more(q, b->mem, row);
	}
	if (err)
		return err;
	if (key_model_has(entity_kind(kind), row) || key_windows_has(entity_kind(kind), row)) {
		struct key_row alone = *row;	/* its texts stay while those before it go */
		err = drain(l);
		err = err ? err : place_now(l, kind, &alone);
		arena_reset(current(l)->mem);
		return err;
	}
	b->v[b->n++].kind = kind;
	return b->n == ROWS || arena_used(b->mem) > BATCH_FULL ? hand_over(l) : 0;
}

static int read_rows(struct loading *l, uint64_t kind, struct sql *q)
{
	int r, err = 0;
	while (!err && (r = sql_row(q)) != 0)
		err = r < 0 ? r : read_row(l, kind, q);
	sql_end(q);
	return err ? err : drain(l);
}

static int read_all(struct loading *l)
{
	int err = keys_load_groups(l->k, l->db);
	if (!err)
		err = token_keys_load(l->k, l->db);
	if (!err)
		err = keys_grace_load(l->k, l->db);
	if (!err)
		err = read_rows(l, ENTITY_TEAM, sql_query(l->db, "SELECT " TEAM_COLUMNS
							  " FROM teams ORDER BY id"));
	if (!err)
		err = read_rows(l, ENTITY_KEY, sql_query(l->db, "SELECT " KEY_COLUMNS_PUBLISHED
							 " FROM keys ORDER BY id"));
	if (!err)
		err = read_rows(l, 0, sql_query(l->db, "SELECT " TENANT_COLUMNS " FROM tenants"
						" WHERE kind <= 8 OR max_budget IS NOT NULL"
						" OR budget_id IS NOT NULL OR spend > 0"
						" ORDER BY id"));
	return err;
}

/* ---- both ---- */

static bool allocate(struct loading *l)
{
	l->scratch = arena_new(ROW_MEMORY);
	bool good = l->scratch != NULL;
	for (int i = 0; i < BATCHES && good; i++) {
		l->batches[i] = mem_alloc(sizeof *l->batches[i]);
		good = l->batches[i] != NULL;
		if (good)
			l->batches[i]->mem = arena_new(BATCH_FULL + ROW_MEMORY + ROW_MEMORY);
		good = good && l->batches[i]->mem;
	}
	return good;
}

static void release(struct loading *l)
{
	for (int i = 0; i < BATCHES; i++) {
		if (l->batches[i])
			arena_free(l->batches[i]->mem);
		mem_free(l->batches[i]);
	}
	arena_free(l->scratch);
}

static int load(struct loading *l)
{
	int err = uv_thread_create(&l->placer, place_batches, l);
	if (err)
		return err;
	err = read_all(l);
	uv_mutex_lock(&l->mutex);
	l->is_over = true;
	uv_cond_signal(&l->changed);
	uv_mutex_unlock(&l->mutex);
	uv_thread_join(&l->placer);
	return err ? err : l->err;
}

int keys_load_job(struct store_db *db, void *data)
{
	struct loading l = { .k = data, .db = db };
	int err = allocate(&l) && uv_mutex_init(&l.mutex) == 0 ? 0 : -ENOMEM;
	if (!err && uv_cond_init(&l.changed) != 0) {
		uv_mutex_destroy(&l.mutex);
		err = -ENOMEM;
	}
	if (!err) {
		err = load(&l);
		uv_cond_destroy(&l.changed);
		uv_mutex_destroy(&l.mutex);
	}
	release(&l);
	return err ? err : keys_judge_resets(l.k, db);
}
