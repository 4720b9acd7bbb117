/* SPDX-License-Identifier: MIT
 * test_dialect_gemini.c - what the Gemini dialects accept and refuse, what of a request they change
 * on the short way, and what they write.
 *
 * A row that is refused names the place; one that is accepted is written by the provider adapter,
 * read again and written once more, and must then be the same. */
#include "worker/client/dialect_gemini.h"

#include <stdio.h>

#include "common/mem.h"
#include "tests/unit/llm_fixture.h"
#include "worker/exchange/provider_gemini.h"

enum { OUT_MAX = 1 << 20 };

static struct arena *scratch;

static int setup_both(void **state)
{
	path_model = STR("m");
	scratch = arena_new(8 << 20);
	return scratch ? setup(state) : -1;
}

static int teardown_both(void **state)
{
	scratch = arena_free(scratch);
	return teardown(state);
}

/* --- what is refused --- */

#define C "\"contents\":[{\"parts\":[{\"text\":\"Hi\"}]}]"
#define BODY(more) "{" C "," more "}"
#define PART(part) "{\"contents\":[{\"role\":\"user\",\"parts\":[" part "]}]}"
#define SAID(part) "{\"contents\":[{\"role\":\"model\",\"parts\":[" part "]}]}"
#define CONFIG(member) BODY("\"generationConfig\":{" member "}")
#define CHAT &dialect_gemini_chat
#define EMBED &dialect_gemini_embed
#define BATCH &dialect_gemini_batch

static const struct {
	const struct dialect *dialect;
	const char *body, *param, *says;
} refused[] = {
	{ CHAT, "{}", "contents", "is missing" },
	{ CHAT, "{\"contents\":null}", "contents", "is missing" },
	{ CHAT, "{\"contents\":[]}", "contents", "must not be empty" },
	{ CHAT, "{\"contents\":\"Hi\"}", "contents", "must be an array, not a string" },
	{ CHAT, "{\"contents\":[7]}", "contents[0]", "must be an object, not a number" },
	{ CHAT, "{\"contents\":[{}]}", "contents[0].parts", "is missing" },
	{ CHAT, "{\"contents\":{}}", "contents.parts", "is missing" },
	{ CHAT, "{\"contents\":[{\"parts\":[]}]}", "contents[0].parts", "must not be empty" },
	{ CHAT, "{\"contents\":[{\"parts\":\"x\"}]}", "contents[0].parts", "must be an array" },
	{ CHAT, "{\"contents\":[{\"role\":\"assistant\",\"parts\":[{\"text\":\"x\"}]}]}", "contents[0].role", "must be \"user\" or \"model\"" },
	{ CHAT, "{\"contents\":[{\"role\":1,\"parts\":[{\"text\":\"x\"}]}]}", "contents[0].role", "must be a string" },
	{ CHAT, PART("7"), "contents[0].parts[0]", "must be an object" },
	{ CHAT, PART("{\"text\":\"a\"},{\"text\":7}"), "contents[0].parts[1].text", "must be a string, not a number" },
	{ CHAT, PART("{\"inlineData\":7}"), "contents[0].parts[0].inlineData", "must be an object" },
	{ CHAT, PART("{\"inlineData\":{\"data\":\"AA\"}}"), "contents[0].parts[0].inlineData.mimeType", "is missing" },
	{ CHAT, PART("{\"inline_data\":{\"mime_type\":\"image/png\"}}"), "contents[0].parts[0].inlineData.data", "is missing" },
	{ CHAT, PART("{\"fileData\":{\"mimeType\":\"image/png\"}}"), "contents[0].parts[0].fileData.fileUri", "is missing" },
	{ CHAT, PART("{\"functionCall\":{\"name\":\"f\"}}"), "contents[0].parts[0].functionCall", "belongs to the model" },
	{ CHAT, SAID("{\"functionCall\":{}}"), "contents[0].parts[0].functionCall.name", "is missing" },
	{ CHAT, SAID("{\"functionCall\":{\"name\":\"f\",\"args\":\"{}\"}}"), "contents[0].parts[0].functionCall.args", "must be an object, not a string" },
	{ CHAT, SAID("{\"functionCall\":{\"name\":\"f\",\"id\":7}}"), "contents[0].parts[0].functionCall.id", "must be a string" },
	{ CHAT, SAID("{\"functionResponse\":{\"name\":\"f\",\"response\":{}}}"), "contents[0].parts[0].functionResponse", "belongs to the user" },
	{ CHAT, PART("{\"functionResponse\":{\"response\":{}}}"), "contents[0].parts[0].functionResponse.name", "is missing" },
	{ CHAT, PART("{\"functionResponse\":{\"name\":\"f\"}}"), "contents[0].parts[0].functionResponse.response", "is missing" },
	{ CHAT, PART("{\"functionResponse\":{\"name\":\"f\",\"response\":[]}}"), "contents[0].parts[0].functionResponse.response", "must be an object, not an array" },
	{ CHAT, PART("{\"text\":\"x\",\"thoughtSignature\":7}"), "contents[0].parts[0].thoughtSignature", "must be a string" },
	{ CHAT, BODY("\"systemInstruction\":\"x\""), "systemInstruction", "must be an object, not a string" },
	{ CHAT, BODY("\"system_instruction\":{}"), "system_instruction.parts", "is missing" },
	{ CHAT, BODY("\"systemInstruction\":{\"parts\":[{\"inlineData\":{}}]}"), "systemInstruction.parts[0]", "must be a text" },
	{ CHAT, BODY("\"tools\":7"), "tools", "must be an array" },
	{ CHAT, BODY("\"tools\":[7]"), "tools[0]", "must be an object" },
	{ CHAT, BODY("\"tools\":[{\"functionDeclarations\":[{}]}]"), "tools[0].functionDeclarations[0].name", "is missing" },
	{ CHAT, BODY("\"tools\":[{\"function_declarations\":[{\"name\":\"f\",\"parameters\":[]}]}]"), "tools[0].functionDeclarations[0].parameters", "must be an object" },
	{ CHAT, BODY("\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":[]}]}]"), "tools[0].functionDeclarations[0].description", "must be a string" },
	{ CHAT, BODY("\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parametersJsonSchema\":1}]}]"), "tools[0].functionDeclarations[0].parametersJsonSchema", "must be an object" },
	{ CHAT, BODY("\"toolConfig\":[]"), "toolConfig", "must be an object" },
	{ CHAT, BODY("\"toolConfig\":{\"functionCallingConfig\":7}"), "toolConfig.functionCallingConfig", "must be an object" },
	{ CHAT, BODY("\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"MAYBE\"}}"), "toolConfig.functionCallingConfig.mode", "must be \"AUTO\"" },
	{ CHAT, BODY("\"tool_config\":{\"function_calling_config\":{\"mode\":\"ANY\",\"allowed_function_names\":[1]}}"), "tool_config.functionCallingConfig.allowedFunctionNames[0]", "must be a string" },
	{ CHAT, BODY("\"generationConfig\":[]"), "generationConfig", "must be an object" },
	{ CHAT, CONFIG("\"temperature\":\"hot\""), "generationConfig.temperature", "must be a number" },
	{ CHAT, CONFIG("\"maxOutputTokens\":1.5"), "generationConfig.maxOutputTokens", "must be a whole number" },
	{ CHAT, CONFIG("\"max_output_tokens\":-1"), "generationConfig.maxOutputTokens", "must be between 0 and" },
	{ CHAT, CONFIG("\"candidateCount\":0"), "generationConfig.candidateCount", "must be between 1 and 128" },
	{ CHAT, CONFIG("\"stopSequences\":\"x\""), "generationConfig.stopSequences", "must be an array" },
	{ CHAT, CONFIG("\"stopSequences\":[\"x\",1]"), "generationConfig.stopSequences[1]", "must be a string" },
	{ CHAT, CONFIG("\"stopSequences\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"), "generationConfig.stopSequences", "must not hold more than 16" },
	{ CHAT, CONFIG("\"responseSchema\":true"), "generationConfig.responseSchema", "must be an object" },
	{ CHAT, CONFIG("\"responseMimeType\":1"), "generationConfig.responseMimeType", "must be a string" },
	{ CHAT, CONFIG("\"thinkingConfig\":1"), "generationConfig.thinkingConfig", "must be an object" },
	{ CHAT, CONFIG("\"maxOutputTokens\":1,\"max_output_tokens\":2"), "generationConfig.maxOutputTokens", "is given twice" },
	{ CHAT, BODY("\"generation_config\":{},\"generationConfig\":null"), "generationConfig", "is given twice" },
	{ CHAT, BODY("\"api_key\":\"x\""), "api_key", "is not allowed in request body" },
	{ CHAT, BODY("\"api_base\":\"x\""), "api_base", "is not allowed in request body" },
	{ CHAT, BODY("\"metadata\":7"), "metadata", "must be an object" },
	{ EMBED, "{}", "content", "is missing" },
	{ EMBED, "{\"content\":\"x\"}", "content", "must be an object" },
	{ EMBED, "{\"content\":{}}", "content.parts", "is missing" },
	{ EMBED, "{\"content\":{\"parts\":[{\"inlineData\":{}}]}}", "content.parts[0].text", "is missing" },
	{ EMBED, "{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"outputDimensionality\":\"x\"}", "outputDimensionality", "must be a whole number" },
	{ EMBED, "{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"taskType\":1}", "taskType", "must be a string" },
	{ BATCH, "{}", "requests", "is missing" },
	{ BATCH, "{\"requests\":[]}", "requests", "must not be empty" },
	{ BATCH, "{\"requests\":[{}]}", "requests[0].content", "is missing" },
	{ BATCH, "{\"requests\":[7]}", "requests[0]", "must be an object" },
	{ BATCH, "{\"requests\":[{\"content\":{\"parts\":{\"text\":\"a\"}},\"outputDimensionality\":2},{\"content\":{\"parts\":{\"text\":\"b\"}},\"outputDimensionality\":3}]}", "requests[1].outputDimensionality", "must be the same" },
};

