/* SPDX-License-Identifier: MIT
 * test_token.c - what is asked for tokens, signed by a key made on the spot and verified by OpenSSL;
 * where credentials may go; which answers are tokens. */
#include "worker/exchange/token.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/hash.h"
#include "common/json.h"
#include "common/json_write.h"
#include "common/mem.h"
#include "worker/exchange/jwt.h"

enum { NOW_S = 1800000000 };

static struct arena *mem;
static EVP_PKEY *rsa;

static int setup(void **state)
{
	(void)state;
	mem = arena_new(8 << 20);
	rsa = EVP_RSA_gen(2048);
	return mem && rsa ? hash_init() : -1;
}

static int teardown(void **state)
{
	(void)state;
	mem = arena_free(mem);
	EVP_PKEY_free(rsa);
	return 0;
}

static struct str pem_of(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher ? "pass" : NULL,
						       cipher ? 4 : 0, NULL, NULL), 1);
	long n = BIO_get_mem_data(bio, &p);
	struct str text = arena_dup(mem, str_of(p, (size_t)n));
	BIO_free(bio);
	return text;
}

/* --- statements --- */

static struct str unbase64url(struct str s)
{
	char *in = arena_alloc(mem, s.n + 4);
	unsigned char *out = arena_alloc(mem, s.n + 4);
	size_t n = 0;
	for (; n < s.n; n++) {
		assert_true(s.p[n] != '+' && s.p[n] != '/' && s.p[n] != '=');
		in[n] = (char)(s.p[n] == '-' ? '+' : s.p[n] == '_' ? '/' : s.p[n]);
	}
	size_t pad = (4 - n % 4) % 4;
	memset(in + n, '=', pad);
	int got = EVP_DecodeBlock(out, (unsigned char *)in, (int)(n + pad));
	assert_true(got > 0);
	return str_of((char *)out, (size_t)got - pad);
}

/* The parts of a statement whose signature is good. */
static void verify(struct str jwt, struct str *ret_header, struct str *ret_claims)
{
	struct str rest = jwt, header = str_cut(&rest, '.'), claims = str_cut(&rest, '.');
	struct str signature = unbase64url(rest);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, rsa), 1);
	assert_int_equal(EVP_DigestVerify(md, (const unsigned char *)signature.p, signature.n,
					  (const unsigned char *)jwt.p,
					  header.n + 1 + claims.n), 1);
	EVP_MD_CTX_free(md);
	*ret_header = unbase64url(header);
	*ret_claims = unbase64url(claims);
}

static void test_a_statement_is_signed(void **state)
{
	struct str header, claims, long_claims;
	struct buf b;
	(void)state;
	buf_init(&b, 100000);
	for (size_t n = 1; n < 3000; n = n * 2 + 1) {	/* across the blocks of base64 */
		char *p = arena_alloc(mem, n);
		memset(p, 'a' + (int)(n % 26), n);
		long_claims = str_of(p, n);
		buf_reset(&b);
		buf_put_z(&b, "before ");
		assert_int_equal(jwt_sign(pem_of(rsa, NULL), STR("{\"alg\":\"RS256\"}"), long_claims, &b), 0);
		verify(str_skip(buf_str(&b), 7), &header, &claims);
		assert_true(str_eq_z(header, "{\"alg\":\"RS256\"}"));
		assert_true(str_eq(claims, long_claims));
	}
	buf_done(&b);
}

static void test_keys_that_are_none(void **state)
{
	EVP_PKEY *curve = EVP_EC_gen("P-256"), *small = EVP_RSA_gen(1024);
	struct str good = pem_of(rsa, NULL);
	const struct str bad[] = {
		STR(""), STR("no key"), STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
		str_of(good.p, good.n / 2), pem_of(curve, NULL), pem_of(small, NULL),
		pem_of(rsa, EVP_aes_128_cbc()),
	};
	struct buf b;
	(void)state;
	buf_init(&b, 10000);
	buf_put_z(&b, "kept");
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(jwt_sign(bad[i], STR("{}"), STR("{}"), &b), -EINVAL);
		assert_true(str_eq_z(buf_str(&b), "kept"));
	}
	struct buf tight;
	buf_init(&tight, 40);
	buf_put_z(&tight, "kept");
	assert_int_equal(jwt_sign(good, STR("{\"alg\":\"RS256\"}"), STR("{\"iss\":\"x\"}"), &tight), -ENOMEM);
	assert_int_equal(tight.n, 4);
	buf_done(&tight);
	buf_done(&b);
	EVP_PKEY_free(curve);
	EVP_PKEY_free(small);
}

