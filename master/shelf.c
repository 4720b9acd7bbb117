/* SPDX-License-Identifier: MIT
 * shelf.c - see shelf.h. */
#include "master/shelf.h"

#include <errno.h>

#include "common/clock.h"
#include "common/mem.h"
#include "master/store_sql.h"

enum {
	EVICT_MAX = 256,		/* rows that one more may push out */
	PRUNE_EVERY_MS = 30000, PRUNE_FIRST_MS = 200
};

/* ---- in jobs -------------------------------------------------------------------------------- */

static int read_total(struct store_db *db, const struct shelf_sql *sql, uint64_t *ret)
{
	struct sql *q = sql_query(db, sql->total);
	int r = sql_row(q);
	if (r > 0)
		*ret = (uint64_t)sql_get_int(q, 0);
	sql_end(q);
	return r > 0 ? 0 : r < 0 ? r : -EIO;
}

/* The oldest go until no more than `most` bytes are left, or n rows are gone. */
static int evict(struct store_db *db, const struct shelf_sql *sql, uint64_t most, unsigned n,
		 uint64_t *ret_total, unsigned *ret_deleted)
{
	int err = read_total(db, sql, ret_total);
	*ret_deleted = 0;
	while (!err && *ret_total > most && *ret_deleted < n) {
		err = sql_run(sql_query(db, sql->drop_oldest));
		if (!err && !sql_changes(db))
			return 0;
		++*ret_deleted;
		if (!err)
			err = read_total(db, sql, ret_total);
	}
	return err;
}

int shelf_make_room(struct store_db *db, const struct shelf_sql *sql, uint64_t max_bytes,
		    uint64_t size)
{
	uint64_t total;
	unsigned deleted;
	if (size > max_bytes)
		return -EFBIG;
	int err = evict(db, sql, max_bytes - size, EVICT_MAX, &total, &deleted);
	return !err && total > max_bytes - size ? -ENOBUFS : err;
}

/* Kept for ever: nothing is that old. */
static uint64_t expired_at(const struct shelf *s)
{
	uint64_t now = clock_wall_ns(), keep = s->prune.keep_ns;
	return !s->sql->by_age ? now : keep && keep < now ? now - keep : 0;
}

static int prune_job(struct store_db *db, void *data)
{
	struct shelf *s = data;
	struct sql *q = sql_query(db, s->sql->drop_expired);
	uint64_t total;
	sql_int(q, 1, (int64_t)expired_at(s));
	sql_int(q, 2, s->sql->slice);
	int err = sql_run(q);
	s->prune.deleted = err ? 0 : (unsigned)sql_changes(db);
	if (err || s->prune.deleted == s->sql->slice)
		return err;
	return evict(db, s->sql, s->prune.max_bytes, s->sql->slice, &total, &s->prune.deleted);
}

/* ---- on the loop ---------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *t);

static void on_pruned(void *data, int err)
{
	struct shelf *s = data;
	if (err)
		s->sql->tell_failed(err);
	if (!s->is_stopped)
		uv_timer_start(&s->timer, on_timer,
			       !err && s->prune.deleted >= s->sql->slice ? s->sql->pause_ms
									 : PRUNE_EVERY_MS, 0);
}

static void on_timer(uv_timer_t *t)
{
	struct shelf *s = t->data;
	s->prune.keep_ns = s->keep_ns;
	s->prune.max_bytes = s->max_bytes;
	int err = store_write(s->store, prune_job, on_pruned, s);
	if (err)
		on_pruned(s, err);
}

void shelf_start(struct shelf *s, const struct shelf_sql *sql, struct store *store,
		 uv_loop_t *loop, void *owner)
{
	s->sql = sql;
	s->store = store;
	s->owner = owner;
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	uv_unref((uv_handle_t *)&s->timer);
	uv_timer_start(&s->timer, on_timer, PRUNE_FIRST_MS, 0);
}

void shelf_configure(struct shelf *s, uint64_t keep_ms, uint64_t max_bytes)
{
	s->keep_ns = keep_ms * NS_PER_MS;
	s->max_bytes = max_bytes;
}

static void on_closed(uv_handle_t *h)
{
	struct shelf *s = h->data;
	mem_free(s->owner);
}

void shelf_stop(struct shelf *s)
{
	s->is_stopped = true;
	uv_timer_stop(&s->timer);
	/* on_pruned() may still come, out of store_close(); the loop frees after that. */
	uv_close((uv_handle_t *)&s->timer, on_closed);
}
