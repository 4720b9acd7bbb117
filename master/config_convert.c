/* SPDX-License-Identifier: MIT
 * config_convert.c - a LiteLLM configuration made ours: the text stays as it is, with its comments,
 * but for secrets, which are put into variables, and for older spellings.
 *
 * What is not acted on here is what reading it complains about, and becomes the notes. */
#include <errno.h>
#include <stdlib.h>

#include "common/mem.h"
#include "master/config_read.h"
#include "master/convert.h"

enum { TREE_MEMORY = 256 << 20, SPLICES_MAX = 20000, COMPLAINTS_ROOM = 1 << 20 };

struct splice {				/* bytes of the text that others take the place of */
	size_t at, n;
	struct str text;
};
struct work {
	struct convert *c;
	struct str text;
	struct splice *splices;
	size_t n_splices;
	bool is_lost;			/* a secret that cannot be cut out */
	unsigned lost_line;
};

static void splice(struct work *w, size_t at, size_t n, struct str text)
{
	if (w->n_splices == SPLICES_MAX || at > w->text.n || n > w->text.n - at || !text.p)
		w->c->failed = true;
	else
		w->splices[w->n_splices++] = (struct splice){ at, n, text };
}

static struct str line_name(struct work *w, const struct yaml *y, struct str key)
{
	struct str made = arena_printf(w->c->mem, "line %u, " STR_FMT, (unsigned)y->place.line,
				       STR_ARG(key));
	w->c->failed |= !made.p;
	return made;
}

/* ---- secrets ---- */

/* openai/gpt-4o and api_key as OPENAI_API_KEY; in a section the key says enough. */
static struct str variable_for(struct work *w, const struct yaml *map, struct str key)
{
	const struct yaml *model = yaml_get(map, "model");
	struct str name = model && model->kind == YAML_SCALAR ? model->text : STR("");
	struct str provider = str_cut(&name, '/');
	if (same_key(key, STR("master_key")))
		return STR("LLMGW_MASTER_KEY");
	if (!name.p)
		return convert_upper(w->c, key, "");
	struct str whole = arena_printf(w->c->mem, STR_FMT "_" STR_FMT, STR_ARG(provider),
					STR_ARG(key));
	return whole.p ? convert_upper(w->c, whole, "") : STR("SECRET");
}

static bool is_quoted(struct work *w, const struct yaml *y)
{
	char first = y->place.at < w->text.n ? w->text.p[y->place.at] : 0;
	return first == '"' || first == '\'';
}

/* Its bytes in the text must be what it says, or a quoted form of it: else it spans lines. */
static void hide(struct work *w, const struct yaml *map, const struct yaml *y)
{
	struct str bytes = str_of(w->text.p + y->place.at, y->place.span);
	bool fits = y->place.at + y->place.span <= w->text.n && y->place.span > 0 &&
		    str_find_char(bytes, '\n') >= bytes.n &&
		    (is_quoted(w, y) || str_eq(bytes, y->text));
	struct str value = arena_dup(w->c->mem, y->text);
	if (!fits) {
		w->is_lost = true;
		w->lost_line = y->place.line;
		return;
	}
	splice(w, y->place.at, y->place.span,
	       convert_secret(w->c, line_name(w, y, y->key), variable_for(w, map, y->key), value));
}

static bool is_literal(const struct yaml *y)
{
	return y->kind == YAML_SCALAR && y->text.n && !str_starts(y->text, STR("os.environ/"));
}

static bool is_secret(const struct yaml *y)
{
	const struct directive *d = directive_find("litellm_params", y->key);
	bool is_number = y->plain && y->text.n && strspn(y->text.p, "0123456789.") == y->text.n;
	bool is_word = y->plain && (value_is_true(y->text) || value_is_false(y->text));
	return (names_a_secret(y->key) || (d && d->flags & CF_SECRET)) && !is_number && !is_word;
}

