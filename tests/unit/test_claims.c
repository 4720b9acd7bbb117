/* SPDX-License-Identifier: MIT
 * test_claims.c - what claims say, by the configuration's rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "worker/decide/claims.h"

enum { NOW = 1900000000 };

static struct arena *mem;
static struct claims_rules rules;
static struct who who;

static enum token_fault read_text(const char *claims)
{
	who = (struct who){ 0 };
	return claims_read(mem, str_z(claims), &rules, NOW, &who);
}

/* With an exp that is good. */
static enum token_fault read_more(const char *more)
{
	struct str s = arena_printf(mem, "{\"exp\":%d%s%s}", NOW + 60, more[0] ? "," : "", more);
	return read_text(arena_dup_z(mem, s));
}

static void assert_str(struct str s, const char *want, size_t n)
{
	assert_int_equal(s.n, n);
	assert_memory_equal(s.p, want, n);
}

#define ASSERT_STR(s, want) assert_str(s, want, sizeof(want) - 1)

static void test_times(void **state)
{
	static const struct {
		const char *claims;
		enum token_fault fault;
	} rows[] = {
		{ "{\"exp\":1900000001}", TOKEN_GOOD },
		{ "{\"exp\":1899999995}", TOKEN_GOOD },	/* within the leeway */
		{ "{\"exp\":1899999990}", TOKEN_BAD_EXPIRED },
		{ "{\"exp\":0}", TOKEN_BAD_EXPIRED },
		{ "{\"exp\":1900000001.5}", TOKEN_GOOD },
		{ "{\"exp\":-1}", TOKEN_BAD_NO_EXPIRY },
		{ "{\"exp\":1e300}", TOKEN_BAD_NO_EXPIRY },
		{ "{\"exp\":\"1900000001\"}", TOKEN_BAD_NO_EXPIRY },
		{ "{\"exp\":null}", TOKEN_BAD_NO_EXPIRY },
		{ "{}", TOKEN_BAD_NO_EXPIRY },
		{ "{\"exp\":1900000060,\"nbf\":1900000010}", TOKEN_GOOD },
		{ "{\"exp\":1900000060,\"nbf\":1900000011}", TOKEN_BAD_EARLY },
		{ "{\"exp\":1900000060,\"nbf\":\"then\"}", TOKEN_BAD_EARLY },
		{ "{\"exp\":1900000060,\"exp\":1900000061}", TOKEN_BAD_CLAIMS },
		{ "[1]", TOKEN_BAD_CLAIMS },
		{ "", TOKEN_BAD_CLAIMS },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(read_text(rows[i].claims), rows[i].fault);
	assert_int_equal(read_text("{\"exp\":1900000001.5}"), TOKEN_GOOD);
	assert_int_equal(who.expires_s, 1900000011);
}

static void test_parties(void **state)
{
	(void)state;
	rules.text[JWT_AUDIENCES] = STR("gateway\0other\0");
	rules.text[JWT_ISSUERS] = STR("https://idp.example\0");
	const char *iss = "\"iss\":\"https://idp.example\"";
	char more[256];
	static const struct {
		const char *aud;
		enum token_fault fault;
	} rows[] = {
		{ "\"gateway\"", TOKEN_GOOD },
		{ "[\"x\",\"other\"]", TOKEN_GOOD },
		{ "\"gatewa\"", TOKEN_BAD_AUDIENCE },
		{ "\"gateway\\u0000\"", TOKEN_BAD_AUDIENCE },
		{ "[]", TOKEN_BAD_AUDIENCE },
		{ "{\"gateway\":1}", TOKEN_BAD_AUDIENCE },
		{ "[[\"gateway\"]]", TOKEN_BAD_AUDIENCE },
		{ "null", TOKEN_BAD_AUDIENCE },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(more, sizeof more, "%s,\"aud\":%s", iss, rows[i].aud);
		assert_int_equal(read_more(more), rows[i].fault);
	}
	assert_int_equal(read_more(iss), TOKEN_BAD_AUDIENCE);
	assert_int_equal(read_more("\"aud\":\"gateway\""), TOKEN_BAD_ISSUER);
	assert_int_equal(read_more("\"aud\":\"gateway\",\"iss\":\"https://idp.example/\""),
			 TOKEN_BAD_ISSUER);
}

/* Each provider has its own audience, and signs its own tokens with its own keys alone. */
static void test_providers(void **state)
{
	static const struct {
		const char *signer, *claims;
		enum token_fault fault;
	} rows[] = {
		{ "i", "\"iss\":\"i\",\"aud\":\"a\"", TOKEN_GOOD },
		{ "i", "\"iss\":\"i\",\"aud\":\"all\"", TOKEN_BAD_AUDIENCE },
		{ "i", "\"iss\":\"i\",\"aud\":\"c\"", TOKEN_BAD_AUDIENCE },
		{ "i", "\"iss\":\"i\"", TOKEN_BAD_AUDIENCE },
		{ "i", "\"iss\":\"j\",\"aud\":\"c\"", TOKEN_BAD_ISSUER },
		{ "i", "\"iss\":\"old\",\"aud\":\"all\"", TOKEN_BAD_ISSUER },
		{ "i", "\"aud\":\"a\"", TOKEN_BAD_ISSUER },
		{ "j", "\"iss\":\"j\",\"aud\":[\"x\",\"c\"]", TOKEN_GOOD },
		{ "k", "\"iss\":\"k\",\"aud\":\"all\"", TOKEN_GOOD },
		{ "k", "\"iss\":\"k\",\"aud\":\"a\"", TOKEN_BAD_AUDIENCE },
		{ "", "\"iss\":\"old\",\"aud\":\"all\"", TOKEN_GOOD },
		{ "", "\"iss\":\"new\",\"aud\":\"all\"", TOKEN_BAD_ISSUER },
		{ "", "\"iss\":\"i\",\"aud\":\"a\"", TOKEN_BAD_ISSUER },
		{ "empty", "\"iss\":\"empty\",\"aud\":\"all\"", TOKEN_BAD_AUDIENCE },
	};
	(void)state;
	rules.text[JWT_AUDIENCES] = STR("all\0");
	rules.text[JWT_ISSUERS] = STR("old\0");
	rules.text[JWT_PROVIDERS] =
		STR("[{\"issuer\":\"i\",\"audience\":\"a\"},{\"issuer\":\"j\",\"audience\":[\"b\",\"c\"]},"
		    "{\"issuer\":\"k\"},{\"issuer\":\"empty\",\"audience\":[]}]");
	for (size_t i = 0; i < COUNT(rows); i++) {
		rules.signer = str_z(rows[i].signer);
		if (read_more(rows[i].claims) != rows[i].fault)
			fail_msg("row %zu", i);
	}
	rules.signer = STR_NONE;
}

static void test_names(void **state)
{
	(void)state;
	rules.text[JWT_USER_CLAIM] = STR("sub");
	rules.text[JWT_EMAIL_CLAIM] = STR("profile.email");
	rules.text[JWT_TEAM_CLAIM] = STR("https://example.org/team");
	rules.text[JWT_TEAMS_CLAIM] = STR("groups");
	rules.text[JWT_ORG_CLAIM] = STR("a.b.c");
	rules.text[JWT_END_USER_CLAIM] = STR("customer");
	assert_int_equal(read_more("\"iss\":\"i\",\"sub\":\"ann\",\"profile\":{\"email\":\"a@b.c\"},"
				   "\"https://example.org/team\":7,\"groups\":[\"x\"],"
				   "\"a\":{\"b\":{\"c\":\"org\"}},\"customer\":\"cu\""),
			 TOKEN_GOOD);
	ASSERT_STR(who.subject, "i ann");
	ASSERT_STR(who.user, "ann");
	ASSERT_STR(who.email, "a@b.c");
	ASSERT_STR(who.teams, "7\0");
	ASSERT_STR(who.organization, "org");
	ASSERT_STR(who.end_user, "cu");
	assert_false(who.is_admin);
	assert_int_equal(read_more("\"sub\":\"a\\nb\",\"groups\":[\"x\",3,{},\"y\"],\"a\":{\"b\":\"c\"}"),
			 TOKEN_GOOD);
	assert_int_equal(who.user.n, 0);
	assert_int_equal(who.organization.n, 0);
	ASSERT_STR(who.teams, "x\0" "3\0" "y\0");
}

static void test_default_team(void **state)
{
	(void)state;
	rules.text[JWT_TEAM_CLAIM] = STR("team");
	rules.text[JWT_TEAM_DEFAULT] = STR("all");
	assert_int_equal(read_more("\"team\":\"red\""), TOKEN_GOOD);
	ASSERT_STR(who.teams, "red\0");
	assert_int_equal(read_more(""), TOKEN_GOOD);
	ASSERT_STR(who.teams, "all\0");
}

static void test_admin(void **state)
{
	(void)state;
	rules.text[JWT_ADMIN_SCOPE] = STR("litellm_proxy_admin");
	rules.text[JWT_USER_ROLES] = STR("basic\0");
	rules.text[JWT_USER_ROLES_CLAIM] = STR("roles");
	assert_int_equal(read_more("\"scope\":\"openid litellm_proxy_admin\""), TOKEN_GOOD);
	assert_true(who.is_admin);
	assert_int_equal(read_more("\"scope\":[\"x\",\"litellm_proxy_admin\"]"), TOKEN_GOOD);
	assert_true(who.is_admin);
	assert_int_equal(read_more("\"scope\":\"litellm_proxy_admin2\",\"roles\":[\"basic\"]"),
			 TOKEN_GOOD);
	assert_false(who.is_admin);
	assert_int_equal(read_more("\"scope\":\"x\",\"roles\":[\"other\"]"), TOKEN_BAD_ROLE);
	/* No scope is named: nobody is. */
	rules.text[JWT_ADMIN_SCOPE] = STR_NONE;
	assert_int_equal(read_more("\"scope\":\"\",\"roles\":\"basic\""), TOKEN_GOOD);
	assert_false(who.is_admin);
}

static void test_roles(void **state)
{
	(void)state;
	rules.text[JWT_ROLES_CLAIM] = STR("realm.roles");
	rules.text[JWT_ROLE_MAPPINGS] = STR("[{\"role\":\"boss\",\"internal_role\":\"proxy_admin\"},"
					    "{\"role\":\"svc\",\"internal_role\":\"team\"},"
					    "{\"role\":\"dev\",\"internal_role\":\"internal_user\"}]");
	rules.text[JWT_OBJECT_CLAIM] = STR("oid");
	rules.text[JWT_TEAM_DEFAULT] = STR("all");
	rules.flags = JWT_ENFORCE_ROLES;
	assert_int_equal(read_more("\"realm\":{\"roles\":[\"svc\"]},\"oid\":\"t1\""), TOKEN_GOOD);
	ASSERT_STR(who.teams, "t1\0");
	assert_int_equal(who.user.n, 0);
	assert_int_equal(read_more("\"realm\":{\"roles\":[\"x\",\"dev\"]},\"oid\":\"u1\""), TOKEN_GOOD);
	ASSERT_STR(who.user, "u1");
	assert_int_equal(who.teams.n, 0);
	assert_int_equal(read_more("\"realm\":{\"roles\":[\"boss\"]}"), TOKEN_GOOD);
	assert_true(who.is_admin);
	assert_int_equal(read_more("\"realm\":{\"roles\":[\"x\"]},\"oid\":\"u1\""), TOKEN_BAD_ROLE);
	assert_int_equal(read_more("\"oid\":\"u1\""), TOKEN_BAD_ROLE);
	rules.flags = 0;
	assert_int_equal(read_more("\"oid\":\"u1\""), TOKEN_GOOD);
	ASSERT_STR(who.teams, "all\0");
}

static void test_scopes(void **state)
{
	(void)state;
	rules.flags = JWT_ENFORCE_SCOPES;
	rules.text[JWT_SCOPE_MAPPINGS] =
		STR("[{\"scope\":\"chat\",\"models\":[\"gpt\",\"o\"],\"routes\":[\"/v1/chat\"]},"
		    "{\"scope\":\"embed\",\"models\":[\"vec\"]}]");
	assert_int_equal(read_more("\"scope\":\"embed chat\""), TOKEN_GOOD);
	assert_true(who.has_scopes);
	ASSERT_STR(who.models, "gpt\0o\0vec\0");
	ASSERT_STR(who.routes, "/v1/chat\0");
	assert_int_equal(read_more("\"scope\":\"embed\""), TOKEN_GOOD);
	assert_int_equal(who.routes.n, 0);
	assert_int_equal(read_more("\"scope\":\"openid\""), TOKEN_BAD_ROLE);
	assert_int_equal(read_more(""), TOKEN_BAD_ROLE);
}

static void test_role_permissions(void **state)
{
	(void)state;
	rules.text[JWT_ROLES_CLAIM] = STR("roles");
	rules.text[JWT_ROLE_MAPPINGS] = STR("[{\"role\":\"svc\",\"internal_role\":\"team\"},"
					    "{\"role\":\"dev\",\"internal_role\":\"internal_user\"},"
					    "{\"role\":\"all\",\"internal_role\":\"proxy_admin\"}]");
	rules.text[JWT_ROLE_PERMISSIONS] =
		STR("[{\"role\":\"team\",\"models\":[\"m\",\"n\"],\"routes\":[\"/v1/chat\"]},"
		    "{\"role\":\"proxy_admin\",\"models\":[\"*\"]}]");
	rules.flags = JWT_ENFORCE_ROLES;
	assert_int_equal(read_more("\"roles\":\"svc\""), TOKEN_GOOD);
	assert_true(who.has_role_models && !who.has_scopes);
	ASSERT_STR(who.models, "m\0n\0");
	ASSERT_STR(who.role_routes, "/v1/chat\0");
	assert_int_equal(read_more("\"roles\":\"dev\""), TOKEN_GOOD);
	assert_false(who.has_role_models);
	assert_int_equal(who.role_routes.n, 0);
	/* Role and scopes bound it together. */
	rules.flags |= JWT_ENFORCE_SCOPES;
	rules.text[JWT_SCOPE_MAPPINGS] = STR("[{\"scope\":\"s\",\"models\":[\"n\",\"o\"]}]");
	assert_int_equal(read_more("\"roles\":\"svc\",\"scope\":\"s\""), TOKEN_GOOD);
	ASSERT_STR(who.models, "n\0");
	assert_int_equal(read_more("\"roles\":\"dev\",\"scope\":\"s\""), TOKEN_GOOD);
	ASSERT_STR(who.models, "n\0o\0");
	rules.flags = 0;
	assert_int_equal(read_more("\"roles\":\"svc\""), TOKEN_GOOD);
	assert_false(who.has_role_models);
}

static void test_aliases(void **state)
{
	(void)state;
	rules.text[JWT_TEAM_CLAIM] = STR("team");
	rules.text[JWT_TEAM_ALIAS_CLAIM] = STR("t.name");
	rules.text[JWT_TEAM_DEFAULT] = STR("all");
	rules.text[JWT_ORG_CLAIM] = STR("org");
	rules.text[JWT_ORG_ALIAS_CLAIM] = STR("o");
	assert_int_equal(read_more("\"t\":{\"name\":\"Red team\"},\"o\":\"Acme\""), TOKEN_GOOD);
	ASSERT_STR(who.team_alias, "Red team");
	ASSERT_STR(who.org_alias, "Acme");
	assert_int_equal(who.teams.n, 0);	/* nor is it the default one */
	assert_int_equal(read_more("\"team\":\"red\",\"t\":{\"name\":\"x\"},\"org\":\"a\",\"o\":\"b\""),
			 TOKEN_GOOD);
	assert_int_equal(who.team_alias.n + who.org_alias.n, 0);
	ASSERT_STR(who.teams, "red\0");
	assert_int_equal(read_more(""), TOKEN_GOOD);
	ASSERT_STR(who.teams, "all\0");
}

static void test_what_the_master_is_told(void **state)
{
	(void)state;
	rules.text[JWT_ROLES_CLAIM] = STR("roles");
	rules.text[JWT_TEAMS_CLAIM] = STR("groups");
	rules.text[JWT_ROLE_MAP] = STR("[{\"jwt_role\":\"adm*\",\"litellm_role\":\"proxy_admin\"},"
				       "{\"jwt_role\":\"u?er\",\"litellm_role\":\"internal_user\"}]");
	rules.flags = JWT_SYNC;
	assert_int_equal(read_more("\"roles\":[\"x\",\"user\",\"admins\"],\"groups\":[\"a\",\"b\"]"), TOKEN_GOOD);
	ASSERT_STR(who.role, "internal_user");
	ASSERT_STR(who.groups, "a\0b\0");
	assert_true(who.has_groups);
	assert_int_equal(read_more("\"roles\":\"admins\",\"groups\":[]"), TOKEN_GOOD);
	ASSERT_STR(who.role, "proxy_admin");
	assert_true(who.has_groups && !who.groups.n);
	assert_int_equal(read_more("\"roles\":\"admi\\u0000n\""), TOKEN_GOOD);
	assert_false(who.has_groups || who.role.n);
	rules.flags = JWT_JOIN;			/* of roles nothing is told then */
	assert_int_equal(read_more("\"roles\":\"admins\",\"groups\":[\"a\"]"), TOKEN_GOOD);
	assert_false(who.role.n);
	ASSERT_STR(who.groups, "a\0");
	rules.flags = 0;
	assert_int_equal(read_more("\"roles\":\"admins\",\"groups\":[\"a\"]"), TOKEN_GOOD);
	assert_false(who.has_groups || who.role.n);
}

/* Nested as deep as the reader allows, and deeper; more names than a list has. */
static void test_bounds(void **state)
{
	char text[4096];
	size_t n = 0;
	(void)state;
	for (size_t depth = 60; depth < 1000; depth += 900) {
		n = 0;
		text[n++] = '"', text[n++] = 'x', text[n++] = '"', text[n++] = ':';
		memset(text + n, '[', depth);
		memset(text + n + depth, ']', depth);
		text[n + 2 * depth] = '\0';
		assert_int_equal(read_more(text), depth < 64 ? TOKEN_GOOD : TOKEN_BAD_CLAIMS);
	}
	rules.text[JWT_TEAMS_CLAIM] = STR("g");
	n = (size_t)snprintf(text, sizeof text, "\"g\":[");
	for (unsigned i = 0; i < 600; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%u", i ? "," : "", i);
	snprintf(text + n, sizeof text - n, "]");
	assert_int_equal(read_more(text), TOKEN_GOOD);
	unsigned items = 0;
	for (struct str rest = who.teams; rest.n; items++)
		str_cut(&rest, '\0');
	assert_int_equal(items, 256);
}

static int set_up(void **state)
{
	(void)state;
	mem = arena_new(1 << 20);
	rules = (struct claims_rules){ .leeway_s = 10 };
	return mem ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	mem = arena_free(mem);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* Which lets in whoever its roles bar, where somebody has given it a key: the caller looks. */
static void test_a_claim_that_may_name_a_key(void **state)
{
	(void)state;
	rules = (struct claims_rules){ .leeway_s = 10, .flags = JWT_ENFORCE_ROLES };
	rules.text[JWT_KEY_CLAIM] = STR("who.mail");
	rules.text[JWT_ROLES_CLAIM] = STR("roles");
	assert_int_equal(read_more("\"who\":{\"mail\":\"a@x\"}"), TOKEN_GOOD);
	ASSERT_STR(who.key_value, "a@x");
	assert_true(who.is_barred && !who.is_admin);
	assert_int_equal(read_more("\"who\":{\"mail\":17}"), TOKEN_GOOD);
	ASSERT_STR(who.key_value, "17");
	assert_int_equal(read_more("\"who\":{\"mail\":\"\"}"), TOKEN_BAD_ROLE);
	assert_int_equal(read_more("\"who\":{\"mail\":\"a\\nb\"}"), TOKEN_BAD_ROLE);
	assert_int_equal(read_more("\"who\":{\"mail\":[\"a\"]}"), TOKEN_BAD_ROLE);
	assert_int_equal(read_more(""), TOKEN_BAD_ROLE);
	rules.flags = 0;
	assert_int_equal(read_more("\"who\":{\"mail\":\"a@x\"}"), TOKEN_GOOD);
	assert_true(!who.is_barred && who.key_value.n == 3);
	rules.text[JWT_KEY_CLAIM] = STR_NONE;
	assert_int_equal(read_more("\"who\":{\"mail\":\"a@x\"}"), TOKEN_GOOD);
	assert_int_equal(who.key_value.n, 0);
}

/* Whose it is the provider itself has said: times and parties are not asked for. */
static void test_what_a_provider_says_itself(void **state)
{
	(void)state;
	rules = (struct claims_rules){ .leeway_s = 10, .expires_s = NOW + 7 };
	rules.text[JWT_USER_CLAIM] = STR("sub");
	rules.text[JWT_AUDIENCES] = STR("llmgw\0");
	rules.text[JWT_ISSUERS] = STR("https://i\0");
	assert_int_equal(read_text("{\"sub\":\"ann\",\"exp\":1}"), TOKEN_GOOD);
	ASSERT_STR(who.user, "ann");
	assert_int_equal(who.expires_s, NOW + 7);
	assert_int_equal(read_text("[1]"), TOKEN_BAD_CLAIMS);
	assert_int_equal(read_text("{\"sub\":\"a\",\"sub\":\"b\"}"), TOKEN_BAD_CLAIMS);
	rules.expires_s = 0;
	assert_int_equal(read_text("{\"sub\":\"ann\"}"), TOKEN_BAD_NO_EXPIRY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_times), TEST(test_parties), TEST(test_providers), TEST(test_names), TEST(test_default_team),
		TEST(test_a_claim_that_may_name_a_key), TEST(test_what_a_provider_says_itself),
		TEST(test_admin), TEST(test_roles), TEST(test_scopes), TEST(test_bounds),
		TEST(test_role_permissions), TEST(test_aliases), TEST(test_what_the_master_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
