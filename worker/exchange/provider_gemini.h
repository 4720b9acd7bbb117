/* SPDX-License-Identifier: MIT
 * provider_gemini.h - the Gemini adapter, and what its files share. */
#ifndef PROVIDER_GEMINI_H
#define PROVIDER_GEMINI_H

#include "worker/exchange/provider.h"
#include "worker/gemini.h"

struct gemini_call;
/* What a request is made into. */
struct gemini_writing {
	struct arena *mem;
	const struct llm_request *q;
	const struct provider_target *target;
	struct llm_error *err;
	struct json_out o;
	struct gemini_sorting sorted;
	struct gemini_call *calls;	/* a table of those seen so far, by id; NULL: none at all */
	size_t calls_room;		/* a power of two */
	unsigned n_calls;
	int failed;			/* -ENOMEM: somewhere within a turn */
	const char *role;		/* of the turn that is open; NULL: none */
	bool has_turns;
};

int gemini_put_contents(struct gemini_writing *w);	/* "contents": [...] of a chat */
int gemini_put_tools(struct gemini_writing *w);		/* "tools" and "toolConfig" */
/* What an embedding is for: in Gemini's own word, or in the one that LiteLLM's users know. JSON
 * text, or .p NULL. */
struct str gemini_task_of(const struct gemini_writing *w, const char *name);
/* The body of embeddings on Vertex AI, and whether it is a single one's (:embedContent) or a list
 * (:predict). 0, -EINVAL. */
int gemini_put_vertex_embed(struct gemini_writing *w);
bool gemini_vertex_embeds_one(struct str model);
/* Always -EINVAL. */
int gemini_refuse(struct gemini_writing *w, enum outcome o, const char *param, const char *fmt, ...)
	PRINTF(4, 5);
/* A parameter that there is no word for: -EINVAL, or 0 where such ones are dropped. */
int gemini_refuse_param(struct gemini_writing *w, struct str name);

#endif
