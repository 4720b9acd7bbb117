/* SPDX-License-Identifier: MIT
 * json.c - yajl's events made into a tree of spans.
 *
 * yajl is kinder than RFC 8259: it lets vertical tabs between tokens, overlong and surrogate
 * UTF-8, lone surrogate escapes and any depth pass, and it does not look at what malloc returns.
 * Each of these is dealt with here. It reports no positions, so the reader keeps its own: a token
 * starts where white space and separators behind the last one end. And it takes several steps for
 * each byte of a string, which prompts are made of: what is between the quotes of a long one is
 * looked at here, eight bytes at a time, and yajl is given the quotes alone. */
#include "common/json.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <yajl/yajl_parse.h>

#include "common/hash.h"
#include "common/mem.h"
#include "common/swar.h"

enum {
	LONG = 128,		/* a string that yajl does not see the inside of */
	LONG_TEXT = 512,	/* where such strings are looked for */
	WORKSPACE = 8192,	/* half of it is yajl's buffers for two strings */
	FEW_MEMBERS = 16,	/* up to here names are compared pairwise */
	TEXT_MAX = INT32_MAX
};

/* yajl's heap, of which nothing is given back. It suffices: yajl asks for more where it decodes or
 * keeps a string, and the long ones it does not see. */
struct workspace {
	_Alignas(16) unsigned char bytes[WORKSPACE];
	size_t used;
	jmp_buf out_of_memory;	/* yajl does not check, so that nothing may return to it */
};

/* What yajl does not see: n bytes between two quotes. */
struct gap {
	size_t at, n;
	bool escaped;		/* has escapes, which are good ones */
};

struct level {
	struct json *owner;
	struct json *last;
};

struct reader {
	struct arena *arena;
	yajl_handle yajl;
	struct str text;
	size_t at;		/* end of the last token */
	size_t base;		/* where yajl's count of bytes begins */
	struct gap gap;		/* in the string that comes next */
	unsigned flags, depth;
	struct str key;		/* of the member whose value comes next */
	struct json *root;
	struct json_error error;
	struct level levels[JSON_DEPTH_MAX + 1];
};

/* --- memory for yajl --- */

static void *lend(void *ctx, size_t size)
{
	struct workspace *w = ctx;
	size_t need = (size + 15) & ~(size_t)15;
	if (need < size || need > sizeof w->bytes - w->used)
		longjmp(w->out_of_memory, 1);
	void *p = w->bytes + w->used;
	w->used += need;
	return p;
}

static void take_back(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static void *lend_more(void *ctx, void *p, size_t size)
{
	struct workspace *w = ctx;
	void *q = lend(w, size);
	size_t most = p ? (size_t)((unsigned char *)q - (unsigned char *)p) : 0;
	if (p)		/* how long the old block is only its neighbour tells, or the new one */
		memcpy(q, p, most < size ? most : size);
	return q;
}

/* --- where tokens stand --- */

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Moves to the next token. A vertical tab or form feed, which yajl skips, stops it. */
static size_t skip_to_token(struct reader *r)
{
	const char *p = r->text.p;
	size_t i = r->at;
	while (i < r->text.n && (is_space(p[i]) || p[i] == ',' || p[i] == ':'))
		i++;
	return r->at = i;
}

static int refuse(struct reader *r, size_t at, const char *what)
{
	r->error = (struct json_error){ at, what };
	return 0;
}

/* The token of n bytes that yajl has just seen, or STR_NONE when it is not where it should be. */
static struct str take_token(struct reader *r, char first, size_t n)
{
	size_t from = skip_to_token(r);
	if (n > r->text.n - from || (first && r->text.p[from] != first)) {
		refuse(r, from, "invalid white space");
		return STR_NONE;
	}
	r->at = from + n;
	return str_of(r->text.p + from, n);
}

/* A string is the only token whose length in the text yajl does not tell. */
static struct str take_string(struct reader *r, size_t decoded_n, bool *ret_escaped)
{
	size_t from = skip_to_token(r), end = r->base + yajl_get_bytes_consumed(r->yajl);
	MUST(end <= r->text.n);
	if (end < from + 2 || r->text.p[from] != '"') {
		refuse(r, from, "invalid white space");
		return STR_NONE;
	}
	r->at = end;
	*ret_escaped = r->gap.n ? r->gap.escaped : end - from - 2 != decoded_n;
	r->gap.n = 0;
	return str_of(r->text.p + from, end - from);
}

/* --- escapes --- */

static unsigned hex4(const char *p)
{
	unsigned v = 0;
	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)p[i];
		v = v << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return v;
}

