/* SPDX-License-Identifier: MIT
 * ledger_fold.h - what ledger*.c share: records on their way into the database.
 *
 * A batch is filled with records that were checked, then booked in one job on the writer thread;
 * only that thread touches it. */
#ifndef LEDGER_FOLD_H
#define LEDGER_FOLD_H

#include "common/board.h"
#include "common/journal.h"
#include "common/price.h"
#include "master/ledger.h"
#include "master/ledger_rollup.h"
#include "master/store_sql.h"

enum {
	FOLD_MAX = 4096,		/* records a batch, hence a job */
	COSTS_MAX = 4 * FOLD_MAX,	/* a request has one, and one for each of its tags */
	FOLD_TABLE = 16384,	/* places of its hash tables */
	OWNERS_MAX = FOLD_MAX / 2 * (2 + BOARD_LEVELS),	/* who may pay for a batch */
	OWNER_TABLE = 65536,
	LEDGER_ROWS = 32,		/* that a statement inserts at once */
	LEDGER_ROW_ID = 17,		/* bytes: a request's, and an attempt's number */
	FLAGS_OF_CUT = JF_CUT | JF_ESTIMATED
};

struct owner_sum {			/* one row of keys, teams or tenants */
	uint64_t id, first_end_ns, last_end_ns;	/* id: board_entity.id */
	int64_t cost;
};
struct ledger_row {			/* of spend_logs: one that waits to be inserted */
	const struct journal_record *r;
	size_t tags_at, tags_n;		/* in the buffer of them */
	bool is_new;			/* result: it was not there yet */
};
/* What a record that no worker has settled brings to an owner's sum on the board. */
enum { BULK_CHARGES_MAX = 64 };
struct bulk_charges {
	size_t n;			/* more than fit are left to keys_sums_tick() */
	struct { uint64_t owner; int64_t cost; } v[BULK_CHARGES_MAX];
};
struct batch {
	struct journal_record r[FOLD_MAX];
	bool is_done[FOLD_MAX];		/* an INTENT that is settled; a SETTLE that was inserted */
	uint32_t n, n_owners;
	uint64_t rows;			/* inserted, over all batches of the job */
	/* What they cost, up to COSTS_MAX of them in all of the job; NULL: nobody asks. */
	struct ledger_cost *costs;
	bool tells_tags;		/* of tags, too */
	size_t n_costs;
	struct bulk_charges *charges;	/* the job's, or NULL */
	struct owner_sum owners[OWNERS_MAX];
	uint16_t intent_at[FOLD_TABLE], owner_at[OWNER_TABLE];
	struct rollup rollup;
	struct buf tags;		/* of the rows that wait, as JSON */
	struct ledger_row waiting[LEDGER_ROWS + JOURNAL_ATTEMPTS_MAX];
	uint32_t n_waiting;
};
_Static_assert(OWNERS_MAX < UINT16_MAX && OWNERS_MAX <= OWNER_TABLE / 2, "batch.owner_at");

/* Whether a record may be booked. Makes its times run forward and its texts valid UTF-8. */
bool record_check(struct journal_record *r, uint64_t now_ns);
/* -- ledger_rows.c -- */

/* A request's own row and no sum: 1: inserted; 0: it was there already; or -errno. */
int ledger_insert(struct store_db *db, const struct journal_record *r, struct str tags) MUST_USE;
/* Many; those of a request's attempts stand behind its own, and are there only with that. */
int ledger_insert_rows(struct store_db *db, struct ledger_row *rows, size_t n,
		       const struct buf *tags) MUST_USE;
static inline struct str ledger_row_tags(const struct ledger_row *row, const struct buf *tags)
{
	return row->tags_n ? str_of(tags->p + row->tags_at, row->tags_n) : STR_NONE;
}

/* -- ledger_batch.c -- */

/* Books what is in the batch and empties it. */
int batch_book(struct batch *b, struct store_db *db, uint64_t epoch) MUST_USE;

/* -- ledger_owners.c: who pays -- */

/* The first byte of an owner's id. From OWNER_TEAM + 1 on they are rows of tenants, from
 * OWNER_MODEL on of model_limits. */
enum { OWNER_KEY = 1, OWNER_TEAM = 2, OWNER_KINDS = 19, OWNER_MODEL = 10 };

/* The owners that stand in a record of their own, right before record `i`. */
struct str record_levels(const struct batch *b, uint32_t i);
/* Such a record of what record_levels() gave, or of a slot: the next of the batch. */
void batch_add_levels(struct batch *b, const uint8_t request_id[16], struct str levels);
int64_t owner_add_cost(int64_t sum, int64_t cost);	/* PRICE_NANO_MAX at most */
void sum_owners(struct batch *b, uint32_t i);
/* Of record `i`: a place for each in `ret`; returns how many. */
unsigned record_owners(const struct batch *b, uint32_t i, uint64_t ret[BOARD_LEVELS + 2]);
int add_owners(const struct batch *b, struct store_db *db) MUST_USE;

/* -- ledger_bulk.c -- */

/* Writes down who made batches at providers, and puts their makers into the records that say what
 * such batches cost. What is not to be booked, since it was before or nobody here made it, is no
 * record any more. */
int bulk_claim(struct batch *b, struct store_db *db) MUST_USE;
/* Record `i` was booked, with its sums: it is to come onto the board. */
void bulk_charge(struct batch *b, uint32_t i);

/* One journal into the database, a batch at a time. */
struct fold {
	const struct journal *journal;
	struct batch *batch;
	bool is_dead;			/* nobody writes to it any more: look behind gaps too */
	struct ledger_cost *costs;	/* room for COSTS_MAX, or NULL */
	size_t n_costs;			/* result; more than COSTS_MAX: some are not there */
	struct bulk_charges charges;	/* result */
	bool tells_tags;
	uint64_t upto, rows, bad;	/* results */
	bool has_more;
};
int fold_job(struct store_db *db, void *data) MUST_USE;

/* A slot that a worker held when it died: copied from the board, then what it costs. */
struct held_slot {
	uint8_t request_id[16];
	uint32_t number;
	bool is_dispatched, is_booked;
	int64_t reserve, running, cost;
	uint32_t tokens_in, tokens_out, endpoint, team;
	uint64_t key_id, start_ns, deployment;
	uint32_t n_levels;
	uint64_t level[BOARD_LEVELS];	/* owners other than key and team */
};
/* Books the open intents of one journal, or of all but those in `spare`, and what slots held. */
struct booking {
	struct batch *batch;
	uint64_t epoch;			/* 0: all but the n_spare of spare */
	const uint64_t *spare;
	size_t n_spare;
	struct held_slot *held;		/* sorted by request_id */
	size_t n_held;
	struct ledger_cost *costs;	/* as in a fold */
	size_t n_costs;
	uint64_t rows;			/* result */
};
int booking_job(struct store_db *db, void *data) MUST_USE;
int held_cmp(const void *a, const void *b);

#endif
