/* SPDX-License-Identifier: MIT
 * skim.h - walking over the members of a JSON text without a tree.
 *
 * For answers that are long and dull: a list of embeddings has millions of numbers that nobody
 * here looks at. A value's end is found by its brackets and quotes alone; that what stands
 * between is JSON is not checked. */
#ifndef SKIM_H
#define SKIM_H

#include "common/str.h"

struct skim {
	struct str rest;
	bool is_object, is_broken;
	unsigned count;		/* values seen */
};

/* text: an object or an array, white space around it. false: neither. */
bool skim_open(struct skim *s, struct str text) MUST_USE;
/* The next value; key: the member's name as it stands between its quotes, or .p NULL in an array.
 * false: the end, or s->is_broken. */
bool skim_next(struct skim *s, struct str *ret_key, struct str *ret_value) MUST_USE;
/* The member of an object, or STR_NONE. */
struct str skim_get(struct str object, struct str key);
/* What stands between the quotes of a member that is a string; STR_NONE: it is none. */
struct str skim_word(struct str object, struct str key);
/* An array of nothing but what numbers are made of; a string of nothing but base64. */
bool skim_is_numbers(struct str value);
bool skim_is_base64(struct str value);

#endif
