/* SPDX-License-Identifier: MIT
 * gemini_params.c - parameters in OpenAI's words, LiteLLM's and Gemini's own, sorted to where
 * Gemini looks for them: generationConfig, or the top of the body. */
#include <errno.h>

#include "worker/gemini.h"

enum { MEMBERS_MAX = 256 };		/* of a list */

enum where {
	TO_CONFIG,
	TO_TOP,
	TO_CONFIG_MEMBERS,	/* an object: each of its members is one of generationConfig's */
	TO_STOP,		/* a string or an array */
	TO_EFFORT,		/* reasoning_effort */
	TO_THINKING,		/* Anthropic's thinking */
	TO_FORMAT,		/* response_format */
	TO_MODALITIES,
	TO_SEARCH,		/* web_search_options */
	TO_NOWHERE,		/* has no meaning here, and harms nobody */
	TO_REFUSAL		/* unless its value asks for nothing */
};
static const struct row {
	const char *name;	/* in either spelling */
	enum where where;
	const char *there;	/* its name there; NULL: the same */
} rows[] = {
	{ "temperature", TO_CONFIG, NULL },
	{ "topP", TO_CONFIG, NULL },
	{ "topK", TO_CONFIG, NULL },
	{ "seed", TO_CONFIG, NULL },
	{ "presencePenalty", TO_CONFIG, NULL },
	{ "frequencyPenalty", TO_CONFIG, NULL },
	{ "maxOutputTokens", TO_CONFIG, NULL },
	{ "maxTokens", TO_CONFIG, "maxOutputTokens" },
	{ "maxCompletionTokens", TO_CONFIG, "maxOutputTokens" },
	{ "candidateCount", TO_CONFIG, NULL },
	{ "stopSequences", TO_CONFIG, NULL },
	{ "responseMimeType", TO_CONFIG, NULL },
	{ "responseSchema", TO_CONFIG, NULL },
	{ "responseJsonSchema", TO_CONFIG, NULL },
	{ "responseModalities", TO_CONFIG, NULL },
	{ "speechConfig", TO_CONFIG, NULL },
	{ "mediaResolution", TO_CONFIG, NULL },
	{ "thinkingConfig", TO_CONFIG, NULL },
	{ "imageConfig", TO_CONFIG, NULL },
	{ "audioTimestamp", TO_CONFIG, NULL },
	{ "generationConfig", TO_CONFIG_MEMBERS, NULL },
	{ "safetySettings", TO_TOP, NULL },
	{ "cachedContent", TO_TOP, NULL },
	{ "toolConfig", TO_TOP, NULL },
	{ "labels", TO_TOP, NULL },
	{ "stop", TO_STOP, NULL },
	{ "reasoningEffort", TO_EFFORT, NULL },
	{ "thinking", TO_THINKING, NULL },
	{ "responseFormat", TO_FORMAT, NULL },
	{ "modalities", TO_MODALITIES, NULL },
	{ "webSearchOptions", TO_SEARCH, NULL },
	{ "n", TO_CONFIG, "candidateCount" },
	{ "model", TO_NOWHERE, NULL },
	{ "messages", TO_NOWHERE, NULL },
	{ "prompt", TO_NOWHERE, NULL },
	{ "input", TO_NOWHERE, NULL },
	{ "contents", TO_NOWHERE, NULL },
	{ "systemInstruction", TO_NOWHERE, NULL },
	{ "tools", TO_NOWHERE, NULL },
	{ "toolChoice", TO_NOWHERE, NULL },
	{ "parallelToolCalls", TO_NOWHERE, NULL },
	{ "stream", TO_NOWHERE, NULL },
	{ "streamOptions", TO_NOWHERE, NULL },
	{ "encodingFormat", TO_NOWHERE, NULL },
	{ "dimensions", TO_NOWHERE, NULL },
	{ "user", TO_NOWHERE, NULL },
	{ "metadata", TO_NOWHERE, NULL },
	{ "store", TO_NOWHERE, NULL },
	{ "serviceTier", TO_NOWHERE, NULL },
	{ "verbosity", TO_NOWHERE, NULL },
	{ "prediction", TO_NOWHERE, NULL },
	{ "moderation", TO_NOWHERE, NULL },
	{ "safetyIdentifier", TO_NOWHERE, NULL },
	{ "promptCacheKey", TO_NOWHERE, NULL },
	{ "promptCacheRetention", TO_NOWHERE, NULL },
	{ "promptCacheOptions", TO_NOWHERE, NULL },
};

/* --- lists --- */

const struct llm_other *gemini_find(const struct llm_other *list, struct str name)
{
	while (list && !str_eq(list->name, name))
		list = list->next;
	return list;
}

