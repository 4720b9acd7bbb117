/* SPDX-License-Identifier: MIT
 * convert_bifrost.c - Bifrost's config.json: providers with their keys become deployments.
 *
 * Its clients ask for provider/model, so that is what the groups are called; each key of a
 * provider is a deployment of each model it is for, with the key's weight. */
#include <stdio.h>

#include "common/json_write.h"
#include "master/config.h"
#include "master/convert.h"

#define NOT_HERE "has no equal here"

static const struct {
	const char *name, *prefix;	/* theirs and ours, where they differ */
} providers[] = {
	{ "vertex", "vertex_ai" },  { "ollama", "ollama_chat" },    { "sgl", "hosted_vllm" },
	{ "vllm", "hosted_vllm" },  { "fireworks", "fireworks_ai" },
};

struct source {
	struct convert *c;
	struct str name, prefix;		/* of the provider */
	const struct json *provider, *network, *key;
	const struct provider_row *row;
	struct str where;			/* providers.azure.keys[0] */
	bool empty_is_all;			/* an empty list of models, as in version 1 */
};

static struct str at(struct source *s, const char *member)
{
	struct str made = arena_printf(s->c->mem, STR_FMT ".%s", STR_ARG(s->where), member);
	s->c->failed |= !made.p;
	return made;
}

/* "env.NAME", or {"env_var": "NAME"}, or {"ref": "NAME", "type": "env"}; else .p NULL. */
static struct str variable_of(struct convert *c, const struct json *j)
{
	struct str s = json_str(c->mem, j);
	if (str_starts(s, STR("env.")))
		return str_skip(s, 4);
	s = json_get_str(c->mem, j, "env_var");
	if (s.n)
		return str_starts(s, STR("env.")) ? str_skip(s, 4) : s;
	return str_eq_z(json_get_str(c->mem, j, "type"), "env") ? json_get_str(c->mem, j, "ref")
								: STR_NONE;
}

/* A member of an object as it is to be written; .n 0: it is not there. `like` names the variable
 * of a secret that stands there itself; NULL: it is no secret. */
static struct str value_of(struct source *s, const struct json *object, const char *member,
			   const char *like)
{
	const struct json *j = json_get(object, member);
	struct convert *c = s->c;
	if (!json_is_given(j))
		return STR_NONE;
	struct str name = variable_of(c, j), where = at(s, member);
	if (name.n)
		return convert_variable(c, name);
	struct str text = json_str(c->mem, j);
	if (!text.p)
		text = json_get_str(c->mem, j, "value");
	bool in_vault = str_starts(text, STR("vault.")) ||
			str_eq_z(json_get_str(c->mem, j, "type"), "vault");
	if (in_vault) {
		struct str made = convert_upper(c, s->name, like ? like : "_VALUE");
		convert_note(c, where, "comes from a vault: set the variable " STR_FMT,
			     STR_ARG(made));
		return convert_variable(c, made);
	}
	return like ? convert_secret(c, where, convert_upper(c, s->name, like), text) : text;
}

static void put(struct source *s, const char *param, const struct json *object,
		const char *member, const char *like)
{
	convert_param(s->c, param, value_of(s, object, member, like));
}

/* Their base goes before /v1; in ours it has it where the provider's own has. */
static struct str base_of(struct source *s, struct str base)
{
	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	bool has = str_ends(base, STR("/v1")) || str_starts(base, STR("os.environ/"));
	bool wants = !s->row || !s->row->base.n || str_ends(s->row->base, STR("/v1"));
	if (str_starts(base, STR("os.environ/")) && wants)
		convert_note(s->c, at(s, "base_url"), "the variable has to hold a base with /v1");
	if (str_ends(base, STR("/v1beta")))
		base.n -= strlen("/v1beta");
	return has || !wants || !base.n ? base
					: arena_printf(s->c->mem, STR_FMT "/v1", STR_ARG(base));
}

/* ---- what all deployments of a key have ---- */

static void put_azure(struct source *s)
{
	static const char *const known[] = { "endpoint", "api_version", "client_id",
					     "client_secret", "tenant_id", "deployments", NULL };
	const struct json *k = json_get(s->key, "azure_key_config");
	put(s, "api_base", k, "endpoint", NULL);
	put(s, "api_version", k, "api_version", NULL);
	put(s, "client_id", k, "client_id", NULL);
	put(s, "client_secret", k, "client_secret", "_CLIENT_SECRET");
	put(s, "tenant_id", k, "tenant_id", NULL);
	convert_note_others(s->c, at(s, "azure_key_config"), k, known, NOT_HERE);
}

