/* SPDX-License-Identifier: MIT
 * rate.h - a limit of so many a minute, in one 64-bit word: of one of two kinds.
 *
 * Without a burst it is LiteLLM's: a minute begins with whoever comes first, and whatever comes in
 * it is counted, so many and not one more; the next minute begins with who comes behind it. With a
 * burst that is given it is an even pace (gcra.h). Compare-and-swap, no lock: a process killed
 * anywhere leaves the word right. Where a limit's kind becomes another, its word begins at 0. */
#ifndef RATE_H
#define RATE_H

#include "common/gcra.h"

/* From so many a minute on it is none, for want of bits to count them. */
#define RATE_UNLIMITED (UINT64_C(1) << 30)

/* Takes `cost` units now. false leaves the word alone and says how long to wait; a cost above the
 * limit is admitted when nothing else has been, so that nothing waits for ever. */
bool rate_take(_Atomic uint64_t *word, struct gcra_limit limit, uint64_t now_ns, uint64_t cost,
	       uint64_t *ret_wait_ns);
/* Charges without asking: what the real usage turned out to be above the estimate. */
void rate_charge(_Atomic uint64_t *word, struct gcra_limit limit, uint64_t now_ns, uint64_t cost);
/* Gives back of what was taken at taken_ns: nothing, once that minute is over. */
void rate_refund(_Atomic uint64_t *word, struct gcra_limit limit, uint64_t taken_ns,
		 uint64_t now_ns, uint64_t cost);
/* Units that would be admitted now. */
uint64_t rate_left(_Atomic uint64_t *word, struct gcra_limit limit, uint64_t now_ns);
/* Of a limit without a burst: whether its minute is over, so that the word says nothing. */
bool rate_is_over(_Atomic uint64_t *word, uint64_t now_ns);

#endif
