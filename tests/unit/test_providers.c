/* SPDX-License-Identifier: MIT
 * test_providers.c - the table of providers is sound row by row, and model names find theirs.
 *
 * Run from the source root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "master/config.h"
#include "master/config_read.h"

/* A row's own base ends as others are made to end. */
static void check_endings(const struct provider_row *p)
{
	struct str endings = p->base_suffix;
	while (p->base.n && endings.n) {
		struct str ending = str_cut(&endings, ' ');
		bool must_not = ending.p[0] == '-';
		assert_true(ending.n > 1);
		if (str_ends(p->base, str_skip(ending, must_not)) == must_not)
			fail_msg(STR_FMT ": base does not end as it must", STR_ARG(p->prefix));
	}
}

static void check_paths(const struct provider_row *p)
{
	static const char *const names[] = { "chat", "text", "stream", "embed", "rerank" };
	struct str paths = p->paths;
	assert_true(!p->rerank_base.n || !base_problem(p->rerank_base));
	while (paths.n) {
		struct str path = str_cut(&paths, ' '), name = str_cut(&path, '=');
		size_t i = 0;
		while (i < COUNT(names) && !str_eq_z(name, names[i]))
			i++;
		assert_true(i < COUNT(names) && path.n > 1 && path.p[0] == '/');
	}
}

static void test_every_row_is_sound(void **state)
{
	size_t n, served = 0;
	const struct provider_row *all = providers_all(&n);

	(void)state;
	assert_true(n >= 192);
	for (size_t i = 0; i < n; i++) {
		const struct provider_row *p = &all[i];
		assert_true(p->prefix.n > 0 && p->display_name.n > 0);
		assert_ptr_equal(providers_find(p->prefix), p);
		served += p->served;
		if (!p->served) {
			/* Whoever cannot be served says why. */
			assert_true(p->notes.n > 0);
			continue;
		}
		assert_true(p->family < FAMILY_COUNT && p->family != FAMILY_MOCK);
		assert_int_not_equal(p->auth_kind, AUTH_NONE);
		if (p->base.n > 0 && str_find_char(p->base, '{') == SIZE_MAX &&
		    base_problem(p->base) != NULL)
			fail_msg(STR_FMT ": base %s", STR_ARG(p->prefix), base_problem(p->base));
		check_endings(p);
		check_paths(p);
		if (p->needs_key && p->key_env.n == 0)
			fail_msg(STR_FMT ": needs a key, but from where?", STR_ARG(p->prefix));
	}
	assert_true(served >= 100);
}

static const struct detect_row {
	const char *custom, *model, *base, *prefix, *upstream;
} detect_rows[] = {
	{ "", "openai/gpt-4o", "", "openai", "gpt-4o" },
	{ "", "groq/llama-3.1-8b", "", "groq", "llama-3.1-8b" },
	{ "", "openrouter/openai/gpt-4o", "", "openrouter", "openai/gpt-4o" },
	{ "", "azure_ai/agents/one", "", "azure_ai/agents", "one" },
	{ "", "azure_ai/agentsmith", "", "azure_ai", "agentsmith" },
	{ "", "openai/*", "", "openai", "*" },
	{ "", "*", "", "openai", "*" },
	{ "groq", "llama", "", "groq", "llama" },
	{ "groq", "groq/llama", "", "groq", "llama" },
	{ "groq", "openai/gpt-oss", "", "groq", "openai/gpt-oss" },
	{ "nobody", "gpt-4o", "", NULL, "gpt-4o" },
	{ "", "gpt-4o", "", "openai", "gpt-4o" },
	{ "", "gpt-5-nano", "", "openai", "gpt-5-nano" },
	{ "", "o1", "", "openai", "o1" },
	{ "", "o3-mini", "", "openai", "o3-mini" },
	{ "", "o4-mini", "", "openai", "o4-mini" },
	{ "", "chatgpt-4o-latest", "", "openai", "chatgpt-4o-latest" },
	{ "", "text-embedding-3-small", "", "openai", "text-embedding-3-small" },
	{ "", "text-embedding-ada-002", "", "openai", "text-embedding-ada-002" },
	{ "", "gpt-3.5-turbo-instruct", "", "text-completion-openai", "gpt-3.5-turbo-instruct" },
	{ "", "claude-3-5-haiku-latest", "", "anthropic", "claude-3-5-haiku-latest" },
	{ "", "gemini-2.5-pro", "", "vertex_ai", "gemini-2.5-pro" },
	{ "", "command-r-plus", "", "cohere_chat", "command-r-plus" },
	{ "", "mistral-large-latest", "", "mistral", "mistral-large-latest" },
	{ "", "deepseek-chat", "", "deepseek", "deepseek-chat" },
	{ "", "anthropic.claude-v2", "", "bedrock", "anthropic.claude-v2" },
	{ "", "jp.anthropic.claude-x", "", "bedrock", "jp.anthropic.claude-x" },
	{ "", "bedrock/us-east-1/amazon.nova-lite-v1:0", "", "bedrock", "us-east-1/amazon.nova-lite-v1:0" },
	{ "", "bedrock/converse/anthropic.claude-v2", "", "bedrock/converse", "anthropic.claude-v2" },
	{ "", "bedrock/invoke/anthropic.claude-v2", "", "bedrock/invoke", "anthropic.claude-v2" },
	{ "", "llama-7", "https://api.groq.com/openai/v1", "groq", "llama-7" },
	{ "", "gpt-4o", "https://API.groq.com/openai/v1", "groq", "gpt-4o" },
	{ "", "gpt-4o", "http://localhost:11434", "openai", "gpt-4o" },
	{ "", "my-model", "http://10.0.0.1:8000/v1", "openai", "my-model" },
	{ "", "org/my-model", "http://10.0.0.1:8000/v1", "openai", "org/my-model" },
	{ "", "my-model", "", NULL, "my-model" },
	{ "", "openai/", "", NULL, "openai/" },
	{ "", "", "", NULL, "" },
	{ "", "luminous-base", "", "aleph_alpha", "luminous-base" },
	{ "", "j2-ultra", "", "ai21", "j2-ultra" },	/* by the price table */
};

