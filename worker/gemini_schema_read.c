/* SPDX-License-Identifier: MIT
 * gemini_schema_read.c - Gemini's schemas made JSON Schema, member by member, and the words that
 * both directions share. */
#include "worker/gemini_schema.h"

#define IS(j, name) str_eq((j)->key, STR(name))

/* --- words --- */

const struct gemini_plain gemini_plains[GEM_PLAINS] = {
	[GEM_TITLE] = { "title", JSON_STRING, true },
	[GEM_DESCRIPTION] = { "description", JSON_STRING, true },
	[GEM_DEFAULT] = { "default", JSON_NULL, true },
	[GEM_EXAMPLE] = { "example", JSON_NULL, false },
	[GEM_PATTERN] = { "pattern", JSON_STRING, false },
	[GEM_MINIMUM] = { "minimum", JSON_NUMBER, false },
	[GEM_MAXIMUM] = { "maximum", JSON_NUMBER, false },
	[GEM_MIN_ITEMS] = { "minItems", JSON_NUMBER, false },
	[GEM_MAX_ITEMS] = { "maxItems", JSON_NUMBER, false },
	[GEM_MIN_LENGTH] = { "minLength", JSON_NUMBER, false },
	[GEM_MAX_LENGTH] = { "maxLength", JSON_NUMBER, false },
	[GEM_MIN_PROPERTIES] = { "minProperties", JSON_NUMBER, false },
	[GEM_MAX_PROPERTIES] = { "maxProperties", JSON_NUMBER, false },
};

const struct str gemini_types[GEM_TYPES] = {
	[GEM_STRING] = STR("STRING"),	[GEM_NUMBER] = STR("NUMBER"),
	[GEM_INTEGER] = STR("INTEGER"), [GEM_BOOLEAN] = STR("BOOLEAN"),
	[GEM_ARRAY] = STR("ARRAY"),	[GEM_OBJECT] = STR("OBJECT"),
	[GEM_NULL] = STR("NULL"),
};

unsigned gemini_plain_of(struct str name)
{
	unsigned i = 0;
	while (i < GEM_PLAINS && !gemini_is(name, gemini_plains[i].name))
		i++;
	return i;
}

/* Limits may be written as strings, since they are int64: those are told as numbers. */
struct str gemini_plain_value(unsigned plain, const struct json *j)
{
	enum json_type type = gemini_plains[plain].type;
	uint64_t v;
	if (type == JSON_NULL || j->type == (uint8_t)type)
		return j->raw;
	if (type != JSON_NUMBER || j->type != JSON_STRING)
		return STR_NONE;
	struct str digits = str_of(j->raw.p + 1, j->raw.n - 2);
	bool is_number = str_read_u64(digits, &v) == 0 && (digits.n == 1 || digits.p[0] != '0');
	return is_number ? digits : STR_NONE;
}

enum gemini_type gemini_type_of(const struct json *j)
{
	struct str s = json_is(j, JSON_STRING) ? str_of(j->raw.p + 1, j->raw.n - 2) : STR_NONE;
	for (unsigned i = GEM_STRING; i < GEM_TYPES; i++)
		if (str_eq_nocase(s, gemini_types[i]))
			return (enum gemini_type)i;
	return GEM_NONE;
}

/* --- reading --- */

static void put_key(struct buf *b, struct str key, bool *has_before)
{
	if (*has_before)
		buf_put_char(b, ',');
	*has_before = true;
	buf_put_char(b, '"');
	json_escape(b, key);
	BUF_PUT_LIT(b, "\":");
}

static void put_schema(struct buf *b, const struct json *schema);

static void put_schemas(struct buf *b, const struct json *list, bool is_nullable)
{
	bool has_before = false;
	bool is_object = list->type == JSON_OBJECT;
	if (list->type != JSON_ARRAY && !is_object) {
		buf_put(b, list->raw);
		return;
	}
	buf_put_char(b, is_object ? '{' : '[');
	for (const struct json *j = list->child; j; j = j->next) {
		if (is_object)
			put_key(b, j->key, &has_before);
		else if (j != list->child)
			buf_put_char(b, ',');
		put_schema(b, j);
	}
	if (is_nullable && !is_object)
		buf_put_z(b, list->count ? ",{\"type\":\"null\"}" : "{\"type\":\"null\"}");
	buf_put_char(b, is_object ? '}' : ']');
}

static void put_type(struct buf *b, const struct json *type, bool is_nullable)
{
	static const char *const names[GEM_TYPES] = {
		[GEM_STRING] = "\"string\"",	[GEM_NUMBER] = "\"number\"",
		[GEM_INTEGER] = "\"integer\"", [GEM_BOOLEAN] = "\"boolean\"",
		[GEM_ARRAY] = "\"array\"",	[GEM_OBJECT] = "\"object\"",
		[GEM_NULL] = "\"null\"",
	};
	enum gemini_type t = gemini_type_of(type);
	if (is_nullable)
		buf_put_char(b, '[');
	if (t)
		buf_put_z(b, names[t]);
	else
		buf_put(b, type->raw);
	if (is_nullable)
		BUF_PUT_LIT(b, ",\"null\"]");
}

/* Any other member, under its name in JSON Schema. */
static void put_plain(struct buf *b, const struct json *j, bool *has_before)
{
	unsigned plain = gemini_plain_of(j->key);
	struct str name = j->key, value = STR_NONE;
	if (plain < GEM_PLAINS) {
		name = str_z(gemini_plains[plain].name);
		value = gemini_plain_value(plain, j);
	} else if (gemini_is(name, "propertyOrdering")) {
		name = STR("propertyOrdering");
	}
	put_key(b, name, has_before);
	buf_put(b, value.p ? value : j->raw);
}

static void put_schema(struct buf *b, const struct json *schema)
{
	bool is_nullable = json_is_true(json_get(schema, "nullable")), has_before = false;
	if (schema->type != JSON_OBJECT) {
		buf_put(b, schema->raw);
		return;
	}
	buf_put_char(b, '{');
	for (const struct json *j = schema->child; j; j = j->next) {
		bool is_any_of = gemini_is(j->key, "anyOf");
		if (IS(j, "nullable"))
			continue;
		if (IS(j, "type") && j->type == JSON_STRING) {
			put_key(b, j->key, &has_before);
			put_type(b, j, is_nullable);
		} else if (IS(j, "items")) {
			put_key(b, j->key, &has_before);
			put_schema(b, j);
		} else if (IS(j, "properties") || is_any_of) {
			put_key(b, is_any_of ? STR("anyOf") : j->key, &has_before);
			put_schemas(b, j, is_nullable);
		} else {
			put_plain(b, j, &has_before);
		}
	}
	buf_put_char(b, '}');
}

struct str gemini_read_schema(struct arena *a, const struct json *schema)
{
	struct buf b;
	buf_init(&b, schema->raw.n * 3 + 64);
	put_schema(&b, schema);
	struct str text = b.failed ? STR_NONE : arena_dup(a, buf_str(&b));
	buf_done(&b);
	return text;
}
