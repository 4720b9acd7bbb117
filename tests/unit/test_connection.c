/* SPDX-License-Identifier: MIT
 * test_connection.c - requests in, answers out, in any order and at any speed; clients
 * that leave; deadlines; memory that runs out. */
#include "tests/unit/client_rig.h"

/* ---- one connection, several requests ---- */

static void test_keep_alive(void **state)
{
	(void)state;
	struct client_end e = dial();
	for (int i = 0; i < 3; i++) {
		say_z(&e, GET("/plain"));
		assert_string_equal(buf_z(&e.got), "HTTP/1.1 200 OK\r\n"
						   "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
						   "x-test: 1\r\n"
						   "content-length: 6\r\n\r\n/plain");
		forget(&e);
	}
	say_z(&e, "GET /plain HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	assert_true(heard(&e, "connection: close\r\n"));
	assert_true(e.has_end);
	executed("/plain /plain /plain /plain ");
	assert_int_equal(rig.metrics.connections, 1);
	hang_up(&e);
	assert_int_equal(connections_open(&rig.w), 0);
}

static void test_pipelining(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, GET("/plain") POST("/echo", "Content-Length: 3\r\n") "abc" GET("/plain"));
	turns(&e, 8);
	assert_int_equal(count_heard(&e, "HTTP/1.1 200 OK"), 3);
	assert_true(heard(&e, "content-length: 3\r\n\r\nabcHTTP/1.1 200"));
	executed("/plain /echo /plain ");
	hang_up(&e);
}

/* What comes while a request runs waits for its answer, and beyond a limit in the kernel. */
static void test_next_waits(void **state)
{
	(void)state;
	static char flood[160 * 1024];
	struct client_end e = dial();
	say_z(&e, GET("/late") GET("/plain"));
	executed("/late ");
	answer(did.open, 200, STR("late"));
	turns(&e, 4);
	executed("/late /plain ");
	say_z(&e, GET("/late"));
	memset(flood, 'x', sizeof flood);
	say(&e, str_of(flood, sizeof flood));
	turns(&e, 20);
	assert_true(rig.w.connections->pending.n >= 65536);
	assert_true(rig.w.connections->pending.n < sizeof flood);
	answer(did.open, 200, STR("late"));
	turns(&e, 8);
	assert_true(heard(&e, "HTTP/1.1 400 "));
	executed("/late /plain /late ");
	hang_up(&e);
}

/* ---- bodies ---- */

