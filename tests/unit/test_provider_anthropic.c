/* SPDX-License-Identifier: MIT
 * test_provider_anthropic.c - what becomes of parameters, which model is asked for what, who wins
 * over whom, and the odd events of a stream. Whole requests and streams are vectors; see
 * test_vectors.c. */
#include "worker/exchange/provider_anthropic.h"

#include <stdio.h>

#include "tests/unit/anthropic_text.h"
#include "tests/unit/llm_fixture.h"
#include "worker/client/dialect.h"

static void expect(const char *asked, struct str got, const char *want)
{
	if (!str_eq_z(got, want))
		print_error("%s gave\n" STR_FMT "\nnot\n%s\n", asked, STR_ARG(got), want);
	assert_true(str_eq_z(got, want));
}

/* --- parameters --- */

#define HI "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]"
#define BODY(more) "{\"model\":\"up\"," HI more "}"
#define DEFAULT ",\"max_tokens\":4096"
#define FUNCTION ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"
#define TOOL ",\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}]"

static const struct {
	const char *more, *params, *extra, *body;
} sorted[] = {
	{ "", NULL, NULL, BODY(DEFAULT) },
	{ ",\"max_tokens\":7", "{\"max_tokens\":9}", NULL, BODY(",\"max_tokens\":7") },
	{ "", "{\"max_completion_tokens\":9,\"temperature\":0.2,\"top_k\":3}", NULL, BODY(",\"temperature\":0.2,\"top_k\":3,\"max_tokens\":9") },
	{ ",\"max_tokens\":7", "{\"max_tokens\":9}", "{\"max_tokens\":11}", BODY(",\"max_tokens\":11") },
	{ ",\"temperature\":2", NULL, NULL, BODY(",\"temperature\":1" DEFAULT) },
	{ ",\"temperature\":0.0,\"top_p\":1", NULL, NULL, BODY(",\"temperature\":0.0" DEFAULT) },
	{ ",\"top_p\":0.5", "{\"top_p\":0.1}", NULL, BODY(",\"top_p\":0.5" DEFAULT) },
	{ ",\"stop\":\"x\"", "{\"stop\":[\"y\"]}", NULL, BODY(",\"stop_sequences\":[\"x\"]" DEFAULT) },
	{ "", "{\"stop\":\"y\"}", NULL, BODY(",\"stop_sequences\":[\"y\"]" DEFAULT) },
	{ ",\"stop\":\"x\"", "{\"stop_sequences\":[\"y\"]}", NULL, BODY(",\"stop_sequences\":[\"x\"]" DEFAULT) },
	{ ",\"stop\":[\" \",\"\\n\"]", NULL, NULL, BODY(DEFAULT) },
	{ ",\"user\":\"u-1\"", NULL, NULL, BODY(",\"metadata\":{\"user_id\":\"u-1\"}" DEFAULT) },
	{ ",\"safety_identifier\":\"s\"", NULL, NULL, BODY(",\"metadata\":{\"user_id\":\"s\"}" DEFAULT) },
	{ ",\"user\":\"a@b.example\"", NULL, NULL, BODY(DEFAULT) },
	{ ",\"user\":\"+49 (0)89 1234\"", NULL, NULL, BODY(DEFAULT) },
	{ ",\"user\":\"12345\"", NULL, NULL, BODY(",\"metadata\":{\"user_id\":\"12345\"}" DEFAULT) },
	{ ",\"service_tier\":\"auto\"", NULL, NULL, BODY(",\"service_tier\":\"auto\"" DEFAULT) },
	{ ",\"service_tier\":\"default\"", NULL, NULL, BODY(",\"service_tier\":\"standard_only\"" DEFAULT) },
	{ ",\"n\":1,\"logprobs\":false,\"logit_bias\":{},\"presence_penalty\":0.0,\"modalities\":[\"text\"],\"store\":true,\"prediction\":{},\"seed\":null", NULL, NULL, BODY(DEFAULT) },
	{ ",\"n\":3,\"seed\":0,\"logprobs\":true,\"drop_params\":true", NULL, NULL, BODY(DEFAULT) },
	{ ",\"context_management\":{\"a\":1},\"x\":[1]", "{\"x\":2,\"y\":3}", "{\"y\":4,\"model\":\"no\",\"messages\":[],\"stream\":true}",
	  BODY(",\"y\":4,\"context_management\":{\"a\":1},\"x\":[1]" DEFAULT) },
	{ "", "{\"system\":\"S\"}", NULL, "{\"model\":\"up\",\"system\":\"S\"," HI DEFAULT "}" },
	{ FUNCTION ",\"tool_choice\":\"auto\"", NULL, NULL, BODY(TOOL ",\"tool_choice\":{\"type\":\"auto\"}" DEFAULT) },
	{ FUNCTION ",\"tool_choice\":\"none\",\"parallel_tool_calls\":false", NULL, NULL, BODY(TOOL ",\"tool_choice\":{\"type\":\"none\"}" DEFAULT) },
	{ FUNCTION ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", NULL, NULL, BODY(TOOL ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}" DEFAULT) },
	{ FUNCTION ",\"parallel_tool_calls\":false", NULL, NULL, BODY(TOOL ",\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}" DEFAULT) },
	{ FUNCTION ",\"parallel_tool_calls\":true", NULL, NULL, BODY(TOOL DEFAULT) },
	{ ",\"tool_choice\":\"required\"", NULL, NULL, BODY(DEFAULT) },
	{ ",\"reasoning_effort\":\"none\"", NULL, NULL, BODY(DEFAULT) },
	{ ",\"reasoning_effort\":\"minimal\"", NULL, NULL, BODY(",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"max_tokens\":5120") },
	{ ",\"reasoning_effort\":\"high\",\"max_tokens\":5000", NULL, NULL, BODY(",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096},\"max_tokens\":5000") },
	{ ",\"reasoning_effort\":\"high\",\"max_tokens\":4096,\"temperature\":1.0", NULL, NULL, BODY(",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096},\"max_tokens\":8192") },
	{ ",\"reasoning_effort\":\"low\"", "{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9000},\"temperature\":0.1,\"top_k\":1}", NULL,
	  BODY(",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"max_tokens\":5120") },
	{ "", "{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9000}}", NULL, BODY(",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9000},\"max_tokens\":13096") },
	{ FUNCTION ",\"reasoning_effort\":\"low\",\"tool_choice\":\"required\",\"temperature\":0.5", NULL, NULL,
	  BODY(TOOL ",\"tool_choice\":{\"type\":\"any\"},\"temperature\":0.5" DEFAULT) },
	{ ",\"web_search_options\":{}", NULL, NULL, BODY(",\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\",\"max_uses\":5}]" DEFAULT) },
	{ ",\"response_format\":{\"type\":\"text\"}", NULL, NULL, BODY(DEFAULT) },
};

