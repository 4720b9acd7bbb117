/* SPDX-License-Identifier: MIT
 * attempt_private.h - between the files of an attempt: attempt.c begins, times and ends it,
 * attempt_call.c makes what is sent, attempt_answer.c takes what comes back. */
#ifndef ATTEMPT_PRIVATE_H
#define ATTEMPT_PRIVATE_H

#include "worker/exchange/attempt.h"
#include "worker/exchange/credential.h"
#include "worker/exchange/upstream.h"
#include "worker/later.h"
#include "worker/params.h"

enum attempt_state { AT_IDLE, AT_WAITING, AT_STREAMING, AT_DONE, AT_FAILED, AT_STATES };

struct attempt {
	struct exchange *x;
	struct request *r;
	enum attempt_state state;
	const struct snap_deployment *d;
	uint32_t index;
	const struct provider *provider;
	const struct dialect *dialect;
	bool is_short, is_event_stream, is_cut;
	bool is_racing, is_lost, is_continuing;
	bool is_hasty;		/* its client wants an answer sooner than there need be one */
	bool is_held_up;	/* the client is slow: silence says nothing of the provider */
	struct provider_call call;
	struct provider_target target;
	struct params_rules rules;		/* of the deployment, and the request's own */
	const struct llm_request *asked;	/* the request's, or what is left of it */
	const struct llm_request *q;		/* less what the deployment cannot take */
	struct transfer *transfer;
	struct credential_wait credential;	/* AT_IDLE: its headers are not there yet */
	struct provider_reader reader;
	struct dialect_answer answer;
	struct sse sse;
	struct buf body;			/* a plain answer, or an error's */
	struct buf out;				/* for the client, not yet handed over */
	struct str passed_headers, error_type;
	struct later timer;
	uint64_t started_ns, content_ns, sent_ns; /* last content seen; last write to the client */
	uint64_t first_limit_ms, chunk_limit_ms, total_limit_ms, heartbeat_ms;
	int status;
	uint64_t retry_after_ms;
	bool must_not_retry;
	struct llm_error error;
};

void attempt_enter(struct attempt *at, enum attempt_state next);
struct attempt *attempt_new(struct exchange *x, struct request *r, uint32_t index) MUST_USE;
void attempt_free(struct attempt *at);
struct str attempt_provider_name(const struct attempt *at);
/* Scrubbed, and in LiteLLM's words. */
void attempt_set_error(struct attempt *at, enum outcome o, struct str text);
/* Its tally becomes the request's; where that is settled, what was booked stays. */
void attempt_hand_tally(struct attempt *at);
/* The end of an attempt that gave no whole answer, with at->error. Frees; the exchange decides
 * what is next. */
void attempt_give_up(struct attempt *at);
void attempt_fail(struct attempt *at, enum outcome o, const char *text);	/* both of them */

/* All of a stream has been said just now: its end is not waited for as long as its content was. */
void attempt_await_end(struct attempt *at);
/* Its first content has come: from now on silence has another limit. */
void attempt_await_more(struct attempt *at);

/* --- what is sent: attempt_call.c --- */

bool attempt_choose_adapter(struct attempt *at);	/* false: out of memory */
/* Fills at->call. 0; -EINVAL with *reterr; -ENOMEM. */
int attempt_build_call(struct attempt *at, struct llm_error *reterr);

/* --- what comes back: attempt_answer.c --- */

extern const struct transfer_handler attempt_handler;
llm_emit_fn attempt_take_event;			/* into the client's dialect */
void attempt_end_stream(struct attempt *at);
void attempt_end_plain(struct attempt *at);
void attempt_take_error(struct attempt *at);	/* one that came inside a good answer */
/* A sign of life for a client that waits. */
void attempt_heartbeat(struct attempt *at, uint64_t now);

#endif
