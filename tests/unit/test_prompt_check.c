/* SPDX-License-Identifier: MIT
 * test_prompt_check.c - what is refused in any dialect before a provider is asked, and the place
 * that the refusal names. */
#include "worker/client/prompt_check.h"

#include "tests/unit/llm_fixture.h"

static int check(const struct dialect *d, const char *text, struct llm_request *q,
		 struct dialect_error *err)
{
	struct json_error error;
	struct str body = str_z(text);
	const struct json *root = json_parse(mem, body, JSON_ONE_KEY, &error);
	if (!root)
		fail_msg("not JSON at %zu: %s", error.at, text);
	*q = (struct llm_request){ .model = STR("m") };
	*err = (struct dialect_error){ 0 };
	if (d->read_request(mem, body, root, q, err))
		fail_msg("%s: " STR_FMT, text, STR_ARG(err->message));
	return prompt_check(mem, q, err);
}

#define O &dialect_openai_chat
#define A &dialect_anthropic_messages
#define G &dialect_gemini_chat
#define L &dialect_ollama_chat
#define OPENAI(messages) "{\"model\":\"m\",\"messages\":[" messages "]}"
#define OPENAI_TOOL(function) "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[{\"type\":\"function\",\"function\":" function "}]}"
#define SCHEMA(schema) OPENAI_TOOL("{\"name\":\"f\",\"parameters\":" schema "}")
#define IMAGE(link) OPENAI("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"" link "\"}}]}")
#define ANTHROPIC(blocks) "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[" blocks "]}]}"
#define ANTHROPIC_TOOL(tool) "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[" tool "]}"
#define GEMINI(parts) "{\"contents\":[{\"parts\":[" parts "]}]}"
#define GEMINI_TOOL(function) "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}],\"tools\":[{\"functionDeclarations\":[" function "]}]}"
#define OLLAMA(message) "{\"model\":\"m\",\"messages\":[" message "]}"
#define NAME64 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg"

