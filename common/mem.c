/* SPDX-License-Identifier: MIT
 * mem.c - counted allocation; see mem.h. The counters are atomic because flusher and store
 * threads allocate too. */
#include "common/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <malloc.h>
#include <string.h>

#include "common/block.h"

enum { LARGE = 4096, HUGE = 65536 };
enum { ROUNDED = 64 };		/* what an allocator adds at most to so few bytes */

static _Atomic uint64_t calls, live, fail_at, held, ceiling;
static bool is_uncounted;

/* As the allocator sees it, before and afterwards alike. */
static size_t large(void *p)
{
	size_t n = malloc_usable_size(p);
	return n >= LARGE ? n : 0;
}

/* `before`: of the block that it takes the place of. The last quarter is for what is not huge:
 * who takes the rest shall be told so, and that takes memory, too. */
static bool fits(size_t size, size_t before)
{
	uint64_t max = atomic_load_explicit(&ceiling, memory_order_relaxed);
	uint64_t now = atomic_load_explicit(&held, memory_order_relaxed);
	if (size < LARGE || !max || size <= before)
		return true;
	if (size >= HUGE)
		max -= max / 4;
	return size - before <= max && now <= max - (size - before);
}

static bool may_allocate(void)
{
	if (is_uncounted)
		return true;
	uint64_t n = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
	return atomic_load_explicit(&fail_at, memory_order_relaxed) != n;
}

static void *counted(void *p, size_t size)
{
	size_t n = p && size >= LARGE - ROUNDED ? large(p) : 0;
	if (p && !is_uncounted)
		atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	if (n)
		atomic_fetch_add_explicit(&held, n, memory_order_relaxed);
	return p;
}

void *mem_alloc(size_t size)
{
	if (!may_allocate() || !fits(size, 0))
		return NULL;
	return counted(block_zeroed(1, size ? size : 1), size);
}

void *mem_array(size_t count, size_t size)
{
	size_t all;
	if (!may_allocate() || __builtin_mul_overflow(count, size, &all) || !fits(all, 0))
		return NULL;
	return counted(block_zeroed(count ? count : 1, size ? size : 1), all);
}

void *mem_grow(void *p, size_t size)
{
	size_t before = p ? large(p) : 0;
	if (!may_allocate() || !fits(size, before))
		return NULL;
	void *q = block_grow(p, size ? size : 1);
	if (!p)
		return counted(q, size);
	if (q)
		atomic_fetch_add_explicit(&held, large(q) - before, memory_order_relaxed);
	return q;
}

char *mem_dup(const char *p, size_t n)
{
	char *q = mem_alloc(n + 1);
	if (q && n)
		memcpy(q, p, n);
	return q;
}

void mem_free(void *p)
{
	if (!p)
		return;
	size_t n = large(p);
	if (!is_uncounted)
		atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
	if (n)
		atomic_fetch_sub_explicit(&held, n, memory_order_relaxed);
	block_free(p);
}

uint64_t mem_held(void)
{
	return atomic_load_explicit(&held, memory_order_relaxed);
}

void mem_set_ceiling(uint64_t bytes)
{
	atomic_store_explicit(&ceiling, bytes, memory_order_relaxed);
}

void mem_give_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

void mem_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

void mem_count(bool on)
{
	is_uncounted = !on;
}

void mem_fail_at(uint64_t nth)
{
	uint64_t now = atomic_load_explicit(&calls, memory_order_relaxed);
	atomic_store_explicit(&fail_at, nth ? now + nth : 0, memory_order_relaxed);
}

uint64_t mem_calls(void)
{
	return atomic_load_explicit(&calls, memory_order_relaxed);
}

uint64_t mem_live(void)
{
	return atomic_load_explicit(&live, memory_order_relaxed);
}
