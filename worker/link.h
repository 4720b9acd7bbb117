/* SPDX-License-Identifier: MIT
 * link.h - the worker's end of the line to the master. */
#ifndef WORKER_LINK_H
#define WORKER_LINK_H

#include "worker/worker.h"

struct link_start {			/* what the first frames bring */
	unsigned n_listeners;
	uint64_t tls_bits;
};

/* Waits (at most 10 s) for LINK_HELLO and the first LINK_SNAPSHOT; fills slot, row, metrics,
 * dir, journal, snap; starts the log. 0 or -errno. */
int link_begin(struct worker *w, struct link_start *ret) MUST_USE;
/* Watches the link from the loop; says READY. */
int link_run(struct worker *w) MUST_USE;
void link_say_ill(struct worker *w);

/* main.c: what the link asks of the worker. */
void worker_drain(struct worker *w, uint64_t limit_ms);
void worker_adopt(struct worker *w, struct snap *s);

#endif
