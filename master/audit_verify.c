/* SPDX-License-Identifier: MIT
 * audit_verify.c - walks the chain of the audit log, some rows a job, and says where it breaks.
 *
 * A chain says that no row was altered, taken out or put in between. Whether the newest ones were
 * cut off, or all of it was made anew, only somebody knows who has noted an earlier head. */
#include <errno.h>

#include "common/json_write.h"
#include "master/audit.h"
#include "master/master.h"
#include "master/store.h"
#include "master/store_sql.h"

enum { STEP_ROWS = 1000, STEP_MEMORY = 256 << 20 };

struct walk {				/* lives in the call's arena */
	struct command_call *c;
	struct sha256 head;		/* of the last row that is well */
	int64_t rows;			/* so many are */
	const char *broken;		/* why the next one is not; NULL: it is */
	bool is_at_end;
	bool has_wanted, is_wanted_seen;
	struct sha256 wanted;		/* a head that somebody has noted */
};

static int walk_row(struct walk *w, struct sql *q, struct arena *a)
{
	struct audit_row row;
	struct sha256 must;
	arena_reset(a);
	int err = audit_row_read(q, a, &row);
	if (err)
		return err;
	if (row.number != w->rows + 1) {
		w->broken = "rows are missing before it";
		return 0;
	}
	err = audit_row_hash(&row, &w->head, &must);
	if (err)
		return err;
	if (!hash_sha256_eq(&must, &row.hash)) {
		w->broken = "its hash is not that of what stands in it behind the row before";
		return 0;
	}
	w->head = must;
	w->rows++;
	w->is_wanted_seen |= w->has_wanted && hash_sha256_eq(&must, &w->wanted);
	return 0;
}

static int walk_job(struct store_db *db, void *data)
{
	struct walk *w = data;
	struct arena *a = arena_new(STEP_MEMORY);
	struct sql *q = sql_query(db, "SELECT " AUDIT_COLUMNS
				      " FROM audit WHERE number > ? ORDER BY number LIMIT ?");
	int r = a ? 0 : -ENOMEM, n = 0;
	sql_int(q, 1, w->rows);
	sql_int(q, 2, STEP_ROWS);
	while (!r && !w->broken && (r = sql_row(q)) > 0) {
		n++;
		r = walk_row(w, q, a);
	}
	sql_end(q);
	arena_free(a);
	w->is_at_end = n < STEP_ROWS;
	return r;
}

static void answer(struct walk *w)
{
	char hex[2 * sizeof w->head.b + 1];
	struct command_call *c = w->c;
	struct json_out o = json_out(&c->out);
	if (!w->broken && w->has_wanted && !w->is_wanted_seen)
		w->broken = "the head that was given is not in it";
	hash_hex(hex, w->head.b, sizeof w->head.b);
	json_open(&o, NULL);
	json_put_bool(&o, "ok", !w->broken);
	json_put_i64(&o, "rows", w->rows);
	json_put_z(&o, "head", hex);
	if (w->broken) {
		json_put_i64(&o, "broken_at", w->rows + 1);
		json_put_z(&o, "reason", w->broken);
		c->status = c->kind == CALLER_SOCKET ? 409 : 200;
	}
	json_close(&o);
	command_finish(c);
}

static void on_walked(void *data, int err);

static void step(struct walk *w)
{
	int err = store_read(w->c->master->store, walk_job, on_walked, w);
	if (err)
		command_fail_store(w->c, err);
}

static void on_walked(void *data, int err)
{
	struct walk *w = data;
	if (err)
		command_fail_store(w->c, err);
	else if (w->broken || w->is_at_end)
		answer(w);
	else
		step(w);
}

void audit_verify(struct command_call *c)
{
	struct str head = STR_NONE;
	struct walk *w = arena_alloc(c->mem, sizeof *w);
	if (!w) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	w->c = c;
	int err = command_str(c, "head", &head);
	if (err == -EINVAL)
		return;
	w->has_wanted = err == 0;
	if (w->has_wanted && hash_unhex(w->wanted.b, sizeof w->wanted.b, head) < 0) {
		command_fail(c, 400, "invalid_request_error", "head", "head must be 64 hex digits");
		return;
	}
	step(w);
}
