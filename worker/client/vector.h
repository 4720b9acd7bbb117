/* SPDX-License-Identifier: MIT
 * vector.h - an embedding's numbers in the forms that clients ask for and few providers make. */
#ifndef VECTOR_H
#define VECTOR_H

#include "common/arena.h"
#include "common/json_write.h"

enum { VECTOR_MAX = 65536 };		/* numbers */

struct vector {
	float *at;
	size_t n;
};
/* A JSON array of numbers, or the base64 of little-endian float32. 0, -EINVAL, -ENOMEM. */
int vector_read(struct arena *a, struct str text, struct vector *ret) MUST_USE;
/* The base64 of a JSON array of numbers. 0, -EINVAL, -ENOMEM. */
int vector_base64(struct arena *a, struct str list, struct str *ret) MUST_USE;

/* JSON arrays, as elements of one. Eight bits a number: scaled so that the largest becomes 127,
 * which keeps all angles. One bit a number: whether it is above 0, the first in a byte's highest
 * bit. offset: added to each of those whole numbers. */
void vector_put_floats(const struct vector *v, int offset, struct json_out *o);
void vector_put_bytes(const struct vector *v, int offset, struct json_out *o);
void vector_put_bits(const struct vector *v, int offset, struct json_out *o);

#endif
