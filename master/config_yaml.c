/* SPDX-License-Identifier: MIT
 * config_yaml.c - YAML text as a tree of our own, by libfyaml's events.
 *
 * Events and not documents, for three reasons: every node keeps its place for complaints; what
 * an alias stands for is counted, never copied, so that a file of a kilobyte cannot become a
 * gigabyte; and depth and number of values are ours to limit. An alias node shares its
 * anchor's children; nothing below a node changes once it is complete. */
#include <libfyaml.h>
#include <stdlib.h>

#include "master/config_read.h"

enum {
	ANCHORS_MAX = 1000,
	MERGE_WORK_MAX = 200000000,
	LINE_MAX_BYTES = 256 * 1024,
	DIRECTIVE_MAX = 64,
	PERCENTS_MAX = 1000
};

struct anchor {
	struct str name;
	struct yaml *node; /* NULL while it is still open */
	struct anchor *next;
};
struct level {
	struct yaml *node;
	struct anchor *anchor;
	bool has_key; /* in a map: the next value belongs to `key` */
	struct str key;
	struct place key_place;
};
struct builder {
	struct reader *r;
	const struct config_file *file;
	struct fy_parser *parser;
	struct level levels[CONFIG_DEPTH_MAX];
	unsigned depth, documents, n_anchors;
	uint64_t merge_work;
	struct anchor *anchors;
	struct yaml *root;
	bool stop;
};

const char *yaml_kind_name(const struct yaml *y)
{
	static const char *const names[] = {"nothing", "a single value", "a list", "a map"};

	return names[y->kind];
}

struct yaml *yaml_find(const struct yaml *map, struct str key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (struct yaml *y = map->child; y; y = y->next)
		if (same_key(y->key, key))
			return y;
	return NULL;
}

const struct yaml *yaml_get(const struct yaml *map, const char *key)
{
	return yaml_find(map, str_z(key));
}

void yaml_append(struct yaml *parent, struct yaml *child)
{
	if (parent->last)
		parent->last->next = child;
	else
		parent->child = child;
	parent->last = child;
	parent->count++;
	parent->size += child->size;
}

void yaml_replace(struct yaml *map, struct yaml *old, struct yaml *with)
{
	struct yaml **at = &map->child;

	while (*at != old)
		at = &(*at)->next;
	with->next = old->next;
	*at = with;
	if (map->last == old)
		map->last = with;
}

static void track_env(struct reader *r, struct yaml *y)
{
	if (y->kind != YAML_SCALAR || y->from_env || !str_starts(y->text, STR("os.environ/")))
		return;
	if (r->env_last)
		r->env_last->env_next = y;
	else
		r->env_first = y;
	r->env_last = y;
}

struct yaml *yaml_copy(struct reader *r, const struct yaml *y)
{
	struct yaml *copy = arena_alloc(r->scratch, sizeof *copy);

	if (!copy) {
		r->out_of_memory = true;
		return NULL;
	}
	*copy = *y;
	copy->next = NULL;
	copy->env_next = NULL;
	track_env(r, copy);
	return copy;
}

void yaml_resolve_one(struct reader *r, struct yaml *y)
{
	struct str name = str_skip(y->text, STR("os.environ/").n);

	if (y->from_env || y->kind != YAML_SCALAR || !str_starts(y->text, STR("os.environ/")))
		return;
	char *z = arena_dup_z(r->scratch, name);
	const char *value = z ? getenv(z) : NULL;
	r->out_of_memory |= !z;
	y->from_env = true;
	if (value) {
		y->text = arena_dup(r->scratch, str_z(value));
		r->out_of_memory |= !y->text.p;
		return;
	}
	complain(r, W_ENV_MISSING, &y->place,
		 "the environment variable " STR_FMT " is not set; this counts as null",
		 STR_ARG(shown(name)));
	y->kind = YAML_NULL;
	y->text = STR_NONE;
}

void yaml_resolve_env(struct reader *r)
{
	for (; r->env_first; r->env_first = r->env_first->env_next)
		yaml_resolve_one(r, r->env_first);
	r->env_last = NULL;
}

/* ---- building ---- */

