/* SPDX-License-Identifier: MIT
 * anthropic.h - the Anthropic Messages wire format, for whoever speaks it: the dialect, which
 * stands before the client, and the provider family, which stands before the model. Pure. */
#ifndef ANTHROPIC_H
#define ANTHROPIC_H

#include "common/snapshot.h"
#include "worker/llm.h"

/* The tool whose input is an answer in JSON, for models that know no output format. */
#define ANTHROPIC_FORMAT_TOOL "structured_answer"

struct anthropic_reader {		/* the state of reading one answer; begin with zeros */
	struct arena *mem;		/* lives as long as the answer */
	bool unwraps_format;		/* a call of the format tool is text */
	bool is_started, is_ended;
	int block;			/* kind of the content block under way; 0 = none */
	bool has_pieces;		/* of its arguments */
	struct str input;		/* arguments that came with its start; .p NULL: none */
	bool has_format;		/* the format tool was called */
	unsigned n_calls;
};
/* What one stream event's data says, as neutral events. An error gives EV_ERROR, and nothing else;
 * unknown events, blocks and deltas give nothing. scratch: for decoded text. *ret_root: the parsed
 * event, NULL for the "[DONE]" of some clones. 0, -EBADMSG, -ENOMEM, or what emit returned. */
int anthropic_read_event(struct anthropic_reader *rd, struct arena *scratch, struct str data,
			 const struct json **ret_root, llm_emit_fn *emit, void *emit_data) MUST_USE;
/* A whole message, with EV_END. -EBADMSG: not an object with content. */
int anthropic_read_answer(struct anthropic_reader *rd, const struct json *root, llm_emit_fn *emit,
			  void *emit_data) MUST_USE;
/* The prompt is what was read from and written to the cache, too. */
void anthropic_read_usage(const struct json *usage, struct usage *ret);

#endif