static void test_bodies(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, POST("/echo", "Content-Length: 10\r\n") "01234");
	assert_int_equal(e.got.n, 0);
	say_z(&e, "56789");
	assert_true(heard(&e, "\r\n\r\n0123456789"));
	forget(&e);
	say_z(&e, POST("/echo", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n2\r\nd");
	say_z(&e, "e\r\n0\r\n\r\n" GET("/plain"));
	assert_true(heard(&e, "content-length: 5\r\n\r\nabcdeHTTP"));
	forget(&e);
	say_z(&e, POST("/echo", ""));
	assert_true(heard(&e, "content-length: 0\r\n"));
	forget(&e);
	say_z(&e, POST("/echo", "Expect: 100-continue\r\nContent-Length: 2\r\n"));
	assert_string_equal(buf_z(&e.got), "HTTP/1.1 100 Continue\r\n\r\n");
	say_z(&e, "ok");
	assert_true(heard(&e, "\r\n\r\nok"));
	assert_int_equal(did.done, 4);
	hang_up(&e);
}

/* An answer before the body is whole ends the connection, cleanly, and nothing behind it runs. */
static void test_early_answer(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, POST("/early", "Content-Length: 1000\r\n") "some");
	assert_true(heard(&e, "HTTP/1.1 401 Unauthorized\r\n"));
	assert_true(heard(&e, "connection: close\r\n"));
	assert_true(e.has_end);
	say_z(&e, GET("/plain"));
	say_z(&e, GET("/plain"));
	executed("/early ");
	assert_int_equal(e.error, 0);
	assert_int_equal(connections_open(&rig.w), 1);
	hang_up(&e);
	assert_int_equal(connections_open(&rig.w), 0);
	e = dial();
	say_z(&e, POST("/early", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
	assert_true(heard(&e, "connection: close\r\n"));
	assert_false(heard(&e, "100 Continue"));
	hang_up(&e);
	executed("/early /early ");
}

/* A body that is here already is read over, so the connection may live. */
static void test_early_answer_to_whole(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, POST("/early", "Content-Length: 4\r\n") "some" GET("/plain"));
	say_z(&e, "GET /plain HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nxy" GET("/plain"));
	turns(&e, 8);
	assert_int_equal(count_heard(&e, "HTTP/1.1 "), 4);
	assert_false(heard(&e, "connection: close"));
	executed("/early /plain /plain /plain ");
	say_z(&e, GET("/late"));
	say_z(&e, GET("/plain"));
	answer(did.open, 200, STR(""));
	say_z(&e, POST("/late", "Transfer-Encoding: chunked\r\n") "5\r\nhello");
	say_z(&e, "\r\n0\r\n\r\n" GET("/plain"));
	answer(did.open, 200, STR(""));
	turns(&e, 8);
	executed("/early /plain /plain /plain /late /plain /late /plain ");
	hang_up(&e);
}

static void test_too_large(void **state)
{
	(void)state;
	static char lot[200001];
	memset(lot, 'x', sizeof lot - 1);
	struct client_end e = dial();
	say_z(&e, POST("/count", "Content-Length: 100000\r\n"));
	say(&e, str_of(lot, 100000));
	assert_true(heard(&e, "\r\n\r\n100000"));
	say_z(&e, POST("/count", "Content-Length: 100001\r\n"));
	assert_int_equal(did.failed, OUTCOME_TOO_LARGE);
	assert_true(heard(&e, "HTTP/1.1 413 Content Too Large\r\n") && e.has_end);
	hang_up(&e);
	did.failed = OUTCOME_OK;
	e = dial();
	say_z(&e, POST("/count", "Transfer-Encoding: chunked\r\n") "fffff\r\n");
	say(&e, str_of(lot, 100000));
	assert_int_equal(did.failed, OUTCOME_OK);
	say(&e, str_of(lot, 1));
	assert_int_equal(did.failed, OUTCOME_TOO_LARGE);
	assert_true(heard(&e, "HTTP/1.1 413 "));
	hang_up(&e);
	e = dial();
	say_z(&e, POST("/echo", "Transfer-Encoding: chunked\r\n") "3\r\nabcd\r\n");
	assert_int_equal(did.failed, OUTCOME_BAD_REQUEST);
	assert_true(heard(&e, "HTTP/1.1 400 ") && e.has_end);
	hang_up(&e);
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, "GET /plain HTTP/1.1\r\n\r\n" GET("/plain"));
	assert_true(heard(&e, "HTTP/1.1 400 Bad Request\r\n"));
	assert_true(heard(&e, "connection: close\r\n"));
	assert_true(heard(&e, "\r\n\r\n{\"error\":{\"message\":"
			      "\"Exactly one valid Host header is required.\",\"type\":"
			      "\"invalid_request_error\",\"param\":null,\"code\":\"400\"}}"));
	assert_true(e.has_end);
	assert_int_equal(rig.metrics.http_errors, 1);
	executed("");
	hang_up(&e);
	e = dial();
	say_z(&e, GET("/none"));
	assert_true(heard(&e, "HTTP/1.1 503 Service Unavailable\r\n"));
	hang_up(&e);
}

/* ---- clients that leave ---- */

static void test_client_gone(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		struct client_end e = dial();
		say_z(&e, how < 2 ? GET("/late") : POST("/echo", "Content-Length: 9\r\n") "x");
		assert_non_null(did.open);
		if (how & 1)
			shutdown(e.fd, SHUT_WR);
		else
			close(e.fd);
		turn();
		assert_int_equal(did.gone, how + 1);
		turn();
		assert_int_equal(connections_open(&rig.w), 0);
		if (how & 1)
			close(e.fd);
		buf_done(&e.got);
	}
}

