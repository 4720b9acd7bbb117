/* SPDX-License-Identifier: MIT
 * gemini_schema.c - JSON Schema made into the part of OpenAPI's that Gemini knows.
 *
 * Gemini has no references, no alternatives but anyOf, one type a value and strings in enums. A
 * schema is first gathered into nodes, where references, allOf and lone alternatives flow into
 * the node that they stand in; then it is printed. Work is counted, since a few lines of
 * references can stand for a schema without end. */
#include <errno.h>

#include "worker/gemini_schema.h"

enum {
	LEVEL_MAX = 24,			/* of nested values: deeper ones are just objects */
	DEPTH_MAX = 128,		/* of references and alternatives on the way to a value */
	WORK_MAX = 1 << 18,
	STEPS = 16			/* along a list that are as much work as anything else */
};

struct word {				/* a required name, or a value of an enum as JSON */
	struct word *next;
	struct str text;
};
struct node {
	struct node *next;		/* among properties or alternatives */
	struct str name;		/* of a property */
	enum gemini_type type;
	bool nullable;
	struct str plain[GEM_PLAINS];
	const struct json *format, *ordering;
	struct word *values, *required;
	struct node *items, *properties, *any_of;
};
struct ref {				/* the references that led here */
	const struct ref *up;
	const struct json *target;
};
struct gathering {
	struct arena *mem;
	const struct json *root;
	size_t work;
	int err;			/* the first one stays */
};

/* --- gathering --- */

static bool spend(struct gathering *g, size_t work)
{
	g->work += work + 1;
	if (g->work > WORK_MAX && !g->err)
		g->err = -EINVAL;
	return !g->err;
}

static void *get_memory(struct gathering *g, size_t size)
{
	void *p = g->err ? NULL : arena_alloc(g->mem, size);
	if (!p && !g->err)
		g->err = -ENOMEM;
	return p;
}

static struct node *add_node(struct gathering *g, struct node **list)
{
	size_t steps = 0;
	for (; *list; list = &(*list)->next)
		steps++;
	struct node *n = spend(g, steps / STEPS) ? get_memory(g, sizeof *n) : NULL;
	if (n)
		*list = n;
	return n;
}

static void add_word(struct gathering *g, struct word **list, struct str text)
{
	size_t steps = 0;
	for (; *list; list = &(*list)->next, steps++)
		if (str_eq((*list)->text, text))
			break;
	struct word *w = spend(g, steps / STEPS) && !*list ? get_memory(g, sizeof *w) : NULL;
	if (!w)
		return;
	w->text = text;
	*list = w;
}

static void gather(struct gathering *g, struct node *n, const struct json *schema,
		   const struct ref *refs, unsigned depth, unsigned level);

/* One type beside null is the type; several are alternatives. */
static void gather_type(struct gathering *g, struct node *n, const struct json *list)
{
	enum gemini_type only = GEM_NONE;
	unsigned count = 0;
	if (list->type != JSON_ARRAY) {
		n->type = gemini_type_of(list);
		return;
	}
	for (const struct json *j = list->child; j; j = j->next) {
		enum gemini_type t = gemini_type_of(j);
		n->nullable = n->nullable || t == GEM_NULL;
		if (t == GEM_NONE || t == GEM_NULL)
			continue;
		only = t;
		count++;
	}
	if (count < 2) {
		n->type = count || !n->nullable ? only : GEM_NULL;
		return;
	}
	for (const struct json *j = list->child; j && spend(g, 0); j = j->next) {
		enum gemini_type t = gemini_type_of(j);
		struct node *one = t == GEM_NONE || t == GEM_NULL ? NULL : add_node(g, &n->any_of);
		if (one)
			one->type = t;
	}
}

/* Gemini takes strings only. A number becomes one; what is neither cannot be told. */
static void gather_value(struct gathering *g, struct node *n, const struct json *j)
{
	if (j->type == JSON_NULL)
		n->nullable = true;
	if (j->type == JSON_STRING && j->raw.n > 2)
		add_word(g, &n->values, j->raw);
	if (j->type != JSON_NUMBER)
		return;
	char *quoted = get_memory(g, j->raw.n + 2);
	if (!quoted)
		return;
	quoted[0] = quoted[j->raw.n + 1] = '"';
	memcpy(quoted + 1, j->raw.p, j->raw.n);
	add_word(g, &n->values, str_of(quoted, j->raw.n + 2));
}

static void gather_values(struct gathering *g, struct node *n, const struct json *list)
{
	if (n->values || !json_is(list, JSON_ARRAY))
		return;
	for (const struct json *j = list->child; j && spend(g, 0); j = j->next)
		gather_value(g, n, j);
}

