/* SPDX-License-Identifier: MIT
 * dialect_gemini_contents.c - the turns of a generateContent request.
 *
 * Gemini tells calls apart by name and order where others have ids: one is made for each call
 * that has none, and the next result for a function of that name gets it. */
#include <errno.h>

#include "worker/client/dialect_gemini.h"

struct lists {				/* of a turn: results first, as other dialects have them */
	struct llm_part *results, **result_end, *parts, **end;
	bool is_model, is_system;
};

static struct gem_reading *whole(struct oai_reading *r)
{
	return (struct gem_reading *)r;
}

static struct llm_part *add_part(struct oai_reading *r, struct lists *l, enum llm_part_kind kind,
				 const struct json *raw)
{
	struct llm_part *p = arena_alloc(r->mem, sizeof *p);
	struct llm_part ***end = kind == PART_TOOL_RESULT ? &l->result_end : &l->end;
	if (!p)
		return NULL;
	p->kind = kind;
	p->raw = raw;
	**end = p;
	*end = &p->next;
	return p;
}

/* --- media --- */

static enum llm_part_kind kind_of(struct str mime)
{
	if (str_starts(mime, STR("image/")))
		return PART_IMAGE;
	return str_starts(mime, STR("audio/")) ? PART_AUDIO : PART_FILE;
}

static int read_inline(struct oai_reading *r, const struct place *up, const struct json *part,
		       const struct json *j, struct lists *l)
{
	struct place at = { .up = up, .name = "inlineData" };
	struct str mime = STR_NONE, data = STR_NONE;
	int err = j->type == JSON_OBJECT ? 0 : oai_refuse_type(r, &at, "an object", j);
	if (!err)
		err = gem_required(r, &at, j, "mimeType", oai_read_string, &mime);
	if (!err)
		err = gem_required(r, &at, j, "data", oai_read_string, &data);
	struct llm_part *p = err ? NULL : add_part(r, l, kind_of(mime), part);
	if (!p)
		return err ? err : -ENOMEM;
	p->mime = mime;
	p->data = data;
	r->q->media_parts++;
	return gem_optional(r, &at, j, "displayName", oai_read_string, &p->filename);
}

static int read_file(struct oai_reading *r, const struct place *up, const struct json *part,
		     const struct json *j, struct lists *l)
{
	struct place at = { .up = up, .name = "fileData" };
	struct str mime = STR_NONE, link = STR_NONE;
	int err = j->type == JSON_OBJECT ? 0 : oai_refuse_type(r, &at, "an object", j);
	if (!err)
		err = gem_optional(r, &at, j, "mimeType", oai_read_string, &mime);
	if (!err)
		err = gem_required(r, &at, j, "fileUri", oai_read_string, &link);
	struct llm_part *p = err ? NULL : add_part(r, l, kind_of(mime), part);
	if (!p)
		return err ? err : -ENOMEM;
	p->mime = mime;
	p->url = link;
	r->q->media_parts++;
	return 0;
}

/* --- calls --- */

static struct str make_id(struct oai_reading *r)
{
	return pending_make_id(r->mem, &whole(r)->pending);
}

/* The id of the call that a result is for: by its id, else by its name. */
static struct str answer_call(struct oai_reading *r, struct str name, struct str id)
{
	struct str found = pending_take(&whole(r)->pending, name, id);
	if (found.p)
		return found;
	return id.n ? id : make_id(r);
}

static int read_object_text(struct oai_reading *r, const struct place *at, const struct json *j,
			    void *to)
{
	struct str *text = to;
	const struct json *object;
	int err = oai_read_object(r, at, j, &object);
	if (!err)
		*text = j->raw;
	return err;
}