static void test_client_gone_mid_stream(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, GET("/stream"));
	assert_true(heard(&e, "transfer-encoding: chunked\r\n\r\n"));
	conn_reply_piece(did.open->conn, STR("data: 1\n\n"));
	close(e.fd);
	conn_reply_piece(did.open->conn, STR("data: 2\n\n"));
	conn_reply_piece(did.open->conn, STR("data: 3\n\n"));
	assert_int_equal(did.gone, 0);
	turn();
	assert_int_equal(did.gone, 1);
	buf_done(&e.got);
}

/* A copy has what the client gets, and what it would have got. */
static void test_copy(void **state)
{
	(void)state;
	static const char *const paths[] = { GET("/stream"), GET("/sized"), GET("/late") };
	for (size_t i = 0; i < 2 * COUNT(paths); i++) {
		struct conn_copy copy = { 0 };
		struct client_end e = dial();
		buf_init(&copy.head, 1000);
		buf_init(&copy.body, 1000);
		did.goes_on = true;
		say_z(&e, paths[i % COUNT(paths)]);
		struct connection *c = did.open->conn;
		conn_copy_to(c, &copy);
		bool leaves = i >= COUNT(paths);
		if (leaves) {
			close(e.fd);
			turn();
			turn();
			assert_int_equal(connections_open(&rig.w), 0);
			assert_int_equal(did.gone, 0);
			assert_true(str_eq(did.open->http->method, STR("GET")));
		}
		if (i % COUNT(paths) == 2) {
			conn_reply(c, 201, STR("a: b\r\n"), STR("0123456789"));
			assert_int_equal(copy.status, 201);
			assert_true(str_eq(buf_str(&copy.head), STR("a: b\r\n")));
		} else {
			conn_reply_piece(c, STR("01234"));
			conn_reply_piece(c, STR("56789"));
			assert_false(copy.is_whole);
			conn_reply_end(c);
		}
		assert_true(copy.is_whole);
		assert_true(str_eq(buf_str(&copy.body), STR("0123456789")));
		conn_forget_request(c);
		mem_free(did.open);
		did.open = NULL;
		did.goes_on = false;
		buf_done(&copy.head);
		buf_done(&copy.body);
		if (!leaves)
			hang_up(&e);
		buf_done(&e.got);
	}
}

static void test_copy_is_cut(void **state)
{
	(void)state;
	struct conn_copy copy = { 0 };
	struct client_end e = dial();
	buf_init(&copy.head, 1000);
	buf_init(&copy.body, 8);
	say_z(&e, GET("/stream"));
	conn_copy_to(did.open->conn, &copy);
	conn_reply_piece(did.open->conn, STR("01234"));
	assert_false(copy.body.failed);
	conn_reply_piece(did.open->conn, STR("56789"));
	assert_true(copy.body.failed);
	close(e.fd);
	turn();
	assert_int_equal(did.gone, 1);	/* nobody said that it goes on */
	assert_false(copy.is_whole);
	buf_done(&copy.body);
	buf_done(&e.got);
}

/* ---- streams ---- */

static void test_stream(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, GET("/stream"));
	forget(&e);
	conn_reply_piece(did.open->conn, STR("data: one\n\n"));
	hear(&e);
	assert_string_equal(buf_z(&e.got), "b\r\ndata: one\n\n\r\n");
	forget(&e);
	conn_reply_piece(did.open->conn, STR(""));
	conn_reply_piece(did.open->conn, STR("0123456789abcdef"));
	conn_reply_end(did.open->conn);
	mem_free(did.open);
	did.open = NULL;
	say_z(&e, GET("/plain"));
	assert_true(heard(&e, "10\r\n0123456789abcdef\r\n0\r\n\r\nHTTP/1.1 200 OK"));
	hang_up(&e);
}

