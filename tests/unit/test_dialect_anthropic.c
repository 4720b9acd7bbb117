/* SPDX-License-Identifier: MIT
 * test_dialect_anthropic.c - what the Anthropic dialect accepts and refuses, what of a request it
 * changes on the short way, and what it writes.
 *
 * A row that is refused names the place; one that is accepted is written by the provider adapter,
 * read again, and must say the same. Whole streams are vectors; see test_vectors.c. */
#include "worker/client/dialect_anthropic.h"

#include <stdio.h>

#include "tests/unit/anthropic_text.h"
#include "tests/unit/llm_fixture.h"

/* --- what is refused --- */

#define M "\"model\":\"m\",\"max_tokens\":9,"
#define U "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define CHAT(more) "{" M U "," more "}"
#define MSG(list) "{" M "\"messages\":[" list "]}"
#define USER(blocks) MSG("{\"role\":\"user\",\"content\":[" blocks "]}")
#define SAID(blocks) MSG("{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":[" blocks "]}")
#define DOC(source) USER("{\"type\":\"document\",\"source\":" source "}")

static const struct refused {
	const char *body, *param, *says;
} refused[] = {
	{ "{" U "}", "model", "is missing" },
	{ "{\"max_tokens\":9," U "}", "model", "is missing" },
	{ "{\"model\":\"\",\"max_tokens\":9," U "}", "model", "must not be empty" },
	{ "{\"model\":7,\"max_tokens\":9," U "}", "model", "must be a string, not a number" },
	{ "{\"model\":\"m\"," U "}", "max_tokens", "is missing" },
	{ "{\"model\":\"m\",\"max_tokens\":null," U "}", "max_tokens", "is missing" },
	{ "{\"model\":\"m\",\"max_tokens\":\"9\"," U "}", "max_tokens", "must be a whole number" },
	{ "{\"model\":\"m\",\"max_tokens\":-1," U "}", "max_tokens", "must be between 0 and" },
	{ "{" M "\"x\":1}", "messages", "is missing" },
	{ "{" M "\"messages\":null}", "messages", "is missing" },
	{ "{" M "\"messages\":\"hi\"}", "messages", "must be an array, not a string" },
	{ "{" M "\"messages\":[]}", "messages", "must not be empty" },
	{ MSG("{\"role\":\"user\",\"content\":\"\"}"), "messages", "must not be empty" },
	{ MSG("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\" \\n\"}]}"), "messages", "must not be empty" },
	{ MSG("7"), "messages[0]", "must be an object" },
	{ MSG("{\"content\":\"hi\"}"), "messages[0].role", "is missing" },
	{ MSG("{\"role\":7,\"content\":\"hi\"}"), "messages[0].role", "must be a string" },
	{ MSG("{\"role\":\"tool\",\"content\":\"hi\"}"), "messages[0].role", "must be \"user\" or \"assistant\"" },
	{ MSG("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\"}"), "messages[1].content", "is missing" },
	{ MSG("{\"role\":\"user\",\"content\":{}}"), "messages[0].content", "must be a string or an array of blocks" },
	{ USER("\"hi\""), "messages[0].content[0]", "must be an object" },
	{ USER("{\"text\":\"hi\"}"), "messages[0].content[0].type", "is missing" },
	{ USER("{\"type\":7}"), "messages[0].content[0].type", "must be a string" },
	{ USER("{\"type\":\"text\"}"), "messages[0].content[0].text", "is missing" },
	{ USER("{\"type\":\"text\",\"text\":[]}"), "messages[0].content[0].text", "must be a string, not an array" },
	{ USER("{\"type\":\"image\"}"), "messages[0].content[0].source", "is missing" },
	{ USER("{\"type\":\"image\",\"source\":\"x\"}"), "messages[0].content[0].source", "must be an object" },
	{ USER("{\"type\":\"image\",\"source\":{}}"), "messages[0].content[0].source.type", "is missing" },
	{ USER("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"x\"}}"), "messages[0].content[0].source.media_type", "is missing" },
	{ USER("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\"}}"), "messages[0].content[0].source.data", "is missing" },
	{ USER("{\"type\":\"image\",\"source\":{\"type\":\"url\"}}"), "messages[0].content[0].source.url", "is missing" },
	{ USER("{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":7}}"), "messages[0].content[0].source.file_id", "must be a string" },
	{ DOC("7"), "messages[0].content[0].source", "must be an object" },
	{ DOC("{\"type\":\"text\"}"), "messages[0].content[0].source.data", "is missing" },
	{ DOC("{\"type\":\"content\"}"), "messages[0].content[0].source.content", "is missing" },
	{ DOC("{\"type\":\"content\",\"content\":[{\"type\":\"text\"}]}"), "messages[0].content[0].source.content[0].text", "is missing" },
	{ USER("{\"type\":\"document\",\"title\":7,\"source\":{\"type\":\"url\",\"url\":\"u\"}}"), "messages[0].content[0].title", "must be a string" },
	{ USER("{\"type\":\"search_result\",\"source\":\"s\"}"), "messages[0].content[0].title", "is missing" },
	{ USER("{\"type\":\"search_result\",\"title\":\"t\"}"), "messages[0].content[0].source", "is missing" },
	{ USER("{\"type\":\"search_result\",\"title\":\"t\",\"source\":\"s\",\"content\":\"x\"}"), "messages[0].content[0].content", "must be an array" },
	{ USER("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}}"), "messages[0].content[0].type", "cannot be \"tool_use\" here" },
	{ USER("{\"type\":\"thinking\",\"thinking\":\"a\"}"), "messages[0].content[0].type", "cannot be \"thinking\" here" },
	{ USER("{\"type\":\"tool_result\"}"), "messages[0].content[0].tool_use_id", "is missing" },
	{ USER("{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":7}"), "messages[0].content[0].content", "must be a string or an array" },
	{ USER("{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":[7]}"), "messages[0].content[0].content[0]", "must be an object" },
	{ USER("{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":[{\"type\":\"text\",\"text\":7}]}"), "messages[0].content[0].content[0].text", "must be a string" },
	{ USER("{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"tool_result\",\"tool_use_id\":\"b\"}]}"), "messages[0].content[0].content[1].type", "cannot be \"tool_result\" here" },
	{ USER("{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"is_error\":\"yes\"}"), "messages[0].content[0].is_error", "must be true or false" },
	{ SAID("{\"type\":\"tool_result\",\"tool_use_id\":\"a\"}"), "messages[1].content[0].type", "cannot be \"tool_result\" here" },
	{ SAID("{\"type\":\"image\",\"source\":{}}"), "messages[1].content[0].type", "cannot be \"image\" here" },
	{ SAID("{\"type\":\"tool_use\",\"name\":\"f\"}"), "messages[1].content[0].id", "is missing" },
	{ SAID("{\"type\":\"tool_use\",\"id\":\"a\"}"), "messages[1].content[0].name", "is missing" },
	{ SAID("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":\"{}\"}"), "messages[1].content[0].input", "must be an object" },
	{ SAID("{\"type\":\"thinking\",\"signature\":\"s\"}"), "messages[1].content[0].thinking", "is missing" },
	{ SAID("{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":1}"), "messages[1].content[0].signature", "must be a string" },
	{ SAID("{\"type\":\"redacted_thinking\"}"), "messages[1].content[0].data", "is missing" },
	{ CHAT("\"system\":7"), "system", "must be a string or an array of blocks" },
	{ CHAT("\"system\":[7]"), "system[0]", "must be an object" },
	{ CHAT("\"system\":[{\"type\":\"image\",\"source\":{}}]"), "system[0].type", "cannot be \"image\" here" },
	{ CHAT("\"system\":[{\"type\":\"text\"}]"), "system[0].text", "is missing" },
	{ CHAT("\"stream\":1"), "stream", "must be true or false" },
	{ CHAT("\"temperature\":\"1\""), "temperature", "must be a number" },
	{ CHAT("\"top_p\":{}"), "top_p", "must be a number" },
	{ CHAT("\"top_k\":true"), "top_k", "must be a number" },
	{ CHAT("\"stop_sequences\":\"a\""), "stop_sequences", "must be an array, not a string" },
	{ CHAT("\"stop_sequences\":[\"a\",7]"), "stop_sequences[1]", "must be a string" },
	{ CHAT("\"stop_sequences\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"), "stop_sequences", "must not hold more than 16" },
	{ CHAT("\"tools\":{}"), "tools", "must be an array" },
	{ CHAT("\"tools\":[7]"), "tools[0]", "must be an object" },
	{ CHAT("\"tools\":[{\"type\":7}]"), "tools[0].type", "must be a string" },
	{ CHAT("\"tools\":[{\"input_schema\":{}}]"), "tools[0].name", "is missing" },
	{ CHAT("\"tools\":[{\"name\":\"f\"}]"), "tools[0].input_schema", "is missing" },
	{ CHAT("\"tools\":[{\"name\":\"f\",\"input_schema\":[]}]"), "tools[0].input_schema", "must be an object" },
	{ CHAT("\"tools\":[{\"name\":\"f\",\"description\":1,\"input_schema\":{}}]"), "tools[0].description", "must be a string" },
	{ CHAT("\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"strict\":1}]"), "tools[0].strict", "must be true or false" },
	{ CHAT("\"tool_choice\":\"auto\""), "tool_choice", "must be an object, not a string" },
	{ CHAT("\"tool_choice\":{}"), "tool_choice.type", "is missing" },
	{ CHAT("\"tool_choice\":{\"type\":\"required\"}"), "tool_choice.type", "must be \"auto\", \"any\"" },
	{ CHAT("\"tool_choice\":{\"type\":\"tool\"}"), "tool_choice.name", "is missing" },
	{ CHAT("\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":1}"), "tool_choice.disable_parallel_tool_use", "must be true or false" },
	{ CHAT("\"thinking\":true"), "thinking", "must be an object" },
	{ CHAT("\"thinking\":{}"), "thinking.type", "is missing" },
	{ CHAT("\"thinking\":{\"type\":\"enabled\"}"), "thinking.budget_tokens", "is missing" },
	{ CHAT("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":-5}"), "thinking.budget_tokens", "must be between 0 and" },
	{ CHAT("\"output_config\":[]"), "output_config", "must be an object" },
	{ CHAT("\"output_config\":{\"effort\":5}"), "output_config.effort", "must be a string" },
	{ CHAT("\"output_config\":{\"format\":{\"type\":\"json_schema\"}}"), "output_config.format.schema", "is missing" },
	{ CHAT("\"metadata\":\"u\""), "metadata", "must be an object" },
	{ CHAT("\"metadata\":{\"user_id\":7}"), "metadata.user_id", "must be a string" },
	{ CHAT("\"service_tier\":1"), "service_tier", "must be a string" },
	{ CHAT("\"cache_control\":\"x\""), "cache_control", "must be an object" },
	{ CHAT("\"mcp_servers\":{}"), "mcp_servers", "must be an array" },
	{ CHAT("\"fallbacks\":\"x\""), "fallbacks", "must be an array" },
	{ CHAT("\"timeout\":-1"), "timeout", "must be between 0 and" },
	{ CHAT("\"num_retries\":-1"), "num_retries", "must be between 0 and" },
	{ CHAT("\"litellm_metadata\":7"), "litellm_metadata", "must be an object" },
	{ CHAT("\"api_base\":\"http://x\""), "api_base",
	  "Rejected Request: api_base is not allowed in request body" },
	{ CHAT("\"api_key\":\"k\""), "api_key",
	  "Rejected Request: api_key is not allowed in request body" },
};

static void test_a_refusal_names_the_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		const struct refused *row = &refused[i];
		struct dialect_error err = { 0 };
		struct llm_request q;
		int r = read_body(&dialect_anthropic_messages, str_z(row->body), &q, &err);
		bool is_good = r == -EINVAL && err.outcome == OUTCOME_BAD_REQUEST &&
			       str_eq_z(err.param, row->param) && str_find(err.message, err.param) != SIZE_MAX &&
			       str_find(err.message, str_z(row->says)) != SIZE_MAX;
		if (!is_good)
			print_error("%s\n gave %d " STR_FMT ": " STR_FMT "\n", row->body, r,
				    STR_ARG(err.param), STR_ARG(err.message));
		assert_true(is_good);
		arena_reset(mem);
	}
	assert_true(COUNT(refused) >= 50);
}

/* --- what is accepted --- */

#define PNG "{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"iVBO\"}"

static const struct accepted {
	const char *body;
	const char *says;	/* a part of the neutral request as text */
} accepted[] = {
	{ "{" M U "}", "user \n    text text=<hi>" },
	{ "{\"model\":\"m\",\"max_tokens\":0," U "}", "max_tokens=1 " },
	{ CHAT("\"stream\":true,\"temperature\":0.50,\"top_p\":1,\"top_k\":40"), "temperature=<0.50> top_p=<1> top_k=<40>" },
	{ CHAT("\"stream\":null,\"system\":null,\"tools\":null,\"stop_sequences\":null,\"thinking\":null"), "choice=unset" },
	{ CHAT("\"stop_sequences\":[\"a\",\"\\n\"]"), "stop=<a> stop=<\n>" },
	{ CHAT("\"system\":\"You help.\""), "  system \n    text text=<You help.> \n  user " },
	{ CHAT("\"system\":\"\""), "n=1 \n  user " },
	{ "{" M "\"system\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":\"text\",\"text\":\"b\"}]," U "}",
	  "text=<a> \n    text text=<b> \n  user \n" },
	{ "{" M "\"system\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\"}}]," U "}", "cache_control=<{\"type\":\"ephemeral\"}>" },
	{ MSG("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"b\"}]}"),
	  "  user \n    text text=<a> \n    text text=<b> \n\n" },
	{ MSG("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b  \\n\"}"), "  assistant \n    text text=<b> \n" },
	{ MSG("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\" \"},{\"role\":\"user\",\"content\":\"c\"}"),
	  "  user \n    text text=<a> \n    text text=<c> \n" },
	{ USER("{\"type\":\"text\",\"text\":\" \"},{\"type\":\"text\",\"text\":\"\\u00e4\"}"), "user \n    text text=<\xc3\xa4>" },
	{ USER("{\"type\":\"image\",\"source\":" PNG ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}"), "image mime=<image/png> data=<iVBO>" },
	{ USER("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x/a.png\"}}"), "image url=<https://x/a.png>" },
	{ USER("{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}"), "image file_id=<f>" },
	{ USER("{\"type\":\"image\",\"source\":{\"type\":\"new\",\"x\":1}}"), "other text=<image> raw=<{\"type\":\"image\"" },
	{ DOC("{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"JVBE\"}"), "file mime=<application/pdf> data=<JVBE> filename=<document.pdf>" },
	{ USER("{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"u\"},\"title\":\"T\",\"citations\":{\"enabled\":true}}"), "file url=<u> filename=<T>" },
	{ USER("{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"u\"},\"citations\":{\"enabled\":true}}"), "citations=<{\"enabled\":true}>" },
	{ DOC("{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"plain\"}"), "text text=<plain>" },
	{ DOC("{\"type\":\"content\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}"), "text text=<a\nb>" },
	{ DOC("{\"type\":\"content\",\"content\":\"whole\"}"), "text text=<whole>" },
	{ DOC("{\"type\":\"content\",\"content\":[{\"type\":\"image\",\"source\":" PNG "}]}"), "other text=<document> " },
	{ USER("{\"type\":\"search_result\",\"title\":\"t\",\"source\":\"s\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}"), "text text=<t\ns\nx>" },
	{ USER("{\"type\":\"container_upload\",\"file_id\":\"f\"}"), "other text=<container_upload> raw=<{" },
	{ SAID("{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}},{\"type\":\"text\",\"text\":\"a\"}"), "other text=<server_tool_use> " },
	{ "{" M "\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}],\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"
	  "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},{\"type\":\"redacted_thinking\",\"data\":\"r\"},{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"b\" : 1.50}}]},"
	  "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"and?\"},{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":[{\"type\":\"text\",\"text\":\"1\"},{\"type\":\"image\",\"source\":" PNG "},{\"type\":\"text\",\"text\":\"2\"}],\"is_error\":true}]}]}",
	  "  assistant \n    reasoning text=<t> signature=<s> \n    reasoning text=<> data=<r> \n    text text=<x> \n    call text=<{\"b\" : 1.50}> id=<a> name=<f> \n"
	  "  tool \n    result text=<1\n2> id=<a> \n    image mime=<image/png> data=<iVBO> \n  user \n    text text=<and?> \n" },
	{ "{" M "\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}],\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\"},{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"f\",\"input\":{}}]},"
	  "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"a\"}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"b\",\"content\":\"r\",\"is_error\":false}]},{\"role\":\"user\",\"content\":\"go\"}]}",
	  "call text=<{}> id=<a> name=<f> \n    call text=<{}> id=<b> name=<f> \n  tool \n    result text=<> id=<a> \n    result text=<r> id=<b> \n  user \n    text text=<go>" },
	{ CHAT("\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"a\":{}}},\"strict\":true,\"cache_control\":{\"type\":\"ephemeral\"}}],\"tool_choice\":{\"type\":\"any\"}"),
	  "choice=required " },
	{ CHAT("\"tools\":[{\"type\":\"custom\",\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}]"), "tool 0 name=<f> schema=<{\"type\":\"object\"}>" },
	{ CHAT("\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]"), "tool 2 name=<bash_20250124> schema=<{\"type\":\"bash_20250124\",\"name\":\"bash\"}>" },
	{ CHAT("\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\",\"disable_parallel_tool_use\":true}"),
	  "choice=named choice_name=<f> parallel=0 " },
	{ CHAT("\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}],\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":false}"), "choice=auto format" },
	{ CHAT("\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}],\"tool_choice\":{\"type\":\"none\",\"disable_parallel_tool_use\":true}"), "choice=none format" },
	{ CHAT("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024,\"display\":\"omitted\"}"), "reasoning_effort=<low>" },
	{ CHAT("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048}"), "reasoning_effort=<medium>" },
	{ CHAT("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096}"), "reasoning_effort=<high>" },
	{ CHAT("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096}"), "thinking=<{\"type\":\"enabled\",\"budget_tokens\":4096}>" },
	{ CHAT("\"thinking\":{\"type\":\"disabled\"}"), "thinking=<{\"type\":\"disabled\"}>" },
	{ CHAT("\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"max\"}"), "reasoning_effort=<xhigh>" },
	{ CHAT("\"output_config\":{\"effort\":\"low\"},\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9999}"), "reasoning_effort=<low>" },
	{ CHAT("\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}}"), "format=schema format_schema=<{\"type\":\"object\"}> format_strict=1" },
	{ CHAT("\"output_format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}"), "format=schema " },
	{ CHAT("\"metadata\":{\"user_id\":\"a@b.example\"}"), "user=<a@b.example>" },
	{ CHAT("\"metadata\":{\"user_id\":null}"), "n=1 " },
	{ CHAT("\"service_tier\":\"standard_only\",\"container\":\"c\",\"x_new\":[1,{}]"), "service_tier=<\"standard_only\"> container=<\"c\"> x_new=<[1,{}]>" },
	{ CHAT("\"mcp_servers\":[],\"context_management\":{\"edits\":[]},\"cache_control\":{\"type\":\"ephemeral\"},\"inference_geo\":\"eu\""), "context_management=<{\"edits\":[]}>" },
	{ CHAT("\"seed\":5,\"n\":3,\"stop\":\"x\""), "seed=<5> n=<3> stop=<\"x\">" },
};

static struct str write_again(const struct llm_request *q)
{
	struct provider_target target = { .model = q->model };
	struct llm_error err = { 0 };
	struct str body;
	int r = write_to_anthropic(mem, q, &target, &body, &err);
	if (r)
		print_error("not written: " STR_FMT "\n", STR_ARG(err.message));
	assert_int_equal(r, 0);
	return body;
}

static void test_what_is_accepted_is_written_and_accepted_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		struct dialect_error err = { 0 };
		struct llm_request q, again;
		int r = read_body(&dialect_anthropic_messages, str_z(accepted[i].body), &q, &err);
		if (r)
			print_error("%s\n refused: " STR_FMT "\n", accepted[i].body, STR_ARG(err.message));
		assert_int_equal(r, 0);
		struct str text = anthropic_request_text(mem, &q);
		if (str_find(text, str_z(accepted[i].says)) == SIZE_MAX)
			print_error("%s\n is " STR_FMT "\n", accepted[i].body, STR_ARG(text));
		assert_true(str_find(text, str_z(accepted[i].says)) != SIZE_MAX);
		struct str body = write_again(&q);
		r = read_body(&dialect_anthropic_messages, body, &again, &err);
		struct str text_again = r ? err.message : anthropic_request_text(mem, &again);
		if (!str_eq(text, text_again))
			print_error(STR_FMT "\n" STR_FMT " became " STR_FMT "\n", STR_ARG(body),
				    STR_ARG(text), STR_ARG(text_again));
		assert_true(str_eq(text, text_again));
		arena_reset(mem);
	}
}

static void test_the_gateways_own_members_are_taken(void **state)
{
	(void)state;
	struct dialect_error err;
	struct llm_request q;
	const char *body = CHAT("\"litellm_metadata\":{\"tags\":[\"a\"]},\"fallbacks\":[\"b\"],\"num_retries\":2,"
				"\"timeout\":1.5,\"stream_timeout\":3,\"mock_response\":\"x\",\"cache\":{},"
				"\"disable_fallbacks\":true,\"drop_params\":true,\"litellm_trace_id\":\"t\"");
	assert_int_equal(read_body(&dialect_anthropic_messages, str_z(body), &q, &err), 0);
	assert_true(json_is(q.metadata, JSON_OBJECT) && json_is(q.fallbacks, JSON_ARRAY));
	assert_true(json_is(q.mock_response, JSON_STRING) && q.num_retries == 2);
	assert_true(q.timeout_s > 1.4 && q.timeout_s < 1.6 && q.stream_timeout_s > 2.9);
	assert_true(q.disable_fallbacks && q.drop_params);
	assert_null(q.other);
	assert_int_equal(q.prompt_bytes, 2);
	assert_int_equal(q.n_messages, 1);
	assert_int_equal(q.family, FAMILY_ANTHROPIC);
}

static void test_bytes_and_media_are_counted(void **state)
{
	(void)state;
	struct dialect_error err;
	struct llm_request q;
	const char *body = "{" M "\"system\":\"123\",\"tools\":[{\"name\":\"fn\",\"description\":\"d\",\"input_schema\":{}}],"
			   "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"12345\"},{\"type\":\"image\",\"source\":" PNG "},"
			   "{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]},"
			   "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"fn\",\"input\":{}}]},"
			   "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c\",\"content\":\"1234\"}]}]}";
	assert_int_equal(read_body(&dialect_anthropic_messages, str_z(body), &q, &err), 0);
	assert_int_equal(q.prompt_bytes, 3 + (2 + 1 + 2) + 5 + (2 + 2) + 4);
	assert_int_equal(q.media_parts, 2);
	assert_int_equal(q.n_messages, 4);
}

static void test_tokens_are_counted(void **state)
{
	(void)state;
	struct str body = STR("{\"model\":\"m\",\"system\":\"You help.\"," U "}"), none = STR("{\"model\":\"m\"}");
	struct dialect_error err = { 0 };
	struct json_error error;
	struct llm_request q = { 0 };
	struct buf out;
	char want[64];
	buf_init(&out, 256);
	assert_int_equal(anthropic_count_tokens(mem, body, json_parse(mem, body, JSON_ONE_KEY, &error), &q, &out, &err), 0);
	snprintf(want, sizeof want, "{\"input_tokens\":%llu}", (unsigned long long)estimate_prompt(&q));
	assert_string_equal(buf_z(&out), want);
	assert_true(estimate_prompt(&q) > 5);
	assert_int_equal(anthropic_count_tokens(mem, none, json_parse(mem, none, JSON_ONE_KEY, &error), &q, &out, &err), -EINVAL);
	assert_true(str_eq_z(err.param, "messages"));
	buf_done(&out);
}

/* --- for providers of other families --- */

static struct str write_for(const struct provider *p, const char *body)
{
	struct provider_target target = { .model = STR("up") };
	struct provider_call call = { 0 };
	struct dialect_error err = { 0 };
	struct llm_error refusal = { 0 };
	struct llm_request q;
	if (read_body(&dialect_anthropic_messages, str_z(body), &q, &err))
		fail_msg("%s: " STR_FMT, body, STR_ARG(err.message));
	q.other = NULL;		/* words of another family */
	buf_init(&call.path, 256);
	buf_init(&call.body, 1 << 16);
	if (p->write_request(mem, &q, &target, &call, &refusal))
		fail_msg("%s: " STR_FMT, body, STR_ARG(refusal.message));
	struct str s = arena_dup(mem, buf_str(&call.body));
	buf_done(&call.path);
	buf_done(&call.body);
	return s;
}

static void test_what_openai_is_asked(void **state)
{
	(void)state;
	expect_str(write_for(&provider_openai,
		"{" M "\"system\":[{\"type\":\"text\",\"text\":\"S\"}],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":3000},\"metadata\":{\"user_id\":\"u\"},"
		"\"stop_sequences\":[\"E\"],\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"}}],\"tool_choice\":{\"type\":\"any\"},"
		"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":" PNG "},{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"doc\"}}]},"
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"x\":1}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"and?\"},{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"r\"}]}]}"),
		"{\"model\":\"up\",\"messages\":[{\"role\":\"system\",\"content\":\"S\"},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBO\"}},{\"type\":\"text\",\"text\":\"doc\"}]},"
		"{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"r\"},{\"role\":\"user\",\"content\":\"and?\"}],"
		"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}}],\"tool_choice\":\"required\","
		"\"max_tokens\":9,\"stop\":[\"E\"],\"reasoning_effort\":\"medium\",\"user\":\"u\"}");
}

static void test_what_ollama_is_asked(void **state)
{
	(void)state;
	expect_str(write_for(&provider_ollama_chat,
		"{" M "\"system\":\"S\",\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}],"
		"\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"x\":1}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"r\"},{\"type\":\"text\",\"text\":\"and?\"}]}]}"),
		"{\"model\":\"up\",\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"q\"},"
		"{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}]},"
		"{\"role\":\"tool\",\"content\":\"r\",\"tool_name\":\"f\",\"tool_call_id\":\"t\"},{\"role\":\"user\",\"content\":\"and?\"}],"
		"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}],\"stream\":false,\"options\":{\"num_predict\":9}}");
}

/* --- the short way: requests --- */

static const struct forwarded {
	const char *body, *params, *extra, *out;
} forwarded[] = {
	{ "{" M U "}", NULL, NULL, "{\"model\":\"up\",\"max_tokens\":9," U "}" },
	{ " { \"max_tokens\" : 9, \"messages\" : [{\"role\":\"user\",\"content\":\"hi\"}] ,\n\t\"model\" :\"m\" } ", NULL, NULL,
	  " { \"max_tokens\" : 9, \"messages\" : [{\"role\":\"user\",\"content\":\"hi\"}] ,\n\t\"model\" :\"up\" } " },
	{ CHAT("\"stream\":true,\"x\":1.0E+2,\"metadata\":{\"user_id\":\"u\"}"), NULL, NULL,
	  "{\"model\":\"up\",\"max_tokens\":9," U ",\"stream\":true,\"x\":1.0E+2,\"metadata\":{\"user_id\":\"u\"}}" },
	/* our own go, wherever they stand */
	{ "{\"litellm_metadata\":{}," M U "}", NULL, NULL, "{\"model\":\"up\",\"max_tokens\":9," U "}" },
	{ "{\"fallbacks\":[],\"tags\":[], " M U "}", NULL, NULL, "{ \"model\":\"up\",\"max_tokens\":9," U "}" },
	{ CHAT("\"num_retries\" : 5 , \"cache\":{\"a\":[1,{}]} "), NULL, NULL, "{\"model\":\"up\",\"max_tokens\":9," U " }" },
	/* the deployment's parameters where the client says nothing, if the vendor knows their names */
	{ "{" M U "}", "{\"temperature\":0.2,\"seed\":4,\"max_tokens\":5,\"thinking\":{}}", NULL,
	  "{\"model\":\"up\",\"max_tokens\":9," U ",\"temperature\":0.2,\"thinking\":{}}" },
	{ CHAT("\"temperature\":null,\"top_p\":0.5"), "{\"temperature\":0.2,\"top_p\":1}", NULL,
	  "{\"model\":\"up\",\"max_tokens\":9," U ",\"temperature\":0.2,\"top_p\":0.5}" },
	/* extra_body wins, whatever it says */
	{ CHAT("\"temperature\":1"), "{\"temperature\":0.2}", "{\"temperature\":0.5,\"seed\":{},\"model\":\"y\",\"stream\":true}",
	  "{\"model\":\"up\",\"max_tokens\":9," U ",\"temperature\":0.5,\"seed\":{}}" },
	{ "{" M U "}", "not json", "[1]", "{\"model\":\"up\",\"max_tokens\":9," U "}" },
};

static void test_only_what_must_change_is_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forwarded); i++) {
		struct dialect_error err;
		struct llm_request q;
		struct buf out;
		buf_init(&out, 1 << 16);
		assert_int_equal(read_body(&dialect_anthropic_messages, str_z(forwarded[i].body), &q, &err), 0);
		assert_int_equal(dialect_anthropic_messages.forward_request(mem, &q, STR("up"), str_z(forwarded[i].params),
									    str_z(forwarded[i].extra), &out), 0);
		expect_str(buf_str(&out), forwarded[i].out);
		buf_done(&out);
		arena_reset(mem);
	}
}

