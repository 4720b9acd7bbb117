/* SPDX-License-Identifier: MIT
 * provider_openai_write.c - the neutral request in OpenAI's words.
 *
 * Everything is written from the neutral form; what a client wrote raw is used only where the
 * form says that nobody here understands it, and the client spoke this format. */
#include <stdio.h>

#include "common/hash.h"
#include "common/json_write.h"
#include "common/snapshot.h"
#include "worker/exchange/provider_openai.h"
#include "worker/gemini.h"

enum { ID_MAX = 40 };			/* bytes of a call's id */

static void put_optional(struct json_out *o, const char *key, struct str s)
{
	if (s.p)
		json_put_str(o, key, s);
}

static void put_number(struct json_out *o, const char *key, struct str number)
{
	if (number.p)
		json_put_raw(o, key, number);
}

/* Whether what is raw in a request is in this format's words. */
static bool is_our_words(const struct llm_request *q)
{
	return q->family == FAMILY_OPENAI;
}

/* --- parts --- */

/* A link, or the data as one. */
static void put_link(struct json_out *o, const char *key, const struct llm_part *p)
{
	if (p->url.p) {
		json_put_str(o, key, p->url);
		return;
	}
	json_put_raw(o, key, STR("\"data:"));
	json_escape(o->to, p->mime);
	BUF_PUT_LIT(o->to, ";base64,");
	json_escape(o->to, p->data);
	buf_put_char(o->to, '"');
}

static void put_audio(struct json_out *o, const struct llm_part *p)
{
	struct str format = p->mime;
	if (str_starts(format, STR("audio/")))
		format = str_skip(format, 6);
	json_open(o, "input_audio");
	json_put_str(o, "data", p->data.p ? p->data : STR(""));
	json_put_str(o, "format", format.p ? format : STR("wav"));
	json_close(o);
}

static void put_file(struct json_out *o, const struct llm_part *p)
{
	json_open(o, "file");
	put_optional(o, "file_id", p->file_id);
	put_optional(o, "filename", p->filename);
	if (p->data.p || p->url.p)
		put_link(o, "file_data", p);
	json_close(o);
}

static void put_image(struct json_out *o, const struct llm_part *p)
{
	json_open(o, "image_url");
	put_link(o, "url", p);
	put_optional(o, "detail", p->detail);
	json_close(o);
}

static void put_part(struct json_out *o, const struct llm_part *p)
{
	static const char *const types[] = {
		[PART_TEXT] = "text", [PART_IMAGE] = "image_url", [PART_AUDIO] = "input_audio",
		[PART_FILE] = "file", [PART_REFUSAL] = "refusal",
	};
	if (p->kind == PART_OTHER) {
		json_put_raw(o, NULL, p->raw->raw);
		return;
	}
	json_open(o, NULL);
	json_put_z(o, "type", types[p->kind]);
	if (p->kind == PART_IMAGE)
		put_image(o, p);
	else if (p->kind == PART_AUDIO)
		put_audio(o, p);
	else if (p->kind == PART_FILE)
		put_file(o, p);
	else
		json_put_str(o, p->kind == PART_REFUSAL ? "refusal" : "text", p->text);
	json_close(o);
}

static bool is_content(const struct llm_request *q, const struct llm_part *p)
{
	if (p->kind == PART_OTHER)
		return p->raw && is_our_words(q);
	return p->kind != PART_TOOL_CALL && p->kind != PART_TOOL_RESULT &&
	       p->kind != PART_REASONING;
}

static bool has_calls(const struct llm_part *p)
{
	while (p && p->kind != PART_TOOL_CALL)
		p = p->next;
	return p;
}

/* One plain text is written as a string, anything else as parts. Only calls go without a word. */
static void put_content(struct json_out *o, const struct llm_request *q,
			const struct llm_part *parts)
{
	const struct llm_part *only = NULL;
	unsigned n = 0;
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (!is_content(q, p))
			continue;
		only = p;
		n++;
	}
	if (n == 0) {
		json_put_str(o, "content", has_calls(parts) ? STR_NONE : STR(""));
	} else if (n == 1 && only->kind == PART_TEXT) {
		json_put_str(o, "content", only->text);
	} else {
		json_open_array(o, "content");
		for (const struct llm_part *p = parts; p; p = p->next)
			if (is_content(q, p))
				put_part(o, p);
		json_close_array(o);
	}
}

/* --- messages --- */

