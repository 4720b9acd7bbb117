/* SPDX-License-Identifier: MIT
 * harness.h - a whole worker in one process, with what the master would give it: board, key
 * directory, snapshot and journal. Clients hand it one end of a socket pair, or connect.
 *
 * The clocks stand still until told otherwise, so that the same bytes cost the same allocations.
 * Nothing here allocates between harness_open() and harness_close(): any call may fail there. */
#ifndef HARNESS_H
#define HARNESS_H

#include "tests/torture/setting.h"
#include "worker/worker.h"

enum harness_master {			/* what becomes of management calls */
	MASTER_ANSWERS,
	MASTER_KNOWS,			/* the answer to every Idempotency-Key */
	MASTER_WAITS,			/* somebody else makes it, and fails */
	MASTER_DIES,			/* instead of answering */
	MASTER_GONE			/* nobody is let in */
};
struct harness {
	uv_loop_t loop;
	struct worker w;
	uv_timer_t pulse;		/* so that a turn of the loop ends */
	uint64_t pulses;
	struct dir *keys;		/* the master's end of the directory */
	struct journal *reader;		/* and of the journal */
	struct snap *loose, *strict;	/* the generations; strict: answers wait for the disk */
	enum harness_master master;
	unsigned claims;
	int link_fd;			/* its end of the link */
	uv_poll_t link;
	uint16_t port;			/* where the worker listens */
	int listen_fd, folder_fd;
	char folder[64];
	uint64_t read;			/* journal records that were looked at */
	uint64_t live;			/* blocks on the heap before harness_open() */
	int64_t settled[SETTING_ENTITIES];	/* on the board, at the last harness_check() */
};

/* upstreams: NULL, or who answers at that port of the loopback address. A failure of what is
 * needed here ends the process. */
struct harness *harness_new(const struct setting_upstream *upstreams, uint16_t port);
void harness_free(struct harness *h);	/* after harness_close() */

/* The caches of a worker that has just started: listener, upstream connections. */
void harness_open(struct harness *h);
/* Ends them. NULL, or what is wrong: a block was left on the heap, something is still open. */
const char *harness_close(struct harness *h);

/* Lets the clocks run, or stand still again: timers of a request look at both kinds of time. */
void harness_run_clocks(bool run);
/* Which generation is in force, and whether there is a master. */
void harness_set(struct harness *h, bool is_strict, enum harness_master master);

/* One turn of the loop; waits at most PULSE_MS for something to happen. */
enum { PULSE_MS = 5 };
void harness_turn(struct harness *h);
/* One turn that does not wait. */
void harness_spin(struct harness *h);
/* True when nothing is under way: no request, no connection. */
bool harness_is_idle(const struct harness *h);
/* What must hold when nothing is under way: NULL, or what does not. Reads the journal as the
 * master does and gives its records free. */
const char *harness_check(struct harness *h);
/* Forgets cooldowns, rates, spend and tokens, so that the next run begins as the first did. */
void harness_forget(struct harness *h);

#endif
