/* SPDX-License-Identifier: MIT
 * test_rates.c - rates by number: one row each, found again, given to another when it is idle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/rate.h"
#include "common/hash.h"
#include "common/rates.h"

#define NOW (UINT64_C(5000) * NS_PER_S)
#define WALL (UINT64_C(1700000000) * NS_PER_S)
enum { PROCESSES = 4, NUMBERS = 50, TAKES = 400, LIMIT = 90 };

static struct board board;

static int make_board(void **state)
{
	int fd;
	(void)state;
	assert_int_equal(board_create(&board, &fd), 0);
	close(fd);
	return 0;
}

static int drop_board(void **state)
{
	(void)state;
	board_unmap(&board);
	return 0;
}

static struct board_entity *find(uint64_t id, uint64_t later_ns)
{
	return rates_find(&board, id, NOW + later_ns, WALL + later_ns);
}

static void test_a_number_has_a_row(void **state)
{
	struct board_entity *a = find(7, 0), *b = find(7 + BOARD_RATES, 0);
	(void)state;
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(find(7, 1), a);
	assert_ptr_equal(find(7 + BOARD_RATES, 1), b);
	assert_int_equal(atomic_load(&a->id), 7);
	assert_int_equal(atomic_load(&a->last_used_ns), WALL + 1);
}

static void test_only_an_idle_row_is_given_away(void **state)
{
	struct board_entity *first = find(1, 0);
	(void)state;
	for (uint64_t i = 1; i < 32; i++)
		find(1 + i * BOARD_RATES, 0);
	assert_ptr_equal(find(1 + 40 * (uint64_t)BOARD_RATES, 0), first);	/* shared: none is free */
	assert_int_equal(atomic_load(&first->id), 1);
	assert_int_equal(atomic_load(&first[32].id), 0);	/* where nobody would look */
	rate_charge(&first->tpm_tat, (struct gcra_limit){ .per_minute = LIMIT },
		    NOW + RATES_IDLE_NS, 1);			/* it has something to say yet */
	struct board_entity *second = find(1 + 40 * (uint64_t)BOARD_RATES, RATES_IDLE_NS + 5);
	assert_ptr_equal(second, first + 1);
	assert_ptr_equal(find(1, RATES_IDLE_NS + 6), first);
	assert_ptr_equal(find(1 + 40 * (uint64_t)BOARD_RATES, RATES_IDLE_NS + 6), second);
}

static void test_a_row_is_idle_after_its_time(void **state)
{
	struct board_entity *first = find(1, 0);
	(void)state;
	for (uint64_t i = 1; i < 32; i++)
		find(1 + i * BOARD_RATES, 1);
	assert_ptr_equal(find(1 + 40 * (uint64_t)BOARD_RATES, 0), first);
	assert_int_equal(atomic_load(&first->id), 1);		/* no time has passed */
	assert_ptr_equal(find(1 + 40 * (uint64_t)BOARD_RATES, RATES_IDLE_NS), first);
	assert_int_equal(atomic_load(&first->id), 1);		/* shared: now it is used again */
	assert_ptr_equal(find(1 + 41 * (uint64_t)BOARD_RATES, RATES_IDLE_NS + 1), first);
	assert_int_equal(atomic_load(&first->id), 1);
	assert_ptr_equal(find(1 + 42 * (uint64_t)BOARD_RATES, RATES_IDLE_NS + 2), first + 1);
	assert_int_equal(atomic_load(&first[1].id), 1 + 42 * (uint64_t)BOARD_RATES);
}

/* All processes together take what the limit gives, of each number. */
static unsigned take_some(void)
{
	unsigned taken = 0;
	for (unsigned i = 0; i < TAKES * NUMBERS; i++) {
		uint64_t id = 1 + i % NUMBERS * 3, wait;
		struct gcra_limit limit = { .per_minute = LIMIT };
		taken += rate_take(&rates_find(&board, id, NOW, WALL)->rpm_tat, limit, NOW, 1,
				   &wait);
	}
	return taken;
}

static void test_exact_over_processes(void **state)
{
	unsigned sum = 0;
	int line[2];
	(void)state;
	assert_int_equal(pipe(line), 0);
	for (int p = 0; p < PROCESSES; p++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			unsigned taken = take_some();
			_exit(write(line[1], &taken, sizeof taken) != sizeof taken);
		}
	}
	for (int p = 0; p < PROCESSES; p++) {
		unsigned taken;
		int status;
		assert_int_equal(read(line[0], &taken, sizeof taken), sizeof taken);
		sum += taken;
		assert_true(wait(&status) > 0 && WIFEXITED(status) && !WEXITSTATUS(status));
	}
	close(line[0]);
	close(line[1]);
	assert_int_equal(sum, NUMBERS * LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, make_board, drop_board)
		T(test_a_number_has_a_row),
		T(test_only_an_idle_row_is_given_away),
		T(test_a_row_is_idle_after_its_time),
		T(test_exact_over_processes),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