static size_t put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Reads the escape that s begins with, right behind its backslash. Returns its bytes there, or 0
 * for half a surrogate pair. */
static size_t read_escape(struct str s, unsigned *ret_char)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *simple = memchr(from, s.p[0], sizeof from - 1);
	if (simple) {
		*ret_char = (unsigned char)to[simple - from];
		return 1;
	}
	MUST(s.p[0] == 'u' && s.n >= 5);	/* yajl has let it pass */
	unsigned c = hex4(s.p + 1);
	if (c < 0xd800 || c > 0xdfff) {
		*ret_char = c;
		return 5;
	}
	if (c > 0xdbff || s.n < 11 || s.p[5] != '\\' || s.p[6] != 'u')
		return 0;
	unsigned low = hex4(s.p + 7);
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*ret_char = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	return 11;
}

/* Decodes what stands between the quotes; out (may be NULL) takes as many bytes as in has.
 * The decoded length, or SIZE_MAX for half a surrogate pair. */
static size_t unescape(char *out, struct str in)
{
	char c[4] = { 0 };	/* for what is only counted */
	size_t n = 0;
	while (in.n) {
		size_t plain = str_find_char(in, '\\');
		if (plain == SIZE_MAX)
			plain = in.n;
		if (out)
			memcpy(out + n, in.p, plain);
		n += plain;
		in = str_skip(in, plain);
		if (in.n == 0)
			break;
		unsigned v;
		size_t used = read_escape(str_skip(in, 1), &v);
		if (used == 0)
			return SIZE_MAX;
		in = str_skip(in, 1 + used);
		n += put_utf8(out ? out + n : c, v);
	}
	return n;
}

static struct str inside_quotes(struct str raw)
{
	return str_of(raw.p + 1, raw.n - 2);
}

/* --- the tree --- */

static struct json *add(struct reader *r, enum json_type type, struct str raw)
{
	if (!raw.p)
		return NULL;
	struct json *j = arena_alloc(r->arena, sizeof *j);
	if (!j) {
		refuse(r, r->at, "too large");
		return NULL;
	}
	j->raw = raw;
	j->type = (uint8_t)type;
	j->key = r->key;
	r->key = STR_NONE;
	if (r->depth == 0) {
		r->root = j;
		return j;
	}
	struct level *up = &r->levels[r->depth];
	if (up->last)
		up->last->next = j;
	else
		up->owner->child = j;
	up->last = j;
	up->owner->count++;
	return j;
}

static int on_null(void *ctx)
{
	return add(ctx, JSON_NULL, take_token(ctx, 'n', 4)) != NULL;
}

static int on_boolean(void *ctx, int v)
{
	struct str raw = v ? take_token(ctx, 't', 4) : take_token(ctx, 'f', 5);
	return add(ctx, v ? JSON_TRUE : JSON_FALSE, raw) != NULL;
}

static int on_number(void *ctx, const char *p, size_t n)
{
	return add(ctx, JSON_NUMBER, take_token(ctx, p[0], n)) != NULL;
}

static int on_string(void *ctx, const unsigned char *p, size_t n)
{
	struct reader *r = ctx;
	bool escaped = false;
	struct json *j = add(r, JSON_STRING, take_string(r, n, &escaped));
	(void)p;
	if (!j)
		return 0;
	j->escaped = escaped;
	if (escaped && unescape(NULL, inside_quotes(j->raw)) == SIZE_MAX)
		return refuse(r, (size_t)(j->raw.p - r->text.p), "half a surrogate pair");
	return 1;
}

static int on_key(void *ctx, const unsigned char *p, size_t n)
{
	struct reader *r = ctx;
	bool escaped = false;
	struct str raw = take_string(r, n, &escaped);
	(void)p;
	if (!raw.p)
		return 0;
	r->key = inside_quotes(raw);
	if (!escaped)
		return 1;
	size_t at = (size_t)(raw.p - r->text.p);
	char *decoded = arena_alloc(r->arena, r->key.n);
	if (!decoded)
		return refuse(r, at, "too large");
	r->key.n = unescape(decoded, r->key);
	r->key.p = decoded;
	return r->key.n != SIZE_MAX || refuse(r, at, "half a surrogate pair");
}

static int open_level(struct reader *r, enum json_type type, char bracket)
{
	struct json *j = add(r, type, take_token(r, bracket, 1));
	if (!j)
		return 0;
	if (r->depth == JSON_DEPTH_MAX)
		return refuse(r, r->at - 1, "nested too deeply");
	r->levels[++r->depth] = (struct level){ j, NULL };
	return 1;
}

