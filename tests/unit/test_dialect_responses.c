/* SPDX-License-Identifier: MIT
 * test_dialect_responses.c - what /v1/responses accepts and refuses, what it writes, and how a
 * conversation that is kept goes on. */
#include "worker/client/dialect_responses.h"

#include <stdio.h>

#include "common/mem.h"
#include "tests/unit/llm_fixture.h"
#include "tests/unit/responses_stream.h"
#include "worker/client/responses_store.h"
#include "worker/exchange/provider.h"

static struct llm_request good(const char *body)
{
	return read_good(&dialect_responses, str_z(body));
}

static struct str text_of(const struct llm_request *q)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	say_request(&b, q);
	assert_false(b.failed);
	struct str s = arena_dup(mem, buf_str(&b));
	buf_done(&b);
	return s;
}

static void expect_in(struct str text, const char *part)
{
	struct str wanted = str_z(part);
	if (str_find(text, wanted) == SIZE_MAX)
		print_error("'" STR_FMT "' is not in\n" STR_FMT "\n", STR_ARG(wanted), STR_ARG(text));
	assert_true(str_find(text, wanted) != SIZE_MAX);
}

/* --- what is refused --- */

#define M "\"model\":\"m\","
#define IN(items) "{" M "\"input\":[" items "]}"
#define USER(content) "{\"role\":\"user\",\"content\":" content "}"
#define ASK(more) "{" M "\"input\":\"hi\"," more "}"

static const struct {
	const char *body, *param, *says;
} refused[] = {
	{ "{\"input\":\"hi\"}", "model", "is missing" },
	{ "{\"model\":\"\",\"input\":\"hi\"}", "model", "must not be empty" },
	{ "{\"model\":5,\"input\":\"hi\"}", "model", "must be a string, not a number" },
	{ "{\"model\":\"m\"}", "input", "is missing" },
	{ "{\"model\":\"m\",\"input\":null}", "input", "is missing" },
	{ "{\"model\":\"m\",\"input\":7}", "input", "must be a string or an array of items" },
	{ "{\"model\":\"m\",\"input\":{}}", "input", "must be a string or an array of items, not an object" },
	{ "{\"model\":\"m\",\"input\":[]}", "input", "must not be empty" },
	{ IN("{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}"), "input", "says nothing" },
	{ IN("7"), "input[0]", "must be an object, not a number" },
	{ IN("{}"), "input[0].type", "is missing" },
	{ IN("{\"type\":7}"), "input[0].type", "must be a string" },
	{ IN("{\"type\":\"message\",\"content\":\"a\"}"), "input[0].role", "is missing" },
	{ IN("{\"role\":\"robot\",\"content\":\"a\"}"), "input[0].role", "must be one of user, assistant" },
	{ IN("{\"role\":\"tool\",\"content\":\"a\"}"), "input[0].role", "must be one of" },
	{ IN("{\"role\":3,\"content\":\"a\"}"), "input[0].role", "must be a string" },
	{ IN("{\"role\":\"user\"}"), "input[0].content", "is missing" },
	{ IN("{\"role\":\"user\",\"content\":null}"), "input[0].content", "is missing" },
	{ IN(USER("[]")), "input[0].content", "must not be empty" },
	{ IN(USER("7")), "input[0].content", "must be a string or an array of parts, not a number" },
	{ IN(USER("\"a\"") "," USER("{}")), "input[1].content", "must be a string or an array of parts" },
	{ IN(USER("[\"a\"]")), "input[0].content[0]", "must be an object" },
	{ IN(USER("[{}]")), "input[0].content[0].type", "is missing" },
	{ IN(USER("[{\"type\":1}]")), "input[0].content[0].type", "must be a string" },
	{ IN(USER("[{\"type\":\"input_text\"}]")), "input[0].content[0].text", "is missing" },
	{ IN(USER("[{\"type\":\"input_text\",\"text\":1}]")), "input[0].content[0].text", "must be a string" },
	{ IN(USER("[{\"type\":\"input_text\",\"text\":\"a\"},{\"type\":\"refusal\"}]")),
	  "input[0].content[1].refusal", "is missing" },
	{ IN(USER("[{\"type\":\"input_image\"}]")), "input[0].content[0]",
	  "must have an image_url or a file_id" },
	{ IN(USER("[{\"type\":\"input_image\",\"image_url\":7}]")), "input[0].content[0].image_url",
	  "must be a string" },
	{ IN(USER("[{\"type\":\"input_image\",\"image_url\":{}}]")), "input[0].content[0].image_url.url",
	  "is missing" },
	{ IN(USER("[{\"type\":\"input_image\",\"image_url\":\"x\",\"detail\":1}]")),
	  "input[0].content[0].detail", "must be a string" },
	{ IN(USER("[{\"type\":\"input_file\",\"filename\":\"a\"}]")), "input[0].content[0]",
	  "must have a file_id, file_url or file_data" },
	{ IN(USER("[{\"type\":\"input_file\",\"file_data\":[]}]")), "input[0].content[0].file_data",
	  "must be a string" },
	{ IN(USER("[{\"type\":\"input_audio\"}]")), "input[0].content[0].input_audio", "is missing" },
	{ IN(USER("[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\"}}]")),
	  "input[0].content[0].input_audio.format", "is missing" },
	{ IN("{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}"), "input[0].call_id", "is missing" },
	{ IN("{\"type\":\"function_call\",\"call_id\":\"c\",\"arguments\":\"{}\"}"), "input[0].name", "is missing" },
	{ IN("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\"}"), "input[0].arguments", "is missing" },
	{ IN("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":{}}"),
	  "input[0].arguments", "must be a string, not an object" },
	{ IN("{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"f\"}"), "input[0].input", "is missing" },
	{ IN("{\"type\":\"function_call_output\",\"output\":\"a\"}"), "input[0].call_id", "is missing" },
	{ IN("{\"type\":\"function_call_output\",\"call_id\":\"c\"}"), "input[0].output", "is missing" },
	{ IN("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":{}}"), "input[0].output",
	  "must be a string or an array of parts" },
	{ IN("{\"type\":\"reasoning\",\"summary\":\"a\"}"), "input[0].summary", "must be an array" },
	{ IN("{\"type\":\"reasoning\",\"summary\":[\"a\"]}"), "input[0].summary[0]", "must be an object" },
	{ IN("{\"type\":\"reasoning\",\"content\":[{}]}"), "input[0].content[0].text", "is missing" },
	{ IN("{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":1}"), "input[0].encrypted_content",
	  "must be a string" },
	{ IN("{\"type\":\"item_reference\"}"), "input[0].id", "is missing" },
	{ IN("{\"type\":\"item_reference\",\"id\":\"elsewhere\"}"), "input[0].id",
	  "is not of an item that is kept here" },
	{ ASK("\"instructions\":7"), "instructions", "must be a string" },
	{ ASK("\"tools\":{}"), "tools", "must be an array" },
	{ ASK("\"tools\":[7]"), "tools[0]", "must be an object" },
	{ ASK("\"tools\":[{}]"), "tools[0].type", "is missing" },
	{ ASK("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"), "tools[0].name", "is missing" },
	{ ASK("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":[]}]"), "tools[0].parameters",
	  "must be an object" },
	{ ASK("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"strict\":1}]"), "tools[0].strict",
	  "must be true or false" },
	{ ASK("\"tools\":[{\"type\":\"custom\",\"name\":\"f\",\"format\":\"x\"}]"), "tools[0].format",
	  "must be an object" },
	{ ASK("\"tool_choice\":\"maybe\""), "tool_choice", "must be \"none\"" },
	{ ASK("\"tool_choice\":7"), "tool_choice", "must be a string or an object" },
	{ ASK("\"tool_choice\":{}"), "tool_choice.type", "is missing" },
	{ ASK("\"tool_choice\":{\"type\":\"function\"}"), "tool_choice.name", "is missing" },
	{ ASK("\"tool_choice\":{\"type\":\"allowed_tools\",\"tools\":[]}"), "tool_choice.mode", "is missing" },
	{ ASK("\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"none\",\"tools\":[]}"),
	  "tool_choice.mode", "must be \"auto\" or \"required\"" },
	{ ASK("\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":[]}"),
	  "tool_choice.tools", "must be an array of tools" },
	{ ASK("\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":[{}]}"),
	  "tool_choice.tools[0].type", "is missing" },
	{ ASK("\"parallel_tool_calls\":\"no\""), "parallel_tool_calls", "must be true or false" },
	{ ASK("\"text\":\"json\""), "text", "must be an object" },
	{ ASK("\"text\":{\"format\":\"json\"}"), "text.format", "must be an object" },
	{ ASK("\"text\":{\"format\":{}}"), "text.format.type", "is missing" },
	{ ASK("\"text\":{\"format\":{\"type\":\"xml\"}}"), "text.format.type", "must be one of text" },
	{ ASK("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"s\"}}"), "text.format.schema",
	  "is missing" },
	{ ASK("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"s\",\"schema\":\"x\"}}"),
	  "text.format.schema", "must be an object" },
	{ ASK("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":1,\"schema\":{}}}"),
	  "text.format.name", "must be a string" },
	{ ASK("\"text\":{\"verbosity\":1}"), "text.verbosity", "must be a string" },
	{ ASK("\"reasoning\":\"high\""), "reasoning", "must be an object" },
	{ ASK("\"reasoning\":{\"effort\":1}"), "reasoning.effort", "must be a string" },
	{ ASK("\"reasoning\":{\"summary\":true}"), "reasoning.summary", "must be a string" },
	{ ASK("\"max_output_tokens\":\"9\""), "max_output_tokens", "must be a whole number" },
	{ ASK("\"max_output_tokens\":-1"), "max_output_tokens", "must be between 0 and" },
	{ ASK("\"temperature\":\"1\""), "temperature", "must be a number" },
	{ ASK("\"top_p\":[]"), "top_p", "must be a number" },
	{ ASK("\"stream\":\"yes\""), "stream", "must be true or false" },
	{ ASK("\"stream_options\":7"), "stream_options", "must be an object" },
	{ ASK("\"store\":\"no\""), "store", "must be true or false" },
	{ ASK("\"previous_response_id\":7"), "previous_response_id", "must be a string" },
	{ ASK("\"previous_response_id\":\"\""), "previous_response_id", "must not be empty" },
	{ ASK("\"metadata\":\"x\""), "metadata", "must be an object" },
	{ ASK("\"truncation\":\"some\""), "truncation", "must be \"auto\" or \"disabled\"" },
	{ ASK("\"truncation\":true"), "truncation", "must be a string" },
	{ ASK("\"include\":\"x\""), "include", "must be an array" },
	{ ASK("\"include\":[\"a\",7]"), "include[1]", "must be a string" },
	{ ASK("\"user\":7"), "user", "must be a string" },
	{ ASK("\"service_tier\":7"), "service_tier", "must be a string" },
	{ ASK("\"max_tool_calls\":true"), "max_tool_calls", "must be a whole number" },
	{ ASK("\"background\":true"), "background", "must be false" },
	{ ASK("\"background\":1"), "background", "must be true or false" },
	{ ASK("\"conversation\":\"conv_1\""), "conversation", "continue with previous_response_id" },
	{ ASK("\"prompt\":{\"id\":\"p\"}"), "prompt", "no prompts are kept" },
	{ ASK("\"n\":2"), "n", "must be 1" },
	{ ASK("\"messages\":[]"), "messages", "use input" },
	{ ASK("\"response_format\":{}"), "response_format", "use text.format" },
	{ ASK("\"functions\":[]"), "functions", "use tools" },
	{ ASK("\"function_call\":\"auto\""), "function_call", "use tool_choice" },
	{ ASK("\"verbosity\":\"low\""), "verbosity", "use text.verbosity" },
	{ ASK("\"api_key\":\"k\""), "api_key", "Rejected Request: api_key is not allowed" },
};

