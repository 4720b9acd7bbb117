/* SPDX-License-Identifier: MIT
 * snapshot_make.c - a configuration as snapshot rows: deployments, groups, aliases, fallbacks,
 * settings. */
#include <errno.h>
#include <stdio.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/tokenizer.h"
#include "master/config_jwt.h"
#include "master/cost_split.h"
#include "master/gates.h"
#include "master/priorities.h"
#include "master/ledger.h"
#include "master/params.h"
#include "master/prices.h"
#include "master/publish.h"

enum { TOTAL_TIMEOUT_MS = 6000 * 1000 };	/* what a learned one never exceeds */

enum { PROVIDERS_MAX = 64 };

struct make {
	struct master *m;
	const struct config *c;
	struct snap_build *b;
	uint32_t *index;		/* deployment of each model; SNAP_NONE: left out */
	bool goes_by_names;		/* one of them, for its price */
	struct str providers[PROVIDERS_MAX];	/* to which calls may be passed through */
	size_t n_providers;
};

/* ---- prices --------------------------------------------------------------------------------- */

static void find_price(const struct config *c, const struct config_model *cm,
		       struct snap_deployment *d)
{
	struct price_row row;
	bool known = cm->base_model.n ? prices_find(cm->provider, cm->base_model, &row)
				      : prices_find(cm->provider, cm->model, &row);
	d->price = price_none();
	if (known) {
		d->price = row.price;
		d->max_input_tokens = row.max_input_tokens;
		d->max_output_tokens = row.max_output_tokens;
	}
	if (cm->price.flags & PRICE_KNOWN)
		d->price = cm->price;
	d->rates = config_rates_of(c, cm->provider);
	price_apply(&d->rates, &d->price);
	if (cm->max_input_tokens)
		d->max_input_tokens = cm->max_input_tokens;
	if (cm->max_output_tokens)
		d->max_output_tokens = cm->max_output_tokens;
	if (d->price.flags & PRICE_KNOWN)
		d->flags |= DEPLOY_KNOWN_PRICE;
	else if (price_goes_by_name(cm))
		d->flags |= DEPLOY_PRICE_BY_NAME;
}

/* LiteLLM's names of some providers say more: "bedrock_converse", "vertex_ai-anthropic_models". */
static bool is_of_provider(const struct make *k, const struct price_row *row)
{
	for (size_t i = 0; i < k->n_providers; i++)
		if (str_starts(row->provider, k->providers[i]))
			return true;
	return false;
}

/* The whole table, where some deployment takes any model; else what can be asked for without one,
 * by a call that is passed through. */
static void put_prices(const struct make *k)
{
	bool is_whole = k->goes_by_names || k->n_providers == PROVIDERS_MAX;
	struct prices_walk at = { 0 };
	struct price_row row;
	struct str last = STR("");
	while (prices_next(&at, &row)) {
		if (!is_whole && !is_of_provider(k, &row))
			continue;
		if (str_cmp(last, row.model) >= 0)
			continue;	/* a table that is out of order stops nobody's start */
		last = row.model;
		struct snap_price p = { .max_input_tokens = row.max_input_tokens,
					.max_output_tokens = row.max_output_tokens,
					.price = row.price };
		snap_build_price(k->b, row.model, &p);
	}
}

/* ---- encodings ------------------------------------------------------------------------------ */

static void find_encoding(const struct config_model *cm, struct snap_deployment *d)
{
	static const char *const providers[] = { "openai", "azure", "azure_text",
						 "text-completion-openai", "openrouter" };
	enum encoding e;
	bool may = false;
	for (size_t i = 0; i < COUNT(providers); i++)
		may |= str_eq_z(cm->provider, providers[i]);
	if (may && encoding_of_model(cm->base_model.n ? cm->base_model : cm->model, &e))
		d->flags |= e == ENCODING_CL100K ? DEPLOY_CL100K : DEPLOY_O200K;
}

static struct snap_part put_names(struct make *k, const struct config_names *n)
{
	return snap_build_names(k->b, n->v, n->n);
}

