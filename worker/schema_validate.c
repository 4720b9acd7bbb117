/* SPDX-License-Identifier: MIT
 * schema_validate.c - does a value fit a JSON Schema?
 *
 * The schema need not be one: a word of the wrong type says nothing. Each look at a value costs
 * a unit of work; references that go in circles end where that is used up. */
#include <errno.h>
#include <math.h>

#include "worker/schema_private.h"

enum { WORK_MAX = 200000 };

struct validating {
	struct arena *mem;
	const struct json *root;
	struct schema_fault *ret;
	unsigned work;			/* what is left */
	bool is_trial;			/* faults are not told: nobody would read them */
};

static int fits(struct validating *v, const struct json *schema, const struct json *value,
		const struct schema_place *at, unsigned depth);

static int fault(struct validating *v, const struct schema_place *at, const char *what)
{
	return v->is_trial ? -EINVAL : schema_fault(v->mem, at, what, v->ret);
}

static bool spend(struct validating *v, unsigned n)
{
	bool is_enough = v->work >= n;
	v->work = is_enough ? v->work - n : 0;
	return is_enough;
}

/* ---- equality ------------------------------------------------------------------------------ */

static bool is_equal(struct validating *v, const struct json *a, const struct json *b)
{
	double x, y;
	if (!spend(v, 1 + (unsigned)(a->raw.n / 64)))
		return false;
	if (a->type != b->type || a->count != b->count)
		return false;
	switch (a->type) {
	case JSON_NUMBER:
		return str_eq(a->raw, b->raw) ||
		       (json_read_double(a, &x) == 0 && json_read_double(b, &y) == 0 && !(x < y) &&
			!(x > y));
	case JSON_STRING:
		return str_eq(a->raw, b->raw) || ((a->escaped || b->escaped) &&
						  str_eq(json_str(v->mem, a), json_str(v->mem, b)));
	case JSON_ARRAY:
		for (const struct json *i = a->child, *j = b->child; i; i = i->next, j = j->next)
			if (!is_equal(v, i, j))
				return false;
		return true;
	case JSON_OBJECT:
		for (const struct json *i = a->child; i; i = i->next) {
			const struct json *j = spend(v, b->count) ? json_member(b, i->key) : NULL;
			if (!j || !is_equal(v, i, j))
				return false;
		}
		return true;
	default:
		return true;
	}
}

/* ---- type and values ----------------------------------------------------------------------- */

static bool is_of_type(const struct json *value, const struct json *name)
{
	static const char *const names[] = {
		[JSON_NULL] = "null", [JSON_FALSE] = "boolean", [JSON_TRUE] = "boolean",
		[JSON_NUMBER] = "number", [JSON_STRING] = "string", [JSON_ARRAY] = "array",
		[JSON_OBJECT] = "object",
	};
	double d;
	if (name->type != JSON_STRING)
		return true;
	struct str s = str_of(name->raw.p + 1, name->raw.n - 2);
	if (str_eq(s, STR("integer")))
		return value->type == JSON_NUMBER && json_read_double(value, &d) == 0 &&
		       !(d < floor(d)) && !(d > floor(d));
	return str_eq_z(s, names[value->type]);
}

static int check_type(struct validating *v, const struct json *schema, const struct json *value,
		      const struct schema_place *at)
{
	static const char *const wanted[] = { "null", "boolean", "object", "array", "number",
					      "string", "integer" };
	static const char *const what[] = { "must be null", "must be true or false",
					    "must be an object", "must be an array",
					    "must be a number", "must be a string",
					    "must be a whole number" };
	const struct json *type = json_get(schema, "type");
	if (!type || (value->type == JSON_NULL && json_is_true(json_get(schema, "nullable"))))
		return 0;
	if (type->type == JSON_ARRAY) {
		for (const struct json *j = type->child; j; j = j->next)
			if (is_of_type(value, j))
				return 0;
		return fault(v, at, "is of none of the types allowed");
	}
	if (is_of_type(value, type))
		return 0;
	for (size_t i = 0; i < COUNT(wanted); i++)
		if (str_eq_z(str_of(type->raw.p + 1, type->raw.n - 2), wanted[i]))
			return fault(v, at, what[i]);
	return fault(v, at, "is of the wrong type");
}

