/* SPDX-License-Identifier: MIT
 * test_provider_cohere.c - Cohere's and TGI's parameters: who wins over whom, what is made of them,
 * what is refused; and turns that other dialects put together. Whole requests and answers are
 * vectors; see test_vectors.c. */
#include "worker/exchange/provider.h"

#include "tests/unit/llm_fixture.h"
#include "worker/client/dialect.h"

static void check(const struct provider *p, const struct llm_request *q, const char *params,
		  const char *extra, struct str want)
{
	struct str body;
	assert_int_equal(write_with(p, q, "up", params, extra, NULL, &body), 0);
	if (!str_eq(body, want))
		print_error("gave\n" STR_FMT "\nnot\n" STR_FMT "\n", STR_ARG(body), STR_ARG(want));
	assert_true(str_eq(body, want));
}

#define CHAT "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static const struct {
	const char *more, *params, *extra, *made;
} cohere_rows[] = {
	{ "", NULL, NULL, "" },
	{ "", "{\"temperature\":0.1,\"top_k\":3,\"safety_mode\":\"OFF\"}", NULL, "\"temperature\":0.1,\"k\":3,\"safety_mode\":\"OFF\"," },
	{ ",\"temperature\":1,\"top_p\":0.2", "{\"temperature\":0.1,\"p\":0.9}", NULL, "\"temperature\":1,\"p\":0.2," },
	{ ",\"temperature\":1", "{\"temperature\":0.1}", "{\"temperature\":2,\"x\":[]}", "\"temperature\":2,\"x\":[]," },
	{ "", NULL, "{\"model\":\"other\",\"messages\":[],\"stream\":true,\"tools\":[],\"k\":0}", "\"k\":0," },
	{ ",\"max_completion_tokens\":7", "{\"max_tokens\":9}", NULL, "\"max_tokens\":7," },
	{ ",\"max_tokens\":7", "{\"max_completion_tokens\":9}", NULL, "\"max_tokens\":7," },
	{ "", "{\"stop\":\"x\"}", NULL, "\"stop_sequences\":[\"x\"]," },
	{ ",\"stop\":[\"a\",\"\\n\"]", "{\"stop\":\"x\"}", NULL, "\"stop_sequences\":[\"a\",\"\\n\"]," },
	{ ",\"reasoning_effort\":\"none\"", NULL, NULL, "\"thinking\":{\"type\":\"disabled\"}," },
	{ ",\"reasoning_effort\":\"xhigh\"", NULL, NULL, "\"thinking\":{\"type\":\"enabled\"}," },
	{ "", "{\"reasoning_effort\":\"high\"}", NULL, "\"thinking\":{\"type\":\"enabled\",\"token_budget\":4096}," },
	{ ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":77}", NULL, NULL, "\"thinking\":{\"type\":\"enabled\",\"token_budget\":77}," },
	{ ",\"thinking\":{\"type\":\"disabled\"}", NULL, NULL, "\"thinking\":{\"type\":\"disabled\"}," },
	{ ",\"response_format\":{\"type\":\"text\"}", NULL, NULL, "" },
	{ "", "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}}", NULL, "\"response_format\":{\"type\":\"json_object\"}," },
	{ ",\"n\":1,\"user\":\"u\",\"store\":true,\"metadata\":{\"a\":\"b\"},\"parallel_tool_calls\":true", NULL, NULL, "" },
	{ ",\"n\":3,\"logit_bias\":{\"1\":1},\"drop_params\":true", NULL, NULL, "" },
	{ "", "{\"api_base\":\"x\",\"timeout\":3}", NULL, "" },
};

static void test_cohere_parameters(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cohere_rows); i++) {
		struct llm_request q = read_good(&dialect_openai_chat, arena_printf(mem, CHAT "%s}", cohere_rows[i].more));
		check(&provider_cohere, &q, cohere_rows[i].params, cohere_rows[i].extra,
		      arena_printf(mem, "{\"model\":\"up\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],%s\"stream\":false}",
				   cohere_rows[i].made));
	}
}

