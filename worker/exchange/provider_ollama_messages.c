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
	bool is_openai = w->m.q->family == FAMILY_OPENAI;
	if (p->kind == PART_FILE || (p->kind == PART_OTHER && is_openai) || p->is_custom)
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
	for (const struct llm_message *m = w->m.q->messages; m; m = m->next, message++) {
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

/* Up to the next result, as with texts. */
static void put_images(struct json_out *o, const struct llm_part *parts, bool *is_open)
{
	for (const struct llm_part *p = parts; p && p->kind != PART_TOOL_RESULT; p = p->next) {
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

/* inner: parts that belong to it, up to the next result. */
static void put_result(struct ollama_writing *w, const struct llm_part *p,
		       const struct llm_part *inner)
{
	struct json_out *o = &w->o;
	struct str name = p->name.n ? p->name : name_of_call(w->m.q, p->id);
	bool is_open = false;
	json_open(o, NULL);
	json_put_z(o, "role", "tool");
	json_put_raw(o, "content", STR("\""));
	json_escape(o->to, p->text);
	prompt_put_texts(o->to, inner, true);
	buf_put_char(o->to, '"');
	if (name.n)
		json_put_str(o, "tool_name", name);
	if (p->id.n)
		json_put_str(o, "tool_call_id", p->id);
	put_images(o, inner, &is_open);
	if (is_open)
		json_close_array(o);
	json_close(o);
}

/* --- messages --- */

static void put_thinking(struct json_out *o, const struct llm_part *parts)
{
	bool is_open = false;
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (p->kind != PART_REASONING || !p->text.n)
			continue;
		if (!is_open)
			json_put_raw(o, "thinking", STR("\""));
		is_open = true;
		json_escape(o->to, p->text);
	}
	if (is_open)
		buf_put_char(o->to, '"');
}

static void put_said(struct ollama_writing *w, enum llm_role role, const struct llm_part *parts)
{
	static const char *const roles[] = {
		[ROLE_SYSTEM] = "system", [ROLE_DEVELOPER] = "system", [ROLE_USER] = "user",
		[ROLE_ASSISTANT] = "assistant", [ROLE_TOOL] = "user",
	};
	struct json_out *o = &w->o;
	bool is_open = false;
	json_open(o, NULL);
	json_put_z(o, "role", roles[role]);
	json_put_raw(o, "content", STR("\""));
	prompt_put_texts(o->to, parts, false);
	buf_put_char(o->to, '"');
	put_thinking(o, parts);
	put_images(o, parts, &is_open);
	if (is_open)
		json_close_array(o);
	put_calls(w, parts);
	json_close(o);
}

/* Results become messages of their own; in a user's turn they come first, and what the user says
 * comes after them. */
static void put_message(struct ollama_writing *w, const struct llm_message *m)
{
	const struct llm_part *p = m->parts;
	for (; m->role == ROLE_USER && p && p->kind == PART_TOOL_RESULT; p = p->next)
		put_result(w, p, NULL);
	if (p != m->parts && !p)
		return;
	if (!p || p->kind != PART_TOOL_RESULT)
		put_said(w, m->role, p);
	for (; p; p = p->next)
		if (p->kind == PART_TOOL_RESULT)
			put_result(w, p, p->next);
}

int ollama_put_messages(struct ollama_writing *w)
{
	int err = check_parts(w);
	if (err)
		return err;
	json_open_array(&w->o, "messages");
	for (const struct llm_message *m = w->m.q->messages; m; m = m->next)
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
	prompt_put_system(&w->o, "system", w->m.q);
	prompt_put_turns(&w->o, "prompt", w->m.q);
	for (const struct llm_message *m = w->m.q->messages; m; m = m->next)
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
	for (const struct llm_tool *t = w->m.q->tools; t; t = t->next) {
		if (!is_offered(w->m.q, t))
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
