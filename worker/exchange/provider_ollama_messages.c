/* SPDX-License-Identifier: MIT
 * provider_ollama_messages.c - what is said, as Ollama wants it: content is always one string,
 * images stand beside it as bare base64, arguments of calls are objects. */
#include <stdio.h>

#include "worker/exchange/prompt.h"
#include "worker/exchange/provider_ollama.h"

static bool is_call(const struct llm_part *p)
{
	return p->kind == PART_TOOL_CALL || p->kind == PART_TOOL_RESULT;
}

bool ollama_has_tools(const struct llm_request *q)
{
	if (q->tools && q->tool_choice != CHOICE_NONE)
		return true;
	for (const struct llm_message *m = q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next)
			if (is_call(p))
				return true;
	return false;
}

/* --- parts --- */

static int check_part(struct ollama_writing *w, const struct llm_part *p, unsigned message,
		      unsigned part)
{
	char at[64];
	snprintf(at, sizeof at, "messages[%u].content[%u]", message, part);
	if (p->kind == PART_FILE || p->kind == PART_OTHER || p->is_custom)
		return members_refuse(&w->m, OUTCOME_BAD_REQUEST, at,
				      "%s is of a type that ollama does not know", at);
	if ((p->kind == PART_IMAGE || p->kind == PART_AUDIO) && !p->data.p)
		return members_refuse(&w->m, OUTCOME_BAD_REQUEST, at,
				      "%s must be a data URI: ollama fetches no links", at);
	return 0;
}

static int check_parts(struct ollama_writing *w)
{
	unsigned message = 0;
	for (const struct llm_message *m = w->q->messages; m; m = m->next, message++) {
		unsigned part = 0;
		for (const struct llm_part *p = m->parts; p; p = p->next, part++) {
			int err = check_part(w, p, message, part);
			if (err)
				return err;
		}
	}
	return 0;
}

static bool is_medium(const struct llm_part *p)
{
	return (p->kind == PART_IMAGE || p->kind == PART_AUDIO) && p->data.p;
}

static void put_images(struct json_out *o, const struct llm_part *parts, bool *is_open)
{
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (!is_medium(p))
			continue;
		if (!*is_open)
			json_open_array(o, "images");
		*is_open = true;
		json_put_str(o, NULL, p->data);
	}
}

/* --- calls and results --- */

/* A model can write what is no JSON; the call is kept all the same, for its result follows. */
static void put_arguments(struct ollama_writing *w, struct str text)
{
	struct json_error error;
	const struct json *j = text.n ? json_parse(w->m.mem, text, 0, &error) : NULL;
	if (json_is(j, JSON_OBJECT)) {
		json_put_raw(&w->o, "arguments", j->raw);
		return;
	}
	json_open(&w->o, "arguments");
	if (text.n)
		json_put_str(&w->o, "_raw", text);
	json_close(&w->o);
}

static void put_calls(struct ollama_writing *w, const struct llm_part *parts)
{
	struct json_out *o = &w->o;
	bool is_open = false;
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (p->kind != PART_TOOL_CALL)
			continue;
		if (!is_open)
			json_open_array(o, "tool_calls");
		is_open = true;
		json_open(o, NULL);
		if (p->id.n)
			json_put_str(o, "id", p->id);
		json_open(o, "function");
		json_put_str(o, "name", p->name);
		put_arguments(w, p->text);
		json_close(o);
		json_close(o);
	}
	if (is_open)
		json_close_array(o);
}

/* The name of the tool that a call with this id was for. */
static struct str name_of_call(const struct llm_request *q, struct str id)
{
	for (const struct llm_message *m = q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next)
			if (p->kind == PART_TOOL_CALL && str_eq(p->id, id))
				return p->name;
	return STR_NONE;
}