/* A length that is told is kept to the byte: more is cut off, less is an answer broken off. */
static void test_sized(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, GET("/sized"));
	conn_reply_piece(did.open->conn, STR("01234"));
	hear(&e);
	assert_true(heard(&e, "content-length: 10\r\n") && !heard(&e, "chunked"));
	assert_true(heard(&e, "\r\n\r\n01234"));
	forget(&e);
	conn_reply_piece(did.open->conn, STR("56789and more"));
	end_stream(conn_reply_end);
	say_z(&e, GET("/plain"));
	assert_true(heard(&e, "56789HTTP/1.1 200 OK"));
	say_z(&e, GET("/sized"));
	forget(&e);
	conn_reply_piece(did.open->conn, STR("012345678"));
	end_stream(conn_reply_end);
	turns(&e, 4);
	assert_true(e.has_end && heard(&e, "012345678"));
	hang_up(&e);
}

/* Bytes of another protocol: what is not taken waits, and reading stops when it is much. */
static void test_switch(void **state)
{
	static char lot[300 * 1024];
	struct client_end e = dial();
	(void)state;
	did.tunnel_room = 5;
	say_z(&e, GET("/switch") "hello, world");
	turns(&e, 4);
	assert_true(heard(&e, "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"));
	assert_true(str_eq(buf_str(&did.tunnel), STR("hello")));
	did.tunnel_room = 1000;
	conn_tunnel_more(did.open->conn);
	turns(&e, 4);
	assert_true(str_eq(buf_str(&did.tunnel), STR("hello, world")));
	conn_reply_piece(did.open->conn, STR("piece"));
	turns(&e, 2);
	assert_true(heard(&e, "\r\n\r\npiece"));
	did.tunnel_room = 0;
	ssize_t sent = send(e.fd, lot, sizeof lot, MSG_NOSIGNAL | MSG_DONTWAIT);
	turns(&e, 8);
	assert_true(sent > 0 && did.open->conn->pending.n < 256 * 1024);
	assert_int_equal(did.tunnel.n, 12);
	did.tunnel_room = sizeof lot;
	conn_tunnel_more(did.open->conn);
	turns(&e, 20);
	assert_int_equal(did.tunnel.n, 12 + (size_t)sent);
	end_stream(conn_reply_end);
	turns(&e, 4);
	assert_true(e.has_end);
	hang_up(&e);
	e = dial();
	say_z(&e, GET("/switch"));
	hang_up(&e);
	turn();
	turn();
	assert_int_equal(did.gone, 1);
}

/* Broken off: no last chunk; where there are no chunks, a reset. */
static void test_stream_abort(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, GET("/stream"));
	conn_reply_piece(did.open->conn, STR("x"));
	end_stream(conn_reply_abort);
	turns(&e, 4);
	assert_true(e.has_end && heard(&e, "\r\n\r\n1\r\nx\r\n") && !heard(&e, "\r\n0\r\n"));
	hang_up(&e);
	e = dial_tcp();
	say_z(&e, "GET /stream HTTP/1.0\r\n\r\n");
	while (!did.open) {
		turns(&e, 1);
		poll(NULL, 0, 1);
	}
	conn_reply_piece(did.open->conn, STR("x"));
	end_stream(conn_forget_request);
	for (int i = 0; i < 30000 && !e.has_end && !e.error; i++) {
		turns(&e, 1);
		poll(NULL, 0, 1);
	}
	assert_false(e.has_end);
	assert_int_equal(e.error, ECONNRESET);
	hang_up(&e);
}

