/* SPDX-License-Identifier: MIT
 * test_llm.c - the tally of an answer, words for its end, scrubbing, LiteLLM's names for errors,
 * skimming of long answers, and the provider that answers by itself. */
#include "worker/llm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/hash.h"
#include "tests/unit/llm_text.h"
#include "worker/exchange/provider.h"
#include "worker/skim.h"

static struct arena *mem;

static int setup(void **state)
{
	(void)state;
	mem = arena_new(16 << 20);
	return mem ? hash_init() : -1;
}

static int teardown(void **state)
{
	(void)state;
	mem = arena_free(mem);
	return 0;
}

/* --- tally --- */

static void tally(struct llm_tally *t, enum llm_event_kind kind, const char *text)
{
	struct llm_event ev = { .kind = kind, .text = str_z(text), .name = str_z(text) };
	llm_tally_event(t, &ev);
}

static void test_the_largest_of_each_counter_counts(void **state)
{
	(void)state;
	struct llm_tally t = { 0 };
	llm_tally_usage(&t, &(struct usage){ 0 });
	assert_false(t.has_usage);
	llm_tally_usage(&t, &(struct usage){ .input = 10, .output = 1, .cache_read = 20 });
	assert_true(t.has_usage && t.usage.cache_read == 10);
	llm_tally_usage(&t, &(struct usage){ .input = 0, .output = 7, .reasoning = 3, .estimated = true });
	assert_true(t.usage.input == 10 && t.usage.output == 7 && t.usage.reasoning == 3);
	assert_false(t.usage.estimated);
	llm_tally_usage(&t, &(struct usage){ .input = UINT64_MAX, .output = UINT64_MAX });
	assert_true(t.usage.input < (1u << 31) && t.usage.output < (1u << 31));
}

static void test_what_is_content(void **state)
{
	(void)state;
	struct llm_tally t = { 0 };
	tally(&t, EV_START, "x");
	tally(&t, EV_TEXT, "");
	assert_false(t.has_content);
	tally(&t, EV_TEXT, "abc");
	assert_true(t.has_content && t.content_bytes == 3 && t.estimate_milli > 0);
	static const enum llm_event_kind kinds[] = { EV_REASONING, EV_REFUSAL, EV_TOOL_ARGS, EV_TOOL_START };
	for (size_t i = 0; i < COUNT(kinds); i++) {
		t = (struct llm_tally){ 0 };
		tally(&t, kinds[i], "ab");
		assert_true(t.has_content && t.content_bytes == 2);
	}
	struct llm_event finish = { .kind = EV_FINISH, .finish = FINISH_LENGTH };
	struct llm_error error = { .outcome = OUTCOME_UP_ERROR };
	struct llm_event failed = { .kind = EV_ERROR, .error = &error };
	llm_tally_event(&t, &finish);
	finish.finish = FINISH_STOP;
	llm_tally_event(&t, &finish);
	assert_int_equal(t.finish, FINISH_LENGTH);
	llm_tally_event(&t, &failed);
	assert_true(t.has_error && t.error.outcome == OUTCOME_UP_ERROR);
	assert_false(t.is_done);
	tally(&t, EV_END, "");
	assert_true(t.is_done);
}

static void test_words_for_the_end(void **state)
{
	(void)state;
	static const struct {
		const char *native;
		enum llm_finish finish;
	} words[] = {
		{ "stop", FINISH_STOP },	   { "eos", FINISH_STOP },
		{ "", FINISH_STOP },		   { "something_new", FINISH_STOP },
		{ "length", FINISH_LENGTH },	   { "model_length", FINISH_LENGTH },
		{ "max_tokens", FINISH_LENGTH },   { "MAX_TOKENS", FINISH_LENGTH },
		{ "tool_calls", FINISH_TOOL_CALLS }, { "tool_use", FINISH_TOOL_CALLS },
		{ "function_call", FINISH_FUNCTION }, { "content_filter", FINISH_FILTER },
		{ "sensitive", FINISH_FILTER },	   { "error", FINISH_NONE },
		{ "insufficient_system_resource", FINISH_NONE },
	};
	for (size_t i = 0; i < COUNT(words); i++)
		assert_int_equal(llm_finish_of(str_z(words[i].native)), words[i].finish);
	assert_string_equal(llm_finish_name(FINISH_NONE), "stop");
	assert_string_equal(llm_finish_name(FINISH_FILTER), "content_filter");
	assert_string_equal(llm_finish_name(FINISH_TOOL_CALLS), "tool_calls");
}

