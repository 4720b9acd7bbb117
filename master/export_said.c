/* SPDX-License-Identifier: MIT
 * export_said.c - see export_said.h. A provider, or a client, chose what is read here: whatever it
 * looks like, it is text or nothing. */
#include "master/export_said.h"

#include "common/texts.h"

enum { SAID_MAX = 2 * TEXT_MOST };	/* it is shorter decoded than it was as JSON */

struct reading {
	struct arena *a;
	struct said *to;
	struct buf text, thinking;
	bool has_text, has_thinking;
};

static void add_text(struct reading *r, const struct json *j)
{
	if (!json_is(j, JSON_STRING))
		return;
	r->has_text = true;
	buf_put(&r->text, json_str(r->a, j));
}

static void add_thinking(struct reading *r, const struct json *j)
{
	if (!json_is(j, JSON_STRING))
		return;
	r->has_thinking = true;
	buf_put(&r->thinking, json_str(r->a, j));
}

static void add_call(struct reading *r, struct str id, struct str name,
		     const struct json *arguments)
{
	if (r->to->n_calls < SAID_CALLS)
		r->to->calls[r->to->n_calls++] = (struct said_call){ id, name, arguments };
}

/* ---- parts of messages ---- */

static void read_part(struct reading *r, const struct json *p)
{
	const struct json *call = json_get(p, "functionCall");
	struct str type = json_get_str(r->a, p, "type");
	if (json_is(call, JSON_OBJECT))
		add_call(r, json_get_str(r->a, call, "id"), json_get_str(r->a, call, "name"),
			 json_get(call, "args"));
	else if (str_eq(type, STR("tool_use")))
		add_call(r, json_get_str(r->a, p, "id"), json_get_str(r->a, p, "name"),
			 json_get(p, "input"));
	else if (str_eq(type, STR("thinking")))
		add_thinking(r, json_get(p, "thinking"));
	else if (json_is_true(json_get(p, "thought")))
		add_thinking(r, json_get(p, "text"));
	else
		add_text(r, json_get(p, "text"));
}

static void read_parts(struct reading *r, const struct json *parts)
{
	for (const struct json *p = json_is(parts, JSON_ARRAY) ? parts->child : NULL; p;
	     p = p->next) {
		if (p->type == JSON_OBJECT)
			read_part(r, p);
		else
			add_text(r, p);
	}
}

/* OpenAI's, and what looks like it. */
static void read_message(struct reading *r, const struct json *m)
{
	const struct json *content = json_get(m, "content"), *calls = json_get(m, "tool_calls");
	const struct json *thinking = json_get(m, "reasoning_content");
	if (json_is(content, JSON_ARRAY))
		read_parts(r, content);
	else
		add_text(r, content);
	add_thinking(r, json_is(thinking, JSON_STRING) ? thinking : json_get(m, "thinking"));
	for (const struct json *c = json_is(calls, JSON_ARRAY) ? calls->child : NULL; c;
	     c = c->next) {
		const struct json *f = json_is(c, JSON_OBJECT) ? json_get(c, "function") : NULL;
		if (json_is(f, JSON_OBJECT))
			add_call(r, json_get_str(r->a, c, "id"), json_get_str(r->a, f, "name"),
				 json_get(f, "arguments"));
	}
}

/* ---- whole answers ---- */

static void read_item(struct reading *r, const struct json *item)
{
	struct str type = json_get_str(r->a, item, "type");
	const struct json *summary = json_get(item, "summary");
	if (str_eq(type, STR("function_call")))
		add_call(r, json_get_str(r->a, item, "call_id"), json_get_str(r->a, item, "name"),
			 json_get(item, "arguments"));
	for (const struct json *s = json_is(summary, JSON_ARRAY) ? summary->child : NULL; s;
	     s = s->next)
		if (s->type == JSON_OBJECT)
			add_thinking(r, json_get(s, "text"));
	if (str_eq(type, STR("message")))
		read_parts(r, json_get(item, "content"));
}

