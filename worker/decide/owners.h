/* SPDX-License-Identifier: MIT
 * owners.h - whose limits a request goes by: its key and its team, the user, the organization and
 * the member of the team that they name, the customer and the tags that the request itself names.
 *
 * All of them are checked, in limits.c, and all of them pay, in settle/account.c. A name that
 * nobody has made a row for limits nothing: LiteLLM takes it too. */
#ifndef OWNERS_H
#define OWNERS_H

#include "worker/decide/decide.h"

/* Counts its use. */
struct board_entity *owner_use(struct request *r, uint32_t entity);
/* The key itself, whose row stands in the directory: copied. */
enum step owner_of_key(struct request *r, const struct dir_key *row);
/* What stands above it: refused when any of it is blocked. */
enum step owners_above(struct request *r);
/* For a look at models, which is answered and no more: whoever stands above the key, with that
 * team and its organization in the place of its own. false: there is no such team, or it is
 * blocked, and nothing has changed. Limits, regions and priorities stay as they were. */
bool owners_look_as(struct request *r, struct str team);
/* The customer that it is for, of its token, its headers or its body; .n 0: none. */
struct str owners_customer(struct request *r);
/* Whom the request names, once it has been read; also an administrator's. */
enum step owners_beside(struct request *r);

#endif
