/* SPDX-License-Identifier: MIT
 * test_curl_why.c - what an operator reads of a transfer that has failed. */
#include "common/curl_why.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509_vfy.h>

#include "common/check.h"

static void assert_says(CURLcode code, struct curl_facts facts, const char *word)
{
	const char *why = curl_why_of(code, &facts);
	if (!strstr(why, word))
		fail_msg("%d is told as \"%s\", without \"%s\"", code, why, word);
}

static void test_certificates(void **state)
{
	(void)state;
	static const struct {
		long verified;
		const char *word;
	} rows[] = {
		{ X509_V_OK, "another name" },
		{ X509_V_ERR_UNSPECIFIED, "another name" },
		{ X509_V_ERR_HOSTNAME_MISMATCH, "another name" },
		{ X509_V_ERR_IP_ADDRESS_MISMATCH, "another name" },
		{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "self-signed" },
		{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "SSL_CERT_FILE" },
		{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "SSL_CERT_FILE" },
		{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "SSL_CERT_FILE" },
		{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "SSL_CERT_FILE" },
		{ X509_V_ERR_CERT_HAS_EXPIRED, "has expired" },
		{ X509_V_ERR_CERT_NOT_YET_VALID, "not valid yet" },
		{ X509_V_ERR_CERT_REVOKED, "revoked" },
		{ X509_V_ERR_INVALID_PURPOSE, "for servers" },
		{ X509_V_ERR_EE_KEY_TOO_SMALL, "too weak" },
		{ X509_V_ERR_CA_KEY_TOO_SMALL, "too weak" },
		{ X509_V_ERR_CA_MD_TOO_WEAK, "too weak" },
		{ X509_V_ERR_PATH_LENGTH_EXCEEDED, "cannot be trusted" },
		{ -1, "cannot be trusted" },
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_says(CURLE_PEER_FAILED_VERIFICATION,
			    (struct curl_facts){ .verified = rows[i].verified }, rows[i].word);
}

static void test_connections(void **state)
{
	(void)state;
	assert_says(CURLE_COULDNT_CONNECT, (struct curl_facts){ .os_error = ECONNREFUSED }, "refused");
	assert_says(CURLE_COULDNT_CONNECT, (struct curl_facts){ .os_error = EHOSTUNREACH }, "no way");
	assert_says(CURLE_COULDNT_CONNECT, (struct curl_facts){ .os_error = ENETUNREACH }, "no way");
	assert_says(CURLE_COULDNT_CONNECT, (struct curl_facts){ .os_error = EACCES }, "not permitted");
	assert_says(CURLE_COULDNT_CONNECT, (struct curl_facts){ .os_error = EPERM }, "not permitted");
	assert_says(CURLE_OPERATION_TIMEDOUT, (struct curl_facts){ 0 }, "no connection in time");
	assert_says(CURLE_OPERATION_TIMEDOUT, (struct curl_facts){ .was_connected = true },
		    "no answer in time");
	assert_says(CURLE_UNSUPPORTED_PROTOCOL, (struct curl_facts){ .was_connected = true },
		    "https://");
	assert_says(CURLE_COULDNT_RESOLVE_HOST, (struct curl_facts){ 0 }, "DNS");
	assert_says(CURLE_SSL_CONNECT_ERROR, (struct curl_facts){ 0 }, "handshake");
	assert_says(CURLE_SSL_CACERT_BADFILE, (struct curl_facts){ 0 }, "SSL_CERT_DIR");
}

/* libcurl's own words where we have none; all of them short. */
static void test_the_rest(void **state)
{
	(void)state;
	const struct curl_facts none = { 0 };
	assert_string_equal(curl_why_of(CURLE_COULDNT_CONNECT, &none),
			    curl_easy_strerror(CURLE_COULDNT_CONNECT));
	assert_string_equal(curl_why_of(CURLE_UNSUPPORTED_PROTOCOL, &none),
			    curl_easy_strerror(CURLE_UNSUPPORTED_PROTOCOL));
	assert_string_equal(curl_why_of(CURLE_GOT_NOTHING, &none),
			    curl_easy_strerror(CURLE_GOT_NOTHING));
	for (int code = 0; code < CURL_LAST; code++)
		for (long fact = 0; fact < 140; fact++) {
			const struct curl_facts f = { .verified = fact, .os_error = fact,
						      .was_connected = fact % 2 };
			size_t n = strlen(curl_why_of((CURLcode)code, &f));
			assert_true(n > 0 && n < CURL_WHY_MAX);
		}
}

/* Of a handle that has failed indeed: port 1 of this machine. */
static void test_a_handle(void **state)
{
	(void)state;
	CURL *e = curl_easy_init();
	curl_easy_setopt(e, CURLOPT_URL, "http://127.0.0.1:1/");
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	CURLcode code = curl_easy_perform(e);
	assert_int_equal(code, CURLE_COULDNT_CONNECT);
	assert_non_null(strstr(curl_why(e, code), "connection refused"));
	curl_easy_cleanup(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_the_rest),
		cmocka_unit_test(test_a_handle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
