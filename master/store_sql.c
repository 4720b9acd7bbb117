/* SPDX-License-Identifier: MIT
 * store_sql.c - prepared statements, kept by the address of their text; see store_sql.h. */
#include "master/store_sql.h"

#include <errno.h>

#include "common/clock.h"
#include "master/store_db.h"

static int errno_of_io(sqlite3 *db)
{
	switch (sqlite3_system_errno(db)) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

static int errno_of_constraint(int extended)
{
	switch (extended) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
		return -EEXIST;
	default:
		return -EINVAL;
	}
}

int sql_errno(struct store_db *d, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return errno_of_io(d->db);
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EAGAIN;
	case SQLITE_INTERRUPT:
		return -ETIME;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return -EROFS;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_CONSTRAINT:
		return errno_of_constraint(sqlite3_extended_errcode(d->db));
	default:
		return -EIO;
	}
}

static void prepare(struct sql *q, unsigned flags)
{
	int rc = sqlite3_prepare_v3(q->owner->db, q->text, -1, flags, &q->stmt, NULL);
	q->err = sql_errno(q->owner, rc);
}

static void discard(struct sql *q)
{
	sqlite3_finalize(q->stmt);
	q->stmt = NULL;
}

struct sql *sql_dynamic(struct store_db *d, const char *text)
{
	struct sql *q = &d->once;
	discard(q);
	*q = (struct sql){ .owner = d, .text = text };
	prepare(q, 0);
	q->text = NULL;			/* the caller's, and perhaps gone soon */
	return q;
}

struct sql *sql_buffer(struct store_db *d, struct buf *text)
{
	const char *z = buf_z(text);
	struct sql *q = sql_dynamic(d, z ? z : "");
	buf_done(text);
	return q;
}

static struct sql *reuse(struct sql *q)
{
	sqlite3_reset(q->stmt);
	sqlite3_clear_bindings(q->stmt);
	q->err = 0;
	return q;
}

struct sql *sql_query(struct store_db *d, const char *text)
{
	size_t at = (size_t)((uintptr_t)text * UINT64_C(0x9e3779b97f4a7c15) >> 32);
	for (size_t i = 0; i < SQL_CACHED / 2; i++) {
		struct sql *q = &d->cache[(at + i) % SQL_CACHED];
		if (q->text == text && q->stmt)
			return reuse(q);
		if (q->text && q->text != text)
			continue;
		*q = (struct sql){ .owner = d, .text = text };
		prepare(q, SQLITE_PREPARE_PERSISTENT);
		return q;
	}
	return sql_dynamic(d, text);
}

static void note(struct sql *q, int rc)
{
	if (rc != SQLITE_OK && !q->err)
		q->err = sql_errno(q->owner, rc);
}

void sql_int(struct sql *q, int at, int64_t v)
{
	if (!q->err)
		note(q, sqlite3_bind_int64(q->stmt, at, v));
}

void sql_null(struct sql *q, int at)
{
	if (!q->err)
		note(q, sqlite3_bind_null(q->stmt, at));
}

void sql_text(struct sql *q, int at, struct str s)
{
	if (!q->err)
		note(q, sqlite3_bind_text64(q->stmt, at, s.p, s.n, SQLITE_STATIC, SQLITE_UTF8));
}

void sql_blob(struct sql *q, int at, const void *p, size_t n)
{
	if (!q->err)
		note(q, sqlite3_bind_blob64(q->stmt, at, p, n, SQLITE_STATIC));
}

void sql_int_or_null(struct sql *q, int at, int64_t v, bool is_given)
{
	if (is_given)
		sql_int(q, at, v);
	else
		sql_null(q, at);
}

int sql_row(struct sql *q)
{
	if (q->err)
		return q->err;
	int rc = sqlite3_step(q->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	q->err = sql_errno(q->owner, rc);
	int err = q->err;
	sqlite3_reset(q->stmt);
	return err;
}

int sql_run(struct sql *q)
{
	int r;
	while ((r = sql_row(q)) > 0)
		;
	return r;
}

void sql_end(struct sql *q)
{
	sqlite3_reset(q->stmt);
}

int64_t sql_get_int(struct sql *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

struct str sql_get_text(struct sql *q, int column)
{
	const char *p = (const char *)sqlite3_column_text(q->stmt, column);
	return str_of(p, p ? (size_t)sqlite3_column_bytes(q->stmt, column) : 0);
}

struct str sql_get_blob(struct sql *q, int column)
{
	const char *p = sqlite3_column_blob(q->stmt, column);
	return str_of(p, p ? (size_t)sqlite3_column_bytes(q->stmt, column) : 0);
}

bool sql_get_is_null(struct sql *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

bool sql_get_sha256(struct sql *q, int column, struct sha256 *ret)
{
	struct str b = sql_get_blob(q, column);
	if (b.n != sizeof ret->b)
		return false;
	memcpy(ret->b, b.p, sizeof ret->b);
	return true;
}

int sql_exec(struct store_db *d, const char *text)
{
	return sql_errno(d, sqlite3_exec(d->db, text, NULL, NULL, NULL));
}

int64_t sql_last_id(struct store_db *d)
{
	return sqlite3_last_insert_rowid(d->db);
}

int64_t sql_changes(struct store_db *d)
{
	return sqlite3_changes64(d->db);
}
