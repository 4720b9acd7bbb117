/* SPDX-License-Identifier: MIT
 * gemini_schema.h - the words of Gemini's schemas; for gemini_schema*.c alone. */
#ifndef GEMINI_SCHEMA_H
#define GEMINI_SCHEMA_H

#include "worker/gemini.h"

/* Members that are printed as they came, in this order. */
enum { GEM_TITLE, GEM_DESCRIPTION, GEM_DEFAULT, GEM_EXAMPLE, GEM_PATTERN, GEM_MINIMUM, GEM_MAXIMUM,
       GEM_MIN_ITEMS, GEM_MAX_ITEMS, GEM_MIN_LENGTH, GEM_MAX_LENGTH, GEM_MIN_PROPERTIES,
       GEM_MAX_PROPERTIES, GEM_PLAINS };
struct gemini_plain {
	const char *name;
	enum json_type type;		/* JSON_NULL: any */
	bool beside_any_of;
};
extern const struct gemini_plain gemini_plains[GEM_PLAINS];
/* Its number, or GEM_PLAINS. */
unsigned gemini_plain_of(struct str name);
/* Its value as JSON. .p NULL: it is not what the member must be. */
struct str gemini_plain_value(unsigned plain, const struct json *j);

enum gemini_type {
	GEM_NONE, GEM_STRING, GEM_NUMBER, GEM_INTEGER, GEM_BOOLEAN, GEM_ARRAY, GEM_OBJECT, GEM_NULL,
	GEM_TYPES
};
extern const struct str gemini_types[GEM_TYPES];	/* in capitals */
/* Of a string's value, in any case; anything else is GEM_NONE. */
enum gemini_type gemini_type_of(const struct json *j);

#endif
