/* SPDX-License-Identifier: MIT
 * test_site.c - the paths of Azure and Vertex AI, and what they change in a body. */
#include "worker/exchange/site.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"

static struct arena *mem;

static int setup(void **state)
{
	(void)state;
	mem = arena_new(8 << 20);
	return mem ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mem = arena_free(mem);
	return 0;
}

enum { STREAM = 1 };

static const struct row {
	enum provider_site site;
	enum provider_family family;
	enum llm_kind kind;
	unsigned is_stream;
	const char *model, *version;
	const char *path, *body;	/* path NULL: refused. body NULL: stays what it was */
} rows[] = {
	{ SITE_OWN, FAMILY_OPENAI, LLM_CHAT, 0, "m", NULL, "/as-it-was", NULL },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_CHAT, 0, "gpt 4/o?", "2024-10-21",
	  "/openai/deployments/gpt%204%2Fo%3F/chat/completions?api-version=2024-10-21", NULL },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_TEXT, STREAM, "d", "2024-10-21", "/openai/deployments/d/completions?api-version=2024-10-21", NULL },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_EMBED, 0, "d", "x&y=", "/openai/deployments/d/embeddings?api-version=x%26y%3D", NULL },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_CHAT, 0, "d", "v1", "/openai/v1/chat/completions", NULL },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_CHAT, 0, "d", "latest", "/openai/v1/chat/completions", NULL },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_EMBED, 0, "d", "preview", "/openai/v1/embeddings?api-version=preview", NULL },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_CHAT, 0, "o_series/d", "2024-10-21", "/openai/deployments/d/chat/completions?api-version=2024-10-21",
	  "{\"model\":\"m\",\"stream\":true,\"max_completion_tokens\":5}" },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_CHAT, 0, "gpt5_series/d", "v1", "/openai/v1/chat/completions",
	  "{\"stream\":true,\"max_completion_tokens\":5,\"model\":\"d\"}" },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_CHAT, 0, "prod-o3", "1", "/openai/deployments/prod-o3/chat/completions?api-version=1",
	  "{\"model\":\"m\",\"stream\":true,\"max_completion_tokens\":5}" },
	{ SITE_AZURE, FAMILY_OPENAI, LLM_CHAT, 0, "zero3", "1", "/openai/deployments/zero3/chat/completions?api-version=1", NULL },
	{ SITE_AZURE, FAMILY_RESPONSES, LLM_CHAT, 0, "d", "2025-04-01-preview", "/openai/responses?api-version=2025-04-01-preview", NULL },
	{ SITE_AZURE, FAMILY_RESPONSES, LLM_CHAT, STREAM, "d", "preview", "/openai/v1/responses?api-version=preview", NULL },
	{ SITE_AZURE, FAMILY_ANTHROPIC, LLM_CHAT, 0, "d", "1", NULL, NULL },
	{ SITE_FOUNDRY, FAMILY_OPENAI, LLM_CHAT, 0, "d", "2024-05-01-preview", "/as-it-was?api-version=2024-05-01-preview", NULL },
	{ SITE_FOUNDRY, FAMILY_OPENAI, LLM_CHAT, 0, "d", NULL, "/as-it-was", NULL },
	{ SITE_VERTEX, FAMILY_GEMINI, LLM_CHAT, 0, "gemini-2.5-pro", NULL, "/v1/projects/p%2F1/locations/eu/publishers/google/models/gemini-2.5-pro:generateContent", NULL },
	{ SITE_VERTEX, FAMILY_GEMINI, LLM_CHAT, STREAM, "google/gemini-3", NULL, "/v1/projects/p%2F1/locations/eu/publishers/google/models/gemini-3:streamGenerateContent?alt=sse", NULL },
	{ SITE_VERTEX, FAMILY_GEMINI, LLM_CHAT, 0, "gemini/77", NULL, "/v1/projects/p%2F1/locations/eu/endpoints/77:generateContent", NULL },
	{ SITE_VERTEX, FAMILY_GEMINI, LLM_EMBED, 0, "text-embedding-005", NULL, "/v1/projects/p%2F1/locations/eu/publishers/google/models/text-embedding-005:predict", NULL },
	{ SITE_VERTEX, FAMILY_GEMINI, LLM_EMBED, 0, "gemini-embedding-001", NULL, "/v1/projects/p%2F1/locations/eu/publishers/google/models/gemini-embedding-001:predict", NULL },
	{ SITE_VERTEX, FAMILY_GEMINI, LLM_EMBED, 0, "gemini-embedding-2", NULL, "/v1/projects/p%2F1/locations/eu/publishers/google/models/gemini-embedding-2:embedContent", NULL },
	{ SITE_VERTEX, FAMILY_ANTHROPIC, LLM_CHAT, 0, "claude-x@20250929", NULL, "/v1/projects/p%2F1/locations/eu/publishers/anthropic/models/claude-x@20250929:rawPredict",
	  "{\"max_tokens\":5,\"stream\":true,\"anthropic_version\":\"vertex-2023-10-16\"}" },
	{ SITE_VERTEX, FAMILY_ANTHROPIC, LLM_CHAT, STREAM, "a:b@c@d", NULL, "/v1/projects/p%2F1/locations/eu/publishers/anthropic/models/a%3Ab@c%40d:streamRawPredict",
	  "{\"max_tokens\":5,\"stream\":true,\"anthropic_version\":\"vertex-2023-10-16\"}" },
	{ SITE_VERTEX, FAMILY_OPENAI, LLM_CHAT, 0, "meta/llama-4", NULL, "/v1/projects/p%2F1/locations/eu/endpoints/openapi/chat/completions", NULL },
	{ SITE_VERTEX, FAMILY_OPENAI, LLM_CHAT, STREAM, "openai/gpt-oss-120b-maas", NULL, "/v1/projects/p%2F1/locations/eu/endpoints/openapi/chat/completions", NULL },
	{ SITE_VERTEX, FAMILY_OPENAI, LLM_CHAT, 0, "openai/5", NULL, "/v1/projects/p%2F1/locations/eu/endpoints/5/chat/completions", NULL },
	{ SITE_VERTEX, FAMILY_OPENAI, LLM_CHAT, 0, "5", NULL, "/v1/projects/p%2F1/locations/eu/endpoints/5/chat/completions", NULL },
	{ SITE_VERTEX, FAMILY_OPENAI, LLM_CHAT, 0, "mistral-large@2411", NULL, "/v1/projects/p%2F1/locations/eu/publishers/mistralai/models/mistral-large@2411:rawPredict",
	  "{\"max_tokens\":5,\"stream\":true,\"model\":\"mistral-large\"}" },
	{ SITE_VERTEX, FAMILY_OPENAI, LLM_CHAT, STREAM, "mistralai/codestral-2", NULL, "/v1/projects/p%2F1/locations/eu/publishers/mistralai/models/codestral-2:streamRawPredict",
	  "{\"max_tokens\":5,\"stream\":true,\"model\":\"codestral-2\"}" },
	{ SITE_VERTEX, FAMILY_OPENAI, LLM_CHAT, 0, "jamba-1.5", NULL, "/v1/projects/p%2F1/locations/eu/publishers/ai21/models/jamba-1.5:rawPredict",
	  "{\"max_tokens\":5,\"stream\":true,\"model\":\"jamba-1.5\"}" },
	{ SITE_VERTEX, FAMILY_OPENAI, LLM_EMBED, 0, "meta/llama-4", NULL, NULL, NULL },
	{ SITE_VERTEX, FAMILY_OLLAMA_CHAT, LLM_CHAT, 0, "m", NULL, NULL, NULL },
	{ SITE_BEDROCK, FAMILY_MOCK, LLM_CHAT, 0, "m", NULL, NULL, NULL },
};

