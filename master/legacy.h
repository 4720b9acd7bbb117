/* SPDX-License-Identifier: MIT
 * legacy.h - what earlier processes left behind: workers that live on, journals, the board.
 *
 * Workers outlive their master: one that upgrades itself hands them over, one that was killed
 * orphans them. Orphans stop accepting and finish what runs, with reservations on a board that
 * only they hold; so the next master takes that very board, and budgets, limits and cooldowns
 * go on without a gap. A worker holds a POSIX lock on its journal, which tells who is alive. */
#ifndef LEGACY_H
#define LEGACY_H

#include "master/upgrade.h"

struct ledger;

/* After the state directory was locked. In: what an upgrade hands over, or nothing. Out: with
 * them, while there is a board (board_fd >= 0), every orphan and every journal of a worker that
 * has gone; without one, nobody: their journals are left to ledger_recover(). An orphan that
 * cannot be taken over is killed. ret_crashed: there were journals of another run. 0 or -errno. */
int legacy_find(struct upgrade_state *s, int journal_dirfd, bool *ret_crashed) MUST_USE;
/* Gives the ledger their journals; before ledger_recover(). */
void legacy_attach(struct upgrade_state *s, int journal_dirfd, struct ledger *l);

#endif