/* A path may name the model, and the body need not. */
static void test_a_model_from_the_path_is_kept(void **state)
{
	(void)state;
	struct dialect_error err;
	struct json_error error;
	struct str body = STR("{\"max_tokens\":9," U "}");
	struct llm_request q = { .model = STR("from-path") };
	const struct json *root = json_parse(mem, body, JSON_ONE_KEY, &error);
	struct buf out;
	buf_init(&out, 4096);
	assert_int_equal(dialect_anthropic_messages.read_request(mem, body, root, &q, &err), 0);
	dialect_anthropic_messages.forward_request(mem, &q, STR("u\"p"), STR_NONE, STR_NONE, &out);
	expect_str(buf_str(&out), "{\"max_tokens\":9," U ",\"model\":\"u\\\"p\"}");
	buf_done(&out);
}

/* --- the short way: answers --- */

static struct llm_request request = { .kind = LLM_CHAT, .n = 1, .is_stream = true, .model = { "asked", 5 } };

static struct dialect_answer answer_for(const struct llm_request *q)
{
	return (struct dialect_answer){
		.mem = mem, .q = q, .model = STR("asked"), .id = STR("chatcmpl-1"), .created_s = 7,
	};
}

#define START "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"%s\",\"usage\":{\"input_tokens\":9,\"cache_read_input_tokens\":100,\"output_tokens\":1}}}\n\n"

