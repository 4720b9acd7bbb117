/* SPDX-License-Identifier: MIT
 * test_provider_gemini.c - where parameters go, who wins over whom, what a model's name decides, ids
 * with signatures, and schemas. Whole requests and streams are vectors; see test_vectors.c. */
#include "worker/exchange/provider_gemini.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/llm_fixture.h"
#include "worker/client/dialect.h"

enum { OUT_MAX = 1 << 20 };

/* --- parameters --- */

#define HI "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]"
#define BODY(more) "{" HI more "}"
#define CONFIG(members) BODY(",\"generationConfig\":{" members "}")
#define THINKING(config) CONFIG("\"thinkingConfig\":{" config "}")

static const struct {
	const char *more, *params, *extra, *body;
} sorted[] = {
	{ "", NULL, NULL, BODY("") },
	{ "", "{\"temperature\":0.1,\"top_k\":5}", NULL, CONFIG("\"temperature\":0.1,\"topK\":5") },
	{ ",\"temperature\":1", "{\"temperature\":0.1,\"seed\":2}", NULL, CONFIG("\"temperature\":1,\"seed\":2") },
	{ ",\"temperature\":1", "{\"temperature\":0.1}", "{\"generationConfig\":{\"temperature\":2},\"labels\":{}}",
	  BODY(",\"generationConfig\":{\"temperature\":2},\"labels\":{}") },
	{ "", NULL, "{\"generation_config\":{\"top_p\":0.5},\"contents\":[],\"model\":\"x\",\"safety_settings\":[]}",
	  BODY(",\"generationConfig\":{\"topP\":0.5},\"safetySettings\":[]") },
	{ ",\"max_tokens\":7", "{\"max_tokens\":9}", NULL, CONFIG("\"maxOutputTokens\":7") },
	{ "", "{\"max_tokens\":9,\"max_output_tokens\":3}", NULL, CONFIG("\"maxOutputTokens\":9") },
	{ ",\"stop\":[\"a\",\"\\n\"]", "{\"stop\":\"x\"}", NULL, CONFIG("\"stopSequences\":[\"a\",\"\\n\"]") },
	{ "", "{\"stop\":\"x\"}", NULL, CONFIG("\"stopSequences\":[\"x\"]") },
	{ "", "{\"stop\":[\"x\",\"y\"]}", NULL, CONFIG("\"stopSequences\":[\"x\",\"y\"]") },
	{ ",\"n\":3", NULL, NULL, CONFIG("\"candidateCount\":3") },
	{ ",\"n\":1,\"logprobs\":false,\"logit_bias\":{},\"best_of\":1,\"store\":true,\"user\":\"u\",\"service_tier\":\"auto\"", NULL, NULL, BODY("") },
	{ ",\"logprobs\":true,\"audio\":{\"voice\":\"x\"},\"drop_params\":true", NULL, NULL, BODY("") },
	{ ",\"modalities\":[\"text\"]", NULL, NULL, CONFIG("\"responseModalities\":[\"TEXT\"]") },
	{ ",\"response_format\":{\"type\":\"text\"}", NULL, NULL, BODY("") },
	{ "", "{\"response_format\":{\"type\":\"json_object\"}}", NULL, CONFIG("\"responseMimeType\":\"application/json\"") },
	{ "", "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"string\"}}}}", NULL,
	  CONFIG("\"responseMimeType\":\"application/json\",\"responseSchema\":{\"type\":\"STRING\"}") },
	{ ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\"}}", NULL, NULL, CONFIG("\"responseMimeType\":\"application/json\"") },
	{ ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"type\":\"string\"}}}", NULL,
	  "{\"generationConfig\":{\"responseJsonSchema\":{}}}", CONFIG("\"responseJsonSchema\":{},\"responseMimeType\":\"application/json\"") },
	{ ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1234},\"reasoning_effort\":\"low\"", NULL, NULL, THINKING("\"thinkingBudget\":1234,\"includeThoughts\":true") },
	{ ",\"thinking\":{\"type\":\"disabled\"}", NULL, NULL, THINKING("\"thinkingBudget\":0,\"includeThoughts\":false") },
	{ ",\"thinking\":{\"type\":\"adaptive\"}", NULL, NULL, THINKING("\"thinkingBudget\":-1,\"includeThoughts\":true") },
	{ ",\"thinking\":{\"type\":\"strange\"}", NULL, NULL, BODY("") },
	{ ",\"reasoning_effort\":\"low\"", "{\"thinkingConfig\":{\"thinkingBudget\":5}}", NULL, THINKING("\"thinkingBudget\":1024,\"includeThoughts\":true") },
	{ "", "{\"reasoning_effort\":\"high\"}", NULL, THINKING("\"thinkingBudget\":4096,\"includeThoughts\":true") },
	{ ",\"tool_choice\":\"required\",\"parallel_tool_calls\":true", NULL, NULL, BODY("") },
	{ ",\"web_search_options\":{}", NULL, NULL, BODY(",\"tools\":[{\"googleSearch\":{}}]") },
	{ ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"auto\"", NULL, "{\"tools\":[{\"urlContext\":{}}],\"systemInstruction\":{}}",
	  BODY(",\"tools\":[{\"urlContext\":{}}],\"systemInstruction\":{}") },
};

