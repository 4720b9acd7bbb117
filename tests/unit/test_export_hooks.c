/* SPDX-License-Identifier: MIT
 * test_export_hooks.c - webhooks of callback_settings: what their settings mean, where they go
 * with which headers, by what numbers they are known, and how records become a call. */
#include "master/export_hooks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/hash.h"
#include "common/mem.h"
#include "master/export_calls.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(4 << 20);
	unsetenv("GENERIC_LOGGER_ENDPOINT");
	unsetenv("GENERIC_LOGGER_HEADERS");
	return arena && hash_init() == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static const struct json *parse(const char *text)
{
	struct json_error why;
	const struct json *j = json_parse(arena, str_z(text), 0, &why);
	assert_non_null(j);
	return j;
}

static void test_what_settings_mean(void **state)
{
	static const struct {
		const char *json;
		bool is_fine, success, failure;
		enum hook_format format;
	} rows[] = {
		{ "{}", true, true, true, HOOK_ARRAY },
		{ "{\"event_types\":null,\"log_format\":null}", true, true, true, HOOK_ARRAY },
		{ "{\"event_types\":[\"llm_api_success\"]}", true, true, false, HOOK_ARRAY },
		{ "{\"event_types\":\"llm_api_failure\"}", true, false, true, HOOK_ARRAY },
		{ "{\"event_types\":[\"llm_api_failure\",\"llm_api_success\"]}", true, true, true,
		  HOOK_ARRAY },
		{ "{\"event_types\":[]}", true, false, false, HOOK_ARRAY },
		{ "{\"log_format\":\"json_array\"}", true, true, true, HOOK_ARRAY },
		{ "{\"log_format\":\"ndjson\"}", true, true, true, HOOK_LINES },
		{ "{\"log_format\":\"single\"}", true, true, true, HOOK_SINGLE },
		{ "{\"log_format\":\"xml\"}", false, false, false, 0 },
		{ "{\"log_format\":7}", false, false, false, 0 },
		{ "{\"event_types\":[\"llm_api_start\"]}", false, false, false, 0 },
		{ "{\"event_types\":[7]}", false, false, false, 0 },
		{ "{\"event_types\":{}}", false, false, false, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config_hook h = { 0 };
		const char *wrong = export_hook_read(arena, parse(rows[i].json), &h);
		if (rows[i].is_fine != !wrong)
			fail_msg("%s: %s", rows[i].json, wrong ? wrong : "it was taken");
		if (wrong)
			continue;
		assert_int_equal(h.success, rows[i].success);
		assert_int_equal(h.failure, rows[i].failure);
		assert_int_equal(h.format, rows[i].format);
	}
}

/* Of two names. */
static void with(struct config *c, const char *settings)
{
	*c = (struct config){ .hooks_text = str_z(settings), .n_hooks = 2,
			      .hooks = { { .name = STR("mine"), .format = HOOK_SINGLE },
					 { .name = STR("langfuse"), .format = HOOK_LINES } } };
}

static void test_numbers(void **state)
{
	struct config c;
	(void)state;
	with(&c, "{}");
	assert_int_equal(export_find(&c, STR("MINE")), EXPORT_HOOK);
	assert_int_equal(export_find(&c, STR("langfuse")), EXPORT_HOOK + 1);	/* before the row */
	assert_int_equal(export_find(&c, STR("otel")), EXPORT_OTEL);
	assert_int_equal(export_find(NULL, STR("langfuse")), EXPORT_LANGFUSE);
	assert_int_equal(export_find(&c, STR("nobody")), -1);
	assert_int_equal(export_find(NULL, STR("mine")), -1);
	assert_true(str_eq(export_name(&c, EXPORT_HOOK), STR("mine")));
	assert_true(str_eq(export_name(&c, EXPORT_S3), STR("s3")));
	assert_ptr_equal(export_row_of(&c, EXPORT_S3), &export_rows[EXPORT_S3]);
	assert_ptr_equal(export_row_of(&c, EXPORT_HOOK + 1), &export_formats[HOOK_LINES]);
	assert_int_equal(export_kind_of(&export_formats[HOOK_LINES]), EXPORT_GENERIC);
	assert_int_equal(export_kind_of(&export_rows[EXPORT_SQS]), EXPORT_SQS);
}

static const char *read_mine(const char *settings, struct export_target *t)
{
	static struct config c;
	with(&c, settings);
	*t = (struct export_target){ 0 };
	return export_read(&c, EXPORT_HOOK, t);
}

static void test_where_it_is(void **state)
{
	struct export_target t;
	(void)state;
	assert_null(read_mine("{\"other\":{},\"mine\":{\"endpoint\":\"https://h/x/?a=b\",\"headers\":"
			      "{\"Authorization\":\"Bearer s3cret\",\"X-N\":7,"
			      "\"content-type\":\"text/plain\"},\"event_types\":[]}}", &t));
	assert_string_equal(t.url, "https://h/x/?a=b");
	assert_string_equal(t.headers, "Authorization: Bearer s3cret\nX-N: 7");
	assert_string_equal(t.type, "text/plain");
	assert_true(t.wait_ms > 0);
	assert_null(read_mine("{\"mine\":{\"endpoint\":\"https://h\"}}", &t));
	assert_string_equal(t.headers, "");
	assert_string_equal(t.type, "");
}

/* Without an endpoint it is that of generic_api, whose headers go nowhere else. */
static void test_generic_api_stands_in(void **state)
{
	struct export_target t;
	(void)state;
	assert_non_null(read_mine("{\"mine\":{}}", &t));
	setenv("GENERIC_LOGGER_ENDPOINT", "https://g/", 1);
	setenv("GENERIC_LOGGER_HEADERS", "x-auth=canary", 1);
	assert_null(read_mine("{\"mine\":{\"headers\":{\"a\":\"b\"}}}", &t));
	assert_string_equal(t.url, "https://g/");
	assert_string_equal(t.headers, "x-auth: canary\na: b");
	assert_null(read_mine("{\"mine\":{\"endpoint\":\"https://h\"}}", &t));
	assert_string_equal(t.url, "https://h");
	assert_string_equal(t.headers, "");
}

static void test_what_cannot_be_sent(void **state)
{
	static const char *const bad[] = {
		"{\"mine\":{\"endpoint\":\"https://h\",\"headers\":{\"a\":\"b\\r\\nc: d\"}}}",
		"{\"mine\":{\"endpoint\":\"https://h\",\"headers\":{\"a b\":\"c\"}}}",
		"{\"mine\":{\"endpoint\":\"https://h\",\"headers\":{\"\":\"c\"}}}",
		"{\"mine\":{\"endpoint\":\"https://h\",\"headers\":{\"a\":null}}}",
		"{\"mine\":{\"endpoint\":\"https://h\",\"headers\":{\"content-type\":\"a\\nb: c\"}}}",
		"{\"mine\":{\"endpoint\":\"https://h\",\"headers\":[\"a\"]}}",
		"{\"theirs\":{\"endpoint\":\"https://h\"}}", "{}", "",
	};
	struct export_target t;
	char longest[2100];
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!read_mine(bad[i], &t))
			fail_msg("%s was taken", bad[i]);
	snprintf(longest, sizeof longest, "{\"mine\":{\"endpoint\":\"https://h/%02000d\"}}", 0);
	assert_non_null(read_mine(longest, &t));
}

