/* SPDX-License-Identifier: MIT
 * providers.c - the providers of etc/providers.tsv, and which of them a deployment means.
 *
 * The table travels in the binary and is split into slices once; its text is never copied. A
 * table that cannot be read is a packaging fault, so that is a MUST. */
#include "master/config.h"
#include "master/embed.h"
#include "master/prices.h"

/* The last columns are for few: a line may end before them. */
enum { ROWS_MAX = 256, COLUMNS_LEAST = 13, COLUMNS = 15 };

static struct provider_row rows[ROWS_MAX];
static size_t n_rows;

struct word {
	const char *name;
	int value;
};
static const struct word auths[] = {
	{ "bearer", AUTH_BEARER },
	{ "api-key", AUTH_API_KEY },
	{ "x-api-key", AUTH_X_API_KEY },
	{ "x-goog-api-key", AUTH_X_GOOG_API_KEY },
	{ "token", AUTH_TOKEN },
	{ "basic", AUTH_BASIC },
	{ "xi-api-key", AUTH_XI_API_KEY },
	{ "sigv4", AUTH_SIGV4 },
	{ "gcp-jwt", AUTH_GOOGLE },
	{ "ibm-iam", AUTH_IBM },
	{ "api-subscription-key", AUTH_SUBSCRIPTION_KEY },
	{ "gigachat", AUTH_GIGACHAT },
};
static const struct word families[] = {
	{ "openai", FAMILY_OPENAI },
	{ "ollama_chat", FAMILY_OLLAMA_CHAT },
	{ "ollama_generate", FAMILY_OLLAMA_GENERATE },
	{ "mock", FAMILY_MOCK },
	{ "anthropic", FAMILY_ANTHROPIC },
	{ "gemini", FAMILY_GEMINI },
	{ "bedrock", FAMILY_BEDROCK },
	{ "cohere", FAMILY_COHERE },
	{ "tgi", FAMILY_TGI },
	{ "fim", FAMILY_FIM },
	{ "replicate", FAMILY_REPLICATE },
};
static const struct word sites[] = {
	{ "azure", SITE_AZURE },
	{ "foundry", SITE_FOUNDRY },
	{ "vertex", SITE_VERTEX },
	{ "bedrock", SITE_BEDROCK },
};

static int find_word(const struct word *list, size_t n, struct str s, int other)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq_z(s, list[i].name))
			return list[i].value;
	return other;
}

/* "family" or "family@site". */
static bool read_family(struct provider_row *r, struct str s)
{
	struct str site = s, name = str_cut(&site, '@');
	int family = find_word(families, COUNT(families), name, -1);
	int at = site.p ? find_word(sites, COUNT(sites), site, -1) : SITE_OWN;

	if (family < 0 || at < 0)
		return false;
	r->family = (enum provider_family)family;
	r->site = (enum provider_site)at;
	return true;
}

static void read_row(struct provider_row *r, struct str line)
{
	struct str c[COLUMNS] = { { 0 } };

	for (size_t i = 0; i < COLUMNS && (i < COLUMNS_LEAST || line.p); i++) {
		MUST(line.p != NULL);
		c[i] = str_cut(&line, '\t');
	}
	MUST(line.p == NULL);
	r->prefix = c[0];
	r->display_name = c[1];
	r->base = c[2];
	r->key_env = c[3];
	r->base_env = c[4];
	r->auth = c[5];
	r->dialect = c[6];
	r->endpoints = c[7];
	r->verified = c[8];
	r->notes = c[9];
	r->base_suffix = c[12];
	r->paths = c[13];
	r->rerank_base = c[14];
	r->auth_kind = (enum provider_auth)find_word(auths, COUNT(auths), c[5], AUTH_NONE);
	r->served = read_family(r, c[10]);
	r->needs_key = str_eq(c[11], STR("needed"));
}

const struct provider_row *providers_all(size_t *ret_n)
{
	if (n_rows == 0) {
		struct str text = embed_providers();
		str_cut(&text, '\n');
		while (text.n > 0) {
			MUST(n_rows < ROWS_MAX);
			read_row(&rows[n_rows++], str_cut(&text, '\n'));
		}
	}
	*ret_n = n_rows;
	return rows;
}

