/* SPDX-License-Identifier: MIT
 * jwt.c - RS256 by OpenSSL; see jwt.h. OpenSSL wipes the key when it is freed. */
#include "worker/exchange/jwt.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/hash.h"

enum { KEY_MAX = 16384, KEY_BITS_MIN = 2048, SIGNATURE_MAX = 1024, BLOCK = 3 * 256 };

/* Blocks of a multiple of three bytes need no padding but in the last one. */
static void put_base64url(struct buf *out, struct str s)
{
	char text[BLOCK / 3 * 4 + 1];
	while (s.n) {
		struct str block = str_of(s.p, s.n < BLOCK ? s.n : BLOCK);
		s = str_skip(s, block.n);
		MUST(hash_base64(text, sizeof text, block));
		for (const char *p = text; *p && *p != '='; p++)
			buf_put_char(out, *p == '+' ? '-' : *p == '/' ? '_' : *p);
	}
}

/* A key with a passphrase is none: nobody is asked for one. */
static int no_passphrase(char *to, int room, int is_writing, void *data)
{
	(void)to;
	(void)room;
	(void)is_writing;
	(void)data;
	return -1;
}

static EVP_PKEY *read_key(struct str pem)
{
	BIO *bio = pem.n && pem.n <= KEY_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	BIO_free(bio);
	if (key && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
		    EVP_PKEY_get_bits(key) < KEY_BITS_MIN)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static int put_signature(EVP_PKEY *key, struct str text, struct buf *out)
{
	unsigned char signature[SIGNATURE_MAX];
	size_t n = sizeof signature;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md && EVP_PKEY_get_size(key) <= (int)sizeof signature &&
		  EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestSign(md, signature, &n, (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(md);
	if (!ok)
		return -ENOMEM;
	buf_put_char(out, '.');
	put_base64url(out, str_of((const char *)signature, n));
	return out->failed ? -ENOMEM : 0;
}

int jwt_sign(struct str key, struct str header, struct str claims, struct buf *out)
{
	size_t before = out->n;
	EVP_PKEY *rsa = read_key(key);
	int err = rsa ? 0 : -EINVAL;
	if (!err) {
		put_base64url(out, header);
		buf_put_char(out, '.');
		put_base64url(out, claims);
		err = out->failed ? -ENOMEM
				  : put_signature(rsa, str_skip(buf_str(out), before), out);
	}
	if (err)
		out->n = before;
	EVP_PKEY_free(rsa);
	ERR_clear_error();
	return err;
}
