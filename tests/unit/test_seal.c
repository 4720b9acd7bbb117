/* SPDX-License-Identifier: MIT
 * test_seal.c - what is sealed opens with its key and under its name, and with nothing else. */
#include "master/seal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/hash.h"

static const uint8_t salt[SEAL_SALT] = "sixteen bytes!!", other_salt[SEAL_SALT] = "other sixteen!!";

static struct str sealed_of(const struct seal *s, struct str plain, struct buf *out)
{
	buf_init(out, 4096);
	seal_close(s, plain, STR("model a"), out);
	assert_false(out->failed);
	return buf_str(out);
}

static int opens(const struct seal *s, struct str sealed, const char *name, const char *plain)
{
	struct buf out;
	buf_init(&out, 4096);
	int err = seal_open(s, sealed, str_z(name), &out);
	if (!err)
		assert_true(str_eq_z(buf_str(&out), plain));
	else
		assert_int_equal(out.n, 0);
	buf_done(&out);
	return err;
}

static void test_there_and_back(void **st)
{
	struct seal s, same;
	struct buf one, two, none;
	(void)st;
	assert_int_equal(seal_init(&s, STR("secret"), salt), 0);
	assert_int_equal(seal_init(&same, STR("secret"), salt), 0);
	struct str a = sealed_of(&s, STR("{\"api_key\":\"sk\"}"), &one);
	struct str b = sealed_of(&s, STR("{\"api_key\":\"sk\"}"), &two);
	assert_false(str_eq(a, b));	/* a nonce of its own */
	assert_true(str_find(a, STR("api_key")) == SIZE_MAX);
	assert_int_equal(opens(&same, a, "model a", "{\"api_key\":\"sk\"}"), 0);
	assert_int_equal(opens(&same, b, "model a", "{\"api_key\":\"sk\"}"), 0);
	assert_int_equal(opens(&same, sealed_of(&s, STR(""), &none), "model a", ""), 0);
	buf_done(&one);
	buf_done(&two);
	buf_done(&none);
}

static void test_another_key_or_salt_or_name(void **st)
{
	struct seal s, key, salted;
	struct buf one;
	(void)st;
	assert_int_equal(seal_init(&s, STR("secret"), salt), 0);
	assert_int_equal(seal_init(&key, STR("Secret"), salt), 0);
	assert_int_equal(seal_init(&salted, STR("secret"), other_salt), 0);
	struct str a = sealed_of(&s, STR("plain"), &one);
	assert_int_equal(opens(&key, a, "model a", NULL), -ENOKEY);
	assert_int_equal(opens(&salted, a, "model a", NULL), -ENOKEY);
	assert_int_equal(opens(&s, a, "model b", NULL), -EBADMSG);
	seal_done(&s);
	assert_int_equal(opens(&s, a, "model a", NULL), -ENOKEY);
	buf_done(&one);
}

static void test_any_byte_changed(void **st)
{
	struct seal s;
	struct buf one;
	(void)st;
	assert_int_equal(seal_init(&s, STR("secret"), salt), 0);
	struct str a = sealed_of(&s, STR("plain"), &one);
	for (size_t i = 0; i < a.n; i++) {
		one.p[i] ^= 1;
		assert_true(opens(&s, a, "model a", NULL) < 0);
		one.p[i] ^= 1;
		assert_int_equal(opens(&s, str_of(a.p, i), "model a", NULL), -EBADMSG);
	}
	assert_int_equal(opens(&s, a, "model a", "plain"), 0);
	buf_done(&one);
}

static int init(void **st)
{
	(void)st;
	return hash_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_another_key_or_salt_or_name),
		cmocka_unit_test(test_any_byte_changed),
	};
	return cmocka_run_group_tests(tests, init, NULL);
}
