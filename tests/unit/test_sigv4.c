/* SPDX-License-Identifier: MIT
 * test_sigv4.c - the cases of AWS's published test suite, and a call as Bedrock gets it. */
#include "common/sigv4.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/hash.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
enum { SUITE_TIME = 1440938160 };	/* 2015-08-30T12:36:00Z */

static const struct sigv4_keys suite_keys = {
	.access_key_id = STR("AKIDEXAMPLE"), .secret_access_key = STR(SECRET), .region = STR("us-east-1"),
};

static int setup(void **state)
{
	(void)state;
	return hash_init();
}

static const struct suite_row {
	const char *name, *method, *path, *query, *body;
	struct sigv4_header headers[3];
	const char *names, *signature;
} suite[] = {
	{ "get-vanilla", "GET", "/", "", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "get-vanilla-empty-query-key", "GET", "/", "Param1=value1", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
	{ "get-vanilla-query-unreserved", "GET", "/", "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
	{ "get-vanilla-utf8-query", "GET", "/", "\xe1\x88\xb4=bar", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04" },
	{ "get-utf8", "GET", "/\xe1\x88\xb4", "", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
	{ "get-unreserved", "GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ "get-space", "GET", "/example space/", "", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
	{ "get-relative", "GET", "/example/..", "", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-relative-relative", "GET", "/example1/example2/../..", "", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-slash", "GET", "//", "", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-slash-dot-slash", "GET", "/./", "", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-header-key-duplicate", "GET", "/", "", "", { { STR("My-Header1"), STR("value2") }, { STR("My-Header1"), STR("value2") }, { STR("My-Header1"), STR("value1") } }, "host;my-header1;x-amz-date", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ "get-header-value-trim", "GET", "/", "", "", { { STR("My-Header1"), STR(" value1") }, { STR("My-Header2"), STR(" \"a   b   c\"") } }, "host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "post-vanilla", "POST", "/", "", "", { { { 0 }, { 0 } } }, "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-x-www-form-urlencoded", "POST", "/", "", "Param1=value1", { { STR("Content-Type"), STR("application/x-www-form-urlencoded") } }, "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
};

static void check(const struct sigv4_call *c, const struct sigv4_keys *k, const char *want)
{
	struct buf b;
	buf_init(&b, 1 << 16);
	assert_int_equal(sigv4_sign(c, k, &b), 0);
	assert_string_equal(buf_z(&b), want);
	buf_done(&b);
}

static void test_published_suite(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(suite); i++) {
		const struct suite_row *row = &suite[i];
		struct sigv4_call c = {
			.method = str_z(row->method), .host = STR("example.amazonaws.com"), .path = str_z(row->path),
			.query = str_z(row->query), .body = str_z(row->body), .headers = row->headers,
			.service = STR("service"), .time_s = SUITE_TIME,
		};
		while (c.n_headers < COUNT(row->headers) && row->headers[c.n_headers].name.n)
			c.n_headers++;
		struct buf b, want;
		buf_init(&b, 1 << 16);
		buf_init(&want, 1 << 16);
		assert_int_equal(sigv4_sign(&c, &suite_keys, &b), 0);
		buf_printf(&want, "X-Amz-Date: 20150830T123600Z\r\nAuthorization: AWS4-HMAC-SHA256 "
				  "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
				  "SignedHeaders=%s, Signature=%s\r\n", row->names, row->signature);
		if (!str_eq(buf_str(&b), buf_str(&want)))
			print_error("%s:\n%s", row->name, buf_z(&b));
		assert_true(str_eq(buf_str(&b), buf_str(&want)));
		buf_done(&b);
		buf_done(&want);
	}
}

/* The model's name has a colon, which is sent as %3A and signed as %253A. */
static struct sigv4_call bedrock_call(void)
{
	static const struct sigv4_header json = { STR("content-type"), STR("application/json") };
	return (struct sigv4_call){
		.method = STR("POST"), .host = STR("bedrock-runtime.us-east-1.amazonaws.com"),
		.path = STR("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"),
		.body = STR("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]}],\"inferenceConfig\":{\"maxTokens\":16}}"),
		.headers = &json, .n_headers = 1, .service = STR("bedrock"), .time_s = 1767323045,
	};
}

static const struct sigv4_keys bedrock_keys = {
	.access_key_id = STR("AKIDEXAMPLE"), .secret_access_key = STR(SECRET), .region = STR("us-east-1"),
};

static void test_bedrock(void **state)
{
	struct sigv4_call c = bedrock_call();
	(void)state;
	check(&c, &bedrock_keys,
	      "X-Amz-Date: 20260102T030405Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, "
	      "SignedHeaders=content-type;host;x-amz-date, Signature=103e8284402402e8c57a0f4cc628a9e1804ad8147303c66203b4f6e4a64a6979\r\n");
}

/* A name with slashes, a session's token, another region. */
static void test_bedrock_profile(void **state)
{
	struct sigv4_call c = bedrock_call();
	struct sigv4_keys k = bedrock_keys;
	(void)state;
	c.host = STR("bedrock-runtime.eu-west-1.amazonaws.com");
	c.path = STR("/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fab12/converse-stream");
	c.body = STR("{\"a\":\"\xc3\xa4\"}");
	k.region = STR("eu-west-1");
	k.session_token = STR("FwoGZXIvYXdzEXAMPLE//token==");
	check(&c, &k, "X-Amz-Date: 20260102T030405Z\r\nX-Amz-Security-Token: FwoGZXIvYXdzEXAMPLE//token==\r\n"
		      "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/bedrock/aws4_request, "
		      "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
		      "Signature=6e656443cc60cbfd1e9c4228496b6bf4aecb8d33305af4622d5abc2515ca1d36\r\n");
}

static void test_another_port(void **state)
{
	struct sigv4_call c = bedrock_call();
	(void)state;
	c.host = STR("127.0.0.1:8080");
	c.path = STR("/proxy/model/x/invoke");
	c.body = STR_NONE;
	check(&c, &bedrock_keys,
	      "X-Amz-Date: 20260102T030405Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, "
	      "SignedHeaders=content-type;host;x-amz-date, Signature=0e655644e149b7c1ef7e5fd4e8385e35b9aac530e7799ada362205fd4e3255dd\r\n");
}

static void test_hash_goes_along(void **state)
{
	struct sigv4_call c = bedrock_call();
	struct buf b;
	(void)state;
	c.tells_hash = true;
	buf_init(&b, 1 << 16);
	assert_int_equal(sigv4_sign(&c, &bedrock_keys, &b), 0);
	assert_true(str_find(buf_str(&b), STR("X-Amz-Content-Sha256: 9086f5ed72696dae888c64846e3db151bb80e2483eba722648ee71231780c823\r\n")) != SIZE_MAX);
	assert_true(str_find(buf_str(&b), STR("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date,")) != SIZE_MAX);
	buf_done(&b);
}

static void check_refused(const struct sigv4_call *c, const struct sigv4_keys *k, int want)
{
	struct buf b;
	buf_init(&b, 64);
	BUF_PUT_LIT(&b, "before");
	assert_int_equal(sigv4_sign(c, k, &b), want);
	assert_true(str_eq(buf_str(&b), STR("before")));
	buf_done(&b);
}

static void test_refused(void **state)
{
	struct sigv4_call c = bedrock_call();
	struct sigv4_keys k = bedrock_keys;
	char query[2 * SIGV4_PAIRS_MAX + 8];
	(void)state;
	check_refused(&c, &k, -ENOMEM);		/* no room for the lines */
	k.region = STR_NONE;
	check_refused(&c, &k, -EINVAL);
	k = bedrock_keys;
	k.secret_access_key = STR("a\r\nX-Evil: 1");
	check_refused(&c, &k, -EINVAL);
	k = bedrock_keys;
	k.session_token = STR("a b");
	check_refused(&c, &k, -EINVAL);
	k = bedrock_keys;
	k.access_key_id = STR("");
	check_refused(&c, &k, -EINVAL);
	c.n_headers = SIGV4_HEADERS_MAX + 1;
	check_refused(&c, &bedrock_keys, -EINVAL);
	c = bedrock_call();
	for (size_t i = 0; i < sizeof query; i++)
		query[i] = i % 2 ? '&' : 'a';
	c.query = str_of(query, sizeof query);
	check_refused(&c, &bedrock_keys, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_suite),
		cmocka_unit_test(test_bedrock),
		cmocka_unit_test(test_bedrock_profile),
		cmocka_unit_test(test_another_port),
		cmocka_unit_test(test_hash_goes_along),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