static const char *const rest[] = {
	"event: ping\ndata: {\"type\": \"ping\"}\n\n",
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"model\\u00e4\"}}\n\n",
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"},\"usage\":{\"output_tokens\":15}}\n\n",
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
};

static int forward(struct dialect_answer *an, struct arena *scratch, const char *raw, struct buf *out)
{
	struct sse_event ev = { .raw = str_z(raw) };
	size_t at = str_find(ev.raw, STR("data: "));
	ev.data = str_of(raw + at + 6, ev.raw.n - at - 8);
	int r = dialect_anthropic_messages.forward_event(an, scratch, &ev, out);
	arena_reset(scratch);
	return r;
}

static void test_a_stream_on_the_short_way(void **state)
{
	(void)state;
	struct arena *scratch = arena_new(1 << 20);
	struct dialect_answer an = answer_for(&request);
	struct buf out, want;
	char start[512];
	buf_init(&out, 1 << 16);
	buf_init(&want, 1 << 16);
	snprintf(start, sizeof start, START, "claude-up");
	assert_int_equal(forward(&an, scratch, start, &out), 0);
	assert_true(an.tally.usage.input == 109 && !an.tally.has_content && !an.tally.is_done);
	for (size_t i = 0; i < COUNT(rest); i++)
		assert_int_equal(forward(&an, scratch, rest[i], &out), 0);
	buf_printf(&want, START, "asked");
	for (size_t i = 0; i < COUNT(rest); i++)
		buf_put_z(&want, rest[i]);
	assert_string_equal(buf_z(&out), buf_z(&want));
	assert_true(an.is_ended && an.tally.is_done && an.tally.finish == FINISH_LENGTH);
	assert_true(an.tally.usage.input == 109 && an.tally.usage.cache_read == 100 && an.tally.usage.output == 15);
	assert_int_equal(an.tally.content_bytes, 7);
	assert_int_equal(forward(&an, scratch, rest[2], &out), 0);	/* behind the end there is nothing */
	assert_int_equal(out.n, want.n);
	buf_done(&out);
	buf_done(&want);
	arena_free(scratch);
}

