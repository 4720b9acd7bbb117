/* SPDX-License-Identifier: MIT
 * cert.h - a certificate and its key for one test, made on the spot. */
#ifndef CERT_H
#define CERT_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/str.h"

struct cert {
	BIO *certificate_bio, *key_bio;		/* own the text */
	struct str certificate, key;		/* PEM */
};

static inline struct str cert_text(BIO *bio)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	return str_of(p, (size_t)n);
}

/* Valid for so many seconds from now on. passphrase: NULL leaves the key open. */
static inline struct cert cert_make_for(const char *name, const char *passphrase, long seconds)
{
	struct cert c = { BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()), STR_NONE, STR_NONE };
	EVP_PKEY *k = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), seconds);
	X509_set_pubkey(x, k);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_sign(x, k, EVP_sha256());
	PEM_write_bio_X509(c.certificate_bio, x);
	int n = passphrase ? (int)strlen(passphrase) : 0;
	PEM_write_bio_PKCS8PrivateKey(c.key_bio, k, passphrase ? EVP_aes_128_cbc() : NULL,
				      passphrase, n, NULL, NULL);
	c.certificate = cert_text(c.certificate_bio);
	c.key = cert_text(c.key_bio);
	X509_free(x);
	EVP_PKEY_free(k);
	return c;
}

static inline void cert_free(struct cert *c)
{
	BIO_free(c->certificate_bio);
	BIO_free(c->key_bio);
}

static inline struct cert cert_make(const char *name, const char *passphrase)
{
	return cert_make_for(name, passphrase, 3600);
}

#endif
