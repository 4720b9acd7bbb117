/* SPDX-License-Identifier: MIT
 * test_schema.c - what is a schema, what fits one, and that neither takes for ever. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/schema.h"

static struct arena *mem;

static const struct json *parse(const char *text)
{
	struct json_error e;
	const struct json *j = json_parse(mem, str_z(text), 0, &e);
	if (!j)
		fail_msg("%s: %s", text, e.what);
	return j;
}

static const struct {
	const char *schema, *at;	/* at: where it is wrong; NULL: it is a schema */
} checked[] = {
	{ "{}", NULL },
	{ "true", NULL },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}},\"required\":[\"a\"],"
	  "\"additionalProperties\":false}", NULL },
	{ "{\"$defs\":{\"n\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#\"}]}},\"$ref\":\"#/$defs/n\"}", NULL },
	{ "{\"x-vendor\":7,\"type\":\"string\"}", NULL },
	{ "{\"type\":null}", NULL },
	{ "[]", "" },
	{ "7", "" },
	{ "{\"type\":\"text\"}", "type" },
	{ "{\"type\":[]}", "type" },
	{ "{\"type\":7}", "type" },
	{ "{\"properties\":[]}", "properties" },
	{ "{\"properties\":{\"a\":7}}", "properties.a" },
	{ "{\"properties\":{\"a\":{\"items\":{\"type\":\"int\"}}}}", "properties.a.items.type" },
	{ "{\"required\":\"a\"}", "required" },
	{ "{\"required\":[1]}", "required" },
	{ "{\"anyOf\":[{},{\"minLength\":-1}]}", "anyOf[1].minLength" },
	{ "{\"anyOf\":{}}", "anyOf" },
	{ "{\"minItems\":1.5}", "minItems" },
	{ "{\"maximum\":\"5\"}", "maximum" },
	{ "{\"enum\":5}", "enum" },
	{ "{\"nullable\":1}", "nullable" },
	{ "{\"pattern\":1}", "pattern" },
	{ "{\"$ref\":\"#/$defs/none\"}", "$ref" },
	{ "{\"$ref\":\"http://example.com/x\"}", "$ref" },
	{ "{\"$ref\":7}", "$ref" },
};

static void test_what_is_a_schema(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(checked); i++) {
		struct schema_fault f = { 0 };
		int err = schema_check(mem, parse(checked[i].schema), &f);
		if ((err == 0) != !checked[i].at || (err && !str_eq_z(f.at, checked[i].at)))
			fail_msg("%s: %d at %.*s", checked[i].schema, err, (int)f.at.n, f.at.p);
		assert_true(!err || f.what.n > 0);
	}
}

