/* SPDX-License-Identifier: MIT
 * ledger_rollup.h - the sums that reports read, made in memory and added to their tables.
 *
 * One per batch, used on the writer thread alone. What a request adds waits here until
 * rollup_flush(), or until there is no room, so that a batch touches each row once; both happen
 * inside the transaction that inserts the request's own row. Requests that are alike are summed
 * first, and each sum goes into the twenty rows that it counts in: a request costs one look-up. */
#ifndef LEDGER_ROLLUP_H
#define LEDGER_ROLLUP_H

#include "common/buf.h"
#include "common/journal.h"
#include "master/store_sql.h"

enum rollup_kind {			/* spend_totals.kind, spend_labels.kind: never renumbered */
	ROLLUP_ALL, ROLLUP_KEY, ROLLUP_TEAM, ROLLUP_USER, ROLLUP_ORGANIZATION,
	ROLLUP_END_USER, ROLLUP_TAG, ROLLUP_MODEL, ROLLUP_DEPLOYMENT, ROLLUP_ENDPOINT,
	ROLLUP_KINDS
};
enum { ROLLUP_BY_DAY, ROLLUP_BY_HOUR, ROLLUP_SPANS };	/* spend_totals.span */
enum {
	ROLLUP_SUMS = 8192, ROLLUP_ALIKE = 2048, ROLLUP_SUM_TABLE = 32768,
	ROLLUP_NAMES = 4096, ROLLUP_NAME_TABLE = 16384,
	ROLLUP_OWNERS = 4096, ROLLUP_OWNER_TABLE = 16384,
	ROLLUP_TAGS_MAX = 32,		/* of a request */
	ROLLUP_PLACES = 9
};
enum rollup_table { IN_DAILY, IN_TAGGED, IN_LABELS, IN_TOTALS, ROLLUP_TABLES };

struct rollup_counts {
	int64_t requests, failed, unpriced, input, output, cache_read, cache_write, reasoning, cost;
};
struct rollup_sum {			/* one row of one of the tables */
	uint64_t table;
	int64_t at[ROLLUP_PLACES];	/* its primary key; the rest is 0 */
	struct rollup_counts counts;
};
struct rollup_set {
	uint32_t n;
	struct rollup_sum v[ROLLUP_SUMS];
	uint16_t at[ROLLUP_SUM_TABLE];
};
struct rollup_name {
	struct str text;		/* in the batch's records */
	int64_t id;
};
struct rollup_owner {			/* whose a key was when the batch was booked */
	uint64_t key_id, team;
	int64_t user, organization;	/* spend_names.id */
};
struct rollup {
	uint32_t n_names, n_owners;
	struct rollup_set alike;	/* as rows of spend_daily, but by hour */
	struct rollup_set sums;
	struct rollup_name names[ROLLUP_NAMES];
	struct rollup_owner owners[ROLLUP_OWNERS];
	uint16_t name_at[ROLLUP_NAME_TABLE];
	uint16_t owner_at[ROLLUP_OWNER_TABLE];
	struct rollup_name model;	/* the last record's; .text.p NULL: none */
};

struct rollup_tags {			/* a request's */
	struct str v[ROLLUP_TAGS_MAX];
	size_t n;
	struct str json;		/* all of them as a list; .p NULL: none */
};
/* Adds one settled request. The record must stay where it is until rollup_reset(), and so must
 * the text of tags->v. 0 or -errno. */
int rollup_add(struct rollup *ru, struct store_db *db, const struct journal_record *r,
	       const struct rollup_tags *tags) MUST_USE;
int rollup_flush(struct rollup *ru, struct store_db *db) MUST_USE;
/* Forgets all: what a transaction that failed has put into names is not there any more. */
void rollup_reset(struct rollup *ru);

/* The tags in up to n records of kind JOURNAL_TAGS, without those that are no text. */
size_t rollup_read_tags(const struct journal_record *r, size_t n, struct str ret[ROLLUP_TAGS_MAX]);

/* Whether a request counts as failed, in sums and rows. */
static inline bool rollup_is_failure(int64_t flags, int64_t status)
{
	return (flags & JF_FAILED) || status >= 400;
}

#endif
