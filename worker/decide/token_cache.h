/* SPDX-License-Identifier: MIT
 * token_cache.h - tokens that were found good, and those that were not: a second request with one
 * costs a look-up.
 *
 * What is kept is bounded in number and bytes, and good for the generation of the configuration
 * and the version of the public keys that it was found with, until the token expires. A token is
 * known by its whole digest. */
#ifndef TOKEN_CACHE_H
#define TOKEN_CACHE_H

#include "common/hash.h"
#include "worker/decide/claims.h"

struct token_cache;
struct token_key {
	struct sha256 digest;		/* of the whole token */
	uint64_t generation, version;	/* of configuration and public keys */
};

struct token_cache *token_cache_new(void) MUST_USE;		/* NULL: no memory */
struct token_cache *token_cache_free(struct token_cache *c);	/* NULL is fine; returns NULL */
/* False: not known, or not good any more, or no memory. *ret is of the arena. */
bool token_cache_find(struct token_cache *c, const struct token_key *key, uint64_t now_s,
		      struct arena *a, struct who *ret);
/* Takes the place of what is of no use, else of what expires first. What is too long is not
 * kept. */
void token_cache_put(struct token_cache *c, const struct token_key *key, uint64_t now_s,
		     const struct who *who);

/* Of a token whose signature or claims are bad: that, for a minute; it takes the place of another.
 * TOKEN_GOOD: nothing is known against it. */
enum token_fault token_cache_fault(const struct token_cache *c, const struct token_key *key,
				   uint64_t now_s);
void token_cache_refuse(struct token_cache *c, const struct token_key *key, uint64_t now_s,
			enum token_fault f);

#endif
