/* SPDX-License-Identifier: MIT
 * test_eventstream.c - AWS's event streams: wherever one is cut the same events come out; whatever
 * is damaged is told; nothing is kept beyond the cap. */
#include "common/eventstream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"
#include "tests/unit/eventstream_text.h"

enum { CAP = 4096 };

struct got {
	struct buf text;
	unsigned n, stop_at;
};

static int take(void *data, const struct sse_event *ev)
{
	struct got *g = data;
	assert_false(ev->oversize);
	if (++g->n == g->stop_at)
		return -ECANCELED;
	buf_put_char(&g->text, '[');
	buf_put(&g->text, ev->name.p ? ev->name : STR("-"));
	buf_put_char(&g->text, '|');
	buf_put(&g->text, ev->data.p ? ev->data : STR("-"));
	buf_put_char(&g->text, ']');
	return 0;
}

static int feed(struct str in, size_t first, size_t step, size_t cap, struct got *g)
{
	struct sse s;
	int r = 0;
	*g = (struct got){ 0 };
	buf_init(&g->text, 1 << 20);
	sse_init(&s, FRAMING_EVENTSTREAM, cap);
	for (size_t n = first; in.n && !r; n = step) {
		struct str piece = { in.p, n < in.n ? n : in.n };
		char *copy = mem_alloc(piece.n + 1);	/* its own block: for the sanitizer */
		memcpy(copy, piece.p, piece.n);
		r = sse_feed(&s, str_of(copy, piece.n), take, g);
		mem_free(copy);
		in = str_skip(in, piece.n);
		assert_true(s.held.n <= cap);
	}
	if (!r)
		r = sse_end(&s, take, g);
	sse_done(&s);
	return r;
}

/* At every cut into two, and in steps of 1 to 8. */
static void check(struct str in, const char *want, int end)
{
	for (size_t round = 1; round <= in.n + 8; round++) {
		struct got g;
		size_t step = round <= in.n ? in.n : round - in.n;
		assert_int_equal(feed(in, round <= in.n ? round : step, step, CAP, &g), end);
		if (strcmp(buf_z(&g.text), want) != 0)
			print_error("%zu: %s\n", round, buf_z(&g.text));
		assert_string_equal(buf_z(&g.text), want);
		buf_done(&g.text);
	}
}

/* A message as the vendor's own code writes it. */
static const char published[] =
	"0000009400000057b4ab9aee0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c7461"
	"0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74"
	"7970650700056576656e747b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b22"
	"74657874223a224869227d7d1f944657";

static void test_published_message(void **state)
{
	char bytes[148];
	struct buf b;
	(void)state;
	assert_int_equal(hash_unhex(bytes, sizeof bytes, str_z(published)), 0);
	check(str_of(bytes, sizeof bytes), "[contentBlockDelta|{\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hi\"}}]", 0);
	buf_init(&b, CAP);
	put_event(&b, "contentBlockDelta", STR("{\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hi\"}}"));
	assert_true(str_eq(buf_str(&b), str_of(bytes, sizeof bytes)));
	buf_done(&b);
}

static void test_several(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, CAP);
	put_event(&b, "messageStart", STR("{\"role\":\"assistant\"}"));
	put_event(&b, "messageStop", STR("{}"));
	put_message(&b, STR_NONE, STR_NONE);	/* no message-type: told as an error without words */
	check(buf_str(&b), "[messageStart|{\"role\":\"assistant\"}][messageStop|{}]"
			   "[error|{\"type\":\"error\",\"error\":{\"type\":\"error\",\"message\":\"\"}}]", 0);
	buf_done(&b);
	check(STR_NONE, "", 0);
}

static void test_failures(void **state)
{
	struct buf b, headers;
	(void)state;
	buf_init(&b, CAP);
	put_message_of(&b, "exception", ":exception-type", STR("throttlingException"), STR("{\"message\":\"slow \\u0064own\"}"));
	put_message_of(&b, "exception", ":exception-type", STR("odd"), STR("no \"JSON\""));
	buf_init(&headers, CAP);
	put_text_header(&headers, ":message-type", STR("error"));
	put_text_header(&headers, ":error-code", STR("InternalError"));
	put_text_header(&headers, ":error-message", STR("it broke"));
	put_message(&b, buf_str(&headers), STR_NONE);
	buf_done(&headers);
	check(buf_str(&b), "[throttlingException|{\"type\":\"error\",\"error\":{\"type\":\"throttlingException\",\"message\":\"slow down\"}}]"
			   "[odd|{\"type\":\"error\",\"error\":{\"type\":\"odd\",\"message\":\"no \\\"JSON\\\"\"}}]"
			   "[InternalError|{\"type\":\"error\",\"error\":{\"type\":\"InternalError\",\"message\":\"it broke\"}}]", 0);
	buf_done(&b);
}

