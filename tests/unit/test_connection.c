/* SPDX-License-Identifier: MIT
 * test_connection.c - connections on a real loop, over socket pairs and loopback, with a request.c
 * of our own in this file: the path says what it does. Time stands still unless a test moves it. */
#include "worker/client/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tests/unit/cert.h"
#include "worker/client/conn.h"
#include "worker/client/tls.h"
#include "worker/request.h"

/* ---- a request.c that does what the path says ---- */

static struct {
	struct request *open;		/* the newest request that has not ended */
	struct buf executed;		/* paths, each followed by a space */
	unsigned gone, drained, done;
	enum outcome failed;		/* OUTCOME_OK: none */
	struct str headers;		/* of the answers */
} did;

static void answer(struct request *r, int status, struct str body)
{
	struct connection *c = r->conn;
	conn_reply(c, status, did.headers, body);
	if (did.open == r)
		did.open = NULL;
	mem_free(r);
}

/* /plain answers at once, /early too though a body may come, /echo answers its body, /count the
 * size of it, /refuse reads none of it, /late and /stream wait for the test, /none has no memory. */
struct request *request_begin(struct worker *w, struct connection *c, const struct http_request *h)
{
	struct request *r = mem_alloc(sizeof *r);
	if (!r)
		return NULL;
	buf_put(&did.executed, h->path);
	buf_put_char(&did.executed, ' ');
	*r = (struct request){ .w = w, .conn = c, .http = h };
	if (str_eq(h->path, STR("/none"))) {
		mem_free(r);
		return NULL;
	}
	if (str_eq(h->path, STR("/plain")) || str_eq(h->path, STR("/early"))) {
		answer(r, str_eq(h->path, STR("/plain")) ? 200 : 401, h->path);
		return NULL;
	}
	did.open = r;
	if (str_eq(h->path, STR("/echo")) || str_eq(h->path, STR("/count")))
		conn_read_body(c, 100000);
	else if (str_eq(h->path, STR("/stream")))
		conn_reply_begin(c, 200, STR("content-type: text/event-stream\r\n"));
	return r;
}

void request_body_done(struct request *r)
{
	char count[32];
	did.done++;
	struct str body = conn_body(r->conn);
	if (str_eq(r->http->path, STR("/count")))
		body = str_of(count, (size_t)snprintf(count, sizeof count, "%zu", body.n));
	answer(r, 200, body);
}

void request_body_failed(struct request *r, enum outcome o)
{
	did.failed = o;
	answer(r, outcome_rows[o].status, STR("failed"));
}

void request_client_gone(struct request *r)
{
	did.gone++;
	did.open = NULL;
	mem_free(r);
}

void request_drained(struct request *r)
{
	(void)r;
	did.drained++;
}

/* ---- a worker ---- */

static struct {
	struct worker w;
	uv_loop_t loop;
	struct board_worker row;
	struct metric_row metrics;
	uint64_t now_ns, live;		/* live: blocks before the test */
} rig;

static struct snap *make_snap(void)
{
	struct snap *snap;
	int fd;
	struct snap_build *b = snap_build_new();
	*snap_build_settings(b) = (struct snap_settings){
		.header_timeout_ms = 10000, .body_timeout_ms = 8000, .idle_timeout_ms = 60000,
		.write_timeout_ms = 5000, .connections_max = 8,
	};
	assert_int_equal(snap_build_seal(b, 1, &fd), 0);
	snap_build_free(b);
	assert_int_equal(snap_map(fd, &snap), 0);
	return snap;
}

static void pass_ms(uint64_t ms)
{
	rig.now_ns += ms * NS_PER_MS;
	clock_set(rig.now_ns, UINT64_C(784111777) * NS_PER_S);
}

