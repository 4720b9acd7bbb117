/* SPDX-License-Identifier: MIT
 * test_model_limit.c - limits of single models as a text: what is put in is found, and a text that
 * is none, or cut anywhere, is read to its end and no further. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/hash.h"
#include "common/model_limit.h"

static const struct model_limit some[] = {
	{ .id = 1, .max_budget_nano = -1, .rpm = 5, .entity = 9, .model = { "gpt-4o", 6 } },
	{ .id = 2, .max_budget_nano = 0, .tpm = 7, .entity = 10, .model = { "openai/o3", 9 } },
	{ .id = UINT64_MAX >> 8, .max_budget_nano = INT64_MAX, .rpm = UINT64_MAX,
	  .entity = UINT32_MAX, .model = { "12345678", 8 } },
};

static void put_some(struct buf *b)
{
	buf_init(b, 4096);
	for (size_t i = 0; i < COUNT(some); i++)
		model_limit_put(b, &some[i]);
	assert_false(b->failed);
	assert_int_equal(b->n % 8, 0);
}

static void test_what_is_put_is_found(void **state)
{
	struct buf b;
	struct model_limit l;
	(void)state;
	put_some(&b);
	struct str rest = buf_str(&b);
	for (size_t i = 0; i < COUNT(some); i++) {
		assert_true(model_limit_next(&rest, &l));
		assert_true(str_eq(l.model, some[i].model));
		assert_true(l.id == some[i].id && l.rpm == some[i].rpm && l.tpm == some[i].tpm &&
			    l.max_budget_nano == some[i].max_budget_nano &&
			    l.entity == some[i].entity);
	}
	assert_false(model_limit_next(&rest, &l));
	assert_int_equal(rest.n, 0);
	assert_true(model_limit_find(buf_str(&b), STR("12345678"), &l));
	assert_int_equal(l.entity, UINT32_MAX);
	assert_false(model_limit_find(buf_str(&b), STR("gpt-4"), &l));
	assert_false(model_limit_find(buf_str(&b), STR(""), &l));
	assert_false(model_limit_find(STR(""), STR("gpt-4o"), &l));
	buf_done(&b);
}

static void test_a_providers_name_may_be_missing(void **state)
{
	struct buf b;
	struct model_limit l;
	(void)state;
	put_some(&b);
	assert_true(model_limit_find_bare(buf_str(&b), STR("azure/gpt-4o"), &l));
	assert_int_equal(l.rpm, 5);
	assert_true(model_limit_find_bare(buf_str(&b), STR("openai/o3"), &l));	/* the whole first */
	assert_int_equal(l.tpm, 7);
	assert_false(model_limit_find_bare(buf_str(&b), STR("a/openai/o4"), &l));
	assert_true(model_limit_find_bare(buf_str(&b), STR("a/openai/o3"), &l));
	assert_false(model_limit_find_bare(buf_str(&b), STR("o3"), &l));
	buf_done(&b);
}

static void test_rubbish_is_read_within_bounds(void **state)
{
	struct buf b;
	struct model_limit l;
	char text[256];
	(void)state;
	put_some(&b);
	for (size_t n = 0; n < b.n; n++) {		/* cut anywhere, and moved: no alignment */
		memcpy(text + 1, b.p, n);
		struct str rest = str_of(text + 1, n);
		while (model_limit_next(&rest, &l))
			assert_true(l.model.p >= text && l.model.p + l.model.n <= text + 1 + n);
	}
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = hash_random_below(sizeof text);
		memcpy(text, b.p, n < b.n ? n : b.n);
		for (unsigned k = 0; k < 4; k++)
			text[hash_random_below(sizeof text)] = (char)hash_random_below(256);
		struct str rest = str_of(text, n);
		while (model_limit_next(&rest, &l))
			assert_true(l.model.p >= text && l.model.p + l.model.n <= text + n);
	}
	buf_done(&b);
}

static void test_numbers(void **state)
{
	uint64_t id = model_limit_id(9, 5, STR("m"));
	(void)state;
	assert_true(id && id < UINT64_C(1) << 56);
	assert_int_equal(id, model_limit_id(9, 5, STR("m")));
	assert_int_not_equal(id, model_limit_id(10, 5, STR("m")));
	assert_int_not_equal(id, model_limit_id(9, 6, STR("m")));
	assert_int_not_equal(id, model_limit_id(9, 5, STR("n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_put_is_found),
		cmocka_unit_test(test_a_providers_name_may_be_missing),
		cmocka_unit_test(test_rubbish_is_read_within_bounds),
		cmocka_unit_test(test_numbers),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
