/* SPDX-License-Identifier: MIT
 * history.h - each configuration that was in force: when, by whom, what it changed; and back.
 *
 * What is kept is all that it was made of, files and objects of the database, sealed. The newest
 * HISTORY_ROWS are, and HISTORY_BYTES of them; a larger one is noted without its content. */
#ifndef HISTORY_H
#define HISTORY_H

#include "master/commands.h"

enum { HISTORY_ROWS = 100, HISTORY_BYTES = 64 << 20, HISTORY_ONE_MAX = 8 << 20 };

/* Notes what is in force at the start, unless it is what was in force last. */
void history_begin(struct master *m);
/* Notes what has just come into force. changes: JSON rows. Failure is logged. */
void history_note(struct master *m, const char *who, const char *what, struct str changes);

void history_list(struct command_call *c);
void history_show(struct command_call *c);
void history_rollback(struct command_call *c);

#endif