static struct snap_part put_routes(struct make *k)
{
	struct buf written[ROUTES_COUNT];
	struct str texts[ROUTES_COUNT];
	struct snap_part part = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < ROUTES_COUNT; i++) {
		config_write_names(&written[i], &k->c->routes[i]);
		texts[i] = buf_str(&written[i]);
		n += k->c->routes[i].n;
	}
	if (n)
		part = snap_build_names(k->b, texts, ROUTES_COUNT);
	for (size_t i = 0; i < ROUTES_COUNT; i++)
		buf_done(&written[i]);
	return part;
}

/* ---- deployments ----------------------------------------------------------------------------- */

static bool has_header(const struct config_pairs *pairs, struct str name)
{
	for (size_t i = 0; i < pairs->n; i++)
		if (str_eq_nocase(pairs->v[i].name, name))
			return true;
	return false;
}

/* Anthropic wants the version of its format with each call to its own site. */
static struct snap_part put_headers(struct make *k, const struct config_model *cm)
{
	const struct config_pairs *pairs = &cm->headers;
	struct snap_header list[64];
	size_t n = 0;
	if (cm->row && cm->family == FAMILY_ANTHROPIC && cm->site == SITE_OWN &&
	    !has_header(pairs, STR("anthropic-version")))
		list[n++] = (struct snap_header){
			snap_build_text(k->b, STR("anthropic-version")),
			snap_build_text(k->b, STR("2023-06-01")) };
	for (size_t i = 0; i < pairs->n && n < COUNT(list); i++)
		list[n++] = (struct snap_header){ snap_build_text(k->b, pairs->v[i].name),
						  snap_build_text(k->b, pairs->v[i].value) };
	return snap_build_headers(k->b, list, n);
}

static void fill_texts(struct make *k, const struct config_model *cm, struct snap_deployment *d)
{
	d->id = snap_build_text(k->b, cm->id);
	d->group = snap_build_text(k->b, cm->model_name);
	d->provider = snap_build_text(k->b, cm->provider);
	d->model = snap_build_text(k->b, cm->model);
	d->base = snap_build_text(k->b, cm->api_base);
	d->api_key = snap_build_text(k->b, cm->api_key);
	d->extra_body = snap_build_text(k->b, cm->extra_body);
	d->mock_response = snap_build_text(k->b, cm->mock_response);
	d->region = snap_build_text(k->b, cm->region);
	d->credentials = snap_build_text(k->b, cm->credentials);
	d->api_version = snap_build_text(k->b, cm->api_version);
	d->silent = snap_build_text(k->b, cm->silent_model);
	if (cm->silent_model.n)
		d->flags |= DEPLOY_SILENT;
	d->paths = snap_build_text(k->b, cm->row ? cm->row->paths : STR_NONE);
	d->project = snap_build_text(k->b, cm->cloud.vertex_project);
	d->location = snap_build_text(k->b, cm->cloud.vertex_location);
	d->headers = put_headers(k, cm);
	d->tags = put_names(k, &cm->tags);
	d->flags |= (cm->is_vendors ? DEPLOY_PUBLIC : 0u) |
		    (cm->is_strangers ? DEPLOY_STRANGER : 0u);
}

/* The rules for parameters, and the default parameters as those leave them. */
static int put_param_rules(struct make *k, const struct config_model *cm, struct snap_deployment *d)
{
	bool drops = cm->drop_params || k->c->set.flags & SET_DROP_PARAMS;
	struct buf rules, defaults;
	buf_init(&rules, PARAMS_RULES_MAX);
	buf_init(&defaults, cm->params.n * 2 + 4096);
	params_write_rules(cm, &rules);
	params_write_defaults(buf_str(&rules), cm, drops, &defaults);
	d->rules = snap_build_text(k->b, buf_str(&rules));
	d->params = cm->params.p ? snap_build_text(k->b, buf_str(&defaults))
				 : (struct snap_str){ 0 };
	if (params_lose_limit(cm))
		d->flags |= DEPLOY_NO_LIMIT;
	bool failed = rules.failed || defaults.failed;
	buf_done(&rules);
	buf_done(&defaults);
	return failed ? -ENOMEM : 0;
}

/* A name for the key at one address. Elsewhere it is another account's: many servers of one's own
 * are given the same word in place of a key. */
static uint64_t credential_of(const struct config_model *cm)
{
	const struct str parts[] = { cm->provider, cm->api_base, cm->api_key, cm->credentials };
	uint64_t h = hash_stable(STR(""));
	if (!cm->api_key.n && !cm->credentials.n)
		return 0;
	for (size_t i = 0; i < COUNT(parts); i++)
		h = hash_stable_more(hash_stable_more(h, parts[i]), STR("\n"));
	return h | 1;
}