static int set_up(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof rig);
	memset(&did, 0, sizeof did);
	rig.live = mem_live();
	did.headers = STR("x-test: 1\r\n");
	buf_init(&did.executed, 1 << 16);
	uv_loop_init(&rig.loop);
	rig.w = (struct worker){ .loop = &rig.loop, .row = &rig.row, .metrics = &rig.metrics };
	rig.w.snap = make_snap();
	rig.now_ns = NS_PER_S;
	pass_ms(0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	listener_stop_all(&rig.w);
	connections_abort(&rig.w);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	assert_int_equal(connections_open(&rig.w), 0);
	assert_null(rig.w.client);
	assert_null(did.open);
	assert_int_equal(uv_loop_close(&rig.loop), 0);
	snap_unref(rig.w.snap);
	buf_done(&did.executed);
	clock_set(0, 0);
	assert_int_equal(mem_live(), rig.live);
	return 0;
}

/* ---- a client ---- */

struct client_end {
	int fd;
	struct buf got;
	bool has_end;
	int error;
};

static void take_fd(struct client_end *e, int fd)
{
	*e = (struct client_end){ .fd = fd };
	fcntl(fd, F_SETFL, O_NONBLOCK);
	buf_init(&e->got, 64 << 20);
}

/* A socket pair where TCP makes no difference. */
static struct client_end dial(void)
{
	static const uint8_t address[16] = { 0 };
	struct client_end e;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	take_fd(&e, pair[0]);
	assert_int_equal(connection_open(&rig.w, pair[1], NULL, address), 0);
	return e;
}

static struct client_end dial_tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof a;
	struct client_end e;
	struct listener *l;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	assert_int_equal(listener_start(&rig.w, fd, NULL, &l), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	take_fd(&e, fd);
	return e;
}

static void turn(void)
{
	uv_run(&rig.loop, UV_RUN_NOWAIT);
}

static void hear(struct client_end *e)
{
	char room[65536];
	if (e->has_end || e->error)
		return;
	ssize_t n = read(e->fd, room, sizeof room);
	if (n > 0)
		buf_put(&e->got, str_of(room, (size_t)n));
	else if (n == 0)
		e->has_end = true;
	else if (errno != EAGAIN)
		e->error = errno;
}

static void turns(struct client_end *e, unsigned n)
{
	while (n-- > 0) {
		turn();
		hear(e);
	}
}

/* The coarse timer is a real one, so its next look takes up to a quarter of a second. */
static void wait_tick(struct client_end *e)
{
	uint64_t from = uv_hrtime();
	while (uv_hrtime() - from < 300 * NS_PER_MS) {
		turns(e, 1);
		poll(NULL, 0, 5);
	}
}

static void say(struct client_end *e, struct str s)
{
	while (s.n > 0) {
		ssize_t n = write(e->fd, s.p, s.n);
		assert_true(n > 0 || errno == EAGAIN || errno == EPIPE || errno == ECONNRESET);
		if (n < 0 && errno != EAGAIN)
			return;
		s = str_skip(s, n > 0 ? (size_t)n : 0);
		turns(e, 1);
	}
	turns(e, 4);
}

static void say_z(struct client_end *e, const char *z)
{
	say(e, str_z(z));
}

static bool heard(const struct client_end *e, const char *text)
{
	return str_find(buf_str(&e->got), str_z(text)) != SIZE_MAX;
}

static unsigned count_heard(const struct client_end *e, const char *text)
{
	unsigned n = 0;
	struct str s = buf_str(&e->got);
	for (size_t at; (at = str_find(s, str_z(text))) != SIZE_MAX; n++)
		s = str_skip(s, at + 1);
	return n;
}

static void forget(struct client_end *e)
{
	buf_reset(&e->got);
}

static void hang_up(struct client_end *e)
{
	close(e->fd);
	buf_done(&e->got);
	for (int i = 0; i < 4; i++)
		turn();
}

static void executed(const char *paths)
{
	assert_string_equal(buf_z(&did.executed), paths);
}

