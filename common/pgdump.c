/* SPDX-License-Identifier: MIT
 * pgdump.c - COPY blocks of a dump of PostgreSQL; see pgdump.h. */
#include "common/pgdump.h"

#include <errno.h>
#include <time.h>

#include "common/clock.h"

const char *pg_dump_refuse(struct str text)
{
	if (str_starts(text, STR("PGDMP")))
		return "it is of pg_dump's custom format: make it plain with pg_restore -f FILE DUMP, "
		       "or dump with --format=plain";
	if (str_starts(text, STR("toc.dat")))
		return "it is of pg_dump's tar format: dump with --format=plain";
	if (str_starts(text, STR("\x1f\x8b")))
		return "it is compressed: unpack it first";
	if (str_find(text, STR("\nCOPY ")) != SIZE_MAX || str_starts(text, STR("COPY ")))
		return NULL;
	if (str_find(text, STR("\nINSERT INTO ")) != SIZE_MAX)
		return "its rows are INSERT statements: dump without --inserts";
	return "there are no COPY blocks in it: dump with --format=plain, and with data";
}

struct pg_dump pg_dump(struct str text)
{
	return (struct pg_dump){ .rest = text, .line = 1 };
}

static int bad(struct pg_dump *d, const char *what)
{
	d->what = what;
	return -EINVAL;
}

/* ---- the line that begins a block ---- */

/* A name, in quotes or not. Whether there was one. A quote within is doubled, which no table of
 * interest has: it is refused. */
static bool take_name(struct str *s, struct str *ret)
{
	size_t n = 0;
	bool quoted = s->n && s->p[0] == '"';
	if (quoted)
		*s = str_skip(*s, 1);
	while (n < s->n && (quoted ? s->p[n] != '"' : !strchr(" .,()\";", s->p[n])))
		n++;
	*ret = str_of(s->p, n);
	*s = str_skip(*s, n);
	if (!quoted)
		return n > 0;
	if (!s->n)
		return false;
	*s = str_skip(*s, 1);
	return n > 0 && !(s->n && s->p[0] == '"');
}

static bool take_char(struct str *s, char c)
{
	bool is_there = s->n && s->p[0] == c;
	if (is_there)
		*s = str_skip(*s, 1);
	return is_there;
}

static bool take_columns(struct str *s, struct pg_block *ret)
{
	ret->n_columns = 0;
	if (!take_char(s, ' ') || !take_char(s, '('))
		return false;
	do {
		take_char(s, ' ');
		if (ret->n_columns == PG_COLUMNS_MAX ||
		    !take_name(s, &ret->columns[ret->n_columns]))
			return false;
		ret->n_columns++;
	} while (take_char(s, ','));
	return take_char(s, ')');
}

static bool read_head(struct str line, struct pg_block *ret)
{
	struct str s = str_skip(line, 5);
	if (!take_name(&s, &ret->table))
		return false;
	if (take_char(&s, '.') && !take_name(&s, &ret->table))
		return false;
	return take_columns(&s, ret) && str_eq(s, STR(" FROM stdin;"));
}

