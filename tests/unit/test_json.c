/* SPDX-License-Identifier: MIT
 * test_json.c - the vectors of tests/vectors/json (y_ is accepted, n_ refused, i_ as listed here),
 * spans, look-ups, numbers, members given twice, memory that ends.
 *
 * Run from the source root, or with the vectors' folder as the argument. */
#include "common/json.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/hash.h"
#include "common/mem.h"

static const char *vectors = "tests/vectors/json";
static struct arena *arena;

/* Where RFC 8259 leaves a choice we refuse, but for these. */
static const char *const accepted_by_choice[] = {
	"i_number_beyond_uint64.json",	"i_number_exponent_beyond_int.json",
	"i_number_huge_exponent.json",	"i_number_long.json",
	"i_number_minus_beyond.json",	"i_number_tiny_exponent.json",
	"i_number_uint64_max.json",	"i_string_noncharacters.json",
};

static bool is_wanted(const char *name)
{
	for (size_t i = 0; i < COUNT(accepted_by_choice); i++)
		if (strcmp(name, accepted_by_choice[i]) == 0)
			return true;
	return name[0] == 'y';
}

/* In a block of its exact size, so that a sanitizer sees the first byte read too many. */
static struct str read_whole(const char *name)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", vectors, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size_t n = (size_t)ftell(f);
	rewind(f);
	char *p = mem_alloc(n);
	assert_non_null(p);
	assert_int_equal(fread(p, 1, n, f), n);
	fclose(f);
	return str_of(p, n);
}

static const struct json *parse(const char *text)
{
	struct json_error e = { 0, NULL };
	arena_reset(arena);
	return json_parse(arena, str_z(text), JSON_ONE_KEY, &e);
}

static void check_vector(const char *name)
{
	struct str text = read_whole(name);
	struct json_error e = { SIZE_MAX, NULL };
	arena_reset(arena);
	bool is_good = json_parse(arena, text, 0, &e) != NULL;
	if (is_good != is_wanted(name))
		fail_msg("%s: %s", name, is_good ? "accepted" : e.what);
	if (!is_good) {
		assert_non_null(e.what);
		assert_in_range(e.at, 0, text.n);
	}
	mem_free((char *)(uintptr_t)text.p);
}

static void test_vectors(void **state)
{
	(void)state;
	DIR *d = opendir(vectors);
	unsigned n = 0;
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (!str_ends(str_z(e->d_name), STR(".json")))
			continue;
		check_vector(e->d_name);
		n++;
	}
	closedir(d);
	assert_true(n >= 150);
}

static void check_error(const char *text, size_t at, const char *what)
{
	struct json_error e = { 0, NULL };
	arena_reset(arena);
	assert_null(json_parse(arena, str_z(text), JSON_ONE_KEY, &e));
	assert_string_equal(e.what, what);
	assert_int_equal(e.at, at);
}

static void test_errors_say_where(void **state)
{
	(void)state;
	check_error("", 0, "unexpected end of the text");
	check_error("[1", 2, "unexpected end of the text");
	check_error("[1] 2", 4, "something behind the value");
	check_error("[\"a\xff\"]", 3, "invalid UTF-8");
	check_error("[\"\\ud83d\"]", 1, "half a surrogate pair");
	check_error("{\"a\":1,\"a\":2}", 11, "a member given twice");
	check_error("[\v1]", 1, "invalid white space");
	check_error("[1,,2]", 3, "this may not stand here");
	check_error("[1, nul]", 4, "an unknown word");
	check_error("[\"a\nb\"]", 1, "a control character in a string");
	check_error("[1,]", 3, "this may not stand here");
	check_error("[1 2]", 3, "a comma or ] is missing");
	check_error("{\"a\" 1}", 5, "a colon is missing");
}

static void test_spans(void **state)
{
	(void)state;
	const struct json *j = parse(" { \"a\" : [ 1 , -2.5e3 ,\"x\\n\" ] ,\"\\u0062\":{ } ,"
				     " \"\":null}  ");
	assert_true(json_is(j, JSON_OBJECT));
	assert_int_equal(j->count, 3);
	assert_null(j->key.p);
	assert_true(str_starts(j->raw, STR("{ \"a\"")) && str_ends(j->raw, STR("null}")));
	const struct json *a = j->child, *b = a->next, *none = b->next;
	assert_null(none->next);
	assert_true(str_eq_z(a->key, "a"));
	assert_true(str_eq_z(a->raw, "[ 1 , -2.5e3 ,\"x\\n\" ]"));
	assert_int_equal(a->count, 3);
	assert_true(str_eq_z(a->child->raw, "1"));
	assert_null(a->child->key.p);
	assert_true(str_eq_z(a->child->next->raw, "-2.5e3"));
	assert_true(str_eq_z(a->child->next->next->raw, "\"x\\n\""));
	assert_true(a->child->next->next->escaped);
	assert_true(str_eq_z(b->key, "b"));
	assert_true(str_eq_z(b->raw, "{ }"));
	assert_null(b->child);
	assert_true(none->key.p && none->key.n == 0);
	assert_true(str_eq_z(none->raw, "null"));
	assert_true(str_eq_z(parse("  12 ")->raw, "12"));
	assert_true(str_eq_z(parse("12.5")->raw, "12.5"));
}

