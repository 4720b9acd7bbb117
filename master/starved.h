/* SPDX-License-Identifier: MIT
 * starved.h - a worker that is late: does it hang, or does the machine not let it run? */
#ifndef STARVED_H
#define STARVED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

struct starved {			/* where it stood when it began to be late */
	uint64_t beat_ns, since_ns, cpu_ns;
};

/* The state and the time on a processor of /proc/PID/stat. 0, or -EBADMSG. */
int starved_read(struct str stat, char *ret_state, uint64_t *ret_cpu_ns) MUST_USE;
/* With that state, and so much time on a processor in so long: it would run, or waits for the
 * kernel, but has not been let. One that sleeps, is stopped or was busy all the time is not. */
bool starved_would_run(char state, uint64_t cpu_ns, uint64_t time_ns);

/* To be called while it is late, with its last beat: false also where nothing can be known. */
bool starved_look(struct starved *s, int pid, uint64_t beat_ns, uint64_t now_ns);

#endif
