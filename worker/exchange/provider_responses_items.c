/* SPDX-License-Identifier: MIT
 * provider_responses_items.c - messages to the items of a conversation.
 *
 * A message becomes one item for what it says and one for each call, result or thought, in their
 * order. What the system says first goes into the instructions. */
#include <errno.h>

#include "common/hash.h"
#include "worker/exchange/provider_responses.h"

static void put_optional(struct json_out *o, const char *key, struct str s)
{
	if (s.p)
		json_put_str(o, key, s);
}

/* --- parts --- */

/* A link, or the data as one. */
static void put_link(struct json_out *o, const char *key, const struct llm_part *p,
		     struct str preset_mime)
{
	if (p->url.p) {
		json_put_str(o, key, p->url);
		return;
	}
	json_put_raw(o, key, STR("\"data:"));
	json_escape(o->to, p->mime.n ? p->mime : preset_mime);
	BUF_PUT_LIT(o->to, ";base64,");
	json_escape(o->to, p->data);
	buf_put_char(o->to, '"');
}

static void put_image(struct json_out *o, const struct llm_part *p)
{
	json_put_z(o, "type", "input_image");
	put_optional(o, "file_id", p->file_id);
	if (p->url.p || p->data.p)
		put_link(o, "image_url", p, STR("image/png"));
	json_put_str(o, "detail", p->detail.p ? p->detail : STR("auto"));
}

static void put_file(struct json_out *o, const struct llm_part *p)
{
	json_put_z(o, "type", "input_file");
	put_optional(o, "file_id", p->file_id);
	if (p->url.p)
		json_put_str(o, "file_url", p->url);
	else if (p->data.p) {
		json_put_str(o, "filename", p->filename.p ? p->filename : STR("file.pdf"));
		put_link(o, "file_data", p, STR("application/pdf"));
	}
}

static void put_audio(struct json_out *o, const struct llm_part *p)
{
	struct str format = p->mime;
	if (str_starts(format, STR("audio/")))
		format = str_skip(format, 6);
	json_put_z(o, "type", "input_audio");
	json_open(o, "input_audio");
	json_put_str(o, "data", p->data.p ? p->data : STR(""));
	json_put_str(o, "format", format.n ? format : STR("wav"));
	json_close(o);
}

static void put_part(struct json_out *o, const struct llm_part *p, bool is_output)
{
	if (p->kind == PART_OTHER) {
		if (p->raw)
			json_put_raw(o, NULL, p->raw->raw);
		return;
	}
	json_open(o, NULL);
	if (p->kind == PART_IMAGE) {
		put_image(o, p);
	} else if (p->kind == PART_FILE) {
		put_file(o, p);
	} else if (p->kind == PART_AUDIO) {
		put_audio(o, p);
	} else if (p->kind == PART_REFUSAL) {
		json_put_z(o, "type", "refusal");
		json_put_str(o, "refusal", p->text);
	} else {
		json_put_z(o, "type", is_output ? "output_text" : "input_text");
		json_put_str(o, "text", p->text);
	}
	json_close(o);
}

static bool is_content(const struct llm_part *p)
{
	return p->kind != PART_TOOL_CALL && p->kind != PART_TOOL_RESULT &&
	       p->kind != PART_REASONING;
}

/* --- items --- */

static void put_call(struct json_out *o, const struct llm_part *p)
{
	json_open(o, NULL);
	json_put_z(o, "type", p->is_custom ? "custom_tool_call" : "function_call");
	json_put_str(o, "call_id", p->id.p ? p->id : STR(""));
	json_put_str(o, "name", p->name.p ? p->name : STR(""));
	if (p->is_custom)
		json_put_str(o, "input", p->text.p ? p->text : STR(""));
	else
		json_put_str(o, "arguments", p->text.n ? p->text : STR("{}"));
	json_close(o);
}

/* Only what this API has sealed itself means anything to it. */
static void put_thought(struct json_out *o, const struct llm_part *p)
{
	if (!str_starts(p->signature, STR("gAAAA")))
		return;
	json_open(o, NULL);
	json_put_z(o, "type", "reasoning");
	json_open_array(o, "summary");
	if (p->text.n) {
		json_open(o, NULL);
		json_put_z(o, "type", "summary_text");
		json_put_str(o, "text", p->text);
		json_close(o);
	}
	json_close_array(o);
	json_put_str(o, "encrypted_content", p->signature);
	json_close(o);
}

static bool is_custom_call(const struct rsp_writing *w, struct str id)
{
	if (!w->custom || !id.n)
		return false;
	size_t at = hash_table(id) & w->custom_mask;
	while (w->custom[at].p && !str_eq(w->custom[at], id))
		at = (at + 1) & w->custom_mask;
	return w->custom[at].p;
}

