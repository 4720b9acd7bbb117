/* SPDX-License-Identifier: MIT
 * mem.h - the only way to the heap.
 *
 * All allocation of our own goes through here, so that a test can make the Nth one fail
 * (mem_fail_at) and see that every caller survives. Libraries keep their own allocator. */
#ifndef MEM_H
#define MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"

void *mem_alloc(size_t size) MUST_USE;			/* zeroed, or NULL */
void *mem_array(size_t count, size_t size) MUST_USE;	/* zeroed, overflow checked, or NULL */
/* The new part of a grown block is not zeroed. NULL leaves the old block as it was. */
void *mem_grow(void *p, size_t size) MUST_USE;
char *mem_dup(const char *p, size_t n) MUST_USE;	/* NUL-terminated copy, or NULL */
void mem_free(void *p);					/* NULL is fine */
/* Bytes in large blocks (4 KiB and more), which are nearly all where it matters. */
uint64_t mem_held(void);
/* From now on a large block that would make it more than that is not to be had; 0: no such limit.
 * The last quarter of it is for blocks of less than 64 KiB. It bounds what one process takes,
 * whoever of its requests asks. */
void mem_set_ceiling(uint64_t bytes);
/* What was freed goes back to the system, as far as it can: milliseconds, after a flood. */
void mem_give_back(void);
void mem_wipe(void *p, size_t n);			/* zero, never optimised away */

/* Tests count what is allocated; a program that serves turns it off as its first act, for each
 * count is a locked instruction. */
void mem_count(bool on);
/* Tests: let the nth allocation from now fail (1 = the next); 0 switches off. */
void mem_fail_at(uint64_t nth);
uint64_t mem_calls(void);	/* allocations so far */
uint64_t mem_live(void);	/* blocks not freed yet */

#endif
