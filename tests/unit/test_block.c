/* SPDX-License-Identifier: MIT
 * test_block.c - blocks that a thread keeps are as good as the heap's: nobody else has them, they
 * hold what was put in, and all of them go back. */
#include "common/block.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LIVE_MAX = 200, STEPS = 200000, SIZE_MAX_HERE = 40000 };

static struct {
	unsigned char *p;
	size_t n;
	unsigned char mark;
} live[LIVE_MAX];

static void fill(size_t i, size_t n, unsigned char mark)
{
	live[i].n = n;
	live[i].mark = mark;
	memset(live[i].p, mark, n);
}

static void check(size_t i, size_t n)
{
	for (size_t k = 0; k < n; k++)
		assert_int_equal(live[i].p[k], live[i].mark);
}

static size_t random_size(unsigned *seed)
{
	unsigned r = (unsigned)rand_r(seed);
	return r % 3 == 0 ? r / 3 % 2100 : r / 3 % SIZE_MAX_HERE;
}

/* One step on a slot: taken and filled, grown or shrunk, or looked at and freed. */
static void step(unsigned *seed)
{
	size_t i = (unsigned)rand_r(seed) % LIVE_MAX, n = random_size(seed) + 1;
	unsigned char mark = (unsigned char)rand_r(seed);
	unsigned what = (unsigned)rand_r(seed) % 3;
	if (!live[i].p && what == 0) {
		live[i].p = block_zeroed(n, 1);
		assert_non_null(live[i].p);
		live[i].mark = 0;
		check(i, n);
		fill(i, n, mark);
	} else if (!live[i].p) {
		live[i].p = block_new(n);
		assert_non_null(live[i].p);
		fill(i, n, mark);
	} else if (what == 0) {
		size_t both = n < live[i].n ? n : live[i].n;
		live[i].p = block_grow(live[i].p, n);
		assert_non_null(live[i].p);
		check(i, both);
		fill(i, n, mark);
	} else {
		check(i, live[i].n);
		block_free(live[i].p);
		live[i].p = NULL;
	}
}

static void test_blocks_are_their_owners_alone(void **state)
{
	(void)state;
	unsigned seed = 7;
	for (int i = 0; i < STEPS; i++) {
		if (i % 50000 == 0)
			block_keep(i % 100000 == 0);	/* with blocks of before under way */
		step(&seed);
	}
	for (size_t i = 0; i < LIVE_MAX; i++)
		block_free(live[i].p);
	block_keep(false);
}

static void *free_it(void *p)
{
	block_free(p);
	return NULL;
}

static void test_another_thread_may_free_a_block(void **state)
{
	(void)state;
	pthread_t t;
	block_keep(true);
	void *p = block_new(17000);
	assert_non_null(p);
	assert_int_equal(pthread_create(&t, NULL, free_it, p), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	block_keep(false);
}

static void test_a_freed_block_is_had_again(void **state)
{
	(void)state;
	block_keep(true);
	void *p = block_new(16385);
	assert_non_null(p);
	uintptr_t was = (uintptr_t)p;
	block_free(p);
	p = block_new(16000);
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
	assert_int_equal((uintptr_t)p, was);
#endif
	(void)was;
	block_free(p);
	block_keep(false);
}

static void test_too_much_is_refused(void **state)
{
	(void)state;
	block_keep(true);
	assert_null(block_zeroed(SIZE_MAX / 2, 3));
	char *z = block_dup("text");
	assert_string_equal(z, "text");
	block_free(z);
	block_free(NULL);
	block_keep(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_are_their_owners_alone),
		cmocka_unit_test(test_another_thread_may_free_a_block),
		cmocka_unit_test(test_a_freed_block_is_had_again),
		cmocka_unit_test(test_too_much_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