/* OpenAI refuses longer ones; those of Gemini's calls have a signature behind them. */
static void put_id(struct json_out *o, const char *key, struct str id)
{
	char made[32];
	if (id.n > ID_MAX)
		id = gemini_bare_id(id);
	if (id.n > ID_MAX) {
		snprintf(made, sizeof made, "call_%016llx", (unsigned long long)hash_stable(id));
		id = str_z(made);
	}
	json_put_str(o, key, id);
}

static void put_call(struct json_out *o, const struct llm_part *p)
{
	const char *type = p->is_custom ? "custom" : "function";
	json_open(o, NULL);
	put_id(o, "id", p->id);
	json_put_z(o, "type", type);
	json_open(o, type);
	json_put_str(o, "name", p->name);
	json_put_str(o, p->is_custom ? "input" : "arguments", p->text.p ? p->text : STR("{}"));
	json_close(o);
	json_close(o);
}

static void put_calls(struct json_out *o, const struct llm_part *parts)
{
	bool is_open = false;
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (p->kind != PART_TOOL_CALL)
			continue;
		if (!is_open)
			json_open_array(o, "tool_calls");
		is_open = true;
		put_call(o, p);
	}
	if (is_open)
		json_close_array(o);
}

/* All that was thought, as the clones have it; signatures are their maker's matter. */
static void put_thoughts(struct json_out *o, const struct llm_part *parts)
{
	bool is_open = false;
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (p->kind != PART_REASONING || !p->text.n)
			continue;
		if (!is_open)
			json_put_raw(o, "reasoning_content", STR("\""));
		is_open = true;
		json_escape(o->to, p->text);
	}
	if (is_open)
		buf_put_char(o->to, '"');
}

/* One plain text goes under the name that the clones know; anything else needs LiteLLM's blocks,
 * which only a client of this format has from whom they go to. */
static void put_reasoning(struct json_out *o, const struct llm_request *q,
			  const struct llm_part *parts)
{
	bool is_plain = true;
	unsigned n = 0;
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (p->kind != PART_REASONING)
			continue;
		is_plain = p->text.p && !p->signature.p;
		n++;
	}
	if (!is_our_words(q) || n == 0 || (n == 1 && is_plain)) {
		put_thoughts(o, parts);
		return;
	}
	json_open_array(o, "thinking_blocks");
	for (const struct llm_part *p = parts; p; p = p->next) {
		if (p->kind != PART_REASONING)
			continue;
		json_open(o, NULL);
		json_put_z(o, "type", "thinking");
		put_optional(o, "thinking", p->text);
		put_optional(o, "signature", p->signature);
		json_close(o);
	}
	json_close_array(o);
}

static void put_said(struct json_out *o, const struct llm_request *q, const struct llm_message *m,
		     const struct llm_part *parts)
{
	static const char *const roles[] = {
		[ROLE_SYSTEM] = "system", [ROLE_DEVELOPER] = "developer", [ROLE_USER] = "user",
		[ROLE_ASSISTANT] = "assistant", [ROLE_TOOL] = "user",
	};
	json_open(o, NULL);
	json_put_z(o, "role", roles[m->role]);
	put_content(o, q, parts);
	if (m->role != ROLE_TOOL)
		put_optional(o, "name", m->name);
	put_reasoning(o, q, parts);
	put_calls(o, parts);
	json_close(o);
}

static const struct llm_part *next_result(const struct llm_part *p)
{
	while (p && p->kind != PART_TOOL_RESULT)
		p = p->next;
	return p;
}

/* inner: parts that belong to it, up to the next result; NULL: none. */
static void put_result(struct json_out *o, const struct llm_request *q, const struct llm_part *p,
		       const struct llm_part *inner)
{
	struct str text = p->text.p ? p->text : STR("");
	json_open(o, NULL);
	json_put_z(o, "role", "tool");
	put_id(o, "tool_call_id", p->id);
	put_optional(o, "name", p->name);
	if (!inner || inner->kind == PART_TOOL_RESULT) {
		json_put_str(o, "content", text);
		json_close(o);
		return;
	}
	json_open_array(o, "content");
	put_part(o, &(struct llm_part){ .kind = PART_TEXT, .text = text });
	for (; inner && inner->kind != PART_TOOL_RESULT; inner = inner->next)
		if (is_content(q, inner))
			put_part(o, inner);
	json_close_array(o);
	json_close(o);
}