static struct place place_of(const struct builder *b, struct fy_event *e)
{
	const struct fy_mark *from = fy_event_start_mark(e), *to = fy_event_end_mark(e);
	struct place p = {.file = b->file, .line = 1};

	if (!from)
		return p;
	p.at = (uint32_t)(from->input_pos < b->file->text.n ? from->input_pos : b->file->text.n);
	p.line = (uint32_t)from->line + 1;
	char before = p.at > 0 ? b->file->text.p[p.at - 1] : ' ';
	if (e->type == FYET_ALIAS && before == '*')
		p.at--;
	if (to && to->input_pos > from->input_pos && e->type == FYET_SCALAR)
		p.span = (uint32_t)(to->input_pos - from->input_pos);
	if (e->type == FYET_SCALAR && (before == '"' || before == '\'') &&
	    fy_token_scalar_style(e->scalar.value) != FYSS_PLAIN) {
		p.at--;
		p.span += 2;
	}
	return p;
}

static struct str token_text(struct builder *b, struct fy_token *t)
{
	size_t n = 0;
	const char *p = t ? fy_token_get_text(t, &n) : NULL;
	struct str s = arena_dup(b->r->scratch, str_of(p, p ? n : 0));

	b->r->out_of_memory |= !s.p;
	return s;
}

static bool is_null_word(struct str s)
{
	return s.n == 0 || str_eq(s, STR("~")) || str_eq(s, STR("null")) ||
	       str_eq(s, STR("Null")) || str_eq(s, STR("NULL"));
}

/* Only the tags of the core schema mean anything here; "!!str 5" is how YAML quotes. */
static void apply_tag(struct builder *b, struct yaml *y, struct fy_token *tag)
{
	static const char *const known[] = {"int", "float", "bool", "null", "map", "seq"};
	struct str prefix = STR("tag:yaml.org,2002:");
	struct str text;

	if (!tag)
		return;
	text = token_text(b, tag);
	if (str_starts(text, prefix)) {
		struct str name = str_skip(text, prefix.n);
		if (str_eq(name, STR("str")) && y->kind != YAML_LIST && y->kind != YAML_MAP) {
			y->kind = YAML_SCALAR;
			y->plain = false;
			return;
		}
		for (size_t i = 0; i < COUNT(known); i++)
			if (str_eq_z(name, known[i]))
				return;
	}
	complain(b->r, COMPLAINT_ERROR, &y->place, "the tag '" STR_FMT "' means nothing here",
		 STR_ARG(shown(text)));
}

static struct yaml *new_node(struct builder *b, enum yaml_kind kind, struct fy_event *e)
{
	struct yaml *y = arena_alloc(b->r->scratch, sizeof *y);

	if (!y) {
		b->r->out_of_memory = true;
		return NULL;
	}
	y->kind = kind;
	y->place = place_of(b, e);
	y->size = 1;
	return y;
}

static struct anchor *open_anchor(struct builder *b, struct fy_token *token)
{
	struct anchor *a;

	if (!token)
		return NULL;
	if (b->n_anchors++ == ANCHORS_MAX) {
		struct place at = {.file = b->file};
		complain(b->r, COMPLAINT_ERROR, &at, "more than %d anchors", ANCHORS_MAX);
		b->stop = true;
		return NULL;
	}
	a = arena_alloc(b->r->scratch, sizeof *a);
	if (!a) {
		b->r->out_of_memory = true;
		return NULL;
	}
	a->name = token_text(b, token);
	a->next = b->anchors;
	b->anchors = a;
	return a;
}

/* An alias becomes a node of its own that shares what its anchor holds. */
static struct yaml *follow_alias(struct builder *b, struct fy_event *e)
{
	struct str name = token_text(b, e->alias.anchor);
	struct place at = place_of(b, e);
	struct yaml *y;

	for (struct anchor *a = b->anchors; a; a = a->next) {
		if (!str_eq(a->name, name))
			continue;
		if (!a->node) {
			complain(b->r, COMPLAINT_ERROR, &at,
				 "the alias '" STR_FMT "' stands inside itself",
				 STR_ARG(shown(name)));
			return NULL;
		}
		y = yaml_copy(b->r, a->node);
		if (y)
			y->place = at;
		return y;
	}
	complain(b->r, COMPLAINT_ERROR, &at, "no anchor '&" STR_FMT "' stands before this alias",
		 STR_ARG(shown(name)));
	return NULL;
}

