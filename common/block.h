/* SPDX-License-Identifier: MIT
 * block.h - the heap, with blocks of some sizes at hand.
 *
 * glibc hands out small blocks from a thread's own cache, and splits and merges its heap for larger
 * ones. Each request takes and gives back some of these. A thread that asks for it keeps a few that
 * were freed, and gets them again. Without glibc, and where a sanitizer looks after
 * the heap, this is malloc() and free(). */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/check.h"

/* From now on the calling thread keeps blocks; false: gives back those that it has. */
void block_keep(bool on);

/* As malloc(), calloc(), realloc(), free() and strdup(), and for each other's blocks. A block may
 * be freed by another thread. */
void *block_new(size_t size) MUST_USE;
void *block_zeroed(size_t count, size_t size) MUST_USE;
void *block_grow(void *p, size_t size) MUST_USE;
void block_free(void *p);
char *block_dup(const char *z) MUST_USE;

#endif