static void test_an_error_in_a_stream_is_held_back(void **state)
{
	(void)state;
	struct arena *scratch = arena_new(1 << 20);
	struct dialect_answer an = answer_for(&request);
	struct buf out;
	buf_init(&out, 1 << 16);
	assert_int_equal(forward(&an, scratch, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n", &out), 0);
	assert_true(an.tally.has_error && an.tally.error.outcome == OUTCOME_UP_UNAVAILABLE && out.n == 0);
	an = answer_for(&request);
	assert_int_equal(forward(&an, scratch, "data: {\"type\":\n\n", &out), -EBADMSG);
	buf_done(&out);
	arena_free(scratch);
}

static const struct {
	const char *in, *out;
} answers[] = {
	{ "{\"id\":\"msg_1\", \"model\" : \"up\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}\n",
	  "{\"id\":\"msg_1\", \"model\" : \"asked\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}\n" },
	{ "{\"content\":[]}", "{\"content\":[]}" },
	{ "{\"content\":[{\"type\":\"new\"}],\"model\":null}", "{\"content\":[{\"type\":\"new\"}],\"model\":null}" },
	{ "{\"content\":\"x\"}", NULL },
	{ "{\"content\":[7]}", NULL },
	{ "[]", NULL },
	{ "<html>", NULL },
};

static void test_plain_answers_on_the_short_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct dialect_answer an = answer_for(&request);
		struct buf out;
		buf_init(&out, 1 << 16);
		assert_int_equal(dialect_anthropic_messages.forward_answer(&an, str_z(answers[i].in), &out), answers[i].out ? 0 : -EBADMSG);
		if (answers[i].out)
			assert_string_equal(buf_z(&out), answers[i].out);
		assert_true(!answers[i].out || (an.tally.is_done && !an.tally.has_error));
		buf_done(&out);
	}
	struct dialect_answer an = answer_for(&request);
	struct buf out;
	buf_init(&out, 256);
	assert_int_equal(dialect_anthropic_messages.forward_answer(&an, STR("{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"no\"}}"), &out), 0);
	assert_true(an.tally.has_error && an.tally.error.outcome == OUTCOME_UP_RATE_LIMITED && out.n == 0);
	buf_done(&out);
}