/* A result is text in this format: what other dialects put into one beside it, the user shows. */
static void put_shown(struct json_out *o, const struct llm_request *q,
		      const struct llm_message *first, const struct llm_message *end)
{
	bool is_open = false;
	for (const struct llm_message *m = first; m != end; m = m->next) {
		for (const struct llm_part *p = m->parts; p; p = p->next) {
			if (!is_content(q, p))
				continue;
			if (!is_open) {
				json_open(o, NULL);
				json_put_z(o, "role", "user");
				json_open_array(o, "content");
			}
			is_open = true;
			put_part(o, p);
		}
	}
	if (!is_open)
		return;
	json_close_array(o);
	json_close(o);
}

/* Nothing may stand between the results of one turn's calls. */
static const struct llm_message *put_results(struct json_out *o, const struct llm_request *q,
					     const struct llm_message *first)
{
	bool has_inner = is_our_words(q) && !q->has_rich_results;
	const struct llm_message *m = first;
	for (; m && m->role == ROLE_TOOL; m = m->next)
		for (const struct llm_part *p = next_result(m->parts); p; p = next_result(p->next))
			put_result(o, q, p, has_inner ? p->next : NULL);
	if (!has_inner)
		put_shown(o, q, first, m);
	return m;
}

/* A neutral message may hold several results (other dialects put them into a user's turn). What
 * else such a turn says comes after them. */
static void put_message(struct json_out *o, const struct llm_request *q,
			const struct llm_message *m)
{
	const struct llm_part *p = m->parts;
	for (; m->role == ROLE_USER && p && p->kind == PART_TOOL_RESULT; p = p->next)
		put_result(o, q, p, NULL);
	if (p || !m->parts)
		put_said(o, q, m, p);
}

static void put_messages(struct json_out *o, const struct llm_request *q)
{
	const struct llm_message *m = q->messages;
	json_open_array(o, "messages");
	while (m) {
		if (m->role == ROLE_TOOL) {
			m = put_results(o, q, m);
			continue;
		}
		put_message(o, q, m);
		m = m->next;
	}
	json_close_array(o);
}

/* --- tools --- */

/* What only another vendor runs is not offered. */
static bool is_offered(const struct llm_request *q, const struct llm_tool *t)
{
	return t->kind != TOOL_OTHER || is_our_words(q);
}

static bool has_offered(const struct llm_request *q)
{
	const struct llm_tool *t = q->tools;
	while (t && !is_offered(q, t))
		t = t->next;
	return t;
}

static void put_tool(struct json_out *o, const struct llm_tool *t)
{
	const char *type = t->kind == TOOL_CUSTOM ? "custom" : "function";
	if (t->kind == TOOL_OTHER) {
		json_put_raw(o, NULL, t->schema);
		return;
	}
	json_open(o, NULL);
	json_put_z(o, "type", type);
	json_open(o, type);
	json_put_str(o, "name", t->name);
	put_optional(o, "description", t->description);
	if (t->schema.p)
		json_put_raw(o, t->kind == TOOL_CUSTOM ? "format" : "parameters", t->schema);
	if (t->strict)
		json_put_bool(o, "strict", true);
	json_close(o);
	json_close(o);
}

static const char *type_of_tool(const struct llm_request *q, struct str name)
{
	for (const struct llm_tool *t = q->tools; t; t = t->next)
		if (t->kind == TOOL_CUSTOM && str_eq(t->name, name))
			return "custom";
	return "function";
}

static void put_choice(struct json_out *o, const struct llm_request *q)
{
	static const char *const words[] = {
		[CHOICE_AUTO] = "auto", [CHOICE_NONE] = "none", [CHOICE_REQUIRED] = "required",
	};
	if (q->tool_choice == CHOICE_UNSET)
		return;
	if (q->tool_choice != CHOICE_NAMED) {
		json_put_z(o, "tool_choice", words[q->tool_choice]);
		return;
	}
	const char *type = type_of_tool(q, q->tool_choice_name);
	json_open(o, "tool_choice");
	json_put_z(o, "type", type);
	json_open(o, type);
	json_put_str(o, "name", q->tool_choice_name);
	json_close(o);
	json_close(o);
}

