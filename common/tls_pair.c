/* SPDX-License-Identifier: MIT
 * tls_pair.c - see tls_pair.h. */
#include "common/tls_pair.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>

/* An encrypted key has no passphrase here; OpenSSL must not ask the terminal for one. */
static int on_passphrase(char *p, int n, int is_writing, void *data)
{
	(void)p;
	(void)n;
	(void)is_writing;
	(void)data;
	return -1;
}

/* What, and OpenSSL's reason for it, which names no key material. */
static int fail(char reterr[256], const char *what)
{
	unsigned long e = ERR_peek_error();
	const char *reason = ERR_reason_error_string(e);
	bool has_none = ERR_GET_LIB(e) == ERR_LIB_PEM &&
			ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
	if (has_none || ERR_GET_REASON(e) == ERR_R_UNSUPPORTED)
		reason = "there is none in that file; are certificate and key interchanged?";
	snprintf(reterr, 256, "%s: %s", what, reason ? reason : "no reason given");
	ERR_clear_error();
	return -EINVAL;
}

/* The server's certificate, then those that lead up to the authority's. */
static int use_chain(SSL_CTX *ssl, BIO *pem, char reterr[256])
{
	X509 *x = PEM_read_bio_X509_AUX(pem, NULL, on_passphrase, NULL);
	if (!x)
		return fail(reterr, "the certificate cannot be read");
	int ok = SSL_CTX_use_certificate(ssl, x);
	X509_free(x);
	if (ok != 1)
		return fail(reterr, "the certificate cannot be used");
	while ((x = PEM_read_bio_X509(pem, NULL, on_passphrase, NULL))) {
		if (SSL_CTX_add0_chain_cert(ssl, x) != 1) {
			X509_free(x);
			return fail(reterr, "a certificate of the chain cannot be used");
		}
	}
	unsigned long e = ERR_peek_last_error();
	if (ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
		return fail(reterr, "a certificate of the chain cannot be read");
	ERR_clear_error();
	return 0;
}

static int use_key(SSL_CTX *ssl, BIO *pem, char reterr[256])
{
	EVP_PKEY *k = PEM_read_bio_PrivateKey(pem, NULL, on_passphrase, NULL);
	if (!k)
		return fail(reterr, "the private key cannot be read");
	int ok = SSL_CTX_use_PrivateKey(ssl, k);
	EVP_PKEY_free(k);
	if (ok != 1 || SSL_CTX_check_private_key(ssl) != 1)
		return fail(reterr, "the private key does not belong to the certificate");
	return 0;
}

int tls_pair_use(SSL_CTX *ssl, BIO *certificate, BIO *key, bool *ret_is_key, char reterr[256])
{
	SSL_CTX_set_default_passwd_cb(ssl, on_passphrase);
	*ret_is_key = false;
	int err = use_chain(ssl, certificate, reterr);
	if (err)
		return err;
	*ret_is_key = true;
	return use_key(ssl, key, reterr);
}

static BIO *memory_of(struct str s)
{
	return s.n <= INT32_MAX ? BIO_new_mem_buf(s.n ? s.p : "", (int)s.n) : NULL;
}

int tls_pair_check(struct str certificate, struct str key, bool *ret_is_key, char reterr[256])
{
	ERR_clear_error();
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	BIO *c = memory_of(certificate), *k = memory_of(key);
	int err = -ENOMEM;
	*ret_is_key = false;
	if (ssl && c && k)
		err = tls_pair_use(ssl, c, k, ret_is_key, reterr);
	else
		snprintf(reterr, 256, "out of memory");
	BIO_free(c);
	BIO_free(k);
	SSL_CTX_free(ssl);
	return err;
}

static int read_end(const X509 *x, int64_t *ret_end)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, seconds = 0;
	bool is_good = x && epoch &&
		       ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(x)) == 1;
	if (is_good)
		*ret_end = (int64_t)days * 86400 + seconds;
	ASN1_TIME_free(epoch);
	ERR_clear_error();
	return is_good ? 0 : -EINVAL;
}

int tls_pair_end(struct str certificate, int64_t *ret_end)
{
	BIO *pem = BIO_new_mem_buf(certificate.p, (int)certificate.n);
	X509 *x = pem ? PEM_read_bio_X509_AUX(pem, NULL, on_passphrase, NULL) : NULL;
	int r = read_end(x, ret_end);
	X509_free(x);
	BIO_free(pem);
	return r;
}

int tls_pair_end_of(const struct ssl_ctx_st *ssl, int64_t *ret_end)
{
	return read_end(SSL_CTX_get0_certificate(ssl), ret_end);
}
