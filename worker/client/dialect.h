/* SPDX-License-Identifier: MIT
 * dialect.h - what a client speaks: one row per dialect, pure functions.
 *
 * Long way: provider events come in one by one; write_event() turns each into stream bytes, or
 * collect() keeps them until write_answer(). Short way, where client and provider speak the
 * same: forward_* splice what must change and look at usage; all other bytes stay. */
#ifndef DIALECT_H
#define DIALECT_H

#include "common/sse.h"
#include "common/snapshot.h"
#include "worker/llm.h"

struct dialect_error {			/* why a request cannot be read */
	enum outcome outcome;
	struct str message, param;	/* in the arena, or static */
};
/* What both ways need to know while an answer is written. */
struct dialect_answer {
	struct arena *mem;
	const struct llm_request *q;
	struct str model;		/* to stamp into the answer: as the client asked */
	struct str id;			/* "chatcmpl-..." when the provider gives none */
	int64_t created_s;
	uint64_t total_ns, first_ns;	/* known at EV_END: since the request came, all of it, and
					 * until something was said */
	bool show_usage;		/* the client asked for it, or it is a plain answer */
	bool has_tiers;			/* the price depends on the service tier */
	const struct price *price;	/* usage tells the cost, too; NULL: it does not */
	struct usage before;		/* of attempts that broke off, and what they cost */
	int64_t before_nano;
	void *state;			/* the dialect's own; NULL to begin with */
	bool is_started, is_ended;	/* is_ended: the closing events have been written */
	/* Kept by all functions that see an answer. Where a stream has tally.text, it may have to
	 * be resumed. */
	struct llm_tally tally;
};

struct dialect {
	const char *name;		/* "openai.chat" */
	enum llm_kind kind;
	enum provider_family twin;	/* takes the short way; FAMILY_COUNT: none */
	/* root: the parsed body, an object, no member twice (JSON_ONE_KEY). *ret: zeros, but that
	 * a model named by the path may stand in it. 0; -EINVAL with *reterr; -ENOMEM. */
	int (*read_request)(struct arena *a, struct str body, const struct json *root,
			    struct llm_request *ret, struct dialect_error *reterr);
	/* Long way, streaming: appends whole stream events (none, one or several). EV_END writes
	 * the closing ones ("data: [DONE]"), also behind forwarded events whose provider left
	 * them out. 0 or -ENOMEM. NULL, like forward_event, where answers are never streamed. */
	int (*write_event)(struct dialect_answer *an, const struct llm_event *ev, struct buf *out);
	/* Long way, plain. 0, -ENOMEM, -E2BIG. */
	int (*collect)(struct dialect_answer *an, const struct llm_event *ev);
	int (*write_answer)(struct dialect_answer *an, struct buf *out);
	/* Short way; NULL where there is no twin. The body for the provider: model,
	 * stream_options and our extras spliced, defaults and extra_body of the deployment added
	 * where the client gave none. */
	int (*forward_request)(struct arena *a, const struct llm_request *q, struct str model,
			       struct str params, struct str extra_body, struct buf *out);
	/* One event: appends what the client gets (nothing where it is hidden from it). An error
	 * event sets tally.has_error and appends nothing. 0, -ENOMEM, -EBADMSG (not JSON).
	 * scratch is reset by the caller after each event. */
	int (*forward_event)(struct dialect_answer *an, struct arena *scratch,
			     const struct sse_event *ev, struct buf *out);
	int (*forward_answer)(struct dialect_answer *an, struct str body, struct buf *out);
	/* An error in this dialect: a whole body, or as a stream event without an end. Type and
	 * code of e count where it is our own (its status is 0), else the outcome's. e may be
	 * NULL. */
	void (*write_error)(struct buf *out, const struct llm_error *e, enum outcome o, int status,
			    struct str call_id, bool in_stream);
	/* The end of a stream that broke, from the state of the answer that was under way. 0 or
	 * -ENOMEM. NULL: write_error() says all there is to say. */
	int (*fail_stream)(struct dialect_answer *an, const struct llm_error *e, enum outcome o,
			   struct buf *out);
	/* Of a stream that broke off: from now on write_event() goes on with it, another model's
	 * EV_START and text behind what has been written or forwarded. 0, -ENOMEM, -EINVAL (not
	 * from here). NULL: never. */
	int (*resume)(struct dialect_answer *an);
	/* What the next request may refer to, of an answer that has ended well: its id, the answer
	 * as it was given, and the conversation. Failure of the bufs is theirs. 0 or -ENOMEM. NULL:
	 * nothing is kept. */
	int (*write_kept)(struct dialect_answer *an, struct str *ret_id, struct buf *response,
			  struct buf *items);
	const char *stream_type;	/* "text/event-stream" */
	const char *heartbeat;		/* ": llmgw\n\n", or NULL where none is possible */
};

extern const struct dialect dialect_openai_chat, dialect_openai_text, dialect_openai_embed;
extern const struct dialect dialect_anthropic_messages, dialect_responses, dialect_rerank;
extern const struct dialect dialect_gemini_chat, dialect_gemini_stream, dialect_gemini_array,
	dialect_gemini_embed, dialect_gemini_batch;
extern const struct dialect dialect_ollama_chat, dialect_ollama_generate, dialect_ollama_embed,
	dialect_ollama_embeddings;
extern const struct dialect dialect_cohere_chat, dialect_cohere_embed;
extern const struct dialect *const dialects[];	/* ends with NULL */

#endif
