/* SPDX-License-Identifier: MIT
 * test_tls.c - handshakes and data between tls.c and a client of OpenSSL's, all in memory. */
#include "worker/client/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <time.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/mem.h"
#include "tests/unit/cert.h"

struct pair {
	struct tls_context *context;
	struct tls *server;
	SSL_CTX *client_context;
	SSL *client;
	BIO *to_client, *to_server;
	struct buf plain, wire;
	size_t step;			/* bytes that the server is given at a time; 0: all */
	int server_said;
};

static struct tls_context *make_context(void)
{
	char error[256];
	struct tls_context *context;
	struct cert c = cert_make("gw", NULL);
	assert_int_equal(tls_context_new(c.certificate, c.key, &context, error), 0);
	cert_free(&c);
	return context;
}

static void open_pair(struct pair *p, int version, size_t step)
{
	*p = (struct pair){ .context = make_context(), .step = step };
	p->server = tls_new(p->context);
	p->context = tls_context_free(p->context);	/* a connection outlives a reload */
	p->client_context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(p->client_context, 0);
	SSL_CTX_set_min_proto_version(p->client_context, version);
	SSL_CTX_set_max_proto_version(p->client_context, version);
	p->client = SSL_new(p->client_context);
	p->to_client = BIO_new(BIO_s_mem());
	p->to_server = BIO_new(BIO_s_mem());
	SSL_set_bio(p->client, p->to_client, p->to_server);
	SSL_set_connect_state(p->client);
	buf_init(&p->plain, 1 << 20);
	buf_init(&p->wire, 1 << 20);
}

static void close_pair(struct pair *p)
{
	tls_free(p->server);
	SSL_free(p->client);
	SSL_CTX_free(p->client_context);
	buf_done(&p->plain);
	buf_done(&p->wire);
	ERR_clear_error();
}

/* Carries over what either side has written, until both are silent. */
static void carry(struct pair *p)
{
	char room[4096];
	for (bool is_moving = true; is_moving;) {
		int n = BIO_read(p->to_server, room, p->step ? (int)p->step : (int)sizeof room);
		is_moving = n > 0 || p->wire.n > 0;
		if (n > 0)
			p->server_said = tls_receive(p->server, str_of(room, (size_t)n), &p->plain,
						     &p->wire);
		if (p->wire.n)
			BIO_write(p->to_client, p->wire.p, (int)p->wire.n);
		buf_reset(&p->wire);
		if (!SSL_is_init_finished(p->client))
			SSL_do_handshake(p->client);
		if (p->server_said < 0)
			return;
	}
}

static bool shake_hands(struct pair *p)
{
	SSL_do_handshake(p->client);
	carry(p);
	return p->server_said == 0 && SSL_is_init_finished(p->client);
}

static void test_both_versions(void **state)
{
	(void)state;
	static char lot[100000], got[100000];
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	memset(lot, 'x', sizeof lot);
	for (size_t i = 0; i < 4; i++) {
		struct pair p;
		open_pair(&p, versions[i / 2], i % 2);
		assert_true(shake_hands(&p));
		assert_int_equal(SSL_write(p.client, lot, sizeof lot), sizeof lot);
		carry(&p);
		assert_int_equal(p.server_said, 0);
		assert_true(str_eq(buf_str(&p.plain), str_of(lot, sizeof lot)));
		assert_int_equal(tls_send(p.server, str_of(lot, sizeof lot), &p.wire), 0);
		assert_true(p.wire.n > sizeof lot);
		carry(&p);
		size_t n, sum = 0;
		while (sum < sizeof got &&
		       SSL_read_ex(p.client, got + sum, sizeof got - sum, &n) == 1)
			sum += n;
		assert_int_equal(sum, sizeof got);
		assert_memory_equal(got, lot, sizeof got);
		close_pair(&p);
	}
}

