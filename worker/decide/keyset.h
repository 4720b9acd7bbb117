/* SPDX-License-Identifier: MIT
 * keyset.h - the public keys of those who sign tokens, and whether a token is signed by one.
 *
 * Which key: the one that the header's `kid` names; a token without one is tried with each key
 * that fits its algorithm, up to a bound. The algorithm must be of the key's own type (RFC 8725,
 * 3.1): never `none`, never a symmetric one. Pure. */
#ifndef KEYSET_H
#define KEYSET_H

#include "common/arena.h"

enum {
	KEYSET_KEYS = 64,		/* of all addresses together */
	KEYSET_ISSUERS = 8,
	KEYSET_ISSUER_MAX = 1024,	/* bytes */
	KEYSET_TRIES = 16,		/* keys that a token is tried with which names none */
	KEYSET_TOKEN_MAX = 16384	/* bytes */
};

/* What is wrong with a token. */
#define TOKEN_FAULTS(X)                                                                           \
	X(FORM,      "it is no token in compact form")                                            \
	X(LONG,      "it is too long")                                                            \
	X(HEADER,    "its header is not what RFC 7515 wants")                                     \
	X(ALGORITHM, "its algorithm is not taken")                                                \
	X(KEY,       "its key id is not known")                                                   \
	X(UNFIT,     "its algorithm does not fit its key")                                        \
	X(SIGNATURE, "its signature is wrong")                                                    \
	X(CLAIMS,    "its claims are not an object of JSON with each name once")                  \
	X(NO_EXPIRY, "it has no exp claim")                                                       \
	X(EXPIRED,   "it has expired")                                                            \
	X(EARLY,     "it is not valid yet")                                                       \
	X(ISSUER,    "its issuer is not the one that is wanted")                                  \
	X(AUDIENCE,  "it is for another audience")                                                \
	X(ROLE,      "none of its roles and scopes may use the gateway")                                     \
	X(STRANGE,   "the identity provider does not know it")                                    \
	X(MEMORY,    "it takes too much memory")

enum token_fault {
	TOKEN_GOOD,
#define X(name, text) TOKEN_BAD_##name,
	TOKEN_FAULTS(X)
#undef X
	TOKEN_FAULT_COUNT
};
const char *token_fault_text(enum token_fault f);	/* "it has expired"; never a part of it */

struct keyset;
/* NULL: no memory. */
struct keyset *keyset_new(void) MUST_USE;
struct keyset *keyset_free(struct keyset *k);	/* NULL is fine; returns NULL */
/* Adds the keys of a JWKS document (RFC 7517, 5) that can verify signatures. What cannot is
 * passed over. issuer: whose they are, and whose tokens alone they sign; .n 0: anybody's. Their
 * number; -EINVAL: that is no such document; -ENOMEM: no room for it. */
int keyset_add(struct keyset *k, struct arena *scratch, struct str issuer,
	       struct str document) MUST_USE;
unsigned keyset_count(const struct keyset *k);

/* Whether s has the form of a token: three parts of base64url, of which the last may be empty. */
bool token_has_form(struct str s);
/* Checks the signature, and gives the claims' bytes, of the arena, and the issuer that was given
 * with the key, of the key set: whether the token is of that one is the caller's to see. Both are
 * untouched by faults. */
enum token_fault keyset_verify(const struct keyset *k, struct arena *a, struct str token,
			       struct str *ret_claims, struct str *ret_issuer);

#endif
