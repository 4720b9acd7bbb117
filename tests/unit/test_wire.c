/* SPDX-License-Identifier: MIT
 * test_wire.c - queues and backpressure, and the same over TLS. */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/unit/cert.h"
#include "tests/unit/client_rig.h"
#include "worker/client/tls.h"

/* ---- backpressure ---- */

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
	do
		uv_run(&rig.loop, UV_RUN_ONCE);
	while (uv_hrtime() - from < 300 * NS_PER_MS);
	pass_ms(4900);
	from = uv_hrtime();
	do
		uv_run(&rig.loop, UV_RUN_ONCE);
	while (uv_hrtime() - from < 300 * NS_PER_MS);
	assert_int_equal(did.gone, 0);
	pass_ms(200);
	from = uv_hrtime();
	while (connections_open(&rig.w) > 0 && uv_hrtime() - from < 30 * NS_PER_S)
		uv_run(&rig.loop, UV_RUN_ONCE);
	assert_int_equal(did.gone, 1);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up(&e);
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
	assert_int_equal(tls_context_new(cert.certificate, cert.key, &t.server, error), 0);
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
	t = dial_tls();				/* a handshake that never ends */
	pass_ms(10000);
	wait_tick(&t.e);
	assert_int_equal(connections_open(&rig.w), 0);
	hang_up_tls(&t);
	executed("/late ");
}

#define SPEAKS_HTTPS "This port speaks HTTPS and was sent plain HTTP: use https://"
#define SPEAKS_HTTP "This port speaks plain HTTP and was sent TLS: use http://"

/* Plain HTTP on a port with TLS is answered in plain HTTP; what follows is not looked at. */
static void test_plain_on_tls(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct tls_end t = dial_tls();
		say_z(&t.e, i ? "D" : POST("/echo", "Content-Length: 5\r\n") "hello");
		turns(&t.e, 4);
		assert_true(heard(&t.e, "HTTP/1.1 400 Bad Request\r\n"));
		assert_true(heard(&t.e, "{\"error\":{\"message\":\"" SPEAKS_HTTPS));
		assert_true(heard(&t.e, "connection: close\r\n"));
		say_z(&t.e, "ELETE /plain HTTP/1.1\r\n" HOST "\r\n" GET("/plain"));
		turns(&t.e, 4);
		assert_int_equal(count_heard(&t.e, "HTTP/1.1"), 1);
		assert_true(t.e.has_end);
		hang_up_tls(&t);
	}
	executed("");
}

/* TLS on a plain port: a client's hello, whole and by its first byte alone. */
static void test_tls_on_plain(void **state)
{
	(void)state;
	static const char hello[] = "\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03";
	for (size_t n = 1; n < sizeof hello; n += sizeof hello - 2) {
		struct client_end e = dial();
		say(&e, str_of(hello, n));
		turns(&e, 4);
		assert_true(heard(&e, "HTTP/1.1 400 Bad Request\r\n"));
		assert_true(heard(&e, SPEAKS_HTTP));
		hang_up(&e);
	}
	struct client_end e = dial();			/* other noise is noise */
	say_z(&e, "\x17\x03\x01");
	turns(&e, 4);
	assert_true(heard(&e, "HTTP/1.1 400 ") && !heard(&e, SPEAKS_HTTP));
	hang_up(&e);
	executed("");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_backpressure),
		T(test_large_answer),
		T(test_slow_reader_is_cut),
		T(test_tls),
		T(test_tls_client_gone),
		T(test_plain_on_tls),
		T(test_tls_on_plain),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
