/* SPDX-License-Identifier: MIT
 * ctl_text.c - single values as people read them. What a stranger may have written (an alias, a
 * model's name, a log line) never reaches a terminal unescaped. */
#include <errno.h>
#include <math.h>
#include <time.h>

#include "common/clock.h"
#include "master/ctl.h"

enum { NANO_DIGITS = 9 };

/* ---- text ---- */

/* The code point of a valid sequence of n bytes. */
static uint32_t decode(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;
	uint32_t c = n == 1 ? u[0] : u[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (u[i] & 0x3f);
	return c;
}

/* Controls of both kinds, line separators, marks that change direction or hide themselves. */
static bool is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200b || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

static void put_hex(struct buf *to, struct str s)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char text[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
		buf_put(to, str_of(text, sizeof text));
	}
}

size_t ctl_next_char(struct str s, uint32_t *ret_code, bool *ret_unsafe)
{
	size_t n = str_utf8_len(s);
	*ret_code = n ? decode(s.p, n) : UINT32_MAX;
	*ret_unsafe = n == 0 || is_unsafe(*ret_code);
	return n ? n : 1;
}

void ctl_put_safe(struct buf *to, struct str s)
{
	while (s.n) {
		uint32_t code;
		bool unsafe;
		struct str c = str_of(s.p, ctl_next_char(s, &code, &unsafe));
		if (unsafe)
			put_hex(to, c);
		else
			buf_put(to, c);
		s = str_skip(s, c.n);
	}
}

void ctl_put_safe_lines(struct buf *to, struct str s, const char *indent)
{
	while (s.n) {
		struct str line = str_cut(&s, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		buf_put_z(to, line.n ? indent : "");
		while (line.n) {		/* a tab is harmless and common */
			struct str part = line;
			size_t tab = str_find_char(line, '\t');
			part.n = tab < line.n ? tab : line.n;
			ctl_put_safe(to, part);
			line = str_skip(line, part.n);
			if (line.n)
				buf_put_char(to, '\t');
			line = str_skip(line, 1);
		}
		buf_put_char(to, '\n');
	}
}

/* ---- money ---- */

/* Rounds to six digits that count, below a dollar, or to six decimals. */
static uint64_t round_money(uint64_t nano)
{
	uint64_t unit = 1;
	if (nano >= 1000000000u)
		unit = 1000;
	else
		while (nano / unit >= 1000000u)
			unit *= 10;
	return (nano + unit / 2) / unit * unit;
}

void ctl_put_money(struct buf *to, int64_t nano)
{
	char digits[NANO_DIGITS];
	uint64_t v = round_money(nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano);
	uint64_t part = v % 1000000000u;
	size_t n = NANO_DIGITS;
	for (size_t i = NANO_DIGITS; i-- > 0; part /= 10)
		digits[i] = (char)('0' + part % 10);
	while (n > 2 && digits[n - 1] == '0')
		n--;
	buf_put_z(to, nano < 0 ? "-$" : "$");
	buf_put_u64(to, v / 1000000000u);
	buf_put_char(to, '.');
	buf_put(to, str_of(digits, n));
}

int ctl_read_money(const struct json *j, int64_t *ret_nano)
{
	double dollars;
	struct str s = json_is(j, JSON_STRING) ? str_of(j->raw.p + 1, j->raw.n - 2) : STR_NONE;
	if (json_is(j, JSON_NUMBER))
		s = j->raw;
	if (!s.p || str_read_double(s, &dollars) != 0 || !(fabs(dollars) < 9e9))
		return -EINVAL;
	*ret_nano = llround(dollars * 1e9);
	return 0;
}

/* ---- time ---- */

static int read_digits(struct str s, size_t at, size_t n, int *ret)
{
	uint64_t v;
	if (s.n < at + n || str_read_u64(str_of(s.p + at, n), &v) != 0)
		return -EINVAL;
	*ret = (int)v;
	return 0;
}

/* "Z", "+02:00", or nothing, which is taken for UTC. */
static int read_zone(struct str s, int *ret_seconds)
{
	int hours, minutes;
	*ret_seconds = 0;
	if (!s.n || str_eq_z(s, "Z") || str_eq_z(s, "z"))
		return 0;
	if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':')
		return -EINVAL;
	if (read_digits(s, 1, 2, &hours) != 0 || read_digits(s, 4, 2, &minutes) != 0)
		return -EINVAL;
	*ret_seconds = (hours * 60 + minutes) * (s.p[0] == '-' ? -60 : 60);
	return 0;
}