static void test_a_refusal_names_the_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++)
		expect_refused(&dialect_responses, refused[i].body, refused[i].param,
			       refused[i].says);
}

/* --- what is accepted --- */

#define DATA "data:image/png;base64,iVBORw0KGgo="
#define CALL(id) "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}"
#define RESULT(id, output) "{\"type\":\"function_call_output\",\"call_id\":\"" id "\",\"output\":" output "}"
#define FUNCTION(name) "{\"type\":\"function\",\"name\":\"" name "\",\"parameters\":{\"type\":\"object\"}}"

static const struct accepted {
	const char *body, *says;	/* a part of the neutral request as text */
} accepted[] = {
	{ "{" M "\"input\":\"hi\"}", "user \n    text text=<hi>" },
	{ "{" M "\"input\":\"\"}", "user \n    text text=<>" },
	{ ASK("\"instructions\":\"be brief\""), "system \n    text text=<be brief> \n  user \n    text text=<hi>" },
	{ "{\"instructions\":\"s\",\"input\":\"u\",\"model\":\"m\"}", "system \n    text text=<s> \n  user" },
	{ IN(USER("\"a\"") ",{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"b\"}," USER("\"c\"")),
	  "user \n    text text=<a> \n  assistant \n    text text=<b> \n  user \n    text text=<c>" },
	{ IN("{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"system\",\"content\":\"s\"}"),
	  "developer \n    text text=<d> \n  system \n    text text=<s>" },
	{ IN(USER("[{\"type\":\"input_text\",\"text\":\"\\u00e4\"},{\"type\":\"text\",\"text\":\"b\"}]")),
	  "text=<\xc3\xa4> \n    text text=<b>" },
	{ IN(USER("[{\"type\":\"input_image\",\"image_url\":\"" DATA "\",\"detail\":\"low\"}]")),
	  "image mime=<image/png> data=<iVBORw0KGgo=> detail=<low>" },
	{ IN(USER("[{\"type\":\"input_image\",\"image_url\":\"https://x/a.png\"}]")), "image url=<https://x/a.png>" },
	{ IN(USER("[{\"type\":\"input_image\",\"image_url\":{\"url\":\"https://x/b.png\"}}]")),
	  "image url=<https://x/b.png>" },
	{ IN(USER("[{\"type\":\"input_image\",\"file_id\":\"file-1\"}]")), "image file_id=<file-1>" },
	{ IN(USER("[{\"type\":\"input_file\",\"file_data\":\"data:application/pdf;base64,JVBE\",\"filename\":\"a.pdf\"}]")),
	  "file mime=<application/pdf> data=<JVBE> filename=<a.pdf>" },
	{ IN(USER("[{\"type\":\"input_file\",\"file_data\":\"JVBE\"}]")), "file mime=<application/pdf> data=<JVBE>" },
	{ IN(USER("[{\"type\":\"input_file\",\"file_data\":\"AAAA\",\"filename\":\"a.bin\"}]")),
	  "file mime=<application/octet-stream> data=<AAAA>" },
	{ IN(USER("[{\"type\":\"input_file\",\"file_id\":\"file-1\"}]")), "file file_id=<file-1>" },
	{ IN(USER("[{\"type\":\"input_file\",\"file_url\":\"https://x/a.pdf\"}]")), "file url=<https://x/a.pdf>" },
	{ IN(USER("[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklG\",\"format\":\"wav\"}}]")),
	  "audio mime=<audio/wav> data=<UklG>" },
	{ IN(USER("[{\"type\":\"input_video\",\"video_url\":\"v\"}]")), "other text=<input_video> raw=<{\"type\":\"input_video\"" },
	{ IN(USER("\"q\"") "," CALL("c1") "," CALL("c2") "," RESULT("c1", "\"r1\"") "," RESULT("c2", "\"r2\"")),
	  "assistant \n    call text=<{\"a\":1}> id=<c1> name=<f> \n    call text=<{\"a\":1}> id=<c2> name=<f> \n"
	  "  tool \n    result text=<r1> id=<c1> \n  tool \n    result text=<r2> id=<c2>" },
	{ IN("{\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"let me\",\"annotations\":[]}]}," CALL("c1")),
	  "assistant \n    text text=<let me> \n    call text=<{\"a\":1}> id=<c1> name=<f>" },
	{ IN("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"\"}"), "call text=<{}> id=<c>" },
	{ IN("{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"f\",\"input\":\"x\"},{\"type\":\"custom_tool_call_output\",\"call_id\":\"c\",\"output\":\"y\"}"),
	  "call text=<x> id=<c> name=<f> custom=1 \n  tool \n    result text=<y> id=<c>" },
	{ IN(RESULT("c", "[{\"type\":\"input_text\",\"text\":\"a\"},{\"type\":\"input_image\",\"image_url\":\"" DATA "\"},{\"type\":\"input_text\",\"text\":\"b\"}]")),
	  "result text=<a\nb> id=<c> \n    image mime=<image/png>" },
	{ IN(RESULT("c", "\"\"")), "result text=<> id=<c>" },
	{ IN("{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"s\"}],\"encrypted_content\":\"E\"}," CALL("c")),
	  "assistant \n    reasoning text=<s> signature=<E> \n    call" },
	{ IN("{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"s\"}],\"content\":[{\"type\":\"reasoning_text\",\"text\":\"a\"},{\"type\":\"reasoning_text\",\"text\":\"b\"}]}"),
	  "reasoning text=<a\n\nb>" },
	{ IN("{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"E\"}"), "reasoning text=<> signature=<E>" },
	{ IN(USER("\"a\"") ",{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}"), "user \n    text text=<a> \n\n" },
	{ IN("{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]}"), "refusal text=<no>" },
	{ IN("{\"type\":\"web_search_call\",\"id\":\"ws_1\",\"status\":\"completed\"}"), "assistant \n    other text=<web_search_call>" },
	{ IN("{\"type\":\"shell_call_output\",\"call_id\":\"c\"}"), "user \n    other text=<shell_call_output>" },
	{ ASK("\"tools\":[" FUNCTION("f") "],\"tool_choice\":\"required\",\"parallel_tool_calls\":false"),
	  "choice=required parallel=0" },
	{ ASK("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"a\": 1},\"strict\":true}]"),
	  "tool 0 name=<f> description=<d> schema=<{\"a\": 1}> strict=1" },
	{ ASK("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":null,\"strict\":null}]"), "tool 0 name=<f> \n" },
	{ ASK("\"tools\":[{\"type\":\"custom\",\"name\":\"c\",\"format\":{\"type\":\"text\"}}]"),
	  "tool 1 name=<c> schema=<{\"type\":\"text\"}>" },
	{ ASK("\"tools\":[{\"type\":\"web_search\",\"x\":1}]"), "tool 2 name=<web_search> schema=<{\"type\":\"web_search\",\"x\":1}>" },
	{ ASK("\"tool_choice\":\"none\""), "choice=none" },
	{ ASK("\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"}"), "choice=named choice_name=<f>" },
	{ ASK("\"tool_choice\":{\"type\":\"custom\",\"name\":\"f\"},\"tools\":[{\"type\":\"custom\",\"name\":\"f\"}]"),
	  "choice=named choice_name=<f>" },
	{ ASK("\"tool_choice\":{\"type\":\"mcp\",\"server_label\":\"s\"}"), "tool_choice=<{\"type\":\"mcp\"" },
	{ ASK("\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"name\":\"g\"},{\"type\":\"web_search\"}]},"
	      "\"tools\":[" FUNCTION("f") "," FUNCTION("g") ",{\"type\":\"web_search\"},{\"type\":\"custom\",\"name\":\"g\"}]"),
	  "choice=required format=unset n=1 \n  user \n    text text=<hi> \n  tool 0 name=<g> schema=<{\"type\":\"object\"}> \n"
	  "  tool 2 name=<web_search> schema=<{\"type\":\"web_search\"}> \n\n" },
	{ ASK("\"text\":{\"format\":{\"type\":\"text\"}}"), "format=text" },
	{ ASK("\"text\":{\"format\":{\"type\":\"json_object\"}}"), "format=json" },
	{ ASK("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"s\",\"description\":\"d\",\"strict\":true,\"schema\":{\"type\":\"object\"}}}"),
	  "format=schema format_name=<s> format_description=<d> format_schema=<{\"type\":\"object\"}> format_strict=1" },
	{ ASK("\"text\":{\"verbosity\":\"low\"}"), "verbosity=<\"low\">" },
	{ ASK("\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"}"), "reasoning_effort=<high>" },
	{ ASK("\"max_output_tokens\":50,\"temperature\":0.70,\"top_p\":1"), "temperature=<0.70> top_p=<1> max_tokens=50" },
	{ ASK("\"max_output_tokens\":50,\"max_tokens\":60"), "max_tokens=50" },
	{ ASK("\"max_completion_tokens\":60,\"max_output_tokens\":50"), "max_tokens=50" },
	{ ASK("\"stream\":true,\"user\":\"u\""), "stream=1" },
	{ ASK("\"stream\":null,\"tools\":null,\"text\":null,\"reasoning\":null,\"metadata\":null,\"instructions\":null"), "n=1" },
	{ ASK("\"service_tier\":\"flex\",\"prompt_cache_key\":\"k\",\"safety_identifier\":\"s\",\"x_new\":[1]"),
	  "service_tier=<\"flex\"> prompt_cache_key=<\"k\"> safety_identifier=<\"s\"> x_new=<[1]>" },
	{ ASK("\"store\":false,\"include\":[\"reasoning.encrypted_content\"],\"truncation\":\"auto\",\"metadata\":{\"a\":\"b\"},"
	      "\"max_tool_calls\":3,\"top_logprobs\":0,\"background\":false,\"context_management\":[],\"stream_options\":{\"include_obfuscation\":false}"),
	  "text text=<hi> \n\n" },
	{ ASK("\"seed\":7,\"stop\":[\"x\"],\"n\":1"), "seed=<7> stop=<x> n=1" },
};

static struct str write_chat(const struct llm_request *q)
{
	struct provider_target target = { .model = q->model };
	struct provider_call call;
	struct llm_error err;
	buf_init(&call.path, 1024);
	buf_init(&call.body, 1 << 20);
	assert_int_equal(provider_openai.write_request(mem, q, &target, &call, &err), 0);
	struct str body = arena_dup(mem, buf_str(&call.body));
	buf_done(&call.path);
	buf_done(&call.body);
	return body;
}

static struct str write_short(const struct llm_request *q)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	assert_int_equal(dialect_responses.forward_request(mem, q, q->model, STR_NONE, STR_NONE, &out), 0);
	struct str body = arena_dup(mem, buf_str(&out));
	buf_done(&out);
	return body;
}

static void expect_same(struct str a, struct str b)
{
	if (!str_eq(a, b))
		print_error(STR_FMT "\nis not\n" STR_FMT "\n", STR_ARG(a), STR_ARG(b));
	assert_true(str_eq(a, b));
}

/* On the short way it reads the same; a chat made of it, read as chat, makes the same chat. */
static void expect_fixpoint(const struct llm_request *q)
{
	struct dialect_error err = { 0 };
	struct json_error error;
	struct llm_request again;
	assert_int_equal(read_body(&dialect_responses, write_short(q), &again, &err), 0);
	expect_same(text_of(q), text_of(&again));
	struct str chat = write_chat(q);
	again = (struct llm_request){ 0 };
	const struct json *root = json_parse(mem, chat, JSON_ONE_KEY, &error);
	assert_int_equal(dialect_openai_chat.read_request(mem, chat, root, &again, &err), 0);
	expect_same(chat, write_chat(&again));
}

static void test_what_is_accepted_says_the_same_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		struct llm_request q = good(accepted[i].body);
		expect_in(text_of(&q), accepted[i].says);
		assert_true(q.wants_usage && !q.conversation_id.p);
		expect_fixpoint(&q);
		arena_reset(mem);
	}
}