static int close_level(struct reader *r, char bracket)
{
	struct json *j = r->levels[r->depth].owner;
	if (!take_token(r, bracket, 1).p)
		return 0;
	j->raw.n = (size_t)(r->text.p + r->at - j->raw.p);
	r->depth--;
	return 1;
}

static const struct json *find_twice_slowly(const struct json *object)
{
	for (const struct json *a = object->child; a; a = a->next)
		for (const struct json *b = a->next; b; b = b->next)
			if (str_eq(a->key, b->key))
				return b;
	return NULL;
}

/* The first member whose name has been there before, through a hash table, because strangers
 * choose how many members there are. *ret_full: no memory for the table. */
static const struct json *find_twice(struct arena *a, const struct json *object, bool *ret_full)
{
	size_t slots = 4 * FEW_MEMBERS;
	while (slots < (size_t)object->count * 2)
		slots *= 2;
	const struct json **table = arena_array(a, slots, sizeof *table);
	*ret_full = !table;
	for (const struct json *j = object->child; table && j; j = j->next) {
		size_t i = (size_t)hash_table(j->key) & (slots - 1);
		for (; table[i]; i = (i + 1) & (slots - 1))
			if (str_eq(table[i]->key, j->key))
				return j;
		table[i] = j;
	}
	return NULL;
}

static int on_map_open(void *ctx)
{
	return open_level(ctx, JSON_OBJECT, '{');
}

static int on_map_close(void *ctx)
{
	struct reader *r = ctx;
	const struct json *j = r->levels[r->depth].owner;
	bool is_full = false;
	if (!close_level(r, '}'))
		return 0;
	if (!(r->flags & JSON_ONE_KEY))
		return 1;
	const struct json *twice = j->count <= FEW_MEMBERS ? find_twice_slowly(j)
							    : find_twice(r->arena, j, &is_full);
	if (is_full)
		return refuse(r, r->at, "too large");
	if (twice)
		return refuse(r, (size_t)(twice->raw.p - r->text.p), "a member given twice");
	return 1;
}

static int on_array_open(void *ctx)
{
	return open_level(ctx, JSON_ARRAY, '[');
}

static int on_array_close(void *ctx)
{
	return close_level(ctx, ']');
}

/* --- parsing --- */

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map_open,
	.yajl_map_key = on_key,
	.yajl_end_map = on_map_close,
	.yajl_start_array = on_array_open,
	.yajl_end_array = on_array_close,
};

/* yajl allocates its messages; ours are static, so that an error needs no owner. */
static const char *phrase_of(const char *message)
{
	static const struct {
		const char *part, *phrase;
	} phrases[] = {
		{ "premature EOF", "unexpected end of the text" },
		{ "trailing garbage", "something behind the value" },
		{ "occurs before a character", "an unknown escape" },
		{ "non-hex", "not four hexadecimal digits after \\u" },
		{ "inside string", "a control character in a string" },
		{ "digit is required", "a digit is missing" },
		{ "comment", "a comment" },
		{ "invalid object key", "a member's name must be a string" },
		{ "separated by a colon", "a colon is missing" },
		{ "after key and value", "a comma or } is missing" },
		{ "after array element", "a comma or ] is missing" },
		{ "unallowed token", "this may not stand here" },
		{ "invalid string", "an unknown word" },
	};
	for (size_t i = 0; i < COUNT(phrases); i++)
		if (strstr(message, phrases[i].part))
			return phrases[i].phrase;
	return "this is not JSON";
}

/* yajl stops behind a token that may not stand where it does, and at a character that none has.
 * At the end it counts the bytes of a text of its own. */
static size_t error_position(struct reader *r, bool at_end)
{
	size_t behind = r->base + yajl_get_bytes_consumed(r->yajl), token = skip_to_token(r);
	if (at_end || behind > token)
		return token;
	return behind ? behind - 1 : 0;
}

static void explain(struct reader *r, bool at_end)
{
	char *message = (char *)yajl_get_error(r->yajl, 0, NULL, 0);
	bool is_short = strstr(message, "premature EOF") != NULL;
	size_t at = is_short ? r->text.n : error_position(r, at_end);
	refuse(r, at, phrase_of(message));
	yajl_free_error(r->yajl, (unsigned char *)message);
}

/* How many bytes of s may stand in a string as they are. */
static size_t plain_run(struct str s)
{
	size_t i = 0;
	while (i + 8 <= s.n) {
		uint64_t v = swar_load(s.p + i);
		uint64_t others = swar_below(v, 0x20) | swar_is(v, '"') | swar_is(v, '\\');
		if (others)
			return i + swar_first(others);
		i += 8;
	}
	while (i < s.n && (unsigned char)s.p[i] >= 0x20 && s.p[i] != '"' && s.p[i] != '\\')
		i++;
	return i;
}

