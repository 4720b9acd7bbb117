/* SPDX-License-Identifier: MIT
 * fuzz_provider_gemini.c - any bytes read as an answer of Gemini (answer_fuzz.h says what must
 * hold), any request that a client may make written for it (the body is JSON, or the refusal names
 * a place), and any schema in its words: made JSON Schema and its own again, it is the same. The
 * first byte chooses which. */
#include "tests/fuzz/answer_fuzz.h"
#include "worker/exchange/provider_gemini.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* --- requests --- */

static const struct json *parse(struct arena *a, struct str text)
{
	struct json_error error;
	return json_parse(a, text, JSON_ONE_KEY, &error);
}

static void check_call(struct arena *a, int r, const struct provider_call *call,
		       const struct llm_error *err)
{
	if (r == -EINVAL)
		MUST(err->message.n && err->param.n && err->outcome != OUTCOME_OK);
	if (r != 0)
		return;
	const struct json *root = parse(a, buf_str(&call->body));
	MUST(json_is(root, JSON_OBJECT));
	MUST(json_is(json_get(root, "contents"), JSON_ARRAY) || json_is(json_get(root, "requests"), JSON_ARRAY));
	MUST(str_starts(buf_str(&call->path), STR("/v1beta/models/gemini-3-up:")));
}

/* A deployment's own body is the operator's: it may be what it likes, but for names given twice. */
static void fuzz_request(struct str body, unsigned how)
{
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct provider_target t = { .model = STR("gemini-3-up"), .drop_params = how & 32 };
	struct dialect_error refusal = { 0 };
	struct llm_error err = { 0 };
	struct llm_request q = { 0 };
	struct provider_call call;
	const struct json *root = parse(a, body);
	if (how & 64)
		t.params = t.extra_body = body;
	buf_init(&call.path, 256);
	buf_init(&call.body, ANSWER_MEMORY);
	if (json_is(root, JSON_OBJECT) && fuzzed_dialects[(how & 3) % 3]->read_request(a, body, root, &q, &refusal) == 0)
		check_call(a, provider_gemini.write_request(a, &q, &t, &call, &err), &call, &err);
	buf_done(&call.path);
	buf_done(&call.body);
	arena_free(a);
}

/* --- schemas --- */

static int convert(struct arena *a, struct str schema, struct buf *to)
{
	buf_init(to, ANSWER_MEMORY);
	int r = gemini_write_schema(a, schema, to);
	MUST(r == 0 || r == -ENOENT || r == -EINVAL || r == -ENOMEM);
	MUST(r == 0 || to->n == 0);
	return r;
}

static void fuzz_schema(struct str schema)
{
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct buf once, twice;
	if (convert(a, schema, &once) == 0 && !once.failed) {
		const struct json *j = parse(a, buf_str(&once));
		MUST(json_is(j, JSON_OBJECT));
		struct str back = gemini_read_schema(a, j);
		MUST(!back.p || parse(a, back));
		int r = back.p ? convert(a, back, &twice) : -ENOMEM;
		MUST(r == 0 || r == -ENOMEM || r == -EINVAL);
		MUST(r || str_eq(buf_str(&once), buf_str(&twice)));
		if (back.p)
			buf_done(&twice);
	}
	buf_done(&once);
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str input = STR("a");
	struct llm_request q = { .n = 1, .inputs = &input, .n_inputs = 1 };
	if (n < 2 || hash_init() != 0)
		return 0;
	unsigned_from = &provider_gemini;
	struct str in = { (const char *)p + 2, n - 2 };
	q.kind = (enum llm_kind)((p[0] & 3) % 3);
	q.encoding_format = p[0] & 8 ? STR("base64") : STR_NONE;
	if (p[0] & 128)
		fuzz_request(in, p[0] & 127);
	else if (p[0] & 32)
		fuzz_schema(in);
	else if ((p[0] & 64) || q.kind == LLM_EMBED)
		fuzz_plain(&unsigned_answers, fuzzed_dialects[q.kind], &q, in);
	else
		fuzz_stream(&unsigned_answers, fuzzed_dialects[q.kind], &q, FRAMING_SSE, in, p[1] % 13 + 1);
	return 0;
}
