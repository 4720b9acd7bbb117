/* SPDX-License-Identifier: MIT
 * test_browser.c - which pages may call a gateway that lets everybody in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/decide/browser.h"

static void test_hosts(void **st)
{
	static const struct {
		const char *host;
		bool is_near;
	} rows[] = {
		{ "", true }, { "localhost", true }, { "localhost:4000", true }, { "LOCALHOST", true },
		{ "localhost.", true }, { "127.0.0.1:4000", true }, { "10.1.2.3", true },
		{ "[::1]:4000", true }, { "[fd00::1]", true }, { "llmgw:4000", true },
		{ "box.local", true }, { "Box.LOCAL:1", true }, { "a.internal.", true }, { "x.test", true },
		{ "api.localhost", true }, { "router.lan", true }, { "nas.home.arpa", true },
		{ "evil.example:4000", false }, { "127.0.0.1.evil.example", false }, { ".", false },
		{ "localhost.evil.example", false }, { "notlocal.example", false }, { ".local", false },
		{ "evil.local.example", false }, { "[", false }, { "[]", false }, { "[::1", false },
		{ "10.0.0.0/8", false }, { "127.0.0.1.nip.io", false }, { ":4000", false },
	};
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (browser_host_is_near(str_z(rows[i].host)) != rows[i].is_near)
			fail_msg("'%s'", rows[i].host);
}

static void test_origins(void **st)
{
	static const struct {
		const char *origin, *host;
		bool is_near;
	} rows[] = {
		{ "", "localhost:4000", true }, { "http://localhost:4000", "localhost:4000", true },
		{ "http://localhost:3000", "localhost:4000", true }, { "http://127.0.0.1:8080", "x", true },
		{ "http://[::1]:8080", "x", true }, { "https://llmgw", "llmgw", true },
		{ "http://LLMGW:4000", "llmgw:4000", true }, { "http://10.0.0.7:4000", "10.0.0.7:4000", true },
		{ "null", "localhost", false }, { "http://evil.example", "localhost:4000", false },
		{ "http://localhost.evil.example", "localhost", false }, { "http://", "", false },
		{ "http://10.0.0.8:4000", "10.0.0.7:4000", false }, { "http://llmgw:3000", "llmgw:4000", false },
		{ "evil", "localhost", false }, { "http://localhost@evil.example", "localhost", false },
		{ "file://", "localhost", false }, { "http://127.0.0.1.evil.example", "127.0.0.1", false },
	};
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (browser_origin_is_near(str_z(rows[i].origin), str_z(rows[i].host)) != rows[i].is_near)
			fail_msg("'%s' at '%s'", rows[i].origin, rows[i].host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_origins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
