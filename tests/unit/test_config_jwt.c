/* SPDX-License-Identifier: MIT
 * test_config_jwt.c - rules for tokens: what is refused, what the environment adds, and what workers
 * find of it in their snapshot. */
#include "master/config_jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "general_settings:\n  master_key: sk-test\n  enable_jwt_auth: true\n"
#define URL "server: {jwt: {keys-url: 'https://idp.example/jwks', audience: a}}\n"

static struct config *read_text(const char *text)
{
	char path[] = "/tmp/llmgw-jwt-XXXXXX";
	struct config *c = NULL;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(config_read(path, NULL, &c), 0);
	unlink(path);
	return c;
}

static const struct {
	const char *text;
	unsigned errors;
	const char *says;		/* NULL: nothing about tokens */
} rows[] = {
	{ KEY URL, 0, NULL },
	{ KEY, 1, "tokens need public keys" },
	{ KEY "server: {jwt: {keys-url: 'ftp://idp.example/x', audience: a}}\n", 1, "no address of http" },
	{ KEY "server: {jwt: {keys-url: 'https://', audience: a}}\n", 1, "no address of http" },
	{ KEY "server: {jwt: {keys-url: 'https://me:pw@idp.example/', audience: a}}\n", 1,
	  "no address of http" },
	{ KEY "server: {jwt: {keys-url: [https://a, https://b, https://c, https://d, https://e,"
	  " https://f, https://g, https://h, https://i], audience: a}}\n", 1, "more than 8 addresses" },
	{ KEY "server: {jwt: {keys-url: 'http://idp.example/jwks', audience: a}}\n", 0,
	  "whoever is in between can sign" },
	{ KEY "server: {jwt: {keys-url: 'http://127.0.0.1:1/jwks', audience: a}}\n", 0, NULL },
	{ KEY "server: {jwt: {keys-url: 'http://[::1]:1/jwks', audience: a}}\n", 0, NULL },
	{ KEY "server: {jwt: {keys-url: 'https://idp.example/jwks'}}\n", 0, "no audience is asked for" },
	{ KEY "server: {jwt: {issuer: 'https://idp.example/x', audience: a}}\n", 0, NULL },
	{ KEY "server: {jwt: {issuer: 'idp', audience: a}}\n", 1, "no address of http" },
	{ KEY "server: {jwt: {providers: [{issuer: 'https://i', audience: a}, {issuer: 'https://j',"
	  " audience: [b, c], keys-url: 'https://k/jwks'}]}}\n", 0, NULL },
	{ KEY "server: {jwt: {providers: [{issuer: 'https://i', audience: a}, {issuer: 'https://j'}]}}\n",
	  0, "no audience is asked for" },
	{ KEY "server: {jwt: {providers: [{issuer: 'https://i'}], audience: a}}\n", 0, NULL },
	{ KEY "server: {jwt: {providers: [{audience: a, keys-url: 'https://k/jwks'}]}}\n", 1,
	  "wants an issuer" },
	{ KEY "server: {jwt: {providers: [{issuer: 'https://i', audience: 7}]}}\n", 1,
	  "an audience is a name" },
	{ KEY "server: {jwt: {providers: [{issuer: 'https://i', audience: a}, {issuer: 'https://i',"
	  " audience: b}]}}\n", 1, "one issuer" },
	{ KEY "server: {jwt: {providers: [{issuer: 'http://idp.example', audience: a}]}}\n", 0,
	  "whoever is in between can sign" },
	{ KEY "  litellm_jwtauth: {custom_validate: a.b}\n" URL, 1, "is Python and not run" },
	{ KEY "  litellm_jwtauth: {user_allowed_roles: [x]}\n" URL, 1, "wants user_roles_jwt_field" },
	{ KEY "  litellm_jwtauth: {role_mappings: [{role: x, internal_role: king}]}\n" URL, 1,
	  "internal_role is" },
	{ KEY "  litellm_jwtauth: {role_mappings: [{internal_role: team}]}\n" URL, 1, "wants a role" },
	{ KEY "  litellm_jwtauth: {role_mappings: [x]}\n" URL, 1, "wants a role" },
	{ KEY "  litellm_jwtauth: {role_mappings: {role: x}}\n" URL, 1, "wants a list, not a map" },
	{ KEY "  litellm_jwtauth: {scope_mappings: [{models: [m]}]}\n" URL, 1, "wants a scope" },
	{ KEY "  litellm_jwtauth: {scope_mappings: [{scope: s, models: m}]}\n" URL, 1,
	  "are lists of names" },
	{ KEY "  litellm_jwtauth: {oidc_userinfo_enabled: true}\n" URL, 1,
	  "wants oidc_userinfo_endpoint" },
	{ KEY "  litellm_jwtauth: {oidc_userinfo_enabled: true, oidc_userinfo_endpoint: 'ftp://x'}\n",
	  1, "is no address of http" },
	{ KEY "  litellm_jwtauth: {oidc_userinfo_enabled: true, oidc_userinfo_endpoint: "
	  "'http://idp.example/u'}\n", 0, "users from idp.example come over plain" },
	{ KEY "  litellm_jwtauth: {oidc_userinfo_enabled: true, oidc_userinfo_endpoint: "
	  "'https://idp.example/u'}\n", 0, NULL },
	{ KEY "  litellm_jwtauth: {sync_user_role_and_teams: true, jwt_litellm_role_map: "
	  "[{jwt_role: 'adm*', litellm_role: proxy_admin}]}\n" URL, 0, NULL },
	{ KEY "  litellm_jwtauth: {sync_user_role_and_teams: true, jwt_litellm_role_map: "
	  "[{jwt_role: x, litellm_role: king}]}\n" URL, 1, "a user may have" },
	{ KEY "  litellm_jwtauth: {sync_user_role_and_teams: true, jwt_litellm_role_map: "
	  "[{litellm_role: internal_user}]}\n" URL, 1, "wants a jwt_role" },
	{ KEY "  litellm_jwtauth: {jwt_litellm_role_map: [{jwt_role: x, litellm_role: internal_user}]}\n"
	  URL, 1, "wants sync_user_role_and_teams" },
	{ KEY "  role_permissions: [{role: king}]\n" URL, 1, "wants a role" },
	{ KEY "  role_permissions: [{role: team, models: m}]\n" URL, 1, "lists of models" },
	{ KEY "  role_permissions: [{role: team, models: [m], routes: [/v1/models]}]\n" URL, 0, NULL },
};

