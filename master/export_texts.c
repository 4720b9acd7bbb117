/* SPDX-License-Identifier: MIT
 * export_texts.c - see export_texts.h. */
#include "master/export_texts.h"

#include "common/clock.h"
#include "common/journal.h"
#include "master/export_said.h"

#define REDACTED "redacted-by-litellm"		/* LiteLLM's words, which readers of it know */

const struct export_texts *export_texts_for(const struct config *c, unsigned kind,
					    const struct export_texts *t,
					    struct export_texts *room)
{
	bool is_hidden = c->export_hidden >> kind & 1;
	if (!t || !export_wants_texts(c, kind))
		return NULL;
	if (!is_hidden && !c->texts_left_out)
		return t;
	*room = *t;
	room->is_hidden |= is_hidden;
	for (unsigned i = 0; i < TEXT_KINDS; i++)
		if (is_hidden || c->texts_left_out >> i & 1) {
			room->text[i] = STR_NONE;
			room->cut[i] = 0;
			room->root[i] = NULL;
		}
	return room;
}

/* ---- values ---- */

/* A text that was cut, with what says so behind it. */
static void put_beginning(struct json_out *o, const char *key, struct str text, uint64_t cut)
{
	json_put_raw(o, key, STR("\""));
	json_escape(o->to, text);
	if (cut)
		buf_printf(o->to, " ... [%llu bytes cut]", (unsigned long long)cut);
	buf_put_char(o->to, '"');
}

/* On one line, as some want it; too long a value becomes a text of its beginning. */
static void put_value(struct json_out *o, const char *key, const struct export_view *v,
		      const struct json *j)
{
	struct str kept = text_cut(j->raw, v->text_most);
	if (kept.n == j->raw.n)
		json_put_line(o, key, j->raw);
	else
		put_beginning(o, key, kept, j->raw.n - kept.n);
}

/* What is no JSON, or not all of it. */
static void put_remains(struct json_out *o, const char *key, const struct export_view *v,
		     enum text_kind which)
{
	struct str text = v->texts->text[which], kept = text_cut(text, v->text_most);
	put_beginning(o, key, kept, text.n - kept.n + v->texts->cut[which]);
}

static bool is_said(const struct export_view *v, enum text_kind which)
{
	const struct export_texts *t = v->texts;
	return t && !t->is_hidden && !t->is_lost && (t->text[which].n || t->cut[which]);
}

const struct json *export_prompt_of(const struct json *root)
{
	static const char *const names[] = { "messages", "contents", "input", "prompt", "query",
					     "message", "inputs", "texts", "content", "requests" };
	for (size_t i = 0; i < COUNT(names); i++) {
		const struct json *j = json_is(root, JSON_OBJECT) ? json_get(root, names[i]) : NULL;
		if (json_is_given(j))
			return j;
	}
	return NULL;
}

/* Of a body that is whole the prompt alone is told. */
uint64_t export_text_cut(const struct export_view *v, enum text_kind which)
{
	if (!is_said(v, which))
		return 0;
	const struct json *root = v->texts->root[which];
	const struct json *j = which == TEXT_PROMPT ? export_prompt_of(root) : NULL;
	size_t n = j ? j->raw.n : v->texts->text[which].n;
	return v->texts->cut[which] + (uint64_t)(n > v->text_most ? n - v->text_most : 0);
}

void export_put_texts_note(struct json_out *o, const struct export_view *v)
{
	uint64_t prompt = export_text_cut(v, TEXT_PROMPT), answer = export_text_cut(v, TEXT_ANSWER);
	if (v->texts && v->texts->is_lost)
		json_put_z(o, "texts_missing", "they were lost on their way: there was no room");
	if (!prompt && !answer)
		return;
	json_open(o, "texts_cut");
	json_put_u64(o, "prompt_bytes", prompt);
	json_put_u64(o, "response_bytes", answer);
	json_close(o);
}

/* ---- what was asked ---- */

/* Anthropic's stands beside the messages; LiteLLM has it as the first of them. */
static const struct json *system_of(const struct json *root)
{
	const struct json *j = json_get(root, "system");
	return json_is(j, JSON_STRING) || json_is(j, JSON_ARRAY) ? j : NULL;
}

static void put_result(struct json_out *o, struct arena *a, const struct json *result)
{
	const struct json *response = json_get(result, "response");
	json_open(o, NULL);
	json_put_z(o, "role", "tool");
	json_put_str(o, "name", json_get_str(a, result, "name"));
	json_put_str(o, "content", response ? response->raw : STR("{}"));
	json_close(o);
}

