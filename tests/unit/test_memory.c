/* SPDX-License-Identifier: MIT
 * test_memory.c - large blocks are counted and bounded; limits of control groups are found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/mem.h"
#include "master/memory.h"

static void test_large_blocks_are_counted(void **st)
{
	uint64_t before = mem_held();
	(void)st;
	char *small = mem_alloc(100), *large = mem_alloc(100000), *array = mem_array(100, 100);
	uint64_t with = mem_held() - before;
	assert_true(small && large && array);
	assert_true(with >= 110000 && with < 130000);
	large = mem_grow(large, 400000);
	assert_true(large && mem_held() - before >= 410000);
	large = mem_grow(large, 50);
	small = mem_grow(small, 20000);
	assert_true(mem_held() - before >= 30000 && mem_held() - before < 60000);
	mem_free(small);
	mem_free(large);
	mem_free(array);
	assert_true(mem_held() == before);
	/* Sizes about the bound are taken off as they were added. */
	for (size_t n = 3900; n < 4300; n++) {
		void *p = mem_alloc(n);
		assert_non_null(p);
		mem_free(p);
		assert_true(mem_held() == before);
	}
}

static void test_a_ceiling(void **st)
{
	void *kept[32];
	struct buf b;
	(void)st;
	mem_set_ceiling(mem_held() + 1000000);
	void *p = mem_alloc(600000), *q = mem_alloc(600000);
	assert_non_null(p);
	assert_null(q);
	q = mem_alloc(2000);			/* small ones are always to be had */
	assert_non_null(q);
	assert_null(mem_array(1000, 1000));
	assert_null(mem_array(SIZE_MAX / 2, 8));
	assert_null(mem_alloc(SIZE_MAX - 100));
	assert_null(mem_grow(p, 1100000));
	assert_null(mem_grow(p, 800000));	/* the last quarter is not for such */
	p = mem_grow(p, 700000);		/* its own bytes do not stand against it */
	assert_non_null(p);
	unsigned n = 0;
	for (void *more; (more = mem_alloc(10000)); n++)
		kept[n] = more;
	assert_true(n >= 20 && n < 32);
	while (n)
		mem_free(kept[--n]);
	mem_free(p);
	buf_init(&b, 10 << 20);
	while (!b.failed)
		buf_put(&b, STR("sixteen bytes..."));
	assert_true(b.n > 100000 && b.n < 1000000);
	buf_done(&b);
	mem_set_ceiling(0);
	p = mem_alloc(2000000);
	assert_non_null(p);
	mem_free(p);
	mem_free(q);
}

static char root[] = "/tmp/llmgw-groups-XXXXXX";

/* All of them files, and folders that are empty then. */
static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static void put(const char *folder, const char *file, const char *text)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", root, folder);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/%s/%s", root, folder, file);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_control_groups(void **st)
{
	(void)st;
	assert_non_null(mkdtemp(root));
	put("a", "memory.max", "max\n");
	put("a/b", "memory.max", "1000000000\n");
	put("a/b/c", "memory.max", "2000000000\n");
	put("memory", "memory.limit_in_bytes", "9223372036854771712\n");
	put("memory/x", "memory.limit_in_bytes", "134217728\n");
	assert_true(memory_of_groups("0::/\n", root) == UINT64_MAX);
	assert_true(memory_of_groups("0::/a\n", root) == UINT64_MAX);
	assert_true(memory_of_groups("0::/a/b/c\n", root) == 1000000000);
	assert_true(memory_of_groups("0::/a/gone/c\n", root) == UINT64_MAX);
	assert_true(memory_of_groups("9:memory:/x\n0::/a/b/c\n", root) == 134217728);
	assert_true(memory_of_groups("3:cpu,cpuacct:/x\n9:memory:/\n", root) == UINT64_MAX);
	/* In a container the path may be one of the outside. */
	put(".", "memory.max", "50000000\n");
	assert_true(memory_of_groups("0::/nowhere/else\n", root) == 50000000);
	assert_true(memory_of_groups("0::relative\nnonsense\n\n", root) == UINT64_MAX);
	assert_true(memory_of_groups("", root) == UINT64_MAX);
	assert_int_equal(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void test_shares(void **st)
{
	(void)st;
	assert_true(memory_share(UINT64_C(8) << 30, 4) == UINT64_C(1) << 30);
	assert_true(memory_share(UINT64_C(8) << 30, 0) == UINT64_C(4) << 30);
	assert_true(memory_share(UINT64_C(64) << 20, 32) == UINT64_C(16) << 20);
	assert_true(memory_there_is() >= UINT64_C(16) << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_blocks_are_counted),
		cmocka_unit_test(test_a_ceiling),
		cmocka_unit_test(test_control_groups),
		cmocka_unit_test(test_shares),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
