/* SPDX-License-Identifier: MIT
 * test_http_in.c - what is a request, what is not, and that cutting the input changes nothing.
 *
 * A vector in tests/vectors/http says in its first line what becomes of it: each request with its
 * target and the bytes of its body, then "end" (nothing left over), "more" (not whole), "close"
 * (the connection ends there) or "refused" and the status. The second line says why. All others
 * are the input; line ends are written out as \r\n, \R{n,c} stands for c n times.
 * Run from the source root, or with the vectors' folder as the argument. */
#include "worker/client/http_in.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/mem.h"

enum { INPUT_MAX = 1 << 17, CUTS_MAX = 1500 };
static const char *vectors = "tests/vectors/http";

/* What came of an input: in short, as vectors say it, and with every detail. */
struct story {
	struct buf brief, full;
	size_t body_bytes;
	bool is_over;
};

static void story_init(struct story *s)
{
	*s = (struct story){ 0 };
	buf_init(&s->brief, 1 << 20);
	buf_init(&s->full, 1 << 22);
}

static void story_done(struct story *s)
{
	buf_done(&s->brief);
	buf_done(&s->full);
}

static void tell_head(struct story *s, const struct http_in *h)
{
	const struct http_request *q = http_in_request(h);
	buf_put(&s->brief, q->method);
	if (q->target.n > 64)
		buf_printf(&s->brief, " %zu", q->target.n);
	else
		buf_printf(&s->brief, " " STR_FMT, STR_ARG(q->target));
	buf_printf(&s->full, "[%u %d %d %llu %d " STR_FMT " " STR_FMT "?" STR_FMT "\n",
		   q->version_minor, q->keep_alive, q->has_body,
		   (unsigned long long)q->content_length, http_in_expects_continue(h),
		   STR_ARG(q->target), STR_ARG(q->path), STR_ARG(q->query));
	for (unsigned i = 0; i < q->n_headers; i++)
		buf_printf(&s->full, STR_FMT "=" STR_FMT "\n", STR_ARG(q->headers[i].name),
			   STR_ARG(q->headers[i].value));
	s->body_bytes = 0;
}

/* False when nothing more can come of these bytes. */
static bool tell_next(struct story *s, struct http_in *h, struct str *in)
{
	struct str body;
	switch (http_in_next(h, in, &body)) {
	case HTTP_IN_MORE:
		assert_int_equal(in->n, 0);
		return false;
	case HTTP_IN_HEAD:
		tell_head(s, h);
		return true;
	case HTTP_IN_BODY:
		assert_true(body.n > 0);
		s->body_bytes += body.n;
		buf_put(&s->full, body);
		return true;
	case HTTP_IN_END:
		buf_printf(&s->brief, " %zu, ", s->body_bytes);
		BUF_PUT_LIT(&s->full, "]");
		s->is_over = !http_in_request(h)->keep_alive;
		if (s->is_over)
			BUF_PUT_LIT(&s->brief, "close");
		http_in_reset(h);
		return !s->is_over;
	default:
		if (s->brief.n && s->brief.p[s->brief.n - 1] != ' ')
			BUF_PUT_LIT(&s->brief, ", ");
		buf_printf(&s->brief, "refused %d", http_in_refusal(h)->status);
		buf_put_z(&s->full, http_in_refusal(h)->message);
		s->is_over = true;
		return false;
	}
}

/* Feeds the input in pieces: first `cut` bytes, then `step` at a time. */
static void tell(struct story *s, struct str in, size_t cut, size_t step)
{
	struct http_in *h = http_in_new();
	assert_non_null(h);
	story_init(s);
	size_t given = 0, seen = 0;
	while (given < in.n && !s->is_over) {
		size_t n = given == 0 && cut ? cut : step;
		struct str piece = str_skip(in, given);
		piece.n = piece.n < n ? piece.n : n;
		given += piece.n;
		while (tell_next(s, h, &piece))
			seen = given - piece.n;
	}
	if (!s->is_over && s->brief.n && s->brief.p[s->brief.n - 1] != ' ')
		BUF_PUT_LIT(&s->brief, ", more");
	else if (!s->is_over)
		buf_put_z(&s->brief, seen == in.n ? "end" : "more");
	assert_false(s->brief.failed || s->full.failed);
	http_in_free(h);
}

