/* SPDX-License-Identifier: MIT
 * schema.c - is it a JSON Schema? By table: each word, and what may stand behind it. */
#include "worker/schema.h"

#include <errno.h>

#include "worker/schema_private.h"

enum { REFERENCES_COST_MAX = 4000000 };

int schema_fault(struct arena *a, const struct schema_place *at, const char *what,
		 struct schema_fault *ret)
{
	const struct schema_place *path[SCHEMA_DEPTH_MAX * 2 + 4];
	struct buf b;
	size_t n = 0;
	for (; at && n < COUNT(path); at = at->up)
		path[n++] = at;
	buf_init(&b, 4096);
	while (n--)
		if (path[n]->name.p) {
			if (b.n)
				buf_put_char(&b, '.');
			buf_put(&b, path[n]->name);
		} else {
			buf_printf(&b, "[%zu]", path[n]->index);
		}
	ret->at = b.failed ? STR("") : arena_dup(a, buf_str(&b));
	if (!ret->at.p)
		ret->at = STR("");
	ret->what = str_z(what);
	buf_done(&b);
	return -EINVAL;
}

static bool is_boolean(const struct json *schema)
{
	return schema->type == JSON_TRUE || schema->type == JSON_FALSE;
}

/* One step of a pointer: "~1" is a slash, "~0" a tilde. */
static bool is_step(struct str step, struct str key)
{
	size_t k = 0;
	for (size_t i = 0; i < step.n; i++, k++) {
		char c = step.p[i];
		if (c == '~' && i + 1 < step.n && (step.p[i + 1] == '0' || step.p[i + 1] == '1'))
			c = step.p[++i] == '0' ? '~' : '/';
		if (k >= key.n || key.p[k] != c)
			return false;
	}
	return k == key.n;
}

static const struct json *step_into(const struct json *at, struct str step, size_t *cost)
{
	uint64_t index;
	*cost += 1 + at->count;
	if (at->type == JSON_ARRAY)
		return str_read_u64(step, &index) == 0 ? json_at(at, index) : NULL;
	for (const struct json *j = at->type == JSON_OBJECT ? at->child : NULL; j; j = j->next)
		if (is_step(step, j->key))
			return j;
	return NULL;
}

const struct json *schema_follow(struct arena *a, const struct json *root, const struct json *ref,
				 size_t *cost)
{
	struct str way = json_str(a, ref);
	if (!way.n || way.p[0] != '#')
		return NULL;
	way = str_skip(way, 1);
	if (!way.n)
		return root;
	if (way.p[0] != '/')
		return NULL;
	way = str_skip(way, 1);
	for (const struct json *at = root; at;) {
		at = step_into(at, str_cut(&way, '/'), cost);
		if (!way.p)
			return at;
	}
	return NULL;
}

/* ---- words -------------------------------------------------------------------------------- */

enum kind {
	K_TYPE, K_SCHEMA, K_SCHEMAS, K_MAP, K_ITEMS, K_NAMES, K_COUNT, K_NUMBER, K_BOUND, K_LIST,
	K_BOOL, K_TEXT, K_REF
};

static const struct word {
	const char *name;
	enum kind kind;
} words[] = {
	{ "$defs", K_MAP },
	{ "$ref", K_REF },
	{ "additionalProperties", K_SCHEMA },
	{ "allOf", K_SCHEMAS },
	{ "anyOf", K_SCHEMAS },
	{ "contains", K_SCHEMA },
	{ "definitions", K_MAP },
	{ "description", K_TEXT },
	{ "else", K_SCHEMA },
	{ "enum", K_LIST },
	{ "exclusiveMaximum", K_BOUND },
	{ "exclusiveMinimum", K_BOUND },
	{ "format", K_TEXT },
	{ "if", K_SCHEMA },
	{ "items", K_ITEMS },
	{ "maxItems", K_COUNT },
	{ "maxLength", K_COUNT },
	{ "maxProperties", K_COUNT },
	{ "maximum", K_NUMBER },
	{ "minItems", K_COUNT },
	{ "minLength", K_COUNT },
	{ "minProperties", K_COUNT },
	{ "minimum", K_NUMBER },
	{ "multipleOf", K_NUMBER },
	{ "not", K_SCHEMA },
	{ "nullable", K_BOOL },
	{ "oneOf", K_SCHEMAS },
	{ "pattern", K_TEXT },
	{ "patternProperties", K_MAP },
	{ "prefixItems", K_SCHEMAS },
	{ "properties", K_MAP },
	{ "propertyNames", K_SCHEMA },
	{ "required", K_NAMES },
	{ "then", K_SCHEMA },
	{ "title", K_TEXT },
	{ "type", K_TYPE },
	{ "uniqueItems", K_BOOL },
};

