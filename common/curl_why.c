/* SPDX-License-Identifier: MIT
 * curl_why.c - see curl_why.h. */
#include "common/curl_why.h"

#include <errno.h>
#include <openssl/x509_vfy.h>

#include "common/check.h"

struct words {
	long of;
	const char *text;
};

static const char unknown_ca[] = "the server's certificate is from a CA that is not known here: "
				 "name a file with it in SSL_CERT_FILE";
static const char other_name[] = "the server's certificate is for another name than the URL has";
static const char weak[] = "the server's certificate, or one above it, is too weak to be trusted";
static const char no_route[] = "there is no way to this address: is the network up?";
static const char forbidden[] = "connecting to this address is not permitted on this machine";
static const char no_connection[] =
	"no connection in time: is the address right, and no firewall between?";
static const char not_http[] = "the answer is not HTTP: does this port want https://?";

/* libcurl sets UNSPECIFIED before it looks, and compares names before it tells of the rest. */
static const struct words certificates[] = {
	{ X509_V_OK, other_name },
	{ X509_V_ERR_UNSPECIFIED, other_name },
	{ X509_V_ERR_HOSTNAME_MISMATCH, other_name },
	{ X509_V_ERR_IP_ADDRESS_MISMATCH, other_name },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
	  "the server's certificate is self-signed: name a file with it in SSL_CERT_FILE" },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, unknown_ca },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, unknown_ca },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, unknown_ca },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, unknown_ca },
	{ X509_V_ERR_CERT_HAS_EXPIRED,
	  "the server's certificate has expired, or this machine's clock is wrong" },
	{ X509_V_ERR_CERT_NOT_YET_VALID,
	  "the server's certificate is not valid yet, or this machine's clock is wrong" },
	{ X509_V_ERR_CERT_REVOKED, "the server's certificate has been revoked" },
	{ X509_V_ERR_INVALID_PURPOSE, "the server's certificate is not one for servers" },
	{ X509_V_ERR_EE_KEY_TOO_SMALL, weak },
	{ X509_V_ERR_CA_KEY_TOO_SMALL, weak },
	{ X509_V_ERR_CA_MD_TOO_WEAK, weak },
};

static const struct words connections[] = {
	{ ECONNREFUSED, "connection refused: nothing listens at this address and port" },
	{ ENETUNREACH, no_route },
	{ EHOSTUNREACH, no_route },
	{ EACCES, forbidden },
	{ EPERM, forbidden },
};

static const char *find(const struct words *table, size_t n, long of, const char *otherwise)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].of == of)
			return table[i].text;
	return otherwise;
}

const char *curl_why_of(CURLcode code, const struct curl_facts *facts)
{
	const char *curls = curl_easy_strerror(code);
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return find(certificates, COUNT(certificates), facts->verified,
			    "the server's certificate cannot be trusted");
	case CURLE_COULDNT_CONNECT:
		return find(connections, COUNT(connections), facts->os_error, curls);
	case CURLE_COULDNT_RESOLVE_HOST:
		return "the host's name is not known: is it right, and does DNS answer?";
	case CURLE_SSL_CONNECT_ERROR:
		return "the TLS handshake failed: does this port speak HTTPS, TLS 1.2 or later?";
	case CURLE_SSL_CACERT_BADFILE:
		return "the CA certificates cannot be read: see SSL_CERT_FILE and SSL_CERT_DIR";
	case CURLE_OPERATION_TIMEDOUT:
		return facts->was_connected ? "no answer in time" : no_connection;
	case CURLE_UNSUPPORTED_PROTOCOL:
		return facts->was_connected ? not_http : curls;
	default:
		return curls;
	}
}

const char *curl_why(CURL *easy, CURLcode code)
{
	struct curl_facts facts = { 0 };
	curl_off_t ready_us = 0;
	curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &facts.verified);
	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &facts.os_error);
	curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	facts.was_connected = ready_us > 0;
	return curl_why_of(code, &facts);
}
