/* SPDX-License-Identifier: MIT
 * mistaken.c - clients that speak plain HTTP to a port with TLS, or TLS to one without: what they
 * are answered, and what their operator reads in the log. */
#include <arpa/inet.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/client/conn.h"

#define QUIET_NS (60 * NS_PER_S)

static const struct {
	const char *spoke, *message;
} mistakes[SPOKE_COUNT] = {
	[SPOKE_PLAIN] = { "http", "This port speaks HTTPS and was sent plain HTTP: use https:// "
				  "in the base URL." },
	[SPOKE_TLS] = { "tls", "This port speaks plain HTTP and was sent TLS: use http:// in the "
			       "base URL, or set server.tls." },
};

const char *conn_mistaken(struct connection *c, enum conn_spoke spoke)
{
	uint64_t *quiet_until_ns = &c->w->client->quiet_until_ns[spoke], now_ns = clock_ns();
	char text[INET6_ADDRSTRLEN] = "";
	if (now_ns >= *quiet_until_ns) {
		*quiet_until_ns = now_ns + QUIET_NS;
		inet_ntop(AF_INET6, c->address, text, sizeof text);
		LOG(LOG_WARN, "client.mistaken", F_Z("address", text),
		    F_Z("spoke", mistakes[spoke].spoke), F_Z("why", mistakes[spoke].message));
	}
	return mistakes[spoke].message;
}
