/* SPDX-License-Identifier: MIT
 * gcra.h - a rate limit in one 64-bit word (generic cell rate algorithm, ITU-T I.371).
 *
 * The word is the theoretical arrival time in monotonic nanoseconds. Compare-and-swap, no lock:
 * a process killed anywhere leaves it right. One limit of L units a minute is emit_ns =
 * 60e9 / L with burst = L: that much at once, and what flows into the bucket beside it, so that
 * a minute may see twice the limit; who wants no more than L in one has rate.h. Limits above 60e9
 * units a minute count as unlimited. */
#ifndef GCRA_H
#define GCRA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct gcra_limit {
	uint64_t per_minute;	/* 0 = no limit */
	uint64_t burst;		/* units that may come at once; 0 = per_minute */
};

/* Takes `cost` units now. false leaves the word alone and says how long to wait; a cost above
 * the burst is admitted when the bucket is full, so that nothing waits for ever. */
bool gcra_take(_Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns, uint64_t cost,
	       uint64_t *ret_wait_ns);
/* Charges without asking: what the real usage turned out to be above the estimate. */
void gcra_charge(_Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns, uint64_t cost);
/* Gives back: what the estimate was above the real usage. Never below `now`. */
void gcra_refund(_Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns, uint64_t cost);
/* Units that would be admitted now. */
uint64_t gcra_left(_Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns);

#endif