#define HOST "Host: gw\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define POST(path, headers) "POST " path " HTTP/1.1\r\n" HOST headers "\r\n"

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
	assert_true(heard(&e, "{\"error\":{\"message\":\"Exactly one valid Host header is required.\","
			      "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"400\"}}"));
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

static void end_stream(void (*how)(struct connection *))
{
	how(did.open->conn);
	mem_free(did.open);
	did.open = NULL;
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
	turns(&e, 4);
	conn_reply_piece(did.open->conn, STR("x"));
	end_stream(conn_forget_request);
	turns(&e, 4);
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
			  "transfer-encoding: chunked\r\n: v\r\nno colon\r\nbad name: 1\r\ne: 2\r\nf: 3");
	say_z(&e, GET("/plain"));
	assert_true(heard(&e, "GMT\r\na: 1\r\ne: 2\r\ncontent-length: 6\r\n\r\n/plain"));
	hang_up(&e);
}

/* ---- backpressure ---- */

static void fill(size_t until)
{
	static char piece[4096];
	memset(piece, 'x', sizeof piece);
	for (int i = 0; i < 10000 && conn_queued(did.open->conn) <= until; i++)
		conn_reply_piece(did.open->conn, str_of(piece, sizeof piece));
	assert_true(conn_queued(did.open->conn) > until);
}

static void test_backpressure(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, GET("/stream"));
	for (unsigned round = 0; round < 3; round++) {
		fill(CONN_HIGH_WATER);
		for (int i = 0; i < 10; i++)
			turn();
		assert_int_equal(did.drained, round);
		turns(&e, 200);
		assert_int_equal(did.drained, round + 1);
		assert_int_equal(conn_queued(did.open->conn), 0);
	}
	end_stream(conn_reply_end);
	turns(&e, 10);
	assert_true(str_ends(buf_str(&e.got), STR("x\r\n0\r\n\r\n")));
	assert_true(count_heard(&e, "\r\n1000\r\n") * 4096 > 3 * CONN_HIGH_WATER);
	assert_int_equal(count_heard(&e, "\r\n1000\r\n") * 4104 + 5 +
				 str_find(buf_str(&e.got), STR("\r\n\r\n")) + 4, e.got.n);
	hang_up(&e);
}

/* A large answer to a client that reads slowly: all of it, and the next request after it. */
static void test_large_answer(void **state)
{
	(void)state;
	static char lot[3 << 20];
	memset(lot, 'y', sizeof lot);
	struct client_end e = dial();
	say_z(&e, GET("/late") GET("/plain"));
	answer(did.open, 200, str_of(lot, sizeof lot));
	executed("/late ");
	turns(&e, 2000);
	assert_true(str_ends(buf_str(&e.got), STR("\r\n\r\n/plain")));
	assert_true(e.got.n > sizeof lot);
	executed("/late /plain ");
	hang_up(&e);
}