static void test_close(void **state)
{
	(void)state;
	struct pair p;
	char c;
	open_pair(&p, TLS1_3_VERSION, 0);
	assert_true(shake_hands(&p));
	assert_int_equal(SSL_write(p.client, "bye", 3), 3);
	SSL_shutdown(p.client);
	carry(&p);
	assert_int_equal(p.server_said, -ECONNRESET);
	assert_true(str_eq(buf_str(&p.plain), STR("bye")));
	assert_int_equal(tls_send(p.server, STR("still"), &p.wire), 0);
	tls_close(p.server, &p.wire);
	p.server_said = 0;
	carry(&p);
	char got[6];
	assert_int_equal(SSL_read(p.client, got, 6), 5);
	assert_true(SSL_read(p.client, &c, 1) <= 0);
	assert_true(SSL_get_shutdown(p.client) & SSL_RECEIVED_SHUTDOWN);
	assert_int_equal(tls_send(p.server, STR("x"), &p.wire), -EPROTO);
	close_pair(&p);
}

static void test_protocol_choice(void **state)
{
	(void)state;
	static const unsigned char both[] = "\x02h2\x08http/1.1", only_h2[] = "\x02h2";
	const unsigned char *chosen;
	unsigned n;
	struct pair p;
	open_pair(&p, TLS1_3_VERSION, 0);
	SSL_set_alpn_protos(p.client, both, sizeof both - 1);
	assert_true(shake_hands(&p));
	SSL_get0_alpn_selected(p.client, &chosen, &n);
	assert_true(str_eq(str_of((const char *)chosen, n), STR("http/1.1")));
	close_pair(&p);
	open_pair(&p, TLS1_3_VERSION, 0);
	SSL_set_alpn_protos(p.client, only_h2, sizeof only_h2 - 1);
	assert_false(shake_hands(&p));
	assert_int_equal(p.server_said, -EPROTO);
	close_pair(&p);
}

static void test_refused(void **state)
{
	(void)state;
	struct pair p;
	open_pair(&p, TLS1_1_VERSION, 0);
	assert_false(shake_hands(&p));
	assert_int_equal(p.server_said, -EPROTO);
	close_pair(&p);
	open_pair(&p, TLS1_3_VERSION, 0);
	assert_int_equal(tls_send(p.server, STR("too soon"), &p.wire), -EPROTO);
	assert_int_equal(tls_receive(p.server, STR("get / HTTP"), &p.plain, &p.wire), -EPROTO);
	assert_int_equal(tls_receive(p.server, STR("again"), &p.plain, &p.wire), -EPROTO);
	assert_int_equal(p.plain.n, 0);
	close_pair(&p);
	open_pair(&p, TLS1_3_VERSION, 0);		/* plain HTTP is told from noise */
	assert_int_equal(tls_receive(p.server, STR_NONE, &p.plain, &p.wire), 0);
	assert_int_equal(tls_receive(p.server, STR("G"), &p.plain, &p.wire), -EPROTOTYPE);
	assert_int_equal(tls_receive(p.server, STR("ET /"), &p.plain, &p.wire), -EPROTO);
	assert_int_equal(p.plain.n + p.wire.n, 0);
	close_pair(&p);
	open_pair(&p, TLS1_3_VERSION, 0);		/* and only by the first byte of all */
	assert_int_equal(tls_receive(p.server, STR("\x16"), &p.plain, &p.wire), 0);
	assert_int_equal(tls_receive(p.server, STR("GET /"), &p.plain, &p.wire), -EPROTO);
	close_pair(&p);
	open_pair(&p, TLS1_2_VERSION, 0);
	assert_true(shake_hands(&p));
	SSL_renegotiate(p.client);
	SSL_do_handshake(p.client);
	carry(&p);
	assert_int_equal(SSL_total_renegotiations(p.client), 1);
	assert_false(SSL_is_init_finished(p.client));
	close_pair(&p);
}

