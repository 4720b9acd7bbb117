/* SPDX-License-Identifier: MIT
 * config_json.c - YAML nodes as JSON, for parameters that travel to a provider.
 *
 * A plain scalar is what YAML 1.2's core schema says it is: null, true, a number or a string.
 * A number keeps its own digits: only what JSON does not allow (a plus sign, leading zeros, a
 * missing digit beside the point, hexadecimal) is changed. */
#include "common/json.h"
#include "master/config_read.h"

enum { JSON_LEVELS = 48, NUMBER_MAX = 128, MASK_MEMORY = 32 << 20 };

static size_t digits(struct str s, size_t from)
{
	size_t n = 0;

	while (from + n < s.n && s.p[from + n] >= '0' && s.p[from + n] <= '9')
		n++;
	return n;
}

/* 0x1F and 0o17, as the core schema has them. */
static bool put_based(struct buf *out, struct str s)
{
	bool hex = str_starts(s, STR("0x"));
	uint64_t v = 0;

	if ((!hex && !str_starts(s, STR("0o"))) || s.n < 3 || s.n > 2 + 15)
		return false;
	for (size_t i = 2; i < s.n; i++) {
		char c = s.p[i];
		unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
			     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
			     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
						    : 99;
		if (d >= (hex ? 16U : 8U))
			return false;
		v = v * (hex ? 16 : 8) + d;
	}
	buf_put_u64(out, v);
	return true;
}

/* Writes a number of the core schema in JSON's form; false: it is not one. */
static bool put_number(struct buf *out, struct str s)
{
	size_t at = 0, whole, fraction = 0, point, zeros = 0;
	bool minus = s.n > 0 && s.p[0] == '-';

	if (put_based(out, s))
		return true;
	if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
		at = 1;
	whole = digits(s, at);
	point = at + whole;
	if (point < s.n && s.p[point] == '.')
		fraction = digits(s, point + 1);
	size_t end = point < s.n && s.p[point] == '.' ? point + 1 + fraction : point;
	struct str power = str_skip(s, end);
	if (whole + fraction == 0)
		return false;
	if (power.n > 0) {
		size_t sign = power.n > 1 && (power.p[1] == '-' || power.p[1] == '+');
		size_t n = digits(power, 1 + sign);
		if ((power.p[0] != 'e' && power.p[0] != 'E') || n == 0 || 1 + sign + n != power.n)
			return false;
	}
	while (zeros + 1 < whole && s.p[at + zeros] == '0')
		zeros++;
	if (minus)
		buf_put_char(out, '-');
	if (whole)
		buf_put(out, str_of(s.p + at + zeros, whole - zeros));
	else
		buf_put_char(out, '0');
	if (fraction) {
		buf_put_char(out, '.');
		buf_put(out, str_of(s.p + point + 1, fraction));
	}
	buf_put(out, power);
	return true;
}

static bool is_spelt(struct str s, const char *lower, const char *title, const char *upper)
{
	return str_eq_z(s, lower) || str_eq_z(s, title) || str_eq_z(s, upper);
}

static void put_plain(struct reader *r, struct json_out *o, const char *key, const struct yaml *y)
{
	struct buf number;

	if (is_spelt(y->text, "true", "True", "TRUE")) {
		json_put_bool(o, key, true);
		return;
	}
	if (is_spelt(y->text, "false", "False", "FALSE")) {
		json_put_bool(o, key, false);
		return;
	}
	if (r && (value_is_true(y->text) || value_is_false(y->text)))
		complain(r, W_YAML_WORD, &y->place,
			 "'" STR_FMT "' is text in YAML 1.2; write true or false for a switch",
			 STR_ARG(y->text));
	buf_init(&number, NUMBER_MAX);
	if (y->text.n < NUMBER_MAX - 2 && put_number(&number, y->text) && !number.failed)
		json_put_raw(o, key, buf_str(&number));
	else
		json_put_str(o, key, y->text);
	buf_done(&number);
}

static void put_children(struct reader *r, struct json_out *o, const struct yaml *y)
{
	for (const struct yaml *e = y->child; e; e = e->next) {
		if (y->kind == YAML_MAP)
			json_key(o, e->key);
		value_json(r, o, NULL, e);
	}
}

void value_json(struct reader *r, struct json_out *o, const char *key, const struct yaml *y)
{
	switch (y->kind) {
	case YAML_NULL:
		json_put_null(o, key);
		return;
	case YAML_SCALAR:
		if (y->plain)
			put_plain(r, o, key, y);
		else
			json_put_str(o, key, y->text);
		return;
	default:
		break;
	}
	if (o->level >= JSON_LEVELS) {
		complain(r, COMPLAINT_ERROR, &y->place, "nested too deep");
		json_put_null(o, key);
		return;
	}
	if (y->kind == YAML_MAP) {
		json_open(o, key);
		put_children(r, o, y);
		json_close(o);
	} else {
		json_open_array(o, key);
		put_children(r, o, y);
		json_close_array(o);
	}
}

static void put_masked(struct json_out *o, const struct json *j, bool hide)
{
	bool is_object = j->type == JSON_OBJECT;

	if (!j->child || o->level >= JSON_LEVELS) {
		if (j->child || (hide && j->type == JSON_STRING))
			json_put_z(o, NULL, "********");
		else
			json_put_raw(o, NULL, j->raw);
		return;
	}
	if (is_object)
		json_open(o, NULL);
	else
		json_open_array(o, NULL);
	for (const struct json *c = j->child; c; c = c->next) {
		if (is_object)
			json_key(o, c->key);
		put_masked(o, c, hide || (is_object && names_a_secret(c->key)));
	}
	if (is_object)
		json_close(o);
	else
		json_close_array(o);
}

void json_put_masked(struct json_out *o, const char *key, struct str text)
{
	struct arena *a = arena_new(MASK_MEMORY);
	struct json_error e;
	const struct json *j = a ? json_parse(a, text, 0, &e) : NULL;

	if (key)
		json_key(o, str_z(key));
	if (j)
		put_masked(o, j, false);
	else
		json_put_null(o, NULL);
	arena_free(a);
}
