/* SPDX-License-Identifier: MIT
 * http_out.h - composing answers: status line, headers, chunks. Pure text, no socket.
 *
 * The composer refuses what could split an answer: a header line with a control character, or
 * one of the lines that only we may write, is left out (RFC 9110, 5.5; RFC 9112, 11.1). */
#ifndef HTTP_OUT_H
#define HTTP_OUT_H

#include "common/buf.h"
#include "worker/client/http.h"

enum http_framing {
	HTTP_BY_LENGTH,		/* content-length */
	HTTP_BY_CHUNKS,
	HTTP_BY_CLOSE,		/* the end of the connection ends the body: HTTP/1.0 only */
	HTTP_NO_BODY		/* 204, 304: there is no body and no word about it */
};
struct http_out_head {
	int status;
	struct str headers;	/* complete lines */
	struct str date;	/* from http_out_date() */
	enum http_framing framing;
	uint64_t length;
	bool keep_alive;
	uint8_t version_minor;	/* of the request */
};
enum { HTTP_DATE_BYTES = 29, HTTP_CHUNK_HEAD_BYTES = 18 };

/* out->failed tells when there was no memory. */
void http_out_head(struct buf *out, const struct http_out_head *head);
/* An error body in OpenAI's shape. message: plain ASCII without quotes. */
void http_out_error(struct buf *out, int status, const char *message);
/* "1a" CR LF into at least HTTP_CHUNK_HEAD_BYTES. */
struct str http_out_chunk_head(char *room, size_t n);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7). */
struct str http_out_date(char room[HTTP_DATE_BYTES], uint64_t wall_s);
/* "OK" for 200, "" for one that has no name. */
const char *http_status_text(int status);

#endif
