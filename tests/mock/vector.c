/* SPDX-License-Identifier: MIT
 * vector.c - see vector.h. */
#include "tests/mock/vector.h"

#include <stdio.h>

static double value_at(size_t input, size_t at)
{
	return (double)((input + 1) * 7 + at % 13) / 64;	/* exact in a float */
}

void vector_write_text(struct buf *out, size_t input, size_t dimensions)
{
	for (size_t i = 0; i < dimensions; i++) {
		char text[32];
		int n = snprintf(text, sizeof text, "%s%.6g", i ? "," : "[",
				 value_at(input, i));
		buf_put(out, text, (size_t)n);
	}
	BUF_PUT_LIT(out, "]");
}

void vector_write_base64(struct buf *out, size_t input, size_t dimensions)
{
	struct buf raw = { 0 };
	for (size_t i = 0; i < dimensions; i++) {
		float f = (float)value_at(input, i);
		buf_put(&raw, (const char *)&f, sizeof f);
	}
	buf_put_base64(out, span_of(&raw));
	buf_done(&raw);
}
