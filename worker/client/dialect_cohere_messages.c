/* SPDX-License-Identifier: MIT
 * dialect_cohere_messages.c - the messages of a chat: calls, images and roles are OpenAI's; what is
 * thought stands among the content, or is a plan before calls; a result may hold documents. */
#include <errno.h>

#include "worker/client/dialect_cohere.h"

struct parts {				/* of a message */
	struct llm_part *first, **end;
};

static struct llm_part *add_part(struct oai_reading *r, struct parts *to, enum llm_part_kind kind,
				 const struct json *raw)
{
	struct llm_part *p = arena_alloc(r->mem, sizeof *p);
	if (!p)
		return NULL;
	p->kind = kind;
	p->raw = raw;
	*to->end = p;
	to->end = &p->next;
	return p;
}

static int read_text(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct llm_part *p)
{
	int err = oai_read_string(r, at, j, &p->text);
	if (!err)
		r->q->prompt_bytes += p->text.n;
	return err;
}

static int add_text(struct oai_reading *r, const struct place *at, const struct json *j,
		    enum llm_part_kind kind, struct parts *to)
{
	struct llm_part *p = add_part(r, to, kind, NULL);
	return p ? read_text(r, at, j, p) : -ENOMEM;
}

/* --- blocks of a content --- */

static struct str text_of_document(struct arena *a, const struct json *document)
{
	const struct json *data = json_get(document, "data");
	const struct json *said = json_is_given(data) ? data : document;
	return said->type == JSON_STRING ? json_str(a, said) : said->raw;
}

static int read_document(struct oai_reading *r, const struct place *at, const struct json *j,
			 struct llm_part *p)
{
	if (j->type != JSON_OBJECT && j->type != JSON_STRING)
		return oai_refuse_type(r, at, "an object or a string", j);
	p->text = text_of_document(r->mem, j);
	r->q->prompt_bytes += p->text.n;
	return p->text.p ? 0 : -ENOMEM;
}

static const struct block_row {
	const char *type;		/* and the name of the member that has it all */
	enum llm_part_kind kind;
	int (*read)(struct oai_reading *r, const struct place *at, const struct json *j,
		    struct llm_part *p);
} block_rows[] = {
	{ "text", PART_TEXT, read_text },
	{ "thinking", PART_REASONING, read_text },
	{ "document", PART_TEXT, read_document },
};

static int read_other(struct oai_reading *r, const struct place *at, const struct json *block,
		      struct str type, struct parts *to)
{
	bool is_image = str_eq(type, STR("image_url"));
	struct llm_part *p = add_part(r, to, is_image ? PART_IMAGE : PART_OTHER, block);
	if (!p)
		return -ENOMEM;
	if (is_image)
		return oai_read_image(r, at, block, p);
	p->text = type;
	r->q->prompt_bytes += block->raw.n;
	return 0;
}

static int read_block(struct oai_reading *r, const struct place *at, const struct json *j,
		      struct parts *to)
{
	struct place in = { .up = at, .name = "type" };
	struct str type = STR_NONE;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	if (!json_is_given(json_get(j, "type")))
		return oai_refuse(r, &in, "is missing");
	int err = oai_read_string(r, &in, json_get(j, "type"), &type);
	for (size_t i = 0; i < COUNT(block_rows) && !err; i++) {
		const struct block_row *row = &block_rows[i];
		const struct json *said = json_get(j, row->type);
		if (!str_eq_z(type, row->type))
			continue;
		in.name = row->type;
		if (!json_is_given(said))
			return oai_refuse(r, &in, "is missing");
		struct llm_part *p = add_part(r, to, row->kind, j);
		return p ? row->read(r, &in, said, p) : -ENOMEM;
	}
	return err ? err : read_other(r, at, j, type, to);
}

static int read_content(struct oai_reading *r, const struct place *up, const struct json *message,
			struct parts *to)
{
	struct place at = { .up = up, .name = "content" }, in = { .up = &at };
	const struct json *j = json_get(message, at.name);
	int err = 0;
	if (!json_is_given(j))
		return 0;
	if (j->type == JSON_STRING)
		return add_text(r, &at, j, PART_TEXT, to);
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, &at, "a string or an array of blocks", j);
	for (j = j->child; j && !err; j = j->next, in.index++)
		err = read_block(r, &in, j, to);
	return err;
}

/* --- messages by role --- */

typedef int role_fn(struct oai_reading *r, const struct place *at, const struct json *j,
		    struct llm_message *m);

/* Who speaks says something, if only "". */
static int read_said(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct llm_message *m)
{
	struct place in = { .up = at, .name = "content" };
	struct parts l = { .end = &m->parts };
	if (!json_is_given(json_get(j, "content")))
		return oai_refuse(r, &in, "is missing");
	int err = read_content(r, at, j, &l);
	return err || m->parts ? err : oai_refuse(r, &in, "must not be empty");
}

static int read_assistant(struct oai_reading *r, const struct place *at, const struct json *j,
			  struct llm_message *m)
{
	struct place in = { .up = at, .name = "tool_plan" };
	const struct json *plan = json_get(j, "tool_plan"), *calls = json_get(j, "tool_calls");
	struct parts l = { .end = &m->parts };
	int err = json_is_given(plan) ? add_text(r, &in, plan, PART_REASONING, &l) : 0;
	if (!err)
		err = read_content(r, at, j, &l);
	if (!err && json_is_given(calls))
		err = oai_read_calls(r, at, calls, &l.end);
	if (err || m->parts)
		return err;
	struct llm_part *p = add_part(r, &l, PART_TEXT, NULL);
	if (p)
		p->text = STR("");
	return p ? 0 : -ENOMEM;
}

static int read_result(struct oai_reading *r, const struct place *at, const struct json *j,
		       struct llm_message *m)
{
	struct place in = { .up = at, .name = "tool_call_id" };
	const struct json *id = json_get(j, in.name);
	struct parts l = { .end = &m->parts };
	struct llm_part *result = arena_alloc(r->mem, sizeof *result);
	if (!result)
		return -ENOMEM;
	result->kind = PART_TOOL_RESULT;
	if (!json_is_given(id))
		return oai_refuse(r, &in, "is missing");
	int err = oai_read_string(r, &in, id, &result->id);
	if (!err)
		err = read_content(r, at, j, &l);
	return err ? err : oai_join_result(r, m, result);
}

static const struct {
	struct str name;
	enum llm_role role;
	role_fn *read;
} roles[] = {
	{ STR("user"), ROLE_USER, read_said },
	{ STR("assistant"), ROLE_ASSISTANT, read_assistant },
	{ STR("system"), ROLE_SYSTEM, read_said },
	{ STR("tool"), ROLE_TOOL, read_result },
};

static int read_message(struct oai_reading *r, const struct place *at, const struct json *j,
			struct llm_message *m)
{
	struct place in = { .up = at, .name = "role" };
	struct str role = STR_NONE;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	if (!json_is_given(json_get(j, "role")))
		return oai_refuse(r, &in, "is missing");
	int err = oai_read_string(r, &in, json_get(j, "role"), &role);
	for (size_t i = 0; i < COUNT(roles) && !err; i++) {
		if (!str_eq(role, roles[i].name))
			continue;
		m->role = roles[i].role;
		return roles[i].read(r, at, j, m);
	}
	return err ? err : oai_refuse(r, &in, "must be one of system, user, assistant and tool");
}

int coh_read_messages(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	return oai_read_each_message(r, at, j, read_message, to);
}
