/* SPDX-License-Identifier: MIT
 * dialect_gemini_tools.c - functions that may be called, and which of them. What Google runs
 * itself is a tool of its own, one for each member. */
#include <errno.h>

#include "worker/client/dialect_gemini.h"

static struct llm_tool *add_tool(struct oai_reading *r, struct llm_tool ***end)
{
	struct llm_tool *t = arena_alloc(r->mem, sizeof *t);
	if (t) {
		**end = t;
		*end = &t->next;
	}
	return t;
}

static int read_parameters(struct oai_reading *r, const struct place *at, const struct json *j,
			   void *to)
{
	struct str *schema = to;
	const struct json *object;
	int err = oai_read_object(r, at, j, &object);
	if (err)
		return err;
	*schema = gemini_read_schema(r->mem, object);
	return schema->p ? 0 : -ENOMEM;
}

static int read_json_schema(struct oai_reading *r, const struct place *at, const struct json *j,
			    void *to)
{
	struct str *schema = to;
	const struct json *object;
	int err = oai_read_object(r, at, j, &object);
	if (!err)
		*schema = j->raw;
	return err;
}

static int read_function(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	struct llm_tool *t = add_tool(r, to);
	if (t)
		t->raw = j;
	int err = t ? gem_required(r, at, j, "name", oai_read_string, &t->name) : -ENOMEM;
	if (!err)
		err = gem_optional(r, at, j, "description", oai_read_string, &t->description);
	if (!err)
		err = gem_optional(r, at, j, "parameters", read_parameters, &t->schema);
	if (!err)
		err = gem_optional(r, at, j, "parametersJsonSchema", read_json_schema, &t->schema);
	if (!err)
		r->q->prompt_bytes += t->name.n + t->description.n + t->schema.n;
	return err;
}

static int add_own(struct oai_reading *r, const struct json *j, struct llm_tool ***end)
{
	struct llm_tool *t = add_tool(r, end);
	struct buf b;
	if (!t)
		return -ENOMEM;
	buf_init(&b, j->raw.n + 6 * j->key.n + 16);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	json_key(&o, j->key);
	json_put_raw(&o, NULL, j->raw);
	json_close(&o);
	t->kind = TOOL_OTHER;
	t->name = j->key;
	t->schema = b.failed ? STR_NONE : arena_dup(r->mem, buf_str(&b));
	buf_done(&b);
	if (!t->schema.p)
		return -ENOMEM;
	r->q->prompt_bytes += j->key.n + j->raw.n;
	return 0;
}

static int read_tool(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct place in = { .up = at, .name = "functionDeclarations" };
	int err = j->type == JSON_OBJECT ? 0 : oai_refuse_type(r, at, "an object", j);
	for (j = err ? NULL : j->child; j && !err; j = j->next) {
		if (!json_is_given(j))
			continue;
		err = gemini_is(j->key, in.name) ? gem_read_each(r, &in, j, read_function, to)
						 : add_own(r, j, to);
	}
	return err;
}

int gem_read_tools(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct llm_tool **end = to;
	while (*end)
		end = &(*end)->next;
	return gem_read_each(r, at, j, read_tool, &end);
}

/* --- the choice among them --- */

static int read_mode(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	static const struct {
		struct str word;
		enum llm_tool_choice choice;
	} modes[] = {
		{ STR("MODE_UNSPECIFIED"), CHOICE_UNSET }, { STR("AUTO"), CHOICE_AUTO },
		{ STR("NONE"), CHOICE_NONE },		   { STR("ANY"), CHOICE_REQUIRED },
		{ STR("VALIDATED"), CHOICE_AUTO },
	};
	struct str word;
	int err = oai_read_string(r, at, j, &word);
	(void)to;
	for (size_t i = 0; i < COUNT(modes) && !err; i++) {
		if (!str_eq_nocase(word, modes[i].word))
			continue;
		r->q->tool_choice = modes[i].choice;
		return 0;
	}
	if (err)
		return err;
	return oai_refuse(r, at, "must be \"AUTO\", \"ANY\", \"VALIDATED\" or \"NONE\"");
}

/* One name that must be called is the choice; several are any. */
static int read_names(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct place in = { .up = at };
	struct str name = STR_NONE;
	int err = j->type == JSON_ARRAY ? 0 : oai_refuse_type(r, at, "an array", j);
	(void)to;
	for (const struct json *one = err ? NULL : j->child; one && !err; one = one->next) {
		err = oai_read_string(r, &in, one, &name);
		in.index++;
	}
	if (err || j->count != 1 || r->q->tool_choice != CHOICE_REQUIRED)
		return err;
	r->q->tool_choice = CHOICE_NAMED;
	r->q->tool_choice_name = name;
	return 0;
}

/* Whether the neutral words say it all. */
static bool is_said(const struct llm_request *q, const struct json *config,
		    const struct json *calling)
{
	struct str mode = STR_NONE;
	const struct json *j = gemini_get(calling, "mode");
	size_t names = 0;
	if (json_is(j, JSON_STRING))
		mode = str_of(j->raw.p + 1, j->raw.n - 2);
	gemini_first(gemini_get(calling, "allowedFunctionNames"), &names);
	return config->count == 1 && calling && !str_eq_nocase(mode, STR("VALIDATED")) &&
	       calling->count == (names ? 2u : 1u) && (!names || q->tool_choice == CHOICE_NAMED);
}

int gem_read_tool_config(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct place in = { .up = at, .name = "functionCallingConfig" };
	const struct json *config, *calling = gemini_get(j, in.name);
	int err = oai_read_object(r, at, j, &config);
	(void)to;
	if (!err && json_is_given(calling))
		err = oai_read_object(r, &in, calling, &calling);
	if (!err)
		err = gem_optional(r, &in, calling, "mode", read_mode, NULL);
	if (!err)
		err = gem_optional(r, &in, calling, "allowedFunctionNames", read_names, NULL);
	if (err || is_said(r->q, config, calling))
		return err;
	return oai_add_other(r, "", STR("toolConfig"), j->raw);
}
