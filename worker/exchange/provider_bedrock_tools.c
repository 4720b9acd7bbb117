/* SPDX-License-Identifier: MIT
 * provider_bedrock_tools.c - tools and the choice among them, as Converse wants them. */
#include "worker/exchange/provider_bedrock.h"

static void put_spec(struct ant_writing *w, const struct llm_tool *t)
{
	json_open(&w->o, NULL);
	json_open(&w->o, "toolSpec");
	json_put_str(&w->o, "name", t->name);
	if (t->description.n)
		json_put_str(&w->o, "description", t->description);
	json_open(&w->o, "inputSchema");
	ant_put_schema(w, "json", t->schema);
	json_close(&w->o);
	if (t->strict && w->model.knows_format)
		json_put_bool(&w->o, "strict", true);
	json_close(&w->o);
	json_close(&w->o);
}

static unsigned count_functions(const struct llm_request *q)
{
	unsigned n = 0;
	for (const struct llm_tool *t = q->tools; t; t = t->next)
		n += t->kind == TOOL_FUNCTION;
	return n;
}

static bool is_one_at_a_time(const struct bedrock_writing *b)
{
	const struct llm_request *q = b->ant.q;
	return b->model.is_claude && q->has_parallel_tool_calls && !q->parallel_tool_calls;
}

static void put_choice(struct bedrock_writing *b, const char *choice, struct str name)
{
	struct json_out *o = &b->ant.o;
	bool is_said = choice && strcmp(choice, "none") != 0;
	if (!is_said || !b->model.knows_choice || is_one_at_a_time(b))
		return;
	json_open(o, "toolChoice");
	json_open(o, choice);
	if (strcmp(choice, "tool") == 0)
		json_put_str(o, "name", name);
	json_close(o);
	json_close(o);
}

/* There is no word for "none": tools that may not be called are left out, unless the history has
 * calls of theirs. */
void bedrock_put_tools(struct bedrock_writing *b)
{
	struct ant_writing *w = &b->ant;
	const struct llm_request *q = w->q;
	struct str name;
	const char *choice = ant_choice_of(w, &name);
	bool has_calls = ant_has_calls(q), has_format = ant_uses_format_tool(w);
	bool is_none = q->tool_choice == CHOICE_NONE && !has_calls;
	unsigned n = is_none ? 0 : count_functions(q);
	if (!n && !has_format && !has_calls)
		return;
	json_open(&w->o, "toolConfig");
	json_open_array(&w->o, "tools");
	for (const struct llm_tool *t = n ? q->tools : NULL; t; t = t->next) {
		const struct json *inner = json_get(t->raw, "function");
		struct str mark = bedrock_cache_mark(t->raw);
		if (t->kind != TOOL_FUNCTION)
			continue;
		put_spec(w, t);
		bedrock_put_cache_point(b, mark.p ? mark : bedrock_cache_mark(inner));
	}
	if (!n && !has_format)
		ant_each_remembered(w, put_spec);
	if (has_format) {
		struct llm_tool t = ant_format_tool(w);
		put_spec(w, &t);
	}
	json_close_array(&w->o);
	put_choice(b, n || has_format ? choice : NULL, name);
	json_close(&w->o);
}

void bedrock_put_more_tools(struct bedrock_writing *b)
{
	struct ant_writing *w = &b->ant;
	struct str name;
	const char *choice = ant_choice_of(w, &name);
	bool is_open = false;
	for (const struct llm_tool *t = w->q->tools; t; t = t->next) {
		if (t->kind != TOOL_OTHER || !t->schema.p)
			continue;
		if (!is_open)
			json_open_array(&w->o, "tools");
		is_open = true;
		json_put_raw(&w->o, NULL, t->schema);
	}
	if (is_open)
		json_close_array(&w->o);
	if (!is_one_at_a_time(b) || !choice || strcmp(choice, "none") == 0)
		return;
	json_open(&w->o, "tool_choice");
	json_put_z(&w->o, "type", choice);
	if (strcmp(choice, "tool") == 0)
		json_put_str(&w->o, "name", name);
	json_put_bool(&w->o, "disable_parallel_tool_use", true);
	json_close(&w->o);
}
