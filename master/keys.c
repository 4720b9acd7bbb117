/* SPDX-License-Identifier: MIT
 * keys.c - the twins of the database's keys and teams: rows of the directory, rows of the board.
 *
 * A key and its team lie in one shard of the budgets, which the team's id picks, whether or not
 * there is such a team: so one that is made later has its keys at once.
 *
 * Budget periods: the board's totals at the end of a period are read first and noted on the board
 * itself, then the database begins the new period (spend 0, older requests no longer count), then
 * the board gives up just what it had then, and the note; what was spent meanwhile stays. A master
 * killed in between leaves the note, and the database says whether it was in time. */
#include "master/keys.h"

#include <errno.h>

#include "common/budget.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/keys_private.h"

enum { ROW_MEMORY = 2 << 20 };
#define MASTER_ENTITY_ID (ENTITY_KEY | 0)

/* ---- directory and board ---- */

bool keys_find(const struct keys *k, struct str text_or_hash, struct dir_key *ret)
{
	struct sha256 hash;

	if (str_starts(text_or_hash, STR("sk-")))
		hash = hash_sha256(text_or_hash);
	else if (hash_unhex(hash.b, sizeof hash.b, text_or_hash) < 0)
		return false;
	return dir_find(k->dir, &hash, ret);
}

bool keys_is_master(const struct keys *k, const struct sha256 *hash)
{
	return k->has_master && hash_sha256_eq(&k->master, hash);
}

/* What the metadata says of priority: the best that requests of the key or team may have. */
static uint32_t priority_of(const struct key_row *row, struct arena *a)
{
	struct json_error e;
	const struct json *j = row->metadata.n ? json_parse(a, row->metadata, 0, &e) : NULL;
	uint64_t n = 0;
	j = json_is(j, JSON_OBJECT) ? json_get(j, "priority") : NULL;
	if (!json_is(j, JSON_NUMBER) || str_read_u64(j->raw, &n) < 0)
		return 0;
	return n > KEY_PRIORITY_MAX ? KEY_PRIORITY_MAX : (uint32_t)n;
}

/* `flat` is the model list. */
static struct dir_key dir_row_of(const struct key_row *row, struct str flat, uint32_t entity,
				 struct arena *a)
{
	bool all = key_models_are_all(flat);
	return (struct dir_key){
		.hash = row->hash,
		.id = row->id,
		.flags = (row->blocked ? KEY_BLOCKED : 0u) | (all ? KEY_ALL_MODELS : 0u) |
			 priority_of(row, a) << KEY_PRIORITY_SHIFT,
		.entity = entity,
		.expires_wall_ns = row->expires,
		.max_budget_nano = row->max_budget >= 0 ? row->max_budget : DIR_NO_LIMIT,
		.rpm = (uint64_t)row->rpm_limit,
		.tpm = (uint64_t)row->tpm_limit,
		.max_parallel = (uint32_t)row->max_parallel_requests,
		.alias = row->alias,
		.user_id = row->user_id,
		.team_id = row->team_id,
		.last4 = row->key_name,
		.models = flat,
	};
}

/* Which shard a team and its keys lie in; a key without one is alone. */
static uint32_t root_of(struct str team_id)
{
	return team_id.n ? 1 + (uint32_t)(hash_stable(team_id) % UINT32_MAX) : 0;
}

/* Finds or gives the entity. *ret_had is the root that it had; -EAGAIN as keys_publish(). */
static int place(struct keys *k, uint64_t id, const struct key_row *row, uint32_t *ret,
		 bool *ret_is_new, uint32_t *ret_had)
{
	uint32_t root = root_of(row->team_id);
	*ret_is_new = !entities_find(&k->entities, id, ret);
	*ret_had = root;
	if (*ret_is_new)
		return entities_assign(&k->entities, id, root, row->spend, clock_ns(), ret);
	*ret_had = atomic_load(&k->board->entities[*ret].root);
	return *ret_had == root ? 0 : budget_set_root(k->board, *ret, root);
}