static void test_detection(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(detect_rows); i++) {
		const struct detect_row *w = &detect_rows[i];
		struct str model = STR_NONE;
		const struct provider_row *p = providers_detect(str_z(w->custom), str_z(w->model),
								str_z(w->base), &model);
		if (!p != !w->prefix || (p && !str_eq_z(p->prefix, w->prefix)))
			fail_msg("%s %s: " STR_FMT, w->model, w->base,
				 STR_ARG(p ? p->prefix : STR("none")));
		if (!str_eq_z(model, w->upstream))
			fail_msg("%s: upstream " STR_FMT, w->model, STR_ARG(model));
	}
}

/* Where we differ from LiteLLM's price map on purpose, or it from itself. */
static const struct {
	const char *provider, *pattern, *ours;
} exceptions[] = {
	/* LiteLLM goes by the prefix, too. */
	{ "azure_text", "azure/*", "azure" },
	{ "vertex_ai", "gemini/*", "gemini" },
	/* A service of its own behind a longer prefix. */
	{ "azure_ai", "azure_ai/doc-intelligence/*", "azure_ai/doc-intelligence" },
	/* OpenAI has it, too, under that very name. */
	{ "azure", "computer-use-preview", "openai" },
};

static bool is_excepted(struct str provider, struct str model, const struct provider_row *p)
{
	for (size_t i = 0; i < COUNT(exceptions); i++)
		if (str_eq_z(provider, exceptions[i].provider) &&
		    str_matches(str_z(exceptions[i].pattern), model) &&
		    str_eq_z(p ? p->prefix : STR("none"), exceptions[i].ours))
			return true;
	return false;
}

static unsigned n_wrong;

static void expect_detected(struct str provider, struct str model)
{
	struct str upstream;
	const struct provider_row *p = providers_detect(STR_NONE, model, STR_NONE, &upstream);
	/* "bedrock/invoke" is of bedrock, too. */
	struct str whole = p ? p->prefix : STR_NONE, vendor = str_cut(&whole, '/');
	if ((p && (str_eq(p->prefix, provider) || str_eq(vendor, provider))) ||
	    is_excepted(provider, model, p))
		return;
	print_error(STR_FMT " is of " STR_FMT ", not of " STR_FMT "\n", STR_ARG(model),
		    STR_ARG(provider), STR_ARG(p ? p->prefix : STR("none")));
	n_wrong++;
}

/* As the map writes it; and with its provider before it, as LiteLLM's documents do. */
static void test_every_model_of_the_price_map_is_detected(void **state)
{
	static char text[1 << 20];
	FILE *f = fopen("tests/unit/detect.tsv", "r");
	unsigned n = 0;

	(void)state;
	assert_non_null(f);
	struct str all = str_of(text, fread(text, 1, sizeof text, f));
	fclose(f);
	while (all.n) {
		struct str line = str_cut(&all, '\n'), provider = str_cut(&line, '\t');
		for (struct str model; line.n; n++) {
			char with[512];
			model = str_cut(&line, ' ');
			expect_detected(provider, model);
			snprintf(with, sizeof with, STR_FMT "/" STR_FMT, STR_ARG(provider),
				 STR_ARG(model));
			if (!str_starts(model, provider))
				expect_detected(provider, str_z(with));
		}
	}
	assert_true(n > 2400);
	assert_int_equal(n_wrong, 0);
}

static void test_bases(void **state)
{
	static const char *const good[] = {
		"https://api.openai.com/v1", "http://localhost", "http://127.0.0.1:1/a/b",
		"HTTPS://h", "http://[::1]:8080/v1", "https://a-b.c_d/%20",
	};
	static const char *const bad[] = {
		"",		"api.openai.com", "ftp://h",	   "http://",	 "http://:80",
		"http:///x",	"http://h:",	  "http://h:0",	   "http://h:x", "http://h:65536",
		"http://u@h",	"http://u:p@h",	  "http://h/?a",   "http://h#a", "http://h/{a}",
		"http://h/a b", "http://h/a\n",	  "http://h\\a",   "http://[::1", "http://[::1]x",
		"http://h/\x7f", "http://h/\xc3\xa4", "http://h:1:2",
	};
	char big[400];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (base_problem(str_z(good[i])))
			fail_msg("%s %s", good[i], base_problem(str_z(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!base_problem(str_z(bad[i])))
			fail_msg("%s is taken", bad[i]);
	snprintf(big, sizeof big, "http://%0254d/", 1);
	assert_non_null(base_problem(str_z(big)));
	snprintf(big, sizeof big, "http://%0253d/", 1);
	assert_null(base_problem(str_z(big)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_sound),
		cmocka_unit_test(test_detection),
		cmocka_unit_test(test_every_model_of_the_price_map_is_detected),
		cmocka_unit_test(test_bases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
