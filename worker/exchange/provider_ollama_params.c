/* SPDX-License-Identifier: MIT
 * provider_ollama_params.c - parameters in OpenAI's and in Ollama's words, sorted to where Ollama
 * looks for them: at the top of the body, or among its options.
 *
 * The deployment's extra_body wins over the client, the client over the deployment's params. */
#include <errno.h>

#include "worker/exchange/provider_ollama.h"

enum where {
	TO_TOP,
	TO_OPTION,
	TO_OPTIONS,		/* an object: each of its members is an option */
	TO_STOP,		/* a string or an array */
	TO_THINK,		/* reasoning_effort */
	TO_FORMAT,		/* response_format */
	TO_NOWHERE,		/* has no meaning here, and harms nobody */
	TO_REFUSAL		/* unless its value asks for nothing */
};
static const struct row {
	struct str name;
	enum where where;
	const char *option;	/* its name there; NULL: the same */
} rows[] = {
	{ STR("keep_alive"), TO_TOP, NULL },
	{ STR("think"), TO_TOP, NULL },
	{ STR("format"), TO_TOP, NULL },
	{ STR("truncate"), TO_TOP, NULL },
	{ STR("shift"), TO_TOP, NULL },
	{ STR("raw"), TO_TOP, NULL },
	{ STR("template"), TO_TOP, NULL },
	{ STR("system"), TO_TOP, NULL },
	{ STR("context"), TO_TOP, NULL },
	{ STR("options"), TO_OPTIONS, NULL },
	{ STR("max_tokens"), TO_OPTION, "num_predict" },
	{ STR("max_completion_tokens"), TO_OPTION, "num_predict" },
	{ STR("stop"), TO_STOP, NULL },
	{ STR("reasoning_effort"), TO_THINK, NULL },
	{ STR("response_format"), TO_FORMAT, NULL },
	{ STR("model"), TO_NOWHERE, NULL },
	{ STR("messages"), TO_NOWHERE, NULL },
	{ STR("prompt"), TO_NOWHERE, NULL },
	{ STR("input"), TO_NOWHERE, NULL },
	{ STR("tools"), TO_NOWHERE, NULL },
	{ STR("tool_choice"), TO_NOWHERE, NULL },
	{ STR("parallel_tool_calls"), TO_NOWHERE, NULL },
	{ STR("stream"), TO_NOWHERE, NULL },
	{ STR("stream_options"), TO_NOWHERE, NULL },
	{ STR("encoding_format"), TO_NOWHERE, NULL },
	{ STR("dimensions"), TO_NOWHERE, NULL },
	{ STR("user"), TO_NOWHERE, NULL },
	{ STR("metadata"), TO_NOWHERE, NULL },
	{ STR("store"), TO_NOWHERE, NULL },
	{ STR("service_tier"), TO_NOWHERE, NULL },
	{ STR("verbosity"), TO_NOWHERE, NULL },
	{ STR("prediction"), TO_NOWHERE, NULL },
	{ STR("moderation"), TO_NOWHERE, NULL },
	{ STR("safety_identifier"), TO_NOWHERE, NULL },
	{ STR("prompt_cache_key"), TO_NOWHERE, NULL },
	{ STR("prompt_cache_retention"), TO_NOWHERE, NULL },
	{ STR("prompt_cache_options"), TO_NOWHERE, NULL },
	{ STR("n"), TO_REFUSAL, NULL },
	{ STR("best_of"), TO_REFUSAL, NULL },
	{ STR("echo"), TO_REFUSAL, NULL },
	{ STR("logit_bias"), TO_REFUSAL, NULL },
	{ STR("logprobs"), TO_REFUSAL, NULL },
	{ STR("top_logprobs"), TO_REFUSAL, NULL },
	{ STR("modalities"), TO_REFUSAL, NULL },
	{ STR("audio"), TO_REFUSAL, NULL },
	{ STR("web_search_options"), TO_REFUSAL, NULL },
};

/* The first to come wins; null is nothing. */
static int add(struct ollama_writing *w, struct llm_other **list, struct str name, struct str json)
{
	if (!json.p || str_eq(json, STR("null")))
		return 0;
	for (; *list; list = &(*list)->next)
		if (str_eq((*list)->name, name))
			return 0;
	struct llm_other *one = arena_alloc(w->mem, sizeof *one);
	if (!one)
		return -ENOMEM;
	*one = (struct llm_other){ .name = name, .json = json };
	*list = one;
	return 0;
}

