/* SPDX-License-Identifier: MIT
 * schema_check.c - see schema_check.h. Goes as deep as the parser, which has a limit. */
#include "worker/client/schema_check.h"

enum shape {
	A_SCHEMA,
	A_LIST,			/* of schemas */
	A_SCHEMA_OR_LIST,
	A_MAP,			/* of names to schemas */
	A_TYPE,			/* a type's name, or several */
	A_STRING,
	STRINGS,
	AN_ARRAY
};
static const struct {
	struct str name;
	enum shape shape;
} keywords[] = {
	{ STR("type"), A_TYPE },
	{ STR("properties"), A_MAP },
	{ STR("patternProperties"), A_MAP },
	{ STR("$defs"), A_MAP },
	{ STR("definitions"), A_MAP },
	{ STR("dependentSchemas"), A_MAP },
	{ STR("items"), A_SCHEMA_OR_LIST },
	{ STR("prefixItems"), A_LIST },
	{ STR("anyOf"), A_LIST },
	{ STR("oneOf"), A_LIST },
	{ STR("allOf"), A_LIST },
	{ STR("additionalProperties"), A_SCHEMA },
	{ STR("contains"), A_SCHEMA },
	{ STR("not"), A_SCHEMA },
	{ STR("if"), A_SCHEMA },
	{ STR("then"), A_SCHEMA },
	{ STR("else"), A_SCHEMA },
	{ STR("$ref"), A_STRING },
	{ STR("required"), STRINGS },
	{ STR("enum"), AN_ARRAY },
};

static bool is_type_name(const struct json *j)
{
	static const struct str names[] = {
		STR("\"object\""), STR("\"array\""),   STR("\"string\""), STR("\"number\""),
		STR("\"integer\""), STR("\"boolean\""), STR("\"null\""),
	};
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(j->raw, names[i]))
			return true;
	return false;
}

static const char *complaint_about_type(const struct json *j, const struct json **ret_at)
{
	const struct json *one = j->type == JSON_ARRAY ? j->child : j;
	for (; one; one = j->type == JSON_ARRAY ? one->next : NULL) {
		*ret_at = one;
		if (!is_type_name(one))
			return "must be the name of a JSON type";
	}
	*ret_at = j;
	return j->type == JSON_ARRAY && !j->count ? "must not be empty" : NULL;
}

/* Each element of an array, or member of an object, is a schema. */
static const char *complaint_about_each(const struct json *j, const struct json **ret_at)
{
	const char *complaint = NULL;
	for (const struct json *one = j->child; one && !complaint; one = one->next)
		complaint = schema_complaint(one, ret_at);
	return complaint;
}

static const char *complaint_about_strings(const struct json *j, const struct json **ret_at)
{
	for (const struct json *one = j->child; one; one = one->next) {
		*ret_at = one;
		if (one->type != JSON_STRING)
			return "must be a string";
	}
	return NULL;
}

static const char *complaint_about(enum shape shape, const struct json *j,
				   const struct json **ret_at)
{
	bool is_list = j->type == JSON_ARRAY;
	*ret_at = j;
	switch (shape) {
	case A_SCHEMA:
		return schema_complaint(j, ret_at);
	case A_SCHEMA_OR_LIST:
		return is_list ? complaint_about_each(j, ret_at) : schema_complaint(j, ret_at);
	case A_LIST:
		return is_list ? complaint_about_each(j, ret_at) : "must be an array of schemas";
	case A_MAP:
		return j->type == JSON_OBJECT ? complaint_about_each(j, ret_at)
					      : "must be an object of schemas";
	case A_TYPE:
		return complaint_about_type(j, ret_at);
	case A_STRING:
		return j->type == JSON_STRING ? NULL : "must be a string";
	case STRINGS:
		return is_list ? complaint_about_strings(j, ret_at) : "must be an array of strings";
	case AN_ARRAY:
		return is_list ? NULL : "must be an array";
	}
	return NULL;
}

const char *schema_complaint(const struct json *schema, const struct json **ret_at)
{
	const char *complaint = NULL;
	*ret_at = schema;
	if (schema->type == JSON_TRUE || schema->type == JSON_FALSE)
		return NULL;
	if (schema->type != JSON_OBJECT)
		return "must be a schema, which is an object";
	for (const struct json *j = schema->child; j && !complaint; j = j->next)
		for (size_t i = 0; i < COUNT(keywords) && !complaint; i++)
			if (str_eq(j->key, keywords[i].name) && j->type != JSON_NULL)
				complaint = complaint_about(keywords[i].shape, j, ret_at);
	return complaint;
}
