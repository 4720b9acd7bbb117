/* SPDX-License-Identifier: MIT
 * dialect_responses_items.c - the items of a conversation made into messages.
 *
 * Each item gives a message, or none if it says nothing; what the assistant says in several items
 * is joined to one at the end, because that is how all other formats have it. Items and parts
 * that are not known here are kept as they are. */
#include <errno.h>

#include "worker/client/dialect_responses.h"

static struct llm_part *add_part(struct oai_reading *r, struct llm_part ***end,
				 enum llm_part_kind kind, const struct json *raw)
{
	struct llm_part *p = arena_alloc(r->mem, sizeof *p);
	if (!p)
		return NULL;
	p->kind = kind;
	p->raw = raw;
	**end = p;
	*end = &p->next;
	return p;
}

/* --- parts of a content --- */

typedef int part_fn(struct oai_reading *r, const struct place *at, const struct json *part,
		    struct llm_part *p);

static int read_text_part(struct oai_reading *r, const struct place *at, const struct json *part,
			  struct llm_part *p)
{
	int err = oai_required(r, at, part, "text", oai_read_string, &p->text);
	r->q->prompt_bytes += p->text.n;
	return err;
}

static int read_refusal_part(struct oai_reading *r, const struct place *at, const struct json *part,
			     struct llm_part *p)
{
	int err = oai_required(r, at, part, "refusal", oai_read_string, &p->text);
	r->q->prompt_bytes += p->text.n;
	return err;
}

/* "data:image/png;base64,..." is data of a type; any other link stays one. */
static void take_link(struct llm_part *p, struct str link)
{
	struct str rest = str_skip(link, 5), head = STR_NONE;
	if (str_starts_nocase(link, STR("data:")))
		head = str_cut(&rest, ',');
	if (!head.p || !rest.p || !str_ends(head, STR(";base64"))) {
		p->url = link;
		return;
	}
	p->mime = str_cut(&head, ';');
	p->data = rest;
}

/* A link, or chat's object around one. */
static int read_link(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	if (j->type == JSON_OBJECT)
		return oai_required(r, at, j, "url", oai_read_string, to);
	return oai_read_string(r, at, j, to);
}

static int read_image_part(struct oai_reading *r, const struct place *at, const struct json *part,
			   struct llm_part *p)
{
	struct str link = STR_NONE;
	r->q->media_parts++;
	int err = oai_optional(r, at, part, "image_url", read_link, &link);
	if (!err)
		err = oai_optional(r, at, part, "file_id", oai_read_string, &p->file_id);
	if (!err)
		err = oai_optional(r, at, part, "detail", oai_read_string, &p->detail);
	if (!err && !link.p && !p->file_id.p)
		return oai_refuse(r, at, "must have an image_url or a file_id");
	if (!err && link.p)
		take_link(p, link);
	return err;
}

static void take_file(struct llm_part *p, struct str data)
{
	if (str_starts_nocase(data, STR("data:"))) {
		take_link(p, data);
		return;
	}
	bool is_pdf = !p->filename.n || str_ends(p->filename, STR(".pdf"));
	p->mime = is_pdf ? STR("application/pdf") : STR("application/octet-stream");
	p->data = data;
}

static int read_file_part(struct oai_reading *r, const struct place *at, const struct json *part,
			  struct llm_part *p)
{
	struct str data = STR_NONE;
	r->q->media_parts++;
	int err = oai_optional(r, at, part, "file_id", oai_read_string, &p->file_id);
	if (!err)
		err = oai_optional(r, at, part, "filename", oai_read_string, &p->filename);
	if (!err)
		err = oai_optional(r, at, part, "file_url", oai_read_string, &p->url);
	if (!err)
		err = oai_optional(r, at, part, "file_data", oai_read_string, &data);
	if (!err && !data.p && !p->file_id.p && !p->url.p)
		return oai_refuse(r, at, "must have a file_id, file_url or file_data");
	if (!err && data.p && !p->url.p)
		take_file(p, data);
	return err;
}