/* --- the long way --- */

#define TEXT_OF(t) { (t), sizeof(t) - 1 }
#define ARGS(n, t) { .kind = EV_TOOL_ARGS, .tool = (n), .text = TEXT_OF(t) }
#define CALL(n, i, f) { .kind = EV_TOOL_START, .tool = (n), .id = TEXT_OF(i), .name = TEXT_OF(f) }

/* Calls that run side by side, thoughts of two blocks, words in between, another choice. */
static const struct llm_event said[] = {
	{ .kind = EV_START, .id = TEXT_OF("chatcmpl-x"), .model = TEXT_OF("up") },
	{ .kind = EV_USAGE, .usage = { .input = 10, .output = 1, .cache_read = 2, .cache_write = 3 } },
	{ .kind = EV_REASONING, .text = TEXT_OF("why") },
	{ .kind = EV_REASONING, .text = TEXT_OF("?"), .signature = TEXT_OF("s1") },
	{ .kind = EV_REASONING, .redacted = TEXT_OF("r1") },
	{ .kind = EV_REASONING, .text = TEXT_OF("more"), .signature = TEXT_OF("s2") },
	{ .kind = EV_REASONING, .text = TEXT_OF("again") },
	{ .kind = EV_TEXT, .text = TEXT_OF("He said \"\xc3\xa4\"") },
	{ .kind = EV_TEXT, .choice = 1, .text = TEXT_OF("other") },
	{ .kind = EV_TEXT, .text = TEXT_OF("\n") },
	CALL(0, "c1", "f"),
	ARGS(0, "{\"a\":\"}"),
	CALL(1, "c2", "g"),
	ARGS(1, "{\"b\":"),
	CALL(2, "", "h"),
	ARGS(0, "\\\"\"}"),
	ARGS(2, "{}"),
	{ .kind = EV_TEXT, .text = TEXT_OF("late") },
	ARGS(1, "[2]}"),
	CALL(3, "c4", "never whole"),
	ARGS(3, "{\"x\""),
	{ .kind = EV_TEXT, .text = TEXT_OF("end") },
	{ .kind = EV_FINISH, .finish = FINISH_TOOL_CALLS, .native = TEXT_OF("tool_calls") },
	{ .kind = EV_TEXT, .text = TEXT_OF("too late") },
	{ .kind = EV_USAGE, .usage = { .input = 10, .output = 5, .reasoning = 1 } },
	{ .kind = EV_END },
	{ .kind = EV_END },
};