/* All of it: what a map of headers or credentials holds is secret where its own key says so. */
static void hide_secrets(struct work *w, const struct yaml *map, bool all, unsigned depth)
{
	for (const struct yaml *y = map->child; y && depth < CONFIG_DEPTH_MAX; y = y->next) {
		const struct directive *d = y->key.n ? directive_find("litellm_params", y->key)
						     : NULL;
		bool below = all || (d && d->flags & CF_SECRET) ||
			     same_key(y->key, STR("credential_values"));
		if (is_literal(y) && y->key.n && (all || is_secret(y)))
			hide(w, map, y);
		else if (y->kind == YAML_MAP || y->kind == YAML_LIST)
			hide_secrets(w, y, below && y->kind == YAML_MAP, depth + 1);
	}
}

/* ---- older spellings ---- */

static void rename_key(struct work *w, const struct yaml *map, const char *old, const char *new)
{
	const struct yaml *y = yaml_get(map, old);
	if (!y || yaml_get(map, new))
		return;
	splice(w, y->key_place.at, y->key_place.span ? y->key_place.span : y->key.n, str_z(new));
	convert_note(w->c, line_name(w, y, str_z(old)), "is called %s", new);
}

/* The whole line of a key and its value; .p NULL: something else stands on it. */
static struct str line_at(struct work *w, const struct yaml *y)
{
	size_t from = y->key_place.at, to = y->place.at + y->place.span;
	while (from > 0 && (w->text.p[from - 1] == ' '))
		from--;
	if ((from > 0 && w->text.p[from - 1] != '\n') || y->place.line != y->key_place.line)
		return STR_NONE;
	while (to < w->text.n && w->text.p[to] != '\n')
		to++;
	return str_of(w->text.p + from, to - from + (to < w->text.n));
}

/* rpm and tpm stood beside litellm_params once. */
static void move_into_params(struct work *w, const struct yaml *entry, const char *name)
{
	const struct yaml *y = yaml_get(entry, name), *params = yaml_get(entry, "litellm_params");
	const struct yaml *first = params && params->kind == YAML_MAP ? params->child : NULL;
	if (!y || y->kind != YAML_SCALAR || !first || yaml_get(params, name))
		return;
	struct str line = line_at(w, y);
	size_t indent = 0;
	while (indent < first->key_place.at && w->text.p[first->key_place.at - indent - 1] == ' ')
		indent++;
	char before = first->key_place.at > indent
			      ? w->text.p[first->key_place.at - indent - 1] : '\n';
	if (!line.p || before != '\n') {
		convert_note(w->c, line_name(w, y, str_z(name)), "belongs into litellm_params");
		return;
	}
	splice(w, (size_t)(line.p - w->text.p), line.n, STR(""));
	splice(w, first->key_place.at, 0,
	       arena_printf(w->c->mem, "%s: " STR_FMT "\n%*s", name, STR_ARG(y->text), (int)indent,
			    ""));
}

static void mend_spellings(struct work *w, const struct yaml *root)
{
	const struct yaml *list = yaml_get(root, "model_list");
	const struct yaml *settings = yaml_get(root, "litellm_settings");
	if (settings && settings->kind == YAML_MAP)
		rename_key(w, settings, "model_alias_map", "model_group_alias");
	for (const struct yaml *e = list && list->kind == YAML_LIST ? list->child : NULL; e;
	     e = e->next) {
		if (e->kind != YAML_MAP)
			continue;
		move_into_params(w, e, "rpm");
		move_into_params(w, e, "tpm");
	}
	if (yaml_get(root, "include"))
		convert_note(w->c, STR("include"), "its files are to be converted, too");
}

/* ---- the text ---- */

static int by_place(const void *a, const void *b)
{
	const struct splice *x = a, *y = b;
	return x->at != y->at ? (x->at < y->at ? -1 : 1) : 0;
}

static bool is_word_byte(char b)
{
	char l = b | 32;
	return (l >= 'a' && l <= 'z') || (b >= '0' && b <= '9') || b == '-' || b == '_';
}

/* A comment may hold what was a key once. */
static void put_line(struct work *w, struct buf *out, struct str line)
{
	size_t from = 0;
	while (from < line.n && !(line.p[from] == '#' && (!from || line.p[from - 1] == ' ')))
		from++;
	buf_put(out, str_of(line.p, from));
	for (size_t i = from; i < line.n;) {
		size_t n = 1;
		while (i + n < line.n && is_word_byte(line.p[i]) && is_word_byte(line.p[i + n]))
			n++;
		struct str word = str_of(line.p + i, n);
		buf_put(out, !w->c->with_secrets && looks_secret(word) ? STR("********") : word);
		i += n;
	}
	buf_put_char(out, '\n');
}

