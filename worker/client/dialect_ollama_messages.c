/* SPDX-License-Identifier: MIT
 * dialect_ollama_messages.c - the messages of a chat: content is one string, images stand beside
 * it, calls have their arguments as objects, and ids only if somebody wrote them. */
#include <errno.h>

#include "worker/client/dialect_ollama.h"

struct parts {				/* of a message */
	struct llm_part *first, **end;
};

static struct pending_calls *pending(struct oai_reading *r)
{
	return &((struct olm_reading *)r)->pending;
}

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

/* --- images --- */

/* They come bare; what they are is told by their first bytes. */
static struct str mime_of(struct str base64)
{
	static const struct {
		struct str begin, mime;
	} known[] = {
		{ STR("iVBOR"), STR("image/png") },  { STR("/9j/"), STR("image/jpeg") },
		{ STR("R0lGOD"), STR("image/gif") }, { STR("UklGR"), STR("image/webp") },
		{ STR("Qk"), STR("image/bmp") },
	};
	for (size_t i = 0; i < COUNT(known); i++)
		if (str_starts(base64, known[i].begin))
			return known[i].mime;
	return STR("image/png");
}

static int read_image(struct oai_reading *r, const struct place *at, const struct json *j,
		      struct llm_part *p)
{
	struct str data = STR_NONE;
	int err = oai_read_string(r, at, j, &data);
	if (err)
		return err;
	p->mime = mime_of(data);
	if (str_starts_nocase(data, STR("data:"))) {
		data = str_skip(data, 5);
		p->mime = str_cut(&data, ';');
		if (!str_starts(data, STR("base64,")))
			return oai_refuse(r, at, "must be base64");
		data = str_skip(data, 7);
	}
	p->data = data;
	r->q->media_parts++;
	return 0;
}

int olm_read_images(struct oai_reading *r, const struct place *at, const struct json *j,
		    struct llm_part ***end)
{
	struct place in = { .up = at };
	int err = j->type == JSON_ARRAY ? 0 : oai_refuse_type(r, at, "an array", j);
	for (j = err ? NULL : j->child; j && !err; j = j->next, in.index++) {
		struct llm_part *p = add_part(r, end, PART_IMAGE, j);
		err = p ? read_image(r, &in, j, p) : -ENOMEM;
	}
	return err;
}

/* --- texts --- */

static int read_text(struct oai_reading *r, const struct place *up, const struct json *message,
		     const char *name, struct str *ret)
{
	struct place at = { .up = up, .name = name };
	const struct json *j = json_get(message, name);
	int err = json_is_given(j) ? oai_read_string(r, &at, j, ret) : 0;
	if (!err)
		r->q->prompt_bytes += ret->n;
	return err;
}

static int add_text(struct oai_reading *r, const struct place *up, const struct json *message,
		    const char *name, enum llm_part_kind kind, struct parts *to)
{
	struct str text = STR_NONE;
	int err = read_text(r, up, message, name, &text);
	if (err || !text.n)
		return err;
	struct llm_part *p = add_part(r, &to->end, kind, NULL);
	if (!p)
		return -ENOMEM;
	p->text = text;
	return 0;
}

/* --- calls and results --- */

static int read_function(struct oai_reading *r, const struct place *at, const struct json *j,
			 struct llm_part *p)
{
	struct place args = { .up = at, .name = "arguments" }, name = { .up = at, .name = "name" };
	const struct json *object = json_get(j, "arguments");
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = read_text(r, at, j, "name", &p->name);
	if (!err && !p->name.n)
		return oai_refuse(r, &name, "is missing");
	p->text = STR("{}");
	if (err || !json_is_given(object))
		return err;
	if (object->type != JSON_OBJECT)
		return oai_refuse_type(r, &args, "an object", object);
	p->text = object->raw;
	r->q->prompt_bytes += p->text.n;
	return 0;
}

