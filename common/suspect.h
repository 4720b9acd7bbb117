/* SPDX-License-Identifier: MIT
 * suspect.h - requests that crash workers ("queries of death"): who they are, and until when the
 * same ones are refused.
 *
 * As long as no worker crashes nothing is done. One that does leaves on the board the print of the
 * request that it works on, which is a keyed hash of its key, path and body. A first crash may be
 * anybody's doing: it is noted, and opens a watch. From then on prints are made of all requests,
 * and who crashes a worker is refused: for a minute, and from its third crash on four times as
 * long after each. Prints of requests that merely wait for their provider are not left. */
#ifndef SUSPECT_H
#define SUSPECT_H

#include <stdbool.h>

#include "common/board.h"

#define SUSPECT_WATCH_NS UINT64_C(900000000000)		/* behind the last crash, or refusal */
#define SUSPECT_FIRST_NS UINT64_C(60000000000)
#define SUSPECT_LONGEST_NS UINT64_C(3600000000000)

/* A worker's. Whether prints are wanted at that time, and so whether to ask at all. */
static inline bool suspect_watch(const struct board *b, uint64_t now_ns)
{
	uint64_t until = atomic_load_explicit(&b->head->suspects_until_ns, memory_order_relaxed);
	return until && now_ns < until;
}
/* Never 0. */
uint64_t suspect_print(const struct board *b, uint64_t key_id, struct str path, struct str body);
/* In how many seconds it is let in again; 0: it may come in. Counts a refusal. */
uint64_t suspect_refuses(struct board *b, uint64_t print, uint64_t now_ns);

/* The master's: that worker has crashed. *ret: the request that is refused from now on; false:
 * nobody is. */
bool suspect_crashed(struct board *b, struct board_worker *w, uint64_t now_ns, uint64_t wall_ns,
		     struct board_suspect *ret);
/* Another program may be better: nobody is suspected any more. */
void suspect_clear(struct board *b);

#endif