/* What only Responses serve is asked that way by everybody. Elsewhere a client that speaks them is
 * served as it likes, where the vendor is known to: behind an address of the operator's own there
 * may be anybody's copy of chat. */
static void choose_responses(const struct config_model *cm, struct snap_deployment *d)
{
	if (!cm->row || d->family != FAMILY_OPENAI)
		return;
	if (cm->mode == MODE_RESPONSES)
		d->family = FAMILY_RESPONSES;
	else if (d->site == SITE_OWN && providers_serve(cm->row, STR("responses")) &&
		 (!cm->row->base.n || str_eq(cm->api_base, cm->row->base)))
		d->flags |= DEPLOY_RESPONSES;
}

static int put_deployment(struct make *k, const struct config_model *cm, uint32_t *ret)
{
	struct snap_deployment d = {
		.id_hash = board_deployment_hash(cm->id),
		.weight_milli = cm->weight_milli,
		.rpm = cm->rpm,
		.tpm = cm->tpm,
		.timeout_ms = cm->timeout_ms,
		.stream_timeout_ms = cm->stream_timeout_ms,
		.hedge_milli = cm->hedge_milli,
		.cooldown_ms = cm->cooldown_ms,
		.num_retries = cm->num_retries,
		.order = cm->order,
		.max_parallel = cm->max_parallel,
		.adaptive = cm->adaptive,
		.mode = cm->mode,
		.family = cm->row ? cm->family : FAMILY_MOCK,
		.site = cm->site,
		.auth = cm->auth,
		.credential = credential_of(cm),
	};
	fill_texts(k, cm, &d);
	if (put_param_rules(k, cm, &d) < 0)
		return -ENOMEM;
	choose_responses(cm, &d);
	if (cm->mock_response.p)
		d.family = FAMILY_MOCK;
	if (cm->drop_params)
		d.flags |= DEPLOY_DROP_PARAMS;
	if (str_find_char(cm->model, '*') != SIZE_MAX)
		d.flags |= DEPLOY_WILDCARD;
	if (str_eq(cm->model_name, STR("*")))
		d.flags |= DEPLOY_DEFAULT;
	find_price(k->c, cm, &d);
	k->goes_by_names |= (d.flags & DEPLOY_PRICE_BY_NAME) != 0;
	find_encoding(cm, &d);
	int err = gates_build(&k->m->board, k->c, cm, k->b, &d);
	if (err == 0)
		err = board_place_deployment(&k->m->board, d.id_hash, &d.board_row);
	if (err < 0)
		return err;
	*ret = snap_build_deployment(k->b, &d);
	return *ret == SNAP_NONE ? -ENOMEM : 0;
}

/* ---- groups ------------------------------------------------------------------------------------
 */

/* LiteLLM's look-up: the group's name, the name without its provider, "*". */
static struct snap_part fallbacks_of(struct make *k, const struct config_fallbacks *list,
				     struct str group)
{
	struct str bare = group;
	size_t slash = str_find_char(group, '/');
	if (slash != SIZE_MAX)
		bare = str_skip(group, slash + 1);
	const struct str order[] = { group, bare, STR("*") };
	for (size_t o = 0; o < COUNT(order); o++)
		for (size_t i = 0; i < list->n; i++)
			if (str_eq(list->v[i].group, order[o]))
				return put_names(k, &list->v[i].to);
	return (struct snap_part){ 0 };
}

/* What is written for that very name, which is no group's. */
static struct snap_part fallbacks_named(struct make *k, const struct config_fallbacks *list,
					struct str name)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i].group, name))
			return put_names(k, &list->v[i].to);
	return (struct snap_part){ 0 };
}

static void put_own_fallbacks(struct make *k, struct str name, struct snap_group *g)
{
	g->fallbacks = fallbacks_named(k, &k->c->fallbacks, name);
	g->context_fallbacks = fallbacks_named(k, &k->c->context_fallbacks, name);
	g->policy_fallbacks = fallbacks_named(k, &k->c->policy_fallbacks, name);
}

