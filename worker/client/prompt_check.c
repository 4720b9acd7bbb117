/* SPDX-License-Identifier: MIT
 * prompt_check.c - see prompt_check.h.
 *
 * A complaint names a place by looking for the bytes it is about in the tree of the body; so one
 * check serves all dialects. What was decoded or made lies elsewhere: then the place is that of
 * the part, message or tool that it belongs to. */
#include "worker/client/prompt_check.h"

#include <errno.h>

#include "common/hash.h"
#include "worker/schema.h"

enum { PLACE_MAX = 512 };

struct checking {
	struct arena *mem;
	struct llm_request *q;
	struct dialect_error *err;
	struct str *calls;		/* a table of the ids seen so far; NULL: none at all */
	size_t calls_room;		/* a power of two, at least half of it free */
};

/* --- places --- */

static bool holds(const struct json *j, const char *p)
{
	return p >= j->raw.p && p < j->raw.p + j->raw.n;
}

static const struct json *child_that_holds(const struct json *j, const char *p, size_t *ret_index)
{
	*ret_index = 0;
	for (j = j->child; j && !holds(j, p); j = j->next)
		++*ret_index;
	return j;
}

/* "messages[2].content[0].image_url.url": the innermost value of the body that has the byte. */
static struct str place_of(const struct checking *c, const char *p)
{
	const struct json *j = p ? c->q->root : NULL;
	struct buf b;
	size_t i;
	buf_init(&b, PLACE_MAX);
	while (j && holds(j, p) && (j = child_that_holds(j, p, &i))) {
		if (!j->key.p)
			buf_printf(&b, "[%zu]", i);
		if (j->key.p && b.n)
			buf_put_char(&b, '.');
		if (j->key.p)
			buf_put(&b, j->key);
	}
	struct str s = b.failed || !b.n ? STR("request_body") : arena_dup(c->mem, buf_str(&b));
	buf_done(&b);
	return s;
}

static bool is_in_body(const struct checking *c, const char *p)
{
	return c->q->root && p && holds(c->q->root, p);
}

/* p, or what it belongs to. Always -EINVAL, or -ENOMEM. */
static int refuse(struct checking *c, const char *p, const struct json *owner, const char *what)
{
	if (!is_in_body(c, p) && owner)
		p = owner->raw.p;
	struct str at = place_of(c, p);
	struct str message = at.p ? arena_printf(c->mem, STR_FMT " %s", STR_ARG(at), what) : at;
	if (!message.p)
		return -ENOMEM;
	*c->err = (struct dialect_error){ OUTCOME_BAD_REQUEST, message, at };
	return -EINVAL;
}

/* --- media --- */

enum { BASE64_COMMON = 0, BASE64_URL = 1, BASE64_BREAK = 2, BASE64_NOT = 4 };

static void fill_table(uint8_t table[256])
{
	memset(table, BASE64_NOT, 256);
	for (unsigned i = 0; i < 26; i++)
		table['a' + i] = table['A' + i] = BASE64_COMMON;
	for (unsigned i = 0; i < 10; i++)
		table['0' + i] = BASE64_COMMON;
	table['+'] = table['/'] = BASE64_COMMON;
	table['-'] = table['_'] = BASE64_URL;
	table['\r'] = table['\n'] = BASE64_BREAK;
}

/* All kinds of characters that there are, but for the padding at the end. */
static unsigned kinds_of(struct str data)
{
	uint8_t table[256];
	unsigned kinds = 0;
	fill_table(table);
	for (unsigned i = 0; i < 2 && data.n && data.p[data.n - 1] == '='; i++)
		data.n--;
	for (size_t i = 0; i < data.n; i++)
		kinds |= table[(unsigned char)data.p[i]];
	return data.n ? kinds : BASE64_NOT;
}

static int use_common_alphabet(struct checking *c, struct llm_part *p)
{
	char *text = arena_alloc(c->mem, p->data.n);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < p->data.n; i++) {
		char ch = p->data.p[i];
		text[i] = (char)(ch == '-' ? '+' : ch == '_' ? '/' : ch);
	}
	p->data.p = text;
	return 0;
}

static int check_medium(struct checking *c, const struct llm_message *m, struct llm_part *p)
{
	unsigned kinds = p->data.p ? kinds_of(p->data) : BASE64_COMMON;
	if (kinds & BASE64_NOT)
		return refuse(c, p->data.p, p->raw ? p->raw : m->raw, "must be base64");
	return kinds & BASE64_URL ? use_common_alphabet(c, p) : 0;
}

/* --- results of tools --- */

static int make_table(struct checking *c)
{
	size_t calls = 0, results = 0, room = 16;
	for (const struct llm_message *m = c->q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next) {
			calls += p->kind == PART_TOOL_CALL;
			results += p->kind == PART_TOOL_RESULT;
		}
	if (!calls || !results)
		return 0;
	while (room < 2 * calls)
		room *= 2;
	c->calls = arena_array(c->mem, room, sizeof *c->calls);
	c->calls_room = room;
	return c->calls ? 0 : -ENOMEM;
}

