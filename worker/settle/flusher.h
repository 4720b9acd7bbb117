/* SPDX-License-Identifier: MIT
 * flusher.h - the one thread beside the loop: it makes the journal durable every 5 ms. */
#ifndef FLUSHER_H
#define FLUSHER_H

#include "common/board.h"
#include "common/journal.h"

struct flusher;
struct uv_async_s;
/* told: woken after a flush that flusher_tell() asked for. */
int flusher_start(struct journal *j, struct board_worker *row, struct uv_async_s *told,
		  struct flusher **ret) MUST_USE;
void flusher_wake(struct flusher *f);		/* something was appended; cheap */
void flusher_tell(struct flusher *f);		/* wake `told` after the next flush */
void flusher_stop(struct flusher *f);		/* flushes a last time, joins */
/* false after fdatasync failed: the journal is not to be trusted. */
bool flusher_is_well(const struct flusher *f);

#endif
