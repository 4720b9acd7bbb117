/* SPDX-License-Identifier: MIT
 * tls.h - client-side TLS: OpenSSL over memory buffers, driven by connection.c. */
#ifndef TLS_H
#define TLS_H

#include "common/buf.h"

struct tls_context;			/* certificate and key; one a worker, replaced on reload */
struct tls;				/* one connection */

/* Of texts in PEM. TLS 1.2 and up, HTTP/1.1 by ALPN. reterr: a sentence, never key material. */
int tls_context_new(struct str certificate, struct str key, struct tls_context **ret,
		    char reterr[256]) MUST_USE;
struct tls_context *tls_context_free(struct tls_context *c);
/* When its certificate ends, in seconds since 1970; negative: that is not known. */
int64_t tls_context_end(const struct tls_context *c);
/* New connections of `c` use what `with` holds; `with` is taken. Running ones keep theirs. */
void tls_context_replace(struct tls_context *c, struct tls_context *with);

struct tls *tls_new(struct tls_context *c) MUST_USE;
struct tls *tls_free(struct tls *t);
/* Bytes from the wire in; plain bytes appended to plain, bytes for the wire to wire.
 * 0; -ECONNRESET (the peer closed cleanly); -EPROTO (handshake or record refused);
 * -EPROTOTYPE (the first byte ever is one of plain HTTP: nothing is taken). */
int tls_receive(struct tls *t, struct str wire_in, struct buf *plain, struct buf *wire) MUST_USE;
int tls_send(struct tls *t, struct str plain, struct buf *wire) MUST_USE;
void tls_close(struct tls *t, struct buf *wire);	/* close_notify */
bool tls_is_open(const struct tls *t);			/* the handshake is done */

#endif
