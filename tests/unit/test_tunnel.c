/* SPDX-License-Identifier: MIT
 * test_tunnel.c - a server's WebSocket frames are put together, and its answer to an upgrade is
 * read strictly. */
#include "worker/exchange/tunnel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "worker/exchange/ws_frames.h"
#include "worker/worker.h"

/* main.c's; nobody here asks for it. */
struct snap *worker_snap(struct worker *w)
{
	(void)w;
	return NULL;
}

static void on_text(void *data, struct str text)
{
	buf_put(data, text);
	buf_put_char(data, '|');
}

#define FRAMES(bytes) heard(STR(bytes))
static const char *heard(struct str bytes)
{
	static char room[64];
	struct ws_frames f;
	struct buf out;
	buf_init(&out, sizeof room);
	for (size_t piece = 1; piece <= 3; piece += 2) {
		buf_reset(&out);
		ws_frames_init(&f);
		for (struct str s = bytes; s.n; s = str_skip(s, piece))
			ws_frames_feed(&f, str_of(s.p, s.n < piece ? s.n : piece), on_text, &out);
		ws_frames_done(&f);
		snprintf(room, sizeof room, STR_FMT, STR_ARG(buf_str(&out)));
	}
	buf_done(&out);
	return room;
}

static void test_frames(void **state)
{
	(void)state;
	assert_string_equal(FRAMES("\x81\x02hi"), "hi|");
	assert_string_equal(FRAMES("\x81\x00\x81\x01" "a"), "|a|");
	assert_string_equal(FRAMES("\x82\x02hi\x81\x01" "a"), "a|");
	assert_string_equal(FRAMES("\x01\x02he\x89\x01!\x80\x03llo\x81\x01" "b"), "hello|b|");
	assert_string_equal(FRAMES("\x81\x7e\x00\x03" "abc"), "abc|");
	assert_string_equal(FRAMES("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02" "ab"), "ab|");
	assert_string_equal(FRAMES("\x81\x82" "keysab\x81\x01" "a"), "");	/* masked */
	assert_string_equal(FRAMES("\xc1\x01" "a"), "");		/* compressed */
	assert_string_equal(FRAMES("\x83\x01" "a"), "");		/* no such frame */
	assert_string_equal(FRAMES("\x09\x01" "a"), "");		/* a ping in parts */
	assert_string_equal(FRAMES("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x02" "ab"), "");
	assert_string_equal(FRAMES("\x81\x05" "abc"), "");
}

static void test_long_messages_are_passed_over(void **state)
{
	static const char lot[4096];
	struct ws_frames f;
	struct buf out;
	(void)state;
	buf_init(&out, 64);
	ws_frames_init(&f);
	ws_frames_feed(&f, STR("\x81\x7f\x00\x00\x00\x00\x00\x20\x00\x00"), on_text, &out);
	for (int i = 0; i < 512; i++)
		ws_frames_feed(&f, str_of(lot, sizeof lot), on_text, &out);
	ws_frames_feed(&f, STR("\x81\x02hi"), on_text, &out);
	assert_string_equal(buf_z(&out), "hi|");
	ws_frames_done(&f);
	buf_done(&out);
}

#define GOOD                                                                                       \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: x, upgrade\r\n"      \
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static void test_heads(void **state)
{
	static const char *const bad[] = {
		"", "\r\n\r\n", "HTTP/1.1 101 X\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200 OK\n\r\n\r\n",
		"HTTP/1.1 200 OK\r\n a: b\r\n\r\n", "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
		"HTTP/1.1 200 OK\r\na\r\n\r\n", "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", GOOD, GOOD "a: b\r\n",
		GOOD "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
		GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		("HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\nSec-WebSocket-Accept: "
		 "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
	};
	struct tunnel_answer a;
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (tunnel_read_head(str_z(bad[i]), &a) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(tunnel_read_head(STR(GOOD "Sec-WebSocket-Protocol: realtime\r\n\r\n"), &a),
			 0);
	assert_true(a.is_upgrade && str_eq(a.protocol, STR("realtime")));
	assert_true(str_eq(a.accept, STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
	assert_int_equal(tunnel_read_head(STR("HTTP/1.1 401 No\r\nContent-Length: 7\r\n\r\n"), &a), 0);
	assert_true(!a.is_upgrade && a.status == 401 && a.length == 7);
	assert_int_equal(tunnel_read_head(STR("HTTP/1.1 503\r\n\r\n"), &a), 0);
	assert_true(a.status == 503 && a.length == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_long_messages_are_passed_over),
		cmocka_unit_test(test_heads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
