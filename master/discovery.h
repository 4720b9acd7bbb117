/* SPDX-License-Identifier: MIT
 * discovery.h - where an issuer of tokens has its public keys, and its userinfo endpoint, as it
 * says itself (OpenID Connect Discovery 1.0). Pure: who fetches is jwks.c, and userinfo.c. */
#ifndef DISCOVERY_H
#define DISCOVERY_H

#include "common/arena.h"

enum { DISCOVERY_URL_MAX = 1024 };

/* The host of an address of http or https, "[::1" with its bracket; .p NULL: it is none, or has a
 * password, which would reach the log. */
struct str discovery_host(struct str url, bool *ret_is_plain);
/* Whether what is said to such a host stays on this machine. */
bool discovery_host_is_local(struct str host);

/* Whether it is the address of a document that says where keys are. */
bool discovery_is_url(struct str url);
/* The address of an issuer's. .p NULL: no memory. */
struct str discovery_url(struct arena *a, struct str issuer);

/* Reads such a document, which has come from `url`. It must be of `issuer`; where that is empty,
 * of whom the address says. The keys must not come by a less secret way than it did.
 * NULL, and *ret_... are of the arena; or what is wrong with it. */
const char *discovery_read(struct arena *a, struct str text, struct str url, struct str issuer,
			   struct str *ret_issuer, struct str *ret_keys_url) MUST_USE;
/* The same of where it says who comes with a token: its userinfo_endpoint. */
const char *discovery_read_users(struct arena *a, struct str text, struct str url,
				 struct str *ret_users_url) MUST_USE;
/* Whether a text is a list of keys at all; which of them are good, the workers see. */
bool discovery_is_key_list(struct arena *scratch, struct str text);

#endif