static int read_audio_part(struct oai_reading *r, const struct place *at, const struct json *part,
			   struct llm_part *p)
{
	struct place in = { .up = at, .name = "input_audio" };
	const struct json *audio = NULL;
	struct str format = STR_NONE;
	r->q->media_parts++;
	int err = oai_required(r, at, part, "input_audio", oai_read_object, &audio);
	if (!err)
		err = oai_required(r, &in, audio, "data", oai_read_string, &p->data);
	if (!err)
		err = oai_required(r, &in, audio, "format", oai_read_string, &format);
	if (err)
		return err;
	p->mime = arena_printf(r->mem, "audio/" STR_FMT, STR_ARG(format));
	return p->mime.p ? 0 : -ENOMEM;
}

static int read_other_part(struct oai_reading *r, const struct place *at, const struct json *part,
			   struct llm_part *p)
{
	(void)at;
	p->text = json_get_str(r->mem, part, "type");
	r->q->prompt_bytes += part->raw.n;
	return p->text.p ? 0 : -ENOMEM;
}

static const struct part_row {
	struct str type;
	enum llm_part_kind kind;
	part_fn *read;
} part_rows[] = {
	{ STR("input_text"), PART_TEXT, read_text_part },
	{ STR("output_text"), PART_TEXT, read_text_part },
	{ STR("text"), PART_TEXT, read_text_part },
	{ STR("refusal"), PART_REFUSAL, read_refusal_part },
	{ STR("input_image"), PART_IMAGE, read_image_part },
	{ STR("input_file"), PART_FILE, read_file_part },
	{ STR("input_audio"), PART_AUDIO, read_audio_part },
	{ STR(""), PART_OTHER, read_other_part },	/* any other */
};

static int read_part(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct llm_part ***end)
{
	const struct part_row *row = part_rows;
	struct str type;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = oai_required(r, at, j, "type", oai_read_string, &type);
	if (err)
		return err;
	while (row->type.n && !str_eq(row->type, type))
		row++;
	struct llm_part *p = add_part(r, end, row->kind, j);
	return p ? row->read(r, at, j, p) : -ENOMEM;
}

/* to: struct llm_part **, where the parts begin. */
static int read_content(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	struct place in = { .up = at };
	struct llm_part **end = to;
	if (j->type == JSON_STRING) {
		struct llm_part *p = add_part(r, &end, PART_TEXT, NULL);
		int err = p ? oai_read_string(r, at, j, &p->text) : -ENOMEM;
		if (!err)
			r->q->prompt_bytes += p->text.n;
		return err;
	}
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "a string or an array of parts", j);
	for (const struct json *part = j->child; part; part = part->next, in.index++) {
		int err = read_part(r, &in, part, &end);
		if (err)
			return err;
	}
	return 0;
}

/* --- items --- */

typedef int item_fn(struct oai_reading *r, const struct place *at, const struct json *item,
		    struct llm_message *msg);

static int read_role(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	static const struct {
		struct str name;
		enum llm_role role;
	} roles[] = {
		{ STR("user"), ROLE_USER },
		{ STR("assistant"), ROLE_ASSISTANT },
		{ STR("system"), ROLE_SYSTEM },
		{ STR("developer"), ROLE_DEVELOPER },
	};
	struct str word;
	int err = oai_read_string(r, at, j, &word);
	if (err)
		return err;
	for (size_t i = 0; i < COUNT(roles); i++) {
		if (str_eq(word, roles[i].name)) {
			*(enum llm_role *)to = roles[i].role;
			return 0;
		}
	}
	return oai_refuse(r, at, "must be one of user, assistant, system and developer");
}

static int read_message(struct oai_reading *r, const struct place *at, const struct json *item,
			struct llm_message *msg)
{
	struct place in = { .up = at, .name = "content" };
	int err = oai_required(r, at, item, "role", read_role, &msg->role);
	if (!err)
		err = oai_required(r, at, item, "content", read_content, &msg->parts);
	if (!err && !msg->parts && msg->role != ROLE_ASSISTANT)
		return oai_refuse(r, &in, "must not be empty");
	return err;
}

static int read_call(struct oai_reading *r, const struct place *at, const struct json *item,
		     const char *input, struct llm_message *msg)
{
	struct llm_part **end = &msg->parts;
	struct llm_part *p = add_part(r, &end, PART_TOOL_CALL, item);
	int err = p ? oai_required(r, at, item, "call_id", oai_read_string, &p->id) : -ENOMEM;
	if (!err)
		err = oai_required(r, at, item, "name", oai_read_string, &p->name);
	if (!err)
		err = oai_required(r, at, item, input, oai_read_string, &p->text);
	if (!err)
		r->q->prompt_bytes += p->name.n + p->text.n;
	return err;
}