static void test_what_the_gateway_takes_for_itself(void **state)
{
	(void)state;
	struct llm_request q = good(ASK("\"metadata\":{\"a\":\"b\"},\"fallbacks\":[\"x\"],\"store\":false"));
	assert_true(json_get(q.metadata, "a") && json_is(q.fallbacks, JSON_ARRAY) && !q.wants_store);
	q = good(ASK("\"litellm_metadata\":{\"tags\":[]},\"metadata\":{\"a\":\"b\"}"));
	assert_true(json_get(q.metadata, "tags") && q.wants_store);
	q = good(ASK("\"metadata\":{\"a\":\"b\"},\"litellm_metadata\":{\"tags\":[]}"));
	assert_non_null(json_get(q.metadata, "tags"));
	q = good(IN(USER("[{\"type\":\"input_text\",\"text\":\"four\"},{\"type\":\"input_image\",\"image_url\":\"" DATA "\"}]")));
	assert_int_equal(q.prompt_bytes, 4);
	assert_int_equal(q.media_parts, 1);
	assert_int_equal(q.n_messages, 1);
}

/* --- what is written --- */

#define SAY(k, t) { .kind = (k), .text = { (t), sizeof(t) - 1 } }
#define START(n, i, f) { .kind = EV_TOOL_START, .tool = (n), .id = { (i), sizeof(i) - 1 }, .name = { (f), sizeof(f) - 1 } }
#define ARGS(n, t) { .kind = EV_TOOL_ARGS, .tool = (n), .text = { (t), sizeof(t) - 1 } }
#define FINISH(f) { .kind = EV_FINISH, .finish = (f) }
#define USED { .kind = EV_USAGE, .usage = { .input = 10, .output = 5, .cache_read = 2, .reasoning = 1 } }
#define BEGIN { .kind = EV_START, .id = { "up-1", 4 }, .model = { "up", 2 } }
#define END { .kind = EV_END }
#define THOUGHT(t, s) { .kind = EV_REASONING, .text = { (t), sizeof(t) - 1 }, .signature = { (s), sizeof(s) - 1 } }