static int put_row(struct keys *k, uint64_t id, const struct key_row *row, struct arena *a)
{
	struct str flat = key_models_flat(a, row->models);
	uint32_t entity, had;
	bool is_new;
	if (!flat.p)
		return -ENOMEM;
	int err = place(k, id, row, &entity, &is_new, &had);
	if (err)
		return err;
	struct dir_key d = dir_row_of(row, flat, entity, a);
	bool is_team = (id & ENTITY_KIND_MASK) == ENTITY_TEAM;
	err = is_team ? dir_put_team(k->dir, &d, clock_ns()) : dir_put(k->dir, &d, clock_ns());
	if (err && is_new)
		entities_release(&k->entities, id, clock_ns());
	/* Nothing of its old team has been admitted meanwhile; one that had none may stay here. */
	else if (err && had && budget_set_root(k->board, entity, had) != 0)
		LOG(LOG_ERROR, "key.budget_stale", F_INT("id", row->id));
	return err;
}

static int publish(struct keys *k, uint64_t id, const struct key_row *row)
{
	struct arena *a = arena_new(ROW_MEMORY);
	int err = a ? put_row(k, id, row, a) : -ENOMEM;
	arena_free(a);
	if (err)
		return err;
	keys_expect_reset(k, row->budget_reset_at);
	atomic_fetch_add(&k->board->head->directory_revision, 1);
	return 0;
}