/* Bytes of the escape that s begins with, 0 when that is none. */
static size_t escape_length(struct str s)
{
	if (s.n < 2)
		return 0;
	if (s.p[1] != 'u')
		return memchr("\"\\/bfnrt", s.p[1], 8) ? 2 : 0;
	for (size_t i = 2; i < 6; i++)
		if (i == s.n || !isxdigit((unsigned char)s.p[i]))
			return 0;
	return 6;
}

/* The inside of the string whose opening quote stands right before s. False: it has no end, or is
 * none, which yajl explains better. */
static bool read_inside(struct str s, size_t *ret_n, bool *ret_escaped)
{
	size_t i = 0, n;
	*ret_escaped = false;
	for (;;) {
		i += plain_run(str_skip(s, i));
		if (i < s.n && s.p[i] == '"') {
			*ret_n = i;
			return true;
		}
		n = escape_length(str_skip(s, i));
		if (n == 0 || s.p[i] != '\\')
			return false;
		*ret_escaped = true;
		i += n;
	}
}

/* The first long string's inside, from a place that is in none. False: there is none. Where the
 * text is no JSON, quotes may be taken for others than they are: yajl, which is given all that
 * stands before the gap first, refuses it before that matters. */
static bool find_gap(struct str text, size_t from, struct gap *ret)
{
	for (;;) {
		size_t quote = str_find_char(str_skip(text, from), '"');
		if (quote == SIZE_MAX)
			return false;
		ret->at = from + quote + 1;
		if (!read_inside(str_skip(text, ret->at), &ret->n, &ret->escaped))
			return false;
		if (ret->n >= LONG)
			return true;
		from = ret->at + ret->n + 1;
	}
}

static bool feed(struct reader *r, size_t from, size_t to)
{
	r->base = from;
	return yajl_parse(r->yajl, (const unsigned char *)r->text.p + from, to - from) ==
	       yajl_status_ok;
}

static bool feed_all(struct reader *r)
{
	size_t from = 0;
	struct gap gap;
	bool good = true;
	for (size_t at = 0; good && r->text.n >= LONG_TEXT && find_gap(r->text, at, &gap);
	     at = from + 1) {
		good = feed(r, from, gap.at);
		r->gap = gap;
		from = gap.at + gap.n;
	}
	return good && feed(r, from, r->text.n);
}

static bool read_all(struct reader *r, struct workspace *w)
{
	yajl_alloc_funcs memory = { lend, lend_more, take_back, w };
	if (setjmp(w->out_of_memory))
		return refuse(r, 0, "too large");
	r->yajl = yajl_alloc(&callbacks, &memory, r);
	yajl_config(r->yajl, yajl_dont_validate_strings, 1);	/* check_utf8() has */
	bool good = feed_all(r);
	if (!good && !r->error.what)
		explain(r, false);
	if (!good)
		return false;
	good = yajl_complete_parse(r->yajl) == yajl_status_ok;
	if (!good && !r->error.what)
		explain(r, true);
	return good;
}

/* yajl's own check knows neither overlong forms nor surrogates. */
static bool check_utf8(struct reader *r)
{
	size_t i = 0, len;
	if (str_is_utf8(r->text))
		return true;
	while ((len = str_utf8_len(str_skip(r->text, i))) > 0)
		i += len;
	return refuse(r, i, "invalid UTF-8");
}

/* What may stand behind the value, which yajl is too kind to tell. */
static bool check_rest(struct reader *r)
{
	size_t i = r->at;
	if (!r->root)
		return refuse(r, r->text.n, "unexpected end of the text");
	while (i < r->text.n && is_space(r->text.p[i]))
		i++;
	return i == r->text.n || refuse(r, i, "something behind the value");
}

struct json *json_parse(struct arena *a, struct str text, unsigned flags,
			struct json_error *reterr)
{
	struct reader r = { .arena = a, .text = text, .flags = flags };
	struct workspace w;
	w.used = 0;
	bool good = false;
	if (text.n > TEXT_MAX)
		refuse(&r, TEXT_MAX, "too large");
	else
		good = check_utf8(&r) && read_all(&r, &w) && check_rest(&r);
	if (good)
		return r.root;
	*reterr = r.error;
	return NULL;
}

/* --- looking up --- */

const struct json *json_member(const struct json *object, struct str name)
{
	if (!json_is(object, JSON_OBJECT))
		return NULL;
	for (const struct json *j = object->child; j; j = j->next)
		if (str_eq(j->key, name))
			return j;
	return NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
	return json_member(object, str_z(key));
}

