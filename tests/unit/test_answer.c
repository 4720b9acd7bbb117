/* SPDX-License-Identifier: MIT
 * test_answer.c - which headers are keys, which requests are the same, and what is kept of a head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "worker/answer.h"

static void assert_key(struct str header, const char *expect)
{
	struct str v = answer_key(header);
	if (!expect) {
		assert_null(v.p);
		return;
	}
	assert_non_null(v.p);
	assert_true(str_eq_z(v, expect));
}

static void test_keys(void **st)
{
	(void)st;
	char room[ANSWER_KEY_MAX + 3];
	assert_key(STR("abc"), "abc");
	assert_key(STR("  a b "), "a b");
	assert_key(STR("\"8e03978e-40d5\""), "8e03978e-40d5");
	assert_key(STR("'a'"), "'a'");
	static const char *const bad[] = { "", " ", "\"", "\"\"", "a\"b", "\"a", "a\tb", "\x7f", "\xc3\xa4" };
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_key(str_z(bad[i]), NULL);
	memset(room, 'x', sizeof room);
	room[ANSWER_KEY_MAX] = '\0';
	assert_key(str_z(room), room);
	room[ANSWER_KEY_MAX] = 'x';
	room[ANSWER_KEY_MAX + 1] = '\0';
	assert_key(str_z(room), NULL);
	assert_key(STR_NONE, NULL);
}

static struct sha256 digest(const char *const *texts, unsigned n)
{
	struct str parts[3];
	for (unsigned i = 0; i < n; i++)
		parts[i] = str_z(texts[i]);
	return answer_digest(parts, n);
}

static void test_no_part_is_taken_for_another(void **st)
{
	(void)st;
	static const char *const sets[][3] = {
		{ "ab", "c", "" },
		{ "a", "bc", "" },
		{ "a", "b", "c" },
		{ "", "abc", "" },
		{ "abc", "", "" },
	};
	for (size_t i = 0; i < COUNT(sets); i++)
		for (size_t j = 0; j < COUNT(sets); j++) {
			struct sha256 a = digest(sets[i], 3), b = digest(sets[j], 3);
			assert_int_equal(hash_sha256_eq(&a, &b), i == j);
		}
	struct sha256 two = digest(sets[4], 2), three = digest(sets[4], 3);
	assert_false(hash_sha256_eq(&two, &three));
	const struct str none[] = { STR_NONE, STR("") };
	struct sha256 a = answer_digest(none, 1), b = answer_digest(none + 1, 1);
	assert_true(hash_sha256_eq(&a, &b));
}

static void test_what_is_kept_of_a_head(void **st)
{
	(void)st;
	struct buf out;
	struct str lines;
	int status = 0;
	buf_init(&out, ANSWER_HEAD_MAX);
	answer_write_head(&out, 200, STR("content-type: text/event-stream\r\n"
					 "x-litellm-call-id: abc\r\n"
					 "X-LiteLLM-Model-ID: m-1\r\n"
					 "x-ratelimit-remaining-tokens: 3\r\n"
					 "access-control-allow-origin: *\r\n"
					 "vary: Origin\r\n"
					 "llm_provider-request-id: x\r\n"
					 "idempotency-kept: false\r\n"
					 "cache-control: no-cache\r\n"
					 "cut: o"));
	assert_int_equal(answer_read_head(buf_str(&out), &status, &lines), 0);
	assert_int_equal(status, 200);
	assert_true(str_eq(lines, STR("content-type: text/event-stream\r\n"
				      "X-LiteLLM-Model-ID: m-1\r\n"
				      "cache-control: no-cache\r\n")));
	buf_reset(&out);
	answer_write_head(&out, 422, STR_NONE);
	assert_int_equal(answer_read_head(buf_str(&out), &status, &lines), 0);
	assert_int_equal(status, 422);
	assert_int_equal(lines.n, 0);
	buf_done(&out);
}

static void test_damaged_heads(void **st)
{
	(void)st;
	static const char *const bad[] = { "", "200", "200\r", "200\n\n", "199\r\n", "600\r\n", "2x0\r\n",
					   "-20\r\n", "20\r\n\r\n" };
	int status = 7;
	struct str lines;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(answer_read_head(str_z(bad[i]), &status, &lines), -EBADMSG);
	assert_int_equal(status, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_no_part_is_taken_for_another),
		cmocka_unit_test(test_what_is_kept_of_a_head),
		cmocka_unit_test(test_damaged_heads),
	};
	return hash_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
