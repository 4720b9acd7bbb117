/* SPDX-License-Identifier: MIT
 * audit_walk.c - the chain of the audit log, some rows at a time: where does it break? */
#include <errno.h>

#include "master/audit.h"
#include "master/store_sql.h"

enum { STEP_MEMORY = 256 << 20 };

static int walk_row(struct audit_walk *w, struct sql *q, struct arena *a)
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

int audit_walk_rows(struct store_db *db, struct audit_walk *w, int most)
{
	struct arena *a = arena_new(STEP_MEMORY);
	struct sql *q = sql_query(db, "SELECT " AUDIT_COLUMNS
				      " FROM audit WHERE number > ? ORDER BY number LIMIT ?");
	int r = a ? 0 : -ENOMEM, n = 0;
	sql_int(q, 1, w->rows);
	sql_int(q, 2, most);
	while (!r && !w->broken && (r = sql_row(q)) > 0) {
		n++;
		r = walk_row(w, q, a);
	}
	sql_end(q);
	arena_free(a);
	return r < 0 ? r : n;
}