static void test_what_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config *c = read_text(rows[i].text);
		const char *said = c->complaints.n ? buf_z(&c->complaints) : "";
		if (c->n_errors != rows[i].errors)
			fail_msg("row %zu: %u errors\n%s", i, c->n_errors, said);
		if (rows[i].says && !strstr(said, rows[i].says))
			fail_msg("row %zu does not say '%s' but\n%s", i, rows[i].says, said);
		if (!rows[i].says && strstr(said, "W013"))
			fail_msg("row %zu: %s", i, said);
		config_free(c);
	}
}

/* Nothing of it counts while tokens are not taken. */
static void test_off(void **state)
{
	struct config *c = read_text("general_settings: {master_key: sk-test, litellm_jwtauth: "
				     "{custom_validate: x, role_mappings: [1]}}\n");
	struct snap_settings s = { 0 };
	(void)state;
	assert_int_equal(c->n_errors, 0);
	jwt_build(&c->jwt, NULL, &s);
	assert_int_equal(s.flags, 0);
	config_free(c);
}

static void test_environment(void **state)
{
	(void)state;
	setenv("JWT_PUBLIC_KEY_URL", "https://a/x, https://b/y,", 1);
	setenv("JWT_AUDIENCE", "one", 1);
	setenv("JWT_ISSUER", "https://i", 1);
	struct config *c = read_text(KEY);
	assert_int_equal(c->n_errors, 0);
	assert_int_equal(c->jwt.urls.n, 2);
	assert_true(str_eq(c->jwt.urls.v[1], STR("https://b/y")));
	assert_true(str_eq(c->jwt.audiences.v[0], STR("one")));
	assert_true(str_eq(c->jwt.issuers.v[0], STR("https://i")));
	config_free(c);
	c = read_text(KEY URL);		/* the file goes before it */
	assert_int_equal(c->jwt.urls.n, 1);
	assert_true(str_eq(c->jwt.audiences.v[0], STR("a")));
	assert_true(str_eq(c->jwt.issuers.v[0], STR("https://i")));
	config_free(c);
	unsetenv("JWT_PUBLIC_KEY_URL");
	unsetenv("JWT_AUDIENCE");
	unsetenv("JWT_ISSUER");
}