static struct dialect_answer answer_for(const struct llm_request *q)
{
	return (struct dialect_answer){
		.mem = mem, .q = q, .model = STR("asked"), .id = STR("chatcmpl-0123-4567"), .created_s = 7,
	};
}

static struct str write_all(struct dialect_answer *an, const struct llm_event *events, size_t n)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(dialect_responses.write_event(an, &events[i], &out), 0);
	assert_false(out.failed);
	struct str s = arena_dup(mem, buf_str(&out));
	buf_done(&out);
	return s;
}

static struct str collect_all(const struct llm_request *q, const struct llm_event *events, size_t n)
{
	struct dialect_answer an = answer_for(q);
	struct buf out;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(dialect_responses.collect(&an, &events[i]), 0);
	assert_int_equal(dialect_responses.write_answer(&an, &out), 0);
	struct str s = arena_dup(mem, buf_str(&out));
	buf_done(&out);
	return s;
}

static struct seen read_stream(struct str text)
{
	struct seen s = { .mem = mem };
	buf_init(&s.names, 1 << 16);
	seen_read(&s, text);
	return s;
}

/* The events have these names; the response at the end is the plain answer. */
static struct str expect_stream(const struct llm_request *q, const struct llm_event *events, size_t n,
				const char *names)
{
	struct dialect_answer an = answer_for(q);
	struct seen s = read_stream(write_all(&an, events, n));
	assert_string_equal(buf_z(&s.names), names);
	buf_done(&s.names);
	assert_true(an.is_ended && s.is_over);
	struct str plain = collect_all(q, events, n);
	expect_same(s.final->raw, plain);
	return plain;
}

#define BEGUN "response.created\nresponse.in_progress\n"
#define ADDED "response.output_item.added\n"
#define DONE "response.output_item.done\n"
#define PART "response.content_part.added\n"
#define PART_DONE "response.content_part.done\n"
#define TEXT_D "response.output_text.delta\n"
#define TEXT_DONE "response.output_text.done\n"
#define ARGS_D "response.function_call_arguments.delta\n"
#define ARGS_DONE "response.function_call_arguments.done\n"
#define COMPLETED "response.completed\n"

static void test_a_text(void **state)
{
	(void)state;
	static const struct llm_event events[] = {
		BEGIN, SAY(EV_TEXT, "He said "), SAY(EV_TEXT, ""), SAY(EV_TEXT, "\"\xc3\xa4\"\n"),
		FINISH(FINISH_STOP), FINISH(FINISH_LENGTH), SAY(EV_TEXT, "late"), USED, END, END,
	};
	struct llm_request q = good(ASK("\"stream\":true"));
	expect_stream(&q, events, COUNT(events),
		      BEGUN ADDED PART TEXT_D TEXT_D TEXT_DONE PART_DONE DONE COMPLETED);
}

#define OBJECT_HEAD(status) \
	"{\"id\":\"resp_01234567\",\"object\":\"response\",\"created_at\":7,\"status\":\"" status "\",\"background\":false," \
	"\"error\":null,\"incomplete_details\":null,\"instructions\":null,\"max_output_tokens\":null,\"max_tool_calls\":null," \
	"\"model\":\"asked\",\"output\":["
#define OBJECT_TAIL \
	"],\"parallel_tool_calls\":true,\"previous_response_id\":null,\"prompt_cache_key\":null," \
	"\"reasoning\":{\"effort\":null,\"summary\":null},\"safety_identifier\":null,\"service_tier\":null,\"store\":true," \
	"\"temperature\":0.5,\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\"," \
	"\"tools\":[{\"type\":\"function\",  \"name\":\"f\"}],\"top_logprobs\":0,\"top_p\":null,\"truncation\":\"disabled\"," \
	"\"user\":null,\"metadata\":{}"
#define ITEM_HEAD "{\"id\":\"msg_012345670000\",\"type\":\"message\",\"status\":"
#define ITEM ITEM_HEAD "\"completed\",\"role\":\"assistant\",\"content\":[" PART_HI "]}"
#define PART_HI "{\"type\":\"output_text\",\"text\":\"Hi\",\"annotations\":[],\"logprobs\":[]}"
#define EVENT(name, number, more) "event: " name "\ndata: {\"type\":\"" name "\",\"sequence_number\":" number "," more "}\n\n"
#define AT "\"item_id\":\"msg_012345670000\",\"output_index\":0,\"content_index\":0,"

/* To the byte; what the client wrote on several lines stands on one. */
static void test_a_stream_to_the_byte(void **state)
{
	(void)state;
	static const struct llm_event events[] = { SAY(EV_TEXT, "Hi"), USED, END };
	struct llm_request q = good(ASK("\"temperature\":0.5,\"tools\":[{\"type\":\"function\",\r\n\"name\":\"f\"}]"));
	struct dialect_answer an = answer_for(&q);
	expect_same(write_all(&an, events, COUNT(events)), STR(
		EVENT("response.created", "0", "\"response\":" OBJECT_HEAD("in_progress") OBJECT_TAIL ",\"usage\":null}")
		EVENT("response.in_progress", "1", "\"response\":" OBJECT_HEAD("in_progress") OBJECT_TAIL ",\"usage\":null}")
		EVENT("response.output_item.added", "2", "\"output_index\":0,\"item\":" ITEM_HEAD "\"in_progress\",\"role\":\"assistant\",\"content\":[]}")
		EVENT("response.content_part.added", "3", AT "\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[],\"logprobs\":[]}")
		EVENT("response.output_text.delta", "4", AT "\"delta\":\"Hi\",\"logprobs\":[]")
		EVENT("response.output_text.done", "5", AT "\"text\":\"Hi\",\"logprobs\":[]")
		EVENT("response.content_part.done", "6", AT "\"part\":" PART_HI)
		EVENT("response.output_item.done", "7", "\"output_index\":0,\"item\":" ITEM)
		EVENT("response.completed", "8", "\"response\":" OBJECT_HEAD("completed") ITEM OBJECT_TAIL
		      ",\"usage\":{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":2},\"output_tokens\":5,"
		      "\"output_tokens_details\":{\"reasoning_tokens\":1},\"total_tokens\":15}}")));
}

