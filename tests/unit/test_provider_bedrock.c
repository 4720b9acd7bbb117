/* SPDX-License-Identifier: MIT
 * test_provider_bedrock.c - what depends on the model: where parameters go, thinking, formats,
 * marks of the cache, tools; embeddings; the envelope of InvokeModel; signing a deployment's call.
 * Whole requests and streams are vectors; see test_vectors.c. */
#include "worker/exchange/provider_bedrock.h"

#include "tests/unit/llm_fixture.h"
#include "worker/client/dialect.h"
#include "worker/client/dialect_anthropic.h"
#include "worker/exchange/credential_aws.h"
#include "worker/exchange/site.h"

enum { OUT_MAX = 1 << 20 };

#define SONNET_37 "anthropic.claude-3-7-sonnet-20250219-v1:0"
#define SONNET_45 "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
#define OPUS_41 "anthropic.claude-opus-4-1-20250805-v1:0"
#define NOVA "amazon.nova-pro-v1:0"
#define NOVA_2 "global.amazon.nova-2-lite-v1:0"
#define LLAMA "meta.llama3-70b-instruct-v1:0"
#define GPT_OSS "openai.gpt-oss-120b-1:0"

static int write_as(const struct llm_request *q, struct provider_target t, struct str *ret_path, struct str *ret_body)
{
	struct provider_call call = { 0 };
	struct llm_error err = { 0 };
	buf_init(&call.path, 4096);
	buf_init(&call.body, OUT_MAX);
	int r = provider_bedrock.write_request(mem, q, &t, &call, &err);
	*ret_path = arena_dup(mem, buf_str(&call.path));
	*ret_body = r == -EINVAL ? err.param : arena_dup(mem, buf_str(&call.body));
	assert_true(r == 0 || (r == -EINVAL && err.message.n && err.outcome != OUTCOME_OK));
	buf_done(&call.path);
	buf_done(&call.body);
	return r;
}

#define HI "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]"
#define BODY(more) "{" HI more "}"
#define MORE(inference, fields) BODY(",\"inferenceConfig\":{" inference "},\"additionalModelRequestFields\":{" fields "}")
#define FORMAT ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\",\"properties\":{}}}}"
#define FORMAT_TOOL "{\"toolSpec\":{\"name\":\"structured_answer\",\"description\":\"Gives the answer. Its whole text is this tool's input, one JSON object.\",\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}}"
#define OWN_FORMAT ",\"outputConfig\":{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"schema\":\"{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{},\\\"additionalProperties\\\":false}\",\"name\":\"n\"}}}}"
#define TOOL "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"
#define SPEC "{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}}"