static bool is_first_of_group(const struct config *c, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (str_eq(c->models[j].model_name, c->models[i].model_name))
			return false;
	return true;
}

static void put_routing(struct make *k, const struct config_routing *r, struct snap_group *g)
{
	if (r->strategy != SNAP_NONE)
		g->strategy = r->strategy + 1;
	if (!r->sticky)
		return;
	g->sticky = r->sticky;
	g->sticky_header = snap_build_text(k->b, r->sticky_header);
}

/* What a group has of its own; a pattern's rules are those written for its name. */
static void put_rules(struct make *k, struct str name, struct snap_group *g)
{
	const struct config *c = k->c;
	for (size_t i = 0; i < c->n_group_policies; i++)
		for (size_t p = 0; p < POLICY_CLASSES; p++)
			if (str_eq(c->group_policies[i].group, name))
				g->retry_policy[p] = c->group_policies[i].retries[p] + 1;
	for (size_t i = 0; i < c->n_routing_groups; i++)
		for (size_t m = 0; m < c->routing_groups[i].models.n; m++)
			if (str_eq(c->routing_groups[i].models.v[m], name))
				put_routing(k, &c->routing_groups[i], g);
}

/* Those of all its deployments. */
static struct snap_part access_of(struct make *k, struct str name)
{
	size_t room = 0, n = 0;
	for (size_t i = 0; i < k->c->n_models; i++)
		room += k->c->models[i].access_groups.n;
	struct str *v = room ? mem_array(room, sizeof *v) : NULL;
	for (size_t i = 0; v && i < k->c->n_models; i++) {
		const struct config_model *cm = &k->c->models[i];
		for (size_t j = 0; j < cm->access_groups.n && str_eq(cm->model_name, name); j++)
			v[n++] = cm->access_groups.v[j];
	}
	struct snap_part part = snap_build_names(k->b, v, n);
	mem_free(v);
	return part;
}

/* Of the first of its deployments that says so, as with LiteLLM. */
static void put_key_limits(struct make *k, struct str name, struct snap_group *g)
{
	for (size_t i = 0; i < k->c->n_models; i++) {
		const struct config_model *cm = &k->c->models[i];
		if (!str_eq(cm->model_name, name))
			continue;
		g->key_rpm = g->key_rpm ? g->key_rpm : (uint32_t)cm->key_rpm;
		g->key_tpm = g->key_tpm ? g->key_tpm : (uint32_t)cm->key_tpm;
	}
}

static int put_group(struct make *k, struct str name, uint32_t *members)
{
	size_t n = 0;
	for (size_t i = 0; i < k->c->n_models; i++)
		if (str_eq(k->c->models[i].model_name, name))
			members[n++] = k->index[i];
	struct snap_group g = {
		.name = snap_build_text(k->b, name),
		.alias_of = SNAP_NONE,
		.flags = str_find_char(name, '*') != SIZE_MAX ? GROUP_PATTERN : 0,
		.fallbacks = fallbacks_of(k, &k->c->fallbacks, name),
		.context_fallbacks = fallbacks_of(k, &k->c->context_fallbacks, name),
		.policy_fallbacks = fallbacks_of(k, &k->c->policy_fallbacks, name),
		.access = access_of(k, name),
	};
	put_rules(k, name, &g);
	put_key_limits(k, name, &g);
	int err = priorities_build(&k->m->board, k->c, name, k->b, &g);
	snap_build_group(k->b, &g, members, n, STR_NONE);
	return err;
}

/* Whether a pattern alone serves it. */
static bool is_by_pattern(const struct config *c, struct str name)
{
	if (!config_serves(c, name) || str_find_char(name, '*') != SIZE_MAX)
		return false;
	for (size_t i = 0; i < c->n_models; i++)
		if (str_eq(c->models[i].model_name, name))
			return false;
	for (size_t i = 0; i < c->n_aliases; i++)
		if (str_eq(c->aliases[i].alias, name))
			return false;
	return true;
}

static bool is_named_before(const struct config_fallbacks *const lists[], size_t list, size_t at)
{
	for (size_t l = 0; l <= list; l++)
		for (size_t i = 0; i < (l < list ? lists[l]->n : at); i++)
			if (str_eq(lists[l]->v[i].group, lists[list]->v[at].group))
				return true;
	return false;
}

