/* SPDX-License-Identifier: MIT
 * provider.c - the families of providers, and what they have in common. */
#include "worker/exchange/provider.h"

const struct provider *provider_of(enum provider_family family)
{
	static const struct provider *const providers[] = {
		[FAMILY_OPENAI] = &provider_openai,
		[FAMILY_OLLAMA_CHAT] = &provider_ollama_chat,
		[FAMILY_OLLAMA_GENERATE] = &provider_ollama_generate,
		[FAMILY_MOCK] = &provider_mock,
		[FAMILY_ANTHROPIC] = &provider_anthropic,
		[FAMILY_GEMINI] = &provider_gemini,
		[FAMILY_BEDROCK] = &provider_bedrock,
		[FAMILY_RESPONSES] = &provider_responses,
		[FAMILY_COUNT - 1] = NULL,	/* those without a row: the master names none */
	};
	MUST((unsigned)family < FAMILY_COUNT);
	return providers[family];
}

void provider_read_error(struct arena *a, int status, struct str body, struct str key,
			 struct llm_error *ret)
{
	struct json_error error;
	const struct json *root = body.n ? json_parse(a, body, 0, &error) : NULL;
	llm_read_error(a, status, root, body, key, ret);
}
