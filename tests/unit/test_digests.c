/* SPDX-License-Identifier: MIT
 * test_digests.c - a digest that is remembered is the key's own, whatever was kept before. */
#include "worker/digests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct digests kept;

static struct str token_of(char text[32], unsigned i)
{
	return str_of(text, (size_t)snprintf(text, 32, "sk-%u", i));
}

static void test_each_key_has_its_own(void **state)
{
	(void)state;
	char text[32];
	struct hash_mac tag;
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 5 * DIGESTS; i++) {
			struct str token = token_of(text, i);
			struct sha256 right = hash_sha256(token);
			struct sha256 d = digests_of(&kept, token, &tag);
			assert_true(hash_sha256_eq(&d, &right));
			if (i % 3)
				digests_keep(&kept, &tag, &d);
		}
}

/* What was kept is what is told, or it would be for nothing. */
static void test_it_is_remembered(void **state)
{
	(void)state;
	char text[32];
	struct hash_mac tag;
	struct sha256 mark = { .b = { 1, 2, 3 } };
	struct str token = token_of(text, 1000000);
	(void)digests_of(&kept, token, &tag);
	digests_keep(&kept, &tag, &mark);
	struct sha256 d = digests_of(&kept, token, &tag);
	assert_true(hash_sha256_eq(&d, &mark));
	struct str other = token_of(text, 1000001);
	struct sha256 right = hash_sha256(other);
	d = digests_of(&kept, other, &tag);
	assert_true(hash_sha256_eq(&d, &right));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_has_its_own),
		cmocka_unit_test(test_it_is_remembered),
	};
	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
