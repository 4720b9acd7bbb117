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

/* What a request takes of the sizes that glibc keeps no list of: an attempt and one of libcurl's
 * connections; the head that libcurl writes; libcurl's buffer, and an arena. Between 2 and 15 KiB
 * nothing is kept: what is rounded up lies in pages that are in use. */
enum { KEPT_MAX = 16, CLASSES = 3 };

static const struct {
	size_t from, size;	/* blocks of these bytes; what all of them have */
} classes[CLASSES] = {
	{ 1033, 1512 },
	{ 1513, 2056 },
	{ 15 * 1024 + 1, 17400 },
};
/* glibc has lists of freed blocks up to this size for each thread, of which calloc() takes none. */
enum { LISTED_MAX = 1032 };

static _Thread_local struct {
	struct {
		void *p[KEPT_MAX];
		unsigned n;
	} of[CLASSES];
	bool is_on;
} kept;

/* The class that a block of so many bytes is taken from, or CLASSES: none. */
static unsigned class_of(size_t size)
{
	if (size <= LISTED_MAX || !kept.is_on)
		return CLASSES;
	unsigned i = 0;
	while (i < CLASSES && size > classes[i].size)
		i++;
	return i < CLASSES && size >= classes[i].from ? i : CLASSES;
}

static void *take(unsigned class)
{
	return kept.of[class].n ? kept.of[class].p[--kept.of[class].n] : NULL;
}

void block_keep(bool on)
{
#ifndef HEAP_IS_WATCHED
	kept.is_on = on;
#endif
	void *p;
	for (unsigned i = 0; i < CLASSES && !on; i++)
		while ((p = take(i)))
			free(p);
}

/* Not inlined: compilers make calloc() of malloc() and memset(). */
__attribute__((noinline)) void *block_new(size_t size)
{
	unsigned i = class_of(size);
	if (i == CLASSES)
		return malloc(size);
	void *p = take(i);
	return p ? p : malloc(classes[i].size);
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
	unsigned i = class_of(all);
	if (i == CLASSES)
		return calloc(count, size);
	void *p = take(i);		/* else new memory, which is zero and costs none unused */
	return p ? memset(p, 0, all) : calloc(1, classes[i].size);
}

/* Out of the way of those that are not kept, which most are. */
__attribute__((noinline)) static void give(void *p, size_t size)
{
	for (unsigned i = 0; i < CLASSES; i++)
		if (size == classes[i].size && kept.of[i].n < KEPT_MAX) {
			kept.of[i].p[kept.of[i].n++] = p;
			return;
		}
	free(p);
}

void block_free(void *p)
{
	if (!p)			/* libcurl does so as often as not */
		return;
	size_t size = kept.is_on ? malloc_usable_size(p) : 0;
	if (size > LISTED_MAX)
		give(p, size);
	else
		free(p);
}

void *block_grow(void *p, size_t size)
{
	if (!p)
		return block_new(size);
	if (class_of(size) == CLASSES)
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