static void test_what_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++)
		expect_refused(refused[i].dialect, refused[i].body, refused[i].param,
			       refused[i].says);
}

static void test_a_model_must_be_named(void **state)
{
	struct dialect_error err = { 0 };
	struct llm_request q = { 0 };
	struct json_error error;
	(void)state;
	const struct json *root = json_parse(mem, STR("{" C "}"), 0, &error);
	assert_int_equal(dialect_gemini_chat.read_request(mem, STR("{" C "}"), root, &q, &err), -EINVAL);
	assert_true(str_eq_z(err.param, "model"));
}

/* --- what is accepted --- */

#define SET "kind=0 stream=0 model=<m> choice=unset format=unset n=1 \n"
#define USER "  user \n    text text=<Hi> \n"
#define HI SET USER "\n"
#define WITH(settings, rest) "kind=0 stream=0 model=<m> " settings "\n" rest "\n"
#define UNSET "choice=unset format=unset "

static const struct {
	const char *body, *says;
} accepted[] = {
	{ "{" C "}", HI },
	{ "{\"contents\":{\"parts\":{\"text\":\"Hi\"}}}", HI },
	{ "{\"contents\":[{\"role\":\"\",\"parts\":[{\"text\":\"Hi\"}]}]}", HI },
	{ BODY("\"tools\":null,\"generationConfig\":null,\"metadata\":{\"a\":1}"), HI },
	{ BODY("\"generationConfig\":{},\"tools\":[]"), HI },
	{ BODY("\"systemInstruction\":{\"role\":\"system\",\"parts\":[{\"text\":\"a\"},{\"text\":\"b\"}]}"),
	  SET "  system \n    text text=<a> \n    text text=<b> \n" USER "\n" },
	{ "{\"system_instruction\":{\"parts\":{\"text\":\"a\"}}," C "}", SET "  system \n    text text=<a> \n" USER "\n" },
	{ PART("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA==\"}}"), SET "  user \n    image mime=<image/png> data=<AA==> \n\n" },
	{ PART("{\"inline_data\":{\"mime_type\":\"audio/wav\",\"data\":\"AA==\"}}"), SET "  user \n    audio mime=<audio/wav> data=<AA==> \n\n" },
	{ PART("{\"inlineData\":{\"mimeType\":\"application/pdf\",\"data\":\"AA==\",\"displayName\":\"a.pdf\"}}"),
	  SET "  user \n    file mime=<application/pdf> data=<AA==> filename=<a.pdf> \n\n" },
	{ PART("{\"fileData\":{\"mimeType\":\"video/mp4\",\"fileUri\":\"gs://a/b\"}}"), SET "  user \n    file mime=<video/mp4> url=<gs://a/b> \n\n" },
	{ PART("{\"fileData\":{\"fileUri\":\"https://a/b\"}}"), SET "  user \n    file url=<https://a/b> \n\n" },
	{ PART("{\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"1\"}}"),
	  SET "  user \n    other text=<executableCode> raw=<{\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"1\"}}> \n\n" },
	{ SAID("{\"text\":\"hm\",\"thought\":true,\"thoughtSignature\":\"c2ln\"},{\"text\":\"x\",\"thought_signature\":\"dHdv\"}"),
	  SET "  assistant \n    reasoning text=<hm> signature=<c2ln> \n    text text=<x> signature=<dHdv> \n\n" },
	{ SAID("{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\": 1}},\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"id\":\"x\",\"name\":\"g\"}}"),
	  SET "  assistant \n    call text=<{\"a\": 1}> id=<call_0> name=<f> signature=<c2ln> \n    call text=<{}> id=<x> name=<g> \n\n" },
	{ SAID("{\"functionCall\":{\"id\":\"x__thought__ab-_\",\"name\":\"f\"}}"), SET "  assistant \n    call text=<{}> id=<x> name=<f> signature=<ab+/> \n\n" },
	/* results find their calls by id, else by name and order, and come first */
	{ "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\"}},{\"functionCall\":{\"name\":\"g\"}},{\"functionCall\":{\"name\":\"f\"}}]},"
	  "{\"role\":\"function\",\"parts\":[{\"text\":\"so:\"},{\"functionResponse\":{\"name\":\"f\",\"response\":{\"output\":\"1\"}}},"
	  "{\"functionResponse\":{\"name\":\"f\",\"response\":{\"result\":\"2\"}}},{\"functionResponse\":{\"name\":\"g\",\"response\":{\"x\":3}}},"
	  "{\"functionResponse\":{\"name\":\"h\",\"response\":{\"output\":\"{\\\"a\\\":1}\"}}}]}]}",
	  SET "  assistant \n    call text=<{}> id=<call_0> name=<f> \n    call text=<{}> id=<call_1> name=<g> \n    call text=<{}> id=<call_2> name=<f> \n"
	  "  user \n    result text=<1> id=<call_0> name=<f> \n    result text=<2> id=<call_2> name=<f> \n    result text=<{\"x\":3}> id=<call_1> name=<g> \n"
	  "    result text=<{\"output\":\"{\\\"a\\\":1}\"}> id=<call_3> name=<h> \n    text text=<so:> \n\n" },
	{ "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"x\",\"name\":\"f\"}},{\"functionCall\":{\"id\":\"y\",\"name\":\"f\"}}]},"
	  "{\"parts\":[{\"functionResponse\":{\"id\":\"y\",\"name\":\"f\",\"response\":{\"error\":\"no\"},\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA\"}}]}}]}]}",
	  SET "  assistant \n    call text=<{}> id=<x> name=<f> \n    call text=<{}> id=<y> name=<f> \n"
	  "  user \n    result text=<no> id=<y> name=<f> \n    image mime=<image/png> data=<AA> \n\n" },
	{ BODY("\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"STRING\",\"nullable\":true}}}}]},{\"googleSearch\":{}}]"),
	  SET USER "  tool 0 name=<f> description=<d> schema=<{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}}}> \n"
	  "  tool 2 name=<googleSearch> schema=<{\"googleSearch\":{}}> \n\n" },
	{ BODY("\"tools\":{\"function_declarations\":{\"name\":\"f\",\"parameters_json_schema\":{\"type\":\"object\"}}}"),
	  SET USER "  tool 0 name=<f> schema=<{\"type\":\"object\"}> \n\n" },
	{ BODY("\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"AUTO\"}}"), WITH("choice=auto format=unset n=1 ", USER) },
	{ BODY("\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"none\"}}"), WITH("choice=none format=unset n=1 ", USER) },
	{ BODY("\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\"}}"), WITH("choice=required format=unset n=1 ", USER) },
	{ BODY("\"tool_config\":{\"function_calling_config\":{\"mode\":\"ANY\",\"allowed_function_names\":[\"f\"]}}"), WITH("choice=named choice_name=<f> format=unset n=1 ", USER) },
	{ BODY("\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\",\"allowedFunctionNames\":[\"f\",\"g\"]}}"),
	  WITH("choice=required format=unset n=1 ", USER "toolConfig=<{\"functionCallingConfig\":{\"mode\":\"ANY\",\"allowedFunctionNames\":[\"f\",\"g\"]}}> ") },
	{ BODY("\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"VALIDATED\"}}"),
	  WITH("choice=auto format=unset n=1 ", USER "toolConfig=<{\"functionCallingConfig\":{\"mode\":\"VALIDATED\"}}> ") },
	{ BODY("\"toolConfig\":{\"retrievalConfig\":{}}"), WITH(UNSET "n=1 ", USER "toolConfig=<{\"retrievalConfig\":{}}> ") },
	{ CONFIG("\"temperature\":0.20,\"topP\":1,\"top_k\":40,\"seed\":-7,\"presencePenalty\":0.5,\"frequency_penalty\":-1,\"maxOutputTokens\":64,\"candidateCount\":2,\"stopSequences\":[\"a\",\"\\n\"]"),
	  WITH(UNSET "temperature=<0.20> top_p=<1> top_k=<40> seed=<-7> presence_penalty=<0.5> frequency_penalty=<-1> stop=<a> stop=<\n> max_tokens=64 n=2 ", USER) },
	{ CONFIG("\"responseMimeType\":\"application/json\""), WITH("choice=unset format=json n=1 ", USER) },
	{ CONFIG("\"responseMimeType\":\"text/plain\""), HI },
	{ CONFIG("\"responseMimeType\":\"text/x.enum\""), WITH(UNSET "n=1 ", USER "generationConfig.responseMimeType=<\"text/x.enum\"> ") },
	{ CONFIG("\"response_schema\":{\"type\":\"STRING\"},\"responseMimeType\":\"application/json\""),
	  WITH("choice=unset format=schema format_name=<answer> format_schema=<{\"type\":\"string\"}> n=1 ", USER) },
	{ CONFIG("\"responseMimeType\":\"application/json\",\"responseJsonSchema\":{\"type\":\"string\"}"),
	  WITH("choice=unset format=schema format_name=<answer> format_schema=<{\"type\":\"string\"}> n=1 ", USER) },
	{ CONFIG("\"thinkingConfig\":{\"thinkingLevel\":\"LOW\"}"), WITH(UNSET "n=1 reasoning_effort=<low> ", USER "generationConfig.thinkingConfig=<{\"thinkingLevel\":\"LOW\"}> ") },
	{ CONFIG("\"thinkingConfig\":{\"thinkingBudget\":0}"), WITH(UNSET "n=1 reasoning_effort=<none> ", USER "generationConfig.thinkingConfig=<{\"thinkingBudget\":0}> ") },
	{ CONFIG("\"thinking_config\":{\"thinking_budget\":9000}"), WITH(UNSET "n=1 reasoning_effort=<high> ", USER "generationConfig.thinkingConfig=<{\"thinking_budget\":9000}> ") },
	{ CONFIG("\"thinkingConfig\":{\"thinkingBudget\":-1}"), WITH(UNSET "n=1 ", USER "generationConfig.thinkingConfig=<{\"thinkingBudget\":-1}> ") },
	{ CONFIG("\"speechConfig\":{\"a\":1},\"brandNew\":2"), WITH(UNSET "n=1 ", USER "generationConfig.speechConfig=<{\"a\":1}> generationConfig.brandNew=<2> ") },
	{ BODY("\"safetySettings\":[],\"cachedContent\":\"c\",\"labels\":{}"), WITH(UNSET "n=1 ", USER "safetySettings=<[]> cachedContent=<\"c\"> labels=<{}> ") },
};

