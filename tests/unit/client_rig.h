/* SPDX-License-Identifier: MIT
 * client_rig.h - a loop, a worker and clients for tests of worker/client, over socket pairs and
 * loopback, with a request.c of its own: the path of a request says what it does. Time stands
 * still unless a test moves it. To be included by one file of a program. */
#ifndef CLIENT_RIG_H
#define CLIENT_RIG_H

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
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/mem.h"
#include "worker/client/conn.h"
#include "worker/request.h"

/* ---- a request.c that does what the path says ---- */

static struct {
	struct request *open;		/* the newest request that has not ended */
	struct buf executed;		/* paths, each followed by a space */
	unsigned gone, drained, done;
	enum outcome failed;		/* OUTCOME_OK: none */
	struct str headers;		/* of the answers */
	struct buf tunnel;		/* bytes of a client that has switched protocols */
	size_t tunnel_room;		/* how many more of them are taken */
	bool goes_on;			/* requests do not need their clients */
} did;

static inline void answer(struct request *r, int status, struct str body)
{
	struct connection *c = r->conn;
	conn_reply(c, status, did.headers, body);
	if (did.open == r)
		did.open = NULL;
	mem_free(r);
}

/* /plain answers at once, /early too though a body may come, /echo answers its body, /count the
 * size of it, /late, /stream, /sized and /switch wait for the test, /none has no memory. */
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
	else if (str_eq(h->path, STR("/sized")))
		conn_reply_begin_sized(c, 200, STR("content-type: a/b\r\n"), 10);
	else if (str_eq(h->path, STR("/switch")))
		conn_reply_switch(c, STR("upgrade: x\r\n"));
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

bool request_goes_on(const struct request *r)
{
	(void)r;
	return did.goes_on;
}

void request_client_gone(struct request *r)
{
	did.gone++;
	did.open = NULL;
	mem_free(r);
}

size_t request_tunnel(struct request *r, struct str bytes)
{
	(void)r;
	size_t n = bytes.n < did.tunnel_room ? bytes.n : did.tunnel_room;
	buf_put(&did.tunnel, str_of(bytes.p, n));
	did.tunnel_room -= n;
	return n;
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

static inline struct snap *make_snap(void)
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

static inline void pass_ms(uint64_t ms)
{
	rig.now_ns += ms * NS_PER_MS;
	clock_set(rig.now_ns, UINT64_C(784111777) * NS_PER_S);
}

static inline int set_up(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof rig);
	memset(&did, 0, sizeof did);
	rig.live = mem_live();
	did.headers = STR("x-test: 1\r\n");
	buf_init(&did.executed, 1 << 16);
	buf_init(&did.tunnel, 1 << 20);
	uv_loop_init(&rig.loop);
	rig.w = (struct worker){ .loop = &rig.loop, .row = &rig.row, .metrics = &rig.metrics };
	rig.w.snap = make_snap();
	rig.now_ns = NS_PER_S;
	pass_ms(0);
	return 0;
}

static inline int tear_down(void **state)
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
	buf_done(&did.tunnel);
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

static inline void take_fd(struct client_end *e, int fd)
{
	*e = (struct client_end){ .fd = fd };
	fcntl(fd, F_SETFL, O_NONBLOCK);
	buf_init(&e->got, 64 << 20);
}

/* A socket pair where TCP makes no difference. */
static inline struct client_end dial(void)
{
	static const uint8_t address[16] = { 0 };
	struct client_end e;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	take_fd(&e, pair[0]);
	assert_int_equal(connection_open(&rig.w, pair[1], NULL, address), 0);
	return e;
}

static inline struct client_end dial_tcp(void)
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

static inline void turn(void)
{
	uv_run(&rig.loop, UV_RUN_NOWAIT);
}

static inline void hear(struct client_end *e)
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

static inline void turns(struct client_end *e, unsigned n)
{
	while (n-- > 0) {
		turn();
		hear(e);
	}
}

/* The coarse timer is a real one, so its next look takes up to a quarter of a second. */
static inline void wait_tick(struct client_end *e)
{
	uint64_t from = uv_hrtime();
	while (uv_hrtime() - from < 300 * NS_PER_MS) {
		turns(e, 1);
		poll(NULL, 0, 5);
	}
	turns(e, 1);			/* we may have slept past all of that time */
}

/* Over TCP the kernel may take its time, even to our own address. */
static inline void wait_heard(struct client_end *e)
{
	uint64_t from = uv_hrtime();
	while (e->got.n == 0 && !e->has_end && !e->error) {
		assert_true(uv_hrtime() - from < 30 * NS_PER_S);
		turns(e, 1);
		poll(NULL, 0, 1);
	}
}

static inline void say(struct client_end *e, struct str s)
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

static inline void say_z(struct client_end *e, const char *z)
{
	say(e, str_z(z));
}

static inline bool heard(const struct client_end *e, const char *text)
{
	return str_find(buf_str(&e->got), str_z(text)) != SIZE_MAX;
}

static inline unsigned count_heard(const struct client_end *e, const char *text)
{
	unsigned n = 0;
	struct str s = buf_str(&e->got);
	for (size_t at; (at = str_find(s, str_z(text))) != SIZE_MAX; n++)
		s = str_skip(s, at + 1);
	return n;
}

static inline void forget(struct client_end *e)
{
	buf_reset(&e->got);
}

static inline void hang_up(struct client_end *e)
{
	close(e->fd);
	buf_done(&e->got);
	for (int i = 0; i < 4; i++)
		turn();
}

static inline void executed(const char *paths)
{
	assert_string_equal(buf_z(&did.executed), paths);
}

#define HOST "Host: gw\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define POST(path, headers) "POST " path " HTTP/1.1\r\n" HOST headers "\r\n"

/* Ends the stream under way, by conn_reply_end() or otherwise. */
static inline void end_stream(void (*how)(struct connection *))
{
	how(did.open->conn);
	mem_free(did.open);
	did.open = NULL;
}

/* Streams until more than that is queued: the client is to read nothing meanwhile. */
static inline void fill(size_t until)
{
	static char piece[4096];
	memset(piece, 'x', sizeof piece);
	for (int i = 0; i < 10000 && conn_queued(did.open->conn) <= until; i++)
		conn_reply_piece(did.open->conn, str_of(piece, sizeof piece));
	assert_true(conn_queued(did.open->conn) > until);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
