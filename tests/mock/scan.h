/* SPDX-License-Identifier: MIT
 * scan.h - a cursor over JSON text that goes down only where somebody wants to know.
 *
 * Each reader moves the cursor behind what it read, and returns false at the first byte that
 * cannot be JSON. Strings are handed out as they stand in the text, still escaped. */
#ifndef MOCK_SCAN_H
#define MOCK_SCAN_H

#include <stdbool.h>

#include "tests/mock/buf.h"

struct scan {
	const char *p, *end;
	void *to;			/* whatever the readers fill */
};

typedef bool scan_fn(struct scan *c);
struct scan_member {			/* a member that somebody wants, and who reads its value */
	const char *name;
	scan_fn *read;
};

char scan_peek(struct scan *c);		/* first byte behind the white space; NUL at the end */
bool scan_char(struct scan *c, char want);
bool scan_string(struct scan *c, struct span *ret);	/* what is between the quotes */
bool scan_bare(struct scan *c, struct span *ret);	/* a number, true, false or null */
bool scan_value(struct scan *c);			/* skips anything */
/* An object's known members; the others are skipped, and so is what is no object. */
bool scan_object(struct scan *c, const struct scan_member *known, size_t n);
/* Each element with the same reader; what is no array is skipped. */
bool scan_array(struct scan *c, scan_fn *read, size_t *ret_count);

void scan_unescape(struct buf *b, struct span escaped);
bool scan_key_is(struct span key, const char *name);

/* The end of the unit that begins at `at` in an escaped string (an escape, a surrogate pair, a
 * UTF-8 character): where a text may be cut. */
size_t scan_unit_end(struct span escaped, size_t at);

#endif