static struct str cut_line(struct pg_dump *d)
{
	struct str line = str_cut(&d->rest, '\n');
	d->line++;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

int pg_dump_next(struct pg_dump *d, struct pg_block *ret)
{
	while (d->rest.n) {
		struct str line = cut_line(d);
		if (!str_starts(line, STR("COPY ")))
			continue;
		if (!read_head(line, ret)) {
			d->line--;
			return bad(d, "this COPY is not as pg_dump writes it");
		}
		ret->line = d->line;
		const char *from = d->rest.p;
		while (d->rest.n) {
			const char *at = d->rest.p;
			if (!str_eq(cut_line(d), STR("\\.")))
				continue;
			ret->rows = str_of(from, (size_t)(at - from));
			return 1;
		}
		return bad(d, "the dump ends within a table: it was cut off");
	}
	return 0;
}

/* ---- values ---- */

static int digits(struct str *s, unsigned base, unsigned max, unsigned *ret)
{
	unsigned v = 0, n = 0;
	for (; n < max && s->n; n++) {
		unsigned char c = (unsigned char)s->p[0];
		unsigned d = c >= '0' && c <= '9' ? c - 48u : (c | 32) >= 97 && (c | 32) <= 102 ?
						    (c | 32u) - 'a' + 10u : 99;
		if (d >= base)
			break;
		v = v * base + d;
		*s = str_skip(*s, 1);
	}
	*ret = v & 0xff;
	return n ? 0 : -EINVAL;
}

/* What stands behind a backslash, as COPY has it. */
static int escaped(struct str *s, char *ret)
{
	static const char names[] = "bfnrtv", are[] = "\b\f\n\r\t\v";
	unsigned code;
	if (!s->n)
		return -EINVAL;
	if (s->p[0] >= '0' && s->p[0] <= '7') {
		if (digits(s, 8, 3, &code) != 0)
			return -EINVAL;
	} else if (s->p[0] == 'x') {
		*s = str_skip(*s, 1);
		if (digits(s, 16, 2, &code) != 0)
			return -EINVAL;
	} else {
		const char *at = memchr(names, s->p[0], sizeof names - 1);
		code = (unsigned char)(at ? are[at - names] : s->p[0]);
		*s = str_skip(*s, 1);
	}
	*ret = (char)code;
	return code ? 0 : -EINVAL;
}

static int unescape(struct arena *a, struct str raw, struct str *ret)
{
	if (str_eq(raw, STR("\\N"))) {
		*ret = STR_NONE;
		return 0;
	}
	*ret = raw;
	if (str_find_char(raw, '\\') == SIZE_MAX)
		return 0;
	char *to = arena_alloc(a, raw.n);
	size_t n = 0;
	if (!to)
		return -ENOMEM;
	while (raw.n) {
		char c = raw.p[0];
		raw = str_skip(raw, 1);
		if (c == '\\' && escaped(&raw, &c) != 0)
			return -EINVAL;
		to[n++] = c;
	}
	*ret = str_of(to, n);
	return 0;
}

int pg_row_next(struct pg_block *b, struct arena *a, struct str *values, const char **reterr)
{
	*reterr = NULL;
	if (!b->rows.n)
		return 0;
	struct str line = str_cut(&b->rows, '\n');
	b->line++;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	for (size_t i = 0; i < b->n_columns; i++) {
		bool is_last = str_find_char(line, '\t') == SIZE_MAX;
		struct str raw = str_cut(&line, '\t');
		int err = raw.n > PG_VALUE_MAX ? -EINVAL : unescape(a, raw, &values[i]);
		if (err == -ENOMEM)
			return err;
		if (err)
			*reterr = "a value is too long, or its backslashes are not COPY's";
		else if (values[i].p && !str_is_utf8(values[i]))
			*reterr = "a value is not UTF-8: dump with --encoding=UTF8";
		else if (is_last != (i + 1 == b->n_columns))
			*reterr = "the line has not as many values as the table has columns";
		if (*reterr)
			return -EINVAL;
	}
	return 1;
}

/* ---- arrays ---- */

int pg_array_open(struct str *text)
{
	return take_char(text, '{') ? 0 : -EINVAL;
}

static int quoted_element(struct str *text, struct arena *a, struct str *ret)
{
	char *to = arena_alloc(a, text->n + 1);
	size_t n = 0;
	if (!to)
		return -ENOMEM;
	while (text->n && text->p[0] != '"') {
		if (take_char(text, '\\') && !text->n)
			return -EINVAL;
		to[n++] = text->p[0];
		*text = str_skip(*text, 1);
	}
	*ret = str_of(to, n);
	return take_char(text, '"') ? 0 : -EINVAL;
}

int pg_array_next(struct str *text, struct arena *a, struct str *ret)
{
	int err = 0;
	if (str_eq(*text, STR("}"))) {
		*text = str_skip(*text, 1);
		return 0;
	}
	if (take_char(text, '"')) {
		err = quoted_element(text, a, ret);
	} else {
		size_t n = 0;
		while (n < text->n && !strchr(",{}\"\\", text->p[n]))
			n++;
		*ret = str_of(text->p, n);
		*text = str_skip(*text, n);
		if (!n)
			return -EINVAL;
		if (str_eq_nocase(*ret, STR("NULL")))
			*ret = STR_NONE;
	}
	if (err)
		return err;
	/* A comma has another element behind it; else this was the last. */
	if (take_char(text, ','))
		return text->n && text->p[0] != '}' ? 1 : -EINVAL;
	return str_eq(*text, STR("}")) ? 1 : -EINVAL;
}

/* ---- times ---- */

static bool number(struct str *s, size_t n, int low, int high, int *ret)
{
	uint64_t v;
	if (s->n < n || str_read_u64(str_of(s->p, n), &v) != 0 || v > (uint64_t)high ||
	    (int64_t)v < low)
		return false;
	*ret = (int)v;
	*s = str_skip(*s, n);
	return true;
}

static bool fraction(struct str *s, uint64_t *ret)
{
	uint64_t unit = NS_PER_S / 10;
	size_t n = 0;
	for (; n < s->n && s->p[n] >= '0' && s->p[n] <= '9' && unit; n++, unit /= 10)
		*ret += (uint64_t)(s->p[n] - '0') * unit;
	*s = str_skip(*s, n);
	return n > 0;
}

int pg_read_time(struct str s, uint64_t *ret_ns)
{
	struct tm t = { 0 };
	uint64_t ns = 0;
	bool good = number(&s, 4, 1970, 9999, &t.tm_year) && take_char(&s, '-') &&
		    number(&s, 2, 1, 12, &t.tm_mon) && take_char(&s, '-') &&
		    number(&s, 2, 1, 31, &t.tm_mday) && take_char(&s, ' ') &&
		    number(&s, 2, 0, 23, &t.tm_hour) && take_char(&s, ':') &&
		    number(&s, 2, 0, 59, &t.tm_min) && take_char(&s, ':') &&
		    number(&s, 2, 0, 60, &t.tm_sec);
	if (good && take_char(&s, '.'))
		good = fraction(&s, &ns);
	if (good && !str_eq(s, STR("+00")) && s.n)
		good = false;
	/* Nanoseconds since 1970 reach to the year 2554; SQLite's integers to 2262. */
	if (!good || t.tm_year > 2261)
		return -EINVAL;
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	*ret_ns = (uint64_t)timegm(&t) * NS_PER_S + ns;
	return 0;
}
