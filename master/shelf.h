/* SPDX-License-Identifier: MIT
 * shelf.h - rows of the database that stay for a time and within a number of bytes: the oldest
 * make room for the newest, and what has expired is taken away from time to time. */
#ifndef SHELF_H
#define SHELF_H

#include "master/store.h"

/* Where texts are long: nobody waits long behind a job. */
enum { SHELF_SLICE = 32, SHELF_PAUSE_MS = 200 };

struct shelf_sql {			/* literals */
	const char *total;		/* one row: bytes of all */
	const char *drop_oldest;
	const char *drop_expired;	/* up to ?2 of those that have expired at ?1 */
	void (*tell_failed)(int err);	/* on the loop: pruning failed */
	/* Rows say when they came, not when they expire: ?1 is as long ago as they are kept. */
	bool by_age;
	unsigned slice, pause_ms;	/* rows deleted in one job; time between two jobs */
};
struct shelf {
	const struct shelf_sql *sql;
	struct store *store;
	uv_timer_t timer;
	uint64_t keep_ns, max_bytes;	/* as shelf_configure() was told */
	struct {			/* the job's while it runs */
		uint64_t keep_ns, max_bytes;
		unsigned deleted;
	} prune;
	bool is_stopped;
	void *owner;			/* freed with the timer */
};

/* Starts pruning. owner: what s is a part of. */
void shelf_start(struct shelf *s, const struct shelf_sql *sql, struct store *store,
		 uv_loop_t *loop, void *owner);
/* 0 in either: nothing is kept. */
void shelf_configure(struct shelf *s, uint64_t keep_ms, uint64_t max_bytes);
/* In a job: pushes out the oldest until `size` more bytes fit into max_bytes. 0; -EFBIG: they
 * never will; -ENOBUFS: not yet, and what went out stays out; or -errno. */
int shelf_make_room(struct store_db *db, const struct shelf_sql *sql, uint64_t max_bytes,
		    uint64_t size) MUST_USE;
/* Frees the owner when the loop has run; before store_close(). */
void shelf_stop(struct shelf *s);

#endif
