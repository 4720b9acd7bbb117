/* SPDX-License-Identifier: MIT
 * arena.c - one request's memory: a list of blocks, filled from the front.
 *
 * What is handed out is zeroed, and no more than that: the rest of a block costs no memory until
 * it is needed. Only the first block is used twice; arena_reset() clears it. The cap counts whole
 * blocks: it bounds what the heap gives. */
#include "common/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/mem.h"

enum {
	ALIGN = 16,
	BLOCK_FIRST = 16 * 1024,
	BLOCK_MAX = 256 * 1024,		/* blocks double up to this */
	CLEAR_AHEAD = 1024
};

struct block {
	struct block *next;
	size_t size, used;
	size_t clear;		/* bytes from the front of which those not used are zero */
	_Alignas(ALIGN) unsigned char bytes[];
};

struct arena {
	size_t cap, taken;	/* bytes in blocks */
	size_t used;		/* bytes handed out */
	struct block *blocks;	/* the first of the list is being filled */
	struct block *kept;	/* the oldest: outlives a reset */
};

struct arena *arena_new(size_t cap)
{
	struct arena *a = mem_alloc(sizeof *a);
	if (a)
		a->cap = cap & ~(size_t)(ALIGN - 1);
	return a;
}

struct arena *arena_free(struct arena *a)
{
	if (!a)
		return NULL;
	arena_reset(a);
	mem_free(a->kept);
	mem_free(a);
	return NULL;
}

void arena_reset(struct arena *a)
{
	struct block *next;
	for (struct block *b = a->blocks; b; b = next) {
		next = b->next;
		if (b != a->kept)
			mem_free(b);
	}
	a->blocks = a->kept;
	a->used = 0;
	if (!a->kept)
		return;
	memset(a->kept->bytes, 0, a->kept->used);
	a->kept->used = 0;
	a->kept->next = NULL;
	a->taken = a->kept->size;
}

static size_t next_block_size(const struct arena *a, size_t need)
{
	size_t size = a->blocks ? a->blocks->size * 2 : BLOCK_FIRST;
	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	if (size < need)
		size = need;
	if (size > a->cap - a->taken)
		size = a->cap - a->taken;
	return size;
}

/* A block with room for `need`. A large one stands behind the block that is being filled, whose
 * rest would be lost otherwise. */
static struct block *add_block(struct arena *a, size_t need)
{
	size_t size = next_block_size(a, need);
	struct block *b = size < need ? NULL : mem_grow(NULL, sizeof *b + size);
	if (!b)
		return NULL;
	b->size = size;
	b->used = b->clear = 0;
	a->taken += size;
	struct block **at = a->blocks && need > size / 2 ? &a->blocks->next : &a->blocks;
	b->next = *at;
	*at = b;
	if (!a->kept)
		a->kept = b;
	return b;
}

/* Zeroes what of the next n bytes is not, and some more. */
static void clear_ahead(struct block *b, size_t n)
{
	size_t to = b->used + n + CLEAR_AHEAD;
	if (to > b->size)
		to = b->size;
	memset(b->bytes + b->clear, 0, to - b->clear);
	b->clear = to;
}

void *arena_alloc(struct arena *a, size_t size)
{
	if (size > a->cap)
		return NULL;
	size_t need = size ? (size + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
	struct block *b = a->blocks;
	if (!b || b->size - b->used < need)
		b = add_block(a, need);
	if (!b)
		return NULL;
	MUST(b->used % ALIGN == 0 && b->used + need <= b->size);
	if (b->used + need > b->clear)
		clear_ahead(b, need);
	void *p = b->bytes + b->used;
	b->used += need;
	a->used += need;
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t all;
	return __builtin_mul_overflow(count, size, &all) ? NULL : arena_alloc(a, all);
}

char *arena_dup_z(struct arena *a, struct str s)
{
	char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;
	if (p && s.n)
		memcpy(p, s.p, s.n);
	return p;
}

struct str arena_dup(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n);
	if (!p)
		return STR_NONE;
	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

struct str arena_join(struct arena *a, struct str head, struct str tail)
{
	char *p = head.n <= SIZE_MAX - tail.n ? arena_alloc(a, head.n + tail.n) : NULL;
	if (!p)
		return STR_NONE;
	if (head.n)
		memcpy(p, head.p, head.n);
	if (tail.n)
		memcpy(p + head.n, tail.p, tail.n);
	return (struct str){ p, head.n + tail.n };
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	MUST(n >= 0);
	char *p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return STR_NONE;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (struct str){ p, (size_t)n };
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
