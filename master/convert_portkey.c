/* SPDX-License-Identifier: MIT
 * convert_portkey.c - a Portkey config: strategy, targets, retry, cache.
 *
 * It is about one question, and so it becomes one group: targets that are balanced are
 * deployments with weights, those to fall back to are deployments of a higher `order`. Where no
 * target names a model, the caller does, and the group is called '*'. */
#include <stdio.h>

#include "master/config.h"
#include "master/convert.h"

#define NOT_HERE "has no equal here"

enum { DEPTH_MAX = 16 };

static const struct {
	const char *name, *prefix;	/* theirs and ours, where they differ */
} providers[] = {
	{ "azure-openai", "azure" },	   { "azure-ai", "azure_ai" },
	{ "together-ai", "together_ai" },  { "google", "gemini" },
	{ "vertex-ai", "vertex_ai" },	   { "perplexity-ai", "perplexity" },
	{ "mistral-ai", "mistral" },	   { "fireworks-ai", "fireworks_ai" },
	{ "x-ai", "xai" },		   { "jina", "jina_ai" },
	{ "novita-ai", "novita" },	   { "workers-ai", "cloudflare" },
	{ "zhipu", "zai" },		   { "z-ai", "zai" },
	{ "ollama", "ollama_chat" },	   { "lambda", "lambda_ai" },
	{ "featherless-ai", "featherless_ai" },
};

/* What a target takes over from the one it stands in. */
struct level {
	double weight;			/* 0: it has none */
	unsigned order;			/* 0: it has none */
	struct str where;
	unsigned depth;
};

struct source {
	struct convert *c;
	struct str name;		/* of the group */
	double attempts;		/* most retries that are asked for */
	unsigned orders;		/* highest order that was given away */
	bool names_no_model;
};

static struct str join(struct source *s, struct str where, const char *member)
{
	struct str made = where.n ? arena_printf(s->c->mem, STR_FMT ".%s", STR_ARG(where), member)
				  : str_z(member);
	s->c->failed |= !made.p;
	return made;
}

static struct str text_of(struct source *s, const struct json *target, const char *member)
{
	return json_get_str(s->c->mem, target, member);
}

/* ---- one deployment ---- */

static struct str secret_of(struct source *s, const struct json *target, struct str where,
			    const char *member, struct str provider, const char *behind)
{
	struct str v = text_of(s, target, member);
	return v.n ? convert_secret(s->c, join(s, where, member),
				    convert_upper(s->c, provider, behind), v) : v;
}

static void put_azure(struct source *s, const struct json *t)
{
	struct str resource = text_of(s, t, "resource_name");
	if (resource.n)
		convert_param(s->c, "api_base",
			      arena_printf(s->c->mem, "https://" STR_FMT ".openai.azure.com",
					   STR_ARG(resource)));
	convert_param(s->c, "api_version", text_of(s, t, "api_version"));
	convert_param(s->c, "tenant_id", text_of(s, t, "azure_entra_tenant_id"));
	convert_param(s->c, "client_id", text_of(s, t, "azure_entra_client_id"));
}

static void put_clouds(struct source *s, const struct json *t, struct str where)
{
	struct convert *c = s->c;
	convert_param(c, "aws_access_key_id", secret_of(s, t, where, "aws_access_key_id",
							STR("AWS"), "_ACCESS_KEY_ID"));
	convert_param(c, "aws_secret_access_key", secret_of(s, t, where, "aws_secret_access_key",
							    STR("AWS"), "_SECRET_ACCESS_KEY"));
	convert_param(c, "aws_session_token", secret_of(s, t, where, "aws_session_token",
							STR("AWS"), "_SESSION_TOKEN"));
	convert_param(c, "aws_region_name", text_of(s, t, "aws_region"));
	convert_param(c, "vertex_project", text_of(s, t, "vertex_project_id"));
	convert_param(c, "vertex_location", text_of(s, t, "vertex_region"));
	convert_param(c, "organization", text_of(s, t, "openai_organization"));
	convert_param(c, "client_secret", secret_of(s, t, where, "azure_entra_client_secret",
						    STR("AZURE"), "_CLIENT_SECRET"));
	const struct json *account = json_get(t, "vertex_service_account_json");
	if (json_is(account, JSON_OBJECT))
		convert_param(c, "vertex_credentials",
			      convert_secret(c, join(s, where, "vertex_service_account_json"),
					     STR("VERTEX_CREDENTIALS"), account->raw));
}

/* Parameters of theirs go over the request's; ours stand where it has none. */
static void put_overrides(struct source *s, const struct json *t, struct str where)
{
	const struct json *o = json_get(t, "override_params");
	bool any = false;
	for (const struct json *j = json_is(o, JSON_OBJECT) ? o->child : NULL; j; j = j->next) {
		char *name = arena_dup_z(s->c->mem, j->key);
		bool simple = name && j->key.n < 60 &&
			      strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == j->key.n;
		if (str_eq_z(j->key, "model") || !simple)
			continue;
		convert_param_json(s->c, name, j);
		any = true;
	}
	if (any)
		convert_note(s->c, join(s, where, "override_params"),
			     "hold here where a request says nothing itself");
}

