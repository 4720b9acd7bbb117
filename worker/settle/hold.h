/* SPDX-License-Identifier: MIT
 * hold.h - the end of an answer, and its wait for what must be on disk before.
 *
 * What the next request may refer to is kept first (remember.h), and what a retry is to be given
 * (worker/known.h).
 * With ledger.durability: strict the last bytes of an answer (all of a plain one, the closing
 * events of a stream) wait until the record of its cost has been flushed: what a client has seen
 * acknowledged is never lost, not even by a power cut. */
#ifndef HOLD_H
#define HOLD_H

#include "worker/request.h"

/* Whether the closing events of a stream are left to hold_finish(). */
bool hold_wants_end(const struct request *r);
/* Gives r->final_head and r->final_body (plain), or r->final_body and the end (stream): now, or
 * once all is on disk. Ends the request. */
void hold_finish(struct request *r);
/* The client left while its answer waited. */
void hold_forget(struct request *r);
/* The flusher has written: answers whose records are on disk go out. */
void hold_release(struct worker *w);

#endif
