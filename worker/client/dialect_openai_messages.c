/* SPDX-License-Identifier: MIT
 * dialect_openai_messages.c - the messages of a chat request.
 *
 * Parts of a type that is not known here are kept as they are: a vendor on the short way may
 * know them. The old function_call and its answer become a call and a result with an id. */
#include <errno.h>

#include "worker/client/dialect_openai.h"

#define IS(j, name) str_eq((j)->key, STR(name))

struct members {			/* of a message; NULL: not given */
	const struct json *role, *content, *name, *tool_calls, *tool_call_id, *function_call;
	const struct json *refusal, *reasoning, *thinking_blocks;
};

struct list {				/* the parts of a message */
	struct llm_part **end;
};

static struct llm_part *add_part(struct oai_reading *r, struct list *l, enum llm_part_kind kind,
				 const struct json *raw)
{
	struct llm_part *p = arena_alloc(r->mem, sizeof *p);
	if (!p)
		return NULL;
	p->kind = kind;
	p->raw = raw;
	*l->end = p;
	l->end = &p->next;
	return p;
}

static int add_text(struct oai_reading *r, struct list *l, enum llm_part_kind kind,
		    const struct place *at, const struct json *j)
{
	struct llm_part *p = add_part(r, l, kind, NULL);
	int err = p ? oai_read_string(r, at, j, &p->text) : -ENOMEM;
	if (!err)
		r->q->prompt_bytes += p->text.n;
	return err;
}

/* A member that must be a string; one that is not given leaves *ret alone. */
static int optional(struct oai_reading *r, const struct place *up, const struct json *object,
		    const char *name, struct str *ret)
{
	struct place at = { .up = up, .name = name };
	const struct json *j = json_get(object, name);
	return json_is_given(j) ? oai_read_string(r, &at, j, ret) : 0;
}

static int required(struct oai_reading *r, const struct place *up, const struct json *object,
		    const char *name, struct str *ret)
{
	struct place at = { .up = up, .name = name };
	if (!json_is_given(json_get(object, name)))
		return oai_refuse(r, &at, "is missing");
	return optional(r, up, object, name, ret);
}

static int required_object(struct oai_reading *r, const struct place *at, const struct json *up,
			   const struct json **ret)
{
	const struct json *j = json_get(up, at->name);
	if (!json_is_given(j))
		return oai_refuse(r, at, "is missing");
	return oai_read_object(r, at, j, ret);
}

/* --- parts of a content --- */

/* "data:image/png;base64,..." is cut; any other link stays a link. */
static void take_link(struct llm_part *p, struct str link)
{
	struct str rest = link, head;
	if (!str_starts_nocase(link, STR("data:"))) {
		p->url = link;
		return;
	}
	rest = str_skip(rest, 5);
	head = str_cut(&rest, ',');
	if (!rest.p || !str_ends(head, STR(";base64"))) {
		p->url = link;
		return;
	}
	p->mime = str_cut(&head, ';');
	p->data = rest;
}

typedef int part_fn(struct oai_reading *r, const struct place *at, const struct json *part,
		    struct llm_part *p);

static int read_text_part(struct oai_reading *r, const struct place *at, const struct json *part,
			  struct llm_part *p)
{
	int err = required(r, at, part, "text", &p->text);
	r->q->prompt_bytes += p->text.n;
	return err;
}

static int read_refusal_part(struct oai_reading *r, const struct place *at, const struct json *part,
			     struct llm_part *p)
{
	int err = required(r, at, part, "refusal", &p->text);
	r->q->prompt_bytes += p->text.n;
	return err;
}

/* LiteLLM takes a bare string for the object, too. */
int oai_read_image(struct oai_reading *r, const struct place *at, const struct json *part,
		   struct llm_part *p)
{
	struct place in = { .up = at, .name = "image_url" };
	const struct json *image = json_get(part, "image_url");
	struct str link = STR_NONE;
	int err;
	r->q->media_parts++;
	if (json_is(image, JSON_STRING)) {
		err = oai_read_string(r, &in, image, &link);
	} else {
		err = required_object(r, &in, part, &image);
		if (!err)
			err = required(r, &in, image, "url", &link);
		if (!err)
			err = optional(r, &in, image, "detail", &p->detail);
	}
	if (!err)
		take_link(p, link);
	return err;
}

