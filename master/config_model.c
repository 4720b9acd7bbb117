/* SPDX-License-Identifier: MIT
 * config_model.c - model_list: one entry, one deployment (or one per organization).
 *
 * LiteLLM sends every key of litellm_params that it does not know to the provider, so we do: it
 * becomes a default parameter. A key that is nearly one that we know is sent too, but told. */
#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "master/config_read.h"
#include "master/prices.h"

struct entry {
	struct reader *r;
	struct config_model m;
	struct place at;
	const struct yaml *params, *info;
	const struct yaml *credentials; /* credential_values of its litellm_credential_name */
	bool has_no_credential;		/* it names one, and there is none */
	struct place base_at;
	struct buf defaults; /* JSON object under construction */
	struct json_out out;
	unsigned n_defaults;
};

static void one_text(struct entry *e, const struct yaml *map, const char *key, struct str *field)
{
	const struct yaml *y = yaml_get(map, key);

	if (y && y->kind == YAML_SCALAR)
		*field = keep(e->r, y->text);
}

/* ---- litellm_params ---- */

/* A key that no table knows goes to the provider. */
static void forward_key(struct entry *e, const struct yaml *y)
{
	bool quiet = param_is_openai(y->key) || complaints_full(e->r, W_FORWARDED);
	const char *near = quiet ? NULL : name_near("litellm_params", y->key);

	if (near)
		complain(e->r, W_FORWARDED, &y->key_place,
			 "'" STR_FMT "' is sent to the provider as it is; did you mean '%s'?",
			 STR_ARG(shown(y->key)), near);
	json_key(&e->out, y->key);
	value_json(e->r, &e->out, NULL, y);
	e->n_defaults++;
}

static void note_secret(struct reader *r, const struct directive *d, const struct yaml *y)
{
	if ((d->flags & CF_SECRET) && y->kind == YAML_SCALAR && !y->from_env && y->text.n > 0 &&
	    !y->place.file->object && !r->literal_secret.file)
		r->literal_secret = y->place;
}

static void set_param(struct entry *e, const struct directive *d, const struct yaml *y)
{
	if (d->flags & CF_NOT_YET)
		complain(e->r, W_NOT_ACTED_ON, &y->key_place,
			 "llmgw does not act on '" STR_FMT "' yet", STR_ARG(y->key));
	note_secret(e->r, d, y);
	if (d->type == CT_STR && (same_name(y->key, "api_base") || same_name(y->key, "base_url")))
		e->base_at = y->place;
	if (!value_set(e->r, &e->m, d, y))
		return;
	if (same_name(y->key, "weight") && e->m.weight_milli == 0)
		complain(e->r, W_NOT_ACTED_ON, &y->place,
			 "a weight of 0 counts as none; take the deployment out instead");
}

static void take_param(struct entry *e, const struct yaml *y)
{
	const struct directive *d = directive_find("litellm_params", y->key);
	const struct known_key *k;

	if (str_eq(y->key, STR("litellm_credential_name")))
		return;
	if (d) {
		set_param(e, d, y);
		return;
	}
	if (model_price_key(e->r, &e->m, y))
		return;
	k = known_find("litellm_params", y->key);
	if (k)
		complain_known(e->r, k, y);
	else if (y->kind != YAML_NULL)
		forward_key(e, y);
}

static bool is_from_env(const struct yaml *y)
{
	if (y->kind != YAML_MAP && y->kind != YAML_LIST)
		return y->from_env;
	for (const struct yaml *c = y->child; c; c = c->next)
		if (is_from_env(c))
			return true;
	return false;
}

