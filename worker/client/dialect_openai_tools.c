/* SPDX-License-Identifier: MIT
 * dialect_openai_tools.c - tools, the choice among them, and the format of an answer, as chat
 * requests give them. What only a vendor knows is kept as it came. */
#include <errno.h>

#include "worker/client/dialect_openai.h"

static int require_name(struct oai_reading *r, const struct place *up, const struct json *object,
			struct str *ret)
{
	struct place at = { .up = up, .name = "name" };
	if (!json_is_given(json_get(object, "name")))
		return oai_refuse(r, &at, "is missing");
	return oai_optional(r, up, object, "name", oai_read_string, ret);
}

static int read_function(struct oai_reading *r, const struct place *at, const struct json *j,
			 struct llm_tool *t)
{
	const struct json *schema = NULL;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = require_name(r, at, j, &t->name);
	if (!err)
		err = oai_optional(r, at, j, "description", oai_read_string, &t->description);
	if (!err)
		err = oai_optional(r, at, j, "parameters", oai_read_object, &schema);
	if (!err)
		err = oai_optional(r, at, j, "strict", oai_read_flag, &t->strict);
	t->schema = schema ? schema->raw : STR_NONE;
	return err;
}

static int read_custom(struct oai_reading *r, const struct place *at, const struct json *j,
		       struct llm_tool *t)
{
	const struct json *format = NULL;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	t->kind = TOOL_CUSTOM;
	int err = require_name(r, at, j, &t->name);
	if (!err)
		err = oai_optional(r, at, j, "description", oai_read_string, &t->description);
	if (!err)
		err = oai_optional(r, at, j, "format", oai_read_object, &format);
	t->schema = format ? format->raw : STR_NONE;
	return err;
}

static int read_tool(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct llm_tool *t)
{
	struct place in = { .up = at, .name = "type" };
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	if (!json_is_given(json_get(j, "type")))
		return oai_refuse(r, &in, "is missing");
	t->raw = j;
	struct str type;
	int err = oai_read_string(r, &in, json_get(j, "type"), &type);
	if (err)
		return err;
	bool is_custom = str_eq(type, STR("custom"));
	if (!is_custom && !str_eq(type, STR("function"))) {
		t->kind = TOOL_OTHER;
		t->name = type;
		t->schema = j->raw;
		return 0;
	}
	in.name = is_custom ? "custom" : "function";
	const struct json *body = json_get(j, in.name);
	if (!json_is_given(body))
		return oai_refuse(r, &in, "is missing");
	return is_custom ? read_custom(r, &in, body, t) : read_function(r, &in, body, t);
}

typedef int tool_fn(struct oai_reading *r, const struct place *at, const struct json *j,
		    struct llm_tool *t);

static int read_list(struct oai_reading *r, const struct place *at, const struct json *j,
		     tool_fn *read, struct llm_tool **end)
{
	struct place in = { .up = at };
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	while (*end)
		end = &(*end)->next;
	for (const struct json *one = j->child; one; one = one->next, in.index++) {
		struct llm_tool *t = arena_alloc(r->mem, sizeof *t);
		int err = t ? read(r, &in, one, t) : -ENOMEM;
		if (err)
			return err;
		*end = t;
		end = &t->next;
		r->q->prompt_bytes += t->name.n + t->description.n + t->schema.n;
	}
	return 0;
}

int oai_read_tools(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	return read_list(r, at, j, read_tool, to);
}

int oai_read_functions(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	r->q->uses_functions = true;
	return read_list(r, at, j, read_function, to);
}

static int read_choice_word(struct oai_reading *r, const struct place *at, const struct json *j)
{
	static const struct {
		struct str name;
		enum llm_tool_choice choice;
	} choices[] = {
		{ STR("auto"), CHOICE_AUTO },
		{ STR("none"), CHOICE_NONE },
		{ STR("required"), CHOICE_REQUIRED },
		{ STR("any"), CHOICE_REQUIRED },	/* Mistral's word */
	};
	struct str word = json_str(r->mem, j);
	for (size_t i = 0; i < COUNT(choices); i++) {
		if (str_eq(word, choices[i].name)) {
			r->q->tool_choice = choices[i].choice;
			r->q->tool_choice_name = STR_NONE;
			return 0;
		}
	}
	return word.p ? oai_refuse(r, at, "must be \"none\", \"auto\", \"required\" or an object")
		      : -ENOMEM;
}

static int read_named(struct oai_reading *r, const struct place *at, const struct json *j)
{
	r->q->tool_choice = CHOICE_NAMED;
	return require_name(r, at, j, &r->q->tool_choice_name);
}

int oai_read_tool_choice(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct place in = { .up = at, .name = "function" };
	if (j->type == JSON_STRING)
		return read_choice_word(r, at, j);
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "a string or an object", j);
	const struct json *function = json_get(j, "function");
	if (!json_is_given(function)) {
		in.name = "custom";
		function = json_get(j, "custom");
	}
	if (!json_is_given(function))		/* allowed_tools, and what vendors have */
		return oai_other_object(r, at, j, to);
	if (function->type != JSON_OBJECT)
		return oai_refuse_type(r, &in, "an object", function);
	return read_named(r, &in, function);
}

int oai_read_parallel(struct oai_reading *r, const struct place *at, const struct json *j,
		      void *to)
{
	r->q->has_parallel_tool_calls = true;
	return oai_read_flag(r, at, j, to);
}

/* The old function_call: "auto", "none" or {"name": ...}. The new form wins over it. */
int oai_read_function_choice(struct oai_reading *r, const struct place *at, const struct json *j,
			     void *to)
{
	(void)to;
	if (json_is_given(json_get(r->q->root, "tool_choice")))
		return 0;
	if (j->type == JSON_STRING)
		return read_choice_word(r, at, j);
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "a string or an object", j);
	return read_named(r, at, j);
}

static int read_schema(struct oai_reading *r, const struct place *up, const struct json *format)
{
	struct place at = { .up = up, .name = "json_schema" };
	const struct json *j = json_get(format, "json_schema"), *schema = NULL;
	struct llm_request *q = r->q;
	if (!json_is_given(j))
		return oai_refuse(r, &at, "is missing");
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, &at, "an object", j);
	int err = oai_optional(r, &at, j, "name", oai_read_string, &q->format_name);
	if (!err)
		err = oai_optional(r, &at, j, "description", oai_read_string,
				  &q->format_description);
	if (!err)
		err = oai_optional(r, &at, j, "strict", oai_read_flag, &q->format_strict);
	if (!err)
		err = oai_optional(r, &at, j, "schema", oai_read_object, &schema);
	q->format = FORMAT_SCHEMA;
	if (!q->format_name.p)
		q->format_name = STR("answer");	/* OpenAI wants one */
	q->format_schema = schema ? schema->raw : STR_NONE;
	q->prompt_bytes += q->format_schema.n;
	return err;
}

int oai_read_format(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct place in = { .up = at, .name = "type" };
	struct str type;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	if (!json_is_given(json_get(j, "type")))
		return oai_refuse(r, &in, "is missing");
	int err = oai_read_string(r, &in, json_get(j, "type"), &type);
	if (err)
		return err;
	if (str_eq(type, STR("json_schema")))
		return read_schema(r, at, j);
	if (str_eq(type, STR("json_object")))
		r->q->format = FORMAT_JSON;
	else if (str_eq(type, STR("text")))
		r->q->format = FORMAT_TEXT;
	else
		return oai_other_object(r, at, j, to);
	return 0;
}