static const struct {
	const struct dialect *dialect;
	const char *body, *param, *says;
} refused[] = {
	{ O, IMAGE("data:image/png;base64,no*no"), "messages[0].content[0].image_url.url", "must be base64" },
	{ O, IMAGE("data:image/png;base64,"), "messages[0].content[0].image_url.url", "must be base64" },
	{ O, IMAGE("data:image/png;base64,AA\\u0020AA"), "messages[0].content[0]", "must be base64" },
	{ O, IMAGE("data:image/png;base64,AA=A"), "messages[0].content[0].image_url.url", "must be base64" },
	{ O, OPENAI("{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"?\",\"format\":\"wav\"}}]}"), "messages[0].content[0].input_audio.data", "must be base64" },
	{ O, OPENAI("{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"x\"}"), "messages[0].tool_call_id", "not among the messages before" },
	{ O, OPENAI("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"x\"}"), "messages[1].tool_call_id", "not among the messages before" },
	{ O, OPENAI("{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"x\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"), "messages[0].tool_call_id", "not among the messages before" },
	{ O, OPENAI("{\"role\":\"function\",\"name\":\"f\",\"content\":\"x\"}"), "messages[0]", "not among the messages before" },
	{ O, OPENAI_TOOL("{\"name\":\"\"}"), "tools[0].function.name", "must be 1 to 64 letters" },
	{ O, OPENAI_TOOL("{\"name\":\"a b\"}"), "tools[0].function.name", "must be 1 to 64 letters" },
	{ O, OPENAI_TOOL("{\"name\":\"a.b\"}"), "tools[0].function.name", "must be 1 to 64 letters" },
	{ O, OPENAI_TOOL("{\"name\":\"" NAME64 "x\"}"), "tools[0].function.name", "must be 1 to 64 letters" },
	{ O, SCHEMA("{\"type\":\"thing\"}"), "tools[0].function.parameters.type", "must be null, boolean, object" },
	{ O, SCHEMA("{\"type\":\"string\"}"), "tools[0].function.parameters.type", "must be \"object\"" },
	{ O, SCHEMA("{\"type\":\"object\",\"properties\":[]}"), "tools[0].function.parameters.properties", "must be an object of schemas" },
	{ O, SCHEMA("{\"type\":\"object\",\"properties\":{\"a\":7}}"), "tools[0].function.parameters.properties.a", "must be a schema" },
	{ O, SCHEMA("{\"properties\":{\"a\":{\"type\":[\"string\",\"nil\"]}}}"), "tools[0].function.parameters.properties.a.type", "must be null, boolean, object" },
	{ O, SCHEMA("{\"type\":\"object\",\"required\":\"a\"}"), "tools[0].function.parameters.required", "must be an array of strings" },
	{ O, SCHEMA("{\"type\":\"object\",\"required\":[1]}"), "tools[0].function.parameters.required", "must be an array of strings" },
	{ O, SCHEMA("{\"$defs\":{\"a\":{\"anyOf\":{}}}}"), "tools[0].function.parameters.$defs.a.anyOf", "must be an array of schemas" },
	{ O, SCHEMA("{\"properties\":{\"a\":{\"enum\":\"x\"}}}"), "tools[0].function.parameters.properties.a.enum", "must be an array" },
	{ O, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"items\":3}}}}", "response_format.json_schema.schema.items", "must be a schema" },
	{ O, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"functions\":[{\"name\":\"f\",\"parameters\":{\"type\":0}}]}", "functions[0].parameters.type", "must be null, boolean" },
	{ A, ANTHROPIC("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"<png>\"}}"), "messages[0].content[0].source.data", "must be base64" },
	{ A, ANTHROPIC("{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"x\"}"), "messages[0].content[1].tool_use_id", "not among the messages before" },
	{ A, ANTHROPIC_TOOL("{\"name\":\"a.b\",\"input_schema\":{\"type\":\"object\"}}"), "tools[0].name", "must be 1 to 128" },
	{ A, ANTHROPIC_TOOL("{\"name\":\"f\",\"input_schema\":{\"type\":\"array\"}}"), "tools[0].input_schema.type", "must be \"object\"" },
	{ G, GEMINI("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"!\"}}"), "contents[0].parts[0].inlineData.data", "must be base64" },
	{ G, GEMINI("{\"functionResponse\":{\"name\":\"f\",\"response\":{}}}"), "contents[0].parts[0]", "not among the messages before" },
	{ G, GEMINI_TOOL("{\"name\":\"f/g\"}"), "tools[0].functionDeclarations[0].name", "must be 1 to 128" },
	{ G, GEMINI_TOOL("{\"name\":\"f\",\"parametersJsonSchema\":{\"type\":1}}"), "tools[0].functionDeclarations[0].parametersJsonSchema.type", "must be null, boolean" },
	{ G, GEMINI_TOOL("{\"name\":\"f\",\"parameters\":{\"type\":\"STRING\"}}"), "tools[0].functionDeclarations[0]", "must be \"object\"" },
	{ L, OLLAMA("{\"role\":\"user\",\"content\":\"x\",\"images\":[\"AAAA\",\"http://x\"]}"), "messages[0].images[1]", "must be base64" },
	{ L, OLLAMA("{\"role\":\"tool\",\"tool_name\":\"f\",\"content\":\"x\"}"), "messages[0]", "not among the messages before" },
	{ L, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"format\":{\"properties\":7}}", "format.properties", "must be an object of schemas" },
};

static void test_what_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct dialect_error err;
		struct llm_request q;
		int r = check(refused[i].dialect, refused[i].body, &q, &err);
		if (r != -EINVAL || !str_eq_z(err.param, refused[i].param) || str_find(err.message, str_z(refused[i].says)) == SIZE_MAX)
			print_error("%s: %d, " STR_FMT "\n", refused[i].body, r, STR_ARG(err.message));
		assert_int_equal(r, -EINVAL);
		assert_int_equal(err.outcome, OUTCOME_BAD_REQUEST);
		assert_true(str_eq_z(err.param, refused[i].param) && str_starts(err.message, err.param));
		assert_true(str_find(err.message, str_z(refused[i].says)) != SIZE_MAX);
	}
}

