/* SPDX-License-Identifier: MIT
 * tls_pair.h - a certificate and its private key, as both processes look at them: the master
 * before it shows them to anybody, workers to use them. What one takes the other takes. */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

#include "common/check.h"
#include "common/str.h"

struct ssl_ctx_st;			/* OpenSSL's, by their own names */
struct bio_st;

/* Gives PEM texts (the server's certificate, then its chain; the key) to a context. 0, or -EINVAL
 * with a sentence that never has key material; *ret_is_key: it is the key's fault. */
int tls_pair_use(struct ssl_ctx_st *ssl, struct bio_st *certificate, struct bio_st *key,
		 bool *ret_is_key, char reterr[256]) MUST_USE;
/* Only looks whether a server could use them. 0, -EINVAL, -ENOMEM. */
int tls_pair_check(struct str certificate, struct str key, bool *ret_is_key,
		   char reterr[256]) MUST_USE;
/* When the first certificate of a PEM text ends, in seconds since 1970. 0, or -EINVAL. */
int tls_pair_end(struct str certificate, int64_t *ret_end) MUST_USE;
/* The same of the one that a context has. 0, or -EINVAL. */
int tls_pair_end_of(const struct ssl_ctx_st *ssl, int64_t *ret_end) MUST_USE;

#endif
