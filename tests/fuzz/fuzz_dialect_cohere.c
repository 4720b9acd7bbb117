/* SPDX-License-Identifier: MIT
 * fuzz_dialect_cohere.c - a request that is accepted is written by the provider adapter and read
 * again; what is written of it the second time is the same to the byte; on the short way only the
 * model and our own members change. Bytes taken for a provider's stream go on as they came, or end
 * with an error. The first byte chooses. */
#include "tests/fuzz/answer_fuzz.h"
#include "tests/fuzz/request_fuzz.h"
#include "worker/client/prompt_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The same question, to another model. */
static void check_short_way(struct arena *a, const struct dialect *d, const struct llm_request *q)
{
	struct dialect_error err = { 0 };
	struct llm_request again = { 0 };
	struct json_error error;
	struct buf out;
	buf_init(&out, ANSWER_MEMORY);
	int r = d->forward_request(a, q, STR("up"), STR_NONE, STR_NONE, &out);
	MUST(r == 0 || r == -ENOMEM);
	struct str body = r || out.failed ? STR_NONE : arena_dup(a, buf_str(&out));
	buf_done(&out);
	const struct json *root = body.p ? json_parse(a, body, JSON_ONE_KEY, &error) : NULL;
	if (!root)
		return;
	r = d->read_request(a, body, root, &again, &err);
	MUST(r == -ENOMEM || (r == 0 && str_eq(again.model, STR("up"))));
	MUST(r || (again.n_messages == q->n_messages && again.n_inputs == q->n_inputs &&
		   again.prompt_bytes == q->prompt_bytes && again.max_tokens == q->max_tokens));
}

static void fuzz_request(const struct dialect *d, struct str body)
{
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct llm_request q = { 0 };
	struct dialect_error err = { 0 };
	struct json_error error;
	const struct json *root = json_parse(a, body, JSON_ONE_KEY, &error);
	int r = json_is(root, JSON_OBJECT) ? d->read_request(a, body, root, &q, &err) : -EBADMSG;
	if (r == -EINVAL)
		check_refusal(&err);
	if (r == 0) {
		MUST(q.prompt_bytes <= 2 * body.n && q.family == FAMILY_COHERE && q.n == 1);
		MUST(estimate_prompt(&q) <= estimate_prompt_worst(&q));
		check_short_way(a, d, &q);
		check_written_twice(a, &provider_cohere, d, &q);
		r = prompt_check(a, &q, &err);
		MUST(r == 0 || r == -EINVAL || r == -ENOMEM);
		if (r == -EINVAL)
			check_refusal(&err);
	}
	arena_free(a);
}

static void fuzz_forward(struct str in)
{
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct llm_request q = { .n = 1, .is_stream = true };
	struct dialect_answer answer = { .mem = a, .q = &q, .model = STR("m"), .id = STR("i"), .show_usage = true };
	struct short_run r;
	int err = short_feed(&r, &dialect_cohere_chat, &answer, in);
	MUST(err == 0 || err == -EBADMSG || err == -ENOMEM || err == -ECANCELED);
	MUST(r.answer.is_ended == r.answer.tally.is_done && !(r.answer.is_ended && r.answer.tally.has_error));
	MUST(r.out.n <= in.n + 4);	/* two ends of lines, and no byte order mark more */
	short_done(&r);
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 1 || n > 65536 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 1, n - 1 };
	if (p[0] % 3 == 2)
		fuzz_forward(in);
	else
		fuzz_request(p[0] % 3 ? &dialect_cohere_embed : &dialect_cohere_chat, in);
	return 0;
}