static const struct row {
	const char *model, *more, *params, *extra, *body;
} rows[] = {
	{ NOVA, "", NULL, NULL, BODY("") },
	{ SONNET_45, "", NULL, NULL, BODY(",\"inferenceConfig\":{\"maxTokens\":4096}") },
	{ SONNET_45, ",\"max_tokens\":9,\"temperature\":1.5,\"top_k\":3,\"stop\":[\" \",\"x\"]", NULL, NULL,
	  MORE("\"temperature\":1,\"stopSequences\":[\"x\"],\"maxTokens\":9", "\"top_k\":3") },
	{ NOVA, ",\"top_k\":3,\"top_p\":0.5,\"stop\":\"x\"", NULL, NULL,
	  MORE("\"topP\":0.5,\"stopSequences\":[\"x\"]", "\"inferenceConfig\":{\"topK\":3}") },
	{ LLAMA, ",\"top_k\":3", "{\"max_tokens\":5,\"guardrailConfig\":{\"guardrailIdentifier\":\"g\"}}", NULL,
	  BODY(",\"inferenceConfig\":{\"maxTokens\":5},\"guardrailConfig\":{\"guardrailIdentifier\":\"g\"},\"additionalModelRequestFields\":{\"top_k\":3}") },
	{ LLAMA, ",\"max_tokens\":7", "{\"max_tokens\":5}", "{\"max_tokens\":6,\"vendor\":[1]}", MORE("\"maxTokens\":6", "\"vendor\":[1]") },
	{ LLAMA, "", NULL, "{\"messages\":[],\"modelId\":\"x\",\"stream\":true,\"toolConfig\":{}}", BODY("") },
	/* thinking */
	{ SONNET_37, ",\"reasoning_effort\":\"low\"", NULL, NULL, MORE("\"maxTokens\":5120", "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}") },
	{ SONNET_37, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}", NULL, NULL, MORE("\"maxTokens\":6096", "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}") },
	{ GPT_OSS, ",\"reasoning_effort\":\"xhigh\"", NULL, NULL, BODY(",\"additionalModelRequestFields\":{\"reasoning_effort\":\"high\"}") },
	{ NOVA_2, ",\"reasoning_effort\":\"medium\"", NULL, NULL, BODY(",\"additionalModelRequestFields\":{\"reasoningConfig\":{\"type\":\"enabled\",\"maxReasoningEffort\":\"medium\"}}") },
	{ NOVA, ",\"reasoning_effort\":\"none\"", NULL, NULL, BODY("") },
	/* formats */
	{ SONNET_45, FORMAT, NULL, NULL, BODY(",\"inferenceConfig\":{\"maxTokens\":4096}" OWN_FORMAT) },
	{ GPT_OSS, FORMAT, NULL, NULL, BODY(OWN_FORMAT) },
	{ OPUS_41, FORMAT, NULL, NULL, BODY(",\"toolConfig\":{\"tools\":[" FORMAT_TOOL "],\"toolChoice\":{\"tool\":{\"name\":\"structured_answer\"}}},\"inferenceConfig\":{\"maxTokens\":4096}") },
	{ LLAMA, ",\"response_format\":{\"type\":\"json_object\"}", NULL, NULL, BODY(",\"toolConfig\":{\"tools\":[" FORMAT_TOOL "]}") },
	/* tools */
	{ NOVA, ",\"tools\":[" TOOL "],\"tool_choice\":\"auto\"", NULL, NULL, BODY(",\"toolConfig\":{\"tools\":[" SPEC "],\"toolChoice\":{\"auto\":{}}}") },
	{ NOVA, ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", NULL, NULL, BODY(",\"toolConfig\":{\"tools\":[" SPEC "],\"toolChoice\":{\"tool\":{\"name\":\"f\"}}}") },
	{ NOVA, ",\"tools\":[" TOOL "],\"tool_choice\":\"none\"", NULL, NULL, BODY("") },
	{ LLAMA, ",\"tools\":[" TOOL "],\"tool_choice\":\"required\",\"parallel_tool_calls\":false", NULL, NULL, BODY(",\"toolConfig\":{\"tools\":[" SPEC "]}") },
	{ SONNET_45, ",\"tools\":[" TOOL "],\"tool_choice\":\"required\",\"parallel_tool_calls\":false", NULL, NULL,
	  BODY(",\"toolConfig\":{\"tools\":[" SPEC "]},\"inferenceConfig\":{\"maxTokens\":4096},\"additionalModelRequestFields\":{\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}}") },
	{ SONNET_45, ",\"tools\":[" TOOL ",{\"type\":\"bash_20250124\",\"name\":\"bash\"}]", NULL, NULL,
	  BODY(",\"toolConfig\":{\"tools\":[" SPEC "]},\"inferenceConfig\":{\"maxTokens\":4096},\"additionalModelRequestFields\":{\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]}") },
	{ SONNET_45, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"},\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]", NULL, NULL,
	  BODY(",\"toolConfig\":{\"tools\":[" SPEC ",{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}]},\"inferenceConfig\":{\"maxTokens\":4096}") },
	{ LLAMA, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"},\"cache_control\":{\"type\":\"ephemeral\"}}]", NULL, NULL, BODY(",\"toolConfig\":{\"tools\":[" SPEC "]}") },
	/* who asks, and how fast */
	{ NOVA, ",\"user\":\"me@example.org\",\"service_tier\":\"priority\"", NULL, NULL, BODY(",\"serviceTier\":{\"type\":\"priority\"},\"requestMetadata\":{\"user\":\"me@example.org\"}") },
	{ NOVA, ",\"user\":\"\\\"\",\"service_tier\":\"auto\"", NULL, NULL, BODY("") },
	{ SONNET_45, ",\"user\":\"u1\"", NULL, NULL, MORE("\"maxTokens\":4096", "\"metadata\":{\"user_id\":\"u1\"}") },
};