static bool is_null(const struct json *branch)
{
	const struct json *type = json_get(branch, "type"), *values = json_get(branch, "enum");
	const struct json *value = json_get(branch, "const");
	if (json_is(type, JSON_ARRAY) && type->count == 1)
		type = type->child;
	if (json_is(values, JSON_ARRAY) && values->count == 1)
		value = values->child;
	return gemini_type_of(type) == GEM_NULL || (value && value->type == JSON_NULL);
}

/* A lone branch is no alternative. */
static void gather_branches(struct gathering *g, struct node *n, const struct json *list,
			    const struct ref *refs, unsigned depth, unsigned level)
{
	const struct json *only = NULL;
	unsigned count = 0;
	if (!json_is(list, JSON_ARRAY))
		return;
	for (const struct json *j = list->child; j; j = j->next) {
		bool is_nothing = is_null(j);
		n->nullable = n->nullable || is_nothing;
		only = is_nothing ? only : j;
		count += !is_nothing;
	}
	if (count == 1) {
		gather(g, n, only, refs, depth + 1, level);
		return;
	}
	for (const struct json *j = list->child; j && !g->err; j = j->next) {
		struct node *one = is_null(j) ? NULL : add_node(g, &n->any_of);
		if (one)
			gather(g, one, j, refs, depth + 1, level + 1);
	}
}

static void gather_all(struct gathering *g, struct node *n, const struct json *list,
		       const struct ref *refs, unsigned depth, unsigned level)
{
	if (!json_is(list, JSON_ARRAY))
		return;
	for (const struct json *j = list->child; j && !g->err; j = j->next)
		gather(g, n, j, refs, depth + 1, level);
}

static struct node *find_property(struct gathering *g, struct node *list, struct str name)
{
	size_t steps = 0;
	for (; list && !str_eq(list->name, name); list = list->next)
		steps++;
	spend(g, steps / STEPS);
	return list;
}

/* Names that came from elsewhere are looked for; within one list none comes twice. */
static void gather_properties(struct gathering *g, struct node *n, const struct json *list,
			      const struct ref *refs, unsigned depth, unsigned level)
{
	struct node *old = n->properties, **end = &n->properties;
	size_t steps = 0;
	if (!json_is(list, JSON_OBJECT))
		return;
	for (; *end; end = &(*end)->next)
		steps++;
	spend(g, steps / STEPS);
	for (const struct json *j = list->child; j && !g->err; j = j->next) {
		struct node *one = find_property(g, old, j->key);
		if (!one) {
			one = get_memory(g, sizeof *one);
			if (!one)
				return;
			one->name = j->key;
			*end = one;
			end = &one->next;
		}
		gather(g, one, j, refs, depth + 1, level + 1);
	}
}

/* A tuple has no word: its entries are the alternatives for all. */
static void gather_items(struct gathering *g, struct node *n, const struct json *items,
			 const struct ref *refs, unsigned depth, unsigned level)
{
	if (!n->items)
		n->items = get_memory(g, sizeof *n->items);
	if (!n->items)
		return;
	if (items->type == JSON_ARRAY)
		gather_branches(g, n->items, items, refs, depth + 1, level + 1);
	else
		gather(g, n->items, items, refs, depth + 1, level + 1);
}

static void gather_required(struct gathering *g, struct node *n, const struct json *list)
{
	if (!json_is(list, JSON_ARRAY))
		return;
	for (const struct json *j = list->child; j && spend(g, 0); j = j->next) {
		struct str name = json_str(g->mem, j);
		if (name.p)
			add_word(g, &n->required, name);
		else if (j->type == JSON_STRING)
			g->err = -ENOMEM;
	}
}

/* --- references --- */

static const struct json *step(struct gathering *g, const struct json *j, struct str name)
{
	uint64_t index;
	spend(g, j->count);
	if (j->type == JSON_ARRAY)
		return str_read_u64(name, &index) == 0 ? json_at(j, index) : NULL;
	for (j = j->type == JSON_OBJECT ? j->child : NULL; j; j = j->next)
		if (str_eq(j->key, name))
			return j;
	return NULL;
}

/* "~1" is a slash within a name, "~0" a tilde. */
static struct str unescape(struct gathering *g, struct str s)
{
	size_t n = 0;
	if (str_find_char(s, '~') == SIZE_MAX)
		return s;
	char *p = get_memory(g, s.n);
	for (size_t i = 0; p && i < s.n; i++) {
		bool is_escape = s.p[i] == '~' && i + 1 < s.n;
		i += is_escape;
		p[n++] = !is_escape ? s.p[i] : s.p[i] == '1' ? '/' : '~';
	}
	return str_of(p, n);
}

