/* SPDX-License-Identifier: MIT
 * json.h - JSON (RFC 8259) as a small tree of byte spans over the text it was read from.
 *
 * yajl does the reading and is hidden here. Nothing is converted on the way in: numbers stay
 * text, strings are decoded only when asked for, so that a body can be edited by splicing and
 * everything else goes on byte for byte. The text must outlive the tree. */
#ifndef JSON_H
#define JSON_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/str.h"

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

struct json {
	struct str raw;		/* this value's bytes in the text; a string with its quotes */
	struct str key;		/* in an object: the member's name, decoded; else .p == NULL */
	struct json *next;	/* sibling */
	struct json *child;	/* first element or member */
	uint32_t count;		/* elements or members */
	uint8_t type;		/* enum json_type */
	bool escaped;		/* a string whose decoded form differs from its bytes */
};

struct json_error {
	size_t at;		/* byte offset into the text */
	const char *what;	/* static, a phrase: "unexpected end of the text" */
};

enum {
	JSON_DEPTH_MAX = 64,	/* deeper nesting is refused */
	JSON_ONE_KEY = 1	/* flag: an object with the same member twice is refused */
};

/* Reads exactly one value. Refuses invalid UTF-8, control characters, NaN, comments, trailing
 * commas, leading zeros, lone surrogates in escapes, and anything behind the value but white
 * space. NULL on failure, with *reterr set (also when the arena is full: "too large"). */
struct json *json_parse(struct arena *a, struct str text, unsigned flags,
			struct json_error *reterr) MUST_USE;

/* Borrowing look-ups; all take NULL and answer NULL, so that they can be chained. */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_member(const struct json *object, struct str name);
const struct json *json_get_path(const struct json *object, const char *dotted);
const struct json *json_at(const struct json *array, size_t index);
static inline bool json_is(const struct json *j, enum json_type type)
{
	return j && j->type == type;
}
static inline bool json_is_given(const struct json *j)	/* there, and not null */
{
	return j && j->type != JSON_NULL;
}

/* A string's decoded bytes: the text itself where nothing is escaped, else a copy in the arena.
 * .p == NULL when j is not a string or the arena is full. "" gives .p != NULL, .n == 0. */
struct str json_str(struct arena *a, const struct json *j);
struct str json_get_str(struct arena *a, const struct json *object, const char *key);
bool json_is_true(const struct json *j);		/* exactly true */
/* 0; -ENOENT (missing or null), -EINVAL (not a number of that kind), -ERANGE. */
int json_read_i64(const struct json *j, int64_t *ret) MUST_USE;	/* 3 and 3.0, not 3.5 */
/* How many of something: 0 where it is no whole number, or a negative one. NULL will do. */
uint64_t json_count(const struct json *j);
int json_read_double(const struct json *j, double *ret) MUST_USE;
const char *json_type_name(enum json_type type);	/* "a string", "an object" ... */

/* Editing by splicing: replacements over the text of one tree. */
struct json_edit {
	size_t at, n;		/* the bytes to replace; n == 0 inserts */
	struct str with;
};
/* Edits in ascending, not overlapping order. Failure is buf's. */
void json_splice(struct buf *out, struct str text, const struct json_edit *edits, size_t n);

#endif
