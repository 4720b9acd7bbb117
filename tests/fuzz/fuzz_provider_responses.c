/* SPDX-License-Identifier: MIT
 * fuzz_provider_responses.c - any bytes read as an answer of OpenAI's Responses (answer_fuzz.h says
 * what must hold), the short way over the same bytes (it counts the same, and what goes out of it
 * reads the same), and any request that a client may make written for it: the body is JSON, or
 * the refusal says why. The first byte chooses which, the second the size of pieces. */
#include "tests/fuzz/answer_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Usage and the end are told the same whoever reads them. Content need not be: what an item says
 * in its end alone is read the long way only. */
static void check_same(const struct llm_tally *a, const struct llm_tally *b)
{
	MUST(a->usage.input == b->usage.input && a->usage.output == b->usage.output);
	MUST(a->usage.cache_read == b->usage.cache_read);
	MUST(a->is_done == b->is_done);
}

static void fuzz_short_way(const struct llm_request *q, struct str in)
{
	struct answer_run direct, after;
	struct short_run r;
	answer_begin(&direct, &provider_responses, &dialect_openai_chat, q);
	answer_begin(&after, &provider_responses, &dialect_openai_chat, q);
	int err = short_feed(&r, &dialect_responses, &direct.stream, in);
	int direct_err = answer_feed(&direct, FRAMING_SSE, in, in.n + 1);
	if (!err && !direct_err && !direct.failed && !direct.said.errors) {
		check_same(&r.answer.tally, &direct.said.tally);
		MUST(answer_feed(&after, FRAMING_SSE, buf_str(&r.out), r.out.n + 1) == 0);
		MUST(after.said.tally.content_bytes == direct.said.tally.content_bytes);
		check_same(&after.said.tally, &direct.said.tally);
	}
	short_done(&r);
	answer_done(&direct);
	answer_done(&after);
}

/* --- requests --- */

static void check_call(struct arena *a, int r, const struct provider_call *call,
		       const struct llm_error *err)
{
	struct json_error error;
	if (r == -EINVAL)
		MUST(err->message.n && err->param.n && err->outcome != OUTCOME_OK);
	if (r != 0)
		return;
	const struct json *root = json_parse(a, buf_str(&call->body), JSON_ONE_KEY, &error);
	MUST(json_is(root, JSON_OBJECT) && json_is(json_get(root, "input"), JSON_ARRAY));
	MUST(json_is_true(json_get(root, "store")) == false);
	MUST(str_eq(buf_str(&call->path), STR("/responses")));
}

static void fuzz_request(struct str body, unsigned how)
{
	static const struct dialect *const from[] = { &dialect_openai_chat, &dialect_anthropic_messages,
						      &dialect_responses, &dialect_gemini_chat };
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct provider_target t = { .model = STR("gpt-5-codex"), .drop_params = how & 16,
				     .params = STR("{\"max_tokens\":7,\"verbosity\":\"low\"}") };
	struct dialect_error refusal = { 0 };
	struct json_error error;
	struct llm_error err = { 0 };
	struct llm_request q = { .model = STR("m") };
	struct provider_call call = { .framing = FRAMING_SSE };
	const struct json *root = json_parse(a, body, JSON_ONE_KEY, &error);
	if (json_is(root, JSON_OBJECT) && from[how % 4]->read_request(a, body, root, &q, &refusal) == 0) {
		buf_init(&call.path, 1024);
		buf_init(&call.body, ANSWER_MEMORY);
		check_call(a, provider_responses.write_request(a, &q, &t, &call, &err), &call, &err);
		buf_done(&call.path);
		buf_done(&call.body);
	}
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	if (n < 2 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	q.wants_store = p[0] & 16;
	unsigned_from = &provider_responses;
	if (p[0] & 32) {
		fuzz_request(in, p[0]);
		return 0;
	}
	if (p[0] & 64) {
		fuzz_plain(&unsigned_answers, &dialect_openai_chat, &q, in);
		return 0;
	}
	fuzz_stream(&unsigned_answers, &dialect_openai_chat, &q, FRAMING_SSE, in, p[1] % 13 + 1);
	fuzz_short_way(&q, in);
	return 0;
}
