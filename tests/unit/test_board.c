/* SPDX-License-Identifier: MIT
 * test_board.c - the segment is found again as it was made, and cannot be cut. */
#include "common/board.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/hash.h"

static void test_two_mappings_are_one_board(void **state)
{
	struct board a, b;
	int fd = -1;

	(void)state;
	assert_int_equal(board_create(&a, &fd), 0);
	assert_int_equal(board_map(fd, &b), 0);
	assert_ptr_not_equal(a.head, b.head);
	assert_int_equal(a.size, b.size);
	assert_int_equal(b.head->epoch, a.head->epoch);
	atomic_store(&a.slots[BOARD_WORKERS * BOARD_SLOTS - 1].reserve_nano, 7);
	assert_int_equal(b.slots[BOARD_WORKERS * BOARD_SLOTS - 1].reserve_nano, 7);
	atomic_store(&a.entities[BOARD_ENTITIES - 1].settled, 8);
	assert_int_equal(b.entities[BOARD_ENTITIES - 1].settled, 8);
	assert_int_equal(pthread_mutex_lock(&a.shards[BOARD_SHARDS - 1].mutex), 0);
	assert_int_equal(pthread_mutex_trylock(&b.shards[BOARD_SHARDS - 1].mutex), EBUSY);
	assert_int_equal(pthread_mutex_unlock(&a.shards[BOARD_SHARDS - 1].mutex), 0);
	board_unmap(&a);
	assert_null(a.head);
	board_unmap(&a);
	board_unmap(&b);
	close(fd);
}

static void test_an_untouched_board_costs_little(void **state)
{
	struct board b;
	struct stat st;
	int fd = -1;

	(void)state;
	assert_int_equal(board_create(&b, &fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_in_range(st.st_blocks, 1, 200);
	board_unmap(&b);
	close(fd);
}

static void test_what_is_no_board(void **state)
{
	struct board b, other;
	int fd = -1, small = memfd_create("small", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(board_map(small, &b), -EBADMSG);
	assert_int_equal(board_map(-1, &b), -EBADF);
	assert_int_equal(board_create(&b, &fd), 0);
	assert_int_equal(ftruncate(small, (off_t)b.size), 0);
	assert_int_equal(board_map(small, &other), -EBADMSG);
	b.head->layout++;
	assert_int_equal(board_map(fd, &other), -EBADMSG);
	assert_int_not_equal(ftruncate(fd, 0), 0);
	assert_int_equal(errno, EPERM);
	board_unmap(&b);
	close(small);
	close(fd);
}

static void test_inflight_counts_the_living(void **state)
{
	struct board b;
	int fd = -1;

	(void)state;
	assert_int_equal(board_create(&b, &fd), 0);
	for (uint32_t w = 0; w < 5; w++) {
		atomic_store(&b.workers[w].state, w);
		atomic_store(board_inflight_own(&b, w, 77), (uint16_t)(10 + w));
	}
	assert_int_equal(board_inflight(&b, 77), 11 + 12 + 13);
	assert_int_equal(board_inflight(&b, 78), 0);
	board_unmap(&b);
	close(fd);
}

static void test_reasons_have_texts(void **state)
{
	(void)state;
	for (unsigned r = MONEY_OK; r <= MONEY_JOURNAL; r++)
		assert_string_not_equal(money_reason_text((enum money_reason)r), "unknown");
	assert_string_equal(money_reason_text((enum money_reason)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_mappings_are_one_board),
		cmocka_unit_test(test_an_untouched_board_costs_little),
		cmocka_unit_test(test_what_is_no_board),
		cmocka_unit_test(test_inflight_counts_the_living),
		cmocka_unit_test(test_reasons_have_texts),
	};

	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