static int check_values(struct validating *v, const struct json *schema, const struct json *value,
			const struct schema_place *at)
{
	const struct json *list = json_get(schema, "enum"), *one = json_get(schema, "const");
	if (one && !is_equal(v, one, value))
		return fault(v, at, "is not the constant wanted");
	if (!json_is(list, JSON_ARRAY))
		return 0;
	for (const struct json *j = list->child; j; j = j->next)
		if (is_equal(v, j, value))
			return 0;
	return fault(v, at, "is none of the values allowed");
}

/* ---- numbers and strings -------------------------------------------------------------------- */

static int check_number(struct validating *v, const struct json *schema, const struct json *value,
			const struct schema_place *at)
{
	const struct json *below = json_get(schema, "exclusiveMinimum"),
			  *above = json_get(schema, "exclusiveMaximum");
	double n, limit;
	if (json_read_double(value, &n) != 0)
		return 0;			/* beyond a double: nothing is known */
	if (json_read_double(json_get(schema, "minimum"), &limit) == 0 &&
	    (n < limit || (json_is_true(below) && n <= limit)))
		return fault(v, at, "is too small");
	if (json_read_double(json_get(schema, "maximum"), &limit) == 0 &&
	    (n > limit || (json_is_true(above) && n >= limit)))
		return fault(v, at, "is too large");
	if (json_read_double(below, &limit) == 0 && n <= limit)
		return fault(v, at, "is too small");
	if (json_read_double(above, &limit) == 0 && n >= limit)
		return fault(v, at, "is too large");
	if (json_read_double(json_get(schema, "multipleOf"), &limit) == 0 && limit > 0) {
		double times = n / limit;	/* 0.3 is a multiple of 0.1, whatever binary says */
		if (fabs(times - round(times)) > 1e-9 * fmax(1, fabs(times)))
			return fault(v, at, "is not a multiple of what is wanted");
	}
	return 0;
}

static uint64_t limit_of(const struct json *schema, const char *name, uint64_t other)
{
	int64_t n;
	return json_read_i64(json_get(schema, name), &n) == 0 && n >= 0 ? (uint64_t)n : other;
}

static int check_count(struct validating *v, const struct json *schema, uint64_t n,
		       const char *least, const char *most, const struct schema_place *at)
{
	if (n < limit_of(schema, least, 0))
		return fault(v, at, "is too short");
	return n > limit_of(schema, most, UINT64_MAX) ? fault(v, at, "is too long") : 0;
}

static int check_string(struct validating *v, const struct json *schema, const struct json *value,
			const struct schema_place *at)
{
	uint64_t n = 0;
	if (!json_get(schema, "minLength") && !json_get(schema, "maxLength"))
		return 0;
	if (!spend(v, 1 + (unsigned)(value->raw.n / 64)))
		return -ELOOP;
	struct str s = json_str(v->mem, value);
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;	/* characters, not bytes */
	return s.p ? check_count(v, schema, n, "minLength", "maxLength", at) : -ENOMEM;
}

/* ---- objects and arrays --------------------------------------------------------------------- */

static int check_required(struct validating *v, const struct json *schema,
			  const struct json *value, const struct schema_place *at)
{
	const struct json *names = json_get(schema, "required");
	const struct json *j = json_is(names, JSON_ARRAY) ? names->child : NULL;
	for (; j; j = j->next) {
		struct schema_place in = { .up = at, .name = json_str(v->mem, j) };
		if (j->type != JSON_STRING)
			continue;
		if (!in.name.p)
			return -ENOMEM;
		if (!spend(v, 1 + value->count))
			return -ELOOP;
		if (!json_member(value, in.name))
			return fault(v, &in, "is missing");
	}
	return 0;
}

