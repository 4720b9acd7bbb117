/* SPDX-License-Identifier: MIT
 * log.c - one record, one write(2). A record is built in a fixed buffer; what does not fit is
 * left out whole and `cut` says so. Nothing a stranger sent reaches a terminal or a log reader
 * as anything but printable text. */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/json_write.h"
#include "common/swar.h"

enum {
	RECORD_MAX = 8192,
	VALUE_MAX = 1024,
	TAIL_ROOM = 16,		/* for the mark of a cut record, brackets and the line's end */
	GATHER_MAX = 32768
};

enum log_level log_threshold = LOG_INFO;

static struct {
	int fd;
	enum log_format format;
	bool prefix_priority;
	const char *who;
	_Atomic uint64_t dropped;
	atomic_bool torn;	/* the last record went out in part: its line is not ended */
	size_t whole;		/* bytes that a write takes whole or not at all */
} logger = { .fd = -1, .who = "", .whole = GATHER_MAX };

/* Records that wait for log_flush(): of one thread. */
static struct {
	char bytes[GATHER_MAX];
	size_t n;
	unsigned records;
} gathered;
static _Thread_local bool gathers;

static const char *const level_names[] = { "error", "warn", "info", "debug" };
static const char *const format_names[] = { "text", "logfmt", "json" };

/* A text that grows up to `room`; once something did not fit it is `full`. */
struct text {
	char *p;
	size_t n, room;
	bool full;
};

static void put(struct text *t, struct str s)
{
	if (t->full || s.n > t->room - t->n) {
		t->full = true;
		return;
	}
	if (s.n)
		memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
}

/* All three, or nothing. The outer ones are literals of one or two bytes: no calls. */
static inline void put_between(struct text *t, struct str before, struct str s, struct str behind)
{
	if (t->full || before.n + s.n + behind.n > t->room - t->n) {
		t->full = true;
		return;
	}
	char *p = t->p + t->n;
	memcpy(p, before.p, before.n);
	if (s.n)
		memcpy(p + before.n, s.p, s.n);
	memcpy(p + before.n + s.n, behind.p, behind.n);
	t->n += before.n + s.n + behind.n;
}

