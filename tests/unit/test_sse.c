/* SPDX-License-Identifier: MIT
 * test_sse.c - wherever a stream is cut, the same events come out; nothing is kept beyond the cap;
 * time is linear. */
#include "common/sse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/mem.h"

/* All events as one text: [name|data] with "-" for none; pieces of a long one as one <>. */
struct got {
	struct buf text;	/* what was said */
	struct buf raw;		/* every byte handed over */
	bool in_oversize;
	unsigned n, stop_at;
};

static void begin(struct got *g)
{
	*g = (struct got){ 0 };
	buf_init(&g->text, 1 << 20);
	buf_init(&g->raw, 1 << 20);
}

static void end(struct got *g)
{
	buf_done(&g->text);
	buf_done(&g->raw);
}

static int take(void *data, const struct sse_event *ev)
{
	struct got *g = data;
	buf_put(&g->raw, ev->raw);
	assert_true(ev->raw.n > 0);
	if (++g->n == g->stop_at)
		return -ECANCELED;
	if (ev->oversize) {
		assert_null(ev->data.p);
		assert_null(ev->name.p);
		if (!g->in_oversize)
			BUF_PUT_LIT(&g->text, "<>");
		g->in_oversize = true;
		return 0;
	}
	g->in_oversize = false;
	buf_put_char(&g->text, '[');
	buf_put(&g->text, ev->name.p ? ev->name : STR("-"));
	buf_put_char(&g->text, '|');
	buf_put(&g->text, ev->data.p ? ev->data : STR("-"));
	buf_put_char(&g->text, ']');
	return 0;
}

static void feed_in_steps(struct sse *s, struct str in, size_t first, size_t step, struct got *g)
{
	size_t n = first;
	while (in.n) {
		struct str piece = { in.p, n < in.n ? n : in.n };
		char *copy = mem_alloc(piece.n);	/* its own block: for the sanitizer */
		memcpy(copy, piece.p, piece.n);
		assert_int_equal(sse_feed(s, str_of(copy, piece.n), take, g), 0);
		mem_free(copy);
		in = str_skip(in, piece.n);
		n = step;
	}
	assert_int_equal(sse_end(s, take, g), 0);
}

/* At every cut into two, in steps of 1 to 8, and twice through the same reader. */
static void check_capped(enum stream_framing framing, struct str in, const char *want, size_t cap)
{
	struct sse s;
	sse_init(&s, framing, cap);
	for (size_t round = 0; round <= in.n + 8; round++) {
		struct got g;
		begin(&g);
		size_t step = round <= in.n ? in.n + 1 : round - in.n;
		feed_in_steps(&s, in, round <= in.n && round ? round : step, step, &g);
		assert_string_equal(buf_z(&g.text), want);
		assert_true(g.raw.n <= in.n && memcmp(g.raw.p ? g.raw.p : "", in.p, g.raw.n) == 0);
		end(&g);
	}
	sse_done(&s);
}

static void check(struct str in, const char *want)
{
	check_capped(FRAMING_SSE, in, want, 4096);
}

static void test_events(void **state)
{
	(void)state;
	check(STR("data: a\n\n"), "[-|a]");
	check(STR("event: x\ndata: {\"a\":1}\n\ndata: [DONE]\n\n"), "[x|{\"a\":1}][-|[DONE]]");
	check(STR("event: x\r\ndata: {\"a\":1}\r\n\r\ndata: [DONE]\r\n\r\n"),
	      "[x|{\"a\":1}][-|[DONE]]");
	check(STR("event: x\rdata: 1\r\rdata: 2\r\r"), "[x|1][-|2]");
	check(STR("data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\r"), "[-|a][-|b][-|c][-|d]");
	check(STR("data: one\ndata: two\ndata:\ndata: four\n\n"), "[-|one\ntwo\n\nfour]");
	check(STR("data: a\nevent: e\ndata: b\n\ndata: c\n\n"), "[e|a\nb][-|c]");
}

