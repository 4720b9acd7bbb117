/* SPDX-License-Identifier: MIT
 * provider_ollama.h - between the files of the Ollama adapter. */
#ifndef PROVIDER_OLLAMA_H
#define PROVIDER_OLLAMA_H

#include "worker/exchange/members.h"

/* What a request is made into. */
struct ollama_writing {
	struct members m; /* first: members of `options`; beside: those at the top of the body */
	struct json_out o;
};

/* Fills m from the request, then from the deployment; refuses what Ollama cannot
 * do, unless such parameters are to be dropped. 0, -EINVAL, -ENOMEM. */
int ollama_sort_members(struct members *m);
int ollama_put_messages(struct ollama_writing *w);	/* "messages": [...] */
int ollama_put_prompt(struct ollama_writing *w);	/* "prompt", "system", "images" of a chat */
void ollama_put_tools(struct ollama_writing *w);
bool ollama_has_tools(const struct llm_request *q);

int ollama_read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit, void *data);
int ollama_read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data);

#endif