int ctl_read_time(struct str s, uint64_t *ret_ns)
{
	struct tm tm = { 0 };
	int zone;
	if (s.n < 19 || s.p[4] != '-' || s.p[7] != '-' || (s.p[10] != 'T' && s.p[10] != ' ') ||
	    s.p[13] != ':' || s.p[16] != ':')
		return -EINVAL;
	if (read_digits(s, 0, 4, &tm.tm_year) || read_digits(s, 5, 2, &tm.tm_mon) ||
	    read_digits(s, 8, 2, &tm.tm_mday) || read_digits(s, 11, 2, &tm.tm_hour) ||
	    read_digits(s, 14, 2, &tm.tm_min) || read_digits(s, 17, 2, &tm.tm_sec))
		return -EINVAL;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	struct str rest = str_skip(s, 19);
	if (rest.n && rest.p[0] == '.') {
		size_t n = 1;
		while (n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '9')
			n++;
		rest = str_skip(rest, n);
	}
	if (read_zone(rest, &zone) != 0)
		return -EINVAL;
	time_t t = timegm(&tm) - zone;
	if (t < 0)
		return -EINVAL;
	*ret_ns = (uint64_t)t * NS_PER_S;
	return 0;
}

void ctl_put_time(struct buf *to, uint64_t then_ns, bool is_local)
{
	char text[40];
	struct tm tm;
	time_t t = (time_t)(then_ns / NS_PER_S);
	size_t n = 0;
	if (is_local && localtime_r(&t, &tm))
		n = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
	else if (!is_local && gmtime_r(&t, &tm))
		n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_put(to, str_of(text, n));
}

void ctl_put_age(struct buf *to, uint64_t then_ns, uint64_t now_ns, bool bare)
{
	static const struct {
		uint64_t from_s, unit_s;
		char letter;
	} steps[] = {
		{ 2 * 86400, 86400, 'd' }, { 2 * 3600, 3600, 'h' },
		{ 2 * 60, 60, 'm' }, { 0, 1, 's' },
	};
	bool is_ahead = then_ns > now_ns;
	uint64_t s = (is_ahead ? then_ns - now_ns : now_ns - then_ns) / NS_PER_S;
	size_t i = 0;
	while (s < steps[i].from_s)
		i++;
	buf_put_z(to, is_ahead && !bare ? "in " : "");
	buf_put_u64(to, s / steps[i].unit_s);
	buf_put_char(to, steps[i].letter);
	buf_put_z(to, is_ahead || bare ? "" : " ago");
}

/* RFC 3339, or a number: seconds since 1970. */
static int time_of(struct arena *a, const struct json *j, uint64_t *ret_ns)
{
	double s;
	if (json_is(j, JSON_STRING))
		return ctl_read_time(json_str(a, j), ret_ns);
	if (json_read_double(j, &s) != 0 || !(s >= 0 && s < 1e10))
		return -EINVAL;
	*ret_ns = (uint64_t)s * NS_PER_S;
	return 0;
}

/* ---- values ---- */

static void put_plain(struct buf *to, struct arena *a, const struct json *j)
{
	if (!json_is_given(j) ||
	    (j->count == 0 && (j->type == JSON_ARRAY || j->type == JSON_OBJECT)))
		BUF_PUT_LIT(to, "-");
	else if (j->type == JSON_STRING)
		ctl_put_safe(to, json_str(a, j));
	else if (j->type == JSON_TRUE || j->type == JSON_FALSE)
		buf_put_z(to, j->type == JSON_TRUE ? "yes" : "no");
	else if (j->type == JSON_ARRAY)
		for (const struct json *e = j->child; e; e = e->next) {
			put_plain(to, a, e);
			buf_put_z(to, e->next ? ", " : "");
		}
	else
		ctl_put_safe(to, j->raw);
}

/* Members that hold dollars wherever they stand. */
static bool is_money_name(struct str name)
{
	static const char *const names[] = { "spend", "max_budget", "soft_budget", "cost" };
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_z(name, names[i]))
			return true;
	return false;
}

void ctl_put_scalar(struct buf *to, struct arena *a, struct str name, const struct json *j,
		    const struct ctl_look *look)
{
	int64_t nano;
	uint64_t then;
	if (is_money_name(name) && ctl_read_money(j, &nano) == 0)
		ctl_put_money(to, nano);
	else if (look->is_tty && json_is(j, JSON_STRING) &&
		 ctl_read_time(json_str(a, j), &then) == 0)
		ctl_put_time(to, then, true);
	else
		put_plain(to, a, j);
}

void ctl_put_cell(struct buf *to, struct arena *a, const struct command_column *col,
		  const struct json *j, const struct ctl_look *look)
{
	int64_t nano;
	uint64_t then;
	if (col->kind == COL_MONEY && ctl_read_money(j, &nano) == 0)
		ctl_put_money(to, nano);
	else if (col->kind == COL_TIME && time_of(a, j, &then) == 0)
		ctl_put_time(to, then, look->is_tty);
	else if (col->kind == COL_AGE && time_of(a, j, &then) == 0)
		ctl_put_age(to, then, look->now_ns, strcmp(col->title, "UP") == 0);
	else
		put_plain(to, a, j);
}
