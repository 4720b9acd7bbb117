/* SPDX-License-Identifier: MIT
 * fuzz_jwt.c - whatever is sent as a token, its claims or a list of keys: a signature is good only
 * if we made it, names are plain and short, and lists end where they say. */
#include <stdlib.h>

#include "common/hash.h"
#include "worker/decide/claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { NOW = 1900000000 };

/* The public half of a key whose other half is nowhere any more. */
static const char keys_text[] =
	"{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"84NjK"
	"nftJ0OiRZ73vbDMKebRv9_UQnbDrrp5fXvK4Jk\",\"y\":\"uskb4zwMVxO6yB-lK95QIZ-"
	"JmibPfzb54X6DHUxhOEo\"}]}";
static const char signed_text[] =
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJleHAiOjIwMDAwMDAwMDAsInN1YiI6ImFub"
	"iIsInNjb3BlIjoiY2hhdCIsImdyb3VwcyI6WyJyZWQiXX0.CihCK_Ey2JirmIBRm2QX0WRgK"
	"n0-jaRWQBKfAmVtmkAgVfhYiNBLRd8_jDsVrdZmKn2ew6x8GRBTXL3_aAFVvg";

static void check_list(struct str s)
{
	unsigned items = 0;
	MUST(!s.n || s.p[s.n - 1] == '\0');
	for (; s.n; items++) {
		struct str one = str_cut(&s, '\0');
		MUST(one.n > 0 && one.n <= 256);
		for (size_t i = 0; i < one.n; i++)
			MUST((unsigned char)one.p[i] >= 0x20 && one.p[i] != 0x7f);
	}
	MUST(items <= 256);
}

static void read_claims(struct arena *a, struct str text)
{
	static const struct claims_rules rules = {
		.text = {
			[JWT_ADMIN_SCOPE] = STR("admin"), [JWT_TEAM_CLAIM] = STR("team"),
			[JWT_TEAMS_CLAIM] = STR("groups"), [JWT_USER_CLAIM] = STR("sub"),
			[JWT_ORG_CLAIM] = STR("a.b"), [JWT_ROLES_CLAIM] = STR("roles"),
			[JWT_ROLE_MAPPINGS] =
				STR("[{\"role\":\"x\",\"internal_role\":\"internal_user\"}]"),
			[JWT_SCOPE_MAPPINGS] = STR("[{\"scope\":\"chat\",\"models\":[\"m\"]}]"),
			[JWT_PROVIDERS] = STR("[{\"issuer\":\"i\",\"audience\":\"a\"}]"),
		},
		.flags = JWT_ENFORCE_SCOPES,
	};
	struct who who;
	if (claims_read(a, text, &rules, NOW, &who) != TOKEN_GOOD)
		return;
	MUST(who.expires_s > NOW && (who.is_admin || who.has_scopes));
	MUST(who.user.n <= 256 && who.organization.n <= 256 && who.subject.p);
	check_list(who.teams);
	check_list(who.models);
}

static void verify(const struct keyset *k, struct arena *a, struct str token)
{
	struct str claims, issuer;
	struct str made = str_of(signed_text, sizeof signed_text - 1);
	if (keyset_verify(k, a, token, &claims, &issuer) != TOKEN_GOOD)
		return;
	/* The signature alone may be said in another way; what is signed may not. */
	struct str left = token, right = made;
	for (unsigned i = 0; i < 2; i++)
		MUST(str_eq(str_cut(&left, '.'), str_cut(&right, '.')));
	read_claims(a, claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str text = str_of((const char *)p, n);
	struct keyset *ours = keyset_new(), *theirs = keyset_new();
	struct arena *a = arena_new(8 << 20);
	if (hash_init() == 0 && ours && theirs && a) {
		MUST(keyset_add(ours, a, STR_NONE, str_of(keys_text, sizeof keys_text - 1)) == 1);
		int added = keyset_add(theirs, a, STR_NONE, text);
		MUST(added <= (int)KEYSET_KEYS && (added < 0 || keyset_count(theirs) == (unsigned)added));
		verify(ours, a, text);
		read_claims(a, text);
	}
	arena_free(a);
	keyset_free(ours);
	keyset_free(theirs);
	return 0;
}
