/* SPDX-License-Identifier: MIT
 * test_provider_ollama.c - where parameters go, who wins over whom, which path is taken, and the
 * odd lines of a stream. Whole requests and streams are vectors; see test_vectors.c. */
#include "worker/exchange/provider.h"

#include "tests/unit/llm_fixture.h"
#include "worker/client/dialect.h"

#define BODY(more) \
	"{\"model\":\"up\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":false" more "}"

static const struct {
	const char *more, *params, *extra, *body;
} sorted[] = {
	{ "", NULL, NULL, BODY("") },
	{ "", "{\"temperature\":0.1,\"num_ctx\":8192,\"keep_alive\":-1}", NULL,
	  BODY(",\"options\":{\"temperature\":0.1,\"num_ctx\":8192},\"keep_alive\":-1") },
	{ ",\"temperature\":1,\"num_ctx\":1", "{\"temperature\":0.1,\"num_ctx\":8192}", NULL,
	  BODY(",\"options\":{\"temperature\":1,\"num_ctx\":1}") },
	{ ",\"temperature\":1", "{\"temperature\":0.1}", "{\"options\":{\"temperature\":2,\"x\":1},\"y\":[]}",
	  BODY(",\"options\":{\"temperature\":2,\"x\":1},\"y\":[]") },
	{ "", NULL, "{\"model\":\"other\",\"messages\":[],\"stream\":true,\"tools\":[],\"keep_alive\":\"1h\"}",
	  BODY(",\"keep_alive\":\"1h\"") },
	{ ",\"max_tokens\":7", "{\"max_tokens\":9}", NULL, BODY(",\"options\":{\"num_predict\":7}") },
	{ "", "{\"max_tokens\":9,\"num_predict\":3}", NULL, BODY(",\"options\":{\"num_predict\":9}") },
	{ ",\"stop\":[\"a\",\"\\n\"]", NULL, NULL, BODY(",\"options\":{\"stop\":[\"a\",\"\\n\"]}") },
	{ "", "{\"stop\":\"x\"}", NULL, BODY(",\"options\":{\"stop\":[\"x\"]}") },
	{ "", "{\"stop\":[\"x\",\"y\"]}", NULL, BODY(",\"options\":{\"stop\":[\"x\",\"y\"]}") },
	{ ",\"reasoning_effort\":\"none\"", NULL, NULL, BODY(",\"think\":false") },
	{ ",\"reasoning_effort\":\"minimal\"", NULL, NULL, BODY(",\"think\":\"low\"") },
	{ ",\"reasoning_effort\":\"medium\"", "{\"reasoning_effort\":\"high\"}", NULL, BODY(",\"think\":\"medium\"") },
	{ "", "{\"reasoning_effort\":\"high\"}", NULL, BODY(",\"think\":\"high\"") },
	{ ",\"think\":true", NULL, NULL, BODY(",\"think\":true") },
	{ ",\"response_format\":{\"type\":\"text\"}", NULL, NULL, BODY("") },
	{ ",\"response_format\":{\"type\":\"json_object\"}", NULL, NULL, BODY(",\"format\":\"json\"") },
	{ ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"a\":1}}}", NULL, NULL, BODY(",\"format\":{\"a\":1}") },
	{ "", "{\"response_format\":{\"type\":\"json_object\"}}", NULL, BODY(",\"format\":\"json\"") },
	{ ",\"format\":\"json\"", NULL, NULL, BODY(",\"format\":\"json\"") },
	{ ",\"options\":{\"seed\":1},\"seed\":2", NULL, NULL, BODY(",\"options\":{\"seed\":2}") },
	{ ",\"n\":1,\"logprobs\":false,\"logit_bias\":{},\"modalities\":[\"text\"],\"store\":true,\"user\":\"u\"", NULL, NULL, BODY("") },
	{ ",\"n\":3,\"logprobs\":true,\"drop_params\":true", NULL, NULL, BODY("") },
	{ ",\"parallel_tool_calls\":true,\"tool_choice\":\"none\"", NULL, NULL, BODY("") },
};

static void test_where_parameters_go(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sorted); i++) {
		struct llm_request q = request_of(sorted[i].more);
		struct str path, body;
		assert_int_equal(write_with(&provider_ollama_chat, &q, "up", sorted[i].params, sorted[i].extra, &path, &body), 0);
		if (!str_eq_z(body, sorted[i].body))
			print_error("%s gave\n" STR_FMT "\n", sorted[i].more, STR_ARG(body));
		assert_true(str_eq_z(body, sorted[i].body));
		assert_true(str_eq_z(path, "/api/chat"));
	}
}

static const struct {
	const char *more, *param;
} refused[] = {
	{ ",\"n\":2", "n" },
	{ ",\"logprobs\":true", "logprobs" },
	{ ",\"top_logprobs\":3", "top_logprobs" },
	{ ",\"logit_bias\":{\"1\":2}", "logit_bias" },
	{ ",\"modalities\":[\"text\",\"audio\"]", "modalities" },
	{ ",\"audio\":{\"voice\":\"x\"}", "audio" },
	{ ",\"web_search_options\":{\"x\":1}", "web_search_options" },
	{ ",\"tools\":[{\"type\":\"web_search\"}]", "tools" },
};

static void test_what_cannot_be_done_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct llm_request q = request_of(refused[i].more);
		struct str path, param;
		assert_int_equal(write_with(&provider_ollama_chat, &q, "up", NULL, NULL, &path, &param), -EINVAL);
		assert_true(str_eq_z(param, refused[i].param));
		q.drop_params = true;
		assert_int_equal(write_with(&provider_ollama_chat, &q, "up", NULL, NULL, &path, &param), 0);
	}
}

