/* SPDX-License-Identifier: MIT
 * test_parcel.c - what was packed comes out; what is not sealed, or of another size, is refused. */
#include "common/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void test_parts_come_out_as_one(void **state)
{
	(void)state;
	const struct str parts[] = { STR("one"), STR(""), STR("two") };
	char got[8] = "";
	int fd = -1;
	assert_int_equal(parcel_make(parts, COUNT(parts), &fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(parcel_check(fd, 6), 0);
	assert_int_equal(parcel_read(fd, got, 6), 0);
	assert_string_equal(got, "onetwo");
	assert_int_equal(parcel_read(fd, got, 7), -EPROTO);
	assert_int_equal(parcel_check(fd, 5), -EPROTO);
	assert_int_equal(parcel_check(fd, 7), -EPROTO);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	close(fd);
}

static void test_nothing_is_something_too(void **state)
{
	(void)state;
	int fd = -1;
	assert_int_equal(parcel_make(NULL, 0, &fd), 0);
	assert_int_equal(parcel_check(fd, 0), 0);
	close(fd);
}

static void test_what_could_change_is_refused(void **state)
{
	(void)state;
	static const int few[] = { 0, F_SEAL_WRITE, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW };
	int pipes[2];
	for (size_t i = 0; i < COUNT(few); i++) {
		int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_int_equal(write(fd, "abc", 3), 3);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, few[i]), 0);
		assert_int_equal(parcel_check(fd, 3), -EPROTO);
		close(fd);
	}
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(parcel_check(pipes[0], 0), -EPROTO);
	assert_int_equal(parcel_check(-1, 0), -EPROTO);
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_come_out_as_one),
		cmocka_unit_test(test_nothing_is_something_too),
		cmocka_unit_test(test_what_could_change_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
