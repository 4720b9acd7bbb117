/* SPDX-License-Identifier: MIT
 * pace.c - see pace.h. */
#include "worker/exchange/pace.h"

#include <time.h>

#define HOUR_MS UINT64_C(3600000)

static uint64_t within_an_hour(double ms)
{
	return ms > 0 && ms <= (double)HOUR_MS ? (uint64_t)ms : 0;
}

/* Numbers with their units, one behind the other, as Go writes durations. */
static uint64_t read_duration(struct str v)
{
	static const struct {
		struct str unit;
		double ms;
	} units[] = { { STR("ms"), 1 }, { STR("us"), 0.001 }, { STR("s"), 1000 },
		      { STR("m"), 60000 }, { STR("h"), 3600000 } };
	double sum = 0, number;
	while (v.n) {
		size_t digits = 0, u = 0;
		while (digits < v.n && strchr("0123456789.", v.p[digits]) && v.p[digits])
			digits++;
		if (str_read_double(str_of(v.p, digits), &number) < 0)
			return 0;
		v = str_skip(v, digits);
		while (u < COUNT(units) && !str_starts(v, units[u].unit))
			u++;
		if (u == COUNT(units))
			return 0;
		sum += number * units[u].ms;
		v = str_skip(v, units[u].unit.n);
	}
	return within_an_hour(sum);
}

static uint64_t read_time(struct str v, uint64_t now_s)
{
	struct tm t = { 0 };
	char text[32];
	if (v.n < 20 || v.n >= sizeof text || v.p[4] != '-')
		return 0;
	memcpy(text, v.p, v.n);
	text[v.n] = 0;
	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &t))
		return 0;
	time_t at = timegm(&t);
	return at > (time_t)now_s ? within_an_hour((double)(at - (time_t)now_s) * 1000) : 0;
}

uint64_t pace_read_reset(struct str value, uint64_t now_s)
{
	double number;
	value = str_trim(value);
	if (str_read_double(value, &number) == 0)
		return within_an_hour((number > 1e9 ? number - (double)now_s : number) * 1000);
	return value.n > 4 && value.p[4] == '-' ? read_time(value, now_s) : read_duration(value);
}

void pace_read_remaining(struct pace *p, unsigned kind, struct str value)
{
	uint64_t n;
	if (str_read_u64(value, &n) < 0)
		return;
	uint32_t told = n < UINT32_MAX ? (uint32_t)n + 1 : UINT32_MAX;
	p->is_used_up[kind] |= n == 0;
	if (!p->remaining[kind] || told < p->remaining[kind])
		p->remaining[kind] = told;
}

uint64_t pace_pause_ms(const struct pace *p)
{
	uint64_t most = 0;
	for (unsigned i = 0; i < PACE_KINDS; i++)
		if (p->is_used_up[i] && p->reset_ms[i] > most)
			most = p->reset_ms[i];
	return most;
}