static void put_vertex(struct source *s)
{
	static const char *const known[] = { "project_id", "region", "auth_credentials",
					     "deployments", "project_number", NULL };
	const struct json *k = json_get(s->key, "vertex_key_config");
	put(s, "vertex_project", k, "project_id", NULL);
	put(s, "vertex_location", k, "region", NULL);
	put(s, "vertex_credentials", k, "auth_credentials", "_CREDENTIALS");
	convert_note_others(s->c, at(s, "vertex_key_config"), k, known, NOT_HERE);
}

static void put_bedrock(struct source *s, const char *config)
{
	static const char *const known[] = { "access_key", "secret_key", "session_token", "region",
					     "deployments", NULL };
	const struct json *k = json_get(s->key, config);
	put(s, "aws_access_key_id", k, "access_key", "_ACCESS_KEY_ID");
	put(s, "aws_secret_access_key", k, "secret_key", "_SECRET_ACCESS_KEY");
	put(s, "aws_session_token", k, "session_token", "_SESSION_TOKEN");
	put(s, "aws_region_name", k, "region", NULL);
	convert_note_others(s->c, at(s, config), k, known, NOT_HERE);
}

/* Servers of one's own are named by key. */
static struct str own_base(struct source *s)
{
	static const char *const configs[] = { "vllm_key_config", "ollama_key_config",
					       "sgl_key_config" };
	for (size_t i = 0; i < COUNT(configs); i++) {
		struct str url = value_of(s, json_get(s->key, configs[i]), "url", NULL);
		if (url.n)
			return url;
	}
	return value_of(s, s->network, "base_url", NULL);
}

static void put_headers(struct source *s)
{
	static const char *const secret[] = { "auth", "key", "token", "secret", "cookie" };
	const struct json *headers = json_get(s->network, "extra_headers");
	struct buf line;
	if (!json_is(headers, JSON_OBJECT) || !headers->count)
		return;
	buf_init(&line, 64 * 1024);
	struct json_out o = json_out(&line);
	json_open(&o, NULL);
	for (const struct json *j = headers->child; j; j = j->next) {
		char *name = arena_dup_z(s->c->mem, j->key);
		bool hide = false;
		struct str upper = convert_upper(s->c, j->key, "");
		for (size_t i = 0; i < COUNT(secret); i++)
			hide |= str_find(upper, convert_upper(s->c, str_z(secret[i]), "")) <
				upper.n;
		struct str like = arena_printf(s->c->mem, "_" STR_FMT, STR_ARG(upper));
		if (name && like.p)
			json_put_str(&o, name, value_of(s, headers, name, hide ? like.p : NULL));
	}
	json_close(&o);
	BUF_PUT_LIT(&s->c->models, "      extra_headers: ");
	convert_put_json(&s->c->models, buf_str(&line));
	buf_put_char(&s->c->models, '\n');
	s->c->failed |= line.failed;
	buf_done(&line);
}

static void put_number(struct source *s, const char *param, const struct json *j)
{
	double v;
	if (json_is(j, JSON_NUMBER) && json_read_double(j, &v) == 0)
		convert_param_number(s->c, param, v);
}

static void put_params(struct source *s)
{
	struct str key = value_of(s, s->key, "value", "_API_KEY");
	const struct json *custom = json_get(s->provider, "custom_provider_config");
	convert_param(s->c, "api_key", key);
	if (json_is_true(json_get(custom, "is_key_less")) && !key.n)
		convert_param(s->c, "api_key", STR("none"));
	if (json_get(s->key, "azure_key_config"))
		put_azure(s);
	else
		convert_param(s->c, "api_base", base_of(s, own_base(s)));
	if (json_get(s->key, "vertex_key_config"))
		put_vertex(s);
	if (json_get(s->key, "bedrock_key_config"))
		put_bedrock(s, "bedrock_key_config");
	if (json_get(s->key, "bedrock_mantle_key_config"))
		put_bedrock(s, "bedrock_mantle_key_config");
	put_number(s, "weight", json_get(s->key, "weight"));
	put_number(s, "timeout", json_get(s->network, "default_request_timeout_in_seconds"));
	put_number(s, "num_retries", json_get(s->network, "max_retries"));
	put_headers(s);
}