static void test_what_depends_on_the_model(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_request q = request_of(rows[i].more);
		struct provider_target t = { .model = str_z(rows[i].model), .params = str_z(rows[i].params), .extra_body = str_z(rows[i].extra) };
		struct str path, body;
		assert_int_equal(write_as(&q, t, &path, &body), 0);
		if (!str_eq_z(body, rows[i].body))
			fail_msg("%s %s gave\n" STR_FMT "\nnot\n%s", rows[i].model, rows[i].more, STR_ARG(body), rows[i].body);
	}
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *model, *more, *param;
	} refused[] = {
		{ NOVA, ",\"reasoning_effort\":\"low\"", "reasoning_effort" },
		{ GPT_OSS, ",\"reasoning_effort\":\"huge\"", "reasoning_effort" },
		{ NOVA, ",\"service_tier\":\"fast\"", "service_tier" },
		{ NOVA, ",\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]", "tools" },
		{ SONNET_45, ",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}]", "tools" },
		{ SONNET_45, ",\"web_search_options\":{}", "web_search_options" },
		{ NOVA, ",\"inferenceConfig\":[1]", "inferenceConfig" },
		{ "..", "", "model" },
		{ ".", "", "model" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct llm_request q = request_of(refused[i].more);
		struct str path, param;
		assert_int_equal(write_as(&q, (struct provider_target){ .model = str_z(refused[i].model) }, &path, &param), -EINVAL);
		if (!str_eq_z(param, refused[i].param))
			fail_msg("%s: " STR_FMT, refused[i].more, STR_ARG(param));
	}
}

static void test_too_many_members(void **state)
{
	struct str path, param;
	struct buf b;
	(void)state;
	buf_init(&b, OUT_MAX);
	BUF_PUT_LIT(&b, ",\"additionalModelRequestFields\":{\"a\":1");
	for (int i = 0; i < 300; i++)
		buf_printf(&b, ",\"m%d\":1", i);
	BUF_PUT_LIT(&b, "}");
	struct llm_request q = request_of(buf_z(&b));
	buf_done(&b);
	assert_int_equal(write_as(&q, (struct provider_target){ .model = STR(NOVA) }, &path, &param), -EINVAL);
	assert_true(str_eq_z(param, "additionalModelRequestFields"));
}

/* A client of Anthropic's dialect: to the letter for its vendor's models, the sense for others. */
static void test_anthropics_dialect(void **state)
{
	static const char ask[] = "{\"model\":\"m\",\"max_tokens\":9000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":5000},\"service_tier\":\"auto\","
				  "\"metadata\":{\"user_id\":\"u\"},\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
	static const struct {
		const char *model, *body;
	} asked[] = {
		{ SONNET_45, MORE("\"maxTokens\":9000", "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":5000},\"metadata\":{\"user_id\":\"u\"}") },
		{ GPT_OSS, BODY(",\"inferenceConfig\":{\"maxTokens\":9000},\"requestMetadata\":{\"user\":\"u\"},\"additionalModelRequestFields\":{\"reasoning_effort\":\"high\"}") },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(asked); i++) {
		struct llm_request q = read_good(&dialect_anthropic_messages, str_z(ask));
		struct str path, body;
		assert_int_equal(write_as(&q, (struct provider_target){ .model = str_z(asked[i].model) }, &path, &body), 0);
		if (!str_eq_z(body, asked[i].body))
			fail_msg("%s gave\n" STR_FMT "\nnot\n%s", asked[i].model, STR_ARG(body), asked[i].body);
	}
}

