/* SPDX-License-Identifier: MIT
 * test_cidr.c - networks of addresses: what is one, and what is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/cidr.h"

static void test_what_is_in_it(void **st)
{
	static const struct {
		const char *net, *address;
		bool is_in;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1", true },	{ "127.0.0.1", "127.0.0.2", false },
		{ "127.0.0.0/8", "127.255.0.1", true }, { "127.0.0.0/8", "128.0.0.1", false },
		{ "10.1.2.0/23", "10.1.3.255", true },	{ "10.1.2.0/23", "10.1.4.0", false },
		{ "0.0.0.0/0", "1.2.3.4", true },	{ "0.0.0.0/0", "::1", false },
		{ "::/0", "1.2.3.4", true },		{ "::/0", "2001:db8::1", true },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::1", "::1", true },			{ "::ffff:1.2.3.4", "1.2.3.4", true },
		{ "192.168.0.0/31", "192.168.0.1", true },
	};
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cidr net, one;
		assert_int_equal(cidr_read(str_z(rows[i].net), &net), 0);
		assert_int_equal(cidr_read(str_z(rows[i].address), &one), 0);
		assert_int_equal(one.bits, 128);
		if (cidr_has(&net, one.address) != rows[i].is_in)
			fail_msg("%s in %s", rows[i].address, rows[i].net);
	}
}

static void test_what_is_none(void **st)
{
	static const char *const rows[] = {
		"", "/", "1.2.3", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/8 ", "1.2.3.4/8/8",
		"10.0.0.1/8", "::1/64", "::/129", "localhost", "1.2.3.4.5", " 1.2.3.4", "01.2.3.4/08x",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", "2001:db8::g",
	};
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cidr net;
		if (cidr_read(str_z(rows[i]), &net) == 0)
			fail_msg("'%s' was taken", rows[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_in_it),
		cmocka_unit_test(test_what_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