/* One of Gemini's contents: a message, and one for each result of a tool. */
static void put_content(struct json_out *o, struct arena *a, const struct json *content,
			const char *role)
{
	const struct json *parts = json_get(content, "parts");
	struct said said;
	if (!said_read_parts(a, parts, &said))
		return;
	for (const struct json *p = json_is(parts, JSON_ARRAY) ? parts->child : NULL; p;
	     p = p->next)
		if (p->type == JSON_OBJECT &&
		    json_is(json_get(p, "functionResponse"), JSON_OBJECT))
			put_result(o, a, json_get(p, "functionResponse"));
	if (!said.text.p && !said.thinking.p && !said.n_calls)
		return;
	json_open(o, NULL);
	json_put_z(o, "role", role);
	said_put_message(o, &said);
	json_close(o);
}

static void put_contents(struct json_out *o, const char *key, struct arena *a,
			 const struct json *root, const struct json *contents)
{
	const struct json *system = json_get(root, "systemInstruction");
	json_open_array(o, key);
	if (json_is(system, JSON_OBJECT))
		put_content(o, a, system, "system");
	for (const struct json *j = contents->child; j; j = j->next) {
		if (j->type != JSON_OBJECT)
			continue;
		bool is_model = str_eq(json_get_str(a, j, "role"), STR("model"));
		put_content(o, a, j, is_model ? "assistant" : "user");
	}
	json_close_array(o);
}

static void put_with_system(struct json_out *o, const char *key, const struct json *system,
			    const struct json *messages)
{
	json_open_array(o, key);
	json_open(o, NULL);
	json_put_z(o, "role", "system");
	json_put_line(o, "content", system->raw);
	json_close(o);
	for (const struct json *j = messages->child; j; j = j->next)
		json_put_line(o, NULL, j->raw);
	json_close_array(o);
}

static void put_prompt(struct json_out *o, const char *key, const struct export_view *v)
{
	const struct json *root = v->texts->root[TEXT_PROMPT], *j = export_prompt_of(root);
	const struct json *system = json_is(root, JSON_OBJECT) ? system_of(root) : NULL;
	bool fits = !export_text_cut(v, TEXT_PROMPT);
	bool is_list = fits && json_is(j, JSON_ARRAY);
	if (is_list && str_eq(j->key, STR("contents")))
		put_contents(o, key, v->texts->mem, root, j);
	else if (is_list && system && str_eq(j->key, STR("messages")))
		put_with_system(o, key, system, j);
	else if (j)
		put_value(o, key, v, j);
	else if (root && fits)
		json_put_line(o, key, root->raw);
	else
		put_remains(o, key, v, TEXT_PROMPT);
}

void export_put_messages(struct json_out *o, const char *key, const struct export_view *v)
{
	if (v->texts && v->texts->is_hidden)
		json_put_raw(o, key, STR("[{\"role\":\"user\",\"content\":\"" REDACTED "\"}]"));
	else if (is_said(v, TEXT_PROMPT))
		put_prompt(o, key, v);
	else
		json_put_null(o, key);
}

void export_put_input(struct json_out *o, const char *key, const struct export_view *v)
{
	static const char *const offered[] = { "tools", "functions" };
	const struct json *root = is_said(v, TEXT_PROMPT) ? v->texts->root[TEXT_PROMPT] : NULL;
	if (!v->texts || v->texts->is_lost) {
		json_put_null(o, key);
		return;
	}
	json_open(o, key);
	export_put_messages(o, "messages", v);
	for (size_t i = 0; i < COUNT(offered); i++) {
		const struct json *j = json_is(root, JSON_OBJECT) ? json_get(root, offered[i])
								  : NULL;
		if (json_is_given(j))
			put_value(o, offered[i], v, j);
	}
	json_close(o);
}

/* ---- what was answered ---- */

/* OpenAI's own, which is told as it is; so is what nothing here makes one of. */
static bool is_openai(const struct json *root)
{
	static const char *const members[] = { "choices", "output", "data", "results", "error" };
	for (size_t i = 0; i < COUNT(members); i++)
		if (json_get(root, members[i]))
			return true;
	return false;
}

void export_put_usage(struct json_out *o, const struct record *r)
{
	json_open(o, "usage");
	json_put_u64(o, "prompt_tokens", r->input);
	json_put_u64(o, "completion_tokens", r->output);
	json_put_u64(o, "total_tokens", (uint64_t)r->input + r->output);
	json_close(o);
}