static bool same(const struct story *a, const struct story *b)
{
	return str_eq(buf_str(&a->brief), buf_str(&b->brief)) &&
	       str_eq(buf_str(&a->full), buf_str(&b->full));
}

/* The invariant: whole, dripping, in sevens, and cut once anywhere. */
static void any_cut_is_the_same(const char *name, struct str in, const struct story *whole)
{
	size_t stride = in.n / CUTS_MAX + 1;
	for (size_t cut = 1; cut < in.n + 2 * stride; cut += stride) {
		struct story s;
		size_t step = cut < in.n ? in.n : cut < in.n + stride ? 1 : 7;
		tell(&s, in, cut < in.n ? cut : 0, step);
		if (!same(&s, whole))
			fail_msg("%s: cut at %zu, step %zu: " STR_FMT " is not " STR_FMT, name, cut,
				 step, STR_ARG(s.brief), STR_ARG(whole->brief));
		story_done(&s);
	}
}

/* ---- reading vectors ---- */

static unsigned hex(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* One escape at *p, behind its backslash. */
static void unescape(struct buf *out, const char **p)
{
	char c = *(*p)++, *end;
	if (c == 'r') {
		buf_put_char(out, '\r');
	} else if (c == 'n') {
		buf_put_char(out, '\n');
	} else if (c == 't') {
		buf_put_char(out, '\t');
	} else if (c == 'x') {
		buf_put_char(out, (char)(hex((*p)[0]) << 4 | hex((*p)[1])));
		*p += 2;
	} else if (c == 'R') {
		for (long n = strtol(*p + 1, &end, 10); n > 0; n--)
			buf_put_char(out, end[1]);
		*p = end + 3;
	} else {
		buf_put_char(out, c);
	}
}

static void read_vector(const char *name, char expected[512], struct buf *input)
{
	char path[512], line[4096];
	snprintf(path, sizeof path, "%s/%s", vectors, name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	assert_memory_equal(line, "# ", 2);
	snprintf(expected, 512, "%.*s", (int)strcspn(line + 2, "\n"), line + 2);
	assert_non_null(fgets(line, sizeof line, f));
	while (fgets(line, sizeof line, f)) {
		const char *p = line;
		while (*p && *p != '\n')
			if (*p == '\\' && p++)
				unescape(input, &p);
			else
				buf_put_char(input, *p++);
	}
	fclose(f);
	assert_false(input->failed);
}

static void test_vectors(void **state)
{
	(void)state;
	unsigned count = 0;
	DIR *d = opendir(vectors);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		char expected[512];
		struct buf input;
		struct story whole;
		if (!str_ends(str_z(e->d_name), STR(".txt")))
			continue;
		buf_init(&input, INPUT_MAX);
		read_vector(e->d_name, expected, &input);
		tell(&whole, buf_str(&input), 0, input.n);
		if (!str_eq_z(buf_str(&whole.brief), expected))
			fail_msg("%s: " STR_FMT " is not %s", e->d_name, STR_ARG(whole.brief),
				 expected);
		any_cut_is_the_same(e->d_name, buf_str(&input), &whole);
		story_done(&whole);
		buf_done(&input);
		count++;
	}
	closedir(d);
	assert_true(count >= 60);
}

/* ---- tables ---- */

static struct story story_of(struct str in)
{
	struct story s;
	tell(&s, in, 0, in.n);
	any_cut_is_the_same("table", in, &s);
	return s;
}

static bool is_refused(const struct story *s)
{
	return str_find(buf_str(&s->brief), STR("refused")) != SIZE_MAX;
}

enum { BAD = -1 };
static const struct length_row {
	const char *text;
	int64_t length;
} lengths[] = {
	{ "0", 0 }, { "00", 0 }, { "1", 1 }, { "5", 5 }, { "05", 5 }, { "10", 10 },
	{ "0000000000000000005", 5 }, { "2147483647", 2147483647 }, { "2147483648", 2147483648 },
	{ "4294967295", 4294967295 }, { "4294967296", 4294967296 }, { "4294967301", 4294967301 },
	{ "9223372036854775807", INT64_MAX }, { " 7", 7 }, { "7 ", 7 }, { "\t7", 7 },
	{ " \t7  ", 7 }, { "", BAD }, { " ", BAD }, { "\t", BAD }, { "-1", BAD }, { "+1", BAD },
	{ "-0", BAD }, { "+0", BAD }, { "--5", BAD }, { "5-", BAD }, { "+", BAD }, { "-", BAD },
	{ "0x10", BAD }, { "0X5", BAD }, { "0x", BAD }, { "x5", BAD }, { "1e3", BAD },
	{ "1E0", BAD }, { "5.", BAD }, { "1.0", BAD }, { ".5", BAD }, { "5,5", BAD },
	{ "5, 5", BAD }, { "5,", BAD }, { ",5", BAD }, { "5;", BAD }, { "5; q=1", BAD },
	{ "5 5", BAD }, { "5\t5", BAD }, { "0b1", BAD }, { "0o7", BAD }, { "1_000", BAD },
	{ "1'000", BAD }, { "1 000", BAD }, { "9223372036854775808", BAD },
	{ "9999999999999999999", BAD }, { "18446744073709551615", BAD },
	{ "18446744073709551616", BAD }, { "18446744073709551621", BAD },
	{ "99999999999999999999", BAD }, { "00000000000000000005", BAD },
	{ "100000000000000000000000000000000", BAD }, { "five", BAD }, { "NaN", BAD },
	{ "inf", BAD }, { "\"5\"", BAD }, { "'5'", BAD }, { "(5)", BAD }, { "5#", BAD },
	{ "5/", BAD }, { "5:", BAD }, { "5=", BAD }, { "5a", BAD }, { "a5", BAD }, { "5h", BAD },
	{ "%35", BAD }, { "5%20", BAD }, { "\\5", BAD }, { "5\x7f", BAD }, { "\x0b" "5", BAD },
	{ "5\x0b", BAD }, { "5\x0c", BAD }, { "5\x01", BAD }, { "\xd9\xa5", BAD },
	{ "\xef\xbc\x95", BAD }, { "5\xc2\xa0", BAD }, { "\xef\xbb\xbf" "5", BAD },
};
_Static_assert(COUNT(lengths) >= 60, "the table of lengths");

static void test_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct buf in;
		struct str body, left;
		struct http_in *h = http_in_new();
		buf_init(&in, 1024);
		buf_printf(&in, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:%s\r\n\r\n",
			   lengths[i].text);
		struct story s = story_of(buf_str(&in));
		left = buf_str(&in);
		enum http_in_event e = http_in_next(h, &left, &body);
		if ((e == HTTP_IN_HEAD) != (lengths[i].length != BAD) ||
		    (e == HTTP_IN_HEAD &&
		     http_in_request(h)->content_length != (uint64_t)lengths[i].length))
			fail_msg("Content-Length:%s: event %d", lengths[i].text, (int)e);
		if (e == HTTP_IN_HEAD)
			assert_int_equal(http_in_request(h)->has_body, lengths[i].length > 0);
		else
			assert_int_equal(http_in_refusal(h)->status, 400);
		story_done(&s);
		buf_done(&in);
		http_in_free(h);
	}
}

