/* SPDX-License-Identifier: MIT
 * fuzz_provider_cohere.c - any bytes read as an answer of Cohere (answer_fuzz.h says what must
 * hold), and any request that a client may make written for it. The first byte chooses which. */
#include "tests/fuzz/answer_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str input = STR("a");
	struct llm_request q = { .n = 1, .inputs = &input, .n_inputs = 1 };
	if (n < 2 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	q.kind = (enum llm_kind)((p[0] & 15) % 3);
	if (p[0] & 128)
		fuzz_written(&provider_cohere, fuzzed_dialects[(p[0] & 15) % LLM_KINDS], in, p[0] & 32, p[0] & 64);
	else if ((p[0] & 64) || q.kind == LLM_EMBED)
		fuzz_plain(&provider_cohere, fuzzed_dialects[q.kind], &q, in);
	else
		fuzz_stream(&provider_cohere, fuzzed_dialects[q.kind], &q, FRAMING_SSE, in, p[1] % 13 + 1);
	return 0;
}