static const struct json *parse(struct ollama_writing *w, struct str text)
{
	struct json_error error;
	return text.n ? json_parse(w->mem, text, 0, &error) : NULL;
}

static int add_options(struct ollama_writing *w, const struct json *object)
{
	int err = 0;
	if (!json_is(object, JSON_OBJECT))
		return 0;
	for (const struct json *j = object->child; j && !err; j = j->next)
		err = add(w, &w->options, j->key, j->raw);
	return err;
}

static int add_stop(struct ollama_writing *w, struct str json)
{
	if (json.n && json.p[0] == '"')
		json = arena_printf(w->mem, "[" STR_FMT "]", STR_ARG(json));
	return json.p ? add(w, &w->options, STR("stop"), json) : -ENOMEM;
}

static int add_think(struct ollama_writing *w, struct str effort)
{
	static const struct {
		struct str effort, think;
	} levels[] = {
		{ STR("none"), STR("false") },	    { STR("minimal"), STR("\"low\"") },
		{ STR("low"), STR("\"low\"") },	    { STR("medium"), STR("\"medium\"") },
		{ STR("high"), STR("\"high\"") },   { STR("xhigh"), STR("\"max\"") },
		{ STR("max"), STR("\"max\"") },
	};
	if (!effort.p)
		return 0;
	for (size_t i = 0; i < COUNT(levels); i++)
		if (str_eq(effort, levels[i].effort))
			return add(w, &w->top, STR("think"), levels[i].think);
	return add(w, &w->top, STR("think"), STR("true"));
}

static int add_format(struct ollama_writing *w, const struct json *format)
{
	struct str type = json_get_str(w->mem, format, "type");
	const struct json *schema = json_get_path(format, "json_schema.schema");
	if (str_eq(type, STR("json_schema")) && schema)
		return add(w, &w->top, STR("format"), schema->raw);
	if (str_eq(type, STR("json_object")) || str_eq(type, STR("json_schema")))
		return add(w, &w->top, STR("format"), STR("\"json\""));
	return 0;
}

/* Values that ask for nothing: what the default is anyway. */
static bool asks_for_nothing(struct str json)
{
	static const struct str empty[] = {
		STR("null"), STR("false"), STR("0"), STR("1"), STR("{}"), STR("[]"),
		STR("[\"text\"]"),
	};
	for (size_t i = 0; i < COUNT(empty); i++)
		if (str_eq(json, empty[i]))
			return true;
	return false;
}

static int refuse_param(struct ollama_writing *w, struct str name)
{
	char z[64];
	size_t n = name.n < sizeof z - 1 ? name.n : sizeof z - 1;
	if (w->target->drop_params || w->q->drop_params)
		return 0;
	memcpy(z, name.p, n);
	z[n] = '\0';
	return ollama_refuse(w, OUTCOME_UNSUPPORTED_PARAM, z,
			     "ollama does not support the parameter %s; drop_params drops it", z);
}

static int sort_member(struct ollama_writing *w, struct str name, struct str json)
{
	static const struct row unknown = { STR(""), TO_OPTION, NULL };
	const struct row *row = &unknown;
	for (size_t i = 0; i < COUNT(rows) && row == &unknown; i++)
		if (str_eq(rows[i].name, name))
			row = &rows[i];
	switch (row->where) {
	case TO_TOP:
		return add(w, &w->top, name, json);
	case TO_OPTION:
		return add(w, &w->options, row->option ? str_z(row->option) : name, json);
	case TO_OPTIONS:
		return add_options(w, parse(w, json));
	case TO_STOP:
		return add_stop(w, json);
	case TO_THINK:
		return add_think(w, json_str(w->mem, parse(w, json)));
	case TO_FORMAT:
		return add_format(w, parse(w, json));
	case TO_NOWHERE:
		return 0;
	case TO_REFUSAL:
		return asks_for_nothing(json) ? 0 : refuse_param(w, name);
	}
	return 0;
}

static int sort_object(struct ollama_writing *w, struct str text)
{
	const struct json *object = parse(w, text);
	int err = 0;
	for (const struct json *j = json_is(object, JSON_OBJECT) ? object->child : NULL; j && !err;
	     j = j->next)
		err = sort_member(w, j->key, j->raw);
	return err;
}