static void test_fields(void **state)
{
	(void)state;
	check(STR("data:a\n\n"), "[-|a]");
	check(STR("data:  a \n\n"), "[-| a ]");
	check(STR("data\n\n"), "[-|]");
	check(STR("data:\n\n"), "[-|]");
	check(STR("data: \n\n"), "[-|]");
	check(STR("data:\ndata:\n\n"), "[-|\n]");
	check(STR("event:\ndata: x\n\n"), "[|x]");
	check(STR("event\ndata: x\n\n"), "[|x]");
	check(STR("event: a\nevent: b\ndata: x\n\n"), "[b|x]");
	check(STR(" data: x\nDATA: y\ndatax: z\n\n"), "[-|-]");
	check(STR("data: a:b: c\n\n"), "[-|a:b: c]");
	check(STR("id: 1\nretry: 10\n\n"), "[-|-]");
	check(STR("event: ping\n\n"), "[ping|-]");
	check(STR(":\n\n: keep alive\n\n"), "[-|-][-|-]");
	check(STR("data: a\0b\n\n"), "[-|a");	/* as the text of a C string shows it */
}

static void test_empty_lines_and_marks(void **state)
{
	(void)state;
	check(STR(""), "");
	check(STR("\n\n"), "[-|-][-|-]");
	check(STR("\r\n\r\n"), "[-|-][-|-]");
	check(STR("\r\r"), "[-|-][-|-]");
	check(STR("\n\ndata: a\n\n\n\n"), "[-|-][-|-][-|a][-|-][-|-]");
	check(STR("\xef\xbb\xbf" "data: a\n\n"), "[-|a]");
	check(STR("\xef\xbb\xbf\ndata: a\n\n"), "[-|-][-|a]");
	check(STR("\xef\xbb\xbf\r\rdata: a\n\n"), "[-|-][-|-][-|a]");
	check(STR("data: a\n\n\xef\xbb\xbf" "data: b\n\n"), "[-|a][-|-]");
	check(STR("\xef\xbb\xbf\xef\xbb\xbf" "data: a\n\n"), "[-|-]");
	check(STR("\xef\xbb" "data: a\n\n"), "[-|-]");
}

static void test_the_end(void **state)
{
	(void)state;
	check(STR("data: a\n\ndata: b"), "[-|a][-|b]");
	check(STR("data: a\n\ndata: b\n"), "[-|a][-|b]");
	check(STR("data: b\r\n"), "[-|b]");
	check(STR("data: b\r"), "[-|b]");
	check(STR("data: a\n\n: bye\n"), "[-|a]");
	check(STR("data: a\n\nevent: x"), "[-|a]");
	check(STR(": bye\n\r"), "[-|-]");
	check(STR("dat"), "");
}

static void test_ndjson(void **state)
{
	(void)state;
	check_capped(FRAMING_NDJSON, STR("{\"a\":1}\n{\"b\":2}\r\n[3]"),
		     "[-|{\"a\":1}][-|{\"b\":2}][-|[3]]", 99);
	check_capped(FRAMING_NDJSON, STR("\n{}\n\r\n  \n{}\n"), "[-|-][-|{}][-|-][-|-][-|{}]", 99);
	check_capped(FRAMING_NDJSON, STR("\xef\xbb\xbf{}\n"), "[-|{}]", 99);
	check_capped(FRAMING_NDJSON, STR("{}\r{}\n"), "[-|{}\r{}]", 99);
	check_capped(FRAMING_NDJSON, STR("{}\n  "), "[-|{}]", 99);
	check_capped(FRAMING_NDJSON, STR("{}\n01234567890123456789\n{}\n"), "[-|{}]<>[-|{}]", 16);
	check_capped(FRAMING_NDJSON, STR("01234567890123456789\n"), "<>", 16);
	check_capped(FRAMING_NDJSON, STR("01234567890123456789"), "<>", 16);
}

