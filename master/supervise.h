/* SPDX-License-Identifier: MIT
 * supervise.h - worker processes: started by fork and exec, watched, replaced, drained.
 *
 * A slot is a place on the board. A worker that ends by itself is started again at once the
 * first time, then 50 ms x 2^n up to 5 s; five ends of a slot within 10 s park it for 30 s. A
 * worker whose heartbeat is 10 s late gets SIGABRT, a second later SIGKILL. A slot is given out
 * again only when the ledger has booked what its worker left behind; while it cannot, another
 * slot takes its place. */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include "common/json_write.h"
#include "master/listen.h"
#include "master/master.h"

struct supervise;

/* Takes the listening sockets. */
int supervise_new(struct master *m, const struct listen_set *listen,
		  struct supervise **ret) MUST_USE;
/* Runs so many workers; more are started, superfluous ones drained. */
void supervise_want(struct supervise *s, unsigned workers);
/* New listening sockets: those workers that lack them are rolled, again until it succeeds.
 * Takes the set. */
void supervise_relisten(struct supervise *s, const struct listen_set *listen);
const struct listen_set *supervise_listening(const struct supervise *s);
const struct listen_set *supervise_leaving(const struct supervise *s);	/* those of before */
unsigned supervise_ready(const struct supervise *s);
unsigned supervise_alive(const struct supervise *s);
bool supervise_has_pid(const struct supervise *s, pid_t pid);	/* of a worker that is alive */
bool supervise_is_fresh(const struct supervise *s);	/* every heartbeat is: feeds the watchdog */

/* All lines to workers that serve. */
struct worker_link;
void supervise_each_link(struct supervise *s, void (*tell)(void *data, struct worker_link *l),
			 void *data);
/* Tells every worker of m->snapshot_fd; done once all have it or have gone, or after 10 s
 * (then err is -ETIMEDOUT), or when one refused it (-EBADMSG), or when this is called again
 * meanwhile (-ECANCELED). */
typedef void supervise_done_fn(void *data, int err);
void supervise_publish(struct supervise *s, supervise_done_fn *done, void *data);
/* Replaces workers one by one: new one READY, then the old one drains. slot < 0: all.
 * done when all old ones have begun to drain. 0, -ENOENT, -EBUSY (a roll is under way). */
int supervise_roll(struct supervise *s, int slot, supervise_done_fn *done, void *data) MUST_USE;
/* Drains all for good; done when the last one is gone and booked. */
void supervise_stop(struct supervise *s, supervise_done_fn *done, void *data);
void supervise_kill_all(struct supervise *s);		/* drain time is over */
void supervise_show(const struct supervise *s, struct json_out *o);	/* rows of `workers list` */

/* The upgrade in place: what the next image must know, and its adoption as old workers that
 * drain once the new ones are ready. */
struct supervise_legacy {
	int32_t pid;			/* 0: it has gone, but its journal is not booked yet */
	int32_t link_fd;		/* -1: an orphan, whose master was killed */
	int32_t pidfd; /* -1 in what is handed over: the next image opens its own */
	uint32_t slot;
	uint64_t epoch;			/* its journal's */
	uint32_t is_blind, pad;		/* it writes to another board than ours */
};
unsigned supervise_hand_over(struct supervise *s, struct supervise_legacy *out, unsigned max);
/* Nothing is half said on the lines to the workers. */
bool supervise_is_quiet(const struct supervise *s);
/* The journal is attached already. */
void supervise_adopt(struct supervise *s, const struct supervise_legacy *w);

#endif
