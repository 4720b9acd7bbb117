/* SPDX-License-Identifier: MIT
 * gates.h - the master's part of gates (common/gate.h): their rows, what is booked of budgets, the
 * turn of periods, and hours.
 *
 * What a budget's period has cost is what the database says of the requests that began in it; it
 * is read at start and at each turn, and follows the ledger from then on. */
#ifndef GATES_H
#define GATES_H

#include "common/board.h"
#include "master/config.h"
#include "master/store.h"

struct gates;
struct ledger;

/* The gates of one deployment into its row of the snapshot, each with a row on the board.
 * 0, -ENOSPC, -ENOMEM. */
int gates_build(struct board *b, const struct config *c, const struct config_model *cm,
		struct snap_build *to, struct snap_deployment *d) MUST_USE;

/* The budgets of tags, each with a row on the board. 0, -ENOSPC, -ENOMEM. */
int gates_build_tags(struct board *b, const struct config *c, struct snap_build *to) MUST_USE;

/* How a budget of the configuration stands: of a tag, else of a provider. */
struct gates_state {
	int64_t spent;
	uint64_t until_ns;		/* 0: nobody can spend it */
};
struct gates_state gates_budget_state(const struct gates *g, bool is_tag, struct str name);

/* Hears from the ledger what is booked. Board, store and ledger stay the caller's. */
int gates_new(struct store *s, struct board *b, struct ledger *l, struct gates **ret) MUST_USE;
/* c, which lives until the next call, is about to be in force: its gates are on the board. The
 * first call, before any worker serves, waits until all spend is read. */
void gates_configure(struct gates *g, const struct config *c, uint64_t wall_ns);
void gates_tick(struct gates *g, uint64_t wall_ns);	/* each second */

#endif
