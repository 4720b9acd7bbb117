/* SPDX-License-Identifier: MIT
 * memory.h - how much memory there is for us, and what of it is one worker's. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

#include "common/check.h"

/* The machine's, or the least that a control group around this process allows, if that is less. */
uint64_t memory_there_is(void) MUST_USE;
/* What each of n workers may hold in large blocks, where the configuration does not say it: half
 * of what there is, together; the other half is for the rest of us and everybody else. */
uint64_t memory_share(uint64_t there_is, unsigned workers) MUST_USE;
/* The least limit of the groups in `proc_cgroup`, the text of /proc/self/cgroup, below `root`,
 * which is /sys/fs/cgroup but in tests: of both versions, and of all groups above. UINT64_MAX:
 * there is none. */
uint64_t memory_of_groups(const char *proc_cgroup, const char *root) MUST_USE;

#endif
