/* SPDX-License-Identifier: MIT
 * whole.c - see whole.h. */
#include "worker/client/whole.h"

void whole_follow(struct whole *w, struct str piece)
{
	for (size_t i = 0; i < piece.n; i++) {
		char ch = piece.p[i];
		if (w->is_escaped) {
			w->is_escaped = false;
		} else if (w->is_in_string) {
			w->is_escaped = ch == '\\';
			w->is_in_string = ch != '"';
		} else if (ch == '"') {
			w->is_in_string = true;
		} else if (ch == '{' || ch == '[') {
			w->depth++;
		} else if ((ch == '}' || ch == ']') && w->depth > 0) {
			w->is_whole = w->is_whole || --w->depth == 0;
		}
	}
}
