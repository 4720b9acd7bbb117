/* SPDX-License-Identifier: MIT
 * dialect_anthropic.h - the Anthropic dialect: what its files share, and what others may call. */
#ifndef DIALECT_ANTHROPIC_H
#define DIALECT_ANTHROPIC_H

#include "common/json_write.h"
#include "worker/anthropic.h"
#include "worker/client/collect.h"
#include "worker/client/dialect.h"
#include "worker/client/dialect_openai.h"	/* readers of single values, and refusals */
#include "worker/client/whole.h"

/* POST /v1/messages/count_tokens: the body is that of a message, but for max_tokens, which may be
 * missing. Reads it and appends the answer. 0; -EINVAL with *reterr; -ENOMEM. */
int anthropic_count_tokens(struct arena *a, struct str body, const struct json *root,
			   struct llm_request *ret, struct buf *out, struct dialect_error *reterr);

/* --- reading requests --- */

int ant_read_request(struct arena *a, struct str body, const struct json *root, bool is_count,
		     struct llm_request *ret, struct dialect_error *reterr);
oai_read_fn ant_read_messages, ant_read_system, ant_read_tools, ant_read_tool_choice;
/* Whether a member is for the gateway, as with OpenAI's dialect, but for metadata, which is the
 * provider's here: ours is litellm_metadata. */
bool ant_is_ours(struct str name);

/* --- writing answers --- */

enum ant_kind { ANT_NONE, ANT_TEXT, ANT_THINKING, ANT_REDACTED, ANT_CALL };

struct ant_block;			/* of a plain answer */
struct ant_waiting;			/* an event that must wait for a call to be whole */
struct ant_call {
	unsigned tool;
	struct whole args;
};
struct ant_answer {			/* the state of an answer, whichever way it takes */
	bool is_plain, is_forwarded, is_finished, has_calls, has_refusal;
	enum ant_kind open;		/* the block under way */
	unsigned n_blocks;
	bool is_signed;			/* a thinking block that has its signature is over */
	struct ant_call call;
	struct ant_waiting *waiting, *last_waiting;
	struct ant_block *blocks, *last_block;
	enum llm_finish finish;
	struct str id, native;
	struct anthropic_reader reader;	/* short way */
};
struct ant_answer *ant_answer(struct dialect_answer *an);	/* NULL: out of memory */

int ant_resume(struct dialect_answer *an);
int ant_write_event(struct dialect_answer *an, const struct llm_event *ev, struct buf *out);
int ant_collect(struct dialect_answer *an, const struct llm_event *ev);
int ant_write_answer(struct dialect_answer *an, struct buf *out);

int ant_forward_request(struct arena *a, const struct llm_request *q, struct str model,
			struct str params, struct str extra_body, struct buf *out);
int ant_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out);
int ant_forward_answer(struct dialect_answer *an, struct str body, struct buf *out);

#endif
