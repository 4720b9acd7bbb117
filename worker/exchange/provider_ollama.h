/* SPDX-License-Identifier: MIT
 * provider_ollama.h - between the files of the Ollama adapter. */
#ifndef PROVIDER_OLLAMA_H
#define PROVIDER_OLLAMA_H

#include "common/json_write.h"
#include "worker/exchange/provider.h"

/* What a request is made into. */
struct ollama_writing {
	struct arena *mem;
	const struct llm_request *q;
	const struct provider_target *target;
	struct llm_error *err;
	struct json_out o;
	struct llm_other *options;	/* members of `options`, each name once */
	struct llm_other *top;		/* members beside model, messages, tools and stream */
};

/* Fills options and top from the request, then from the deployment; refuses what Ollama cannot
 * do, unless such parameters are to be dropped. 0, -EINVAL, -ENOMEM. */
int ollama_sort_members(struct ollama_writing *w);
int ollama_put_messages(struct ollama_writing *w);	/* "messages": [...] */
int ollama_put_prompt(struct ollama_writing *w);	/* "prompt", "system", "images" of a chat */
void ollama_put_tools(struct ollama_writing *w);
bool ollama_has_tools(const struct llm_request *q);
/* Always -EINVAL. */
int ollama_refuse(struct ollama_writing *w, enum outcome o, const char *param, const char *fmt, ...)
	PRINTF(4, 5);

int ollama_read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit, void *data);
int ollama_read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data);

#endif