static struct str write_gemini(const struct llm_request *q)
{
	struct provider_target t = { .model = STR("up") };
	struct provider_call call = { 0 };
	struct llm_error err = { 0 };
	buf_init(&call.path, 256);
	buf_init(&call.body, OUT_MAX);
	assert_int_equal(provider_gemini.write_request(mem, q, &t, &call, &err), 0);
	struct str body = arena_dup(mem, buf_str(&call.body));
	buf_done(&call.path);
	buf_done(&call.body);
	return body;
}

static void check_fixpoint(const struct llm_request *q)
{
	struct dialect_error err = { 0 };
	struct llm_request again;
	struct str body = write_gemini(q);
	assert_int_equal(read_body(CHAT, body, &again, &err), 0);
	struct str twice = write_gemini(&again);
	if (!str_eq(body, twice))
		print_error(STR_FMT "\n" STR_FMT "\n", STR_ARG(body), STR_ARG(twice));
	assert_true(str_eq(body, twice));
}

static void test_what_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		struct dialect_error err = { 0 };
		struct llm_request q;
		struct buf b;
		int r = read_body(CHAT, str_z(accepted[i].body), &q, &err);
		if (r)
			print_error("%s: " STR_FMT "\n", accepted[i].body, STR_ARG(err.message));
		assert_int_equal(r, 0);
		buf_init(&b, OUT_MAX);
		say_request(&b, &q);
		if (strcmp(buf_z(&b), accepted[i].says) != 0)
			print_error("%s gave\n%s, not\n%s\n", accepted[i].body, buf_z(&b), accepted[i].says);
		assert_string_equal(buf_z(&b), accepted[i].says);
		buf_done(&b);
		assert_true(q.prompt_bytes <= strlen(accepted[i].body));
		assert_int_equal(q.family, FAMILY_GEMINI);
		check_fixpoint(&q);
	}
}

