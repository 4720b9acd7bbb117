/* SPDX-License-Identifier: MIT
 * test_provider_openai.c - the OpenAI wire format from the provider's side: requests of dialects
 * that are not OpenAI's, and the answers of clones. Whole streams are vectors; see test_vectors.c. */
#include "worker/exchange/provider.h"

#include <stdio.h>

#include "tests/unit/llm_fixture.h"
#include "worker/openai.h"

/* --- requests --- */

static void expect_body(const struct llm_request *q, const struct provider_target *t, const char *want)
{
	struct provider_call call;
	struct llm_error err;
	buf_init(&call.path, 1024);
	buf_init(&call.body, 1 << 16);
	assert_int_equal(provider_openai.write_request(mem, q, t, &call, &err), 0);
	if (strcmp(buf_z(&call.body), want) != 0)
		print_error("got  %s\nwant %s\n", buf_z(&call.body), want);
	assert_string_equal(buf_z(&call.body), want);
	struct buf path;
	buf_init(&path, 1024);
	provider_openai.write_path(q, t, &path);
	assert_string_equal(buf_z(&call.path), buf_z(&path));
	buf_done(&path);
	assert_int_equal(call.framing, FRAMING_SSE);
	buf_done(&call.path);
	buf_done(&call.body);
}

static struct provider_target target = { .model = { "up", 2 } };

#define TEXT_OF(t) { (t), sizeof(t) - 1 }

/* Other dialects put results into a user's turn, several of them, with words behind. */
static void test_results_in_a_users_turn(void **state)
{
	(void)state;
	struct llm_part more = { .kind = PART_TEXT, .text = TEXT_OF("and now?") };
	struct llm_part second = { .next = &more, .kind = PART_TOOL_RESULT, .id = TEXT_OF("b"), .text = TEXT_OF("2") };
	struct llm_part first = { .next = &second, .kind = PART_TOOL_RESULT, .id = TEXT_OF("a"), .text = TEXT_OF("1") };
	struct llm_message user = { .role = ROLE_USER, .parts = &first };
	struct llm_part call2 = { .kind = PART_TOOL_CALL, .id = TEXT_OF("b"), .name = TEXT_OF("g"), .text = TEXT_OF("{}") };
	struct llm_part call1 = { .next = &call2, .kind = PART_TOOL_CALL, .id = TEXT_OF("a"), .name = TEXT_OF("f"),
				  .text = TEXT_OF("{\"x\":1}") };
	struct llm_part thought = { .next = &call1, .kind = PART_REASONING, .text = TEXT_OF("hm"), .signature = TEXT_OF("s") };
	struct llm_message assistant = { .next = &user, .role = ROLE_ASSISTANT, .parts = &thought };
	struct llm_request q = { .kind = LLM_CHAT, .n = 1, .messages = &assistant };
	expect_body(&q, &target,
		"{\"model\":\"up\",\"messages\":[{\"role\":\"assistant\",\"content\":null,"
		"\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"}],"
		"\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},"
		"{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"1\"},{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"2\"},"
		"{\"role\":\"user\",\"content\":\"and now?\"}]}");
}

static void test_the_name_of_the_limit_depends_on_the_model(void **state)
{
	(void)state;
	static const struct {
		const char *model, *name;
	} models[] = {
		{ "gpt-4o", "max_tokens" },	      { "gpt-5-mini", "max_completion_tokens" },
		{ "o1", "max_completion_tokens" },    { "openai/o3-mini", "max_completion_tokens" },
		{ "llama-3", "max_tokens" },	      { "gpt-oss-20b", "max_tokens" },
		{ "olmo-2", "max_tokens" },	      { "gpt-", "max_tokens" },
	};
	struct llm_part hi = { .kind = PART_TEXT, .text = TEXT_OF("hi") };
	struct llm_message user = { .role = ROLE_USER, .parts = &hi };
	struct llm_request q = { .kind = LLM_CHAT, .n = 1, .messages = &user, .max_tokens = 5 };
	for (size_t i = 0; i < COUNT(models); i++) {
		struct provider_target t = { .model = str_z(models[i].model) };
		char want[256];
		snprintf(want, sizeof want,
			 "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"%s\":5}",
			 models[i].model, models[i].name);
		expect_body(&q, &t, want);
	}
}

static void test_what_the_deployment_adds(void **state)
{
	(void)state;
	struct str inputs[] = { TEXT_OF("a") };
	struct llm_request q = { .kind = LLM_TEXT, .n = 1, .inputs = inputs, .n_inputs = 1, .is_stream = true,
				 .temperature = TEXT_OF("0.5") };
	struct provider_target t = { .model = TEXT_OF("up"), .params = TEXT_OF("{\"temperature\":1,\"top_p\":0.1,\"seed\":4}"),
				     .extra_body = TEXT_OF("{\"seed\":5,\"x\":{}}") };
	expect_body(&q, &t, "{\"model\":\"up\",\"prompt\":\"a\",\"temperature\":0.5,\"stream\":true,"
			    "\"stream_options\":{\"include_usage\":true},\"top_p\":0.1,\"seed\":5,\"x\":{}}");
	struct llm_request e = { .kind = LLM_EMBED, .n = 1, .inputs = inputs, .n_inputs = 1, .dimensions = 4,
				 .encoding_format = TEXT_OF("float") };
	expect_body(&e, &target, "{\"model\":\"up\",\"input\":\"a\",\"encoding_format\":\"float\",\"dimensions\":4}");
}