static int read_audio_part(struct oai_reading *r, const struct place *at, const struct json *part,
			   struct llm_part *p)
{
	struct place in = { .up = at, .name = "input_audio" };
	const struct json *audio;
	struct str format = STR_NONE;
	r->q->media_parts++;
	int err = required_object(r, &in, part, &audio);
	if (!err)
		err = required(r, &in, audio, "data", &p->data);
	if (!err)
		err = required(r, &in, audio, "format", &format);
	if (err)
		return err;
	p->mime = arena_printf(r->mem, "audio/" STR_FMT, STR_ARG(format));
	return p->mime.p ? 0 : -ENOMEM;
}

static int read_file_part(struct oai_reading *r, const struct place *at, const struct json *part,
			  struct llm_part *p)
{
	struct place in = { .up = at, .name = "file" };
	const struct json *file;
	struct str data = STR_NONE;
	r->q->media_parts++;
	int err = required_object(r, &in, part, &file);
	if (!err)
		err = optional(r, &in, file, "file_id", &p->file_id);
	if (!err)
		err = optional(r, &in, file, "filename", &p->filename);
	if (!err)
		err = optional(r, &in, file, "file_data", &data);
	if (!err && !data.p && !p->file_id.p)
		return oai_refuse(r, &in, "must have a file_id or file_data");
	if (!err && data.p)
		take_link(p, data);
	return err;
}

static int read_other_part(struct oai_reading *r, const struct place *at, const struct json *part,
			   struct llm_part *p)
{
	(void)at;
	p->kind = PART_OTHER;
	p->text = json_get_str(r->mem, part, "type");
	r->q->prompt_bytes += part->raw.n;
	return p->text.p ? 0 : -ENOMEM;
}

static const struct part_row {
	struct str type;
	enum llm_part_kind kind;
	part_fn *read;
} part_rows[] = {
	{ STR("text"), PART_TEXT, read_text_part },
	{ STR("image_url"), PART_IMAGE, oai_read_image },
	{ STR("input_audio"), PART_AUDIO, read_audio_part },
	{ STR("file"), PART_FILE, read_file_part },
	{ STR("refusal"), PART_REFUSAL, read_refusal_part },
	{ STR(""), PART_OTHER, read_other_part },	/* any other */
};

static int read_part(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct list *l)
{
	const struct part_row *row = part_rows;
	struct str type;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = required(r, at, j, "type", &type);
	if (err)
		return err;
	while (row->type.n && !str_eq(row->type, type))
		row++;
	struct llm_part *p = add_part(r, l, row->kind, j);
	return p ? row->read(r, at, j, p) : -ENOMEM;
}

static int read_content(struct oai_reading *r, const struct place *at, const struct json *j,
			struct list *l)
{
	struct place in = { .up = at };
	if (j->type == JSON_STRING)
		return add_text(r, l, PART_TEXT, at, j);
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "a string or an array of parts", j);
	for (const struct json *part = j->child; part; part = part->next, in.index++) {
		int err = read_part(r, &in, part, l);
		if (err)
			return err;
	}
	return 0;
}

/* --- calls --- */

static int read_call_body(struct oai_reading *r, const struct place *at, const struct json *call,
			  const char *text, struct llm_part *p)
{
	int err = required(r, at, call, "name", &p->name);
	if (!err)
		err = required(r, at, call, text, &p->text);
	if (!err && !p->text.n && !p->is_custom)
		p->text = STR("{}");	/* what an empty text means */
	r->q->prompt_bytes += p->name.n + p->text.n;
	return err;
}

static int read_call(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct list *l)
{
	struct place in = { .up = at, .name = "function" };
	const struct json *body;
	struct str type = STR("function");
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	struct llm_part *p = add_part(r, l, PART_TOOL_CALL, j);
	int err = p ? required(r, at, j, "id", &p->id) : -ENOMEM;
	if (!err)
		err = optional(r, at, j, "type", &type);
	if (err)
		return err;
	p->is_custom = str_eq(type, STR("custom"));
	if (p->is_custom)
		in.name = "custom";
	err = required_object(r, &in, j, &body);
	return err ? err : read_call_body(r, &in, body, p->is_custom ? "input" : "arguments", p);
}

int oai_read_calls(struct oai_reading *r, const struct place *up, const struct json *j,
		   struct llm_part ***end)
{
	struct place at = { .up = up, .name = "tool_calls" }, in = { .up = &at };
	struct list l = { *end };
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, &at, "an array", j);
	for (const struct json *call = j->child; call; call = call->next, in.index++) {
		int err = read_call(r, &in, call, &l);
		if (err)
			return err;
	}
	*end = l.end;
	return 0;
}

