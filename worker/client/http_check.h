/* SPDX-License-Identifier: MIT
 * http_check.h - why a request is refused, and what a whole head must satisfy beyond grammar. */
#ifndef HTTP_CHECK_H
#define HTTP_CHECK_H

#include "worker/client/http.h"

/* Messages are plain ASCII without quotes: they may stand in JSON as they are. */
/* clang-format off */
#define REFUSALS(X)                                                                      \
	X(SYNTAX,           400, "The request is not valid HTTP/1.1.")                   \
	X(REQUEST_LINE,     400, "The request line is malformed.")                       \
	X(LINE_END,         400, "A line does not end with CR LF.")                      \
	X(FOLDED,           400, "Folded header lines are not accepted.")                \
	X(NAME,             400, "A header name is malformed.")                          \
	X(VALUE,            400, "A header value holds a control character.")            \
	X(HOST,             400, "Exactly one valid Host header is required.")           \
	X(TARGET,           400, "The request target is not acceptable.")                \
	X(LENGTH,           400, "The Content-Length is malformed.")                     \
	X(FRAMING,          400, "The framing of the body is ambiguous.")                \
	X(CHUNK,            400, "The chunked body is malformed.")                       \
	X(METHOD_CONNECT,   405, "CONNECT is not served here.")                          \
	X(TARGET_LONG,      414, "The request line is too long.")                        \
	X(CONTENT_ENCODING, 415, "Encoded request bodies are not accepted.")             \
	X(EXPECT,           417, "This expectation cannot be met.")                      \
	X(HEAD_LONG,        431, "The request head is too large.")                       \
	X(CODING,           501, "Only the chunked transfer coding is understood.")      \
	X(MEMORY,           503, "Out of memory.")                                       \
	X(VERSION,          505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
/* clang-format on */

enum refusal {
	REFUSE_NOTHING,
#define X(name, ...) REFUSE_##name,
	REFUSALS(X)
#undef X
	REFUSAL_COUNT
};
struct http_refusal {
	int status;
	const char *message;
};
extern const struct http_refusal http_refusals[REFUSAL_COUNT];

/* Method, version and headers of *q are set; target is as the client sent it. Sets target, path,
 * query and the length of the body, or says what is wrong. */
enum refusal http_check_head(struct http_request *q, struct str target) MUST_USE;

/* Whether s may be a header's value (RFC 9110, 5.5), or a token, as a name is (5.6.2). */
bool http_is_value(struct str s);
bool http_is_token(struct str s);
/* How many bytes s begins with that may stand in a value, or in a token. */
size_t http_value_run(struct str s);
size_t http_token_run(struct str s);

#endif