static void test_errors_of_tools_are_known(void **state)
{
	struct dialect_error err = { 0 };
	struct llm_request q;
	(void)state;
	assert_int_equal(read_body(CHAT, STR(PART("{\"functionResponse\":{\"name\":\"f\",\"response\":{\"error\":\"no\"}}}")), &q, &err), 0);
	assert_true(q.messages->parts->is_error);
}

static void test_the_verb_decides(void **state)
{
	struct dialect_error err = { 0 };
	struct llm_request q;
	(void)state;
	assert_int_equal(read_body(&dialect_gemini_stream, STR("{\"stream\":false," C "}"), &q, &err), 0);
	assert_true(q.is_stream && q.wants_usage);
	assert_int_equal(read_body(CHAT, STR("{\"stream\":true," C "}"), &q, &err), 0);
	assert_false(q.is_stream);
	assert_ptr_equal(gemini_dialect_for(&dialect_gemini_array, STR("key=x&alt=sse")), &dialect_gemini_stream);
	assert_ptr_equal(gemini_dialect_for(&dialect_gemini_array, STR("alt=json")), &dialect_gemini_array);
	assert_ptr_equal(gemini_dialect_for(&dialect_gemini_array, STR_NONE), &dialect_gemini_array);
	assert_ptr_equal(gemini_dialect_for(CHAT, STR("alt=sse")), CHAT);
	assert_ptr_equal(gemini_dialect_for(&dialect_openai_chat, STR("alt=sse")), &dialect_openai_chat);
}

/* --- embeddings and counting --- */

