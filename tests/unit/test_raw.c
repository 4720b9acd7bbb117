/* SPDX-License-Identifier: MIT
 * test_raw.c - what may stand behind a provider's base, how both are joined, what a path and an
 * answer say; and which path leads to which endpoint. */
#include "worker/raw.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "worker/client/dialect.h"
#include "worker/client/endpoint.h"
#include "worker/exchange/sniff.h"
#include "worker/worker.h"

/* main.c's; nobody here asks for it. */
struct snap *worker_snap(struct worker *w)
{
	(void)w;
	return NULL;
}

static void test_paths(void **state)
{
	static const char *const good[] = { "",	     "/",	   "/files",	"/files/",
					    "/a/b/c", "/a..b/...c", "/%20/%C3%A9", "/m:verb",
					    "/a@b",   "/~u/-_.x",   "/.well-known/x" };
	static const char *const bad[] = { "files",   "/..",	   "/a/..",	"/a/../b", "/./a",
					   "//a",     "/a//b",	   "/a/%2e%2e", "/%2E/a",  "/a%2Fb",
					   "/a%5cb",  "/a\\b",	   "/%00",	"/%0d%0a", "/%25",
					   "/%",      "/%2",	   "/%zz",	"/a?b",	   "/a#b",
					   "/a b",    "/a\r\nb",   "/a;b",	"/\x7f",   "/\xc3\xa9",
					   "/a<b>",   "/{a}",	   "/a|b",	"/a%3fb",  "/a%23b" };
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!raw_path_ok(str_z(good[i])))
			fail_msg("refused %s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (raw_path_ok(str_z(bad[i])))
			fail_msg("let through %s", bad[i]);
	assert_true(raw_query_ok(STR("a=b&c=%20d@e?f/g")));
	assert_false(raw_query_ok(STR("a=b c")));
	assert_false(raw_query_ok(STR("a=b#c")));
	assert_false(raw_query_ok(STR("a=\r\n")));
}

static void test_joined(void **state)
{
	static const struct {
		const char *base, *path, *want;
	} rows[] = {
		{ "https://h/v1", "/files", "https://h/v1/files" },
		{ "https://h/v1", "/v1/files", "https://h/v1/files" },
		{ "https://h/v1", "/v1", "https://h/v1" },
		{ "https://h/v1", "/v1beta/x", "https://h/v1beta/x" },
		{ "https://h", "/v1/files", "https://h/v1/files" },
		{ "https://h/openai/v1", "/v1/chat", "https://h/openai/v1/chat" },
		{ "https://h/openai", "/v1/chat", "https://h/openai/v1/chat" },
		{ "https://h/v1", "/vector_stores", "https://h/v1/vector_stores" },
		{ "https://v1", "/v2/x", "https://v1/v2/x" },
		{ "https://h/v1", "/a@b/c@", "https://h/v1/a%40b/c%40" },
		{ "https://h/v1", "", "https://h/v1" },
		{ "https://h/v1", "/v1x-y/z", "https://h/v1/v1x-y/z" },
	};
	struct buf out;
	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_reset(&out);
		raw_put_url(&out, str_z(rows[i].base), str_z(rows[i].path));
		assert_string_equal(buf_z(&out), rows[i].want);
	}
	buf_reset(&out);
	raw_put_query(&out, STR("key=sk-1&a=1&&API_KEY=2&b&custom_llm_provider=x&access_token=3"), true);
	assert_string_equal(buf_z(&out), "?a=1&b");
	buf_reset(&out);
	raw_put_query(&out, STR("k%65y=1&mod%65l=x&MODEL=y&%64eployment=z&models=1&mode=2&a%"), false);
	assert_string_equal(buf_z(&out), "?models=1&mode=2&a%");
	assert_true(str_eq(raw_query_get(STR("a=1&b=2&b=3&c"), STR("b")), STR("2")));
	assert_true(str_eq(raw_query_get(STR("a=1&c"), STR("c")), STR("")));
	assert_null(raw_query_get(STR("ab=1"), STR("a")).p);
	buf_done(&out);
}

