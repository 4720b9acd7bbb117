/* SPDX-License-Identifier: MIT
 * texts.h - prompts and answers on their way from the rings of workers (common/texts.h) into the
 * database.
 *
 * One batch at a time is taken, on libuv's pool freed of secrets, compressed and sealed, and then
 * put into the database in one job. What comes faster waits in the rings, and is lost where those
 * are full; so is what a killed master had taken. Nothing here stands in the ledger's way: while
 * spend cannot be recorded no text is taken. */
#ifndef MASTER_TEXTS_H
#define MASTER_TEXTS_H

#include "master/master.h"

struct texts;
int texts_new(struct master *m, struct texts **ret) MUST_USE;
/* After a reload. */
void texts_configure(struct texts *t);
/* Keeps what is there, within about as long; before store_close(). Freed when the loop has run.
 * NULL is fine. */
void texts_stop(struct texts *t, uint64_t patience_ms);

#endif