/* What "#/$defs/Name" points to, or NULL. Other documents are not looked at. */
static const struct json *resolve(struct gathering *g, const struct json *ref)
{
	const struct json *j = g->root;
	struct str rest = json_str(g->mem, ref);
	if (!rest.n || rest.p[0] != '#' || !spend(g, rest.n / STEPS))
		return NULL;
	rest = str_skip(rest, 1);
	if (!rest.n)
		return j;
	if (rest.p[0] != '/')
		return NULL;
	for (rest = str_skip(rest, 1); j && rest.p && !g->err;) {
		struct str name = str_cut(&rest, '/');
		j = step(g, j, unescape(g, name));
	}
	return j;
}

/* A reference to what it stands in is an object of any kind. */
static void gather_ref(struct gathering *g, struct node *n, const struct json *ref,
		       const struct ref *refs, unsigned depth, unsigned level)
{
	const struct json *target = resolve(g, ref);
	struct ref here = { .up = refs, .target = target };
	if (!target)
		return;
	for (const struct ref *r = refs; r; r = r->up) {
		if (r->target != target)
			continue;
		if (n->type == GEM_NONE)
			n->type = GEM_OBJECT;
		return;
	}
	gather(g, n, target, &here, depth + 1, level);
}

/* --- members --- */

static void gather_plain(struct node *n, const struct json *j)
{
	unsigned plain = gemini_plain_of(j->key);
	if (plain < GEM_PLAINS && !n->plain[plain].p)
		n->plain[plain] = gemini_plain_value(plain, j);
}

#define IS(j, name) str_eq((j)->key, STR(name))

static void gather_member(struct gathering *g, struct node *n, const struct json *j,
			  const struct ref *refs, unsigned depth, unsigned level)
{
	if (IS(j, "type") && !n->type)
		gather_type(g, n, j);
	else if (IS(j, "properties"))
		gather_properties(g, n, j, refs, depth, level);
	else if (IS(j, "required"))
		gather_required(g, n, j);
	else if (IS(j, "items") || gemini_is(j->key, "prefixItems"))
		gather_items(g, n, j, refs, depth, level);
	else if (gemini_is(j->key, "anyOf") || IS(j, "oneOf"))
		gather_branches(g, n, j, refs, depth, level);
	else if (IS(j, "allOf"))
		gather_all(g, n, j, refs, depth, level);
	else if (IS(j, "enum"))
		gather_values(g, n, j);
	else if (IS(j, "const") && !n->values)
		gather_value(g, n, j);
	else if (IS(j, "$ref"))
		gather_ref(g, n, j, refs, depth, level);
	else if (IS(j, "nullable"))
		n->nullable = n->nullable || json_is_true(j);
	else if (IS(j, "format"))
		n->format = n->format ? n->format : j;
	else if (gemini_is(j->key, "propertyOrdering"))
		n->ordering = n->ordering ? n->ordering : j;
	else
		gather_plain(n, j);
}

/* What may say again what a value says of itself, and then does not count. */
static bool flows_in(const struct json *j)
{
	return IS(j, "$ref") || IS(j, "allOf") || IS(j, "oneOf") || gemini_is(j->key, "anyOf");
}

static void gather(struct gathering *g, struct node *n, const struct json *schema,
		   const struct ref *refs, unsigned depth, unsigned level)
{
	if (!spend(g, schema->count) || schema->type != JSON_OBJECT)
		return;
	if (level > LEVEL_MAX || depth > DEPTH_MAX) {
		n->type = GEM_OBJECT;
		return;
	}
	for (const struct json *j = schema->child; j && !g->err; j = j->next)
		if (!flows_in(j))
			gather_member(g, n, j, refs, depth, level);
	for (const struct json *j = schema->child; j && !g->err; j = j->next)
		if (flows_in(j))
			gather_member(g, n, j, refs, depth, level);
}

/* --- printing --- */

/* What a value without a type must be. */
static enum gemini_type type_of(const struct node *n)
{
	if (n->values)
		return GEM_STRING;
	if (n->type)
		return n->type;
	return n->properties ? GEM_OBJECT : n->items ? GEM_ARRAY : GEM_STRING;
}

static bool is_format(struct str format, enum gemini_type t)
{
	static const struct {
		struct str raw;
		enum gemini_type type;
	} known[] = {
		{ STR("\"enum\""), GEM_STRING },	 { STR("\"date-time\""), GEM_STRING },
		{ STR("\"int32\""), GEM_INTEGER }, { STR("\"int64\""), GEM_INTEGER },
		{ STR("\"float\""), GEM_NUMBER },	 { STR("\"double\""), GEM_NUMBER },
	};
	for (size_t i = 0; i < COUNT(known); i++)
		if (known[i].type == t && str_eq(known[i].raw, format))
			return true;
	return false;
}

