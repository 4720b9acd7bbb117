/* SPDX-License-Identifier: MIT
 * members.c - see members.h. What the neutral form knows is said in OpenAI's words first, so that
 * a client's parameters and a deployment's go through the same table. */
#include "worker/exchange/members.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "worker/openai.h"

enum { REFUSAL_MAX = 256, FORMAT_MAX = 4 << 20, NAME_SHOWN = 64 };

int members_refuse(struct members *m, enum outcome o, const char *param, const char *fmt, ...)
{
	char text[REFUSAL_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	*m->err = (struct llm_error){ .outcome = o };
	m->err->param = arena_dup(m->mem, str_z(param));
	m->err->message = arena_dup(m->mem, str_z(text));
	return -EINVAL;
}

int members_refuse_param(struct members *m, struct str name)
{
	char z[NAME_SHOWN + 1];
	size_t n = name.n < NAME_SHOWN ? name.n : NAME_SHOWN;
	if (m->target->drop_params || m->q->drop_params)
		return 0;
	memcpy(z, name.p, n);
	z[n] = '\0';
	return members_refuse(m, OUTCOME_UNSUPPORTED_PARAM, z,
			      "%s does not support the parameter %s; drop_params drops it",
			      m->vendor, z);
}

/* --- the list --- */

struct str members_find(const struct members *m, struct str name)
{
	for (const struct llm_other *o = m->first; o; o = o->next)
		if (str_eq(o->name, name))
			return o->json;
	return STR_NONE;
}

/* The first to come stays; null is nothing. */
static int add(struct members *m, struct llm_other **end, struct str name, struct str json)
{
	if (!json.p || str_eq(json, STR("null")))
		return 0;
	for (; *end; end = &(*end)->next)
		if (str_eq((*end)->name, name))
			return 0;
	struct llm_other *one = arena_alloc(m->mem, sizeof *one);
	if (!one)
		return -ENOMEM;
	*one = (struct llm_other){ .name = name, .json = json };
	*end = one;
	return 0;
}

int members_add(struct members *m, struct str name, struct str json)
{
	return add(m, &m->first, name, json);
}

int members_add_beside(struct members *m, struct str name, struct str json)
{
	return add(m, &m->beside, name, json);
}

static void put(const struct llm_other *one, struct json_out *o)
{
	for (; one; one = one->next) {
		json_key(o, one->name);
		json_put_raw(o, NULL, one->json);
	}
}

void members_put(const struct members *m, struct json_out *o)
{
	put(m->first, o);
}

void members_put_beside(const struct members *m, struct json_out *o)
{
	put(m->beside, o);
}

const struct json *members_parse(struct members *m, struct str json)
{
	struct json_error error;
	return json.n ? json_parse(m->mem, json, 0, &error) : NULL;
}

struct str members_list(struct members *m, struct str json)
{
	if (!json.n || json.p[0] != '"')
		return json;
	return arena_printf(m->mem, "[" STR_FMT "]", STR_ARG(json));
}

/* --- the table --- */

static const struct member_row *row_of(const struct members *m, struct str name)
{
	static const struct member_row unknown = { STR(""), MEMBER_AS, NULL, NULL };
	for (size_t i = 0; i < m->n_rows; i++)
		if (str_eq(m->rows[i].name, name))
			return &m->rows[i];
	return &unknown;
}

/* Values that ask for nothing: what the default is anyway. */
static bool asks_for_nothing(struct str json)
{
	static const struct str empty[] = {
		STR("null"), STR("false"), STR("0"), STR("1"), STR("{}"), STR("[]"),
		STR("[\"text\"]"),
	};
	for (size_t i = 0; i < COUNT(empty); i++)
		if (str_eq(json, empty[i]))
			return true;
	return false;
}

static int take(struct members *m, struct str name, struct str json)
{
	const struct member_row *row = row_of(m, name);
	if (!json.p || str_eq(json, STR("null")))
		return 0;
	switch (row->fate) {
	case MEMBER_AS:
		return members_add(m, row->there ? str_z(row->there) : name, json);
	case MEMBER_BESIDE:
		return members_add_beside(m, name, json);
	case MEMBER_MAKE:
		return row->make(m, json);
	case MEMBER_DROP:
	case MEMBER_FIXED:
		return 0;
	case MEMBER_REFUSE:
		return asks_for_nothing(json) ? 0 : members_refuse_param(m, name);
	}
	return 0;
}

static int take_object(struct members *m, const struct json *object)
{
	int err = 0;
	for (const struct json *j = json_is(object, JSON_OBJECT) ? object->child : NULL; j && !err;
	     j = j->next)
		err = openai_is_ours(j->key) ? 0 : take(m, j->key, j->raw);
	return err;
}

int members_add_raw(struct members *m, const struct json *object)
{
	int err = 0;
	for (const struct json *j = json_is(object, JSON_OBJECT) ? object->child : NULL; j && !err;
	     j = j->next)
		err = row_of(m, j->key)->fate == MEMBER_FIXED ? 0 : members_add(m, j->key, j->raw);
	return err;
}

int members_add_extra(struct members *m, struct str nested)
{
	const struct json *extra = members_parse(m, m->target->extra_body);
	int err = 0;
	for (const struct json *j = json_is(extra, JSON_OBJECT) ? extra->child : NULL; j && !err;
	     j = j->next) {
		if (str_eq(j->key, nested))
			err = members_add_raw(m, j);
		else if (row_of(m, j->key)->fate != MEMBER_FIXED)
			err = members_add_beside(m, j->key, j->raw);
	}
	return err;
}

/* --- what the neutral form knows, in OpenAI's words --- */

static int take_text(struct members *m, const char *name, struct str text)
{
	struct str json = text.p ? openai_quote(m->mem, text) : STR_NONE;
	if (text.p && !json.p)
		return -ENOMEM;
	return take(m, str_z(name), json);
}

static int take_count(struct members *m, const char *name, uint64_t n)
{
	struct str json = arena_printf(m->mem, "%llu", (unsigned long long)n);
	return json.p ? take(m, str_z(name), json) : -ENOMEM;
}

/* What has been written to b, which is done with; then taken. */
static int take_written(struct members *m, const char *name, struct buf *b)
{
	struct str json = b->failed ? STR_NONE : arena_dup(m->mem, buf_str(b));
	buf_done(b);
	return json.p ? take(m, str_z(name), json) : -ENOMEM;
}

static int take_stop(struct members *m)
{
	const struct llm_request *q = m->q;
	struct buf b;
	if (!q->n_stop)
		return 0;
	buf_init(&b, FORMAT_MAX);
	struct json_out o = json_out(&b);
	json_open_array(&o, NULL);
	for (unsigned i = 0; i < q->n_stop; i++)
		json_put_str(&o, NULL, q->stop[i]);
	json_close_array(&o);
	return take_written(m, "stop", &b);
}

static int take_format(struct members *m)
{
	const struct llm_request *q = m->q;
	struct buf b;
	if (q->format == FORMAT_UNSET || q->format == FORMAT_TEXT)
		return 0;
	buf_init(&b, FORMAT_MAX);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	json_put_z(&o, "type", q->format == FORMAT_SCHEMA ? "json_schema" : "json_object");
	if (q->format == FORMAT_SCHEMA && q->format_schema.p) {
		json_open(&o, "json_schema");
		json_put_raw(&o, "schema", q->format_schema);
		json_close(&o);
	}
	json_close(&o);
	return take_written(m, "response_format", &b);
}

static int take_numbers(struct members *m)
{
	const struct llm_request *q = m->q;
	const struct {
		const char *name;
		struct str number;
	} numbers[] = {
		{ "temperature", q->temperature },
		{ "top_p", q->top_p },
		{ "top_k", q->top_k },
		{ "seed", q->seed },
		{ "presence_penalty", q->presence_penalty },
		{ "frequency_penalty", q->frequency_penalty },
	};
	int err = q->n > 1 ? take_count(m, "n", q->n) : 0;
	for (size_t i = 0; i < COUNT(numbers) && !err; i++)
		err = take(m, str_z(numbers[i].name), numbers[i].number);
	if (!err && q->max_tokens)
		err = take_count(m, "max_tokens", q->max_tokens);
	if (!err && q->dimensions)
		err = take_count(m, "dimensions", q->dimensions);
	return err;
}

int members_sort(struct members *m)
{
	const struct llm_request *q = m->q;
	int err = take_numbers(m);
	if (!err)
		err = take_stop(m);
	if (!err)
		err = take_format(m);
	if (!err)
		err = take_text(m, "reasoning_effort", q->reasoning_effort);
	if (!err)
		err = take_text(m, "suffix", q->prompt_suffix);
	if (!err)
		err = take_text(m, "encoding_format", q->encoding_format);
	/* What only a provider of another family would understand stays behind. */
	for (const struct llm_other *o = q->family ? NULL : q->other; o && !err; o = o->next)
		err = take(m, o->name, o->json);
	return err ? err : take_object(m, members_parse(m, m->target->params));
}
