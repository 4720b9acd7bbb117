/* SPDX-License-Identifier: MIT
 * provider_anthropic_params.c - parameters in OpenAI's words to members in Anthropic's.
 *
 * The deployment's extra_body wins over the client, the client over the deployment's params. What
 * has no meaning here and harms nobody is left out; what a client would miss is refused by name. */
#include <errno.h>

#include "worker/exchange/provider_anthropic.h"

enum { MEMBERS_MAX = 256 };		/* of a body: they are looked for one by one */

enum where {
	TO_MEMBER,		/* as it is */
	TO_LIMIT, TO_TEMPERATURE, TO_TOP_P, TO_TOP_K, TO_STOP, TO_EFFORT, TO_USER, TO_TIER,
	TO_SEARCH,
	TO_NOWHERE,
	TO_REFUSAL		/* unless its value asks for nothing */
};
static const struct row {
	struct str name;
	enum where where;
} rows[] = {
	{ STR("max_tokens"), TO_LIMIT },
	{ STR("max_completion_tokens"), TO_LIMIT },
	{ STR("temperature"), TO_TEMPERATURE },
	{ STR("top_p"), TO_TOP_P },
	{ STR("top_k"), TO_TOP_K },
	{ STR("stop"), TO_STOP },
	{ STR("reasoning_effort"), TO_EFFORT },
	{ STR("user"), TO_USER },
	{ STR("safety_identifier"), TO_USER },
	{ STR("service_tier"), TO_TIER },
	{ STR("web_search_options"), TO_SEARCH },
	{ STR("model"), TO_NOWHERE },
	{ STR("messages"), TO_NOWHERE },
	{ STR("prompt"), TO_NOWHERE },
	{ STR("tools"), TO_NOWHERE },
	{ STR("tool_choice"), TO_NOWHERE },
	{ STR("parallel_tool_calls"), TO_NOWHERE },
	{ STR("response_format"), TO_NOWHERE },
	{ STR("stream"), TO_NOWHERE },
	{ STR("stream_options"), TO_NOWHERE },
	{ STR("store"), TO_NOWHERE },
	{ STR("verbosity"), TO_NOWHERE },
	{ STR("prediction"), TO_NOWHERE },
	{ STR("moderation"), TO_NOWHERE },
	{ STR("encoding_format"), TO_NOWHERE },
	{ STR("prompt_cache_key"), TO_NOWHERE },
	{ STR("prompt_cache_retention"), TO_NOWHERE },
	{ STR("prompt_cache_options"), TO_NOWHERE },
	{ STR("n"), TO_REFUSAL },
	{ STR("best_of"), TO_REFUSAL },
	{ STR("echo"), TO_REFUSAL },
	{ STR("suffix"), TO_REFUSAL },
	{ STR("seed"), TO_REFUSAL },
	{ STR("presence_penalty"), TO_REFUSAL },
	{ STR("frequency_penalty"), TO_REFUSAL },
	{ STR("logit_bias"), TO_REFUSAL },
	{ STR("logprobs"), TO_REFUSAL },
	{ STR("top_logprobs"), TO_REFUSAL },
	{ STR("modalities"), TO_REFUSAL },
	{ STR("audio"), TO_REFUSAL },
};

/* --- members --- */

struct str ant_find(const struct ant_writing *w, struct str name)
{
	for (const struct llm_other *m = w->members; m; m = m->next)
		if (str_eq(m->name, name))
			return m->json;
	return STR_NONE;
}

int ant_add(struct ant_writing *w, struct str name, struct str json)
{
	struct llm_other **end = &w->members;
	unsigned n = 0;
	if (!json.p || str_eq(json, STR("null")))
		return 0;
	for (; *end; end = &(*end)->next, n++)
		if (str_eq((*end)->name, name))
			return 0;
	if (n >= MEMBERS_MAX)
		return ant_refuse(w, OUTCOME_BAD_REQUEST, STR("request_body"),
				  "the body has more than %d members", MEMBERS_MAX);
	struct llm_other *one = arena_alloc(w->mem, sizeof *one);
	if (!one)
		return -ENOMEM;
	*one = (struct llm_other){ .name = name, .json = json };
	*end = one;
	return 0;
}

