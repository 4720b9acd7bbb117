/* SPDX-License-Identifier: MIT
 * fuzz_provider_ollama.c - any bytes read as an answer of Ollama (answer_fuzz.h says what must
 * hold), and any request that a client may make written for it: the body is JSON, or the refusal
 * names a place. The first byte chooses which. */
#include "tests/fuzz/answer_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_call(struct arena *a, int r, const struct provider_call *call,
		       const struct llm_error *err)
{
	struct json_error error;
	if (r == -EINVAL)
		MUST(err->message.n && err->param.n && err->outcome != OUTCOME_OK);
	if (r != 0)
		return;
	const struct json *root = json_parse(a, buf_str(&call->body), JSON_ONE_KEY, &error);
	MUST(json_is(root, JSON_OBJECT));
	MUST(str_eq(json_get(root, "model")->raw, STR("\"up\"")));
	MUST(str_starts(buf_str(&call->path), STR("/api/")));
}

static void fuzz_request(struct str body, unsigned how)
{
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct provider_target t = { .model = STR("up"), .drop_params = how & 32 };
	const struct provider *p = how & 16 ? &provider_ollama_chat : &provider_ollama_generate;
	struct dialect_error refusal = { 0 };
	struct llm_error err = { 0 };
	struct llm_request q = { 0 };
	struct provider_call call;
	struct json_error error;
	const struct json *root = json_parse(a, body, JSON_ONE_KEY, &error);
	if (how & 64)
		t.params = t.extra_body = body;
	buf_init(&call.path, 256);
	buf_init(&call.body, ANSWER_MEMORY);
	if (json_is(root, JSON_OBJECT) && fuzzed_dialects[how % 3]->read_request(a, body, root, &q, &refusal) == 0)
		check_call(a, p->write_request(a, &q, &t, &call, &err), &call, &err);
	buf_done(&call.path);
	buf_done(&call.body);
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str input = STR("a");
	struct llm_request q = { .n = 1, .inputs = &input, .n_inputs = 1 };
	if (n < 2 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	q.kind = (enum llm_kind)(p[0] % 3);
	if (p[0] & 128)
		fuzz_request(in, p[0] & 127);
	else if ((p[0] & 64) || q.kind == LLM_EMBED)
		fuzz_plain(&provider_ollama_chat, fuzzed_dialects[q.kind], &q, in);
	else
		fuzz_stream(&provider_ollama_chat, fuzzed_dialects[q.kind], &q, FRAMING_NDJSON, in,
			    p[1] % 13 + 1);
	return 0;
}