static void test_where_parameters_go(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sorted); i++) {
		struct llm_request q = request_of(sorted[i].more);
		struct str path, body;
		assert_int_equal(write_with(&provider_gemini, &q, "up", sorted[i].params, sorted[i].extra, &path, &body), 0);
		if (!str_eq_z(body, sorted[i].body))
			print_error("%s gave\n" STR_FMT "\n", sorted[i].more, STR_ARG(body));
		assert_true(str_eq_z(body, sorted[i].body));
	}
}

static const struct {
	const char *more, *params, *param;
} refused[] = {
	{ ",\"logprobs\":true", NULL, "logprobs" },
	{ ",\"top_logprobs\":3", NULL, "top_logprobs" },
	{ ",\"logit_bias\":{\"1\":2}", NULL, "logit_bias" },
	{ ",\"audio\":{\"voice\":\"x\"}", NULL, "audio" },
	{ ",\"brand_new\":[1]", NULL, "brand_new" },
	{ ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}]", NULL, "tools" },
	{ ",\"tools\":[{\"type\":\"mcp\"}]", NULL, "tools" },
	{ "", "{\"logit_bias\":{\"1\":2}}", "logit_bias" },
};

static void test_what_cannot_be_done_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct llm_request q = request_of(refused[i].more);
		struct str path, param;
		assert_int_equal(write_with(&provider_gemini, &q, "up", refused[i].params, NULL, &path, &param), -EINVAL);
		assert_true(str_eq_z(param, refused[i].param));
		q.drop_params = true;
		assert_int_equal(write_with(&provider_gemini, &q, "up", refused[i].params, NULL, &path, &param), 0);
	}
}