static int note_raw(void *data, const struct sse_event *ev)
{
	buf_put(data, ev->raw);
	return 0;
}

static void put_chunk(struct buf *b, struct str json)
{
	char base64[512];
	struct buf payload;
	buf_init(&payload, CAP);
	assert_true(hash_base64(base64, sizeof base64, json));
	buf_printf(&payload, "{\"bytes\":\"%s\",\"p\":\"abcdef\"}", base64);
	put_event(b, "chunk", buf_str(&payload));
	buf_done(&payload);
}

/* What is wrapped comes out as a stream of server-sent events would have had it. */
static void test_wrapped(void **state)
{
	struct buf b, raw;
	struct sse s;
	(void)state;
	buf_init(&b, CAP);
	buf_init(&raw, CAP);
	put_chunk(&b, STR("{\"type\":\"message_stop\",\n\"a\":\"\\n\"}"));
	put_chunk(&b, STR("{\"no\":\"type\"}"));
	put_chunk(&b, STR("{\"type\":\"a\\nb\"}"));
	put_message_of(&b, "exception", ":exception-type", STR("modelTimeoutException"), STR("{\"message\":\"late\"}"));
	check(buf_str(&b), "[message_stop|{\"type\":\"message_stop\", \"a\":\"\\n\"}][-|{\"no\":\"type\"}][a\nb|{\"type\":\"a\\nb\"}]"
			   "[modelTimeoutException|{\"type\":\"error\",\"error\":{\"type\":\"modelTimeoutException\",\"message\":\"late\"}}]", 0);
	sse_init(&s, FRAMING_EVENTSTREAM, CAP);
	assert_int_equal(sse_feed(&s, buf_str(&b), note_raw, &raw), 0);
	assert_string_equal(buf_z(&raw), "event: message_stop\ndata: {\"type\":\"message_stop\", \"a\":\"\\n\"}\n\n"
					 "data: {\"no\":\"type\"}\n\ndata: {\"type\":\"a\\nb\"}\n\n"
					 "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"modelTimeoutException\",\"message\":\"late\"}}\n\n");
	sse_done(&s);
	buf_done(&b);
	buf_done(&raw);
}

static void test_wrapped_badly(void **state)
{
	static const char *const payloads[] = {
		"", "{}", "{\"bytes\":1}", "{\"bytes\":\"***\"}", "{\"bytes\":\"e30\"}",	/* not padded */
		"{\"bytes\":\"bm8gSlNPTg==\"}", "{\"bytes\":\"W10=\"}", "{\"bytes\":\"\"}", "no JSON",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(payloads); i++) {
		struct buf b;
		buf_init(&b, CAP);
		put_event(&b, "chunk", str_z(payloads[i]));
		check(buf_str(&b), "", -EBADMSG);
		buf_done(&b);
	}
}

/* A bit turned anywhere is found out, and what came before has been told. */
static void test_every_bit_counts(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, CAP);
	put_event(&b, "x", STR("{\"a\":1}"));
	size_t first = b.n;
	put_event(&b, "y", STR("{\"b\":2}"));
	for (size_t bit = 0; bit < 8 * (b.n - first); bit++) {
		struct got g;
		b.p[first + bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(feed(buf_str(&b), b.n, b.n, CAP, &g), -EBADMSG);
		assert_string_equal(buf_z(&g.text), "[x|{\"a\":1}]");
		b.p[first + bit / 8] ^= (char)(1 << bit % 8);
		buf_done(&g.text);
	}
	buf_done(&b);
}

static void test_cut_off(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, CAP);
	put_event(&b, "x", STR("{}"));
	for (size_t n = 1; n < b.n; n++)
		check(str_of(b.p, n), "", -EBADMSG);
	buf_done(&b);
}

