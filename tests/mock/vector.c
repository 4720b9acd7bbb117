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

/* Three bytes make four digits. */
void vector_write_base64(struct buf *out, size_t input, size_t dimensions)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf raw = { 0 };
	for (size_t i = 0; i < dimensions; i++) {
		float f = (float)value_at(input, i);
		buf_put(&raw, (const char *)&f, sizeof f);
	}
	size_t whole = raw.n;
	buf_fill(&raw, '\0', 2);
	BUF_PUT_LIT(out, "\"");
	for (size_t i = 0; i < whole; i += 3) {
		const unsigned char *p = (const unsigned char *)raw.p + i;
		unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
		buf_put(out, (char[]){ digits[v >> 18], digits[v >> 12 & 63],
				       i + 1 < whole ? digits[v >> 6 & 63] : '=',
				       i + 2 < whole ? digits[v & 63] : '=' }, 4);
	}
	BUF_PUT_LIT(out, "\"");
	buf_done(&raw);
}
