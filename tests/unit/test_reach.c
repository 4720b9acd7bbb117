/* SPDX-License-Identifier: MIT
 * test_reach.c - which addresses may be connected to: the edges of every network in the table, and
 * every way to hide one of them in another address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "common/cidr.h"
#include "common/reach.h"

static void read(const char *text, uint8_t to[16])
{
	struct cidr one;
	assert_int_equal(cidr_read(str_z(text), &one), 0);
	memcpy(to, one.address, 16);
}

static const struct {
	const char *address;
	enum reach_kind kind;
} rows[] = {
	/* IPv4: just outside, the first, the last, just outside */
	{ "0.0.0.0", REACH_BARRED }, { "0.255.255.255", REACH_BARRED }, { "1.0.0.0", REACH_PUBLIC },
	{ "9.255.255.255", REACH_PUBLIC }, { "10.0.0.0", REACH_PRIVATE },
	{ "10.255.255.255", REACH_PRIVATE }, { "11.0.0.0", REACH_PUBLIC },
	{ "100.63.255.255", REACH_PUBLIC }, { "100.64.0.0", REACH_PRIVATE },
	{ "100.100.100.199", REACH_PRIVATE }, { "100.100.100.200", REACH_BARRED },
	{ "100.100.100.201", REACH_PRIVATE }, { "100.127.255.255", REACH_PRIVATE },
	{ "100.128.0.0", REACH_PUBLIC }, { "126.255.255.255", REACH_PUBLIC },
	{ "127.0.0.0", REACH_PRIVATE }, { "127.0.0.1", REACH_PRIVATE },
	{ "127.255.255.255", REACH_PRIVATE }, { "128.0.0.0", REACH_PUBLIC },
	{ "168.63.129.15", REACH_PUBLIC }, { "168.63.129.16", REACH_BARRED },
	{ "168.63.129.17", REACH_PUBLIC }, { "169.253.255.255", REACH_PUBLIC },
	{ "169.254.0.0", REACH_BARRED }, { "169.254.169.254", REACH_BARRED },
	{ "169.254.170.2", REACH_BARRED }, { "169.254.255.255", REACH_BARRED },
	{ "169.255.0.0", REACH_PUBLIC }, { "172.15.255.255", REACH_PUBLIC },
	{ "172.16.0.0", REACH_PRIVATE }, { "172.31.255.255", REACH_PRIVATE },
	{ "172.32.0.0", REACH_PUBLIC }, { "191.255.255.255", REACH_PUBLIC },
	{ "192.0.0.0", REACH_PRIVATE }, { "192.0.0.255", REACH_PRIVATE },
	{ "192.0.1.0", REACH_PUBLIC }, { "192.167.255.255", REACH_PUBLIC },
	{ "192.168.0.0", REACH_PRIVATE }, { "192.168.255.255", REACH_PRIVATE },
	{ "192.169.0.0", REACH_PUBLIC }, { "198.17.255.255", REACH_PUBLIC },
	{ "198.18.0.0", REACH_PRIVATE }, { "198.19.255.255", REACH_PRIVATE },
	{ "198.20.0.0", REACH_PUBLIC }, { "223.255.255.255", REACH_PUBLIC },
	{ "224.0.0.0", REACH_BARRED }, { "239.255.255.255", REACH_BARRED },
	{ "240.0.0.0", REACH_BARRED }, { "255.255.255.255", REACH_BARRED },
	{ "8.8.8.8", REACH_PUBLIC },
	/* IPv6 */
	{ "::", REACH_BARRED }, { "::1", REACH_PRIVATE }, { "2606:4700::6810:1", REACH_PUBLIC },
	{ "fbff:ffff::1", REACH_PUBLIC }, { "fc00::", REACH_PRIVATE }, { "fd00::1", REACH_PRIVATE },
	{ "fd00:ec1::254", REACH_PRIVATE }, { "fd00:ec2::254", REACH_BARRED },
	{ "fd20:ce::254", REACH_BARRED }, { "fdff:ffff::1", REACH_PRIVATE },
	{ "fe00::", REACH_PUBLIC }, { "fe7f::1", REACH_PUBLIC }, { "fe80::1", REACH_BARRED },
	{ "febf:ffff::1", REACH_BARRED }, { "fec0::1", REACH_PRIVATE }, { "ff02::1", REACH_BARRED },
	/* IPv4 in IPv6: mapped, compatible, NAT64, 6to4 */
	{ "::ffff:127.0.0.1", REACH_PRIVATE }, { "::ffff:7f00:1", REACH_PRIVATE },
	{ "::ffff:169.254.169.254", REACH_BARRED }, { "::ffff:8.8.8.8", REACH_PUBLIC },
	{ "::127.0.0.1", REACH_PRIVATE }, { "::169.254.169.254", REACH_BARRED },
	{ "::8.8.8.8", REACH_PUBLIC }, { "64:ff9b::169.254.169.254", REACH_BARRED },
	{ "64:ff9b::10.0.0.1", REACH_PRIVATE }, { "64:ff9b::8.8.8.8", REACH_PUBLIC },
	{ "64:ff9b:1::8.8.8.8", REACH_PRIVATE }, { "2002:7f00:1::1", REACH_PRIVATE },
	{ "2002:a9fe:a9fe::", REACH_BARRED }, { "2002:808:808::", REACH_PUBLIC },
};

