/* SPDX-License-Identifier: MIT
 * http_in.h - bytes from a client to one HTTP/1.1 request: head, body, end, or a refusal.
 *
 * Pure: no socket, no clock. The caller pulls events out of the bytes it has; the same bytes
 * give the same events however they are cut. llhttp does the parsing, in strict mode; what it
 * still lets through and a proxy must not is refused here (RFC 9112, sections 2, 3, 6, 7). */
#ifndef HTTP_IN_H
#define HTTP_IN_H

#include "worker/client/http_check.h"

enum {
	HTTP_NAME_MAX = 256,		/* bytes of a header's name */
	HTTP_VALUE_MAX = 16384,		/* bytes of a header's value */
	HTTP_CHUNK_DIGITS_MAX = 16,
	HTTP_EXTENSIONS_MAX = 256,	/* bytes of chunk extensions, over the whole body */
	HTTP_TRAILERS_MAX = 8192	/* bytes of trailers; they are ignored */
};

enum http_in_event {
	HTTP_IN_MORE,		/* all bytes were taken and more are needed */
	HTTP_IN_HEAD,		/* the head is whole: http_in_request() */
	HTTP_IN_BODY,		/* *ret_body: the next bytes of the body, among those given */
	HTTP_IN_END,		/* the request is whole; what is left belongs to the next one */
	HTTP_IN_REFUSED		/* http_in_refusal(): answer with it and close */
};

struct http_in;
struct http_in *http_in_new(void) MUST_USE;
struct http_in *http_in_free(struct http_in *h);	/* NULL is fine; returns NULL */
void http_in_reset(struct http_in *h);			/* ready for the next request */

/* Takes bytes from the front of *bytes up to the next event. After HTTP_IN_END and
 * HTTP_IN_REFUSED it says the same again and takes nothing, until http_in_reset(). */
enum http_in_event http_in_next(struct http_in *h, struct str *bytes,
				struct str *ret_body) MUST_USE;

/* After HTTP_IN_HEAD. Slices stay good until http_in_reset(). */
const struct http_request *http_in_request(const struct http_in *h);
/* The client waits for "100 Continue" before it sends its body. */
bool http_in_expects_continue(const struct http_in *h);
/* After HTTP_IN_REFUSED. */
const struct http_refusal *http_in_refusal(const struct http_in *h);
/* Whether the method is known to be HEAD, also when the head was refused later. */
bool http_in_is_head(const struct http_in *h);

#endif
