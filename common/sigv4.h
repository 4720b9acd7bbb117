/* SPDX-License-Identifier: MIT
 * sigv4.h - AWS Signature Version 4: the headers that say who makes a call, and that nobody has
 * changed it on the way. Pure: the time is given. */
#ifndef SIGV4_H
#define SIGV4_H

#include "common/buf.h"

enum { SIGV4_HEADERS_MAX = 16, SIGV4_PAIRS_MAX = 64 };

struct sigv4_keys {
	struct str access_key_id;
	struct str secret_access_key, session_token;	/* SECRET; a token .n == 0: none */
	struct str region;
};
struct sigv4_header {
	struct str name, value;
};
struct sigv4_call {
	struct str method, host;	/* host as in the header: without the usual port */
	struct str path;		/* as sent, that is percent-encoded once */
	struct str query;		/* as sent, without '?'; .n == 0: none */
	struct str body;
	/* Signed beside host and what is made here; not those that change on the way. */
	const struct sigv4_header *headers;
	size_t n_headers;		/* at most SIGV4_HEADERS_MAX */
	bool tells_hash;		/* X-Amz-Content-Sha256 goes along: S3 wants it */
	struct str service;		/* "bedrock" */
	uint64_t time_s;		/* since 1970, UTC */
};

/* Appends "name: value\r\n" lines: X-Amz-Date, X-Amz-Security-Token and X-Amz-Content-Sha256 where
 * there are such, and Authorization. 0; -EINVAL (no key or region, a control character in one,
 * too many headers or pairs in the query); -ENOMEM. On failure *out has what it had. */
int sigv4_sign(const struct sigv4_call *c, const struct sigv4_keys *k, struct buf *out) MUST_USE;

#endif
