/* SPDX-License-Identifier: MIT
 * raw_path.c - paths and queries of a client that are to stand behind a provider's base. Pure;
 * see raw.h. */
#include "worker/raw.h"

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%XX" at s stands for; -1: it is no escape. */
static int escaped_byte(struct str s)
{
	if (s.n < 3 || hex_of(s.p[1]) < 0 || hex_of(s.p[2]) < 0)
		return -1;
	return hex_of(s.p[1]) << 4 | hex_of(s.p[2]);
}

/* What could become a separator, a dot segment or another escape for who decodes it. */
static bool is_dangerous(int byte)
{
	return byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\' || byte == '.' ||
	       byte == '%' || byte == '?' || byte == '#' || byte == ';';
}

static bool segment_ok(struct str s)
{
	if (str_eq(s, STR(".")) || str_eq(s, STR("..")))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= 0x20 || c >= 0x7f || strchr("\\?#\"<>^`{|};", c))
			return false;
		if (c == '%' && is_dangerous(escaped_byte(str_skip(s, i))))
			return false;
	}
	return true;
}

bool raw_path_ok(struct str path)
{
	if (path.n == 0)
		return true;
	if (path.p[0] != '/')
		return false;
	struct str rest = str_skip(path, 1);
	while (rest.p) {
		struct str segment = str_cut(&rest, '/');
		/* Only the last one may be empty: "//files" could be a host. */
		if (!segment_ok(segment) || (segment.n == 0 && rest.p))
			return false;
	}
	return true;
}

void raw_put_path(struct buf *out, struct str path)
{
	while (path.n) {
		struct str part = str_cut(&path, '@');
		buf_put(out, part);
		if (path.p)
			BUF_PUT_LIT(out, "%40");
	}
}

bool raw_query_ok(struct str query)
{
	for (size_t i = 0; i < query.n; i++) {
		unsigned char c = (unsigned char)query.p[i];
		if (c <= 0x20 || c >= 0x7f || strchr("#\"<>\\", c))
			return false;
	}
	return true;
}

/* Whether a member's name is that one for who decodes it and does not mind the case. */
static bool is_named(struct str name, const char *wanted)
{
	while (name.n && *wanted) {
		int byte = name.p[0] == '%' ? escaped_byte(name) : -1;
		size_t n = byte < 0 ? 1 : 3;
		char c = byte < 0 ? name.p[0] : (char)byte;
		if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != *wanted)
			return false;
		name = str_skip(name, n);
		wanted++;
	}
	return !name.n && !*wanted;
}

static bool is_ours(struct str name)
{
	static const char *const names[] = { "key", "api_key", "access_token",
					     "custom_llm_provider", "target_model_names" };
	for (size_t i = 0; i < COUNT(names); i++)
		if (is_named(name, names[i]))
			return true;
	return false;
}

/* The model stands in its place in the path or is put in anew. */
static bool names_model(struct str name)
{
	return is_named(name, "model") || is_named(name, "deployment");
}

void raw_put_query(struct buf *out, struct str query, bool with_model)
{
	char before = '?';
	while (query.n) {
		struct str member = str_cut(&query, '&'), name = member;
		name = str_cut(&name, '=');
		if (member.n == 0 || is_ours(name) || (!with_model && names_model(name)))
			continue;
		buf_put_char(out, before);
		buf_put(out, member);
		before = '&';
	}
}

struct str raw_query_get(struct str query, struct str name)
{
	while (query.n) {
		struct str value = str_cut(&query, '&');
		if (str_eq(str_cut(&value, '='), name))
			return value.p ? value : STR("");
	}
	return STR_NONE;
}

struct str raw_path_model(struct str path)
{
	static const char *const marks[] = { "models", "deployments", "model", "engines" };
	while (path.n) {
		struct str segment = str_cut(&path, '/'), model = path;
		for (size_t i = 0; i < COUNT(marks); i++) {
			if (!str_eq_z(segment, marks[i]))
				continue;
			model = str_cut(&model, '/');
			size_t verb = str_find_char(model, ':');
			/* A verb is a word; what Bedrock has behind a colon is a number. */
			if (verb != SIZE_MAX && verb + 1 < model.n && str_eq_z(segment, "models"))
				model.n = verb;
			return model.n ? model : STR_NONE;
		}
	}
	return STR_NONE;
}

struct str raw_decode(struct arena *a, struct str s)
{
	char *out;
	size_t n = 0;
	if (str_find_char(s, '%') == SIZE_MAX)
		return s;
	out = arena_alloc(a, s.n);
	for (size_t i = 0; out && i < s.n; i++) {
		int byte = s.p[i] == '%' ? escaped_byte(str_skip(s, i)) : -1;
		out[n++] = byte < 0 ? s.p[i] : (char)byte;
		i += byte < 0 ? 0 : 2;
	}
	return out ? str_of(out, n) : STR_NONE;
}

/* "v1", "v1beta", "v2": how long it is; 0: it is none. */
static size_t version_length(struct str s)
{
	size_t i = 1;
	if (s.n < 2 || s.p[0] != 'v' || s.p[1] < '0' || s.p[1] > '9')
		return 0;
	while (i < s.n && ((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'z')))
		i++;
	return i == s.n ? s.n : 0;
}

/* The base without a version at its end, where one stands in front of the path. */
static struct str base_for(struct str base, struct str path)
{
	size_t slash = base.n;
	struct str first = str_skip(path, 1);
	first = str_cut(&first, '/');
	while (slash > 0 && base.p[slash - 1] != '/')
		slash--;
	if (slash < 2 || !version_length(str_skip(base, slash)) || !version_length(first))
		return base;
	return base.p[slash - 2] == '/' ? base : str_of(base.p, slash - 1);
}

void raw_put_url(struct buf *out, struct str base, struct str path)
{
	buf_put(out, base_for(base, path));
	raw_put_path(out, path);
}
