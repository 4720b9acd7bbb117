/* SPDX-License-Identifier: MIT
 * own_router.h - router_settings of a key and of its team: the key's go before the team's, those
 * before the configuration's, and what the request itself says goes before all of them. */
#ifndef OWN_ROUTER_H
#define OWN_ROUTER_H

#include "worker/llm.h"

struct own_router {
	const struct json *of[2];	/* the key's, the team's; objects, or NULL */
	uint32_t strategy;		/* 1 + enum route_strategy; 0: neither says */
	bool request_has_retries;	/* so no policy of theirs counts */
};
struct request;
/* Of a request whose key or team has some: r->own, and what of it stands in r->q. What is of the
 * wrong form is passed over. False: no memory. */
bool own_router_read(struct request *r);
/* Retries after such an error, by their policies. False: they say nothing. */
bool own_router_retries(const struct own_router *own, struct str group, enum outcome o,
			unsigned *ret);
/* Of [{name: [names]}] the list of the first of `asked`, `group` and "*" that has one, or NULL. */
const struct json *own_router_list(const struct json *all, struct str asked, struct str group);
/* Where to go from a group after such an error: an array of names, or NULL. What is written for the
 * name that it was asked by goes before what is for its own. */
const struct json *own_router_fallbacks(const struct own_router *own, struct str asked,
					struct str group, enum outcome o);

#endif