static const struct {
	const struct dialect *dialect;
	const char *body;
} accepted[] = {
	{ O, IMAGE("data:image/png;base64,AAAA") },
	{ O, IMAGE("data:image/png;base64,AA\\nAA==") },
	{ O, IMAGE("data:image/png;base64,AA\\/A") },
	{ O, IMAGE("https://a.b/c?d=*") },
	{ O, OPENAI("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"x\"}") },
	{ O, OPENAI("{\"role\":\"assistant\",\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"role\":\"function\",\"name\":\"f\",\"content\":\"x\"}") },
	{ O, OPENAI_TOOL("{\"name\":\"" NAME64 "\"}") },
	{ O, SCHEMA("{}") },
	{ O, SCHEMA("{\"type\":[\"object\",\"null\"],\"properties\":{\"a\":true,\"b\":{\"$ref\":\"#/$defs/c\"}},\"required\":null,\"$defs\":{\"c\":{\"enum\":[1,\"x\"],\"items\":[{},{}]}},\"additionalProperties\":false,\"type2\":9}") },
	{ A, ANTHROPIC_TOOL("{\"name\":\"" NAME64 "x\",\"input_schema\":{\"type\":\"object\"}}") },
	{ A, ANTHROPIC_TOOL("{\"type\":\"web_search_20250305\",\"name\":\"web.search\"}") },
	{ G, GEMINI_TOOL("{\"name\":\"ns:f.g-h\",\"parameters\":{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"STRING\",\"nullable\":true}}}}") },
	{ L, OLLAMA("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]},{\"role\":\"tool\",\"content\":\"x\"}") },
};

static void test_what_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		struct dialect_error err;
		struct llm_request q;
		int r = check(accepted[i].dialect, accepted[i].body, &q, &err);
		if (r)
			print_error("%s: " STR_FMT "\n", accepted[i].body, STR_ARG(err.message));
		assert_int_equal(r, 0);
	}
}

static void test_the_alphabet_of_urls_becomes_the_common_one(void **state)
{
	struct dialect_error err;
	struct llm_request q;
	(void)state;
	assert_int_equal(check(G, GEMINI("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"ab-_AA==\"}}"), &q, &err), 0);
	assert_true(str_eq_z(q.messages->parts->data, "ab+/AA=="));
}

static void test_a_conversation_that_is_kept_may_have_the_call(void **state)
{
	struct dialect_error err;
	struct llm_request q;
	(void)state;
	assert_int_equal(check(O, OPENAI("{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"x\"}"), &q, &err), -EINVAL);
	q.conversation_id = STR("resp_1");
	assert_int_equal(prompt_check(mem, &q, &err), 0);
}

/* So many calls that looking through all of them for each result would be felt. */
static void test_many_calls_take_no_time(void **state)
{
	enum { MANY = 20000 };
	struct llm_part *parts = arena_array(mem, 2 * MANY, sizeof *parts);
	struct llm_message m = { .role = ROLE_ASSISTANT, .parts = parts };
	struct llm_request q = { .messages = &m };
	struct dialect_error err;
	(void)state;
	assert_non_null(parts);
	for (unsigned i = 0; i < 2 * MANY; i++) {
		parts[i].kind = i < MANY ? PART_TOOL_CALL : PART_TOOL_RESULT;
		parts[i].id = arena_printf(mem, "call_%u", i % MANY);
		parts[i].next = i + 1 < 2 * MANY ? &parts[i + 1] : NULL;
	}
	assert_int_equal(prompt_check(mem, &q, &err), 0);
}

static void test_memory_may_run_out(void **state)
{
	struct json_error error;
	struct dialect_error err;
	struct llm_request q = { 0 };
	struct str body = STR(OPENAI("{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"x\"}"));
	(void)state;
	const struct json *root = json_parse(mem, body, 0, &error);
	assert_int_equal(dialect_openai_chat.read_request(mem, body, root, &q, &err), 0);
	struct arena *full = arena_new(64);
	while (arena_alloc(full, 1))
		;
	assert_int_equal(prompt_check(full, &q, &err), -ENOMEM);
	arena_free(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_what_is_accepted),
		cmocka_unit_test(test_the_alphabet_of_urls_becomes_the_common_one),
		cmocka_unit_test(test_a_conversation_that_is_kept_may_have_the_call),
		cmocka_unit_test(test_many_calls_take_no_time),
		cmocka_unit_test(test_memory_may_run_out),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