static int by_key(const void *a, const void *b)
{
	const struct yaml *x = *(const struct yaml *const *)a, *y = *(const struct yaml *const *)b;
	int order = str_cmp(x->key, y->key);

	return order ? order
		     : (x->key_place.at > y->key_place.at) - (x->key_place.at < y->key_place.at);
}

static void refuse_twins(struct builder *b, const struct yaml *map)
{
	const struct yaml **v = arena_array(b->r->scratch, map->count, sizeof(struct yaml *));
	size_t n = 0;

	if (!v) {
		b->r->out_of_memory = true;
		return;
	}
	for (const struct yaml *y = map->child; y; y = y->next)
		v[n++] = y;
	qsort(v, n, sizeof(struct yaml *), by_key);
	for (size_t i = 1; i < n; i++)
		if (str_eq(v[i]->key, v[i - 1]->key))
			complain(b->r, COMPLAINT_ERROR, &v[i]->key_place,
				 "duplicate key '" STR_FMT "' (the first one is in line %u)",
				 STR_ARG(shown(v[i]->key)), v[i - 1]->key_place.line);
}

static void merge_map(struct builder *b, struct yaml *map, const struct yaml *from)
{
	if (from->kind != YAML_MAP) {
		complain(b->r, COMPLAINT_ERROR, &from->place, "'<<' wants a map, not %s",
			 yaml_kind_name(from));
		return;
	}
	b->merge_work += (uint64_t)from->count * (map->count + from->count);
	if (b->merge_work > MERGE_WORK_MAX) {
		complain(b->r, COMPLAINT_ERROR, &map->place, "'<<' merges too much");
		b->stop = true;
		return;
	}
	for (const struct yaml *y = from->child; y; y = y->next) {
		bool has = false;
		for (const struct yaml *m = map->child; m && !has; m = m->next)
			has = str_eq(m->key, y->key);
		struct yaml *copy = has ? NULL : yaml_copy(b->r, y);
		if (copy)
			yaml_append(map, copy);
	}
}

/* "<<: *defaults": what the other map holds and this one does not. */
static void merge_keys(struct builder *b, struct yaml *map)
{
	struct yaml *before = NULL, *y = map->child;

	while (y && !str_eq(y->key, STR("<<"))) {
		before = y;
		y = y->next;
	}
	if (!y)
		return;
	if (before)
		before->next = y->next;
	else
		map->child = y->next;
	if (map->last == y)
		map->last = before;
	map->count--;
	if (y->kind != YAML_LIST)
		merge_map(b, map, y);
	else
		for (const struct yaml *one = y->child; one && !b->stop; one = one->next)
			merge_map(b, map, one);
}

static void count_values(struct builder *b, const struct yaml *y)
{
	if (y->size <= CONFIG_VALUES_MAX - b->r->n_values) {
		b->r->n_values += y->size;
		return;
	}
	complain(b->r, COMPLAINT_ERROR, &y->place, "this file stands for more than %d values",
		 CONFIG_VALUES_MAX);
	b->stop = true;
}

/* Puts a value where it belongs: into the list or map that is open, or at the root. */
static void place_value(struct builder *b, struct yaml *y)
{
	struct level *l = b->depth ? &b->levels[b->depth - 1] : NULL;

	if (!l) {
		b->root = y;
		return;
	}
	if (l->node->kind == YAML_LIST) {
		yaml_append(l->node, y);
		return;
	}
	MUST(l->has_key);
	y->key = l->key;
	y->key_place = l->key_place;
	l->has_key = false;
	yaml_append(l->node, y);
}

static bool wants_key(const struct builder *b)
{
	const struct level *l = b->depth ? &b->levels[b->depth - 1] : NULL;

	return l && l->node->kind == YAML_MAP && !l->has_key;
}