/* Longer than the cap: told as soon as its length is known, and not held. */
static void test_cap(void **state)
{
	char big[CAP] = { 0 };
	struct buf b;
	struct got g;
	(void)state;
	buf_init(&b, 2 * CAP);
	memset(big, ' ', sizeof big);
	put_event(&b, "x", str_of(big, CAP - 100));
	size_t whole = b.n;
	assert_int_equal(feed(buf_str(&b), 7, 100, whole, &g), 0);
	assert_int_equal(g.n, 1);
	buf_done(&g.text);
	assert_int_equal(feed(buf_str(&b), 7, 100, whole - 1, &g), -EBADMSG);
	buf_done(&g.text);
	buf_done(&b);
}

/* Lengths that cannot be, with a checksum that is right. */
static void test_lengths(void **state)
{
	static const uint32_t pairs[][2] = { { 15, 0 }, { 0, 0 }, { 16, 1 }, { 20, 5 }, { 200, UINT32_MAX }, { UINT32_MAX, 0 } };
	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct got g;
		struct buf b;
		buf_init(&b, CAP);
		put_u32(&b, pairs[i][0]);
		put_u32(&b, pairs[i][1]);
		put_u32(&b, hash_crc32(0, b.p, 8));
		assert_int_equal(feed(buf_str(&b), b.n, b.n, CAP, &g), -EBADMSG);
		buf_done(&g.text);
		buf_done(&b);
	}
}

/* Every type of value is passed over; one that does not end within the headers is not. */
static void test_header_values(void **state)
{
	static const struct {
		struct str headers;
		int end;
	} rows[] = {
		{ STR("\1a\0\1b\1\1c\2x\1d\3xx\1e\4xxxx\1f\5xxxxxxxx\1g\6\0\2xx\1h\7\0\0\1i\10xxxxxxxx\1j\11xxxxxxxxxxxxxxxx\0\0"), 0 },
		{ STR("\1a\12"), -EBADMSG },
		{ STR("\1a\377"), -EBADMSG },
		{ STR("\1a"), -EBADMSG },
		{ STR("\2a"), -EBADMSG },
		{ STR("\1a\7\0\2x"), -EBADMSG },
		{ STR("\1a\7\0"), -EBADMSG },
		{ STR("\1a\11xxxxxxxxxxxxxxx"), -EBADMSG },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b, headers;
		buf_init(&headers, CAP);
		buf_init(&b, CAP);
		put_text_header(&headers, ":message-type", STR("event"));
		put_text_header(&headers, ":event-type", STR("e"));
		buf_put(&headers, rows[i].headers);
		put_message(&b, buf_str(&headers), STR("{}"));
		check(buf_str(&b), rows[i].end ? "" : "[e|{}]", rows[i].end);
		buf_done(&headers);
		buf_done(&b);
	}
}

static void test_stopped(void **state)
{
	struct got g = { .stop_at = 2 };
	struct buf b;
	struct sse s;
	(void)state;
	buf_init(&b, CAP);
	buf_init(&g.text, CAP);
	for (int i = 0; i < 3; i++)
		put_event(&b, "x", STR("{}"));
	sse_init(&s, FRAMING_EVENTSTREAM, CAP);
	assert_int_equal(sse_feed(&s, buf_str(&b), take, &g), -ECANCELED);
	assert_int_equal(g.n, 2);
	sse_done(&s);
	buf_done(&g.text);
	buf_done(&b);
}

/* Whichever allocation fails, it is said so. */
static void test_no_memory(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, CAP);
	put_chunk(&b, STR("{\"type\":\"x\"}"));
	for (uint64_t nth = 1; nth <= 12; nth++) {
		struct got g = { 0 };
		struct sse s;
		buf_init(&g.text, CAP);
		buf_reserve(&g.text, 100);
		sse_init(&s, FRAMING_EVENTSTREAM, CAP);
		mem_fail_at(nth);
		int r = sse_feed(&s, str_of(b.p, 20), take, &g);
		if (!r)
			r = sse_feed(&s, str_skip(buf_str(&b), 20), take, &g);
		mem_fail_at(0);
		assert_true(r == -ENOMEM || (r == 0 && g.n == 1) || (r == -EBADMSG && g.n == 0));
		sse_done(&s);
		buf_done(&g.text);
	}
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_message),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_wrapped),
		cmocka_unit_test(test_wrapped_badly),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_header_values),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
