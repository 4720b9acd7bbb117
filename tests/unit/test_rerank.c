/* SPDX-License-Identifier: MIT
 * test_rerank.c - what a request for a ranking may hold, in which order it is answered, and how
 * many searches it counts as. What providers are told and say is in vectors; see test_vectors.c. */
#include "worker/exchange/provider.h"

#include "tests/unit/llm_fixture.h"
#include "worker/client/dialect.h"

#define BODY(more) "{\"model\":\"m\",\"query\":\"q?\",\"documents\":[\"a\",\"bc\"]" more "}"

static void test_refusals(void **state)
{
	static const struct {
		const char *body, *param, *message;
	} rows[] = {
		{ "{\"query\":\"q\",\"documents\":[\"a\"]}", "model", "model is missing" },
		{ "{\"model\":\"m\",\"documents\":[\"a\"]}", "query", "query is missing" },
		{ "{\"model\":\"m\",\"query\":\"\",\"documents\":[\"a\"]}", "query", "query must not be empty" },
		{ "{\"model\":\"m\",\"query\":1,\"documents\":[\"a\"]}", "query", "query must be a string, not a number" },
		{ "{\"model\":\"m\",\"query\":\"q\"}", "documents", "documents is missing" },
		{ "{\"model\":\"m\",\"query\":\"q\",\"documents\":[]}", "documents", "documents must not be empty" },
		{ "{\"model\":\"m\",\"query\":\"q\",\"documents\":\"a\"}", "documents", "documents must be an array, not a string" },
		{ "{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\",[]]}", "documents[1]",
		  "documents[1] must be a string or an object, not an array" },
		{ BODY(",\"top_n\":0"), "top_n", "top_n must be at least 1" },
		{ BODY(",\"top_n\":-1"), "top_n", "top_n must be between 0 and 2147483647" },
		{ BODY(",\"return_documents\":1"), "return_documents", "return_documents must be true or false, not a number" },
		{ BODY(",\"rank_fields\":\"x\""), "rank_fields", "rank_fields must be an array, not a string" },
		{ BODY(",\"max_chunks_per_doc\":\"x\""), "max_chunks_per_doc", "max_chunks_per_doc must be a number, not a string" },
		{ BODY(",\"api_base\":\"http://x\""), "api_base", "Rejected Request: api_base is not allowed in request body" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dialect_error err = { 0 };
		struct llm_request q;
		assert_int_equal(read_body(&dialect_rerank, str_z(rows[i].body), &q, &err), -EINVAL);
		assert_true(str_eq_z(err.param, rows[i].param));
		if (!str_eq_z(err.message, rows[i].message))
			fail_msg("%s: " STR_FMT, rows[i].body, STR_ARG(err.message));
	}
}

static void test_what_is_read(void **state)
{
	struct dialect_error err = { 0 };
	struct llm_request q;
	(void)state;
	assert_int_equal(read_body(&dialect_rerank, STR("{\"model\":\"m\",\"query\":\"q\\n\",\"documents\":[\"\\u0061\",{\"text\":\"b\",\"x\":1},{\"y\":2}],"
				   "\"top_n\":2,\"return_documents\":false,\"stream\":true,\"max_tokens_per_doc\":9,\"other\":[1]}"), &q, &err), 0);
	assert_int_equal(q.kind, LLM_RERANK);
	assert_false(q.is_stream);
	assert_true(str_eq(q.query, STR("q\n")) && q.n_inputs == 3);
	assert_true(str_eq(q.inputs[0], STR("a")) && str_eq(q.inputs[1], STR("b")) && str_eq(q.inputs[2], STR("{\"y\":2}")));
	assert_true(q.top_n == 2 && q.has_return_documents && !q.return_documents);
	assert_true(str_eq(q.other->name, STR("max_tokens_per_doc")) && str_eq(q.other->next->name, STR("other")));
	assert_int_equal(q.prompt_bytes, 3 * 2 + 1 + 1 + 7);
}

/* --- order --- */

static void say_ranks(struct dialect_answer *an, const char *const *scores, size_t n)
{
	struct llm_event ev = { .kind = EV_RANK };
	for (; ev.choice < n; ev.choice++) {
		ev.text = str_z(scores[ev.choice]);
		assert_int_equal(dialect_rerank.collect(an, &ev), 0);
	}
}

static void test_the_best_come_first(void **state)
{
	static const struct {
		const char *more, *scores[4], *want;
	} rows[] = {
		{ "", { "0.1", "0.9", "-3", "1e-1" }, "1 0 3 2" },
		{ ",\"top_n\":2", { "1", "2", "3", "4" }, "3 2" },
		{ ",\"top_n\":9", { "0", "0.0", "-0", "0" }, "0 1 2 3" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dialect_error err = { 0 };
		struct llm_request q;
		struct json_error error;
		struct buf out, order;
		const char *body = arena_printf(mem, "{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\",\"b\",\"c\",\"d\"]%s}%c", rows[i].more, 0).p;
		assert_int_equal(read_body(&dialect_rerank, str_z(body), &q, &err), 0);
		struct dialect_answer an = { .mem = mem, .q = &q, .model = STR("m"), .id = STR("i") };
		say_ranks(&an, rows[i].scores, 4);
		buf_init(&out, 4096);
		buf_init(&order, 4096);
		assert_int_equal(dialect_rerank.write_answer(&an, &out), 0);
		const struct json *root = json_parse(mem, buf_str(&out), 0, &error);
		for (const struct json *j = json_get(root, "results")->child; j; j = j->next)
			buf_printf(&order, "%s" STR_FMT, order.n ? " " : "", STR_ARG(json_get(j, "index")->raw));
		assert_string_equal(buf_z(&order), rows[i].want);
		buf_done(&out);
		buf_done(&order);
	}
}

static void test_a_score_that_is_none(void **state)
{
	struct dialect_answer an = { .mem = mem };
	struct llm_event ev = { .kind = EV_RANK, .text = STR("best") };
	(void)state;
	assert_int_equal(dialect_rerank.collect(&an, &ev), -EINVAL);
}

/* --- searches and tokens --- */

static struct llm_request many(size_t n, size_t bytes)
{
	struct llm_request q = { .kind = LLM_RERANK, .query = STR("what is it?"), .n_inputs = (unsigned)n };
	q.inputs = arena_array(mem, n, sizeof *q.inputs);
	assert_non_null(q.inputs);
	for (size_t i = 0; i < n; i++) {
		char *p = arena_alloc(mem, bytes + 1);
		assert_non_null(p);
		for (size_t k = 0; k < bytes; k++)
			p[k] = k % 5 ? 'a' : ' ';
		q.inputs[i] = str_of(p, bytes);
		q.prompt_bytes += bytes + q.query.n;
	}
	return q;
}

static void test_searches(void **state)
{
	static const struct {
		size_t n, bytes;
		uint64_t likely, worst;
	} rows[] = {
		{ 1, 10, 1, 1 }, { 100, 10, 1, 1 }, { 101, 10, 2, 2 }, { 100, 490, 1, 2 }, { 100, 10000, 5, 21 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_request q = many(rows[i].n, rows[i].bytes);
		assert_in_range(estimate_searches(&q), rows[i].likely, rows[i].worst);
		assert_int_equal(estimate_searches_worst(&q), rows[i].worst);
		assert_true(estimate_prompt(&q) <= estimate_prompt_worst(&q));
	}
	/* The query is read with each document. */
	struct llm_request one = many(1, 10), two = many(2, 10);
	assert_in_range(estimate_prompt(&two), 2 * estimate_prompt(&one) - 1, 2 * estimate_prompt(&one) + 1);
}

static void test_who_reranks(void **state)
{
	(void)state;
	assert_ptr_equal(provider_for(FAMILY_OPENAI, LLM_RERANK), &provider_rerank);
	assert_ptr_equal(provider_for(FAMILY_TGI, LLM_RERANK), &provider_rerank);
	assert_ptr_equal(provider_for(FAMILY_OPENAI, LLM_CHAT), &provider_openai);
	assert_true(provider_for(FAMILY_COHERE, LLM_RERANK)->reranks && provider_for(FAMILY_MOCK, LLM_RERANK)->reranks);
	assert_false(provider_for(FAMILY_ANTHROPIC, LLM_RERANK)->reranks || provider_for(FAMILY_GEMINI, LLM_RERANK)->reranks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_what_is_read),
		cmocka_unit_test(test_the_best_come_first),
		cmocka_unit_test(test_a_score_that_is_none),
		cmocka_unit_test(test_searches),
		cmocka_unit_test(test_who_reranks),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