static void take_key(struct builder *b, const struct yaml *y)
{
	struct level *l = &b->levels[b->depth - 1];

	if (y->kind == YAML_LIST || y->kind == YAML_MAP)
		complain(b->r, COMPLAINT_ERROR, &y->place, "a key must be a word, not %s",
			 yaml_kind_name(y));
	l->key = y->text.p ? y->text : STR("");
	l->key_place = y->place;
	l->has_key = true;
}

static void take_scalar(struct builder *b, struct fy_event *e)
{
	struct yaml *y = new_node(b, YAML_SCALAR, e);
	struct anchor *a = open_anchor(b, e->scalar.anchor);

	if (!y)
		return;
	y->text = token_text(b, e->scalar.value);
	y->plain = fy_token_scalar_style(e->scalar.value) == FYSS_PLAIN;
	if (y->plain && is_null_word(y->text))
		y->kind = YAML_NULL;
	apply_tag(b, y, e->scalar.tag);
	if (a)
		a->node = y;
	if (wants_key(b)) {
		take_key(b, y);
		return;
	}
	track_env(b->r, y);
	count_values(b, y);
	place_value(b, y);
}

static void take_alias(struct builder *b, struct fy_event *e)
{
	struct yaml *y = follow_alias(b, e);

	if (!y)
		b->stop = true;
	else if (wants_key(b))
		take_key(b, y);
	else {
		count_values(b, y);
		place_value(b, y);
	}
}

static void take_start(struct builder *b, struct fy_event *e, bool is_map)
{
	struct yaml *y = new_node(b, is_map ? YAML_MAP : YAML_LIST, e);

	if (!y)
		return;
	if (wants_key(b)) {
		take_key(b, y);
		b->stop = true;
		return;
	}
	if (b->depth == CONFIG_DEPTH_MAX) {
		complain(b->r, COMPLAINT_ERROR, &y->place, "nested deeper than %d levels",
			 CONFIG_DEPTH_MAX);
		b->stop = true;
		return;
	}
	apply_tag(b, y, is_map ? e->mapping_start.tag : e->sequence_start.tag);
	b->levels[b->depth++] =
		(struct level){.node = y,
			       .anchor = open_anchor(b, is_map ? e->mapping_start.anchor
							       : e->sequence_start.anchor)};
}

static void take_end(struct builder *b)
{
	MUST(b->depth > 0);
	struct level *l = &b->levels[--b->depth];

	if (l->node->kind == YAML_MAP) {
		refuse_twins(b, l->node);
		merge_keys(b, l->node);
	}
	if (l->anchor)
		l->anchor->node = l->node;
	if (b->r->n_values++ >= CONFIG_VALUES_MAX)
		b->stop = true;
	place_value(b, l->node);
}

static void take_event(struct builder *b, struct fy_event *e)
{
	struct place at;

	switch (e->type) {
	case FYET_DOCUMENT_START:
		if (++b->documents < 2)
			break;
		at = place_of(b, e);
		complain(b->r, COMPLAINT_ERROR, &at,
			 "a second document begins here; only one is read");
		b->stop = true;
		break;
	case FYET_SCALAR:
		take_scalar(b, e);
		break;
	case FYET_ALIAS:
		take_alias(b, e);
		break;
	case FYET_MAPPING_START:
	case FYET_SEQUENCE_START:
		take_start(b, e, e->type == FYET_MAPPING_START);
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		take_end(b);
		break;
	default:
		break;
	}
}

/* What libfyaml found wrong, in our words' form; the first one, the rest follows from it. */
static void tell_syntax(struct builder *b, struct fy_diag *diag)
{
	void *iter = NULL;
	const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iter);
	struct place at = {.file = b->file, .line = 1};
	struct str text = b->file->text;

	if (!e || e->line <= 0) {
		complain(b->r, COMPLAINT_ERROR, &at, "this is not YAML%s%s", e ? ": " : "",
			 e && e->msg ? e->msg : "");
		return;
	}
	at.line = (uint32_t)e->line;
	for (int line = 1; line < e->line && at.at < text.n; at.at++)
		line += text.p[at.at] == '\n';
	for (int column = 1; column < e->column && at.at < text.n && text.p[at.at] != '\n'; at.at++)
		column += (text.p[at.at] & 0xc0) != 0x80;
	complain(b->r, COMPLAINT_ERROR, &at, "%s", e->msg ? e->msg : "this is not YAML");
}

