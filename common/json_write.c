/* SPDX-License-Identifier: MIT
 * json_write.c - JSON, printed compactly. The highest bit of the comma word says that a key
 * stands before and that its value is due. */
#include "common/json_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/json.h"

enum {
	LEVEL_MAX = 60,
	NANO_DIGITS = 9
};
#define KEY_PENDING (1ull << 63)

struct json_out json_out(struct buf *to)
{
	return (struct json_out){ .to = to };
}

void json_key(struct json_out *o, struct str key)
{
	MUST(!(o->comma & KEY_PENDING));
	if (o->comma >> o->level & 1)
		buf_put_char(o->to, ',');
	o->comma |= 1ull << o->level | KEY_PENDING;
	buf_put_char(o->to, '"');
	json_escape(o->to, key);
	BUF_PUT_LIT(o->to, "\":");
}

/* What stands before a value: a comma, a key, both or nothing. */
static void begin(struct json_out *o, const char *key)
{
	if (key)
		json_key(o, str_z(key));
	else if (!(o->comma & KEY_PENDING) && (o->comma >> o->level & 1))
		buf_put_char(o->to, ',');
	o->comma = (o->comma | 1ull << o->level) & ~KEY_PENDING;
}

static void open_with(struct json_out *o, const char *key, char bracket)
{
	begin(o, key);
	buf_put_char(o->to, bracket);
	MUST(o->level < LEVEL_MAX);
	o->level++;
	o->comma &= ~(1ull << o->level);
}

static void close_with(struct json_out *o, char bracket)
{
	MUST(o->level > 0 && !(o->comma & KEY_PENDING));
	o->level--;
	buf_put_char(o->to, bracket);
}

void json_open(struct json_out *o, const char *key)
{
	open_with(o, key, '{');
}

void json_close(struct json_out *o)
{
	close_with(o, '}');
}

void json_open_array(struct json_out *o, const char *key)
{
	open_with(o, key, '[');
}

void json_close_array(struct json_out *o)
{
	close_with(o, ']');
}

void json_put_raw(struct json_out *o, const char *key, struct str json)
{
	begin(o, key);
	buf_put(o->to, json);
}

void json_put_line(struct json_out *o, const char *key, struct str json)
{
	json_put_raw(o, key, STR(""));
	size_t from = o->to->n;
	buf_put(o->to, json);
	for (size_t i = from; i < o->to->n; i++)
		if (o->to->p[i] == '\n' || o->to->p[i] == '\r')
			o->to->p[i] = ' ';
}

void json_put_null(struct json_out *o, const char *key)
{
	json_put_raw(o, key, STR("null"));
}

void json_put_bool(struct json_out *o, const char *key, bool v)
{
	json_put_raw(o, key, v ? STR("true") : STR("false"));
}

void json_put_str(struct json_out *o, const char *key, struct str s)
{
	if (!s.p) {
		json_put_null(o, key);
		return;
	}
	begin(o, key);
	buf_put_char(o->to, '"');
	json_escape(o->to, s);
	buf_put_char(o->to, '"');
}

void json_put_z(struct json_out *o, const char *key, const char *z)
{
	json_put_str(o, key, str_z(z));
}

void json_put_i64(struct json_out *o, const char *key, int64_t v)
{
	begin(o, key);
	buf_put_i64(o->to, v);
}

void json_put_u64(struct json_out *o, const char *key, uint64_t v)
{
	begin(o, key);
	buf_put_u64(o->to, v);
}

void json_put_double(struct json_out *o, const char *key, double v)
{
	char text[32];
	int n = 0;
	if (!isfinite(v)) {
		json_put_null(o, key);
		return;
	}
	/* Every normal number has 15 digits; only subnormals may do with fewer. */
	for (int digits = fpclassify(v) == FP_SUBNORMAL ? 1 : 15; digits <= 17; digits++) {
		n = snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) >= v && strtod(text, NULL) <= v)
			break;
	}
	json_put_raw(o, key, str_of(text, (size_t)n));
}

size_t json_money(char out[24], int64_t nano)
{
	char digits[24];
	size_t at = sizeof digits, places = 0;
	uint64_t v = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;
	for (; places < NANO_DIGITS - 1 && v % 10 == 0; places++)
		v /= 10;
	for (; places < NANO_DIGITS; places++, v /= 10)
		digits[--at] = (char)('0' + v % 10);
	digits[--at] = '.';
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	if (nano < 0)
		digits[--at] = '-';
	memcpy(out, digits + at, sizeof digits - at);
	return sizeof digits - at;
}

void json_put_money(struct json_out *o, const char *key, int64_t nano)
{
	char text[24];
	size_t n = json_money(text, nano);
	json_put_raw(o, key, str_of(text, n));
}

void json_put_time(struct json_out *o, const char *key, uint64_t wall_ns)
{
	char text[25];
	json_put_z(o, key, wall_ns ? clock_rfc3339(text, wall_ns) : NULL);
}

static void put_escape(struct buf *to, unsigned char c)
{
	static const char hex[] = "0123456789abcdef", from[] = "\"\\\b\f\n\r\t", as[] = "\"\\bfnrt";
	const char *at = memchr(from, c, sizeof from - 1);
	char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
	if (at)
		text[1] = as[at - from];
	buf_put(to, str_of(text, at ? 2 : 6));
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void json_escape(struct buf *to, struct str s)
{
	size_t plain = 0;	/* bytes at the front of s that go out as they are */
	while (plain < s.n) {
		unsigned char c = (unsigned char)s.p[plain];
		size_t len = is_plain(c) ? 1 : c < 0x80 ? 0 : str_utf8_len(str_skip(s, plain));
		if (len) {
			plain += len;
			continue;
		}
		buf_put(to, str_of(s.p, plain));
		if (c < 0x80)
			put_escape(to, c);
		else
			BUF_PUT_LIT(to, "\xef\xbf\xbd");
		s = str_skip(s, plain + 1);
		plain = 0;
	}
	buf_put(to, s);
}

void json_copy(struct json_out *o, const struct json *j, json_swap_fn *swap, void *data)
{
	bool is_array = j->type == JSON_ARRAY;
	if (swap(data, j, o))
		return;
	if (!is_array && j->type != JSON_OBJECT) {
		json_put_raw(o, NULL, j->raw);
		return;
	}
	if (o->level + 1 >= LEVEL_MAX) {	/* what is read may be a little deeper */
		o->to->failed = true;
		return;
	}
	if (is_array)
		json_open_array(o, NULL);
	else
		json_open(o, NULL);
	for (const struct json *m = j->child; m; m = m->next) {
		if (!is_array)
			json_key(o, m->key);
		json_copy(o, m, swap, data);
	}
	if (is_array)
		json_close_array(o);
	else
		json_close(o);
}