static void test_tools(void **state)
{
	(void)state;
	static const struct llm_event one[] = {
		BEGIN, SAY(EV_TEXT, "let me"), START(0, "c1", "f"), ARGS(0, "{\"a\":"), ARGS(0, "\"}\\\"\"}"),
		FINISH(FINISH_TOOL_CALLS), USED, END,
	};
	static const struct llm_event parallel[] = {
		START(0, "c1", "f"), ARGS(0, "{}"), START(1, "c2", "g"), ARGS(1, "{\"b\":[1]}"),
		FINISH(FINISH_TOOL_CALLS), END,
	};
	static const struct llm_event interleaved[] = {
		START(0, "c1", "f"), START(1, "c2", "g"), ARGS(0, "{\"a\""), ARGS(1, "{"), ARGS(0, ":1}"),
		ARGS(1, "}"), SAY(EV_TEXT, "so"), ARGS(0, "late"), END,
	};
	static const struct llm_event bare[] = { START(0, "", "f"), START(1, "c2", "g"), END };
	struct llm_request q = good("{" M "\"input\":\"hi\"}");
	struct str s = expect_stream(&q, one, COUNT(one),
		BEGUN ADDED PART TEXT_D TEXT_DONE PART_DONE DONE ADDED ARGS_D ARGS_D ARGS_DONE DONE COMPLETED);
	expect_in(s, "{\"id\":\"fc_012345670001\",\"type\":\"function_call\",\"status\":\"completed\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"}\\\\\\\"\\\"}\"}");
	expect_stream(&q, parallel, COUNT(parallel),
		      BEGUN ADDED ARGS_D ARGS_DONE DONE ADDED ARGS_D ARGS_DONE DONE COMPLETED);
	s = expect_stream(&q, interleaved, COUNT(interleaved),
		BEGUN ADDED ADDED ARGS_D ARGS_D ARGS_D ARGS_D ARGS_DONE DONE ARGS_DONE DONE
		ADDED PART TEXT_D TEXT_DONE PART_DONE DONE COMPLETED);
	expect_in(s, "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"");
	expect_in(s, "\"name\":\"g\",\"arguments\":\"{}\"");
	s = expect_stream(&q, bare, COUNT(bare),
		BEGUN ADDED ADDED ARGS_D ARGS_DONE DONE ARGS_D ARGS_DONE DONE COMPLETED);
	expect_in(s, "\"call_id\":\"call_");
	expect_in(s, "\"arguments\":\"{}\"");
}

static void test_a_custom_tool(void **state)
{
	(void)state;
	static const struct llm_event events[] = { START(0, "c1", "patch"), ARGS(0, "*** {"), ARGS(0, "}"), END };
	struct llm_request q = good(ASK("\"tools\":[{\"type\":\"custom\",\"name\":\"patch\"}]"));
	struct str s = expect_stream(&q, events, COUNT(events),
		BEGUN ADDED "response.custom_tool_call_input.delta\nresponse.custom_tool_call_input.delta\n"
		"response.custom_tool_call_input.done\n" DONE COMPLETED);
	expect_in(s, "{\"id\":\"ctc_012345670000\",\"type\":\"custom_tool_call\",\"status\":\"completed\",\"call_id\":\"c1\",\"name\":\"patch\",\"input\":\"*** {}\"}");
}

static const struct llm_event reasoned[] = {
	BEGIN, SAY(EV_REASONING, "why"), THOUGHT("?", "sig1"), THOUGHT("", "sig2"),
	SAY(EV_REASONING, "more"), SAY(EV_TEXT, "so"), FINISH(FINISH_STOP), END,
};
#define THINK_D "response.reasoning_text.delta\n"
#define THINK_DONE "response.reasoning_text.done\n"
#define SUM_PART "response.reasoning_summary_part.added\n"
#define SUM_D "response.reasoning_summary_text.delta\n"
#define SUM_DONE "response.reasoning_summary_text.done\nresponse.reasoning_summary_part.done\n"

static void test_reasoning(void **state)
{
	(void)state;
	struct llm_request q = good(ASK("\"reasoning\":{\"effort\":\"low\"}"));
	struct str s = expect_stream(&q, reasoned, COUNT(reasoned),
		BEGUN ADDED PART THINK_D THINK_D THINK_DONE PART_DONE DONE ADDED DONE
		ADDED PART THINK_D THINK_DONE PART_DONE DONE
		ADDED PART TEXT_D TEXT_DONE PART_DONE DONE COMPLETED);
	expect_in(s, "{\"id\":\"rs_012345670000\",\"type\":\"reasoning\",\"status\":\"completed\",\"summary\":[],"
		     "\"content\":[{\"type\":\"reasoning_text\",\"text\":\"why?\"}],\"encrypted_content\":\"sig1\"},"
		     "{\"id\":\"rs_012345670001\",\"type\":\"reasoning\",\"status\":\"completed\",\"summary\":[],\"encrypted_content\":\"sig2\"}");
	q = good(ASK("\"reasoning\":{\"summary\":\"auto\"}"));
	s = expect_stream(&q, reasoned, COUNT(reasoned),
		BEGUN ADDED SUM_PART SUM_D SUM_D SUM_DONE DONE ADDED DONE
		ADDED SUM_PART SUM_D SUM_DONE DONE
		ADDED PART TEXT_D TEXT_DONE PART_DONE DONE COMPLETED);
	expect_in(s, "\"summary\":[{\"type\":\"summary_text\",\"text\":\"why?\"}],\"encrypted_content\":\"sig1\"");
}

static void test_a_refusal(void **state)
{
	(void)state;
	static const struct llm_event events[] = {
		SAY(EV_TEXT, "I"), SAY(EV_REFUSAL, "can"), SAY(EV_REFUSAL, "not"), FINISH(FINISH_STOP), END,
	};
	struct llm_request q = good("{" M "\"input\":\"hi\"}");
	struct str s = expect_stream(&q, events, COUNT(events),
		BEGUN ADDED PART TEXT_D TEXT_DONE PART_DONE PART "response.refusal.delta\nresponse.refusal.delta\n"
		"response.refusal.done\n" PART_DONE DONE COMPLETED);
	expect_in(s, "\"content\":[{\"type\":\"output_text\",\"text\":\"I\",\"annotations\":[],\"logprobs\":[]},{\"type\":\"refusal\",\"refusal\":\"cannot\"}]");
}

