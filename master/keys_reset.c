/* SPDX-License-Identifier: MIT
 * keys_reset.c - budget periods begin anew: of keys, teams and tenants.
 *
 * The board's totals at the end of a period are read first and noted on the board
 * itself, then the database begins the new period (spend 0, older requests no longer count), then
 * the board gives up just what it had then, and the note; what was spent meanwhile stays. A master
 * killed in between leaves the note, and the database says whether it was in time. */
#include "common/budget.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/keys_private.h"
#include "master/keys_windows.h"

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
		" WHERE budget_reset_at <= ?1 "
		"UNION ALL SELECT id | (kind << 56), budget_duration, budget_reset_at FROM tenants"
		" WHERE budget_reset_at <= ?1 "
		"UNION ALL SELECT id | (kind << 56), budget_duration, budget_reset_at"
		" FROM model_limits WHERE budget_reset_at <= ?1 ORDER BY 3 LIMIT ?2");
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
		" WHERE budget_reset_at IS NOT NULL "
		"UNION ALL SELECT min(budget_reset_at) FROM tenants"
		" WHERE budget_reset_at IS NOT NULL "
		"UNION ALL SELECT min(budget_reset_at) FROM model_limits"
		" WHERE budget_reset_at IS NOT NULL)");
	int r = sql_row(q);
	*ret_ns = r > 0 ? (uint64_t)sql_get_int(q, 0) : 0;
	sql_end(q);
	return r < 0 ? r : 0;
}

static int64_t number_of(uint64_t id)
{
	return (int64_t)(id & ~ENTITY_KIND_MASK);
}

#define RESET(table)                                                                              \
	"UPDATE " table " SET spend = 0, spend_since = ?2, budget_reset_at = ?3 "                 \
	"WHERE id = ?1 AND budget_reset_at <= ?2"
#define HAS_BEGUN(table) "SELECT 1 FROM " table " WHERE id = ? AND spend_since = ?"

/* Each text stands for all its table's rows: sql_query() knows it by its address. */
struct sql *entity_query(struct store_db *db, const char *const texts[4], uint64_t id)
{
	enum dir_kind kind = entity_kind(id);
	unsigned table = kind == DIR_KEY ? 0 : kind == DIR_TEAM ? 1 : kind < DIR_KEY_MODEL ? 2 : 3;
	return sql_query(db, texts[table]);
}

static int reset_job(struct store_db *db, void *data)
{
	static const char *const texts[] = { RESET("keys"), RESET("teams"), RESET("tenants"),
					     RESET("model_limits") };
	struct resets *rs = data;
	int err = 0;
	for (size_t i = 0; i < rs->n && !err; i++) {
		struct sql *q = entity_query(db, texts, rs->v[i].id);
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
size_t keys_apply_resets(struct keys *k)
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
	for (size_t i = 0; i < rs->n; i++) {
		uint32_t entity;
		if (err || !rs->v[i].is_done)
			forget_note(k, i);
		else if (entities_find(&k->entities, rs->v[i].id, &entity))
			atomic_store(&k->board->periods[entity], rs->v[i].next_ns);
	}
	size_t n = keys_apply_resets(k);
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
	static const char *const texts[] = { HAS_BEGUN("keys"), HAS_BEGUN("teams"),
					     HAS_BEGUN("tenants"), HAS_BEGUN("model_limits") };
	uint64_t period = atomic_load(&note->period_ns);
	if (note->entity >= BOARD_ENTITIES)
		return 0;
	uint64_t id = entities_id_of(&k->entities, note->entity);
	struct sql *q = entity_query(db, texts, id);
	sql_int(q, 1, number_of(id));
	sql_int(q, 2, (int64_t)period);
	int r = sql_row(q);
	sql_end(q);
	return r;
}

/* Notes of a master that was killed: the database decides. On the writer's thread, at start. */
int keys_judge_resets(struct keys *k, struct store_db *db)
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
	keys_move_late(k);
	keys_grace_tick(k, wall_ns);
	key_windows_tick(k, wall_ns);
	keys_sums_tick(k);
	if (k->is_applying)
		keys_apply_resets(k);
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
