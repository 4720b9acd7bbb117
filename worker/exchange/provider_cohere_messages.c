/* SPDX-License-Identifier: MIT
 * provider_cohere_messages.c - what is said, as Cohere's second API wants it: close to OpenAI's
 * messages, but thoughts are content, or a plan where calls follow them, and a choice has three
 * values. */
#include <stdio.h>

#include "worker/exchange/provider_cohere.h"

/* --- content --- */

static int check_part(struct members *m, const struct llm_part *p, unsigned message, unsigned part)
{
	char at[64];
	if (p->kind != PART_AUDIO && p->kind != PART_FILE && p->kind != PART_OTHER && !p->is_custom)
		return 0;
	snprintf(at, sizeof at, "messages[%u].content[%u]", message, part);
	return members_refuse(m, OUTCOME_BAD_REQUEST, at,
			      "%s is of a type that cohere does not know", at);
}

static int check_parts(struct members *m)
{
	unsigned message = 0;
	for (const struct llm_message *s = m->q->messages; s; s = s->next, message++) {
		unsigned part = 0;
		for (const struct llm_part *p = s->parts; p; p = p->next, part++) {
			int err = check_part(m, p, message, part);
			if (err)
				return err;
		}
	}
	return 0;
}

static bool is_text(const struct llm_part *p)
{
	return p->kind == PART_TEXT || p->kind == PART_REFUSAL;
}

static bool has_kind(const struct llm_part *p, enum llm_part_kind kind)
{
	while (p && p->kind != kind)
		p = p->next;
	return p;
}

static void put_block(struct json_out *o, const char *type, struct str text)
{
	json_open(o, NULL);
	json_put_z(o, "type", type);
	json_put_str(o, type, text);
	json_close(o);
}

static void put_image(struct json_out *o, const struct llm_part *p)
{
	json_open(o, NULL);
	json_put_z(o, "type", "image_url");
	json_open(o, "image_url");
	if (p->url.p) {
		json_put_str(o, "url", p->url);
	} else {
		json_put_raw(o, "url", STR("\"data:"));
		json_escape(o->to, p->mime);
		BUF_PUT_LIT(o->to, ";base64,");
		json_escape(o->to, p->data);
		buf_put_char(o->to, '"');
	}
	if (p->detail.p)
		json_put_str(o, "detail", p->detail);
	json_close(o);
	json_close(o);
}

/* Thoughts before calls stand apart, as the plan that they were. */
static bool is_content(const struct llm_part *p, bool has_calls)
{
	return is_text(p) || p->kind == PART_IMAGE ||
	       (p->kind == PART_REASONING && !has_calls && p->text.n);
}

/* One plain text is written as a string, anything else as blocks. */
static void put_content(struct json_out *o, const struct llm_part *parts, bool has_calls)
{
	const struct llm_part *only = NULL;
	unsigned n = 0;
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (!is_content(p, has_calls))
			continue;
		only = p;
		n++;
	}
	if (n == 0 && has_calls)
		return;
	if (n == 0 || (n == 1 && is_text(only))) {
		json_put_str(o, "content", n ? only->text : STR(""));
		return;
	}
	json_open_array(o, "content");
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (!is_content(p, has_calls))
			continue;
		if (p->kind == PART_IMAGE)
			put_image(o, p);
		else
			put_block(o, p->kind == PART_REASONING ? "thinking" : "text", p->text);
	}
	json_close_array(o);
}

/* --- calls and results --- */

static void put_plan(struct json_out *o, const struct llm_part *parts)
{
	if (!has_kind(parts, PART_REASONING))
		return;
	json_put_raw(o, "tool_plan", STR("\""));
	for (const struct llm_part *p = parts; p; p = p->next)
		if (p->kind == PART_REASONING)
			json_escape(o->to, p->text);
	buf_put_char(o->to, '"');
}

static void put_calls(struct json_out *o, const struct llm_part *parts)
{
	put_plan(o, parts);
	json_open_array(o, "tool_calls");
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (p->kind != PART_TOOL_CALL)
			continue;
		json_open(o, NULL);
		json_put_str(o, "id", p->id);
		json_put_z(o, "type", "function");
		json_open(o, "function");
		json_put_str(o, "name", p->name);
		json_put_str(o, "arguments", p->text.n ? p->text : STR("{}"));
		json_close(o);
		json_close(o);
	}
	json_close_array(o);
}

static bool is_of_result(const struct llm_part *p)
{
	return p && p->kind != PART_TOOL_RESULT;
}

/* Texts behind a tool's result belong to it; what stands behind one in a user's turn does not. */
static const struct llm_part *put_result(struct json_out *o, const struct llm_part *p,
					 bool takes_all)
{
	json_open(o, NULL);
	json_put_z(o, "role", "tool");
	json_put_str(o, "tool_call_id", p->id);
	json_put_raw(o, "content", STR("\""));
	json_escape(o->to, p->text);
	for (p = p->next; takes_all && is_of_result(p); p = p->next)
		if (is_text(p)) {
			BUF_PUT_LIT(o->to, "\\n");
			json_escape(o->to, p->text);
		}
	buf_put_char(o->to, '"');
	json_close(o);
	return p;
}

