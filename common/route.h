/* SPDX-License-Identifier: MIT
 * route.h - who can answer: a choice among the deployments of a group, and why it was made.
 *
 * Pure: all that decides stands in the query, the snapshot and the board, so that workers choose
 * by the same rules as the master explains. The facts are LiteLLM's (its router of 2026). */
#ifndef ROUTE_H
#define ROUTE_H

#include "common/board.h"
#include "common/directory.h"
#include "common/snapshot.h"

/* What became of a candidate. Those up to ROUTE_LAST_RESORT may be chosen, the first best. */
#define ROUTE_REASONS(X)                                                          \
	X(WELL, "well", "could be chosen")                                        \
	X(ILL, "ill", "its last health check failed")                             \
	X(RECOVERING, "recovering", "another request tries whether it is well")   \
	X(TRIED, "tried", "failed earlier in this request")                       \
	X(TRIAL, "trial", "cools, but nobody else is left: one request tries it") \
	X(COOLING, "cooling", "failed and is left alone")                         \
	X(PAUSED, "paused", "its provider says that nothing remains of a limit")   \
	X(FULL, "full", "has as many requests as it takes at a time")             \
	X(RPM, "rpm", "has had its requests of this minute")                      \
	X(TPM, "tpm", "has had its tokens of this minute")                        \
	X(BUDGET, "budget", "has spent the budget of its provider, or its own")    \
	X(TAG_BUDGET, "tag-budget", "may not be asked: a tag of the request has spent its budget") \
	X(PLAN, "plan", "has had what its plan gives in so long")                  \
	X(HOURS, "hours", "is used at other hours")                               \
	X(ORDER, "order", "others have a smaller order")                          \
	X(CONTEXT, "context", "the prompt is longer than it takes")               \
	X(TAGS, "tags", "its tags are not those of the request")                  \
	X(REGION, "region", "is in another region")                               \
	X(COST, "cost", "could cost more than the request allows")

enum route_reason {
#define X(name, word, doc) ROUTE_##name,
	ROUTE_REASONS(X)
#undef X
	ROUTE_REASON_COUNT
};
enum { ROUTE_LAST_RESORT = ROUTE_TRIAL };
const char *route_reason_word(enum route_reason r);	/* "cooling" */
const char *route_reason_text(enum route_reason r);	/* "failed and is left alone" */
const char *route_strategy_name(enum route_strategy s);	/* "least-busy" */
/* Its number, by any of LiteLLM's names; false: there is none of that name. */
bool route_find_strategy(struct str name, uint32_t *ret);

struct route_candidate {
	uint32_t index;			/* of the deployment */
	uint32_t reason;		/* enum route_reason */
	uint64_t score;			/* what the strategy went by; 0 where it did not look */
};
struct route_query {
	const struct snap *snap;
	const struct board *board;
	const struct snap_group *group;
	const uint32_t *tried;		/* deployments that failed in this request */
	unsigned n_tried;
	uint64_t now_ns, wall_ns;	/* wall_ns: what gates go by */
	uint64_t random;		/* decides the draws */
	uint64_t prompt_tokens;		/* the likely number */
	bool is_stream;
	const struct str *tags;
	unsigned n_tags;
	struct str region;		/* .n 0: any */
	uint64_t affinity;		/* back to the same one while it is well; 0: none */
	uint64_t sticky;		/* the same, however busy it is; 0: none */
	uint32_t strategy;		/* 1 + the one wanted; 0: the group's */
	struct str asked;		/* for, of which a wildcard's price is */
	/* The most that the request may cost, and how much it could be. */
	bool has_max_cost;
	int64_t max_cost_nano;
	uint64_t worst_in, worst_out;
	/* Room for as many as the group has; what became of each stands here afterwards. */
	struct route_candidate *room;
	uint32_t n_room;
};
struct route_choice {
	uint32_t deployment;		/* SNAP_NONE: nobody */
	uint32_t others_well;		/* untried deployments that are well, beside this one */
	uint32_t n_candidates;		/* rows of room that are filled */
	enum route_reason why;		/* of the one chosen; of nobody: what most of them lack */
	bool is_full;			/* nobody, but some are only FULL: waiting helps */
	uint64_t wait_ns;		/* nobody: until the first may be well */
	enum route_strategy strategy;
};
/* Whether a key may ask for `name`, which g serves or is: by its own name, by that of the group
 * it is an alias of, as with LiteLLM, by an access group that one of its deployments is in, or by
 * one of the directory that the key names. */
bool route_may_use(const struct snap *s, const struct dir *d, const struct dir_key *k,
		   struct str name, const struct snap_group *g);
/* Whether an exclusion of the key's list ("!name") means the group: by one of those names. */
bool route_excludes(const struct snap *s, const struct dir_key *k, const struct snap_group *g);
/* Whether a provider's region is the one that is wanted: that itself, one within it ("eu-west" of
 * "eu-west-1"), or for LiteLLM's "eu" and "us" one that lies there by the names of AWS, Azure or
 * Google. One that is not known is in none. */
bool route_is_in_region(struct str region, struct str wanted);
/* How many requests it may have at a time, as configured and as learned; 0: no limit. */
uint32_t route_most_parallel(const struct snap *s, const struct snap_deployment *d,
			     const struct board_deployment *b);
enum adaptive route_adaptive(const struct snap *s, const struct snap_deployment *d);
/* A query's `sticky`: of the user, key, session or header's value that the group goes by. */
uint64_t route_sticky(const struct snap_group *g, struct str what);
const char *route_sticky_name(enum snap_sticky s);	/* "user" */
/* Whether the choice in a group goes by how long the prompt is. */
bool route_counts_tokens(const struct snap *s, const struct snap_group *g);
void route_pick(const struct route_query *q, struct route_choice *ret);

/* The one chosen is about to be asked: counts it, and takes the trial of one that recovers.
 * False: another has that trial; choose again. */
bool route_take(struct board *b, const struct snap_deployment *d, const struct route_choice *c,
		uint64_t now_ns) MUST_USE;

/* Its provider says that nothing remains of a limit until then; an hour is the most. */
void route_pause(struct board *b, const struct snap_deployment *d, uint64_t until_ns);

/* A counter by the minute: the minute's number << 40 | how many. */
uint64_t route_minute_count(const _Atomic uint64_t *word, uint64_t now_ns);
void route_minute_add(_Atomic uint64_t *word, uint64_t now_ns, uint64_t n);

#endif