static void read_params(struct entry *e)
{
	const struct yaml *more = e->credentials;

	buf_init(&e->defaults, CONFIG_FILE_MAX);
	e->out = json_out(&e->defaults);
	json_open(&e->out, NULL);
	for (const struct yaml *y = e->params->child; y; y = y->next)
		take_param(e, y);
	if (more && more->kind == YAML_MAP)
		for (const struct yaml *y = more->child; y; y = y->next)
			if (!yaml_find(e->params, y->key))
				take_param(e, y);
	json_close(&e->out);
	e->m.has_others_key = is_from_env(e->params) ||
			      (more && (is_from_env(more) ||
					!stored_by_stranger(e->r, &more->place)));
	e->m.given = without_secrets(e->r, e->params);
	if (e->n_defaults)
		e->m.params = keep(e->r, buf_str(&e->defaults));
	e->r->out_of_memory |= e->defaults.failed;
	buf_done(&e->defaults);
}

/* ---- model_info ---- */

static void read_info(struct entry *e)
{
	const struct directive all = {
		.name = "model_info", .type = CT_JSON, .at = offsetof(struct config_model, info)};

	if (!e->info)
		return;
	value_set(e->r, &e->m, &all, e->info);
	for (const struct yaml *y = e->info->child; y; y = y->next) {
		const struct directive *d = directive_find("model_info", y->key);
		const struct known_key *k = d ? NULL : known_find("model_info", y->key);
		if (d)
			value_set(e->r, &e->m, d, y);
		else if (k && y->kind != YAML_NULL)
			complain_known(e->r, k, y);
		else
			model_price_key(e->r, &e->m, y);
	}
	if (e->m.max_output_tokens == 0)
		e->m.max_output_tokens = e->m.max_tokens;
}

/* Without model_info.mode the price table knows what the model does, or its name tells. */
static void infer_mode(struct entry *e)
{
	struct price_row row;
	struct str name = e->m.base_model.n > 0 ? e->m.base_model : e->m.model;

	if (yaml_get(e->info, "mode") || e->m.mode == MODE_RESPONSES)
		return;
	if (prices_find(e->m.provider, name, &row))
		e->m.mode = row.mode;
	else if (str_find(name, STR("embed")) != SIZE_MAX)
		e->m.mode = MODE_EMBEDDING;
	else if (str_find(name, STR("rerank")) != SIZE_MAX)
		e->m.mode = MODE_RERANK;
}

/* ---- the id ---- */

static void put_hashed(struct buf *b, const struct yaml *y)
{
	buf_put(b, y->key);
	buf_put_char(b, '\0');
	buf_put_char(b, (char)('0' + y->kind));
	buf_put(b, y->text);
	for (const struct yaml *c = y->child; c; c = c->next)
		put_hashed(b, c);
	buf_put_char(b, '\0');
}

static struct str hash_text(struct reader *r, struct str s)
{
	struct sha256 h = hash_sha256(s);
	char hex[2 * sizeof h.b + 1];

	hash_hex(hex, h.b, sizeof h.b);
	return keep(r, str_z(hex));
}

static void make_id(struct entry *e)
{
	struct buf b;

	e->m.has_own_id = e->m.id.n > 0;
	if (e->m.has_own_id)
		return;
	buf_init(&b, 2 * CONFIG_FILE_MAX);
	buf_put(&b, e->m.model_name);
	put_hashed(&b, e->params);
	e->m.id = hash_text(e->r, buf_str(&b));
	e->r->out_of_memory |= b.failed;
	buf_done(&b);
}

/* ---- the entry ---- */

static bool set_name(struct entry *e, const struct yaml *map)
{
	const struct directive d = {.name = "model_name",
				    .type = CT_STR,
				    .at = offsetof(struct config_model, model_name)};
	const struct yaml *y = yaml_get(map, "model_name");

	if (y && y->kind != YAML_NULL && !value_set(e->r, &e->m, &d, y))
		return false;
	if (e->m.model_name.n > 0 && e->m.model_name.n <= 512)
		return true;
	complain(e->r, COMPLAINT_ERROR, y ? &y->place : &map->place,
		 e->m.model_name.n ? "a model_name of more than 512 bytes"
				   : "an entry of model_list needs a model_name");
	return false;
}