static void put_result(struct ollama_writing *w, const struct llm_part *p)
{
	struct json_out *o = &w->o;
	struct str name = p->name.n ? p->name : name_of_call(w->q, p->id);
	json_open(o, NULL);
	json_put_z(o, "role", "tool");
	json_put_raw(o, "content", STR("\""));
	json_escape(o->to, p->text);
	prompt_put_texts(o->to, p->next, true);
	buf_put_char(o->to, '"');
	if (name.n)
		json_put_str(o, "tool_name", name);
	if (p->id.n)
		json_put_str(o, "tool_call_id", p->id);
	json_close(o);
}

/* --- messages --- */

static void put_thinking(struct json_out *o, const struct llm_part *parts)
{
	const struct llm_part *p = parts;
	while (p && p->kind != PART_REASONING)
		p = p->next;
	if (p && p->text.n)
		json_put_str(o, "thinking", p->text);
}

static void put_said(struct ollama_writing *w, const struct llm_message *m)
{
	static const char *const roles[] = {
		[ROLE_SYSTEM] = "system", [ROLE_DEVELOPER] = "system", [ROLE_USER] = "user",
		[ROLE_ASSISTANT] = "assistant", [ROLE_TOOL] = "user",
	};
	struct json_out *o = &w->o;
	bool is_open = false;
	json_open(o, NULL);
	json_put_z(o, "role", roles[m->role]);
	json_put_raw(o, "content", STR("\""));
	prompt_put_texts(o->to, m->parts, false);
	buf_put_char(o->to, '"');
	put_thinking(o, m->parts);
	put_images(o, m->parts, &is_open);
	if (is_open)
		json_close_array(o);
	put_calls(w, m->parts);
	json_close(o);
}

/* Results become messages of their own; a turn may hold several, and words before them. */
static void put_message(struct ollama_writing *w, const struct llm_message *m)
{
	if (!m->parts || m->parts->kind != PART_TOOL_RESULT)
		put_said(w, m);
	for (const struct llm_part *p = m->parts; p; p = p->next)
		if (p->kind == PART_TOOL_RESULT)
			put_result(w, p);
}

int ollama_put_messages(struct ollama_writing *w)
{
	int err = check_parts(w);
	if (err)
		return err;
	json_open_array(&w->o, "messages");
	for (const struct llm_message *m = w->q->messages; m; m = m->next)
		put_message(w, m);
	json_close_array(&w->o);
	return 0;
}

/* --- a whole chat as one prompt --- */

int ollama_put_prompt(struct ollama_writing *w)
{
	bool is_open = false;
	int err = check_parts(w);
	if (err)
		return err;
	prompt_put_system(&w->o, "system", w->q);
	prompt_put_turns(&w->o, "prompt", w->q);
	for (const struct llm_message *m = w->q->messages; m; m = m->next)
		put_images(&w->o, m->parts, &is_open);
	if (is_open)
		json_close_array(&w->o);
	return 0;
}

/* --- tools --- */

/* Ollama knows no tool_choice: none means no tools, and a named one is the only one told of. */
static bool is_offered(const struct llm_request *q, const struct llm_tool *t)
{
	if (t->kind != TOOL_FUNCTION || q->tool_choice == CHOICE_NONE)
		return false;
	return q->tool_choice != CHOICE_NAMED || str_eq(t->name, q->tool_choice_name);
}

void ollama_put_tools(struct ollama_writing *w)
{
	static const struct str no_parameters = STR("{\"type\":\"object\",\"properties\":{}}");
	struct json_out *o = &w->o;
	bool is_open = false;
	for (const struct llm_tool *t = w->q->tools; t; t = t->next) {
		if (!is_offered(w->q, t))
			continue;
		if (!is_open)
			json_open_array(o, "tools");
		is_open = true;
		json_open(o, NULL);
		json_put_z(o, "type", "function");
		json_open(o, "function");
		json_put_str(o, "name", t->name);
		if (t->description.p)
			json_put_str(o, "description", t->description);
		json_put_raw(o, "parameters", t->schema.p ? t->schema : no_parameters);
		json_close(o);
		json_close(o);
	}
	if (is_open)
		json_close_array(o);
}
