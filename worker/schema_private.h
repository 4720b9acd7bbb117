/* SPDX-License-Identifier: MIT
 * schema_private.h - what the two halves of schema.h share. */
#ifndef SCHEMA_PRIVATE_H
#define SCHEMA_PRIVATE_H

#include "worker/schema.h"

enum { SCHEMA_DEPTH_MAX = 48 };

struct schema_place {			/* where one is, on the stack */
	const struct schema_place *up;
	struct str name;		/* .p NULL: the index counts */
	size_t index;
};
/* Fills *ret; returns -EINVAL. */
int schema_fault(struct arena *a, const struct schema_place *at, const char *what,
		 struct schema_fault *ret);
/* "#", "#/$defs/a", "#/properties/x/items/0". NULL: it leads nowhere, or out of the schema. Adds
 * what was looked at to *cost. */
const struct json *schema_follow(struct arena *a, const struct json *root, const struct json *ref,
				 size_t *cost);

#endif