static bool find_parts(struct entry *e, const struct yaml *map)
{
	static const char *const parts[] = {"model_name", "litellm_params", "model_info"};

	for (const struct yaml *y = map->child; y; y = y->next) {
		bool is_part = false;
		for (size_t i = 0; i < COUNT(parts); i++)
			is_part |= same_name(y->key, parts[i]);
		if (!is_part)
			complain(e->r, W_UNKNOWN_KEY, &y->key_place,
				 "'" STR_FMT
				 "' is not known in an entry of model_list (want model_name, "
				 "litellm_params, model_info)",
				 STR_ARG(shown(y->key)));
	}
	e->params = yaml_get(map, "litellm_params");
	e->info = yaml_get(map, "model_info");
	if (e->info && e->info->kind == YAML_NULL)
		e->info = NULL;
	if (e->info && e->info->kind != YAML_MAP) {
		complain(e->r, COMPLAINT_ERROR, &e->info->place, "model_info wants a map, not %s",
			 yaml_kind_name(e->info));
		return false;
	}
	if (e->params && e->params->kind == YAML_MAP)
		return true;
	complain(e->r, COMPLAINT_ERROR, e->params ? &e->params->place : &map->place,
		 "model '" STR_FMT "' needs litellm_params, a map",
		 STR_ARG(shown(e->m.model_name)));
	return false;
}

static const struct yaml *find_credentials(struct entry *e)
{
	const struct yaml *name = yaml_get(e->params, "litellm_credential_name"), *list;

	if (!name || name->kind != YAML_SCALAR)
		return NULL;
	list = e->r->credentials;
	for (const struct yaml *c = list ? list->child : NULL; c; c = c->next) {
		const struct yaml *own = yaml_get(c, "credential_name");
		if (own && own->kind == YAML_SCALAR && str_eq(own->text, name->text))
			return yaml_get(c, "credential_values");
	}
	e->has_no_credential = true;
	return NULL;
}

/* One that was given by API may be deleted, or sealed with a key that is lost: this model is left
 * out then, and the others are served. */
static bool tell_no_credential(struct entry *e)
{
	const struct yaml *name = yaml_get(e->params, "litellm_credential_name");
	struct str why = arena_printf(e->r->scratch, "no credential is named '" STR_FMT "'",
				      STR_ARG(shown(name->text)));

	if (e->r->has_stored)
		return left_out(e->r, &e->m, &e->at, why);
	complain(e->r, COMPLAINT_ERROR, &name->place,
		 "no entry of credential_list is named '" STR_FMT "'", STR_ARG(shown(name->text)));
	return true;
}

/* What has to be known before the rest is worth reading: is there a provider to serve it? */
static bool find_provider(struct entry *e)
{
	const struct yaml *model = yaml_get(e->params, "model");

	e->credentials = find_credentials(e);
	if (e->has_no_credential && !tell_no_credential(e))
		return false;
	one_text(e, e->credentials, "api_base", &e->m.api_base);
	one_text(e, e->params, "base_url", &e->m.api_base);
	one_text(e, e->params, "api_base", &e->m.api_base);
	e->m.is_strangers = (e->credentials && stored_by_stranger(e->r, &e->credentials->place)) ||
			    stored_by_stranger(e->r, &e->params->place);
	one_text(e, e->params, "model", &e->m.litellm_model);
	one_text(e, e->params, "custom_llm_provider", &e->m.provider);
	one_text(e, e->params, "mock_response", &e->m.mock_response);
	if (e->m.litellm_model.n > 0)
		return upstream_detect(e->r, &e->m, &e->at);
	complain(e->r, COMPLAINT_ERROR, model ? &model->place : &e->params->place,
		 "model '" STR_FMT "' needs litellm_params.model", STR_ARG(shown(e->m.model_name)));
	return false;
}

static void append_model(struct reader *r, const struct config_model *m, const struct place *at)
{
	MUST(r->c->n_models < r->room_models);
	r->model_places[r->c->n_models] = *at;
	r->c->models[r->c->n_models++] = *m;
}