static void test_what_an_address_is(void **st)
{
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t a[16];
		const char *why;
		read(rows[i].address, a);
		if (reach_kind_of(a, &why) != rows[i].kind)
			fail_msg("%s: not %d", rows[i].address, rows[i].kind);
		assert_int_equal(why == NULL, rows[i].kind == REACH_PUBLIC);
	}
}

static void test_who_may_connect_to_what(void **st)
{
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t a[16];
		read(rows[i].address, a);
		bool named = !reach_refusal(a, STR("api.example.com"), false);
		bool public = !reach_refusal(a, STR("api.example.com"), true);
		assert_int_equal(named, rows[i].kind != REACH_BARRED);
		assert_int_equal(public, rows[i].kind == REACH_PUBLIC);
		/* Writing the address itself helps whoever is trusted, and nobody else. */
		assert_null(reach_refusal(a, str_z(rows[i].address), false));
		assert_int_equal(!reach_refusal(a, str_z(rows[i].address), true), public);
	}
}

static void test_only_its_own_spelling_names_a_barred_address(void **st)
{
	static const char *const others[] = {
		"0xa9fea9fe", "0251.0376.0251.0376", "2852039166", "169.254.43518", "0xa9.254.169.254",
		"169.254.169.254.", "169.254.0.0/16", "169.254.169.253", "localhost", "",
		"169.254.169.254.example.com", "[169.254.169.254", "[]", "[",
	};
	uint8_t a[16], b[16];
	(void)st;
	read("169.254.169.254", a);
	for (size_t i = 0; i < COUNT(others); i++)
		if (!reach_refusal(a, str_z(others[i]), false))
			fail_msg("'%s' names it", others[i]);
	assert_non_null(strstr(reach_refusal(a, STR("x"), false), "link-local"));
	read("fd00:ec2::254", b);
	assert_null(reach_refusal(b, STR("[fd00:ec2::254]"), false));
	assert_null(reach_refusal(b, STR("[fd00:0ec2:0::254]"), false));
	assert_non_null(reach_refusal(b, STR("[fd00:ec2::253]"), false));
}

static void test_addresses_of_sockets(void **st)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	uint8_t got[16], want[16];
	(void)st;
	assert_true(reach_address((const struct sockaddr *)&in, got));
	read("127.0.0.1", want);
	assert_memory_equal(got, want, 16);
	assert_true(reach_address((const struct sockaddr *)&in6, got));
	read("::1", want);
	assert_memory_equal(got, want, 16);
	assert_false(reach_address((const struct sockaddr *)&un, got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_an_address_is),
		cmocka_unit_test(test_who_may_connect_to_what),
		cmocka_unit_test(test_only_its_own_spelling_names_a_barred_address),
		cmocka_unit_test(test_addresses_of_sockets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
