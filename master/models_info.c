/* SPDX-License-Identifier: MIT
 * models_info.c - models as LiteLLM tells them: of a group's deployments the largest limits and
 * prices, what any of them can do, and the sum of what they take a minute. */
#include "master/models_info.h"

#include <errno.h>
#include <stdlib.h>

#include "common/json_write.h"
#include "common/link_proto.h"
#include "master/abilities.h"
#include "master/master.h"
#include "master/params.h"
#include "master/prices.h"
#include "master/stored.h"

enum { INFO_BYTES_MAX = 8 << 20 };	/* model_info of a deployment, read */

static const char *mode_name(enum snap_mode mode)
{
	switch (mode) {
	case MODE_EMBEDDING:
		return "embedding";
	case MODE_COMPLETION:
		return "completion";
	case MODE_RESPONSES:
		return "responses";
	case MODE_RERANK:
		return "rerank";
	default:
		return "chat";
	}
}

/* ---- whose models ---- */

/* Who is no administrator is told of the models that it may use; its worker knows which. */
struct shown {
	bool is_all;
	const struct str *names;	/* sorted */
	size_t n;
};

static int cmp_names(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static struct shown shown_to(struct command_call *c)
{
	const struct json *list = json_get(c->args, LINK_MODELS);
	struct shown s = { .is_all = c->kind != CALLER_HTTP || c->is_admin || c->is_viewer };
	size_t n = 0;
	for (const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL; j; j = j->next)
		n++;
	struct str *names = n && !s.is_all ? arena_alloc(c->mem, n * sizeof *names) : NULL;
	for (const struct json *j = names ? list->child : NULL; j; j = j->next)
		names[s.n++] = json_str(c->mem, j);
	if (s.n)
		qsort(names, s.n, sizeof *names, cmp_names);
	s.names = names;
	return s;
}

static bool is_shown(const struct shown *s, struct str name)
{
	return s->is_all || (s->n && bsearch(&name, s->names, s->n, sizeof name, cmp_names));
}

/* ---- what is known of a model ---- */

struct known {
	struct str name;		/* in the price table */
	struct price_row row;		/* zeroes where the table does not have it */
	struct price price;		/* the configuration's, else the table's; else none */
};

static struct str known_name(const struct config_model *m)
{
	return m->base_model.n ? m->base_model : m->model;
}

static struct known look_up(const struct config_model *m)
{
	struct known k = { .name = known_name(m), .price = price_none() };
	bool found = prices_find(m->provider, k.name, &k.row);
	if (m->price.flags & PRICE_KNOWN)
		k.price = m->price;
	else if (found)
		k.price = k.row.price;
	return k;
}

/* The table has more kinds than there are ways to ask here: "image_generation". */
static struct str known_mode(const struct known *k, const struct config_model *m)
{
	return k->row.mode_name.n ? k->row.mode_name : str_z(mode_name(m->mode));
}

static double dollars(int64_t pico)
{
	return pico > 0 ? (double)pico / 1e12 : 0;
}

static void put_count(struct json_out *o, const char *key, uint64_t n)
{
	if (n)
		json_put_u64(o, key, n);
	else
		json_put_null(o, key);
}

/* ---- deployments --------------------------------------------------------------------------- */

/* What model_info says wins over what is known of the model: each name is written once. */
struct telling {
	struct json_out *o;
	const struct json *info;
};

static bool is_own(const struct telling *t, const char *key)
{
	return json_is_given(json_get(t->info, key));
}

static void tell_price(const struct telling *t, const char *key, int64_t pico)
{
	if (!is_own(t, key))
		json_put_double(t->o, key, dollars(pico));
}

/* Of what is not priced by tokens in and out: null where it has no price of its own. */
static const struct {
	const char *key;
	size_t at;			/* in struct price */
	bool is_measure;		/* 0: it is not sold by that */
} more_prices[] = {
	{ "cache_read_input_token_cost", offsetof(struct price, cache_read), false },
	{ "cache_creation_input_token_cost", offsetof(struct price, cache_write), false },
	{ "cache_creation_input_token_cost_above_1hr",
	  offsetof(struct price, cache_write_hour), false },
	{ "output_cost_per_reasoning_token", offsetof(struct price, reasoning), false },
	{ "input_cost_per_audio_token", offsetof(struct price, media_input), false },
	{ "output_cost_per_audio_token", offsetof(struct price, media_output), false },
	{ "output_cost_per_image", offsetof(struct price, per_image), true },
	{ "input_cost_per_second", offsetof(struct price, per_second), true },
	{ "input_cost_per_character", offsetof(struct price, per_character), true },
	{ "input_cost_per_query", offsetof(struct price, per_query), true },
};

static void tell_more_prices(const struct telling *t, const struct price *p)
{
	for (size_t i = 0; i < COUNT(more_prices); i++) {
		int64_t pico;
		if (is_own(t, more_prices[i].key))
			continue;
		memcpy(&pico, (const char *)p + more_prices[i].at, sizeof pico);
		if (pico >= more_prices[i].is_measure)
			json_put_double(t->o, more_prices[i].key, dollars(pico));
		else
			json_put_null(t->o, more_prices[i].key);
	}
}

static void tell_count(const struct telling *t, const char *key, uint64_t own, uint64_t known)
{
	if (!is_own(t, key))
		put_count(t->o, key, own ? own : known);
}

static void tell_text(const struct telling *t, const char *key, struct str s)
{
	if (!is_own(t, key))
		json_put_str(t->o, key, s);
}

static void tell_own(const struct telling *t)
{
	for (const struct json *j = t->info ? t->info->child : NULL; j; j = j->next) {
		if (str_eq(j->key, STR("id")) || str_eq(j->key, STR("db_model")) ||
		    str_eq(j->key, STR("access_groups")) || j->type == JSON_NULL)
			continue;
		json_key(t->o, j->key);
		json_put_raw(t->o, NULL, j->raw);
	}
}

static void tell_groups(const struct telling *t, const struct config_model *cm)
{
	json_open_array(t->o, "access_groups");
	for (size_t i = 0; i < cm->access_groups.n; i++)
		json_put_str(t->o, NULL, cm->access_groups.v[i]);
	json_close_array(t->o);
}

/* As LiteLLM has it: null where nobody says that the model can. */
static void tell_abilities(const struct telling *t, uint32_t known)
{
	for (unsigned i = 0; abilities[i].name; i++) {
		if (is_own(t, abilities[i].name))
			continue;
		if (known >> i & 1)
			json_put_bool(t->o, abilities[i].name, true);
		else
			json_put_null(t->o, abilities[i].name);
	}
}

static void tell_known(const struct telling *t, const struct config_model *cm)
{
	struct known k = look_up(cm);
	const struct price_row *row = &k.row;
	tell_text(t, "mode", known_mode(&k, cm));
	tell_price(t, "input_cost_per_token", k.price.input);
	tell_price(t, "output_cost_per_token", k.price.output);
	tell_more_prices(t, &k.price);
	tell_count(t, "max_tokens", cm->max_output_tokens, row->max_output_tokens);
	tell_count(t, "max_input_tokens", cm->max_input_tokens, row->max_input_tokens);
	tell_count(t, "max_output_tokens", cm->max_output_tokens, row->max_output_tokens);
	tell_text(t, "litellm_provider", cm->provider);
	tell_text(t, "key", k.name);
	tell_abilities(t, row->abilities);
	if (!is_own(t, "supported_openai_params"))
		params_put_supported(t->o, "supported_openai_params", cm->provider, k.name, cm->mode);
}

static void put_deployment_params(struct json_out *o, struct arena *mem,
				  const struct config_model *cm)
{
	struct json_error e;
	const struct json *given = cm->given.n ? json_parse(mem, cm->given, 0, &e) : NULL;
	json_open(o, "litellm_params");
	for (const struct json *j = given ? given->child : NULL; j; j = j->next) {
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	if (!json_get(given, "api_base"))
		json_put_str(o, "api_base", cm->api_base);
	if (!json_get(given, "custom_llm_provider"))
		json_put_str(o, "custom_llm_provider", cm->provider);
	json_close(o);
}

static void put_info(struct command_call *c, struct json_out *o, const struct config_model *cm)
{
	struct json_error e;
	struct arena *mem = arena_new(INFO_BYTES_MAX);
	const struct config_object *made = cm->is_stored && c->master->stored
		? stored_find(c->master->stored, OBJECT_MODEL, cm->id) : NULL;
	if (!mem) {
		c->out.failed = true;
		return;
	}
	struct telling t = { o, cm->info.n ? json_parse(mem, cm->info, 0, &e) : NULL };
	json_open(o, NULL);
	json_put_str(o, "model_name", cm->model_name);
	put_deployment_params(o, mem, cm);
	json_open(o, "model_info");
	json_put_str(o, "id", cm->id);
	json_put_bool(o, "db_model", cm->is_stored);
	tell_own(&t);
	tell_groups(&t, cm);
	tell_known(&t, cm);
	if (made) {
		json_put_time(o, "created_at", made->created_at);
		json_put_str(o, "created_by", made->created_by);
		json_put_time(o, "updated_at", made->updated_at);
		json_put_str(o, "updated_by", made->updated_by);
	}
	json_close(o);
	json_close(o);
	arena_free(mem);
}

void models_info(struct command_call *c)
{
	const struct config *k = c->master->config;
	struct shown shown = shown_to(c);
	struct str id = STR_NONE;
	size_t n = 0;
	if (command_str(c, "litellm_model_id", &id) == -EINVAL)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "data");
	for (size_t i = 0; i < k->n_models; i++) {
		if ((id.n && !str_eq(k->models[i].id, id)) ||
		    !is_shown(&shown, k->models[i].model_name))
			continue;
		put_info(c, &o, &k->models[i]);
		n++;
	}
	json_close_array(&o);
	json_close(&o);
	if (id.n && !n)
		command_fail(c, 400, "invalid_request_error", "litellm_model_id",
			     "Model id = " STR_FMT " not found on litellm proxy", STR_ARG(id));
	else
		command_finish(c);
}

struct page {
	uint64_t page, size;
	struct str model, search, id;
};

static bool is_wanted(const struct page *p, const struct config_model *cm)
{
	return (!p->model.n || str_eq(cm->model_name, p->model)) &&
	       (!p->id.n || str_eq(cm->id, p->id)) &&
	       (!p->search.n || str_find(cm->model_name, p->search) != SIZE_MAX ||
		str_find(cm->litellm_model, p->search) != SIZE_MAX);
}

static int read_page(struct command_call *c, struct page *p)
{
	*p = (struct page){ .page = 1, .size = 50 };
	if (command_u64(c, "page", &p->page) == -EINVAL ||
	    command_u64(c, "size", &p->size) == -EINVAL ||
	    command_str(c, "model", &p->model) == -EINVAL ||
	    command_str(c, "search", &p->search) == -EINVAL ||
	    command_str(c, "modelId", &p->id) == -EINVAL)
		return -EINVAL;
	if (p->page >= 1 && p->page <= UINT32_MAX && p->size >= 1 && p->size <= 1000)
		return 0;
	command_fail(c, 400, "invalid_request_error", "page",
		     "page begins at 1, and size is 1 to 1000");
	return -EINVAL;
}

void models_info_paged(struct command_call *c)
{
	const struct config *k = c->master->config;
	struct page p;
	uint64_t n = 0;
	if (read_page(c, &p) < 0)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "data");
	for (size_t i = 0; i < k->n_models; i++) {
		if (!is_wanted(&p, &k->models[i]))
			continue;
		if (n / p.size == p.page - 1)
			put_info(c, &o, &k->models[i]);
		n++;
	}
	json_close_array(&o);
	json_put_u64(&o, "total_count", n);
	json_put_u64(&o, "current_page", p.page);
	json_put_u64(&o, "total_pages", (n + p.size - 1) / p.size);
	json_put_u64(&o, "size", p.size);
	json_close(&o);
	command_finish(c);
}

