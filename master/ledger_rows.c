/* SPDX-License-Identifier: MIT
 * ledger_rows.c - a request's own row; many at once, for a statement costs as much as ten rows.
 *
 * A statement of many rows fails at the first one that is there already and keeps those before it,
 * so that SQLite needs no copies of pages for undoing it; those behind it are inserted one by one,
 * which tells the new ones from the others. */
#include <errno.h>

#include "master/ledger_fold.h"

#define COLUMNS                                                                                   \
	" INTO spend_logs (request_id, key_id, deployment, model, end_user, start_ns,"      \
	" first_token_ns, end_ns, cost, reserve, input, output, cache_read, cache_write,"         \
	" reasoning, endpoint, status, outcome, flags, attempts, fallbacks, client_ip, team, tags) "
enum { N_COLUMNS = 24 };
#define ROW "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
#define ROWS_4 ROW "," ROW "," ROW "," ROW
#define ROWS_16 ROWS_4 "," ROWS_4 "," ROWS_4 "," ROWS_4
_Static_assert(LEDGER_ROWS == 32, "what insert_many() has room for");

static struct str text_of(const char *p, size_t room)
{
	return str_of(p, strnlen(p, room));
}

/* Its request's id; an attempt's number stands behind that. */
static struct str row_id(const struct journal_record *r, char room[LEDGER_ROW_ID])
{
	memcpy(room, r->request_id, sizeof r->request_id);
	room[sizeof r->request_id] = (char)r->attempts;
	return str_of(room, sizeof r->request_id + (r->kind == JOURNAL_ATTEMPT ? 1 : 0));
}

static void bind_row(struct sql *q, int at, const struct journal_record *r, struct str id,
		     struct str tags)
{
	sql_blob(q, at + 1, id.p, id.n);
	sql_int(q, at + 2, (int64_t)r->key_id);
	sql_int(q, at + 3, (int64_t)r->deployment);
	sql_text(q, at + 4, text_of(r->model, sizeof r->model));
	sql_text(q, at + 5, text_of(r->end_user, sizeof r->end_user));
	sql_int(q, at + 6, (int64_t)r->start_ns);
	sql_int(q, at + 7, (int64_t)r->first_token_ns);
	sql_int(q, at + 8, (int64_t)r->end_ns);
	sql_int(q, at + 9, r->cost_nano);
	sql_int(q, at + 10, r->reserve_nano);
	sql_int(q, at + 11, r->input);
	sql_int(q, at + 12, r->output);
	sql_int(q, at + 13, r->cache_read);
	sql_int(q, at + 14, r->cache_write);
	sql_int(q, at + 15, r->reasoning);
	sql_int(q, at + 16, r->endpoint);
	sql_int(q, at + 17, r->status);
	sql_int(q, at + 18, r->outcome);
	sql_int(q, at + 19, r->flags);
	sql_int(q, at + 20, r->attempts);
	sql_int(q, at + 21, r->fallbacks);
	sql_blob(q, at + 22, r->client_ip, sizeof r->client_ip);
	sql_int(q, at + 23, r->team);
	if (tags.p)			/* a statement's parameters are NULL until they are bound */
		sql_text(q, at + 24, tags);
}

int ledger_insert(struct store_db *db, const struct journal_record *r, struct str tags)
{
	char id[LEDGER_ROW_ID];
	struct sql *q = sql_query(db, "INSERT" COLUMNS "VALUES " ROW " ON CONFLICT DO NOTHING");
	bind_row(q, 0, r, row_id(r, id), tags);
	int err = sql_run(q);
	return err ? err : sql_changes(db) > 0;
}

/* How many were inserted; fewer than LEDGER_ROWS: the next one was there already; or -errno. */
static int insert_many(struct store_db *db, const struct ledger_row *rows, const struct buf *tags)
{
	char ids[LEDGER_ROWS][LEDGER_ROW_ID];
	struct sql *q = sql_query(db, "INSERT OR FAIL" COLUMNS "VALUES " ROWS_16 "," ROWS_16);
	for (int i = 0; i < LEDGER_ROWS; i++)
		bind_row(q, i * N_COLUMNS, rows[i].r, row_id(rows[i].r, ids[i]),
			 ledger_row_tags(&rows[i], tags));
	int err = sql_run(q);
	return err && err != -EEXIST ? err : (int)sql_changes(db);
}

/* An attempt of a request that was there has no row either. */
static int insert_one(struct store_db *db, struct ledger_row *row, bool has_settle,
		      const struct buf *tags)
{
	int n = row->r->kind == JOURNAL_ATTEMPT && !has_settle ?
			0 : ledger_insert(db, row->r, ledger_row_tags(row, tags));
	row->is_new = n > 0;
	return n < 0 ? n : 0;
}

int ledger_insert_rows(struct store_db *db, struct ledger_row *rows, size_t n,
		       const struct buf *tags)
{
	bool has_settle = true, are_new = true;
	size_t i = 0;
	int err = 0;
	while (n - i >= LEDGER_ROWS && are_new && !err) {
		int got = insert_many(db, &rows[i], tags);
		err = got < 0 ? got : 0;
		are_new = got == LEDGER_ROWS;
		for (; got > 0; got--)
			rows[i++].is_new = true;
	}
	for (; i < n && !err; i++) {
		err = insert_one(db, &rows[i], has_settle, tags);
		if (rows[i].r->kind == JOURNAL_SETTLE)
			has_settle = rows[i].is_new;
	}
	return err;
}
