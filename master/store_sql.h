/* SPDX-License-Identifier: MIT
 * store_sql.h - statements for jobs: prepare once, bind, step, read.
 *
 * A job gets a struct store_db and asks it for statements by their text; they stay prepared. A
 * failure on the way (prepare, bind) is kept in the statement and told by the step, so a job
 * checks once. Everything here is used on the store's threads only. */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include "common/buf.h"
#include "common/hash.h"
#include "common/str.h"

struct store_db;
struct sql;

/* A statement ready for binding, reset from its last use. Never NULL. `text` is a literal: it
 * is known again by its address. Bound text must live until the statement is stepped. */
struct sql *sql_query(struct store_db *db, const char *text);
/* The same for a text made up on the spot; good until the next sql_dynamic() on this db. */
struct sql *sql_dynamic(struct store_db *db, const char *text);
/* The same of a buffer, which it ends; one that has failed makes a statement that fails. */
struct sql *sql_buffer(struct store_db *db, struct buf *text);
void sql_int(struct sql *q, int at, int64_t v);			/* `at` counts from 1 */
void sql_null(struct sql *q, int at);
void sql_text(struct sql *q, int at, struct str s);		/* .p NULL binds NULL */
void sql_blob(struct sql *q, int at, const void *p, size_t n);
void sql_int_or_null(struct sql *q, int at, int64_t v, bool is_given);

/* 1: a row is there; 0: no more (the statement is reset); or -errno, see sql_errno(). */
int sql_row(struct sql *q) MUST_USE;
/* Steps to the end. 0 or -errno. */
int sql_run(struct sql *q) MUST_USE;
/* Ends a query before its last row. */
void sql_end(struct sql *q);

/* Of the row. Text and blob are good until the next step; NULL gives 0 or .p == NULL. */
int64_t sql_get_int(struct sql *q, int column);			/* counts from 0 */
struct str sql_get_text(struct sql *q, int column);
struct str sql_get_blob(struct sql *q, int column);
bool sql_get_is_null(struct sql *q, int column);
bool sql_get_sha256(struct sql *q, int column, struct sha256 *ret);

/* Several statements without parameters. 0 or -errno. */
int sql_exec(struct store_db *db, const char *text) MUST_USE;
int64_t sql_last_id(struct store_db *db);
int64_t sql_changes(struct store_db *db);			/* rows of the last statement */
/* -ENOSPC full, -EIO broken, -EEXIST not unique, -EINVAL another constraint, -ETIME the time
 * limit, -EAGAIN locked by another program, -ENOMEM, -EROFS. Of a result code of SQLite. */
int sql_errno(struct store_db *db, int rc);

#endif