static void put_node(struct json_out *o, const char *key, const struct node *n);

static void put_required(struct json_out *o, const struct node *n)
{
	bool is_open = false;
	for (const struct word *w = n->required; w; w = w->next) {
		const struct node *p = n->properties;
		while (p && !str_eq(p->name, w->text))
			p = p->next;
		if (!p)
			continue;
		if (!is_open)
			json_open_array(o, "required");
		is_open = true;
		json_put_str(o, NULL, w->text);
	}
	if (is_open)
		json_close_array(o);
}

static bool has_property(const struct node *n, const struct json *name)
{
	for (const struct node *p = n->properties; p; p = p->next)
		if (json_is(name, JSON_STRING) && !name->escaped &&
		    str_eq(p->name, str_of(name->raw.p + 1, name->raw.n - 2)))
			return true;
	return false;
}

/* An order of names that are not there is a mistake, and no order is one, too. */
static void put_ordering(struct json_out *o, const struct node *n)
{
	if (!json_is(n->ordering, JSON_ARRAY))
		return;
	for (const struct json *j = n->ordering->child; j; j = j->next)
		if (!has_property(n, j))
			return;
	json_put_raw(o, "propertyOrdering", n->ordering->raw);
}

static void put_properties(struct json_out *o, const struct node *n)
{
	if (!n->properties)
		return;
	json_open(o, "properties");
	for (const struct node *p = n->properties; p; p = p->next) {
		json_key(o, p->name);
		put_node(o, NULL, p);
	}
	json_close(o);
	put_required(o, n);
	put_ordering(o, n);
}

static void put_kind(struct json_out *o, const struct node *n)
{
	enum gemini_type t = type_of(n);
	json_put_str(o, "type", gemini_types[t]);
	if (n->format && is_format(n->format->raw, t))
		json_put_raw(o, "format", n->format->raw);
	if (n->values) {
		json_open_array(o, "enum");
		for (const struct word *w = n->values; w; w = w->next)
			json_put_raw(o, NULL, w->text);
		json_close_array(o);
	}
	if (t == GEM_OBJECT)
		put_properties(o, n);
	if (t == GEM_ARRAY && n->items)
		put_node(o, "items", n->items);
	else if (t == GEM_ARRAY)
		json_put_raw(o, "items", STR("{\"type\":\"STRING\"}"));
}

static void put_any_of(struct json_out *o, const struct node *n)
{
	json_open_array(o, "anyOf");
	for (const struct node *one = n->any_of; one; one = one->next)
		put_node(o, NULL, one);
	json_close_array(o);
}

static void put_node(struct json_out *o, const char *key, const struct node *n)
{
	json_open(o, key);
	for (size_t i = 0; i < GEM_PLAINS; i++)
		if (n->plain[i].p && (!n->any_of || gemini_plains[i].beside_any_of))
			json_put_raw(o, gemini_plains[i].name, n->plain[i]);
	if (n->any_of)
		put_any_of(o, n);
	else
		put_kind(o, n);
	if (n->nullable)
		json_put_bool(o, "nullable", true);
	json_close(o);
}

/* Looking for names costs work, too: it is counted before it is done. */
static bool can_print(struct gathering *g, const struct node *n)
{
	size_t properties = 0, words = 0;
	for (const struct node *p = n->properties; p; p = p->next, properties++)
		if (!can_print(g, p))
			return false;
	for (const struct node *p = n->any_of; p; p = p->next)
		if (!can_print(g, p))
			return false;
	for (const struct word *w = n->required; w; w = w->next)
		words++;
	words += n->ordering ? n->ordering->count : 0;
	return spend(g, properties * words / STEPS) && (!n->items || can_print(g, n->items));
}

int gemini_write_schema(struct arena *a, struct str schema, struct buf *out)
{
	struct gathering g = { .mem = a };
	struct json_out o = json_out(out);
	struct node top = { 0 };
	int err = gemini_parse(a, schema, &g.root);
	if (err || !json_is(g.root, JSON_OBJECT))
		return err ? err : -EINVAL;
	gather(&g, &top, g.root, NULL, 0, 0);
	can_print(&g, &top);
	if (g.err)
		return g.err;
	if ((top.type == GEM_OBJECT || !top.type) && !top.properties && !top.any_of &&
	    !top.values && !top.items)
		return -ENOENT;
	put_node(&o, NULL, &top);
	return 0;
}