#define EVENT(type, more) "event: " type "\ndata: {\"type\":\"" type "\"" more "}\n\n"
#define OPEN(i, block) EVENT("content_block_start", ",\"index\":" i ",\"content_block\":{" block "}")
#define PIECE(i, delta) EVENT("content_block_delta", ",\"index\":" i ",\"delta\":{" delta "}")
#define CLOSE(i) EVENT("content_block_stop", ",\"index\":" i)
#define THINK(i) OPEN(i, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
#define THOUGHT(i, t) PIECE(i, "\"type\":\"thinking_delta\",\"thinking\":\"" t "\"")
#define SIGNED(i, t) PIECE(i, "\"type\":\"signature_delta\",\"signature\":\"" t "\"")
#define TEXT(i) OPEN(i, "\"type\":\"text\",\"text\":\"\"")
#define WORDS(i, t) PIECE(i, "\"type\":\"text_delta\",\"text\":\"" t "\"")
#define TOOL(i, id, name) OPEN(i, "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}")
#define INPUT(i, t) PIECE(i, "\"type\":\"input_json_delta\",\"partial_json\":\"" t "\"")

static void test_a_stream_is_written_as_anthropic_does(void **state)
{
	(void)state;
	struct dialect_answer an = answer_for(&request);
	struct buf out;
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < COUNT(said); i++)
		assert_int_equal(dialect_anthropic_messages.write_event(&an, &said[i], &out), 0);
	expect_str(buf_str(&out),
		EVENT("message_start", ",\"message\":{\"id\":\"msg_x\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"asked\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
			"\"usage\":{\"input_tokens\":5,\"cache_creation_input_tokens\":3,\"cache_read_input_tokens\":2,\"output_tokens\":1}}")
		EVENT("ping", "")
		THINK("0") THOUGHT("0", "why") THOUGHT("0", "?") SIGNED("0", "s1") CLOSE("0")
		OPEN("1", "\"type\":\"redacted_thinking\",\"data\":\"r1\"") CLOSE("1")
		THINK("2") THOUGHT("2", "more") SIGNED("2", "s2") CLOSE("2")
		THINK("3") THOUGHT("3", "again") CLOSE("3")
		TEXT("4") WORDS("4", "He said \\\"\xc3\xa4\\\"") WORDS("4", "\\n") CLOSE("4")
		TOOL("5", "c1", "f") INPUT("5", "{\\\"a\\\":\\\"}") INPUT("5", "\\\\\\\"\\\"}") CLOSE("5")
		TOOL("6", "c2", "g") INPUT("6", "{\\\"b\\\":") INPUT("6", "[2]}") CLOSE("6")
		TOOL("7", "toolu_69d2d2714bb94ab10002", "h") INPUT("7", "{}") CLOSE("7")
		TEXT("8") WORDS("8", "late") CLOSE("8")
		TOOL("9", "c4", "never whole") INPUT("9", "{\\\"x\\\"") CLOSE("9")
		TEXT("10") WORDS("10", "end") CLOSE("10")
		EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},"
			"\"usage\":{\"input_tokens\":5,\"cache_creation_input_tokens\":3,\"cache_read_input_tokens\":2,\"output_tokens\":5,\"output_tokens_details\":{\"thinking_tokens\":1}}")
		EVENT("message_stop", ""));
	assert_true(an.is_ended && an.tally.is_done && an.tally.usage.output == 5);
	buf_done(&out);
}