static void test_too_long(void **state)
{
	(void)state;
	check_capped(FRAMING_SSE, STR("data: 12345678\n\ndata: x\n\n"), "[-|12345678][-|x]", 16);
	check_capped(FRAMING_SSE, STR("data: 123456789\n\ndata: x\n\n"), "<>[-|x]", 16);
	check_capped(FRAMING_SSE, STR("data: 123456\r\n\r\ndata: x\n\n"), "[-|123456][-|x]", 16);
	check_capped(FRAMING_SSE, STR("data: 1234567\r\n\r\ndata: x\n\n"), "<>[-|x]", 16);
	check_capped(FRAMING_SSE, STR("data: 12345678\r\rdata: x\n\n"), "[-|12345678][-|x]", 16);
	check_capped(FRAMING_SSE, STR("data: 12345678\n\r\ndata: x\n\n"), "<>[-|x]", 16);
	check_capped(FRAMING_SSE, STR("data: 12345678\n\r"), "[-|12345678]", 16);
	check_capped(FRAMING_SSE, STR("data: 123456789012345678901234567890\r\n\r\ndata: x\r\r"),
		     "<>[-|x]", 16);
	check_capped(FRAMING_SSE, STR("data: 12345678901234567890123\r456789\r\rdata: x\r\r"),
		     "<>[-|x]", 16);
	check_capped(FRAMING_SSE, STR("data: 1234567890123456\n789\n\ndata: x\n\n"), "<>[-|x]", 16);
	check_capped(FRAMING_SSE, STR("a: 34567890123\n\r\ndata: x\n\n"), "<>[-|x]", 16);
	check_capped(FRAMING_SSE, STR("data: 12345678901234567890"), "<>", 16);
	check_capped(FRAMING_SSE, STR("data: 12345678901234567890\n"), "<>", 16);
}

static void test_a_refusal_is_returned(void **state)
{
	struct sse s;
	struct got g;
	(void)state;
	sse_init(&s, FRAMING_SSE, 100);
	begin(&g);
	g.stop_at = 2;
	assert_int_equal(sse_feed(&s, STR("data: a\n\ndata: b\n\ndata: c\n\n"), take, &g),
			 -ECANCELED);
	assert_int_equal(g.n, 2);
	end(&g);
	sse_done(&s);
}

static void test_whole_events_are_not_copied(void **state)
{
	struct sse s;
	struct got g;
	(void)state;
	sse_init(&s, FRAMING_SSE, 100);
	begin(&g);
	assert_int_equal(sse_feed(&s, STR("data: a\n\nevent: x\ndata: b\n\n"), take, &g), 0);
	assert_null(s.held.p);
	assert_null(s.joined.p);
	end(&g);
	sse_done(&s);
}

static int count(void *data, const struct sse_event *ev)
{
	(void)ev;
	++*(unsigned *)data;
	return 0;
}

/* A megabyte in single bytes, as lines of one long event in each line end: were anything looked at
 * again from the start, this would take minutes. */
static void test_drip_feeding_is_linear(void **state)
{
	static const char *const ends[] = { "\n", "\r", "\r\n", "" };
	static char text[1 << 20];
	(void)state;
	for (size_t k = 0; k < COUNT(ends); k++) {
		struct sse s;
		unsigned n = 0;
		size_t len = 0;
		while (len + 8 < sizeof text) {
			memcpy(text + len, "data: x", 7);
			memcpy(text + len + 7, ends[k], strlen(ends[k]));
			len += 7 + strlen(ends[k]);
		}
		sse_init(&s, FRAMING_SSE, sizeof text);
		uint64_t before = clock_ns();
		for (size_t i = 0; i < len; i++)
			assert_int_equal(sse_feed(&s, str_of(text + i, 1), count, &n), 0);
		assert_int_equal(sse_end(&s, count, &n), 0);
		assert_int_equal(sse_feed(&s, str_of(text, len), count, &n), 0);
		assert_int_equal(sse_end(&s, count, &n), 0);
		assert_int_equal(n, 2);
		assert_true(clock_ns() - before < 10 * NS_PER_S);
		sse_done(&s);
	}
}

static void test_no_memory(void **state)
{
	(void)state;
	uint64_t live = mem_live();
	for (uint64_t nth = 1; nth <= 2; nth++) {
		struct sse s;
		unsigned n = 0;
		sse_init(&s, FRAMING_SSE, 100);
		mem_fail_at(nth);
		int r = sse_feed(&s, STR("data: a\nda"), count, &n);
		if (r == 0)
			r = sse_feed(&s, STR("ta: b\n\n"), count, &n);
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(n, 0);
		sse_done(&s);
	}
	mem_fail_at(0);
	assert_int_equal(mem_live(), live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_empty_lines_and_marks),
		cmocka_unit_test(test_the_end),
		cmocka_unit_test(test_ndjson),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_a_refusal_is_returned),
		cmocka_unit_test(test_whole_events_are_not_copied),
		cmocka_unit_test(test_drip_feeding_is_linear),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
