/* SPDX-License-Identifier: MIT
 * egress.c - see egress.h. */
#include "master/egress.h"

#include "common/curl_why.h"
#include "common/reach.h"

void egress_set(struct egress *ret, const struct config_names *allowed, bool must_be_public)
{
	memset(ret, 0, sizeof *ret);	/* who has one is told apart by all of its bytes */
	ret->must_be_public = must_be_public;
	for (size_t i = 0; i < allowed->n && ret->n < CONFIG_NETWORKS_MAX; i++)
		if (cidr_read(allowed->v[i], &ret->allowed[ret->n]) == 0)
			ret->n++;
}

static bool is_allowed(const struct egress *rule, const uint8_t address[16])
{
	for (unsigned i = 0; rule && i < rule->n; i++)
		if (cidr_has(&rule->allowed[i], address))
			return true;
	return false;
}

static const char *refusal(const struct egress_call *call, const uint8_t address[16])
{
	CURLU *u = curl_url();
	char *host = NULL;
	if (u && curl_url_set(u, CURLUPART_URL, call->url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		host = NULL;
	const char *why = reach_refusal(address, str_z(host ? host : ""),
					call->rule && call->rule->must_be_public);
	curl_free(host);
	curl_url_cleanup(u);
	return why;
}

static curl_socket_t on_open(void *data, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct egress_call *call = data;
	uint8_t address[16];
	(void)purpose;
	if (!reach_address(&a->addr, address))
		return CURL_SOCKET_BAD;
	const char *why = refusal(call, address);
	if (why && !is_allowed(call->rule, address)) {
		call->why = why;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

void egress_guard(CURL *e, struct egress_call *call)
{
	call->why = NULL;
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call);
}

const char *egress_why(CURL *e, const struct egress_call *call, CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT && call->why ? call->why : curl_why(e, code);
}
