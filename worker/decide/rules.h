/* SPDX-License-Identifier: MIT
 * rules.h - what else a caller is held to: paths, addresses, members of the body. */
#ifndef RULES_H
#define RULES_H

#include "worker/request.h"

/* Of a key with KEY_RULES: whether it may call this path. Keeps the rest of them for later. */
enum step rules_check_key(struct request *r, const struct dir_key *k);
/* Whether one of these paths, or groups of them, with a NUL behind each, lets it through. */
bool rules_let_through(const struct request *r, struct str list);
/* With SET_GUARDED. Whether this client may use keys at all, and the path is answered here. */
enum step rules_at_door(struct request *r);
/* Whether the path wants no key; an administrator's. */
bool rules_is_public(const struct request *r);
bool rules_is_admins(const struct request *r);
/* With SET_ENFORCED_PARAMS, or r->rules: whether the body has what it must. */
enum step rules_check_body(struct request *r);

#endif
