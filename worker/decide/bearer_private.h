/* SPDX-License-Identifier: MIT
 * bearer_private.h - bearer.c checks a token, bearer_owner.c finds out whose request it is. */
#ifndef BEARER_PRIVATE_H
#define BEARER_PRIVATE_H

#include "worker/decide/bearer.h"
#include "worker/decide/claims.h"

/* Of one that waited: what is left of the stage, then it moves on or ends; WAIT: it waits again. */
void bearer_go_on(struct request *r, enum step s);
/* -- bearer_owner.c -- */

/* `who` is of the request's arena. NEXT; DONE: it was refused; or WAIT. */
enum step bearer_admit(struct request *r, const struct who *who);

/* -- bearer.c -- */

/* It is known from now on, as it is now. */
void bearer_keep(struct request *r, const struct who *who);

/* What was found out of it, with r->token_key: kept, and whose request it is. */
enum step bearer_found(struct request *r, enum token_fault f, struct who *who);
struct claims_rules bearer_rules(const struct request *r);

/* -- bearer_userinfo.c -- */

/* Whether its provider is to be asked about such a token. */
bool bearer_asks(const struct request *r, struct str token);
/* WAIT, and then bearer_found() is called; or DONE. */
enum step bearer_ask(struct request *r, struct str token);

/* -- bearer_sync.c -- */

/* Whether the master has to be told, or asked, what the token says. */
bool bearer_needs_master(const struct request *r, const struct who *who);
/* WAIT, and then bearer_admit() is called again; or DONE. */
enum step bearer_tell_master(struct request *r);

#endif
