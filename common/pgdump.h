/* SPDX-License-Identifier: MIT
 * pgdump.h - the rows in a dump of PostgreSQL's plain format: COPY blocks, their lines and arrays.
 *
 * All text is a stranger's: what is not exactly as pg_dump writes it is an error with its line. */
#ifndef PGDUMP_H
#define PGDUMP_H

#include "common/arena.h"

enum { PG_COLUMNS_MAX = 128, PG_VALUE_MAX = 16 << 20 };

struct pg_block {			/* COPY schema."table" (columns) FROM stdin; */
	struct str table;		/* without schema and quotes */
	struct str columns[PG_COLUMNS_MAX];
	size_t n_columns;
	struct str rows;		/* lines that were not read yet */
	size_t line;			/* of the first of them, from 1 */
};
struct pg_dump {
	struct str rest;
	size_t line;
	const char *what;		/* after -EINVAL: what is wrong on that line */
};

/* Whether it is one: 0; else a sentence on what it is instead, and what to do. */
const char *pg_dump_refuse(struct str text);
struct pg_dump pg_dump(struct str text);
/* The next block: 1; 0: there is no more; -EINVAL: see d->line and d->what. Slices of the text. */
int pg_dump_next(struct pg_dump *d, struct pg_block *ret) MUST_USE;
/* The next row of a block: n_columns values; .p NULL is NULL. 1, 0, -EINVAL with *reterr (static),
 * -ENOMEM. Values are slices of the text, or of the arena where something was escaped. */
int pg_row_next(struct pg_block *b, struct arena *a, struct str *values,
		const char **reterr) MUST_USE;
/* The next element of an array's text, whose '{' has been taken by pg_array_open(): 1, 0, or
 * -EINVAL. NULL elements give .p NULL. Nested arrays are none. */
int pg_array_open(struct str *text) MUST_USE;
int pg_array_next(struct str *text, struct arena *a, struct str *ret) MUST_USE;
/* "2024-01-31 12:00:00.123" (UTC) as nanoseconds since 1970; 0 or -EINVAL. */
int pg_read_time(struct str s, uint64_t *ret_ns) MUST_USE;

#endif
