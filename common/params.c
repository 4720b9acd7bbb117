/* SPDX-License-Identifier: MIT
 * params.c - rules for parameters, read word by word as they are needed. */
#include "common/params.h"

static const struct str fixed[] = {
	STR("model"), STR("messages"), STR("prompt"), STR("input"), STR("stream"),
};

bool params_has_rules(const struct params_rules *p)
{
	return p && (p->text.n || p->dropped || p->longest.n);
}

struct str params_value(const struct params_rules *p, struct str name, struct str value)
{
	double asked, most;
	bool is_limit = str_eq(name, STR("max_tokens")) ||
			str_eq(name, STR("max_completion_tokens"));
	if (!is_limit || !p->longest.n || str_read_double(value, &asked) != 0 ||
	    str_read_double(p->longest, &most) != 0)
		return value;
	return asked > most ? p->longest : value;
}

static bool is_listed(const struct json *list, struct str name)
{
	for (const struct json *j = list ? list->child : NULL; j; j = j->next)
		if (j->type == JSON_STRING && !j->escaped && j->raw.n == name.n + 2 &&
		    memcmp(j->raw.p + 1, name.p, name.n) == 0)
			return true;
	return false;
}

/* --- words --- */

struct params_words params_words(const struct params_rules *p)
{
	return (struct params_words){ p->text, p->model, true };
}

bool params_next_word(struct params_words *w, struct str *ret)
{
	while (w->rest.n) {
		struct str word = str_cut(&w->rest, ' ');
		if (word.n > 2 && word.p[0] == '[' && word.p[word.n - 1] == ']')
			w->counts = str_matches(str_of(word.p + 1, word.n - 2), w->model);
		else if (word.n > 1 && w->counts) {
			*ret = word;
			return true;
		}
	}
	return false;
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

/* Cuts the name that a word begins with. */
static struct str cut_name(struct str *word)
{
	size_t n = 0;
	while (n < word->n && is_name(word->p[n]))
		n++;
	struct str name = str_of(word->p, n);
	*word = str_skip(*word, n);
	return name;
}

static bool is_same_value(struct str a, struct str b)
{
	double x, y;
	if (str_eq(a, b))
		return true;
	return a.n && b.n && str_read_double(a, &x) == 0 && str_read_double(b, &y) == 0 &&
	       !(x < y) && !(x > y);
}

/* What one word says; false: nothing about this name and value. */
static bool read_word(struct str word, struct str name, struct str value,
		      struct params_verdict *ret)
{
	char mark = word.p[0];
	if (mark == '-' || mark == '~' || mark == '+') {
		*ret = (struct params_verdict){ mark == '-'   ? PARAMS_REFUSE
						: mark == '~' ? PARAMS_DROP
							      : PARAMS_KEEP,
						STR_NONE };
		return str_eq(str_skip(word, 1), name);
	}
	if (!str_eq(cut_name(&word), name) || word.n < 2)
		return false;
	mark = word.p[0];
	struct str what = str_skip(word, 1), to = what;
	switch (mark) {
	case '=':
		*ret = (struct params_verdict){ PARAMS_REFUSE, STR_NONE };
		return !is_same_value(what, value);
	case '!':
		*ret = (struct params_verdict){ PARAMS_REFUSE, STR_NONE };
		return is_same_value(what, value);
	case '>':
		*ret = (struct params_verdict){ PARAMS_RENAME, what };
		return true;
	case ':':
		what = str_cut(&to, '>');
		*ret = (struct params_verdict){
			str_eq(to, STR("null")) ? PARAMS_DROP : PARAMS_REPLACE, to };
		return to.n && is_same_value(what, value);
	default:
		return false;
	}
}

struct params_verdict params_judge(const struct params_rules *p, struct str name,
				   struct str value)
{
	struct params_verdict v = { PARAMS_KEEP, STR_NONE };
	struct params_words w = params_words(p);
	struct str word;
	for (size_t i = 0; i < COUNT(fixed); i++)
		if (str_eq(name, fixed[i]))
			return v;
	if (str_eq(value, STR("null")) || !name.n)
		return v;
	if (is_listed(p->dropped, name))
		return (struct params_verdict){ PARAMS_DROP, STR_NONE };
	if (is_listed(p->allowed, name))
		return v;
	while (params_next_word(&w, &word))
		if (read_word(word, name, value, &v))
			return v;
	return (struct params_verdict){ PARAMS_KEEP, STR_NONE };
}

/* Of two limits for the answer the one that counts inside the gateway counts outside, too. */
bool params_is_replaced(const struct params_rules *p, const struct json *root, struct str name)
{
	const struct json *limit = str_eq(name, STR("max_tokens"))
					   ? json_get(root, "max_completion_tokens")
					   : NULL;
	if (!json_is_given(limit))
		return false;
	struct params_verdict v = params_judge(p, limit->key, limit->raw);
	return v.act == PARAMS_RENAME && str_eq(v.with, name);
}