static void put_text(struct work *w, struct buf *out)
{
	struct buf all;
	size_t at = 0;
	buf_init(&all, 2 * CONVERT_TEXT_MAX);
	qsort(w->splices, w->n_splices, sizeof *w->splices, by_place);
	for (size_t i = 0; i < w->n_splices; i++) {
		const struct splice *s = &w->splices[i];
		if (s->at < at)
			continue;	/* what an alias stands for is there once */
		buf_put(&all, str_of(w->text.p + at, s->at - at));
		buf_put(&all, s->text);
		at = s->at + s->n;
	}
	buf_put(&all, str_skip(w->text, at));
	struct str rest = buf_str(&all);
	buf_put_char(out, '\n');
	while (rest.n)
		put_line(w, out, str_cut(&rest, '\n'));
	w->c->failed |= all.failed;
	if (all.p)
		mem_wipe(all.p, all.n);
	buf_done(&all);
}

/* What the gateway will say of it. */
static int note_complaints(struct convert *c, const char *path)
{
	const struct config_overrides over = { .quiet_warnings = false };
	struct config *read = NULL;
	int err = config_read(path, &over, &read);
	if (!read)
		return err;
	for (size_t i = 0; i < read->n_list; i++) {
		const struct config_complaint *e = &read->list[i];
		bool old = str_find(e->message, STR("model_alias_map")) < e->message.n ||
			   str_starts(e->message, STR("'rpm' is not known in an entry")) ||
			   str_starts(e->message, STR("'tpm' is not known in an entry"));
		bool of_here = e->code && (strncmp(e->code, "W004", 4) == 0 ||
					   strncmp(e->code, "W005", 4) == 0);
		struct str where = arena_printf(c->mem, "line %u", e->line);
		if (old || of_here || !where.p)
			continue;
		convert_note(c, e->line ? where : STR("all of it"), "%s" STR_FMT,
			     e->is_error ? "error: " : "", STR_ARG(e->message));
	}
	c->n_models = read->n_models;
	config_free(read);
	return err;
}

static int read_tree(struct work *w, const char *path, struct reader *r)
{
	struct config_file *file = config_file_new(r, str_z(path));
	if (!file)
		return -ENOMEM;
	file->text = w->text;
	const struct yaml *root = yaml_read(r, file);
	if (!root) {
		w->c->why = r->c->n_list ? arena_printf(w->c->mem, "line %u: " STR_FMT,
							r->c->list[0].line,
							STR_ARG(r->c->list[0].message))
					 : STR("it is no YAML");
		return r->out_of_memory ? -ENOMEM : -EINVAL;
	}
	mend_spellings(w, root);
	if (!w->c->with_secrets)
		hide_secrets(w, root, false, 0);
	if (!w->is_lost)
		return 0;
	w->c->why = arena_printf(w->c->mem, "line %u: a secret of several lines: put it into a "
				 "variable first, or say --with-secrets", w->lost_line);
	return -EINVAL;
}

int convert_litellm(struct convert *c, const char *path, struct str text, struct buf *out)
{
	static const struct config_overrides none;
	struct work w = { .c = c, .text = text };
	struct config *said = mem_alloc(sizeof *said);
	struct reader r = { .c = said, .over = &none, .scratch = arena_new(TREE_MEMORY) };
	int err = -ENOMEM;
	w.splices = arena_array(c->mem, SPLICES_MAX, sizeof *w.splices);
	if (said) {
		buf_init(&said->complaints, COMPLAINTS_ROOM);
		said->mem = arena_new(TREE_MEMORY);
	}
	if (said && said->mem && r.scratch && w.splices)
		err = read_tree(&w, path, &r);
	if (!err)
		err = note_complaints(c, path);
	if (!err)
		put_text(&w, out);
	arena_free(r.scratch);
	config_free(said);
	return err;
}