static const char first_body[] = "{\"model\":\"m\",\"max_tokens\":5,\"stream\":true}";

static void begin(struct provider_call *call, const char *body)
{
	*call = (struct provider_call){ 0 };
	buf_init(&call->path, 4096);
	buf_init(&call->body, 4096);
	buf_init(&call->headers, 4096);
	buf_put_z(&call->path, "/as-it-was");
	buf_put_z(&call->body, body);
}

static void end(struct provider_call *call)
{
	buf_done(&call->path);
	buf_done(&call->body);
	buf_done(&call->headers);
}

static void test_paths_and_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *r = &rows[i];
		struct llm_request q = { .kind = r->kind, .is_stream = r->is_stream != 0 };
		struct provider_target t = { .model = str_z(r->model), .site = r->site, .api_version = str_z(r->version),
					     .project = STR("p/1"), .location = STR("eu") };
		struct provider_call call;
		struct llm_error err = { 0 };
		begin(&call, first_body);
		int got = site_wrap(mem, r->family, &q, &t, &call, &err);
		assert_int_equal(got, r->path ? 0 : -EINVAL);
		if (!r->path) {
			assert_true(err.message.n && err.outcome != OUTCOME_OK);
		} else {
			assert_string_equal(buf_z(&call.path), r->path);
			assert_string_equal(buf_z(&call.body), r->body ? r->body : first_body);
		}
		end(&call);
	}
}