/* ---- deployments ---- */

/* Names of models and what the provider calls them: a member of whichever section the key has. */
static const struct json *deployments_of(const struct source *s)
{
	static const char *const configs[] = {
		"azure_key_config", "bedrock_key_config", "bedrock_mantle_key_config",
		"vertex_key_config", "huggingface_key_config", "replicate_key_config",
	};
	const struct json *found = json_get(s->key, "aliases");
	for (size_t i = 0; i < COUNT(configs) && !json_is(found, JSON_OBJECT); i++)
		found = json_get(json_get(s->key, configs[i]), "deployments");
	return json_is(found, JSON_OBJECT) ? found : NULL;
}

static void put_model(struct source *s, struct str model)
{
	static const char *const publishers[] = { "google/", "anthropic/" };
	struct arena *a = s->c->mem;
	struct str upstream = model;
	for (const struct json *d = deployments_of(s) ? deployments_of(s)->child : NULL; d;
	     d = d->next)
		if (str_eq(d->key, model) && json_str(a, d).n)
			upstream = json_str(a, d);
	for (size_t i = 0; i < COUNT(publishers) && str_eq_z(s->prefix, "vertex_ai"); i++)
		if (str_starts(upstream, str_z(publishers[i])))
			upstream = str_skip(upstream, strlen(publishers[i]));
	struct str name = arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(s->name), STR_ARG(model));
	struct str full = arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(s->prefix),
				       STR_ARG(upstream));
	if (!name.p || !full.p)
		s->c->failed = true;
	else if (convert_model_begin(s->c, name, full))
		put_params(s);
}

static void put_all_models(struct source *s)
{
	const struct json *d = deployments_of(s);
	struct str one = value_of(s, json_get(s->key, "vllm_key_config"), "model_name", NULL);
	if (one.n)
		put_model(s, one);
	else if (d && d->count)
		for (d = d->child; d; d = d->next)
			put_model(s, d->key);
	else
		put_model(s, STR("*"));
	const struct json *black = json_get(s->key, "blacklisted_models");
	if (json_is(black, JSON_ARRAY) && black->count)
		convert_note(s->c, at(s, "blacklisted_models"),
			     "these models can be asked for: name the others in `models`");
}

static void take_key(struct source *s)
{
	static const char *const known[] = {
		"id", "name", "value", "models", "weight", "enabled", "aliases", "description",
		"azure_key_config", "vertex_key_config", "bedrock_key_config", "config_hash",
		"bedrock_mantle_key_config", "huggingface_key_config", "replicate_key_config",
		"vllm_key_config", "ollama_key_config", "sgl_key_config", "blacklisted_models",
		"use_for_batch_api", "status", NULL,
	};
	const struct json *models = json_get(s->key, "models");
	bool is_off = json_is(json_get(s->key, "enabled"), JSON_FALSE);
	if (is_off) {
		convert_note(s->c, s->where, "is switched off, and left out");
		return;
	}
	if (!json_is(models, JSON_ARRAY) || (!models->count && s->empty_is_all))
		put_all_models(s);
	else if (!models->count)
		convert_note(s->c, at(s, "models"), "is empty: as of version 2 such a key is for "
			     "no model, and it is left out");
	for (const struct json *j = json_is(models, JSON_ARRAY) ? models->child : NULL; j;
	     j = j->next) {
		struct str model = json_str(s->c->mem, j);
		if (str_eq_z(model, "*"))
			put_all_models(s);
		else if (model.n)
			put_model(s, model);
	}
	convert_note_others(s->c, s->where, s->key, known, NOT_HERE);
}