static void test_stream_http10(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	conn_reply_piece(did.open->conn, STR("data"));
	end_stream(conn_reply_end);
	turns(&e, 4);
	assert_true(e.has_end && heard(&e, "connection: close\r\n\r\ndata"));
	assert_false(heard(&e, "chunked"));
	hang_up(&e);
	e = dial();
	say_z(&e, "GET /plain HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_true(heard(&e, "content-length: 6\r\nconnection: keep-alive\r\n"));
	say_z(&e, "GET /plain HTTP/1.0\r\n\r\n");
	assert_true(e.has_end);
	hang_up(&e);
}

static void test_head(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, "HEAD /plain HTTP/1.1\r\n" HOST "\r\n");
	assert_true(heard(&e, "content-length: 6\r\n\r\n") && !heard(&e, "/plain"));
	forget(&e);
	say_z(&e, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n");
	conn_reply_piece(did.open->conn, STR("data"));
	end_stream(conn_reply_end);
	turns(&e, 4);
	assert_true(str_ends(buf_str(&e.got), STR("transfer-encoding: chunked\r\n\r\n")));
	forget(&e);
	say_z(&e, GET("/late"));
	answer(did.open, 204, STR(""));
	turns(&e, 4);
	assert_true(heard(&e, "204 No Content\r\n") && !heard(&e, "content-length"));
	hang_up(&e);
}

/* A header that would split the answer, or is ours to write, is left out. */
static void test_bad_headers(void **state)
{
	(void)state;
	struct client_end e = dial();
	did.headers = STR("a: 1\r\nb: x\ny: 1\r\nc: x\ry\r\nd: \x01\r\nContent-Length: 0\r\n"
			  "transfer-encoding: chunked\r\n: v\r\nno colon\r\nbad name: 1\r\n"
			  "e: 2\r\nf: 3");
	say_z(&e, GET("/plain"));
	assert_true(heard(&e, "GMT\r\na: 1\r\ne: 2\r\ncontent-length: 6\r\n\r\n/plain"));
	hang_up(&e);
}

/* ---- deadlines ---- */

static void test_header_timeout(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, "GET /plain HTTP/1.1\r\n");
	pass_ms(9000);
	say_z(&e, "X: dripping\r\n");
	wait_tick(&e);
	assert_int_equal(e.got.n, 0);
	pass_ms(1100);
	wait_tick(&e);
	assert_true(heard(&e, "HTTP/1.1 408 Request Timeout\r\n") && e.has_end);
	pass_ms(2000);
	wait_tick(&e);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up(&e);
}

static void test_idle_timeout(void **state)
{
	(void)state;
	struct client_end e = dial();
	pass_ms(59000);
	say_z(&e, GET("/plain"));
	forget(&e);
	pass_ms(59000);
	wait_tick(&e);
	assert_false(e.has_end);
	pass_ms(1000);
	wait_tick(&e);
	assert_true(e.has_end && e.got.n == 0);
	hang_up(&e);
}

static void test_body_timeout(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, POST("/echo", "Content-Length: 50000\r\n") "x");
	pass_ms(7900);
	say_z(&e, "y");
	pass_ms(100);
	wait_tick(&e);
	assert_int_equal(did.failed, OUTCOME_TIMEOUT_BODY);	/* two bytes in 8 s */
	assert_true(heard(&e, "HTTP/1.1 408 "));
	hang_up(&e);
	did.failed = OUTCOME_OK;
	e = dial();
	static char lot[20000];
	memset(lot, 'z', sizeof lot);
	say_z(&e, POST("/echo", "Content-Length: 50000\r\n"));
	say(&e, str_of(lot, sizeof lot));
	pass_ms(7900);
	say_z(&e, "y");
	pass_ms(7900);
	wait_tick(&e);
	assert_int_equal(did.failed, OUTCOME_OK);
	pass_ms(100);
	wait_tick(&e);
	assert_int_equal(did.failed, OUTCOME_TIMEOUT_BODY);	/* silent for 8 s */
	hang_up(&e);
}

static struct client_end dial_early(void)
{
	struct client_end e = dial();
	say_z(&e, POST("/early", "Content-Length: 100000000\r\n"));
	assert_true(e.has_end);
	assert_int_equal(connections_open(&rig.w), 1);
	return e;
}