const struct provider_row *providers_find(struct str prefix)
{
	size_t n;
	const struct provider_row *all = providers_all(&n);

	for (size_t i = 0; i < n; i++)
		if (str_eq(all[i].prefix, prefix))
			return &all[i];
	return NULL;
}

bool providers_serve(const struct provider_row *row, struct str endpoint)
{
	struct str list = row->endpoints;

	while (list.n > 0)
		if (str_eq(str_cut(&list, ','), endpoint))
			return true;
	return false;
}

/* "provider/model": the longest prefix that is a row, so that "azure_ai/agents/x" is not taken
 * for azure_ai. */
static const struct provider_row *by_prefix(struct str model, struct str *ret_model)
{
	size_t n;
	const struct provider_row *all = providers_all(&n), *best = NULL;

	for (size_t i = 0; i < n; i++) {
		struct str p = all[i].prefix;
		if (model.n <= p.n + 1 || model.p[p.n] != '/' || !str_starts(model, p))
			continue;
		if (!best || p.n > best->prefix.n)
			best = &all[i];
	}
	if (best)
		*ret_model = str_skip(model, best->prefix.n + 1);
	return best;
}

/* "https://host:1/path" gives "host:1"; empty when there is no scheme. */
static struct str host_of(struct str url)
{
	size_t at = str_find(url, STR("://"));

	if (at == SIZE_MAX)
		return STR_NONE;
	url = str_skip(url, at + 3);
	return str_cut(&url, '/');
}

/* A known host in api_base names the provider; the first row with that host counts. */
static const struct provider_row *by_host(struct str api_base)
{
	struct str host = host_of(api_base);
	size_t n;
	const struct provider_row *all = providers_all(&n);

	if (host.n == 0 || str_starts(host, STR("localhost")) || str_starts(host, STR("127.")))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (str_eq_nocase(host_of(all[i].base), host))
			return &all[i];
	return NULL;
}

/* Names that need no prefix. What stands here is tried from top to bottom, when the price table
 * does not know the name itself. */