static int check_object(struct validating *v, const struct json *schema, const struct json *value,
			const struct schema_place *at, unsigned depth)
{
	const struct json *known = json_get(schema, "properties"),
			  *others = json_get(schema, "additionalProperties");
	bool has_patterns = json_get(schema, "patternProperties") != NULL;
	int err = check_required(v, schema, value, at);
	if (!err)
		err = check_count(v, schema, value->count, "minProperties", "maxProperties", at);
	for (const struct json *j = value->child; j && !err; j = j->next) {
		struct schema_place in = { .up = at, .name = j->key };
		const struct json *own = json_member(known, j->key);
		if (!spend(v, 1 + (known ? known->count : 0)))
			return -ELOOP;
		if (own)
			err = fits(v, own, j, &in, depth);
		else if (json_is(others, JSON_FALSE) && !has_patterns)
			err = fault(v, &in, "is not among the properties allowed");
		else if (json_is(others, JSON_OBJECT) && !has_patterns)
			err = fits(v, others, j, &in, depth);
	}
	return err;
}

static int check_unique(struct validating *v, const struct json *value,
			const struct schema_place *at)
{
	for (const struct json *a = value->child; a; a = a->next)
		for (const struct json *b = a->next; b && v->work; b = b->next)
			if (is_equal(v, a, b))
				return fault(v, at, "holds the same twice");
	return v->work ? 0 : -ELOOP;
}

static int check_contains(struct validating *v, const struct json *wanted,
			  const struct json *value, const struct schema_place *at, unsigned depth)
{
	bool was_trial = v->is_trial;
	int err = -EINVAL;
	v->is_trial = true;
	for (const struct json *j = value->child; j && err == -EINVAL; j = j->next)
		err = fits(v, wanted, j, NULL, depth);
	v->is_trial = was_trial;
	return err == -EINVAL ? fault(v, at, "holds nothing of what it must contain") : err;
}

static int check_array(struct validating *v, const struct json *schema, const struct json *value,
		       const struct schema_place *at, unsigned depth)
{
	const struct json *items = json_get(schema, "items"),
			  *first = json_get(schema, "prefixItems"),
			  *some = json_get(schema, "contains");
	struct schema_place in = { .up = at };
	if (json_is(items, JSON_ARRAY)) {	/* the older way to say prefixItems */
		first = items;
		items = json_get(schema, "additionalItems");
	}
	const struct json *own = json_is(first, JSON_ARRAY) ? first->child : NULL;
	int err = check_count(v, schema, value->count, "minItems", "maxItems", at);
	for (const struct json *j = value->child; j && !err; j = j->next, in.index++) {
		const struct json *how = own ? own : items;
		if (how)
			err = fits(v, how, j, &in, depth);
		own = own ? own->next : NULL;
	}
	if (!err && some)
		err = check_contains(v, some, value, at, depth);
	if (!err && json_is_true(json_get(schema, "uniqueItems")))
		err = check_unique(v, value, at);
	return err;
}

/* ---- several schemas ------------------------------------------------------------------------- */

/* How many of a list fit, counted no further than two; or -ELOOP, -ENOMEM. */
static int count_fitting(struct validating *v, const struct json *list, const struct json *value,
			 unsigned depth)
{
	bool was_trial = v->is_trial;
	int n = 0, err = 0;
	v->is_trial = true;
	for (const struct json *j = list->child; j && n < 2; j = j->next) {
		err = fits(v, j, value, NULL, depth);
		if (err && err != -EINVAL)
			break;
		n += err == 0;
		err = 0;
	}
	v->is_trial = was_trial;
	return err ? err : n;
}

