/* SPDX-License-Identifier: MIT
 * pending.c - see pending.h. */
#include "worker/client/pending.h"

#include <errno.h>

enum { PENDING_MAX = 512 };		/* that are looked through for a result */

struct pending_call {
	struct pending_call *next;
	struct str name, id;
};

struct str pending_make_id(struct arena *a, struct pending_calls *p)
{
	return arena_printf(a, "call_%u", p->n_made++);
}

int pending_add(struct arena *a, struct pending_calls *p, struct str name, struct str id)
{
	struct pending_call **end = &p->first;
	struct pending_call *one = arena_alloc(a, sizeof *one);
	size_t n = 0;
	if (!one)
		return -ENOMEM;
	one->name = name;
	one->id = id;
	while (*end && n++ < PENDING_MAX)
		end = &(*end)->next;
	if (!*end)
		*end = one;
	return 0;
}

static bool is_for(const struct pending_call *c, struct str name, struct str id)
{
	if (id.n)
		return str_eq(c->id, id);
	return !name.n || str_eq(c->name, name);
}

struct str pending_take(struct pending_calls *p, struct str name, struct str id)
{
	struct pending_call **at = &p->first;
	while (*at && !is_for(*at, name, id))
		at = &(*at)->next;
	if (!*at)
		return STR_NONE;
	id = (*at)->id;
	*at = (*at)->next;
	return id;
}
