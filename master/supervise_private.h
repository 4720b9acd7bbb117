/* SPDX-License-Identifier: MIT
 * supervise_private.h - what supervise*.c share: the places of workers, and who moves them.
 *
 * supervise_place.c is one worker's life, supervise_roll.c what goes over all of them one by one,
 * supervise_adopt.c those that an earlier image or master started; supervise.c watches, counts,
 * stops and shows. */
#ifndef SUPERVISE_PRIVATE_H
#define SUPERVISE_PRIVATE_H

#include "master/starved.h"
#include "master/supervise.h"

struct stand_in;
struct worker_link;

enum place_state {
	PLACE_EMPTY,		/* nobody, nobody wanted */
	PLACE_STARTING,		/* exec'ed, not READY yet */
	PLACE_READY,
	PLACE_DRAINING,		/* told to finish */
	PLACE_BOOKING,		/* gone; the ledger books what it left */
	PLACE_WAITING,		/* to be started again at `start_at_ns` */
	PLACE_STATES
};

struct place {
	struct supervise *s;
	unsigned slot;
	enum place_state state;
	pid_t pid;
	int pidfd;			/* of an adopted one; else -1 */
	uv_process_t *process;		/* NULL for an adopted one */
	struct worker_link *link;	/* NULL for an orphan too */
	uint64_t epoch;			/* its journal's */
	uint64_t told;			/* the newest generation that it was sent */
	uint64_t started_ns, start_at_ns, aborted_ns, drain_until_ns;
	uint64_t ended_ns;		/* in PLACE_BOOKING: since when */
	uint64_t restarts, crash_first_ns, listen_revision, confined;
	unsigned crashes, backoff_ms;
	struct starved late;		/* since it is late */
	bool is_starved;		/* and told of */
	bool is_leaving, is_adopted;
	bool has_served;		/* it was READY once */
	bool is_blind;			/* adopted, and its heart beats on another board */
	bool is_old;			/* to be rolled */
	bool wants_snapshot_ack, lacks_snapshot;
	bool lacks_directory;		/* adopted, and knows the keys of the last image only */
	int replaces;			/* the slot that drains once this one is READY; -1 = none */
	char last_end[96];
};

struct supervise {
	struct master *m;
	struct listen_set listen;
	struct listen_set leaving;	/* older ones, while a worker accepts on them */
	uint64_t listen_revision;	/* a worker with another one lacks the sockets above */
	uint64_t confined;		/* to what workers are; who has another is rolled */
	uint64_t confine_ns;		/* when that is looked at next */
	uv_timer_t tick;
	uint64_t last_tick_ns, judge_from_ns;
	struct stand_in *stand_in;
	uint64_t served_ns;		/* when somebody accepted connections last */
	unsigned wanted;
	struct place place[BOARD_WORKERS];
	supervise_done_fn *publish_done, *roll_done, *stop_done;
	void *publish_data, *roll_data, *stop_data;
	uint64_t publish_until_ns, roll_again_ns, book_until_ns;
	int publish_err;
	int successor;			/* of the step of the roll under way: a slot, or -1 */
	bool is_rolling, is_stopping;
};

/* -- supervise_place.c -- */

struct board_worker *place_row(const struct place *p);
void place_enter(struct place *p, enum place_state next);
bool place_is_alive(const struct place *p);
/* Starts a worker in an empty or waiting slot; when it is READY, the one in slot `replaces`
 * drains (-1: none). What fails is told in the place's last_end, and tried again. */
void place_start(struct supervise *s, unsigned slot, int replaces);
void place_drain(struct place *p);
/* What it left cannot be booked now: another slot takes its place, with its history. Nothing
 * where no slot is free. */
void place_move_on(struct place *p);
/* The process is gone: what it left is booked. */
void place_ended(struct place *p, int64_t status, int signal);
void place_booked(void *data, uint64_t cut_rows);	/* by the ledger; data: the place */

/* -- supervise_roll.c -- */

int supervise_free_slot(const struct supervise *s);	/* -1: none */
/* Files that workers may read were replaced, or server.sandbox changed: a roll is due. */
void supervise_check_confined(struct supervise *s, uint64_t now);
struct place *roll_next_old(struct supervise *s);	/* NULL: all are as they should be */
void roll_begin(struct supervise *s, supervise_done_fn *done, void *data);
void roll_step(struct supervise *s);			/* the successor is READY */
void roll_over(struct supervise *s, int err);
/* Older sockets that no worker accepts on any more: see listen_retire(). */
void roll_let_go(struct supervise *s);
/* A worker that does not read its line is told later, by the timer. */
void place_send_snapshot(struct place *p);
void place_send_directory(struct place *p);
void supervise_check_published(struct supervise *s);

/* -- supervise_adopt.c -- */

void place_reap_adopted(struct place *p);

/* -- supervise.c -- */

void supervise_settle(struct supervise *s);		/* as many as are wanted */
void supervise_check_gone(struct supervise *s);		/* while stopping: is it over? */

#endif