static void put_key(struct source *s, const struct json *t, struct str where, struct str provider)
{
	struct str kept = text_of(s, t, "virtual_key");
	struct str key = secret_of(s, t, where, "api_key", provider, "_API_KEY");
	if (!key.n && kept.n) {
		struct str name = convert_upper(s->c, kept, "_API_KEY");
		convert_note(s->c, join(s, where, "virtual_key"),
			     "the key itself is kept by Portkey: set the variable " STR_FMT,
			     STR_ARG(name));
		key = convert_variable(s->c, name);
	}
	convert_param(s->c, "api_key", key);
}

static void put_params(struct source *s, const struct json *t, const struct level *l,
		       struct str provider)
{
	struct convert *c = s->c;
	double ms;
	put_key(s, t, l->where, provider);
	put_azure(s, t);
	convert_param(c, "api_base", text_of(s, t, "custom_host"));
	put_clouds(s, t, l->where);
	if (l->weight > 0)
		convert_param_number(c, "weight", l->weight);
	if (l->order)
		convert_param_number(c, "order", l->order);
	if (json_read_double(json_get(t, "request_timeout"), &ms) == 0 && ms > 0)
		convert_param_number(c, "timeout", ms / 1000);
	put_overrides(s, t, l->where);
}

/* Its prefix here; .n 0: it is not served, which has been noted. */
static struct str prefix_of(struct source *s, const struct json *t, const struct level *l,
			    struct str provider)
{
	struct str prefix = provider;
	for (size_t i = 0; i < COUNT(providers); i++)
		if (str_eq_z(provider, providers[i].name))
			prefix = str_z(providers[i].prefix);
	const struct provider_row *row = providers_find(prefix);
	if (row && row->served)
		return prefix;
	if (text_of(s, t, "custom_host").n) {
		convert_note(s->c, join(s, l->where, "provider"),
			     "is not known here: taken for one that speaks as OpenAI does");
		return STR("openai_like");
	}
	convert_note(s->c, join(s, l->where, "provider"),
		     "this provider is not served here: the target is left out");
	return STR("");
}

static void put_target(struct source *s, const struct json *t, const struct level *l)
{
	struct arena *a = s->c->mem;
	struct str provider = text_of(s, t, "provider");
	struct str model = text_of(s, json_get(t, "override_params"), "model");
	struct str deployed = text_of(s, t, "deployment_id");
	if (!provider.n && text_of(s, t, "virtual_key").n) {
		convert_note(s->c, l->where, "only Portkey knows which provider its virtual key "
			     "is for: taken for openai");
		provider = STR("openai");
	}
	if (str_starts(provider, STR("@"))) {
		convert_note(s->c, join(s, l->where, "provider"), "only Portkey knows which "
			     "provider that is: taken for openai");
		provider = STR("openai");
	}
	if (!provider.n) {
		convert_note(s->c, l->where, "has no provider, and is left out");
		return;
	}
	struct str prefix = prefix_of(s, t, l, provider);
	if (!prefix.n)
		return;
	if (deployed.n)
		model = deployed;
	s->names_no_model |= !model.n;
	struct str full = arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(prefix),
				       STR_ARG(model.n ? model : STR("*")));
	if (!full.p)
		s->c->failed = true;
	else if (convert_model_begin(s->c, model.n ? s->name : STR("*"), full))
		put_params(s, t, l, provider);
}

/* ---- strategies ---- */

static void take(struct source *s, const struct json *t, const struct level *l);

static void take_targets(struct source *s, const struct json *list, const struct level *l,
			 struct str mode)
{
	unsigned n = 0;
	bool falls = str_eq_z(mode, "fallback"), balances = str_eq_z(mode, "loadbalance");
	for (const struct json *t = list->child; t; t = t->next, n++) {
		struct level in = { .weight = l->weight, .order = l->order, .depth = l->depth + 1 };
		double w;
		in.where = arena_printf(s->c->mem, "%.*s%stargets[%u]", STR_ARG(l->where),
					l->where.n ? "." : "", n);
		s->c->failed |= !in.where.p;
		if (balances) {
			w = json_read_double(json_get(t, "weight"), &w) == 0 && w >= 0 ? w : 1;
			in.weight = (l->weight > 0 ? l->weight : 1) * w;
			if (w <= 0) {
				convert_note(s->c, in.where, "has no weight, and is left out");
				continue;
			}
		} else if (falls) {
			in.order = ++s->orders;
		} else if (n > 0) {
			convert_note(s->c, in.where, "is left out: the first target is taken");
			continue;
		}
		take(s, t, &in);
	}
}

