/* SPDX-License-Identifier: MIT
 * ledger_private.h - the ledger's state, shared by ledger.c and ledger_recover.c. */
#ifndef LEDGER_PRIVATE_H
#define LEDGER_PRIVATE_H

#include "master/ledger.h"
#include "master/ledger_fold.h"

enum account_state {
	ACCOUNT_LIVE,			/* its worker runs */
	ACCOUNT_DRAINING,		/* reaped: the rest of the journal */
	ACCOUNT_BOOKING,		/* what was open in the journal and on the board */
	ACCOUNT_SETTLING		/* booked: the slots on the board */
};
struct account {			/* one worker start: a journal and a slot of the board */
	struct account *next;
	struct ledger *ledger;
	unsigned slot;
	enum account_state state;
	struct journal *journal;
	uint64_t committed;		/* known to be in the database, once is_known */
	bool is_known, is_busy;		/* busy: a job is under way */
	bool is_drained;
	struct fold fold;		/* the job's */
	struct ledger_cost *costs;	/* room of the job's; NULL: nobody is told */
	/* reaping */
	int dirfd;
	struct booking booking;
	struct held_slot *held;
	size_t n_settled;
	void (*done)(void *data, uint64_t cut_rows);
	void *done_data;
};
struct ledger {
	struct store *store;
	struct board *board;
	uv_timer_t timer;
	struct account *accounts;
	struct batch *batch;		/* the writer thread's */
	bool is_busy;			/* there was work at the last turn */
	unsigned ticks;
	uint64_t retry_ms, retry_at_ns;	/* 0: all is well */
	const struct ledger_watch *watch;	/* or NULL */
	void *watch_data;
	ledger_charge_fn *charge;	/* or NULL */
	void *charge_data;
};

/* What a committed fold brought, onto the board. */
void ledger_count(struct ledger *l, const struct fold *f);
/* The file of a journal whose records are all in the database; and its watermark. */
void ledger_unlink(const struct journal *j, int dirfd);
void ledger_forget(struct ledger *l, uint64_t epoch);

#endif
