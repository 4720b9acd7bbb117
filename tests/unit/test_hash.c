/* SPDX-License-Identifier: MIT
 * test_hash.c - published vectors for each digest, and that randomness looks like it. */
#include "common/hash.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_sha(struct str s, const char *want)
{
	char hex[65];
	struct sha256 h = hash_sha256(s);
	hash_hex(hex, h.b, sizeof h.b);
	assert_string_equal(hex, want);
}

static void test_sha256(void **state)
{
	(void)state;
	check_sha(STR_NONE, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check_sha(STR("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	struct sha256 a = hash_sha256(STR("a")), b = hash_sha256(STR("b"));
	assert_false(hash_sha256_eq(&a, &b));
	b = a;
	assert_true(hash_sha256_eq(&a, &b));
	b.b[31] ^= 1;
	assert_false(hash_sha256_eq(&a, &b));
}

static void test_hex(void **state)
{
	unsigned char b[3] = { 9, 9, 9 };
	(void)state;
	assert_int_equal(hash_unhex(b, 3, STR("00aFfE")), 0);
	assert_memory_equal(b, "\x00\xaf\xfe", 3);
	assert_int_equal(hash_unhex(b, 3, STR("00aff")), -EINVAL);
	assert_int_equal(hash_unhex(b, 3, STR("00aff")), -EINVAL);
	assert_int_equal(hash_unhex(b, 3, STR("00afff0")), -EINVAL);
	assert_int_equal(hash_unhex(b, 3, STR("11223g")), -EINVAL);
	assert_int_equal(hash_unhex(b, 3, STR("1122 3")), -EINVAL);
	assert_int_equal(hash_unhex(b, 3, STR("11@@33")), -EINVAL);
	assert_memory_equal(b, "\x00\xaf\xfe", 3);
	assert_int_equal(hash_unhex(b, 0, STR_NONE), 0);
	char hex[7];
	hash_hex(hex, b, 3);
	assert_string_equal(hex, "00affe");
	hash_hex(hex, b, 0);
	assert_string_equal(hex, "");
}

static void test_stable(void **state)
{
	(void)state;
	assert_true(hash_stable(STR_NONE) == 0xcbf29ce484222325ull);
	assert_true(hash_stable(STR("a")) == 0xaf63dc4c8601ec8cull);
	assert_true(hash_stable(STR("foobar")) == 0x85944171f73967e8ull);
	uint64_t h = hash_stable_more(hash_stable(STR("")), STR("foo"));
	assert_true(hash_stable_more(h, STR("bar")) == hash_stable(STR("foobar")));
	assert_true(hash_table(STR("a")) == hash_table(STR("a")));
	assert_true(hash_table(STR("a")) != hash_table(STR("b")));
}

static void check_crc(const void *p, size_t n, uint32_t want)
{
	assert_int_equal(hash_crc32c(0, p, n), want);
	assert_int_equal(hash_crc32c_table(0, p, n), want);
}

static void test_crc32c_of_rfc_3720(void **state)
{
	unsigned char b[32];
	static const unsigned char read_pdu[48] = {
		0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0, 0, 0, 0,    0,
		0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
		0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0, 0, 0, 0,    0,
	};
	(void)state;
	check_crc("123456789", 9, 0xe3069283);
	check_crc(b, 0, 0);
	memset(b, 0, sizeof b);
	check_crc(b, 32, 0x8a9136aa);
	memset(b, 0xff, sizeof b);
	check_crc(b, 32, 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		b[i] = (unsigned char)i;
	check_crc(b, 32, 0x46dd794e);
	for (unsigned i = 0; i < 32; i++)
		b[i] = (unsigned char)(31 - i);
	check_crc(b, 32, 0x113fdb5c);
	check_crc(read_pdu, 48, 0xd9963a56);
}

static void test_both_crcs_agree_and_continue(void **state)
{
	unsigned char b[300];
	(void)state;
	hash_random(b, sizeof b);
	for (size_t from = 0; from < 9; from++) {
		for (size_t n = 0; from + n <= sizeof b; n += 3) {
			uint32_t whole = hash_crc32c(0xdeadbeef, b + from, n);
			assert_int_equal(whole, hash_crc32c_table(0xdeadbeef, b + from, n));
			uint32_t half = hash_crc32c(0xdeadbeef, b + from, n / 2);
			assert_int_equal(whole, hash_crc32c(half, b + from + n / 2, n - n / 2));
		}
	}
}

static void test_random_below(void **state)
{
	unsigned seen[10] = { 0 };
	(void)state;
	assert_int_equal(hash_random_below(0), 0);
	assert_int_equal(hash_random_below(1), 0);
	for (int i = 0; i < 100000; i++) {
		uint64_t v = hash_random_below(10);
		assert_true(v < 10);
		seen[v]++;
	}
	for (unsigned i = 0; i < 10; i++)
		assert_in_range(seen[i], 9300, 10700);	/* seven standard deviations */
	for (int i = 0; i < 1000; i++)
		assert_true(hash_random_below(UINT64_MAX) < UINT64_MAX);
	memset(seen, 0, sizeof seen);
	for (int i = 0; i < 90000; i++)		/* a third of these would come up twice as often */
		seen[hash_random_below(3ull << 62) % 3]++;
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(seen[i], 29000, 31000);
	assert_true(hash_random_u64() != hash_random_u64());
}

static void test_random_texts(void **state)
{
	(void)state;
	for (size_t n = 0; n < 200; n++) {
		char text[300];
		memset(text, '#', sizeof text);
		hash_random_urlsafe(text, n);
		assert_int_equal(strlen(text), (n * 4 + 2) / 3);
		assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					      "0123456789-_"),
				 strlen(text));
		assert_int_equal(text[(n * 4 + 2) / 3 + 1], '#');
	}
	for (int i = 0; i < 100; i++) {
		char u[37];
		hash_uuid(u);
		assert_int_equal(strlen(u), 36);
		assert_int_equal(strspn(u, "0123456789abcdef-"), 36);
		assert_true(u[8] == '-' && u[13] == '-' && u[18] == '-' && u[23] == '-');
		assert_int_equal(u[14], '4');
		assert_non_null(strchr("89ab", u[19]));
	}
}

static void test_base64(void **state)
{
	char out[16];
	(void)state;
	assert_true(hash_base64(out, sizeof out, STR("user:pass")));
	assert_string_equal(out, "dXNlcjpwYXNz");
	assert_false(hash_base64(out, 12, STR("user:pass")));
}

/* RFC 4231, cases 1, 2 and 6: a key longer than a block. */
static void test_hmac_sha256(void **state)
{
	char long_key[131], hex[65];
	(void)state;
	memset(long_key, 0xaa, sizeof long_key);
	const struct {
		struct str key, text;
		const char *want;
	} rows[] = {
		{ STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"), STR("Hi There"),
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ STR("Jefe"), STR("what do ya want for nothing?"),
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ str_of(long_key, sizeof long_key), STR("Test Using Larger Than Block-Size Key - Hash Key First"),
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sha256 h = hash_hmac_sha256(rows[i].key, rows[i].text);
		hash_hex(hex, h.b, sizeof h.b);
		assert_string_equal(hex, rows[i].want);
	}
}

static void test_crc32(void **state)
{
	(void)state;
	assert_int_equal(hash_crc32(0, "", 0), 0);
	assert_int_equal(hash_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(hash_crc32(hash_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

static void test_unbase64(void **state)
{
	static const char *const refused[] = { "e30", "e3 0=", "e30=\n", "e30==", "*", "e30=e30=" };
	char out[16];
	size_t n;
	(void)state;
	assert_true(hash_unbase64(out, sizeof out, STR("AP/+"), &n));
	assert_int_equal(n, 3);
	assert_memory_equal(out, "\x00\xff\xfe", 3);
	assert_true(hash_unbase64(out, sizeof out, STR(""), &n) && n == 0);
	assert_true(hash_unbase64(out, 2, STR("e30="), &n) && n == 2);
	assert_false(hash_unbase64(out, 1, STR("e30="), &n));
	for (size_t i = 0; i < COUNT(refused); i++)
		assert_false(hash_unbase64(out, sizeof out, str_z(refused[i]), &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_stable),
		cmocka_unit_test(test_crc32c_of_rfc_3720),
		cmocka_unit_test(test_both_crcs_agree_and_continue),
		cmocka_unit_test(test_random_below),
		cmocka_unit_test(test_random_texts),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_hmac_sha256),
		cmocka_unit_test(test_crc32),
		cmocka_unit_test(test_unbase64),
	};
	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
