/* SPDX-License-Identifier: MIT
 * zone.c - see zone.h. The C library knows zones by the environment alone: TZ is put there once,
 * and then only its text changes, so that nobody who reads the environment meanwhile is hurt. */
#include "master/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"

enum { NAME_MAX_BYTES = 64, DAYS_BACK = 1, DAYS_AHEAD = 9 };
#define ZONE_DIR "/usr/share/zoneinfo/"

struct span {
	int64_t open, close;		/* seconds since 1970 */
};
struct spans {
	struct span v[ZONE_WINDOWS_MAX * (DAYS_BACK + DAYS_AHEAD + 1)];
	size_t n;
};

const char *const zone_day_names[7] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

static int read_day(struct str s)
{
	for (size_t i = 0; i < COUNT(zone_day_names); i++)
		if (s.n >= 3 && str_eq_nocase(str_of(s.p, 3), str_z(zone_day_names[i])))
			return (int)i;
	return -1;
}

uint32_t zone_read_days(struct str s)
{
	struct str rest = s, first = str_cut(&rest, '-');
	int from = read_day(str_trim(first)), to = rest.p ? read_day(str_trim(rest)) : from;
	uint32_t days = 0;
	if (from < 0 || to < 0)
		return 0;
	for (int d = from;; d = (d + 1) % 7) {
		days |= 1u << d;
		if (d == to)
			return days;
	}
}

int zone_read_time(struct str s, uint32_t *ret)
{
	struct str rest = s, hours = str_cut(&rest, ':');
	uint64_t h, m = 0;
	if (str_read_u64(hours, &h) < 0 || !rest.p || rest.n != 2 || str_read_u64(rest, &m) < 0 ||
	    m > 59 || h > 24 || h * 60 + m > ZONE_DAY_MINUTES)
		return -EINVAL;
	*ret = (uint32_t)(h * 60 + m);
	return 0;
}

bool zone_is_known(struct str name)
{
	char path[sizeof ZONE_DIR + NAME_MAX_BYTES];
	if (str_eq(name, STR("UTC")))
		return true;
	if (!name.n || name.n > NAME_MAX_BYTES || name.p[0] == '/' ||
	    str_find(name, STR("..")) != SIZE_MAX)
		return false;
	snprintf(path, sizeof path, ZONE_DIR STR_FMT, STR_ARG(name));
	return access(path, R_OK) == 0;
}

static void set_zone(const char *tz)
{
	static char text[NAME_MAX_BYTES + 16];
	bool is_new = !text[0];
	snprintf(text, sizeof text, "TZ=%s", tz);
	if (is_new)
		putenv(text);
	tzset();
}

static void enter_zone(struct str name)
{
	char tz[NAME_MAX_BYTES + 2];
	snprintf(tz, sizeof tz, ":" STR_FMT, STR_ARG(name.n ? name : STR("UTC")));
	set_zone(tz);
}

/* The moment at which a local clock shows so many minutes of a day. */
static int64_t moment(struct tm day, uint32_t minutes)
{
	day.tm_hour = (int)(minutes / 60);
	day.tm_min = (int)(minutes % 60);
	day.tm_sec = 0;
	day.tm_isdst = -1;
	return (int64_t)mktime(&day);
}

static void add_spans(struct spans *s, const struct zone_window *w, int64_t now)
{
	time_t t = (time_t)now;
	struct tm today;
	localtime_r(&t, &today);
	for (int d = -DAYS_BACK; d <= DAYS_AHEAD; d++) {
		struct tm day = today;
		day.tm_mday += d;
		if (!(w->days >> (today.tm_wday + 6 + d + 7) % 7 & 1))
			continue;
		struct tm next = day;
		next.tm_mday += w->to <= w->from;
		s->v[s->n++] = (struct span){ moment(day, w->from), moment(next, w->to) };
	}
}

/* Where the time that is open at t ends; t itself where it is closed. */
static int64_t end_of_open(const struct spans *s, int64_t t)
{
	for (bool goes_on = true; goes_on;) {
		goes_on = false;
		for (size_t i = 0; i < s->n; i++) {
			if (s->v[i].open > t || s->v[i].close <= t)
				continue;
			t = s->v[i].close;
			goes_on = true;
		}
	}
	return t;
}

static int64_t next_open(const struct spans *s, int64_t now)
{
	int64_t first = 0;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].open > now && (!first || s->v[i].open < first))
			first = s->v[i].open;
	return first;
}

bool zone_is_open(const struct zone_window *w, size_t n, uint64_t wall_ns, uint64_t *ret_change_ns)
{
	int64_t now = (int64_t)(wall_ns / NS_PER_S), change;
	const char *tz = getenv("TZ");
	char before[NAME_MAX_BYTES + 2];
	struct spans s = { .n = 0 };
	MUST(n <= ZONE_WINDOWS_MAX);
	/* Where none was set the library reads that file. */
	snprintf(before, sizeof before, "%s", tz ? tz : ":/etc/localtime");
	for (size_t i = 0; i < n; i++) {
		enter_zone(w[i].zone);
		add_spans(&s, &w[i], now);
	}
	set_zone(before);
	change = end_of_open(&s, now);
	bool is_open = change > now;
	if (!is_open)
		change = next_open(&s, now);
	else if (change > now + 8 * 24 * 3600)
		change = 0;		/* all of a week, and so always */
	*ret_change_ns = (uint64_t)change * NS_PER_S;
	return is_open;
}
