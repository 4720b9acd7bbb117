/* SPDX-License-Identifier: MIT
 * upstream_reach.c - whether a transfer may connect to the address that a name has led to.
 *
 * Asked when curl opens a socket, which a request on a connection that stands does not. Only
 * deployments of strangers are asked about each time: they would find connections that others,
 * who may have them, have made. */
#include <arpa/inet.h>

#include "common/cidr.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/reach.h"
#include "worker/exchange/upstream_private.h"

enum { TELL_EVERY_MS = 1000 };

static bool is_allowed(const struct transfer *t, const uint8_t address[16])
{
	struct snap_part list = snap_settings(t->snap)->allow_private;
	for (uint32_t i = 0; i < list.count; i++) {
		struct cidr net;
		if (cidr_read(snap_name(t->snap, list, i), &net) == 0 && cidr_has(&net, address))
			return true;
	}
	return false;
}

/* The host of the transfer's URL, into `to`; .n 0: it has none. */
static struct str host_of(CURL *easy, char *to, size_t room)
{
	const char *url = NULL;
	char *host = NULL;
	CURLU *u = curl_url();
	struct str ret = STR("");
	curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
	if (u && url && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && strlen(host) < room) {
		ret = str_of(to, strlen(host));
		memcpy(to, host, ret.n);
	}
	curl_free(host);
	curl_url_cleanup(u);
	return ret;
}

static void tell(struct transfer *t, struct str host, const uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN];
	uint64_t now = clock_ns();
	t->u->refused++;
	if (t->u->refusal_told_ns && now < t->u->refusal_told_ns + TELL_EVERY_MS * NS_PER_MS)
		return;
	t->u->refusal_told_ns = now;
	bool is_v4 = memcmp(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
	inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? address + 12 : address, text, sizeof text);
	LOG(LOG_WARN, "upstream.address_refused", F_STR("host", host), F_Z("address", text),
	    F_STR("deployment", snap_text(t->snap, t->deployment->id)), F_Z("why", t->refusal));
}

static bool may_reach(struct transfer *t, const uint8_t address[16])
{
	char room[256];
	bool must_be_public = t->deployment->flags & (DEPLOY_PUBLIC | DEPLOY_STRANGER);
	const char *why;
	if (reach_kind_of(address, &why) == REACH_PUBLIC)
		return true;
	struct str host = host_of(t->easy, room, sizeof room);
	why = reach_refusal(address, host, must_be_public);
	if (!why || is_allowed(t, address))
		return true;
	t->refusal = why;
	tell(t, host, address);
	return false;
}

curl_socket_t upstream_on_open(void *easy, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = upstream_transfer_of(easy);
	uint8_t address[16];
	(void)purpose;
	if (!t || !reach_address(&a->addr, address) || !may_reach(t, address))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

int upstream_on_ask(void *transfer, char *ip, char *own_ip, int port, int own_port)
{
	struct cidr one;
	(void)own_ip;
	(void)port;
	(void)own_port;
	const struct transfer *t = transfer;
	if (t->is_called_off)
		return CURL_PREREQFUNC_ABORT;
	if (!(t->deployment->flags & DEPLOY_STRANGER))
		return CURL_PREREQFUNC_OK;
	bool may = cidr_read(str_z(ip), &one) == 0 && may_reach(transfer, one.address);
	return may ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}