/* --- what the neutral form knows --- */

static int add_stops(struct ollama_writing *w)
{
	const struct llm_request *q = w->q;
	struct buf b;
	if (!q->n_stop)
		return 0;
	buf_init(&b, 1 << 20);
	struct json_out o = json_out(&b);
	json_open_array(&o, NULL);
	for (unsigned i = 0; i < q->n_stop; i++)
		json_put_str(&o, NULL, q->stop[i]);
	json_close_array(&o);
	struct str json = b.failed ? STR_NONE : arena_dup(w->mem, buf_str(&b));
	buf_done(&b);
	return json.p ? add(w, &w->options, STR("stop"), json) : -ENOMEM;
}

static int add_own_format(struct ollama_writing *w)
{
	const struct llm_request *q = w->q;
	if (q->format == FORMAT_SCHEMA && q->format_schema.p)
		return add(w, &w->top, STR("format"), q->format_schema);
	if (q->format == FORMAT_JSON || q->format == FORMAT_SCHEMA)
		return add(w, &w->top, STR("format"), STR("\"json\""));
	return 0;
}

static int add_numbers(struct ollama_writing *w)
{
	const struct llm_request *q = w->q;
	const struct {
		const char *name;
		struct str number;
	} numbers[] = {
		{ "temperature", q->temperature },
		{ "top_p", q->top_p },
		{ "top_k", q->top_k },
		{ "seed", q->seed },
		{ "presence_penalty", q->presence_penalty },
		{ "frequency_penalty", q->frequency_penalty },
	};
	int err = 0;
	for (size_t i = 0; i < COUNT(numbers) && !err; i++)
		err = add(w, &w->options, str_z(numbers[i].name), numbers[i].number);
	if (!err && q->max_tokens) {
		struct str n = arena_printf(w->mem, "%llu", (unsigned long long)q->max_tokens);
		err = n.p ? add(w, &w->options, STR("num_predict"), n) : -ENOMEM;
	}
	return err;
}

static int check_tools(struct ollama_writing *w)
{
	bool is_openai = w->q->family == FAMILY_OPENAI;
	int err = 0;
	for (const struct llm_tool *t = w->q->tools; t && !err; t = t->next)
		if (t->kind == TOOL_CUSTOM || (t->kind == TOOL_OTHER && is_openai))
			err = refuse_param(w, STR("tools"));
	return err;
}

/* Members that the neutral form does not know are in their family's words; those of Ollama's own
 * stand where its client had them. */
static int sort_others(struct ollama_writing *w)
{
	static const struct str option = STR("options.");
	int err = 0;
	for (const struct llm_other *o = w->q->other; o && !err; o = o->next) {
		if (w->q->family == FAMILY_OPENAI)
			err = sort_member(w, o->name, o->json);
		else if (w->q->family != FAMILY_OLLAMA_CHAT)
			continue;
		else if (str_starts(o->name, option))
			err = add(w, &w->options, str_skip(o->name, option.n), o->json);
		else
			err = add(w, &w->top, o->name, o->json);
	}
	return err;
}

/* The operator's own words for the body: nothing is made of them. */
static int add_extra(struct ollama_writing *w)
{
	const struct json *extra = parse(w, w->target->extra_body);
	int err = 0;
	for (const struct json *j = json_is(extra, JSON_OBJECT) ? extra->child : NULL; j && !err;
	     j = j->next)
		err = str_eq(j->key, STR("options")) ? add_options(w, j)
						      : add(w, &w->top, j->key, j->raw);
	return err;
}

int ollama_sort_members(struct ollama_writing *w)
{
	const struct llm_request *q = w->q;
	int err = add_extra(w);
	if (!err && q->n > 1)
		err = refuse_param(w, STR("n"));
	if (!err)
		err = check_tools(w);
	if (!err)
		err = add_numbers(w);
	if (!err)
		err = add_stops(w);
	if (!err)
		err = add_own_format(w);
	if (!err && q->family == FAMILY_OPENAI)
		err = add_think(w, q->reasoning_effort);
	if (!err)
		err = sort_others(w);
	if (!err)			/* Ollama's own word says it more exactly */
		err = add_think(w, q->reasoning_effort);
	return err ? err : sort_object(w, w->target->params);
}
