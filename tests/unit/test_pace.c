/* SPDX-License-Identifier: MIT
 * test_pace.c - what providers' headers say of their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/exchange/pace.h"

static void test_resets(void **state)
{
	static const struct {
		const char *value;
		uint64_t ms;
	} rows[] = {
		{ "1s", 1000 },		  { "6m0s", 360000 },	{ "20ms", 20 },
		{ "2m59.56s", 179560 },	  { "1h", 3600000 },	{ "2h", 0 },
		{ "7", 7000 },		  { "0.5", 500 },	{ "1700000060", 60000 },
		{ "1699999999", 0 },	  { "", 0 },		{ "soon", 0 },
		{ "5 s", 0 },		  { "s", 0 },		{ "-5", 0 },
		{ "1e99", 0 },		  { "99999999999h", 0 },
		{ "2023-11-14T22:13:50Z", 30000 }, { "2023-11-14T22:13:00Z", 0 },
		{ "2023-99-14T22:13:50Z", 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (pace_read_reset(str_z(rows[i].value), 1700000000) != rows[i].ms)
			fail_msg("'%s': %llu ms", rows[i].value,
				 (unsigned long long)pace_read_reset(str_z(rows[i].value),
								     1700000000));
}

static void test_a_pause_is_for_what_is_used_up(void **state)
{
	(void)state;
	struct pace p = { .reset_ms = { 5000, 9000 } };
	assert_int_equal(pace_pause_ms(&p), 0);
	p.is_used_up[PACE_REQUESTS] = true;
	assert_int_equal(pace_pause_ms(&p), 5000);
	p.is_used_up[PACE_TOKENS] = true;
	assert_int_equal(pace_pause_ms(&p), 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_a_pause_is_for_what_is_used_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
