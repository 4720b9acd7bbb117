/* SPDX-License-Identifier: MIT
 * keys_grace.c - what of a key ends by itself: a text that was replaced and works on for a while,
 * and a budget that is larger until a day.
 *
 * Both stand in one list, which is short. An old text is a second row of the directory, with the
 * key's entity and an expiry of its own: it counts as the key, and follows each change of it. */
#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/keys_private.h"

enum { DUE_MAX = 20000, ROW_MEMORY = 2 << 20 };

static struct key_due *add(struct keys *k)
{
	if (k->n_due >= DUE_MAX)
		return NULL;
	if (k->n_due == k->due_room) {
		size_t room = k->due_room ? k->due_room * 2 : 16;
		struct key_due *due = mem_grow(k->due, room * sizeof *due);
		if (!due)
			return NULL;
		k->due = due;
		k->due_room = room;
	}
	return &k->due[k->n_due++];
}

static void drop(struct keys *k, size_t at)
{
	k->due[at] = k->due[--k->n_due];
}

/* ---- old texts ---- */

bool keys_grace_has(const struct keys *k, const struct sha256 *hash)
{
	for (size_t i = 0; i < k->n_due; i++)
		if (k->due[i].is_text && hash_sha256_eq(&k->due[i].hash, hash))
			return true;
	return false;
}

int keys_grace_add(struct keys *k, uint64_t id, const struct sha256 *hash, uint64_t until_ns)
{
	struct key_due *d = add(k);
	if (!d)
		return -ENOSPC;
	*d = (struct key_due){ .id = id, .at_ns = until_ns, .hash = *hash, .is_text = true };
	return 0;
}

void keys_grace_drop(struct keys *k, const struct sha256 *hash)
{
	for (size_t i = 0; i < k->n_due; i++)
		if (k->due[i].is_text && hash_sha256_eq(&k->due[i].hash, hash)) {
			drop(k, i);
			return;
		}
}

static int put_texts(struct keys *k, uint64_t id, const struct dir_key *row)
{
	int err = 0;
	for (size_t i = 0; i < k->n_due && !err; i++) {
		const struct key_due *d = &k->due[i];
		struct dir_key old = *row;
		if (d->id != id || !d->is_text)
			continue;
		old.hash = d->hash;
		if (!old.expires_wall_ns || d->at_ns < old.expires_wall_ns)
			old.expires_wall_ns = d->at_ns;
		err = dir_put(k->dir, &old, clock_ns());
	}
	return err;
}

void keys_grace_withdraw(struct keys *k, uint64_t id)
{
	for (size_t i = k->n_due; i-- > 0;) {
		if (k->due[i].id != id)
			continue;
		if (k->due[i].is_text && dir_remove(k->dir, &k->due[i].hash, clock_ns()) != 0)
			LOG(LOG_WARN, "key.not_in_directory", F_INT("id", id));
		drop(k, i);
	}
}

/* ---- budgets ---- */

static int expect_budget(struct keys *k, uint64_t id, uint64_t until_ns)
{
	size_t at = 0;
	while (at < k->n_due && (k->due[at].id != id || k->due[at].is_text))
		at++;
	if (at < k->n_due && !until_ns)
		drop(k, at);
	if (!until_ns)
		return 0;
	struct key_due *d = at < k->n_due ? &k->due[at] : add(k);
	if (!d)
		return -ENOSPC;
	*d = (struct key_due){ .id = id, .at_ns = until_ns };
	return 0;
}

int keys_grace_publish(struct keys *k, const struct dir_key *row, uint64_t budget_until_ns)
{
	if (!k->n_due && !budget_until_ns)
		return 0;
	int err = expect_budget(k, row->id, budget_until_ns);
	return err ? err : put_texts(k, row->id, row);
}

/* ---- what is due ---- */

struct ending {
	struct keys *keys;
	struct arena *mem;
	struct key_due due;
	struct key_row row;
	bool is_there;
};

/* On the writer's thread, so that no change that was made before can come behind this one. */
static int end_job(struct store_db *db, void *data)
{
	struct ending *e = data;
	if (e->due.is_text)
		return key_grace_delete(db, &e->due.hash);
	struct key_ref ref = { .kind = REF_ID, .id = e->due.id };
	int err = key_row_find(db, &ref, e->mem, &e->row);
	e->is_there = err == 0;
	return err == -ENOENT ? 0 : err;
}

static void try_later(struct keys *k, const struct key_due *due)
{
	struct key_due *d = add(k);
	if (d)
		*d = *due;
}

static void on_end(void *data, int err)
{
	struct ending *e = data;
	struct keys *k = e->keys;
	if (!err && e->is_there)
		err = keys_publish(k, &e->row, &e->row.hash);
	if (err && !e->due.is_text)
		try_later(k, &e->due);
	k->is_ending = false;
	arena_free(e->mem);
	mem_free(e);
}

static void begin_end(struct keys *k, const struct key_due *due)
{
	struct ending *e = mem_alloc(sizeof *e);
	struct arena *mem = arena_new(ROW_MEMORY);
	if (e && mem)
		*e = (struct ending){ .keys = k, .mem = mem, .due = *due };
	k->is_ending = e && mem && store_write(k->store, end_job, on_end, e) == 0;
	if (k->is_ending)
		return;
	arena_free(mem);
	mem_free(e);
	if (!due->is_text)
		try_later(k, due);
}

/* One at a time: there are few, and each goes to the database. */
void keys_grace_tick(struct keys *k, uint64_t wall_ns)
{
	for (size_t i = 0; i < k->n_due && !k->is_ending; i++) {
		struct key_due due = k->due[i];
		if (due.at_ns > wall_ns)
			continue;
		drop(k, i);
		if (due.is_text && dir_remove(k->dir, &due.hash, clock_ns()) != 0)
			LOG(LOG_WARN, "key.not_in_directory", F_INT("id", due.id));
		begin_end(k, &due);
		return;
	}
}

/* ---- the database ---- */

int key_grace_insert(struct store_db *db, const struct sha256 *hash, uint64_t id, uint64_t until_ns)
{
	struct sql *q = sql_query(db, "INSERT OR REPLACE INTO key_graces VALUES (?, ?, ?)");
	sql_blob(q, 1, hash->b, sizeof hash->b);
	sql_int(q, 2, (int64_t)id);
	sql_int(q, 3, (int64_t)until_ns);
	return sql_run(q);
}

int key_grace_delete(struct store_db *db, const struct sha256 *hash)
{
	struct sql *q = sql_query(db, "DELETE FROM key_graces WHERE token_hash = ?");
	sql_blob(q, 1, hash->b, sizeof hash->b);
	return sql_run(q);
}

int keys_grace_load(struct keys *k, struct store_db *db)
{
	struct sql *q = sql_query(db, "DELETE FROM key_graces WHERE revoke_at <= ?");
	struct sha256 hash;
	sql_int(q, 1, (int64_t)clock_wall_ns());
	int err = sql_run(q), r = 0;
	if (err)
		return err;
	q = sql_query(db, "SELECT token_hash, key_id, revoke_at FROM key_graces");
	while (!err && (r = sql_row(q)) > 0)
		if (sql_get_sha256(q, 0, &hash) && !keys_is_master(k, &hash))
			err = keys_grace_add(k, (uint64_t)sql_get_int(q, 1), &hash,
					     (uint64_t)sql_get_int(q, 2));
	sql_end(q);
	return err == -ENOSPC ? 0 : err ? err : r;
}
