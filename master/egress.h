/* SPDX-License-Identifier: MIT
 * egress.h - where the master's own calls may go (common/reach.h), for libcurl's handles; workers
 * have theirs in worker/exchange/upstream_reach.c. */
#ifndef EGRESS_H
#define EGRESS_H

#include <curl/curl.h>

#include "common/cidr.h"
#include "master/config.h"

/* A rule, which is copied to whatever thread makes the call. All zeroes: for what the operator
 * names, who has allowed nothing beyond. */
struct egress {
	bool must_be_public;		/* somebody else has said where it goes */
	unsigned n;
	struct cidr allowed[CONFIG_NETWORKS_MAX];	/* server.allow-private */
};
void egress_set(struct egress *ret, const struct config_names *allowed, bool must_be_public);

struct egress_call {			/* of one call; lives as long as that */
	const struct egress *rule;	/* NULL: as all zeroes */
	const char *url;
	const char *why;		/* it was refused, and therefore has failed; else NULL */
};
void egress_guard(CURL *e, struct egress_call *call);
/* What a call that failed is told by: why it was refused, or curl_why(). A literal. */
const char *egress_why(CURL *e, const struct egress_call *call, CURLcode code);

#endif
