/* SPDX-License-Identifier: MIT
 * block.c - see block.h. A block of a class is as large as the class says, whatever was asked for;
 * by its size it is known again. */
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

enum {
	SMALL_MAX = 15 * 1024,
	KEPT_MAX = 16		/* blocks of a class */
};

/* libcurl's buffer, and an arena. Smaller ones would take more memory: what is rounded up of them
 * lies in pages that are in use. */
static const size_t sizes[] = { 17400 };
enum { CLASSES = sizeof sizes / sizeof sizes[0] };

static _Thread_local struct {
	void *p[CLASSES][KEPT_MAX];
	unsigned n[CLASSES];
	bool is_on;
} kept;

/* The class that serves a block of that size; CLASSES: none does. */
static size_t class_for(size_t size)
{
	size_t c = 0;
	if (size <= SMALL_MAX)
		return CLASSES;
	while (c < CLASSES && sizes[c] < size)
		c++;
	return c;
}

void block_keep(bool on)
{
#ifndef HEAP_IS_WATCHED
	kept.is_on = on;
#endif
	for (size_t c = 0; c < CLASSES && !on; c++)
		while (kept.n[c])
			free(kept.p[c][--kept.n[c]]);
}

void *block_new(size_t size)
{
	size_t c = kept.is_on ? class_for(size) : CLASSES;
	if (c == CLASSES)
		return malloc(size);
	return kept.n[c] ? kept.p[c][--kept.n[c]] : malloc(sizes[c]);
}

void *block_zeroed(size_t count, size_t size)
{
	size_t all;
	if (__builtin_mul_overflow(count, size, &all))
		return NULL;
	size_t c = kept.is_on ? class_for(all) : CLASSES;
	if (c == CLASSES)
		return calloc(count, size);
	/* New memory is zero and costs none before it is used. */
	return kept.n[c] ? memset(kept.p[c][--kept.n[c]], 0, all) : calloc(1, sizes[c]);
}

void block_free(void *p)
{
	if (p && kept.is_on) {
		size_t size = malloc_usable_size(p), c = class_for(size);
		if (c < CLASSES && sizes[c] == size && kept.n[c] < KEPT_MAX) {
			kept.p[c][kept.n[c]++] = p;
			return;
		}
	}
	free(p);
}

void *block_grow(void *p, size_t size)
{
	if (!p)
		return block_new(size);
	if (!kept.is_on || class_for(size) == CLASSES)
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
