/* SPDX-License-Identifier: MIT
 * curl_why.h - why a transfer of libcurl's has failed, in words that say what to look at: libcurl's
 * own are the same for a certificate that is self-signed, has expired or is another host's. */
#ifndef CURL_WHY_H
#define CURL_WHY_H

#include <curl/curl.h>
#include <stdbool.h>

/* A sentence's worth, shorter than CURL_WHY_MAX, static and without secrets. easy: the handle that
 * has ended with code, before it is reset. */
enum { CURL_WHY_MAX = 110 };
const char *curl_why(CURL *easy, CURLcode code);

/* -- pure -- */

struct curl_facts {
	long verified;		/* an X509_V_... of OpenSSL's */
	long os_error;		/* of connect(2); 0: not known */
	bool was_connected;	/* TLS included */
};
const char *curl_why_of(CURLcode code, const struct curl_facts *facts);

#endif
