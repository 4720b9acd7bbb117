/* SPDX-License-Identifier: MIT
 * dialect_anthropic_messages.c - the turns of a message request.
 *
 * Turns of one role that follow each other are one. Results of tools, which stand in a user's turn
 * here, become a message of their own before what the user says; what a result holds beside text
 * stands behind it. Text without any letter is left out: no model is asked with it, and clients
 * that keep it have it from models that gave it. */
#include <errno.h>

#include "worker/client/dialect_anthropic.h"

struct list {
	struct llm_part *first, *last;
};
struct turn {				/* the one under way */
	struct oai_reading *r;
	struct llm_message **end, *latest;
	enum llm_role role;
	const struct json *raw;
	struct list results, said;
};

static void add_part(struct list *l, struct llm_part *p)
{
	*(l->last ? &l->last->next : &l->first) = p;
	l->last = p;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_blank(struct str s)
{
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s.n == 0;
}

/* --- texts out of blocks --- */

static bool is_text(struct oai_reading *r, const struct json *block)
{
	return str_eq(json_get_str(r->mem, block, "type"), STR("text"));
}

/* All texts among the blocks that are not blank, a line each, behind what stands in lines[0 .. n);
 * the array has room for one a block more. */
static int join_texts(struct oai_reading *r, const struct place *at, const struct json *blocks,
		      struct str *lines, size_t n, struct str *ret)
{
	struct place in = { .up = at };
	size_t bytes = 0, used = 0;
	for (const struct json *j = blocks ? blocks->child : NULL; j; j = j->next, in.index++) {
		if (!is_text(r, j))
			continue;
		int err = oai_required(r, &in, j, "text", oai_read_string, &lines[n]);
		if (err)
			return err;
		n += !is_blank(lines[n]);
	}
	for (size_t i = 0; i < n; i++)
		bytes += lines[i].n + 1;
	char *text = arena_alloc(r->mem, bytes + 1);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (lines[i].n)
			memcpy(text + used, lines[i].p, lines[i].n);
		used += lines[i].n;
		text[used++] = '\n';
	}
	*ret = str_of(text, used ? used - 1 : 0);
	return 0;
}

/* A string, or blocks of which the texts count; `more` lines go before. */
static int read_texts(struct oai_reading *r, const struct place *at, const struct json *j,
		      const struct str *more, size_t n, struct str *ret)
{
	bool is_list = j && j->type == JSON_ARRAY;
	struct str *lines = arena_array(r->mem, n + (is_list ? j->count : 0) + 1, sizeof *lines);
	if (!lines)
		return -ENOMEM;
	if (n)
		memcpy(lines, more, n * sizeof *more);
	if (!j || is_list)
		return join_texts(r, at, j, lines, n, ret);
	int err = oai_read_string(r, at, j, &lines[n]);
	return err ? err : join_texts(r, at, NULL, lines, n + 1, ret);
}

/* --- blocks --- */

typedef int block_fn(struct oai_reading *r, const struct place *at, const struct json *block,
		     struct llm_part *p);

static int read_text(struct oai_reading *r, const struct place *at, const struct json *block,
		     struct llm_part *p)
{
	return oai_required(r, at, block, "text", oai_read_string, &p->text);
}

static int read_inline(struct oai_reading *r, const struct place *at, const struct json *source,
		       struct llm_part *p)
{
	int err = oai_required(r, at, source, "media_type", oai_read_string, &p->mime);
	return err ? err : oai_required(r, at, source, "data", oai_read_string, &p->data);
}

/* A source whose kind is not known leaves only raw to tell of it. */
static int read_source(struct oai_reading *r, const struct place *at, const struct json *source,
		       struct llm_part *p, struct str *ret_type)
{
	int err = oai_required(r, at, source, "type", oai_read_string, ret_type);
	if (err)
		return err;
	if (str_eq(*ret_type, STR("base64")))
		return read_inline(r, at, source, p);
	if (str_eq(*ret_type, STR("url")))
		return oai_required(r, at, source, "url", oai_read_string, &p->url);
	if (str_eq(*ret_type, STR("file")))
		return oai_required(r, at, source, "file_id", oai_read_string, &p->file_id);
	p->kind = PART_OTHER;
	p->text = json_get_str(r->mem, p->raw, "type");
	return p->text.p ? 0 : -ENOMEM;
}

