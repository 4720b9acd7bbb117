/* SPDX-License-Identifier: MIT
 * request.h - one request from its first header to its settled record. request.c is the map.
 *
 * Stages read and write these members; who writes which is said beside it. A request is made
 * when its head has arrived and ends exactly once, in request_end(). */
#ifndef REQUEST_H
#define REQUEST_H

#include "common/budget.h"
#include "common/directory.h"
#include "common/journal.h"
#include "common/snapshot.h"
#include "worker/client/connection.h"
#include "worker/client/dialect.h"
#include "worker/client/endpoint.h"
#include "worker/decide/wish.h"
#include "worker/llm.h"
#include "worker/raw.h"
#include "worker/step.h"
#include "worker/worker.h"

/* Whose limits a request goes by: its key, its team, then all others: see decide/owners.h. */
struct request_owner {
	const struct dir_key *row;
	struct board_entity *entity;
};

/* How a kind is called in messages. */
struct owner_words {
	const char *noun;		/* "Team=x is blocked" */
	const char *rate;		/* "Rate limit exceeded for team", x-ratelimit-team-... */
	const char *denied;		/* the error's type; NULL: the outcome's own */
	const char *unblock;		/* path */
};
extern const struct owner_words owner_words[DIR_KINDS];	/* in decide/owners.c */

/* Whether what it says is kept, or told, as switches_want_texts() asks. */
enum request_texts { TEXTS_UNDECIDED, TEXTS_NONE, TEXTS_HIDDEN, TEXTS_WHOLE };

struct exchange;
struct silent;
struct own_router;
struct relay_call;
struct keep_call;
struct named_price;
struct trace;
struct known;
struct windows;
struct waiter;
struct who;
struct bearer_wait;

struct request {
	struct worker *w;
	struct connection *conn;		/* NULL once the client is gone or has its answer */
	struct arena *mem;
	struct snap *snap;			/* one generation, to the end */
	const struct http_request *http;	/* valid while conn is not NULL */
	struct request *next, *prev;		/* all requests of the worker */
	unsigned stage;
	bool is_waiting, is_resuming, is_over, is_client_gone;
	uint64_t print;		/* 0, or what it leaves when it crashes us: suspect.h */
	/* made at the beginning */
	uint8_t id[16];
	struct str call_id; /* x-litellm-call-id: a UUID, or what the client sent */
	uint64_t start_ns, start_wall_ns;
	uint8_t client_ip[16];
	/* endpoint */
	const struct endpoint *endpoint;
	struct str path_model;			/* of /engines/{model}/..., {id}; else .p NULL */
	struct str path_rest;			/* what stood for {path}, else .p NULL */
	const struct snap_pass *pass;		/* the configured path that it is, or NULL */
	/* auth */
	struct dir_key key, team;		/* slices copied into the arena; team.id 0: none */
	bool is_admin;
	struct str rules;			/* of the key, as in struct dir_key */
	const struct who *token;		/* it came with this in place of a key, or NULL */
	struct bearer_wait *token_wait;		/* for public keys; else NULL */
	const struct token_key *token_key;	/* with which it is to be kept, once that is told */
	/* read */
	struct llm_request q;
	const struct dialect *dialect;
	struct raw_call *raw;			/* relayed as it is; else NULL, and q says it all */
	/* limits, account */
	struct board_entity *entity;		/* of the key; NULL for the master key */
	struct request_owner owners[BOARD_LEVELS];	/* by auth and limits; no key of an admin */
	uint32_t n_owners;
	bool has_model_limits;			/* one of them, of single models */
	bool has_windows;			/* one of them, in windows */
	struct str priority;		/* the key's class, else its team's; .n 0: none */
	/* Of key and team, by enum dir_kind: rules with aliases of models; and the name that one of
	 * them stood for (worker/decide/limits.c). .n 0: none. */
	struct str aliases[2], renamed[2];
	uint64_t prompt_tokens;	/* likely ones of q; 0 = not yet counted: request_prompt_tokens() */
	struct str end_user;			/* of a header; else q.user says it */
	uint64_t tokens_taken, tokens_taken_ns;	/* from the tpm word of each owner that has one */
	struct windows *windows;	/* what was taken from those of its owners; or NULL */
	struct budget_claim claim;
	struct budget_level levels[BOARD_LEVELS];
	uint32_t n_levels;
	bool has_claim, has_intent;
	int64_t reserve_nano, spend_before_nano;
	/* route */
	const struct snap_group *group;		/* the one under way */
	struct str requested_model;
	struct str fallback;	/* the name that led to `group` instead; .p NULL: requested_model */
	struct wish wish;			/* what it asks of the router */
	struct waiter *waiter;			/* once it has waited for room: decide/queue.c */
	uint64_t queued_ns;			/* how long, in all */
	const struct own_router *own;	/* what its key or team says of it; NULL: nothing */
	/* exchange */
	struct exchange *exchange;
	struct trace *trace;	/* NULL: nobody is told of it afterwards, or no attempt yet */
	const struct snap_deployment *deployment;	/* the one that answers or answered */
	uint32_t deployment_index;
	unsigned attempts, retries, fallbacks;
	struct silent *silent;			/* it has a copy, or is one: silent.h */
	bool is_copy;				/* nobody waits for its answer; conn is NULL */
	uint64_t upstream_ns;			/* time spent waiting for providers */
	uint64_t first_token_wall_ns, first_token_ns;
	uint64_t longest_gap_ns;		/* of silence in a stream once it has begun */
	bool is_streaming;			/* the head of a streamed answer has gone out */
	struct llm_tally tally;			/* final, for settle */
	struct dialect_answer answer;		/* what the client has been shown, if anything */
	int64_t cost_nano;
	/* Attempts beside the one that answers, which cost something as well: those booked, and the
	 * prompt of one that still runs. */
	struct usage extra;
	int64_t extra_nano, rival_nano;
	struct named_price *prices;	/* of wildcards, by the model asked for: settle/worth.c */
	struct booked_attempt *booked;		/* each of those that were: settle/account.h */
	uint64_t more_prompt;		/* bytes of it beside those of q */
	bool is_hedged;
	uint8_t texts;			/* enum request_texts: texts.h; by exchange */
	uint8_t fell;	/* enum outcome: for which error the first fallback was; by exchange */
	uint32_t told_flags;		/* of its record: RF_TEXTS and what follows */
	/* the end */
	struct buf final_head, final_body;	/* set by exchange, given by settle/hold.c */
	uint64_t settled_seq;			/* of the SETTLE record; 0 = none yet */
	bool is_held;
	bool is_asked;			/* the client left while a provider was at work */
	struct request *next_held;
	enum outcome outcome;
	int status;				/* given to the client; 0 = none */
	struct relay_call *relay;		/* management call under way */
	struct keep_call *keep;			/* a conversation is fetched or kept */
	struct known *known;			/* it may be answered without asking; else NULL */
	void (*remembered)(struct request *r);	/* when the answer has been kept, or cannot be */
};