/* False: it has no equal here. */
static bool find_provider(struct source *s)
{
	const struct json *custom = json_get(s->provider, "custom_provider_config");
	struct str kind = json_get_str(s->c->mem, custom, "base_provider_type");
	s->prefix = kind.n ? kind : s->name;
	for (size_t i = 0; i < COUNT(providers); i++)
		if (str_eq_z(s->prefix, providers[i].name))
			s->prefix = str_z(providers[i].prefix);
	s->row = providers_find(s->prefix);
	if (s->row && s->row->served)
		return true;
	if (!json_get_str(s->c->mem, s->network, "base_url").n) {
		convert_note(s->c, s->where, "this provider is not served here");
		return false;
	}
	convert_note(s->c, s->where, "is not known here: taken for one that speaks as OpenAI does");
	s->prefix = STR("openai_like");
	s->row = providers_find(s->prefix);
	return true;
}

static void take_provider(struct convert *c, const struct json *provider, bool empty_is_all)
{
	static const char *const known[] = { "keys", "network_config", "custom_provider_config",
					     "send_back_raw_request", "send_back_raw_response",
					     "store_raw_request_response", "config_hash", NULL };
	static const char *const network[] = { "base_url", "extra_headers", "max_retries",
					       "default_request_timeout_in_seconds",
					       "retry_backoff_initial", "retry_backoff_max",
					       "allow_private_network", NULL };
	static const struct json none = { .raw = { "{}", 2 }, .type = JSON_OBJECT };
	struct source s = { .c = c, .name = provider->key, .provider = provider,
			    .network = json_get(provider, "network_config"), .key = &none,
			    .empty_is_all = empty_is_all };
	const struct json *keys = json_get(provider, "keys");
	struct str base = s.where = arena_printf(c->mem, "providers." STR_FMT,
						 STR_ARG(provider->key));
	unsigned n = 0;
	if (!base.p || !find_provider(&s))
		return;
	if (!json_is(keys, JSON_ARRAY) || !keys->count)
		put_all_models(&s);
	for (s.key = json_is(keys, JSON_ARRAY) ? keys->child : NULL; s.key; s.key = s.key->next) {
		s.where = arena_printf(c->mem, STR_FMT ".keys[%u]", STR_ARG(base), n++);
		if (s.where.p)
			take_key(&s);
	}
	convert_note_others(c, base, provider, known, NOT_HERE);
	s.where = arena_printf(c->mem, STR_FMT ".network_config", STR_ARG(base));
	convert_note_others(c, s.where, s.network, network, NOT_HERE);
}

/* ---- virtual keys: they live in the database here ---- */

static bool is_simple(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char l = s.p[i] | 32;
		if (!((l >= 'a' && l <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
		      strchr(" ._-/*", s.p[i])) || !s.p[i])
			return false;
	}
	return s.n > 0 && s.n < 200;
}

static void put_allowed(struct convert *c, struct buf *to, const struct json *key)
{
	const struct json *configs = json_get(key, "provider_configs");
	unsigned n = 0;
	for (const struct json *p = json_is(configs, JSON_ARRAY) ? configs->child : NULL; p;
	     p = p->next) {
		const struct json *models = json_get(p, "allowed_models");
		struct str provider = json_get_str(c->mem, p, "provider");
		for (const struct json *m = json_is(models, JSON_ARRAY) ? models->child : NULL; m;
		     m = m->next) {
			struct str model = json_str(c->mem, m);
			if (is_simple(provider) && is_simple(model))
				buf_printf(to, "%s" STR_FMT "/" STR_FMT, n++ ? "," : " --models '",
					   STR_ARG(provider), STR_ARG(model));
		}
	}
	buf_put_z(to, n ? "'" : "");
}

static void put_budget(struct convert *c, struct buf *to, const struct json *governance,
		       struct str id)
{
	const struct json *budgets = json_get(governance, "budgets");
	for (const struct json *b = json_is(budgets, JSON_ARRAY) ? budgets->child : NULL; b;
	     b = b->next) {
		struct str every = json_get_str(c->mem, b, "reset_duration");
		double most;
		if (!str_eq(json_get_str(c->mem, b, "virtual_key_id"), id) || !id.n ||
		    json_read_double(json_get(b, "max_limit"), &most) != 0)
			continue;
		buf_printf(to, " --max-budget %.9g", most);
		if (str_ends(every, STR("M")) && is_simple(every))
			buf_printf(to, " --budget-duration " STR_FMT "mo", (int)(every.n - 1),
				   every.p);
		else if (is_simple(every))
			buf_printf(to, " --budget-duration " STR_FMT, STR_ARG(every));
	}
}