/* A row without members, which a pattern serves all the same, for each name that has fallbacks. */
static void put_names_of_patterns(struct make *k)
{
	const struct config_fallbacks *const lists[] = {
		&k->c->fallbacks, &k->c->context_fallbacks, &k->c->policy_fallbacks };
	for (size_t l = 0; l < COUNT(lists); l++)
		for (size_t i = 0; i < lists[l]->n; i++) {
			struct str name = lists[l]->v[i].group;
			if (!is_by_pattern(k->c, name) || is_named_before(lists, l, i))
				continue;
			struct snap_group g = { .name = snap_build_text(k->b, name),
						.alias_of = SNAP_NONE, .flags = GROUP_HIDDEN };
			put_own_fallbacks(k, name, &g);
			snap_build_group(k->b, &g, NULL, 0, STR_NONE);
		}
}

static int put_groups(struct make *k)
{
	uint32_t *members = mem_array(k->c->n_models + 1, sizeof *members);
	if (!members)
		return -ENOMEM;
	int err = 0;
	for (size_t i = 0; i < k->c->n_models && !err; i++)
		if (is_first_of_group(k->c, i))
			err = put_group(k, k->c->models[i].model_name, members);
	for (size_t i = 0; i < k->c->n_aliases; i++) {
		const struct config_alias *a = &k->c->aliases[i];
		struct snap_group g = { .name = snap_build_text(k->b, a->alias),
					.alias_of = SNAP_NONE,
					.flags = a->hidden ? GROUP_HIDDEN : 0 };
		put_rules(k, a->alias, &g);
		put_own_fallbacks(k, a->alias, &g);
		snap_build_group(k->b, &g, NULL, 0, a->group);
	}
	put_names_of_patterns(k);
	mem_free(members);
	return err;
}

/* ---- calls that name no model
 * ---------------------------------------------------------------- */

static bool is_first_of_provider(const struct config *c, size_t i)
{
	const struct config_model *cm = &c->models[i];
	if (!cm->row || cm->mock_response.p)
		return false;
	for (size_t j = 0; j < i; j++)
		if (str_eq(c->models[j].provider, cm->provider) && !c->models[j].mock_response.p)
			return false;
	return true;
}

static void add_provider(struct make *k, struct str name)
{
	if (k->n_providers < PROVIDERS_MAX && name.n)
		k->providers[k->n_providers++] = name;
}

static int put_pass(struct make *k, const struct config_pass *p)
{
	struct snap_pass row = {
		.name = snap_build_text(k->b, p->name),
		.kind = p->is_target ? PASS_TARGET : PASS_PROVIDER,
		.flags = (p->has_subpath ? PASS_SUBPATH : 0) | (p->is_open ? PASS_OPEN : 0),
		.methods = p->methods,
	};
	uint32_t deployment;
	int err = put_deployment(k, &p->model, &deployment);
	if (err == 0)
		snap_build_pass(k->b, &row, deployment);
	if (err == 0 && !p->is_target)
		add_provider(k, p->name);
	return err;
}

static int put_passes(struct make *k)
{
	int err = 0;
	for (size_t i = 0; i < k->c->n_models; i++) {
		struct snap_pass row = { .kind = PASS_PROVIDER };
		if (!is_first_of_provider(k->c, i))
			continue;
		row.name = snap_build_text(k->b, k->c->models[i].provider);
		snap_build_pass(k->b, &row, k->index[i]);
		add_provider(k, k->c->models[i].provider);
	}
	for (size_t i = 0; i < k->c->n_passes && err == 0; i++)
		err = put_pass(k, &k->c->passes[i]);
	return err;
}

/* ---- settings
 * ------------------------------------------------------------------------------------ */