static void test_which_path_is_taken(void **state)
{
	(void)state;
	static const struct {
		const struct provider *provider;
		const char *more, *path;
	} ways[] = {
		{ &provider_ollama_chat, "", "/api/chat" },
		{ &provider_ollama_generate, "", "/api/generate" },
		{ &provider_ollama_generate, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]", "/api/chat" },
		{ &provider_ollama_generate, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"none\"", "/api/generate" },
	};
	for (size_t i = 0; i < COUNT(ways); i++) {
		struct llm_request q = request_of(ways[i].more);
		struct str path, body;
		assert_int_equal(write_with(ways[i].provider, &q, "up", NULL, NULL, &path, &body), 0);
		assert_true(str_eq_z(path, ways[i].path));
	}
	struct str input = STR("x"), path, body;
	struct llm_request q = { .kind = LLM_TEXT, .n = 1, .inputs = &input, .n_inputs = 1 };
	assert_int_equal(write_with(&provider_ollama_chat, &q, "up", NULL, NULL, &path, &body), 0);
	assert_true(str_eq_z(path, "/api/generate"));
	q.kind = LLM_EMBED;
	assert_int_equal(write_with(&provider_ollama_generate, &q, "up", NULL, NULL, &path, &body), 0);
	assert_true(str_eq_z(path, "/api/embed"));
}

/* --- answers --- */

static const struct {
	const char *line;
	int r;
	const char *events;
} lines[] = {
	{ "{\"model\":\"m\",\"message\":{\"content\":\"x\"},\"done\":false}", 0, "start 0  m\ntext 0 x" },
	{ "{\"message\":{\"content\":\"\",\"thinking\":\"t\"}}", 0, "start 0  \nreasoning 0 t" },
	{ "{\"response\":\"x\",\"thinking\":\"t\"}", 0, "start 0  \nreasoning 0 t\ntext 0 x" },
	{ "{\"message\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\"}}]}}", 0, "start 0  \ntool 0 0 a f\nargs 0 0 {}" },
	{ "{\"message\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]}}", 0,
	  "start 0  \ntool 0 0 a f\nargs 0 0 {\"x\":1}" },
	{ "{\"message\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]},\"done\":true,\"done_reason\":\"stop\",\"eval_count\":5,\"prompt_eval_count\":7}", 0,
	  "start 0  \ntool 0 0 a f\nargs 0 0 {}\nfinish 0 tool_calls\nusage 0 7+5 cached 0+0 reasoning 0\nend 0 " },
	{ "{\"done\":true}", 0, "start 0  \nfinish 0 stop\nend 0 " },
	{ "{\"done\":true,\"done_reason\":\"unload\",\"eval_count\":1}", 0,
	  "start 0  \nfinish 0 stop\nusage 0 3+1 cached 0+0 reasoning 0 estimated\nend 0 " },
	{ "{\"error\":\"boom\"}", 0, "error 0 UP_ERROR boom" },
	{ "{\"error\":\"slow\",\"status\":429}", 0, "error 0 UP_RATE_LIMITED slow" },
	{ "{\"status\":\"pulling\"}", 0, "start 0  " },
	{ "{\"message\":{\"content\":5}}", -EBADMSG, "start 0  " },
	{ "{\"message\":{\"tool_calls\":[5]}}", -EBADMSG, "start 0  " },
	{ "[]", -EBADMSG, "" },
	{ "nonsense", -EBADMSG, "" },
};

static void test_lines(void **state)
{
	(void)state;
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct provider_reader rd = { .mem = mem, .q = &q };
		struct sse_event ev = { .data = str_z(lines[i].line) };
		struct buf b;
		buf_init(&b, 1 << 16);
		struct said s = { .to = &b };
		assert_int_equal(provider_read_event(&provider_ollama_chat, &rd, mem, &ev, say_event, &s), lines[i].r);
		if (strcmp(buf_z(&b), lines[i].events) != 0)
			print_error("%s gave\n%s\n", lines[i].line, buf_z(&b));
		assert_string_equal(buf_z(&b), lines[i].events);
		buf_done(&b);
	}
}

static int take_plain(void *data, const struct llm_event *ev)
{
	return dialect_openai_chat.collect(data, ev);
}

/* Two calls without ids get two, which are others in the next answer. */
static void test_calls_without_ids_get_some(void **state)
{
	(void)state;
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	struct str body = STR("{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}},{\"function\":{\"name\":\"f\"}}]},\"done\":true}");
	struct str ids[4];
	for (size_t i = 0; i < 2; i++) {
		struct provider_reader rd = { .mem = mem, .q = &q };
		struct dialect_answer an = { .mem = mem, .q = &q, .id = i ? STR("one") : STR("other") };
		struct json_error error;
		struct buf out;
		buf_init(&out, 1 << 16);
		assert_int_equal(provider_ollama_chat.read_answer(&rd, body, take_plain, &an), 0);
		assert_int_equal(dialect_openai_chat.write_answer(&an, &out), 0);
		const struct json *root = json_parse(mem, arena_dup(mem, buf_str(&out)), 0, &error);
		const struct json *calls = json_get_path(root, "choices.0.message.tool_calls");
		ids[2 * i] = json_get_str(mem, json_at(calls, 0), "id");
		ids[2 * i + 1] = json_get_str(mem, json_at(calls, 1), "id");
		buf_done(&out);
	}
	for (size_t i = 0; i < COUNT(ids); i++) {
		assert_int_equal(ids[i].n, 29);
		for (size_t j = 0; j < i; j++)
			assert_false(str_eq(ids[i], ids[j]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_parameters_go),
		cmocka_unit_test(test_what_cannot_be_done_is_named),
		cmocka_unit_test(test_which_path_is_taken),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_calls_without_ids_get_some),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