int keys_publish(struct keys *k, const struct key_row *row, const struct sha256 *old)
{
	if (keys_is_master(k, &row->hash))
		return 0;		/* the operator's word is above the table's */
	int err = publish(k, ENTITY_KEY | row->id, row);
	if (err)
		return err;
	if (old && !hash_sha256_eq(old, &row->hash) && !keys_is_master(k, old) &&
	    dir_remove(k->dir, old, clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_INT("id", row->id));
	return 0;
}

int teams_publish(struct keys *k, const struct key_row *row)
{
	return publish(k, ENTITY_TEAM | row->id, row);
}

void keys_withdraw(struct keys *k, const struct key_row *row)
{
	if (!keys_is_master(k, &row->hash) && dir_remove(k->dir, &row->hash, clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_INT("id", row->id));
	entities_release(&k->entities, ENTITY_KEY | row->id, clock_ns());
	atomic_fetch_add(&k->board->head->directory_revision, 1);
}

void teams_withdraw(struct keys *k, const struct key_row *row)
{
	if (dir_remove_team(k->dir, row->team_id, clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_STR("team_id", row->team_id));
	entities_release(&k->entities, ENTITY_TEAM | row->id, clock_ns());
	atomic_fetch_add(&k->board->head->directory_revision, 1);
}

int64_t keys_settled_of(struct keys *k, uint64_t id, int64_t spend)
{
	int64_t settled, reserved;
	uint32_t entity, parallel;
	if (!entities_find(&k->entities, id, &entity))
		return spend;
	budget_read(k->board, entity, &settled, &reserved, &parallel);
	return settled < 0 ? 0 : settled;
}

int64_t keys_spend_of(struct keys *k, const struct key_row *row)
{
	return keys_settled_of(k, ENTITY_KEY | row->id, row->spend);
}

void keys_forget_rates(struct keys *k, uint64_t id, const struct key_row *before,
		       const struct key_row *row)
{
	uint32_t at;
	if (!entities_find(&k->entities, id, &at))
		return;
	struct board_entity *e = &k->board->entities[at];
	if (before->rpm_limit != row->rpm_limit)
		atomic_store(&e->rpm_tat, 0);
	if (before->tpm_limit != row->tpm_limit)
		atomic_store(&e->tpm_tat, 0);
}

/* ---- changes of the board that may have to wait for a lock ---- */

static int move_settled(struct keys *k, const struct late_move *m)
{
	uint32_t entity;
	if (!entities_find(&k->entities, m->id, &entity))
		return 0;		/* deleted meanwhile */
	return m->is_absolute ? budget_set_settled(k->board, entity, m->nano) :
				budget_add_settled(k->board, entity, m->nano);
}

static void keep_late(struct keys *k, const struct late_move *m)
{
	if (k->n_late == k->late_room) {
		size_t room = k->late_room ? k->late_room * 2 : 16;
		struct late_move *late = mem_grow(k->late, room * sizeof *late);
		if (!late) {
			LOG(LOG_ERROR, "key.budget_stale", F_INT("id", m->id & ~ENTITY_KIND_MASK));
			return;
		}
		k->late = late;
		k->late_room = room;
	}
	k->late[k->n_late++] = *m;
}

void keys_move_settled(struct keys *k, uint64_t id, int64_t nano, bool is_absolute)
{
	struct late_move m = { .id = id, .nano = nano, .is_absolute = is_absolute };
	/* In order: what is late of this one must not come behind this. */
	if (k->n_late || move_settled(k, &m) != 0)
		keep_late(k, &m);
}

static void move_late(struct keys *k)
{
	size_t done = 0;
	while (done < k->n_late && move_settled(k, &k->late[done]) == 0)
		done++;
	k->n_late -= done;
	if (done && k->n_late)
		memmove(k->late, k->late + done, k->n_late * sizeof *k->late);
}

/* ---- budget periods ---- */

struct reset {				/* its number is that of its note on the board */
	uint64_t id, next_ns;
	bool is_done;
};
struct resets {
	struct keys *keys;
	uint64_t now_ns, next_ns;	/* next_ns: the earliest that remains */
	size_t n;
	struct reset v[BOARD_RESETS];
};

void keys_expect_reset(struct keys *k, uint64_t at_ns)
{
	if (at_ns && (!k->next_reset_ns || at_ns < k->next_reset_ns))
		k->next_reset_ns = at_ns;
}

static int find_due_job(struct store_db *db, void *data)
{
	struct resets *rs = data;
	struct sql *q = sql_query(db,
		"SELECT id | ?3, budget_duration, budget_reset_at FROM keys"
		" WHERE budget_reset_at <= ?1 "
		"UNION ALL SELECT id | ?4, budget_duration, budget_reset_at FROM teams"
		" WHERE budget_reset_at <= ?1 ORDER BY 3 LIMIT ?2");
	int r;
	sql_int(q, 1, (int64_t)rs->now_ns);
	sql_int(q, 2, BOARD_RESETS);
	sql_int(q, 3, (int64_t)ENTITY_KEY);
	sql_int(q, 4, (int64_t)ENTITY_TEAM);
	while ((r = sql_row(q)) > 0 && rs->n < BOARD_RESETS) {
		struct period p;
		bool is_well = period_read(sql_get_text(q, 1), &p) == 0;
		rs->v[rs->n++] = (struct reset){
			.id = (uint64_t)sql_get_int(q, 0),
			.next_ns = is_well ? period_reset(p, rs->now_ns) : 0,
		};
	}
	sql_end(q);
	return r < 0 ? r : 0;
}

static int read_next_reset(struct store_db *db, uint64_t *ret_ns)
{
	struct sql *q = sql_query(db,
		"SELECT min(at) FROM (SELECT min(budget_reset_at) AS at FROM keys"
		" WHERE budget_reset_at IS NOT NULL "
		"UNION ALL SELECT min(budget_reset_at) FROM teams"
		" WHERE budget_reset_at IS NOT NULL)");
	int r = sql_row(q);
	*ret_ns = r > 0 ? (uint64_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : 0;
}

static bool is_team(uint64_t id)
{
	return (id & ENTITY_KIND_MASK) == ENTITY_TEAM;
}

static int64_t number_of(uint64_t id)
{
	return (int64_t)(id & ~ENTITY_KIND_MASK);
}

#define RESET(table)                                                                              \
	"UPDATE " table " SET spend = 0, spend_since = ?2, budget_reset_at = ?3 "                 \
	"WHERE id = ?1 AND budget_reset_at <= ?2"

static int reset_job(struct store_db *db, void *data)
{
	struct resets *rs = data;
	int err = 0;
	for (size_t i = 0; i < rs->n && !err; i++) {
		struct sql *q = is_team(rs->v[i].id) ? sql_query(db, RESET("teams")) :
						       sql_query(db, RESET("keys"));
		sql_int(q, 1, number_of(rs->v[i].id));
		sql_int(q, 2, (int64_t)rs->now_ns);
		sql_int_or_null(q, 3, (int64_t)rs->v[i].next_ns, rs->v[i].next_ns);
		err = sql_run(q);
		rs->v[i].is_done = sql_changes(db) > 0;
	}
	return err ? err : read_next_reset(db, &rs->next_ns);
}

/* Those that are noted are in the database. Some lock may not be to be had: the next tick does
 * the rest. Returns how many were done. */
static size_t apply_resets(struct keys *k)
{
	size_t n = 0;
	k->is_applying = false;
	for (uint32_t i = 0; i < BOARD_RESETS; i++) {
		if (!atomic_load(&k->board->head->resets[i].period_ns))
			continue;
		(void)FAULT("spend.reset");
		if (budget_reset(k->board, i) == 0)
			n++;
		else
			k->is_applying = true;
	}
	return n;
}

static void forget_note(struct keys *k, size_t number)
{
	atomic_store(&k->board->head->resets[number].period_ns, 0);
}

static void on_reset(void *data, int err)
{
	struct resets *rs = data;
	struct keys *k = rs->keys;
	for (size_t i = 0; i < rs->n; i++)
		if (err || !rs->v[i].is_done)
			forget_note(k, i);
	size_t n = apply_resets(k);
	if (err)
		LOG(LOG_WARN, "budget.reset_failed", F_Z("error", strerror(-err)));
	else
		LOG(LOG_INFO, "budget.reset", F_INT("keys", n));
	if (!err)
		k->next_reset_ns = rs->next_ns;
	k->is_resetting = false;
	mem_free(rs);
	if (!err)
		keys_tick(k, clock_wall_ns());	/* more may be due than one round takes */
}

static void note_reset(struct keys *k, size_t number, const struct reset *r, uint64_t now_ns)
{
	struct board_reset *note = &k->board->head->resets[number];
	int64_t reserved;
	uint32_t parallel;
	if (!entities_find(&k->entities, r->id, &note->entity))
		return;
	budget_read(k->board, note->entity, &note->taken, &reserved, &parallel);
	atomic_store_explicit(&note->period_ns, now_ns, memory_order_release);
}

static void on_found_due(void *data, int err)
{
	struct resets *rs = data;
	struct keys *k = rs->keys;
	rs->now_ns = clock_wall_ns();
	for (size_t i = 0; i < rs->n && !err; i++)
		note_reset(k, i, &rs->v[i], rs->now_ns);
	if (!err)
		err = store_write(k->store, reset_job, on_reset, rs);
	if (err) {			/* the next tick tries again */
		for (size_t i = 0; i < rs->n; i++)
			forget_note(k, i);
		k->is_resetting = false;
		mem_free(rs);
	}
}

/* 1: that period began in the database; 0: it did not; or -errno. */
static int has_begun(struct keys *k, struct store_db *db, const struct board_reset *note)
{
	uint64_t period = atomic_load(&note->period_ns);
	if (note->entity >= BOARD_ENTITIES)
		return 0;
	uint64_t id = entities_id_of(&k->entities, note->entity);
	struct sql *q = is_team(id) ?
		sql_query(db, "SELECT 1 FROM teams WHERE id = ? AND spend_since = ?") :
		sql_query(db, "SELECT 1 FROM keys WHERE id = ? AND spend_since = ?");
	sql_int(q, 1, number_of(id));
	sql_int(q, 2, (int64_t)period);
	int r = sql_row(q);
	sql_end(q);
	return r;
}

/* Notes of a master that was killed: the database decides. On the writer's thread, at start. */
static int judge_notes(struct keys *k, struct store_db *db)
{
	for (uint32_t i = 0; i < BOARD_RESETS; i++) {
		const struct board_reset *note = &k->board->head->resets[i];
		int r = atomic_load(&note->period_ns) ? has_begun(k, db, note) : 0;
		if (r < 0)
			return r;
		if (r == 0)
			forget_note(k, i);
	}
	return 0;
}

void keys_tick(struct keys *k, uint64_t wall_ns)
{
	move_late(k);
	if (k->is_applying)
		apply_resets(k);
	if (k->is_applying || k->is_resetting || !k->next_reset_ns || wall_ns < k->next_reset_ns)
		return;
	struct resets *rs = mem_alloc(sizeof *rs);
	if (!rs)
		return;
	*rs = (struct resets){ .keys = k, .now_ns = wall_ns };
	k->is_resetting = store_read(k->store, find_due_job, on_found_due, rs) == 0;
	if (!k->is_resetting)
		mem_free(rs);
}

/* ---- start ---- */

static int load_row(struct keys *k, uint64_t kind, struct sql *q, struct arena *a)
{
	struct key_row row;
	arena_reset(a);
	int err = key_row_read(q, a, &row);
	if (err || (kind == ENTITY_KEY && keys_is_master(k, &row.hash)))
		return err;
	err = put_row(k, kind | row.id, &row, a);
	if (err == -EAGAIN || err == -EBUSY) {
		/* Its move to another team got no further than the database, and what it had on
		 * the board is held by requests: another row, which begins with what is booked. */
		entities_release(&k->entities, kind | row.id, clock_ns());
		err = put_row(k, kind | row.id, &row, a);
	}
	if (!err)
		keys_expect_reset(k, row.budget_reset_at);
	return err;
}

static int load_rows(struct keys *k, uint64_t kind, struct sql *q, struct arena *a)
{
	int r, err = 0;
	while (!err && (r = sql_row(q)) != 0)
		err = r < 0 ? r : load_row(k, kind, q, a);
	sql_end(q);
	return err;
}

/* On the writer's thread, while keys_start() waits: nobody else is here. */
static int load_job(struct store_db *db, void *data)
{
	struct keys *k = data;
	struct arena *a = arena_new(ROW_MEMORY);
	int err = a ? 0 : -ENOMEM;
	if (!err)
		err = load_rows(k, ENTITY_TEAM, sql_query(db, "SELECT " TEAM_COLUMNS
							      " FROM teams ORDER BY id"), a);
	if (!err)
		err = load_rows(k, ENTITY_KEY, sql_query(db, "SELECT " KEY_COLUMNS_PUBLISHED
							     " FROM keys ORDER BY id"), a);
	arena_free(a);
	return err ? err : judge_notes(k, db);
}

/* The master key's row; its entity has no limits, it only counts. */
static int put_master(struct keys *k)
{
	uint32_t entity;
	if (!entities_find(&k->entities, MASTER_ENTITY_ID, &entity))
		return -ENOENT;
	struct dir_key d = {
		.hash = k->master,
		.flags = KEY_ADMIN | KEY_ALL_MODELS,
		.entity = entity,
		.max_budget_nano = DIR_NO_LIMIT,
		.alias = STR("master"),
		.user_id = STR("default_user_id"),
		.last4 = STR("sk-...master"),
	};
	return dir_put(k->dir, &d, clock_ns());
}

static int start(struct keys *k, struct str master_key)
{
	uint32_t entity;
	int err = entities_init(&k->entities, k->board, clock_ns());
	if (!err && !entities_find(&k->entities, MASTER_ENTITY_ID, &entity))
		/* first, so that it has row 0 */
		err = entities_assign(&k->entities, MASTER_ENTITY_ID, 0, 0, clock_ns(), &entity);
	if (!err)
		err = keys_set_master(k, master_key);
	if (!err)
		err = store_write_wait(k->store, load_job, k);
	size_t mended = err ? 0 : apply_resets(k);
	if (mended || k->is_applying)
		LOG(LOG_WARN, "budget.reset_mended", F_INT("keys", mended));
	return err;
}

int keys_start(struct store *s, struct dir *d, struct board *b, struct str master_key,
	       struct keys **ret)
{
	struct keys *k = mem_alloc(sizeof *k);
	if (!k)
		return -ENOMEM;
	*k = (struct keys){ .store = s, .dir = d, .board = b };
	int err = start(k, master_key);
	if (err) {
		keys_stop(k);
		return err;
	}
	*ret = k;
	return 0;
}

void keys_stop(struct keys *k)
{
	if (!k)
		return;
	entities_done(&k->entities);
	mem_free(k->late);
	mem_wipe(&k->master, sizeof k->master);
	mem_free(k);
}

int keys_set_master(struct keys *k, struct str master_key)
{
	struct sha256 old = k->master, now = { { 0 } };
	bool had = k->has_master, is_same;
	if (master_key.n)
		now = hash_sha256(master_key);
	is_same = had && master_key.n && hash_sha256_eq(&old, &now);
	if (is_same)
		return 0;
	k->master = now;
	k->has_master = master_key.n > 0;
	int err = k->has_master ? put_master(k) : 0;
	if (err) {
		k->master = old;
		k->has_master = had;
		return err;
	}
	if (had && dir_remove(k->dir, &old, clock_ns()) != 0)
		LOG(LOG_WARN, "key.not_in_directory", F_INT("id", 0));
	atomic_fetch_add(&k->board->head->directory_revision, 1);
	return 0;
}

uint64_t keys_count(const struct keys *k)
{
	return k->entities.n_keys - 1;	/* without the master key's place */
}
