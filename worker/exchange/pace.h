/* SPDX-License-Identifier: MIT
 * pace.h - what a provider's headers say of its limits, so that we slow down before it refuses.
 * Pure. */
#ifndef PACE_H
#define PACE_H

#include "common/str.h"

enum { PACE_REQUESTS, PACE_TOKENS, PACE_KINDS };
struct pace {
	bool is_used_up[PACE_KINDS];	/* nothing remains */
	uint32_t remaining[PACE_KINDS];	/* 1 + the least that was told; 0: nothing was */
	uint64_t reset_ms[PACE_KINDS];	/* until it is full again; 0 = not told */
};
/* The value of a header that says what remains. */
void pace_read_remaining(struct pace *p, unsigned kind, struct str value);
/* "20ms", "6m0s", "1.5", or a time (RFC 3339): milliseconds from now; 0: none of them, past, or
 * more than an hour. */
uint64_t pace_read_reset(struct str value, uint64_t now_s);
/* How long nothing should be asked. */
uint64_t pace_pause_ms(const struct pace *p);

#endif