struct str ant_take_text(struct ant_writing *w, struct buf *b)
{
	struct str s = b->failed ? STR_NONE : arena_dup(w->mem, buf_str(b));
	buf_done(b);
	return s;
}

const struct json *ant_parse(struct ant_writing *w, struct str text)
{
	struct json_error error;
	return text.n ? json_parse(w->mem, text, 0, &error) : NULL;
}

/* --- sorting --- */

static void set(struct str *to, struct str value)
{
	if (!to->p && value.p && !str_eq(value, STR("null")))
		*to = value;
}

/* A string is kept without its quotes. */
static int set_text(struct ant_writing *w, struct str *to, struct str json)
{
	const struct json *j = ant_parse(w, json);
	if (!json_is(j, JSON_STRING))
		return 0;
	struct str text = json_str(w->mem, j);
	set(to, text);
	return text.p ? 0 : -ENOMEM;
}

static int set_stop(struct ant_writing *w, struct str json)
{
	if (json.n && json.p[0] == '"')
		json = arena_printf(w->mem, "[" STR_FMT "]", STR_ARG(json));
	set(&w->stop, json);
	return json.p ? 0 : -ENOMEM;
}

/* Values that ask for nothing: what the default is anyway. */
static bool asks_for_nothing(struct ant_writing *w, struct str name, struct str json)
{
	static const struct str empty[] = {
		STR("null"), STR("false"), STR("{}"), STR("[]"), STR("[\"text\"]"), STR("\"\""),
	};
	double v;
	for (size_t i = 0; i < COUNT(empty); i++)
		if (str_eq(json, empty[i]))
			return true;
	if (json_read_double(ant_parse(w, json), &v) != 0 || str_eq(name, STR("seed")))
		return false;
	return v <= 0 ? v >= 0 : v <= 1 && (str_eq(name, STR("n")) || str_eq(name, STR("best_of")));
}

/* {"search_context_size", "user_location":{"type":"approximate","approximate":{...}}} */
static int set_search(struct ant_writing *w, struct str json)
{
	const struct json *j = ant_parse(w, json);
	const struct json *place = json_get_path(j, "user_location.approximate");
	struct str size = json_get_str(w->mem, j, "search_context_size");
	bool is_small = str_eq(size, STR("low")), is_large = str_eq(size, STR("high"));
	struct buf b;
	if (!json_is(j, JSON_OBJECT) || w->search.p)
		return 0;
	buf_init(&b, 6 * json.n + 256);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	json_put_z(&o, "type", "web_search_20250305");
	json_put_z(&o, "name", "web_search");
	json_put_u64(&o, "max_uses", is_small ? 1 : is_large ? 10 : 5);
	if (json_is(place, JSON_OBJECT)) {
		json_open(&o, "user_location");
		json_put_z(&o, "type", "approximate");
		for (const struct json *m = place->child; m; m = m->next)
			if (m->type == JSON_STRING && !str_eq(m->key, STR("type"))) {
				json_key(&o, m->key);
				json_put_raw(&o, NULL, m->raw);
			}
		json_close(&o);
	}
	json_close(&o);
	w->search = ant_take_text(w, &b);
	return w->search.p ? 0 : -ENOMEM;
}

static int sort_member(struct ant_writing *w, struct str name, struct str json)
{
	enum where where = TO_MEMBER;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_eq(rows[i].name, name))
			where = rows[i].where;
	switch (where) {
	case TO_MEMBER:
		return ant_add(w, name, json);
	case TO_LIMIT:
		set(&w->limit, json);
		return 0;
	case TO_TEMPERATURE:
		set(&w->temperature, json);
		return 0;
	case TO_TOP_P:
		set(&w->top_p, json);
		return 0;
	case TO_TOP_K:
		set(&w->top_k, json);
		return 0;
	case TO_STOP:
		return set_stop(w, json);
	case TO_EFFORT:
		return set_text(w, &w->effort, json);
	case TO_USER:
		return set_text(w, &w->user, json);
	case TO_TIER:
		return set_text(w, &w->tier, json);
	case TO_SEARCH:
		return set_search(w, json);
	case TO_NOWHERE:
		return 0;
	case TO_REFUSAL:
		return asks_for_nothing(w, name, json) ? 0 : ant_refuse_param(w, name);
	}
	return 0;
}

