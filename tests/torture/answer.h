/* SPDX-License-Identifier: MIT
 * answer.h - what a client has heard: is it a whole HTTP answer, and is what it says sound? */
#ifndef TORTURE_ANSWER_H
#define TORTURE_ANSWER_H

#include "common/buf.h"

enum answer_state {
	ANSWER_NOTHING,			/* not a byte */
	ANSWER_PART,			/* more must come, or the connection must end */
	ANSWER_COMPLETE,
	ANSWER_WRONG			/* no HTTP */
};
struct answer {
	int status;
	struct str head, body;		/* body: the chunks joined, where it came in chunks */
};

/* Reads one answer from the front of *bytes, past any 100, and takes it off when it is whole.
 * Chunks are joined in place. has_end: the other side sends no more. no_body: to HEAD. */
enum answer_state answer_read(char **p, size_t *n, bool has_end, bool no_body, struct answer *ret);
/* The value of a header (lower-case name), or STR_NONE. */
struct str answer_header(const struct answer *a, const char *name);
/* NULL, or what is wrong with the body: JSON must be JSON; an event stream must be made of
 * events of JSON and end with [DONE] or an error. */
const char *answer_flaw(const struct answer *a);

#endif
