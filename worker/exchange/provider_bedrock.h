/* SPDX-License-Identifier: MIT
 * provider_bedrock.h - between the files of the Bedrock adapter.
 *
 * Most models of Bedrock that matter are Anthropic's; what is said to them, and what they take, is
 * worked out by the Anthropic adapter and only written down in other words here. */
#ifndef PROVIDER_BEDROCK_H
#define PROVIDER_BEDROCK_H

#include "worker/exchange/provider_anthropic.h"

/* What a model can do, as far as its name tells. */
enum bedrock_thinking {
	THINKS_UNTOLD,			/* or not at all */
	THINKS_AS_CLAUDE,
	THINKS_BY_EFFORT,		/* reasoning_effort */
	THINKS_BY_CONFIG		/* reasoningConfig.maxReasoningEffort */
};
struct bedrock_model {
	bool is_claude, is_nova;
	bool caches;			/* takes cachePoint */
	bool knows_format;		/* takes outputConfig */
	bool knows_choice;		/* takes toolConfig.toolChoice */
	enum bedrock_thinking thinking;
};

struct bedrock_writing {
	struct ant_writing ant;
	struct bedrock_model model;
	unsigned n_documents;		/* so far: each wants a name of its own */
};
/* False: a name that would lead to another path. */
bool bedrock_is_model(struct str name);
/* Appends "/model/MODEL/VERB". */
void bedrock_put_path(struct buf *out, struct str model, const char *verb);

int bedrock_put_messages(struct bedrock_writing *w);	/* "system" and "messages" */
/* Fills the members, in Anthropic's words or Converse's. 0, -EINVAL, -ENOMEM. */
int bedrock_sort_members(struct bedrock_writing *w);
void bedrock_put_tools(struct bedrock_writing *w);	/* "toolConfig" */
/* "inferenceConfig", what else Converse knows, and "additionalModelRequestFields". */
void bedrock_put_members(struct bedrock_writing *w);
/* What of tools goes into the additional fields: those of the vendor's own, and the wish for one
 * call at a time. */
void bedrock_put_more_tools(struct bedrock_writing *w);

/* Behind a block that a client has marked: JSON of its mark, or .p NULL. */
void bedrock_put_cache_point(struct bedrock_writing *w, struct str mark);
/* The mark as the client wrote it. */
struct str bedrock_cache_mark(const struct json *raw);

/* The body and path of an embeddings call: InvokeModel in the words of the model's vendor. */
int bedrock_write_embed(struct ant_writing *w, struct provider_call *ret);
int bedrock_read_vectors(struct provider_reader *rd, struct str body, llm_emit_fn *emit,
			 void *data);
int bedrock_read_event(struct provider_reader *rd, struct arena *scratch,
		       const struct sse_event *ev, llm_emit_fn *emit, void *data);
int bedrock_read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit,
			void *data);

#endif