static const struct {
	const char *pattern, *prefix;
} known_models[] = {
	{ "gpt-3.5-turbo-instruct*", "text-completion-openai" },
	{ "davinci-002", "text-completion-openai" },
	{ "babbage-002", "text-completion-openai" },
	{ "gpt-*", "openai" },
	{ "chatgpt-*", "openai" },
	{ "o1", "openai" },
	{ "o1-*", "openai" },
	{ "o3", "openai" },
	{ "o3-*", "openai" },
	{ "o4-*", "openai" },
	{ "ft:gpt-*", "openai" },
	{ "ft:o4-*", "openai" },
	{ "text-embedding-3-*", "openai" },
	{ "text-embedding-ada-*", "openai" },
	{ "text-moderation-*", "openai" },
	{ "omni-moderation-*", "openai" },
	{ "dall-e-*", "openai" },
	{ "whisper-*", "openai" },
	{ "tts-*", "openai" },
	{ "computer-use-preview*", "openai" },
	{ "codex-mini-*", "openai" },
	{ "sora-*", "openai" },
	{ "claude-*", "anthropic" },
	{ "gemini-*", "vertex_ai" },
	{ "gemma-*", "vertex_ai" },
	{ "chat-bison*", "vertex_ai" },
	{ "text-bison*", "vertex_ai" },
	{ "text-embedding-0*", "vertex_ai" },
	{ "textembedding-gecko*", "vertex_ai" },
	{ "imagen-*", "vertex_ai" },
	{ "code-bison*", "vertex_ai" },
	{ "codechat-bison*", "vertex_ai" },
	{ "code-gecko*", "vertex_ai" },
	{ "text-unicorn*", "vertex_ai" },
	{ "medlm-*", "vertex_ai" },
	{ "multimodalembedding*", "vertex_ai" },
	{ "text-multilingual-embedding-*", "vertex_ai" },
	{ "text-embedding-large-exp*", "vertex_ai" },
	{ "text-embedding-preview-*", "vertex_ai" },
	{ "deep-research-pro-*", "vertex_ai" },
	{ "command*", "cohere_chat" },
	{ "embed-english-*", "cohere" },
	{ "embed-multilingual-*", "cohere" },
	{ "embed-v4*", "cohere" },
	{ "rerank-*", "cohere" },
	{ "mistral-*", "mistral" },
	{ "magistral-*", "mistral" },
	{ "ministral-*", "mistral" },
	{ "devstral-*", "mistral" },
	{ "pixtral-*", "mistral" },
	{ "open-mistral-*", "mistral" },
	{ "open-mixtral-*", "mistral" },
	{ "codestral-*", "mistral" },
	{ "deepseek-chat", "deepseek" },
	{ "deepseek-reasoner", "deepseek" },
	{ "deepseek-*", "deepseek" },
	{ "grok-*", "xai" },
	{ "sonar*", "perplexity" },
	{ "jamba-*", "ai21_chat" },
	{ "voyage-*", "voyage" },
	{ "jina-*", "jina_ai" },
	{ "moonshot-*", "moonshot" },
	{ "kimi-*", "moonshot" },
	{ "glm-*", "zai" },
	{ "qwen-*", "dashscope" },
	{ "luminous-*", "aleph_alpha" },
	{ "anthropic.*", "bedrock" },
	{ "amazon.*", "bedrock" },
	{ "meta.llama*", "bedrock" },
	{ "cohere.*", "bedrock" },
	{ "mistral.*", "bedrock" },
	{ "ai21.*", "bedrock" },
	{ "deepseek.*", "bedrock" },
	{ "stability.*", "bedrock" },
	{ "twelvelabs.*", "bedrock" },
	{ "writer.*", "bedrock" },
	{ "us.*", "bedrock" },
	{ "au.*", "bedrock" },
	{ "jp.*", "bedrock" },
	{ "eu.*", "bedrock" },
	{ "apac.*", "bedrock" },
	{ "au.*", "bedrock" },
	{ "ca.*", "bedrock" },
	{ "jp.*", "bedrock" },
	{ "us-gov.*", "bedrock" },
	{ "global.*", "bedrock" },
};

/* The price map splits some providers by maker or by kind of price. */
static const struct provider_row *by_price(struct str model)
{
	struct price_row price;

	if (!prices_find(STR_NONE, model, &price) || !str_eq(price.model, model))
		return NULL;
	if (str_starts(price.provider, STR("vertex_ai-")))
		return providers_find(STR("vertex_ai"));
	if (str_eq(price.provider, STR("bedrock_converse")))
		return providers_find(STR("bedrock"));
	return providers_find(price.provider);
}

static const struct provider_row *by_name(struct str model)
{
	/* The map has it as Azure's alone, where nothing is found without a prefix. */
	const struct provider_row *row = str_starts(model, STR("computer-use-preview"))
						 ? NULL
						 : by_price(model);

	for (size_t i = 0; !row && i < COUNT(known_models); i++)
		if (str_matches(str_z(known_models[i].pattern), model))
			row = providers_find(str_z(known_models[i].prefix));
	return row;
}

const struct provider_row *providers_detect(struct str custom, struct str model,
					    struct str api_base, struct str *ret_model)
{
	const struct provider_row *row;

	*ret_model = model;
	if (custom.n > 0) {
		if (model.n > custom.n && model.p[custom.n] == '/' && str_starts(model, custom))
			*ret_model = str_skip(model, custom.n + 1);
		return providers_find(custom);
	}
	row = by_prefix(model, ret_model);
	if (!row)
		row = by_host(api_base);
	if (!row)
		row = by_name(model);
	/* Anything under a base of one's own speaks OpenAI, and so does "*" alone. */
	if (!row && (api_base.n > 0 || str_eq(model, STR("*"))))
		row = providers_find(STR("openai"));
	return row;
}
