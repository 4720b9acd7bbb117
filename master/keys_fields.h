/* SPDX-License-Identifier: MIT
 * keys_fields.h - how a field of LiteLLM's bodies is told to keys_args.c: where it goes, and
 * whether it acts. */
#ifndef KEYS_FIELDS_H
#define KEYS_FIELDS_H

#include <stddef.h>

#include "master/keys_private.h"

enum field_kind {
	TEXT, MONEY, LIMIT, BOOL, OBJECT, NAMES,	/* columns, by their type in key_row */
	LIFETIME, PERIOD, SPEND,			/* columns with a meaning of their own */
	IN_METADATA, IN_EXTRA,				/* members of those two */
	NO_COLUMN					/* the command's own argument */
};
struct field {
	const char *name;
	enum field_kind kind;
	bool acts;
	size_t at;			/* offset in key_row */
};
#define COLUMN(name, kind, acts, member) { name, kind, acts, offsetof(struct key_row, member) }

struct field_table {
	const struct field *v;
	size_t n;
};
/* In tenants_fields.c. */
extern const struct field_table user_fields, organization_fields, customer_fields, tag_fields,
	budget_fields;

#endif
