/* SPDX-License-Identifier: MIT
 * test_keyset.c - which tokens are signed by one of our keys, and which only look like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cjose/cjose.h>
#include <cmocka.h>
#include <errno.h>

#include "common/buf.h"
#include "common/hash.h"
#include "common/json_write.h"
#include "worker/decide/keyset.h"

static const char claims_text[] = "{\"sub\":\"ann\",\"exp\":2000000000}";

static struct {
	struct arena *a;
	cjose_jwk_t *rsa, *other, *p256, *p384, *p521;
	struct keyset *set;
} t;

static cjose_jwk_t *named(cjose_jwk_t *k, const char *kid)
{
	cjose_err err;
	assert_non_null(k);
	if (kid)
		assert_true(cjose_jwk_set_kid(k, kid, strlen(kid), &err));
	return k;
}

static cjose_jwk_t *new_rsa(size_t bits, const char *kid)
{
	cjose_err err;
	static const uint8_t e[] = { 1, 0, 1 };
	return named(cjose_jwk_create_RSA_random(bits, e, sizeof e, &err), kid);
}

static cjose_jwk_t *new_ec(cjose_jwk_ec_curve curve, const char *kid)
{
	cjose_err err;
	return named(cjose_jwk_create_EC_random(curve, &err), kid);
}

/* A JWKS of these keys; `more` goes into each, before its other members. */
static struct str document(const char *more, cjose_jwk_t *const *keys, size_t n)
{
	struct buf b;
	cjose_err err;
	buf_init(&b, 1 << 20);
	buf_printf(&b, "{\"keys\":[");
	for (size_t i = 0; i < n; i++) {
		char *json = cjose_jwk_to_json(keys[i], false, &err);
		assert_non_null(json);
		buf_printf(&b, "%s{%s%s", i ? "," : "", more, json + 1);
		cjose_get_dealloc()(json);
	}
	buf_printf(&b, "]}");
	struct str s = arena_dup(t.a, buf_str(&b));
	assert_non_null(s.p);
	buf_done(&b);
	return s;
}

static struct keyset *set_of(const char *more, cjose_jwk_t *key)
{
	struct keyset *s = keyset_new();
	assert_int_equal(keyset_add(s, t.a, STR_NONE, document(more, &key, 1)), 1);
	return s;
}

static struct str sign_text(cjose_jwk_t *key, const char *alg, const char *kid, const char *text)
{
	cjose_err err;
	const char *compact;
	cjose_header_t *h = cjose_header_new(&err);
	assert_true(cjose_header_set(h, CJOSE_HDR_ALG, alg, &err));
	if (kid)
		assert_true(cjose_header_set(h, CJOSE_HDR_KID, kid, &err));
	cjose_jws_t *jws = cjose_jws_sign(key, h, (const uint8_t *)text, strlen(text), &err);
	assert_non_null(jws);
	assert_true(cjose_jws_export(jws, &compact, &err));
	struct str s = arena_dup(t.a, str_z(compact));
	cjose_jws_release(jws);
	cjose_header_release(h);
	return s;
}

static struct str sign(cjose_jwk_t *key, const char *alg, const char *kid)
{
	return sign_text(key, alg, kid, claims_text);
}

static enum token_fault verify(const struct keyset *set, struct str token)
{
	struct str claims = STR("untouched");
	struct str issuer = STR("nobody's");
	enum token_fault f = keyset_verify(set, t.a, token, &claims, &issuer);
	assert_true(f == TOKEN_GOOD ? !issuer.n : str_eq(issuer, STR("nobody's")));
	assert_true(str_eq_z(claims, f == TOKEN_GOOD ? claims_text : "untouched"));
	return f;
}