static void test_ends_that_are_no_completion(void **state)
{
	(void)state;
	static const struct llm_event cut[] = {
		START(0, "c0", "e"), ARGS(0, "{}"), START(1, "c1", "f"), ARGS(1, "{\"a"), FINISH(FINISH_LENGTH), END,
	};
	static const struct llm_event filtered[] = { SAY(EV_TEXT, "a"), FINISH(FINISH_FILTER), END };
	static const struct llm_event nothing[] = { FINISH(FINISH_LENGTH), END };
	static const struct llm_event silent[] = { BEGIN, END };
	struct llm_request q = good("{" M "\"input\":\"hi\"}");
	struct str s = expect_stream(&q, cut, COUNT(cut),
		BEGUN ADDED ARGS_D ARGS_DONE DONE ADDED ARGS_D ARGS_DONE DONE "response.incomplete\n");
	expect_in(s, "\"status\":\"incomplete\",\"background\":false,\"error\":null,\"incomplete_details\":{\"reason\":\"max_output_tokens\"}");
	expect_in(s, "\"status\":\"completed\",\"call_id\":\"c0\"");
	expect_in(s, "\"status\":\"incomplete\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\"");
	s = expect_stream(&q, filtered, COUNT(filtered),
		BEGUN ADDED PART TEXT_D TEXT_DONE PART_DONE DONE "response.incomplete\n");
	expect_in(s, "{\"reason\":\"content_filter\"}");
	s = expect_stream(&q, nothing, COUNT(nothing), BEGUN "response.incomplete\n");
	expect_in(s, "\"output\":[]");
	s = expect_stream(&q, silent, COUNT(silent), BEGUN COMPLETED);
	expect_in(s, "\"usage\":{\"input_tokens\":");
}

static void test_a_stream_that_breaks(void **state)
{
	(void)state;
	static const struct llm_event events[] = { SAY(EV_TEXT, "a"), SAY(EV_TEXT, "b") };
	struct llm_error e = { .status = 429, .message = STR("slow \"down\""), .outcome = OUTCOME_UP_RATE_LIMITED };
	struct llm_event error = { .kind = EV_ERROR, .error = &e };
	struct llm_request q = good("{" M "\"input\":\"hi\"}");
	struct dialect_answer an = answer_for(&q);
	struct buf out;
	buf_init(&out, 1 << 20);
	buf_put(&out, write_all(&an, events, COUNT(events)));
	size_t before = out.n;
	assert_int_equal(dialect_responses.write_event(&an, &error, &out), 0);
	assert_true(out.n == before && an.tally.has_error);
	assert_int_equal(responses_fail_stream(&an, &e, OUTCOME_UP_RATE_LIMITED, &out), 0);
	struct seen s = read_stream(buf_str(&out));
	assert_string_equal(buf_z(&s.names), BEGUN ADDED PART TEXT_D TEXT_D "error\nresponse.failed\n");
	expect_in(buf_str(&out), "data: {\"type\":\"error\",\"sequence_number\":6,\"code\":\"rate_limit_exceeded\",\"message\":\"slow \\\"down\\\"\",\"param\":null,"
		  "\"error\":{\"type\":\"throttling_error\",\"code\":\"rate_limit_exceeded\",\"message\":\"slow \\\"down\\\"\",\"param\":null}}");
	expect_in(s.final->raw, "\"status\":\"failed\",\"background\":false,\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"slow \\\"down\\\"\"}");
	expect_in(s.final->raw, "\"status\":\"incomplete\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"ab\"");
	before = out.n;
	assert_int_equal(responses_fail_stream(&an, &e, OUTCOME_UP_RATE_LIMITED, &out), 0);
	assert_int_equal(dialect_responses.write_event(&an, &(struct llm_event)END, &out), 0);
	assert_int_equal(out.n, before);
	buf_done(&s.names);
	buf_done(&out);
}

static void test_errors(void **state)
{
	(void)state;
	struct llm_error e = { .message = STR("Budget has been exceeded!") };
	struct buf out;
	buf_init(&out, 4096);
	dialect_responses.write_error(&out, &e, OUTCOME_BUDGET_SPENT, 429, STR("id-1"), false);
	assert_string_equal(buf_z(&out), "{\"error\":{\"message\":\"Budget has been exceeded!\",\"type\":\"budget_exceeded\",\"param\":null,\"code\":\"429\",\"litellm_call_id\":\"id-1\"}}");
	buf_reset(&out);
	dialect_responses.write_error(&out, NULL, OUTCOME_CONTEXT_LENGTH, 400, STR_NONE, true);
	assert_string_equal(buf_z(&out), "event: error\ndata: {\"type\":\"error\",\"sequence_number\":0,\"code\":\"context_length_exceeded\",\"message\":\"CONTEXT_LENGTH\",\"param\":null,"
			    "\"error\":{\"type\":\"invalid_request_error\",\"code\":\"context_length_exceeded\",\"message\":\"CONTEXT_LENGTH\",\"param\":null}}\n\n");
	buf_done(&out);
}

static void test_there_is_an_end_to_items(void **state)
{
	(void)state;
	struct llm_request q = good("{" M "\"input\":\"hi\"}");
	struct dialect_answer an = answer_for(&q);
	int err = 0;
	for (unsigned i = 0; i <= RSP_ITEMS_MAX && !err; i++)
		err = dialect_responses.collect(&an, &(struct llm_event){ .kind = EV_TOOL_START, .tool = i });
	assert_int_equal(err, -E2BIG);
}

/* --- conversations --- */

enum { KEPT_MAX = 8 };

struct kept_row {
	char *id, *items;
	uint64_t owner;
};
static struct kept_row memory[KEPT_MAX];

static void put_in_memory(struct str id, uint64_t owner, struct str items)
{
	size_t i = 0;
	while (memory[i].id)
		i++;
	assert_true(i < KEPT_MAX - 1);
	memory[i] = (struct kept_row){ mem_dup(id.p, id.n), mem_dup(items.p, items.n), owner };
}

/* .p NULL: nothing of that owner's. */
static struct str get_from_memory(struct str id, uint64_t owner)
{
	const struct kept_row *k = memory;
	while (k->id && !(str_eq_z(id, k->id) && k->owner == owner))
		k++;
	return str_z(k->items);
}

static int forget_all(void **state)
{
	for (size_t i = 0; i < KEPT_MAX; i++) {
		mem_free(memory[i].id);
		mem_free(memory[i].items);
	}
	memset(memory, 0, sizeof memory);
	return teardown(state);
}

struct asker {
	struct llm_request q;
	struct dialect_error err;
	int result;
};

/* A request as the gateway would take it: read, and made whole if it needs that. */
static struct asker ask(uint64_t owner, const char *body)
{
	struct asker a = { 0 };
	a.result = read_body(&dialect_responses, str_z(body), &a.q, &a.err);
	assert_int_equal(a.result, 0);
	if (!a.q.conversation_id.p)
		return a;
	struct str items = get_from_memory(a.q.conversation_id, owner);
	a.result = items.p ? responses_resume(mem, arena_dup(mem, items), &a.q, &a.err)
			   : responses_refuse_missing(mem, &a.q, &a.err);
	return a;
}

/* The answer, kept under its id. */
static void answer(const struct llm_request *q, const char *id, uint64_t owner,
		   const struct llm_event *events, size_t n)
{
	struct dialect_answer an = answer_for(q);
	struct buf items;
	an.id = str_z(id);
	buf_init(&items, 1 << 20);
	write_all(&an, events, n);
	assert_int_equal(responses_write_conversation(&an, &items), 0);
	assert_true(str_eq_z(responses_id(&an), id));
	put_in_memory(responses_id(&an), owner, buf_str(&items));
	buf_done(&items);
}

static const struct llm_event called[] = {
	THOUGHT("hm", "sig"), SAY(EV_TEXT, "let me"), START(0, "c1", "f"), ARGS(0, "{}"),
	FINISH(FINISH_TOOL_CALLS), END,
};
#define FIRST "  user \n    text text=<hi> \n"
#define CALLED "  assistant \n    reasoning text=<hm> signature=<sig> \n    text text=<let me> \n    call text=<{}> id=<c1> name=<f> \n"

