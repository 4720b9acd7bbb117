/* SPDX-License-Identifier: MIT
 * swar.h - eight bytes looked at in one word.
 *
 * A test sets the high bit of the first byte that it finds and of none before it; what it says of
 * those behind may be wrong, for a difference borrows from the next byte. So there may be an "or"
 * between tests, but no "not".
 */
#ifndef SWAR_H
#define SWAR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SWAR_ONES UINT64_C(0x0101010101010101)
#define SWAR_HIGHS (SWAR_ONES << 7)

/* The eight bytes at p, the first of them lowest. */
static inline uint64_t swar_load(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

/* A byte below c, which is at most 0x80. */
static inline uint64_t swar_below(uint64_t v, unsigned char c)
{
	return (v - SWAR_ONES * c) & ~v & SWAR_HIGHS;
}

/* A byte that is c. */
static inline uint64_t swar_is(uint64_t v, unsigned char c)
{
	uint64_t x = v ^ SWAR_ONES * c;
	return (x - SWAR_ONES) & ~x & SWAR_HIGHS;
}

/* Where the first one is that was found; found must not be 0. */
static inline size_t swar_first(uint64_t found)
{
	return (size_t)__builtin_ctzll(found) / 8;
}

#endif
