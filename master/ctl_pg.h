/* SPDX-License-Identifier: MIT
 * ctl_pg.h - tables of a PostgreSQL database, read row by row, as they were at one moment.
 *
 * PostgreSQL's library is loaded when a database is opened: who never imports needs none. */
#ifndef CTL_PG_H
#define CTL_PG_H

#include "common/pgdump.h"
#include "master/ctl.h"

struct ctl_pg;
struct ctl_pg_where {
	struct arena *mem;		/* for messages, and what lives as long as the connection */
	const char *url;		/* postgresql://..., as LiteLLM's DATABASE_URL */
	uint64_t timeout_ms;		/* without a byte of the server */
	struct ctl_progress *progress;
	struct ctl_error *reterr;
};
/* Connects, and begins a transaction that only reads. No message has a password in it. */
enum ctl_exit ctl_pg_open(const struct ctl_pg_where *at, struct ctl_pg **ret) MUST_USE;
void ctl_pg_close(struct ctl_pg *pg);		/* NULL is fine */

/* How many rows a table has; -1: there is no such table. What may be read of it is known then. */
enum ctl_exit ctl_pg_count(struct ctl_pg *pg, const char *table, int64_t *ret) MUST_USE;

/* One row: values of the columns that were asked for and are there; memory is the callee's to
 * reset. What it returns but CTL_DONE ends the reading, and is returned. */
typedef enum ctl_exit ctl_pg_row_fn(void *data, struct pg_block *b);
/* All rows of a table, in no order. columns: names, of which those that the table does not have are
 * left out. b->rows holds one line of COPY: pg_row_next() reads it. */
enum ctl_exit ctl_pg_read(struct ctl_pg *pg, const char *table, const char *const *columns,
			  size_t n_columns, ctl_pg_row_fn *row, void *data) MUST_USE;

/* What libpq is given for a URL of LiteLLM's, without the parameters that are Prisma's alone; its
 * `schema`, or "public", in *ret_schema. .p NULL: it is no such URL. Pure. */
struct str ctl_pg_url(struct arena *a, struct str url, struct str *ret_schema);
/* s with each occurrence of the secret, if it is not empty, as "***". Pure. */
struct str ctl_pg_hide(struct arena *a, struct str s, struct str secret);

#endif
