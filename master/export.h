/* SPDX-License-Identifier: MIT
 * export.h - finished requests on their way out: from the rings of workers (common/record.h) to
 * the callbacks of the configuration, in batches.
 *
 * Sending, and what is kept on the disk while a receiver is down, happens on libuv's pool, one
 * batch at a time for each callback. Each buffer and the disk have a bound; what finds no room is
 * dropped and counted. A batch is given at least once when it was accepted here and the master
 * ends in order; what waits in memory is lost with a master that is killed. */
#ifndef EXPORT_H
#define EXPORT_H

#include "master/master.h"

struct export;
int export_new(struct master *m, struct export **ret) MUST_USE;
/* After a reload: who is told, and where they are. */
void export_configure(struct export *e);
/* Each second: whether keys or teams have callbacks now, where nobody else has. */
void export_look(struct export *e);
/* Sends or keeps what is there, within about as long; the loop is not run. NULL is fine. */
void export_stop(struct export *e, uint64_t patience_ms);

#endif