static void assert_source(const struct config *c, size_t i, const char *url, bool is_discovery,
			  const char *issuer)
{
	const struct config_jwt_source *s = &c->jwt.sources[i];
	assert_true(i < c->jwt.n_sources && str_eq_z(s->url, url));
	assert_true(s->is_discovery == is_discovery && str_eq_z(s->issuer, issuer));
}

/* An issuer says where its keys are, unless addresses are given; a provider, unless its own is. */
static void test_sources(void **state)
{
	(void)state;
	struct config *c = read_text(KEY "server: {jwt: {issuer: ['https://i/', 'https://j'], audience: a}}\n");
	assert_int_equal(c->jwt.n_sources, 2);
	assert_source(c, 0, "https://i/.well-known/openid-configuration", true, "https://i/");
	assert_source(c, 1, "https://j/.well-known/openid-configuration", true, "https://j");
	config_free(c);
	c = read_text(KEY "server: {jwt: {issuer: 'https://i', audience: a, keys-url: ['https://k/jwks', "
			  "'https://l/.well-known/openid-configuration'], providers: [{issuer: 'https://m'}, "
			  "{issuer: 'https://n', keys-url: 'https://n/keys'}]}}\n");
	assert_int_equal(c->n_errors, 0);
	assert_int_equal(c->jwt.n_sources, 4);
	assert_source(c, 0, "https://k/jwks", false, "");
	assert_source(c, 1, "https://l/.well-known/openid-configuration", true, "");
	assert_source(c, 2, "https://m/.well-known/openid-configuration", true, "https://m");
	assert_source(c, 3, "https://n/keys", false, "https://n");
	config_free(c);
}

static struct snap *snap_of(const struct config *c)
{
	struct snap_build *b = snap_build_new();
	struct snap *s = NULL;
	int fd;
	assert_non_null(b);
	jwt_build(&c->jwt, b, snap_build_settings(b));
	assert_int_equal(snap_build_seal(b, 1, &fd), 0);
	snap_build_free(b);
	assert_int_equal(snap_map(fd, &s), 0);
	return s;
}

static struct str text_of(const struct snap *s, enum snap_jwt which)
{
	return snap_name(s, snap_settings(s)->jwt, which);
}

static void test_workers_have_it(void **state)
{
	struct config *c = read_text(KEY
		"  litellm_jwtauth: {team_id_jwt_field: t.id, enforce_rbac: true, admin_allowed_routes: "
		"[a, b], role_mappings: [{role: x, internal_role: team}]}\n"
		"server: {jwt: {keys-url: https://a, audience: [p, q], leeway: 7s}}\n");
	(void)state;
	struct snap *s = snap_of(c);
	const struct snap_settings *set = snap_settings(s);
	assert_true(set->flags & SET_JWT);
	assert_int_equal(set->jwt_leeway_s, 7);
	assert_int_equal(set->jwt_flags, JWT_ENFORCE_ROLES);
	assert_true(str_eq(text_of(s, JWT_AUDIENCES), STR("p\0q\0")));
	assert_int_equal(text_of(s, JWT_ISSUERS).n, 0);
	assert_true(str_eq(text_of(s, JWT_ADMIN_ROUTES), STR("a\0b\0")));
	assert_true(str_eq(text_of(s, JWT_TEAM_ROUTES), STR("openai_routes\0info_routes\0mcp_routes\0")));
	assert_true(str_eq(text_of(s, JWT_ADMIN_SCOPE), STR("litellm_proxy_admin")));
	assert_true(str_eq(text_of(s, JWT_TEAM_CLAIM), STR("t.id")));
	assert_true(str_eq(text_of(s, JWT_ROLE_MAPPINGS),
			   STR("[{\"role\":\"x\",\"internal_role\":\"team\"}]")));
	snap_unref(s);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_told), cmocka_unit_test(test_off),
		cmocka_unit_test(test_environment), cmocka_unit_test(test_sources),
		cmocka_unit_test(test_workers_have_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