struct str export_model_of(const struct record *r)
{
	return record_text(r, record_text(r, RT_UPSTREAM).n ? RT_UPSTREAM : RT_MODEL);
}

/* A chat completion, as the record has it, with that message. */
static void put_completion(struct json_out *o, const struct record *r, const struct said *said)
{
	struct str finish = export_finish(r);
	json_put_str(o, "id", record_text(r, RT_CALL_ID));
	json_put_z(o, "object", "chat.completion");
	json_put_u64(o, "created", r->start_ns / NS_PER_S);
	json_put_str(o, "model", export_model_of(r));
	json_open_array(o, "choices");
	json_open(o, NULL);
	json_put_u64(o, "index", 0);
	json_put_str(o, "finish_reason", finish.n ? finish : STR_NONE);
	json_open(o, "message");
	json_put_z(o, "role", "assistant");
	said_put_message(o, said);
	json_close(o);
	json_close(o);
	json_close_array(o);
	export_put_usage(o, r);
}

const struct said export_hidden = { .text = { REDACTED, sizeof REDACTED - 1 } };

static void put_hidden_members(struct json_out *o, const struct record *r)
{
	if (r->call == JOURNAL_CALL_CHAT && !(r->flags & RF_FAILED))
		put_completion(o, r, &export_hidden);
	else
		json_put_z(o, "text", REDACTED);
}

bool export_put_response_members(struct json_out *o, const struct export_view *v)
{
	struct said said;
	if (v->texts && v->texts->is_hidden) {
		put_hidden_members(o, v->r);
		return true;
	}
	const struct json *root = is_said(v, TEXT_ANSWER) ? v->texts->root[TEXT_ANSWER] : NULL;
	if (!json_is(root, JSON_OBJECT) || root->raw.n > v->text_most)
		return false;
	if (!is_openai(root) && said_read(v->texts->mem, root, 0, &said)) {
		put_completion(o, v->r, &said);
		return true;
	}
	for (const struct json *j = root->child; j; j = j->next) {
		json_key(o, j->key);
		json_put_line(o, NULL, j->raw);
	}
	return true;
}

void export_put_response(struct json_out *o, const char *key, const struct export_view *v)
{
	const struct export_texts *t = v->texts;
	if (!t || t->is_lost) {
		json_put_null(o, key);
		return;
	}
	bool is_given = is_said(v, TEXT_ANSWER);
	const struct json *root = is_given ? t->root[TEXT_ANSWER] : NULL;
	bool is_object = json_is(root, JSON_OBJECT) && root->raw.n <= v->text_most;
	if (t->is_hidden || is_object || !is_given) {
		json_open(o, key);
		export_put_response_members(o, v);
		json_close(o);
	} else if (root) {
		put_value(o, key, v, root);
	} else {
		put_remains(o, key, v, TEXT_ANSWER);
	}
}

/* The part of an answer that there is to see. */
static const struct json *shown(const struct json *root)
{
	static const char *const names[] = { "output", "data", "results" };
	const struct json *choice = json_get(root, "choices");
	choice = json_is(choice, JSON_ARRAY) ? json_at(choice, 0) : NULL;
	if (json_is(choice, JSON_OBJECT))
		return json_get(choice, json_get(choice, "message") ? "message" : "text");
	for (size_t i = 0; i < COUNT(names); i++)
		if (json_is_given(json_get(root, names[i])))
			return json_get(root, names[i]);
	return NULL;
}

static void put_said(struct json_out *o, const char *key, const struct said *said)
{
	json_open(o, key);
	json_put_z(o, "role", "assistant");
	said_put_message(o, said);
	json_close(o);
}

/* Vectors are nothing to see. */
void export_put_output(struct json_out *o, const char *key, const struct export_view *v)
{
	const struct json *root = is_said(v, TEXT_ANSWER) ? v->texts->root[TEXT_ANSWER] : NULL;
	bool fits = json_is(root, JSON_OBJECT) && root->raw.n <= v->text_most;
	const struct json *j = fits ? shown(root) : NULL;
	struct said said;
	if (v->r->flags & RF_FAILED)
		json_put_str(o, key, record_text(v->r, RT_OUTCOME));
	else if (v->texts && v->texts->is_hidden)
		put_said(o, key, &export_hidden);
	else if (v->r->call == JOURNAL_CALL_EMBED || !is_said(v, TEXT_ANSWER))
		json_put_null(o, key);
	else if (j)
		put_value(o, key, v, j);
	else if (fits && !is_openai(root) && said_read(v->texts->mem, root, 0, &said))
		put_said(o, key, &said);
	else
		export_put_response(o, key, v);
}
