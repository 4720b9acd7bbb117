/* SPDX-License-Identifier: MIT
 * schema.h - JSON Schema, as much of it as tools and structured answers use.
 *
 * Known: type (also a list), nullable, enum, const, properties, required, additionalProperties,
 * minProperties, maxProperties, items, prefixItems, contains, minItems, maxItems, uniqueItems,
 * minLength, maxLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, anyOf,
 * oneOf, allOf, not, if/then/else, and $ref within the schema. `pattern`, `patternProperties` and
 * `format` must be of the right type but are not checked against values: a pattern of a
 * client's is no program to be run here. Depth and work are bounded. Pure. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "common/json.h"

struct schema_fault {
	struct str at;			/* "properties.a.type"; of a value "a[2].b"; "" all of it */
	struct str what;		/* a phrase: "must be an integer" */
};
/* Whether it is a schema: words known have the right types, local references lead somewhere. 0;
 * -EINVAL with *ret; -ENOMEM. */
int schema_check(struct arena *a, const struct json *schema, struct schema_fault *ret) MUST_USE;
/* Whether a value fits. 0; -EINVAL with *ret; -ELOOP: more work than is done for it. */
int schema_validate(struct arena *a, const struct json *schema, const struct json *value,
		    struct schema_fault *ret) MUST_USE;

#endif
