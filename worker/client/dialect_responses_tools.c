/* SPDX-License-Identifier: MIT
 * dialect_responses_tools.c - tools, the choice among them, and the format of the answer, flat as
 * this API has them.
 *
 * A tool is strict where the request says so: the vendor's own preset only holds for schemas that
 * the vendor rewrites. A list of allowed tools is kept by leaving out the others. */
#include <errno.h>

#include "worker/client/dialect_responses.h"

/* --- tools --- */

static int read_object_text(struct oai_reading *r, const struct place *at, const struct json *j,
			    void *to)
{
	const struct json *v = NULL;
	int err = oai_read_object(r, at, j, &v);
	if (!err)
		*(struct str *)to = v->raw;
	return err;
}

static int read_named_tool(struct oai_reading *r, const struct place *at, const struct json *j,
			   struct llm_tool *t)
{
	const char *schema = t->kind == TOOL_CUSTOM ? "format" : "parameters";
	int err = oai_required(r, at, j, "name", oai_read_string, &t->name);
	if (!err)
		err = oai_optional(r, at, j, "description", oai_read_string, &t->description);
	if (!err)
		err = oai_optional(r, at, j, schema, read_object_text, &t->schema);
	if (!err && t->kind == TOOL_FUNCTION)
		err = oai_optional(r, at, j, "strict", oai_read_flag, &t->strict);
	return err;
}

static int read_tool(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct llm_tool *t)
{
	struct str type;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = oai_required(r, at, j, "type", oai_read_string, &type);
	if (err)
		return err;
	if (str_eq(type, STR("function")) || str_eq(type, STR("custom"))) {
		t->kind = str_eq(type, STR("custom")) ? TOOL_CUSTOM : TOOL_FUNCTION;
		return read_named_tool(r, at, j, t);
	}
	t->kind = TOOL_OTHER;
	t->name = type;
	t->schema = j->raw;
	return 0;
}

int rsp_read_tools(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
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
		r->q->prompt_bytes += t->schema.n;	/* all of a vendor's own tool */
		if (t->kind != TOOL_OTHER)
			r->q->prompt_bytes += t->name.n + t->description.n;
	}
	return 0;
}

/* --- the choice --- */

struct allowed {
	struct str type, name;		/* name: of a function or a custom tool */
};

static int read_allowed(struct oai_reading *r, const struct place *at, const struct json *j,
			struct allowed *ret)
{
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = oai_required(r, at, j, "type", oai_read_string, &ret->type);
	return err ? err : oai_optional(r, at, j, "name", oai_read_string, &ret->name);
}

static bool is_allowed(const struct llm_tool *t, const struct allowed *list, size_t n)
{
	static const struct str types[] = {
		[TOOL_FUNCTION] = STR("function"), [TOOL_CUSTOM] = STR("custom"),
	};
	for (size_t i = 0; i < n; i++) {
		if (t->kind == TOOL_OTHER ? str_eq(t->name, list[i].type)
					  : str_eq(types[t->kind], list[i].type) &&
						    str_eq(t->name, list[i].name))
			return true;
	}
	return false;
}

/* Tools that may not be called are as good as not there; to all providers this says the same. */
static int keep_allowed(struct oai_reading *r, const struct place *up, const struct json *choice)
{
	enum { ALLOWED_MAX = 256 };	/* each is compared with each tool */
	struct place at = { .up = up, .name = "tools" }, in = { .up = &at };
	const struct json *j = json_get(choice, "tools");
	struct llm_tool **end = &r->q->tools;
	if (!json_is(j, JSON_ARRAY) || !j->count)
		return oai_refuse(r, &at, "must be an array of tools");
	if (j->count > ALLOWED_MAX)
		return oai_refuse(r, &at, "must not hold more than %d tools", ALLOWED_MAX);
	struct allowed *list = arena_array(r->mem, j->count, sizeof *list);
	if (!list)
		return -ENOMEM;
	for (const struct json *one = j->child; one; one = one->next, in.index++) {
		int err = read_allowed(r, &in, one, &list[in.index]);
		if (err)
			return err;
	}
	while (*end) {
		if (is_allowed(*end, list, j->count))
			end = &(*end)->next;
		else
			*end = (*end)->next;
	}
	return 0;
}

static int read_mode(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct str word;
	int err = oai_read_string(r, at, j, &word);
	if (!err && !str_eq(word, STR("auto")) && !str_eq(word, STR("required")))
		return oai_refuse(r, at, "must be \"auto\" or \"required\"");
	if (!err)
		*(enum llm_tool_choice *)to = word.n == 4 ? CHOICE_AUTO : CHOICE_REQUIRED;
	return err;
}

int rsp_read_tool_choice(struct oai_reading *r, const struct json *j)
{
	static const struct place at = { .name = "tool_choice" };
	struct llm_request *q = r->q;
	struct str type;
	if (j->type != JSON_OBJECT)
		return oai_read_tool_choice(r, &at, j, NULL);
	int err = oai_required(r, &at, j, "type", oai_read_string, &type);
	if (err)
		return err;
	if (str_eq(type, STR("allowed_tools"))) {
		err = oai_required(r, &at, j, "mode", read_mode, &q->tool_choice);
		return err ? err : keep_allowed(r, &at, j);
	}
	if (!str_eq(type, STR("function")) && !str_eq(type, STR("custom")))
		return oai_other_object(r, &at, j, NULL);
	q->tool_choice = CHOICE_NAMED;
	return oai_required(r, &at, j, "name", oai_read_string, &q->tool_choice_name);
}

/* --- the format --- */

static int read_schema(struct oai_reading *r, const struct place *at, const struct json *format)
{
	struct llm_request *q = r->q;
	int err = oai_optional(r, at, format, "name", oai_read_string, &q->format_name);
	if (!err)
		err = oai_optional(r, at, format, "description", oai_read_string,
				   &q->format_description);
	if (!err)
		err = oai_optional(r, at, format, "strict", oai_read_flag, &q->format_strict);
	if (!err)
		err = oai_required(r, at, format, "schema", read_object_text, &q->format_schema);
	q->format = FORMAT_SCHEMA;
	if (!q->format_name.p)
		q->format_name = STR("answer");	/* some want one */
	q->prompt_bytes += q->format_schema.n;
	return err;
}

static int read_format(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	struct place in = { .up = at, .name = "type" };
	struct str type;
	(void)to;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = oai_required(r, at, j, "type", oai_read_string, &type);
	if (err)
		return err;
	if (str_eq(type, STR("json_schema")))
		return read_schema(r, at, j);
	if (str_eq(type, STR("json_object")))
		r->q->format = FORMAT_JSON;
	else if (str_eq(type, STR("text")))
		r->q->format = FORMAT_TEXT;
	else
		return oai_refuse(r, &in, "must be one of text, json_object and json_schema");
	return 0;
}

/* verbosity has its own name with chat, and travels under it. */
int rsp_read_text(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	const struct json *v = NULL;
	(void)to;
	int err = oai_read_object(r, at, j, &v);
	if (!err)
		err = oai_optional(r, at, v, "format", read_format, NULL);
	return err ? err : oai_optional(r, at, v, "verbosity", oai_other_string, NULL);
}
