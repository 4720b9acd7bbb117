/* SPDX-License-Identifier: MIT
 * provider_anthropic_tools.c - tools, the choice among them, and the tool that stands for an
 * answer in JSON where a model knows no output format.
 *
 * That tool is forced, so its input is the answer; worker/anthropic_read.c makes it text again. */
#include "worker/exchange/provider_anthropic.h"

#define FORMAT_DESCRIPTION "Gives the answer. Its whole text is this tool's input, one JSON object."

enum { REMEMBERED_MAX = 256 };

/* --- what there is --- */

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

/* "web_search_20250305": the vendor's own types end with a date. */
static bool is_vendors(const struct ant_writing *w, const struct llm_tool *t)
{
	if (w->q->family == FAMILY_ANTHROPIC || str_eq(t->name, STR("mcp_toolset")))
		return true;
	return t->name.n > 9 && t->name.p[t->name.n - 9] == '_' &&
	       is_digits(str_skip(t->name, t->name.n - 8));
}

static bool is_offered(const struct ant_writing *w, const struct llm_tool *t)
{
	return t->kind == TOOL_FUNCTION || (t->kind == TOOL_OTHER && is_vendors(w, t));
}

static bool has_offered(const struct ant_writing *w)
{
	const struct llm_tool *t = w->q->tools;
	while (t && !is_offered(w, t))
		t = t->next;
	return t || w->search.p;
}

bool ant_uses_format_tool(const struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	if (q->family == FAMILY_ANTHROPIC && !w->has_own_format)
		return false;		/* it travels along in the vendor's own words */
	return q->format == FORMAT_JSON ||
	       (q->format == FORMAT_SCHEMA && (!w->model.knows_format || !q->format_schema.p));
}

bool ant_forces_tool(const struct ant_writing *w)
{
	enum llm_tool_choice c = w->q->tool_choice;
	return ant_uses_format_tool(w) ||
	       (has_offered(w) && (c == CHOICE_REQUIRED || c == CHOICE_NAMED));
}

/* --- schemas --- */

/* Members that hold values, not schemas. */
static bool holds_values(struct str name)
{
	return str_eq(name, STR("enum")) || str_eq(name, STR("const")) ||
	       str_eq(name, STR("default")) || str_eq(name, STR("examples"));
}

/* As deep as the parser goes, and no deeper. */
void ant_put_closed(struct buf *out, const struct json *j)
{
	bool is_object = j->type == JSON_OBJECT;
	if (!is_object && j->type != JSON_ARRAY) {
		buf_put(out, j->raw);
		return;
	}
	buf_put_char(out, is_object ? '{' : '[');
	for (const struct json *c = j->child; c; c = c->next) {
		if (c != j->child)
			buf_put_char(out, ',');
		if (is_object) {
			buf_put_char(out, '"');
			json_escape(out, c->key);
			BUF_PUT_LIT(out, "\":");
		}
		if (is_object && holds_values(c->key))
			buf_put(out, c->raw);
		else
			ant_put_closed(out, c);
	}
	const struct json *type = json_get(j, "type");
	if (is_object && json_is(type, JSON_STRING) && str_eq(type->raw, STR("\"object\"")) &&
	    !json_get(j, "additionalProperties"))
		BUF_PUT_LIT(out, ",\"additionalProperties\":false");
	buf_put_char(out, is_object ? '}' : ']');
}

/* The vendor wants to be told that arguments are an object. */
void ant_put_schema(struct ant_writing *w, const char *name, struct str schema)
{
	struct json_error error;
	const struct json *j = schema.n ? json_parse(w->mem, schema, 0, &error) : NULL;
	if (!json_is(j, JSON_OBJECT) || !j->count) {
		json_put_raw(&w->o, name, STR("{\"type\":\"object\",\"properties\":{}}"));
	} else if (json_get(j, "type")) {
		json_put_raw(&w->o, name, j->raw);
	} else {
		json_put_raw(&w->o, name, STR("{\"type\":\"object\","));
		buf_put(w->o.to, str_skip(j->raw, 1));
	}
}

/* --- tools --- */