static void test_effort_depends_on_the_model(void **state)
{
	static const struct {
		const char *model, *effort, *config;
	} rows[] = {
		{ "gemini-2.5-flash", "none", "\"thinkingBudget\":0,\"includeThoughts\":false" },
		{ "gemini-2.5-pro", "none", "\"thinkingBudget\":128,\"includeThoughts\":true" },
		{ "gemini-2.5-flash", "minimal", "\"thinkingBudget\":1,\"includeThoughts\":true" },
		{ "gemini-2.5-flash-lite", "minimal", "\"thinkingBudget\":512,\"includeThoughts\":true" },
		{ "gemini-2.5-pro", "minimal", "\"thinkingBudget\":128,\"includeThoughts\":true" },
		{ "gemini-2.5-pro", "medium", "\"thinkingBudget\":2048,\"includeThoughts\":true" },
		{ "gemini-2.5-pro", "new", "\"thinkingBudget\":-1,\"includeThoughts\":true" },
		{ "gemini-3-pro", "none", "\"thinkingLevel\":\"LOW\",\"includeThoughts\":false" },
		{ "gemini-3-flash", "none", "\"thinkingLevel\":\"MINIMAL\",\"includeThoughts\":false" },
		{ "gemini-3-flash", "minimal", "\"thinkingLevel\":\"MINIMAL\",\"includeThoughts\":true" },
		{ "models/gemini-3.1-flash", "low", "\"thinkingLevel\":\"LOW\",\"includeThoughts\":true" },
		{ "gemini-3-pro", "medium", "\"thinkingLevel\":\"MEDIUM\",\"includeThoughts\":true" },
		{ "gemini-3-pro", "xhigh", "\"thinkingLevel\":\"HIGH\",\"includeThoughts\":true" },
		{ "gemini-3-pro", "new", NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_request q = request_of("");
		struct str path, body, want = STR(BODY(""));
		q.reasoning_effort = str_z(rows[i].effort);
		if (rows[i].config)
			want = arena_printf(mem, "{" HI ",\"generationConfig\":{\"thinkingConfig\":{%s}}}", rows[i].config);
		assert_int_equal(write_with(&provider_gemini, &q, rows[i].model, NULL, NULL, &path, &body), 0);
		if (!str_eq(body, want))
			print_error("%s %s gave " STR_FMT "\n", rows[i].model, rows[i].effort, STR_ARG(body));
		assert_true(str_eq(body, want));
	}
}

/* A list of members has an end, whatever a client sends. */
static void test_too_many_members(void **state)
{
	struct str path, param;
	struct buf b;
	(void)state;
	buf_init(&b, OUT_MAX);
	BUF_PUT_LIT(&b, ",\"generationConfig\":{\"a\":1");
	for (int i = 0; i < 300; i++)
		buf_printf(&b, ",\"m%d\":1", i);
	BUF_PUT_LIT(&b, "}");
	struct llm_request q = request_of(buf_z(&b));
	buf_done(&b);
	assert_int_equal(write_with(&provider_gemini, &q, "up", NULL, NULL, &path, &param), -EINVAL);
	assert_true(str_eq_z(param, "m255"));
}

/* --- paths and ids --- */

static void test_paths(void **state)
{
	static const struct {
		const char *model, *path;
	} rows[] = {
		{ "gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:generateContent" },
		{ "models/gemini-x", "/v1beta/models/gemini-x:generateContent" },
		{ "tunedModels/a-b", "/v1beta/tunedModels/a-b:generateContent" },
		{ "mock?tokens=4&die=2", "/v1beta/models/mock%3Ftokens%3D4%26die%3D2:generateContent" },
		{ "a/../b:c\xc3\xa4 ", "/v1beta/models/a%2F..%2Fb%3Ac%C3%A4%20:generateContent" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_request q = request_of("");
		struct str path, body;
		assert_int_equal(write_with(&provider_gemini, &q, rows[i].model, NULL, NULL, &path, &body), 0);
		assert_true(str_eq_z(path, rows[i].path));
	}
}

static void test_verbs_of_the_short_way(void **state)
{
	static const struct {
		enum llm_kind kind;
		bool is_stream;
		const char *body, *path;
	} rows[] = {
		{ LLM_CHAT, false, "{}", "/v1beta/models/m:generateContent" },
		{ LLM_CHAT, true, "{}", "/v1beta/models/m:streamGenerateContent?alt=sse" },
		{ LLM_EMBED, false, "{\"content\":{}}", "/v1beta/models/m:embedContent" },
		{ LLM_EMBED, false, "{\"requests\":[]}", "/v1beta/models/m:batchEmbedContents" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_request q = { .kind = rows[i].kind, .is_stream = rows[i].is_stream };
		struct json_error error;
		struct buf b;
		q.root = json_parse(mem, str_z(rows[i].body), 0, &error);
		buf_init(&b, 256);
		gemini_write_path(&q, STR("m"), &b);
		assert_string_equal(buf_z(&b), rows[i].path);
		buf_done(&b);
	}
}

static void test_signatures_in_ids(void **state)
{
	static const struct {
		const char *id, *signature, *joined, *back;
	} rows[] = {
		{ "call_1", "ab+/cd==", "call_1__thought__ab-_cd", "ab+/cd==" },
		{ "call_1", "abc", "call_1__thought__abc", "abc=" },
		{ "call_1", "", "call_1", NULL },
		{ "call_1", "==", "call_1", NULL },
		{ "", "abcd", "__thought__abcd", "abcd" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str joined = gemini_join_id(mem, str_z(rows[i].id), str_z(rows[i].signature));
		assert_true(str_eq_z(joined, rows[i].joined));
		assert_true(str_eq_z(gemini_bare_id(joined), rows[i].id));
		struct str back;
		assert_int_equal(gemini_id_signature(mem, joined, &back), 0);
		assert_true(rows[i].back ? str_eq_z(back, rows[i].back) : !back.p);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool is_it;
	} rows[] = {
		{ "maxOutputTokens", true },   { "max_output_tokens", true },  { "max_outputTokens", true },
		{ "maxoutputtokens", false },  { "max_output_token", false },  { "max_output_tokens_", false },
		{ "max__output_tokens", false }, { "max_Output_tokens", false }, { "", false },
		{ "max_", false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(gemini_is(str_z(rows[i].name), "maxOutputTokens"), rows[i].is_it);
	assert_true(str_eq_z(gemini_camel(mem, STR("max_output_tokens")), "maxOutputTokens"));
	assert_true(str_eq_z(gemini_camel(mem, STR("_a_1_b_")), "_a_1B_"));
}

/* Since the third generation a call wants a signature: where there is none, words that say so. */
static void test_calls_without_signature(void **state)
{
	struct llm_request q = request_of("");
	struct llm_part other = { .kind = PART_TOOL_CALL, .id = STR("y"), .name = STR("g"), .text = STR("{}") };
	struct llm_part call = { .kind = PART_TOOL_CALL, .id = STR("x"), .name = STR("f"), .text = STR("{}"), .next = &other };
	struct llm_message said = { .role = ROLE_ASSISTANT, .parts = &call };
	struct str path, body;
	(void)state;
	q.messages->next = &said;
	assert_int_equal(write_with(&provider_gemini, &q, "gemini-3-pro", NULL, NULL, &path, &body), 0);
	assert_true(str_find(body, STR("{\"functionCall\":{\"id\":\"x\",\"name\":\"f\",\"args\":{}},\"thoughtSignature\":\"skip_thought_signature_validator\"},"
				       "{\"functionCall\":{\"id\":\"y\",\"name\":\"g\",\"args\":{}}}]")) != SIZE_MAX);
	assert_int_equal(write_with(&provider_gemini, &q, "gemini-2.5-pro", NULL, NULL, &path, &body), 0);
	assert_true(str_find(body, STR("thoughtSignature")) == SIZE_MAX);
}

/* What is nested beyond measure travels as text. */
static void test_deep_arguments(void **state)
{
	struct llm_request q = request_of("");
	struct llm_part call = { .kind = PART_TOOL_CALL, .id = STR("x"), .name = STR("f") };
	struct llm_message said = { .role = ROLE_ASSISTANT, .parts = &call };
	struct json_error error;
	struct str path, body;
	struct buf b;
	(void)state;
	q.messages->next = &said;
	for (int depth = 1; depth < 64; depth++) {
		buf_init(&b, OUT_MAX);
		for (int i = 0; i < depth; i++)
			BUF_PUT_LIT(&b, "{\"a\":");
		BUF_PUT_LIT(&b, "1");
		for (int i = 0; i < depth; i++)
			buf_put_char(&b, '}');
		call.text = arena_dup(mem, buf_str(&b));
		buf_done(&b);
		assert_int_equal(write_with(&provider_gemini, &q, "up", NULL, NULL, &path, &body), 0);
		assert_non_null(json_parse(mem, body, JSON_ONE_KEY, &error));
		assert_int_equal(str_find(body, STR("_raw")) != SIZE_MAX, depth > 48);
	}
}

/* --- schemas --- */

static struct str convert(struct str schema, int *ret)
{
	struct buf b;
	buf_init(&b, OUT_MAX);
	*ret = gemini_write_schema(mem, schema, &b);
	struct str s = arena_dup(mem, *ret ? STR("") : buf_str(&b));
	buf_done(&b);
	return s;
}

/* Made JSON Schema and Gemini's again, it is the same. */
static void check_fixpoint(struct str schema)
{
	struct json_error error;
	int r;
	struct str once = gemini_read_schema(mem, json_parse(mem, schema, 0, &error));
	assert_non_null(json_parse(mem, once, 0, &error));
	struct str twice = convert(once, &r);
	if (r || !str_eq(schema, twice))
		print_error(STR_FMT "\n" STR_FMT "\n" STR_FMT "\n", STR_ARG(schema), STR_ARG(once), STR_ARG(twice));
	assert_int_equal(r, 0);
	assert_true(str_eq(schema, twice));
}

/* Each line of the file is a schema, a tab, and what becomes of it: JSON, or an error's name. */
static void test_schemas(void **state)
{
	char *line = NULL;
	size_t room = 0;
	unsigned n = 0;
	ssize_t got;
	FILE *f = fopen("tests/vectors/gemini_schema/schemas.tsv", "r");
	(void)state;
	assert_non_null(f);
	while ((got = getline(&line, &room, f)) > 0) {
		struct str want = str_of(line, (size_t)got - 1), schema = str_cut(&want, '\t');
		int r;
		struct str gives = convert(schema, &r);
		if (r)
			gives = str_z(r == -ENOENT ? "ENOENT" : r == -EINVAL ? "EINVAL" : "?");
		if (!str_eq(gives, want))
			print_error(STR_FMT "\ngave " STR_FMT "\n not " STR_FMT "\n", STR_ARG(schema), STR_ARG(gives), STR_ARG(want));
		assert_true(str_eq(gives, want));
		if (!r)
			check_fixpoint(gives);
		n++;
	}
	free(line);
	fclose(f);
	assert_true(n >= 60);
}

static void test_schemas_of_a_client(void **state)
{
	static const struct {
		const char *gemini, *json;
	} rows[] = {
		{ "{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"INTEGER\",\"format\":\"int32\"}},\"required\":[\"a\"],\"propertyOrdering\":[\"a\"]}",
		  "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"format\":\"int32\"}},\"required\":[\"a\"],\"propertyOrdering\":[\"a\"]}" },
		{ "{\"type\":\"ARRAY\",\"items\":{\"type\":\"NUMBER\",\"nullable\":true},\"min_items\":\"2\",\"maxItems\":3}",
		  "{\"type\":\"array\",\"items\":{\"type\":[\"number\",\"null\"]},\"minItems\":2,\"maxItems\":3}" },
		{ "{\"any_of\":[{\"type\":\"STRING\"},{\"type\":\"BOOLEAN\"}],\"nullable\":true,\"example\":1}",
		  "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"boolean\"},{\"type\":\"null\"}],\"example\":1}" },
		{ "{\"type\":\"STRANGE\",\"enum\":[\"a\"],\"x\":{\"type\":\"STRING\"}}", "{\"type\":\"STRANGE\",\"enum\":[\"a\"],\"x\":{\"type\":\"STRING\"}}" },
		{ "{\"properties\":{\"type\":{\"type\":\"STRING\"},\"nullable\":{\"type\":\"NULL\"}}}", "{\"properties\":{\"type\":{\"type\":\"string\"},\"nullable\":{\"type\":\"null\"}}}" },
		{ "{}", "{}" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct json_error error;
		struct str json = gemini_read_schema(mem, json_parse(mem, str_z(rows[i].gemini), 0, &error));
		if (!str_eq_z(json, rows[i].json))
			print_error("%s gave " STR_FMT "\n", rows[i].gemini, STR_ARG(json));
		assert_true(str_eq_z(json, rows[i].json));
	}
}

/* Ten definitions, each of which names the next one ten times, are ten thousand million values. */
static void test_schemas_without_end(void **state)
{
	struct buf b;
	int r;
	(void)state;
	buf_init(&b, OUT_MAX);
	BUF_PUT_LIT(&b, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
	for (int i = 0; i < 10; i++) {
		buf_printf(&b, "%s\"d%d\":{\"properties\":{", i ? "," : "", i);
		for (int k = 0; k < 10; k++)
			buf_printf(&b, "%s\"p%d\":{\"$ref\":\"#/$defs/d%d\"}", k ? "," : "", k, i + 1);
		BUF_PUT_LIT(&b, "}}");
	}
	BUF_PUT_LIT(&b, "}}");
	convert(buf_str(&b), &r);
	assert_int_equal(r, -EINVAL);
	buf_reset(&b);
	for (int i = 0; i < 30; i++)
		BUF_PUT_LIT(&b, "{\"items\":");
	BUF_PUT_LIT(&b, "{}");
	for (int i = 0; i < 30; i++)
		BUF_PUT_LIT(&b, "}");
	convert(buf_str(&b), &r);
	assert_int_equal(r, 0);
	buf_done(&b);
}

/* --- answers --- */

static const struct {
	const char *event;
	int r;
	const char *events;
} events[] = {
	{ "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}],\"responseId\":\"r\",\"modelVersion\":\"v\"}", 0, "start 0 r v\ntext 0 x" },
	{ "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"t\",\"thought\":true}]}}]}", 0, "start 0  \nreasoning 0 t" },
	{ "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"MAX_TOKENS\"}]}", 0, "start 0  \nfinish 0 length" },
	{ "{\"candidates\":[{\"index\":3,\"finishReason\":\"IMAGE_SAFETY\"}]}", 0, "start 0  \nfinish 3 content_filter" },
	{ "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"id\":\"a\",\"name\":\"f\",\"args\":{\"x\": 1}},\"thoughtSignature\":\"c2ln\"}]},\"finishReason\":\"STOP\"}]}", 0,
	  "start 0  \ntool 0 0 a__thought__c2ln f\nargs 0 0 {\"x\": 1}\nfinish 0 tool_calls" },
	{ "{\"promptFeedback\":{\"blockReason\":\"OTHER\"}}", 0, "start 0  \nfinish 0 content_filter" },
	{ "{\"promptFeedback\":{}}", 0, "" },
	{ "{\"usageMetadata\":{\"promptTokenCount\":5,\"toolUsePromptTokenCount\":2,\"candidatesTokenCount\":3,\"thoughtsTokenCount\":4,\"cachedContentTokenCount\":1,\"totalTokenCount\":14}}", 0,
	  "usage 0 7+7 cached 1+0 reasoning 4" },
	{ "{\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":7,\"thoughtsTokenCount\":4,\"totalTokenCount\":12}}", 0, "usage 0 5+7 cached 0+0 reasoning 4" },
	{ "{\"usageMetadata\":{\"promptTokenCount\":-5,\"candidatesTokenCount\":99999999999,\"cachedContentTokenCount\":9}}", 0, "usage 0 0+2147483647 cached 0+0 reasoning 0" },
	{ "{\"error\":{\"code\":429,\"message\":\"slow\",\"status\":\"RESOURCE_EXHAUSTED\"}}", 0, "error 0 UP_RATE_LIMITED slow" },
	{ "{\"candidates\":[5]}", -EBADMSG, "start 0  " },
	{ "{\"candidates\":[{\"index\":-1}]}", -EBADMSG, "start 0  " },
	{ "{\"candidates\":[{\"content\":{\"parts\":[7]}}]}", -EBADMSG, "start 0  " },
	{ "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":7}]}}]}", -EBADMSG, "start 0  " },
	{ "{\"candidates\":{}}", 0, "" },
	{ "[]", -EBADMSG, "" },
	{ "nonsense", -EBADMSG, "" },
	{ " ", 0, "" },
};

static void test_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(events); i++)
		expect_event(&provider_gemini, LLM_CHAT, events[i].event, events[i].r, events[i].events);
}

static void test_an_event_too_long_is_no_answer(void **state)
{
	struct llm_request q = { .kind = LLM_CHAT, .n = 1 };
	struct provider_reader rd = { .mem = mem, .q = &q };
	struct sse_event ev = { .oversize = true };
	(void)state;
	assert_int_equal(provider_read_event(&provider_gemini, &rd, mem, &ev, say_event, NULL), -EBADMSG);
}

/* The id of a call that has none is told by the answer, or by the question, not by chance. */
static void test_ids_are_made(void **state)
{
	static const char call[] = "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\"}},{\"functionCall\":{\"name\":\"f\"}}]}}]}";
	struct str ids[3];
	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		struct llm_request q = { .kind = LLM_CHAT, .n = 1, .body = i == 2 ? STR("other") : STR("body") };
		struct provider_reader rd = { .mem = mem, .q = &q };
		struct sse_event ev = { .data = str_z(call) };
		struct buf b;
		buf_init(&b, OUT_MAX);
		struct said s = { .to = &b };
		assert_int_equal(provider_read_event(&provider_gemini, &rd, mem, &ev, say_event, &s), 0);
		ids[i] = arena_dup(mem, buf_str(&b));
		assert_true(str_find(ids[i], STR("call_")) != SIZE_MAX);
		buf_done(&b);
	}
	assert_true(str_eq(ids[0], ids[1]));
	assert_false(str_eq(ids[0], ids[2]));
}