const struct json *json_at(const struct json *array, size_t index)
{
	if (!json_is(array, JSON_ARRAY) || index >= array->count)
		return NULL;
	const struct json *j = array->child;
	while (index--)
		j = j->next;
	return j;
}

/* In an array a part of the path is an index. */
const struct json *json_get_path(const struct json *object, const char *dotted)
{
	struct str path = str_z(dotted);
	const struct json *j = object;
	while (j && path.p) {
		struct str part = str_cut(&path, '.');
		uint64_t index;
		if (j->type != JSON_ARRAY)
			j = json_member(j, part);
		else
			j = str_read_u64(part, &index) == 0 ? json_at(j, index) : NULL;
	}
	return j;
}

struct str json_str(struct arena *a, const struct json *j)
{
	if (!json_is(j, JSON_STRING))
		return STR_NONE;
	struct str in = inside_quotes(j->raw);
	if (!j->escaped)
		return in;
	char *out = arena_alloc(a, in.n);
	return out ? str_of(out, unescape(out, in)) : STR_NONE;
}

struct str json_get_str(struct arena *a, const struct json *object, const char *key)
{
	return json_str(a, json_get(object, key));
}

bool json_is_true(const struct json *j)
{
	return json_is(j, JSON_TRUE);
}

/* --- numbers --- */

/* An exponent, held within +-100000: no text that is read here has as many digits as that and
 * still is an integer of 64 bits, unless it is zero. */
static int64_t read_exponent(struct str s)
{
	bool negative = s.n && s.p[0] == '-';
	int64_t v = 0;
	for (size_t i = negative || (s.n && s.p[0] == '+'); i < s.n; i++)
		if (v < 100000)
			v = v * 10 + (s.p[i] - '0');
	return negative ? -v : v;
}

/* 3.0, 1e2 and 12.50e1 are integers too. Digits are taken up to the decimal point as the exponent
 * moves it; what stands behind it must be zero. */
static int read_decimal(struct str s, int64_t *ret)
{
	bool negative = s.p[0] == '-', lost = false;
	size_t e = 0;
	while (e < s.n && s.p[e] != 'e' && s.p[e] != 'E')
		e++;
	int64_t shift = read_exponent(str_skip(s, e + 1));
	struct str mantissa = str_skip(str_of(s.p, e), negative);
	size_t point = str_find_char(mantissa, '.');
	int64_t places = (int64_t)(point == SIZE_MAX ? mantissa.n : point) + shift;
	uint64_t v = 0;
	for (size_t i = 0; i < mantissa.n; i++) {
		if (i == point)
			continue;
		unsigned digit = (unsigned)(mantissa.p[i] - '0');
		if (places-- <= 0) {
			if (digit)
				return -EINVAL;
			continue;
		}
		lost |= __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v);
	}
	for (; v && !lost && places > 0; places--)
		lost = __builtin_mul_overflow(v, 10u, &v);
	if (lost || v > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int json_read_i64(const struct json *j, int64_t *ret)
{
	if (!json_is_given(j))
		return -ENOENT;
	if (j->type != JSON_NUMBER)
		return -EINVAL;
	int r = str_read_i64(j->raw, ret);
	return r == -EINVAL ? read_decimal(j->raw, ret) : r;
}

uint64_t json_count(const struct json *j)
{
	int64_t v;

	return json_read_i64(j, &v) == 0 && v > 0 ? (uint64_t)v : 0;
}

int json_read_double(const struct json *j, double *ret)
{
	if (!json_is_given(j))
		return -ENOENT;
	return j->type == JSON_NUMBER ? str_read_double(j->raw, ret) : -EINVAL;
}

const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",	    [JSON_FALSE] = "false",   [JSON_TRUE] = "true",
		[JSON_NUMBER] = "a number", [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};
	MUST((unsigned)type < COUNT(names));
	return names[type];
}

void json_splice(struct buf *out, struct str text, const struct json_edit *edits, size_t n)
{
	size_t at = 0, more = text.n;
	for (size_t i = 0; i < n; i++)
		more += edits[i].with.n;
	(void)buf_reserve(out, more);		/* at once; what cannot be had is missed below */
	for (size_t i = 0; i < n; i++) {
		MUST(edits[i].at >= at && edits[i].n <= text.n - edits[i].at);
		buf_put(out, str_of(text.p + at, edits[i].at - at));
		buf_put(out, edits[i].with);
		at = edits[i].at + edits[i].n;
	}
	buf_put(out, str_skip(text, at));
}