static int read_call(struct oai_reading *r, const struct place *up, const struct json *part,
		     const struct json *j, struct lists *l)
{
	struct place at = { .up = up, .name = "functionCall" };
	struct str id = STR_NONE;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, &at, "an object", j);
	if (!l->is_model)
		return oai_refuse(r, &at, "belongs to the model");
	struct llm_part *p = add_part(r, l, PART_TOOL_CALL, part);
	int err = p ? gem_required(r, &at, j, "name", oai_read_string, &p->name) : -ENOMEM;
	if (!err)
		err = gem_optional(r, &at, j, "id", oai_read_string, &id);
	if (err)
		return err;
	p->text = STR("{}");
	err = gem_optional(r, &at, j, "args", read_object_text, &p->text);
	if (err)
		return err;
	r->q->prompt_bytes += p->name.n + (json_is_given(gemini_get(j, "args")) ? p->text.n : 0);
	err = gemini_id_signature(r->mem, id, &p->signature);
	id = gemini_bare_id(id);
	p->id = id.n ? id : make_id(r);
	if (err || !p->id.p)
		return -ENOMEM;
	return pending_add(r->mem, &whole(r)->pending, p->name, p->id);
}

/* --- results --- */

/* {"output": "text"} is how a text is told where only objects are; but not where the text would be
 * taken for an object on its way back. */
static int read_response(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct llm_part *p = to;
	const struct json *only, *inner;
	int err = oai_read_object(r, at, j, &only);
	if (err)
		return err;
	p->text = j->raw;
	r->q->prompt_bytes += j->raw.n;
	only = j->count == 1 ? j->child : NULL;
	if (!json_is(only, JSON_STRING))
		return 0;
	bool is_error = str_eq(only->key, STR("error"));
	if (!is_error && !str_eq(only->key, STR("output")) && !str_eq(only->key, STR("result")))
		return 0;
	struct str text = json_str(r->mem, only);
	if (!text.p || gemini_parse(r->mem, text, &inner))
		return -ENOMEM;
	if (json_is(inner, JSON_OBJECT))
		return 0;
	p->text = text;
	p->is_error = is_error;
	return 0;
}

static int read_part(struct oai_reading *r, const struct place *at, const struct json *j, void *to);

static int read_result(struct oai_reading *r, const struct place *up, const struct json *part,
		       const struct json *j, struct lists *l)
{
	struct place at = { .up = up, .name = "functionResponse" }, in = { .up = &at, .name = "parts" };
	const struct json *parts = gemini_get(j, "parts");
	struct str id = STR_NONE;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, &at, "an object", j);
	if (l->is_model)
		return oai_refuse(r, &at, "belongs to the user");
	struct llm_part *p = add_part(r, l, PART_TOOL_RESULT, part);
	int err = p ? gem_required(r, &at, j, "name", oai_read_string, &p->name) : -ENOMEM;
	if (!err)
		err = gem_optional(r, &at, j, "id", oai_read_string, &id);
	if (!err)
		err = gem_required(r, &at, j, "response", read_response, p);
	if (err)
		return err;
	r->q->prompt_bytes += p->name.n;
	p->id = answer_call(r, p->name, gemini_bare_id(id));
	if (!p->id.p)
		return -ENOMEM;
	return json_is_given(parts) ? gem_read_each(r, &in, parts, read_part, l) : 0;
}

/* --- parts --- */

static int read_text(struct oai_reading *r, const struct place *up, const struct json *part,
		     const struct json *j, struct lists *l)
{
	struct place at = { .up = up, .name = "text" };
	bool is_thought = json_is_true(gemini_get(part, "thought"));
	struct llm_part *p = add_part(r, l, is_thought ? PART_REASONING : PART_TEXT, part);
	int err = p ? oai_read_string(r, &at, j, &p->text) : -ENOMEM;
	if (!err)
		r->q->prompt_bytes += p->text.n;
	return err;
}

static int read_other(struct oai_reading *r, const struct json *part, struct lists *l)
{
	struct llm_part *p = add_part(r, l, PART_OTHER, part);
	if (!p)
		return -ENOMEM;
	p->text = part->child ? part->child->key : STR("");
	r->q->prompt_bytes += part->raw.n;
	return 0;
}