static struct str base64url(struct str s)
{
	char text[2048];
	size_t n = 0;
	assert_true(hash_base64(text, sizeof text, s));
	for (size_t i = 0; text[i] && text[i] != '='; i++, n++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	return arena_dup(t.a, str_of(text, n));
}

/* With another header, or other claims, and the signature that it had. */
static struct str with_part(struct str token, unsigned which, struct str with)
{
	struct str rest = token, part[3];
	for (unsigned i = 0; i < 3; i++)
		part[i] = str_cut(&rest, '.');
	part[which] = with;
	return arena_printf(t.a, STR_FMT "." STR_FMT "." STR_FMT, STR_ARG(part[0]),
			    STR_ARG(part[1]), STR_ARG(part[2]));
}

/* ---- */

static void test_algorithms(void **state)
{
	static const char *const rsa[] = { "RS256", "RS384", "RS512", "PS256", "PS384", "PS512" };
	(void)state;
	for (size_t i = 0; i < COUNT(rsa); i++) {
		assert_int_equal(verify(t.set, sign(t.rsa, rsa[i], "rsa")), TOKEN_GOOD);
		assert_int_equal(verify(t.set, sign(t.other, rsa[i], "rsa")), TOKEN_BAD_SIGNATURE);
	}
	assert_int_equal(verify(t.set, sign(t.p256, "ES256", "p256")), TOKEN_GOOD);
	assert_int_equal(verify(t.set, sign(t.p384, "ES384", "p384")), TOKEN_GOOD);
	assert_int_equal(verify(t.set, sign(t.p521, "ES512", "p521")), TOKEN_GOOD);
}

/* Each is refused for what it is, whatever else is right about it. */
static void test_refused(void **state)
{
	struct str good = sign(t.rsa, "RS256", "rsa");
	(void)state;
	assert_int_equal(verify(t.set, sign(t.rsa, "RS256", "gone")), TOKEN_BAD_KEY);
	assert_int_equal(verify(t.set, sign(t.rsa, "RS256", "")), TOKEN_BAD_KEY);
	assert_int_equal(verify(t.set, sign(t.rsa, "RS256", "p256")), TOKEN_BAD_UNFIT);
	assert_int_equal(verify(t.set, sign(t.p256, "ES256", "p384")), TOKEN_BAD_UNFIT);
	assert_int_equal(verify(t.set, sign(t.p256, "ES256", "rsa")), TOKEN_BAD_UNFIT);
	assert_int_equal(verify(t.set, str_of(good.p, good.n - 4)), TOKEN_BAD_SIGNATURE);
	assert_int_equal(verify(t.set, with_part(good, 2, STR(""))), TOKEN_BAD_SIGNATURE);
	assert_int_equal(verify(t.set, with_part(good, 1, base64url(STR("{\"sub\":\"eve\"}")))),
			 TOKEN_BAD_SIGNATURE);
	assert_int_equal(verify(t.set, with_part(good, 2, STR("%"))), TOKEN_BAD_FORM);
	assert_int_equal(verify(t.set, STR("a.b")), TOKEN_BAD_FORM);
	assert_int_equal(verify(t.set, STR("a.b.c.d")), TOKEN_BAD_FORM);
	assert_int_equal(verify(t.set, STR("")), TOKEN_BAD_FORM);
}

static void test_headers(void **state)
{
	static const struct {
		const char *header;
		enum token_fault fault;
	} rows[] = {
		{ "{\"alg\":\"none\",\"kid\":\"rsa\"}", TOKEN_BAD_ALGORITHM },
		{ "{\"alg\":\"None\",\"kid\":\"rsa\"}", TOKEN_BAD_ALGORITHM },
		{ "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", TOKEN_BAD_ALGORITHM },
		{ "{\"alg\":\"rs256\",\"kid\":\"rsa\"}", TOKEN_BAD_ALGORITHM },
		{ "{\"alg\":\"\",\"kid\":\"rsa\"}", TOKEN_BAD_ALGORITHM },
		{ "{\"alg\":1,\"kid\":\"rsa\"}", TOKEN_BAD_ALGORITHM },
		{ "{\"kid\":\"rsa\"}", TOKEN_BAD_ALGORITHM },
		{ "{\"alg\":\"RS256\",\"alg\":\"none\"}", TOKEN_BAD_HEADER },
		{ "{\"alg\":\"RS256\",\"kid\":7}", TOKEN_BAD_HEADER },
		{ "{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", TOKEN_BAD_HEADER },
		{ "[\"RS256\"]", TOKEN_BAD_HEADER },
		{ "RS256", TOKEN_BAD_HEADER },
		{ "{\"alg\":\"RS384\",\"kid\":\"rsa\"}", TOKEN_BAD_SIGNATURE },
		{ "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", TOKEN_BAD_SIGNATURE },
	};
	struct str good = sign(t.rsa, "RS256", "rsa");
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str token = with_part(good, 0, base64url(str_z(rows[i].header)));
		assert_int_equal(verify(t.set, token), rows[i].fault);
		assert_int_equal(verify(t.set, with_part(token, 2, STR(""))),
				 rows[i].fault == TOKEN_BAD_SIGNATURE ? TOKEN_BAD_SIGNATURE
								      : rows[i].fault);
	}
}