/* Where the id stands, or would. */
static struct str *find_call(const struct checking *c, struct str id)
{
	size_t i = hash_table(id) & (c->calls_room - 1);
	while (c->calls[i].p && !str_eq(c->calls[i], id))
		i = (i + 1) & (c->calls_room - 1);
	return &c->calls[i];
}

static void note_call(struct checking *c, const struct llm_part *p)
{
	if (c->calls && p->id.p)
		*find_call(c, p->id) = p->id;
}

/* What a conversation that is kept here holds is not known yet. */
static int check_result(struct checking *c, const struct llm_message *m, const struct llm_part *p)
{
	if (c->q->conversation_id.p || (c->calls && p->id.p && find_call(c, p->id)->p))
		return 0;
	return refuse(c, p->id.p, p->raw ? p->raw : m->raw,
		      "is for a call that is not among the messages before");
}

static int check_messages(struct checking *c)
{
	int err = make_table(c);
	for (struct llm_message *m = c->q->messages; m && !err; m = m->next)
		for (struct llm_part *p = m->parts; p && !err; p = p->next) {
			if (p->kind == PART_TOOL_CALL)
				note_call(c, p);
			else if (p->kind == PART_TOOL_RESULT)
				err = check_result(c, m, p);
			else if (p->kind == PART_IMAGE || p->kind == PART_AUDIO ||
				 p->kind == PART_FILE)
				err = check_medium(c, m, p);
		}
	return err;
}

/* --- tools --- */

/* Gemini's names may have more characters; Ollama's API sets no rule, and models see a name. */
static bool is_name(const struct llm_request *q, struct str name, size_t max)
{
	bool is_strict = q->family == FAMILY_OPENAI || q->family == FAMILY_ANTHROPIC;
	for (size_t i = 0; i < name.n; i++) {
		char ch = name.p[i];
		bool is_letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
		bool is_digit = ch >= '0' && ch <= '9';
		bool is_mark = ch == '_' || ch == '-' || (!is_strict && (ch == '.' || ch == ':'));
		if (!is_letter && !is_digit && !is_mark)
			return false;
	}
	return name.n > 0 && name.n <= max;
}

/* Where in the body, and within the schema; one that the dialect made of the client's own stands
 * for that. */
static int refuse_schema(struct checking *c, struct str schema, const struct json *owner,
			 const struct schema_fault *fault)
{
	bool is_own = is_in_body(c, schema.p);
	struct str at = place_of(c, is_own ? schema.p : owner ? owner->raw.p : NULL);
	if (at.p && is_own && fault->at.n)
		at = arena_printf(c->mem, STR_FMT "." STR_FMT, STR_ARG(at), STR_ARG(fault->at));
	if (!at.p)
		return -ENOMEM;
	struct str message = arena_printf(c->mem, STR_FMT " " STR_FMT, STR_ARG(at),
					  STR_ARG(fault->what));
	if (!message.p)
		return -ENOMEM;
	*c->err = (struct dialect_error){ OUTCOME_BAD_REQUEST, message, at };
	return -EINVAL;
}

static int check_schema(struct checking *c, struct str schema, const struct json *owner,
			bool must_be_object)
{
	struct schema_fault fault = { .at = STR("type") };
	struct json_error error;
	const struct json *j = json_parse(c->mem, schema, 0, &error);
	const struct json *type = json_get(j, "type");
	if (!j)
		return -ENOMEM;		/* it has been read before */
	int err = schema_check(c->mem, j, &fault);
	if (err == -EINVAL)
		return refuse_schema(c, schema, owner, &fault);
	if (err || !must_be_object || !json_is(type, JSON_STRING) ||
	    str_eq(type->raw, STR("\"object\"")))
		return err;
	fault.what = STR("must be \"object\": arguments have names");
	return refuse_schema(c, schema, owner, &fault);
}

static int check_tool(struct checking *c, const struct llm_tool *t)
{
	size_t max = c->q->family == FAMILY_OPENAI ? 64 : 128;
	if (t->kind == TOOL_OTHER)
		return 0;
	if (!is_name(c->q, t->name, max))
		return refuse(c, t->name.p, t->raw,
			      max == 64 ? "must be 1 to 64 letters, digits, '_' and '-'"
					: "must be 1 to 128 letters, digits, '_' and '-'");
	if (t->kind == TOOL_CUSTOM || !t->schema.p)
		return 0;
	return check_schema(c, t->schema, t->raw, true);
}

int prompt_check(struct arena *a, struct llm_request *q, struct dialect_error *reterr)
{
	struct checking c = { .mem = a, .q = q, .err = reterr };
	int err = check_messages(&c);
	for (const struct llm_tool *t = q->tools; t && !err; t = t->next)
		err = check_tool(&c, t);
	if (!err && q->format_schema.p)
		err = check_schema(&c, q->format_schema, NULL, false);
	return err;
}
