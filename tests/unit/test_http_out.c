/* SPDX-License-Identifier: MIT
 * test_http_out.c - heads, chunks and dates as they go out, and that nothing can be smuggled in. */
#include "worker/client/http_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "worker/client/http_check.h"

static void check_head(const struct http_out_head *h, const char *expected)
{
	struct buf out;
	buf_init(&out, 4096);
	http_out_head(&out, h);
	assert_string_equal(buf_z(&out), expected);
	buf_done(&out);
}

static void test_heads(void **state)
{
	(void)state;
	struct http_out_head h = { .status = 200, .headers = STR("a: b\r\n"), .date = STR("D"),
				   .framing = HTTP_BY_LENGTH, .length = 12, .keep_alive = true,
				   .version_minor = 1 };
	check_head(&h, "HTTP/1.1 200 OK\r\ndate: D\r\na: b\r\ncontent-length: 12\r\n\r\n");
	h.keep_alive = false;
	h.framing = HTTP_BY_CHUNKS;
	check_head(&h, "HTTP/1.1 200 OK\r\ndate: D\r\na: b\r\ntransfer-encoding: chunked\r\n"
		       "connection: close\r\n\r\n");
	h = (struct http_out_head){ .status = 599, .headers = STR_NONE, .date = STR("D"),
				    .framing = HTTP_NO_BODY, .keep_alive = true };
	check_head(&h, "HTTP/1.1 599 \r\ndate: D\r\nconnection: keep-alive\r\n\r\n");
}

static void test_bad_lines(void **state)
{
	(void)state;
	struct http_out_head h = { .status = 200, .date = STR("D"), .keep_alive = true,
				   .version_minor = 1, .framing = HTTP_NO_BODY };
	h.headers = STR("ok: \t\xc3\xa9 x\r\nlf: a\nb\r\ncr: a\rb\r\ndel: \x7f\r\nno\r\n: x\r\n"
			"sp ace: 1\r\nConnection: x\r\ncontent-length: 5\r\n"
			"Transfer-Encoding: x\r\nDATE: now\r\n\r\nunended: 1");
	check_head(&h, "HTTP/1.1 200 OK\r\ndate: D\r\nok: \t\xc3\xa9 x\r\n\r\n");
}

/* Whatever the value: one line, or nothing. */
static bool may_be_in_value(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool may_be_in_name(unsigned char c)
{
	return c && (strchr("!#$%&'*+-.^_`|~", c) || (c >= '0' && c <= '9') ||
		     ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80));
}

/* What is looked at eight bytes at a time ends where it would byte by byte: every byte at every
 * place, before and behind every neighbour that matters. */
static void test_runs(void **state)
{
	(void)state;
	static const unsigned char others[] = {'a', 'z', '-', '_', '9', 'Q', '`', '{', 0x7f, 0x80,
					       0xff, 0x1f, ' ', '\t', ':', 0};
	unsigned char text[19];
	for (size_t at = 0; at < sizeof text; at++)
		for (unsigned c = 0; c < 256; c++)
			for (size_t k = 0; k < COUNT(others); k++) {
				memset(text, 'e', sizeof text);
				text[(at + 1) % sizeof text] = others[k];
				text[at] = (unsigned char)c;
				size_t name = 0, value = 0;
				while (name < sizeof text && may_be_in_name(text[name]))
					name++;
				while (value < sizeof text && may_be_in_value(text[value]))
					value++;
				struct str s = str_of((char *)text, sizeof text);
				assert_int_equal(http_token_run(s), name);
				assert_int_equal(http_value_run(s), value);
			}
}

static void test_put_header(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char value[3] = { 'a', (char)c, 'b' };
		struct buf out;
		buf_init(&out, 256);
		bool is_good = (c >= 0x20 && c != 0x7f) || c == '\t';
		assert_int_equal(http_put_header(&out, "x-name", str_of(value, 3)), is_good);
		assert_int_equal(out.n, is_good ? 13 : 0);
		buf_done(&out);
	}
	struct buf out;
	buf_init(&out, 256);
	assert_false(http_put_header(&out, "content-length", STR("1")));
	assert_false(http_put_header(&out, "bad name", STR("1")));
	assert_false(http_put_header(&out, "", STR("1")));
	assert_true(http_put_header(&out, "empty", STR("")));
	assert_string_equal(buf_z(&out), "empty: \r\n");
	buf_done(&out);
}

static void test_chunk_heads(void **state)
{
	(void)state;
	char room[HTTP_CHUNK_HEAD_BYTES];
	assert_true(str_eq(http_out_chunk_head(room, 1), STR("1\r\n")));
	assert_true(str_eq(http_out_chunk_head(room, 255), STR("ff\r\n")));
	assert_true(str_eq(http_out_chunk_head(room, SIZE_MAX), STR("ffffffffffffffff\r\n")));
}

static void test_dates(void **state)
{
	(void)state;
	char room[HTTP_DATE_BYTES];
	assert_true(str_eq(http_out_date(room, 784111777), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
	assert_true(str_eq(http_out_date(room, 0), STR("Thu, 01 Jan 1970 00:00:00 GMT")));
	assert_true(str_eq(http_out_date(room, 1709164800), STR("Thu, 29 Feb 2024 00:00:00 GMT")));
	assert_true(str_eq(http_out_date(room, 4102444799), STR("Thu, 31 Dec 2099 23:59:59 GMT")));
}

static void test_error(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 256);
	http_out_error(&out, 414, "Too long.");
	assert_string_equal(buf_z(&out),
			    "{\"error\":{\"message\":\"Too long.\",\"type\":"
			    "\"invalid_request_error\",\"param\":null,\"code\":\"414\"}}");
	buf_done(&out);
	assert_string_equal(http_status_text(431), "Request Header Fields Too Large");
	assert_string_equal(http_status_text(299), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_put_header),
		cmocka_unit_test(test_chunk_heads),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