static void run_parser(struct builder *b, struct fy_diag *diag)
{
	struct fy_event *e;

	while (!b->stop && !b->r->out_of_memory && (e = fy_parser_parse(b->parser))) {
		bool at_end = e->type == FYET_STREAM_END;
		take_event(b, e);
		fy_parser_event_free(b->parser, e);
		if (at_end)
			return;
	}
	if (!b->stop && !b->r->out_of_memory) {
		tell_syntax(b, diag);
		b->stop = true;
	}
}

/* What libfyaml does not bound itself: it keeps some 350 bytes for each bracket of a line until
 * the line's end is seen, and takes time that grows with the square of what stands behind a '%'
 * (a directive, an escape in a tag). Nobody needs such lines. */
static const char *line_problem(struct str line, size_t *percents)
{
	for (size_t i = str_find_char(line, '!'); i < line.n; i++)
		*percents += line.p[i] == '%';
	if (line.n > LINE_MAX_BYTES)
		return "a line of more than 256 KiB";
	if (line.n > DIRECTIVE_MAX && line.p[0] == '%')
		return "a directive of more than 64 bytes";
	return *percents > PERCENTS_MAX ? "too many escapes in tags" : NULL;
}

static bool lines_are_sound(struct reader *r, const struct config_file *file)
{
	struct place at = { .file = file };
	struct str rest = file->text;
	size_t percents = 0;

	while (rest.n > 0) {
		struct str line = str_cut(&rest, '\n');
		const char *problem = line_problem(line, &percents);
		at.line++;
		at.at = (uint32_t)(line.p - file->text.p);
		if (problem) {
			complain(r, COMPLAINT_ERROR, &at, "%s", problem);
			return false;
		}
	}
	return true;
}

static bool text_is_sound(struct reader *r, const struct config_file *file)
{
	struct place at = {.file = file, .line = 1};
	struct str text = file->text;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		at.at = (uint32_t)i;
		if (c == '\n')
			at.line++;
		if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) {
			complain(r, COMPLAINT_ERROR, &at, "a control character (0x%02x)", c);
			return false;
		}
	}
	if (str_is_utf8(text))
		return true;
	for (at.line = 1; str_is_utf8(str_cut(&text, '\n')); at.line++)
		at.at = (uint32_t)(text.p - file->text.p);
	complain(r, COMPLAINT_ERROR, &at, "this line is not valid UTF-8");
	return false;
}

static struct yaml *empty_map(struct reader *r, const struct config_file *file)
{
	struct yaml *y = arena_alloc(r->scratch, sizeof *y);

	if (!y) {
		r->out_of_memory = true;
		return NULL;
	}
	y->kind = YAML_MAP;
	y->place = (struct place){.file = file};
	y->size = 1;
	return y;
}

struct yaml *yaml_read(struct reader *r, const struct config_file *file)
{
	const struct fy_diag_cfg quiet = {.level = FYET_ERROR, .module_mask = ~0U};
	struct fy_parse_cfg cfg = {.flags = FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE};
	struct builder *b = arena_alloc(r->scratch, sizeof *b);
	struct fy_diag *diag;

	if (!b || !text_is_sound(r, file) || !lines_are_sound(r, file)) {
		r->out_of_memory |= !b;
		return NULL;
	}
	diag = fy_diag_create(&quiet);
	if (diag)
		fy_diag_set_collect_errors(diag, true);
	cfg.diag = diag;
	*b = (struct builder){.r = r, .file = file, .parser = diag ? fy_parser_create(&cfg) : NULL};
	if (b->parser && fy_parser_set_string(b->parser, file->text.p, file->text.n) == 0)
		run_parser(b, diag);
	else
		r->out_of_memory = true;
	fy_parser_destroy(b->parser);
	fy_diag_destroy(diag);
	if (b->stop || r->out_of_memory)
		return NULL;
	if (!b->root || b->root->kind == YAML_NULL)
		return empty_map(r, file);
	return b->root;
}
