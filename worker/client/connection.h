/* SPDX-License-Identifier: MIT
 * connection.h - one client connection: bytes in to requests, answers out to bytes.
 *
 * At most one request at a time is given to request.c; a pipelined one waits. While a request
 * runs the socket is still read, so that a client that leaves is noticed at once. Answers go
 * out with one write where the socket takes it; what it does not take is queued here and is the
 * measure of backpressure. The connection calls request_* (declared in request.h) and is called
 * back through conn_*; conn_* never calls request_* before it returns. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <uv.h>

#include "common/buf.h"
#include "worker/client/http.h"

struct connection;
struct request;
struct worker;

enum { CONN_HIGH_WATER = 65536, CONN_LOW_WATER = 16384 };

/* Listening: takes descriptors already bound and listening, shared with other workers. tls stays
 * the caller's and must live as long. The process must ignore SIGPIPE. 0 or -errno, and then fd
 * is closed. */
struct listener;
struct tls_context;			/* from tls.h; NULL: plain */
int listener_start(struct worker *w, int fd, struct tls_context *tls,
		   struct listener **ret) MUST_USE;
/* What a listener does with a socket that it has accepted; fd is taken in any case. */
int connection_open(struct worker *w, int fd, struct tls_context *tls,
		    const uint8_t address[16]) MUST_USE;
/* Stops accepting on all: at once where the descriptor is open in other processes, else a moment
 * later, when w->listeners is NULL. May be called again. */
void listener_stop_all(struct worker *w);
/* Sets w->is_draining. Closes idle connections, makes others close after their answer. One that
 * was busy a moment ago may send its next request just now: it is given a second for it, unless
 * the master is gone, when nobody would answer it. So a drain is over when connections_open()
 * is 0. May be called again. */
void connections_drain(struct worker *w);
/* Ends every connection now (drain time is over): running streams are cut by request.c first. */
void connections_abort(struct worker *w);
unsigned connections_open(const struct worker *w);

/* The client's address: IPv6, or IPv4 as ::ffff:a.b.c.d. */
const uint8_t *conn_address(const struct connection *c);
bool conn_is_tls(const struct connection *c);

/* Asks for the body: request_body_done() follows (maybe at once, from the loop), or
 * request_body_failed(). Sends "100 Continue" where the client waits for it. Never called:
 * the body is not read, and an answer closes the connection. */
void conn_read_body(struct connection *c, uint64_t max_bytes);
struct str conn_body(const struct connection *c);	/* whole, until the answer is complete */

/* Slices of the request's head and body stay good until control is back in the loop after the
 * answer was completed or request_client_gone() was called. */

/* A whole answer. headers: complete "name: value\r\n" lines, lower-case names; content-length,
 * connection and date are added here, and a line of theirs or a malformed one is left out
 * (http_put_header() in http.h makes good ones). Everything is copied or written before it
 * returns. */
void conn_reply(struct connection *c, int status, struct str headers, struct str body);
/* A streamed answer: head (chunked), pieces, end. Each piece is one chunk and one write. */
void conn_reply_begin(struct connection *c, int status, struct str headers);
/* The same where the length is known: it is told, and an answer that ends before is broken off. */
void conn_reply_begin_sized(struct connection *c, int status, struct str headers, uint64_t length);
void conn_reply_piece(struct connection *c, struct str bytes);
/* Another protocol from now on (RFC 9110, 7.8): `headers` say which. What the client sends comes
 * by request_tunnel(), answers are pieces, and both end with conn_reply_end(). */
void conn_reply_switch(struct connection *c, struct str headers);
/* What request_tunnel() did not take can be offered again. */
void conn_tunnel_more(struct connection *c);
void conn_reply_end(struct connection *c);
/* Breaks off: the client sees a truncated answer, never a clean end. */
void conn_reply_abort(struct connection *c);
/* Bytes accepted from us and not yet by the kernel. Above CONN_HIGH_WATER stop producing;
 * request_drained() tells when it is below CONN_LOW_WATER again. */
size_t conn_queued(const struct connection *c);
/* No keep-alive after the answer under way. */
void conn_close_after(struct connection *c);
/* An answer as the client gets it. What does not fit into a buffer has made it fail. */
struct conn_copy {
	struct buf head, body;		/* header lines as given; pieces one behind the other */
	int status;
	bool is_whole;
};
/* Copies what is answered from now on, until the answer is complete. NULL: no longer. Where the
 * client leaves and request_goes_on(), all of this can be called as before; the copy alone hears
 * of it. */
void conn_copy_to(struct connection *c, struct conn_copy *copy);
/* Cuts the string between request and connection: late callbacks find nobody. A request that
 * has not been answered to its end is broken off. */
void conn_forget_request(struct connection *c);

#endif