static void take_strategy(struct source *s, const struct json *t, const struct level *l)
{
	const struct json *strategy = json_get(t, "strategy"), *list = json_get(t, "targets");
	struct str mode = text_of(s, strategy, "mode");
	if (str_eq_z(mode, "conditional"))
		convert_note(s->c, join(s, l->where, "strategy.conditions"),
			     "are not looked at here: tags and routing_groups choose, see "
			     "llmgw.yaml(5)");
	if (str_eq_z(mode, "fallback") && l->weight > 0)
		convert_note(s->c, join(s, l->where, "strategy"), "falls back within a share of "
			     "the traffic there; here all of the group comes first");
	if (json_get(strategy, "on_status_codes"))
		convert_note(s->c, join(s, l->where, "strategy.on_status_codes"),
			     "here refused credentials, limits, timeouts and faults of a provider "
			     "lead to the next");
	take_targets(s, list, l, mode);
}

static void take_cache(struct source *s, const struct json *cache, struct str where)
{
	struct str mode = json_is(cache, JSON_STRING) ? json_str(s->c->mem, cache)
						      : text_of(s, cache, "mode");
	double age;
	char line[64];
	if (!mode.n)
		return;
	if (str_eq_z(mode, "semantic"))
		convert_note(s->c, join(s, where, "cache.mode"),
			     "answers to the same question are kept here, not to one alike");
	if (s->c->settings[CONVERT_LITELLM_SETTINGS].n)
		return;				/* of another target */
	convert_set(s->c, CONVERT_LITELLM_SETTINGS, "cache: true");
	convert_set(s->c, CONVERT_LITELLM_SETTINGS, "cache_params:");
	convert_set(s->c, CONVERT_LITELLM_SETTINGS, "  type: local");
	if (json_read_double(json_get(cache, "max_age"), &age) == 0 && age >= 1 && age <= 3e8) {
		snprintf(line, sizeof line, "  ttl: %.0f", age);
		convert_set(s->c, CONVERT_LITELLM_SETTINGS, line);
	}
	if (where.n)
		convert_note(s->c, join(s, where, "cache"), "is for all models here");
}

static void take_retry(struct source *s, const struct json *retry, struct str where)
{
	double n;
	if (json_read_double(json_get(retry, "attempts"), &n) == 0 && n > s->attempts && n <= 100)
		s->attempts = n;
	if (json_get(retry, "on_status_codes"))
		convert_note(s->c, join(s, where, "retry.on_status_codes"),
			     "router_settings.retry_policy says which errors are retried");
}

static void take(struct source *s, const struct json *t, const struct level *l)
{
	static const char *const known[] = {
		"strategy", "targets", "provider", "api_key", "virtual_key", "weight", "retry",
		"cache", "override_params", "custom_host", "request_timeout", "resource_name",
		"deployment_id", "api_version", "aws_access_key_id", "aws_secret_access_key",
		"aws_session_token", "aws_region", "vertex_project_id", "vertex_region",
		"vertex_service_account_json", "openai_organization", "name", "azure_auth_mode",
		"azure_entra_tenant_id", "azure_entra_client_id", "azure_entra_client_secret",
		"strict_open_ai_compliance", "input_guardrails", "output_guardrails",
		"before_request_hooks", "after_request_hooks", NULL,
	};
	static const char *const checks[] = { "input_guardrails", "output_guardrails",
					      "before_request_hooks", "after_request_hooks" };
	if (!json_is(t, JSON_OBJECT) || l->depth > DEPTH_MAX) {
		convert_note(s->c, l->where, "is no target");
		return;
	}
	for (size_t i = 0; i < COUNT(checks); i++)
		if (json_get(t, checks[i]))
			convert_note(s->c, join(s, l->where, checks[i]),
				     "requests and answers are NOT checked");
	take_retry(s, json_get(t, "retry"), l->where);
	take_cache(s, json_get(t, "cache"), l->where);
	convert_note_others(s->c, l->where, t, known, NOT_HERE);
	if (json_is(json_get(t, "targets"), JSON_ARRAY))
		take_strategy(s, t, l);
	else if (l->depth || json_get(t, "provider") || json_get(t, "virtual_key"))
		put_target(s, t, l);
	else
		convert_note(s->c, STR("provider"), "stands in the requests' headers there: add "
			     "models to model_list");
}

void convert_portkey(struct convert *c, const struct json *root)
{
	struct source s = { .c = c, .name = c->model.n ? c->model : STR("default") };
	const struct level top = { .where = STR("") };
	char line[64];
	take(&s, root, &top);
	if (s.orders > 1 && s.attempts < s.orders - 1)
		s.attempts = s.orders - 1;
	if (s.attempts > 0) {
		snprintf(line, sizeof line, "num_retries: %.0f", s.attempts);
		convert_set(c, CONVERT_ROUTER, line);
	}
	if (s.names_no_model)
		convert_note(c, STR("model"), "a request's own goes to the provider as it is: "
			     "see model_name '*'");
	else if (c->n_models && !c->model.n)
		convert_note(c, STR("model_name"), "clients ask for 'default' now; --model gives "
			     "it another name");
	convert_note(c, STR("x-portkey-api-key"), "clients come with a key of llmgw: llmgwctl keys "
		     "create");
	convert_set(c, CONVERT_GENERAL, "master_key: os.environ/LLMGW_MASTER_KEY");
}