static void test_where_parameters_go(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sorted); i++) {
		struct llm_request q = request_of(sorted[i].more);
		struct str body = STR_NONE;
		if (write_with(&provider_anthropic, &q, "up", sorted[i].params, sorted[i].extra, NULL, &body))
			fail_msg("%s: " STR_FMT, sorted[i].more, STR_ARG(body));
		expect(sorted[i].more, body, sorted[i].body);
	}
}

static const struct {
	const char *model, *more, *param;
} refused[] = {
	{ "up", ",\"n\":2", "n" },
	{ "up", ",\"seed\":0", "seed" },
	{ "up", ",\"presence_penalty\":0.1", "presence_penalty" },
	{ "up", ",\"frequency_penalty\":-1", "frequency_penalty" },
	{ "up", ",\"logprobs\":true", "logprobs" },
	{ "up", ",\"top_logprobs\":3", "top_logprobs" },
	{ "up", ",\"logit_bias\":{\"1\":2}", "logit_bias" },
	{ "up", ",\"modalities\":[\"text\",\"audio\"]", "modalities" },
	{ "up", ",\"audio\":{\"voice\":\"x\"}", "audio" },
	{ "up", ",\"service_tier\":\"flex\"", "service_tier" },
	{ "up", ",\"tools\":[{\"type\":\"file_search\"}]", "tools" },
	{ "up", ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"f\"}}]", "tools" },
	{ "up", ",\"reasoning_effort\":\"low\",\"temperature\":0.5", "temperature" },
	{ "up", ",\"reasoning_effort\":\"low\",\"top_k\":5", "top_k" },
	{ "up", ",\"reasoning_effort\":\"low\",\"top_p\":0.5", "top_p" },
	{ "claude-3-5-haiku-latest", ",\"reasoning_effort\":\"low\"", "reasoning_effort" },
	{ "claude-opus-4-7", ",\"temperature\":0.5", "temperature" },
	{ "claude-opus-4-7", ",\"top_p\":0.5", "top_p" },
	{ "claude-sonnet-5", ",\"top_k\":5", "top_k" },
};

