/* SPDX-License-Identifier: MIT
 * worker.h - a worker's state: one struct, made in main.c and handed down. One thread, one loop
 * (and the journal's flusher thread). */
#ifndef WORKER_H
#define WORKER_H

#include <uv.h>

#include "common/board.h"
#include "common/budget.h"
#include "common/directory.h"
#include "common/journal.h"
#include "common/sandbox.h"
#include "common/snapshot.h"
#include "common/tokenizer.h"
#include "worker/digests.h"
#include "worker/later.h"
#include "worker/penalty.h"

struct request;
struct cache;
struct connection;
struct listener;
struct client;
struct tls_context;
struct upstream;
struct credentials;
struct flusher;
struct relay_call;
struct route_candidate;
struct keep_call;
struct known_table;
struct queues;
struct warm;
struct arena;
struct wheel;
struct link;
struct bearers;

enum { SPARE_ARENAS = 64, UNPRICED_TOLD = 256, FAILURES_TOLD = 32 };
struct failure_told {			/* exchange/failure_log.h */
	uint64_t what, until_ns;	/* not told again until then */
};

struct worker {
	uv_loop_t *loop;
	unsigned slot;				/* row on the board */
	struct board board;
	struct board_worker *row;
	struct metric_row *metrics;
	struct dir *dir;
	struct cache *cache;			/* of answers; NULL: there is none */
	uint64_t cache_file;			/* which one: its inode */
	struct snap *snap;			/* newest generation */
	struct journal *journal;
	struct budget_pool *pool;
	struct flusher *flusher;
	bool has_appended;			/* to the journal, in this turn */
	struct upstream *upstream;
	struct credentials *credentials;	/* NULL until the first one is needed */
	struct route_candidate *route_room;	/* for one choice at a time */
	uint32_t n_route_room;
	uint64_t retry_milli, retry_refill_ns;	/* the retry budget: exchange/retry.h */
	struct queues *queues;			/* NULL until the first one waits: decide/queue.h */
	unsigned n_queued;			/* requests that wait in them */
	struct wheel *wheel;
	uint64_t reign;				/* of the master who started us; board.h */
	const struct request *at_work;		/* in this turn: suspect.h */
	bool has_print;				/* in row->print, of this turn */
	bool is_memory_short;			/* and told of: memory.h */
	uint64_t memory_high;			/* bytes; above that nobody comes in */
	struct sandbox sandbox;			/* what was given up */
	int link_fd;
	struct link *link;
	char name[16];				/* "worker.3", for the log */
	uint64_t drain_until_ns;
	uv_timer_t beat;
	struct warm *warm;			/* connections kept open; NULL until the first */
	uv_prepare_t before_sleep;
	uv_async_t flushed;			/* the flusher has written */
	uint64_t id_high, id_low;		/* of the next request's id */
	struct request *requests;		/* all, newest first */
	unsigned n_requests;
	unsigned n_copies;			/* of them, for silent models */
	struct request *held;			/* answers that wait for the disk */
	struct arena *spare_arenas[SPARE_ARENAS]; /* reset, ready for the next request */
	unsigned n_spare;
	unsigned peak_requests;			/* since memory was given back */
	struct relay_call *relays;		/* management calls that wait for the master */
	uint64_t next_relay;
	struct keep_call *keeps, **last_keep;	/* conversations on their way, oldest first */
	unsigned n_keeps, n_keeps_sent;
	size_t keep_bytes, keep_bytes_sent;
	uint64_t next_keep;
	struct later keep_again;
	struct bearers *bearers;		/* NULL until the first: decide/bearer.h */
	struct known_table *known;		/* answers in the making; NULL until the first */
	/* client/ */
	struct listener *listeners;
	struct connection *connections;
	unsigned n_connections;
	struct tls_context *tls;
	struct client *client;			/* what connections share; client.c */
	struct penalty penalties[PENALTY_SLOTS];	/* who sends unknown keys */
	struct digests digests;			/* of those who sent known ones */
	struct tokenizer *tokenizers[ENCODINGS];	/* NULL: not installed */
	bool has_tokenizer;			/* any of them */
	/* exchange/ */
	struct failure_told failures[FAILURES_TOLD];
	/* settle/ */
	struct snap_price spare_price;		/* of a request without memory: settle/worth.c */
	uint64_t unpriced[UNPRICED_TOLD];	/* models that the log has told of; unpriced.h */
	unsigned n_unpriced;
	bool is_draining, is_master_gone;
};

/* Our master is gone, and what we know of keys may be old. */
static inline bool worker_is_orphan(const struct worker *w)
{
	return w->is_master_gone ||
	       atomic_load_explicit(&w->board.head->reign, memory_order_acquire) != w->reign;
}

/* The generation in force, for a new request. */
struct snap *worker_snap(struct worker *w);

#endif
