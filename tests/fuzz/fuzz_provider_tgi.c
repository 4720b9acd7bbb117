/* SPDX-License-Identifier: MIT
 * fuzz_provider_tgi.c - any bytes read as an answer of Text Generation Inference, in its own format
 * or in the copy of OpenAI's (answer_fuzz.h says what must hold), and any request that a client may
 * make written for it. The first byte chooses which. */
#include "tests/fuzz/answer_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str input = STR("a");
	struct llm_request q = { .n = 1, .inputs = &input, .n_inputs = 1 };
	if (n < 2 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	const struct provider *to = p[0] & 16 ? &provider_fim : &provider_tgi;
	q.kind = p[0] & 1 ? LLM_CHAT : LLM_TEXT;
	if (p[0] & 128)
		fuzz_written(to, fuzzed_dialects[(p[0] & 15) % 3], in, p[0] & 32, p[0] & 64);
	else if (p[0] & 64)
		fuzz_plain(to, fuzzed_dialects[q.kind], &q, in);
	else
		fuzz_stream(to, fuzzed_dialects[q.kind], &q, FRAMING_SSE, in, p[1] % 13 + 1);
	return 0;
}
