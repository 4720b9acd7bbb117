/* SPDX-License-Identifier: MIT
 * gemini.c - names, paths and ids of the Gemini API. */
#include <errno.h>

#include "worker/gemini.h"

#define SIGNATURE_MARK "__thought__"

int gemini_parse(struct arena *a, struct str text, const struct json **ret)
{
	struct json_error error = { 0, NULL };
	*ret = text.n ? json_parse(a, text, JSON_ONE_KEY, &error) : NULL;
	return !*ret && str_eq_z(STR("too large"), error.what) ? -ENOMEM : 0;
}

/* --- names --- */

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static char lower(char c)
{
	return is_upper(c) ? (char)(c | 0x20) : c;
}

bool gemini_same(struct str name, struct str camel)
{
	size_t i = 0, k = 0;
	for (; k < camel.n && i < name.n; k++, i++) {
		bool is_snake = is_upper(camel.p[k]) && name.p[i] == '_';
		i += is_snake;
		if (i == name.n || name.p[i] != (is_snake ? lower(camel.p[k]) : camel.p[k]))
			return false;
	}
	return k == camel.n && i == name.n;
}

bool gemini_is(struct str name, const char *camel)
{
	return gemini_same(name, str_z(camel));
}

struct str gemini_camel(struct arena *a, struct str name)
{
	size_t n = 0;
	if (str_find_char(name, '_') == SIZE_MAX)
		return name;
	char *p = arena_alloc(a, name.n);
	for (size_t i = 0; p && i < name.n; i++) {
		bool is_start = name.p[i] == '_' && i > 0 && i + 1 < name.n &&
				name.p[i + 1] >= 'a' && name.p[i + 1] <= 'z';
		i += is_start;
		p[n++] = is_start ? (char)(name.p[i] & ~0x20) : name.p[i];
	}
	return p ? str_of(p, n) : STR_NONE;
}

const struct json *gemini_get(const struct json *object, const char *camel)
{
	const struct json *j = json_is(object, JSON_OBJECT) ? object->child : NULL;
	while (j && !gemini_is(j->key, camel))
		j = j->next;
	return j;
}

const struct json *gemini_first(const struct json *list, size_t *ret_n)
{
	bool is_list = json_is(list, JSON_ARRAY);
	*ret_n = is_list ? list->count : json_is_given(list);
	return is_list ? list->child : json_is_given(list) ? list : NULL;
}

bool gemini_is_third(struct str model)
{
	static const struct str prefix = STR("gemini-");
	size_t at = str_find(model, prefix);
	model = str_skip(model, at == SIZE_MAX ? model.n : at + prefix.n);
	return model.n && model.p[0] >= '3' && model.p[0] <= '9';
}

/* --- paths --- */

void gemini_put_path(struct buf *out, struct str model, const char *verb)
{
	static const struct str kinds[] = { STR("models/"), STR("tunedModels/") };
	struct str kind = kinds[0];
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (!str_starts(model, kinds[i]))
			continue;
		kind = kinds[i];
		model = str_skip(model, kind.n);
		break;
	}
	BUF_PUT_LIT(out, "/v1beta/");
	buf_put(out, kind);
	buf_put_escaped(out, model);
	buf_put_char(out, ':');
	buf_put_z(out, verb);
}

void gemini_write_path(const struct llm_request *q, struct str model, struct buf *out)
{
	const char *verb = "generateContent";
	if (q->kind == LLM_EMBED)
		verb = gemini_get(q->root, "requests") ? "batchEmbedContents" : "embedContent";
	else if (q->is_stream)
		verb = "streamGenerateContent?alt=sse";
	gemini_put_path(out, model, verb);
}

/* --- ids --- */

/* From base64 to its URL-safe form, or back. */
static void swap_alphabet(char *p, size_t n, const char *from, const char *to)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == from[0])
			p[i] = to[0];
		else if (p[i] == from[1])
			p[i] = to[1];
	}
}

struct str gemini_join_id(struct arena *a, struct str id, struct str signature)
{
	const struct str mark = STR(SIGNATURE_MARK);
	while (signature.n && signature.p[signature.n - 1] == '=')
		signature.n--;
	if (!signature.n)
		return id;
	char *p = arena_alloc(a, id.n + mark.n + signature.n);
	if (!p)
		return STR_NONE;
	if (id.n)
		memcpy(p, id.p, id.n);
	memcpy(p + id.n, mark.p, mark.n);
	memcpy(p + id.n + mark.n, signature.p, signature.n);
	swap_alphabet(p + id.n + mark.n, signature.n, "+/", "-_");
	return str_of(p, id.n + mark.n + signature.n);
}

struct str gemini_bare_id(struct str id)
{
	size_t at = str_find(id, STR(SIGNATURE_MARK));
	return at == SIZE_MAX ? id : str_of(id.p, at);
}

int gemini_id_signature(struct arena *a, struct str id, struct str *ret)
{
	size_t at = str_find(id, STR(SIGNATURE_MARK));
	struct str s = at == SIZE_MAX ? STR_NONE : str_skip(id, at + STR(SIGNATURE_MARK).n);
	size_t padding = (4 - s.n % 4) % 4;
	*ret = STR_NONE;
	if (!s.n)
		return 0;
	char *p = arena_alloc(a, s.n + padding);
	if (!p)
		return -ENOMEM;
	memcpy(p, s.p, s.n);
	memset(p + s.n, '=', padding);
	swap_alphabet(p, s.n, "-_", "+/");
	*ret = str_of(p, s.n + padding);
	return 0;
}
