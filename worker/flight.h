/* SPDX-License-Identifier: MIT
 * flight.h - one answer in the making, and all requests that want it. For known.c and flight.c
 * alone.
 *
 * Nobody is ended or moved on from within another request's calls: what is due to those who wait
 * is done by the flight's timer, in the loop's next turn. */
#ifndef FLIGHT_H
#define FLIGHT_H

#include "common/link_proto.h"
#include "worker/cached.h"
#include "worker/known.h"

enum flight_state {
	FLIGHT_FREE,			/* it is the next one's turn */
	FLIGHT_ASKING,			/* the master is asked, for the leader */
	FLIGHT_ELSEWHERE,		/* another worker makes it */
	FLIGHT_LED,			/* the leader makes it */
	FLIGHT_KEEPING,			/* the leader has it; the master puts it on disk */
	FLIGHT_GIVING,			/* it, or the refusal, is due to all who wait */
	FLIGHT_STATES
};

struct flight {
	struct flight *next;		/* in its bucket */
	struct worker *w;
	struct sha256 name, print;
	uint64_t owner;
	enum flight_state state;
	bool is_local;			/* the master does not know of it */
	bool is_cached;			/* local: a claim, if any, and the answer are the cache's */
	bool has_claim;
	struct cached cached;
	uint64_t poll_ms;		/* ELSEWHERE, cached: when the cache is looked into again */
	struct request *leader;		/* ASKING, LED, KEEPING */
	struct request *waiting, **last;
	struct later due;
	int err;			/* GIVING: why there is no answer; 0: there is */
	bool has_made;			/* of that answer it is known: */
	struct cache_info made;		/* tokens, cost and who made it */
	struct buf head, body;		/* GIVING, KEEPING: as they are kept */
};

struct known {				/* of a request */
	struct flight *flight;		/* NULL: it has left, or its answer is out */
	struct request *next;		/* waiting for the same */
	struct conn_copy copy;		/* the leader's */
	known_done_fn *done;
	const struct cached *cached;	/* what it asks of the cache; NULL: nothing */
	const char *word;		/* then: for x-llmgw-cache */
	bool is_replay, has_made;
	struct cache_info made;		/* of an answer that is given once more */
};

/* An answer as it is kept. */
struct replay {
	struct str head, body;
	bool is_local;
	const char *why;		/* for the log; NULL: it is not told apart */
	const struct cache_info *made;	/* NULL: nothing is known of its making */
};
/* Gives it; the request is to be ended. */
void flight_replay(struct request *r, const struct replay *p);

/* NULL: there is none. */
struct flight *flight_find(struct worker *w, const struct sha256 *name);
/* With name, print, is_local and what is the cache's of `like`. NULL: too many, or no memory. */
struct flight *flight_new(struct request *r, const struct flight *like);
/* Of which nobody is left; lets its claim go. */
void flight_free(struct flight *f);
void flight_enter(struct flight *f, enum flight_state next);
struct str flight_id(const struct flight *f, char room[LINK_KEEP_ID_MAX + 1]);

/* r wants the same. */
void flight_wait(struct flight *f, struct request *r);
/* It does not want it any more, and was not the leader. */
void flight_leave(struct flight *f, struct request *r);
/* r makes the answer. */
void flight_lead(struct flight *f, struct request *r);
/* The master is asked on behalf of r. 0, or -errno: nobody leads. */
int flight_ask(struct flight *f, struct request *r) MUST_USE;
/* The cache did not have what r asks for, and r asks itself. */
void flight_missed(struct request *r);
/* Another worker makes what f is about, for the cache. */
void flight_await(struct flight *f);
/* The leader leaves while the master is asked. */
void flight_unask(struct flight *f);
/* The next one of those who wait shall lead. */
void flight_pass_on(struct flight *f);
/* It is over for all: they get the answer in f, or the refusal. */
void flight_give_all(struct flight *f);
/* One of them: err is why there is none. STEP_DONE. */
enum step flight_refuse(struct request *r, int err);

#endif