static void test_linger_ends_with_silence(void **state)
{
	(void)state;
	struct client_end e = dial_early();
	for (int i = 0; i < 3; i++) {
		pass_ms(1900);
		say_z(&e, "more");
		wait_tick(&e);
		assert_int_equal(connections_open(&rig.w), 1);
	}
	pass_ms(2000);
	wait_tick(&e);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up(&e);
}

static void test_linger_ends_with_time(void **state)
{
	(void)state;
	struct client_end e = dial_early();
	for (int i = 0; i < 16; i++) {
		assert_int_equal(connections_open(&rig.w), 1);
		pass_ms(1900);
		say_z(&e, "drip");
		wait_tick(&e);
	}
	assert_int_equal(connections_open(&rig.w), 0);	/* 30.4 s */
	hang_up(&e);
}

static void test_linger_ends_with_bytes(void **state)
{
	(void)state;
	static char lot[256 * 1024];
	struct client_end e = dial_early();
	for (int i = 0; i < 256; i++)
		say(&e, str_of(lot, sizeof lot));
	assert_int_equal(connections_open(&rig.w), 1);	/* 64 MiB are heard out */
	say(&e, STR("x"));
	turns(&e, 4);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up(&e);
}

/* ---- memory ---- */

static void test_memory_of_idle(void **state)
{
	(void)state;
	struct client_end e[2];
	uint64_t live[2];
	for (int i = 0; i < 2; i++) {
		e[i] = dial();
		say_z(&e[i], POST("/echo", "Content-Length: 3\r\n") "abc");
		live[i] = mem_live();
	}
	assert_int_equal(live[1], live[0] + 2);		/* it, and what its client has heard */
	assert_true(sizeof(struct connection) < 2048);
	print_message("an idle connection is one block of %zu bytes\n", sizeof(struct connection));
	hang_up(&e[0]);
	hang_up(&e[1]);
}

static void scenario(void)
{
	static const uint8_t address[16] = { 0 };
	struct client_end e;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	take_fd(&e, pair[0]);
	if (connection_open(&rig.w, pair[1], NULL, address) == 0) {
		say_z(&e, GET("/plain") POST("/echo", "Transfer-Encoding: chunked\r\n"));
		say_z(&e, "1\r\nx\r\n0\r\n\r\n" GET("/stream"));
		if (did.open) {
			conn_reply_piece(did.open->conn, STR("data"));
			end_stream(conn_reply_end);
		}
		turns(&e, 4);
	}
	hang_up(&e);
	connections_abort(&rig.w);
	turn();
}

/* Whichever allocation fails: no crash, no leak, no request left open. */
static void test_every_allocation_fails(void **state)
{
	(void)state;
	uint64_t calls = 1;
	for (uint64_t nth = 1; nth < calls + 3; nth++) {
		uint64_t before = mem_calls(), live = mem_live();
		mem_fail_at(nth);
		scenario();
		mem_fail_at(0);
		calls = mem_calls() - before;
		assert_null(did.open);
		assert_true(mem_live() <= live + 1);	/* the list of what was executed */
		assert_true(nth < 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_keep_alive),
		T(test_pipelining),
		T(test_next_waits),
		T(test_bodies),
		T(test_early_answer),
		T(test_early_answer_to_whole),
		T(test_too_large),
		T(test_refusals),
		T(test_client_gone),
		T(test_client_gone_mid_stream),
		T(test_copy),
		T(test_copy_is_cut),
		T(test_stream),
		T(test_sized),
		T(test_switch),
		T(test_stream_abort),
		T(test_stream_http10),
		T(test_head),
		T(test_bad_headers),
		T(test_header_timeout),
		T(test_idle_timeout),
		T(test_body_timeout),
		T(test_linger_ends_with_silence),
		T(test_linger_ends_with_time),
		T(test_linger_ends_with_bytes),
		T(test_memory_of_idle),
		T(test_every_allocation_fails),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
