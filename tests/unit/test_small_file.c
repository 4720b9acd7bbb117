/* SPDX-License-Identifier: MIT
 * test_small_file.c - texts of the kernel's are read, cut and ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/small_file.h"

static void test_read(void **st)
{
	char text[64] = "as it was", few[5];
	(void)st;
	assert_int_equal(small_file_read("/proc/self/nothing", text, sizeof text), 0);
	assert_string_equal(text, "");
	assert_int_equal(small_file_read("/proc/self", text, sizeof text), 0);	/* a folder */
	size_t n = small_file_read("/proc/self/comm", text, sizeof text);
	assert_true(n > sizeof few && n == strlen(text) && text[n - 1] == '\n');
	assert_int_equal(small_file_read("/proc/self/comm", few, sizeof few), sizeof few - 1);
	assert_true(memcmp(few, text, sizeof few - 1) == 0 && few[sizeof few - 1] == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_read) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
