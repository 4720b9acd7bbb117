/* SPDX-License-Identifier: MIT
 * fuzz_dialect_ollama.c - a request that is accepted is written by the provider adapter and read
 * again; what is written of it the second time is the same to the byte. What is checked before any
 * provider sees it is refused by a place, or is what it says. The first byte chooses the dialect. */
#include <errno.h>

#include "common/hash.h"
#include "tests/fuzz/request_fuzz.h"
#include "tests/unit/llm_text.h"
#include "worker/client/prompt_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct dialect *const fuzzed[] = {
	&dialect_ollama_chat, &dialect_ollama_generate, &dialect_ollama_embed, &dialect_ollama_embeddings,
};

/* The path decides the dialect that reads it again. */
static const struct dialect *reader_for(const struct llm_request *q)
{
	return q->kind == LLM_CHAT ? &dialect_ollama_chat : q->kind == LLM_TEXT ? &dialect_ollama_generate
									       : &dialect_ollama_embed;
}

static void check_prompt(struct arena *a, struct llm_request *q)
{
	struct dialect_error err = { 0 };
	int r = prompt_check(a, q, &err);
	MUST(r == 0 || r == -EINVAL || r == -ENOMEM);
	if (r == -EINVAL)
		check_refusal(&err);
	for (const struct llm_message *m = r ? NULL : q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next)
			MUST(!p->data.n || str_find_char(p->data, '_') == SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct llm_request q = { 0 };
	struct dialect_error err = { 0 };
	struct json_error error;
	if (n < 1 || n > 65536 || hash_init() != 0)
		return 0;
	struct arena *a = arena_new(REQUEST_MEMORY);
	struct str body = { (const char *)p + 1, n - 1 };
	const struct json *root = json_parse(a, body, JSON_ONE_KEY, &error);
	if (json_is(root, JSON_OBJECT)) {
		int r = fuzzed[p[0] % COUNT(fuzzed)]->read_request(a, body, root, &q, &err);
		if (r == -EINVAL)
			check_refusal(&err);
		if (r == 0) {
			MUST(q.prompt_bytes <= 2 * body.n && q.family == FAMILY_OLLAMA_CHAT);
			MUST(estimate_prompt(&q) <= estimate_prompt_worst(&q));
			check_written_twice(a, &provider_ollama_chat, reader_for(&q), &q);
			check_prompt(a, &q);
		}
	}
	arena_free(a);
	return 0;
}
