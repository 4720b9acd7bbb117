/* SPDX-License-Identifier: MIT
 * fuzz_discovery.c - whatever an issuer says of itself: where keys are taken from is an address of
 * https without a password, short and without blanks, and only of the issuer that was asked. */
#include "common/hash.h"
#include "master/discovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(struct str keys)
{
	bool is_plain;
	MUST(keys.n && keys.n <= DISCOVERY_URL_MAX && discovery_host(keys, &is_plain).n && !is_plain);
	for (size_t i = 0; i < keys.n; i++)
		MUST((unsigned char)keys.p[i] > 0x20 && keys.p[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct str url = STR("https://i/.well-known/openid-configuration");
	struct str text = str_of((const char *)p, n), issuer, keys;
	struct arena *a = hash_init() == 0 ? arena_new(8 << 20) : NULL;
	if (a && !discovery_read(a, text, url, STR("https://i"), &issuer, &keys)) {
		MUST(str_eq(issuer, STR("https://i")));
		check(keys);
	}
	if (a && !discovery_read(a, text, url, STR(""), &issuer, &keys)) {
		MUST(str_eq(issuer, STR("https://i")) || str_eq(issuer, STR("https://i/")));
		check(keys);
	}
	if (a)
		(void)discovery_is_key_list(a, text);
	arena_free(a);
	return 0;
}