static void test_cohere_refusals(void **state)
{
	static const struct {
		const char *more, *param;
	} rows[] = {
		{ ",\"n\":2", "n" },
		{ ",\"top_logprobs\":3", "top_logprobs" },
		{ ",\"logit_bias\":{\"1\":2}", "logit_bias" },
		{ ",\"modalities\":[\"text\",\"audio\"]", "modalities" },
		{ ",\"web_search_options\":{\"x\":1}", "web_search_options" },
		{ ",\"tools\":[{\"type\":\"web_search\"}]", "tools" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_request q = read_good(&dialect_openai_chat, arena_printf(mem, CHAT "%s}", rows[i].more));
		struct str param;
		assert_int_equal(write_with(&provider_cohere, &q, "up", NULL, NULL, NULL, &param), -EINVAL);
		assert_true(str_eq_z(param, rows[i].param));
		q.drop_params = true;
		assert_int_equal(write_with(&provider_cohere, &q, "up", NULL, NULL, NULL, &param), 0);
	}
}

/* Another family's own members mean nothing to Cohere. */
static void test_foreign_members_stay_behind(void **state)
{
	(void)state;
	struct llm_request q = read_good(&dialect_openai_chat, STR(CHAT ",\"x\":1}"));
	q.family = FAMILY_ANTHROPIC;
	check(&provider_cohere, &q, NULL, NULL, STR("{\"model\":\"up\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":false}"));
}

/* Anthropic's clients put results and words into one turn of the user's. */
static void test_results_become_messages(void **state)
{
	(void)state;
	struct llm_request q = read_good(&dialect_anthropic_messages, STR(
		"{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}},"
		"{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"f\",\"input\":{}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":\"1\"},"
		"{\"type\":\"tool_result\",\"tool_use_id\":\"b\",\"content\":\"2\"},{\"type\":\"text\",\"text\":\"so?\"}]}]}"));
	check(&provider_cohere, &q, NULL, NULL, STR(
		"{\"model\":\"up\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"
		"{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
		"{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"1\"},{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"2\"},"
		"{\"role\":\"user\",\"content\":\"so?\"}],\"max_tokens\":5,\"stream\":false}"));
}

/* --- TGI --- */

static const struct {
	const char *more, *params, *extra, *made, *beside;
} tgi_rows[] = {
	{ "", NULL, NULL, "", "" },
	{ ",\"max_tokens\":3", "{\"max_tokens\":9,\"watermark\":true}", NULL, "\"max_new_tokens\":3,\"watermark\":true,", "" },
	{ ",\"temperature\":0,\"top_p\":1", NULL, NULL, "\"do_sample\":false,", "" },
	{ ",\"temperature\":0.5,\"top_p\":0", NULL, NULL, "\"temperature\":0.5,", "" },
	{ ",\"top_p\":0.99", NULL, NULL, "\"top_p\":0.99,", "" },
	{ ",\"stop\":\"a\"", NULL, "{\"parameters\":{\"stop\":[],\"details\":false},\"inputs\":\"x\",\"y\":1}", "\"stop\":[],", ",\"y\":1" },
	{ "", "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"a\":1}}}}", NULL,
	  "\"grammar\":{\"type\":\"json\",\"value\":{\"a\":1}},", "" },
	{ "", "{\"response_format\":{\"type\":\"json_object\"}}", NULL,
	  "\"grammar\":{\"type\":\"json\",\"value\":{\"type\":\"object\"}},", "" },
	{ ",\"echo\":true,\"best_of\":2", NULL, NULL, "\"return_full_text\":true,\"best_of\":2,", "" },
};

static void test_tgi_parameters(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(tgi_rows); i++) {
		struct llm_request q = read_good(&dialect_openai_text, arena_printf(mem, "{\"model\":\"m\",\"prompt\":\"hi\"%s}", tgi_rows[i].more));
		check(&provider_tgi, &q, tgi_rows[i].params, tgi_rows[i].extra,
		      arena_printf(mem, "{\"inputs\":\"hi\",\"parameters\":{%s\"details\":true}%s}", tgi_rows[i].made, tgi_rows[i].beside));
	}
}

/* --- answers --- */

static const struct {
	const struct provider *provider;
	const char *data;
	int r;
	const char *events;
} events[] = {
	{ &provider_cohere, "{\"type\":\"message-start\",\"id\":\"i\"}", 0, "start 0 i " },
	{ &provider_cohere, "{\"type\":\"debug\"}", 0, "start 0  " },
	{ &provider_cohere, "{\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":7}}}}", -EBADMSG, "start 0  " },
	{ &provider_cohere, "{\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":[5]}}}", -EBADMSG, "start 0  " },
	{ &provider_cohere, "{\"type\":\"tool-call-start\",\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}}}}", 0,
	  "start 0  \ntool 0 0 a f\nargs 0 0 {\"x\":1}" },
	{ &provider_cohere, "{\"type\":\"tool-call-start\",\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"a\"}}}}", -EBADMSG, "start 0  " },
	{ &provider_cohere, "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"rate_limit reached\"}}", 0,
	  "start 0  \nerror 0 UP_ERROR rate_limit reached" },
	{ &provider_cohere, "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\"}}", 0,
	  "start 0  \nerror 0 UP_ERROR the answer ended with ERROR" },
	{ &provider_cohere, "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"MAX_TOKENS\",\"usage\":{\"billed_units\":{\"input_tokens\":3,\"output_tokens\":-1}}}}", 0,
	  "start 0  \nusage 0 3+0 cached 0+0 reasoning 0\nfinish 0 length\nend 0 " },
	{ &provider_cohere, "[]", -EBADMSG, "" },
	{ &provider_cohere, "[DONE]", 0, "" },
	{ &provider_tgi, "{\"token\":{\"text\":\"a\",\"special\":false}}", 0, "start 0  \ntext 0 a" },
	{ &provider_tgi, "{\"token\":{\"text\":\"</s>\",\"special\":true},\"generated_text\":\"\",\"details\":null}", 0,
	  "start 0  \nfinish 0 stop\nend 0 " },
	{ &provider_tgi, "{\"error\":\"x\",\"error_type\":\"overloaded\"}", 0, "error 0 UP_UNAVAILABLE x" },
	{ &provider_tgi, "{\"token\":5}", -EBADMSG, "" },
	{ &provider_tgi, "{\"token\":{\"text\":5}}", -EBADMSG, "start 0  " },
	{ &provider_tgi, "nonsense", -EBADMSG, "" },
};

