/* SPDX-License-Identifier: MIT
 * test_discovery.c - where an issuer's keys are, and what is taken for its word. */
#include "master/discovery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena *mem;

#define ISSUER "https://idp.example/realms/x"
#define AT ISSUER "/.well-known/openid-configuration"

static void test_addresses(void **state)
{
	(void)state;
	assert_true(str_eq_z(discovery_url(mem, STR(ISSUER)), AT));
	assert_true(str_eq_z(discovery_url(mem, STR(ISSUER "/")), AT));
	assert_true(discovery_is_url(STR(AT)));
	assert_true(discovery_is_url(STR(AT "?appid=7")));
	assert_false(discovery_is_url(STR(ISSUER "/jwks")));
	assert_false(discovery_is_url(STR(ISSUER "?x=/.well-known/openid-configuration")));
	assert_false(discovery_is_url(STR("")));
}

static void test_hosts(void **state)
{
	static const struct {
		const char *url, *host;
		bool is_plain, is_local;
	} rows[] = {
		{ "https://idp.example/x", "idp.example", false, false },
		{ "https://idp.example:8443", "idp.example", false, false },
		{ "http://localhost:1/", "localhost", true, true },
		{ "http://127.0.0.9/", "127.0.0.9", true, true },
		{ "http://[::1]:8/x", "[::1", true, true },
		{ "http://idp.example", "idp.example", true, false },
		{ "https://me:pw@idp.example/", "", false, false },
		{ "https://", "", false, false },
		{ "ftp://idp.example", "", false, false },
		{ "idp.example", "", false, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool is_plain = !rows[i].is_plain;
		struct str host = discovery_host(str_z(rows[i].url), &is_plain);
		assert_true(str_eq_z(host, rows[i].host));
		assert_true(!host.n || is_plain == rows[i].is_plain);
		assert_true(discovery_host_is_local(host) == rows[i].is_local);
	}
}

static void test_documents(void **state)
{
	static const struct {
		const char *text, *url, *issuer, *says;	/* NULL: good */
	} rows[] = {
		{ "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://k.example/\"}", AT, ISSUER, NULL },
		{ "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://k.example/\"}", AT, "", NULL },
		{ "{\"issuer\":\"" ISSUER "/\",\"jwks_uri\":\"https://k.example/\"}", AT, "", NULL },
		{ "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://k.example/\"}", AT "?a=1", "", NULL },
		{ "{\"issuer\":\"" ISSUER "/\",\"jwks_uri\":\"https://k.example/\"}", AT, ISSUER,
		  "another issuer" },
		{ "{\"issuer\":\"https://evil.example\",\"jwks_uri\":\"https://k.example/\"}", AT, ISSUER,
		  "another issuer" },
		{ "{\"issuer\":\"https://evil.example\",\"jwks_uri\":\"https://k.example/\"}", AT, "",
		  "another issuer" },
		{ "{\"jwks_uri\":\"https://k.example/\"}", AT, ISSUER, "another issuer" },
		{ "{\"issuer\":7,\"jwks_uri\":\"https://k.example/\"}", AT, ISSUER, "another issuer" },
		{ "{\"issuer\":\"" ISSUER "\"}", AT, ISSUER, "no address" },
		{ "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":[]}", AT, ISSUER, "no address" },
		{ "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"file:///etc/passwd\"}", AT, ISSUER, "no address" },
		{ "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://k.example/\\n\"}", AT, ISSUER,
		  "no address" },
		{ "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"http://k.example/\"}", AT, ISSUER, "not https" },
		{ "{\"issuer\":\"" ISSUER "\",\"issuer\":\"" ISSUER "\"}", AT, ISSUER, "each name once" },
		{ "<html>", AT, ISSUER, "each name once" },
		{ "", AT, ISSUER, "each name once" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str issuer = STR("-"), keys = STR("-");
		const char *why = discovery_read(mem, str_z(rows[i].text), str_z(rows[i].url),
						 str_z(rows[i].issuer), &issuer, &keys);
		if (!rows[i].says != !why || (why && !strstr(why, rows[i].says)))
			fail_msg("row %zu: %s", i, why ? why : "good");
		assert_true(str_eq_z(keys, why ? "-" : "https://k.example/"));
		assert_true(why ? str_eq_z(issuer, "-") : str_starts(issuer, STR(ISSUER)));
	}
}

/* What is plain may say that its keys are by a plain way, too: on one machine. */
static void test_where_users_are(void **state)
{
	struct str at = STR_NONE;
	(void)state;
	assert_null(discovery_read_users(mem, STR("{\"issuer\":\"" ISSUER "\",\"userinfo_endpoint\":"
						  "\"https://u.example/me\"}"), STR(AT), &at));
	assert_true(str_eq(at, STR("https://u.example/me")));
	assert_non_null(discovery_read_users(mem, STR("{\"issuer\":\"" ISSUER "\",\"userinfo_endpoint\":"
						      "\"http://u.example/me\"}"), STR(AT), &at));
	assert_non_null(discovery_read_users(mem, STR("{\"issuer\":\"" ISSUER "\"}"), STR(AT), &at));
	assert_non_null(discovery_read_users(mem, STR("{\"issuer\":\"https://other\",\"userinfo_endpoint\":"
						      "\"https://u.example/me\"}"), STR(AT), &at));
}

static void test_plain(void **state)
{
	struct str issuer, keys;
	(void)state;
	assert_null(discovery_read(mem, STR("{\"issuer\":\"http://127.0.0.1:1\",\"jwks_uri\":\"http://127.0.0.1:1/k\"}"),
				   STR("http://127.0.0.1:1/.well-known/openid-configuration"), STR(""),
				   &issuer, &keys));
	assert_true(str_eq_z(keys, "http://127.0.0.1:1/k"));
}

static void test_key_lists(void **state)
{
	(void)state;
	assert_true(discovery_is_key_list(mem, STR("{\"keys\":[]}")));
	assert_true(discovery_is_key_list(mem, STR("{\"keys\":[{\"kty\":\"RSA\"}],\"x\":1}")));
	static const char *const bad[] = { "", "{}", "[]", "{\"keys\":{}}", "<html>", "{\"keys\":[",
					   "{\"keys\":[],\"keys\":[]}" };
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(discovery_is_key_list(mem, str_z(bad[i])));
}

static int set_up(void **state)
{
	(void)state;
	mem = arena_new(1 << 20);
	return mem ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(mem);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_documents), cmocka_unit_test(test_where_users_are), cmocka_unit_test(test_plain),
		cmocka_unit_test(test_key_lists),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
