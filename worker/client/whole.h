/* SPDX-License-Identifier: MIT
 * whole.h - whether the pieces of a JSON object seen so far make all of it: for formats in which a
 * call must be over before the next begins, while some providers mix their pieces. */
#ifndef WHOLE_H
#define WHOLE_H

#include <stdbool.h>

#include "common/str.h"

struct whole {				/* begin with zeros */
	unsigned depth;
	bool is_in_string, is_escaped, is_whole;
};
/* Follows brackets and quotes: an object is whole when its last bracket closes. */
void whole_follow(struct whole *w, struct str piece);

#endif