/* One deployment per organization, each with the header that names it. */
static void append_organizations(struct entry *e)
{
	struct config_names all = e->m.organizations;

	for (size_t i = 0; i < all.n; i++) {
		struct config_model m = e->m;
		struct config_pair *v = keep_array(e->r, m.headers.n + 1, sizeof *v);
		m.organizations = (struct config_names){&all.v[i], 1};
		if (i > 0)
			m.id = m.has_own_id
				       ? arena_printf(e->r->c->mem, STR_FMT "-%zu", STR_ARG(m.id),
						      i + 1)
				       : hash_text(e->r,
						   arena_printf(e->r->scratch, STR_FMT STR_FMT,
								STR_ARG(m.id), STR_ARG(all.v[i])));
		if (!v || !m.id.p) {
			e->r->out_of_memory = true;
			return;
		}
		if (m.headers.n)
			memcpy(v, m.headers.v, m.headers.n * sizeof *v);
		v[m.headers.n++] = (struct config_pair){STR("OpenAI-Organization"), all.v[i]};
		m.headers.v = v;
		append_model(e->r, &m, &e->at);
	}
}

static void read_entry(struct reader *r, const struct yaml *map)
{
	struct entry e = {
		.r = r,
		.at = map->place,
		.m = {.cooldown_ms = UINT64_MAX,
		      .num_retries = SNAP_NONE,
		      .max_budget = PRICE_NONE,
		      .price = price_none()},
	};
	struct price *p = &e.m.price;

	if (map->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &map->place,
			 "an entry of model_list wants a map, not %s", yaml_kind_name(map));
		return;
	}
	p->input = p->output = p->per_request = p->per_query = PRICE_NONE;	/* not given */
	e.m.file = keep(r, map->place.file->path);
	e.m.line = map->place.line;
	e.m.is_stored = map->place.file->object;
	e.m.column = place_column(&map->place);
	if (!set_name(&e, map) || !find_parts(&e, map) || !find_provider(&e))
		return;
	e.base_at = e.at;
	struct str provider = e.m.provider;
	read_info(&e);
	read_params(&e);
	e.m.provider = provider;
	infer_mode(&e);
	make_id(&e);
	const struct yaml *key = yaml_get(e.params, "api_key");
	bool is_told = key && key->kind == YAML_NULL && key->from_env;	/* no such variable */
	if (!upstream_resolve(r, &e.m, &e.at, &e.base_at, is_told))
		return;
	model_price_finish(r, &e.m, &e.at);
	gates_check(r, &e.m, &e.at);
	if (e.m.organizations.n > 0)
		append_organizations(&e);
	else
		append_model(r, &e.m, &e.at);
}

static size_t count_deployments(const struct yaml *list)
{
	size_t n = 0;

	for (const struct yaml *y = list->child; y; y = y->next) {
		const struct yaml *o = yaml_get(yaml_get(y, "litellm_params"), "organization");
		n += o && o->kind == YAML_LIST && o->count > 0 ? o->count : 1;
	}
	return n;
}

/* Those of the database as nodes, in a list. */
static const struct yaml *stored_models(struct reader *r)
{
	struct yaml *list = arena_alloc(r->scratch, sizeof *list);
	size_t n = r->has_stored && r->over->stored ? r->over->stored->n : 0;

	r->out_of_memory |= !list;
	for (size_t i = 0; i < n && list && !r->out_of_memory; i++) {
		const struct yaml *y = stored_entry(r, i);
		if (y)
			yaml_append(list, (struct yaml *)(uintptr_t)y);
	}
	return list;
}

static void read_entries(struct reader *r, const struct yaml *list)
{
	for (const struct yaml *y = list ? list->child : NULL; y && !r->out_of_memory; y = y->next)
		read_entry(r, y);
}