/* One wrong byte anywhere behind the handshake is noticed. */
static void test_damage(void **state)
{
	(void)state;
	struct pair p;
	char room[256];
	open_pair(&p, TLS1_3_VERSION, 0);
	assert_true(shake_hands(&p));
	SSL_write(p.client, "hello", 5);
	int n = BIO_read(p.to_server, room, sizeof room);
	room[n - 1] ^= 1;
	struct str bad = str_of(room, (size_t)n);
	assert_int_equal(tls_receive(p.server, bad, &p.plain, &p.wire), -EPROTO);
	assert_int_equal(p.plain.n, 0);
	assert_true(p.wire.n > 0);		/* the alert */
	close_pair(&p);
}

static void check_refused(struct str certificate, struct str key, const char *why)
{
	char error[256] = "";
	struct tls_context *c = NULL;
	assert_int_equal(tls_context_new(certificate, key, &c, error), -EINVAL);
	assert_null(c);
	assert_non_null(strstr(error, why));
}

static void test_contexts(void **state)
{
	(void)state;
	struct cert a = cert_make("a", NULL), b = cert_make("b", NULL), shut = cert_make("c", "pw");
	check_refused(a.certificate, b.key, "does not belong");
	check_refused(shut.certificate, shut.key, "private key cannot be read");
	check_refused(a.key, a.key, "certificate cannot be read: there is none in that file");
	check_refused(a.certificate, a.certificate,
		      "private key cannot be read: there is none in that file");
	check_refused(STR("junk"), a.key, "certificate cannot be read");
	check_refused(STR(""), a.key, "empty");
	cert_free(&a);
	cert_free(&b);
	cert_free(&shut);
}

/* Certificate, chain and key may stand in one text. */
static void test_all_in_one(void **state)
{
	(void)state;
	char error[256] = "";
	struct tls_context *c = NULL;
	struct cert a = cert_make("a", NULL), b = cert_make("b", NULL);
	struct buf all;
	buf_init(&all, 1 << 16);
	buf_put(&all, a.certificate);
	buf_put(&all, b.certificate);
	buf_put(&all, a.key);
	assert_int_equal(tls_context_new(buf_str(&all), buf_str(&all), &c, error), 0);
	tls_context_free(c);
	buf_done(&all);
	cert_free(&a);
	cert_free(&b);
}

static const char *issuer_seen(struct pair *p, char room[64])
{
	X509 *x = SSL_get1_peer_certificate(p->client);
	X509_NAME_get_text_by_NID(X509_get_issuer_name(x), NID_commonName, room, 64);
	X509_free(x);
	return room;
}

/* A reload: who comes later sees the new certificate. */
static void test_replace(void **state)
{
	(void)state;
	char error[256], name[64];
	struct tls_context *with;
	struct cert b = cert_make_for("renewed", NULL, 90 * 86400);
	struct pair p;
	open_pair(&p, TLS1_3_VERSION, 0);
	struct tls_context *c = make_context();
	assert_int_equal(tls_context_new(b.certificate, b.key, &with, error), 0);
	int64_t now = time(NULL);
	assert_in_range(tls_context_end(c), now + 3000, now + 3600);
	tls_context_replace(c, with);
	assert_in_range(tls_context_end(c), now + 89 * 86400, now + 90 * 86400);
	assert_true(shake_hands(&p));
	assert_string_equal(issuer_seen(&p, name), "gw");
	close_pair(&p);
	open_pair(&p, TLS1_3_VERSION, 0);
	tls_free(p.server);
	p.server = tls_new(c);
	assert_true(shake_hands(&p));
	assert_string_equal(issuer_seen(&p, name), "renewed");
	close_pair(&p);
	tls_context_free(c);
	cert_free(&b);
}

static void test_memory(void **state)
{
	(void)state;
	uint64_t live = mem_live();
	struct tls_context *c = make_context();
	mem_fail_at(1);
	assert_null(tls_new(c));
	mem_fail_at(0);
	struct tls *t = tls_new(c);
	assert_non_null(t);
	tls_free(t);
	tls_context_free(c);
	assert_int_equal(mem_live(), live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_versions),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_protocol_choice),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_all_in_one),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