static void put_int(struct text *t, int64_t v)
{
	char digits[21];
	size_t at = sizeof digits;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do {
		digits[--at] = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		digits[--at] = '-';
	put(t, str_of(digits + at, sizeof digits - at));
}

static unsigned decode(const char *p, size_t len)
{
	unsigned c = (unsigned char)p[0];
	if (len == 1)
		return c;
	c &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	return c;
}

/* C0, DEL, C1, line and paragraph separators, and whatever turns the direction of writing. */
static bool is_hidden(unsigned c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void put_code(struct text *t, unsigned c)
{
	static const char hex[] = "0123456789abcdef", from[] = "\n\r\t", as[] = "nrt";
	const char *at = c && c < 0x80 ? strchr(from, (int)c) : NULL;
	char code[6] = { '\\', 'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15],
			 hex[c & 15] };
	if (at)
		code[1] = as[at - from];
	put(t, str_of(code, at ? 2 : 6));
}

/* Visible ASCII but for the quote, the backslash and the sign of equality. */
static const bool bare_bytes[256] = {
	['!'] = 1, ['#' ... '<'] = 1, ['>' ... '['] = 1, [']' ... '~'] = 1,
};

/* The same of eight bytes. */
static bool are_bare_8(const char *p)
{
	uint64_t v = swar_load(p);
	return ((v & SWAR_HIGHS) | swar_below(v, 0x21) | swar_is(v, 0x7f) | swar_is(v, '"') |
		swar_is(v, '\\') | swar_is(v, '=')) == 0;
}

/* How many characters s begins with that are written as they are: a byte each. */
static size_t plain_run(struct str s)
{
	size_t n = 0;
	while (n + 8 <= s.n && are_bare_8(s.p + n))
		n += 8;
	for (; n < s.n; n++) {
		unsigned char c = (unsigned char)s.p[n];
		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			break;
	}
	return n;
}

/* Escaped so that it may stand between quotes, in logfmt and in JSON. */
static void put_escaped(struct text *t, struct str s)
{
	size_t used = 0, len, most = s.n < VALUE_MAX ? s.n : VALUE_MAX;
	for (; used < most; used += len) {
		struct str at = str_skip(s, used);
		len = plain_run(str_of(at.p, most - used));
		if (len) {
			put(t, str_of(at.p, len));
			continue;
		}
		len = str_utf8_len(at);
		if (len > VALUE_MAX - used)
			break;
		unsigned c = len ? decode(at.p, len) : 0;
		if (!len)
			put(t, STR("\xef\xbf\xbd"));
		else if (c == '"' || c == '\\')
			put(t, c == '"' ? STR("\\\"") : STR("\\\\"));
		else if (is_hidden(c))
			put_code(t, c);
		else
			put(t, str_of(at.p, len));
		len = len ? len : 1;
	}
	if (used < s.n)
		put(t, STR("\xe2\x80\xa6"));
}

/* Whether logfmt takes s without quotes. */
static bool is_bare(struct str s)
{
	if (s.n == 0 || s.n > VALUE_MAX)
		return false;
	size_t i = 0;
	while (i + 8 <= s.n && are_bare_8(s.p + i))
		i += 8;
	while (i < s.n && bare_bytes[(unsigned char)s.p[i]])
		i++;
	return i == s.n;
}

static void put_value(struct text *t, enum log_format format, struct str s)
{
	if (format != LOG_JSON && is_bare(s)) {
		put(t, s);
		return;
	}
	if (s.n <= VALUE_MAX && plain_run(s) == s.n) {	/* nearly all of them */
		put_between(t, STR("\""), s, STR("\""));
		return;
	}
	put(t, STR("\""));
	put_escaped(t, s);
	put(t, STR("\""));
}

static void put_name(struct text *t, enum log_format format, struct str name)
{
	if (format == LOG_JSON)
		put_between(t, STR(",\""), name, STR("\":"));
	else
		put_between(t, STR(" "), name, STR("="));
}

/* One field, or nothing at all when it does not fit. */
static void put_field(struct text *t, enum log_format format, const struct log_field *f)
{
	char money[24];
	size_t before = t->n;
	put_name(t, format, str_z(f->name));
	switch (f->kind) {
	case LF_INT:
		put_int(t, f->i);
		break;
	case LF_MONEY:
		put(t, str_of(money, json_money(money, f->i)));
		break;
	case LF_STR:
		if (f->s.p || format != LOG_JSON)
			put_value(t, format, f->s);
		else
			put(t, STR("null"));
		break;
	}
	if (t->full)
		t->n = before;
}

static void put_head(struct text *t, enum log_format format, enum log_level lv, const char *event,
		     uint64_t wall_ns)
{
	char time[25];
	struct str level = str_z(level_names[lv]);
	clock_rfc3339(time, wall_ns);
	if (format == LOG_TEXT) {
		put(t, str_of(time + 11, 8));
		put(t, STR(" "));
		put(t, level);
		put(t, str_of("      ", 6 - level.n));
		put(t, str_z(event));
		return;
	}
	put(t, format == LOG_JSON ? STR("{\"ts\":") : STR("ts="));
	put_value(t, format, str_of(time, 24));
	put_name(t, format, STR("level"));
	put_value(t, format, level);
	put_name(t, format, STR("who"));
	put_value(t, format, str_z(logger.who));
	put_name(t, format, STR("event"));
	put_value(t, format, str_z(event));
}

size_t log_render(char *out, size_t room, enum log_format format, enum log_level lv,
		  const char *event, const struct log_field *f, size_t n, uint64_t wall_ns)
{
	if (room > RECORD_MAX)
		room = RECORD_MAX;
	if (room <= TAIL_ROOM)
		return 0;
	struct text t = { .p = out, .room = room - TAIL_ROOM };
	MUST((unsigned)lv < COUNT(level_names));
	put_head(&t, format, lv, event, wall_ns);
	if (t.full)
		return 0;
	for (size_t i = 0; i < n && !t.full; i++)
		put_field(&t, format, &f[i]);
	bool is_cut = t.full;
	t.full = false;
	t.room = room;
	if (is_cut)
		put(&t, format == LOG_JSON ? STR(",\"cut\":true") : STR(" cut=true"));
	put(&t, format == LOG_JSON ? STR("}\n") : STR("\n"));
	MUST(!t.full);
	return t.n;
}

void log_start(int fd, enum log_format format, enum log_level threshold, const char *who,
	       bool prefix_priority)
{
	struct stat st;
	logger.fd = fd;
	logger.format = format;
	logger.who = who ? who : "";
	logger.prefix_priority = prefix_priority;
	log_threshold = threshold;
	logger.whole = GATHER_MAX;
	if (fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		return;
	logger.whole = PIPE_BUF;
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void log_settings(enum log_format *ret_format, bool *ret_prefix)
{
	*ret_format = logger.format;
	*ret_prefix = logger.prefix_priority;
}

static void write_records(const char *p, size_t n, unsigned records)
{
	ssize_t r;
	do {
		r = write(logger.fd, p, n);
	} while (r < 0 && errno == EINTR);
	if (r == (ssize_t)n) {
		atomic_store_explicit(&logger.torn, false, memory_order_relaxed);
		return;
	}
	if (r > 0)
		atomic_store_explicit(&logger.torn, true, memory_order_relaxed);
	atomic_fetch_add_explicit(&logger.dropped, records, memory_order_relaxed);
}

void log_gather(void)
{
	gathers = true;
}

void log_flush(void)
{
	if (!gathered.n)
		return;
	write_records(gathered.bytes, gathered.n, gathered.records);
	gathered.n = gathered.records = 0;
}

/* False: it is to go out at once, behind what was gathered. */
static bool gather(enum log_level lv, const char *p, size_t n)
{
	if (gathered.n && gathered.n + n > logger.whole)
		log_flush();
	if (lv < LOG_INFO || n > logger.whole) {
		log_flush();
		return false;
	}
	memcpy(gathered.bytes + gathered.n, p, n);
	gathered.n += n;
	gathered.records++;
	return true;
}

static struct log_kept *recent;	/* LOG_RECENT newest records; NULL: not kept */
static uint64_t recent_count;	/* ever */

void log_keep_recent(void)
{
	if (!recent)
		recent = mem_array(LOG_RECENT, sizeof *recent);
}

static void keep(enum log_level lv, const char *event, const char *p, size_t n)
{
	if (!recent)
		return;
	struct log_kept *k = &recent[recent_count++ % LOG_RECENT];
	mem_free((char *)k->line.p);
	char *line = mem_dup(p, n && p[n - 1] == '\n' ? n - 1 : n);
	*k = (struct log_kept){ recent_count, lv, event, str_z(line) };
}

struct log_kept log_recent(unsigned i)
{
	if (!recent || i >= LOG_RECENT || i >= recent_count)
		return (struct log_kept){ 0 };
	return recent[(recent_count - 1 - i) % LOG_RECENT];
}

void log_emit(enum log_level lv, const char *event, const struct log_field *f, size_t n)
{
	static const char priority[] = { '3', '4', '6', '7' };
	char record[RECORD_MAX + 1];
	size_t at = 0;
	int saved = errno;	/* a log line never changes what its caller reports next */
	if (atomic_load_explicit(&logger.torn, memory_order_relaxed))
		record[at++] = '\n';
	if (logger.prefix_priority) {
		record[at++] = '<';
		record[at++] = priority[lv];
		record[at++] = '>';
	}
	size_t len = log_render(record + at, RECORD_MAX - at, logger.format, lv, event, f, n,
				clock_wall_ns());
	keep(lv, event, record + at, len);
	if (!gathers || !gather(lv, record, at + len))
		write_records(record, at + len, 1);
	errno = saved;
}

uint64_t log_dropped(void)
{
	return atomic_load_explicit(&logger.dropped, memory_order_relaxed);
}

static int find_name(const char *const *names, size_t n, struct str s)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq_z(s, names[i]))
			return (int)i;
	return -EINVAL;
}

const char *log_level_name(enum log_level lv)
{
	return level_names[lv];
}

int log_read_level(struct str s, enum log_level *ret)
{
	int i = find_name(level_names, COUNT(level_names), s);
	if (i < 0)
		return i;
	*ret = (enum log_level)i;
	return 0;
}

int log_read_format(struct str s, enum log_format *ret)
{
	int i = find_name(format_names, COUNT(format_names), s);
	if (i < 0)
		return i;
	*ret = (enum log_format)i;
	return 0;
}
