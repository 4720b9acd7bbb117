/* SPDX-License-Identifier: MIT
 * tls.c - the server's side of TLS between two memory buffers: no socket is known here.
 *
 * TLS 1.2 and 1.3 as OpenSSL defaults them, no renegotiation, no compression, HTTP/1.1 by ALPN.
 * Session tickets are made under a key of this worker's own: a client that meets another worker
 * makes a full handshake. */
#include "worker/client/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "common/mem.h"
#include "common/tls_pair.h"

struct tls_context {
	SSL_CTX *ssl;
};
struct tls {
	SSL *ssl;
	BIO *in, *out;		/* owned by ssl */
	bool has_begun;		/* a byte has come */
	bool is_over;		/* it has failed, or our close_notify is out */
};
enum { PLAIN_STEP = 16384 };	/* a record holds no more (RFC 8446, 5.1) */

static const unsigned char protocol[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };

/* A client that offers protocols must offer ours; one that offers none is taken at its word. */
static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
		   const unsigned char *in, unsigned in_n, void *data)
{
	(void)ssl;
	(void)data;
	unsigned char *found;
	if (SSL_select_next_proto(&found, ret_n, protocol, sizeof protocol, in, in_n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = found;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_context(void)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	if (!ssl)
		return NULL;
	if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1) {
		SSL_CTX_free(ssl);
		return NULL;
	}
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ssl, 1);
	SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
	return ssl;
}

static int context_from(BIO *certificate, BIO *key, struct tls_context **ret, char reterr[256])
{
	struct tls_context *c = NULL;
	SSL_CTX *ssl = make_context();
	int r = -ENOMEM;
	if (!ssl) {
		snprintf(reterr, 256, "TLS cannot be set up");
		return r;
	}
	bool is_key;
	r = tls_pair_use(ssl, certificate, key, &is_key, reterr);
	if (r == 0 && !(c = mem_alloc(sizeof *c))) {
		snprintf(reterr, 256, "out of memory");
		r = -ENOMEM;
	}
	if (r != 0) {
		SSL_CTX_free(ssl);
		return r;
	}
	c->ssl = ssl;
	*ret = c;
	return 0;
}

static BIO *memory_of(struct str s)
{
	return s.n > 0 && s.n <= INT32_MAX ? BIO_new_mem_buf(s.p, (int)s.n) : NULL;
}

int tls_context_new(struct str certificate, struct str key, struct tls_context **ret,
		    char reterr[256])
{
	ERR_clear_error();
	BIO *c = memory_of(certificate), *k = memory_of(key);
	int r = -EINVAL;
	if (c && k)
		r = context_from(c, k, ret, reterr);
	else
		snprintf(reterr, 256, "the certificate or the private key is empty");
	BIO_free(c);
	BIO_free(k);
	return r;
}

/* Connections hold the context of OpenSSL themselves: it may go while they live. */
struct tls_context *tls_context_free(struct tls_context *c)
{
	if (c)
		SSL_CTX_free(c->ssl);
	mem_free(c);
	return NULL;
}

int64_t tls_context_end(const struct tls_context *c)
{
	int64_t end;
	return tls_pair_end_of(c->ssl, &end) == 0 ? end : -1;
}

void tls_context_replace(struct tls_context *c, struct tls_context *with)
{
	SSL_CTX_free(c->ssl);		/* running connections hold their own reference */
	c->ssl = with->ssl;
	mem_free(with);
}

struct tls *tls_new(struct tls_context *c)
{
	struct tls *t = mem_alloc(sizeof *t);
	if (!t)
		return NULL;
	t->ssl = SSL_new(c->ssl);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		mem_free(t);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_accept_state(t->ssl);
	return t;
}

struct tls *tls_free(struct tls *t)
{
	if (t)
		SSL_free(t->ssl);
	mem_free(t);
	return NULL;
}

bool tls_is_open(const struct tls *t)
{
	return SSL_is_init_finished(t->ssl);
}

/* Moves what OpenSSL has written, be it an alert, to wire. */
static int take_written(struct tls *t, struct buf *wire)
{
	char *p;
	long n = BIO_get_mem_data(t->out, &p);
	if (n > 0)
		buf_put(wire, str_of(p, (size_t)n));
	(void)BIO_reset(t->out);
	return wire->failed ? -ENOMEM : 0;
}

/* What a failed call means: 0 when it only wants more bytes. */
static int verdict(struct tls *t, int r)
{
	int e = SSL_get_error(t->ssl, r);
	ERR_clear_error();
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return 0;
	if (e == SSL_ERROR_ZERO_RETURN)
		return -ECONNRESET;		/* the peer still reads */
	t->is_over = true;
	return -EPROTO;
}

static int read_plain(struct tls *t, struct buf *plain)
{
	for (;;) {
		if (buf_reserve(plain, PLAIN_STEP) != 0)
			return -ENOMEM;
		int n = SSL_read(t->ssl, plain->p + plain->n, PLAIN_STEP);
		if (n <= 0)
			return verdict(t, n);
		plain->n += (size_t)n;
	}
}

/* No record of TLS and no hello of old SSL begins with a capital letter; every method does. */
static bool is_plain_http(struct tls *t, struct str wire_in)
{
	bool is_first = !t->has_begun && wire_in.n > 0;
	t->has_begun |= wire_in.n > 0;
	return is_first && wire_in.p[0] >= 'A' && wire_in.p[0] <= 'Z';
}

int tls_receive(struct tls *t, struct str wire_in, struct buf *plain, struct buf *wire)
{
	if (t->is_over)
		return -EPROTO;
	if (is_plain_http(t, wire_in)) {
		t->is_over = true;
		return -EPROTOTYPE;
	}
	ERR_clear_error();
	MUST(wire_in.n <= INT32_MAX);
	if (wire_in.n && BIO_write(t->in, wire_in.p, (int)wire_in.n) != (int)wire_in.n)
		return -ENOMEM;
	int r = 0;
	if (!tls_is_open(t)) {
		int done = SSL_do_handshake(t->ssl);
		r = done == 1 ? 0 : verdict(t, done);
	}
	if (r == 0 && tls_is_open(t))
		r = read_plain(t, plain);
	int written = take_written(t, wire);
	return r ? r : written;
}

int tls_send(struct tls *t, struct str plain, struct buf *wire)
{
	if (t->is_over || !tls_is_open(t))
		return -EPROTO;
	ERR_clear_error();
	while (plain.n > 0) {
		int step = plain.n < PLAIN_STEP ? (int)plain.n : PLAIN_STEP;
		int n = SSL_write(t->ssl, plain.p, step);
		if (n <= 0) {
			int r = verdict(t, n);
			return r ? r : -EPROTO;		/* a memory buffer never blocks */
		}
		int r = take_written(t, wire);
		if (r)
			return r;
		plain = str_skip(plain, (size_t)n);
	}
	return 0;
}

void tls_close(struct tls *t, struct buf *wire)
{
	if (t->is_over || !tls_is_open(t))
		return;
	t->is_over = true;
	ERR_clear_error();
	SSL_shutdown(t->ssl);
	ERR_clear_error();
	(void)take_written(t, wire);
}
