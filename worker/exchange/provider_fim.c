/* SPDX-License-Identifier: MIT
 * provider_fim.c - Mistral's fill in the middle: a text completion with a suffix, asked for in
 * OpenAI's words behind a path of its own, and answered like a chat. */
#include <errno.h>

#include "worker/exchange/provider_openai.h"

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	static const char *const params[LLM_KINDS] = {
		[LLM_CHAT] = "messages", [LLM_EMBED] = "input", [LLM_RERANK] = "documents",
	};
	struct provider_target own = *t;
	if (q->kind != LLM_TEXT || q->n_inputs != 1 || q->inputs_are_tokens) {
		*reterr = (struct llm_error){
			.outcome = OUTCOME_BAD_REQUEST,
			.message = STR("this model completes one prompt, a string, and does nothing "
				       "else: ask /v1/completions"),
			.param = str_z(q->kind == LLM_TEXT ? "prompt" : params[q->kind]),
		};
		return -EINVAL;
	}
	own.paths = STR("text=/fim/completions");
	return provider_openai.write_request(a, q, &own, ret, reterr);
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit, void *data)
{
	return provider_openai.read_event(rd, scratch, ev, emit, data);
}

static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data)
{
	return provider_openai.read_answer(rd, body, emit, data);
}

const struct provider provider_fim = {
	.name = "fim",
	.family = FAMILY_FIM,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = read_answer,
};
