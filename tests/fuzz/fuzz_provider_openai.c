/* SPDX-License-Identifier: MIT
 * fuzz_provider_openai.c - any bytes read as an OpenAI answer (answer_fuzz.h says what must hold),
 * and the short way over the same bytes: what goes out of it counts the same and reads the same.
 * The first byte chooses kind, framing of pieces and what the client asked. */
#include "tests/fuzz/answer_fuzz.h"
#include "worker/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_same_counts(const struct llm_tally *a, const struct llm_tally *b)
{
	MUST(a->usage.input == b->usage.input && a->usage.output == b->usage.output);
	MUST(a->content_bytes == b->content_bytes && a->estimate_milli == b->estimate_milli);
	MUST(a->finish == b->finish && a->has_content == b->has_content);
}

/* Usage is shown, so that what goes out says all that came in. */
static void fuzz_short_way(const struct llm_request *q, struct str in)
{
	struct answer_run direct, after;
	struct short_run r;
	answer_begin(&direct, &provider_openai, &dialect_openai_chat, q);
	answer_begin(&after, &provider_openai, &dialect_openai_chat, q);
	int err = short_feed(&r, &dialect_openai_chat, &direct.stream, in);
	int direct_err = answer_feed(&direct, FRAMING_SSE, in, in.n + 1);
	if (!err && !direct_err && !direct.failed) {
		check_same_counts(&r.answer.tally, &direct.said.tally);
		MUST(answer_feed(&after, FRAMING_SSE, buf_str(&r.out), r.out.n + 1) == 0);
		if (r.answer.tally.has_usage)
			check_same_counts(&after.said.tally, &direct.said.tally);
	}
	short_done(&r);
	answer_done(&direct);
	answer_done(&after);
}

/* What a glance tells of a whole answer, the reader tells, too, where the answer is JSON. */
static void fuzz_glance(const struct llm_request *q, struct str in)
{
	struct answer_run r;
	struct openai_glance g;
	answer_begin(&r, &provider_openai, &dialect_openai_chat, q);
	bool is_glanced = openai_glance(r.mem, in, &g);
	if (is_glanced && provider_openai.read_answer(&r.reader, in, on_answer_event, &r) == 0) {
		const struct llm_tally *t = &r.said.tally;
		MUST(t->usage.input == g.usage.input && t->usage.output == g.usage.output);
		MUST(t->finish == g.finish && t->has_content && !r.said.errors);
	}
	answer_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str input = STR("a");
	struct llm_request q = { .n = 1, .inputs = &input, .n_inputs = 1 };
	if (n < 2 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	q.kind = (enum llm_kind)(p[0] % 3);
	q.uses_functions = p[0] & 16;
	q.encoding_format = p[0] & 32 ? STR("base64") : STR_NONE;
	if ((p[0] & 64) || q.kind == LLM_EMBED) {
		fuzz_plain(&provider_openai, fuzzed_dialects[q.kind], &q, in);
		if (q.kind == LLM_CHAT)
			fuzz_glance(&q, in);
		return 0;
	}
	fuzz_stream(&provider_openai, fuzzed_dialects[q.kind], &q, FRAMING_SSE, in, p[1] % 13 + 1);
	if (q.kind == LLM_CHAT)
		fuzz_short_way(&q, in);
	return 0;
}
