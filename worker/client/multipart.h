/* SPDX-License-Identifier: MIT
 * multipart.h - a form (multipart/form-data: RFC 7578, RFC 2046) cut into its parts.
 *
 * Slices of the body and nothing else: nothing is decoded or copied, so a value can be replaced
 * by splicing. Whatever two readers could understand differently is refused: a name with escapes
 * or without quotes' end, two dispositions, an encoding, bytes before the first boundary or
 * behind the last. */
#ifndef MULTIPART_H
#define MULTIPART_H

#include <stdbool.h>

#include "common/str.h"

enum { MULTIPART_PARTS_MAX = 512, MULTIPART_HEAD_MAX = 8192 };

struct multipart {
	struct str body, boundary;
	size_t line, at;		/* the last boundary: its line's begin and end */
	unsigned parts;
	bool is_over;			/* it was the last of all */
};
struct multipart_part {
	struct str name, filename;	/* filename .p NULL: it is no file */
	struct str value;
	size_t from, to;		/* the whole part: from its boundary to the next one */
};

/* False: the type is no multipart/form-data with a usable boundary. */
bool multipart_open(struct multipart *m, struct str content_type, struct str body) MUST_USE;
/* 1: a part; 0: that was the last one; -EBADMSG: this is no form, or a doubtful one. */
int multipart_next(struct multipart *m, struct multipart_part *ret) MUST_USE;

#endif