struct checking {
	struct arena *mem;
	const struct json *root;
	struct schema_fault *ret;
	size_t cost;			/* of following references */
};

static int check(struct checking *c, const struct json *schema, const struct schema_place *at,
		 unsigned depth);

static bool is_type(const struct json *j)
{
	static const char *const types[] = { "null", "boolean", "object", "array",
					     "number", "string", "integer" };
	struct str s = str_of(j->raw.p + 1, j->raw.n - 2);
	for (size_t i = 0; j->type == JSON_STRING && i < COUNT(types); i++)
		if (str_eq_z(s, types[i]))
			return true;
	return false;
}

static const char *type_problem(const struct json *j)
{
	static const char what[] = "must be null, boolean, object, array, number, string or integer, "
				   "or a list of them";
	if (j->type != JSON_ARRAY)
		return is_type(j) ? NULL : what;
	for (const struct json *one = j->child; one; one = one->next)
		if (!is_type(one))
			return what;
	return j->count ? NULL : what;
}

static const char *names_problem(const struct json *j)
{
	if (j->type != JSON_ARRAY)
		return "must be an array of strings";
	for (const struct json *one = j->child; one; one = one->next)
		if (one->type != JSON_STRING)
			return "must be an array of strings";
	return NULL;
}

static const char *count_problem(const struct json *j)
{
	int64_t v;
	return json_read_i64(j, &v) == 0 && v >= 0 ? NULL : "must be a whole number, 0 or more";
}

/* Words whose values hold no schemas. NULL: well. */
static const char *plain_problem(struct checking *c, enum kind kind, const struct json *j)
{
	switch (kind) {
	case K_TYPE:
		return type_problem(j);
	case K_NAMES:
		return names_problem(j);
	case K_COUNT:
		return count_problem(j);
	case K_NUMBER:
		return j->type == JSON_NUMBER ? NULL : "must be a number";
	case K_BOUND:
		return j->type == JSON_NUMBER || is_boolean(j) ? NULL : "must be a number";
	case K_LIST:
		return j->type == JSON_ARRAY ? NULL : "must be an array";
	case K_BOOL:
		return is_boolean(j) ? NULL : "must be true or false";
	case K_TEXT:
		return j->type == JSON_STRING ? NULL : "must be a string";
	case K_REF:
		if (c->cost > REFERENCES_COST_MAX)
			return "is one reference too many";
		return schema_follow(c->mem, c->root, j, &c->cost)
			       ? NULL
			       : "must lead to a part of this schema (#/$defs/name)";
	default:
		return NULL;
	}
}

static int check_all(struct checking *c, const struct json *j, enum json_type type,
		     const struct schema_place *at, unsigned depth)
{
	struct schema_place in = { .up = at };
	if (j->type != type)
		return schema_fault(c->mem, at, type == JSON_ARRAY ? "must be an array of schemas"
								   : "must be an object of schemas",
				    c->ret);
	for (const struct json *one = j->child; one; one = one->next, in.index++) {
		in.name = one->key;
		int err = check(c, one, &in, depth);
		if (err)
			return err;
	}
	return 0;
}

static int check_word(struct checking *c, enum kind kind, const struct json *j,
		      const struct schema_place *at, unsigned depth)
{
	if (kind == K_SCHEMA || (kind == K_ITEMS && j->type != JSON_ARRAY))
		return check(c, j, at, depth);
	if (kind == K_SCHEMAS || kind == K_ITEMS)
		return check_all(c, j, JSON_ARRAY, at, depth);
	if (kind == K_MAP)
		return check_all(c, j, JSON_OBJECT, at, depth);
	const char *what = plain_problem(c, kind, j);
	return what ? schema_fault(c->mem, at, what, c->ret) : 0;
}

static const struct word *find_word(struct str name)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq_z(name, words[i].name))
			return &words[i];
	return NULL;
}

static int check(struct checking *c, const struct json *schema, const struct schema_place *at,
		 unsigned depth)
{
	if (depth > SCHEMA_DEPTH_MAX)
		return schema_fault(c->mem, at, "is nested too deeply", c->ret);
	if (is_boolean(schema))
		return 0;
	if (schema->type != JSON_OBJECT)
		return schema_fault(c->mem, at, "must be a schema: an object, true or false", c->ret);
	for (const struct json *j = schema->child; j; j = j->next) {
		const struct word *w = j->type == JSON_NULL ? NULL : find_word(j->key);
		struct schema_place in = { .up = at, .name = j->key };
		int err = w ? check_word(c, w->kind, j, &in, depth + 1) : 0;
		if (err)
			return err;
	}
	return 0;
}

int schema_check(struct arena *a, const struct json *schema, struct schema_fault *ret)
{
	struct checking c = { .mem = a, .root = schema, .ret = ret };
	return check(&c, schema, NULL, 0);
}