static void test_slow_reader_is_cut(void **state)
{
	(void)state;
	struct client_end e = dial();
	say_z(&e, GET("/stream"));
	fill(CONN_HIGH_WATER);
	uint64_t from = uv_hrtime();
	while (uv_hrtime() - from < 300 * NS_PER_MS)
		uv_run(&rig.loop, UV_RUN_ONCE);
	pass_ms(4900);
	from = uv_hrtime();
	while (uv_hrtime() - from < 300 * NS_PER_MS)
		uv_run(&rig.loop, UV_RUN_ONCE);
	assert_int_equal(did.gone, 0);
	pass_ms(200);
	from = uv_hrtime();
	while (connections_open(&rig.w) > 0 && uv_hrtime() - from < 2 * NS_PER_S)
		uv_run(&rig.loop, UV_RUN_ONCE);
	assert_int_equal(did.gone, 1);
	assert_int_equal(connections_open(&rig.w), 0);
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

static void test_linger_ends(void **state)
{
	(void)state;
	static char lot[300 * 1024];
	struct client_end e = dial();
	say_z(&e, POST("/early", "Content-Length: 1000000\r\n"));
	assert_true(e.has_end);
	say(&e, str_of(lot, 200 * 1024));
	assert_int_equal(connections_open(&rig.w), 1);
	say(&e, str_of(lot, 100 * 1024));
	turns(&e, 4);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up(&e);
}

/* ---- draining, limits, accepting ---- */

static void test_drain(void **state)
{
	(void)state;
	struct client_end idle = dial(), busy = dial(), fresh;
	pass_ms(1500);
	say_z(&busy, GET("/late"));
	fresh = dial();
	connections_drain(&rig.w);
	turns(&idle, 4);
	assert_true(idle.has_end);
	assert_int_equal(connections_open(&rig.w), 2);
	say_z(&fresh, GET("/plain"));		/* was on its way */
	assert_true(heard(&fresh, "200 OK\r\n") && heard(&fresh, "connection: close\r\n"));
	answer(did.open, 200, STR("late"));
	turns(&busy, 4);
	assert_true(heard(&busy, "connection: close\r\n") && busy.has_end);
	hang_up(&idle);
	hang_up(&busy);
	hang_up(&fresh);
	assert_int_equal(connections_open(&rig.w), 0);
	assert_null(rig.w.client);
}

static void test_abort(void **state)
{
	(void)state;
	struct client_end idle = dial(), busy = dial();
	say_z(&busy, GET("/stream"));
	connections_abort(&rig.w);
	assert_int_equal(did.gone, 1);
	turns(&idle, 2);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up(&idle);
	hang_up(&busy);
}

static void test_listener(void **state)
{
	(void)state;
	static const uint8_t loopback[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 };
	struct client_end e[10];
	for (int i = 0; i < 10; i++) {
		e[i] = dial_tcp();
		say_z(&e[i], GET("/plain"));
		turns(&e[i], 4);
		assert_int_equal(heard(&e[i], "200 OK"), i < 8);
	}
	assert_memory_equal(conn_address(rig.w.connections), loopback, 16);
	assert_false(conn_is_tls(rig.w.connections));
	assert_int_equal(rig.row.connections, 8);
	assert_int_equal(rig.metrics.connections_refused, 2);
	listener_stop_all(&rig.w);
	for (int i = 0; i < 10; i++)
		hang_up(&e[i]);
	assert_int_equal(rig.row.connections, 0);
}

/* Out of descriptors: who comes is turned away, nothing spins, and it recovers. */
static void test_out_of_descriptors(void **state)
{
	(void)state;
	struct rlimit old, tight;
	struct client_end first = dial_tcp(), second;
	say_z(&first, GET("/plain"));
	struct sockaddr_in a;
	socklen_t n = sizeof a;
	assert_int_equal(getpeername(first.fd, (struct sockaddr *)&a, &n), 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, n), 0);
	take_fd(&second, fd);
	getrlimit(RLIMIT_NOFILE, &old);
	int lowest = dup(0);			/* all below are in use, most likely */
	close(lowest);
	tight = (struct rlimit){ (rlim_t)lowest, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &tight);
	for (int i = 0; i < 20; i++)
		turn();
	setrlimit(RLIMIT_NOFILE, &old);
	hear(&second);
	assert_true(second.has_end || second.error == ECONNRESET);
	assert_int_equal(rig.metrics.connections_refused, 1);
	hang_up(&second);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, n), 0);
	take_fd(&second, fd);
	wait_tick(&second);
	say_z(&second, GET("/plain"));
	assert_true(heard(&second, "200 OK"));
	hang_up(&first);
	hang_up(&second);
}

/* ---- TLS ---- */

struct tls_end {
	struct client_end e;
	SSL_CTX *context;
	SSL *ssl;
	struct tls_context *server;
};

