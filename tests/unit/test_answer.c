/* SPDX-License-Identifier: MIT
 * test_answer.c - which headers are keys, which requests are the same, and what is kept of a head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

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

static struct buf written(const struct answer_head *h)
{
	struct buf out;
	buf_init(&out, ANSWER_HEAD_MAX);
	answer_write_head(&out, h);
	assert_false(out.failed);
	return out;
}

static void test_what_is_kept_of_a_head(void **st)
{
	(void)st;
	struct answer_head h = { .status = 200,
				 .lines = STR("content-type: text/event-stream\r\n"
					      "x-litellm-call-id: abc\r\n"
					      "X-LiteLLM-Model-ID: m-1\r\n"
					      "x-ratelimit-remaining-tokens: 3\r\n"
					      "access-control-allow-origin: *\r\n"
					      "vary: Origin\r\n"
					      "llm_provider-request-id: x\r\n"
					      "idempotency-kept: false\r\n"
					      "x-llmgw-made: 1 2 3 4\r\n"
					      "cache-control: no-cache\r\n"
					      "cut: o") };
	struct buf out = written(&h);
	assert_int_equal(answer_read_head(buf_str(&out), &h), 0);
	assert_int_equal(h.status, 200);
	assert_false(h.has_made);
	assert_true(str_eq(h.lines, STR("content-type: text/event-stream\r\n"
					"X-LiteLLM-Model-ID: m-1\r\n"
					"cache-control: no-cache\r\n")));
	buf_done(&out);
	h = (struct answer_head){ .status = 422 };
	out = written(&h);
	assert_int_equal(answer_read_head(buf_str(&out), &h), 0);
	assert_int_equal(h.status, 422);
	assert_int_equal(h.lines.n, 0);
	buf_done(&out);
}

static void test_of_its_making(void **st)
{
	(void)st;
	static const struct cache_info made[] = {
		{ .input = 12, .output = 34, .cost_nano = 5600, .deployment = 78 },
		{ .input = UINT32_MAX, .cost_nano = INT64_MAX, .deployment = UINT64_MAX },
		{ .output = UINT32_MAX, .cost_nano = INT64_MIN },
		{ .cost_nano = -1 },
	};
	for (size_t i = 0; i < COUNT(made); i++) {
		struct answer_head h = { 200, STR("a: b\r\n"), true, made[i] }, back;
		struct buf out = written(&h);
		assert_int_equal(answer_read_head(buf_str(&out), &back), 0);
		assert_true(back.has_made && str_eq(back.lines, h.lines));
		assert_int_equal(back.made.input, made[i].input);
		assert_int_equal(back.made.output, made[i].output);
		assert_true(back.made.cost_nano == made[i].cost_nano);
		assert_true(back.made.deployment == made[i].deployment);
		buf_done(&out);
	}
}

/* It is not known, and it is no header. */
static void test_a_making_that_cannot_be_read(void **st)
{
	(void)st;
	static const char *const bad[] = { "", "1 2 3", "1 2 3 4 5", "x 2 3 4", "1 -2 3 4", "1 2 y 4", "1 2 3 ",
					   "4294967296 2 3 4", "1 4294967296 3 4",
					   "1 2 9223372036854775808 4", "1 2 3 18446744073709551616" };
	char head[128];
	struct answer_head h;
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(head, sizeof head, "200\r\nx-llmgw-made: %s\r\nx: y\r\n", bad[i]);
		h.has_made = true;
		assert_int_equal(answer_read_head(str_z(head), &h), 0);
		assert_false(h.has_made);
		assert_true(str_eq(h.lines, STR("x: y\r\n")));
	}
	assert_int_equal(answer_read_head(STR("200\r\nx: y\r\nx-llmgw-made: 1 2 3 4\r\n"), &h), 0);
	assert_false(h.has_made);
}

static void test_damaged_heads(void **st)
{
	(void)st;
	static const char *const bad[] = { "", "200", "200\r", "200\n\n", "199\r\n", "600\r\n", "2x0\r\n",
					   "-20\r\n", "20\r\n\r\n" };
	struct answer_head h = { .status = 7 };
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(answer_read_head(str_z(bad[i]), &h), -EBADMSG);
	assert_int_equal(h.status, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_no_part_is_taken_for_another),
		cmocka_unit_test(test_what_is_kept_of_a_head),
		cmocka_unit_test(test_of_its_making),
		cmocka_unit_test(test_a_making_that_cannot_be_read),
		cmocka_unit_test(test_damaged_heads),
	};
	return hash_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