/* What is sold at a price of its own: sound that is heard, sound and images that are made. */
static void test_usage_of_media(void **state)
{
	static const struct {
		const char *more;
		uint64_t in, out;
	} rows[] = {
		{ "\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":8},{\"modality\":\"AUDIO\",\"tokenCount\":92}]", 92, 0 },
		{ "\"promptTokensDetails\":[{\"modality\":\"IMAGE\",\"tokenCount\":92}]", 0, 0 },
		{ "\"candidatesTokensDetails\":[{\"modality\":\"IMAGE\",\"tokenCount\":30},{\"modality\":\"AUDIO\",\"tokenCount\":5}]", 0, 35 },
		{ "\"cachedContentTokenCount\":60,\"cacheTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":60}],"
		  "\"promptTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":92}]", 32, 0 },
		{ "\"cacheTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":60}]", 0, 0 },
		{ "\"promptTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":9999}]", 100, 0 },
		{ "\"promptTokensDetails\":{\"modality\":\"AUDIO\"},\"candidatesTokensDetails\":[7,{},null,{\"modality\":\"AUDIO\"}]", 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str text = arena_printf(mem, "{\"promptTokenCount\":100,\"candidatesTokenCount\":40,%s}",
					       rows[i].more);
		struct json_error error;
		struct usage u;
		const struct json *j = json_parse(mem, text, 0, &error);
		assert_non_null(j);
		gemini_read_usage(j, &u);
		assert_true(u.input == 100 && u.output == 40);
		assert_int_equal(u.media_input, rows[i].in);
		assert_int_equal(u.media_output, rows[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usage_of_media),
		cmocka_unit_test(test_where_parameters_go),
		cmocka_unit_test(test_what_cannot_be_done_is_named),
		cmocka_unit_test(test_effort_depends_on_the_model),
		cmocka_unit_test(test_too_many_members),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_verbs_of_the_short_way),
		cmocka_unit_test(test_signatures_in_ids),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_calls_without_signature),
		cmocka_unit_test(test_deep_arguments),
		cmocka_unit_test(test_schemas),
		cmocka_unit_test(test_schemas_of_a_client),
		cmocka_unit_test(test_schemas_without_end),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_an_event_too_long_is_no_answer),
		cmocka_unit_test(test_ids_are_made),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