void models_read(struct reader *r, const struct yaml *list)
{
	const struct yaml *stored = stored_models(r);

	if (list && list->kind != YAML_NULL && list->kind != YAML_LIST)
		complain(r, COMPLAINT_ERROR, &list->place, "model_list wants a list, not %s",
			 yaml_kind_name(list));
	if (list && list->kind != YAML_LIST)
		list = NULL;
	if (!stored)
		return;
	r->room_models = (list ? count_deployments(list) : 0) + count_deployments(stored);
	r->c->models = keep_array(r, r->room_models, sizeof *r->c->models);
	r->model_places = arena_array(r->scratch, r->room_models, sizeof *r->model_places);
	r->out_of_memory |= !r->model_places;
	read_entries(r, list);
	read_entries(r, stored);
}

/* ---- checks over all ---- */

static int by_id(const void *a, const void *b)
{
	const struct config_model *x = *(struct config_model *const *)a,
				  *y = *(struct config_model *const *)b;
	int order = str_cmp(x->id, y->id);

	return order ? order : (x > y) - (x < y);
}

/* Two entries that are alike to the byte still are two deployments. */
static void check_twins(struct reader *r, struct config_model *m, const struct config_model *before,
			unsigned nth)
{
	char suffix[16];

	if (m->has_own_id || before->has_own_id) {
		complain(r, COMPLAINT_ERROR, &r->model_places[m - r->c->models],
			 "the id '" STR_FMT "' is used by the entry in line %u too",
			 STR_ARG(shown(m->id)), before->line);
		m->is_dropped = m->is_stored;
		return;
	}
	snprintf(suffix, sizeof suffix, "#%u", nth);
	struct str text = arena_printf(r->scratch, STR_FMT "%s", STR_ARG(m->id), suffix);
	r->out_of_memory |= !text.p;
	m->id_of_twin = hash_text(r, text);
}

static void check_ids(struct reader *r)
{
	struct config *c = r->c;
	struct config_model **v =
		arena_array(r->scratch, c->n_models, sizeof(struct config_model *));

	if (!v) {
		r->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < c->n_models; i++)
		v[i] = &c->models[i];
	qsort(v, c->n_models, sizeof(struct config_model *), by_id);
	for (size_t i = 1, nth = 1; i < c->n_models; i++) {
		if (!str_eq(v[i]->id, v[i - 1]->id)) {
			nth = 1;
			continue;
		}
		check_twins(r, v[i], v[i - 1], (unsigned)nth++);
	}
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].id_of_twin.p)
			c->models[i].id = c->models[i].id_of_twin;
}

/* One of the database gives way to one of the file. */
static void drop_twins(struct reader *r)
{
	struct config *c = r->c;
	size_t n = 0;

	for (size_t i = 0; i < c->n_models; i++) {
		if (c->models[i].is_dropped)
			continue;
		r->model_places[n] = r->model_places[i];
		c->models[n++] = c->models[i];
	}
	r->c->n_skipped += (unsigned)(c->n_models - n);
	c->n_models = n;
}

/* Workers measure only where somebody goes by it. */
static void learn_times(struct config *c)
{
	bool learns = c->set.hedge_milli > 0 || c->set.total_timeout_ms == TIMEOUT_AUTO;
	for (size_t i = 0; i < c->n_models && !learns; i++) {
		const struct config_model *m = &c->models[i];
		learns = m->hedge_milli > 0 || m->timeout_ms == TIMEOUT_AUTO ||
			 m->stream_timeout_ms == TIMEOUT_AUTO;
	}
	if (learns)
		c->set.flags |= SET_LEARN_TIMES;
}

void models_check(struct reader *r)
{
	struct config *c = r->c;

	check_ids(r);
	drop_twins(r);
	stored_add_groups(r);
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].stream_timeout_ms == 0)
			c->models[i].stream_timeout_ms = c->stream_timeout_ms;
	learn_times(c);
	names_check(r);
	if (c->n_models == 0 && c->n_errors == 0)
		complain(r, W_NO_MODELS, &r->whole, "no model is served");
}
