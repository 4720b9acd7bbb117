/* SPDX-License-Identifier: MIT
 * test_json_write.c - what is written is JSON, compact, and reads back as the same values. */
#include "common/json_write.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/hash.h"
#include "common/json.h"

static struct buf b;

static struct json_out begin(void)
{
	buf_reset(&b);
	return json_out(&b);
}

static void test_nesting(void **state)
{
	(void)state;
	struct json_out o = begin();
	json_open(&o, NULL);
	json_put_z(&o, "a", "x\"y");
	json_put_z(&o, "none", NULL);
	json_open_array(&o, "list");
	json_put_i64(&o, NULL, -1);
	json_put_u64(&o, NULL, UINT64_MAX);
	json_open(&o, NULL);
	json_close(&o);
	json_open(&o, NULL);
	json_put_bool(&o, "t", true);
	json_put_bool(&o, "f", false);
	json_close(&o);
	json_open_array(&o, NULL);
	json_close_array(&o);
	json_close_array(&o);
	json_put_null(&o, "n");
	json_key(&o, STR("a\nb"));
	json_put_line(&o, NULL, STR("[1,\r\n\"\\n\"]"));
	json_key(&o, STR("k"));
	json_open(&o, NULL);
	json_key(&o, STR("l"));
	json_put_str(&o, NULL, STR(""));
	json_close(&o);
	json_put_str(&o, "m", STR_NONE);
	json_close(&o);
	assert_string_equal(buf_z(&b),
			    "{\"a\":\"x\\\"y\",\"none\":null,\"list\":[-1,18446744073709551615,{},"
			    "{\"t\":true,\"f\":false},[]],\"n\":null,\"a\\nb\":[1,  \"\\n\"],"
			    "\"k\":{\"l\":\"\"},\"m\":null}");
}

static void test_sixty_levels(void **state)
{
	(void)state;
	struct json_out o = begin();
	for (int i = 0; i < 60; i++) {
		json_open_array(&o, NULL);
		json_put_i64(&o, NULL, 1);
	}
	json_put_i64(&o, NULL, 2);
	for (int i = 0; i < 60; i++)
		json_close_array(&o);
	struct arena *a = arena_new(1 << 20);
	struct json_error e;
	assert_non_null(json_parse(a, buf_str(&b), 0, &e));
	assert_true(str_starts(buf_str(&b), STR("[1,[1,[1,")));
	a = arena_free(a);
}

static const char *money(int64_t nano)
{
	struct json_out o = begin();
	json_put_money(&o, NULL, nano);
	return buf_z(&b);
}

static void test_money(void **state)
{
	(void)state;
	assert_string_equal(money(1500000000), "1.5");
	assert_string_equal(money(0), "0.0");
	assert_string_equal(money(1), "0.000000001");
	assert_string_equal(money(-1), "-0.000000001");
	assert_string_equal(money(1000000000), "1.0");
	assert_string_equal(money(-12340000000), "-12.34");
	assert_string_equal(money(100), "0.0000001");
	assert_string_equal(money(INT64_MAX), "9223372036.854775807");
	assert_string_equal(money(INT64_MIN), "-9223372036.854775808");
}

static const char *number(double v)
{
	struct json_out o = begin();
	json_put_double(&o, NULL, v);
	return buf_z(&b);
}

static void test_doubles(void **state)
{
	(void)state;
	assert_string_equal(number(0.1), "0.1");
	assert_string_equal(number(1.0 / 3), "0.3333333333333333");
	assert_string_equal(number(3), "3");
	assert_string_equal(number(-0.0), "-0");
	assert_string_equal(number(1e21), "1e+21");
	assert_string_equal(number(5e-324), "5e-324");
	assert_string_equal(number(0.1 + 0.2), "0.30000000000000004");
	assert_string_equal(number(NAN), "null");
	assert_string_equal(number(INFINITY), "null");
	assert_string_equal(number(-INFINITY), "null");
	assert_string_equal(number(DBL_MAX), "1.7976931348623157e+308");
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = hash_random_u64(), again;
		double v;
		memcpy(&v, &bits, sizeof v);
		if (!isfinite(v))
			continue;
		double w = strtod(number(v), NULL);
		memcpy(&again, &w, sizeof again);
		assert_true(bits == again);
	}
}

static const char *escaped(struct str s)
{
	buf_reset(&b);
	json_escape(&b, s);
	return buf_z(&b);
}

static void test_escapes(void **state)
{
	(void)state;
	assert_string_equal(escaped(STR("")), "");
	assert_string_equal(escaped(STR("plain \xc3\xa9 /")), "plain \xc3\xa9 /");
	assert_string_equal(escaped(STR("\"\\\b\f\n\r\t")), "\\\"\\\\\\b\\f\\n\\r\\t");
	assert_string_equal(escaped(STR("\0\x01\x1f\x7f")), "\\u0000\\u0001\\u001f\x7f");
	assert_string_equal(escaped(STR("a\xff" "b\xc3")), "a\xef\xbf\xbd" "b\xef\xbf\xbd");
	assert_string_equal(escaped(STR("\xed\xa0\x80")), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(escaped(STR("\xf0\x9f\x98\x80")), "\xf0\x9f\x98\x80");
}

static void test_any_bytes_become_a_good_string(void **state)
{
	struct arena *a = arena_new(1 << 20);
	(void)state;
	for (int i = 0; i < 3000; i++) {
		char bytes[64];
		struct json_error e;
		struct json_out o = begin();
		hash_random(bytes, sizeof bytes);
		for (size_t k = 0; i % 2 && k < sizeof bytes; k++)
			bytes[k] = (char)(bytes[k] & 0x3f);	/* valid, many escapes */
		json_put_str(&o, NULL, str_of(bytes, sizeof bytes));
		arena_reset(a);
		const struct json *j = json_parse(a, buf_str(&b), 0, &e);
		assert_non_null(j);
		if (i % 2)
			assert_true(str_eq(json_str(a, j), str_of(bytes, sizeof bytes)));
	}
	a = arena_free(a);
}

static void test_time(void **state)
{
	(void)state;
	struct json_out o = begin();
	json_open(&o, NULL);
	json_put_time(&o, "a", 0);
	json_put_time(&o, "b", 1770091506789000000);
	json_close(&o);
	assert_string_equal(buf_z(&b), "{\"a\":null,\"b\":\"2026-02-03T04:05:06.789Z\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_sixty_levels),
		cmocka_unit_test(test_money),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_any_bytes_become_a_good_string),
		cmocka_unit_test(test_time),
	};
	buf_init(&b, 1 << 16);
	int r = hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
	buf_done(&b);
	return r;
}
