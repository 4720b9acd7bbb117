/* SPDX-License-Identifier: MIT
 * params.c - the rules of etc/params.tsv, resolved for one deployment.
 *
 * The table travels in the binary and is read line by line when a configuration is built. */
#include "master/params.h"

#include "common/json_write.h"
#include "common/params.h"
#include "master/embed.h"

/* In LiteLLM's order. */
static const char *const chat_params[] = {
	"frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "max_tokens",
	"max_completion_tokens", "modalities", "prediction", "n", "presence_penalty", "seed",
	"stop", "stream", "stream_options", "temperature", "top_p", "tools", "tool_choice",
	"function_call", "functions", "extra_headers", "parallel_tool_calls", "audio",
	"web_search_options", "response_format", "user", "reasoning_effort", "service_tier",
	"safety_identifier", "prompt_cache_key", "prompt_cache_retention", "store", "verbosity",
};
static const char *const text_params[] = {
	"suffix", "max_tokens", "temperature", "top_p", "n", "stream", "stream_options",
	"logprobs", "echo", "stop", "presence_penalty", "frequency_penalty", "best_of",
	"logit_bias", "user", "seed",
};
static const char *const vector_params[] = { "timeout", "dimensions", "encoding_format", "user" };

/* ---- rows -------------------------------------------------------------------------------------
 */

struct row {
	struct str provider, models, rules;
};

static bool next_row(struct str *text, struct row *ret)
{
	struct str line = str_cut(text, '\n');
	if (!line.n)
		return false;
	ret->provider = str_cut(&line, '\t');
	ret->models = str_cut(&line, '\t');
	ret->rules = str_cut(&line, '\t');
	MUST(line.p != NULL);		/* a packaging fault */
	return true;
}

static struct str table(void)
{
	struct str text = embed_params();
	str_cut(&text, '\n');
	return text;
}

static void put_word(struct buf *out, struct str word)
{
	if (out->n)
		buf_put_char(out, ' ');
	buf_put(out, word);
}

/* model: a pattern keeps the rows' patterns. */
static void write_rows(struct str provider, struct str model, struct buf *out)
{
	bool is_pattern = str_find_char(model, '*') != SIZE_MAX, has_section = false;
	struct str text = table();
	struct row r;
	while (next_row(&text, &r)) {
		bool holds_for_all = str_eq(r.models, STR("*"));
		if (!str_eq(r.provider, provider))
			continue;
		if (!is_pattern && !str_matches(r.models, model))
			continue;
		if (is_pattern && (!holds_for_all || has_section)) {
			put_word(out, STR("["));
			buf_put(out, r.models);
			buf_put_char(out, ']');
			has_section = true;
		}
		put_word(out, r.rules);
	}
}

/* ---- one deployment --------------------------------------------------------------------------
 */

static bool is_word(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ')
			return false;
	return name.n > 0;
}

static void put_marked(struct buf *out, char mark, const struct config_names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		if (!is_word(names->v[i]))
			continue;
		put_word(out, str_of(&mark, 1));
		buf_put(out, names->v[i]);
	}
}

void params_write_rules(const struct config_model *m, struct buf *out)
{
	bool is_own_name = !m->base_model.n || str_find_char(m->model, '*') != SIZE_MAX;
	struct str base = m->base_model;
	if (base.n > m->provider.n && str_starts(base, m->provider) && base.p[m->provider.n] == '/')
		base = str_skip(base, m->provider.n + 1);	/* "azure/o3" */
	put_marked(out, '~', &m->dropped_params);
	put_marked(out, '+', &m->allowed_params);
	write_rows(m->provider, is_own_name ? m->model : base, out);
}

bool params_lose_limit(const struct config_model *m)
{
	for (size_t i = 0; i < m->dropped_params.n; i++)
		if (str_eq(m->dropped_params.v[i], STR("max_tokens")) ||
		    str_eq(m->dropped_params.v[i], STR("max_completion_tokens")))
			return true;
	return false;
}

void params_write_defaults(struct str rules, const struct config_model *m, bool drops,
			   struct buf *out)
{
	struct params_rules p = { .text = rules, .model = m->model };
	struct json_error error;
	struct arena *a = m->params.n ? arena_new(m->params.n * 64 + 65536) : NULL;
	const struct json *root = a ? json_parse(a, m->params, 0, &error) : NULL;
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	for (const struct json *j = root ? root->child : NULL; j; j = j->next) {
		struct params_verdict v = params_judge(&p, j->key, j->raw);
		if (v.act == PARAMS_DROP || (v.act == PARAMS_REFUSE && drops))
			continue;
		json_key(&o, v.act == PARAMS_RENAME ? v.with : j->key);
		json_put_raw(&o, NULL, v.act == PARAMS_REPLACE ? v.with : j->raw);
	}
	json_close(&o);
	out->failed |= m->params.n && !root;
	arena_free(a);
}

/* ---- telling ---------------------------------------------------------------------------------
 */

/* "n=1" is a parameter that is taken, if not with every value. */
static bool is_supported(const struct params_rules *p, struct str name)
{
	static const struct str values[] = { STR("1"), STR("0"), STR("\"auto\"") };
	for (size_t i = 0; i < COUNT(values); i++) {
		enum params_act act = params_judge(p, name, values[i]).act;
		if (act != PARAMS_REFUSE && act != PARAMS_DROP)
			return true;
	}
	return false;
}

void params_put_supported(struct json_out *o, const char *key, struct str provider,
			  struct str model, enum snap_mode mode)
{
	const char *const *list = mode == MODE_EMBEDDING    ? vector_params
				  : mode == MODE_COMPLETION ? text_params
							    : chat_params;
	size_t n = mode == MODE_EMBEDDING    ? COUNT(vector_params)
		   : mode == MODE_COMPLETION ? COUNT(text_params)
					     : COUNT(chat_params);
	struct buf rules;
	buf_init(&rules, PARAMS_RULES_MAX);
	write_rows(provider, model, &rules);
	struct params_rules p = { .text = buf_str(&rules), .model = model };
	json_open_array(o, key);
	for (size_t i = 0; i < n; i++)
		if (is_supported(&p, str_z(list[i])))
			json_put_z(o, NULL, list[i]);
	json_close_array(o);
	buf_done(&rules);
}
