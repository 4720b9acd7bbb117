/* SPDX-License-Identifier: MIT
 * convert.c - what all sources share: notes, secrets, entries of model_list, and the text. */
#include "master/convert.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/json_write.h"

enum { NOTE_MAX = 1024, COMMENT_WIDTH = 92, INDENT = 6 };

static const char *const names[CONVERT_FROM_COUNT] = { "litellm", "bifrost", "portkey" };

const char *convert_name(enum convert_from from)
{
	return names[from];
}

int convert_find(struct str name, enum convert_from *ret)
{
	for (unsigned i = 0; i < COUNT(names); i++) {
		if (!str_eq_z(name, names[i]))
			continue;
		*ret = (enum convert_from)i;
		return 0;
	}
	return -EINVAL;
}

int convert_guess(struct arena *a, struct str text, enum convert_from *ret)
{
	static const char *const portkey[] = { "strategy", "targets", "provider", "virtual_key",
					       "retry", "cache" };
	struct json_error e;
	const struct json *j = json_parse(a, text, 0, &e);
	if (!json_is(j, JSON_OBJECT)) {
		*ret = CONVERT_LITELLM;
		return str_find(text, STR("model_list")) < text.n ? 0 : -EINVAL;
	}
	*ret = CONVERT_BIFROST;
	if (json_is(json_get(j, "providers"), JSON_OBJECT))
		return 0;
	*ret = json_get(j, "model_list") ? CONVERT_LITELLM : CONVERT_PORTKEY;
	for (size_t i = 0; i < COUNT(portkey); i++)
		if (json_get(j, portkey[i]))
			return 0;
	return *ret == CONVERT_LITELLM ? 0 : -EINVAL;
}

/* ---- notes and secrets ---- */