/* --- messages --- */

static void put_said(struct json_out *o, enum llm_role role, const struct llm_part *parts)
{
	static const char *const roles[] = {
		[ROLE_SYSTEM] = "system", [ROLE_DEVELOPER] = "system", [ROLE_USER] = "user",
		[ROLE_ASSISTANT] = "assistant", [ROLE_TOOL] = "user",
	};
	bool has_calls = role == ROLE_ASSISTANT && has_kind(parts, PART_TOOL_CALL);
	json_open(o, NULL);
	json_put_z(o, "role", roles[role]);
	put_content(o, parts, has_calls);
	if (has_calls)
		put_calls(o, parts);
	json_close(o);
}

/* All that stands in such a message belongs to results. */
static bool is_of_tool(const struct llm_message *s)
{
	return s->role == ROLE_TOOL && s->parts && s->parts->kind == PART_TOOL_RESULT;
}

/* Results become messages of their own; a turn may hold several, and words behind them. */
static void put_message(struct json_out *o, const struct llm_message *s)
{
	const struct llm_part *p = s->parts;
	bool has_results = p && p->kind == PART_TOOL_RESULT;
	while (p && p->kind == PART_TOOL_RESULT)
		p = put_result(o, p, s->role == ROLE_TOOL);
	if (p || !has_results)
		put_said(o, s->role, p);
}

static bool shows_images(const struct llm_message *s, const struct llm_message *end)
{
	while (s != end && !has_kind(s->parts, PART_IMAGE))
		s = s->next;
	return s != end;
}

/* A result is text: images in the results of some tools the user shows behind the last of them. */
static void put_shown(struct json_out *o, const struct llm_message *s,
		      const struct llm_message *end)
{
	if (!shows_images(s, end))
		return;
	json_open(o, NULL);
	json_put_z(o, "role", "user");
	json_open_array(o, "content");
	for (; s != end; s = s->next)
		for (const struct llm_part *p = s->parts; p; p = p->next)
			if (p->kind == PART_IMAGE)
				put_image(o, p);
	json_close_array(o);
	json_close(o);
}

static const struct llm_message *put_results(struct json_out *o, const struct llm_message *s)
{
	const struct llm_message *first = s;
	for (; s && is_of_tool(s); s = s->next)
		put_message(o, s);
	put_shown(o, first, s);
	return s;
}

static void put_messages(struct json_out *o, const struct llm_request *q)
{
	const struct llm_message *s = q->messages;
	struct llm_part prompt = { .kind = PART_TEXT };
	json_open_array(o, "messages");
	if (q->kind == LLM_TEXT) {
		prompt.text = q->inputs[0];
		put_said(o, ROLE_USER, &prompt);
	}
	while (s) {
		if (is_of_tool(s)) {
			s = put_results(o, s);
			continue;
		}
		put_message(o, s);
		s = s->next;
	}
	json_close_array(o);
}

/* --- tools --- */

int cohere_check_chat(struct members *m)
{
	for (const struct llm_tool *t = m->q->tools; t; t = t->next)
		if (t->kind != TOOL_FUNCTION)
			return members_refuse_param(m, STR("tools"));
	return check_parts(m);
}

/* A choice cannot name a tool: the one named is the only one told of. */
static bool is_offered(const struct llm_request *q, const struct llm_tool *t)
{
	return t->kind == TOOL_FUNCTION &&
	       (q->tool_choice != CHOICE_NAMED || str_eq(t->name, q->tool_choice_name));
}

static void put_tool(struct json_out *o, const struct llm_tool *t)
{
	json_open(o, NULL);
	json_put_z(o, "type", "function");
	json_open(o, "function");
	json_put_str(o, "name", t->name);
	if (t->description.p)
		json_put_str(o, "description", t->description);
	json_put_raw(o, "parameters",
		     t->schema.p ? t->schema : STR("{\"type\":\"object\",\"properties\":{}}"));
	json_close(o);
	json_close(o);
}

static void put_tools(const struct members *m, struct json_out *o)
{
	const struct llm_request *q = m->q;
	bool has_any = false, is_strict = true;
	for (const struct llm_tool *t = q->tools; t; t = t->next) {
		if (!is_offered(q, t))
			continue;
		if (!has_any)
			json_open_array(o, "tools");
		has_any = true;
		is_strict = is_strict && t->strict;
		put_tool(o, t);
	}
	if (!has_any)
		return;
	json_close_array(o);
	if (is_strict && !members_find(m, STR("strict_tools")).p)
		json_put_bool(o, "strict_tools", true);
	if (q->tool_choice == CHOICE_NONE)
		json_put_z(o, "tool_choice", "NONE");
	else if (q->tool_choice == CHOICE_REQUIRED || q->tool_choice == CHOICE_NAMED)
		json_put_z(o, "tool_choice", "REQUIRED");
}

void cohere_put_chat(const struct members *m, struct json_out *o)
{
	put_messages(o, m->q);
	put_tools(m, o);
}