static void test_an_express_key_needs_no_project(void **state)
{
	struct provider_target t = { .model = STR("gemini-2.5-pro"), .site = SITE_VERTEX, .location = STR("us-central1") };
	struct llm_request q = { 0 };
	struct provider_call call;
	struct llm_error err = { 0 };
	(void)state;
	begin(&call, first_body);
	assert_int_equal(site_wrap(mem, FAMILY_GEMINI, &q, &t, &call, &err), 0);
	assert_string_equal(buf_z(&call.path), "/v1/publishers/google/models/gemini-2.5-pro:generateContent");
	end(&call);
}

static void test_both_limits(void **state)
{
	struct provider_target t = { .model = STR("o3"), .site = SITE_AZURE, .api_version = STR("v") };
	struct llm_request q = { 0 };
	struct provider_call call;
	struct llm_error err = { 0 };
	(void)state;
	begin(&call, "{\"max_tokens\":5,\"max_completion_tokens\":7}");
	assert_int_equal(site_wrap(mem, FAMILY_OPENAI, &q, &t, &call, &err), 0);
	assert_string_equal(buf_z(&call.body), "{\"max_completion_tokens\":7}");
	end(&call);
	begin(&call, "{\"messages\":[{\"content\":\"\\\"max_tokens\\\" and {\\\"max_tokens\\\":1}\"}]}");
	assert_int_equal(site_wrap(mem, FAMILY_OPENAI, &q, &t, &call, &err), 0);
	assert_string_equal(buf_z(&call.body), "{\"messages\":[{\"content\":\"\\\"max_tokens\\\" and {\\\"max_tokens\\\":1}\"}]}");
	end(&call);
}

static const struct {
	const char *before, *after;
} edits[] = {
	{ "{}", "{\"new\":1}" },
	{ " { } ", " { \"new\":1} " },
	{ "{\"a\":1}", "{\"new\":1}" },
	{ "{\"a\":1,\"b\":2}", "{\"new\":1}" },
	{ "{\"a\":1,\"c\":3}", "{\"c\":3,\"new\":1}" },
	{ "{\"c\":3,\"a\":1}", "{\"c\":3,\"new\":1}" },
	{ "{\"c\":[1,{\"a\":1}],\"a\":1,\"d\":4}", "{\"c\":[1,{\"a\":1}],\"d\":4,\"new\":1}" },
	{ "{\"\\u0061\":1,\"x\":1}", "{\"x\":1,\"new\":1}" },
	{ "{\"new\":2,\"a\":1}", "{\"new\":2}" },
	{ "{\"a\":1,\"a\":2,\"z\":1}", "{\"z\":1,\"new\":1}" },
	{ "[]", NULL },
	{ "", NULL },
};

static void test_editing(void **state)
{
	static const char *const without[] = { "a", "b", NULL };
	const struct site_edit e = { without, STR("\"new\":1"), STR("new") };
	(void)state;
	for (size_t i = 0; i < COUNT(edits); i++) {
		struct buf b;
		buf_init(&b, 1000);
		buf_put_z(&b, edits[i].before);
		assert_int_equal(site_edit_body(mem, &b, &e), edits[i].after ? 0 : -EINVAL);
		assert_string_equal(buf_z(&b), edits[i].after ? edits[i].after : edits[i].before);
		buf_done(&b);
	}
	assert_int_equal(mem_live(), 2);	/* the arena and its block */
}

static void test_whose_body_will_do(void **state)
{
	struct llm_request chat = { .kind = LLM_CHAT }, embed = { .kind = LLM_EMBED };
	(void)state;
	assert_true(site_takes_body(SITE_VERTEX, FAMILY_GEMINI, &chat));
	assert_false(site_takes_body(SITE_VERTEX, FAMILY_GEMINI, &embed));
	assert_true(site_takes_body(SITE_OWN, FAMILY_GEMINI, &embed));
	assert_true(site_takes_body(SITE_AZURE, FAMILY_OPENAI, &embed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_and_bodies),
		cmocka_unit_test(test_an_express_key_needs_no_project),
		cmocka_unit_test(test_both_limits),
		cmocka_unit_test(test_editing),
		cmocka_unit_test(test_whose_body_will_do),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