static void test_what_cannot_be_done_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct llm_request q = request_of(refused[i].more);
		struct str param = STR_NONE;
		if (write_with(&provider_anthropic, &q, refused[i].model, NULL, NULL, NULL, &param) == 0)
			fail_msg("%s: " STR_FMT, refused[i].more, STR_ARG(param));
		expect(refused[i].more, param, refused[i].param);
		q.drop_params = true;
		assert_int_equal(write_with(&provider_anthropic, &q, refused[i].model, NULL, NULL, NULL, &param), 0);
	}
}

static void test_a_body_has_not_too_many_members(void **state)
{
	(void)state;
	struct buf more;
	struct str param;
	buf_init(&more, 1 << 16);
	for (int i = 0; i < 300; i++)
		buf_printf(&more, ",\"x%d\":1", i);
	struct llm_request q = request_of(buf_z(&more));
	assert_int_equal(write_with(&provider_anthropic, &q, "up", NULL, NULL, NULL, &param), -EINVAL);
	assert_true(str_eq_z(param, "request_body"));
	buf_done(&more);
}

/* --- models --- */

static const struct {
	const char *name, *can;		/* t: think by budget, a: adaptively, f: format, s: sample */
} models[] = {
	{ "claude-2.1", "s" },			      { "claude-instant-1.2", "s" },
	{ "anthropic.claude-v2", "s" },		      { "claude-3-opus-20240229", "s" },
	{ "claude-3-5-sonnet-latest", "s" },	      { "claude-3-7-sonnet-20250219", "ts" },
	{ "claude-3.7-sonnet", "ts" },		      { "claude-opus-4-20250514", "ts" },
	{ "claude-sonnet-4@20250514", "ts" },	      { "claude-sonnet-4-0", "ts" },
	{ "claude-opus-4-1-20250805", "tfs" },	      { "claude-sonnet-4-5", "tfs" },
	{ "us.anthropic.claude-haiku-4-5-20251001-v1:0", "tfs" },
	{ "claude-opus-4-6", "tafs" },		      { "anthropic/claude-sonnet-4.6", "tafs" },
	{ "claude-opus-4-7", "taf" },		      { "claude-sonnet-5", "taf" },
	{ "claude-opus-10-1-20300101", "taf" },	      { "claude-latest", "taf" },
	{ "claude", "taf" },			      { "MiniMax-M2", "ts" },
	{ "deepseek-chat", "ts" },		      { "", "ts" },
};

static void test_what_models_can_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(models); i++) {
		struct ant_model m = ant_model_of(str_z(models[i].name));
		char can[8];
		snprintf(can, sizeof can, "%s%s%s%s", m.may_think ? "t" : "", m.thinks_adaptively ? "a" : "",
			 m.knows_format ? "f" : "", m.samples_freely ? "s" : "");
		if (strcmp(can, models[i].can) != 0)
			print_error("%s\n", models[i].name);
		assert_string_equal(can, models[i].can);
	}
}

#define FORMAT(schema) ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\",\"schema\":" schema "}}"
#define MODEL(name, more) "{\"model\":\"" name "\"," HI more "}"

static const struct {
	const char *model, *more, *body;
} by_model[] = {
	{ "claude-opus-4-6", ",\"reasoning_effort\":\"minimal\"",
	  MODEL("claude-opus-4-6", ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\"}" DEFAULT) },
	{ "claude-opus-4-6", ",\"reasoning_effort\":\"none\"", MODEL("claude-opus-4-6", ",\"thinking\":{\"type\":\"disabled\"}" DEFAULT) },
	{ "claude-opus-4-7", ",\"reasoning_effort\":\"max\",\"temperature\":1,\"top_p\":0.99",
	  MODEL("claude-opus-4-7", ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"max\"}" DEFAULT) },
	{ "claude-opus-4-6", FUNCTION ",\"reasoning_effort\":\"high\",\"tool_choice\":\"required\"",
	  MODEL("claude-opus-4-6", TOOL ",\"tool_choice\":{\"type\":\"any\"},\"output_config\":{\"effort\":\"high\"}" DEFAULT) },
	{ "claude-sonnet-4-5", FORMAT("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\"},\"b\":{\"enum\":[{\"type\":\"object\"}]},\"c\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":true}}}}"),
	  MODEL("claude-sonnet-4-5", ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"additionalProperties\":false},\"b\":{\"enum\":[{\"type\":\"object\"}]},"
		"\"c\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":true}}},\"additionalProperties\":false}}}" DEFAULT) },
	{ "claude-opus-4-6", FORMAT("{}") ",\"reasoning_effort\":\"low\"",
	  MODEL("claude-opus-4-6", ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\",\"format\":{\"type\":\"json_schema\",\"schema\":{}}}" DEFAULT) },
	{ "claude-3-7-sonnet-latest", FORMAT("{\"properties\":{}}") ",\"reasoning_effort\":\"low\"",
	  MODEL("claude-3-7-sonnet-latest", ",\"tools\":[{\"name\":\"structured_answer\",\"description\":\"Gives the answer. Its whole text is this tool's input, one JSON object.\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}],"
		"\"tool_choice\":{\"type\":\"tool\",\"name\":\"structured_answer\"}" DEFAULT) },
	{ "claude-sonnet-5", ",\"response_format\":{\"type\":\"json_object\"}",
	  MODEL("claude-sonnet-5", ",\"tools\":[{\"name\":\"structured_answer\",\"description\":\"Gives the answer. Its whole text is this tool's input, one JSON object.\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}],"
		"\"tool_choice\":{\"type\":\"tool\",\"name\":\"structured_answer\"}" DEFAULT) },
};

