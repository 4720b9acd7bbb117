/* SPDX-License-Identifier: MIT
 * test_multipart.c - forms are cut where a strict reader cuts them, and what two readers could
 * understand differently is refused. */
#include "worker/client/multipart.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/buf.h"

#define TYPE "multipart/form-data; boundary=b1"
#define HEAD(name) "--b1\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

/* "name=value|", "name(filename)=value|"; what cannot be read ends with "!". */
static const char *parts_of(struct buf *out, const char *type, struct str body)
{
	struct multipart m;
	struct multipart_part p;
	int more = -EBADMSG;
	buf_reset(out);
	if (multipart_open(&m, str_z(type), body))
		while ((more = multipart_next(&m, &p)) == 1) {
			buf_put(out, p.name);
			if (p.filename.p)
				buf_printf(out, "(" STR_FMT ")", STR_ARG(p.filename));
			buf_put_char(out, '=');
			buf_put(out, p.value);
			buf_put_char(out, '|');
		}
	if (more < 0)
		buf_put_char(out, '!');
	return buf_z(out);
}

static void test_well_formed(void **state)
{
	static const struct {
		const char *type, *body, *want;
	} rows[] = {
		{ TYPE, HEAD("a") "1\r\n--b1--\r\n", "a=1|" },
		{ TYPE, HEAD("a") "1\r\n--b1--", "a=1|" },
		{ TYPE, HEAD("a") "\r\n" HEAD("b") "2\r\n--b1--\r\n", "a=|b=2|" },
		{ TYPE, HEAD("a") "--b1--\r\n", "a=|" },
		{ TYPE, "--b1--\r\n", "" },
		{ TYPE, HEAD("a") "x\r\n--b10\r\ny\r\n--b1--\r\n", "a=x\r\n--b10\r\ny|" },
		{ TYPE, HEAD("a") "x\n--b1\ny\r\n--b1--\r\n", "a=x\n--b1\ny|" },
		{ "Multipart/FORM-data ; Boundary=\"b1\"; x=y", HEAD("a") "1\r\n--b1--\r\n", "a=1|" },
		{ TYPE, "--b1 \t\r\ncontent-disposition: Form-Data; filename=\"f;g\"; NAME=a\r\n"
			"Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\n1"
			"\r\n--b1-- \r\n", "a(f;g)=1|" },
	};
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_string_equal(parts_of(&out, rows[i].type, str_z(rows[i].body)),
				    rows[i].want);
	buf_done(&out);
}

static void test_doubtful(void **state)
{
	static const struct {
		const char *type, *body;
	} rows[] = {
		{ "multipart/mixed; boundary=b1", HEAD("a") "1\r\n--b1--\r\n" },
		{ "multipart/form-data", HEAD("a") "1\r\n--b1--\r\n" },
		{ "multipart/form-data; boundary=", "----\r\n" },
		{ "multipart/form-data; boundary=b1; boundary=b2", HEAD("a") "1\r\n--b1--\r\n" },
		{ "multipart/form-data; boundary=\"b1", HEAD("a") "1\r\n--b1--\r\n" },
		{ "multipart/form-data; boundary=b1; x", HEAD("a") "1\r\n--b1--\r\n" },
		{ "multipart/form-data; boundary=b\"1", HEAD("a") "1\r\n--b1--\r\n" },
		{ TYPE, "" },
		{ TYPE, "\r\n" HEAD("a") "1\r\n--b1--\r\n" },
		{ TYPE, HEAD("a") "1\r\n--b1--\r\n\r\n" },
		{ TYPE, HEAD("a") "1\r\n" },
		{ TYPE, HEAD("a") "1\r\n--b1\r\n" },
		{ TYPE, HEAD("a") "1\n--b1--\r\n" },
		{ TYPE, "--b1\r\n\r\n1\r\n--b1--\r\n" },
		{ TYPE, "--b1\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b1--\r\n" },
		{ TYPE, "--b1\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--b1--\r\n" },
		{ TYPE, HEAD("a\\\"b") "1\r\n--b1--\r\n" },
		{ TYPE, "--b1\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n--b1--\r\n" },
		{ TYPE, "--b1\r\nContent-Disposition: form-data; name=a; name*=b\r\n\r\n1\r\n--b1--\r\n" },
		{ TYPE, "--b1\r\nContent-Disposition: form-data; name=a\r\n"
			"Content-Disposition: form-data; name=b\r\n\r\n1\r\n--b1--\r\n" },
		{ TYPE, "--b1\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n--b1--\r\n" },
		{ TYPE, "--b1\r\nContent-Disposition : form-data; name=a\r\n\r\n1\r\n--b1--\r\n" },
		{ TYPE, "--b1\r\nContent-Disposition: form-data; name=a\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n\r\n1\r\n--b1--\r\n" },
		{ TYPE, "--b1\r\nContent-Disposition: form-data; name=a\n\r\n\r\n1\r\n--b1--\r\n" },
	};
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *got = parts_of(&out, rows[i].type, str_z(rows[i].body));
		if (got[strlen(got) - 1] != '!')
			fail_msg("row %zu gave %s", i, got);
	}
	buf_done(&out);
}

static void test_limits(void **state)
{
	struct buf body, out;
	(void)state;
	buf_init(&body, 1 << 20);
	buf_init(&out, 1 << 20);
	for (int i = 0; i < MULTIPART_PARTS_MAX; i++)
		BUF_PUT_LIT(&body, HEAD("a") "1\r\n");
	BUF_PUT_LIT(&body, "--b1--\r\n");
	const char *got = parts_of(&out, TYPE, buf_str(&body));
	assert_int_equal(got[strlen(got) - 1], '|');
	body.n -= STR("--b1--\r\n").n;
	BUF_PUT_LIT(&body, HEAD("a") "1\r\n--b1--\r\n");
	got = parts_of(&out, TYPE, buf_str(&body));
	assert_int_equal(got[strlen(got) - 1], '!');
	buf_reset(&body);
	BUF_PUT_LIT(&body, "--b1\r\nContent-Disposition: form-data; name=a\r\nX: ");
	for (int i = 0; i < MULTIPART_HEAD_MAX; i++)
		buf_put_char(&body, 'x');
	BUF_PUT_LIT(&body, "\r\n\r\n1\r\n--b1--\r\n");
	assert_string_equal(parts_of(&out, TYPE, buf_str(&body)), "!");
	buf_done(&body);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well_formed),
		cmocka_unit_test(test_doubtful),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