/* --- asking --- */

static struct str account_of(struct str key, const char *token_uri)
{
	struct buf b;
	buf_init(&b, 10000);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	json_put_z(&o, "type", "service_account");
	json_put_z(&o, "project_id", "p");
	json_put_z(&o, "private_key_id", "kid-7");
	json_put_str(&o, "private_key", key);
	json_put_z(&o, "client_email", "robot@p.iam.gserviceaccount.com");
	if (token_uri)
		json_put_z(&o, "token_uri", token_uri);
	json_close(&o);
	struct str text = arena_dup(mem, buf_str(&b));
	buf_done(&b);
	return text;
}

static const struct json *parse(struct str s)
{
	struct json_error error;
	const struct json *j = json_parse(mem, s, 0, &error);
	assert_non_null(j);
	return j;
}

static void test_a_service_account(void **state)
{
	static const char *const uris[] = { NULL, "https://oauth2.googleapis.com/token", "http://127.0.0.1:9/token?x=1" };
	(void)state;
	for (size_t i = 0; i < COUNT(uris); i++) {
		struct token_ask ask;
		const char *why = NULL;
		struct str header, claims, start = STR("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
		const char *uri = uris[i] ? uris[i] : uris[1];
		assert_int_equal(token_ask_write(AUTH_GOOGLE, account_of(pem_of(rsa, NULL), uris[i]), NOW_S, &ask, &why), 0);
		assert_true(str_eq_z(buf_str(&ask.url), uri));
		assert_null(ask.method);
		assert_true(str_starts(buf_str(&ask.form), start));
		verify(str_skip(buf_str(&ask.form), start.n), &header, &claims);
		assert_true(str_eq_z(header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"kid-7\"}"));
		const struct json *c = parse(claims);
		int64_t iat = 0, exp = 0;
		assert_int_equal(json_read_i64(json_get(c, "iat"), &iat), 0);
		assert_int_equal(json_read_i64(json_get(c, "exp"), &exp), 0);
		assert_true(iat == NOW_S && exp == NOW_S + 3600);
		assert_true(str_eq_z(json_get_str(mem, c, "aud"), uri));
		assert_true(str_eq_z(json_get_str(mem, c, "iss"), "robot@p.iam.gserviceaccount.com"));
		assert_true(str_eq_z(json_get_str(mem, c, "scope"), "https://www.googleapis.com/auth/cloud-platform"));
		token_ask_done(&ask);
	}
}

static const struct {
	enum provider_auth auth;
	const char *credentials, *url, *form, *method;
} asks[] = {
	{ AUTH_GOOGLE, "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\\u0041 \",\"refresh_token\":\"1//r\"}",
	  "https://oauth2.googleapis.com/token",
	  "grant_type=refresh_token&client_id=c&client_secret=sA%20&refresh_token=1%2F%2Fr", NULL },
	{ AUTH_GOOGLE, "{\"type\":\"compute_metadata\"}",
	  "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token", "", "GET" },
	{ AUTH_ENTRA, "{\"tenant_id\":\"t-1\",\"client_id\":\"c&x\",\"client_secret\":\"s=+~\"}",
	  "https://login.microsoftonline.com/t-1/oauth2/v2.0/token",
	  "grant_type=client_credentials&client_id=c%26x&client_secret=s%3D%2B~&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default",
	  NULL },
	{ AUTH_ENTRA, "{\"tenant_id\":\"x.example\",\"client_id\":\"c\",\"client_secret\":\"s\",\"authority\":\"https://login.microsoftonline.us/\",\"scope\":\"z\"}",
	  "https://login.microsoftonline.us/x.example/oauth2/v2.0/token",
	  "grant_type=client_credentials&client_id=c&client_secret=s&scope=z", NULL },
	{ AUTH_IBM, "{\"api_key\":\"k\"}", "https://iam.cloud.ibm.com/identity/token",
	  "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=k", NULL },
	{ AUTH_IBM, "{\"api_key\":\"k\",\"url\":\"http://localhost:1/t\"}", "http://localhost:1/t",
	  "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=k", NULL },
	{ AUTH_GIGACHAT, "{\"authorization_key\":\"YTpi\"}", "https://ngw.devices.sberbank.ru:9443/api/v2/oauth",
	  "scope=GIGACHAT_API_PERS", NULL },
};

static void test_the_other_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(asks); i++) {
		struct token_ask ask;
		const char *why = NULL;
		assert_int_equal(token_ask_write(asks[i].auth, str_z(asks[i].credentials), NOW_S, &ask, &why), 0);
		assert_string_equal(buf_z(&ask.url), asks[i].url);
		assert_string_equal(buf_z(&ask.form), asks[i].form);
		assert_true(asks[i].method ? ask.method && strcmp(ask.method, asks[i].method) == 0 : !ask.method);
		bool is_metadata = asks[i].method != NULL;
		assert_int_equal(str_find(buf_str(&ask.headers), STR("Metadata-Flavor: Google\r\n")) != SIZE_MAX, is_metadata);
		assert_int_equal(str_find(buf_str(&ask.headers), STR("\r\nAuthorization: Basic YTpi\r\n")) != SIZE_MAX,
				 asks[i].auth == AUTH_GIGACHAT);
		token_ask_done(&ask);
	}
}

