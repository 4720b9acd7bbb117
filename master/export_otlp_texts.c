/* SPDX-License-Identifier: MIT
 * export_otlp_texts.c - prompts and answers by the semantic conventions for generative AI: lists of
 * messages of typed parts, which an attribute holds as a text of JSON. */
#include "master/export_texts.h"

#include <stdio.h>

#include "master/export_payload.h"
#include "master/export_said.h"
#include "master/otlp.h"

enum { ATTRIBUTE_MAX = 4 << 20, ANSWERS_MAX = 16, STOPS_MAX = 16 };

static void put_part(struct json_out *o, const char *type, struct str content)
{
	json_open(o, NULL);
	json_put_z(o, "type", type);
	json_put_str(o, "content", content);
	json_close(o);
}

static void put_call(struct json_out *o, const struct said_call *c)
{
	json_open(o, NULL);
	json_put_z(o, "type", "tool_call");
	json_put_str(o, "id", c->id);
	json_put_str(o, "name", c->name);
	if (c->arguments)
		json_put_line(o, "arguments", c->arguments->raw);
	json_close(o);
}

static void put_result(struct json_out *o, struct str id, const struct json *response)
{
	json_open(o, NULL);
	json_put_z(o, "type", "tool_call_response");
	json_put_str(o, "id", id);
	if (response)
		json_put_line(o, "response", response->raw);
	json_close(o);
}

static void put_said(struct json_out *o, const struct said *s)
{
	if (s->thinking.n)
		put_part(o, "reasoning", s->thinking);
	if (s->text.p)
		put_part(o, "text", s->text);
	for (unsigned i = 0; i < s->n_calls; i++)
		put_call(o, &s->calls[i]);
}

/* ---- what was asked ---- */

/* Results of tools, and whatever else is no text: what it is, and not its bytes. */
static void put_others(struct json_out *o, struct arena *a, const struct json *parts)
{
	for (const struct json *p = json_is(parts, JSON_ARRAY) ? parts->child : NULL; p;
	     p = p->next) {
		if (p->type != JSON_OBJECT)
			continue;
		struct str type = json_get_str(a, p, "type");
		const struct json *f = json_get(p, "functionResponse");
		if (str_eq(type, STR("tool_result"))) {
			put_result(o, json_get_str(a, p, "tool_use_id"), json_get(p, "content"));
		} else if (json_is(f, JSON_OBJECT)) {
			put_result(o, json_get_str(a, f, "name"), json_get(f, "response"));
		} else if (type.n && !json_get(p, "text") && !str_eq(type, STR("tool_use")) &&
			   !str_eq(type, STR("thinking"))) {
			json_open(o, NULL);
			json_put_str(o, "type", type);
			json_close(o);
		}
	}
}

static void put_message(struct json_out *o, struct arena *a, const struct json *m)
{
	const struct json *parts = json_get(m, "parts"), *content = json_get(m, "content");
	struct str role = json_get_str(a, m, "role");
	struct said said;
	bool is_parts = json_is(parts, JSON_ARRAY);
	bool ok = is_parts ? said_read_parts(a, parts, &said) : said_read_message(a, m, &said);
	json_open(o, NULL);
	json_put_str(o, "role", str_eq(role, STR("model")) ? STR("assistant")
				: role.n ? role : STR("user"));
	json_open_array(o, "parts");
	if (str_eq(role, STR("tool")))
		put_result(o, json_get_str(a, m, "tool_call_id"), content);
	else if (ok)
		put_said(o, &said);
	put_others(o, a, is_parts ? parts : content);
	json_close_array(o);
	json_close(o);
}

/* A text, or a list of them, of messages, or of anything. */
static void put_prompt(struct json_out *o, struct arena *a, const struct json *prompt)
{
	const struct json *list = prompt->type == JSON_ARRAY ? prompt->child : NULL;
	json_open_array(o, NULL);
	for (const struct json *j = list; j; j = j->next)
		if (j->type == JSON_OBJECT)
			put_message(o, a, j);
	if (!list || list->type != JSON_OBJECT) {
		json_open(o, NULL);
		json_put_z(o, "role", "user");
		json_open_array(o, "parts");
		for (const struct json *j = list; j; j = j->next)
			put_part(o, "text", j->type == JSON_STRING ? json_str(a, j) : j->raw);
		if (!list)
			put_part(o, "text", prompt->type == JSON_STRING ? json_str(a, prompt)
								       : prompt->raw);
		json_close_array(o);
		json_close(o);
	}
	json_close_array(o);
}

/* What is not whole: the beginning of it, as one text. */
static void put_beginning(struct json_out *o, const char *role, const struct export_view *v,
			  enum text_kind which, uint64_t cut)
{
	struct buf text;
	buf_init(&text, ATTRIBUTE_MAX);
	buf_put(&text, text_cut(v->texts->text[which], v->text_most));
	buf_printf(&text, " ... [%llu bytes cut]", (unsigned long long)cut);
	json_open_array(o, NULL);
	json_open(o, NULL);
	json_put_z(o, "role", role);
	json_open_array(o, "parts");
	put_part(o, "text", text.failed ? STR("") : buf_str(&text));
	json_close_array(o);
	json_close(o);
	json_close_array(o);
	buf_done(&text);
}

/* ---- what was answered ---- */