static void test_look_ups(void **state)
{
	(void)state;
	const struct json *j = parse("{\"a\":{\"b\":[10,{\"c\":\"d\"}]},\"t\":true,\"n\":null}");
	assert_true(str_eq_z(json_get_path(j, "a.b.1.c")->raw, "\"d\""));
	assert_true(str_eq_z(json_get_path(j, "a.b.0")->raw, "10"));
	assert_null(json_get_path(j, "a.b.2"));
	assert_null(json_get_path(j, "a.b.x"));
	assert_null(json_get_path(j, "a.x.c"));
	assert_null(json_get_path(NULL, "a"));
	assert_null(json_get(json_get(json_get(NULL, "x"), "y"), "z"));
	assert_null(json_at(j, 0));
	assert_true(json_is_true(json_get(j, "t")));
	assert_false(json_is_true(json_get(j, "n")));
	assert_false(json_is_given(json_get(j, "n")));
	assert_false(json_is_given(NULL));
	assert_false(json_is(NULL, JSON_NULL));
	assert_string_equal(json_type_name(JSON_OBJECT), "an object");
	assert_string_equal(json_type_name(JSON_NULL), "null");
}

static void check_string(const char *text, struct str want)
{
	const struct json *j = parse(text);
	struct str s = json_str(arena, j);
	assert_non_null(s.p);
	assert_true(str_eq(s, want));
	assert_int_equal(j->escaped, s.p != j->raw.p + 1);
}

static void test_strings(void **state)
{
	(void)state;
	check_string("\"\"", STR(""));
	check_string("\"plain \xc3\xa9\"", STR("plain \xc3\xa9"));
	check_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", STR("\"\\/\b\f\n\r\t"));
	check_string("\"a\\u0000b\"", STR("a\0b"));
	check_string("\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
		     STR("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"));
	check_string("\"\\uD83d\\uDe00!\\uDBFF\\uDFFF\"", STR("\xf0\x9f\x98\x80!\xf4\x8f\xbf\xbf"));
	check_string("\"\\\\u0041\"", STR("\\u0041"));
	const struct json *j = parse("{\"s\":\"x\",\"n\":5}");
	assert_true(str_eq_z(json_get_str(arena, j, "s"), "x"));
	assert_null(json_get_str(arena, j, "n").p);
	assert_null(json_get_str(arena, j, "none").p);
	assert_null(json_get_str(arena, NULL, "s").p);
}

static void check_i64(const char *text, int r, int64_t want)
{
	int64_t v = 77;
	assert_int_equal(json_read_i64(parse(text), &v), r);
	assert_true(v == (r ? 77 : want));
}

static void test_integers(void **state)
{
	(void)state;
	check_i64("3", 0, 3);
	check_i64("-3", 0, -3);
	check_i64("3.0", 0, 3);
	check_i64("-3.000", 0, -3);
	check_i64("1e2", 0, 100);
	check_i64("12.50E+1", 0, 125);
	check_i64("1200e-2", 0, 12);
	check_i64("0.003e3", 0, 3);
	check_i64("-0", 0, 0);
	check_i64("-0.0", 0, 0);
	check_i64("0e999999999999", 0, 0);
	check_i64("0.0e-99999999999", 0, 0);
	check_i64("9223372036854775807", 0, INT64_MAX);
	check_i64("-9223372036854775808.0", 0, INT64_MIN);
	check_i64("9.223372036854775807e18", 0, INT64_MAX);
	check_i64("3.5", -EINVAL, 0);
	check_i64("35e-1", -EINVAL, 0);
	check_i64("0.5", -EINVAL, 0);
	check_i64("1e-99999999999999", -EINVAL, 0);
	check_i64("9223372036854775808", -ERANGE, 0);
	check_i64("9223372036854775808.0", -ERANGE, 0);
	check_i64("1e19", -ERANGE, 0);
	check_i64("1e99999999999999", -ERANGE, 0);
	check_i64("-123456789012345678901e0", -ERANGE, 0);
	check_i64("null", -ENOENT, 0);
	check_i64("\"3\"", -EINVAL, 0);
	check_i64("[3]", -EINVAL, 0);
	int64_t v;
	assert_int_equal(json_read_i64(NULL, &v), -ENOENT);
}