static void test_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(events); i++) {
		struct llm_request q = { .kind = events[i].provider == &provider_tgi ? LLM_TEXT : LLM_CHAT, .n = 1 };
		struct provider_reader rd = { .mem = mem, .q = &q };
		struct sse_event ev = { .data = str_z(events[i].data) };
		struct buf b;
		buf_init(&b, 1 << 16);
		struct said s = { .to = &b };
		assert_int_equal(provider_read_event(events[i].provider, &rd, mem, &ev, say_event, &s), events[i].r);
		assert_string_equal(buf_z(&b), events[i].events);
		buf_done(&b);
	}
}

/* --- paths --- */

static void test_paths(void **state)
{
	static const struct {
		const char *paths, *name, *model, *path;
	} rows[] = {
		{ "", "chat", "m", "/preset" },
		{ "text=/b", "chat", "m", "/preset" },
		{ "chat=/a text=/b", "text", "m", "/b" },
		{ "text=/x/{model}/generate", "text", "org/name 7", "/x/org/name%207/generate" },
		{ "text=/{model}", "text", "../../a?b#c", "/a%3Fb%23c" },
		{ "text=/{model}/y", "text", "..", "//y" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct provider_target t = { .model = str_z(rows[i].model), .paths = str_z(rows[i].paths) };
		struct buf b;
		buf_init(&b, 256);
		provider_put_path(&t, rows[i].name, "/preset", &b);
		assert_string_equal(buf_z(&b), rows[i].path);
		buf_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cohere_parameters),
		cmocka_unit_test(test_cohere_refusals),
		cmocka_unit_test(test_foreign_members_stay_behind),
		cmocka_unit_test(test_results_become_messages),
		cmocka_unit_test(test_tgi_parameters),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_paths),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
