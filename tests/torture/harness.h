/* SPDX-License-Identifier: MIT
 * harness.h - a whole worker in one process, with what the master would give it: board, key
 * directory, snapshot and journal. Clients hand it one end of a socket pair, or connect.
 *
 * Both clocks stand still until told otherwise, so that the same bytes cost the same allocations; nothing here
 * allocates between harness_open() and harness_close(), so a test may let any call fail. */
#ifndef HARNESS_H
#define HARNESS_H

#include "worker/worker.h"

#define KEY_OF_MASTER "sk-harness-master-0000000000"
#define KEY_OF_USER "sk-harness-user-00000000000a"	/* limits and a budget, never reached */
#define KEY_BLOCKED_ONE "sk-harness-blocked-000000000b"
#define KEY_EXPIRED_ONE "sk-harness-expired-000000000c"
#define KEY_POOR "sk-harness-poor-00000000000d"	/* its budget covers nothing */
#define KEY_SHORT "sk-harness-short-00000000000f"	/* a budget for one short answer */
#define KEY_NARROW "sk-harness-narrow-000000000e"	/* one request a minute, model "mock" alone */

enum { HARNESS_KEYS = 7 };
enum harness_master {			/* what becomes of management calls */
	MASTER_GONE,
	MASTER_ANSWERS,			/* with the path, after one turn of the loop */
	MASTER_DIES			/* instead of answering */
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
	int link_fd;			/* its end of the link */
	uv_poll_t link;
	uint16_t port;			/* where the worker listens */
	int listen_fd, folder_fd;
	char folder[64];
	uint64_t read;			/* journal records that were looked at */
	uint64_t live;			/* blocks on the heap before harness_open() */
	uint64_t intents;		/* seen by harness_check() so far */
	int64_t settled[HARNESS_KEYS];	/* on the board, at the last harness_check() */
};

/* A deployment that is not a mock: group and path are its name. Where that begins with "then-"
 * the group falls back to "mock"; "refused" is where nobody listens. */
struct harness_upstream {
	const char *name;		/* NULL ends a list */
	enum provider_family family;
};

/* upstreams: NULL, or who answers at that port of the loopback address. A failure of what is
 * needed here ends the process. */
struct harness *harness_new(const struct harness_upstream *upstreams, uint16_t port);
void harness_free(struct harness *h);	/* after harness_close() */

/* The caches of a worker that has just started: listener, upstream connections. */
void harness_open(struct harness *h);
/* Ends them. *what is wrong, or NULL: a block was left on the heap, something is still open. */
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
/* Forgets cooldowns, rates and spend, so that the next run begins as the first did. */
void harness_forget(struct harness *h);

/* ---- a client ---- */

enum { HEARD_MAX = 4 << 20 };
struct client_end {
	struct harness *h;
	int fd;				/* -1: closed */
	bool has_end;			/* the worker sends no more */
	size_t n, n_unsent;
	const char *unsent;
	char *got;			/* HEARD_MAX, kept over the ends of connections */
};
struct client_end *client_end_new(struct harness *h);
void client_end_free(struct client_end *e);
void client_end_open(struct client_end *e, bool by_listener);
/* What the socket does not take now goes out with later turns; text must stay. */
void client_end_say(struct client_end *e, struct str text);
/* Up to HEARD_MAX bytes in all; also sends what is unsent. */
void client_end_hear(struct client_end *e);
void client_end_close(struct client_end *e);

#endif