static int read_image(struct oai_reading *r, const struct place *at, const struct json *block,
		      struct llm_part *p)
{
	struct place in = { .up = at, .name = "source" };
	const struct json *source = NULL;
	struct str type;
	r->q->media_parts++;
	int err = oai_required(r, at, block, "source", oai_read_object, &source);
	return err ? err : read_source(r, &in, source, p, &type);
}

/* A document that is text is text for everybody; its own family gets it as it came. */
static int read_written(struct oai_reading *r, const struct place *at, const struct json *source,
			const char *name, struct llm_part *p)
{
	struct place in = { .up = at, .name = name };
	const struct json *content = json_get(source, name);
	if (!json_is_given(content))
		return oai_refuse(r, &in, "is missing");
	p->kind = PART_TEXT;
	return read_texts(r, &in, content, NULL, 0, &p->text);
}

static bool is_all_text(struct oai_reading *r, const struct json *content)
{
	const struct json *j = json_is(content, JSON_ARRAY) ? content->child : NULL;
	while (j && is_text(r, j))
		j = j->next;
	return !j;
}

static int read_document(struct oai_reading *r, const struct place *at, const struct json *block,
			 struct llm_part *p)
{
	struct place in = { .up = at, .name = "source" };
	const struct json *source = NULL;
	struct str type = STR_NONE;
	int err = oai_optional(r, at, block, "title", oai_read_string, &p->filename);
	if (!err)
		err = oai_required(r, at, block, "source", oai_read_object, &source);
	if (!err)
		err = read_source(r, &in, source, p, &type);
	if (err)
		return err;
	if (str_eq(type, STR("text")))
		return read_written(r, &in, source, "data", p);
	if (str_eq(type, STR("content")) && is_all_text(r, json_get(source, "content")))
		return read_written(r, &in, source, "content", p);
	r->q->media_parts++;
	if (p->kind == PART_FILE && p->data.p && !p->filename.p)
		p->filename = STR("document.pdf");	/* others want a name */
	return 0;
}

static int read_search_result(struct oai_reading *r, const struct place *at,
			      const struct json *block, struct llm_part *p)
{
	struct place in = { .up = at, .name = "content" };
	struct str head[2];
	const struct json *content = json_get(block, "content");
	int err = oai_required(r, at, block, "title", oai_read_string, &head[0]);
	if (!err)
		err = oai_required(r, at, block, "source", oai_read_string, &head[1]);
	if (!err && !json_is(content, JSON_ARRAY))
		return oai_refuse(r, &in, "must be an array");
	return err ? err : read_texts(r, &in, content, head, COUNT(head), &p->text);
}

static int read_input(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct str *text = to;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	*text = j->raw;
	return 0;
}

static int read_call(struct oai_reading *r, const struct place *at, const struct json *block,
		     struct llm_part *p)
{
	int err = oai_required(r, at, block, "id", oai_read_string, &p->id);
	if (!err)
		err = oai_required(r, at, block, "name", oai_read_string, &p->name);
	p->text = STR("{}");
	return err ? err : oai_optional(r, at, block, "input", read_input, &p->text);
}

/* What it holds beside text is added by its turn. */
static int read_result(struct oai_reading *r, const struct place *at, const struct json *block,
		       struct llm_part *p)
{
	struct place in = { .up = at, .name = "content" };
	const struct json *content = json_get(block, "content");
	int err = oai_required(r, at, block, "tool_use_id", oai_read_string, &p->id);
	if (!err)
		err = oai_optional(r, at, block, "is_error", oai_read_flag, &p->is_error);
	if (!err && json_is_given(content) && content->type != JSON_STRING &&
	    content->type != JSON_ARRAY)
		return oai_refuse_type(r, &in, "a string or an array of blocks", content);
	return err ? err : read_texts(r, &in, json_is_given(content) ? content : NULL, NULL, 0,
				      &p->text);
}

/* Without a signature it cannot go back to where it came from; clients write "" for none. */
static int read_thinking(struct oai_reading *r, const struct place *at, const struct json *block,
			 struct llm_part *p)
{
	int err = oai_required(r, at, block, "thinking", oai_read_string, &p->text);
	if (!err)
		err = oai_optional(r, at, block, "signature", oai_read_string, &p->signature);
	if (!err && !p->signature.n)
		p->signature = STR_NONE;
	return err;
}