static int read_call(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct parts *to)
{
	struct place in = { .up = at, .name = "function" }, id = { .up = at, .name = "id" };
	const struct json *function = json_get(j, "function");
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	if (!json_is_given(function))
		return oai_refuse(r, &in, "is missing");
	struct llm_part *p = add_part(r, &to->end, PART_TOOL_CALL, j);
	int err = p ? read_function(r, &in, function, p) : -ENOMEM;
	if (!err && json_is_given(json_get(j, "id")))
		err = oai_read_string(r, &id, json_get(j, "id"), &p->id);
	if (err)
		return err;
	if (!p->id.n)
		p->id = pending_make_id(r->mem, pending(r));
	return p->id.p ? pending_add(r->mem, pending(r), p->name, p->id) : -ENOMEM;
}

static int read_calls(struct oai_reading *r, const struct place *up, const struct json *message,
		      struct parts *to)
{
	struct place at = { .up = up, .name = "tool_calls" }, in = { .up = &at };
	const struct json *j = json_get(message, at.name);
	int err = !json_is_given(j) || j->type == JSON_ARRAY
			  ? 0 : oai_refuse_type(r, &at, "an array", j);
	for (j = json_is(j, JSON_ARRAY) ? j->child : NULL; j && !err; j = j->next, in.index++)
		err = read_call(r, &in, j, to);
	return err;
}

/* Whom a result is for is said by an id, by a name, or by its place alone. */
static int read_result(struct oai_reading *r, const struct place *at, const struct json *j,
		       struct parts *to)
{
	struct str id = STR_NONE;
	struct llm_part *p = add_part(r, &to->end, PART_TOOL_RESULT, j);
	int err = p ? read_text(r, at, j, "tool_call_id", &id) : -ENOMEM;
	if (!err)
		err = read_text(r, at, j, "tool_name", &p->name);
	if (!err && !p->name.n)
		err = read_text(r, at, j, "name", &p->name);
	if (!err)
		err = read_text(r, at, j, "content", &p->text);
	if (err)
		return err;
	if (!p->text.p)
		p->text = STR("");
	p->id = pending_take(pending(r), p->name, id);
	if (!p->id.p)
		p->id = id.n ? id : pending_make_id(r->mem, pending(r));
	return p->id.p ? 0 : -ENOMEM;
}

/* --- messages --- */

static const struct {
	struct str name;
	enum llm_role role;
} roles[] = {
	{ STR("user"), ROLE_USER },
	{ STR("assistant"), ROLE_ASSISTANT },
	{ STR("system"), ROLE_SYSTEM },
	{ STR("tool"), ROLE_TOOL },
};

static int read_role(struct oai_reading *r, const struct place *up, const struct json *message,
		     enum llm_role *ret)
{
	struct place at = { .up = up, .name = "role" };
	const struct json *j = json_get(message, at.name);
	struct str word = STR_NONE;
	if (!json_is_given(j))
		return oai_refuse(r, &at, "is missing");
	int err = oai_read_string(r, &at, j, &word);
	for (size_t i = 0; i < COUNT(roles) && !err; i++) {
		if (!str_eq(word, roles[i].name))
			continue;
		*ret = roles[i].role;
		return 0;
	}
	return err ? err : oai_refuse(r, &at, "must be one of system, user, assistant and tool");
}

static int read_said(struct oai_reading *r, const struct place *at, const struct json *j,
		     struct parts *to)
{
	struct place in = { .up = at, .name = "images" };
	const struct json *images = json_get(j, in.name);
	int err = add_text(r, at, j, "thinking", PART_REASONING, to);
	if (!err)
		err = add_text(r, at, j, "content", PART_TEXT, to);
	if (!err && json_is_given(images))
		err = olm_read_images(r, &in, images, &to->end);
	return err ? err : read_calls(r, at, j, to);
}

static int read_message(struct oai_reading *r, const struct place *at, const struct json *j,
			struct llm_message *m)
{
	struct parts l = { .end = &l.first };
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = read_role(r, at, j, &m->role);
	if (!err)
		err = m->role == ROLE_TOOL ? read_result(r, at, j, &l) : read_said(r, at, j, &l);
	if (!err && !l.first) {		/* a turn in which nothing is said */
		struct llm_part *p = add_part(r, &l.end, PART_TEXT, NULL);
		if (!p)
			return -ENOMEM;
		p->text = STR("");
	}
	m->parts = l.first;
	return err;
}

int olm_read_messages(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	return oai_read_each_message(r, at, j, read_message, to);
}