static void test_a_conversation_goes_on(void **state)
{
	(void)state;
	static const struct llm_event done[] = { SAY(EV_TEXT, "done"), FINISH(FINISH_STOP), END };
	struct asker first = ask(1, ASK("\"instructions\":\"once\""));
	answer(&first.q, "resp_a1", 1, called, COUNT(called));
	struct asker second = ask(1, "{" M "\"instructions\":\"now\",\"previous_response_id\":\"resp_a1\",\"input\":[" RESULT("c1", "\"r\"") "]}");
	assert_int_equal(second.result, 0);
	expect_in(text_of(&second.q), "  system \n    text text=<now> \n" FIRST CALLED "  tool \n    result text=<r> id=<c1> \n\n");
	assert_int_equal(second.q.n_messages, 4);
	assert_int_equal(second.q.prompt_bytes, STR("now" "hi" "hm" "let me" "f{}" "r").n);
	expect_fixpoint(&second.q);
	answer(&second.q, "resp_a2", 1, done, COUNT(done));
	struct asker third = ask(1, "{" M "\"previous_response_id\":\"resp_a2\",\"input\":\"and?\"}");
	assert_int_equal(third.result, 0);
	expect_in(text_of(&third.q), "n=1 \n" FIRST CALLED "  tool \n    result text=<r> id=<c1> \n"
		  "  assistant \n    text text=<done> \n  user \n    text text=<and?> \n\n");
	struct asker bare = ask(1, "{" M "\"previous_response_id\":\"resp_a2\"}");
	assert_int_equal(bare.result, 0);
	assert_int_equal(bare.q.n_messages, 4);
}

static void test_nobody_else_goes_on_with_it(void **state)
{
	(void)state;
	const char *again = ASK("\"previous_response_id\":\"resp_a1\"");
	struct asker first = ask(1, "{" M "\"input\":\"hi\"}");
	answer(&first.q, "resp_a1", 1, called, COUNT(called));
	struct asker other = ask(2, again);
	assert_int_equal(other.result, -EINVAL);
	assert_true(str_eq_z(other.err.param, "previous_response_id"));
	expect_in(other.err.message, "leads to 'resp_a1', and no such response is kept");
	assert_int_equal(ask(1, again).result, 0);
}

/* Clients that keep a list of their own name the items that they were given. */
static void test_items_by_reference(void **state)
{
	(void)state;
	static const struct llm_event done[] = { SAY(EV_TEXT, "done"), END };
#define REF(id) "{\"type\":\"item_reference\",\"id\":\"" id "\"}"
#define SECOND USER("\"hi\"") "," REF("rs_a10000") "," REF("msg_a10001") "," REF("fc_a10002") "," RESULT("c1", "\"r\"")
	struct asker first = ask(1, IN(USER("\"hi\"")));
	answer(&first.q, "resp_a1", 1, called, COUNT(called));
	struct asker second = ask(1, IN(SECOND));
	assert_int_equal(second.result, 0);
	assert_true(str_eq_z(second.q.conversation_id, "resp_a1"));
	expect_in(text_of(&second.q), "n=1 \n" FIRST CALLED "  tool \n    result text=<r> id=<c1> \n\n");
	assert_int_equal(second.q.n_messages, 3);
	expect_fixpoint(&second.q);
	answer(&second.q, "resp_a2", 1, done, COUNT(done));
	struct asker third = ask(1, IN(SECOND "," REF("msg_a20000") "," USER("\"and?\"")));
	assert_int_equal(third.result, 0);
	assert_true(str_eq_z(third.q.conversation_id, "resp_a2"));
	expect_in(text_of(&third.q), CALLED "  tool \n    result text=<r> id=<c1> \n  assistant \n    text text=<done> \n  user \n    text text=<and?> \n\n");
	struct asker lost = ask(1, IN(USER("\"hi\"") "," REF("msg_a10009")));
	assert_int_equal(lost.result, -EINVAL);
	assert_true(str_eq_z(lost.err.param, "input[1].id"));
	struct asker unknown = ask(1, IN(USER("\"hi\"") "," REF("msg_b10000")));
	assert_int_equal(unknown.result, -EINVAL);
	assert_true(str_eq_z(unknown.err.param, "input"));
}

static void test_what_is_no_conversation(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "{}", "[7]", "[", "[" REF("rs_a10000") "]" };
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct dialect_error err = { 0 };
		struct llm_request q = good(ASK("\"previous_response_id\":\"resp_a1\""));
		assert_int_equal(responses_resume(mem, str_z(texts[i]), &q, &err), -EBADMSG);
	}
}

/* --- the short way --- */

static void test_a_request_on_the_short_way(void **state)
{
	(void)state;
	struct dialect_error err;
	struct buf out;
	struct llm_request q = good("{\"model\":\"m\", \"metadata\":{\"a\":\"b\"},\"input\":\"hi\",\"x\": 1.50,\"tags\":[]}");
	buf_init(&out, 1 << 16);
	assert_int_equal(dialect_responses.forward_request(mem, &q, STR("up"), STR("{\"x\":2,\"y\":3}"), STR("{\"z\":4}"), &out), 0);
	assert_string_equal(buf_z(&out), "{\"model\":\"up\",\"input\":\"hi\",\"x\": 1.50,\"y\":3,\"z\":4,\"metadata\":{\"a\":\"b\"}}");
	buf_reset(&out);
	q = good(ASK("\"previous_response_id\":\"resp_a1\",\"metadata\":{}"));
	assert_int_equal(responses_resume(mem, STR("[{\"role\":\"user\",\"content\":\"one\"}]"), &q, &err), 0);
	assert_int_equal(dialect_responses.forward_request(mem, &q, STR("up"), STR_NONE, STR("{\"metadata\":{\"c\":1}}"), &out), 0);
	assert_string_equal(buf_z(&out), "{\"model\":\"up\",\"input\":[{\"role\":\"user\",\"content\":\"one\"},"
			    "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"hi\"}]}],"
			    "\"previous_response_id\":null,\"metadata\":{\"c\":1}}");
	buf_done(&out);
}

static int forward(struct dialect_answer *an, const char *event, struct buf *out)
{
	struct str raw = str_z(event);
	size_t at = str_find(raw, STR("data: ")) + 6;
	struct sse_event ev = { .raw = raw, .data = str_of(raw.p + at, raw.n - at - 2) };
	return dialect_responses.forward_event(an, mem, &ev, out);
}

#define UP(status, more) \
	"{\"id\":\"resp_up\",\"object\":\"response\",\"status\":\"" status "\",\"model\":\"up\"," more "}"
#define USAGE "\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens\":3,\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":12}"
#define OUTPUT "\"output\":[{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hi\"}]}]"

