/* SPDX-License-Identifier: MIT
 * client_headers.h - headers that a client sends to the provider, where that is allowed
 * (forward_client_headers_to_llm_api). */
#ifndef CLIENT_HEADERS_H
#define CLIENT_HEADERS_H

#include "worker/request.h"

/* Appends the lines of the request's `extra_headers` and of its own x- headers. What carries keys,
 * frames the message or is configured for the deployment is never among them. 0, or -EINVAL with
 * *reterr: extra_headers names what may not be named. */
int client_headers_put(struct request *r, const struct snap_deployment *d, struct buf *out,
		       struct llm_error *reterr) MUST_USE;

/* Whether a header of that name goes on with the request, so that answers may differ by it. False
 * where clients' headers stay here. */
bool client_headers_has(const struct request *r, struct str name);

#endif