static int check_lists(struct validating *v, const struct json *schema, const struct json *value,
		       const struct schema_place *at, unsigned depth)
{
	const struct json *any = json_get(schema, "anyOf"), *one = json_get(schema, "oneOf"),
			  *all = json_get(schema, "allOf");
	int n = json_is(any, JSON_ARRAY) ? count_fitting(v, any, value, depth) : 1;
	if (n <= 0)
		return n ? n : fault(v, at, "fits none of the schemas of anyOf");
	n = json_is(one, JSON_ARRAY) ? count_fitting(v, one, value, depth) : 1;
	if (n != 1)
		return n < 0 ? n : fault(v, at, n ? "fits more than one of the schemas of oneOf"
						  : "fits none of the schemas of oneOf");
	for (const struct json *j = json_is(all, JSON_ARRAY) ? all->child : NULL; j; j = j->next) {
		int err = fits(v, j, value, at, depth);
		if (err)
			return err;
	}
	return 0;
}

/* 1: fits, 0: does not; or -ELOOP, -ENOMEM. */
static int try(struct validating *v, const struct json *schema, const struct json *value,
	       unsigned depth)
{
	bool was_trial = v->is_trial;
	v->is_trial = true;
	int err = fits(v, schema, value, NULL, depth);
	v->is_trial = was_trial;
	return err == -EINVAL ? 0 : err ? err : 1;
}

static int check_conditions(struct validating *v, const struct json *schema,
			    const struct json *value, const struct schema_place *at, unsigned depth)
{
	const struct json *barred = json_get(schema, "not"), *cond = json_get(schema, "if");
	int yes = barred ? try(v, barred, value, depth) : 0;
	if (yes)
		return yes < 0 ? yes : fault(v, at, "fits the schema of not");
	if (!cond)
		return 0;
	yes = try(v, cond, value, depth);
	if (yes < 0)
		return yes;
	cond = json_get(schema, yes ? "then" : "else");
	return cond ? fits(v, cond, value, at, depth) : 0;
}

static int check_kind(struct validating *v, const struct json *schema, const struct json *value,
		      const struct schema_place *at, unsigned depth)
{
	switch (value->type) {
	case JSON_NUMBER:
		return check_number(v, schema, value, at);
	case JSON_STRING:
		return check_string(v, schema, value, at);
	case JSON_ARRAY:
		return check_array(v, schema, value, at, depth);
	case JSON_OBJECT:
		return check_object(v, schema, value, at, depth);
	default:
		return 0;
	}
}

static int fits(struct validating *v, const struct json *schema, const struct json *value,
		const struct schema_place *at, unsigned depth)
{
	const struct json *ref, *there;
	size_t cost = 0;
	int err;
	if (depth > SCHEMA_DEPTH_MAX || !spend(v, 1 + (unsigned)(schema->count)))
		return -ELOOP;
	if (schema->type == JSON_FALSE)
		return fault(v, at, "is not allowed");
	if (schema->type != JSON_OBJECT)
		return 0;
	ref = json_get(schema, "$ref");
	there = ref ? schema_follow(v->mem, v->root, ref, &cost) : NULL;
	if (cost > v->work || !spend(v, (unsigned)cost))
		return -ELOOP;
	err = there ? fits(v, there, value, at, depth + 1) : 0;
	if (!err)
		err = check_type(v, schema, value, at);
	if (!err)
		err = check_values(v, schema, value, at);
	if (!err)
		err = check_kind(v, schema, value, at, depth + 1);
	if (!err)
		err = check_lists(v, schema, value, at, depth + 1);
	return err ? err : check_conditions(v, schema, value, at, depth + 1);
}

int schema_validate(struct arena *a, const struct json *schema, const struct json *value,
		    struct schema_fault *ret)
{
	struct validating v = { .mem = a, .root = schema, .ret = ret, .work = WORK_MAX };
	int err = fits(&v, schema, value, NULL, 0);
	/* What ran out may have looked like a fault. */
	return err == -EINVAL && !v.work ? -ELOOP : err;
}
