/* SPDX-License-Identifier: MIT
 * health_history.h - what probes found, kept in the database: the newest HEALTH_ROWS of all. */
#ifndef HEALTH_HISTORY_H
#define HEALTH_HISTORY_H

#include "master/commands.h"
#include "master/store.h"

enum { HEALTH_ROWS = 10000, HEALTH_NOTES = 64 /* written at once */ };

struct health_note {
	char model_id[128], model_name[128], error[120];
	bool is_well;
	uint64_t took_ms, at_wall_ns;
};
struct health_notes {
	char by[128];			/* who wanted them checked */
	size_t n;
	struct health_note v[HEALTH_NOTES];
};
/* Writes them down; they are on the heap, and no longer the caller's. */
void health_history_write(struct store *s, struct health_notes *notes);

void health_history(struct command_call *c);	/* GET /health/history */
void health_latest(struct command_call *c);	/* GET /health/latest */

#endif
