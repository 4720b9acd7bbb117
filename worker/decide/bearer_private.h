/* SPDX-License-Identifier: MIT
 * bearer_private.h - bearer.c checks a token, bearer_owner.c finds out whose request it is. */
#ifndef BEARER_PRIVATE_H
#define BEARER_PRIVATE_H

#include "worker/decide/bearer.h"
#include "worker/decide/claims.h"

/* `who` is of the request's arena. NEXT, or DONE: it was refused. */
enum step bearer_admit(struct request *r, const struct who *who);

#endif