static void test_embeddings_are_read(void **state)
{
	static const struct {
		const struct dialect *dialect;
		const char *body, *says;
	} rows[] = {
		{ EMBED, "{\"content\":{\"parts\":[{\"text\":\"a\"},{\"text\":\"b\"}]},\"taskType\":\"CLUSTERING\",\"output_dimensionality\":3}",
		  "kind=2 stream=0 model=<m> " UNSET "n=1 dimensions=3 \ninput=<a\nb> taskType=<\"CLUSTERING\"> \n" },
		{ EMBED, "{\"model\":\"models/x\",\"content\":{\"parts\":{\"text\":\"\"}}}", "kind=2 stream=0 model=<models/x> " UNSET "n=1 \ninput=<> \n" },
		{ BATCH, "{\"requests\":[{\"model\":\"models/x\",\"content\":{\"parts\":[{\"text\":\"a\"}]},\"title\":\"t\"},{\"content\":{\"parts\":[{\"text\":\"b\"}]},\"title\":\"u\"}]}",
		  "kind=2 stream=0 model=<m> " UNSET "n=1 \ninput=<a> input=<b> title=<\"t\"> \n" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dialect_error err = { 0 };
		struct llm_request q;
		struct buf b;
		buf_init(&b, OUT_MAX);
		assert_int_equal(read_body(rows[i].dialect, str_z(rows[i].body), &q, &err), 0);
		say_request(&b, &q);
		assert_string_equal(buf_z(&b), rows[i].says);
		buf_done(&b);
	}
}

static void test_tokens_are_counted(void **state)
{
	static const char *const bodies[] = { "{" C "}", "{\"generateContentRequest\":{\"model\":\"models/m\"," C "}}" };
	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct llm_request q = { .model = STR("m") };
		struct dialect_error err = { 0 };
		struct json_error error;
		struct buf b;
		buf_init(&b, OUT_MAX);
		const struct json *root = json_parse(mem, str_z(bodies[i]), 0, &error);
		assert_int_equal(gemini_count_tokens(mem, str_z(bodies[i]), root, &q, &b, &err), 0);
		assert_string_equal(buf_z(&b), "{\"totalTokens\":8}");
		buf_done(&b);
	}
}

/* --- the short way: requests --- */

static const struct {
	const char *body, *params, *extra, *gives;	/* gives NULL: as it was */
} forwarded[] = {
	{ "{" C "}", NULL, NULL, NULL },
	{ " { " C " , \"x\" : 1 } ", NULL, NULL, NULL },
	{ BODY("\"mock_response\":\"x\",\"metadata\":{},\"labels\":{}"), NULL, NULL, "{" C ",\"labels\":{}}" },
	{ "{\"metadata\":{}, " C "}", NULL, NULL, "{ " C "}" },
	{ "{" C "}", "{\"temperature\":0.5,\"max_tokens\":9}", NULL, "{" C ",\"generationConfig\":{\"temperature\":0.5,\"maxOutputTokens\":9}}" },
	{ CONFIG("\"temperature\" : 1 , \"max_output_tokens\":5"), "{\"temperature\":0.5,\"max_tokens\":9,\"seed\":1}", NULL,
	  CONFIG("\"temperature\":1,\"max_output_tokens\":5,\"seed\":1") },
	{ CONFIG("\"temperature\" : 1 "), "{\"temperature\":0.5}", NULL, NULL },
	{ CONFIG("\"temperature\":1"), "{\"temperature\":0.5}", "{\"generationConfig\":{\"temperature\":2,\"top_k\":3}}", CONFIG("\"temperature\":2,\"topK\":3") },
	{ BODY("\"safety_settings\":[1]"), "{\"safety_settings\":[2]}", NULL, NULL },
	{ BODY("\"safety_settings\":[1]"), NULL, "{\"safetySettings\":[3]}", BODY("\"safety_settings\":[3]") },
	{ "{" C "}", "{\"safety_settings\":[2],\"rpm\":5}", "{\"labels\":{\"a\":\"b\"},\"contents\":[],\"model\":\"x\"}",
	  "{" C ",\"labels\":{\"a\":\"b\"},\"safetySettings\":[2]}" },
	{ "{" C "}", "{\"reasoning_effort\":\"low\"}", NULL, "{" C ",\"generationConfig\":{\"thinkingConfig\":{\"thinkingLevel\":\"LOW\",\"includeThoughts\":true}}}" },
};

static void check_forwarded(const struct dialect *d, const char *body, const char *params, const char *extra,
			    const char *gives)
{
	struct dialect_error err = { 0 };
	struct llm_request q;
	struct buf b;
	buf_init(&b, OUT_MAX);
	assert_int_equal(read_body(d, str_z(body), &q, &err), 0);
	assert_int_equal(d->forward_request(mem, &q, STR("gemini-3-x"), str_z(params), str_z(extra), &b), 0);
	assert_string_equal(buf_z(&b), gives ? gives : body);
	buf_done(&b);
}

static void test_what_the_short_way_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forwarded); i++)
		check_forwarded(CHAT, forwarded[i].body, forwarded[i].params, forwarded[i].extra, forwarded[i].gives);
	check_forwarded(EMBED, "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"tags\":[]}", NULL, NULL, "{\"content\":{\"parts\":[{\"text\":\"a\"}]}}");
	check_forwarded(EMBED, "{\"model\":\"models/m\",\"content\":{\"parts\":[{\"text\":\"a\"}]}}", NULL, NULL,
			"{\"model\":\"models/gemini-3-x\",\"content\":{\"parts\":[{\"text\":\"a\"}]}}");
	check_forwarded(BATCH, "{\"requests\":[{\"model\": \"models/m\",\"content\":{\"parts\":[{\"text\":\"a\"}]}}, {\"content\":{\"parts\":[{\"text\":\"b\"}]},\"taskType\":\"X\"}]}",
			NULL, NULL,
			"{\"requests\":[{\"model\": \"models/gemini-3-x\",\"content\":{\"parts\":[{\"text\":\"a\"}]}}, {\"model\":\"models/gemini-3-x\",\"content\":{\"parts\":[{\"text\":\"b\"}]},\"taskType\":\"X\"}]}");
	check_forwarded(BATCH, "{\"requests\":{\"content\":{\"parts\":{\"text\":\"a\"}}}}", NULL, NULL,
			"{\"requests\":{\"model\":\"models/gemini-3-x\",\"content\":{\"parts\":{\"text\":\"a\"}}}}");
}

/* --- the short way: answers --- */

static struct dialect_answer answer_for(const struct llm_request *q)
{
	return (struct dialect_answer){ .mem = mem, .q = q, .model = STR("m\""), .id = STR("id-1"), .show_usage = true };
}

struct run {
	const struct dialect *dialect;
	struct dialect_answer answer;
	struct buf out;
};

static int on_event(void *data, const struct sse_event *ev)
{
	struct run *r = data;
	int err = ev->data.p || ev->oversize ? r->dialect->forward_event(&r->answer, scratch, ev, &r->out) : 0;
	arena_reset(scratch);
	return r->answer.tally.has_error ? -ECANCELED : err;
}