static void test_a_stream_on_the_short_way(void **state)
{
	(void)state;
	struct llm_request q = good("{" M "\"input\":\"hi\"}");
	struct dialect_answer an = answer_for(&q);
	struct buf out, items;
	buf_init(&out, 1 << 16);
	buf_init(&items, 1 << 16);
	assert_int_equal(forward(&an, "event: response.created\ndata: {\"response\":" UP("in_progress", "\"output\":[]") ",\"type\":\"response.created\",\"sequence_number\":0}\n\n", &out), 0);
	assert_int_equal(forward(&an, "event: x\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\",\"sequence_number\":1}\n\n", &out), 0);
	assert_int_equal(forward(&an, "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":" UP("completed", OUTPUT "," USAGE) "}\n\n", &out), 0);
	assert_int_equal(forward(&an, "event: late\ndata: {\"type\":\"late\"}\n\n", &out), 0);
	expect_in(buf_str(&out), "event: response.created\ndata: {\"response\":{\"id\":\"resp_up\",\"object\":\"response\",\"status\":\"in_progress\",\"model\":\"asked\",\"output\":[]},\"type\"");
	expect_in(buf_str(&out), "event: x\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\",\"sequence_number\":1}\n\n");
	assert_true(str_ends(buf_str(&out), STR(USAGE "}}\n\n")));
	assert_true(an.is_ended && an.tally.is_done && an.tally.finish == FINISH_STOP);
	assert_int_equal(an.tally.usage.input, 9);
	assert_int_equal(an.tally.usage.cache_read, 4);
	assert_int_equal(an.tally.usage.reasoning, 2);
	assert_int_equal(an.tally.content_bytes, 2);
	assert_true(str_eq_z(responses_id(&an), "resp_up"));
	assert_int_equal(responses_write_conversation(&an, &items), 0);
	assert_string_equal(buf_z(&items), "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"hi\"}]},"
			    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hi\"}]}]");
	buf_done(&out);
	buf_done(&items);
}

/* An id that nobody could ask for is replaced wherever the response is told. */
static void test_an_odd_id_on_the_short_way(void **state)
{
	(void)state;
#define ODD(more) "{\"model\":\"up\",\"id\":\"a b=\",\"previous_response_id\":null," more "}"
	struct llm_request q = good(ASK("\"previous_response_id\":\"resp_a1\""));
	struct dialect_answer an = answer_for(&q);
	struct buf out;
	struct buf response, items;
	struct str id;
	buf_init(&out, 1 << 16);
	buf_init(&response, 1 << 16);
	buf_init(&items, 1 << 16);
	assert_int_equal(forward(&an, "data: {\"type\":\"response.created\",\"response\":" ODD("\"output\":[]") "}\n\n", &out), 0);
	assert_int_equal(forward(&an, "data: {\"type\":\"response.completed\",\"response\":" ODD("\"output\":[]") "}\n\n", &out), 0);
	assert_int_equal(dialect_responses.write_kept(&an, &id, &response, &items), 0);
	assert_true(str_is_id(id) && str_starts(id, STR("resp_")));
	char want[256];
	snprintf(want, sizeof want, "{\"model\":\"asked\",\"id\":\"" STR_FMT "\",\"previous_response_id\":\"resp_a1\",\"output\":[]}",
		 STR_ARG(id));
	assert_string_equal(buf_z(&response), want);
	expect_in(buf_str(&out), want);
	assert_int_equal(str_find(buf_str(&out), STR("a b=")), SIZE_MAX);
	buf_done(&out);
	buf_done(&response);
	buf_done(&items);
}

static const struct {
	const char *event;
	int result;
	enum outcome error;		/* OUTCOME_OK: none */
	enum llm_finish finish;
} forwarded[] = {
	{ "data: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"slow\"}\n\n", 0, OUTCOME_UP_RATE_LIMITED, FINISH_NONE },
	{ "data: {\"type\":\"error\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"}}\n\n", 0, OUTCOME_UP_ERROR, FINISH_NONE },
	{ "data: {\"type\":\"response.failed\",\"response\":" UP("failed", "\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"long\"}") "}\n\n",
	  0, OUTCOME_CONTEXT_LENGTH, FINISH_NONE },
	{ "data: {\"type\":\"response.incomplete\",\"response\":" UP("incomplete", "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"output\":[]") "}\n\n",
	  0, OUTCOME_OK, FINISH_LENGTH },
	{ "data: {\"type\":\"response.incomplete\",\"response\":" UP("incomplete", "\"incomplete_details\":{\"reason\":\"content_filter\"},\"output\":[]") "}\n\n",
	  0, OUTCOME_OK, FINISH_FILTER },
	{ "data: {\"type\":\"response.completed\",\"response\":" UP("completed", "\"output\":[{\"type\":\"function_call\"}]") "}\n\n",
	  0, OUTCOME_OK, FINISH_TOOL_CALLS },
	{ "data: {\"type\":\"response.completed\"}\n\n", -EBADMSG, OUTCOME_OK, FINISH_NONE },
	{ "data: nothing\n\n", -EBADMSG, OUTCOME_OK, FINISH_NONE },
	{ "data: []\n\n", -EBADMSG, OUTCOME_OK, FINISH_NONE },
	{ "data: [DONE]\n\n", 0, OUTCOME_OK, FINISH_NONE },
};

static void test_events_on_the_short_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forwarded); i++) {
		struct llm_request q = good("{" M "\"input\":\"hi\"}");
		struct dialect_answer an = answer_for(&q);
		struct buf out;
		buf_init(&out, 1 << 16);
		assert_int_equal(forward(&an, forwarded[i].event, &out), forwarded[i].result);
		assert_int_equal(an.tally.has_error, forwarded[i].error != OUTCOME_OK);
		if (an.tally.has_error)
			assert_int_equal(an.tally.error.outcome, forwarded[i].error);
		assert_true(!an.tally.has_error || out.n == 0);
		assert_int_equal(an.tally.finish, forwarded[i].finish);
		buf_done(&out);
	}
}

static void test_plain_answers_on_the_short_way(void **state)
{
	(void)state;
	struct llm_request q = good("{" M "\"input\":\"hi\"}");
	struct dialect_answer an = answer_for(&q);
	struct buf out;
	buf_init(&out, 1 << 16);
	assert_int_equal(dialect_responses.forward_answer(&an, STR(UP("completed", "\"error\":null," OUTPUT "," USAGE)), &out), 0);
	expect_in(buf_str(&out), "\"status\":\"completed\",\"model\":\"asked\",\"error\":null");
	assert_true(an.tally.is_done && an.tally.usage.output == 3 && an.tally.content_bytes == 2);
	buf_reset(&out);
	an = answer_for(&q);
	assert_int_equal(dialect_responses.forward_answer(&an, STR(UP("failed", "\"error\":{\"code\":\"server_error\",\"message\":\"x\"}")), &out), 0);
	assert_true(an.tally.has_error && out.n == 0);
	an = answer_for(&q);
	assert_int_equal(dialect_responses.forward_answer(&an, STR("{\"object\":\"response\"}"), &out), -EBADMSG);
	assert_int_equal(dialect_responses.forward_answer(&an, STR("<html>"), &out), -EBADMSG);
	buf_done(&out);
}

/* --- memory --- */

/* An arena in which so many bytes are left, more or less. */
static struct arena *narrow_arena(size_t left)
{
	enum { ALL = 1 << 16 };
	struct arena *a = arena_new(ALL);
	assert_non_null(a);
	while (arena_used(a) + left + 64 < ALL && arena_alloc(a, 32))
		;
	return a;
}

static void test_little_memory(void **state)
{
	(void)state;
	struct llm_request q = good("{" M "\"input\":\"hi\"}");
	int err = -ENOMEM;
	unsigned failed = 0;
	for (size_t left = 0; err; left += 96, failed++) {
		struct dialect_answer an = answer_for(&q);
		struct buf out;
		assert_true(left < 1 << 15);
		an.mem = narrow_arena(left);
		buf_init(&out, 1 << 20);
		err = 0;
		for (size_t i = 0; i < COUNT(called) && !err; i++)
			err = dialect_responses.write_event(&an, &called[i], &out);
		assert_true(err == 0 || err == -ENOMEM);
		buf_done(&out);
		arena_free(an.mem);
	}
	assert_true(failed > 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, forget_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_refusal_names_the_place),
		TEST(test_what_is_accepted_says_the_same_again),
		TEST(test_what_the_gateway_takes_for_itself),
		TEST(test_a_text),
		TEST(test_a_stream_to_the_byte),
		TEST(test_tools),
		TEST(test_a_custom_tool),
		TEST(test_reasoning),
		TEST(test_a_refusal),
		TEST(test_ends_that_are_no_completion),
		TEST(test_a_stream_that_breaks),
		TEST(test_errors),
		TEST(test_there_is_an_end_to_items),
		STORE_TEST(test_a_conversation_goes_on),
		STORE_TEST(test_nobody_else_goes_on_with_it),
		STORE_TEST(test_items_by_reference),
		TEST(test_what_is_no_conversation),
		TEST(test_a_request_on_the_short_way),
		TEST(test_a_stream_on_the_short_way),
		TEST(test_an_odd_id_on_the_short_way),
		TEST(test_events_on_the_short_way),
		TEST(test_plain_answers_on_the_short_way),
		TEST(test_little_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
