/* SPDX-License-Identifier: MIT
 * ledger.h - folding journals into the database, exactly once, whoever is killed when.
 *
 * Rows and the watermark of their journal are committed in one transaction, and the request id
 * is unique: replaying a journal changes nothing. A lone INTENT of a dead worker becomes a row
 * marked `cut`, with the running cost that its slot on the board tells, else the reserve. */
#ifndef LEDGER_H
#define LEDGER_H

#include "common/board.h"
#include "common/journal.h"
#include "master/store.h"

struct ledger;

/* board and loop stay the caller's. A timer folds all journals every 100 ms, and one that has a
 * batch full of records within 25 ms; committed numbers go to
 * board->workers[slot].journal_committed, failures to board->head->money_down. */
int ledger_start(struct store *s, struct board *board, uv_loop_t *loop,
		 struct ledger **ret) MUST_USE;
/* Folds what is there a last time and waits for it. */
void ledger_stop(struct ledger *l);

/* At start, before keys_start() and any worker: replays every journal in dir that is not attached
 * (those of an upgrade in place are, by then), books lone INTENTs with their reserve, deletes what
 * is folded; a damaged file is put aside as *.bad. Waits. 0, -EIO, -ENOSPC, ...
 * *ret_booked: rows inserted, those included. */
int ledger_recover(struct ledger *l, int journal_dirfd, uint64_t *ret_booked) MUST_USE;
/* A worker is started with this journal: takes ownership of the (read-only) mapping. The board's
 * journal_committed of the slot is 0 for a new worker: ledger_reap() leaves it so. */
void ledger_attach(struct ledger *l, unsigned slot, struct journal *j);
/* A worker is gone (reaped): folds the rest of its journal, books the slots that it held on
 * the board (settling them there), deletes the file, then calls done on the loop. */
void ledger_reap(struct ledger *l, unsigned slot, int journal_dirfd,
		 void (*done)(void *data, uint64_t cut_rows), void *data);

/* Who is told of costs as they are booked, on the loop: requests to deployments, of the worker in
 * that slot; a slot of BOARD_WORKERS: of a dead one's slots. settled: nothing of that worker is
 * left to book. lost: more was booked than could be told. NULL: nobody. */
struct ledger_cost {
	uint64_t what, start_ns;	/* a deployment's hash; or ledger_tag_hash() */
	int64_t cost;
};
uint64_t ledger_tag_hash(struct str tag);
struct ledger_watch {
	void (*booked)(void *data, unsigned slot, const struct ledger_cost *v, size_t n);
	void (*settled)(void *data, unsigned slot);
	void (*lost)(void *data);
	bool with_tags;			/* also told: each tag of a request, with its cost */
};
void ledger_watch(struct ledger *l, const struct ledger_watch *w, void *data);

/* Who is told, on the loop, of what was booked and no worker has settled on the board: to an owner
 * (board_entity.id), so much. */
typedef void ledger_charge_fn(void *data, uint64_t owner, int64_t nano);
void ledger_on_charge(struct ledger *l, ledger_charge_fn *charge, void *data);

/* What deployments' numbers mean, for reports; told at each new configuration. Copies. */
struct ledger_name {
	uint64_t id_hash;
	struct str model_id, model_group, provider, model, api_base;
};
int ledger_name_deployments(struct ledger *l, const struct ledger_name *names, size_t n) MUST_USE;

#endif