/* Thoughts go back to their maker, errors of tools are told, marks stand behind what they mark. */
static void test_history(void **state)
{
	static const char ask[] = "{\"model\":\"m\",\"max_tokens\":9,\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}],\"messages\":["
		"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"AAAA\"},\"title\":\"T\"}]},"
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},{\"type\":\"redacted_thinking\",\"data\":\"cnI=\"},{\"type\":\"tool_use\",\"id\":\"x.y\",\"name\":\"f\",\"input\":{\"a\":1}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"x.y\",\"is_error\":true,\"content\":[{\"type\":\"text\",\"text\":\"no\"},{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/gif\",\"data\":\"BBBB\"}}]}]}]}";
	static const char want[] = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"},{\"cachePoint\":{\"type\":\"default\"}},{\"document\":{\"format\":\"pdf\",\"name\":\"T\",\"source\":{\"bytes\":\"AAAA\"}}}]},"
		"{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"t\",\"signature\":\"s\"}}},{\"reasoningContent\":{\"redactedContent\":\"cnI=\"}},{\"toolUse\":{\"toolUseId\":\"ID\",\"name\":\"f\",\"input\":{\"a\":1}}}]},"
		"{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"ID\",\"content\":[{\"text\":\"no\"},{\"image\":{\"format\":\"gif\",\"source\":{\"bytes\":\"BBBB\"}}}],\"status\":\"error\"}}]}],"
		"\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]},\"inferenceConfig\":{\"maxTokens\":9}}";
	struct llm_request q = read_good(&dialect_anthropic_messages, str_z(ask));
	struct str path, body, rest = str_z(want);
	struct buf b;
	(void)state;
	assert_int_equal(write_as(&q, (struct provider_target){ .model = STR(SONNET_45) }, &path, &body), 0);
	struct str id = ant_call_id(mem, STR("x.y"));
	buf_init(&b, OUT_MAX);
	for (size_t at; (at = str_find(rest, STR("\"ID\""))) != SIZE_MAX; rest = str_skip(rest, at + 4)) {
		buf_put(&b, str_of(rest.p, at));
		buf_printf(&b, "\"" STR_FMT "\"", STR_ARG(id));
	}
	buf_put(&b, rest);
	if (!str_eq(body, buf_str(&b)))
		fail_msg(STR_FMT "\nnot\n%s", STR_ARG(body), buf_z(&b));
	buf_done(&b);
}

