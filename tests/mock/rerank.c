/* SPDX-License-Identifier: MIT
 * rerank.c - reranking in the forms that it has: Cohere's, what most have made of it, NVIDIA's
 * rankings, and the bare list of Hugging Face. The third of each four documents is the best. */
#include "tests/mock/answer.h"

static void write_result(struct buf *out, size_t i, const char *score_name)
{
	static const char *const scores[] = { "0.25", "0.125", "0.875", "0.5" };
	buf_put_z(out, i ? ",{\"index\":" : "{\"index\":");
	buf_put_u64(out, i);
	BUF_PUT_LIT(out, ",\"");
	buf_put_z(out, score_name);
	BUF_PUT_LIT(out, "\":");
	buf_put_z(out, scores[i % 4]);
	BUF_PUT_LIT(out, "}");
}

static void write_results(struct buf *out, const struct answer *a, const char *score_name)
{
	for (size_t i = 0; i < a->ask->inputs && !a->script.emptychoices; i++)
		write_result(out, i, score_name);
}

static void cohere_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"id\":\"rerank-mock-");
	buf_put_u64(out, a->seq);
	BUF_PUT_LIT(out, "\",\"results\":[");
	write_results(out, a, "relevance_score");
	BUF_PUT_LIT(out, "]");
	if (!a->script.nousage)
		BUF_PUT_LIT(out, ",\"meta\":{\"api_version\":{\"version\":\"2\"},"
				 "\"billed_units\":{\"search_units\":2}}");
	BUF_PUT_LIT(out, "}");
}

static void common_whole(struct buf *out, struct answer *a)
{
	if (a->ask->has_texts) {
		BUF_PUT_LIT(out, "[");
		write_results(out, a, "score");
		BUF_PUT_LIT(out, "]");
		return;
	}
	BUF_PUT_LIT(out, "{\"model\":");
	say_model(out, a);
	BUF_PUT_LIT(out, ",\"results\":[");
	write_results(out, a, "relevance_score");
	BUF_PUT_LIT(out, "]");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"usage\":{\"total_tokens\":");
		buf_put_u64(out, a->prompt_tokens);
		BUF_PUT_LIT(out, "}");
	}
	BUF_PUT_LIT(out, "}");
}

static void rankings_whole(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"rankings\":[");
	write_results(out, a, "logit");
	BUF_PUT_LIT(out, "]}");
}

const struct endpoint rerank_endpoints[] = {
	{ "POST", "/v2/rerank", NULL, false, 0, cohere_whole, NULL, openai_write_error },
	{ "POST", "/rerank", NULL, false, 0, common_whole, NULL, openai_write_error },
	{ "POST", "/reranks", NULL, false, 0, common_whole, NULL, openai_write_error },
	{ "POST", "/ranking", NULL, false, 0, rankings_whole, NULL, openai_write_error },
	{ "POST", "/reranking", NULL, false, 0, rankings_whole, NULL, openai_write_error },
	{ .method = NULL },
};
