/* SPDX-License-Identifier: MIT
 * http.h - one HTTP/1.1 request as the rest of the worker sees it (RFC 9110, 9112). */
#ifndef HTTP_H
#define HTTP_H

#include "common/buf.h"

enum { HTTP_HEADERS_MAX = 100, HTTP_HEAD_BYTES_MAX = 32768, HTTP_TARGET_MAX = 8192 };

struct http_header {
	struct str name;		/* lower-cased */
	struct str value;		/* trimmed */
};
struct http_request {			/* slices stay good until the answer is complete */
	struct str method, target;	/* target: as sent, without scheme and host */
	struct str path, query;		/* query without '?', .p NULL when there is none */
	struct http_header *headers;	/* at most HTTP_HEADERS_MAX */
	unsigned n_headers;
	uint8_t version_minor;		/* 0 or 1 */
	bool keep_alive;
	bool has_body;			/* Content-Length above 0, or chunked */
	struct str idempotency_key;	/* that header, noticed on the way; .p NULL: none */
	uint64_t content_length;	/* UINT64_MAX: chunked, not known */
};
/* The first of that (lower-case) name, or STR_NONE. */
struct str http_header(const struct http_request *h, const char *name);
/* Appends "name: value" and its line end. False, and nothing is appended: the value holds a
 * control character, or connection.c writes that header itself (content-length, date ...). */
bool http_put_header(struct buf *out, const char *name, struct str value);

#endif
