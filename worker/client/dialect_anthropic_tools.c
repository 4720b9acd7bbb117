/* SPDX-License-Identifier: MIT
 * dialect_anthropic_tools.c - tools, and the choice among them. Tools that the vendor runs or has
 * taught its models carry a type of their own, and are kept as they came. */
#include <errno.h>

#include "worker/client/dialect_anthropic.h"

static int read_function(struct oai_reading *r, const struct place *at, const struct json *j,
			 struct llm_tool *t)
{
	const struct json *schema = NULL;
	int err = oai_required(r, at, j, "name", oai_read_string, &t->name);
	if (!err)
		err = oai_optional(r, at, j, "description", oai_read_string, &t->description);
	if (!err)
		err = oai_required(r, at, j, "input_schema", oai_read_object, &schema);
	if (!err)
		err = oai_optional(r, at, j, "strict", oai_read_flag, &t->strict);
	if (!err)
		t->schema = schema->raw;
	return err;
}

static int read_tool(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct llm_tool *t)
{
	struct str type = STR("custom");
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	t->raw = j;
	int err = oai_optional(r, at, j, "type", oai_read_string, &type);
	if (err || str_eq(type, STR("custom")))
		return err ? err : read_function(r, at, j, t);
	t->kind = TOOL_OTHER;
	t->name = type;
	t->schema = j->raw;
	return 0;
}

int ant_read_tools(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct place in = { .up = at };
	struct llm_tool **end = to;
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	for (const struct json *one = j->child; one; one = one->next, in.index++) {
		struct llm_tool *t = arena_alloc(r->mem, sizeof *t);
		int err = t ? read_tool(r, &in, one, t) : -ENOMEM;
		if (err)
			return err;
		*end = t;
		end = &t->next;
		r->q->prompt_bytes += t->name.n + t->description.n + t->schema.n;
	}
	return 0;
}

static const struct {
	struct str type;
	enum llm_tool_choice choice;
} choices[] = {
	{ STR("auto"), CHOICE_AUTO },
	{ STR("any"), CHOICE_REQUIRED },
	{ STR("tool"), CHOICE_NAMED },
	{ STR("none"), CHOICE_NONE },
};

/* Only "not in parallel" is a wish; the other is what models do. */
static int read_parallel(struct oai_reading *r, const struct place *at, const struct json *j)
{
	bool is_disabled = false;
	int err = oai_optional(r, at, j, "disable_parallel_tool_use", oai_read_flag, &is_disabled);
	if (!err && is_disabled && r->q->tool_choice != CHOICE_NONE)
		r->q->has_parallel_tool_calls = true;
	return err;
}

int ant_read_tool_choice(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct place in = { .up = at, .name = "type" };
	struct llm_request *q = r->q;
	struct str type = STR_NONE;
	(void)to;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = oai_required(r, at, j, "type", oai_read_string, &type);
	for (size_t i = 0; i < COUNT(choices) && !err; i++)
		if (str_eq(type, choices[i].type))
			q->tool_choice = choices[i].choice;
	if (!err && q->tool_choice == CHOICE_UNSET)
		return oai_refuse(r, &in, "must be \"auto\", \"any\", \"tool\" or \"none\"");
	if (!err && q->tool_choice == CHOICE_NAMED)
		err = oai_required(r, at, j, "name", oai_read_string, &q->tool_choice_name);
	return err ? err : read_parallel(r, at, j);
}
