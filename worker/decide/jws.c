/* SPDX-License-Identifier: MIT
 * jws.c - see jws.h. cjose takes the algorithm from the token's header, whatever the key: that is
 * why keyset.c looks at both first. */
#include "worker/decide/jws.h"

#include <cjose/cjose.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

static cjose_jwk_t *jwk_of(const struct jws_key *k)
{
	return (cjose_jwk_t *)(uintptr_t)k;
}

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
	if (k && !find_kind(k, ret_kind)) {
		cjose_jwk_release(k);
		k = NULL;
	}
	return (struct jws_key *)k;
}

struct jws_key *jws_key_free(struct jws_key *k)
{
	if (k)
		cjose_jwk_release(jwk_of(k));
	return NULL;
}

bool jws_verify(const struct jws_key *k, struct str token)
{
	cjose_err err;
	cjose_jws_t *jws = cjose_jws_import(token.p, token.n, &err);
	bool is_good = jws && cjose_jws_verify(jws, jwk_of(k), &err);
	cjose_jws_release(jws);
	return is_good;
}
