/* SPDX-License-Identifier: MIT
 * dialect_cohere_request.c - the members of a chat's body, by table.
 *
 * Documents have no word in the neutral form: they become text at the beginning of the last thing
 * that the user says, where no model takes them for instructions. What only Cohere knows travels
 * along under its own name. */
#include <errno.h>

#include "worker/client/dialect_cohere.h"

enum { EFFORT_LOW_BELOW = 2048, EFFORT_MEDIUM_BELOW = 4096 };

static struct coh_reading *whole(struct oai_reading *r)
{
	return (struct coh_reading *)r;
}

/* --- values --- */

static int read_choice(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	struct str word = STR_NONE;
	int err = oai_read_string(r, at, j, &word);
	(void)to;
	if (err)
		return err;
	if (str_eq(word, STR("REQUIRED")))
		r->q->tool_choice = CHOICE_REQUIRED;
	else if (str_eq(word, STR("NONE")))
		r->q->tool_choice = CHOICE_NONE;
	else
		return oai_refuse(r, at, "must be \"REQUIRED\" or \"NONE\"");
	return 0;
}

static int read_strict(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	(void)to;
	return oai_read_flag(r, at, j, &whole(r)->is_strict);
}

static int read_format(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	struct place in = { .up = at, .name = "type" };
	const struct json *object = NULL, *schema = NULL;
	struct llm_request *q = r->q;
	struct str type = STR_NONE;
	(void)to;
	int err = oai_read_object(r, at, j, &object);
	if (!err)
		err = oai_optional(r, at, object, "type", oai_read_string, &type);
	if (!err)
		err = oai_optional(r, at, object, "json_schema", oai_read_object, &schema);
	if (err)
		return err;
	if (str_eq(type, STR("text")))
		q->format = FORMAT_TEXT;
	else if (!str_eq(type, STR("json_object")))
		return oai_refuse(r, &in, "must be \"text\" or \"json_object\"");
	else
		q->format = schema ? FORMAT_SCHEMA : FORMAT_JSON;
	if (q->format != FORMAT_SCHEMA)
		return 0;
	q->format_name = STR("answer");		/* OpenAI wants one */
	q->format_schema = schema->raw;
	q->prompt_bytes += schema->raw.n;
	return 0;
}

/* Whether thinking is off others need not be told: many know no word for it. */
static int read_thinking(struct oai_reading *r, const struct place *at, const struct json *j,
			 void *to)
{
	struct place in = { .up = at, .name = "type" };
	const struct json *object = NULL;
	struct str type = STR_NONE, *effort = to;
	uint64_t budget = EFFORT_LOW_BELOW;
	int err = oai_read_object(r, at, j, &object);
	if (!err)
		err = oai_optional(r, at, object, "type", oai_read_string, &type);
	if (!err)
		err = oai_optional(r, at, object, "token_budget", oai_read_count, &budget);
	if (err || str_eq(type, STR("disabled")))
		return err;
	if (!str_eq(type, STR("enabled")))
		return oai_refuse(r, &in, "must be \"enabled\" or \"disabled\"");
	*effort = budget < EFFORT_LOW_BELOW      ? STR("low")
		  : budget < EFFORT_MEDIUM_BELOW ? STR("medium")
						 : STR("high");
	return 0;
}

/* There is one answer: who asks for more in another vendor's words would pay for what nobody
 * sees. */
static int read_one(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	uint64_t n = 0;
	int err = oai_read_count(r, at, j, &n);
	(void)to;
	return err || n == 1 ? err : oai_refuse(r, at, "must be 1");
}

static int read_documents(struct oai_reading *r, const struct place *at, const struct json *j,
			  void *to)
{
	struct place in = { .up = at };
	(void)to;
	if (j->type != JSON_ARRAY)
		return oai_refuse_type(r, at, "an array", j);
	for (const struct json *one = j->child; one; one = one->next, in.index++)
		if (one->type != JSON_STRING && one->type != JSON_OBJECT)
			return oai_refuse_type(r, &in, "a string or an object", one);
	whole(r)->documents = j;
	return 0;
}