static int add(struct gemini_sorting *s, struct llm_other **list, struct str name, struct str json)
{
	size_t n = 0;
	if (!json.p || str_eq(json, STR("null")))
		return 0;
	name = gemini_camel(s->mem, name);
	if (!name.p)
		return -ENOMEM;
	for (; *list; list = &(*list)->next, n++)
		if (str_eq((*list)->name, name))
			return 0;
	if (n >= MEMBERS_MAX) {
		s->refused = s->refused.p ? s->refused : name;
		return 0;
	}
	struct llm_other *one = arena_alloc(s->mem, sizeof *one);
	if (!one)
		return -ENOMEM;
	*one = (struct llm_other){ .name = name, .json = json };
	*list = one;
	return 0;
}

int gemini_add_config(struct gemini_sorting *s, struct str name, struct str json)
{
	return add(s, &s->config, name, json);
}

int gemini_add_top(struct gemini_sorting *s, struct str name, struct str json)
{
	return add(s, &s->top, name, json);
}

/* No memory is told by s->err, which every sorting ends with. */
static const struct json *parse(struct gemini_sorting *s, struct str text)
{
	const struct json *j;
	int err = gemini_parse(s->mem, text, &j);
	s->err = err ? err : s->err;
	return j;
}

static int add_config_members(struct gemini_sorting *s, const struct json *object)
{
	int err = 0;
	const struct json *j = json_is(object, JSON_OBJECT) ? object->child : NULL;
	for (; j && !err; j = j->next)
		err = gemini_add_config(s, j->key, j->raw);
	return err;
}

/* --- what is said in other words --- */

static int add_stop(struct gemini_sorting *s, struct str json)
{
	if (json.n && json.p[0] == '"')
		json = arena_printf(s->mem, "[" STR_FMT "]", STR_ARG(json));
	return json.p ? gemini_add_config(s, STR("stopSequences"), json) : -ENOMEM;
}

static bool is_of(struct str model, const char *kind)
{
	return str_find(model, str_z(kind)) != SIZE_MAX;
}

/* The least that a model of the second generation can do. */
static unsigned least_budget(struct str model)
{
	return is_of(model, "flash-lite") ? 512 : is_of(model, "pro") ? 128 : 1;
}

static int add_level(struct gemini_sorting *s, struct str effort)
{
	static const struct {
		struct str effort;
		const char *level;
	} levels[] = {
		{ STR("none"), "MINIMAL" },  { STR("minimal"), "MINIMAL" }, { STR("low"), "LOW" },
		{ STR("medium"), "MEDIUM" }, { STR("high"), "HIGH" },	    { STR("xhigh"), "HIGH" },
		{ STR("max"), "HIGH" },
	};
	const char *level = NULL;
	for (size_t i = 0; i < COUNT(levels); i++)
		if (str_eq(effort, levels[i].effort))
			level = levels[i].level;
	if (!level)
		return 0;
	if (level[1] == 'I' && level[0] == 'M' && is_of(s->model, "pro"))
		level = "LOW";		/* the larger ones know no less */
	struct str json = arena_printf(s->mem, "{\"thinkingLevel\":\"%s\",\"includeThoughts\":%s}",
				       level, str_eq(effort, STR("none")) ? "false" : "true");
	return json.p ? gemini_add_config(s, STR("thinkingConfig"), json) : -ENOMEM;
}

static int add_budget(struct gemini_sorting *s, int64_t budget)
{
	struct str json = arena_printf(s->mem, "{\"thinkingBudget\":%lld,\"includeThoughts\":%s}",
				       (long long)budget, budget ? "true" : "false");
	return json.p ? gemini_add_config(s, STR("thinkingConfig"), json) : -ENOMEM;
}

int gemini_sort_effort(struct gemini_sorting *s, struct str effort)
{
	static const struct {
		struct str effort;
		unsigned budget;
	} budgets[] = {
		{ STR("low"), 1024 },	 { STR("medium"), 2048 }, { STR("high"), 4096 },
		{ STR("xhigh"), 8192 }, { STR("max"), 24576 },
	};
	if (!effort.n)
		return 0;
	if (gemini_is_third(s->model))	/* which has levels, not a budget */
		return add_level(s, effort);
	if (str_eq(effort, STR("none")))
		return add_budget(s, is_of(s->model, "pro") ? 128 : 0);
	if (str_eq(effort, STR("minimal")))
		return add_budget(s, least_budget(s->model));
	for (size_t i = 0; i < COUNT(budgets); i++)
		if (str_eq(effort, budgets[i].effort))
			return add_budget(s, budgets[i].budget);
	return add_budget(s, -1);	/* a word that is new: the model decides */
}

/* {"type":"enabled","budget_tokens":N}, "disabled" or "adaptive". */
static int add_thinking(struct gemini_sorting *s, const struct json *thinking)
{
	struct str type = json_get_str(s->mem, thinking, "type");
	int64_t budget = -1;
	if (str_eq(type, STR("disabled")))
		return add_budget(s, 0);
	if (!str_eq(type, STR("enabled")) && !str_eq(type, STR("adaptive")))
		return 0;
	if (json_read_i64(json_get(thinking, "budget_tokens"), &budget) != 0)
		budget = -1;
	return add_budget(s, budget);
}