static struct tls_end dial_tls(void)
{
	static const uint8_t address[16] = { 0 };
	struct tls_end t;
	char error[256];
	int pair[2];
	struct cert cert = cert_make("gw", NULL);
	assert_int_equal(tls_context_new_pem(cert.certificate, cert.key, &t.server, error), 0);
	cert_free(&cert);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	take_fd(&t.e, pair[0]);
	assert_int_equal(connection_open(&rig.w, pair[1], t.server, address), 0);
	t.context = SSL_CTX_new(TLS_client_method());
	t.ssl = SSL_new(t.context);
	SSL_set_fd(t.ssl, t.e.fd);
	SSL_set_connect_state(t.ssl);
	return t;
}

static void hang_up_tls(struct tls_end *t)
{
	SSL_free(t->ssl);
	SSL_CTX_free(t->context);
	tls_context_free(t->server);
	hang_up(&t->e);
	ERR_clear_error();
}

static void turns_tls(struct tls_end *t, unsigned n)
{
	char room[65536];
	while (n-- > 0) {
		turn();
		int got = SSL_read(t->ssl, room, sizeof room);
		if (got > 0)
			buf_put(&t->e.got, str_of(room, (size_t)got));
		else if (SSL_get_error(t->ssl, got) == SSL_ERROR_ZERO_RETURN)
			t->e.has_end = true;
	}
}

static void say_tls(struct tls_end *t, const char *z)
{
	turns_tls(t, 6);
	assert_int_equal(SSL_write(t->ssl, z, (int)strlen(z)), strlen(z));
	turns_tls(t, 6);
}

static void test_tls(void **state)
{
	(void)state;
	struct tls_end t = dial_tls();
	say_tls(&t, GET("/plain"));
	assert_true(heard(&t.e, "\r\n\r\n/plain"));
	assert_true(conn_is_tls(rig.w.connections));
	say_tls(&t, POST("/echo", "Content-Length: 5\r\n") "hello" GET("/stream"));
	assert_true(heard(&t.e, "hello"));
	fill(CONN_HIGH_WATER);
	for (int i = 0; i < 10; i++)
		turn();
	assert_int_equal(did.drained, 0);
	turns_tls(&t, 500);
	assert_int_equal(did.drained, 1);
	end_stream(conn_reply_end);
	turns_tls(&t, 4);
	assert_true(str_ends(buf_str(&t.e.got), STR("x\r\n0\r\n\r\n")));
	say_tls(&t, "GET /plain HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	assert_true(t.e.has_end);		/* told by close_notify */
	executed("/plain /echo /stream /plain ");
	hang_up_tls(&t);
}

static void test_tls_client_gone(void **state)
{
	(void)state;
	struct tls_end t = dial_tls();
	say_tls(&t, GET("/late"));
	SSL_shutdown(t.ssl);
	turn();
	assert_int_equal(did.gone, 1);
	hang_up_tls(&t);
	t = dial_tls();
	say_z(&t.e, GET("/plain"));		/* plain text on a TLS port */
	turns(&t.e, 4);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up_tls(&t);
	t = dial_tls();				/* a handshake that never ends */
	pass_ms(10000);
	wait_tick(&t.e);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up_tls(&t);
	executed("/late ");
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
		say_z(&e, GET("/plain") POST("/echo", "Transfer-Encoding: chunked\r\n") "1\r\nx\r\n");
		say_z(&e, "0\r\n\r\n" GET("/stream"));
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
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
		T(test_stream),
		T(test_stream_abort),
		T(test_stream_http10),
		T(test_head),
		T(test_bad_headers),
		T(test_backpressure),
		T(test_large_answer),
		T(test_slow_reader_is_cut),
		T(test_header_timeout),
		T(test_idle_timeout),
		T(test_body_timeout),
		T(test_linger_ends),
		T(test_drain),
		T(test_abort),
		T(test_listener),
		T(test_out_of_descriptors),
		T(test_tls),
		T(test_tls_client_gone),
		T(test_memory_of_idle),
		T(test_every_allocation_fails),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
