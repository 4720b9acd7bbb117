/* SPDX-License-Identifier: MIT
 * jws.h - signatures of tokens by public keys: all of cjose that is used, and Ed25519 (RFC 8037),
 * which it does not know, by libsodium. Pure. */
#ifndef JWS_H
#define JWS_H

#include "common/str.h"

/* What a key can verify, by its type and curve. */
enum jws_kind { JWS_RSA, JWS_P256, JWS_P384, JWS_P521, JWS_ED25519, JWS_KINDS };

struct jws_key;
/* A public key from its JWK (RFC 7517). NULL: it is none, of a kind that is not served (symmetric
 * keys among them), or RSA below 2048 or above 8192 bits. */
struct jws_key *jws_key_new(struct str jwk, enum jws_kind *ret_kind);
/* From its point. NULL: it is no good one, or no memory. */
struct jws_key *jws_key_new_ed25519(struct str point, enum jws_kind *ret_kind);
struct jws_key *jws_key_free(struct jws_key *k);	/* NULL is fine; returns NULL */
/* Whether a compact JWS (RFC 7515, 7.1) is signed by the key, with the algorithm that its header
 * names. That it is one for such a key the caller has checked. */
bool jws_verify(const struct jws_key *k, struct str token);

#endif
