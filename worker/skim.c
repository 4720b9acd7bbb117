/* SPDX-License-Identifier: MIT
 * skim.c - finding where JSON values end. */
#include "worker/skim.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct str skip_space(struct str s)
{
	size_t i = 0;
	while (i < s.n && is_space(s.p[i]))
		i++;
	return str_skip(s, i);
}

/* Bytes of the string that s begins with, or 0 when it has no end. */
static size_t string_length(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		const char *quote = memchr(s.p + i, '"', s.n - i);
		if (!quote)
			return 0;
		i = (size_t)(quote - s.p);
		size_t slashes = 0;
		while (s.p[i - 1 - slashes] == '\\')
			slashes++;
		if (slashes % 2 == 0)
			return i + 1;
	}
	return 0;
}

static size_t nested_length(struct str s)
{
	size_t depth = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '{' || c == '[') {
			depth++;
		} else if ((c == '}' || c == ']') && --depth == 0) {
			return i + 1;
		} else if (c == '"') {
			size_t n = string_length(str_skip(s, i));
			if (n == 0)
				return 0;
			i += n - 1;
		}
	}
	return 0;
}

static size_t value_length(struct str s)
{
	size_t i = 0;
	if (s.n == 0)
		return 0;
	if (s.p[0] == '"')
		return string_length(s);
	if (s.p[0] == '{' || s.p[0] == '[')
		return nested_length(s);
	while (i < s.n && !is_space(s.p[i]) && !strchr(",:]}[{\"", s.p[i]))
		i++;
	return i;
}

bool skim_open(struct skim *s, struct str text)
{
	text = skip_space(text);
	if (text.n == 0 || (text.p[0] != '{' && text.p[0] != '['))
		return false;
	*s = (struct skim){ .rest = skip_space(str_skip(text, 1)), .is_object = text.p[0] == '{' };
	return true;
}

static bool broken(struct skim *s)
{
	s->is_broken = true;
	return false;
}

/* The comma before the next value, or the end. */
static bool has_next(struct skim *s)
{
	if (s->rest.n && s->rest.p[0] == (s->is_object ? '}' : ']')) {
		s->rest = skip_space(str_skip(s->rest, 1));
		return s->rest.n ? broken(s) : false;
	}
	if (s->count++ == 0)
		return true;
	if (s->rest.n == 0 || s->rest.p[0] != ',')
		return broken(s);
	s->rest = skip_space(str_skip(s->rest, 1));
	return true;
}

bool skim_next(struct skim *s, struct str *ret_key, struct str *ret_value)
{
	struct str key = STR_NONE;
	if (s->is_broken || !has_next(s))
		return false;
	if (s->is_object) {
		size_t n = s->rest.n && s->rest.p[0] == '"' ? string_length(s->rest) : 0;
		if (n == 0)
			return broken(s);
		key = str_of(s->rest.p + 1, n - 2);
		s->rest = skip_space(str_skip(s->rest, n));
		if (s->rest.n == 0 || s->rest.p[0] != ':')
			return broken(s);
		s->rest = skip_space(str_skip(s->rest, 1));
	}
	size_t n = value_length(s->rest);
	if (n == 0)
		return broken(s);
	*ret_key = key;
	*ret_value = str_of(s->rest.p, n);
	s->rest = skip_space(str_skip(s->rest, n));
	return true;
}

struct str skim_get(struct str object, struct str key)
{
	struct skim s;
	struct str name, value, found = STR_NONE;
	if (!skim_open(&s, object) || !s.is_object)
		return STR_NONE;
	while (skim_next(&s, &name, &value))
		if (str_eq(name, key) && !found.p)
			found = value;
	return s.is_broken ? STR_NONE : found;
}

struct str skim_word(struct str object, struct str key)
{
	struct str value = skim_get(object, key);
	bool is_string = value.n >= 2 && value.p[0] == '"';
	return is_string ? str_of(value.p + 1, value.n - 2) : STR_NONE;
}

static bool is_all(struct str s, const char *chars)
{
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr(chars, s.p[i]))
			return false;
	return true;
}

bool skim_is_numbers(struct str value)
{
	struct skim s;
	struct str key, number;
	if (!skim_open(&s, value) || s.is_object)
		return false;
	while (skim_next(&s, &key, &number))
		if (!is_all(number, "0123456789.-eE+"))
			return false;
	return !s.is_broken;
}

static bool is_base64(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/' || c == '=';
}

bool skim_is_base64(struct str value)
{
	if (value.n < 2 || value.p[0] != '"' || value.p[value.n - 1] != '"')
		return false;
	for (size_t i = 1; i + 1 < value.n; i++)
		if (!is_base64(value.p[i]))
			return false;
	return true;
}