static void test_models_are_asked_in_their_own_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(by_model); i++) {
		struct llm_request q = request_of(by_model[i].more);
		struct str body = STR_NONE;
		if (write_with(&provider_anthropic, &q, by_model[i].model, NULL, NULL, NULL, &body))
			fail_msg("%s: " STR_FMT, by_model[i].more, STR_ARG(body));
		expect(by_model[i].more, body, by_model[i].body);
	}
}

/* --- requests that no dialect makes --- */

#define TEXT_OF(t) { (t), sizeof(t) - 1 }

/* Words of families that are neither OpenAI's nor ours are left out. */
static void test_words_of_strangers(void **state)
{
	(void)state;
	struct llm_request q = request_of(",\"x\":1");
	struct str body;
	q.family = 77;
	assert_int_equal(write_with(&provider_anthropic, &q, "up", NULL, NULL, NULL, &body), 0);
	expect("strangers", body, BODY(DEFAULT));
}

static void test_results_in_a_users_turn(void **state)
{
	(void)state;
	struct llm_part more = { .kind = PART_TEXT, .text = TEXT_OF("and?") };
	struct llm_part result = { .next = &more, .kind = PART_TOOL_RESULT, .id = TEXT_OF("a"), .text = TEXT_OF("1"), .is_error = true };
	struct llm_message user = { .role = ROLE_USER, .parts = &result };
	struct llm_part call = { .kind = PART_TOOL_CALL, .id = TEXT_OF("a"), .name = TEXT_OF("f"), .text = TEXT_OF("free"), .is_custom = true };
	struct llm_message assistant = { .next = &user, .role = ROLE_ASSISTANT, .parts = &call };
	struct llm_part hi = { .kind = PART_TEXT, .text = TEXT_OF("hi") };
	struct llm_message first = { .next = &assistant, .role = ROLE_USER, .parts = &hi };
	struct llm_request q = { .kind = LLM_CHAT, .n = 1, .messages = &first };
	struct str body;
	assert_int_equal(write_with(&provider_anthropic, &q, "up", NULL, NULL, NULL, &body), 0);
	expect("results", body,
	       "{\"model\":\"up\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]},"
	       "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"input\":\"free\"}}]},"
	       "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":\"1\",\"is_error\":true},{\"type\":\"text\",\"text\":\"and?\"}]}]"
	       TOOL ",\"tool_choice\":{\"type\":\"none\"}" DEFAULT "}");
}

static void test_ids_are_made_fit(void **state)
{
	(void)state;
	assert_true(str_eq_z(ant_call_id(mem, STR("toolu_Az-9")), "toolu_Az-9"));
	struct str a = ant_call_id(mem, STR("functions.f:0")), b = ant_call_id(mem, STR("functions.f:1"));
	assert_true(str_starts(a, STR("toolu_")) && str_eq(a, ant_call_id(mem, STR("functions.f:0"))) && !str_eq(a, b));
	assert_true(ant_call_id(mem, STR("")).n > 6);
}

/* --- answers --- */

#define ZERO "{\"type\":\"content_block_start\",\"content_block\":"