static const struct {
	const char *schema, *good, *bad, *at;
} fitting[] = {
	{ "{\"type\":\"string\"}", "\"a\"", "1", "" },
	{ "{\"type\":\"integer\"}", "3.0", "3.5", "" },
	{ "{\"type\":\"number\"}", "3.5", "\"3\"", "" },
	{ "{\"type\":\"boolean\"}", "false", "null", "" },
	{ "{\"type\":[\"string\",\"null\"]}", "null", "7", "" },
	{ "{\"type\":\"string\",\"nullable\":true}", "null", "7", "" },
	{ "{\"enum\":[\"a\",1,null,{\"b\":[1,2]}]}", "{\"b\":[1.0,2]}", "{\"b\":[2,1]}", "" },
	{ "{\"enum\":[\"\\u0061\"]}", "\"a\"", "\"b\"", "" },
	{ "{\"const\":{\"a\":1,\"b\":2}}", "{\"b\":2,\"a\":1}", "{\"a\":1}", "" },
	{ "{\"type\":\"object\",\"required\":[\"a\"]}", "{\"a\":null}", "{\"b\":1}", "a" },
	{ "{\"properties\":{\"a\":{\"properties\":{\"b\":{\"type\":\"string\"}}}}}", "{\"a\":{\"b\":\"x\"}}",
	  "{\"a\":{\"b\":1}}", "a.b" },
	{ "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1}", "{\"a\":1,\"c\":2}", "c" },
	{ "{\"additionalProperties\":{\"type\":\"string\"}}", "{\"a\":\"x\"}", "{\"a\":1}", "a" },
	{ "{\"minProperties\":1,\"maxProperties\":2}", "{\"a\":1}", "{}", "" },
	{ "{\"items\":{\"type\":\"number\"}}", "[1,2]", "[1,\"2\"]", "[1]" },
	{ "{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[\"a\"]", "[\"a\",1]", "[1]" },
	{ "{\"items\":[{\"type\":\"string\"}],\"additionalItems\":{\"type\":\"null\"}}", "[\"a\",null]", "[\"a\",1]",
	  "[1]" },
	{ "{\"minItems\":2,\"maxItems\":3}", "[1,2]", "[1]", "" },
	{ "{\"maxItems\":1}", "[1]", "[1,2]", "" },
	{ "{\"uniqueItems\":true}", "[1,2,\"1\"]", "[1,2,1.0]", "" },
	{ "{\"contains\":{\"type\":\"string\"}}", "[1,\"a\"]", "[1]", "" },
	{ "{\"minLength\":2,\"maxLength\":2}", "\"\\u00e4\\u00f6\"", "\"a\"", "" },
	{ "{\"maxLength\":1}", "\"\xc3\xa4\"", "\"ab\"", "" },
	{ "{\"minimum\":2,\"maximum\":4}", "4", "4.1", "" },
	{ "{\"minimum\":2}", "2", "1", "" },
	{ "{\"exclusiveMinimum\":2}", "2.1", "2", "" },
	{ "{\"exclusiveMaximum\":2}", "1", "2", "" },
	{ "{\"minimum\":2,\"exclusiveMinimum\":true}", "3", "2", "" },
	{ "{\"maximum\":2,\"exclusiveMaximum\":true}", "1", "2", "" },
	{ "{\"multipleOf\":0.1}", "0.3", "0.35", "" },
	{ "{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5,\"type\":\"number\"}]}", "5", "4", "" },
	{ "{\"oneOf\":[{\"minimum\":5},{\"maximum\":7}]}", "9", "6", "" },
	{ "{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}", "null", "6", "" },
	{ "{\"allOf\":[{\"minimum\":5},{\"maximum\":7}]}", "6", "8", "" },
	{ "{\"not\":{\"type\":\"string\"}}", "1", "\"a\"", "" },
	{ "{\"if\":{\"type\":\"string\"},\"then\":{\"minLength\":2},\"else\":{\"minimum\":3}}", "3", "\"a\"", "" },
	{ "{\"if\":{\"type\":\"string\"},\"then\":{\"minLength\":2},\"else\":{\"minimum\":3}}", "\"ab\"", "2", "" },
	{ "{\"$defs\":{\"a/b\":{\"type\":\"string\"}},\"items\":{\"$ref\":\"#/$defs/a~1b\"}}", "[\"x\"]", "[1]", "[0]" },
	/* A tree of itself. */
	{ "{\"properties\":{\"next\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#\"}]},\"v\":{\"type\":\"integer\"}},"
	  "\"required\":[\"v\"]}", "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}", "{\"v\":1,\"next\":{\"next\":null}}",
	  "next" },
	{ "true", "1", NULL, "" },
	{ "{\"items\":false}", "[]", "[1]", "[0]" },
	/* What is not checked lets all through. */
	{ "{\"pattern\":\"^a$\",\"format\":\"date\"}", "\"b\"", NULL, "" },
	{ "{\"patternProperties\":{\"^x\":{}},\"additionalProperties\":false}", "{\"y\":1}", NULL, "" },
	/* Not schemas, but they harm nobody. */
	{ "{\"type\":7,\"enum\":1,\"required\":[1],\"properties\":[],\"anyOf\":5,\"$ref\":\"x\"}", "{\"a\":1}", NULL, "" },
};

static void test_what_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(fitting); i++) {
		struct schema_fault f = { 0 };
		const struct json *schema = parse(fitting[i].schema);
		if (schema_validate(mem, schema, parse(fitting[i].good), &f) != 0)
			fail_msg("%s: %s: %.*s %.*s", fitting[i].schema, fitting[i].good, (int)f.at.n, f.at.p,
				 (int)f.what.n, f.what.p);
		if (!fitting[i].bad)
			continue;
		int err = schema_validate(mem, schema, parse(fitting[i].bad), &f);
		if (err != -EINVAL || !str_eq_z(f.at, fitting[i].at) || !f.what.n)
			fail_msg("%s: %s: %d at %.*s", fitting[i].schema, fitting[i].bad, err, (int)f.at.n,
				 f.at.p);
	}
}

static void expect_loop(const char *schema, const char *value)
{
	struct schema_fault f = { 0 };
	if (schema_validate(mem, parse(schema), parse(value), &f) != -ELOOP)
		fail_msg("%s", schema);
}

static void test_work_is_bounded(void **state)
{
	struct buf b;
	(void)state;
	expect_loop("{\"$ref\":\"#\"}", "1");
	expect_loop("{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1");
	expect_loop("{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\"}},\"$ref\":\"#/$defs/a\"}", "1");
	expect_loop("{\"anyOf\":[{\"not\":{\"$ref\":\"#\"}},{\"not\":{\"$ref\":\"#\"}}]}", "1");
	buf_init(&b, 1 << 20);
	buf_put_char(&b, '[');
	for (unsigned i = 0; i < 5000; i++)
		buf_printf(&b, "%s%u", i ? "," : "", i);
	buf_put(&b, STR("]\0"));
	expect_loop("{\"uniqueItems\":true}", b.p);
	buf_done(&b);
}

static int begin(void **state)
{
	(void)state;
	mem = arena_new(64 << 20);
	return mem ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	mem = arena_free(mem);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_schema),
		cmocka_unit_test(test_what_fits),
		cmocka_unit_test(test_work_is_bounded),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
