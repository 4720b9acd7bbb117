/* SPDX-License-Identifier: MIT
 * forwarded.h - whose request it is that comes through a reverse proxy. */
#ifndef FORWARDED_H
#define FORWARDED_H

#include "common/snapshot.h"
#include "worker/client/http.h"

/* `address` is the peer's. If that is a trusted proxy, it becomes the right-most address of
 * X-Forwarded-For that is none: what stands before it anybody may have written. Where an element
 * is no address, it stays that of the last proxy. */
void forwarded_read(const struct http_request *h, bool (*trusts)(const void *, const uint8_t *),
		    const void *data, uint8_t address[16]);
/* The same with server.trusted-proxies. */
void forwarded_address(const struct snap *s, const struct http_request *h, uint8_t address[16]);

#endif
