/* SPDX-License-Identifier: MIT
 * memory.c - see memory.h. */
#include "worker/memory.h"

#include "common/log.h"

void memory_limit(struct worker *w)
{
	uint64_t max = snap_settings(w->snap)->memory_max;
	if (!max)
		max = atomic_load_explicit(&w->board.head->memory_share, memory_order_relaxed);
	w->memory_high = max / 2;	/* sent on, a body takes as much again */
	mem_set_ceiling(max);
}

void memory_tell(struct worker *w)
{
	METRIC_ADD(w->metrics, memory_refused, 1);
	if (w->is_memory_short)
		return;
	w->is_memory_short = true;
	LOG(LOG_WARN, "memory.short", F_INT("held", mem_held()), F_INT("high", w->memory_high));
}

/* It was short until half of that is free again: what was freed is given back then. */
void memory_tick(struct worker *w)
{
	uint64_t held = mem_held();
	atomic_store_explicit(&w->row->memory_held, held, memory_order_relaxed);
	memory_limit(w);
	if (!w->is_memory_short || (w->memory_high && held > w->memory_high / 2))
		return;
	w->is_memory_short = false;
	LOG(LOG_INFO, "memory.well", F_INT("held", held));
	mem_give_back();
}