static const struct {
	const char *data;
	int r;
	const char *events;
} events[] = {
	{ "{\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"model\":\"m\",\"usage\":{\"input_tokens\":1,\"cache_creation_input_tokens\":2,\"cache_read_input_tokens\":3,\"output_tokens\":4}}}", 0,
	  "start 0 a m\nusage 0 6+4 cached 3+2 reasoning 0" },
	{ "{\"type\":\"message_start\"}", 0, "start 0  " },
	{ "{\"type\":\"ping\"}", 0, "" },
	{ "{\"type\":\"new_event\",\"x\":[]}", 0, "" },
	{ "{}", 0, "" },
	{ ZERO "{\"type\":\"text\",\"text\":\"x\"}}", 0, "start 0  \ntext 0 x" },
	{ ZERO "{\"type\":\"thinking\",\"thinking\":\"x\",\"signature\":\"s\"}}", 0, "start 0  \nreasoning 0 x" },
	{ ZERO "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"x\":1}}}", 0, "start 0  \ntool 0 0 a f" },
	{ ZERO "{\"type\":\"tool_use\",\"id\":7}}", -EBADMSG, "start 0  " },
	{ ZERO "{\"type\":\"new_block\",\"text\":7}}", 0, "start 0  " },
	{ ZERO "{}}", -EBADMSG, "start 0  " },
	{ ZERO "[]}", -EBADMSG, "start 0  " },
	{ "{\"type\":\"content_block_start\"}", -EBADMSG, "start 0  " },
	{ "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}", 0, "start 0  \ntext 0 x" },
	{ "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":5}}", -EBADMSG, "start 0  " },
	{ "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}", 0, "start 0  " },
	{ "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"new_delta\"}}", 0, "start 0  " },
	{ "{\"type\":\"content_block_delta\",\"delta\":7}", -EBADMSG, "start 0  " },
	{ "{\"type\":\"content_block_stop\"}", 0, "" },
	{ "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null},\"usage\":{\"output_tokens\":5}}", 0, "usage 0 0+5 cached 0+0 reasoning 0" },
	{ "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"}}", 0, "finish 0 length" },
	{ "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"model_context_window_exceeded\"}}", 0, "finish 0 length" },
	{ "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"}}", 0, "finish 0 content_filter" },
	{ "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"pause_turn\"}}", 0, "finish 0 stop" },
	{ "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}", 0, "finish 0 tool_calls" },
	{ "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"error\"},\"usage\":{\"output_tokens\":5}}", 0,
	  "error 0 UP_ERROR the provider ended the answer with \"error\"" },
	{ "{\"type\":\"message_stop\"}", 0, "end 0 " },
	{ "[DONE]", 0, "end 0 " },
	{ "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}", 0, "error 0 UP_UNAVAILABLE busy" },
	{ "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 9 > 8\"}}", 0,
	  "error 0 CONTEXT_LENGTH prompt is too long: 9 > 8" },
	{ "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Internal\"}}", 0, "error 0 UP_ERROR Internal" },
	{ "{\"error\":{\"message\":\"no type\"}}", 0, "error 0 UP_ERROR no type" },
	{ "[]", -EBADMSG, "" },
	{ "7", -EBADMSG, "" },
	{ "{", -EBADMSG, "" },
	{ "", 0, "" },
};

static void test_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(events); i++)
		expect_event(&provider_anthropic, LLM_CHAT, events[i].data, events[i].r, events[i].events);
}

static const struct {
	const char *usage;
	uint64_t input, output, cache_read, cache_write, reasoning;
} usages[] = {
	{ "{\"input_tokens\":9,\"output_tokens\":3}", 9, 3, 0, 0, 0 },
	{ "{\"input_tokens\":0,\"cache_read_input_tokens\":100,\"cache_creation_input_tokens\":20,\"output_tokens\":3}", 120, 3, 100, 20, 0 },
	{ "{\"input_tokens\":9,\"output_tokens\":30,\"output_tokens_details\":{\"thinking_tokens\":10}}", 9, 30, 0, 0, 10 },
	{ "{\"input_tokens\":9,\"output_tokens\":3,\"output_tokens_details\":{\"thinking_tokens\":10}}", 9, 3, 0, 0, 3 },
	{ "{\"input_tokens\":-9,\"output_tokens\":null,\"cache_read_input_tokens\":\"7\"}", 0, 0, 0, 0, 0 },
	{ "{\"input_tokens\":2147483647,\"cache_read_input_tokens\":9223372036854775807,\"output_tokens\":99999999999}", 2147483647, 2147483647, 2147483647, 0, 0 },
	{ "{}", 0, 0, 0, 0, 0 },
};

