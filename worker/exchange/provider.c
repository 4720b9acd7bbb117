/* SPDX-License-Identifier: MIT
 * provider.c - the families of providers, and what they have in common. */
#include "worker/exchange/provider.h"

#include <errno.h>

const struct provider *provider_of(enum provider_family family)
{
	static const struct provider *const providers[FAMILY_COUNT] = {
		[FAMILY_OPENAI] = &provider_openai,
		[FAMILY_OLLAMA_CHAT] = &provider_ollama_chat,
		[FAMILY_OLLAMA_GENERATE] = &provider_ollama_generate,
		[FAMILY_MOCK] = &provider_mock,
		[FAMILY_ANTHROPIC] = &provider_anthropic,
		[FAMILY_GEMINI] = &provider_gemini,
		[FAMILY_BEDROCK] = &provider_bedrock,
		[FAMILY_RESPONSES] = &provider_responses,
		[FAMILY_COHERE] = &provider_cohere,
		[FAMILY_TGI] = &provider_tgi,
		[FAMILY_FIM] = &provider_fim,
		[FAMILY_REPLICATE] = &provider_replicate,
	};
	MUST((unsigned)family < FAMILY_COUNT);
	return providers[family];
}

const struct provider *provider_for(enum provider_family family, enum llm_kind kind)
{
	if (kind == LLM_RERANK && (family == FAMILY_OPENAI || family == FAMILY_TGI))
		return &provider_rerank;
	return provider_of(family);
}

int provider_read_event(const struct provider *p, struct provider_reader *rd, struct arena *scratch,
			const struct sse_event *ev, llm_emit_fn *emit, void *data)
{
	if (ev->oversize)
		return -EBADMSG;
	return str_trim(ev->data).n ? p->read_event(rd, scratch, ev, emit, data) : 0;
}

void provider_put_path(const struct provider_target *t, const char *name, const char *preset,
		       struct buf *out)
{
	struct str paths = t->paths, path = str_z(preset), place = STR("{model}");
	while (paths.n) {
		struct str value = str_cut(&paths, ' '), key = str_cut(&value, '=');
		if (str_eq_z(key, name))
			path = value;
	}
	size_t at = str_find(path, place);
	if (at == SIZE_MAX) {
		buf_put(out, path);
		return;
	}
	buf_put(out, str_of(path.p, at));
	buf_put_path(out, t->model);
	buf_put(out, str_skip(path, at + place.n));
}

void provider_read_error(struct arena *a, int status, struct str body, struct str key,
			 struct llm_error *ret)
{
	struct json_error error;
	const struct json *root = body.n ? json_parse(a, body, 0, &error) : NULL;
	llm_read_error(a, status, root, body, key, ret);
}