static int add_schema(struct gemini_sorting *s, struct str schema)
{
	struct buf b;
	if (!schema.p)
		return 0;
	buf_init(&b, schema.n * 64 + 65536);
	int err = gemini_write_schema(s->mem, schema, &b);
	struct str json = err || b.failed ? STR_NONE : arena_dup(s->mem, buf_str(&b));
	buf_done(&b);
	if (err == -ENOENT || err == -EINVAL)
		return 0;		/* what cannot be told is left to the prompt */
	return json.p ? gemini_add_config(s, STR("responseSchema"), json) : -ENOMEM;
}

int gemini_sort_format(struct gemini_sorting *s, enum llm_format format, struct str schema)
{
	if (format != FORMAT_JSON && format != FORMAT_SCHEMA)
		return 0;
	int err = gemini_add_config(s, STR("responseMimeType"), STR("\"application/json\""));
	bool has_own = gemini_find(s->config, STR("responseSchema")) ||
		       gemini_find(s->config, STR("responseJsonSchema"));
	return err || has_own || format == FORMAT_JSON ? err : add_schema(s, schema);
}

static int add_format(struct gemini_sorting *s, const struct json *format)
{
	struct str type = json_get_str(s->mem, format, "type");
	const struct json *schema = json_get_path(format, "json_schema.schema");
	if (str_eq(type, STR("json_schema")))
		return gemini_sort_format(s, FORMAT_SCHEMA, schema ? schema->raw : STR_NONE);
	return gemini_sort_format(s, str_eq(type, STR("json_object")) ? FORMAT_JSON : FORMAT_TEXT,
				  STR_NONE);
}

/* ["text","image"] in capitals. */
static int add_modalities(struct gemini_sorting *s, struct str json)
{
	char *p = arena_alloc(s->mem, json.n);
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < json.n; i++)
		p[i] = (char)(json.p[i] >= 'a' && json.p[i] <= 'z' ? json.p[i] & ~0x20 : json.p[i]);
	return gemini_add_config(s, STR("responseModalities"), str_of(p, json.n));
}

/* --- sorting --- */

/* Values that ask for nothing: what the default is anyway. */
static bool asks_for_nothing(struct str json)
{
	static const struct str empty[] = {
		STR("null"), STR("false"), STR("0"), STR("1"), STR("{}"), STR("[]"),
	};
	for (size_t i = 0; i < COUNT(empty); i++)
		if (str_eq(json, empty[i]))
			return true;
	return false;
}

static int sort(struct gemini_sorting *s, const struct row *row, struct str name, struct str json)
{
	switch (row->where) {
	case TO_CONFIG:
		return gemini_add_config(s, row->there ? str_z(row->there) : name, json);
	case TO_TOP:
		return gemini_add_top(s, name, json);
	case TO_CONFIG_MEMBERS:
		return add_config_members(s, parse(s, json));
	case TO_STOP:
		return add_stop(s, json);
	case TO_EFFORT:
		return gemini_sort_effort(s, json_str(s->mem, parse(s, json)));
	case TO_THINKING:
		return add_thinking(s, parse(s, json));
	case TO_FORMAT:
		return add_format(s, parse(s, json));
	case TO_MODALITIES:
		return add_modalities(s, json);
	case TO_SEARCH:
		s->wants_search = true;
		return 0;
	case TO_NOWHERE:
		return 0;
	case TO_REFUSAL:
		if (!asks_for_nothing(json) && !s->refused.p)
			s->refused = name;
		return 0;
	}
	return 0;
}

int gemini_sort_member(struct gemini_sorting *s, struct str name, struct str json)
{
	static const struct row unknown = { "", TO_REFUSAL, NULL };
	const struct row *row = &unknown;
	for (size_t i = 0; i < COUNT(rows) && row == &unknown; i++)
		if (gemini_is(name, rows[i].name))
			row = &rows[i];
	int err = str_eq(json, STR("null")) ? 0 : sort(s, row, name, json);
	return err ? err : s->err;
}

int gemini_sort_object(struct gemini_sorting *s, struct str text)
{
	const struct json *object = parse(s, text);
	int err = 0;
	const struct json *j = json_is(object, JSON_OBJECT) ? object->child : NULL;
	for (; j && !err; j = j->next)
		err = gemini_sort_member(s, j->key, j->raw);
	return err ? err : s->err;
}

int gemini_sort_own(struct gemini_sorting *s, struct str text)
{
	const struct json *object = parse(s, text);
	int err = 0;
	const struct json *j = json_is(object, JSON_OBJECT) ? object->child : NULL;
	for (; j && !err; j = j->next)
		err = gemini_is(j->key, "generationConfig") ? add_config_members(s, j)
							    : gemini_add_top(s, j->key, j->raw);
	return err ? err : s->err;
}