typedef int part_fn(struct oai_reading *r, const struct place *up, const struct json *part,
		    const struct json *j, struct lists *l);
static const struct {
	const char *name;
	part_fn *read;
} part_rows[] = {
	{ "text", read_text },
	{ "inlineData", read_inline },
	{ "fileData", read_file },
	{ "functionCall", read_call },
	{ "functionResponse", read_result },
};

/* The signature stands beside what it is for. */
static int read_part(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct lists *l = to;
	struct llm_part **end = l->end;
	const struct json *of = NULL;
	size_t i = 0;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	for (; i < COUNT(part_rows) && !json_is_given(of); i++)
		of = gemini_get(j, part_rows[i].name);
	if (l->is_system && (!json_is_given(of) || part_rows[i - 1].read != read_text))
		return oai_refuse(r, at, "must be a text");
	if (!json_is_given(of))
		return read_other(r, j, l);
	int err = part_rows[i - 1].read(r, at, j, of, l);
	if (err || l->end == end || part_rows[i - 1].read == read_result)
		return err;
	return gem_optional(r, at, j, "thoughtSignature", oai_read_string, &(*end)->signature);
}

/* --- turns --- */

static int read_parts(struct oai_reading *r, const struct place *up, const struct json *content,
		      struct lists *l, struct llm_message *m)
{
	struct place at = { .up = up, .name = "parts" };
	const struct json *parts = gemini_get(content, "parts");
	size_t n = 0;
	l->result_end = &l->results;
	l->end = &l->parts;
	if (!json_is_given(parts))
		return oai_refuse(r, &at, "is missing");
	int err = gem_read_each(r, &at, parts, read_part, l);
	gemini_first(parts, &n);
	if (!err && !n)
		return oai_refuse(r, &at, "must not be empty");
	*l->result_end = l->parts;
	m->parts = l->results;
	return err;
}

static int read_role(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	enum llm_role *role = to;
	struct str word;
	int err = oai_read_string(r, at, j, &word);
	if (err)
		return err;
	if (str_eq(word, STR("model")))
		*role = ROLE_ASSISTANT;
	else if (word.n && !str_eq(word, STR("user")) && !str_eq(word, STR("function")))
		return oai_refuse(r, at, "must be \"user\" or \"model\"");
	return 0;
}

static int read_content(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	struct llm_message ***end = to, *m;
	struct lists l = { 0 };
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	m = arena_alloc(r->mem, sizeof *m);
	if (!m)
		return -ENOMEM;
	m->raw = j;
	m->role = ROLE_USER;
	**end = m;
	*end = &m->next;
	r->q->n_messages++;
	int err = gem_optional(r, at, j, "role", read_role, &m->role);
	l.is_model = m->role == ROLE_ASSISTANT;
	if (l.is_model)
		whole(r)->pending.first = NULL;	/* a result comes in the turn behind its call */
	return err ? err : read_parts(r, at, j, &l, m);
}

/* Behind what the system says, which may have come before. */
int gem_read_contents(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct llm_message **end = &r->q->messages;
	size_t n = 0;
	(void)to;
	while (*end)
		end = &(*end)->next;
	int err = gem_read_each(r, at, j, read_content, &end);
	gemini_first(j, &n);
	return err || n ? err : oai_refuse(r, at, "must not be empty");
}

int gem_read_system(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct lists l = { .is_system = true };
	struct llm_message *m = arena_alloc(r->mem, sizeof *m);
	(void)to;
	if (!m)
		return -ENOMEM;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	m->raw = j;
	m->role = ROLE_SYSTEM;
	m->next = r->q->messages;
	r->q->messages = m;
	r->q->n_messages++;
	return read_parts(r, at, j, &l, m);
}
