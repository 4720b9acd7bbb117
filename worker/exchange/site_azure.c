/* SPDX-License-Identifier: MIT
 * site_azure.c - OpenAI's format on Azure: deployments in the path, the version of the API in the
 * query. And Azure AI Foundry, where only the version is added.
 *
 * The master has cut the base to the resource's root. With api_version "v1", "preview" or "latest"
 * the paths are OpenAI's own below /openai/v1, and the deployment stands in the body. */
#include <errno.h>

#include "worker/exchange/site.h"
#include "worker/openai.h"

static const struct azure_op {
	enum provider_family family;
	enum llm_kind kind;
	bool is_of_deployment;
	struct str op;
} ops[] = {
	{ FAMILY_OPENAI, LLM_CHAT, true, STR("/chat/completions") },
	{ FAMILY_OPENAI, LLM_TEXT, true, STR("/completions") },
	{ FAMILY_OPENAI, LLM_EMBED, true, STR("/embeddings") },
	{ FAMILY_RESPONSES, LLM_CHAT, false, STR("/responses") },
};

/* What a deployment's name may have before it, for parameters: the name itself is free. */
static const struct str series[] = { STR("o_series/"), STR("gpt5_series/") };

static struct str bare_name(struct str model)
{
	for (size_t i = 0; i < COUNT(series); i++)
		if (str_starts(model, series[i]))
			return str_skip(model, series[i].n);
	return model;
}

static bool is_v1(struct str version)
{
	return str_eq(version, STR("v1")) || str_eq(version, STR("preview")) ||
	       str_eq(version, STR("latest"));
}

static void put_version(struct str version, struct buf *out)
{
	if (!version.n)
		return;
	BUF_PUT_LIT(out, "?api-version=");
	buf_put_escaped(out, version);
}

static void put_path(const struct provider_target *t, struct str op, bool is_of_deployment,
		     struct buf *out)
{
	if (is_v1(t->api_version)) {
		BUF_PUT_LIT(out, "/openai/v1");
		buf_put(out, op);
		put_version(str_eq(t->api_version, STR("preview")) ? t->api_version : STR_NONE, out);
		return;
	}
	BUF_PUT_LIT(out, "/openai");
	if (is_of_deployment) {
		BUF_PUT_LIT(out, "/deployments/");
		site_put_name(bare_name(t->model), out);
	}
	buf_put(out, op);
	put_version(t->api_version, out);
}

/* --- parameters --- */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Whether the name has this part, and no letter or digit before or behind it. */
static bool has_part(struct str name, const char *part)
{
	struct str rest = name, p = str_z(part);
	for (size_t at; (at = str_find(rest, p)) != SIZE_MAX; rest = str_skip(rest, at + 1)) {
		const char *from = rest.p + at, *end = from + p.n;
		if ((from == name.p || !is_word(from[-1])) &&
		    (end == name.p + name.n || !is_word(*end)))
			return true;
	}
	return false;
}

/* Models that refuse max_tokens. */
static bool reasons(struct str model)
{
	static const char *const parts[] = { "o1", "o3", "o4", "gpt-5" };
	bool does = bare_name(model).p != model.p;
	for (size_t i = 0; i < COUNT(parts); i++)
		does = does || has_part(model, parts[i]);
	return does;
}

/* The limit under the name that reasoning models know. */
static int rename_limit(struct arena *a, struct buf *body)
{
	static const char *const without[] = { "max_tokens", NULL };
	struct json_error error;
	const struct json *root = json_parse(a, buf_str(body), 0, &error);
	const struct json *limit = json_get(root, "max_tokens");
	if (!limit)
		return 0;
	struct site_edit e = { .without = without, .unless = STR("max_completion_tokens") };
	e.added = arena_printf(a, "\"max_completion_tokens\":" STR_FMT, STR_ARG(limit->raw));
	return e.added.p ? site_edit_body(a, body, &e) : -ENOMEM;
}

/* v1 has the deployment's name in the body. */
static int rename_model(struct arena *a, struct str model, struct buf *body)
{
	static const char *const without[] = { "model", NULL };
	struct str name = openai_quote(a, bare_name(model));
	struct site_edit e = { .without = without };
	e.added = name.p ? arena_printf(a, "\"model\":" STR_FMT, STR_ARG(name)) : STR_NONE;
	return e.added.p ? site_edit_body(a, body, &e) : -ENOMEM;
}

static const struct azure_op *op_of(enum provider_family family, enum llm_kind kind)
{
	for (size_t i = 0; i < COUNT(ops); i++)
		if (ops[i].family == family && ops[i].kind == kind)
			return &ops[i];
	return NULL;
}

static int wrap_azure(struct arena *a, enum provider_family family, const struct llm_request *q,
		      const struct provider_target *t, struct provider_call *call,
		      struct llm_error *reterr)
{
	const struct azure_op *op = op_of(family, q->kind);
	int err = 0;
	if (!op) {
		*reterr = (struct llm_error){ .outcome = OUTCOME_BAD_REQUEST,
					      .message = STR("Azure does not serve this") };
		return -EINVAL;
	}
	buf_reset(&call->path);
	put_path(t, op->op, op->is_of_deployment, &call->path);
	if (q->kind == LLM_CHAT && reasons(t->model) &&
	    str_find(buf_str(&call->body), STR("\"max_tokens\"")) != SIZE_MAX)
		err = rename_limit(a, &call->body);
	if (!err && is_v1(t->api_version) && bare_name(t->model).p != t->model.p)
		err = rename_model(a, t->model, &call->body);
	return err;
}

const struct site site_azure = { .name = "azure", .site = SITE_AZURE, .wrap = wrap_azure };

/* --- Azure AI Foundry --- */

static int wrap_foundry(struct arena *a, enum provider_family family, const struct llm_request *q,
			const struct provider_target *t, struct provider_call *call,
			struct llm_error *reterr)
{
	(void)a;
	(void)family;
	(void)q;
	(void)reterr;
	put_version(t->api_version, &call->path);
	return 0;
}

const struct site site_foundry = { .name = "foundry", .site = SITE_FOUNDRY, .wrap = wrap_foundry };