static void test_models_of_paths(void **state)
{
	static const char *const rows[][2] = {
		{ "/v1beta/models/gemini-x:generateContent", "gemini-x" },
		{ "/openai/deployments/gpt/chat/completions", "gpt" },
		{ "/model/anthropic.claude-v2:1/invoke", "anthropic.claude-v2:1" },
		{ "/v1/projects/p/locations/l/publishers/google/models/g:predict", "g" },
		{ "/engines/ada/completions", "ada" },
		{ "/v1/models", "" },
		{ "/v1/models/", "" },
		{ "/v1/chat/completions", "" },
		{ "", "" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_true(str_eq_z(raw_path_model(str_z(rows[i][0])), rows[i][1]));
	struct arena *a = arena_new(4096);
	assert_true(str_eq_z(raw_decode(a, STR("a%3A0%7eb")), "a:0~b"));
	assert_true(str_eq_z(raw_decode(a, STR("50%")), "50%") && str_eq_z(raw_decode(a, STR("%zz%3")), "%zz%3"));
	arena_free(a);
}

static void test_endpoints(void **state)
{
	static const struct {
		const char *method, *path, *raw, *rest;		/* raw NULL: a dialect's */
	} rows[] = {
		{ "POST", "/anthropic/v1/messages", NULL, NULL },
		{ "GET", "/anthropic/v1/messages", "anthropic", "/v1/messages" },
		{ "POST", "/openai/deployments/m/chat/completions", NULL, NULL },
		{ "POST", "/openai/deployments/m/images/edits", "image edits", NULL },
		{ "POST", "/openai/deployments/m/other", "openai", "/deployments/m/other" },
		{ "PUT", "/openai", "openai", "" },
		{ "PUT", "/openai_passthrough/x", "openai", "/x" },
		{ "GET", "/v1/files", "resources", "" },
		{ "DELETE", "/files/f", "resources", "/f" },
		{ "PATCH", "/azure_ai/x", "azure_ai", "/x" },
		{ "PATCH", "/azure/x", "azure", "/x" },
	};
	struct endpoint_parts parts;
	const struct endpoint *near;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct endpoint *e = endpoint_find(str_z(rows[i].method),
							 str_z(rows[i].path), &parts, &near);
		assert_non_null(e);
		if (!rows[i].raw) {
			assert_null(e->raw);
			continue;
		}
		assert_string_equal(e->raw->name, rows[i].raw);
		assert_true(!rows[i].rest || str_eq_z(parts.rest, rows[i].rest));
	}
	assert_null(endpoint_find(STR("GET"), STR("/openaix"), &parts, &near));
	assert_null(endpoint_find(STR("GET"), STR("/v1/filesystem"), &parts, &near));
	assert_null(endpoint_find(STR("GET"), STR("/v1/audio/speech"), &parts, &near));
	assert_non_null(near);
	assert_null(near->dialect);
	assert_null(endpoint_find(STR("PUT"), STR("/v1/messages"), &parts, &near));
	assert_ptr_equal(near->dialect, &dialect_anthropic_messages);
	for (size_t i = 0; i < endpoints_count; i++)
		assert_true(!endpoints[i].raw || !endpoints[i].run);
}

static struct llm_tally sniffed(const char *type, const char *text)
{
	struct llm_tally t = { 0 };
	struct sniff s;
	assert_true(sniff_begin(&s, str_z(type), 1 << 20, &t));
	sniff_feed(&s, str_z(text));
	sniff_end(&s);
	sniff_done(&s);
	return t;
}

static void test_sniffed(void **state)
{
	static const struct {
		const char *text;
		uint64_t input, output, read, media, images, ms;
	} rows[] = {
		{ "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}", 3, 5, 0, 0, 0, 0 },
		{ "{\"a\":[1,{\"usage\":{\"prompt_tokens\":3}}]}", 0, 0, 0, 0, 0, 0 },
		{ "{\"usage\":{\"input_tokens\":3,\"output_tokens\":5,\"cache_read_input_tokens\":7}}",
		  10, 5, 7, 0, 0, 0 },
		{ "{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":6}}", 4, 6, 0,
		  0, 0, 0 },
		{ "{\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}}", 3, 5, 0, 0,
		  0, 0 },
		{ "{\"usage\":{\"inputTokens\":3,\"outputTokens\":5,\"cacheReadInputTokens\":2}}", 5,
		  5, 2, 0, 0, 0 },
		{ "{\"meta\":{\"billed_units\":{\"input_tokens\":3}}}", 3, 0, 0, 0, 0, 0 },
		{ "{\"data\":[{\"b64_json\":\"AA\"},{\"url\":\"u\"},{\"id\":1}],\"usage\":{\"input_tokens"
		  "\":3,\"output_tokens\":5,\"output_tokens_details\":{\"image_tokens\":4}}}",
		  3, 5, 0, 4, 2, 0 },
		{ "{\"text\":\"x\",\"duration\":2.5}", 0, 0, 0, 0, 0, 2500 },
		{ "{\"usage\":{\"type\":\"duration\",\"seconds\":7}}", 0, 0, 0, 0, 0, 7000 },
		{ "{\"usage\":", 0, 0, 0, 0, 0, 0 },
		{ "[]", 0, 0, 0, 0, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_tally t = sniffed("application/json; charset=utf-8", rows[i].text);
		assert_int_equal(t.usage.input, rows[i].input);
		assert_int_equal(t.usage.output, rows[i].output);
		assert_int_equal(t.usage.cache_read, rows[i].read);
		assert_int_equal(t.usage.media_output, rows[i].media);
		assert_int_equal(t.usage.images, rows[i].images);
		assert_int_equal(t.usage.milliseconds, rows[i].ms);
	}
	struct llm_tally t = sniffed("text/event-stream",
				     "data: {\"type\":\"message_start\",\"message\":{\"usage\":{"
				     "\"input_tokens\":9,\"output_tokens\":1}}}\n\n: c\n\n"
				     "data: {\"usage\":{\"output_tokens\":12}}\n\ndata: [DONE]");
	assert_int_equal(t.usage.input, 9);
	assert_int_equal(t.usage.output, 12);
	assert_int_equal(t.events, 3);
	assert_false(sniffed("audio/mpeg", rows[0].text).has_usage);
}

