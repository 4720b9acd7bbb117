/* SPDX-License-Identifier: MIT
 * block.c - see block.h. A block that may be kept has one size, whatever was asked for, and is
 * known by that again. */
#include "common/block.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define HEAP_IS_WATCHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || !defined(__GLIBC__)
#define HEAP_IS_WATCHED 1
#endif

/* For libcurl's buffer, and for an arena. Smaller blocks would take more memory: what is rounded
 * up of them lies in pages that are in use. */
enum { SMALLEST = 15 * 1024 + 1, SIZE = 17400, KEPT_MAX = 16 };
/* glibc has lists of freed blocks up to this size for each thread, of which calloc() takes none. */
enum { LISTED_MAX = 1032 };

static _Thread_local struct {
	void *p[KEPT_MAX];
	unsigned n;
	bool is_on;
} kept;

static bool is_ours(size_t size)
{
	return kept.is_on && size >= SMALLEST && size <= SIZE;
}

void block_keep(bool on)
{
#ifndef HEAP_IS_WATCHED
	kept.is_on = on;
#endif
	while (!on && kept.n)
		free(kept.p[--kept.n]);
}

/* Not inlined: compilers make calloc() of malloc() and memset(). */
__attribute__((noinline)) void *block_new(size_t size)
{
	if (!is_ours(size))
		return malloc(size);
	return kept.n ? kept.p[--kept.n] : malloc(SIZE);
}

void *block_zeroed(size_t count, size_t size)
{
	size_t all;
	if (__builtin_mul_overflow(count, size, &all))
		return NULL;
	if (all <= LISTED_MAX) {
		void *p = block_new(all);
		return p ? memset(p, 0, all) : NULL;
	}
	if (!is_ours(all))
		return calloc(count, size);
	/* New memory is zero and costs none before it is used. */
	return kept.n ? memset(kept.p[--kept.n], 0, all) : calloc(1, SIZE);
}

void block_free(void *p)
{
	if (p && kept.is_on && kept.n < KEPT_MAX && malloc_usable_size(p) == SIZE)
		kept.p[kept.n++] = p;
	else
		free(p);
}

void *block_grow(void *p, size_t size)
{
	if (!p)
		return block_new(size);
	if (!is_ours(size))
		return realloc(p, size);
	size_t old = malloc_usable_size(p);
	if (size <= old && size > old / 2)
		return p;
	void *q = block_new(size);
	if (!q)
		return NULL;
	memcpy(q, p, old < size ? old : size);
	block_free(p);
	return q;
}

char *block_dup(const char *z)
{
	size_t n = strlen(z) + 1;
	char *p = block_new(n);
	return p ? memcpy(p, z, n) : NULL;
}