static int read_old_call(struct oai_reading *r, const struct place *up, const struct json *j,
			 struct list *l)
{
	struct place at = { .up = up, .name = "function_call" };
	const struct json *call;
	int err = oai_read_object(r, &at, j, &call);
	if (err)
		return err;
	struct llm_part *p = add_part(r, l, PART_TOOL_CALL, NULL);
	if (!p)
		return -ENOMEM;
	p->id = r->last_call_id = arena_printf(r->mem, "call_old_%u", r->n_old_calls++);
	return p->id.p ? read_call_body(r, &at, call, "arguments", p) : -ENOMEM;
}

/* --- reasoning that comes back --- */

static int read_block(struct oai_reading *r, const struct place *at, const struct json *j,
		      struct list *l)
{
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	struct llm_part *p = add_part(r, l, PART_REASONING, j);
	int err = p ? optional(r, at, j, "thinking", &p->text) : -ENOMEM;
	if (!err)
		err = optional(r, at, j, "signature", &p->signature);
	if (!err)
		r->q->prompt_bytes += p->text.n;
	return err;
}

/* LiteLLM's thinking_blocks carry signatures, and then say all that reasoning_content says. */
static int read_reasoning(struct oai_reading *r, const struct place *up, const struct members *m,
			  struct list *l)
{
	struct place at = { .up = up, .name = "thinking_blocks" }, in = { .up = &at };
	if (!m->thinking_blocks) {
		at.name = "reasoning_content";
		return m->reasoning ? add_text(r, l, PART_REASONING, &at, m->reasoning) : 0;
	}
	if (m->thinking_blocks->type != JSON_ARRAY)
		return oai_refuse_type(r, &at, "an array", m->thinking_blocks);
	for (const struct json *j = m->thinking_blocks->child; j; j = j->next, in.index++) {
		int err = read_block(r, &in, j, l);
		if (err)
			return err;
	}
	return 0;
}

/* --- messages by role --- */

typedef int role_fn(struct oai_reading *r, const struct place *at, const struct members *m,
		    struct llm_message *msg);

static int read_said(struct oai_reading *r, const struct place *up, const struct members *m,
		     struct llm_message *msg)
{
	struct place at = { .up = up, .name = "content" };
	struct list l = { &msg->parts };
	if (!m->content)
		return oai_refuse(r, &at, "is missing");
	if (m->content->type == JSON_ARRAY && !m->content->count)
		return oai_refuse(r, &at, "must not be empty");
	return read_content(r, &at, m->content, &l);
}

static int read_assistant(struct oai_reading *r, const struct place *up, const struct members *m,
			  struct llm_message *msg)
{
	struct place at = { .up = up, .name = "content" };
	struct list l = { &msg->parts };
	int err = read_reasoning(r, up, m, &l);
	if (!err && m->content)
		err = read_content(r, &at, m->content, &l);
	at.name = "refusal";
	if (!err && m->refusal)
		err = add_text(r, &l, PART_REFUSAL, &at, m->refusal);
	if (!err && m->tool_calls)
		err = oai_read_calls(r, up, m->tool_calls, &l.end);
	if (!err && m->function_call)
		err = read_old_call(r, up, m->function_call, &l);
	return err;
}

int oai_join_result(struct oai_reading *r, struct llm_message *msg, struct llm_part *result)
{
	struct llm_part **at = &msg->parts;
	size_t n = 0;
	for (const struct llm_part *p = msg->parts; p; p = p->next)
		n += p->kind == PART_TEXT ? p->text.n + 1 : 0;
	char *text = arena_alloc(r->mem, n);
	if (!text)
		return -ENOMEM;
	result->text = str_of(text, n ? n - 1 : 0);
	while (*at) {
		const struct llm_part *p = *at;
		if (p->kind != PART_TEXT) {
			at = &(*at)->next;
			continue;
		}
		memcpy(text, p->text.p, p->text.n);
		text[p->text.n] = '\n';
		text += p->text.n + 1;
		*at = p->next;
	}
	result->next = msg->parts;
	msg->parts = result;
	return 0;
}

