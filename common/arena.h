/* SPDX-License-Identifier: MIT
 * arena.h - memory that lives exactly as long as one request.
 *
 * Everything a request allocates comes from its arena and dies with it; nothing in an arena is
 * freed on its own. An arena has a hard cap: past it arena_alloc() returns NULL and the request
 * ends with an outcome, so that one request can never take the worker's memory. */
#ifndef ARENA_H
#define ARENA_H

#include "common/str.h"

struct arena;				/* its members are known to arena.c alone */

struct arena *arena_new(size_t cap) MUST_USE;
struct arena *arena_free(struct arena *a);	/* NULL is fine; returns NULL: a = arena_free(a) */
void arena_reset(struct arena *a);		/* forget everything, keep the first block */
void *arena_alloc(struct arena *a, size_t size) MUST_USE;	/* zeroed, 16-aligned, or NULL */
void *arena_array(struct arena *a, size_t count, size_t size) MUST_USE;
struct str arena_dup(struct arena *a, struct str s) MUST_USE;	/* .p == NULL when over the cap */
char *arena_dup_z(struct arena *a, struct str s) MUST_USE;	/* NUL-terminated, or NULL */
/* The same of two, one behind the other. */
struct str arena_join(struct arena *a, struct str head, struct str tail) MUST_USE;
/* What snprintf would write; .p == NULL when over the cap. */
struct str arena_printf(struct arena *a, const char *fmt, ...) MUST_USE PRINTF(2, 3);
size_t arena_used(const struct arena *a);

#endif