/* ---- groups -------------------------------------------------------------------------------- */

struct group {
	const struct config_model *first;
	struct known known;		/* of the first */
	struct str mode;
	uint64_t max_input, max_output, rpm, tpm;
	double input, output;
	uint32_t abilities;
};

static void take_first(struct group *g, const struct known *k, const struct config_model *m,
		       const struct json *info)
{
	const struct json *own = json_get(info, "mode");
	g->first = m;
	g->known = *k;
	g->mode = json_is(own, JSON_STRING) && !own->escaped
		? str_of(own->raw.p + 1, own->raw.n - 2) : known_mode(k, m);
}

static void take(struct group *g, const struct config_model *m, struct arena *mem)
{
	struct json_error e;
	const struct json *info = m->info.n ? json_parse(mem, m->info, 0, &e) : NULL;
	struct known k = look_up(m);
	uint64_t in = m->max_input_tokens ? m->max_input_tokens : k.row.max_input_tokens,
		 out = m->max_output_tokens ? m->max_output_tokens : k.row.max_output_tokens;
	double input = dollars(k.price.input), output = dollars(k.price.output);
	if (!g->first)
		take_first(g, &k, m, info);
	g->max_input = in > g->max_input ? in : g->max_input;
	g->max_output = out > g->max_output ? out : g->max_output;
	g->input = input > g->input ? input : g->input;
	g->output = output > g->output ? output : g->output;
	g->rpm += m->rpm;
	g->tpm += m->tpm;
	g->abilities |= abilities_of(info, k.row.abilities);
	arena_reset(mem);
}