static int read_result(struct oai_reading *r, const struct place *up, const struct members *m,
		       struct llm_message *msg)
{
	struct place at = { .up = up, .name = "content" }, id = { .up = up, .name =
		"tool_call_id" };
	struct list l = { &msg->parts };
	struct llm_part *result = arena_alloc(r->mem, sizeof *result);
	if (!result)
		return -ENOMEM;
	result->kind = PART_TOOL_RESULT;
	if (!m->tool_call_id)
		return oai_refuse(r, &id, "is missing");
	int err = oai_read_string(r, &id, m->tool_call_id, &result->id);
	if (!err && m->content)
		err = read_content(r, &at, m->content, &l);
	result->name = msg->name;
	return err ? err : oai_join_result(r, msg, result);
}

/* The old role "function". */
static int read_old_result(struct oai_reading *r, const struct place *up, const struct members *m,
			   struct llm_message *msg)
{
	struct place at = { .up = up, .name = "content" }, name = { .up = up, .name = "name" };
	struct list l = { &msg->parts };
	struct llm_part *result = arena_alloc(r->mem, sizeof *result);
	if (!result)
		return -ENOMEM;
	if (!m->name)
		return oai_refuse(r, &name, "is missing");
	result->kind = PART_TOOL_RESULT;
	result->name = msg->name;
	result->id = r->last_call_id.p ? r->last_call_id : STR("call_old_0");
	int err = m->content ? read_content(r, &at, m->content, &l) : 0;
	return err ? err : oai_join_result(r, msg, result);
}

static const struct {
	struct str name;
	enum llm_role role;
	role_fn *read;
} role_rows[] = {
	{ STR("user"), ROLE_USER, read_said },
	{ STR("assistant"), ROLE_ASSISTANT, read_assistant },
	{ STR("system"), ROLE_SYSTEM, read_said },
	{ STR("tool"), ROLE_TOOL, read_result },
	{ STR("developer"), ROLE_DEVELOPER, read_said },
	{ STR("function"), ROLE_TOOL, read_old_result },
};

static void sort_members(const struct json *message, struct members *m)
{
	for (const struct json *j = message->child; j; j = j->next) {
		if (j->type == JSON_NULL)
			continue;
		if (IS(j, "role"))
			m->role = j;
		else if (IS(j, "content"))
			m->content = j;
		else if (IS(j, "name"))
			m->name = j;
		else if (IS(j, "tool_calls"))
			m->tool_calls = j;
		else if (IS(j, "tool_call_id"))
			m->tool_call_id = j;
		else if (IS(j, "function_call"))
			m->function_call = j;
		else if (IS(j, "refusal"))
			m->refusal = j;
		else if (IS(j, "reasoning_content") || (IS(j, "reasoning") && !m->reasoning))
			m->reasoning = j;
		else if (IS(j, "thinking_blocks"))
			m->thinking_blocks = j;
	}
}

static int read_message(struct oai_reading *r, const struct place *at, const struct json *j,
			struct llm_message *msg)
{
	struct place role_at = { .up = at, .name = "role" }, name_at = { .up = at, .name = "name" };
	struct members m = { 0 };
	struct str role;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	sort_members(j, &m);
	if (!m.role)
		return oai_refuse(r, &role_at, "is missing");
	int err = oai_read_string(r, &role_at, m.role, &role);
	if (!err && m.name)
		err = oai_read_string(r, &name_at, m.name, &msg->name);
	if (err)
		return err;
	r->q->prompt_bytes += msg->name.n;
	for (size_t i = 0; i < COUNT(role_rows); i++) {
		if (!str_eq(role, role_rows[i].name))
			continue;
		msg->role = role_rows[i].role;
		return role_rows[i].read(r, at, &m, msg);
	}
	return oai_refuse(r, &role_at,
			  "must be one of system, developer, user, assistant, tool and function");
}

int oai_read_each_message(struct oai_reading *r, const struct place *at, const struct json *j,
			  oai_message_fn *read, struct llm_message **end)
{
	struct place in = { .up = at };
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	for (const struct json *one = j->child; one; one = one->next, in.index++) {
		struct llm_message *msg = arena_alloc(r->mem, sizeof *msg);
		if (!msg)
			return -ENOMEM;
		msg->raw = one;
		*end = msg;
		end = &msg->next;
		r->q->n_messages++;
		int err = read(r, &in, one, msg);
		if (err)
			return err;
	}
	return j->count ? 0 : oai_refuse(r, at, "must not be empty");
}

int oai_read_messages(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	return oai_read_each_message(r, at, j, read_message, to);
}
