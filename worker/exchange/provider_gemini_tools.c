/* SPDX-License-Identifier: MIT
 * provider_gemini_tools.c - functions and the choice among them. All functions stand in one tool;
 * what Google runs itself are tools of their own. */
#include <errno.h>

#include "worker/exchange/provider_gemini.h"

static bool is_search(const struct llm_tool *t)
{
	return str_starts(t->name, STR("web_search"));
}

static int check_tools(struct gemini_writing *w)
{
	bool is_openai = w->q->family == FAMILY_OPENAI;
	int err = 0;
	for (const struct llm_tool *t = w->q->tools; t && !err; t = t->next)
		if (t->kind == TOOL_CUSTOM || (t->kind == TOOL_OTHER && is_openai && !is_search(t)))
			err = gemini_refuse_param(w, STR("tools"));
	return err;
}

static int put_schema(struct gemini_writing *w, const struct llm_tool *t)
{
	struct buf b;
	if (!t->schema.p)
		return 0;
	buf_init(&b, w->o.to->cap);
	int err = gemini_write_schema(w->mem, t->schema, &b);
	if (err == 0 && b.failed)
		err = -ENOMEM;
	if (err == 0)
		json_put_raw(&w->o, "parameters", buf_str(&b));
	buf_done(&b);
	if (err == -EINVAL)
		return gemini_refuse(w, OUTCOME_BAD_REQUEST, "tools",
				     "tools: the parameters of one are more than gemini can be told");
	return err == -ENOENT ? 0 : err;
}

static int put_function(struct gemini_writing *w, const struct llm_tool *t)
{
	json_open(&w->o, NULL);
	json_put_str(&w->o, "name", t->name);
	if (t->description.p)
		json_put_str(&w->o, "description", t->description);
	int err = put_schema(w, t);
	if (!err)
		json_close(&w->o);
	return err;
}

static int put_functions(struct gemini_writing *w, bool *ret_has)
{
	int err = 0;
	for (const struct llm_tool *t = w->q->tools; t && !err; t = t->next) {
		if (t->kind != TOOL_FUNCTION)
			continue;
		if (!*ret_has) {
			json_open(&w->o, NULL);
			json_open_array(&w->o, "functionDeclarations");
		}
		*ret_has = true;
		err = put_function(w, t);
	}
	if (*ret_has && !err) {
		json_close_array(&w->o);
		json_close(&w->o);
	}
	return err;
}

/* A client's own tools of Gemini go on as they came; a search is a search. */
static void put_others(struct gemini_writing *w)
{
	bool wants_search = w->sorted.wants_search;
	for (const struct llm_tool *t = w->q->tools; t; t = t->next) {
		if (t->kind == TOOL_OTHER && w->q->family == FAMILY_GEMINI)
			json_put_raw(&w->o, NULL, t->schema);
		else if (t->kind == TOOL_OTHER && is_search(t))
			wants_search = true;
	}
	if (wants_search)
		json_put_raw(&w->o, NULL, STR("{\"googleSearch\":{}}"));
}

static void put_choice(struct gemini_writing *w)
{
	static const char *const modes[] = { [CHOICE_AUTO] = "AUTO", [CHOICE_NONE] = "NONE",
					     [CHOICE_REQUIRED] = "ANY", [CHOICE_NAMED] = "ANY" };
	const struct llm_request *q = w->q;
	struct json_out *o = &w->o;
	if (q->tool_choice == CHOICE_UNSET || gemini_find(w->sorted.top, STR("toolConfig")))
		return;
	json_open(o, "toolConfig");
	json_open(o, "functionCallingConfig");
	json_put_z(o, "mode", modes[q->tool_choice]);
	if (q->tool_choice == CHOICE_NAMED) {
		json_open_array(o, "allowedFunctionNames");
		json_put_str(o, NULL, q->tool_choice_name);
		json_close_array(o);
	}
	json_close(o);
	json_close(o);
}

static bool has_tools(const struct gemini_writing *w)
{
	const struct llm_tool *t = w->q->tools;
	while (t && t->kind != TOOL_FUNCTION && !is_search(t) && w->q->family != FAMILY_GEMINI)
		t = t->next;
	return t || w->sorted.wants_search;
}

int gemini_put_tools(struct gemini_writing *w)
{
	bool has_functions = false;
	int err = check_tools(w);
	if (err || !has_tools(w) || gemini_find(w->sorted.top, STR("tools")))
		return err;
	json_open_array(&w->o, "tools");
	err = put_functions(w, &has_functions);
	if (err)
		return err;
	put_others(w);
	json_close_array(&w->o);
	if (has_functions)
		put_choice(w);
	return 0;
}