static void test_paths(void **state)
{
	static const struct {
		const char *model;
		bool is_stream;
		const char *path;
	} paths[] = {
		{ SONNET_45, false, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse" },
		{ "arn:aws:bedrock:eu-west-1:1:application-inference-profile/ab", true,
		  "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Aapplication-inference-profile%2Fab/converse-stream" },
		{ "a/../b?c#d e", false, "/model/a%2F..%2Fb%3Fc%23d%20e/converse" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct llm_request q = request_of(paths[i].is_stream ? ",\"stream\":true" : "");
		struct str path, body;
		assert_int_equal(write_as(&q, (struct provider_target){ .model = str_z(paths[i].model) }, &path, &body), 0);
		assert_true(str_eq_z(path, paths[i].path));
	}
}

/* --- embeddings --- */

static void test_embedding_requests(void **state)
{
	static const struct {
		const char *model, *ask, *params, *body;	/* body NULL: refused */
	} asked[] = {
		{ "amazon.titan-embed-text-v1", "\"input\":\"a\"", NULL, "{\"inputText\":\"a\"}" },
		{ "amazon.titan-embed-text-v2:0", "\"input\":[\"a\"],\"dimensions\":256,\"normalize\":false", NULL, "{\"inputText\":\"a\",\"dimensions\":256,\"normalize\":false}" },
		{ "amazon.titan-embed-image-v1", "\"input\":\"a\",\"dimensions\":256", NULL, "{\"inputText\":\"a\",\"embeddingConfig\":{\"outputEmbeddingLength\":256}}" },
		{ "cohere.embed-v4:0", "\"input\":[\"a\",\"b\"],\"dimensions\":512", "{\"input_type\":\"classification\",\"truncate\":\"END\"}",
		  "{\"texts\":[\"a\",\"b\"],\"input_type\":\"classification\",\"truncate\":\"END\",\"output_dimension\":512}" },
		{ "amazon.titan-embed-text-v1", "\"input\":[\"a\",\"b\"]", NULL, NULL },
		{ "cohere.embed-v4:0", "\"input\":[1,2]", NULL, NULL },
		{ NOVA, "\"input\":\"a\"", NULL, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(asked); i++) {
		struct str json = arena_printf(mem, "{\"model\":\"m\",%s}%c", asked[i].ask, 0), path, body;
		struct llm_request q = read_good(&dialect_openai_embed, str_z(json.p));
		struct provider_target t = { .model = str_z(asked[i].model), .params = str_z(asked[i].params) };
		assert_int_equal(write_as(&q, t, &path, &body), asked[i].body ? 0 : -EINVAL);
		if (asked[i].body && !str_eq_z(body, asked[i].body))
			fail_msg("%s gave " STR_FMT, asked[i].ask, STR_ARG(body));
		assert_true(!asked[i].body || str_ends(path, STR("/invoke")));
	}
}

static void test_embedding_answers(void **state)
{
	static const struct {
		const char *body, *events;	/* events NULL: -EBADMSG */
	} answers[] = {
		{ "{\"embedding\":[1,2.5],\"inputTextTokenCount\":7}", "start 0  \nvector 0 [1,2.5]\nusage 0 7+0 cached 0+0 reasoning 0\nend 0 " },
		{ "{\"embeddings\":[[1],[2]]}", "start 0  \nvector 0 [1]\nvector 1 [2]\nusage 0 1+0 cached 0+0 reasoning 0 estimated\nend 0 " },
		{ "{\"embeddings\":{\"float\":[[1]]}}", "start 0  \nvector 0 [1]\nusage 0 1+0 cached 0+0 reasoning 0 estimated\nend 0 " },
		{ "{\"embeddings\":{\"int8\":[[1]]}}", NULL },
		{ "{\"embedding\":\"x\"}", NULL },
		{ "{}", NULL },
		{ "<html>", NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct llm_request q = read_good(&dialect_openai_embed, STR("{\"model\":\"m\",\"input\":\"a\"}"));
		struct provider_reader rd = { .mem = mem, .q = &q };
		struct buf b;
		struct said said = { .to = &b };
		buf_init(&b, OUT_MAX);
		int err = provider_bedrock.read_answer(&rd, str_z(answers[i].body), say_event, &said);
		assert_int_equal(err, answers[i].events ? 0 : -EBADMSG);
		if (answers[i].events)
			assert_string_equal(buf_z(&b), answers[i].events);
		buf_done(&b);
	}
}

/* --- InvokeModel's envelope --- */

static int wrap(const char *headers, const char *body, bool is_stream, enum provider_family family, const char *model,
		struct provider_call *call)
{
	struct llm_request q = { .kind = LLM_CHAT, .is_stream = is_stream };
	struct provider_target t = { .model = str_z(model), .site = SITE_BEDROCK };
	struct llm_error err = { 0 };
	*call = (struct provider_call){ 0 };
	buf_init(&call->path, 4096);
	buf_init(&call->body, OUT_MAX);
	buf_init(&call->headers, OUT_MAX);
	BUF_PUT_LIT(&call->path, "/v1/messages");
	buf_put_z(&call->body, body);
	buf_put_z(&call->headers, headers);
	int r = site_wrap(mem, family, &q, &t, call, &err);
	assert_true(r != -EINVAL || err.message.n);
	return r;
}

static void wrapped(struct provider_call *call)
{
	buf_done(&call->path);
	buf_done(&call->body);
	buf_done(&call->headers);
}

static void test_invoke(void **state)
{
	struct provider_call call;
	(void)state;
	assert_int_equal(wrap("", "{\"model\":\"x\", \"max_tokens\": 5,\"stream\":true,\"messages\":[ ]}", true, FAMILY_ANTHROPIC, SONNET_45, &call), 0);
	assert_string_equal(buf_z(&call.path), "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream");
	assert_string_equal(buf_z(&call.body), "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":5,\"messages\":[ ]}");
	assert_int_equal(call.framing, FRAMING_EVENTSTREAM);
	wrapped(&call);
	assert_int_equal(wrap("a: b\r\nanthropic-beta: one, two,\r\nc: d\r\n", "{\"messages\":[]}", false, FAMILY_ANTHROPIC, "m", &call), 0);
	assert_string_equal(buf_z(&call.path), "/model/m/invoke");
	assert_string_equal(buf_z(&call.body), "{\"anthropic_version\":\"bedrock-2023-05-31\",\"anthropic_beta\":[\"one\",\"two\"],\"messages\":[]}");
	assert_string_equal(buf_z(&call.headers), "a: b\r\nc: d\r\n");
	wrapped(&call);
	assert_int_equal(wrap("anthropic-beta: one\r\n", "{\"anthropic_beta\":[\"own\"]}", false, FAMILY_ANTHROPIC, "m", &call), 0);
	assert_string_equal(buf_z(&call.body), "{\"anthropic_version\":\"bedrock-2023-05-31\",\"anthropic_beta\":[\"own\"]}");
	wrapped(&call);
	assert_int_equal(wrap("", "{}", false, FAMILY_OPENAI, "m", &call), -EINVAL);
	wrapped(&call);
	assert_int_equal(wrap("", "{}", false, FAMILY_ANTHROPIC, "..", &call), -EINVAL);
	wrapped(&call);
}

/* --- signing --- */

static int sign(const char *base, const char *credentials, struct buf *headers)
{
	struct llm_error err = { 0 };
	struct aws_call call = { .method = STR("POST"), .content_type = STR("application/json"), .wall_s = 1767323045,
				 .body = STR("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]}],\"inferenceConfig\":{\"maxTokens\":16}}") };
	call.url = arena_printf(mem, "%s/model/us.anthropic.claude-sonnet-4-5-20250929-v1%%3A0/converse", base);
	buf_init(headers, OUT_MAX);
	int r = credential_aws(mem, str_z(credentials), &call, headers, &err);
	assert_true(r == 0 || (r == -EINVAL && err.message.n && err.outcome == OUTCOME_UP_AUTH && headers->n == 0));
	return r;
}

static void test_signing(void **state)
{
	static const char keys[] = "{\"access_key_id\":\"AKIDEXAMPLE\",\"secret_access_key\":\"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\",\"region\":\"us-east-1\"}";
	static const char *const bases[] = { "https://bedrock-runtime.us-east-1.amazonaws.com", "https://bedrock-runtime.us-east-1.amazonaws.com:443",
					     "http://bedrock-runtime.us-east-1.amazonaws.com:80" };
	static const char *const bad[] = { "", "{}", "no JSON", "{\"access_key_id\":\"A\",\"secret_access_key\":\"a b\",\"region\":\"r\"}" };
	struct buf b;
	(void)state;
	for (size_t i = 0; i < COUNT(bases); i++) {
		assert_int_equal(sign(bases[i], keys, &b), 0);
		assert_true(str_find(buf_str(&b), STR("Signature=103e8284402402e8c57a0f4cc628a9e1804ad8147303c66203b4f6e4a64a6979\r\n")) != SIZE_MAX);
		buf_done(&b);
	}
	assert_int_equal(sign("https://bedrock-runtime.us-east-1.amazonaws.com:444", keys, &b), 0);
	assert_true(str_find(buf_str(&b), STR("103e8284")) == SIZE_MAX);
	buf_done(&b);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(sign(bases[0], bad[i], &b), -EINVAL);
		buf_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_depends_on_the_model, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_members, setup, teardown),
		cmocka_unit_test_setup_teardown(test_anthropics_dialect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_history, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_embedding_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_embedding_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_invoke, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