void convert_note(struct convert *c, struct str where, const char *fmt, ...)
{
	char text[NOTE_MAX];
	va_list ap;
	if (c->n_notes == COUNT(c->notes)) {
		c->n_more_notes++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	struct convert_note *n = &c->notes[c->n_notes];
	*n = (struct convert_note){ arena_dup(c->mem, where), arena_dup(c->mem, str_z(text)) };
	c->failed |= !n->where.p || !n->what.p;
	c->n_notes++;
}

void convert_note_others(struct convert *c, struct str where, const struct json *object,
			 const char *const *known, const char *fmt)
{
	for (const struct json *j = json_is(object, JSON_OBJECT) ? object->child : NULL; j;
	     j = j->next) {
		const char *const *k = known;
		while (*k && !str_eq_z(j->key, *k))
			k++;
		if (*k || !json_is_given(j))
			continue;
		struct str at = where.n ? arena_printf(c->mem, STR_FMT "." STR_FMT, STR_ARG(where),
						       STR_ARG(j->key)) : j->key;
		convert_note(c, at, "%s", fmt);
	}
}

struct str convert_variable(struct convert *c, struct str name)
{
	struct str made = arena_printf(c->mem, "os.environ/" STR_FMT, STR_ARG(name));
	c->failed |= !made.p;
	return made;
}

struct str convert_upper(struct convert *c, struct str s, const char *behind)
{
	struct buf b;
	buf_init(&b, 512);
	for (size_t i = 0; i < s.n && i < 100; i++) {
		char l = s.p[i];
		bool small = l >= 'a' && l <= 'z', digit = l >= '0' && l <= '9';
		if (digit && !b.n)
			buf_put_char(&b, '_');
		buf_put_char(&b, small ? (char)(l - 32)
				       : (l >= 'A' && l <= 'Z') || digit ? l : '_');
	}
	buf_put_z(&b, behind);
	struct str made = arena_dup(c->mem, buf_str(&b));
	buf_done(&b);
	c->failed |= !made.p;
	return made;
}

static bool is_taken(const struct convert *c, struct str name)
{
	for (size_t i = 0; i < c->n_secrets; i++)
		if (str_eq(c->secrets[i].name, name))
			return true;
	return false;
}

struct str convert_secret(struct convert *c, struct str where, struct str like, struct str value)
{
	struct str name = like;
	if (!value.n || c->with_secrets)
		return value;
	for (size_t i = 0; i < c->n_secrets; i++)
		if (str_eq(c->secrets[i].value, value))
			return convert_variable(c, c->secrets[i].name);
	for (unsigned n = 2; is_taken(c, name) && n < CONVERT_SECRETS_MAX + 2; n++)
		name = arena_printf(c->mem, STR_FMT "_%u", STR_ARG(like), n);
	if (c->n_secrets == COUNT(c->secrets) || !name.p) {
		c->failed = true;
		return STR("");
	}
	c->secrets[c->n_secrets++] = (struct convert_secret){ name, arena_dup(c->mem, where),
							      value };
	return convert_variable(c, name);
}

/* ---- YAML ---- */

/* What YAML reads as text without quotes, whichever of its versions is meant. */
static bool is_plain(struct str s)
{
	static const char *const others[] = { "null", "true", "false", "yes", "no", "on", "off",
					      "y", "n", "nan", "inf" };
	if (!s.n || s.n > 200 || !((s.p[0] | 32) >= 'a' && (s.p[0] | 32) <= 'z'))
		return false;
	for (size_t i = 0; i < COUNT(others); i++)
		if (str_eq_nocase(s, str_z(others[i])))
			return false;
	for (size_t i = 0; i < s.n; i++) {
		char l = s.p[i] | 32;
		bool good = (l >= 'a' && l <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
			    strchr("._/-", s.p[i]);
		if (!good || !s.p[i])
			return false;
	}
	return true;
}

/* JSON may have a few bytes in a text as they are that YAML, or a terminal, does not take: DEL, and
 * control characters of two bytes. */
static void put_visible(struct buf *to, struct str json)
{
	for (size_t i = 0; i < json.n; i++) {
		unsigned char b = (unsigned char)json.p[i];
		unsigned char next = i + 1 < json.n ? (unsigned char)json.p[i + 1] : 0;
		if (b == 0x7f) {
			BUF_PUT_LIT(to, "\\u007f");
		} else if (b == 0xc2 && next >= 0x80 && next < 0xa0) {
			buf_printf(to, "\\u00%02x", next);
			i++;
		} else {
			buf_put_char(to, (char)b);
		}
	}
}

static void convert_put_scalar(struct buf *to, struct str text)
{
	struct buf json;
	if (is_plain(text)) {
		buf_put(to, text);
		return;
	}
	buf_init(&json, CONVERT_TEXT_MAX);
	json_escape(&json, text);
	buf_put_char(to, '"');
	put_visible(to, buf_str(&json));
	buf_put_char(to, '"');
	to->failed |= json.failed;
	buf_done(&json);
}

void convert_put_json(struct buf *to, struct str json)
{
	struct buf line;
	buf_init(&line, CONVERT_TEXT_MAX);
	struct json_out o = json_out(&line);
	json_put_line(&o, NULL, json);
	put_visible(to, buf_str(&line));
	to->failed |= line.failed;
	buf_done(&line);
}

/* Each line begins with `before`, which ends in "# "; bytes that could end it are left out. */
static void convert_put_comment(struct buf *to, const char *before, struct str text)
{
	size_t used = COMMENT_WIDTH;
	bool begun = false;
	while (text.n) {
		struct str word = str_cut(&text, ' ');
		if (used + 1 + word.n > COMMENT_WIDTH) {
			buf_put_z(to, begun ? "\n" : "");
			buf_put_z(to, before);
			buf_put_z(to, begun ? "  " : "");
			used = begun ? 2 : 0;
		} else {
			buf_put_char(to, ' ');
			used++;
		}
		for (size_t i = 0; i < word.n; i++) {
			unsigned char byte = (unsigned char)word.p[i];
			buf_put_char(to, byte < ' ' || byte >= 0x7f ? '?' : (char)byte);
		}
		used += word.n;
		begun = true;
	}
	buf_put_char(to, '\n');
}

bool convert_model_begin(struct convert *c, struct str name, struct str model)
{
	if (c->n_models == CONVERT_MODELS_MAX) {
		c->failed = true;
		return false;
	}
	c->n_models++;
	BUF_PUT_LIT(&c->models, "  - model_name: ");
	convert_put_scalar(&c->models, name);
	BUF_PUT_LIT(&c->models, "\n    litellm_params:\n      model: ");
	convert_put_scalar(&c->models, model);
	buf_put_char(&c->models, '\n');
	return true;
}

void convert_param(struct convert *c, const char *key, struct str text)
{
	if (!text.n)
		return;
	buf_printf(&c->models, "%*s%s: ", INDENT, "", key);
	convert_put_scalar(&c->models, text);
	buf_put_char(&c->models, '\n');
}

/* JSON is YAML, when it stands on one line. */
void convert_param_json(struct convert *c, const char *key, const struct json *j)
{
	if (!json_is_given(j))
		return;
	buf_printf(&c->models, "%*s%s: ", INDENT, "", key);
	convert_put_json(&c->models, j->raw);
	buf_put_char(&c->models, '\n');
}

void convert_param_number(struct convert *c, const char *key, double v)
{
	buf_printf(&c->models, "%*s%s: %.12g\n", INDENT, "", key, v);
}

void convert_set(struct convert *c, enum convert_section s, const char *line)
{
	buf_printf(&c->settings[s], "  %s\n", line);
}

/* ---- the text ---- */

static void put_head(const struct convert *c, enum convert_from from, struct buf *out)
{
	buf_printf(out, "# Made from a configuration of %s by llmgwctl config convert.\n",
		   names[from]);
	if (c->n_secrets)
		BUF_PUT_LIT(out, "#\n# Secrets that stood in it are not here. Set these variables, "
				 "as in /etc/llmgw/llmgw.env:\n");
	for (size_t i = 0; i < c->n_secrets; i++)
		convert_put_comment(out, "#   ",
				    arena_printf(c->mem, STR_FMT ": what stood in " STR_FMT,
						 STR_ARG(c->secrets[i].name),
						 STR_ARG(c->secrets[i].where)));
	if (c->n_notes)
		BUF_PUT_LIT(out, "#\n# To be looked at, for it has no equal here or is otherwise:\n");
	for (size_t i = 0; i < c->n_notes; i++)
		convert_put_comment(out, "#   ",
				    arena_printf(c->mem, STR_FMT ": " STR_FMT,
						 STR_ARG(c->notes[i].where),
						 STR_ARG(c->notes[i].what)));
	if (c->n_more_notes)
		buf_printf(out, "#   and %zu more\n", c->n_more_notes);
}

static void put_sections(const struct convert *c, struct buf *out)
{
	static const char *const sections[] = { "router_settings", "litellm_settings",
						"general_settings" };
	BUF_PUT_LIT(out, "\nmodel_list:");
	buf_put_z(out, c->models.n ? "\n" : " []\n");
	buf_put(out, buf_str(&c->models));
	for (size_t i = 0; i < COUNT(sections); i++) {
		if (!c->settings[i].n)
			continue;
		buf_printf(out, "\n%s:\n", sections[i]);
		buf_put(out, buf_str(&c->settings[i]));
	}
	buf_put(out, buf_str(&c->rest));
}

static bool any_failed(const struct convert *c, const struct buf *out)
{
	bool failed = c->failed || c->models.failed || c->rest.failed || out->failed;
	for (size_t i = 0; i < COUNT(c->settings); i++)
		failed |= c->settings[i].failed;
	return failed;
}

int convert_text(struct convert *c, enum convert_from from, const char *path, struct str text,
		 struct buf *out)
{
	struct json_error e = { 0 };
	const struct json *root;
	struct buf body;
	int err = 0;
	buf_init(&c->models, CONVERT_TEXT_MAX);
	buf_init(&c->rest, CONVERT_TEXT_MAX);
	buf_init(&body, 2 * CONVERT_TEXT_MAX);
	for (size_t i = 0; i < COUNT(c->settings); i++)
		buf_init(&c->settings[i], CONVERT_TEXT_MAX);
	if (from == CONVERT_LITELLM) {
		err = convert_litellm(c, path, text, &body);
	} else if ((root = json_parse(c->mem, text, 0, &e)) && root->type == JSON_OBJECT) {
		(from == CONVERT_BIFROST ? convert_bifrost : convert_portkey)(c, root);
		put_sections(c, &body);
	} else {
		c->why = root ? STR("it is no object")
			      : arena_printf(c->mem, "%s at byte %zu",
					     e.what ? e.what : "too large", e.at);
		err = -EINVAL;
	}
	if (!err)
		put_head(c, from, out);
	buf_put(out, buf_str(&body));
	if (!err && (any_failed(c, out) || body.failed))
		err = -ENOMEM;
	buf_done(&body);
	return err;
}

void convert_done(struct convert *c)
{
	buf_done(&c->models);
	buf_done(&c->rest);
	for (size_t i = 0; i < COUNT(c->settings); i++)
		buf_done(&c->settings[i]);
}
