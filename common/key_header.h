/* SPDX-License-Identifier: MIT
 * key_header.h - how a provider's key travels: one header line for each enum provider_auth. */
#ifndef KEY_HEADER_H
#define KEY_HEADER_H

#include "common/snapshot.h"

/* "Name: value" and a NUL, a SECRET that the caller wipes. How long it is; 0: there is no key, or
 * it takes more than a header (AUTH_SIGV4 and its kin); -EMSGSIZE: no room. */
int key_header_write(char *line, size_t max, enum provider_auth auth, struct str key) MUST_USE;
/* Whether a key of this kind travels in one header; that header's name, or .p NULL. */
bool key_header_is_plain(enum provider_auth auth);
struct str key_header_name(enum provider_auth auth);

#endif
