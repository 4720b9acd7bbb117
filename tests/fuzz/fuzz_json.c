/* SPDX-License-Identifier: MIT
 * fuzz_json.c - json.c accepts what the plain reader of json_slow.h accepts, its spans lie inside
 * one another in order, and a tree that is written reads back as the same values, whatever the
 * length of its strings. */
#include <stdlib.h>

#include "common/hash.h"
#include "common/json.h"
#include "common/json_write.h"
#include "tests/fuzz/json_slow.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_spans(const struct json *j)
{
	uint32_t count = 0;
	const char *at = j->raw.p;
	for (const struct json *c = j->child; c; c = c->next, count++) {
		MUST(c->raw.p > at && c->raw.p + c->raw.n < j->raw.p + j->raw.n);
		MUST(slow_is_json((const unsigned char *)c->raw.p, c->raw.n));
		MUST(!c->key.p == (j->type == JSON_ARRAY) && (!c->key.p || str_is_utf8(c->key)));
		at = c->raw.p + c->raw.n - 1;
		check_spans(c);
	}
	MUST(count == j->count);
}

static void write_value(struct arena *a, struct json_out *o, const struct json *j)
{
	if (j->key.p)
		json_key(o, j->key);
	if (j->type == JSON_OBJECT)
		json_open(o, NULL);
	else if (j->type == JSON_ARRAY)
		json_open_array(o, NULL);
	else if (j->type == JSON_STRING)
		json_put_str(o, NULL, json_str(a, j));
	else
		json_put_raw(o, NULL, j->raw);
	for (const struct json *c = j->child; c; c = c->next)
		write_value(a, o, c);
	if (j->type == JSON_OBJECT)
		json_close(o);
	else if (j->type == JSON_ARRAY)
		json_close_array(o);
}

static bool is_same(struct arena *a, const struct json *x, const struct json *y)
{
	if (x->type != y->type || x->count != y->count || !str_eq(x->key, y->key))
		return false;
	if (x->type == JSON_NUMBER)
		return str_eq(x->raw, y->raw);
	if (x->type == JSON_STRING)
		return str_eq(json_str(a, x), json_str(a, y));
	for (x = x->child, y = y->child; x; x = x->next, y = y->next)
		if (!is_same(a, x, y))
			return false;
	return true;
}

static unsigned depth_of(const struct json *j)
{
	unsigned most = 0;
	for (const struct json *c = j->child; c; c = c->next) {
		unsigned depth = depth_of(c);
		most = depth > most ? depth : most;
	}
	return most + 1;
}

/* Whether an object in the tree has a member twice. */
static bool has_twice(const struct json *j)
{
	for (const struct json *c = j->child; c; c = c->next) {
		for (const struct json *d = c->next; d && c->key.p; d = d->next)
			if (str_eq(c->key, d->key))
				return true;
		if (has_twice(c))
			return true;
	}
	return false;
}

static void check_tree(struct arena *a, struct str text, const struct json *j)
{
	struct json_error e;
	struct buf b;
	check_spans(j);
	MUST(!json_parse(a, text, JSON_ONE_KEY, &e) == has_twice(j));
	if (depth_of(j) > 60)
		return;		/* deeper than the writer goes */
	buf_init(&b, 6 * text.n + 64);
	struct json_out o = json_out(&b);
	write_value(a, &o, j);
	struct json *again = json_parse(a, buf_str(&b), 0, &e);
	MUST(again && is_same(a, j, again));
	buf_done(&b);
}

/* Long strings are read in another way: a byte of 2, which is in no JSON, stands for 200. */
static void stretch(struct buf *b, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < (p[i] == 2 ? 200 : 1); k++)
			buf_put_char(b, (char)(p[i] == 2 ? 'x' : p[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t in_n)
{
	struct json_error e = { SIZE_MAX, NULL };
	struct arena *a = arena_new(64 << 20);
	struct buf b;
	MUST(a && hash_init() == 0);
	buf_init(&b, 16 << 20);
	stretch(&b, in, in_n);
	struct str text = buf_str(&b);
	const uint8_t *p = (const uint8_t *)text.p;
	size_t n = text.n;
	if (b.failed) {
		buf_done(&b);
		a = arena_free(a);
		return 0;
	}
	const struct json *j = json_parse(a, text, 0, &e);
	MUST(!j == !slow_is_json(p, n));
	MUST(j || (e.what && e.at <= n));
	if (j)
		check_tree(a, text, j);
	buf_done(&b);
	a = arena_free(a);
	return 0;
}