static int read_redacted(struct oai_reading *r, const struct place *at, const struct json *block,
			 struct llm_part *p)
{
	p->text = STR("");
	return oai_required(r, at, block, "data", oai_read_string, &p->data);
}

static int read_other(struct oai_reading *r, const struct place *at, const struct json *block,
		      struct llm_part *p)
{
	(void)at;
	p->text = json_get_str(r->mem, block, "type");
	return p->text.p ? 0 : -ENOMEM;
}

enum { IN_USER = 1, IN_ASSISTANT = 2, IN_SYSTEM = 4, IN_RESULT = 8 };

/* The last row is for all others. */
static const struct block_row {
	struct str type;
	enum llm_part_kind kind;
	unsigned where;
	block_fn *read;
} block_rows[] = {
	{ STR("text"), PART_TEXT, IN_USER | IN_ASSISTANT | IN_SYSTEM, read_text },
	{ STR("image"), PART_IMAGE, IN_USER | IN_RESULT, read_image },
	{ STR("document"), PART_FILE, IN_USER | IN_RESULT, read_document },
	{ STR("search_result"), PART_TEXT, IN_USER | IN_RESULT, read_search_result },
	{ STR("tool_use"), PART_TOOL_CALL, IN_ASSISTANT, read_call },
	{ STR("tool_result"), PART_TOOL_RESULT, IN_USER, read_result },
	{ STR("thinking"), PART_REASONING, IN_ASSISTANT, read_thinking },
	{ STR("redacted_thinking"), PART_REASONING, IN_ASSISTANT, read_redacted },
	{ STR(""), PART_OTHER, IN_USER | IN_ASSISTANT | IN_RESULT, read_other },
};