static const struct {
	enum provider_auth auth;
	const char *credentials, *why;
} refused[] = {
	{ AUTH_GOOGLE, "", "no credentials" },
	{ AUTH_GOOGLE, "[]", "no JSON object" },
	{ AUTH_GOOGLE, "{\"type\":\"external_account\"}", "of this type" },
	{ AUTH_GOOGLE, "{\"type\":\"service_account\",\"client_email\":\"x\"}", "no client_email or private_key" },
	{ AUTH_GOOGLE, "{\"type\":\"service_account\",\"client_email\":\"x\",\"private_key\":\"canary\"}", "no RSA key" },
	{ AUTH_GOOGLE, "{\"type\":\"authorized_user\",\"client_secret\":\"s\"}", "refresh_token" },
	{ AUTH_GOOGLE, "{\"type\":\"authorized_user\",\"client_secret\":\"s\",\"refresh_token\":\"r\",\"token_uri\":\"http://far.example/\"}",
	  "not https" },
	{ AUTH_GOOGLE, "{\"type\":\"compute_metadata\",\"url\":\"http://far.example/\"}", "metadata" },
	{ AUTH_ENTRA, "{\"client_id\":\"c\",\"client_secret\":\"s\"}", "missing or malformed" },
	{ AUTH_ENTRA, "{\"tenant_id\":\"../x\",\"client_id\":\"c\",\"client_secret\":\"s\"}", "missing or malformed" },
	{ AUTH_ENTRA, "{\"tenant_id\":\"t\",\"client_id\":\"c\",\"client_secret\":\"s\",\"authority\":\"http://far.example\"}", "not https" },
	{ AUTH_IBM, "{}", "missing" },
	{ AUTH_GIGACHAT, "{\"authorization_key\":\"a\\r\\nx: y\"}", "missing or malformed" },
	{ AUTH_BEARER, "{}", "of this kind" },
};

static void test_what_cannot_be_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct token_ask ask;
		const char *why = NULL;
		assert_int_equal(token_ask_write(refused[i].auth, str_z(refused[i].credentials), NOW_S, &ask, &why), -EINVAL);
		if (!why || !strstr(why, refused[i].why))
			fail_msg("%s: %s", refused[i].credentials, why ? why : "(nothing)");
		assert_null(strstr(why, "canary"));
		token_ask_done(&ask);
	}
}

static void test_where_credentials_may_go(void **state)
{
	static const char *const safe[] = {
		"https://oauth2.googleapis.com/token", "HTTPS://x", "https://10.0.0.1:8/x", "http://127.0.0.1/", "http://127.9.0.1:1",
		"http://localhost:3/t?a=b", "http://[::1]:8/t", "http://[::1]",
	};
	static const char *const unsafe[] = {
		"", "https://", "https:///x", "http://example.com/", "http://127.0.0.1.evil.example/", "http://localhost.evil.example/",
		"http://127.0.0.1@evil.example/", "https://user:pw@x/", "ftp://127.0.0.1/", "file:///etc/passwd", "http://[::1", "http://[::2]/",
		"http://127.0.0.1\\@evil.example/", "https://x y/", "https://x\r\n", "http://0.0.0.0/", "oauth2.googleapis.com/token",
		"http://1127.0.0.1/",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(safe); i++)
		if (!token_url_is_safe(str_z(safe[i])))
			fail_msg("%s is safe", safe[i]);
	for (size_t i = 0; i < COUNT(unsafe); i++)
		if (token_url_is_safe(str_z(unsafe[i])))
			fail_msg("%s is not safe", unsafe[i]);
}