static int read_function_call(struct oai_reading *r, const struct place *at,
			      const struct json *item, struct llm_message *msg)
{
	int err = read_call(r, at, item, "arguments", msg);
	if (!err && !msg->parts->text.n)
		msg->parts->text = STR("{}");	/* what an empty text means */
	return err;
}

static int read_custom_call(struct oai_reading *r, const struct place *at, const struct json *item,
			    struct llm_message *msg)
{
	int err = read_call(r, at, item, "input", msg);
	if (!err)
		msg->parts->is_custom = true;
	return err;
}

/* The texts become one, a line each; what else there is stands behind the result. */
static int fold_texts(struct oai_reading *r, struct llm_message *msg, struct llm_part *result)
{
	struct llm_part **at = &msg->parts, *p;
	size_t room = 0, n = 0;
	for (p = msg->parts; p; p = p->next)
		room += p->kind == PART_TEXT ? p->text.n + 1 : 0;
	char *text = arena_alloc(r->mem, room);
	if (!text)
		return -ENOMEM;
	while ((p = *at)) {
		if (p->kind != PART_TEXT) {
			at = &p->next;
			continue;
		}
		if (p->text.n)
			memcpy(text + n, p->text.p, p->text.n);
		n += p->text.n;
		text[n++] = '\n';
		*at = p->next;
	}
	result->text = str_of(text, n ? n - 1 : 0);
	result->next = msg->parts;
	msg->parts = result;
	return 0;
}

static int read_result(struct oai_reading *r, const struct place *at, const struct json *item,
		       struct llm_message *msg)
{
	struct llm_part *result = arena_alloc(r->mem, sizeof *result);
	if (!result)
		return -ENOMEM;
	result->kind = PART_TOOL_RESULT;
	result->raw = item;
	int err = oai_required(r, at, item, "call_id", oai_read_string, &result->id);
	if (!err)
		err = oai_required(r, at, item, "output", read_content, &msg->parts);
	if (!err)
		err = fold_texts(r, msg, result);
	r->q->has_rich_results = r->q->has_rich_results || result->next;
	return err;
}

/* The texts of a list of parts, whatever their type, with an empty line between two. to: rope. */
static int read_thoughts(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct place in = { .up = at };
	struct rope *all = to;
	struct str text;
	int err = 0;
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	for (const struct json *part = j->child; part && !err; part = part->next, in.index++) {
		if (part->type != JSON_OBJECT)
			return oai_refuse_type(r, &in, "an object", part);
		err = oai_required(r, &in, part, "text", oai_read_string, &text);
		if (!err && all->n && text.n)
			err = rope_add(r->mem, all, STR("\n\n"));
		if (!err && text.n)
			err = rope_add(r->mem, all, text);
	}
	return err;
}

/* The reasoning itself where it is told, else its summary. */
static int read_reasoning(struct oai_reading *r, const struct place *at, const struct json *item,
			  struct llm_message *msg)
{
	struct rope content = { 0 }, summary = { 0 };
	struct str signature = STR_NONE;
	struct llm_part **end = &msg->parts;
	int err = oai_optional(r, at, item, "summary", read_thoughts, &summary);
	if (!err)
		err = oai_optional(r, at, item, "content", read_thoughts, &content);
	if (!err)
		err = oai_optional(r, at, item, "encrypted_content", oai_read_string, &signature);
	if (err || (!content.n && !summary.n && !signature.n))
		return err;
	struct llm_part *p = add_part(r, &end, PART_REASONING, item);
	if (!p)
		return -ENOMEM;
	p->text = rope_join(r->mem, content.n ? &content : &summary);
	p->signature = signature;
	r->q->prompt_bytes += p->text.n;
	return p->text.p ? 0 : -ENOMEM;
}

/* Found when the conversation is there, which is that of the last one. */
static int read_reference(struct oai_reading *r, const struct place *at, const struct json *item,
			  struct llm_message *msg)
{
	struct place in = { .up = at, .name = "id" };
	struct str id;
	msg->raw = item;
	int err = oai_required(r, at, item, "id", oai_read_string, &id);
	if (err || json_is_given(json_get(r->q->root, "previous_response_id")))
		return err;
	struct str kept = rsp_id_of_item(r->mem, id);
	if (!kept.p)
		return oai_refuse(r, &in,
				  "is not of an item that is kept here: send the item itself");
	r->q->conversation_id = kept;
	return 0;
}

