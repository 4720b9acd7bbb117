/* SPDX-License-Identifier: MIT
 * endpoint.h - every path that the gateway answers, in one table. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "common/str.h"
#include "worker/step.h"

struct request;
struct dialect;

enum {
	EP_KEY = 1,		/* wants a key */
	EP_ADMIN = 2,		/* wants an admin's key */
	EP_STREAM = 4,		/* may stream */
	EP_LLM = 8,		/* goes the whole way: limits, route, account, exchange */
	EP_RELAY = 16,		/* a management command: goes to the master */
	EP_BODY = 32,		/* reads a body */
	EP_LARGE = 64		/* a management command whose body may be large */
};
struct raw;
struct endpoint {
	const char *method;	/* "GET", "POST"; "*" = any */
	/* Exact, or with one {model} (some segments), {id} (one, of plain characters) or {name}
	 * (anything, percent-encoded or not, but dot segments), or with {path} at the end: nothing,
	 * or '/' and anything. */
	const char *path;
	unsigned flags;
	const struct dialect *dialect;		/* EP_LLM */
	enum step (*run)(struct request *r);	/* the gateway's own answers */
	const struct raw *raw;			/* EP_LLM without a dialect: bytes both ways */
	const char *doc;
};
extern const struct endpoint endpoints[];
extern const size_t endpoints_count;
/* Paths that the configuration names; with a key, and without one. */
extern const struct endpoint endpoint_target, endpoint_open_target;

struct endpoint_parts {			/* of a path; .p NULL: the pattern has none */
	struct str model;		/* what stood for {model} ('/' allowed), {id} or {name} */
	struct str rest;		/* what stood for {path}, undecoded and not looked at */
};
/* Exact match on raw bytes, no decoding, no dot segments. NULL: none; *ret_near is the first row
 * then of which only the method is another, or NULL. */
const struct endpoint *endpoint_find(struct str method, struct str path,
				     struct endpoint_parts *ret, const struct endpoint **ret_near);

#endif
