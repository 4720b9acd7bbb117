/* SPDX-License-Identifier: MIT
 * store_db.h - what store*.c share among themselves: a connection, and how it is opened. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>

#include "common/str.h"

enum {
	STORE_APPLICATION_ID = 0x6c6c6d67,	/* "llmg": tells our files from others */
	SQL_CACHED = 512		/* a power of two, twice the number of statements */
};

struct sql {
	struct store_db *owner;
	const char *text;		/* the literal's address is its name */
	sqlite3_stmt *stmt;
	int err;			/* -errno of what went wrong before the step */
};
struct store_db {
	sqlite3 *db;
	uint64_t deadline_ns;		/* reader: when the running job is stopped */
	bool is_timed_out;
	struct sql cache[SQL_CACHED];
	struct sql once;		/* sql_dynamic(), and what the cache has no room for */
	struct audit_capture *audit;	/* the writer's */
};

/* -- store_audit.c: what jobs change, for the audit log. When the schema is as it stays. */
int store_audit_start(struct store_db *w) MUST_USE;
void store_audit_stop(struct store_db *w);
/* Around a job; origin NULL: nothing is noted. err is the job's; what it becomes is returned. */
struct audit_origin;
void store_audit_begin(struct store_db *w, const struct audit_origin *origin);
int store_audit_end(struct store_db *w, int err) MUST_USE;

/* The writing connection: checks after an unclean end, migrates. */
int store_db_open_writer(struct store_db *w, const char *dir, char reterr[256]) MUST_USE;
/* The reading one, of the same file, when the writer is open. */
int store_db_open_reader(struct store_db *r, const char *dir, char reterr[256]) MUST_USE;
void store_db_close(struct store_db *d);
/* Applies sql/ migrations that are missing. 0, -EPROTONOSUPPORT (a newer schema), -errno. */
int store_migrate(struct store_db *w, char reterr[256]) MUST_USE;
unsigned store_schema_known(void);	/* the newest of them */
/* Copies what the connection sees to a new file, 0600, synced. 0, -EEXIST or another -errno. */
int store_copy(struct store_db *from, const char *to) MUST_USE;

#endif