static int read_other(struct oai_reading *r, const struct place *at, const struct json *item,
		      struct llm_message *msg)
{
	struct llm_part **end = &msg->parts;
	struct llm_part *p = add_part(r, &end, PART_OTHER, item);
	int err = p ? read_other_part(r, at, item, p) : -ENOMEM;
	if (!err && (str_ends(p->text, STR("_output")) || str_ends(p->text, STR("_response"))))
		msg->role = ROLE_USER;
	return err;
}

static const struct item_row {
	struct str type;
	enum llm_role role;
	item_fn *read;
} item_rows[] = {
	{ STR("message"), ROLE_USER, read_message },
	{ STR("function_call"), ROLE_ASSISTANT, read_function_call },
	{ STR("function_call_output"), ROLE_TOOL, read_result },
	{ STR("custom_tool_call"), ROLE_ASSISTANT, read_custom_call },
	{ STR("custom_tool_call_output"), ROLE_TOOL, read_result },
	{ STR("reasoning"), ROLE_ASSISTANT, read_reasoning },
	{ STR("item_reference"), ROLE_ASSISTANT, read_reference },
	{ STR(""), ROLE_ASSISTANT, read_other },	/* any other: a vendor's own tool */
};

bool rsp_is_reference(const struct llm_message *msg)
{
	return !msg->parts && msg->raw;
}

static struct llm_message *add_message(struct oai_reading *r, enum llm_role role,
				       struct llm_message ***end)
{
	struct llm_message *msg = arena_alloc(r->mem, sizeof *msg);
	if (!msg)
		return NULL;
	msg->role = role;
	**end = msg;
	*end = &msg->next;
	r->q->n_messages++;
	return msg;
}

int rsp_add_text(struct oai_reading *r, enum llm_role role, struct str text,
		 struct llm_message ***end)
{
	struct llm_message *msg = add_message(r, role, end);
	struct llm_part **parts = msg ? &msg->parts : NULL;
	struct llm_part *p = msg ? add_part(r, &parts, PART_TEXT, NULL) : NULL;
	if (!p)
		return -ENOMEM;
	p->text = text;
	r->q->prompt_bytes += text.n;
	return 0;
}

int rsp_read_item(struct oai_reading *r, const struct place *at, const struct json *item,
		  struct llm_message ***end)
{
	const struct item_row *row = item_rows;
	struct llm_message msg = { 0 };
	struct str type = STR_NONE;
	if (item->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", item);
	int err = oai_optional(r, at, item, "type", oai_read_string, &type);
	if (!err && !type.p && !json_is_given(json_get(item, "role")))
		err = oai_required(r, at, item, "type", oai_read_string, &type);
	if (err)
		return err;
	while (row->type.n && type.p && !str_eq(row->type, type))
		row++;
	msg.role = row->role;
	err = row->read(r, at, item, &msg);
	if (err || (!msg.parts && !msg.raw))
		return err;
	struct llm_message *kept = add_message(r, msg.role, end);
	if (!kept)
		return -ENOMEM;
	kept->parts = msg.parts;
	kept->raw = msg.raw;
	return 0;
}

int rsp_read_items(struct oai_reading *r, const struct place *at, const struct json *list,
		   struct llm_message ***end)
{
	struct place in = { .up = at };
	int err = 0;
	for (const struct json *one = list->child; one && !err; one = one->next, in.index++)
		err = rsp_read_item(r, &in, one, end);
	return err;
}

void rsp_join_messages(struct llm_request *q)
{
	struct llm_part **end = NULL;
	struct llm_message *m = q->messages;
	while (m && m->next) {
		struct llm_message *next = m->next;
		if (m->role != ROLE_ASSISTANT || next->role != ROLE_ASSISTANT) {
			m = next;
			end = NULL;
			continue;
		}
		if (!end)
			end = &m->parts;
		while (*end)
			end = &(*end)->next;
		*end = next->parts;
		m->next = next->next;
		q->n_messages--;
	}
}