/* The public key's bytes are no secret: whoever signs with them as one is not let in. */
static void test_symmetric(void **state)
{
	struct str pub = document("", &t.rsa, 1);
	struct str input = arena_printf(
		t.a, STR_FMT "." STR_FMT, STR_ARG(base64url(STR("{\"alg\":\"HS256\",\"kid\":\"rsa\"}"))),
		STR_ARG(base64url(str_z(claims_text))));
	struct sha256 mac = hash_hmac_sha256(pub, input);
	struct str signature = base64url(str_of((const char *)mac.b, sizeof mac.b));
	struct str token = arena_printf(t.a, STR_FMT "." STR_FMT, STR_ARG(input), STR_ARG(signature));
	struct keyset *s = keyset_new();
	(void)state;
	assert_int_equal(verify(t.set, token), TOKEN_BAD_ALGORITHM);
	assert_int_equal(keyset_add(s, t.a, STR_NONE, STR("{\"keys\":[{\"kty\":\"oct\",\"kid\":\"rsa\","
					       "\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMko\"}]}")), 0);
	assert_int_equal(verify(s, token), TOKEN_BAD_ALGORITHM);
	keyset_free(s);
}

static void test_without_kid(void **state)
{
	struct str token = sign(t.p384, "ES384", NULL);
	(void)state;
	assert_int_equal(verify(t.set, token), TOKEN_GOOD);
	assert_int_equal(verify(t.set, sign(t.other, "RS256", NULL)), TOKEN_BAD_SIGNATURE);
	struct keyset *none = keyset_new();
	assert_int_equal(verify(none, token), TOKEN_BAD_KEY);
	keyset_free(none);
}

static void test_what_keys_are_for(void **state)
{
	struct keyset *s = set_of("\"use\":\"sig\",\"key_ops\":[\"verify\"],\"alg\":\"RS256\",", t.rsa);
	(void)state;
	assert_int_equal(verify(s, sign(t.rsa, "RS256", "rsa")), TOKEN_GOOD);
	assert_int_equal(verify(s, sign(t.rsa, "PS256", "rsa")), TOKEN_BAD_UNFIT);
	keyset_free(s);
	static const char *const others[] = {
		"\"use\":\"enc\",", "\"key_ops\":[\"encrypt\"],", "\"alg\":\"RSA-OAEP\",",
	};
	for (size_t i = 0; i < COUNT(others); i++) {
		s = keyset_new();
		assert_int_equal(keyset_add(s, t.a, STR_NONE, document(others[i], &t.rsa, 1)), 0);
		keyset_free(s);
	}
}

static void test_documents(void **state)
{
	static const char *const bad[] = { "", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}",
					   "<html>", "{\"keys\":[" };
	struct keyset *s = keyset_new();
	cjose_jwk_t *small = new_rsa(1024, "small");
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(keyset_add(s, t.a, STR_NONE, str_z(bad[i])), -EINVAL);
	assert_int_equal(keyset_add(s, t.a, STR_NONE, STR("{\"keys\":[7,{},{\"kty\":\"RSA\"},"
					       "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}")), 0);
	assert_int_equal(keyset_add(s, t.a, STR_NONE, document("", &small, 1)), 0);
	assert_int_equal(keyset_count(s), 0);
	for (unsigned i = 0; i < KEYSET_KEYS; i++)
		assert_int_equal(keyset_add(s, t.a, STR_NONE, document("", &t.p256, 1)), 1);
	assert_int_equal(keyset_add(s, t.a, STR_NONE, document("", &t.p256, 1)), -ENOMEM);
	assert_int_equal(keyset_count(s), KEYSET_KEYS);
	keyset_free(s);
	cjose_jwk_release(small);
}

