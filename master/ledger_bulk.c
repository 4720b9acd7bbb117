/* SPDX-License-Identifier: MIT
 * ledger_bulk.c - batches that providers work off, which one request makes and any later one may
 * find done: the maker's owners stand in the table `bulk`, which also knows what is paid. All in
 * the transaction of the rows, so a batch is booked once, whoever asks and whoever is killed. */
#include <stddef.h>

#include "common/clock.h"
#include "master/ledger_fold.h"

/* Providers forget a batch after 30 days. */
#define BULK_KEEP_NS (90 * UINT64_C(86400) * NS_PER_S)
enum { BULK_PRUNED = 4 };		/* at each new one: so they cannot pile up */

static int prune(struct store_db *db, uint64_t now_ns)
{
	struct sql *q = sql_query(db, "DELETE FROM bulk WHERE id IN (SELECT id FROM bulk "
				      "WHERE made < ? ORDER BY made LIMIT ?)");
	sql_int(q, 1, (int64_t)(now_ns - BULK_KEEP_NS));
	sql_int(q, 2, BULK_PRUNED);
	return sql_run(q);
}

static int keep_maker(struct store_db *db, const struct journal_record *r, struct str levels)
{
	struct sql *q = sql_query(db,
		"INSERT INTO bulk (id, made, key_id, team, levels, end_user) VALUES (?,?,?,?,?,?) "
		"ON CONFLICT DO NOTHING");
	sql_blob(q, 1, r->request_id, sizeof r->request_id);
	sql_int(q, 2, (int64_t)r->start_ns);
	sql_int(q, 3, (int64_t)r->key_id);
	sql_int(q, 4, r->team);
	if (levels.n)
		sql_blob(q, 5, levels.p, levels.n);
	else
		sql_null(q, 5);
	sql_text(q, 6, str_of(r->end_user, strnlen(r->end_user, sizeof r->end_user)));
	int err = sql_run(q);
	return err ? err : prune(db, clock_wall_ns());
}

/* Who made it pays, in place of who has asked: *r, and its levels right before it. */
static void put_maker(struct sql *q, struct journal_record *r)
{
	struct journal_levels l = { .kind = JOURNAL_LEVELS };
	struct str levels = sql_get_blob(q, 2), end_user = sql_get_text(q, 3);
	r->key_id = (uint64_t)sql_get_int(q, 0);
	r->team = (uint32_t)sql_get_int(q, 1);
	memset(r->end_user, 0, sizeof r->end_user);
	if (end_user.n)
		memcpy(r->end_user, end_user.p,
		       end_user.n < sizeof r->end_user ? end_user.n : sizeof r->end_user);
	if (levels.n > BOARD_LEVELS * sizeof *l.level)
		levels.n = BOARD_LEVELS * sizeof *l.level;
	l.n = (uint8_t)(levels.n / sizeof *l.level);
	if (l.n)
		memcpy(l.level, levels.p, l.n * sizeof *l.level);
	memcpy(l.request_id, r->request_id, sizeof l.request_id);
	memcpy((void *)(r - 1), (const void *)&l, sizeof l);
}

/* 1: it is to be booked, and its maker stands in it; 0: it is not; or -errno. */
static int find_maker(struct store_db *db, struct journal_record *r)
{
	struct sql *q = sql_query(db, "SELECT key_id, team, levels, end_user FROM bulk "
				      "WHERE id = ? AND settled IS NULL");
	sql_blob(q, 1, r->request_id, sizeof r->request_id);
	int n = sql_row(q);
	if (n > 0)
		put_maker(q, r);
	sql_end(q);
	return n;
}

static int mark_settled(struct store_db *db, const struct journal_record *r)
{
	struct sql *q = sql_query(db, "UPDATE bulk SET settled = ? WHERE id = ?");
	sql_int(q, 1, (int64_t)r->end_ns);
	sql_blob(q, 2, r->request_id, sizeof r->request_id);
	return sql_run(q);
}

/* The same as find_maker(). */
static int claim(struct batch *b, struct store_db *db, uint32_t i)
{
	struct journal_record *r = &b->r[i];
	if (r->kind == JOURNAL_INTENT) {
		int err = keep_maker(db, r, record_levels(b, i));
		return err < 0 ? err : 0;
	}
	if (!i || b->r[i - 1].kind != JOURNAL_LEVELS)
		return 0;		/* no place for who pays: no worker writes that */
	int n = find_maker(db, r);
	int err = n > 0 ? mark_settled(db, r) : 0;
	return err ? err : n;
}

int bulk_claim(struct batch *b, struct store_db *db)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct journal_record *r = &b->r[i];
		bool is_bulk = r->kind == JOURNAL_INTENT || r->kind == JOURNAL_SETTLE;
		if (!is_bulk || !(r->flags & JF_BULK))
			continue;
		int n = claim(b, db, i);
		if (n < 0)
			return n;
		if (n == 0)
			r->kind = 0;
	}
	return 0;
}

void bulk_charge(struct batch *b, uint32_t i)
{
	uint64_t ids[BOARD_LEVELS + 2];
	unsigned n = record_owners(b, i, ids);
	for (unsigned k = 0; k < n && b->charges; k++) {
		struct bulk_charges *c = b->charges;
		if (c->n == BULK_CHARGES_MAX)
			return;
		c->v[c->n].owner = ids[k];
		c->v[c->n++].cost = b->r[i].cost_nano;
	}
}
