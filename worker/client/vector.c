/* SPDX-License-Identifier: MIT
 * vector.c - see vector.h. */
#include "worker/client/vector.h"

#include <errno.h>
#include <math.h>
#include <sodium.h>

#include "worker/skim.h"

enum { NUMBER_MAX = 64 };		/* bytes of one */

static size_t count_numbers(struct str list)
{
	size_t n = 1;
	for (size_t i = 0; i < list.n; i++)
		n += list.p[i] == ',';
	return n;
}

static int read_list(struct arena *a, struct str list, struct vector *ret)
{
	struct skim s;
	struct str key, number;
	size_t room = count_numbers(list);
	if (room > VECTOR_MAX || !skim_open(&s, list) || s.is_object)
		return -EINVAL;
	*ret = (struct vector){ arena_array(a, room, sizeof *ret->at), 0 };
	if (!ret->at)
		return -ENOMEM;
	while (ret->n < room && skim_next(&s, &key, &number)) {
		double v;
		if (number.n > NUMBER_MAX || str_read_double(number, &v) != 0)
			return -EINVAL;
		ret->at[ret->n++] = (float)v;
	}
	return s.is_broken ? -EINVAL : 0;
}

static float get_float(const unsigned char *bytes)
{
	uint32_t bits = 0;
	float f;
	for (unsigned i = 0; i < 4; i++)
		bits |= (uint32_t)bytes[i] << (8 * i);
	memcpy(&f, &bits, sizeof f);
	return f;
}

static void put_float(unsigned char *out, float f)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof bits);
	for (unsigned i = 0; i < 4; i++)
		out[i] = (unsigned char)(bits >> (8 * i));
}

static int read_base64(struct arena *a, struct str text, struct vector *ret)
{
	size_t room = text.n / 4 * 3 + 3, n = 0;
	unsigned char *bytes = arena_alloc(a, room);
	if (text.n > 6 * VECTOR_MAX)
		return -EINVAL;
	if (!bytes)
		return -ENOMEM;
	if (sodium_base642bin(bytes, room, text.p, text.n, NULL, &n, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0 || n % 4 != 0)
		return -EINVAL;
	*ret = (struct vector){ arena_array(a, n / 4 + 1, sizeof *ret->at), n / 4 };
	for (size_t i = 0; ret->at && i < ret->n; i++)
		ret->at[i] = get_float(bytes + 4 * i);
	return ret->at ? 0 : -ENOMEM;
}

int vector_read(struct arena *a, struct str text, struct vector *ret)
{
	bool is_list = text.n && text.p[0] == '[';
	int err = is_list ? read_list(a, text, ret) : read_base64(a, text, ret);
	for (size_t i = 0; !err && i < ret->n; i++)
		err = isfinite(ret->at[i]) ? 0 : -EINVAL;
	return err;
}

int vector_base64(struct arena *a, struct str list, struct str *ret)
{
	struct vector v;
	int err = read_list(a, list, &v);
	if (err)
		return err;
	size_t room = sodium_base64_ENCODED_LEN(v.n * 4, sodium_base64_VARIANT_ORIGINAL);
	unsigned char *bytes = arena_array(a, v.n + 1, 4);
	char *text = arena_alloc(a, room);
	if (!bytes || !text)
		return -ENOMEM;
	for (size_t i = 0; i < v.n; i++)
		put_float(bytes + 4 * i, v.at[i]);
	sodium_bin2base64(text, room, bytes, v.n * 4, sodium_base64_VARIANT_ORIGINAL);
	*ret = str_z(text);
	return 0;
}

/* --- JSON --- */

void vector_put_floats(const struct vector *v, int offset, struct json_out *o)
{
	(void)offset;
	json_open_array(o, NULL);
	for (size_t i = 0; i < v->n; i++)
		json_put_double(o, NULL, (double)v->at[i]);
	json_close_array(o);
}

void vector_put_bytes(const struct vector *v, int offset, struct json_out *o)
{
	float most = 0;
	for (size_t i = 0; i < v->n; i++)
		most = fmaxf(most, fabsf(v->at[i]));
	json_open_array(o, NULL);
	for (size_t i = 0; i < v->n; i++)
		json_put_i64(o, NULL, offset + (most > 0 ? lroundf(v->at[i] / most * 127) : 0));
	json_close_array(o);
}

void vector_put_bits(const struct vector *v, int offset, struct json_out *o)
{
	json_open_array(o, NULL);
	for (size_t i = 0; i < v->n; i += 8) {
		int byte = 0;
		for (size_t bit = 0; bit < 8; bit++)
			byte = byte * 2 + (i + bit < v->n && v->at[i + bit] > 0);
		json_put_i64(o, NULL, offset + byte);
	}
	json_close_array(o);
}