/* --- answers --- */

static const struct {
	const char *body, *token;		/* token NULL: none */
	uint64_t life_s;
} answers[] = {
	{ "{\"access_token\":\"ya29.a-b_c\",\"expires_in\":3599,\"token_type\":\"Bearer\"}", "ya29.a-b_c", 3599 },
	{ "{\"access_token\":\"t\",\"expires_in\":\"86399\"}", "t", 86399 },
	{ "{\"access_token\":\"t\"}", "t", 300 },
	{ "{\"access_token\":\"t\",\"expires_in\":null}", "t", 300 },
	{ "{\"access_token\":\"t\",\"expires_in\":\"soon\"}", "t", 300 },
	{ "{\"access_token\":\"t\",\"expires_in\":0}", "t", 1 },
	{ "{\"access_token\":\"t\",\"expires_in\":-5}", "t", 1 },
	{ "{\"access_token\":\"t\",\"expires_in\":1e12}", "t", 86400 },
	{ "{\"access_token\":\"\\u0074\",\"expires_in\":9}", "t", 9 },
	{ "{\"access_token\":\"t\",\"expires_at\":1800001800123}", "t", 1800 },
	{ "{\"access_token\":\"t\",\"expires_at\":5}", "t", 1 },
	{ "{\"access_token\":\"\"}", NULL, 0 },
	{ "{\"access_token\":\"a b\"}", NULL, 0 },
	{ "{\"access_token\":\"a\\r\\nx: y\"}", NULL, 0 },
	{ "{\"access_token\":\"\\u00e9\"}", NULL, 0 },
	{ "{\"access_token\":7}", NULL, 0 },
	{ "{\"token\":\"t\"}", NULL, 0 },
	{ "[\"access_token\"]", NULL, 0 },
	{ "<html>", NULL, 0 },
	{ "", NULL, 0 },
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct token_answer a = { STR("untouched"), 1 };
		int want = answers[i].token ? 0 : -EBADMSG;
		assert_int_equal(token_answer_read(mem, str_z(answers[i].body), NOW_S, &a), want);
		assert_true(str_eq_z(a.token, answers[i].token ? answers[i].token : "untouched"));
		if (answers[i].token)
			assert_int_equal(a.life_s, answers[i].life_s);
	}
}

static void test_a_token_fits_in_a_header(void **state)
{
	struct token_answer a;
	(void)state;
	for (size_t n = TOKEN_MAX; n <= TOKEN_MAX + 1; n++) {
		char *p = arena_alloc(mem, n);
		memset(p, 'x', n);
		struct str body = arena_printf(mem, "{\"access_token\":\"" STR_FMT "\"}", (int)n, p);
		assert_int_equal(token_answer_read(mem, body, NOW_S, &a), n == TOKEN_MAX ? 0 : -EBADMSG);
	}
}

static void test_words_for_errors(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"error\":\"invalid_grant\",\"error_description\":\"the key is ABC\"}", "invalid_grant" },
		{ "{\"errorCode\":\"BXNIM0415E\",\"errorMessage\":\"x\"}", "BXNIM0415E" },
		{ "{\"error\":{\"code\":400,\"status\":\"INVALID_ARGUMENT\"}}", "INVALID_ARGUMENT" },
		{ "{\"error\":\"not a word at all\"}", NULL },
		{ "{\"error\":\"\"}", NULL },
		{ "no json", NULL },
		{ "{\"error\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_true(str_eq_z(token_error_read(mem, str_z(rows[i][0])), rows[i][1] ? rows[i][1] : ""));
}

static void test_no_memory(void **state)
{
	struct str account = account_of(pem_of(rsa, NULL), NULL);
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct token_ask ask;
		const char *why = NULL;
		mem_fail_at(nth);
		int err = token_ask_write(AUTH_GOOGLE, account, NOW_S, &ask, &why);
		mem_fail_at(0);
		token_ask_done(&ask);
		if (err == 0)
			break;
		/* A tree that there is no memory for looks like none. */
		assert_true(err == -ENOMEM || err == -EINVAL);
		assert_true(nth < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_statement_is_signed),
		cmocka_unit_test(test_keys_that_are_none),
		cmocka_unit_test(test_a_service_account),
		cmocka_unit_test(test_the_other_ways),
		cmocka_unit_test(test_what_cannot_be_asked),
		cmocka_unit_test(test_where_credentials_may_go),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_a_token_fits_in_a_header),
		cmocka_unit_test(test_words_for_errors),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