/* From the connection. */
struct request *request_begin(struct worker *w, struct connection *c,
			      const struct http_request *h); /* NULL: answered or out of memory */
/* A request of nobody's, in the generation of `like` and with its call id, which nothing is known
 * of but what the caller writes into it; request_run_copy() sends it to the stage `route`. NULL:
 * no memory. */
struct request *request_new_copy(const struct request *like);
void request_run_copy(struct request *r);
void request_body_done(struct request *r);
void request_body_failed(struct request *r, enum outcome o);	/* too large, too slow */
void request_client_gone(struct request *r);
/* The client is gone. True: all the same the request needs its slices and an end. */
bool request_goes_on(const struct request *r);
void request_drained(struct request *r);
/* Bytes of a client that has switched protocols: how many are taken. Answers nothing, ends
 * nobody; conn_tunnel_more() asks for the rest. */
size_t request_tunnel(struct request *r, struct str bytes);

/* From stages that wait. */
void request_resume(struct request *r);
/* An arena for a request, or for as long as somebody looks at one event; given back it is reset and
 * another's. Taking gives NULL when out of memory. */
struct arena *request_take_arena(struct worker *w) MUST_USE;
void request_give_arena(struct worker *w, struct arena *a);

/* Ends with an error in the client's dialect: message printf-like; returns STEP_DONE. */
enum step request_fail(struct request *r, enum outcome o, const char *param, const char *fmt, ...)
	PRINTF(4, 5);
enum step request_fail_with(struct request *r, const struct llm_error *e);
/* Ends with a whole answer that the gateway itself makes (admin, models, health). */
enum step request_reply(struct request *r, int status, const char *type, struct str body);
/* With more headers, each with its end of line. */
enum step request_reply_headed(struct request *r, int status, const char *type, struct str more,
			       struct str body);
/* The same of a body that may have failed: then an error is given instead. */
enum step request_reply_buf(struct request *r, int status, const char *type,
			    const struct buf *body);
/* Everything has been answered (or nobody is there): settle, log, free. Exactly once. */
void request_end(struct request *r);

/* By which name `group` is asked: a pattern's deployments are called by it. */
static inline struct str request_model(const struct request *r)
{
	return r->fallback.p ? r->fallback : r->requested_model;
}

/* How many tokens its prompt is likely to have; counted once. */
uint64_t request_prompt_tokens(struct request *r);
/* Who counts for its model; NULL: nobody, its encoding is not known or not installed. */
struct tokenizer *request_tokenizer(const struct request *r);

/* Whether all its owners may ask for `name`, which g serves or is. In decide/limits.c. */
bool request_may_use(const struct request *r, struct str name, const struct snap_group *g);

/* The headers that every answer carries (LiteLLM's names). */
void request_headers(struct request *r, struct buf *out, bool is_final);

#endif