static void test_doubles(void **state)
{
	double v = 7;
	(void)state;
	assert_int_equal(json_read_double(parse("0.7"), &v), 0);
	assert_true(fabs(v - 0.7) <= 0);
	assert_int_equal(json_read_double(parse("1e999"), &v), -ERANGE);
	assert_int_equal(json_read_double(parse("\"1\""), &v), -EINVAL);
	assert_int_equal(json_read_double(parse("null"), &v), -ENOENT);
	assert_int_equal(json_read_double(NULL, &v), -ENOENT);
	assert_true(fabs(v - 0.7) <= 0);
}

/* {"k0":0, ... } with `count` members, where one more is called like the member `twice`. */
static struct json *parse_members(unsigned count, unsigned twice, struct json_error *e)
{
	struct buf b;
	buf_init(&b, 16 << 20);
	buf_put_char(&b, '{');
	for (unsigned i = 0; i < count; i++)
		buf_printf(&b, "%s\"k%u\":%u", i ? "," : "", i, i);
	if (twice < count)
		buf_printf(&b, ",\"\\u006b%u\":0", twice);
	buf_put_char(&b, '}');
	arena_reset(arena);
	struct json *j = json_parse(arena, buf_str(&b), JSON_ONE_KEY, e);
	buf_done(&b);
	return j;
}

static void test_members_given_twice(void **state)
{
	static const unsigned counts[] = { 1, 2, 15, 16, 17, 31, 32, 33, 1000, 100000 };
	struct json_error e;
	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		assert_non_null(parse_members(counts[i], UINT32_MAX, &e));
		assert_null(parse_members(counts[i], 0, &e));
		assert_string_equal(e.what, "a member given twice");
		assert_null(parse_members(counts[i], counts[i] - 1, &e));
	}
	assert_non_null(parse("[{\"a\":1},{\"a\":1}]"));
	assert_non_null(parse("{\"a\":{\"a\":{\"a\":1}}}"));
	assert_null(parse("[{\"x\":{\"a\":1,\"\\u0061\":2}}]"));
	arena_reset(arena);
	const struct json *j = json_parse(arena, STR("{\"a\":1,\"a\":2}"), 0, &e);
	assert_true(str_eq_z(json_get(j, "a")->raw, "1"));	/* without the flag: the first */
}

static void test_splicing(void **state)
{
	struct str text = STR("{\"model\":\"a\",\"n\":1}");
	struct buf b;
	(void)state;
	buf_init(&b, 100);
	json_splice(&b, text, NULL, 0);
	assert_true(str_eq(buf_str(&b), text));
	buf_reset(&b);
	const struct json_edit edits[] = {
		{ 1, 0, STR("\"x\":0,") },
		{ 9, 3, STR("\"longer\"") },
		{ 12, 6, STR("") },
		{ 19, 0, STR("\n") },
	};
	json_splice(&b, text, edits, COUNT(edits));
	assert_string_equal(buf_z(&b), "{\"x\":0,\"model\":\"longer\"}\n");
	buf_done(&b);
}

static void test_the_arena_ends(void **state)
{
	static const char text[] = "{\"a\":[1,2,{\"b\\n\":\"c\\u0041\"}],\"k1\":1,\"k2\":1,"
				   "\"k3\":1,\"k4\":1,\"k5\":1,\"k6\":1,\"k7\":1,\"k8\":1,"
				   "\"k9\":1,\"l1\":1,\"l2\":1,\"l3\":1,\"l4\":1,\"l5\":1,"
				   "\"l6\":1,\"l7\":1}";
	struct json_error e;
	bool was_good = false;
	(void)state;
	for (size_t cap = 0; cap < 8192; cap += 16) {
		struct arena *a = arena_new(cap);
		struct json *j = json_parse(a, str_z(text), JSON_ONE_KEY, &e);
		if (!j)
			assert_string_equal(e.what, "too large");
		assert_false(was_good && !j);
		was_good = j != NULL;
		a = arena_free(a);
	}
	assert_true(was_good);
}

/* Neither long strings nor deep nesting take anything but the arena: yajl has its room. */
static void test_yajl_takes_no_memory(void **state)
{
	struct json_error e;
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		BUF_PUT_LIT(&b, "[");
	for (unsigned k = 100; k < 160; k++) {
		BUF_PUT_LIT(&b, "\"\\\"");
		for (unsigned i = 0; i < k; i++)
			BUF_PUT_LIT(&b, "\\n");
		BUF_PUT_LIT(&b, "\\u00e9\",");
	}
	BUF_PUT_LIT(&b, "1");
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		BUF_PUT_LIT(&b, "]");
	arena_reset(arena);
	assert_non_null(json_parse(arena, buf_str(&b), 0, &e));	/* the arena has its blocks now */
	arena_reset(arena);
	uint64_t before = mem_calls();
	const struct json *j = json_parse(arena, buf_str(&b), 0, &e);
	assert_non_null(j);
	assert_true(mem_calls() - before <= 1);			/* the arena's second block */
	buf_done(&b);
}