static int run_stream(struct run *r, const struct dialect *d, struct str in, size_t cut, size_t cap)
{
	static const struct llm_request q = { .kind = LLM_CHAT, .is_stream = true, .n = 1 };
	struct llm_event end = { .kind = EV_END };
	struct sse s;
	*r = (struct run){ .dialect = d, .answer = answer_for(&q) };
	buf_init(&r->out, OUT_MAX);
	sse_init(&s, FRAMING_SSE, cap);
	int err = sse_feed(&s, str_of(in.p, cut), on_event, r);
	if (!err)
		err = sse_feed(&s, str_skip(in, cut), on_event, r);
	if (!err)
		err = sse_end(&s, on_event, r);
	sse_done(&s);
	if (!err)
		err = d->write_event(&r->answer, &end, &r->out);
	return err;
}

#define ONE "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Hel\"}]}}],\"modelVersion\": \"g-1\"}"
#define TWO "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"lo\"}]},\"finishReason\": \"STOP\"}],\"usageMetadata\": {\"promptTokenCount\": 3,\"candidatesTokenCount\": 2}}"
#define ONE_STAMPED "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Hel\"}]}}],\"modelVersion\": \"m\\\"\"}"

static void test_streams_are_forwarded(void **state)
{
	static const struct {
		const char *in, *sse, *array;
		int err;
	} rows[] = {
		{ "data: " ONE "\r\n\r\ndata: " TWO "\r\n\r\n", "data: " ONE_STAMPED "\r\n\r\ndata: " TWO "\r\n\r\n", "[" ONE_STAMPED ",\r\n" TWO "]", 0 },
		{ ": x\n\ndata:" TWO, "data:" TWO "\r\n\r\n", "[" TWO "]", 0 },
		{ "\xef\xbb\xbf" "data: {\"candidates\":[],\ndata: \"modelVersion\":\"x\"}\n\n", "data: {\"candidates\":[], \"modelVersion\":\"m\\\"\"}\r\n\r\n",
		  "[{\"candidates\":[],\n\"modelVersion\":\"m\\\"\"}]", 0 },
		{ "data: " ONE "\n\ndata: {\"error\":{\"code\":500,\"message\":\"x\",\"status\":\"INTERNAL\"}}\n\n", "data: " ONE_STAMPED "\n\n", "[" ONE_STAMPED, -ECANCELED },
		{ "data: nonsense\n\n", "", "", -EBADMSG },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str in = str_z(rows[i].in);
		for (size_t cut = 0; cut <= in.n; cut++) {
			struct run sse, array;
			assert_int_equal(run_stream(&sse, &dialect_gemini_stream, in, cut, OUT_MAX), rows[i].err);
			assert_int_equal(run_stream(&array, &dialect_gemini_array, in, cut, OUT_MAX), rows[i].err);
			if (!str_eq_z(buf_str(&sse.out), rows[i].sse))
				print_error("%zu: " STR_FMT "\n", i, STR_ARG(buf_str(&sse.out)));
			assert_true(str_eq_z(buf_str(&sse.out), rows[i].sse));
			assert_true(str_eq_z(buf_str(&array.out), rows[i].array));
			assert_int_equal(sse.answer.tally.usage.output, array.answer.tally.usage.output);
			buf_done(&sse.out);
			buf_done(&array.out);
		}
	}
}

static void test_events_too_long_to_look_at(void **state)
{
	struct json_error error;
	struct run sse, array;
	struct buf in;
	(void)state;
	buf_init(&in, OUT_MAX);
	BUF_PUT_LIT(&in, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"");
	for (int i = 0; i < 4000; i++)
		BUF_PUT_LIT(&in, "AAAA");
	BUF_PUT_LIT(&in, "\"}}]}}]}\r\n\r\ndata: " TWO "\r\n\r\n");
	for (size_t cut = 0; cut <= in.n; cut += 997) {
		assert_int_equal(run_stream(&sse, &dialect_gemini_stream, buf_str(&in), cut, 1000), 0);
		assert_int_equal(run_stream(&array, &dialect_gemini_array, buf_str(&in), cut, 1000), 0);
		assert_true(str_eq(buf_str(&sse.out), buf_str(&in)));
		const struct json *list = json_parse(mem, buf_str(&array.out), JSON_ONE_KEY, &error);
		assert_true(json_is(list, JSON_ARRAY) && list->count == 2);
		assert_int_equal(array.answer.tally.finish, FINISH_STOP);
		buf_done(&sse.out);
		buf_done(&array.out);
	}
	buf_done(&in);
}