static void put_settings(struct make *k)
{
	struct snap_settings *s = snap_build_settings(k->b);
	*s = k->c->set;
	if (s->total_timeout_ms == TIMEOUT_AUTO) {
		s->flags |= SET_AUTO_TIMEOUT;
		s->total_timeout_ms = TOTAL_TIMEOUT_MS;
	}
	s->default_fallbacks = put_names(k, &k->c->default_fallbacks);
	s->cors_origins = put_names(k, &k->c->cors_origins);
	s->allowed_ips = put_names(k, &k->c->allowed_ips);
	s->metric_labels = put_names(k, &k->c->metric_labels);
	s->metric_filter = put_names(k, &k->c->metric_filter);
	s->enforced_params = put_names(k, &k->c->enforced_params);
	s->routes = put_routes(k);
	s->flags |= s->allowed_ips.count || s->routes.count ? SET_GUARDED : 0u;
	s->trusted_proxies = put_names(k, &k->c->trusted_proxies);
	s->allow_private = put_names(k, &k->c->allow_private);
	s->service_params = put_names(k, &k->c->service_params);
	s->body_rules = (k->c->wants_customer ? BODY_WANTS_CUSTOMER : 0u) |
			(k->c->refuses_tags ? BODY_WITHOUT_TAGS : 0u);
	s->flags |= s->enforced_params.count || s->body_rules ? SET_ENFORCED_PARAMS : 0u;
	s->flags |= k->c->priorities.n ? SET_RESERVATION : 0u;
	s->key_header = snap_build_text(k->b, k->c->key_header);
	s->version = snap_build_text(k->b, STR(LLMGW_VERSION));
	s->access_log = k->c->access_log;
	if (k->m->opt.quiet && s->log_level > LOG_WARN)
		s->log_level = LOG_WARN;
	if (!k->c->master_key.p && k->c->insecure_dev)
		s->flags |= SET_NO_MASTER_KEY;
	if (!k->c->keep_explanations)
		s->flags |= SET_NO_EXPLANATIONS;
	s->tls_certificate = snap_build_text(k->b, k->c->tls_certificate_pem);
	s->tls_key = snap_build_text(k->b, k->c->tls_key_pem);
	if (!k->c->responses_keep_ms || !k->c->responses_max_bytes)
		s->flags |= SET_NO_RESPONSES;
	jwt_build(&k->c->jwt, k->b, s);
	s->text_flags = (k->c->texts_redacted ? TEXTS_REDACTED : 0u) |
			(k->c->texts_always ? TEXTS_ALWAYS : 0u);
	s->cache_namespace = snap_build_text(k->b, k->c->cache_namespace);
	s->is_idempotent = k->c->answers_keep_ms && k->c->answers_max_bytes;
}

/* ---- names for the ledger
 * ------------------------------------------------------------------------ */

static void name_deployments(struct make *k)
{
	size_t n = k->c->n_models + k->c->n_passes;
	struct ledger_name *list = mem_array(n + 1, sizeof *list);
	if (!list || !k->m->ledger) {
		mem_free(list);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct config_model *cm = i < k->c->n_models
							? &k->c->models[i]
							: &k->c->passes[i - k->c->n_models].model;
		list[i] = (struct ledger_name){ .id_hash = board_deployment_hash(cm->id),
						.model_id = cm->id,
						.model_group = cm->model_name,
						.provider = cm->provider,
						.model = cm->model,
						.api_base = cm->api_base };
	}
	if (ledger_name_deployments(k->m->ledger, list, n) < 0)
		LOG(LOG_WARN, "ledger.names_ignored", F_INT("deployments", n));
	mem_free(list);
}

int publish_build(struct master *m, const struct config *c, uint64_t generation, int *ret_fd,
		  char reterr[256])
{
	struct make k = { .m = m, .c = c, .b = snap_build_new() };
	int err = k.b ? 0 : -ENOMEM;
	snprintf(reterr, 256, "out of memory");
	k.index = mem_array(c->n_models + 1, sizeof *k.index);
	if (!k.index)
		err = -ENOMEM;
	for (size_t i = 0; i < c->n_models && err == 0; i++)
		err = put_deployment(&k, &c->models[i], &k.index[i]);
	if (err == 0)
		err = put_passes(&k);
	if (err == 0)
		err = put_groups(&k);
	if (err == 0)
		put_prices(&k);
	if (err == -ENOSPC)
		snprintf(
			reterr, 256,
			"more than %d deployments, or %d budgets, plans and hours of them, were ever "
			"configured: restart to forget old ones",
			BOARD_DEPLOYMENTS, BOARD_GATES);
	if (err == 0) {
		put_settings(&k);
		err = gates_build_tags(&m->board, c, k.b);
	}
	if (err == 0)
		err = snap_build_seal(k.b, generation, ret_fd);
	if (err == 0)
		name_deployments(&k);
	snap_build_free(k.b);
	mem_free(k.index);
	return err;
}