static const struct str lines = STR("{\"id\":1}\n{\"id\":2}\n");

/* Two payloads, as they would go by that format. */
static void test_formats(void **state)
{
	static const struct export_target t;
	static const struct {
		enum hook_format format;
		const char *between, *whole;
	} rows[] = {
		{ HOOK_ARRAY, ",", "[1,2]" }, { HOOK_LINES, "\n", "1\n2" },
	};
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct export_row *row = &export_formats[rows[i].format];
		assert_int_equal(row->call_rows, 0);
		buf_reset(&out);
		row->begin(&t, &out);
		BUF_PUT_LIT(&out, "1");
		buf_put_z(&out, row->between);
		BUF_PUT_LIT(&out, "2");
		buf_put_z(&out, row->end);
		assert_string_equal(buf_z(&out), rows[i].whole);
	}
	struct str rest = lines;
	for (unsigned n = 1; n <= 2; n++) {	/* a call each */
		char want[16];
		buf_reset(&out);
		export_calls_cut(&export_formats[HOOK_SINGLE], &t, &rest, &out);
		snprintf(want, sizeof want, "{\"id\":%u}", n);
		assert_string_equal(buf_z(&out), want);
	}
	assert_int_equal(rest.n, 0);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_settings_mean, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_where_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_generic_api_stands_in, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_formats, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