static void take_virtual_keys(struct convert *c, const struct json *governance)
{
	const struct json *keys = json_get(governance, "virtual_keys");
	unsigned n = 0;
	for (const struct json *k = json_is(keys, JSON_ARRAY) ? keys->child : NULL; k;
	     k = k->next, n++) {
		struct str name = json_get_str(c->mem, k, "name");
		struct buf line;
		buf_init(&line, 64 * 1024);
		put_allowed(c, &line, k);
		put_budget(c, &line, governance, json_get_str(c->mem, k, "id"));
		struct str where = arena_printf(c->mem, "governance.virtual_keys[%u]", n);
		const char *rest = buf_z(&line);
		if (rest && line.n < 700)
			convert_note(c, where, "make it, once the gateway runs, by: llmgwctl keys "
				     "create --key-alias '" STR_FMT "'%s",
				     STR_ARG(is_simple(name) ? name : STR("NAME")), rest);
		else
			convert_note(c, where, "make it by llmgwctl keys create");
		buf_done(&line);
	}
}

/* ---- the rest ---- */

/* Our own section. A request needs room for more than its body. */
static void put_server(struct convert *c, const struct json *client)
{
	const struct json *origins = json_get(client, "allowed_origins");
	bool has_origins = json_is(origins, JSON_ARRAY) && origins->count;
	double megabytes = 0;
	int err = json_read_double(json_get(client, "max_request_body_size_mb"), &megabytes);
	bool has_size = !err && megabytes >= 1 && megabytes <= 512;
	buf_put_z(&c->rest, has_origins || has_size ? "\nserver:\n" : "");
	if (has_size)
		buf_printf(&c->rest, "  limits:\n    body: %.0fM\n    request-memory: %.0fM\n",
			   megabytes, 2 * megabytes + 32);
	if (!has_origins)
		return;
	BUF_PUT_LIT(&c->rest, "  cors:\n    origins: ");
	convert_put_json(&c->rest, origins->raw);
	buf_put_char(&c->rest, '\n');
}

static void take_client(struct convert *c, const struct json *client)
{
	static const char *const known[] = {
		"drop_excess_requests", "initial_pool_size", "enable_logging", "log_retention_days",
		"max_request_body_size_mb", "allowed_origins", "disable_content_logging",
		"enforce_governance_header", "enforce_auth_on_inference", "prometheus_labels",
		"dump_errors_in_console_logs", "disable_db_pings_in_health", NULL,
	};
	double v;
	char line[80];
	if (json_read_double(json_get(client, "log_retention_days"), &v) == 0 && v >= 1 &&
	    v <= 3600) {
		snprintf(line, sizeof line, "maximum_spend_logs_retention_period: %.0fd", v);
		convert_set(c, CONVERT_GENERAL, line);
	}
	put_server(c, client);
	if (json_is(json_get(client, "enforce_auth_on_inference"), JSON_FALSE) ||
	    !json_get(client, "enforce_auth_on_inference"))
		convert_note(c, STR("client"), "every request wants a key here");
	convert_note_others(c, STR("client"), client, known, NOT_HERE);
}

void convert_bifrost(struct convert *c, const struct json *root)
{
	static const char *const known[] = { "$schema", "providers", "client", "governance",
					     "config_store", "logs_store", "server", "version",
					     "source_of_truth", "env_label", "framework", NULL };
	static const char *const governance[] = { "virtual_keys", "budgets", "auth_config", NULL };
	const struct json *list = json_get(root, "providers");
	for (const struct json *p = json_is(list, JSON_OBJECT) ? list->child : NULL; p; p = p->next)
		take_provider(c, p, json_count(json_get(root, "version")) == 1);
	take_client(c, json_get(root, "client"));
	take_virtual_keys(c, json_get(root, "governance"));
	convert_note_others(c, STR("governance"), json_get(root, "governance"), governance,
			    "is made in the database here: llmgwctl teams, customers, budgets");
	if (json_get(root, "config_store") || json_get(root, "logs_store"))
		convert_note(c, STR("config_store, logs_store"),
			     "keys and spend are in llmgw's state directory");
	convert_note_others(c, STR(""), root, known, NOT_HERE);
	convert_set(c, CONVERT_GENERAL, "master_key: os.environ/LLMGW_MASTER_KEY");
}
