/* SPDX-License-Identifier: MIT
 * json_write.h - writing JSON into a buf, commas and escapes taken care of.
 *
 * Nesting is tracked in one word: at most 60 levels. Everything is printed compactly, as SSE
 * events want it. Invalid UTF-8 in a string is replaced by U+FFFD. */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include "common/buf.h"

struct json_out {
	struct buf *to;
	uint64_t comma;		/* bit per level: a value stands before */
	unsigned level;
};

struct json_out json_out(struct buf *to);
void json_open(struct json_out *o, const char *key);		/* { ; key NULL inside arrays */
void json_close(struct json_out *o);				/* } */
void json_open_array(struct json_out *o, const char *key);	/* [ */
void json_close_array(struct json_out *o);
void json_put_str(struct json_out *o, const char *key, struct str s);	/* .p NULL writes null */
void json_put_z(struct json_out *o, const char *key, const char *z);	/* NULL writes null */
void json_put_i64(struct json_out *o, const char *key, int64_t v);
void json_put_u64(struct json_out *o, const char *key, uint64_t v);
void json_put_bool(struct json_out *o, const char *key, bool v);
void json_put_null(struct json_out *o, const char *key);
void json_put_double(struct json_out *o, const char *key, double v);	/* shortest exact form */
void json_put_raw(struct json_out *o, const char *key, struct str json);	/* as it is */
/* As it is, but for breaks of lines between values, which become spaces: for formats in which a
 * value must stand on one line. */
void json_put_line(struct json_out *o, const char *key, struct str json);
void json_put_money(struct json_out *o, const char *key,
		    int64_t nano); /* dollars, decimal, exact */
void json_put_time(struct json_out *o, const char *key, uint64_t wall_ns); /* RFC 3339; 0 null */
/* As the others, with a key that is not a C string. */
void json_key(struct json_out *o, struct str key);	/* then one put with key NULL */

/* What json_put_money() writes, for others. Returns bytes; no NUL. */
size_t json_money(char out[24], int64_t nano);
/* Only the escaped bytes between the quotes. */
void json_escape(struct buf *to, struct str s);

/* A value as it is, but for what swap() writes in its place: it is asked of each value in turn, the
 * outermost first, and says whether it has. What is nested too deeply makes the text fail. */
struct json;
typedef bool json_swap_fn(void *data, const struct json *j, struct json_out *o);
void json_copy(struct json_out *o, const struct json *j, json_swap_fn *swap, void *data);

#endif