/* --- usage --- */

static const struct {
	const char *usage;
	uint64_t input, output, cache_read, cache_write, reasoning;
} usages[] = {
	{ "{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}", 9, 3, 0, 0, 0 },
	{ "{\"prompt_tokens\":9,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":2},"
	  "\"completion_tokens_details\":{\"reasoning_tokens\":2}}", 9, 3, 4, 2, 2 },
	{ "{\"prompt_tokens\":9,\"completion_tokens\":3,\"prompt_cache_hit_tokens\":5,\"prompt_cache_miss_tokens\":4}", 9, 3, 5, 0, 0 },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":2,\"total_tokens\":20,\"completion_tokens_details\":{\"reasoning_tokens\":8}}", 10, 10, 0, 0, 8 },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":9,\"total_tokens\":19,\"completion_tokens_details\":{\"reasoning_tokens\":8}}", 10, 9, 0, 0, 8 },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":9,\"reasoning_tokens\":8}", 10, 9, 0, 0, 8 },
	{ "{\"input_tokens\":7,\"output_tokens\":1}", 7, 1, 0, 0, 0 },
	{ "{\"input_tokens\":7,\"prompt_tokens\":8,\"output_tokens\":1,\"completion_tokens\":2}", 8, 2, 0, 0, 0 },
	{ "{\"total_tokens\":5}", 5, 0, 0, 0, 0 },
	{ "{\"prompt_tokens\":-9,\"completion_tokens\":null}", 0, 0, 0, 0, 0 },
	{ "{\"prompt_tokens\":\"9\",\"completion_tokens\":3.0}", 0, 3, 0, 0, 0 },
	{ "{\"prompt_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":9}}", 3, 0, 3, 0, 0 },
	{ "{\"prompt_tokens\":1e30,\"completion_tokens\":99999999999}", 0, 2147483647, 0, 0, 0 },
	{ "{}", 0, 0, 0, 0, 0 },
};

/* Sound that came out of the cache is counted twice, among the sound and in the cache: it costs
 * what the cache does. */
static void test_usage_of_media_and_of_an_hours_cache(void **state)
{
	static const struct {
		const char *details;
		uint64_t read, media, hour;
	} rows[] = {
		{ "{\"cached_tokens\":64,\"text_tokens\":119,\"audio_tokens\":30,\"cached_tokens_details\":{\"text_tokens\":44,\"audio_tokens\":20}}", 64, 10, 0 },
		{ "{\"cached_tokens_details\":{\"audio_tokens\":99},\"audio_tokens\":30,\"cached_tokens\":99}", 99, 0, 0 },
		{ "{\"audio_tokens\":30,\"image_tokens\":4}", 0, 34, 0 },
		{ "{\"cache_creation_tokens\":9,\"cache_creation_token_details\":{\"ephemeral_1h_input_tokens\":7}}", 0, 0, 7 },
		{ "{\"cache_creation_token_details\":{\"ephemeral_1h_input_tokens\":7}}", 0, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str text = arena_printf(mem, "{\"input_tokens\":149,\"output_tokens\":1,\"input_token_details\":%s}",
					       rows[i].details);
		struct json_error error;
		struct usage u;
		openai_read_usage(json_parse(mem, text, 0, &error), &u);
		assert_int_equal(u.input, 149);
		assert_int_equal(u.cache_read, rows[i].read);
		assert_int_equal(u.media_input, rows[i].media);
		assert_int_equal(u.cache_write_hour, rows[i].hour);
	}
}

static void test_usage(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(usages); i++) {
		struct json_error error;
		struct usage u;
		openai_read_usage(json_parse(mem, str_z(usages[i].usage), 0, &error), &u);
		if (u.input != usages[i].input || u.output != usages[i].output)
			print_error("%s gave %llu+%llu\n", usages[i].usage, (unsigned long long)u.input,
				    (unsigned long long)u.output);
		assert_int_equal(u.input, usages[i].input);
		assert_int_equal(u.output, usages[i].output);
		assert_int_equal(u.cache_read, usages[i].cache_read);
		assert_int_equal(u.cache_write, usages[i].cache_write);
		assert_int_equal(u.reasoning, usages[i].reasoning);
	}
}

/* --- events --- */

