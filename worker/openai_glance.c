/* SPDX-License-Identifier: MIT
 * openai_glance.c - the commonest whole answer, read without a tree.
 *
 * Most answers that pass through are one choice of text that says its usage, and all that is asked
 * of them is what they cost and why they ended. Whatever is not exactly that - tools, reasoning, a
 * name with an escape, a member given twice - is left to openai_read.c, which sees the same. */
#include "worker/openai.h"

#include "worker/skim.h"

struct wanted {
	struct str name;
	struct str *value;
};

static bool is_null(struct str value)
{
	return !value.p || str_eq(value, STR("null"));
}

/* What stands between the quotes of a string without escapes, else STR_NONE. */
static struct str plain_string(struct str value)
{
	if (value.n < 2 || value.p[0] != '"' || str_find_char(value, '\\') != SIZE_MAX)
		return STR_NONE;
	return str_of(value.p + 1, value.n - 2);
}

/* Finds members of an object by their names. False: not an object, or one that needs reading. */
static bool look(struct str object, const struct wanted *wanted, size_t n)
{
	struct skim s;
	struct str key, value;
	if (!skim_open(&s, object) || !s.is_object)
		return false;
	while (skim_next(&s, &key, &value)) {
		if (str_find_char(key, '\\') != SIZE_MAX)
			return false;
		for (size_t i = 0; i < n; i++) {
			if (!str_eq(key, wanted[i].name))
				continue;
			if (wanted[i].value->p)
				return false;
			*wanted[i].value = value;
		}
	}
	return !s.is_broken;
}

/* The only element of an array, else STR_NONE. */
static struct str only(struct str array)
{
	struct skim s;
	struct str key, value, one = STR_NONE;
	if (!skim_open(&s, array) || s.is_object)
		return STR_NONE;
	for (unsigned n = 0; skim_next(&s, &key, &value); n++)
		one = n == 0 ? value : STR_NONE;
	return s.is_broken || s.count != 1 ? STR_NONE : one;
}

static bool look_at_message(struct str message, struct openai_glance *g)
{
	struct str content = { 0 }, others[6] = { 0 };
	const struct wanted members[] = {
		{ STR("content"), &content },
		{ STR("refusal"), &others[0] },
		{ STR("tool_calls"), &others[1] },
		{ STR("function_call"), &others[2] },
		{ STR("reasoning_content"), &others[3] },
		{ STR("reasoning"), &others[4] },
		{ STR("thinking_blocks"), &others[5] },
	};
	if (!look(message, members, COUNT(members)))
		return false;
	for (size_t i = 0; i < COUNT(others); i++)
		if (!is_null(others[i]))
			return false;
	g->content_bytes = content.n < 2 || content.p[0] != '"' ? 0 : content.n - 2;
	return g->content_bytes > 0;
}

static bool look_at_choice(struct str choice, struct openai_glance *g)
{
	struct str index = { 0 }, message = { 0 }, reason = { 0 }, others[3] = { 0 };
	const struct wanted members[] = {
		{ STR("index"), &index },     { STR("message"), &message },
		{ STR("delta"), &others[0] }, { STR("finish_reason"), &reason },
		{ STR("text"), &others[1] },  { STR("usage"), &others[2] },
	};
	if (!look(choice, members, COUNT(members)) || !str_eq(index, STR("0")))
		return false;
	for (size_t i = 0; i < COUNT(others); i++)
		if (others[i].p)
			return false;
	struct str native = plain_string(reason);
	g->finish = native.n ? llm_finish_of(native) : FINISH_NONE;
	return g->finish != FINISH_NONE && look_at_message(message, g);
}

bool openai_glance(struct arena *scratch, struct str body, struct openai_glance *ret)
{
	struct str choices = { 0 }, usage = { 0 }, model = { 0 }, error = { 0 };
	const struct wanted members[] = {
		{ STR("choices"), &choices },
		{ STR("usage"), &usage },
		{ STR("model"), &model },
		{ STR("error"), &error },
	};
	struct json_error unused;
	struct openai_glance g = { 0 };
	if (!str_is_utf8(body) || !look(body, members, COUNT(members)) || !is_null(error))
		return false;
	struct str choice = only(choices);
	if (!choice.p || !look_at_choice(choice, &g))
		return false;
	const struct json *u = usage.p ? json_parse(scratch, usage, 0, &unused) : NULL;
	if (!json_is(u, JSON_OBJECT))
		return false;
	openai_read_usage(u, &g.usage);
	g.model = model;
	*ret = g;
	return g.usage.output > 0;
}