static struct str collect_all(const struct llm_event *events, size_t n)
{
	struct dialect_answer an = answer_for(&request);
	struct buf out;
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(dialect_anthropic_messages.collect(&an, &events[i]), 0);
	assert_int_equal(dialect_anthropic_messages.write_answer(&an, &out), 0);
	struct str s = arena_dup(mem, buf_str(&out));
	buf_done(&out);
	return s;
}

static void test_a_plain_answer(void **state)
{
	(void)state;
	expect_str(collect_all(said, COUNT(said)),
		"{\"id\":\"msg_x\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"asked\",\"content\":["
		"{\"type\":\"thinking\",\"thinking\":\"why?\",\"signature\":\"s1\"},{\"type\":\"redacted_thinking\",\"data\":\"r1\"},"
		"{\"type\":\"thinking\",\"thinking\":\"more\",\"signature\":\"s2\"},{\"type\":\"thinking\",\"thinking\":\"again\",\"signature\":\"\"},"
		"{\"type\":\"text\",\"text\":\"He said \\\"\xc3\xa4\\\"\\n\"},{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"f\",\"input\":{\"a\":\"}\\\"\"}},"
		"{\"type\":\"tool_use\",\"id\":\"c2\",\"name\":\"g\",\"input\":{\"b\":[2]}},{\"type\":\"tool_use\",\"id\":\"toolu_69d2d2714bb94ab10002\",\"name\":\"h\",\"input\":{}},"
		"{\"type\":\"text\",\"text\":\"late\"},{\"type\":\"tool_use\",\"id\":\"c4\",\"name\":\"never whole\",\"input\":{\"_raw\":\"{\\\"x\\\"\"}},{\"type\":\"text\",\"text\":\"end\"}],"
		"\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"cache_creation_input_tokens\":3,\"cache_read_input_tokens\":2,\"output_tokens\":5,\"output_tokens_details\":{\"thinking_tokens\":1}}}");
	struct str out = collect_all(NULL, 0);
	assert_true(str_find(out, STR("\"id\":\"msg_1\"")) != SIZE_MAX);
	assert_true(str_find(out, STR("\"content\":[],\"stop_reason\":\"end_turn\"")) != SIZE_MAX);
}