static void test_plain_answers_are_forwarded(void **state)
{
	static const struct {
		const struct dialect *dialect;
		const char *body, *gives;
		int err;
	} rows[] = {
		{ CHAT, " " ONE "\n", " " ONE_STAMPED "\n", 0 },
		{ CHAT, TWO, TWO, 0 },
		{ CHAT, "{\"error\":{\"code\":400,\"message\":\"x\",\"status\":\"INVALID_ARGUMENT\"}}", "", 0 },
		{ CHAT, "{}", "", -EBADMSG },
		{ CHAT, "nonsense", "", -EBADMSG },
		{ EMBED, "{\"embedding\":{\"values\":[1,2]}}", "{\"embedding\":{\"values\":[1,2]}}", 0 },
		{ BATCH, "{\"embeddings\": [{\"values\":[1,2]}]}", "{\"embeddings\": [{\"values\":[1,2]}]}", 0 },
		{ BATCH, "{\"x\":1}", "", -EBADMSG },
		{ BATCH, "{\"error\":{\"code\":404,\"message\":\"x\"}}", "", 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_request q = { .kind = rows[i].dialect->kind, .n = 1 };
		struct dialect_answer an = answer_for(&q);
		struct buf b;
		buf_init(&b, OUT_MAX);
		assert_int_equal(rows[i].dialect->forward_answer(&an, str_z(rows[i].body), &b), rows[i].err);
		assert_true(str_eq_z(buf_str(&b), rows[i].gives));
		assert_true(rows[i].err || an.tally.has_error || (an.tally.is_done && an.tally.has_content));
		buf_done(&b);
	}
}

/* --- the long way --- */

static const struct usage told = { .input = 8, .output = 5, .reasoning = 2, .cache_read = 3 };
#define TAIL ",\"modelVersion\":\"m\\\"\",\"responseId\":\"r\"}"
#define CHUNK(parts, more) "{\"candidates\":[{\"content\":{\"parts\":[" parts "],\"role\":\"model\"}" more ",\"index\":0}]"

static void test_events_become_a_stream(void **state)
{
	static const struct llm_request q = { .kind = LLM_CHAT, .is_stream = true, .n = 1 };
	const struct llm_event events[] = {
		{ .kind = EV_START, .id = STR("r"), .model = STR("other") },
		{ .kind = EV_REASONING, .text = STR("hm") },
		{ .kind = EV_REASONING, .text = STR(""), .signature = STR("c2ln") },
		{ .kind = EV_TEXT, .text = STR("a\"b") },
		{ .kind = EV_REFUSAL, .text = STR("no") },
		{ .kind = EV_TOOL_START, .tool = 0, .id = STR("x__thought__ab-_"), .name = STR("f") },
		{ .kind = EV_TOOL_START, .tool = 1, .name = STR("g") },
		{ .kind = EV_TOOL_ARGS, .tool = 0, .text = STR("{\"a\"") },
		{ .kind = EV_TOOL_ARGS, .tool = 1, .text = STR("{\"cut") },
		{ .kind = EV_TOOL_ARGS, .tool = 0, .text = STR(":\n1}") },
		{ .kind = EV_FINISH, .finish = FINISH_TOOL_CALLS },
		{ .kind = EV_TEXT, .text = STR("behind the end") },
		{ .kind = EV_USAGE, .usage = told },
		{ .kind = EV_END },
	};
	static const char *const items[] = {
		CHUNK("{\"text\":\"hm\",\"thought\":true}", "") TAIL,
		CHUNK("{\"text\":\"\",\"thought\":true,\"thoughtSignature\":\"c2ln\"}", "") TAIL,
		CHUNK("{\"text\":\"a\\\"b\"}", "") TAIL,
		CHUNK("{\"text\":\"no\"}", "") TAIL,
		CHUNK("{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{\"a\": 1}},\"thoughtSignature\":\"ab+/\"},"
		      "{\"functionCall\":{\"id\":\"call_9f77dcc549df43b200000001\",\"name\":\"g\",\"args\":{\"_raw\":\"{\\\"cut\"}}}",
		      ",\"finishReason\":\"STOP\"")
		",\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":3,\"thoughtsTokenCount\":2,\"cachedContentTokenCount\":3,\"totalTokenCount\":13}" TAIL,
	};
	struct dialect_answer sse = answer_for(&q), array = sse;
	struct buf got_sse, got_array, want_sse, want_array;
	(void)state;
	buf_init(&got_sse, OUT_MAX);
	buf_init(&got_array, OUT_MAX);
	buf_init(&want_sse, OUT_MAX);
	buf_init(&want_array, OUT_MAX);
	for (size_t i = 0; i < COUNT(events); i++) {
		assert_int_equal(dialect_gemini_stream.write_event(&sse, &events[i], &got_sse), 0);
		assert_int_equal(dialect_gemini_array.write_event(&array, &events[i], &got_array), 0);
	}
	for (size_t i = 0; i < COUNT(items); i++) {
		buf_printf(&want_sse, "data: %s\r\n\r\n", items[i]);
		buf_printf(&want_array, "%s%s", i ? ",\r\n" : "[", items[i]);
	}
	buf_put_char(&want_array, ']');
	assert_string_equal(buf_z(&got_sse), buf_z(&want_sse));
	assert_string_equal(buf_z(&got_array), buf_z(&want_array));
	assert_true(sse.is_ended && array.is_ended);
	buf_done(&got_sse);
	buf_done(&got_array);
	buf_done(&want_sse);
	buf_done(&want_array);
}

static void test_an_answer_of_nothing(void **state)
{
	static const struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	static const struct llm_event end = { .kind = EV_END };
	struct dialect_answer an = answer_for(&q);
	struct buf b;
	(void)state;
	buf_init(&b, OUT_MAX);
	assert_int_equal(dialect_gemini_chat.collect(&an, &end), 0);
	assert_int_equal(dialect_gemini_chat.write_answer(&an, &b), 0);
	assert_string_equal(buf_z(&b), CHUNK("{\"text\":\"\"}", ",\"finishReason\":\"STOP\"")
			    ",\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":0,\"totalTokenCount\":3},\"modelVersion\":\"m\\\"\",\"responseId\":\"id-1\"}");
	buf_done(&b);
}

static void test_vectors_are_written(void **state)
{
	static const struct llm_request q = { .kind = LLM_EMBED, .n = 1 };
	static const struct {
		const struct dialect *dialect;
		const char *vectors[2], *gives;
		int err;
	} rows[] = {
		{ EMBED, { "[0.1, 2]", NULL }, "{\"embedding\":{\"values\":[0.1, 2]}}", 0 },
		{ BATCH, { "[0.1]", "[2]" }, "{\"embeddings\":[{\"values\":[0.1]},{\"values\":[2]}]}", 0 },
		{ BATCH, { "AAAA", NULL }, NULL, -EINVAL },
		{ EMBED, { NULL, NULL }, NULL, -EINVAL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dialect_answer an = answer_for(&q);
		struct buf b;
		buf_init(&b, OUT_MAX);
		for (unsigned k = 0; k < 2 && rows[i].vectors[k]; k++) {
			struct llm_event ev = { .kind = EV_VECTOR, .choice = k, .text = str_z(rows[i].vectors[k]) };
			assert_int_equal(rows[i].dialect->collect(&an, &ev), 0);
		}
		assert_int_equal(rows[i].dialect->write_answer(&an, &b), rows[i].err);
		if (!rows[i].err)
			assert_string_equal(buf_z(&b), rows[i].gives);
		buf_done(&b);
	}
}

/* --- without memory --- */

static const char big[] = "{\"systemInstruction\":{\"parts\":[{\"text\":\"s\"}]},\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}}}]},"
	"{\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{\"x\":1}}}]}],\"generation_config\":{\"stop_sequences\":[\"a\"],\"response_schema\":{\"type\":\"STRING\"}},"
	"\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"parameters\":{\"properties\":{\"a\":{\"type\":\"STRING\"}}}}]},{\"googleSearch\":{}}]}";

/* All that is done with a request and an answer, while one allocation fails. */
static bool try_all(struct arena *a)
{
	struct provider_target t = { .model = STR("up"), .extra_body = STR("{\"labels\":{}}") };
	struct provider_call call = { 0 };
	struct dialect_error err = { 0 };
	struct llm_error error = { 0 };
	struct json_error je;
	struct llm_request q = { .model = STR("m") };
	struct llm_event text = { .kind = EV_TEXT, .text = STR("x") }, end = { .kind = EV_END };
	struct buf out;
	buf_init(&call.path, 256);
	buf_init(&call.body, OUT_MAX);
	buf_init(&out, OUT_MAX);
	const struct json *root = json_parse(a, str_z(big), JSON_ONE_KEY, &je);
	int r = root ? dialect_gemini_chat.read_request(a, str_z(big), root, &q, &err) : -ENOMEM;
	if (!r)
		r = provider_gemini.write_request(a, &q, &t, &call, &error);
	if (!r)
		r = dialect_gemini_chat.forward_request(a, &q, STR("up"), STR("{\"top_k\":1}"), t.extra_body, &out);
	struct dialect_answer an = { .mem = a, .q = &q, .model = STR("m"), .id = STR("i") }, plain = an;
	if (!r)
		r = dialect_gemini_array.write_event(&an, &text, &out);
	if (!r)
		r = dialect_gemini_array.write_event(&an, &end, &out);
	if (!r)
		r = dialect_gemini_chat.collect(&plain, &text);
	if (!r)
		r = dialect_gemini_chat.write_answer(&plain, &out);
	assert_true(r == 0 || r == -ENOMEM);
	bool is_good = r == 0 && !out.failed && !call.body.failed;
	buf_done(&out);
	buf_done(&call.path);
	buf_done(&call.body);
	return is_good;
}

static void test_any_allocation_may_fail(void **state)
{
	bool is_good = false;
	unsigned n = 0;
	(void)state;
	while (!is_good) {
		struct arena *a = arena_new(1 << 20);
		assert_non_null(a);
		mem_fail_at(++n);
		is_good = try_all(a);
		mem_fail_at(0);
		arena_free(a);
	}
	assert_in_range(n, 5, 1000);
	for (size_t cap = 64; cap < 65536; cap += 512) {
		struct arena *a = arena_new(cap);
		try_all(a);
		arena_free(a);
	}
}

/* --- errors --- */

static void test_errors(void **state)
{
	static const struct {
		enum outcome outcome;
		int status;
		const char *name;
	} rows[] = {
		{ OUTCOME_BAD_REQUEST, 400, "INVALID_ARGUMENT" }, { OUTCOME_KEY_UNKNOWN, 401, "UNAUTHENTICATED" },
		{ OUTCOME_MODEL_DENIED, 403, "PERMISSION_DENIED" }, { OUTCOME_NOT_FOUND, 404, "NOT_FOUND" },
		{ OUTCOME_METHOD, 405, "UNIMPLEMENTED" }, { OUTCOME_UP_TIMEOUT, 408, "DEADLINE_EXCEEDED" },
		{ OUTCOME_TOO_LARGE, 413, "INVALID_ARGUMENT" }, { OUTCOME_UP_UNPROCESSABLE, 422, "INVALID_ARGUMENT" },
		{ OUTCOME_BUDGET_SPENT, 429, "RESOURCE_EXHAUSTED" }, { OUTCOME_CLIENT_GONE, 499, "CANCELLED" },
		{ OUTCOME_UP_ERROR, 500, "INTERNAL" }, { OUTCOME_UP_MALFORMED, 502, "INTERNAL" },
		{ OUTCOME_UP_UNAVAILABLE, 503, "UNAVAILABLE" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_error e = { .outcome = rows[i].outcome, .message = STR("a \"b\""), .retry_after_ms = i ? 0 : 1500 };
		const char *details = i ? "" : ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"2s\"}]";
		char want[512];
		struct buf plain, sse, array;
		buf_init(&plain, OUT_MAX);
		buf_init(&sse, OUT_MAX);
		buf_init(&array, OUT_MAX);
		snprintf(want, sizeof want, "{\"error\":{\"code\":%d,\"message\":\"a \\\"b\\\"\",\"status\":\"%s\"%s}}", rows[i].status, rows[i].name, details);
		dialect_gemini_chat.write_error(&plain, &e, rows[i].outcome, rows[i].status, STR("id"), false);
		assert_string_equal(buf_z(&plain), want);
		dialect_gemini_stream.write_error(&sse, &e, rows[i].outcome, rows[i].status, STR_NONE, true);
		assert_true(str_starts(buf_str(&sse), STR("data: {")) && str_ends(buf_str(&sse), STR("}\r\n\r\n")));
		dialect_gemini_array.write_error(&array, &e, rows[i].outcome, rows[i].status, STR_NONE, true);
		assert_true(str_starts(buf_str(&array), STR(",\r\n{")) && str_ends(buf_str(&array), STR("}}]")));
		buf_done(&plain);
		buf_done(&sse);
		buf_done(&array);
	}
}

static void test_an_error_without_words(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, OUT_MAX);
	dialect_gemini_array.write_error(&b, NULL, OUTCOME_INTERNAL, 500, STR_NONE, false);
	assert_string_equal(buf_z(&b), "{\"error\":{\"code\":500,\"message\":\"INTERNAL\",\"status\":\"INTERNAL\"}}");
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_a_model_must_be_named),
		cmocka_unit_test(test_what_is_accepted),
		cmocka_unit_test(test_errors_of_tools_are_known),
		cmocka_unit_test(test_the_verb_decides),
		cmocka_unit_test(test_embeddings_are_read),
		cmocka_unit_test(test_tokens_are_counted),
		cmocka_unit_test(test_what_the_short_way_changes),
		cmocka_unit_test(test_streams_are_forwarded),
		cmocka_unit_test(test_events_too_long_to_look_at),
		cmocka_unit_test(test_plain_answers_are_forwarded),
		cmocka_unit_test(test_events_become_a_stream),
		cmocka_unit_test(test_an_answer_of_nothing),
		cmocka_unit_test(test_vectors_are_written),
		cmocka_unit_test(test_any_allocation_may_fail),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_an_error_without_words),
	};
	return cmocka_run_group_tests(tests, setup_both, teardown_both);
}
