/* SPDX-License-Identifier: MIT
 * bearer.h - a request that comes with a JSON web token in place of a key.
 *
 * Its signature is checked here, with the public keys that the master has fetched; a key id that
 * is not known makes the master fetch them again, and the request waits for that, a few seconds at
 * most. Then its claims say whose request it is: the rows of team, user and organization that they
 * name stand where those of a key and its own would. There is no row of a key. */
#ifndef BEARER_H
#define BEARER_H

#include "common/frame.h"
#include "worker/decide/decide.h"
#include "worker/decide/keyset.h"

/* Whether that may be a token, where those are taken. */
bool bearer_takes(const struct request *r, struct str token);
/* A part of the stage auth. NEXT: r->key, r->owners and so on are as for a key. */
enum step bearer_check(struct request *r, struct str token);
/* A model was asked for by that name: of several teams the first one counts that may use what it
 * means there. Of r->token alone. */
enum step bearer_choose_team(struct request *r, struct str asked);
/* The request ends while it waits for public keys. */
void bearer_forget(struct request *r);

/* The link's: LINK_KEYS has come (takes fd, -1: none); the master is gone. */
void bearer_keys(struct worker *w, struct frame_in *f, int fd);
void bearer_fail_all(struct worker *w);

#endif