/* Whether the client has said in other words what a member is about. */
static bool is_said_already(const struct ant_writing *w, struct str name)
{
	if (str_eq(name, STR("thinking")) || str_eq(name, STR("output_config")))
		return w->q->reasoning_effort.p;
	if (str_eq(name, STR("stop_sequences")))
		return w->q->n_stop > 0;
	return str_eq(name, STR("metadata")) && w->q->user.p;
}

static int sort_params(struct ant_writing *w)
{
	const struct json *params = ant_parse(w, w->target->params);
	int err = 0;
	for (const struct json *j = json_is(params, JSON_OBJECT) ? params->child : NULL; j && !err;
	     j = j->next)
		if (!is_said_already(w, j->key))
			err = sort_member(w, j->key, j->raw);
	return err;
}

static int set_stops(struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	size_t bytes = 64;
	struct buf b;
	for (unsigned i = 0; i < q->n_stop; i++)
		bytes += 6 * q->stop[i].n + 3;
	if (!q->n_stop)
		return 0;
	buf_init(&b, bytes);
	struct json_out o = json_out(&b);
	json_open_array(&o, NULL);
	for (unsigned i = 0; i < q->n_stop; i++)
		json_put_str(&o, NULL, q->stop[i]);
	json_close_array(&o);
	w->stop = ant_take_text(w, &b);
	return w->stop.p ? 0 : -ENOMEM;
}

/* What the neutral form knows. */
static int sort_known(struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	const struct {
		struct str name, json;
	} refusable[] = {
		{ STR("seed"), q->seed },
		{ STR("presence_penalty"), q->presence_penalty },
		{ STR("frequency_penalty"), q->frequency_penalty },
	};
	int err = q->n > 1 ? ant_refuse_param(w, STR("n")) : 0;
	for (size_t i = 0; i < COUNT(refusable) && !err; i++)
		if (refusable[i].json.p)
			err = sort_member(w, refusable[i].name, refusable[i].json);
	if (!err && q->prompt_suffix.n)
		err = ant_refuse_param(w, STR("suffix"));
	if (err)
		return err;
	w->temperature = q->temperature;
	w->top_p = q->top_p;
	w->top_k = q->top_k;
	w->effort = q->reasoning_effort;
	w->user = q->user;
	if (q->max_tokens) {
		w->limit = arena_printf(w->mem, "%llu", (unsigned long long)q->max_tokens);
		err = w->limit.p ? 0 : -ENOMEM;
	}
	return err ? err : set_stops(w);
}

/* Members that the neutral form does not know are in their family's words. */
static int sort_others(struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	int err = 0;
	for (const struct llm_other *o = q->other; o && !err; o = o->next) {
		if (q->family == FAMILY_ANTHROPIC)
			err = ant_add(w, o->name, o->json);
		else if (q->family == FAMILY_OPENAI)
			err = sort_member(w, o->name, o->json);
	}
	return err;
}

/* The operator's own words for the body: nothing is made of them. */
static int add_extra(struct ant_writing *w)
{
	const struct json *extra = ant_parse(w, w->target->extra_body);
	int err = 0;
	for (const struct json *j = json_is(extra, JSON_OBJECT) ? extra->child : NULL; j && !err;
	     j = j->next)
		err = ant_add(w, j->key, j->raw);
	return err;
}

int ant_sort_members(struct ant_writing *w)
{
	int err = add_extra(w);
	if (!err)
		err = sort_known(w);
	if (!err)
		err = sort_others(w);
	if (!err)
		err = sort_params(w);
	return err ? err : ant_check_tools(w);
}