static struct str finish_of(struct arena *a, const struct export_view *v, const struct json *root,
			    size_t i)
{
	const struct json *choices = json_get(root, "choices");
	const struct json *c = json_is(choices, JSON_ARRAY) ? json_at(choices, i) : NULL;
	struct str own = json_is(c, JSON_OBJECT) ? json_get_str(a, c, "finish_reason") : STR_NONE;
	return own.n ? own : export_finish(v->r);
}

/* Of a stream's answer, which is whole JSON though its text is not. */
static void put_cut(struct json_out *o, uint32_t bytes)
{
	char text[64];
	int n = snprintf(text, sizeof text, " ... [%u bytes cut]", bytes);
	if (bytes && n > 0)
		put_part(o, "text", str_of(text, (size_t)n));
}

static void put_answers(struct json_out *o, const struct export_view *v, const struct json *root)
{
	struct arena *a = v->texts->mem;
	struct said said;
	json_open_array(o, NULL);
	for (size_t i = 0; i < ANSWERS_MAX && said_read(a, root, i, &said); i++) {
		json_open(o, NULL);
		json_put_z(o, "role", "assistant");
		json_open_array(o, "parts");
		put_said(o, &said);
		put_cut(o, v->texts->cut[TEXT_ANSWER]);
		json_close_array(o);
		json_put_str(o, "finish_reason", finish_of(a, v, root, i));
		json_close(o);
	}
	json_close_array(o);
}

/* ---- both ---- */

static void put_list(struct json_out *o, const struct export_view *v, enum text_kind which)
{
	const struct json *root = v->texts->root[which];
	const struct json *prompt = which == TEXT_PROMPT ? export_prompt_of(root) : NULL;
	uint64_t cut = export_text_cut(v, which);
	if (cut && !(which == TEXT_ANSWER && root && root->raw.n <= v->text_most))
		put_beginning(o, which == TEXT_PROMPT ? "user" : "assistant", v, which, cut);
	else if (prompt)
		put_prompt(o, v->texts->mem, prompt);
	else if (which == TEXT_ANSWER && root)
		put_answers(o, v, root);
}

static void put_system(struct json_out *o, const struct export_view *v)
{
	const struct json *root = v->texts->root[TEXT_PROMPT], *j;
	struct said said = { 0 };
	struct buf text;
	if (!json_is(root, JSON_OBJECT) || export_text_cut(v, TEXT_PROMPT))
		return;
	j = json_get(root, "system");
	if (json_is(j, JSON_STRING))
		said.text = json_str(v->texts->mem, j);
	else if (json_is(json_get(root, "systemInstruction"), JSON_OBJECT))
		j = json_get(json_get(root, "systemInstruction"), "parts");
	if (json_is(j, JSON_ARRAY) && !said_read_parts(v->texts->mem, j, &said))
		return;
	if (!said.text.n || said.text.n > v->text_most)
		return;
	buf_init(&text, ATTRIBUTE_MAX);
	struct json_out inner = json_out(&text);
	json_open_array(&inner, NULL);
	put_part(&inner, "text", said.text);
	json_close_array(&inner);
	otlp_put_text(o, "gen_ai.system_instructions", text.failed ? STR_NONE : buf_str(&text));
	buf_done(&text);
}

/* By any dialect's name for it. */
static void put_stop(struct json_out *o, const struct export_view *v)
{
	static const char *const names[] = { "stop", "stop_sequences", "stopSequences" };
	const struct json *root = v->texts->root[TEXT_PROMPT], *j = NULL;
	const struct json *config = json_is(root, JSON_OBJECT) ? json_get(root, "generationConfig")
							       : NULL;
	struct str stops[STOPS_MAX];
	size_t n = 0;
	for (size_t i = 0; !j && i < COUNT(names); i++)
		j = json_is(root, JSON_OBJECT) ? json_get(root, names[i]) : NULL;
	if (!j && json_is(config, JSON_OBJECT))
		j = json_get(config, "stopSequences");
	if (json_is(j, JSON_STRING))
		stops[n++] = json_str(v->texts->mem, j);
	for (j = json_is(j, JSON_ARRAY) ? j->child : NULL; j && n < STOPS_MAX; j = j->next)
		if (j->type == JSON_STRING)
			stops[n++] = json_str(v->texts->mem, j);
	otlp_put_texts(o, "gen_ai.request.stop_sequences", stops, n);
}

/* Not the request's, which llmgw.call_id is. */
static void put_id(struct json_out *o, const struct export_view *v)
{
	const struct json *root = v->texts->root[TEXT_ANSWER];
	if (json_is(root, JSON_OBJECT) && json_is(json_get(root, "id"), JSON_STRING))
		otlp_put_text(o, "gen_ai.response.id", payload_id(v));
}

void export_put_otlp_texts(struct json_out *o, const struct export_view *v)
{
	static const char *const names[] = { "gen_ai.input.messages", "gen_ai.output.messages" };
	if (!v->texts || v->texts->is_hidden || v->texts->is_lost)
		return;
	put_system(o, v);
	put_stop(o, v);
	put_id(o, v);
	for (unsigned i = 0; i < TEXT_KINDS; i++) {
		struct buf text;
		buf_init(&text, ATTRIBUTE_MAX);
		struct json_out inner = json_out(&text);
		put_list(&inner, v, i);
		if (text.failed)
			o->to->failed = true;	/* with less of it there is room */
		otlp_put_text(o, names[i], text.failed ? STR_NONE : buf_str(&text));
		buf_done(&text);
	}
}
