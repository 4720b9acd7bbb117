/* SPDX-License-Identifier: MIT
 * penalty.h - who sends one unknown key after the other: a small table of addresses, each with
 * what it had in the running second. Pure.
 *
 * A slot is an address's by its digest; another one that falls on it takes it over. So the memory
 * is fixed, and who has many addresses gains nothing but what each of them may do. Of IPv6 the
 * first 64 bits count: the rest is the client's to choose. */
#ifndef PENALTY_H
#define PENALTY_H

#include <stdbool.h>

#include "common/str.h"

enum { PENALTY_SLOTS = 256, PENALTY_FREE = 20 /* unknown keys a second, before it begins */ };

struct penalty {
	uint64_t second, who;
	uint32_t n;
};
/* One more unknown key from there. How many it has been in this second. */
uint32_t penalty_count(struct penalty table[PENALTY_SLOTS], const uint8_t address[16],
		       uint64_t now_ns);
/* Whether it has had more than its share already. */
bool penalty_is_over(const struct penalty table[PENALTY_SLOTS], const uint8_t address[16],
		     uint64_t now_ns);

#endif
