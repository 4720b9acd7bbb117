/* SPDX-License-Identifier: MIT
 * fuzz_provider_replicate.c - any bytes read as a prediction of Replicate's (answer_fuzz.h says what
 * must hold), and any request that a client may make written for it. The first byte chooses. */
#include "tests/fuzz/answer_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str input = STR("a");
	struct llm_request q = { .n = 1, .inputs = &input, .n_inputs = 1 };
	if (n < 2 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	q.kind = p[0] & 1 ? LLM_TEXT : LLM_CHAT;
	if (p[0] & 128)
		fuzz_written(&provider_replicate, fuzzed_dialects[(p[0] & 15) % 3], in, p[0] & 32, p[0] & 64);
	else
		fuzz_plain(&provider_replicate, fuzzed_dialects[q.kind], &q, in);
	return 0;
}