static int read_block(struct oai_reading *r, const struct place *at, const struct json *j,
		      unsigned where, struct llm_part **ret)
{
	struct place type_at = { .up = at, .name = "type" };
	const struct block_row *row = block_rows;
	struct str type = STR_NONE;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(r, at, "an object", j);
	int err = oai_required(r, at, j, "type", oai_read_string, &type);
	if (err)
		return err;
	while (row->type.n && !str_eq(row->type, type))
		row++;
	if (!(row->where & where))
		return oai_refuse(r, &type_at, "cannot be \"%.32s\" here",
				  row->type.n ? row->type.p : "that");
	struct llm_part *p = arena_alloc(r->mem, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->kind = row->kind;
	p->raw = j;
	*ret = p;
	err = row->read(r, at, j, p);
	r->q->prompt_bytes += p->text.n + p->name.n;
	if (p->kind == PART_OTHER)
		r->q->prompt_bytes += j->raw.n;
	else if (p->kind == PART_REASONING)
		r->q->prompt_bytes += p->data.n;
	return err;
}

/* --- turns --- */

static void join_lists(struct list *to, const struct list *more)
{
	if (!more->first)
		return;
	*(to->last ? &to->last->next : &to->first) = more->first;
	to->last = more->last;
}

static int add_message(struct turn *t, enum llm_role role, struct list *l)
{
	struct llm_message *m = l->first ? arena_alloc(t->r->mem, sizeof *m) : NULL;
	if (!l->first)
		return 0;
	if (!m)
		return -ENOMEM;
	*m = (struct llm_message){ .role = role, .parts = l->first, .raw = t->raw };
	*t->end = t->latest = m;
	t->end = &m->next;
	t->r->q->n_messages++;
	*l = (struct list){ 0 };
	return 0;
}

static int end_turn(struct turn *t)
{
	int err = add_message(t, ROLE_TOOL, &t->results);
	return err ? err : add_message(t, t->role, &t->said);
}

/* Images and documents within a result. */
static int add_inner(struct turn *t, const struct place *up, const struct json *block)
{
	struct place at = { .up = up, .name = "content" }, in = { .up = &at };
	const struct json *content = json_get(block, "content");
	struct llm_part *p;
	if (!json_is(content, JSON_ARRAY))
		return 0;
	for (const struct json *j = content->child; j; j = j->next, in.index++) {
		if (is_text(t->r, j))
			continue;
		int err = read_block(t->r, &in, j, IN_RESULT, &p);
		if (err)
			return err;
		add_part(&t->results, p);
	}
	return 0;
}

static int add_block(struct turn *t, const struct place *at, const struct json *j, unsigned where)
{
	struct llm_part *p;
	int err = read_block(t->r, at, j, where, &p);
	if (err)
		return err;
	if (p->kind == PART_TOOL_RESULT) {
		add_part(&t->results, p);
		return add_inner(t, at, j);
	}
	if (!is_text(t->r, j) || !is_blank(p->text))
		add_part(&t->said, p);
	return 0;
}

static int add_string(struct turn *t, const struct place *at, const struct json *j)
{
	struct llm_part *p = arena_alloc(t->r->mem, sizeof *p);
	int err = p ? oai_read_string(t->r, at, j, &p->text) : -ENOMEM;
	if (err)
		return err;
	t->r->q->prompt_bytes += p->text.n;
	if (!is_blank(p->text))
		add_part(&t->said, p);
	return 0;
}

static int add_content(struct turn *t, const struct place *at, const struct json *content,
		       unsigned where)
{
	struct place in = { .up = at };
	if (content->type == JSON_STRING)
		return add_string(t, at, content);
	if (content->type != JSON_ARRAY)
		return oai_refuse_type(t->r, at, "a string or an array of blocks", content);
	for (const struct json *j = content->child; j; j = j->next, in.index++) {
		int err = add_block(t, &in, j, where);
		if (err)
			return err;
	}
	return 0;
}

static const struct {
	struct str name;
	enum llm_role role;
	unsigned where;
} role_rows[] = {
	{ STR("user"), ROLE_USER, IN_USER },
	{ STR("assistant"), ROLE_ASSISTANT, IN_ASSISTANT },
	{ STR("system"), ROLE_SYSTEM, IN_SYSTEM },
};

/* A turn in which nothing is said does not part those around it. */
static int add_turn(struct turn *t, const struct place *at, const struct json *j)
{
	struct turn next = { .r = t->r, .raw = j };
	struct place role_at = { .up = at, .name = "role" }, in = { .up = at, .name = "content" };
	const struct json *content = json_get(j, "content");
	struct str role = STR_NONE;
	size_t i = 0;
	if (j->type != JSON_OBJECT)
		return oai_refuse_type(t->r, at, "an object", j);
	int err = oai_required(t->r, at, j, "role", oai_read_string, &role);
	if (err)
		return err;
	while (i < COUNT(role_rows) && !str_eq(role, role_rows[i].name))
		i++;
	if (i == COUNT(role_rows))
		return oai_refuse(t->r, &role_at, "must be \"user\" or \"assistant\"");
	if (!json_is_given(content))
		return oai_refuse(t->r, &in, "is missing");
	err = add_content(&next, &in, content, role_rows[i].where);
	if (err || (!next.results.first && !next.said.first))
		return err;
	if (role_rows[i].role != t->role)
		err = end_turn(t);
	t->role = role_rows[i].role;
	t->raw = j;
	join_lists(&t->results, &next.results);
	join_lists(&t->said, &next.said);
	return err;
}

/* An answer that is begun for the model ends without white space: no tokens could follow it. */
static void trim_end(struct turn *t)
{
	while (t->role == ROLE_ASSISTANT && t->said.last && t->said.last->kind == PART_TEXT) {
		struct llm_part *last = t->said.last, *p = t->said.first;
		while (last->text.n && is_space(last->text.p[last->text.n - 1]))
			last->text.n--;
		if (last->text.n)
			return;
		while (p != last && p->next != last)
			p = p->next;
		if (p == last)
			t->said = (struct list){ 0 };
		else
			t->said.last = p;
		p->next = NULL;
	}
}

int ant_read_messages(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct place in = { .up = at };
	struct turn t = { .r = r, .end = to, .role = ROLE_USER };
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	while (*t.end)				/* the system's words may have come first */
		t.end = &(*t.end)->next;
	for (const struct json *one = j->child; one; one = one->next, in.index++) {
		int err = add_turn(&t, &in, one);
		if (err)
			return err;
	}
	trim_end(&t);
	int err = end_turn(&t);
	return err || t.latest ? err : oai_refuse(r, at, "must not be empty");
}

int ant_read_system(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	struct llm_message **first = to, *rest = *first, *own = NULL;
	struct turn t = { .r = r, .end = &own, .role = ROLE_SYSTEM, .raw = j };
	int err = add_content(&t, at, j, IN_SYSTEM);
	if (!err)
		err = end_turn(&t);
	if (err || !own)
		return err;
	own->next = rest;
	*first = own;
	return 0;
}
