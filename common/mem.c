/* SPDX-License-Identifier: MIT
 * mem.c - counted allocation; see mem.h. The counters are atomic because flusher and store
 * threads allocate too. */
#include "common/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <malloc.h>
#include <string.h>

#include "common/block.h"

static _Atomic uint64_t calls, live, fail_at;

static bool may_allocate(void)
{
	uint64_t n = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
	return atomic_load_explicit(&fail_at, memory_order_relaxed) != n;
}

static void *counted(void *p)
{
	if (p)
		atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return p;
}

void *mem_alloc(size_t size)
{
	return may_allocate() ? counted(block_zeroed(1, size ? size : 1)) : NULL;
}

void *mem_array(size_t count, size_t size)
{
	if (!may_allocate())
		return NULL;
	return counted(block_zeroed(count ? count : 1, size ? size : 1));
}

void *mem_grow(void *p, size_t size)
{
	if (!may_allocate())
		return NULL;
	void *q = block_grow(p, size ? size : 1);
	return p ? q : counted(q);
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
	atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
	block_free(p);
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