static void put_tools(struct json_out *o, const struct llm_request *q)
{
	if (!has_offered(q) && (q->tools || !is_our_words(q)))
		return;			/* no choice among none */
	if (q->tools) {
		json_open_array(o, "tools");
		for (const struct llm_tool *t = q->tools; t; t = t->next)
			if (is_offered(q, t))
				put_tool(o, t);
		json_close_array(o);
	}
	put_choice(o, q);
	if (q->has_parallel_tool_calls)
		json_put_bool(o, "parallel_tool_calls", q->parallel_tool_calls);
}

static void put_format(struct json_out *o, const struct llm_request *q)
{
	if (q->format == FORMAT_UNSET)
		return;
	json_open(o, "response_format");
	if (q->format == FORMAT_SCHEMA) {
		json_put_z(o, "type", "json_schema");
		json_open(o, "json_schema");
		json_put_str(o, "name", q->format_name.p ? q->format_name : STR("answer"));
		put_optional(o, "description", q->format_description);
		if (q->format_schema.p)
			json_put_raw(o, "schema", q->format_schema);
		if (q->format_strict)
			json_put_bool(o, "strict", true);
		json_close(o);
	} else {
		json_put_z(o, "type", q->format == FORMAT_JSON ? "json_object" : "text");
	}
	json_close(o);
}

/* --- the rest --- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* OpenAI's reasoning models refuse max_tokens; most clones know nothing else. */
static bool wants_completion_max(struct str model)
{
	for (size_t at; (at = str_find_char(model, '/')) != SIZE_MAX;)
		model = str_skip(model, at + 1);
	if (model.n >= 2 && model.p[0] == 'o' && is_digit(model.p[1]))
		return true;
	return model.n > 4 && str_starts(model, STR("gpt-")) && model.p[4] >= '5' &&
	       model.p[4] <= '9';
}

static void put_stop(struct json_out *o, const struct llm_request *q)
{
	if (!q->n_stop)
		return;
	json_open_array(o, "stop");
	for (unsigned i = 0; i < q->n_stop; i++)
		json_put_str(o, NULL, q->stop[i]);
	json_close_array(o);
}

static void put_sampling(struct json_out *o, const struct llm_request *q, struct str model)
{
	const char *limit = wants_completion_max(model) ? "max_completion_tokens" : "max_tokens";
	if (q->max_tokens)
		json_put_u64(o, limit, q->max_tokens);
	put_number(o, "temperature", q->temperature);
	put_number(o, "top_p", q->top_p);
	put_number(o, "top_k", q->top_k);
	put_number(o, "seed", q->seed);
	put_number(o, "presence_penalty", q->presence_penalty);
	put_number(o, "frequency_penalty", q->frequency_penalty);
	put_stop(o, q);
	if (q->n > 1)
		json_put_u64(o, "n", q->n);
	put_optional(o, "reasoning_effort", q->reasoning_effort);
}

static void put_inputs(struct json_out *o, const char *key, const struct llm_request *q)
{
	bool is_list = q->n_inputs > 1;
	if (is_list)
		json_open_array(o, key);
	for (unsigned i = 0; i < q->n_inputs; i++) {
		if (q->inputs_are_tokens)
			json_put_raw(o, is_list ? NULL : key, q->inputs[i]);
		else
			json_put_str(o, is_list ? NULL : key, q->inputs[i]);
	}
	if (is_list)
		json_close_array(o);
}

static void put_stream(struct json_out *o, const struct llm_request *q)
{
	if (!q->is_stream)
		return;
	json_put_bool(o, "stream", true);
	json_open(o, "stream_options");
	json_put_bool(o, "include_usage", true);
	json_close(o);
}

void openai_write_body(const struct llm_request *q, struct str model, struct buf *out)
{
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	json_put_str(&o, "model", model);
	if (q->kind == LLM_CHAT) {
		put_messages(&o, q);
		put_tools(&o, q);
		put_format(&o, q);
	} else {
		put_inputs(&o, q->kind == LLM_TEXT ? "prompt" : "input", q);
		put_optional(&o, "suffix", q->prompt_suffix);
		put_optional(&o, "encoding_format", q->encoding_format);
		if (q->dimensions)
			json_put_u64(&o, "dimensions", q->dimensions);
	}
	put_sampling(&o, q, model);
	put_optional(&o, "user", q->user);
	put_stream(&o, q);
	for (const struct llm_other *other = is_our_words(q) ? q->other : NULL; other;
	     other = other->next) {
		json_key(&o, other->name);
		json_put_raw(&o, NULL, other->json);
	}
	json_close(&o);
}
