/* SPDX-License-Identifier: MIT
 * models_info.c - models as LiteLLM tells them: of a group's deployments the largest limits and
 * prices, and the sum of what they take a minute. */
#include "master/models_info.h"

#include <errno.h>

#include "common/json_write.h"
#include "master/master.h"
#include "master/params.h"
#include "master/prices.h"

static const char *mode_name(enum snap_mode mode)
{
	switch (mode) {
	case MODE_EMBEDDING:
		return "embedding";
	case MODE_COMPLETION:
		return "completion";
	default:
		return "chat";
	}
}

struct group {
	const struct config_model *first;
	uint64_t max_input, max_output, rpm, tpm;
	double input, output;
};

static void take(struct group *g, const struct config_model *m)
{
	struct price_row row = { 0 };
	bool known = prices_find(m->provider, m->base_model.n ? m->base_model : m->model, &row);
	const struct price *p = m->price.flags & PRICE_KNOWN ? &m->price
				: known			     ? &row.price
							     : NULL;
	uint64_t in = m->max_input_tokens ? m->max_input_tokens : row.max_input_tokens,
		 out = m->max_output_tokens ? m->max_output_tokens : row.max_output_tokens;
	double input = p ? (double)p->input / 1e12 : 0, output = p ? (double)p->output / 1e12 : 0;
	g->first = g->first ? g->first : m;
	g->max_input = in > g->max_input ? in : g->max_input;
	g->max_output = out > g->max_output ? out : g->max_output;
	g->input = input > g->input ? input : g->input;
	g->output = output > g->output ? output : g->output;
	g->rpm += m->rpm;
	g->tpm += m->tpm;
}

static void put_count(struct json_out *o, const char *key, uint64_t n)
{
	if (n)
		json_put_u64(o, key, n);
	else
		json_put_null(o, key);
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

static struct str known_name(const struct config_model *m)
{
	return m->base_model.n ? m->base_model : m->model;
}

static void put_group(struct json_out *o, const struct config *c, size_t at)
{
	struct str name = c->models[at].model_name;
	struct group g = { 0 };
	for (size_t i = at; i < c->n_models; i++)
		if (str_eq(c->models[i].model_name, name))
			take(&g, &c->models[i]);
	json_open(o, NULL);
	json_put_str(o, "model_group", name);
	put_providers(o, c, name);
	put_count(o, "max_input_tokens", g.max_input);
	put_count(o, "max_output_tokens", g.max_output);
	json_put_double(o, "input_cost_per_token", g.input);
	json_put_double(o, "output_cost_per_token", g.output);
	json_put_z(o, "mode", mode_name(g.first->mode));
	put_count(o, "tpm", g.tpm);
	put_count(o, "rpm", g.rpm);
	params_put_supported(o, "supported_openai_params", g.first->provider, known_name(g.first),
			     g.first->mode);
	json_put_null(o, "configurable_clientside_auth_params");
	json_close(o);
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
	struct str group = STR_NONE;
	unsigned n = 0;
	if (command_str(c, "model_group", &group) == -EINVAL)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "data");
	for (size_t i = 0; i < k->n_models; i++) {
		if (!is_first(k, i) || (group.n && !str_eq(k->models[i].model_name, group)))
			continue;
		put_group(&o, k, i);
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

/* ---- what a model takes -----------------------------------------------------------------------
 */

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