static void put_providers(struct json_out *o, const struct config *c, struct str name)
{
	json_open_array(o, "providers");
	for (size_t i = 0; i < c->n_models; i++) {
		bool is_new = str_eq(c->models[i].model_name, name);
		for (size_t k = 0; k < i && is_new; k++)
			is_new = !str_eq(c->models[k].model_name, name) ||
				 !str_eq(c->models[k].provider, c->models[i].provider);
		if (is_new)
			json_put_str(o, NULL, c->models[i].provider);
	}
	json_close_array(o);
}

static bool is_public(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->public_groups.n; i++)
		if (str_eq(c->public_groups.v[i], name))
			return true;
	return false;
}

static void put_all_of(struct json_out *o, const struct config *c, const struct group *g)
{
	const struct config_model *m = g->first;
	json_open(o, NULL);
	json_put_str(o, "model_group", m->model_name);
	put_providers(o, c, m->model_name);
	put_count(o, "max_input_tokens", g->max_input);
	put_count(o, "max_output_tokens", g->max_output);
	json_put_double(o, "input_cost_per_token", g->input);
	json_put_double(o, "output_cost_per_token", g->output);
	json_put_str(o, "mode", g->mode);
	put_count(o, "tpm", g->tpm);
	put_count(o, "rpm", g->rpm);
	for (unsigned i = 0; abilities[i].name; i++)
		json_put_bool(o, abilities[i].name, g->abilities >> i & 1);
	params_put_supported(o, "supported_openai_params", m->provider, g->known.name, m->mode);
	json_put_null(o, "configurable_clientside_auth_params");
	json_put_bool(o, "is_public_model_group", is_public(c, m->model_name));
	json_close(o);
}

