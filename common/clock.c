/* SPDX-License-Identifier: MIT
 * clock.c - the two clocks, and the hand of a test that may hold them still. */
#include "common/clock.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

static _Atomic uint64_t held_mono_ns, held_wall_ns;
static atomic_bool is_held;

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_ns(void)
{
	if (atomic_load_explicit(&is_held, memory_order_relaxed))
		return atomic_load_explicit(&held_mono_ns, memory_order_relaxed);
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_coarse_ns(void)
{
	if (atomic_load_explicit(&is_held, memory_order_relaxed))
		return atomic_load_explicit(&held_mono_ns, memory_order_relaxed);
	return read_clock(CLOCK_MONOTONIC_COARSE);
}

uint64_t clock_wall_ns(void)
{
	if (atomic_load_explicit(&is_held, memory_order_relaxed))
		return atomic_load_explicit(&held_wall_ns, memory_order_relaxed);
	return read_clock(CLOCK_REALTIME);
}

void clock_set(uint64_t mono_ns, uint64_t wall_ns)
{
	atomic_store(&held_mono_ns, mono_ns);
	atomic_store(&held_wall_ns, wall_ns);
	atomic_store(&is_held, mono_ns != 0 || wall_ns != 0);
}

static void put_digits(char *at, unsigned width, unsigned v)
{
	while (width--) {
		at[width] = (char)('0' + v % 10);
		v /= 10;
	}
}

char *clock_rfc3339(char text[25], uint64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	struct tm t;
	gmtime_r(&s, &t);	/* 64 bits of nanoseconds end in the year 2554 */
	memcpy(text, "0000-00-00T00:00:00.000Z", 25);
	put_digits(text, 4, (unsigned)t.tm_year + 1900);
	put_digits(text + 5, 2, (unsigned)t.tm_mon + 1);
	put_digits(text + 8, 2, (unsigned)t.tm_mday);
	put_digits(text + 11, 2, (unsigned)t.tm_hour);
	put_digits(text + 14, 2, (unsigned)t.tm_min);
	put_digits(text + 17, 2, (unsigned)t.tm_sec);
	put_digits(text + 20, 3, (unsigned)(wall_ns % NS_PER_S / NS_PER_MS));
	return text;
}