/* --- scrubbing --- */

static const struct {
	const char *in, *out;
} scrubbed[] = {
	{ "", "" },
	{ "plain text", "plain text" },
	{ "key sk-abcdefghij0123456789 used", "key *** used" },
	{ "key sk-proj-ab***************wxyz.", "key ***" },
	{ "(gsk_abcdefghijkl)", "(***)" },
	{ "AIzaSyA1234567890abc", "***" },
	{ "Authorization: Bearer abcdef0123456789", "Authorization: Bearer ***" },
	{ "bearer of bad news", "bearer of bad news" },
	{ "the task-force and disk-space-monitoring", "the task-force and disk-space-monitoring" },
	{ "sk-short", "sk-short" },
	{ "my-own-secret-key here", "*** here" },
	{ "xmy-own-secret-keyx", "x***x" },
	{ "a\nb\tc\x01" "d\x7f", "a b c d " },
	{ "\xc3\xa4\xff\xe2\x82", "\xc3\xa4???" },
};

static void test_secrets_are_not_shown(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(scrubbed); i++) {
		struct str out = llm_scrub(mem, str_z(scrubbed[i].in), STR("my-own-secret-key"));
		if (!str_eq_z(out, scrubbed[i].out))
			print_error("<%s> became <" STR_FMT ">\n", scrubbed[i].in, STR_ARG(out));
		assert_true(str_eq_z(out, scrubbed[i].out));
	}
	assert_true(str_eq_z(llm_scrub(mem, STR("a bc"), STR("a")), "a bc"));	/* too short for a key */
	char *text = arena_alloc(mem, 5000);
	memset(text, 'a', 5000);
	assert_in_range(llm_scrub(mem, str_of(text, 5000), STR_NONE).n, 2048, 2052);
}

/* --- LiteLLM's names --- */

static void test_names_of_errors(void **state)
{
	(void)state;
	static const struct {
		enum outcome outcome;
		const char *provider, *message;
	} names[] = {
		{ OUTCOME_UP_RATE_LIMITED, "openai", "litellm.RateLimitError: OpenAIException - t" },
		{ OUTCOME_UP_AUTH, "groq", "litellm.AuthenticationError: GroqException - t" },
		{ OUTCOME_UP_BAD_REQUEST, "ollama", "litellm.BadRequestError: OllamaException - t" },
		{ OUTCOME_CONTEXT_LENGTH, "azure", "litellm.ContextWindowExceededError: AzureException - t" },
		{ OUTCOME_CONTENT_POLICY, "azure", "litellm.ContentPolicyViolationError: AzureException - t" },
		{ OUTCOME_UP_PERMISSION, "x", "litellm.PermissionDeniedError: XException - t" },
		{ OUTCOME_UP_NOT_FOUND, "x", "litellm.NotFoundError: XException - t" },
		{ OUTCOME_UP_TIMEOUT, "x", "litellm.Timeout: XException - t" },
		{ OUTCOME_UP_UNPROCESSABLE, "x", "litellm.UnprocessableEntityError: XException - t" },
		{ OUTCOME_UP_ERROR, "x", "litellm.InternalServerError: XException - t" },
		{ OUTCOME_UP_MALFORMED, "x", "litellm.BadGatewayError: XException - t" },
		{ OUTCOME_UP_UNAVAILABLE, "x", "litellm.ServiceUnavailableError: XException - t" },
		{ OUTCOME_UP_CONNECT, "x", "litellm.APIConnectionError: XException - t" },
		{ OUTCOME_UP_BROKEN, "x", "litellm.APIConnectionError: XException - t" },
		{ OUTCOME_BUDGET_SPENT, "x", "t" },
		{ OUTCOME_RATE_LIMITED, "x", "t" },
	};
	for (size_t i = 0; i < COUNT(names); i++)
		assert_true(str_eq_z(llm_error_message(mem, names[i].outcome, str_z(names[i].provider), STR("t")),
				     names[i].message));
	assert_int_equal(llm_outcome_of_class(STR("RateLimitError")), OUTCOME_UP_RATE_LIMITED);
	assert_int_equal(llm_outcome_of_class(STR("APIConnectionError")), OUTCOME_UP_CONNECT);
	assert_int_equal(llm_outcome_of_class(STR("Timeout")), OUTCOME_UP_TIMEOUT);
	assert_int_equal(llm_outcome_of_class(STR("NoSuchError")), OUTCOME_OK);
}

