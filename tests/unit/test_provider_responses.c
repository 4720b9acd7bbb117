/* SPDX-License-Identifier: MIT
 * test_provider_responses.c - OpenAI's Responses from the provider's side: defaults of a deployment
 * in its words, which models are asked by it, and what is refused. Requests and answers are
 * vectors; see test_vectors.c. */
#include "worker/exchange/provider.h"

#include "tests/unit/llm_fixture.h"
#include "worker/responses.h"

static const struct {
	const char *chat, *responses;
} params[] = {
	{ "{}", "{}" },
	{ "{\"temperature\":0.5,\"x\":[1]}", "{\"temperature\":0.5,\"x\":[1]}" },
	{ "{\"max_tokens\":5}", "{\"max_output_tokens\":5}" },
	{ "{\"max_completion_tokens\":5,\"max_output_tokens\":7}", "{\"max_output_tokens\":7}" },
	{ "{\"reasoning_effort\":\"low\",\"seed\":1,\"stop\":\"x\",\"n\":2}", "{\"reasoning\":{\"effort\":\"low\"}}" },
	{ "{\"reasoning_effort\":\"low\",\"reasoning\":{\"effort\":\"high\"}}", "{\"reasoning\":{\"effort\":\"high\"}}" },
	{ "{\"verbosity\":\"low\",\"response_format\":{\"type\":\"json_object\"}}",
	  "{\"text\":{\"format\":{\"type\":\"json_object\"},\"verbosity\":\"low\"}}" },
	{ "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"schema\":{}}}}",
	  "{\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"a\",\"schema\":{}}}}" },
	{ "{\"text\":{},\"verbosity\":\"low\"}", "{\"text\":{}}" },
};

static void test_defaults_in_its_words(void **state)
{
	(void)state;
	struct str got;
	for (size_t i = 0; i < COUNT(params); i++) {
		assert_int_equal(responses_read_params(mem, str_z(params[i].chat), &got), 0);
		if (!str_eq_z(got, params[i].responses))
			print_error(STR_FMT "\n%s\n", STR_ARG(got), params[i].responses);
		assert_true(str_eq_z(got, params[i].responses));
	}
	assert_int_equal(responses_read_params(mem, STR_NONE, &got), 0);
	assert_null(got.p);
	assert_int_equal(responses_read_params(mem, STR("[]"), &got), 0);
	assert_null(got.p);
}

static void test_which_models_need_it(void **state)
{
	(void)state;
	static const char *const need[] = { "codex-mini-latest", "gpt-5-codex", "gpt-5.1-codex-max", "o1-pro", "o3-pro-2025-06-10",
					    "gpt-5-pro", "gpt-5.2-pro-2025-12-11", "o3-deep-research", "o4-mini-deep-research",
					    "computer-use-preview-2025", "openai/gpt-5-codex" };
	static const char *const do_not[] = { "gpt-5", "gpt-5-mini", "o1", "o3", "o3-mini", "gpt-4o", "gpt-5-chat-latest",
					      "proto", "gemini-2.5-pro", "codex", "" };
	for (size_t i = 0; i < COUNT(need); i++)
		assert_true(responses_is_needed(str_z(need[i])));
	for (size_t i = 0; i < COUNT(do_not); i++)
		assert_false(responses_is_needed(str_z(do_not[i])));
	assert_true(responses_can_reason(STR("o3")) && responses_can_reason(STR("gpt-5-mini")));
	assert_false(responses_can_reason(STR("gpt-4o")) || responses_can_reason(STR("plain")));
}

static int write_one(const struct llm_request *q, const struct provider_target *t, struct llm_error *e)
{
	struct provider_call call = { .framing = FRAMING_SSE };
	buf_init(&call.path, 1024);
	buf_init(&call.body, 1 << 16);
	int err = provider_responses.write_request(mem, q, t, &call, e);
	buf_done(&call.path);
	buf_done(&call.body);
	return err;
}

static void test_what_it_has_not_is_refused(void **state)
{
	(void)state;
	struct provider_target t = { .model = STR("up") };
	const struct {
		struct llm_request q;
		const char *param;
	} cases[] = {
		{ { .kind = LLM_CHAT, .n = 2 }, "n" },
		{ { .kind = LLM_CHAT, .n_stop = 1, .stop = { STR("x") } }, "stop" },
		{ { .kind = LLM_CHAT, .seed = STR("1") }, "seed" },
		{ { .kind = LLM_CHAT, .top_k = STR("4") }, "top_k" },
		{ { .kind = LLM_CHAT, .presence_penalty = STR("0.5") }, "presence_penalty" },
		{ { .kind = LLM_CHAT, .frequency_penalty = STR("-1") }, "frequency_penalty" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct llm_error e = { 0 };
		struct llm_request q = cases[i].q;
		assert_int_equal(write_one(&q, &t, &e), -EINVAL);
		assert_int_equal(e.outcome, OUTCOME_UNSUPPORTED_PARAM);
		assert_true(str_eq_z(e.param, cases[i].param));
		q.drop_params = true;
		assert_int_equal(write_one(&q, &t, &e), 0);
	}
	struct llm_error e = { 0 };
	assert_int_equal(write_one(&(struct llm_request){ .kind = LLM_CHAT, .presence_penalty = STR("0.0") }, &t, &e), 0);
	assert_int_equal(write_one(&(struct llm_request){ .kind = LLM_EMBED }, &t, &e), -EINVAL);
	assert_int_equal(e.outcome, OUTCOME_BAD_REQUEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults_in_its_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_which_models_need_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_it_has_not_is_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
