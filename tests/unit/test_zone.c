/* SPDX-License-Identifier: MIT
 * test_zone.c - hours of the week, over midnight, the week's end and the change of the clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/clock.h"
#include "master/zone.h"

enum { WORK_DAYS = 0x1f, ALL = 0x7f, SUNDAY = 0x40 };

static uint64_t utc(int year, int month, int day, int hour, int minute)
{
	struct tm t = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
			.tm_hour = hour, .tm_min = minute };
	return (uint64_t)timegm(&t) * NS_PER_S;
}

static void expect(const struct zone_window *w, size_t n, uint64_t at, bool is_open,
		   uint64_t change)
{
	uint64_t got = 1;
	assert_int_equal(zone_is_open(w, n, at, &got), is_open);
	if (got != change)
		fail_msg("changes after %lld s, not %lld", (long long)(got - at) / 1000000000,
			 (long long)(change - at) / 1000000000);
}

static void test_days_and_hours(void **state)
{
	/* 2026-06-05 is a Friday. */
	const struct zone_window work = { WORK_DAYS, 8 * 60, 18 * 60, STR("UTC") };
	const struct zone_window night = { ALL, 22 * 60, 6 * 60, STR_NONE };
	const struct zone_window both[] = { work, { WORK_DAYS, 18 * 60, 20 * 60, STR_NONE } };
	const struct zone_window always = { ALL, 0, ZONE_DAY_MINUTES, STR_NONE };
	const struct zone_window never = { 0, 0, ZONE_DAY_MINUTES, STR_NONE };
	(void)state;
	expect(&work, 1, utc(2026, 6, 5, 7, 59), false, utc(2026, 6, 5, 8, 0));
	expect(&work, 1, utc(2026, 6, 5, 8, 0), true, utc(2026, 6, 5, 18, 0));
	expect(&work, 1, utc(2026, 6, 5, 18, 0), false, utc(2026, 6, 8, 8, 0));
	expect(&work, 1, utc(2026, 6, 7, 12, 0), false, utc(2026, 6, 8, 8, 0));
	expect(both, 2, utc(2026, 6, 5, 9, 0), true, utc(2026, 6, 5, 20, 0));
	expect(&night, 1, utc(2026, 6, 5, 23, 0), true, utc(2026, 6, 6, 6, 0));
	expect(&night, 1, utc(2026, 6, 6, 5, 59), true, utc(2026, 6, 6, 6, 0));
	expect(&night, 1, utc(2026, 6, 6, 6, 0), false, utc(2026, 6, 6, 22, 0));
	expect(&always, 1, utc(2026, 6, 6, 6, 0), true, 0);
	expect(&never, 1, utc(2026, 6, 6, 6, 0), false, 0);
	expect(NULL, 0, utc(2026, 6, 6, 6, 0), false, 0);
}

static void test_zones(void **state)
{
	const struct zone_window zurich = { ALL, 8 * 60, 18 * 60, STR("Europe/Zurich") };
	const struct zone_window early = { SUNDAY, 1 * 60, 4 * 60, STR("Europe/Zurich") };
	const struct zone_window here[] = { zurich, { ALL, 8 * 60, 18 * 60, STR("Asia/Tokyo") } };
	(void)state;
	assert_false(zone_is_known(STR("Europe/Nowhere")) || zone_is_known(STR("../etc/passwd")) ||
		     zone_is_known(STR("/etc/passwd")) || zone_is_known(STR("")));
	if (!zone_is_known(zurich.zone))
		skip();
	expect(&zurich, 1, utc(2026, 1, 5, 6, 59), false, utc(2026, 1, 5, 7, 0));
	expect(&zurich, 1, utc(2026, 7, 5, 6, 0), true, utc(2026, 7, 5, 16, 0));
	/* 2026-03-29 has no hour from two to three, 2026-10-25 has it twice. */
	expect(&early, 1, utc(2026, 3, 29, 0, 0), true, utc(2026, 3, 29, 2, 0));
	expect(&early, 1, utc(2026, 10, 24, 23, 0), true, utc(2026, 10, 25, 3, 0));
	expect(here, 2, utc(2026, 6, 5, 0, 0), true, utc(2026, 6, 5, 16, 0));
	expect(here, 2, utc(2026, 6, 5, 17, 0), false, utc(2026, 6, 5, 23, 0));
	expect(here, 2, utc(2026, 6, 5, 9, 0), true, utc(2026, 6, 5, 16, 0));
}

/* Whoever reads the time elsewhere finds the zone as it was. */
static void test_nothing_is_left_behind(void **state)
{
	const struct zone_window w = { ALL, 0, 1, STR("Asia/Tokyo") };
	uint64_t change;
	time_t t = 1700000000;
	struct tm before, after;
	(void)state;
	localtime_r(&t, &before);
	zone_is_open(&w, 1, utc(2026, 6, 5, 0, 0), &change);
	localtime_r(&t, &after);
	assert_int_equal(before.tm_hour, after.tm_hour);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days_and_hours),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_nothing_is_left_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