/* --- skimming --- */

static void test_skimming_finds_what_a_tree_finds(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{}", "[]", " [1] ", "{\"a\":1}", "{\"a\":[1,{\"b\":\"]}\"}],\"c\":\"\\\"\\\\\",\"d\":null}",
		"[ true , -1.5e3 , \"x\" , {} , [ ] ]", "{ \"a\" : \"\\\\\" , \"b\" : { \"c\" : [ ] } }",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct json_error error;
		struct str key, value, text = str_z(texts[i]);
		const struct json *root = json_parse(mem, text, 0, &error), *j = root->child;
		struct skim s;
		assert_true(skim_open(&s, text));
		for (; skim_next(&s, &key, &value); j = j->next) {
			assert_non_null(j);
			assert_true(str_eq(value, j->raw) && str_eq(key, j->key));
		}
		assert_null(j);
		assert_false(s.is_broken);
	}
}

static void test_skimming_stops_where_it_breaks(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{1:2}",
		"{\"a", "[\"a]", "[{]", "[[1]", "{\"a\":\"\\\"}", "[1]x", "[]]", "{\"a\":1}}",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct str key, value;
		struct skim s;
		assert_true(skim_open(&s, str_z(texts[i])));
		while (skim_next(&s, &key, &value))
			;
		if (!s.is_broken)
			print_error("%s is not broken\n", texts[i]);
		assert_true(s.is_broken);
	}
	struct skim s;
	assert_false(skim_open(&s, STR("")) || skim_open(&s, STR("1")) || skim_open(&s, STR("\"a\"")));
	assert_true(str_eq(skim_get(STR("{\"a\":1,\"b\":[2]}"), STR("b")), STR("[2]")));
	assert_null(skim_get(STR("{\"a\":1}"), STR("b")).p);
	assert_null(skim_get(STR("[1]"), STR("")).p);
	assert_true(skim_is_numbers(STR("[ 1, -2.5e+3 ]")) && skim_is_numbers(STR("[]")));
	assert_false(skim_is_numbers(STR("[1,\"a\"]")) || skim_is_numbers(STR("[[1]]")) || skim_is_numbers(STR("1")));
	assert_true(skim_is_base64(STR("\"AB+/=\"")) && skim_is_base64(STR("\"\"")));
	assert_false(skim_is_base64(STR("\"A\\n\"")) || skim_is_base64(STR("AB")) || skim_is_base64(STR("\"")));
}

/* --- the provider that answers by itself --- */

static struct str answer_of(struct llm_request *q, const char *response, int *ret)
{
	struct provider_target t = { .mock_response = str_z(response) };
	struct provider_reader rd = { .mem = mem, .q = q, .target = &t };
	struct buf b;
	buf_init(&b, 1 << 20);
	struct said s = { .to = &b };
	*ret = provider_mock.read_answer(&rd, STR_NONE, say_event, &s);
	struct str text = arena_dup(mem, buf_str(&b));
	assert_true(s.errors || s.ends == 1);
	buf_done(&b);
	return text;
}