static bool is_token(int c)
{
	return c > 0x20 && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

/* Each byte at the beginning, in the middle and at the end of `format`'s hole. */
static void sweep(const char *before, const char *after, bool (*is_good)(int c, int place))
{
	for (int c = 0; c < 256; c++) {
		for (int place = 0; place < 3; place++) {
			struct buf in;
			buf_init(&in, 1024);
			buf_put_z(&in, before);
			buf_put_z(&in, place > 0 ? "ab" : "");
			buf_put_char(&in, (char)c);
			buf_put_z(&in, place < 2 ? "cd" : "");
			buf_put_z(&in, after);
			struct story s = story_of(buf_str(&in));
			if (is_refused(&s) == is_good(c, place))
				fail_msg("%s: byte %d, place %d: " STR_FMT, before, c, place,
					 STR_ARG(s.brief));
			story_done(&s);
			buf_done(&in);
		}
	}
}

static bool is_good_name(int c, int place)
{
	return is_token(c) || (c == ':' && place > 0);	/* it ends the name earlier */
}

static bool is_good_value(int c, int place)
{
	(void)place;
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static bool is_good_target(int c, int place)
{
	(void)place;
	return c > 0x20 && c < 0x7f && c != '#';
}

static void test_every_byte(void **state)
{
	(void)state;
	sweep("GET / HTTP/1.1\r\nHost: x\r\n", ": v\r\n\r\n", is_good_name);
	sweep("GET / HTTP/1.1\r\nHost: x\r\nn: ", "\r\n\r\n", is_good_value);
	sweep("GET /", " HTTP/1.1\r\nHost: x\r\n\r\n", is_good_target);
}

/* ---- what the rest of the worker sees ---- */

static void test_request(void **state)
{
	(void)state;
	struct http_in *h = http_in_new();
	struct str body, in = STR("POST /v1/chat?x=1&y HTTP/1.1\r\nHOST: gw\r\n"
				  "X-Mixed-Case: \t one two \t\r\nx_dropped: 1\r\nLangfuse_Name: n\r\nlangfuse-x_y: 2\r\nEmpty:\r\n"
				  "Content-Length: 4\r\n\r\nbodyGET");
	assert_int_equal(http_in_next(h, &in, &body), HTTP_IN_HEAD);
	const struct http_request *q = http_in_request(h);
	assert_true(str_eq(q->method, STR("POST")));
	assert_true(str_eq(q->target, STR("/v1/chat?x=1&y")));
	assert_true(str_eq(q->path, STR("/v1/chat")));
	assert_true(str_eq(q->query, STR("x=1&y")));
	assert_true(str_eq(http_header(q, "x-mixed-case"), STR("one two")));
	assert_null(http_header(q, "x_dropped").p);
	assert_null(http_header(q, "langfuse-x_y").p);
	assert_true(str_eq(http_header(q, "langfuse_name"), STR("n")));
	assert_null(http_header(q, "missing").p);
	assert_non_null(http_header(q, "empty").p);
	assert_int_equal(http_header(q, "empty").n, 0);
	assert_int_equal(q->n_headers, 5);
	assert_true(q->keep_alive && q->has_body && q->version_minor == 1);
	assert_int_equal(http_in_next(h, &in, &body), HTTP_IN_BODY);
	assert_true(str_eq(body, STR("body")));
	for (int again = 0; again < 2; again++) {
		assert_int_equal(http_in_next(h, &in, &body), HTTP_IN_END);
		assert_true(str_eq(in, STR("GET")));
	}
	http_in_reset(h);
	in = STR("HEAD / HTTP/1.1\r\nHost: gw\r\n\r\n");
	assert_int_equal(http_in_next(h, &in, &body), HTTP_IN_HEAD);
	assert_null(http_in_request(h)->query.p);
	assert_true(http_in_is_head(h));
	http_in_free(h);
}

/* Memory that fails is a refusal like any other. */
static void test_memory(void **state)
{
	(void)state;
	uint64_t live = mem_live();
	for (uint64_t nth = 1; nth < 20; nth++) {
		char big[6000];
		memset(big, 'a', sizeof big);
		memcpy(big, "GET / HTTP/1.1\r\nX: ", 19);
		struct str in = str_of(big, sizeof big), body;
		mem_fail_at(nth);
		struct http_in *h = http_in_new();
		enum http_in_event e = HTTP_IN_MORE;
		for (size_t at = 0; h && e == HTTP_IN_MORE && at < in.n; at++) {
			struct str one = str_of(in.p + at, 1);
			e = http_in_next(h, &one, &body);
		}
		mem_fail_at(0);
		assert_true(!h || e == HTTP_IN_MORE || http_in_refusal(h)->status == 503);
		http_in_free(h);
	}
	assert_int_equal(mem_live(), live);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_memory),
	};
	if (argc > 1)
		vectors = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
