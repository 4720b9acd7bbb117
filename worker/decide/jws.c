/* SPDX-License-Identifier: MIT
 * jws.c - see jws.h. cjose takes the algorithm from the token's header, whatever the key: that is
 * why keyset.c looks at both first. */
#include "worker/decide/jws.h"

#include <cjose/cjose.h>
#include <sodium.h>

#include "common/hash.h"
#include "common/mem.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

struct jws_key {
	cjose_jwk_t *jwk;		/* NULL: Ed25519 */
	unsigned char point[crypto_sign_PUBLICKEYBYTES];
};

static bool find_curve(const cjose_jwk_t *jwk, enum jws_kind *ret)
{
	cjose_err err;
	switch (cjose_jwk_EC_get_curve(jwk, &err)) {
	case CJOSE_JWK_EC_P_256:
		*ret = JWS_P256;
		return true;
	case CJOSE_JWK_EC_P_384:
		*ret = JWS_P384;
		return true;
	case CJOSE_JWK_EC_P_521:
		*ret = JWS_P521;
		return true;
	default:
		return false;
	}
}

static bool find_kind(const cjose_jwk_t *jwk, enum jws_kind *ret)
{
	cjose_err err;
	size_t bits = cjose_jwk_get_keysize(jwk, &err);
	switch (cjose_jwk_get_kty(jwk, &err)) {
	case CJOSE_JWK_KTY_RSA:
		*ret = JWS_RSA;
		return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
	case CJOSE_JWK_KTY_EC:
		return find_curve(jwk, ret);
	default:
		return false;
	}
}

struct jws_key *jws_key_new(struct str jwk, enum jws_kind *ret_kind)
{
	cjose_err err;
	cjose_jwk_t *k = cjose_jwk_import(jwk.p, jwk.n, &err);
	struct jws_key *key = k && find_kind(k, ret_kind) ? mem_alloc(sizeof *key) : NULL;
	if (key)
		key->jwk = k;
	else
		cjose_jwk_release(k);
	return key;
}

struct jws_key *jws_key_new_ed25519(struct str point, enum jws_kind *ret_kind)
{
	struct jws_key *key = point.n == crypto_sign_PUBLICKEYBYTES ? mem_alloc(sizeof *key) : NULL;
	if (!key)
		return NULL;
	memcpy(key->point, point.p, sizeof key->point);
	*ret_kind = JWS_ED25519;
	return key;
}

struct jws_key *jws_key_free(struct jws_key *k)
{
	if (k)
		cjose_jwk_release(k->jwk);
	mem_free(k);
	return NULL;
}

/* What is signed is the text up to the last dot. libsodium refuses points of small order. */
static bool verify_ed25519(const struct jws_key *k, struct str token)
{
	unsigned char signature[crypto_sign_BYTES + 2];
	size_t n = 0, dot = token.n;
	while (dot && token.p[dot - 1] != '.')
		dot--;
	return dot &&
	       hash_unbase64url(signature, sizeof signature, str_skip(token, dot), &n) &&
	       n == crypto_sign_BYTES &&
	       crypto_sign_verify_detached(signature, (const unsigned char *)token.p, dot - 1,
					   k->point) == 0;
}

bool jws_verify(const struct jws_key *k, struct str token)
{
	cjose_err err;
	if (!k->jwk)
		return verify_ed25519(k, token);
	cjose_jws_t *jws = cjose_jws_import(token.p, token.n, &err);
	bool is_good = jws && cjose_jws_verify(jws, k->jwk, &err);
	cjose_jws_release(jws);
	return is_good;
}
