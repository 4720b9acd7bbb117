/* SPDX-License-Identifier: MIT
 * memory.h - what a worker may hold in all: above half of it nobody new comes in with a body, and
 * above all of it an allocation fails, as if there were no more (common/mem.h). */
#ifndef WORKER_MEMORY_H
#define WORKER_MEMORY_H

#include "common/mem.h"
#include "worker/outcome.h"
#include "worker/worker.h"

/* By the configuration, or else the board. */
void memory_limit(struct worker *w);
/* Somebody is refused for it: counts, and tells the first time. */
void memory_tell(struct worker *w);
static inline bool memory_is_short(const struct worker *w)
{
	return w->memory_high && mem_held() > w->memory_high;
}
/* Nobody new comes in, and that is told. */
static inline bool memory_refuses(struct worker *w)
{
	bool is_short = memory_is_short(w);
	if (is_short)
		memory_tell(w);
	return is_short;
}
/* What it means when a request finds no memory: it wants too much, or all of them together do. */
static inline enum outcome memory_outcome(struct worker *w)
{
	return memory_refuses(w) ? OUTCOME_OVERLOADED : OUTCOME_TOO_LARGE;
}
/* On each beat. */
void memory_tick(struct worker *w);

#endif