static const struct json *nth(const struct json *root, const char *list, size_t i)
{
	const struct json *l = json_get(root, list);
	const struct json *j = json_is(l, JSON_ARRAY) ? json_at(l, i) : NULL;
	return json_is(j, JSON_OBJECT) ? j : NULL;
}

static bool read_one(struct reading *r, const struct json *root)
{
	const struct json *message = json_get(root, "message"), *output = json_get(root, "output");
	if (json_is(message, JSON_OBJECT))		/* Ollama's, Cohere's */
		read_message(r, message);
	else if (json_is(json_get(root, "content"), JSON_ARRAY))	/* Anthropic's */
		read_parts(r, json_get(root, "content"));
	else if (json_is(json_get(root, "response"), JSON_STRING))	/* Ollama's */
		add_text(r, json_get(root, "response"));
	else if (json_is(output, JSON_ARRAY))		/* OpenAI's Responses */
		for (const struct json *j = output->child; j; j = j->next) {
			if (j->type == JSON_OBJECT)
				read_item(r, j);
		}
	else
		return false;
	return true;
}

static bool read_any(struct reading *r, const struct json *root, size_t i)
{
	const struct json *choice = nth(root, "choices", i);
	const struct json *candidate = nth(root, "candidates", i), *content;
	if (choice && json_is(json_get(choice, "message"), JSON_OBJECT)) {
		read_message(r, json_get(choice, "message"));
	} else if (choice) {
		add_text(r, json_get(choice, "text"));
	} else if (candidate) {
		content = json_get(candidate, "content");
		read_parts(r, json_is(content, JSON_OBJECT) ? json_get(content, "parts") : NULL);
	} else {
		return i == 0 && read_one(r, root);
	}
	return true;
}

static void begin(struct reading *r, struct arena *a, struct said *to)
{
	*r = (struct reading){ .a = a, .to = to };
	*to = (struct said){ 0 };
	buf_init(&r->text, SAID_MAX);
	buf_init(&r->thinking, SAID_MAX);
}

/* Whether there was memory for all of it. */
static bool end(struct reading *r)
{
	bool ok = !r->text.failed && !r->thinking.failed;
	if (ok && r->has_text)
		r->to->text = arena_dup(r->a, r->text.n ? buf_str(&r->text) : STR(""));
	if (ok && r->has_thinking)
		r->to->thinking = arena_dup(r->a, r->thinking.n ? buf_str(&r->thinking) : STR(""));
	ok = ok && (!r->has_text || r->to->text.p) && (!r->has_thinking || r->to->thinking.p);
	buf_done(&r->text);
	buf_done(&r->thinking);
	return ok;
}

bool said_read(struct arena *a, const struct json *root, size_t i, struct said *ret)
{
	struct reading r;
	begin(&r, a, ret);
	bool found = json_is(root, JSON_OBJECT) && read_any(&r, root, i);
	return end(&r) && found;
}

bool said_read_message(struct arena *a, const struct json *message, struct said *ret)
{
	struct reading r;
	begin(&r, a, ret);
	read_message(&r, message);
	return end(&r);
}

bool said_read_parts(struct arena *a, const struct json *parts, struct said *ret)
{
	struct reading r;
	begin(&r, a, ret);
	read_parts(&r, parts);
	return end(&r);
}

/* ---- in OpenAI's words ---- */

static void put_call(struct json_out *o, const struct said_call *c)
{
	json_open(o, NULL);
	json_put_str(o, "id", c->id);
	json_put_z(o, "type", "function");
	json_open(o, "function");
	json_put_str(o, "name", c->name);
	if (json_is(c->arguments, JSON_STRING))
		json_put_raw(o, "arguments", c->arguments->raw);
	else
		json_put_str(o, "arguments", c->arguments ? c->arguments->raw : STR("{}"));
	json_close(o);
	json_close(o);
}

void said_put_message(struct json_out *o, const struct said *s)
{
	json_put_str(o, "content", s->text);
	if (s->thinking.p)
		json_put_str(o, "reasoning_content", s->thinking);
	if (!s->n_calls)
		return;
	json_open_array(o, "tool_calls");
	for (unsigned i = 0; i < s->n_calls; i++)
		put_call(o, &s->calls[i]);
	json_close_array(o);
}
