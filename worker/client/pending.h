/* SPDX-License-Identifier: MIT
 * pending.h - calls of tools that wait for their results, for dialects whose calls have no ids or
 * need not have any: an id is made for each, and results find theirs by name and order. */
#ifndef PENDING_H
#define PENDING_H

#include "common/arena.h"

struct pending_call;
struct pending_calls {			/* begin with zeros */
	struct pending_call *first;
	unsigned n_made;		/* ids made so far */
};
/* An id for a call, or a result, that came without one. .p NULL: no memory. */
struct str pending_make_id(struct arena *a, struct pending_calls *p) MUST_USE;
/* A call waits from now on; more than a few hundred at once are not remembered. 0 or -ENOMEM. */
int pending_add(struct arena *a, struct pending_calls *p, struct str name, struct str id) MUST_USE;
/* The id of the call that a result is for, which waits no more: the one with that id; without an
 * id the first one with that name; without a name, too, the first one. .p NULL: there is none. */
struct str pending_take(struct pending_calls *p, struct str name, struct str id);

#endif