static const struct {
	const char *data;
	int r;
	const char *events;
} events[] = {
	{ "{\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}", 0, "start 0 a m\ntext 0 x" },
	{ "{\"choices\":[{\"delta\":null,\"finish_reason\":\"stop\"}]}", 0, "start 0  \nfinish 0 stop" },
	{ "{\"choices\":[{\"index\":3,\"delta\":{\"content\":null,\"refusal\":\"no\"}}]}", 0, "start 0  \nrefusal 3 no" },
	{ "{\"choices\":[{\"message\":{\"content\":\"x\"},\"delta\":null}]}", 0, "start 0  \ntext 0 x" },
	{ "{\"choices\":[{\"index\":0,\"usage\":{\"prompt_tokens\":1},\"delta\":{}}]}", 0, "start 0  \nusage 0 1+0 cached 0+0 reasoning 0" },
	{ "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"reference\"},{\"type\":\"thinking\",\"thinking\":\"t\"}]}}]}", 0,
	  "start 0  \ntext 0 a\nreasoning 0 t" },
	{ "{\"choices\":[{\"delta\":{\"reasoning\":\"a\",\"reasoning_content\":\"a\"}}]}", 0, "start 0  \nreasoning 0 a" },
	{ "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}},{\"function\":{\"name\":\"g\"}}]}}]}", 0,
	  "start 0  \ntool 0 0  f\ntool 0 1  g" },
	{ "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"type\":\"custom\",\"custom\":{\"name\":\"f\",\"input\":\"x\"}}]}}]}", 0,
	  "start 0  \ntool 0 0 a f\nargs 0 0 x" },
	{ "{\"choices\":[],\"usage\":null}", 0, "" },
	{ "{}", 0, "" },
	{ " [DONE]", 0, "end 0 " },
	{ "[DONE]xyz", 0, "end 0 " },
	{ "{\"error\":null,\"choices\":[]}", 0, "" },
	{ "{\"error\":{},\"choices\":[]}", 0, "" },
	{ "{\"error\":\"boom\"}", 0, "error 0 UP_ERROR boom" },
	{ "{\"error\":{\"message\":\"m\",\"code\":\"503\"},\"choices\":[{\"delta\":{\"content\":\"x\"}}]}", 0, "error 0 UP_UNAVAILABLE m" },
	{ "{\"choices\":[{\"delta\":{\"content\":5}}]}", -EBADMSG, "start 0  " },
	{ "{\"choices\":[{\"index\":-1}]}", -EBADMSG, "start 0  " },
	{ "{\"choices\":[{\"index\":99999}]}", -EBADMSG, "start 0  " },
	{ "{\"choices\":[7]}", -EBADMSG, "start 0  " },
	{ "{\"choices\":[{\"delta\":{\"tool_calls\":[7]}}]}", -EBADMSG, "start 0  " },
	{ "[]", -EBADMSG, "" },
	{ "7", -EBADMSG, "" },
	{ "{", -EBADMSG, "" },
	{ "", 0, "" },
};

static void test_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(events); i++)
		expect_event(&provider_openai, LLM_CHAT, events[i].data, events[i].r, events[i].events);
}

static int stop_at_text(void *data, const struct llm_event *ev)
{
	(void)data;
	return ev->kind == EV_TEXT ? -ECANCELED : 0;
}

static void test_the_callers_stop_is_handed_on(void **state)
{
	(void)state;
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	struct provider_reader rd = { .mem = mem, .q = &q };
	struct sse_event ev = { .data = STR("{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}") };
	assert_int_equal(provider_read_event(&provider_openai, &rd, mem, &ev, stop_at_text, NULL), -ECANCELED);
	ev = (struct sse_event){ .raw = STR("data: {"), .oversize = true };
	assert_int_equal(provider_read_event(&provider_openai, &rd, mem, &ev, stop_at_text, NULL), -EBADMSG);
}

/* No stream makes the state of calls grow without end. */
static void test_calls_are_bounded(void **state)
{
	(void)state;
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	struct provider_reader rd = { .mem = mem, .q = &q };
	struct arena *scratch = arena_new(1 << 20);
	struct buf b;
	int r = 0, n = 0;
	buf_init(&b, 1 << 20);
	struct said s = { .to = &b };
	for (; n < 10000 && r == 0; n++) {
		char text[128];
		int len = snprintf(text, sizeof text, "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"c%d\",\"function\":{\"name\":\"f\"}}]}}]}", n);
		struct sse_event ev = { .data = str_of(text, (size_t)len) };
		r = provider_read_event(&provider_openai, &rd, scratch, &ev, say_event, &s);
		arena_reset(scratch);
	}
	assert_int_equal(r, -EBADMSG);
	assert_in_range(n, 100, 1000);
	buf_done(&b);
	arena_free(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results_in_a_users_turn),
		cmocka_unit_test(test_the_name_of_the_limit_depends_on_the_model),
		cmocka_unit_test(test_what_the_deployment_adds),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_usage_of_media_and_of_an_hours_cache),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_the_callers_stop_is_handed_on),
		cmocka_unit_test(test_calls_are_bounded),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