/* Whose key it was is told, also where two have keys of one name. */
static void test_whose(void **state)
{
	struct keyset *s = keyset_new();
	struct str claims, issuer;
	char name[KEYSET_ISSUER_MAX + 1];
	(void)state;
	assert_int_equal(keyset_add(s, t.a, STR("https://a"), document("", &t.rsa, 1)), 1);
	assert_int_equal(keyset_add(s, t.a, STR("https://b"), document("", &t.other, 1)), 1);
	assert_int_equal(keyset_add(s, t.a, STR("https://b"), document("", &t.p256, 1)), 1);
	assert_int_equal(keyset_add(s, t.a, STR(""), document("", &t.p384, 1)), 1);
	const struct {
		struct str token;
		const char *issuer;
	} rows[] = {
		{ sign(t.rsa, "RS256", "rsa"), "https://a" },
		{ sign(t.other, "RS256", "rsa"), "https://b" },
		{ sign(t.other, "PS256", NULL), "https://b" },
		{ sign(t.p256, "ES256", "p256"), "https://b" },
		{ sign(t.p384, "ES384", "p384"), "" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(keyset_verify(s, t.a, rows[i].token, &claims, &issuer), TOKEN_GOOD);
		assert_true(str_eq_z(issuer, rows[i].issuer));
	}
	memset(name, 'a', sizeof name);
	assert_int_equal(keyset_add(s, t.a, str_of(name, sizeof name), document("", &t.rsa, 1)), -ENOMEM);
	for (unsigned i = 3; i < KEYSET_ISSUERS; i++)
		assert_int_equal(keyset_add(s, t.a, str_of(name, i), STR("{\"keys\":[]}")), 0);
	assert_int_equal(keyset_add(s, t.a, STR("x"), document("", &t.rsa, 1)), -ENOMEM);
	assert_int_equal(keyset_add(s, t.a, STR("https://a"), document("", &t.rsa, 1)), 1);
	keyset_free(s);
}

/* A token that names no key costs a bounded number of checks. */
static void test_tries(void **state)
{
	struct keyset *s = keyset_new();
	(void)state;
	for (unsigned i = 0; i < KEYSET_TRIES - 1; i++)
		assert_int_equal(keyset_add(s, t.a, STR_NONE, document("", &t.other, 1)), 1);
	assert_int_equal(keyset_add(s, t.a, STR_NONE, document("", &t.rsa, 1)), 1);
	assert_int_equal(verify(s, sign(t.rsa, "RS256", NULL)), TOKEN_GOOD);
	keyset_free(s);
	s = keyset_new();
	for (unsigned i = 0; i < KEYSET_TRIES; i++)
		assert_int_equal(keyset_add(s, t.a, STR_NONE, document("", &t.other, 1)), 1);
	assert_int_equal(keyset_add(s, t.a, STR_NONE, document("", &t.rsa, 1)), 1);
	assert_int_equal(verify(s, sign(t.rsa, "RS256", NULL)), TOKEN_BAD_SIGNATURE);
	keyset_free(s);
}

/* The key and the signature of RFC 8037, A.4. */
static void test_ed25519(void **state)
{
	static const char keys[] =
		"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"e\",%s"
		"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
	static const char signature[] = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4"
					"iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
	struct str token = arena_printf(
		t.a, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.%s", signature);
	struct str claims, issuer, text = arena_printf(t.a, keys, "");
	struct keyset *s = keyset_new();
	(void)state;
	assert_int_equal(keyset_add(s, t.a, STR_NONE, text), 1);
	assert_int_equal(keyset_verify(s, t.a, token, &claims, &issuer), TOKEN_GOOD);
	assert_true(str_eq_z(claims, "Example of Ed25519 signing"));
	assert_int_equal(verify(s, with_part(token, 1, base64url(STR("{}")))), TOKEN_BAD_SIGNATURE);
	assert_int_equal(verify(s, str_of(token.p, token.n - 2)), TOKEN_BAD_SIGNATURE);
	assert_int_equal(verify(s, with_part(token, 2, STR(""))), TOKEN_BAD_SIGNATURE);
	assert_int_equal(verify(s, with_part(token, 0, base64url(STR("{\"alg\":\"ES256\"}")))),
			 TOKEN_BAD_UNFIT);
	assert_int_equal(verify(s, with_part(token, 0, base64url(STR("{\"alg\":\"Ed25519\"}")))),
			 TOKEN_BAD_SIGNATURE);
	assert_int_equal(verify(s, sign(t.rsa, "RS256", "e")), TOKEN_BAD_UNFIT);
	keyset_free(s);
	s = keyset_new();
	text = arena_printf(t.a, keys, "\"alg\":\"EdDSA\",");
	assert_int_equal(keyset_add(s, t.a, STR_NONE, text), 1);
	assert_int_equal(keyset_add(s, t.a, STR_NONE, STR("{\"keys\":[{\"kty\":\"OKP\","
					"\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
					"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}]}")), 0);
	assert_int_equal(keyset_verify(s, t.a, token, &claims, &issuer), TOKEN_GOOD);
	keyset_free(s);
}

static void test_sizes(void **state)
{
	char *text = arena_alloc(t.a, KEYSET_TOKEN_MAX + 1);
	(void)state;
	memset(text, 'a', KEYSET_TOKEN_MAX);
	struct str token = sign_text(t.rsa, "RS256", "rsa", text), claims, issuer;
	assert_true(token.n > KEYSET_TOKEN_MAX);
	assert_int_equal(keyset_verify(t.set, t.a, token, &claims, &issuer), TOKEN_BAD_LONG);
	text[KEYSET_TOKEN_MAX / 2] = '\0';
	token = sign_text(t.rsa, "RS256", "rsa", text);
	assert_int_equal(keyset_verify(t.set, t.a, token, &claims, &issuer), TOKEN_GOOD);
	assert_int_equal(claims.n, KEYSET_TOKEN_MAX / 2);
	struct arena *small = arena_new(4096);
	assert_int_equal(keyset_verify(t.set, small, token, &claims, &issuer), TOKEN_BAD_FORM);
	arena_free(small);
}

static void test_form(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a..b", ".a.b", "a.b", "a.b.c.d", "a.b.c=",
					   "a.b c.d", "a.b.c\n", "sk-1.2" };
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(token_has_form(str_z(bad[i])));
	assert_true(token_has_form(STR("a.b.c")));
	assert_true(token_has_form(STR("a-_9.b.")));
	assert_string_equal(token_fault_text(TOKEN_BAD_EXPIRED), "it has expired");
	assert_string_equal(token_fault_text(TOKEN_FAULT_COUNT), "");
}

static int set_up(void **state)
{
	cjose_jwk_t **all[] = { &t.rsa, &t.p256, &t.p384, &t.p521 };
	cjose_jwk_t *keys[COUNT(all)];
	(void)state;
	if (hash_init() < 0)
		return -1;
	t.a = arena_new(64 << 20);
	t.rsa = new_rsa(2048, "rsa");
	t.other = new_rsa(2048, "rsa");
	t.p256 = new_ec(CJOSE_JWK_EC_P_256, "p256");
	t.p384 = new_ec(CJOSE_JWK_EC_P_384, "p384");
	t.p521 = new_ec(CJOSE_JWK_EC_P_521, "p521");
	for (size_t i = 0; i < COUNT(all); i++)
		keys[i] = *all[i];
	t.set = keyset_new();
	return keyset_add(t.set, t.a, STR_NONE, document("", keys, COUNT(keys))) == COUNT(keys) ? 0 : -1;
}

static int tear_down(void **state)
{
	cjose_jwk_t *all[] = { t.rsa, t.other, t.p256, t.p384, t.p521 };
	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		cjose_jwk_release(all[i]);
	keyset_free(t.set);
	arena_free(t.a);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_algorithms), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_headers), cmocka_unit_test(test_symmetric),
		cmocka_unit_test(test_without_kid), cmocka_unit_test(test_what_keys_are_for),
		cmocka_unit_test(test_documents), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_whose), cmocka_unit_test(test_tries),
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_form),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