static int read_citations(struct oai_reading *r, const struct place *at, const struct json *j,
			  void *to)
{
	struct str mode;
	int err = oai_other_object(r, at, j, to);
	return err ? err : oai_optional(r, at, j, "mode", oai_read_string, &mode);
}

#define TO(member) offsetof(struct llm_request, member)

static const struct oai_param params[] = {
	{ "messages", coh_read_messages, TO(messages) },
	{ "tools", oai_read_tools, TO(tools) },
	{ "tool_choice", read_choice, 0 },
	{ "strict_tools", read_strict, 0 },
	{ "documents", read_documents, 0 },
	{ "response_format", read_format, 0 },
	{ "thinking", read_thinking, TO(reasoning_effort) },
	{ "stop_sequences", oai_read_stop, 0 },
	{ "p", oai_read_number, TO(top_p) },
	{ "k", oai_read_number, TO(top_k) },
	{ "n", read_one, 0 },
	{ "citation_options", read_citations, 0 },
	{ "safety_mode", oai_other_string, 0 },
	{ "logprobs", oai_other_flag, 0 },
	{ NULL, NULL, 0 },
};

/* --- documents --- */

/* "Documents:", and each on a line as it came. .p NULL: no memory. */
static struct str text_of(struct arena *a, const struct json *documents)
{
	struct buf b;
	buf_init(&b, documents->raw.n + 64);
	BUF_PUT_LIT(&b, "Documents:");
	for (const struct json *j = documents->child; j; j = j->next) {
		struct json_out o = json_out(&b);
		buf_put_char(&b, '\n');
		json_put_line(&o, NULL, j->raw);
	}
	struct str text = b.failed ? STR_NONE : arena_dup(a, buf_str(&b));
	buf_done(&b);
	return text;
}

static struct llm_message *last_of_user(struct llm_request *q)
{
	struct llm_message *last = NULL;
	for (struct llm_message *m = q->messages; m; m = m->next)
		if (m->role == ROLE_USER)
			last = m;
	return last;
}

static int add_documents(struct coh_reading *c)
{
	struct llm_request *q = c->r.q;
	struct llm_message *m = last_of_user(q), **end = &q->messages;
	if (!c->documents || !c->documents->count)
		return 0;
	struct llm_part *p = arena_alloc(c->r.mem, sizeof *p);
	if (!m) {
		m = arena_alloc(c->r.mem, sizeof *m);
		while (*end)
			end = &(*end)->next;
		*end = m;
		q->n_messages++;
	}
	if (!p || !m)
		return -ENOMEM;
	m->role = ROLE_USER;
	p->kind = PART_TEXT;
	p->text = text_of(c->r.mem, c->documents);
	p->next = m->parts;
	m->parts = p;
	q->prompt_bytes += p->text.n;
	return p->text.p ? 0 : -ENOMEM;
}

/* --- bodies --- */

void coh_begin(struct coh_reading *c, struct arena *a, struct str body, const struct json *root,
	       enum llm_kind kind, struct llm_request *ret, struct dialect_error *err)
{
	*c = (struct coh_reading){ 0 };
	oai_begin(&c->r, a, body, root, kind, ret, err);
	ret->family = FAMILY_COHERE;
}

int coh_read_chat(struct arena *a, struct str body, const struct json *root,
		  struct llm_request *ret, struct dialect_error *reterr)
{
	static const struct place messages = { .name = "messages" };
	struct coh_reading c;
	coh_begin(&c, a, body, root, LLM_CHAT, ret, reterr);
	int err = oai_read_members(&c.r, root, params);
	ret->wants_usage = ret->is_stream;
	if (err)
		return err;
	if (!ret->messages)
		return oai_refuse(&c.r, &messages, "is missing");
	for (struct llm_tool *t = ret->tools; t; t = t->next)
		t->strict = t->strict || c.is_strict;
	return add_documents(&c);
}