/* At which tier, and how often the web was searched; where Gemini and Bedrock tell theirs. */
static void test_sniffed_more(void **state)
{
	static const struct {
		const char *text;
		uint64_t input, output;
		unsigned tier, searches;
	} rows[] = {
		{ "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5},\"service_tier\":\"flex\"}", 3,
		  5, TIER_FLEX, 0 },
		{ "{\"service_tier\":\"priority\",\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}", 3, 5,
		  TIER_PRIORITY, 0 },
		{ "{\"service_tier\":\"auto\",\"usage\":{\"input_tokens\":3}}", 3, 0, TIER_UNTOLD, 0 },
		{ "{\"service_tier\":[],\"usage\":{\"input_tokens\":3}}", 3, 0, TIER_UNTOLD, 0 },
		{ "{\"usage\":{\"input_tokens\":3,\"output_tokens\":5,\"cache_read_input_tokens\":0,"
		  "\"service_tier\":\"batch\",\"server_tool_use\":{\"web_search_requests\":2}}}",
		  3, 5, TIER_BATCH, 2 },
		{ "{\"usage\":{\"input_tokens\":3,\"output_tokens\":5,"
		  "\"server_tool_use\":{\"web_search_requests\":99999999999}}}",
		  3, 5, TIER_UNTOLD, WEB_SEARCHES_MAX },
		{ "{\"usage\":{\"input_tokens\":3,\"server_tool_use\":{\"web_search_requests\":-2}}}", 3, 0,
		  TIER_UNTOLD, 0 },
		{ "{\"output\":[{\"type\":\"web_search_call\",\"action\":{\"type\":\"search\"}},"
		  "{\"type\":\"web_search_call\",\"action\":{\"type\":\"open_page\"}},"
		  "{\"type\":\"web_search_call\"},{\"type\":\"message\"}],"
		  "\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}",
		  3, 5, TIER_UNTOLD, 2 },
		{ "{\"response\":{\"service_tier\":\"default\",\"output\":[{\"type\":\"web_search_call\"}],"
		  "\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}}",
		  3, 5, TIER_STANDARD, 1 },
		{ "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5,\"num_search_queries\":4}}", 3, 5,
		  TIER_UNTOLD, 4 },
		{ "[{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":1}},\n,"
		  "{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":6,"
		  "\"trafficType\":\"ON_DEMAND_PRIORITY\"}}]",
		  4, 1, TIER_UNTOLD, 0 },	/* broken in its midst */
		{ "[{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":1}}\n,\r\n"
		  "{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":6,"
		  "\"trafficType\":\"ON_DEMAND_PRIORITY\"}}]",
		  4, 6, TIER_PRIORITY, 0 },
		{ "{\"response\":{\"meta\":{\"billed_units\":{\"input_tokens\":4,\"output_tokens\":6}}}}", 4,
		  6, TIER_UNTOLD, 0 },
		{ "{\"generation\":\"x\",\"prompt_token_count\":4,\"generation_token_count\":6}", 4, 6,
		  TIER_UNTOLD, 0 },
		{ "{\"inputTextTokenCount\":4,\"results\":[{\"tokenCount\":5},{\"tokenCount\":1},"
		  "{\"tokenCount\":99999999999}]}", 4, 6, TIER_UNTOLD, 0 },
		{ "{\"generation\":\"x\",\"prompt_token_count\":-4,\"generation_token_count\":\"6\"}", 0, 0,
		  TIER_UNTOLD, 0 },
		{ "{\"generation\":\"x\",\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":4,"
		  "\"outputTokenCount\":6,\"cacheReadInputTokenCount\":2}}",
		  6, 6, TIER_UNTOLD, 0 },
	};
	static const char lines[] = "{\"event_type\":\"text-generation\",\"text\":\"x\"}\r\n\n"
				    "{\"event_type\":\"stream-end\",\"response\":{\"meta\":{\"billed_units\":"
				    "{\"input_tokens\":4,\"output_tokens\":6}}}}";
	(void)state;
	for (size_t cut = 0; cut < sizeof lines - 1; cut++) {	/* Cohere's first API */
		struct llm_tally t = { 0 };
		struct sniff s;
		assert_true(sniff_begin(&s, STR("application/stream+json"), 1 << 20, &t));
		sniff_feed(&s, str_of(lines, cut));
		sniff_feed(&s, str_of(lines + cut, sizeof lines - 1 - cut));
		sniff_end(&s);
		sniff_done(&s);
		assert_int_equal(t.usage.input, 4);
		assert_int_equal(t.usage.output, 6);
		assert_int_equal(t.events, 2);
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct llm_tally t = sniffed("application/json", rows[i].text);
		if (t.usage.input != rows[i].input || t.usage.output != rows[i].output ||
		    t.usage.tier != rows[i].tier || t.usage.web_searches != rows[i].searches)
			fail_msg("row %zu: %llu in, %llu out, tier %u, %u searches", i,
				 (unsigned long long)t.usage.input,
				 (unsigned long long)t.usage.output, t.usage.tier,
				 t.usage.web_searches);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	 cmocka_unit_test(test_joined),
		cmocka_unit_test(test_models_of_paths), cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_sniffed),
		cmocka_unit_test(test_sniffed_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
