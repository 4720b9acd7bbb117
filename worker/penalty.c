/* SPDX-License-Identifier: MIT
 * penalty.c - counting unknown keys by address; see penalty.h. */
#include "worker/penalty.h"

#include "common/clock.h"
#include "common/hash.h"

static struct str what_counts(const uint8_t address[16])
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	bool is_v4 = memcmp(address, v4, sizeof v4) == 0;
	return str_of((const char *)address, is_v4 ? 16 : 8);
}

uint32_t penalty_count(struct penalty table[PENALTY_SLOTS], const uint8_t address[16],
		       uint64_t now_ns)
{
	uint64_t who = hash_table(what_counts(address)), second = now_ns / NS_PER_S;
	struct penalty *p = &table[who % PENALTY_SLOTS];
	if (p->who != who || p->second != second)
		*p = (struct penalty){ .second = second, .who = who };
	if (p->n < UINT32_MAX)
		p->n++;
	return p->n;
}

bool penalty_is_over(const struct penalty table[PENALTY_SLOTS], const uint8_t address[16],
		     uint64_t now_ns)
{
	uint64_t who = hash_table(what_counts(address));
	const struct penalty *p = &table[who % PENALTY_SLOTS];
	return p->who == who && p->second == now_ns / NS_PER_S && p->n > PENALTY_FREE;
}
