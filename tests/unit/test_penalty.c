/* SPDX-License-Identifier: MIT
 * test_penalty.c - unknown keys are counted by address and second, in a table of fixed size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/hash.h"
#include "worker/penalty.h"

static struct penalty table[PENALTY_SLOTS];

static int setup(void **st)
{
	(void)st;
	memset(table, 0, sizeof table);
	return hash_init();
}

static void v4(uint8_t to[16], uint32_t n)
{
	memset(to, 0, 16);
	to[10] = to[11] = 0xff;
	memcpy(to + 12, &n, sizeof n);
}

static void test_who_is_over_is_told_without_a_count(void **st)
{
	uint8_t a[16], b[16];
	(void)st;
	v4(a, 1);
	v4(b, 2);
	for (uint32_t i = 0; i <= PENALTY_FREE; i++) {
		assert_false(penalty_is_over(table, a, 7 * NS_PER_S));
		penalty_count(table, a, 7 * NS_PER_S);
	}
	assert_true(penalty_is_over(table, a, 7 * NS_PER_S));
	assert_false(penalty_is_over(table, b, 7 * NS_PER_S));
	assert_false(penalty_is_over(table, a, 8 * NS_PER_S));
	assert_int_equal(penalty_count(table, a, 7 * NS_PER_S), PENALTY_FREE + 2);
}

static void test_each_address_has_its_own_count(void **st)
{
	uint8_t a[16], b[16];
	(void)st;
	v4(a, 1);
	v4(b, 2);
	for (uint32_t i = 1; i <= 50; i++)
		assert_int_equal(penalty_count(table, a, 7 * NS_PER_S), i);
	assert_true(penalty_count(table, b, 7 * NS_PER_S) == 1);
}

static void test_a_second_later_it_begins_anew(void **st)
{
	uint8_t a[16];
	(void)st;
	v4(a, 1);
	assert_int_equal(penalty_count(table, a, 7 * NS_PER_S), 1);
	assert_int_equal(penalty_count(table, a, 8 * NS_PER_S - 1), 2);
	assert_int_equal(penalty_count(table, a, 8 * NS_PER_S), 1);
}

static void test_of_ipv6_the_network_counts(void **st)
{
	uint8_t a[16] = { 0x20, 1, 0xd, 0xb8 }, b[16] = { 0x20, 1, 0xd, 0xb8, [15] = 9 };
	uint8_t c[16] = { 0x20, 1, 0xd, 0xb8, [7] = 1 };
	(void)st;
	assert_int_equal(penalty_count(table, a, 0), 1);
	assert_int_equal(penalty_count(table, b, 0), 2);
	assert_int_equal(penalty_count(table, c, 0), 1);
}

static void test_many_addresses_need_no_more_room(void **st)
{
	uint8_t a[16];
	(void)st;
	for (uint32_t i = 0; i < 100000; i++) {
		v4(a, i);
		assert_in_range(penalty_count(table, a, NS_PER_S), 1, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_address_has_its_own_count, setup),
		cmocka_unit_test_setup(test_who_is_over_is_told_without_a_count, setup),
		cmocka_unit_test_setup(test_a_second_later_it_begins_anew, setup),
		cmocka_unit_test_setup(test_of_ipv6_the_network_counts, setup),
		cmocka_unit_test_setup(test_many_addresses_need_no_more_room, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
