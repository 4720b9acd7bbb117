/* SPDX-License-Identifier: MIT
 * fuzz_provider_bedrock.c - any bytes read as an answer of Bedrock (answer_fuzz.h says what must
 * hold), as they are or put into messages whose checksums are right; and any request that a client
 * may make written for it: the body is JSON without a name given twice, or the refusal names a
 * place. The first byte chooses which, the second one the model or the size of the pieces. */
#include "tests/fuzz/answer_fuzz.h"
#include "tests/unit/eventstream_text.h"
#include "worker/client/dialect_anthropic.h"
#include "worker/exchange/provider_bedrock.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* --- answers --- */

/* Lines: a letter for the event's name, and its payload. */
static void fuzz_framed(const struct llm_request *q, struct str in, size_t step)
{
	static const char *const names[] = { "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop",
					     "messageStop", "metadata", "other" };
	struct buf b;
	buf_init(&b, 1 << 20);
	while (in.n) {
		struct str line = str_cut(&in, '\n');
		unsigned which = line.n ? (unsigned char)line.p[0] : 0;
		if (which == 'x')
			put_message_of(&b, "exception", ":exception-type", STR("validationException"), str_skip(line, 1));
		else
			put_event(&b, names[which % COUNT(names)], str_skip(line, 1));
	}
	if (!b.failed)
		fuzz_stream(&unsigned_answers, fuzzed_dialects[q->kind], q, FRAMING_EVENTSTREAM, buf_str(&b), step);
	buf_done(&b);
}

/* --- requests --- */

static const struct json *parse(struct arena *a, struct str text)
{
	struct json_error error;
	return json_parse(a, text, JSON_ONE_KEY, &error);
}

static void check_call(struct arena *a, int r, const struct provider_call *call, const struct llm_error *err)
{
	MUST(r == 0 || r == -EINVAL || r == -ENOMEM);
	if (r == -EINVAL)
		MUST(err->message.n && err->param.n && err->outcome != OUTCOME_OK);
	if (r != 0)
		return;
	const struct json *root = parse(a, buf_str(&call->body));
	MUST(json_is(root, JSON_OBJECT));
	MUST(json_is(json_get(root, "messages"), JSON_ARRAY) || json_get(root, "inputText") || json_get(root, "texts"));
	MUST(str_starts(buf_str(&call->path), STR("/model/")));
}

static void fuzz_request(struct str body, unsigned how, unsigned which)
{
	static const char *const models[] = { "anthropic.claude-sonnet-4-5-v1:0", "amazon.nova-pro-v1:0", "openai.gpt-oss-20b",
					      "meta.llama3", "cohere.embed-v4:0", "amazon.titan-embed-text-v2:0" };
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct provider_target t = { .model = str_z(models[which % COUNT(models)]), .drop_params = how & 32 };
	const struct dialect *d = how & 16 ? &dialect_anthropic_messages : fuzzed_dialects[(how & 3) % 3];
	struct dialect_error refusal = { 0 };
	struct llm_error err = { 0 };
	struct llm_request q = { 0 };
	struct provider_call call;
	const struct json *root = parse(a, body);
	if (how & 64)
		t.params = body;
	buf_init(&call.path, 256);
	buf_init(&call.body, ANSWER_MEMORY);
	if (json_is(root, JSON_OBJECT) && d->read_request(a, body, root, &q, &refusal) == 0)
		check_call(a, provider_bedrock.write_request(a, &q, &t, &call, &err), &call, &err);
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
	unsigned_from = &provider_bedrock;
	struct str in = { (const char *)p + 2, n - 2 };
	q.kind = (enum llm_kind)((p[0] & 3) % 3);
	q.format = p[0] & 4 ? FORMAT_JSON : FORMAT_UNSET;
	q.encoding_format = p[0] & 8 ? STR("base64") : STR_NONE;
	if (p[0] & 128)
		fuzz_request(in, p[0] & 127, p[1]);
	else if ((p[0] & 64) || q.kind == LLM_EMBED)
		fuzz_plain(&unsigned_answers, fuzzed_dialects[q.kind], &q, in);
	else if (p[0] & 32)
		fuzz_framed(&q, in, p[1] % 61 + 1);
	else
		fuzz_stream(&unsigned_answers, fuzzed_dialects[q.kind], &q, FRAMING_EVENTSTREAM, in, p[1] % 61 + 1);
	return 0;
}
