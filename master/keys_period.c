/* SPDX-License-Identifier: MIT
 * keys_period.c - "30d" and its kin: when a key expires, when its budget starts anew. */
#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "master/keys_private.h"

enum { DAY_S = 86400 };
#define PERIOD_MAX_S (UINT64_C(100) * 366 * DAY_S)

static const struct {
	struct str suffix;
	enum period_unit unit;
	uint64_t seconds;
} units[] = {
	{ { "mo", 2 }, MONTHS, 31 * DAY_S },
	{ { "s", 1 }, SECONDS, 1 },
	{ { "m", 1 }, MINUTES, 60 },
	{ { "h", 1 }, HOURS, 3600 },
	{ { "d", 1 }, DAYS, DAY_S },
	{ { "w", 1 }, WEEKS, 7 * DAY_S },
};

static uint64_t seconds_of(struct period p)
{
	for (size_t i = 0; i < COUNT(units); i++)
		if (units[i].unit == p.unit)
			return p.n * units[i].seconds;
	return 0;
}

int period_read(struct str s, struct period *ret)
{
	for (size_t i = 0; i < COUNT(units); i++) {
		struct period p = { .unit = units[i].unit };
		if (!str_ends(s, units[i].suffix))
			continue;
		s.n -= units[i].suffix.n;
		if (str_read_u64(s, &p.n) != 0 || !p.n || p.n > PERIOD_MAX_S ||
		    seconds_of(p) > PERIOD_MAX_S)
			return -EINVAL;
		*ret = p;
		return 0;
	}
	return -EINVAL;
}

static struct tm date_of(uint64_t now_ns)
{
	struct tm t;
	time_t s = (time_t)(now_ns / NS_PER_S);
	gmtime_r(&s, &t);
	return t;
}

static uint64_t ns_of(struct tm t)
{
	return (uint64_t)timegm(&t) * NS_PER_S;
}

static int days_in_month(struct tm t)
{
	t.tm_mon++;
	t.tm_mday = 0;			/* the day before the next month's first */
	timegm(&t);
	return t.tm_mday;
}

/* The same day n months on, or that month's last. */
static uint64_t add_months(uint64_t now_ns, uint64_t n)
{
	struct tm t = date_of(now_ns);
	int day = t.tm_mday;
	t.tm_mon += (int)n;
	t.tm_mday = 1;
	timegm(&t);			/* brings month and year in order */
	int last = days_in_month(t);
	t.tm_mday = day < last ? day : last;
	return ns_of(t) + now_ns % NS_PER_S;
}

uint64_t period_after(struct period p, uint64_t now_ns)
{
	if (p.unit == MONTHS)
		return add_months(now_ns, p.n);
	return now_ns + seconds_of(p) * NS_PER_S;
}

static uint64_t midnight_after(uint64_t now_ns, int days)
{
	struct tm t = date_of(now_ns);
	t.tm_mday += days;
	t.tm_hour = t.tm_min = t.tm_sec = 0;
	return ns_of(t);
}

static uint64_t next_monday(uint64_t now_ns)
{
	return midnight_after(now_ns, 7 - (date_of(now_ns).tm_wday + 6) % 7);
}

static uint64_t first_of_month(uint64_t now_ns, uint64_t months)
{
	struct tm t = date_of(now_ns);
	t.tm_mon += (int)months;
	t.tm_mday = 1;
	t.tm_hour = t.tm_min = t.tm_sec = 0;
	return ns_of(t);
}

uint64_t period_reset(struct period p, uint64_t now_ns)
{
	if (p.unit == MONTHS)
		return first_of_month(now_ns, p.n);
	if (p.unit == DAYS && p.n == 1)
		return midnight_after(now_ns, 1);
	if ((p.unit == DAYS && p.n == 7) || (p.unit == WEEKS && p.n == 1))
		return next_monday(now_ns);
	if (p.unit == DAYS && p.n == 30)
		return first_of_month(now_ns, 1);
	return period_after(p, now_ns);
}

uint64_t period_begin(struct period p, uint64_t now_ns)
{
	struct tm t = date_of(now_ns);
	if (p.unit == MONTHS) {
		uint64_t month = (uint64_t)(t.tm_year - 70) * 12 + (uint64_t)t.tm_mon;
		t.tm_mon -= (int)(month % p.n);
		t.tm_mday = 1;
	} else if (p.unit == DAYS && p.n == 30) {
		t.tm_mday = 1;
	} else if ((p.unit == DAYS && p.n == 7) || (p.unit == WEEKS && p.n == 1)) {
		t.tm_mday -= (t.tm_wday + 6) % 7;
	} else {
		uint64_t span = seconds_of(p) * NS_PER_S;
		return now_ns - now_ns % span;
	}
	t.tm_hour = t.tm_min = t.tm_sec = 0;
	return ns_of(t);
}