static void put_function(struct ant_writing *w, const struct llm_tool *t)
{
	static const struct str names[] = {
		STR("cache_control"), STR("input_examples"), STR("defer_loading"),
		STR("allowed_callers"), STR("eager_input_streaming"),
	};
	const struct json *inner = json_get(t->raw, "function");
	json_open(&w->o, NULL);
	json_put_str(&w->o, "name", t->name);
	if (t->description.p)
		json_put_str(&w->o, "description", t->description);
	ant_put_schema(w, "input_schema", t->schema);
	if (t->strict)
		json_put_bool(&w->o, "strict", true);
	ant_put_extras(&w->o, t->raw, names, COUNT(names));
	if (!json_is_given(json_get(t->raw, "cache_control")))
		ant_put_extras(&w->o, inner, names, 1);
	json_close(&w->o);
}

int ant_check_tools(struct ant_writing *w)
{
	const struct llm_tool *t = w->q->tools;
	while (t && is_offered(w, t))
		t = t->next;
	return t ? ant_refuse_param(w, STR("tools")) : 0;
}

static void put_offered(struct ant_writing *w)
{
	for (const struct llm_tool *t = w->q->tools; t; t = t->next) {
		if (t->kind == TOOL_FUNCTION)
			put_function(w, t);
		else if (is_offered(w, t))
			json_put_raw(&w->o, NULL, t->schema);
	}
	if (w->search.p)
		json_put_raw(&w->o, NULL, w->search);
}

struct llm_tool ant_format_tool(const struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	return (struct llm_tool){
		.name = STR(ANTHROPIC_FORMAT_TOOL),
		.description = q->format_description.n ? q->format_description
						       : STR(FORMAT_DESCRIPTION),
		.schema = q->format_schema,
	};
}

static bool is_among(const struct str *names, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

/* Calls in the history want their tools declared; a client that tells of none wants no more. */
void ant_each_remembered(struct ant_writing *w,
			 void (*put)(struct ant_writing *w, const struct llm_tool *t))
{
	struct str names[REMEMBERED_MAX];
	size_t n = 0;
	for (const struct llm_message *m = w->q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p && n < REMEMBERED_MAX; p = p->next) {
			if (p->kind != PART_TOOL_CALL || !p->name.n || is_among(names, n, p->name))
				continue;
			names[n++] = p->name;
			put(w, &(struct llm_tool){ .name = p->name });
		}
}

bool ant_has_calls(const struct llm_request *q)
{
	for (const struct llm_message *m = q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next)
			if (p->kind == PART_TOOL_CALL && p->name.n)
				return true;
	return false;
}

/* --- the choice --- */

const char *ant_choice_of(const struct ant_writing *w, struct str *ret_name)
{
	static const char *const words[] = {
		[CHOICE_UNSET] = NULL, [CHOICE_AUTO] = "auto", [CHOICE_NONE] = "none",
		[CHOICE_REQUIRED] = "any", [CHOICE_NAMED] = "tool",
	};
	const struct llm_request *q = w->q;
	enum llm_tool_choice c = q->tool_choice;
	bool may_call = has_offered(w) && c != CHOICE_NONE;
	*ret_name = has_offered(w) && c == CHOICE_NAMED ? q->tool_choice_name
							    : STR(ANTHROPIC_FORMAT_TOOL);
	if (ant_uses_format_tool(w))
		return may_call && c != CHOICE_NAMED ? "any" : "tool";
	if (!has_offered(w))
		return "none";
	if (c == CHOICE_UNSET && q->has_parallel_tool_calls && !q->parallel_tool_calls)
		return "auto";
	return words[c];
}

static void put_choice(struct ant_writing *w)
{
	const struct llm_request *q = w->q;
	struct str name;
	const char *choice = ant_choice_of(w, &name);
	if (!choice)
		return;
	json_open(&w->o, "tool_choice");
	json_put_z(&w->o, "type", choice);
	if (strcmp(choice, "tool") == 0)
		json_put_str(&w->o, "name", name);
	if (q->has_parallel_tool_calls && !q->parallel_tool_calls && strcmp(choice, "none") != 0)
		json_put_bool(&w->o, "disable_parallel_tool_use", true);
	json_close(&w->o);
}

void ant_put_tools(struct ant_writing *w)
{
	bool offers = has_offered(w), has_format = ant_uses_format_tool(w);
	bool remembers = !offers && ant_has_calls(w->q);
	if (!offers && !has_format && !remembers)
		return;
	json_open_array(&w->o, "tools");
	put_offered(w);
	if (has_format) {
		struct llm_tool t = ant_format_tool(w);
		put_function(w, &t);
	}
	if (remembers)
		ant_each_remembered(w, put_function);
	json_close_array(&w->o);
	put_choice(w);
}