/* `inside` stands between the quotes of a string of n bytes more, behind one of `first`. */
static const struct json *parse_long(struct buf *b, unsigned first, const char *inside, unsigned n,
				     struct json_error *e)
{
	buf_reset(b);
	BUF_PUT_LIT(b, "{\"first\":\"");
	for (unsigned i = 0; i < first; i++)
		buf_put_char(b, 'f');
	BUF_PUT_LIT(b, "\", \"k\" : \"");
	for (unsigned i = 0; i < n; i++)
		buf_put_char(b, 'x');
	buf_put_z(b, inside);
	BUF_PUT_LIT(b, "\" ,\"last\":[1,\"\"]}");
	arena_reset(arena);
	return json_parse(arena, buf_str(b), JSON_ONE_KEY, e);
}

/* What is said of a long string is what is said of a short one, which yajl has seen. */
static void test_long_strings(void **state)
{
	static const struct {
		const char *inside, *what;
		size_t decoded;
	} cases[] = {
		{ "", NULL, 0 },
		{ "\\n", NULL, 1 },
		{ "\\\\", NULL, 1 },
		{ "\\\"", NULL, 1 },
		{ "\\\\\\\"\\/", NULL, 3 },
		{ "\\ud83d\\ude00", NULL, 4 },
		{ "\xc3\xa9", NULL, 2 },
		{ "\x7f", NULL, 1 },
		{ "\\x", "an unknown escape", 0 },
		{ "\\u12g4", "not four hexadecimal digits after \\u", 0 },
		{ "\\ud83d", "half a surrogate pair", 0 },
		{ "\x1f", "a control character in a string", 0 },
		{ "\t", "a control character in a string", 0 },
		{ "\xff", "invalid UTF-8", 0 },
		{ "\\", "this is not JSON", 0 },	/* the quote is in it, too */
		{ "\" \"", "a comma or } is missing", 0 },
		{ "\" : \"", "a comma or } is missing", 0 },
	};
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 16);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct json_error e = { 0 }, brief = { 0 };
		bool is_good = parse_long(&b, 1, cases[i].inside, 10, &brief);
		assert_int_equal(is_good, !cases[i].what);
		for (unsigned n = 110; n < 150; n++) {
			const struct json *j = parse_long(&b, 600, cases[i].inside, n, &e);
			assert_int_equal(!j, !is_good);
			if (!j) {
				assert_string_equal(e.what, brief.what);
				assert_string_equal(e.what, cases[i].what);
				assert_true(e.at >= 600 && e.at <= b.n);
				continue;
			}
			assert_int_equal(j->count, 3);
			assert_int_equal(json_get_str(arena, j, "first").n, 600);
			assert_int_equal(json_get_str(arena, j, "k").n, n + cases[i].decoded);
			assert_int_equal(json_get(j, "k")->escaped,
					 strchr(cases[i].inside, '\\') != NULL);
			assert_int_equal(json_get(j, "last")->count, 2);
		}
	}
	buf_done(&b);
}

/* Names are strings, too. */
static void test_long_names(void **state)
{
	struct json_error e;
	struct buf b;
	(void)state;
	buf_init(&b, 1 << 16);
	for (int twice = 0; twice < 2; twice++) {
		buf_reset(&b);
		for (unsigned k = 0; k < 3; k++) {
			buf_put_char(&b, k ? ',' : '{');
			BUF_PUT_LIT(&b, "\"\\u0061");
			for (unsigned i = 0; i < 300; i++)
				buf_put_char(&b, (char)('a' + (twice ? k % 2 : k)));
			BUF_PUT_LIT(&b, "\":null");
		}
		BUF_PUT_LIT(&b, "}");
		arena_reset(arena);
		const struct json *j = json_parse(arena, buf_str(&b), JSON_ONE_KEY, &e);
		assert_int_equal(j != NULL, !twice);
		if (!j)
			assert_string_equal(e.what, "a member given twice");
		else
			assert_int_equal(j->child->key.n, 301);
	}
	buf_done(&b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_errors_say_where),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_look_ups),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_members_given_twice),
		cmocka_unit_test(test_splicing),
		cmocka_unit_test(test_the_arena_ends),
		cmocka_unit_test(test_yajl_takes_no_memory),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_long_names),
	};
	if (argc > 1)
		vectors = argv[1];
	arena = arena_new(64 << 20);
	if (!arena || hash_init())
		return 1;
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	arena = arena_free(arena);
	return r || mem_live();
}