/* What stands behind the result of a tool's message, up to the next one, belongs to it. */
static const struct llm_part *put_result(const struct rsp_writing *w, struct json_out *o,
					 const struct llm_part *p, bool takes_rest)
{
	const struct llm_part *after = p->next;
	while (takes_rest && after && is_content(after))
		after = after->next;
	json_open(o, NULL);
	json_put_z(o, "type", is_custom_call(w, p->id) ? "custom_tool_call_output"
						       : "function_call_output");
	json_put_str(o, "call_id", p->id.p ? p->id : STR(""));
	if (p->next == after) {
		json_put_str(o, "output", p->text.p ? p->text : STR(""));
	} else {
		const struct llm_part text = { .kind = PART_TEXT, .text = p->text };
		json_open_array(o, "output");
		if (p->text.n)
			put_part(o, &text, false);
		for (p = p->next; p != after; p = p->next)
			put_part(o, p, false);
		json_close_array(o);
	}
	json_close(o);
	return after;
}

static const struct llm_part *put_said(struct json_out *o, enum llm_role role,
				       const struct llm_part *p)
{
	static const char *const roles[] = {
		[ROLE_SYSTEM] = "system", [ROLE_DEVELOPER] = "developer", [ROLE_USER] = "user",
		[ROLE_ASSISTANT] = "assistant", [ROLE_TOOL] = "user",
	};
	json_open(o, NULL);
	json_put_z(o, "type", "message");
	json_put_z(o, "role", roles[role]);
	json_open_array(o, "content");
	for (; p && is_content(p); p = p->next)
		put_part(o, p, role == ROLE_ASSISTANT);
	json_close_array(o);
	json_close(o);
	return p;
}

/* Items of a conversation that are not known here stand alone, as they are. */
static bool is_item(const struct llm_message *m, const struct llm_part *p)
{
	return p->kind == PART_OTHER && p->raw && m->role == ROLE_ASSISTANT &&
	       json_get(p->raw, "id");
}

static void put_message(const struct rsp_writing *w, struct json_out *o,
			const struct llm_message *m)
{
	const struct llm_part *p = m->parts;
	while (p) {
		if (p->kind == PART_TOOL_RESULT) {
			p = put_result(w, o, p, m->role == ROLE_TOOL);
		} else if (is_item(m, p)) {
			json_put_raw(o, NULL, p->raw->raw);
			p = p->next;
		} else if (is_content(p)) {
			p = put_said(o, m->role, p);
		} else {
			if (p->kind == PART_TOOL_CALL)
				put_call(o, p);
			else
				put_thought(o, p);
			p = p->next;
		}
	}
}

/* --- instructions --- */

static bool is_instruction(const struct llm_message *m)
{
	if (m->role != ROLE_SYSTEM || !m->parts)
		return false;
	for (const struct llm_part *p = m->parts; p; p = p->next)
		if (p->kind != PART_TEXT)
			return false;
	return true;
}

static const struct llm_message *put_instructions(struct json_out *o, const struct llm_message *m)
{
	bool is_first = true;
	if (!m || !is_instruction(m))
		return m;
	json_put_raw(o, "instructions", STR("\""));
	for (; m && is_instruction(m); m = m->next) {
		for (const struct llm_part *p = m->parts; p; p = p->next) {
			if (!is_first)
				BUF_PUT_LIT(o->to, "\\n\\n");
			json_escape(o->to, p->text);
			is_first = false;
		}
	}
	buf_put_char(o->to, '"');
	return m;
}

/* --- custom calls --- */

static int find_custom_calls(struct rsp_writing *w)
{
	size_t n = 0, room = 8;
	for (const struct llm_message *m = w->q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next)
			n += p->kind == PART_TOOL_CALL && p->is_custom && p->id.n;
	if (!n)
		return 0;
	while (room < 2 * n)
		room *= 2;
	w->custom = arena_array(w->mem, room, sizeof *w->custom);
	w->custom_mask = room - 1;
	if (!w->custom)
		return -ENOMEM;
	for (const struct llm_message *m = w->q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next) {
			if (p->kind != PART_TOOL_CALL || !p->is_custom || !p->id.n)
				continue;
			size_t at = hash_table(p->id) & w->custom_mask;
			while (w->custom[at].p && !str_eq(w->custom[at], p->id))
				at = (at + 1) & w->custom_mask;
			w->custom[at] = p->id;
		}
	return 0;
}

int rsp_write_items(struct rsp_writing *w, struct json_out *o)
{
	int err = find_custom_calls(w);
	if (err)
		return err;
	const struct llm_message *m = put_instructions(o, w->q->messages);
	json_open_array(o, "input");
	for (; m; m = m->next)
		put_message(w, o, m);
	json_close_array(o);
	return 0;
}