static void put_group(struct command_call *call, struct json_out *o, size_t at)
{
	const struct config *c = call->master->config;
	struct group g = { 0 };
	struct arena *mem = arena_new(INFO_BYTES_MAX);
	if (!mem) {
		call->out.failed = true;
		return;
	}
	for (size_t i = at; i < c->n_models; i++)
		if (str_eq(c->models[i].model_name, c->models[at].model_name))
			take(&g, &c->models[i], mem);
	put_all_of(o, c, &g);
	arena_free(mem);
}

static bool is_first(const struct config *c, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (str_eq(c->models[i].model_name, c->models[at].model_name))
			return false;
	return true;
}

void models_groups(struct command_call *c)
{
	const struct config *k = c->master->config;
	struct shown shown = shown_to(c);
	struct str group = STR_NONE;
	unsigned n = 0;
	if (command_str(c, "model_group", &group) == -EINVAL)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "data");
	for (size_t i = 0; i < k->n_models; i++) {
		if (!is_shown(&shown, k->models[i].model_name) || !is_first(k, i) ||
		    (group.n && !str_eq(k->models[i].model_name, group)))
			continue;
		put_group(c, &o, i);
		n++;
	}
	json_close_array(&o);
	json_close(&o);
	if (group.n && !n) {
		buf_reset(&c->out);
		command_fail(c, 404, "not_found_error", "model_group",
			     "no model_name is '" STR_FMT "'", STR_ARG(group));
		return;
	}
	command_finish(c);
}

void models_hub(struct command_call *c)
{
	const struct config *k = c->master->config;
	struct json_out o = json_out(&c->out);
	json_open_array(&o, NULL);
	for (size_t i = 0; i < k->n_models; i++)
		if (is_first(k, i) && is_public(k, k->models[i].model_name))
			put_group(c, &o, i);
	json_close_array(&o);
	command_finish(c);
}

/* ---- what a model takes -------------------------------------------------------------------- */

static const struct config_model *find_model(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (str_eq(c->models[i].model_name, name))
			return &c->models[i];
	return NULL;
}

/* A model of the configuration, or any other that can be told whose it is. */
void models_params(struct command_call *c)
{
	struct str name = STR_NONE, provider, upstream;
	struct price_row row = { .mode = MODE_CHAT };
	if (command_str(c, "model", &name) == -EINVAL)
		return;
	const struct config_model *m = find_model(c->master->config, name);
	const struct provider_row *p = m ? m->row
					 : providers_detect(STR_NONE, name, STR_NONE, &upstream);
	if (!m && !p) {
		command_fail(c, 400, "invalid_request_error", "model",
			     "Could not map model=" STR_FMT ": neither a model of the configuration "
			     "nor one whose provider is known",
			     STR_ARG(name));
		return;
	}
	provider = m ? m->provider : p->prefix;
	if (m)
		upstream = known_name(m);
	else
		prices_find(provider, upstream, &row);
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	params_put_supported(&o, "supported_openai_params", provider, upstream,
			     m ? m->mode : row.mode);
	json_close(&o);
	command_finish(c);
}
