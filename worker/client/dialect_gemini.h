/* SPDX-License-Identifier: MIT
 * dialect_gemini.h - the Gemini dialects: what their files share, and what others may call.
 *
 * The path says what is asked for: its model, and behind the colon the verb, which decides the
 * dialect. A stream comes as events (alt=sse), or as the elements of one JSON array. */
#ifndef DIALECT_GEMINI_H
#define DIALECT_GEMINI_H

#include "common/json_write.h"
#include "worker/client/collect.h"
#include "worker/client/dialect.h"
#include "worker/client/dialect_openai.h"	/* readers of single values, and refusals */
#include "worker/client/pending.h"
#include "worker/gemini.h"

/* The dialect that a path's row has, or the one that its query makes of it. Others stay. */
const struct dialect *gemini_dialect_for(const struct dialect *d, struct str query);

/* :countTokens, whose body is that of a message, or has one in generateContentRequest. Reads it
 * and appends the answer. 0; -EINVAL with *reterr; -ENOMEM. */
int gemini_count_tokens(struct arena *a, struct str body, const struct json *root,
			struct llm_request *ret, struct buf *out, struct dialect_error *reterr);

/* --- reading requests --- */

struct gem_reading {
	struct oai_reading r;		/* first: readers get a pointer to it */
	struct pending_calls pending;
};
int gem_read_request(struct arena *a, struct str body, const struct json *root, bool is_stream,
		     struct llm_request *ret, struct dialect_error *reterr);
oai_read_fn gem_read_contents, gem_read_system, gem_read_tools, gem_read_tool_config;
/* A member, in either spelling, that may or must be there. 0, -EINVAL, -ENOMEM. */
int gem_optional(struct oai_reading *r, const struct place *up, const struct json *object,
		 const char *name, oai_read_fn *read, void *ret);
int gem_required(struct oai_reading *r, const struct place *up, const struct json *object,
		 const char *name, oai_read_fn *read, void *ret);
/* Each element of a list, which may be written as its only one. */
int gem_read_each(struct oai_reading *r, const struct place *at, const struct json *list,
		  oai_read_fn *read, void *to);

/* --- writing answers --- */

struct gem_choice;
struct gem_stream {			/* the state of a stream, whichever way it takes */
	bool is_array, is_forwarded;
	bool has_items;			/* of the array */
	bool is_oversize;		/* inside an event that comes in pieces */
	struct str id;			/* as the provider said; .p NULL: ours */
	struct gem_choice *choices, *recent;
	struct gemini_reader reader;	/* short way */
};
/* Made when it is first asked for. NULL: out of memory. */
struct gem_stream *gem_stream(struct dialect_answer *an, bool is_array);
/* What stands before one answer of a stream. */
void gem_open_item(struct gem_stream *s, struct buf *out);

int gem_forward_request(struct arena *a, const struct llm_request *q, struct str model,
			struct str params, struct str extra_body, struct buf *out);
int gem_forward_batch(struct arena *a, const struct llm_request *q, struct str model,
		      struct str params, struct str extra_body, struct buf *out);
int gem_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out);
int gem_forward_item(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		     struct buf *out);
int gem_forward_answer(struct dialect_answer *an, struct str body, struct buf *out);
void gem_write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
		     struct str call_id, bool in_stream);

#endif
