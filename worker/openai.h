/* SPDX-License-Identifier: MIT
 * openai.h - the OpenAI wire format, for whoever speaks it: the dialects of that name, which
 * stand before the client, and the provider family, which stands before the model. Pure. */
#ifndef OPENAI_H
#define OPENAI_H

#include "worker/llm.h"

struct openai_choice;
struct openai_reader {			/* the state of reading one answer; begin with zeros */
	struct arena *mem;		/* lives as long as the answer */
	bool is_started, is_ended;
	uint8_t tier;			/* that was told, enum price_tier */
	struct openai_choice *choices;	/* those that called tools */
};
/* What one stream event's data says, as neutral events. "[DONE]" gives EV_END. Tolerant to the
 * many clones: missing indexes, whole calls in one chunk, reasoning under any name, usage
 * anywhere. An error gives EV_ERROR, and nothing else. scratch: for decoded text. *ret_root: the
 * parsed event, NULL for [DONE]. 0, -EBADMSG, -ENOMEM, or what emit returned. */
int openai_read_event(struct openai_reader *rd, struct arena *scratch, struct str data,
		      const struct json **ret_root, llm_emit_fn *emit, void *emit_data) MUST_USE;
/* A whole answer, chat or text, with EV_END. -EBADMSG: not an object with choices. */
int openai_read_answer(struct openai_reader *rd, const struct json *root, llm_emit_fn *emit,
		       void *emit_data) MUST_USE;
void openai_read_usage(const struct json *usage, struct usage *ret);
/* The same of the commonest answer: one choice of text alone, with its usage. False: it is another,
 * or no JSON, and has to be read. That nothing else in it breaks JSON's rules is not checked. */
struct openai_glance {
	struct str model;		/* raw JSON; .p NULL: not there */
	struct usage usage;
	enum llm_finish finish;
	uint64_t content_bytes;		/* as they stand in JSON */
};
bool openai_glance(struct arena *scratch, struct str body, struct openai_glance *ret) MUST_USE;

/* A list of embeddings, which is too long for a tree: spans of the body's members. */
struct openai_list {
	struct str data, usage, model, error;	/* raw JSON; .p NULL: not there */
};
int openai_read_list(struct str body, struct openai_list *ret) MUST_USE;	/* 0 or -EBADMSG */
/* Each vector as EV_VECTOR, then usage and the end. */
int openai_read_vectors(struct openai_reader *rd, struct str body, llm_emit_fn *emit,
			void *emit_data) MUST_USE;

/* Whether a member of a client's body is for the gateway (LiteLLM's extras) and not for any
 * provider. */
bool openai_is_ours(struct str name);

struct openai_edits {
	struct str model;		/* what the provider calls it */
	bool wants_usage;		/* stream_options.include_usage is to be true */
	struct str params;		/* JSON object: where the body says nothing; or .p NULL */
	struct str extra_body;		/* JSON object: wins over the body; or .p NULL */
	const struct params_rules *rules;	/* what is taken, and under what name; or NULL */
	const struct json *more;	/* the body's own extra_body, already checked; or NULL */
	const struct json_edit *inner;	/* within the messages, in ascending order */
	size_t n_inner;
};
/* Appends a request's body, edited; what is not named above stays byte for byte, but our own
 * extras, which are taken out. Failure of the buf is the buf's. 0 or -ENOMEM. */
int openai_edit_request(struct arena *a, const struct json *root, struct str body,
			const struct openai_edits *e, struct buf *out) MUST_USE;

/* Takes a member out of an object's text: with the comma before it, or behind it if none stands
 * before. from: where the member before it ends, or the bracket. */
struct json_edit openai_without(struct str text, const struct json *member, size_t from,
				bool is_first);

/* The string with quotes and escapes. .p NULL when the arena is full. */
struct str openai_quote(struct arena *a, struct str s) MUST_USE;

#endif
