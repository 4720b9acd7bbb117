/* SPDX-License-Identifier: MIT
 * dialect_gemini_request.c - the members of a generateContent body, by table.
 *
 * What is said of thinking, or of the functions that may be called, is told in neutral words and
 * travels along as it came, too, where the words do not say it all. */
#include <errno.h>

#include "worker/client/dialect_gemini.h"

enum { CHOICES_MAX = 128, EFFORT_LOW_BELOW = 2048, EFFORT_MEDIUM_BELOW = 4096 };

int gem_optional(struct oai_reading *r, const struct place *up, const struct json *object,
		 const char *name, oai_read_fn *read, void *ret)
{
	struct place at = { .up = up, .name = name };
	const struct json *j = gemini_get(object, name);
	return json_is_given(j) ? read(r, &at, j, ret) : 0;
}

int gem_required(struct oai_reading *r, const struct place *up, const struct json *object,
		 const char *name, oai_read_fn *read, void *ret)
{
	struct place at = { .up = up, .name = name };
	const struct json *j = gemini_get(object, name);
	return json_is_given(j) ? read(r, &at, j, ret) : oai_refuse(r, &at, "is missing");
}

int gem_read_each(struct oai_reading *r, const struct place *at, const struct json *list,
		  oai_read_fn *read, void *to)
{
	struct place in = { .up = at };
	int err = 0;
	if (list->type == JSON_OBJECT)
		return read(r, at, list, to);
	if (list->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", list);
	for (const struct json *j = list->child; j && !err; j = j->next, in.index++)
		err = read(r, &in, j, to);
	return err;
}

/* --- generationConfig --- */

static int read_choices(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	uint64_t v = 0;
	int err = oai_read_count(r, at, j, &v);
	if (!err && (v < 1 || v > CHOICES_MAX))
		return oai_refuse(r, at, "must be between 1 and %d", CHOICES_MAX);
	if (!err)
		*(uint64_t *)to = v;
	return err;
}

static int read_stop(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct llm_request *q = r->q;
	struct place in = { .up = at };
	int err = 0;
	(void)to;
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	if (j->count > LLM_STOP_MAX)
		return oai_refuse(r, at, "must not hold more than %d strings", LLM_STOP_MAX);
	q->n_stop = 0;
	for (const struct json *one = j->child; one && !err; one = one->next, in.index++) {
		err = oai_read_string(r, &in, one, &q->stop[q->n_stop]);
		q->n_stop += !err;
	}
	return err;
}

static int read_mime(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct str mime;
	int err = oai_read_string(r, at, j, &mime);
	(void)to;
	if (err || str_eq(mime, STR("text/plain")))
		return err;
	if (!str_eq(mime, STR("application/json")))
		return oai_add_other(r, "generationConfig.", STR("responseMimeType"), j->raw);
	if (r->q->format != FORMAT_SCHEMA)
		r->q->format = FORMAT_JSON;
	return 0;
}

static int take_schema(struct oai_reading *r, struct str schema)
{
	struct llm_request *q = r->q;
	q->format = FORMAT_SCHEMA;
	q->format_name = STR("answer");		/* OpenAI wants one */
	q->format_schema = schema;
	q->prompt_bytes += schema.n;
	return schema.p ? 0 : -ENOMEM;
}

static int read_schema(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	const struct json *schema;
	int err = oai_read_object(r, at, j, &schema);
	(void)to;
	return err ? err : take_schema(r, gemini_read_schema(r->mem, schema));
}

static int read_json_schema(struct oai_reading *r, const struct place *at, const struct json *j,
			    void *to)
{
	const struct json *schema;
	int err = oai_read_object(r, at, j, &schema);
	(void)to;
	return err ? err : take_schema(r, schema->raw);
}

/* A level is a word that others know, too; a budget is made one. */
static int read_thinking(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	static const struct str levels[] = { STR("minimal"), STR("low"), STR("medium"),
					     STR("high") };
	const struct json *config;
	struct str *effort = &r->q->reasoning_effort, word = STR_NONE, number = STR_NONE;
	int64_t budget = -1;
	bool is_shown;
	int err = oai_read_object(r, at, j, &config);
	(void)to;
	if (!err)
		err = gem_optional(r, at, config, "thinkingLevel", oai_read_string, &word);
	if (!err)
		err = gem_optional(r, at, config, "thinkingBudget", oai_read_number, &number);
	if (!err)
		err = gem_optional(r, at, config, "includeThoughts", oai_read_flag, &is_shown);
	if (err)
		return err;
	for (size_t i = 0; i < COUNT(levels); i++)
		if (str_eq_nocase(word, levels[i]))
			*effort = levels[i];
	if (!effort->p && json_read_i64(gemini_get(config, "thinkingBudget"), &budget) == 0 && budget >= 0)
		*effort = budget == 0			     ? STR("none")
			  : budget < EFFORT_LOW_BELOW    ? STR("low")
			  : budget < EFFORT_MEDIUM_BELOW ? STR("medium")
							     : STR("high");
	return oai_add_other(r, "generationConfig.", STR("thinkingConfig"), j->raw);
}

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param config_params[] = {
	{ "temperature", oai_read_number, TO(temperature) },
	{ "topP", oai_read_number, TO(top_p) },
	{ "topK", oai_read_number, TO(top_k) },
	{ "seed", oai_read_number, TO(seed) },
	{ "presencePenalty", oai_read_number, TO(presence_penalty) },
	{ "frequencyPenalty", oai_read_number, TO(frequency_penalty) },
	{ "maxOutputTokens", oai_read_most, TO(max_tokens) },
	{ "candidateCount", read_choices, TO(n) },
	{ "stopSequences", read_stop, 0 },
	{ "responseMimeType", read_mime, 0 },
	{ "responseSchema", read_schema, 0 },
	{ "responseJsonSchema", read_json_schema, 0 },
	{ "thinkingConfig", read_thinking, 0 },
	{ NULL, NULL, 0 },
};

/* A name in both spellings is one that two readers could understand in two ways. */
static int read_config_member(struct oai_reading *r, const struct place *up,
			      const struct json *j, uint32_t *seen)
{
	struct place at = { .up = up };
	for (size_t i = 0; config_params[i].name; i++) {
		const struct oai_param *p = &config_params[i];
		if (!gemini_is(j->key, p->name))
			continue;
		at.name = p->name;
		if (*seen & UINT32_C(1) << i)
			return oai_refuse(r, &at, "is given twice");
		*seen |= UINT32_C(1) << i;
		return json_is_given(j) ? p->read(r, &at, j, (char *)r->q + p->to) : 0;
	}
	return json_is_given(j) ? oai_add_other(r, "generationConfig.", j->key, j->raw) : 0;
}

static int read_config(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	uint32_t seen = 0;
	int err = j->type == JSON_OBJECT ? 0 : oai_refuse_type(r, at, "an object", j);
	_Static_assert(COUNT(config_params) <= 32, "a bit for each");
	(void)to;
	for (j = err ? NULL : j->child; j && !err; j = j->next)
		err = read_config_member(r, at, j, &seen);
	return err;
}

/* --- the body --- */

/* Both spellings, of which a body may have one. */
static const struct oai_param params[] = {
	{ "contents", gem_read_contents, 0 },
	{ "systemInstruction", gem_read_system, 0 },
	{ "system_instruction", gem_read_system, 0 },
	{ "tools", gem_read_tools, TO(tools) },
	{ "toolConfig", gem_read_tool_config, 0 },
	{ "tool_config", gem_read_tool_config, 0 },
	{ "generationConfig", read_config, 0 },
	{ "generation_config", read_config, 0 },
	{ NULL, NULL, 0 },
};

static int check_spellings(struct oai_reading *r, const struct json *root)
{
	static const char *const names[] = { "systemInstruction", "toolConfig",
					     "generationConfig" };
	for (size_t i = 0; i < COUNT(names); i++) {
		struct place at = { .name = names[i] };
		unsigned n = 0;
		for (const struct json *j = root->child; j; j = j->next)
			n += gemini_is(j->key, names[i]);
		if (n > 1)
			return oai_refuse(r, &at, "is given twice");
	}
	return 0;
}

int gem_read_request(struct arena *a, struct str body, const struct json *root, bool is_stream,
		     struct llm_request *ret, struct dialect_error *reterr)
{
	static const struct place contents = { .name = "contents" };
	struct gem_reading g = { 0 };
	oai_begin(&g.r, a, body, root, LLM_CHAT, ret, reterr);
	ret->family = FAMILY_GEMINI;
	int err = check_spellings(&g.r, root);
	if (!err)
		err = oai_read_members(&g.r, root, params);
	ret->is_stream = is_stream;
	ret->wants_usage = is_stream;
	if (!err && !json_is_given(gemini_get(root, "contents")))
		return oai_refuse(&g.r, &contents, "is missing");
	return err;
}

int gemini_count_tokens(struct arena *a, struct str body, const struct json *root,
			struct llm_request *ret, struct buf *out, struct dialect_error *reterr)
{
	const struct json *inner = gemini_get(root, "generateContentRequest");
	struct json_out o = json_out(out);
	if (json_is(inner, JSON_OBJECT))
		root = inner;
	int err = gem_read_request(a, body, root, false, ret, reterr);
	if (err)
		return err;
	json_open(&o, NULL);
	json_put_u64(&o, "totalTokens", estimate_prompt(ret));
	json_close(&o);
	return out->failed ? -ENOMEM : 0;
}