static void test_a_mock_answers(void **state)
{
	(void)state;
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	int r;
	struct str text = answer_of(&q, "Hello big  world", &r);
	assert_int_equal(r, 0);
	assert_true(str_eq_z(text, "start 0  \ntext 0 Hello big  world\nfinish 0 stop\n"
				   "usage 0 3+4 cached 0+0 reasoning 0 estimated\nend 0 "));
	q.n = 2;
	text = answer_of(&q, "a", &r);
	assert_true(str_find(text, STR("text 0 a\nfinish 0 stop\ntext 1 a\nfinish 1 stop\n")) != SIZE_MAX);
	struct json_error error;
	q.mock_response = json_parse(mem, STR("\"from the request\""), 0, &error);
	text = answer_of(&q, NULL, &r);
	assert_true(str_find(text, STR("text 0 from the request\n")) != SIZE_MAX);
}

static void test_a_mock_fails_as_named(void **state)
{
	(void)state;
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	int r;
	assert_true(str_eq_z(answer_of(&q, "litellm.RateLimitError", &r), "error 0 UP_RATE_LIMITED Mock RateLimitError"));
	assert_true(str_starts(answer_of(&q, "litellm.InternalServerError", &r), STR("error 0 UP_ERROR")));
	assert_true(str_starts(answer_of(&q, "litellm.ContextWindowExceededError", &r), STR("error 0 CONTEXT_LENGTH")));
	assert_true(str_find(answer_of(&q, "litellm.NoSuchThing", &r), STR("text 0 litellm.NoSuchThing")) != SIZE_MAX);
}

static void test_a_mock_calls_tools(void **state)
{
	(void)state;
	struct json_error error;
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	int r;
	q.root = json_parse(mem, STR("{\"mock_tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"),
			    0, &error);
	assert_true(str_find(answer_of(&q, "", &r), STR("tool 0 0 c f\nargs 0 0 {}\nfinish 0 tool_calls\n")) != SIZE_MAX);
}

static void test_a_mock_embeds(void **state)
{
	(void)state;
	struct str inputs[] = { STR("a"), STR("b"), STR("a") };
	struct llm_request q = { .kind = LLM_EMBED, .n = 1, .inputs = inputs, .n_inputs = 3, .dimensions = 5 };
	struct str vectors[3], text, key, number;
	int r;
	text = answer_of(&q, "x", &r);
	for (size_t i = 0; i < 3; i++) {
		struct skim s;
		double v, sum = 0;
		size_t n = 0;
		text = str_skip(text, str_find(text, STR("[")));
		vectors[i] = str_of(text.p, str_find(text, STR("]")) + 1);
		text = str_skip(text, vectors[i].n);
		assert_true(skim_open(&s, vectors[i]));
		for (; skim_next(&s, &key, &number); n++) {
			assert_int_equal(str_read_double(number, &v), 0);
			sum += v * v;
		}
		assert_int_equal(n, 5);
		assert_true(fabs(sum - 1) < 1e-5);
	}
	assert_true(str_eq(vectors[0], vectors[2]));
	assert_false(str_eq(vectors[0], vectors[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_largest_of_each_counter_counts),
		cmocka_unit_test(test_what_is_content),
		cmocka_unit_test(test_words_for_the_end),
		cmocka_unit_test(test_secrets_are_not_shown),
		cmocka_unit_test(test_names_of_errors),
		cmocka_unit_test(test_skimming_finds_what_a_tree_finds),
		cmocka_unit_test(test_skimming_stops_where_it_breaks),
		cmocka_unit_test(test_a_mock_answers),
		cmocka_unit_test(test_a_mock_fails_as_named),
		cmocka_unit_test(test_a_mock_calls_tools),
		cmocka_unit_test(test_a_mock_embeds),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
