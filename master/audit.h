/* SPDX-License-Identifier: MIT
 * audit.h - the audit log: every change of the database that a command makes, and every command
 * that changes what runs.
 *
 * Nothing here is called by a command. A call has an origin: who, from where, by which command.
 * The store takes it along with each job that is given while the command runs, or while a job
 * that was given for it is done; what such a job changes, in any table, is written down in the
 * job's own transaction, row by row (store_audit.c). So no change is without its record, and no
 * record without its change. */
#ifndef AUDIT_H
#define AUDIT_H

#include "common/arena.h"
#include "common/hash.h"
#include "master/commands.h"

struct store_db;

enum { AUDIT_ROWS_MAX = 1000 };		/* of a job: what is beyond is counted in one row more */

struct audit_origin {			/* counted by the loop alone, read by the writer's thread */
	unsigned refs;
	struct str changed_by, key_hash, role, address, command;
	char text[];
};
/* Runs the command with an origin in force; notes one first that only acts. */
void audit_run(struct command_call *c);
/* Notes that one which only acts has failed, if it is known to have begun, and then calls `then`.
 * False: there is nothing to be noted, or no way to. */
bool audit_end(struct command_call *c, void (*then)(struct command_call *c)) MUST_USE;

/* Commands. */
void audit_list(struct command_call *c);
void audit_show(struct command_call *c);
void audit_verify(struct command_call *c);

/* -- audit_row.c -- */

struct audit_origin *audit_origin_keep(struct audit_origin *o);	/* NULL is fine */
void audit_origin_drop(struct audit_origin *o);

struct audit_row {
	int64_t number, at;
	struct str id, changed_by, key_hash, role, address, command, action, table_name, object_id;
	struct str before, after;	/* JSON; .p NULL: none */
	struct sha256 hash;
};
#define AUDIT_COLUMNS                                                                             \
	"number, at, id, changed_by, key_hash, role, address, command, action, table_name,"       \
	" object_id, before_value, updated_values, hash"
/* What the row's hash must be behind a row with that one; the first stands behind zeroes.
 * -ENOMEM. */
int audit_row_hash(const struct audit_row *row, const struct sha256 *before, struct sha256 *ret)
	MUST_USE;
/* Numbers it, hashes it, appends it. In a job. 0 or -errno. */
int audit_row_append(struct store_db *db, struct audit_row *row) MUST_USE;
/* Reads the row that a query with AUDIT_COLUMNS stands at. 0 or -ENOMEM. */
struct sql;
int audit_row_read(struct sql *q, struct arena *a, struct audit_row *ret) MUST_USE;

/* -- audit_walk.c -- */

struct audit_walk {
	struct sha256 head;		/* of the last row that is well */
	int64_t rows;			/* so many are */
	const char *broken;		/* why the next one is not; NULL: it is */
	bool has_wanted, is_wanted_seen;
	struct sha256 wanted;		/* a head that somebody has noted */
};
/* Walks the next rows, `most` at most. How many were there (fewer: the log ends), or -errno. */
int audit_walk_rows(struct store_db *db, struct audit_walk *w, int most) MUST_USE;

/* JSON with what looks like a secret masked: by the name that it has, or by its look. Appends
 * null where it is no JSON. Failure is the buf's. */
void audit_mask_json(struct arena *a, struct str json, struct buf *out);
/* Whether a member or column of that name holds one. */
bool audit_is_secret(struct str name);
bool audit_looks_secret(struct str text);

#endif