static const struct {
	struct llm_event ev;
	const char *reason;
} reasons[] = {
	{ { .kind = EV_FINISH, .finish = FINISH_STOP, .native = TEXT_OF("stop") }, "end_turn" },
	{ { .kind = EV_FINISH, .finish = FINISH_STOP, .native = TEXT_OF("stop_sequence") }, "stop_sequence" },
	{ { .kind = EV_FINISH, .finish = FINISH_STOP, .native = TEXT_OF("tool_use") }, "end_turn" },
	{ { .kind = EV_FINISH, .finish = FINISH_LENGTH, .native = TEXT_OF("length") }, "max_tokens" },
	{ { .kind = EV_FINISH, .finish = FINISH_LENGTH, .native = TEXT_OF("model_context_window_exceeded") }, "model_context_window_exceeded" },
	{ { .kind = EV_FINISH, .finish = FINISH_TOOL_CALLS }, "tool_use" },
	{ { .kind = EV_FINISH, .finish = FINISH_FUNCTION }, "tool_use" },
	{ { .kind = EV_FINISH, .finish = FINISH_FILTER, .native = TEXT_OF("SAFETY") }, "refusal" },
	{ { .kind = EV_TOOL_START, .name = TEXT_OF("f") }, "tool_use" },
	{ { .kind = EV_REFUSAL, .text = TEXT_OF("no") }, "refusal" },
	{ { .kind = EV_TEXT, .text = TEXT_OF("yes") }, "end_turn" },
};

static void test_why_an_answer_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(reasons); i++) {
		char want[128];
		snprintf(want, sizeof want, "\"stop_reason\":\"%s\",", reasons[i].reason);
		assert_true(str_find(collect_all(&reasons[i].ev, 1), str_z(want)) != SIZE_MAX);
	}
}

static void feed_stream(struct provider_reader *rd, struct str bytes, struct said *to)
{
	struct arena *scratch = arena_new(1 << 20);
	while (bytes.n) {
		size_t end = str_find(bytes, STR("\n\n")), at = str_find(bytes, STR("data: "));
		struct sse_event ev = { .raw = bytes, .data = str_of(bytes.p + at + 6, end - at - 6) };
		assert_int_equal(provider_read_event(&provider_anthropic, rd, scratch, &ev,
						     say_anthropic_event, to), 0);
		arena_reset(scratch);
		bytes = str_skip(bytes, end + 2);
	}
	arena_free(scratch);
}

/* The sum of the deltas of a written stream, read by the provider's reader, is the plain answer. */
static void test_the_sum_of_deltas_is_the_plain_answer(void **state)
{
	(void)state;
	struct provider_reader a = { .mem = mem, .q = &request }, b = a;
	struct dialect_answer an = answer_for(&request);
	struct llm_event events[COUNT(said)];
	struct buf out, text, plain;
	size_t n = 0;
	buf_init(&out, 1 << 16);
	buf_init(&text, 1 << 16);
	buf_init(&plain, 1 << 16);
	struct said from_stream = { .to = &text }, from_plain = { .to = &plain };
	for (size_t i = 0; i < COUNT(said); i++)
		if (said[i].tool != 3)		/* what is no JSON stays as it is in a stream alone */
			events[n++] = said[i];
	for (size_t i = 0; i < n; i++)
		assert_int_equal(dialect_anthropic_messages.write_event(&an, &events[i], &out), 0);
	feed_stream(&a, buf_str(&out), &from_stream);
	assert_int_equal(provider_anthropic.read_answer(&b, collect_all(events, n), say_anthropic_event, &from_plain), 0);
	assert_string_equal(buf_z(&text), buf_z(&plain));
	assert_int_equal(from_stream.tally.usage.output, from_plain.tally.usage.output);
	assert_int_equal(from_stream.tally.usage.input, 10);
	buf_done(&out);
	buf_done(&text);
	buf_done(&plain);
}

/* --- errors --- */

static void expect_error(const struct llm_error *e, enum outcome o, const char *call_id, bool in_stream,
			 const char *want)
{
	struct buf out;
	buf_init(&out, 4096);
	dialect_anthropic_messages.write_error(&out, e, o, outcome_rows[o].status, str_z(call_id), in_stream);
	expect_str(buf_str(&out), want);
	buf_done(&out);
}

static void test_errors(void **state)
{
	(void)state;
	struct llm_error e = { .message = STR("slow \"down\"") }, long_one = { .message = STR("Prompt is too long: 9 > 8") };
	expect_error(&e, OUTCOME_UP_RATE_LIMITED, NULL, false,
		     "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow \\\"down\\\"\"}}");
	expect_error(&e, OUTCOME_MODEL_DENIED, "id-1", false,
		     "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\"message\":\"slow \\\"down\\\"\"},\"request_id\":\"id-1\"}");
	expect_error(&e, OUTCOME_UP_UNAVAILABLE, NULL, true,
		     "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"slow \\\"down\\\"\"}}\n\n");
	expect_error(&e, OUTCOME_CONTEXT_LENGTH, NULL, false,
		     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: slow \\\"down\\\"\"}}");
	expect_error(&long_one, OUTCOME_CONTEXT_LENGTH, NULL, false,
		     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Prompt is too long: 9 > 8\"}}");
	expect_error(NULL, OUTCOME_INTERNAL, NULL, false, "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"INTERNAL\"}}");
}

/* Each status has the type that the vendor gives it. */
static void test_every_outcome_has_a_type(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *type;
	} types[] = {
		{ 401, "authentication_error" }, { 403, "permission_error" }, { 404, "not_found_error" },
		{ 413, "request_too_large" },	 { 503, "overloaded_error" },
	};
	for (int o = 0; o < OUTCOME_COUNT; o++) {
		struct buf out;
		buf_init(&out, 4096);
		dialect_anthropic_messages.write_error(&out, NULL, (enum outcome)o, 0, STR_NONE, false);
		assert_true(str_find(buf_str(&out), STR("_error\"")) != SIZE_MAX || str_find(buf_str(&out), STR("\"request_too_large\"")) != SIZE_MAX);
		for (size_t i = 0; i < COUNT(types); i++)
			if (outcome_rows[o].status == types[i].status)
				assert_true(str_find(buf_str(&out), str_z(types[i].type)) != SIZE_MAX);
		buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_refusal_names_the_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_accepted_is_written_and_accepted_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_gateways_own_members_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes_and_media_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tokens_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_openai_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_ollama_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_what_must_change_is_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_model_from_the_path_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_stream_on_the_short_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_error_in_a_stream_is_held_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_answers_on_the_short_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_stream_is_written_as_anthropic_does, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_plain_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_why_an_answer_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_sum_of_deltas_is_the_plain_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_outcome_has_a_type, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
