/* SPDX-License-Identifier: MIT
 * list_sort.h - in which order a list comes: the arguments sort_by, sort_order and reverse. */
#ifndef LIST_SORT_H
#define LIST_SORT_H

#include "master/commands.h"

enum { LIST_SORT_ROOM = 128 };

struct list_sort {
	const char *by;			/* as the caller says; NULL behind the last one */
	const char *column;		/* our own words: an expression of the query */
};
enum {
	LIST_DOWN = 1,			/* the order of a sort_by where none is asked for */
	LIST_OLDEST_FIRST = 2,		/* without sort_by; else the newest are first */
	LIST_ANY = 4,			/* a sort_by that is not known is none */
};
/* Writes what stands behind ORDER BY: what is missing in a row comes last, rows that are equal
 * newest first. Without sort_by sort_order says nothing, as in LiteLLM. false: answered. */
bool list_sort_take(struct command_call *c, const struct list_sort sorts[], unsigned flags,
		    char ret[LIST_SORT_ROOM]) MUST_USE;

#endif