static void test_usage_of_what_is_kept_for_an_hour(void **state)
{
	static const struct {
		const char *usage;
		uint64_t write, hour;
	} rows[] = {
		{ "{\"input_tokens\":1,\"cache_creation_input_tokens\":20,\"cache_creation\":{\"ephemeral_5m_input_tokens\":5,\"ephemeral_1h_input_tokens\":15}}", 20, 15 },
		{ "{\"cache_creation\":{\"ephemeral_1h_input_tokens\":15},\"cache_creation_input_tokens\":9}", 9, 9 },
		{ "{\"input_tokens\":99,\"cache_creation\":{\"ephemeral_1h_input_tokens\":-15}}", 0, 0 },
		{ "{\"cache_creation_input_tokens\":20,\"cache_creation\":null}", 20, 0 },
	};
	struct llm_tally t = { 0 };
	struct json_error error;
	struct usage u;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		anthropic_read_usage(json_parse(mem, str_z(rows[i].usage), 0, &error), &u);
		assert_int_equal(u.cache_write, rows[i].write);
		assert_int_equal(u.cache_write_hour, rows[i].hour);
		llm_tally_usage(&t, &u);	/* the largest of each, as in a stream */
	}
	assert_int_equal(t.usage.cache_write, 20);
	assert_int_equal(t.usage.cache_write_hour, 15);
}

static void test_usage(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(usages); i++) {
		struct json_error error;
		struct usage u;
		anthropic_read_usage(json_parse(mem, str_z(usages[i].usage), 0, &error), &u);
		assert_int_equal(u.input, usages[i].input);
		assert_int_equal(u.output, usages[i].output);
		assert_int_equal(u.cache_read, usages[i].cache_read);
		assert_int_equal(u.cache_write, usages[i].cache_write);
		assert_int_equal(u.reasoning, usages[i].reasoning);
	}
}

/* Errors with a status, as a plain body. */
static void test_errors_by_status(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *type;
		enum outcome outcome;
	} rows[] = {
		{ 400, "invalid_request_error", OUTCOME_UP_BAD_REQUEST },
		{ 401, "authentication_error", OUTCOME_UP_AUTH },
		{ 402, "billing_error", OUTCOME_UP_PERMISSION },
		{ 403, "permission_error", OUTCOME_UP_PERMISSION },
		{ 404, "not_found_error", OUTCOME_UP_NOT_FOUND },
		{ 413, "request_too_large", OUTCOME_UP_UNPROCESSABLE },
		{ 429, "rate_limit_error", OUTCOME_UP_RATE_LIMITED },
		{ 500, "api_error", OUTCOME_UP_ERROR },
		{ 504, "timeout_error", OUTCOME_UP_TIMEOUT },
		{ 529, "overloaded_error", OUTCOME_UP_UNAVAILABLE },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_error e;
		struct str body = arena_printf(mem, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"why\"},\"request_id\":\"req_1\"}", rows[i].type);
		provider_read_error(mem, rows[i].status, body, STR_NONE, &e);
		assert_int_equal(e.outcome, rows[i].outcome);
		assert_true(str_eq_z(e.message, "why") && str_eq_z(e.type, rows[i].type));
	}
}

static int stop_at_text(void *data, const struct llm_event *ev)
{
	(void)data;
	return ev->kind == EV_TEXT ? -ECANCELED : 0;
}

static void test_who_listens_may_stop(void **state)
{
	(void)state;
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	struct provider_reader rd = { .mem = mem, .q = &q };
	struct str body = STR("{\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}");
	assert_int_equal(provider_anthropic.read_answer(&rd, body, stop_at_text, NULL), -ECANCELED);
	rd = (struct provider_reader){ .mem = mem, .q = &q };
	struct sse_event big = { .oversize = true, .raw = STR("data: ") };
	assert_int_equal(provider_read_event(&provider_anthropic, &rd, mem, &big, stop_at_text, NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_parameters_go),
		cmocka_unit_test(test_what_cannot_be_done_is_named),
		cmocka_unit_test(test_a_body_has_not_too_many_members),
		cmocka_unit_test(test_what_models_can_do),
		cmocka_unit_test(test_models_are_asked_in_their_own_way),
		cmocka_unit_test(test_words_of_strangers),
		cmocka_unit_test(test_results_in_a_users_turn),
		cmocka_unit_test(test_ids_are_made_fit),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_usage_of_what_is_kept_for_an_hour),
		cmocka_unit_test(test_errors_by_status),
		cmocka_unit_test(test_who_listens_may_stop),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
