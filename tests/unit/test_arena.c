/* SPDX-License-Identifier: MIT
 * test_arena.c - memory of an arena is zeroed, aligned, apart, bounded and gone at the end. */
#include "common/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"

static bool is_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void fill(struct arena *a, unsigned rounds)
{
	static const size_t sizes[] = { 1, 16, 17, 100, 4000, 20000, 0, 90000, 300000 };
	unsigned char *last = NULL;
	size_t last_n = 0;
	for (unsigned i = 0; i < rounds; i++) {
		size_t n = sizes[i * 7 % COUNT(sizes)];
		unsigned char *p = arena_alloc(a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_true(is_zero(p, n));
		memset(p, 0xa5, n);
		for (size_t k = 0; k < last_n; k++)
			assert_int_equal(last[k], 0xa5);
		last = p;
		last_n = n;
	}
}

static void test_zeroed_again_after_a_reset(void **state)
{
	struct arena *a = arena_new(64 << 20);
	(void)state;
	for (int round = 0; round < 4; round++) {
		fill(a, 60);
		assert_true(arena_used(a) > 1000000);
		arena_reset(a);
		assert_int_equal(arena_used(a), 0);
	}
	assert_int_equal(mem_live(), 2);	/* itself and the first block */
	a = arena_free(a);
	assert_null(a);
	assert_int_equal(mem_live(), 0);
	assert_null(arena_free(NULL));
}

static void test_the_cap(void **state)
{
	(void)state;
	for (size_t cap = 16; cap < 2000000; cap = cap * 3 + 16) {
		struct arena *a = arena_new(cap);
		size_t got = 0;
		assert_null(arena_alloc(a, cap + 1));
		assert_null(arena_alloc(a, SIZE_MAX));
		assert_null(arena_array(a, SIZE_MAX / 2, 3));
		while (arena_alloc(a, 16))
			got += 16;
		assert_int_equal(got, cap & ~(size_t)15);
		arena_reset(a);
		assert_non_null(arena_alloc(a, 16));
		a = arena_free(a);
	}
	struct arena *a = arena_new(0);
	assert_null(arena_alloc(a, 0));
	a = arena_free(a);
}

static void test_texts(void **state)
{
	struct arena *a = arena_new(4096);
	(void)state;
	assert_true(str_eq_z(arena_dup(a, STR("abc")), "abc"));
	assert_non_null(arena_dup(a, STR("")).p);
	assert_non_null(arena_dup(a, STR_NONE).p);
	assert_string_equal(arena_dup_z(a, STR("xyz")), "xyz");
	assert_string_equal(arena_dup_z(a, STR_NONE), "");
	struct str s = arena_printf(a, "%s-%d", "n", 5);
	assert_true(str_eq_z(s, "n-5"));
	assert_string_equal(s.p, "n-5");
	assert_null(arena_printf(a, "%5000d", 1).p);
	char large[5000] = { 0 };
	assert_null(arena_dup(a, str_of(large, sizeof large)).p);
	assert_null(arena_dup_z(a, str_of(large, sizeof large)));
	a = arena_free(a);
}

static void test_a_large_piece_does_not_waste_the_block(void **state)
{
	struct arena *a = arena_new(1 << 20);
	(void)state;
	char *first = arena_alloc(a, 16);
	(void)!arena_alloc(a, 200000);
	char *second = arena_alloc(a, 16);
	assert_ptr_equal(second, first + 16);
	arena_reset(a);
	assert_ptr_equal(arena_alloc(a, 16), first);
	a = arena_free(a);
}

static void test_no_memory(void **state)
{
	(void)state;
	mem_fail_at(1);
	assert_null(arena_new(100));
	struct arena *a = arena_new(100000);
	mem_fail_at(1);
	assert_null(arena_alloc(a, 10));
	arena_reset(a);
	assert_non_null(arena_alloc(a, 10));
	mem_fail_at(1);
	assert_null(arena_alloc(a, 50000));
	assert_non_null(arena_alloc(a, 50000));
	mem_fail_at(0);
	a = arena_free(a);
	assert_int_equal(mem_live(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed_again_after_a_reset),
		cmocka_unit_test(test_the_cap),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_a_large_piece_does_not_waste_the_block),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
